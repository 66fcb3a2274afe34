#include "tenants/partition_writer.h"

#include <atomic>
#include <chrono>
#include <set>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "ledger/entry.h"
#include "ledger/tree.h"
#include "tenants/outbox.h"
#include "tenants/retry_after.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/written_log.h"

namespace custodian::tenants {
namespace {

using ledger::Hash;
using testing::FaultProxy;
using testing::WrittenLog;

constexpr const char* kNodeAuthor = "spiffe://custodian.example/tenant/00000000000000aa/node/one";

// A table of a service: its key is unique, its marker column refuses the value 'poison'.
const Table kThings = {"thing.thing", {{"id", "bytea"}, {"entry_index", "bigint"}, {"at_ms", "bigint"}, {"label", "text"}, {"flag", "boolean"}}};
const Table kKnownThings = {"thing.thing", {{"id", "bytea"}, {"label", "text"}}, /*ignore_conflicts=*/true};
constexpr const char* kThingsSql =
    "CREATE SCHEMA thing; CREATE TABLE thing.thing (id bytea PRIMARY KEY, entry_index bigint, at_ms bigint, "
    "label text CHECK (label <> 'poison'), flag boolean)";

std::string Key(std::string_view text) { return std::string(ledger::AsBytes(ledger::Sha256(text))); }

ledger::v1::Entry OrderChecked() {
  ledger::v1::Entry entry;
  entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
  return entry;
}

Row Thing(const std::string& id, const std::string& label, std::size_t entry = 0) {
  return Row{&kThings, {Bytes{id}, IndexOf{entry}, CommitTime{}, label, true}};
}

// One entry and one row.
Write OneOf(const std::string& name, const std::string& label = "fine") {
  Write write;
  write.idempotency_key = Key("key " + name);
  write.request_digest = Key("digest " + name);
  write.entries.push_back(OrderChecked());
  write.rows.push_back(Thing(name, label));
  return write;
}

class PartitionWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto log = WrittenLog::Create();
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
    const auto made = testing::RunSql(log_->postgres().migrator(), kThingsSql);
    ASSERT_TRUE(made.ok()) << made.status();
  }

  void TearDown() override {
    if (log_ != nullptr) ExpectWholeLog();
  }

  PartitionWriter& writer() { return log_->writer(); }
  std::string One(const std::string& sql) { return log_->postgres().One(sql); }
  std::string Things() { return One("SELECT count(*) FROM thing.thing"); }
  std::string Size() { return One("SELECT size FROM ledger.head"); }

  // Makes the log what it was when thing.head was made of its head.
  void GoBack() {
    const auto gone = log_->postgres().Sql(
        "WITH kept AS (SELECT size FROM thing.head), batch AS (DELETE FROM ledger.batch WHERE first_index >= (SELECT size FROM kept)), "
        "checkpoint AS (DELETE FROM ledger.checkpoint WHERE size > (SELECT size FROM kept)), "
        "answer AS (DELETE FROM ledger.idempotency WHERE first_index >= (SELECT size FROM kept)), "
        "thing AS (DELETE FROM thing.thing WHERE entry_index >= (SELECT size FROM kept)) "
        "UPDATE ledger.head AS h SET size = t.size, root = t.root, nodes = t.nodes, epoch = t.epoch, author_counter = t.author_counter, "
        "time_ms = t.time_ms, anchor_size = t.anchor_size, anchor_root = t.anchor_root FROM thing.head AS t");
    ASSERT_TRUE(gone.ok()) << gone.status();
  }

  std::vector<ledger::Leaf> Leaves() {
    const auto head = log_->log().Head();
    EXPECT_TRUE(head.ok()) << head.status();
    const auto bytes = log_->log().Leaves(0, head->size);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    std::vector<ledger::Leaf> leaves;
    for (const std::string& leaf : *bytes) {
      auto parsed = ledger::ParseLeaf(leaf);
      EXPECT_TRUE(parsed.ok()) << parsed.status();
      leaves.push_back(*std::move(parsed));
    }
    return leaves;
  }

  // Whatever a test did: leaves make the head, each is signed, counters have no gap, each checkpoint row is a prefix's root.
  void ExpectWholeLog() {
    const auto head = log_->log().Head();
    ASSERT_TRUE(head.ok()) << head.status();
    const auto bytes = log_->log().Leaves(0, head->size);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    std::vector<Hash> hashes;
    std::uint64_t counter = 0;
    for (const std::string& leaf : *bytes) {
      hashes.push_back(ledger::LeafHash(leaf));
      const auto parsed = ledger::ParseLeaf(leaf);
      ASSERT_TRUE(parsed.ok()) << parsed.status();
      if (parsed->entry.author() != testing::kTestAuthor) continue;
      EXPECT_EQ(parsed->entry.counter(), ++counter);
      EXPECT_EQ(parsed->entry.origin(), testing::kTestOrigin);
      EXPECT_TRUE(ledger::VerifyLeafSignature(testing::kTestOrigin, parsed->signed_entry, log_->signer().public_key()).ok());
    }
    EXPECT_EQ(ledger::RootOf(hashes), head->root);
    EXPECT_EQ(One("SELECT author_counter FROM ledger.head"), std::to_string(counter));
    const auto checkpoints = log_->postgres().Sql("SELECT size, encode(root, 'hex') FROM ledger.checkpoint ORDER BY size");
    ASSERT_TRUE(checkpoints.ok());
    for (const auto& checkpoint : *checkpoints) {
      const auto root = ledger::RootOf(std::span(hashes).first(std::stoul(checkpoint[0])));
      EXPECT_EQ(HexEncode(ledger::AsBytes(root)), checkpoint[1]);
    }
    EXPECT_EQ(One("SELECT coalesce(max(size), 0) FROM ledger.checkpoint"), std::to_string(head->size));
  }

