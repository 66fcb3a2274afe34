#include "services/node/key_journal.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <tuple>
#include <vector>

#include "services/node/files.h"

namespace custodian::node {
namespace {

constexpr std::size_t kKeyBytes = 16;
constexpr std::size_t kBufferBytes = 1u << 16;
constexpr std::uint64_t kPassesMax = 64;

struct Held {
  std::array<unsigned char, kKeyBytes> key;
  std::uint64_t index;
};

bool IsNone(const unsigned char* key) {
  return std::all_of(key, key + kKeyBytes, [](unsigned char byte) { return byte == 0; });
}

// Which pass a key belongs to: keys are hashes, so the passes are about alike.
std::uint64_t PassOf(const unsigned char* key, std::uint64_t passes) { return ((std::uint64_t{key[0]} << 8) | key[1]) * passes >> 16; }

}  // namespace

KeyJournal::KeyJournal(std::string path, int file) : path_(std::move(path)), file_(file), digest_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
  if (EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr) != 1) failed_ = absl::InternalError("OpenSSL has no SHA-256");
}

KeyJournal::~KeyJournal() { ::close(file_); }

absl::StatusOr<std::unique_ptr<KeyJournal>> KeyJournal::CreateNameless(const std::string& folder, std::uint64_t first) {
  std::string name = folder + "/keys.XXXXXX";
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0) return Errno("cannot make a file in " + folder);
  ::unlink(name.c_str());
  std::unique_ptr<KeyJournal> journal(new KeyJournal(name, file));
  journal->first_ = journal->size_ = first;
  return journal;
}

absl::StatusOr<std::unique_ptr<KeyJournal>> KeyJournal::Open(const std::string& path, std::uint64_t size, const ledger::Hash& sha256) {
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC | (size == 0 ? O_CREAT : 0), 0600);
  if (file < 0) return size > 0 && errno == ENOENT ? absl::DataLossError(path + " is missing") : Errno("cannot open " + path);
  std::unique_ptr<KeyJournal> journal(new KeyJournal(path, file));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) return absl::FailedPreconditionError("another process uses " + path + "; wait for it, or stop it");
  const off_t bytes = ::lseek(file, 0, SEEK_END);
  if (bytes < 0) return Errno("cannot read " + path);
  if (static_cast<std::uint64_t>(bytes) < size * kKeyBytes) return absl::DataLossError(path + " was cut short");
  if (::ftruncate(file, static_cast<off_t>(size * kKeyBytes)) != 0) return Errno("cannot cut " + path);
  journal->size_ = size;
  EVP_MD_CTX* digest = journal->digest_.get();
  if (absl::Status status = journal->ForEach(0, size, [digest](std::uint64_t, const unsigned char* key) { EVP_DigestUpdate(digest, key, kKeyBytes); });
      !status.ok())
    return status;
  if (size == 0) return journal;
  const absl::StatusOr<ledger::Hash> made = journal->Flush(size);
  if (!made.ok()) return made.status();
  if (*made != sha256) return absl::DataLossError(path + " is not what the state was made with");
  return journal;
}

bool KeyJournal::Insert(const ledger::Hash& key, std::uint64_t index) {
  static constexpr std::array<char, kKeyBytes> kNone{};
  while (size_ < index) Append({kNone.data(), kNone.size()});
  Append(ledger::AsBytes(key).substr(0, kKeyBytes));
  return true;
}

void KeyJournal::Append(std::string_view bytes) {
  buffer_ += bytes;
  ++size_;
  if (buffer_.size() < kBufferBytes) return;
  if (const absl::Status status = WriteBuffered(); failed_.ok()) failed_ = status;
}

