// The map of a log's subjects (ledger/subject_map.h), in a file instead of memory: a hash table of pages that the kernel pages in and out, so
// that whoever verifies a log of any length stays small. It is made anew at each start from the entries themselves, so the file is never synced and has
// no name: it goes with the process. Used by one thread.
#ifndef CUSTODIAN_SERVICES_NODE_PAGE_TABLE_H_
#define CUSTODIAN_SERVICES_NODE_PAGE_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/subject_map.h"

namespace custodian::node {

class PageTable final : public ledger::SubjectPages {
 public:
  // In a nameless file of `folder`. Unavailable when the disk refuses.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<PageTable>> Create(std::string folder);
  ~PageTable() override;
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;

  [[nodiscard]] absl::StatusOr<std::map<std::string, std::string>> Read(const std::vector<std::string>& prefixes) override;
  // Ends the process when the disk is full: nothing could be verified then.
  [[nodiscard]] absl::Status Write(const std::map<std::string, std::string>& pages) override;

 private:
  // All zero: empty. A page is known by 16 bytes of the hash of its prefix, enough for no two to meet.
  struct Slot {
    std::array<std::uint64_t, 2> name{};
    std::uint32_t bytes = 0;
    std::array<char, ledger::kSubjectPageBytesMax> page{};
  };
  explicit PageTable(std::string folder) : folder_(std::move(folder)) {}
  [[nodiscard]] absl::StatusOr<Slot*> Map(std::size_t capacity) const;
  // The page's slot, or the empty one where it would be.
  [[nodiscard]] static Slot& Find(Slot* slots, std::size_t capacity, const std::array<std::uint64_t, 2>& name);
  void Grow(std::size_t capacity);

  std::string folder_;
  Slot* slots_ = nullptr;
  // A power of two, more than a quarter of it empty.
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_PAGE_TABLE_H_
