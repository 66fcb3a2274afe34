#include "services/exchange/fact.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

const tenants::Table kFactTable{
    "savings.fact",
    {{"fact_id", "bytea"}, {"patient_id", "bytea"}, {"sealed", "bytea"}, {"arrived_ms", "bigint"}, {"entry_index", "bigint"}},
    /*ignore_conflicts=*/false, /*proved=*/true};

std::string SerializeFact(const Fact& fact) {
  // Keys sorted, integers only (SAVINGS T11).
  return Json::Object({{"avoidance_id", Json::String(fact.avoidance_id)},
                       {"card_id", Json::String(fact.card_id)},
                       {"class_id", Json::String(fact.class_id)},
                       {"kind", Json::String(fact.kind == Fact::Kind::kAcceptance ? "acceptance" : "withdrawal")},
                       {"laterality", Json::String(fact.laterality)},
                       {"modality", Json::String(fact.modality)},
                       {"order", Json::String(fact.order)},
                       {"source_resource", Json::String(fact.source_resource)},
                       {"source_tenant", Json::String(fact.source_tenant)},
                       {"t_ms", Json::Integer(absl::ToUnixMillis(fact.t))}})
      .Text();
}

absl::StatusOr<Fact> ParseFact(std::string_view json) {
  const auto parsed = Json::Parse(json);
  if (!parsed.ok() || !parsed->is_object()) return absl::DataLossError("a savings fact is no JSON object");
  Fact fact;
  for (const auto& [name, into] : {std::pair{"avoidance_id", &fact.avoidance_id},
                                   {"card_id", &fact.card_id},
                                   {"class_id", &fact.class_id},
                                   {"laterality", &fact.laterality},
                                   {"modality", &fact.modality},
                                   {"order", &fact.order},
                                   {"source_tenant", &fact.source_tenant}}) {
    const Json* member = parsed->Find(name);
    if (member == nullptr || !member->is_string()) return absl::DataLossError("a savings fact lacks a field");
    *into = member->text();
  }
  fact.source_resource = parsed->TextOf("source_resource");
  const std::string& kind = parsed->TextOf("kind");
  if (kind != "acceptance" && kind != "withdrawal") return absl::DataLossError("a savings fact is of no known kind");
  fact.kind = kind == "acceptance" ? Fact::Kind::kAcceptance : Fact::Kind::kWithdrawal;
  std::int64_t t_ms = 0;
  const Json& t = (*parsed)["t_ms"];
  if (!t.is_number() || !absl::SimpleAtoi(t.text(), &t_ms)) return absl::DataLossError("a savings fact has no time");
  fact.t = absl::FromUnixMillis(t_ms);
  return fact;
}

}  // namespace custodian::exchange
