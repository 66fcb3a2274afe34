#include "services/log/witness_question.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "absl/strings/str_cat.h"
#include "services/node/add_checkpoint.h"
#include "services/node/witness.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/written_log.h"

namespace custodian::log {
namespace {

using ledger::NoteVerifier;
using testing::WrittenLog;

std::unique_ptr<ledger::Signer> NewSigner() {
  return ledger::SignerFromPem(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value()).value();
}

std::unique_ptr<WrittenLog> LogOf(int entries) {
  auto log = WrittenLog::Create().value();
  for (int i = 0; i < entries; ++i) {
    tenants::Write write;
    write.idempotency_key = std::string(ledger::AsBytes(ledger::Sha256(absl::StrCat("key ", i))));
    write.request_digest = write.idempotency_key;
    write.entries.emplace_back().set_kind(ledger::v1::KIND_ORDER_CHECKED);
    EXPECT_TRUE(log->writer().Apply(std::move(write)).ok());
  }
  return log;
}

// Real witnesses; only the way to them is not HTTPS.
class WitnessQuestion : public ::testing::Test {
 protected:
  WitnessQuestion() {
    std::ofstream(folder_.Join("logs")) << key_.ToString() << "\n";
    for (const char* name : {"w1", "w2", "w3"})
      witnesses_[name] = node::Witness::Create(absl::StrCat("witness.example/", name), NewSigner(),
                                               node::StateDirectory::Open(folder_.Join(name)).value(),
                                               std::make_unique<node::KnownLogs>(folder_.Join("logs")), clock_)
                             .value();
  }

  ledger::Policy Policy() const {
    std::string text;
    for (const auto& [name, witness] : witnesses_) absl::StrAppend(&text, "witness ", name, " ", witness->key().ToString(), " https://", name, "/\n");
    return ledger::Policy::Parse(text + "group two-of-three 2 w1 w2 w3\nquorum two-of-three\n").value();
  }
  ledger::Note Signed(const ledger::Checkpoint& checkpoint, const NoteVerifier& key, const ledger::Signer& signer) const {
    ledger::Note note{checkpoint.Serialize(), {}};
    note.signatures.push_back(ledger::LogSignature(key, signer.Sign(note.text).value()));
    return note;
  }
  // The witness cosigns the log as it is now.
  void Cosign(const std::string& witness, const WrittenLog& log) {
    const auto head = log.log().Head().value();
    const node::AddCheckpoint request{0, {}, Signed({testing::kTestOrigin, head.size, head.root}, key_, *signer_)};
    rpc::HttpRequest http;
    http.method = "POST";
    http.path = "/add-checkpoint";
    http.body = request.Serialize();
    EXPECT_EQ(witnesses_.at(witness)->Handle(http).status, 200);
  }
  absl::Status Ask(const WrittenLog& log) {
    return AskWitnesses(Policy(), 0, key_, log.log(), [this](const std::string& url) -> absl::StatusOr<rpc::HttpResponse> {
      const std::string name = url.substr(8, 2);
      ++asked_;
      if (const auto fault = faults_.find(name); fault != faults_.end()) return fault->second;
      rpc::HttpRequest request;
      request.method = "GET";
      request.path = url.substr(10);
      return witnesses_.at(name)->Handle(request);
    });
  }

