// Searches that reach over references, chains and _has, and what is shown of what they find; over real PostgreSQL and a real key process.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/exchange/fhir_service.h"
#include "services/exchange/test_world.h"

namespace custodian::exchange {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class FhirChain : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new TestWorld; }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }
  static rpc::HttpResponse Send(const std::string& method, const std::string& target, const std::string& body = "",
                                std::vector<std::pair<std::string, std::string>> headers = {}) {
    return world_->Send("alpha", "alpha", method, target, body, std::move(headers));
  }
  static Json Get(const std::string& target) { return TestWorld::Body(Send("GET", target), 200); }
  // "Type/id" of a new resource; `members` follow its type.
  static std::string Post(const std::string& type, const std::string& members) {
    const auto response = Send("POST", type, R"({"resourceType":")" + type + "\"," + members + "}");
    EXPECT_EQ(response.status, 201) << response.body;
    return TestWorld::Stored(response);
  }
  static std::string Refers(const std::string& name, const std::string& to) { return "\"" + name + R"(":{"reference":")" + to + "\"}"; }
  // Of a business identifier of its own, so that tests do not meet.
  static std::string NewPatient(const std::string& value, const std::string& more = "") {
    return Post("Patient", R"("identifier":[{"system":"urn:chain","value":")" + value + "\"}]" + more);
  }
  static std::string NewObservation(const std::string& patient, const std::string& code, const std::string& more = "") {
    return Post("Observation", R"("status":"final","code":{"coding":[{"system":"http://loinc.org","code":")" + code + "\"}]}," + Refers("subject", patient) + more);
  }
  static std::vector<std::string> Found(const std::string& target, const std::string& mode = "match") { return Ids(Get(target), mode); }
  static std::vector<std::string> Ids(const Json& bundle, const std::string& mode = "match") {
    std::vector<std::string> ids;
    for (const Json& entry : bundle["entry"].items()) {
      if (entry["search"].TextOf("mode") == mode) ids.push_back(entry["resource"].TextOf("resourceType") + "/" + entry["resource"].TextOf("id"));
    }
    return ids;
  }
  static std::string IdOf(const std::string& reference) { return reference.substr(reference.find('/') + 1); }

  static TestWorld* world_;
};
TestWorld* FhirChain::world_ = nullptr;

TEST_F(FhirChain, AChainToAnIdentifierFindsThePatient) {
  const std::string ann = NewPatient("ann"), bob = NewPatient("bob");
  const std::string of_ann = NewObservation(ann, "718-7"), of_bob = NewObservation(bob, "718-7");
  EXPECT_THAT(Found("Observation?subject.identifier=urn:chain%7Cann"), ElementsAre(of_ann));
  EXPECT_THAT(Found("Observation?patient.identifier=urn:chain%7Cann"), ElementsAre(of_ann));
  EXPECT_THAT(Found("Observation?subject:Patient.identifier=urn:chain%7Cann,urn:chain%7Cbob"), UnorderedElementsAre(of_ann, of_bob));
  EXPECT_THAT(Found("Observation?patient._id=" + IdOf(bob)), ElementsAre(of_bob));
  EXPECT_THAT(Found("Observation?subject:Patient.identifier=urn:chain%7Cnobody"), IsEmpty());
  EXPECT_THAT(Found("Observation?subject:Group.identifier=urn:chain%7Cann"), IsEmpty());
  // Both must hold, whichever says where to look.
  EXPECT_THAT(Found("Observation?patient=" + bob + "&subject.identifier=urn:chain%7Cann"), IsEmpty());
  EXPECT_THAT(Found("Observation?_id=" + IdOf(of_bob) + "&patient.identifier=urn:chain%7Cann"), IsEmpty());
  EXPECT_EQ(Get("Observation?subject.identifier=urn:chain%7Cann&_summary=count").TextOf("total"), "1");
}

