#include "services/governance/admin_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ledger/checkpoint.h"
#include "services/governance/admin_checks.h"
#include "services/rpc/protos/custodian.grpc.pb.h"
#include "services/rpc/serve_call.h"
#include "services/rpc/timestamp.h"

namespace custodian::governance {

std::string OriginOf(std::string_view network, const TenantId& tenant) {
  const ledger::Hash hash = ledger::Sha256(absl::StrCat("custodian/origin/v1\n", tenant.text()));
  return absl::StrCat(std::string(network), "/p/", HexEncode(ledger::AsBytes(hash).substr(0, 8)));
}

class AdminService::Core final : public v1::AdminService::Service {
 public:
  Core(const rpc::CallGuard& guard, keys::KeyClient& keys, GovernanceLog& governance, tenants::Registry& registry,
       tenants::NetworkClock& network_clock, AdminActions actions)
      : guard_(guard), keys_(keys), governance_(governance), registry_(registry), network_clock_(network_clock), actions_(std::move(actions)) {}

  grpc::Status AdmitTenant(grpc::ServerContext* context, const v1::AdmitTenantRequest* request, v1::AdmitTenantResponse* response) override {
    return Serve(*context, "AdmitTenant", [&] { return Admit(*request, *response); });
  }
  grpc::Status RegisterClient(grpc::ServerContext* context, const v1::RegisterClientRequest* request, v1::RegisterClientResponse*) override {
    return Serve(*context, "RegisterClient", [&] { return Register(*request); });
  }
  grpc::Status RemoveClient(grpc::ServerContext* context, const v1::RemoveClientRequest* request, v1::RemoveClientResponse* response) override {
    return Serve(*context, "RemoveClient", [&] { return Remove(*request, *response); });
  }
  grpc::Status ListClients(grpc::ServerContext* context, const v1::ListClientsRequest* request, v1::ListClientsResponse* response) override {
    return Serve(*context, "ListClients", [&] { return List(*request, *response); });
  }
  grpc::Status EnrollAuthor(grpc::ServerContext* context, const v1::EnrollAuthorRequest* request, v1::EnrollAuthorResponse* response) override {
    return Serve(*context, "EnrollAuthor", [&] { return Enroll(*request, *response); });
  }
  grpc::Status SetPolicy(grpc::ServerContext* context, const v1::SetPolicyRequest* request, v1::SetPolicyResponse* response) override {
    return Serve(*context, "SetPolicy", [&]() -> absl::Status {
      if (const auto policy = ledger::Policy::Parse(request->policy()); !policy.ok()) return policy.status();
      return Indexed(governance_.SetPolicy(request->policy()), *response);
    });
  }
  grpc::Status SetTable(grpc::ServerContext* context, const v1::SetTableRequest* request, v1::SetTableResponse* response) override {
    return Serve(*context, "SetTable", [&] { return Set(*request, *response); });
  }
  grpc::Status SetTime(grpc::ServerContext* context, const v1::SetTimeRequest* request, v1::SetTimeResponse* response) override {
    return Serve(*context, "SetTime", [&] { return MoveTime(*request, *response); });
  }
  grpc::Status Savings(grpc::ServerContext* context, const v1::SavingsRequest* request, v1::SavingsResponse* response) override {
    return Serve(*context, "Savings", [&]() -> absl::Status {
      absl::StatusOr<absl::Time> as_of = network_clock_.Now();
      if (request->has_as_of()) as_of = rpc::FromTimestamp(request->as_of());
      if (!as_of.ok()) return as_of.status();
      auto report = actions_.savings(*as_of, request->tenant(), request->marks());
      if (!report.ok()) return report.status();
      response->set_report_json(*std::move(report));
      return absl::OkStatus();
    });
  }
  grpc::Status Status(grpc::ServerContext* context, const v1::PlatformStatusRequest*, v1::PlatformStatusResponse* response) override {
    return Serve(*context, "Status", [&]() -> absl::Status {
      auto status = actions_.status();
      if (!status.ok()) return status.status();
      response->set_status_json(*std::move(status));
      return absl::OkStatus();
    });
  }
  grpc::Status DashboardLink(grpc::ServerContext* context, const v1::DashboardLinkRequest*, v1::DashboardLinkResponse* response) override {
    return rpc::ServeCall(guard_, *context, "DashboardLink", {"operator"}, [&](const tenants::Client& client) -> absl::Status {
      auto url = actions_.dashboard_link(client.spiffe_id);
      if (!url.ok()) return url.status();
      response->set_url(*std::move(url));
      return absl::OkStatus();
    });
  }

