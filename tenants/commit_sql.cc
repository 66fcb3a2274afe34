// The SQL of a commit (commit_plan.h).
#include <algorithm>
#include <set>

#include "fmt/format.h"
#include "ledger/tiles.h"
#include "tenants/binary_array.h"
#include "tenants/commit_plan.h"
#include "tenants/commit_statement.h"
#include "tenants/execute.h"
#include "tenants/log_rows.h"

namespace custodian::tenants {
namespace {

using Element = BinaryArray::Element;

pqxx::binarystring Parameter(const BinaryArray& array) { return pqxx::binarystring(array.Encode()); }

void LookUpAnswers(ReadTransaction& transaction, std::span<QueuedWrite* const> writes, Lookups& lookups) {
  BinaryArray authors(Element::kText);
  BinaryArray keys(Element::kBytea);
  for (const QueuedWrite* write : writes) {
    for (const IdempotencyItem& item : write->items) {
      authors.Add(item.author);
      keys.Add(item.key);
    }
  }
  const pqxx::result rows = Execute(transaction,
      "SELECT i.author, i.key, i.request_digest, i.first_index, i.count, i.time_ms, i.witnessed_by_ms FROM unnest($1::text[], $2::bytea[]) AS asked(author, key) "
      "CROSS JOIN LATERAL (SELECT * FROM ledger.idempotency WHERE author = asked.author AND key = asked.key LIMIT 1) AS i",
      Parameter(authors), Parameter(keys));
  for (const pqxx::row& row : rows) {
    Lookups::Answer answer{.digest = pqxx::binarystring(row[2]).str(),
                           .first_index = static_cast<std::uint64_t>(row[3].as<std::int64_t>()),
                           .count = static_cast<std::uint64_t>(row[4].as<std::int64_t>()),
                           .time_ms = row[5].as<std::int64_t>(),
                           .witnessed_by_ms = row[6].as<std::int64_t>(),
                           .leaf_hashes = {}};
    lookups.answers.insert_or_assign(std::pair(row[0].as<std::string>(), pqxx::binarystring(row[1]).str()), std::move(answer));
  }
}

bool AnyCounter(std::span<QueuedWrite* const> writes) {
  return std::any_of(writes.begin(), writes.end(), [](const QueuedWrite* write) {
    return std::any_of(write->items.begin(), write->items.end(), [](const IdempotencyItem& item) { return item.counter.has_value(); });
  });
}

void LookUpCounters(ReadTransaction& transaction, std::span<QueuedWrite* const> writes, Lookups& lookups) {
  BinaryArray authors(Element::kText);
  BinaryArray counters(Element::kBigint);
  for (const QueuedWrite* write : writes) {
    for (const IdempotencyItem& item : write->items) {
      if (!item.counter) continue;
      authors.Add(item.author);
      counters.AddBigint(*item.counter);
    }
  }
  for (const pqxx::row& row : Execute(transaction,
           "SELECT i.author, i.counter FROM unnest($1::text[], $2::bigint[]) AS asked(author, counter) CROSS JOIN LATERAL "
           "(SELECT author, counter FROM ledger.idempotency WHERE author = asked.author AND counter = asked.counter LIMIT 1) AS i",
           Parameter(authors), Parameter(counters))) {
    lookups.counters.emplace(row[0].as<std::string>(), row[1].as<std::int64_t>());
  }
}

// Those whose consent version matters.
std::set<std::string> PatientsIn(std::span<QueuedWrite* const> writes) {
  std::set<std::string> patients;
  for (const QueuedWrite* write : writes) {
    for (const ExpectConsentVersion& expected : write->write.expectations) patients.insert(expected.patient.bytes());
    for (const PatientId& patient : write->write.consent_changed) patients.insert(patient.bytes());
  }
  return patients;
}

void LookUpConsents(ReadTransaction& transaction, const std::set<std::string>& patients, Lookups& lookups) {
  BinaryArray ids(Element::kBytea);
  for (const std::string& patient : patients) ids.Add(patient);
  for (const pqxx::row& row : Execute(transaction,
           "SELECT patient_id, version FROM ledger.consent_version WHERE patient_id = ANY($1::bytea[])", Parameter(ids))) {
    lookups.consent_versions.emplace(pqxx::binarystring(row[0]).str(), row[1].as<std::int64_t>());
  }
}

absl::Status LookUpConsents(const Database& database, std::span<QueuedWrite* const> writes, KnownConsents& known, Lookups& lookups) {
  std::set<std::string> unknown = PatientsIn(writes);
  std::erase_if(unknown, [&](const std::string& patient) {
    const std::int64_t* version = known.Find(patient);
    if (version != nullptr) lookups.consent_versions.emplace(patient, *version);
    return version != nullptr;
  });
  if (unknown.empty()) return absl::OkStatus();
  absl::Status status = database.ReadOne([&](ReadTransaction& transaction) {
    LookUpConsents(transaction, unknown, lookups);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  for (const std::string& patient : unknown) {
    const auto found = lookups.consent_versions.find(patient);
    known.Set(patient, found == lookups.consent_versions.end() ? 0 : found->second);
  }
  return absl::OkStatus();
}

// First of all: its row lock is what a writer that settles a doubt waits for; and an epoch that is over ends it.
void SwapHead(const CommitPlan& plan, CommitStatement& statement) {
  const LogState& next = plan.next;
  std::string unanswered;
  if (plan.if_unanswered) {
    BinaryArray authors(Element::kText);
    BinaryArray keys(Element::kBytea);
    // The first of each write is enough to find what is sent again without having begun to store it; that no other is there, the primary key holds.
    for (const CommitPlan::NewAnswer& answer : plan.answers) {
      if (answer.item->offset != 0) continue;
      authors.Add(answer.item->author);
      keys.Add(answer.item->key);
    }
    unanswered = fmt::format(
        " AND NOT EXISTS (SELECT FROM unnest({}, {}) AS asked(author, key) CROSS JOIN LATERAL "
        "(SELECT FROM ledger.idempotency WHERE author = asked.author AND key = asked.key LIMIT 1) AS i)",
        statement.Array(authors), statement.Array(keys));
  }
  statement.SwapHead(fmt::format(
      "UPDATE ledger.head SET size = {}, root = {}, nodes = {}, author_counter = {}, time_ms = {}, anchor_size = {}, anchor_root = {} "
      "WHERE size = {} AND epoch = {}{}",
      statement.Bigint(static_cast<std::int64_t>(next.size())), statement.Bytea(ledger::AsBytes(next.Root())), statement.Bytea(next.Nodes()),
      statement.Bigint(next.author_counter), statement.Bigint(next.time_ms), statement.Bigint(static_cast<std::int64_t>(next.anchor_size)),
      statement.Bytea(ledger::AsBytes(next.anchor_root)), statement.Bigint(static_cast<std::int64_t>(plan.size_before)),
      statement.Bigint(next.epoch), unanswered));
}

absl::Status InsertBatch(const CommitPlan& plan, CommitStatement& statement) {
  if (plan.leaves.empty()) return absl::OkStatus();
  const auto bundle = ledger::EncodeBundle(plan.leaves);
  if (!bundle.ok()) return bundle.status();
  std::string hashes;
  for (const ledger::Hash& hash : plan.leaf_hashes) hashes.append(ledger::AsBytes(hash));
  statement.Insert(fmt::format("INSERT INTO ledger.batch (first_index, count, leaves, leaf_hashes, time_ms) SELECT {}, {}, {}, {}, {} FROM head",
                               statement.Bigint(static_cast<std::int64_t>(plan.size_before)),
                               statement.Bigint(static_cast<std::int64_t>(plan.leaves.size())), statement.Bytea(*bundle), statement.Bytea(hashes),
                               statement.Bigint(plan.next.time_ms)));
  statement.Insert(fmt::format("INSERT INTO ledger.checkpoint (size, root) SELECT {}, {} FROM head",
                               statement.Bigint(static_cast<std::int64_t>(plan.next.size())), statement.Bytea(ledger::AsBytes(plan.next.Root()))));
  return absl::OkStatus();
}

void InsertTiles(const CommitPlan& plan, CommitStatement& statement) {
  if (plan.tiles.empty()) return;
  BinaryArray levels(Element::kBigint);
  BinaryArray indexes(Element::kBigint);
  BinaryArray bytes(Element::kBytea);
  for (const FullTile& tile : plan.tiles) {
    levels.AddBigint(tile.level);
    indexes.AddBigint(static_cast<std::int64_t>(tile.index));
    bytes.Add(tile.bytes);
  }
  statement.Insert(fmt::format("INSERT INTO ledger.tile (level, index, bytes) SELECT l, i, b FROM head, unnest({}, {}, {}) AS u(l, i, b)",
                               statement.Array(levels), statement.Array(indexes), statement.Array(bytes)));
}

void InsertAnswers(const CommitPlan& plan, CommitStatement& statement) {
  BinaryArray authors(Element::kText);
  BinaryArray keys(Element::kBytea);
  BinaryArray digests(Element::kBytea);
  BinaryArray firsts(Element::kBigint);
  BinaryArray counts(Element::kBigint);
  BinaryArray counters(Element::kBigint);
  for (const CommitPlan::NewAnswer& answer : plan.answers) {
    authors.Add(answer.item->author);
    keys.Add(answer.item->key);
    digests.Add(answer.item->digest);
    firsts.AddBigint(static_cast<std::int64_t>(answer.first_index));
    counts.AddBigint(static_cast<std::int64_t>(answer.item->count));
    if (answer.item->counter) {
      counters.AddBigint(*answer.item->counter);
    } else {
      counters.AddNull();
    }
  }
  statement.Insert(fmt::format(
      "INSERT INTO ledger.idempotency (author, key, request_digest, first_index, count, counter, time_ms, witnessed_by_ms) "
      "SELECT a, k, d, f, c, n, {}, {} FROM head, unnest({}, {}, {}, {}, {}, {}) AS u(a, k, d, f, c, n)",
      statement.Bigint(plan.next.time_ms), statement.Bigint(plan.witnessed_by_ms), statement.Array(authors), statement.Array(keys),
      statement.Array(digests), statement.Array(firsts), statement.Array(counts), statement.Array(counters)));
}

void SetConsentVersions(const CommitPlan& plan, CommitStatement& statement) {
  if (plan.consent_versions.empty()) return;
  BinaryArray patients(Element::kBytea);
  BinaryArray versions(Element::kBigint);
  for (const auto& [patient, version] : plan.consent_versions) {
    patients.Add(patient);
    versions.AddBigint(version);
  }
  statement.Insert(fmt::format(
      "INSERT INTO ledger.consent_version (patient_id, version) SELECT p, v FROM head, unnest({}, {}) AS u(p, v) "
      "ON CONFLICT (patient_id) DO UPDATE SET version = EXCLUDED.version",
      statement.Array(patients), statement.Array(versions)));
}

absl::Status MakeStatement(const CommitPlan& plan, CommitStatement& statement) {
  SwapHead(plan, statement);
  if (absl::Status batch = InsertBatch(plan, statement); !batch.ok()) return batch;
  InsertTiles(plan, statement);
  InsertAnswers(plan, statement);
  SetConsentVersions(plan, statement);
  plan.rows.AddTo(statement);
  return absl::OkStatus();
}

absl::Status ExecuteStatement(const CommitPlan& plan, const CommitStatement& statement, WriteTransaction& transaction, bool& lost_head) {
  if (statement.Execute(transaction)) return absl::OkStatus();
  if (plan.if_unanswered) return absl::AlreadyExistsError("one of the writes may have been answered before");
  lost_head = true;
  return absl::AbortedError("the head of the log has moved");
}

}  // namespace

// Without answers, no counters either: that one was used before, the commit finds as it finds an answer, by the index that is unique in it.
// Answers last: what another writer admits meanwhile is then found as an answer, not as a counter that was used.
absl::StatusOr<Lookups> LookUp(const Database& database, std::span<QueuedWrite* const> writes, bool with_answers, KnownConsents& consents) {
  Lookups lookups;
  lookups.with_answers = with_answers;
  absl::Status status;
  if (with_answers && AnyCounter(writes))
    status = database.ReadOne([&](ReadTransaction& transaction) {
      LookUpCounters(transaction, writes, lookups);
      return absl::OkStatus();
    });
  if (status.ok()) status = LookUpConsents(database, writes, consents, lookups);
  if (status.ok() && with_answers)
    status = database.ReadOne([&](ReadTransaction& transaction) {
      LookUpAnswers(transaction, writes, lookups);
      return absl::OkStatus();
    });
  if (status.ok() && !lookups.answers.empty())
    status = database.Read([&](ReadTransaction& transaction) -> absl::Status {
      for (auto& [item, answer] : lookups.answers) {
        auto hashes = ReadLeafHashes(transaction, answer.first_index, answer.count);
        if (!hashes.ok()) return hashes.status();
        answer.leaf_hashes = *std::move(hashes);
      }
      return absl::OkStatus();
    });
  if (!status.ok()) return status;
  return lookups;
}

absl::Status ExecutePlan(const Database& database, const CommitPlan& plan, bool& lost_head) {
  lost_head = false;
  CommitStatement statement;
  if (absl::Status status = MakeStatement(plan, statement); !status.ok()) return status;
  return database.WriteOne([&](WriteTransaction& transaction) { return ExecuteStatement(plan, statement, transaction, lost_head); });
}

absl::Status ExecutePlanIn(WriteTransaction& transaction, const CommitPlan& plan, bool& lost_head) {
  lost_head = false;
  CommitStatement statement;
  if (absl::Status status = MakeStatement(plan, statement); !status.ok()) return status;
  return ExecuteStatement(plan, statement, transaction, lost_head);
}

}  // namespace custodian::tenants
