#include "services/exchange/card_store.h"

#include <algorithm>
#include <utility>

#include "tenants/execute.h"

namespace custodian::exchange {
namespace {

using tenants::Bytes;
using tenants::CommitTime;
using tenants::Execute;
using tenants::IndexOf;
using tenants::ReadTransaction;
using tenants::Row;
using tenants::WriteTransaction;

const tenants::Table kAnswerTable{"exchange.check_answer",
                                  {{"check_key", "bytea"},
                                   {"digest", "bytea"},
                                   {"patient_id", "bytea"},
                                   {"sealed", "bytea"},
                                   {"entry_index", "bigint"},
                                   {"arrived_ms", "bigint"}},
                                  /*ignore_conflicts=*/false, /*proved=*/true};
const tenants::Table kCardTable{
    "exchange.card",
    {{"card_id", "bytea"}, {"patient_id", "bytea"}, {"sealed", "bytea"}, {"entry_index", "bigint"}, {"arrived_ms", "bigint"}},
    /*ignore_conflicts=*/false, /*proved=*/true};
const tenants::Table kOutcomeTable{"exchange.card_outcome",
                                   {{"card_id", "bytea"},
                                    {"ordinal", "bigint"},
                                    {"outcome", "text"},
                                    {"sealed", "bytea"},
                                    {"entry_index", "bigint"},
                                    {"arrived_ms", "bigint"}},
                                   /*ignore_conflicts=*/false, /*proved=*/true};
const tenants::Table kJtiTable{"exchange.jti", {{"jti", "bytea"}, {"expires_ms", "bigint"}}};
const tenants::Table kOrderStateTable{
    "exchange.order_state", {{"order_key", "bytea"}, {"state", "text"}}, /*ignore_conflicts=*/true, /*proved=*/true};
const tenants::Table kOrderCheckTable{"exchange.order_check",
                                      {{"order_key", "bytea"}, {"check_key", "bytea"}, {"position", "bigint"}},
                                      /*ignore_conflicts=*/false, /*proved=*/true};
const tenants::Table kInferredTable{
    "exchange.order_inferred", {{"order_key", "bytea"}, {"state", "text"}}, /*ignore_conflicts=*/true};

const char* NameOf(InferredState state) { return state == InferredState::kCancelled ? "cancelled" : "performed"; }

const char* NameOf(OrderState state) {
  switch (state) {
    case OrderState::kChecked: return "checked";
    case OrderState::kShown: return "shown";
    case OrderState::kAccepted: return "accepted";
    case OrderState::kOverridden: return "overridden";
    case OrderState::kOpened: return "opened";
  }
  return "";
}

std::string BytesOf(const pqxx::field& field) { return pqxx::binarystring(field).str(); }
pqxx::binarystring Binary(std::string_view bytes) { return pqxx::binarystring(bytes.data(), bytes.size()); }

bool JtiUsed(ReadTransaction& transaction, std::string_view jti_sha256) {
  return !Execute(transaction, "SELECT 1 FROM exchange.jti WHERE jti = $1", Binary(jti_sha256)).empty();
}

}  // namespace

Row AnswerRow(std::string check_key, std::string digest, const PatientId& patient, std::string sealed, std::size_t entry) {
  return Row{&kAnswerTable,
             {Bytes{std::move(check_key)}, Bytes{std::move(digest)}, Bytes{patient.bytes()}, Bytes{std::move(sealed)},
              IndexOf{entry}, CommitTime{}},
             entry};
}

Row CardRow(std::string card_id, const PatientId& patient, std::string sealed, std::size_t entry) {
  return Row{&kCardTable,
             {Bytes{std::move(card_id)}, Bytes{patient.bytes()}, Bytes{std::move(sealed)}, IndexOf{entry}, CommitTime{}},
             entry};
}

Row OutcomeRow(std::string card_id, std::int64_t ordinal, bool accepted, std::string sealed, std::size_t entry) {
  return Row{&kOutcomeTable,
             {Bytes{std::move(card_id)}, ordinal, std::string(accepted ? "accepted" : "overridden"), Bytes{std::move(sealed)},
              IndexOf{entry}, CommitTime{}},
             entry};
}

Row JtiRow(std::string jti_sha256, absl::Time expires) {
  return Row{&kJtiTable, {Bytes{std::move(jti_sha256)}, static_cast<std::int64_t>(absl::ToUnixMillis(expires))}};
}

Row OrderStateRow(std::string order_key, OrderState state, std::size_t entry) {
  return Row{&kOrderStateTable, {Bytes{std::move(order_key)}, std::string(NameOf(state))}, entry};
}

Row OrderCheckRow(std::string order_key, std::string check_key, std::size_t entry) {
  // The answer's entry is the first of the Write.
  return Row{&kOrderCheckTable, {Bytes{std::move(order_key)}, Bytes{std::move(check_key)}, static_cast<std::int64_t>(entry)}, entry};
}

Row InferredRow(std::string order_key, InferredState state) {
  return Row{&kInferredTable, {Bytes{std::move(order_key)}, std::string(NameOf(state))}};
}

absl::StatusOr<CardStore::Known> CardStore::FindAnswer(std::string_view check_key, std::string_view jti_sha256) const {
  Known known;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        "SELECT answer.digest, answer.patient_id, answer.sealed, EXISTS (SELECT FROM exchange.jti WHERE jti = $2) "
        "FROM (SELECT 1) AS always LEFT JOIN exchange.check_answer AS answer ON answer.check_key = $1",
        Binary(check_key), Binary(jti_sha256));
    const pqxx::row row = rows.at(0);
    known.jti_used = row[3].as<bool>();
    if (row[0].is_null()) return absl::OkStatus();
    // The column's CHECK keeps it at 16 bytes.
    known.answer = StoredAnswer{BytesOf(row[0]), PatientId::FromBytes(BytesOf(row[1])).value(), BytesOf(row[2])};
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return known;
}

