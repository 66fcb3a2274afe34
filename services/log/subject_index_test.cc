// The map of subjects over a real partition: entered, proved, and picked up wherever a process stopped.
#include "services/log/subject_index.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "absl/time/clock.h"
#include "ledger/entry.h"
#include "ledger/subject_audit.h"
#include "ledger/subject_list.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/postgres.h"

namespace custodian::log {
namespace {

constexpr char kOrigin[] = "custodian.example/p/00000000000000aa";
constexpr char kAuthor[] = "spiffe://custodian.example/custodian/serve";

template <typename T>
T Value(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return *std::move(value);
}

std::unique_ptr<ledger::Signer> NewSigner() {
  return Value(ledger::SignerFromPem(Value(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519))));
}

std::string SubjectOf(char n) { return std::string(ledger::kSubjectBytes, n); }

class SubjectIndexOf : public ::testing::Test {
 protected:
  void SetUp() override {
    database_ = Value(custodian::testing::TestDatabase::Create());
    StartWriter();
    log_ = std::make_unique<tenants::LogReader>(kOrigin, database_->database());
    Restart();
  }
  void TearDown() override { StopWriter(); }
  void StartWriter() {
    writer_ = Value(tenants::PartitionWriter::Create({.origin = kOrigin, .author = kAuthor}, database_->database(), *author_, roster_, clock_));
    thread_ = std::thread([this] { writer_->Run(); });
  }
  void StopWriter() {
    if (writer_ == nullptr) return;
    writer_->Stop();
    thread_.join();
    writer_.reset();
  }
  // As a new process would begin.
  void Restart(std::function<bool()> stopped = [] { return false; }) {
    index_ = std::make_unique<SubjectIndex>(database_->database(), *log_, *writer_, clock_,
                                            SubjectIndex::Options{.period = absl::Minutes(1), .entries_max = 100, .wait = absl::Seconds(20), .stopped = std::move(stopped)});
  }
  // As in a database that was filled again from a mirror.
  void ForgetMap() {
    ASSERT_TRUE(database_->Sql("DELETE FROM ledger.subject_page").ok());
    ASSERT_TRUE(database_->Sql("DELETE FROM ledger.subject_entry").ok());
    ASSERT_TRUE(database_->Sql("UPDATE ledger.subject_map SET size = 0, root = decode(repeat('00', 32), 'hex'), entered_size = NULL, "
                               "entered_root = NULL, entered_index = NULL")
                    .ok());
  }
  // One entry a letter; '-' is of nobody.
  void Append(const std::string& subjects) {
    tenants::Write write;
    write.idempotency_key = write.request_digest = RandomBytes(32);
    for (const char subject : subjects) {
      write.entries.emplace_back();
      write.entries.back().set_kind(ledger::v1::KIND_DISCLOSURE);
      if (subject != '-') write.entries.back().set_subject(SubjectOf(subject));
    }
    const auto admitted = writer_->Apply(std::move(write));
    ASSERT_TRUE(admitted.ok()) << admitted.status();
  }
  void Publish() {
    const auto head = Value(log_->Head());
    ledger::Note note{ledger::Checkpoint{kOrigin, head.size, head.root}.Serialize(), {}};
    note.signatures.push_back(ledger::LogSignature(key_, Value(log_signer_->Sign(note.text))));
    ASSERT_TRUE(log_->StoreSigned(head.size, note.Serialize()).ok());
    ASSERT_TRUE(log_->Publish(head.size, note.Serialize()).ok());
  }
  absl::Status StepAMinuteLater() {
    clock_.Advance(absl::Minutes(1));
    return index_->Step();
  }
  // Indexes of the SUBJECT_MAP entries; each is held against the log as a verifier would.
  std::vector<std::uint64_t> Maps() const {
    std::vector<std::uint64_t> maps;
    ledger::SubjectAuditor auditor;
    std::uint64_t index = 0;
    for (const std::string& bytes : Value(log_->Leaves(0, Value(log_->Head()).size))) {
      const ledger::Leaf leaf = Value(ledger::ParseLeaf(bytes));
      if (leaf.entry.has_subject_map()) maps.push_back(index);
      const absl::Status status = auditor.Add(index++, leaf.entry);
      EXPECT_TRUE(status.ok()) << status;
    }
    return maps;
  }
  ledger::SubjectList::Verified ListOf(char subject) const {
    const ledger::Policy policy = Value(ledger::Policy::Parse("log " + key_.ToString() + "\nquorum none\n"));
    return Value(Value(ledger::SubjectList::Parse(Value(List(SubjectOf(subject))))).Verify(policy));
  }
  absl::StatusOr<std::string> List(const std::string& subject) const {
    return MakeSubjectList(database_->database(), *log_, subject, [this] { index_->MakeAnew(); });
  }
  absl::Status TryList(char subject) const { return List(SubjectOf(subject)).status(); }

