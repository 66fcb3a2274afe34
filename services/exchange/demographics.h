// What identifies a person, read from FHIR Patients and normalised: names, birth date, telephones, addresses, identifiers. Only
// keyed hashes of it leave the process (locator_values.h). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_DEMOGRAPHICS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_DEMOGRAPHICS_H_

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

struct StreetAddress {
  // The first word with a digit ("12", "12b"), and the street without it, its type and what stands behind "apt"; normalised.
  std::string number;
  std::string street;
  // Everything, as NormalizeStreet gives it.
  std::string line;
  // First five characters of the postal code.
  std::string postal;
  std::string city;
  auto operator<=>(const StreetAddress&) const = default;
};

struct Demographics {
  // Names borne now, whole ("garcialopez").
  std::vector<std::string> family;
  // Names given up (maiden, old, of earlier versions), and the parts of compound ones.
  std::vector<std::string> other_family;
  // First given names, whole and, of several words or written as one, the first.
  std::vector<std::string> given;
  // Initials of further given names.
  std::vector<std::string> middle;
  // One of them stands by itself. Of "Mary Ann" nobody knows: she may have another middle name.
  bool middle_apart = false;
  // "jr", "sr", "iii", "iv"; "jr" stands for "ii" too.
  std::string suffix;
  // Full date, "1970-04-05"; empty otherwise and for the dates that stand for "unknown" in many systems.
  std::string birth_date;
  // One of twins, triplets or more, as far as said.
  bool multiple_birth = false;
  // "female", "male" or "other".
  std::string sex;
  // Telephones and e-mail addresses.
  std::vector<std::string> contacts;
  std::vector<StreetAddress> addresses;
  // Kind and value of each national identifier. A tenant's own numbers are none.
  std::vector<std::pair<std::string, std::string>> national;
};

// Of a FHIR Patient. `earlier` are its former versions: their family names are names given up.
[[nodiscard]] Demographics ReadDemographics(const Json& patient, std::span<const Json> earlier = {});

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_DEMOGRAPHICS_H_