absl::StatusOr<std::uint64_t> CardStore::ForgetTokens(absl::Time expired_before) const {
  constexpr std::uint64_t kAtOnce = 1'000;
  std::uint64_t forgotten = 0;
  for (std::uint64_t deleted = kAtOnce; deleted == kAtOnce; forgotten += deleted) {
    const absl::Status status = database_.Write([&](WriteTransaction& transaction) -> absl::Status {
      deleted = Execute(transaction,
                        "DELETE FROM exchange.jti WHERE jti IN (SELECT jti FROM exchange.jti WHERE expires_ms < $1 ORDER BY expires_ms "
                        "LIMIT $2)",
                        absl::ToUnixMillis(expired_before), kAtOnce)
                    .affected_rows();
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
  }
  return forgotten;
}

absl::StatusOr<bool> CardStore::IsJtiUsed(std::string_view jti_sha256) const {
  bool used = false;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    used = JtiUsed(transaction, jti_sha256);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return used;
}

absl::StatusOr<std::optional<StoredCard>> CardStore::FindCard(std::string_view card_id) const {
  std::optional<StoredCard> card;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        "SELECT patient_id, sealed, arrived_ms FROM exchange.card WHERE card_id = $1", Binary(card_id));
    if (rows.empty()) return absl::OkStatus();
    card = StoredCard{PatientId::FromBytes(BytesOf(rows[0][0])).value(), BytesOf(rows[0][1]),
                      absl::FromUnixMillis(rows[0][2].as<std::int64_t>())};
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return card;
}

absl::StatusOr<std::vector<StoredOutcome>> CardStore::Outcomes(std::string_view card_id) const {
  std::vector<StoredOutcome> outcomes;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    // At most two, by the table's CHECK.
    const pqxx::result rows = Execute(transaction,
        "SELECT ordinal, outcome, sealed FROM exchange.card_outcome WHERE card_id = $1 ORDER BY ordinal LIMIT 2",
        Binary(card_id));
    for (const pqxx::row& row : rows)
      outcomes.push_back({row[0].as<std::int64_t>(), row[1].as<std::string>() == "accepted", BytesOf(row[2])});
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return outcomes;
}

absl::StatusOr<bool> CardStore::HasCards(const PatientId& patient) const {
  bool any = false;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    any = !Execute(transaction, "SELECT FROM exchange.card WHERE patient_id = $1 LIMIT 1", Binary(patient.bytes())).empty();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return any;
}

absl::StatusOr<std::set<std::string>> CardStore::StatesOf(std::string_view order_key) const {
  std::set<std::string> states;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    for (const pqxx::row& row : Execute(transaction, "SELECT state FROM exchange.order_state WHERE order_key = $1", Binary(order_key)))
      states.insert(row[0].as<std::string>());
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return states;
}

absl::StatusOr<std::vector<StoredCheck>> CardStore::ChecksOf(std::string_view order_key, int checks_max) const {
  std::vector<StoredCheck> checks;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        "SELECT answer.patient_id, answer.entry_index + one.position AS entry_index, answer.arrived_ms "
        "FROM exchange.order_check AS one JOIN exchange.check_answer AS answer USING (check_key) "
        "WHERE one.order_key = $1 ORDER BY answer.entry_index DESC LIMIT $2",
        Binary(order_key), checks_max);
    for (const pqxx::row& row : rows)
      checks.push_back({PatientId::FromBytes(BytesOf(row["patient_id"])).value(), row["entry_index"].as<std::uint64_t>(),
                        absl::FromUnixMillis(row["arrived_ms"].as<std::int64_t>())});
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  std::reverse(checks.begin(), checks.end());
  return checks;
}

absl::StatusOr<ExchangeCounts> CardStore::Counts() const {
  ExchangeCounts counts;
  const absl::Status status = database_.Read([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = transaction.sql().exec("SELECT state, count(*) FROM exchange.order_state GROUP BY state");
    for (const pqxx::row& row : rows) {
      const auto state = row[0].as<std::string>();
      const auto count = row[1].as<std::uint64_t>();
      if (state == NameOf(OrderState::kChecked)) counts.checked = count;
      if (state == NameOf(OrderState::kShown)) counts.shown = count;
      if (state == NameOf(OrderState::kAccepted)) counts.accepted = count;
      if (state == NameOf(OrderState::kOverridden)) counts.overridden = count;
      if (state == NameOf(OrderState::kOpened)) counts.opened = count;
    }
    // Feedback that came later than what was inferred has the last word.
    for (const pqxx::row& row : transaction.sql().exec(
             "SELECT state, count(*) FROM exchange.order_inferred AS one WHERE NOT EXISTS (SELECT FROM exchange.order_state "
             "WHERE order_key = one.order_key AND state IN ('accepted', 'overridden')) GROUP BY state")) {
      const bool cancelled = row[0].as<std::string>() == NameOf(InferredState::kCancelled);
      (cancelled ? counts.inferred_cancelled : counts.inferred_performed) = row[1].as<std::uint64_t>();
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return counts;
}

}  // namespace custodian::exchange
