#include "services/node/signing_agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/support/fake_clock.h"
#include "tests/support/served_log.h"
#include "tests/support/temporary_directory.h"

namespace custodian::node {
namespace {

using ::testing::HasSubstr;
using ledger::AsBytes;
using ledger::Sha256;
using ledger::v1::Entry;

constexpr char kOrigin[] = "custodian.example/p/00000000000000bb";
constexpr char kAuthor[] = "spiffe://custodian.example/tenant/00000000000000bb/node/agent";

// A custodian that reports acts, opens what it committed to, and admits what the agent signs; each of which may go wrong.
class AgentOf : public ::testing::Test {
 protected:
  AgentOf() {
    std::filesystem::create_directory(sent_);
    Entry anchor = log_.NewEntry(ledger::v1::KIND_ANCHOR);
    anchor.mutable_anchor()->set_governance_root(std::string(AsBytes(ledger::EmptyRoot())));
    log_.Add({anchor}, *custodian_);
  }

  // The custodian reports a request; its index.
  std::uint64_t Report(const std::string& token, const std::string& body, ledger::v1::Kind kind = ledger::v1::KIND_ORDER_CHECKED,
                       const std::string& card = "") {
    const std::string salt(32, 's');
    const std::string detail = R"({"body_sha256":")" + Hex(body) + R"(","card":")" + card + R"(","token_sha256":")" + Hex(token) + R"("})";
    Entry entry = log_.NewEntry(kind);
    entry.set_reported(true);
    entry.set_detail_commitment(std::string(AsBytes(Sha256(salt + detail))));
    entry.set_sealed_detail("sealed");
    opened_[log_.leaves.size()] = {salt, detail};
    log_.Add({entry}, *custodian_);
    return log_.leaves.size() - 1;
  }
  void Sent(const std::string& token, const std::string& body) {
    std::ofstream(sent_ + "/ehr.jsonl", std::ios::app) << SentRequestLine(Sha256(token), Sha256(body), "2026-11-30T00:00:00Z");
  }
  // Feedback, with its body.
  void SentFeedback(const std::string& token, const std::string& card, const std::string& outcome) {
    std::ofstream(sent_ + "/ehr.jsonl", std::ios::app) << R"({"body":"{\"feedback\":[{\"card\":\")" << card << R"(\",\"outcome\":\")" << outcome
                                                       << R"(\"}]}","token_sha256":")" << Hex(token) << "\"}\n";
  }
  static std::string Feedback(const std::string& card, const std::string& outcome) {
    return R"({"feedback":[{"card":")" + card + R"(","outcome":")" + outcome + R"("}]})";
  }
  static std::string Hex(const std::string& text) {
    std::string hex;
    for (const unsigned char byte : Sha256(text)) {
      constexpr char kDigits[] = "0123456789abcdef";
      hex += {kDigits[byte >> 4], kDigits[byte & 15]};
    }
    return hex;
  }

  void Start(std::uint64_t from = 0) {
    agent_.reset();
    SigningAgent::Options options{
        .policy = ledger::Policy::Parse("log " + log_.key.ToString() + "\nquorum none\n").value(),
        .author = kAuthor,
        .from = from,
        .read = [this](const std::string& path) -> absl::StatusOr<std::string> {
          const auto served = log_.Serve({});
          const auto found = served.find(path);
          return found == served.end() ? absl::StatusOr<std::string>(absl::NotFoundError(path)) : found->second;
        },
        .open = [this](const std::string& /*origin*/, const std::vector<std::uint64_t>& indexes) -> absl::StatusOr<std::vector<SigningAgent::Opened>> {
          if (!open_fails_.ok()) return open_fails_;
          std::vector<SigningAgent::Opened> opened;
          for (const std::uint64_t index : indexes) opened.push_back(opened_[index]);
          return opened;
        },
        .append = [this](const std::string& /*origin*/, const std::vector<std::string>& leaves) -> absl::StatusOr<std::string> {
          sent_batches_.push_back(leaves);
          if (append_admits_) log_.leaves.insert(log_.leaves.end(), leaves.begin(), leaves.end());
          if (!append_fails_.ok()) return append_fails_;
          return "a promise\n";
        }};
    auto agent = SigningAgent::Create(std::move(options), ledger::SignerFromPem(pem_).value(), directory_.Join("agent"), sent_, clock_);
    ASSERT_TRUE(agent.ok()) << agent.status();
    agent_ = *std::move(agent);
  }
  // "countersigned 0-3; disputed 2 NOT_SENT; void 4": what the log holds of the agent.
  std::string Said() const {
    std::string text;
    for (const std::string& bytes : log_.leaves) {
      const Entry entry = ledger::ParseLeaf(bytes).value().entry;
      if (entry.author() != kAuthor) continue;
      if (!text.empty()) text += "; ";
      if (entry.has_countersigned()) text += "countersigned " + std::to_string(entry.countersigned().first()) + "-" + std::to_string(entry.countersigned().end());
      if (entry.has_disputed()) text += "disputed " + std::to_string(entry.disputed().index()) + " " + ledger::v1::DisputeReason_Name(entry.disputed().reason()).substr(15);
      if (entry.kind() == ledger::v1::KIND_VOID) text += "void " + std::to_string(entry.counter());
    }
    return text;
  }
  // The counters of the agent's entries, as whoever audits the log sees them.
  std::vector<std::uint64_t> Counters() const {
    std::vector<std::uint64_t> counters;
    for (const std::string& bytes : log_.leaves)
      if (const Entry entry = ledger::ParseLeaf(bytes).value().entry; entry.author() == kAuthor) counters.push_back(entry.counter());
    std::sort(counters.begin(), counters.end());
    return counters;
  }

  testing::TemporaryDirectory directory_;
  const std::string sent_ = directory_.Join("sent");
  testing::FakeClock clock_;
  std::string pem_ = ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value();
  std::unique_ptr<ledger::Signer> custodian_ = testing::NewSigner();
  testing::ServedLog log_{kOrigin};
  std::map<std::uint64_t, SigningAgent::Opened> opened_;
  absl::Status open_fails_;
  absl::Status append_fails_;
  bool append_admits_ = true;
  std::vector<std::vector<std::string>> sent_batches_;
  std::unique_ptr<SigningAgent> agent_;
};

TEST_F(AgentOf, CountersignsWhatWasSentAndDisputesTheRest) {
  Sent("t1", "b1");
  Report("t1", "b1");
  const auto invented = Report("t2", "b2");
  const auto changed = Report("t1", "b3", ledger::v1::KIND_CARD_ACCEPTED);
  Start();
  const absl::Status status = agent_->Step();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Said(), "disputed " + std::to_string(invented) + " NOT_SENT; disputed " + std::to_string(changed) + " SAID_OTHERWISE; countersigned 0-4");
  const auto range = ledger::ParseLeaf(log_.leaves.back()).value().entry.countersigned();
  ledger::CompactRange before;
  for (int i = 0; i < 4; ++i) before.Append(ledger::LeafHash(log_.leaves[static_cast<std::size_t>(i)]));
  EXPECT_EQ(range.root(), AsBytes(before.Root()));
  // Its own entries are nothing to say anything of.
  ASSERT_TRUE(agent_->Step().ok());
  EXPECT_EQ(sent_batches_.size(), 1u);
  EXPECT_TRUE(std::filesystem::exists(directory_.Join("agent/promises/3.promise")));
}

TEST_F(AgentOf, AnOutcomeIsHeldAgainstTheFeedbackThatWasSent) {
  Sent("t1", "b1");
  SentFeedback("t2", "c1", "accepted");
  SentFeedback("t3", "c2", "overridden");
  using ledger::v1::KIND_CARD_ACCEPTED;
  using ledger::v1::KIND_CARD_OVERRIDDEN;
  Report("t2", Feedback("c1", "accepted"), KIND_CARD_ACCEPTED, "C1");
  Report("t3", Feedback("c2", "overridden"), KIND_CARD_OVERRIDDEN, "c2");
  // An order's call is no acceptance, nor is another card's, an override, or feedback an order's call.
  Report("t1", "b1", KIND_CARD_ACCEPTED, "c1");
  Report("t2", Feedback("c1", "accepted"), KIND_CARD_ACCEPTED, "c3");
  Report("t3", Feedback("c2", "overridden"), KIND_CARD_ACCEPTED, "c2");
  Report("t2", Feedback("c1", "accepted"));
  Start();
  const absl::Status status = agent_->Step();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Said(), "disputed 3 SAID_OTHERWISE; disputed 4 SAID_OTHERWISE; disputed 5 SAID_OTHERWISE; disputed 6 SAID_OTHERWISE; countersigned 0-7");
}

TEST_F(AgentOf, WhatIsNotOpenedIsDisputed) {
  Sent("t1", "b1");
  Sent("t2", "b2");
  opened_[Report("t1", "b1")] = {};
  opened_[Report("t2", "b2")].salt[0] ^= 1;
  Start();
  ASSERT_TRUE(agent_->Step().ok());
  EXPECT_EQ(Said(), "disputed 1 NOT_OPENED; disputed 2 NOT_OPENED; countersigned 0-3");
}

TEST_F(AgentOf, SaysNothingOfWhatIsNoAct) {
  log_.Add({log_.NewEntry(ledger::v1::KIND_DISCLOSURE), log_.NewEntry(ledger::v1::KIND_ORDER_CHECKED)}, *custodian_);
  Start();
  ASSERT_TRUE(agent_->Step().ok());
  EXPECT_EQ(Said(), "");
}

TEST_F(AgentOf, GoesOnWhereItWas) {
  Sent("t1", "b1");
  Report("t1", "b1");
  Start();
  ASSERT_TRUE(agent_->Step().ok());
  Sent("t2", "b2");
  Report("t2", "b2");
  Start();
  ASSERT_TRUE(agent_->Step().ok());
  EXPECT_EQ(Said(), "countersigned 0-2; countersigned 2-4");
}

TEST_F(AgentOf, ThatLostItsStateFindsInTheLogWhatItSaid) {
  Sent("t1", "b1");
  Report("t1", "b1");
  Start();
  ASSERT_TRUE(agent_->Step().ok());
  agent_.reset();
  std::filesystem::remove_all(directory_.Join("agent"));
  std::filesystem::remove(sent_ + "/ehr.jsonl");
  Sent("t2", "b2");
  Report("t2", "b2");
  Start();
  const absl::Status status = agent_->Step();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Said(), "countersigned 0-2; countersigned 2-4");
  EXPECT_THAT(Counters(), ::testing::ElementsAre(1, 2));
}

