#include "services/sample/replay.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "rapidjson/document.h"
#include "services/sample/generate.h"
#include "services/sample/replay_event.h"

namespace custodian::sample {
namespace {

// A platform that shows what the truth expects, remembers by key what it has done, and fails when told to.
class BrittlePlatform : public Platform {
 public:
  explicit BrittlePlatform(const std::string& truth_json) {
    rapidjson::Document truth;
    truth.Parse(truth_json.data(), truth_json.size());
    for (const auto& order : truth["orders"].GetArray()) kinds_[order["order"].GetString()] = order["kind"].GetString();
  }

  absl::Status SetTime(absl::Time time) override {
    if (time < clock) return absl::InvalidArgumentError("network time never goes back");
    if (absl::Status status = Fault(); !status.ok()) return status;
    clock = time;
    return absl::OkStatus();
  }
  absl::StatusOr<Answer> WriteFhir(const std::string& tenant, const std::string& method, const std::string& path,
                                   const std::string& body, const std::string& idempotency_key) override {
    return Do(idempotency_key, absl::StrCat(tenant, " ", method, " ", path, " ", body), [] { return Answer{200, false, "{}"}; });
  }
  absl::StatusOr<Answer> CallCds(const std::string& tenant, const std::string& path, const std::string& body) override {
    rapidjson::Document json;
    json.Parse(body.data(), body.size());
    if (path == "/prior-results/feedback") {
      const auto& item = json["feedback"][0];
      const std::string card = item["card"].GetString();
      // Refused like a forgery: the card is not this tenant's.
      if (cards_.count(card) == 0 || cards_[card] != tenant) return Answer{404, false, "{}"};
      return Do(absl::StrCat(card, item["outcome"].GetString(), item["outcomeTimestamp"].GetString()), body, [] {
        return Answer{200, false, "{}"};
      });
    }
    const auto& order = json["context"]["draftOrders"]["entry"][0]["resource"]["identifier"][0];
    const std::string kind = kinds_[absl::StrCat(order["system"].GetString(), "|", order["value"].GetString())];
    const std::string instance = json["hookInstance"].GetString();
    return Do(instance, body, [&] {
      cards_["card-" + instance] = tenant;
      if (kind == "none" || hide_cards) return Answer{200, false, R"({"cards":[]})"};
      const std::string suggestions =
          kind == "suggest" ? R"(,"suggestions":[{"label":"x","uuid":"s1","actions":[{"type":"delete","description":"x"}]}])"
                            : "";
      return Answer{200, false,
                    absl::StrCat(R"({"cards":[{"uuid":"card-)", instance, R"(","summary":"x")", suggestions,
                                 R"(,"overrideReasons":[{"code":"a"},{"code":"b"}]}]})")};
    });
  }
  absl::Status AdvanceWatermark(const std::string& tenant, absl::Time through, const std::string& idempotency_key) override {
    return OfGrpc(Do(idempotency_key, absl::StrCat("watermark ", tenant, " ", absl::FormatTime(through)), [] {
      return Answer{200, false, ""};
    }));
  }
  absl::Status ReportGap(const std::string& tenant, absl::Time from, absl::Time to, const std::string& idempotency_key) override {
    return OfGrpc(Do(idempotency_key, absl::StrCat("gap ", tenant, " ", absl::FormatTime(from), absl::FormatTime(to)), [] {
      return Answer{200, false, ""};
    }));
  }

  // Each `fault_every`-th call fails; the kinds take turns.
  int fault_every = 0;
  // This call ends the replay, as a kill would, after its effect.
  int kill_at = 0;
  bool hide_cards = false;
  absl::Time clock = absl::InfinitePast();
  // What was done, under which key, once each, in order.
  std::map<std::string, std::string> done;
  std::vector<std::string> sequence;
  int calls = 0;

