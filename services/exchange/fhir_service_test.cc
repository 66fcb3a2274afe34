// The FHIR endpoint as its clients see it, over real PostgreSQL and a real key process.
#include "services/exchange/fhir_service.h"

#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/exchange/test_world.h"

namespace custodian::exchange {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kThompson[] = "tests/data/synthea/Chet_Thompson_eda17701-070d-4fae-9f7d-c8cd6263b63a.json";

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(file) << path;
  return text.str();
}

constexpr char kPatient[] = R"({"resourceType":"Patient","name":[{"family":"Okonkwo-Test","given":["Ada"]}],"gender":"female",
  "birthDate":"1971-03-04","identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"SS"}]},
  "system":"http://hl7.org/fhir/sid/us-ssn","value":"999-10-2030"},{"system":"urn:mrn","value":"m1"}],
  "telecom":[{"system":"phone","value":"555-100-2000"}],"address":[{"line":["1 Long Road"],"city":"Boston"}]})";

// A person of a test's own: kPatient's charts at alpha are one person's, damaged ones among them.
std::string PersonOf(const std::string& number) {
  return absl::StrReplaceAll(kPatient, {{"Okonkwo-Test", "Own-Test" + number}, {"2030", number}, {"100-2000", "100-" + number}, {"1 Long Road", number + " Short Road"}});
}

std::string Report(const std::string& subject, const std::string& status = "final") {
  return R"({"resourceType":"DiagnosticReport","status":")" + status +
         R"(","code":{"coding":[{"system":"http://loinc.org","code":"24558-9"}]},"subject":{"reference":")" + subject +
         R"("},"effectiveDateTime":"2026-01-10T10:00:00Z"})";
}

// A consent that lets `organization` read for treatment.
std::string Permit(const std::string& subject, const std::string& organization, const std::string& status = "active") {
  return R"({"resourceType":"Consent","id":"c1","status":")" + status +
         R"(","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},
  "category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":")" +
         subject + R"("},"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]},
  "provision":{"type":"permit","actor":[{"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},
  "reference":{"identifier":{"system":"urn:org","value":")" +
         organization + R"("}}}],"purpose":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}]}})";
}

// One world for all tests of this file: each uses patients of its own.
class Fhir : public ::testing::Test {
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
  std::string Post(const std::string& tenant, const std::string& type, const std::string& body) {
    const auto response = world_->Send(tenant, tenant, "POST", type, body);
    EXPECT_EQ(response.status, 201) << response.body;
    return TestWorld::Stored(response);
  }
  std::uint64_t LogSize(const std::string& tenant = "alpha") { return world_->partition(tenant).writer->size(); }
  std::string Count(const std::string& sql, const std::string& tenant = "alpha") { return world_->database(tenant).One(sql); }

  static TestWorld* world_;
};
TestWorld* Fhir::world_ = nullptr;

// A stored resource without what the server changes, its own references as they were posted.
Json Comparable(Json resource, const std::map<std::string, std::string>& former) {
  resource.Remove("id");
  if (Json* meta = resource.Find("meta")) {
    meta->Remove("versionId");
    meta->Remove("lastUpdated");
    if (meta->members().empty()) resource.Remove("meta");
  }
  VisitReferences(resource, "", [&](std::string& reference, const std::string&) {
    if (const auto found = former.find(reference); found != former.end()) reference = found->second;
  });
  return resource;
}

