// `custodian verify`: recomputes logs from what others serve or from the databases, and believes nothing but a policy file.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "ledger/audit.h"
#include "ledger/receipt.h"
#include "ledger/tiles.h"
#include "ledger/tree.h"
#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"
#include "services/exchange/locator_audit.h"
#include "services/log/partition_audit.h"
#include "services/main/commands.h"
#include "services/main/network.h"
#include "services/main/platform_client.h"
#include "services/rpc/https_client.h"
#include "services/savings/figures_audit.h"
#include "tenants/ids.h"
#include "tenants/provision.h"
#include "tenants/registry.h"

namespace custodian::main {
namespace {

// An anchor may name governance entries that came after our reading of that log: then both are read again.
constexpr int kRoundsMax = 10;

// For one answer of a witness; one that is silent is not asked again.
constexpr absl::Duration kWitnessTimeout = absl::Seconds(2);

struct Options {
  ConfigOption config;
  std::string tiles;
  std::string receipt;
  std::string policy;
  std::string certificate;
  std::string key;
  std::string ca;
  bool json = false;
};

// What was verified of a log, for people and for --json.
struct Verified {
  std::string tenant;
  std::string origin;
  std::uint64_t size = 0;
  std::uint64_t witnessed_size = 0;
  // From databases only.
  std::optional<std::uint64_t> records;
  std::optional<std::uint64_t> keys;
  // Keys that no entry names (AuditKeyStore).
  std::uint64_t unnamed_keys = 0;
};

struct Report {
  std::vector<Verified> logs;
  // From databases only: how many witnesses said what they cosigned.
  std::optional<std::uint64_t> witnesses_asked;
  std::vector<ledger::Finding> findings;

