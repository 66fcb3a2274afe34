// What a client may do with its own tenant's records beyond writing and reading them once: deletions, conditions, batches, searches,
// pages, views, $everything, $match; over real PostgreSQL and a real key process.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ledger/entry.h"
#include "services/exchange/fhir_service.h"
#include "services/exchange/record_store.h"
#include "services/exchange/test_world.h"

namespace custodian::exchange {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

class FhirInteractions : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new TestWorld; }
  static void TearDownTestSuite() {
    delete world_;
    world_ = nullptr;
  }
  rpc::HttpResponse Send(const std::string& method, const std::string& target, const std::string& body = "",
                         std::vector<std::pair<std::string, std::string>> headers = {}) {
    return world_->Send("alpha", "alpha", method, target, body, std::move(headers));
  }
  Json Get(const std::string& target) { return TestWorld::Body(Send("GET", target), 200); }
  std::string Post(const std::string& type, const std::string& body) {
    const auto response = Send("POST", type, body);
    EXPECT_EQ(response.status, 201) << response.body;
    return TestWorld::Stored(response);
  }
  std::string NewPatient(const std::string& more = "") { return Post("Patient", R"({"resourceType":"Patient","active":true)" + more + "}"); }
  std::string NewObservation(const std::string& patient, const std::string& day, const std::string& value, const std::string& more = "") {
    return Post("Observation", R"({"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"718-7"}]},
      "category":[{"coding":[{"system":"urn:category","code":"laboratory"}]}],"subject":{"reference":")" +
                                   patient + R"("},"effectiveDateTime":")" + day + R"(","valueQuantity":{"value":)" + value +
                                   R"(,"unit":"g/dL","system":"http://unitsofmeasure.org","code":"g/dL"})" + more + "}");
  }
  static std::vector<std::string> Ids(const Json& bundle, const std::string& mode = "match") {
    std::vector<std::string> ids;
    for (const Json& entry : bundle["entry"].items()) {
      if (entry["search"].TextOf("mode") == mode) ids.push_back(entry["resource"].TextOf("resourceType") + "/" + entry["resource"].TextOf("id"));
    }
    return ids;
  }
  // The link's URL below the tenant's base; empty without such a link.
  static std::string LinkOf(const Json& bundle, const std::string& relation) {
    const std::string base = "https://host/fhir/00000000000000aa/";
    for (const Json& link : bundle["link"].items()) {
      if (link.TextOf("relation") == relation) return link.TextOf("url").substr(base.size());
    }
    return "";
  }
  std::string Total(const std::string& target) { return Get(target).TextOf("total"); }
  std::uint64_t LogSize() { return world_->partition("alpha").writer->size(); }

  static TestWorld* world_;
};
TestWorld* FhirInteractions::world_ = nullptr;

TEST_F(FhirInteractions, ADeletionIsATombstoneThatTheLedgerTells) {
  const std::string patient = NewPatient();
  const std::string observation = NewObservation(patient, "2026-01-01", "12");
  const auto stale = Send("DELETE", observation, "", {{"if-match", "W/\"2\""}});
  EXPECT_EQ(stale.status, 412) << stale.body;
  const auto deleted = Send("DELETE", observation, "", {{"if-match", "W/\"1\""}});
  EXPECT_EQ(deleted.status, 204) << deleted.body;
  EXPECT_EQ(TestWorld::HeaderOf(deleted, "ETag"), "W/\"2\"");
  EXPECT_EQ(Send("GET", observation).status, 410);
  EXPECT_EQ(Send("GET", observation + "/_history/1").status, 200);
  EXPECT_EQ(Send("GET", observation + "/_history/2").status, 410);
  EXPECT_EQ(Total("Observation?patient=" + patient), "0");
  const Json history = Get(observation + "/_history");
  EXPECT_EQ(history.TextOf("total"), "2");
  EXPECT_EQ(history["entry"][0]["request"].TextOf("method"), "DELETE");
  EXPECT_EQ(history["entry"][0].Find("resource"), nullptr);
  // Once more changes nothing.
  const std::uint64_t size = LogSize();
  EXPECT_EQ(Send("DELETE", observation).status, 204);
  EXPECT_EQ(Send("DELETE", "Observation/never-was").status, 204);
  EXPECT_EQ(LogSize(), size);
  const auto record = world_->sealer().RecordIdOf(world_->partition("alpha").tenant.id, "Observation", observation.substr(12));
  const auto rows = world_->database("alpha").Sql("SELECT deleted FROM exchange.record WHERE record_id = '\\x" + record->hex() + "' ORDER BY version");
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 2u);
  EXPECT_EQ((*rows)[0][0], "f");
  EXPECT_EQ((*rows)[1][0], "t");
  // An update brings it back, as a version of its own.
  const std::string again = R"({"resourceType":"Observation","id":")" + observation.substr(12) +
                            R"(","status":"final","code":{"text":"x"},"subject":{"reference":")" + patient + "\"}}";
  const auto restored = Send("PUT", observation, again);
  EXPECT_EQ(restored.status, 201) << restored.body;
  EXPECT_EQ(TestWorld::HeaderOf(restored, "ETag"), "W/\"3\"");
}

TEST_F(FhirInteractions, APatientIsDeletedLast) {
  const std::string patient = NewPatient();
  const std::string observation = NewObservation(patient, "2026-01-01", "12");
  const auto refused = Send("DELETE", patient);
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_THAT(refused.body, HasSubstr("in one transaction"));
  const std::string bundle = R"({"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":")" + patient +
                             R"("}},{"request":{"method":"DELETE","url":")" + observation + R"("}}]})";
  const Json answer = TestWorld::Body(Send("POST", "", bundle), 200);
  EXPECT_EQ(answer["entry"][0]["response"].TextOf("status"), "204 No Content");
  EXPECT_EQ(Send("GET", patient).status, 410);
  // Nobody is filed under who is gone.
  const auto orphan = Send("POST", "Observation", R"({"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":")" + patient + "\"}}");
  EXPECT_EQ(orphan.status, 422) << orphan.body;
}

