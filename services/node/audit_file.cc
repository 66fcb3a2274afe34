#include "services/node/audit_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "ledger/tree.h"
#include "services/node/files.h"
#include "services/node/state_file.h"
#include "tenants/ids.h"

namespace custodian::node {
namespace {

constexpr std::string_view kMagic = "custodian verify state 1\n";
constexpr char kPart[] = ".part";
// Findings and counters of some thousand authors; anything larger was not written here.
constexpr off_t kBytesMax = 256 << 20;

std::string Serialize(const ledger::v1::AuditState& state) {
  const std::string body = state.SerializeAsString();
  return std::string(kMagic) + HexEncode(ledger::AsBytes(ledger::Sha256(body))) + "\n" + body;
}

absl::StatusOr<ledger::v1::AuditState> Parse(std::string_view bytes) {
  if (bytes.substr(0, kMagic.size()) != kMagic) return absl::DataLossError("it does not begin as a state file does");
  bytes.remove_prefix(kMagic.size());
  const std::size_t end = bytes.find('\n');
  if (end == std::string_view::npos) return absl::DataLossError("it is cut short");
  const std::string_view body = bytes.substr(end + 1);
  if (bytes.substr(0, end) != HexEncode(ledger::AsBytes(ledger::Sha256(body)))) return absl::DataLossError("its SHA-256 is another");
  ledger::v1::AuditState state;
  if (!state.ParseFromArray(body.data(), static_cast<int>(body.size()))) return absl::DataLossError("it cannot be parsed");
  return state;
}

absl::StatusOr<std::string> ReadAll(int file, const std::string& path) {
  std::string bytes;
  char part[65'536];
  ssize_t count = 0;
  while ((count = ::read(file, part, sizeof part)) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Errno("cannot read " + path);
    bytes.append(part, static_cast<std::size_t>(count));
  }
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuditFile>> AuditFile::Open(const std::string& path) {
  const std::filesystem::path whole(path);
  const std::string name = whole.filename();
  const std::string folder_path = whole.has_parent_path() ? whole.parent_path().string() : ".";
  if (name.empty()) return absl::NotFoundError("'" + path + "' is no name of a file");
  const int folder = ::open(folder_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return errno == ENOENT ? absl::NotFoundError("the folder '" + folder_path + "' is not there") : Errno("cannot open " + folder_path);
  return std::unique_ptr<AuditFile>(new AuditFile(folder_path, name, folder));
}

AuditFile::~AuditFile() { ::close(folder_); }

absl::StatusOr<std::optional<ledger::v1::AuditState>> AuditFile::Read(const std::string& name, const std::string& origin) const {
  const std::string path = folder_path_ + "/" + name;
  const int file = ::openat(folder_, name.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno == ENOENT ? absl::StatusOr<std::optional<ledger::v1::AuditState>>(std::nullopt) : Errno("cannot open " + path);
  struct stat status{};
  absl::StatusOr<std::string> bytes = ::fstat(file, &status) == 0 ? ReadAll(file, path) : Errno("cannot read " + path);
  ::close(file);
  if (!bytes.ok()) return bytes.status();
  if (status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return absl::PermissionDeniedError("others than you could have written the state file " + path + "; it must be yours, mode 600");
  absl::StatusOr<ledger::v1::AuditState> state = status.st_size > kBytesMax ? absl::DataLossError("it is too large") : Parse(*bytes);
  if (!state.ok())
    return absl::DataLossError("the state file " + path + " is damaged or was altered (" + std::string(state.status().message()) +
                               "); restore it from a copy, or remove it and verify the whole log");
  if (state->origin() != origin)
    return absl::FailedPreconditionError("the state file " + path + " is of the log " + state->origin() + ", not of " + origin);
  return *std::move(state);
}

absl::StatusOr<std::optional<ledger::v1::AuditState>> AuditFile::Load(const std::string& origin) const {
  absl::StatusOr<std::optional<ledger::v1::AuditState>> complete = Read(name_, origin);
  if (!complete.ok()) return complete;
  absl::StatusOr<std::optional<ledger::v1::AuditState>> part = Read(name_ + kPart, origin);
  if (!part.ok()) return part;
  const bool is_further = part->has_value() && (!complete->has_value() || (*part)->size() > (*complete)->size());
  return is_further ? part : complete;
}

absl::Status AuditFile::SaveComplete(const ledger::v1::AuditState& state) const {
  if (absl::Status status = ReplaceFile(folder_, folder_path_, name_, Serialize(state)); !status.ok()) return status;
  return DropPart();
}

absl::Status AuditFile::SavePart(const ledger::v1::AuditState& state) const {
  return ReplaceFile(folder_, folder_path_, name_ + kPart, Serialize(state));
}

absl::Status AuditFile::DropPart() const {
  if (::unlinkat(folder_, (name_ + kPart).c_str(), 0) != 0 && errno != ENOENT) return Errno("cannot remove " + folder_path_ + "/" + name_ + kPart);
  return absl::OkStatus();
}

absl::Status AuditFile::KeepDisputed(std::string_view note) const {
  if (::faccessat(folder_, (name_ + ".disputed").c_str(), F_OK, 0) == 0) return absl::OkStatus();
  return ReplaceFile(folder_, folder_path_, name_ + ".disputed", note);
}

}  // namespace custodian::node
