// What consent, labels and emergencies do to a reader of another tenant, and what the patient sees of it, over real PostgreSQL and a real key
// process: alpha holds records, beta reads.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ledger/entry.h"
#include "services/exchange/audit_event.h"
#include "services/exchange/record_store.h"
#include "services/exchange/redisclosure.h"
#include "services/exchange/refusal_store.h"
#include "services/exchange/refusals.h"
#include "services/exchange/test_world.h"
#include "tenants/log_reader.h"

namespace custodian::exchange {
namespace {

using ::testing::HasSubstr;

constexpr char kEmergencyClient[] = "spiffe://custodian.example/tenant/00000000000000bb/fhir/emergency";
using Headers = std::vector<std::pair<std::string, std::string>>;
const Headers kEmergency = {{"custodian-recipient", "Dr. Ana Ruiz"}, {"custodian-emergency", "unconscious after a fall"}};

class ConsentDisclosure : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = new TestWorld;
    ASSERT_TRUE(world_->network().Sql(absl::StrCat("INSERT INTO registry.client VALUES ('", kEmergencyClient, "', '00000000000000bb', 'fhir', 'ETREAT')")).ok());
    ASSERT_TRUE(world_->registry().Load().ok());
  }
  static void TearDownTestSuite() { delete world_; }