  std::unique_ptr<custodian::testing::TestDatabase> database_;
  custodian::testing::FakeClock clock_;
  std::unique_ptr<ledger::Signer> author_ = NewSigner();
  std::unique_ptr<ledger::Signer> log_signer_ = NewSigner();
  ledger::NoteVerifier key_ = Value(ledger::NoteVerifier::Create(kOrigin, ledger::kNoteEd25519, log_signer_->public_key().ed25519()));
  custodian::testing::FixedRoster roster_{kAuthor, author_->public_key()};
  std::unique_ptr<tenants::PartitionWriter> writer_;
  std::unique_ptr<tenants::LogReader> log_;
  std::thread thread_;
  std::unique_ptr<SubjectIndex> index_;
};

TEST_F(SubjectIndexOf, ListsAreCompleteAsOfTheNewestMap) {
  Append("ab-aab");
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps(), (std::vector<std::uint64_t>{6}));
  EXPECT_TRUE(absl::IsUnavailable(TryList('a')));
  Publish();
  const auto listed = ListOf('a');
  EXPECT_EQ(listed.covered, 6u);
  ASSERT_EQ(listed.entries.size(), 3u);
  EXPECT_EQ(listed.entries[2].first, 4u);
  EXPECT_EQ(ListOf('b').entries.size(), 2u);
  EXPECT_EQ(ListOf('c').entries.size(), 0u);
  // What comes later is in no list before the next map.
  Append("ac");
  EXPECT_EQ(ListOf('a').entries.size(), 3u);
  ASSERT_TRUE(StepAMinuteLater().ok());
  Publish();
  EXPECT_EQ(ListOf('a').entries.size(), 4u);
  EXPECT_EQ(ListOf('c').entries.size(), 1u);
  EXPECT_EQ(ListOf('c').covered, 9u);
  EXPECT_TRUE(absl::IsInvalidArgument(List("short").status()));
}

TEST_F(SubjectIndexOf, AMapIsEnteredOnceAMinuteOrForManyEntriesAndOnlyWhenItChanged) {
  ASSERT_TRUE(index_->Step().ok());
  Append("---");
  ASSERT_TRUE(StepAMinuteLater().ok());
  EXPECT_EQ(Maps().size(), 0u);
  Append("a");
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps().size(), 0u);
  clock_.Advance(absl::Seconds(59));
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps().size(), 0u);
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps().size(), 1u);
  // Its own entry is of nobody.
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(StepAMinuteLater().ok());
  EXPECT_EQ(Maps().size(), 1u);
  Append("b");
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps().size(), 2u);
  // With the entry of the map.
  Append(std::string(98, 'b'));
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps().size(), 2u);
  Append("b");
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps().size(), 3u);
  // A clock that was set back holds nothing up.
  Append("a");
  clock_.Advance(-absl::Hours(1));
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps().size(), 4u);
}

TEST_F(SubjectIndexOf, WhatWasTakenInAndNotEnteredIsEnteredByTheNextProcess) {
  Append("abc");
  writer_->Fence(absl::UnavailableError("lost the lease"));
  EXPECT_TRUE(absl::IsUnavailable(index_->Step()));
  EXPECT_EQ(database_->One("SELECT size FROM ledger.subject_map"), "3");
  EXPECT_TRUE(absl::IsUnavailable(TryList('a')));
  StopWriter();
  StartWriter();
  Restart();
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps(), (std::vector<std::uint64_t>{3}));
  Publish();
  EXPECT_EQ(ListOf('a').entries.size(), 1u);
}

