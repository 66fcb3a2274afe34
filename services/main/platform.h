// The platform as one process: every part of `custodian serve`, built in the order they depend on each other, and the threads that work for them. How it is
// wired lies in platform.cc, what its threads do again and again in platform_work.cc, what it answers over HTTPS, and of itself, in platform_answers.cc.
#ifndef CUSTODIAN_SERVICES_MAIN_PLATFORM_H_
#define CUSTODIAN_SERVICES_MAIN_PLATFORM_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "services/exchange/card_link.h"
#include "services/exchange/cds_hooks.h"
#include "services/exchange/corrections.h"
#include "services/exchange/exam_tables.h"
#include "services/exchange/exchange_parts.h"
#include "services/exchange/fhir_service.h"
#include "services/exchange/jwt.h"
#include "services/exchange/locator.h"
#include "services/exchange/match_service.h"
#include "services/exchange/order_explanation.h"
#include "services/exchange/patient_records.h"
#include "services/exchange/refusals.h"
#include "services/exchange/smart_service.h"
#include "services/feeds/feed_intake.h"
#include "services/feeds/feed_watermark.h"
#include "services/feeds/quarantine_service.h"
#include "services/governance/admin_service.h"
#include "services/keys/sealer.h"
#include "services/log/feed_service.h"
#include "services/log/ledger_service.h"
#include "services/log/publisher.h"
#include "services/log/readers.h"
#include "services/log/sealed_pages.h"
#include "services/log/subject_index.h"
#include "services/log/tile_service.h"
#include "services/main/config.h"
#include "services/main/consent_tables.h"
#include "services/main/feed_maps.h"
#include "services/main/network.h"
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
#include "services/savings/report.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"
#include "tenants/registry.h"

namespace custodian::main {

class Platform {
 public:
  explicit Platform(const Config& config);
  ~Platform();

  // Serves until Stop(); an error when it cannot.
  [[nodiscard]] absl::Status Run();
  void Stop();

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
  void Publish(const tenants::Partition& partition);
  void WarnOfUnknownTenants() const;
  [[nodiscard]] absl::StatusOr<std::string> MakeReceipt(std::string_view origin, std::uint64_t index) const;
  // Threads that open the partitions; a failure ends Run().
  void OpenPartitions();
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
  rpc::Errands errands_;
  rpc::Errands openings_;
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
  absl::Mutex failure_mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(failure_mutex_);
  mutable absl::Mutex subjects_mutex_;
  // Only added to, by the thread that steps them.
  std::map<const tenants::Partition*, Subjects> subjects_ ABSL_GUARDED_BY(subjects_mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_PLATFORM_H_
