#include "services/node/page_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "ledger/tree.h"
#include "services/node/mapped_file.h"
#include "spdlog/spdlog.h"

namespace custodian::node {
namespace {

constexpr std::size_t kCapacityAtFirst = 256;

using Name = std::array<std::uint64_t, 2>;

Name NameOf(const std::string& prefix) {
  const ledger::Hash hash = ledger::Sha256(prefix);
  Name name{};
  std::memcpy(name.data(), hash.data(), sizeof name);
  if (name == Name()) name[1] = 1;
  return name;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PageTable>> PageTable::Create(std::string folder) {
  std::unique_ptr<PageTable> table(new PageTable(std::move(folder)));
  const absl::StatusOr<Slot*> slots = table->Map(kCapacityAtFirst);
  if (!slots.ok()) return slots.status();
  table->slots_ = *slots;
  table->capacity_ = kCapacityAtFirst;
  return table;
}

PageTable::~PageTable() {
  if (slots_ != nullptr) ::munmap(slots_, capacity_ * sizeof(Slot));
}

absl::StatusOr<PageTable::Slot*> PageTable::Map(std::size_t capacity) const {
  const absl::StatusOr<void*> mapped = MapNamelessFile(folder_, capacity * sizeof(Slot));
  if (!mapped.ok()) return mapped.status();
  return static_cast<Slot*>(*mapped);
}

PageTable::Slot& PageTable::Find(Slot* slots, std::size_t capacity, const Name& name) {
  std::size_t at = name[0] & (capacity - 1);
  while (slots[at].name != Name() && slots[at].name != name) at = (at + 1) & (capacity - 1);
  return slots[at];
}

void PageTable::Grow(std::size_t capacity) {
  const absl::StatusOr<Slot*> larger = Map(capacity);
  if (!larger.ok()) {
    spdlog::critical("event=no_room_for_subjects reason=\"{}\"", std::string(larger.status().message()));
    std::abort();
  }
  for (std::size_t i = 0; i < capacity_; ++i)
    if (slots_[i].name != Name()) Find(*larger, capacity, slots_[i].name) = slots_[i];
  ::munmap(slots_, capacity_ * sizeof(Slot));
  slots_ = *larger;
  capacity_ = capacity;
}

absl::StatusOr<std::map<std::string, std::string>> PageTable::Read(const std::vector<std::string>& prefixes) {
  std::map<std::string, std::string> found;
  for (const std::string& prefix : prefixes) {
    const Slot& slot = Find(slots_, capacity_, NameOf(prefix));
    if (slot.name != Name()) found[prefix] = std::string(slot.page.data(), slot.bytes);
  }
  return found;
}

absl::Status PageTable::Write(const std::map<std::string, std::string>& pages) {
  std::size_t capacity = capacity_;
  while ((size_ + pages.size()) * 4 > capacity * 3) capacity *= 2;
  if (capacity != capacity_) Grow(capacity);
  for (const auto& [prefix, bytes] : pages) {
    if (bytes.size() > ledger::kSubjectPageBytesMax) return absl::InternalError("a page of the map of subjects is too long");
    const Name name = NameOf(prefix);
    Slot& slot = Find(slots_, capacity_, name);
    if (slot.name == Name()) ++size_;
    slot.name = name;
    slot.bytes = static_cast<std::uint32_t>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), slot.page.begin());
  }
  return absl::OkStatus();
}

}  // namespace custodian::node