TEST_F(FhirChain, ChainedValuesMatchAsPlainOnesDo) {
  const std::string patient = NewPatient("values", R"(,"birthDate":"1970-02-03","gender":"female","name":[{"family":"Ångström","given":["Zoë","Ann"]}])");
  const std::string observation = NewObservation(patient, "718-7");
  const std::string query = "Observation?patient=" + patient + "&";
  for (const char* matching : {"patient.name=zoe", "subject.name=ang", "patient.family:exact=%C3%85ngstr%C3%B6m", "patient.name:contains=str", "patient.birthdate=1970-02",
                               "patient.birthdate=lt1971", "patient.birthdate=ge1970-02-03", "patient.birthdate=1969,1970", "patient.gender:not=male",
                               "patient.gender=male,female", "patient.death-date:missing=true", "subject:Patient.birthdate=1970",
                               "patient.identifier=values", "patient.identifier=urn:chain%7C", "patient.given=zoe&patient.given=ann"}) {
    EXPECT_THAT(Found(query + matching), ElementsAre(observation)) << matching;
  }
  for (const char* other : {"patient.name=x", "patient.family:exact=angstrom", "patient.birthdate=gt1970-02-03", "patient.birthdate=ne1970", "patient.gender:not=female",
                            "patient.death-date:missing=false", "patient.identifier=urn:other%7Cvalues", "patient.given=zoe&patient.given=eve"}) {
    EXPECT_THAT(Found(query + other), IsEmpty()) << other;
  }
}

TEST_F(FhirChain, ChainsGoOverSeveralReferences) {
  const std::string practitioner = Post("Practitioner", R"("name":[{"family":"Holder"}])");
  const std::string patient = NewPatient("steps", ",\"generalPractitioner\":[{\"reference\":\"" + practitioner + "\"}]");
  const std::string encounter = Post("Encounter", R"("status":"finished","class":{"code":"AMB"},"identifier":[{"system":"urn:visit","value":"v1"}],)" + Refers("subject", patient));
  const std::string observation = NewObservation(patient, "718-7", "," + Refers("encounter", encounter));
  const std::string report = Post("DiagnosticReport", R"("status":"final","code":{"text":"x"},)" + Refers("subject", patient) + R"(,"result":[{"reference":")" + observation + "\"}]");
  NewObservation(patient, "718-7");
  EXPECT_THAT(Found("Observation?patient=" + patient + "&encounter.class=AMB"), ElementsAre(observation));
  EXPECT_THAT(Found("Observation?encounter.identifier=urn:visit%7Cv1"), ElementsAre(observation));
  EXPECT_THAT(Found("DiagnosticReport?result.encounter.identifier=urn:visit%7Cv1"), ElementsAre(report));
  EXPECT_THAT(Found("DiagnosticReport?patient=" + patient + "&result:Observation.encounter:Encounter.status=finished"), ElementsAre(report));
  EXPECT_THAT(Found("DiagnosticReport?patient=" + patient + "&result.encounter.status=planned"), IsEmpty());
  EXPECT_THAT(Found("DiagnosticReport?patient=" + patient + "&result.patient.general-practitioner:Practitioner.family=holder"), ElementsAre(report));
  // What has no patient is searched as a whole, and its references followed.
  const std::string parent = Post("Organization", R"("name":"Chain parent")");
  const std::string child = Post("Organization", R"("name":"Chain child",)" + Refers("partOf", parent));
  EXPECT_THAT(Found("Organization?partof.name=chain%20parent"), ElementsAre(child));
  EXPECT_THAT(Found("Organization?_has:Organization:partof:name=chain%20child"), ElementsAre(parent));
}

