#include "services/log/partition_audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "ledger/entry.h"
#include "tenants/ids.h"
#include "tenants/log_reader.h"
#include "tenants/partition_writer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/postgres.h"
#include "tests/support/served_log.h"

namespace custodian::log {
namespace {

using ::testing::HasSubstr;

constexpr char kOrigin[] = "custodian.example/p/00000000000000dd";
constexpr char kAuthor[] = "spiffe://custodian.example/custodian/serve";

const tenants::Table kRecordTable{"exchange.record",
                                  {{"record_id", "bytea"}, {"version", "bigint"}, {"patient_id", "bytea"}, {"sealed", "bytea"},
                                   {"arrived_ms", "bigint"}, {"entry_index", "bigint"}}};
const tenants::Table kCardTable{
    "exchange.card",
    {{"card_id", "bytea"}, {"patient_id", "bytea"}, {"sealed", "bytea"}, {"entry_index", "bigint"}, {"arrived_ms", "bigint"}},
    /*ignore_conflicts=*/false, /*proved=*/true};

const tenants::Table kPatientTable{"exchange.patient", {{"patient_id", "bytea"}, {"record_id", "bytea"}},
                                   /*ignore_conflicts=*/false, /*proved=*/true};
const tenants::Table kIdentifierTable{"exchange.identifier",
                                      {{"token", "bytea"}, {"record_id", "bytea"}, {"patient_id", "bytea"}},
                                      /*ignore_conflicts=*/true, /*proved=*/true};
const tenants::Table kOrderTable{"exchange.order_state", {{"order_key", "bytea"}, {"state", "text"}}, /*ignore_conflicts=*/true,
                                 /*proved=*/true};

std::unique_ptr<ledger::Signer> NewSigner() {
  return ledger::SignerFromPem(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value()).value();
}

std::string Sha256(const std::string& bytes) { return std::string(ledger::AsBytes(ledger::Sha256(bytes))); }

// A partition with two full tiles, records, cards, keys, and published checkpoints, as `serve` would leave it.
class PartitionAudit : public ::testing::Test {
 protected:
  void SetUp() override {
    auto database = testing::TestDatabase::Create();
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    auto keys = testing::TestDatabase::Create("keys");
    ASSERT_TRUE(keys.ok()) << keys.status();
    keys_ = *std::move(keys);
    MakeGovernance();
    tenants::PartitionWriter::Options options;
    options.origin = kOrigin;
    options.author = kAuthor;
    writer_ = tenants::PartitionWriter::Create(options, database_->database(), *author_, roster_, clock_).value();
    thread_ = std::thread([this] { writer_->Run(); });
    AddKeys();
    std::vector<ledger::v1::Entry> checks(300);
    for (auto& check : checks) check.set_kind(ledger::v1::KIND_ORDER_CHECKED);
    Apply({checks, {}, {}});
    for (int i = 0; i < 3; ++i) AddRecord(i == 0);
    AddCard();
    Apply({std::vector<ledger::v1::Entry>(250, checks[0]), {}, {}});
    Publish();
  }
  void TearDown() override {
    if (writer_ == nullptr) return;
    writer_->Stop();
    thread_.join();
  }

