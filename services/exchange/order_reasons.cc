#include "services/exchange/order_reasons.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "services/consent/code_system.h"
#include "services/consent/governed_table.h"
#include "services/exchange/data_files.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kRowsMax = 10'000;

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); });
  return lower;
}

std::string SystemOf(std::string_view written) {
  std::string system = consent::CanonicalSystem(written);
  return system == consent::kIcd10 ? consent::kIcd10Cm : system;
}

// A concern is heard over what is usable.
ReasonMeaning Graver(ReasonMeaning a, ReasonMeaning b) {
  if (!ConcernOf(a).empty()) return a;
  if (!ConcernOf(b).empty()) return b;
  return a == ReasonMeaning::kUsable ? a : b;
}

}  // namespace

std::string_view ConcernOf(ReasonMeaning meaning) {
  switch (meaning) {
    case ReasonMeaning::kPregnancy: return "pregnancy";
    case ReasonMeaning::kSurveillance: return "surveillance";
    case ReasonMeaning::kProcedureOrTrauma: return "procedure-or-trauma";
    case ReasonMeaning::kUnlisted:
    case ReasonMeaning::kUsable: break;
  }
  return "";
}

const OrderReasons& OrderReasons::Shipped() {
  static const auto* const kShipped = new OrderReasons(Parse(ShippedOrderReasonsCsv()).value());
  return *kShipped;
}

absl::StatusOr<OrderReasons> OrderReasons::Parse(std::string_view csv) {
  const auto table = consent::GovernedTable::Parse(kOrderReasonsTable, csv, {"system", "code", "match", "meaning", "source"});
  if (!table.ok()) return table.status();
  if (table->size() > kRowsMax) return absl::InvalidArgumentError("order-reasons: more than 10,000 rows");
  OrderReasons reasons;
  for (std::size_t row = 0; row < table->size(); ++row) {
    const std::string& match = table->Text(row, "match");
    const std::string& meaning = table->Text(row, "meaning");
    if (match != "exact" && match != "prefix" && match != "word") return table->Fault(row, "match", "must be exact, prefix or word");
    if (table->Text(row, "system").empty() != (match == "word")) return table->Fault(row, "system", "goes with exact and prefix, and with them always");
    if (table->Text(row, "code").empty()) return table->Fault(row, "code", "is empty");
    if (table->Text(row, "source").empty()) return table->Fault(row, "source", "is empty: each row names where it comes from");
    Rule rule;
    for (const ReasonMeaning known : {ReasonMeaning::kPregnancy, ReasonMeaning::kSurveillance, ReasonMeaning::kProcedureOrTrauma})
      if (meaning == ConcernOf(known)) rule.meaning = known;
    if (meaning == "usable") rule.meaning = ReasonMeaning::kUsable;
    if (rule.meaning == ReasonMeaning::kUnlisted) return table->Fault(row, "meaning", "must be usable, pregnancy, surveillance or procedure-or-trauma");
    if (match == "word") {
      if (rule.meaning == ReasonMeaning::kUsable) return table->Fault(row, "meaning", "usable is a code, never a word");
      rule.code = Lower(table->Text(row, "code"));
      reasons.words_.push_back(std::move(rule));
      continue;
    }
    rule.system = SystemOf(table->Text(row, "system"));
    rule.code = consent::CanonicalCode(rule.system, table->Text(row, "code"));
    if (match == "exact") {
      reasons.exact_[{rule.system, rule.code}].push_back(rule.meaning);
    } else {
      reasons.prefixes_.push_back(std::move(rule));
    }
  }
  return reasons;
}

void OrderReasons::Add(const OrderReasons& more) {
  for (const auto& [code, meanings] : more.exact_) {
    std::vector<ReasonMeaning>& known = exact_[code];
    known.insert(known.end(), meanings.begin(), meanings.end());
  }
  prefixes_.insert(prefixes_.end(), more.prefixes_.begin(), more.prefixes_.end());
  words_.insert(words_.end(), more.words_.begin(), more.words_.end());
}

ReasonMeaning OrderReasons::MeaningOfCode(const Json& coding) const {
  const std::string system = SystemOf(coding.TextOf("system"));
  const std::string code = consent::CanonicalCode(system, coding.TextOf("code"));
  ReasonMeaning meaning = ReasonMeaning::kUnlisted;
  if (system.empty() || code.empty()) return meaning;
  if (const auto found = exact_.find({system, code}); found != exact_.end())
    for (const ReasonMeaning one : found->second) meaning = Graver(meaning, one);
  for (const Rule& rule : prefixes_)
    if (rule.system == system && code.starts_with(rule.code)) meaning = Graver(meaning, rule.meaning);
  return meaning;
}

ReasonMeaning OrderReasons::MeaningOfText(std::string_view text) const {
  const std::string lower = Lower(text);
  for (const Rule& word : words_)
    if (lower.find(word.code) != std::string::npos) return word.meaning;
  return ReasonMeaning::kUnlisted;
}

ReasonMeaning OrderReasons::MeaningOf(const Json& concept_json) const {
  const std::string text = Lower(concept_json.TextOf("text"));
  bool all_usable = !concept_json["coding"].items().empty();
  bool text_is_display = text.empty();
  ReasonMeaning concern = MeaningOfText(text);
  for (const Json& coding : concept_json["coding"].items()) {
    const ReasonMeaning meaning = MeaningOfCode(coding);
    all_usable = all_usable && meaning == ReasonMeaning::kUsable;
    concern = Graver(concern, Graver(meaning, MeaningOfText(coding.TextOf("display"))));
    text_is_display = text_is_display || text == Lower(coding.TextOf("display"));
  }
  if (!ConcernOf(concern).empty()) return concern;
  return all_usable && text_is_display ? ReasonMeaning::kUsable : ReasonMeaning::kUnlisted;
}

}  // namespace custodian::exchange