TEST_F(SubjectIndexOf, WhatWasEnteredAndNotRememberedIsFoundAgainAndNotEnteredTwice) {
  Append("abc");
  ASSERT_TRUE(index_->Step().ok());
  ASSERT_TRUE(database_->Sql("UPDATE ledger.subject_map SET entered_size = NULL, entered_root = NULL, entered_index = NULL").ok());
  Restart();
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps(), (std::vector<std::uint64_t>{3}));
  EXPECT_EQ(database_->One("SELECT entered_index FROM ledger.subject_map"), "3");
}

TEST_F(SubjectIndexOf, ACatchUpThatIsInterruptedEntersNoMapThatGoesBack) {
  // More than one transaction takes in, and a map that covers all of it.
  for (int i = 0; i < 10; ++i) Append(std::string(600, static_cast<char>('a' + i)));
  ASSERT_TRUE(index_->Step().ok());
  Append("a");
  ASSERT_TRUE(StepAMinuteLater().ok());
  ASSERT_EQ(Maps(), (std::vector<std::uint64_t>{6'000, 6'002}));
  ForgetMap();
  int asked = 0;
  Restart([&asked] { return ++asked == 2; });
  EXPECT_TRUE(absl::IsCancelled(index_->Step()));
  EXPECT_EQ(database_->One("SELECT size FROM ledger.subject_map"), "4000");
  Restart();
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps(), (std::vector<std::uint64_t>{6'000, 6'002}));
  EXPECT_EQ(database_->One("SELECT entered_index FROM ledger.subject_map"), "6002");
  Append("b");
  ASSERT_TRUE(StepAMinuteLater().ok());
  EXPECT_EQ(Maps(), (std::vector<std::uint64_t>{6'000, 6'002, 6'004}));
  Publish();
  EXPECT_EQ(ListOf('b').entries.size(), 601u);
}

TEST_F(SubjectIndexOf, ARefilledLogWhoseMapWasEnteredUnderAnotherDigestGoesOn) {
  Append("abc");
  ASSERT_TRUE(index_->Step().ok());
  // The entry is in the log, and what was asked for it is not known any more.
  ASSERT_TRUE(database_->Sql("UPDATE ledger.idempotency SET request_digest = decode(repeat('77', 32), 'hex')").ok());
  ASSERT_TRUE(database_->Sql("UPDATE ledger.subject_map SET entered_size = NULL, entered_root = NULL, entered_index = NULL").ok());
  Restart();
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(database_->One("SELECT entered_index FROM ledger.subject_map"), "3");
  Append("a");
  ASSERT_TRUE(StepAMinuteLater().ok());
  EXPECT_EQ(Maps(), (std::vector<std::uint64_t>{3, 5}));
}

TEST_F(SubjectIndexOf, AWriterThatDoesNotAnswerHoldsNoStepUpAndGetsTheMapOnce) {
  Append("abc");
  StopWriter();
  // It takes what it is given, and commits nothing.
  writer_ = Value(tenants::PartitionWriter::Create({.origin = kOrigin, .author = kAuthor}, database_->database(), *author_, roster_, clock_));
  index_ = std::make_unique<SubjectIndex>(database_->database(), *log_, *writer_, clock_, SubjectIndex::Options{});
  const absl::Time begun = absl::Now();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(StepAMinuteLater().ok());
  EXPECT_LT(absl::Now() - begun, absl::Seconds(10));
  EXPECT_EQ(Maps().size(), 0u);
  EXPECT_EQ(database_->One("SELECT size FROM ledger.subject_map"), "3");
  thread_ = std::thread([this] { writer_->Run(); });
  for (int i = 0; i < 200 && database_->One("SELECT entered_index FROM ledger.subject_map").empty(); ++i) {
    ASSERT_TRUE(index_->Step().ok());
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(Maps(), (std::vector<std::uint64_t>{3}));
  Append("a");
  ASSERT_TRUE(StepAMinuteLater().ok());
}

TEST_F(SubjectIndexOf, AStepThatTheDatabaseRefusesChangesNothing) {
  Append("ab");
  ASSERT_TRUE(index_->Step().ok());
  const std::string pages = database_->One("SELECT md5(string_agg(prefix || bytes, '' ORDER BY prefix)) FROM ledger.subject_page");
  ASSERT_TRUE(database_->Sql("ALTER TABLE ledger.subject_entry ADD CONSTRAINT refuses CHECK (entry_index < 3)").ok());
  Append("abc");
  EXPECT_FALSE(StepAMinuteLater().ok());
  EXPECT_EQ(database_->One("SELECT md5(string_agg(prefix || bytes, '' ORDER BY prefix)) FROM ledger.subject_page"), pages);
  EXPECT_EQ(database_->One("SELECT size FROM ledger.subject_map"), "2");
  ASSERT_TRUE(database_->Sql("ALTER TABLE ledger.subject_entry DROP CONSTRAINT refuses").ok());
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps().size(), 2u);
}

TEST_F(SubjectIndexOf, AnotherProcessThatWentOnIsFollowed) {
  Append("ab");
  ASSERT_TRUE(index_->Step().ok());
  SubjectIndex other(database_->database(), *log_, *writer_, clock_, {});
  Append("c");
  clock_.Advance(absl::Minutes(1));
  ASSERT_TRUE(other.Step().ok());
  Append("d");
  EXPECT_TRUE(absl::IsAborted(StepAMinuteLater()));
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps().size(), 3u);
}

TEST_F(SubjectIndexOf, DamagedPagesAreNeverEnteredButMadeAnew) {
  Append("abcdefgh");
  ASSERT_TRUE(index_->Step().ok());
  ASSERT_TRUE(database_->Sql("UPDATE ledger.subject_page SET bytes = set_byte(bytes, 30, get_byte(bytes, 30) # 1)").ok());
  Publish();
  EXPECT_TRUE(absl::IsDataLoss(TryList('a')));
  Append("a");
  EXPECT_TRUE(absl::IsDataLoss(StepAMinuteLater()));
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps().size(), 2u);
  Publish();
  EXPECT_EQ(ListOf('a').entries.size(), 2u);
  EXPECT_EQ(ListOf('h').entries.size(), 1u);
}

