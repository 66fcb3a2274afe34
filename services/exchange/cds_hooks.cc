#include "services/exchange/cds_hooks.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "ledger/tree.h"
#include "services/exchange/card.h"
#include "services/exchange/cds_request.h"
#include "services/exchange/exam.h"
#include "services/exchange/fixed_tick.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPrefix = "/cds/";
constexpr char kJson[] = "application/json";
// Of the deadline: the check itself needs the rest.
constexpr double kFetchShare = 0.6;
constexpr int kFetchesAtOnce = 8;
constexpr int kFetchesOfATenant = 2;

rpc::HttpResponse Answer(std::string body) { return {200, {{"content-type", kJson}}, std::move(body)}; }

enum class Endpoint { kDiscovery, kService, kFeedback };
struct Route {
  std::string tenant;
  Endpoint endpoint = Endpoint::kDiscovery;
};

std::optional<Route> ReadPath(std::string_view path) {
  if (!path.starts_with(kPrefix)) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  const std::size_t slash = path.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  Route route{std::string(path.substr(0, slash)), Endpoint::kDiscovery};
  const std::string_view rest = path.substr(slash + 1);
  const std::string service = absl::StrCat("cds-services/", std::string(kServiceId));
  if (rest == "cds-services") return route;
  route.endpoint = Endpoint::kService;
  if (rest == service) return route;
  route.endpoint = Endpoint::kFeedback;
  if (rest == service + "/feedback") return route;
  return std::nullopt;
}

rpc::HttpResponse Unauthorized(const absl::Status& why) {
  rpc::HttpResponse response = CdsHooks::Refusal(401, std::string(why.message()));
  response.headers.emplace_back("www-authenticate", "Bearer error=\"invalid_token\"");
  return response;
}

rpc::HttpResponse TryAgain(std::string_view text) {
  rpc::HttpResponse response = CdsHooks::Refusal(503, text);
  response.headers.emplace_back("retry-after", "1");
  return response;
}

}  // namespace

// One order check between its caller and a worker.
struct CdsHooks::Job {
  explicit Job(absl::Time deadline) : claim(deadline) {}

  CdsCall call;
  CheckRequest request;
  std::shared_ptr<const ExamTable> table;
  AnswerClaim claim;
  absl::StatusOr<std::string> answer = absl::UnknownError("not run");
  // It could not be checked for want of data of the EHR's.
  bool lacks_data = false;
  absl::Time fetch_until;
  absl::Notification done;
};

CdsHooks::CdsHooks(Options options, ExchangeParts parts, const Clock& machine_clock, ExamTables tables, JwtVerifier::FindClient find_client,
                   const KeySets& key_sets)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      tables_(std::move(tables)),
      verifier_(std::move(find_client), key_sets, machine_clock),
      used_(machine_clock),
      check_(parts_, options_.charts),
      feedback_(parts_),
      checks_(options_.queue_max) {}

CdsHooks::~CdsHooks() = default;

rpc::HttpResponse CdsHooks::Refusal(int status, std::string_view text) {
  return {status, {{"content-type", kJson}}, Json::Object({{"error", Json::String(std::string(text))}}).Text()};
}

// https://cds-hooks.hl7.org/2.0/#cross-origin-resource-sharing: EHRs run in browsers. Any origin may ask, for no answer depends on what a browser
// sends by itself: the token is in a header.
rpc::HttpResponse CdsHooks::Handle(const rpc::HttpRequest& request) {
  rpc::HttpResponse response = AnswerTo(request);
  response.headers.emplace_back("access-control-allow-origin", "*");
  if (request.method != "OPTIONS") return response;
  response.headers.emplace_back("access-control-allow-methods", "GET, POST, OPTIONS");
  response.headers.emplace_back("access-control-allow-headers", "Authorization, Content-Type");
  response.headers.emplace_back("access-control-max-age", "86400");
  return response;
}