 private:
  static absl::Status OfGrpc(const absl::StatusOr<Answer>& answer) {
    if (!answer.ok()) return answer.status();
    return answer->status == 503 ? absl::UnavailableError("down") : absl::OkStatus();
  }
  absl::Status Fault() {
    ++calls;
    if (kill_at > 0 && calls == kill_at) return absl::InternalError("killed");
    if (fault_every == 0 || calls % fault_every != 0) return absl::OkStatus();
    switch (calls / fault_every % 3) {
      case 0: return absl::UnavailableError("down");
      case 1: return absl::UnknownError("broke after it was sent");
      default: return absl::DeadlineExceededError("slow");
    }
  }
  template <typename Make>
  absl::StatusOr<Answer> Do(const std::string& key, const std::string& what, const Make& make) {
    const absl::Status fault = Fault();
    if (fault.code() == absl::StatusCode::kUnavailable)
      return calls % 2 == 0 ? absl::StatusOr<Answer>(fault) : Answer{503, false, "{}"};
    // All other faults hide an effect.
    const auto [at, added] = done.emplace(key, what);
    if (added) sequence.push_back(what);
    EXPECT_EQ(at->second, what) << "the same key with other content";
    if (!fault.ok()) return fault;
    return make();
  }

  std::map<std::string, std::string> kinds_;
  std::map<std::string, std::string> cards_;
};

class ReplayedPopulation : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/replay.XXXXXX";
    root_ = mkdtemp(pattern);
    options_.folder = root_ + "/population";
    options_.home = root_ + "/home";
    options_.sleep = [](absl::Duration) {};
    const auto population = Generate({1, 90, 180, absl::FromCivil(absl::CivilDay(2026, 3, 1), absl::UTCTimeZone())});
    ASSERT_TRUE(population.ok()) << population.status();
    ASSERT_TRUE(WritePopulation(*population, options_.folder).ok());
    truth_ = population->files.at("truth.json");
    events_ = static_cast<std::int64_t>(population->events);
    NewHome();
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void NewHome() {
    std::filesystem::remove_all(options_.home);
    std::filesystem::create_directory(options_.home);
  }

  std::string root_, truth_;
  std::int64_t events_ = 0;
  ReplayOptions options_;
};

TEST_F(ReplayedPopulation, GetsWhatTheTruthSays) {
  BrittlePlatform platform(truth_);
  const auto report = Replay(options_, platform);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->complete);
  EXPECT_EQ(report->events, events_);
  EXPECT_EQ(report->Mismatches(), 0);
  EXPECT_EQ(report->feedback_skipped, 0);
  rapidjson::Document truth;
  truth.Parse(truth_.data(), truth_.size());
  EXPECT_EQ(report->orders.size(), truth["orders"].Size());
  // Again: nothing is sent.
  const int calls = platform.calls;
  const auto again = Replay(options_, platform);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(platform.calls, calls);
  EXPECT_EQ(again->played_before, events_);
  EXPECT_EQ(again->Mismatches(), 0);
}

TEST_F(ReplayedPopulation, DoesEverythingOnceThroughFaultsAndKills) {
  BrittlePlatform calm(truth_);
  ASSERT_TRUE(Replay(options_, calm).ok());
  NewHome();
  BrittlePlatform platform(truth_);
  platform.fault_every = 3;
  int runs = 0;
  while (true) {
    platform.kill_at = platform.calls + 41;
    ASSERT_LT(++runs, 1000);
    const auto report = Replay(options_, platform);
    if (!report.ok()) {
      EXPECT_EQ(report.status().code(), absl::StatusCode::kInternal) << report.status();
      continue;
    }
    EXPECT_EQ(report->Mismatches(), 0);
    break;
  }
  EXPECT_GT(runs, 10);
  EXPECT_EQ(platform.clock, calm.clock);
  ASSERT_EQ(platform.sequence.size(), calm.sequence.size());
  for (std::size_t i = 0; i < calm.sequence.size(); ++i) ASSERT_EQ(platform.sequence[i], calm.sequence[i]) << i;
  EXPECT_TRUE(platform.done == calm.done);
}

