#include "services/log/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "ledger/receipt.h"
#include "services/node/add_checkpoint.h"
#include "services/node/witness.h"
#include "services/rpc/https_server.h"
#include "tenants/partition_writer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/keys/key_process.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"

namespace custodian::log {
namespace {

using ledger::NoteVerifier;

constexpr char kAuthor[] = "spiffe://custodian.example/custodian/serve";

std::unique_ptr<ledger::Signer> NewSigner() {
  return ledger::SignerFromPem(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value()).value();
}

// A real witness behind a real server, which may be slow or down.
class WitnessServer {
 public:
  WitnessServer(std::string name, testing::TestCertificates& certificates, const std::string& logs_file)
      : name_(std::move(name)) {
    auto logs = std::make_unique<node::KnownLogs>(logs_file);
    witness_ = node::Witness::Create("witness.example/" + name_, NewSigner(),
                                     node::StateDirectory::Open(folder_.Join("state")).value(), std::move(logs), clock_)
                   .value();
    const testing::TestCertificates::Files files = certificates.IssueServer();
    rpc::HttpsServer::Options options;
    options.certificate_file = files.certificate;
    options.key_file = files.key;
    options.client_ca_file = certificates.ca_file();
    options.threads = 2;
    server_ = rpc::HttpsServer::Create(options, [this](const rpc::HttpRequest& request) -> rpc::HttpResponse {
                absl::SleepFor(absl::Milliseconds(delay_ms.load()));
                ++requests;
                if (down) return {503, {}, "down\n"};
                if (lies) return {409, {{"content-type", "text/x.tlog.size"}}, std::to_string(SizeAsked(request) + 1) + "\n"};
                return witness_->Handle(request);
              }).value();
    thread_ = std::thread([this] { server_->Run(); });
  }
  ~WitnessServer() {
    server_->Stop();
    thread_.join();
  }
  std::string PolicyLine() const {
    return "witness " + name_ + " " + witness_->key().ToString() + " https://127.0.0.1:" + std::to_string(server_->port()) +
           "/\n";
  }

  std::atomic<int> delay_ms = 0;
  std::atomic<bool> down = false;
  // Says that it knows one entry more than it is asked about.
  std::atomic<bool> lies = false;
  std::atomic<int> requests = 0;

 private:
  static std::uint64_t SizeAsked(const rpc::HttpRequest& request) {
    return ledger::Checkpoint::Parse(node::AddCheckpoint::Parse(request.body)->note.text)->size;
  }

