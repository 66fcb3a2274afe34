#include "services/exchange/consent_gate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/consent_reader.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

// A report of panels of panels.
constexpr std::size_t kPartsMax = 1'000;

Json Text(std::string_view text) { return Json::String(std::string(text)); }
std::string NameOf(const OpenedRecord& record) { return absl::StrCat(record.resource_type, "/", record.id); }
std::string VersionOf(const OpenedRecord& record) { return absl::StrCat(NameOf(record), "/_history/", record.version); }

bool AsksReferrers(const consent::Provision& provision) {
  return std::any_of(provision.data.begin(), provision.data.end(),
                     [](const consent::DataReference& data) { return data.meaning == consent::DataMeaning::kRelated; }) ||
         std::any_of(provision.nested.begin(), provision.nested.end(), AsksReferrers);
}

Json DecisionJson(const consent::Decision& decision) {
  return Json::Object({{"consent", Json::Integer(decision.consent)},
                       {"permit", Json::Bool(decision.permit)},
                       {"reason", Text(consent::ReasonText(decision.reason))},
                       {"rule", Json::Integer(decision.rule)}});
}

}  // namespace

RulesOf BuiltInRules() {
  return [](const TenantId&) { return consent::TenantRules::BuiltIn(); };
}

ConsentGate::ConsentGate(const std::vector<OpenedRecord>& chart, std::shared_ptr<const consent::TenantRules> rules, absl::TimeZone zone,
                         consent::Party reader, std::string purpose, absl::Time time)
    : ConsentGate(PointersTo(chart), std::move(rules), zone, std::move(reader), std::move(purpose), time) {}

ConsentGate::ConsentGate(const std::vector<const OpenedRecord*>& records, std::shared_ptr<const consent::TenantRules> rules, absl::TimeZone zone,
                         consent::Party reader, std::string purpose, absl::Time time)
    : rules_(std::move(rules)), zone_(zone), reader_(std::move(reader)), purpose_(std::move(purpose)), time_(time) {
  for (const OpenedRecord* record : records) {
    if (record->arrived > time_) continue;
    const OpenedRecord*& known = newest_[NameOf(*record)];
    if (known == nullptr || known->version < record->version) known = record;
  }
  if (rules_ == nullptr) return;
  std::map<std::string, std::shared_ptr<const Json>> persons;
  const FindRelatedPerson find = [&](std::string_view reference) -> const Json* {
    const OpenedRecord* record = Find(std::string(reference));
    if (record == nullptr || record->resource_type != "RelatedPerson") return nullptr;
    const auto [known, is_new] = persons.try_emplace(std::string(reference));
    if (is_new) known->second = ResourceOf(*record);
    return known->second.get();
  };
  std::vector<consent::Consent> consents;
  for (auto record = newest_.lower_bound("Consent/"); record != newest_.end() && record->second->resource_type == "Consent"; ++record) {
    const auto json = ResourceOf(*record->second);
    if (json == nullptr) {
      unreadable_ = true;
      continue;
    }
    consents.push_back(ReadConsent(*json, record->second->arrived, zone_, *rules_, find));
    consents_.push_back(record->second);
    asks_referrers_ = asks_referrers_ || AsksReferrers(consents.back().provision);
  }
  compiled_.emplace(consents, rules_->CircumstancesOf(BirthDate(), zone_));
}

ConsentGate::~ConsentGate() = default;

const OpenedRecord* ConsentGate::Find(const std::string& reference) const {
  const auto found = newest_.find(reference);
  return found == newest_.end() ? nullptr : found->second;
}

// A date that leaves month or day open is the last that it may be, and of several charts' the last counts: nobody is of age too early.
std::optional<absl::CivilDay> ConsentGate::BirthDate() const {
  std::optional<absl::CivilDay> last;
  for (auto record = newest_.lower_bound("Patient/"); record != newest_.end() && record->second->resource_type == "Patient"; ++record) {
    const auto json = ResourceOf(*record->second);
    if (json == nullptr) continue;
    if (const auto time = ParseFhirTime(json->TextOf("birthDate"), absl::UTCTimeZone()))
      last = std::max(last, std::optional(absl::ToCivilDay(time->end - absl::Milliseconds(1), absl::UTCTimeZone())));
  }
  return last;
}

const ConsentGate::Structure& ConsentGate::structure() const {
  if (structure_) return *structure_;
  structure_.emplace();
  for (const auto& [name, record] : newest_) {
    const auto json = ResourceOf(*record);
    if (json == nullptr) continue;
    const Links links = LinksOf(*json);
    for (const std::string& part : links.parts) structure_->wholes.emplace(part, name);
    for (const std::string& whole : links.wholes) structure_->parts.emplace(whole, name);
  }
  return *structure_;
}

