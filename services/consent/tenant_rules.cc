#include "services/consent/tenant_rules.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ledger/tree.h"
#include "services/consent/built_in_tables.h"
#include "services/consent/code_system.h"
#include "services/consent/governed_table.h"
#include "tenants/ids.h"

namespace custodian::consent {
namespace {

constexpr int kAdultYears = 18;
constexpr int kYearsMax = 120;
constexpr std::string_view kDenials[] = {"no-permission", "denied", "withheld", "not-theirs"};

bool IsJurisdiction(std::string_view text) {
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (text.empty()) return true;
  if (text.size() < 2 || !upper(text[0]) || !upper(text[1])) return false;
  if (text.size() == 2) return true;
  return text[2] == '-' && text.size() >= 4 && text.size() <= 6 &&
         std::all_of(text.begin() + 3, text.end(), [&](char c) { return upper(c) || (c >= '0' && c <= '9'); });
}

absl::Status CheckJurisdiction(const GovernedTable& table, std::size_t row) {
  if (IsJurisdiction(table.Text(row, "jurisdiction"))) return absl::OkStatus();
  return table.Fault(row, "jurisdiction", "must be empty, a country like US, or a subdivision like US-CA");
}

bool IsLabel(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

std::string CodeKey(std::string_view system, std::string_view code) {
  std::string key(system);
  key.push_back('\n');
  key.append(code);
  return key;
}

absl::Status RequireSource(const GovernedTable& table, std::size_t row) {
  return table.Text(row, "source").empty() ? table.Fault(row, "source", "is empty: each row names where it comes from") : absl::OkStatus();
}

}  // namespace

std::string_view ReasonText(Reason reason) {
  switch (reason) {
    case Reason::kPermitted: return "permitted";
    case Reason::kLegalBasis: return "legal-basis";
    case Reason::kNoPermission: return "no-permission";
    case Reason::kDenied: return "denied";
    case Reason::kWithheld: return "withheld";
    case Reason::kNotTheirs: return "not-theirs";
  }
  return "no-permission";
}

bool IsConsentTable(std::string_view name) {
  return name == kLegalBasisTable || name == kSensitivityTable || name == kMinorsTable || name == kRepresentativesTable ||
         name == kBreakGlassTable;
}

absl::Status CheckTable(std::string_view name, std::string_view csv) {
  if (!IsConsentTable(name)) return absl::NotFoundError("not a table of consent rules");
  return TenantRules::Create([&](std::string_view asked, bool tenants_own) -> std::optional<TableInForce> {
           if (asked != name || !tenants_own) return std::nullopt;
           return TableInForce{std::string(csv), 0};
         })
      .status();
}

std::shared_ptr<const TenantRules> TenantRules::BuiltIn() {
  static const auto* const kRules = [] {
    auto rules = Create([](std::string_view, bool) { return std::optional<TableInForce>(); });
    return new std::shared_ptr<const TenantRules>(std::make_shared<const TenantRules>(std::move(rules).value()));
  }();
  return *kRules;
}

absl::StatusOr<TenantRules> TenantRules::Create(const FindTable& find) {
  TenantRules rules;
  if (absl::Status status = rules.Load(find); !status.ok()) return status;
  return rules;
}

absl::Status TenantRules::Load(const FindTable& find) {
  const auto use = [&](const char* name, std::string_view content, std::optional<std::uint64_t> index,
                       absl::Status (TenantRules::*read)(std::string_view)) -> absl::Status {
    used_.push_back({name, index, HexEncode(ledger::AsBytes(ledger::Sha256(content)))});
    return (this->*read)(content);
  };
  struct Kind {
    const char* name;
    const char* built_in;
    // Else the narrowest replaces the others.
    bool adds;
    bool networks;
    absl::Status (TenantRules::*read)(std::string_view);
  };
  // Basis first: the others ask where the tenant is.
  const Kind kinds[] = {{kLegalBasisTable, nullptr, false, false, &TenantRules::ReadBasis},
                        {kSensitivityTable, kSensitivityCsv, true, true, &TenantRules::ReadSensitivity},
                        {kMinorsTable, kMinorsCsv, false, true, &TenantRules::ReadMinors},
                        {kRepresentativesTable, kRepresentativesCsv, false, true, &TenantRules::ReadRepresentatives},
                        {kBreakGlassTable, nullptr, false, true, &TenantRules::ReadBreakGlass}};
  for (const Kind& kind : kinds) {
    const auto own = find(kind.name, true);
    const auto network = kind.networks ? find(kind.name, false) : std::nullopt;
    if (kind.built_in != nullptr && (kind.adds || (!own && !network)))
      if (absl::Status status = use(kind.name, kind.built_in, std::nullopt, kind.read); !status.ok()) return status;
    if (network && (kind.adds || !own))
      if (absl::Status status = use(kind.name, network->content, network->governance_index, kind.read); !status.ok()) return status;
    if (own)
      if (absl::Status status = use(kind.name, own->content, own->governance_index, kind.read); !status.ok()) return status;
  }
  return absl::OkStatus();
}

bool TenantRules::Holds(std::string_view jurisdiction) const {
  if (jurisdiction.empty() || jurisdiction == jurisdiction_) return true;
  return jurisdiction.size() == 2 && jurisdiction_.starts_with(jurisdiction);
}

absl::Status TenantRules::ReadBasis(std::string_view csv) {
  const auto table = GovernedTable::Parse(kLegalBasisTable, csv, {"jurisdiction", "purpose", "model"});
  if (!table.ok()) return table.status();
  if (table->size() == 0) return absl::InvalidArgumentError("legal-basis: at least one row says where the tenant is");
  std::set<std::string> purposes;
  for (std::size_t row = 0; row < table->size(); ++row) {
    if (absl::Status status = CheckJurisdiction(*table, row); !status.ok()) return status;
    if (row > 0 && table->Text(row, "jurisdiction") != jurisdiction_) return table->Fault(row, "jurisdiction", "must be the same in every row");
    jurisdiction_ = table->Text(row, "jurisdiction");
    if (jurisdiction_.empty()) return table->Fault(row, "jurisdiction", "is empty");
    const std::string& purpose = table->Text(row, "purpose");
    if (PurposeAndAbove(purpose).back() != "PurposeOfUse" || purpose == "PurposeOfUse")
      return table->Fault(row, "purpose", "must be a purpose of v3-ActReason, such as TREAT");
    if (!purposes.insert(purpose).second) return table->Fault(row, "purpose", "is named twice");
    const std::string& model = table->Text(row, "model");
    if (model != "opt-in" && model != "opt-out") return table->Fault(row, "model", "must be opt-in or opt-out");
    if (model == "opt-out") opt_out_.push_back(purpose);
  }
  return absl::OkStatus();
}

absl::Status TenantRules::ReadSensitivity(std::string_view csv) {
  const auto table = GovernedTable::Parse(kSensitivityTable, csv, {"label", "jurisdiction", "system", "code", "match", "source"});
  if (!table.ok()) return table.status();
  for (std::size_t row = 0; row < table->size(); ++row) {
    if (absl::Status status = CheckJurisdiction(*table, row); !status.ok()) return status;
    if (absl::Status status = RequireSource(*table, row); !status.ok()) return status;
    const std::string& label = table->Text(row, "label");
    const std::string& system = table->Text(row, "system");
    const std::string& code = table->Text(row, "code");
    const std::string& match = table->Text(row, "match");
    if (!IsLabel(label) || label.size() == 1) return table->Fault(row, "label", "must be a code of letters, digits, '-', '_' or '.', at least two");
    if (code.empty()) return table->Fault(row, "code", "is empty");
    if (match != "exact" && match != "prefix" && match != "reference") return table->Fault(row, "match", "must be exact, prefix or reference");
    if (system.empty() != (match == "reference")) return table->Fault(row, "system", "goes with exact and prefix, and with them always");
    // A tenant that has not said where it is may be anywhere.
    if (!jurisdiction_.empty() && !Holds(table->Text(row, "jurisdiction"))) continue;
    const std::string canonical = CanonicalSystem(system);
    if (match == "exact") {
      exact_[CodeKey(canonical, CanonicalCode(canonical, code))].insert(label);
    } else if (match == "prefix") {
      prefixes_.push_back({canonical, CanonicalCode(canonical, code), label});
    } else {
      by_reference_[code].insert(label);
    }
  }
  return absl::OkStatus();
}

absl::Status TenantRules::ReadMinors(std::string_view csv) {
  const auto table = GovernedTable::Parse(kMinorsTable, csv, {"jurisdiction", "label", "age", "source"});
  if (!table.ok()) return table.status();
  for (std::size_t row = 0; row < table->size(); ++row) {
    if (absl::Status status = CheckJurisdiction(*table, row); !status.ok()) return status;
    if (absl::Status status = RequireSource(*table, row); !status.ok()) return status;
    const std::string& label = table->Text(row, "label");
    if (!label.empty() && !IsLabel(label)) return table->Fault(row, "label", "must be empty or a sensitivity label");
    const std::string& text = table->Text(row, "age");
    int years = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), years);
    if (error != std::errc() || end != text.data() + text.size() || years < 0 || years > kYearsMax)
      return table->Fault(row, "age", absl::StrCat("must be a whole number of years, at most ", kYearsMax));
    const std::string& jurisdiction = table->Text(row, "jurisdiction");
    if (!Holds(jurisdiction)) continue;
    const auto [known, is_new] = ages_.emplace(label, Age{years, jurisdiction.size()});
    if (!is_new && known->second.narrowness <= jurisdiction.size()) known->second = {years, jurisdiction.size()};
  }
  return absl::OkStatus();
}

