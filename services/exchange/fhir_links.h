// Links of a resource that are no References: elements of the types url and uri, and <a href> and <img src> in narratives. A transaction maps
// them as it does References (http://hl7.org/fhir/R4/http.html#trules). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_LINKS_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_LINKS_H_

#include <functional>
#include <string>

#include "services/exchange/fhir_json.h"

namespace custodian::exchange {

// Calls `visit` with each, and whether it may be a name (a uri) rather than an address; what it leaves in the text is stored back. Left out are
// canonicals, as R4 says, and elements of the types oid and uuid, which could not hold Type/id.
void VisitLinks(Json& resource, const std::function<void(std::string& link, bool is_name)>& visit);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_LINKS_H_
