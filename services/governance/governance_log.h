// The governance log as this process knows it: roster, tables, policy, admitted tenants - replayed from its first entry at start
// and verified on the way, then moved on after each own entry. What it writes goes through the governance partition's writer:
// entry and registry row in one Write. The roster of every partition writer. Thread-safe.
#ifndef CUSTODIAN_SERVICES_GOVERNANCE_GOVERNANCE_LOG_H_
#define CUSTODIAN_SERVICES_GOVERNANCE_GOVERNANCE_LOG_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/entry.pb.h"
#include "ledger/signature.h"
#include "ledger/tree.h"
#include "tenants/log_reader.h"
#include "tenants/partition_writer.h"
#include "tenants/registry.h"

namespace custodian::governance {

inline constexpr std::string_view kExamClasses = "exam-classes";
inline constexpr std::string_view kCodeMap = "code-map";
inline constexpr std::string_view kPrices = "prices";
inline constexpr std::string_view kFeedMap = "feed-map";
// Of the whole network only.
inline constexpr std::string_view kMatchWeights = "match-weights";
inline constexpr std::size_t kTableBytesMax = 48'000;

class GovernanceLog final : public tenants::Roster {
 public:
  // `origin` of the governance log; `author` and `key` are the custodian's own. Replays what `log` holds: DataLoss when an entry is
  // not signed by who might, or the entries do not make the head.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<GovernanceLog>> Create(std::string origin, std::string author,
                                                                             ledger::PublicKey key, const tenants::LogReader& log);
  ~GovernanceLog() override;

  // The governance partition's writer (made with this object as its roster and Options::anchors false). Before any write.
  void Bind(tenants::PartitionWriter& writer);
  // Once the writer runs: an empty log gets its first entry, which enrols the custodian's author key for every kind in every log,
  // signed by that key. OK when the log has entries and that key is enrolled; FailedPrecondition when it is not.
  [[nodiscard]] absl::Status Bootstrap();

  // Roster.
  [[nodiscard]] absl::Status MayWrite(std::string_view author, const ledger::Hash& key_id, std::string_view origin,
                                      ledger::v1::Kind kind) const override;
  [[nodiscard]] absl::StatusOr<ledger::PublicKey> Key(const ledger::Hash& key_id) const override;
  [[nodiscard]] std::pair<std::uint64_t, ledger::Hash> Position() const override;

  // Each returns the index of its entry in the governance log; the same again returns the first index and writes nothing. The
  // caller reloads tenants::Registry afterwards. InvalidArgument names the field; AlreadyExists when the name, origin, database,
  // organization or CDS issuer is another tenant's, or the id is admitted with other data.
  [[nodiscard]] absl::StatusOr<std::uint64_t> AdmitTenant(const tenants::Tenant& tenant);
  struct Author {
    std::string author;
    // SubjectPublicKeyInfo, DER.
    std::string public_key;
    // Empty: every log.
    std::vector<std::string> origins;
    std::vector<ledger::v1::Kind> kinds;
    bool revoked = false;
  };
  [[nodiscard]] absl::StatusOr<std::uint64_t> EnrollAuthor(const Author& author);
  // A whole tlog-policy.
  [[nodiscard]] absl::StatusOr<std::uint64_t> SetPolicy(std::string_view policy);
  struct GovernedTable {
    // Lower-case letters and '-', at most 32; which tables there are is for the services that use them to say.
    std::string name;
    // Empty for the whole network.
    std::string tenant_id;
    // CSV, UTF-8, at most kTableBytesMax; the services that use it check what it says before it comes here.
    std::string content;
    std::string source;
    std::string approved_by;
  };
  [[nodiscard]] absl::StatusOr<std::uint64_t> SetTable(const GovernedTable& table);
  // A registry row without an entry. The same again is OK; other role, tenant or purpose: AlreadyExists.
  [[nodiscard]] absl::Status RegisterClient(const tenants::Client& client);

  // Keys, scopes or removal of a client; InvalidArgument unless its tenant is admitted. What may be said is the caller's to check.
  [[nodiscard]] absl::StatusOr<std::uint64_t> SetClientAccess(const ledger::v1::ClientAccess& access);

  struct ClientAccess {
    ledger::v1::ClientAccess access;
    // Entry that says so.
    std::uint64_t index = 0;
  };
  // What was last said of the client; nothing when nothing ever was.
  [[nodiscard]] std::optional<ClientAccess> FindClientAccess(std::string_view client) const;
  // The newest table of that name for the tenant, else the network's; NotFound when neither was set.
  [[nodiscard]] absl::StatusOr<std::string> CurrentTable(std::string_view name, std::string_view tenant_id) const;
  // The newest version of exactly that table, the tenant's own or (with an empty id) the network's; nothing when it was never set.
  struct TableVersion {
    std::string content;
    // Of its entry.
    std::uint64_t index = 0;
  };
  [[nodiscard]] std::optional<TableVersion> FindTable(std::string_view name, std::string_view tenant_id) const;
  // The table that the entry at `index` set, however old; NotFound when that entry sets none.
  [[nodiscard]] absl::StatusOr<ledger::v1::TableSet> TableAt(std::uint64_t index) const;
  // NotFound before the first.
  [[nodiscard]] absl::StatusOr<std::string> CurrentPolicy() const;
  // Admitted tenants' (name, origin, vkey), oldest first.
  [[nodiscard]] std::vector<ledger::v1::TenantAdmitted> AdmittedTenants() const;

  // Takes in what the log holds beyond Position(). Own writes call it themselves.
  [[nodiscard]] absl::Status Refresh();

  [[nodiscard]] const std::string& origin() const;

 private:
  class State;
  explicit GovernanceLog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace custodian::governance

#endif  // CUSTODIAN_SERVICES_GOVERNANCE_GOVERNANCE_LOG_H_
