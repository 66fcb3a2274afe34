#include "services/main/tenant_refill.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ledger/audit.h"
#include "ledger/tiles.h"
#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"
#include "services/log/witness_question.h"
#include "services/main/commands.h"
#include "services/main/log_source.h"
#include "services/main/network.h"
#include "services/main/platform_client.h"
#include "services/main/sealed_refill.h"
#include "services/main/tenant_client.h"
#include "services/main/verify_report.h"
#include "tenants/log_reader.h"
#include "tenants/log_refill.h"
#include "tenants/provision.h"

namespace custodian::main {
namespace {

constexpr char kGovernanceName[] = "governance";
constexpr absl::Duration kWitnessTimeout = absl::Seconds(5);

struct Options {
  ConfigOption config;
  std::string name;
  std::string from;
  std::string certificate;
  std::string key;
  std::string ca;
  bool json = false;
};

// The leaves below a mirror's checkpoint, each judged as it passes.
class JudgedLeaves {
 public:
  // `governance` is null for the governance log itself; all borrowed things outlive it.
  JudgedLeaves(ledger::ByteSource read, const ledger::Checkpoint& checkpoint, const ledger::RosterHistory* governance)
      : read_(std::move(read)), size_(checkpoint.size), custodian_(governance == nullptr ? "" : governance->custodian()), findings_(checkpoint.origin) {
    if (governance != nullptr)
      auditor_.emplace(findings_, *governance);
    else
      auditor_.emplace(findings_);
  }

  absl::StatusOr<std::optional<tenants::RefillLeaf>> Next() {
    const std::uint64_t index = auditor_->range().size();
    if (index == size_) return std::nullopt;
    if (index % ledger::kTileWidth == 0) {
      if (absl::Status status = ReadBundle(index); !status.ok()) return status;
    }
    std::string& bytes = bundle_[index % ledger::kTileWidth];
    auto leaf = auditor_->Add(bytes, ledger::LeafHash(bytes));
    if (!findings_.empty()) {
      const ledger::Finding finding = findings_.Take().front();
      return absl::DataLossError(absl::StrCat("the mirror's ", finding.position, ": ", finding.message));
    }
    if (leaf->entry.has_key_stored() && leaf->entry.author() == custodian_) newest_epoch_ = std::max(newest_epoch_, leaf->entry.key_stored().epoch());
    return tenants::RefillLeaf{std::move(bytes), *std::move(leaf)};
  }

  // The latest that the leaves so far name.
  [[nodiscard]] std::uint64_t newest_epoch() const { return newest_epoch_; }

 private:
  absl::Status ReadBundle(std::uint64_t index) {
    const auto width = static_cast<unsigned>(std::min(ledger::kTileWidth, size_ - index));
    const ledger::TilePath path{true, 0, index / ledger::kTileWidth, width};
    const auto bytes = read_(path.ToString());
    if (!bytes.ok()) return bytes.status();
    auto leaves = ledger::DecodeBundle(*bytes);
    if (!leaves.ok() || leaves->size() != width) return absl::DataLossError(absl::StrCat("the mirror's ", path.ToString(), " cannot be read"));
    bundle_ = *std::move(leaves);
    return absl::OkStatus();
  }

