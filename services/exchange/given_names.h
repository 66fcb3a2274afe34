// Given names that are names of their own, and which formal names a familiar one stands for ("peggy": margaret). Data:
// given_names.csv (its sources are in the README). Pure; safe from any thread.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_GIVEN_NAMES_H_
#define CUSTODIAN_SERVICES_EXCHANGE_GIVEN_NAMES_H_

#include <string_view>
#include <vector>

namespace custodian::exchange {

// Of normalised names (demographics.h). A name that people bear: another such name that differs in a letter ("maria", "marie") is
// another name and no typing error.
[[nodiscard]] bool IsGivenName(std::string_view name);
// Formal names, none for a name that is nobody's nickname.
[[nodiscard]] const std::vector<std::string_view>& FormalNamesOf(std::string_view name);
// Names that people bear of which `name`, on no list, may be a typing error: a letter replaced, left out, inserted, or exchanged with its neighbour. None
// for a name of less than four or more than sixteen letters.
[[nodiscard]] std::vector<std::string_view> MeantNamesOf(std::string_view name);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_GIVEN_NAMES_H_
