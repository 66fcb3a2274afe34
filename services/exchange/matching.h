// Who is certainly one person among patients who may be (DESIGN, section 7, "Matching"). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_MATCHING_H_
#define CUSTODIAN_SERVICES_EXCHANGE_MATCHING_H_

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/match_weights.h"

namespace custodian::exchange {

// What two patients are to each other.
struct Match {
  Agreement agreement;
  double score = 0;
  MatchGrade grade = MatchGrade::kNone;
  // It would be certain if no twin is known (GradeOf).
  bool certain_unless_twin = false;
};
[[nodiscard]] Match MatchOf(const LocatedPatient& a, const LocatedPatient& b, const MatchWeights& weights, const NameCount& name);
// The same, the names counted when it matters how common they are.
using CountName = std::function<absl::StatusOr<NameCount>(const LocatedPatient& patient)>;
[[nodiscard]] absl::StatusOr<Match> CountedMatchOf(const LocatedPatient& a, const LocatedPatient& b, const MatchWeights& weights,
                                                   const CountName& count);
// Of two FHIR Patients (JSON text) of one tenant, for $match: nothing is stored and no key is used. InvalidArgument unless both are
// Patients.
[[nodiscard]] absl::StatusOr<Match> MatchPatients(std::string_view patient, std::string_view candidate, const MatchWeights& weights,
                                                  const NameCount& name = {});

// What people decided about pairs (match_review.h), each pair as (smaller, larger).
struct MatchDecisions {
  std::set<std::pair<PatientLink, PatientLink>> linked = {};
  std::set<std::pair<PatientLink, PatientLink>> unlinked = {};
  // Charts that a tenant merged (Patient.link): nobody looked at what contradicts that, so identifiers still may.
  std::set<std::pair<PatientLink, PatientLink>> merged = {};
};

// Everyone whom certain matches and decisions connect, and what is needed to judge them.
struct MatchedPatients {
  // Ordered by link.
  std::vector<LocatedPatient> patients;
  MatchDecisions decisions;
  // Others who were born the same day as one of these into the same family or home, under another name.
  std::set<PatientLink> twins = {};
  // A source told as many candidates as it may: a twin may be among the others.
  bool twins_unseen = false;
  // These are kConnectedMax of more.
  bool too_many = false;
};

// Where the patients come from: rows of a store, or a population in memory.
struct MatchSource {
  // Patients that share a key with one of these, or are linked with one by decision; what was decided is added to `decisions`. The
  // asked ones may be among them. From kCandidatesMax on, some may be left out.
  std::function<absl::StatusOr<std::vector<LocatedPatient>>(const std::vector<LocatedPatient>& of, MatchDecisions& decisions)> candidates;
  // How common a patient's full name is.
  CountName count;
};

inline constexpr std::size_t kCandidatesMax = 256;
// No person is more patients than this.
inline constexpr std::size_t kConnectedMax = 64;

// Everyone connected to `of`, itself included, kConnectedMax at most.
[[nodiscard]] absl::StatusOr<MatchedPatients> Gather(const LocatedPatient& of, const MatchSource& source, const MatchWeights& weights);

// How a group was judged.
struct PersonJudgement {
  // The patients that are certainly the same person, the asked one included, ordered.
  std::vector<PatientLink> same;
  // Tenants whose namesakes or contradicting identifiers left less than certain matches alone would give.
  std::set<TenantId> vetoed_by;
};

// The patients that are certainly the same person as `of`, the same for each of them. `among` comes from Gather().
//
// Certain matches are followed from patient to patient, those with a name that a twin could have only where no twin is known. If among those so found
// two are twins by their names, only those with the same given name are. If two national identifiers differ, or a tenant keeps
// two of them as two patients whom no identifier and no decision joins (twins, namesakes), or people unlinked two of them, then those with the same
// given name remain if that is not so among them, or else those whom identifiers and decisions join; if even those contradict each other, nothing
// does. Too many patients are nobody's: each is its own person then.
[[nodiscard]] absl::StatusOr<PersonJudgement> CertainlySame(const PatientLink& of, const MatchedPatients& among, const MatchWeights& weights,
                                                      const CountName& count);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_MATCHING_H_
