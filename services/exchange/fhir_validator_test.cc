#include "services/exchange/fhir_validator.h"

#include <fstream>
#include <functional>
#include <random>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/exchange/fhir_definitions.h"

namespace custodian::exchange {
namespace {

std::string Faults(const std::string& text) {
  const auto json = Json::Parse(text);
  if (!json.ok()) return "not JSON";
  std::string faults;
  for (const Issue& issue : ValidateResource(*json, json->TextOf("resourceType"))) faults += issue.code + "@" + issue.expression + " ";
  return faults;
}

TEST(FhirDefinitions, KnowTheTypesOfR4) {
  EXPECT_EQ(ResourceTypes().size(), 146u);
  EXPECT_TRUE(IsResourceType("ImagingStudy"));
  EXPECT_FALSE(IsResourceType("imagingstudy"));
  EXPECT_FALSE(IsResourceType("HumanName"));
  EXPECT_FALSE(IsResourceType("SubscriptionStatus"));
  EXPECT_EQ(FindType("Coverage")->patient_paths.front(), std::vector<std::string>{"beneficiary"});
  EXPECT_TRUE(FindType("Organization")->patient_paths.empty());
}

struct Row {
  const char* name;
  const char* resource;
  const char* faults;
};
class FhirDefinitionsTell : public ::testing::TestWithParam<Row> {};
TEST_P(FhirDefinitionsTell, FaultAndPath) { EXPECT_EQ(Faults(GetParam().resource), GetParam().faults); }
INSTANTIATE_TEST_SUITE_P(
    Resources, FhirDefinitionsTell,
    ::testing::Values(
        Row{"good", R"({"resourceType":"Patient","birthDate":"1980-02-29","active":true,"name":[{"family":"A","given":["B"]}]})", ""},
        Row{"bad_date", R"({"resourceType":"Patient","birthDate":"1981-02-29"})", "value@Patient.birthDate "},
        Row{"bad_month", R"({"resourceType":"Patient","birthDate":"1981-13"})", "value@Patient.birthDate "},
        Row{"unknown_code", R"({"resourceType":"Patient","gender":"m"})", "code-invalid@Patient.gender "},
        Row{"unknown_element", R"({"resourceType":"Patient","shoe":1})", "structure@Patient "},
        Row{"missing", R"({"resourceType":"Observation","status":"final"})", "required@Observation.code "},
        Row{"zone_missing", R"({"resourceType":"Observation","status":"final","code":{"text":"x"},"effectiveDateTime":"2026-01-01T10:00:00"})",
            "value@Observation.effectiveDateTime "},
        Row{"instant", R"({"resourceType":"Observation","status":"final","code":{"text":"x"},"issued":"2026-01-01"})", "value@Observation.issued "},
        Row{"two_values", R"({"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"a","valueInteger":1})",
            "structure@Observation "},
        Row{"no_list", R"({"resourceType":"Patient","name":{"family":"A"}})", "structure@Patient.name "},
        Row{"empty_list", R"({"resourceType":"Patient","name":[]})", "structure@Patient.name "},
        Row{"list", R"({"resourceType":"Patient","birthDate":["1980"]})", "structure@Patient.birthDate "},
        Row{"null", R"({"resourceType":"Patient","birthDate":null})", "structure@Patient.birthDate "},
        Row{"number_for_text", R"({"resourceType":"Patient","name":[{"family":1}]})", "value@Patient.name[0].family "},
        Row{"text_for_number", R"({"resourceType":"ImagingStudy","status":"available","subject":{"reference":"Patient/a"},"numberOfSeries":"1"})",
            "value@ImagingStudy.numberOfSeries "},
        Row{"wrong_target", R"({"resourceType":"ImagingStudy","status":"available","subject":{"reference":"Organization/a"}})",
            "value@ImagingStudy.subject.reference "},
        Row{"extension", R"({"resourceType":"Patient","_birthDate":{"extension":[{"url":"http://x.example/y","valueString":"z"}]}})", ""},
        Row{"bad_extension", R"({"resourceType":"Patient","_birthDate":{"extension":[{"valueString":"z"}]}})",
            "required@Patient._birthDate.extension[0].url "},
        Row{"contained", R"({"resourceType":"Patient","contained":[{"resourceType":"Organization","active":"yes"}]})",
            "value@Patient.contained[0].active invariant@Patient.contained[0] "},
        Row{"contained_twice", R"({"resourceType":"Patient","managingOrganization":{"reference":"#a"},"contained":[{"resourceType":"Organization","id":"a","name":"x",)"
            R"("partOf":{"reference":"#b"},"contained":[{"resourceType":"Organization","id":"b","name":"y"}]}]})",
            "invariant@Patient.contained[0].partOf invariant@Patient "},
        Row{"contained_unused", R"({"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"a","name":"x"}]})", "invariant@Patient "},
        Row{"contained_version", R"({"resourceType":"Patient","managingOrganization":{"reference":"#a"},)"
            R"("contained":[{"resourceType":"Organization","id":"a","name":"x","meta":{"versionId":"1"}}]})", "invariant@Patient "},
        Row{"contained_label", R"({"resourceType":"Patient","managingOrganization":{"reference":"#a"},"contained":[{"resourceType":"Organization","id":"a","name":"x",)"
            R"("meta":{"security":[{"code":"R"}]}}]})", "invariant@Patient "},
        Row{"all_at_once", R"({"resourceType":"Patient","birthDate":"soon","gender":"m","contact":[{"relationship":[{"coding":[{"code":" x"}]}]}],)"
            R"("text":{"status":"generated","div":"<div>x</div>"}})",
            "value@Patient.birthDate code-invalid@Patient.gender value@Patient.contact[0].relationship[0].coding[0].code invariant@Patient.contact[0] "
            "invariant@Patient.text.div invariant@Patient.text.div "},
        // With the content of another element.
        Row{"nested", R"({"resourceType":"Consent","status":"active","scope":{"text":"x"},"category":[{"text":"x"}],"patient":{"reference":"Patient/a"},)"
            R"("policyRule":{"text":"x"},"provision":{"type":"permit","provision":[{"type":"deny","provision":[{"type":"permit"}]}]}})", ""},
        Row{"bad_nested", R"({"resourceType":"Observation","status":"final","code":{"text":"x"},"component":[{"code":{"text":"x"},)"
            R"("referenceRange":[{"text":"x","colour":1}]}]})", "structure@Observation.component[0].referenceRange[0] "},
        Row{"no_type", R"({"id":"x"})", "required@.resourceType "}, Row{"no_such_type", R"({"resourceType":"Pet"})", "value@Pet.resourceType "}),
    [](const auto& row) { return row.param.name; });