  void Add(std::vector<ledger::Finding> more) { findings.insert(findings.end(), more.begin(), more.end()); }
  [[nodiscard]] std::string TenantOf(const std::string& origin) const {
    for (const Verified& log : logs)
      if (log.origin == origin) return log.tenant;
    return "";
  }
};

void WriteJson(const Report& report) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  const auto text = [&writer](const char* key, const std::string& value) {
    writer.Key(key);
    writer.String(value.c_str(), static_cast<rapidjson::SizeType>(value.size()));
  };
  const auto number = [&writer](const char* key, std::uint64_t value) {
    writer.Key(key);
    writer.Uint64(value);
  };
  writer.StartObject();
  writer.Key("ok");
  writer.Bool(report.findings.empty());
  if (report.witnesses_asked) number("witnesses_asked", *report.witnesses_asked);
  writer.Key("logs");
  writer.StartArray();
  for (const Verified& log : report.logs) {
    writer.StartObject();
    text("tenant", log.tenant);
    text("origin", log.origin);
    number("size", log.size);
    number("witnessed_size", log.witnessed_size);
    if (log.records) number("sealed_records", *log.records);
    if (log.keys) number("wrapped_keys", *log.keys);
    if (log.keys) number("unnamed_keys", log.unnamed_keys);
    writer.EndObject();
  }
  writer.EndArray();
  writer.Key("findings");
  writer.StartArray();
  for (const ledger::Finding& finding : report.findings) {
    writer.StartObject();
    text("tenant", report.TenantOf(finding.origin));
    text("origin", finding.origin);
    text("position", finding.position);
    text("message", finding.message);
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  std::printf("%s\n", buffer.GetString());
}

void WriteText(const Report& report) {
  for (const Verified& log : report.logs) {
    std::printf("%-14s %s  %llu entries, %llu witnessed", log.tenant.c_str(), log.origin.c_str(),
                static_cast<unsigned long long>(log.size), static_cast<unsigned long long>(log.witnessed_size));
    if (log.records) std::printf(", %llu sealed records", static_cast<unsigned long long>(*log.records));
    if (log.keys) std::printf(", %llu keys", static_cast<unsigned long long>(*log.keys));
    if (log.unnamed_keys > 0) std::printf(" (%llu unused)", static_cast<unsigned long long>(log.unnamed_keys));
    std::printf("\n");
  }
  for (const ledger::Finding& finding : report.findings) {
    const std::string tenant = report.TenantOf(finding.origin);
    std::printf("%s%s: %s: %s\n", finding.origin.c_str(), tenant.empty() ? "" : (" (" + tenant + ")").c_str(),
                finding.position.c_str(), finding.message.c_str());
  }
  if (report.findings.empty()) std::printf("verified\n");
}

void Finish(const Report& report, bool json) {
  json ? WriteJson(report) : WriteText(report);
  std::fflush(stdout);
  if (!report.findings.empty())
    throw CommandFailed{1, std::to_string(report.findings.size()) +
                               " discrepancies; keep the databases as they are and compare with mirrors and backups"};
}

ledger::Policy ReadPolicy(const std::string& file) {
  const auto text = ReadFile(file);
  Check(text.status());
  auto policy = ledger::Policy::Parse(*text);
  if (!policy.ok()) throw CommandFailed{1, "'" + file + "': " + std::string(policy.status().message())};
  return *std::move(policy);
}

// The policy with the key that the governance log admitted the log with; what the verifier's own file says has precedence.
ledger::Policy WithAdmittedKey(const ledger::Policy& policy, const ledger::v1::TenantAdmitted& admitted,
                               ledger::Findings& findings) {
  const auto key = ledger::NoteVerifier::Parse(admitted.log_vkey());
  const auto extended = key.ok() ? policy.WithLog(*key) : key.status();
  if (extended.ok()) return *extended;
  findings.Add("verifier key", "the key that the governance log admitted: " + std::string(extended.status().message()));
  return policy;
}

// --- tiles --------------------------------------------------------------------------------------------------------------------

ledger::ByteSource SourceOf(const rpc::HttpsClient& client, std::string prefix) {
  if (!prefix.ends_with('/')) prefix += '/';
  return [&client, prefix](const std::string& path) -> absl::StatusOr<std::string> {
    auto response = client.Send("GET", prefix + path);
    if (!response.ok())
      return absl::Status(response.status().code(), prefix + path + ": " + std::string(response.status().message()));
    if (response->status == 200) return std::move(response->body);
    if (response->status == 404) return absl::NotFoundError(prefix + path + " is not there");
    if (response->status == 401 || response->status == 403)
      return absl::PermissionDeniedError(prefix + path + ": refused; give --cert and --key of an admitted reader of this log");
    return absl::UnavailableError(prefix + path + ": the server answered " + std::to_string(response->status));
  };
}

absl::StatusOr<ledger::Checkpoint> ReadClaimedCheckpoint(const ledger::ByteSource& read) {
  const auto bytes = read("checkpoint");
  if (!bytes.ok()) return bytes.status();
  const auto note = ledger::Note::Parse(*bytes);
  if (!note.ok()) return note.status();
  return ledger::Checkpoint::Parse(note->text);
}

// A governance log begins with a ROSTER_CHANGED; no other log has one.
bool IsGovernance(const ledger::ByteSource& read, std::uint64_t size) {
  const std::vector<ledger::TilePath> tiles = ledger::TilesOf(std::min<std::uint64_t>(size, ledger::kTileWidth));
  if (tiles.empty()) return false;
  const auto bundle = read(tiles.back().ToString());
  const auto leaves = bundle.ok() ? ledger::DecodeBundle(*bundle) : bundle.status();
  if (!leaves.ok() || leaves->empty()) return false;
  const auto first = ledger::ParseLeaf(leaves->front());
  return first.ok() && first->entry.has_roster_changed();
}

struct Governance {
  std::string origin;
  ledger::ByteSource read;
};

Governance FindGovernance(const ledger::Policy& policy, const rpc::HttpsClient& client) {
  for (const ledger::Policy::Log& log : policy.logs()) {
    if (log.url.empty()) continue;
    ledger::ByteSource read = SourceOf(client, log.url);
    const auto checkpoint = ReadClaimedCheckpoint(read);
    if (checkpoint.ok() && checkpoint->origin == log.key.name() && IsGovernance(read, checkpoint->size))
      return {log.key.name(), std::move(read)};
  }
  throw CommandFailed{1, "the policy names no governance log that can be read; add: log <its vkey> <its tiles URL>"};
}

// One reading; false when the governance log read was too old for the partition's anchors.
bool VerifyTilesOnce(const ledger::Policy& policy, const std::string& origin, const ledger::ByteSource& read,
                     const Governance& governance, Report& report) {
  report = Report();
  ledger::Findings governance_findings(governance.origin);
  const auto governed = ledger::AuditTiles(policy, nullptr, governance.read, governance_findings);
  Check(governed.status());
  report.Add(governance_findings.Take());
  report.logs.push_back({"governance", governance.origin, governed->checkpoint.size, governed->checkpoint.size, {}, {}, 0});
  if (origin == governance.origin) return true;

  ledger::Findings findings(origin);
  const auto admitted = governed->history.admitted().find(origin);
  if (admitted == governed->history.admitted().end())
    findings.Add("log", "the governance log has admitted no tenant with this log");
  const bool known = admitted != governed->history.admitted().end();
  const auto audited = ledger::AuditTiles(known ? WithAdmittedKey(policy, admitted->second, findings) : policy,
                                          &governed->history, read, findings);
  Check(audited.status());
  report.logs.push_back(
      {known ? admitted->second.name() : "", origin, audited->checkpoint.size, audited->checkpoint.size, {}, {}, 0});
  report.Add(findings.Take());
  return !audited->governance_is_behind;
}

void VerifyTiles(const Options& options) {
  const ledger::Policy policy = ReadPolicy(options.policy);
  rpc::HttpsClient::Options client_options;
  client_options.ca_file = options.ca;
  client_options.certificate_file = options.certificate;
  client_options.key_file = options.key;
  const auto client = rpc::HttpsClient::Create(client_options);
  Check(client.status());
  const ledger::ByteSource read = SourceOf(**client, options.tiles);
  const auto claimed = ReadClaimedCheckpoint(read);
  Check(claimed.status());
  const Governance governance =
      IsGovernance(read, claimed->size) ? Governance{claimed->origin, read} : FindGovernance(policy, **client);
  Report report;
  for (int round = 0; round < kRoundsMax; ++round) {
    if (round > 0) absl::SleepFor(absl::Seconds(1));
    if (VerifyTilesOnce(policy, claimed->origin, read, governance, report)) break;
  }
  Finish(report, options.json);
}

// --- receipts -----------------------------------------------------------------------------------------------------------------

void VerifyReceipt(const Options& options) {
  const ledger::Policy policy = ReadPolicy(options.policy);
  const auto text = ReadFile(options.receipt);
  Check(text.status());
  const auto receipt = ledger::Receipt::Parse(*text);
  const auto verified = receipt.ok() ? receipt->Verify(policy) : receipt.status();
  if (!verified.ok()) throw CommandFailed{1, "the receipt proves nothing: " + std::string(verified.status().message())};
  const ledger::v1::Entry& entry = verified->leaf.entry;
  const std::string time = absl::FormatTime(
      absl::RFC3339_full, absl::FromUnixSeconds(entry.time().seconds()) + absl::Nanoseconds(entry.time().nanos()),
      absl::UTCTimeZone());
  if (options.json) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    writer.StartObject();
    writer.Key("ok");
    writer.Bool(true);
    writer.Key("origin");
    writer.String(verified->checkpoint.origin.c_str());
    writer.Key("index");
    writer.Uint64(receipt->index);
    writer.Key("size");
    writer.Uint64(verified->checkpoint.size);
    writer.Key("kind");
    writer.String(ledger::v1::Kind_Name(entry.kind()).c_str());
    writer.Key("time");
    writer.String(time.c_str());
    writer.EndObject();
    std::printf("%s\n", buffer.GetString());
    return;
  }
  std::printf("verified: leaf %llu of %s, %s at %s, witnessed at size %llu\n", static_cast<unsigned long long>(receipt->index),
              verified->checkpoint.origin.c_str(), ledger::v1::Kind_Name(entry.kind()).c_str(), time.c_str(),
              static_cast<unsigned long long>(verified->checkpoint.size));
}

// --- databases ----------------------------------------------------------------------------------------------------------------

// Asks the policy's witnesses for the newest checkpoint that each cosigned of a log: what a superuser of the databases cannot
// alter. A witness that is away makes no discrepancy; stderr says so.
class WitnessReader {
 public:
  struct Answer {
    std::string witness;
    std::string note;
  };

