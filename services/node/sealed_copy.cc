#include "services/node/sealed_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "google/protobuf/message_lite.h"
#include "ledger/tiles.h"
#include "services/node/files.h"
#include "tenants/ids.h"

namespace custodian::node {
namespace {

// Past any record: a length beyond it is damage.
constexpr std::uint32_t kFrameBytesMax = 64u << 20;
constexpr std::size_t kLengthBytes = 4;
constexpr std::string_view kNewSuffix = ".new";

// A file that is read front to back, frame by frame.
class Frames {
 public:
  explicit Frames(const std::string& name) : file_(std::fopen(name.c_str(), "rbe")), there_(file_ != nullptr || errno != ENOENT) {}
  ~Frames() {
    if (file_ != nullptr) std::fclose(file_);
  }
  Frames(const Frames&) = delete;
  Frames& operator=(const Frames&) = delete;

  // There is no such file: then nothing is read.
  [[nodiscard]] bool IsMissing() const { return !there_; }
  [[nodiscard]] bool CanRead() const { return file_ != nullptr && std::ferror(file_) == 0; }
  [[nodiscard]] bool Seek(std::uint64_t place) { return std::fseek(file_, static_cast<long>(place), SEEK_SET) == 0; }
  [[nodiscard]] std::uint64_t place() const { return static_cast<std::uint64_t>(std::ftell(file_)); }
  // Nothing at the end, and where no whole frame follows: IsAtEnd() tells which.
  std::optional<std::string> Next() {
    unsigned char length[kLengthBytes];
    const std::size_t got = std::fread(length, 1, sizeof length, file_);
    at_end_ = got == 0;
    if (got != sizeof length) return std::nullopt;
    const std::uint32_t size = std::uint32_t{length[0]} << 24 | std::uint32_t{length[1]} << 16 | std::uint32_t{length[2]} << 8 | length[3];
    if (size > kFrameBytesMax) return std::nullopt;
    std::string bytes(size, '\0');
    if (std::fread(bytes.data(), 1, size, file_) != size) return std::nullopt;
    return bytes;
  }
  [[nodiscard]] bool IsAtEnd() const { return at_end_; }

 private:
  std::FILE* file_;
  bool there_;
  bool at_end_ = false;
};

std::string FrameOf(const google::protobuf::MessageLite& message) {
  const std::string bytes = message.SerializeAsString();
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::string frame;
  for (const int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(size >> shift));
  return frame + bytes;
}

// Writes what `fill` does to `name`, opened with `flags`.
absl::Status WriteFile(const std::string& name, int flags, const std::function<absl::Status(int file)>& fill) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(name).parent_path(), error);
  if (error) return absl::UnavailableError("cannot make the folder of " + name + ": " + error.message());
  const int file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
  if (file < 0) return Errno("cannot open " + name);
  absl::Status status = fill(file);
  if (::close(file) != 0 && status.ok()) status = Errno("cannot close " + name);
  return status;
}