TEST_F(FhirInteractions, ADeletedConsentIsAChangeOfConsent) {
  const std::string patient = NewPatient();
  const std::string consent = Post("Consent", R"({"resourceType":"Consent","status":"active","scope":{"text":"x"},"category":[{"text":"x"}],
    "policyRule":{"text":"x"},"patient":{"reference":")" + patient + "\"}}");
  const auto owner = world_->records().FindPatient(world_->partition("alpha").tenant.id, patient.substr(8));
  const auto before = world_->records().OpenChart({world_->partition("alpha").tenant.id, *owner}, "test");
  ASSERT_EQ(Send("DELETE", consent).status, 204);
  const auto after = world_->records().OpenChart({world_->partition("alpha").tenant.id, *owner}, "test");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->consent_version, before->consent_version + 1);
}

TEST_F(FhirInteractions, ConditionalReadsSayWhatHasNotChanged) {
  const std::string patient = NewPatient();
  const auto read = Send("GET", patient);
  const std::string modified = TestWorld::HeaderOf(read, "Last-Modified");
  EXPECT_EQ(Send("GET", patient, "", {{"if-none-match", "W/\"1\""}}).status, 304);
  EXPECT_EQ(Send("GET", patient, "", {{"if-none-match", "W/\"1\""}}).body, "");
  EXPECT_EQ(Send("GET", patient, "", {{"if-none-match", "W/\"2\""}}).status, 200);
  EXPECT_EQ(Send("GET", patient, "", {{"if-modified-since", modified}}).status, 304);
  EXPECT_EQ(Send("GET", patient, "", {{"if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT"}}).status, 200);
}

TEST_F(FhirInteractions, ConditionalUpdatesAndDeletionsFindByIdentifier) {
  const std::string practitioner = R"({"resourceType":"Practitioner","active":true,"identifier":[{"system":"urn:npi","value":"1"}]})";
  const auto created = Send("PUT", "Practitioner?identifier=urn:npi%7C1", practitioner);
  ASSERT_EQ(created.status, 201) << created.body;
  const auto updated = Send("PUT", "Practitioner?identifier=urn:npi%7C1", practitioner);
  EXPECT_EQ(updated.status, 200) << updated.body;
  EXPECT_EQ(TestWorld::Stored(updated), TestWorld::Stored(created));
  EXPECT_EQ(TestWorld::HeaderOf(updated, "ETag"), "W/\"2\"");
  EXPECT_EQ(Send("DELETE", "Practitioner?identifier=urn:npi%7C1").status, 204);
  EXPECT_EQ(Send("GET", TestWorld::Stored(created)).status, 410);
  EXPECT_EQ(Total("Practitioner?identifier=urn:npi%7C1"), "0");
}

TEST_F(FhirInteractions, PreferSaysHowMuchComesBack) {
  const std::string patient = R"({"resourceType":"Patient"})";
  EXPECT_EQ(Send("POST", "Patient", patient, {{"prefer", "return=minimal"}}).body, "");
  EXPECT_EQ(TestWorld::Body(Send("POST", "Patient", patient, {{"prefer", "return=OperationOutcome"}}), 201).TextOf("resourceType"), "OperationOutcome");
  EXPECT_EQ(TestWorld::Body(Send("POST", "Patient", patient, {{"prefer", "return=representation"}}), 201).TextOf("resourceType"), "Patient");
  const std::string bundle = R"({"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}]})";
  const Json answer = TestWorld::Body(Send("POST", "", bundle, {{"prefer", "return=representation"}}), 200);
  EXPECT_EQ(answer["entry"][0]["resource"].TextOf("resourceType"), "Patient");
}

TEST_F(FhirInteractions, EachRequestOfABatchStandsAlone) {
  const std::string patient = NewPatient();
  const std::string bundle = R"({"resourceType":"Bundle","type":"batch","entry":[
    {"request":{"method":"GET","url":"Location/batch-1"}},
    {"resource":{"resourceType":"Observation","status":"odd"},"request":{"method":"POST","url":"Observation"}},
    {"resource":{"resourceType":"Location","id":"batch-1"},"request":{"method":"PUT","url":"Location/batch-1"}},
    {"request":{"method":"GET","url":")" + patient + R"(/_history"}},
    {"request":{"method":"GET","url":"Observation?patient=)" + patient.substr(8) + R"("}},
    {"resource":{"resourceType":"Location"},"request":{"method":"MERGE","url":"Location"}},
    {"request":{"method":"DELETE","url":"Location/never"}}]})";
  const Json answer = TestWorld::Body(Send("POST", "", bundle), 200);
  EXPECT_EQ(answer.TextOf("type"), "batch-response");
  std::vector<std::string> statuses;
  for (const Json& entry : answer["entry"].items()) statuses.push_back(entry["response"].TextOf("status").substr(0, 3));
  EXPECT_THAT(statuses, ElementsAre("200", "400", "201", "200", "200", "405", "204"));
  EXPECT_EQ(answer["entry"][0]["resource"].TextOf("id"), "batch-1");
  EXPECT_EQ(answer["entry"][1]["response"]["outcome"].TextOf("resourceType"), "OperationOutcome");
}

TEST_F(FhirInteractions, ReadsInATransactionSeeWhatItWrote) {
  const std::string bundle = R"({"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"Location/read-1"}},
    {"resource":{"resourceType":"Location","id":"read-1"},"request":{"method":"PUT","url":"Location/read-1"}}]})";
  const Json answer = TestWorld::Body(Send("POST", "", bundle), 200);
  EXPECT_EQ(answer["entry"][0]["resource"].TextOf("id"), "read-1");
  EXPECT_EQ(answer["entry"][1]["response"].TextOf("status"), "201 Created");
}

