// FHIR searches a second: an access token, one patient of 2,000 resources, one code of a hundred, the newest first, a page of twenty; beside a
// handler on our own HTTPS server that asks a jsonb table with a GIN index for the same Bundle.
#include <libpq-fe.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/jwt_sign.h"
#include "services/rpc/https_client.h"
#include "services/rpc/https_server.h"
#include "tenants/ids.h"
#include "tests/benchmark/fhir_client.h"
#include "tests/benchmark/measure.h"
#include "tests/benchmark/plain_postgres.h"

namespace custodian::benchmark {
namespace {

using exchange::Json;

constexpr char kPeer[] = "our HTTPS server: the same Bundle from a jsonb table with GIN";
constexpr int kPatients = 4;
constexpr int kResources = 2'000;
constexpr int kCodes = 100;
constexpr std::size_t kResourceBytes = 2'000;
constexpr int kResourcesAtOnce = 500;
constexpr int kPage = 20;
constexpr int kServerThreads = 32;

struct Home {
  std::string path;
  std::string ca_file;
  std::string superuser;
  std::string url;
  std::unique_ptr<rpc::HttpsClient> client;
};

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return std::move(bytes).str();
}

absl::StatusOr<Home> ReadHome(const std::string& path) {
  const auto text = ReadText(path + "/summary.json");
  if (!text.ok()) return text.status();
  const auto summary = Json::Parse(*text);
  if (!summary.ok() || (*summary)["tenants"].items().size() < 2) return absl::InvalidArgumentError(absl::StrCat(path, " is no finished quickstart home"));
  const Json& tenant = (*summary)["tenants"][1];
  auto client = rpc::HttpsClient::Create(
      {.ca_file = summary->TextOf("ca_file"), .certificate_file = tenant.TextOf("client_cert"), .key_file = tenant.TextOf("client_key")});
  if (!client.ok()) return client.status();
  return Home{path, summary->TextOf("ca_file"), summary->TextOf("postgres_superuser_dsn"), tenant.TextOf("fhir_base_url"), *std::move(client)};
}

std::string CodeOf(int number) { return absl::StrCat(10'000 + number, "-", number % 10); }

Json ObservationOf(const std::string& patient, int number) {
  const absl::Time at = absl::FromCivil(absl::CivilHour(2024, 1, 1, 0), absl::UTCTimeZone()) + absl::Hours(7 * number);
  Json coding = Json::Object({{"system", Json::String("http://loinc.org")}, {"code", Json::String(CodeOf(number % kCodes))}});
  Json quantity = Json::Object({{"value", Json::Number(absl::StrCat(number % 97, ".5"))},
                                {"unit", Json::String("g/dL")},
                                {"system", Json::String("http://unitsofmeasure.org")},
                                {"code", Json::String("g/dL")}});
  Json observation = Json::Object({{"resourceType", Json::String("Observation")},
                                   {"id", Json::String(absl::StrCat(patient, "-", number))},
                                   {"status", Json::String("final")},
                                   {"code", Json::Object({{"coding", Json::Array({std::move(coding)})}})},
                                   {"subject", Json::Object({{"reference", Json::String("Patient/" + patient)}})},
                                   {"effectiveDateTime", Json::String(absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", at, absl::UTCTimeZone()))},
                                   {"valueQuantity", std::move(quantity)}});
  std::string words;
  while (words.size() + observation.Text().size() < kResourceBytes) words += "Drawn while fasting, measured twice.";
  observation.Set("note", Json::Array({Json::Object({{"text", Json::String(words)}})}));
  return observation;
}

// Ids of the patients.
absl::StatusOr<std::vector<std::string>> StoreCharts(const Home& home) {
  std::vector<std::string> patients;
  for (int i = 0; i < kPatients; ++i) {
    const std::string patient = "s-" + HexEncode(RandomBytes(12));
    std::vector<Json> resources{Json::Object({{"resourceType", Json::String("Patient")}, {"id", Json::String(patient)}})};
    for (int number = 0; number < kResources; ++number) {
      resources.push_back(ObservationOf(patient, number));
      if (number % kResourcesAtOnce != kResourcesAtOnce - 1) continue;
      if (absl::Status status = StoreResources(*home.client, home.url, std::exchange(resources, {})); !status.ok()) return status;
    }
    patients.push_back(patient);
  }
  return patients;
}

// Searches of one server, each for another patient and code than the one before.
class Searches : public Side {
 public:
  Searches(std::string url, const std::vector<std::string>& patients, const rpc::HttpsClient& client)
      : url_(std::move(url)), patients_(patients), client_(client) {}

  absl::StatusOr<Outcome> Call(int /*client*/) override {
    const auto answer = Ask(next_++);
    if (!answer.ok()) return answer.status();
    if (answer->status == 503) return Outcome::kFailed;
    if (answer->status != 200 || answer->body.size() < kPage * kResourceBytes) {
      return absl::InternalError(absl::StrCat("a search was answered with HTTP ", answer->status, ": ", answer->body.substr(0, 500)));
    }
    return Outcome::kAnswered;
  }

  absl::StatusOr<rpc::HttpResponse> Ask(std::size_t number) const {
    return client_.Send("GET",
                        absl::StrCat(url_, "/Observation?patient=", patients_[number % kPatients], "&code=http://loinc.org%7C",
                                     CodeOf(static_cast<int>(number / kPatients % kCodes)), "&_sort=-date&_count=", kPage),
                        {{"accept", "application/fhir+json"}, {"authorization", "Bearer " + token_}}, "");
  }

  void Authorize(std::string token) { token_ = std::move(token); }

 private:
  const std::string url_;
  const std::vector<std::string>& patients_;
  const rpc::HttpsClient& client_;
  std::string token_;
  std::atomic<std::size_t> next_ = 0;
};

class OurSearches final : public Searches {
 public:
  OurSearches(const Home& home, const std::vector<std::string>& patients, const exchange::ClientKey& key, std::string client_id, const rpc::HttpsClient& client)
      : Searches(home.url, patients, client), home_(home), key_(key), client_id_(std::move(client_id)), client_(client) {}

  // A fresh token, so that asking for it is not measured.
  absl::Status Prepare() override {
    auto token = AccessToken(client_, home_.url, key_, client_id_);
    if (!token.ok()) return token.status();
    Authorize(*std::move(token));
    return absl::OkStatus();
  }

 private:
  const Home& home_;
  const exchange::ClientKey& key_;
  const std::string client_id_;
  const rpc::HttpsClient& client_;
};

// The peer's store: one table, a GIN index, one prepared statement that answers the whole Bundle, so that its handler copies bytes only.
class JsonTable {
 public:
  static absl::StatusOr<std::unique_ptr<JsonTable>> Create(const std::string& superuser, const std::vector<std::string>& patients) {
    std::unique_ptr<JsonTable> table(new JsonTable(superuser));
    if (absl::Status status = table->Make(patients); !status.ok()) return status;
    return table;
  }
  ~JsonTable() {
    sessions_.clear();
    auto connection = Connection::Open(superuser_);
    if (connection.ok()) (void)connection->Run(absl::StrCat("DROP DATABASE IF EXISTS ", database_, " WITH (FORCE)")).ok();
  }
  JsonTable(const JsonTable&) = delete;
  JsonTable& operator=(const JsonTable&) = delete;

  // The Bundle of what contains `pattern` (JSON); nothing when the database fails.
  [[nodiscard]] std::string Search(const std::string& pattern, const std::string& base_url) {
    Session session;
    {
      absl::MutexLock lock(&mutex_);
      session = std::move(sessions_.back());
      sessions_.pop_back();
    }
    const char* values[] = {pattern.c_str(), base_url.c_str()};
    PGresult* result = PQexecPrepared(session.get(), "search", 2, values, nullptr, nullptr, 1);
    std::string bundle = PQresultStatus(result) == PGRES_TUPLES_OK ? std::string(PQgetvalue(result, 0, 0), static_cast<std::size_t>(PQgetlength(result, 0, 0))) : "";
    PQclear(result);
    absl::MutexLock lock(&mutex_);
    sessions_.push_back(std::move(session));
    return bundle;
  }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  using Session = std::unique_ptr<PGconn, Finish>;

  explicit JsonTable(std::string superuser) : superuser_(std::move(superuser)), database_("benchmark_" + HexEncode(RandomBytes(6))) {}

  absl::Status Make(const std::vector<std::string>& patients) {
    auto superuser = Connection::Open(superuser_);
    if (!superuser.ok()) return superuser.status();
    if (const auto made = superuser->Run("CREATE DATABASE " + database_); !made.ok()) return made.status();
    const std::string conninfo = absl::StrCat(superuser_, " dbname=", database_);
    auto own = Connection::Open(conninfo);
    if (!own.ok()) return own.status();
    if (const auto made = own->Run("CREATE TABLE resource (id text PRIMARY KEY, body jsonb NOT NULL)"); !made.ok()) return made.status();
    for (const std::string& patient : patients) {
      std::string rows;
      for (int number = 0; number < kResources; ++number) {
        const Json observation = ObservationOf(patient, number);
        absl::StrAppend(&rows, rows.empty() ? "INSERT INTO resource VALUES " : ", ", "('", observation.TextOf("id"), "', '", observation.Text(), "')");
      }
      if (const auto stored = own->Run(rows); !stored.ok()) return stored.status();
    }
    for (const char* sql : {"CREATE INDEX resource_body ON resource USING gin (body jsonb_path_ops)", "VACUUM ANALYZE resource"}) {
      if (const auto done = own->Run(sql); !done.ok()) return done.status();
    }
    const std::string search = absl::StrCat(
        "WITH found AS (SELECT id, body, count(*) OVER () AS total FROM resource WHERE body @> $1::jsonb ORDER BY body->>'effectiveDateTime' DESC, id LIMIT ", kPage,
        ") SELECT concat('{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":', max(total), ',\"link\":[{\"relation\":\"self\",\"url\":\"', $2::text, "
        "'\"}],\"entry\":[', string_agg(concat('{\"fullUrl\":\"', $2::text, '/', id, '\",\"resource\":', body::text, ',\"search\":{\"mode\":\"match\"}}'), ',' "
        "ORDER BY body->>'effectiveDateTime' DESC, id), ']}') FROM found");
    for (int i = 0; i < kServerThreads; ++i) {
      Session session(PQconnectdb(conninfo.c_str()));
      PGresult* prepared = PQprepare(session.get(), "search", search.c_str(), 0, nullptr);
      const bool done = PQresultStatus(prepared) == PGRES_COMMAND_OK;
      PQclear(prepared);
      if (!done) return absl::InternalError(absl::StrCat("PostgreSQL: ", PQerrorMessage(session.get())));
      sessions_.push_back(std::move(session));
    }
    return absl::OkStatus();
  }

  const std::string superuser_;
  const std::string database_;
  absl::Mutex mutex_;
  // As many as the server has threads.
  std::vector<Session> sessions_ ABSL_GUARDED_BY(mutex_);
};

// The same server class, the simplest handler: it compares the token and asks the table.
class JsonServer {
 public:
  static absl::StatusOr<std::unique_ptr<JsonServer>> Create(const Home& home, const std::vector<std::string>& patients) {
    auto table = JsonTable::Create(home.superuser, patients);
    if (!table.ok()) return table.status();
    std::unique_ptr<JsonServer> peer(new JsonServer(*std::move(table)));
    auto server = rpc::HttpsServer::Create({.certificate_file = home.path + "/pki/serve.crt",
                                            .key_file = home.path + "/pki/serve.key",
                                            .client_ca_file = home.ca_file,
                                            .threads = kServerThreads},
                                           [raw = peer.get()](const rpc::HttpRequest& request) { return raw->Handle(request); });
    if (!server.ok()) return server.status();
    peer->server_ = *std::move(server);
    peer->thread_ = std::thread([raw = peer.get()] { raw->server_->Run(); });
    return peer;
  }
  ~JsonServer() {
    if (!thread_.joinable()) return;
    server_->Stop();
    thread_.join();
  }
  JsonServer(const JsonServer&) = delete;
  JsonServer& operator=(const JsonServer&) = delete;

  [[nodiscard]] std::string url() const { return absl::StrCat("https://127.0.0.1:", server_->port()); }
  [[nodiscard]] const std::string& token() const { return token_; }

 private:
  explicit JsonServer(std::unique_ptr<JsonTable> table) : table_(std::move(table)) {}

  rpc::HttpResponse Handle(const rpc::HttpRequest& request) {
    if (request.Header("authorization").value_or("") != "Bearer " + token_) return {.status = 401, .headers = {}, .body = {}};
    std::string patient, system, code;
    for (const auto& [name, value] : request.Parameters()) {
      if (name == "patient") patient = value;
      if (name != "code") continue;
      system = value.substr(0, value.find('|'));
      code = value.substr(value.find('|') + 1);
    }
    const Json coding = Json::Object({{"system", Json::String(system)}, {"code", Json::String(code)}});
    const Json pattern = Json::Object({{"resourceType", Json::String("Observation")},
                                       {"subject", Json::Object({{"reference", Json::String("Patient/" + patient)}})},
                                       {"code", Json::Object({{"coding", Json::Array({coding})}})}});
    std::string bundle = table_->Search(pattern.Text(), url() + "/Observation");
    if (bundle.empty()) return {.status = 500, .headers = {}, .body = {}};
    return {.status = 200, .headers = {{"Content-Type", "application/fhir+json"}}, .body = std::move(bundle)};
  }

  const std::unique_ptr<JsonTable> table_;
  const std::string token_ = HexEncode(RandomBytes(32));
  std::unique_ptr<rpc::HttpsServer> server_;
  std::thread thread_;
};

// Ids of the resources in a Bundle, in order, and how many there are in all.
absl::StatusOr<std::string> FoundBy(const Searches& side, std::size_t number) {
  const auto answer = side.Ask(number);
  if (!answer.ok()) return answer.status();
  const auto bundle = Json::Parse(answer->body);
  if (!bundle.ok()) return bundle.status();
  std::string found = bundle->TextOf("total");
  for (const Json& entry : (*bundle)["entry"].items()) absl::StrAppend(&found, " ", entry["resource"].TextOf("id"));
  return found;
}

}  // namespace

absl::StatusOr<Report> MeasureFhirSearches(const Settings& settings, const std::string& path, const std::string& client_id, const std::string& key_file) {
  const auto home = ReadHome(path);
  if (!home.ok()) return home.status();
  const auto pem = ReadText(key_file);
  if (!pem.ok()) return pem.status();
  const auto key = exchange::ReadClientKey(*pem, "benchmark");
  if (!key.ok()) return key.status();
  const auto client = rpc::HttpsClient::Create({.ca_file = home->ca_file});
  if (!client.ok()) return client.status();
  const auto patients = StoreCharts(*home);
  if (!patients.ok()) return patients.status();
  const auto server = JsonServer::Create(*home, *patients);
  if (!server.ok()) return server.status();
  OurSearches ours(*home, *patients, *key, client_id, **client);
  Searches peer((*server)->url(), *patients, **client);
  peer.Authorize((*server)->token());
  if (absl::Status status = ours.Prepare(); !status.ok()) return status;
  for (std::size_t number = 0; number < 2 * kPatients; ++number) {
    const auto own = FoundBy(ours, number), others = FoundBy(peer, number);
    if (!own.ok() || !others.ok()) return own.ok() ? others.status() : own.status();
    if (*own != *others || own->find(' ') == std::string::npos) return absl::InternalError(absl::StrCat("the sides answer differently: ", *own, "; ", *others));
  }
  for (Side* side : {static_cast<Side*>(&ours), static_cast<Side*>(&peer)})
    if (const auto warm = RunSlice(*side, settings.clients, settings.slice); !warm.ok()) return warm.status();
  auto superuser = Connection::Open(home->superuser);
  if (!superuser.ok()) return superuser.status();
  const auto comparison = Compare(ours, peer, settings.clients, settings.rounds, settings.slice, [&superuser] { return superuser->Run("CHECKPOINT").status(); });
  if (!comparison.ok()) return comparison.status();
  return Report{{{"fhir_search", comparison->ours.PerSecond(), "1/s", kPeer, comparison->peer.PerSecond()}},
                {{"fhir_search_clients", settings.clients},
                 {"fhir_search_calls", comparison->ours.answered},
                 {"fhir_search_failed", comparison->ours.failed},
                 {"fhir_search_resources", kResources},
                 {"fhir_search_p50_ms", comparison->ours.PercentileMs(50)},
                 {"fhir_search_p99_ms", comparison->ours.PercentileMs(99)}}};
}

}  // namespace custodian::benchmark
