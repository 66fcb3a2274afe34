#include "tests/benchmark/plain_postgres.h"

#include <iostream>
#include <utility>

#include "fmt/format.h"
#include "tenants/ids.h"

namespace custodian::benchmark {
namespace {

constexpr char kStatement[] = "call";
constexpr std::size_t kRandomBytes = 1 << 20;
constexpr std::size_t kCopyBytes = 1 << 20;

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Clear>;

absl::Status Failed(const char* what, const char* message) { return absl::InternalError(fmt::format("{}: {}", what, message)); }

}  // namespace

absl::StatusOr<Connection> Connection::Open(const std::string& conninfo) {
  std::unique_ptr<PGconn, Finish> connection(PQconnectdb(conninfo.c_str()));
  if (PQstatus(connection.get()) != CONNECTION_OK) return Failed("cannot connect to PostgreSQL", PQerrorMessage(connection.get()));
  return Connection(std::move(connection));
}

absl::StatusOr<std::vector<std::vector<std::string>>> Connection::Run(const std::string& sql) {
  const Result result(PQexec(connection_.get(), sql.c_str()));
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return Failed("PostgreSQL", PQerrorMessage(connection_.get()));
  std::vector<std::vector<std::string>> rows;
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    auto& fields = rows.emplace_back();
    for (int field = 0; field < PQnfields(result.get()); ++field) fields.emplace_back(PQgetvalue(result.get(), row, field));
  }
  return rows;
}

absl::Status Connection::Copy(const std::string& sql, const std::vector<std::string>& rows) {
  std::string data;
  for (const std::string& row : rows) data += row + "\n";
  return CopyRaw(sql, data);
}

absl::Status Connection::CopyRaw(const std::string& sql, std::string_view data) {
  if (const Result begun(PQexec(connection_.get(), sql.c_str())); PQresultStatus(begun.get()) != PGRES_COPY_IN)
    return Failed("PostgreSQL", PQerrorMessage(connection_.get()));
  while (!data.empty()) {
    const std::string_view part = data.substr(0, kCopyBytes);
    if (PQputCopyData(connection_.get(), part.data(), static_cast<int>(part.size())) != 1) return Failed("COPY", PQerrorMessage(connection_.get()));
    data.remove_prefix(part.size());
  }
  if (PQputCopyEnd(connection_.get(), nullptr) != 1) return Failed("COPY", PQerrorMessage(connection_.get()));
  absl::Status status;
  while (const Result result{PQgetResult(connection_.get())})
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) status = Failed("COPY", PQerrorMessage(connection_.get()));
  return status;
}

absl::Status Connection::Prepare(const std::string& sql) {
  const Result result(PQprepare(connection_.get(), kStatement, sql.c_str(), 0, nullptr));
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) return Failed("PostgreSQL", PQerrorMessage(connection_.get()));
  return absl::OkStatus();
}

namespace {

Result RunPrepared(PGconn* connection, const std::vector<std::string_view>& parameters) {
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const std::string_view parameter : parameters) {
    values.push_back(parameter.data());
    lengths.push_back(static_cast<int>(parameter.size()));
  }
  const std::vector<int> formats(parameters.size(), 1);
  return Result(PQexecPrepared(connection, kStatement, static_cast<int>(parameters.size()), values.data(), lengths.data(), formats.data(), 1));
}

}  // namespace

absl::Status Connection::Execute(const std::vector<std::string_view>& parameters) {
  const Result result = RunPrepared(connection_.get(), parameters);
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) return Failed("PostgreSQL", PQerrorMessage(connection_.get()));
  return absl::OkStatus();
}

absl::StatusOr<std::string> Connection::Query(const std::vector<std::string_view>& parameters) {
  const Result result = RunPrepared(connection_.get(), parameters);
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) return Failed("PostgreSQL", PQerrorMessage(connection_.get()));
  if (PQntuples(result.get()) != 1) return absl::NotFoundError("there is no such row");
  return std::string(PQgetvalue(result.get(), 0, 0), static_cast<std::size_t>(PQgetlength(result.get(), 0, 0)));
}

std::string CopyText(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\') text += '\\';
    text += c;
  }
  return text;
}

absl::StatusOr<StoredBytes> BytesOfOrderChecks(Connection& connection) {
  const auto rows = connection.Run(
      "SELECT (SELECT coalesce(sum(octet_length(leaves)), 0) FROM ledger.batch), "
      "(SELECT coalesce(sum(octet_length(check_key) + octet_length(digest) + octet_length(patient_id) + octet_length(sealed) + 16), 0) "
      "FROM exchange.check_answer) + "
      "(SELECT coalesce(sum(octet_length(card_id) + octet_length(patient_id) + octet_length(sealed) + 16), 0) FROM exchange.card) + "
      "(SELECT coalesce(sum(octet_length(order_key) + octet_length(state)), 0) FROM exchange.order_state) + "
      "(SELECT coalesce(sum(octet_length(order_key) + octet_length(check_key) + 8), 0) FROM exchange.order_check) + "
      "(SELECT coalesce(sum(octet_length(jti) + 8), 0) FROM exchange.jti)");
  if (!rows.ok()) return rows.status();
  return StoredBytes{std::stod(rows->at(0).at(0)), std::stod(rows->at(0).at(1))};
}

RandomText::RandomText(std::size_t bytes) : bytes_(RandomBytes(bytes)) {}