  std::unique_ptr<WrittenLog> log_;
};

TEST_F(PartitionWriterTest, DoneStoresRowsAndEvidenceTogether) {
  Write write = OneOf("a");
  write.entries.push_back(OrderChecked());
  write.rows.push_back(Thing("b", "second", 1));
  write.rows.push_back(OutboxRow("locator", PatientId::Random()));
  const auto admitted = writer().Apply(std::move(write));
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  EXPECT_EQ(admitted->first_index, 0u);
  EXPECT_EQ(admitted->leaf_hashes.size(), 2u);
  EXPECT_EQ(admitted->time, log_->clock().Now());
  EXPECT_FALSE(admitted->replayed);
  EXPECT_EQ(writer().size(), 2u);
  EXPECT_EQ(One("SELECT string_agg(label || entry_index || flag, ' ' ORDER BY entry_index) FROM thing.thing"), "fine0true second1true");
  EXPECT_EQ(One("SELECT min(at_ms) FROM thing.thing"), std::to_string(absl::ToUnixMillis(log_->clock().Now())));
  EXPECT_EQ(One("SELECT kind FROM ledger.outbox"), "locator");
  const auto leaves = Leaves();
  EXPECT_EQ(leaves[0].entry.idempotency_key(), Key("key a"));
  EXPECT_NE(leaves[1].entry.idempotency_key(), Key("key a"));
  EXPECT_EQ(leaves[0].entry.time().seconds(), absl::ToUnixSeconds(log_->clock().Now()));
}

TEST_F(PartitionWriterTest, RefusedStoresNothing) {
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  Write again = OneOf("b");
  again.rows[0] = Thing("a", "same key");
  const auto refused = writer().Apply(std::move(again));
  EXPECT_TRUE(absl::IsAlreadyExists(refused.status())) << refused.status();
  EXPECT_EQ(Things(), "1");
  EXPECT_EQ(Size(), "1");
  // A refusal leaves no answer behind: the same key with other content is a new write.
  Write mended = OneOf("b");
  mended.request_digest = Key("mended");
  EXPECT_TRUE(writer().Apply(std::move(mended)).ok());
}

TEST_F(PartitionWriterTest, MalformedWritesAreRefusedBeforeTheQueue) {
  const auto code = [this](Write write) { return writer().Apply(std::move(write)).status().code(); };
  Write short_key = OneOf("a");
  short_key.idempotency_key = "short";
  EXPECT_EQ(code(std::move(short_key)), absl::StatusCode::kInvalidArgument);
  Write no_kind = OneOf("a");
  no_kind.entries[0].clear_kind();
  EXPECT_EQ(code(std::move(no_kind)), absl::StatusCode::kInvalidArgument);
  Write missing_value = OneOf("a");
  missing_value.rows[0].values.pop_back();
  EXPECT_EQ(code(std::move(missing_value)), absl::StatusCode::kInvalidArgument);
  Write wrong_type = OneOf("a");
  wrong_type.rows[0].values[0] = std::string("text for bytea");
  EXPECT_EQ(code(std::move(wrong_type)), absl::StatusCode::kInvalidArgument);
  Write no_such_entry = OneOf("a");
  no_such_entry.rows[0] = Thing("a", "x", 1);
  EXPECT_EQ(code(std::move(no_such_entry)), absl::StatusCode::kInvalidArgument);
  Write empty = OneOf("a");
  empty.entries.clear();
  empty.rows.clear();
  EXPECT_EQ(code(std::move(empty)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Size(), "0");
}

TEST_F(PartitionWriterTest, RowsWithoutEntriesLeaveTheLogAsItIs) {
  Write rows_only = OneOf("a");
  rows_only.entries.clear();
  rows_only.rows[0].values[1] = std::monostate{};
  const auto admitted = writer().Apply(rows_only);
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  EXPECT_TRUE(admitted->leaf_hashes.empty());
  EXPECT_EQ(Things(), "1");
  EXPECT_EQ(Size(), "0");
  const auto again = writer().Apply(rows_only);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed);
}

TEST_F(PartitionWriterTest, FailedAndNotStoredIsTriedAgain) {
  FaultProxy proxy(log_->postgres().login());
  ASSERT_TRUE(log_->RestartThrough(proxy.Through(log_->postgres().login())).ok());
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  proxy.StrikeNextCommit(FaultProxy::Fault::kCommitLost);
  const auto admitted = writer().Apply(OneOf("b"));
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  EXPECT_EQ(proxy.struck(), 1);
  EXPECT_EQ(admitted->first_index, 1u);
  EXPECT_EQ(Things(), "2");
  EXPECT_EQ(Size(), "2");
}

TEST_F(PartitionWriterTest, StoredButNotAnsweredIsAdmittedOnce) {
  FaultProxy proxy(log_->postgres().login());
  ASSERT_TRUE(log_->RestartThrough(proxy.Through(log_->postgres().login())).ok());
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  proxy.StrikeNextCommit(FaultProxy::Fault::kAnswerLost);
  const auto admitted = writer().Apply(OneOf("b"));
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  EXPECT_EQ(proxy.struck(), 1);
  EXPECT_EQ(admitted->first_index, 1u);
  EXPECT_FALSE(admitted->replayed);
  EXPECT_EQ(Things(), "2");
  EXPECT_EQ(Size(), "2");
  ASSERT_TRUE(writer().Apply(OneOf("c")).ok());
  EXPECT_EQ(Size(), "3");
}

