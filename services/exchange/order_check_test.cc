// The flow of an order check: what is found, decided, recorded and shown.
#include "services/exchange/order_check.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "services/exchange/cds_hooks_world.h"

namespace custodian::exchange {
namespace {

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

// What makes the card inform only is told to the reader, in its own log too: the patient's audit says so.
TEST_F(CdsHooksTest, ARecordThatDecidesAboutTheCardIsDisclosedWithIt) {
  AddEverything();
  const std::string id = "pregnant-" + patient_;
  Put("alpha", "Condition", id,
      absl::StrCat(R"({"resourceType":"Condition","id":")", id, R"(","subject":{"reference":"Patient/)", patient_,
                   R"("},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},)"
                   R"("code":{"coding":[{"system":"http://snomed.info/sct","code":"77386006"}]}})"));
  const std::uint64_t size = SizeOf("alpha");
  const Json card = CardIn(Order(OrderBody("gate-" + patient_)));
  ASSERT_FALSE(card.is_null());
  EXPECT_TRUE(card["suggestions"].items().empty());
  std::vector<std::string> disclosed;
  for (const Entry& entry : Entries("alpha", size))
    if (entry.kind() == ledger::v1::KIND_DISCLOSURE) {
      const Json detail = DetailOf("alpha", entry);
      disclosed.push_back(absl::StrCat(detail.TextOf("resource"), " ", detail.TextOf("gate")));
      EXPECT_EQ(detail.TextOf("card"), card.TextOf("uuid"));
    }
  EXPECT_EQ(disclosed, (std::vector<std::string>{absl::StrCat("DiagnosticReport/report-", patient_, "/_history/1 "), absl::StrCat("Condition/", id, "/_history/1 pregnancy")}));
  // Where the reader's own records say it, nothing of others' is used.
  Put("beta", "Condition", id,
      absl::StrCat(R"({"resourceType":"Condition","id":")", id, R"(","subject":{"reference":"Patient/)", patient_,
                   R"("},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},)"
                   R"("code":{"coding":[{"system":"http://snomed.info/sct","code":"77386006"}]}})"));
  const std::uint64_t then = SizeOf("alpha");
  EXPECT_FALSE(CardIn(Order(OrderBody("own-gate-" + patient_))).is_null());
  const std::vector<Entry> entries = Entries("alpha", then);
  EXPECT_EQ(std::count_if(entries.begin(), entries.end(), [](const Entry& entry) { return entry.kind() == ledger::v1::KIND_DISCLOSURE; }), 1);
}

// It was shown to nobody: only that it decided.
TEST_F(CdsHooksTest, WhatMadeACardInformOnlyIsNoResultThatIsAmendedOrWithdrawn) {
  AddEverything();
  const auto pregnancy = [this](const char* status) {
    const std::string id = "pregnant-" + patient_;
    Put("alpha", "Condition", id,
        absl::StrCat(R"({"resourceType":"Condition","id":")", id, R"(","subject":{"reference":"Patient/)", patient_,
                     R"("},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":")", status,
                     R"("}]},"code":{"coding":[{"system":"http://snomed.info/sct","code":"77386006"}]}})"));
  };
  pregnancy("active");
  ASSERT_FALSE(CardIn(Order(OrderBody("gate-" + patient_))).is_null());
  pregnancy("resolved");
  AddReport("alpha", "29252-4", "amended");
  std::vector<std::string> told;
  const Json open = TestWorld::Body(world_->Send("beta", "beta", "GET", "Communication/$corrections"), 200);
  for (const Json& entry : open["entry"].items())
    if (entry["resource"]["subject"].TextOf("reference") == "Patient/" + patient_)
      told.push_back(absl::StrCat(entry["resource"]["reasonCode"][0]["coding"][0].TextOf("code"), " ", entry["resource"]["about"][0].TextOf("reference")));
  EXPECT_EQ(told, std::vector<std::string>{absl::StrCat("amended https://host/fhir/00000000000000aa/DiagnosticReport/report-", patient_)});
}

