// The state of `custodian verify --state FILE`: FILE says how far a log was read, judged and found to be the signed one; FILE.part how far a
// reading got that is not at its end (after an interruption); FILE.keys has the idempotency keys (key_journal.h). Each is on disk
// before its writer returns, and replaced whole. Used by one thread.
//
// Whom it is believed: it lies on the auditor's own disk, and whoever can write there can replace the verifier, too. What is checked:
// that nobody else may write the file, that it is whole, that its parts fit each other; and, by the audit itself, that the log served now
// still begins with the entries that the state was made with.
#ifndef CUSTODIAN_SERVICES_NODE_AUDIT_FILE_H_
#define CUSTODIAN_SERVICES_NODE_AUDIT_FILE_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/audit_state.pb.h"
#include "ledger/signature.h"

namespace custodian::node {

class AuditFile {
 public:
  // NotFound when the folder of `path` is not there.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<AuditFile>> Open(const std::string& path);
  ~AuditFile();
  AuditFile(const AuditFile&) = delete;
  AuditFile& operator=(const AuditFile&) = delete;

  // The state that got furthest; nothing when there is none. DataLoss when a file is not as it was written, PermissionDenied when others
  // could have written it, FailedPrecondition when it is of another log than `origin`.
  [[nodiscard]] absl::StatusOr<std::optional<ledger::v1::AuditState>> Load(const std::string& origin) const;
  [[nodiscard]] absl::Status SaveComplete(const ledger::v1::AuditState& state) const;
  [[nodiscard]] absl::Status SavePart(const ledger::v1::AuditState& state) const;
  // What was read since the last complete state is not to be gone on with.
  [[nodiscard]] absl::Status DropPart() const;
  // Keeps a checkpoint that contradicts what was verified, unless there is one: with the log's signature it is what shows others.
  [[nodiscard]] absl::Status KeepDisputed(std::string_view note) const;

  [[nodiscard]] std::string keys_path() const { return folder_path_ + "/" + name_ + ".keys"; }
  [[nodiscard]] std::string disputed_path() const { return folder_path_ + "/" + name_ + ".disputed"; }

 private:
  AuditFile(std::string folder_path, std::string name, int folder)
      : folder_path_(std::move(folder_path)), name_(std::move(name)), folder_(folder) {}
  [[nodiscard]] absl::StatusOr<std::optional<ledger::v1::AuditState>> Read(const std::string& name, const std::string& origin) const;

  std::string folder_path_;
  std::string name_;
  int folder_;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_AUDIT_FILE_H_