std::optional<RecordFacts> ConsentGate::FactsOfUnseen(const std::string& name, std::set<std::string>& seen) const {
  const OpenedRecord* record = Find(name);
  if (record == nullptr || seen.size() > kPartsMax || !seen.insert(name).second) return std::nullopt;
  const auto json = ResourceOf(*record);
  return json == nullptr ? std::nullopt : std::optional(FactsOf(*json, zone_));
}

void ConsentGate::AddOwn(const RecordFacts& facts, Sensitivity& into) const {
  into.labels.insert(facts.data.labels.begin(), facts.data.labels.end());
  into.labels.merge(rules_->LabelsOfCodes(facts.data.codes));
  into.labels.merge(rules_->LabelsOfReferences(facts.data.references));
  into.confidentiality = MoreConfidential(into.confidentiality, facts.data.confidentiality);
}

void ConsentGate::AddContext(const RecordFacts& facts, Sensitivity& into) const {
  for (const std::string& name : facts.context)
    if (const auto context = FactsOfUnseen(name, into.contexts)) {
      AddOwn(*context, into);
      AddContext(*context, into);
    }
}

void ConsentGate::AddParts(const RecordFacts& facts, Sensitivity& into) const {
  std::vector<std::string> names = facts.parts;
  const auto [begin, end] = structure().parts.equal_range(absl::StrCat(facts.data.type, "/", facts.data.id));
  for (auto each = begin; each != end; ++each) names.push_back(each->second);
  for (const std::string& name : names)
    if (const auto part = FactsOfUnseen(name, into.parts)) {
      AddOwn(*part, into);
      AddContext(*part, into);
      AddParts(*part, into);
    }
}

// Not what is in their other parts: a panel's other members say nothing of this one.
void ConsentGate::AddWholes(const RecordFacts& facts, Sensitivity& into) const {
  std::vector<std::string> names = facts.wholes;
  const auto [begin, end] = structure().wholes.equal_range(absl::StrCat(facts.data.type, "/", facts.data.id));
  for (auto each = begin; each != end; ++each) names.push_back(each->second);
  for (const std::string& name : names)
    if (const auto whole = FactsOfUnseen(name, into.wholes)) {
      AddOwn(*whole, into);
      AddContext(*whole, into);
      AddWholes(*whole, into);
    }
}

ConsentGate::Sensitivity ConsentGate::SensitivityOf(const RecordFacts& facts) const {
  Sensitivity all;
  AddOwn(facts, all);
  AddContext(facts, all);
  AddParts(facts, all);
  AddWholes(facts, all);
  return all;
}

std::vector<std::string> ConsentGate::ReferrersOf(const std::string& reference) const {
  if (!referrers_) {
    referrers_.emplace();
    for (const auto& [name, record] : newest_) {
      const auto json = ResourceOf(*record);
      if (json == nullptr) continue;
      for (const std::string& target : FactsOf(*json, zone_).data.references) referrers_->emplace(target, name);
    }
  }
  std::vector<std::string> names;
  const auto [begin, end] = referrers_->equal_range(reference);
  for (auto each = begin; each != end; ++each) names.push_back(each->second);
  return names;
}

Judgement ConsentGate::Judge(const OpenedRecord& record) const {
  const auto json = ResourceOf(record);
  return json != nullptr ? Judge(*json) : Judgement{{false, consent::Reason::kDenied}, {}, ""};
}

Judgement ConsentGate::Judge(const Json& resource) const {
  Judgement judgement{{false, consent::Reason::kDenied}, {}, ""};
  if (rules_ == nullptr) return judgement;
  RecordFacts facts = FactsOf(resource, zone_);
  const std::string name = absl::StrCat(facts.data.type, "/", facts.data.id);
  Sensitivity sensitivity = SensitivityOf(facts);
  judgement.labels.assign(sensitivity.labels.begin(), sensitivity.labels.end());
  if (unreadable_) return judgement;
  facts.data.labels = judgement.labels;
  facts.data.confidentiality = std::move(sensitivity.confidentiality);
  if (asks_referrers_) facts.data.referrers = ReferrersOf(name);
  judgement.decision = compiled_->Decide({reader_, purpose_, time_, std::move(facts.data)});
  if (judgement.decision.consent >= 0) judgement.consent = VersionOf(*consents_[static_cast<std::size_t>(judgement.decision.consent)]);
  return judgement;
}

bool ConsentGate::EmergencyOpens(const Judgement& judgement) const {
  return rules_ != nullptr && !judgement.decision.permit && !unreadable_ && rules_->EmergencyOpens(judgement.decision.reason, judgement.labels);
}