  WitnessReader(const ledger::Policy& policy, const std::string& ca_file) {
    for (const ledger::Policy::Witness& witness : policy.witnesses())
      if (!witness.url.empty()) witnesses_.push_back({witness.name, witness.url, true});
    if (witnesses_.empty()) return;
    rpc::HttpsClient::Options options;
    options.ca_file = ca_file;
    options.timeout = kWitnessTimeout;
    auto client = rpc::HttpsClient::Create(options);
    if (client.ok())
      client_ = *std::move(client);
    else
      std::fprintf(stderr, "verify: witnesses cannot be reached: %s\n", std::string(client.status().message()).c_str());
  }

  std::vector<Answer> Ask(const std::string& origin) {
    std::vector<Answer> answers;
    if (client_ == nullptr) return answers;
    const std::string path = HexEncode(ledger::AsBytes(ledger::Sha256(origin))) + "/checkpoint";
    for (Witness& witness : witnesses_) {
      if (!witness.answers) continue;
      const auto response = client_->Send("GET", witness.url + (witness.url.ends_with('/') ? "" : "/") + path);
      if (response.ok() && response->status == 200) {
        answers.push_back({witness.name, response->body});
      } else if (!response.ok() || response->status != 404) {
        // 404: it cosigned nothing of this log.
        Leave(witness, response.ok() ? "it answered " + std::to_string(response->status) : std::string(response.status().message()));
      }
    }
    return answers;
  }