TEST_F(ReplayedPopulation, StopsWhereItIsTold) {
  BrittlePlatform platform(truth_);
  options_.until = 25;
  auto report = Replay(options_, platform);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->events, 25);
  EXPECT_FALSE(report->complete);
  options_.until = 0;
  report = Replay(options_, platform);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->played_before, 25);
  EXPECT_TRUE(report->complete);
}

TEST_F(ReplayedPopulation, ReportsCardsThatDidNotCome) {
  BrittlePlatform platform(truth_);
  platform.hide_cards = true;
  const auto report = Replay(options_, platform);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GT(report->Mismatches(), 0);
  EXPECT_GT(report->feedback_skipped, 0);
  for (const auto& order : report->orders) EXPECT_EQ(order.got, "none");
}

TEST_F(ReplayedPopulation, GivesUpWhenPatienceEndsAndNamesTheEvent) {
  BrittlePlatform platform(truth_);
  platform.fault_every = 1;
  options_.patience = absl::Seconds(5);
  const auto report = Replay(options_, platform);
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.status().message().find("event 1 ("), std::string::npos) << report.status();
}

TEST(ReplayEvents, AnswersOnlyWhatWasShown) {
  const auto accept = ParseReplayEvent(
      R"({"seq":2,"time":"2026-01-01T00:00:00.000Z","tenant":"a","type":"feedback","order_seq":1,"card":"shown","doubtful":false,)"
      R"("outcome":"accepted","outcome_timestamp":"2026-01-01T00:00:00.000Z","suggestion":"shown"})");
  ASSERT_TRUE(accept.ok()) << accept.status();
  EXPECT_FALSE(FeedbackBody(*accept, {}).has_value());
  EXPECT_FALSE(FeedbackBody(*accept, {{"card", "", {}}}).has_value()) << "an informing card cannot be accepted";
  EXPECT_EQ(
      FeedbackBody(*accept, {{"card", "delete", {}}}),
      R"({"feedback":[{"card":"card","outcome":"accepted","acceptedSuggestions":[{"id":"delete"}],"outcomeTimestamp":"2026-01-01T00:00:00.000Z"}]})");
  const auto override = ParseReplayEvent(
      R"({"seq":2,"time":"2026-01-01T00:00:00.000Z","tenant":"a","type":"feedback","order_seq":1,"card":"shown","outcome":"overridden",)"
      R"("outcome_timestamp":"2026-01-01T00:00:00.000Z","override_reason":3})");
  ASSERT_TRUE(override.ok()) << override.status();
  EXPECT_EQ(
      FeedbackBody(*override, {{"card", "delete", {R"({"code":"a"})", R"({"code":"b"})"}}}),
      R"({"feedback":[{"card":"card","outcome":"overridden","overrideReason":{"reason":{"code":"b"}},"outcomeTimestamp":"2026-01-01T00:00:00.000Z"}]})");
}

TEST(ReplayEvents, RefusesWhatItCannotRead) {
  EXPECT_FALSE(ParseReplayEvent("").ok());
  EXPECT_FALSE(ParseReplayEvent(R"({"seq":1,"time":"2026-01-01T00:00:00Z","tenant":"a","type":"magic"})").ok());
  EXPECT_FALSE(
      ParseReplayEvent(
          R"({"seq":1,"time":"yesterday","tenant":"a","type":"watermark","through":"2026-01-01T00:00:00Z","idempotency_key":"k"})")
          .ok());
  EXPECT_FALSE(
      ParseReplayEvent(R"({"seq":1,"time":"2026-01-01T00:00:00Z","tenant":"a","type":"watermark","idempotency_key":"k"})").ok());
  EXPECT_FALSE(ParseCards("{}").ok());
  EXPECT_FALSE(ParseCards(R"({"cards":[{"summary":"without uuid"}]})").ok());
}

}  // namespace
}  // namespace custodian::sample