Json ConsentGate::Explain(const OpenedRecord& record, const Judgement& judgement, std::int64_t consent_version) const {
  std::set<std::string> inputs = {VersionOf(record)};
  for (const auto& [name, each] : newest_)
    if (each->resource_type == "Consent" || each->resource_type == "Patient" || each->resource_type == "RelatedPerson") inputs.insert(VersionOf(*each));
  // What its labels came from; and, where a Consent speaks of what is related to something, all that may refer to it.
  std::set<std::string> seen;
  if (const auto json = ResourceOf(record); json != nullptr && rules_ != nullptr) {
    Sensitivity sensitivity = SensitivityOf(FactsOf(*json, zone_));
    for (std::set<std::string>* names : {&sensitivity.contexts, &sensitivity.parts, &sensitivity.wholes}) seen.merge(*names);
    if (asks_referrers_)
      for (const std::string& referrer : ReferrersOf(NameOf(record))) seen.insert(referrer);
  }
  for (const std::string& name : seen)
    if (const OpenedRecord* part = Find(name)) inputs.insert(VersionOf(*part));
  Json versions = Json::Array(), labels = Json::Array(), tables = Json::Array();
  for (const std::string& input : inputs) versions.Append(Text(input));
  for (const std::string& label : judgement.labels) labels.Append(Text(label));
  for (const consent::UsedTable& table : rules_ == nullptr ? std::vector<consent::UsedTable>() : rules_->used()) {
    Json used = Json::Object({{"name", Text(table.name)}, {"sha256", Text(table.sha256)}});
    if (table.governance_index) used.Set("governance_index", Json::Integer(static_cast<std::int64_t>(*table.governance_index)));
    tables.Append(std::move(used));
  }
  return Json::Object({{"record", Text(VersionOf(record))},
                       {"reader", Json::Object({{"system", Text(reader_.system)}, {"value", Text(reader_.value)}})},
                       {"purpose", Text(purpose_)},
                       {"time", Text(FormatInstant(time_))},
                       {"zone", Text(zone_.name())},
                       {"consent_version", Json::Integer(consent_version)},
                       {"inputs", std::move(versions)},
                       {"tables", std::move(tables)},
                       {"labels", std::move(labels)},
                       {"consent", Text(judgement.consent)},
                       {"decision", DecisionJson(judgement.decision)}});
}

absl::Status CheckExplanation(const Json& explanation, const std::vector<OpenedRecord>& history, const RulesMadeOf& rules) {
  std::vector<consent::UsedTable> tables;
  for (const Json& table : explanation["tables"].items()) {
    consent::UsedTable used{table.TextOf("name"), std::nullopt, table.TextOf("sha256")};
    std::uint64_t index = 0;
    if (absl::SimpleAtoi(table.TextOf("governance_index"), &index)) used.governance_index = index;
    tables.push_back(std::move(used));
  }
  auto made = rules(tables);
  if (!made.ok()) return made.status();
  if ((*made)->used() != tables) return absl::NotFoundError("the tables of the explanation are not to be had as they were");
  const auto time = ParseFhirTime(explanation.TextOf("time"), absl::UTCTimeZone());
  if (!time) return absl::InvalidArgumentError("an explanation without a time");
  std::vector<OpenedRecord> chart;
  const OpenedRecord* record = nullptr;
  for (const Json& input : explanation["inputs"].items()) {
    const auto found = std::find_if(history.begin(), history.end(), [&](const OpenedRecord& each) { return VersionOf(each) == input.text(); });
    if (found == history.end()) return absl::NotFoundError("a record that the decision was made of is not to be had");
    chart.push_back(*found);
  }
  for (const OpenedRecord& each : chart)
    if (VersionOf(each) == explanation.TextOf("record")) record = &each;
  if (record == nullptr) return absl::InvalidArgumentError("an explanation without its record");
  const ConsentGate gate(chart, *std::move(made), ZoneOf(explanation.TextOf("zone")),
                         {explanation["reader"].TextOf("system"), explanation["reader"].TextOf("value")}, explanation.TextOf("purpose"), time->begin);
  const Judgement judgement = gate.Judge(*record);
  Json labels = Json::Array();
  for (const std::string& label : judgement.labels) labels.Append(Text(label));
  if (!(DecisionJson(judgement.decision) == explanation["decision"]) || judgement.consent != explanation.TextOf("consent") ||
      !(labels == explanation["labels"])) {
    return absl::DataLossError("another decision follows from what the explanation names");
  }
  return absl::OkStatus();
}

}  // namespace custodian::exchange
