// `custodian tenant client add|list|remove`: who may call for a health system, by certificate or by signed assertion.
#include "services/main/tenant_client.h"

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rapidjson/prettywriter.h"
#include "rapidjson/stringbuffer.h"
#include "services/main/commands.h"
#include "services/main/platform_client.h"

namespace custodian::main {
namespace {

struct ClientOptions {
  ConfigOption config;
  std::string name;
  std::string tenant;
  std::string role;
  std::string purpose;
  std::string jwks_file;
  rpc::AdminClient::ClientAccess access;
  bool json = false;
};

// What an integrator must know of a client.
struct Endpoints {
  std::string fhir;
  std::string token;
  std::string cds;
};
Endpoints EndpointsOf(const Config& config, const TenantId& tenant) {
  const std::string fhir = absl::StrCat(config.public_url, "/fhir/", tenant.text());
  return {fhir, fhir + "/auth/token", absl::StrCat(config.public_url, "/cds/", tenant.text(), "/cds-services")};
}

const char* KeysOf(const rpc::AdminClient::ListedClient& listed) {
  if (!listed.access.jwks.empty()) return "jwks";
  if (!listed.access.jwks_url.empty()) return "jwks-url";
  return listed.client.role == "cds" ? "of the admission" : "certificate";
}

void Write(rapidjson::PrettyWriter<rapidjson::StringBuffer>& writer, const Config& config, const rpc::AdminClient::ListedClient& listed) {
  const auto field = [&writer](const char* key, const std::string& value) {
    writer.Key(key);
    writer.String(value.c_str());
  };
  writer.StartObject();
  field("client_id", listed.client.spiffe_id);
  field("tenant_id", listed.client.tenant.text());
  field("role", listed.client.role);
  field("purpose", listed.client.purpose);
  field("keys", KeysOf(listed));
  field("jwks_url", listed.access.jwks_url);
  field("scopes", listed.access.scopes);
  writer.Key("fhir_servers");
  writer.StartArray();
  for (const std::string& url : listed.access.fhir_servers) writer.String(url.c_str());
  writer.EndArray();
  writer.Key("removed");
  writer.Bool(listed.removed);
  if (!listed.client.tenant.text().empty()) {
    const Endpoints endpoints = EndpointsOf(config, listed.client.tenant);
    field("fhir_base_url", endpoints.fhir);
    if (listed.client.role == "fhir") field("token_endpoint", endpoints.token);
    if (listed.client.role == "cds") field("cds_url", endpoints.cds);
  }
  writer.EndObject();
}

void PrintJson(const Config& config, const std::vector<rpc::AdminClient::ListedClient>& clients, bool as_list) {
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(buffer);
  writer.SetIndent(' ', 1);
  if (as_list) writer.StartArray();
  for (const auto& client : clients) Write(writer, config, client);
  if (as_list) writer.EndArray();
  std::printf("%s\n", buffer.GetString());
}

std::optional<tenants::Tenant> TenantOf(const Config& config, const ClientOptions& options) {
  if (options.tenant.empty()) return std::nullopt;
  return FindTenant(config, options.tenant);
}

void Add(const ClientOptions& options) {
  const Config config = options.config.Load();
  const auto tenant = TenantOf(config, options);
  tenants::Client client{.spiffe_id = ClientIdOf(config, tenant ? &*tenant : nullptr, options.role, options.name),
                         .tenant = {},
                         .role = options.role,
                         .purpose = options.purpose};
  if (tenant) client.tenant = tenant->id;
  rpc::AdminClient::ClientAccess access = options.access;
  if (!options.jwks_file.empty()) {
    auto jwks = ReadFile(options.jwks_file);
    Check(jwks.status());
    access.jwks = *std::move(jwks);
  }
  const auto admin = OperatorClient(config);
  Check(admin->RegisterClient(client, access));
  if (options.json) {
    const auto listed = admin->ListClients(client.tenant.text());
    Check(listed.status());
    for (const auto& one : *listed)
      if (one.client.spiffe_id == client.spiffe_id) PrintJson(config, {one}, /*as_list=*/false);
    return;
  }
  std::printf("client_id       %s\n", client.spiffe_id.c_str());
  if (!tenant) return;
  const Endpoints endpoints = EndpointsOf(config, tenant->id);
  if (client.role == "fhir") {
    std::printf("FHIR base       %s\n", endpoints.fhir.c_str());
    if (!access.jwks.empty() || !access.jwks_url.empty()) std::printf("token endpoint  %s\n", endpoints.token.c_str());
  } else if (client.role == "cds") {
    std::printf("CDS Hooks       %s\n", endpoints.cds.c_str());
  }
}

void AddAdd(CLI::App& client) {
  auto options = std::make_shared<ClientOptions>();
  auto* command = client.add_subcommand("add", "register a client, or give a registered one other keys and scopes");
  command->footer(
      "A client proves itself by its certificate (the SPIFFE id in it), or, of role fhir, by assertions signed with a key of its JWK set.\n"
      "Keys given again replace the former ones at once, and end the tokens made under them.\n\n"
      "Examples:\n"
      "  custodian tenant client add ehr --home .quickstart --tenant lakeside --role fhir --purpose TREAT \\\n"
      "    --jwks ehr-public-jwks.json --scopes \"system/*.cruds\"\n"
      "  custodian tenant client add portal --home .quickstart --tenant lakeside --role fhir --purpose PATRQT \\\n"
      "    --jwks-url https://keys.lakeside.example/jwks.json --scopes \"system/Patient.rs system/Observation.rs\"\n"
      "  custodian tenant client add ehr --home .quickstart --tenant lakeside --role cds --jwks new-jwks.json \\\n"
      "    --fhir-server https://ehr.lakeside.example/fhir\n"
      "  custodian tenant client add lab --home .quickstart --tenant lakeside --role feed");
  options->config.AddTo(*command);
  command->add_option("name", options->name, "short name, or the SPIFFE id in full")->required();
  command->add_option("--tenant", options->tenant, "tenant's name (none for operator and regulator)");
  command->add_option("--role", options->role, "fhir, feed, auditor, node, cds (the tenant's EHR, named ehr), steward, regulator, operator")->required();
  command->add_option("--purpose", options->purpose, "v3-ActReason code, one client per purpose; needed for fhir");
  auto* jwks = command->add_option("--jwks", options->jwks_file, "file with the client's public JWK set: P-384 or RSA, each key with a kid");
  command->add_option("--jwks-url", options->access.jwks_url, "URL of that set; its host must be among outgoing.hosts of the configuration")
      ->excludes(jwks);
  command->add_option("--scopes", options->access.scopes, "SMART v2 system scopes it may ask for, separated by spaces");
  command->add_option("--fhir-server", options->access.fhir_servers, "cds: base URL of a FHIR server that order checks may name (repeat)");
  command->add_flag("--json", options->json, "JSON");
  command->callback([options] { Add(*options); });
}

void AddList(CLI::App& client) {
  auto options = std::make_shared<ClientOptions>();
  auto* command = client.add_subcommand("list", "the clients");
  command->footer("Example:\n  custodian tenant client list --home .quickstart --tenant lakeside --json");
  options->config.AddTo(*command);
  command->add_option("--tenant", options->tenant, "tenant's name (none: all)");
  command->add_flag("--json", options->json, "JSON");
  command->callback([options] {
    const Config config = options->config.Load();
    const auto tenant = TenantOf(config, *options);
    const auto clients = OperatorClient(config)->ListClients(tenant ? tenant->id.text() : "");
    Check(clients.status());
    if (options->json) return PrintJson(config, *clients, /*as_list=*/true);
    for (const auto& one : *clients) {
      std::printf("%-78s %-9s %-8s %-16s %s\n", one.client.spiffe_id.c_str(), one.client.role.c_str(), one.client.purpose.c_str(),
                  one.removed ? "removed" : KeysOf(one), one.access.scopes.c_str());
    }
  });
}

void AddRemove(CLI::App& client) {
  auto options = std::make_shared<ClientOptions>();
  auto* command = client.add_subcommand("remove", "serve a client no more, whatever it shows; its tokens end at once");
  command->footer("Example:\n  custodian tenant client remove ehr --home .quickstart --tenant lakeside --role fhir");
  options->config.AddTo(*command);
  command->add_option("name", options->name, "short name, or the SPIFFE id in full")->required();
  command->add_option("--tenant", options->tenant, "tenant's name (none for operator and regulator)");
  command->add_option("--role", options->role, "its role; needed with a short name");
  command->callback([options] {
    const Config config = options->config.Load();
    const auto tenant = TenantOf(config, *options);
    const auto index =
        OperatorClient(config)->RemoveClient(ClientIdOf(config, tenant ? &*tenant : nullptr, options->role, options->name));
    Check(index.status());
    std::printf("governance entry %llu\n", static_cast<unsigned long long>(*index));
  });
}

}  // namespace

std::string ClientIdOf(const Config& config, const tenants::Tenant* tenant, const std::string& role, const std::string& name) {
  if (name.rfind("spiffe://", 0) == 0) return name;
  if (role.empty()) throw CommandFailed{2, "a short name needs --role beside it; or give the SPIFFE id in full"};
  const bool networks_own = role == "operator" || role == "regulator";
  if (!networks_own && tenant == nullptr) throw CommandFailed{2, absl::StrCat("a client of role ", role, " needs --tenant")};
  if (networks_own && tenant != nullptr) throw CommandFailed{2, absl::StrCat("a client of role ", role, " belongs to no tenant: leave --tenant out")};
  return networks_own ? absl::StrCat("spiffe://", config.network, "/", role, "/", name)
                      : absl::StrCat("spiffe://", config.network, "/tenant/", tenant->id.text(), "/", role, "/", name);
}

void AddTenantClient(CLI::App& tenant) {
  auto* client = tenant.add_subcommand("client", "who may call for a tenant, by certificate or signed assertion");
  client->footer("Examples:\n  custodian tenant client list --home .quickstart\n  custodian tenant client add --help");
  client->require_subcommand(1);
  AddAdd(*client);
  AddList(*client);
  AddRemove(*client);
}

}  // namespace custodian::main
