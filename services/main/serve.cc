// `custodian serve`: builds the platform from its parts, in the order they depend on each other, starts the threads, and serves
// until SIGTERM or SIGINT.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "prometheus/text_serializer.h"
#include "services/consent/tenant_rules.h"
#include "services/exchange/card_link.h"
#include "services/exchange/card_store.h"
#include "services/exchange/cds_hooks.h"
#include "services/exchange/exam_tables.h"
#include "services/exchange/corrections.h"
#include "services/exchange/exchange_parts.h"
#include "services/exchange/fhir_service.h"
#include "services/exchange/fixed_tick.h"
#include "services/exchange/jwt.h"
#include "services/exchange/locator.h"
#include "services/exchange/match_service.h"
#include "services/exchange/order_explanation.h"
#include "services/exchange/order_feed.h"
#include "services/exchange/patient_records.h"
#include "services/exchange/refusals.h"
#include "services/exchange/reported_openings.h"
#include "services/feeds/feed_intake.h"
#include "services/feeds/feed_watermark.h"
#include "services/feeds/quarantine_service.h"
#include "services/exchange/smart_service.h"
#include "services/governance/admin_checks.h"
#include "services/governance/admin_service.h"
#include "services/keys/sealer.h"
#include "services/log/feed_service.h"
#include "services/log/feed_store.h"
#include "services/log/ledger_service.h"
#include "services/log/publisher.h"
#include "services/log/readers.h"
#include "services/log/sealed_pages.h"
#include "services/log/subject_index.h"
#include "services/log/tile_service.h"
#include "services/main/commands.h"
#include "services/main/consent_tables.h"
#include "services/main/feed_maps.h"
#include "services/main/json_members.h"
#include "services/main/network.h"
#include "services/main/platform_client.h"
#include "services/main/quorum.h"
#include "services/main/verify_report.h"
#include "services/rpc/certificate.h"
#include "services/rpc/errands.h"
#include "services/rpc/grpc_server.h"
#include "services/rpc/https_server.h"
#include "services/rpc/mllp_server.h"
#include "services/rpc/outgoing.h"
#include "services/rpc/router.h"
#include "services/rpc/sessions.h"
#include "services/rpc/shares.h"
#include "services/savings/evaluator.h"
#include "services/savings/metrics.h"
#include "services/savings/page_service.h"
#include "services/savings/prices.h"
#include "services/savings/report.h"
#include "spdlog/spdlog.h"

namespace custodian::main {
namespace {

constexpr absl::Duration kDrainEvery = absl::Seconds(1);
constexpr absl::Duration kForgetKeysEvery = absl::Seconds(1);
// Most wait for a commit: the more do, the larger it is.
constexpr int kOrderChecksAtOnce = 64;
// Batches of tenants' agents, a few a minute each, that wait for the database.
constexpr std::size_t kErrandsMax = 256;
constexpr int kErrandsAtOnce = 2;
// Charts of other tenants that order checks wait for: more than checks at once, for one may want several tenants'. A token opens a few at a time.
constexpr std::size_t kOpeningsMax = 512;
constexpr int kOpeningsAtOnce = 32;
constexpr int kOpeningsOfATenant = 16;
// A call holds a thread until its answer; one tenant's order checks never hold all of them.
constexpr int kHttpsThreads = 256;
constexpr int kOrderChecksOfATenant = 96;
constexpr int kRequestsOfATenant = 96;
// As many as `verify --jobs` may ask at once.
constexpr int kLogRequestsOfAClient = 64;
constexpr absl::Duration kSettleEvery = absl::Minutes(1);
constexpr absl::Duration kFeedWatermarkEvery = absl::Seconds(5);
constexpr absl::Duration kRefreshKeySetsEvery = absl::Seconds(5);
constexpr absl::Duration kStepSubjectsEvery = absl::Seconds(1);
constexpr absl::Duration kKeepRefusalsEvery = absl::Milliseconds(100);
constexpr absl::Duration kKeySetTimeout = absl::Seconds(2);
constexpr absl::Duration kForgetTokensEvery = absl::Minutes(1);
// Well past the last moment at which a token could still be believed.
constexpr absl::Duration kTokensKept = absl::Minutes(10);

template <typename T>
T Value(absl::StatusOr<T> value) {
  Check(value.status());
  return *std::move(value);
}

rpc::Shares::Limits LimitsOf(const Config& config, int tenant_at_once) {
  return {.tenant_at_once = tenant_at_once, .client_at_once = config.client_at_once, .client_per_second = config.client_per_second};
}

class Platform {
 public:
  explicit Platform(const Config& config);
  ~Platform();

