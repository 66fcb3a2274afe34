#include "tests/benchmark/ledger/published_logs.h"

#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fmt/format.h"

namespace custodian::benchmark {
namespace {

constexpr int kSlowMs = 2'000;
constexpr absl::Duration kPatience = absl::Seconds(60);

}  // namespace

PublishedLogs::~PublishedLogs() {
  if (publisher_ != nullptr) publisher_->Stop();
  for (std::thread& loop : loops_) loop.join();
}

absl::Status PublishedLogs::Start(const Options& options) {
  auto keys = testing::KeyProcess::Create();
  if (!keys.ok()) return keys.status();
  keys_ = *std::move(keys);
  std::ofstream known(folder_.Join("logs"));
  std::vector<ledger::NoteVerifier> log_keys;
  for (int i = 0; i < options.logs; ++i) {
    const std::string origin = fmt::format("custodian.example/p/{:016x}", i + 1);
    auto log = testing::WrittenLog::Create({.writer = {.origin = origin, .author = testing::kTestAuthor}});
    if (!log.ok()) return log.status();
    logs_.push_back(*std::move(log));
    const auto key = keys_->client().CreateLogKey(origin);
    if (!key.ok()) return key.status();
    log_keys.push_back(ledger::NoteVerifier::Create(origin, ledger::kNoteEd25519, *key).value());
    known << log_keys.back().ToString() << "\n";
  }
  known.close();
  std::string policy, names;
  for (int i = 0; i < options.witnesses; ++i) {
    witnesses_.push_back(std::make_unique<testing::WitnessServer>(absl::StrCat("w", i), certificates_, folder_.Join("logs")));
    policy += witnesses_.back()->PolicyLine();
    names += absl::StrCat(" w", i);
    if (i >= options.dead && i < options.dead + options.slow) witnesses_.back()->delay_ms = kSlowMs;
  }
  // Nobody listens there any more.
  for (int i = 0; i < options.dead; ++i) witnesses_[static_cast<std::size_t>(i)].reset();
  auto client = rpc::HttpsClient::Create({.ca_file = certificates_.ca_file(), .timeout = absl::Seconds(5)});
  if (!client.ok()) return client.status();
  client_ = *std::move(client);
  auto publisher = log::Publisher::Create(
      {}, ledger::Policy::Parse(fmt::format("{}group most {}{}\nquorum most\n", policy, options.needed, names)).value(), keys_->client(), *client_);
  if (!publisher.ok()) return publisher.status();
  publisher_ = *std::move(publisher);
  for (std::size_t i = 0; i < logs_.size(); ++i) {
    tenants::PartitionWriter& writer = logs_[i]->writer();
    publisher_->Add(log_keys[i], logs_[i]->log(), [&writer] { return writer.committed(); });
    writer.OnCommit([this, &writer] { publisher_->Notify(writer.origin()); });
  }
  for (auto& loop : publisher_->Loops()) loops_.emplace_back(std::move(loop));
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> PublishedLogs::Write(int log) {
  tenants::Write write;
  write.idempotency_key = RandomBytes(32);
  write.request_digest = write.idempotency_key;
  write.entries.emplace_back().set_kind(ledger::v1::KIND_ORDER_CHECKED);
  const auto admitted = logs_[static_cast<std::size_t>(log)]->writer().Apply(std::move(write));
  if (!admitted.ok()) return admitted.status();
  return admitted->first_index;
}

absl::Status PublishedLogs::WaitWitnessed(int log, std::uint64_t size) {
  return publisher_->WaitWitnessed(logs_[static_cast<std::size_t>(log)]->writer().origin(), size, kPatience);
}

}  // namespace custodian::benchmark
