// The standard tables (maps/*.csv), inside the binary.
#ifndef CUSTODIAN_SERVICES_FEEDS_EMBEDDED_MAPS_H_
#define CUSTODIAN_SERVICES_FEEDS_EMBEDDED_MAPS_H_

#include <string_view>

namespace custodian::feeds {

// The text of maps/<name>.csv; empty when there is none.
[[nodiscard]] std::string_view EmbeddedMap(std::string_view name);

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_EMBEDDED_MAPS_H_
