#include "services/exchange/fhir_time.h"

#include "absl/time/civil_time.h"
#include "tenants/clock.h"

namespace custodian::exchange {
namespace {

// Reads fixed-width digits and separators from the front of a text.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  [[nodiscard]] bool done() const { return text_.empty(); }
  bool Take(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool Digits(int count, int& value) {
    if (text_.size() < static_cast<std::size_t>(count)) return false;
    value = 0;
    for (int i = 0; i < count; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return false;
      value = value * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(count);
    return true;
  }
  // One or more digits after the point, to milliseconds, the rest dropped; `width` is that of the last digit kept.
  bool Fraction(int& milliseconds, absl::Duration& width) {
    int digits = 0;
    milliseconds = 0;
    while (!text_.empty() && text_.front() >= '0' && text_.front() <= '9') {
      if (digits < 3) milliseconds = milliseconds * 10 + (text_.front() - '0');
      ++digits;
      text_.remove_prefix(1);
    }
    for (int i = digits; i < 3; ++i) milliseconds *= 10;
    width = absl::Milliseconds(digits == 1 ? 100 : digits == 2 ? 10 : 1);
    return digits > 0;
  }

 private:
  std::string_view text_;
};

FhirTime Whole(absl::CivilDay from, absl::CivilDay to, absl::TimeZone zone) {
  return {absl::FromCivil(from, zone), absl::FromCivil(to, zone), false, false};
}

// "Z", "+hh:mm" or "-hh:mm", and nothing behind it.
std::optional<absl::TimeZone> Offset(Cursor cursor, bool space_is_plus) {
  int hour = 0, minute = 0;
  if (cursor.Take('Z')) return cursor.done() ? std::optional(absl::UTCTimeZone()) : std::nullopt;
  const bool west = cursor.Take('-');
  if (!west && !cursor.Take('+') && !(space_is_plus && cursor.Take(' '))) return std::nullopt;
  if (!cursor.Digits(2, hour) || !cursor.Take(':') || !cursor.Digits(2, minute) || !cursor.done()) return std::nullopt;
  if (hour > 14 || minute > 59) return std::nullopt;
  return absl::FixedTimeZone((west ? -1 : 1) * (hour * 60 + minute) * 60);
}

// "hh:mm:ss[.fff...](Z|+hh:mm|-hh:mm)". With the zone of a search, seconds and offset may be missing.
std::optional<FhirTime> TimeOfDay(absl::CivilDay day, Cursor cursor, const absl::TimeZone* search_zone) {
  int hour = 0, minute = 0, second = 0, milliseconds = 0;
  absl::Duration width = absl::Minutes(1);
  bool fraction = false;
  if (!cursor.Digits(2, hour) || !cursor.Take(':') || !cursor.Digits(2, minute)) return std::nullopt;
  if (cursor.Take(':')) {
    if (!cursor.Digits(2, second)) return std::nullopt;
    width = absl::Seconds(1);
    fraction = cursor.Take('.');
    if (fraction && !cursor.Fraction(milliseconds, width)) return std::nullopt;
  } else if (search_zone == nullptr) {
    return std::nullopt;
  }
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const bool is_local = search_zone != nullptr && cursor.done();
  const auto zone = is_local ? std::optional(*search_zone) : Offset(cursor, search_zone != nullptr);
  if (!zone.has_value()) return std::nullopt;
  const absl::Time begin =
      absl::FromCivil(absl::CivilSecond(day.year(), day.month(), day.day(), hour, minute, second), *zone) + absl::Milliseconds(milliseconds);
  return FhirTime{begin, begin + (search_zone != nullptr ? width : absl::Milliseconds(1)), true, fraction};
}

std::optional<FhirTime> Parse(std::string_view text, absl::TimeZone zone, const absl::TimeZone* search_zone) {
  Cursor cursor(text);
  int year = 0, month = 0, day = 0;
  if (!cursor.Digits(4, year) || year == 0) return std::nullopt;
  if (cursor.done()) return Whole(absl::CivilDay(year, 1, 1), absl::CivilDay(year + 1, 1, 1), zone);
  if (!cursor.Take('-') || !cursor.Digits(2, month) || month < 1 || month > 12) return std::nullopt;
  if (cursor.done()) return Whole(absl::CivilDay(year, month, 1), absl::CivilDay(absl::CivilMonth(year, month) + 1), zone);
  if (!cursor.Take('-') || !cursor.Digits(2, day)) return std::nullopt;
  const absl::CivilDay civil(year, month, day);
  // CivilDay carries 31 February over into March.
  if (civil.month() != month || civil.day() != day) return std::nullopt;
  if (cursor.done()) return Whole(civil, civil + 1, zone);
  if (!cursor.Take('T')) return std::nullopt;
  return TimeOfDay(civil, cursor, search_zone);
}

}  // namespace

std::optional<FhirTime> ParseFhirTime(std::string_view text, absl::TimeZone zone) { return Parse(text, zone, nullptr); }

std::optional<FhirTime> ParseSearchTime(std::string_view text, absl::TimeZone zone) { return Parse(text, zone, &zone); }

absl::TimeZone ZoneOf(const std::string& name) {
  absl::TimeZone zone;
  if (!absl::LoadTimeZone(name, &zone)) return absl::UTCTimeZone();
  return zone;
}

std::string FormatInstant(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", TruncateToMilliseconds(time), absl::UTCTimeZone());
}

}  // namespace custodian::exchange
