// The log's services over real gRPC, TLS and PostgreSQL: one tenant's partition, its clients, and those of others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "absl/strings/str_cat.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/promise.h"
#include "services/log/feed_service.h"
#include "services/log/ledger_service.h"
#include "services/log/publisher.h"
#include "services/log/subject_index.h"
#include "services/log/tile_service.h"
#include "services/rpc/errands.h"
#include "services/rpc/grpc_client.h"
#include "services/rpc/grpc_server.h"
#include "services/rpc/timestamp.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/postgres.h"
#include "tests/support/test_certificates.h"

namespace custodian::log {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kNetwork[] = "custodian.example";
constexpr char kOrigin[] = "custodian.example/p/00000000000000aa";
constexpr char kGovernance[] = "custodian.example/p/00000000000000ff";
constexpr char kOtherTenant[] = "00000000000000bb";
constexpr char kOtherOrigin[] = "custodian.example/p/00000000000000bb";

std::string Id(std::string_view tenant, const char* role) { return absl::StrCat("spiffe://custodian.example/tenant/", std::string(tenant), "/", role, "/x"); }

std::optional<tenants::Client> FindClient(std::string_view id) {
  for (const std::string_view tenant : {custodian::testing::kTestTenant, std::string_view(kOtherTenant)}) {
    for (const char* role : {"feed", "node", "auditor", "fhir"})
      if (id == Id(tenant, role)) return tenants::Client{std::string(id), TenantId::Parse(tenant).value(), role, ""};
  }
  if (id == "spiffe://custodian.example/regulator/state") return tenants::Client{std::string(id), {}, "regulator", ""};
  if (id == "spiffe://custodian.example/operator/one") return tenants::Client{std::string(id), {}, "operator", ""};
  return std::nullopt;
}

template <typename T>
T Value(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return *std::move(value);
}

std::unique_ptr<ledger::Signer> NewSigner() {
  return Value(ledger::SignerFromPem(Value(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519))));
}

class LogServicesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    postgres_ = Value(custodian::testing::TestDatabase::Create());
    roster_.Admit("spiffe://custodian.example/custodian/serve", serve_->public_key());
    roster_.Admit(Id(custodian::testing::kTestTenant, "node"), node_->public_key());
    roster_.Admit(Id(kOtherTenant, "node"), other_node_->public_key());

    auto partition = std::make_unique<tenants::Partition>();
    partition->tenant.id = TenantId::Parse(custodian::testing::kTestTenant).value();
    partition->tenant.name = "lakeside";
    partition->tenant.origin = kOrigin;
    partition->database = std::make_unique<tenants::Database>(postgres_->login(), 8);
    partition->writer = Value(tenants::PartitionWriter::Create({.origin = kOrigin, .author = "spiffe://custodian.example/custodian/serve"},
                                                               *partition->database, *serve_, roster_, clock_));
    partition->log = std::make_unique<tenants::LogReader>(kOrigin, *partition->database);
    partition->outbox = std::make_unique<tenants::Outbox>(*partition->database);
    partition->outbox->Handle("savings-feed", [this](const PatientId&) {
      ++drained_;
      return absl::OkStatus();
    });
    partition_ = partition.get();
    partitions_.Add(std::move(partition));
    writer_ = std::thread([this] { partition_->writer->Run(); });

    const auto files = certificates_.IssueServer();
    server_ = Value(rpc::GrpcServer::Create(
        {.certificate_file = files.certificate, .key_file = files.key, .client_ca_file = certificates_.ca_file()},
        {ledger_service_.grpc(), feed_service_.grpc()}));
  }
  void TearDown() override {
    if (server_ != nullptr) server_->Stop();
    errands_.Stop();
    apart_.join();
    if (writer_.joinable()) {
      partition_->writer->Stop();
      writer_.join();
    }
  }

  rpc::GrpcEndpoint Endpoint(const std::string& spiffe_id) {
    const auto files = certificates_.IssueClient({spiffe_id});
    return {absl::StrCat("127.0.0.1:", server_->port()), certificates_.ca_file(), files.certificate, files.key, absl::Seconds(20)};
  }
  std::unique_ptr<rpc::LedgerClient> LedgerOf(const std::string& spiffe_id) { return Value(rpc::LedgerClient::Create(Endpoint(spiffe_id))); }
  std::unique_ptr<rpc::FeedClient> Feed() { return Value(rpc::FeedClient::Create(Endpoint(Id(custodian::testing::kTestTenant, "feed")))); }

  // A batch that `signer` signed as `author`.
  std::vector<std::string> Batch(const ledger::Signer& signer, const std::string& author, int count, const std::string& name = "batch") {
    std::vector<std::string> entries;
    for (int i = 0; i < count; ++i) {
      ledger::v1::Entry entry;
      entry.set_origin(kOrigin);
      entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
      entry.set_author(author);
      entry.set_counter(static_cast<std::uint64_t>(i) + 1);
      *entry.mutable_time() = rpc::ToTimestamp(clock_.Now());
      entry.set_idempotency_key(std::string(ledger::AsBytes(ledger::Sha256(absl::StrCat(name, i)))));
      entries.push_back(entry.SerializeAsString());
    }
    return Value(ledger::SignBatch(kOrigin, entries, signer));
  }

  // Publishes the committed head under the log's signature.
  void Publish() {
    const auto head = Value(partition_->log->Head());
    const auto key = Value(ledger::NoteVerifier::Create(kOrigin, ledger::kNoteEd25519, log_key_->public_key().ed25519()));
    ledger::Note note{ledger::Checkpoint{kOrigin, head.size, head.root}.Serialize(), {}};
    note.signatures.push_back(ledger::LogSignature(key, Value(log_key_->Sign(note.text))));
    ASSERT_TRUE(partition_->log->StoreSigned(head.size, note.Serialize()).ok());
    ASSERT_TRUE(partition_->log->Publish(head.size, note.Serialize()).ok());
  }

  rpc::HttpResponse Fetch(const std::string& path, const std::string& spiffe_id) const {
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.peer_spiffe_id = spiffe_id;
    return tiles_.Handle(request);
  }

  std::unique_ptr<custodian::testing::TestDatabase> postgres_;
  custodian::testing::TestCertificates certificates_;
  custodian::testing::FakeClock clock_;
  custodian::testing::FixedRoster roster_;
  std::unique_ptr<ledger::Signer> serve_ = NewSigner();
  std::unique_ptr<ledger::Signer> node_ = NewSigner();
  std::unique_ptr<ledger::Signer> other_node_ = NewSigner();
  std::unique_ptr<ledger::Signer> log_key_ = NewSigner();
  std::atomic<int> drained_ = 0;
  tenants::Partitions partitions_;
  tenants::Partition* partition_ = nullptr;
  std::thread writer_;
  rpc::CallGuard guard_{kNetwork, FindClient};
  Readers readers_{guard_, partitions_, kGovernance};
  MakeReceipt make_receipt_ = [this](std::string_view, std::uint64_t index) { return ReceiptOf(*partition_->log, index); };
  rpc::Errands errands_{8};
  std::thread apart_{[this] { errands_.Work(); }};
  LedgerService ledger_service_{guard_,
                                readers_,
                                partitions_,
                                {.make_receipt = make_receipt_,
                                 .open_reported = [](const tenants::Partition&, std::uint64_t index) -> absl::StatusOr<LedgerService::Opened> {
                                   return LedgerService::Opened{"salt", absl::StrCat("detail ", index)};
                                 },
                                 .admits_tenants_word = true,
                                 .wait_apart = [this](const TenantId& tenant, std::function<void()> errand) { return errands_.Add(tenant, std::move(errand)); }}};
  FeedService feed_service_{guard_, partitions_, clock_};
  TileService tiles_{kNetwork, readers_,
                     [this](std::string_view origin) { return origin == kOrigin ? partition_->log.get() : nullptr; }, make_receipt_,
                     [this](std::string_view, std::string_view subject) { return MakeSubjectList(*partition_->database, *partition_->log, subject, [] {}); }};
  std::unique_ptr<rpc::GrpcServer> server_;
};