TEST_F(FhirChain, HasFindsWhatIsReferredTo) {
  const std::string ann = NewPatient("has-ann"), bob = NewPatient("has-bob");
  const std::string high = NewObservation(ann, "85354-9", R"(,"valueQuantity":{"value":150})"), low = NewObservation(ann, "85354-9", R"(,"valueQuantity":{"value":90})");
  NewObservation(bob, "718-7", R"(,"identifier":[{"system":"urn:order","value":"of-bob"}])");
  const std::string report =
      Post("DiagnosticReport", R"("status":"final","code":{"coding":[{"code":"panel"}]},)" + Refers("subject", ann) + R"(,"result":[{"reference":")" + high + "\"}]");
  const std::string both = "Patient?_id=" + IdOf(ann) + "," + IdOf(bob) + "&";
  EXPECT_THAT(Found(both + "_has:Observation:patient:code=85354-9"), ElementsAre(ann));
  EXPECT_THAT(Found(both + "_has:Observation:subject:code=85354-9,718-7"), UnorderedElementsAre(ann, bob));
  EXPECT_THAT(Found(both + "_has:Observation:patient:code:not=718-7"), ElementsAre(ann));
  EXPECT_THAT(Found(both + "_has:Observation:patient:code-value-quantity=85354-9$gt140"), ElementsAre(ann));
  EXPECT_THAT(Found(both + "_has:Observation:patient:code-value-quantity=85354-9$gt150"), IsEmpty());
  EXPECT_THAT(Found(both + "_has:Encounter:patient:status=finished"), IsEmpty());
  // One _has says where to look.
  EXPECT_THAT(Found("Patient?_has:Observation:patient:identifier=urn:order%7Cof-bob"), ElementsAre(bob));
  EXPECT_THAT(Found("Patient?_has:Observation:patient:_id=" + IdOf(high)), ElementsAre(ann));
  // Nested, and within a chain.
  EXPECT_THAT(Found("Observation?patient=" + ann + "&_has:DiagnosticReport:result:code=panel"), ElementsAre(high));
  EXPECT_THAT(Found(both + "_has:Observation:patient:_has:DiagnosticReport:result:code=panel"), ElementsAre(ann));
  EXPECT_THAT(Found(both + "_has:Observation:patient:_has:DiagnosticReport:result:code=other"), IsEmpty());
  EXPECT_THAT(Found("Observation?patient=" + ann + "&patient._has:DiagnosticReport:patient:code=panel"), UnorderedElementsAre(high, low));
  EXPECT_THAT(Found("Observation?patient=" + bob + "&patient._has:DiagnosticReport:patient:code=panel"), IsEmpty());
  // What is gone does not count.
  ASSERT_EQ(Send("DELETE", report).status, 204);
  EXPECT_THAT(Found("Observation?patient=" + ann + "&_has:DiagnosticReport:result:code=panel"), IsEmpty());
}

TEST_F(FhirChain, WhatRefersToWhatHasNoPatientIsFoundForANamedPatientOnly) {
  const std::string practitioner = Post("Practitioner", R"("active":true,"identifier":[{"system":"urn:npi","value":"chain"}])");
  const std::string patient = NewPatient("npi");
  const std::string observation = NewObservation(patient, "718-7", R"(,"performer":[{"reference":")" + practitioner + "\"}]");
  const auto refused = Send("GET", "Practitioner?_id=" + IdOf(practitioner) + "&_has:Observation:performer:code=718-7");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("name the patient in _has"));
  EXPECT_THAT(Found("Practitioner?_has:Observation:performer:patient=" + patient), ElementsAre(practitioner));
  EXPECT_THAT(Found("Practitioner?_has:Observation:performer:patient.identifier=urn:chain%7Cnpi"), ElementsAre(practitioner));
  EXPECT_THAT(Found("Observation?patient=" + patient + "&performer.identifier=urn:npi%7Cchain"), ElementsAre(observation));
  EXPECT_EQ(Send("GET", "Observation?performer.identifier=urn:npi%7Cchain").status, 400);
}

// A Device of no compartment lies with the patient that it names.
TEST_F(FhirChain, AResourceThatNamesAPatientIsFoundByThatPatient) {
  const std::string patient = NewPatient("device");
  const std::string device = Post("Device", Refers("patient", patient));
  EXPECT_THAT(Found("Device?patient=" + patient), ElementsAre(device));
  EXPECT_THAT(Found("Device?patient.identifier=urn:chain%7Cdevice"), ElementsAre(device));
}