TEST_F(FhirInteractions, EveryTypeOfThePatientsCompartmentIsSearched) {
  const std::string patient = NewPatient();
  const std::string about = R"("subject":{"reference":")" + patient + "\"}";
  const std::string encounter = Post("Encounter", R"({"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"period":{"start":"2026-01-03"},)" + about + "}");
  const std::string condition = Post("Condition", R"({"resourceType":"Condition","code":{"coding":[{"system":"urn:c","code":"c1"}]},"encounter":{"reference":")" + encounter + "\"}," + about + "}");
  const std::string coverage = Post("Coverage", R"({"resourceType":"Coverage","status":"active","payor":[{"display":"x"}],"beneficiary":{"reference":")" + patient + "\"}}");
  const std::string appointment = Post("Appointment", R"({"resourceType":"Appointment","status":"proposed","participant":[{"status":"accepted","actor":{"reference":")" + patient + "\"}}]}");
  EXPECT_THAT(Ids(Get("Encounter?patient=" + patient)), ElementsAre(encounter));
  EXPECT_THAT(Ids(Get("Encounter?patient=" + patient + "&date=2026-01")), IsEmpty());
  EXPECT_THAT(Ids(Get("Encounter?patient=" + patient + "&date=ge2026-01-03&class=AMB")), ElementsAre(encounter));
  EXPECT_THAT(Ids(Get("Condition?patient=" + patient + "&code=urn:c%7Cc1&encounter=" + encounter)), ElementsAre(condition));
  EXPECT_THAT(Ids(Get("Coverage?beneficiary=" + patient)), ElementsAre(coverage));
  EXPECT_THAT(Ids(Get("Coverage?patient=" + patient.substr(8))), ElementsAre(coverage));
  EXPECT_THAT(Ids(Get("Appointment?actor=" + patient)), ElementsAre(appointment));
  EXPECT_THAT(Ids(Get(patient + "/Condition?code=c1")), ElementsAre(condition));
  EXPECT_EQ(Send("GET", patient + "/Organization").status, 404);
  EXPECT_THAT(Ids(Get("Condition?patient=" + patient + "&code:missing=true")), IsEmpty());
  EXPECT_THAT(Ids(Get("Condition?patient=" + patient + "&code:not=c1")), IsEmpty());
  EXPECT_THAT(Ids(Get("Condition?patient=" + patient + "&_lastUpdated=ge2020")), ElementsAre(condition));
}

TEST_F(FhirInteractions, QuantitiesStringsAndModifiersMatch) {
  const std::string patient = NewPatient(R"(,"name":[{"family":"Ångström-Lee","given":["Zoë"]}])");
  const std::string low = NewObservation(patient, "2026-01-01", "9.5");
  const std::string high = NewObservation(patient, "2026-01-02", "14.0");
  const std::string query = "Observation?patient=" + patient;
  EXPECT_THAT(Ids(Get(query + "&value-quantity=lt10%7Chttp://unitsofmeasure.org%7Cg/dL")), ElementsAre(low));
  EXPECT_THAT(Ids(Get(query + "&value-quantity=14")), ElementsAre(high));
  EXPECT_THAT(Ids(Get(query + "&value-quantity=14.00")), ElementsAre(high));
  EXPECT_THAT(Ids(Get(query + "&value-quantity=gt9.5%7C%7Cmg")), IsEmpty());
  EXPECT_THAT(Ids(Get("Patient?_id=" + patient.substr(8) + "&family=angstrom")), ElementsAre(patient));
  EXPECT_THAT(Ids(Get("Patient?_id=" + patient.substr(8) + "&family:exact=angstrom")), IsEmpty());
  EXPECT_THAT(Ids(Get("Patient?_id=" + patient.substr(8) + "&name:contains=lee")), ElementsAre(patient));
}

TEST_F(FhirInteractions, PagesAreSortedAndShowTheSnapshotOfTheFirst) {
  const std::string patient = NewPatient();
  std::vector<std::string> stored;
  for (const char* day : {"2026-01-03", "2026-01-01", "2026-01-05", "2026-01-02", "2026-01-04"}) stored.push_back(NewObservation(patient, day, "1"));
  const Json first = Get("Observation?patient=" + patient + "&_sort=-date&_count=2");
  EXPECT_EQ(first.TextOf("total"), "5");
  EXPECT_THAT(Ids(first), ElementsAre(stored[2], stored[4]));
  // What happens meanwhile does not move the pages.
  NewObservation(patient, "2026-01-06", "1");
  ASSERT_EQ(Send("DELETE", stored[0]).status, 204);
  const std::string next = LinkOf(first, "next");
  const Json second = Get(next);
  EXPECT_EQ(second.TextOf("total"), "5");
  EXPECT_THAT(Ids(second), ElementsAre(stored[0], stored[3]));
  const Json third = Get(LinkOf(second, "next"));
  EXPECT_THAT(Ids(third), ElementsAre(stored[1]));
  EXPECT_EQ(LinkOf(third, "next"), "");
  EXPECT_THAT(Ids(Get(next)), ElementsAre(stored[0], stored[3]));
  // A cursor is good for its own question only.
  const std::string cursor = next.substr(next.find("&_cursor="));
  EXPECT_EQ(Send("GET", "Observation?patient=" + patient + "&_sort=date&_count=2" + cursor).status, 400);
  const std::string other = NewPatient();
  EXPECT_EQ(Send("GET", "Observation?patient=" + other + "&_sort=-date&_count=2" + cursor).status, 400);
  EXPECT_EQ(Total("Observation?patient=" + patient), "5");
}

TEST_F(FhirInteractions, IncludesFollowReferencesBothWays) {
  const std::string practitioner = Post("Practitioner", R"({"resourceType":"Practitioner","active":true})");
  const std::string patient = NewPatient();
  const std::string observation = NewObservation(patient, "2026-01-01", "1", R"(,"performer":[{"reference":")" + practitioner + "\"}]");
  const std::string report = Post("DiagnosticReport", R"({"resourceType":"DiagnosticReport","status":"final","code":{"text":"x"},"subject":{"reference":")" + patient +
                                                          R"("},"result":[{"reference":")" + observation + "\"}]}");
  const Json found = Get("Observation?patient=" + patient + "&_include=Observation:subject&_include=Observation:performer&_revinclude=DiagnosticReport:result");
  EXPECT_EQ(found.TextOf("total"), "1");
  EXPECT_THAT(Ids(found), ElementsAre(observation));
  EXPECT_THAT(Ids(found, "include"), UnorderedElementsAre(patient, practitioner, report));
  EXPECT_THAT(Ids(Get("Observation?patient=" + patient + "&_include=Observation:subject:Device"), "include"), IsEmpty());
  EXPECT_THAT(Ids(Get("DiagnosticReport?patient=" + patient + "&_include=*"), "include"), UnorderedElementsAre(patient, observation));
  EXPECT_THAT(Ids(Get("DiagnosticReport?patient=" + patient + "&_include=DiagnosticReport:result&_include:iterate=Observation:performer"), "include"),
              UnorderedElementsAre(observation, practitioner));
}

