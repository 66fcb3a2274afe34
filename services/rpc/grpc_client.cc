#include "services/rpc/grpc_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <utility>

#include "services/rpc/grpc_server.h"
#include "services/rpc/pem_file.h"
#include "services/rpc/protos/custodian.grpc.pb.h"
#include "services/rpc/timestamp.h"

namespace custodian::rpc {
namespace {

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const GrpcEndpoint& endpoint) {
  auto roots = ReadPem(endpoint.ca_file);
  auto certificate = ReadPem(endpoint.certificate_file);
  auto key = ReadPem(endpoint.key_file);
  for (const auto* file : {&roots, &certificate, &key})
    if (!file->ok()) return file->status();
  grpc::SslCredentialsOptions tls;
  tls.pem_root_certs = *std::move(roots);
  tls.pem_cert_chain = *std::move(certificate);
  tls.pem_private_key = *std::move(key);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kGrpcMessageBytesMax);
  arguments.SetMaxSendMessageSize(kGrpcMessageBytesMax);
  // Nothing is sent twice behind our back, and no proxy of the environment is asked.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(endpoint.address, grpc::SslCredentials(tls), arguments);
}

// A stub and the deadline of its calls.
template <typename Service>
class Caller {
 public:
  static absl::StatusOr<Caller> Create(const GrpcEndpoint& endpoint) {
    auto channel = MakeChannel(endpoint);
    if (!channel.ok()) return channel.status();
    return Caller(Service::NewStub(*channel), endpoint.timeout);
  }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(grpc::Status (Service::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) const {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
    Response response;
    if (absl::Status status = FromGrpc((stub_.get()->*method)(&context, request, &response)); !status.ok()) return status;
    return response;
  }

 private:
  Caller(std::unique_ptr<typename Service::Stub> stub, absl::Duration timeout) : stub_(std::move(stub)), timeout_(timeout) {}

  std::unique_ptr<typename Service::Stub> stub_;
  absl::Duration timeout_;
};

}  // namespace

class AdminClient::Core {
 public:
  Caller<v1::AdminService> caller;
};

AdminClient::AdminClient(std::unique_ptr<Core> core) : core_(std::move(core)) {}
AdminClient::~AdminClient() = default;

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Create(const GrpcEndpoint& endpoint) {
  auto caller = Caller<v1::AdminService>::Create(endpoint);
  if (!caller.ok()) return caller.status();
  return std::unique_ptr<AdminClient>(new AdminClient(std::make_unique<Core>(Core{*std::move(caller)})));
}

absl::StatusOr<AdminClient::Admission> AdminClient::AdmitTenant(const tenants::Tenant& tenant) {
  v1::AdmitTenantRequest request;
  request.set_name(tenant.name);
  request.set_display_name(tenant.display_name);
  request.set_cell(tenant.cell);
  request.set_time_zone(tenant.time_zone);
  request.set_organization_system(tenant.organization_system);
  request.set_organization_value(tenant.organization_value);
  request.set_accession_system(tenant.accession_system);
  request.set_cds_issuer(tenant.cds_issuer);
  request.set_cds_tenant(tenant.cds_tenant);
  request.set_cds_jwks(tenant.cds_jwks);
  request.set_tenant_id(tenant.id.text());
  request.set_database(tenant.database);
  request.set_key_database(tenant.key_database);
  auto response = core_->caller.Call(&v1::AdminService::Stub::AdmitTenant, request);
  if (!response.ok()) return response.status();
  return Admission{response->tenant_id(), response->origin(), response->log_vkey(), response->governance_index()};
}

absl::Status AdminClient::RegisterClient(const tenants::Client& client, const ClientAccess& access) {
  v1::RegisterClientRequest request;
  request.set_spiffe_id(client.spiffe_id);
  request.set_tenant_id(client.tenant.text());
  request.set_role(client.role);
  request.set_purpose(client.purpose);
  request.set_jwks(access.jwks);
  request.set_jwks_url(access.jwks_url);
  request.set_scopes(access.scopes);
  *request.mutable_fhir_servers() = {access.fhir_servers.begin(), access.fhir_servers.end()};
  return core_->caller.Call(&v1::AdminService::Stub::RegisterClient, request).status();
}

absl::StatusOr<std::uint64_t> AdminClient::RemoveClient(std::string_view spiffe_id) {
  v1::RemoveClientRequest request;
  request.set_spiffe_id(std::string(spiffe_id));
  const auto response = core_->caller.Call(&v1::AdminService::Stub::RemoveClient, request);
  if (!response.ok()) return response.status();
  return response->governance_index();
}

