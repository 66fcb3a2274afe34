#include "services/exchange/locator.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/exchange/test_world.h"

namespace custodian::exchange {
namespace {

class LocatorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { world_ = new TestWorld(); }
  static void TearDownTestSuite() { delete world_; }

  static PatientLink Link(const std::string& tenant) { return {world_->partition(tenant).tenant.id, PatientId::Random()}; }
  static absl::Status Register(const PatientLink& link, const std::string& family, const std::string& more) {
    return world_->locator().Register(
        link, absl::StrCat(R"({"resourceType":"Patient","gender":"female","birthDate":"1970-04-05","name":[{"family":")", family,
                           R"(","given":["Jane"]}],)", more, "}"));
  }
  static std::size_t SameAs(const PatientLink& link) {
    const auto same = world_->locator().SamePerson(link);
    EXPECT_TRUE(same.ok()) << same.status();
    return same->size();
  }
  static inline TestWorld* world_ = nullptr;
  static constexpr char kAddress[] = R"("address":[{"line":["12 Larkspur Street"],"city":"Zion"}])";
};

TEST_F(LocatorTest, FindsAPersonAtTwoTenantsAndRegistersIdempotently) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(alpha, "Garc\u00EDa", kAddress).ok());
  EXPECT_EQ(SameAs(alpha), 1u);
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(Register(beta, "GARCIA", R"("address":[{"line":["12 LARKSPUR ST."],"city":"Zion"}])").ok());
  EXPECT_EQ(SameAs(alpha), 2u);
  EXPECT_EQ(SameAs(beta), 2u);
  EXPECT_EQ(*world_->locator().SamePerson(alpha), *world_->locator().SamePerson(beta));
}

TEST_F(LocatorTest, ACorrectionReplacesWhatWasKnown) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(alpha, "Correction", kAddress).ok());
  ASSERT_TRUE(Register(beta, "Correction", kAddress).ok());
  EXPECT_EQ(SameAs(alpha), 2u);
  ASSERT_TRUE(Register(beta, "Correction", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])").ok());
  EXPECT_EQ(SameAs(alpha), 1u);
}

TEST_F(LocatorTest, KnowsNothingOfStrangers) {
  EXPECT_EQ(SameAs(Link("alpha")), 1u);
  EXPECT_FALSE(world_->locator().Register(Link("alpha"), R"({"resourceType":"Group"})").ok());
}

TEST_F(LocatorTest, NothingReadableIsStored) {
  const PatientLink link = Link("alpha");
  ASSERT_TRUE(
      Register(link, "Readable",
               absl::StrCat(kAddress, R"(,"identifier":[{"system":"http://hl7.org/fhir/sid/us-ssn","value":"123-45-6789"}])"))
          .ok());
  EXPECT_EQ(world_->network().One("SELECT count(*) FROM locator.token WHERE octet_length(token) <> 32"), "0");
  EXPECT_EQ(world_->network().One(
                absl::StrCat("SELECT count(*) FROM locator.identifier WHERE patient_id = '\\x", link.patient.hex(), "'")),
            "1");
  EXPECT_EQ(
      world_->network().One(
          "SELECT count(*) FROM locator.token t WHERE t::text ILIKE '%readable%' OR encode(token, 'escape') ILIKE '%readable%'"),
      "0");
}

}  // namespace
}  // namespace custodian::exchange
