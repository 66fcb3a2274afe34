// The databases form of `custodian verify`: governance log, registry, partitions, key stores, locator and savings, and what the witnesses
// remember of each log.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ledger/tree.h"
#include "services/exchange/locator_audit.h"
#include "services/log/partition_audit.h"
#include "services/log/witness_question.h"
#include "services/main/commands.h"
#include "services/main/network.h"
#include "services/main/verify_report.h"
#include "services/rpc/https_client.h"
#include "services/savings/figures_audit.h"
#include "tenants/ids.h"
#include "tenants/provision.h"
#include "tenants/registry.h"

namespace custodian::main {
namespace {

// For one answer of a witness; one that is silent is not asked again.
constexpr absl::Duration kWitnessTimeout = absl::Seconds(2);

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
    for (Witness& witness : witnesses_) {
      if (!witness.answers) continue;
      const auto response = client_->Send("GET", log::CheckpointUrl(witness.url, origin));
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

  VerifyReport Run() {
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
                        VerifiedLog{"governance", governance_origin_, governance_.size, governance_.witnessed_size,
                                    governance_.witnessed_at, {}, {}, 0});
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
        {tenant.name, tenant.origin, audited.size, audited.witnessed_size, audited.witnessed_at, audited.sealed_rows, audited.keys.size(), unnamed});
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
  VerifyReport report_;
};

}  // namespace

VerifyReport VerifyDatabases(const Config& config) { return DatabaseVerifier(config).Run(); }

}  // namespace custodian::main
