// Order checks a second and their time: whole order-sign calls, as an EHR makes them, against a running quickstart.
#include <atomic>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rapidjson/document.h"
#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"
#include "services/rpc/https_client.h"
#include "services/sample/ehr_token.h"
#include "services/sample/replay_event.h"
#include "tenants/ids.h"
#include "tests/benchmark/measure.h"
#include "tests/benchmark/order_checks.h"
#include "tests/benchmark/plain_postgres.h"
#include "tests/benchmark/processor_time.h"
#include "tests/benchmark/signature_checks.h"

namespace custodian::benchmark {
namespace {

constexpr char kPeer[] = "plain INSERT and COMMIT of the same bytes";
// Calls prepared for the first slice, whose speed then says how many the next ones need.
constexpr double kFirstCallsPerSecond = 300;
constexpr double kSpare = 1.6;
constexpr std::size_t kOrdersMax = 2'000;
// On their way at a time when calls come by the clock.
constexpr int kOpenLoopClients = 64;

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path, "; is it a finished quickstart home?"));
  return std::move(bytes).str();
}

struct Tenant {
  std::string name;
  std::string database;
  std::string url;
  std::unique_ptr<sample::EhrTokens> ehr;
};

struct Home {
  std::string ca_file;
  // libpq connection string.
  std::string superuser;
  std::vector<Tenant> tenants;
};

absl::StatusOr<Home> ReadHome(const std::string& path) {
  const std::string file = path + "/summary.json";
  const auto bytes = ReadText(file);
  if (!bytes.ok()) return bytes.status();
  rapidjson::Document summary;
  summary.Parse(bytes->data(), bytes->size());
  std::string missing;
  const auto text = [&missing](const rapidjson::Value& object, const char* name) -> std::string {
    if (object.IsObject() && object.HasMember(name) && object[name].IsString()) return object[name].GetString();
    missing = name;
    return "";
  };
  Home home;
  home.ca_file = text(summary, "ca_file");
  home.superuser = text(summary, "postgres_superuser_dsn");
  if (!missing.empty() || !summary.HasMember("tenants") || !summary["tenants"].IsArray()) {
    return absl::InvalidArgumentError(absl::StrCat(file, " is not complete"));
  }
  for (const auto& tenant : summary["tenants"].GetArray()) {
    sample::EhrTokens::Identity identity{text(tenant, "jwk_file"), text(tenant, "kid"), text(tenant, "cds_iss"), text(tenant, "cds_tenant")};
    Tenant added{text(tenant, "name"), text(tenant, "database"), text(tenant, "cds_url") + "/prior-results", nullptr};
    if (!missing.empty()) return absl::InvalidArgumentError(absl::StrCat(file, ": a tenant has no ", missing));
    auto ehr = sample::EhrTokens::Create(std::move(identity));
    if (!ehr.ok()) return ehr.status();
    added.ehr = std::make_unique<sample::EhrTokens>(*std::move(ehr));
    home.tenants.push_back(std::move(added));
  }
  return home;
}

// An order-sign call of the made population, to be sent again as a new order.
struct Template {
  std::size_t tenant = 0;
  std::string body;
};

absl::StatusOr<std::vector<Template>> ReadTemplates(const std::string& path, const std::vector<Tenant>& tenants) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  std::vector<Template> templates;
  std::string line;
  while (templates.size() < kOrdersMax && std::getline(in, line)) {
    auto event = sample::ParseReplayEvent(line);
    if (!event.ok()) return event.status();
    if (event->type != "order" || event->body.find("\"order-sign\"") == std::string::npos) continue;
    for (std::size_t i = 0; i < tenants.size(); ++i) {
      if (tenants[i].name == event->tenant) templates.push_back({i, std::move(event->body)});
    }
  }
  if (templates.empty()) return absl::FailedPreconditionError(absl::StrCat(path, " has no order-sign calls"));
  return templates;
}

std::string NewUuid() {
  std::string text = HexEncode(RandomBytes(16));
  for (const std::size_t at : {8u, 13u, 18u, 23u}) text.insert(at, 1, '-');
  return text;
}

// The same call by another hookInstance, for other orders: what is asked about is the same, nothing else is.
absl::StatusOr<std::string> Renew(const std::string& body) {
  rapidjson::Document call;
  call.Parse<rapidjson::kParseNumbersAsStringsFlag>(body.data(), body.size());
  const auto set = [&call](rapidjson::Value& value, const std::string& text) {
    value.SetString(text.data(), static_cast<rapidjson::SizeType>(text.size()), call.GetAllocator());
  };
  set(call["hookInstance"], NewUuid());
  for (auto& entry : call["context"]["draftOrders"]["entry"].GetArray()) {
    rapidjson::Value& order = entry["resource"];
    if (order.HasMember("id")) set(order["id"], NewUuid());
    if (!order.HasMember("identifier")) continue;
    for (auto& identifier : order["identifier"].GetArray()) set(identifier["value"], absl::StrCat("B-", NewUuid()));
  }
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  call.Accept(writer);
  return std::string(buffer.GetString(), buffer.GetSize());
}

