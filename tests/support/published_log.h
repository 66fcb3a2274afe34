// For tests: a publisher on a real partition, with three real witnesses (witness_server.h).
#ifndef CUSTODIAN_TESTS_SUPPORT_PUBLISHED_LOG_H_
#define CUSTODIAN_TESTS_SUPPORT_PUBLISHED_LOG_H_

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/log/publisher.h"
#include "tenants/partition_writer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/keys/key_process.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"
#include "tests/support/witness_server.h"

namespace custodian::log {

inline constexpr char kAuthor[] = "spiffe://custodian.example/custodian/serve";

class PublisherOf : public ::testing::Test {
 protected:
  void SetUp() override {
    auto database = testing::TestDatabase::Create();
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    auto keys = testing::KeyProcess::Create();
    ASSERT_TRUE(keys.ok()) << keys.status();
    keys_ = *std::move(keys);
    const absl::StatusOr<std::string> public_key = keys_->client().CreateLogKey(origin_);
    ASSERT_TRUE(public_key.ok()) << public_key.status();
    key_.emplace(ledger::NoteVerifier::Create(origin_, ledger::kNoteEd25519, *public_key).value());
    roster_.MoveTo(1, ledger::Sha256("governance"));
    tenants::PartitionWriter::Options options;
    options.origin = origin_;
    options.author = kAuthor;
    writer_ = tenants::PartitionWriter::Create(options, database_->database(), *author_, roster_, clock_).value();
    writer_->OnCommit([this] {
      const absl::MutexLock lock(&mutex_);
      if (publisher_ != nullptr && tells_) publisher_->Notify(origin_);
    });
    writer_thread_ = std::thread([this] { writer_->Run(); });
    reader_ = std::make_unique<tenants::LogReader>(origin_, database_->database());
    std::ofstream(folder_.Join("logs")) << key_->ToString() << "\n";
    for (const char* name : {"w1", "w2", "w3"})
      witnesses_.push_back(std::make_unique<testing::WitnessServer>(name, certificates_, folder_.Join("logs")));
    rpc::HttpsClient::Options client_options;
    client_options.ca_file = certificates_.ca_file();
    client_options.timeout = absl::Seconds(20);
    client_ = rpc::HttpsClient::Create(client_options).value();
  }
  void TearDown() override {
    StopPublisher();
    if (writer_ != nullptr) {
      writer_->Stop();
      writer_thread_.join();
    }
  }

  std::string PolicyText() const {
    std::string text;
    for (const auto& witness : witnesses_) text += witness->PolicyLine();
    return text + quorum_lines_;
  }
  ledger::Policy Policy() const { return ledger::Policy::Parse(PolicyText()).value(); }
  void StartPublisher(absl::Duration spacing = absl::ZeroDuration(), absl::Duration look_again = absl::Seconds(10),
                      absl::Duration refresh = absl::Hours(1)) {
    Publisher::Options options;
    options.spacing = spacing;
    options.look_again = look_again;
    options.refresh = refresh;
    options.mirrors = mirrors_;
    options.retry = absl::Milliseconds(100);
    options.retry_max = absl::Milliseconds(500);
    auto publisher = Publisher::Create(options, Policy(), keys_->client(), *client_).value();
    publisher->Add(*key_, *reader_, [this] {
      const absl::MutexLock lock(&mutex_);
      return committed_ ? *committed_ : writer_->committed();
    }, mirrors_);
    for (auto& loop : publisher->Loops()) loops_.emplace_back(std::move(loop));
    const absl::MutexLock lock(&mutex_);
    publisher_ = std::move(publisher);
  }
  void StopPublisher() {
    if (publisher_ == nullptr) return;
    publisher_->Stop();
    for (std::thread& loop : loops_) loop.join();
    loops_.clear();
    const absl::MutexLock lock(&mutex_);
    publisher_.reset();
  }
  // Appends an entry and returns its index.
  std::uint64_t Append() {
    tenants::Write write;
    write.idempotency_key = std::string(ledger::AsBytes(ledger::Sha256("key" + std::to_string(++writes_))));
    write.request_digest = write.idempotency_key;
    ledger::v1::Entry entry;
    entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
    write.entries.push_back(entry);
    const absl::StatusOr<tenants::Admitted> admitted = writer_->Apply(std::move(write));
    EXPECT_TRUE(admitted.ok()) << admitted.status();
    return admitted.ok() ? admitted->first_index : 0;
  }

  const std::string origin_ = "custodian.example/p/00000000000000cc";
  testing::TemporaryDirectory folder_;
  testing::TestCertificates certificates_;
  testing::FakeClock clock_;
  std::unique_ptr<ledger::Signer> author_ = testing::NewSigner();
  testing::FixedRoster roster_{kAuthor, author_->public_key()};
  std::unique_ptr<testing::TestDatabase> database_;
  std::unique_ptr<testing::KeyProcess> keys_;
  std::optional<ledger::NoteVerifier> key_;
  std::unique_ptr<tenants::PartitionWriter> writer_;
  std::thread writer_thread_;
  std::unique_ptr<tenants::LogReader> reader_;
  std::vector<std::unique_ptr<testing::WitnessServer>> witnesses_;
  // What follows the witnesses in the policy; and which of it are mirrors.
  std::string quorum_lines_ = "group two-of-three 2 w1 w2 w3\nquorum two-of-three\n";
  std::set<std::string> mirrors_;
  std::unique_ptr<rpc::HttpsClient> client_;
  // Between the test and the writer's callback.
  absl::Mutex mutex_;
  std::unique_ptr<Publisher> publisher_;
  // What the publisher is told to be committed, instead of what the writer says.
  std::optional<ledger::Checkpoint> committed_ ABSL_GUARDED_BY(mutex_);
  // Whether the publisher is told of commits.
  std::atomic<bool> tells_ = true;
  std::vector<std::thread> loops_;
  int writes_ = 0;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_TESTS_SUPPORT_PUBLISHED_LOG_H_