TEST_F(FhirInteractions, ViewsLeaveOutAndSaySo) {
  const std::string patient = NewPatient(R"(,"birthDate":"1980-01-01","maritalStatus":{"text":"m"})");
  const std::string observation = NewObservation(patient, "2026-01-01", "1");
  const Json elements = Get("Observation?patient=" + patient + "&_elements=effective")["entry"][0]["resource"];
  EXPECT_FALSE(elements["effectiveDateTime"].is_null());
  EXPECT_TRUE(elements["valueQuantity"].is_null());
  EXPECT_EQ(elements.TextOf("status"), "final");
  EXPECT_EQ(elements["meta"]["tag"][0].TextOf("code"), "SUBSETTED");
  const Json summary = Get(patient + "?_summary=true");
  EXPECT_TRUE(summary["maritalStatus"].is_null());
  EXPECT_EQ(summary.TextOf("birthDate"), "1980-01-01");
  const Json count = Get("Observation?patient=" + patient + "&_summary=count");
  EXPECT_EQ(count.TextOf("total"), "1");
  EXPECT_EQ(count.Find("entry"), nullptr);
  EXPECT_EQ(Get("Observation?patient=" + patient + "&_total=none").Find("total"), nullptr);
}

TEST_F(FhirInteractions, UnknownParametersArePassedOverOnlyWhenAsked) {
  const std::string patient = NewPatient();
  EXPECT_EQ(Send("GET", "Observation?patient=" + patient + "&colour=red").status, 400);
  EXPECT_EQ(Send("GET", "Observation?patient=" + patient + "&colour=red", "", {{"prefer", "handling=strict"}}).status, 400);
  const Json lenient = TestWorld::Body(Send("GET", "Observation?patient=" + patient + "&colour=red", "", {{"prefer", "handling=lenient"}}), 200);
  EXPECT_THAT(LinkOf(lenient, "self"), Not(HasSubstr("colour")));
  EXPECT_THAT(lenient.Text(), HasSubstr("Passed over"));
}

TEST_F(FhirInteractions, ASearchByPostIsTheSameSearch) {
  const std::string patient = NewPatient();
  const std::string observation = NewObservation(patient, "2026-01-01", "1");
  rpc::HttpRequest request;
  request.method = "POST";
  request.path = "/fhir/00000000000000aa/Observation/_search";
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  request.body = "patient=" + rpc::PercentEncode(patient) + "&code=718-7";
  request.peer_spiffe_id = TestWorld::ClientOf("alpha");
  const Json found = TestWorld::Body(world_->service().Handle(request), 200);
  EXPECT_THAT(Ids(found), ElementsAre(observation));
}

TEST_F(FhirInteractions, EverythingIsThePatientAndWhatItRefersTo) {
  const std::string practitioner = Post("Practitioner", R"({"resourceType":"Practitioner","active":true})");
  const std::string patient = NewPatient(R"(,"generalPractitioner":[{"reference":")" + practitioner + "\"}]");
  const std::string other = NewPatient();
  const std::string early = NewObservation(patient, "2025-01-01", "1");
  const std::string late = NewObservation(patient, "2026-01-01", "1");
  NewObservation(other, "2026-01-01", "1");
  const Json all = Get(patient + "/$everything");
  EXPECT_EQ(Ids(all)[0], patient);
  EXPECT_THAT(Ids(all), UnorderedElementsAre(patient, early, late));
  EXPECT_THAT(Ids(all, "include"), ElementsAre(practitioner));
  EXPECT_THAT(Ids(Get(patient + "/$everything?start=2025-06-01&_type=Observation")), ElementsAre(late));
  const Json page = Get(patient + "/$everything?_count=2");
  EXPECT_EQ(Ids(page).size(), 2u);
  EXPECT_EQ(Ids(Get(LinkOf(page, "next"))).size(), 1u);
}

TEST_F(FhirInteractions, WhatIsAboutARecordLiesWithItsPatient) {
  const std::string patient = NewPatient();
  const std::string observation = NewObservation(patient, "2026-03-01", "10");
  const std::string practitioner = Post("Practitioner", R"({"resourceType":"Practitioner","active":true})");
  const auto provenance = [](const std::string& target, const std::string& more = "") {
    return R"({"resourceType":"Provenance","target":[{"reference":")" + target + R"("}],"recorded":"2026-03-01T10:00:00Z","agent":[{"who":{"display":"x"}}])" + more + "}";
  };
  const std::string of_observation = Post("Provenance", provenance(observation));
  const std::string of_provenance = Post("Provenance", provenance(of_observation));
  const std::string of_practitioner = Post("Provenance", provenance(practitioner));
  const std::string device = Post("Device", R"({"resourceType":"Device"})");
  const std::string of_device = Post("Observation", R"({"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":")" + device + "\"}}");
  EXPECT_THAT(Ids(Get("Provenance?target=" + observation)), ElementsAre(of_observation));
  EXPECT_THAT(Ids(Get("Provenance?target=" + of_observation)), ElementsAre(of_provenance));
  EXPECT_THAT(Ids(Get("Provenance?target:Practitioner=" + practitioner.substr(13))), ElementsAre(of_practitioner));
  EXPECT_THAT(Ids(Get("Observation?subject=" + device)), ElementsAre(of_device));
  EXPECT_THAT(Ids(Get("Observation?patient=" + patient + "&_revinclude=Provenance:target"), "include"), ElementsAre(of_observation));
  EXPECT_THAT(Ids(Get(patient + "/$everything")), UnorderedElementsAre(patient, observation, of_observation, of_provenance));
  // Who did it is somebody else than whom it is about.
  const std::string mother = NewPatient();
  const std::string by_mother = Post("Provenance", provenance(observation, R"(,"signature":[{"type":[{"code":"x"}],"when":"2026-03-01T10:00:00Z","who":{"reference":")" + mother + R"("}}])"));
  EXPECT_THAT(Ids(Get(mother + "/$everything")), ElementsAre(mother));
  EXPECT_THAT(Ids(Get("Provenance?target=" + observation)), UnorderedElementsAre(of_observation, by_mother));
  // In one transaction, in whatever order.
  const auto stored = TestWorld::Body(Send("POST", "", R"({"resourceType":"Bundle","type":"transaction","entry":[
    {"resource":)" + provenance("urn:uuid:00000000-0000-4000-8000-000000000001") + R"(,"request":{"method":"POST","url":"Provenance"}},
    {"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"Condition","subject":{"reference":")" + patient + R"("}},"request":{"method":"POST","url":"Condition"}}]})"), 200);
  const std::string condition = stored["entry"][1]["response"].TextOf("location").substr(0, 46);
  EXPECT_EQ(Ids(Get("Provenance?target=" + condition)).size(), 1u);
  EXPECT_EQ(Ids(Get(patient + "/$everything")).size(), 7u);
  // About two patients' records it is the tenant's own, and found by either, and by what leads to either.
  const std::string of_mother = Post("Observation", R"({"resourceType":"Observation","status":"final","code":{"text":"x"},"identifier":[{"system":"urn:mother","value":"1"}],"subject":{"reference":")" + mother + R"("}})");
  const std::string of_both = Post("Provenance", provenance(observation + R"("},{"reference":")" + of_mother));
  EXPECT_THAT(Ids(Get("Provenance?target=" + of_mother)), ElementsAre(of_both));
  EXPECT_THAT(Ids(Get("Provenance?target:Observation.identifier=urn:mother%7C1")), ElementsAre(of_both));
  EXPECT_THAT(Ids(Get("Provenance?target=" + observation)), UnorderedElementsAre(of_observation, by_mother, of_both));
  // An update stays with the patient, whatever it is about now.
  const std::string id = of_observation.substr(of_observation.find('/') + 1);
  std::string moved = provenance(practitioner);
  moved.insert(1, R"("id":")" + id + R"(",)");
  EXPECT_EQ(Send("PUT", of_observation, moved).status, 200);
  EXPECT_THAT(Ids(Get("Provenance?target=" + observation)), UnorderedElementsAre(by_mother, of_both));
  EXPECT_THAT(Ids(Get("Provenance?_id=" + id)), ElementsAre(of_observation));
}

