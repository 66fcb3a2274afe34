// Random kills of a writer and its PostgreSQL, against a model of what was answered. The model knows of each write whether it was ever sent, and
// what was answered last; what it demands of the log is said at Verify().
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "ledger/entry.h"
#include "tenants/log_reader.h"
#include "tests/faults/child.h"
#include "tests/faults/faults.h"
#include "tests/faults/killed_writer.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_directory.h"

namespace custodian::faults {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int kBurstMax = 24;
constexpr int kPatienceSeconds = 60;
// Verified whole after so many kills first, later ever more seldom, and at the end.
constexpr int kVerifyAfter = 12;

struct Sent {
  // Of the first answer.
  std::optional<std::uint64_t> admitted;
  bool refused = false;
};

class Killer {
 public:
  explicit Killer(const RandomKills& kills) : kills_(kills), random_(kills.seed) {}

  int Run() {
    if (const absl::Status prepared = Prepare(); !prepared.ok()) return Wrong("cannot prepare: " + prepared.ToString());
    const auto until = Steady::now() + std::chrono::seconds(kills_.seconds);
    int next_verified = kVerifyAfter;
    while (Steady::now() < until && wrong_ == 0) {
      if (!EnsureWriter()) return Wrong("the writer does not start any more");
      SendSome();
      // It may end by itself, when its PostgreSQL does.
      const bool alive = HearFor(static_cast<int>(random_() % 40));
      if (random_() % 8 == 0 && alive) Kill();
      if (killed() >= next_verified) {
        Verify();
        next_verified = 2 * killed();
      }
    }
    Verify();
    return Tell();
  }

 private:
  int Wrong(const std::string& what) {
    std::cout << "wrong: " << what << std::endl;
    return ++wrong_;
  }
  [[nodiscard]] int killed() const { return writers_ + backends_ + postmasters_; }

  absl::Status Prepare() {
    auto made = testing::TestDatabase::Create();
    if (!made.ok()) return made.status();
    postgres_ = *std::move(made);
    const tenants::ConnectionSpec& login = postgres_->login();
    for (const auto& [name, value] : std::map<std::string, std::string>{{"PGHOST", login.host}, {"PGPORT", std::to_string(login.port)},
                                                                        {"PGDATABASE", login.database}, {"PGUSER", login.user},
                                                                        {"PGPASSWORD", login.password}})
      ::setenv(name.c_str(), value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): the only thread
    return testing::RunSql(postgres_->migrator(), "CREATE SCHEMA thing; CREATE TABLE thing.thing (id bytea PRIMARY KEY, entry_index bigint)").status();
  }

  static std::string Self() {
    char path[4096];
    const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
    return {path, static_cast<std::size_t>(length > 0 ? length : 0)};
  }

  // One runs, or there is something wrong: PostgreSQL may take a while to recover.
  bool EnsureWriter() {
    const auto until = Steady::now() + std::chrono::seconds(kPatienceSeconds);
    while (writer_ == nullptr) {
      auto child = std::make_unique<Child>(std::vector<std::string>{Self(), "killed-writer"}, directory_.Join("errors"));
      if (std::string line; child->Hear(line) && line == "ready") {
        writer_ = std::move(child);
      } else if (Steady::now() > until) {
        return false;
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
    return true;
  }

  void SendSome() {
    const int burst = 1 + static_cast<int>(random_() % kBurstMax);
    for (int i = 0; i < burst; ++i) {
      const auto way = random_() % 10;
      // Mostly new ones; now and then one again, whatever was answered, as a client that heard nothing does, and one with other content.
      const int number = way < 7 || sent_.empty() ? static_cast<int>(sent_.size()) : static_cast<int>(random_() % sent_.size());
      sent_.resize(std::max(sent_.size(), static_cast<std::size_t>(number) + 1));
      const bool other = way == 9 && KindOf(number) == WriteKind::kOwn && at(number).admitted;
      writer_->Say(std::to_string(number) + (other ? " other" : ""));
    }
  }

  // False once the writer is gone.
  bool HearFor(int milliseconds) {
    const auto until = Steady::now() + std::chrono::milliseconds(milliseconds);
    bool ended = false;
    while (!ended) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Steady::now()).count();
      const auto line = writer_->HearWithin(static_cast<int>(std::max<long long>(left, 0)), ended);
      if (line) Note(*line);
      else if (!ended) return true;
    }
    writer_.reset();
    return false;
  }

