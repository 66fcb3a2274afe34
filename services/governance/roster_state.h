// What the entries of a governance log add up to. A value: pure, no SQL, no clock; the log moves it on one leaf at a time.
#ifndef CUSTODIAN_SERVICES_GOVERNANCE_ROSTER_STATE_H_
#define CUSTODIAN_SERVICES_GOVERNANCE_ROSTER_STATE_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "ledger/entry.h"
#include "ledger/entry.pb.h"
#include "ledger/roster.h"
#include "ledger/signature.h"
#include "ledger/tree.h"

namespace custodian::governance {

class RosterState {
 public:
  struct Author {
    ledger::v1::RosterChanged change;
    ledger::PublicKey key;
    // Entry that says so.
    std::uint64_t index = 0;
  };
  struct Table {
    ledger::v1::TableSet set;
    std::uint64_t index = 0;
  };
  struct Access {
    ledger::v1::ClientAccess access;
    std::uint64_t index = 0;
  };
  struct Policy {
    std::string text;
    std::uint64_t index = 0;
  };

  // `origin` of the governance log, and the one author whose entries it takes.
  RosterState(std::string origin, std::string custodian) : origin_(std::move(origin)), custodian_(std::move(custodian)) {}

  // The next leaf. DataLoss unless it is signed by a key that the entries before it let write it; the first enrols the key that
  // signs it.
  [[nodiscard]] absl::Status Append(std::string_view leaf);

  [[nodiscard]] absl::Status MayWrite(std::string_view author, const ledger::Hash& key_id, std::string_view origin,
                                      ledger::v1::Kind kind) const;
  // Null when never enrolled; a revoked key is found.
  [[nodiscard]] const Author* FindKey(const ledger::Hash& key_id) const;
  [[nodiscard]] const Table* FindTable(std::string_view name, std::string_view tenant_id) const;
  // Null for a client of which nothing was said.
  [[nodiscard]] const Access* FindAccess(std::string_view client) const;
  // Null before the first.
  [[nodiscard]] const Policy* policy() const { return policy_.text.empty() ? nullptr : &policy_; }
  [[nodiscard]] const std::vector<ledger::v1::TenantAdmitted>& tenants() const { return tenants_; }
  [[nodiscard]] std::uint64_t size() const { return range_.size(); }
  [[nodiscard]] ledger::Hash Root() const { return range_.Root(); }

 private:
  [[nodiscard]] absl::Status CheckSignature(const ledger::Leaf& leaf) const;
  [[nodiscard]] absl::Status Take(const ledger::v1::Entry& entry);

  std::string origin_;
  std::string custodian_;
  ledger::CompactRange range_;
  // What decides, by the same rules as every verifier's.
  ledger::AuthorRoster roster_;
  std::map<ledger::Hash, Author> authors_;
  std::map<std::pair<std::string, std::string>, Table, std::less<>> tables_;
  std::map<std::string, Access, std::less<>> accesses_;
  Policy policy_;
  std::vector<ledger::v1::TenantAdmitted> tenants_;
};

}  // namespace custodian::governance

#endif  // CUSTODIAN_SERVICES_GOVERNANCE_ROSTER_STATE_H_
