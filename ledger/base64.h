// Standard Base64 (RFC 4648, section 4) as the C2SP formats want it: padded, and exactly one encoding per value. Pure.
#ifndef CUSTODIAN_LEDGER_BASE64_H_
#define CUSTODIAN_LEDGER_BASE64_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace custodian::ledger {

[[nodiscard]] std::string Base64Encode(std::string_view bytes);
// InvalidArgument for anything that Base64Encode would not have written.
[[nodiscard]] absl::StatusOr<std::string> Base64Decode(std::string_view text);

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_BASE64_H_
