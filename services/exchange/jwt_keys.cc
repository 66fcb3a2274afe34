#include "services/exchange/jwt_keys.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cjose/cjose.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {
namespace {

constexpr int kRsaBitsMin = 2'048;
constexpr std::size_t kJwksBytesMax = 256u << 10;
// A set that ends within this is fetched ahead, when it was used lately.
constexpr absl::Duration kRefreshAhead = absl::Seconds(30);
constexpr absl::Duration kUsedLately = absl::Hours(1);

struct JwkRelease {
  void operator()(cjose_jwk_t* jwk) const { cjose_jwk_release(jwk); }
};

bool IsUsable(const Json& key, const std::string& algorithm) {
  const bool elliptic = algorithm == "ES384";
  return key.TextOf("kty") == (elliptic ? "EC" : "RSA") && (!elliptic || key.TextOf("crv") == "P-384") &&
         (key.Find("alg") == nullptr || key.TextOf("alg") == algorithm) && (key.Find("use") == nullptr || key.TextOf("use") == "sig");
}

// Unauthenticated when the set holds no key of that id; `known` tells whether one has the id at least.
absl::StatusOr<Json> FindIn(const Json& set, const std::string& kid, const std::string& algorithm, bool& known) {
  known = false;
  for (const Json& key : set["keys"].items()) {
    if (key.TextOf("kid") != kid) continue;
    known = true;
    if (IsUsable(key, algorithm)) return key;
  }
  return absl::UnauthenticatedError(known ? "the token's key is not for its algorithm" : "the token's kid is not in the registered JWK set");
}

absl::Status CheckKey(const Json& key, const std::string& which) {
  for (const char* part : {"d", "p", "q", "dp", "dq", "qi", "k"})
    if (key.Find(part) != nullptr) return absl::InvalidArgumentError(which + "has a private part; register the public key only");
  const bool elliptic = key.TextOf("kty") == "EC" && key.TextOf("crv") == "P-384";
  if (!elliptic && key.TextOf("kty") != "RSA") return absl::InvalidArgumentError(which + "must be EC P-384 or RSA");
  cjose_err error;
  for (const char* number : {"x", "y", "n", "e"})
    if (key.Find(number) != nullptr && !IsBase64Url(key.TextOf(number))) return absl::InvalidArgumentError(which + number + " must be base64url");
  const std::string text = key.Text();
  const std::unique_ptr<cjose_jwk_t, JwkRelease> jwk(cjose_jwk_import(text.data(), text.size(), &error));
  if (jwk == nullptr) return absl::InvalidArgumentError(which + "cannot be read");
  if (!elliptic && cjose_jwk_get_keysize(jwk.get(), &error) < kRsaBitsMin)
    return absl::InvalidArgumentError(which + "is shorter than 2048 bits");
  return absl::OkStatus();
}

// The keys of a fetched set that can verify; a set made for others too may hold keys that are not for us.
absl::StatusOr<Json> ReadFetched(const rpc::HttpResponse& response) {
  if (response.status != 200) return absl::UnavailableError(absl::StrCat("the key server answered ", response.status, " instead of 200"));
  const auto set = Json::Parse(response.body, {.bytes_max = kJwksBytesMax, .depth_max = 16});
  if (!set.ok() || !(*set)["keys"].is_array()) return absl::UnavailableError("the key server's answer is no JWK set");
  Json usable = Json::Array();
  std::set<std::string> kids;
  for (const Json& key : (*set)["keys"].items())
    if (!key.TextOf("kid").empty() && CheckKey(key, "").ok() && kids.insert(key.TextOf("kid")).second) usable.Append(key);
  if (usable.items().empty()) return absl::UnavailableError("the key server's JWK set holds no public P-384 or RSA key with a kid");
  return Json::Object({{"keys", std::move(usable)}});
}

}  // namespace

bool IsBase64Url(std::string_view text) {
  return !text.empty() && text.size() % 4 != 1 &&
         std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; });
}

