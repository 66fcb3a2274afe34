#include "services/consent/tenant_rules.h"

#include <map>
#include <set>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace custodian::consent {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

const absl::TimeZone kUtc = absl::UTCTimeZone();
constexpr char kIcd10[] = "http://hl7.org/fhir/sid/icd-10-cm";

// Rules of a tenant that recorded these tables.
TenantRules With(const std::map<std::pair<std::string, bool>, std::string>& tables) {
  auto rules = TenantRules::Create([&](std::string_view name, bool own) -> std::optional<TableInForce> {
    const auto found = tables.find({std::string(name), own});
    if (found == tables.end()) return std::nullopt;
    return TableInForce{found->second, 7};
  });
  EXPECT_TRUE(rules.ok()) << rules.status();
  return *std::move(rules);
}
TenantRules In(const std::string& jurisdiction, std::map<std::pair<std::string, bool>, std::string> tables = {}) {
  tables[{kLegalBasisTable, true}] = "jurisdiction,purpose,model\n" + jurisdiction + ",TREAT,opt-in\n";
  return With(tables);
}
absl::Time Day(int year, int month, int day) { return absl::FromCivil(absl::CivilDay(year, month, day), kUtc); }

TEST(TenantRules, WithoutARecordedBasisItIsOptIn) {
  EXPECT_TRUE(TenantRules::BuiltIn()->opt_out_purposes().empty());
  EXPECT_FALSE(TenantRules::BuiltIn()->EmergencyOpens(Reason::kNoPermission, {}));
  const TenantRules rules = With({{{kLegalBasisTable, true}, "jurisdiction,purpose,model\nUS-NY,TREAT,opt-out\nUS-NY,HRESCH,opt-in\n"}});
  EXPECT_EQ(rules.opt_out_purposes(), std::vector<std::string>{"TREAT"});
  EXPECT_EQ(rules.jurisdiction(), "US-NY");
}

