// Order checks and feedback over real PostgreSQL and a real key process: alpha holds results, beta orders.
#include "services/exchange/cds_hooks.h"

#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "ledger/entry.h"
#include "services/exchange/card.h"
#include "services/exchange/card_link.h"
#include "services/exchange/detail.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/order_feed.h"
#include "services/exchange/test_jwt.h"
#include "services/exchange/test_world.h"
#include "tenants/log_reader.h"

namespace custodian::exchange {
namespace {

using ledger::v1::Entry;

constexpr char kTable[] =
    "class_id,label,modality,body_region,laterality_required,contrast,loinc,rsna_rpid,mode,setting,min_age_years,reuse_days,"
    "observe_days,"
    "reversal_set,clinical_source,approved_by\n"
    "mr-knee-wo,MR knee without contrast,MR,knee,yes,without,30691-0,,suggest,ambulatory,18,90,90,mr-knee-wo,,\n"
    "ct-chest-wo,CT chest without contrast,CT,chest,no,without,29252-4,,suggest,ambulatory,18,30,30,ct-chest-wo,A source,A "
    "committee\n"
    "ct-chest-w,CT chest with contrast,CT,chest,no,with,24628-0,,info,ambulatory,18,30,30,ct-chest-w,,\n"
    "xr-chest-2v,X-ray chest,DX,chest,no,none,36643-5,,off,ambulatory,18,7,30,xr-chest-2v,,\n";

constexpr char kPublicUrl[] = "https://host";

// The key process, with something that happens just before patient keys are first unwrapped: after a consent version was read, and
// before anything is decided on it.
class InterruptingKeys final : public keys::KeyClient {
 public:
  InterruptingKeys(keys::KeyClient& real, TenantId tenant, std::function<void()> interruption)
      : real_(real), tenant_(std::move(tenant)), interruption_(std::move(interruption)) {}

  absl::StatusOr<std::string> CreateTenant(const TenantId& tenant, std::string_view origin,
                                           const keys::KeyPlacement& placement) override {
    return real_.CreateTenant(tenant, origin, placement);
  }
  absl::StatusOr<std::string> CreateLogKey(std::string_view origin) override { return real_.CreateLogKey(origin); }
  absl::StatusOr<std::vector<keys::StoredKey>> CreatePatientKeys(const TenantId& tenant, std::span<const PatientId> patients) override {
    return real_.CreatePatientKeys(tenant, patients);
  }
  absl::StatusOr<std::vector<keys::Secret>> UnwrapPatientKeys(const TenantId& tenant, std::span<const PatientId> patients,
                                                              std::string_view purpose) override {
    if (tenant == tenant_ && interruption_ != nullptr) std::exchange(interruption_, nullptr)();
    return real_.UnwrapPatientKeys(tenant, patients, purpose);
  }
  absl::StatusOr<std::vector<std::string>> LocatorTokens(const TenantId& tenant, std::span<const std::string> values) override {
    return real_.LocatorTokens(tenant, values);
  }
  absl::StatusOr<keys::Secret> IndexKey(const TenantId& tenant) override { return real_.IndexKey(tenant); }
  absl::StatusOr<std::string> SignCheckpoint(std::string_view origin, std::uint64_t size, const ledger::Hash& root) override {
    return real_.SignCheckpoint(origin, size, root);
  }
  absl::StatusOr<keys::KeyStatus> Status() override { return real_.Status(); }

