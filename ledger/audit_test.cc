#include "ledger/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "ledger/audit_tiles.h"
#include "ledger/receipt.h"
#include "ledger/tiles.h"
#include "tests/support/served_log.h"

namespace custodian::ledger {
namespace {

using custodian::testing::Enrol;
using custodian::testing::NewSigner;
using ::testing::HasSubstr;
using TestLog = custodian::testing::ServedLog;

constexpr char kGovernance[] = "custodian.example/p/00000000000000aa";
constexpr char kPartition[] = "custodian.example/p/00000000000000bb";
using custodian::testing::kCustodian;

class Audit : public ::testing::Test {
 protected:
  Audit() {
    v1::Entry first = governance_.NewEntry(v1::KIND_ROSTER_CHANGED);
    *first.mutable_roster_changed() = Enrol(kCustodian, author_->public_key(), testing::AllKinds());
    governance_.Add({first}, *author_);
    AddAnchor();
    for (int batch = 0; batch < 3; ++batch) {
      std::vector<v1::Entry> entries;
      for (int i = 0; i < 100; ++i) entries.push_back(partition_.NewEntry(v1::KIND_ORDER_CHECKED));
      partition_.Add(entries, *author_);
    }
  }

  v1::Entry AnchorEntry() {
    v1::Entry anchor = partition_.NewEntry(v1::KIND_ANCHOR);
    anchor.mutable_anchor()->set_governance_size(governance_.leaves.size());
    anchor.mutable_anchor()->set_governance_root(std::string(AsBytes(governance_.Root())));
    return anchor;
  }
  void AddAnchor() { partition_.Add({AnchorEntry()}, *author_); }

  Policy PolicyText() const {
    return Policy::Parse("log " + governance_.key.ToString() + "\nlog " + partition_.key.ToString() + "\nwitness w " +
                         witness_.ToString() + "\nquorum w\n")
        .value();
  }
  std::map<std::string, std::string> Serve(const TestLog& log) const { return log.Serve({{witness_, witness_signer_.get()}}); }

  static ByteSource SourceOf(const std::map<std::string, std::string>& served) {
    return [&served](const std::string& path) -> absl::StatusOr<std::string> {
      const auto found = served.find(path);
      return found == served.end() ? absl::StatusOr<std::string>(absl::NotFoundError(path)) : found->second;
    };
  }

  // Findings of the partition (or of the governance log when that has any), as "position: message" lines.
  std::string Run(const std::map<std::string, std::string>& governance, const std::map<std::string, std::string>& partition) {
    const Policy policy = PolicyText();
    Findings findings(kGovernance);
    const absl::StatusOr<AuditedLog> audited = AuditTiles(policy, nullptr, SourceOf(governance), findings);
    if (!audited.ok()) return audited.status().ToString();
    Findings partition_findings(kPartition);
    const absl::StatusOr<AuditedLog> log = AuditTiles(policy, &audited->history, SourceOf(partition), partition_findings);
    if (!log.ok()) return log.status().ToString();
    std::string text;
    for (const Finding& finding : findings.Take()) text += "governance " + finding.position + ": " + finding.message + "\n";
    for (const Finding& finding : partition_findings.Take()) text += finding.position + ": " + finding.message + "\n";
    return text;
  }
  std::string Run() { return Run(Serve(governance_), Serve(partition_)); }