  ConsentDisclosure() : refusals_({.batch = 4, .waiting_max = 5}, world_->partitions(), world_->sealer(), world_->records()) {
    id_ = HexEncode(RandomBytes(6));
    ExchangeParts parts = world_->parts();
    parts.rules = [this](const TenantId&) {
      if (interruption_) std::exchange(interruption_, nullptr)();
      return rules_;
    };
    parts.refused = [this](Refused refused) { refusals_.Note(std::move(refused)); };
    service_ = std::make_unique<FhirService>(TestWorld::FhirOptions(), parts);
    for (const char* tenant : {"alpha", "beta"})
      Put(tenant, "Patient", absl::StrCat(R"("gender":"female","birthDate":"1971-03-04","name":[{"family":"Family)", id_,
                                          R"(","given":["Ada"]}],"identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"SS"}]},)",
                                          R"("system":"http://hl7.org/fhir/sid/us-ssn","value":"ssn-)", id_, R"("}],"address":[{"line":["1 Road )", id_, R"("],"city":"Boston"}])"));
    record_ = *world_->records().FindPatient(world_->partition("alpha").tenant.id, id_);
  }

  void Put(const std::string& tenant, const std::string& type, const std::string& members) {
    const auto response = world_->Send(tenant, tenant, "PUT", absl::StrCat(type, "/", id_), absl::StrCat(R"({"resourceType":")", type, R"(","id":")", id_, "\",", members, "}"));
    ASSERT_TRUE(response.status == 200 || response.status == 201) << response.body;
  }
  void PutReport(const std::string& more = "") {
    Put("alpha", "DiagnosticReport", absl::StrCat(R"("status":"final","code":{"coding":[{"system":"http://loinc.org","code":"24558-9"}]},"subject":{"reference":"Patient/)", id_,
                                                  R"("},"effectiveDateTime":"2026-01-10T10:00:00Z")", more));
  }
  void PutConsent(const std::string& more = "", const std::string& status = "active", const char* type = "permit") {
    Put("alpha", "Consent", absl::StrCat(R"("status":")", status, R"(","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},)",
                                         R"("category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":"Patient/)", id_,
                                         R"("},"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]},"provision":{"type":")", type,
                                         R"(","actor":[{"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},)",
                                         R"("reference":{"identifier":{"system":"urn:org","value":"beta"}}}])", more, "}"));
  }
  static std::string Label(const char* code) {
    return absl::StrCat(R"(,"securityLabel":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":")", code, R"("}])");
  }
  static std::string Tag(const char* code) {
    return absl::StrCat(R"(,"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":")", code, R"("}]})");
  }

  rpc::HttpResponse Get(const std::string& target, Headers headers = {}, const std::string& client = TestWorld::ClientOf("beta")) {
    rpc::HttpRequest request;
    request.method = "GET";
    const auto question = target.find('?');
    request.path = absl::StrCat("/fhir/00000000000000aa/", target.substr(0, question));
    if (question != std::string::npos) request.query = target.substr(question + 1);
    request.headers = std::move(headers);
    request.peer_spiffe_id = client;
    return service_->Handle(request);
  }
  [[nodiscard]] std::string Report() const { return "DiagnosticReport/" + id_; }
  bool IsNone(const rpc::HttpResponse& response) {
    const auto none = Get("DiagnosticReport/no-such");
    EXPECT_EQ(none.status, 404);
    return response.status == none.status && response.headers == none.headers && response.body == none.body;
  }
  static std::string DisclosureIn(const rpc::HttpResponse& response) {
    const std::string link = TestWorld::HeaderOf(response, "Link");
    const auto begin = link.find("Provenance/") + 11;
    return link.substr(begin, link.find('>') - begin);
  }
  Json Audit(const std::string& id) { return TestWorld::Body(Get("AuditEvent/" + id, {}, TestWorld::ClientOf("alpha")), 200); }
  std::uint64_t LogSize() { return world_->partition("alpha").writer->size(); }
  // Of the patient's, the accounts of disclosures among them.
  std::vector<OpenedRecord> Stored(const std::string& type) {
    std::vector<OpenedRecord> found;
    const tenants::Partition& alpha = world_->partition("alpha");
    const auto rows = RecordStore(*alpha.database).NewestOfPatient(record_);
    EXPECT_TRUE(rows.ok()) << rows.status();
    for (const SealedRecord& row : *rows) {
      auto record = OpenRecord(alpha.tenant, row, world_->sealer(), "test");
      EXPECT_TRUE(record.ok()) << record.status();
      if (record->resource_type == type) found.push_back(*std::move(record));
    }
    return found;
  }
  absl::Status Check(const Json& explanation) {
    const auto history = world_->records().OpenHistory({world_->partition("alpha").tenant.id, record_}, "test");
    EXPECT_TRUE(history.ok()) << history.status();
    return CheckExplanation(explanation, *history, [this](const std::vector<consent::UsedTable>&) {
      return absl::StatusOr<std::shared_ptr<const consent::TenantRules>>(rules_);
    });
  }
  void SetRules(const std::string& break_glass) {
    auto rules = consent::TenantRules::Create([&](std::string_view name, bool own) -> std::optional<consent::TableInForce> {
      if (name != consent::kBreakGlassTable || !own) return std::nullopt;
      return consent::TableInForce{"jurisdiction,label,denial,allowed,source\n" + break_glass, 3};
    });
    ASSERT_TRUE(rules.ok()) << rules.status();
    rules_ = std::make_shared<const consent::TenantRules>(*std::move(rules));
  }

  static TestWorld* world_;
  std::shared_ptr<const consent::TenantRules> rules_ = consent::TenantRules::BuiltIn();
  // Between the reading of the consent version and the decision, once.
  std::function<void()> interruption_;
  Refusals refusals_;
  std::unique_ptr<FhirService> service_;
  std::string id_;
  PatientId record_;
};
TestWorld* ConsentDisclosure::world_ = nullptr;

TEST_F(ConsentDisclosure, ConsentsOfAllChartsOfAPersonCount) {
  const std::string first = id_;
  PutConsent();
  // A second chart at alpha, without a consent of its own.
  id_ = first + "-b";
  const std::string patient = absl::StrCat(R"("gender":"female","birthDate":"1971-03-04","name":[{"family":"Family)", id_, R"(","given":["Ada"]}])");
  const std::string link = absl::StrCat(R"(,"link":[{"other":{"reference":"Patient/)", first, R"("},"type":"replaced-by"}])");
  Put("alpha", "Patient", patient);
  PutReport();
  EXPECT_TRUE(IsNone(Get(Report())));
  Put("alpha", "Patient", patient + link);
  EXPECT_EQ(Get(Report()).status, 200);
  // A later denial in either closes both.
  PutConsent("", "active", "deny");
  EXPECT_TRUE(IsNone(Get(Report())));
  ASSERT_TRUE(refusals_.Keep().ok());
  ASSERT_TRUE(refusals_.WriteBatches().ok());
  record_ = *world_->records().FindPatient(world_->partition("alpha").tenant.id, id_);
  bool told = false;
  for (const OpenedRecord& audit : Stored("AuditEvent")) told = told || audit.parsed->TextOf("outcomeDesc") == "Refused: a consent denies it";
  EXPECT_TRUE(told);
  id_ = first;
  PutReport();
  EXPECT_TRUE(IsNone(Get(Report())));
}

