#include "services/keys/pkcs11_token.h"

#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fmt/format.h"
#include "ledger/tree.h"
#include "services/keys/cipher.h"
#include "services/keys/pkcs11_sessions.h"

namespace custodian::keys {
namespace {

constexpr std::size_t kObjectsAtOnce = 2;
constexpr CK_ULONG kTagBits = 8 * kTagBytes;
constexpr std::size_t kCmacBytes = 16;

CK_BYTE* Bytes(std::string_view text) { return reinterpret_cast<CK_BYTE*>(const_cast<char*>(text.data())); }

// A template whose values live as long as it does.
class Template {
 public:
  Template& Add(CK_ATTRIBUTE_TYPE type, std::string bytes) {
    values_.push_back(std::make_unique<std::string>(std::move(bytes)));
    attributes_.push_back({type, values_.back()->data(), values_.back()->size()});
    return *this;
  }
  Template& Add(CK_ATTRIBUTE_TYPE type, bool value) { return Add(type, std::string(1, value ? char{CK_TRUE} : char{CK_FALSE})); }
  Template& Add(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
    return Add(type, std::string(reinterpret_cast<const char*>(&value), sizeof value));
  }
  // Stays in the token, is not shown, does not leave.
  Template& AddKept() { return Add(CKA_TOKEN, true).Add(CKA_PRIVATE, true).Add(CKA_SENSITIVE, true).Add(CKA_EXTRACTABLE, false); }

  [[nodiscard]] CK_ATTRIBUTE* data() { return attributes_.data(); }
  [[nodiscard]] CK_ULONG size() const { return attributes_.size(); }

 private:
  std::vector<std::unique_ptr<std::string>> values_;
  std::vector<CK_ATTRIBUTE> attributes_;
};

// A key's name; CKA_ID is its hash, so that no module's limit on ids matters.
struct KeyName {
  std::string text;
  CK_OBJECT_CLASS object_class;

  [[nodiscard]] std::string id() const { return std::string(ledger::AsBytes(ledger::Sha256(text))); }
  auto operator<=>(const KeyName&) const = default;
};

absl::Status TenantDark(const TenantId& tenant, const char* which) {
  return absl::FailedPreconditionError(fmt::format("tenant {} is dark: its {} is not in the token", tenant.text(), which));
}

// A missing key is the tenant's darkness, not the caller's mistake.
absl::Status OrDark(absl::Status status, const TenantId& tenant, const char* which) {
  return absl::IsNotFound(status) ? TenantDark(tenant, which) : status;
}

}  // namespace

class Pkcs11Token::Core {
 public:
  Core(std::unique_ptr<Pkcs11Sessions> sessions, std::string network)
      : sessions_(std::move(sessions)), network_(std::move(network)) {}

  [[nodiscard]] Pkcs11Sessions& sessions() { return *sessions_; }

  [[nodiscard]] KeyName RootName(const TenantId& tenant) const {
    return {fmt::format("{}/tenant/{}/root", network_, tenant.text()), CKO_SECRET_KEY};
  }
  [[nodiscard]] KeyName EpochName(const TenantId& tenant, std::uint64_t epoch) const {
    return {fmt::format("{}/tenant/{}/epoch/{}", network_, tenant.text(), epoch), CKO_SECRET_KEY};
  }
  [[nodiscard]] KeyName LogName(std::string_view origin, CK_OBJECT_CLASS half) const {
    return {fmt::format("{}/log/{}", network_, origin), half};
  }
  [[nodiscard]] KeyName LocatorName() const { return {fmt::format("{}/locator", network_), CKO_SECRET_KEY}; }

  [[nodiscard]] absl::Status Run(const Pkcs11Sessions::Work& work) {
    return sessions_->Run(work, [this] {
      absl::MutexLock lock(&mutex_);
      handles_.clear();
    });
  }

