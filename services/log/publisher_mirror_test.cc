// What the publisher makes of mirrors that take what is pushed: needed for the quorum or not, slow, down, behind, wrong.
#include <gtest/gtest.h>

#include "services/log/mirror_client.h"
#include "tests/support/mirror_server.h"
#include "tests/support/published_log.h"

namespace custodian::log {
namespace {

class PublisherToMirror : public PublisherOf {
 protected:
  void SetUp() override {
    PublisherOf::SetUp();
    ledger::v1::Entry first = governance_.NewEntry(ledger::v1::KIND_ROSTER_CHANGED);
    *first.mutable_roster_changed() = testing::Enrol(kAuthor, author_->public_key(), testing::AllKinds());
    governance_.Add({first, testing::Admission(governance_, origin_, *key_, "00000000000000cc")}, *author_);
    // What the writer's anchors name.
    roster_.MoveTo(governance_.leaves.size(), governance_.Root());
    mirror_ = std::make_unique<testing::MirrorServer>("m", certificates_, governance_);
    ASSERT_EQ(mirror_->PushGovernance(), 200);
    mirrors_ = {"m"};
  }
  void TearDown() override {
    PublisherOf::TearDown();
    mirror_.reset();
  }
  void Need(const std::string& groups) { quorum_lines_ = mirror_->PolicyLine() + groups; }
  static constexpr char kNeeded[] = "group two 2 w1 w2 w3\ngroup both all two m\nquorum both\n";
  static constexpr char kNotNeeded[] = "group two 2 w1 w2 w3 m\nquorum two\n";

  std::uint64_t AppendMany(int count) {
    tenants::Write write;
    write.idempotency_key = std::string(ledger::AsBytes(ledger::Sha256("many" + std::to_string(++writes_))));
    write.request_digest = write.idempotency_key;
    ledger::v1::Entry entry;
    entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
    for (int i = 0; i < count; ++i) write.entries.push_back(entry);
    const absl::StatusOr<tenants::Admitted> admitted = writer_->Apply(std::move(write));
    EXPECT_TRUE(admitted.ok()) << admitted.status();
    return admitted.ok() ? admitted->first_index + static_cast<std::uint64_t>(count) : 0;
  }
  absl::Status Witnessed(std::uint64_t size, absl::Duration timeout = absl::Seconds(20)) { return publisher_->WaitWitnessed(origin_, size, timeout); }
  // Whether the mirror comes to hold so much.
  bool Holds(std::uint64_t size, absl::Duration timeout = absl::Seconds(20)) const {
    for (const absl::Time end = absl::Now() + timeout; absl::Now() < end; absl::SleepFor(absl::Milliseconds(20)))
      if (mirror_->SizeOf(origin_) >= size) return true;
    return false;
  }
  bool AnyWitnessHasCosigned() const {
    return std::any_of(witnesses_.begin(), witnesses_.end(), [this](const auto& witness) { return witness->HasCosigned(origin_); });
  }

