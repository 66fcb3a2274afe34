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
  // One or more digits after the point, to milliseconds, the rest dropped.
  bool Fraction(int& milliseconds) {
    int digits = 0;
    milliseconds = 0;
    while (!text_.empty() && text_.front() >= '0' && text_.front() <= '9') {
      if (digits < 3) milliseconds = milliseconds * 10 + (text_.front() - '0');
      ++digits;
      text_.remove_prefix(1);
    }
    for (int i = digits; i < 3; ++i) milliseconds *= 10;
    return digits > 0;
  }

 private:
  std::string_view text_;
};

FhirTime Whole(absl::CivilDay from, absl::CivilDay to, absl::TimeZone zone) {
  return {absl::FromCivil(from, zone), absl::FromCivil(to, zone), false, false};
}

// "hh:mm:ss[.fff...](Z|+hh:mm|-hh:mm)".
std::optional<FhirTime> TimeOfDay(absl::CivilDay day, Cursor cursor) {
  int hour = 0, minute = 0, second = 0, milliseconds = 0;
  if (!cursor.Digits(2, hour) || !cursor.Take(':') || !cursor.Digits(2, minute) || !cursor.Take(':') || !cursor.Digits(2, second))
    return std::nullopt;
  if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const bool fraction = cursor.Take('.');
  if (fraction && !cursor.Fraction(milliseconds)) return std::nullopt;
  int offset_minutes = 0;
  if (!cursor.Take('Z')) {
    const bool west = cursor.Take('-');
    int offset_hour = 0, offset_minute = 0;
    if (!west && !cursor.Take('+')) return std::nullopt;
    if (!cursor.Digits(2, offset_hour) || !cursor.Take(':') || !cursor.Digits(2, offset_minute)) return std::nullopt;
    if (offset_hour > 14 || offset_minute > 59) return std::nullopt;
    offset_minutes = (west ? -1 : 1) * (offset_hour * 60 + offset_minute);
  }
  if (!cursor.done()) return std::nullopt;
  const absl::Time begin =
      absl::FromCivil(absl::CivilSecond(day.year(), day.month(), day.day(), hour, minute, second), absl::UTCTimeZone()) -
      absl::Minutes(offset_minutes) + absl::Milliseconds(milliseconds);
  return FhirTime{begin, begin + absl::Milliseconds(1), true, fraction};
}

}  // namespace

std::optional<FhirTime> ParseFhirTime(std::string_view text, absl::TimeZone zone) {
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
  return TimeOfDay(civil, cursor);
}

absl::TimeZone ZoneOf(const std::string& name) {
  absl::TimeZone zone;
  if (!absl::LoadTimeZone(name, &zone)) return absl::UTCTimeZone();
  return zone;
}

std::string FormatInstant(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", TruncateToMilliseconds(time), absl::UTCTimeZone());
}

}  // namespace custodian::exchange
