#include "services/exchange/locator_store.h"

#include <map>
#include <pqxx/pqxx>
#include <string>

namespace custodian::exchange {
namespace {

using tenants::ReadTransaction;
using tenants::WriteTransaction;

absl::StatusOr<PatientLink> LinkOf(const pqxx::row& row) {
  auto tenant = TenantId::Parse(row[0].as<std::string>());
  if (!tenant.ok()) return tenant.status();
  auto patient = PatientId::FromBytes(pqxx::binarystring(row[1]).str());
  if (!patient.ok()) return patient.status();
  return PatientLink{*std::move(tenant), *std::move(patient)};
}

// The patients connected to ($1, $2), then their rows: one round trip each, however many they are.
constexpr char kConnected[] =
    "WITH RECURSIVE connected (tenant_id, patient_id) AS ("
    "  SELECT $1::text, $2::bytea"
    "  UNION"
    "  SELECT other.tenant_id, other.patient_id FROM connected"
    "  JOIN locator.token AS own ON own.tenant_id = connected.tenant_id AND own.patient_id = connected.patient_id"
    "  JOIN locator.token AS other ON other.token = own.token"
    "), those AS (SELECT tenant_id, patient_id FROM connected LIMIT $3) ";

bool Stands(WriteTransaction& transaction, const LocatedPatient& patient) {
  const std::string& tenant = patient.link.tenant.text();
  const pqxx::binarystring id(patient.link.patient.bytes());
  LocatedPatient stored;
  stored.link = patient.link;
  for (const pqxx::row& row : transaction.sql().exec_params(
           "SELECT token, strength FROM locator.token WHERE tenant_id = $1 AND patient_id = $2", tenant, id))
    (row[1].as<std::string>() == "name" ? stored.name_tokens : stored.identifier_tokens).insert(pqxx::binarystring(row[0]).str());
  for (const pqxx::row& row : transaction.sql().exec_params(
           "SELECT slot, value FROM locator.identifier WHERE tenant_id = $1 AND patient_id = $2", tenant, id))
    stored.national[pqxx::binarystring(row[0]).str()].insert(pqxx::binarystring(row[1]).str());
  return stored.name_tokens == patient.name_tokens && stored.identifier_tokens == patient.identifier_tokens &&
         stored.national == patient.national;
}

// One more than a person can have: past that nobody's links are certain, and those that were are among the first.
void NoteChanged(WriteTransaction& transaction, const std::string& tenant, const pqxx::binarystring& id) {
  transaction.sql().exec_params(std::string(kConnected) +
                                    "INSERT INTO locator.changed (cause_tenant_id, cause_patient_id, tenant_id, patient_id) "
                                    "SELECT $1, $2, tenant_id, patient_id FROM those ON CONFLICT DO NOTHING",
                                tenant, id, LocatorStore::kConnectedMax + 1);
}

}  // namespace

absl::Status LocatorStore::Replace(const LocatedPatient& patient) const {
  return database_.Write([&patient](WriteTransaction& transaction) -> absl::Status {
    const std::string& tenant = patient.link.tenant.text();
    const pqxx::binarystring id(patient.link.patient.bytes());
    // Two registrations of one patient at once: the second waits for the first, then replaces it.
    transaction.sql().exec_params("SELECT pg_advisory_xact_lock(hashtextextended($1 || encode($2, 'hex'), 0))", tenant, id);
    if (Stands(transaction, patient)) return absl::OkStatus();
    NoteChanged(transaction, tenant, id);
    transaction.sql().exec_params("DELETE FROM locator.token WHERE tenant_id = $1 AND patient_id = $2", tenant, id);
    transaction.sql().exec_params("DELETE FROM locator.identifier WHERE tenant_id = $1 AND patient_id = $2", tenant, id);
    for (const auto& [strength, tokens] :
         {std::pair("name", &patient.name_tokens), std::pair("identifier", &patient.identifier_tokens)})
      for (const std::string& token : *tokens)
        transaction.sql().exec_params(
            "INSERT INTO locator.token (tenant_id, patient_id, token, strength) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            tenant, id, pqxx::binarystring(token), strength);
    for (const auto& [slot, values] : patient.national)
      for (const std::string& value : values)
        transaction.sql().exec_params(
            "INSERT INTO locator.identifier (tenant_id, patient_id, slot, value) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            tenant, id, pqxx::binarystring(slot), pqxx::binarystring(value));
    NoteChanged(transaction, tenant, id);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<PatientLink>> LocatorStore::Changed(const PatientLink& cause) const {
  std::vector<PatientLink> changed;
  const absl::Status status = database_.Read([&](ReadTransaction& transaction) -> absl::Status {
    for (const pqxx::row& row : transaction.sql().exec_params(
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
    transaction.sql().exec_params(
        "DELETE FROM locator.changed WHERE cause_tenant_id = $1 AND cause_patient_id = $2 AND tenant_id = $3 AND patient_id = $4",
        cause.tenant.text(), pqxx::binarystring(cause.patient.bytes()), changed.tenant.text(),
        pqxx::binarystring(changed.patient.bytes()));
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<LocatedPatient>> LocatorStore::Connected(const PatientLink& patient) const {
  std::map<PatientLink, LocatedPatient> found;
  const absl::Status status = database_.Read([&](ReadTransaction& transaction) -> absl::Status {
    const pqxx::binarystring id(patient.patient.bytes());
    const pqxx::result tokens =
        transaction.sql().exec_params(std::string(kConnected) +
                                          "SELECT token.tenant_id, token.patient_id, token.token, token.strength FROM those JOIN "
                                          "locator.token AS token USING (tenant_id, patient_id) "
                                          "ORDER BY token.tenant_id, token.patient_id",
                                      patient.tenant.text(), id, kConnectedMax + 1);
    for (const pqxx::row& row : tokens) {
      const auto link = LinkOf(row);
      if (!link.ok()) return link.status();
      LocatedPatient& located = found[*link];
      located.link = *link;
      (row[3].as<std::string>() == "name" ? located.name_tokens : located.identifier_tokens)
          .insert(pqxx::binarystring(row[2]).str());
    }
    if (found.size() > kConnectedMax) return absl::ResourceExhaustedError("more patients share tokens than one person can be");
    const pqxx::result national = transaction.sql().exec_params(
        std::string(kConnected) +
            "SELECT national.tenant_id, national.patient_id, national.slot, national.value FROM those "
            "JOIN locator.identifier AS national USING (tenant_id, patient_id) ORDER BY national.tenant_id, national.patient_id",
        patient.tenant.text(), id, kConnectedMax + 1);
    for (const pqxx::row& row : national) {
      const auto link = LinkOf(row);
      if (!link.ok()) return link.status();
      if (const auto located = found.find(*link); located != found.end())
        located->second.national[pqxx::binarystring(row[2]).str()].insert(pqxx::binarystring(row[3]).str());
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  std::vector<LocatedPatient> patients;
  for (auto& [link, located] : found) patients.push_back(std::move(located));
  return patients;
}

absl::StatusOr<std::map<PatientLink, ledger::Hash>> LocatorStore::Digests() const {
  std::map<PatientLink, ledger::Hash> digests;
  const absl::Status status = database_.Read([&](ReadTransaction& transaction) -> absl::Status {
    pqxx::transaction_base& sql = transaction.sql();
    sql.exec(
        "DECLARE located NO SCROLL CURSOR FOR SELECT tenant_id, patient_id, strength AS what, token AS first, ''::bytea AS second "
        "FROM locator.token UNION ALL SELECT tenant_id, patient_id, 'national', slot, value FROM locator.identifier ORDER BY 1, 2");
    LocatedPatient patient;
    const auto finish = [&] { digests.emplace(patient.link, LocatorDigest(patient)); };
    bool begun = false;
    for (pqxx::result rows = sql.exec("FETCH 1000 FROM located"); !rows.empty(); rows = sql.exec("FETCH 1000 FROM located")) {
      for (const pqxx::row& row : rows) {
        const auto link = LinkOf(row);
        if (!link.ok()) return link.status();
        if (!begun || patient.link != *link) {
          if (begun) finish();
          patient = LocatedPatient();
          patient.link = *link;
          begun = true;
        }
        const std::string what = row[2].as<std::string>();
        const std::string first = pqxx::binarystring(row[3]).str();
        if (what == "national")
          patient.national[first].insert(pqxx::binarystring(row[4]).str());
        else
          (what == "name" ? patient.name_tokens : patient.identifier_tokens).insert(first);
      }
    }
    if (begun) finish();
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return digests;
}

}  // namespace custodian::exchange
