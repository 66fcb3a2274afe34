#include "services/keys/pkcs11_sessions.h"

#include <dlfcn.h>

#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "fmt/format.h"
#include "services/keys/state_file.h"

namespace custodian::keys {
namespace {

// A logout by others shows first as a lost handle, then as a lost session.
constexpr int kAttempts = 3;

// A module is initialized once a process, however many tokens of it are open. Never unloaded: vendors' libraries register exit
// handlers.
struct Modules {
  absl::Mutex mutex;
  std::map<std::string, std::pair<CK_FUNCTION_LIST*, int>> loaded ABSL_GUARDED_BY(mutex);
};

Modules& TheModules() {
  static Modules* const modules = new Modules;
  return *modules;
}

absl::StatusOr<CK_FUNCTION_LIST*> LoadModule(const std::string& path) {
  absl::MutexLock lock(&TheModules().mutex);
  auto& [api, users] = TheModules().loaded[path];
  if (users == 0) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return absl::NotFoundError(fmt::format("cannot load the PKCS#11 module {}: check keys.module", path));
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
    if (get == nullptr || get(&api) != CKR_OK) return absl::InvalidArgumentError(fmt::format("{} is no PKCS#11 module", path));
    CK_C_INITIALIZE_ARGS arguments{};
    arguments.flags = CKF_OS_LOCKING_OK;
    const CK_RV code = api->C_Initialize(&arguments);
    if (code != CKR_OK && code != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
      return absl::UnavailableError(fmt::format("the PKCS#11 module does not start: C_Initialize gave {:#x}", code));
    }
  }
  ++users;
  return api;
}

void ReleaseModule(const std::string& path) {
  absl::MutexLock lock(&TheModules().mutex);
  auto& [api, users] = TheModules().loaded[path];
  if (--users == 0) api->C_Finalize(nullptr);
}

bool LosesSession(CK_RV code) {
  switch (code) {
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_DEVICE_ERROR:
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_TOKEN_NOT_RECOGNIZED:
      return true;
    default:
      return false;
  }
}

bool RefusesPin(CK_RV code) {
  switch (code) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_EXPIRED:
    case CKR_PIN_LOCKED:
      return true;
    default:
      return false;
  }
}

absl::Status Refused() {
  return absl::FailedPreconditionError(
      "the token refused the PIN, which is not tried again: put the right one in keys.pin_file and restart");
}

}  // namespace

absl::Status Pkcs11Session::Check(CK_RV code, const char* what) {
  if (code == CKR_OK) return absl::OkStatus();
  if (LosesSession(code)) session_lost_ = true;
  if (code == CKR_KEY_HANDLE_INVALID || code == CKR_OBJECT_HANDLE_INVALID) handle_lost_ = true;
  return absl::UnavailableError(fmt::format("the token failed at {} ({:#x})", what, code));
}

absl::Status Pkcs11Session::CheckLoggedIn() {
  CK_SESSION_INFO info{};
  if (auto status = Check(api_->C_GetSessionInfo(handle_, &info), "C_GetSessionInfo"); !status.ok()) return status;
  return info.state == CKS_RW_USER_FUNCTIONS ? absl::OkStatus() : Check(CKR_USER_NOT_LOGGED_IN, "finding a key");
}

absl::StatusOr<std::unique_ptr<Pkcs11Sessions>> Pkcs11Sessions::Open(Pkcs11Token::Options options) {
  const absl::StatusOr<CK_FUNCTION_LIST*> api = LoadModule(options.module);
  if (!api.ok()) return api.status();
  bool refused_before = false;
  if (!options.refusal_file.empty()) {
    const absl::StatusOr<std::string> refused = ReadStateFile(options.refusal_file);
    refused_before = refused.ok() && *refused == options.pin_version;
  }
  std::unique_ptr<Pkcs11Sessions> sessions(new Pkcs11Sessions(std::move(options), *api));
  if (const auto slot = sessions->FindSlot(); !slot.ok()) return slot.status();
  absl::MutexLock lock(&sessions->mutex_);
  sessions->pin_refused_ = refused_before;
  return sessions;
}

Pkcs11Sessions::~Pkcs11Sessions() {
  std::vector<CK_SESSION_HANDLE> idle;
  {
    absl::MutexLock lock(&mutex_);
    idle.swap(idle_);
    idle.push_back(login_session_);
  }
  CloseAll(idle);
  ReleaseModule(options_.module);
}

absl::StatusOr<CK_SLOT_ID> Pkcs11Sessions::FindSlot() const {
  CK_ULONG count = 0;
  CK_RV code = api_->C_GetSlotList(CK_TRUE, nullptr, &count);
  std::vector<CK_SLOT_ID> slots(count);
  if (code == CKR_OK) code = api_->C_GetSlotList(CK_TRUE, slots.data(), &count);
  if (code != CKR_OK) return absl::UnavailableError(fmt::format("the PKCS#11 module lists no slots ({:#x})", code));
  slots.resize(count);
  for (const CK_SLOT_ID slot : slots) {
    CK_TOKEN_INFO info{};
    if (api_->C_GetTokenInfo(slot, &info) != CKR_OK) continue;
    std::string label(reinterpret_cast<const char*>(info.label), sizeof info.label);
    label.erase(label.find_last_not_of(' ') + 1);
    if (label == options_.token_label) return slot;
  }
  return absl::NotFoundError(fmt::format("no token is labelled '{}': check keys.token_label", options_.token_label));
}

