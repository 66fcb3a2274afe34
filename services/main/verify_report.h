// What `custodian verify` found, and what its forms share.
#ifndef CUSTODIAN_SERVICES_MAIN_VERIFY_REPORT_H_
#define CUSTODIAN_SERVICES_MAIN_VERIFY_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ledger/audit.h"
#include "ledger/checkpoint.h"
#include "services/main/config.h"

namespace custodian::main {

// An anchor may name governance entries that came after our reading of that log: then both are read again.
inline constexpr int kRoundsMax = 10;

// What was verified of a log, for people and for --json.
struct VerifiedLog {
  std::string tenant;
  std::string origin;
  std::uint64_t size = 0;
  std::uint64_t witnessed_size = 0;
  // When a quorum last had cosigned that; InfinitePast when none is wanted, or nothing is published yet.
  absl::Time witnessed_at = absl::InfinitePast();
  // From databases only.
  std::optional<std::uint64_t> records;
  std::optional<std::uint64_t> keys;
  // Keys that no entry names (AuditKeyStore).
  std::uint64_t unnamed_keys = 0;
};

struct VerifyReport {
  std::vector<VerifiedLog> logs;
  // From databases only: how many witnesses said what they cosigned.
  std::optional<std::uint64_t> witnesses_asked;
  std::vector<ledger::Finding> findings;

  void Add(std::vector<ledger::Finding> more) { findings.insert(findings.end(), more.begin(), more.end()); }
  [[nodiscard]] std::string TenantOf(const std::string& origin) const {
    for (const VerifiedLog& log : logs)
      if (log.origin == origin) return log.tenant;
    return "";
  }
};

// Why a checkpoint is too old that a quorum last cosigned at `witnessed_at`; empty when it is not.
[[nodiscard]] std::string JudgeAge(absl::Time witnessed_at, absl::Duration max_age, absl::Time now);
// A finding for each log whose newest witnessed checkpoint is too old. A log without entries has none.
void JudgeAges(VerifyReport& report, absl::Duration max_age, absl::Time now);

// Prints the report; throws CommandFailed when there are findings.
void PrintVerified(const VerifyReport& report, bool json);

[[nodiscard]] ledger::Policy ReadPolicy(const std::string& file);
// The policy with the key that the governance log admitted the log with; what the verifier's own file says has precedence.
[[nodiscard]] ledger::Policy WithAdmittedKey(const ledger::Policy& policy, const ledger::v1::TenantAdmitted& admitted,
                                             ledger::Findings& findings);

// Every database of an installation (verify_databases.cc); asks the policy's witnesses, too.
[[nodiscard]] VerifyReport VerifyDatabases(const Config& config);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_VERIFY_REPORT_H_