// Sent again, a card does not show an amended result as it was first issued.
TEST_F(CdsHooksTest, AResendSaysThatTheResultWasAmendedSince) {
  AddEverything();
  const Json first = CardIn(Order(OrderBody("again-" + patient_)));
  EXPECT_EQ(CardIn(Order(OrderBody("again-" + patient_))).Text(), first.Text());
  AddReport("alpha", "29252-4", "corrected");
  const Json again = CardIn(Order(OrderBody("again-" + patient_)));
  EXPECT_EQ(again.TextOf("uuid"), first.TextOf("uuid"));
  EXPECT_EQ(again.TextOf("summary"), first.TextOf("summary") + " (corrected)");
  EXPECT_EQ(again.TextOf("detail"), "**This result was corrected after it was first issued**. " + first.TextOf("detail"));
  // Nor one that nobody may rely on any more.
  AddReport("alpha", "29252-4", "preliminary");
  EXPECT_TRUE(CardIn(Order(OrderBody("again-" + patient_))).is_null());
}

// Nor does it suggest to cancel what it would not suggest to cancel now.
TEST_F(CdsHooksTest, AResendSuggestsNothingThatTheSafetyGateWouldStopNow) {
  AddEverything();
  const auto order = [this] { return CardIn(Order(OrderBody("gate-" + patient_))); };
  const Json first = order();
  ASSERT_NE(first.Find("suggestions"), nullptr);
  const std::string id = "pregnant-" + patient_;
  const auto pregnancy = [&](const char* status, const char* code) {
    Put("alpha", "Condition", id,
        absl::StrCat(R"({"resourceType":"Condition","id":")", id, R"(","subject":{"reference":"Patient/)", patient_, R"("},")", status,
                     R"(":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/)", code,
                     R"("}]},"code":{"coding":[{"system":"http://snomed.info/sct","code":"77386006"}]}})"));
  };
  pregnancy("clinicalStatus", R"(condition-clinical","code":"active)");
  const std::uint64_t size = SizeOf("alpha");
  const Json again = order();
  EXPECT_EQ(again.TextOf("uuid"), first.TextOf("uuid"));
  EXPECT_EQ(again.Find("suggestions"), nullptr);
  EXPECT_EQ(again.Find("selectionBehavior"), nullptr);
  // The record that says so is disclosed with it.
  std::vector<std::string> gates;
  for (const Entry& entry : Entries("alpha", size))
    if (entry.kind() == ledger::v1::KIND_DISCLOSURE) gates.push_back(DetailOf("alpha", entry).TextOf("gate"));
  EXPECT_EQ(gates, std::vector<std::string>{"pregnancy"});
  pregnancy("verificationStatus", R"(condition-ver-status","code":"entered-in-error)");
  EXPECT_EQ(order().Text(), first.Text());
  // A result of its own is nearer at hand.
  AddReport("beta");
  const Json beside_own = order();
  EXPECT_EQ(beside_own.TextOf("uuid"), first.TextOf("uuid"));
  EXPECT_EQ(beside_own.Find("suggestions"), nullptr);
}

TEST_F(CdsHooksTest, AnAmendedResultIsNamedAsSuch) {
  AddPatient("alpha"), AddPatient("beta"), AddReport("alpha", "29252-4", "amended"), AddConsent();
  const Json card = CardIn(Order(OrderBody("amended-" + patient_)));
  EXPECT_EQ(card.TextOf("summary"), "CT chest without contrast of 2026-01-13 (amended) is available from alpha");
  EXPECT_NE(card.TextOf("detail").find("**This result was amended after it was first issued**"), std::string::npos);
}

// A card says by whose right it shows something: nobody consented where the source's legal basis decides.
TEST_F(CdsHooksTest, ACardSaysWhetherThePatientConsented) {
  AddPatient("alpha"), AddPatient("beta"), AddReport("alpha");
  ExchangeParts parts = world_->parts();
  const auto opt_out = consent::TenantRules::Create([](std::string_view name, bool tenants_own) -> std::optional<consent::TableInForce> {
    if (name != consent::kLegalBasisTable || !tenants_own) return std::nullopt;
    return consent::TableInForce{"jurisdiction,purpose,model\nUS-NY,TREAT,opt-out\n", 7};
  });
  ASSERT_TRUE(opt_out.ok()) << opt_out.status();
  parts.rules = [rules = std::make_shared<const consent::TenantRules>(*opt_out)](const TenantId&) { return rules; };
  const auto hooks = MakeHooks(Patient(), parts);
  const Json by_basis = CardIn(Send(*hooks, "beta", "POST", "cds-services/prior-results", OrderBody("basis-" + patient_)));
  EXPECT_NE(by_basis.TextOf("detail").find("on the legal basis that its holder has recorded"), std::string::npos) << by_basis.Text();
  EXPECT_EQ(by_basis.TextOf("detail").find("consent"), std::string::npos);

  AddConsent();
  const Json by_consent = CardIn(Send(*hooks, "beta", "POST", "cds-services/prior-results", OrderBody("consent-" + patient_)));
  EXPECT_NE(by_consent.TextOf("detail").find("The patient's consent lets you view it"), std::string::npos) << by_consent.Text();
}

