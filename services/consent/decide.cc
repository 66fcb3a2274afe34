#include "services/consent/decide.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "services/consent/built_in_tables.h"
#include "services/consent/governed_table.h"

namespace custodian::consent {
namespace {

using Symbol = std::uint32_t;
using Symbols = absl::InlinedVector<Symbol, 16>;

// Kinds of criteria that limit a rule, as bits. kUnreadable: something limits it that could not be judged, so nothing can be known
// to be more specific.
enum Dimension : std::uint16_t {
  kActors = 1,
  kPurposes = 2,
  kLabels = 4,
  kClasses = 8,
  kCodes = 16,
  kDataPeriod = 32,
  kData = 64,
  kUnreadable = 128,
};

constexpr char kResourceTypes[] = "http://hl7.org/fhir/resource-types";
constexpr char kAnyPurpose[] = "PurposeOfUse";
constexpr int kNormal = 3;
constexpr std::size_t kPurposeChainMax = 8;

std::int64_t Ms(absl::Time time) { return absl::ToUnixMillis(time); }

// Names of several parts, so that no two lists of parts read alike.
std::string Key(char kind, std::string_view first, std::string_view second = {}) {
  std::string key(1, kind);
  key.append(first).push_back('\n');
  key.append(second);
  return key;
}

struct Span {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

// A criterion met in the narrow reading is met in the broad one too.
struct Match {
  bool narrow = true;
  bool broad = true;
  void And(bool narrow_too, bool broad_too) {
    narrow = narrow && narrow_too;
    broad = broad && broad_too;
  }
};

struct Rule {
  Effect effect = Effect::kNone;
  // The place behind its nested rules, which follow it.
  std::uint32_t end = 0;
  std::uint16_t dimensions = 0;
  // Kinds with an entry that could not be read.
  std::uint16_t unreadable = 0;
  std::int64_t from = 0, until = 0, data_from = 0, data_until = 0;
  // Confidentiality codes: the highest and the lowest named; -1: none.
  int confidential_max = -1, confidential_min = -1;
  Span recipients, others, purposes, labels, types, profiles, codes, bare_codes;
  Span data[4];
};

struct Document {
  bool permits = false;
  Giver giver = Giver::kUnstated;
  std::int64_t arrived = 0, given = 0;
  // Its place in the list that was compiled.
  int place = 0;
  std::uint32_t first = 0;
};

// What one rule says once its criteria are met.
struct Finding {
  Effect effect = Effect::kNone;
  std::uint16_t dimensions = 0;
  int document = -1;
  std::uint32_t rule = 0;
};
using Findings = absl::InlinedVector<Finding, 8>;

}  // namespace

class ConsentRules::Compiled {
 public:
  Compiled(const std::vector<Consent>& consents, const Circumstances& circumstances) : of_age_(Ms(circumstances.of_age)) {
    for (const auto& [label, from] : circumstances.of_age_for) of_age_for_.emplace_back(Intern(Key('l', label)), Ms(from));
    for (const std::string& purpose : circumstances.opt_out_purposes) opt_out_.push_back(Intern(Key('u', purpose)));
    for (std::size_t i = 0; i < consents.size(); ++i) {
      const Consent& consent = consents[i];
      if (!consent.active) continue;
      const absl::Time given = std::min(consent.given.value_or(consent.arrived), consent.arrived);
      documents_.push_back({consent.about_disclosure, consent.giver, Ms(consent.arrived), Ms(given), static_cast<int>(i),
                            static_cast<std::uint32_t>(rules_.size())});
      Add(consent.provision, /*nested=*/false);
    }
  }

  [[nodiscard]] Decision Decide(const Question& question) const;

 private:
  class Evaluation;

  Symbol Intern(const std::string& key) {
    return symbols_.emplace(key, static_cast<Symbol>(symbols_.size())).first->second;
  }
  [[nodiscard]] std::optional<Symbol> Find(const std::string& key) const {
    const auto found = symbols_.find(key);
    return found == symbols_.end() ? std::nullopt : std::optional(found->second);
  }
  void Look(Symbols& into, const std::string& key) const {
    if (const auto symbol = Find(key)) into.push_back(*symbol);
  }

  template <typename List, typename ToKey>
  Span Pool(const List& list, const ToKey& key) {
    const Span span{static_cast<std::uint32_t>(pool_.size()), static_cast<std::uint32_t>(list.size())};
    for (const auto& each : list) pool_.push_back(Intern(key(each)));
    return span;
  }

