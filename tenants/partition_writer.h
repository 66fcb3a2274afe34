// The one writer of a partition (DESIGN, section 4): queued writes become one transaction that carries rows and evidence
// together. Services hand in values, never closures: every changed row is an INSERT, and a precondition is either a unique key
// of that row or an expected consent version. Submit() is for any thread; Run() is the writer's own thread, started in
// services/main. Nothing here signs checkpoints or talks to witnesses.
#ifndef CUSTODIAN_TENANTS_PARTITION_WRITER_H_
#define CUSTODIAN_TENANTS_PARTITION_WRITER_H_

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/entry.pb.h"
#include "ledger/promise.h"
#include "ledger/signature.h"
#include "ledger/tree.h"
#include "tenants/clock.h"
#include "tenants/database.h"
#include "tenants/ids.h"
#include "tenants/recent_subjects.h"

namespace custodian::tenants {

// Stands for the log index of the n-th entry of the same Write.
struct IndexOf {
  std::size_t entry = 0;
};
// Stands for the network time (bigint, Unix milliseconds) the writer stamps on the batch.
struct CommitTime {};
struct Bytes {
  std::string bytes;
};
using Value = std::variant<std::monostate, bool, std::int64_t, std::string, Bytes, IndexOf, CommitTime>;

// A table that services insert into, qualified ("exchange.record"), with its columns in the order of Row::values.
// Declared once, as a constant, in the store that owns the table.
struct Table {
  struct Column {
    const char* name;
    // PostgreSQL type: bytea, bigint, text, boolean.
    const char* type;
  };
  const char* name;
  std::vector<Column> columns;
  // True: a row whose key exists is left as it is. False: it refuses the whole Write with AlreadyExists.
  bool ignore_conflicts = false;
  // True: the entry that a row is stored with carries its ledger::RowSha256, so that a verifier notices when it is altered or gone.
  bool proved = false;
};

struct Row {
  const Table* table;
  std::vector<Value> values;
  // Of a proved table: position in the Write of the entry that carries its digest.
  std::size_t entry = 0;
  // Whose chart the row belongs to, for IsUnchangedSince().
  std::optional<PatientId> chart = std::nullopt;
};

// Refuses the Write (FailedPrecondition) unless the patient's consent version in this partition is still `version`.
struct ExpectConsentVersion {
  PatientId patient;
  std::int64_t version = 0;
};

// One unit that is admitted or refused whole.
struct Write {
  // 32 bytes, opaque, unique per author; a Write sent again returns the first answer and changes nothing. With signed_leaves,
  // this and request_digest are not looked at: each leaf's own idempotency key and entry bytes decide.
  std::string idempotency_key;
  // 32 bytes over what the caller asked for (keyed or salted where it is health data); another digest under the same key is
  // refused with AlreadyExists.
  std::string request_digest;
  // Entries the custodian authors: the writer fills in origin, author, counter, time and idempotency key (the Write's own for
  // the first; derived from it for the others). May be empty.
  std::vector<ledger::v1::Entry> entries;
  // Leaves signed by another author, verified by the caller's rpc layer and again here against the roster. Not with `entries`.
  std::vector<std::string> signed_leaves;
  std::vector<Row> rows;
  std::vector<ExpectConsentVersion> expectations;
  // Patients whose consent version goes up by one.
  std::vector<PatientId> consent_changed;
};

struct Admitted {
  // Log index of the first entry; the others follow.
  std::uint64_t first_index = 0;
  std::vector<ledger::Hash> leaf_hashes;
  absl::Time time;
  // Promise: a checkpoint with its quorum covers the entries by then.
  absl::Time witnessed_by;
  // Of leaves that another author signed: all this as the custodian's signed promise. Nothing otherwise, and when it could not be signed; the
  // entries are admitted all the same.
  std::optional<ledger::SignedPromise> promise = std::nullopt;
  // True when an earlier, equal Write was found.
  bool replayed = false;
};

// What the writer asks the governance log: the current roster, and the anchor to write when it moved.
class Roster {
 public:
  virtual ~Roster() = default;
  // PermissionDenied when the key may not write this kind to this origin now.
  [[nodiscard]] virtual absl::Status MayWrite(std::string_view author, const ledger::Hash& key_id, std::string_view origin,
                                              ledger::v1::Kind kind) const = 0;
  [[nodiscard]] virtual absl::StatusOr<ledger::PublicKey> Key(const ledger::Hash& key_id) const = 0;
  // Size and root of the governance log that MayWrite answers from.
  [[nodiscard]] virtual std::pair<std::uint64_t, ledger::Hash> Position() const = 0;
};

class PartitionWriter {
 public:
  struct Options {
    std::string origin;
    // Roster name of the custodian's author key.
    std::string author;
    absl::Duration witness_promise = absl::Seconds(10);
    std::size_t queue_max = 10'000;
    std::size_t batch_entries_max = 1'000;
    // While writes come several at a time, and so fast that two more are to be expected within this time, a commit waits for them, this long at
    // most and until there are as many as last time, or `gather_writes`: fewer and larger commits cost less each write, and neither a slow stream
    // nor a few who wait for each answer are held up.
    absl::Duration gather = absl::ZeroDuration();
    std::size_t gather_writes = 4;
    // False for the governance log only, which is judged by itself.
    bool anchors = true;
  };
  // Reads head and compact range from the `ledger` schema of `database`. `signer` signs the custodian's batches.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<PartitionWriter>> Create(Options options, const Database& database,
                                                                               const ledger::Signer& signer, const Roster& roster,
                                                                               const Clock& network_clock);
  ~PartitionWriter();

  using Done = std::function<void(absl::StatusOr<Admitted>)>;
  // `done` is called once: with the answer when all is durable, from the writer's thread, which it must not hold up; with a refusal perhaps at once,
  // from the caller's. ResourceExhausted (with RetryAfterOf()) when the queue is full; Unknown when the outcome is in doubt even after reading the
  // head. Checks limits and signatures in the caller's thread.
  void Submit(Write write, Done done);
  // The same as a future.
  [[nodiscard]] std::future<absl::StatusOr<Admitted>> Submit(Write write);
  // Submit and wait.
  [[nodiscard]] absl::StatusOr<Admitted> Apply(Write write);

  // Commits until Stop(); one call, on a thread of its own.
  void Run();
  void Stop();
  // Nothing is written any more: all that waits, and all that comes, is answered with `why`.
  void Fence(absl::Status why);

  [[nodiscard]] const std::string& origin() const;
  // Size of the committed tree.
  [[nodiscard]] std::uint64_t size() const;
  // The tree as this writer loaded it at its start or knows it to be committed since: what may be signed. Never what is merely visible
  // in the database, which after a restart of the primary may be more than its standby has.
  [[nodiscard]] ledger::Checkpoint committed() const;
  // True when nobody stored a row of the patient's chart, or changed the patient's consent version, at or past this position of the log. Answered
  // from memory, as of the last write that was answered: a writer that was fenced off goes on to say what it knew then. False also when it cannot
  // tell (of a time long ago, or while a commit is in doubt).
  [[nodiscard]] bool IsUnchangedSince(const PatientId& patient, std::uint64_t position) const;
  // Whom the newest entries are about, for the one who follows this log for their sake.
  [[nodiscard]] RecentSubjects& subjects();
  // Called after every commit, from the writer's thread; must return at once.
  void OnCommit(std::function<void()> callback);

 private:
  class Core;
  explicit PartitionWriter(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_PARTITION_WRITER_H_