TEST_F(FhirChain, ChainsAreSearchedByPostAndAcrossPages) {
  const std::string patient = NewPatient("pages");
  std::vector<std::string> stored;
  for (const char* day : {"2026-01-03", "2026-01-01", "2026-01-02"}) stored.push_back(NewObservation(patient, "718-7", std::string(R"(,"effectiveDateTime":")") + day + "\""));
  rpc::HttpRequest request;
  request.method = "POST";
  request.path = "/fhir/00000000000000aa/Observation/_search";
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  request.body = "subject%3APatient.identifier=urn%3Achain%7Cpages&_sort=date&_count=2";
  request.peer_spiffe_id = TestWorld::ClientOf("alpha");
  const Json first = TestWorld::Body(world_->service().Handle(request), 200);
  EXPECT_THAT(Ids(first), ElementsAre(stored[1], stored[2]));
  NewObservation(patient, "718-7", R"(,"effectiveDateTime":"2020-01-01")");
  const std::string base = "https://host/fhir/00000000000000aa/";
  ASSERT_EQ(first["link"][1].TextOf("relation"), "next");
  EXPECT_THAT(Found(first["link"][1].TextOf("url").substr(base.size())), ElementsAre(stored[0]));
}

TEST_F(FhirChain, SortsByOneKeyAfterAnother) {
  const std::string patient = NewPatient("sort");
  const std::string a = NewObservation(patient, "b", R"(,"effectiveDateTime":"2026-01-02")"), b = NewObservation(patient, "a", R"(,"effectiveDateTime":"2026-01-02")"),
                    c = NewObservation(patient, "c", R"(,"effectiveDateTime":"2026-01-01")"), d = NewObservation(patient, "a");
  EXPECT_THAT(Found("Observation?patient=" + patient + "&_sort=date,code"), ElementsAre(c, b, a, d));
  EXPECT_THAT(Found("Observation?patient=" + patient + "&_sort=-date,-code"), ElementsAre(a, b, c, d));
  const auto by_code = Found("Observation?patient=" + patient + "&_sort=code,-date");
  EXPECT_THAT(by_code, ElementsAre(b, d, a, c));
  EXPECT_EQ(Send("GET", "Observation?patient=" + patient + "&_sort=date,,code").status, 400);
}

TEST_F(FhirChain, EachSummaryShowsItsPart) {
  const std::string patient = NewPatient(
      "summary", R"(,"active":true,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"},"maritalStatus":{"text":"m"},"birthDate":"1970-01-01")");
  const auto shown = [&](const std::string& view) { return Get("Patient?_id=" + IdOf(patient) + "&" + view)["entry"][0]["resource"]; };
  const auto is_subsetted = [](const Json& resource) { return resource["meta"]["tag"][0].TextOf("code") == "SUBSETTED"; };
  const Json summary = shown("_summary=true"), text = shown("_summary=text"), data = shown("_summary=data"), whole = shown("_summary=false");
  EXPECT_TRUE(is_subsetted(summary) && is_subsetted(text) && is_subsetted(data) && !is_subsetted(whole));
  EXPECT_FALSE(summary["birthDate"].is_null());
  EXPECT_TRUE(summary["maritalStatus"].is_null() && summary["text"].is_null());
  EXPECT_FALSE(text["text"].is_null());
  EXPECT_TRUE(text["birthDate"].is_null());
  EXPECT_TRUE(data["text"].is_null());
  EXPECT_FALSE(data["maritalStatus"].is_null());
  EXPECT_FALSE(whole["text"].is_null());
  for (const char* count : {"_summary=count", "_count=0"}) {
    const Json bundle = Get("Patient?_id=" + IdOf(patient) + "&" + count);
    EXPECT_EQ(bundle.TextOf("total"), "1") << count;
    EXPECT_EQ(bundle.Find("entry"), nullptr) << count;
    EXPECT_EQ(bundle["link"].items().size(), 1u) << count;
  }
  // What changes the meaning of a resource is never left out (http://hl7.org/fhir/R4/search.html#elements).
  const Json elements = shown("_elements=birthDate");
  EXPECT_FALSE(elements["birthDate"].is_null());
  EXPECT_TRUE(elements["active"].boolean());
  EXPECT_TRUE(elements["maritalStatus"].is_null() && elements["identifier"].is_null());
  EXPECT_TRUE(is_subsetted(elements));
}

