// What identifies a person, normalised so that two registrations of one person come out equal: case, accents, punctuation,
// "Street" and "St", telephone formats, titles and middle names do not matter. Only keyed hashes of these values leave the
// process. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_DEMOGRAPHICS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_DEMOGRAPHICS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

struct MatchValues {
  // Family, first given name, birth date and gender, each with one of: a national identifier, a telephone, a street address.
  std::vector<std::string> name;
  // National identifier and birth date, with the family or the first given name.
  std::vector<std::string> identifier;
  // Kind and value of each national identifier.
  std::vector<std::pair<std::string, std::string>> national;
};

// Of a FHIR Patient. Without a full birth date or a name there is nothing to match by.
[[nodiscard]] MatchValues MatchValuesOf(const Json& patient);

// Lower-case letters and digits, accents taken off, everything else dropped; letters of other scripts are kept as they are.
[[nodiscard]] std::string NormalizeName(std::string_view text);
// Digits of a North American number without its country code, or all digits of another; empty below seven or when all are equal.
[[nodiscard]] std::string NormalizePhone(std::string_view text);
// Words in lower case with the postal service's abbreviations (USPS Publication 28), joined by single spaces.
[[nodiscard]] std::string NormalizeStreet(std::string_view text);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_DEMOGRAPHICS_H_
