// Routes HTTP requests to handlers by the longest matching prefix, answers what matches none, and writes one structured log line
// per request: tenant, actor pseudonym, method, route pattern, status, duration. Never the path, the query or a header: they may
// name patients. Built before serving; then thread-safe.
#ifndef CUSTODIAN_SERVICES_RPC_ROUTER_H_
#define CUSTODIAN_SERVICES_RPC_ROUTER_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "services/rpc/http.h"
#include "tenants/clock.h"

namespace custodian::rpc {

class Router {
 public:
  struct Route {
    // "/fhir/" matches everything beneath it, "/metrics" that path alone.
    std::string prefix;
    // Methods answered; "GET" answers HEAD too (the handler sees GET, the server drops the body). Others get 405 with Allow. Empty: the handler is
    // given any, and says itself what each URL takes.
    std::vector<std::string> methods;
    HttpHandler handler;
    // True: the segment after the prefix is a tenant id, and is logged as the tenant when it has a tenant id's form.
    bool tenant_follows = false;
    // What a 404 or 405 of this route looks like, given status and a sentence; a plain text when absent (FHIR routes give an
    // OperationOutcome).
    std::function<HttpResponse(int status, std::string_view text)> refusal;
  };

  explicit Router(const Clock& machine_clock) : clock_(machine_clock) {}

  // A prefix may be added once.
  void Add(Route route);
  // Adds `Cache-Control: no-store` unless the handler set one, and `X-Content-Type-Options: nosniff`.
  [[nodiscard]] HttpResponse Handle(const HttpRequest& request) const;
  // For HttpsServer::Create; borrows this.
  [[nodiscard]] HttpHandler AsHandler() const;

 private:
  [[nodiscard]] const Route* Find(std::string_view path) const;
  [[nodiscard]] HttpResponse Answer(const HttpRequest& request, const Route* route) const;

  const Clock& clock_;
  // Longest prefix first.
  std::vector<Route> routes_;
};

// A plain-text answer.
[[nodiscard]] HttpResponse PlainText(int status, std::string_view text);

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_ROUTER_H_