  void Add(const Provision& provision, bool nested) {
    const std::size_t at = rules_.size();
    rules_.emplace_back();
    Rule rule;
    rule.effect = nested && provision.effect == Effect::kNone ? Effect::kDeny : provision.effect;
    rule.from = Ms(provision.from);
    rule.until = Ms(provision.until);
    if (provision.narrowed) rule.dimensions = rule.unreadable = kUnreadable;
    AddActors(provision, rule);
    AddCriteria(provision, rule);
    AddData(provision, rule);
    asked_ |= rule.dimensions;
    for (const Provision& each : provision.nested) Add(each, /*nested=*/true);
    rule.end = static_cast<std::uint32_t>(rules_.size());
    rules_[at] = rule;
  }

  void AddActors(const Provision& provision, Rule& rule) {
    if (provision.actors.empty()) return;
    rule.dimensions |= kActors;
    std::vector<Party> recipients, others;
    for (const Actor& actor : provision.actors) {
      const bool receives = std::any_of(actor.roles.begin(), actor.roles.end(),
                                        [](const std::string& role) { return role == "IRCP" || role == "PRCP"; });
      if (actor.identifiers.empty()) rule.unreadable |= kActors;
      std::vector<Party>& list = receives ? recipients : others;
      list.insert(list.end(), actor.identifiers.begin(), actor.identifiers.end());
    }
    const auto key = [](const Party& party) { return Key('p', party.system, party.value); };
    rule.recipients = Pool(recipients, key);
    rule.others = Pool(others, key);
  }

  void AddCriteria(const Provision& provision, Rule& rule) {
    if (!provision.purposes.empty()) rule.dimensions |= kPurposes;
    if (!provision.labels.empty()) rule.dimensions |= kLabels;
    if (!provision.classes.empty()) rule.dimensions |= kClasses;
    if (!provision.codes.empty()) rule.dimensions |= kCodes;
    std::vector<std::string> purposes, labels, types, profiles;
    std::vector<Code> codes;
    for (const std::string& purpose : provision.purposes) {
      if (purpose.empty()) rule.unreadable |= kPurposes;
      purposes.push_back(purpose);
    }
    for (const std::string& label : provision.labels) {
      if (label.empty()) rule.unreadable |= kLabels;
      if (const auto rank = ConfidentialityRank(label)) {
        rule.confidential_max = std::max(rule.confidential_max, *rank);
        rule.confidential_min = rule.confidential_min < 0 ? *rank : std::min(rule.confidential_min, *rank);
      } else {
        labels.push_back(label);
      }
    }
    for (const Code& one : provision.classes) {
      if (one.code.empty()) rule.unreadable |= kClasses;
      (one.system == kResourceTypes ? types : profiles).push_back(one.code);
    }
    for (const Code& code : provision.codes) {
      if (code.code.empty()) rule.unreadable |= kCodes;
      codes.push_back(code);
    }
    rule.purposes = Pool(purposes, [](const std::string& text) { return Key('u', text); });
    rule.labels = Pool(labels, [](const std::string& text) { return Key('l', text); });
    rule.types = Pool(types, [](const std::string& text) { return Key('t', text); });
    rule.profiles = Pool(profiles, [](const std::string& text) { return Key('f', text); });
    rule.codes = Pool(codes, [](const Code& code) { return Key('c', code.system, code.code); });
    rule.bare_codes = Pool(codes, [](const Code& code) { return Key('b', code.code); });
  }

  void AddData(const Provision& provision, Rule& rule) {
    if (provision.has_data_period) rule.dimensions |= kDataPeriod;
    rule.data_from = Ms(provision.data_from);
    rule.data_until = Ms(provision.data_until);
    if (provision.data.empty()) return;
    rule.dimensions |= kData;
    std::array<std::vector<std::string>, 4> meanings;
    for (const DataReference& data : provision.data) {
      if (data.reference.empty()) rule.unreadable |= kData;
      meanings[static_cast<std::size_t>(data.meaning)].push_back(data.reference);
    }
    for (std::size_t i = 0; i < meanings.size(); ++i)
      rule.data[i] = Pool(meanings[i], [](const std::string& reference) { return Key('r', reference); });
  }

  [[nodiscard]] bool Holds(const Span& span, const Symbols& asked) const {
    for (std::uint32_t i = span.first; i < span.first + span.count; ++i)
      if (std::find(asked.begin(), asked.end(), pool_[i]) != asked.end()) return true;
    return false;
  }

