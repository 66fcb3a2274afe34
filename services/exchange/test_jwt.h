// Keys and tokens for tests: signs as a CDS client would. The keys are made here, when first asked for, and kept nowhere.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_TEST_JWT_H_
#define CUSTODIAN_SERVICES_EXCHANGE_TEST_JWT_H_

#include <cstdlib>
#include <string>

#include "cjose/cjose.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

class TestJwk {
 public:
  // A P-384 key as a JWK, one per process; with its private part when asked.
  static std::string Elliptic(const std::string& kid, bool with_private) {
    static cjose_jwk_t* const key = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_384, nullptr);
    return Export(key, kid, with_private);
  }
  // Another P-384 key, that no registry knows.
  static std::string Stranger(const std::string& kid, bool with_private) {
    static cjose_jwk_t* const key = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_384, nullptr);
    return Export(key, kid, with_private);
  }
  static std::string Rsa(const std::string& kid, bool with_private) {
    static unsigned char exponent[] = {1, 0, 1};
    static cjose_jwk_t* const key = cjose_jwk_create_RSA_random(2048, exponent, sizeof exponent, nullptr);
    return Export(key, kid, with_private);
  }
  // Compact JWS of `payload` with that protected header (JSON) under a private JWK; aborts when it cannot.
  static std::string Sign(const std::string& jwk_json, const std::string& header_json, const std::string& payload) {
    cjose_jwk_t* const key = cjose_jwk_import(jwk_json.data(), jwk_json.size(), nullptr);
    cjose_header_t* const header = cjose_header_new(nullptr);
    const auto members = Json::Parse(header_json);
    if (key == nullptr || header == nullptr || !members.ok()) std::abort();
    for (const Json::Member& member : members->members())
      if (!cjose_header_set_raw(header, member.name.c_str(), member.value.Text().c_str(), nullptr)) {
        if (!cjose_header_set(header, member.name.c_str(), member.value.text().c_str(), nullptr)) std::abort();
      }
    cjose_jws_t* const jws =
        cjose_jws_sign(key, header, reinterpret_cast<const unsigned char*>(payload.data()), payload.size(), nullptr);
    const char* text = nullptr;
    if (jws == nullptr || !cjose_jws_export(jws, &text, nullptr)) std::abort();
    std::string token(text);
    cjose_jws_release(jws);
    cjose_header_release(header);
    cjose_jwk_release(key);
    return token;
  }

 private:
  static std::string Export(cjose_jwk_t* key, const std::string& kid, bool with_private) {
    if (key == nullptr) std::abort();
    char* const text = cjose_jwk_to_json(key, with_private, nullptr);
    if (text == nullptr) std::abort();
    auto json = Json::Parse(text);
    cjose_get_dealloc()(text);
    if (!json.ok()) std::abort();
    json->Set("kid", Json::String(kid));
    return json->Text();
  }
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_TEST_JWT_H_
