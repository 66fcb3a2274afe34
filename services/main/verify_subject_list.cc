#include "services/main/verify_subject_list.h"

#include <cstdio>

#include "absl/time/clock.h"
#include "ledger/subject_list.h"
#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"
#include "services/main/commands.h"
#include "services/main/verify_report.h"
#include "tenants/ids.h"

namespace custodian::main {
namespace {

std::string TimeText(absl::Time time) { return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone()); }

absl::Time TimeOf(const ledger::v1::Entry& entry) { return absl::FromUnixSeconds(entry.time().seconds()) + absl::Nanoseconds(entry.time().nanos()); }

void PrintJson(const std::string& subject, const ledger::SubjectList::Verified& verified) {
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
  writer.Bool(true);
  text("subject", HexEncode(subject));
  text("origin", verified.checkpoint.origin);
  number("size", verified.checkpoint.size);
  number("complete_to", verified.covered);
  number("map_index", verified.map_index);
  text("map_time", TimeText(verified.covered_at));
  writer.Key("entries");
  writer.StartArray();
  for (const auto& [index, leaf] : verified.entries) {
    writer.StartObject();
    number("index", index);
    text("kind", ledger::v1::Kind_Name(leaf.entry.kind()));
    text("time", TimeText(TimeOf(leaf.entry)));
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  std::printf("%s\n", buffer.GetString());
}

void PrintText(const std::string& subject, const ledger::SubjectList::Verified& verified) {
  for (const auto& [index, leaf] : verified.entries)
    std::printf("leaf %llu  %s at %s\n", static_cast<unsigned long long>(index), ledger::v1::Kind_Name(leaf.entry.kind()).c_str(),
                TimeText(TimeOf(leaf.entry)).c_str());
  std::printf("verified: these %zu entries are everything that the first %llu entries of %s hold on subject %s\n", verified.entries.size(),
              static_cast<unsigned long long>(verified.covered), verified.checkpoint.origin.c_str(), HexEncode(subject).c_str());
}

}  // namespace

void VerifySubjectList(const std::string& file, const ledger::Policy& policy, std::optional<absl::Duration> max_age, bool json) {
  const auto text = ReadFile(file);
  Check(text.status());
  const auto list = ledger::SubjectList::Parse(*text);
  const auto verified = list.ok() ? list->Verify(policy) : list.status();
  if (!verified.ok()) throw CommandFailed{1, "the list proves nothing: " + std::string(verified.status().message())};
  if (max_age) {
    const std::string frozen = JudgeAge(verified->witnessed_at, *max_age, absl::Now());
    if (!frozen.empty()) throw CommandFailed{1, "the list is too old: " + frozen};
  }
  json ? PrintJson(list->subject, *verified) : PrintText(list->subject, *verified);
}

}  // namespace custodian::main