absl::Status TenantRules::ReadRepresentatives(std::string_view csv) {
  const auto table = GovernedTable::Parse(kRepresentativesTable, csv, {"jurisdiction", "code", "speaks_for", "source"});
  if (!table.ok()) return table.status();
  for (std::size_t row = 0; row < table->size(); ++row) {
    if (absl::Status status = CheckJurisdiction(*table, row); !status.ok()) return status;
    if (absl::Status status = RequireSource(*table, row); !status.ok()) return status;
    const std::string& code = table->Text(row, "code");
    if (code.empty()) return table->Fault(row, "code", "is empty");
    const std::string& speaks_for = table->Text(row, "speaks_for");
    if (speaks_for != "minor" && speaks_for != "any" && speaks_for != "none")
      return table->Fault(row, "speaks_for", "must be minor, any or none");
    const Giver giver = speaks_for == "minor" ? Giver::kParent : speaks_for == "any" ? Giver::kDelegate : Giver::kNobody;
    const std::string& jurisdiction = table->Text(row, "jurisdiction");
    if (!Holds(jurisdiction)) continue;
    const auto [known, is_new] = representatives_.emplace(code, std::pair(giver, jurisdiction.size()));
    if (!is_new && known->second.second <= jurisdiction.size()) known->second = {giver, jurisdiction.size()};
  }
  return absl::OkStatus();
}

