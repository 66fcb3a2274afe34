#include "services/exchange/order_explanation.h"

#include "gtest/gtest.h"

namespace custodian::exchange {
namespace {

const absl::Time kNow = absl::FromUnixMillis(1'767'225'600'000);
const absl::Duration kDay = absl::Hours(24);

class WhyNotUsableTest : public testing::Test {
 protected:
  WhyNotUsableTest() {
    class_.class_id = "mr-knee-wo";
    class_.laterality_required = true;
    class_.reuse = 90 * kDay;
    exam_.class_id = "mr-knee-wo";
    exam_.laterality = "left";
    exam_.performed = true;
    exam_.performed_begin = kNow - 3 * kDay;
    exam_.holdings = {{"south", "DiagnosticReport", "elsewhere", true}, {"north", "DiagnosticReport", "own", true}};
  }
  [[nodiscard]] std::string Why(const std::string& side = "left") const { return WhyNotUsable(exam_, {"north", &class_, side, kNow}); }
  // What FindPrior() thinks of it, which must agree.
  [[nodiscard]] bool IsOwn(const std::string& side = "left") const {
    return FindPrior({exam_}, {"north", &class_, side, kNow}, [](const ExamHolding&) { return false; }).outcome == Prior::Outcome::kOwn;
  }
  ExamClass class_;
  Exam exam_;
};

TEST_F(WhyNotUsableTest, AUsableOneHasNoReason) {
  EXPECT_EQ(Why(), "");
  EXPECT_TRUE(IsOwn());
}

TEST_F(WhyNotUsableTest, EachReasonIsNamed) {
  EXPECT_EQ(Why(""), "the order names no side, and nothing is equivalent to that");
  EXPECT_EQ(Why("right"), "it is of another side, left");
  exam_.performed_begin = kNow - 90 * kDay;
  EXPECT_EQ(Why(), "it was 90 days old; results of this class are reused for 90");
  EXPECT_FALSE(IsOwn());
  exam_.performed_begin = kNow + absl::Milliseconds(1);
  EXPECT_EQ(Why(), "it was performed after the check");
  exam_.performed = false;
  EXPECT_EQ(Why(), "it was not performed: registered, cancelled or entered in error");
  exam_.class_id = "mr-knee-w";
  EXPECT_EQ(Why(), "it is of another class, mr-knee-w");
  exam_.class_id = "";
  EXPECT_EQ(Why(), "its codes name no exam class");
}

TEST_F(WhyNotUsableTest, APreliminaryOneIsNamedThoughAnotherTenantHoldsAFinalOne) {
  exam_.holdings[1].viewable = false;
  EXPECT_EQ(Why(), "it is not final, amended or corrected");
  EXPECT_FALSE(IsOwn());
}

}  // namespace
}  // namespace custodian::exchange