TEST_F(LogServicesTest, BatchOfATenantsAuthorIsAppendedOnce) {
  const std::string author = Id(custodian::testing::kTestTenant, "node");
  auto client = LedgerOf(author);
  const auto leaves = Batch(*node_, author, 3);
  const auto appended = client->AppendBatch(kOrigin, leaves);
  ASSERT_TRUE(appended.ok()) << appended.status();
  ASSERT_EQ(appended->leaf_hashes.size(), 3u);
  EXPECT_EQ(appended->leaf_hashes[2], ledger::AsBytes(ledger::LeafHash(leaves[2])));
  EXPECT_EQ(Value(partition_->log->Leaves(appended->first_index, 3)), leaves);

  const auto size = Value(partition_->log->Head()).size;
  const auto again = client->AppendBatch(kOrigin, leaves);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->first_index, appended->first_index);
  EXPECT_EQ(Value(partition_->log->Head()).size, size);
}

// More at once than the server has threads: a call that waits for its commit keeps none.
TEST_F(LogServicesTest, AsManyBatchesAsComeWaitTogether) {
  constexpr int kCalls = 90;
  const std::string author = Id(custodian::testing::kTestTenant, "node");
  auto client = LedgerOf(author);
  auto other = LedgerOf(author);
  std::vector<std::vector<std::string>> batches;
  for (int i = 0; i < 2 * kCalls; ++i) {
    ledger::v1::Entry entry;
    entry.set_origin(kOrigin);
    entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
    entry.set_author(author);
    entry.set_counter(static_cast<std::uint64_t>(i) + 1);
    *entry.mutable_time() = rpc::ToTimestamp(clock_.Now());
    entry.set_idempotency_key(std::string(ledger::AsBytes(ledger::Sha256(absl::StrCat("many ", i)))));
    batches.push_back(Value(ledger::SignBatch(kOrigin, std::vector<std::string>{entry.SerializeAsString()}, *node_)));
  }
  std::atomic<int> admitted = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 2 * kCalls; ++i)
    callers.emplace_back([&, i] { admitted += (i % 2 == 0 ? client : other)->AppendBatch(kOrigin, batches[static_cast<std::size_t>(i)]).ok() ? 1 : 0; });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(admitted, 2 * kCalls);
  EXPECT_EQ(Value(partition_->log->Head()).size, 2u * kCalls);
}