std::string_view RandomText::Take(std::size_t bytes) {
  if (next_ + bytes > bytes_.size()) next_ = (next_ + 1) % 4096;
  const std::string_view taken = std::string_view(bytes_).substr(next_, bytes);
  next_ += bytes;
  return taken;
}

namespace {

constexpr char kAuditTable[] =
    "CREATE TABLE audit_{0} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), "
    "bytes bytea NOT NULL); ALTER TABLE audit_{0} ALTER COLUMN bytes SET STORAGE EXTERNAL";

// The name of a new database.
absl::StatusOr<std::string> CreateDatabase(const std::string& superuser) {
  auto connection = Connection::Open(superuser);
  if (!connection.ok()) return connection.status();
  std::string database = "benchmark_" + HexEncode(RandomBytes(6));
  if (auto made = connection->Run("CREATE DATABASE " + database); !made.ok()) return made.status();
  return database;
}

void DropDatabase(const std::string& superuser, const std::string& database) {
  auto connection = Connection::Open(superuser);
  if (!connection.ok()) return;
  if (auto dropped = connection->Run(fmt::format("DROP DATABASE {} WITH (FORCE)", database)); !dropped.ok()) {
    std::cerr << "benchmark: cleanup: " << dropped.status() << "\n";
  }
}

// Of two settings of dbname the later one counts.
std::string ConnectionInfo(const std::string& superuser, const std::string& database) { return fmt::format("{} dbname={}", superuser, database); }

void AppendBigEndian(std::uint32_t value, int bytes, std::string& out) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

// PostgreSQL's documentation of COPY, "Binary Format": one bytea field a row.
std::string BinaryRows(int rows, std::size_t bytes) {
  RandomText text(kRandomBytes);
  std::string data("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
  for (int row = 0; row < rows; ++row) {
    AppendBigEndian(1, 2, data);
    AppendBigEndian(static_cast<std::uint32_t>(bytes), 4, data);
    data += text.Take(bytes);
  }
  AppendBigEndian(0xFFFF, 2, data);
  return data;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PlainCopy>> PlainCopy::Create(const std::string& superuser, std::size_t row_bytes, int rows, int clients) {
  const auto database = CreateDatabase(superuser);
  if (!database.ok()) return database.status();
  std::unique_ptr<PlainCopy> peer(new PlainCopy(superuser, *database));
  peer->rows_ = BinaryRows(rows, row_bytes);
  for (int i = 0; i < clients; ++i) {
    auto connection = Connection::Open(ConnectionInfo(superuser, *database));
    if (!connection.ok()) return connection.status();
    peer->clients_.push_back(*std::move(connection));
  }
  if (auto made = peer->clients_.front().Run(fmt::format(kAuditTable, 1)); !made.ok()) return made.status();
  return peer;
}

PlainCopy::~PlainCopy() {
  clients_.clear();
  DropDatabase(superuser_, database_);
}

absl::StatusOr<Outcome> PlainCopy::Call(int client) {
  absl::Status status = clients_[static_cast<std::size_t>(client)].CopyRaw("COPY audit_1 (bytes) FROM STDIN (FORMAT binary)", rows_);
  if (!status.ok()) return status;
  return Outcome::kAnswered;
}

absl::StatusOr<std::unique_ptr<PlainPostgres>> PlainPostgres::Create(const std::string& superuser, std::vector<std::size_t> row_bytes,
                                                                     int clients) {
  const auto database = CreateDatabase(superuser);
  if (!database.ok()) return database.status();
  std::unique_ptr<PlainPostgres> peer(new PlainPostgres(superuser, *database, std::move(row_bytes)));
  if (absl::Status status = peer->Connect(clients); !status.ok()) return status;
  return peer;
}

absl::Status PlainPostgres::Connect(int clients) {
  const std::string conninfo = ConnectionInfo(superuser_, database_);
  auto connection = Connection::Open(conninfo);
  if (!connection.ok()) return connection.status();
  std::string statement;
  for (std::size_t i = 0; i < row_bytes_.size(); ++i) {
    const auto made = connection->Run(fmt::format(kAuditTable, i + 1));
    if (!made.ok()) return made.status();
    const std::string insert = fmt::format("INSERT INTO audit_{0} (bytes) VALUES (${0})", i + 1);
    const bool last = i + 1 == row_bytes_.size();
    statement = last ? statement + insert : fmt::format("{}{} row_{} AS ({}) ", statement, statement.empty() ? "WITH" : ",", i + 1, insert);
  }
  for (int i = 0; i < clients; ++i) {
    auto own = Connection::Open(conninfo);
    if (!own.ok()) return own.status();
    if (absl::Status status = own->Prepare(statement); !status.ok()) return status;
    clients_.push_back({*std::move(own), RandomText(kRandomBytes)});
  }
  return absl::OkStatus();
}

PlainPostgres::~PlainPostgres() {
  clients_.clear();
  DropDatabase(superuser_, database_);
}

absl::StatusOr<Outcome> PlainPostgres::Call(int client) {
  Client& own = clients_[static_cast<std::size_t>(client)];
  std::vector<std::string_view> parameters;
  for (const std::size_t bytes : row_bytes_) parameters.push_back(own.text.Take(bytes));
  if (absl::Status status = own.connection.Execute(parameters); !status.ok()) return status;
  return Outcome::kAnswered;
}

}  // namespace custodian::benchmark
