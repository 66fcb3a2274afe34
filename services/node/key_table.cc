#include "services/node/key_table.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "services/node/mapped_file.h"
#include "spdlog/spdlog.h"

namespace custodian::node {
namespace {

constexpr std::size_t kCapacityAtFirst = 4'096;

}  // namespace

absl::StatusOr<std::unique_ptr<KeyTable>> KeyTable::Create(std::string folder) {
  std::unique_ptr<KeyTable> table(new KeyTable(std::move(folder)));
  const absl::StatusOr<Slot*> slots = table->Map(kCapacityAtFirst);
  if (!slots.ok()) return slots.status();
  table->slots_ = *slots;
  table->capacity_ = kCapacityAtFirst;
  return table;
}

KeyTable::~KeyTable() {
  if (slots_ != nullptr) ::munmap(slots_, capacity_ * sizeof(Slot));
}

absl::StatusOr<KeyTable::Slot*> KeyTable::Map(std::size_t capacity) const {
  const absl::StatusOr<void*> mapped = MapNamelessFile(folder_, capacity * sizeof(Slot));
  if (!mapped.ok()) return mapped.status();
  return static_cast<Slot*>(*mapped);
}

bool KeyTable::Put(Slot* slots, std::size_t capacity, const Slot& key) {
  std::size_t at = key.low & (capacity - 1);
  for (; slots[at] != Slot(); at = (at + 1) & (capacity - 1))
    if (slots[at] == key) return false;
  slots[at] = key;
  return true;
}

bool KeyTable::Insert(const ledger::Hash& key, std::uint64_t /*index*/) {
  Slot slot;
  std::memcpy(&slot.high, key.data(), sizeof slot.high);
  std::memcpy(&slot.low, key.data() + sizeof slot.high, sizeof slot.low);
  if (slot == Slot()) slot.low = 1;
  if (!Put(slots_, capacity_, slot)) return false;
  if (++size_ * 2 < capacity_) return true;
  const absl::StatusOr<Slot*> larger = Map(capacity_ * 2);
  if (!larger.ok()) {
    spdlog::critical("event=no_room_for_keys reason=\"{}\"", std::string(larger.status().message()));
    std::abort();
  }
  for (std::size_t i = 0; i < capacity_; ++i)
    if (slots_[i] != Slot()) static_cast<void>(Put(*larger, capacity_ * 2, slots_[i]));
  ::munmap(slots_, capacity_ * sizeof(Slot));
  slots_ = *larger;
  capacity_ *= 2;
  return true;
}

}  // namespace custodian::node
