#include "services/node/admitted_logs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <span>
#include <thread>

#include "absl/time/clock.h"
#include "ledger/entry.h"
#include "ledger/tiles.h"
#include "tests/support/temporary_directory.h"

namespace custodian::node {
namespace {

namespace v1 = ledger::v1;
using ledger::NoteVerifier;

constexpr char kGovernance[] = "custodian.example/p/00000000000000aa";
constexpr char kCustodian[] = "spiffe://custodian.example/custodian/serve";

std::unique_ptr<ledger::Signer> NewSigner() {
  return ledger::SignerFromPem(ledger::NewPrivateKeyPem(v1::SIGNATURE_ALGORITHM_ED25519).value()).value();
}

NoteVerifier LogKey(const std::string& origin) {
  return NoteVerifier::Create(origin, ledger::kNoteEd25519, NewSigner()->public_key().ed25519()).value();
}

class AdmittedLogsOf : public ::testing::Test {
 protected:
  AdmittedLogsOf() {
    std::ofstream(folder_.Join("logs")) << key_.ToString() << "\n";
    v1::Entry first = NewEntry(v1::KIND_ROSTER_CHANGED);
    v1::RosterChanged& change = *first.mutable_roster_changed();
    change.set_author(kCustodian);
    change.set_key_id(std::string(ledger::AsBytes(author_->public_key().key_id())));
    change.set_algorithm(author_->public_key().algorithm());
    change.set_public_key(author_->public_key().der());
    for (const v1::Kind kind : {v1::KIND_ROSTER_CHANGED, v1::KIND_TENANT_ADMITTED}) change.add_kinds(kind);
    Add(first);
    Publish();
  }

