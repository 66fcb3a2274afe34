#include "services/exchange/prior.h"

#include <tuple>

namespace custodian::exchange {
namespace {

// The newest, then the smallest accession, then the copy of who performed it, then the smallest tenant name.
bool Precedes(const Prior& a, const Prior& b) {
  if (a.exam->performed_begin != b.exam->performed_begin) return a.exam->performed_begin > b.exam->performed_begin;
  const auto is_copy = [](const Prior& prior) { return prior.source->tenant_name != prior.exam->performing_tenant; };
  return std::tuple(a.exam->accession, is_copy(a), a.source->tenant_name) < std::tuple(b.exam->accession, is_copy(b), b.source->tenant_name);
}

}  // namespace

Misfit MisfitOf(const Exam& exam, const PriorQuestion& question) {
  if (exam.class_id.empty()) return Misfit::kNoClass;
  // Contrast is part of the class.
  if (exam.class_id != question.exam_class->class_id) return Misfit::kOtherClass;
  if (!exam.performed) return Misfit::kNotPerformed;
  // An unspecified side is equivalent to nothing.
  if (question.exam_class->laterality_required && question.laterality.empty()) return Misfit::kOrderWithoutSide;
  if (exam.laterality != question.laterality) return Misfit::kOtherSide;
  const absl::Duration age = question.time - exam.performed_begin;
  if (age < absl::ZeroDuration()) return Misfit::kLaterThanCheck;
  return age < question.exam_class->reuse ? Misfit::kNone : Misfit::kTooOld;
}

Prior FindPrior(const std::vector<Exam>& exams, const PriorQuestion& question, const Permits& permits) {
  Prior best;
  for (const Exam& exam : exams) {
    if (MisfitOf(exam, question) != Misfit::kNone) continue;
    // Holdings are in the order of preference: the performing tenant's, then by tenant name.
    const ExamHolding* source = nullptr;
    for (const ExamHolding& holding : exam.holdings) {
      if (!holding.viewable) continue;
      if (holding.tenant_name == question.ordering_tenant) return {Prior::Outcome::kOwn, nullptr, nullptr};
      if (best.outcome == Prior::Outcome::kNone) best.outcome = Prior::Outcome::kDenied;
      if (source == nullptr && permits(holding)) source = &holding;
    }
    if (source == nullptr) continue;
    const Prior found{Prior::Outcome::kFound, &exam, source};
    if (best.outcome != Prior::Outcome::kFound || Precedes(found, best)) best = found;
  }
  return best;
}

}  // namespace custodian::exchange
