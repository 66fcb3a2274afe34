#include "services/main/import_sender.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ledger/tree.h"
#include "services/exchange/fhir_json.h"
#include "services/main/import_files.h"
#include "tenants/ids.h"

namespace custodian::main {
namespace {

using exchange::Json;

constexpr std::size_t kRowsPerTransaction = 500;
constexpr std::size_t kBytesPerTransaction = 8u << 20;
// A server that is busy or restarting is asked again for about a minute.
constexpr int kTries = 60;
constexpr absl::Duration kRetryAfter = absl::Seconds(1);

// The server's own words: of the first issues.
std::string Reason(const rpc::HttpResponse& answer) {
  constexpr std::size_t kIssuesShown = 3;
  std::string reason = absl::StrCat("refused with status ", answer.status);
  const auto outcome = Json::Parse(answer.body);
  if (!outcome.ok()) return reason;
  const auto& issues = (*outcome)["issue"].items();
  for (std::size_t i = 0; i < std::min(issues.size(), kIssuesShown); ++i) {
    absl::StrAppend(&reason, i == 0 ? ": " : "; ", issues[i].TextOf("diagnostics"));
  }
  if (issues.size() > kIssuesShown) absl::StrAppend(&reason, "; and ", issues.size() - kIssuesShown, " more");
  return reason;
}

// The rows that the server names as faulty, by position, and why.
std::vector<std::pair<std::size_t, std::string>> FaultyRows(const rpc::HttpResponse& answer, std::size_t rows) {
  constexpr std::string_view kPrefix = "Bundle.entry[";
  std::vector<std::pair<std::size_t, std::string>> faulty;
  const auto outcome = Json::Parse(answer.body);
  if (!outcome.ok() || answer.status < 400 || answer.status >= 500) return faulty;
  std::set<std::size_t> known;
  for (const Json& issue : (*outcome)["issue"].items()) {
    const std::string& expression = issue["expression"][0].text();
    std::size_t index = 0;
    if (!expression.starts_with(kPrefix)) continue;
    const std::string digits = expression.substr(kPrefix.size(), expression.find(']') - kPrefix.size());
    if (!absl::SimpleAtoi(digits, &index) || index >= rows || !known.insert(index).second) continue;
    faulty.emplace_back(index, absl::StrCat("refused with status ", answer.status, ": ", issue.TextOf("diagnostics")));
  }
  return faulty;
}

}  // namespace

// What is sent as one transaction: a Bundle as it is, or rows.
struct ImportSender::Part {
  std::string path;
  std::string transaction;
  std::size_t resources = 0;
  std::set<std::string> targets;
  std::vector<ImportRow> rows;

  [[nodiscard]] std::string Body() const { return rows.empty() ? transaction : TransactionOf(rows); }
};

// Parts on their way: as many threads as may be sent at once, and what they leave to be sent alone.
class ImportSender::InFlight {
 public:
  explicit InFlight(ImportSender& sender) : sender_(sender) {
    for (int i = 0; i < sender.at_once_; ++i) threads_.emplace_back([this] { Work(); });
  }
  ~InFlight() { (void)Finish().ok(); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  // Waits until there is room, and until nobody writes the same resources.
  void Add(Part part) {
    absl::MutexLock lock(&mutex_);
    const auto free = [this, &part]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      const bool room = queue_.size() < threads_.size();
      return !failed_.ok() || (room && std::none_of(part.targets.begin(), part.targets.end(), [this](const std::string& target) {
               mutex_.AssertHeld();
               return writing_.contains(target);
             }));
    };
    mutex_.Await(absl::Condition(&free));
    const bool overtakes =
        std::any_of(part.targets.begin(), part.targets.end(), [this](const std::string& target) {
          mutex_.AssertHeld();
          return held_.contains(target);
        });
    if (overtakes) return HoldLocked(next_++, std::move(part));
    writing_.insert(part.targets.begin(), part.targets.end());
    queue_.emplace_back(next_++, std::move(part));
  }

  // Until all are answered; the parts that are to be sent alone, in order.
  absl::StatusOr<std::vector<Part>> Finish() {
    {
      absl::MutexLock lock(&mutex_);
      finishing_ = true;
    }
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    absl::MutexLock lock(&mutex_);
    if (!failed_.ok()) return failed_;
    std::sort(alone_.begin(), alone_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Part> parts;
    for (auto& [order, part] : alone_) parts.push_back(std::move(part));
    return parts;
  }

  [[nodiscard]] std::size_t stored() const {
    absl::MutexLock lock(&mutex_);
    return sender_.totals_.stored;
  }

 private:
  void HoldLocked(std::size_t order, Part part) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    held_.insert(part.targets.begin(), part.targets.end());
    alone_.emplace_back(order, std::move(part));
  }

  void Work() {
    while (true) {
      std::pair<std::size_t, Part> next;
      {
        absl::MutexLock lock(&mutex_);
        const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !queue_.empty() || finishing_ || !failed_.ok(); };
        mutex_.Await(absl::Condition(&due));
        if (queue_.empty() || !failed_.ok()) return;
        next = std::move(queue_.front());
        queue_.pop_front();
      }
      std::string body = next.second.Body();
      const auto answer = sender_.Post(body, /*await_follow_up=*/false);
      absl::MutexLock lock(&mutex_);
      for (const std::string& target : next.second.targets) writing_.erase(target);
      if (!answer.ok()) {
        failed_ = answer.status();
      } else if (answer->status == 200) {
        sender_.Count(next.second.resources, std::move(body));
      } else {
        HoldLocked(next.first, std::move(next.second));
      }
    }
  }

