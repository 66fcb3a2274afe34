#include "services/exchange/consent_reader.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/exchange/consent_gate.h"
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

// Whether a report of the patient may be read.
constexpr char kReport[] = R"({"resourceType":"DiagnosticReport","id":"r","code":{"coding":[{"system":"http://loinc.org","code":"30657-1"}]},)"
                           R"("effectiveDateTime":"2025-11-01T10:00:00Z","encounter":{"reference":"Encounter/e"}})";
consent::Decision DecideOn(const std::vector<OpenedRecord>& chart, absl::Time time = At("2026-01-15T12:00:00Z"), const char* actor = "north",
                           const std::string& report = kReport) {
  const ConsentGate gate(chart, consent::TenantRules::BuiltIn(), kChicago, {"urn:org", actor}, "TREAT", time);
  return gate.Judge({"south", "DiagnosticReport", "r", 1, report, absl::InfinitePast()}).decision;
}
consent::Decision Ask(const std::string& json, absl::Time time = At("2026-01-15T12:00:00Z"), const char* actor = "north") {
  return DecideOn({{"south", "Consent", "c", 1, json, absl::InfinitePast()}}, time, actor);
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
        R"(,"class":[{"system":"http://loinc.org","code":"34133-9"}])", R"(,"code":[{"text":"scans"}])",
        R"(,"dataPeriod":{"end":"then"})", R"(,"data":[{"meaning":"instance","reference":{"display":"it"}}])",
        R"(,"modifierExtension":[{"url":"urn:x","valueBoolean":true}])",
        R"(,"data":[{"meaning":"instance","reference":{"reference":"DiagnosticReport/r"},"modifierExtension":[{"url":"urn:x"}]}])",
        R"(,"action":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentaction","code":"correct"}]}])"})
    EXPECT_FALSE(Ask(ConsentJson(Permit(more))).permit) << more;
  EXPECT_TRUE(
      Ask(ConsentJson(Permit(
              R"(,"action":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentaction","code":"access"}]}])")))
          .permit);
}

TEST(ConsentReader, WhatMeansSomethingElseOrWasNotConfirmedNeverPermits) {
  std::string actor = Permit();
  actor.insert(actor.find(R"("role")"), R"("modifierExtension":[{"url":"urn:not","valueBoolean":true}],)");
  EXPECT_FALSE(Ask(ConsentJson(actor)).permit);
  for (const char* more : {R"(,"implicitRules":"urn:rules")", R"(,"modifierExtension":[{"url":"urn:x"}])", R"(,"verification":[{"verified":false}])",
                           R"(,"verification":[{"verified":true},{"verified":false}])"})
    EXPECT_FALSE(Ask(ConsentJson(Permit(), "active", more)).permit) << more;
  EXPECT_TRUE(Ask(ConsentJson(Permit(), "active", R"(,"verification":[{"verified":true}])")).permit);
  // A denial stands all the same; so does a permission beside one within that nobody understands.
  EXPECT_EQ(Ask(ConsentJson(R"({"type":"deny"})", "active", R"(,"implicitRules":"urn:rules")")).reason, consent::Reason::kDenied);
  EXPECT_TRUE(Ask(ConsentJson(Permit(R"(,"provision":[{"type":"permit","modifierExtension":[{"url":"urn:x"}]}])"))).permit);
}

TEST(ConsentReader, TheBaseRuleMayStandInPolicyRule) {
  const char* opt_out =
      R"(,"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTOUT"}]})";
  EXPECT_EQ(Ask(ConsentJson("{}", "active", opt_out)).reason, consent::Reason::kDenied);
  EXPECT_TRUE(Ask(ConsentJson(absl::StrCat(R"({"provision":[)", Permit(), "]}"), "active", opt_out)).permit);
}

