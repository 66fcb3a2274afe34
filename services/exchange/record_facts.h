// What a stored record is, as far as consent rules ask: type, codes, security labels, clinical time, what it refers to (consent::Data). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_RECORD_FACTS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_RECORD_FACTS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/consent/decide.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

struct RecordFacts {
  // Labels are those that the record itself carries (meta.security); `referrers` stays empty.
  consent::Data data;
  // What it is made of, "Type/id": results of a report, members of a panel, entries of a document. What is sensitive in a part is in the whole, and
  // the other way round.
  std::vector<std::string> parts;
  // What it says it is part of (partOf).
  std::vector<std::string> wholes;
  // What it came about in, by and for: encounter, order (basedOn), reason. What is sensitive there is in it.
  std::vector<std::string> context;
};

// meta.security (http://hl7.org/fhir/R4/security-labels.html): v3-Confidentiality U to V is a rank; codes for the sensitivity of
// information, and every code of a system that is not HL7's, are labels; purposes, integrity, obligations and refrains are none. Systems and codes count
// however they are written (services/consent/code_system.h). Times: the
// first of effective, started, performed, occurrence, onset, period, authoredOn, recordedDate, date, issued, created, recorded, sent.
[[nodiscard]] RecordFacts FactsOf(const Json& resource, absl::TimeZone zone);

// What it is made of and part of, and nothing else: for whoever asks that of every record of a chart.
struct Links {
  std::vector<std::string> parts;
  std::vector<std::string> wholes;
};
[[nodiscard]] Links LinksOf(const Json& resource);

// Of two codes of v3-Confidentiality the higher, "N" included.
[[nodiscard]] std::string MoreConfidential(const std::string& a, const std::string& b);

// "Type/id" of a reference to a resource of this server, without version; empty for anything else.
[[nodiscard]] std::string TargetOf(std::string_view reference);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_RECORD_FACTS_H_