absl::Status KeyJournal::WriteBuffered() {
  auto at = static_cast<off_t>(size_ * kKeyBytes - buffer_.size());
  if (EVP_DigestUpdate(digest_.get(), buffer_.data(), buffer_.size()) != 1) return absl::InternalError("SHA-256 failed");
  const std::string bytes = std::exchange(buffer_, {});
  for (std::string_view rest = bytes; !rest.empty();) {
    const ssize_t written = ::pwrite(file_, rest.data(), rest.size(), at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Errno("cannot write " + path_);
    rest.remove_prefix(static_cast<std::size_t>(written));
    at += written;
  }
  return absl::OkStatus();
}

absl::StatusOr<ledger::Hash> KeyJournal::Flush(std::uint64_t size) {
  static constexpr std::array<char, kKeyBytes> kNone{};
  while (size_ < size) Append({kNone.data(), kNone.size()});
  if (const absl::Status status = WriteBuffered(); failed_.ok()) failed_ = status;
  if (failed_.ok() && ::fdatasync(file_) != 0) failed_ = Errno("cannot sync " + path_);
  if (!failed_.ok()) return failed_;
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> copy(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  ledger::Hash hash{};
  if (EVP_MD_CTX_copy_ex(copy.get(), digest_.get()) != 1 || EVP_DigestFinal_ex(copy.get(), hash.data(), nullptr) != 1)
    return absl::InternalError("SHA-256 failed");
  return hash;
}

absl::Status KeyJournal::ForEach(std::uint64_t first, std::uint64_t end,
                                 const std::function<void(std::uint64_t index, const unsigned char* key)>& visit) const {
  std::string part(kBufferBytes, '\0');
  for (std::uint64_t at = first * kKeyBytes; at < end * kKeyBytes;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(part.size(), end * kKeyBytes - at));
    const ssize_t count = ::pread(file_, part.data(), wanted, static_cast<off_t>(at));
    if (count < 0 && errno == EINTR) continue;
    // A regular file gives all that it has.
    if (count < 0 || static_cast<std::size_t>(count) != wanted) return Errno("cannot read " + path_);
    for (std::size_t i = 0; i < wanted; i += kKeyBytes) visit((at + i) / kKeyBytes, reinterpret_cast<const unsigned char*>(part.data()) + i);
    at += wanted;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> KeyJournal::FindRepeats(std::uint64_t first, std::size_t repeats_max,
                                                    const std::function<void(std::uint64_t index)>& repeated,
                                                    std::size_t keys_held_max) const {
  if (!buffer_.empty()) return absl::FailedPreconditionError("keys are not flushed");
  // Only new keys are held; old ones go by.
  first = std::clamp(first, first_, size_);
  const std::uint64_t fresh = size_ - first;
  const std::uint64_t passes = std::min((fresh + keys_held_max - 1) / keys_held_max, kPassesMax);
  std::vector<std::uint64_t> found;
  std::size_t more = 0;
  const auto add = [&](std::uint64_t index) {
    // The first ones of all are kept, whichever pass finds them.
    found.push_back(index);
    if (found.size() <= 2 * repeats_max) return;
    std::sort(found.begin(), found.end());
    more += found.size() - repeats_max;
    found.resize(repeats_max);
  };
  const auto by_key = [](const Held& one, const Held& other) { return std::tie(one.key, one.index) < std::tie(other.key, other.index); };
  std::vector<Held> held;
  held.reserve(std::min<std::uint64_t>(fresh, keys_held_max));
  for (std::uint64_t pass = 0; pass < passes; ++pass) {
    held.clear();
    const auto hold = [&](std::uint64_t index, const unsigned char* key) {
      if (PassOf(key, passes) != pass || IsNone(key)) return;
      held.emplace_back();
      std::copy_n(key, kKeyBytes, held.back().key.begin());
      held.back().index = index;
    };
    if (absl::Status status = ForEach(first, size_, hold); !status.ok()) return status;
    std::sort(held.begin(), held.end(), by_key);
    // Of equal keys the first new one is none of a repeat, unless an old entry has it.
    const auto begin = held.begin();
    for (auto entry = begin; entry != held.end(); ++entry)
      if (entry != begin && entry->key == std::prev(entry)->key) add(entry->index);
    held.erase(std::unique(held.begin(), held.end(), [](const Held& one, const Held& other) { return one.key == other.key; }), held.end());
    const auto compare = [&](std::uint64_t /*index*/, const unsigned char* key) {
      if (PassOf(key, passes) != pass || IsNone(key)) return;
      Held wanted{{}, 0};
      std::copy_n(key, kKeyBytes, wanted.key.begin());
      const auto at = std::lower_bound(held.begin(), held.end(), wanted, by_key);
      if (at == held.end() || at->key != wanted.key || at->index == UINT64_MAX) return;
      add(at->index);
      // Old entries may repeat a key themselves, which was found then.
      at->index = UINT64_MAX;
    };
    if (absl::Status status = ForEach(first_, first, compare); !status.ok()) return status;
  }
  std::sort(found.begin(), found.end());
  for (std::size_t i = 0; i < found.size(); ++i) i < repeats_max ? repeated(found[i]) : static_cast<void>(++more);
  return more;
}

}  // namespace custodian::node
