#include "services/log/ledger_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ledger/entry.h"
#include "services/rpc/protos/custodian.grpc.pb.h"
#include "services/rpc/serve_call.h"
#include "services/rpc/timestamp.h"

namespace custodian::log {

// AppendBatch answers when the partition's writer has committed, and keeps no thread until then: an author's many small batches are one commit.
class LedgerService::Core final : public v1::LedgerService::WithCallbackMethod_AppendBatch<v1::LedgerService::Service> {
 public:
  Core(const rpc::CallGuard& guard, const Readers& readers, const tenants::Partitions& partitions, MakeReceipt make_receipt)
      : guard_(guard), readers_(readers), partitions_(partitions), make_receipt_(std::move(make_receipt)) {}

  grpc::ServerUnaryReactor* AppendBatch(grpc::CallbackServerContext* context, const v1::AppendBatchRequest* request,
                                        v1::AppendBatchResponse* response) override {
    return rpc::ServeCallLater(guard_, *context, "AppendBatch", {"node", "feed", "fhir"},
                               [&](const tenants::Client& client, rpc::Answer answer) { return Append(client, *request, *response, std::move(answer)); });
  }

  grpc::Status GetReceipt(grpc::ServerContext* context, const v1::GetReceiptRequest* request, v1::GetReceiptResponse* response) override {
    return rpc::ServeCall(guard_, *context, "GetReceipt", {"auditor", "node", "regulator"}, [&](const tenants::Client& client) -> absl::Status {
      if (absl::Status status = readers_.MayRead(client.spiffe_id, request->origin()); !status.ok()) return status;
      auto receipt = make_receipt_(request->origin(), request->index());
      if (!receipt.ok()) return receipt.status();
      response->set_tlog_proof(*std::move(receipt));
      return absl::OkStatus();
    });
  }

 private:
  absl::Status Append(const tenants::Client& client, const v1::AppendBatchRequest& request, v1::AppendBatchResponse& response,
                      rpc::Answer answer) const {
    const tenants::Partition* partition = partitions_.FindByOrigin(request.origin());
    // The same words for another tenant's log and for none.
    const absl::Status refused = absl::PermissionDeniedError("this client may not append to this log");
    if (partition == nullptr || partition->tenant.id != client.tenant) return refused;
    if (request.leaf().empty() || request.leaf_size() > static_cast<int>(ledger::kBatchEntriesMax)) {
      return absl::InvalidArgumentError(absl::StrCat("a batch has 1 to ", ledger::kBatchEntriesMax, " leaves"));
    }
    // That the author is the certificate's tenant is ours to check: the first leaf's author, since the writer takes batches of one author only. It
    // checks all else: form, signature, order, roster and idempotency.
    const auto leaf = ledger::ParseLeaf(request.leaf(0));
    if (!leaf.ok()) return absl::Status(leaf.status().code(), absl::StrCat("leaf 0: ", leaf.status().message()));
    const auto author = rpc::SpiffeId::Parse(leaf->entry.author());
    if (!author.ok() || author->network != guard_.network() || author->tenant != client.tenant) return refused;
    tenants::Write write;
    write.signed_leaves = {request.leaf().begin(), request.leaf().end()};
    partition->writer->Submit(std::move(write), [&response, answer = std::move(answer)](const absl::StatusOr<tenants::Admitted>& admitted) {
      if (admitted.ok()) {
        response.set_first_index(admitted->first_index);
        for (const ledger::Hash& hash : admitted->leaf_hashes) response.add_leaf_hash(std::string(ledger::AsBytes(hash)));
        *response.mutable_witnessed_by() = rpc::ToTimestamp(admitted->witnessed_by);
      }
      answer(admitted.status());
    });
    return absl::OkStatus();
  }

  const rpc::CallGuard& guard_;
  const Readers& readers_;
  const tenants::Partitions& partitions_;
  const MakeReceipt make_receipt_;
};

LedgerService::LedgerService(const rpc::CallGuard& guard, const Readers& readers, const tenants::Partitions& partitions,
                             MakeReceipt make_receipt)
    : core_(std::make_unique<Core>(guard, readers, partitions, std::move(make_receipt))) {}
LedgerService::~LedgerService() = default;

grpc::Service* LedgerService::grpc() { return core_.get(); }

}  // namespace custodian::log