absl::StatusOr<CK_SESSION_HANDLE> Pkcs11Sessions::OpenSession() {
  const absl::StatusOr<CK_SLOT_ID> slot = FindSlot();
  if (!slot.ok()) return slot.status();
  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
  const CK_RV code = api_->C_OpenSession(*slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle);
  if (code != CKR_OK) return absl::UnavailableError(fmt::format("the token opens no session ({:#x})", code));
  return handle;
}

absl::StatusOr<CK_SESSION_HANDLE> Pkcs11Sessions::LogIn() {
  absl::StatusOr<CK_SESSION_HANDLE> handle = OpenSession();
  if (!handle.ok()) return handle;
  const std::string_view pin = options_.pin.Read(SecretAccess("log in to the token"));
  const CK_RV code = api_->C_Login(*handle, CKU_USER, reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(pin.data())), pin.size());
  if (code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN) return handle;
  api_->C_CloseSession(*handle);
  if (!RefusesPin(code)) return absl::UnavailableError(fmt::format("the token lets nobody log in ({:#x})", code));
  RememberRefusal();
  return Refused();
}

void Pkcs11Sessions::CloseAll(const std::vector<CK_SESSION_HANDLE>& sessions) {
  for (const CK_SESSION_HANDLE handle : sessions) {
    if (handle != CK_INVALID_HANDLE) api_->C_CloseSession(handle);
  }
}

void Pkcs11Sessions::RememberRefusal() const {
  if (options_.refusal_file.empty()) return;
  // Were it not written, only a restart could try again: no reason to answer differently.
  (void)WriteStateFile(options_.refusal_file, options_.pin_version);
}

absl::StatusOr<Pkcs11Session> Pkcs11Sessions::Take() {
  bool log_in = false;
  std::uint64_t login = 0;
  {
    absl::MutexLock lock(&mutex_);
    const auto may_go_on = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return pin_refused_ || !idle_.empty() || (open_ < options_.sessions_max && !logging_in_);
    };
    mutex_.Await(absl::Condition(&may_go_on));
    if (pin_refused_) return Refused();
    if (!idle_.empty()) {
      const CK_SESSION_HANDLE handle = idle_.back();
      idle_.pop_back();
      return Pkcs11Session(api_, handle, login_);
    }
    ++open_;
    login = login_;
    log_in = !logged_in_;
    if (log_in) {
      logging_in_ = true;
      ++login_attempts_;
    }
  }
  absl::Status status;
  if (log_in) {
    const absl::StatusOr<CK_SESSION_HANDLE> login_session = LogIn();
    status = login_session.status();
    absl::MutexLock lock(&mutex_);
    logging_in_ = false;
    logged_in_ = status.ok();
    pin_refused_ = absl::IsFailedPrecondition(status);
    login_session_ = status.ok() ? *login_session : CK_INVALID_HANDLE;
  }
  absl::StatusOr<CK_SESSION_HANDLE> handle = status.ok() ? OpenSession() : absl::StatusOr<CK_SESSION_HANDLE>(status);
  if (handle.ok()) return Pkcs11Session(api_, *handle, login);
  absl::MutexLock lock(&mutex_);
  --open_;
  return handle.status();
}

void Pkcs11Sessions::GiveBack(const Pkcs11Session& session, bool reusable) {
  {
    absl::MutexLock lock(&mutex_);
    if (reusable && session.login_ == login_) {
      idle_.push_back(session.handle_);
      return;
    }
  }
  api_->C_CloseSession(session.handle_);
  absl::MutexLock lock(&mutex_);
  --open_;
}

void Pkcs11Sessions::LoseLogin(std::uint64_t login) {
  std::vector<CK_SESSION_HANDLE> idle;
  {
    absl::MutexLock lock(&mutex_);
    // Another thread that lost its session may have been first.
    if (login != login_) return;
    ++login_;
    logged_in_ = false;
    idle.swap(idle_);
    open_ -= static_cast<int>(idle.size());
    idle.push_back(login_session_);
    login_session_ = CK_INVALID_HANDLE;
  }
  CloseAll(idle);
}

absl::Status Pkcs11Sessions::Run(const Work& work, const std::function<void()>& forget_handles) {
  absl::Status status;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    absl::StatusOr<Pkcs11Session> session = Take();
    if (!session.ok()) return session.status();
    status = work(*session);
    // After an error an operation may still be active in the session: it is not lent again.
    if (session->session_lost_) LoseLogin(session->login_);
    GiveBack(*session, status.ok());
    if (!session->session_lost_ && !session->handle_lost_) return status;
    forget_handles();
  }
  return status;
}

absl::Status Pkcs11Sessions::PinRefused() const {
  absl::MutexLock lock(&mutex_);
  return pin_refused_ ? Refused() : absl::OkStatus();
}

int Pkcs11Sessions::login_attempts() const {
  absl::MutexLock lock(&mutex_);
  return login_attempts_;
}

}  // namespace custodian::keys