  absl::flat_hash_map<std::string, Symbol> symbols_;
  std::vector<Symbol> pool_;
  std::vector<Rule> rules_;
  std::vector<Document> documents_;
  std::vector<std::pair<Symbol, std::int64_t>> of_age_for_;
  std::vector<Symbol> opt_out_;
  const std::int64_t of_age_;
  // Dimensions that any rule has: what no rule asks about is not looked up.
  std::uint16_t asked_ = 0;
};

// One question, in the symbols of the rules.
class ConsentRules::Compiled::Evaluation {
 public:
  Evaluation(const Compiled& rules, const Question& question)
      : rules_(rules), data_(question.data), time_(Ms(question.time)), from_(Ms(data_.from)), until_(Ms(data_.until)) {
    confidentiality_ = ConfidentialityRank(data_.confidentiality).value_or(kNormal);
    const std::vector<std::string> purposes = PurposeAndAbove(question.purpose);
    for (const std::string& purpose : purposes) {
      rules.Look(purposes_broad_, Key('u', purpose));
      if (purpose != kAnyPurpose) rules.Look(purposes_, Key('u', purpose));
    }
    rules.Look(actor_, Key('p', question.actor.system, question.actor.value));
    for (const std::string& label : data_.labels) {
      // One that no rule names is named by none.
      const auto symbol = rules.Find(Key('l', label));
      if (symbol) labels_.push_back(*symbol);
      unknown_label_ = unknown_label_ || !symbol;
    }
    if ((rules.asked_ & kClasses) != 0) {
      rules.Look(types_, Key('t', data_.type));
      rules.Look(types_broad_, Key('f', data_.type));
      rules.Look(types_broad_, Key('t', data_.type));
      for (const std::string& profile : data_.profiles) {
        rules.Look(profiles_, Key('f', profile));
        rules.Look(profiles_, Key('t', profile));
      }
    }
    if ((rules.asked_ & kCodes) != 0) {
      for (const Code& code : data_.codes) {
        rules.Look(codes_, Key('c', code.system, code.code));
        rules.Look(bare_codes_, Key('b', code.code));
      }
    }
    if ((rules.asked_ & kData) != 0) LookData();
  }

  Decision Run() {
    Findings findings;
    for (std::size_t i = 0; i < rules_.documents_.size(); ++i) {
      document_ = static_cast<int>(i);
      const Document& document = rules_.documents_[i];
      if (document.arrived > time_) continue;
      named_.clear();
      Match around;
      around.narrow = document.permits;
      const Finding finding = Evaluate(document.first, around, 0, -1);
      if (finding.effect != Effect::kNone) findings.push_back(finding);
    }
    const Finding decided = Combine(findings);
    if (decided.effect == Effect::kDeny) return Decided(false, Reason::kDenied, decided);
    if (decided.effect == Effect::kPermit) return Decided(true, Reason::kPermitted, decided);
    const bool sensitive = !data_.labels.empty() || confidentiality_ > kNormal;
    const bool opt_out = std::any_of(rules_.opt_out_.begin(), rules_.opt_out_.end(), [this](Symbol purpose) {
      return std::find(purposes_.begin(), purposes_.end(), purpose) != purposes_.end();
    });
    if (opt_out && !sensitive) return {true, Reason::kLegalBasis};
    if (withheld_ || opt_out) return {false, Reason::kWithheld};
    if (not_theirs_) return {false, Reason::kNotTheirs};
    return {false, Reason::kNoPermission};
  }

 private:
  void LookData() {
    const std::string self = data_.type + "/" + data_.id;
    rules_.Look(self_, Key('r', self));
    rules_.Look(related_, Key('r', self));
    for (const std::string& reference : data_.references) {
      rules_.Look(related_, Key('r', reference));
      rules_.Look(dependents_, Key('r', reference));
    }
    rules_.Look(dependents_, Key('r', self));
    for (const std::string& referrer : data_.referrers) rules_.Look(related_, Key('r', referrer));
    for (const std::string& author : data_.authors) rules_.Look(authors_, Key('r', author));
  }

  [[nodiscard]] Decision Decided(bool permit, Reason reason, const Finding& finding) const {
    const Document& document = rules_.documents_[static_cast<std::size_t>(finding.document)];
    return {permit, reason, document.place, static_cast<int>(finding.rule - document.first)};
  }

