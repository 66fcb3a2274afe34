// What the tests of order checks, cards and their feedback share: over real PostgreSQL and a real key process alpha holds results and beta
// orders. One world for all of them; each test has a patient of its own.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CDS_HOOKS_WORLD_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CDS_HOOKS_WORLD_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "ledger/entry.h"
#include "services/exchange/cds_hooks.h"
#include "services/exchange/detail.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/test_jwt.h"
#include "services/exchange/test_world.h"
#include "tenants/log_reader.h"

namespace custodian::exchange {

using ledger::v1::Entry;

inline constexpr char kCdsTable[] =
    "class_id,label,modality,body_region,laterality_required,contrast,loinc,rsna_rpid,mode,setting,min_age_years,reuse_days,"
    "observe_days,"
    "reversal_set,clinical_source,approved_by\n"
    "mr-knee-wo,MR knee without contrast,MR,knee,yes,without,30691-0,,suggest,ambulatory,18,90,90,mr-knee-wo,,\n"
    "ct-chest-wo,CT chest without contrast,CT,chest,no,without,29252-4,,suggest,ambulatory,18,30,30,ct-chest-wo,A source,A "
    "committee\n"
    "ct-chest-w,CT chest with contrast,CT,chest,no,with,24628-0,,info,ambulatory,18,30,30,ct-chest-w,,\n"
    "xr-chest-2v,X-ray chest,DX,chest,no,none,36643-5,,off,ambulatory,18,7,30,xr-chest-2v,,\n";

inline constexpr char kPublicUrl[] = "https://host";

// A key process and five databases take a second: one world for the whole suite.
class CdsHooksTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = new TestWorld();
    for (const char* name : {"alpha", "beta"}) {
      const std::string jwks = absl::StrCat(R"({"keys":[)", TestJwk::Elliptic("ec", false), "]}");
      ASSERT_TRUE(world_->network()
                      .Sql(absl::StrCat("UPDATE registry.tenant SET cds_jwks = '", jwks, "' WHERE name = '", name, "'"))
                      .ok());
    }
    ASSERT_TRUE(world_->registry().Load().ok());
    table_ = new std::shared_ptr<const ExamTable>(std::make_shared<const ExamTable>(*ExamTable::Parse(kCdsTable)));
  }
  static void TearDownTestSuite() {
    delete world_;
    delete table_;
  }

  CdsHooksTest() {
    hooks_ = MakeHooks(Patient());
    const std::string test = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    // A family and a home of its own, so that patients of two tests are never one person.
    family_ = absl::StrCat("Roe", test);
    patient_ = absl::StrCat("p-", HexEncode(RandomBytes(6)));
  }

  // A loaded machine may be slow; what the deadline does has a test of its own.
  static CdsHooks::Options Patient() { return {.deadline = absl::Minutes(1)}; }
  static std::unique_ptr<CdsHooks> MakeHooks(CdsHooks::Options options) { return MakeHooks(options, world_->parts()); }
  static std::unique_ptr<CdsHooks> MakeHooks(CdsHooks::Options options, const ExchangeParts& parts) {
    return std::make_unique<CdsHooks>(options, parts, machine_clock_, [](const TenantId&) { return *table_; }, FindClient, key_sets_);
  }

  static std::optional<CdsClient> FindClient(std::string_view issuer, std::string_view cds_tenant) {
    auto tenant = world_->registry().FindByCdsIssuer(issuer, cds_tenant);
    if (!tenant) return std::nullopt;
    return CdsClient{*tenant, KeySource{tenant->cds_jwks, {}}, fhir_servers_};
  }

  // FHIR at the tenant's own client.
  void Put(const std::string& tenant, const std::string& type, const std::string& id, const std::string& json) {
    const auto response = world_->Send(tenant, tenant, "PUT", absl::StrCat(type, "/", id), json);
    ASSERT_TRUE(response.status == 200 || response.status == 201) << response.body;
  }
  void AddPatient(const std::string& tenant) {
    Put(tenant, "Patient", patient_,
        absl::StrCat(R"({"resourceType":"Patient","id":")", patient_,
                     R"(","gender":"female","birthDate":"1970-04-05","name":[{"family":")", family_,
                     R"(","given":["Jane"]}],"address":[{"line":["12 )", family_, R"( Street"],"city":"Zion"}]})"));
  }
  void AddReport(const std::string& tenant, const std::string& code = "29252-4", const std::string& status = "final",
                 absl::Duration age = absl::Hours(48)) {
    Put(tenant, "DiagnosticReport", "report-" + patient_,
        absl::StrCat(
            R"({"resourceType":"DiagnosticReport","id":"report-)", patient_, R"(","status":")", status,
            R"(","code":{"coding":[{"system":"http://loinc.org","code":")", code, R"("}]},"subject":{"reference":"Patient/)",
            patient_, R"("},"effectiveDateTime":")", FormatInstant(world_->clock().Now() - age),
            R"(","identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"ACSN"}]},"system":"urn:accession:)",
            tenant, R"(","value":"A-)", patient_, R"("}]})"));
  }
  // A report in a second chart of alpha's, which nothing but its merge joins with the first.
  void AddMergedReport() {
    const std::string second = "merged-" + patient_;
    Put("alpha", "Patient", second,
        absl::StrCat(R"({"resourceType":"Patient","id":")", second, R"(","birthDate":"1970-04-05","name":[{"family":"Maiden)", family_,
                     R"(","given":["Jane"]}],"link":[{"other":{"reference":"Patient/)", patient_, R"("},"type":"replaced-by"}]})"));
    Put("alpha", "DiagnosticReport", "report-" + patient_,
        absl::StrCat(R"({"resourceType":"DiagnosticReport","id":"report-)", patient_,
                     R"(","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"29252-4"}]},"subject":{"reference":"Patient/)", second,
                     R"("},"effectiveDateTime":")", FormatInstant(world_->clock().Now() - absl::Hours(48)), R"("})"));
  }
  void AddConsent(const std::string& type = "permit", const std::string& status = "active") {
    Put("alpha", "Consent", "consent-" + patient_,
        absl::StrCat(
            R"({"resourceType":"Consent","id":"consent-)", patient_, R"(","status":")", status,
            R"(","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},)",
            R"("category":[{"text":"privacy"}],"policyRule":{"coding":[{"code":"OPTIN"}]},"patient":{"reference":"Patient/)",
            patient_, R"("},"provision":{"type":")", type,
            R"(","actor":[{"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},)",
            R"("reference":{"identifier":{"system":"urn:org","value":"beta"}}}],)",
            R"("purpose":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}]}})"));
  }
  void AddEverything() {
    AddPatient("alpha");
    AddPatient("beta");
    AddReport("alpha");
    AddConsent();
  }

  [[nodiscard]] std::string OrderBody(const std::string& hook_instance, const std::string& code = "29252-4",
                                      const std::string& hook = "order-sign", bool prefetch = true) const {
    return absl::StrCat(
        R"({"hook":")", hook, R"(","hookInstance":")", hook_instance, R"(","context":{"userId":"Practitioner/u","patientId":")",
        patient_, R"(","encounterId":"e","selections":["ServiceRequest/o-)", patient_,
        R"("],"draftOrders":{"resourceType":"Bundle","entry":[{"resource":{)", R"("resourceType":"ServiceRequest","id":"o-)",
        patient_, R"(","identifier":[{"system":"urn:orders","value":")", patient_,
        R"("}],"status":"draft","intent":"order","code":{"coding":[{"system":"http://loinc.org","code":")", code,
        R"("}]},"subject":{"reference":"Patient/)", patient_, R"("}}}]}})",
        prefetch ? absl::StrCat(R"(,"prefetch":{"patient":{"resourceType":"Patient","id":")", patient_,
                                R"(","birthDate":"1970-04-05"},"encounter":{"resourceType":"Encounter","class":{"code":"AMB"}},)"
                                R"("conditions":{"resourceType":"Bundle"}})")
                 : absl::StrCat(R"(,"prefetch":{"patient":{"resourceType":"Patient","id":")", patient_, R"(","birthDate":"1970-04-05"}})"),
        "}");
  }

  // A token of the tenant for a URL; `claims` replaces, `header` too.
  static std::string Token(const std::string& tenant, const std::string& url, const std::string& jti = "",
                           const Json& changes = Json()) {
    const auto now = absl::ToUnixSeconds(absl::Now());
    Json payload = Json::Object({{"iss", Json::String("https://ehr." + tenant)},
                                 {"tenant", Json::String(tenant)},
                                 {"aud", Json::String(url)},
                                 {"iat", Json::Integer(now)},
                                 {"exp", Json::Integer(now + 200)},
                                 {"jti", Json::String(jti.empty() ? HexEncode(RandomBytes(16)) : jti)}});
    std::string header = R"({"alg":"ES384","kid":"ec"})";
    std::string key = TestJwk::Elliptic("ec", true);
    for (const Json::Member& change : changes.members()) {
      if (change.name == "key") {
        key = TestJwk::Stranger("ec", true);
      } else if (change.name == "header") {
        header = change.value.Text();
      } else if (change.name == "exp_seconds") {
        std::int64_t seconds = 0;
        EXPECT_TRUE(absl::SimpleAtoi(change.value.text(), &seconds));
        payload.Set("exp", Json::Integer(now + seconds));
        payload.Set("iat", Json::Integer(std::min(now, now + seconds - 1)));
      } else {
        payload.Set(change.name, change.value);
      }
    }
    return TestJwk::Sign(key, header, payload.Text());
  }
  static std::string Path(const std::string& tenant, const std::string& rest) {
    return absl::StrCat("/cds/", world_->partition(tenant).tenant.id.text(), "/", rest);
  }
  static rpc::HttpResponse Send(CdsHooks& hooks, const std::string& tenant, const std::string& method, const std::string& rest,
                                const std::string& body = "", const std::string& token = "") {
    rpc::HttpRequest request;
    request.method = method;
    request.path = Path(tenant, rest);
    request.headers = {{"authorization", "Bearer " + (token.empty() ? Token(tenant, kPublicUrl + request.path) : token)}};
    request.body = body;
    return hooks.Handle(request);
  }
  rpc::HttpResponse Order(const std::string& body, const std::string& token = "") {
    return Send(*hooks_, "beta", "POST", "cds-services/prior-results", body, token);
  }
  rpc::HttpResponse Feedback(const std::string& body, const std::string& tenant = "beta") {
    return Send(*hooks_, tenant, "POST", "cds-services/prior-results/feedback", body);
  }
  static std::string FeedbackBody(const Json& card, const std::string& outcome, absl::Time t,
                                  const std::string& suggestion = "") {
    return absl::StrCat(
        R"({"feedback":[{"card":")", card.TextOf("uuid"), R"(","outcome":")", outcome, R"(","acceptedSuggestions":[)",
        outcome == "accepted"
            ? absl::StrCat(R"({"id":")", suggestion.empty() ? card["suggestions"][0].TextOf("uuid") : suggestion, "\"}")
            : "",
        R"(],"outcomeTimestamp":")", FormatInstant(t), "\"}]}");
  }
  // The one card of an answer; null when there is none.
  static Json CardIn(const rpc::HttpResponse& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    const auto json = Json::Parse(response.body);
    EXPECT_TRUE(json.ok());
    return (*json)["cards"][0];
  }

  // Entries of a tenant's log from `first` on.
  static std::vector<Entry> Entries(const std::string& tenant, std::uint64_t first) {
    const tenants::Partition& partition = world_->partition(tenant);
    const tenants::LogReader reader(partition.tenant.origin, *partition.database);
    const std::uint64_t size = partition.writer->size();
    const auto leaves = reader.Leaves(first, size - first);
    EXPECT_TRUE(leaves.ok()) << leaves.status();
    std::vector<Entry> entries;
    for (const std::string& leaf : *leaves) {
      ledger::v1::SignedEntry signed_entry;
      Entry entry;
      EXPECT_TRUE(signed_entry.ParseFromString(leaf) && entry.ParseFromString(signed_entry.entry_bytes()));
      // Anchors follow the governance log, not the calls.
      if (entry.kind() != ledger::v1::KIND_ANCHOR) entries.push_back(entry);
    }
    return entries;
  }
  static std::uint64_t SizeOf(const std::string& tenant) { return world_->partition(tenant).writer->size(); }
  static Json DetailOf(const std::string& tenant, const Entry& entry) {
    const auto detail =
        OpenDetail(world_->sealer(), {world_->partition(tenant).tenant.id, *PatientId::FromBytes(entry.subject()), "", 1},
                   entry.sealed_detail(), entry.detail_commitment());
    EXPECT_TRUE(detail.ok()) << detail.status();
    return *Json::Parse(*detail);
  }
  // Rows of every table that checks and feedback write.
  static std::string AllCounts(const std::string& tenant) {
    std::string sql = "SELECT concat_ws(' '";
    for (const char* table : {"exchange.check_answer", "exchange.card", "exchange.card_outcome", "exchange.jti",
                              "exchange.order_check", "exchange.order_state", "savings.fact", "ledger.outbox"})
      absl::StrAppend(&sql, ", (SELECT count(*) FROM ", table, ")");
    return world_->database(tenant).One(sql + ")");
  }

  static inline TestWorld* world_ = nullptr;
  static inline std::shared_ptr<const ExamTable>* table_ = nullptr;
  static inline MachineClock machine_clock_;
  static inline std::vector<std::string> fhir_servers_;
  static inline KeySets key_sets_{[](const std::string&) { return absl::UnavailableError("nobody is asked"); }, machine_clock_};
  std::unique_ptr<CdsHooks> hooks_;
  std::string family_;
  std::string patient_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CDS_HOOKS_WORLD_H_
