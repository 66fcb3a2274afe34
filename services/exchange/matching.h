// Who is certainly one person among patients that share tokens (DESIGN, section 7, "Matching"). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_MATCHING_H_
#define CUSTODIAN_SERVICES_EXCHANGE_MATCHING_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ledger/tree.h"
#include "services/exchange/patient_records.h"

namespace custodian::exchange {

// A patient as the locator knows them; tokens are opaque.
struct LocatedPatient {
  PatientLink link;
  // Equal tokens mean: same name, birth date and gender with a telephone, address or identifier (`name_tokens`), or same national
  // identifier and birth date with the family or given name (`identifier_tokens`).
  std::set<std::string> name_tokens;
  std::set<std::string> identifier_tokens;
  // National identifiers by kind.
  std::map<std::string, std::set<std::string>> national;
};

// SHA-256 of what is kept of the patient, which is part of it: equal demographics of two patients have different digests.
[[nodiscard]] ledger::Hash LocatorDigest(const LocatedPatient& located);

// The patients that are certainly the same person as `of`, itself included, ordered. `connected` holds everyone whom shared
// tokens connect to it, directly or through others.
//
// A shared token makes two patients one person unless their national identifiers of one kind differ. Name tokens alone are not
// certain where they connect a look-alike: if anyone so connected to `of` differs in a national identifier from another, or if
// a tenant keeps two of them as two patients that no identifier joins (twins, namesakes), then only identifier tokens count.
[[nodiscard]] std::vector<PatientLink> CertainlySame(const PatientLink& of, const std::vector<LocatedPatient>& connected);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_MATCHING_H_