TEST_F(Fhir, ASyntheaBundleReadsBackEqual) {
  const std::string text = ReadFile(kThompson);
  const auto sent = Json::Parse(text);
  ASSERT_TRUE(sent.ok());
  const Json answer = TestWorld::Body(Send("POST", "", text), 200);
  ASSERT_EQ(answer["entry"].items().size(), (*sent)["entry"].items().size());
  std::map<std::string, std::string> former;
  std::vector<std::string> locations;
  for (std::size_t i = 0; i < answer["entry"].items().size(); ++i) {
    EXPECT_EQ(answer["entry"][i]["response"].TextOf("status"), "201 Created");
    std::string location = answer["entry"][i]["response"].TextOf("location");
    location = location.substr(0, location.find("/_history/"));
    former[location] = (*sent)["entry"][i].TextOf("fullUrl");
    locations.push_back(location);
  }
  std::set<std::string> types;
  for (std::size_t i = 0; i < locations.size(); ++i) {
    const Json& original = (*sent)["entry"][i]["resource"];
    const auto response = Send("GET", locations[i]);
    EXPECT_EQ(TestWorld::HeaderOf(response, "ETag"), "W/\"1\"");
    const Json stored = TestWorld::Body(response, 200);
    EXPECT_TRUE(Comparable(stored, former) == Comparable(original, {})) << locations[i] << "\n" << stored.Text() << "\n" << original.Text();
    EXPECT_EQ(stored["meta"].TextOf("versionId"), "1");
    types.insert(original.TextOf("resourceType"));
  }
  EXPECT_GE(types.size(), 10u);
  // Nothing of it lies in the clear.
  const std::string sealed = Count("SELECT string_agg(encode(sealed, 'escape'), '') FROM exchange.record");
  EXPECT_THAT(sealed, Not(HasSubstr("Thompson")));
  EXPECT_THAT(sealed, Not(HasSubstr("resourceType")));
}

TEST_F(Fhir, EachStoredVersionIsOnTheLogByItsHash) {
  Post("alpha", "Organization", R"({"resourceType":"Organization","name":"Somewhere"})");
  const auto rows = world_->database("alpha").Sql("SELECT encode(record_id, 'hex'), version, encode(sha256(sealed), 'hex'), entry_index FROM exchange.record");
  ASSERT_TRUE(rows.ok());
  std::set<std::string> stored;
  const auto batches = world_->database("alpha").Sql("SELECT encode(leaves, 'hex') FROM ledger.batch ORDER BY first_index");
  ASSERT_TRUE(batches.ok());
  std::uint64_t index = 0;
  for (const auto& batch : *batches) {
    const std::string leaves = absl::HexStringToBytes(batch[0]);
    for (std::size_t at = 0; at < leaves.size(); ++index) {
      const std::size_t size = static_cast<unsigned char>(leaves[at]) * 256u + static_cast<unsigned char>(leaves[at + 1]);
      const auto leaf = ledger::ParseLeaf(std::string_view(leaves).substr(at + 2, size));
      ASSERT_TRUE(leaf.ok()) << leaf.status();
      at += 2 + size;
      const auto& entry = leaf->entry;
      if (entry.kind() != ledger::v1::KIND_RECORD_STORED) continue;
      EXPECT_EQ(entry.subject().size(), 16u);
      ASSERT_EQ(entry.record_sha256_size(), entry.record_stored().record_id_size());
      for (int i = 0; i < entry.record_sha256_size(); ++i) {
        stored.insert(absl::StrCat(HexEncode(entry.record_stored().record_id(i)), " ", entry.record_stored().version(i), " ",
                                   HexEncode(entry.record_sha256(i)), " ", index));
      }
    }
  }
  for (const auto& row : *rows) EXPECT_TRUE(stored.contains(absl::StrCat(row[0], " ", row[1], " ", row[2], " ", row[3]))) << row[0];
}

TEST_F(Fhir, NumbersComeBackAsWritten) {
  const std::string patient = Post("alpha", "Patient", kPatient);
  const std::string stored = Post("alpha", "Observation",
                                  R"({"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":")" + patient +
                                      R"("},"valueQuantity":{"value":1.10,"unit":"mg"}})");
  EXPECT_THAT(Send("GET", stored).body, HasSubstr("\"value\":1.10,"));
}

