#include "services/node/key_table.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

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
  std::string name = folder_ + "/keys.XXXXXX";
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) return absl::UnavailableError("cannot make a file in " + folder_ + ": " + std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
  ::unlink(name.c_str());
  const auto bytes = capacity * sizeof(Slot);
  // Allocated at once: a full disk is an error here and not a signal later.
  const int error = ::posix_fallocate(file, 0, static_cast<off_t>(bytes));
  void* mapped = error == 0 ? ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  const absl::Status status = mapped != MAP_FAILED
                                  ? absl::OkStatus()
                                  : absl::UnavailableError("no room for a table of " + std::to_string(bytes) + " bytes in " + folder_);
  ::close(file);
  if (!status.ok()) return status;
  return static_cast<Slot*>(mapped);
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
