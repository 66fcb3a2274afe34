#include "services/exchange/locator_store.h"

#include <set>
#include <string>

#include "fmt/format.h"
#include "tenants/execute.h"

namespace custodian::exchange {
namespace {

using tenants::Execute;
using tenants::ReadTransaction;
using tenants::WriteTransaction;

constexpr int kMarkBytes = 6;
constexpr char kColumns[] =
    "patient.tenant_id, patient.patient_id, patient.fields, patient.marks, patient.keys, patient.name_keys, "
    "coalesce(veto.muted, false) AS muted";
constexpr char kTables[] = "locator.patient LEFT JOIN locator.veto USING (tenant_id, patient_id)";

absl::StatusOr<PatientLink> LinkOf(const pqxx::row& row, int column = 0) {
  auto tenant = TenantId::Parse(row[column].as<std::string>());
  if (!tenant.ok()) return tenant.status();
  auto patient = PatientId::FromBytes(pqxx::binarystring(row[column + 1]).str());
  if (!patient.ok()) return patient.status();
  return PatientLink{*std::move(tenant), *std::move(patient)};
}

std::string ArrayOf(const std::set<std::int64_t>& numbers) {
  std::string text = "{";
  for (const std::int64_t number : numbers) text += fmt::format("{}{}", text.size() > 1 ? "," : "", number);
  return text + "}";
}
std::string ArrayOf(const std::vector<std::int64_t>& numbers) {
  return ArrayOf(std::set<std::int64_t>(numbers.begin(), numbers.end()));
}

std::vector<std::int64_t> NumbersOf(const pqxx::field& array) {
  std::vector<std::int64_t> numbers;
  const char* at = array.c_str() + 1;
  while (*at != '\0' && *at != '}') {
    char* end = nullptr;
    numbers.push_back(std::strtoll(at, &end, 10));
    at = *end == ',' ? end + 1 : end;
  }
  return numbers;
}

std::vector<std::uint64_t> MarksOf(const pqxx::binarystring& bytes) {
  std::vector<std::uint64_t> marks;
  for (std::size_t at = 0; at + kMarkBytes <= bytes.size(); at += kMarkBytes) {
    std::uint64_t mark = static_cast<std::uint64_t>(bytes[at]) << 56;
    for (std::size_t i = 1; i < kMarkBytes; ++i) mark |= static_cast<std::uint64_t>(bytes[at + i]) << (8 * (kMarkBytes - 1 - i));
    marks.push_back(mark);
  }
  return marks;
}

absl::StatusOr<LocatedPatient> PatientOf(const pqxx::row& row) {
  auto link = LinkOf(row);
  if (!link.ok()) return link.status();
  LocatedPatient patient;
  patient.link = *std::move(link);
  patient.fields = static_cast<std::uint32_t>(row[2].as<int>());
  patient.marks = MarksOf(pqxx::binarystring(row[3]));
  patient.keys = NumbersOf(row[4]);
  patient.name_keys = NumbersOf(row[5]);
  patient.muted = row[6].as<bool>();
  return patient;
}

absl::StatusOr<std::vector<LocatedPatient>> PatientsOf(const pqxx::result& rows) {
  std::vector<LocatedPatient> patients;
  for (const pqxx::row& row : rows) {
    auto patient = PatientOf(row);
    if (!patient.ok()) return patient.status();
    patients.push_back(*std::move(patient));
  }
  return patients;
}

// Taken by whoever changes rows, shared by whoever keeps a person judged from them. Any number: the network database has no other.
constexpr std::string_view kLockForChange = "SELECT pg_advisory_xact_lock(1)";
constexpr std::string_view kTryLockForJudging = "SELECT pg_try_advisory_xact_lock_shared(1)";

// As PostgreSQL reads text[]: both hold letters and digits only.
struct LinkArrays {
  std::string tenants = "{";
  std::string patients = "{";
};
template <typename Links>
LinkArrays ArraysOf(const Links& links) {
  LinkArrays arrays;
  for (const PatientLink& link : links) {
    arrays.tenants += (arrays.tenants.size() > 1 ? "," : "") + link.tenant.text();
    arrays.patients += (arrays.patients.size() > 1 ? "," : "") + link.patient.hex();
  }
  arrays.tenants += "}";
  arrays.patients += "}";
  return arrays;
}

}  // namespace

std::string MarkBytesOf(const std::vector<std::uint64_t>& marks) {
  std::string bytes;
  for (const std::uint64_t mark : marks) {
    bytes += static_cast<char>(mark >> 56);
    for (int shift = 32; shift >= 0; shift -= 8) bytes += static_cast<char>(mark >> shift & 0xFF);
  }
  return bytes;
}

absl::StatusOr<std::optional<LocatedPatient>> LocatorRows::Find(const PatientLink& patient) {
  const pqxx::result rows = Execute(transaction_,
      fmt::format("SELECT {} FROM {} WHERE tenant_id = $1 AND patient_id = $2", kColumns, kTables), patient.tenant.text(),
      pqxx::binarystring(patient.patient.bytes()));
  if (rows.empty()) return std::nullopt;
  auto found = PatientOf(rows[0]);
  if (!found.ok()) return found.status();
  return *std::move(found);
}

absl::StatusOr<std::vector<LocatedPatient>> LocatorRows::Candidates(const std::vector<LocatedPatient>& of) {
  std::set<std::int64_t> keys;
  for (const LocatedPatient& patient : of) keys.insert(patient.keys.begin(), patient.keys.end());
  if (keys.empty()) return std::vector<LocatedPatient>();
  // Muted ones last: however many they are, they crowd out nobody.
  return exchange::PatientsOf(Execute(transaction_,
      fmt::format("SELECT {} FROM {} WHERE keys && $1::bigint[] "
                  "ORDER BY muted, (SELECT count(*) FROM unnest(keys) AS key WHERE key = ANY ($1::bigint[])) DESC, "
                  "tenant_id, patient_id LIMIT $2",
                  kColumns, kTables),
      ArrayOf(keys), static_cast<int>(kCandidatesMax)));
}

absl::StatusOr<std::vector<LocatedPatient>> LocatorRows::CandidatesAt(const TenantId& tenant, const LocatedPatient& of) {
  if (of.keys.empty()) return std::vector<LocatedPatient>();
  return exchange::PatientsOf(Execute(transaction_,
      fmt::format("SELECT {} FROM {} WHERE keys && $1::bigint[] AND tenant_id = $2 "
                  "ORDER BY (SELECT count(*) FROM unnest(keys) AS key WHERE key = ANY ($1::bigint[])) DESC, patient_id LIMIT $3",
                  kColumns, kTables),
      ArrayOf(of.keys), tenant.text(), static_cast<int>(kCandidatesMax)));
}

absl::StatusOr<NameCount> LocatorRows::Count(const LocatedPatient& patient) {
  NameCount count;
  if (patient.name_keys.empty()) return count;
  const pqxx::result rows = Execute(
      transaction_,
      "SELECT (SELECT count(*) FROM (SELECT FROM locator.patient WHERE name_keys && $1::bigint[] LIMIT $2) AS bearer), "
      "(SELECT count(*) FROM (SELECT FROM locator.patient WHERE keys && $3::bigint[] LIMIT $2) AS born_that_day), "
      "(SELECT greatest(reltuples, 0)::bigint FROM pg_catalog.pg_class WHERE oid = 'locator.patient'::regclass)",
      ArrayOf(patient.name_keys), kBearersMax, ArrayOf(NamesBirthKeys(patient)));
  count.bearers = rows.at(0)[0].as<std::int64_t>();
  count.born_that_day = rows.at(0)[1].as<std::int64_t>();
  count.patients = rows.at(0)[2].as<std::int64_t>();
  return count;
}

absl::StatusOr<std::vector<LocatedPatient>> LocatorRows::Decided(const std::vector<LocatedPatient>& of, MatchDecisions& decisions) {
  std::vector<PatientLink> links;
  for (const LocatedPatient& patient : of) links.push_back(patient.link);
  const LinkArrays asked = ArraysOf(links);
  std::map<std::pair<PatientLink, PatientLink>, std::set<TenantId>> said;
  std::set<std::pair<PatientLink, PatientLink>> joined;
  for (const pqxx::row& row : Execute(transaction_,
           "WITH asked (tenant_id, patient_id) AS (SELECT tenant, decode(id, 'hex') FROM unnest($1::text[], $2::text[]) AS one (tenant, id)) "
           "SELECT decision.tenant_id, decision.patient_id, other_tenant_id, other_patient_id, decision FROM locator.decision "
           "JOIN asked USING (tenant_id, patient_id) UNION "
           "SELECT decision.tenant_id, decision.patient_id, other_tenant_id, other_patient_id, decision FROM locator.decision "
           "JOIN asked ON other_tenant_id = asked.tenant_id AND other_patient_id = asked.patient_id UNION "
           "SELECT tenant_id, merged.patient_id, tenant_id, other_patient_id, 'merge' FROM locator.merged JOIN asked USING (tenant_id, patient_id) UNION "
           "SELECT merged.tenant_id, merged.patient_id, merged.tenant_id, other_patient_id, 'merge' FROM locator.merged "
           "JOIN asked ON merged.tenant_id = asked.tenant_id AND other_patient_id = asked.patient_id ORDER BY 1, 2, 3, 4",
           asked.tenants, asked.patients)) {
    auto one = LinkOf(row), other = LinkOf(row, 2);
    if (!one.ok()) return one.status();
    if (!other.ok()) return other.status();
    const std::pair<PatientLink, PatientLink> pair = std::minmax(*one, *other);
    const auto decision = row[4].as<std::string>();
    if (decision == "unlink") {
      decisions.unlinked.insert(pair);
    } else if (decision == "merge") {
      decisions.merged.insert(pair);
      joined.insert(pair);
    } else {
      said[pair].insert(one->tenant);
    }
  }
  // Each tenant speaks for its own patient: a link between two tenants wants both, its end either.
  for (const auto& [pair, tenants_of] : said) {
    if (!tenants_of.contains(pair.first.tenant) || !tenants_of.contains(pair.second.tenant)) continue;
    decisions.linked.insert(pair);
    joined.insert(pair);
  }
  std::vector<LocatedPatient> found;
  for (const auto& pair : joined) {
    for (const PatientLink& link : {pair.first, pair.second}) {
      auto patient = Find(link);
      if (!patient.ok()) return patient.status();
      if (*patient) found.push_back(**std::move(patient));
    }
  }
  return found;
}

absl::StatusOr<std::set<PatientLink>> LocatorRows::JoinedUnlessTwin(const std::set<PatientLink>& patients) {
  std::set<PatientLink> joined;
  if (patients.empty()) return joined;
  const LinkArrays asked = ArraysOf(patients);
  for (const pqxx::row& row : Execute(transaction_,
           "WITH asked (tenant_id, patient_id) AS (SELECT tenant, decode(id, 'hex') FROM unnest($1::text[], $2::text[]) AS one (tenant, id)), "
           "member AS (SELECT tenant_id, patient_id FROM asked UNION "
           "SELECT one.tenant_id, one.patient_id FROM asked JOIN locator.person AS kept USING (tenant_id, patient_id), "
           "unnest(kept.tenant_ids, kept.patient_ids) AS one (tenant_id, patient_id)) "
           "SELECT tenant_id, patient_id FROM member WHERE EXISTS "
           "(SELECT FROM member JOIN locator.patient USING (tenant_id, patient_id) WHERE fields & $3 <> 0)",
           asked.tenants, asked.patients, static_cast<int>(kUnlessTwinGiven))) {
    auto link = LinkOf(row);
    if (!link.ok()) return link.status();
    joined.insert(*std::move(link));
  }
  return joined;
}

absl::StatusOr<std::vector<LocatedPatient>> LocatorRows::Sample(int count) {
  return exchange::PatientsOf(Execute(transaction_,
      fmt::format("SELECT {} FROM {} ORDER BY hashtextextended(encode(patient_id, 'hex'), 0) LIMIT $1", kColumns, kTables), count));
}

absl::StatusOr<std::vector<LocatedPatient>> LocatorRows::PatientsOf(const TenantId& tenant, std::string_view after_patient_id, int limit) {
  return exchange::PatientsOf(Execute(transaction_,
      fmt::format("SELECT {} FROM {} WHERE tenant_id = $1 AND patient_id > $2 ORDER BY patient_id LIMIT $3", kColumns, kTables),
      tenant.text(), pqxx::binarystring(after_patient_id.data(), after_patient_id.size()), limit));
}

absl::StatusOr<LocatorRows::Vetoes> LocatorRows::VetoesOf(const TenantId& tenant) {
  const pqxx::result rows = Execute(
      transaction_,
      "SELECT (SELECT count(*) FROM locator.veto WHERE tenant_id = $1 AND NOT muted), "
      "(SELECT count(*) FROM locator.patient WHERE tenant_id = $1)",
      tenant.text());
  return Vetoes{rows.at(0)[0].as<std::int64_t>(), rows.at(0)[1].as<std::int64_t>()};
}

absl::StatusOr<LocatorRows::Merges> LocatorRows::MergesOf(const PatientLink& patient, const RecordId& record) {
  Merges merges;
  merges.said.record = record;
  // The columns' CHECKs keep all of them at 16 bytes.
  for (const pqxx::row& row : Execute(transaction_,
           "SELECT 'other', other_patient_id FROM locator.merged WHERE tenant_id = $1 AND patient_id = $2 UNION ALL "
           "SELECT 'awaited', other_record_id FROM locator.merge_awaited WHERE tenant_id = $1 AND patient_id = $2 UNION ALL "
           "SELECT 'awaiting', patient_id FROM locator.merge_awaited WHERE tenant_id = $1 AND other_record_id = $3 ORDER BY 1, 2",
           patient.tenant.text(), pqxx::binarystring(patient.patient.bytes()), pqxx::binarystring(record.bytes()))) {
    const auto what = row[0].as<std::string>();
    const std::string id = pqxx::binarystring(row[1]).str();
    if (what == "awaited") {
      merges.said.awaited.insert(RecordId::FromBytes(id).value());
    } else {
      (what == "other" ? merges.said.others : merges.awaiting).insert(PatientId::FromBytes(id).value());
    }
  }
  return merges;
}

void LocatorChanges::NoteChanged(const PatientLink& cause, const std::set<PatientLink>& concerned) {
  std::set<PatientLink> all = concerned;
  all.insert(cause);
  const LinkArrays links = ArraysOf(all);
  Execute(transaction_,
      "WITH concerned (tenant_id, patient_id) AS (SELECT tenant, decode(id, 'hex') FROM unnest($3::text[], $4::text[]) AS one (tenant, id)), "
      "kept AS (DELETE FROM locator.person AS person USING concerned WHERE person.tenant_id = concerned.tenant_id AND "
      "person.patient_id = concerned.patient_id) "
      "INSERT INTO locator.changed (cause_tenant_id, cause_patient_id, tenant_id, patient_id) "
      "SELECT $1, $2, tenant_id, patient_id FROM concerned ON CONFLICT DO NOTHING",
      cause.tenant.text(), pqxx::binarystring(cause.patient.bytes()), links.tenants, links.patients);
}

void LocatorChanges::Replace(const LocatedPatient& patient, const std::set<PatientLink>& concerned, Veto veto) {
  const std::string& tenant = patient.link.tenant.text();
  const pqxx::binarystring id(patient.link.patient.bytes());
  Execute(transaction_,
      "INSERT INTO locator.patient (tenant_id, patient_id, fields, marks, keys, name_keys) "
      "VALUES ($1, $2, $3, $4, $5::bigint[], $6::bigint[]) ON CONFLICT (tenant_id, patient_id) DO UPDATE SET "
      "fields = excluded.fields, marks = excluded.marks, keys = excluded.keys, name_keys = excluded.name_keys",
      tenant, id, static_cast<int>(patient.fields), pqxx::binarystring(MarkBytesOf(patient.marks)), ArrayOf(patient.keys),
      ArrayOf(patient.name_keys));
  Execute(transaction_, "DELETE FROM locator.veto WHERE tenant_id = $1 AND patient_id = $2", tenant, id);
  if (veto != Veto::kNone)
    Execute(transaction_, "INSERT INTO locator.veto (tenant_id, patient_id, muted) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", tenant, id,
            veto == Veto::kMuted);
  // Who bears the same rare name is joined by less than before, though nothing else concerns them.
  if (!patient.name_keys.empty())
    Execute(transaction_,
        "WITH bearer AS (SELECT tenant_id, patient_id FROM locator.patient WHERE name_keys && $1::bigint[] LIMIT $2) "
        "DELETE FROM locator.person AS person USING bearer WHERE person.tenant_id = bearer.tenant_id AND person.patient_id = bearer.patient_id AND "
        "(SELECT count(*) FROM bearer) < $2",
        ArrayOf(patient.name_keys), kRareBearersMax + 1);
  NoteChanged(patient.link, concerned);
}

void LocatorChanges::Merge(const PatientLink& patient, const ChartLinks& links, const std::set<PatientLink>& concerned) {
  const std::string& tenant = patient.tenant.text();
  const pqxx::binarystring id(patient.patient.bytes());
  Execute(transaction_, "DELETE FROM locator.merged WHERE tenant_id = $1 AND patient_id = $2", tenant, id);
  for (const PatientId& other : links.others)
    Execute(transaction_, "INSERT INTO locator.merged (tenant_id, patient_id, other_patient_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", tenant, id,
            pqxx::binarystring(other.bytes()));
  Execute(transaction_, "DELETE FROM locator.merge_awaited WHERE tenant_id = $1 AND patient_id = $2", tenant, id);
  for (const RecordId& other : links.awaited)
    Execute(transaction_, "INSERT INTO locator.merge_awaited (tenant_id, patient_id, other_record_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", tenant,
            id, pqxx::binarystring(other.bytes()));
  Execute(transaction_,
      "WITH found AS (DELETE FROM locator.merge_awaited WHERE tenant_id = $1 AND other_record_id = $3 RETURNING patient_id) "
      "INSERT INTO locator.merged (tenant_id, patient_id, other_patient_id) SELECT $1, patient_id, $2 FROM found WHERE patient_id <> $2 ON CONFLICT DO NOTHING",
      tenant, id, pqxx::binarystring(links.record.bytes()));
  NoteChanged(patient, concerned);
}

void LocatorChanges::Decide(const PatientLink& patient, const PatientLink& other, bool link, std::int64_t version,
                            const std::set<PatientLink>& concerned) {
  Execute(transaction_,
      "INSERT INTO locator.decision (tenant_id, patient_id, other_tenant_id, other_patient_id, decision, version) "
      "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, patient_id, other_tenant_id, other_patient_id) DO UPDATE SET "
      "decision = excluded.decision, version = excluded.version WHERE decision.version < excluded.version",
      patient.tenant.text(), pqxx::binarystring(patient.patient.bytes()), other.tenant.text(), pqxx::binarystring(other.patient.bytes()),
      link ? "link" : "unlink", version);
  NoteChanged(patient, concerned);
}

absl::Status LocatorStore::Read(const std::function<absl::Status(LocatorRows&)>& body) const {
  return database_.Read([&body](ReadTransaction& transaction) {
    LocatorRows rows(transaction);
    return body(rows);
  });
}

absl::Status LocatorStore::ReadOne(const std::function<absl::Status(LocatorRows&)>& body) const {
  return database_.ReadOne([&body](ReadTransaction& transaction) {
    LocatorRows rows(transaction);
    return body(rows);
  });
}

absl::Status LocatorStore::Change(const std::function<absl::Status(LocatorChanges&)>& body) const {
  return database_.Write([&body](WriteTransaction& transaction) {
    Execute(transaction, std::string(kLockForChange));
    LocatorChanges rows(transaction);
    return body(rows);
  });
}

absl::StatusOr<std::map<PatientLink, LocatorStore::Person>> LocatorStore::KeptPersons(const std::vector<PatientLink>& patients,
                                                                                      const ledger::Hash& weights_sha256) const {
  std::map<PatientLink, Person> persons;
  std::set<PatientLink> broken;
  const LinkArrays asked = ArraysOf(patients);
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    const std::string_view weights = ledger::AsBytes(weights_sha256);
    for (const pqxx::row& row : Execute(transaction,
             "SELECT kept.tenant_id, kept.patient_id, one.tenant_id, one.patient_id FROM unnest($1::text[], $2::text[]) AS asked (tenant, id) CROSS JOIN LATERAL "
             "(SELECT * FROM locator.person WHERE tenant_id = asked.tenant AND patient_id = decode(asked.id, 'hex') AND weights_sha256 = $3 "
             "AND judged_at > now() - interval '1 day' LIMIT 1) AS kept, unnest(kept.tenant_ids, kept.patient_ids) AS one (tenant_id, patient_id) "
             "WHERE (SELECT reltuples FROM pg_catalog.pg_class WHERE oid = 'locator.patient'::regclass) <= 2 * kept.patients",
             asked.tenants, asked.patients, pqxx::binarystring(weights.data(), weights.size()))) {
      const auto patient = LinkOf(row);
      auto link = LinkOf(row, 2);
      if (!patient.ok()) return patient.status();
      if (!link.ok()) broken.insert(*patient);
      else persons[*patient].push_back(*std::move(link));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  // Judged anew, and then kept as they should be.
  for (const PatientLink& patient : broken) persons.erase(patient);
  return persons;
}

absl::StatusOr<std::optional<LocatorStore::Person>> LocatorStore::KeepPerson(const PatientLink& patient, const ledger::Hash& weights_sha256,
                                                              const std::function<absl::StatusOr<Person>(LocatorRows&)>& judge) const {
  std::optional<Person> person;
  const absl::Status status = database_.Write([&](WriteTransaction& transaction) -> absl::Status {
    // One lost in a crash is judged again.
    if (!transaction.sql().exec(fmt::format("SET LOCAL synchronous_commit = off; {}", kTryLockForJudging)).at(0)[0].as<bool>()) return absl::OkStatus();
    LocatorRows rows(transaction);
    auto judged = judge(rows);
    if (!judged.ok()) return judged.status();
    person = *std::move(judged);
    const LinkArrays links = ArraysOf(*person);
    const std::string_view weights = ledger::AsBytes(weights_sha256);
    Execute(transaction,
        "INSERT INTO locator.person (tenant_id, patient_id, weights_sha256, patients, tenant_ids, patient_ids) "
        "SELECT $1, $2, $3, (SELECT greatest(reltuples, 0)::bigint FROM pg_catalog.pg_class WHERE oid = 'locator.patient'::regclass), $4::text[], "
        "array_agg(decode(id, 'hex') ORDER BY position) FROM unnest($5::text[]) WITH ORDINALITY AS one (id, position) "
        "ON CONFLICT (tenant_id, patient_id) DO UPDATE SET weights_sha256 = excluded.weights_sha256, patients = excluded.patients, judged_at = now(), "
        "tenant_ids = excluded.tenant_ids, patient_ids = excluded.patient_ids",
        patient.tenant.text(), pqxx::binarystring(patient.patient.bytes()), pqxx::binarystring(weights.data(), weights.size()), links.tenants,
        links.patients);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return person;
}

absl::StatusOr<std::vector<PatientLink>> LocatorStore::Changed(const PatientLink& cause) const {
  std::vector<PatientLink> changed;
  const absl::Status status = database_.ReadOne([&](ReadTransaction& transaction) -> absl::Status {
    for (const pqxx::row& row : Execute(transaction,
             "SELECT tenant_id, patient_id FROM locator.changed WHERE cause_tenant_id = $1 AND cause_patient_id = $2 ORDER BY 1, 2",
             cause.tenant.text(), pqxx::binarystring(cause.patient.bytes()))) {
      auto link = LinkOf(row);
      if (!link.ok()) return link.status();
      changed.push_back(*std::move(link));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return changed;
}

absl::Status LocatorStore::Forget(const PatientLink& cause, const PatientLink& changed) const {
  return database_.Write([&](WriteTransaction& transaction) -> absl::Status {
    Execute(transaction,
        "DELETE FROM locator.changed WHERE cause_tenant_id = $1 AND cause_patient_id = $2 AND tenant_id = $3 AND patient_id = $4",
        cause.tenant.text(), pqxx::binarystring(cause.patient.bytes()), changed.tenant.text(),
        pqxx::binarystring(changed.patient.bytes()));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::map<PatientLink, ledger::Hash>> LocatorStore::Digests() const {
  std::map<PatientLink, ledger::Hash> digests;
  const absl::Status status = database_.Read([&](ReadTransaction& transaction) -> absl::Status {
    pqxx::transaction_base& sql = transaction.sql();
    sql.exec(fmt::format("DECLARE located NO SCROLL CURSOR FOR SELECT {} FROM {}", kColumns, kTables));
    for (pqxx::result rows = sql.exec("FETCH 1000 FROM located"); !rows.empty(); rows = sql.exec("FETCH 1000 FROM located"))
      for (const pqxx::row& row : rows) {
        const auto patient = PatientOf(row);
        if (!patient.ok()) return patient.status();
        digests.emplace(patient->link, LocatorDigest(*patient));
      }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return digests;
}

}  // namespace custodian::exchange
