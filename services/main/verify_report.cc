#include "services/main/verify_report.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "services/main/commands.h"
#include "services/main/json_members.h"
#include "tenants/ids.h"

namespace custodian::main {
namespace {

std::string TimeText(absl::Time time) { return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone()); }

// How many findings of each fault, and how many entries were judged in this run.
void WriteSummary(const VerifyReport& report, JsonWriter& writer) {
  std::map<std::string, std::uint64_t> faults;
  for (const ledger::Finding& finding : report.findings) ++faults[std::string(ledger::FaultName(finding.fault))];
  std::uint64_t entries = 0;
  for (const VerifiedLog& log : report.logs) entries += log.size - log.judged_from;
  writer.Key("summary");
  writer.StartObject();
  writer.Key("entries_judged");
  writer.Uint64(entries);
  writer.Key("findings");
  writer.Uint64(report.findings.size());
  writer.Key("faults");
  writer.StartObject();
  for (const auto& [fault, count] : faults) {
    writer.Key(fault.c_str());
    writer.Uint64(count);
  }
  writer.EndObject();
  writer.EndObject();
}

void WriteJson(const VerifyReport& report) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("ok");
  writer.Bool(report.findings.empty());
  if (report.witnesses_asked) WriteNumber(writer, "witnesses_asked", *report.witnesses_asked);
  writer.Key("logs");
  writer.StartArray();
  for (const VerifiedLog& log : report.logs) {
    writer.StartObject();
    WriteText(writer, "tenant", log.tenant);
    WriteText(writer, "origin", log.origin);
    WriteNumber(writer, "size", log.size);
    WriteNumber(writer, "witnessed_size", log.witnessed_size);
    if (log.witnessed_at != absl::InfinitePast())
      WriteText(writer, "witnessed_at", absl::FormatTime(absl::RFC3339_sec, log.witnessed_at, absl::UTCTimeZone()));
    if (log.records) WriteNumber(writer, "sealed_records", *log.records);
    if (log.keys) WriteNumber(writer, "wrapped_keys", *log.keys);
    if (log.keys) WriteNumber(writer, "unnamed_keys", log.unnamed_keys);
    if (log.judged_from > 0) {
      WriteNumber(writer, "read_from", log.read_from);
      WriteNumber(writer, "judged_from", log.judged_from);
      writer.Key("resumed");
      writer.Bool(log.is_resumed);
      writer.Key("subject_maps_judged");
      writer.Bool(false);
    }
    writer.EndObject();
  }
  writer.EndArray();
  writer.Key("findings");
  writer.StartArray();
  for (const ledger::Finding& finding : report.findings) {
    writer.StartObject();
    WriteText(writer, "tenant", report.TenantOf(finding.origin));
    WriteText(writer, "origin", finding.origin);
    WriteText(writer, "position", finding.position);
    WriteText(writer, "fault", std::string(ledger::FaultName(finding.fault)));
    WriteText(writer, "message", finding.message);
    writer.EndObject();
  }
  writer.EndArray();
  if (report.subject) {
    writer.Key("subject");
    writer.StartObject();
    WriteText(writer, "id", HexEncode(report.subject->subject));
    writer.Key("entries");
    writer.StartArray();
    for (const SubjectEntries::Entry& entry : report.subject->entries) {
      writer.StartObject();
      WriteNumber(writer, "index", entry.index);
      WriteText(writer, "kind", entry.kind);
      WriteText(writer, "time", TimeText(entry.time));
      WriteText(writer, "receipt", "receipt/" + std::to_string(entry.index));
      writer.EndObject();
    }
    writer.EndArray();
    writer.EndObject();
  }
  WriteSummary(report, writer);
  writer.EndObject();
  std::printf("%s\n", buffer.GetString());
}

// What was not looked at in this run.
void WriteLimits(const VerifiedLog& log) {
  const auto from = static_cast<unsigned long long>(log.judged_from);
  // They take the map that all entries before make, which is kept nowhere.
  std::printf("               maps of subjects not judged (audit began at %llu)\n", from);
  if (log.is_resumed) {
    std::printf("               entries below %llu were verified by earlier runs; the log still begins with them\n", from);
    return;
  }
  std::printf("               NOT verified of entries below %llu: who wrote them, their form, counters and idempotency keys", from);
  if (log.read_from > 0) std::printf("; those below %llu were not read", static_cast<unsigned long long>(log.read_from));
  std::printf("; the signed log holds them, whatever they say\n");
}