// On disk before the old file is gone: a power cut leaves the one or the other.
absl::Status ReplaceWhole(const std::string& name, const std::function<absl::Status(int file)>& fill) {
  const std::string fresh = name + std::string(kNewSuffix);
  const auto fill_durably = [&](int file) -> absl::Status {
    if (absl::Status status = fill(file); !status.ok()) return status;
    return ::fdatasync(file) == 0 ? absl::OkStatus() : Errno("cannot sync " + fresh);
  };
  if (absl::Status status = WriteFile(fresh, O_TRUNC, fill_durably); !status.ok()) return status;
  return ::rename(fresh.c_str(), name.c_str()) == 0 ? absl::OkStatus() : Errno("cannot rename " + fresh);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SealedCopy>> SealedCopy::Open(std::string folder) {
  for (const std::string& name : {folder, folder + "/records", folder + "/keys"})
    if (::mkdir(name.c_str(), 0700) != 0 && errno != EEXIST) return Errno("cannot make folder " + name);
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return Errno("cannot open folder " + folder);
  return std::unique_ptr<SealedCopy>(new SealedCopy(std::move(folder), descriptor));
}

SealedCopy::~SealedCopy() { ::close(descriptor_); }

// The path of the bundle of these entries, without its prefix.
std::string SealedCopy::RecordsFile(std::uint64_t segment) const {
  constexpr std::string_view kPrefix = "tile/entries/";
  return folder_ + "/records/" + ledger::TilePath{true, 0, segment, ledger::kTileWidth}.ToString().substr(kPrefix.size());
}

std::string SealedCopy::KeysFile(const std::string& shard_id) const { return folder_ + "/keys/" + HexEncode(shard_id); }

absl::StatusOr<bool> SealedCopy::VisitRecords(std::uint64_t segment, const Visit& visit) const {
  const std::string name = RecordsFile(segment);
  Frames frames(name);
  if (frames.IsMissing()) return true;
  if (!frames.CanRead()) return Errno("cannot open " + name);
  while (true) {
    const std::uint64_t place = frames.place();
    const std::optional<std::string> bytes = frames.Next();
    if (!frames.CanRead()) return Errno("cannot read " + name);
    if (!bytes) return frames.IsAtEnd();
    ledger::v1::SealedItem item;
    if (!item.ParseFromString(*bytes)) return false;
    visit(item, place);
  }
}

absl::StatusOr<ledger::v1::SealedItem> SealedCopy::ReadRecord(std::uint64_t segment, std::uint64_t place) const {
  Frames frames(RecordsFile(segment));
  if (!frames.CanRead() || !frames.Seek(place)) return absl::NotFoundError("the record is not there any more");
  const std::optional<std::string> bytes = frames.Next();
  ledger::v1::SealedItem item;
  if (!bytes || !item.ParseFromString(*bytes)) return absl::NotFoundError("the record is not there any more");
  return item;
}

absl::Status SealedCopy::AppendRecords(std::uint64_t segment, const std::vector<ledger::v1::SealedItem>& items) const {
  const std::string name = RecordsFile(segment);
  return WriteFile(name, O_APPEND, [&](int file) -> absl::Status {
    for (const ledger::v1::SealedItem& item : items)
      if (absl::Status status = WriteAll(file, FrameOf(item), name); !status.ok()) return status;
    return absl::OkStatus();
  });
}

absl::Status SealedCopy::RewriteRecords(std::uint64_t segment, const Keep& keep) const {
  const std::string name = RecordsFile(segment);
  return ReplaceWhole(name, [&](int file) {
    absl::Status written;
    const auto whole = VisitRecords(segment, [&](const ledger::v1::SealedItem& item, std::uint64_t) {
      if (written.ok() && keep(item)) written = WriteAll(file, FrameOf(item), name);
    });
    return whole.ok() ? written : whole.status();
  });
}

absl::StatusOr<std::vector<ledger::v1::KeptKey>> SealedCopy::ReadKeys(const std::string& shard_id) const { return ReadKeysFile(KeysFile(shard_id)); }

absl::StatusOr<std::vector<ledger::v1::KeptKey>> SealedCopy::ReadKeysFile(const std::string& file) const {
  std::vector<ledger::v1::KeptKey> keys;
  Frames frames(file);
  if (frames.IsMissing()) return keys;
  if (!frames.CanRead()) return Errno("cannot open " + file);
  while (const std::optional<std::string> bytes = frames.Next()) {
    ledger::v1::KeptKey key;
    if (!key.ParseFromString(*bytes)) break;
    keys.push_back(std::move(key));
  }
  if (!frames.CanRead()) return Errno("cannot read " + file);
  return keys;
}

absl::Status SealedCopy::WriteKeys(const std::string& shard_id, const std::vector<ledger::v1::KeptKey>& keys) const {
  return WriteKeysFile(KeysFile(shard_id), keys);
}

absl::Status SealedCopy::WriteKeysFile(const std::string& file, const std::vector<ledger::v1::KeptKey>& keys) {
  return ReplaceWhole(file, [&](int descriptor) {
    std::string bytes;
    for (const ledger::v1::KeptKey& key : keys) bytes += FrameOf(key);
    return WriteAll(descriptor, bytes, file);
  });
}

absl::StatusOr<std::uint64_t> SealedCopy::ForgetKeysBefore(std::uint64_t epoch) const {
  std::uint64_t forgotten = 0;
  std::error_code error;
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/keys", error)) files.push_back(entry.path().string());
  if (error) return absl::UnavailableError("cannot list " + folder_ + "/keys: " + error.message());
  for (const std::string& file : files) {
    auto keys = ReadKeysFile(file);
    if (!keys.ok()) return keys.status();
    const auto gone = std::erase_if(*keys, [epoch](const ledger::v1::KeptKey& key) { return key.epoch() < epoch; });
    forgotten += gone;
    // Also a file that nothing could be read of, or that a crash left behind.
    if (keys->empty() || file.ends_with(kNewSuffix))
      std::filesystem::remove(file, error);
    else if (gone > 0)
      if (absl::Status status = WriteKeysFile(file, *keys); !status.ok()) return status;
    if (error) return absl::UnavailableError("cannot remove " + file + ": " + error.message());
  }
  if (absl::Status status = Sync(); !status.ok()) return status;
  return forgotten;
}

absl::Status SealedCopy::Sync() const { return ::syncfs(descriptor_) == 0 ? absl::OkStatus() : Errno("cannot sync " + folder_); }

}  // namespace custodian::node
