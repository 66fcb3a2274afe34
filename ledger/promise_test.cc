#include "ledger/promise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ledger/promise_audit.h"
#include "tests/support/served_log.h"

namespace custodian::ledger {
namespace {

using custodian::testing::Enrol;
using custodian::testing::kCustodian;
using custodian::testing::NewSigner;
using custodian::testing::ServedLog;
using ::testing::HasSubstr;

constexpr char kOrigin[] = "custodian.example/p/00000000000000bb";

// A log of some length under a checkpoint that a witness cosigned at 1,700,000,001 s, and the custodian's promises of it.
class Promises : public ::testing::Test {
 protected:
  Promises() {
    v1::Entry first;
    *first.mutable_roster_changed() = Enrol(kCustodian, custodian_->public_key(), {v1::KIND_ANCHOR});
    governance_.Append(first, EmptyRoot());
    for (int i = 0; i < 600; ++i) log_.Add({log_.NewEntry(v1::KIND_ORDER_CHECKED)}, *custodian_);
  }

  Promise Of(std::uint64_t first, std::uint64_t end, absl::Time by = kCosigned) const {
    std::vector<Hash> hashes;
    for (std::uint64_t i = first; i < end; ++i) hashes.push_back(LeafHash(i < log_.leaves.size() ? log_.leaves[i] : "not there"));
    return {kOrigin, first, end - first, RootOf(hashes), by};
  }
  PromiseVerdict Judge(const Promise& promise, absl::Time now) const {
    const auto served = log_.Serve({{witness_, signer_.get()}});
    const ByteSource read = [&served](const std::string& path) -> absl::StatusOr<std::string> {
      const auto found = served.find(path);
      return found == served.end() ? absl::StatusOr<std::string>(absl::NotFoundError(path)) : found->second;
    };
    const auto policy = Policy::Parse("log " + log_.key.ToString() + "\nwitness w " + witness_.ToString() + "\nquorum w\n").value();
    return JudgePromise(promise, ReadCheckpoint(policy, kOrigin, read).value(), now, read).value();
  }

  static constexpr absl::Time kCosigned = absl::FromUnixSeconds(1'700'000'001);
  std::unique_ptr<Signer> custodian_ = NewSigner();
  std::unique_ptr<Signer> signer_ = NewSigner();
  NoteVerifier witness_ = NoteVerifier::Create("witness.example", kNoteCosignatureV1, signer_->public_key().ed25519()).value();
  ServedLog log_{kOrigin};
  RosterHistory governance_;
};

TEST_F(Promises, SignedTogetherEachVerifiesAlone) {
  std::vector<Promise> promises;
  for (std::uint64_t i = 0; i < 7; ++i) promises.push_back(Of(i * 10, i * 10 + 1 + i));
  const auto made = SignPromises(promises, kCustodian, *custodian_);
  ASSERT_TRUE(made.ok()) << made.status();
  for (const SignedPromise& each : *made) {
    const std::string text = each.Serialize();
    const auto parsed = SignedPromise::Parse(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status() << text;
    EXPECT_EQ(parsed->Serialize(), text);
    EXPECT_TRUE(parsed->Verify(governance_).ok()) << parsed->Verify(governance_);
  }
  EXPECT_EQ(made->front().signature, made->back().signature);
  EXPECT_FALSE(SignPromises({}, kCustodian, *custodian_).ok());
}

TEST_F(Promises, AnyChangedByteProvesNothing) {
  const std::vector<Promise> promises = {Of(3, 5), Of(5, 6), Of(6, 9)};
  const std::string text = SignPromises(promises, kCustodian, *custodian_).value()[1].Serialize();
  for (std::size_t at = 0; at < text.size(); ++at) {
    std::string changed = text;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    const auto parsed = SignedPromise::Parse(changed);
    EXPECT_FALSE(parsed.ok() && parsed->Verify(governance_).ok()) << at << "\n" << changed;
    EXPECT_FALSE(SignedPromise::Parse(text.substr(0, at)).ok()) << at;
  }
}

TEST_F(Promises, OnlyTheCustodiansKeysSign) {
  const std::vector<Promise> promises = {Of(3, 5)};
  const auto verify = [&](const std::string& author, const Signer& signer) { return SignPromises(promises, author, signer).value()[0].Verify(governance_); };
  const auto stranger = NewSigner();
  EXPECT_THAT(std::string(verify(kCustodian, *stranger).message()), HasSubstr("never enrolled"));
  EXPECT_THAT(std::string(verify("spiffe://custodian.example/tenant/1/node/a", *custodian_).message()), HasSubstr("not the custodian"));
  // A key that was revoked since signed what it signed.
  v1::Entry revoked;
  *revoked.mutable_roster_changed() = Enrol(kCustodian, custodian_->public_key(), {});
  revoked.mutable_roster_changed()->set_revoked(true);
  governance_.Append(revoked, EmptyRoot());
  EXPECT_TRUE(verify(kCustodian, *custodian_).ok());
  // Of another log only.
  v1::Entry elsewhere;
  *elsewhere.mutable_roster_changed() = Enrol(kCustodian, stranger->public_key(), {}, {"custodian.example/p/00000000000000cc"});
  governance_.Append(elsewhere, EmptyRoot());
  EXPECT_FALSE(verify(kCustodian, *stranger).ok());
}

TEST_F(Promises, AreKeptNotDueOrBroken) {
  const absl::Time later = kCosigned + absl::Hours(1);
  for (const auto& [first, end] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 1}, {3, 5}, {255, 257}, {250, 520}, {512, 600}, {0, 600}})
    EXPECT_EQ(Judge(Of(first, end), later), PromiseVerdict::kKept) << first;
  EXPECT_EQ(Judge(Of(599, 601, later), later), PromiseVerdict::kNotDue);
  Promise other = Of(4, 6, later);
  other.first = 3;
  EXPECT_EQ(Judge(other, kCosigned), PromiseVerdict::kBrokenOtherLeaves);
  EXPECT_EQ(Judge(Of(600, 601, kCosigned - absl::Milliseconds(1)), later), PromiseVerdict::kBrokenNotCovered);
  EXPECT_EQ(Judge(Of(600, 601, kCosigned), later), PromiseVerdict::kBrokenNothingNewer);
  EXPECT_EQ(Judge(Of(600, 601, kCosigned), kCosigned), PromiseVerdict::kNotDue);
}

}  // namespace
}  // namespace custodian::ledger