void WriteText(const VerifyReport& report) {
  for (const VerifiedLog& log : report.logs) {
    std::printf("%-14s %s  %llu entries, %llu witnessed", log.tenant.c_str(), log.origin.c_str(),
                static_cast<unsigned long long>(log.size), static_cast<unsigned long long>(log.witnessed_size));
    if (log.records) std::printf(", %llu sealed records", static_cast<unsigned long long>(*log.records));
    if (log.keys) std::printf(", %llu keys", static_cast<unsigned long long>(*log.keys));
    if (log.unnamed_keys > 0) std::printf(" (%llu unused)", static_cast<unsigned long long>(log.unnamed_keys));
    std::printf("\n");
    if (log.judged_from > 0) WriteLimits(log);
  }
  for (const ledger::Finding& finding : report.findings) {
    const std::string tenant = report.TenantOf(finding.origin);
    std::printf("%s%s: %s: %s\n", finding.origin.c_str(), tenant.empty() ? "" : (" (" + tenant + ")").c_str(),
                finding.position.c_str(), finding.message.c_str());
  }
  if (report.subject) {
    std::printf("%zu entries of subject %s\n", report.subject->entries.size(), HexEncode(report.subject->subject).c_str());
    for (const SubjectEntries::Entry& entry : report.subject->entries)
      std::printf("  %s  %s  receipt/%llu\n", TimeText(entry.time).c_str(), entry.kind.c_str(), static_cast<unsigned long long>(entry.index));
  }
  if (report.findings.empty()) std::printf("verified\n");
}

}  // namespace

std::string JudgeAge(absl::Time witnessed_at, absl::Duration max_age, absl::Time now) {
  if (now - witnessed_at <= max_age) return "";
  const std::string limit = absl::FormatDuration(max_age);
  if (witnessed_at == absl::InfinitePast()) return "no quorum says when it cosigned it, which --max-age " + limit + " wants to know";
  return "its quorum last cosigned it at " + absl::FormatTime(absl::RFC3339_sec, witnessed_at, absl::UTCTimeZone()) +
         ", more than " + limit + " ago: the log is frozen, or this is an old state of it";
}

void SubjectEntries::See(std::uint64_t index, const ledger::Leaf& leaf) {
  if (leaf.entry.subject() != subject) return;
  entries.push_back({index, ledger::v1::Kind_Name(leaf.entry.kind()),
                     absl::FromUnixSeconds(leaf.entry.time().seconds()) + absl::Nanoseconds(leaf.entry.time().nanos())});
}

std::vector<ledger::Finding> InOrder(std::vector<ledger::Finding> findings) {
  const auto index = [](const ledger::Finding& finding) {
    constexpr std::string_view kLeaf = "leaf ";
    const auto number = finding.position.rfind(kLeaf, 0) == 0 ? ledger::ParseDecimal(std::string_view(finding.position).substr(kLeaf.size()))
                                                              : absl::StatusOr<std::uint64_t>(absl::NotFoundError(""));
    return number.ok() ? *number : UINT64_MAX;
  };
  std::stable_sort(findings.begin(), findings.end(),
                   [&index](const ledger::Finding& one, const ledger::Finding& other) { return index(one) < index(other); });
  return findings;
}

void JudgeAges(VerifyReport& report, absl::Duration max_age, absl::Time now) {
  for (const VerifiedLog& log : report.logs) {
    if (log.size == 0) continue;
    const std::string frozen = JudgeAge(log.witnessed_at, max_age, now);
    if (!frozen.empty()) report.Add({{log.origin, "checkpoint size " + std::to_string(log.witnessed_size), frozen, ledger::Fault::kFrozen}});
  }
}

void PrintVerified(const VerifyReport& report, bool json) {
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

ledger::Policy WithAdmittedKey(const ledger::Policy& policy, const ledger::v1::TenantAdmitted& admitted,
                               ledger::Findings& findings) {
  const auto key = ledger::NoteVerifier::Parse(admitted.log_vkey());
  const auto extended = key.ok() ? policy.WithLog(*key) : key.status();
  if (extended.ok()) return *extended;
  findings.Add(ledger::Fault::kLogKeyWrong, "verifier key", "the key that the governance log admitted: " + std::string(extended.status().message()));
  return policy;
}

}  // namespace custodian::main