  // Of those that answered each time. Says on stderr when there is none.
  std::uint64_t CountAsked() const {
    std::uint64_t asked = 0;
    for (const Witness& witness : witnesses_) asked += client_ != nullptr && witness.answers ? 1 : 0;
    if (asked == 0)
      std::fprintf(stderr, "verify: the witnesses were NOT asked (%s): a log that was rolled back as a whole would not be noticed\n",
                   witnesses_.empty() ? "the policy names none with a URL" : "none could be reached");
    return asked;
  }

 private:
  struct Witness {
    std::string name;
    std::string url;
    bool answers = true;
  };
  static void Leave(Witness& witness, const std::string& why) {
    witness.answers = false;
    std::fprintf(stderr, "verify: witness %s was not asked: %s\n", witness.name.c_str(), why.c_str());
  }

  std::vector<Witness> witnesses_;
  std::unique_ptr<rpc::HttpsClient> client_;
};

class DatabaseVerifier {
 public:
  explicit DatabaseVerifier(const Config& config)
      : config_(config), policy_(ReadPolicy(config.policy_file)), network_(Open(config.network_cell, config.network_database)),
        governance_origin_(GovernanceOrigin(config.network)), witnesses_(policy_, config.https.client_ca_file) {
    if (!policy_.FindLog(governance_origin_).ok())
      throw CommandFailed{
          1, "the policy '" + config.policy_file + "' does not name the governance log: add log <vkey> of " + governance_origin_};
  }