absl::Status TenantRules::ReadBreakGlass(std::string_view csv) {
  const auto table = GovernedTable::Parse(kBreakGlassTable, csv, {"jurisdiction", "label", "denial", "allowed", "source"});
  if (!table.ok()) return table.status();
  for (std::size_t row = 0; row < table->size(); ++row) {
    if (absl::Status status = CheckJurisdiction(*table, row); !status.ok()) return status;
    if (absl::Status status = RequireSource(*table, row); !status.ok()) return status;
    const std::string& label = table->Text(row, "label");
    if (!label.empty() && !IsLabel(label)) return table->Fault(row, "label", "must be empty or a sensitivity label");
    const std::string& denial = table->Text(row, "denial");
    if (std::find(std::begin(kDenials), std::end(kDenials), denial) == std::end(kDenials))
      return table->Fault(row, "denial", "must be no-permission, denied, withheld or not-theirs");
    const std::string& allowed = table->Text(row, "allowed");
    if (allowed != "yes" && allowed != "no") return table->Fault(row, "allowed", "must be yes or no");
    const std::string& jurisdiction = table->Text(row, "jurisdiction");
    if (!Holds(jurisdiction)) continue;
    const std::pair value(allowed == "yes", jurisdiction.size());
    const auto [known, is_new] = emergencies_.emplace(std::pair(label, denial), value);
    if (is_new) continue;
    if (known->second.second < jurisdiction.size()) known->second = value;
    // Two rows of one jurisdiction that contradict each other: no.
    else if (known->second.second == jurisdiction.size()) known->second.first = known->second.first && value.first;
  }
  return absl::OkStatus();
}

