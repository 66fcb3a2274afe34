// FHIR reads a second of another tenant's results: token, match, consent, disclosure with audit and provenance in both logs, then the answer;
// beside a handler on our own HTTPS server that reads a jsonb row and inserts an audit row.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
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

constexpr char kPeer[] = "our HTTPS server: SELECT of a jsonb row and INSERT of an audit row, one statement, durable";
constexpr int kPersons = 256;
constexpr std::size_t kResourceBytes = 2'000;
constexpr int kServerThreads = 32;

struct Home {
  std::string path;
  std::string ca_file;
  std::string superuser;
  // Of the tenant whose results are read (first) and of the reader's.
  std::string source_url;
  std::string reader_url;
  std::string source_database;
  std::unique_ptr<rpc::HttpsClient> source_client;
  std::unique_ptr<rpc::HttpsClient> reader_client;
  // The reader's organization, as a consent names it.
  std::string organization_system;
  std::string organization_value;
};

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  return std::move(bytes).str();
}

absl::StatusOr<Home> ReadHome(const std::string& path) {
  const auto summary_text = ReadText(path + "/summary.json"), population_text = ReadText(path + "/sample/population.json");
  if (!summary_text.ok()) return summary_text.status();
  if (!population_text.ok()) return population_text.status();
  const auto summary = Json::Parse(*summary_text), population = Json::Parse(*population_text);
  if (!summary.ok() || !population.ok()) return absl::InvalidArgumentError(absl::StrCat(path, " is no finished quickstart home"));
  const Json& source = (*summary)["tenants"][0];
  const Json& reader = (*summary)["tenants"][1];
  Home home{.path = path,
            .ca_file = summary->TextOf("ca_file"),
            .superuser = summary->TextOf("postgres_superuser_dsn"),
            .source_url = source.TextOf("fhir_base_url"),
            .reader_url = reader.TextOf("fhir_base_url"),
            .source_database = source.TextOf("database"),
            .source_client = nullptr,
            .reader_client = nullptr,
            .organization_system = (*population)["tenants"][1].TextOf("organization_system"),
            .organization_value = (*population)["tenants"][1].TextOf("organization_value")};
  for (auto& [tenant, client] : {std::pair(&source, &home.source_client), std::pair(&reader, &home.reader_client)}) {
    auto made = rpc::HttpsClient::Create({.ca_file = home.ca_file, .certificate_file = tenant->TextOf("client_cert"), .key_file = tenant->TextOf("client_key")});
    if (!made.ok()) return made.status();
    *client = *std::move(made);
  }
  return home;
}

Json Coding(const char* system, const char* code) { return Json::Object({{"system", Json::String(system)}, {"code", Json::String(code)}}); }
Json Concept(const char* system, const char* code) { return Json::Object({{"coding", Json::Array({Coding(system, code)})}}); }
Json Reference(const std::string& target) { return Json::Object({{"reference", Json::String(target)}}); }

// Letters that no other person's name has.
std::string NameOf(const std::string& unique) {
  std::string name = "Q";
  for (const char c : unique) name += static_cast<char>('a' + (c <= '9' ? c - '0' : c - 'a' + 10));
  return name;
}

Json PatientOf(const std::string& id, int number, std::mt19937_64& engine) {
  const auto digits = [&engine](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += static_cast<char>('1' + engine() % 9);
    return text;
  };
  Json social = Json::Object({{"type", Concept("http://terminology.hl7.org/CodeSystem/v2-0203", "SS")},
                              {"system", Json::String("http://hl7.org/fhir/sid/us-ssn")},
                              {"value", Json::String(absl::StrCat(digits(3), "-", digits(2), "-", digits(4)))}});
  Json name = Json::Object({{"family", Json::String(NameOf(id.substr(id.size() - 12)))}, {"given", Json::Array({Json::String(NameOf(HexEncode(RandomBytes(4))))})}});
  Json address = Json::Object({{"line", Json::Array({Json::String(absl::StrCat(digits(4), " ", NameOf(HexEncode(RandomBytes(4))), " Street"))})},
                               {"city", Json::String("Dover")},
                               {"postalCode", Json::String(digits(5))}});
  return Json::Object({{"resourceType", Json::String("Patient")},
                       {"id", Json::String(id)},
                       {"identifier", Json::Array({std::move(social)})},
                       {"name", Json::Array({std::move(name)})},
                       {"gender", Json::String("female")},
                       {"birthDate", Json::String(absl::StrCat(1930 + number % 60, "-0", 1 + number % 9, "-", 10 + number % 18))},
                       {"address", Json::Array({std::move(address)})}});
}

