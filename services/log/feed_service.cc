#include "services/log/feed_service.h"

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "ledger/entry.h"
#include "services/log/feed_store.h"
#include "services/rpc/protos/custodian.grpc.pb.h"
#include "services/rpc/serve_call.h"
#include "services/rpc/timestamp.h"
#include "spdlog/spdlog.h"

namespace custodian::log {
namespace {

constexpr std::size_t kIdempotencyKeyBytesMax = 128;

// Fixed-length parts first: nothing can be read in two ways.
std::string HashOf(std::string_view purpose, std::string_view first, std::string_view second) {
  const std::string text = absl::StrCat(std::string(purpose), "\n", first.size(), "\n", std::string(first), std::string(second));
  return std::string(ledger::AsBytes(ledger::Sha256(text)));
}

// To milliseconds, as every time is at ingest (T1).
absl::StatusOr<absl::Time> TimeOf(bool present, const google::protobuf::Timestamp& timestamp, const char* name) {
  if (!present) return absl::InvalidArgumentError(absl::StrCat(name, " is required"));
  auto time = rpc::FromTimestamp(timestamp);
  if (!time.ok()) return absl::InvalidArgumentError(absl::StrCat(name, " is outside the years 0001 to 9999"));
  return TruncateToMilliseconds(*time);
}

}  // namespace

class FeedService::Core final : public v1::FeedService::Service {
 public:
  Core(const rpc::CallGuard& guard, const tenants::Partitions& partitions, const Clock& network_clock)
      : guard_(guard), partitions_(partitions), network_clock_(network_clock) {}

  grpc::Status AdvanceWatermark(grpc::ServerContext* context, const v1::AdvanceWatermarkRequest* request, v1::FeedResponse* response) override {
    return rpc::ServeCall(guard_, *context, "AdvanceWatermark", {"feed"},
                          [&](const tenants::Client& client) { return Advance(client, *request, *response); });
  }

  grpc::Status ReportGap(grpc::ServerContext* context, const v1::ReportGapRequest* request, v1::FeedResponse* response) override {
    return rpc::ServeCall(guard_, *context, "ReportGap", {"feed"},
                          [&](const tenants::Client& client) { return Report(client, *request, *response); });
  }

  absl::Status Advance(const tenants::Client& client, const v1::AdvanceWatermarkRequest& request, v1::FeedResponse& response) {
    const auto partition = PartitionOf(client, request.idempotency_key());
    if (!partition.ok()) return partition.status();
    const auto through = TimeOf(request.has_through(), request.through(), "through");
    if (!through.ok()) return through.status();
    if (*through > network_clock_.Now()) return absl::InvalidArgumentError("through lies past network time");
    tenants::Write write = NewWrite(client, request.idempotency_key(), absl::StrCat("watermark ", absl::ToUnixMillis(*through)));
    ledger::v1::Entry& entry = write.entries.emplace_back();
    entry.set_kind(ledger::v1::KIND_WATERMARK);
    *entry.mutable_watermark()->mutable_through() = rpc::ToTimestamp(*through);
    write.rows.push_back(WatermarkRow(*through));

    if (absl::Status status = ApplyInOrder(**partition, *through, std::move(write), response); !status.ok()) return status;
    Drain(**partition);
    return absl::OkStatus();
  }

  absl::Status Report(const tenants::Client& client, const v1::ReportGapRequest& request, v1::FeedResponse& response) {
    const auto partition = PartitionOf(client, request.idempotency_key());
    if (!partition.ok()) return partition.status();
    const auto from = TimeOf(request.has_from(), request.from(), "from");
    if (!from.ok()) return from.status();
    const auto to = TimeOf(request.has_to(), request.to(), "to");
    if (!to.ok()) return to.status();
    if (*from >= *to) return absl::InvalidArgumentError("from must lie before to");
    // A gap censors what any tenant avoided meanwhile: one feed's word about times to come must not decide on all figures.
    if (*to > network_clock_.Now()) return absl::InvalidArgumentError("to lies past network time");
    tenants::Write write =
        NewWrite(client, request.idempotency_key(), absl::StrCat("gap ", absl::ToUnixMillis(*from), " ", absl::ToUnixMillis(*to)));
    ledger::v1::Entry& entry = write.entries.emplace_back();
    entry.set_kind(ledger::v1::KIND_FEED_GAP);
    *entry.mutable_feed_gap()->mutable_from() = rpc::ToTimestamp(*from);
    *entry.mutable_feed_gap()->mutable_to() = rpc::ToTimestamp(*to);
    write.rows.push_back(GapRow(*from, *to));
    if (absl::Status status = Apply(**partition, std::move(write), response); !status.ok()) return status;
    Drain(**partition);
    return absl::OkStatus();
  }

