// `custodian tenant ...`: admission of health systems, their authors, and the data that is governed for them (clients: tenant_client.cc).
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rapidjson/prettywriter.h"
#include "rapidjson/stringbuffer.h"
#include "services/consent/tenant_rules.h"
#include "services/exchange/equivalence.h"
#include "services/exchange/order_reasons.h"
#include "services/main/commands.h"
#include "services/main/platform_client.h"
#include "services/main/secrets.h"
#include "services/main/tenant_client.h"
#include "services/main/tenant_refill.h"
#include "tenants/provision.h"
#include "tenants/registry.h"

namespace custodian::main {
namespace {

std::string Read(const std::string& path) {
  auto bytes = ReadFile(path);
  Check(bytes.status());
  return *std::move(bytes);
}

std::optional<tenants::Tenant> FindByName(const Config& config, const std::string& name) {
  for (tenants::Tenant& tenant : Tenants(config)) {
    if (tenant.name == name) return std::move(tenant);
  }
  return std::nullopt;
}

std::string ToJson(const std::vector<tenants::Tenant>& tenants, bool as_list) {
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(buffer);
  writer.SetIndent(' ', 1);
  if (as_list) writer.StartArray();
  for (const tenants::Tenant& tenant : tenants) {
    writer.StartObject();
    const auto field = [&writer](const char* key, const std::string& value) {
      writer.Key(key);
      writer.String(value.c_str());
    };
    field("name", tenant.name);
    field("tenant_id", tenant.id.text());
    field("display_name", tenant.display_name);
    field("cell", tenant.cell);
    field("database", tenant.database);
    field("key_database", tenant.key_database);
    field("origin", tenant.origin);
    field("log_vkey", tenant.log_vkey);
    field("time_zone", tenant.time_zone);
    writer.EndObject();
  }
  if (as_list) writer.EndArray();
  return buffer.GetString();
}

// --- admit ------------------------------------------------------------------------------------------------------------------

// What an admission has chosen, kept until it ends, so that one that was interrupted continues with the same ids.
struct Choice {
  std::string file;
  TenantId id;
  std::string database;
  std::string key_database;
};

Choice ChooseIds(const Config& config, const std::string& name) {
  Choice choice{.file = (std::filesystem::path(config.secrets_directory) / ("admission-" + name)).string(),
                .id = {}, .database = {}, .key_database = {}};
  if (!std::filesystem::exists(choice.file)) {
    Check(WriteSecret(choice.file, absl::StrCat(TenantId::Random().text(), " ", tenants::NewRecordDatabaseName(), " ",
                                                tenants::NewKeyDatabaseName())));
  }
  const std::string kept = Read(choice.file);
  const std::vector<std::string> words = CLI::detail::split_up(kept);
  if (words.size() != 3) throw CommandFailed{1, absl::StrCat("'", choice.file, "' is damaged; remove it and admit again")};
  auto id = TenantId::Parse(words[0]);
  Check(id.status());
  choice.id = *id;
  choice.database = words[1];
  choice.key_database = words[2];
  return choice;
}

struct AdmitOptions {
  ConfigOption config;
  tenants::Tenant tenant;
  std::string jwks_file;
  bool json = false;
};

void PrintTenant(const tenants::Tenant& tenant, bool json) {
  if (json) {
    std::printf("%s\n", ToJson({tenant}, /*as_list=*/false).c_str());
  } else {
    std::printf("%s is tenant %s, log %s\n", tenant.name.c_str(), tenant.id.text().c_str(), tenant.origin.c_str());
  }
}

void Admit(const AdmitOptions& options) {
  const Config config = options.config.Load();
  tenants::Tenant tenant = options.tenant;
  if (const auto known = FindByName(config, tenant.name)) {
    PrintTenant(*known, options.json);
    return;
  }
  tenant.cds_jwks = Read(options.jwks_file);
  if (tenant.cell.empty()) tenant.cell = config.cells.front().name;
  const Choice choice = ChooseIds(config, tenant.name);
  tenant.id = choice.id;
  tenant.database = choice.database;
  tenant.key_database = choice.key_database;
  Check(ProvisionAndMigrate(config, tenant.cell, tenant.database, config.secrets_directory, "tenant", tenant.id.text()).status());
  Check(ProvisionAndMigrate(config, tenant.cell, tenant.key_database, config.keys.secrets_directory, "keys", tenant.id.text()).status());
  auto admission = OperatorClient(config)->AdmitTenant(tenant);
  Check(admission.status());
  tenant.origin = admission->origin;
  tenant.log_vkey = admission->log_vkey;
  std::filesystem::remove(choice.file);
  PrintTenant(tenant, options.json);
}

void AddAdmit(CLI::App& tenant) {
  auto options = std::make_shared<AdmitOptions>();
  auto* command = tenant.add_subcommand("admit", "make a health system's partition, keys and log; repeat after a crash");
  command->footer(
      "Example:\n  custodian tenant admit lakeside --config config.yaml --time-zone America/Chicago \\\n"
      "    --organization-system urn:oid:2.16.840.1.113883.4.6 --organization-value 1234567893 \\\n"
      "    --accession-system https://lakeside.example/accession --cds-issuer https://ehr.lakeside.example \\\n"
      "    --cds-tenant lakeside --jwks ehr-jwks.json");
  options->config.AddTo(*command);
  command->add_option("name", options->tenant.name, "short name: lower-case letters, digits, '-'")->required();
  command->add_option("--display-name", options->tenant.display_name, "name as people read it, on cards and in audits (default: the short name)");
  command->add_option("--cell", options->tenant.cell, "cell of the configuration (default: the first)");
  command->add_option("--time-zone", options->tenant.time_zone, "IANA zone")->required();
  command->add_option("--organization-system", options->tenant.organization_system, "system of its Organization identifier")->required();
  command->add_option("--organization-value", options->tenant.organization_value, "value of its Organization identifier")->required();
  command->add_option("--accession-system", options->tenant.accession_system, "system of its accession numbers")->required();
  command->add_option("--cds-issuer", options->tenant.cds_issuer, "iss of its EHR's CDS Hooks tokens")->required();
  command->add_option("--cds-tenant", options->tenant.cds_tenant, "tenant claim of those tokens")->required();
  command->add_option("--jwks", options->jwks_file, "file with the public JWK set of those tokens")->required();
  command->add_flag("--json", options->json, "JSON");
  command->callback([options] { Admit(*options); });
}

// --- authors -----------------------------------------------------------------------------------------------------------------

struct AuthorOptions {
  ConfigOption config;
  rpc::AdminClient::Author author;
  std::string public_key_file;
};

void EnrollAuthor(const AuthorOptions& options) {
  const Config config = options.config.Load();
  rpc::AdminClient::Author author = options.author;
  author.public_key = Read(options.public_key_file);
  const auto index = OperatorClient(config)->EnrollAuthor(author);
  Check(index.status());
  std::printf("governance entry %llu\n", static_cast<unsigned long long>(*index));
}

void AddAuthor(CLI::App& tenant) {
  auto options = std::make_shared<AuthorOptions>();
  auto* command = tenant.add_subcommand("author", "enrol (or revoke) a key that may write to logs");
  command->footer(
      "Example:\n  custodian tenant author spiffe://custodian.example/tenant/0123456789abcdef/node/agent --home .quickstart \\\n"
      "    --public-key agent.der --origin custodian.example/p/0011223344556677 --kind KIND_CONSENT_SET");
  options->config.AddTo(*command);
  command->add_option("author", options->author.name, "SPIFFE URI")->required();
  command->add_option("--public-key", options->public_key_file, "SubjectPublicKeyInfo, DER: P-256 or Ed25519")->required();
  command->add_option("--origin", options->author.origins, "logs it may write to (repeat; none: every log)");
  command->add_option("--kind", options->author.kinds, "kinds it may write (repeat), e.g. KIND_CONSENT_SET");
  command->add_flag("--revoke", options->author.revoked, "the key is no longer accepted");
  command->callback([options] { EnrollAuthor(*options); });
}

// --- governed data ----------------------------------------------------------------------------------------------------------

struct TableOptions {
  ConfigOption config;
  std::string tenant;
  std::string file;
  std::string source;
  std::string approved_by;
  bool demonstration = false;
};

void SetTable(const TableOptions& options, const char* name) {
  const Config config = options.config.Load();
  rpc::AdminClient::GovernedTable table{.name = name, .tenant_id = {}, .content = Read(options.file), .source = options.source,
                                        .approved_by = options.approved_by};
  if (options.demonstration) {
    auto switched = exchange::SwitchOnDemonstration(table.content, options.source, options.approved_by);
    Check(switched.status());
    table.content = *std::move(switched);
  }
  if (!options.tenant.empty()) table.tenant_id = FindTenant(config, options.tenant).id.text();
  Check(OperatorClient(config)->SetTable(table).status());
}

CLI::App* AddTable(CLI::App& tenant, const char* command_name, const char* table, const char* what, const char* example) {
  auto options = std::make_shared<TableOptions>();
  auto* command = tenant.add_subcommand(command_name, what);
  command->footer(absl::StrCat("Example:\n  ", example));
  options->config.AddTo(*command);
  command->add_option("name", options->tenant, "tenant's name (none: the whole network)");
  command->add_option("--file", options->file, "CSV")->required();
  command->add_option("--source", options->source, "named source")->required();
  command->add_option("--approved-by", options->approved_by, "who approved it")->required();
  if (absl::string_view(table) == "exam-classes") {
    command->add_flag("--demonstration", options->demonstration,
                      "switch each class on as its demo_mode says: a demonstration, not clinical advice");
  }
  command->callback([options, table] { SetTable(*options, table); });
  return command;
}

void AddPolicy(CLI::App& tenant) {
  auto options = std::make_shared<TableOptions>();
  auto* command = tenant.add_subcommand("policy", "set the witness policy on the governance log");
  command->footer("Example:\n  custodian tenant policy --home .quickstart --file policy");
  options->config.AddTo(*command);
  command->add_option("--file", options->file, "tlog-policy")->required();
  command->callback([options] { Check(OperatorClient(options->config.Load())->SetPolicy(Read(options->file)).status()); });
}

void AddList(CLI::App& tenant) {
  auto options = std::make_shared<AdmitOptions>();
  auto* command = tenant.add_subcommand("list", "the tenants");
  command->footer("Example:\n  custodian tenant list --home .quickstart --json");
  options->config.AddTo(*command);
  command->add_flag("--json", options->json, "JSON");
  command->callback([options] {
    const Config config = options->config.Load();
    const auto all = Tenants(config);
    if (options->json) {
      std::printf("%s\n", ToJson(all, /*as_list=*/true).c_str());
      return;
    }
    for (const tenants::Tenant& one : all) {
      std::printf("%-16s %s  %-12s %s\n", one.name.c_str(), one.id.text().c_str(), one.cell.c_str(), one.origin.c_str());
    }
  });
}

}  // namespace

// By the network database, which is only needed for the call.
std::vector<tenants::Tenant> Tenants(const Config& config) {
  auto connection = config.Connection(config.network_cell, config.network_database, config.NetworkRole(), config.secrets_directory);
  Check(connection.status());
  const tenants::Database network(*std::move(connection), /*connections_max=*/1);
  tenants::Registry registry(network);
  Check(registry.Load());
  return registry.Tenants();
}

tenants::Tenant FindTenant(const Config& config, const std::string& name) {
  auto tenant = FindByName(config, name);
  if (!tenant) throw CommandFailed{1, absl::StrCat("there is no tenant '", name, "'; see custodian tenant list")};
  return *std::move(tenant);
}

void AddTenant(CLI::App& app) {
  auto* tenant = app.add_subcommand("tenant", "admit health systems; their clients, authors, exam classes, prices and rules of consent");
  tenant->footer("Examples:\n  custodian tenant list --home .quickstart\n  custodian tenant admit --help");
  tenant->require_subcommand(1);
  AddAdmit(*tenant);
  AddTenantClient(*tenant);
  AddAuthor(*tenant);
  AddTable(*tenant, "classes", "exam-classes", "set the exam classes (services/exchange/exams.csv) of a tenant or the network",
           "custodian tenant classes lakeside --home .quickstart --file exams.csv --source \"ACR 2024\" --approved-by \"Imaging committee\"");
  AddTable(*tenant, "codes", "code-map",
           "set a tenant's own exam codes (system,code,class_id,laterality), so that they reach the same classes",
           "custodian tenant codes lakeside --home .quickstart --file codes.csv --source \"order catalogue 2026\" --approved-by \"Imaging committee\"");
  AddTable(*tenant, "reasons", exchange::kOrderReasonsTable,
           "add reasons for orders: those under which a prior remains usable, and those under which it is not offered (services/exchange/order_reasons.csv)",
           "custodian tenant reasons lakeside --home .quickstart --file reasons.csv --source \"ACR 2024\" --approved-by \"Imaging committee\"");
  AddTable(*tenant, "prices", "prices", "set price versions (class_id,valid_from,cents) of a tenant or the network",
           "custodian tenant prices lakeside --home .quickstart --file prices.csv --source \"PFS 2026\" --approved-by Finance");
  AddTable(*tenant, "basis", consent::kLegalBasisTable, "record where a tenant is and its legal basis: jurisdiction,purpose,model (opt-in, opt-out)",
           "custodian tenant basis lakeside --home .quickstart --file basis.csv --source \"N.Y. Comp. Codes 10 NYCRR 300.5\" --approved-by Counsel")
      ->get_option("name")
      ->required();
  AddTable(*tenant, "labels", consent::kSensitivityTable, "add codes and programs that make records sensitive (services/consent/sensitivity.csv)",
           "custodian tenant labels lakeside --home .quickstart --file labels.csv --source \"42 CFR 2.11\" --approved-by Counsel");
  AddTable(*tenant, "minors", consent::kMinorsTable, "set from which age patients decide themselves (services/consent/minors.csv)",
           "custodian tenant minors lakeside --home .quickstart --file minors.csv --source \"Cal. Fam. Code\" --approved-by Counsel");
  AddTable(*tenant, "representatives", consent::kRepresentativesTable, "set who may consent for a patient (services/consent/representatives.csv)",
           "custodian tenant representatives lakeside --home .quickstart --file representatives.csv --source \"45 CFR 164.502(g)\" --approved-by Counsel");
  AddTable(*tenant, "break-glass", consent::kBreakGlassTable, "set what an emergency opens: jurisdiction,label,denial,allowed,source",
           "custodian tenant break-glass lakeside --home .quickstart --file break-glass.csv --source \"42 CFR 2.51\" --approved-by Counsel");
  AddTable(*tenant, "feed-map", "feed-map", "set a tenant's own rows of the HL7 v2 to FHIR map (services/feeds/README.md)",
           "custodian tenant feed-map lakeside --home .quickstart --file map.csv --source \"RIS interface, 2026\" --approved-by Integration");
  AddPolicy(*tenant);
  AddTenantRefill(*tenant);
  AddList(*tenant);
}

}  // namespace custodian::main
