// What the exchange's services borrow, made once in services/main: where records lie, who opens them, who is one person, by what rules
// consent is decided. A plain value of references; whoever holds one is outlived by what it names.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_EXCHANGE_PARTS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_EXCHANGE_PARTS_H_

#include <string>

#include "services/exchange/consent_gate.h"
#include "services/exchange/locator.h"
#include "services/exchange/patient_records.h"
#include "services/exchange/person_chart.h"
#include "services/exchange/refusals.h"
#include "services/keys/key_client.h"
#include "services/keys/sealer.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"
#include "tenants/registry.h"

namespace custodian::exchange {

struct ExchangeParts {
  const tenants::Partitions& partitions;
  const tenants::Registry& registry;
  keys::Sealer& sealer;
  keys::KeyClient& keys;
  const PatientRecords& records;
  const Locator& locator;
  const Clock& network_clock;
  // Base of the URLs we hand out and are called by, "https://host:port".
  std::string public_url;
  // Consent rules in force at a tenant.
  RulesOf rules = BuiltInRules();
  // Takes in what consent refused; may be empty.
  OnRefused refused = nullptr;
  // Where order checks have other tenants' charts opened; absent: nothing else waits for those than the check itself.
  OpenApart open_apart = nullptr;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_EXCHANGE_PARTS_H_