TEST_F(FhirInteractions, WritesMayDependOnWhetherAnythingIsThere) {
  const std::string body = R"({"resourceType":"Patient","id":"only-once"})";
  EXPECT_EQ(Send("PUT", "Patient/only-once", body, {{"if-match", "*"}}).status, 412);
  EXPECT_EQ(Send("PUT", "Patient/only-once", body, {{"if-none-match", "*"}}).status, 201);
  EXPECT_EQ(Send("PUT", "Patient/only-once", body, {{"if-none-match", "*"}}).status, 412);
  EXPECT_EQ(Send("PUT", "Patient/only-once", body, {{"if-none-match", "W/\"1\""}}).status, 412);
  EXPECT_EQ(Send("PUT", "Patient/only-once", body, {{"if-none-match", "one"}}).status, 400);
  EXPECT_EQ(Send("PUT", "Patient/only-once", body, {{"if-match", "*"}}).status, 200);
  EXPECT_EQ(Send("DELETE", "Patient/only-once", "", {{"if-match", "W/\"1\""}}).status, 412);
  EXPECT_EQ(Send("DELETE", "Patient/only-once", "", {{"if-match", "*"}}).status, 204);
  EXPECT_EQ(Send("PUT", "Patient/only-once", body, {{"if-none-match", "*"}}).status, 201);
}