 private:
  keys::KeyClient& real_;
  const TenantId tenant_;
  std::function<void()> interruption_;
};

// One world for the whole suite (a key process and five databases take a second); each test has a patient of its own.
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
    table_ = new std::shared_ptr<const ExamTable>(std::make_shared<const ExamTable>(*ExamTable::Parse(kTable)));
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

TEST_F(CdsHooksTest, DiscoveryNeedsATokenAndListsBothHooks) {
  const auto response = Send(*hooks_, "beta", "GET", "cds-services");
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.body.find("\"order-select\""), std::string::npos);
  EXPECT_NE(response.body.find("\"order-sign\""), std::string::npos);
  rpc::HttpRequest bare;
  bare.method = "GET";
  bare.path = Path("beta", "cds-services");
  EXPECT_EQ(hooks_->Handle(bare).status, 401);
}

TEST_F(CdsHooksTest, APriorElsewhereIsDisclosedRecordedAndShownInThatOrder) {
  AddEverything();
  const std::uint64_t alpha = SizeOf("alpha"), beta = SizeOf("beta");
  const ExchangeCounts before = *hooks_->Counts(world_->partition("beta").tenant.id);
  const auto response = Order(OrderBody("first-" + patient_));
  const Json card = CardIn(response);
  EXPECT_EQ(card.TextOf("summary"), "CT chest without contrast of 2026-01-13 is available from alpha");
  EXPECT_EQ(card.TextOf("indicator"), "info");
  EXPECT_EQ(card["suggestions"][0]["actions"][0].TextOf("type"), "delete");
  EXPECT_EQ(card["suggestions"][0]["actions"][0].TextOf("resourceId"), "ServiceRequest/o-" + patient_);
  // Opaque: neither the source nor the result shows in it.
  const std::string url = card["links"][0].TextOf("url");
  EXPECT_TRUE(url.starts_with("https://host/cds/00000000000000bb/cards/")) << url;
  EXPECT_EQ(url.find(patient_), std::string::npos);
  EXPECT_EQ(url.find("00000000000000aa"), std::string::npos);
  EXPECT_NE(card.TextOf("detail").find("Basis: A source."), std::string::npos);
  EXPECT_EQ(response.body.find(family_), std::string::npos);

  const auto disclosed = Entries("alpha", alpha);
  // And the patient's AuditEvent.
  ASSERT_EQ(disclosed.size(), 2u);
  EXPECT_EQ(disclosed[0].kind(), ledger::v1::KIND_DISCLOSURE);
  EXPECT_EQ(disclosed[1].kind(), ledger::v1::KIND_RECORD_STORED);
  EXPECT_EQ(DetailOf("alpha", disclosed[0]).TextOf("tenant"), "00000000000000bb");
  EXPECT_EQ(DetailOf("alpha", disclosed[0]).TextOf("resource"), "DiagnosticReport/report-" + patient_ + "/_history/1");
  const auto recorded = Entries("beta", beta);
  ASSERT_EQ(recorded.size(), 2u);
  EXPECT_EQ(recorded[0].kind(), ledger::v1::KIND_ORDER_CHECKED);
  EXPECT_EQ(DetailOf("beta", recorded[0]).TextOf("outcome"), "card");
  EXPECT_EQ(DetailOf("beta", recorded[0]).TextOf("order"), "urn:orders|" + patient_);
  EXPECT_EQ(recorded[1].kind(), ledger::v1::KIND_CARD_SHOWN);
  EXPECT_EQ(DetailOf("beta", recorded[1]).TextOf("card"), card.TextOf("uuid"));
  EXPECT_TRUE(recorded[1].reported());
  const ExchangeCounts after = *hooks_->Counts(world_->partition("beta").tenant.id);
  EXPECT_EQ(after.checked, before.checked + 1);
  EXPECT_EQ(after.shown, before.shown + 1);
}

TEST_F(CdsHooksTest, WhateverTheReasonAnAnswerWithoutCardIsTheSame) {
  // Patients of cases of their own; each asks once for the same kind of order.
  struct Case {
    std::string outcome;
    rpc::HttpResponse response;
    std::string entries;
    std::uint64_t disclosed = 0;
  };
  std::vector<Case> cases;
  const auto ask = [&](const std::string& outcome, const std::string& code) {
    const std::uint64_t alpha = SizeOf("alpha"), beta = SizeOf("beta");
    const std::vector<std::string> before = absl::StrSplit(AllCounts("beta"), ' ');
    Case one{outcome, Order(OrderBody("i-" + patient_, code)), "", 0};
    one.disclosed = SizeOf("alpha") - alpha;
    // Rows that came, table by table.
    const std::vector<std::string> after = absl::StrSplit(AllCounts("beta"), ' ');
    for (std::size_t i = 0; i < after.size(); ++i) absl::StrAppend(&one.entries, std::stoi(after[i]) - std::stoi(before[i]), " ");
    for (const Entry& entry : Entries("beta", beta)) {
      // Sizes: only the counter's and the time's own digits may differ.
      absl::StrAppend(&one.entries, ledger::v1::Kind_Name(entry.kind()), " ", entry.sealed_detail().size(), " ",
                      entry.record_sha256_size(), " ", entry.subject().size(), " ", entry.detail_commitment().size(), ";");
      EXPECT_EQ(DetailOf("beta", entry).TextOf("outcome"), outcome);
    }
    std::string sealed = world_->database("beta").One(
        "SELECT string_agg(DISTINCT octet_length(sealed)::text, ',') FROM exchange.check_answer WHERE entry_index >= " +
        std::to_string(beta));
    absl::StrAppend(&one.entries, " sealed ", sealed);
    cases.push_back(one);
    // Another person: two of one name and address would veto each other.
    patient_ += "x";
    family_ += "x";
  };
  // The tenant's pseudo patient gets its key with its first record or check.
  Put("beta", "Organization", "o", R"({"resourceType":"Organization","id":"o","name":"Beta"})");
  ask("unknown-patient", "29252-4");
  AddPatient("beta");
  ask("no-prior", "29252-4");
  AddPatient("beta"), AddPatient("alpha"), AddReport("alpha");
  ask("no-prior", "29252-4");
  AddPatient("beta"), AddPatient("alpha"), AddReport("alpha"), AddConsent("deny");
  ask("no-prior", "29252-4");
  AddPatient("beta"), AddPatient("alpha"), AddReport("alpha"), AddConsent("permit", "inactive");
  ask("no-prior", "29252-4");
  AddEverything();
  ask("off", "36643-5");
  AddEverything();
  ask("unknown-class", "1-8");
  AddEverything(), AddReport("beta");
  ask("own-prior", "29252-4");
  AddPatient("beta"), AddPatient("alpha"), AddReport("alpha", "30691-0"), AddConsent();
  ask("no-prior", "30691-0");
  for (const Case& one : cases) {
    EXPECT_EQ(one.response.status, 200) << one.outcome;
    EXPECT_EQ(one.response.body, "{\"cards\":[]}") << one.outcome;
    EXPECT_EQ(one.response.headers, cases[0].response.headers) << one.outcome;
    EXPECT_EQ(one.entries, cases[0].entries) << one.outcome;
    EXPECT_EQ(one.disclosed, 0u) << one.outcome;
    EXPECT_EQ(one.entries.find("1 0 0 1 1 1 0 0 KIND_ORDER_CHECKED 2092 1 16 32;"), 0u) << one.entries;
  }
}

TEST_F(CdsHooksTest, AResendWithANewTokenGetsTheFirstAnswerAndChangesNothing) {
  AddEverything();
  const std::string body = OrderBody("again-" + patient_);
  const auto first = Order(body);
  EXPECT_FALSE(CardIn(first).is_null());
  // Consent is gone meanwhile: the first answer stands all the same.
  AddConsent("permit", "inactive");
  const std::uint64_t alpha = SizeOf("alpha"), beta = SizeOf("beta");
  const auto second = Order(body);
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(SizeOf("alpha"), alpha);
  EXPECT_EQ(SizeOf("beta"), beta);
  const auto other = Order(OrderBody("again-" + patient_, "36643-5"));
  EXPECT_EQ(other.status, 400);
  EXPECT_NE(other.body.find("hookInstance was used before"), std::string::npos);
  EXPECT_EQ(SizeOf("beta"), beta);
}

TEST_F(CdsHooksTest, AReplayedTokenIsRefusedAlsoAfterARestart) {
  AddEverything();
  const std::string url = kPublicUrl + Path("beta", "cds-services/prior-results");
  const std::string token = Token("beta", url);
  EXPECT_EQ(Order(OrderBody("one-" + patient_), token).status, 200);
  EXPECT_EQ(Order(OrderBody("one-" + patient_), token).status, 401);
  EXPECT_EQ(Order(OrderBody("two-" + patient_), token).status, 401);
  hooks_ = MakeHooks(Patient());
  const std::uint64_t alpha = SizeOf("alpha"), beta = SizeOf("beta");
  const auto replayed = Order(OrderBody("two-" + patient_), token);
  EXPECT_EQ(replayed.status, 401);
  EXPECT_NE(replayed.body.find("used before"), std::string::npos);
  EXPECT_EQ(SizeOf("alpha"), alpha);
  EXPECT_EQ(SizeOf("beta"), beta);
  // A resend's token too is remembered.
  const std::string resend = Token("beta", url);
  EXPECT_EQ(Order(OrderBody("one-" + patient_), resend).status, 200);
  hooks_ = MakeHooks(Patient());
  EXPECT_EQ(Order(OrderBody("one-" + patient_), resend).status, 401);
}

TEST_F(CdsHooksTest, WithoutAllPrefetchOrInModeInfoTheCardOnlyInforms) {
  AddEverything();
  Json card = CardIn(Order(OrderBody("bare-" + patient_, "29252-4", "order-sign", /*prefetch=*/false)));
  EXPECT_FALSE(card.is_null());
  EXPECT_EQ(card.Find("suggestions"), nullptr);
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", world_->clock().Now(), "4e0a3a1e-3283-4575-ab82-028d55fe2719")).status, 400);
  EXPECT_EQ(Feedback(FeedbackBody(card, "overridden", world_->clock().Now())).status, 200);
  AddReport("alpha", "24628-0");
  card = CardIn(Order(OrderBody("info-" + patient_, "24628-0")));
  EXPECT_FALSE(card.is_null());
  EXPECT_EQ(card.Find("suggestions"), nullptr);
}

// The body without prefetch, naming a FHIR server.
std::string WithServer(const std::string& body, const std::string& server) {
  const std::size_t prefetch = body.find(",\"prefetch\"");
  return absl::StrCat(body.substr(0, prefetch), R"(,"fhirServer":")", server,
                      R"(","fhirAuthorization":{"access_token":"opaque","token_type":"Bearer","expires_in":300,"scope":"user/*.read","subject":"s"}})");
}