// A basis of opt-out asks for nothing but objections: none is passed over for how it is written.
TEST(ConsentReader, AnObjectionIsReadHoweverItIsWritten) {
  const auto denied = [](const char* policy_rule) {
    return Ask(ConsentJson("{}", "active", absl::StrCat(R"(,"policyRule":)", policy_rule))).reason == consent::Reason::kDenied;
  };
  EXPECT_TRUE(denied(R"({"coding":[{"code":"OPTOUT"}]})"));
  EXPECT_TRUE(denied(R"({"coding":[{"system":"urn:oid:2.16.840.1.113883.5.4","code":"OPTOUT"}]})"));
  EXPECT_TRUE(denied(R"({"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"optout"}]})"));
  EXPECT_TRUE(denied(R"({"coding":[{"system":"urn:local","code":"OPTOUTE"}]})"));
  EXPECT_TRUE(denied(R"({"coding":[{"system":"urn:local","code":"7","display":"Opt-out"}]})"));
  EXPECT_TRUE(denied(R"({"text":"opt out"})"));
  EXPECT_TRUE(denied(R"({"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"},{"code":"OPTOUT"}]})"));
  EXPECT_FALSE(denied(R"({"text":"notice of privacy practices"})"));
  // What permits is read narrowly.
  const auto permits = [](const char* policy_rule) { return Ask(ConsentJson("{}", "active", absl::StrCat(R"(,"policyRule":)", policy_rule))).permit; };
  EXPECT_TRUE(permits(R"({"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]})"));
  EXPECT_FALSE(permits(R"({"coding":[{"code":"OPTIN"}]})"));
  EXPECT_FALSE(permits(R"({"text":"opt in"})"));
}

// v3-ActCode: "Opt-in to disclosure of health information for emergency only consent directive".
TEST(ConsentReader, EmergencyOnlyPermitsEmergencyTreatmentAndDeniesTheRest) {
  const char* const emergency_only = R"(,"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"EMRGONLY"}]})";
  const auto ask = [&](const char* provision, const std::string& purpose, const char* who = "north") {
    const auto json = Json::Parse(ConsentJson(provision, "active", emergency_only));
    const consent::Consent read = ReadConsent(*json, absl::InfinitePast(), absl::UTCTimeZone(), *consent::TenantRules::BuiltIn(), [](std::string_view) { return nullptr; });
    return consent::Decide({read}, {{"urn:org", who}, purpose, At("2026-01-15T12:00:00Z")}).reason;
  };
  EXPECT_EQ(ask("{}", "ETREAT"), consent::Reason::kPermitted);
  EXPECT_EQ(ask("{}", "BTG"), consent::Reason::kPermitted);
  EXPECT_EQ(ask("{}", "TREAT"), consent::Reason::kDenied);
  EXPECT_EQ(ask(R"({"type":"deny"})", "ETREAT"), consent::Reason::kDenied);
  // Who may is limited further.
  const char* const to_north = R"({"actor":[{"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},)"
                               R"("reference":{"identifier":{"system":"urn:org","value":"north"}}}]})";
  EXPECT_EQ(ask(to_north, "ETREAT"), consent::Reason::kPermitted);
  EXPECT_EQ(ask(to_north, "ETREAT", "east"), consent::Reason::kDenied);
}

TEST(ConsentReader, AnObjectionStandsAroundARootThatDeniesSomeone) {
  const char* const opt_out = R"(,"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTOUT"}]})";
  const char* const east = R"({"type":"deny","actor":[{"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},)"
                           R"("reference":{"identifier":{"system":"urn:org","value":"east"}}}]})";
  EXPECT_EQ(Ask(ConsentJson(east, "active", opt_out)).reason, consent::Reason::kDenied) << "asked by north";
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

TEST(ConsentReader, CriteriaOnTheDataAreEvaluated) {
  const std::string types = R"(,"class":[{"system":"http://hl7.org/fhir/resource-types","code":")";
  for (const auto& [more, permits] : std::vector<std::pair<std::string, bool>>{
           {types + R"(DiagnosticReport"}])", true},
           {types + R"(Observation"}])", false},
           {R"(,"code":[{"coding":[{"system":"http://loinc.org","code":"30657-1"}]}])", true},
           {R"(,"code":[{"coding":[{"system":"http://loinc.org","code":"30657-2"}]}])", false},
           {R"(,"dataPeriod":{"start":"2025-11-01","end":"2025-11-01"})", true},
           {R"(,"dataPeriod":{"start":"2025-11-02"})", false},
           {R"(,"data":[{"meaning":"instance","reference":{"reference":"DiagnosticReport/r"}}])", true},
           {R"(,"data":[{"meaning":"dependents","reference":{"reference":"Encounter/e"}}])", true},
           {R"(,"data":[{"meaning":"related","reference":{"reference":"Encounter/e"}}])", true},
           {R"(,"data":[{"meaning":"instance","reference":{"reference":"Encounter/e"}}])", false}})
    EXPECT_EQ(Ask(ConsentJson(Permit(more))).permit, permits) << more;
}

