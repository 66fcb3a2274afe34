// The exams of one person as an order check of one tenant sees them. What each tenant stores is judged by itself: what one says of another's exam changes
// nothing of what that one says, and shows nothing of what may not be seen there. Made for a check, used by one thread; the charts must outlive it.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_PERSON_EXAMS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_PERSON_EXAMS_H_

#include <functional>
#include <map>
#include <vector>

#include "services/exchange/equivalence.h"
#include "services/exchange/exam.h"
#include "services/exchange/person_chart.h"
#include "services/exchange/prior.h"
#include "tenants/registry.h"

namespace custodian::exchange {

// A record that the reader may not see, and the chart it lies in.
struct Withheld {
  const PersonChart* chart = nullptr;
  const OpenedRecord* record = nullptr;
};

class PersonExams {
 public:
  // `reader`: the ordering tenant, whose own charts are its to see.
  PersonExams(const PersonCharts& charts, const tenants::Tenant& reader, const ExamTable& table, const tenants::Registry& registry);

  // Whether the reader itself holds a usable prior.
  [[nodiscard]] bool HoldsPrior(const PriorQuestion& question) const;
  // The other tenants' exams, as far as the reader may see what makes them; of those tenants only that have one which answers the question.
  [[nodiscard]] std::vector<Exam> Permitted(const PriorQuestion& question) const;
  // What kept the reader from the priors that it would have been shown, had it been permitted: results that it may not see.
  [[nodiscard]] std::vector<Withheld> WithheldOf(const PriorQuestion& question) const;
  // The chart that holds a copy; null without.
  [[nodiscard]] const PersonChart* ChartOf(const ExamHolding& holding) const;
  // Everything wanted that the reader may see of the person, its own first, then at other tenants.
  [[nodiscard]] std::vector<const OpenedRecord*> Seen(const std::function<bool(const OpenedRecord&)>& is_wanted) const;

 private:
  [[nodiscard]] bool Answers(const std::vector<Exam>& exams, const PriorQuestion& question) const;
  [[nodiscard]] bool MaySee(const PersonChart& chart, const OpenedRecord& record) const;

  const PersonCharts& charts_;
  const TenantId reader_;
  const ExamTable& table_;
  const tenants::Registry& registry_;
  // Of each tenant.
  std::map<TenantId, std::vector<Exam>> exams_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_PERSON_EXAMS_H_