TEST_F(PartitionWriterTest, RowsStoredButNotAnsweredAreStoredOnce) {
  FaultProxy proxy(log_->postgres().login());
  ASSERT_TRUE(log_->RestartThrough(proxy.Through(log_->postgres().login())).ok());
  Write rows_only = OneOf("a");
  rows_only.entries.clear();
  rows_only.rows[0].values[1] = std::monostate{};
  proxy.StrikeNextCommit(FaultProxy::Fault::kAnswerLost);
  const auto admitted = writer().Apply(std::move(rows_only));
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  EXPECT_EQ(proxy.struck(), 1);
  EXPECT_EQ(Things(), "1");
}

// A statement that has not come to the head's row yet, since it waits for another lock, comes when its write has long been tried again.
TEST_F(PartitionWriterTest, AStatementThatComesAfterItsDoubtWasSettledChangesNothing) {
  FaultProxy proxy(log_->postgres().login());
  ASSERT_TRUE(log_->RestartThrough(proxy.Through(log_->postgres().login())).ok());
  const auto rows_only = [this](const std::string& id) {
    Write write = OneOf(id);
    write.entries.clear();
    write.rows[0].values[1] = std::monostate{};
    return write;
  };
  // Prepared now: preparing waits for the lock too.
  ASSERT_TRUE(writer().Apply(rows_only("a")).ok());
  std::thread holder([this] {
    const auto held = log_->postgres().Sql("DO $$ BEGIN LOCK TABLE thing.thing IN ACCESS EXCLUSIVE MODE; PERFORM pg_sleep(1); END $$");
    EXPECT_TRUE(held.ok()) << held.status();
  });
  absl::SleepFor(absl::Milliseconds(300));
  proxy.StrikeNextCommit(FaultProxy::Fault::kCutOnceSent);
  const auto admitted = writer().Apply(rows_only("b"));
  holder.join();
  EXPECT_TRUE(admitted.ok()) << admitted.status();
  EXPECT_EQ(proxy.struck(), 1);
  EXPECT_EQ(Things(), "2");
  ASSERT_TRUE(writer().Apply(OneOf("c")).ok());
  EXPECT_EQ(Things(), "3");
  EXPECT_EQ(Size(), "1");
}

TEST_F(PartitionWriterTest, TellsWhoseChartIsUnchanged) {
  const PatientId one = PatientId::Random();
  const PatientId other = PatientId::Random();
  EXPECT_TRUE(writer().IsUnchangedSince(one, writer().size()));
  const auto since = [this](const PatientId& patient, auto change) {
    const std::uint64_t before = writer().size();
    Write write = OneOf(HexEncode(RandomBytes(4)));
    change(write);
    EXPECT_TRUE(writer().Apply(std::move(write)).ok());
    return writer().IsUnchangedSince(patient, before);
  };
  EXPECT_TRUE(since(one, [](Write&) {}));
  EXPECT_FALSE(since(one, [&one](Write& write) { write.rows[0].chart = one; }));
  EXPECT_TRUE(writer().IsUnchangedSince(one, writer().size()));
  EXPECT_TRUE(since(one, [&other](Write& write) { write.rows[0].chart = other; }));
  EXPECT_FALSE(since(one, [&one](Write& write) { write.consent_changed = {one}; }));
  const auto without_entry = [&one](Write& write) {
    write.entries.clear();
    write.rows[0].values[1] = std::monostate{};
    write.rows[0].chart = one;
  };
  EXPECT_FALSE(since(one, without_entry));
  // What was written before this writer began it cannot tell.
  const std::uint64_t size = writer().size();
  ASSERT_TRUE(log_->RestartThrough(log_->postgres().login()).ok());
  EXPECT_TRUE(writer().IsUnchangedSince(one, size));
  EXPECT_FALSE(writer().IsUnchangedSince(one, size - 1));
}

// What a doubtful commit changed is changed, whatever became of it.
TEST_F(PartitionWriterTest, AfterADoubtNoChartCountsAsUnchanged) {
  FaultProxy proxy(log_->postgres().login());
  ASSERT_TRUE(log_->RestartThrough(proxy.Through(log_->postgres().login())).ok());
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  const PatientId patient = PatientId::Random();
  const std::uint64_t before = writer().size();
  Write write = OneOf("b");
  write.rows[0].chart = patient;
  proxy.StrikeNextCommit(FaultProxy::Fault::kAnswerLost);
  ASSERT_TRUE(writer().Apply(std::move(write)).ok());
  EXPECT_EQ(proxy.struck(), 1);
  EXPECT_FALSE(writer().IsUnchangedSince(patient, before));
  EXPECT_FALSE(writer().IsUnchangedSince(PatientId::Random(), before));
  EXPECT_TRUE(writer().IsUnchangedSince(patient, writer().size()));
}

