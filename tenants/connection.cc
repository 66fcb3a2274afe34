#include "tenants/connection.h"

#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <unordered_map>

#include "fmt/format.h"

namespace custodian::tenants {
namespace {

constexpr std::size_t kPreparedMax = 256;

std::string Quoted(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('\'');
  return out;
}

// Statements look up by keys and are planned once in a session: a plan made when a table was small, of reading all of it, must not outlive that. (What
// has no index is read whole all the same, and would seem so dear then that JIT compiled it.) A list of keys is looked up by LATERAL subqueries with a
// LIMIT, which are never made into a join that reads the table.
// Our own deadlines: a lock or a forgotten transaction never hangs the partition. There is no statement_timeout, for it could
// cancel a COMMIT that waits for its standby.
std::string ConnectionString(const ConnectionSpec& spec) {
  std::string text = fmt::format(
      "host={} port={} dbname={} user={} connect_timeout=5 application_name=custodian client_encoding=UTF8 "
      "tcp_user_timeout=10000 keepalives_idle=10 keepalives_interval=5 keepalives_count=3 "
      "options='-c search_path= -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s -c bytea_output=hex "
      "-c enable_seqscan=off -c jit=off'",
      Quoted(spec.host), spec.port, Quoted(spec.database), Quoted(spec.user));
  if (!spec.password.empty()) text += " password=" + Quoted(spec.password);
  if (!spec.options.empty()) text += " " + spec.options;
  return text;
}

// The constraint named in a server message: an identifier of our own schema, unlike the values that follow it.
std::string ConstraintOf(std::string_view message) {
  static constexpr std::string_view kMark = "constraint \"";
  const auto begin = message.find(kMark);
  if (begin == std::string_view::npos) return "";
  const auto name = message.substr(begin + kMark.size());
  return std::string(name.substr(0, name.find('"')));
}

absl::Status StatusOfSqlState(const ConnectionSpec& spec, const pqxx::sql_error& error) {
  const std::string& code = error.sqlstate();
  const auto is = [&code](std::string_view prefix) { return code.compare(0, prefix.size(), prefix) == 0; };
  std::string message = fmt::format("database {}: error {}", spec.database, code.empty() ? "(connection lost)" : code);
  if (is("23")) message += fmt::format(", constraint {}", ConstraintOf(error.what()));
  if (code.empty() || is("08") || is("53") || is("57P") || is("58")) return absl::UnavailableError(message);
  if (is("23505") || is("23P01")) return absl::AlreadyExistsError(message);
  if (is("23")) return absl::FailedPreconditionError(message);
  if (is("22")) return absl::InvalidArgumentError(message);
  if (is("40001") || is("40P01")) return absl::AbortedError(message);
  if (is("57014") || is("55P03")) return absl::DeadlineExceededError(message);
  if (is("42501") || is("25006") || is("28")) return absl::PermissionDeniedError(message);
  return absl::InternalError(message);
}

absl::Status StatusOfLostConnection(const ConnectionSpec& spec, std::string_view message) {
  for (const std::string_view refusal : {"permission denied", "authentication failed", "no pg_hba.conf entry", "is not permitted"}) {
    if (message.find(refusal) != std::string_view::npos) {
      return absl::PermissionDeniedError(fmt::format("role {} may not connect to database {}", spec.user, spec.database));
    }
  }
  return absl::UnavailableError(fmt::format("database {} at {}:{} cannot be reached", spec.database, spec.host, spec.port));
}

}  // namespace

struct Session::Open {
  // Keeps libpqxx from printing notices (they may quote values) to stderr.
  class Notices final : public pqxx::errorhandler {
   public:
    explicit Notices(pqxx::connection_base& connection) : pqxx::errorhandler(connection) {}
    bool operator()(const char[]) noexcept override {
      ++count;
      return false;
    }
    int count = 0;
  };

  explicit Open(const ConnectionSpec& spec) : connection(ConnectionString(spec)), notices(connection) {}

  pqxx::connection connection;
  Notices notices;
  // Names by SQL text.
  std::unordered_map<std::string, std::string> prepared;
  // Prepared so far.
  std::size_t statements = 0;
};

Session::Session(const ConnectionSpec& spec) : open_(std::make_unique<Open>(spec)) {
  // libpqxx 6.4 would otherwise reconnect in silence, in the middle of what we take for one session.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  open_->connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
}
Session::~Session() = default;

pqxx::connection_base& Session::connection() { return open_->connection; }
const std::string& Session::Prepared(const std::string& sql) {
  // Commits make a statement of each set of tables that they fill together: rare sets must not pile up.
  if (open_->prepared.size() >= kPreparedMax && !open_->prepared.contains(sql)) {
    for (const auto& [text, name] : open_->prepared) open_->connection.unprepare(name);
    open_->prepared.clear();
  }
  const auto [known, is_new] = open_->prepared.try_emplace(sql, fmt::format("s{}", open_->statements));
  if (is_new) ++open_->statements;
  if (is_new) open_->connection.prepare(known->second, sql);
  return known->second;
}
int Session::notices() const { return open_->notices.count; }

absl::Status StatusOfException(const ConnectionSpec& spec) {
  try {
    throw;
  } catch (const pqxx::in_doubt_error&) {
    return absl::UnknownError(fmt::format("database {}: the outcome of a COMMIT is in doubt", spec.database));
  } catch (const pqxx::statement_completion_unknown&) {
    return absl::UnknownError(fmt::format("database {}: the outcome of a statement is in doubt", spec.database));
  } catch (const pqxx::transaction_rollback&) {
    return absl::AbortedError(fmt::format("database {}: a concurrent transaction came first", spec.database));
  } catch (const pqxx::broken_connection& error) {
    return StatusOfLostConnection(spec, error.what());
  } catch (const pqxx::sql_error& error) {
    return StatusOfSqlState(spec, error);
  } catch (const std::exception&) {
    // Conversion of a field, a row count that did not fit, use of the library: our own fault, and what() may quote a value.
    return absl::InternalError(fmt::format("database {}: an unexpected answer", spec.database));
  }
}

}  // namespace custodian::tenants
