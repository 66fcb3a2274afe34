// Data files that are compiled in, so that nothing the program decides depends on a file beside it.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_DATA_FILES_H_
#define CUSTODIAN_SERVICES_EXCHANGE_DATA_FILES_H_

#include <string_view>

namespace custodian::exchange {

// given_names.csv, match_weights.csv and order_reasons.csv; the README says where they come from.
[[nodiscard]] std::string_view GivenNamesCsv();
[[nodiscard]] std::string_view ShippedMatchWeightsCsv();
[[nodiscard]] std::string_view ShippedOrderReasonsCsv();

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_DATA_FILES_H_