  // Serves until Stop().
  void Run();
  void Stop() { stop_.Notify(); }

 private:
  [[nodiscard]] std::unique_ptr<log::Publisher> MakePublisher();
  [[nodiscard]] rpc::CallGuard MakeGuard();
  // Registered and not removed.
  [[nodiscard]] std::optional<tenants::Client> FindClient(std::string_view spiffe_id) const;
  // What the exchange's services borrow of this.
  [[nodiscard]] exchange::ExchangeParts Parts();
  [[nodiscard]] std::optional<exchange::CdsClient> FindCdsClient(std::string_view issuer, std::string_view cds_tenant) const;
  [[nodiscard]] governance::AdminActions Actions();
  [[nodiscard]] absl::Status ValidateTable(std::string_view name, std::string_view tenant_id, std::string_view content) const;
  void AddRoutes();
  [[nodiscard]] std::unique_ptr<rpc::MllpServer> MakeMllpServer();
  void Publish(const tenants::Tenant& tenant);
  [[nodiscard]] absl::Status StartPartitions();
  // The governed weights, when there are any.
  [[nodiscard]] absl::Status UseMatchWeights();
  // What follows for a patient whose links changed.
  [[nodiscard]] absl::Status FollowLink(const exchange::PatientLink& changed);
  [[nodiscard]] absl::Status DrainAll() const;
  // The same, a few rows of each partition in turn.
  [[nodiscard]] absl::Status DrainInTurn() const;
  [[nodiscard]] absl::Status ForgetTokens() const;
  // The complete list of a subject's entries; the governance log is about nobody.
  [[nodiscard]] absl::StatusOr<std::string> ListSubject(std::string_view origin, std::string_view subject) const;
  struct Subjects {
    std::unique_ptr<log::SubjectIndex> index;
    // Said last, so that the same is not said every second.
    std::string trouble;
  };
  [[nodiscard]] Subjects& SubjectsOf(const tenants::Partition& partition);
  // Each partition's map of subjects. For one thread.
  [[nodiscard]] absl::Status StepSubjects();
  void Repeat(absl::Duration every, const char* what, std::function<absl::Status()> body);
  [[nodiscard]] std::string StatusJson() const;
  // Of one tenant for its auditor; of all when `tenant` is none.
  [[nodiscard]] std::string MetricsText(const TenantId& tenant) const;

