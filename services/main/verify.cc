// `custodian verify`: recomputes logs from what others serve or from the databases, and believes nothing but a policy file.
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "ledger/audit.h"
#include "ledger/receipt.h"
#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"
#include "services/main/commands.h"
#include "services/main/verify_options.h"
#include "services/main/verify_promise.h"
#include "services/main/verify_report.h"
#include "services/main/verify_subject_list.h"

namespace custodian::main {
namespace {

void VerifyReceipt(const VerifyOptions& options) {
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

void Run(VerifyOptions options) {
  if (!options.max_age_text.empty()) {
    absl::Duration max_age;
    if (!absl::ParseDuration(options.max_age_text, &max_age) || max_age <= absl::ZeroDuration())
      throw CommandFailed{2, "--max-age must be a time such as 2h, 90m or 30s"};
    options.max_age = max_age;
  }
  const bool databases = !options.config.file.empty() || !options.config.home.empty();
  // With a list a receipt says whose it must be.
  const bool receipt_alone = !options.receipt.empty() && options.subject_list.empty();
  if ((options.tiles.empty() ? 0 : 1) + (receipt_alone ? 1 : 0) + (options.subject_list.empty() ? 0 : 1) + (databases ? 1 : 0) != 1)
    throw CommandFailed{2, "give one of --tiles URL, --receipt FILE, --subject-list FILE, --config FILE or --home DIR (see custodian verify --help)"};
  if (!options.promise.empty() && (options.tiles.empty() || !options.state.empty() || !options.since.empty() || !options.subject.empty() || options.max_age))
    throw CommandFailed{2, "--promise FILE goes with --tiles URL of its log, and nothing else that is about a log"};
  if (options.tiles.empty() && (!options.state.empty() || !options.since.empty() || options.jobs != 0))
    throw CommandFailed{2, "--state, --since and --jobs go with --tiles URL"};
  if (options.tiles.empty() && options.subject_list.empty() && !options.subject.empty())
    throw CommandFailed{2, "--subject goes with --tiles URL or --subject-list FILE"};
  if (options.subject_list.empty() && !options.origin.empty()) throw CommandFailed{2, "--origin goes with --subject-list FILE"};
  if (databases) {
    const Config config = options.config.Load();
    VerifyReport report = VerifyDatabases(config);
    if (options.max_age) JudgeAges(report, *options.max_age, absl::Now());
    PrintVerified(report, options.json);
    return;
  }
  if (options.policy.empty()) throw CommandFailed{2, "--policy FILE is needed: the logs, witnesses and quorum that you believe"};
  if (!options.subject_list.empty()) {
    VerifySubjectList(options, ReadPolicy(options.policy));
    return;
  }
  if (!options.receipt.empty()) {
    VerifyReceipt(options);
    return;
  }
  if (options.ca.empty()) throw CommandFailed{2, "--ca FILE is needed: the CA of the server's certificate"};
  if (!options.promise.empty()) {
    VerifyPromise(options, ReadPolicy(options.policy));
    return;
  }
  VerifyReport report = VerifyTiles(options);
  if (options.max_age) JudgeAges(report, *options.max_age, absl::Now());
  PrintVerified(report, options.json);
}

}  // namespace

void AddVerify(CLI::App& app) {
  auto options = std::make_shared<VerifyOptions>();
  auto* command =
      app.add_subcommand("verify", "recompute a log from tiles, a receipt, or all databases; exit 1 on any discrepancy");
  command->footer(
      "Examples:\n"
      "  custodian verify --home .quickstart\n"
      "  custodian verify --tiles https://127.0.0.1:8443/log/0123456789abcdef/ --policy policy --cert auditor.crt --key "
      "auditor.key --ca ca.crt\n"
      "  custodian verify --receipt entry.tlog-proof --policy policy\n"
      "  custodian verify --subject-list patient.list --policy policy --receipt entry.tlog-proof\n"
      "  custodian verify --promise answer.promise --tiles https://127.0.0.1:8443/log/0123456789abcdef/ --policy policy --ca ca.crt\n"
      "  custodian verify --home .quickstart --max-age 2h\n"
      "  custodian verify --tiles URL --policy policy --ca ca.crt --state clinic.state --jobs 4 --json\n"
      "  custodian verify --tiles URL --policy policy --ca ca.crt --since 2026-07-01\n"
      "Each finding names the log, the position and the fault (services/main/README.md lists the faults); exit 1 with any.");
  options->config.AddTo(*command);
  command->add_option("--tiles", options->tiles, "URL of a log's tiles");
  command->add_option("--receipt", options->receipt, "a tlog-proof file; with --subject-list: of an entry that is known to be the patient's");
  command->add_option("--subject-list", options->subject_list, "a subject's complete list, from /log/<16 hex>/subject/<32 hex>");
  command->add_option("--promise", options->promise,
                      "the promise that an answer to an author carried: with --tiles of its log, whether it was kept; exit 1 when it is broken");
  command->add_option("--policy", options->policy, "tlog-policy: logs, witnesses, quorum");
  command->add_option("--cert", options->certificate, "client certificate of an admitted reader, PEM");
  command->add_option("--key", options->key, "its key, PEM");
  command->add_option("--ca", options->ca, "CA of the server, PEM");
  command->add_option("--max-age", options->max_age_text,
                      "how long ago a quorum may have cosigned the newest checkpoint, e.g. 2h: an older one is a log that is frozen, or an "
                      "old state of it that is shown to you; `serve` has idle logs cosigned anew every hour");
  command->add_option("--state", options->state,
                      "file that remembers how far the log was verified: the next run goes on from there, also after an interruption, and "
                      "refuses a log that no longer begins with what was verified; beside it lie FILE.keys (16 bytes an entry) and, "
                      "meanwhile, FILE.part");
  command->add_option("--since", options->since,
                      "judge entries from this one on only: a number of entries, or the day or time (2026-07-01, RFC 3339) that entries "
                      "claim; of those before it is only shown that the signed log holds them");
  command->add_option("--subject", options->subject, "list the entries of this subject (32 hex digits), with the indices of their receipts; with --subject-list: whose it must be");
  command->add_option("--origin", options->origin, "the log that a --subject-list must be of");
  command->add_option("--jobs", options->jobs, "threads that fetch and check (default: one a processor, at most 64)")->check(CLI::Range(1, 64));
  command->add_flag("--json", options->json, "print JSON");
  command->callback([options] { Run(*options); });
}

}  // namespace custodian::main
