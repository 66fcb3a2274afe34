#include "services/main/verify_promise.h"

#include <cstdio>
#include <string>

#include "absl/time/clock.h"
#include "ledger/promise_audit.h"
#include "services/main/commands.h"
#include "services/main/json_members.h"
#include "services/main/log_source.h"
#include "services/main/served_governance.h"
#include "services/main/verify_report.h"

namespace custodian::main {
namespace {

using ledger::PromiseVerdict;

std::string TimeText(absl::Time time) {
  return time == absl::InfinitePast() ? "no time" : absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

ledger::SignedPromise ReadPromise(const std::string& file) {
  const auto text = ReadFile(file);
  Check(text.status());
  auto promise = ledger::SignedPromise::Parse(*text);
  if (!promise.ok()) throw CommandFailed{1, "the promise proves nothing: " + std::string(promise.status().message())};
  return *std::move(promise);
}

std::string Told(PromiseVerdict verdict, const ledger::Promise& promise, const ledger::BelievedCheckpoint& believed) {
  const std::string entries = "entries " + std::to_string(promise.first) + " to " + std::to_string(promise.first + promise.count - 1) + " of " + promise.origin;
  const std::string checkpoint = "the checkpoint of size " + std::to_string(believed.checkpoint.size) + ", cosigned at " + TimeText(believed.witnessed_at) + ",";
  const std::string by = " by " + TimeText(promise.witnessed_by);
  switch (verdict) {
    case PromiseVerdict::kKept: return "kept: " + checkpoint + " covers " + entries;
    case PromiseVerdict::kNotDue: return "not due yet: " + entries + " are to be witnessed" + by;
    case PromiseVerdict::kBrokenOtherLeaves: return "the promise is broken: " + checkpoint + " has other leaves than were promised at " + entries;
    case PromiseVerdict::kBrokenNotCovered: return "the promise is broken: " + checkpoint + " lacks " + entries + ", promised" + by;
    case PromiseVerdict::kBrokenNothingNewer:
      return "the promise is broken: " + entries + " were promised" + by + ", and no checkpoint that was cosigned since is shown; " + checkpoint +
             " is the newest (ask a witness or a mirror for a newer one: to others this proves nothing)";
  }
  return "";
}

void PrintJson(PromiseVerdict verdict, const ledger::Promise& promise, const ledger::BelievedCheckpoint& believed) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  const bool broken = ledger::IsBroken(verdict);
  writer.StartObject();
  writer.Key("ok");
  writer.Bool(!broken);
  WriteText(writer, "verdict", broken ? "broken" : std::string(ledger::VerdictName(verdict)));
  if (broken) WriteText(writer, "proof", std::string(ledger::VerdictName(verdict)));
  WriteText(writer, "origin", promise.origin);
  WriteNumber(writer, "first_index", promise.first);
  WriteNumber(writer, "count", promise.count);
  WriteText(writer, "witnessed_by", TimeText(promise.witnessed_by));
  WriteNumber(writer, "size", believed.checkpoint.size);
  if (believed.witnessed_at != absl::InfinitePast()) WriteText(writer, "witnessed_at", TimeText(believed.witnessed_at));
  if (broken) WriteText(writer, "checkpoint", believed.note);
  writer.EndObject();
  std::printf("%s\n", buffer.GetString());
}

}  // namespace

void VerifyPromise(const VerifyOptions& options, const ledger::Policy& policy) {
  const ledger::SignedPromise file = ReadPromise(options.promise);
  const auto client = rpc::HttpsClient::Create({.ca_file = options.ca, .certificate_file = options.certificate, .key_file = options.key});
  Check(client.status());
  const ledger::ByteSource read = TilesSource(**client, options.tiles);
  const auto claimed = ReadClaimedCheckpoint(read);
  Check(claimed.status());
  if (claimed->origin != file.promise.origin)
    throw CommandFailed{1, "the promise is of " + file.promise.origin + ", the tiles are of " + claimed->origin};
  const auto governed = AuditGovernance(policy, GovernanceOf(*claimed, read, policy, **client));
  Check(governed.status());
  const ledger::RosterHistory& history = governed->log.history;
  if (!governed->findings.empty())
    throw CommandFailed{1, "the governance log does not verify, so that nobody's key is known: " + governed->findings[0].position + ": " + governed->findings[0].message};
  if (const absl::Status status = file.Verify(history); !status.ok())
    throw CommandFailed{1, "the promise proves nothing: " + std::string(status.message())};
  const auto admitted = history.admitted().find(file.promise.origin);
  ledger::Findings about(file.promise.origin);
  const ledger::Policy known = admitted == history.admitted().end() ? policy : WithAdmittedKey(policy, admitted->second, about);
  const auto believed = ledger::ReadCheckpoint(known, file.promise.origin, read);
  Check(believed.status());
  const auto verdict = ledger::JudgePromise(file.promise, *believed, absl::Now(), read);
  if (!verdict.ok()) throw CommandFailed{1, "the promise cannot be judged: " + std::string(verdict.status().message())};
  if (options.json) PrintJson(*verdict, file.promise, *believed);
  const std::string told = Told(*verdict, file.promise, *believed);
  if (ledger::IsBroken(*verdict)) throw CommandFailed{1, told};
  if (!options.json) std::printf("%s\n", told.c_str());
}

}  // namespace custodian::main
