// Why exams are ordered, as governed data (DESIGN, section 7: "pregnancy, surveillance, procedure or trauma since the prior: information only"): which codes
// and words say so, and under which reasons a clinical committee found that a prior remains usable. Whatever is on no list may be any reason. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_ORDER_REASONS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_ORDER_REASONS_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

// As TABLE_SET names it: rows of the network and of a tenant, which add to those that come with the program (order_reasons.csv, which has no `usable`). Columns
// system,code,match,meaning,source. match: `exact` or `prefix` of a code, `word` (without system) anywhere in a display or text. meaning: `usable`,
// `pregnancy`, `surveillance` or `procedure-or-trauma`; a `usable` code takes nothing away from the others.
inline constexpr char kOrderReasonsTable[] = "order-reasons";

enum class ReasonMeaning { kUnlisted, kUsable, kPregnancy, kSurveillance, kProcedureOrTrauma };

class OrderReasons {
 public:
  // Those that come with the program.
  [[nodiscard]] static const OrderReasons& Shipped();
  // Rows of a table alone. InvalidArgument naming line and column.
  [[nodiscard]] static absl::StatusOr<OrderReasons> Parse(std::string_view csv);
  void Add(const OrderReasons& more);

  // What a CodeableConcept says, by all of its codings, displays and text. Usable only where every coding is listed so, and the text says no more than one
  // coding's display. Systems and codes count however they are written; ICD-10 means what ICD-10-CM does.
  [[nodiscard]] ReasonMeaning MeaningOf(const Json& concept_json) const;
  // What free text says: never that a prior is usable.
  [[nodiscard]] ReasonMeaning MeaningOfText(std::string_view text) const;

 private:
  struct Rule {
    std::string system;
    std::string code;
    ReasonMeaning meaning = ReasonMeaning::kUnlisted;
  };
  [[nodiscard]] ReasonMeaning MeaningOfCode(const Json& coding) const;

  std::map<std::pair<std::string, std::string>, std::vector<ReasonMeaning>> exact_;
  std::vector<Rule> prefixes_;
  std::vector<Rule> words_;
};

// "pregnancy", "surveillance", "procedure-or-trauma"; empty for the others.
[[nodiscard]] std::string_view ConcernOf(ReasonMeaning meaning);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_ORDER_REASONS_H_
