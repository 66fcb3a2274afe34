// A tenant's prices as governed data (SAVINGS, T9): which price of an exam class is in force at a moment. Read from the CSV
// `class_id,valid_from,cents` of a TABLE_SET "prices" entry. Pure value; safe from any thread.
#ifndef CUSTODIAN_SERVICES_SAVINGS_PRICES_H_
#define CUSTODIAN_SERVICES_SAVINGS_PRICES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace custodian::savings {

// Largest price of one exam: one million dollars.
inline constexpr std::int64_t kPriceCentsMax = 100'000'000;

class PriceTable {
 public:
  // First line `class_id,valid_from,cents`; then a line a version: class id, UTC date (from its first millisecond on) or RFC 3339
  // time, whole cents from 0 to kPriceCentsMax. InvalidArgument that begins "line N: " for the first fault.
  [[nodiscard]] static absl::StatusOr<PriceTable> Parse(std::string_view csv);

  // Cents of the version in force at `t`; nothing when the class has none yet.
  [[nodiscard]] std::optional<std::int64_t> CentsAt(std::string_view class_id, absl::Time t) const;

 private:
  std::map<std::string, std::map<absl::Time, std::int64_t>, std::less<>> versions_;
};

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_PRICES_H_
