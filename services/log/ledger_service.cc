#include "services/log/ledger_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ledger/entry.h"
#include "services/log/feed_store.h"
#include "services/log/tenants_word.h"
#include "services/rpc/protos/custodian.grpc.pb.h"
#include "services/rpc/serve_call.h"
#include "services/rpc/timestamp.h"
#include "tenants/outbox.h"
#include "tenants/retry_after.h"

namespace custodian::log {

namespace {

constexpr int kOpenedMax = 256;

}  // namespace

// AppendBatch answers when the partition's writer has committed, and keeps no thread until then: an author's many small batches are one commit.
class LedgerService::Core final : public v1::LedgerService::WithCallbackMethod_AppendBatch<v1::LedgerService::Service> {
 public:
  Core(const rpc::CallGuard& guard, const Readers& readers, const tenants::Partitions& partitions, Options options)
      : guard_(guard), readers_(readers), partitions_(partitions), options_(std::move(options)) {}

  grpc::ServerUnaryReactor* AppendBatch(grpc::CallbackServerContext* context, const v1::AppendBatchRequest* request,
                                        v1::AppendBatchResponse* response) override {
    return rpc::ServeCallLater(guard_, *context, "AppendBatch", {"node", "feed", "fhir"},
                               [&](const tenants::Client& client, rpc::Answer answer) { return Append(client, *request, *response, std::move(answer)); });
  }

  grpc::Status GetReceipt(grpc::ServerContext* context, const v1::GetReceiptRequest* request, v1::GetReceiptResponse* response) override {
    return rpc::ServeCall(guard_, *context, "GetReceipt", {"auditor", "node", "regulator"}, [&](const tenants::Client& client) -> absl::Status {
      if (absl::Status status = readers_.MayRead(client.spiffe_id, request->origin()); !status.ok()) return status;
      auto receipt = options_.make_receipt(request->origin(), request->index());
      if (!receipt.ok()) return receipt.status();
      response->set_tlog_proof(*std::move(receipt));
      return absl::OkStatus();
    });
  }

  grpc::Status OpenReported(grpc::ServerContext* context, const v1::OpenReportedRequest* request, v1::OpenReportedResponse* response) override {
    return rpc::ServeCall(guard_, *context, "OpenReported", {"node"}, [&](const tenants::Client& client) { return Open(client, *request, *response); });
  }

 private:
  absl::Status Open(const tenants::Client& client, const v1::OpenReportedRequest& request, v1::OpenReportedResponse& response) const {
    const tenants::Partition* partition = partitions_.FindByOrigin(request.origin());
    // The same words for another tenant's log and for none; the regulator, who may read the log, is not told either.
    if (partition == nullptr || partition->tenant.id != client.tenant) return absl::PermissionDeniedError("this client may not open entries of this log");
    if (request.index().empty() || request.index_size() > kOpenedMax) return absl::InvalidArgumentError(absl::StrCat("1 to ", kOpenedMax, " entries are opened at a time"));
    for (const std::uint64_t index : request.index()) {
      auto opened = options_.open_reported(*partition, index);
      if (!opened.ok()) return opened.status();
      v1::OpenedCommitment& one = *response.add_opened();
      one.set_index(index);
      one.set_salt(std::move(opened->salt));
      one.set_detail(std::move(opened->detail));
    }
    return absl::OkStatus();
  }

  void Submit(const tenants::Partition& partition, tenants::Write write, v1::AppendBatchResponse& response, rpc::Answer answer) const {
    partition.writer->Submit(std::move(write), [&response, answer = std::move(answer)](const absl::StatusOr<tenants::Admitted>& admitted) {
      if (admitted.ok()) {
        response.set_first_index(admitted->first_index);
        for (const ledger::Hash& hash : admitted->leaf_hashes) response.add_leaf_hash(std::string(ledger::AsBytes(hash)));
        *response.mutable_witnessed_by() = rpc::ToTimestamp(admitted->witnessed_by);
        if (admitted->promise) response.set_promise(admitted->promise->Serialize());
      }
      answer(admitted.status());
    });
  }

  absl::Status Append(const tenants::Client& client, const v1::AppendBatchRequest& request, v1::AppendBatchResponse& response,
                      rpc::Answer answer) const {
    const tenants::Partition* partition = partitions_.FindByOrigin(request.origin());
    // The same words for another tenant's log and for none.
    const absl::Status refused = absl::PermissionDeniedError("this client may not append to this log");
    if (partition == nullptr || partition->tenant.id != client.tenant) return refused;
    if (request.leaf().empty() || request.leaf_size() > static_cast<int>(ledger::kBatchEntriesMax)) {
      return absl::InvalidArgumentError(absl::StrCat("a batch has 1 to ", ledger::kBatchEntriesMax, " leaves"));
    }
    // Signature, order, roster and idempotency are the writer's to check; that the author is the certificate's tenant is ours.
    std::vector<ledger::v1::Entry> tenants_word;
    tenants::Write write;
    for (int i = 0; i < request.leaf_size(); ++i) {
      auto leaf = ledger::ParseLeaf(request.leaf(i));
      if (!leaf.ok()) return absl::Status(leaf.status().code(), absl::StrCat("leaf ", i, ": ", leaf.status().message()));
      const auto author = rpc::SpiffeId::Parse(leaf->entry.author());
      if (!author.ok() || author->network != guard_.network() || author->tenant != client.tenant) return refused;
      if (!IsTenantsWord(leaf->entry.kind())) continue;
      if (!options_.admits_tenants_word) {
        // No word on what the batch says: an agent keeps it, and sends it unchanged once it is.
        return absl::UnimplementedError(absl::StrCat(ledger::v1::Kind_Name(leaf->entry.kind()), " is not switched on here (countersigning in the configuration of serve)"));
      }
      // What savings show of it.
      if (leaf->entry.kind() != ledger::v1::KIND_VOID) write.rows.push_back(TenantsWordRow(leaf->entry, static_cast<std::size_t>(i)));
      tenants_word.push_back(std::move(leaf->entry));
    }
    write.signed_leaves = {request.leaf().begin(), request.leaf().end()};
    if (!write.rows.empty()) write.rows.push_back(tenants::OutboxRow("savings-word", PatientId()));
    if (tenants_word.empty()) {
      Submit(*partition, std::move(write), response, std::move(answer));
      return absl::OkStatus();
    }
    // Held against what is stored, which a thread of gRPC's must not wait for.
    const bool taken = options_.wait_apart(partition->tenant.id, [this, partition, &response, word = std::move(tenants_word), write = std::move(write), answer]() mutable {
      if (absl::Status status = CheckTenantsWord(*partition->log, word); !status.ok()) return answer(status);
      Submit(*partition, std::move(write), response, std::move(answer));
    });
    if (!taken) return tenants::WithRetryAfter(absl::ResourceExhaustedError("too many batches wait to be held against the log; retry after 1 s"), absl::Seconds(1));
    return absl::OkStatus();
  }

  const rpc::CallGuard& guard_;
  const Readers& readers_;
  const tenants::Partitions& partitions_;
  const Options options_;
};

LedgerService::LedgerService(const rpc::CallGuard& guard, const Readers& readers, const tenants::Partitions& partitions, Options options)
    : core_(std::make_unique<Core>(guard, readers, partitions, std::move(options))) {}
LedgerService::~LedgerService() = default;

grpc::Service* LedgerService::grpc() { return core_.get(); }

}  // namespace custodian::log