// A resend is answered as the first was, though what it expects no longer holds; and new writes beside it are admitted.
TEST_F(PartitionWriterTest, AResendAmongNewWritesGetsTheFirstAnswer) {
  const PatientId patient = PatientId::Random();
  Write first = OneOf("a");
  first.expectations = {{patient, 0}};
  const auto admitted = writer().Apply(first);
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  Write consent = OneOf("consent");
  consent.consent_changed = {patient};
  ASSERT_TRUE(writer().Apply(std::move(consent)).ok());
  auto again = writer().Submit(first);
  auto fresh = writer().Submit(OneOf("b"));
  const auto replayed = again.get();
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_TRUE(replayed->replayed);
  EXPECT_EQ(replayed->first_index, admitted->first_index);
  EXPECT_TRUE(fresh.get().ok());
  EXPECT_EQ(Things(), "3");
}

// A standby that lacked the last commits was promoted, or a backup restored.
TEST_F(PartitionWriterTest, ALogThatWentBackIsNotWrittenOnByWhoeverKnowsMore) {
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  ASSERT_TRUE(log_->postgres().Sql("CREATE TABLE thing.head AS SELECT * FROM ledger.head").ok());
  ASSERT_TRUE(writer().Apply(OneOf("b")).ok());
  GoBack();
  const auto refused = writer().Apply(OneOf("c"));
  EXPECT_TRUE(absl::IsDataLoss(refused.status())) << refused.status();
  EXPECT_TRUE(absl::IsDataLoss(writer().Apply(OneOf("d")).status()));
  EXPECT_EQ(Size(), "1");
  EXPECT_EQ(Things(), "1");
}

// ... and another writer took the log over there: its epoch is nobody else's, although the counter went back with the log.
TEST_F(PartitionWriterTest, AnEpochIsNeverUsedTwice) {
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  ASSERT_TRUE(log_->postgres().Sql("CREATE TABLE thing.head AS SELECT * FROM ledger.head").ok());
  ASSERT_TRUE(log_->Restart().ok());
  const std::string epoch = One("SELECT epoch FROM ledger.head");
  GoBack();
  ASSERT_TRUE(log_->Restart().ok());
  EXPECT_NE(One("SELECT epoch FROM ledger.head"), epoch);
}

