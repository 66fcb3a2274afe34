// Pages of what is sealed beside a log, over a real partition and a real key process.
#include "services/log/sealed_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/log/refill_store.h"
#include "services/log/tile_service.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/keys/key_process.h"
#include "tests/support/postgres.h"

namespace custodian::log {
namespace {

using ledger::SealedPath;
using ledger::v1::SealedPage;

constexpr char kNetwork[] = "custodian.example";
constexpr char kOrigin[] = "custodian.example/p/00000000000000aa";
constexpr char kCustodian[] = "spiffe://custodian.example/custodian/serve";
constexpr char kOtherTenant[] = "00000000000000bb";

std::string Id(std::string_view tenant, const char* role) { return absl::StrCat("spiffe://custodian.example/tenant/", std::string(tenant), "/", role, "/x"); }

std::optional<tenants::Client> FindClient(std::string_view id) {
  for (const std::string_view tenant : {custodian::testing::kTestTenant, std::string_view(kOtherTenant)})
    for (const char* role : {"node", "auditor"})
      if (id == Id(tenant, role)) return tenants::Client{std::string(id), TenantId::Parse(tenant).value(), role, ""};
  if (id == "spiffe://custodian.example/regulator/state") return tenants::Client{std::string(id), {}, "regulator", ""};
  return std::nullopt;
}

const tenants::Table kRecordTable{"exchange.record",
                                  {{"record_id", "bytea"},
                                   {"version", "bigint"},
                                   {"patient_id", "bytea"},
                                   {"sealed", "bytea"},
                                   {"deleted", "boolean"},
                                   {"account", "boolean"},
                                   {"arrived_ms", "bigint"},
                                   {"entry_index", "bigint"}}};

template <typename T>
T Value(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return *std::move(value);
}

class SealedPagesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    postgres_ = Value(custodian::testing::TestDatabase::Create());
    keys_ = Value(custodian::testing::KeyProcess::Create());
    static_cast<void>(Value(keys_->AddTenant(tenant_, kOrigin)));
    serve_ = Value(ledger::SignerFromPem(Value(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519))));
    roster_.Admit(kCustodian, serve_->public_key());
    auto partition = std::make_unique<tenants::Partition>();
    partition->tenant.id = tenant_;
    partition->tenant.origin = kOrigin;
    partition->database = std::make_unique<tenants::Database>(postgres_->login(), 8);
    partition->writer = Value(tenants::PartitionWriter::Create({.origin = kOrigin, .author = kCustodian}, *partition->database, *serve_, roster_, clock_));
    partition->log = std::make_unique<tenants::LogReader>(kOrigin, *partition->database);
    partition_ = partition.get();
    partitions_.Add(std::move(partition));
    writer_ = std::thread([this] { partition_->writer->Run(); });
    pages_.emplace(partitions_, keys_->wrapped_keys(), kCustodian);
  }
  void TearDown() override {
    if (!writer_.joinable()) return;
    partition_->writer->Stop();
    writer_.join();
  }

  // Stores records of these bytes; index of their entry.
  std::uint64_t Store(const std::vector<std::string>& sealed) {
    const PatientId patient = PatientId::Random();
    tenants::Write write;
    write.idempotency_key = RandomBytes(32);
    write.request_digest = RandomBytes(32);
    ledger::v1::Entry entry;
    entry.set_kind(ledger::v1::KIND_RECORD_STORED);
    entry.set_subject(patient.bytes());
    for (const std::string& bytes : sealed) {
      const RecordId record = RecordId::Random();
      entry.add_record_sha256(std::string(ledger::AsBytes(ledger::Sha256(bytes))));
      entry.mutable_record_stored()->add_record_id(record.bytes());
      entry.mutable_record_stored()->add_version(1);
      write.rows.push_back({&kRecordTable,
                            {tenants::Bytes{record.bytes()}, std::int64_t{1}, tenants::Bytes{patient.bytes()}, tenants::Bytes{bytes}, false, false,
                             tenants::CommitTime{}, tenants::IndexOf{0}}});
    }
    write.entries.push_back(std::move(entry));
    return Value(partition_->writer->Apply(std::move(write))).first_index;
  }
  std::uint64_t StoreKey(const keys::StoredKey& key) {
    tenants::Write write;
    write.idempotency_key = RandomBytes(32);
    write.request_digest = RandomBytes(32);
    ledger::v1::Entry entry;
    entry.set_kind(ledger::v1::KIND_KEY_STORED);
    *entry.mutable_key_stored() = keys::KeyStoredOf(key);
    write.entries.push_back(std::move(entry));
    return Value(partition_->writer->Apply(std::move(write))).first_index;
  }
  SealedPage Page(std::uint64_t index, std::uint32_t ordinal = 0) {
    SealedPage page;
    EXPECT_TRUE(page.ParseFromString(Value(pages_->Make(kOrigin, {index, ordinal}))));
    return page;
  }
  // Every item that the log names, checked, page by page; how many pages.
  int ReadAll(std::vector<ledger::v1::SealedItem>& items) {
    const auto leaves = Value(partition_->log->Leaves(0, Value(partition_->log->Head()).size));
    const auto names = Value(ledger::SealedNamesOf(leaves, 0, kCustodian));
    int pages = 0;
    for (SealedPath from; from.index < leaves.size(); ++pages) {
      const SealedPage page = Page(from.index, from.ordinal);
      items.insert(items.end(), page.items().begin(), page.items().end());
      from = {page.next_index(), page.next_ordinal()};
    }
    EXPECT_EQ(items.size(), names.size());
    for (std::size_t i = 0; i < std::min(items.size(), names.size()); ++i) EXPECT_TRUE(ledger::CheckSealed(names[i], items[i]).ok()) << i;
    return pages;
  }

  const TenantId tenant_ = TenantId::Parse(custodian::testing::kTestTenant).value();
  std::unique_ptr<custodian::testing::TestDatabase> postgres_;
  std::unique_ptr<custodian::testing::KeyProcess> keys_;
  std::unique_ptr<ledger::Signer> serve_;
  custodian::testing::FixedRoster roster_;
  custodian::testing::FakeClock clock_;
  tenants::Partitions partitions_;
  tenants::Partition* partition_ = nullptr;
  std::optional<SealedPages> pages_;
  std::thread writer_;
};