TEST_F(Fhir, AHalfInvalidBundleChangesNothing) {
  const std::uint64_t size = LogSize();
  const std::string rows = Count("SELECT count(*) FROM exchange.record");
  const std::string bundle = std::string(R"({"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:p","resource":)") + kPatient +
                             R"(,"request":{"method":"POST","url":"Patient"}},{"resource":{"resourceType":"Observation","status":"maybe",
      "code":{"text":"x"},"subject":{"reference":"urn:uuid:p"},"effectiveDateTime":"2026-02-30"},"request":{"method":"POST","url":"Observation"}}]})";
  const Json outcome = TestWorld::Body(Send("POST", "", bundle), 400);
  EXPECT_EQ(outcome.TextOf("resourceType"), "OperationOutcome");
  std::vector<std::string> paths;
  for (const Json& issue : outcome["issue"].items()) paths.push_back(issue["expression"][0].text());
  EXPECT_THAT(paths, ::testing::UnorderedElementsAre("Bundle.entry[1].resource.status", "Bundle.entry[1].resource.effectiveDateTime"));
  EXPECT_EQ(LogSize(), size);
  EXPECT_EQ(Count("SELECT count(*) FROM exchange.record"), rows);
}

TEST_F(Fhir, UpdatesHonourIfMatchAndKeepHistory) {
  const std::string patient = Post("alpha", "Patient", kPatient);
  const std::string report = Post("alpha", "DiagnosticReport", Report(patient));
  const std::string id = report.substr(report.find('/') + 1);
  const auto with_id = [&](const std::string& text) { return R"({"id":")" + id + "\"," + text.substr(1); };
  const std::uint64_t size = LogSize();
  const auto stale = Send("PUT", report, with_id(Report(patient, "amended")), {{"if-match", "W/\"2\""}});
  EXPECT_EQ(stale.status, 412);
  EXPECT_THAT(stale.body, HasSubstr("version 1 is stored"));
  EXPECT_EQ(LogSize(), size);
  const auto updated = Send("PUT", report, with_id(Report(patient, "amended")), {{"if-match", "W/\"1\""}});
  EXPECT_EQ(updated.status, 200) << updated.body;
  EXPECT_EQ(TestWorld::HeaderOf(updated, "ETag"), "W/\"2\"");
  EXPECT_EQ(TestWorld::Body(Send("GET", report), 200).TextOf("status"), "amended");
  EXPECT_EQ(TestWorld::Body(Send("GET", report + "/_history/1"), 200).TextOf("status"), "final");
  EXPECT_EQ(TestWorld::Body(Send("GET", report + "/_history"), 200).TextOf("total"), "2");
  EXPECT_EQ(Send("GET", report + "/_history/9").status, 404);
  // Both versions, oldest first, with their times.
  const auto owner = world_->records().FindPatient(world_->partition("alpha").tenant.id, patient.substr(8));
  ASSERT_TRUE(owner.ok());
  const auto history = world_->records().OpenHistory({world_->partition("alpha").tenant.id, *owner}, "test");
  ASSERT_TRUE(history.ok());
  ASSERT_EQ(history->size(), 3u);
  EXPECT_EQ((*history)[2].version, 2u);
  EXPECT_EQ((*world_->records().Open({world_->partition("alpha").tenant.id, *owner}, "test"))->size(), 2u);
}

TEST_F(Fhir, PutCreatesWithTheClientsId) {
  const std::string body = R"({"resourceType":"Location","id":"loc-1","name":"Ward"})";
  const auto created = Send("PUT", "Location/loc-1", body);
  EXPECT_EQ(created.status, 201) << created.body;
  EXPECT_EQ(TestWorld::HeaderOf(created, "Location"), "https://host/fhir/00000000000000aa/Location/loc-1/_history/1");
  EXPECT_EQ(Send("PUT", "Location/loc-1", body).status, 200);
  EXPECT_EQ(Send("PUT", "Location/loc-9", body).status, 400);
  EXPECT_EQ(Send("PUT", "Organization/loc-1", body).status, 400);
}

TEST_F(Fhir, AnIdempotencyKeyGivesTheFirstAnswer) {
  const auto first = Send("POST", "Patient", kPatient, {{"idempotency-key", "k-1"}});
  ASSERT_EQ(first.status, 201) << first.body;
  const std::uint64_t size = LogSize();
  world_->clock().Advance(absl::Minutes(1));
  const auto again = Send("POST", "Patient", kPatient, {{"idempotency-key", "k-1"}});
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.headers, first.headers);
  EXPECT_EQ(LogSize(), size);
  const auto other = Send("POST", "Patient", R"({"resourceType":"Patient"})", {{"idempotency-key", "k-1"}});
  EXPECT_EQ(other.status, 422);
  EXPECT_THAT(other.body, HasSubstr("Idempotency-Key"));
  EXPECT_EQ(LogSize(), size);
}

