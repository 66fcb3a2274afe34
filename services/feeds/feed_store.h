// The rows of schema `feed`: which messages there were, and which are in quarantine. SQL only; nothing is opened here. Thread-safe.
#ifndef CUSTODIAN_SERVICES_FEEDS_FEED_STORE_H_
#define CUSTODIAN_SERVICES_FEEDS_FEED_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/feeds/hl7_message.h"
#include "tenants/database.h"
#include "tenants/partition_writer.h"

namespace custodian::feeds {

struct MessageRow {
  // 32 bytes each.
  std::string key;
  std::string body_digest;
  std::string sender;
  bool accepted = false;
  bool results = false;
  std::optional<absl::Time> sent;
  std::optional<std::int64_t> sequence;
  // Set when read.
  absl::Time arrived;
};

struct QuarantineRow {
  // 16 bytes.
  std::string id;
  std::string message_key;
  std::string body_digest;
  std::string binary_id;
  std::string message_type;
  FaultCode code = FaultCode::kInternal;
  // "PID^1^3".
  std::string place;
  std::string reason;
  // Set when read.
  absl::Time arrived;
  std::optional<absl::Time> replayed;
};

// How far a sender of results has come.
struct SenderState {
  std::string sender;
  std::optional<absl::Time> sent;
  absl::Time arrived;
};

[[nodiscard]] tenants::Row RowOf(const MessageRow& row);
[[nodiscard]] tenants::Row SenderRow(const std::string& sender);
[[nodiscard]] tenants::Row RowOf(const QuarantineRow& row);
[[nodiscard]] tenants::Row ReplayRow(const std::string& quarantine_id);

class FeedStore {
 public:
  explicit FeedStore(const tenants::Database& database) : database_(database) {}

  [[nodiscard]] absl::StatusOr<std::optional<MessageRow>> FindMessage(const std::string& key) const;
  // The newest accepted message of the sender that has a sequence number.
  [[nodiscard]] absl::StatusOr<std::optional<MessageRow>> LastInSequence(const std::string& sender) const;
  [[nodiscard]] absl::StatusOr<std::vector<SenderState>> Senders() const;

  [[nodiscard]] absl::StatusOr<std::optional<QuarantineRow>> FindQuarantined(const std::string& id) const;
  // Newest first; those that were replayed only with `all`.
  [[nodiscard]] absl::StatusOr<std::vector<QuarantineRow>> Quarantined(bool all, std::size_t rows_max) const;

 private:
  const tenants::Database& database_;
};

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_FEED_STORE_H_
