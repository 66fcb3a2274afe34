#include "tenants/outbox.h"

#include <pqxx/pqxx>
#include <set>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "fmt/format.h"
#include "tenants/binary_array.h"

namespace custodian::tenants {
namespace {

constexpr int kRowsPerRound = 256;

struct Waiting {
  std::int64_t sequence;
  std::string kind;
  PatientId patient;
};

absl::StatusOr<std::vector<Waiting>> ReadOldest(const Database& database) {
  std::vector<Waiting> waiting;
  absl::Status status = database.Read([&waiting](ReadTransaction& transaction) -> absl::Status {
    const pqxx::result rows = transaction.sql().exec_params(
        "SELECT sequence, kind, patient_id FROM ledger.outbox ORDER BY sequence LIMIT $1", kRowsPerRound);
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
    transaction.sql().exec_params("DELETE FROM ledger.outbox WHERE sequence = ANY($1::bigint[])", pqxx::binarystring(array.Encode()));
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

  void Handle(std::string kind, Handler handler) { handlers_[std::move(kind)] = std::move(handler); }

  absl::Status Drain() {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(
          +[](bool* draining) { return !*draining; }, &draining_));
      draining_ = true;
    }
    const absl::Status status = DrainAlone();
    absl::MutexLock lock(&mutex_);
    draining_ = false;
    return status;
  }

 private:
  // No lock is held here: handlers call other processes.
  absl::Status DrainAlone() {
    while (true) {
      auto waiting = ReadOldest(database_);
      if (!waiting.ok()) return waiting.status();
      if (waiting->empty()) return absl::OkStatus();
      std::vector<std::int64_t> done;
      absl::Status failure;
      // A handler runs once for all rows of a round that name the same patient: each was committed before it runs.
      std::set<std::pair<std::string_view, std::string_view>> handled;
      for (const Waiting& row : *waiting) {
        if (!handled.contains({row.kind, row.patient.bytes()})) {
          const auto handler = handlers_.find(row.kind);
          failure = handler == handlers_.end() ? absl::InternalError(fmt::format("outbox: nothing handles kind {}", row.kind))
                                               : handler->second(row.patient);
          if (!failure.ok()) break;
          handled.emplace(row.kind, row.patient.bytes());
        }
        done.push_back(row.sequence);
      }
      if (!done.empty()) {
        if (absl::Status deleted = Delete(database_, done); !deleted.ok()) return deleted;
      }
      if (!failure.ok()) return failure;
    }
  }

  const Database& database_;
  std::map<std::string, Handler> handlers_;
  absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
};

Outbox::Outbox(const Database& database) : core_(std::make_unique<Core>(database)) {}
Outbox::~Outbox() = default;
void Outbox::Handle(std::string kind, Handler handler) { core_->Handle(std::move(kind), std::move(handler)); }
absl::Status Outbox::Drain() { return core_->Drain(); }

}  // namespace custodian::tenants
