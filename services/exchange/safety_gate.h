// When a card may suggest to cancel an order, and when it only informs (DESIGN, section 7, "Card"): adult, ambulatory, routine
// draft orders of one exam, to be done while the prior may be reused; never in emergency, inpatient care, pregnancy, surveillance, or after a
// procedure or trauma since the prior. What is not known counts against the suggestion. Pure.
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
  // Why exams are ordered, in force at the ordering tenant.
  const OrderReasons* reasons = nullptr;
  // context.patientId, whom all that is prefetched must be about.
  std::string_view patient_id;
  // context.encounterId; empty without.
  std::string_view encounter_id;
  // Keys: patient (Patient), encounter (Encounter), conditions (Bundle of Condition).
  const Json* prefetch = nullptr;
  // Of the person's records that MayDecide() those that the ordering tenant may see: its own first, then those that others' patients let it see.
  const std::vector<const OpenedRecord*>* records = nullptr;
  // When the prior was performed, network time of the check, and the ordering tenant's zone.
  absl::Time prior_performed;
  absl::Time time;
  absl::TimeZone zone;
};

// A Condition, a Procedure, or an Observation that says whether somebody is pregnant: no other record decides.
[[nodiscard]] bool MayDecide(const OpenedRecord& record);

struct Gate {
  // Why the card must only inform, as a short constant ("pregnancy", "encounter-unknown", ...); empty when it may suggest.
  std::string_view reason;
  // Which of `records` says so; null when it is nothing stored.
  const OpenedRecord* record = nullptr;
};

// A card may suggest where the order and its encounter state no reason, or each is a code under which a prior remains usable (order_reasons.h). Free text, and
// a code that is on no list, may be any reason; so may a condition that is on no list and new since the prior.
[[nodiscard]] Gate InformationOnly(const GateQuestion& question);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_SAFETY_GATE_H_