TEST_F(Fhir, WhatFollowsMayComeLaterAndIsAwaitedByAskingAgain) {
  const std::string before = Count("SELECT count(*) FROM ledger.outbox");
  TestWorld::Body(Send("POST", "Patient", kPatient, {{"idempotency-key", "k-later"}, {"custodian-follow-up", "later"}}), 201);
  EXPECT_EQ(Count("SELECT count(*) > " + before + " FROM ledger.outbox"), "t");
  TestWorld::Body(Send("POST", "Patient", kPatient, {{"idempotency-key", "k-later"}}), 201);
  EXPECT_EQ(Count("SELECT count(*) FROM ledger.outbox"), "0");
}

TEST_F(Fhir, OneKeySentTwiceAtOnceStoresOnce) {
  const std::string before = Count("SELECT count(*) FROM exchange.patient");
  std::vector<rpc::HttpResponse> answers(4);
  std::vector<std::thread> senders;
  for (auto& answer : answers) {
    senders.emplace_back([&answer, this] { answer = Send("POST", "Patient", kPatient, {{"idempotency-key", "k-2"}}); });
  }
  for (auto& sender : senders) sender.join();
  for (const auto& answer : answers) {
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(answer.body, answers[0].body);
  }
  EXPECT_EQ(Count("SELECT count(*) FROM exchange.patient"), std::to_string(std::stoi(before) + 1));
}

TEST_F(Fhir, ConcurrentUpdatesAllGetAVersion) {
  ASSERT_EQ(Send("PUT", "Location/busy", R"({"resourceType":"Location","id":"busy"})").status, 201);
  std::vector<std::thread> senders;
  std::atomic<int> done = 0;
  for (int i = 0; i < 4; ++i) {
    senders.emplace_back([&, this] { done += Send("PUT", "Location/busy", R"({"resourceType":"Location","id":"busy","name":"n"})").status == 200; });
  }
  for (auto& sender : senders) sender.join();
  EXPECT_EQ(done, 4);
  EXPECT_EQ(TestWorld::HeaderOf(Send("GET", "Location/busy"), "ETag"), "W/\"5\"");
}

TEST_F(Fhir, SearchIsPatientScopedAndStrict) {
  const std::string patient = Post("alpha", "Patient", kPatient);
  const std::string other = Post("alpha", "Patient", R"({"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":"unique-7"}]})");
  const std::string report = Post("alpha", "DiagnosticReport", Report(patient));
  Post("alpha", "DiagnosticReport", Report(patient, "preliminary"));
  Post("alpha", "DiagnosticReport", Report(other));
  const auto total = [&](const std::string& query) { return TestWorld::Body(Send("GET", query), 200).TextOf("total"); };
  EXPECT_EQ(total("DiagnosticReport?patient=" + patient), "2");
  EXPECT_EQ(total("DiagnosticReport?subject=" + patient + "&status=final&code=http://loinc.org%7C24558-9"), "1");
  EXPECT_EQ(total("DiagnosticReport?patient=" + patient + "&date=gt2026-01-10"), "0");
  EXPECT_EQ(total("DiagnosticReport?patient=nobody"), "0");
  EXPECT_EQ(total("DiagnosticReport?_id=" + report.substr(17)), "1");
  EXPECT_EQ(total("Patient?identifier=urn:mrn%7Cunique-7"), "1");
  EXPECT_EQ(total("Patient?identifier=urn:mrn%7Cunique-8"), "0");
  const Json page = TestWorld::Body(Send("GET", "DiagnosticReport?patient=" + patient + "&_count=1"), 200);
  EXPECT_EQ(page.TextOf("total"), "2");
  EXPECT_EQ(page["entry"].items().size(), 1u);
  EXPECT_EQ(page["link"][1].TextOf("relation"), "next");
  const std::string next = page["link"][1].TextOf("url");
  EXPECT_EQ(TestWorld::Body(Send("GET", next.substr(next.find("/DiagnosticReport") + 1)), 200)["entry"].items().size(), 1u);
  EXPECT_EQ(Send("GET", "DiagnosticReport").status, 400);
  EXPECT_EQ(Send("GET", "DiagnosticReport?patient=" + patient + "&colour=red").status, 400);
  EXPECT_EQ(total("Encounter?patient=" + patient), "0");
}

