// Answers a tenant's own searches and Patient/$everything: opens the records of the patients (or ids) asked for, as they stood at the
// first page, and filters, sorts and pages in memory. Nothing is searched across patients but by identifier. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCHER_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCHER_H_

#include "services/exchange/fhir_call.h"
#include "services/exchange/fhir_charts.h"
#include "services/keys/sealer.h"

namespace custodian::exchange {

class FhirSearcher {
 public:
  FhirSearcher(keys::Sealer& sealer, KeptChartLimits limits) : sealer_(sealer), charts_(sealer, machine_clock_, limits) {}

  // A searchset of call.type(), or the refusal.
  [[nodiscard]] rpc::HttpResponse Search(const FhirCall& call, const Parameters& parameters) const;
  // Everything of Patient call.id().
  [[nodiscard]] rpc::HttpResponse Everything(const FhirCall& call, const Parameters& parameters) const;
  // Lets go of charts that were kept long enough (fhir_charts.h).
  void DropExpired() const { charts_.DropExpired(); }

 private:
  keys::Sealer& sealer_;
  const MachineClock machine_clock_;
  const FhirCharts charts_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_SEARCHER_H_
