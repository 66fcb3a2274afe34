#include "services/rpc/sessions.h"

#include <algorithm>
#include <utility>

#include "ledger/tree.h"
#include "services/rpc/identity.h"
#include "services/rpc/router.h"
#include "spdlog/spdlog.h"
#include "tenants/ids.h"

namespace custodian::rpc {
namespace {

constexpr absl::Duration kLinkLifetime = absl::Minutes(10);
constexpr absl::Duration kSessionLifetime = absl::Hours(12);
constexpr std::size_t kGrantsMax = 1'000;
constexpr std::string_view kCookie = "__Secure-custodian-session";

// What is kept of a token.
std::string HashOf(std::string_view token) { return std::string(ledger::AsBytes(ledger::Sha256(token))); }

// Value of our cookie in a Cookie header (RFC 6265, section 4.2.1).
std::string_view CookieOf(std::string_view header) {
  while (!header.empty()) {
    const std::size_t end = header.find(';');
    std::string_view pair = header.substr(0, end);
    header = end == std::string_view::npos ? std::string_view() : header.substr(end + 1);
    while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
    if (pair.size() > kCookie.size() && pair.substr(0, kCookie.size()) == kCookie && pair[kCookie.size()] == '=') {
      return pair.substr(kCookie.size() + 1);
    }
  }
  return {};
}

}  // namespace

Sessions::Sessions(const Clock& machine_clock, std::string path) : clock_(machine_clock), path_(std::move(path)) {}

std::string Sessions::AddGrant(Grants& grants, std::string_view actor, absl::Duration lifetime) {
  const absl::Time now = clock_.Now();
  std::erase_if(grants, [now](const auto& grant) { return grant.second.expires <= now; });
  if (grants.size() >= kGrantsMax) {
    grants.erase(std::min_element(grants.begin(), grants.end(), [](const auto& a, const auto& b) { return a.second.expires < b.second.expires; }));
  }
  std::string token = HexEncode(RandomBytes(32));
  grants[HashOf(token)] = {std::string(actor), now + lifetime};
  return token;
}

std::string Sessions::CreateLink(std::string_view actor) {
  absl::MutexLock lock(&mutex_);
  return AddGrant(links_, actor, kLinkLifetime);
}

std::string Sessions::CreateLinkUrl(std::string_view public_url, std::string_view actor) {
  return std::string(public_url) + path_ + "?link=" + CreateLink(actor);
}

std::optional<std::string> Sessions::Find(const HttpRequest& request) const {
  const auto header = request.Header("cookie");
  if (!header.has_value()) return std::nullopt;
  const std::string hash = HashOf(CookieOf(*header));
  absl::MutexLock lock(&mutex_);
  const auto found = sessions_.find(hash);
  if (found == sessions_.end() || found->second.expires <= clock_.Now()) return std::nullopt;
  return found->second.actor;
}

std::optional<std::string> Sessions::Redeem(std::string_view link) {
  const std::string hash = HashOf(link);
  absl::MutexLock lock(&mutex_);
  const auto found = links_.find(hash);
  if (found == links_.end()) return std::nullopt;
  const Grant grant = found->second;
  links_.erase(found);
  if (grant.expires <= clock_.Now()) return std::nullopt;
  return AddGrant(sessions_, grant.actor, kSessionLifetime);
}

HttpResponse Sessions::Enter(std::string_view link) {
  const auto session = Redeem(link);
  if (!session.has_value()) {
    return PlainText(401, "This link was used already or is older than ten minutes. Ask for a new one: custodian status");
  }
  spdlog::info("event=session_opened path={}", path_);
  const std::string cookie = std::string(kCookie) + "=" + *session + "; Path=" + path_ + "; Max-Age=" +
                             std::to_string(absl::ToInt64Seconds(kSessionLifetime)) + "; Secure; HttpOnly; SameSite=Strict";
  // A page that goes on by itself and not a redirect: after one, a browser that came from another site would withhold the
  // SameSite=Strict cookie.
  return {200,
          {{"Content-Type", "text/html; charset=utf-8"},
           {"Cache-Control", "no-store"},
           {"Referrer-Policy", "no-referrer"},
           {"Content-Security-Policy", "default-src 'none'"},
           {"Set-Cookie", cookie}},
          "<!doctype html><html lang=\"en\"><head><title>Custodian</title><meta http-equiv=\"refresh\" content=\"0;url=" + path_ +
              "\"></head><body><p><a href=\"" + path_ + "\">Open the page</a></p></body></html>\n"};
}

HttpHandler Sessions::Protect(HttpHandler pages) {
  return [this, pages = std::move(pages)](const HttpRequest& request) -> HttpResponse {
    for (const auto& [name, value] : request.Parameters())
      if (name == "link") return Enter(value);
    if (!Find(request).has_value()) return PlainText(401, "This page opens with a one-time link: custodian status prints one.");
    return pages(request);
  };
}

}  // namespace custodian::rpc