  const ledger::ByteSource read_;
  const std::uint64_t size_;
  const std::string custodian_;
  ledger::Findings findings_;
  std::optional<ledger::LogAuditor> auditor_;
  std::uint64_t newest_epoch_ = 0;
  std::vector<std::string> bundle_;
};

ledger::AuditedLog AuditGovernance(const ledger::Policy& policy, const std::string& origin, const ledger::ByteSource& read) {
  ledger::Findings findings(origin);
  auto audited = ledger::AuditTiles(policy, nullptr, read, findings);
  Check(audited.status());
  if (!findings.empty()) {
    const ledger::Finding finding = findings.Take().front();
    throw CommandFailed{1, absl::StrCat("the mirror's governance log, ", finding.position, ": ", finding.message)};
  }
  return *std::move(audited);
}

struct Log {
  std::string cell;
  std::string database;
  std::string role;
  std::string origin;
  // Empty for the governance log.
  std::string key_database;
};

Log FindLog(const Config& config, const std::string& name) {
  if (name == kGovernanceName) return {config.network_cell, config.network_database, config.NetworkRole(), GovernanceOrigin(config.network), ""};
  const tenants::Tenant tenant = FindTenant(config, name);
  return {tenant.cell, tenant.database, tenants::LoginRoleOf(tenant.database), tenant.origin, tenant.key_database};
}

// Cosignatures that the policy's witnesses show of the very checkpoint: a mirror that takes what is pushed has none but its own.
void AddCosignatures(const ledger::Policy& policy, const rpc::HttpsClient& client, const std::string& origin, ledger::Note& note) {
  for (const ledger::Policy::Witness& witness : policy.witnesses()) {
    if (witness.url.empty() || ledger::VerifyCosignature(note, witness.key).ok()) continue;
    const auto answer = client.SendWithin(kWitnessTimeout, "GET", log::CheckpointUrl(witness.url, origin));
    const auto shown = answer.ok() && answer->status == 200 ? ledger::Note::Parse(answer->body) : absl::NotFoundError("no checkpoint");
    if (!shown.ok() || shown->text != note.text || !ledger::VerifyCosignature(*shown, witness.key).ok()) continue;
    for (const ledger::NoteSignature& signature : shown->signatures)
      if (signature.name == witness.key.name() && signature.key_id == witness.key.key_id()) note.signatures.push_back(signature);
  }
}

// The mirror's checkpoint under the log's own signature, which is all that a log is refilled by (DESIGN, section 4): whether witnesses know more of it they are
// asked before it is written on (services/log/witness_question.h). What mirrors and witnesses cosigned of it goes along.
tenants::Refill ReadCheckpoint(const ledger::Policy& policy, const rpc::HttpsClient& client, const ledger::ByteSource& read, const std::string& origin) {
  const auto bytes = read("checkpoint");
  Check(bytes.status());
  const auto note = ledger::Note::Parse(*bytes);
  Check(note.status());
  ledger::Note known = policy.KnownSignatures(*note);
  const auto checkpoint = policy.WithoutQuorum().Verify(known);
  Check(checkpoint.status());
  if (checkpoint->origin != origin) throw CommandFailed{1, absl::StrCat("the mirror's checkpoint is of ", checkpoint->origin, ", not of ", origin)};
  bool is_witnessed = policy.Verify(known).ok();
  if (!is_witnessed) {
    AddCosignatures(policy, client, origin, known);
    is_witnessed = policy.Verify(known).ok();
  }
  return {*checkpoint, known.Serialize(), "", absl::Now(), is_witnessed};
}

// A log of which the mirror holds only the beginning has lost none of it, but perhaps what lies beside it: then that beginning must be the same.
tenants::Refilled CompareBeginning(const tenants::LogReader& log, std::uint64_t size_before, std::uint64_t size, JudgedLeaves& leaves) {
  std::vector<std::string> stored;
  for (std::uint64_t index = 0; index < size; ++index) {
    if (index % ledger::kTileWidth == 0) {
      auto some = log.Leaves(index, std::min(ledger::kTileWidth, size - index));
      Check(some.status());
      stored = *std::move(some);
    }
    const auto leaf = leaves.Next();
    Check(leaf.status());
    if (!leaf->has_value() || (*leaf)->bytes != stored[index % ledger::kTileWidth])
      throw CommandFailed{1, absl::StrCat("entry ", index, " of the database is not the mirror's: one of the two was rewritten")};
  }
  return {size_before, size_before, 0, 0, 0};
}

void Print(const Options& options, const std::string& origin, const tenants::Refilled& refilled, const SealedRefilled& sealed) {
  if (options.json) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    writer.StartObject();
    writer.Key("origin");
    writer.String(origin.c_str());
    for (const auto& [key, value] : std::initializer_list<std::pair<const char*, std::uint64_t>>{{"size_before", refilled.size_before},
                                                                                               {"size", refilled.size},
                                                                                               {"sealed_records_named", refilled.sealed},
                                                                                               {"wrapped_keys_named", refilled.wrapped_keys},
                                                                                               {"rows_named", refilled.rows},
                                                                                               {"records_put_back", sealed.records},
                                                                                               {"keys_put_back", sealed.keys},
                                                                                               {"not_at_the_mirror", sealed.not_kept}}) {
      writer.Key(key);
      writer.Uint64(value);
    }
    writer.EndObject();
    std::printf("%s\n", buffer.GetString());
    return;
  }
  const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf("%s: %llu entries were there, %llu are there now\n", origin.c_str(), number(refilled.size_before), number(refilled.size));
  if (sealed.keeps_nothing)
    std::printf("The mirror hands over no sealed records and wrapped keys: it is not of this tenant, or does not admit this reader.\n");
  else
    std::printf("%llu sealed records and %llu wrapped keys were missing or altered and are back; %llu that entries name are not at the mirror.\n", number(sealed.records),
                number(sealed.keys), number(sealed.not_kept));
  if (refilled.size == refilled.size_before) return;
  std::printf("The entries that came back name %llu sealed records, %llu wrapped keys and %llu rows. Rows are not at a mirror: bring them back from a "
              "backup; `custodian verify` names whatever is missing.\n",
              number(refilled.sealed), number(refilled.wrapped_keys), number(refilled.rows));
  std::printf("Writes of the custodian's that are sent again under their old idempotency keys are refused, for what was asked is not in the log.\n");
}

void Run(const Options& options) {
  const Config config = options.config.Load();
  const ledger::Policy policy = ReadPolicy(config.policy_file);
  const Log log = FindLog(config, options.name);
  const std::string governance_origin = GovernanceOrigin(config.network);
  rpc::HttpsClient::Options client_options;
  client_options.ca_file = options.ca.empty() ? config.https.client_ca_file : options.ca;
  client_options.certificate_file = options.certificate.empty() ? config.operator_certificate_file : options.certificate;
  client_options.key_file = options.key.empty() ? config.operator_key_file : options.key;
  const auto client = rpc::HttpsClient::Create(client_options);
  Check(client.status());
  const ledger::AuditedLog governance = AuditGovernance(policy.WithoutQuorum(), governance_origin, MirrorSource(**client, options.from, governance_origin));
  const bool is_governance = log.origin == governance_origin;
  ledger::Policy known = policy;
  if (!is_governance) {
    const auto admitted = governance.history.admitted().find(log.origin);
    if (admitted == governance.history.admitted().end())
      throw CommandFailed{1, absl::StrCat("the mirror's governance log has admitted no tenant with the log ", log.origin)};
    ledger::Findings findings(log.origin);
    known = WithAdmittedKey(policy, admitted->second, findings);
    if (!findings.empty()) throw CommandFailed{1, findings.Take().front().message};
  }
  const ledger::ByteSource read = MirrorSource(**client, options.from, log.origin);
  tenants::Refill refill = ReadCheckpoint(known, **client, read, log.origin);
  refill.custodian = governance.history.custodian();
  JudgedLeaves leaves(read, refill.checkpoint, is_governance ? nullptr : &governance.history);
  auto connection = config.Connection(log.cell, log.database, log.role, config.secrets_directory);
  Check(connection.status());
  const tenants::Database database(*std::move(connection), /*connections_max=*/1);
  const tenants::LogReader reader(log.origin, database);
  const auto head = reader.Head();
  Check(head.status());
  tenants::Refilled refilled;
  if (head->size > refill.checkpoint.size && !is_governance) {
    refilled = CompareBeginning(reader, head->size, refill.checkpoint.size, leaves);
  } else {
    const auto whole = tenants::RefillLog(database, refill, [&leaves] { return leaves.Next(); });
    Check(whole.status());
    refilled = *whole;
  }
  SealedRefilled sealed;
  if (!is_governance) {
    auto key_store = config.Connection(log.cell, log.key_database, tenants::LoginRoleOf(log.key_database), config.keys.secrets_directory);
    Check(key_store.status());
    const tenants::Database keys(*std::move(key_store), /*connections_max=*/1);
    const SealedRefill from_mirror{read, SealedSource(**client, options.from, log.origin, refill.checkpoint.size, refill.custodian), refill.checkpoint.size,
                                   refill.custodian, leaves.newest_epoch()};
    sealed = RefillSealed(from_mirror, database, keys);
  }
  Print(options, log.origin, refilled, sealed);
}

}  // namespace

void AddTenantRefill(CLI::App& tenant) {
  auto options = std::make_shared<Options>();
  auto* command = tenant.add_subcommand("refill", "give back what a mirror kept: a log's lost end, sealed records, wrapped keys; while `serve` is down");
  command->footer(
      "Examples:\n  custodian tenant refill lakeside --home .quickstart --from https://mirror.lakeside.example:8443/\n"
      "  custodian tenant refill governance --config custodian.yaml --from /var/lib/mirror");
  options->config.AddTo(*command);
  command->add_option("name", options->name, "the tenant, or 'governance'")->required();
  command->add_option("--from", options->from, "the mirror's URL or, on its machine, its --state folder")->required();
  command->add_option("--cert", options->certificate, "certificate of a reader that the mirror admits, PEM; the operator's when absent");
  command->add_option("--key", options->key, "its key, PEM");
  command->add_option("--ca", options->ca, "CA of the mirror's certificate, PEM; that of https.client_ca_file when absent");
  command->add_flag("--json", options->json, "print JSON");
  command->callback([options] { Run(*options); });
}

}  // namespace custodian::main
