// The idempotency keys of a log as `custodian verify` keeps them: 16 bytes of each entry's, in the order of the log, in a file that is only
// appended to; memory does not grow with the log. Which keys repeat is asked at the end, by passes over the file that each hold a
// part of the keys. Used by one thread.
#ifndef CUSTODIAN_SERVICES_NODE_KEY_JOURNAL_H_
#define CUSTODIAN_SERVICES_NODE_KEY_JOURNAL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/audit.h"
#include "ledger/tree.h"

struct evp_md_ctx_st;

namespace custodian::node {

class KeyJournal final : public ledger::SeenKeys {
 public:
  // In a nameless file of `folder`, for entries from `first` on. Unavailable when the disk refuses, here and below.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<KeyJournal>> CreateNameless(const std::string& folder, std::uint64_t first);
  // The first `size` keys of the file at `path`, which is made when `size` is 0; whatever lies behind them is dropped. DataLoss unless the
  // file has them and they have this SHA-256. Holds the file's lock: FailedPrecondition when another process does.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<KeyJournal>> Open(const std::string& path, std::uint64_t size, const ledger::Hash& sha256);
  ~KeyJournal() override;
  KeyJournal(const KeyJournal&) = delete;
  KeyJournal& operator=(const KeyJournal&) = delete;

  // Always true: repeats are found later. A failure to write is kept for Flush().
  [[nodiscard]] bool Insert(const ledger::Hash& key, std::uint64_t index) override;
  // Entries up to `size` without a key (those that cannot be read, or are not judged) have none; everything is on disk then. Returns the
  // SHA-256 of the file.
  [[nodiscard]] absl::StatusOr<ledger::Hash> Flush(std::uint64_t size);
  // Calls `repeated`, in order, for each entry from `first` on whose key an earlier entry has; for `repeats_max` of them at most, and
  // returns how many more there are. After Flush(). Holds `keys_held_max` keys at a time (24 bytes each), but more than that of a log so
  // long that it would be read more than 64 times.
  [[nodiscard]] absl::StatusOr<std::size_t> FindRepeats(std::uint64_t first, std::size_t repeats_max,
                                                        const std::function<void(std::uint64_t index)>& repeated,
                                                        std::size_t keys_held_max = 1u << 18) const;
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  KeyJournal(std::string path, int file);
  void Append(std::string_view bytes);
  [[nodiscard]] absl::Status WriteBuffered();
  [[nodiscard]] absl::Status ForEach(std::uint64_t first, std::uint64_t end,
                                     const std::function<void(std::uint64_t index, const unsigned char* key)>& visit) const;

  std::string path_;
  int file_;
  // Before it the file is a hole.
  std::uint64_t first_ = 0;
  std::uint64_t size_ = 0;
  std::string buffer_;
  // Over everything appended.
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> digest_;
  absl::Status failed_;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_KEY_JOURNAL_H_