// What is withheld is told to the patient also where the result itself may be seen, but not what it takes to make the exam.
TEST_F(CdsHooksTest, APartThatMayNotBeSeenIsARefusalOfThatPart) {
  AddPatient("alpha"), AddPatient("beta");
  // Reports, and nothing else.
  Put("alpha", "Consent", "consent-" + patient_,
      absl::StrCat(R"({"resourceType":"Consent","id":"consent-)", patient_,
                   R"(","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},)",
                   R"("category":[{"text":"privacy"}],"policyRule":{"coding":[{"code":"OPTIN"}]},"patient":{"reference":"Patient/)", patient_,
                   R"("},"provision":{"type":"permit","class":[{"system":"http://hl7.org/fhir/resource-types","code":"DiagnosticReport"}]}})"));
  Put("alpha", "ImagingStudy", "study-" + patient_,
      absl::StrCat(R"({"resourceType":"ImagingStudy","id":"study-)", patient_, R"(","status":"available","subject":{"reference":"Patient/)", patient_,
                   R"("},"started":")", FormatInstant(world_->clock().Now() - absl::Hours(48)),
                   R"(","procedureCode":[{"coding":[{"system":"http://loinc.org","code":"29252-4"}]}]})"));
  Put("alpha", "DiagnosticReport", "report-" + patient_,
      absl::StrCat(R"({"resourceType":"DiagnosticReport","id":"report-)", patient_, R"(","status":"final","code":{"text":"CT"},"subject":{"reference":"Patient/)",
                   patient_, R"("},"imagingStudy":[{"reference":"ImagingStudy/study-)", patient_, R"("}]})"));
  std::vector<Refused> refused;
  ExchangeParts parts = world_->parts();
  parts.refused = [&refused](Refused one) { refused.push_back(std::move(one)); };
  const auto hooks = MakeHooks(Patient(), parts);
  EXPECT_EQ(Send(*hooks, "beta", "POST", "cds-services/prior-results", OrderBody("part-" + patient_)).body, "{\"cards\":[]}");
  ASSERT_FALSE(refused.empty());
  EXPECT_EQ(refused.back().resource_type, "ImagingStudy");
}

// One accession number, two tenants' words of it: neither changes what the other says, or shows it.
TEST_F(CdsHooksTest, AnothersRecordUnderTheSameAccessionChangesNothing) {
  const auto store = [this](const std::string& status, const std::string& code) {
    Put("beta", "DiagnosticReport", "copy-" + patient_,
        absl::StrCat(R"({"resourceType":"DiagnosticReport","id":"copy-)", patient_, R"(","status":")", status,
                     R"(","code":{"coding":[{"system":"http://loinc.org","code":")", code, R"("}]},"subject":{"reference":"Patient/)", patient_,
                     R"("},"identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"ACSN"}]},)",
                     R"("system":"urn:accession:alpha","value":"A-)", patient_, R"("}]})"));
  };
  AddPatient("alpha");
  AddPatient("beta");
  AddReport("alpha");
  // A final result of no class and without a time: "own-prior" would say that alpha has one.
  store("final", "2093-3");
  const std::uint64_t beta = SizeOf("beta");
  EXPECT_EQ(Order(OrderBody("probe-" + patient_)).body, R"({"cards":[]})");
  EXPECT_EQ(DetailOf("beta", Entries("beta", beta).front()).TextOf("outcome"), "no-prior");
  AddConsent();
  store("cancelled", "29252-4");
  EXPECT_EQ(CardIn(Order(OrderBody("hidden-" + patient_))).TextOf("summary"), "CT chest without contrast of 2026-01-13 is available from alpha");
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

}  // namespace
}  // namespace custodian::exchange
