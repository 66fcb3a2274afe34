// Resources a second that `custodian import` stores at one tenant of a running quickstart: validated, sealed and logged, and then what follows
// from them (locator, savings) done too. The command itself runs, over files of new patients.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_json.h"
#include "tenants/ids.h"
#include "tests/benchmark/measure.h"
#include "tests/benchmark/plain_postgres.h"
#include "tests/benchmark/synthea_patients.h"

namespace custodian::benchmark {
namespace {

using exchange::Json;

constexpr char kPeer[] = "COPY of the same resources into a jsonb table, 500 a transaction";
constexpr std::size_t kRowsPerTransaction = 500;
constexpr int kFirstPatients = 20;
constexpr int kPatientsMax = 1'000;

struct Home {
  std::string path;
  std::string superuser;
  std::string tenant;
  std::string database;
};

absl::StatusOr<Home> ReadHome(const std::string& path) {
  std::ifstream file(path + "/summary.json", std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  const auto summary = Json::Parse(bytes.str());
  if (!file || !summary.ok()) return absl::NotFoundError(absl::StrCat(path, " is no finished quickstart home"));
  const Json& tenant = (*summary)["tenants"][0];
  return Home{path, summary->TextOf("postgres_superuser_dsn"), tenant.TextOf("name"), tenant.TextOf("database")};
}

// Seconds, as the command tells them, until all was stored and until it ended; an error when it did not store all.
struct Took {
  double stored = 0;
  double followed = 0;
};
absl::StatusOr<Took> Import(const Home& home, const std::string& files, std::size_t resources) {
  const std::string command =
      absl::StrCat("'", home.path, "/program/custodian' import --json --home '", home.path, "' --tenant ", home.tenant, " '", files, "'");
  std::FILE* output = popen(command.c_str(), "r");
  if (output == nullptr) return absl::InternalError("cannot run custodian import");
  std::string text;
  std::array<char, 4096> part{};
  while (std::fgets(part.data(), part.size(), output) != nullptr) text += part.data();
  const int code = pclose(output);
  const auto summary = Json::Parse(text);
  if (code != 0 || !summary.ok() || (*summary)["stored"].text() != absl::StrCat(resources))
    return absl::InternalError(absl::StrCat("custodian import did not store all ", resources, " resources: ", text.substr(0, 1'000)));
  const auto seconds = [&summary](const char* name) { return std::stod((*summary)[name].text()) / 1'000; };
  return Took{seconds("milliseconds_until_stored"), seconds("milliseconds")};
}

// The peer's table, in a database of its own.
class JsonTable {
 public:
  static absl::StatusOr<std::unique_ptr<JsonTable>> Create(const std::string& superuser) {
    auto server = Connection::Open(superuser);
    if (!server.ok()) return server.status();
    const std::string name = "benchmark_" + HexEncode(RandomBytes(6));
    if (const auto made = server->Run("CREATE DATABASE " + name); !made.ok()) return made.status();
    auto database = Connection::Open(absl::StrCat(superuser, " dbname=", name));
    if (!database.ok()) return database.status();
    const auto table = database->Run("CREATE TABLE resource (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body jsonb NOT NULL)");
    if (!table.ok()) return table.status();
    return std::unique_ptr<JsonTable>(new JsonTable(*std::move(server), *std::move(database), name));
  }
  ~JsonTable() {
    if (const auto dropped = server_.Run("DROP DATABASE " + name_ + " WITH (FORCE)"); !dropped.ok()) std::fprintf(stderr, "benchmark: cleanup failed\n");
  }
  JsonTable(const JsonTable&) = delete;
  JsonTable& operator=(const JsonTable&) = delete;

  absl::Status Store(const std::vector<std::string>& texts) {
    for (std::size_t from = 0; from < texts.size(); from += kRowsPerTransaction) {
      const auto begin = texts.begin() + static_cast<std::ptrdiff_t>(from);
      const auto end = texts.begin() + static_cast<std::ptrdiff_t>(std::min(from + kRowsPerTransaction, texts.size()));
      std::vector<std::string> rows;
      for (auto text = begin; text != end; ++text) rows.push_back(CopyText(*text));
      if (absl::Status status = database_.Copy("COPY resource (body) FROM STDIN", rows); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  JsonTable(Connection server, Connection database, std::string name)
      : server_(std::move(server)), database_(std::move(database)), name_(std::move(name)) {}
  Connection server_;
  Connection database_;
  const std::string name_;
};

struct Turns {
  double resources = 0;
  Took ours;
  double peer_seconds = 0;
};

template <typename Body>
absl::StatusOr<double> Timed(Body body) {
  const auto begun = std::chrono::steady_clock::now();
  if (absl::Status status = body(); !status.ok()) return status;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

class Imports {
 public:
  Imports(const Home& home, SyntheaPatients& patients, Connection& superuser, Connection& database, JsonTable& table)
      : home_(home), patients_(patients), superuser_(superuser), database_(database), table_(table) {}

  // One turn of each side.
  absl::Status Turn(bool bundles, int patients, Turns& turns) {
    const std::string folder = (std::filesystem::temp_directory_path() / ("import-" + HexEncode(RandomBytes(6)))).string();
    const auto texts = bundles ? patients_.WriteBundles(folder, patients) : patients_.WriteNdjson(folder, patients);
    if (!texts.ok()) return texts.status();
    if (const auto done = superuser_.Run("CHECKPOINT"); !done.ok()) return done.status();
    const auto ours = Import(home_, folder, texts->size());
    std::filesystem::remove_all(folder);
    if (!ours.ok()) return ours.status();
    if (absl::Status status = CheckFollowed(); !status.ok()) return status;
    if (const auto done = superuser_.Run("CHECKPOINT"); !done.ok()) return done.status();
    const auto peer = Timed([&] { return table_.Store(*texts); });
    if (!peer.ok()) return peer.status();
    turns.resources += static_cast<double>(texts->size());
    turns.ours.stored += ours->stored;
    turns.ours.followed += ours->followed;
    turns.peer_seconds += *peer;
    return absl::OkStatus();
  }

 private:
  // What must follow is done: nothing waits in the outbox.
  absl::Status CheckFollowed() {
    const auto waiting = database_.Run("SELECT count(*) FROM ledger.outbox");
    if (!waiting.ok()) return waiting.status();
    return waiting->at(0).at(0) == "0" ? absl::OkStatus() : absl::InternalError("custodian import did not wait for what follows");
  }

  const Home& home_;
  SyntheaPatients& patients_;
  Connection& superuser_;
  Connection& database_;
  JsonTable& table_;
};

}  // namespace

absl::StatusOr<Report> MeasureImports(const Settings& settings, const std::string& path, const std::string& bundles) {
  const auto home = ReadHome(path);
  if (!home.ok()) return home.status();
  auto patients = SyntheaPatients::Read(bundles, std::random_device()());
  if (!patients.ok()) return patients.status();
  auto superuser = Connection::Open(home->superuser);
  if (!superuser.ok()) return superuser.status();
  auto database = Connection::Open(absl::StrCat(home->superuser, " dbname=", home->database));
  if (!database.ok()) return database.status();
  auto table = JsonTable::Create(home->superuser);
  if (!table.ok()) return table.status();
  Imports imports(*home, *patients, *superuser, *database, **table);

  Report report;
  for (const bool as_bundles : {true, false}) {
    Turns warm;
    if (absl::Status status = imports.Turn(as_bundles, kFirstPatients, warm); !status.ok()) return status;
    const int count = std::clamp(static_cast<int>(absl::ToDoubleSeconds(settings.slice) / warm.ours.followed * kFirstPatients), 2, kPatientsMax);
    Turns turns;
    for (int round = 0; round < settings.rounds; ++round)
      if (absl::Status status = imports.Turn(as_bundles, count, turns); !status.ok()) return status;
    const std::string name = as_bundles ? "import" : "import_ndjson";
    const double peer = turns.resources / turns.peer_seconds;
    report.measures.push_back({name, turns.resources / turns.ours.stored, "1/s", kPeer, peer});
    report.measures.push_back({name + "_followed", turns.resources / turns.ours.followed, "1/s", kPeer, peer});
    report.circumstances.emplace_back(name + "_resources", turns.resources);
  }
  return report;
}

}  // namespace custodian::benchmark
