#include "services/exchange/fhir_search.h"

#include <algorithm>
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

// Whether each criterion that has keys has one that the resource has: else the index of a chart would pass over what matches.
bool MayBeFoundByKeys(const Json& resource, const SearchRequest& search) {
  const FhirNode node = ResourceNode(resource);
  FhirPathContext context{node, node, {}};
  return std::all_of(search.criteria.begin(), search.criteria.end(), [&](const Criterion& criterion) {
    const auto wanted = KeysOf(criterion, kBase);
    if (!wanted.has_value()) return true;
    std::vector<std::string_view> own;
    for (const FhirNode& value : criterion.parameter->expression.Evaluate(node, context)) {
      for (const std::string_view key : KeysOf(value, criterion.parameter->kind, kBase)) own.push_back(key);
    }
    return std::any_of(wanted->begin(), wanted->end(), [&](std::string_view key) { return std::find(own.begin(), own.end(), key) != own.end(); });
  });
}

bool Found(std::vector<std::pair<std::string, std::string>> parameters) {
  const auto search = ParseSearch("DiagnosticReport", parameters, false);
  EXPECT_TRUE(std::holds_alternative<SearchRequest>(search));
  const auto report = Json::Parse(kReport);
  const bool found = Matches(*report, std::get<SearchRequest>(search), {kBase, absl::UTCTimeZone()});
  EXPECT_TRUE(!found || MayBeFoundByKeys(*report, std::get<SearchRequest>(search)));
  return found;
}

bool FoundIn(const std::string& resource, std::vector<std::pair<std::string, std::string>> parameters) {
  const auto json = Json::Parse(resource);
  const auto search = ParseSearch(json->TextOf("resourceType"), parameters, false);
  EXPECT_TRUE(std::holds_alternative<SearchRequest>(search)) << parameters.front().first;
  if (!std::holds_alternative<SearchRequest>(search)) return false;
  const bool found = Matches(*json, std::get<SearchRequest>(search), {kBase, absl::UTCTimeZone()});
  EXPECT_TRUE(!found || MayBeFoundByKeys(*json, std::get<SearchRequest>(search))) << parameters.front().first;
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

TEST(FhirSearch, MatchesCanonicalReferences) {
  constexpr char kAnswers[] = R"({"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"http://a.example/q|2"})";
  EXPECT_TRUE(FoundIn(kAnswers, {{"questionnaire", "http://a.example/q"}}));
  EXPECT_TRUE(FoundIn(kAnswers, {{"questionnaire", "http://a.example/q|2"}}));
  EXPECT_FALSE(FoundIn(kAnswers, {{"questionnaire", "http://a.example/q|3"}}));
  EXPECT_FALSE(FoundIn(kAnswers, {{"questionnaire", "http://b.example/q"}}));
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
                                                                                    {"code:in", "x"},
                                                                                    {"patient.colour", "x"},
                                                                                    {"code.name", "x"},
                                                                                    {"subject:Practitioner.name", "x"},
                                                                                    {"patient.birthdate", "soon"},
                                                                                    {"patient.name:identifier", "x"},
                                                                                    {"patient.link:Patient.link:Patient.link:Patient.link:Patient.name", "x"},
                                                                                    {"_has:Observation:patient:code", "x"},
                                                                                    {"_has:Composition:entry", "x"},
                                                                                    {"_has:Composition:title:title", "x"},
                                                                                    {"_has:Composition:entry:colour", "x"},
                                                                                    {"_has:Nothing:entry:title", "x"},
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