class OrderChecks final : public Side {
 public:
  OrderChecks(const Home& home, std::vector<Template> templates, const rpc::HttpsClient& client, int clients, absl::Duration slice)
      : home_(home), templates_(std::move(templates)), client_(client), clients_(clients), slice_(slice) {}

  // Signs the tokens of a slice, so that signing is not measured.
  absl::Status Prepare() override {
    const double wanted = rate_ * absl::ToDoubleSeconds(slice_) * kSpare;
    calls_.clear();
    next_ = 0;
    for (std::size_t i = 0; i < static_cast<std::size_t>(wanted) + static_cast<std::size_t>(clients_); ++i) {
      const Template& chosen = templates_[position_++ % templates_.size()];
      const Tenant& tenant = home_.tenants[chosen.tenant];
      auto body = Renew(chosen.body);
      if (!body.ok()) return body.status();
      auto token = tenant.ehr->Sign(tenant.url, absl::Now());
      if (!token.ok()) return token.status();
      calls_.push_back({&tenant.url, absl::StrCat("Bearer ", *token), *std::move(body)});
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Outcome> Call(int /*client*/) override {
    const std::size_t at = next_++;
    if (at >= calls_.size()) return Outcome::kNothingLeft;
    const Prepared& call = calls_[at];
    const auto answer = client_.Send("POST", *call.url, {{"content-type", "application/json"}, {"authorization", call.authorization}}, call.body);
    if (!answer.ok()) return answer.status();
    if (answer->status != 200) return absl::InternalError(absl::StrCat("an order check was answered with HTTP ", answer->status));
    // The platform's answer to a fault or a check past its deadline: no card, and the request to ask again.
    for (const auto& [name, value] : answer->headers)
      if (name == "retry-after") return Outcome::kFailed;
    const auto cards = sample::ParseCards(answer->body);
    if (!cards.ok()) return cards.status();
    ++checked_;
    if (!cards->empty()) ++shown_;
    return Outcome::kAnswered;
  }

  void Expect(double calls_per_second) { rate_ = calls_per_second; }
  [[nodiscard]] double ShownShare() const { return checked_ == 0 ? 0 : static_cast<double>(shown_) / static_cast<double>(checked_); }

 private:
  struct Prepared {
    const std::string* url;
    std::string authorization;
    std::string body;
  };

  const Home& home_;
  const std::vector<Template> templates_;
  const rpc::HttpsClient& client_;
  const int clients_;
  const absl::Duration slice_;
  double rate_ = kFirstCallsPerSecond;
  std::size_t position_ = 0;
  std::vector<Prepared> calls_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<std::int64_t> checked_ = 0;
  std::atomic<std::int64_t> shown_ = 0;
};

// Of all tenants: a disclosure is written at another than the check.
absl::StatusOr<StoredBytes> BytesOfHome(const Home& home) {
  StoredBytes all;
  for (const Tenant& tenant : home.tenants) {
    auto connection = Connection::Open(absl::StrCat(home.superuser, " dbname=", tenant.database));
    if (!connection.ok()) return connection.status();
    const auto stored = BytesOfOrderChecks(*connection);
    if (!stored.ok()) return stored.status();
    all.entries += stored->entries;
    all.rows += stored->rows;
  }
  return all;
}

}  // namespace

absl::StatusOr<OrderHome> ReadOrderHome(const std::string& path) {
  const auto home = ReadHome(path);
  if (!home.ok()) return home.status();
  const auto config = ReadText(path + "/config.yaml");
  if (!config.ok()) return config.status();
  constexpr std::string_view kKey = "network_database: ";
  const std::size_t at = config->find(kKey);
  if (at == std::string::npos) return absl::NotFoundError(absl::StrCat(path, "/config.yaml names no network_database"));
  const std::size_t from = at + kKey.size();
  OrderHome found{home->superuser, config->substr(from, config->find('\n', from) - from), {}};
  for (const Tenant& tenant : home->tenants) found.tenant_databases.push_back(tenant.database);
  return found;
}

absl::StatusOr<OrderCost> MeasureOrderCost(const Settings& settings, const std::string& path) {
  const auto home = ReadHome(path);
  if (!home.ok()) return home.status();
  auto templates = ReadTemplates(path + "/sample/events.ndjson", home->tenants);
  if (!templates.ok()) return templates.status();
  const auto client = rpc::HttpsClient::Create({.ca_file = home->ca_file});
  if (!client.ok()) return client.status();
  OrderChecks checks(*home, *std::move(templates), **client, settings.clients, settings.slice);
  const auto warm = RunSlice(checks, settings.clients, settings.slice);
  if (!warm.ok()) return warm.status();
  checks.Expect(warm->PerSecond());
  const auto before = ProcessorTimeOf(path);
  if (!before.ok()) return before.status();
  OrderCost cost;
  for (int round = 0; round < settings.rounds; ++round) {
    const auto slice = RunSlice(checks, settings.clients, settings.slice);
    if (!slice.ok()) return slice.status();
    cost.figures.Add(*slice);
  }
  const auto after = ProcessorTimeOf(path);
  if (!after.ok()) return after.status();
  cost.processor_time = (*after - *before) / static_cast<double>(cost.figures.latencies.size());
  return cost;
}

absl::StatusOr<Report> MeasureOrderChecks(const Settings& settings, const std::string& path) {
  const auto home = ReadHome(path);
  if (!home.ok()) return home.status();
  auto templates = ReadTemplates(path + "/sample/events.ndjson", home->tenants);
  if (!templates.ok()) return templates.status();
  const auto client = rpc::HttpsClient::Create({.ca_file = home->ca_file});
  if (!client.ok()) return client.status();
  OrderChecks ours(*home, *std::move(templates), **client, settings.clients, settings.slice);

  const auto before = BytesOfHome(*home);
  if (!before.ok()) return before.status();
  const auto warm = RunSlice(ours, settings.clients, settings.slice);
  if (!warm.ok()) return warm.status();
  const auto after = BytesOfHome(*home);
  if (!after.ok()) return after.status();
  ours.Expect(warm->PerSecond());
  const auto checks = static_cast<double>(warm->latencies.size());
  const double entry_bytes = (after->entries - before->entries) / checks;
  const double row_bytes = (after->rows - before->rows) / checks;

  auto peer = PlainPostgres::Create(home->superuser, {static_cast<std::size_t>(entry_bytes), static_cast<std::size_t>(row_bytes)}, settings.clients);
  if (!peer.ok()) return peer.status();
  if (const auto warm_peer = RunSlice(**peer, settings.clients, settings.slice); !warm_peer.ok()) return warm_peer.status();
  auto superuser = Connection::Open(home->superuser);
  if (!superuser.ok()) return superuser.status();
  const auto comparison = Compare(ours, **peer, settings.clients, settings.rounds, settings.slice,
                                  [&superuser] { return superuser->Run("CHECKPOINT").status(); });
  if (!comparison.ok()) return comparison.status();
  // At half of what each side can do, by the clock: as an EHR asks.
  Comparison half;
  for (int round = 0; round < settings.rounds; ++round) {
    const auto ours_half = RunOpenLoop(ours, kOpenLoopClients, settings.slice, comparison->ours.PerSecond() / 2);
    if (!ours_half.ok()) return ours_half.status();
    half.ours.Add(*ours_half);
    const auto peer_half = RunOpenLoop(**peer, settings.clients, settings.slice, comparison->peer.PerSecond() / 2);
    if (!peer_half.ok()) return peer_half.status();
    half.peer.Add(*peer_half);
  }
  // On the same cores, right after.
  const auto signatures = SignatureChecks::Create();
  if (!signatures.ok()) return signatures.status();
  const auto verified = RunSlice(**signatures, settings.clients, settings.slice);
  if (!verified.ok()) return verified.status();
  std::vector<Measure> measures;
  measures.push_back({"order_checks_per_second", comparison->ours.PerSecond(), "1/s", kPeer, comparison->peer.PerSecond()});
  measures.push_back({"order_check_p99", half.ours.PercentileMs(99), "ms", kPeer, half.peer.PercentileMs(99)});
  measures.push_back({"order_check", comparison->ours.PerSecond(), "1/s", "OpenSSL's ES384 verifications on the same cores", verified->PerSecond()});
  return Report{std::move(measures),
                {{"order_check_clients", settings.clients},
                 {"order_check_entry_bytes", entry_bytes},
                 {"order_check_row_bytes", row_bytes},
                 {"order_check_calls", comparison->ours.answered},
                 {"order_check_failed", comparison->ours.failed},
                 {"order_check_peak_p50_ms", comparison->ours.PercentileMs(50)},
                 {"order_check_peak_p99_ms", comparison->ours.PercentileMs(99)},
                 {"order_check_half_per_second", half.ours.PerSecond()},
                 {"order_check_half_failed", half.ours.failed},
                 {"order_check_p50_ms", half.ours.PercentileMs(50)},
                 {"order_check_cards_share", ours.ShownShare()}}};
}

}  // namespace custodian::benchmark
