// Secret files as `migrate` and `tenant admit` write them: whole or not at all, mode 0600.
#ifndef CUSTODIAN_SERVICES_MAIN_SECRETS_H_
#define CUSTODIAN_SERVICES_MAIN_SECRETS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "services/main/config.h"
#include "tenants/provision.h"

namespace custodian::main {

// Writes `bytes` to a temporary file beside `path`, syncs it, renames it.
[[nodiscard]] absl::Status WriteSecret(const std::string& path, std::string_view bytes);

// Provisions a database and keeps its roles' passwords in `secrets`, unless they are there already; then applies migrations of
// `set` for `tenant`. Returns how many files were applied.
[[nodiscard]] absl::StatusOr<int> ProvisionAndMigrate(const Config& config, const std::string& cell, const std::string& database,
                                                      const std::string& secrets, std::string_view set, std::string_view tenant);
// The auditor role of a cell, once.
[[nodiscard]] absl::Status ProvisionAuditor(const Config& config, const std::string& cell);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_SECRETS_H_
