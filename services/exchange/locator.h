// Who is one person at several tenants: keyed hashes of normalised demographics in the network database, compared field by field and
// weighed (matching.h). Any thread. Only certain matches link; a patient without a row is its own person.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_H_
#define CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "services/exchange/joined_lookup.h"
#include "services/exchange/match_estimate.h"
#include "services/exchange/matching.h"
#include "services/exchange/patient_records.h"
#include "services/keys/key_client.h"
#include "tenants/database.h"

namespace custodian::exchange {

// What is kept of a FHIR Patient (JSON text); it follows from that resource alone.
[[nodiscard]] absl::StatusOr<LocatedPatient> LocatePatient(keys::KeyClient& keys, const PatientLink& patient,
                                                           std::string_view patient_json);

class Locator {
 public:
  struct Options {
    // How many of a tenant's registrations may make others' links less than certain: so many, or this share of its patients where
    // that is more; and so many that match one and the same person. What comes after is muted (LocatedPatient) and an alarm.
    std::int64_t vetoes_max = 50;
    double vetoes_share_max = 0.005;
    std::size_t namesakes_max = 6;
  };

  // A database that plans once (Database::Options) answers twice as fast.
  Locator(const tenants::Database& network_database, keys::KeyClient& keys) : Locator(network_database, keys, Options()) {}
  Locator(const tenants::Database& network_database, keys::KeyClient& keys, Options options);
  Locator(const Locator&) = delete;
  Locator& operator=(const Locator&) = delete;

  // The governed weights; the shipped ones until then. Links follow them from the next question on.
  void SetWeights(const MatchWeights& weights);
  [[nodiscard]] std::shared_ptr<const MatchWeights> Weights() const;

  // Tokens of a FHIR Patient (LocatePatient), replacing those it had; links it to the persons it certainly is. Idempotent.
  [[nodiscard]] absl::Status Register(const PatientLink& patient, std::string_view patient_json);
  // Hands each patient whose person a registration or decision of `cause` may have changed, the formerly linked ones included, to
  // `follow`, and judges it; those it answered OK for are not handed out again.
  [[nodiscard]] absl::Status FollowChanges(const PatientLink& cause,
                                           const std::function<absl::Status(const PatientLink&)>& follow) const;
  // Every patient of the same person, itself included, ordered; just itself when nothing is certain. One kept row, read together with those that others
  // ask for at the same time; judged now where none is kept. Each registration, decision and merge ends, in its own transaction, what is kept of everyone it may concern (of more patients than one person
  // can be, of those who were gathered), of the bearers of a rare name too; new weights do, and so do a day and a network that has grown to twice
  // its size, where names are commoner or rarer than they were. Two kept ones may disagree until then: who finds that asks JudgePerson().
  [[nodiscard]] absl::StatusOr<std::vector<PatientLink>> PersonOf(const PatientLink& patient) const;
  // The same judged now from the rows themselves: some ten statements.
  [[nodiscard]] absl::StatusOr<std::vector<PatientLink>> SamePerson(const PatientLink& patient) const;
  // SamePerson(), and kept for PersonOf() where that can be done at once.
  [[nodiscard]] absl::StatusOr<std::vector<PatientLink>> JudgePerson(const PatientLink& patient) const;

  // Patients of the tenant that may be the person of a FHIR Patient (JSON text, stored or not), the likeliest first: what $match
  // answers. InvalidArgument unless it is a Patient.
  struct Candidate {
    PatientId patient;
    Match match;
  };
  [[nodiscard]] absl::StatusOr<std::vector<Candidate>> Candidates(const TenantId& tenant, std::string_view patient_json) const;

  // Patients of any tenant that may be the same person as a registered one and are neither certain nor decided: what people review.
  struct Doubt {
    PatientLink other;
    Match match;
  };
  [[nodiscard]] absl::StatusOr<std::vector<Doubt>> Doubts(const PatientLink& patient) const;
  // Whether two registered patients are alike enough for that, decided or not.
  [[nodiscard]] absl::StatusOr<bool> MayBeSame(const PatientLink& a, const PatientLink& b) const;
  // A tenant's registered patients after one of them (16 bytes; empty: from the first), in order.
  [[nodiscard]] absl::StatusOr<std::vector<PatientLink>> PatientsOf(const TenantId& tenant, std::string_view after, int limit) const;
  // People of `patient`'s tenant decided (match_review.h): a link between two tenants holds once both say so, an unlink of either ends
  // it. Of several words of one tenant on a pair that of the highest `version` holds. Idempotent; FollowChanges() is the caller's next
  // step.
  [[nodiscard]] absl::Status Decide(const PatientLink& patient, const PatientLink& other, bool link, std::int64_t version);

  // The charts of its own tenant that the patient's Patient resource is linked with (Patient.link): they are one person until it says otherwise,
  // unless their identifiers contradict each other. Replaces what it said before, and merges those who named this one before it was stored.
  // Idempotent; FollowChanges() is the caller's next step.
  [[nodiscard]] absl::Status Merge(const PatientLink& patient, const ChartLinks& links);

 private:
  struct Governed {
    MatchWeights weights;
    ledger::Hash sha256;
  };
  [[nodiscard]] std::shared_ptr<const Governed> InForce() const;

  const tenants::Database& database_;
  keys::KeyClient& keys_;
  const Options options_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const Governed> weights_ ABSL_GUARDED_BY(mutex_);
  mutable JoinedLookup<PatientLink, std::vector<PatientLink>> kept_persons_;
};

// Weights estimated (match_estimate.h) from up to `patients_max` of the network's patients, by themselves: nothing else is read.
[[nodiscard]] absl::StatusOr<MatchEstimate> EstimateFromRows(const tenants::Database& network_database, int patients_max,
                                                             const MatchWeights& before);

// What the outbox kind "locator" asks for: registers the patient's newest Patient resource and its links, then FollowChanges(). Idempotent.
[[nodiscard]] absl::Status RegisterPatient(Locator& locator, const PatientRecords& records, const PatientLink& patient,
                                           const std::function<absl::Status(const PatientLink&)>& follow);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_H_