TEST_F(CdsHooksTest, WithoutThePatientTheAnswerIs412WhateverIsStored) {
  const auto bare = [this](const std::string& instance, const std::string& code) {
    const std::string body = OrderBody(instance + patient_, code);
    return Order(body.substr(0, body.find(",\"prefetch\"")) + "}");
  };
  const std::uint64_t size = SizeOf("beta");
  const auto unknown = bare("412-unknown-", "29252-4");
  AddEverything();
  const auto with_prior = bare("412-prior-", "29252-4");
  EXPECT_EQ(unknown.status, 412) << unknown.body;
  EXPECT_EQ(with_prior.status, 412);
  EXPECT_EQ(unknown.body, with_prior.body);
  EXPECT_EQ(Order(WithServer(OrderBody("412-server-" + patient_), "https://unregistered.example/fhir")).status, 412);
  // Nothing was recorded: the same call with the patient is checked afresh.
  EXPECT_GT(SizeOf("beta"), size);
  EXPECT_FALSE(CardIn(Order(OrderBody("412-prior-" + patient_))).is_null());
  // Nobody needs data for an order that nothing is offered for.
  EXPECT_EQ(bare("412-off-", "36643-5").status, 200);
  EXPECT_EQ(bare("412-none-", "12345-6").status, 200);
}

