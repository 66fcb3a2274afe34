// The savings report of SAVINGS.md, for any moment: read from the projection, where pending and confirmed follow from the moment
// asked about and the feeds known by then, not from when a job ran. The network's report shows a redo elsewhere at once; a
// tenant's shows it from the month after (T7). Thread-safe.
#ifndef CUSTODIAN_SERVICES_SAVINGS_REPORT_H_
#define CUSTODIAN_SERVICES_SAVINGS_REPORT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/savings/savings_store.h"
#include "tenants/clock.h"
#include "tenants/database.h"
#include "tenants/registry.h"

namespace custodian::savings {

struct Count {
  std::int64_t exams = 0;
  std::int64_t cents = 0;
};

// gross = pending + confirmed + reversed + censored.
struct Figures {
  Count gross;
  Count pending;
  Count confirmed;
  Count reversed;
  Count censored;

  // Adds to gross and to the state's own.
  void Add(std::string_view state, std::int64_t exams, std::int64_t cents);
};

// Figures, and what the ordering tenants' own nodes say of the acceptances behind them: parts of `figures`, of which the rest nobody but the custodian
// vouches for.
struct MarkedFigures : Figures {
  Figures countersigned;
  Figures disputed;

  // `word` as in FigureRow.
  void Add(std::string_view word, std::string_view state, std::int64_t exams, std::int64_t cents);
};

struct Report {
  absl::Time as_of;
  struct Row {
    std::string tenant;
    std::string modality;
    // "ordering" or "source".
    std::string side;
    MarkedFigures figures;
  };
  // Sorted by tenant, modality, side; none is all zero.
  std::vector<Row> rows;
  // Exams and cents counted once per exam (T10): sides are never summed.
  MarkedFigures total;
};

// Rows and total of what ReadFigures() gave; of one tenant's rows when `tenant` is not empty. Pure.
[[nodiscard]] Report MakeReport(const std::vector<FigureRow>& figures, absl::Time as_of, std::string_view tenant);

// Whether a statement also says which of its figures are countersigned and which disputed.
enum class Marks { kNone, kShown };
// JSON with sorted keys and integers only, the schema of SAVINGS.md, on one line; with marks each row and the total have the five figures again below
// "countersigned" and "disputed".
[[nodiscard]] std::string ToJson(const Report& report, Marks marks);
// A line a row, a line "total" a state's figures in columns, then those of what is countersigned and of what is disputed; RFC 4180.
[[nodiscard]] std::string ToCsv(const Report& report);
// "2026-03-01T00:00:00Z", with milliseconds only when there are any.
[[nodiscard]] std::string FormatAsOf(absl::Time time);

class Reporter {
 public:
  // `settle` finishes what waits in the partitions' outboxes (Outbox::Drain() of each), so that a report shows all that was
  // acknowledged; a failure of it fails the report.
  Reporter(const tenants::Database& network_database, const tenants::Registry& registry, const Clock& network_clock,
           std::function<absl::Status()> settle);

  // As of network time when absent. `tenant`: a tenant's name for its own view (NotFound when there is none such), else empty.
  [[nodiscard]] absl::StatusOr<Report> Make(std::optional<absl::Time> as_of, std::string_view tenant) const;
  // ToJson() of it: what AdminService.Savings answers.
  [[nodiscard]] absl::StatusOr<std::string> MakeJson(std::optional<absl::Time> as_of, std::string_view tenant, Marks marks) const;
  // Ungrouped: also by partner and month.
  struct Detailed {
    absl::Time as_of;
    std::vector<FigureRow> rows;
  };
  [[nodiscard]] absl::StatusOr<Detailed> Read(std::optional<absl::Time> as_of, bool tenants_view) const;
  [[nodiscard]] absl::StatusOr<std::vector<ListedAvoidance>> List(const AvoidanceFilter& filter, std::optional<absl::Time> as_of,
                                                                  int limit, int offset) const;

 private:
  const tenants::Database& network_database_;
  const tenants::Registry& registry_;
  const Clock& network_clock_;
  const std::function<absl::Status()> settle_;
};

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_REPORT_H_