  testing::ServedLog governance_{"custodian.example/p/00000000000000aa"};
  std::unique_ptr<testing::MirrorServer> mirror_;
};

TEST_F(PublisherToMirror, LogWhoseQuorumNeedsAMirrorIsPublished) {
  Need(kNeeded);
  StartPublisher();
  for (const int count : {1, 300, 1, 700}) {
    const std::uint64_t size = AppendMany(count);
    const absl::Status witnessed = Witnessed(size);
    ASSERT_TRUE(witnessed.ok()) << count << ": " << witnessed;
    EXPECT_GE(mirror_->SizeOf(origin_), size);
  }
  const ledger::Note note = ledger::Note::Parse(reader_->PublishedCheckpoint().value()).value();
  const absl::StatusOr<ledger::Checkpoint> checkpoint = Policy().WithLog(*key_)->VerifyWhole(note);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
}

// What witnesses have cosigned, a mirror then holds.
TEST_F(PublisherToMirror, WitnessesAreAskedOnceTheMirrorHasCosigned) {
  Need(kNeeded);
  mirror_->down = true;
  StartPublisher();
  const std::uint64_t size = AppendMany(3);
  EXPECT_EQ(Witnessed(size, absl::Milliseconds(700)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(AnyWitnessHasCosigned());
  mirror_->down = false;
  const absl::Status witnessed = Witnessed(size);
  EXPECT_TRUE(witnessed.ok()) << witnessed;
}

TEST_F(PublisherToMirror, MirrorThatIsNotNeededDelaysNobodyAndCatchesUp) {
  Need(kNotNeeded);
  mirror_->delay_ms = 2'000;
  StartPublisher();
  const absl::Time start = absl::Now();
  std::uint64_t size = 0;
  for (int i = 0; i < 3; ++i) {
    size = AppendMany(2);
    EXPECT_TRUE(Witnessed(size).ok());
  }
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(1'900));
  mirror_->delay_ms = 0;
  EXPECT_TRUE(Holds(size)) << "nothing is written any more, and it is brought up all the same";
}

TEST_F(PublisherToMirror, MirrorThatIsFarBehindIsBroughtUpInManyRequests) {
  Need(kNotNeeded);
  mirror_->down = true;
  StartPublisher();
  std::uint64_t size = 0;
  for (int i = 0; i < 5; ++i) size = AppendMany(2'000);
  ASSERT_TRUE(Witnessed(size).ok());
  EXPECT_EQ(mirror_->SizeOf(origin_), 0u);
  mirror_->requests = 0;
  mirror_->down = false;
  EXPECT_TRUE(Holds(size));
  // 32 packages of 256 at most each.
  EXPECT_GE(mirror_->requests, 3);
}

TEST_F(PublisherToMirror, MirrorThatIsStartedAgainIsGoneOnWith) {
  Need(kNeeded);
  StartPublisher();
  std::atomic<bool> done = false;
  std::thread restarts([&] {
    while (!done) {
      absl::SleepFor(absl::Milliseconds(150));
      mirror_->Restart();
    }
  });
  std::uint64_t size = 0;
  for (int i = 0; i < 20; ++i) size = AppendMany(200);
  const absl::Status witnessed = Witnessed(size, absl::Seconds(60));
  done = true;
  restarts.join();
  EXPECT_TRUE(witnessed.ok()) << witnessed;
  EXPECT_GE(mirror_->SizeOf(origin_), size);
}

TEST_F(PublisherToMirror, NewProcessLearnsWhereTheMirrorIs) {
  Need(kNeeded);
  StartPublisher();
  ASSERT_TRUE(Witnessed(AppendMany(300)).ok());
  StopPublisher();
  const std::uint64_t size = AppendMany(300);
  StartPublisher();
  const absl::Status witnessed = Witnessed(size);
  EXPECT_TRUE(witnessed.ok()) << witnessed;
}

TEST_F(PublisherToMirror, NewMirrorIsSentALogThatDoesNotGrow) {
  mirrors_.clear();
  StartPublisher();
  const std::uint64_t size = AppendMany(300);
  ASSERT_TRUE(Witnessed(size).ok());
  StopPublisher();
  mirrors_ = {"m"};
  Need(kNeeded);
  StartPublisher();
  EXPECT_TRUE(Holds(size));
}

// Whatever it answers, the others' quorum is there; once it is well again it holds everything.
TEST_F(PublisherToMirror, NoAnswerOfAMirrorDelaysOthersOrSpoilsItForGood) {
  Need(kNotNeeded);
  const auto always = [](rpc::HttpResponse answer) {
    return [answer](const rpc::HttpRequest&, node::Mirror&) { return answer; };
  };
  const std::vector<std::pair<std::string, testing::MirrorServer::Fault>> faults = {
      {"200 with nothing", always({200, {}, ""})},
      {"200 with garbage", always({200, {}, "garbage\n"})},
      {"200 of another checkpoint",
       [](const rpc::HttpRequest& request, node::Mirror& mirror) {
         rpc::HttpResponse answer = mirror.Handle(request);
         if (answer.status == 200) answer.body[answer.body.size() - 10] = answer.body[answer.body.size() - 10] == 'A' ? 'B' : 'A';
         return answer;
       }},
      {"202 with nothing", always({202, {}, ""})},
      {"202 that does not go on", always({202, {}, "1\n0\n\n"})},
      {"202 that goes on for ever", always({202, {}, "18446744073709551615\n18446744073709551615\n\n"})},
      {"409 with nothing", always({409, {}, ""})},
      {"409 at zero", always({409, {}, "0\n0\n\n"})},
      {"409 past everything", always({409, {}, "18446744073709551615\n18446744073709551615\n\n"})},
      {"400", always({400, {}, "\n"})},
      {"404", always({404, {}, "\n"})},
      {"413", always({413, {}, "\n"})},
      {"422", always({422, {}, "\n"})},
      {"429", always({429, {{"retry-after", "1"}}, ""})},
      {"500", always({500, {}, ""})},
  };
  StartPublisher();
  for (const auto& [name, fault] : faults) {
    mirror_->SetFault(fault);
    std::uint64_t size = 0;
    for (int i = 0; i < 2; ++i) {
      size = AppendMany(1);
      EXPECT_TRUE(Witnessed(size, absl::Seconds(4)).ok()) << name;
    }
    mirror_->SetFault(nullptr);
    size = AppendMany(1);
    EXPECT_TRUE(Holds(size)) << name;
  }
}

TEST_F(PublisherToMirror, MirrorThatIsNotGivenALogNeverHearsOfIt) {
  Need(kNotNeeded);
  mirrors_.clear();
  Publisher::Options options;
  options.mirrors = {"m"};
  auto publisher = Publisher::Create(options, Policy(), keys_->client(), *client_).value();
  publisher->Add(*key_, *reader_, [this] { return writer_->committed(); }, {});
  for (auto& loop : publisher->Loops()) loops_.emplace_back(std::move(loop));
  {
    const absl::MutexLock lock(&mutex_);
    publisher_ = std::move(publisher);
  }
  EXPECT_TRUE(Witnessed(AppendMany(10)).ok());
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_EQ(mirror_->requests, 0);
}

TEST_F(PublisherToMirror, MirrorThatIsNoneOfThePolicysIsRefused) {
  Publisher::Options options;
  options.mirrors = {"other"};
  EXPECT_EQ(Publisher::Create(options, Policy(), keys_->client(), *client_).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace custodian::log
