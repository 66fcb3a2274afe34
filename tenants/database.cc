#include "tenants/database.h"

#include <optional>
#include <pqxx/pqxx>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "fmt/format.h"
#include "tenants/connection.h"

namespace custodian::tenants {

class Database::Pool {
 public:
  Pool(ConnectionSpec spec, int connections_max, absl::Duration wait)
      : spec_(std::move(spec)), connections_max_(connections_max), wait_(wait) {}

  enum class Kind { kRead, kReadOne, kWrite };
  template <typename SqlTransaction, Kind kKind, typename Lent>
  absl::Status Run(const std::function<absl::Status(Lent&)>& body);

 private:
  // A session and the right to have it; given back on destruction.
  struct Lease {
    Pool* pool;
    std::unique_ptr<Session> session;
    bool reused = false;

    Lease(Pool* owner, std::unique_ptr<Session> lent) : pool(owner), session(std::move(lent)), reused(session != nullptr) {}
    Lease(Lease&& other) noexcept : pool(std::exchange(other.pool, nullptr)), session(std::move(other.session)), reused(other.reused) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (pool != nullptr) pool->Return(std::move(session));
    }
  };

  absl::StatusOr<Lease> Acquire();
  void Return(std::unique_ptr<Session> session);
  void DropIdle();
  absl::Status Commit(Session& session, pqxx::transaction_base& sql);

  const ConnectionSpec spec_;
  const int connections_max_;
  const absl::Duration wait_;
  absl::Mutex mutex_;
  int lent_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Session>> idle_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<Database::Pool::Lease> Database::Pool::Acquire() {
  std::unique_ptr<Session> session;
  {
    absl::MutexLock lock(&mutex_);
    const auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return lent_ < connections_max_; };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&free), wait_)) {
      return absl::UnavailableError(
          fmt::format("database {}: all {} connections are in use; retry after 1 s", spec_.database, connections_max_));
    }
    ++lent_;
    if (!idle_.empty()) {
      session = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  Lease lease(this, std::move(session));
  if (lease.session == nullptr) {
    try {
      lease.session = std::make_unique<Session>(spec_);
      // What reads outside of a transaction may read only.
      pqxx::nontransaction(lease.session->connection()).exec("SET default_transaction_read_only = on");
    } catch (...) {
      return StatusOfException(spec_);
    }
  }
  return lease;
}

void Database::Pool::Return(std::unique_ptr<Session> session) {
  const bool usable = session != nullptr && session->connection().is_open();
  absl::MutexLock lock(&mutex_);
  --lent_;
  if (usable) idle_.push_back(std::move(session));
}

void Database::Pool::DropIdle() {
  std::vector<std::unique_ptr<Session>> dropped;
  absl::MutexLock lock(&mutex_);
  dropped.swap(idle_);
}

absl::Status Database::Pool::Commit(Session& session, pqxx::transaction_base& sql) {
  const int notices = session.notices();
  try {
    sql.commit();
  } catch (const pqxx::transaction_rollback&) {
    return StatusOfException(spec_);
  } catch (const pqxx::integrity_constraint_violation&) {
    return StatusOfException(spec_);
  } catch (...) {
    return absl::UnknownError(fmt::format("database {}: the outcome of a COMMIT is in doubt", spec_.database));
  }
  // "canceling wait for synchronous replication": committed here, perhaps nowhere else.
  if (session.notices() != notices) {
    return absl::UnknownError(fmt::format("database {}: a COMMIT came back with a warning", spec_.database));
  }
  return absl::OkStatus();
}

template <typename SqlTransaction, Database::Pool::Kind kKind, typename Lent>
absl::Status Database::Pool::Run(const std::function<absl::Status(Lent&)>& body) {
  while (true) {
    auto lease = Acquire();
    if (!lease.ok()) return lease.status();
    Session& session = *lease->session;
    std::optional<SqlTransaction> sql;
    try {
      sql.emplace(session.connection());
      // Unlike the session's default.
      if (kKind == Kind::kWrite) sql->exec("SET TRANSACTION READ WRITE");
    } catch (...) {
      const absl::Status status = StatusOfException(spec_);
      lease->session.reset();
      // A session kept from before a restart of the server: nothing was sent on it, so a new one may try.
      if (!lease->reused) return status;
      DropIdle();
      continue;
    }
    absl::Status status;
    try {
      Lent lent(*sql, session);
      status = body(lent);
    } catch (...) {
      status = StatusOfException(spec_);
    }
    if (status.ok() && kKind == Kind::kWrite) {
      status = Commit(session, *sql);
    } else {
      try {
        sql->abort();
      } catch (...) {
        lease->session.reset();
      }
    }
    // Before the session goes back (or away, when its state cannot be trusted).
    sql.reset();
    if (absl::IsUnavailable(status) || absl::IsUnknown(status)) lease->session.reset();
    // Nothing was sent before the statement, so only now it shows that the session is of before a restart; it only read.
    if (kKind == Kind::kReadOne && lease->reused && lease->session == nullptr) {
      DropIdle();
      continue;
    }
    return status;
  }
}

const std::string& ReadTransaction::Prepared(const std::string& sql) { return session_.Prepared(sql); }

Database::Database(ConnectionSpec spec, int connections_max, absl::Duration wait)
    : pool_(std::make_unique<Pool>(std::move(spec), connections_max, wait)) {}
Database::~Database() = default;

absl::Status Database::Read(const std::function<absl::Status(ReadTransaction&)>& body) const {
  return pool_->Run<pqxx::transaction<pqxx::repeatable_read, pqxx::read_only>, Pool::Kind::kRead>(body);
}

absl::Status Database::ReadOne(const std::function<absl::Status(ReadTransaction&)>& body) const {
  return pool_->Run<pqxx::nontransaction, Pool::Kind::kReadOne>(body);
}

absl::Status Database::Write(const std::function<absl::Status(WriteTransaction&)>& body) const {
  return pool_->Run<pqxx::transaction<pqxx::read_committed, pqxx::read_write>, Pool::Kind::kWrite>(body);
}

}  // namespace custodian::tenants