TEST(FhirDefinitions, TellNoMoreThanAskedFor) {
  const auto json = Json::Parse(R"({"resourceType":"Patient","a":1,"b":1,"c":1})");
  EXPECT_EQ(ValidateResource(*json, "Patient", 2).size(), 2u);
}

TEST(FhirDefinitions, AcceptSyntheaBundles) {
  for (const char* name : {"Chet_Thompson_eda17701-070d-4fae-9f7d-c8cd6263b63a", "Raymon_Kris_ca5da59f-0a70-470d-8b20-a1c847ff9010"}) {
    std::ifstream file(std::string("tests/data/synthea/") + name + ".json");
    std::ostringstream text;
    text << file.rdbuf();
    const auto bundle = Json::Parse(text.str());
    ASSERT_TRUE(bundle.ok()) << bundle.status();
    const auto issues = ValidateResource(*bundle, "Bundle");
    EXPECT_TRUE(issues.empty()) << issues.front().diagnostics;
  }
}

// Broken anywhere, a resource is judged, not choked on; the seed is printed when that fails.
TEST(FhirValidator, JudgesWhateverItIsGiven) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::ifstream file("tests/data/synthea/Chet_Thompson_eda17701-070d-4fae-9f7d-c8cd6263b63a.json");
  std::ostringstream text;
  text << file.rdbuf();
  const auto bundle = Json::Parse(text.str());
  ASSERT_TRUE(bundle.ok());
  const auto& entries = (*bundle)["entry"].items();
  static const Json kValues[] = {Json(), Json::Bool(true), Json::Integer(-1), Json::Number("1e400"), Json::String(""), Json::String("Patient/x"),
                                 Json::Array(), Json::Object(), Json::Array({Json()}), Json::Object({{"resourceType", Json::String("Patient")}}),
                                 Json::String("2026-13-41"), Json::Object({{"extension", Json::Array({Json::Object()})}})};
  const std::function<void(Json&)> break_somewhere = [&](Json& json) {
    const std::size_t size = json.items().size() + json.members().size();
    if (size == 0 || random() % 4 == 0) {
      json = kValues[random() % std::size(kValues)];
    } else if (!json.items().empty()) {
      break_somewhere(json.items()[random() % size]);
    } else if (auto& member = json.members()[random() % size]; random() % 6 == 0) {
      member.name = (random() % 2 == 0 ? "_" : "x") + member.name;
    } else {
      break_somewhere(member.value);
    }
  };
  std::size_t faulty = 0;
  for (int round = 0; round < 3'000; ++round) {
    Json resource = entries[random() % entries.size()]["resource"];
    for (unsigned breaks = 1 + random() % 3; breaks > 0; --breaks) break_somewhere(resource);
    const auto issues = ValidateResource(resource, "R");
    if (!issues.empty()) ++faulty;
    for (const Issue& issue : issues) {
      EXPECT_TRUE(issue.expression.starts_with("R")) << issue.expression;
      EXPECT_FALSE(issue.diagnostics.empty());
    }
  }
  EXPECT_GT(faulty, 1'500u);
}

}  // namespace
}  // namespace custodian::exchange
