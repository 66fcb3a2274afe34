// What a tenant has recorded besides its patients' consents (DESIGN, section 7, "Consent"): its jurisdiction and legal basis, which codes
// make a record sensitive, from which age patients decide themselves and who may decide for them, and when an emergency opens what a
// consent closes. Governed tables on the governance log, over those that come with the program. Pure values; safe from any thread.
//
// A jurisdiction is "", a country ("US"), or a subdivision ("US-CA", ISO 3166-2). A row of a wider one holds in a narrower one; of several
// rows that say the same thing differently, the narrowest holds.
#ifndef CUSTODIAN_SERVICES_CONSENT_TENANT_RULES_H_
#define CUSTODIAN_SERVICES_CONSENT_TENANT_RULES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/consent/decide.h"

namespace custodian::consent {

// Governed tables, as TABLE_SET names them.
//
// jurisdiction,purpose,model - a tenant's own: where it is, and for each purpose opt-in or opt-out. Without it: unknown, opt-in.
inline constexpr char kLegalBasisTable[] = "legal-basis";
// label,jurisdiction,system,code,match,source - adds to the rows that come with the program (sensitivity.csv). match: `exact`; `prefix`;
// `reference`: the record, or its encounter, refers to code, "Organization/<id>" of the tenant: a program whose every record has the label.
inline constexpr char kSensitivityTable[] = "sensitivity-labels";
// jurisdiction,label,age,source - from that age a patient decides: with an empty label generally, else about records with the label. Instead of
// the rows that come with the program (minors.csv).
inline constexpr char kMinorsTable[] = "minors";
// jurisdiction,code,speaks_for,source - v3-RoleCode of a RelatedPerson; speaks_for: minor, any, none. Instead of representatives.csv.
inline constexpr char kRepresentativesTable[] = "representatives";
// jurisdiction,label,denial,allowed,source - whether an emergency opens a record with that label (empty: without one) when consent failed by
// `denial` (no-permission, denied, withheld, not-theirs); allowed: yes, no. Without a row: no.
inline constexpr char kBreakGlassTable[] = "break-glass";

// OK when `csv` can be taken as the table `name` (InvalidArgument naming line and column), NotFound for tables that are not these.
[[nodiscard]] absl::Status CheckTable(std::string_view name, std::string_view csv);
[[nodiscard]] bool IsConsentTable(std::string_view name);

// A table that was used: what an explanation names.
struct UsedTable {
  std::string name;
  // Entry on the governance log; nothing: it came with the program.
  std::optional<std::uint64_t> governance_index;
  // Hex SHA-256 of its content.
  std::string sha256;
  bool operator==(const UsedTable&) const = default;
};

// The content of a table in force, the network's or the tenant's own.
struct TableInForce {
  std::string content;
  std::uint64_t governance_index = 0;
};
using FindTable = std::function<std::optional<TableInForce>(std::string_view name, bool tenants_own)>;

class TenantRules {
 public:
  // What comes with the program: opt-in, no emergency access.
  [[nodiscard]] static std::shared_ptr<const TenantRules> BuiltIn();
  // With what was recorded. InvalidArgument when a recorded table cannot be read.
  [[nodiscard]] static absl::StatusOr<TenantRules> Create(const FindTable& find);

  [[nodiscard]] const std::string& jurisdiction() const { return jurisdiction_; }
  [[nodiscard]] const std::vector<UsedTable>& used() const { return used_; }
  [[nodiscard]] const std::vector<std::string>& opt_out_purposes() const { return opt_out_; }

  // Labels of a record that has these codes, however they and their systems are written (code_system.h).
  [[nodiscard]] std::set<std::string> LabelsOfCodes(const std::vector<Code>& codes) const;
  // Labels of a record that refers to these ("Type/id").
  [[nodiscard]] std::set<std::string> LabelsOfReferences(const std::vector<std::string>& references) const;
  // Who a RelatedPerson with such a relationship (v3-RoleCode) is as a giver: kParent, kDelegate, kNobody.
  [[nodiscard]] Giver GiverBy(const std::string& role_code) const;
  // Opt-out purposes, and ages as moments in `zone`; without a birth date as of an adult.
  [[nodiscard]] Circumstances CircumstancesOf(std::optional<absl::CivilDay> birth_date, absl::TimeZone zone) const;
  // Whether an emergency opens a record with these labels that consent closed for that reason: every label must allow it.
  [[nodiscard]] bool EmergencyOpens(Reason denial, const std::vector<std::string>& labels) const;

  // A code of v3-ActCode for the sensitivity of information (sensitivity_codes.csv) as HL7 spells it, whatever its letter case; nothing for others.
  [[nodiscard]] static std::optional<std::string> SensitivityCode(std::string_view code);

 private:
  struct Prefix {
    std::string system;
    std::string code;
    std::string label;
  };
  struct Age {
    int years = 18;
    // Length of the jurisdiction it came from.
    std::size_t narrowness = 0;
  };
  [[nodiscard]] absl::Status Load(const FindTable& find);
  [[nodiscard]] absl::Status ReadBasis(std::string_view csv);
  [[nodiscard]] absl::Status ReadSensitivity(std::string_view csv);
  [[nodiscard]] absl::Status ReadMinors(std::string_view csv);
  [[nodiscard]] absl::Status ReadRepresentatives(std::string_view csv);
  [[nodiscard]] absl::Status ReadBreakGlass(std::string_view csv);
  [[nodiscard]] bool Holds(std::string_view jurisdiction) const;

  std::string jurisdiction_;
  std::vector<std::string> opt_out_;
  absl::flat_hash_map<std::string, std::set<std::string>> exact_;
  std::vector<Prefix> prefixes_;
  std::map<std::string, std::set<std::string>> by_reference_;
  // By label; "" is the general age.
  std::map<std::string, Age> ages_;
  std::map<std::string, std::pair<Giver, std::size_t>> representatives_;
  // By label and denial.
  std::map<std::pair<std::string, std::string>, std::pair<bool, std::size_t>> emergencies_;
  std::vector<UsedTable> used_;
};

// "no-permission", "denied", "withheld", "not-theirs"; "permitted", "legal-basis".
[[nodiscard]] std::string_view ReasonText(Reason reason);

}  // namespace custodian::consent

#endif  // CUSTODIAN_SERVICES_CONSENT_TENANT_RULES_H_
