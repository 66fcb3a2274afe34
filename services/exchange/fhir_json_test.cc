#include "services/exchange/fhir_json.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace custodian::exchange {
namespace {

using ::testing::HasSubstr;

TEST(FhirJson, KeepsNumbersAsWritten) {
  const std::string text = R"({"a":1.10,"b":1E5,"c":-0.0,"d":12345678901234567890123,"e":"1.10"})";
  const auto json = Json::Parse(text);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(json->Text(), text);
  EXPECT_FALSE(*Json::Parse("1.10") == *Json::Parse("1.1"));
}

TEST(FhirJson, IsEqualInAnyMemberOrderButNotInAnyItemOrder) {
  EXPECT_TRUE(*Json::Parse(R"({"a":1,"b":[1,2]})") == *Json::Parse(R"({ "b":[1,2], "a":1 })"));
  EXPECT_FALSE(*Json::Parse(R"([1,2])") == *Json::Parse(R"([2,1])"));
  EXPECT_FALSE(*Json::Parse(R"({"a":1})") == *Json::Parse(R"({"a":"1"})"));
}

struct BadText {
  const char* name;
  std::string text;
  const char* why;
};
class FhirJsonRefuses : public ::testing::TestWithParam<BadText> {};
TEST_P(FhirJsonRefuses, WithItsPlace) {
  const auto json = Json::Parse(GetParam().text);
  ASSERT_FALSE(json.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(json.status()));
  EXPECT_THAT(std::string(json.status().message()), HasSubstr(GetParam().why));
}
INSTANTIATE_TEST_SUITE_P(
    Texts, FhirJsonRefuses,
    ::testing::Values(BadText{"duplicate", R"({"a":1,"a":2})", "already has"}, BadText{"cut", "{\n \"a\":\n tru", "line 3"},
                      BadText{"trailing", "[1]x", "column 4"}, BadText{"empty", "", "empty"}, BadText{"leading_zero", "[01]", "line 1"},
                      BadText{"broken_utf8", "\"\xff\"", "encoding"}, BadText{"overlong_utf8", "\"\xc0\xaf\"", "encoding"},
                      BadText{"high_surrogate", "\"\\ud800x\"", "surrogate"}, BadText{"low_surrogate", "\"\\udc00\"", "surrogate"},
                      BadText{"escaped_nul", "\"\\u0000\"", "NUL"}, BadText{"raw_nul", std::string("{}\0{}", 5), "NUL"},
                      BadText{"comment", "{/*x*/}", "line 1"}, BadText{"deep", std::string(100, '['), "nesting"}),
    [](const auto& row) { return row.param.name; });

TEST(FhirJson, HasALimitOnSize) {
  const auto json = Json::Parse("[1,2,3]", {.bytes_max = 6, .depth_max = 4});
  ASSERT_FALSE(json.ok());
  EXPECT_THAT(std::string(json.status().message()), HasSubstr("at most 6"));
}

TEST(FhirJson, FindsManyDuplicatesInALargeObject) {
  std::string text = "{";
  for (int i = 0; i < 100; ++i) text += "\"m" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(Json::Parse(text + "\"last\":0}").ok());
  EXPECT_FALSE(Json::Parse(text + "\"m3\":0}").ok());
}

TEST(FhirJson, VisitsReferencesWithTheirPaths) {
  auto json = Json::Parse(R"({"subject":{"reference":"a"},"result":[{"reference":"b"}],"contained":[{"patient":{"reference":"c"}}]})");
  ASSERT_TRUE(json.ok());
  std::string seen;
  VisitReferences(*json, "X", [&](std::string& reference, const std::string& path) {
    seen += reference + "@" + path + " ";
    reference += "!";
  });
  EXPECT_EQ(seen, "a@X.subject.reference b@X.result[0].reference c@X.contained[0].patient.reference ");
  EXPECT_EQ((*json)["result"][0].TextOf("reference"), "b!");
}

TEST(FhirJson, AnOperationOutcomeIsSoundWhateverItTellsOf) {
  const auto outcome = Json::Parse(OperationOutcome({{"value", "'a\xff\x01\xc3' is none", "Patient.\x7f"}}));
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ((*outcome)["issue"][0].TextOf("diagnostics"), "'a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd' is none");
  EXPECT_EQ((*outcome)["issue"][0]["expression"][0].text(), "Patient.\xef\xbf\xbd");
}

TEST(FhirJson, WritesAnOperationOutcome) {
  const auto outcome = Json::Parse(OperationOutcome({{"value", "is no date", "Patient.birthDate"}}));
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->TextOf("resourceType"), "OperationOutcome");
  EXPECT_EQ((*outcome)["issue"][0].TextOf("severity"), "error");
  EXPECT_EQ((*outcome)["issue"][0]["expression"][0].text(), "Patient.birthDate");
}

}  // namespace
}  // namespace custodian::exchange
