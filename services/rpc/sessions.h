// Browser sessions of the dashboards: a one-time link (ten minutes) becomes a cookie (twelve hours). Both are 32 random bytes of
// which only the SHA-256 is kept, in memory: a restart ends all sessions and asks for a new link, which costs an operator one
// command and keeps nothing to steal on disk. Thread-safe.
#ifndef CUSTODIAN_SERVICES_RPC_SESSIONS_H_
#define CUSTODIAN_SERVICES_RPC_SESSIONS_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/rpc/http.h"
#include "tenants/clock.h"

namespace custodian::rpc {

class Sessions {
 public:
  // `path` is where the pages lie ("/savings/"): the cookie is sent nowhere else.
  Sessions(const Clock& machine_clock, std::string path);

  // A token for `actor` (the SPIFFE id that asked). The oldest link makes room past 1,000.
  [[nodiscard]] std::string CreateLink(std::string_view actor);
  // "<public_url><path>?link=<token>" of a new link.
  [[nodiscard]] std::string CreateLinkUrl(std::string_view public_url, std::string_view actor);
  // Whose session the request's cookie is, or nothing.
  [[nodiscard]] std::optional<std::string> Find(const HttpRequest& request) const;

  // Wraps the handler of the pages: a link is redeemed (Secure, HttpOnly, SameSite=Strict cookie, then the page without the
  // token); a request with a session reaches `pages`; all else is 401 with a sentence on how to get a link.
  [[nodiscard]] HttpHandler Protect(HttpHandler pages);

 private:
  struct Grant {
    std::string actor;
    absl::Time expires;
  };
  using Grants = std::map<std::string, Grant>;

  // Token of a new grant, kept by its hash.
  [[nodiscard]] std::string AddGrant(Grants& grants, std::string_view actor, absl::Duration lifetime) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A session's token for a link's, which is used up; nothing for an unknown or expired one.
  [[nodiscard]] std::optional<std::string> Redeem(std::string_view link);
  [[nodiscard]] HttpResponse Enter(std::string_view link);

  const Clock& clock_;
  const std::string path_;
  mutable absl::Mutex mutex_;
  Grants links_ ABSL_GUARDED_BY(mutex_);
  Grants sessions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_SESSIONS_H_
