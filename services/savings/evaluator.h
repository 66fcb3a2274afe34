// Turns what tenants recorded into avoidances, their ledger entries and the projection. Runs as handlers of every partition's
// outbox: kind "savings" after anything about a patient changed, kind "savings-feed" after a watermark or gap. Every step may be
// repeated: states are computed anew from all evidence, entries are planned in the projection before they are admitted under a
// key made from the plan, and marked afterwards. A crash anywhere leaves work that the next run finishes. Thread-safe; one person
// is evaluated by one thread at a time.
#ifndef CUSTODIAN_SERVICES_SAVINGS_EVALUATOR_H_
#define CUSTODIAN_SERVICES_SAVINGS_EVALUATOR_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/exchange/exam_tables.h"
#include "services/exchange/locator.h"
#include "services/exchange/patient_records.h"
#include "services/keys/sealer.h"
#include "services/savings/postings.h"
#include "services/savings/timeline.h"
#include "tenants/clock.h"
#include "tenants/database.h"
#include "tenants/partitions.h"
#include "tenants/registry.h"

namespace custodian::savings {

// The smallest of all tenants' watermarks known by `as_of`; InfinitePast while one of them never sent any (T8).
[[nodiscard]] absl::StatusOr<absl::Time> SmallestWatermark(const tenants::Database& network_database,
                                                           const tenants::Registry& registry, absl::Time as_of);

class Poster;

class Evaluator {
 public:
  // Borrowed for the evaluator's life.
  struct Parts {
    const tenants::Partitions& partitions;
    const tenants::Registry& registry;
    const tenants::Database& network_database;
    const exchange::Locator& locator;
    const exchange::PatientRecords& records;
    keys::Sealer& sealer;
    const Clock& network_clock;
    const exchange::ExamTables& exam_tables;
    // Of prices.
    exchange::CurrentTable current_table;
  };
  explicit Evaluator(Parts parts);
  ~Evaluator();

  // Registers both handlers. Before the partition's first Drain().
  void Attach(tenants::Partition& partition);

  // Everything about the person behind a patient. OK at once when nobody accepted a card for them.
  [[nodiscard]] absl::Status EvaluatePerson(const exchange::PatientLink& patient);
  // What a tenant's feed said since the last call, and what follows from it.
  [[nodiscard]] absl::Status TakeFeed(const TenantId& tenant);
  // What a tenant's node said of reported entries since the last call.
  [[nodiscard]] absl::Status TakeWord(const TenantId& tenant);
  // Entries that became due by the passing of time: confirmations, monthly aggregates; and those a crash left. Called by
  // TakeFeed(); in real time also every minute by a thread of services/main.
  [[nodiscard]] absl::Status Settle();

 private:
  // Rows of the tenant's database after the last that was copied, to the network's.
  template <typename Row>
  [[nodiscard]] absl::Status CopyRows(const tenants::Partition& partition, std::int64_t (*last_index)(tenants::ReadTransaction&, const std::string&),
                                      std::vector<Row> (*read)(tenants::ReadTransaction&, std::int64_t, int),
                                      void (*insert)(tenants::WriteTransaction&, const std::string&, const std::vector<Row>&));
  class Turns;
  struct Opened;

  [[nodiscard]] absl::StatusOr<std::vector<Acceptance>> OpenAcceptances(const std::vector<exchange::PatientLink>& person);
  [[nodiscard]] absl::Status OpenFacts(const exchange::PatientLink& patient, Opened& opened);
  // The network's exam table, when one is set, and the tenant's own, when it differs: a redo is what either recognises (T7:
  // reversed broadly), so that no tenant's narrowed table hides one.
  [[nodiscard]] absl::StatusOr<std::vector<std::shared_ptr<const exchange::ExamTable>>> TablesOf(const std::string& tenant_name) const;
  [[nodiscard]] absl::Status Recall(const std::vector<exchange::PatientLink>& person, const ExamsFunction& exams_of,
                                    Evidence& evidence) const;
  [[nodiscard]] absl::Status Price(std::vector<Acceptance>& acceptances);
  [[nodiscard]] absl::StatusOr<Evidence> Gather(const std::vector<exchange::PatientLink>& person,
                                                std::vector<Acceptance> acceptances);
  [[nodiscard]] absl::Status Project(const std::vector<Acceptance>& acceptances,
                                     const std::vector<std::vector<KnownState>>& timeline);
  [[nodiscard]] absl::StatusOr<bool> HasFacts(const std::vector<exchange::PatientLink>& person) const;
  [[nodiscard]] absl::Status PlanDue();

  const Parts parts_;
  const std::unique_ptr<Turns> turns_;
  const std::unique_ptr<Poster> poster_;
};

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_EVALUATOR_H_
