// What one reader may see of a person's records at one tenant, for one purpose at one time: the one place where records meet consents, for
// cards, reads and searches alike. Pure over the records handed in; made for a request, used by one thread. Whoever discloses on it reads
// the consent version before each chart, and makes the DISCLOSURE conditional on it (tenants::ExpectConsentVersion; person_chart.h).
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CONSENT_GATE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CONSENT_GATE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/consent/decide.h"
#include "services/consent/tenant_rules.h"
#include "services/exchange/exam.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/record_facts.h"
#include "tenants/ids.h"

namespace custodian::exchange {

// The rules in force at a tenant; null when they cannot be read, and then nothing is disclosed.
using RulesOf = std::function<std::shared_ptr<const consent::TenantRules>(const TenantId&)>;
// Those that come with the program, for every tenant.
[[nodiscard]] RulesOf BuiltInRules();

struct Judgement {
  consent::Decision decision;
  // Sensitivity labels of the record, sorted: its own, those of what it came about in and for, of its parts, and of what it is part of.
  std::vector<std::string> labels;
  // The Consent that decided, "Consent/<id>/_history/<version>"; empty when none did.
  std::string consent;
};

class ConsentGate {
 public:
  // `records`: what is stored about the person at the tenant, all of it; of several versions the newest counts, and what arrived after `time`
  // does not exist. They must outlive the gate. `zone` is the tenant's. A Consent that cannot be read denies.
  ConsentGate(const std::vector<const OpenedRecord*>& records, std::shared_ptr<const consent::TenantRules> rules, absl::TimeZone zone,
              consent::Party reader, std::string purpose, absl::Time time);
  // The same of one chart.
  ConsentGate(const std::vector<OpenedRecord>& chart, std::shared_ptr<const consent::TenantRules> rules, absl::TimeZone zone,
              consent::Party reader, std::string purpose, absl::Time time);
  ~ConsentGate();

  [[nodiscard]] const std::shared_ptr<const consent::TenantRules>& rules() const { return rules_; }

  [[nodiscard]] Judgement Judge(const OpenedRecord& record) const;
  // The same for a record whose JSON is parsed already.
  [[nodiscard]] Judgement Judge(const Json& resource) const;
  // An emergency of this tenant's break-glass rules opens what `judgement` closed; never what is permitted anyway.
  [[nodiscard]] bool EmergencyOpens(const Judgement& judgement) const;

  // Everything the judgement followed from: the versions of the records looked at, question, tables; and what it was. CheckExplanation()
  // evaluates it anew.
  [[nodiscard]] Json Explain(const OpenedRecord& record, const Judgement& judgement, std::int64_t consent_version) const;

 private:
  // What a record is said to be, by itself and by what it belongs to.
  struct Sensitivity {
    std::set<std::string> labels;
    // v3-Confidentiality.
    std::string confidentiality = "U";
    // Records looked at for it, by the way that led there.
    std::set<std::string> contexts, parts, wholes;
  };
  // Which records name which as parts of theirs, both ways, by "Type/id".
  struct Structure {
    std::multimap<std::string, std::string> parts, wholes;
  };
  [[nodiscard]] const OpenedRecord* Find(const std::string& reference) const;
  [[nodiscard]] Sensitivity SensitivityOf(const RecordFacts& facts) const;
  void AddOwn(const RecordFacts& facts, Sensitivity& into) const;
  void AddContext(const RecordFacts& facts, Sensitivity& into) const;
  void AddParts(const RecordFacts& facts, Sensitivity& into) const;
  void AddWholes(const RecordFacts& facts, Sensitivity& into) const;
  [[nodiscard]] std::optional<RecordFacts> FactsOfUnseen(const std::string& name, std::set<std::string>& seen) const;
  [[nodiscard]] const Structure& structure() const;
  [[nodiscard]] std::optional<absl::CivilDay> BirthDate() const;
  [[nodiscard]] std::vector<std::string> ReferrersOf(const std::string& reference) const;

  const std::shared_ptr<const consent::TenantRules> rules_;
  const absl::TimeZone zone_;
  const consent::Party reader_;
  const std::string purpose_;
  const absl::Time time_;
  // Newest versions by "Type/id".
  std::map<std::string, const OpenedRecord*> newest_;
  // In the order in which the rules know them.
  std::vector<const OpenedRecord*> consents_;
  bool unreadable_ = false;
  bool asks_referrers_ = false;
  std::optional<consent::ConsentRules> compiled_;
  // Who refers to what, and who is part of what; made when first asked.
  mutable std::optional<std::multimap<std::string, std::string>> referrers_;
  mutable std::optional<Structure> structure_;
};

// The rules that were made of these tables, and of no others; an error when they are not to be had.
using RulesMadeOf = std::function<absl::StatusOr<std::shared_ptr<const consent::TenantRules>>(const std::vector<consent::UsedTable>&)>;
// OK when the decision that `explanation` states follows from what it names. `history`: the person's records at the tenant, every version.
// NotFound when a version or a table is not to be had; DataLoss when another decision follows.
[[nodiscard]] absl::Status CheckExplanation(const Json& explanation, const std::vector<OpenedRecord>& history, const RulesMadeOf& rules);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CONSENT_GATE_H_