 private:
  absl::Status ApplyInOrder(const tenants::Partition& partition, absl::Time through, tenants::Write write, v1::FeedResponse& response) {
    // One at a time, so that none slips in between the look and the write: all of a partition's writes run in this process.
    absl::MutexLock lock(&MutexOf(partition.tenant.id));
    const auto furthest = FurthestWatermark(*partition.database);
    if (!furthest.ok()) return furthest.status();
    if (!furthest->has_value() || through >= **furthest) return Apply(partition, std::move(write), response);
    const auto first = FirstAnswer(partition, through, write.idempotency_key);
    if (!first.ok()) return first.status();
    response.set_index(*first);
    return absl::OkStatus();
  }

  absl::StatusOr<tenants::Partition*> PartitionOf(const tenants::Client& client, const std::string& idempotency_key) const {
    if (idempotency_key.empty() || idempotency_key.size() > kIdempotencyKeyBytesMax) {
      return absl::InvalidArgumentError(absl::StrCat("idempotency_key must have 1 to ", kIdempotencyKeyBytesMax, " bytes"));
    }
    tenants::Partition* partition = partitions_.FindById(client.tenant);
    if (partition == nullptr) return absl::UnavailableError("the tenant's partition does not run here; try again in a second");
    return partition;
  }

  static tenants::Write NewWrite(const tenants::Client& client, const std::string& idempotency_key, const std::string& what) {
    tenants::Write write;
    write.idempotency_key = HashOf("custodian/feed/v1", client.spiffe_id, idempotency_key);
    write.request_digest = HashOf("custodian/feed-request/v1", what, "");
    write.rows.push_back(tenants::OutboxRow("savings-feed", PatientId()));
    return write;
  }

  // The index of the watermark that was written under this key, when an earlier request is sent again after a later one.
  static absl::StatusOr<std::uint64_t> FirstAnswer(const tenants::Partition& partition, absl::Time through, const std::string& idempotency_key) {
    const auto entries = EntriesOfWatermark(*partition.database, through);
    if (!entries.ok()) return entries.status();
    for (const std::uint64_t index : *entries) {
      const auto leaves = partition.log->Leaves(index, 1);
      if (!leaves.ok()) return leaves.status();
      const auto leaf = ledger::ParseLeaf(leaves->at(0));
      if (!leaf.ok()) return absl::DataLossError(absl::StrCat("entry ", index, " of the log cannot be parsed"));
      if (leaf->entry.idempotency_key() == idempotency_key) return index;
    }
    return absl::InvalidArgumentError("a watermark never goes back");
  }

  static absl::Status Apply(const tenants::Partition& partition, tenants::Write write, v1::FeedResponse& response) {
    const auto admitted = partition.writer->Apply(std::move(write));
    if (!admitted.ok()) return admitted.status();
    response.set_index(admitted->first_index);
    return absl::OkStatus();
  }

  // What follows a write that stands: a failure is retried by the background drain.
  static void Drain(const tenants::Partition& partition) {
    if (absl::Status status = partition.outbox->Drain(); !status.ok()) {
      spdlog::warn("event=drain_failed tenant={} code={}", partition.tenant.id.text(), absl::StatusCodeToString(status.code()));
    }
  }

  absl::Mutex& MutexOf(const TenantId& tenant) {
    absl::MutexLock lock(&mutex_);
    return watermark_mutexes_[tenant];
  }

  const rpc::CallGuard& guard_;
  const tenants::Partitions& partitions_;
  const Clock& network_clock_;
  absl::Mutex mutex_;
  // One a tenant, never removed.
  std::map<TenantId, absl::Mutex> watermark_mutexes_ ABSL_GUARDED_BY(mutex_);
};

FeedService::FeedService(const rpc::CallGuard& guard, const tenants::Partitions& partitions, const Clock& network_clock)
    : core_(std::make_unique<Core>(guard, partitions, network_clock)) {}
FeedService::~FeedService() = default;

grpc::Service* FeedService::grpc() { return core_.get(); }

absl::StatusOr<std::uint64_t> FeedService::AdvanceWatermark(const tenants::Client& client, absl::Time through, const std::string& idempotency_key) {
  v1::AdvanceWatermarkRequest request;
  *request.mutable_through() = rpc::ToTimestamp(through);
  request.set_idempotency_key(idempotency_key);
  v1::FeedResponse response;
  if (absl::Status status = core_->Advance(client, request, response); !status.ok()) return status;
  return response.index();
}

absl::StatusOr<std::uint64_t> FeedService::ReportGap(const tenants::Client& client, absl::Time from, absl::Time to, const std::string& idempotency_key) {
  v1::ReportGapRequest request;
  *request.mutable_from() = rpc::ToTimestamp(from);
  *request.mutable_to() = rpc::ToTimestamp(to);
  request.set_idempotency_key(idempotency_key);
  v1::FeedResponse response;
  if (absl::Status status = core_->Report(client, request, response); !status.ok()) return status;
  return response.index();
}

}  // namespace custodian::log