TEST_F(ConsentDisclosure, AConsentInAChartThatIsUnmergedMeanwhilePermitsNothing) {
  PutReport();
  const std::string first = id_;
  const std::string patient = absl::StrCat(R"("gender":"female","birthDate":"1971-03-04","name":[{"family":"Family)", id_, R"(","given":["Ada"]}])");
  const auto put_second = [&](const std::string& link) {
    id_ = first + "-b";
    Put("alpha", "Patient", patient + link);
    id_ = first;
  };
  put_second(absl::StrCat(R"(,"link":[{"other":{"reference":"Patient/)", first, R"("},"type":"replaced-by"}])"));
  id_ = first + "-b";
  PutConsent();
  id_ = first;
  EXPECT_EQ(Get(Report()).status, 200);
  interruption_ = [&] { put_second(""); };
  EXPECT_TRUE(IsNone(Get(Report())));
  EXPECT_FALSE(interruption_);
}

TEST_F(ConsentDisclosure, ASensitiveRecordIsNoneUnlessTheConsentNamesItsLabel) {
  PutReport(R"(,"conclusionCode":[{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10-cm","code":"B20"}]}])");
  PutConsent();
  EXPECT_TRUE(IsNone(Get(Report())));
  EXPECT_TRUE(IsNone(Get("DiagnosticReport?_id=" + id_)));
  PutConsent(Label("HIV"));
  const Json copy = TestWorld::Body(Get(Report()), 200);
  EXPECT_EQ(copy["meta"]["security"][0].TextOf("code"), "HIV");
  // Stored as it came.
  EXPECT_TRUE(TestWorld::Body(Get(Report(), {}, TestWorld::ClientOf("alpha")), 200)["meta"]["security"].is_null());
}

TEST_F(ConsentDisclosure, WithUnreadableRulesNothingIsDisclosed) {
  PutReport();
  PutConsent();
  ASSERT_EQ(Get(Report()).status, 200);
  rules_ = nullptr;
  EXPECT_TRUE(IsNone(Get(Report())));
}

TEST_F(ConsentDisclosure, RecordsOfPart2CarryTheNoticeAndTheScope) {
  PutReport(Tag("42CFRPart2"));
  PutConsent(Label("42CFRPart2"));
  const auto response = Get(Report());
  const Json copy = TestWorld::Body(response, 200);
  EXPECT_EQ(copy["meta"]["security"][0].TextOf("code"), "42CFRPart2");
  EXPECT_EQ(copy["meta"]["security"][1].TextOf("code"), "NORDSCLCD");
  const Json provenance = TestWorld::Body(Get("Provenance/" + DisclosureIn(response)), 200);
  EXPECT_THAT(provenance["text"].TextOf("div"), HasSubstr("42 CFR part 2 prohibits unauthorized use or disclosure of these records."));
  EXPECT_THAT(provenance["text"].TextOf("div"), HasSubstr(absl::StrCat("Scope of the consent (Consent/", id_, "/_history/1): recipient beta, purpose TREAT")));
  EXPECT_THAT(provenance["policy"][0].text(), HasSubstr("part-2"));
  const Json found = TestWorld::Body(Get("DiagnosticReport?_id=" + id_ + "&_revinclude=Provenance:target"), 200);
  EXPECT_THAT(found["entry"][1]["resource"]["text"].TextOf("div"), HasSubstr("42 CFR part 2"));
  EXPECT_EQ(found["entry"][0]["resource"]["meta"]["security"][1].TextOf("code"), "NORDSCLCD");
  // 42 CFR 2.32: "each disclosure must be accompanied"; nobody has to ask for the Provenance.
  const auto notice_in = [](const Json& resource) {
    EXPECT_EQ(resource["meta"]["extension"][0].TextOf("url"), kNoticeExtension);
    return resource["meta"]["extension"][0].TextOf("valueString");
  };
  EXPECT_THAT(notice_in(copy), HasSubstr("42 CFR part 2 prohibits unauthorized use or disclosure of these records. Scope of the consent (Consent/"));
  for (const char* view : {"", "&_elements=status", "&_summary=true", "&_summary=data"})
    EXPECT_EQ(notice_in(TestWorld::Body(Get("DiagnosticReport?_id=" + id_ + view), 200)["entry"][0]["resource"]), notice_in(copy)) << view;
  PutReport();
  PutConsent();
  EXPECT_TRUE(TestWorld::Body(Get(Report()), 200)["meta"]["extension"].is_null());
}

