#include "services/sample/ehr_token.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "cjose/cjose.h"
#include "openssl/crypto.h"
#include "openssl/rand.h"
#include "services/sample/generate_json.h"

namespace custodian::sample {
namespace {

constexpr absl::Duration kLifetime = absl::Minutes(4);

struct HeaderDeleter {
  void operator()(cjose_header_t* header) const { cjose_header_release(header); }
};
struct JwsDeleter {
  void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
};

}  // namespace

class EhrTokens::Key {
 public:
  explicit Key(cjose_jwk_t* jwk) : jwk_(jwk) {}
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key() { cjose_jwk_release(jwk_); }
  [[nodiscard]] const cjose_jwk_t* jwk() const { return jwk_; }

 private:
  cjose_jwk_t* jwk_;
};

EhrTokens::EhrTokens(Identity identity, std::unique_ptr<Key> key) : identity_(std::move(identity)), key_(std::move(key)) {}
EhrTokens::EhrTokens(EhrTokens&&) noexcept = default;
EhrTokens& EhrTokens::operator=(EhrTokens&&) noexcept = default;
EhrTokens::~EhrTokens() = default;

absl::StatusOr<EhrTokens> EhrTokens::Create(Identity identity) {
  std::ifstream file(identity.jwk_file, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read the key ", identity.jwk_file));
  std::string text = bytes.str();
  cjose_err error;
  cjose_jwk_t* jwk = cjose_jwk_import(text.data(), text.size(), &error);
  OPENSSL_cleanse(text.data(), text.size());
  if (jwk == nullptr)
    return absl::InvalidArgumentError(absl::StrCat(identity.jwk_file, " is not a private key as a JWK: ", error.message));
  auto key = std::make_unique<Key>(jwk);
  // cjose would sign "ES384" with any curve.
  if (cjose_jwk_get_kty(jwk, &error) != CJOSE_JWK_KTY_EC || cjose_jwk_get_keysize(jwk, &error) != 384) {
    return absl::InvalidArgumentError(absl::StrCat(identity.jwk_file, " holds no P-384 key, which ES384 needs"));
  }
  return EhrTokens(std::move(identity), std::move(key));
}

absl::StatusOr<std::string> EhrTokens::Sign(const std::string& audience, absl::Time now) const {
  unsigned char id[16];
  if (RAND_bytes(id, sizeof id) != 1) return absl::InternalError("no randomness for a token's id");
  const std::string jti = absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(id), sizeof id));
  const std::string claims = Object({{"iss", Text(identity_.issuer)},
                                     {"tenant", Text(identity_.tenant)},
                                     {"aud", Text(audience)},
                                     {"iat", Number(absl::ToUnixSeconds(now))},
                                     {"exp", Number(absl::ToUnixSeconds(now + kLifetime))},
                                     {"jti", Text(jti)}});
  cjose_err error;
  const std::unique_ptr<cjose_header_t, HeaderDeleter> header(cjose_header_new(&error));
  if (header == nullptr || !cjose_header_set(header.get(), CJOSE_HDR_ALG, CJOSE_HDR_ALG_ES384, &error) ||
      !cjose_header_set(header.get(), CJOSE_HDR_KID, identity_.kid.c_str(), &error) ||
      !cjose_header_set(header.get(), "typ", "JWT", &error)) {
    return absl::InternalError("cannot make a token's header");
  }
  const std::unique_ptr<cjose_jws_t, JwsDeleter> jws(
      cjose_jws_sign(key_->jwk(), header.get(), reinterpret_cast<const unsigned char*>(claims.data()), claims.size(), &error));
  const char* compact = nullptr;
  if (jws == nullptr || !cjose_jws_export(jws.get(), &compact, &error)) {
    return absl::InvalidArgumentError(absl::StrCat(identity_.jwk_file, " cannot sign; the private key is needed"));
  }
  return std::string(compact);
}

}  // namespace custodian::sample
