#include "services/sample/replay.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "openssl/evp.h"
#include "rapidjson/document.h"
#include "services/sample/generate_json.h"
#include "services/sample/journal.h"
#include "services/sample/replay_event.h"

namespace custodian::sample {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(50);
constexpr absl::Duration kPauseMax = absl::Seconds(2);
constexpr std::size_t kMessageBytesMax = 300;

struct EventFile {
  std::string sha256;
  std::int64_t lines = 0;
};

absl::StatusOr<EventFile> Survey(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat("cannot read ", path, "; make it with custodian sample"));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (digest == nullptr || EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) != 1) return absl::InternalError("no SHA-256");
  EventFile file;
  std::vector<char> buffer(1 << 16);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
    const auto count = static_cast<std::size_t>(in.gcount());
    if (EVP_DigestUpdate(digest.get(), buffer.data(), count) != 1) return absl::InternalError("no SHA-256");
    file.lines += std::count(buffer.begin(), buffer.begin() + in.gcount(), '\n');
  }
  unsigned char hash[32];
  if (EVP_DigestFinal_ex(digest.get(), hash, nullptr) != 1) return absl::InternalError("no SHA-256");
  file.sha256 = absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash), sizeof hash));
  return file;
}

// Expected kind and scenario of each order, by tenant and order.
using Expectations = std::map<std::pair<std::string, std::string>, std::pair<std::string, std::string>>;

absl::StatusOr<Expectations> ReadExpectations(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  if (!in) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  const std::string text = bytes.str();
  rapidjson::Document truth;
  truth.Parse(text.data(), text.size());
  if (truth.HasParseError() || !truth.IsObject() || !truth.HasMember("orders") || !truth["orders"].IsArray()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " has no list of orders"));
  }
  Expectations expected;
  for (const auto& order : truth["orders"].GetArray()) {
    for (const char* name : {"tenant", "order", "kind", "scenario"}) {
      if (!order.IsObject() || !order.HasMember(name) || !order[name].IsString()) {
        return absl::InvalidArgumentError(absl::StrCat(path, ": an order has no \"", name, "\""));
      }
    }
    expected[{order["tenant"].GetString(), order["order"].GetString()}] = {order["kind"].GetString(),
                                                                           order["scenario"].GetString()};
  }
  return expected;
}

bool IsTransient(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted: return true;
    default: return false;
  }
}

int Rank(const std::string& kind) { return kind == "suggest" ? 2 : kind == "info" ? 1 : 0; }

std::string KindOf(const std::vector<ShownCard>& cards) {
  std::string kind = "none";
  for (const ShownCard& card : cards) {
    const std::string this_kind = card.delete_suggestion.empty() ? "info" : "suggest";
    if (Rank(this_kind) > Rank(kind)) kind = this_kind;
  }
  return kind;
}

class Player {
 public:
  Player(const ReplayOptions& options, Platform& platform, Journal& journal)
      : options_(options), platform_(platform), journal_(journal) {}

  // Sends the event (again and again while that may help) and writes it into the journal.
  absl::Status Play(const ReplayEvent& event);
  [[nodiscard]] std::int64_t sent_again() const { return sent_again_; }

 private:
  template <typename Call>
  absl::Status Persist(const Call& call);
  absl::Status SetTime(absl::Time time);
  absl::Status Send(const ReplayEvent& event, JournalLine& line);
  // One HTTP call until its answer is final.
  absl::Status Ask(const std::function<absl::StatusOr<Platform::Answer>()>& call, bool conflict_passes, Platform::Answer& answer);

  const ReplayOptions& options_;
  Platform& platform_;
  Journal& journal_;
  absl::Time clock_ = absl::InfinitePast();
  std::int64_t sent_again_ = 0;
};

template <typename Call>
absl::Status Player::Persist(const Call& call) {
  absl::Duration pause = kFirstPause, waited = absl::ZeroDuration();
  const absl::Time begun = absl::Now();
  while (true) {
    const absl::Status status = call();
    if (status.ok() || !IsTransient(status)) return status;
    if (std::max(waited, absl::Now() - begun) >= options_.patience) {
      return absl::Status(status.code(),
                          absl::StrCat("no answer within ", absl::FormatDuration(options_.patience), ": ", status.message()));
    }
    ++sent_again_;
    if (options_.sleep) {
      options_.sleep(pause);
    } else {
      absl::SleepFor(pause);
    }
    waited += pause;
    pause = std::min(pause * 2, kPauseMax);
  }
}

absl::Status Player::SetTime(absl::Time time) {
  if (time <= clock_) return absl::OkStatus();
  const absl::Status status = Persist([&] { return platform_.SetTime(time); });
  if (status.ok()) clock_ = time;
  return status;
}

absl::Status Player::Ask(const std::function<absl::StatusOr<Platform::Answer>()>& call, bool conflict_passes,
                         Platform::Answer& answer) {
  return Persist([&]() -> absl::Status {
    auto response = call();
    if (!response.ok()) return response.status();
    answer = *std::move(response);
    if (answer.status >= 500 || answer.status == 429 || answer.retry_later || (conflict_passes && answer.status == 409)) {
      return absl::UnavailableError(absl::StrCat("HTTP ", answer.status, " ", answer.body.substr(0, kMessageBytesMax)));
    }
    return absl::OkStatus();
  });
}

