#include "services/keys/recent_tokens.h"

#include <utility>

#include "ledger/tree.h"
#include "services/keys/cipher.h"

namespace custodian::keys {
namespace {

constexpr std::size_t kSaltBytes = 32;

}  // namespace

RecentTokens::RecentTokens(std::size_t tokens_max) : tokens_max_(tokens_max), salt_(RandomBytes(kSaltBytes)) {}

std::optional<std::string> RecentTokens::Find(const TenantId& tenant, std::string_view value) const {
  const std::string name = NameOf(tenant, value);
  const absl::MutexLock lock(&mutex_);
  for (const auto* tokens : {&newer_, &older_}) {
    if (const auto found = tokens->find(name); found != tokens->end()) return found->second;
  }
  return std::nullopt;
}

void RecentTokens::Keep(const TenantId& tenant, std::string_view value, std::string token) {
  std::string name = NameOf(tenant, value);
  const absl::MutexLock lock(&mutex_);
  if (newer_.size() >= tokens_max_) {
    older_ = std::move(newer_);
    newer_.clear();
  }
  newer_.insert_or_assign(std::move(name), std::move(token));
}

void RecentTokens::Forget() {
  const absl::MutexLock lock(&mutex_);
  newer_.clear();
  older_.clear();
}

std::string RecentTokens::NameOf(const TenantId& tenant, std::string_view value) const {
  return std::string(ledger::AsBytes(ledger::Sha256(BoundName(salt_, {tenant.text(), value}))));
}

}  // namespace custodian::keys