  std::unique_ptr<Signer> author_ = NewSigner();
  std::unique_ptr<Signer> other_ = NewSigner();
  std::unique_ptr<Signer> witness_signer_ = NewSigner();
  NoteVerifier witness_ =
      NoteVerifier::Create("witness.example", kNoteCosignatureV1, witness_signer_->public_key().ed25519()).value();
  TestLog governance_{kGovernance};
  TestLog partition_{kPartition};
};

TEST_F(Audit, HonestLogsHaveNoFindings) { EXPECT_EQ(Run(), ""); }

TEST_F(Audit, AnyChangedByteOfAnyServedResourceIsFoundAndNamed) {
  const std::map<std::string, std::string> governance = Serve(governance_);
  const std::map<std::string, std::string> partition = Serve(partition_);
  for (const auto& [path, bytes] : partition) {
    for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
      std::map<std::string, std::string> spoilt = partition;
      spoilt[path][at] = static_cast<char>(spoilt[path][at] ^ 1);
      const std::string findings = Run(governance, spoilt);
      EXPECT_NE(findings, "") << path << " byte " << at;
      if (path.find("entries") == std::string::npos && path != "checkpoint") {
        EXPECT_THAT(findings, HasSubstr(path));
      }
    }
    std::map<std::string, std::string> without = partition;
    without.erase(path);
    EXPECT_NE(Run(governance, without), "") << path;
  }
  for (const auto& [path, bytes] : governance) {
    std::map<std::string, std::string> spoilt = governance;
    spoilt[path][bytes.size() / 2] ^= 1;
    EXPECT_NE(Run(spoilt, partition), "") << path;
  }
}

TEST_F(Audit, CheckpointWithoutItsQuorumIsNotBelieved) {
  EXPECT_THAT(Run(Serve(governance_), partition_.Serve({})), HasSubstr("UNAUTHENTICATED"));
  EXPECT_THAT(Run(governance_.Serve({}), Serve(partition_)), HasSubstr("UNAUTHENTICATED"));
}

TEST_F(Audit, ClaimedSizeTakesNoMemory) {
  auto served = Serve(partition_);
  Note note{Checkpoint{kPartition, std::uint64_t{1} << 62, partition_.Root()}.Serialize(), {}};
  note.signatures.push_back(LogSignature(partition_.key, partition_.signer->Sign(note.text).value()));
  const absl::Time time = absl::FromUnixSeconds(1'700'000'001);
  note.signatures.push_back(CosignatureV1(witness_, time, witness_signer_->Sign(CosignatureMessage(time, note.text)).value()));
  served["checkpoint"] = note.Serialize();
  // 301 leaves: one full bundle, then none.
  EXPECT_THAT(Run(Serve(governance_), served), ::testing::StartsWith("tile/entries/001: "));
}

TEST_F(Audit, KeyThatWasNeverEnrolledIsFound) {
  partition_.Add({partition_.NewEntry(v1::KIND_ORDER_CHECKED)}, *other_);
  EXPECT_THAT(Run(), HasSubstr("leaf 301: the author's key is not enrolled"));
}

TEST_F(Audit, EntryIsJudgedByTheLastAnchorBeforeIt) {
  // Enrolled, but no anchor says so yet.
  v1::Entry enrolled = governance_.NewEntry(v1::KIND_ROSTER_CHANGED);
  *enrolled.mutable_roster_changed() = Enrol("spiffe://node", other_->public_key(), {v1::KIND_WATERMARK}, {kPartition});
  governance_.Add({enrolled}, *author_);
  v1::Entry early = partition_.NewEntry(v1::KIND_WATERMARK);
  early.set_author("spiffe://node");
  early.set_counter(1);
  early.mutable_watermark()->mutable_through()->set_seconds(1);
  --partition_.counter;
  partition_.Add({early}, *other_);
  EXPECT_THAT(Run(), HasSubstr("leaf 301: the author's key is not enrolled"));
  partition_.leaves.pop_back();
  AddAnchor();
  partition_.Add({early}, *other_);
  EXPECT_EQ(Run(), "");
  // Another kind, with the same key; a counter is not counted for who may not write.
  v1::Entry wrong = early;
  wrong.set_kind(v1::KIND_ORDER_CHECKED);
  wrong.clear_watermark();
  partition_.Add({wrong}, *other_);
  const std::string findings = Run();
  EXPECT_THAT(findings, HasSubstr("leaf 303: the author is not enrolled for KIND_ORDER_CHECKED"));
  EXPECT_THAT(findings, ::testing::Not(HasSubstr("counter 1")));
  EXPECT_THAT(findings, HasSubstr("leaf 303: the idempotency key of this author was used before"));
}

TEST_F(Audit, RevokedKeyIsFoundFromTheAnchorOn) {
  v1::Entry enrolled = governance_.NewEntry(v1::KIND_ROSTER_CHANGED);
  *enrolled.mutable_roster_changed() = Enrol(kCustodian, other_->public_key(), {v1::KIND_ANCHOR, v1::KIND_ORDER_CHECKED});
  v1::Entry revoked = governance_.NewEntry(v1::KIND_ROSTER_CHANGED);
  *revoked.mutable_roster_changed() = Enrol(kCustodian, author_->public_key(), {});
  revoked.mutable_roster_changed()->set_revoked(true);
  governance_.Add({enrolled, revoked}, *author_);
  // The new key writes the anchor that makes it known.
  partition_.Add({AnchorEntry()}, *other_);
  partition_.Add({partition_.NewEntry(v1::KIND_ORDER_CHECKED)}, *other_);
  EXPECT_EQ(Run(), "");
  partition_.Add({partition_.NewEntry(v1::KIND_ORDER_CHECKED)}, *author_);
  EXPECT_THAT(Run(), HasSubstr("leaf 303: the author's key is not enrolled"));
}

TEST_F(Audit, AnchorsNeverGoBackAndNameTheGovernanceLogAsItWas) {
  v1::Entry back = AnchorEntry();
  v1::Entry policy = governance_.NewEntry(v1::KIND_POLICY_SET);
  policy.mutable_policy_set()->set_policy("quorum none\n");
  governance_.Add({policy}, *author_);
  v1::Entry forward = AnchorEntry();
  const std::uint64_t counter = back.counter();
  back.set_counter(forward.counter());
  forward.set_counter(counter);
  partition_.Add({forward, back}, *author_);
  EXPECT_EQ(Run(), "leaf 302: the anchor goes back to governance size 1 from 2\n");
  partition_.leaves.resize(301);
  forward.mutable_anchor()->set_governance_root(std::string(32, 'r'));
  partition_.Add({forward}, *author_);
  EXPECT_EQ(Run(), "leaf 301: the anchor names another root than the governance log has at size 2\n");
  partition_.leaves.resize(301);
  forward.mutable_anchor()->set_governance_size(3);
  partition_.Add({forward}, *author_);
  EXPECT_THAT(Run(), HasSubstr("leaf 301: the anchor names a size the governance log does not have"));
}

TEST_F(Audit, CountersOfTheCustodianHaveNoGap) {
  ++partition_.counter;
  partition_.Add({partition_.NewEntry(v1::KIND_ORDER_CHECKED)}, *author_);
  EXPECT_EQ(Run(), "leaf 301: counter 303 follows 301 of the same author\n");
}

TEST_F(Audit, CountersOfOthersComeInAnyOrderAndOnce) {
  v1::Entry enrolled = governance_.NewEntry(v1::KIND_ROSTER_CHANGED);
  *enrolled.mutable_roster_changed() = Enrol("spiffe://node", other_->public_key(), {v1::KIND_WATERMARK}, {kPartition});
  governance_.Add({enrolled}, *author_);
  AddAnchor();
  const auto add = [this](std::uint64_t counter) {
    v1::Entry entry = partition_.NewEntry(v1::KIND_WATERMARK);
    --partition_.counter;
    entry.set_author("spiffe://node");
    entry.set_counter(counter);
    entry.mutable_watermark()->mutable_through()->set_seconds(1);
    partition_.Add({entry}, *other_);
  };
  for (const std::uint64_t counter : {5, 3, 4, 1, 9, 2, 8, 6}) add(counter);
  EXPECT_EQ(Run(), "");
  for (const std::uint64_t counter : {5, 3, 4, 1, 9, 2, 8, 6}) {
    add(counter);
    EXPECT_EQ(Run(), "leaf 310: counter " + std::to_string(counter) + " of this author was used before\n");
    partition_.leaves.pop_back();
  }
  add(7);
  EXPECT_EQ(Run(), "");
}

TEST_F(Audit, EntryOfAnotherLogOrKindIsFound) {
  v1::Entry entry = partition_.NewEntry(v1::KIND_ORDER_CHECKED);
  entry.set_origin(kGovernance);
  v1::Entry policy = partition_.NewEntry(v1::KIND_POLICY_SET);
  policy.mutable_policy_set()->set_policy("quorum none\n");
  partition_.Add({entry, policy}, *author_);
  const std::string findings = Run();
  EXPECT_THAT(findings, HasSubstr("leaf 301: the entry is of another log"));
  EXPECT_THAT(findings, HasSubstr("leaf 302: KIND_POLICY_SET does not belong on this log"));
}

TEST_F(Audit, PartitionWithoutAnAnchorTrustsNobody) {
  partition_ = TestLog(kPartition);
  partition_.Add({partition_.NewEntry(v1::KIND_ORDER_CHECKED)}, *author_);
  EXPECT_THAT(Run(), HasSubstr("leaf 0: no anchor before this entry says who may write"));
}

TEST_F(Audit, GovernanceLogBeginsWithItsAuthorsOwnKey) {
  governance_ = TestLog(kGovernance);
  v1::Entry first = governance_.NewEntry(v1::KIND_ROSTER_CHANGED);
  *first.mutable_roster_changed() = Enrol(kCustodian, author_->public_key(), {v1::KIND_ANCHOR});
  governance_.Add({first}, *other_);
  EXPECT_THAT(Run(), HasSubstr("governance leaf 0: the first entry of a governance log must enrol its own author's key"));
}

TEST_F(Audit, GovernanceChangeByAStrangerIsFoundAndChangesNothing) {
  v1::Entry stranger = governance_.NewEntry(v1::KIND_ROSTER_CHANGED);
  *stranger.mutable_roster_changed() = Enrol(kCustodian, other_->public_key(), {v1::KIND_ORDER_CHECKED});
  governance_.Add({stranger}, *other_);
  AddAnchor();
  partition_.Add({partition_.NewEntry(v1::KIND_ORDER_CHECKED)}, *other_);
  const std::string findings = Run();
  EXPECT_THAT(findings, HasSubstr("governance leaf 1: the author's key is not enrolled"));
  EXPECT_THAT(findings, HasSubstr("leaf 302: the author's key is not enrolled"));
}

TEST_F(Audit, LogAdmittedAgainWithAnotherKeyOrTenantIsFoundAndKeepsItsFirst) {
  const NoteVerifier other = NoteVerifier::Create(kPartition, kNoteEd25519, other_->public_key().ed25519()).value();
  const std::string first = "0000000000000001";
  governance_.Add({testing::Admission(governance_, kPartition, partition_.key, first)}, *author_);
  governance_.Add({testing::Admission(governance_, kPartition, partition_.key, first)}, *author_);
  EXPECT_EQ(Run(), "");
  // By a stranger, who may admit nothing: that he may not is all that is wrong.
  governance_.Add({testing::Admission(governance_, kPartition, other, first)}, *other_);
  EXPECT_EQ(Run(), "governance leaf 3: the author's key is not enrolled\n");
  governance_.Add({testing::Admission(governance_, kPartition, other, first)}, *author_);
  governance_.Add({testing::Admission(governance_, kPartition, partition_.key, "0000000000000002")}, *author_);
  const std::string findings = Run();
  EXPECT_THAT(findings, HasSubstr("governance leaf 4: the log " + std::string(kPartition) + " was admitted before, with another key or for another tenant"));
  EXPECT_THAT(findings, HasSubstr("governance leaf 5: the log"));
  const auto served = Serve(governance_);
  Findings about(kGovernance);
  const v1::TenantAdmitted admitted = AuditTiles(PolicyText(), nullptr, SourceOf(served), about)->history.admitted().at(kPartition);
  EXPECT_EQ(admitted.log_vkey(), partition_.key.ToString());
  EXPECT_EQ(admitted.tenant_id(), first);
}

class ReceiptOf : public Audit {
 protected:
  Receipt Make(std::uint64_t index) {
    const std::uint64_t size = partition_.leaves.size();
    Receipt receipt{partition_.leaves[index], index, {}, Serve(partition_)["checkpoint"]};
    receipt.proof = InclusionProof(index, size, [this](unsigned level, std::uint64_t at) -> absl::StatusOr<Hash> {
                      CompactRange range;
                      for (std::uint64_t i = at << level; i < (at + 1) << level; ++i)
                        range.Append(LeafHash(partition_.leaves[i]));
                      return range.Root();
                    }).value();
    return receipt;
  }
};

TEST_F(ReceiptOf, ProvesItsLeafWithThePolicyAlone) {
  const Receipt receipt = Make(17);
  const absl::StatusOr<Receipt> again = Receipt::Parse(receipt.Serialize());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->Serialize(), receipt.Serialize());
  const absl::StatusOr<Receipt::Verified> verified = again->Verify(PolicyText());
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->leaf.entry.counter(), 18u);
  EXPECT_EQ(verified->checkpoint.size, 301u);
}

