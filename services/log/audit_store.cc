#include "services/log/audit_store.h"

#include <pqxx/pqxx>
#include <utility>

#include "ledger/entry.h"
#include "tenants/ids.h"

namespace custodian::log {
namespace {

// Type number of bytea, the same in every PostgreSQL.
constexpr pqxx::oid kBytea = 17;

std::string Bytes(const pqxx::row& row, const char* column) {
  return row[column].is_null() ? std::string() : pqxx::binarystring(row[column]).str();
}

std::optional<std::string> Text(const pqxx::row& row, const char* column) {
  if (row[column].is_null()) return std::nullopt;
  return row[column].as<std::string>();
}

StoredFeedRow FeedRow(const pqxx::row& row) {
  StoredFeedRow feed{row["entry_index"].as<std::int64_t>(), row["kind"].as<std::string>(), std::nullopt,
                     row["through_ms"].as<std::int64_t>(), row["arrived_ms"].as<std::int64_t>()};
  if (!row["from_ms"].is_null()) feed.from_ms = row["from_ms"].as<std::int64_t>();
  return feed;
}

StoredWordRow WordRow(const pqxx::row& row) {
  return {row["entry_index"].as<std::int64_t>(), row["kind"].as<std::string>(), row["first_index"].as<std::int64_t>(), row["past_index"].as<std::int64_t>()};
}

// A server-side cursor: one snapshot, a few rows in memory at a time.
template <typename Visit>
void Run(tenants::ReadTransaction& transaction, const std::string& sql, int rows_max, const Visit& visit) {
  pqxx::transaction_base& connection = transaction.sql();
  connection.exec("DECLARE audit NO SCROLL CURSOR FOR " + sql);
  while (true) {
    const pqxx::result rows = connection.exec("FETCH " + std::to_string(rows_max) + " FROM audit");
    if (rows.empty()) break;
    for (const pqxx::row& row : rows) visit(row);
  }
  connection.exec("CLOSE audit");
}

}  // namespace

bool AuditStore::HasTable(const char* name) {
  return transaction_.sql().exec_params("SELECT to_regclass($1) IS NOT NULL AS there", name)[0]["there"].as<bool>();
}

std::vector<StoredHead> AuditStore::Heads() {
  std::vector<StoredHead> heads;
  for (const pqxx::row& row : transaction_.sql().exec(
           "SELECT size, root, nodes, author_counter, time_ms, anchor_size, anchor_root FROM ledger.head ORDER BY size LIMIT 2"))
    heads.push_back({row["size"].as<std::int64_t>(), Bytes(row, "root"), Bytes(row, "nodes"),
                     row["author_counter"].as<std::int64_t>(), row["time_ms"].as<std::int64_t>(),
                     row["anchor_size"].as<std::int64_t>(), Bytes(row, "anchor_root")});
  return heads;
}

void AuditStore::VisitBatches(const std::function<void(const StoredBatch&)>& visit) {
  Run(transaction_, "SELECT first_index, count, leaves, leaf_hashes, time_ms FROM ledger.batch ORDER BY first_index", 32,
      [&visit](const pqxx::row& row) {
        visit({row["first_index"].as<std::int64_t>(), row["count"].as<std::int64_t>(), Bytes(row, "leaves"),
               Bytes(row, "leaf_hashes"), row["time_ms"].as<std::int64_t>()});
      });
}

void AuditStore::VisitTiles(const std::function<void(const StoredTile&)>& visit) {
  Run(transaction_, "SELECT level, index, bytes FROM ledger.tile ORDER BY level, index", 128, [&visit](const pqxx::row& row) {
    visit({row["level"].as<std::int64_t>(), row["index"].as<std::int64_t>(), Bytes(row, "bytes")});
  });
}

void AuditStore::VisitCheckpoints(const std::function<void(const StoredCheckpoint&)>& visit) {
  Run(transaction_, "SELECT size, root, signed_note, published_note FROM ledger.checkpoint ORDER BY size", 256,
      [&visit](const pqxx::row& row) {
        visit({row["size"].as<std::int64_t>(), Bytes(row, "root"), Text(row, "signed_note"), Text(row, "published_note")});
      });
}

void AuditStore::VisitAnswerKeys(const std::function<void(const StoredAnswerKey&)>& visit) {
  Run(transaction_,
      "SELECT author, key, request_digest, first_index, count, time_ms, witnessed_by_ms FROM ledger.idempotency "
      "ORDER BY first_index, author, key",
      512, [&visit](const pqxx::row& row) {
        visit({row["author"].as<std::string>(), Bytes(row, "key"), Bytes(row, "request_digest"),
               row["first_index"].as<std::int64_t>(), row["count"].as<std::int64_t>(), row["time_ms"].as<std::int64_t>(),
               row["witnessed_by_ms"].as<std::int64_t>()});
      });
}

void AuditStore::VisitRecords(const std::function<void(const StoredRecord&)>& visit) {
  if (!HasTable("exchange.record")) return;
  Run(transaction_,
      "SELECT record_id, version, patient_id, sealed, deleted, account, arrived_ms, entry_index FROM exchange.record ORDER BY record_id, "
      "version",
      128, [&visit](const pqxx::row& row) {
        visit({Bytes(row, "record_id"), row["version"].as<std::int64_t>(), Bytes(row, "patient_id"), Bytes(row, "sealed"),
               row["deleted"].as<bool>(), row["account"].as<bool>(), row["arrived_ms"].as<std::int64_t>(), row["entry_index"].as<std::int64_t>()});
      });
}

void AuditStore::VisitOtherSealed(const std::function<void(const StoredSealed&)>& visit) {
  // Found by their columns, so that a new table is not forgotten.
  const pqxx::result tables = transaction_.sql().exec(
      "SELECT n.nspname AS schema, c.relname AS name, "
      "(SELECT string_agg(format(CASE WHEN a.atttypid = 'pg_catalog.bytea'::pg_catalog.regtype THEN 'pg_catalog.encode(%1$I, "
      "''hex'')' "
      "ELSE '%1$I::pg_catalog.text' END, a.attname), ' || '' '' || ' ORDER BY a.attnum) "
      "FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "
      "WHERE i.indrelid = c.oid AND i.indisprimary) AS key, "
      "EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'patient_id') AS has_patient "
      "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' "
      "AND n.nspname || '.' || c.relname <> 'exchange.record' AND (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE "
      "a.attrelid = c.oid "
      "AND NOT a.attisdropped AND a.attname IN ('sealed', 'entry_index', 'arrived_ms')) = 3 ORDER BY 1, 2");
  for (const pqxx::row& table : tables) {
    const std::string name = table["schema"].as<std::string>() + "." + table["name"].as<std::string>();
    const std::string quoted = transaction_.sql().quote_name(table["schema"].as<std::string>()) + "." +
                               transaction_.sql().quote_name(table["name"].as<std::string>());
    Run(transaction_,
        "SELECT " + table["key"].as<std::string>("ctid::pg_catalog.text") + " AS key, sealed, entry_index, arrived_ms, " +
            (table["has_patient"].as<bool>() ? "patient_id" : "''::pg_catalog.bytea AS patient_id") + " FROM " + quoted +
            " ORDER BY entry_index, 1",
        128, [&](const pqxx::row& row) {
          visit({name + " " + row["key"].as<std::string>(), Bytes(row, "sealed"), Bytes(row, "patient_id"),
                 row["arrived_ms"].as<std::int64_t>(), row["entry_index"].as<std::int64_t>()});
        });
  }
}

void AuditStore::VisitFeedRows(const std::function<void(const StoredFeedRow&)>& visit) {
  if (!HasTable("savings.feed")) return;
  Run(transaction_, "SELECT entry_index, kind, from_ms, through_ms, arrived_ms FROM savings.feed ORDER BY entry_index", 512,
      [&visit](const pqxx::row& row) { visit(FeedRow(row)); });
}

void AuditStore::VisitWordRows(const std::function<void(const StoredWordRow&)>& visit) {
  if (!HasTable("savings.tenants_word")) return;
  Run(transaction_, "SELECT entry_index, kind, first_index, past_index FROM savings.tenants_word ORDER BY entry_index", 512,
      [&visit](const pqxx::row& row) { visit(WordRow(row)); });
}

void AuditStore::VisitProvedRows(const std::function<void(const StoredProvedRow&)>& visit) {
  // Columns in the order of the tables that are written (tenants::Table::proved), without those that an entry has itself.
  static constexpr std::pair<const char*, const char*> kTables[] = {
      {"exchange.card", "card_id, patient_id, sealed"},
      {"exchange.card_outcome", "card_id, ordinal, outcome, sealed"},
      {"exchange.check_answer", "check_key, digest, patient_id, sealed"},
      {"exchange.correction", "record_id, patient_id"},
      {"exchange.correction_acknowledged", "record_id, patient_id"},
      {"exchange.identifier", "token, record_id, patient_id"},
      {"exchange.order_check", "order_key, check_key, position"},
      {"exchange.order_state", "order_key, state"},
      {"exchange.patient", "patient_id, record_id"},
      {"registry.client", "spiffe_id, tenant_id, role, purpose"},
      {"registry.tenant",
       "tenant_id, name, display_name, cell, database, key_database, origin, log_vkey, time_zone, organization_system, "
       "organization_value, accession_system, cds_issuer, cds_tenant, cds_jwks"},
      {"savings.fact", "fact_id, patient_id, sealed"},
  };
  for (const auto& [table, columns] : kTables) {
    if (!HasTable(table)) continue;
    Run(transaction_, std::string("SELECT ") + columns + " FROM " + table + " ORDER BY " + columns, 128,
        [&visit, name = table](const pqxx::row& row) {
          std::vector<std::string> values;
          for (const pqxx::field& field : row)
            values.push_back(field.type() == kBytea ? pqxx::binarystring(field).str() : field.as<std::string>());
          const bool is_bytes = row[0].type() == kBytea;
          visit({std::string(name) + " " + (is_bytes ? HexEncode(values.front()) : values.front()),
                 std::string(ledger::AsBytes(ledger::RowSha256(name, values)))});
        });
  }
}

std::set<std::string> AuditStore::PatientsToLocate() {
  std::set<std::string> patients;
  for (const pqxx::row& row :
       transaction_.sql().exec("SELECT DISTINCT patient_id FROM ledger.outbox WHERE kind = 'locator' AND patient_id IS NOT NULL"))
    patients.insert(Bytes(row, "patient_id"));
  return patients;
}

void AuditStore::VisitConsentVersions(const std::function<void(const StoredConsentVersion&)>& visit) {
  Run(transaction_, "SELECT patient_id, version FROM ledger.consent_version ORDER BY patient_id", 512,
      [&visit](const pqxx::row& row) { visit({Bytes(row, "patient_id"), row["version"].as<std::int64_t>()}); });
}

void AuditStore::VisitPostings(const std::function<void(const StoredPosting&)>& visit) {
  Run(transaction_,
      "SELECT p.log_tenant, p.entry_index, p.kind, p.side, a.class_id, a.modality, "
      "CASE WHEN p.aggregate_month = '' THEN p.month ELSE p.aggregate_month END AS entry_month, p.aggregate_month <> '' AS "
      "aggregate, "
      "sum(p.cents)::pg_catalog.int8 AS cents, sum(p.exams)::pg_catalog.int8 AS exams FROM savings.posting p "
      "JOIN savings.avoidance a ON a.avoidance_id = p.avoidance_id WHERE p.entry_index IS NOT NULL "
      "GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2",
      512, [&visit](const pqxx::row& row) {
        visit({row["log_tenant"].as<std::string>(), row["entry_index"].as<std::int64_t>(), row["kind"].as<std::int64_t>(),
               row["side"].as<std::int64_t>(), row["class_id"].as<std::string>(), row["modality"].as<std::string>(),
               row["entry_month"].as<std::string>(), row["aggregate"].as<bool>(), row["cents"].as<std::int64_t>(),
               row["exams"].as<std::int64_t>()});
      });
}

std::vector<std::string> AuditStore::TenantsWithWaitingPostings() {
  std::vector<std::string> tenants;
  for (const pqxx::row& row : transaction_.sql().exec(
           "SELECT DISTINCT log_tenant FROM savings.posting WHERE entry_index IS NULL ORDER BY log_tenant LIMIT 100000"))
    tenants.push_back(row["log_tenant"].as<std::string>());
  return tenants;
}

void AuditStore::VisitAvoidances(const std::function<void(const StoredAvoidance&)>& visit) {
  Run(transaction_, "SELECT avoidance_id, ordering_tenant, acceptance_index FROM savings.avoidance ORDER BY avoidance_id", 512,
      [&visit](const pqxx::row& row) {
        visit({Bytes(row, "avoidance_id"), row["ordering_tenant"].as<std::string>(), row["acceptance_index"].as<std::int64_t>()});
      });
}

void AuditStore::VisitFeedCopies(const std::function<void(const std::string&, const StoredFeedRow&)>& visit) {
  Run(transaction_,
      "SELECT feed_tenant, entry_index, kind, from_ms, through_ms, arrived_ms FROM savings.feed ORDER BY feed_tenant, "
      "entry_index",
      512, [&visit](const pqxx::row& row) { visit(row["feed_tenant"].as<std::string>(), FeedRow(row)); });
}

void AuditStore::VisitWordCopies(const std::function<void(const std::string&, const StoredWordRow&)>& visit) {
  Run(transaction_, "SELECT word_tenant, entry_index, kind, first_index, past_index FROM savings.tenants_word ORDER BY word_tenant, entry_index", 512,
      [&visit](const pqxx::row& row) { visit(row["word_tenant"].as<std::string>(), WordRow(row)); });
}

void AuditStore::VisitShards(const std::function<void(const StoredWrappedKey&)>& visit) {
  Run(transaction_, "SELECT key_id, wrapped, epoch FROM keystore.shard ORDER BY key_id", 512, [&visit](const pqxx::row& row) {
    visit({Bytes(row, "key_id"), Bytes(row, "wrapped"), "", row["epoch"].as<std::int64_t>()});
  });
}

void AuditStore::VisitPatientKeys(const std::function<void(const StoredWrappedKey&)>& visit) {
  // A shard that is gone is found by itself.
  Run(transaction_,
      "SELECT p.patient_id, p.wrapped, p.shard_id, coalesce(s.epoch, 0) AS epoch FROM keystore.patient_key p "
      "LEFT JOIN keystore.shard s ON s.key_id = p.shard_id ORDER BY p.patient_id",
      512, [&visit](const pqxx::row& row) {
        visit({Bytes(row, "patient_id"), Bytes(row, "wrapped"), Bytes(row, "shard_id"), row["epoch"].as<std::int64_t>()});
      });
}

}  // namespace custodian::log