 private:
  grpc::Status Serve(const grpc::ServerContext& context, std::string_view method, const std::function<absl::Status()>& body) const {
    return rpc::ServeCall(guard_, context, method, {"operator"}, [&body](const tenants::Client&) { return body(); });
  }

  template <typename Response>
  static absl::Status Indexed(const absl::StatusOr<std::uint64_t>& index, Response& response) {
    if (!index.ok()) return index.status();
    response.set_governance_index(*index);
    return absl::OkStatus();
  }

  // Keys, then the entry and registry row, then the partition: each step is repeated without harm, so that a crash between two is
  // mended by sending the request again.
  absl::Status Admit(const v1::AdmitTenantRequest& request, v1::AdmitTenantResponse& response) {
    auto tenant = TenantOf(request);
    if (!tenant.ok()) return tenant.status();
    if (!tenant->cds_jwks.empty()) {
      if (absl::Status status = actions_.validate_jwks(tenant->cds_jwks); !status.ok()) return status;
    }
    tenant->origin = OriginOf(guard_.network(), tenant->id);
    const auto log_key = keys_.CreateTenant(tenant->id, tenant->origin, {tenant->cell, tenant->key_database});
    if (!log_key.ok()) return log_key.status();
    const auto vkey = ledger::NoteVerifier::Create(tenant->origin, ledger::kNoteEd25519, *log_key);
    if (!vkey.ok()) return absl::InternalError("the key process answered with a malformed log key");
    tenant->log_vkey = vkey->ToString();
    const auto index = governance_.AdmitTenant(*tenant);
    if (!index.ok()) return index.status();
    if (absl::Status status = registry_.Load(); !status.ok()) return status;
    if (absl::Status status = actions_.start_partition(*tenant); !status.ok()) return status;
    response.set_tenant_id(tenant->id.text());
    response.set_origin(tenant->origin);
    response.set_log_vkey(tenant->log_vkey);
    response.set_governance_index(*index);
    return absl::OkStatus();
  }

  absl::Status Register(const v1::RegisterClientRequest& request) {
    const auto client = ClientOf(guard_.network(), request);
    if (!client.ok()) return client.status();
    if (absl::Status status = RequireTenant(client->tenant.text()); !status.ok()) return status;
    auto access = AccessOf(*client, request);
    if (!access.ok()) return access.status();
    if (access->has_value())
      if (absl::Status status = actions_.validate_access(**access); !status.ok()) return status;
    if (absl::Status status = governance_.RegisterClient(*client); !status.ok()) return status;
    // One that was removed comes back only by a newer entry; keys that are not named here stay as they are.
    const auto former = governance_.FindClientAccess(client->spiffe_id);
    if (!access->has_value() && former && former->access.removed()) {
      access->emplace();
      (*access)->set_client(client->spiffe_id);
      (*access)->set_tenant_id(client->tenant.text());
    }
    if (access->has_value())
      if (const auto index = governance_.SetClientAccess(**access); !index.ok()) return index.status();
    return registry_.Load();
  }

  absl::Status Remove(const v1::RemoveClientRequest& request, v1::RemoveClientResponse& response) {
    const auto client = registry_.FindClient(request.spiffe_id());
    if (!client) return absl::NotFoundError("there is no client of that id; see custodian tenant client list");
    ledger::v1::ClientAccess access;
    access.set_client(client->spiffe_id);
    access.set_tenant_id(client->tenant.text());
    access.set_removed(true);
    return Indexed(governance_.SetClientAccess(access), response);
  }