TEST_F(Fhir, WritesAskForWhatMustFollow) {
  const int before = world_->savings_runs();
  const std::string patient = Post("alpha", "Patient", kPatient);
  Post("alpha", "DiagnosticReport", Report(patient));
  EXPECT_EQ(world_->savings_runs(), before + 2);
  EXPECT_EQ(Count("SELECT count(*) FROM ledger.outbox"), "0");
}

TEST_F(Fhir, AnAlteredRowIsReportedNotShown) {
  const std::string patient = Post("alpha", "Patient", kPatient);
  const std::string report = Post("alpha", "DiagnosticReport", Report(patient));
  const auto record = world_->sealer().RecordIdOf(world_->partition("alpha").tenant.id, "DiagnosticReport", report.substr(17));
  ASSERT_TRUE(world_->database("alpha")
                  .Sql("UPDATE exchange.record SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE record_id = '\\x" + record->hex() + "'")
                  .ok());
  const auto response = Send("GET", report);
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, HasSubstr("integrity"));
  EXPECT_THAT(response.body, Not(HasSubstr("24558-9")));
  EXPECT_EQ(Send("GET", "DiagnosticReport?patient=" + patient).status, 500);
}

TEST_F(Fhir, OthersReadOnlyByConsentAndEachReadIsRecordedFirst) {
  const std::string at_alpha = Post("alpha", "Patient", PersonOf("4041"));
  const std::string at_beta = Post("beta", "Patient", PersonOf("4041"));
  const std::string report = Post("alpha", "DiagnosticReport", Report(at_alpha));
  const auto nothing = world_->Send("beta", "alpha", "GET", "DiagnosticReport/no-such");
  EXPECT_EQ(nothing.status, 404);
  const auto same = [&](const rpc::HttpResponse& answer) {
    return answer.status == nothing.status && answer.headers == nothing.headers && answer.body == nothing.body;
  };
  const std::uint64_t alpha_before = LogSize("alpha");
  const std::uint64_t beta_before = LogSize("beta");
  EXPECT_TRUE(same(world_->Send("beta", "alpha", "GET", report)));
  EXPECT_TRUE(same(world_->Send("beta", "alpha", "GET", "DiagnosticReport?_id=" + report.substr(17))));
  EXPECT_TRUE(same(world_->Send("beta", "alpha", "GET", "DiagnosticReport?patient=" + at_alpha)));
  EXPECT_TRUE(same(world_->Send("beta", "alpha", "GET", at_alpha)));
  EXPECT_TRUE(same(world_->Send("beta", "alpha", "GET", "Provenance/disclosure-00")));
  EXPECT_EQ(LogSize("alpha"), alpha_before);
  EXPECT_EQ(LogSize("beta"), beta_before);

  const auto consent = Send("PUT", "Consent/c1", Permit(at_alpha, "beta"));
  ASSERT_EQ(consent.status, 201) << consent.body;
  const std::uint64_t alpha_permitted = LogSize("alpha");
  const auto read = world_->Send("beta", "alpha", "GET", report);
  EXPECT_EQ(TestWorld::Body(read, 200).TextOf("status"), "final");
  EXPECT_LE(read.not_before, absl::Now());
  EXPECT_GE(LogSize("alpha"), alpha_permitted + 2);
  EXPECT_EQ(LogSize("beta"), beta_before + 1);
  std::string link = TestWorld::HeaderOf(read, "Link");
  ASSERT_THAT(link, HasSubstr("rel=\"provenance\""));
  link = link.substr(link.find("Provenance/"));
  link = link.substr(0, link.find('>'));
  const Json provenance = TestWorld::Body(world_->Send("beta", "alpha", "GET", link), 200);
  std::string receipt;
  ASSERT_TRUE(absl::Base64Unescape(provenance["signature"][0].TextOf("data"), &receipt));
  EXPECT_EQ(receipt, absl::StrCat("receipt of custodian.example/p/00000000000000aa ", alpha_permitted));
  EXPECT_EQ(provenance["target"][0].TextOf("reference"), report + "/_history/1");
  EXPECT_EQ(provenance["agent"][0]["onBehalfOf"]["identifier"].TextOf("value"), "beta");

  const Json found = TestWorld::Body(
      world_->Send("beta", "alpha", "GET", "DiagnosticReport?_id=" + report.substr(17) + "&_revinclude=Provenance:target"), 200);
  ASSERT_EQ(found["entry"].items().size(), 2u);
  EXPECT_EQ(found["entry"][1]["search"].TextOf("mode"), "include");
  EXPECT_FALSE(found["entry"][1]["resource"]["signature"][0].TextOf("data").empty());

  // The source's own clinician sees who looked.
  const Json own = TestWorld::Body(Send("GET", "DiagnosticReport?_id=" + report.substr(17) + "&_revinclude=Provenance:target"), 200);
  EXPECT_EQ(own["entry"].items().size(), 3u);

  // Revoked: from the entry on, as if there were nothing.
  ASSERT_EQ(Send("PUT", "Consent/c1", Permit(at_alpha, "beta", "inactive")).status, 200);
  EXPECT_TRUE(same(world_->Send("beta", "alpha", "GET", report)));
  EXPECT_EQ(world_->Send("beta", "alpha", "POST", "Patient", kPatient).status, 403);
}

