// Module, login and session pool beneath Pkcs11Token; nobody else includes this. Thread-safe. No lock is held across a token
// call: who opens the first session of a login claims it, the others wait for the outcome.
#ifndef CUSTODIAN_SERVICES_KEYS_PKCS11_SESSIONS_H_
#define CUSTODIAN_SERVICES_KEYS_PKCS11_SESSIONS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "p11-kit/pkcs11.h"
#include "services/keys/pkcs11_token.h"

namespace custodian::keys {

// A session lent for one piece of work.
class Pkcs11Session {
 public:
  Pkcs11Session(CK_FUNCTION_LIST* api, CK_SESSION_HANDLE handle, std::uint64_t login)
      : api_(api), handle_(handle), login_(login) {}

  [[nodiscard]] CK_FUNCTION_LIST& api() const { return *api_; }
  [[nodiscard]] CK_SESSION_HANDLE handle() const { return handle_; }
  // OK for CKR_OK; otherwise names `what` and the code, and remembers what was lost.
  [[nodiscard]] absl::Status Check(CK_RV code, const char* what);
  // OK while logged in: a session that is not finds no private object, and says nothing.
  [[nodiscard]] absl::Status CheckLoggedIn();

 private:
  friend class Pkcs11Sessions;
  CK_FUNCTION_LIST* api_;
  CK_SESSION_HANDLE handle_;
  // Which login it belongs to.
  std::uint64_t login_;
  bool session_lost_ = false;
  bool handle_lost_ = false;
};

class Pkcs11Sessions {
 public:
  // Loads and initializes the module; logs in at first use.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Pkcs11Sessions>> Open(Pkcs11Token::Options options);
  ~Pkcs11Sessions();

  using Work = std::function<absl::Status(Pkcs11Session&)>;
  // Runs `work` on a logged-in session. When the session or a key's handle was lost, calls `forget_handles`, logs in again where
  // needed and runs `work` again: it must begin from nothing each time.
  [[nodiscard]] absl::Status Run(const Work& work, const std::function<void()>& forget_handles);

  // FailedPrecondition once the PIN was refused.
  [[nodiscard]] absl::Status PinRefused() const;
  [[nodiscard]] int login_attempts() const;

 private:
  Pkcs11Sessions(Pkcs11Token::Options options, CK_FUNCTION_LIST* api) : options_(std::move(options)), api_(api) {}

  [[nodiscard]] absl::StatusOr<CK_SLOT_ID> FindSlot() const;
  [[nodiscard]] absl::StatusOr<Pkcs11Session> Take();
  [[nodiscard]] absl::StatusOr<CK_SESSION_HANDLE> OpenSession();
  // Opens the session that keeps the login alive, and logs in.
  [[nodiscard]] absl::StatusOr<CK_SESSION_HANDLE> LogIn();
  void CloseAll(const std::vector<CK_SESSION_HANDLE>& sessions);
  void GiveBack(const Pkcs11Session& session, bool reusable);
  void LoseLogin(std::uint64_t login);
  void RememberRefusal() const;

  const Pkcs11Token::Options options_;
  CK_FUNCTION_LIST* const api_;
  mutable absl::Mutex mutex_;
  std::vector<CK_SESSION_HANDLE> idle_ ABSL_GUARDED_BY(mutex_);
  // Never lent: a token logs out with the last session, and then merely finds no private objects.
  CK_SESSION_HANDLE login_session_ ABSL_GUARDED_BY(mutex_) = CK_INVALID_HANDLE;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  bool logged_in_ ABSL_GUARDED_BY(mutex_) = false;
  bool logging_in_ ABSL_GUARDED_BY(mutex_) = false;
  bool pin_refused_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t login_ ABSL_GUARDED_BY(mutex_) = 1;
  int login_attempts_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_PKCS11_SESSIONS_H_
