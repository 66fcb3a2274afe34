#include "services/feeds/hl7_time.h"

#include <cstdlib>

#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"

namespace custodian::feeds {
namespace {

// Two or four digits from `text`, which they are taken from; nothing when they are not there.
std::optional<int> TakeDigits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

std::optional<std::string> TakeFraction(std::string_view& text) {
  if (!text.starts_with('.')) return std::string();
  std::size_t end = 1;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  if (end == 1 || end > 10) return std::nullopt;
  std::string fraction(text.substr(1, end - 1));
  text.remove_prefix(end);
  return fraction;
}

// "+0130" is 90 minutes; no text is no offset. False when it is malformed.
bool ReadOffset(std::string_view text, std::optional<int>& minutes_of) {
  if (text.empty()) return true;
  const bool minus = text[0] == '-';
  if (text[0] != '+' && !minus) return false;
  text.remove_prefix(1);
  const auto hours = TakeDigits(text, 2), minutes = TakeDigits(text, 2);
  if (!hours || !minutes || !text.empty() || *minutes > 59 || *hours * 60 + *minutes > 14 * 60) return false;
  minutes_of = (minus ? -1 : 1) * (*hours * 60 + *minutes);
  return true;
}

}  // namespace

std::optional<Hl7Time> Hl7Time::Parse(std::string_view text) {
  Hl7Time time;
  const auto year = TakeDigits(text, 4);
  if (!year || *year == 0) return std::nullopt;
  time.digits = 4;
  int parts[] = {1, 1, 0, 0, 0};
  for (int& part : parts) {
    if (text.empty() || text[0] < '0' || text[0] > '9') break;
    const auto value = TakeDigits(text, 2);
    if (!value) return std::nullopt;
    part = *value;
    time.digits += 2;
  }
  if (text.starts_with('.')) {
    if (time.digits != 14) return std::nullopt;
    auto fraction = TakeFraction(text);
    if (!fraction) return std::nullopt;
    time.fraction = *std::move(fraction);
    time.digits = 15;
  }
  if (!ReadOffset(text, time.offset_minutes)) return std::nullopt;
  const auto [month, day, hour, minute, second] = std::tuple(parts[0], parts[1], parts[2], parts[3], parts[4]);
  time.civil = absl::CivilSecond(*year, month, day, hour, minute, second);
  // What civil time had to put right was no date.
  if (time.civil.month() != month || time.civil.day() != day || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return time;
}

absl::Time Hl7Time::Instant(absl::TimeZone zone) const {
  const absl::TimeZone own = offset_minutes ? absl::FixedTimeZone(*offset_minutes * 60) : zone;
  absl::Duration part = absl::ZeroDuration();
  absl::Duration unit = absl::Seconds(1);
  for (const char c : fraction) part += (unit /= 10) * (c - '0');
  return own.At(civil).pre + part;
}

std::string Hl7Time::Date() const {
  if (digits == 4) return absl::StrFormat("%04d", civil.year());
  if (digits == 6) return absl::StrFormat("%04d-%02d", civil.year(), civil.month());
  return absl::StrFormat("%04d-%02d-%02d", civil.year(), civil.month(), civil.day());
}

std::string Hl7Time::DateTime(absl::TimeZone zone) const {
  if (digits <= 8) return Date();
  const absl::TimeZone own = offset_minutes ? absl::FixedTimeZone(*offset_minutes * 60) : zone;
  const auto shown = own.At(own.At(civil).pre);
  const int minutes = shown.offset / 60;
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d%s%s%c%02d:%02d", shown.cs.year(), shown.cs.month(), shown.cs.day(), shown.cs.hour(),
                         shown.cs.minute(), shown.cs.second(), fraction.empty() ? "" : ".", fraction, minutes < 0 ? '-' : '+',
                         std::abs(minutes) / 60, std::abs(minutes) % 60);
}

std::optional<absl::TimeZone> StatedZone(std::string_view time) {
  const auto parsed = Hl7Time::Parse(time);
  if (!parsed || !parsed->offset_minutes) return std::nullopt;
  return absl::FixedTimeZone(*parsed->offset_minutes * 60);
}

std::optional<std::string> FhirTimeOfDay(std::string_view text) {
  int parts[] = {0, 0, 0};
  for (int& part : parts) {
    if (text.empty() || text[0] < '0' || text[0] > '9') break;
    const auto value = TakeDigits(text, 2);
    if (!value) return std::nullopt;
    part = *value;
  }
  const auto fraction = TakeFraction(text);
  std::optional<int> offset;
  if (!fraction || !ReadOffset(text, offset) || parts[0] > 23 || parts[1] > 59 || parts[2] > 59) return std::nullopt;
  return absl::StrFormat("%02d:%02d:%02d%s%s", parts[0], parts[1], parts[2], fraction->empty() ? "" : ".", *fraction);
}

}  // namespace custodian::feeds
