#include "services/exchange/fhir_search.h"

#include <array>
#include <random>

#include "services/exchange/fhir_match.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace custodian::exchange {
namespace {

constexpr char kBase[] = "https://host/fhir/00000000000000aa";
constexpr char kReport[] = R"({"resourceType":"DiagnosticReport","id":"r1","status":"final",
  "identifier":[{"system":"urn:acc","value":"77"}],
  "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0074","code":"RAD"}]}],
  "code":{"coding":[{"system":"http://loinc.org","code":"24558-9"}]},
  "subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-02-10T09:30:00-06:00"})";

bool Found(std::vector<std::pair<std::string, std::string>> parameters) {
  const auto search = ParseSearch("DiagnosticReport", parameters, false);
  EXPECT_TRUE(std::holds_alternative<SearchRequest>(search));
  const auto report = Json::Parse(kReport);
  const bool found = Matches(*report, std::get<SearchRequest>(search), {kBase, absl::UTCTimeZone()});
  // What matches is never passed over unread.
  EXPECT_TRUE(!found || MayMatch(report->Text(), std::get<SearchRequest>(search)));
  return found;
}

TEST(FhirSearch, MatchesTokensWithAndWithoutTheirSystem) {
  EXPECT_TRUE(Found({{"code", "24558-9"}}));
  EXPECT_TRUE(Found({{"code", "http://loinc.org|24558-9"}}));
  EXPECT_TRUE(Found({{"code", "http://loinc.org|"}}));
  EXPECT_FALSE(Found({{"code", "|24558-9"}}));
  EXPECT_FALSE(Found({{"code", "http://radlex.org|24558-9"}}));
  EXPECT_TRUE(Found({{"code", "1-1,24558-9"}}));
  EXPECT_TRUE(Found({{"identifier", "urn:acc|77"}}));
  EXPECT_FALSE(Found({{"identifier", "urn:acc|78"}}));
  EXPECT_TRUE(Found({{"status", "final"}, {"category", "RAD"}}));
  EXPECT_FALSE(Found({{"status", "final"}, {"category", "LAB"}}));
}

TEST(FhirSearch, MatchesThePatientInEveryForm) {
  EXPECT_TRUE(Found({{"patient", "p1"}}));
  EXPECT_TRUE(Found({{"subject", "Patient/p1"}}));
  EXPECT_TRUE(Found({{"patient", std::string(kBase) + "/Patient/p1"}}));
  EXPECT_FALSE(Found({{"patient", "p2"}}));
  EXPECT_FALSE(Found({{"subject", "Group/p1"}}));
}

TEST(FhirSearch, MatchesDatesByPrefix) {
  EXPECT_TRUE(Found({{"date", "2026-02-10"}}));
  EXPECT_TRUE(Found({{"date", "2026-02-10T15:30:00Z"}}));
  EXPECT_FALSE(Found({{"date", "2026-02-11"}}));
  EXPECT_TRUE(Found({{"date", "ge2026-02-01"}, {"date", "lt2026-03-01"}}));
  EXPECT_FALSE(Found({{"date", "gt2026-02-10"}}));
  EXPECT_TRUE(Found({{"date", "sa2026-02-09"}}));
  EXPECT_TRUE(Found({{"date", "eb2026-02-11"}}));
  EXPECT_TRUE(Found({{"date", "ne2026-02-11"}}));
}

TEST(FhirSearch, RefusesWhatItDoesNotKnow) {
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"nmae", "x"},
                                                                                    {"code:text", "x"},
                                                                                    {"patient.name", "x"},
                                                                                    {"_include", "subject"},
                                                                                    {"_sort", "colour"},
                                                                                    {"_revinclude", "*"},
                                                                                    {"date", "soon"},
                                                                                    {"date", "ap2026"},
                                                                                    {"_count", "many"},
                                                                                    {"_id", "a b"},
                                                                                    {"code", ""}}) {
    const auto search = ParseSearch("DiagnosticReport", {{name, value}}, false);
    ASSERT_TRUE(std::holds_alternative<Refusal>(search)) << name;
    EXPECT_EQ(std::get<Refusal>(search).status, 400) << name;
  }
}

// Whatever is asked, an answer or a refusal comes back; the seed is printed when that fails.
TEST(FhirSearch, AnswersAnyQuery) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto one_of = [&](const auto& list) { return list[random() % std::size(list)]; };
  static constexpr const char* kNames[] = {"patient", "code", "date", "_id", "_include", "_revinclude", "_sort", "_count", "_summary", "_elements",
                                           "value-quantity", "identifier", "subject", "_lastUpdated", "_total", "_cursor", "category", "_format"};
  static constexpr const char* kModifiers[] = {"", "", "", ":missing", ":not", ":exact", ":contains", ":Patient", ":identifier", ":iterate", ":", "::"};
  static constexpr const char* kPieces[] = {"p1", "Patient/p1", "|", ",", "\\", "\\,", "http://loinc.org", "24558-9", "ge", "lt", "2026-02-10", "T", "1.5e3", "-", "*",
                                            ":", "Observation:subject", "true", "\xff", "\xc3\xa9", "", " ", "/", "_history", "9999999999999999999999", "%", "e", "E1"};
  const auto resource = Json::Parse(kReport);
  for (int round = 0; round < 20'000; ++round) {
    Parameters parameters;
    for (unsigned i = random() % 4; i > 0; --i) {
      std::string value;
      for (unsigned pieces = random() % 5; pieces > 0; --pieces) value += one_of(kPieces);
      parameters.emplace_back(std::string(one_of(kNames)) + one_of(kModifiers), value);
    }
    const auto parsed = ParseSearch(one_of(std::array{"DiagnosticReport", "Observation", "Patient", "Organization"}), parameters, random() % 2 == 0);
    if (const auto* refusal = std::get_if<Refusal>(&parsed)) {
      EXPECT_TRUE(refusal->status == 400 || refusal->status == 406);
      EXPECT_FALSE(refusal->issues.front().diagnostics.empty());
      continue;
    }
    const auto& search = std::get<SearchRequest>(parsed);
    const bool matches = Matches(*resource, search, {kBase, absl::UTCTimeZone()});
    EXPECT_TRUE(!matches || MayMatch(resource->Text(), search)) << QueryText(search.used);
    EXPECT_EQ(SortValuesOf(*resource, search.sort, absl::UTCTimeZone()).size(), search.sort.size());
  }
}

}  // namespace
}  // namespace custodian::exchange