TEST_F(PartitionWriterTest, UnreachableServerIsWaitedForAndLosesNothing) {
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  const auto superuser = testing::TestSuperuser();
  ASSERT_TRUE(superuser.ok());
  const std::string name = log_->postgres().login().database;
  const auto allow = [&](const char* value) {
    return testing::RunSql(*superuser, fmt::format("ALTER DATABASE {} ALLOW_CONNECTIONS {}", name, value)).status();
  };
  ASSERT_TRUE(allow("false").ok());
  ASSERT_TRUE(testing::RunSql(*superuser, fmt::format("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", name)).ok());
  auto waiting = writer().Submit(OneOf("b"));
  EXPECT_EQ(waiting.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  ASSERT_TRUE(allow("true").ok());
  const auto admitted = waiting.get();
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  EXPECT_EQ(Things(), "2");
}

TEST_F(PartitionWriterTest, EqualWriteGetsTheFirstAnswerEvenAfterARestart) {
  const auto first = writer().Apply(OneOf("a"));
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(writer().Apply(OneOf("b")).ok());
  for (int restart = 0; restart < 2; ++restart) {
    log_->clock().Advance(absl::Hours(1));
    const auto again = writer().Apply(OneOf("a"));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(again->replayed);
    EXPECT_EQ(again->first_index, first->first_index);
    EXPECT_EQ(again->leaf_hashes, first->leaf_hashes);
    EXPECT_EQ(again->time, first->time);
    EXPECT_EQ(again->witnessed_by, TruncateToMilliseconds(first->witnessed_by));
    Write other = OneOf("a");
    other.request_digest = Key("other");
    const auto refused = writer().Apply(std::move(other));
    EXPECT_TRUE(absl::IsAlreadyExists(refused.status())) << refused.status();
    ASSERT_TRUE(log_->Restart().ok());
  }
  EXPECT_EQ(Size(), "2");
}

TEST_F(PartitionWriterTest, EqualWritesInOneQueueAreOne) {
  log_->Stop();
  ASSERT_TRUE(log_->Restart().ok());
  std::vector<std::future<absl::StatusOr<Admitted>>> futures;
  for (int i = 0; i < 8; ++i) futures.push_back(writer().Submit(OneOf("a")));
  Write other = OneOf("a");
  other.request_digest = Key("other");
  auto refused = writer().Submit(std::move(other));
  int first = 0;
  for (auto& future : futures) {
    const auto admitted = future.get();
    ASSERT_TRUE(admitted.ok()) << admitted.status();
    EXPECT_EQ(admitted->first_index, 0u);
    if (!admitted->replayed) ++first;
  }
  EXPECT_EQ(first, 1);
  EXPECT_TRUE(absl::IsAlreadyExists(refused.get().status()));
  EXPECT_EQ(Size(), "1");
}

TEST_F(PartitionWriterTest, PoisonousWriteFailsAlone) {
  // Queued before the writer runs, so that they share a commit.
  log_->Stop();
  auto writer = PartitionWriter::Create({.origin = testing::kTestOrigin, .author = testing::kTestAuthor}, log_->postgres().database(),
                                        log_->signer(), log_->roster(), log_->clock());
  ASSERT_TRUE(writer.ok()) << writer.status();
  std::vector<std::future<absl::StatusOr<Admitted>>> futures;
  for (int i = 0; i < 20; ++i) {
    std::string label = "fine";
    if (i == 7) label = "poison";
    if (i == 13) label = "not \xff UTF-8";
    Write write = OneOf(fmt::format("thing {}", i), label);
    if (i == 17) write.rows[0] = Thing("thing 3", "key of another");
    futures.push_back((*writer)->Submit(std::move(write)));
  }
  std::thread thread([&writer] { (*writer)->Run(); });
  std::set<std::uint64_t> indexes;
  for (int i = 0; i < 20; ++i) {
    const auto admitted = futures[static_cast<std::size_t>(i)].get();
    if (i == 7) {
      EXPECT_TRUE(absl::IsFailedPrecondition(admitted.status())) << admitted.status();
    } else if (i == 13) {
      EXPECT_TRUE(absl::IsInvalidArgument(admitted.status())) << admitted.status();
    } else if (i == 17) {
      EXPECT_TRUE(absl::IsAlreadyExists(admitted.status())) << admitted.status();
    } else {
      ASSERT_TRUE(admitted.ok()) << i << ": " << admitted.status();
      EXPECT_TRUE(indexes.insert(admitted->first_index).second);
      EXPECT_EQ(One(fmt::format("SELECT entry_index FROM thing.thing WHERE id = 'thing {}'", i)), std::to_string(admitted->first_index));
    }
  }
  (*writer)->Stop();
  thread.join();
  EXPECT_EQ(indexes.size(), 17u);
  EXPECT_EQ(*indexes.rbegin(), 16u);
  EXPECT_EQ(Things(), "17");
}

TEST_F(PartitionWriterTest, RowThatIsKnownIsLeftAsItIs) {
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  Write write = OneOf("b");
  write.rows = {Row{&kKnownThings, {Bytes{"a"}, std::string("later")}}, Row{&kKnownThings, {Bytes{"c"}, std::string("new")}}};
  ASSERT_TRUE(writer().Apply(std::move(write)).ok());
  EXPECT_EQ(One("SELECT string_agg(label, ' ' ORDER BY id) FROM thing.thing"), "fine new");
}

TEST_F(PartitionWriterTest, ExpectedConsentVersionDecides) {
  const PatientId patient = PatientId::Random();
  const auto expecting = [&](const std::string& name, std::int64_t version) {
    Write write = OneOf(name);
    write.expectations.push_back({patient, version});
    return write;
  };
  Write changing = expecting("set", 0);
  changing.consent_changed.push_back(patient);
  ASSERT_TRUE(writer().Apply(expecting("before", 0)).ok());
  ASSERT_TRUE(writer().Apply(std::move(changing)).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(writer().Apply(expecting("late", 0)).status()));
  ASSERT_TRUE(log_->Restart().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(writer().Apply(expecting("later", 0)).status()));
  EXPECT_TRUE(writer().Apply(expecting("now", 1)).ok());
  EXPECT_EQ(Size(), "3");
}

TEST_F(PartitionWriterTest, ConsentThatChangedInACommitInDoubtBinds) {
  FaultProxy proxy(log_->postgres().login());
  ASSERT_TRUE(log_->RestartThrough(proxy.Through(log_->postgres().login())).ok());
  const PatientId patient = PatientId::Random();
  Write before = OneOf("before");
  before.expectations.push_back({patient, 0});
  ASSERT_TRUE(writer().Apply(std::move(before)).ok());
  for (const FaultProxy::Fault fault : {FaultProxy::Fault::kAnswerLost, FaultProxy::Fault::kCommitLost}) {
    const std::int64_t version = fault == FaultProxy::Fault::kAnswerLost ? 0 : 1;
    Write revoke = OneOf(fmt::format("revoke {}", version));
    revoke.consent_changed.push_back(patient);
    proxy.StrikeNextCommit(fault);
    ASSERT_TRUE(writer().Apply(std::move(revoke)).ok());
    Write after = OneOf(fmt::format("after {}", version));
    after.expectations.push_back({patient, version});
    EXPECT_TRUE(absl::IsFailedPrecondition(writer().Apply(std::move(after)).status()));
  }
  EXPECT_EQ(proxy.struck(), 2);
  EXPECT_EQ(One("SELECT version FROM ledger.consent_version"), "2");
}

TEST_F(PartitionWriterTest, RevocationBindsWithinOneCommit) {
  log_->Stop();
  auto writer = PartitionWriter::Create({.origin = testing::kTestOrigin, .author = testing::kTestAuthor}, log_->postgres().database(),
                                        log_->signer(), log_->roster(), log_->clock());
  ASSERT_TRUE(writer.ok()) << writer.status();
  const PatientId patient = PatientId::Random();
  Write before = OneOf("before");
  before.expectations.push_back({patient, 0});
  Write revoke = OneOf("revoke");
  revoke.consent_changed.push_back(patient);
  Write after = OneOf("after");
  after.expectations.push_back({patient, 0});
  auto first = (*writer)->Submit(std::move(before));
  auto second = (*writer)->Submit(std::move(revoke));
  auto third = (*writer)->Submit(std::move(after));
  std::thread thread([&writer] { (*writer)->Run(); });
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(third.get().status()));
  (*writer)->Stop();
  thread.join();
  EXPECT_EQ(One("SELECT version FROM ledger.consent_version"), "1");
}