TEST_F(CdsHooksTest, WhatWasNotSentIsAskedOfARegisteredServer) {
  AddEverything();
  std::vector<std::string> asked;
  CdsHooks::Options options = Patient();
  options.fetch = [&](absl::Duration timeout, const std::string& url,
                      const std::vector<std::pair<std::string, std::string>>& headers) -> absl::StatusOr<rpc::HttpResponse> {
    EXPECT_GT(timeout, absl::ZeroDuration());
    EXPECT_EQ(headers[0].second, "Bearer opaque");
    asked.push_back(url);
    if (url.find("/Patient/") != std::string::npos)
      return rpc::HttpResponse{200, {}, absl::StrCat(R"({"resourceType":"Patient","id":")", patient_, R"(","birthDate":"1970-04-05"})")};
    if (url.find("/Encounter/") != std::string::npos)
      return rpc::HttpResponse{200, {}, R"({"resourceType":"Encounter","id":"e","class":{"code":"AMB"}})"};
    return rpc::HttpResponse{200, {}, R"({"resourceType":"Bundle","type":"searchset"})"};
  };
  fhir_servers_ = {"https://ehr.example/fhir/"};
  const auto hooks = MakeHooks(options);
  const std::string body = WithServer(OrderBody("fetch-" + patient_), "https://ehr.example/fhir");
  const Json card = CardIn(Send(*hooks, "beta", "POST", "cds-services/prior-results", body));
  EXPECT_FALSE(card["suggestions"][0].TextOf("uuid").empty());
  EXPECT_EQ(asked, (std::vector<std::string>{absl::StrCat("https://ehr.example/fhir/Patient/", patient_), "https://ehr.example/fhir/Encounter/e",
                                             absl::StrCat("https://ehr.example/fhir/Condition?patient=", patient_, "&_count=200")}));
  // A resend gets the first answer and asks nobody.
  EXPECT_EQ(CardIn(Send(*hooks, "beta", "POST", "cds-services/prior-results", body)).TextOf("uuid"), card.TextOf("uuid"));
  EXPECT_EQ(asked.size(), 3u);

  // Another patient's record is not the patient's.
  options.fetch = [](absl::Duration, const std::string&, const std::vector<std::pair<std::string, std::string>>&) {
    return rpc::HttpResponse{200, {}, R"({"resourceType":"Patient","id":"somebody","birthDate":"1970-04-05"})"};
  };
  const auto wrong = MakeHooks(options);
  EXPECT_EQ(Send(*wrong, "beta", "POST", "cds-services/prior-results", WithServer(OrderBody("fetch-wrong-" + patient_), "https://ehr.example/fhir")).status,
            412);
  fhir_servers_.clear();
}

TEST_F(CdsHooksTest, AnswersWithoutCardsLeaveOnTheTickAndCardsAtOnce) {
  AddEverything();
  CdsHooks::Options options = Patient();
  options.tick = absl::Minutes(1);
  const auto hooks = MakeHooks(options);
  const absl::Time before = absl::Now();
  const auto none = Send(*hooks, "beta", "POST", "cds-services/prior-results", OrderBody("tick-none-" + patient_, "36643-5"));
  EXPECT_EQ(none.body, "{\"cards\":[]}");
  EXPECT_GE(none.not_before, before + options.tick);
  EXPECT_LE(none.not_before, absl::Now() + options.tick);
  const auto card = Send(*hooks, "beta", "POST", "cds-services/prior-results", OrderBody("tick-card-" + patient_));
  EXPECT_FALSE(CardIn(card).is_null());
  EXPECT_LE(card.not_before, absl::Now());
}

TEST_F(CdsHooksTest, AFollowedLinkIsCountedAndReadByConsent) {
  AddEverything();
  const Json card = CardIn(Order(OrderBody("link-" + patient_)));
  const CardLinks links(
      world_->partitions(), world_->sealer(),
      [](const rpc::HttpRequest& request) -> absl::StatusOr<FhirCaller> {
        const auto client = world_->registry().FindClient(request.peer_spiffe_id);
        if (!client) return absl::UnauthenticatedError("no");
        return FhirCaller{*client, std::nullopt};
      },
      [](const rpc::HttpRequest& request) { return world_->service().Handle(request); });
  const auto open = [&](const std::string& path, const std::string& who) {
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.peer_spiffe_id = who.empty() ? "" : TestWorld::ClientOf(who);
    const auto answer = links.Handle(request);
    EXPECT_TRUE(answer.has_value());
    return *answer;
  };
  const std::string path = card["links"][0].TextOf("url").substr(std::string(kPublicUrl).size());
  const std::uint64_t beta = SizeOf("beta");
  const std::uint64_t alpha = SizeOf("alpha");
  EXPECT_EQ(open(path, "").status, 401);
  EXPECT_EQ(open(path, "alpha").status, 404);
  EXPECT_EQ(open(path.substr(0, path.size() - 2) + "AA", "beta").status, 404);
  EXPECT_EQ(open("/cds/00000000000000bb/cards/", "beta").status, 404);
  EXPECT_EQ(SizeOf("beta"), beta);

  const auto opened = open(path, "beta");
  EXPECT_EQ(opened.status, 200) << opened.body;
  EXPECT_NE(opened.body.find("report-" + patient_), std::string::npos);
  EXPECT_NE(opened.body.find("\"Provenance\""), std::string::npos);
  const auto entries = Entries("beta", beta);
  // The link that was followed, and then the result that was read.
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].kind(), ledger::v1::KIND_CARD_OPENED);
  EXPECT_EQ(DetailOf("beta", entries[0]).TextOf("card"), card.TextOf("uuid"));
  EXPECT_EQ(DetailOf("beta", entries[1]).TextOf("resource"), "DiagnosticReport/report-" + patient_);
  EXPECT_GT(SizeOf("alpha"), alpha);
  const auto counts = hooks_->Counts(world_->partition("beta").tenant.id);
  EXPECT_GE(counts->opened, 1u);

  // The consent gone, the link leads to nothing, as one that never was.
  AddConsent("permit", "inactive");
  EXPECT_EQ(open(path, "beta").status, open("/cds/00000000000000bb/cards/x", "beta").status);
}