absl::StatusOr<std::vector<AdminClient::ListedClient>> AdminClient::ListClients(std::string_view tenant_id) {
  v1::ListClientsRequest request;
  request.set_tenant_id(std::string(tenant_id));
  const auto response = core_->caller.Call(&v1::AdminService::Stub::ListClients, request);
  if (!response.ok()) return response.status();
  std::vector<ListedClient> clients;
  for (const v1::RegisteredClient& one : response->clients()) {
    const v1::RegisterClientRequest& client = one.client();
    // Empty for the network's own.
    const auto tenant = TenantId::Parse(client.tenant_id());
    clients.push_back({{client.spiffe_id(), tenant.ok() ? *tenant : TenantId(), client.role(), client.purpose()},
                       {client.jwks(), client.jwks_url(), client.scopes(), {client.fhir_servers().begin(), client.fhir_servers().end()}},
                       one.removed()});
  }
  return clients;
}

absl::StatusOr<std::uint64_t> AdminClient::EnrollAuthor(const Author& author) {
  v1::EnrollAuthorRequest request;
  request.set_author(author.name);
  request.set_public_key(author.public_key);
  *request.mutable_origins() = {author.origins.begin(), author.origins.end()};
  *request.mutable_kinds() = {author.kinds.begin(), author.kinds.end()};
  request.set_revoked(author.revoked);
  auto response = core_->caller.Call(&v1::AdminService::Stub::EnrollAuthor, request);
  if (!response.ok()) return response.status();
  return response->governance_index();
}

absl::StatusOr<std::uint64_t> AdminClient::SetPolicy(std::string_view policy) {
  v1::SetPolicyRequest request;
  request.set_policy(std::string(policy));
  auto response = core_->caller.Call(&v1::AdminService::Stub::SetPolicy, request);
  if (!response.ok()) return response.status();
  return response->governance_index();
}

absl::StatusOr<std::uint64_t> AdminClient::SetTable(const GovernedTable& table) {
  v1::SetTableRequest request;
  request.set_name(table.name);
  request.set_tenant_id(table.tenant_id);
  request.set_content(table.content);
  request.set_source(table.source);
  request.set_approved_by(table.approved_by);
  auto response = core_->caller.Call(&v1::AdminService::Stub::SetTable, request);
  if (!response.ok()) return response.status();
  return response->governance_index();
}

absl::StatusOr<absl::Time> AdminClient::SetTime(absl::Time time) {
  v1::SetTimeRequest request;
  *request.mutable_time() = ToTimestamp(time);
  auto response = core_->caller.Call(&v1::AdminService::Stub::SetTime, request);
  if (!response.ok()) return response.status();
  return FromTimestamp(response->time());
}

absl::StatusOr<std::string> AdminClient::Savings(std::optional<absl::Time> as_of, std::string_view tenant, bool marks) {
  v1::SavingsRequest request;
  if (as_of.has_value()) *request.mutable_as_of() = ToTimestamp(*as_of);
  request.set_tenant(std::string(tenant));
  request.set_marks(marks);
  auto response = core_->caller.Call(&v1::AdminService::Stub::Savings, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_report_json());
}

absl::StatusOr<std::string> AdminClient::Status() {
  auto response = core_->caller.Call(&v1::AdminService::Stub::Status, v1::PlatformStatusRequest());
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_status_json());
}

absl::StatusOr<std::string> AdminClient::DashboardLink() {
  auto response = core_->caller.Call(&v1::AdminService::Stub::DashboardLink, v1::DashboardLinkRequest());
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_url());
}

class FeedClient::Core {
 public:
  Caller<v1::FeedService> caller;
};

FeedClient::FeedClient(std::unique_ptr<Core> core) : core_(std::move(core)) {}
FeedClient::~FeedClient() = default;

absl::StatusOr<std::unique_ptr<FeedClient>> FeedClient::Create(const GrpcEndpoint& endpoint) {
  auto caller = Caller<v1::FeedService>::Create(endpoint);
  if (!caller.ok()) return caller.status();
  return std::unique_ptr<FeedClient>(new FeedClient(std::make_unique<Core>(Core{*std::move(caller)})));
}

absl::StatusOr<std::uint64_t> FeedClient::AdvanceWatermark(absl::Time through, std::string_view idempotency_key) {
  v1::AdvanceWatermarkRequest request;
  *request.mutable_through() = ToTimestamp(through);
  request.set_idempotency_key(std::string(idempotency_key));
  auto response = core_->caller.Call(&v1::FeedService::Stub::AdvanceWatermark, request);
  if (!response.ok()) return response.status();
  return response->index();
}

absl::StatusOr<std::uint64_t> FeedClient::ReportGap(absl::Time from, absl::Time to, std::string_view idempotency_key) {
  v1::ReportGapRequest request;
  *request.mutable_from() = ToTimestamp(from);
  *request.mutable_to() = ToTimestamp(to);
  request.set_idempotency_key(std::string(idempotency_key));
  auto response = core_->caller.Call(&v1::FeedService::Stub::ReportGap, request);
  if (!response.ok()) return response.status();
  return response->index();
}