  ImportSender& sender_;
  mutable absl::Mutex mutex_;
  std::deque<std::pair<std::size_t, Part>> queue_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> writing_ ABSL_GUARDED_BY(mutex_);
  // Of parts that are to be sent alone: what comes after must not overtake them.
  std::set<std::string> held_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::size_t, Part>> alone_ ABSL_GUARDED_BY(mutex_);
  std::size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

ImportSender::ImportSender(const rpc::HttpsClient& client, std::string url, int at_once) : client_(client), url_(std::move(url)), at_once_(at_once) {}

absl::Status ImportSender::Send(const std::vector<std::string>& files, const std::function<void(const std::string&, std::size_t)>& progress) {
  InFlight in_flight(*this);
  std::vector<ImportFault> faults;
  for (const std::string& path : files) {
    progress(path, in_flight.stored());
    ++totals_.files;
    auto file = ReadImportFile(path);
    if (!file.ok()) {
      faults.push_back({path, 0, std::string(file.status().message())});
      continue;
    }
    for (const auto& [place, reason] : file->bad_rows) faults.push_back({path, place, reason});
    if (!file->transaction.empty()) {
      in_flight.Add({path, std::move(file->transaction), file->transaction_entries, std::move(file->transaction_targets), {}});
      continue;
    }
    Part part{.path = path, .transaction = {}, .resources = 0, .targets = {}, .rows = {}};
    const Part empty = part;
    std::size_t bytes = 0;
    for (ImportRow& row : file->rows) {
      const bool full = part.resources >= kRowsPerTransaction || bytes + row.entry.size() > kBytesPerTransaction || part.targets.contains(row.target);
      if (part.resources > 0 && full) {
        in_flight.Add(std::exchange(part, empty));
        bytes = 0;
      }
      bytes += row.entry.size();
      ++part.resources;
      if (!row.target.empty()) part.targets.insert(row.target);
      part.rows.push_back(std::move(row));
    }
    if (part.resources > 0) in_flight.Add(std::move(part));
  }
  auto alone = in_flight.Finish();
  std::move(faults.begin(), faults.end(), std::back_inserter(totals_.faults));
  if (!alone.ok()) return alone.status();
  for (Part& part : *alone)
    if (absl::Status status = SendAlone(std::move(part)); !status.ok()) return status;
  return absl::OkStatus();
}

void ImportSender::Tell(const std::string& file, std::size_t place, std::string message) { totals_.faults.push_back({file, place, std::move(message)}); }

void ImportSender::Count(std::size_t resources, std::string body) {
  stored_body_ = std::move(body);
  ++totals_.transactions;
  totals_.stored += resources;
}

// Rows that the server names as faulty are told and left out, and the others sent again.
absl::Status ImportSender::SendAlone(Part part) {
  while (true) {
    std::string body = part.Body();
    const auto answer = Post(body, /*await_follow_up=*/false);
    if (!answer.ok()) return answer.status();
    if (answer->status == 200) {
      Count(part.rows.empty() ? part.resources : part.rows.size(), std::move(body));
      return absl::OkStatus();
    }
    if (part.rows.empty()) {
      Tell(part.path, 0, Reason(*answer));
      return absl::OkStatus();
    }
    const auto faulty = FaultyRows(*answer, part.rows.size());
    if (faulty.empty()) {
      Tell(part.path, part.rows.front().place, absl::StrCat("and ", part.rows.size() - 1, " rows after it: ", Reason(*answer)));
      return absl::OkStatus();
    }
    std::set<std::size_t> left_out;
    for (const auto& [index, reason] : faulty) {
      Tell(part.path, part.rows[index].place, reason);
      left_out.insert(index);
    }
    std::vector<ImportRow> rest;
    for (std::size_t i = 0; i < part.rows.size(); ++i)
      if (!left_out.contains(i)) rest.push_back(std::move(part.rows[i]));
    if (rest.empty()) return absl::OkStatus();
    part.rows = std::move(rest);
  }
}

// By asking once more for an answer that is kept.
absl::Status ImportSender::AwaitFollowUp() const {
  return stored_body_.empty() ? absl::OkStatus() : Post(stored_body_, /*await_follow_up=*/true).status();
}

// Asks again while the server is busy, away, or broke off: the key settles what happened.
absl::StatusOr<rpc::HttpResponse> ImportSender::Post(const std::string& body, bool await_follow_up) const {
  const ledger::Hash hash = ledger::Sha256(body);
  const std::string key = "import-" + HexEncode({reinterpret_cast<const char*>(hash.data()), hash.size()});
  std::vector<std::pair<std::string, std::string>> headers = {
      {"Content-Type", "application/fhir+json"}, {"Accept", "application/fhir+json"}, {"Idempotency-Key", key}, {"Prefer", "return=minimal"}};
  if (!await_follow_up) headers.emplace_back("Custodian-Follow-Up", "later");
  for (int attempt = 1;; ++attempt) {
    auto answer = client_.Send("POST", url_, headers, body);
    const bool again = answer.ok() ? answer->status == 503 || answer->status == 429 || answer->status == 409
                                   : absl::IsUnavailable(answer.status()) || absl::IsUnknown(answer.status()) ||
                                         absl::IsDeadlineExceeded(answer.status());
    if (!again || attempt == kTries) {
      if (!answer.ok()) return absl::Status(answer.status().code(), absl::StrCat(url_, ": ", std::string(answer.status().message())));
      return answer;
    }
    absl::SleepFor(kRetryAfter);
  }
}

}  // namespace custodian::main
