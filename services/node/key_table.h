// The idempotency keys of a log, in a file instead of memory: a hash table that the kernel pages in and out, so that a mirror of a log
// of any length stays small. It is made anew at each start from the entries themselves, so the file is never synced and has no name: it
// goes with the process. Used by one thread.
#ifndef CUSTODIAN_SERVICES_NODE_KEY_TABLE_H_
#define CUSTODIAN_SERVICES_NODE_KEY_TABLE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "ledger/audit.h"

namespace custodian::node {

class KeyTable final : public ledger::SeenKeys {
 public:
  // In a nameless file of `folder`. Unavailable when the disk refuses.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<KeyTable>> Create(std::string folder);
  ~KeyTable() override;
  KeyTable(const KeyTable&) = delete;
  KeyTable& operator=(const KeyTable&) = delete;

  // Keeps 16 bytes of each key, enough for no two to meet. Ends the process when the disk is full: nothing could be verified then.
  [[nodiscard]] bool Insert(const ledger::Hash& key, std::uint64_t index) override;
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  // All zero: empty. A key that begins with 16 zero bytes is kept as one.
  struct Slot {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    bool operator==(const Slot&) const = default;
  };
  explicit KeyTable(std::string folder) : folder_(std::move(folder)) {}
  [[nodiscard]] absl::StatusOr<Slot*> Map(std::size_t capacity) const;
  [[nodiscard]] static bool Put(Slot* slots, std::size_t capacity, const Slot& key);

  std::string folder_;
  Slot* slots_ = nullptr;
  // A power of two, more than half of it empty.
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_KEY_TABLE_H_