// Nobody waits for ever for a writer that ends.
TEST_F(LogServicesTest, ABatchThatIsNotWrittenIsAnswered) {
  partition_->writer->Stop();
  writer_.join();
  const std::string author = Id(custodian::testing::kTestTenant, "node");
  EXPECT_EQ(LedgerOf(author)->AppendBatch(kOrigin, Batch(*node_, author, 1)).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(LogServicesTest, AnswerIsASignedPromise) {
  const std::string author = Id(custodian::testing::kTestTenant, "node");
  ledger::RosterHistory governance;
  ledger::v1::Entry enrolled;
  enrolled.mutable_roster_changed()->set_author("spiffe://custodian.example/custodian/serve");
  enrolled.mutable_roster_changed()->set_key_id(std::string(ledger::AsBytes(serve_->public_key().key_id())));
  enrolled.mutable_roster_changed()->set_public_key(serve_->public_key().der());
  governance.Append(enrolled, ledger::EmptyRoot());
  auto client = LedgerOf(author);
  const auto leaves = Batch(*node_, author, 3);
  // Sent again, it is promised the same.
  for (int i = 0; i < 2; ++i) {
    const auto appended = Value(client->AppendBatch(kOrigin, leaves));
    const auto promise = Value(ledger::SignedPromise::Parse(appended.promise));
    EXPECT_TRUE(promise.Verify(governance).ok()) << promise.Verify(governance);
    EXPECT_EQ(promise.promise.origin, kOrigin);
    EXPECT_EQ(promise.promise.first, appended.first_index);
    EXPECT_EQ(promise.promise.count, 3u);
    EXPECT_EQ(promise.promise.leaves, ledger::RootOf(std::vector{ledger::LeafHash(leaves[0]), ledger::LeafHash(leaves[1]), ledger::LeafHash(leaves[2])}));
    EXPECT_EQ(promise.promise.witnessed_by, absl::FromUnixMillis(absl::ToUnixMillis(appended.witnessed_by)));
  }
}

// What a node may say of reported entries, in a log with one of them under a signed checkpoint.
class TenantsWordTest : public LogServicesTest {
 protected:
  void SetUp() override {
    LogServicesTest::SetUp();
    tenants::Write write;
    write.idempotency_key = std::string(32, 'k');
    write.request_digest = std::string(32, 'd');
    ledger::v1::Entry entry;
    entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
    entry.set_reported(true);
    write.entries = {entry, entry};
    write.entries[1].set_reported(false);
    first_ = Value(partition_->writer->Apply(std::move(write))).first_index;
    Publish();
    head_ = Value(partition_->log->Head());
  }
  // The status of one entry of the node's.
  absl::Status Say(const ledger::v1::Entry& said, ledger::v1::Kind kind) { return SayAll({said}, kind); }
  absl::Status SayAll(const std::vector<ledger::v1::Entry>& all, ledger::v1::Kind kind) {
    const std::string author = Id(custodian::testing::kTestTenant, "node");
    std::vector<std::string> entries;
    for (ledger::v1::Entry entry : all) {
      entry.set_origin(kOrigin);
      entry.set_kind(kind);
      entry.set_author(author);
      entry.set_counter(++counter_);
      *entry.mutable_time() = rpc::ToTimestamp(clock_.Now());
      entry.set_idempotency_key(std::string(ledger::AsBytes(ledger::Sha256(absl::StrCat("said ", counter_)))));
      entries.push_back(entry.SerializeAsString());
    }
    return LedgerOf(author)->AppendBatch(kOrigin, Value(ledger::SignBatch(kOrigin, entries, *node_))).status();
  }
  static ledger::v1::Entry Range(std::uint64_t end, const ledger::Hash& root) {
    ledger::v1::Entry entry;
    entry.mutable_countersigned()->set_end(end);
    entry.mutable_countersigned()->set_root(std::string(ledger::AsBytes(root)));
    return entry;
  }
  ledger::v1::Entry Dispute(std::uint64_t index) {
    ledger::v1::Entry entry;
    entry.mutable_disputed()->set_index(index);
    const auto leaves = partition_->log->Leaves(index, 1);
    entry.mutable_disputed()->set_leaf_hash(std::string(ledger::AsBytes(ledger::LeafHash(leaves.ok() ? leaves->front() : ""))));
    entry.mutable_disputed()->set_reason(ledger::v1::DISPUTE_REASON_NOT_SENT);
    return entry;
  }

  std::uint64_t counter_ = 0;
  std::uint64_t first_ = 0;
  tenants::LogReader::PendingCheckpoint head_;
};

TEST_F(TenantsWordTest, WhatIsTrueOfTheLogIsAdmitted) {
  EXPECT_TRUE(Say(Range(head_.size, head_.root), ledger::v1::KIND_COUNTERSIGNED).ok());
  EXPECT_TRUE(Say(Dispute(first_), ledger::v1::KIND_DISPUTED).ok());
  EXPECT_TRUE(Say({}, ledger::v1::KIND_VOID).ok());
}

TEST_F(TenantsWordTest, WhatIsNotIsRefused) {
  const auto range = [this](std::uint64_t end, const ledger::Hash& root) { return Say(Range(end, root), ledger::v1::KIND_COUNTERSIGNED).code(); };
  EXPECT_EQ(range(head_.size + 1, head_.root), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(range(UINT64_MAX, head_.root), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(range(head_.size, ledger::EmptyRoot()), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(range(head_.size - 1, head_.root), absl::StatusCode::kInvalidArgument);
  const auto dispute = [this](const ledger::v1::Entry& entry) { return Say(entry, ledger::v1::KIND_DISPUTED).code(); };
  // Not there, another leaf, and one that the custodian did not report.
  EXPECT_EQ(dispute(Dispute(head_.size + 100)), absl::StatusCode::kInvalidArgument);
  ledger::v1::Entry other = Dispute(first_);
  other.mutable_disputed()->set_leaf_hash(std::string(32, 'x'));
  EXPECT_EQ(dispute(other), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(dispute(Dispute(first_ + 1)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SayAll({Range(head_.size, head_.root), Range(head_.size, head_.root)}, ledger::v1::KIND_COUNTERSIGNED).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Value(partition_->log->Head()).size, head_.size);
}

TEST_F(TenantsWordTest, OnlyItsOwnNodeHasEntriesOpened) {
  const auto opened = LedgerOf(Id(custodian::testing::kTestTenant, "node"))->OpenReported(kOrigin, {first_, 7});
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ((*opened)[1].detail, "detail 7");
  for (const std::string& other : {Id(kOtherTenant, "node"), Id(custodian::testing::kTestTenant, "auditor"), std::string("spiffe://custodian.example/regulator/state"),
                                   std::string("spiffe://custodian.example/operator/one")})
    EXPECT_EQ(LedgerOf(other)->OpenReported(kOrigin, {first_}).status().code(), absl::StatusCode::kPermissionDenied) << other;
  EXPECT_EQ(LedgerOf(Id(custodian::testing::kTestTenant, "node"))->OpenReported(kOrigin, std::vector<std::uint64_t>(257)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(LogServicesTest, OnlyTheTenantsOwnAuthorsAppend) {
  const std::string own = Id(custodian::testing::kTestTenant, "node");
  const std::string other = Id(kOtherTenant, "node");
  const auto size = Value(partition_->log->Head()).size;
  // Another tenant's certificate, whoever signed; and whether or not the log exists.
  const absl::Status refused = LedgerOf(other)->AppendBatch(kOrigin, Batch(*node_, own, 1)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(LedgerOf(other)->AppendBatch("custodian.example/p/0000000000000000", Batch(*node_, own, 1)).status(), refused);
  // The own certificate with another tenant's author, and with the custodian's.
  EXPECT_EQ(LedgerOf(own)->AppendBatch(kOrigin, Batch(*other_node_, other, 1)).status(), refused);
  EXPECT_EQ(LedgerOf(own)->AppendBatch(kOrigin, Batch(*serve_, "spiffe://custodian.example/custodian/serve", 1)).status(), refused);
  // Roles that only read.
  EXPECT_EQ(LedgerOf(Id(custodian::testing::kTestTenant, "auditor"))->AppendBatch(kOrigin, Batch(*node_, own, 1)).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(LedgerOf("spiffe://custodian.example/operator/one")->AppendBatch(kOrigin, Batch(*node_, own, 1)).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Value(partition_->log->Head()).size, size);
}

TEST_F(LogServicesTest, ForgedOrBrokenBatchesChangeNothing) {
  const std::string author = Id(custodian::testing::kTestTenant, "node");
  auto client = LedgerOf(author);
  const auto size = Value(partition_->log->Head()).size;
  EXPECT_EQ(client->AppendBatch(kOrigin, {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client->AppendBatch(kOrigin, {"nonsense"}).status().code(), absl::StatusCode::kInvalidArgument);
  // A key that is not enrolled under that name.
  EXPECT_EQ(client->AppendBatch(kOrigin, Batch(*other_node_, author, 1)).status().code(), absl::StatusCode::kPermissionDenied);
  auto half = Batch(*node_, author, 2);
  half.pop_back();
  EXPECT_FALSE(client->AppendBatch(kOrigin, half).ok());
  auto leaves = Batch(*node_, author, 1);
  ledger::v1::SignedEntry forged;
  ASSERT_TRUE(forged.ParseFromString(leaves[0]));
  (*forged.mutable_signature())[0] = static_cast<char>(forged.signature()[0] ^ 1);
  EXPECT_EQ(client->AppendBatch(kOrigin, {forged.SerializeAsString()}).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Value(partition_->log->Head()).size, size);
}

TEST_F(LogServicesTest, ReceiptIsForAdmittedReaders) {
  const std::string author = Id(custodian::testing::kTestTenant, "node");
  const auto appended = LedgerOf(author)->AppendBatch(kOrigin, Batch(*node_, author, 1));
  ASSERT_TRUE(appended.ok()) << appended.status();
  EXPECT_EQ(LedgerOf(author)->GetReceipt(kOrigin, appended->first_index).status().code(), absl::StatusCode::kUnavailable);
  Publish();
  for (const std::string& reader : {author, Id(custodian::testing::kTestTenant, "auditor"), std::string("spiffe://custodian.example/regulator/state")}) {
    const auto receipt = LedgerOf(reader)->GetReceipt(kOrigin, appended->first_index);
    ASSERT_TRUE(receipt.ok()) << reader << receipt.status();
    EXPECT_THAT(*receipt, HasSubstr(kOrigin));
  }
  for (const std::string& other : {Id(kOtherTenant, "auditor"), Id(custodian::testing::kTestTenant, "fhir"), std::string("spiffe://custodian.example/operator/one")}) {
    EXPECT_EQ(LedgerOf(other)->GetReceipt(kOrigin, appended->first_index).status().code(), absl::StatusCode::kPermissionDenied) << other;
  }
}

TEST_F(LogServicesTest, WatermarkIsAnEntryAndARowAndIsDrained) {
  const absl::Time through = clock_.Now() - absl::Hours(1) + absl::Microseconds(1'500);
  const auto index = Feed()->AdvanceWatermark(through, "one");
  ASSERT_TRUE(index.ok()) << index.status();
  const auto leaf = Value(ledger::ParseLeaf(Value(partition_->log->Leaves(*index, 1))[0]));
  EXPECT_EQ(leaf.entry.kind(), ledger::v1::KIND_WATERMARK);
  EXPECT_EQ(leaf.entry.author(), "spiffe://custodian.example/custodian/serve");
  const std::int64_t through_ms = absl::ToUnixMillis(through);
  EXPECT_EQ(rpc::FromTimestamp(leaf.entry.watermark().through()).value(), absl::FromUnixMillis(through_ms));
  const auto rows = Value(postgres_->Sql("SELECT kind, from_ms, through_ms, arrived_ms, entry_index FROM savings.feed"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_THAT(rows[0], ElementsAre("watermark", "", absl::StrCat(through_ms), absl::StrCat(absl::ToUnixMillis(clock_.Now())), absl::StrCat(*index)));
  EXPECT_EQ(drained_, 1);
}

TEST_F(LogServicesTest, WatermarkNeverGoesBack) {
  auto feed = Feed();
  const absl::Time first = clock_.Now() - absl::Hours(2);
  const absl::Time second = clock_.Now() - absl::Hours(1);
  const auto index = feed->AdvanceWatermark(first, "one");
  ASSERT_TRUE(index.ok()) << index.status();
  ASSERT_TRUE(feed->AdvanceWatermark(second, "two").ok());
  EXPECT_EQ(feed->AdvanceWatermark(first - absl::Milliseconds(1), "three").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(feed->AdvanceWatermark(first, "three").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(feed->AdvanceWatermark(clock_.Now() + absl::Milliseconds(1), "four").status().code(), absl::StatusCode::kInvalidArgument);
  // Sent again after a later one: the first answer.
  const auto again = feed->AdvanceWatermark(first, "one");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *index);
  EXPECT_EQ(postgres_->One("SELECT count(*) FROM savings.feed"), "2");
}

TEST_F(LogServicesTest, SameKeyGivesTheFirstAnswerAndTakesNoOtherContent) {
  auto feed = Feed();
  const absl::Time through = clock_.Now() - absl::Hours(1);
  const auto index = feed->AdvanceWatermark(through, "one");
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(feed->AdvanceWatermark(through, "one").value(), *index);
  EXPECT_EQ(feed->AdvanceWatermark(through + absl::Minutes(1), "one").status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(feed->ReportGap(through, through + absl::Minutes(1), "one").status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(postgres_->One("SELECT count(*) FROM savings.feed"), "1");
}

TEST_F(LogServicesTest, GapIsAnEntryAndARow) {
  const absl::Time from = clock_.Now() - absl::Hours(3);
  const absl::Time to = from + absl::Hours(1);
  const auto index = Feed()->ReportGap(from, to, "gap");
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(Value(ledger::ParseLeaf(Value(partition_->log->Leaves(*index, 1))[0])).entry.kind(), ledger::v1::KIND_FEED_GAP);
  const auto rows = Value(postgres_->Sql("SELECT kind, from_ms, through_ms FROM savings.feed"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_THAT(rows[0], ElementsAre("gap", absl::StrCat(absl::ToUnixMillis(from)), absl::StrCat(absl::ToUnixMillis(to))));
}

TEST_F(LogServicesTest, BadFeedRequestsAreRefused) {
  auto feed = Feed();
  const absl::Time now = clock_.Now();
  EXPECT_EQ(feed->ReportGap(now, now, "k").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(feed->ReportGap(now, now - absl::Hours(1), "k").status().code(), absl::StatusCode::kInvalidArgument);
  // It would censor whatever any tenant avoids from now on.
  EXPECT_EQ(feed->ReportGap(now - absl::Hours(1), now + absl::Milliseconds(1), "k").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(feed->AdvanceWatermark(now, "").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(feed->AdvanceWatermark(now, std::string(129, 'k')).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(feed->AdvanceWatermark(absl::InfinitePast(), "k").status().code(), absl::StatusCode::kInvalidArgument);
  auto node = Value(rpc::FeedClient::Create(Endpoint(Id(custodian::testing::kTestTenant, "node"))));
  EXPECT_EQ(node->AdvanceWatermark(now, "k").status().code(), absl::StatusCode::kPermissionDenied);
  auto other = Value(rpc::FeedClient::Create(Endpoint(Id(kOtherTenant, "feed"))));
  EXPECT_EQ(other->AdvanceWatermark(now, "k").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(postgres_->One("SELECT count(*) FROM savings.feed"), "0");
}

TEST_F(LogServicesTest, TilesAreForAdmittedReadersAndOthersLearnNothing) {
  const std::string author = Id(custodian::testing::kTestTenant, "node");
  ASSERT_TRUE(LedgerOf(author)->AppendBatch(kOrigin, Batch(*node_, author, 300)).ok());
  Publish();
  const auto size = Value(partition_->log->Head()).size;
  const std::string log = "/log/00000000000000aa/";
  for (const std::string& reader : {author, Id(custodian::testing::kTestTenant, "auditor"), std::string("spiffe://custodian.example/regulator/state")}) {
    const auto checkpoint = Fetch(log + "checkpoint", reader);
    EXPECT_EQ(checkpoint.status, 200) << reader;
    EXPECT_THAT(checkpoint.body, HasSubstr(absl::StrCat(kOrigin, "\n", size, "\n")));
    const auto tile = Fetch(log + "tile/0/000", reader);
    EXPECT_EQ(tile.status, 200);
    EXPECT_EQ(tile.body.size(), 256u * 32);
    EXPECT_THAT(tile.headers, ::testing::Contains(::testing::Pair("Cache-Control", "private, max-age=31536000, immutable")));
    EXPECT_EQ(Fetch(log + "tile/entries/000", reader).status, 200);
    const auto partial = Fetch(log + absl::StrCat("tile/0/001.p/", size - 256), reader);
    EXPECT_EQ(partial.status, 200);
    EXPECT_THAT(partial.headers, ::testing::Contains(::testing::Pair("Cache-Control", "no-store")));
    const auto receipt = Fetch(log + "receipt/5", reader);
    EXPECT_EQ(receipt.status, 200);
    EXPECT_THAT(receipt.headers, ::testing::Contains(::testing::Pair("Cache-Control", "private, max-age=31536000, immutable")));
  }
  const auto refused = Fetch(log + "checkpoint", "");
  EXPECT_EQ(refused.status, 403);
  for (const std::string& other : {std::string(), Id(kOtherTenant, "node"), Id(kOtherTenant, "auditor"), Id(custodian::testing::kTestTenant, "fhir"),
                                   Id(custodian::testing::kTestTenant, "feed"), std::string("spiffe://custodian.example/operator/one"),
                                   std::string("spiffe://elsewhere.example/regulator/state")}) {
    for (const std::string& path : {log + "checkpoint", log + "tile/0/000", log + "receipt/5", log + "nonsense",
                                    std::string("/log/0000000000000001/checkpoint"), std::string("/log/x"), std::string("/log/")}) {
      const auto response = Fetch(path, other);
      EXPECT_EQ(response.status, refused.status) << other << path;
      EXPECT_EQ(response.body, refused.body) << other << path;
      EXPECT_EQ(response.headers, refused.headers) << other << path;
    }
  }
}

// Full tiles and receipts: after the first answer the database is not asked any more. What changes is asked for each time.
TEST_F(LogServicesTest, WhatNeverChangesIsReadOnce) {
  const std::string author = Id(custodian::testing::kTestTenant, "node");
  ASSERT_TRUE(LedgerOf(author)->AppendBatch(kOrigin, Batch(*node_, author, 300)).ok());
  Publish();
  const std::string log = "/log/00000000000000aa/";
  const std::string partial = absl::StrCat("tile/0/001.p/", Value(partition_->log->Head()).size - 256);
  std::vector<std::pair<std::string, std::string>> answers;
  for (const std::string resource : {"tile/0/000", "tile/entries/000", "receipt/5"}) answers.emplace_back(resource, Fetch(log + resource, author).body);
  EXPECT_EQ(Fetch(log + "tile/0/001", author).status, 404);
  ASSERT_TRUE(postgres_->Sql("ALTER SCHEMA ledger RENAME TO away").ok());
  for (const auto& [resource, body] : answers) {
    const auto again = Fetch(log + resource, author);
    EXPECT_EQ(again.status, 200) << resource;
    EXPECT_EQ(again.body, body) << resource;
    EXPECT_THAT(again.headers, ::testing::Contains(::testing::Pair("Cache-Control", "private, max-age=31536000, immutable")));
    EXPECT_EQ(Fetch(log + resource, Id(kOtherTenant, "node")).status, 403);
  }
  for (const std::string& resource : {std::string("checkpoint"), partial, std::string("receipt/6"), std::string("tile/0/001")})
    EXPECT_EQ(Fetch(log + resource, author).status, 500) << resource;
  ASSERT_TRUE(postgres_->Sql("ALTER SCHEMA away RENAME TO ledger").ok());
  EXPECT_EQ(Fetch(log + "receipt/6", author).status, 200);
}

TEST_F(LogServicesTest, ReaderGetsClearAnswersToBadPaths) {
  const std::string reader = Id(custodian::testing::kTestTenant, "auditor");
  const std::string log = "/log/00000000000000aa/";
  EXPECT_EQ(Fetch(log + "checkpoint", reader).status, 404);
  EXPECT_EQ(Fetch(log + "receipt/0", reader).status, 404);
  for (const char* path : {"tile/0/0", "tile/x", "receipt/", "receipt/-1", "receipt/01", "receipt/1x", "receipt/99999999999999999999"}) {
    EXPECT_EQ(Fetch(log + path, reader).status, 400) << path;
  }
  EXPECT_EQ(Fetch(log + "other", reader).status, 404);
  for (const char* subject : {"", "00", "zz", "0123456789abcdef0123456789abcdef00"}) EXPECT_EQ(Fetch(log + "subject/" + subject, reader).status, 400) << subject;
  EXPECT_EQ(Fetch(log + "subject/0123456789abcdef0123456789abcdef", reader).status, 503);
}

TEST_F(LogServicesTest, GovernanceLogIsOpenToReadersOfEveryTenant) {
  EXPECT_TRUE(readers_.MayRead(Id(kOtherTenant, "node"), kGovernance).ok());
  EXPECT_TRUE(readers_.MayRead("spiffe://custodian.example/regulator/state", kGovernance).ok());
  EXPECT_TRUE(readers_.MayRead("spiffe://custodian.example/witness/one", kGovernance).ok());
  EXPECT_FALSE(readers_.MayRead("spiffe://custodian.example/witness/one", kOtherOrigin).ok());
  EXPECT_FALSE(readers_.MayRead("spiffe://other.example/witness/one", kGovernance).ok());
  EXPECT_FALSE(readers_.MayRead(Id(kOtherTenant, "fhir"), kGovernance).ok());
  EXPECT_FALSE(readers_.MayRead("spiffe://custodian.example/operator/one", kGovernance).ok());
  EXPECT_EQ(readers_.MayRead("spiffe://custodian.example/regulator/state", kOtherOrigin).code(), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace custodian::log