  const Config& config_;
  MachineClock machine_clock_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<log::Publisher> publisher_;
  exchange::ExamTables exam_tables_;
  ConsentTables consent_tables_;
  keys::Sealer sealer_;
  exchange::PatientRecords records_;
  exchange::Locator locator_;
  exchange::Corrections corrections_;
  savings::Evaluator evaluator_;
  savings::Reporter reporter_;
  savings::Metrics metrics_;
  // What a client has of one interface leaves it its share of the others: whoever imports by FHIR still checks orders. Tiles come from memory, thousands a
  // second for one who verifies a log: of them as many as he asks for.
  rpc::Shares grpc_shares_;
  rpc::Shares fhir_shares_;
  rpc::Shares cds_shares_;
  rpc::Shares log_shares_;
  rpc::CallGuard guard_;
  log::Readers readers_;
  log::SealedPages sealed_pages_;
  log::TileService tiles_;
  exchange::Refusals refusals_;
  std::unique_ptr<rpc::Outgoing> outgoing_;
  exchange::KeySets key_sets_;
  exchange::SmartService smart_;
  exchange::FhirService fhir_;
  exchange::CdsHooks cds_hooks_;
  exchange::CardLinks card_links_;
  exchange::OrderExplanation order_explanation_;
  rpc::Sessions sessions_;
  std::unique_ptr<savings::PageService> page_;
  rpc::Errands errands_{kErrandsMax};
  rpc::Errands openings_{kOpeningsMax, kOpeningsOfATenant};
  log::LedgerService ledger_service_;
  log::FeedService feed_service_;
  FeedMaps feed_maps_;
  feeds::FeedIntake feed_intake_;
  feeds::FeedWatermark feed_watermark_;
  feeds::QuarantineService quarantine_;
  exchange::MatchReview match_review_;
  exchange::MatchService match_service_;
  governance::AdminService admin_service_;
  rpc::Router router_;
  std::unique_ptr<rpc::HttpsServer> https_;
  std::unique_ptr<rpc::GrpcServer> grpc_;
  // None when the configuration names none.
  std::unique_ptr<rpc::MllpServer> mllp_;
  absl::Notification stop_;
  mutable absl::Mutex subjects_mutex_;
  // Only added to, by the thread that steps them.
  std::map<const tenants::Partition*, Subjects> subjects_ ABSL_GUARDED_BY(subjects_mutex_);
  std::vector<std::thread> threads_;
};

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
          [this](std::string_view origin, std::uint64_t index) { return publisher_->MakeReceipt(origin, index); },
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
             .receipt = [this](std::string_view origin, std::uint64_t index) { return publisher_->MakeReceipt(origin, index); },
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
                                                 return publisher_->MakeReceipt(origin, index);
                                               }))),
      ledger_service_(guard_, readers_, network_->partitions,
                      {.make_receipt = [this](std::string_view origin, std::uint64_t index) { return publisher_->MakeReceipt(origin, index); },
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
  });
  Check(UseMatchWeights());
  Check(StartPartitions());
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

void Platform::AddRoutes() {
  router_.Add({.prefix = "/fhir/",
               .methods = {},
               .handler =
                   [this](const rpc::HttpRequest& request) {
                     auto answer = smart_.Handle(request);
                     return answer ? *std::move(answer) : fhir_.Handle(request);
                   },
               .tenant_follows = true,
               .refusal = exchange::FhirService::Refusal});
  router_.Add({.prefix = "/cds/",
               .methods = {},
               .handler =
                   [this](const rpc::HttpRequest& request) {
                     auto answer = card_links_.Handle(request);
                     return answer ? *std::move(answer) : cds_hooks_.Handle(request);
                   },
               .tenant_follows = true,
               .refusal = exchange::CdsHooks::Refusal});
  router_.Add({.prefix = "/orders/",
               .methods = {"POST"},
               .handler = fhir_shares_.Protect([this](const rpc::HttpRequest& request) { return order_explanation_.Handle(request); }),
               .tenant_follows = true,
               .refusal = {}});
  router_.Add({.prefix = "/feed/",
               .methods = {"GET", "POST"},
               .handler = fhir_shares_.Protect([this](const rpc::HttpRequest& request) { return quarantine_.Handle(request); }),
               .tenant_follows = true,
               .refusal = {}});
  router_.Add({.prefix = "/log/",
               .methods = {"GET"},
               .handler = log_shares_.Protect([this](const rpc::HttpRequest& request) { return tiles_.Handle(request); }),
               .tenant_follows = false,
               .refusal = {}});
  router_.Add({.prefix = "/savings/",
               .methods = {"GET"},
               .handler = sessions_.Protect([this](const rpc::HttpRequest& request) { return page_->Handle(request); }),
               .tenant_follows = false,
               .refusal = {}});
  router_.Add({.prefix = "/metrics",
               .methods = {"GET"},
               .handler =
                   [this](const rpc::HttpRequest& request) {
                     const auto client = guard_.Admit(request.peer_spiffe_id, {"operator", "regulator", "auditor"});
                     if (!client.ok()) {
                       return rpc::PlainText(403, "metrics want a client certificate of an operator, a regulator or a tenant's auditor");
                     }
                     return rpc::HttpResponse{.status = 200, .headers = {{"Content-Type", savings::kMetricsContentType}}, .body = MetricsText(client->tenant)};
                   },
               .tenant_follows = false,
               .refusal = {}});
}

