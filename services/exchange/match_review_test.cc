#include "services/exchange/match_review.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/exchange/test_world.h"

namespace custodian::exchange {
namespace {

class MatchReviewTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (tenants::Partition* partition : world_.partitions().All())
      partition->outbox->Handle("match", [this, id = partition->tenant.id](const PatientId& patient) {
        return ApplyDecisions(world_.locator(), world_.records(), {id, patient}, [this](const PatientLink& link) {
          followed_.push_back(link);
          return absl::OkStatus();
        });
      });
  }
  // FHIR id of Jane Roe as the tenant has her.
  std::string Jane(const std::string& tenant, const std::string& street, const std::string& city = "Zion") {
    const auto response = world_.Send(tenant, tenant, "POST", "Patient",
                                      absl::StrCat(R"({"resourceType":"Patient","gender":"female","birthDate":"1970-04-05","name":[{"family":"Roe","given":["Jane"]}],)",
                                                   R"("address":[{"line":[")", street, R"("],"city":")", city, R"("}]})"));
    TestWorld::Body(response, 201);
    return TestWorld::Stored(response).substr(8);
  }
  void Permit(const std::string& tenant, const std::string& patient, const std::string& reader) {
    TestWorld::Body(world_.Send(tenant, tenant, "POST", "Consent",
                                absl::StrCat(R"({"resourceType":"Consent","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},)",
                                             R"("category":[{"coding":[{"system":"http://loinc.org","code":"59284-0"}]}],"patient":{"reference":"Patient/)", patient,
                                             R"("},"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]},)",
                                             R"("provision":{"type":"permit","actor":[{"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},)",
                                             R"("reference":{"type":"Organization","identifier":{"system":"urn:org","value":")", reader,
                                             R"("}}}],"purpose":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"TREAT"}]}})")),
                    201);
  }
  TenantId Id(const std::string& tenant) { return world_.partition(tenant).tenant.id; }
  PatientLink LinkOf(const std::string& tenant, const std::string& id) { return {Id(tenant), *world_.records().FindPatient(Id(tenant), id)}; }
  std::vector<MatchReview::Item> Queue(const std::string& tenant) {
    const auto page = review_.Queue(Id(tenant), "spiffe://steward", "");
    EXPECT_TRUE(page.ok()) << page.status();
    return page->items;
  }
  absl::Status Decide(const std::string& tenant, const std::string& patient, const PatientLink& other, bool link, const std::string& key) {
    return review_
        .Decide(Id(tenant), {patient, absl::StrCat(other.tenant.text(), "/", other.patient.hex()), link, "spiffe://steward", "compared", key})
        .status();
  }
  std::size_t Same(const PatientLink& link) { return world_.locator().SamePerson(link)->size(); }

  TestWorld world_;
  MatchReview review_{world_.partitions(), world_.registry(), world_.sealer(), world_.locator(), world_.records(), BuiltInRules(), world_.clock()};
  std::vector<PatientLink> followed_;
};

TEST_F(MatchReviewTest, AnotherTenantsPatientIsShownOnlyByConsentAndLinkedOnlyByBoth) {
  const std::string at_alpha = Jane("alpha", "12 Larkspur Street"), at_beta = Jane("beta", "9 Yarrow Lane", "Troy");
  const PatientLink alpha = LinkOf("alpha", at_alpha), beta = LinkOf("beta", at_beta);
  EXPECT_TRUE(Queue("alpha").empty()) << "without consent nobody is there";
  EXPECT_EQ(Decide("alpha", at_alpha, beta, true, "k0").code(), absl::StatusCode::kNotFound);
  Permit("beta", at_beta, "alpha");
  const std::uint64_t size = world_.partition("beta").writer->size();
  const auto items = Queue("alpha");
  ASSERT_EQ(items.size(), 1u);
  // That she is there, and how alike, was disclosed; once, however often it is looked at.
  EXPECT_EQ(world_.partition("beta").writer->size(), size + 2);
  EXPECT_EQ(Queue("alpha").size(), 1u);
  EXPECT_EQ(world_.partition("beta").writer->size(), size + 2);
  EXPECT_EQ(items[0].patient, at_alpha);
  EXPECT_EQ(items[0].other_tenant, "beta");
  EXPECT_EQ(items[0].other_patient, "");
  EXPECT_EQ(items[0].match.grade, MatchGrade::kProbable);
  EXPECT_TRUE(Queue("beta").empty());

  ASSERT_TRUE(Decide("alpha", at_alpha, beta, true, "k1").ok());
  EXPECT_EQ(Same(alpha), 1u) << "beta has not spoken";
  EXPECT_EQ(Decide("beta", at_beta, alpha, true, "k1").code(), absl::StatusCode::kNotFound);
  Permit("alpha", at_alpha, "beta");
  ASSERT_TRUE(Decide("beta", at_beta, alpha, true, "k1").ok());
  EXPECT_EQ(Same(alpha), 2u);
  EXPECT_THAT(followed_, ::testing::IsSupersetOf({alpha, beta}));
  EXPECT_TRUE(Queue("alpha").empty());

  // Again under the same key: the first answer and nothing new; an unlink of one is enough, and may be taken back.
  followed_.clear();
  ASSERT_TRUE(Decide("beta", at_beta, alpha, true, "k1").ok());
  EXPECT_TRUE(followed_.empty());
  ASSERT_TRUE(Decide("alpha", at_alpha, beta, false, "k2").ok());
  EXPECT_EQ(Same(alpha), 1u);
  EXPECT_THAT(followed_, ::testing::IsSupersetOf({alpha, beta}));
  ASSERT_TRUE(Decide("alpha", at_alpha, beta, true, "k3").ok());
  EXPECT_EQ(Same(beta), 2u);
  EXPECT_EQ(world_.database("alpha").One("SELECT count(*) FROM ledger.outbox"), "0");
}

TEST_F(MatchReviewTest, AWrongLinkIsUnmadeAndTwoOfOneTenantAreItsOwnBusiness) {
  const std::string one = Jane("alpha", "12 Larkspur Street"), other = Jane("beta", "12 Larkspur St.");
  const PatientLink alpha = LinkOf("alpha", one), beta = LinkOf("beta", other);
  ASSERT_EQ(Same(alpha), 2u);
  ASSERT_TRUE(Decide("beta", other, alpha, false, "k1").ok());
  EXPECT_EQ(Same(alpha), 1u);
  EXPECT_TRUE(Queue("beta").empty());

  const std::string twice = Jane("alpha", "12 Larkspur Street");
  const auto items = Queue("alpha");
  ASSERT_EQ(items.size(), 2u) << "each from its side";
  EXPECT_THAT((std::vector<std::string>{items[0].other_patient, items[1].other_patient}), ::testing::UnorderedElementsAre(one, twice));
  ASSERT_TRUE(Decide("alpha", one, LinkOf("alpha", twice), true, "k2").ok());
  EXPECT_EQ(Same(alpha), 2u);
}

TEST_F(MatchReviewTest, RefusesWhatIsNoPair) {
  const std::string jane = Jane("alpha", "12 Larkspur Street");
  const PatientLink stranger{Id("beta"), PatientId::Random()};
  EXPECT_EQ(Decide("alpha", jane, stranger, true, "k").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Decide("alpha", jane, stranger, false, "k").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Decide("alpha", "nobody", stranger, false, "k").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Decide("alpha", jane, stranger, false, "").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(review_.Decide(Id("alpha"), {jane, "beta", false, "a", "r", "k"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(review_.Queue(Id("alpha"), "spiffe://steward", "zz").ok());
}

}  // namespace
}  // namespace custodian::exchange