TEST_F(FhirChain, InclusionsIterateBothWays) {
  const std::string patient = NewPatient("iterate");
  const std::string encounter = Post("Encounter", R"("status":"finished","class":{"code":"AMB"},)" + Refers("subject", patient));
  const std::string observation = NewObservation(patient, "718-7", "," + Refers("encounter", encounter));
  const std::string report = Post("DiagnosticReport", R"("status":"final","code":{"text":"x"},)" + Refers("subject", patient) + R"(,"result":[{"reference":")" + observation + "\"}]");
  const std::string query = "Encounter?patient=" + patient + "&_revinclude=Observation:encounter";
  EXPECT_THAT(Found(query, "include"), ElementsAre(observation));
  EXPECT_THAT(Found(query + "&_revinclude:iterate=DiagnosticReport:result", "include"), UnorderedElementsAre(observation, report));
  EXPECT_THAT(Found(query + "&_revinclude=DiagnosticReport:result", "include"), ElementsAre(observation));
  EXPECT_THAT(Found(query + "&_revinclude:iterate=DiagnosticReport:result&_include:iterate=DiagnosticReport:subject:Patient", "include"),
              UnorderedElementsAre(observation, report, patient));
  EXPECT_THAT(Found("DiagnosticReport?patient=" + patient + "&_include=DiagnosticReport:result&_include:iterate=Observation:encounter", "include"),
              UnorderedElementsAre(observation, encounter));
  // Nothing is there twice.
  EXPECT_THAT(Found(query + "&_revinclude:iterate=Observation:encounter&_include:iterate=Observation:encounter", "include"), ElementsAre(observation));
}

// http://hl7.org/fhir/R4/references.html#canonical: a url of a resource, and its business version behind a bar.
TEST_F(FhirChain, CanonicalsLeadToTheResourcesThatHaveTheirUrl) {
  const std::string patient = NewPatient("canonical");
  const auto questionnaire = [](const std::string& version) {
    return Post("Questionnaire", R"("status":"active","url":"http://chain.example/q","version":")" + version + R"(","title":"Title )" + version + "\"");
  };
  const std::string first = questionnaire("1"), second = questionnaire("2");
  const auto answers = [&](const std::string& canonical) {
    return Post("QuestionnaireResponse", R"("status":"completed","questionnaire":")" + canonical + "\"," + Refers("subject", patient));
  };
  const std::string to_second = answers("http://chain.example/q|2"), to_any = answers("http://chain.example/q");
  const std::string elsewhere = answers("http://elsewhere.example/q");
  const std::string query = "QuestionnaireResponse?patient=" + patient;
  EXPECT_THAT(Found(query + "&questionnaire=http://chain.example/q"), UnorderedElementsAre(to_second, to_any));
  EXPECT_THAT(Found(query + "&questionnaire=http://chain.example/q%7C2"), ElementsAre(to_second));
  EXPECT_THAT(Found(query + "&questionnaire.title=Title%202"), UnorderedElementsAre(to_second, to_any));
  EXPECT_THAT(Found(query + "&questionnaire.title=Title%201"), ElementsAre(to_any));
  EXPECT_THAT(Found(query + "&_id=" + IdOf(to_second) + "&_include=QuestionnaireResponse:questionnaire", "include"), ElementsAre(second));
  EXPECT_THAT(Found(query + "&_id=" + IdOf(to_any) + "&_include=QuestionnaireResponse:questionnaire", "include"), UnorderedElementsAre(first, second));
  EXPECT_THAT(Found(query + "&_id=" + IdOf(elsewhere) + "&_include=QuestionnaireResponse:questionnaire", "include"), IsEmpty());
  EXPECT_THAT(Found("Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=" + IdOf(to_second)), ElementsAre(second));
  EXPECT_THAT(Found("Questionnaire?_has:QuestionnaireResponse:questionnaire:patient=" + patient), UnorderedElementsAre(first, second));
}

TEST_F(FhirChain, LenientSearchesPassOverChainsThatLeadNowhere) {
  const std::string patient = NewPatient("lenient");
  const std::string observation = NewObservation(patient, "718-7");
  const std::string query = "Observation?patient=" + patient + "&subject:Patient.colour=red&_has:Provenance:target:colour=red";
  EXPECT_EQ(Send("GET", query).status, 400);
  const Json found = TestWorld::Body(Send("GET", query, "", {{"prefer", "handling=lenient"}}), 200);
  EXPECT_THAT(Ids(found), ElementsAre(observation));
  EXPECT_THAT(Ids(found, "outcome"), ElementsAre("OperationOutcome/"));
  EXPECT_THAT(found["link"][0].TextOf("url"), Not(HasSubstr("colour")));
  // A modifier or a value that is wrong is refused even so.
  EXPECT_EQ(Send("GET", "Observation?patient=" + patient + "&patient.birthdate=soon", "", {{"prefer", "handling=lenient"}}).status, 400);
}

