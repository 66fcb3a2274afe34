// What the publisher makes of witnesses that are slow, down, wrong or lie.
#include <gtest/gtest.h>

#include "services/log/witness_client.h"
#include "tests/support/published_log.h"

namespace custodian::log {
namespace {

TEST_F(PublisherOf, SlowWitnessDoesNotDelayTheQuorum) {
  witnesses_[1]->delay_ms = 3'000;
  StartPublisher();
  const absl::Time start = absl::Now();
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t index = Append();
    EXPECT_TRUE(publisher_->WaitWitnessed(origin_, index + 1, absl::Seconds(10)).ok());
  }
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(2'500));
}

TEST_F(PublisherOf, WitnessThatClaimsMoreThanWasSignedDelaysNobody) {
  witnesses_[0]->lies = true;
  for (const int honest : {1, 2}) witnesses_[static_cast<std::size_t>(honest)]->delay_ms = 400;
  StartPublisher();
  const std::uint64_t index = Append();
  // While the honest ones think, the log grows past what the other claims.
  std::atomic<bool> done = false;
  std::thread writer([&] {
    while (!done) {
      Append();
      absl::SleepFor(absl::Milliseconds(20));
    }
  });
  const absl::Status witnessed = publisher_->WaitWitnessed(origin_, index + 1, absl::Seconds(4));
  done = true;
  writer.join();
  EXPECT_TRUE(witnessed.ok()) << witnessed;
}

TEST_F(PublisherOf, WitnessThatWasAwayIsBroughtUpFromItsOwnSize) {
  StartPublisher();
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  witnesses_[0]->down = true;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  witnesses_[0]->down = false;
  witnesses_[1]->down = true;
  ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
}

// Whatever one of the three answers, the others' quorum is there; once it is well again it is one of the quorum.
TEST_F(PublisherOf, NoAnswerOfAWitnessDelaysOthersOrSpoilsItForGood) {
  using Answer = rpc::HttpResponse;
  const auto always = [](Answer answer) {
    return [answer](const rpc::HttpRequest&, node::Witness&) { return answer; };
  };
  const std::string others_line = "\u2014 witness.example/other " + std::string(8, 'A') + "\n";
  const std::vector<std::pair<std::string, testing::WitnessServer::Fault>> faults = {
      {"409 without a size", always({409, {}, ""})},
      {"409 with garbage", always({409, {{"content-type", "text/x.tlog.size"}}, "-1\n"})},
      {"409 with a size past all", always({409, {{"content-type", "text/x.tlog.size"}}, "18446744073709551615\n"})},
      {"404", always({404, {}, "unknown log\n"})},
      {"403", always({403, {}, "\n"})},
      {"422", always({422, {}, "\n"})},
      {"429", always({429, {{"retry-after", "1"}}, ""})},
      {"429 without a time", always({429, {}, ""})},
      {"503 with a time", always({503, {{"retry-after", "1"}}, ""})},
      {"500", always({500, {}, ""})},
      {"200 with nothing", always({200, {}, ""})},
      {"200 with garbage", always({200, {}, std::string("\0\xff garbage\n", 11)})},
      {"200 with another's line", always({200, {}, others_line})},
      {"200 for another checkpoint",
       [](const rpc::HttpRequest& request, node::Witness& witness) {
         Answer answer = witness.Handle(request);
         if (answer.status == 200) answer.body[answer.body.size() - 10] = answer.body[answer.body.size() - 10] == 'A' ? 'B' : 'A';
         return answer;
       }},
      {"slow",
       [](const rpc::HttpRequest& request, node::Witness& witness) {
         absl::SleepFor(absl::Seconds(2));
         return witness.Handle(request);
       }},
  };
  StartPublisher();
  for (const auto& [name, fault] : faults) {
    witnesses_[0]->SetFault(fault);
    for (int i = 0; i < 2; ++i)
      EXPECT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(2)).ok()) << name;
    witnesses_[0]->SetFault(nullptr);
    witnesses_[1]->down = true;
    EXPECT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(20)).ok()) << name;
    witnesses_[1]->down = false;
  }
}

// A witness that never says its size, also not to monitors, at a size that this process never saw.
TEST_F(PublisherOf, WitnessThatNeverSaysItsSizeIsUsedAllTheSame) {
  witnesses_[0]->SetFault([](const rpc::HttpRequest& request, node::Witness& witness) -> rpc::HttpResponse {
    if (request.method != "POST") return {404, {}, ""};
    const rpc::HttpResponse answer = witness.Handle(request);
    return answer.status == 409 ? rpc::HttpResponse{409, {}, ""} : answer;
  });
  witnesses_[1]->down = true;
  StartPublisher();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  // The first is now behind by several checkpoints, and the next process knows nothing of it.
  witnesses_[0]->down = true;
  witnesses_[1]->down = false;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(10)).ok());
  StopPublisher();
  witnesses_[0]->down = false;
  witnesses_[1]->down = true;
  StartPublisher();
  EXPECT_TRUE(publisher_->WaitWitnessed(origin_, Append() + 1, absl::Seconds(20)).ok());
}

TEST(RetryAfter, IsSecondsOrADateAndBounded) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  EXPECT_EQ(ParseRetryAfter("7", now), now + absl::Seconds(7));
  EXPECT_EQ(ParseRetryAfter("99999999999", now), now + WitnessClient::kRetryAfterMax);
  EXPECT_EQ(ParseRetryAfter("Tue, 14 Nov 2023 22:13:30 GMT", now), now + absl::Seconds(10));
  EXPECT_EQ(ParseRetryAfter("Tue, 14 Nov 2000 22:13:30 GMT", now), now);
  EXPECT_EQ(ParseRetryAfter("Tue, 14 Nov 2090 22:13:30 GMT", now), now + WitnessClient::kRetryAfterMax);
  for (const char* value : {"", "-1", "1.5", "soon"}) EXPECT_EQ(ParseRetryAfter(value, now), std::nullopt) << value;
}

TEST_F(PublisherOf, WitnessWithoutAUrlIsRefused) {
  const ledger::Policy policy =
      ledger::Policy::Parse("witness w " +
                            ledger::NoteVerifier::Create("w", ledger::kNoteCosignatureV1, author_->public_key().ed25519())->ToString() +
                            "\nquorum w\n")
          .value();
  EXPECT_EQ(Publisher::Create({}, policy, keys_->client(), *client_).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace custodian::log