TEST_F(Fhir, APatientsLedgerListIsForTheOwnTenantAlone) {
  const std::string patient = Post("alpha", "Patient", kPatient);
  const auto owner = world_->records().FindPatient(world_->partition("alpha").tenant.id, patient.substr(8));
  ASSERT_TRUE(owner.ok());
  const Json binary = TestWorld::Body(Send("GET", patient + "/$ledger-list"), 200);
  EXPECT_EQ(binary.TextOf("resourceType"), "Binary");
  std::string list;
  ASSERT_TRUE(absl::Base64Unescape(binary.TextOf("data"), &list));
  EXPECT_EQ(list, "list of custodian.example/p/00000000000000aa " + owner->hex());
  EXPECT_EQ(Send("GET", "Patient/unknown/$ledger-list").status, 404);
  EXPECT_EQ(Send("POST", patient + "/$ledger-list", "{}").status, 405);
  EXPECT_EQ(world_->Send("beta", "alpha", "GET", patient + "/$ledger-list").body, world_->Send("beta", "alpha", "GET", "Patient/unknown/$ledger-list").body);
  EXPECT_EQ(world_->Send("beta", "alpha", "GET", patient + "/$ledger-list").status, 404);
}

TEST_F(Fhir, AConsentRevokedBetweenDecisionAndCommitIsNotPassedOver) {
  // The writer refuses the disclosure when the patient's consent version moved on; here it always has.
  const std::string patient = Post("alpha", "Patient", kPatient);
  const auto owner = world_->records().FindPatient(world_->partition("alpha").tenant.id, patient.substr(8));
  ASSERT_TRUE(owner.ok());
  tenants::Write write;
  write.idempotency_key = RandomBytes(32);
  write.request_digest = RandomBytes(32);
  write.expectations.push_back({*owner, 7});
  write.entries.emplace_back();
  write.entries.back().set_kind(ledger::v1::KIND_DISCLOSURE);
  write.entries.back().set_subject(owner->bytes());
  EXPECT_TRUE(absl::IsFailedPrecondition(world_->partition("alpha").writer->Apply(std::move(write)).status()));
}

