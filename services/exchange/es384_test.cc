#include "services/exchange/es384.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <array>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kNumberBytes = 48;
// The order of P-384 (FIPS 186-4, D.1.2.4).
constexpr char kOrder[] = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";

template <typename T, void (*kFree)(T*)>
struct Free {
  void operator()(T* each) const { kFree(each); }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY, EVP_PKEY_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX, EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BIGNUM, BN_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG, ECDSA_SIG_free>>;

std::string Bytes(std::string_view hex) { return absl::HexStringToBytes(absl::string_view(hex.data(), hex.size())); }

std::string Bytes(const BIGNUM* number) {
  std::string bytes(kNumberBytes, '\0');
  EXPECT_EQ(BN_bn2binpad(number, reinterpret_cast<unsigned char*>(bytes.data()), kNumberBytes), static_cast<int>(kNumberBytes));
  return bytes;
}

std::string Coordinate(const Key& key, const char* name) {
  BIGNUM* raw = nullptr;
  EXPECT_EQ(EVP_PKEY_get_bn_param(key.get(), name, &raw), 1);
  const Number number(raw);
  return Bytes(number.get());
}

// As JOSE has it.
std::string Sign(const Key& key, std::string_view message) {
  const Context context(EVP_MD_CTX_new());
  std::string der(128, '\0');
  std::size_t size = der.size();
  const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
  EXPECT_EQ(EVP_DigestSignInit(context.get(), nullptr, EVP_sha384(), nullptr, key.get()), 1);
  EXPECT_EQ(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &size, bytes, message.size()), 1);
  const auto* begin = reinterpret_cast<const unsigned char*>(der.data());
  const Signature signature(d2i_ECDSA_SIG(nullptr, &begin, static_cast<long>(size)));
  return Bytes(ECDSA_SIG_get0_r(signature.get())) + Bytes(ECDSA_SIG_get0_s(signature.get()));
}

bool OpenSslVerifies(const Key& key, std::string_view message, std::string_view signature) {
  const Signature numbers(ECDSA_SIG_new());
  const auto* bytes = reinterpret_cast<const unsigned char*>(signature.data());
  ECDSA_SIG_set0(numbers.get(), BN_bin2bn(bytes, kNumberBytes, nullptr), BN_bin2bn(bytes + kNumberBytes, kNumberBytes, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(numbers.get(), &der);
  const Context context(EVP_MD_CTX_new());
  const bool verifies = EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha384(), nullptr, key.get()) == 1 &&
                        EVP_DigestVerify(context.get(), der, static_cast<std::size_t>(size), reinterpret_cast<const unsigned char*>(message.data()),
                                         message.size()) == 1;
  OPENSSL_free(der);
  return verifies;
}

// RFC 6979, A.2.6.
TEST(Es384, VerifiesThePublishedSignatures) {
  const auto key = Es384Key::FromCoordinates(Bytes("EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13"),
                                             Bytes("8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720"));
  ASSERT_TRUE(key.ok()) << key.status();
  const std::string sample = Bytes("94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46"
                                   "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8");
  const std::string test = Bytes("8203B63D3C853E8D77227FB377BCF7B7B772E97892A80F36AB775D509D7A5FEB0542A7F0812998DA8F1DD3CA3CF023DB"
                                 "DDD0760448D42D8A43AF45AF836FCE4DE8BE06B485E9B61B827C2F13173923E06A739F040649A667BF3B828246BAA5A5");
  EXPECT_TRUE((*key)->Verifies("sample", sample));
  EXPECT_TRUE((*key)->Verifies("test", test));
  EXPECT_FALSE((*key)->Verifies("sample", test));
  EXPECT_FALSE((*key)->Verifies("sample", ""));
  EXPECT_FALSE((*key)->Verifies("sample", sample.substr(1)));
  EXPECT_FALSE((*key)->Verifies("sample", sample + sample));
}

// The same answers as OpenSSL's, whatever was changed: both are asked, since no answer is known beforehand for numbers out of range.
TEST(Es384, AnswersAsOpenSslDoes) {
  std::mt19937_64 random(384);
  const std::string zero(kNumberBytes, '\0');
  const std::string order = Bytes(std::string_view(kOrder));
  const std::string ones(kNumberBytes, '\xff');
  for (int round = 0; round < 20; ++round) {
    const Key signer(EVP_EC_gen("P-384"));
    const auto key = Es384Key::FromCoordinates(Coordinate(signer, OSSL_PKEY_PARAM_EC_PUB_X), Coordinate(signer, OSSL_PKEY_PARAM_EC_PUB_Y));
    ASSERT_TRUE(key.ok()) << key.status();
    const std::string message(random() % 300, static_cast<char>('a' + round));
    const std::string good = Sign(signer, message);
    const std::string r = good.substr(0, kNumberBytes), s = good.substr(kNumberBytes);
    EXPECT_TRUE((*key)->Verifies(message, good));
    const Number wrapped(BN_bin2bn(reinterpret_cast<const unsigned char*>(order.data()), kNumberBytes, nullptr));
    const Number number(BN_bin2bn(reinterpret_cast<const unsigned char*>(s.data()), kNumberBytes, nullptr));
    BN_sub(wrapped.get(), wrapped.get(), number.get());
    // n - s verifies too: ECDSA's own property.
    EXPECT_TRUE((*key)->Verifies(message, r + Bytes(wrapped.get())));
    std::vector<std::string> changed = {zero + zero, r + zero, zero + s, order + s, r + order, ones + s, r + ones, s + r, order + order};
    for (int bit = 0; bit < 10; ++bit) {
      std::string one = good;
      const std::size_t at = random() % (one.size() * 8);
      one[at / 8] = static_cast<char>(one[at / 8] ^ (1 << at % 8));
      changed.push_back(one);
    }
    for (const std::string& signature : changed) {
      EXPECT_FALSE((*key)->Verifies(message, signature));
      EXPECT_FALSE(OpenSslVerifies(signer, message, signature));
    }
    EXPECT_FALSE((*key)->Verifies(message + "x", good));
  }
}

TEST(Es384, TakesPointsOfTheCurveOnly) {
  const Key some(EVP_EC_gen("P-384"));
  const std::string x = Coordinate(some, OSSL_PKEY_PARAM_EC_PUB_X), y = Coordinate(some, OSSL_PKEY_PARAM_EC_PUB_Y);
  EXPECT_TRUE(Es384Key::FromCoordinates(x, y).ok());
  EXPECT_FALSE(Es384Key::FromCoordinates(y, x).ok());
  EXPECT_FALSE(Es384Key::FromCoordinates(x, x).ok());
  EXPECT_FALSE(Es384Key::FromCoordinates(x.substr(1), y).ok());
  EXPECT_FALSE(Es384Key::FromCoordinates(std::string(kNumberBytes, '\0'), std::string(kNumberBytes, '\0')).ok());
  EXPECT_FALSE(Es384Key::FromCoordinates(std::string(kNumberBytes, '\xff'), y).ok());
}

}  // namespace
}  // namespace custodian::exchange
