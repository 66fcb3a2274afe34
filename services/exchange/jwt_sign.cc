#include "services/exchange/jwt_sign.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "cjose/cjose.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kCoordinateBytes = 48;

struct Release {
  void operator()(cjose_jwk_t* jwk) const { cjose_jwk_release(jwk); }
  void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
  void operator()(cjose_header_t* header) const { cjose_header_release(header); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(BIGNUM* number) const { BN_clear_free(number); }
};
template <typename T>
using Owned = std::unique_ptr<T, Release>;

// base64url of a key's number, left-padded to `bytes`.
absl::StatusOr<std::string> Number(const EVP_PKEY* key, const char* name, std::size_t bytes) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return absl::InvalidArgumentError("the key cannot be read");
  const Owned<BIGNUM> number(raw);
  std::string text(std::max(bytes, static_cast<std::size_t>(BN_num_bytes(raw))), '\0');
  BN_bn2binpad(raw, reinterpret_cast<unsigned char*>(text.data()), static_cast<int>(text.size()));
  return absl::WebSafeBase64Escape(text);
}

absl::StatusOr<Json> JwkOfPem(std::string_view pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // An encrypted key is an error, not a question on the terminal.
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, [](char*, int, int, void*) { return 0; }, nullptr));
  if (key == nullptr) return absl::InvalidArgumentError("the key is neither a JWK nor an unencrypted private key in PEM");
  struct Part {
    const char* jwk;
    const char* openssl;
    std::size_t bytes;
  };
  const bool elliptic = EVP_PKEY_is_a(key.get(), "EC") == 1;
  if (!elliptic && EVP_PKEY_is_a(key.get(), "RSA") != 1) return absl::InvalidArgumentError("the key must be EC P-384 or RSA");
  Json jwk = Json::Object({{"kty", Json::String(elliptic ? "EC" : "RSA")}});
  std::vector<Part> parts;
  if (elliptic) {
    if (EVP_PKEY_get_bits(key.get()) != 384) return absl::InvalidArgumentError("the key is not on the curve P-384 (ES384)");
    jwk.Set("crv", Json::String("P-384"));
    parts = {{"x", OSSL_PKEY_PARAM_EC_PUB_X, kCoordinateBytes},
             {"y", OSSL_PKEY_PARAM_EC_PUB_Y, kCoordinateBytes},
             {"d", OSSL_PKEY_PARAM_PRIV_KEY, kCoordinateBytes}};
  } else {
    parts = {{"n", OSSL_PKEY_PARAM_RSA_N, 0},         {"e", OSSL_PKEY_PARAM_RSA_E, 0},         {"d", OSSL_PKEY_PARAM_RSA_D, 0},
             {"p", OSSL_PKEY_PARAM_RSA_FACTOR1, 0},   {"q", OSSL_PKEY_PARAM_RSA_FACTOR2, 0},   {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1, 0},
             {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2, 0}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1, 0}};
  }
  for (const Part& part : parts) {
    auto number = Number(key.get(), part.openssl, part.bytes);
    if (!number.ok()) return number.status();
    jwk.Set(part.jwk, Json::String(*std::move(number)));
  }
  return jwk;
}

}  // namespace

absl::StatusOr<ClientKey> ReadClientKey(std::string_view text, std::string_view kid) {
  auto jwk = Json::Parse(text);
  if (jwk.ok() && (*jwk)["keys"].is_array()) {
    if ((*jwk)["keys"].items().size() != 1) return absl::InvalidArgumentError("name a file with one private key, not a set of several");
    jwk = Json((*jwk)["keys"][0]);
  }
  if (!jwk.ok()) jwk = JwkOfPem(text);
  if (!jwk.ok()) return jwk.status();
  if (!kid.empty()) jwk->Set("kid", Json::String(std::string(kid)));
  ClientKey key;
  key.kid = jwk->TextOf("kid");
  if (key.kid.empty()) return absl::InvalidArgumentError("the key has no kid; give it with --kid, as it is in the registered JWK set");
  const bool elliptic = jwk->TextOf("kty") == "EC";
  if (elliptic ? jwk->TextOf("crv") != "P-384" : jwk->TextOf("kty") != "RSA")
    return absl::InvalidArgumentError("the key must be EC on the curve P-384 (ES384) or RSA (RS384)");
  if (jwk->TextOf("d").empty()) return absl::InvalidArgumentError("the file holds the public key only; the private one is needed to sign");
  key.algorithm = elliptic ? "ES384" : "RS384";
  key.jwk = jwk->Text();
  cjose_err error;
  const Owned<cjose_jwk_t> read(cjose_jwk_import(key.jwk.data(), key.jwk.size(), &error));
  if (read == nullptr) return absl::InvalidArgumentError("the key cannot be read");
  if (!elliptic && cjose_jwk_get_keysize(read.get(), &error) < 2'048) return absl::InvalidArgumentError("the RSA key is shorter than 2048 bits");
  for (const char* part : {"d", "p", "q", "dp", "dq", "qi"}) jwk->Remove(part);
  key.public_jwk = jwk->Text();
  return key;
}

absl::StatusOr<std::string> SignJwt(const ClientKey& key, std::string_view payload_json) {
  cjose_err error;
  const Owned<cjose_jwk_t> jwk(cjose_jwk_import(key.jwk.data(), key.jwk.size(), &error));
  const Owned<cjose_header_t> header(cjose_header_new(&error));
  if (jwk == nullptr || header == nullptr || !cjose_header_set(header.get(), CJOSE_HDR_ALG, key.algorithm.c_str(), &error) ||
      !cjose_header_set(header.get(), CJOSE_HDR_KID, key.kid.c_str(), &error) || !cjose_header_set(header.get(), "typ", "JWT", &error))
    return absl::InvalidArgumentError("the key cannot be used to sign");
  const Owned<cjose_jws_t> jws(cjose_jws_sign(jwk.get(), header.get(), reinterpret_cast<const unsigned char*>(payload_json.data()),
                                              payload_json.size(), &error));
  const char* text = nullptr;
  if (jws == nullptr || !cjose_jws_export(jws.get(), &text, &error)) return absl::InvalidArgumentError("the key cannot be used to sign");
  return std::string(text);
}

}  // namespace custodian::exchange
