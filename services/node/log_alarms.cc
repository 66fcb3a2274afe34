#include "services/node/log_alarms.h"

#include <algorithm>
#include <set>

#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"

namespace custodian::node {
namespace {

constexpr std::size_t kOfAnEventMax = 100;

}  // namespace

std::vector<std::string> LogAlarms::Set(const std::string& event, const std::vector<std::string>& reasons, absl::Time now) {
  const std::set<std::string> wanted(reasons.begin(), reasons.begin() + static_cast<std::ptrdiff_t>(std::min(reasons.size(), kOfAnEventMax)));
  std::vector<std::string> begun;
  const absl::MutexLock lock(&mutex_);
  std::erase_if(standing_, [&](const auto& alarm) { return alarm.first.first == event && !wanted.contains(alarm.first.second); });
  for (const std::string& reason : wanted)
    if (standing_.try_emplace({event, reason}, now).second) begun.push_back(reason);
  return begun;
}

std::string LogAlarms::Json(const std::string& origin, std::uint64_t size) const {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  const auto text = [&writer](const char* key, const std::string& value) {
    writer.Key(key);
    writer.String(value.c_str(), static_cast<rapidjson::SizeType>(value.size()));
  };
  writer.StartObject();
  writer.Key("alarms");
  writer.StartArray();
  {
    const absl::MutexLock lock(&mutex_);
    for (const auto& [alarm, since] : standing_) {
      writer.StartObject();
      text("event", alarm.first);
      text("reason", alarm.second);
      text("since", absl::FormatTime(absl::RFC3339_sec, since, absl::UTCTimeZone()));
      writer.EndObject();
    }
  }
  writer.EndArray();
  text("origin", origin);
  writer.Key("size");
  writer.Uint64(size);
  writer.EndObject();
  return buffer.GetString();
}

}  // namespace custodian::node
