// One system call of a partition's writer, or of the PostgreSQL backend that writes for it, fails once under strace; then the writer is started
// again without, and everything that was admitted must be there: at its index, once, with its row.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "ledger/entry.h"
#include "tenants/log_reader.h"
#include "tenants/partition_writer.h"
#include "tests/faults/child.h"
#include "tests/faults/faults.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/known_log.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_directory.h"

namespace custodian::faults {
namespace {

using ledger::Hash;
using tenants::ConnectionSpec;
using tenants::PartitionWriter;

constexpr char kOrigin[] = "faults.example/p/00000000000000aa";
constexpr char kAuthor[] = "spiffe://faults.example/writer";
constexpr int kTries = 3;
const tenants::Table kThings = {"thing.thing", {{"id", "bytea"}, {"entry_index", "bigint"}}};

std::string Key(const std::string& text) { return std::string(ledger::AsBytes(ledger::Sha256(text))); }

tenants::Write WriteOf(int number) {
  tenants::Write write;
  write.idempotency_key = Key("key " + std::to_string(number));
  write.request_digest = Key("digest " + std::to_string(number));
  write.entries.emplace_back().set_kind(ledger::v1::KIND_ORDER_CHECKED);
  write.rows.push_back({&kThings, {tenants::Bytes{write.idempotency_key}, tenants::IndexOf{0}}});
  return write;
}

// A writer on a thread of its own.
class RunningWriter {
 public:
  explicit RunningWriter(const ConnectionSpec& spec) : database_(spec, {.connections_max = 4, .write_one = true}) {
    roster_.Admit(kAuthor, signer_->public_key());
    auto writer = PartitionWriter::Create({.origin = kOrigin, .author = kAuthor}, database_, *signer_, roster_, clock_);
    status_ = writer.status();
    if (!status_.ok()) return;
    writer_ = *std::move(writer);
    thread_ = std::thread([this] { writer_->Run(); });
  }
  ~RunningWriter() {
    if (writer_ != nullptr) writer_->Stop();
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] const absl::Status& status() const { return status_; }
  // Again while it fails, as a client does: the write's own key keeps it from being stored twice.
  absl::StatusOr<tenants::Admitted> Apply(int number) {
    absl::StatusOr<tenants::Admitted> admitted = absl::UnknownError("not tried");
    for (int i = 0; i < kTries && !admitted.ok(); ++i) admitted = writer_->Apply(WriteOf(number));
    return admitted;
  }
  [[nodiscard]] const tenants::Database& database() const { return database_; }

 private:
  std::unique_ptr<ledger::Signer> signer_ = custodian::testing::KnownSigner("faults author");
  custodian::testing::FixedRoster roster_;
  custodian::testing::FakeClock clock_;
  tenants::Database database_;
  absl::Status status_;
  std::unique_ptr<PartitionWriter> writer_;
  std::thread thread_;
};

struct Case {
  // Whose calls: the writer's own, or those of the server's backends that it is connected to.
  bool server = false;
  std::string call;
  // What strace injects: "error=EIO", "signal=KILL".
  std::string fault;
  int when = 1;
  [[nodiscard]] std::string Name() const { return fmt::format("{} {} {} at {}", server ? "server" : "writer", call, fault, when); }
};

class Runner {
 public:
  explicit Runner(const WriterCases& cases) : cases_(cases) {}

  absl::Status Prepare() {
    auto made = custodian::testing::TestDatabase::Create();
    if (!made.ok()) return made.status();
    postgres_ = *std::move(made);
    return custodian::testing::RunSql(postgres_->migrator(), "CREATE SCHEMA thing; CREATE TABLE thing.thing (id bytea PRIMARY KEY, entry_index bigint)")
        .status();
  }

  // What is wrong, or nothing; `struck` says whether the call was made so often.
  std::string Run(const Case& one, bool& struck) {
    const int first = next_;
    next_ += cases_.writes;
    const std::string trace = directory_.Join("trace");
    std::ofstream(trace, std::ios::trunc).close();
    std::map<int, std::uint64_t> admitted = RunChild(one, first, trace);
    std::ifstream file(trace);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    struck = text.find("(INJECTED)") != std::string::npos || text.find("killed by SIGKILL") != std::string::npos;
    if (!ServerIsBack()) return "PostgreSQL did not come back";
    return Verify(first, admitted);
  }