rpc::HttpResponse CdsHooks::AnswerTo(const rpc::HttpRequest& request) {
  const absl::Time received = absl::Now();
  const std::optional<Route> route = ReadPath(request.path);
  if (!route) return Refusal(404, "no such CDS service; discovery is at /cds/<tenant id>/cds-services");
  if (request.method == "OPTIONS") return {204, {}, ""};
  const std::string method = route->endpoint == Endpoint::kDiscovery ? "GET" : "POST";
  if (request.method != method) {
    rpc::HttpResponse response = Refusal(405, absl::StrCat("this endpoint takes ", method));
    response.headers.emplace_back("allow", absl::StrCat(method, ", OPTIONS"));
    return response;
  }
  // What services there are is no secret; a token that is sent all the same is judged, so that a client may try its own.
  if (route->endpoint == Endpoint::kDiscovery && request.Header("authorization").value_or("").empty()) {
    const auto tenant = TenantId::Parse(route->tenant);
    if (!tenant.ok() || parts_.partitions.FindById(*tenant) == nullptr) return Refusal(404, "no such tenant here");
    return Answer(DiscoveryBody());
  }
  if (request.body.size() > options_.body_bytes_max)
    return Refusal(413, absl::StrCat("the body is longer than ", options_.body_bytes_max, " bytes"));

  auto token = verifier_.Verify(request.Header("authorization").value_or(""), parts_.public_url + request.path);
  if (absl::IsUnauthenticated(token.status())) return Unauthorized(token.status());
  if (!token.ok()) {
    if (route->endpoint == Endpoint::kService) return Busy(route->tenant, token.status());
    spdlog::error("event=cds_token_failed reason=\"{}\"", std::string(token.status().message()));
    return TryAgain("the token cannot be checked now");
  }
  if (token->tenant.id.text() != route->tenant) return Unauthorized(absl::UnauthenticatedError("the token is of another tenant"));
  absl::StatusOr<rpc::Shares::Taken> share = rpc::Shares::Taken();
  if (options_.shares != nullptr) share = options_.shares->Take(token->tenant.id, absl::StrCat("cds ", token->issuer));
  if (!share.ok()) {
    if (route->endpoint == Endpoint::kService) return Busy(route->tenant, share.status());
    rpc::HttpResponse response = TryAgain(std::string(share.status().message()));
    response.status = 429;
    return response;
  }
  if (absl::Status status = used_.Use(token->jti_sha256, token->expires); !status.ok())
    return absl::IsUnauthenticated(status) ? Unauthorized(status) : TryAgain(std::string(status.message()));

  CdsCall call;
  // One that is being opened keeps no clinician waiting past the deadline.
  call.partition = parts_.partitions.FindById(token->tenant.id, received + options_.deadline - absl::Now());
  if (call.partition == nullptr) {
    if (route->endpoint == Endpoint::kService) return Busy(route->tenant, absl::UnavailableError("the tenant's partition does not run here"));
    return TryAgain("the tenant's partition does not run here");
  }
  call.token = *std::move(token);
  call.body_sha256 = std::string(ledger::AsBytes(ledger::Sha256(request.body)));
  switch (route->endpoint) {
    case Endpoint::kDiscovery: return Answer(DiscoveryBody());
    case Endpoint::kService: return Check(std::move(call), request, received);
    case Endpoint::kFeedback: return Feedback(call, request);
  }
  return Refusal(404, "no such CDS service");
}

rpc::HttpResponse CdsHooks::Check(CdsCall call, const rpc::HttpRequest& request, absl::Time received) {
  const absl::Time deadline = received + options_.deadline;
  auto parsed = ParseCheckRequest(request.body);
  if (!parsed.ok()) return Refusal(400, std::string(parsed.status().message()));
  const tenants::Tenant& tenant = call.partition->tenant;
  for (const std::string& why : parsed->passed_over) spdlog::warn("event=draft_order_passed_over tenant={} reason=\"{}\"", tenant.id.text(), why);
  auto job = std::make_shared<Job>(deadline);
  job->fetch_until = received + options_.deadline * kFetchShare;
  job->call = std::move(call);
  job->request = *std::move(parsed);
  job->table = tables_(tenant.id);
  if (job->table == nullptr) job->table = std::make_shared<const ExamTable>();

  const TenantId tenant_id = tenant.id;
  if (!checks_.has_workers()) {
    RunJob(*job);
  } else if (!checks_.Add(tenant_id, [this, job] { RunJob(*job); })) {
    return Busy(tenant.id.text(), absl::ResourceExhaustedError("too many order checks wait"));
  }
  if (!job->done.WaitForNotificationWithDeadline(deadline) || absl::IsCancelled(job->answer.status())) {
    job->claim.GiveUp();
    return Fault(tenant.id.text(), absl::DeadlineExceededError("an order check was late"), received);
  }
  if (job->answer.ok()) return Cards(*std::move(job->answer), received, job->claim.charts_until());
  if (job->lacks_data) return Refusal(412, std::string(job->answer.status().message()));
  if (absl::IsUnauthenticated(job->answer.status())) return Unauthorized(job->answer.status());
  if (absl::IsInvalidArgument(job->answer.status())) return Refusal(400, std::string(job->answer.status().message()));
  // Keys or databases are away for whomever is asked about; what concerns one person's charts looks like nothing found.
  if (absl::IsUnavailable(job->answer.status())) return Busy(tenant.id.text(), job->answer.status());
  return Fault(tenant.id.text(), job->answer.status(), received);
}

