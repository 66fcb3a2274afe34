#include "services/savings/savings_store.h"

#include <limits>
#include <pqxx/pqxx>
#include <set>
#include <utility>

#include "tenants/binary_array.h"
#include "tenants/execute.h"

namespace custodian::savings {
namespace {

using tenants::BinaryArray;

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

std::int64_t Ms(absl::Time time) {
  if (time == absl::InfiniteFuture()) return kForever;
  if (time == absl::InfinitePast()) return std::numeric_limits<std::int64_t>::min();
  return absl::ToUnixMillis(time);
}

absl::Time TimeOf(std::int64_t ms) { return ms == kForever ? absl::InfiniteFuture() : absl::FromUnixMillis(ms); }

pqxx::binarystring Binary(const std::string& bytes) { return pqxx::binarystring(bytes); }

pqxx::binarystring ByteaArray(const std::vector<std::string>& values) {
  BinaryArray array(BinaryArray::Element::kBytea);
  for (const std::string& value : values) array.Add(value);
  return pqxx::binarystring(array.Encode());
}

std::string BytesOf(const pqxx::field& field) { return pqxx::binarystring(field).str(); }
std::string Text(const pqxx::field& field) { return field.as<std::string>(); }
std::int64_t Integer(const pqxx::field& field) { return field.as<std::int64_t>(); }
absl::Time TimeOf(const pqxx::field& field) { return TimeOf(Integer(field)); }
ledger::v1::Kind KindOf(const pqxx::field& field) { return static_cast<ledger::v1::Kind>(field.as<int>()); }
ledger::v1::Side SideOf(const pqxx::field& field) { return static_cast<ledger::v1::Side>(field.as<int>()); }

const char* NameOf(Standing standing) {
  switch (standing) {
    case Standing::kOpen: return "open";
    case Standing::kReversed: return "reversed";
    case Standing::kCensored: return "censored";
  }
  return "";
}

Standing StandingOf(const std::string& name) {
  if (name == "reversed") return Standing::kReversed;
  return name == "censored" ? Standing::kCensored : Standing::kOpen;
}

constexpr char kAvoidanceColumns[] =
    "a.avoidance_id, a.ordering_tenant, a.source_tenant, a.class_id, a.modality, a.cents, a.t_ms, a.deadline_ms, "
    "a.acceptance_index";

AvoidanceRow AvoidanceOf(const pqxx::row& row) {
  return {.avoidance_id = BytesOf(row[0]),
          .ordering_tenant = Text(row[1]),
          .source_tenant = Text(row[2]),
          .class_id = Text(row[3]),
          .modality = Text(row[4]),
          .cents = Integer(row[5]),
          .t = TimeOf(row[6]),
          .deadline = TimeOf(row[7]),
          .acceptance_index = Integer(row[8])};
}

// $1: as of; $2: the earlier of as of and the smallest watermark. T8 for what is open.
constexpr char kFigure[] =
    "CASE known.state WHEN 'open' THEN CASE WHEN a.deadline_ms <= $2 THEN 'confirmed' ELSE 'pending' END ELSE known.state END";

// Of avoidance `a` at $1. Of ranges the first that ends past the acceptance: an agent's follow each other.
constexpr char kWord[] =
    "CASE WHEN EXISTS (SELECT FROM savings.tenants_word w WHERE w.word_tenant = a.ordering_tenant AND w.kind = 'disputed'"
    " AND w.past_index = a.acceptance_index + 1 AND w.arrived_ms <= $1) THEN 'disputed'"
    " WHEN (SELECT w.first_index FROM savings.tenants_word w WHERE w.word_tenant = a.ordering_tenant AND w.kind = 'countersigned'"
    " AND w.past_index > a.acceptance_index AND w.arrived_ms <= $1 ORDER BY w.past_index LIMIT 1) <= a.acceptance_index THEN 'countersigned' ELSE '' END";

}  // namespace

std::vector<FactRow> ReadFacts(tenants::ReadTransaction& tenant, const PatientId& patient) {
  std::vector<FactRow> facts;
  for (const pqxx::row& row : tenants::Execute(tenant,
                                               "SELECT fact_id, sealed, arrived_ms, entry_index FROM savings.fact WHERE "
                                               "patient_id = $1 ORDER BY entry_index, fact_id",
                                               Binary(patient.bytes()))) {
    facts.push_back({BytesOf(row[0]), BytesOf(row[1]), TimeOf(row[2]), Integer(row[3])});
  }
  return facts;
}

absl::StatusOr<std::vector<PatientId>> ReadPatientsOfEntries(tenants::ReadTransaction& tenant,
                                                             const std::vector<std::int64_t>& entry_indexes) {
  BinaryArray array(BinaryArray::Element::kBigint);
  for (const std::int64_t index : entry_indexes) array.AddBigint(index);
  std::vector<PatientId> patients;
  for (const pqxx::row& row : tenant.sql().exec_params(
           "SELECT DISTINCT patient_id FROM savings.fact WHERE entry_index = ANY($1::bigint[]) ORDER BY patient_id",
           pqxx::binarystring(array.Encode()))) {
    auto patient = PatientId::FromBytes(BytesOf(row[0]));
    if (!patient.ok()) return absl::DataLossError("a savings fact names no patient");
    patients.push_back(*std::move(patient));
  }
  return patients;
}

std::vector<FeedRow> ReadFeed(tenants::ReadTransaction& tenant, std::int64_t after_entry_index, int limit) {
  std::vector<FeedRow> rows;
  for (const pqxx::row& row : tenant.sql().exec_params(
           "SELECT entry_index, kind, coalesce(from_ms, 0), through_ms, arrived_ms FROM savings.feed WHERE entry_index > $1 "
           "ORDER BY entry_index LIMIT $2",
           after_entry_index, limit)) {
    rows.push_back({Integer(row[0]), Text(row[1]) == "gap", TimeOf(row[2]), TimeOf(row[3]), TimeOf(row[4])});
  }
  return rows;
}

std::vector<WordRow> ReadTenantsWord(tenants::ReadTransaction& tenant, std::int64_t after_entry_index, int limit) {
  std::vector<WordRow> rows;
  for (const pqxx::row& row : tenant.sql().exec_params(
           "SELECT entry_index, kind, first_index, past_index, arrived_ms FROM savings.tenants_word WHERE entry_index > $1 ORDER BY entry_index LIMIT $2",
           after_entry_index, limit)) {
    rows.push_back({Integer(row[0]), Text(row[1]) == "disputed", Integer(row[2]), Integer(row[3]), TimeOf(row[4])});
  }
  return rows;
}

std::int64_t LastFeedIndex(tenants::ReadTransaction& network, const std::string& feed_tenant) {
  const pqxx::result rows =
      network.sql().exec_params("SELECT coalesce(max(entry_index), -1) FROM savings.feed WHERE feed_tenant = $1", feed_tenant);
  return Integer(rows[0][0]);
}

void InsertFeed(tenants::WriteTransaction& network, const std::string& feed_tenant, const std::vector<FeedRow>& rows) {
  for (const FeedRow& row : rows) {
    network.sql().exec_params(
        "INSERT INTO savings.feed (feed_tenant, entry_index, kind, from_ms, through_ms, arrived_ms) VALUES ($1, $2, $3, $4, $5, "
        "$6) "
        "ON CONFLICT DO NOTHING",
        feed_tenant, row.entry_index, row.is_gap ? "gap" : "watermark", Ms(row.from), Ms(row.through), Ms(row.arrived));
  }
}

std::int64_t LastWordIndex(tenants::ReadTransaction& network, const std::string& word_tenant) {
  const pqxx::result rows =
      network.sql().exec_params("SELECT coalesce(max(entry_index), -1) FROM savings.tenants_word WHERE word_tenant = $1", word_tenant);
  return Integer(rows[0][0]);
}

void InsertTenantsWord(tenants::WriteTransaction& network, const std::string& word_tenant, const std::vector<WordRow>& rows) {
  for (const WordRow& row : rows) {
    network.sql().exec_params(
        "INSERT INTO savings.tenants_word (word_tenant, entry_index, kind, first_index, past_index, arrived_ms) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT DO NOTHING",
        word_tenant, row.entry_index, row.is_dispute ? "disputed" : "countersigned", row.first, row.past, Ms(row.arrived));
  }
}

std::map<std::string, absl::Time> ReadWatermarks(tenants::ReadTransaction& network, absl::Time as_of) {
  std::map<std::string, absl::Time> watermarks;
  for (const pqxx::row& row : network.sql().exec_params("SELECT feed_tenant, max(through_ms) FROM savings.feed WHERE kind = "
                                                        "'watermark' AND arrived_ms <= $1 GROUP BY feed_tenant",
                                                        Ms(as_of))) {
    watermarks.emplace(Text(row[0]), TimeOf(row[1]));
  }
  return watermarks;
}

std::vector<Censoring> ReadGaps(tenants::ReadTransaction& network, absl::Time from, absl::Time to) {
  std::vector<Censoring> gaps;
  for (const pqxx::row& row : network.sql().exec_params(
           "SELECT from_ms, through_ms, arrived_ms FROM savings.feed WHERE kind = 'gap' AND from_ms < $2 AND through_ms > $1 "
           "ORDER BY from_ms, through_ms, arrived_ms",
           Ms(from), Ms(to))) {
    gaps.push_back({.from = TimeOf(row[0]), .to = TimeOf(row[1]), .arrived = TimeOf(row[2]), .why = "gap"});
  }
  return gaps;
}

std::vector<AcceptanceEntry> ReadOpenInGaps(tenants::ReadTransaction& network) {
  std::vector<AcceptanceEntry> entries;
  for (const pqxx::row& row : network.sql().exec_params(
           "SELECT DISTINCT a.ordering_tenant, a.acceptance_index FROM savings.avoidance a "
           "JOIN savings.known_state s ON s.avoidance_id = a.avoidance_id AND s.known_to_ms = $1 AND s.state = 'open' "
           "JOIN savings.feed g ON g.kind = 'gap' AND g.from_ms < a.deadline_ms AND g.through_ms > a.t_ms "
           "ORDER BY a.ordering_tenant, a.acceptance_index",
           kForever)) {
    entries.push_back({Text(row[0]), Integer(row[1])});
  }
  return entries;
}

std::map<std::string, AvoidanceRow> ReadAvoidances(tenants::ReadTransaction& network,
                                                   const std::vector<std::string>& avoidance_ids) {
  std::map<std::string, AvoidanceRow> avoidances;
  for (const pqxx::row& row : network.sql().exec_params(
           std::string("SELECT ") + kAvoidanceColumns + " FROM savings.avoidance a WHERE a.avoidance_id = ANY($1::bytea[])",
           ByteaArray(avoidance_ids))) {
    AvoidanceRow avoidance = AvoidanceOf(row);
    avoidances.emplace(avoidance.avoidance_id, std::move(avoidance));
  }
  return avoidances;
}

std::vector<KeptAvoidance> ReadKept(tenants::ReadTransaction& network, const std::string& after, int limit) {
  std::vector<KeptAvoidance> kept;
  for (const pqxx::row& row : network.sql().exec_params(
           std::string("SELECT ") + kAvoidanceColumns +
               ", a.month, a.due_ms, a.feed_due_ms FROM savings.avoidance a WHERE a.avoidance_id > $1 ORDER BY a.avoidance_id "
               "LIMIT $2",
           Binary(after), limit)) {
    KeptAvoidance avoidance{.row = AvoidanceOf(row), .month = Text(row[9]), .due = std::nullopt, .feed_due = std::nullopt};
    if (!row[10].is_null()) avoidance.due = TimeOf(row[10]);
    if (!row[11].is_null()) avoidance.feed_due = TimeOf(row[11]);
    kept.push_back(std::move(avoidance));
  }
  return kept;
}

std::vector<AcceptanceEntry> ReadAmbiguousAcceptances(tenants::ReadTransaction& network) {
  std::vector<AcceptanceEntry> entries;
  for (const pqxx::row& row : network.sql().exec("SELECT ordering_tenant, acceptance_index FROM savings.avoidance "
                                                 "GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY 1, 2"))
    entries.push_back({Text(row[0]), Integer(row[1])});
  return entries;
}

void InsertAvoidance(tenants::WriteTransaction& network, const AvoidanceRow& avoidance) {
  network.sql().exec_params(
      "INSERT INTO savings.avoidance (avoidance_id, ordering_tenant, source_tenant, class_id, modality, cents, month, t_ms, "
      "deadline_ms, acceptance_index) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
      Binary(avoidance.avoidance_id), avoidance.ordering_tenant, avoidance.source_tenant, avoidance.class_id, avoidance.modality,
      avoidance.cents, MonthOf(avoidance.t), Ms(avoidance.t), Ms(avoidance.deadline), avoidance.acceptance_index);
}

void LockAvoidances(tenants::WriteTransaction& network, const std::vector<std::string>& avoidance_ids) {
  network.sql().exec_params(
      "SELECT avoidance_id FROM savings.avoidance WHERE avoidance_id = ANY($1::bytea[]) ORDER BY avoidance_id FOR UPDATE",
      ByteaArray(avoidance_ids));
}

std::map<std::string, std::vector<KnownState>> ReadStates(tenants::ReadTransaction& network,
                                                          const std::vector<std::string>& avoidance_ids) {
  std::map<std::string, std::vector<KnownState>> states;
  for (const pqxx::row& row : network.sql().exec_params(
           "SELECT avoidance_id, known_from_ms, known_to_ms, state, why, reversed_by, ended_ms FROM savings.known_state "
           "WHERE avoidance_id = ANY($1::bytea[]) ORDER BY avoidance_id, known_from_ms",
           ByteaArray(avoidance_ids))) {
    KnownState state{.known_from = TimeOf(row[1]),
                     .known_to = TimeOf(row[2]),
                     .standing = StandingOf(Text(row[3])),
                     .why = Text(row[4]),
                     .reversed_by = Text(row[5]),
                     .ended_at = std::nullopt};
    if (!row[6].is_null()) state.ended_at = TimeOf(row[6]);
    states[BytesOf(row[0])].push_back(std::move(state));
  }
  return states;
}

void ReplaceStates(tenants::WriteTransaction& network, const std::string& avoidance_id, const std::vector<KnownState>& states) {
  network.sql().exec_params("DELETE FROM savings.known_state WHERE avoidance_id = $1", Binary(avoidance_id));
  for (const KnownState& state : states) {
    const std::int64_t ended = state.ended_at ? Ms(*state.ended_at) : 0;
    network.sql().exec_params(
        "INSERT INTO savings.known_state (avoidance_id, known_from_ms, known_to_ms, state, why, reversed_by, ended_ms) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        Binary(avoidance_id), Ms(state.known_from), Ms(state.known_to), NameOf(state.standing), state.why, state.reversed_by,
        state.ended_at ? &ended : nullptr);
  }
}

std::map<std::string, std::vector<Posting>> ReadPostings(tenants::ReadTransaction& network,
                                                         const std::vector<std::string>& avoidance_ids) {
  std::map<std::string, std::vector<Posting>> postings;
  for (const pqxx::row& row : network.sql().exec_params(
           "SELECT avoidance_id, log_tenant, kind, side, sequence, cents, exams, month, aggregate_month FROM savings.posting "
           "WHERE avoidance_id = ANY($1::bytea[]) ORDER BY avoidance_id, log_tenant, kind, side, sequence",
           ByteaArray(avoidance_ids))) {
    postings[BytesOf(row[0])].push_back({.log_tenant = Text(row[1]),
                                         .kind = KindOf(row[2]),
                                         .side = SideOf(row[3]),
                                         .sequence = Integer(row[4]),
                                         .cents = Integer(row[5]),
                                         .exams = Integer(row[6]),
                                         .month = Text(row[7]),
                                         .aggregate_month = Text(row[8])});
  }
  return postings;
}

std::int64_t NextAggregateNumber(tenants::ReadTransaction& network, const std::string& log_tenant, const std::string& month) {
  const pqxx::result rows = network.sql().exec_params(
      "SELECT coalesce(max(aggregate_number), 0) + 1 FROM savings.posting WHERE log_tenant = $1 AND aggregate_month = $2",
      log_tenant, month);
  return Integer(rows[0][0]);
}

void InsertPosting(tenants::WriteTransaction& network, const std::string& avoidance_id, const Posting& posting,
                   std::int64_t aggregate_number) {
  network.sql().exec_params(
      "INSERT INTO savings.posting (avoidance_id, log_tenant, kind, side, sequence, cents, exams, month, aggregate_month, "
      "aggregate_number) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      Binary(avoidance_id), posting.log_tenant, static_cast<int>(posting.kind), static_cast<int>(posting.side), posting.sequence,
      posting.cents, posting.exams, posting.month, posting.aggregate_month, aggregate_number);
}

void SetDue(tenants::WriteTransaction& network, const std::string& avoidance_id, std::optional<absl::Time> due,
            std::optional<absl::Time> feed_due) {
  const std::int64_t due_ms = due ? Ms(*due) : 0;
  const std::int64_t feed_due_ms = feed_due ? Ms(*feed_due) : 0;
  network.sql().exec_params("UPDATE savings.avoidance SET due_ms = $2, feed_due_ms = $3 WHERE avoidance_id = $1",
                            Binary(avoidance_id), due ? &due_ms : nullptr, feed_due ? &feed_due_ms : nullptr);
}

std::vector<std::string> ReadDue(tenants::ReadTransaction& network, absl::Time now, absl::Time watermark, int limit) {
  std::vector<std::string> ids;
  for (const pqxx::row& row : network.sql().exec_params("SELECT avoidance_id FROM savings.avoidance WHERE due_ms <= $1 OR "
                                                        "feed_due_ms <= $2 ORDER BY t_ms, avoidance_id LIMIT $3",
                                                        Ms(now), Ms(std::min(now, watermark)), limit)) {
    ids.push_back(BytesOf(row[0]));
  }
  return ids;
}

std::vector<WaitingPosting> ReadWaiting(tenants::ReadTransaction& network, const std::vector<std::string>* avoidance_ids,
                                        int limit) {
  std::vector<WaitingPosting> waiting;
  const pqxx::binarystring ids = ByteaArray(avoidance_ids ? *avoidance_ids : std::vector<std::string>());
  for (const pqxx::row& row : network.sql().exec_params(
           "SELECT p.avoidance_id, a.class_id, a.modality, p.log_tenant, p.kind, p.side, p.sequence, p.cents, p.exams, p.month "
           "FROM savings.posting p JOIN savings.avoidance a ON a.avoidance_id = p.avoidance_id "
           "WHERE p.entry_index IS NULL AND p.aggregate_month = '' AND ($1 OR p.avoidance_id = ANY($2::bytea[])) "
           "ORDER BY a.t_ms, p.avoidance_id, p.sequence % 2 DESC, p.kind, p.side, p.log_tenant, p.sequence LIMIT $3",
           avoidance_ids == nullptr, ids, limit)) {
    waiting.push_back({BytesOf(row[0]), Text(row[1]), Text(row[2]),
                       Posting{.log_tenant = Text(row[3]),
                               .kind = KindOf(row[4]),
                               .side = SideOf(row[5]),
                               .sequence = Integer(row[6]),
                               .cents = Integer(row[7]),
                               .exams = Integer(row[8]),
                               .month = Text(row[9]),
                               .aggregate_month = ""}});
  }
  return waiting;
}

void SetEntryIndex(tenants::WriteTransaction& network, const WaitingPosting& waiting, std::int64_t entry_index) {
  const Posting& posting = waiting.posting;
  network.sql().exec_params(
      "UPDATE savings.posting SET entry_index = $6 WHERE avoidance_id = $1 AND log_tenant = $2 AND kind = $3 AND side = $4 AND "
      "sequence = $5",
      Binary(waiting.avoidance_id), posting.log_tenant, static_cast<int>(posting.kind), static_cast<int>(posting.side),
      posting.sequence, entry_index);
}

std::vector<WaitingAggregate> ReadWaitingAggregates(tenants::ReadTransaction& network) {
  std::vector<WaitingAggregate> aggregates;
  // Over all rows of the aggregate: they were planned together and are marked together.
  for (const pqxx::row& row : network.sql().exec_params(
           "SELECT p.log_tenant, p.aggregate_month, p.aggregate_number, p.kind, p.side, a.class_id, a.modality, "
           "sum(p.cents)::bigint, sum(p.exams)::bigint FROM savings.posting p JOIN savings.avoidance a ON a.avoidance_id = "
           "p.avoidance_id "
           "WHERE p.entry_index IS NULL AND p.aggregate_month <> '' "
           "GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7")) {
    const std::string log_tenant = Text(row[0]);
    const std::string month = Text(row[1]);
    const std::int64_t number = Integer(row[2]);
    if (aggregates.empty() || aggregates.back().log_tenant != log_tenant || aggregates.back().month != month ||
        aggregates.back().number != number) {
      aggregates.push_back({log_tenant, month, number, {}});
    }
    aggregates.back().lines.push_back(
        {KindOf(row[3]), SideOf(row[4]), Text(row[5]), Text(row[6]), Integer(row[7]), Integer(row[8])});
  }
  return aggregates;
}

void SetEntryIndexes(tenants::WriteTransaction& network, const WaitingAggregate& aggregate, std::int64_t first_index) {
  for (std::size_t i = 0; i < aggregate.lines.size(); ++i) {
    const WaitingAggregate::Line& line = aggregate.lines[i];
    network.sql().exec_params(
        "UPDATE savings.posting p SET entry_index = $8 FROM savings.avoidance a WHERE a.avoidance_id = p.avoidance_id AND "
        "p.log_tenant = $1 AND p.aggregate_month = $2 AND p.aggregate_number = $3 AND p.kind = $4 AND p.side = $5 AND a.class_id "
        "= $6 AND a.modality = $7",
        aggregate.log_tenant, aggregate.month, aggregate.number, static_cast<int>(line.kind), static_cast<int>(line.side),
        line.class_id, line.modality, first_index + static_cast<std::int64_t>(i));
  }
}

std::vector<FigureRow> ReadFigures(tenants::ReadTransaction& network, absl::Time as_of, absl::Time watermark, bool tenants_view) {
  // `known` is what counts at $1. In the tenants' view ($3) a redo elsewhere counts as it was known at the end of the last month
  // ($4); one known since leaves the avoidance open for them. services/savings/postings.h defines the same for entries.
  const std::string sql =
      std::string(
          "WITH current AS ("
          "  SELECT s.avoidance_id, s.state, s.state = 'reversed' AND s.reversed_by <> '' AND s.reversed_by <> b.ordering_tenant "
          "AS elsewhere"
          "  FROM savings.known_state s JOIN savings.avoidance b ON b.avoidance_id = s.avoidance_id"
          "  WHERE s.known_from_ms <= $1 AND s.known_to_ms > $1"
          "), month_before AS ("
          "  SELECT s.avoidance_id FROM savings.known_state s JOIN savings.avoidance b ON b.avoidance_id = s.avoidance_id"
          "  WHERE $3 AND s.known_from_ms <= $4 AND s.known_to_ms > $4"
          "  AND s.state = 'reversed' AND s.reversed_by <> '' AND s.reversed_by <> b.ordering_tenant"
          "), known AS ("
          "  SELECT coalesce(c.avoidance_id, m.avoidance_id) AS avoidance_id,"
          "    CASE WHEN m.avoidance_id IS NOT NULL THEN 'reversed' WHEN $3 AND c.elsewhere THEN 'open' ELSE c.state END AS state"
          "  FROM current c FULL JOIN month_before m ON m.avoidance_id = c.avoidance_id"
          ") SELECT a.ordering_tenant, a.source_tenant, a.modality, a.month, ") +
      kFigure + " AS figure, " + kWord +
      " AS word, count(*), sum(a.cents)::bigint, sum(a.cents / 2)::bigint"
      " FROM known JOIN savings.avoidance a ON a.avoidance_id = known.avoidance_id GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6";
  std::vector<FigureRow> figures;
  for (const pqxx::row& row :
       network.sql().exec_params(sql, Ms(as_of), Ms(std::min(as_of, watermark)), tenants_view, Ms(TenantViewOf(as_of)))) {
    figures.push_back({Text(row[0]), Text(row[1]), Text(row[2]), Text(row[3]), Text(row[4]), Integer(row[6]), Integer(row[7]), Integer(row[8]),
                       Text(row[5])});
  }
  return figures;
}

std::vector<ListedAvoidance> ListAvoidances(tenants::ReadTransaction& network, const AvoidanceFilter& filter, absl::Time as_of,
                                            absl::Time watermark, int limit, int offset) {
  const std::string sql =
      std::string("SELECT ") + kAvoidanceColumns + ", " + kFigure +
      ", known.why FROM savings.known_state known JOIN savings.avoidance a ON a.avoidance_id = known.avoidance_id"
      " WHERE known.known_from_ms <= $1 AND known.known_to_ms > $1"
      " AND ($3 = '' OR ($4 <> 'source' AND a.ordering_tenant = $3) OR ($4 <> 'ordering' AND a.source_tenant = $3))"
      " AND ($5 = '' OR a.modality = $5) AND ($6 = '' OR a.month = $6) AND ($7 = '' OR " +
      kFigure +
      " = $7)"
      " ORDER BY a.t_ms DESC, a.avoidance_id LIMIT $8 OFFSET $9";
  std::vector<ListedAvoidance> list;
  std::vector<std::string> ids;
  std::map<std::string, std::size_t> place;
  for (const pqxx::row& row :
       network.sql().exec_params(sql, Ms(as_of), Ms(std::min(as_of, watermark)), filter.tenant, filter.side, filter.modality,
                                 filter.month, filter.state, limit, offset)) {
    place.emplace(BytesOf(row[0]), list.size());
    ids.push_back(BytesOf(row[0]));
    list.push_back({AvoidanceOf(row), Text(row[9]), Text(row[10]), {}});
  }
  for (const pqxx::row& row : network.sql().exec_params(
           "SELECT avoidance_id, log_tenant, kind, side, cents, aggregate_month <> '', entry_index FROM savings.posting "
           "WHERE avoidance_id = ANY($1::bytea[]) ORDER BY avoidance_id, entry_index, log_tenant, kind, side, sequence",
           ByteaArray(ids))) {
    ListedAvoidance::Entry entry{Text(row[1]), KindOf(row[2]), SideOf(row[3]), Integer(row[4]), row[5].as<bool>(), std::nullopt};
    if (!row[6].is_null()) entry.index = Integer(row[6]);
    list[place.at(BytesOf(row[0]))].entries.push_back(std::move(entry));
  }
  return list;
}

}  // namespace custodian::savings