TEST_F(FhirInteractions, ABinaryIsItsBytes) {
  const std::string bytes("%PDF\0\xff\n", 7);
  const auto send = [&](const std::string& method, const std::string& target, const std::string& type, std::vector<std::pair<std::string, std::string>> headers = {}) {
    rpc::HttpRequest request;
    request.method = method;
    request.path = "/fhir/00000000000000aa/" + target;
    request.headers = std::move(headers);
    if (!type.empty()) request.headers.emplace_back("content-type", type);
    if (method != "GET") request.body = bytes;
    request.peer_spiffe_id = TestWorld::ClientOf("alpha");
    return world_->service().Handle(request);
  };
  const std::string patient = NewPatient();
  const auto created = send("POST", "Binary", "application/pdf", {{"x-security-context", patient}});
  ASSERT_EQ(created.status, 201) << created.body;
  const std::string binary = TestWorld::Stored(created);
  for (const char* accept : {"*/*", "application/pdf", "application/*", "text/plain, application/pdf;q=0.5"}) {
    const auto read = send("GET", binary, "", {{"accept", accept}});
    EXPECT_EQ(read.status, 200) << accept;
    EXPECT_EQ(read.body, bytes) << accept;
    EXPECT_EQ(TestWorld::HeaderOf(read, "Content-Type"), "application/pdf");
    EXPECT_EQ(TestWorld::HeaderOf(read, "ETag"), "W/\"1\"");
  }
  EXPECT_EQ(send("GET", binary, "").body, bytes);
  EXPECT_EQ(send("GET", binary + "/_history/1", "").body, bytes);
  EXPECT_EQ(send("GET", binary, "", {{"accept", "text/plain"}}).status, 406);
  const Json json = TestWorld::Body(send("GET", binary, "", {{"accept", "application/fhir+json, */*;q=0.1"}}), 200);
  EXPECT_EQ(json.TextOf("contentType"), "application/pdf");
  EXPECT_EQ(json["securityContext"].TextOf("reference"), patient);
  EXPECT_EQ(send("PUT", binary, "text/plain; charset=utf-8", {{"x-security-context", patient}}).status, 200);
  EXPECT_EQ(TestWorld::HeaderOf(send("GET", binary, ""), "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(send("PUT", "Patient/x", "application/pdf").status, 415);
  EXPECT_EQ(send("POST", "Binary", "").status, 415);
  // In a batch it is FHIR.
  const Json batch = TestWorld::Body(Send("POST", "", R"({"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":")" + binary + R"("}}]})"), 200);
  EXPECT_EQ(batch["entry"][0]["resource"].TextOf("resourceType"), "Binary");
}

TEST_F(FhirInteractions, EverythingOfAPeriodHasItsLastDay) {
  const std::string patient = NewPatient();
  const auto encounter = [&](const char* start, const char* end) {
    return Post("Encounter", R"({"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"subject":{"reference":")" + patient + R"("},"period":{"start":")" + start +
                                 R"(","end":")" + end + R"("}})");
  };
  const std::string overnight = encounter("2026-03-05T20:00:00-06:00", "2026-03-06T08:00:00-06:00");
  const std::string late = encounter("2026-03-05T23:30:00-06:00", "2026-03-05T23:59:00-06:00");
  const std::string next = encounter("2026-03-06T00:30:00-06:00", "2026-03-06T01:00:00-06:00");
  EXPECT_THAT(Ids(Get(patient + "/$everything?_type=Encounter&start=2026-03-05&end=2026-03-05")), UnorderedElementsAre(overnight, late));
  EXPECT_THAT(Ids(Get(patient + "/$everything?_type=Encounter&start=2026-03-06&end=2026-03-06")), UnorderedElementsAre(overnight, next));
  EXPECT_THAT(Ids(Get(patient + "/$everything?_type=Encounter&end=2026-03-04")), IsEmpty());
}

TEST_F(FhirInteractions, ValidateKnowsWhatFor) {
  const std::string patient = NewPatient();
  const std::string observation = NewObservation(patient, "2026-03-01", "10");
  const auto codes = [&](const std::string& target, const std::string& body) { return TestWorld::Body(Send("POST", target, body), 200)["issue"][0].TextOf("code"); };
  EXPECT_EQ(codes(observation + "/$validate?mode=delete", ""), "informational");
  EXPECT_EQ(codes(observation + "/$validate", R"({"resourceType":"Parameters","parameter":[{"name":"mode","valueCode":"delete"}]})"), "informational");
  EXPECT_EQ(codes("Observation/nothing/$validate?mode=delete", ""), "not-found");
  EXPECT_EQ(codes(patient + "/$validate?mode=delete", ""), "conflict");
  EXPECT_EQ(codes("Patient/$validate?mode=create", R"({"resourceType":"Patient"})"), "informational");
  EXPECT_EQ(codes("Patient/$validate?mode=update", R"({"resourceType":"Patient"})"), "invariant");
  EXPECT_EQ(codes("Patient/a/$validate?mode=update", R"({"resourceType":"Patient","id":"b"})"), "invariant");
  EXPECT_EQ(codes("Patient/a/$validate?mode=update", R"({"resourceType":"Patient","id":"a"})"), "informational");
  EXPECT_EQ(Send("POST", "Patient/$validate?mode=delete").status, 400);
  EXPECT_EQ(Send("POST", "Patient/$validate?mode=maybe", R"({"resourceType":"Patient"})").status, 400);
  EXPECT_EQ(Send("POST", "Patient/$validate?mode=profile", R"({"resourceType":"Patient"})").status, 422);
  EXPECT_EQ(Send("POST", "Patient/$validate").status, 400);
  EXPECT_EQ(Send("GET", observation).status, 200);
}

TEST_F(FhirInteractions, SmallThingsThatClientsTry) {
  const std::string patient = NewPatient(R"(,"birthDate":"1970-01-01","gender":"other")");
  for (const char* type : {"transaction", "batch"}) {
    const std::string body = std::string(R"({"resourceType":"Bundle","type":")") + type + "\"}";
    EXPECT_EQ(TestWorld::Body(Send("POST", "", body), 200).TextOf("type"), std::string(type) + "-response");
  }
  EXPECT_EQ(Send("GET", patient + "?_elements=bogus").status, 400);
  EXPECT_EQ(Send("GET", "Patient?_id=" + patient.substr(8) + "&_elements=birthDate,bogus").status, 400);
  const auto lenient = Send("GET", "Patient?_id=" + patient.substr(8) + "&_elements=birthDate,bogus", "", {{"prefer", "handling=lenient"}});
  EXPECT_EQ(TestWorld::Body(lenient, 200)["entry"][0]["resource"].Find("gender"), nullptr);
  EXPECT_EQ(Get(patient + "?_elements=Patient.birthDate").TextOf("birthDate"), "1970-01-01");
  rpc::HttpRequest request;
  request.method = "PUT";
  request.path = "/fhir/00000000000000aa/Patient/of-another-fhir";
  request.headers = {{"content-type", "application/fhir+json; fhirVersion=3.0"}};
  request.body = R"({"resourceType":"Patient","id":"of-another-fhir"})";
  request.peer_spiffe_id = TestWorld::ClientOf("alpha");
  EXPECT_EQ(world_->service().Handle(request).status, 415);
  EXPECT_EQ(Send("PUT", "Patient/of-another-fhir", request.body, {{"accept", "application/fhir+json; fhirVersion=3.0"}}).status, 406);
  EXPECT_EQ(TestWorld::HeaderOf(world_->Send("", "alpha", "GET", patient), "WWW-Authenticate"), "Bearer");
}

TEST_F(FhirInteractions, MatchGradesPatientsOfTheTenantOnly) {
  const std::string demographics = R"("name":[{"family":"Matchable","given":["Una"]}],"gender":"female","birthDate":"1970-02-03",
    "telecom":[{"system":"phone","value":"555-321-7654"}],"identifier":[{"system":"urn:mrn","value":"match-1"}])";
  const std::string patient = NewPatient("," + demographics);
  ASSERT_EQ(world_->Send("beta", "beta", "POST", "Patient", "{\"resourceType\":\"Patient\"," + demographics + "}").status, 201);
  const auto match = [&](const std::string& resource) {
    return TestWorld::Body(Send("POST", "Patient/$match", R"({"resourceType":"Parameters","parameter":[{"name":"resource","resource":)" + resource + "}]}"), 200);
  };
  const Json certain = match("{\"resourceType\":\"Patient\"," + demographics + "}");
  EXPECT_THAT(Ids(certain), ElementsAre(patient));
  EXPECT_EQ(certain["entry"][0]["search"]["extension"][0].TextOf("valueCode"), "certain");
  const Json probable = match(R"({"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"match-1"}]})");
  EXPECT_EQ(probable["entry"][0]["search"]["extension"][0].TextOf("valueCode"), "probable");
  EXPECT_EQ(match(R"({"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"match-2"}]})").TextOf("total"), "0");
  // A second record of hers, under another number: the number that is asked with tells which is meant; without one neither is certain.
  const auto numbered = [&](const std::string& number) {
    const auto at = demographics.find("match-1");
    return std::string(demographics).replace(at, 7, number);
  };
  const std::string second = NewPatient("," + numbered("match-3"));
  const auto graded = [&](const Json& bundle) {
    std::map<std::string, std::string> grades;
    for (const Json& entry : bundle["entry"].items())
      grades["Patient/" + entry["resource"].TextOf("id")] = entry["search"]["extension"][0].TextOf("valueCode");
    return grades;
  };
  const auto of_first = graded(match("{\"resourceType\":\"Patient\"," + demographics + "}"));
  EXPECT_EQ(of_first.at(patient), "certain");
  EXPECT_NE(of_first.at(second), "certain");
  EXPECT_EQ(graded(match("{\"resourceType\":\"Patient\"," + numbered("match-3") + "}")).at(second), "certain");
  for (const auto& [id, grade] : graded(match("{\"resourceType\":\"Patient\"," + numbered("match-4") + "}"))) EXPECT_NE(grade, "certain") << id;
}

