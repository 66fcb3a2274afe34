// Times as FHIR R4 writes them (date, dateTime, instant), read as half-open spans of milliseconds. Pure.
// Source: http://hl7.org/fhir/R4/datatypes.html#dateTime.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_TIME_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_TIME_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace custodian::exchange {

// [begin, end): one millisecond for a time of day (fractions are truncated to it), the whole day, month or year otherwise.
struct FhirTime {
  absl::Time begin;
  absl::Time end;
  // How the text was written: a time of day, and with a fraction of a second.
  bool has_time = false;
  bool has_fraction = false;
};

// Days, months and years are those of `zone`; a time of day must carry its own offset. Nothing for anything else.
[[nodiscard]] std::optional<FhirTime> ParseFhirTime(std::string_view text, absl::TimeZone zone);

// As a search asks for it (http://hl7.org/fhir/R4/search.html#date): a time of day may lack seconds, and its offset, which is then that of
// `zone`; the '+' of an offset may have come as a space. As wide as it is written: a minute, a second, or less, down to a millisecond.
[[nodiscard]] std::optional<FhirTime> ParseSearchTime(std::string_view text, absl::TimeZone zone);

// The zone of that IANA name, UTC when there is none such (the registry admits only names that load).
[[nodiscard]] absl::TimeZone ZoneOf(const std::string& name);

// "2026-03-01T00:00:00.000Z".
[[nodiscard]] std::string FormatInstant(absl::Time time);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_TIME_H_