TEST_F(ConsentDisclosure, ThePatientSeesWhoLookedWhyAndUnderWhichConsentWithReceipt) {
  PutReport();
  PutConsent();
  const std::uint64_t index = LogSize();
  const Json audit = Audit(DisclosureIn(Get(Report())));
  EXPECT_EQ(audit["meta"]["profile"][0].text(), "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PrivacyDisclosure.Source");
  EXPECT_EQ(audit["type"].TextOf("code"), "110106");
  EXPECT_EQ(audit["agent"][0]["who"]["identifier"].TextOf("value"), "alpha");
  EXPECT_EQ(audit["agent"][0]["who"], audit["source"]["observer"]);
  EXPECT_EQ(audit["agent"][1]["who"]["identifier"].TextOf("value"), "beta");
  EXPECT_EQ(audit["purposeOfEvent"][0]["coding"][0].TextOf("code"), "TREAT");
  EXPECT_EQ(audit["entity"][0]["what"].TextOf("reference"), "Patient/" + id_);
  EXPECT_EQ(audit["entity"][1]["what"].TextOf("reference"), Report() + "/_history/1");
  EXPECT_EQ(audit["entity"][2]["what"].TextOf("reference"), absl::StrCat("Consent/", id_, "/_history/1"));
  const Json& details = audit["entity"][1]["detail"];
  EXPECT_EQ(details[1].TextOf("valueString"), absl::StrCat("custodian.example/p/00000000000000aa#", index));
  EXPECT_EQ(details[2].TextOf("type"), "receipt");
  // Only the source's own clients.
  EXPECT_TRUE(IsNone(Get("AuditEvent/" + audit.TextOf("id"))));
}

TEST_F(ConsentDisclosure, TheChartDoesNotGrowByLookingAtIt) {
  PutReport();
  PutConsent();
  // What the tenant itself wrote stays in the chart, of whatever type it is.
  Put("alpha", "AuditEvent", absl::StrCat(R"("type":{"code":"rest"},"recorded":"2026-01-10T10:00:00Z","agent":[{"requestor":true}],)",
                                          R"("source":{"observer":{"display":"EHR"}},"entity":[{"what":{"reference":"Patient/)", id_, R"("}}])"));
  const PatientLink link{world_->partition("alpha").tenant.id, record_};
  const std::size_t chart = (*world_->records().Open(link, "test"))->size();
  const std::size_t history = world_->records().OpenHistory(link, "test")->size();
  EXPECT_EQ(Stored("AuditEvent").size(), 1u);
  ASSERT_EQ(Get(Report()).status, 200);
  EXPECT_EQ(Stored("AuditEvent").size(), 2u);
  EXPECT_EQ((*world_->records().Open(link, "test"))->size(), chart);
  EXPECT_EQ(world_->records().OpenHistory(link, "test")->size(), history);
}