TEST_F(SubjectIndexOf, AMapOfMoreThanTheLogHasIsMadeAnew) {
  Append("ab");
  ASSERT_TRUE(index_->Step().ok());
  ASSERT_TRUE(database_->Sql("UPDATE ledger.subject_map SET size = 50").ok());
  Restart();
  EXPECT_TRUE(absl::IsDataLoss(index_->Step()));
  Append("c");
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps().size(), 2u);
}

TEST_F(SubjectIndexOf, WhatAReaderFindsDamagedIsMadeAnew) {
  Append("aaab");
  ASSERT_TRUE(index_->Step().ok());
  Publish();
  for (const char* damage : {"DELETE FROM ledger.subject_entry WHERE entry_index = 1", "DELETE FROM ledger.subject_page",
                             "INSERT INTO ledger.subject_entry (subject, entry_index) VALUES (decode(repeat('61', 16), 'hex'), 3)"}) {
    ASSERT_TRUE(database_->Sql(damage).ok());
    EXPECT_TRUE(absl::IsDataLoss(TryList('a'))) << damage;
    // Nobody else writes meanwhile.
    EXPECT_TRUE(absl::IsDataLoss(index_->Step()));
    ASSERT_TRUE(index_->Step().ok());
    EXPECT_EQ(ListOf('a').entries.size(), 3u) << damage;
  }
  EXPECT_EQ(Maps().size(), 1u);
}

TEST_F(SubjectIndexOf, AStateThatIsMissingIsMadeAnew) {
  Append("ab");
  ASSERT_TRUE(index_->Step().ok());
  Publish();
  ASSERT_TRUE(database_->Sql("DELETE FROM ledger.subject_map").ok());
  EXPECT_TRUE(absl::IsDataLoss(TryList('a')));
  Restart();
  EXPECT_TRUE(absl::IsDataLoss(index_->Step()));
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(ListOf('a').entries.size(), 1u);
  EXPECT_EQ(Maps().size(), 1u);
}

TEST_F(SubjectIndexOf, ALongLogIsTakenInByManyTransactions) {
  for (int i = 0; i < 10; ++i) Append(std::string(600, static_cast<char>('a' + i)));
  ASSERT_TRUE(index_->Step().ok());
  EXPECT_EQ(Maps(), (std::vector<std::uint64_t>{6'000}));
  Publish();
  EXPECT_EQ(ListOf('j').entries.size(), 600u);
}

}  // namespace
}  // namespace custodian::log
