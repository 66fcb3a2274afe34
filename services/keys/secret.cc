#include "services/keys/secret.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "openssl/crypto.h"

namespace custodian::keys {
namespace {

// Keys are 32 bytes; what is longer (no key of ours) gets pages of its own.
constexpr std::size_t kSlotBytes = 64;
constexpr std::size_t kBlockBytes = 16 * 1024;

// Pages that are neither swapped nor dumped. A process that cannot have them must not hold keys: it ends.
char* LockedPages(std::size_t bytes) {
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || mlock(pages, bytes) != 0) {
    std::fputs("custodian: no locked memory left for keys: raise the memlock limit (ulimit -l, LimitMEMLOCK)\n", stderr);
    std::abort();
  }
  madvise(pages, bytes, MADV_DONTDUMP);
  return static_cast<char*>(pages);
}

std::size_t WholePages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

// Slots of locked blocks. Blocks are kept for the next secret; never returned, so that the set of locked pages stays small and
// known.
class Arena {
 public:
  char* Take() {
    absl::MutexLock lock(&mutex_);
    if (free_.empty()) {
      char* block = LockedPages(kBlockBytes);
      for (std::size_t offset = 0; offset < kBlockBytes; offset += kSlotBytes) free_.push_back(block + offset);
    }
    char* slot = free_.back();
    free_.pop_back();
    return slot;
  }
  void Return(char* slot) {
    absl::MutexLock lock(&mutex_);
    free_.push_back(slot);
  }

 private:
  absl::Mutex mutex_;
  std::vector<char*> free_ ABSL_GUARDED_BY(mutex_);
};

Arena& TheArena() {
  // Never destroyed: secrets of other static objects may outlive any order.
  static Arena* const arena = new Arena;
  return *arena;
}

char* Allocate(std::size_t size) { return size <= kSlotBytes ? TheArena().Take() : LockedPages(WholePages(size)); }

void Release(char* data, std::size_t size) {
  if (data == nullptr) return;
  OPENSSL_cleanse(data, size);
  if (size <= kSlotBytes) {
    TheArena().Return(data);
  } else {
    munmap(data, WholePages(size));
  }
}

}  // namespace

Secret::Secret(std::string_view bytes) : size_(bytes.size()) {
  if (size_ == 0) return;
  data_ = Allocate(size_);
  std::memcpy(data_, bytes.data(), size_);
}

Secret::~Secret() { Release(data_, size_); }

Secret::Secret(Secret&& other) noexcept : data_(other.data_), size_(other.size_) {
  other.data_ = nullptr;
  other.size_ = 0;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  Release(data_, size_);
  data_ = other.data_;
  size_ = other.size_;
  other.data_ = nullptr;
  other.size_ = 0;
  return *this;
}

Secret Secret::Clone() const { return Secret(std::string_view(data_, size_)); }

void Wipe(std::string& bytes) {
  // All of the buffer, also what lies behind the string's end.
  bytes.resize(bytes.capacity());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  bytes.clear();
}

std::size_t LockedSecretsMax() {
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return 0;
  if (limit.rlim_cur == RLIM_INFINITY) return static_cast<std::size_t>(1) << 20;
  return limit.rlim_cur / kSlotBytes;
}

}  // namespace custodian::keys