TEST_F(SealedPagesTest, EverythingThatEntriesNameIsHandedOverInPages) {
  const auto stored = Value(keys_->client().CreatePatientKey(tenant_, PatientId::Random()));
  for (const keys::StoredKey& key : stored) StoreKey(key);
  Store({"one", "two", "three"});
  for (int i = 0; i < 6; ++i) Store({std::string(1'500'000, static_cast<char>('a' + i)), "beside it"});
  Store({std::string(ledger::kSealedPageBytesMax + 1, 'z')});
  std::vector<ledger::v1::SealedItem> items;
  // Two of 1.5 MB a page, and the largest alone.
  EXPECT_EQ(ReadAll(items), 4);
}

TEST_F(SealedPagesTest, WhatTheDatabaseLostIsLeftOutAndTheRestGoesOn) {
  const std::uint64_t first = Store({"one", "two"});
  const std::uint64_t second = Store({"three"});
  const SealedPage whole = Page(first);
  ASSERT_EQ(whole.items_size(), 3);
  ASSERT_TRUE(postgres_->Sql("DELETE FROM exchange.record WHERE octet_length(sealed) = 3 AND sealed = 'two'").ok());
  const SealedPage page = Page(first);
  ASSERT_EQ(page.items_size(), 2);
  EXPECT_EQ(page.items(1).index(), second);
  EXPECT_EQ(page.next_index(), second + 1);
  EXPECT_EQ(Page(first, 1).items_size(), 1);
  EXPECT_TRUE(absl::IsOutOfRange(pages_->Make(kOrigin, {second + 1, 0}).status()));
  EXPECT_TRUE(absl::IsNotFound(pages_->Make("custodian.example/p/00000000000000ff", {0, 0}).status()));
}

TEST_F(SealedPagesTest, OnlyANodeOfTheTenantIsToldThatThereIsAnything) {
  const std::uint64_t index = Store({"one"});
  const rpc::CallGuard guard(kNetwork, FindClient);
  const Readers readers(guard, partitions_, "custodian.example/p/00000000000000ff");
  const TileService tiles(
      kNetwork, readers, [this](std::string_view) { return partition_->log.get(); },
      [](std::string_view, std::uint64_t) -> absl::StatusOr<std::string> { return absl::NotFoundError(""); },
      [](std::string_view, std::string_view) -> absl::StatusOr<std::string> { return absl::NotFoundError(""); },
      [this](std::string_view origin, const SealedPath& from) { return pages_->Make(origin, from); });
  const auto get = [&](const std::string& reader, const std::string& path) {
    rpc::HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.peer_spiffe_id = reader;
    return tiles.Handle(request);
  };
  const std::string path = absl::StrCat("/log/00000000000000aa/sealed/", index, "/0");
  const rpc::HttpResponse page = get(Id(custodian::testing::kTestTenant, "node"), path);
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, Value(pages_->Make(kOrigin, {index, 0})));
  EXPECT_EQ(get(Id(custodian::testing::kTestTenant, "node"), "/log/00000000000000aa/sealed/00/0").status, 400);
  EXPECT_EQ(get(Id(custodian::testing::kTestTenant, "node"), "/log/00000000000000aa/sealed/99/0").status, 404);
  // The tenant's other readers: as of what does not exist in the log. Others: as of a log that does not exist.
  for (const std::string& reader : {Id(custodian::testing::kTestTenant, "auditor"), std::string("spiffe://custodian.example/regulator/state")}) {
    const rpc::HttpResponse none = get(reader, "/log/00000000000000aa/nothing/0/0");
    const rpc::HttpResponse refused = get(reader, path);
    EXPECT_EQ(refused.status, none.status);
    EXPECT_EQ(refused.body, none.body);
    EXPECT_EQ(refused.headers, none.headers);
  }
  for (const std::string& reader : {Id(kOtherTenant, "node"), std::string("spiffe://custodian.example/nobody"), std::string()}) {
    const rpc::HttpResponse none = get(reader, "/log/00000000000000ee/sealed/0/0");
    const rpc::HttpResponse refused = get(reader, path);
    EXPECT_EQ(refused.status, none.status);
    EXPECT_EQ(refused.body, none.body);
    EXPECT_EQ(refused.headers, none.headers);
  }
}

