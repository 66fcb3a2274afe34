// What became of orders at EHRs that send no feedback or know no `delete`: read from the order feed, the tenant's own ServiceRequests as they
// come in by FHIR or HL7 v2. An order that had a card and no feedback, and is then revoked, was perhaps cancelled because of it; one
// that is then completed was carried out all the same. Silence is no avoidance (DESIGN, section 7), and neither is this: what is inferred
// is counted by itself (exchange.order_inferred), never as accepted or overridden, and never
// reaches savings. It is a projection of stored records, written without an entry. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_ORDER_FEED_H_
#define CUSTODIAN_SERVICES_EXCHANGE_ORDER_FEED_H_

#include "absl/status/status.h"
#include "services/exchange/patient_records.h"
#include "services/keys/sealer.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

// For rows of the outbox kind "savings" (every stored order has one): infers anew for the orders of one patient. Idempotent.
[[nodiscard]] absl::Status InferOrders(const tenants::Partition& partition, const PatientRecords& records, keys::Sealer& sealer,
                                       const PatientId& patient);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_ORDER_FEED_H_
