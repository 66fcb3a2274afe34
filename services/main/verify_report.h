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
  // From tiles only: the first entry that was read, and the first that was judged, in this run; those before were by earlier runs, if it
  // is resumed, and by nobody else.
  std::uint64_t read_from = 0;
  std::uint64_t judged_from = 0;
  bool is_resumed = false;
};

// The entries of one subject that were found among those judged, for --subject.
struct SubjectEntries {
  struct Entry {
    std::uint64_t index = 0;
    std::string kind;
    absl::Time time;
  };
  // 16 bytes.
  std::string subject;
  std::vector<Entry> entries;

  void See(std::uint64_t index, const ledger::Leaf& leaf);
};

struct VerifyReport {
  std::vector<VerifiedLog> logs;
  // From databases only: how many witnesses said what they cosigned.
  std::optional<std::uint64_t> witnesses_asked;
  std::vector<ledger::Finding> findings;
  std::optional<SubjectEntries> subject;

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

// Findings of a log with those about entries first, in the order of the log.
[[nodiscard]] std::vector<ledger::Finding> InOrder(std::vector<ledger::Finding> findings);

// Prints the report; throws CommandFailed when there are findings.
void PrintVerified(const VerifyReport& report, bool json);

[[nodiscard]] ledger::Policy ReadPolicy(const std::string& file);
// The policy with the key that the governance log admitted the log with; what the verifier's own file says has precedence.
[[nodiscard]] ledger::Policy WithAdmittedKey(const ledger::Policy& policy, const ledger::v1::TenantAdmitted& admitted,
                                             ledger::Findings& findings);

struct VerifyOptions;
// A log as it is served (verify_tiles.cc).
[[nodiscard]] VerifyReport VerifyTiles(const VerifyOptions& options);
// Every database of an installation (verify_databases.cc); asks the policy's witnesses, too.
[[nodiscard]] VerifyReport VerifyDatabases(const Config& config);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_VERIFY_REPORT_H_