TEST_F(ConsentDisclosure, AStoredExplanationRecomputes) {
  PutReport();
  PutConsent();
  const Json audit = Audit(DisclosureIn(Get(Report())));
  Json explanation = ExplanationIn(audit);
  ASSERT_TRUE(explanation.is_object());
  EXPECT_EQ(explanation["decision"].TextOf("reason"), "permitted");
  EXPECT_EQ(explanation.TextOf("consent_version"), "1");
  EXPECT_EQ(Check(explanation), absl::OkStatus());
  // Whatever happened since.
  PutConsent("", "inactive");
  PutReport(Tag("HIV"));
  EXPECT_EQ(Check(explanation), absl::OkStatus());
  Json other = explanation;
  other.Set("purpose", Json::String("HRESCH"));
  EXPECT_EQ(Check(other), absl::OkStatus()) << "the consent names no purpose";
  other.Set("reader", Json::Object({{"system", Json::String("urn:org")}, {"value", Json::String("gamma")}}));
  EXPECT_TRUE(absl::IsDataLoss(Check(other)));
  other = explanation;
  other.Find("inputs")->items()[0] = Json::String("Consent/gone/_history/1");
  EXPECT_TRUE(absl::IsNotFound(Check(other)));
  SetRules(",,denied,no,x\n");
  EXPECT_TRUE(absl::IsNotFound(Check(explanation)));
}

TEST_F(ConsentDisclosure, ARevocationThatArrivesWhileARequestRunsBinds) {
  PutReport();
  for (const std::string& target : {Report(), "DiagnosticReport?_id=" + id_, "DiagnosticReport?_id=" + id_ + "&_revinclude=Provenance:target"}) {
    PutConsent();
    ASSERT_EQ(Get(target).status, 200);
    // The decision is made on the consent as it was read; the disclosure is then refused by the version, and decided anew.
    interruption_ = [this] { PutConsent("", "inactive"); };
    const std::size_t before = Stored("AuditEvent").size();
    EXPECT_TRUE(IsNone(Get(target))) << target;
    EXPECT_FALSE(interruption_);
    EXPECT_EQ(Stored("AuditEvent").size(), before);
  }
}

TEST_F(ConsentDisclosure, AnEmergencyOpensWhatThePolicyAllowsAndIsShown) {
  PutReport();
  SetRules(",,no-permission,yes,hospital policy 12\n,,denied,no,hospital policy 12\n");
  // Without the patient's consent, or an emergency: none.
  EXPECT_TRUE(IsNone(Get(Report(), {}, kEmergencyClient)));
  // What an emergency must say is asked before anything is looked up.
  for (const std::string& target : {Report(), std::string("DiagnosticReport/no-such")}) {
    EXPECT_EQ(Get(target, {kEmergency[0]}, kEmergencyClient).status, 400);
    EXPECT_EQ(Get(target, {kEmergency[0], {"custodian-emergency", "\xff\xfe\xfd\xfc"}}, kEmergencyClient).status, 400);
    EXPECT_EQ(Get(target, kEmergency).status, 403);
  }
  EXPECT_TRUE(IsNone(Get("DiagnosticReport/no-such", kEmergency, kEmergencyClient)));
  const std::uint64_t emergencies = service_->emergencies();
  const auto response = Get(Report(), kEmergency, kEmergencyClient);
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(service_->emergencies(), emergencies + 1);
  const Json audit = Audit(DisclosureIn(response));
  EXPECT_EQ(audit["subtype"][1].TextOf("code"), "BTG");
  EXPECT_EQ(audit.TextOf("outcomeDesc"), "Emergency without consent: unconscious after a fall");
  EXPECT_EQ(audit["agent"][2].TextOf("name"), "Dr. Ana Ruiz");
  EXPECT_EQ(audit["agent"][1]["who"].TextOf("display"), "beta");
  EXPECT_EQ(audit["agent"][0]["who"].TextOf("display"), "alpha");
  EXPECT_FALSE(audit.TextOf("recorded").empty());
  EXPECT_EQ(Check(ExplanationIn(audit)), absl::OkStatus());
  EXPECT_EQ(ExplanationIn(audit)["decision"].TextOf("reason"), "no-permission");
  // The policy does not open an explicit denial.
  PutConsent("", "active", "deny");
  EXPECT_TRUE(IsNone(Get(Report(), kEmergency, kEmergencyClient)));
  // And the patient sees who tried, and what they said it was for.
  const std::size_t stored = Stored("AuditEvent").size();
  ASSERT_TRUE(refusals_.Keep().ok());
  for (int batch = 0; batch < 8; ++batch) ASSERT_TRUE(refusals_.WriteBatches().ok());
  std::vector<std::string> told;
  for (const OpenedRecord& refused : Stored("AuditEvent"))
    if (refused.parsed->TextOf("outcome") == "8")
      told.push_back(absl::StrCat(refused.parsed->TextOf("outcomeDesc"), " | ", (*refused.parsed)["agent"][1].TextOf("name")));
  EXPECT_GT(Stored("AuditEvent").size(), stored);
  EXPECT_THAT(told, ::testing::Contains("Refused: a consent denies it. An emergency was stated: unconscious after a fall | Dr. Ana Ruiz"));
  EXPECT_THAT(told, ::testing::Contains("Refused: a consent denies it | "));
  // Where consent permits, no glass is broken; who looked is kept all the same.
  PutConsent();
  const Json permitted = Audit(DisclosureIn(Get(Report(), kEmergency, kEmergencyClient)));
  EXPECT_EQ(permitted.TextOf("outcomeDesc"), "Permitted by the patient's consent");
  EXPECT_EQ(permitted["agent"][2]["who"].TextOf("display"), "Dr. Ana Ruiz");
}

