#include "services/exchange/jwt_keys.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kRsaBitsMin = 2'048;
constexpr std::size_t kJwksBytesMax = 256u << 10;
// A set that ends within this is fetched ahead, when it was used lately.
constexpr absl::Duration kRefreshAhead = absl::Seconds(30);
constexpr absl::Duration kUsedLately = absl::Hours(1);
// Registered sets that are kept read; more than there are clients, and few bytes.
constexpr std::size_t kRegisteredMax = 10'000;

bool IsUsable(const Json& key, const std::string& algorithm) {
  const bool elliptic = algorithm == "ES384";
  return key.TextOf("kty") == (elliptic ? "EC" : "RSA") && (!elliptic || key.TextOf("crv") == "P-384") &&
         (key.Find("alg") == nullptr || key.TextOf("alg") == algorithm) && (key.Find("use") == nullptr || key.TextOf("use") == "sig");
}

absl::StatusOr<std::shared_ptr<const PublicKey>> ReadKey(const Json& key, const std::string& which) {
  for (const char* part : {"d", "p", "q", "dp", "dq", "qi", "k"})
    if (key.Find(part) != nullptr) return absl::InvalidArgumentError(which + "has a private part; register the public key only");
  const bool elliptic = key.TextOf("kty") == "EC" && key.TextOf("crv") == "P-384";
  if (!elliptic && key.TextOf("kty") != "RSA") return absl::InvalidArgumentError(which + "must be EC P-384 or RSA");
  auto read = PublicKey::FromJwk(key);
  if (!read.ok()) return absl::InvalidArgumentError(which + std::string(read.status().message()));
  if (!elliptic && (*read)->rsa_bits() < kRsaBitsMin) return absl::InvalidArgumentError(which + "is shorter than 2048 bits");
  return read;
}

}  // namespace

bool IsBase64Url(std::string_view text) {
  return !text.empty() && text.size() % 4 != 1 &&
         std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; });
}

absl::StatusOr<std::shared_ptr<const PublicKey>> PublicKey::FromJwk(const Json& jwk) {
  for (const char* number : {"x", "y", "n", "e"})
    if (jwk.Find(number) != nullptr && !IsBase64Url(jwk.TextOf(number))) return absl::InvalidArgumentError(absl::StrCat(number, " must be base64url"));
  cjose_err error;
  const std::string text = jwk.Text();
  cjose_jwk_t* key = cjose_jwk_import(text.data(), text.size(), &error);
  if (key == nullptr) return absl::InvalidArgumentError("cannot be read");
  std::shared_ptr<PublicKey> read(new PublicKey(jwk, key));
  if (jwk.TextOf("kty") != "EC" || jwk.TextOf("crv") != "P-384") return read;
  std::string x;
  std::string y;
  if (!absl::WebSafeBase64Unescape(jwk.TextOf("x"), &x) || !absl::WebSafeBase64Unescape(jwk.TextOf("y"), &y))
    return absl::InvalidArgumentError("x and y must be base64url");
  auto es384 = Es384Key::FromCoordinates(x, y);
  if (!es384.ok()) return es384.status();
  read->es384_ = *std::move(es384);
  return read;
}

std::size_t PublicKey::rsa_bits() const {
  cjose_err error;
  return cjose_jwk_get_kty(key_.get(), &error) == CJOSE_JWK_KTY_RSA ? cjose_jwk_get_keysize(key_.get(), &error) : 0;
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
    if (const auto read = ReadKey(key, which); !read.ok()) return read.status();
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

absl::StatusOr<std::shared_ptr<const PublicKey>> KeySets::FindIn(const Set& set, const std::string& kid, const std::string& algorithm,
                                                                bool& known) {
  known = false;
  for (const std::shared_ptr<const PublicKey>& key : set) {
    if (key->jwk().TextOf("kid") != kid) continue;
    known = true;
    if (IsUsable(key->jwk(), algorithm)) return key;
  }
  return absl::UnauthenticatedError(known ? "the token's key is not for its algorithm" : "the token's kid is not in the registered JWK set");
}

absl::StatusOr<KeySets::Set> KeySets::ReadFetched(const rpc::HttpResponse& response) {
  if (response.status != 200) return absl::UnavailableError(absl::StrCat("the key server answered ", response.status, " instead of 200"));
  const auto json = Json::Parse(response.body, {.bytes_max = kJwksBytesMax, .depth_max = 16});
  if (!json.ok() || !(*json)["keys"].is_array()) return absl::UnavailableError("the key server's answer is no JWK set");
  Set usable;
  std::set<std::string> kids;
  for (const Json& key : (*json)["keys"].items()) {
    if (key.TextOf("kid").empty()) continue;
    auto read = ReadKey(key, "");
    if (read.ok() && kids.insert(key.TextOf("kid")).second) usable.push_back(*std::move(read));
  }
  if (usable.empty()) return absl::UnavailableError("the key server's JWK set holds no public P-384 or RSA key with a kid");
  return usable;
}

absl::StatusOr<std::shared_ptr<const KeySets::Set>> KeySets::Registered(const std::string& jwks) const {
  {
    const absl::MutexLock lock(&mutex_);
    if (const auto found = registered_.find(jwks); found != registered_.end()) return found->second;
  }
  const auto json = Json::Parse(jwks);
  if (!json.ok()) return absl::InternalError("the registered JWK set cannot be read");
  auto set = std::make_shared<Set>();
  for (const Json& key : (*json)["keys"].items()) {
    auto read = PublicKey::FromJwk(key);
    if (!read.ok()) return absl::InternalError("a registered JWK cannot be read");
    set->push_back(*std::move(read));
  }
  const absl::MutexLock lock(&mutex_);
  // Sets that were replaced stay behind; beginning anew costs each client one reading.
  if (registered_.size() >= kRegisteredMax) registered_.clear();
  registered_.emplace(jwks, set);
  return set;
}

absl::StatusOr<std::shared_ptr<const PublicKey>> KeySets::Find(const KeySource& source, const std::string& kid, const std::string& algorithm) const {
  if (!source.jwks_url.empty()) return FindByUrl(source.jwks_url, kid, algorithm);
  const auto set = Registered(source.jwks);
  if (!set.ok()) return set.status();
  bool known = false;
  return FindIn(**set, kid, algorithm, known);
}

absl::StatusOr<std::shared_ptr<const PublicKey>> KeySets::FindByUrl(const std::string& url, const std::string& kid,
                                                                    const std::string& algorithm) const {
  for (bool again = false;; again = true) {
    std::shared_ptr<const Set> set;
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
  absl::StatusOr<Set> set = response.ok() ? ReadFetched(*response) : response.status();
  const absl::MutexLock lock(&mutex_);
  Kept& kept = kept_[url];
  kept.fetching = false;
  kept.failure = set.ok() ? absl::OkStatus() : absl::UnavailableError(std::string(set.status().message()));
  if (set.ok()) {
    kept.set = std::make_shared<const Set>(*std::move(set));
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