std::set<std::string> TenantRules::LabelsOfCodes(const std::vector<Code>& codes) const {
  std::set<std::string> labels;
  for (const Code& written : codes) {
    const std::string system = CanonicalSystem(written.system);
    const Code code{system, CanonicalCode(system, written.code)};
    if (const auto found = exact_.find(CodeKey(code.system, code.code)); found != exact_.end())
      labels.insert(found->second.begin(), found->second.end());
    for (const Prefix& prefix : prefixes_)
      if (code.system == prefix.system && code.code.starts_with(prefix.code)) labels.insert(prefix.label);
  }
  return labels;
}

std::set<std::string> TenantRules::LabelsOfReferences(const std::vector<std::string>& references) const {
  std::set<std::string> labels;
  if (by_reference_.empty()) return labels;
  for (const std::string& reference : references)
    if (const auto found = by_reference_.find(reference); found != by_reference_.end())
      labels.insert(found->second.begin(), found->second.end());
  return labels;
}

Giver TenantRules::GiverBy(const std::string& role_code) const {
  const auto found = representatives_.find(role_code);
  return found == representatives_.end() ? Giver::kNobody : found->second.first;
}

Circumstances TenantRules::CircumstancesOf(std::optional<absl::CivilDay> birth_date, absl::TimeZone zone) const {
  Circumstances circumstances;
  circumstances.opt_out_purposes = opt_out_;
  // The day of a year that lacks it (29 February) is the day after.
  const auto reached = [&](int years) {
    return birth_date ? absl::FromCivil(absl::CivilDay(birth_date->year() + years, birth_date->month(), birth_date->day()), zone)
                      : absl::InfinitePast();
  };
  const auto general = ages_.find("");
  circumstances.of_age = reached(general == ages_.end() ? kAdultYears : general->second.years);
  for (const auto& [label, age] : ages_)
    if (!label.empty()) circumstances.of_age_for[label] = reached(age.years);
  return circumstances;
}

bool TenantRules::EmergencyOpens(Reason denial, const std::vector<std::string>& labels) const {
  const auto allowed = [&](const std::string& label) {
    const auto row = emergencies_.find(std::pair(label, std::string(ReasonText(denial))));
    return row != emergencies_.end() && row->second.first;
  };
  if (labels.empty()) return allowed("");
  return std::all_of(labels.begin(), labels.end(), allowed);
}

std::optional<std::string> TenantRules::SensitivityCode(std::string_view code) {
  const auto upper = [](std::string_view text) { return CanonicalCode("", text); };
  // By the code in upper case.
  static const auto* const kCodes = [upper] {
    auto* codes = new std::map<std::string, std::string>;
    const auto table = GovernedTable::Parse("sensitivity codes", kSensitivityCodesCsv, {"code"});
    for (std::size_t row = 0; table.ok() && row < table->size(); ++row) codes->emplace(upper(table->Text(row, "code")), table->Text(row, "code"));
    return codes;
  }();
  const auto found = kCodes->find(upper(code));
  return found == kCodes->end() ? std::nullopt : std::optional(found->second);
}

}  // namespace custodian::consent