  Report Run() {
    // Always before the log is read, which may grow meanwhile.
    governance_witnessed_ = witnesses_.Ask(governance_origin_);
    const auto located_before = Value("record locator", exchange::ReadLocator(*network_));
    ReadGovernance();
    tenants::Registry registry(*network_);
    Check(registry.Load());
    std::vector<tenants::Tenant> tenants = registry.Tenants();
    CompareRegistry(tenants);
    for (const tenants::Tenant& tenant : tenants) VerifyTenant(tenant);
    CompareLocator(tenants, located_before, Value("record locator", exchange::ReadLocator(*network_)));
    report_.Add(Value("savings projection", log::AuditSavings(*network_, partitions_)));
    report_.Add(Value("savings figures", savings::AuditFigures(*network_, config_.simulated_time, governance_origin_)));
    report_.Add(governance_findings_);
    report_.logs.insert(report_.logs.begin(),
                        Verified{"governance", governance_origin_, governance_.size, governance_.witnessed_size, {}, {}, 0});
    report_.witnesses_asked = witnesses_.CountAsked();
    return std::move(report_);
  }

 private:
  std::unique_ptr<tenants::Database> Open(const std::string& cell, const std::string& database) const {
    auto connection = config_.Connection(cell, database, std::string(tenants::kAuditorRole), config_.secrets_directory);
    Check(connection.status());
    return std::make_unique<tenants::Database>(*std::move(connection), /*connections_max=*/1);
  }

  // Names what could not be read.
  template <typename T>
  static T Value(const std::string& what, absl::StatusOr<T> value) {
    if (!value.ok()) throw CommandFailed{1, what + ": " + std::string(value.status().message())};
    return *std::move(value);
  }

  static void CompareWitnessed(const log::AuditedPartition& audited, const ledger::Policy& policy,
                               const std::vector<WitnessReader::Answer>& answers, ledger::Findings& findings) {
    for (const auto& [witness, note] : answers) {
      const absl::Status status = log::AuditWitnessed(audited, policy, witness, note, findings);
      if (!status.ok())
        std::fprintf(stderr, "verify: what witness %s serves of %s proves nothing: %s\n", witness.c_str(), audited.origin.c_str(),
                     std::string(status.message()).c_str());
    }
  }

  // The newest reading counts.
  void ReadGovernance() {
    ledger::Findings findings(governance_origin_);
    governance_ = Value("governance log", log::AuditPartition(*network_, policy_, nullptr, findings));
    CompareWitnessed(governance_, policy_, governance_witnessed_, findings);
    governance_findings_ = findings.Take();
  }

  void CompareLocator(const std::vector<tenants::Tenant>& tenants, const exchange::LocatorDigests& before,
                      const exchange::LocatorDigests& after) {
    for (const tenants::Tenant& tenant : tenants) {
      ledger::Findings findings(tenant.origin);
      if (const auto partition = partitions_.find(tenant.name); partition != partitions_.end())
        exchange::AuditLocator(tenant.id, partition->second, before, after, findings);
      report_.Add(findings.Take());
    }
  }

  // Every admitted tenant has its row as admitted: otherwise its partition would go unverified.
  void CompareRegistry(const std::vector<tenants::Tenant>& tenants) {
    ledger::Findings findings(governance_origin_);
    const auto& admitted = governance_.history.admitted();
    for (const auto& [origin, tenant] : admitted) {
      const auto row = std::find_if(tenants.begin(), tenants.end(),
                                    [&](const tenants::Tenant& candidate) { return candidate.origin == origin; });
      if (row == tenants.end())
        findings.Add("tenant " + tenant.tenant_id(), "it was admitted and is not in the registry");
      else if (row->id.text() != tenant.tenant_id() || row->name != tenant.name() || row->log_vkey != tenant.log_vkey())
        findings.Add("tenant " + tenant.tenant_id(), "the registry has another id, name or key than was admitted");
    }
    for (const tenants::Tenant& tenant : tenants)
      if (!admitted.contains(tenant.origin))
        findings.Add("tenant " + tenant.id.text(), "it is in the registry and was never admitted");
    report_.Add(findings.Take());
  }

