// Data files that are compiled in, so that what the locator keeps of a patient depends on no file beside the program.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_DATA_FILES_H_
#define CUSTODIAN_SERVICES_EXCHANGE_DATA_FILES_H_

#include <string_view>

namespace custodian::exchange {

// given_names.csv and match_weights.csv; the README says where they come from.
[[nodiscard]] std::string_view GivenNamesCsv();
[[nodiscard]] std::string_view ShippedMatchWeightsCsv();

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_DATA_FILES_H_
