#include "services/keys/pkcs11_token.h"

#include <dlfcn.h>

#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "ledger/signature.h"
#include "p11-kit/pkcs11.h"
#include "services/keys/cipher.h"
#include "tests/support/softhsm.h"
#include "tests/support/temporary_directory.h"

namespace custodian::keys {
namespace {

using ::custodian::testing::SoftHsm;
using ::custodian::testing::TemporaryDirectory;

constexpr SecretAccess kTest("test");

class Pkcs11TokenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto softhsm = SoftHsm::Get();
    ASSERT_TRUE(softhsm.ok()) << softhsm.status();
    softhsm_ = *softhsm;
  }

  [[nodiscard]] Pkcs11Token::Options Options() const {
    Pkcs11Token::Options options;
    options.module = softhsm_.module;
    options.token_label = softhsm_.token_label;
    options.pin = Secret(softhsm_.pin);
    options.network = network_;
    return options;
  }

  [[nodiscard]] std::unique_ptr<Pkcs11Token> Open() const {
    auto token = Pkcs11Token::Open(Options());
    EXPECT_TRUE(token.ok()) << token.status();
    return *std::move(token);
  }

  // The module as another caller in this process sees it, for what the token itself never does.
  [[nodiscard]] CK_FUNCTION_LIST* Module() const {
    void* library = dlopen(softhsm_.module.c_str(), RTLD_NOW);
    CK_FUNCTION_LIST* api = nullptr;
    reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"))(&api);
    return api;
  }
  [[nodiscard]] CK_SLOT_ID Slot() const {
    std::vector<CK_SLOT_ID> slots(16);
    CK_ULONG count = slots.size();
    EXPECT_EQ(Module()->C_GetSlotList(CK_TRUE, slots.data(), &count), CKR_OK);
    for (CK_ULONG i = 0; i < count; ++i) {
      CK_TOKEN_INFO info{};
      if (Module()->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
      if (std::string_view(reinterpret_cast<const char*>(info.label), 32).starts_with(softhsm_.token_label)) return slots[i];
    }
    ADD_FAILURE() << "no slot";
    return 0;
  }
  // Secret and private keys whose label begins with `prefix`.
  [[nodiscard]] std::vector<CK_OBJECT_HANDLE> Keys(CK_SESSION_HANDLE session, const std::string& prefix) const {
    EXPECT_EQ(Module()->C_FindObjectsInit(session, nullptr, 0), CKR_OK);
    std::vector<CK_OBJECT_HANDLE> all(1'000);
    CK_ULONG count = 0;
    EXPECT_EQ(Module()->C_FindObjects(session, all.data(), all.size(), &count), CKR_OK);
    EXPECT_EQ(Module()->C_FindObjectsFinal(session), CKR_OK);
    std::vector<CK_OBJECT_HANDLE> keys;
    for (CK_ULONG i = 0; i < count; ++i) {
      CK_OBJECT_CLASS object_class = 0;
      char label[256];
      CK_ATTRIBUTE attributes[]{{CKA_CLASS, &object_class, sizeof object_class}, {CKA_LABEL, label, sizeof label}};
      if (Module()->C_GetAttributeValue(session, all[i], attributes, 2) != CKR_OK) continue;
      if (object_class == CKO_PUBLIC_KEY) continue;
      if (std::string(label, attributes[1].ulValueLen).starts_with(prefix)) keys.push_back(all[i]);
    }
    return keys;
  }

  SoftHsm softhsm_;
  const std::string network_ = "test-" + HexEncode(RandomBytes(8));
  const TenantId tenant_ = TenantId::Random();
};

TEST_F(Pkcs11TokenTest, KeysAreReallyNotExtractable) {
  const auto token = Open();
  ASSERT_TRUE(token->CreateTenantKeys(tenant_, 1).ok());
  ASSERT_TRUE(token->CreateLogKey("test.example/p/1").ok());
  ASSERT_TRUE(token->CreateLocatorKey().ok());
  CK_SESSION_HANDLE session = 0;
  ASSERT_EQ(Module()->C_OpenSession(Slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session), CKR_OK);
  const auto keys = Keys(session, network_);
  ASSERT_EQ(keys.size(), 4u) << "root, epoch, log and locator";
  for (const CK_OBJECT_HANDLE key : keys) {
    char value[256];
    CK_ATTRIBUTE attribute{CKA_VALUE, value, sizeof value};
    const CK_RV code = Module()->C_GetAttributeValue(session, key, &attribute, 1);
    EXPECT_EQ(code, CKR_ATTRIBUTE_SENSITIVE);
    CK_BBOOL yes = CK_TRUE;
    CK_ATTRIBUTE extractable{CKA_EXTRACTABLE, &yes, sizeof yes};
    EXPECT_NE(Module()->C_SetAttributeValue(session, key, &extractable, 1), CKR_OK) << "extractable cannot be switched on";
  }
  Module()->C_CloseSession(session);
}

TEST_F(Pkcs11TokenTest, RefusesAKeyThatCouldBeReadOut) {
  const auto token = Open();
  ASSERT_TRUE(token->CreateTenantKeys(tenant_, 1).ok());
  CK_SESSION_HANDLE session = 0;
  ASSERT_EQ(Module()->C_OpenSession(Slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session), CKR_OK);
  // A root that somebody made outside: extractable.
  const TenantId other = TenantId::Random();
  const ledger::Hash id = ledger::Sha256(network_ + "/tenant/" + other.text() + "/root");
  CK_OBJECT_CLASS object_class = CKO_SECRET_KEY;
  CK_KEY_TYPE type = CKK_AES;
  CK_ULONG length = 32;
  CK_BBOOL yes = CK_TRUE;
  CK_BBOOL no = CK_FALSE;
  CK_ATTRIBUTE key[]{{CKA_CLASS, &object_class, sizeof object_class},
                     {CKA_KEY_TYPE, &type, sizeof type},
                     {CKA_VALUE_LEN, &length, sizeof length},
                     {CKA_TOKEN, &yes, 1},
                     {CKA_PRIVATE, &yes, 1},
                     {CKA_SENSITIVE, &no, 1},
                     {CKA_EXTRACTABLE, &yes, 1},
                     {CKA_ID, const_cast<std::uint8_t*>(id.data()), id.size()}};
  CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE made = 0;
  ASSERT_EQ(Module()->C_GenerateKey(session, &mechanism, key, std::size(key), &made), CKR_OK);
  EXPECT_TRUE(absl::IsFailedPrecondition(token->CreateTenantKeys(other, 1)));
  EXPECT_TRUE(absl::IsFailedPrecondition(token->IndexKey(other).status()));
  Module()->C_CloseSession(session);
}

TEST_F(Pkcs11TokenTest, UnwrapsWhatItWrappedAndNothingElse) {
  const auto token = Open();
  ASSERT_TRUE(token->CreateTenantKeys(tenant_, 1).ok());
  const Secret secret("0123456789abcdef0123456789abcdef");
  const auto wrapped = token->Wrap(tenant_, 1, "name", secret);
  ASSERT_TRUE(wrapped.ok()) << wrapped.status();
  EXPECT_EQ(wrapped->size(), 60u);
  const auto unwrapped = token->Unwrap(tenant_, 1, "name", *wrapped);
  ASSERT_TRUE(unwrapped.ok()) << unwrapped.status();
  EXPECT_EQ(unwrapped->Read(kTest), secret.Read(kTest));
  EXPECT_TRUE(absl::IsDataLoss(token->Unwrap(tenant_, 1, "Name", *wrapped).status()));
  EXPECT_TRUE(absl::IsDataLoss(token->Unwrap(tenant_, 1, "name", wrapped->substr(1)).status()));
  for (std::size_t i = 0; i < wrapped->size(); ++i) {
    std::string altered = *wrapped;
    altered[i] = static_cast<char>(altered[i] ^ 0x80);
    EXPECT_TRUE(absl::IsDataLoss(token->Unwrap(tenant_, 1, "name", altered).status())) << "byte " << i;
  }
  const TenantId other = TenantId::Random();
  ASSERT_TRUE(token->CreateTenantKeys(other, 1).ok());
  EXPECT_TRUE(absl::IsDataLoss(token->Unwrap(other, 1, "name", *wrapped).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(token->Unwrap(TenantId::Random(), 1, "name", *wrapped).status()));
}

TEST_F(Pkcs11TokenTest, KeysAreFoundAgainByAnotherProcess) {
  std::string wrapped;
  std::string log_key;
  std::string index_key;
  const std::vector<std::string> values{"a", "b"};
  std::vector<std::string> tokens;
  {
    const auto token = Open();
    ASSERT_TRUE(token->CreateTenantKeys(tenant_, 1).ok());
    ASSERT_TRUE(token->CreateTenantKeys(tenant_, 1).ok());
    ASSERT_TRUE(token->CreateLocatorKey().ok());
    wrapped = *token->Wrap(tenant_, 1, "name", Secret("0123456789abcdef0123456789abcdef"));
    log_key = *token->CreateLogKey("test.example/p/2");
    index_key = std::string(token->IndexKey(tenant_)->Read(kTest));
    tokens = *token->LocatorTokens(values);
  }
  const auto token = Open();
  EXPECT_EQ(token->Unwrap(tenant_, 1, "name", wrapped)->Read(kTest), "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(*token->CreateLogKey("test.example/p/2"), log_key);
  EXPECT_EQ(token->IndexKey(tenant_)->Read(kTest), index_key);
  EXPECT_EQ(*token->LocatorTokens(values), tokens);
  ASSERT_EQ(tokens.size(), 2u);
  EXPECT_EQ(tokens[0].size(), 32u);
  EXPECT_NE(tokens[0], tokens[1]);
  EXPECT_EQ(index_key.size(), 32u);
  EXPECT_NE(index_key.substr(0, 16), index_key.substr(16));
}

TEST_F(Pkcs11TokenTest, SignsAsALog) {
  const auto token = Open();
  EXPECT_TRUE(absl::IsNotFound(token->LogPublicKey("test.example/p/3").status()));
  EXPECT_TRUE(absl::IsNotFound(token->SignAsLog("test.example/p/3", "text").status()));
  const auto key = token->CreateLogKey("test.example/p/3");
  ASSERT_TRUE(key.ok()) << key.status();
  const auto signature = token->SignAsLog("test.example/p/3", "text");
  ASSERT_TRUE(signature.ok()) << signature.status();
  const auto public_key = ledger::PublicKey::FromEd25519(*key);
  ASSERT_TRUE(public_key.ok());
  EXPECT_TRUE(public_key->Verify("text", *signature).ok());
  EXPECT_FALSE(public_key->Verify("Text", *signature).ok());
}

TEST_F(Pkcs11TokenTest, LogsInAgainAfterItsSessionsAreLost) {
  const auto token = Open();
  ASSERT_TRUE(token->CreateTenantKeys(tenant_, 1).ok());
  const auto wrapped = token->Wrap(tenant_, 1, "name", Secret("0123456789abcdef0123456789abcdef"));
  ASSERT_TRUE(wrapped.ok());
  ASSERT_EQ(Module()->C_CloseAllSessions(Slot()), CKR_OK);
  EXPECT_TRUE(token->Unwrap(tenant_, 1, "name", *wrapped).ok());
  EXPECT_EQ(token->login_attempts(), 2);
  EXPECT_TRUE(token->Health().ok());
}

TEST_F(Pkcs11TokenTest, LogsInAgainAfterItWasLoggedOut) {
  const auto token = Open();
  ASSERT_TRUE(token->CreateTenantKeys(tenant_, 1).ok());
  CK_SESSION_HANDLE session = 0;
  ASSERT_EQ(Module()->C_OpenSession(Slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session), CKR_OK);
  ASSERT_EQ(Module()->C_Logout(session), CKR_OK);
  EXPECT_TRUE(token->CheckTenantKeys(tenant_, 1).ok());
  EXPECT_TRUE(token->IndexKey(tenant_).ok());
  Module()->C_CloseSession(session);
}

TEST_F(Pkcs11TokenTest, ATenantWithoutItsRootIsDark) {
  const auto token = Open();
  ASSERT_TRUE(token->CreateTenantKeys(tenant_, 1).ok());
  const auto wrapped = token->Wrap(tenant_, 1, "name", Secret("0123456789abcdef0123456789abcdef"));
  ASSERT_TRUE(wrapped.ok());
  ASSERT_TRUE(token->Unwrap(tenant_, 1, "name", *wrapped).ok());
  CK_SESSION_HANDLE session = 0;
  ASSERT_EQ(Module()->C_OpenSession(Slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session), CKR_OK);
  const auto roots = Keys(session, network_ + "/tenant/" + tenant_.text() + "/root");
  ASSERT_EQ(roots.size(), 1u);
  ASSERT_EQ(Module()->C_DestroyObject(session, roots[0]), CKR_OK);
  Module()->C_CloseSession(session);
  EXPECT_TRUE(absl::IsFailedPrecondition(token->Unwrap(tenant_, 1, "name", *wrapped).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(token->CheckTenantKeys(tenant_, 1)));
}

TEST_F(Pkcs11TokenTest, AWrongPinIsNeverTriedAgain) {
  const TemporaryDirectory directory;
  const auto options = [&](const std::string& pin, const std::string& version) {
    Pkcs11Token::Options made = Options();
    made.token_label = softhsm_.spare_token_label;
    made.pin = Secret(pin);
    made.pin_version = version;
    made.refusal_file = directory.Join("pin-refused");
    return made;
  };
  {
    const auto token = Pkcs11Token::Open(options("wrong-pin", "first"));
    ASSERT_TRUE(token.ok()) << "the process stays, dark: " << token.status();
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(absl::IsFailedPrecondition((*token)->CreateTenantKeys(tenant_, 1)));
      EXPECT_TRUE(absl::IsFailedPrecondition((*token)->Health()));
    }
    EXPECT_EQ((*token)->login_attempts(), 1);
  }
  {
    const auto restarted = Pkcs11Token::Open(options("wrong-pin", "first"));
    ASSERT_TRUE(restarted.ok());
    EXPECT_TRUE(absl::IsFailedPrecondition((*restarted)->Health()));
    EXPECT_EQ((*restarted)->login_attempts(), 0);
  }
  const auto mended = Pkcs11Token::Open(options(softhsm_.pin, "second"));
  ASSERT_TRUE(mended.ok());
  EXPECT_TRUE((*mended)->Health().ok());
}

TEST_F(Pkcs11TokenTest, AMissingTokenOrModuleIsNamed) {
  Pkcs11Token::Options options = Options();
  options.token_label = "no-such-token";
  EXPECT_TRUE(absl::IsNotFound(Pkcs11Token::Open(std::move(options)).status()));
  options = Options();
  options.module = "/nonexistent/module.so";
  EXPECT_TRUE(absl::IsNotFound(Pkcs11Token::Open(std::move(options)).status()));
}

TEST_F(Pkcs11TokenTest, ServesMoreThreadsThanSessions) {
  Pkcs11Token::Options options = Options();
  options.sessions_max = 2;
  const auto token = Pkcs11Token::Open(std::move(options));
  ASSERT_TRUE(token.ok());
  std::vector<std::thread> threads;
  std::vector<std::string> keys(6);
  for (std::string& key : keys) {
    threads.emplace_back([&] { key = (*token)->CreateLogKey("test.example/p/4").value_or("failed"); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& key : keys) EXPECT_EQ(key, keys[0]);
  EXPECT_EQ(keys[0].size(), 32u);
}

}  // namespace
}  // namespace custodian::keys