  // Whether `rule` itself applies, apart from what lies around it.
  [[nodiscard]] Match Matches(const Rule& rule) const {
    Match match;
    const bool in_time = rule.from <= time_ && time_ < rule.until;
    match.And(in_time, in_time);
    if (rule.dimensions == 0) return match;
    const auto unreadable = [&rule](Dimension dimension) { return (rule.unreadable & dimension) != 0; };
    match.And(!unreadable(kUnreadable), true);
    if ((rule.dimensions & kActors) != 0) {
      const bool recipient = rules_.Holds(rule.recipients, actor_);
      match.And(recipient, recipient || unreadable(kActors) || rules_.Holds(rule.others, actor_));
    }
    if ((rule.dimensions & kPurposes) != 0)
      match.And(rules_.Holds(rule.purposes, purposes_), unreadable(kPurposes) || rules_.Holds(rule.purposes, purposes_broad_));
    if ((rule.dimensions & kLabels) != 0) {
      const bool labelled = rules_.Holds(rule.labels, labels_);
      const bool as_much = rule.confidential_min >= 0 && confidentiality_ >= rule.confidential_min;
      const bool as_little = confidentiality_ <= rule.confidential_max;
      const bool narrow = labelled || (rule.effect == Effect::kDeny ? as_much : as_little);
      match.And(narrow, narrow || unreadable(kLabels) || (rule.effect == Effect::kNone && as_much));
    }
    if ((rule.dimensions & kClasses) != 0) {
      const bool narrow = rules_.Holds(rule.types, types_) || rules_.Holds(rule.profiles, profiles_);
      match.And(narrow, narrow || unreadable(kClasses) || rules_.Holds(rule.profiles, types_broad_) || rules_.Holds(rule.types, profiles_));
    }
    if ((rule.dimensions & kCodes) != 0)
      match.And(rules_.Holds(rule.codes, codes_), unreadable(kCodes) || rules_.Holds(rule.bare_codes, bare_codes_));
    if ((rule.dimensions & kDataPeriod) != 0)
      match.And(rule.data_from <= from_ && until_ <= rule.data_until, from_ < rule.data_until && rule.data_from < until_);
    if ((rule.dimensions & kData) != 0) {
      const bool narrow = rules_.Holds(rule.data[0], self_) || rules_.Holds(rule.data[1], related_) ||
                          rules_.Holds(rule.data[2], dependents_) || rules_.Holds(rule.data[3], authors_);
      match.And(narrow, narrow || unreadable(kData));
    }
    return match;
  }

  Finding Evaluate(std::uint32_t at, Match around, std::uint16_t dimensions, int confidential_max) {
    const Rule& rule = rules_.rules_[at];
    Match match = Matches(rule);
    // A denial that applies only in the broad reading may mean anyone and anything.
    if (!match.narrow) dimensions |= kUnreadable;
    match.And(around.narrow, around.broad);
    if (!match.broad) return {};
    dimensions |= rule.dimensions;
    confidential_max = std::max(confidential_max, rule.confidential_max);
    const std::size_t named_before = named_.size();
    named_.push_back(rule.labels);

    Findings exceptions;
    for (std::uint32_t nested = at + 1; nested < rule.end; nested = rules_.rules_[nested].end) {
      const Finding finding = Evaluate(nested, match, dimensions, confidential_max);
      if (finding.effect != Effect::kNone) exceptions.push_back(finding);
    }
    Finding decided = Combine(exceptions);
    if (decided.effect == Effect::kNone && rule.effect == Effect::kDeny) decided = {Effect::kDeny, dimensions, document_, at};
    if (decided.effect == Effect::kNone && rule.effect == Effect::kPermit && match.narrow && Speaks(confidential_max))
      decided = {Effect::kPermit, dimensions, document_, at};
    named_.resize(named_before);
    return decided;
  }

  // Whether a permission that applies names all labels (rule 5) and was its giver's to give (rule 6).
  bool Speaks(int confidential_max) {
    bool names_all = !unknown_label_ && (!data_.labels.empty() || confidentiality_ <= std::max(confidential_max, kNormal));
    for (const Symbol label : labels_) {
      names_all = names_all && std::any_of(named_.begin(), named_.end(),
                                           [&](const Span& span) { return rules_.Holds(span, Symbols{label}); });
    }
    if (!names_all) {
      withheld_ = true;
      return false;
    }
    const Document& document = rules_.documents_[static_cast<std::size_t>(document_)];
    if (GiverMay(document)) return true;
    not_theirs_ = true;
    return false;
  }

