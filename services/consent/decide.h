// Whether a patient's consents let an organization see one of their records for a purpose at a time (DESIGN, section 7, "Consent").
// Pure: Consents and circumstances are compiled once into ConsentRules, which answer from memory, on any thread. What is FHIR in them
// is read by services/exchange/consent_reader.h.
//
// What wins over what. Source: http://hl7.org/fhir/R4/consent-definitions.html; where R4 is silent, the reading that protects.
//
// 1. Only active Consents of scope patient-privacy permit; an inactive, rejected or mistaken one is as if it did not exist, which is how
//    a revocation works. One of another scope may deny.
// 2. What permits is read narrowly and what denies broadly: where a rule has a criterion that cannot be read, a permission does not
//    apply and a denial does.
// 3. "Rules which provide exceptions to the base rule or subrules" (Consent.provision.provision): the innermost rule that applies decides
//    over the one around it, and applies only where every rule around it does. `type` is "required in all nested rules": a nested rule
//    without one is read as a denial. The base rule's type is the root's where it has one, else policyRule's.
// 4. Between siblings, and between Consents, a denial wins, unless a permission is more specific: it is limited by all kinds of
//    criteria that limit the denial (actor, purpose, label, class, code, dataPeriod, data; counted over the rule and those around it) and by one
//    more, and, when they stand in two Consents, was given later (Consent.dateTime, but never later than its arrival).
// 5. A record with sensitivity labels is withheld unless the permission that applies to it, or a rule around that, names every one of
//    them (securityLabel); so is a restricted one (v3-Confidentiality R, V). "It applies to all resources labeled R or lower": a confidentiality
//    code permits what is as confidential or less, and denies what is as confidential or more.
// 6. Who gave it: a minor's own permission speaks only for what minors of that age decide themselves; somebody else's for a minor ends when
//    the minor comes of age, and never speaks for what the minor decides; a giver without authority gives nothing. Denials always speak.
// 7. Without any of it the tenant's legal basis decides: opt-in (no) unless it has recorded another for the purpose; no basis reaches what
//    rule 5 withholds.
#ifndef CUSTODIAN_SERVICES_CONSENT_DECIDE_H_
#define CUSTODIAN_SERVICES_CONSENT_DECIDE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace custodian::consent {

// An Organization identifier.
struct Party {
  std::string system;
  std::string value;
  bool operator==(const Party&) const = default;
};

// A code of a code system.
struct Code {
  std::string system;
  std::string code;
  auto operator<=>(const Code&) const = default;
};

struct Actor {
  // Codes of v3-ParticipationType; a permission speaks only of information recipients (IRCP, PRCP).
  std::vector<std::string> roles;
  std::vector<Party> identifiers;
};

enum class Effect { kNone, kPermit, kDeny };

// provision.data (http://hl7.org/fhir/R4/valueset-consent-data-meaning.html): the record itself; or also what refers to it or it
// refers to; or what refers to it; or what was written by it.
enum class DataMeaning { kInstance, kRelated, kDependents, kAuthoredBy };
struct DataReference {
  DataMeaning meaning = DataMeaning::kInstance;
  // "Type/id"; empty: could not be read.
  std::string reference;
};

// Criteria of one kind are alternatives ("Multiple types are or'ed together"); kinds must all hold. An empty list limits nothing.
struct Provision {
  // kNone: states no rule of its own, only what the nested ones share.
  Effect effect = Effect::kNone;
  // [from, until).
  absl::Time from = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();
  // One without identifiers could not be read.
  std::vector<Actor> actors;
  // Codes of v3-ActReason; one stands for those below it too (purposes.csv), and the root of all, "PurposeOfUse", never permits. An
  // empty code could not be read.
  std::vector<std::string> purposes;
  // Sensitivity labels and v3-Confidentiality codes. An empty one could not be read.
  std::vector<std::string> labels;
  // Resource types (system http://hl7.org/fhir/resource-types) and profiles (any other system, or none).
  std::vector<Code> classes;
  // Found anywhere in the record. An empty code could not be read.
  std::vector<Code> codes;
  // Clinical time of the record, [data_from, data_until).
  bool has_data_period = false;
  absl::Time data_from = absl::InfinitePast();
  absl::Time data_until = absl::InfiniteFuture();
  std::vector<DataReference> data;
  // Has criteria beyond these.
  bool narrowed = false;
  std::vector<Provision> nested;
};

