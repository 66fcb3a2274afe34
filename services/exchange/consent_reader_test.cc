#include "services/exchange/consent_reader.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

const absl::TimeZone kChicago = ZoneOf("America/Chicago");
absl::Time At(const char* text) { return ParseFhirTime(text, absl::UTCTimeZone())->begin; }

constexpr char kActor[] =
    R"("actor":[{"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},)"
    R"("reference":{"identifier":{"system":"urn:org","value":"north"}}}])";
constexpr char kPurpose[] = R"("purpose":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}])";

std::string ConsentJson(const std::string& provision, const char* status = "active", const std::string& more = "") {
  return absl::StrCat(
      R"({"resourceType":"Consent","status":")", status,
      R"(","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]})", more,
      R"(,"provision":)", provision, "}");
}
std::string Permit(const std::string& more = "") {
  return absl::StrCat(R"({"type":"permit",)", kActor, ",", kPurpose, more, "}");
}

consent::Decision Ask(const std::string& json, absl::Time time = At("2026-01-15T12:00:00Z"), const char* actor = "north") {
  return DecideConsent({{"south", "Consent", "c", 1, json, absl::InfinitePast()}}, {{"urn:org", actor}, "TREAT", time}, kChicago);
}

TEST(ConsentReader, ReadsActorPurposeAndType) {
  EXPECT_TRUE(Ask(ConsentJson(Permit())).permit);
  EXPECT_FALSE(Ask(ConsentJson(Permit()), At("2026-01-15T12:00:00Z"), "east").permit);
  EXPECT_EQ(Ask(ConsentJson(absl::StrCat(R"({"type":"deny",)", kActor, "}"))).reason, consent::Reason::kDenied);
  EXPECT_FALSE(Ask(ConsentJson(Permit(), "inactive")).permit);
  EXPECT_FALSE(Ask(ConsentJson(Permit(), "entered-in-error")).permit);
}

TEST(ConsentReader, PeriodIsHalfOpenAndADateOnlyEndIncludesItsDay) {
  const std::string exact =
      ConsentJson(Permit(R"(,"period":{"start":"2026-01-15T12:00:00.000Z","end":"2026-01-15T12:00:00.002Z"})"));
  EXPECT_FALSE(Ask(exact, At("2026-01-15T11:59:59.999Z")).permit);
  EXPECT_TRUE(Ask(exact, At("2026-01-15T12:00:00Z")).permit);
  EXPECT_TRUE(Ask(exact, At("2026-01-15T12:00:00.001Z")).permit);
  EXPECT_FALSE(Ask(exact, At("2026-01-15T12:00:00.002Z")).permit);
  const std::string days = ConsentJson(Permit(R"(,"period":{"start":"2026-01-15","end":"2026-01-15"})"));
  EXPECT_FALSE(Ask(days, At("2026-01-15T05:59:59.999Z")).permit);
  EXPECT_TRUE(Ask(days, At("2026-01-15T06:00:00Z")).permit);
  EXPECT_TRUE(Ask(days, At("2026-01-16T05:59:59.999Z")).permit);
  EXPECT_FALSE(Ask(days, At("2026-01-16T06:00:00Z")).permit);
}

TEST(ConsentReader, CriteriaItDoesNotEvaluateNeverPermit) {
  for (const char* more :
       {R"(,"securityLabel":[{"code":"R"}])", R"(,"class":[{"code":"DiagnosticReport"}])", R"(,"period":{"end":"soon"})",
        R"(,"action":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentaction","code":"correct"}]}])"})
    EXPECT_FALSE(Ask(ConsentJson(Permit(more))).permit) << more;
  EXPECT_TRUE(
      Ask(ConsentJson(Permit(
              R"(,"action":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentaction","code":"access"}]}])")))
          .permit);
}

TEST(ConsentReader, TheBaseRuleMayStandInPolicyRule) {
  const char* opt_out =
      R"(,"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTOUT"}]})";
  EXPECT_EQ(Ask(ConsentJson("{}", "active", opt_out)).reason, consent::Reason::kDenied);
  EXPECT_TRUE(Ask(ConsentJson(absl::StrCat(R"({"provision":[)", Permit(), "]}"), "active", opt_out)).permit);
}

TEST(ConsentReader, AContainedOrganizationIsReadAndAPlainReferenceIsNot) {
  const std::string role =
      R"("role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]})";
  const std::string contained =
      R"(,"contained":[{"resourceType":"Organization","id":"o","identifier":[{"system":"urn:org","value":"north"}]}])";
  const auto with = [&](const char* reference, const char* type) {
    return absl::StrCat(R"({"type":")", type, R"(","actor":[{)", role, R"(,"reference":{"reference":")", reference, R"("}}]})");
  };
  EXPECT_TRUE(Ask(ConsentJson(with("#o", "permit"), "active", contained)).permit);
  EXPECT_FALSE(Ask(ConsentJson(with("Organization/o", "permit"))).permit);
  EXPECT_EQ(Ask(ConsentJson(with("Organization/o", "deny"))).reason, consent::Reason::kDenied);
}

TEST(ConsentReader, OnlyTheNewestVersionSpeaks) {
  const consent::Question question{{"urn:org", "north"}, "TREAT", At("2026-01-15T12:00:00Z")};
  const OpenedRecord given{"south", "Consent", "c", 1, ConsentJson(Permit()), At("2026-01-01T00:00:00Z")};
  const OpenedRecord revoked{"south", "Consent", "c", 2, ConsentJson(Permit(), "inactive"), At("2026-01-10T00:00:00Z")};
  EXPECT_TRUE(DecideConsent({given}, question, kChicago).permit);
  EXPECT_FALSE(DecideConsent({revoked, given}, question, kChicago).permit);
  EXPECT_EQ(DecideConsent({given, {"south", "Consent", "d", 1, "{", At("2026-01-01T00:00:00Z")}}, question, kChicago).reason,
            consent::Reason::kDenied);
}

}  // namespace
}  // namespace custodian::exchange
