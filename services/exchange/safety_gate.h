// When a card may suggest to cancel an order, and when it only informs (DESIGN, section 7, "Card"): adult, ambulatory, routine
// draft orders; never in emergency, inpatient care, pregnancy, surveillance, or after a procedure or trauma since the prior. What
// is not known counts against the suggestion. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_SAFETY_GATE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_SAFETY_GATE_H_

#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/exchange/cds_request.h"
#include "services/exchange/exam.h"
#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

struct GateQuestion {
  const DraftOrder* order = nullptr;
  const ExamClass* exam_class = nullptr;
  // context.patientId, which the prefetched patient must be.
  std::string_view patient_id;
  // Keys: patient (Patient), encounter (Encounter), conditions (Bundle of Condition).
  const Json* prefetch = nullptr;
  // Records that the ordering tenant itself holds: a Procedure since the prior counts too.
  const std::vector<const OpenedRecord*>* own_records = nullptr;
  // When the prior was performed, network time of the check, and the ordering tenant's zone.
  absl::Time prior_performed;
  absl::Time time;
  absl::TimeZone zone;
};

// Why the card must only inform, as a short constant ("pregnancy", "encounter-unknown", ...); empty when it may suggest.
[[nodiscard]] std::string_view InformationOnly(const GateQuestion& question);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_SAFETY_GATE_H_