  void MakeGovernance() {
    ledger::v1::Entry first;
    first.set_kind(ledger::v1::KIND_ROSTER_CHANGED);
    *first.mutable_roster_changed() = testing::Enrol(kAuthor, author_->public_key(), testing::AllKinds());
    governance_.Append(first, ledger::Sha256("root"));
    roster_.MoveTo(1, ledger::Sha256("root"));
  }
  struct Content {
    std::vector<ledger::v1::Entry> entries;
    std::vector<tenants::Row> rows;
    std::vector<PatientId> consent_changed{};
  };
  void Apply(Content content) {
    tenants::Write write;
    write.idempotency_key = Sha256("write" + std::to_string(++writes_));
    write.request_digest = write.idempotency_key;
    write.entries = std::move(content.entries);
    write.rows = std::move(content.rows);
    write.consent_changed = std::move(content.consent_changed);
    const auto admitted = writer_->Apply(std::move(write));
    ASSERT_TRUE(admitted.ok()) << admitted.status();
    clock_.Advance(absl::Seconds(1));
  }
  void AddKeys() {
    const std::string shard = "0123456789abcdef";
    const std::string wrapped(60, 's');
    const std::string patient_wrapped(60, 'p');
    Content content;
    for (const bool is_shard : {true, false}) {
      ledger::v1::Entry entry;
      entry.set_kind(ledger::v1::KIND_KEY_STORED);
      entry.mutable_key_stored()->set_what(is_shard ? "shard" : "patient");
      entry.mutable_key_stored()->set_key_id(is_shard ? shard : patient_.bytes());
      entry.mutable_key_stored()->set_wrapped_sha256(Sha256(is_shard ? wrapped : patient_wrapped));
      entry.mutable_key_stored()->set_epoch(1);
      if (!is_shard) entry.mutable_key_stored()->set_shard_id(shard);
      content.entries.push_back(entry);
    }
    ASSERT_TRUE(
        keys_->Sql("INSERT INTO keystore.shard (key_id, epoch, wrapped) VALUES ('" + shard + "', 1, '" + wrapped + "')").ok());
    ASSERT_TRUE(keys_
                    ->Sql("INSERT INTO keystore.patient_key (patient_id, shard_id, wrapped) VALUES ('\\x" + patient_.hex() +
                          "', '" + shard + "', '" + patient_wrapped + "')")
                    .ok());
    Apply(std::move(content));
  }
  static tenants::Row OrderRow(const std::string& state) {
    return {&kOrderTable, {tenants::Bytes{std::string(32, 'o')}, state}};
  }
  void AddRecord(bool is_patient) { AddRecord(is_patient, patient_); }
  void AddRecord(bool is_patient, const PatientId& patient) {
    const RecordId record = RecordId::Random();
    const std::string sealed = "sealed " + record.bytes();
    ledger::v1::Entry entry;
    entry.set_kind(ledger::v1::KIND_RECORD_STORED);
    entry.set_subject(patient.bytes());
    entry.add_record_sha256(Sha256(sealed));
    entry.mutable_record_stored()->add_record_id(record.bytes());
    entry.mutable_record_stored()->add_version(1);
    Content content{{entry},
                    {{&kRecordTable,
                      {tenants::Bytes{record.bytes()}, std::int64_t{1}, tenants::Bytes{patient.bytes()}, tenants::Bytes{sealed},
                       tenants::CommitTime(), tenants::IndexOf{0}}}}};
    if (is_patient) {
      content.rows.push_back({&kPatientTable, {tenants::Bytes{patient.bytes()}, tenants::Bytes{record.bytes()}}});
      content.rows.push_back({&kIdentifierTable,
                              {tenants::Bytes{Sha256(sealed)}, tenants::Bytes{record.bytes()}, tenants::Bytes{patient.bytes()}}});
    }
    Apply(std::move(content));
  }
  void AddCard() {
    ledger::v1::Entry entry;
    entry.set_kind(ledger::v1::KIND_CARD_SHOWN);
    entry.set_subject(patient_.bytes());
    entry.add_record_sha256(Sha256("sealed card"));
    Apply({{entry},
           {{&kCardTable,
             {tenants::Bytes{std::string(16, 'c')}, tenants::Bytes{patient_.bytes()}, tenants::Bytes{"sealed card"},
              tenants::IndexOf{0}, tenants::CommitTime()}},
            OrderRow("checked"),
            OrderRow("shown")}});
  }
  void Publish() {
    const tenants::LogReader reader(kOrigin, database_->database());
    const auto sizes = database_->Sql("SELECT size, encode(root, 'hex') FROM ledger.checkpoint ORDER BY size").value();
    for (const auto& row : sizes) {
      const std::uint64_t size = std::stoull(row[0]);
      ledger::Note note{ledger::Checkpoint{kOrigin, size, ledger::HashFromBytes(HexDecode(row[1]).value()).value()}.Serialize(),
                        {}};
      note.signatures.push_back(ledger::LogSignature(log_key_, log_signer_->Sign(note.text).value()));
      ASSERT_TRUE(reader.StoreSigned(size, note.Serialize()).ok());
      const absl::Time time = absl::FromUnixSeconds(1'700'000'000);
      note.signatures.push_back(
          ledger::CosignatureV1(witness_key_, time, witness_->Sign(ledger::CosignatureMessage(time, note.text)).value()));
      ASSERT_TRUE(reader.Publish(size, note.Serialize()).ok());
    }
  }

  // Findings as "position: message" lines.
  std::string Audit() {
    const ledger::Policy policy =
        ledger::Policy::Parse("log " + log_key_.ToString() + "\nwitness w " + witness_key_.ToString() + "\nquorum w\n").value();
    ledger::Findings findings(kOrigin);
    const auto audited = AuditPartition(database_->database(), policy, &governance_, findings);
    if (!audited.ok()) return audited.status().ToString();
    ledger::Findings key_findings(kOrigin);
    const auto unnamed = AuditKeyStore(keys_->database(), *audited, key_findings);
    if (!unnamed.ok()) return unnamed.status().ToString();
    size_ = audited->size;
    witnessed_size_ = audited->witnessed_size;
    unnamed_ = *unnamed;
    std::string text;
    for (const auto& finding : findings.Take()) text += finding.position + ": " + finding.message + "\n";
    for (const auto& finding : key_findings.Take()) text += finding.position + ": " + finding.message + "\n";
    return text;
  }
  // Findings after a superuser's change, which is undone.
  std::string AuditAfter(const testing::TestDatabase& database, const std::string& table, const std::string& change) {
    // One column, so that the copy is not taken for another table of sealed rows.
    const std::string copy = "public.kept_rows";
    EXPECT_TRUE(database.Sql("CREATE TABLE " + copy + " AS SELECT t AS kept FROM " + table + " AS t").ok());
    const auto changed = database.Sql("SET session_replication_role = replica; " + change);
    EXPECT_TRUE(changed.ok()) << change << ": " << changed.status();
    const std::string findings = Audit();
    const auto undone = database.Sql("SET session_replication_role = replica; DELETE FROM " + table + "; INSERT INTO " + table +
                                     " OVERRIDING SYSTEM VALUE SELECT (kept).* FROM " + copy + "; DROP TABLE " + copy);
    EXPECT_TRUE(undone.ok()) << undone.status();
    return findings;
  }

  testing::FakeClock clock_;
  const PatientId patient_ = PatientId::Random();
  std::unique_ptr<ledger::Signer> author_ = NewSigner();
  std::unique_ptr<ledger::Signer> log_signer_ = NewSigner();
  std::unique_ptr<ledger::Signer> witness_ = NewSigner();
  const ledger::NoteVerifier log_key_ =
      ledger::NoteVerifier::Create(kOrigin, ledger::kNoteEd25519, log_signer_->public_key().ed25519()).value();
  const ledger::NoteVerifier witness_key_ =
      ledger::NoteVerifier::Create("witness.example", ledger::kNoteCosignatureV1, witness_->public_key().ed25519()).value();
  ledger::RosterHistory governance_;
  testing::FixedRoster roster_{kAuthor, author_->public_key()};
  std::unique_ptr<testing::TestDatabase> database_;
  std::unique_ptr<testing::TestDatabase> keys_;
  std::unique_ptr<tenants::PartitionWriter> writer_;
  std::thread thread_;
  int writes_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t witnessed_size_ = 0;
  std::uint64_t unnamed_ = 0;
};

TEST_F(PartitionAudit, HonestPartitionHasNoFindings) {
  EXPECT_EQ(Audit(), "");
  EXPECT_EQ(size_, 1u + 2u + 300u + 3u + 1u + 250u);
  EXPECT_EQ(witnessed_size_, size_);
  EXPECT_EQ(unnamed_, 0u);
}

TEST_F(PartitionAudit, EveryAlteredColumnIsNamed) {
  struct Case {
    const testing::TestDatabase* database;
    std::string table;
    std::string set;
    std::string where;
    std::string position;
  };
  const auto flip = [](const std::string& column, int at) {
    return column + " = set_byte(" + column + ", " + std::to_string(at) + ", get_byte(" + column + ", " + std::to_string(at) +
           ") # 4)";
  };
  const std::string record = database_->One("SELECT encode(record_id, 'hex') FROM exchange.record LIMIT 1");
  const std::string this_record = "encode(record_id, 'hex') = '" + record + "'";
  const std::vector<Case> cases = {
      {database_.get(), "ledger.batch", flip("leaves", 1), "first_index = 0", "leaf 0:"},
      {database_.get(), "ledger.batch", flip("leaves", 40), "first_index = 0", "leaf 0:"},
      {database_.get(), "ledger.batch", flip("leaf_hashes", 40), "first_index = 0", "leaf 1:"},
      {database_.get(), "ledger.batch", "time_ms = time_ms + 1", "first_index = 0", "leaf 0:"},
      {database_.get(), "ledger.batch", "first_index = first_index + 1000", "first_index = 303", "leaf 303:"},
      {database_.get(), "ledger.tile", flip("bytes", 5000), "index = 1", "tile/0/001:"},
      {database_.get(), "ledger.tile", "index = 7", "index = 1", "tile/0/007:"},
      {database_.get(), "ledger.head", "size = size + 1", "true", "head:"},
      {database_.get(), "ledger.head", flip("root", 31), "true", "head:"},
      {database_.get(), "ledger.head", flip("nodes", 0), "true", "head:"},
      {database_.get(), "ledger.head", "author_counter = author_counter + 1", "true", "head:"},
      {database_.get(), "ledger.head", "time_ms = time_ms + 1", "true", "head:"},
      {database_.get(), "ledger.head", "anchor_size = anchor_size + 1", "true", "head:"},
      {database_.get(), "ledger.head", flip("anchor_root", 3), "true", "head:"},
      {database_.get(), "ledger.checkpoint", flip("root", 3), "size = 303", "checkpoint size 303:"},
      {database_.get(), "ledger.checkpoint", "size = 200", "size = 303", "checkpoint size 200:"},
      {database_.get(), "ledger.checkpoint", "signed_note = overlay(signed_note placing 'x' from 3)", "size = 303",
       "checkpoint size 303:"},
      {database_.get(), "ledger.checkpoint", "signed_note = overlay(signed_note placing 'x' from length(signed_note) - 80)",
       "size = 303", "checkpoint size 303:"},
      {database_.get(), "ledger.checkpoint", "published_note = replace(published_note, 'witness.example', 'witness.exbmple')",
       "size = 303", "checkpoint size 303:"},
      {database_.get(), "ledger.checkpoint", "published_note = signed_note", "size = 303", "checkpoint size 303:"},
      {database_.get(), "ledger.idempotency", flip("key", 0), "first_index = 3", "idempotency key"},
      {database_.get(), "ledger.idempotency", "first_index = first_index + 1", "first_index = 3", "idempotency key"},
      {database_.get(), "ledger.idempotency", "count = count - 1", "first_index = 3", "leaf 302:"},
      {database_.get(), "ledger.idempotency", "time_ms = time_ms + 1", "first_index = 3", "idempotency key"},
      {database_.get(), "exchange.record", flip("sealed", 4), this_record, "record " + record + " version 1:"},
      {database_.get(), "exchange.record", flip("patient_id", 4), this_record, "record " + record + " version 1:"},
      {database_.get(), "exchange.record", "version = 2", this_record, "record " + record + " version 1:"},
      {database_.get(), "exchange.record", "deleted = true", this_record, "record " + record + " version 1:"},
      {database_.get(), "exchange.record", "account = true", this_record, "record " + record + " version 1:"},
      {database_.get(), "exchange.record", "arrived_ms = arrived_ms + 1", this_record, "record " + record + " version 1:"},
      {database_.get(), "exchange.record", "entry_index = entry_index + 1", this_record, "record " + record + " version 1:"},
      {database_.get(), "exchange.record", flip("record_id", 4), this_record, "record " + record + " version 1:"},
      {database_.get(), "exchange.card", flip("sealed", 4), "true", "leaf 306: the sealed bytes of exchange.card 63636363"},
      {database_.get(), "exchange.card", flip("patient_id", 4), "true", "leaf 306:"},
      {database_.get(), "exchange.card", "arrived_ms = arrived_ms + 1", "true", "leaf 306:"},
      {database_.get(), "exchange.card", "entry_index = 5", "true", "leaf 5:"},
      {keys_.get(), "keystore.shard", flip("wrapped", 59), "true", "key shard 30313233"},
      {keys_.get(), "keystore.shard", flip("key_id", 0), "true", "key shard 30313233"},
      {keys_.get(), "keystore.shard", "epoch = 2", "true", "key shard 30313233"},
      {keys_.get(), "keystore.patient_key", flip("wrapped", 0), "true", "key patient " + patient_.hex()},
      {keys_.get(), "keystore.patient_key", flip("patient_id", 0), "true", "key patient " + patient_.hex()},
      {keys_.get(), "keystore.patient_key", flip("shard_id", 0), "true", "key patient " + patient_.hex()},
  };
  for (const Case& one : cases) {
    const std::string findings =
        AuditAfter(*one.database, one.table, "UPDATE " + one.table + " SET " + one.set + " WHERE " + one.where);
    EXPECT_THAT(findings, HasSubstr(one.position)) << one.table << " " << one.set;
  }
  EXPECT_EQ(Audit(), "");
}

TEST_F(PartitionAudit, EveryDeletedNewestRowIsNamed) {
  struct Case {
    const testing::TestDatabase* database;
    std::string table;
    std::string newest;
    std::string position;
  };
  const std::vector<Case> cases = {
      {database_.get(), "ledger.batch", "first_index", "head:"},
      {database_.get(), "ledger.tile", "index", "tile/0/001: the tile is missing"},
      {database_.get(), "ledger.head", "size", "head: the head is missing"},
      {database_.get(), "ledger.checkpoint", "size", "checkpoint size 557: the checkpoint is missing"},
      {database_.get(), "ledger.idempotency", "first_index", "leaf 307: the answer to its idempotency key is missing"},
      {database_.get(), "exchange.record", "entry_index", "version 1: the stored record is missing; leaf 305 names it"},
      {database_.get(), "exchange.card", "entry_index", "leaf 306: nothing stored has the SHA-256"},
      {keys_.get(), "keystore.shard", "seq", "key shard 30313233343536373839616263646566: the wrapped key is missing"},
      {keys_.get(), "keystore.patient_key", "seq", "key patient " + patient_.hex() + ": the wrapped key is missing"},
  };
  for (const Case& one : cases) {
    const std::string findings = AuditAfter(
        *one.database, one.table,
        "DELETE FROM " + one.table + " WHERE " + one.newest + " = (SELECT max(" + one.newest + ") FROM " + one.table + ")");
    EXPECT_THAT(findings, HasSubstr(one.position)) << one.table;
  }
  EXPECT_EQ(Audit(), "");
}

TEST_F(PartitionAudit, MissingBatchInTheMiddleIsNamed) {
  const std::string findings = AuditAfter(*database_, "ledger.batch", "DELETE FROM ledger.batch WHERE first_index = 303");
  EXPECT_THAT(findings, HasSubstr("leaf 303: the next stored batch begins at leaf 304"));
  EXPECT_THAT(findings, HasSubstr("log: stored records and answers were not compared"));
}

TEST_F(PartitionAudit, KeyWithoutAnEntryIsCountedAndNoDiscrepancy) {
  ASSERT_TRUE(
      keys_->Sql("INSERT INTO keystore.shard (key_id, epoch, wrapped) VALUES ('unused-unused-un', 1, repeat('x', 60)::bytea)")
          .ok());
  EXPECT_EQ(Audit(), "");
  EXPECT_EQ(unnamed_, 1u);
}

TEST_F(PartitionAudit, RowThatNoEntryNamesIsFound) {
  EXPECT_THAT(
      AuditAfter(
          *database_, "exchange.record",
          "INSERT INTO exchange.record (record_id, version, patient_id, sealed, arrived_ms, entry_index) SELECT record_id, 9, "
          "patient_id, sealed, arrived_ms, entry_index FROM exchange.record LIMIT 1"),
      HasSubstr("version 9: no entry names this stored record"));
}

TEST_F(PartitionAudit, ADeletionIsWhatItsEntryMarksAndNothingElse) {
  static const tenants::Table kDeletable{"exchange.record",
                                         {{"record_id", "bytea"}, {"version", "bigint"}, {"patient_id", "bytea"}, {"sealed", "bytea"},
                                          {"deleted", "boolean"}, {"arrived_ms", "bigint"}, {"entry_index", "bigint"}}};
  ledger::v1::Entry entry;
  entry.set_kind(ledger::v1::KIND_RECORD_STORED);
  entry.set_subject(patient_.bytes());
  Content content;
  std::vector<RecordId> records;
  for (const bool deleted : {false, true}) {
    records.push_back(RecordId::Random());
    const std::string sealed = "sealed " + records.back().bytes();
    entry.add_record_sha256(Sha256(sealed));
    entry.mutable_record_stored()->add_record_id(records.back().bytes());
    entry.mutable_record_stored()->add_version(1);
    content.rows.push_back({&kDeletable,
                            {tenants::Bytes{records.back().bytes()}, std::int64_t{1}, tenants::Bytes{patient_.bytes()}, tenants::Bytes{sealed},
                             deleted, tenants::CommitTime(), tenants::IndexOf{0}}});
  }
  entry.mutable_record_stored()->add_deleted(1);
  content.entries.push_back(entry);
  Apply(std::move(content));
  Publish();
  EXPECT_EQ(Audit(), "");
  const auto after = [&](const RecordId& record, const std::string& value) {
    return AuditAfter(*database_, "exchange.record", "UPDATE exchange.record SET deleted = " + value + " WHERE record_id = '\\x" + record.hex() + "'");
  };
  EXPECT_THAT(after(records[0], "true"), HasSubstr("marked as deleted, which no entry says"));
  EXPECT_THAT(after(records[1], "false"), HasSubstr("marks it as deleted, but its row does not"));
}

TEST_F(PartitionAudit, AnAccountIsWhatItsEntryMarksAndNothingElse) {
  static const tenants::Table kMarked{"exchange.record",
                                      {{"record_id", "bytea"}, {"version", "bigint"}, {"patient_id", "bytea"}, {"sealed", "bytea"},
                                       {"account", "boolean"}, {"arrived_ms", "bigint"}, {"entry_index", "bigint"}}};
  std::vector<RecordId> records;
  for (const bool account : {false, true}) {
    records.push_back(RecordId::Random());
    const std::string sealed = "sealed " + records.back().bytes();
    ledger::v1::Entry entry;
    entry.set_kind(ledger::v1::KIND_RECORD_STORED);
    entry.set_subject(patient_.bytes());
    entry.add_record_sha256(Sha256(sealed));
    entry.mutable_record_stored()->add_record_id(records.back().bytes());
    entry.mutable_record_stored()->add_version(1);
    entry.mutable_record_stored()->set_account(account);
    Content content;
    content.rows.push_back({&kMarked,
                            {tenants::Bytes{records.back().bytes()}, std::int64_t{1}, tenants::Bytes{patient_.bytes()}, tenants::Bytes{sealed},
                             account, tenants::CommitTime(), tenants::IndexOf{0}}});
    content.entries.push_back(std::move(entry));
    Apply(std::move(content));
  }
  Publish();
  EXPECT_EQ(Audit(), "");
  const auto after = [&](const RecordId& record, const std::string& value) {
    return AuditAfter(*database_, "exchange.record", "UPDATE exchange.record SET account = " + value + " WHERE record_id = '\\x" + record.hex() + "'");
  };
  EXPECT_THAT(after(records[0], "true"), HasSubstr("marked as an account of a disclosure, which no entry says"));
  EXPECT_THAT(after(records[1], "false"), HasSubstr("is an account of a disclosure, but its row is not"));
}

TEST_F(PartitionAudit, AnchorPastTheGovernanceLogAsksForItAgain) {
  roster_.MoveTo(2, ledger::Sha256("later"));
  ledger::v1::Entry check;
  check.set_kind(ledger::v1::KIND_ORDER_CHECKED);
  Apply({{check}, {}, {}});
  ledger::Findings findings(kOrigin);
  const ledger::Policy policy = ledger::Policy::Parse("log " + log_key_.ToString() + "\nquorum none\n").value();
  const auto audited = AuditPartition(database_->database(), policy, &governance_, findings);
  ASSERT_TRUE(audited.ok());
  EXPECT_TRUE(audited->governance_is_behind);
}

TEST_F(PartitionAudit, ConsentVersionsFollowFromTheLog) {
  ledger::v1::Entry consent;
  consent.set_kind(ledger::v1::KIND_CONSENT_SET);
  consent.set_subject(patient_.bytes());
  // Two consents of one write count once.
  for (const int consents : {1, 2})
    Apply({std::vector<ledger::v1::Entry>(static_cast<std::size_t>(consents), consent), {}, {patient_}});
  EXPECT_EQ(Audit(), "");
  const std::string position = "consent version of " + patient_.hex();
  const std::string table = "ledger.consent_version";
  EXPECT_THAT(AuditAfter(*database_, table, "UPDATE " + table + " SET version = 1"),
              HasSubstr(position + ": it is 1, the log has 2"));
  EXPECT_THAT(AuditAfter(*database_, table, "DELETE FROM " + table), HasSubstr(position + ": it is missing"));
}

TEST_F(PartitionAudit, PromiseOfWitnessesThatIsBrokenIsNamed) {
  const std::string unpublish = "UPDATE ledger.checkpoint SET signed_note = NULL, published_note = NULL";
  const auto promise = [&](const std::string& when) {
    ASSERT_TRUE(database_
                    ->Sql("UPDATE ledger.idempotency SET witnessed_by_ms = extract(epoch FROM now() " + when + ")::bigint * 1000")
                    .ok());
  };
  // Still within the promise, or nearly.
  promise("- interval '30 seconds'");
  EXPECT_EQ(AuditAfter(*database_, "ledger.checkpoint", unpublish), "");
  promise("- interval '2 minutes'");
  EXPECT_EQ(Audit(), "");
  const std::string findings = AuditAfter(*database_, "ledger.checkpoint", unpublish);
  EXPECT_THAT(findings, HasSubstr("checkpoint size 3: promised to be witnessed by 20"));
  EXPECT_THAT(findings, HasSubstr("Z, is not\n"));
  EXPECT_THAT(AuditAfter(*database_, "ledger.checkpoint", unpublish + " WHERE size > 303"),
              HasSubstr("checkpoint size 304: promised to be witnessed by 20"));
  // A promise put off does not hide it.
  promise("+ interval '1 day'");
  EXPECT_THAT(AuditAfter(*database_, "ledger.checkpoint", unpublish), HasSubstr("later than any promise can be now"));
}

TEST_F(PartitionAudit, WitnessRemembersWhatWasRolledBack) {
  const ledger::Policy policy = ledger::Policy::Parse("log " + log_key_.ToString() + "\nquorum none\n").value();
  const auto note_of = [&](std::uint64_t size, const ledger::Hash& root, const ledger::Signer& signer) {
    ledger::Note note{ledger::Checkpoint{kOrigin, size, root}.Serialize(), {}};
    note.signatures.push_back(ledger::LogSignature(log_key_, signer.Sign(note.text).value()));
    return note.Serialize();
  };
  ledger::Findings audit_findings(kOrigin);
  const AuditedPartition audited = AuditPartition(database_->database(), policy, &governance_, audit_findings).value();
  const auto found = [&](const std::string& note) {
    ledger::Findings findings(kOrigin);
    const absl::Status status = AuditWitnessed(audited, policy, "w", note, findings);
    if (!status.ok()) return std::string("proves nothing");
    std::string text;
    for (const auto& finding : findings.Take()) text += finding.position + ": " + finding.message;
    return text;
  };
  EXPECT_EQ(found(note_of(303, audited.roots.at(303), *log_signer_)), "");
  EXPECT_EQ(found(note_of(audited.size, audited.roots.at(audited.size), *log_signer_)), "");
  EXPECT_EQ(found(note_of(0, ledger::EmptyRoot(), *log_signer_)), "");
  EXPECT_EQ(found(note_of(audited.size + 1, ledger::Sha256("lost"), *log_signer_)),
            "checkpoint size 558: witness w cosigned it, but the log ends at 557: it was rolled back");
  EXPECT_EQ(found(note_of(303, ledger::Sha256("other"), *log_signer_)),
            "checkpoint size 303: witness w cosigned another root than the leaves make");
  EXPECT_EQ(found(note_of(200, ledger::Sha256("other"), *log_signer_)),
            "checkpoint size 200: witness w cosigned it, but no stored batch ends here");
  EXPECT_EQ(found(note_of(900, ledger::Sha256("other"), *witness_)), "proves nothing");
  EXPECT_EQ(found("nonsense"), "proves nothing");
}

TEST_F(PartitionAudit, WhatATenantsNodeSignsIsNoClaimOfTheCustodian) {
  constexpr char kNode[] = "spiffe://custodian.example/tenant/00000000000000aa/node/agent";
  const auto node = NewSigner();
  ledger::v1::Entry enrolled;
  enrolled.set_kind(ledger::v1::KIND_ROSTER_CHANGED);
  ledger::v1::RosterChanged& change = *enrolled.mutable_roster_changed();
  change.set_author(kNode);
  change.set_key_id(std::string(ledger::AsBytes(node->public_key().key_id())));
  change.set_algorithm(node->public_key().algorithm());
  change.set_public_key(node->public_key().der());
  change.add_origins(kOrigin);
  change.add_kinds(ledger::v1::KIND_CONSENT_SET);
  governance_.Append(enrolled, ledger::Sha256("enrolled"));
  roster_.Admit(kNode, node->public_key());
  roster_.MoveTo(2, ledger::Sha256("enrolled"));
  ledger::v1::Entry entry;
  entry.set_origin(kOrigin);
  entry.set_kind(ledger::v1::KIND_CONSENT_SET);
  entry.set_author(kNode);
  entry.set_counter(1);
  entry.mutable_time()->set_seconds(absl::ToUnixSeconds(clock_.Now()));
  entry.set_idempotency_key(Sha256("node 1"));
  entry.set_subject(patient_.bytes());
  entry.add_record_sha256(Sha256("kept at the node"));
  tenants::Write write;
  const std::vector<std::string> entries = {entry.SerializeAsString()};
  write.signed_leaves = ledger::SignBatch(kOrigin, entries, *node).value();
  const auto admitted = writer_->Apply(std::move(write));
  ASSERT_TRUE(admitted.ok()) << admitted.status();
  Publish();
  EXPECT_EQ(Audit(), "");
}

TEST_F(PartitionAudit, ProvedRowsThatAreAlteredOrGoneAreNamed) {
  AddRecord(true, PatientId::Random());
  EXPECT_EQ(Audit(), "");
  const auto flip = [](const std::string& table, const std::string& column) {
    return "UPDATE " + table + " SET " + column + " = set_byte(" + column + ", 0, get_byte(" + column + ", 0) # 1)";
  };
  const std::string missing = "leaf 303: a row that was stored with this entry is missing or altered";
  struct Case {
    std::string table;
    std::string change;
    std::string finding;
  };
  const std::vector<Case> cases = {
      {"exchange.patient", "DELETE FROM exchange.patient", missing},
      {"exchange.patient", "DELETE FROM exchange.patient WHERE patient_id = '\\x" + patient_.hex() + "'", missing},
      {"exchange.patient", flip("exchange.patient", "patient_id"), "no entry names this row as it is stored"},
      {"exchange.patient", flip("exchange.patient", "record_id"), "exchange.patient " + patient_.hex() + ": no entry names"},
      {"exchange.identifier", flip("exchange.identifier", "token"), missing},
      {"exchange.identifier", flip("exchange.identifier", "record_id"), missing},
      {"exchange.identifier", flip("exchange.identifier", "patient_id"), missing},
      {"exchange.identifier", "DELETE FROM exchange.identifier", missing},
      {"exchange.order_state", "DELETE FROM exchange.order_state", "leaf 306: a row that was stored with this entry is missing"},
      {"exchange.order_state", "DELETE FROM exchange.order_state WHERE state = 'checked'", "leaf 306: a row that was stored"},
      {"exchange.order_state", "UPDATE exchange.order_state SET state = 'accepted' WHERE state = 'shown'",
       "exchange.order_state 6f6f6f6f"},
      {"exchange.card", flip("exchange.card", "card_id"), "exchange.card 62636363"},
  };
  for (const Case& one : cases) EXPECT_THAT(AuditAfter(*database_, one.table, one.change), HasSubstr(one.finding)) << one.change;
  EXPECT_EQ(Audit(), "");
}

// The projection of one partition named "north" with an avoidance, its two entries of money and a watermark.
class SavingsAudit : public PartitionAudit {
 protected:
  void SetUp() override {
    PartitionAudit::SetUp();
    auto network = testing::TestDatabase::Create("network", "network");
    ASSERT_TRUE(network.ok()) << network.status();
    network_ = *std::move(network);
    ledger::v1::Entry accepted;
    accepted.set_kind(ledger::v1::KIND_CARD_ACCEPTED);
    ledger::v1::Entry confirmed;
    confirmed.set_kind(ledger::v1::KIND_AVOIDANCE_CONFIRMED);
    ledger::v1::Money& money = *confirmed.mutable_money();
    money.set_class_id("ct-head");
    money.set_modality("CT");
    money.set_month("2026-01");
    money.set_side(ledger::v1::SIDE_ORDERING);
    money.set_cents(1'500);
    money.set_exams(1);
    ledger::v1::Entry aggregate = confirmed;
    aggregate.mutable_money()->set_aggregate(true);
    aggregate.mutable_money()->set_cents(3'000);
    aggregate.mutable_money()->set_exams(2);
    ledger::v1::Entry watermark;
    watermark.set_kind(ledger::v1::KIND_WATERMARK);
    watermark.mutable_watermark()->mutable_through()->set_seconds(1'700'000'000);
    const std::int64_t time_ms = absl::ToUnixMillis(clock_.Now());
    Apply({{accepted, confirmed, aggregate, watermark}, {OrderRow("accepted")}, {}});
    const std::string first = database_->One("SELECT size - 4 FROM ledger.head");
    const auto row = [&](const char* avoidance, int offset, const char* aggregate_month) {
      return "INSERT INTO savings.posting (avoidance_id, log_tenant, kind, side, sequence, cents, exams, month, aggregate_month, "
             "aggregate_number, entry_index) VALUES ('" + std::string(avoidance) + "', 'north', 6, 1, " + std::to_string(offset) +
             ", 1500, 1, '2026-01', '" + aggregate_month + "', 0, " + first + " + " + std::to_string(offset) + ");";
    };
    const auto avoidance = [&](const char* id) {
      return "INSERT INTO savings.avoidance (avoidance_id, ordering_tenant, source_tenant, class_id, modality, cents, month, "
             "t_ms, deadline_ms, "
             "acceptance_index) VALUES ('" +
             std::string(id) + "', 'north', 'south', 'ct-head', 'CT', 3000, '2026-01', 1, 2, " + first + ");";
    };
    const auto made =
        network_->Sql(avoidance("avoidance-000001") + avoidance("avoidance-000002") + row("avoidance-000001", 1, "") +
                      row("avoidance-000001", 2, "2026-01") + row("avoidance-000002", 2, "2026-01") +
                      "INSERT INTO savings.feed (feed_tenant, entry_index, kind, through_ms, arrived_ms) VALUES ('north', " +
                      first + " + 3, 'watermark', 1700000000000, " + std::to_string(time_ms) + ")");
    ASSERT_TRUE(made.ok()) << made.status();
  }

  std::string AuditAfterChange(const std::string& change) {
    EXPECT_TRUE(network_->Sql(change).ok()) << change;
    ledger::Findings findings(kOrigin);
    const ledger::Policy policy = ledger::Policy::Parse("log " + log_key_.ToString() + "\nquorum none\n").value();
    std::map<std::string, AuditedPartition> partitions;
    partitions.emplace("north", AuditPartition(database_->database(), policy, &governance_, findings).value());
    const auto found = AuditSavings(network_->database(), partitions);
    if (!found.ok()) return found.status().ToString();
    std::string text;
    for (const auto& finding : *found) text += finding.origin + " " + finding.position + ": " + finding.message + "\n";
    return text;
  }

  std::unique_ptr<testing::TestDatabase> network_;
};

TEST_F(SavingsAudit, ProjectionThatFollowsFromItsEntriesHasNoFindings) { EXPECT_EQ(AuditAfterChange("SELECT 1"), ""); }

TEST_F(SavingsAudit, AlteredOrMissingRowsOfTheProjectionAreNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"UPDATE savings.posting SET cents = cents + 1 WHERE sequence = 1",
       "leaf 558: the postings of the savings projection say something else"},
      {"UPDATE savings.posting SET cents = cents - 1 WHERE sequence = 1", ""},
      {"UPDATE savings.posting SET exams = -1 WHERE avoidance_id = 'avoidance-000002'", "leaf 559: the postings"},
      {"UPDATE savings.posting SET exams = 1", ""},
      {"UPDATE savings.avoidance SET class_id = 'ct-body' WHERE avoidance_id = 'avoidance-000001'", "leaf 558: the postings"},
      {"UPDATE savings.avoidance SET class_id = 'ct-head'", ""},
      {"UPDATE savings.avoidance SET acceptance_index = acceptance_index + 1 WHERE avoidance_id = 'avoidance-000001'",
       "leaf 558: avoidance 61766f6964616e63652d303030303031"},
      {"UPDATE savings.avoidance SET acceptance_index = 557", ""},
      {"UPDATE savings.feed SET through_ms = through_ms + 1", "leaf 560: the copied row of the result feed"},
      {"UPDATE savings.feed SET through_ms = through_ms - 1", ""},
      {"INSERT INTO savings.tenants_word (word_tenant, entry_index, kind, first_index, past_index, arrived_ms) VALUES ('north', 557, 'disputed', 1, 2, 3)",
       "leaf 557: the copied row of what the tenant's node says"},
      {"DELETE FROM savings.tenants_word", ""},
      // Between an entry and its mark in the projection a crash may lie.
      {"UPDATE savings.posting SET entry_index = NULL WHERE sequence = 1", ""},
      {"DELETE FROM savings.posting WHERE sequence = 1", "leaf 558: the savings projection has no posting of this entry"},
  };
  for (const auto& [change, position] : cases) {
    const std::string findings = AuditAfterChange(change);
    if (position.empty())
      EXPECT_EQ(findings, "") << change;
    else
      EXPECT_THAT(findings, HasSubstr(position)) << change;
  }
}

}  // namespace
}  // namespace custodian::log