  v1::Entry NewEntry(v1::Kind kind) {
    v1::Entry entry;
    entry.set_origin(kGovernance);
    entry.set_kind(kind);
    entry.set_author(kCustodian);
    entry.set_counter(++counter_);
    entry.mutable_time()->set_seconds(1'700'000'000);
    entry.set_idempotency_key(std::string(ledger::AsBytes(ledger::Sha256("key" + std::to_string(counter_)))));
    return entry;
  }
  void Add(const v1::Entry& entry) {
    const std::vector<std::string> batch = ledger::SignBatch(kGovernance, std::vector<std::string>{entry.SerializeAsString()}, *author_).value();
    leaves_.push_back(batch.front());
  }
  void Admit(const NoteVerifier& log) {
    v1::Entry entry = NewEntry(v1::KIND_TENANT_ADMITTED);
    entry.mutable_tenant_admitted()->set_tenant_id("00000000000000b" + std::to_string(counter_));
    entry.mutable_tenant_admitted()->set_name("tenant-" + std::to_string(counter_));
    entry.mutable_tenant_admitted()->set_origin(log.name());
    entry.mutable_tenant_admitted()->set_log_vkey(log.ToString());
    Add(entry);
    Publish();
  }
  // What is served from here on.
  void Publish() {
    std::map<std::string, std::string> served;
    ledger::CompactRange range;
    ledger::TileBuilder tiles([&](const ledger::TilePath& path, const std::string& bytes) { served[path.ToString()] = bytes; });
    for (const std::string& leaf : leaves_) {
      tiles.Append(ledger::LeafHash(leaf));
      range.Append(ledger::LeafHash(leaf));
    }
    tiles.EmitPartial();
    for (const ledger::TilePath& path : ledger::TilesOf(leaves_.size()))
      if (path.entries)
        served[path.ToString()] = ledger::EncodeBundle(std::span(leaves_).subspan(path.first(), path.width)).value();
    ledger::Note note{ledger::Checkpoint{kGovernance, leaves_.size(), range.Root()}.Serialize(), {}};
    note.signatures.push_back(ledger::LogSignature(key_, signer_->Sign(note.text).value()));
    served["checkpoint"] = note.Serialize();
    const absl::MutexLock lock(&mutex_);
    served_ = std::move(served);
  }
  ledger::ByteSource Source() {
    return [this](const std::string& path) -> absl::StatusOr<std::string> {
      const absl::MutexLock lock(&mutex_);
      const auto found = served_.find(path);
      if (found == served_.end()) return absl::NotFoundError(path);
      return found->second;
    };
  }

  testing::TemporaryDirectory folder_;
  std::unique_ptr<ledger::Signer> signer_ = NewSigner();
  const NoteVerifier key_ = NoteVerifier::Create(kGovernance, ledger::kNoteEd25519, signer_->public_key().ed25519()).value();
  std::unique_ptr<ledger::Signer> author_ = NewSigner();
  KnownLogs known_{folder_.Join("logs")};
  std::uint64_t counter_ = 0;
  std::vector<std::string> leaves_;
  absl::Mutex mutex_;
  std::map<std::string, std::string> served_;
};

TEST_F(AdmittedLogsOf, NewTenantsLogIsKnownWithoutARestart) {
  AdmittedLogs admitted(known_, Source(), absl::Milliseconds(1));
  known_.OnUnknown([&admitted] { admitted.Ask(); });
  std::thread thread([&admitted] { admitted.Run(); });
  const NoteVerifier log = LogKey("custodian.example/p/00000000000000bb");
  EXPECT_TRUE(known_.Find(log.name()).empty());
  Admit(log);
  // Whoever publishes it asks again and again.
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (known_.Find(log.name()).empty() && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(5));
  ASSERT_EQ(known_.Find(log.name()).size(), 1u);
  EXPECT_EQ(known_.Find(log.name())[0].ToString(), log.ToString());
  admitted.Stop();
  thread.join();
}

TEST_F(AdmittedLogsOf, TheFileOfLogsComesFirst) {
  const NoteVerifier log = LogKey("custodian.example/p/00000000000000bb");
  const NoteVerifier other = LogKey(log.name());
  Admit(other);
  std::ofstream(folder_.Join("logs"), std::ios::app) << log.ToString() << "\n";
  AdmittedLogs admitted(known_, Source());
  ASSERT_TRUE(admitted.Refresh().ok());
  ASSERT_EQ(known_.Find(log.name()).size(), 1u);
  EXPECT_EQ(known_.Find(log.name())[0].ToString(), log.ToString());
}

TEST_F(AdmittedLogsOf, RewrittenGovernanceLogAdmitsNothing) {
  AdmittedLogs admitted(known_, Source());
  const NoteVerifier first = LogKey("custodian.example/p/00000000000000bb");
  Admit(first);
  ASSERT_TRUE(admitted.Refresh().ok());
  leaves_.pop_back();
  --counter_;
  const NoteVerifier second = LogKey("custodian.example/p/00000000000000cc");
  Admit(LogKey(first.name()));
  Admit(second);
  EXPECT_EQ(admitted.Refresh().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(known_.Find(second.name()).empty());
  EXPECT_EQ(known_.Find(first.name()).at(0).ToString(), first.ToString());
}

TEST_F(AdmittedLogsOf, ALogAdmittedAgainWithAnotherKeyKeepsItsFirst) {
  const NoteVerifier log = LogKey("custodian.example/p/00000000000000bb");
  Admit(log);
  AdmittedLogs admitted(known_, Source());
  ASSERT_TRUE(admitted.Refresh().ok());
  Admit(LogKey(log.name()));
  EXPECT_EQ(admitted.Refresh().code(), absl::StatusCode::kDataLoss);
  ASSERT_EQ(known_.Find(log.name()).size(), 1u);
  EXPECT_EQ(known_.Find(log.name())[0].ToString(), log.ToString());
}

TEST_F(AdmittedLogsOf, EntryOfAStrangerAdmitsNothing) {
  author_ = NewSigner();
  const NoteVerifier log = LogKey("custodian.example/p/00000000000000bb");
  Admit(log);
  AdmittedLogs admitted(known_, Source());
  EXPECT_EQ(admitted.Refresh().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(known_.Find(log.name()).empty());
}

TEST_F(AdmittedLogsOf, GovernanceLogOfAnotherKeyIsNotBelieved) {
  signer_ = NewSigner();
  Admit(LogKey("custodian.example/p/00000000000000bb"));
  AdmittedLogs admitted(known_, Source());
  EXPECT_EQ(admitted.Refresh().code(), absl::StatusCode::kUnauthenticated);
  std::ofstream(folder_.Join("logs")) << LogKey("custodian.example/p/00000000000000ff").ToString() << "\n";
  EXPECT_EQ(admitted.Refresh().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace custodian::node