Json ConsentOf(const Home& home, const std::string& id) {
  Json actor = Json::Object({{"role", Concept("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP")},
                             {"reference", Json::Object({{"identifier", Json::Object({{"system", Json::String(home.organization_system)},
                                                                                      {"value", Json::String(home.organization_value)}})}})}});
  Json provision = Json::Object({{"type", Json::String("permit")},
                                 {"actor", Json::Array({std::move(actor)})},
                                 {"purpose", Json::Array({Coding("http://terminology.hl7.org/CodeSystem/v3-ActReason", "TREAT")})}});
  return Json::Object({{"resourceType", Json::String("Consent")},
                       {"id", Json::String(id)},
                       {"status", Json::String("active")},
                       {"scope", Concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy")},
                       {"category", Json::Array({Concept("http://loinc.org", "59284-0")})},
                       {"patient", Reference("Patient/" + id)},
                       {"dateTime", Json::String("2025-01-01T00:00:00Z")},
                       {"policyRule", Concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "OPTIN")},
                       {"provision", std::move(provision)}});
}

// As many bytes as are sealed.
Json ReportOf(const std::string& id) {
  Json report = Json::Object({{"resourceType", Json::String("DiagnosticReport")},
                              {"id", Json::String(id)},
                              {"status", Json::String("final")},
                              {"code", Concept("http://loinc.org", "30679-5")},
                              {"subject", Reference("Patient/" + id)},
                              {"effectiveDateTime", Json::String("2025-03-01T10:00:00Z")},
                              {"conclusion", Json::String("")}});
  std::string words;
  const std::size_t missing = kResourceBytes - std::min(kResourceBytes, report.Text().size());
  while (words.size() < missing) words += "No change since the examination before. ";
  words.resize(missing, '.');
  if (!words.empty() && words.back() == ' ') words.back() = '.';
  report.Set("conclusion", Json::String(words));
  return report;
}

// People of both tenants, who permit the reader; ids of their reports.
absl::StatusOr<std::vector<std::string>> StorePersons(const Home& home) {
  constexpr int kPersonsAtOnce = 32;
  std::random_device device;
  std::mt19937_64 engine(device());
  std::vector<std::string> ids;
  while (ids.size() < kPersons) {
    std::vector<Json> source, reader;
    for (int i = 0; i < kPersonsAtOnce; ++i) {
      const std::string id = "b-" + HexEncode(RandomBytes(12));
      Json patient = PatientOf(id, static_cast<int>(ids.size()), engine);
      reader.push_back(patient);
      source.push_back(std::move(patient));
      source.push_back(ConsentOf(home, id));
      source.push_back(ReportOf(id));
      ids.push_back(id);
    }
    if (absl::Status status = StoreResources(*home.reader_client, home.reader_url, std::move(reader)); !status.ok()) return status;
    if (absl::Status status = StoreResources(*home.source_client, home.source_url, std::move(source)); !status.ok()) return status;
  }
  return ids;
}

class Reads final : public Side {
 public:
  Reads(const Home& home, const std::vector<std::string>& ids, const exchange::ClientKey& key, std::string client_id, const rpc::HttpsClient& client)
      : home_(home), ids_(ids), key_(key), client_id_(std::move(client_id)), client_(client) {}

  // A fresh token, so that asking for it is not measured.
  absl::Status Prepare() override {
    const auto token = AccessToken(client_, home_.reader_url, key_, client_id_);
    if (!token.ok()) return token.status();
    authorization_ = "Bearer " + *token;
    return absl::OkStatus();
  }

  absl::StatusOr<Outcome> Call(int /*client*/) override {
    const std::string& id = ids_[next_++ % ids_.size()];
    const auto answer =
        client_.Send("GET", absl::StrCat(home_.source_url, "/DiagnosticReport/", id), {{"accept", "application/fhir+json"}, {"authorization", authorization_}}, "");
    if (!answer.ok()) return answer.status();
    if (answer->status == 503) return Outcome::kFailed;
    if (answer->status != 200) return absl::InternalError(absl::StrCat("a read was answered with HTTP ", answer->status, ": ", answer->body));
    return Outcome::kAnswered;
  }

 private:
  const Home& home_;
  const std::vector<std::string>& ids_;
  const exchange::ClientKey& key_;
  const std::string client_id_;
  const rpc::HttpsClient& client_;
  std::string authorization_;
  std::atomic<std::size_t> next_ = 0;
};

