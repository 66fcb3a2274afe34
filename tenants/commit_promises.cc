#include "tenants/commit_promises.h"

#include <string>
#include <utility>

#include "ledger/promise.h"
#include "spdlog/spdlog.h"

namespace custodian::tenants {

void AddPromises(const PartitionWriter::Options& options, const ledger::Signer& signer, std::span<QueuedWrite* const> writes,
                 std::vector<absl::StatusOr<Admitted>>& outcomes) {
  std::vector<Admitted*> promised;
  std::vector<ledger::Promise> promises;
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (writes[i]->write.signed_leaves.empty() || !outcomes[i].ok()) continue;
    const Admitted& admitted = *outcomes[i];
    promised.push_back(&*outcomes[i]);
    promises.push_back({options.origin, admitted.first_index, admitted.leaf_hashes.size(), ledger::RootOf(admitted.leaf_hashes), admitted.witnessed_by});
  }
  if (promises.empty()) return;
  auto made = ledger::SignPromises(promises, options.author, signer);
  if (!made.ok()) {
    spdlog::error("partition {}: {} answers go out without a promise: {}", options.origin, promises.size(), std::string(made.status().message()));
    return;
  }
  for (std::size_t i = 0; i < promised.size(); ++i) promised[i]->promise = std::move((*made)[i]);
}

}  // namespace custodian::tenants