void Platform::Publish(const tenants::Tenant& tenant) {
  const tenants::Partition* partition = network_->partitions.FindById(tenant.id);
  if (const auto key = ledger::NoteVerifier::Parse(tenant.log_vkey); key.ok() && partition != nullptr) {
    publisher_->Add(*key, *partition->log, [&writer = *partition->writer] { return writer.committed(); }, MirrorsOf(config_, tenant.name));
  }
}

absl::Status Platform::StartPartitions() {
  if (auto status = network_->StartPartitions(); !status.ok()) return status;
  std::set<std::string> names;
  for (const tenants::Tenant& tenant : network_->registry->Tenants()) {
    Publish(tenant);
    names.insert(tenant.name);
  }
  // It may be admitted later; a name that is misspelt never is.
  for (const Config::Mirror& mirror : config_.mirrors)
    for (const std::string& name : mirror.tenants)
      if (!names.contains(name)) spdlog::warn("event=mirror_of_unknown_tenant mirror={} tenant={}", mirror.name, name);
  return absl::OkStatus();
}

absl::Status Platform::UseMatchWeights() {
  const auto csv = network_->governance->CurrentTable(governance::kMatchWeights, "");
  if (absl::IsNotFound(csv.status())) return absl::OkStatus();
  if (!csv.ok()) return csv.status();
  const auto weights = exchange::MatchWeights::Parse(*csv);
  if (!weights.ok()) return weights.status();
  locator_.SetWeights(*weights);
  return absl::OkStatus();
}