TEST(ConsentReader, APolicyThatDeniesStandsAroundARootThatPermits) {
  const char* opt_out = R"(,"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTOUT"}]})";
  EXPECT_TRUE(Ask(ConsentJson(Permit(), "active", opt_out)).permit);
  EXPECT_EQ(Ask(ConsentJson(Permit(), "active", opt_out), At("2026-01-15T12:00:00Z"), "east").reason, consent::Reason::kDenied);
  const char* opt_in = R"(,"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]})";
  EXPECT_EQ(Ask(ConsentJson(Permit(), "active", opt_in), At("2026-01-15T12:00:00Z"), "east").reason, consent::Reason::kNoPermission);
}

TEST(ConsentReader, AConsentThatIsNoJsonDenies) {
  EXPECT_EQ(DecideOn({{"south", "Consent", "c", 1, ConsentJson(Permit()), absl::InfinitePast()}, {"south", "Consent", "d", 1, "{", absl::InfinitePast()}}).reason,
            consent::Reason::kDenied);
}

TEST(ConsentReader, WhatIsSensitiveGoesOnToWhatBelongsToIt) {
  const auto decide = [&](const std::string& report, const std::vector<OpenedRecord>& others) {
    std::vector<OpenedRecord> chart = others;
    chart.push_back({"south", "Consent", "c", 1, ConsentJson(Permit()), absl::InfinitePast()});
    return DecideOn(chart, At("2026-01-15T12:00:00Z"), "north", report).reason;
  };
  const auto record = [](const char* type, const char* id, const std::string& members) {
    return OpenedRecord{"south", type, id, 1, absl::StrCat(R"({"resourceType":")", type, R"(","id":")", id, "\"", members, "}"), absl::InfinitePast()};
  };
  const char* labelled = R"(,"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"}]})";
  const char* restricted = R"(,"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]})";
  const auto report = [](const std::string& members) { return absl::StrCat(R"({"resourceType":"DiagnosticReport","id":"r")", members, "}"); };
  using consent::Reason;
  for (const char* label : {labelled, restricted}) {
    EXPECT_EQ(decide(report(R"(,"encounter":{"reference":"Encounter/e"})"), {record("Encounter", "e", label)}), Reason::kWithheld) << label;
    EXPECT_EQ(decide(report(R"(,"basedOn":[{"reference":"ServiceRequest/s"}])"), {record("ServiceRequest", "s", label)}), Reason::kWithheld) << label;
    // Of the order's reason.
    EXPECT_EQ(decide(report(R"(,"basedOn":[{"reference":"ServiceRequest/s"}])"),
                     {record("ServiceRequest", "s", R"(,"reasonReference":[{"reference":"Condition/c1"}])"), record("Condition", "c1", label)}),
              Reason::kWithheld)
        << label;
    // Of a panel that names it, and of one that it says to be part of; and of a part that says so.
    EXPECT_EQ(decide(report(""), {record("DiagnosticReport", "panel", absl::StrCat(R"(,"result":[{"reference":"DiagnosticReport/r"}])", label))}), Reason::kWithheld)
        << label;
    EXPECT_EQ(decide(report(R"(,"partOf":[{"reference":"Procedure/p"}])"), {record("Procedure", "p", label)}), Reason::kWithheld) << label;
    EXPECT_EQ(decide(report(""), {record("Observation", "o", absl::StrCat(R"(,"partOf":[{"reference":"DiagnosticReport/r"}])", label))}), Reason::kWithheld) << label;
    // Not of a panel's other member.
    EXPECT_EQ(decide(report(""), {record("Observation", "panel", R"(,"hasMember":[{"reference":"DiagnosticReport/r"},{"reference":"Observation/o"}])"),
                                  record("Observation", "o", label)}),
              Reason::kPermitted)
        << label;
  }
  // A reason that is sensitive by its code.
  EXPECT_EQ(decide(report(R"(,"encounter":{"reference":"Encounter/e"})"),
                   {record("Encounter", "e", R"(,"reasonCode":[{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"F11.20"}]}])")}),
            Reason::kWithheld);
}

