// Patient/$match within a tenant (http://hl7.org/fhir/R4/patient-operation-match.html): candidates that are alike (locator.h) or share
// a business identifier with the patient asked for, graded. Never another tenant's. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_PATIENT_MATCH_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_PATIENT_MATCH_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/exchange/fhir_call.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/locator.h"
#include "services/keys/sealer.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

// One answer of a matcher.
struct PatientCandidate {
  std::string fhir_id;
  // http://hl7.org/fhir/R4/valueset-match-grade.html: certain, probable, possible.
  std::string grade;
  // 0 to 1.
  double score = 0;
};
// Patients of one tenant that may be `patient`, a FHIR Patient; best first.
using PatientMatcher = std::function<absl::StatusOr<std::vector<PatientCandidate>>(const tenants::Partition& partition, const Json& patient)>;

// By what the locator keeps, and by shared business identifiers: with one, certain when given name and birth date agree too, probable
// otherwise. Of several that would be certain none is, unless the identifier tells one of them. Borrows both.
[[nodiscard]] PatientMatcher MatchWithin(const Locator& locator, keys::Sealer& sealer);

class FhirPatientMatch {
 public:
  FhirPatientMatch(PatientMatcher matcher, keys::Sealer& sealer) : matcher_(std::move(matcher)), sealer_(sealer) {}

  // `body`: a Parameters resource. A searchset with scores and match grades.
  [[nodiscard]] rpc::HttpResponse Answer(const FhirCall& call, const Json& body) const;

 private:
  const PatientMatcher matcher_;
  keys::Sealer& sealer_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_PATIENT_MATCH_H_