TEST(FhirSearch, ADateIsAsWideAsItIsWritten) {
  const auto found = [](const char* value, const char* wanted) {
    return FoundIn(std::string(R"({"resourceType":"Observation","effectiveDateTime":")") + value + "\"}", {{"date", wanted}});
  };
  for (const char* wanted : {"2026-02-01T10:00:07Z", "2026-02-01T10:00Z", "2026-02-01T10:00:07.2Z", "2026-02-01T10:00:07.250Z", "2026-02-01T11:00:07+01:00",
                             "2026-02-01T11:00 01:00", "2026-02-01T10:00:07", "2026-02-01T10:00", "ge2026-02-01T10:00", "gt2026-02-01T09:59", "le2026-02-01T10:00:07Z"}) {
    EXPECT_TRUE(found("2026-02-01T10:00:07.250Z", wanted)) << wanted;
  }
  for (const char* wanted : {"2026-02-01T10:00:08Z", "2026-02-01T10:01", "2026-02-01T10:00:07.3Z", "gt2026-02-01T10:00", "gt2026-02-01T10:00:07Z", "sa2026-02-01T10:00"}) {
    EXPECT_FALSE(found("2026-02-01T10:00:07.250Z", wanted)) << wanted;
  }
  EXPECT_TRUE(found("2026-02-01T10:00:07Z", "2026-02-01T10:00:07.000Z"));
  for (const char* bad : {"2026-02-01T10", "2026-02-01T10Z", "2026-02-01T10:", "2026-02-01T10:00:", "2026-02-01T10:00:07.", "2026-02-01T25:00", "2026-02-01T10:00+1"}) {
    EXPECT_TRUE(std::holds_alternative<Refusal>(ParseSearch("Observation", {{"date", bad}}, false))) << bad;
  }
}

constexpr char kPressure[] = R"({"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
  "component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":150,"unit":"mm[Hg]"}},
               {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":90,"unit":"mm[Hg]"}}]})";

TEST(FhirSearch, CompositesMatchAtOnePlace) {
  EXPECT_TRUE(FoundIn(kPressure, {{"component-code-value-quantity", "8480-6$gt140"}}));
  EXPECT_TRUE(FoundIn(kPressure, {{"component-code-value-quantity", "http://loinc.org|8480-6$150||mm[Hg]"}}));
  // 150 is the other component's.
  EXPECT_FALSE(FoundIn(kPressure, {{"component-code-value-quantity", "8462-4$gt140"}}));
  EXPECT_TRUE(FoundIn(kPressure, {{"component-code-value-quantity", "8462-4$gt140,8462-4$lt100"}}));
  EXPECT_TRUE(FoundIn(kPressure, {{"combo-code-value-quantity", "8480-6$gt140"}}));
  EXPECT_FALSE(FoundIn(kPressure, {{"code-value-quantity", "85354-9$gt0"}}));
  EXPECT_TRUE(FoundIn(kPressure, {{"component-code-value-concept:missing", "false"}}));
  EXPECT_TRUE(FoundIn(R"({"resourceType":"Observation","code":{"coding":[{"code":"a"}]},"valueDateTime":"2026-02-03"})", {{"code-value-date", "a$gt2026-01"}}));
  EXPECT_TRUE(FoundIn(R"({"resourceType":"Observation","code":{"coding":[{"code":"a"}]},"valueString":"x$y"})", {{"code-value-string", "a$x\\$"}}));
  EXPECT_TRUE(FoundIn(R"({"resourceType":"DocumentReference","relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/d"}}]})",
                      {{"relationship", "replaces$DocumentReference/d"}}));
  EXPECT_TRUE(FoundIn(R"({"resourceType":"ValueSet","useContext":[{"code":{"code":"age"},"valueRange":{"low":{"value":2,"unit":"a"},"high":{"value":9,"unit":"a"}}}]})",
                      {{"context-type-quantity", "age$lt5"}}));
  for (const char* value : {"85354-9", "85354-9$", "$gt5", "a$b", "a$1$2", "", "a$1,b"}) {
    EXPECT_TRUE(std::holds_alternative<Refusal>(ParseSearch("Observation", {{"code-value-quantity", value}}, false))) << value;
  }
  EXPECT_TRUE(std::holds_alternative<Refusal>(ParseSearch("Observation", {{"_sort", "code-value-quantity"}}, false)));
}

TEST(FhirSearch, ModifiersOfTokensAndUris) {
  constexpr char kPatient[] = R"({"resourceType":"Patient","identifier":[{"type":{"coding":[{"system":"urn:types","code":"MR"}],"text":"Record number"},"value":"12"}],
    "maritalStatus":{"coding":[{"code":"M","display":"Married"}]}})";
  EXPECT_TRUE(FoundIn(kPatient, {{"identifier:of-type", "urn:types|MR|12"}}));
  EXPECT_FALSE(FoundIn(kPatient, {{"identifier:of-type", "urn:types|MR|13"}}));
  EXPECT_FALSE(FoundIn(kPatient, {{"identifier:of-type", "urn:types|SS|12"}}));
  EXPECT_TRUE(FoundIn(kPatient, {{"identifier:text", "record"}}));
  EXPECT_FALSE(FoundIn(kPatient, {{"identifier:text", "number"}}));
  EXPECT_TRUE(std::holds_alternative<Refusal>(ParseSearch("Patient", {{"identifier:of-type", "MR|12"}}, false)));
  constexpr char kSet[] = R"({"resourceType":"ValueSet","url":"http://a.example/sets/one"})";
  EXPECT_TRUE(FoundIn(kSet, {{"url:below", "http://a.example/sets"}}));
  EXPECT_FALSE(FoundIn(kSet, {{"url:below", "http://a.example/set"}}));
  EXPECT_TRUE(FoundIn(kSet, {{"url:above", "http://a.example/sets/one/more"}}));
  EXPECT_FALSE(FoundIn(kSet, {{"url", "http://a.example/sets"}}));
}