TEST_F(AgentOf, ThatLostItsStateBelievesNoWordThatItDidNotSign) {
  const auto invented = Report("t1", "b1");
  Entry said = log_.NewEntry(ledger::v1::KIND_COUNTERSIGNED);
  said.set_author(kAuthor);
  said.set_counter(7);
  said.mutable_countersigned()->set_end(log_.leaves.size());
  said.mutable_countersigned()->set_root(std::string(AsBytes(log_.Root())));
  log_.Add({said}, *custodian_);
  Start();
  const absl::Status status = agent_->Step();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(Said(), HasSubstr("disputed " + std::to_string(invented) + " NOT_SENT"));
  EXPECT_THAT(Counters(), ::testing::ElementsAre(7, 8, 9));
}

TEST_F(AgentOf, BeginsLaterWhenToldSo) {
  Report("t0", "b0");
  Sent("t1", "b1");
  Report("t1", "b1");
  Start(2);
  ASSERT_TRUE(agent_->Step().ok());
  EXPECT_EQ(Said(), "countersigned 2-3");
}

TEST_F(AgentOf, SendsTheSameBytesAgainUntilItKnows) {
  Sent("t1", "b1");
  Report("t1", "b1");
  append_fails_ = absl::UnavailableError("the line is down");
  append_admits_ = false;
  Start();
  EXPECT_TRUE(absl::IsUnavailable(agent_->Step()));
  Start();
  EXPECT_TRUE(absl::IsUnavailable(agent_->Step()));
  append_fails_ = absl::OkStatus();
  append_admits_ = true;
  ASSERT_TRUE(agent_->Step().ok());
  ASSERT_EQ(sent_batches_.size(), 3u);
  EXPECT_EQ(sent_batches_[0], sent_batches_[2]);
  EXPECT_EQ(Said(), "countersigned 0-2");
}