TEST_F(Fhir, ADamagedRecordLooksToOthersLikeNone) {
  const std::string patient = Post("alpha", "Patient", PersonOf("4042"));
  Post("beta", "Patient", PersonOf("4042"));
  const std::string report = Post("alpha", "DiagnosticReport", Report(patient));
  std::string consent = Permit(patient, "beta");
  consent.replace(consent.find("\"c1\""), 4, "\"c3\"");
  ASSERT_EQ(Send("PUT", "Consent/c3", consent).status, 201);
  ASSERT_EQ(world_->Send("beta", "alpha", "GET", report).status, 200);
  const auto record = world_->sealer().RecordIdOf(world_->partition("alpha").tenant.id, "DiagnosticReport", report.substr(17));
  ASSERT_TRUE(world_->database("alpha")
                  .Sql("UPDATE exchange.record SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE record_id = '\\x" + record->hex() + "'")
                  .ok());
  // What was opened before, whole, is shown as long as its key may be held.
  EXPECT_EQ(world_->Send("beta", "alpha", "GET", report).status, 200);
  world_->machine_clock().Advance(absl::Seconds(61));
  EXPECT_EQ(world_->Send("beta", "alpha", "GET", report).body, world_->Send("beta", "alpha", "GET", "DiagnosticReport/no-such").body);
}

TEST_F(Fhir, ConsentAloneIsNotEnoughWithoutACertainMatch) {
  const std::string patient = Post("alpha", "Patient", R"({"resourceType":"Patient","name":[{"family":"Solo","given":["Han"]}],"gender":"male","birthDate":"1942-07-13"})");
  const std::string report = Post("alpha", "DiagnosticReport", Report(patient));
  std::string consent = Permit(patient, "beta");
  consent.replace(consent.find("\"c1\""), 4, "\"c2\"");
  ASSERT_EQ(Send("PUT", "Consent/c2", consent).status, 201);
  EXPECT_EQ(world_->Send("beta", "alpha", "GET", report).status, 404);
}

TEST_F(Fhir, CallersAreKnownByTheirCertificate) {
  EXPECT_EQ(world_->Send("", "alpha", "GET", "Patient/x").status, 401);
  rpc::HttpRequest request;
  request.method = "GET";
  request.path = "/fhir/00000000000000aa/Patient/x";
  request.peer_spiffe_id = "spiffe://custodian.example/tenant/00000000000000aa/fhir/unknown";
  EXPECT_EQ(world_->service().Handle(request).status, 403);
  const Json capability = TestWorld::Body(world_->Send("", "alpha", "GET", "metadata"), 200);
  EXPECT_EQ(capability.TextOf("fhirVersion"), "4.0.1");
}

TEST_F(Fhir, ConditionalReferencesAndCreatesFindWhatIsStored) {
  ASSERT_EQ(Send("PUT", "Practitioner/dr-1",
                 R"({"resourceType":"Practitioner","id":"dr-1","identifier":[{"system":"http://hl7.org/fhir/sid/us-npi","value":"9999974394"}]})")
                .status,
            201);
  const std::string patient = Post("alpha", "Patient", kPatient);
  const std::string bundle = R"({"resourceType":"Bundle","type":"transaction","entry":[
    {"resource":{"resourceType":"ServiceRequest","id":"sr1","status":"active","intent":"order","subject":{"reference":")" + patient +
                             R"("},"requester":{"reference":"Practitioner?identifier=http://hl7.org/fhir/sid/us-npi|9999974394"}},
     "request":{"method":"PUT","url":"ServiceRequest/sr1"}},
    {"resource":{"resourceType":"Practitioner","identifier":[{"system":"http://hl7.org/fhir/sid/us-npi","value":"9999974394"}]},
     "request":{"method":"POST","url":"Practitioner","ifNoneExist":"identifier=http://hl7.org/fhir/sid/us-npi|9999974394"}}]})";
  const Json answer = TestWorld::Body(Send("POST", "", bundle), 200);
  EXPECT_EQ(answer["entry"][1]["response"].TextOf("status"), "200 OK");
  EXPECT_EQ(answer["entry"][1]["response"].TextOf("location"), "Practitioner/dr-1/_history/1");
  EXPECT_EQ(TestWorld::Body(Send("GET", "ServiceRequest/sr1"), 200)["requester"].TextOf("reference"), "Practitioner/dr-1");
}