 private:
  // The writes that the child was told are admitted, with their index.
  std::map<int, std::uint64_t> RunChild(const Case& one, int first, const std::string& trace) {
    const ConnectionSpec& login = postgres_->login();
    for (const auto& [name, value] : std::map<std::string, std::string>{{"PGHOST", login.host}, {"PGPORT", std::to_string(login.port)},
                                                                        {"PGDATABASE", login.database}, {"PGUSER", login.user},
                                                                        {"PGPASSWORD", login.password}})
      ::setenv(name.c_str(), value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): the only thread
    const std::vector<std::string> strace = {"strace", "-f", "-qq", "-o", trace, "-e", "trace=" + one.call,
                                             "-e", fmt::format("inject={}:{}:when={}", one.call, one.fault, one.when)};
    std::vector<std::string> command;
    if (!one.server) command = strace;
    command.insert(command.end(), {Self(), "writer", std::to_string(first), std::to_string(cases_.writes)});
    Child child(command, directory_.Join("errors"));
    std::map<int, std::uint64_t> admitted;
    std::unique_ptr<Child> attached;
    std::string line;
    while (child.Hear(line)) {
      if (line == "ready") {
        if (one.server) attached = Attach(strace);
        child.Say("go");
        continue;
      }
      int write = 0;
      unsigned long long index = 0;
      if (std::sscanf(line.c_str(), "%d %llu", &write, &index) == 2) admitted[write] = index;
    }
    child.End(0);
    if (attached != nullptr) attached->End(SIGTERM);
    return admitted;
  }

  static std::string Self() {
    char path[4096];
    const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
    return {path, static_cast<std::size_t>(length > 0 ? length : 0)};
  }