absl::Status Platform::DrainAll() const {
  for (const tenants::Partition* partition : network_->partitions.All()) {
    if (auto status = partition->outbox->Drain(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Platform::DrainInTurn() const {
  absl::Status first_failure;
  std::vector<tenants::Partition*> waiting = network_->partitions.All();
  while (!waiting.empty() && !stop_.HasBeenNotified()) {
    std::vector<tenants::Partition*> others;
    for (tenants::Partition* partition : waiting) {
      bool more = false;
      first_failure.Update(partition->outbox->DrainSome(more));
      if (more) others.push_back(partition);
    }
    waiting = std::move(others);
  }
  return first_failure;
}

absl::Status Platform::ForgetTokens() const {
  for (const tenants::Partition* partition : network_->partitions.All()) {
    const auto forgotten = exchange::CardStore(*partition->database).ForgetTokens(machine_clock_.Now() - kTokensKept);
    if (!forgotten.ok()) return forgotten.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Platform::ListSubject(std::string_view origin, std::string_view subject) const {
  const tenants::Partition* partition = network_->partitions.FindByOrigin(origin);
  if (partition == nullptr) return absl::NotFoundError("this log is about nobody");
  return log::MakeSubjectList(*partition->database, *partition->log, subject, [this, partition] {
    const absl::MutexLock lock(&subjects_mutex_);
    if (const auto found = subjects_.find(partition); found != subjects_.end()) found->second.index->MakeAnew();
  });
}

Platform::Subjects& Platform::SubjectsOf(const tenants::Partition& partition) {
  const absl::MutexLock lock(&subjects_mutex_);
  Subjects& subjects = subjects_[&partition];
  if (subjects.index == nullptr)
    subjects.index = std::make_unique<log::SubjectIndex>(*partition.database, *partition.log, *partition.writer, machine_clock_,
                                                         log::SubjectIndex::Options{.stopped = [this] { return stop_.HasBeenNotified(); }});
  return subjects;
}

absl::Status Platform::StepSubjects() {
  for (tenants::Partition* partition : network_->partitions.All()) {
    Subjects& subjects = SubjectsOf(*partition);
    const absl::Status status = subjects.index->Step();
    const std::string trouble = status.ok() || absl::IsCancelled(status) ? "" : std::string(status.message());
    if (trouble == std::exchange(subjects.trouble, trouble) || trouble.empty()) continue;
    spdlog::warn("event=subject_map_waits origin={} reason=\"{}\"", partition->tenant.origin, trouble);
  }
  return absl::OkStatus();
}

// Runs `body` every `every` until Stop(); a failure is logged once until it succeeds again.
void Platform::Repeat(absl::Duration every, const char* what, std::function<absl::Status()> body) {
  threads_.emplace_back([this, every, what, body = std::move(body)] {
    const absl::Time begun = absl::Now();
    bool failing = false;
    do {
      const absl::Status status = body();
      if (!status.ok() && !failing) spdlog::warn("{}: {}", what, std::string(status.message()));
      failing = !status.ok();
      // Whatever it took: how much there was to do moves no later one. A clock that is set back holds nothing up.
    } while (!stop_.WaitForNotificationWithDeadline(std::min(exchange::NextTick(begun, every), absl::Now() + every)));
  });
}

std::string Platform::StatusJson() const {
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  const auto log = [&](const std::string& tenant, const std::string& origin, const std::string& vkey, std::uint64_t size) {
    writer.StartObject();
    WriteText(writer, "tenant", tenant);
    WriteText(writer, "origin", origin);
    WriteText(writer, "vkey", vkey);
    WriteNumber(writer, "size", size);
    WriteNumber(writer, "witnessed_size", publisher_->WitnessedSize(origin));
    writer.EndObject();
  };
  exchange::ExchangeCounts counts;
  writer.StartObject();
  WriteText(writer, "network_time", absl::FormatTime(absl::RFC3339_full, network_->clock->Now(), absl::UTCTimeZone()));
  WriteText(writer, "governance_origin", network_->governance_origin);
  writer.Key("logs");
  writer.StartArray();
  log("", network_->governance_origin, network_->governance_vkey, network_->governance_writer->size());
  for (const tenants::Partition* partition : network_->partitions.All()) {
    log(partition->tenant.name, partition->tenant.origin, partition->tenant.log_vkey, partition->writer->size());
    if (const auto one = cds_hooks_.Counts(partition->tenant.id); one.ok()) {
      counts.checked += one->checked;
      counts.shown += one->shown;
      counts.accepted += one->accepted;
      counts.overridden += one->overridden;
      counts.opened += one->opened;
      counts.inferred_cancelled += one->inferred_cancelled;
      counts.inferred_performed += one->inferred_performed;
    }
  }
  writer.EndArray();
  writer.Key("orders");
  writer.StartObject();
  WriteNumber(writer, "checked", counts.checked);
  WriteNumber(writer, "shown", counts.shown);
  WriteNumber(writer, "accepted", counts.accepted);
  WriteNumber(writer, "overridden", counts.overridden);
  writer.EndObject();
  WriteNumber(writer, "cards_opened", counts.opened);
  // From the order feed, without feedback: in none of the figures above, nor in savings.
  writer.Key("inferred");
  writer.StartObject();
  WriteNumber(writer, "cancelled", counts.inferred_cancelled);
  WriteNumber(writer, "performed", counts.inferred_performed);
  writer.EndObject();
  writer.EndObject();
  return buffer.GetString();
}

std::string Platform::MetricsText(const TenantId& tenant) const {
  if (!tenant.text().empty()) {
    // What others avoid, and how often checks fail for all, is not for one tenant to watch.
    const auto own = network_->registry->FindById(tenant.text());
    const auto report = own ? reporter_.Make(std::nullopt, own->name) : absl::NotFoundError("no such tenant");
    if (!report.ok()) return "";
    return prometheus::TextSerializer().Serialize(savings::FamiliesOf(*report));
  }
  return absl::StrCat(metrics_.Render(), "# HELP custodian_order_check_faults_total Order checks that failed or were late since the start.\n",
                      "# TYPE custodian_order_check_faults_total counter\ncustodian_order_check_faults_total ", cds_hooks_.faults(), "\n",
                      "# HELP custodian_emergency_disclosures_total Disclosures that an emergency opened without consent, since the start.\n",
                      "# TYPE custodian_emergency_disclosures_total counter\ncustodian_emergency_disclosures_total ", fhir_.emergencies(), "\n",
                      "# HELP custodian_refusals_dropped_total Refusals that found too many waiting, since the start.\n",
                      "# TYPE custodian_refusals_dropped_total counter\ncustodian_refusals_dropped_total ", refusals_.dropped(), "\n");
}

void Platform::Run() {
  for (auto& loop : publisher_->Loops()) threads_.emplace_back(std::move(loop));
  for (int i = 0; i < kErrandsAtOnce; ++i) threads_.emplace_back([this] { errands_.Work(); });
  for (int i = 0; i < kOpeningsAtOnce; ++i) threads_.emplace_back([this] { openings_.Work(); });
  for (int i = 0; i < kOrderChecksAtOnce; ++i) threads_.emplace_back([this] { cds_hooks_.Work(); });
  Repeat(kDrainEvery, "outbox", [this] { return DrainInTurn(); });
  Repeat(kForgetKeysEvery, "patient keys", [this] {
    sealer_.DropExpired();
    fhir_.DropExpired();
    records_.DropExpired();
    return absl::OkStatus();
  });
  Repeat(kKeepRefusalsEvery, "refusals", [this] { return refusals_.Keep(); });
  Repeat(config_.refusals_period, "batches of refusals", [this] { return refusals_.WriteBatches(); });
  Repeat(kRefreshKeySetsEvery, "key sets", [this] {
    key_sets_.RefreshDue();
    return absl::OkStatus();
  });
  if (config_.subject_maps) Repeat(kStepSubjectsEvery, "maps of subjects", [this] { return StepSubjects(); });
  Repeat(kForgetTokensEvery, "used tokens", [this] { return ForgetTokens(); });
  if (!config_.simulated_time) Repeat(kSettleEvery, "savings", [this] { return evaluator_.Settle(); });
  threads_.emplace_back([this] { https_->Run(); });
  if (mllp_) {
    threads_.emplace_back([this] { mllp_->Run(); });
    Repeat(kFeedWatermarkEvery, "feed watermark", [this] { return feed_watermark_.Tick(); });
    spdlog::info("serving MLLP on port {}", mllp_->port());
  }
  if (config_.order_check_charts + exchange::CdsHooks::kRecordingTime > config_.order_check_tick)
    spdlog::warn("event=charts_outlast_tick reason=\"order_check.charts_ms is not {} ms below order_check.tick_ms: a denied result whose keys are slow may show in "
                 "an answer's time\"", absl::ToInt64Milliseconds(exchange::CdsHooks::kRecordingTime));
  spdlog::info("serving https on port {}, gRPC on port {}", https_->port(), grpc_->port());
  stop_.WaitForNotification();
  spdlog::info("stopping");
}

// SIGTERM and SIGINT, taken by a thread of their own: every other thread has them blocked.
void StopOnSignal(Platform& platform, std::thread& waiter, const sigset_t& signals) {
  waiter = std::thread([&platform, signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    platform.Stop();
  });
}

void Run(const ConfigOption& option) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const Config config = option.Load();
  // Before it takes any log over.
  CheckQuorum(ReadPolicy(config.policy_file), config);
  Platform platform(config);
  std::thread waiter;
  StopOnSignal(platform, waiter, signals);
  platform.Run();
  waiter.join();
}

}  // namespace

void AddServe(CLI::App& app) {
  auto option = std::make_shared<ConfigOption>();
  auto* command = app.add_subcommand("serve", "the platform: gRPC, FHIR, CDS Hooks, tiles, savings page");
  command->footer("Example:\n  custodian serve --config /etc/custodian/config.yaml");
  option->AddTo(*command);
  command->callback([option] { Run(*option); });
}

}  // namespace custodian::main
