// Rows of the `locator` schema in the network database. SQL only; hashes come in and go out as opaque bytes. Thread-safe; what it
// lends is used by one thread.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_STORE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_STORE_H_

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/exchange/matching.h"
#include "tenants/database.h"

namespace custodian::exchange {

// locator.patient.marks.
[[nodiscard]] std::string MarkBytesOf(const std::vector<std::uint64_t>& marks);

// One snapshot of the rows.
class LocatorRows {
 public:
  explicit LocatorRows(tenants::ReadTransaction& transaction) : transaction_(transaction) {}

  // Nothing for a patient that is not registered.
  [[nodiscard]] absl::StatusOr<std::optional<LocatedPatient>> Find(const PatientLink& patient);
  // Up to kCandidatesMax that share a key with one of these, those that share most first; these themselves too.
  [[nodiscard]] absl::StatusOr<std::vector<LocatedPatient>> Candidates(const std::vector<LocatedPatient>& of);
  // The same, of one tenant.
  [[nodiscard]] absl::StatusOr<std::vector<LocatedPatient>> CandidatesAt(const TenantId& tenant, const LocatedPatient& of);
  // Up to kBearersMax are counted; the patients of the network as the database last estimated them.
  [[nodiscard]] absl::StatusOr<NameCount> Count(const LocatedPatient& patient);
  // What was decided about these, added to `decisions`, and the rows of those who are linked with them by decision.
  [[nodiscard]] absl::StatusOr<std::vector<LocatedPatient>> Decided(const std::vector<LocatedPatient>& of, MatchDecisions& decisions);
  // All of these and of their kept persons, if one among them bears a given name that joins only where no twin is known; else nobody.
  [[nodiscard]] absl::StatusOr<std::set<PatientLink>> JoinedUnlessTwin(const std::set<PatientLink>& patients);
  // Some patients, for estimation.
  [[nodiscard]] absl::StatusOr<std::vector<LocatedPatient>> Sample(int count);
  // A tenant's patients after one of them, in the order of their ids.
  [[nodiscard]] absl::StatusOr<std::vector<LocatedPatient>> PatientsOf(const TenantId& tenant, std::string_view after_patient_id, int limit);

  // Vetoes of a tenant that count, and its patients.
  struct Vetoes {
    std::int64_t counted = 0;
    std::int64_t patients = 0;
  };
  [[nodiscard]] absl::StatusOr<Vetoes> VetoesOf(const TenantId& tenant);
  // What is kept of merges that concern a patient whose Patient resource is `record`.
  struct Merges {
    // What the resource says, as Merge() was told.
    ChartLinks said;
    // Those who await this one.
    std::set<PatientId> awaiting;
  };
  [[nodiscard]] absl::StatusOr<Merges> MergesOf(const PatientLink& patient, const RecordId& record);

  static constexpr int kBearersMax = 2'000;
  // A name that more patients bear joins nobody by itself, whatever the network's size.
  static constexpr int kRareBearersMax = 64;

 private:
  tenants::ReadTransaction& transaction_;
};

// The rows in the hands of the one who changes them: nobody else changes any until the transaction ends. Each change notes whom it concerns
// (LocatorStore::Changed), the patient itself too, and what was kept of their persons goes.
class LocatorChanges : public LocatorRows {
 public:
  explicit LocatorChanges(tenants::WriteTransaction& transaction) : LocatorRows(transaction), transaction_(transaction) {}

  // How a registration vetoes.
  enum class Veto { kNone, kCounted, kMuted };
  // Puts the patient's row in place of the one it had.
  void Replace(const LocatedPatient& patient, const std::set<PatientLink>& concerned, Veto veto);
  // Puts what the resource says in place of what it said, and merges with it those who awaited it.
  void Merge(const PatientLink& patient, const ChartLinks& links, const std::set<PatientLink>& concerned);
  // The tenant of `patient` decided; an older version never replaces a newer one.
  void Decide(const PatientLink& patient, const PatientLink& other, bool link, std::int64_t version, const std::set<PatientLink>& concerned);

 private:
  void NoteChanged(const PatientLink& cause, const std::set<PatientLink>& concerned);

  tenants::WriteTransaction& transaction_;
};

class LocatorStore {
 public:
  explicit LocatorStore(const tenants::Database& network_database) : database_(network_database) {}

  [[nodiscard]] absl::Status Read(const std::function<absl::Status(LocatorRows&)>& body) const;
  // For one statement that reads rows by their keys.
  [[nodiscard]] absl::Status ReadOne(const std::function<absl::Status(LocatorRows&)>& body) const;
  // In one transaction; one at a time.
  [[nodiscard]] absl::Status Change(const std::function<absl::Status(LocatorChanges&)>& body) const;

  // These patients' persons, of those that were kept under these weights.
  using Person = std::vector<PatientLink>;
  [[nodiscard]] absl::StatusOr<std::map<PatientLink, Person>> KeptPersons(const std::vector<PatientLink>& patients, const ledger::Hash& weights_sha256) const;
  // Judges and keeps the person: nothing that `judge` reads changes before it is kept. Returns it; nothing when somebody is changing rows just
  // now, which is not waited for.
  [[nodiscard]] absl::StatusOr<std::optional<Person>> KeepPerson(const PatientLink& patient, const ledger::Hash& weights_sha256,
                                                  const std::function<absl::StatusOr<Person>(LocatorRows&)>& judge) const;

  // Everyone noted with the patient as cause until Forget().
  [[nodiscard]] absl::StatusOr<std::vector<PatientLink>> Changed(const PatientLink& cause) const;
  [[nodiscard]] absl::Status Forget(const PatientLink& cause, const PatientLink& changed) const;

  // LocatorDigest of every patient with a row.
  [[nodiscard]] absl::StatusOr<std::map<PatientLink, ledger::Hash>> Digests() const;

 private:
  const tenants::Database& database_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_STORE_H_
