// A Write that was checked as far as it can be without the state of the log, as it waits in its partition's queue.
#ifndef CUSTODIAN_TENANTS_QUEUED_WRITE_H_
#define CUSTODIAN_TENANTS_QUEUED_WRITE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/signature.h"
#include "tenants/partition_writer.h"

namespace custodian::tenants {

// A Write holds at most these many bytes of entries and rows.
inline constexpr std::size_t kWriteBytesMax = 64 << 20;

// What decides whether (a part of) a Write was seen before.
struct IdempotencyItem {
  std::string author;
  // 32 bytes.
  std::string key;
  // 32 bytes.
  std::string digest;
  // Entries of the Write it stands for.
  std::size_t offset = 0;
  std::size_t count = 0;
  // The author's counter; none for the custodian's.
  std::optional<std::int64_t> counter;
};

struct QueuedWrite {
  Write write;
  // One for a Write of the custodian's; one for each signed leaf.
  std::vector<IdempotencyItem> items;
  // Of each of write.signed_leaves.
  std::vector<ledger::Hash> leaf_hashes;
  std::vector<RecentSubjects::Subject> leaf_subjects;
  // Author, key and kinds of the signed leaves, judged by the roster at commit.
  struct SignedBy {
    std::string author;
    ledger::Hash key_id;
    std::set<ledger::v1::Kind> kinds;
  };
  std::optional<SignedBy> signed_by;
  std::size_t bytes = 0;
  // Called once.
  PartitionWriter::Done done;

  [[nodiscard]] std::size_t entries() const { return write.entries.size() + write.signed_leaves.size(); }
};

// Checks limits, rows, entries and author signatures. InvalidArgument, Unauthenticated or PermissionDenied say what is wrong.
// `key` is the custodian's own.
[[nodiscard]] absl::StatusOr<std::unique_ptr<QueuedWrite>> CheckWrite(Write write, const PartitionWriter::Options& options,
                                                                      const ledger::PublicKey& key, const Roster& roster);

// Idempotency key of the custodian's n-th entry of a Write: the Write's own for the first, derived from it for the others.
[[nodiscard]] std::string EntryIdempotencyKey(const std::string& write_key, std::size_t n);

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_QUEUED_WRITE_H_
