#include "services/feeds/feed_store.h"

#include <pqxx/pqxx>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tenants/execute.h"

namespace custodian::feeds {
namespace {

using tenants::Bytes;
using tenants::CommitTime;
using tenants::Row;
using Cell = tenants::Value;

// A tenant has a handful; more would be an error of its engine's.
constexpr int kSendersMax = 1'000;

const tenants::Table kMessageTable{"feed.message",
                                   {{"message_key", "bytea"},
                                    {"body_digest", "bytea"},
                                    {"sender", "bytea"},
                                    {"accepted", "boolean"},
                                    {"results", "boolean"},
                                    {"sent_ms", "bigint"},
                                    {"sequence", "bigint"},
                                    {"arrived_ms", "bigint"}}};
const tenants::Table kSenderTable{"feed.sender", {{"sender", "bytea"}}, /*ignore_conflicts=*/true};
const tenants::Table kQuarantineTable{"feed.quarantine",
                                      {{"quarantine_id", "bytea"},
                                       {"message_key", "bytea"},
                                       {"body_digest", "bytea"},
                                       {"binary_id", "text"},
                                       {"message_type", "text"},
                                       {"code", "bigint"},
                                       {"place", "text"},
                                       {"reason", "text"},
                                       {"arrived_ms", "bigint"}}};
const tenants::Table kReplayTable{"feed.replay", {{"quarantine_id", "bytea"}, {"arrived_ms", "bigint"}}};

std::string BytesOf(const pqxx::field& field) { return pqxx::binarystring(field).str(); }
absl::Time TimeOf(const pqxx::field& field) { return absl::FromUnixMillis(field.as<std::int64_t>()); }
std::optional<absl::Time> MaybeTimeOf(const pqxx::field& field) { return field.is_null() ? std::nullopt : std::optional(TimeOf(field)); }
Cell Milliseconds(const std::optional<absl::Time>& time) { return time ? Cell(std::int64_t{absl::ToUnixMillis(*time)}) : Cell(std::monostate()); }

MessageRow ReadMessage(const pqxx::row& row) {
  MessageRow message{.key = BytesOf(row["message_key"]),
                     .body_digest = BytesOf(row["body_digest"]),
                     .sender = BytesOf(row["sender"]),
                     .accepted = row["accepted"].as<bool>(),
                     .results = row["results"].as<bool>(),
                     .sent = MaybeTimeOf(row["sent_ms"]),
                     .sequence = {},
                     .arrived = TimeOf(row["arrived_ms"])};
  if (!row["sequence"].is_null()) message.sequence = row["sequence"].as<std::int64_t>();
  return message;
}

QuarantineRow ReadQuarantined(const pqxx::row& row) {
  return {.id = BytesOf(row["quarantine_id"]),
          .message_key = BytesOf(row["message_key"]),
          .body_digest = BytesOf(row["body_digest"]),
          .binary_id = row["binary_id"].as<std::string>(),
          .message_type = row["message_type"].as<std::string>(),
          .code = static_cast<FaultCode>(row["code"].as<int>()),
          .place = row["place"].as<std::string>(),
          .reason = row["reason"].as<std::string>(),
          .arrived = TimeOf(row["arrived_ms"]),
          .replayed = MaybeTimeOf(row["replayed_ms"])};
}

constexpr char kMessageColumns[] = "SELECT message_key, body_digest, sender, accepted, results, sent_ms, sequence, arrived_ms FROM feed.message ";
constexpr char kQuarantineColumns[] =
    "SELECT q.quarantine_id, q.message_key, q.body_digest, q.binary_id, q.message_type, q.code, q.place, q.reason, q.arrived_ms, "
    "r.arrived_ms AS replayed_ms FROM feed.quarantine AS q LEFT JOIN feed.replay AS r ON r.quarantine_id = q.quarantine_id ";

template <typename Result, typename Read>
absl::StatusOr<std::optional<Result>> FindOne(const tenants::Database& database, const std::string& sql, const std::string& parameter, Read read) {
  std::optional<Result> found;
  const absl::Status status = database.ReadOne([&](tenants::ReadTransaction& transaction) {
    const pqxx::result rows = tenants::Execute(transaction, sql, pqxx::binarystring(parameter));
    if (!rows.empty()) found = read(rows[0]);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return found;
}

}  // namespace

Row RowOf(const MessageRow& row) {
  return {&kMessageTable,
          {Bytes{row.key}, Bytes{row.body_digest}, Bytes{row.sender}, row.accepted, row.results, Milliseconds(row.sent),
           row.sequence ? Cell(*row.sequence) : Cell(std::monostate()), CommitTime{}}};
}
Row SenderRow(const std::string& sender) { return {&kSenderTable, {Bytes{sender}}}; }
Row RowOf(const QuarantineRow& row) {
  return {&kQuarantineTable,
          {Bytes{row.id}, Bytes{row.message_key}, Bytes{row.body_digest}, row.binary_id, row.message_type,
           static_cast<std::int64_t>(row.code), row.place, row.reason, CommitTime{}}};
}
Row ReplayRow(const std::string& quarantine_id) { return {&kReplayTable, {Bytes{quarantine_id}, CommitTime{}}}; }

absl::StatusOr<std::optional<MessageRow>> FeedStore::FindMessage(const std::string& key) const {
  return FindOne<MessageRow>(database_, absl::StrCat(kMessageColumns, "WHERE message_key = $1"), key, ReadMessage);
}

absl::StatusOr<std::optional<MessageRow>> FeedStore::LastInSequence(const std::string& sender) const {
  return FindOne<MessageRow>(database_, absl::StrCat(kMessageColumns, "WHERE sender = $1 AND accepted AND sequence IS NOT NULL ORDER BY ordinal DESC LIMIT 1"),
                             sender, ReadMessage);
}

absl::StatusOr<std::vector<SenderState>> FeedStore::Senders() const {
  std::vector<SenderState> senders;
  const absl::Status status = database_.Read([&](tenants::ReadTransaction& transaction) {
    const pqxx::result rows = transaction.sql().exec_params(
        "SELECT s.sender, "
        "(SELECT m.sent_ms FROM feed.message AS m WHERE m.sender = s.sender AND m.results AND m.accepted AND m.sent_ms IS NOT NULL "
        "ORDER BY m.sent_ms DESC LIMIT 1) AS sent_ms, "
        "(SELECT m.arrived_ms FROM feed.message AS m WHERE m.sender = s.sender ORDER BY m.ordinal DESC LIMIT 1) AS arrived_ms "
        "FROM feed.sender AS s ORDER BY s.sender LIMIT $1",
        kSendersMax);
    for (const pqxx::row& row : rows) {
      senders.push_back({BytesOf(row["sender"]), MaybeTimeOf(row["sent_ms"]), MaybeTimeOf(row["arrived_ms"]).value_or(absl::UnixEpoch())});
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return senders;
}

absl::StatusOr<std::optional<QuarantineRow>> FeedStore::FindQuarantined(const std::string& id) const {
  return FindOne<QuarantineRow>(database_, absl::StrCat(kQuarantineColumns, "WHERE q.quarantine_id = $1"), id, ReadQuarantined);
}

absl::StatusOr<std::vector<QuarantineRow>> FeedStore::Quarantined(bool all, std::size_t rows_max) const {
  std::vector<QuarantineRow> quarantined;
  const absl::Status status = database_.Read([&](tenants::ReadTransaction& transaction) {
    const pqxx::result rows = transaction.sql().exec_params(
        absl::StrCat(kQuarantineColumns, all ? "" : "WHERE r.quarantine_id IS NULL ", "ORDER BY q.ordinal DESC LIMIT $1"), rows_max);
    for (const pqxx::row& row : rows) quarantined.push_back(ReadQuarantined(row));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return quarantined;
}

}  // namespace custodian::feeds