TEST(TenantRules, CodesMakeLabels) {
  const TenantRules& rules = *TenantRules::BuiltIn();
  EXPECT_THAT(rules.LabelsOfCodes({{kIcd10, "F11.20"}}), UnorderedElementsAre("SUD"));
  EXPECT_THAT(rules.LabelsOfCodes({{kIcd10, "B20"}, {kIcd10, "F32.1"}}), UnorderedElementsAre("HIV", "MH"));
  EXPECT_THAT(rules.LabelsOfCodes({{"http://loinc.org", "30657-1"}, {"urn:other", "B20"}, {kIcd10, "J45"}}), UnorderedElementsAre());
  // Every code that Medicare pays opioid treatment programs by (G2067 to G2080), not only the first two; a termination that failed as one that did not.
  for (int code = 2067; code <= 2080; ++code)
    EXPECT_THAT(rules.LabelsOfCodes({{"http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "G" + std::to_string(code)}}), UnorderedElementsAre("42CFRPart2")) << code;
  EXPECT_THAT(rules.LabelsOfCodes({{"http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "G2081"}}), UnorderedElementsAre());
  EXPECT_THAT(rules.LabelsOfCodes({{kIcd10, "O07.4"}}), UnorderedElementsAre("SEX"));
  // A tenant that has not said where it is may be anywhere.
  EXPECT_THAT(rules.LabelsOfCodes({{kIcd10, "F64.0"}}), UnorderedElementsAre("MH", "SEX"));
  EXPECT_THAT(In("US-CA").LabelsOfCodes({{kIcd10, "F64.0"}}), UnorderedElementsAre("MH", "SEX"));
  EXPECT_THAT(In("US-TX").LabelsOfCodes({{kIcd10, "F64.0"}}), UnorderedElementsAre("MH"));
}

TEST(TenantRules, ATenantAddsLabelsAndTakesNoneAway) {
  const TenantRules rules = In("US-WA", {{{kSensitivityTable, true},
                                          "label,jurisdiction,system,code,match,source\n42CFRPart2,,,Organization/otp,reference,our program\n"
                                          "VIP,,urn:ours,x,exact,policy 7\n"}});
  EXPECT_THAT(rules.LabelsOfReferences({"Organization/otp", "Patient/p"}), UnorderedElementsAre("42CFRPart2"));
  EXPECT_THAT(rules.LabelsOfCodes({{"urn:ours", "x"}, {kIcd10, "B20"}}), UnorderedElementsAre("HIV", "VIP"));
}

TEST(TenantRules, AgeCountsFromTheBirthdayInTheJurisdiction) {
  const Circumstances common = In("US-TX").CircumstancesOf(absl::CivilDay(2008, 2, 29), kUtc);
  EXPECT_EQ(common.of_age, Day(2026, 3, 1));
  EXPECT_TRUE(common.of_age_for.empty());
  EXPECT_EQ(In("US-AL").CircumstancesOf(absl::CivilDay(2008, 5, 5), kUtc).of_age, Day(2027, 5, 5));
  const Circumstances california = In("US-CA").CircumstancesOf(absl::CivilDay(2010, 1, 1), kUtc);
  EXPECT_EQ(california.of_age, Day(2028, 1, 1));
  EXPECT_EQ(california.of_age_for.at("MH"), Day(2022, 1, 1));
  EXPECT_EQ(In("US").CircumstancesOf(std::nullopt, kUtc).of_age, absl::InfinitePast());
  // A tenant's own table stands instead of the one that comes with the program.
  const TenantRules own = In("US-CA", {{{kMinorsTable, true}, "jurisdiction,label,age,source\nUS-CA,,17,x\n"}});
  EXPECT_EQ(own.CircumstancesOf(absl::CivilDay(2010, 1, 1), kUtc).of_age, Day(2027, 1, 1));
  EXPECT_TRUE(own.CircumstancesOf(absl::CivilDay(2010, 1, 1), kUtc).of_age_for.empty());
}

TEST(TenantRules, RelationshipsSayWhoMaySpeak) {
  EXPECT_EQ(TenantRules::BuiltIn()->GiverBy("MTH"), Giver::kParent);
  EXPECT_EQ(TenantRules::BuiltIn()->GiverBy("HPOWATT"), Giver::kDelegate);
  EXPECT_EQ(TenantRules::BuiltIn()->GiverBy("SIB"), Giver::kNobody);
}

TEST(TenantRules, AnEmergencyOpensWhatEachLabelAllowsForThatDenial) {
  const std::string table =
      "jurisdiction,label,denial,allowed,source\n,,no-permission,yes,a\n,,denied,no,a\nUS,42CFRPart2,withheld,yes,42 CFR 2.51\n"
      "US-CA,42CFRPart2,withheld,no,b\nUS,HIV,withheld,yes,c\n";
  const TenantRules texas = In("US-TX", {{{kBreakGlassTable, true}, table}});
  EXPECT_TRUE(texas.EmergencyOpens(Reason::kNoPermission, {}));
  EXPECT_FALSE(texas.EmergencyOpens(Reason::kDenied, {}));
  EXPECT_FALSE(texas.EmergencyOpens(Reason::kNotTheirs, {}));
  EXPECT_TRUE(texas.EmergencyOpens(Reason::kWithheld, {"42CFRPart2", "HIV"}));
  EXPECT_FALSE(texas.EmergencyOpens(Reason::kWithheld, {"42CFRPart2", "MH"}));
  EXPECT_FALSE(In("US-CA", {{{kBreakGlassTable, true}, table}}).EmergencyOpens(Reason::kWithheld, {"42CFRPart2"}));
  // The network's table holds where the tenant has none.
  EXPECT_TRUE(In("US-TX", {{{kBreakGlassTable, false}, table}}).EmergencyOpens(Reason::kNoPermission, {}));
}

TEST(TenantRules, SaysWhichTablesItUsed) {
  const TenantRules rules = In("US-TX");
  ASSERT_EQ(rules.used().size(), 4u);
  EXPECT_EQ(rules.used()[0].name, kLegalBasisTable);
  EXPECT_EQ(rules.used()[0].governance_index, 7u);
  EXPECT_EQ(rules.used()[1].name, kSensitivityTable);
  EXPECT_EQ(rules.used()[1].governance_index, std::nullopt);
  EXPECT_EQ(rules.used()[1].sha256.size(), 64u);
}

TEST(TenantRules, BadTablesAreRefusedWithLineAndColumn) {
  const std::vector<std::tuple<const char*, const char*, const char*>> rows = {
      {kLegalBasisTable, "", "line 1 must name the columns"},
      {kLegalBasisTable, "jurisdiction,purpose\n", "column model: is missing"},
      {kLegalBasisTable, "jurisdiction,purpose,model\n", "at least one row"},
      {kLegalBasisTable, "jurisdiction,purpose,model\n,TREAT,opt-in\n", "line 2, column jurisdiction: is empty"},
      {kLegalBasisTable, "jurisdiction,purpose,model\nTexas,TREAT,opt-in\n", "line 2, column jurisdiction: must be"},
      {kLegalBasisTable, "jurisdiction,purpose,model\nUS,CARE,opt-in\n", "column purpose: must be"},
      {kLegalBasisTable, "jurisdiction,purpose,model\nUS,PurposeOfUse,opt-out\n", "column purpose: must be"},
      {kLegalBasisTable, "jurisdiction,purpose,model\nUS,TREAT,maybe\n", "column model: must be"},
      {kLegalBasisTable, "jurisdiction,purpose,model\nUS,TREAT,opt-in\nUS-CA,HRESCH,opt-in\n", "line 3, column jurisdiction: must be the same"},
      {kSensitivityTable, "label,jurisdiction,system,code,match,source\nHIV,,s,c,exact,\n", "column source: is empty"},
      {kSensitivityTable, "label,jurisdiction,system,code,match,source\nHIV,,,c,exact,x\n", "column system: goes with"},
      {kSensitivityTable, "label,jurisdiction,system,code,match,source\nN,,s,c,exact,x\n", "column label: must be"},
      {kMinorsTable, "jurisdiction,label,age,source\nUS,,eighteen,x\n", "column age: must be"},
      {kRepresentativesTable, "jurisdiction,code,speaks_for,source\n,MTH,all,x\n", "column speaks_for: must be"},
      {kBreakGlassTable, "jurisdiction,label,denial,allowed,source\n,,refused,yes,x\n", "column denial: must be"},
      {kBreakGlassTable, "jurisdiction,label,denial,allowed,source\n,,denied,yes\n", "has 4 fields, not 5"},
  };
  for (const auto& [name, csv, text] : rows) {
    const absl::Status status = CheckTable(name, csv);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << csv;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text)) << csv;
  }
  EXPECT_TRUE(absl::IsNotFound(CheckTable("prices", "")));
  EXPECT_TRUE(CheckTable(kBreakGlassTable, "jurisdiction,label,denial,allowed,source\n,,denied,yes,x\n").ok());
}

}  // namespace
}  // namespace custodian::consent
