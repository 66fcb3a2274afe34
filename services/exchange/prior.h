// The usable prior of an order (SAVINGS, T3). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_PRIOR_H_
#define CUSTODIAN_SERVICES_EXCHANGE_PRIOR_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/exchange/equivalence.h"
#include "services/exchange/exam.h"

namespace custodian::exchange {

struct PriorQuestion {
  // Name of the tenant that orders.
  std::string ordering_tenant;
  const ExamClass* exam_class = nullptr;
  std::string laterality;
  // Network time of the check.
  absl::Time time;
};

// What keeps an exam from being equivalent to the order, whoever holds it: the first that applies.
enum class Misfit { kNone, kNoClass, kOtherClass, kNotPerformed, kOrderWithoutSide, kOtherSide, kLaterThanCheck, kTooOld };
[[nodiscard]] Misfit MisfitOf(const Exam& exam, const PriorQuestion& question);

// Whether consent lets the ordering tenant see a copy (at another tenant).
using Permits = std::function<bool(const ExamHolding&)>;

struct Prior {
  enum class Outcome {
    kNone,
    // The ordering tenant holds a usable one itself.
    kOwn,
    // There would be one, had the patient consented.
    kDenied,
    kFound,
  };
  Outcome outcome = Outcome::kNone;
  // Only when found: the exam, and the copy to show. Both point into the exams handed in.
  const Exam* exam = nullptr;
  const ExamHolding* source = nullptr;
};

[[nodiscard]] Prior FindPrior(const std::vector<Exam>& exams, const PriorQuestion& question, const Permits& permits);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_PRIOR_H_