// A chain reaches what its client may search, and no further: which is decided before anything is looked for.
TEST_F(FhirChain, AChainNeedsTheScopesOfWhatItReaches) {
  const std::string patient = NewPatient("scoped", R"(,"name":[{"family":"Scoped"}])");
  const std::string observation = NewObservation(patient, "718-7");
  FhirService::Options options = TestWorld::FhirOptions();
  std::string granted;
  options.authenticate = [&granted](const rpc::HttpRequest&) -> absl::StatusOr<FhirCaller> {
    auto scopes = SmartScopes::Parse(granted);
    if (!scopes.ok()) return scopes.status();
    tenants::Client client;
    client.spiffe_id = TestWorld::ClientOf("alpha");
    client.tenant = world_->partition("alpha").tenant.id;
    client.role = "fhir";
    return FhirCaller{client, *std::move(scopes)};
  };
  const FhirService service(options, world_->parts());
  const auto send = [&](const std::string& scopes, const std::string& query) {
    granted = scopes;
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = "/fhir/00000000000000aa/Observation";
    request.query = query;
    return service.Handle(request);
  };
  const std::string chain = "patient=" + patient + "&patient.family=", has = "patient=" + patient + "&_has:DiagnosticReport:result:code=";
  for (const std::string& query : {chain + "scoped", chain + "other", has + "x"}) {
    const auto refused = send("system/Observation.rs", query);
    EXPECT_EQ(refused.status, 403) << query;
    EXPECT_EQ(refused.body, send("system/Observation.rs", query).body);
  }
  EXPECT_EQ(send("system/Observation.rs", chain + "scoped").body, send("system/Observation.rs", chain + "other").body);
  EXPECT_THAT(Ids(TestWorld::Body(send("system/Observation.rs system/Patient.s", chain + "scoped"), 200)), ElementsAre(observation));
  EXPECT_THAT(Ids(TestWorld::Body(send("system/Observation.rs system/Patient.s", chain + "other"), 200)), IsEmpty());
}

// Over chains and _has too, what another tenant may not read and what there is not look alike.
TEST_F(FhirChain, OthersLearnNothingByChains) {
  const std::string patient = NewPatient("denied", R"(,"name":[{"family":"Denied"}])");
  const std::string observation = NewObservation(patient, "718-7");
  const auto nothing = world_->Send("beta", "alpha", "GET", "Observation/no-such");
  const std::uint64_t size = world_->partition("alpha").writer->size();
  for (const std::string& target : std::vector<std::string>{
           "Observation?subject.identifier=urn:chain%7Cdenied", "Observation?subject.identifier=urn:chain%7Cnone", "Observation?patient.family=denied",
           "Observation?_id=" + IdOf(observation) + "&patient.family=denied", "Observation?_id=" + IdOf(observation) + "&patient.family=none",
           "Observation?_id=" + IdOf(observation) + "&_has:DiagnosticReport:result:code=x", "Observation?patient._id=" + IdOf(patient),
           "Patient?_has:Observation:patient:_id=" + IdOf(observation), "Observation?_has:DiagnosticReport:result:_id=x", "Observation?subject.colour=x",
           "Observation?_id=" + IdOf(observation) + "&code-value-quantity=718-7$gt1", "Observation?patient=" + patient + "&_summary=count&patient.family=denied"}) {
    const auto answer = world_->Send("beta", "alpha", "GET", target);
    EXPECT_EQ(answer.status, nothing.status) << target;
    EXPECT_EQ(answer.headers, nothing.headers) << target;
    EXPECT_EQ(answer.body, nothing.body) << target;
  }
  EXPECT_EQ(world_->partition("alpha").writer->size(), size);
}

}  // namespace
}  // namespace custodian::exchange
