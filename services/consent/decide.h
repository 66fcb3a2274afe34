// Whether a patient's consents let an organization see their records for a purpose at a time (DESIGN, section 7, "Consent").
// Pure: the newest versions of the consents held at the source in, a decision out; services/exchange/consent_reader.h reads them
// from FHIR.
//
// Opt-in: without a consent that permits, the answer is no. Only active consents speak; an inactive, rejected or mistaken one is
// as if it did not exist, which is how a revocation works. What permits is read narrowly and what denies broadly: where a rule
// has a criterion that is not evaluated here (data class, security label, an actor named by a plain reference), a permission does
// not apply and a denial does. Within one consent a nested provision is an exception to the one around it (R4: "rules that
// provide exceptions to the base rule"), so the innermost that applies decides; among siblings, and between consents, a denial
// wins: two statements that contradict each other are no clear permission, and what was shown cannot be unshown.
#ifndef CUSTODIAN_SERVICES_CONSENT_DECIDE_H_
#define CUSTODIAN_SERVICES_CONSENT_DECIDE_H_

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace custodian::consent {

// An Organization identifier.
struct Party {
  std::string system;
  std::string value;
  bool operator==(const Party&) const = default;
};

struct Actor {
  // Codes of v3-ParticipationType; a permission speaks only of information recipients (IRCP, PRCP).
  std::vector<std::string> roles;
  std::vector<Party> identifiers;
};

enum class Effect { kNone, kPermit, kDeny };

struct Provision {
  // kNone: states no rule of its own, only what the nested ones share.
  Effect effect = Effect::kNone;
  // [from, until).
  absl::Time from = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();
  // Empty: everyone. One without identifiers could not be read.
  std::vector<Actor> actors;
  // Codes of v3-ActReason. Empty: every purpose. An empty code could not be read.
  std::vector<std::string> purposes;
  // Has criteria beyond these.
  bool narrowed = false;
  std::vector<Provision> nested;
};

struct Consent {
  bool active = false;
  // scope patient-privacy; others are no permission to disclose.
  bool about_disclosure = false;
  Provision provision;
  // What arrived after the question's time does not exist yet.
  absl::Time arrived;
};

struct Question {
  Party actor;
  // v3-ActReason code, e.g. "TREAT".
  std::string purpose;
  absl::Time time;
};

enum class Reason { kPermitted, kNoPermission, kDenied };

struct Decision {
  bool permit = false;
  Reason reason = Reason::kNoPermission;
};

[[nodiscard]] Decision Decide(const std::vector<Consent>& consents, const Question& question);

}  // namespace custodian::consent

#endif  // CUSTODIAN_SERVICES_CONSENT_DECIDE_H_
