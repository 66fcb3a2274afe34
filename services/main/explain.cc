// `custodian explain order ID`: why a prior was or was not offered for a tenant's own order. Over HTTPS with an auditor's certificate.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_json.h"
#include "services/main/commands.h"
#include "services/main/home_tenant.h"
#include "services/rpc/https_client.h"

namespace custodian::main {
namespace {

using exchange::Json;

struct Options {
  std::string order;
  TenantEndpointOption endpoint{kOrdersInterface};
  bool json = false;
};

void Print(const Json& explanation) {
  std::string states;
  for (const Json& state : explanation["state"].items()) absl::StrAppend(&states, states.empty() ? "" : ", ", state.text());
  std::printf("order %s: %s\n", explanation.TextOf("order").c_str(), states.c_str());
  for (const Json& check : explanation["checks"].items()) {
    const std::string side = check.TextOf("laterality").empty() ? "" : ", " + check.TextOf("laterality");
    const std::string exam_class = check.TextOf("class").empty() ? "" : absl::StrCat(" (", check.TextOf("class"), side, ")");
    std::printf("  %s  %s%s: %s\n      entry %s\n", check.TextOf("time").c_str(), check.TextOf("hook").c_str(), exam_class.c_str(),
                check.TextOf("because").c_str(), check.TextOf("entry").c_str());
  }
  if (explanation["own_results"].items().empty()) return;
  std::printf("this tenant's own results, as known at the last check, by the classes in force now:\n");
  for (const Json& result : explanation["own_results"].items())
    std::printf("  %s  %s: %s\n", result.TextOf("performed").c_str(), result.TextOf("resource").c_str(), result.TextOf("because").c_str());
}

void Explain(const Options& options) {
  const TenantEndpoint endpoint = options.endpoint.Find();
  auto client = rpc::HttpsClient::Create(endpoint.client);
  Check(client.status());
  auto answer = (*client)->Send("POST", endpoint.url + "/explain", {{"Content-Type", "application/json"}},
                                Json::Object({{"order", Json::String(options.order)}}).Text());
  Check(answer.status());
  while (!answer->body.empty() && answer->body.back() == '\n') answer->body.pop_back();
  if (answer->status != 200) throw CommandFailed{1, absl::StrCat("the platform answered ", answer->status, ": ", answer->body)};
  if (options.json) {
    std::printf("%s\n", answer->body.c_str());
    return;
  }
  const auto json = Json::Parse(answer->body);
  Check(json.status());
  Print(*json);
}

}  // namespace

void AddExplain(CLI::App& app) {
  auto* explain = app.add_subcommand("explain", "why a prior was or was not offered for an order");
  explain->footer("Example:\n  custodian explain order 'urn:orders|4711' --home .quickstart --tenant lakeside");
  explain->require_subcommand(1);
  auto options = std::make_shared<Options>();
  auto* order = explain->add_subcommand("order", "every check of one of the tenant's own orders, and what became of it (holds health data)");
  order->footer(
      "Examples:\n  custodian explain order 'urn:orders|4711' --home .quickstart --tenant lakeside\n"
      "  custodian explain order '|o-1' --url https://custodian.example/orders/0123456789abcdef --cert auditor.crt --key auditor.key --ca ca.crt");
  order->add_option("id", options->order, "the order's identifier, system|value (of type PLAC, else the first), or |ID when it has none")->required();
  options->endpoint.AddTo(*order);
  order->add_flag("--json", options->json, "JSON");
  order->callback([options] { Explain(*options); });
}

}  // namespace custodian::main
