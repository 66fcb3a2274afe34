#include "services/main/home_tenant.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/main/commands.h"
#include "services/main/config.h"

namespace custodian::main {
namespace {

using exchange::Json;

std::string BelowHttps(const Json& summary, const Json& tenant, const char* prefix, const char* suffix) {
  return absl::StrCat(summary.TextOf("https_url"), prefix, tenant.TextOf("tenant_id"), suffix);
}

TenantEndpoint FindInHome(const std::string& home, const std::string& name, const TenantInterface& of) {
  const auto under = [&home](const std::string& path) { return (std::filesystem::path(home) / path).string(); };
  const auto text = ReadFile(under("summary.json"));
  if (!text.ok()) throw CommandFailed{1, absl::StrCat(home, " is no quickstart home that runs: ", std::string(text.status().message()))};
  const auto summary = Json::Parse(*text);
  if (!summary.ok()) throw CommandFailed{1, absl::StrCat(home, "/summary.json: ", std::string(summary.status().message()))};
  std::string names;
  for (const Json& tenant : (*summary)["tenants"].items()) {
    if (tenant.TextOf("name") == name)
      return {of.url(*summary, tenant), {.ca_file = under(summary->TextOf("ca_file")),
                                         .certificate_file = under(tenant.TextOf(absl::StrCat(of.certificate, "_cert"))),
                                         .key_file = under(tenant.TextOf(absl::StrCat(of.certificate, "_key")))}};
    absl::StrAppend(&names, names.empty() ? "" : ", ", tenant.TextOf("name"));
  }
  throw CommandFailed{2, absl::StrCat("there is no tenant '", name, "'; there are ", names)};
}

}  // namespace

const TenantInterface kFhirInterface{"fhir", "client", "https://host:port/fhir/<tenant id>",
                                     [](const Json&, const Json& tenant) { return tenant.TextOf("fhir_base_url"); }};
const TenantInterface kFeedInterface{"feed", "feed", "https://host:port/feed/<tenant id>/quarantine",
                                     [](const Json& summary, const Json& tenant) { return BelowHttps(summary, tenant, "/feed/", "/quarantine"); }};
const TenantInterface kOrdersInterface{"auditor", "auditor", "https://host:port/orders/<tenant id>",
                                       [](const Json& summary, const Json& tenant) { return BelowHttps(summary, tenant, "/orders/", ""); }};

void TenantEndpointOption::AddTo(CLI::App& command) {
  command.add_option("--home", home_, "a quickstart's folder: address and certificates come from it");
  command.add_option("--tenant", tenant_, "tenant's name, with --home");
  command.add_option("--url", url_, of_.url_form);
  command.add_option("--cert", certificate_, absl::StrCat("client certificate of the tenant's role ", of_.role, " (PEM)"));
  command.add_option("--key", key_, "its key (PEM)");
  command.add_option("--ca", ca_, "CA of the platform's certificate (PEM)");
}

TenantEndpoint TenantEndpointOption::Find() const {
  const bool by_home = !home_.empty() && !tenant_.empty();
  const bool by_url = !url_.empty() && !certificate_.empty() && !key_.empty() && !ca_.empty();
  if (by_home == by_url) throw CommandFailed{2, absl::StrCat("give either --home and --tenant, or --url ", of_.url_form, ", --cert, --key and --ca")};
  TenantEndpoint endpoint = by_home ? FindInHome(home_, tenant_, of_) : TenantEndpoint{url_, {.ca_file = ca_, .certificate_file = certificate_, .key_file = key_}};
  while (endpoint.url.ends_with('/')) endpoint.url.pop_back();
  return endpoint;
}

}  // namespace custodian::main