TEST_F(ReceiptOf, AnyChangedByteIsRefused) {
  const std::string good = Make(3).Serialize();
  const Policy policy = PolicyText();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    const absl::StatusOr<Receipt> receipt = Receipt::Parse(bad);
    EXPECT_FALSE(receipt.ok() && receipt->Verify(policy).ok()) << "byte " << i;
  }
  Receipt bare = Make(3);
  bare.leaf.clear();
  EXPECT_FALSE(Receipt::Parse(bare.Serialize())->Verify(policy).ok());
}

class FailingPages final : public SubjectPages {
 public:
  absl::StatusOr<std::map<std::string, std::string>> Read(const std::vector<std::string>& /*prefixes*/) override { return absl::DataLossError("the disk"); }
  absl::Status Write(const std::map<std::string, std::string>& /*pages*/) override { return absl::DataLossError("the disk"); }
};

TEST_F(Audit, AFaultOfWhereTheMapIsKeptIsNoneOfTheLog) {
  v1::Entry entry = partition_.NewEntry(v1::KIND_DISCLOSURE);
  entry.set_subject(std::string(kSubjectBytes, 'a'));
  v1::Entry map = partition_.NewEntry(v1::KIND_SUBJECT_MAP);
  map.mutable_subject_map()->set_size(partition_.leaves.size() + 1);
  map.mutable_subject_map()->set_root(std::string(32, 'r'));
  partition_.Add({entry, map}, *author_);
  const auto served = Serve(governance_);
  Findings governing(kGovernance), findings(kPartition);
  const auto governance = AuditTiles(PolicyText(), nullptr, SourceOf(served), governing);
  ASSERT_TRUE(governance.ok()) << governance.status();
  LogAuditor auditor(findings, governance->history);
  auditor.KeepSubjectsIn(std::make_unique<FailingPages>());
  for (const std::string& leaf : partition_.leaves) auditor.Add(leaf, LeafHash(leaf));
  for (const Finding& finding : findings.Take()) ADD_FAILURE() << finding.position << ": " << finding.message;
  EXPECT_TRUE(absl::IsDataLoss(auditor.failed()));
}

