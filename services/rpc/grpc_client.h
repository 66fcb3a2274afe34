// Clients of the platform's gRPC interface with plain types, for our commands: each is one mTLS channel. Thread-safe, blocking;
// errors carry the server's code and message. Unavailable and DeadlineExceeded leave the outcome open: send again with the same
// idempotency key.
#ifndef CUSTODIAN_SERVICES_RPC_GRPC_CLIENT_H_
#define CUSTODIAN_SERVICES_RPC_GRPC_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tenants/registry.h"

namespace custodian::rpc {

struct GrpcEndpoint {
  // "host:port"; the server's certificate must name the host.
  std::string address{};
  // The only CA believed.
  std::string ca_file{};
  std::string certificate_file{};
  std::string key_file{};
  // Per call.
  absl::Duration timeout = absl::Seconds(30);
};

// What an operator does (AdminService).
class AdminClient {
 public:
  // NotFound or InvalidArgument for files; connects at the first call.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<AdminClient>> Create(const GrpcEndpoint& endpoint);
  ~AdminClient();

  struct Admission {
    std::string tenant_id;
    std::string origin;
    std::string log_vkey;
    std::uint64_t governance_index = 0;
  };
  // All of `tenant` but origin and log_vkey, which the answer brings. Sent again, it finishes what a crash left and answers the same.
  [[nodiscard]] absl::StatusOr<Admission> AdmitTenant(const tenants::Tenant& tenant);
  // What a client proves itself with instead of a certificate, and what it may ask for (custodian.proto, RegisterClientRequest).
  struct ClientAccess {
    std::string jwks;
    std::string jwks_url;
    std::string scopes;
    std::vector<std::string> fhir_servers;
  };
  [[nodiscard]] absl::Status RegisterClient(const tenants::Client& client, const ClientAccess& access = {});
  // Index in the governance log; NotFound for a client that was never registered.
  [[nodiscard]] absl::StatusOr<std::uint64_t> RemoveClient(std::string_view spiffe_id);
  struct ListedClient {
    tenants::Client client;
    ClientAccess access;
    bool removed = false;
  };
  // Of one tenant (id), or of all; sorted by SPIFFE id.
  [[nodiscard]] absl::StatusOr<std::vector<ListedClient>> ListClients(std::string_view tenant_id);

  struct Author {
    // SPIFFE URI.
    std::string name;
    // SubjectPublicKeyInfo, DER.
    std::string public_key;
    // Empty: every log.
    std::vector<std::string> origins;
    // Names of ledger.v1.Kind values ("KIND_WATERMARK").
    std::vector<std::string> kinds;
    bool revoked = false;
  };
  // These three: index in the governance log.
  [[nodiscard]] absl::StatusOr<std::uint64_t> EnrollAuthor(const Author& author);
  [[nodiscard]] absl::StatusOr<std::uint64_t> SetPolicy(std::string_view policy);
  struct GovernedTable {
    // "exam-classes", "prices", "match-weights", or a table of services/consent/tenant_rules.h.
    std::string name;
    // Empty: the whole network.
    std::string tenant_id;
    std::string content;
    std::string source;
    std::string approved_by;
  };
  [[nodiscard]] absl::StatusOr<std::uint64_t> SetTable(const GovernedTable& table);

  // Network time after the call. FailedPrecondition unless time is simulated and moves forwards.
  [[nodiscard]] absl::StatusOr<absl::Time> SetTime(absl::Time time);
  // JSON report of SAVINGS; as of network time when absent. `tenant`: that tenant's own view; empty: the network's.
  [[nodiscard]] absl::StatusOr<std::string> Savings(std::optional<absl::Time> as_of = std::nullopt, std::string_view tenant = {}, bool marks = false);
  // JSON.
  [[nodiscard]] absl::StatusOr<std::string> Status();
  [[nodiscard]] absl::StatusOr<std::string> DashboardLink();

 private:
  class Core;
  explicit AdminClient(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

// What a tenant's result feed says (FeedService): the tenant is the certificate's.
class FeedClient {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<FeedClient>> Create(const GrpcEndpoint& endpoint);
  ~FeedClient();

  // Index of the entry in the tenant's log. `idempotency_key`: 1 to 128 bytes; the same key again gives the first answer.
  [[nodiscard]] absl::StatusOr<std::uint64_t> AdvanceWatermark(absl::Time through, std::string_view idempotency_key);
  [[nodiscard]] absl::StatusOr<std::uint64_t> ReportGap(absl::Time from, absl::Time to, std::string_view idempotency_key);

 private:
  class Core;
  explicit FeedClient(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

// A tenant's review of who is one person (MatchService): the tenant is the certificate's.
class MatchClient {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<MatchClient>> Create(const GrpcEndpoint& endpoint);
  ~MatchClient();

  // As services/rpc/protos/custodian.proto has them.
  struct Item {
    std::string patient;
    std::string other;
    std::string other_tenant;
    std::string other_patient;
    std::string grade;
    double score = 0;
    std::vector<std::string> agreement;
  };
  struct Page {
    std::vector<Item> items;
    std::string next;
  };
  [[nodiscard]] absl::StatusOr<Page> ReviewQueue(std::string_view after);
  // Index of the entry in the tenant's log.
  [[nodiscard]] absl::StatusOr<std::uint64_t> Decide(std::string_view patient, std::string_view other, bool link, std::string_view reason,
                                                     std::string_view idempotency_key);

 private:
  class Core;
  explicit MatchClient(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

// Authors append, admitted readers fetch receipts (LedgerService).
class LedgerClient {
 public:
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LedgerClient>> Create(const GrpcEndpoint& endpoint);
  ~LedgerClient();

  struct Appended {
    std::uint64_t first_index = 0;
    // 32 bytes each.
    std::vector<std::string> leaf_hashes;
    absl::Time witnessed_by;
    // The custodian's signed promise of it (ledger/promise.h), to keep; empty when it gave none.
    std::string promise;
  };
  // Leaves of one author batch (ledger::SignBatch), in order.
  [[nodiscard]] absl::StatusOr<Appended> AppendBatch(std::string_view origin, const std::vector<std::string>& leaves);
  // A tlog-proof file; Unavailable while the entry is not witnessed yet.
  [[nodiscard]] absl::StatusOr<std::string> GetReceipt(std::string_view origin, std::uint64_t index);

  struct Opened {
    // 32 bytes, or empty when the custodian could not open it.
    std::string salt;
    // JSON.
    std::string detail;
  };
  // What reported entries of the node's own log commit to, in order; at most 256 at a time.
  [[nodiscard]] absl::StatusOr<std::vector<Opened>> OpenReported(std::string_view origin, const std::vector<std::uint64_t>& indexes);

 private:
  class Core;
  explicit LedgerClient(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace custodian::rpc

#endif  // CUSTODIAN_SERVICES_RPC_GRPC_CLIENT_H_
