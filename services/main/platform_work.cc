// What the platform's threads do: partitions at their start, what is done again and again, and the loops of its parts.
#include <algorithm>
#include <set>
#include <utility>

#include "services/exchange/card_store.h"
#include "services/exchange/fixed_tick.h"
#include "services/governance/admin_checks.h"
#include "services/main/platform.h"
#include "services/main/quorum.h"
#include "spdlog/spdlog.h"

namespace custodian::main {
namespace {

// Each waits for its database most of the time.
constexpr int kPartitionsOpenedAtOnce = 8;
constexpr absl::Duration kDrainEvery = absl::Seconds(1);
constexpr absl::Duration kForgetKeysEvery = absl::Seconds(1);
// Most wait for a commit: the more do, the larger it is.
constexpr int kOrderChecksAtOnce = 64;
constexpr int kErrandsAtOnce = 2;
constexpr int kOpeningsAtOnce = 32;
constexpr absl::Duration kSettleEvery = absl::Minutes(1);
constexpr absl::Duration kFeedWatermarkEvery = absl::Seconds(5);
constexpr absl::Duration kRefreshKeySetsEvery = absl::Seconds(5);
constexpr absl::Duration kStepSubjectsEvery = absl::Seconds(1);
constexpr absl::Duration kKeepRefusalsEvery = absl::Milliseconds(100);
constexpr absl::Duration kForgetTokensEvery = absl::Minutes(1);
// Well past the last moment at which a token could still be believed.
constexpr absl::Duration kTokensKept = absl::Minutes(10);

}  // namespace

void Platform::Publish(const tenants::Partition& partition) {
  if (const auto key = ledger::NoteVerifier::Parse(partition.tenant.log_vkey); key.ok())
    publisher_->Add(*key, *partition.log, [&writer = *partition.writer] { return writer.committed(); }, MirrorsOf(config_, partition.tenant.name));
}

absl::StatusOr<std::string> Platform::MakeReceipt(std::string_view origin, std::uint64_t index) const {
  // One that is being opened is not published yet.
  static_cast<void>(network_->partitions.FindByOrigin(origin));
  return publisher_->MakeReceipt(origin, index);
}

void Platform::OpenPartitions() {
  for (int i = 0; i < kPartitionsOpenedAtOnce; ++i)
    threads_.emplace_back([this] {
      absl::Status status = network_->OpenExpected();
      if (status.ok()) return;
      {
        const absl::MutexLock lock(&failure_mutex_);
        failure_.Update(std::move(status));
      }
      Stop();
    });
}

void Platform::Stop() {
  const absl::MutexLock lock(&failure_mutex_);
  if (!stop_.HasBeenNotified()) stop_.Notify();
}

void Platform::WarnOfUnknownTenants() const {
  std::set<std::string> names;
  for (const tenants::Tenant& tenant : network_->registry->Tenants()) names.insert(tenant.name);
  // It may be admitted later; a name that is misspelt never is.
  for (const Config::Mirror& mirror : config_.mirrors)
    for (const std::string& name : mirror.tenants)
      if (!names.contains(name)) spdlog::warn("event=mirror_of_unknown_tenant mirror={} tenant={}", mirror.name, name);
}

absl::Status Platform::StartPartitions() {
  if (auto status = network_->StartPartitions(); !status.ok()) return status;
  WarnOfUnknownTenants();
  return absl::OkStatus();
}

absl::Status Platform::UseMatchWeights() {
  const auto csv = network_->governance->CurrentTable(governance::kMatchWeights, "");
  if (absl::IsNotFound(csv.status())) return absl::OkStatus();
  if (!csv.ok()) return csv.status();
  const auto weights = exchange::MatchWeights::Parse(*csv);
  if (!weights.ok()) return weights.status();
  locator_.SetWeights(*weights);
  return absl::OkStatus();
}

absl::Status Platform::DrainAll() const {
  for (const tenants::Partition* partition : network_->partitions.All()) {
    if (auto status = partition->outbox->Drain(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Platform::DrainInTurn() const {
  absl::Status first_failure;
  std::vector<tenants::Partition*> waiting = network_->partitions.All();
  while (!waiting.empty() && !stop_.HasBeenNotified()) {
    std::vector<tenants::Partition*> others;
    for (tenants::Partition* partition : waiting) {
      bool more = false;
      first_failure.Update(partition->outbox->DrainSome(more));
      if (more) others.push_back(partition);
    }
    waiting = std::move(others);
  }
  return first_failure;
}

absl::Status Platform::ForgetTokens() const {
  for (const tenants::Partition* partition : network_->partitions.All()) {
    const auto forgotten = exchange::CardStore(*partition->database).ForgetTokens(machine_clock_.Now() - kTokensKept);
    if (!forgotten.ok()) return forgotten.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Platform::ListSubject(std::string_view origin, std::string_view subject) const {
  const tenants::Partition* partition = network_->partitions.FindByOrigin(origin);
  if (partition == nullptr) return absl::NotFoundError("this log is about nobody");
  return log::MakeSubjectList(*partition->database, *partition->log, subject, [this, partition] {
    const absl::MutexLock lock(&subjects_mutex_);
    if (const auto found = subjects_.find(partition); found != subjects_.end()) found->second.index->MakeAnew();
  });
}

Platform::Subjects& Platform::SubjectsOf(const tenants::Partition& partition) {
  const absl::MutexLock lock(&subjects_mutex_);
  Subjects& subjects = subjects_[&partition];
  if (subjects.index == nullptr)
    subjects.index = std::make_unique<log::SubjectIndex>(*partition.database, *partition.log, *partition.writer, machine_clock_,
                                                         log::SubjectIndex::Options{.stopped = [this] { return stop_.HasBeenNotified(); }});
  return subjects;
}

absl::Status Platform::StepSubjects() {
  for (tenants::Partition* partition : network_->partitions.All()) {
    Subjects& subjects = SubjectsOf(*partition);
    const absl::Status status = subjects.index->Step();
    const std::string trouble = status.ok() || absl::IsCancelled(status) ? "" : std::string(status.message());
    if (trouble == std::exchange(subjects.trouble, trouble) || trouble.empty()) continue;
    spdlog::warn("event=subject_map_waits origin={} reason=\"{}\"", partition->tenant.origin, trouble);
  }
  return absl::OkStatus();
}

// Runs `body` every `every` until Stop(); a failure is logged once until it succeeds again.
void Platform::Repeat(absl::Duration every, const char* what, std::function<absl::Status()> body) {
  threads_.emplace_back([this, every, what, body = std::move(body)] {
    const absl::Time begun = absl::Now();
    bool failing = false;
    do {
      const absl::Status status = body();
      if (!status.ok() && !failing) spdlog::warn("{}: {}", what, std::string(status.message()));
      failing = !status.ok();
      // Whatever it took: how much there was to do moves no later one. A clock that is set back holds nothing up.
    } while (!stop_.WaitForNotificationWithDeadline(std::min(exchange::NextTick(begun, every), absl::Now() + every)));
  });
}

absl::Status Platform::Run() {
  OpenPartitions();
  for (auto& loop : publisher_->Loops()) threads_.emplace_back(std::move(loop));
  for (int i = 0; i < kErrandsAtOnce; ++i) threads_.emplace_back([this] { errands_.Work(); });
  for (int i = 0; i < kOpeningsAtOnce; ++i) threads_.emplace_back([this] { openings_.Work(); });
  for (int i = 0; i < kOrderChecksAtOnce; ++i) threads_.emplace_back([this] { cds_hooks_.Work(); });
  Repeat(kDrainEvery, "outbox", [this] { return DrainInTurn(); });
  Repeat(kForgetKeysEvery, "patient keys", [this] {
    sealer_.DropExpired();
    fhir_.DropExpired();
    records_.DropExpired();
    return absl::OkStatus();
  });
  Repeat(kKeepRefusalsEvery, "refusals", [this] { return refusals_.Keep(); });
  Repeat(config_.refusals_period, "batches of refusals", [this] { return refusals_.WriteBatches(); });
  Repeat(kRefreshKeySetsEvery, "key sets", [this] {
    key_sets_.RefreshDue();
    return absl::OkStatus();
  });
  if (config_.subject_maps) Repeat(kStepSubjectsEvery, "maps of subjects", [this] { return StepSubjects(); });
  Repeat(kForgetTokensEvery, "used tokens", [this] { return ForgetTokens(); });
  if (!config_.simulated_time) Repeat(kSettleEvery, "savings", [this] { return evaluator_.Settle(); });
  threads_.emplace_back([this] { https_->Run(); });
  if (mllp_) {
    threads_.emplace_back([this] { mllp_->Run(); });
    Repeat(kFeedWatermarkEvery, "feed watermark", [this] { return feed_watermark_.Tick(); });
    spdlog::info("serving MLLP on port {}", mllp_->port());
  }
  if (config_.order_check_charts + exchange::CdsHooks::kRecordingTime > config_.order_check_tick)
    spdlog::warn("event=charts_outlast_tick reason=\"order_check.charts_ms is not {} ms below order_check.tick_ms: a denied result whose keys are slow may show in "
                 "an answer's time\"", absl::ToInt64Milliseconds(exchange::CdsHooks::kRecordingTime));
  spdlog::info("serving https on port {}, gRPC on port {}", https_->port(), grpc_->port());
  stop_.WaitForNotification();
  spdlog::info("stopping");
  const absl::MutexLock lock(&failure_mutex_);
  return failure_;
}

}  // namespace custodian::main
