// What the platform is made of, and what each part is given of the others.
#include "services/main/platform.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/consent/tenant_rules.h"
#include "services/exchange/match_weights.h"
#include "services/exchange/order_feed.h"
#include "services/exchange/reported_openings.h"
#include "services/governance/admin_checks.h"
#include "services/log/feed_store.h"
#include "services/main/commands.h"
#include "services/main/quorum.h"
#include "services/rpc/certificate.h"
#include "services/savings/prices.h"
#include "spdlog/spdlog.h"

namespace custodian::main {
namespace {

// Batches of tenants' agents, a few a minute each, that wait for the database.
constexpr std::size_t kErrandsMax = 256;
// Charts of other tenants that order checks wait for: more than checks at once, for one may want several tenants'. A token opens a few at a time.
constexpr std::size_t kOpeningsMax = 512;
constexpr int kOpeningsOfATenant = 16;
// A call holds a thread until its answer; one tenant's order checks never hold all of them.
constexpr int kHttpsThreads = 256;
constexpr int kOrderChecksOfATenant = 96;
constexpr int kRequestsOfATenant = 96;
// As many as `verify --jobs` may ask at once.
constexpr int kLogRequestsOfAClient = 64;
constexpr absl::Duration kKeySetTimeout = absl::Seconds(2);

template <typename T>
T Value(absl::StatusOr<T> value) {
  Check(value.status());
  return *std::move(value);
}

rpc::Shares::Limits LimitsOf(const Config& config, int tenant_at_once) {
  return {.tenant_at_once = tenant_at_once, .client_at_once = config.client_at_once, .client_per_second = config.client_per_second};
}

}  // namespace

std::unique_ptr<log::Publisher> Platform::MakePublisher() {
  auto publisher = Value(log::Publisher::Create({.mirrors = MirrorsOf(config_)}, network_->policy, *network_->keys, *network_->witness_client));
  publisher->Add(Value(ledger::NoteVerifier::Parse(network_->governance_vkey)), *network_->governance_reader,
                 [&writer = *network_->governance_writer] { return writer.committed(); }, MirrorsOf(config_));
  return publisher;
}

// Registered clients, and the operator whom the configuration itself names: somebody must act before anybody is registered.
rpc::CallGuard Platform::MakeGuard() {
  std::string own_operator;
  if (!config_.operator_certificate_file.empty()) own_operator = Value(rpc::SpiffeIdOfFile(config_.operator_certificate_file));
  return rpc::CallGuard(config_.network, [this, own_operator](std::string_view spiffe_id) -> std::optional<tenants::Client> {
    if (!own_operator.empty() && spiffe_id == own_operator) {
      return tenants::Client{.spiffe_id = own_operator, .tenant = {}, .role = "operator", .purpose = {}};
    }
    return FindClient(spiffe_id);
  }, &grpc_shares_);
}

std::optional<tenants::Client> Platform::FindClient(std::string_view spiffe_id) const {
  const auto access = network_->governance->FindClientAccess(spiffe_id);
  if (access && access->access.removed()) return std::nullopt;
  return network_->registry->FindClient(spiffe_id);
}

exchange::ExchangeParts Platform::Parts() {
  return {.partitions = network_->partitions,
          .registry = *network_->registry,
          .sealer = sealer_,
          .keys = *network_->keys,
          .records = records_,
          .locator = locator_,
          .network_clock = *network_->clock,
          .public_url = config_.public_url,
          .rules = [this](const TenantId& tenant) { return consent_tables_.Of(tenant); },
          .refused = [this](exchange::Refused refused) { refusals_.Note(std::move(refused)); },
          .open_apart = [this](const TenantId& tenant, std::function<void()> opening) { return openings_.Add(tenant, std::move(opening)); }};
}

// Keys as they were at the admission, unless the tenant's CDS client was registered with newer ones.
std::optional<exchange::CdsClient> Platform::FindCdsClient(std::string_view issuer, std::string_view cds_tenant) const {
  auto tenant = network_->registry->FindByCdsIssuer(issuer, cds_tenant);
  if (!tenant) return std::nullopt;
  const auto access = network_->governance->FindClientAccess(
      absl::StrCat("spiffe://", config_.network, "/tenant/", tenant->id.text(), "/cds/", std::string(governance::kCdsClientName)));
  exchange::CdsClient client{*tenant, exchange::KeySource{tenant->cds_jwks, {}}, {}};
  if (!access) return client;
  if (access->access.removed()) return std::nullopt;
  if (!access->access.jwks().empty() || !access->access.jwks_url().empty()) client.keys = {access->access.jwks(), access->access.jwks_url()};
  client.fhir_servers.assign(access->access.fhir_servers().begin(), access->access.fhir_servers().end());
  return client;
}

absl::Status Platform::ValidateTable(std::string_view name, std::string_view tenant_id, std::string_view content) const {
  if (name == governance::kExamClasses) return exam_tables_.CheckClasses(tenant_id, content);
  if (name == governance::kCodeMap) return exam_tables_.CheckCodes(tenant_id, content);
  if (name == exchange::kOrderReasonsTable) return exchange::ExamTables::CheckReasons(content);
  if (name == governance::kPrices) return savings::PriceTable::Parse(content).status();
  if (name == governance::kMatchWeights) {
    if (!tenant_id.empty()) return absl::InvalidArgumentError("match-weights: they are the whole network's; name no tenant");
    return exchange::MatchWeights::Parse(content).status();
  }
  if (name == governance::kFeedMap) return feeds::FeedMap::Standard()->With(content).status();
  if (name == consent::kLegalBasisTable && tenant_id.empty()) return absl::InvalidArgumentError("legal-basis: each tenant records its own");
  if (consent::IsConsentTable(name)) return consent::CheckTable(name, content);
  return absl::InvalidArgumentError(absl::StrCat("a table is exam-classes, code-map, order-reasons, prices, feed-map, match-weights, ", consent::kLegalBasisTable, ", ",
                                                 consent::kSensitivityTable, ", ", consent::kMinorsTable, ", ", consent::kRepresentativesTable, " or ",
                                                 consent::kBreakGlassTable));
}

governance::AdminActions Platform::Actions() {
  return {.start_partition = [this](const tenants::Tenant&) { return StartPartitions(); },
          .validate_table = [this](std::string_view name, std::string_view tenant_id,
                                   std::string_view content) { return ValidateTable(name, tenant_id, content); },
          .validate_jwks = [](std::string_view jwks) { return exchange::CheckJwks(jwks); },
          .validate_access =
              [this](const ledger::v1::ClientAccess& access) {
                return exchange::SmartService::CheckAccess(access, [this](std::string_view url) { return outgoing_->Check(url); });
              },
          .table_changed =
              [this](std::string_view, std::string_view) {
                exam_tables_.Forget();
                consent_tables_.Forget();
                feed_maps_.Forget();
                return UseMatchWeights();
              },
          .time_moved = [this](absl::Time) { return evaluator_.Settle(); },
          .savings =
              [this](absl::Time as_of, std::string_view tenant, bool marks) {
                return reporter_.MakeJson(as_of, tenant, marks ? savings::Marks::kShown : savings::Marks::kNone);
              },
          .status = [this]() -> absl::StatusOr<std::string> { return StatusJson(); },
          .dashboard_link = [this](std::string_view actor) -> absl::StatusOr<std::string> {
            return sessions_.CreateLinkUrl(config_.public_url, actor);
          }};
}

Platform::Platform(const Config& config)
    : config_(config),
      network_(Value(Network::Create(config))),
      publisher_(MakePublisher()),
      exam_tables_([this](std::string_view name, std::string_view tenant) { return network_->governance->CurrentTable(name, tenant); },
                   *network_->registry),
      consent_tables_(*network_->governance),
      sealer_(*network_->keys, machine_clock_, config.key_lease),
      records_(network_->partitions, sealer_, machine_clock_, {.kept = config.key_lease}),
      locator_(*network_->locator_database, *network_->keys),
      corrections_(config.public_url, network_->partitions, sealer_, locator_, records_, *network_->clock),
      evaluator_({.partitions = network_->partitions,
                  .registry = *network_->registry,
                  .network_database = *network_->database,
                  .locator = locator_,
                  .records = records_,
                  .sealer = sealer_,
                  .network_clock = *network_->clock,
                  .exam_tables = exam_tables_,
                  .current_table = [this](std::string_view name,
                                          std::string_view tenant) { return network_->governance->CurrentTable(name, tenant); }}),
      reporter_(*network_->database, *network_->registry, *network_->clock, [this] { return DrainAll(); }),
      metrics_(reporter_),
      grpc_shares_(LimitsOf(config, kRequestsOfATenant), machine_clock_),
      fhir_shares_(LimitsOf(config, kRequestsOfATenant), machine_clock_),
      cds_shares_(LimitsOf(config, kOrderChecksOfATenant), machine_clock_),
      log_shares_({.tenant_at_once = kRequestsOfATenant, .client_at_once = kLogRequestsOfAClient}, machine_clock_),
      guard_(MakeGuard()),
      readers_(guard_, network_->partitions, network_->governance_origin),
      sealed_pages_(network_->partitions, *network_->wrapped_keys, AuthorName(config)),
      tiles_(
          config.network, readers_,
          [this](std::string_view origin) -> const tenants::LogReader* {
            if (origin == network_->governance_origin) return network_->governance_reader.get();
            const tenants::Partition* partition = network_->partitions.FindByOrigin(origin);
            return partition == nullptr ? nullptr : partition->log.get();
          },
          [this](std::string_view origin, std::uint64_t index) { return MakeReceipt(origin, index); },
          [this](std::string_view origin, std::string_view subject) { return ListSubject(origin, subject); },
          [this](std::string_view origin, const ledger::SealedPath& from) { return sealed_pages_.Make(origin, from); }),
      refusals_({.batch = static_cast<std::size_t>(config.refusals_batch), .waiting_max = static_cast<std::size_t>(config.refusals_waiting_max)},
                network_->partitions, sealer_, records_),
      outgoing_(Value(rpc::Outgoing::Create({.hosts = config.outgoing.hosts,
                                             .private_networks = config.outgoing.private_networks,
                                             .ca_file = config.outgoing.ca_file}))),
      key_sets_([this](const std::string& url) { return outgoing_->Get(kKeySetTimeout, url, {{"Accept", "application/json"}}); }, machine_clock_),
      smart_(
          config.public_url, network_->partitions, sealer_, key_sets_, [this](std::string_view id) { return FindClient(id); },
          [this](std::string_view id) -> std::optional<exchange::SmartService::Access> {
            auto found = network_->governance->FindClientAccess(id);
            if (!found) return std::nullopt;
            return exchange::SmartService::Access{std::move(found->access), found->index};
          },
          machine_clock_),
      fhir_({.charts = {.kept = config.key_lease},
             .tick = config.order_check_tick,
             .authenticate = [this](const rpc::HttpRequest& request) { return smart_.Authenticate(request); },
             .shares = &fhir_shares_,
             .receipt = [this](std::string_view origin, std::uint64_t index) { return MakeReceipt(origin, index); },
             .list_entries = [this](std::string_view origin, std::string_view subject) { return ListSubject(origin, subject); }},
            Parts()),
      cds_hooks_({.tick = config.order_check_tick,
                  .charts = config.order_check_charts,
                  .fetch = [this](absl::Duration timeout, const std::string& url, const std::vector<std::pair<std::string, std::string>>& headers) {
                    return outgoing_->Get(timeout, url, headers);
                  },
                  .shares = &cds_shares_},
                 Parts(), machine_clock_, [this](const TenantId& tenant) { return exam_tables_.Of(tenant); },
                 [this](std::string_view issuer, std::string_view cds_tenant) { return FindCdsClient(issuer, cds_tenant); }, key_sets_),
      card_links_(
          network_->partitions, sealer_, [this](const rpc::HttpRequest& request) { return smart_.Authenticate(request); },
          [this](const rpc::HttpRequest& request) { return fhir_.Handle(request); }),
      order_explanation_(guard_, network_->partitions, *network_->registry, sealer_, records_,
                         [this](const TenantId& tenant) { return exam_tables_.Of(tenant); }),
      sessions_(machine_clock_, "/savings/"),
      page_(Value(savings::PageService::Create(config.assets_directory, reporter_, *network_->registry,
                                               [this](std::string_view origin, std::uint64_t index) {
                                                 return MakeReceipt(origin, index);
                                               }))),
      errands_(kErrandsMax),
      openings_(kOpeningsMax, kOpeningsOfATenant),
      ledger_service_(guard_, readers_, network_->partitions,
                      {.make_receipt = [this](std::string_view origin, std::uint64_t index) { return MakeReceipt(origin, index); },
                       .open_reported = [this](const tenants::Partition& partition, std::uint64_t index) -> absl::StatusOr<log::LedgerService::Opened> {
                         auto opened = exchange::OpenReported(sealer_, partition, index);
                         if (!opened.ok()) return opened.status();
                         return log::LedgerService::Opened{std::move(opened->salt), std::move(opened->detail)};
                       },
                       .admits_tenants_word = config.countersigning,
                       .wait_apart = [this](const TenantId& tenant, std::function<void()> errand) { return errands_.Add(tenant, std::move(errand)); }}),
      feed_service_(guard_, network_->partitions, *network_->clock),
      feed_maps_(*network_->governance),
      feed_intake_(
          network_->partitions, sealer_, *network_->keys, *network_->clock, [this](const TenantId& tenant) { return feed_maps_.Of(tenant); },
          [this](const tenants::Client& client, absl::Time from, absl::Time to, const std::string& key) {
            return feed_service_.ReportGap(client, from, to, key).status();
          }),
      feed_watermark_(network_->partitions, machine_clock_, *network_->clock, config.network,
                      {.lateness = config.feeds.lateness, .silence = config.feeds.silence},
                      {.advance = [this](const tenants::Client& client, absl::Time through,
                                         const std::string& key) { return feed_service_.AdvanceWatermark(client, through, key).status(); },
                       .gap = [this](const tenants::Client& client, absl::Time from, absl::Time to,
                                     const std::string& key) { return feed_service_.ReportGap(client, from, to, key).status(); },
                       .furthest = [](const tenants::Partition& partition) -> absl::StatusOr<absl::Time> {
                         const auto furthest = log::FurthestWatermark(*partition.database);
                         if (!furthest.ok()) return furthest.status();
                         return furthest->value_or(absl::InfinitePast());
                       }}),
      quarantine_(guard_, network_->partitions, feed_intake_),
      match_review_(network_->partitions, *network_->registry, sealer_, locator_, records_,
                    [this](const TenantId& tenant) { return consent_tables_.Of(tenant); }, *network_->clock),
      match_service_(guard_, match_review_),
      admin_service_(guard_, *network_->keys, *network_->governance, *network_->registry, *network_->clock, Actions()),
      router_(machine_clock_) {
  network_->OnCommit([this](const std::string& origin) { publisher_->Notify(origin); });
  network_->OnPartition([this](tenants::Partition& partition) {
    partition.outbox->Handle("locator", [this, &partition](const PatientId& patient) {
      return exchange::RegisterPatient(
          locator_, records_, {partition.tenant.id, patient},
          [this](const exchange::PatientLink& changed) { return FollowLink(changed); });
    });
    partition.outbox->Handle("correction", [this, &partition](const PatientId& patient) {
      return corrections_.AlertReaders({partition.tenant.id, patient});
    });
    partition.outbox->Handle("match", [this, &partition](const PatientId& patient) {
      return exchange::ApplyDecisions(
          locator_, records_, {partition.tenant.id, patient},
          [this](const exchange::PatientLink& changed) { return FollowLink(changed); });
    });
    evaluator_.Attach(partition);
    partition.outbox->Handle("savings", [this, &partition](const PatientId& patient) {
      return exchange::InferOrders(partition, records_, sealer_, patient);
    });
    Publish(partition);
  });
  Check(UseMatchWeights());
  network_->ExpectPartitions();
  WarnOfUnknownTenants();
  AddRoutes();
  https_ = Value(rpc::HttpsServer::Create({.address = config.https.address,
                                           .port = config.https.port,
                                           .certificate_file = config.https.certificate_file,
                                           .key_file = config.https.key_file,
                                           .client_ca_file = config.https.client_ca_file,
                                           .threads = kHttpsThreads},
                                          router_.AsHandler()));
  grpc_ = Value(rpc::GrpcServer::Create({.address = config.grpc.address,
                                         .port = config.grpc.port,
                                         .certificate_file = config.grpc.certificate_file,
                                         .key_file = config.grpc.key_file,
                                         .client_ca_file = config.grpc.client_ca_file},
                                        {ledger_service_.grpc(), feed_service_.grpc(), match_service_.grpc(), admin_service_.grpc()}));
  mllp_ = MakeMllpServer();
}

absl::Status Platform::FollowLink(const exchange::PatientLink& changed) {
  if (absl::Status status = evaluator_.EvaluatePerson(changed); !status.ok()) return status;
  return corrections_.AlertReaders(changed);
}

std::unique_ptr<rpc::MllpServer> Platform::MakeMllpServer() {
  const Config::Listener& listener = config_.feeds.mllp;
  if (listener.certificate_file.empty()) return nullptr;
  return Value(rpc::MllpServer::Create({.address = listener.address,
                                        .port = listener.port,
                                        .certificate_file = listener.certificate_file,
                                        .key_file = listener.key_file,
                                        .client_ca_file = listener.client_ca_file},
                                       [this](const rpc::MllpFrame& frame) -> rpc::MllpAnswer {
                                         const auto client = guard_.Admit(frame.peer_spiffe_id, {"feed"});
                                         if (!client.ok()) return {.messages = feed_intake_.TurnAway(frame.bytes), .close = true};
                                         return {.messages = feed_intake_.Take(*client, frame.bytes, frame.whole), .close = false};
                                       }));
}

Platform::~Platform() {
  // Whoever waits for one that is not open yet.
  network_->partitions.ExpectNoMore();
  if (grpc_) grpc_->Stop();
  errands_.Stop();
  openings_.Stop();
  if (https_) https_->Stop();
  if (mllp_) mllp_->Stop();
  cds_hooks_.Stop();
  publisher_->Stop();
  for (std::thread& thread : threads_) thread.join();
  // What the last requests were refused.
  if (const absl::Status status = refusals_.Keep(); !status.ok()) spdlog::error("event=refusals_lost alarm=true reason=\"{}\"", std::string(status.message()));
  network_->Stop();
}

}  // namespace custodian::main
