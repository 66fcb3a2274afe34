// Reads R4 Consents into what services/consent decides on, and asks it. Pure.
// Source: http://hl7.org/fhir/R4/consent.html. `period`: [start, end) in milliseconds; a date-only end includes that day, in the
// zone of the tenant that holds the consent.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CONSENT_READER_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CONSENT_READER_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/consent/decide.h"
#include "services/exchange/exam.h"

namespace custodian::exchange {

// InvalidArgument when the text is no Consent.
[[nodiscard]] absl::StatusOr<consent::Consent> ReadConsent(std::string_view consent_json, absl::Time arrived,
                                                           absl::TimeZone zone);

// Decides on the newest version of each Consent among a patient's records at one tenant (others are passed over). `zone` is that
// tenant's. A Consent that cannot be read denies.
[[nodiscard]] consent::Decision DecideConsent(const std::vector<OpenedRecord>& records, const consent::Question& question,
                                              absl::TimeZone zone);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CONSENT_READER_H_
