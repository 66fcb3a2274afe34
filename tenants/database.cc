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
  Pool(ConnectionSpec spec, Options options) : spec_(std::move(spec)), options_(options) {}

  enum class Kind { kRead, kReadOne, kWrite, kWriteOne };
  template <typename SqlTransaction, Kind kKind, typename Lent>
  absl::Status Run(const std::function<absl::Status(Lent&)>& body);
  [[nodiscard]] bool write_one() const { return options_.write_one; }

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
  absl::Status InDoubt() const { return absl::UnknownError(fmt::format("database {}: the outcome of a commit is in doubt", spec_.database)); }
  // "canceling wait for synchronous replication": committed here, perhaps nowhere else.
  absl::Status WarnedOf() const { return absl::UnknownError(fmt::format("database {}: a commit came back with a warning", spec_.database)); }

  const ConnectionSpec spec_;
  const Options options_;
  absl::Mutex mutex_;
  int lent_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::unique_ptr<Session>> idle_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<Database::Pool::Lease> Database::Pool::Acquire() {
  std::unique_ptr<Session> session;
  {
    absl::MutexLock lock(&mutex_);
    const auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return lent_ < options_.connections_max; };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&free), options_.wait)) {
      return absl::UnavailableError(
          fmt::format("database {}: all {} connections are in use; retry after 1 s", spec_.database, options_.connections_max));
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
      pqxx::nontransaction sql(lease.session->connection());
      if (options_.plan_once) sql.exec("SET plan_cache_mode = force_generic_plan");
      if (!options_.write_one) sql.exec("SET default_transaction_read_only = on");
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
    return InDoubt();
  }
  return session.notices() == notices ? absl::OkStatus() : WarnedOf();
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
    const int notices = session.notices();
    try {
      Lent lent(*sql, session);
      status = body(lent);
    } catch (...) {
      status = StatusOfException(spec_);
      // Lost before the server had heard of the statement, or after it was done.
      if (kKind == Kind::kWriteOne && (absl::IsUnavailable(status) || !session.connection().is_open())) status = InDoubt();
    }
    // As in Commit().
    if (kKind == Kind::kWriteOne && status.ok() && session.notices() != notices) status = WarnedOf();
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

Database::Database(ConnectionSpec spec, Options options) : pool_(std::make_unique<Pool>(std::move(spec), options)) {}
Database::~Database() = default;

absl::Status Database::Read(const std::function<absl::Status(ReadTransaction&)>& body) const {
  return pool_->Run<pqxx::transaction<pqxx::repeatable_read, pqxx::read_only>, Pool::Kind::kRead>(body);
}

absl::Status Database::ReadOne(const std::function<absl::Status(ReadTransaction&)>& body) const {
  return pool_->Run<pqxx::nontransaction, Pool::Kind::kReadOne>(body);
}

absl::Status Database::WriteOne(const std::function<absl::Status(WriteTransaction&)>& body) const {
  return pool_->write_one() ? pool_->Run<pqxx::nontransaction, Pool::Kind::kWriteOne>(body) : Write(body);
}

absl::Status Database::Write(const std::function<absl::Status(WriteTransaction&)>& body) const {
  return pool_->Run<pqxx::transaction<pqxx::read_committed, pqxx::read_write>, Pool::Kind::kWrite>(body);
}

}  // namespace custodian::tenants