  testing::TemporaryDirectory folder_;
  MachineClock clock_;
  std::unique_ptr<ledger::Signer> signer_ = NewSigner();
  NoteVerifier key_ = NoteVerifier::Create(testing::kTestOrigin, ledger::kNoteEd25519, signer_->public_key().ed25519()).value();
  std::map<std::string, std::unique_ptr<node::Witness>> witnesses_;
  std::map<std::string, absl::StatusOr<rpc::HttpResponse>> faults_;
  int asked_ = 0;
};

TEST_F(WitnessQuestion, IsAnsweredByAsManyAsEveryQuorumHasOneOf) {
  const auto log = LogOf(3);
  EXPECT_TRUE(Ask(*log).ok()) << "nobody knows the log";
  EXPECT_EQ(asked_, 2);
  Cosign("w1", *log);
  faults_.emplace("w2", absl::UnavailableError("down"));
  EXPECT_TRUE(Ask(*log).ok());
  faults_.emplace("w3", rpc::HttpResponse{503, {}, ""});
  const absl::Status status = Ask(*log);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_NE(status.message().find("1 of 3 answered"), std::string::npos) << status;
}

TEST_F(WitnessQuestion, TellsOfALogThatWentBack) {
  const auto before = LogOf(3);
  Cosign("w2", *before);
  const auto restored = LogOf(1);
  const absl::Status status = Ask(*restored);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_NE(status.message().find("ends at 1, but witness w2 cosigned it at 3"), std::string::npos) << status;
}

TEST_F(WitnessQuestion, TellsOfALogThatWasWrittenAnew) {
  const auto before = LogOf(3);
  Cosign("w1", *before);
  // Other signatures, so other leaves.
  EXPECT_TRUE(absl::IsDataLoss(Ask(*LogOf(3))));
  EXPECT_TRUE(absl::IsDataLoss(Ask(*LogOf(7))));
}

TEST_F(WitnessQuestion, BelievesOnlyWhatTheLogsOwnKeySigned) {
  const auto log = LogOf(2);
  const auto other = NewSigner();
  const NoteVerifier other_key = NoteVerifier::Create(testing::kTestOrigin, ledger::kNoteEd25519, other->public_key().ed25519()).value();
  const std::string claim = Signed({testing::kTestOrigin, 1'000, ledger::Sha256("root")}, other_key, *other).Serialize();
  faults_.emplace("w1", rpc::HttpResponse{200, {}, claim});
  faults_.emplace("w2", rpc::HttpResponse{200, {}, "1000\n"});
  EXPECT_TRUE(Ask(*log).ok());
}

TEST(HasEnoughAnswers, CountsWhoeverEveryQuorumMustContain) {
  const auto policy = [](int n, const std::string& groups) {
    std::string text;
    for (int i = 1; i <= n; ++i) {
      const auto signer = NewSigner();
      const auto key = NoteVerifier::Create(absl::StrCat("witness.example/w", i), ledger::kNoteCosignatureV1, signer->public_key().ed25519()).value();
      absl::StrAppend(&text, "witness w", i, " ", key.ToString(), " https://w", i, "/\n");
    }
    return ledger::Policy::Parse(text + groups).value();
  };
  const auto two_of_three = policy(3, "group all 2 w1 w2 w3\nquorum all\n");
  EXPECT_FALSE(HasEnoughAnswers(two_of_three, {"w1"}, 0));
  EXPECT_TRUE(HasEnoughAnswers(two_of_three, {"w1", "w3"}, 0));
  EXPECT_FALSE(HasEnoughAnswers(two_of_three, {"w1", "w3"}, 1));
  const auto three_of_four = policy(4, "group all 3 w1 w2 w3 w4\nquorum all\n");
  EXPECT_FALSE(HasEnoughAnswers(three_of_four, {"w1", "w2"}, 1));
  EXPECT_TRUE(HasEnoughAnswers(three_of_four, {"w1", "w2", "w4"}, 1));
  // w1 and one of the others: whoever heard w1 heard one of every quorum.
  const auto nested = policy(4, "group some 1 w2 w3 w4\ngroup all 2 w1 some\nquorum all\n");
  EXPECT_TRUE(HasEnoughAnswers(nested, {"w1"}, 0));
  EXPECT_FALSE(HasEnoughAnswers(nested, {"w1"}, 1));
  EXPECT_FALSE(HasEnoughAnswers(nested, {"w2", "w3"}, 0));
  EXPECT_TRUE(HasEnoughAnswers(nested, {"w2", "w3", "w4"}, 0));
}

}  // namespace
}  // namespace custodian::log
