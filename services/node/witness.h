// A witness by C2SP tlog-witness: it cosigns a log's checkpoint when that is consistent with the last one it cosigned, and never
// two that are not. What it cosigned last is one file per log: the file is on disk before the cosignature is given out, so a crash
// can lose a cosignature but never the memory of one. Handle() is for any thread; requests for one log are answered one by one.
#ifndef CUSTODIAN_SERVICES_NODE_WITNESS_H_
#define CUSTODIAN_SERVICES_NODE_WITNESS_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "ledger/checkpoint.h"
#include "ledger/signature.h"
#include "services/node/add_checkpoint.h"
#include "services/node/known_logs.h"
#include "services/node/state_file.h"
#include "services/rpc/http.h"
#include "tenants/clock.h"

namespace custodian::node {

class Witness {
 public:
  // `signer` holds an Ed25519 key; `clock` is the machine's. DataLoss when a state file cannot be understood: it must be
  // restored, never removed. All borrowed things outlive the witness.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Witness>> Create(std::string name, std::unique_ptr<ledger::Signer> signer,
                                                                       std::unique_ptr<StateDirectory> state,
                                                                       std::unique_ptr<KnownLogs> logs, const Clock& clock);

  // POST /add-checkpoint and GET /<hex of SHA-256 of the origin>/checkpoint.
  [[nodiscard]] rpc::HttpResponse Handle(const rpc::HttpRequest& request);
  [[nodiscard]] const ledger::NoteVerifier& key() const { return key_; }

 private:
  // What was cosigned last of one log.
  struct Log {
    absl::Mutex mutex;
    ledger::Checkpoint checkpoint ABSL_GUARDED_BY(mutex);
    // The checkpoint with the log's signatures; empty before the first.
    std::string note ABSL_GUARDED_BY(mutex);
    // `note` and our newest cosignature, as monitors read it; the state file has it as it was when the checkpoint was new.
    std::string cosigned ABSL_GUARDED_BY(mutex);
  };

  Witness(ledger::NoteVerifier key, std::unique_ptr<ledger::Signer> signer, std::unique_ptr<StateDirectory> state,
          std::unique_ptr<KnownLogs> logs, const Clock& clock);
  [[nodiscard]] absl::Status LoadState();
  [[nodiscard]] rpc::HttpResponse Add(std::string_view body);
  [[nodiscard]] rpc::HttpResponse Advance(const std::string& name, const AddCheckpoint& request,
                                          const ledger::Checkpoint& checkpoint, const ledger::Note& signed_note);
  [[nodiscard]] rpc::HttpResponse Read(const std::string& name);
  [[nodiscard]] absl::StatusOr<ledger::NoteSignature> Cosign(const std::string& text) const;
  [[nodiscard]] Log* FindOrAdd(const std::string& name);

  const ledger::NoteVerifier key_;
  const std::unique_ptr<ledger::Signer> signer_;
  const std::unique_ptr<StateDirectory> state_;
  const std::unique_ptr<KnownLogs> known_;
  const Clock& clock_;
  absl::Mutex mutex_;
  // By hex of SHA-256 of the origin, the name of the state file.
  std::map<std::string, std::unique_ptr<Log>> logs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_WITNESS_H_