TEST_F(Fhir, LargeTransactionsAreQuickAndChunked) {
  const std::string patient = Post("alpha", "Patient", kPatient);
  std::string bundle = R"({"resourceType":"Bundle","type":"transaction","entry":[)";
  for (int i = 0; i < 2'000; ++i) {
    bundle += (i == 0 ? "" : ",") + (R"({"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":")" +
                                     patient + R"("},"valueInteger":)" + std::to_string(i) + R"(},"request":{"method":"POST","url":"Observation"}})");
  }
  const absl::Time start = absl::Now();
  const auto response = Send("POST", "", bundle + "]}");
  EXPECT_EQ(response.status, 200) << response.body.substr(0, 500);
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
  EXPECT_EQ(TestWorld::Body(Send("GET", "Observation?patient=" + patient + "&_count=0"), 200).TextOf("total"), "2000");
}

TEST_F(Fhir, LimitsAreSaidClearly) {
  std::string many = R"({"resourceType":"Bundle","type":"transaction","entry":[)";
  for (int i = 0; i < 21; ++i) many += std::string(i == 0 ? "" : ",") + R"({"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}})";
  const auto response = Send("POST", "", many + "]}");
  EXPECT_EQ(response.status, 413);
  EXPECT_THAT(response.body, HasSubstr("20 patients"));
  const auto large = Send("POST", "Patient", std::string((4u << 20) + 1, ' '));
  EXPECT_EQ(large.status, 413);
  EXPECT_THAT(large.body, HasSubstr("at most 4194304"));
}

// tests/bad_input/fhir.json: the same rows are played over HTTPS by tests/end_to_end.
TEST_F(Fhir, BadInputIsAnsweredAsTheDataFileSays) {
  const auto rows = Json::Parse(ReadFile("tests/bad_input/fhir.json"));
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_FALSE(rows->items().empty());
  for (const Json& row : rows->items()) {
    const std::uint64_t size = LogSize();
    std::vector<std::pair<std::string, std::string>> headers;
    for (const auto& [name, value] : row["headers"].members()) headers.emplace_back(absl::AsciiStrToLower(name), value.text());
    rpc::HttpRequest request;
    request.method = row.TextOf("method");
    const std::string path = row.TextOf("path");
    const auto question = path.find('?');
    request.path = "/fhir/00000000000000aa/" + rpc::PercentDecode(path.substr(0, question));
    if (question != std::string::npos) request.query = path.substr(question + 1);
    request.headers = headers;
    request.body = row["body"].is_string() ? row.TextOf("body") : row["body"].is_null() ? "" : row["body"].Text();
    request.peer_spiffe_id = TestWorld::ClientOf("alpha");
    const auto response = world_->service().Handle(request);
    EXPECT_EQ(std::to_string(response.status), row.TextOf("status")) << row.TextOf("name") << ": " << response.body;
    EXPECT_THAT(response.body, HasSubstr(row.TextOf("text"))) << row.TextOf("name");
    EXPECT_EQ(TestWorld::Body(response, response.status).TextOf("resourceType"), "OperationOutcome") << row.TextOf("name");
    EXPECT_EQ(LogSize(), size) << row.TextOf("name");
  }
}

TEST_F(Fhir, PastItsShareAClientIsToldToComeBack) {
  rpc::Shares shares({.client_per_second = 1}, world_->clock());
  FhirService::Options options = TestWorld::FhirOptions();
  options.shares = &shares;
  const FhirService service(options, world_->parts());
  const auto send = [&](const std::string& client) {
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = "/fhir/00000000000000aa/Patient/nobody";
    request.peer_spiffe_id = client;
    return service.Handle(request);
  };
  for (int i = 0; i < 2; ++i) EXPECT_EQ(send(TestWorld::ClientOf("alpha")).status, 404);
  const auto refused = send(TestWorld::ClientOf("alpha"));
  EXPECT_THAT(TestWorld::Body(refused, 429)["issue"][0].TextOf("diagnostics"), HasSubstr("more than 1 requests a second"));
  EXPECT_EQ(TestWorld::HeaderOf(refused, "Retry-After"), "1");
  EXPECT_EQ(send(TestWorld::ClientOf("beta")).status, 404) << "another's share";
  for (int i = 0; i < 5; ++i) EXPECT_EQ(send("spiffe://custodian.example/tenant/00000000000000aa/fhir/stranger").status, 403) << "nobody's share";
}

}  // namespace
}  // namespace custodian::exchange