TEST_F(Audit, GoesOnFromAStateAtAnySize) {
  other_ = NewSigner();
  // Faults on both sides: a wrong signature, and a key that comes again.
  partition_.Add({partition_.NewEntry(v1::KIND_ORDER_CHECKED)}, *other_);
  v1::Entry again = partition_.NewEntry(v1::KIND_ORDER_CHECKED);
  partition_.Add({again, again}, *author_);
  const auto governance = Serve(governance_);
  const auto served = Serve(partition_);
  const std::string whole = Run(governance, served);
  EXPECT_THAT(whole, HasSubstr("leaf 303"));
  const ByteSource read = SourceOf(served);
  Findings about_governance(kGovernance);
  const RosterHistory history = AuditTiles(PolicyText(), nullptr, SourceOf(governance), about_governance)->history;
  const std::uint64_t size = partition_.leaves.size();
  const Checkpoint checkpoint{kPartition, size, partition_.Root()};
  for (const std::uint64_t stop : {std::uint64_t{1}, std::uint64_t{255}, std::uint64_t{256}, std::uint64_t{302}, size}) {
    v1::AuditState state;
    {
      Findings findings(kPartition);
      TilesAuditor auditor(findings, &history, read);
      for (std::uint64_t index = 0; index * kTileWidth < stop; ++index) {
        PreparedBundle bundle = PrepareBundle(kPartition, index, size, read, history.Keys());
        if ((index + 1) * kTileWidth > stop) bundle.leaves.resize(stop - index * kTileWidth);
        EXPECT_TRUE(auditor.Take(bundle).value());
      }
      auditor.Save(state);
    }
    Findings findings(kPartition);
    TilesAuditor auditor(findings, &history, read);
    ASSERT_TRUE(auditor.Resume(state).ok());
    while (auditor.size() < size)
      EXPECT_TRUE(auditor.Take(PrepareBundle(kPartition, auditor.size() / kTileWidth, size, read, {})).value());
    EXPECT_TRUE(auditor.Finish(checkpoint).value());
    std::string text;
    for (const Finding& finding : findings.Take()) text += finding.position + ": " + finding.message + "\n";
    EXPECT_EQ(text, whole) << stop;
    v1::AuditState other = state;
    other.set_root(std::string(32, 'x'));
    TilesAuditor refusing(findings, &history, read);
    EXPECT_EQ(refusing.Resume(other).code(), absl::StatusCode::kInvalidArgument);
    other = state;
    other.set_anchor_root(std::string(32, 'x'));
    TilesAuditor elsewhere(findings, &history, read);
    EXPECT_EQ(elsewhere.Resume(other).code(), absl::StatusCode::kFailedPrecondition);
  }
}

}  // namespace
}  // namespace custodian::ledger
