#include "ledger/base64.h"

#include "absl/strings/escaping.h"

namespace custodian::ledger {

std::string Base64Encode(std::string_view bytes) { return absl::Base64Escape(absl::string_view(bytes.data(), bytes.size())); }

absl::StatusOr<std::string> Base64Decode(std::string_view text) {
  std::string bytes;
  // abseil forgives white space, missing padding and stray bits; encoding again does not.
  if (!absl::Base64Unescape(absl::string_view(text.data(), text.size()), &bytes) || Base64Encode(bytes) != text)
    return absl::InvalidArgumentError("not standard Base64");
  return bytes;
}

}  // namespace custodian::ledger