  // The handle of a key, found once; NotFound when the token has none of that name. A secret that could be read out is refused.
  [[nodiscard]] absl::StatusOr<CK_OBJECT_HANDLE> Find(Pkcs11Session& session, const KeyName& name);
  // As Find, but asks the token even when the handle is known.
  [[nodiscard]] absl::StatusOr<CK_OBJECT_HANDLE> FindStillThere(Pkcs11Session& session, const KeyName& name);

  // Runs `make` unless the key is there; at most one at a time for a name.
  [[nodiscard]] absl::Status CreateOnce(const KeyName& name, const Pkcs11Sessions::Work& make);
  [[nodiscard]] absl::Status CreateAes(const KeyName& name, bool encrypts);
  [[nodiscard]] absl::StatusOr<std::string> Sign(Pkcs11Session& session, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE type,
                                                 std::string_view message, std::size_t signature_bytes);
  [[nodiscard]] absl::StatusOr<std::string> PublicPoint(Pkcs11Session& session, CK_OBJECT_HANDLE key);

 private:
  [[nodiscard]] absl::Status CheckKept(Pkcs11Session& session, CK_OBJECT_HANDLE key, const KeyName& name);

  const std::unique_ptr<Pkcs11Sessions> sessions_;
  const std::string network_;
  absl::Mutex mutex_;
  std::map<KeyName, CK_OBJECT_HANDLE> handles_ ABSL_GUARDED_BY(mutex_);
  std::set<KeyName> being_made_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<CK_OBJECT_HANDLE> Pkcs11Token::Core::Find(Pkcs11Session& session, const KeyName& name) {
  {
    absl::MutexLock lock(&mutex_);
    if (const auto found = handles_.find(name); found != handles_.end()) return found->second;
  }
  Template wanted;
  wanted.Add(CKA_CLASS, CK_ULONG{name.object_class}).Add(CKA_TOKEN, true).Add(CKA_ID, name.id());
  CK_FUNCTION_LIST& api = session.api();
  if (auto status = session.Check(api.C_FindObjectsInit(session.handle(), wanted.data(), wanted.size()), "C_FindObjectsInit");
      !status.ok()) {
    return status;
  }
  std::array<CK_OBJECT_HANDLE, kObjectsAtOnce> found{};
  CK_ULONG count = 0;
  const CK_RV code = api.C_FindObjects(session.handle(), found.data(), found.size(), &count);
  const CK_RV final_code = api.C_FindObjectsFinal(session.handle());
  if (auto status = session.Check(code, "C_FindObjects"); !status.ok()) return status;
  if (auto status = session.Check(final_code, "C_FindObjectsFinal"); !status.ok()) return status;
  if (count == 0) {
    if (auto status = session.CheckLoggedIn(); !status.ok()) return status;
    return absl::NotFoundError("the token holds no key named " + name.text);
  }
  if (count > 1) return absl::InternalError("the token holds two keys named " + name.text);
  if (name.object_class != CKO_PUBLIC_KEY) {
    if (auto status = CheckKept(session, found[0], name); !status.ok()) return status;
  }
  absl::MutexLock lock(&mutex_);
  handles_[name] = found[0];
  return found[0];
}

absl::StatusOr<CK_OBJECT_HANDLE> Pkcs11Token::Core::FindStillThere(Pkcs11Session& session, const KeyName& name) {
  const absl::StatusOr<CK_OBJECT_HANDLE> key = Find(session, name);
  if (!key.ok()) return key;
  if (auto status = CheckKept(session, *key, name); !status.ok()) return status;
  return key;
}

absl::Status Pkcs11Token::Core::CheckKept(Pkcs11Session& session, CK_OBJECT_HANDLE key, const KeyName& name) {
  CK_BBOOL sensitive = CK_FALSE;
  CK_BBOOL extractable = CK_TRUE;
  CK_BBOOL never_extractable = CK_FALSE;
  std::array<CK_ATTRIBUTE, 3> attributes{CK_ATTRIBUTE{CKA_SENSITIVE, &sensitive, sizeof sensitive},
                                         CK_ATTRIBUTE{CKA_EXTRACTABLE, &extractable, sizeof extractable},
                                         CK_ATTRIBUTE{CKA_NEVER_EXTRACTABLE, &never_extractable, sizeof never_extractable}};
  const CK_RV code = session.api().C_GetAttributeValue(session.handle(), key, attributes.data(), attributes.size());
  if (auto status = session.Check(code, "C_GetAttributeValue"); !status.ok()) return status;
  if (sensitive == CK_TRUE && extractable == CK_FALSE && never_extractable == CK_TRUE) return absl::OkStatus();
  return absl::FailedPreconditionError("a key in the token could be read out, and is not used: " + name.text);
}

absl::Status Pkcs11Token::Core::CreateOnce(const KeyName& name, const Pkcs11Sessions::Work& make) {
  {
    absl::MutexLock lock(&mutex_);
    const auto free = [this, &name]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !being_made_.contains(name); };
    mutex_.Await(absl::Condition(&free));
    being_made_.insert(name);
  }
  absl::Status status = Run([&](Pkcs11Session& session) {
    const absl::StatusOr<CK_OBJECT_HANDLE> found = Find(session, name);
    return absl::IsNotFound(found.status()) ? make(session) : found.status();
  });
  absl::MutexLock lock(&mutex_);
  being_made_.erase(name);
  return status;
}

absl::Status Pkcs11Token::Core::CreateAes(const KeyName& name, bool encrypts) {
  return CreateOnce(name, [&](Pkcs11Session& session) {
    Template key;
    key.Add(CKA_CLASS, CK_ULONG{CKO_SECRET_KEY}).Add(CKA_KEY_TYPE, CK_ULONG{CKK_AES}).Add(CKA_VALUE_LEN, CK_ULONG{kKeyBytes});
    key.Add(CKA_ID, name.id()).Add(CKA_LABEL, name.text).AddKept();
    key.Add(CKA_ENCRYPT, encrypts).Add(CKA_DECRYPT, encrypts).Add(CKA_SIGN, !encrypts).Add(CKA_VERIFY, false);
    key.Add(CKA_WRAP, false).Add(CKA_UNWRAP, false).Add(CKA_DERIVE, false);
    CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    return session.Check(session.api().C_GenerateKey(session.handle(), &mechanism, key.data(), key.size(), &handle),
                         "C_GenerateKey");
  });
}

absl::StatusOr<std::string> Pkcs11Token::Core::Sign(Pkcs11Session& session, CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE type,
                                                    std::string_view message, std::size_t signature_bytes) {
  CK_MECHANISM mechanism{type, nullptr, 0};
  CK_FUNCTION_LIST& api = session.api();
  if (auto status = session.Check(api.C_SignInit(session.handle(), &mechanism, key), "C_SignInit"); !status.ok()) return status;
  std::string signature(signature_bytes, '\0');
  CK_ULONG size = signature.size();
  const CK_RV code = api.C_Sign(session.handle(), Bytes(message), message.size(), Bytes(signature), &size);
  if (auto status = session.Check(code, "C_Sign"); !status.ok()) return status;
  if (size != signature_bytes) return absl::InternalError("the token made a signature of another length");
  return signature;
}

absl::StatusOr<std::string> Pkcs11Token::Core::PublicPoint(Pkcs11Session& session, CK_OBJECT_HANDLE key) {
  std::array<char, 64> point{};
  CK_ATTRIBUTE attribute{CKA_EC_POINT, point.data(), point.size()};
  const CK_RV code = session.api().C_GetAttributeValue(session.handle(), key, &attribute, 1);
  if (auto status = session.Check(code, "C_GetAttributeValue"); !status.ok()) return status;
  std::string_view bytes(point.data(), attribute.ulValueLen);
  // An OCTET STRING as of PKCS#11 3.0; older modules give the bytes alone.
  if (bytes.size() == 34 && bytes.starts_with(std::string_view("\x04\x20", 2))) bytes.remove_prefix(2);
  if (bytes.size() != 32) return absl::InternalError("the token's public key is no Ed25519 key");
  return std::string(bytes);
}

absl::StatusOr<std::unique_ptr<Pkcs11Token>> Pkcs11Token::Open(Options options) {
  std::string network = options.network;
  absl::StatusOr<std::unique_ptr<Pkcs11Sessions>> sessions = Pkcs11Sessions::Open(std::move(options));
  if (!sessions.ok()) return sessions.status();
  std::unique_ptr<Pkcs11Token> token(new Pkcs11Token(std::make_unique<Core>(*std::move(sessions), std::move(network))));
  absl::Status health = token->Health();
  if (!health.ok() && token->core_->sessions().PinRefused().ok()) return health;
  return token;
}

Pkcs11Token::Pkcs11Token(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Pkcs11Token::~Pkcs11Token() = default;

absl::Status Pkcs11Token::Health() {
  return core_->Run([](Pkcs11Session& session) { return session.CheckLoggedIn(); });
}

int Pkcs11Token::login_attempts() const { return core_->sessions().login_attempts(); }

absl::Status Pkcs11Token::CreateTenantKeys(const TenantId& tenant, std::uint64_t epoch) {
  if (auto status = core_->CreateAes(core_->RootName(tenant), /*encrypts=*/false); !status.ok()) return status;
  if (auto status = core_->CreateAes(core_->EpochName(tenant, epoch), /*encrypts=*/true); !status.ok()) return status;
  return CheckTenantKeys(tenant, epoch);
}

absl::Status Pkcs11Token::CheckTenantKeys(const TenantId& tenant, std::uint64_t epoch) {
  return core_->Run([&](Pkcs11Session& session) {
    const auto root = core_->FindStillThere(session, core_->RootName(tenant));
    if (!root.ok()) return OrDark(root.status(), tenant, "root");
    const auto key = core_->FindStillThere(session, core_->EpochName(tenant, epoch));
    return OrDark(key.status(), tenant, "epoch key");
  });
}

absl::StatusOr<std::string> Pkcs11Token::Wrap(const TenantId& tenant, std::uint64_t epoch, std::string_view aad,
                                              const Secret& key) {
  std::string wrapped;
  absl::Status status = core_->Run([&](Pkcs11Session& session) -> absl::Status {
    const auto root = core_->FindStillThere(session, core_->RootName(tenant));
    if (!root.ok()) return OrDark(root.status(), tenant, "root");
    const auto epoch_key = core_->Find(session, core_->EpochName(tenant, epoch));
    if (!epoch_key.ok()) return OrDark(epoch_key.status(), tenant, "epoch key");
    wrapped = RandomBytes(kIvBytes);
    wrapped.resize(kIvBytes + key.size() + kTagBytes);
    CK_GCM_PARAMS parameters{Bytes(wrapped), kIvBytes, 8 * kIvBytes, Bytes(aad), aad.size(), kTagBits};
    CK_MECHANISM mechanism{CKM_AES_GCM, &parameters, sizeof parameters};
    CK_FUNCTION_LIST& api = session.api();
    if (auto init = session.Check(api.C_EncryptInit(session.handle(), &mechanism, *epoch_key), "C_EncryptInit"); !init.ok())
      return init;
    CK_ULONG size = key.size() + kTagBytes;
    const CK_RV code = api.C_Encrypt(session.handle(), Bytes(key.Read(SecretAccess("wrap a shard secret"))), key.size(),
                                     Bytes(wrapped) + kIvBytes, &size);
    if (auto sealed = session.Check(code, "C_Encrypt"); !sealed.ok()) return sealed;
    return size == key.size() + kTagBytes ? absl::OkStatus() : absl::InternalError("the token wrapped to another length");
  });
  if (!status.ok()) return status;
  return wrapped;
}

absl::StatusOr<Secret> Pkcs11Token::Unwrap(const TenantId& tenant, std::uint64_t epoch, std::string_view aad,
                                           std::string_view wrapped) {
  if (wrapped.size() != kIvBytes + kKeyBytes + kTagBytes) return absl::DataLossError("a wrapped key has a wrong length");
  Secret secret;
  absl::Status status = core_->Run([&](Pkcs11Session& session) -> absl::Status {
    const auto root = core_->FindStillThere(session, core_->RootName(tenant));
    if (!root.ok()) return OrDark(root.status(), tenant, "root");
    const auto epoch_key = core_->Find(session, core_->EpochName(tenant, epoch));
    if (!epoch_key.ok()) return OrDark(epoch_key.status(), tenant, "epoch key");
    CK_GCM_PARAMS parameters{Bytes(wrapped), kIvBytes, 8 * kIvBytes, Bytes(aad), aad.size(), kTagBits};
    CK_MECHANISM mechanism{CKM_AES_GCM, &parameters, sizeof parameters};
    CK_FUNCTION_LIST& api = session.api();
    if (auto init = session.Check(api.C_DecryptInit(session.handle(), &mechanism, *epoch_key), "C_DecryptInit"); !init.ok())
      return init;
    const std::string_view ciphertext = wrapped.substr(kIvBytes);
    // Some modules want room for the tag too.
    std::string plaintext(ciphertext.size(), '\0');
    CK_ULONG size = plaintext.size();
    const CK_RV code = api.C_Decrypt(session.handle(), Bytes(ciphertext), ciphertext.size(), Bytes(plaintext), &size);
    absl::Status opened = session.Check(code, "C_Decrypt");
    // Modules differ in how they name a wrong tag; SoftHSM says CKR_GENERAL_ERROR.
    if (code == CKR_GENERAL_ERROR || code == CKR_ENCRYPTED_DATA_INVALID || code == CKR_ENCRYPTED_DATA_LEN_RANGE) {
      opened = absl::DataLossError("a wrapped key was altered, or belongs elsewhere");
    }
    if (opened.ok() && size != kKeyBytes) opened = absl::DataLossError("a wrapped key has a wrong length");
    if (opened.ok()) secret = Secret(std::string_view(plaintext).substr(0, kKeyBytes));
    Wipe(plaintext);
    return opened;
  });
  if (!status.ok()) return status;
  return secret;
}

absl::StatusOr<Secret> Pkcs11Token::IndexKey(const TenantId& tenant) {
  Secret secret;
  absl::Status status = core_->Run([&](Pkcs11Session& session) -> absl::Status {
    const auto root = core_->FindStillThere(session, core_->RootName(tenant));
    if (!root.ok()) return OrDark(root.status(), tenant, "root");
    std::string key;
    for (char counter = 1; key.size() < kKeyBytes; ++counter) {
      // [i] || label || 0x00 || context || [L in bits].
      std::string message(1, counter);
      message += "custodian/index/v1";
      message += '\0';
      message += tenant.text();
      message += std::string("\x01\x00", 2);
      absl::StatusOr<std::string> block = core_->Sign(session, *root, CKM_AES_CMAC, message, kCmacBytes);
      if (!block.ok()) return block.status();
      key += *block;
      Wipe(*block);
    }
    secret = Secret(key);
    Wipe(key);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return secret;
}

absl::StatusOr<std::string> Pkcs11Token::LogPublicKey(std::string_view origin) {
  std::string point;
  absl::Status status = core_->Run([&](Pkcs11Session& session) -> absl::Status {
    if (const auto key = core_->Find(session, core_->LogName(origin, CKO_PRIVATE_KEY)); !key.ok()) return key.status();
    const auto key = core_->Find(session, core_->LogName(origin, CKO_PUBLIC_KEY));
    if (!key.ok()) return key.status();
    absl::StatusOr<std::string> found = core_->PublicPoint(session, *key);
    if (!found.ok()) return found.status();
    point = *std::move(found);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return point;
}

absl::StatusOr<std::string> Pkcs11Token::CreateLogKey(std::string_view origin) {
  const KeyName private_name = core_->LogName(origin, CKO_PRIVATE_KEY);
  absl::Status made = core_->CreateOnce(private_name, [&](Pkcs11Session& session) -> absl::Status {
    CK_FUNCTION_LIST& api = session.api();
    // Left by a crash between the halves; nothing was ever signed with it.
    if (const auto orphan = core_->Find(session, core_->LogName(origin, CKO_PUBLIC_KEY)); orphan.ok()) {
      if (auto status = session.Check(api.C_DestroyObject(session.handle(), *orphan), "C_DestroyObject"); !status.ok())
        return status;
    } else if (!absl::IsNotFound(orphan.status())) {
      return orphan.status();
    }
    Template public_half;
    public_half.Add(CKA_TOKEN, true).Add(CKA_PRIVATE, false).Add(CKA_VERIFY, true);
    // PrintableString "edwards25519", as PKCS#11 3.0 names the curve.
    public_half.Add(CKA_EC_PARAMS, std::string("\x13\x0c") + "edwards25519");
    public_half.Add(CKA_ID, private_name.id()).Add(CKA_LABEL, private_name.text);
    Template private_half;
    private_half.AddKept().Add(CKA_SIGN, true).Add(CKA_ID, private_name.id()).Add(CKA_LABEL, private_name.text);
    CK_MECHANISM mechanism{CKM_EC_EDWARDS_KEY_PAIR_GEN, nullptr, 0};
    CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
    return session.Check(api.C_GenerateKeyPair(session.handle(), &mechanism, public_half.data(), public_half.size(),
                                               private_half.data(), private_half.size(), &public_key, &private_key),
                         "C_GenerateKeyPair");
  });
  if (!made.ok()) return made;
  return LogPublicKey(origin);
}

absl::StatusOr<std::string> Pkcs11Token::SignAsLog(std::string_view origin, std::string_view message) {
  std::string signature;
  absl::Status status = core_->Run([&](Pkcs11Session& session) -> absl::Status {
    const auto key = core_->Find(session, core_->LogName(origin, CKO_PRIVATE_KEY));
    if (!key.ok()) return key.status();
    absl::StatusOr<std::string> made = core_->Sign(session, *key, CKM_EDDSA, message, 64);
    if (!made.ok()) return made.status();
    signature = *std::move(made);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return signature;
}

absl::Status Pkcs11Token::CreateLocatorKey() {
  const KeyName name = core_->LocatorName();
  return core_->CreateOnce(name, [&](Pkcs11Session& session) {
    Template key;
    key.Add(CKA_CLASS, CK_ULONG{CKO_SECRET_KEY})
        .Add(CKA_KEY_TYPE, CK_ULONG{CKK_GENERIC_SECRET})
        .Add(CKA_VALUE_LEN, CK_ULONG{kKeyBytes});
    key.Add(CKA_ID, name.id()).Add(CKA_LABEL, name.text).AddKept();
    key.Add(CKA_SIGN, true).Add(CKA_VERIFY, false).Add(CKA_WRAP, false).Add(CKA_UNWRAP, false).Add(CKA_DERIVE, false);
    CK_MECHANISM mechanism{CKM_GENERIC_SECRET_KEY_GEN, nullptr, 0};
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    return session.Check(session.api().C_GenerateKey(session.handle(), &mechanism, key.data(), key.size(), &handle),
                         "C_GenerateKey");
  });
}

absl::StatusOr<std::vector<std::string>> Pkcs11Token::LocatorTokens(std::span<const std::string> values) {
  std::vector<std::string> tokens;
  absl::Status status = core_->Run([&](Pkcs11Session& session) -> absl::Status {
    tokens.clear();
    const auto key = core_->FindStillThere(session, core_->LocatorName());
    if (absl::IsNotFound(key.status())) return absl::FailedPreconditionError("the locator key is not in the token");
    if (!key.ok()) return key.status();
    for (const std::string& value : values) {
      absl::StatusOr<std::string> token = core_->Sign(session, *key, CKM_SHA256_HMAC, value, 32);
      if (!token.ok()) return token.status();
      tokens.push_back(*std::move(token));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return tokens;
}

}  // namespace custodian::keys