TEST_F(PartitionWriterTest, ThreadsShareTheLog) {
  constexpr int kThreads = 8;
  constexpr int kWrites = 100;
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kWrites; ++i) {
        if (!writer().Apply(OneOf(fmt::format("{} {}", t, i))).ok()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(Size(), std::to_string(kThreads * kWrites));
  EXPECT_EQ(One("SELECT count(DISTINCT entry_index) FROM thing.thing"), std::to_string(kThreads * kWrites));
  // The tiles and the edge are found again.
  ASSERT_TRUE(log_->Restart().ok());
  ASSERT_TRUE(writer().Apply(OneOf("more")).ok());
}

TEST_F(PartitionWriterTest, WhatComesFastIsGatheredAndWhatComesAloneIsNotHeldUp) {
  // Longer than this test may take, were anything held up by it.
  constexpr absl::Duration kGather = absl::Seconds(20);
  log_->Stop();
  const auto make = [&] {
    return PartitionWriter::Create({.origin = testing::kTestOrigin, .author = testing::kTestAuthor, .gather = kGather, .gather_writes = 8},
                                   log_->postgres().database(), log_->signer(), log_->roster(), log_->clock())
        .value();
  };
  const absl::Time begin = absl::Now();
  {
    const auto writer = make();
    std::thread thread([&writer] { writer->Run(); });
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(writer->Apply(OneOf(fmt::format("alone {}", i))).ok());
    writer->Stop();
    thread.join();
  }
  EXPECT_EQ(One("SELECT count(*) FROM ledger.batch"), "5");
  const auto writer = make();
  std::vector<std::future<absl::StatusOr<Admitted>>> answers;
  for (int i = 0; i < 4; ++i) answers.push_back(writer->Submit(OneOf(fmt::format("first {}", i))));
  std::thread thread([&writer] { writer->Run(); });
  for (auto& answer : answers) EXPECT_TRUE(answer.get().ok());
  // After several at once the next are waited for, however late each comes, until there are as many.
  answers.clear();
  for (int i = 0; i < 4; ++i) {
    answers.push_back(writer->Submit(OneOf(fmt::format("second {}", i))));
    absl::SleepFor(absl::Milliseconds(1));
  }
  for (auto& answer : answers) EXPECT_TRUE(answer.get().ok());
  EXPECT_EQ(One("SELECT count(*) FROM ledger.batch"), "7");
  EXPECT_LT(absl::Now() - begin, kGather);
  writer->Stop();
  thread.join();
}

TEST_F(PartitionWriterTest, FullQueueSaysWhenToComeBack) {
  log_->Stop();
  auto writer = PartitionWriter::Create({.origin = testing::kTestOrigin, .author = testing::kTestAuthor, .queue_max = 2},
                                        log_->postgres().database(), log_->signer(), log_->roster(), log_->clock());
  ASSERT_TRUE(writer.ok()) << writer.status();
  auto first = (*writer)->Submit(OneOf("a"));
  auto second = (*writer)->Submit(OneOf("b"));
  const auto third = (*writer)->Submit(OneOf("c")).get();
  EXPECT_TRUE(absl::IsResourceExhausted(third.status()));
  EXPECT_NE(third.status().message().find("retry after"), absl::string_view::npos);
  const auto wait = RetryAfterOf(third.status());
  ASSERT_TRUE(wait.has_value());
  EXPECT_GE(*wait, absl::Milliseconds(100));
  EXPECT_LE(*wait, absl::Seconds(10));
  (*writer)->Stop();
  (*writer)->Run();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
  EXPECT_TRUE(absl::IsUnavailable((*writer)->Apply(OneOf("d")).status()));
}

TEST_F(PartitionWriterTest, NewerWriterTakesOver) {
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  auto newer = PartitionWriter::Create({.origin = testing::kTestOrigin, .author = testing::kTestAuthor}, log_->postgres().database(),
                                       log_->signer(), log_->roster(), log_->clock());
  ASSERT_TRUE(newer.ok()) << newer.status();
  const auto refused = writer().Apply(OneOf("b"));
  EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_TRUE(absl::IsUnavailable(writer().Apply(OneOf("c")).status()));
  EXPECT_EQ(Size(), "1");
}

TEST_F(PartitionWriterTest, AnchorPrecedesTheNextEntryWhenTheRosterMoved) {
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  const Hash root = ledger::Sha256("governance");
  log_->roster().MoveTo(5, root);
  const auto admitted = writer().Apply(OneOf("b"));
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  EXPECT_EQ(admitted->first_index, 2u);
  ASSERT_TRUE(writer().Apply(OneOf("c")).ok());
  ASSERT_TRUE(log_->Restart().ok());
  ASSERT_TRUE(writer().Apply(OneOf("d")).ok());
  const auto leaves = Leaves();
  ASSERT_EQ(leaves.size(), 5u);
  EXPECT_EQ(leaves[1].entry.kind(), ledger::v1::KIND_ANCHOR);
  EXPECT_EQ(leaves[1].entry.anchor().governance_size(), 5u);
  EXPECT_EQ(leaves[1].entry.anchor().governance_root(), ledger::AsBytes(root));
}

TEST_F(PartitionWriterTest, OwnEntryNeedsTheRosterToo) {
  log_->roster().Remove(log_->signer().public_key());
  EXPECT_TRUE(absl::IsPermissionDenied(writer().Apply(OneOf("a")).status()));
  EXPECT_EQ(Size(), "0");
}

TEST_F(PartitionWriterTest, TimeOfTheLogNeverGoesBackwards) {
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  const absl::Time first = log_->clock().Now();
  log_->clock().Advance(-absl::Hours(1));
  const auto admitted = writer().Apply(OneOf("b"));
  ASSERT_TRUE(admitted.ok());
  EXPECT_EQ(admitted->time, first);
}

TEST_F(PartitionWriterTest, AlteredLogIsNotWrittenOn) {
  ASSERT_TRUE(writer().Apply(OneOf("a")).ok());
  const std::string root = One("SELECT encode(root, 'hex') FROM ledger.head");
  for (const char* alter : {"UPDATE ledger.head SET root = sha256('x')", "UPDATE ledger.head SET nodes = sha256('x'), root = sha256('x')",
                            "UPDATE ledger.batch SET leaf_hashes = sha256('x')", "DELETE FROM ledger.batch"}) {
    auto copy = WrittenLog::Create();
    ASSERT_TRUE(copy.ok()) << copy.status();
    ASSERT_TRUE(testing::RunSql((*copy)->postgres().migrator(), kThingsSql).ok());
    ASSERT_TRUE((*copy)->writer().Apply(OneOf("a")).ok());
    ASSERT_TRUE((*copy)->postgres().Sql(alter).ok());
    EXPECT_TRUE(absl::IsDataLoss((*copy)->Restart())) << alter;
  }
  EXPECT_FALSE(root.empty());
}

class SignedLeavesTest : public PartitionWriterTest {
 protected:
  void SetUp() override {
    PartitionWriterTest::SetUp();
    if (HasFatalFailure()) return;
    const auto pem = ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ECDSA_P256_SHA256);
    ASSERT_TRUE(pem.ok()) << pem.status();
    auto node = ledger::SignerFromPem(*pem);
    ASSERT_TRUE(node.ok()) << node.status();
    node_ = *std::move(node);
    log_->roster().Admit(kNodeAuthor, node_->public_key());
  }

  ledger::v1::Entry NodeEntry(const std::string& key) const {
    ledger::v1::Entry entry = OrderChecked();
    entry.set_origin(testing::kTestOrigin);
    entry.set_author(kNodeAuthor);
    entry.set_counter(std::hash<std::string>()(key) % 1'000'000 + 1);
    entry.mutable_time()->set_seconds(1);
    entry.set_idempotency_key(Key(key));
    return entry;
  }

  Write Batch(const std::vector<ledger::v1::Entry>& entries, const std::string& origin = testing::kTestOrigin) const {
    std::vector<std::string> bytes;
    for (const auto& entry : entries) bytes.push_back(entry.SerializeAsString());
    auto leaves = ledger::SignBatch(origin, bytes, *node_);
    EXPECT_TRUE(leaves.ok()) << leaves.status();
    Write write;
    write.signed_leaves = *std::move(leaves);
    return write;
  }

  std::unique_ptr<ledger::Signer> node_;
};