// What a mirror was given goes back to where it was lost.
class RefillStoreTest : public SealedPagesTest {
 protected:
  void SetUp() override {
    SealedPagesTest::SetUp();
    patient_ = PatientId::Random();
    for (const keys::StoredKey& key : Value(keys_->client().CreatePatientKey(tenant_, patient_))) StoreKey(key);
    Store({"one", "two", "three"});
    ReadAll(whole_);
    const auto leaves = Value(partition_->log->Leaves(0, Value(partition_->log->Head()).size));
    for (const ledger::SealedName& name : Value(ledger::SealedNamesOf(leaves, 0, kCustodian))) {
      const ledger::v1::SealedItem& item = whole_[items_.size()];
      items_.push_back({name, item.sealed(), item.patient_id(), 0, false});
    }
    ASSERT_TRUE(postgres_->Sql("DELETE FROM ledger.outbox").ok());
    // As the writer stored them.
    const std::string arrived = postgres_->One("SELECT max(arrived_ms) FROM exchange.record");
    for (ReturnedItem& item : items_) item.arrived_ms = std::stoll(arrived);
  }
  std::uint64_t PutRecords() {
    std::uint64_t put = 0;
    EXPECT_TRUE(partition_->database->Write([&](tenants::WriteTransaction& transaction) {
      put = RefillStore(transaction).PutRecords(items_);
      return absl::OkStatus();
    }).ok());
    return put;
  }
  std::uint64_t PutKeys() {
    std::uint64_t put = 0;
    const tenants::Database database(keys_->key_database(tenant_).login(), 1);
    EXPECT_TRUE(database.Write([&](tenants::WriteTransaction& transaction) {
      put = RefillStore(transaction).PutKeys(items_);
      return absl::OkStatus();
    }).ok());
    return put;
  }
  void ExpectWhole() {
    std::vector<ledger::v1::SealedItem> items;
    ReadAll(items);
    ASSERT_EQ(items.size(), whole_.size());
    for (std::size_t i = 0; i < items.size(); ++i) EXPECT_EQ(items[i].SerializeAsString(), whole_[i].SerializeAsString());
  }

  PatientId patient_;
  std::vector<ledger::v1::SealedItem> whole_;
  std::vector<ReturnedItem> items_;
};

TEST_F(RefillStoreTest, MissingAndAlteredRecordsComeBackWithTheWorkThatFollows) {
  EXPECT_EQ(PutRecords(), 0u);
  EXPECT_EQ(postgres_->One("SELECT count(*) FROM ledger.outbox"), "0");
  ASSERT_TRUE(postgres_->Sql("DELETE FROM exchange.record WHERE sealed = 'two'").ok());
  ASSERT_TRUE(postgres_->Sql("UPDATE exchange.record SET sealed = 'thr33' WHERE sealed = 'three'").ok());
  items_.back().is_patient = true;
  EXPECT_EQ(PutRecords(), 2u);
  EXPECT_EQ(PutRecords(), 0u);
  ExpectWhole();
  EXPECT_EQ(postgres_->One("SELECT string_agg(kind, ' ' ORDER BY sequence) FROM ledger.outbox"),
            "locator match correction savings");
  EXPECT_EQ(postgres_->One("SELECT encode(record_id, 'hex') FROM exchange.patient"), HexEncode(items_.back().name.id));
}

TEST_F(RefillStoreTest, MissingAndAlteredKeysComeBackAndOpen) {
  EXPECT_EQ(PutKeys(), 0u);
  const custodian::testing::TestDatabase& store = keys_->key_database(tenant_);
  ASSERT_TRUE(store.Sql("DELETE FROM keystore.patient_key; DELETE FROM keystore.shard").ok());
  EXPECT_EQ(PutKeys(), 2u);
  ASSERT_TRUE(store.Sql("UPDATE keystore.patient_key SET wrapped = overlay(wrapped placing '\\xff00ff'::bytea from 20)").ok());
  EXPECT_EQ(PutKeys(), 1u);
  ExpectWhole();
  EXPECT_TRUE(keys_->client().UnwrapPatientKeys(tenant_, {&patient_, 1}, "test").ok());
}

TEST_F(RefillStoreTest, AKeyOfALaterEpochIsLeftAlone) {
  const custodian::testing::TestDatabase& store = keys_->key_database(tenant_);
  ASSERT_TRUE(store.Sql("UPDATE keystore.shard SET epoch = 2, wrapped = overlay(wrapped placing '\\xff00ff'::bytea from 20)").ok());
  ASSERT_TRUE(store.Sql("DELETE FROM keystore.patient_key").ok());
  // Nor does the patient's key of the earlier epoch come back, which may have been erased.
  EXPECT_EQ(PutKeys(), 0u);
}

}  // namespace
}  // namespace custodian::log