// What clients send that were not written for us: formats named in every way, searches and operations by POST.
TEST_F(FhirInteractions, FormatsAreAgreedOnAsR4Says) {
  const std::string patient = NewPatient();
  using Headers = std::vector<std::pair<std::string, std::string>>;
  const auto status = [&](const std::string& query, const Headers& headers) { return Send("GET", patient + query, "", headers).status; };
  for (const char* format : {"json", "application/json", "application/fhir%2Bjson", "application/fhir+json", "application/fhir%2Bjson;fhirVersion=4.0"}) {
    EXPECT_EQ(status(std::string("?_format=") + format, {{"accept", "text/html"}}), 200) << format;
  }
  EXPECT_EQ(status("?_format=xml", {}), 406);
  EXPECT_EQ(status("?_format=xml", {{"accept", "application/fhir+json"}}), 406);
  for (const char* accept : {"application/fhir+json; fhirVersion=4.0", R"(application/fhir+json;fhirVersion="4.0";q=0.9)", "application/fhir+xml, */*;q=0.1"}) {
    EXPECT_EQ(status("", {{"accept", accept}}), 200) << accept;
  }
  for (const char* accept : {"application/fhir+json; fhirVersion=5.0", "application/fhir+xml", "text/html"}) EXPECT_EQ(status("", {{"accept", accept}}), 406) << accept;
  EXPECT_EQ(Send("POST", "Patient", R"({"resourceType":"Patient"})", {{"content-encoding", "gzip"}}).status, 415);
  EXPECT_EQ(Send("POST", "Patient", R"({"resourceType":"Patient"})", {{"content-encoding", "identity"}}).status, 201);
}

TEST_F(FhirInteractions, CompartmentsAndOperationsAreAskedByPostToo) {
  const std::string patient = NewPatient();
  const std::string observation = NewObservation(patient, "2026-01-01", "1");
  rpc::HttpRequest request;
  request.method = "POST";
  request.path = "/fhir/00000000000000aa/" + patient + "/Observation/_search";
  request.headers = {{"content-type", "application/x-www-form-urlencoded"}};
  request.body = "code=718-7";
  request.peer_spiffe_id = TestWorld::ClientOf("alpha");
  EXPECT_THAT(Ids(TestWorld::Body(world_->service().Handle(request), 200)), ElementsAre(observation));
  request.body = "code=none";
  EXPECT_THAT(Ids(TestWorld::Body(world_->service().Handle(request), 200)), IsEmpty());
  EXPECT_EQ(Send("POST", patient + "/Observation", "{}").status, 405);

  const std::string everything = patient + "/$everything";
  EXPECT_THAT(Ids(TestWorld::Body(Send("POST", everything), 200)), UnorderedElementsAre(patient, observation));
  const auto only = Send("POST", everything, R"({"resourceType":"Parameters","parameter":[{"name":"_type","valueCode":"Observation"},{"name":"_count","valueInteger":5}]})");
  EXPECT_THAT(Ids(TestWorld::Body(only, 200)), ElementsAre(observation));
  EXPECT_EQ(Send("POST", everything, R"({"resourceType":"Patient"})").status, 400);
  EXPECT_EQ(Send("GET", "Patient/_history").status, 404);
}

TEST_F(FhirInteractions, ValidateTellsFaultsAndStoresNothing) {
  const std::uint64_t size = LogSize();
  const auto issues = [&](const std::string& target, const std::string& body) { return TestWorld::Body(Send("POST", target, body), 200)["issue"]; };
  EXPECT_EQ(issues("Patient/$validate", R"({"resourceType":"Patient"})")[0].TextOf("severity"), "information");
  const Json wrong = issues("Patient/$validate", R"({"resourceType":"Patient","birthDate":"soon"})");
  EXPECT_EQ(wrong[0].TextOf("severity"), "error");
  EXPECT_EQ(wrong[0]["expression"][0].text(), "Patient.birthDate");
  EXPECT_EQ(issues("Patient/x/$validate", R"({"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient","gender":"x"}}]})")[0].TextOf("severity"), "error");
  EXPECT_EQ(issues("Patient/$validate", R"({"resourceType":"Group"})")[0].TextOf("severity"), "error");
  EXPECT_EQ(Send("POST", "Patient/$validate", R"({"resourceType":"Parameters","parameter":[{"name":"mode","valueCode":"create"}]})").status, 400);
  EXPECT_EQ(Send("POST", "Patient/$validate", R"({"resourceType":"Parameters","parameter":[{"name":"profile","valueUri":"urn:x"}]})").status, 422);
  EXPECT_EQ(Send("GET", "Patient/$validate").status, 405);
  EXPECT_EQ(LogSize(), size);
}

