// The peer of an order check's cost: what OpenSSL takes to verify the ES384 signature of its token, on as many threads as there are clients.
#ifndef CUSTODIAN_TESTS_BENCHMARK_SIGNATURE_CHECKS_H_
#define CUSTODIAN_TESTS_BENCHMARK_SIGNATURE_CHECKS_H_

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tests/benchmark/load.h"

namespace custodian::benchmark {

class SignatureChecks final : public Side {
 public:
  // A new P-384 key and one signature of it over bytes as long as a token's.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<SignatureChecks>> Create();
  // One verification (ECDSA with SHA-384).
  [[nodiscard]] absl::StatusOr<Outcome> Call(int client) override;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  using Context = std::unique_ptr<EVP_MD_CTX, Free>;
  SignatureChecks(Key key, std::string message, std::string signature)
      : key_(std::move(key)), message_(std::move(message)), signature_(std::move(signature)) {}

  const Key key_;
  const std::string message_;
  const std::string signature_;
};

}  // namespace custodian::benchmark

#endif  // CUSTODIAN_TESTS_BENCHMARK_SIGNATURE_CHECKS_H_
