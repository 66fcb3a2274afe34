// A log's sealed records and wrapped keys as a mirror's files: records in one file for each 256 entries (`records/x001/067`), each behind its length, in the order
// in which they came; wrapped keys in one file a shard (`keys/<hex of the shard>`), each in its newest form alone. Bytes only: what they are, the log says, and the caller
// checks. A crash leaves a record cut off at a file's end, or a ".new" file that nobody reads. Written by one thread, read by any.
#ifndef CUSTODIAN_SERVICES_NODE_SEALED_COPY_H_
#define CUSTODIAN_SERVICES_NODE_SEALED_COPY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/sealed_items.h"

namespace custodian::node {

class SealedCopy {
 public:
  // Makes the folder (mode 0700) when it is missing; the folder above it must be there.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<SealedCopy>> Open(std::string folder);
  ~SealedCopy();
  SealedCopy(const SealedCopy&) = delete;
  SealedCopy& operator=(const SealedCopy&) = delete;

  // Gives the records of entries [256 * segment, 256 * (segment + 1)) one at a time, each with its place in the file. False when the file ends in something that is
  // no record. Unavailable when the disk refuses.
  using Visit = std::function<void(const ledger::v1::SealedItem& item, std::uint64_t place)>;
  [[nodiscard]] absl::StatusOr<bool> VisitRecords(std::uint64_t segment, const Visit& visit) const;
  // The record at a place that VisitRecords() gave; NotFound when it is not there any more.
  [[nodiscard]] absl::StatusOr<ledger::v1::SealedItem> ReadRecord(std::uint64_t segment, std::uint64_t place) const;
  [[nodiscard]] absl::Status AppendRecords(std::uint64_t segment, const std::vector<ledger::v1::SealedItem>& items) const;
  // Leaves only the records for which `keep` is true, and nothing behind them.
  using Keep = std::function<bool(const ledger::v1::SealedItem& item)>;
  [[nodiscard]] absl::Status RewriteRecords(std::uint64_t segment, const Keep& keep) const;

  // Keys of a shard (its id, 16 bytes); empty when there is no such file. What cannot be read of it is left out.
  [[nodiscard]] absl::StatusOr<std::vector<ledger::v1::KeptKey>> ReadKeys(const std::string& shard_id) const;
  [[nodiscard]] absl::Status WriteKeys(const std::string& shard_id, const std::vector<ledger::v1::KeptKey>& keys) const;
  // Removes every wrapped key of an earlier epoch; how many those were.
  [[nodiscard]] absl::StatusOr<std::uint64_t> ForgetKeysBefore(std::uint64_t epoch) const;

  // Everything written so far is on disk. Unavailable when it is not: then none of it may be relied on.
  [[nodiscard]] absl::Status Sync() const;

 private:
  SealedCopy(std::string folder, int descriptor) : folder_(std::move(folder)), descriptor_(descriptor) {}
  [[nodiscard]] std::string RecordsFile(std::uint64_t segment) const;
  [[nodiscard]] std::string KeysFile(const std::string& shard_id) const;
  [[nodiscard]] absl::StatusOr<std::vector<ledger::v1::KeptKey>> ReadKeysFile(const std::string& file) const;
  [[nodiscard]] static absl::Status WriteKeysFile(const std::string& file, const std::vector<ledger::v1::KeptKey>& keys);

  const std::string folder_;
  const int descriptor_;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_SEALED_COPY_H_