TEST(FhirSearch, ChainsAreReadForEveryTypeTheyMayLeadTo) {
  const auto types = [](const char* name, const char* value) { return TypesReached("DiagnosticReport", name, value); };
  EXPECT_THAT(types("subject.identifier", "urn:a|b"), ::testing::ElementsAre("Device", "Group", "Location", "Patient"));
  EXPECT_THAT(types("subject.birthdate", "1970"), ::testing::ElementsAre("Patient"));
  EXPECT_THAT(types("patient.identifier", "urn:a|b"), ::testing::ElementsAre("Patient"));
  EXPECT_THAT(types("result:Observation.performer:Practitioner.name", "x"), ::testing::ElementsAre("Observation", "Practitioner"));
  EXPECT_THAT(types("patient._has:Observation:patient:code", "x"), ::testing::ElementsAre("Observation", "Patient"));
  EXPECT_THAT(types("_has:Composition:entry:subject:Patient._has:Encounter:patient:status", "finished"), ::testing::ElementsAre("Composition", "Encounter", "Patient"));
  EXPECT_THAT(types("patient.birthdate", "soon"), ::testing::IsEmpty());
}

// Whatever is asked, an answer or a refusal comes back; the seed is printed when that fails.
TEST(FhirSearch, AnswersAnyQuery) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto one_of = [&](const auto& list) { return list[random() % std::size(list)]; };
  static constexpr const char* kNames[] = {"subject.name", "patient.identifier", "_has:Composition:entry:title", "_has:Observation:has-member:code-value-quantity", "code-value-quantity",
                                           "target.target.identifier", "_has:", ".", "patient.", "patient", "code", "date", "_id", "_include", "_revinclude", "_sort", "_count", "_summary", "_elements",
                                           "value-quantity", "identifier", "subject", "_lastUpdated", "_total", "_cursor", "category", "_format"};
  static constexpr const char* kModifiers[] = {"", "", "", ":text", ":of-type", ":below", ".name", ":missing", ":not", ":exact", ":contains", ":Patient", ":identifier", ":iterate", ":", "::"};
  static constexpr const char* kPieces[] = {"$", "p1", "Patient/p1", "|", ",", "\\", "\\,", "http://loinc.org", "24558-9", "ge", "lt", "2026-02-10", "T", "1.5e3", "-", "*",
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
    const MatchSettings settings{kBase, absl::UTCTimeZone()};
    if (Matches(*resource, search, settings)) {
      EXPECT_TRUE(MayBeFoundByKeys(*resource, search)) << QueryText(search.used);
    }
    EXPECT_EQ(SortValuesOf(*resource, search.sort, absl::UTCTimeZone()).size(), search.sort.size());
  }
}

}  // namespace
}  // namespace custodian::exchange