TEST_F(SignedLeavesTest, WholeBatchIsAdmittedAsSigned) {
  const Write write = Batch({NodeEntry("1"), NodeEntry("2"), NodeEntry("3")});
  const auto admitted = writer().Apply(write);
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  const auto stored = log_->log().Leaves(0, 3);
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(*stored, write.signed_leaves);
  const auto again = writer().Apply(Batch({NodeEntry("1"), NodeEntry("2"), NodeEntry("3")}));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->leaf_hashes, admitted->leaf_hashes);
  EXPECT_EQ(Size(), "3");
}

TEST_F(SignedLeavesTest, SameKeyWithOtherContentIsRefused) {
  ASSERT_TRUE(writer().Apply(Batch({NodeEntry("1"), NodeEntry("2")})).ok());
  ledger::v1::Entry other = NodeEntry("2");
  other.set_counter(9);
  EXPECT_TRUE(absl::IsAlreadyExists(writer().Apply(Batch({other})).status()));
  EXPECT_TRUE(absl::IsAlreadyExists(writer().Apply(Batch({NodeEntry("2"), NodeEntry("3")})).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(writer().Apply(Batch({NodeEntry("4"), NodeEntry("4")})).status()));
  EXPECT_EQ(Size(), "2");
}

TEST_F(SignedLeavesTest, CounterIsUsedOnce) {
  ledger::v1::Entry first = NodeEntry("1");
  first.set_counter(7);
  ledger::v1::Entry second = NodeEntry("2");
  second.set_counter(7);
  EXPECT_TRUE(absl::IsInvalidArgument(writer().Apply(Batch({first, second})).status()));
  ASSERT_TRUE(writer().Apply(Batch({first})).ok());
  const auto refused = writer().Apply(Batch({second}));
  EXPECT_TRUE(absl::IsAlreadyExists(refused.status())) << refused.status();
  EXPECT_EQ(Size(), "1");
}

// Of batches that are queued together and have a key, or a counter, in common, one is admitted; who has nothing to do with it is admitted too.
TEST_F(SignedLeavesTest, WhatIsUsedTwiceInOneQueueIsAdmittedOnce) {
  log_->Stop();
  auto writer = PartitionWriter::Create({.origin = testing::kTestOrigin, .author = testing::kTestAuthor}, log_->postgres().database(), log_->signer(),
                                        log_->roster(), log_->clock());
  ASSERT_TRUE(writer.ok()) << writer.status();
  ledger::v1::Entry same_counter = NodeEntry("4");
  same_counter.set_counter(NodeEntry("1").counter());
  auto before = (*writer)->Submit(Batch({NodeEntry("0")}));
  auto first = (*writer)->Submit(Batch({NodeEntry("1"), NodeEntry("2")}));
  auto key = (*writer)->Submit(Batch({NodeEntry("3"), NodeEntry("2")}));
  auto counter = (*writer)->Submit(Batch({same_counter}));
  auto again = (*writer)->Submit(Batch({NodeEntry("1"), NodeEntry("2")}));
  auto after = (*writer)->Submit(Batch({NodeEntry("5")}));
  (*writer)->Stop();
  (*writer)->Run();
  EXPECT_TRUE(before.get().ok());
  const auto admitted = first.get();
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  EXPECT_TRUE(absl::IsAlreadyExists(key.get().status()));
  EXPECT_TRUE(absl::IsAlreadyExists(counter.get().status()));
  const auto replayed = again.get();
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  EXPECT_EQ(replayed->first_index, admitted->first_index);
  EXPECT_TRUE(after.get().ok());
  EXPECT_EQ(Size(), "4");
  ExpectWholeLog();
}

// While a commit takes its time, what comes is checked already: who sent what is wrong needs not wait for it, and the next commit begins with what is
// known to be right.
TEST_F(SignedLeavesTest, TheNextAreCheckedWhileOneIsCommitted) {
  ASSERT_TRUE(writer().Apply(Batch({NodeEntry("0")})).ok());
  std::atomic<bool> held = false;
  std::thread holder([&] {
    held = true;
    EXPECT_TRUE(log_->postgres().Sql("DO $$ BEGIN PERFORM 1 FROM ledger.head FOR UPDATE; PERFORM pg_sleep(2); END $$").ok());
  });
  while (!held) absl::SleepFor(absl::Milliseconds(10));
  absl::SleepFor(absl::Milliseconds(300));
  auto committing = writer().Submit(Batch({NodeEntry("1"), NodeEntry("2")}));
  absl::SleepFor(absl::Milliseconds(100));
  Write wrong = Batch({NodeEntry("3"), NodeEntry("4")});
  wrong.signed_leaves[1].back() ^= 1;
  auto next = writer().Submit(Batch({NodeEntry("5"), NodeEntry("6")}));
  EXPECT_FALSE(writer().Submit(std::move(wrong)).get().ok());
  EXPECT_EQ(committing.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  holder.join();
  EXPECT_TRUE(committing.get().ok());
  EXPECT_TRUE(next.get().ok());
  EXPECT_EQ(Size(), "5");
  ExpectWholeLog();
}

TEST_F(SignedLeavesTest, GovernanceAndAnchorsAreNotForPartitions) {
  ledger::v1::Entry policy = NodeEntry("1");
  policy.set_kind(ledger::v1::KIND_POLICY_SET);
  policy.mutable_policy_set()->set_policy("quorum none\n");
  EXPECT_TRUE(absl::IsInvalidArgument(writer().Apply(Batch({policy})).status()));
  ledger::v1::Entry anchor = NodeEntry("1");
  anchor.set_kind(ledger::v1::KIND_ANCHOR);
  anchor.mutable_anchor()->set_governance_root(std::string(32, 'r'));
  EXPECT_TRUE(absl::IsPermissionDenied(writer().Apply(Batch({anchor})).status()));
  EXPECT_EQ(Size(), "0");
}

TEST_F(SignedLeavesTest, PartOfABatchIsRefused) {
  Write write = Batch({NodeEntry("1"), NodeEntry("2")});
  write.signed_leaves.pop_back();
  EXPECT_TRUE(absl::IsInvalidArgument(writer().Apply(std::move(write)).status()));
  EXPECT_EQ(Size(), "0");
}

TEST_F(SignedLeavesTest, ForgedOriginOrSignatureIsRefused) {
  EXPECT_TRUE(absl::IsUnauthenticated(writer().Apply(Batch({NodeEntry("1")}, "custodian.example/p/00000000000000bb")).status()));
  ledger::v1::Entry elsewhere = NodeEntry("1");
  elsewhere.set_origin("custodian.example/p/00000000000000bb");
  EXPECT_TRUE(absl::IsInvalidArgument(writer().Apply(Batch({elsewhere})).status()));
  Write forged = Batch({NodeEntry("1")});
  ledger::v1::SignedEntry leaf;
  ASSERT_TRUE(leaf.ParseFromString(forged.signed_leaves[0]));
  ledger::v1::Entry altered = NodeEntry("1");
  altered.set_counter(2);
  leaf.set_entry_bytes(altered.SerializeAsString());
  forged.signed_leaves[0] = leaf.SerializeAsString();
  EXPECT_TRUE(absl::IsUnauthenticated(writer().Apply(std::move(forged)).status()));
  EXPECT_EQ(Size(), "0");
}

TEST_F(SignedLeavesTest, CurrentRosterDecides) {
  ledger::v1::Entry impostor = NodeEntry("1");
  impostor.set_author("spiffe://custodian.example/tenant/00000000000000bb/node/one");
  EXPECT_TRUE(absl::IsPermissionDenied(writer().Apply(Batch({impostor})).status()));
  ledger::v1::Entry custodian = NodeEntry("1");
  custodian.set_author(testing::kTestAuthor);
  EXPECT_TRUE(absl::IsPermissionDenied(writer().Apply(Batch({custodian})).status()));
  const Write write = Batch({NodeEntry("1")});
  log_->roster().Remove(node_->public_key());
  EXPECT_TRUE(absl::IsPermissionDenied(writer().Apply(write).status()));
  EXPECT_EQ(Size(), "0");
}

}  // namespace
}  // namespace custodian::tenants