TEST(ConsentReader, LabelsAndCodesCountHoweverTheyAreWritten) {
  const auto decide = [&](const std::string& members) {
    return DecideOn({{"south", "Consent", "c", 1, ConsentJson(Permit()), absl::InfinitePast()}}, At("2026-01-15T12:00:00Z"), "north",
                    absl::StrCat(R"({"resourceType":"DiagnosticReport","id":"r",)", members, "}"))
        .reason;
  };
  const auto label = [](const char* system, const char* code) {
    return absl::StrCat(R"("meta":{"security":[{"system":")", system, R"(","code":")", code, R"("}]})");
  };
  const auto code = [](const char* system, const char* written) {
    return absl::StrCat(R"("code":{"coding":[{"system":")", system, R"(","code":")", written, R"("}]})");
  };
  using consent::Reason;
  EXPECT_EQ(decide(label("urn:oid:2.16.840.1.113883.5.4", "PSY")), Reason::kWithheld);
  EXPECT_EQ(decide(label("http://terminology.hl7.org/CodeSystem/v3-ActCode", "psy")), Reason::kWithheld);
  EXPECT_EQ(decide(label("urn:oid:2.16.840.1.113883.5.25", "r")), Reason::kWithheld);
  EXPECT_EQ(decide(label("HTTP://TERMINOLOGY.HL7.ORG/CODESYSTEM/V3-CONFIDENTIALITY", "V")), Reason::kWithheld);
  EXPECT_EQ(decide(code("urn:oid:2.16.840.1.113883.6.90", "F11.20")), Reason::kWithheld);
  EXPECT_EQ(decide(code("http://hl7.org/fhir/sid/ICD-10-CM", "f1120")), Reason::kWithheld);
  EXPECT_EQ(decide(code("http://hl7.org/fhir/sid/icd-10-cm", "J45.909")), Reason::kPermitted);
  // And where a Consent names them.
  const std::string denied = ConsentJson(R"({"type":"permit","provision":[{"type":"deny","code":[{"coding":[{"system":"urn:oid:2.16.840.1.113883.6.1","code":"30657-1"}]}]}]})");
  EXPECT_EQ(Ask(denied).reason, Reason::kDenied);
}

TEST(ConsentReader, LabelsComeFromTheRecordItsCodesAndItsParts) {
  const auto label = [](const char* code) {
    return absl::StrCat(R"(,"securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":")", code, R"("}])");
  };
  const auto decide = [&](const std::string& report, const std::string& more, const std::vector<OpenedRecord>& others = {}) {
    std::vector<OpenedRecord> chart = others;
    chart.push_back({"south", "Consent", "c", 1, ConsentJson(Permit(more)), absl::InfinitePast()});
    return DecideOn(chart, At("2026-01-15T12:00:00Z"), "north", report);
  };
  const std::string tagged = R"({"resourceType":"DiagnosticReport","id":"r","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"HIV"}]}})";
  EXPECT_EQ(decide(tagged, "").reason, consent::Reason::kWithheld);
  EXPECT_TRUE(decide(tagged, label("HIV")).permit);
  // An obligation is no label; a label of a hospital's own is.
  const std::string obliged = R"({"resourceType":"DiagnosticReport","id":"r","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"NORDSCLCD"}]}})";
  EXPECT_TRUE(decide(obliged, "").permit);
  const std::string vip = R"({"resourceType":"DiagnosticReport","id":"r","meta":{"security":[{"system":"urn:ours","code":"VIP"}]}})";
  EXPECT_EQ(decide(vip, "").reason, consent::Reason::kWithheld);
  const std::string coded = R"({"resourceType":"DiagnosticReport","id":"r","conclusionCode":[{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"F33.1"}]}]})";
  EXPECT_EQ(decide(coded, "").reason, consent::Reason::kWithheld);
  EXPECT_TRUE(decide(coded, label("MH")).permit);
  const OpenedRecord panel{"south", "Observation", "o", 1, R"({"resourceType":"Observation","id":"o","hasMember":[{"reference":"Observation/hiv"}]})", absl::InfinitePast()};
  const OpenedRecord member{"south", "Observation", "hiv", 1, R"({"resourceType":"Observation","id":"hiv","code":{"coding":[{"system":"http://loinc.org","code":"75622-1"}]}})", absl::InfinitePast()};
  const std::string whole = R"({"resourceType":"DiagnosticReport","id":"r","result":[{"reference":"Observation/o"}]})";
  EXPECT_TRUE(decide(whole, "", {panel}).permit);
  EXPECT_EQ(decide(whole, "", {panel, member}).reason, consent::Reason::kWithheld);
  EXPECT_TRUE(decide(whole, label("HIV"), {panel, member}).permit);
}