  void VerifyTenant(const tenants::Tenant& tenant) {
    const auto database = Open(tenant.cell, tenant.database);
    const std::vector<WitnessReader::Answer> witnessed = witnesses_.Ask(tenant.origin);
    log::AuditedPartition audited;
    std::vector<ledger::Finding> found;
    for (int round = 0; round < kRoundsMax; ++round) {
      ledger::Findings findings(tenant.origin);
      const auto admitted = governance_.history.admitted().find(tenant.origin);
      const ledger::Policy policy =
          admitted == governance_.history.admitted().end() ? policy_ : WithAdmittedKey(policy_, admitted->second, findings);
      audited = Value(tenant.name, log::AuditPartition(*database, policy, &governance_.history, findings));
      CompareWitnessed(audited, policy, witnessed, findings);
      found = findings.Take();
      if (!audited.governance_is_behind) break;
      // It moved on since we read it.
      ReadGovernance();
    }
    report_.Add(found);
    ledger::Findings key_findings(tenant.origin);
    const auto key_database = Open(tenant.cell, tenant.key_database);
    const std::uint64_t unnamed = Value(tenant.name + "'s key store", log::AuditKeyStore(*key_database, audited, key_findings));
    report_.Add(key_findings.Take());
    report_.logs.push_back(
        {tenant.name, tenant.origin, audited.size, audited.witnessed_size, audited.sealed_rows, audited.keys.size(), unnamed});
    partitions_.emplace(tenant.name, std::move(audited));
  }

  const Config& config_;
  const ledger::Policy policy_;
  const std::unique_ptr<tenants::Database> network_;
  const std::string governance_origin_;
  WitnessReader witnesses_;
  std::vector<WitnessReader::Answer> governance_witnessed_;
  log::AuditedPartition governance_;
  std::vector<ledger::Finding> governance_findings_;
  std::map<std::string, log::AuditedPartition> partitions_;
  Report report_;
};

void Run(const Options& options) {
  const bool databases = !options.config.file.empty() || !options.config.home.empty();
  if ((options.tiles.empty() ? 0 : 1) + (options.receipt.empty() ? 0 : 1) + (databases ? 1 : 0) != 1)
    throw CommandFailed{2, "give one of --tiles URL, --receipt FILE, --config FILE or --home DIR (see custodian verify --help)"};
  if (databases) {
    const Config config = options.config.Load();
    Finish(DatabaseVerifier(config).Run(), options.json);
    return;
  }
  if (options.policy.empty()) throw CommandFailed{2, "--policy FILE is needed: the logs, witnesses and quorum that you believe"};
  if (!options.receipt.empty()) {
    VerifyReceipt(options);
    return;
  }
  if (options.ca.empty()) throw CommandFailed{2, "--ca FILE is needed: the CA of the server's certificate"};
  VerifyTiles(options);
}

}  // namespace

void AddVerify(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command =
      app.add_subcommand("verify", "recompute a log from tiles, a receipt, or all databases; exit 1 on any discrepancy");
  command->footer(
      "Examples:\n"
      "  custodian verify --home .quickstart\n"
      "  custodian verify --tiles https://127.0.0.1:8443/log/0123456789abcdef/ --policy policy --cert auditor.crt --key "
      "auditor.key --ca ca.crt\n"
      "  custodian verify --receipt entry.tlog-proof --policy policy");
  options->config.AddTo(*command);
  command->add_option("--tiles", options->tiles, "URL of a log's tiles");
  command->add_option("--receipt", options->receipt, "a tlog-proof file");
  command->add_option("--policy", options->policy, "tlog-policy: logs, witnesses, quorum");
  command->add_option("--cert", options->certificate, "client certificate of an admitted reader, PEM");
  command->add_option("--key", options->key, "its key, PEM");
  command->add_option("--ca", options->ca, "CA of the server, PEM");
  command->add_flag("--json", options->json, "print JSON");
  command->callback([options] { Run(*options); });
}

}  // namespace custodian::main
