#include "services/exchange/fhir_path.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_xhtml.h"

namespace custodian::exchange {
namespace {

constexpr char kPatient[] = R"({"resourceType":"Patient","id":"p","active":true,"deceasedBoolean":false,
  "name":[{"use":"official","family":"A","given":["B","C"]},{"use":"old","family":"D"}],"birthDate":"1980-01-02",
  "_birthDate":{"extension":[{"url":"urn:e","valueString":"x"}]},"telecom":[{"system":"phone","value":"1"},{"system":"email","value":"a@b"}],
  "generalPractitioner":[{"reference":"Practitioner/d"},{"reference":"https://other.example/fhir/Organization/o/_history/2"},{"reference":"#c"}],
  "contained":[{"resourceType":"Practitioner","id":"c"}]})";

// Values as JSON texts, joined by spaces.
std::string Values(const std::string& expression) {
  const auto path = FhirPath::Compile(expression);
  EXPECT_TRUE(path.ok()) << path.status();
  if (!path.ok()) return "";
  const auto patient = Json::Parse(kPatient);
  const FhirNode node = ResourceNode(*patient);
  FhirPathContext context{node, node, {}};
  std::string text;
  for (const FhirNode& each : path->Evaluate(node, context)) text += (text.empty() ? "" : " ") + each.value->Text();
  return text;
}

struct Row {
  const char* expression;
  const char* values;
};
class FhirPathSays : public ::testing::TestWithParam<Row> {};
TEST_P(FhirPathSays, Values) { EXPECT_EQ(Values(GetParam().expression), GetParam().values) << GetParam().expression; }
INSTANTIATE_TEST_SUITE_P(Expressions, FhirPathSays,
                         ::testing::Values(Row{"Patient.name.given", "\"B\" \"C\""}, Row{"name.where(use = 'old').family", "\"D\""},
                                           Row{"Patient.deceased.exists() and Patient.deceased != false", "false"},
                                           Row{"(Patient.deceased as boolean)", "false"}, Row{"(Patient.deceased as dateTime)", ""},
                                           Row{"Patient.telecom.where(system='email').value", "\"a@b\""},
                                           Row{"Patient.generalPractitioner.where(resolve() is Practitioner).count()", "2"},
                                           Row{"Patient.generalPractitioner.where(resolve() is Organization).count()", "1"},
                                           Row{"name.count() + telecom.count() = 4", "true"}, Row{"name.family | name.given", "\"A\" \"D\" \"B\" \"C\""},
                                           Row{"birthDate.extension.value", "\"x\""}, Row{"birthDate < '1981'", "true"},
                                           Row{"birthDate <= '1980'", ""}, Row{"name[1].family", "\"D\""}, Row{"name.family.isDistinct()", "true"},
                                           Row{"name.all(family.exists())", "true"}, Row{"name.first().family & 'x'", "\"Ax\""},
                                           Row{"photo.exists() implies active", "true"}, Row{"photo.empty() xor active", "false"},
                                           Row{"'B' in name.given", "true"}, Row{"name.given contains 'Z'", "false"},
                                           Row{"id.matches('^[a-z]$')", "true"}, Row{"contained.where(('#'+id in %resource.descendants().reference).not()).empty()", "true"},
                                           Row{"iif(active, 'y', 'n')", "\"y\""}, Row{"nothing.there", ""}, Row{"name.tail().family", "\"D\""},
                                           Row{"not()", "false"}, Row{"{}.empty()", "true"}));

TEST(FhirPath, RefusesWhatItDoesNotKnow) {
  for (const char* expression : {"", "name.", "name.nothing()", "(name", "'x", "name where", "%factory", "name.where()", "a = = b"}) {
    EXPECT_FALSE(FhirPath::Compile(expression).ok()) << expression;
  }
}

TEST(FhirDefinitions, EveryInvariantAndSearchParameterIsUnderstood) { EXPECT_THAT(UncheckedInvariants(), ::testing::IsEmpty()); }

TEST(FhirDefinitions, NameThePatientOfEveryCompartmentType) {
  for (const std::string& type : ResourceTypes()) {
    const TypeDefinition& definition = *FindType(type);
    if (definition.compartment.empty()) continue;
    EXPECT_FALSE(definition.patient_paths.empty()) << type;
  }
  EXPECT_THAT(FindType("Appointment")->patient_paths, ::testing::ElementsAre(std::vector<std::string>{"participant", "actor"}));
  EXPECT_TRUE(FindSearchParameter("Coverage", "beneficiary")->names_patient);
  EXPECT_FALSE(FindSearchParameter("Observation", "performer")->names_patient);
}

// The first div, put into the namespace of XHTML.
std::string InNamespace(std::string text) {
  const auto div = text.find("<div");
  if (div != std::string::npos) text.insert(div + 4, " xmlns=\"http://www.w3.org/1999/xhtml\"");
  return text;
}

TEST(FhirXhtml, TakesNarrativesAndNoScripts) {
  for (const char* good : {"<div>a &amp; b</div>", "<div><p class='x'>a<br/></p><a href=\"#here\">b</a></div>",
                           "<div><img src=\"data:image/png;base64,AA==\" alt=\"x\"/></div>", " <div><!-- x --><table><tr><td>1</td></tr></table></div> "}) {
    EXPECT_TRUE(IsNarrativeXhtml(InNamespace(good))) << good;
    EXPECT_FALSE(IsNarrativeXhtml(good)) << good;
  }
  for (const char* bad : {"", "text", "<p>a</p>", "<div></div>", "<div>a", "<div>a</div><div>b</div>", "<div><script>a</script></div>", "<div onload=\"a\">b</div>",
                          "<div><a href=\"javascript:a\">b</a></div>", "<div><a href=\" java\tscript:a\">b</a></div>", "<div><a href=\"&#106;avascript:a\">b</a></div>",
                          "<div><iframe src=\"http://x\"/>a</div>", "<div><p>a</div></p>", "<div a>b</div>", "<div><![CDATA[x]]>a</div>", "<DIV>a</DIV>",
                          "<div><img src=\"data:image/svg+xml,x\"/></div>", "<div><object>a</object></div>"}) {
    EXPECT_FALSE(IsNarrativeXhtml(InNamespace(bad))) << bad;
  }
  EXPECT_FALSE(IsNarrativeXhtml("<div xmlns=\"http://www.w3.org/TR/html4\">a</div>"));
  EXPECT_FALSE(IsNarrativeXhtml(InNamespace("<div><p xmlns=\"urn:other\">a</p></div>")));
}

}  // namespace
}  // namespace custodian::exchange
