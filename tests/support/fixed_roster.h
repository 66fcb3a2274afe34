// A roster without a governance log: admits the keys a test names, for every kind in every log. Thread-safe.
#ifndef CUSTODIAN_TESTS_SUPPORT_FIXED_ROSTER_H_
#define CUSTODIAN_TESTS_SUPPORT_FIXED_ROSTER_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "ledger/signature.h"
#include "ledger/tree.h"
#include "tenants/partition_writer.h"

namespace custodian::testing {

class FixedRoster final : public tenants::Roster {
 public:
  FixedRoster() = default;
  FixedRoster(std::string author, const ledger::PublicKey& key) { Admit(std::move(author), key); }

  void Admit(std::string author, const ledger::PublicKey& key) {
    absl::MutexLock lock(&mutex_);
    authors_.insert_or_assign(key.key_id(), std::pair(std::move(author), key));
  }
  void Remove(const ledger::PublicKey& key) {
    absl::MutexLock lock(&mutex_);
    authors_.erase(key.key_id());
  }
  // As when the governance log grew.
  void MoveTo(std::uint64_t size, const ledger::Hash& root) {
    absl::MutexLock lock(&mutex_);
    position_ = {size, root};
  }

  [[nodiscard]] absl::Status MayWrite(std::string_view author, const ledger::Hash& key_id, std::string_view /*origin*/,
                                      ledger::v1::Kind /*kind*/) const override {
    absl::MutexLock lock(&mutex_);
    const auto found = authors_.find(key_id);
    if (found == authors_.end() || found->second.first != author) return absl::PermissionDeniedError("the author is not in the roster");
    return absl::OkStatus();
  }
  [[nodiscard]] absl::StatusOr<ledger::PublicKey> Key(const ledger::Hash& key_id) const override {
    absl::MutexLock lock(&mutex_);
    const auto found = authors_.find(key_id);
    if (found == authors_.end()) return absl::PermissionDeniedError("the key is not in the roster");
    return found->second.second;
  }
  [[nodiscard]] std::pair<std::uint64_t, ledger::Hash> Position() const override {
    absl::MutexLock lock(&mutex_);
    return position_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<ledger::Hash, std::pair<std::string, ledger::PublicKey>> authors_ ABSL_GUARDED_BY(mutex_);
  std::pair<std::uint64_t, ledger::Hash> position_ ABSL_GUARDED_BY(mutex_) = {0, ledger::EmptyRoot()};
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_FIXED_ROSTER_H_