absl::Status Player::Send(const ReplayEvent& event, JournalLine& line) {
  line.status = 200;
  if (event.type == "watermark") {
    return Persist([&] { return platform_.AdvanceWatermark(event.tenant, event.through, event.idempotency_key); });
  }
  if (event.type == "gap") {
    return Persist([&] { return platform_.ReportGap(event.tenant, event.from, event.to, event.idempotency_key); });
  }
  Platform::Answer answer;
  absl::Status status;
  if (event.type == "fhir") {
    status = Ask([&] { return platform_.WriteFhir(event.tenant, event.method, event.path, event.body, event.idempotency_key); },
                 true, answer);
  } else if (event.type == "order") {
    status = Ask([&] { return platform_.CallCds(event.tenant, "/prior-results", event.body); }, false, answer);
  } else {
    const auto& lines = journal_.lines();
    if (event.order_sequence < 1 || event.order_sequence > static_cast<std::int64_t>(lines.size())) {
      return absl::InvalidArgumentError("feedback comes before its order");
    }
    const auto body = FeedbackBody(event, lines[static_cast<std::size_t>(event.order_sequence) - 1].cards);
    if (!body.has_value()) {
      line.status = 0;
      return absl::OkStatus();
    }
    status = Ask([&] { return platform_.CallCds(event.tenant, "/prior-results/feedback", *body); }, false, answer);
  }
  if (!status.ok()) return status;
  line.status = answer.status;
  if (answer.status >= 300 && !event.doubtful) {
    return absl::FailedPreconditionError(
        absl::StrCat("refused with HTTP ", answer.status, " ", answer.body.substr(0, kMessageBytesMax)));
  }
  if (event.type == "order") {
    auto cards = ParseCards(answer.body);
    if (!cards.ok()) return cards.status();
    line.cards = *std::move(cards);
  }
  return absl::OkStatus();
}

absl::Status Player::Play(const ReplayEvent& event) {
  if (absl::Status status = SetTime(event.time); !status.ok()) return status;
  JournalLine line;
  line.sequence = event.sequence;
  if (absl::Status status = Send(event, line); !status.ok()) return status;
  return journal_.Append(std::move(line));
}

absl::Status At(const absl::Status& status, std::int64_t sequence, const std::string& what) {
  return absl::Status(status.code(), absl::StrCat("event ", sequence, " (", what, "): ", status.message()));
}

}  // namespace

std::int64_t ReplayReport::Mismatches() const {
  return std::count_if(orders.begin(), orders.end(), [](const ReplayedOrder& order) { return order.got != order.expected; });
}

std::string ReplayReport::Json() const {
  std::vector<std::string> list;
  std::int64_t shown = 0;
  for (const ReplayedOrder& order : orders) {
    shown += order.got != "none";
    list.push_back(Object({{"equal", order.got == order.expected ? "true" : "false"},
                           {"expected", Text(order.expected)},
                           {"got", Text(order.got)},
                           {"order", Text(order.order)},
                           {"scenario", Text(order.scenario)},
                           {"tenant", Text(order.tenant)}}));
  }
  return Object({{"complete", complete ? "true" : "false"},
                 {"counts", Object({{"checked", Number(static_cast<std::int64_t>(orders.size()))},
                                    {"events", Number(events)},
                                    {"feedback_skipped", Number(feedback_skipped)},
                                    {"mismatches", Number(Mismatches())},
                                    {"played_before", Number(played_before)},
                                    {"sent_again", Number(sent_again)},
                                    {"shown", Number(shown)}})},
                 {"orders", Array(list)}});
}

absl::StatusOr<ReplayReport> Replay(const ReplayOptions& options, Platform& platform,
                                    const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const std::string path = absl::StrCat(options.folder, "/events.ndjson");
  const auto file = Survey(path);
  if (!file.ok()) return file.status();
  auto expected = ReadExpectations(absl::StrCat(options.folder, "/truth.json"));
  if (!expected.ok()) return expected.status();
  auto journal = Journal::Open(absl::StrCat(options.home, "/replay.journal"), file->sha256);
  if (!journal.ok()) return journal.status();

  ReplayReport report;
  report.played_before = static_cast<std::int64_t>((*journal)->lines().size());
  const std::int64_t last = options.until > 0 ? std::min(options.until, file->lines) : file->lines;
  Player player(options, platform, **journal);
  // Index into report.orders.
  std::map<std::pair<std::string, std::string>, std::size_t> seen;
  std::ifstream in(path, std::ios::binary);
  std::string text;
  while (report.events < last && std::getline(in, text)) {
    const auto event = ParseReplayEvent(text);
    const std::int64_t sequence = report.events + 1;
    if (!event.ok()) return At(event.status(), sequence, path);
    if (event->sequence != sequence)
      return At(absl::InvalidArgumentError("events must be numbered 1, 2, 3, ..."), sequence, path);
    if (sequence > report.played_before) {
      const absl::Status status = player.Play(*event);
      if (!status.ok()) return At(status, sequence, absl::StrCat(event->type, " at ", event->tenant));
    }
    report.events = sequence;
    const JournalLine& line = (*journal)->lines()[static_cast<std::size_t>(sequence) - 1];
    if (event->type == "feedback" && line.status == 0) ++report.feedback_skipped;
    if (event->type == "order") {
      const auto [at, added] = seen.emplace(std::pair(event->tenant, event->order), report.orders.size());
      if (added) {
        const auto& [kind, scenario] = (*expected)[at->first];
        report.orders.push_back({event->tenant, event->order, scenario, kind, "none"});
      }
      std::string& got = report.orders[at->second].got;
      if (const std::string kind = KindOf(line.cards); Rank(kind) > Rank(got)) got = kind;
    }
    if (progress) progress(report.events, last);
  }
  report.sent_again = player.sent_again();
  report.complete = report.events == file->lines;
  return report;
}

}  // namespace custodian::sample