TEST_F(CdsHooksTest, TheOrderFeedIsInferredFromAndCountedApart) {
  AddEverything();
  const Json card = CardIn(Order(OrderBody("feed-" + patient_)));
  ASSERT_FALSE(card.is_null());
  const tenants::Partition& beta = world_->partition("beta");
  const auto infer = [&] {
    const auto patient = world_->records().FindPatient(beta.tenant.id, patient_);
    ASSERT_TRUE(patient.ok());
    const absl::Status status = InferOrders(beta, world_->records(), world_->sealer(), *patient);
    ASSERT_TRUE(status.ok()) << status;
  };
  const auto put = [&](const std::string& status) {
    Put("beta", "ServiceRequest", "o-" + patient_,
        absl::StrCat(R"({"resourceType":"ServiceRequest","id":"o-)", patient_, R"(","identifier":[{"system":"urn:orders","value":")", patient_,
                     R"("}],"status":")", status, R"(","intent":"order","code":{"coding":[{"system":"http://loinc.org","code":"29252-4"}]},)",
                     R"("subject":{"reference":"Patient/)", patient_, R"("}})"));
    infer();
  };
  const auto before = *hooks_->Counts(beta.tenant.id);
  put("active");
  EXPECT_EQ(hooks_->Counts(beta.tenant.id)->inferred_cancelled, before.inferred_cancelled);
  put("revoked");
  infer();
  auto counts = *hooks_->Counts(beta.tenant.id);
  EXPECT_EQ(counts.inferred_cancelled, before.inferred_cancelled + 1);
  EXPECT_EQ(counts.accepted, before.accepted);
  EXPECT_EQ(counts.overridden, before.overridden);
  // Feedback that comes after all knows better.
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", world_->clock().Now())).status, 200);
  counts = *hooks_->Counts(beta.tenant.id);
  EXPECT_EQ(counts.inferred_cancelled, before.inferred_cancelled);
  EXPECT_EQ(counts.accepted, before.accepted + 1);
}

TEST(OverrideReasons, AreMappedToTheBallots) {
  const auto hl7 = [](const std::string& system, const std::string& code) {
    return Hl7ReasonOf(Json::Object({{"reason", Json::Object({{"system", Json::String(system)}, {"code", Json::String(code)}})}}));
  };
  EXPECT_EQ(hl7(std::string(kOverrideReasons), "patient-preference"), "does-not-align-preferences");
  EXPECT_EQ(hl7(std::string(kOverrideReasons), "other"), "");
  EXPECT_EQ(hl7(std::string(kHl7OverrideReasons), "limited-time"), "limited-time");
  EXPECT_EQ(hl7("urn:another", "patient-preference"), "");
  EXPECT_EQ(Hl7ReasonOf(Json()), "");
}

TEST_F(CdsHooksTest, SelectAndSignOfOneOrderAreOneOrder) {
  AddEverything();
  const TenantId& beta = world_->partition("beta").tenant.id;
  const ExchangeCounts before = *hooks_->Counts(beta);
  EXPECT_FALSE(CardIn(Order(OrderBody("s1-" + patient_, "29252-4", "order-select"))).is_null());
  EXPECT_FALSE(CardIn(Order(OrderBody("s2-" + patient_, "29252-4", "order-sign"))).is_null());
  const ExchangeCounts after = *hooks_->Counts(beta);
  EXPECT_EQ(after.checked, before.checked + 1);
  EXPECT_EQ(after.shown, before.shown + 1);
}

TEST_F(CdsHooksTest, AnAcceptanceBindsOnceAndALaterOverrideWithdrawsIt) {
  AddEverything();
  const TenantId& tenant = world_->partition("beta").tenant.id;
  const Json card = CardIn(Order(OrderBody("fb-" + patient_)));
  const absl::Time shown = world_->clock().Now();
  world_->clock().Advance(absl::Seconds(30));
  const ExchangeCounts before = *hooks_->Counts(tenant);
  const std::uint64_t beta = SizeOf("beta");
  const int runs = world_->savings_runs();
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown + absl::Seconds(10))).status, 200);
  EXPECT_EQ(world_->savings_runs(), runs + 1);
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown + absl::Seconds(10))).status, 200);
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown + absl::Seconds(20))).status, 200);
  auto entries = Entries("beta", beta);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].kind(), ledger::v1::KIND_CARD_ACCEPTED);
  EXPECT_EQ(DetailOf("beta", entries[0]).TextOf("t"), FormatInstant(shown + absl::Seconds(10)));

  EXPECT_EQ(Feedback(FeedbackBody(card, "overridden", shown + absl::Seconds(25))).status, 200);
  EXPECT_EQ(Feedback(FeedbackBody(card, "overridden", shown + absl::Seconds(26))).status, 200);
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown + absl::Seconds(28))).status, 200);
  entries = Entries("beta", beta);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].kind(), ledger::v1::KIND_CARD_OVERRIDDEN);
  EXPECT_EQ(entries[1].record_sha256_size(), 2);
  const ExchangeCounts after = *hooks_->Counts(tenant);
  EXPECT_EQ(after.accepted, before.accepted + 1);
  EXPECT_EQ(after.overridden, before.overridden + 1);

  // The facts, as savings reads them.
  const std::string hex =
      world_->database("beta").One(absl::StrCat("SELECT string_agg(encode(fact_id, 'hex') || ':' || encode(sealed, 'hex'), ',' "
                                                "ORDER BY entry_index) FROM savings.fact WHERE entry_index >= ",
                                                beta));
  std::vector<std::string> kinds;
  for (const auto& one : {hex.substr(0, hex.find(',')), hex.substr(hex.find(',') + 1)}) {
    const auto opened =
        world_->sealer().Open({tenant, *PatientId::FromBytes(entries[0].subject()), *HexDecode(one.substr(0, 32)), 1},
                              *HexDecode(one.substr(33)), "test");
    ASSERT_TRUE(opened.ok()) << opened.status();
    const auto fact = Json::Parse(*opened);
    kinds.push_back(fact->TextOf("kind"));
    EXPECT_EQ(fact->TextOf("card_id"), card.TextOf("uuid"));
    EXPECT_EQ(fact->TextOf("source_tenant"), "alpha");
    EXPECT_EQ(fact->TextOf("class_id"), "ct-chest-wo");
    EXPECT_EQ(fact->TextOf("order"), "urn:orders|" + patient_);
  }
  EXPECT_EQ(kinds, (std::vector<std::string>{"acceptance", "withdrawal"}));
}

