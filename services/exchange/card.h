// What a CDS client is told: the service's description, cards, override reasons (CDS Hooks 2.0, "Discovery", "Card Attributes").
// A card never says that no prior exists, and names the patient nowhere. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CARD_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CARD_H_

#include <string>
#include <string_view>
#include <vector>

#include "services/exchange/cds_request.h"
#include "services/exchange/equivalence.h"
#include "services/exchange/exam.h"
#include "services/exchange/fhir_json.h"
#include "tenants/registry.h"

namespace custodian::exchange {

// One id for both hooks: CDS Hooks lets a server list "multiple entries of CDS service with the same id for different hooks".
inline constexpr std::string_view kServiceId = "prior-results";
inline constexpr std::string_view kOverrideReasons = "https://custodian.example/fhir/CodeSystem/override-reasons";

// CDS Hooks 3.0 ballot, "Non-Adherence Reason Codes".
inline constexpr std::string_view kHl7OverrideReasons = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes";
// HL7's code for a feedback's overrideReason: of ours the one it is mapped to, of HL7's its own; empty for others and for "other".
[[nodiscard]] std::string Hl7ReasonOf(const Json& override_reason);

// The answer to discovery, and the answer without cards.
[[nodiscard]] const std::string& DiscoveryBody();
inline constexpr std::string_view kNoCards = "{\"cards\":[]}";

struct CardFacts {
  // UUID texts; `suggestion` empty for a card that only informs.
  std::string uuid;
  std::string suggestion;
  const DraftOrder* order = nullptr;
  const ExamClass* exam_class = nullptr;
  const Exam* exam = nullptr;
  const ExamHolding* source = nullptr;
  tenants::Tenant source_tenant;
  // The tenant that performed the exam: the date is that of its zone.
  tenants::Tenant performing_tenant;
  // Where the result is viewed (card_link.h).
  std::string link_url;
  // The patient's consent permits it; else the legal basis that the source has recorded.
  bool by_consent = true;
  // What goes with a record of 42 CFR part 2; empty for others.
  std::string notice = "";
  // Of the result: "final", "amended", "corrected".
  std::string status = "final";
};

[[nodiscard]] Json CardJson(const CardFacts& facts);
// A card that was made while its result had another status, as it is shown again: says that the result was amended or corrected since.
void MarkAmended(const std::string& status, Json& card);
// It informs only.
void RemoveSuggestion(Json& card);
[[nodiscard]] std::string CardsBody(std::vector<Json> cards);

// At most `bytes_max` bytes, cut between characters and ended by "...".
[[nodiscard]] std::string Shortened(std::string_view text, std::size_t bytes_max);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CARD_H_