TEST(ConsentReader, ThePerformerIsWhoGaveIt) {
  const auto patient = [](const char* birth) {
    return OpenedRecord{"south", "Patient", "p", 1, absl::StrCat(R"({"resourceType":"Patient","id":"p","birthDate":")", birth, R"("})"), absl::InfinitePast()};
  };
  const auto related = [](const char* code, const char* more = "") {
    return OpenedRecord{"south", "RelatedPerson", "m", 1,
                        absl::StrCat(R"({"resourceType":"RelatedPerson","id":"m","patient":{"reference":"Patient/p"},"relationship":[{"coding":[{"system":)",
                                     R"("http://terminology.hl7.org/CodeSystem/v3-RoleCode","code":")", code, R"("}]}])", more, "}"),
                        absl::InfinitePast()};
  };
  const auto decide = [&](const OpenedRecord& person, const OpenedRecord& who, const char* performers, const char* given = "2026-01-10") {
    const std::string json = ConsentJson(Permit(), "active", absl::StrCat(R"(,"patient":{"reference":"Patient/p"},"dateTime":")", given, R"(",)", performers));
    const OpenedRecord consent{"south", "Consent", "c", 1, json, At("2026-01-10T12:00:00Z")};
    return DecideOn({person, who, consent});
  };
  const char* by_mother = R"("performer":[{"reference":"RelatedPerson/m"}])";
  const char* by_self = R"("performer":[{"reference":"Patient/p"}])";
  const char* adult = "1970-01-01";
  const char* minor = "2015-01-01";
  EXPECT_TRUE(decide(patient(adult), related("MTH"), by_self).permit);
  EXPECT_TRUE(decide(patient(minor), related("MTH"), by_mother).permit);
  EXPECT_EQ(decide(patient(minor), related("MTH"), by_self).reason, consent::Reason::kNotTheirs);
  EXPECT_EQ(decide(patient(adult), related("MTH"), by_mother).reason, consent::Reason::kNotTheirs);
  EXPECT_TRUE(decide(patient(adult), related("HPOWATT"), by_mother).permit);
  EXPECT_EQ(decide(patient(adult), related("SIB"), by_mother).reason, consent::Reason::kNotTheirs);
  EXPECT_EQ(decide(patient(adult), related("HPOWATT", R"(,"period":{"end":"2026-01-09"})"), by_mother).reason, consent::Reason::kNotTheirs);
  EXPECT_EQ(decide(patient(adult), related("HPOWATT", R"(,"active":false)"), by_mother).reason, consent::Reason::kNotTheirs);
  EXPECT_EQ(decide(patient(adult), related("HPOWATT"), R"("performer":[{"reference":"RelatedPerson/other"}])").reason, consent::Reason::kNotTheirs);
  EXPECT_EQ(decide(patient(adult), related("HPOWATT"), R"("performer":[{"display":"her sister"}])").reason, consent::Reason::kNotTheirs);
  // Who took it is not who gave it; both together may.
  EXPECT_TRUE(decide(patient(adult), related("MTH"), R"("performer":[{"reference":"Organization/o"}])").permit);
  EXPECT_TRUE(decide(patient(minor), related("MTH"), R"("performer":[{"reference":"Patient/p"},{"reference":"RelatedPerson/m"}])").permit);
  // Come of age since: 18 on the day of the question.
  EXPECT_EQ(decide(patient("2008-01-15"), related("MTH"), by_mother).reason, consent::Reason::kNotTheirs);
  EXPECT_TRUE(decide(patient("2008-01-16"), related("MTH"), by_mother).permit);
}

TEST(ConsentReader, OnlyTheNewestVersionSpeaks) {
  const OpenedRecord given{"south", "Consent", "c", 1, ConsentJson(Permit()), At("2026-01-01T00:00:00Z")};
  const OpenedRecord revoked{"south", "Consent", "c", 2, ConsentJson(Permit(), "inactive"), At("2026-01-10T00:00:00Z")};
  EXPECT_TRUE(DecideOn({given}).permit);
  EXPECT_FALSE(DecideOn({revoked, given}).permit);
  EXPECT_TRUE(DecideOn({revoked, given}, At("2026-01-09T23:59:59Z")).permit);
}

}  // namespace
}  // namespace custodian::exchange