TEST_F(CdsHooksTest, SeveralOrdersInOneCallAreCheckedEachForItself) {
  AddEverything();
  auto body = *Json::Parse(OrderBody("many-" + patient_));
  Json& orders = *body.Find("context")->Find("draftOrders")->Find("entry");
  Json other = orders[0];
  Json& resource = *other.Find("resource");
  resource.Set("id", Json::String("other"));
  resource.Find("identifier")->items()[0].Set("value", Json::String("other-" + patient_));
  resource.Find("code")->Find("coding")->items()[0].Set("code", Json::String("36643-5"));
  orders.items().insert(orders.items().begin(), other);
  const std::uint64_t beta = SizeOf("beta");
  const auto response = Order(body.Text());
  EXPECT_EQ(CardIn(response)["suggestions"][0]["actions"][0].TextOf("resourceId"), "ServiceRequest/o-" + patient_);
  EXPECT_EQ(Json::Parse(response.body).value()["cards"].items().size(), 1u);
  const auto entries = Entries("beta", beta);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(DetailOf("beta", entries[0]).TextOf("outcome"), "off");
  EXPECT_EQ(DetailOf("beta", entries[1]).TextOf("outcome"), "card");
  EXPECT_EQ(entries[0].record_sha256(0), entries[1].record_sha256(0));
  EXPECT_EQ(entries[2].kind(), ledger::v1::KIND_CARD_SHOWN);
  // The card's row refers to its own entry.
  EXPECT_EQ(
      world_->database("beta").One(absl::StrCat("SELECT count(*) FROM exchange.card WHERE entry_index = ", SizeOf("beta") - 1)),
      "1");
}

TEST_F(CdsHooksTest, AConsentRevokedWhileItIsDecidedOnIsDecidedAnew) {
  AddEverything();
  InterruptingKeys keys(world_->key_process().client(), world_->partition("alpha").tenant.id,
                        [this] { AddConsent("permit", "inactive"); });
  keys::Sealer sealer(keys, machine_clock_);
  const PatientRecords records(world_->partitions(), sealer, machine_clock_);
  const auto hooks =
      MakeHooks(Patient(), {world_->partitions(), world_->registry(), sealer, keys, records, world_->locator(), world_->clock(), kPublicUrl});
  const std::uint64_t beta = SizeOf("beta");
  const std::uint64_t alpha = SizeOf("alpha");
  const auto response = Send(*hooks, "beta", "POST", "cds-services/prior-results", OrderBody("revoked-" + patient_));
  EXPECT_EQ(response.body, "{\"cards\":[]}");
  EXPECT_EQ(TestWorld::HeaderOf(response, "retry-after"), "");
  const auto entries = Entries("beta", beta);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(DetailOf("beta", entries[0]).TextOf("outcome"), "no-prior");
  for (const Entry& entry : Entries("alpha", alpha)) EXPECT_NE(entry.kind(), ledger::v1::KIND_DISCLOSURE);
}

TEST_F(CdsHooksTest, ARefusalSetBeforeItsVersionIsReadBindsThoughTheCheckBeganEarlier) {
  AddEverything();
  // Looks at the clock, and before it goes on a second has passed and the patient has refused.
  class LateClock final : public Clock {
   public:
    LateClock(const Clock& real, std::function<void()> then) : real_(real), then_(std::move(then)) {}
    [[nodiscard]] absl::Time Now() const override {
      const absl::Time now = real_.Now();
      if (then_ != nullptr) std::exchange(then_, nullptr)();
      return now;
    }

   private:
    const Clock& real_;
    mutable std::function<void()> then_;
  };
  const LateClock clock(world_->clock(), [this] {
    world_->clock().Advance(absl::Seconds(1));
    Put("alpha", "Consent", "refusal-" + patient_,
        absl::StrCat(
            R"({"resourceType":"Consent","id":"refusal-)", patient_,
            R"(","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},)",
            R"("category":[{"text":"privacy"}],"policyRule":{"coding":[{"code":"OPTIN"}]},"patient":{"reference":"Patient/)",
            patient_, R"("},"provision":{"type":"deny"}})"));
  });
  const auto hooks = MakeHooks(Patient(), {world_->partitions(), world_->registry(), world_->sealer(), world_->key_process().client(),
                                           world_->records(), world_->locator(), clock, kPublicUrl});
  const std::uint64_t alpha = SizeOf("alpha");
  EXPECT_EQ(Send(*hooks, "beta", "POST", "cds-services/prior-results", OrderBody("late-" + patient_)).body, "{\"cards\":[]}");
  for (const Entry& entry : Entries("alpha", alpha)) EXPECT_NE(entry.kind(), ledger::v1::KIND_DISCLOSURE);
}

