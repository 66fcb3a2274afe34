#include "services/main/verify_subject_list.h"

#include <cstdio>
#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "ledger/receipt.h"
#include "ledger/subject_list.h"
#include "services/main/commands.h"
#include "services/main/json_members.h"
#include "services/main/verify_options.h"
#include "services/main/verify_report.h"
#include "tenants/ids.h"

namespace custodian::main {
namespace {

std::string TimeText(absl::Time time) { return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone()); }

absl::Time TimeOf(const ledger::v1::Entry& entry) { return absl::FromUnixSeconds(entry.time().seconds()) + absl::Nanoseconds(entry.time().nanos()); }

// How much of the log the list speaks of.
std::string Coverage(const ledger::SubjectList::Verified& verified) {
  return "covered up to entry " + std::to_string(verified.covered) + " of " + std::to_string(verified.checkpoint.size) + ", as of " + TimeText(verified.AsOf());
}

// Why the list is too old; empty when it is not.
std::string JudgeListAge(const ledger::SubjectList::Verified& verified, absl::Duration max_age, absl::Time now) {
  std::string frozen = JudgeAge(verified.witnessed_at, max_age, now);
  if (frozen.empty() && now - verified.AsOf() > max_age)
    frozen = "its map of subjects is of " + TimeText(verified.covered_at) + ", more than " + absl::FormatDuration(max_age) + " ago, and leaves out entries: " + Coverage(verified);
  return frozen;
}

// Whose list it must be, of which log; as far as anything says.
struct Asked {
  std::optional<std::string> subject;
  std::optional<std::string> origin;
};

Asked WhatIsAsked(const VerifyOptions& options, const ledger::Policy& policy) {
  Asked asked;
  if (!options.receipt.empty()) {
    const auto text = ReadFile(options.receipt);
    Check(text.status());
    const auto receipt = ledger::Receipt::Parse(*text);
    const auto verified = receipt.ok() ? receipt->Verify(policy) : receipt.status();
    if (!verified.ok()) throw CommandFailed{1, "the receipt proves nothing: " + std::string(verified.status().message())};
    if (verified->leaf.entry.subject().empty()) throw CommandFailed{2, "the receipt is of an entry that is about nobody"};
    asked = {verified->leaf.entry.subject(), verified->checkpoint.origin};
  }
  if (!options.subject.empty()) {
    const auto subject = HexDecode(options.subject);
    if (!subject.ok() || subject->size() != ledger::kSubjectBytes) throw CommandFailed{2, "--subject must be the 32 hex digits of a subject"};
    if (asked.subject && *asked.subject != *subject) throw CommandFailed{1, "the receipt is of subject " + HexEncode(*asked.subject) + ", not of " + options.subject};
    asked.subject = *subject;
  }
  if (!options.origin.empty()) {
    if (asked.origin && *asked.origin != options.origin) throw CommandFailed{1, "the receipt is of " + *asked.origin + ", not of " + options.origin};
    asked.origin = options.origin;
  }
  return asked;
}

void PrintJson(const std::string& subject, const Asked& asked, const ledger::SubjectList::Verified& verified) {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("ok");
  writer.Bool(true);
  WriteText(writer, "subject", HexEncode(subject));
  writer.Key("subject_compared");
  writer.Bool(asked.subject.has_value());
  WriteText(writer, "origin", verified.checkpoint.origin);
  writer.Key("origin_compared");
  writer.Bool(asked.origin.has_value());
  WriteNumber(writer, "size", verified.checkpoint.size);
  WriteNumber(writer, "complete_to", verified.covered);
  WriteText(writer, "as_of", TimeText(verified.AsOf()));
  WriteText(writer, "coverage", Coverage(verified));
  WriteNumber(writer, "map_index", verified.map_index);
  WriteText(writer, "map_time", TimeText(verified.covered_at));
  writer.Key("entries");
  writer.StartArray();
  for (const auto& [index, leaf] : verified.entries) {
    writer.StartObject();
    WriteNumber(writer, "index", index);
    WriteText(writer, "kind", ledger::v1::Kind_Name(leaf.entry.kind()));
    WriteText(writer, "time", TimeText(TimeOf(leaf.entry)));
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  std::printf("%s\n", buffer.GetString());
}

void PrintText(const std::string& subject, const Asked& asked, const ledger::SubjectList::Verified& verified) {
  for (const auto& [index, leaf] : verified.entries)
    std::printf("leaf %llu  %s at %s\n", static_cast<unsigned long long>(index), ledger::v1::Kind_Name(leaf.entry.kind()).c_str(),
                TimeText(TimeOf(leaf.entry)).c_str());
  std::printf("%s\n", Coverage(verified).c_str());
  // A policy does not say which of those who cosign made the map again.
  std::printf("verified: these %zu entries are everything that the first %llu entries of %s hold on subject %s, if its map is right; mirrors check it, and verify of "
              "the whole log\n",
              verified.entries.size(), static_cast<unsigned long long>(verified.covered), verified.checkpoint.origin.c_str(), HexEncode(subject).c_str());
  if (!asked.subject) std::printf("NOT compared: that this is the patient's subject (--subject HEX, or --receipt FILE of an entry of the patient)\n");
  if (!asked.origin) std::printf("NOT compared: that this is the log that was asked for (--origin ORIGIN)\n");
}

}  // namespace

void VerifySubjectList(const VerifyOptions& options, const ledger::Policy& policy) {
  const auto text = ReadFile(options.subject_list);
  Check(text.status());
  const auto list = ledger::SubjectList::Parse(*text);
  const auto verified = list.ok() ? list->Verify(policy) : list.status();
  if (!verified.ok()) throw CommandFailed{1, "the list proves nothing: " + std::string(verified.status().message())};
  const Asked asked = WhatIsAsked(options, policy);
  if (asked.subject && *asked.subject != list->subject)
    throw CommandFailed{1, "the list is of subject " + HexEncode(list->subject) + ", not of " + HexEncode(*asked.subject)};
  if (asked.origin && *asked.origin != verified->checkpoint.origin)
    throw CommandFailed{1, "the list is of " + verified->checkpoint.origin + ", not of " + *asked.origin};
  if (options.max_age) {
    const std::string frozen = JudgeListAge(*verified, *options.max_age, absl::Now());
    if (!frozen.empty()) throw CommandFailed{1, "the list is too old: " + frozen};
  }
  options.json ? PrintJson(list->subject, asked, *verified) : PrintText(list->subject, asked, *verified);
}

}  // namespace custodian::main