  absl::Status List(const v1::ListClientsRequest& request, v1::ListClientsResponse& response) const {
    if (absl::Status status = RequireTenant(request.tenant_id()); !status.ok()) return status;
    for (const tenants::Client& client : registry_.Clients()) {
      if (!request.tenant_id().empty() && client.tenant.text() != request.tenant_id()) continue;
      v1::RegisteredClient& listed = *response.add_clients();
      listed.mutable_client()->set_spiffe_id(client.spiffe_id);
      listed.mutable_client()->set_tenant_id(client.tenant.text());
      listed.mutable_client()->set_role(client.role);
      listed.mutable_client()->set_purpose(client.purpose);
      const auto known = governance_.FindClientAccess(client.spiffe_id);
      if (!known) continue;
      listed.mutable_client()->set_jwks(known->access.jwks());
      listed.mutable_client()->set_jwks_url(known->access.jwks_url());
      listed.mutable_client()->set_scopes(known->access.scopes());
      *listed.mutable_client()->mutable_fhir_servers() = known->access.fhir_servers();
      listed.set_removed(known->access.removed());
    }
    return absl::OkStatus();
  }

  absl::Status Enroll(const v1::EnrollAuthorRequest& request, v1::EnrollAuthorResponse& response) {
    const auto id = rpc::SpiffeId::Parse(request.author());
    if (!id.ok() || id->network != guard_.network()) return absl::InvalidArgumentError("author: a SPIFFE id of this network is required");
    if (absl::Status status = RequireTenant(id->tenant.text()); !status.ok()) return status;
    const auto author = AuthorOf(request, id->tenant.text().empty() ? std::nullopt : registry_.FindById(id->tenant.text()));
    if (!author.ok()) return author.status();
    return Indexed(governance_.EnrollAuthor(*author), response);
  }

  absl::Status Set(const v1::SetTableRequest& request, v1::SetTableResponse& response) {
    if (request.source().empty() || request.approved_by().empty()) return absl::InvalidArgumentError("source and approved_by are required");
    if (absl::Status status = RequireTenant(request.tenant_id()); !status.ok()) return status;
    if (absl::Status status = actions_.validate_table(request.name(), request.tenant_id(), request.content()); !status.ok()) return status;
    const auto index =
        governance_.SetTable({request.name(), request.tenant_id(), request.content(), request.source(), request.approved_by()});
    if (absl::Status status = Indexed(index, response); !status.ok()) return status;
    return actions_.table_changed(request.name(), request.tenant_id());
  }

  absl::Status MoveTime(const v1::SetTimeRequest& request, v1::SetTimeResponse& response) {
    if (!request.has_time()) return absl::InvalidArgumentError("time: is required");
    const auto time = rpc::FromTimestamp(request.time());
    if (!time.ok()) return time.status();
    const absl::Time now = TruncateToMilliseconds(*time);
    if (absl::Status status = network_clock_.Set(now); !status.ok()) return status;
    if (absl::Status status = actions_.time_moved(now); !status.ok()) return status;
    *response.mutable_time() = rpc::ToTimestamp(network_clock_.Now());
    return absl::OkStatus();
  }

  // OK for none: operators', regulators' and the network's own.
  absl::Status RequireTenant(const std::string& tenant_id) const {
    if (tenant_id.empty() || registry_.FindById(tenant_id).has_value()) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat("there is no tenant ", TenantId::Parse(tenant_id).ok() ? tenant_id : "of that id"));
  }

  const rpc::CallGuard& guard_;
  keys::KeyClient& keys_;
  GovernanceLog& governance_;
  tenants::Registry& registry_;
  tenants::NetworkClock& network_clock_;
  const AdminActions actions_;
};

AdminService::AdminService(const rpc::CallGuard& guard, keys::KeyClient& keys, GovernanceLog& governance, tenants::Registry& registry,
                           tenants::NetworkClock& network_clock, AdminActions actions)
    : core_(std::make_unique<Core>(guard, keys, governance, registry, network_clock, std::move(actions))) {}
AdminService::~AdminService() = default;

grpc::Service* AdminService::grpc() { return core_.get(); }

}  // namespace custodian::governance