TEST_F(CdsHooksTest, ConsentsOfAllOfAPersonsChartsCount) {
  AddPatient("beta"), AddPatient("alpha"), AddMergedReport();
  const auto closed = Order(OrderBody("closed-" + patient_));
  EXPECT_EQ(closed.body, "{\"cards\":[]}");
  AddConsent();
  const std::uint64_t alpha = SizeOf("alpha");
  // The answer is lost once the disclosure stands.
  ASSERT_TRUE(world_->database("beta").Sql("ALTER TABLE exchange.card RENAME TO away").ok());
  EXPECT_EQ(Order(OrderBody("merged-" + patient_)).body, "{\"cards\":[]}");
  ASSERT_TRUE(world_->database("beta").Sql("ALTER TABLE exchange.away RENAME TO card").ok());
  const auto disclosures = [&] {
    const auto entries = Entries("alpha", alpha);
    return std::count_if(entries.begin(), entries.end(), [](const Entry& entry) { return entry.kind() == ledger::v1::KIND_DISCLOSURE; });
  };
  EXPECT_EQ(disclosures(), 1);
  // A new word in the other chart: what is repeated is disclosed on that.
  AddConsent();
  EXPECT_FALSE(CardIn(Order(OrderBody("merged-" + patient_))).is_null());
  EXPECT_EQ(disclosures(), 2);
  AddConsent("deny");
  EXPECT_EQ(Order(OrderBody("denied-" + patient_)).body, "{\"cards\":[]}");
  EXPECT_EQ(disclosures(), 2);
}

// Whoever was found by a kept person that does not stand is judged anew, and the check is answered.
TEST_F(CdsHooksTest, AKeptPersonThatDoesNotStandShowsNothingAndFailsNothing) {
  AddEverything();
  EXPECT_FALSE(CardIn(Order(OrderBody("stands-" + patient_))).is_null());
  const auto link_at = [this](const char* tenant) -> PatientLink {
    const TenantId& id = world_->partition(tenant).tenant.id;
    return {id, world_->records().FindPatient(id, patient_).value()};
  };
  const PatientLink alpha = link_at("alpha"), beta = link_at("beta");
  const std::string of_beta = absl::StrCat(" WHERE tenant_id = '", beta.tenant.text(), "' AND patient_id = decode('", beta.patient.hex(), "', 'hex')");
  ASSERT_TRUE(world_->network().Sql("CREATE TABLE locator.before AS SELECT * FROM locator.person" + of_beta).ok());
  ASSERT_TRUE(world_->locator().Decide(alpha, beta, /*link=*/false, 1).ok());
  ASSERT_TRUE(world_->network().Sql("INSERT INTO locator.person SELECT * FROM locator.before; DROP TABLE locator.before").ok());
  EXPECT_EQ(world_->locator().PersonOf(beta)->size(), 2u);
  const auto response = Order(OrderBody("stands-no-more-" + patient_));
  EXPECT_EQ(response.body, "{\"cards\":[]}");
  EXPECT_EQ(TestWorld::HeaderOf(response, "retry-after"), "") << "no fault";
  EXPECT_EQ(world_->locator().PersonOf(beta)->size(), 1u);
}

TEST_F(CdsHooksTest, AnotherTenantsUnreadableChartLooksLikeNone) {
  AddPatient("beta");
  const auto none = Order(OrderBody("none-" + patient_));
  AddEverything();
  ASSERT_TRUE(world_->database("alpha")
                  .Sql(absl::StrCat("UPDATE exchange.record SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) "
                                    "WHERE entry_index >= ",
                                    SizeOf("alpha") - 2))
                  .ok());
  const std::uint64_t beta = SizeOf("beta");
  const auto response = Order(OrderBody("damaged-" + patient_));
  EXPECT_EQ(response.body, none.body);
  EXPECT_EQ(response.headers, none.headers);
  ASSERT_EQ(Entries("beta", beta).size(), 1u);
  EXPECT_EQ(DetailOf("beta", Entries("beta", beta)[0]).TextOf("outcome"), "no-prior");
}

TEST_F(CdsHooksTest, AKeyMadeBeforeACrashIsRecordedByTheNextCheck) {
  const TenantId tenant = world_->partition("alpha").tenant.id;
  const PatientId pseudo = *TenantResources(tenant, world_->sealer());
  ASSERT_TRUE(world_->key_process().client().CreatePatientKey(tenant, pseudo).ok());
  EXPECT_EQ(Send(*hooks_, "alpha", "POST", "cds-services/prior-results", OrderBody("crash-" + patient_)).body, "{\"cards\":[]}");
  EXPECT_EQ(Send(*hooks_, "alpha", "POST", "cds-services/prior-results", OrderBody("after-" + patient_)).body, "{\"cards\":[]}");
  int recorded = 0;
  for (const Entry& entry : Entries("alpha", 0))
    recorded += entry.has_key_stored() && entry.key_stored().key_id() == pseudo.bytes() ? 1 : 0;
  EXPECT_EQ(recorded, 1);
}

TEST_F(CdsHooksTest, ForgedFeedbackIsRefusedAndChangesNothing) {
  AddEverything();
  const Json card = CardIn(Order(OrderBody("forged-" + patient_)));
  const absl::Time shown = world_->clock().Now();
  world_->clock().Advance(absl::Seconds(30));
  const std::uint64_t beta = SizeOf("beta");
  const std::string rows = AllCounts("beta"), theirs = AllCounts("alpha");
  Json unknown = card;
  unknown.Set("uuid", Json::String("4e0a3a1e-3283-4575-ab82-028d55fe2719"));
  const auto nobodys = Feedback(FeedbackBody(unknown, "accepted", shown));
  EXPECT_EQ(nobodys.status, 404);
  const auto anothers = Feedback(FeedbackBody(card, "accepted", shown), "alpha");
  EXPECT_EQ(anothers.status, 404);
  EXPECT_EQ(anothers.body, nobodys.body);
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown, "4e0a3a1e-3283-4575-ab82-028d55fe2719")).status, 400);
  EXPECT_EQ(Feedback(FeedbackBody(card, "accepted", shown - absl::Milliseconds(1))).status, 400);
  EXPECT_EQ(SizeOf("beta"), beta);
  EXPECT_EQ(AllCounts("beta"), rows);
  EXPECT_EQ(AllCounts("alpha"), theirs);
}