TEST_F(AgentOf, LearnsFromTheLogThatALostAnswerWasYes) {
  Sent("t1", "b1");
  Report("t1", "b1");
  append_fails_ = absl::FailedPreconditionError("the range ends too far back");
  Start();
  const absl::Status status = agent_->Step();
  // Admitted, and what the agent was told is no: the checkpoint that shows it is newer than the one it read.
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  append_fails_ = absl::OkStatus();
  ASSERT_TRUE(agent_->Step().ok());
  EXPECT_EQ(Said(), "countersigned 0-2");
}

TEST_F(AgentOf, KeepsItsBatchWhereCountersigningIsNotSwitchedOn) {
  Sent("t1", "b1");
  Report("t1", "b1");
  append_fails_ = absl::UnimplementedError("not switched on");
  append_admits_ = false;
  Start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(agent_->Step().code(), absl::StatusCode::kUnimplemented);
  append_fails_ = absl::OkStatus();
  append_admits_ = true;
  ASSERT_TRUE(agent_->Step().ok());
  ASSERT_EQ(sent_batches_.size(), 4u);
  EXPECT_EQ(sent_batches_[0], sent_batches_[3]);
  EXPECT_EQ(Said(), "countersigned 0-2");
}

TEST_F(AgentOf, ClosesNumbersThatWereRefused) {
  Sent("t1", "b1");
  Report("t1", "b1");
  Report("t2", "b2");
  append_fails_ = absl::InvalidArgumentError("no");
  append_admits_ = false;
  Start();
  EXPECT_TRUE(absl::IsInvalidArgument(agent_->Step()));
  append_fails_ = absl::OkStatus();
  append_admits_ = true;
  ASSERT_TRUE(agent_->Step().ok());
  EXPECT_EQ(Said(), "void 1; void 2; disputed 2 NOT_SENT; countersigned 0-3");
  EXPECT_THAT(Counters(), ::testing::ElementsAre(1, 2, 3, 4));
}