// Who gave a Consent (Consent.performer), as far as it can be verified.
enum class Giver {
  // Not said: whoever may, vouched for by the tenant that holds it.
  kUnstated,
  kPatient,
  // May speak for a minor, and only while they are one.
  kParent,
  // May speak for a minor or an adult: guardian, health care proxy.
  kDelegate,
  // Named, but without authority.
  kNobody,
};

struct Consent {
  bool active = false;
  // scope patient-privacy; others are no permission to disclose.
  bool about_disclosure = false;
  Provision provision;
  // What arrived after the question's time does not exist yet.
  absl::Time arrived = absl::InfinitePast();
  // Consent.dateTime; counts as `arrived` when later than that, or when none is stated.
  std::optional<absl::Time> given = std::nullopt;
  Giver giver = Giver::kUnstated;
};

// What one record is, as far as rules ask.
struct Data {
  // Resource type and id.
  std::string type;
  std::string id;
  std::vector<std::string> profiles;
  std::vector<Code> codes;
  // Sensitivity labels, without repetition.
  std::vector<std::string> labels;
  // v3-Confidentiality, "N" where nothing says otherwise.
  std::string confidentiality = "N";
  // Clinical time [from, until); infinite when unknown.
  absl::Time from = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();
  // "Type/id" of what it refers to; of those that wrote it; and of what refers to it.
  std::vector<std::string> references;
  std::vector<std::string> authors;
  std::vector<std::string> referrers;
};

// What else decides, besides Consents: who the patient is, and the tenant's rules.
struct Circumstances {
  // Purposes (v3-ActReason) for which the tenant has recorded a legal basis of opt-out.
  std::vector<std::string> opt_out_purposes;
  // From these moments on the patient decides alone: generally, and on records with a label. A label that is not there goes with the
  // general one.
  absl::Time of_age = absl::InfinitePast();
  std::map<std::string, absl::Time> of_age_for;
};

struct Question {
  Party actor;
  // v3-ActReason code, e.g. "TREAT".
  std::string purpose;
  absl::Time time;
  Data data = {};
};

enum class Reason {
  // By a Consent; by the tenant's legal basis.
  kPermitted,
  kLegalBasis,
  // Nothing permits.
  kNoPermission,
  kDenied,
  // Something permits, but does not name a label (rule 5).
  kWithheld,
  // Something permits, but it was not its giver's to give (rule 6).
  kNotTheirs,
};

struct Decision {
  bool permit = false;
  Reason reason = Reason::kNoPermission;
  // Which rule decided: the Consent by its place in the list, and the rule within it in preorder (0 is the root); none: -1.
  int consent = -1;
  int rule = -1;
  bool operator==(const Decision&) const = default;
};

class ConsentRules {
 public:
  // The newest versions of the consents held at one tenant about one patient.
  ConsentRules(const std::vector<Consent>& consents, const Circumstances& circumstances);
  ~ConsentRules();
  ConsentRules(ConsentRules&&) noexcept;
  ConsentRules& operator=(ConsentRules&&) noexcept;

  [[nodiscard]] Decision Decide(const Question& question) const;

 private:
  class Compiled;
  std::unique_ptr<const Compiled> compiled_;
};

// Compiles and decides once.
[[nodiscard]] Decision Decide(const std::vector<Consent>& consents, const Question& question, const Circumstances& circumstances = {});

// v3-ActReason: `purpose` itself, then all above it, nearest first; those of a code that is not in purposes.csv are unknown.
[[nodiscard]] std::vector<std::string> PurposeAndAbove(const std::string& purpose);
// Rank in v3-Confidentiality, U (0) to V (5); nothing for other codes.
[[nodiscard]] std::optional<int> ConfidentialityRank(const std::string& code);

}  // namespace custodian::consent

#endif  // CUSTODIAN_SERVICES_CONSENT_DECIDE_H_
