#include "services/consent/decide.h"

#include <algorithm>

namespace custodian::consent {
namespace {

// A criterion met in the narrow reading is met in the broad one too.
struct Match {
  bool narrow = false;
  bool broad = false;
};

Match MatchActors(const std::vector<Actor>& actors, const Party& asked) {
  Match match{actors.empty(), actors.empty()};
  for (const Actor& actor : actors) {
    const bool named = std::find(actor.identifiers.begin(), actor.identifiers.end(), asked) != actor.identifiers.end();
    const bool recipient = std::any_of(actor.roles.begin(), actor.roles.end(),
                                       [](const std::string& role) { return role == "IRCP" || role == "PRCP"; });
    match.narrow = match.narrow || (named && recipient);
    match.broad = match.broad || named || actor.identifiers.empty();
  }
  return match;
}

Match MatchPurposes(const std::vector<std::string>& purposes, const std::string& asked) {
  Match match{purposes.empty(), purposes.empty()};
  for (const std::string& purpose : purposes) {
    match.narrow = match.narrow || (!purpose.empty() && purpose == asked);
    // "PurposeOfUse" is the root of the code system: every purpose.
    match.broad = match.broad || purpose.empty() || purpose == asked || purpose == "PurposeOfUse";
  }
  return match;
}

Effect Evaluate(const Provision& provision, const Question& question, Match around) {
  const bool in_time = provision.from <= question.time && question.time < provision.until;
  const Match actors = MatchActors(provision.actors, question.actor);
  const Match purposes = MatchPurposes(provision.purposes, question.purpose);
  const Match match{around.narrow && in_time && actors.narrow && purposes.narrow && !provision.narrowed,
                    around.broad && in_time && actors.broad && purposes.broad};
  if (!match.broad) return Effect::kNone;

  Effect exception = Effect::kNone;
  for (const Provision& nested : provision.nested) {
    const Effect effect = Evaluate(nested, question, match);
    if (effect == Effect::kDeny) return Effect::kDeny;
    if (effect == Effect::kPermit) exception = effect;
  }
  if (exception != Effect::kNone || provision.effect == Effect::kNone) return exception;
  if (provision.effect == Effect::kDeny) return Effect::kDeny;
  return match.narrow ? Effect::kPermit : Effect::kNone;
}

}  // namespace

Decision Decide(const std::vector<Consent>& consents, const Question& question) {
  bool permitted = false;
  for (const Consent& consent : consents) {
    if (!consent.active || consent.arrived > question.time) continue;
    const Effect effect = Evaluate(consent.provision, question, {consent.about_disclosure, true});
    if (effect == Effect::kDeny) return {false, Reason::kDenied};
    permitted = permitted || effect == Effect::kPermit;
  }
  if (permitted) return {true, Reason::kPermitted};
  return {false, Reason::kNoPermission};
}

}  // namespace custodian::consent