  void Note(const std::string& line) {
    std::istringstream words(line);
    int number = -1;
    std::string answer, word;
    std::uint64_t index = 0;
    int replayed = 0;
    if (!(words >> number >> answer)) return (void)Wrong("no answer: " + line);
    if (answer == "admitted") words >> index >> replayed;
    const bool other = words >> word && word == "other";
    if (number < 0 || static_cast<std::size_t>(number) >= sent_.size()) return (void)Wrong("an answer to nothing: " + line);
    Sent& sent = at(number);
    if (answer == "open") return;
    if (other) {
      if (answer != "refused") Wrong("other content was taken under the same key: " + line);
      return;
    }
    if ((answer == "refused") != (KindOf(number) == WriteKind::kRefused)) return (void)Wrong("wrongly judged: " + line);
    if (answer == "refused") {
      sent.refused = true;
      return;
    }
    if (sent.admitted && (*sent.admitted != index || replayed == 0)) Wrong(fmt::format("was admitted at {} before: {}", *sent.admitted, line));
    sent.admitted = index;
  }

  void Kill() {
    const auto whom = random_() % 10;
    if (whom < 6) {
      writer_->End(SIGKILL);
      ++writers_;
    } else if (whom < 8 || kills_.restart_postgres.empty()) {
      // The postmaster then ends all others, and recovers.
      const auto backend = postgres_->Sql("SELECT pid FROM pg_stat_activity WHERE usename = '" + postgres_->login().user + "' ORDER BY random() LIMIT 1");
      if (!backend.ok() || backend->empty()) return;
      ::kill(std::stoi(backend->at(0).at(0)), SIGKILL);
      ++backends_;
    } else {
      std::ifstream file(kills_.postgres_pid_file);
      pid_t pid = 0;
      if (!(file >> pid) || pid <= 1) return;
      ::kill(pid, SIGKILL);
      ++postmasters_;
      RestartPostgres();
    }
  }
  // What the killed postmaster left behind ends by itself, and a new one does not start before.
  void RestartPostgres() {
    const auto until = Steady::now() + std::chrono::seconds(kPatienceSeconds);
    while (std::system(kills_.restart_postgres.c_str()) != 0) {  // NOLINT(concurrency-mt-unsafe): the only thread
      if (Steady::now() > until) return (void)Wrong("PostgreSQL does not start again");
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  }

  // Another writer, which was sent nothing: since it started, what the one before had on its way is done or never will be.
  bool Settle() {
    if (writer_ != nullptr) {
      writer_->End(SIGKILL);
      // What it had answered by then.
      HearFor(kPatienceSeconds * 1000);
    }
    return EnsureWriter();
  }

  struct Stored {
    std::vector<std::string> leaves;
    ledger::Hash root{};
    // By id in hex.
    std::map<std::string, std::uint64_t> rows;
  };
  absl::StatusOr<Stored> Read() {
    const tenants::LogReader reader(kKilledOrigin, postgres_->database());
    const auto head = reader.Head();
    if (!head.ok()) return head.status();
    auto leaves = reader.Leaves(0, head->size);
    if (!leaves.ok()) return leaves.status();
    const auto rows = postgres_->Sql("SELECT encode(id, 'hex'), entry_index FROM thing.thing");
    if (!rows.ok()) return rows.status();
    Stored stored{*std::move(leaves), head->root, {}};
    for (const auto& row : *rows) stored.rows.emplace(row.at(0), std::stoull(row.at(1)));
    return stored;
  }
  // PostgreSQL may only now notice that it lost a backend, and recover.
  absl::StatusOr<Stored> SettleAndRead() {
    const auto until = Steady::now() + std::chrono::seconds(kPatienceSeconds);
    while (true) {
      if (!Settle()) return absl::UnavailableError("the writer does not start any more");
      auto stored = Read();
      if (stored.ok() || Steady::now() > until) return stored;
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  }

  // What must hold, whatever was killed: all that was admitted lies where it was said, whole; of all else, a write is there whole or not at all,
  // nothing refused is there, nothing twice, nothing that was never sent; the log only grew, and its leaves make its root.
  void Verify() {
    const auto stored = SettleAndRead();
    if (!stored.ok()) return (void)Wrong("nothing can be read: " + stored.status().ToString());
    std::vector<ledger::Hash> hashes;
    std::map<std::string, std::uint64_t> positions;
    for (const std::string& bytes : stored->leaves) {
      const auto leaf = ledger::ParseLeaf(bytes);
      if (!leaf.ok()) return (void)Wrong(fmt::format("leaf {}: {}", hashes.size(), leaf.status().ToString()));
      if (!positions.emplace(leaf->entry.idempotency_key(), hashes.size()).second) Wrong(fmt::format("leaf {} is there twice", hashes.size()));
      hashes.push_back(ledger::LeafHash(bytes));
    }
    if (ledger::RootOf(hashes) != stored->root) Wrong("the leaves do not make the root");
    if (hashes.size() < hashes_.size() || !std::equal(hashes_.begin(), hashes_.end(), hashes.begin())) Wrong("the log is no longer what it was");
    hashes_ = hashes;
    CheckWrites(positions, stored->rows);
  }

  void CheckWrites(const std::map<std::string, std::uint64_t>& positions, const std::map<std::string, std::uint64_t>& rows) {
    std::size_t entries = 0, with_row = 0;
    stored_ = 0;
    for (int number = 0; static_cast<std::size_t>(number) < sent_.size(); ++number) {
      const auto first = CheckEntries(number, positions, entries);
      const auto row = rows.find(HexEncode(RowOf(number, false)));
      if (row != rows.end()) ++with_row;
      const bool wants_row = first && KindOf(number) == WriteKind::kOwn;
      if (wants_row != (row != rows.end()) || (wants_row && row->second != *first)) Wrong(fmt::format("write {}: entry and row do not go together", number));
      if (first && !at(number).admitted) ++stored_;
    }
    if (entries != positions.size()) Wrong(fmt::format("{} entries are nobody's", positions.size() - entries));
    if (with_row != rows.size()) Wrong(fmt::format("{} rows are nobody's", rows.size() - with_row));
  }

  // Where the write lies, if it does.
  std::optional<std::uint64_t> CheckEntries(int number, const std::map<std::string, std::uint64_t>& positions, std::size_t& entries) {
    const Sent& sent = at(number);
    std::optional<std::uint64_t> first;
    std::size_t there = 0;
    const std::vector<std::string> keys = KeysOf(number);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto position = positions.find(keys[i]);
      if (position == positions.end()) continue;
      ++there;
      if (!first) first = position->second - i;
      if (position->second != *first + i) Wrong(fmt::format("write {}: its entries are torn apart", number));
    }
    entries += there;
    if (there != 0 && there != keys.size()) Wrong(fmt::format("write {}: {} of {} entries are there", number, there, keys.size()));
    if (sent.admitted && first != sent.admitted) Wrong(fmt::format("write {} was admitted at {} and is not there", number, *sent.admitted));
    if (first && (sent.refused || KindOf(number) == WriteKind::kRefused)) Wrong(fmt::format("write {} was refused and is there", number));
    return first;
  }

  int Tell() {
    int done = 0, refused = 0;
    for (const Sent& sent : sent_) {
      done += sent.admitted ? 1 : 0;
      refused += sent.refused ? 1 : 0;
    }
    const int absent = static_cast<int>(sent_.size()) - done - refused - stored_;
    std::cout << fmt::format("seed {}: {} writes: {} done, {} refused, {} failed and not stored, {} failed to answer but stored; killed {} writers, {} backends, {} postmasters\n",
                             kills_.seed, sent_.size(), done, refused, absent, stored_, writers_, backends_, postmasters_);
    // A run in which one of them did not happen says less than it seems to.
    if (done == 0 || refused == 0 || absent == 0 || stored_ == 0) Wrong("not all four ways happened: give it more seconds");
    return wrong_;
  }

  Sent& at(int number) { return sent_[static_cast<std::size_t>(number)]; }

  const RandomKills& kills_;
  std::mt19937_64 random_;
  testing::TemporaryDirectory directory_;
  std::unique_ptr<testing::TestDatabase> postgres_;
  std::unique_ptr<Child> writer_;
  // By number: every one was sent.
  std::vector<Sent> sent_;
  // Of the log as verified last.
  std::vector<ledger::Hash> hashes_;
  // Not answered, and there, as verified last.
  int stored_ = 0;
  int writers_ = 0, backends_ = 0, postmasters_ = 0;
  int wrong_ = 0;
};

}  // namespace

int RunRandomKills(const RandomKills& kills) {
  std::cout << "seed " << kills.seed << std::endl;
  return Killer(kills).Run();
}

}  // namespace custodian::faults
