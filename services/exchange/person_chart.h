// The charts that tenants keep of one person, opened for one reader's question. A tenant may keep several (merged, or joined by identifiers:
// locator.h): each record of theirs is judged by the consents, labels and birth dates in all of them, and its disclosure is conditional on
// the consents of all. Made for a request, used by one thread; writes nothing.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_PERSON_CHART_H_
#define CUSTODIAN_SERVICES_EXCHANGE_PERSON_CHART_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/exchange/consent_gate.h"
#include "services/exchange/patient_records.h"
#include "tenants/clock.h"
#include "tenants/partition_writer.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

struct PersonChart {
  PatientLink link;
  const tenants::Partition* partition = nullptr;
  // Newest versions.
  std::shared_ptr<const std::vector<OpenedRecord>> records;
  // It is what all entries below this position of its log made of it.
  std::uint64_t through = 0;
  // Of other tenants' charts: the consent version that decisions are made on, and their time.
  std::int64_t consent_version = 0;
  absl::Time asked;
  // What the reader may see of it; none for its own.
  std::shared_ptr<const ConsentGate> gate;

  // Null when it has none such.
  [[nodiscard]] const OpenedRecord* Find(std::string_view type, std::string_view id) const;
  [[nodiscard]] const OpenedRecord* Find(const RecordId& record) const;
};

// Opens a chart later, on a thread that may wait for the tenant's keys and database; false when too much waits (rpc::Errands).
using OpenApart = std::function<bool(const TenantId& tenant, std::function<void()> opening)>;

class PersonCharts {
 public:
  struct Sources {
    const tenants::Partitions& partitions;
    const PatientRecords& records;
    const RulesOf& rules;
    const Clock& network_clock;
  };
  struct Reader {
    const tenants::Tenant& tenant;
    // v3-ActReason.
    std::string purpose;
    // Nothing is decided by an earlier time.
    absl::Time not_before = absl::InfinitePast();
    // How long other tenants' charts are waited for (machine's clock), and where they are opened meanwhile; absent: here, however long it takes.
    absl::Time open_until = absl::InfiniteFuture();
    OpenApart open_apart = nullptr;
  };
  // `links`: those of the person's charts that are wanted, of each tenant either all or none. What keeps another tenant's chart from being opened
  // (damage, a key that is gone, keys or a database that are slow) is alarmed, and leaves all of that tenant's out: consents may lie in what cannot be
  // read. What comes late is kept for the next who asks. `purpose` is that of the decryption. Unavailable when a partition does not run here.
  [[nodiscard]] static absl::StatusOr<PersonCharts> Open(const Sources& sources, const std::vector<PatientLink>& links, const Reader& reader,
                                                         std::string_view purpose);

  [[nodiscard]] const std::vector<PersonChart>& charts() const { return charts_; }
  // The tenant's chart that holds this record; null without.
  [[nodiscard]] const PersonChart* ChartOf(std::string_view tenant_name, std::string_view type, std::string_view id) const;
  // The chart that this very record lies in; null when it is none of theirs.
  [[nodiscard]] const PersonChart* ChartWith(const OpenedRecord& record) const;
  // The tenant's other charts of the person.
  [[nodiscard]] std::vector<tenants::ExpectConsentVersion> JudgedWith(const PersonChart& chart) const;

 private:
  void MakeGates(const Sources& sources, const Reader& reader);

  std::vector<PersonChart> charts_;
};

// What keeps this chart from being opened is damage, or a key that its tenant took away; not a process that is away for a moment, after which the
// question is asked again.
[[nodiscard]] bool IsOfTheChart(const absl::Status& status);
// Those at one tenant.
[[nodiscard]] std::vector<PatientLink> LinksAt(const TenantId& tenant, const std::vector<PatientLink>& person);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_PERSON_CHART_H_
