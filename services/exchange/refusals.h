// Refusals at their source, without telling when they were (DESIGN, section 7, "Leaks nothing"): noted in memory when they happen, kept in the
// source's database a moment later (its patient's AuditEvent, sealed), and written to its log in batches of one size on a schedule that no request moves, to
// every tenant, whether there were any or not. A batch is two entries, DISCLOSURES_REFUSED and RECORD_STORED, that name `batch` records: the patients'
// AuditEvents, then random bytes that nobody can tell from them. The price is delay: a patient sees a refusal up to `period` later, or n periods when n batches
// wait; and a process that dies takes what it had noted since the last Keep() with it. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_REFUSALS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_REFUSALS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/consent/tenant_rules.h"
#include "services/exchange/audit_event.h"
#include "services/exchange/patient_records.h"
#include "services/exchange/refusal_store.h"
#include "services/keys/sealer.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

// A record that exists, of a person matched with certainty, which consent did not let a reader see.
struct Refused {
  PatientLink patient;
  std::string resource_type;
  std::string resource_id;
  TenantId reader;
  // As in AuditFacts.
  std::string client;
  std::string user;
  std::string purpose;
  absl::Time time;
  std::int64_t consent_version = 0;
  // Those that were in force.
  std::shared_ptr<const consent::TenantRules> rules;
  // The person's other charts at that tenant, whose consents were counted, too.
  std::vector<tenants::ExpectConsentVersion> judged_with = {};
  // What was stated to be an emergency, and did not open it.
  std::optional<Emergency> emergency = std::nullopt;
  // Of its AuditEvent; Note() draws it, so that it is one however often keeping it is tried.
  std::string id = {};
};
// Takes a refusal in; at once, and without waiting for anything.
using OnRefused = std::function<void(Refused)>;

class Refusals {
 public:
  struct Options {
    // Records a batch.
    std::size_t batch = 16;
    // Waiting refusals a tenant, kept or only noted; past it the newest is dropped, counted and alarmed.
    std::size_t waiting_max = 10'000;
  };
  // Borrows everything.
  Refusals(Options options, const tenants::Partitions& partitions, keys::Sealer& sealer, const PatientRecords& records);

  void Note(Refused refused);
  // Keeps what was noted, so that it outlives this process; called every tenth of a second or so by a thread of services/main. What cannot be kept now
  // waits on; returns the first failure.
  [[nodiscard]] absl::Status Keep();
  // One batch of what was kept to every partition; called every period by one thread of services/main. A partition that cannot be reached keeps
  // what waits; returns the first failure.
  [[nodiscard]] absl::Status WriteBatches();
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  [[nodiscard]] absl::Status KeepFor(const tenants::Partition& partition) ABSL_LOCKS_EXCLUDED(mutex_);
  void Drop(const TenantId& tenant);
  [[nodiscard]] absl::Status WriteBatch(const tenants::Partition& partition);
  [[nodiscard]] absl::StatusOr<WaitingRefusal> Seal(const tenants::Partition& partition, const Refused& refused) const;
  [[nodiscard]] absl::StatusOr<std::string> AuditOf(const tenants::Partition& partition, const Refused& refused) const;

  const Options options_;
  const tenants::Partitions& partitions_;
  keys::Sealer& sealer_;
  const PatientRecords& records_;
  // One Keep() at a time.
  absl::Mutex keeping_;
  mutable absl::Mutex mutex_;
  // By tenant.
  std::map<std::string, std::deque<Refused>> noted_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_REFUSALS_H_
