#include "services/rpc/router.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "services/rpc/identity.h"
#include "spdlog/spdlog.h"
#include "tenants/ids.h"

namespace custodian::rpc {
namespace {

bool Matches(const Router::Route& route, std::string_view path) {
  return route.prefix.back() == '/' ? path.substr(0, route.prefix.size()) == route.prefix : path == route.prefix;
}

// The tenant id in a path of the route, "-" when there is none: any other text may be a patient's.
std::string TenantOf(const Router::Route* route, std::string_view path) {
  if (route == nullptr || !route->tenant_follows) return "-";
  const std::string_view rest = path.substr(route->prefix.size());
  const auto tenant = TenantId::Parse(rest.substr(0, rest.find('/')));
  return tenant.ok() ? tenant->text() : "-";
}

// A method as the log shows it: a client may put anything there.
std::string_view LoggedMethod(std::string_view method) {
  constexpr std::array<std::string_view, 7> kMethods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  return std::find(kMethods.begin(), kMethods.end(), method) == kMethods.end() ? "-" : method;
}

bool HasHeader(const HttpResponse& response, std::string_view name) {
  return std::any_of(response.headers.begin(), response.headers.end(), [name](const auto& header) {
    return std::equal(header.first.begin(), header.first.end(), name.begin(), name.end(),
                      [](char a, char b) { return (a | 0x20) == (b | 0x20); });
  });
}

HttpResponse Refuse(const Router::Route* route, int status, std::string_view text) {
  return route != nullptr && route->refusal ? route->refusal(status, text) : PlainText(status, text);
}

}  // namespace

HttpResponse PlainText(int status, std::string_view text) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::string(text) + "\n"};
}

void Router::Add(Route route) {
  const auto shorter = std::find_if(routes_.begin(), routes_.end(), [&](const Route& other) { return other.prefix.size() <= route.prefix.size(); });
  routes_.insert(shorter, std::move(route));
}

const Router::Route* Router::Find(std::string_view path) const {
  const auto found = std::find_if(routes_.begin(), routes_.end(), [path](const Route& route) { return Matches(route, path); });
  return found == routes_.end() ? nullptr : &*found;
}

HttpResponse Router::Answer(const HttpRequest& request, const Route* route) const {
  if (route == nullptr) return PlainText(404, "there is nothing here");
  const bool head = request.method == "HEAD";
  const std::string& method = head ? "GET" : request.method;
  if (!route->methods.empty() && std::find(route->methods.begin(), route->methods.end(), method) == route->methods.end()) {
    HttpResponse response = Refuse(route, 405, "this method is not allowed here");
    response.headers.emplace_back("Allow", absl::StrJoin(route->methods, ", "));
    return response;
  }
  if (!head) return route->handler(request);
  HttpRequest get = request;
  get.method = "GET";
  return route->handler(get);
}

HttpResponse Router::Handle(const HttpRequest& request) const {
  const absl::Time start = clock_.Now();
  const Route* route = Find(request.path);
  HttpResponse response = Answer(request, route);
  if (!HasHeader(response, "cache-control")) response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  spdlog::info("event=http tenant={} actor={} method={} route={} status={} duration_ms={:.1f}", TenantOf(route, request.path),
               ActorPseudonym(request.peer_spiffe_id), LoggedMethod(request.method), route == nullptr ? "-" : route->prefix, response.status,
               absl::ToDoubleMilliseconds(clock_.Now() - start));
  return response;
}

HttpHandler Router::AsHandler() const {
  return [this](const HttpRequest& request) { return Handle(request); };
}

}  // namespace custodian::rpc