  // strace on the backends of the child's sessions.
  std::unique_ptr<Child> Attach(std::vector<std::string> strace) {
    std::vector<std::string> pids;
    const auto sessions = postgres_->Sql("SELECT pid FROM pg_stat_activity WHERE usename = '" + postgres_->login().user + "'").value();
    for (const auto& row : sessions) {
      strace.insert(strace.end(), {"-p", row.front()});
      pids.push_back(row.front());
    }
    auto attached = std::make_unique<Child>(strace, directory_.Join("errors"));
    for (const std::string& pid : pids) {
      for (int i = 0; i < 500 && TracerOf(pid) == "0"; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return attached;
  }
  static std::string TracerOf(const std::string& pid) {
    std::ifstream status("/proc/" + pid + "/status");
    std::string word;
    while (status >> word)
      if (word == "TracerPid:" && status >> word) return word;
    return "gone";
  }

  bool ServerIsBack() {
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 100; ++i) {
        if (postgres_->Sql("SELECT 1").ok()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
      if (cases_.restart_postgres.empty() || std::system(cases_.restart_postgres.c_str()) != 0) return false;  // NOLINT(concurrency-mt-unsafe)
    }
    return false;
  }

  std::string Verify(int first, const std::map<int, std::uint64_t>& admitted) {
    RunningWriter writer(postgres_->login());
    if (!writer.status().ok()) return "no start: " + std::string(writer.status().message());
    for (int number = first; number < next_; ++number) {
      const auto answer = writer.Apply(number);
      if (!answer.ok()) return fmt::format("write {} is refused after the restart: {}", number, std::string(answer.status().message()));
      const auto before = admitted.find(number);
      if (before == admitted.end()) continue;
      if (!answer->replayed) return fmt::format("write {} was admitted and is lost", number);
      if (answer->first_index != before->second)
        return fmt::format("write {} was admitted at {} and lies at {}", number, before->second, answer->first_index);
    }
    // The whole log: its leaves make its root, and each write is in it once, with its row.
    const tenants::LogReader reader(kOrigin, writer.database());
    const auto head = reader.Head();
    if (!head.ok()) return "no head: " + std::string(head.status().message());
    const auto leaves = reader.Leaves(0, head->size);
    if (!leaves.ok()) return "no leaves: " + std::string(leaves.status().message());
    std::vector<Hash> hashes;
    std::set<std::string> keys;
    for (const std::string& bytes : *leaves) {
      hashes.push_back(ledger::LeafHash(bytes));
      const auto leaf = ledger::ParseLeaf(bytes);
      if (!leaf.ok()) return fmt::format("leaf {}: {}", hashes.size() - 1, std::string(leaf.status().message()));
      if (!keys.insert(leaf->entry.idempotency_key()).second) return fmt::format("leaf {} is there twice", hashes.size() - 1);
    }
    if (ledger::RootOf(hashes) != head->root) return "the leaves do not make the root";
    if (static_cast<int>(keys.size()) != next_) return fmt::format("{} entries of {} writes", keys.size(), next_);
    if (head->size < size_) return "the log has become shorter";
    size_ = head->size;
    const std::string rows = postgres_->One("SELECT count(DISTINCT entry_index) FROM thing.thing");
    return rows == std::to_string(next_) ? "" : fmt::format("{} rows of {} writes", rows, next_);
  }

  const WriterCases& cases_;
  custodian::testing::TemporaryDirectory directory_;
  std::unique_ptr<custodian::testing::TestDatabase> postgres_;
  int next_ = 0;
  std::uint64_t size_ = 0;
};

struct Call {
  bool server;
  const char* call;
  std::vector<std::string> faults;
  // Calls of this kind that a case of `writes` makes, at least; fewer means that the case no longer tests what it says.
  int times;
};

}  // namespace

int RunWriterCases(const WriterCases& cases) {
  const std::vector<Call> calls = {
      {false, "socket", {"error=EMFILE"}, 1},
      {false, "connect", {"error=ECONNREFUSED"}, 1},
      // No error: a real one comes of a connection that is gone, while libpq would wait here for the answer to what the server never got.
      {false, "sendto", {"signal=KILL"}, 6},
      {false, "recvfrom", {"error=ECONNRESET", "signal=KILL"}, 6},
      {false, "poll", {"error=ENOMEM"}, 3},
      {true, "pwrite64", {"error=ENOSPC", "error=EIO", "signal=KILL"}, 3},
      {true, "fdatasync", {"error=EIO", "signal=KILL"}, 3},
      {true, "sendto", {"error=EPIPE"}, 3},
      {true, "recvfrom", {"error=ECONNRESET"}, 3},
  };
  Runner runner(cases);
  if (const absl::Status prepared = runner.Prepare(); !prepared.ok()) {
    std::cout << "cannot prepare: " << prepared << "\n";
    return 1;
  }
  int failed = 0;
  int done = 0;
  for (const Call& call : calls) {
    for (const std::string& fault : call.faults) {
      bool struck = true;
      for (int when = 1; struck && when <= (cases.grid ? 60 : call.times); when += cases.grid ? 1 : std::max(1, call.times - 1)) {
        const Case one{call.server, call.call, fault, when};
        std::string wrong = runner.Run(one, struck);
        if (wrong.empty() && !struck && when <= call.times) wrong = "the call was not made so often";
        if (wrong.empty() && !struck) break;
        ++done;
        std::cout << (wrong.empty() ? "held   " : "failed ") << one.Name() << (wrong.empty() ? "" : ": " + wrong) << std::endl;
        if (!wrong.empty()) ++failed;
      }
    }
  }
  std::cout << done << " cases, " << failed << " failed\n";
  return failed;
}

int RunWriter(int first, int count) {
  const auto text = [](const char* name) { return std::string(std::getenv(name)); };  // NOLINT(concurrency-mt-unsafe): nobody sets it
  const ConnectionSpec spec{.host = text("PGHOST"), .port = std::stoi(text("PGPORT")), .database = text("PGDATABASE"), .user = text("PGUSER"),
                            .password = text("PGPASSWORD"), .options = ""};
  RunningWriter writer(spec);
  if (!writer.status().ok()) {
    std::cerr << writer.status() << "\n";
    return 1;
  }
  std::cout << "ready" << std::endl;
  std::string go;
  std::getline(std::cin, go);
  for (int number = first; number < first + count; ++number) {
    const auto admitted = writer.Apply(number);
    if (admitted.ok()) {
      std::cout << number << " " << admitted->first_index << std::endl;
    } else {
      std::cerr << number << " " << admitted.status() << "\n";
    }
  }
  return 0;
}

}  // namespace custodian::faults