// Each request of a Bundle is judged as it is carried out: nothing in its URL may make it look like another.
TEST_F(FhirInteractions, ABundleReachesNoFurtherThanItsScopes) {
  const std::string patient = NewPatient(R"(,"identifier":[{"system":"urn:scope","value":"/fhir/t/Observation/1"}])");
  FhirService::Options options = TestWorld::FhirOptions();
  options.authenticate = [](const rpc::HttpRequest&) -> absl::StatusOr<FhirCaller> {
    auto scopes = SmartScopes::Parse("system/Observation.cruds");
    if (!scopes.ok()) return scopes.status();
    tenants::Client client;
    client.spiffe_id = TestWorld::ClientOf("alpha");
    client.tenant = world_->partition("alpha").tenant.id;
    client.role = "fhir";
    return FhirCaller{client, *std::move(scopes)};
  };
  const FhirService service(options, world_->parts());
  const auto post = [&](const std::string& type, const std::string& entry) {
    rpc::HttpRequest request;
    request.method = "POST";
    request.path = "/fhir/00000000000000aa/";
    request.headers = {{"content-type", "application/fhir+json"}};
    request.body = R"({"resourceType":"Bundle","type":")" + type + R"(","entry":[)" + entry + "]}";
    return service.Handle(request);
  };
  const std::uint64_t size = LogSize();
  for (const std::string& url : std::vector<std::string>{
           "Patient?_id=" + patient.substr(8) + "&_tag:not=/fhir/t/Observation/1", patient + "?_elements=a,/fhir/t/Observation/1",
           "https://host/fhir/00000000000000aa/" + patient, "/" + patient, "Patient/_search?_id=" + patient.substr(8) + "&_tag:not=/fhir/t/Observation/1"}) {
    for (const char* type : {"batch", "transaction"}) {
      const auto answer = post(type, R"({"request":{"method":"GET","url":")" + url + R"("}})");
      EXPECT_THAT(answer.body, HasSubstr("lacks the scope")) << type << " " << url;
      EXPECT_THAT(answer.body, Not(HasSubstr("urn:scope"))) << type << " " << url;
    }
  }
  const std::string query = "Patient?identifier=urn:scope|/fhir/t/Observation/1";
  for (const char* type : {"batch", "transaction"}) {
    EXPECT_THAT(post(type, R"({"request":{"method":"DELETE","url":")" + query + R"("}})").body, HasSubstr("lacks the scope")) << type;
    EXPECT_THAT(post(type, R"({"resource":{"resourceType":"Patient"},"request":{"method":"PUT","url":")" + query + R"("}})").body, HasSubstr("lacks the scope")) << type;
  }
  EXPECT_EQ(LogSize(), size);
  EXPECT_EQ(Send("GET", patient).status, 200);
  const Json allowed = TestWorld::Body(post("batch", R"({"request":{"method":"GET","url":"Observation/none"}})"), 200);
  EXPECT_EQ(allowed["entry"][0]["response"].TextOf("status"), "404 Not Found");
}

// What an inclusion does not name is brought along as far as the token reads, neither shown nor followed beyond, in a Bundle too.
TEST_F(FhirInteractions, InclusionsBringWhatTheScopesAllow) {
  const std::string patient = NewPatient();
  const std::string observation = NewObservation(patient, "2026-01-01", "1");
  std::string granted;
  FhirService::Options options = TestWorld::FhirOptions();
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
  const auto included = [&](const std::string& scopes, const std::string& path, const std::string& query) {
    granted = scopes;
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = "/fhir/00000000000000aa/" + path;
    request.query = query;
    const Json found = TestWorld::Body(service.Handle(request), 200);
    EXPECT_EQ(found.TextOf("total"), "1");
    return Ids(found, "include");
  };
  const char* own = "system/Observation.rs";
  const std::string include = "_id=" + observation.substr(12) + "&_include=";
  EXPECT_THAT(included(own, "Observation", include + "Observation:subject"), IsEmpty());
  EXPECT_THAT(included(own, "Observation", include + "*&_revinclude:iterate=Observation:subject"), IsEmpty());
  EXPECT_THAT(included(own, patient + "/Observation", "_include=Observation:subject"), IsEmpty());
  EXPECT_THAT(included("system/Observation.rs system/Patient.r", "Observation", include + "Observation:subject"), ElementsAre(patient));
  granted = own;
  rpc::HttpRequest batch;
  batch.method = "POST";
  batch.path = "/fhir/00000000000000aa/";
  batch.headers = {{"content-type", "application/fhir+json"}};
  batch.body = R"({"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Observation?)" + include + R"(*"}}]})";
  EXPECT_THAT(service.Handle(batch).body, AllOf(HasSubstr("searchset"), Not(HasSubstr(R"("resourceType":"Patient")"))));
  // What it does name is refused by name.
  rpc::HttpRequest named;
  named.method = "GET";
  named.path = "/fhir/00000000000000aa/Observation";
  named.query = include + "Observation:subject:Patient";
  EXPECT_EQ(service.Handle(named).status, 403);
}

// Denied, none, and whatever else another tenant may try look alike: status, headers, body, and nothing on the logs.
TEST_F(FhirInteractions, OthersLearnNothingByAnyInteraction) {
  const std::string patient = NewPatient();
  const std::string observation = NewObservation(patient, "2026-01-01", "1");
  const absl::Time before = absl::Now();
  const auto nothing = world_->Send("beta", "alpha", "GET", "Observation/no-such");
  EXPECT_GE(nothing.not_before, before + TestWorld::kTick);
  const std::uint64_t size = LogSize();
  const std::string id = observation.substr(12);
  for (const std::string& target : std::vector<std::string>{
           observation, observation + "/_history", observation + "/_history/1", "Observation?_id=" + id, "Observation?_id=" + id + "&_summary=count",
           "Observation?_id=" + id + "&_elements=id", "Observation?_id=" + id + "&_include=Observation:subject", "Observation?_id=" + id + "&_include=*",
           "Observation?_id=" + id + "&_revinclude=DiagnosticReport:result", "Observation?_id=" + id + "&_total=accurate", "Observation?patient=" + patient,
           "Observation?patient=" + patient + "&_count=0", "Observation?subject.name=x", "Patient?_has:Observation:patient:code=718-7",
           "Observation?_id=" + id + "&_cursor=1-1-00000000000000000000000000000000", "Observation/_search?_id=" + id, patient + "/$everything",
           "Patient/$match", patient + "/_history", "Observation?identifier=urn:a%7Cb", "Observation?_id=" + id + "," + "other", "Observation?code:missing=true"}) {
    for (const auto& headers : std::vector<std::vector<std::pair<std::string, std::string>>>{
             {}, {{"if-none-match", "W/\"1\""}}, {{"if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"}}, {{"prefer", "handling=lenient"}}}) {
      const auto answer = world_->Send("beta", "alpha", "GET", target, "", headers);
      EXPECT_EQ(answer.status, nothing.status) << target;
      EXPECT_EQ(answer.headers, nothing.headers) << target;
      EXPECT_EQ(answer.body, nothing.body) << target;
      EXPECT_GE(answer.not_before, before + TestWorld::kTick) << target;
    }
  }
  const auto refused = world_->Send("beta", "alpha", "DELETE", "Observation/no-such");
  for (const char* method : {"DELETE", "PUT", "POST", "PATCH"}) {
    const auto answer = world_->Send("beta", "alpha", method, observation, "{}", {{"if-match", "W/\"1\""}});
    EXPECT_EQ(answer.status, refused.status) << method;
    EXPECT_EQ(answer.body, refused.body) << method;
    EXPECT_GE(answer.not_before, before + TestWorld::kTick) << method;
  }
  EXPECT_EQ(LogSize(), size);
}

}  // namespace
}  // namespace custodian::exchange
