// Names a patient at a tenant. A value.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_PATIENT_LINK_H_
#define CUSTODIAN_SERVICES_EXCHANGE_PATIENT_LINK_H_

#include "tenants/ids.h"

namespace custodian::exchange {

struct PatientLink {
  TenantId tenant;
  PatientId patient;
  auto operator<=>(const PatientLink&) const = default;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_PATIENT_LINK_H_
