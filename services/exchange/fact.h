// What the exchange hands to savings: rows of `savings.fact` in the ordering tenant's database, written in the same Write as
// the entry that proves them, sealed under the patient's key. Thread-safe, pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FACT_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FACT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tenants/partition_writer.h"

namespace custodian::exchange {

// Columns: fact_id bytea (16, primary key, the seal's record name), patient_id bytea, sealed bytea, arrived_ms bigint,
// entry_index bigint (CARD_ACCEPTED or CARD_OVERRIDDEN of this fact).
extern const tenants::Table kFactTable;

struct Fact {
  enum class Kind { kAcceptance, kWithdrawal };
  Kind kind = Kind::kAcceptance;
  // Opaque card id, joins a withdrawal to its acceptance.
  std::string card_id;
  // ServiceRequest identifier, "system|value".
  std::string order;
  std::string class_id;
  std::string modality;
  // "left", "right", "bilateral" or empty.
  std::string laterality;
  std::string source_tenant;
  // "Type/id" of the prior there; empty in facts of before corrections were told.
  std::string source_resource;
  // outcomeTimestamp by T5.
  absl::Time t;
  // 32 hex digits, random: the one-time subject of this avoidance's entries.
  std::string avoidance_id;
};

[[nodiscard]] std::string SerializeFact(const Fact& fact);
[[nodiscard]] absl::StatusOr<Fact> ParseFact(std::string_view json);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FACT_H_