class MatchClient::Core {
 public:
  Caller<v1::MatchService> caller;
};

MatchClient::MatchClient(std::unique_ptr<Core> core) : core_(std::move(core)) {}
MatchClient::~MatchClient() = default;

absl::StatusOr<std::unique_ptr<MatchClient>> MatchClient::Create(const GrpcEndpoint& endpoint) {
  auto caller = Caller<v1::MatchService>::Create(endpoint);
  if (!caller.ok()) return caller.status();
  return std::unique_ptr<MatchClient>(new MatchClient(std::make_unique<Core>(Core{*std::move(caller)})));
}

absl::StatusOr<MatchClient::Page> MatchClient::ReviewQueue(std::string_view after) {
  v1::ReviewQueueRequest request;
  request.set_after(std::string(after));
  auto response = core_->caller.Call(&v1::MatchService::Stub::ReviewQueue, request);
  if (!response.ok()) return response.status();
  Page page;
  page.next = response->next();
  for (const v1::ReviewItem& item : response->item())
    page.items.push_back({item.patient(), item.other(), item.other_tenant(), item.other_patient(), item.grade(), item.score(),
                          {item.agreement().begin(), item.agreement().end()}});
  return page;
}

absl::StatusOr<std::uint64_t> MatchClient::Decide(std::string_view patient, std::string_view other, bool link, std::string_view reason,
                                                  std::string_view idempotency_key) {
  v1::DecideMatchRequest request;
  request.set_patient(std::string(patient));
  request.set_other(std::string(other));
  request.set_link(link);
  request.set_reason(std::string(reason));
  request.set_idempotency_key(std::string(idempotency_key));
  auto response = core_->caller.Call(&v1::MatchService::Stub::DecideMatch, request);
  if (!response.ok()) return response.status();
  return response->index();
}

class LedgerClient::Core {
 public:
  Caller<v1::LedgerService> caller;
};

LedgerClient::LedgerClient(std::unique_ptr<Core> core) : core_(std::move(core)) {}
LedgerClient::~LedgerClient() = default;

absl::StatusOr<std::unique_ptr<LedgerClient>> LedgerClient::Create(const GrpcEndpoint& endpoint) {
  auto caller = Caller<v1::LedgerService>::Create(endpoint);
  if (!caller.ok()) return caller.status();
  return std::unique_ptr<LedgerClient>(new LedgerClient(std::make_unique<Core>(Core{*std::move(caller)})));
}

absl::StatusOr<LedgerClient::Appended> LedgerClient::AppendBatch(std::string_view origin, const std::vector<std::string>& leaves) {
  v1::AppendBatchRequest request;
  request.set_origin(std::string(origin));
  for (const std::string& leaf : leaves) request.add_leaf(leaf);
  auto response = core_->caller.Call(&v1::LedgerService::Stub::AppendBatch, request);
  if (!response.ok()) return response.status();
  auto witnessed_by = FromTimestamp(response->witnessed_by());
  if (!witnessed_by.ok()) return witnessed_by.status();
  return Appended{response->first_index(), {response->leaf_hash().begin(), response->leaf_hash().end()}, *witnessed_by, std::move(*response->mutable_promise())};
}

absl::StatusOr<std::vector<LedgerClient::Opened>> LedgerClient::OpenReported(std::string_view origin, const std::vector<std::uint64_t>& indexes) {
  v1::OpenReportedRequest request;
  request.set_origin(std::string(origin));
  for (const std::uint64_t index : indexes) request.add_index(index);
  auto response = core_->caller.Call(&v1::LedgerService::Stub::OpenReported, request);
  if (!response.ok()) return response.status();
  std::vector<Opened> opened;
  for (v1::OpenedCommitment& one : *response->mutable_opened()) {
    if (opened.size() >= indexes.size() || one.index() != indexes[opened.size()]) return absl::InternalError("the custodian opened other entries than it was asked for");
    opened.push_back({std::move(*one.mutable_salt()), std::move(*one.mutable_detail())});
  }
  if (opened.size() != indexes.size()) return absl::InternalError("the custodian opened fewer entries than it was asked for");
  return opened;
}

absl::StatusOr<std::string> LedgerClient::GetReceipt(std::string_view origin, std::uint64_t index) {
  v1::GetReceiptRequest request;
  request.set_origin(std::string(origin));
  request.set_index(index);
  auto response = core_->caller.Call(&v1::LedgerService::Stub::GetReceipt, request);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_tlog_proof());
}

}  // namespace custodian::rpc
