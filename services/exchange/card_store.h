// Rows of order checks and cards: what the partition writer inserts and what is read back. SQL only; nothing is opened here.
// Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CARD_STORE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CARD_STORE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tenants/database.h"
#include "tenants/ids.h"
#include "tenants/partition_writer.h"

namespace custodian::exchange {

// Orders of a tenant, each counted once however often it was asked about (SAVINGS, T4).
struct ExchangeCounts {
  std::uint64_t checked = 0;
  std::uint64_t shown = 0;
  std::uint64_t accepted = 0;
  std::uint64_t overridden = 0;
  // Whose card's link was followed.
  std::uint64_t opened = 0;
  // Without feedback: as far as can be inferred, and now perhaps known better by feedback that came later.
  std::uint64_t inferred_cancelled = 0;
  std::uint64_t inferred_performed = 0;
};

// Where the ORDER_CHECKED of one check of an order lies.
struct StoredCheck {
  // Whose key opens its detail.
  PatientId patient;
  std::uint64_t entry_index = 0;
  // Network time of the commit.
  absl::Time checked;
};

enum class OrderState { kChecked, kShown, kAccepted, kOverridden, kOpened };
// From the order feed (order_feed.h), apart from all others.
enum class InferredState { kCancelled, kPerformed };

struct StoredAnswer {
  std::string digest;
  PatientId patient;
  std::string sealed;
};

struct StoredCard {
  PatientId patient;
  std::string sealed;
  // Network time at which it was shown.
  absl::Time shown;
};

struct StoredOutcome {
  std::int64_t ordinal = 0;
  bool accepted = false;
  std::string sealed;
};

// `entry`: position in the Write of the entry that proves the row.
[[nodiscard]] tenants::Row AnswerRow(std::string check_key, std::string digest, const PatientId& patient, std::string sealed,
                                     std::size_t entry);
[[nodiscard]] tenants::Row CardRow(std::string card_id, const PatientId& patient, std::string sealed, std::size_t entry);
[[nodiscard]] tenants::Row OutcomeRow(std::string card_id, std::int64_t ordinal, bool accepted, std::string sealed,
                                      std::size_t entry);
// A token used twice refuses the Write (AlreadyExists).
[[nodiscard]] tenants::Row JtiRow(std::string jti_sha256, absl::Time expires);
// An order that came so far before stays as it is.
[[nodiscard]] tenants::Row OrderStateRow(std::string order_key, OrderState state, std::size_t entry);

// That the order was asked about in this check; `entry`: its ORDER_CHECKED, which lies as far after the answer's.
[[nodiscard]] tenants::Row OrderCheckRow(std::string order_key, std::string check_key, std::size_t entry);

// A projection of stored records, without an entry.
[[nodiscard]] tenants::Row InferredRow(std::string order_key, InferredState state);

class CardStore {
 public:
  explicit CardStore(const tenants::Database& database) : database_(database) {}

  // What is known of a check: its first answer, and whether its token was used. One round trip.
  struct Known {
    bool jti_used = false;
    std::optional<StoredAnswer> answer;
  };
  [[nodiscard]] absl::StatusOr<Known> FindAnswer(std::string_view check_key, std::string_view jti_sha256) const;
  // Deletes tokens that expired before that time, a thousand at a time; how many were deleted.
  [[nodiscard]] absl::StatusOr<std::uint64_t> ForgetTokens(absl::Time expired_before) const;
  [[nodiscard]] absl::StatusOr<bool> IsJtiUsed(std::string_view jti_sha256) const;
  // Nothing for a card of another tenant, or of nobody.
  [[nodiscard]] absl::StatusOr<std::optional<StoredCard>> FindCard(std::string_view card_id) const;
  // By ordinal.
  [[nodiscard]] absl::StatusOr<std::vector<StoredOutcome>> Outcomes(std::string_view card_id) const;
  [[nodiscard]] absl::StatusOr<bool> HasCards(const PatientId& patient) const;
  // How far an order came, by the names of its states.
  [[nodiscard]] absl::StatusOr<std::set<std::string>> StatesOf(std::string_view order_key) const;
  // The order's newest checks, oldest first, at most so many.
  [[nodiscard]] absl::StatusOr<std::vector<StoredCheck>> ChecksOf(std::string_view order_key, int checks_max) const;
  [[nodiscard]] absl::StatusOr<ExchangeCounts> Counts() const;

 private:
  const tenants::Database& database_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CARD_STORE_H_
