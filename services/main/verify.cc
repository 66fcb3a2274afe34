// `custodian verify`: recomputes logs from what others serve or from the databases, and believes nothing but a policy file.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "ledger/audit.h"
#include "ledger/receipt.h"
#include "ledger/tiles.h"
#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"
#include "services/main/commands.h"
#include "services/main/log_source.h"
#include "services/main/platform_client.h"
#include "services/main/verify_report.h"
#include "services/main/verify_subject_list.h"
#include "services/rpc/https_client.h"

namespace custodian::main {
namespace {

struct Options {
  ConfigOption config;
  std::string tiles;
  std::string receipt;
  std::string subject_list;
  std::string policy;
  std::string certificate;
  std::string key;
  std::string ca;
  // As given; empty: of any age.
  std::string max_age_text;
  std::optional<absl::Duration> max_age;
  bool json = false;
};

// --- tiles --------------------------------------------------------------------------------------------------------------------

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
    ledger::ByteSource read = TilesSource(client, log.url);
    const auto checkpoint = ReadClaimedCheckpoint(read);
    if (checkpoint.ok() && checkpoint->origin == log.key.name() && IsGovernance(read, checkpoint->size))
      return {log.key.name(), std::move(read)};
  }
  throw CommandFailed{1, "the policy names no governance log that can be read; add: log <its vkey> <its tiles URL>"};
}

// One reading; false when the governance log read was too old for the partition's anchors.
bool VerifyTilesOnce(const ledger::Policy& policy, const std::string& origin, const ledger::ByteSource& read,
                     const Governance& governance, VerifyReport& report) {
  report = VerifyReport();
  ledger::Findings governance_findings(governance.origin);
  const auto governed = ledger::AuditTiles(policy, nullptr, governance.read, governance_findings);
  Check(governed.status());
  report.Add(governance_findings.Take());
  report.logs.push_back({"governance", governance.origin, governed->checkpoint.size, governed->checkpoint.size,
                         governed->witnessed_at, {}, {}, 0});
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
      {known ? admitted->second.name() : "", origin, audited->checkpoint.size, audited->checkpoint.size,
                         audited->witnessed_at, {}, {}, 0});
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
  const ledger::ByteSource read = TilesSource(**client, options.tiles);
  const auto claimed = ReadClaimedCheckpoint(read);
  Check(claimed.status());
  const Governance governance =
      IsGovernance(read, claimed->size) ? Governance{claimed->origin, read} : FindGovernance(policy, **client);
  VerifyReport report;
  for (int round = 0; round < kRoundsMax; ++round) {
    if (round > 0) absl::SleepFor(absl::Seconds(1));
    if (VerifyTilesOnce(policy, claimed->origin, read, governance, report)) break;
  }
  if (options.max_age) JudgeAges(report, *options.max_age, absl::Now());
  PrintVerified(report, options.json);
}

// --- receipts -----------------------------------------------------------------------------------------------------------------

void VerifyReceipt(const Options& options) {
  const ledger::Policy policy = ReadPolicy(options.policy);
  const auto text = ReadFile(options.receipt);
  Check(text.status());
  const auto receipt = ledger::Receipt::Parse(*text);
  const auto verified = receipt.ok() ? receipt->Verify(policy) : receipt.status();
  if (!verified.ok()) throw CommandFailed{1, "the receipt proves nothing: " + std::string(verified.status().message())};
  if (options.max_age) {
    const std::string frozen = JudgeAge(verified->witnessed_at, *options.max_age, absl::Now());
    if (!frozen.empty()) throw CommandFailed{1, "the receipt is too old: " + frozen};
  }
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

void Run(Options options) {
  if (!options.max_age_text.empty()) {
    absl::Duration max_age;
    if (!absl::ParseDuration(options.max_age_text, &max_age) || max_age <= absl::ZeroDuration())
      throw CommandFailed{2, "--max-age must be a time such as 2h, 90m or 30s"};
    options.max_age = max_age;
  }
  const bool databases = !options.config.file.empty() || !options.config.home.empty();
  if ((options.tiles.empty() ? 0 : 1) + (options.receipt.empty() ? 0 : 1) + (options.subject_list.empty() ? 0 : 1) + (databases ? 1 : 0) != 1)
    throw CommandFailed{2, "give one of --tiles URL, --receipt FILE, --subject-list FILE, --config FILE or --home DIR (see custodian verify --help)"};
  if (databases) {
    const Config config = options.config.Load();
    VerifyReport report = VerifyDatabases(config);
    if (options.max_age) JudgeAges(report, *options.max_age, absl::Now());
    PrintVerified(report, options.json);
    return;
  }
  if (options.policy.empty()) throw CommandFailed{2, "--policy FILE is needed: the logs, witnesses and quorum that you believe"};
  if (!options.receipt.empty()) {
    VerifyReceipt(options);
    return;
  }
  if (!options.subject_list.empty()) {
    VerifySubjectList(options.subject_list, ReadPolicy(options.policy), options.max_age, options.json);
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
      "  custodian verify --receipt entry.tlog-proof --policy policy\n"
      "  custodian verify --subject-list patient.list --policy policy\n"
      "  custodian verify --home .quickstart --max-age 2h");
  options->config.AddTo(*command);
  command->add_option("--tiles", options->tiles, "URL of a log's tiles");
  command->add_option("--receipt", options->receipt, "a tlog-proof file");
  command->add_option("--subject-list", options->subject_list, "a subject's complete list, from /log/<16 hex>/subject/<32 hex>");
  command->add_option("--policy", options->policy, "tlog-policy: logs, witnesses, quorum");
  command->add_option("--cert", options->certificate, "client certificate of an admitted reader, PEM");
  command->add_option("--key", options->key, "its key, PEM");
  command->add_option("--ca", options->ca, "CA of the server, PEM");
  command->add_option("--max-age", options->max_age_text,
                      "how long ago a quorum may have cosigned the newest checkpoint, e.g. 2h: an older one is a log that is frozen, or an "
                      "old state of it that is shown to you; `serve` has idle logs cosigned anew every hour");
  command->add_flag("--json", options->json, "print JSON");
  command->callback([options] { Run(*options); });
}

}  // namespace custodian::main
