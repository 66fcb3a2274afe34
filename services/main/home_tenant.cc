#include "services/main/home_tenant.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/main/commands.h"
#include "services/main/config.h"

namespace custodian::main {

HomeTenant FindInHome(const std::string& home, const std::string& tenant, const std::string& certificate_prefix) {
  const auto under = [&home](const std::string& path) { return (std::filesystem::path(home) / path).string(); };
  const auto text = ReadFile(under("summary.json"));
  if (!text.ok()) throw CommandFailed{1, absl::StrCat(home, " is no quickstart home that runs: ", std::string(text.status().message()))};
  auto summary = exchange::Json::Parse(*text);
  if (!summary.ok()) throw CommandFailed{1, absl::StrCat(home, "/summary.json: ", std::string(summary.status().message()))};
  HomeTenant found{.summary = *std::move(summary), .tenant = {}, .client = {}};
  std::string names;
  for (const exchange::Json& each : found.summary["tenants"].items()) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", each.TextOf("name"));
    if (each.TextOf("name") == tenant) found.tenant = each;
  }
  if (found.tenant.is_null()) throw CommandFailed{2, absl::StrCat("there is no tenant '", tenant, "'; there are ", names)};
  found.client.certificate_file = under(found.tenant.TextOf(certificate_prefix + "_cert"));
  found.client.key_file = under(found.tenant.TextOf(certificate_prefix + "_key"));
  found.client.ca_file = under(found.summary.TextOf("ca_file"));
  return found;
}

}  // namespace custodian::main
