#include "tenants/outbox.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "fmt/format.h"
#include "tenants/binary_array.h"
#include "tenants/execute.h"

namespace custodian::tenants {
namespace {

constexpr int kRowsPerRound = 256;

// Failures of one patient each; with more, something is wrong for all.
constexpr std::size_t kFailuresMax = 100;

// Of a process that is away or busy: the next row would fail as well. Any other failure is the row's patient's own (a damaged
// record, a key that was taken away) and must not hold up the others.
bool ConcernsAll(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status) ||
         absl::IsAborted(status) || absl::IsUnknown(status) || absl::IsCancelled(status);
}

struct Waiting {
  std::int64_t sequence;
  std::string kind;
  PatientId patient;
};

// The oldest rows behind `after`.
absl::StatusOr<std::vector<Waiting>> ReadOldest(const Database& database, std::int64_t after) {
  std::vector<Waiting> waiting;
  absl::Status status = database.Read([&waiting, after](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = Execute(transaction,
        "SELECT sequence, kind, patient_id FROM ledger.outbox WHERE sequence > $2 ORDER BY sequence LIMIT $1", kRowsPerRound,
        after);
    for (const pqxx::row& row : rows) {
      Waiting next{row[0].as<std::int64_t>(), row[1].as<std::string>(), PatientId()};
      if (!row[2].is_null()) {
        auto patient = PatientId::FromBytes(pqxx::binarystring(row[2]).str());
        if (!patient.ok()) return absl::DataLossError(fmt::format("outbox row {} names no patient", next.sequence));
        next.patient = *std::move(patient);
      }
      waiting.push_back(std::move(next));
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return waiting;
}

absl::Status Delete(const Database& database, const std::vector<std::int64_t>& sequences) {
  BinaryArray array(BinaryArray::Element::kBigint);
  for (const std::int64_t sequence : sequences) array.AddBigint(sequence);
  return database.Write([&array](WriteTransaction& transaction) -> absl::Status {
    Execute(transaction, "DELETE FROM ledger.outbox WHERE sequence = ANY($1::bigint[])", pqxx::binarystring(array.Encode()));
    return absl::OkStatus();
  });
}

}  // namespace

const Table kOutboxTable = {"ledger.outbox", {{"kind", "text"}, {"patient_id", "bytea"}}};

Row OutboxRow(std::string kind, const PatientId& patient) {
  Value id;
  if (!patient.bytes().empty()) id = Bytes{patient.bytes()};
  return Row{&kOutboxTable, {std::move(kind), std::move(id)}};
}

class Outbox::Core {
 public:
  explicit Core(const Database& database) : database_(database) {}

  void Handle(std::string kind, Handler handler) { handlers_[std::move(kind)].push_back(std::move(handler)); }

  absl::Status Drain() {
    return Alone([this](Round& round) {
      while (!round.ended) {
        if (absl::Status status = DrainRound(round); !status.ok()) return status;
      }
      return round.first_failure;
    });
  }

  absl::Status DrainSome(bool& more) {
    more = false;
    return Alone([this, &more](Round& round) {
      // Past rows that only fail.
      while (!round.ended && !round.any_done) {
        if (absl::Status status = DrainRound(round); !status.ok()) return status;
      }
      more = !round.ended;
      return round.first_failure;
    });
  }

 private:
  // Of one drain.
  struct Round {
    std::int64_t after = 0;
    std::set<std::string> left;
    absl::Status first_failure;
    bool any_done = false;
    bool ended = false;
  };

  // One drain at a time. No lock is held meanwhile: handlers call other processes.
  absl::Status Alone(const std::function<absl::Status(Round&)>& drain) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](bool* draining) { return !*draining; }, &draining_));
      draining_ = true;
    }
    Round round;
    const absl::Status status = drain(round);
    absl::MutexLock lock(&mutex_);
    draining_ = false;
    return status;
  }

  // The oldest rows behind those of the rounds before. Not OK when the outbox itself cannot be read or written.
  absl::Status DrainRound(Round& round) {
    auto waiting = ReadOldest(database_, round.after);
    if (!waiting.ok()) return waiting.status();
    round.ended = waiting->empty();
    if (round.ended) return absl::OkStatus();
    round.after = waiting->back().sequence;
    std::vector<std::int64_t> done;
    // A handler runs once for all rows of a round that name the same patient: each was committed before it runs.
    std::set<std::pair<std::string_view, std::string_view>> handled;
    for (const Waiting& row : *waiting) {
      if (round.left.contains(row.patient.bytes())) continue;
      if (!handled.contains({row.kind, row.patient.bytes()})) {
        const absl::Status status = HandleOne(row);
        if (!status.ok()) {
          round.first_failure.Update(status);
          round.left.insert(row.patient.bytes());
          round.ended = ConcernsAll(status) || round.left.size() >= kFailuresMax;
          if (round.ended) break;
          continue;
        }
        handled.emplace(row.kind, row.patient.bytes());
      }
      done.push_back(row.sequence);
    }
    if (done.empty()) return absl::OkStatus();
    round.any_done = true;
    return Delete(database_, done);
  }

  absl::Status HandleOne(const Waiting& row) const {
    const auto handler = handlers_.find(row.kind);
    if (handler == handlers_.end()) return absl::InternalError(fmt::format("outbox: nothing handles kind {}", row.kind));
    for (const Handler& one : handler->second) {
      if (absl::Status status = one(row.patient); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const Database& database_;
  std::map<std::string, std::vector<Handler>> handlers_;
  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

Outbox::Outbox(const Database& database) : core_(std::make_unique<Core>(database)) {}
Outbox::~Outbox() = default;
void Outbox::Handle(std::string kind, Handler handler) { core_->Handle(std::move(kind), std::move(handler)); }
absl::Status Outbox::Drain() { return core_->Drain(); }
absl::Status Outbox::DrainSome(bool& more) { return core_->DrainSome(more); }

}  // namespace custodian::tenants
