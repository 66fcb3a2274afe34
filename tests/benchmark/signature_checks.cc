#include "tests/benchmark/signature_checks.h"

#include <openssl/ec.h>

#include <utility>

#include "tenants/ids.h"

namespace custodian::benchmark {
namespace {

constexpr std::size_t kTokenBytes = 400;

const unsigned char* Bytes(const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

absl::StatusOr<std::unique_ptr<SignatureChecks>> SignatureChecks::Create() {
  Key key(EVP_EC_gen("P-384"));
  const Context context(EVP_MD_CTX_new());
  std::string message = RandomBytes(kTokenBytes);
  std::string signature(128, '\0');
  std::size_t size = signature.size();
  if (key == nullptr || context == nullptr || EVP_DigestSignInit(context.get(), nullptr, EVP_sha384(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, Bytes(message), message.size()) != 1)
    return absl::InternalError("OpenSSL cannot sign");
  signature.resize(size);
  return std::unique_ptr<SignatureChecks>(new SignatureChecks(std::move(key), std::move(message), std::move(signature)));
}

absl::StatusOr<Outcome> SignatureChecks::Call(int /*client*/) {
  const Context context(EVP_MD_CTX_new());
  if (context == nullptr || EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha384(), nullptr, key_.get()) != 1 ||
      EVP_DigestVerify(context.get(), Bytes(signature_), signature_.size(), Bytes(message_), message_.size()) != 1)
    return absl::InternalError("OpenSSL refuses its own signature");
  return Outcome::kAnswered;
}

}  // namespace custodian::benchmark
