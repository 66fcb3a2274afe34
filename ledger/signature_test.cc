#include "ledger/signature.h"

#include <gtest/gtest.h>

namespace custodian::ledger {
namespace {

class Signature : public testing::TestWithParam<v1::SignatureAlgorithm> {};

TEST_P(Signature, VerifiesOnlyItsMessageUnderItsKey) {
  const std::string pem = NewPrivateKeyPem(GetParam()).value();
  const std::unique_ptr<Signer> signer = SignerFromPem(pem).value();
  const std::unique_ptr<Signer> other = SignerFromPem(NewPrivateKeyPem(GetParam()).value()).value();
  EXPECT_EQ(signer->public_key().algorithm(), GetParam());
  std::string signature = signer->Sign("message").value();
  EXPECT_TRUE(signer->public_key().Verify("message", signature).ok());
  EXPECT_EQ(signer->public_key().Verify("messagf", signature).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(other->public_key().Verify("message", signature).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(signer->public_key().Verify("message", "").code(), absl::StatusCode::kUnauthenticated);
  for (std::size_t i = 0; i < signature.size(); ++i) {
    signature[i] = static_cast<char>(signature[i] ^ 1);
    EXPECT_FALSE(signer->public_key().Verify("message", signature).ok()) << i;
    signature[i] = static_cast<char>(signature[i] ^ 1);
  }
}

TEST_P(Signature, PublicKeyComesBackFromItsDerAlone) {
  const std::unique_ptr<Signer> signer = SignerFromPem(NewPrivateKeyPem(GetParam()).value()).value();
  const PublicKey& key = signer->public_key();
  const absl::StatusOr<PublicKey> again = PublicKey::FromDer(key.der());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->key_id(), Sha256(key.der()));
  EXPECT_TRUE(again->Verify("m", signer->Sign("m").value()).ok());
  EXPECT_FALSE(PublicKey::FromDer(key.der() + "x").ok());
  EXPECT_FALSE(PublicKey::FromDer(key.der().substr(1)).ok());
  EXPECT_FALSE(PublicKey::FromDer("").ok());
}

INSTANTIATE_TEST_SUITE_P(Algorithms, Signature,
                         testing::Values(v1::SIGNATURE_ALGORITHM_ED25519, v1::SIGNATURE_ALGORITHM_ECDSA_P256_SHA256),
                         [](const auto& tested) { return tested.param == v1::SIGNATURE_ALGORITHM_ED25519 ? "Ed25519" : "P256"; });

TEST(PublicKeyOf, Ed25519BytesIsTheKeyOfItsSigner) {
  const std::unique_ptr<Signer> signer = SignerFromPem(NewPrivateKeyPem(v1::SIGNATURE_ALGORITHM_ED25519).value()).value();
  const absl::StatusOr<PublicKey> key = PublicKey::FromEd25519(signer->public_key().ed25519());
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->key_id(), signer->public_key().key_id());
  EXPECT_EQ(PublicKey::FromEd25519("short").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(PublicKeyOf, P256HasOneEncoding) {
  const std::unique_ptr<Signer> signer = SignerFromPem(NewPrivateKeyPem(v1::SIGNATURE_ALGORITHM_ECDSA_P256_SHA256).value()).value();
  const std::string der = signer->public_key().der();
  ASSERT_EQ(der.size(), 91u);
  const char odd = static_cast<char>(der.back() & 1);
  std::string compressed = der.substr(0, 26) + static_cast<char>(2 + odd) + der.substr(27, 32);
  compressed[1] = 0x39;
  compressed[24] = 0x22;
  std::string hybrid = der;
  hybrid[26] = static_cast<char>(6 + odd);
  EXPECT_EQ(PublicKey::FromDer(compressed).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(PublicKey::FromDer(hybrid).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(PublicKey::FromDer(der).ok());
}

TEST(SignerFromPemText, RefusesWhatIsNotAnUnencryptedPkcs8Key) {
  for (const char* pem : {"", "no PEM", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                          "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"})
    EXPECT_EQ(SignerFromPem(pem).status().code(), absl::StatusCode::kInvalidArgument) << pem;
  EXPECT_EQ(NewPrivateKeyPem(v1::SIGNATURE_ALGORITHM_UNSPECIFIED).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace custodian::ledger
