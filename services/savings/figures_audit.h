// Checks the projection that figures are read from against itself: every avoidance's states must have led to exactly the postings
// that are there, and what is kept twice must be equal. Needs no key. Together with log::AuditSavings, which compares postings
// with ledger entries, it ties the figures to the logs. Blocking; for any thread.
//
// What time or the feeds make due and no run has entered yet is no discrepancy: an avoidance is judged as of its last planning,
// which its due times tell. What cannot be seen without the patients' keys: states whose postings waited (due times that were
// altered with them), the history of states before the current one, and a window's end moved within its month.
#ifndef CUSTODIAN_SERVICES_SAVINGS_FIGURES_AUDIT_H_
#define CUSTODIAN_SERVICES_SAVINGS_FIGURES_AUDIT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/audit.h"
#include "services/savings/savings_store.h"
#include "tenants/database.h"

namespace custodian::savings {

// What is wrong with one avoidance, for people; `now` is the network time, not before the rows were read.
[[nodiscard]] std::vector<std::string> JudgeAvoidance(const KeptAvoidance& avoidance, const std::vector<KnownState>& states,
                                                      const std::vector<Posting>& posted, absl::Time now);

// Of the whole projection. Findings are of the ordering tenant's log, or of `governance_origin` where no such tenant exists.
[[nodiscard]] absl::StatusOr<std::vector<ledger::Finding>> AuditFigures(const tenants::Database& network_database,
                                                                        bool simulated_time,
                                                                        const std::string& governance_origin);

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_FIGURES_AUDIT_H_