absl::Status CheckJwks(std::string_view jwks) {
  const auto set = Json::Parse(jwks);
  if (!set.ok() || (*set)["keys"].items().empty())
    return absl::InvalidArgumentError("a JWK set is {\"keys\": [...]} with at least one key");
  std::set<std::string> kids;
  for (std::size_t i = 0; i < (*set)["keys"].items().size(); ++i) {
    const Json& key = (*set)["keys"][i];
    const std::string which = absl::StrCat("keys[", i, "] ");
    if (key.TextOf("kid").empty() || !kids.insert(key.TextOf("kid")).second)
      return absl::InvalidArgumentError(which + "needs a kid of its own");
    if (absl::Status status = CheckKey(key, which); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Duration KeptFor(const rpc::HttpResponse& response) {
  for (const auto& [name, value] : response.headers) {
    if (absl::AsciiStrToLower(name) != "cache-control") continue;
    absl::Duration kept = KeySets::kKept;
    for (const absl::string_view each : absl::StrSplit(value, ',')) {
      const std::string directive = absl::AsciiStrToLower(absl::StripAsciiWhitespace(each));
      if (directive == "no-store" || directive == "no-cache") return KeySets::kKeptMin;
      std::int64_t seconds = 0;
      if (directive.rfind("max-age=", 0) == 0 && absl::SimpleAtoi(directive.substr(8), &seconds))
        kept = std::clamp(absl::Seconds(seconds), KeySets::kKeptMin, KeySets::kKeptMax);
    }
    return kept;
  }
  return KeySets::kKept;
}

absl::StatusOr<Json> KeySets::Find(const KeySource& source, const std::string& kid, const std::string& algorithm) const {
  if (!source.jwks_url.empty()) return FindByUrl(source.jwks_url, kid, algorithm);
  const auto set = Json::Parse(source.jwks);
  if (!set.ok()) return absl::InternalError("the registered JWK set cannot be read");
  bool known = false;
  return FindIn(*set, kid, algorithm, known);
}

absl::StatusOr<Json> KeySets::FindByUrl(const std::string& url, const std::string& kid, const std::string& algorithm) const {
  for (bool again = false;; again = true) {
    std::shared_ptr<const Json> set;
    absl::Status failure;
    {
      const absl::MutexLock lock(&mutex_);
      Kept& kept = kept_[url];
      const absl::Time now = clock_.Now();
      kept.used = now;
      failure = kept.failure;
      // Past its time it still serves while its server is away, but only after we have asked.
      if (kept.set != nullptr && now < kept.until + (again ? kStaleMax : absl::ZeroDuration())) set = kept.set;
    }
    bool known = false;
    if (set != nullptr) {
      auto key = FindIn(*set, kid, algorithm, known);
      if (key.ok() || known || again) return key;
    }
    if (again) return failure.ok() ? absl::UnavailableError("the client's JWK set cannot be fetched now") : failure;
    Refetch(url);
  }
}

void KeySets::Refetch(const std::string& url) const {
  {
    const absl::MutexLock lock(&mutex_);
    Kept& kept = kept_[url];
    if (kept.fetching) {
      mutex_.Await(absl::Condition(+[](Kept* waited) { return !waited->fetching; }, &kept));
      return;
    }
    if (clock_.Now() < kept.tried + kRefetchAfter) return;
    kept.fetching = true;
    kept.tried = clock_.Now();
  }
  const auto response = fetch_(url);
  absl::StatusOr<Json> set = response.ok() ? ReadFetched(*response) : response.status();
  const absl::MutexLock lock(&mutex_);
  Kept& kept = kept_[url];
  kept.fetching = false;
  kept.failure = set.ok() ? absl::OkStatus() : absl::UnavailableError(std::string(set.status().message()));
  if (set.ok()) {
    kept.set = std::make_shared<const Json>(*std::move(set));
    kept.until = clock_.Now() + KeptFor(*response);
  } else {
    spdlog::warn("event=jwks_fetch_failed code={} reason=\"{}\"", absl::StatusCodeToString(set.status().code()),
                 std::string(set.status().message()));
  }
}

void KeySets::RefreshDue() const {
  std::vector<std::string> due;
  {
    const absl::MutexLock lock(&mutex_);
    const absl::Time now = clock_.Now();
    for (const auto& [url, kept] : kept_)
      if (kept.until < now + kRefreshAhead && now < kept.used + kUsedLately) due.push_back(url);
  }
  for (const std::string& url : due) Refetch(url);
}

absl::Status KeySets::Probe(const std::string& url) const {
  const auto response = fetch_(url);
  return response.ok() ? ReadFetched(*response).status() : response.status();
}

}  // namespace custodian::exchange
