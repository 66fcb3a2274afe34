#include "services/exchange/prior.h"

#include "gtest/gtest.h"

namespace custodian::exchange {
namespace {

const absl::Time kNow = absl::FromUnixMillis(1'767'225'600'000);
const absl::Duration kDay = absl::Hours(24);

class PriorTest : public testing::Test {
 protected:
  PriorTest() {
    class_.class_id = "mr-knee-wo";
    class_.laterality_required = true;
    class_.reuse = 90 * kDay;
  }
  static Exam ExamAt(const char* tenant, const char* accession, absl::Duration age, const char* side = "left") {
    Exam exam;
    exam.performing_tenant = tenant;
    exam.accession = accession;
    exam.class_id = "mr-knee-wo";
    exam.laterality = side;
    exam.performed_begin = kNow - age;
    exam.performed_end = exam.performed_begin + absl::Milliseconds(1);
    exam.performed = true;
    exam.holdings = {{tenant, "DiagnosticReport", accession, true}};
    return exam;
  }
  [[nodiscard]] Prior Ask(
      const std::vector<Exam>& exams, const Permits& permits = [](const ExamHolding&) { return true; }) const {
    return FindPrior(exams, {"north", &class_, "left", kNow}, permits);
  }
  // Accession of what is found, or the outcome.
  [[nodiscard]] std::string Found(const std::vector<Exam>& exams) const {
    const Prior prior = Ask(exams);
    switch (prior.outcome) {
      case Prior::Outcome::kNone: return "none";
      case Prior::Outcome::kOwn: return "own";
      case Prior::Outcome::kDenied: return "denied";
      case Prior::Outcome::kFound: return prior.exam->accession;
    }
    return "";
  }
  ExamClass class_;
};

TEST_F(PriorTest, TheWindowIsHalfOpenToTheMillisecond) {
  EXPECT_EQ(Found({ExamAt("south", "a", absl::ZeroDuration())}), "a");
  EXPECT_EQ(Found({ExamAt("south", "a", -absl::Milliseconds(1))}), "none");
  EXPECT_EQ(Found({ExamAt("south", "a", 90 * kDay - absl::Milliseconds(1))}), "a");
  EXPECT_EQ(Found({ExamAt("south", "a", 90 * kDay)}), "none");
}

TEST_F(PriorTest, ClassSideAndStatusMustFit) {
  EXPECT_EQ(Found({ExamAt("south", "a", kDay, "right")}), "none");
  EXPECT_EQ(Found({ExamAt("south", "a", kDay, "")}), "none");
  Exam exam = ExamAt("south", "a", kDay);
  exam.class_id = "ct-chest-wo";
  EXPECT_EQ(Found({exam}), "none");
  exam = ExamAt("south", "a", kDay);
  exam.holdings[0].viewable = false;
  EXPECT_EQ(Found({exam}), "none");
  exam = ExamAt("south", "a", kDay);
  exam.performed = false;
  EXPECT_EQ(Found({exam}), "none");
  const std::vector<Exam> unspecified{ExamAt("south", "a", kDay, "")};
  EXPECT_EQ(FindPrior(unspecified, {"north", &class_, "", kNow}, [](const ExamHolding&) { return true; }).outcome,
            Prior::Outcome::kNone);
}

TEST_F(PriorTest, TheNewestThenTheSmallestAccessionThenTheSmallestTenant) {
  EXPECT_EQ(Found({ExamAt("south", "a", 2 * kDay), ExamAt("east", "b", kDay)}), "b");
  EXPECT_EQ(Found({ExamAt("south", "b", kDay), ExamAt("west", "a", kDay)}), "a");
  const std::vector<Exam> same{ExamAt("south", "a", kDay), ExamAt("east", "a", kDay)};
  EXPECT_EQ(Ask(same).source->tenant_name, "east");
}

TEST_F(PriorTest, ACopyComesFromThePerformingTenantElseTheSmallestNameThatMayShowIt) {
  Exam exam = ExamAt("south", "a", kDay);
  exam.holdings.push_back({"east", "DiagnosticReport", "copy", true});
  exam.holdings.push_back({"west", "DiagnosticReport", "copy", true});
  EXPECT_EQ(Ask({exam}).source->tenant_name, "south");
  EXPECT_EQ(Ask({exam}, [](const ExamHolding& holding) { return holding.tenant_name != "south"; }).source->tenant_name, "east");
  exam.holdings[0].viewable = false;
  EXPECT_EQ(Ask({exam}).source->tenant_name, "east");
}

TEST_F(PriorTest, WithoutConsentTheNextOneIsOffered) {
  const std::vector<Exam> exams{ExamAt("south", "new", kDay), ExamAt("east", "old", 2 * kDay)};
  const Prior prior = Ask(exams, [](const ExamHolding& holding) { return holding.tenant_name == "east"; });
  EXPECT_EQ(prior.outcome, Prior::Outcome::kFound);
  EXPECT_EQ(prior.exam->accession, "old");
  EXPECT_EQ(Ask(exams, [](const ExamHolding&) { return false; }).outcome, Prior::Outcome::kDenied);
}

TEST_F(PriorTest, AnOwnOneIsNoCardAndNeedsNoConsent) {
  const auto nobody = [](const ExamHolding&) { return false; };
  EXPECT_EQ(Ask({ExamAt("north", "own", 9 * kDay), ExamAt("south", "newer", kDay)}, nobody).outcome, Prior::Outcome::kOwn);
  Exam copied = ExamAt("south", "a", kDay);
  copied.holdings.push_back({"north", "DiagnosticReport", "copy", true});
  EXPECT_EQ(Found({copied}), "own");
  // A preliminary one of its own is not usable.
  Exam preliminary = ExamAt("north", "own", kDay);
  preliminary.holdings[0].viewable = false;
  EXPECT_EQ(Found({preliminary, ExamAt("south", "a", 2 * kDay)}), "a");
}

}  // namespace
}  // namespace custodian::exchange
