#include "services/log/subject_store.h"

#include "tenants/binary_array.h"
#include "tenants/execute.h"

namespace custodian::log {
namespace {

using tenants::BinaryArray;
using tenants::Execute;
using tenants::ReadTransaction;
using tenants::WriteTransaction;

std::string Bytes(const pqxx::field& field) { return pqxx::binarystring(field).str(); }
pqxx::binarystring Parameter(const ledger::Hash& hash) { return pqxx::binarystring(std::string(ledger::AsBytes(hash))); }

absl::StatusOr<SubjectMapState> Read(ReadTransaction& transaction, const std::string& sql) {
  const absl::Status damaged = absl::DataLossError("the state of the map of subjects is missing or malformed");
  const pqxx::result rows = Execute(transaction, sql);
  if (rows.size() != 1) return damaged;
  const pqxx::row row = rows[0];
  SubjectMapState state;
  const auto root = ledger::HashFromBytes(Bytes(row["root"]));
  if (!root.ok()) return damaged;
  state.size = static_cast<std::uint64_t>(row["size"].as<std::int64_t>());
  state.root = *root;
  if (row["entered_size"].is_null()) return state;
  const auto entered_root = ledger::HashFromBytes(Bytes(row["entered_root"]));
  if (!entered_root.ok()) return damaged;
  state.entered = {static_cast<std::uint64_t>(row["entered_size"].as<std::int64_t>()), *entered_root,
                   static_cast<std::uint64_t>(row["entered_index"].as<std::int64_t>())};
  return state;
}

constexpr char kSelect[] = "SELECT size, root, entered_size, entered_root, entered_index FROM ledger.subject_map";

}  // namespace

absl::StatusOr<SubjectMapState> ReadSubjectMap(ReadTransaction& transaction) { return Read(transaction, kSelect); }

absl::StatusOr<SubjectMapState> LockSubjectMap(WriteTransaction& transaction) { return Read(transaction, std::string(kSelect) + " FOR UPDATE"); }

void StoreSubjectMap(WriteTransaction& transaction, const SubjectMapState& state) {
  Execute(transaction, "UPDATE ledger.subject_map SET size = $1, root = $2", static_cast<std::int64_t>(state.size), Parameter(state.root));
  if (state.entered)
    Execute(transaction, "UPDATE ledger.subject_map SET entered_size = $1, entered_root = $2, entered_index = $3",
            static_cast<std::int64_t>(state.entered->size), Parameter(state.entered->root), static_cast<std::int64_t>(state.entered->index));
}

void ClearSubjectMap(WriteTransaction& transaction) {
  Execute(transaction, "DELETE FROM ledger.subject_page");
  Execute(transaction, "DELETE FROM ledger.subject_entry");
  Execute(transaction, "DELETE FROM ledger.subject_map");
  Execute(transaction, "INSERT INTO ledger.subject_map (size, root) VALUES (0, $1)", Parameter(ledger::EmptySubjectRoot()));
}

void AddSubjectEntries(WriteTransaction& transaction, const std::vector<std::pair<std::string, std::uint64_t>>& entries) {
  if (entries.empty()) return;
  BinaryArray subjects(BinaryArray::Element::kBytea), indexes(BinaryArray::Element::kBigint);
  for (const auto& [subject, index] : entries) {
    subjects.Add(subject);
    indexes.AddBigint(static_cast<std::int64_t>(index));
  }
  Execute(transaction,
          "INSERT INTO ledger.subject_entry (subject, entry_index) SELECT * FROM unnest($1::bytea[], $2::bigint[]) ON CONFLICT DO NOTHING",
          pqxx::binarystring(subjects.Encode()), pqxx::binarystring(indexes.Encode()));
}

std::vector<std::uint64_t> SubjectEntries(ReadTransaction& transaction, const std::string& subject, std::uint64_t size, std::size_t limit) {
  std::vector<std::uint64_t> indexes;
  for (const pqxx::row& row :
       Execute(transaction, "SELECT entry_index FROM ledger.subject_entry WHERE subject = $1 AND entry_index < $2 ORDER BY entry_index LIMIT $3",
               pqxx::binarystring(subject), static_cast<std::int64_t>(size), static_cast<std::int64_t>(limit)))
    indexes.push_back(static_cast<std::uint64_t>(row["entry_index"].as<std::int64_t>()));
  return indexes;
}

absl::StatusOr<std::map<std::string, std::string>> StoredSubjectPages::Read(const std::vector<std::string>& prefixes) {
  BinaryArray array(BinaryArray::Element::kBytea);
  for (const std::string& prefix : prefixes) array.Add(prefix);
  std::map<std::string, std::string> pages;
  for (const pqxx::row& row : Execute(reading_, "SELECT prefix, bytes FROM ledger.subject_page WHERE prefix = ANY($1::bytea[]) ORDER BY prefix",
                                      pqxx::binarystring(array.Encode())))
    pages.emplace(Bytes(row["prefix"]), Bytes(row["bytes"]));
  return pages;
}

absl::Status StoredSubjectPages::Write(const std::map<std::string, std::string>& pages) {
  if (writing_ == nullptr) return absl::InternalError("the map of subjects was opened to be read");
  BinaryArray prefixes(BinaryArray::Element::kBytea), bytes(BinaryArray::Element::kBytea);
  for (const auto& [prefix, page] : pages) {
    prefixes.Add(prefix);
    bytes.Add(page);
  }
  Execute(*writing_,
          "INSERT INTO ledger.subject_page (prefix, bytes) SELECT * FROM unnest($1::bytea[], $2::bytea[]) "
          "ON CONFLICT (prefix) DO UPDATE SET bytes = EXCLUDED.bytes",
          pqxx::binarystring(prefixes.Encode()), pqxx::binarystring(bytes.Encode()));
  return absl::OkStatus();
}

}  // namespace custodian::log
