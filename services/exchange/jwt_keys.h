// The public keys of clients: a JWK set (RFC 7517) that was registered as it is, or the registered URL of one. A set behind a URL is
// fetched, kept as long as its Cache-Control says (within bounds), fetched anew before it ends, and once more when a token names a
// kid that it does not hold, as rotation brings it, but not more often than every kRefetchAfter, whoever asks. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_JWT_KEYS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_JWT_KEYS_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "cjose/cjose.h"
#include "services/exchange/es384.h"
#include "services/exchange/fhir_json.h"
#include "services/rpc/http.h"
#include "tenants/clock.h"

namespace custodian::exchange {

// OK for a JWK set with at least one key that can verify: P-384, or RSA of 2048 bits and more, each with its own kid.
// InvalidArgument says which key is not, also for one with a private part.
[[nodiscard]] absl::Status CheckJwks(std::string_view jwks);

// Unpadded base64url (RFC 7515, section 2), whole bytes. libcjose aborts on text that is none: ask this first.
[[nodiscard]] bool IsBase64Url(std::string_view text);

// A public JWK, ready to verify with: whether its point lies on the curve is found out once, which takes as long as a verification. Thread-safe.
class PublicKey {
 public:
  // InvalidArgument when it cannot be read.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const PublicKey>> FromJwk(const Json& jwk);

  [[nodiscard]] const Json& jwk() const { return jwk_; }
  [[nodiscard]] const cjose_jwk_t& key() const { return *key_; }
  // Null unless the key is one of P-384.
  [[nodiscard]] const Es384Key* es384() const { return es384_.get(); }
  // Of an RSA key's modulus.
  [[nodiscard]] std::size_t rsa_bits() const;

 private:
  struct Release {
    void operator()(cjose_jwk_t* key) const { cjose_jwk_release(key); }
  };
  PublicKey(Json jwk, cjose_jwk_t* key) : jwk_(std::move(jwk)), key_(key) {}

  const Json jwk_;
  const std::unique_ptr<cjose_jwk_t, Release> key_;
  std::shared_ptr<const Es384Key> es384_;
};

// Exactly one of the two.
struct KeySource {
  std::string jwks;
  std::string jwks_url;
};

class KeySets {
 public:
  // GET of an allow-listed URL.
  using Fetch = std::function<absl::StatusOr<rpc::HttpResponse>(const std::string& url)>;

  static constexpr absl::Duration kKeptMin = absl::Minutes(1);
  static constexpr absl::Duration kKeptMax = absl::Hours(24);
  // Without Cache-Control.
  static constexpr absl::Duration kKept = absl::Hours(1);
  // A set whose server does not answer is used on for so long.
  static constexpr absl::Duration kStaleMax = absl::Hours(1);
  static constexpr absl::Duration kRefetchAfter = absl::Seconds(10);

  KeySets(Fetch fetch, const Clock& machine_clock) : fetch_(std::move(fetch)), clock_(machine_clock) {}

  // The one key of the source with that id, if it may sign with that algorithm; Unauthenticated when there is none. Unavailable when
  // the set is needed and cannot be fetched.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const PublicKey>> Find(const KeySource& source, const std::string& kid,
                                                                      const std::string& algorithm) const;

  // Fetches anew the kept sets that soon end, so that no call waits for them. Called every few seconds by a thread of services/main.
  void RefreshDue() const;

  // What is known of a URL's set, for `custodian doctor`: OK, or why it cannot be had. Fetches.
  [[nodiscard]] absl::Status Probe(const std::string& url) const;

 private:
  using Set = std::vector<std::shared_ptr<const PublicKey>>;
  struct Kept {
    std::shared_ptr<const Set> set;
    absl::Time until = absl::InfinitePast();
    absl::Time tried = absl::InfinitePast();
    absl::Time used = absl::InfinitePast();
    bool fetching = false;
    absl::Status failure;
  };
  // Unauthenticated when the set holds no such key; `known` tells whether one has the id at least.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const PublicKey>> FindIn(const Set& set, const std::string& kid,
                                                                               const std::string& algorithm, bool& known);
  // The keys of a fetched set that can verify; a set made for others too may hold keys that are not for us.
  [[nodiscard]] static absl::StatusOr<Set> ReadFetched(const rpc::HttpResponse& response);
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const Set>> Registered(const std::string& jwks) const;
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const PublicKey>> FindByUrl(const std::string& url, const std::string& kid,
                                                                           const std::string& algorithm) const;
  // Fetches unless another does or it was tried just now; waits for the one under way.
  void Refetch(const std::string& url) const;

  const Fetch fetch_;
  const Clock& clock_;
  mutable absl::Mutex mutex_;
  // By URL: as many as the registry names.
  mutable std::map<std::string, Kept> kept_ ABSL_GUARDED_BY(mutex_);
  // By the text of a registered set.
  mutable std::map<std::string, std::shared_ptr<const Set>> registered_ ABSL_GUARDED_BY(mutex_);
};

// How long an answer may be kept (RFC 9111: no-store, no-cache, max-age), within the bounds above.
[[nodiscard]] absl::Duration KeptFor(const rpc::HttpResponse& response);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_JWT_KEYS_H_