TEST_F(ConsentDisclosure, AnEmergencyOpensASensitiveRecordOnlyByItsLabel) {
  PutReport(Tag("42CFRPart2"));
  PutConsent();
  SetRules(",,withheld,yes,x\n");
  EXPECT_TRUE(IsNone(Get(Report(), kEmergency, kEmergencyClient)));
  SetRules(",42CFRPart2,withheld,yes,42 CFR 2.51\n");
  const auto response = Get(Report(), kEmergency, kEmergencyClient);
  const Json provenance = TestWorld::Body(Get("Provenance/" + DisclosureIn(response), {}, kEmergencyClient), 200);
  EXPECT_THAT(provenance["text"].TextOf("div"), HasSubstr("without consent, in a medical emergency only (42 CFR 2.51)"));
}

TEST_F(ConsentDisclosure, RefusalsAreWrittenInBatchesOfOneSizeWhetherThereWereAnyOrNot) {
  PutReport();
  PutConsent("", "active", "deny");
  const auto rows = [] { return std::stoi(world_->database("alpha").One("SELECT count(*) FROM exchange.record")); };
  const std::uint64_t size = LogSize();
  const int stored = rows();
  EXPECT_TRUE(IsNone(Get(Report())));
  EXPECT_TRUE(IsNone(Get(Report())));
  // Nothing shows when it happened.
  EXPECT_EQ(LogSize(), size);
  const auto batch = [&] {
    const std::uint64_t before = LogSize();
    const int records = rows();
    EXPECT_TRUE(refusals_.Keep().ok());
    EXPECT_TRUE(refusals_.WriteBatches().ok());
    return std::pair(LogSize() - before, rows() - records);
  };
  EXPECT_EQ(batch(), std::pair(std::uint64_t{2}, 4));
  EXPECT_EQ(batch(), std::pair(std::uint64_t{2}, 4));
  EXPECT_EQ(rows(), stored + 8);
  const std::vector<OpenedRecord> audits = Stored("AuditEvent");
  ASSERT_EQ(audits.size(), 2u);
  const Json audit = Audit(audits[0].id);
  EXPECT_EQ(audit["meta"]["profile"][0].text(), "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.AuthZconsent");
  EXPECT_EQ(audit.TextOf("outcome"), "8");
  EXPECT_EQ(audit.TextOf("outcomeDesc"), "Refused: a consent denies it");
  EXPECT_EQ(audit["agent"][2]["who"]["identifier"].TextOf("value"), "beta");
  EXPECT_EQ(audit["entity"][1]["what"].TextOf("reference"), absl::StrCat("Consent/", id_, "/_history/1"));
  EXPECT_EQ(audit["entity"][1]["detail"][1].TextOf("valueString"), absl::StrCat("custodian.example/p/00000000000000aa#", size));
  EXPECT_EQ(Check(ExplanationIn(audit)), absl::OkStatus());
  tenants::LogReader log("custodian.example/p/00000000000000aa", *world_->partition("alpha").database);
  const auto leaves = log.Leaves(size, 4);
  ASSERT_TRUE(leaves.ok()) << leaves.status();
  const auto full = ledger::ParseLeaf((*leaves)[0]), empty = ledger::ParseLeaf((*leaves)[2]);
  EXPECT_EQ(full->entry.kind(), ledger::v1::KIND_DISCLOSURES_REFUSED);
  EXPECT_EQ((*leaves)[0].size(), (*leaves)[2].size());
  EXPECT_EQ((*leaves)[1].size(), (*leaves)[3].size());
}