// The peer: the same server class, the simplest handler that keeps an audit.
class JsonServer final : public Side {
 public:
  static absl::StatusOr<std::unique_ptr<JsonServer>> Create(const Home& home, const std::vector<std::string>& ids, const rpc::HttpsClient& client) {
    std::unique_ptr<JsonServer> peer(new JsonServer(ids, client));
    if (absl::Status status = peer->MakeTables(home); !status.ok()) return status;
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
  ~JsonServer() override {
    if (thread_.joinable()) {
      server_->Stop();
      thread_.join();
    }
    connections_.clear();
    auto superuser = Connection::Open(superuser_);
    if (superuser.ok()) (void)superuser->Run(absl::StrCat("DROP DATABASE IF EXISTS ", database_, " WITH (FORCE)")).ok();
  }
  JsonServer(const JsonServer&) = delete;
  JsonServer& operator=(const JsonServer&) = delete;

  absl::StatusOr<Outcome> Call(int /*client*/) override {
    const std::string& id = ids_[next_++ % ids_.size()];
    const auto answer = client_.Send("GET", absl::StrCat("https://127.0.0.1:", server_->port(), "/DiagnosticReport/", id), {{"accept", "application/fhir+json"}}, "");
    if (!answer.ok()) return answer.status();
    if (answer->status != 200 || answer->body.size() < kResourceBytes / 2) return absl::InternalError("the peer did not answer with its row");
    return Outcome::kAnswered;
  }

 private:
  JsonServer(const std::vector<std::string>& ids, const rpc::HttpsClient& client) : ids_(ids), client_(client) {}

  absl::Status MakeTables(const Home& home) {
    superuser_ = home.superuser;
    database_ = "benchmark_" + HexEncode(RandomBytes(6));
    auto superuser = Connection::Open(superuser_);
    if (!superuser.ok()) return superuser.status();
    if (const auto made = superuser->Run("CREATE DATABASE " + database_); !made.ok()) return made.status();
    const std::string conninfo = absl::StrCat(superuser_, " dbname=", database_);
    auto own = Connection::Open(conninfo);
    if (!own.ok()) return own.status();
    const auto made = own->Run(
        "CREATE TABLE resource (id bytea PRIMARY KEY, body jsonb NOT NULL); "
        "CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), resource bytea NOT NULL, reader bytea NOT NULL)");
    if (!made.ok()) return made.status();
    for (const std::string& id : ids_) {
      const auto stored =
          own->Run(absl::StrCat("INSERT INTO resource VALUES ('\\x", absl::BytesToHexString(id), "', '", ReportOf(id).Text(), "')"));
      if (!stored.ok()) return stored.status();
    }
    for (int i = 0; i < kServerThreads; ++i) {
      auto connection = Connection::Open(conninfo);
      if (!connection.ok()) return connection.status();
      const absl::Status prepared = connection->Prepare(
          "WITH kept AS (INSERT INTO audit (resource, reader) VALUES ($1::bytea, $2::bytea)) SELECT body::text FROM resource WHERE id = $1::bytea");
      if (!prepared.ok()) return prepared;
      connections_.push_back(std::make_unique<Connection>(*std::move(connection)));
    }
    return absl::OkStatus();
  }

  rpc::HttpResponse Handle(const rpc::HttpRequest& request) {
    std::unique_ptr<Connection> connection;
    {
      // As many as there are threads.
      absl::MutexLock lock(&mutex_);
      connection = std::move(connections_.back());
      connections_.pop_back();
    }
    const auto body = connection->Query({std::string_view(request.path).substr(request.path.rfind('/') + 1), "reader"});
    absl::MutexLock lock(&mutex_);
    connections_.push_back(std::move(connection));
    if (!body.ok()) return {.status = 500, .headers = {}, .body = {}};
    return {.status = 200, .headers = {{"Content-Type", "application/fhir+json"}}, .body = *body};
  }

  const std::vector<std::string>& ids_;
  const rpc::HttpsClient& client_;
  std::string superuser_;
  std::string database_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> connections_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<rpc::HttpsServer> server_;
  std::thread thread_;
  std::atomic<std::size_t> next_ = 0;
};

}  // namespace

absl::StatusOr<Report> MeasureFhirReads(const Settings& settings, const std::string& path, const std::string& client_id, const std::string& key_file) {
  const auto home = ReadHome(path);
  if (!home.ok()) return home.status();
  const auto pem = ReadText(key_file);
  if (!pem.ok()) return pem.status();
  const auto key = exchange::ReadClientKey(*pem, "benchmark");
  if (!key.ok()) return key.status();
  const auto client = rpc::HttpsClient::Create({.ca_file = home->ca_file});
  if (!client.ok()) return client.status();
  const auto ids = StorePersons(*home);
  if (!ids.ok()) return ids.status();
  Reads ours(*home, *ids, *key, client_id, **client);
  const auto peer = JsonServer::Create(*home, *ids, **client);
  if (!peer.ok()) return peer.status();
  for (Side* side : {static_cast<Side*>(&ours), static_cast<Side*>(peer->get())})
    if (const auto warm = RunSlice(*side, settings.clients, settings.slice); !warm.ok()) return warm.status();
  auto superuser = Connection::Open(home->superuser);
  if (!superuser.ok()) return superuser.status();
  const auto comparison =
      Compare(ours, **peer, settings.clients, settings.rounds, settings.slice, [&superuser] { return superuser->Run("CHECKPOINT").status(); });
  if (!comparison.ok()) return comparison.status();
  return Report{{{"fhir_read", comparison->ours.PerSecond(), "1/s", kPeer, comparison->peer.PerSecond()}},
                {{"fhir_read_clients", settings.clients},
                 {"fhir_read_calls", comparison->ours.answered},
                 {"fhir_read_failed", comparison->ours.failed},
                 {"fhir_read_bytes", static_cast<double>(kResourceBytes)},
                 {"fhir_read_p50_ms", comparison->ours.PercentileMs(50)},
                 {"fhir_read_p99_ms", comparison->ours.PercentileMs(99)}}};
}

}  // namespace custodian::benchmark