rpc::HttpResponse CdsHooks::Cards(std::string body, absl::Time received, absl::Time charts_until) const {
  const bool has_cards = body != kNoCards;
  rpc::HttpResponse response = Answer(std::move(body));
  if (has_cards) return response;
  const bool hides_charts = options_.charts + kRecordingTime <= options_.tick;
  response.not_before = NextTick(received, options_.tick, hides_charts ? charts_until + kRecordingTime : absl::InfinitePast());
  return response;
}

rpc::HttpResponse CdsHooks::Fault(std::string_view tenant, const absl::Status& why, absl::Time received) {
  rpc::HttpResponse response = Busy(tenant, why);
  std::erase_if(response.headers, [](const auto& header) { return header.first == "retry-after"; });
  response.not_before = NextTick(received, options_.tick);
  return response;
}

rpc::HttpResponse CdsHooks::Busy(std::string_view tenant, const absl::Status& why) {
  ++faults_;
  spdlog::error("event=order_check_failed alarm=true tenant={} code={} reason=\"{}\"", tenant,
                absl::StatusCodeToString(why.code()), std::string(why.message()));
  rpc::HttpResponse response = Answer(std::string(kNoCards));
  response.headers.emplace_back("retry-after", "1");
  return response;
}

rpc::HttpResponse CdsHooks::Feedback(const CdsCall& call, const rpc::HttpRequest& request) {
  const auto items = ParseFeedback(request.body);
  if (!items.ok()) return Refusal(400, std::string(items.status().message()));
  const absl::Status status = feedback_.Record(call, *items);
  if (status.ok()) return Answer("{}");
  const std::string text(status.message());
  if (absl::IsUnauthenticated(status)) return Unauthorized(status);
  if (absl::IsInvalidArgument(status)) return Refusal(400, text);
  if (absl::IsNotFound(status)) return Refusal(404, text);
  spdlog::error("event=feedback_failed tenant={} code={} reason=\"{}\"", call.partition->tenant.id.text(),
                absl::StatusCodeToString(status.code()), text);
  return TryAgain("the feedback could not be recorded now; send it again");
}

// Whether an order is of a class that is switched on: only then is anything of the EHR's needed.
bool CdsHooks::NeedsData(const Job& job) {
  return std::any_of(job.request.orders.begin(), job.request.orders.end(), [&job](const DraftOrder& order) {
    const ExamClass* exam_class = ExamOfOrder(order.resource, job.call.partition->tenant.name, *job.table).exam_class;
    return exam_class != nullptr && exam_class->mode != Mode::kOff;
  });
}

FetchUrl CdsHooks::LimitedFetch(const TenantId& tenant, bool& exhausted) {
  if (!options_.fetch) return {};
  return [this, tenant, &exhausted](absl::Duration timeout, const std::string& url,
                                    const std::vector<std::pair<std::string, std::string>>& headers) -> absl::StatusOr<rpc::HttpResponse> {
    {
      const absl::MutexLock lock(&mutex_);
      int& fetching = fetching_[tenant];
      if (fetching >= kFetchesOfATenant || fetching_all_ >= kFetchesAtOnce) {
        exhausted = true;
        return absl::ResourceExhaustedError("too many requests to EHRs' servers");
      }
      ++fetching, ++fetching_all_;
    }
    const absl::Cleanup leave = [&] {
      const absl::MutexLock lock(&mutex_);
      --fetching_all_;
      if (--fetching_[tenant] == 0) fetching_.erase(tenant);
    };
    return options_.fetch(timeout, url, headers);
  };
}

void CdsHooks::RunJob(Job& job) {
  const absl::Cleanup done = [&job] { job.done.Notify(); };
  if (job.claim.given_up()) {
    job.answer = absl::CancelledError("the caller gave up");
    return;
  }
  std::function<absl::Status()> prepare;
  if (NeedsFetch(job.request, job.call.token.fhir_servers) && NeedsData(job))
    prepare = [this, &job] {
      bool exhausted = false;
      const TenantId& tenant = job.call.partition->tenant.id;
      const absl::Status filled = FillPrefetch(job.request, job.call.token.fhir_servers, LimitedFetch(tenant, exhausted), job.fetch_until);
      // What we could not ask for is no fault of the EHR's.
      if (!filled.ok() && exhausted) return absl::ResourceExhaustedError("too many requests to EHRs' servers");
      job.lacks_data = !filled.ok();
      return filled;
    };
  job.answer = check_.Run(job.call, job.request, *job.table, job.claim, prepare);
}

absl::StatusOr<ExchangeCounts> CdsHooks::Counts(const TenantId& tenant) const {
  const tenants::Partition* partition = parts_.partitions.FindById(tenant);
  if (partition == nullptr) return absl::NotFoundError("the tenant's partition does not run here");
  return CardStore(*partition->database).Counts();
}

}  // namespace custodian::exchange