TEST_F(ConsentDisclosure, ARefusalThatWasKeptOutlivesTheProcess) {
  PutReport();
  EXPECT_TRUE(IsNone(Get(Report())));
  const std::uint64_t size = LogSize();
  ASSERT_TRUE(refusals_.Keep().ok());
  EXPECT_EQ(LogSize(), size) << "nothing shows when it happened";
  EXPECT_THAT(Stored("AuditEvent"), ::testing::IsEmpty());
  Refusals next({.batch = 4, .waiting_max = 5}, world_->partitions(), world_->sealer(), world_->records());
  ASSERT_TRUE(next.WriteBatches().ok());
  ASSERT_EQ(Stored("AuditEvent").size(), 1u);
  EXPECT_EQ(Audit(Stored("AuditEvent")[0].id).TextOf("outcomeDesc"), "Refused: no consent permits it");
  EXPECT_EQ(world_->database("alpha").One("SELECT count(*) FROM exchange.refusal"), "0");
}

TEST_F(ConsentDisclosure, ABatchThatACrashLeftIsWrittenOnce) {
  PutReport();
  const testing::TestDatabase& alpha = world_->database("alpha");
  EXPECT_TRUE(IsNone(Get(Report())));
  ASSERT_TRUE(refusals_.Keep().ok());
  // Taken, and the process dies before it is written; what comes later waits for the next.
  const auto batch = RefusalStore(*world_->partition("alpha").database).Take(4);
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->refusals.size(), 1u);
  EXPECT_TRUE(IsNone(Get(Report())));
  ASSERT_TRUE(refusals_.Keep().ok());
  ASSERT_TRUE(alpha.Sql("CREATE TABLE exchange.refusal_left AS SELECT * FROM exchange.refusal").ok());
  ASSERT_TRUE(refusals_.WriteBatches().ok());
  EXPECT_EQ(Stored("AuditEvent").size(), 1u);
  // Written, and the process dies before it is finished.
  ASSERT_TRUE(alpha.Sql("INSERT INTO exchange.refusal SELECT * FROM exchange.refusal_left WHERE batch IS NOT NULL").ok());
  ASSERT_TRUE(alpha.Sql("DROP TABLE exchange.refusal_left").ok());
  const std::uint64_t size = LogSize();
  ASSERT_TRUE(refusals_.WriteBatches().ok());
  EXPECT_EQ(LogSize(), size);
  EXPECT_EQ(Stored("AuditEvent").size(), 1u);
  ASSERT_TRUE(refusals_.WriteBatches().ok());
  EXPECT_EQ(Stored("AuditEvent").size(), 2u);
}

TEST_F(ConsentDisclosure, MoreRefusalsThanMayWaitAreCounted) {
  PutReport();
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(IsNone(Get(Report())));
  EXPECT_EQ(refusals_.dropped(), 2u);
  ASSERT_TRUE(refusals_.Keep().ok());
  ASSERT_TRUE(refusals_.WriteBatches().ok());
  EXPECT_EQ(Stored("AuditEvent").size(), 4u);
  // Those that are kept count.
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(IsNone(Get(Report())));
  ASSERT_TRUE(refusals_.Keep().ok());
  EXPECT_EQ(refusals_.dropped(), 3u);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(refusals_.WriteBatches().ok());
  EXPECT_EQ(Stored("AuditEvent").size(), 9u);
}

}  // namespace
}  // namespace custodian::exchange