  [[nodiscard]] bool GiverMay(const Document& document) const {
    if (document.giver == Giver::kNobody) return false;
    // When the patient began to decide about this record: alone, and at the latest when of age.
    std::int64_t decides_from = rules_.of_age_;
    bool any_label = false, minor_decides = false;
    std::int64_t for_labels = std::numeric_limits<std::int64_t>::min();
    for (const Symbol label : labels_) {
      any_label = true;
      const auto own = std::find_if(rules_.of_age_for_.begin(), rules_.of_age_for_.end(),
                                    [label](const auto& each) { return each.first == label; });
      const std::int64_t from = own == rules_.of_age_for_.end() ? rules_.of_age_ : own->second;
      for_labels = std::max(for_labels, from);
      minor_decides = minor_decides || (own != rules_.of_age_for_.end() && time_ >= from);
    }
    if (any_label) decides_from = for_labels;
    if (document.giver == Giver::kPatient) return document.given >= decides_from;
    const bool for_a_minor = time_ < rules_.of_age_ && !minor_decides;
    if (document.giver == Giver::kParent) return for_a_minor;
    return document.given >= rules_.of_age_ || for_a_minor;
  }

  // Rule 4.
  [[nodiscard]] Finding Combine(const Findings& findings) const {
    Finding permit;
    for (const Finding& finding : findings) {
      if (finding.effect == Effect::kPermit) {
        if (permit.effect == Effect::kNone) permit = finding;
        continue;
      }
      const bool yields = std::any_of(findings.begin(), findings.end(), [&](const Finding& other) { return Yields(finding, other); });
      if (!yields) return finding;
    }
    return permit;
  }

  [[nodiscard]] bool Yields(const Finding& denial, const Finding& permit) const {
    if (permit.effect != Effect::kPermit) return false;
    const bool more_specific = (permit.dimensions & denial.dimensions) == denial.dimensions && permit.dimensions != denial.dimensions;
    if (!more_specific || permit.document == denial.document) return more_specific;
    return rules_.documents_[static_cast<std::size_t>(permit.document)].given >
           rules_.documents_[static_cast<std::size_t>(denial.document)].given;
  }

  const Compiled& rules_;
  const Data& data_;
  const std::int64_t time_, from_, until_;
  int confidentiality_ = kNormal;
  Symbols actor_, purposes_, purposes_broad_, labels_, types_, types_broad_, profiles_, codes_, bare_codes_;
  Symbols self_, related_, dependents_, authors_;
  bool unknown_label_ = false;
  int document_ = 0;
  // Labels named on the way to the rule at hand.
  absl::InlinedVector<Span, 8> named_;
  bool withheld_ = false;
  bool not_theirs_ = false;
};

Decision ConsentRules::Compiled::Decide(const Question& question) const { return Evaluation(*this, question).Run(); }

ConsentRules::ConsentRules(const std::vector<Consent>& consents, const Circumstances& circumstances)
    : compiled_(std::make_unique<const Compiled>(consents, circumstances)) {}
ConsentRules::~ConsentRules() = default;
ConsentRules::ConsentRules(ConsentRules&&) noexcept = default;
ConsentRules& ConsentRules::operator=(ConsentRules&&) noexcept = default;

Decision ConsentRules::Decide(const Question& question) const { return compiled_->Decide(question); }

Decision Decide(const std::vector<Consent>& consents, const Question& question, const Circumstances& circumstances) {
  return ConsentRules(consents, circumstances).Decide(question);
}

std::vector<std::string> PurposeAndAbove(const std::string& purpose) {
  static const auto* const kParents = [] {
    auto* parents = new absl::flat_hash_map<std::string, std::string>;
    const auto table = GovernedTable::Parse("purposes", kPurposesCsv, {"code", "parent"});
    for (std::size_t row = 0; table.ok() && row < table->size(); ++row) parents->emplace(table->Text(row, "code"), table->Text(row, "parent"));
    return parents;
  }();
  std::vector<std::string> chain = {purpose};
  while (chain.size() < kPurposeChainMax) {
    const auto parent = kParents->find(chain.back());
    if (parent == kParents->end()) break;
    chain.push_back(parent->second);
  }
  return chain;
}

std::optional<int> ConfidentialityRank(const std::string& code) {
  constexpr std::string_view kRanks = "ULMNRV";
  const std::size_t rank = code.size() == 1 ? kRanks.find(code[0]) : std::string_view::npos;
  return rank == std::string_view::npos ? std::nullopt : std::optional(static_cast<int>(rank));
}

}  // namespace custodian::consent