TEST_F(AgentOf, BelievesNoLogThatChangesWhatItRead) {
  Sent("t1", "b1");
  Report("t1", "b1");
  Start();
  ASSERT_TRUE(agent_->Step().ok());
  ASSERT_TRUE(agent_->Step().ok());
  std::swap(log_.leaves[0], log_.leaves[1]);
  EXPECT_TRUE(absl::IsDataLoss(agent_->Step()));
  std::swap(log_.leaves[0], log_.leaves[1]);
  log_.leaves.pop_back();
  EXPECT_TRUE(absl::IsDataLoss(agent_->Step()));
  log_.Add({log_.NewEntry(ledger::v1::KIND_DISCLOSURE), log_.NewEntry(ledger::v1::KIND_DISCLOSURE)}, *custodian_);
  std::swap(log_.leaves[0], log_.leaves[1]);
  EXPECT_THAT(std::string(agent_->Step().message()), HasSubstr("another root"));
}

TEST_F(AgentOf, WhatCannotBeOpenedNowIsAskedAgain) {
  Sent("t1", "b1");
  Report("t1", "b1");
  open_fails_ = absl::UnavailableError("the key process is away");
  Start();
  EXPECT_TRUE(absl::IsUnavailable(agent_->Step()));
  EXPECT_EQ(Said(), "");
  open_fails_ = absl::OkStatus();
  ASSERT_TRUE(agent_->Step().ok());
  EXPECT_EQ(Said(), "countersigned 0-2");
}

TEST_F(AgentOf, DamagedStateStopsTheStart) {
  Report("t1", "b1");
  Start();
  ASSERT_TRUE(agent_->Step().ok());
  const AgentState state = agent_->state();
  const std::string text = state.Serialize();
  EXPECT_EQ(AgentState::Parse(text).value().Serialize(), text);
  for (std::size_t at = 0; at < text.size(); ++at) EXPECT_FALSE(AgentState::Parse(text.substr(0, at)).ok()) << at;
}

}  // namespace
}  // namespace custodian::node