  std::string name_;
  testing::TemporaryDirectory folder_;
  MachineClock clock_;
  std::unique_ptr<node::Witness> witness_;
  std::unique_ptr<rpc::HttpsServer> server_;
  std::thread thread_;
};

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
    key_.emplace(NoteVerifier::Create(origin_, ledger::kNoteEd25519, *public_key).value());
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
      witnesses_.push_back(std::make_unique<WitnessServer>(name, certificates_, folder_.Join("logs")));
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
    return text + "group two-of-three 2 w1 w2 w3\nquorum two-of-three\n";
  }
  ledger::Policy Policy() const { return ledger::Policy::Parse(PolicyText()).value(); }
  void StartPublisher(absl::Duration spacing = absl::ZeroDuration(), absl::Duration look_again = absl::Seconds(10)) {
    Publisher::Options options;
    options.spacing = spacing;
    options.look_again = look_again;
    options.retry = absl::Milliseconds(100);
    auto publisher = Publisher::Create(options, Policy(), keys_->client(), *client_).value();
    publisher->Add(*key_, *reader_);
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
  std::unique_ptr<ledger::Signer> author_ = NewSigner();
  testing::FixedRoster roster_{kAuthor, author_->public_key()};
  std::unique_ptr<testing::TestDatabase> database_;
  std::unique_ptr<testing::KeyProcess> keys_;
  std::optional<NoteVerifier> key_;
  std::unique_ptr<tenants::PartitionWriter> writer_;
  std::thread writer_thread_;
  std::unique_ptr<tenants::LogReader> reader_;
  std::vector<std::unique_ptr<WitnessServer>> witnesses_;
  std::unique_ptr<rpc::HttpsClient> client_;
  // Between the test and the writer's callback.
  absl::Mutex mutex_;
  std::unique_ptr<Publisher> publisher_;
  // Whether the publisher is told of commits.
  std::atomic<bool> tells_ = true;
  std::vector<std::thread> loops_;
  int writes_ = 0;
};

TEST_F(PublisherOf, BringsEveryCommitToAReceiptThatThePolicyBelieves) {
  StartPublisher();
  const ledger::Policy policy = Policy().WithLog(*key_).value();
  for (int i = 0; i < 20; ++i) {
    const std::uint64_t index = Append();
    const absl::Status witnessed = publisher_->WaitWitnessed(origin_, index + 1, absl::Seconds(10));
    ASSERT_TRUE(witnessed.ok()) << witnessed;
    const absl::StatusOr<std::string> text = publisher_->MakeReceipt(origin_, index);
    ASSERT_TRUE(text.ok()) << text.status();
    const absl::StatusOr<ledger::Receipt> receipt = ledger::Receipt::Parse(*text);
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_EQ(receipt->index, index);
    EXPECT_TRUE(receipt->Verify(policy).ok()) << receipt->Verify(policy).status();
  }
  EXPECT_EQ(publisher_->MakeReceipt(origin_, 1'000).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(publisher_->MakeReceipt("custodian.example/p/other", 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(publisher_->WaitWitnessed("custodian.example/p/other", 1, absl::Seconds(1)).code(), absl::StatusCode::kNotFound);
}

TEST_F(PublisherOf, CommitsOfABusyLogShareACheckpoint) {
  StartPublisher(/*spacing=*/absl::Hours(1));
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  Append();
  const std::uint64_t last = Append();
  EXPECT_EQ(publisher_->WaitWitnessed(origin_, last + 1, absl::Milliseconds(500)).code(), absl::StatusCode::kDeadlineExceeded);
  StopPublisher();
  StartPublisher();
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, last + 1, absl::Seconds(10)).ok());
}

TEST_F(PublisherOf, SlowWitnessDoesNotDelayTheQuorum) {
  witnesses_[1]->delay_ms = 3'000;
  StartPublisher();
  const absl::Time start = absl::Now();
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t index = Append();
    EXPECT_TRUE(publisher_->WaitWitnessed(origin_, index + 1, absl::Seconds(10)).ok());
  }
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(2'500));
}

TEST_F(PublisherOf, WitnessThatClaimsMoreThanWasSignedDelaysNobody) {
  witnesses_[0]->lies = true;
  for (const int honest : {1, 2}) witnesses_[static_cast<std::size_t>(honest)]->delay_ms = 400;
  StartPublisher();
  const std::uint64_t index = Append();
  // While the honest ones think, the log grows past what the other claims.
  std::atomic<bool> done = false;
  std::thread writer([&] {
    while (!done) {
      Append();
      absl::SleepFor(absl::Milliseconds(20));
    }
  });
  const absl::Status witnessed = publisher_->WaitWitnessed(origin_, index + 1, absl::Seconds(4));
  done = true;
  writer.join();
  EXPECT_TRUE(witnessed.ok()) << witnessed;
}

TEST_F(PublisherOf, NothingIsPublishedWithoutItsQuorumAndAllOnceItIsBack) {
  witnesses_[0]->down = true;
  witnesses_[2]->down = true;
  StartPublisher();
  const std::uint64_t index = Append();
  EXPECT_EQ(publisher_->WaitWitnessed(origin_, index + 1, absl::Milliseconds(700)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(publisher_->MakeReceipt(origin_, index).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::IsNotFound(reader_->PublishedCheckpoint().status()));
  const std::uint64_t later = Append();
  witnesses_[2]->down = false;
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, later + 1, absl::Seconds(10)).ok());
}

TEST_F(PublisherOf, WitnessThatWasAwayIsBroughtUpFromItsOwnSize) {
  StartPublisher();
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  witnesses_[0]->down = true;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  witnesses_[0]->down = false;
  witnesses_[1]->down = true;
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
}

TEST_F(PublisherOf, NewProcessLearnsTheWitnessesSizesAndGoesOn) {
  StartPublisher();
  const std::uint64_t first = Append();
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, first + 1, absl::Seconds(10)).ok());
  StopPublisher();
  // Committed while nobody published; signed again by the next process.
  Append();
  const std::uint64_t last = Append();
  StartPublisher();
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, last + 1, absl::Seconds(10)).ok());
  EXPECT_EQ(publisher_->WitnessedSize(origin_), last + 1);
  const ledger::Note note = ledger::Note::Parse(reader_->PublishedCheckpoint().value()).value();
  const absl::StatusOr<ledger::Checkpoint> checkpoint = Policy().WithLog(*key_)->VerifyWhole(note);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->size, last + 1);
}

TEST_F(PublisherOf, OnlyAHeadThatGrewIsReadAndTheOthersNowAndThen) {
  StartPublisher(absl::ZeroDuration(), /*look_again=*/absl::Hours(1));
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  tells_ = false;
  const std::uint64_t index = Append();
  publisher_->Notify("custodian.example/p/other");
  EXPECT_FALSE(publisher_->WaitWitnessed(origin_, index + 1, absl::Milliseconds(500)).ok());
  publisher_->Notify(origin_);
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, index + 1, absl::Seconds(10)).ok());
  StopPublisher();

  StartPublisher(absl::ZeroDuration(), /*look_again=*/absl::Milliseconds(200));
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
}

TEST_F(PublisherOf, KeyProcessThatIsAwayDelaysAndLosesNothing) {
  StartPublisher();
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  keys_->Stop();
  const std::uint64_t index = Append();
  EXPECT_FALSE(publisher_->WaitWitnessed(origin_, index + 1, absl::Milliseconds(500)).ok());
  ASSERT_TRUE(keys_->Start().ok());
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, index + 1, absl::Seconds(20)).ok());
}

TEST_F(PublisherOf, WitnessWithoutAUrlIsRefused) {
  const ledger::Policy policy =
      ledger::Policy::Parse("witness w " +
                            NoteVerifier::Create("w", ledger::kNoteCosignatureV1, author_->public_key().ed25519())->ToString() +
                            "\nquorum w\n")
          .value();
  EXPECT_EQ(Publisher::Create({}, policy, keys_->client(), *client_).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace custodian::log
