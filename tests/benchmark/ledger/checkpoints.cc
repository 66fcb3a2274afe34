// How soon an entry is witnessed, and how often a log gets a checkpoint, with many busy logs and five witnesses: the real publisher, key
// process and witnesses (HTTPS, state on disk), each log a database of its own with its writer.
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fmt/format.h"
#include "services/log/publisher.h"
#include "tests/benchmark/measure.h"
#include "tests/support/keys/key_process.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"
#include "tests/support/witness_server.h"
#include "tests/support/written_log.h"

namespace custodian::benchmark {
namespace {

constexpr int kWitnesses = 5;
constexpr int kSlowMs = 2'000;
constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr char kPeer[] = "the same writes, admitted and not yet witnessed";

// `logs` published logs.
class Published {
 public:
  ~Published() {
    if (publisher_ != nullptr) publisher_->Stop();
    for (std::thread& loop : loops_) loop.join();
  }

  absl::Status Start(int logs, int dead, int slow) {
    auto keys = testing::KeyProcess::Create();
    if (!keys.ok()) return keys.status();
    keys_ = *std::move(keys);
    std::ofstream known(folder_.Join("logs"));
    std::vector<ledger::NoteVerifier> log_keys;
    for (int i = 0; i < logs; ++i) {
      const std::string origin = fmt::format("custodian.example/p/{:016x}", i + 1);
      auto log = testing::WrittenLog::Create({.writer = {.origin = origin, .author = testing::kTestAuthor}});
      if (!log.ok()) return log.status();
      logs_.push_back(*std::move(log));
      const auto key = keys_->client().CreateLogKey(origin);
      if (!key.ok()) return key.status();
      log_keys.push_back(ledger::NoteVerifier::Create(origin, ledger::kNoteEd25519, *key).value());
      known << log_keys.back().ToString() << "\n";
    }
    known.close();
    std::string policy;
    for (int i = 0; i < kWitnesses; ++i) {
      witnesses_.push_back(std::make_unique<testing::WitnessServer>(absl::StrCat("w", i), certificates_, folder_.Join("logs")));
      policy += witnesses_.back()->PolicyLine();
      if (i >= dead && i < dead + slow) witnesses_.back()->delay_ms = kSlowMs;
    }
    // Nobody listens there any more.
    for (int i = 0; i < dead; ++i) witnesses_[static_cast<std::size_t>(i)].reset();
    auto client = rpc::HttpsClient::Create({.ca_file = certificates_.ca_file(), .timeout = absl::Seconds(5)});
    if (!client.ok()) return client.status();
    client_ = *std::move(client);
    auto publisher = log::Publisher::Create(
        {}, ledger::Policy::Parse(policy + "group most 3 w0 w1 w2 w3 w4\nquorum most\n").value(), keys_->client(), *client_);
    if (!publisher.ok()) return publisher.status();
    publisher_ = *std::move(publisher);
    for (std::size_t i = 0; i < logs_.size(); ++i) {
      tenants::PartitionWriter& writer = logs_[i]->writer();
      publisher_->Add(log_keys[i], logs_[i]->log(), [&writer] { return writer.committed(); });
      writer.OnCommit([this, &writer] { publisher_->Notify(writer.origin()); });
    }
    for (auto& loop : publisher_->Loops()) loops_.emplace_back(std::move(loop));
    return absl::OkStatus();
  }

  // Index of one entry more in the log.
  absl::StatusOr<std::uint64_t> Write(int log) {
    tenants::Write write;
    write.idempotency_key = RandomBytes(32);
    write.request_digest = write.idempotency_key;
    write.entries.emplace_back().set_kind(ledger::v1::KIND_ORDER_CHECKED);
    const auto admitted = logs_[static_cast<std::size_t>(log)]->writer().Apply(std::move(write));
    if (!admitted.ok()) return admitted.status();
    return admitted->first_index;
  }
  absl::Status WaitWitnessed(int log, std::uint64_t size) {
    return publisher_->WaitWitnessed(logs_[static_cast<std::size_t>(log)]->writer().origin(), size, kPatience);
  }

 private:
  testing::TemporaryDirectory folder_;
  testing::TestCertificates certificates_;
  std::unique_ptr<testing::KeyProcess> keys_;
  std::vector<std::unique_ptr<testing::WitnessServer>> witnesses_;
  std::unique_ptr<rpc::HttpsClient> client_;
  std::unique_ptr<log::Publisher> publisher_;
  // Their writers tell the publisher of commits, and end first.
  std::vector<std::unique_ptr<testing::WrittenLog>> logs_;
  std::vector<std::thread> loops_;
};

// A client a log.
class Writes final : public Side {
 public:
  Writes(Published& published, bool witnessed) : published_(published), witnessed_(witnessed) {}
  absl::StatusOr<Outcome> Call(int client) override {
    const auto index = published_.Write(client);
    if (!index.ok()) return index.status();
    if (witnessed_)
      if (absl::Status status = published_.WaitWitnessed(client, *index + 1); !status.ok()) return status;
    return Outcome::kAnswered;
  }

 private:
  Published& published_;
  const bool witnessed_;
};

}  // namespace

absl::StatusOr<Report> MeasureCheckpoints(const Settings& settings, int logs, int dead, int slow) {
  Published published;
  if (absl::Status status = published.Start(logs, dead, slow); !status.ok()) return status;
  Writes ours(published, true);
  Writes peer(published, false);
  // The witnesses' sizes are learned, connections made.
  const auto warm = RunSlice(ours, logs, absl::Seconds(2));
  if (!warm.ok()) return warm.status();
  const auto compared = Compare(ours, peer, logs, settings.rounds, settings.slice, [] { return absl::OkStatus(); });
  if (!compared.ok()) return compared.status();
  Report report;
  report.measures.push_back({"checkpoint_p99", compared->ours.PercentileMs(99), "ms", kPeer, compared->peer.PercentileMs(99)});
  // Each call waits for a checkpoint of its log.
  report.circumstances = {{"checkpoint_logs", logs},
                          {"checkpoint_witnesses", kWitnesses},
                          {"checkpoint_witnesses_dead", dead},
                          {"checkpoint_witnesses_slow", slow},
                          {"checkpoint_p50_ms", compared->ours.PercentileMs(50)},
                          {"checkpoint_interval_ms", 1'000.0 * logs / compared->ours.PerSecond()}};
  return report;
}

}  // namespace custodian::benchmark
