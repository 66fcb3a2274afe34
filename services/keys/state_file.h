// Small files that must not be lost: what the key process promised before it acted on it (signing states, placements, a refused
// PIN). Replaced whole and durably; safe from any thread, but one writer a file at a time.
#ifndef CUSTODIAN_SERVICES_KEYS_STATE_FILE_H_
#define CUSTODIAN_SERVICES_KEYS_STATE_FILE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace custodian::keys {

// NotFound when there is no such file.
[[nodiscard]] absl::StatusOr<std::string> ReadStateFile(const std::string& path);
// Writes beside it, fsyncs, renames, fsyncs the directory: after OK the new bytes survive a power cut, after an error the old or
// the new ones are there, whole. Mode 0600.
[[nodiscard]] absl::Status WriteStateFile(const std::string& path, std::string_view bytes);

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_STATE_FILE_H_
