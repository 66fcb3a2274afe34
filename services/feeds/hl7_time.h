// Times of HL7 v2 (TS, DTM, DT, TM) as FHIR writes them. Pure.
// Source: HL7 v2.5.1 sections 2.A.22 (DTM) and 2.A.21 (DT); http://hl7.org/fhir/R4/datatypes.html#dateTime.
#ifndef CUSTODIAN_SERVICES_FEEDS_HL7_TIME_H_
#define CUSTODIAN_SERVICES_FEEDS_HL7_TIME_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace custodian::feeds {

// YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ].
struct Hl7Time {
  // How far it is stated: 4 (year), 6, 8 (day), 10, 12, 14 digits; 15 with a fraction of a second.
  int digits = 0;
  absl::CivilSecond civil;
  // Fraction as written, without the point.
  std::string fraction;
  // Of the offset stated.
  std::optional<int> offset_minutes;

  [[nodiscard]] static std::optional<Hl7Time> Parse(std::string_view text);
  // The beginning of what is stated, by its own offset, else in `zone`. A time that the change to summer time leaves out is read an
  // hour later, one that it repeats as the first.
  [[nodiscard]] absl::Time Instant(absl::TimeZone zone) const;
  // FHIR dateTime, as exact as stated; minutes and seconds that FHIR wants and the sender did not state are zero.
  [[nodiscard]] std::string DateTime(absl::TimeZone zone) const;
  // FHIR date: without the time of day.
  [[nodiscard]] std::string Date() const;
};

// The zone of "+0100" or "-0600" (MSH-7's is that of the whole message, section 2.15.9.7); nothing when `time` states none.
[[nodiscard]] std::optional<absl::TimeZone> StatedZone(std::string_view time);

// HH[MM[SS[.S...]]] as FHIR time.
[[nodiscard]] std::optional<std::string> FhirTimeOfDay(std::string_view text);

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_HL7_TIME_H_