TEST_F(CdsHooksTest, AFaultAnswersWithoutCardsAndTheSameCallLaterIsCheckedAfresh) {
  AddEverything();
  // Nothing leased: everything must be asked of the key process.
  keys::Sealer fresh(world_->key_process().client(), machine_clock_);
  hooks_ = MakeHooks(Patient(), world_->parts(fresh, world_->records()));
  const std::string rows = AllCounts("beta");
  world_->key_process().Stop();
  const auto failed = Order(OrderBody("fault-" + patient_));
  EXPECT_EQ(failed.status, 200);
  EXPECT_EQ(failed.body, "{\"cards\":[]}");
  EXPECT_EQ(TestWorld::HeaderOf(failed, "retry-after"), "1");
  EXPECT_EQ(hooks_->faults(), 1u);
  EXPECT_EQ(AllCounts("beta"), rows);
  ASSERT_TRUE(world_->key_process().Start().ok());
  while (!world_->key_process().client().IndexKey(world_->partition("beta").tenant.id).ok())
    absl::SleepFor(absl::Milliseconds(10));
  EXPECT_FALSE(CardIn(Order(OrderBody("fault-" + patient_))).is_null());
}

TEST_F(CdsHooksTest, ALateCheckAnswersWithoutCardsAndRecordsNothing) {
  AddEverything();
  auto late = MakeHooks({.deadline = absl::ZeroDuration()});
  const std::uint64_t beta = SizeOf("beta");
  const auto ask = [&] {
    const auto answer = Send(*late, "beta", "POST", "cds-services/prior-results", OrderBody("late-" + patient_));
    EXPECT_EQ(answer.body, "{\"cards\":[]}");
    EXPECT_EQ(TestWorld::HeaderOf(answer, "retry-after"), "1");
  };
  // On the caller's thread, and on a worker's.
  ask();
  std::thread worker([&late] { late->Work(); });
  absl::SleepFor(absl::Milliseconds(50));
  ask();
  late->Stop();
  worker.join();
  EXPECT_EQ(late->faults(), 2u);
  EXPECT_EQ(SizeOf("beta"), beta);
  EXPECT_FALSE(CardIn(Order(OrderBody("late-" + patient_))).is_null());
}

TEST_F(CdsHooksTest, WorkersCheckAndStopWhenAsked) {
  AddEverything();
  std::vector<std::thread> workers;
  for (int i = 0; i < 2; ++i) workers.emplace_back([this] { hooks_->Work(); });
  EXPECT_FALSE(CardIn(Order(OrderBody("worked-" + patient_))).is_null());
  // The same call on both at once: one answer.
  const std::string body = OrderBody("both-" + patient_);
  std::string answers[2];
  std::thread other([&] { answers[1] = Order(body).body; });
  answers[0] = Order(body).body;
  other.join();
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_EQ(hooks_->faults(), 0u);
  hooks_->Stop();
  for (std::thread& worker : workers) worker.join();
}

TEST_F(CdsHooksTest, ATokenOfAnotherTenantIsRefused) {
  const std::string url = kPublicUrl + Path("beta", "cds-services/prior-results");
  const auto response = Order(OrderBody("t-" + patient_), Token("alpha", url));
  EXPECT_EQ(response.status, 401);
  EXPECT_NE(response.body.find("another tenant"), std::string::npos);
}

// tests/bad_input/cds.json: the same rows are played over HTTPS by tests/end_to_end.
TEST_F(CdsHooksTest, BadInputIsAnsweredClearlyAndChangesNothing) {
  std::ifstream file("tests/bad_input/cds.json");
  std::stringstream text;
  text << file.rdbuf();
  const auto rows = Json::Parse(text.str());
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_GE(rows->items().size(), 30u);
  for (const Json& row : rows->items()) {
    const std::uint64_t beta = SizeOf("beta");
    const std::string counts = AllCounts("beta");
    rpc::HttpRequest request;
    request.method = row.TextOf("method");
    request.path = Path("beta", row.TextOf("path"));
    const Json& body = row["body"];
    request.body = body.is_string() ? body.text() : body.is_null() ? "" : body.Text();
    if (const Json* repeat = row.Find("body_bytes")) {
      std::int64_t bytes = 0;
      ASSERT_TRUE(absl::SimpleAtoi(repeat->text(), &bytes));
      request.body.resize(static_cast<std::size_t>(bytes), ' ');
    }
    for (const Json::Member& header : row["headers"].members()) request.headers.emplace_back(header.name, header.value.text());
    if (row["headers"].Find("authorization") == nullptr)
      request.headers.emplace_back("authorization", "Bearer " + Token("beta", kPublicUrl + request.path, "", row["token"]));
    const auto response = hooks_->Handle(request);
    EXPECT_EQ(std::to_string(response.status), row.TextOf("status")) << row.TextOf("name") << ": " << response.body;
    const auto answer = Json::Parse(response.body);
    ASSERT_TRUE(answer.ok()) << row.TextOf("name");
    EXPECT_NE(answer->TextOf("error").find(row.TextOf("text")), std::string::npos) << row.TextOf("name") << ": " << response.body;
    EXPECT_EQ(SizeOf("beta"), beta) << row.TextOf("name");
    EXPECT_EQ(AllCounts("beta"), counts) << row.TextOf("name");
  }
}

}  // namespace
}  // namespace custodian::exchange
