// Who is this patient elsewhere, over the rows of many patients: what every order check asks first.
#include <libpq-fe.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "services/exchange/locator.h"
#include "services/exchange/locator_store.h"
#include "tests/benchmark/measure.h"
#include "tests/matching/measure.h"
#include "tests/support/keys/key_process.h"
#include "tests/support/postgres.h"

namespace custodian::benchmark {
namespace {

constexpr char kPeer[] = "SELECT of the row by primary key";
constexpr int kTenants = 30;

std::string Hex(std::string_view bytes) { return absl::StrCat("\\\\x", absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()))); }

// Loads rows by COPY, in the format that LocatorStore writes.
class Loader {
 public:
  explicit Loader(const std::string& connection) : connection_(PQconnectdb(connection.c_str())) {}
  ~Loader() { PQfinish(connection_); }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  absl::Status Begin() {
    PGresult* result = PQexec(connection_, "COPY locator.patient (tenant_id, patient_id, fields, marks, keys, name_keys) FROM STDIN");
    const bool good = PQresultStatus(result) == PGRES_COPY_IN;
    PQclear(result);
    return good ? absl::OkStatus() : absl::InternalError(PQerrorMessage(connection_));
  }
  absl::Status Add(const exchange::LocatedPatient& patient) {
    const std::string line = absl::StrCat(patient.link.tenant.text(), "\t", Hex(patient.link.patient.bytes()), "\t", patient.fields, "\t",
                                          Hex(exchange::MarkBytesOf(patient.marks)), "\t{", absl::StrJoin(patient.keys, ","), "}\t{",
                                          absl::StrJoin(patient.name_keys, ","), "}\n");
    return PQputCopyData(connection_, line.data(), static_cast<int>(line.size())) == 1 ? absl::OkStatus()
                                                                                       : absl::InternalError(PQerrorMessage(connection_));
  }
  absl::Status End() {
    if (PQputCopyEnd(connection_, nullptr) != 1) return absl::InternalError(PQerrorMessage(connection_));
    PGresult* result = PQgetResult(connection_);
    const bool good = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    return good ? absl::OkStatus() : absl::InternalError(PQerrorMessage(connection_));
  }

 private:
  PGconn* connection_;
};

class Lookups : public Side {
 public:
  Lookups(const exchange::Locator& locator, const tenants::Database& database, const std::vector<exchange::PatientLink>& links, int clients,
          bool whole)
      : locator_(locator), database_(database), links_(links), whole_(whole) {
    for (int client = 0; client < clients; ++client) engines_.emplace_back(static_cast<unsigned>(client) + (whole ? 1u : 1'000u));
  }

  absl::StatusOr<Outcome> Call(int client) override {
    const exchange::PatientLink& link = links_[engines_[static_cast<std::size_t>(client)]() % links_.size()];
    if (whole_) {
      if (const auto same = locator_.SamePerson(link); !same.ok()) return same.status();
      return Outcome::kAnswered;
    }
    const absl::Status read =
        exchange::LocatorStore(database_).Read([&link](exchange::LocatorRows& rows) { return rows.Find(link).status(); });
    if (!read.ok()) return read;
    return Outcome::kAnswered;
  }

 private:
  const exchange::Locator& locator_;
  const tenants::Database& database_;
  const std::vector<exchange::PatientLink>& links_;
  const bool whole_;
  std::vector<std::mt19937_64> engines_;
};

}  // namespace

absl::StatusOr<Report> MeasureMatchLookups(const Settings& settings, int people) {
  auto network = testing::TestDatabase::Create("network", "network");
  if (!network.ok()) return network.status();
  auto keys = testing::KeyProcess::Create();
  if (!keys.ok()) return keys.status();

  for (const char* index : {"patient_keys", "patient_name_keys"})
    if (const auto dropped = (*network)->Sql(absl::StrCat("DROP INDEX locator.", index)); !dropped.ok()) return dropped.status();
  std::vector<exchange::PatientLink> links;
  const auto& superuser = (*network)->superuser();
  Loader loader(absl::StrCat("host=", superuser.host, " port=", superuser.port, " user=", superuser.user, " dbname=", superuser.database));
  if (absl::Status begun = loader.Begin(); !begun.ok()) return begun;
  // In parts, so that no more of the population is in memory than needed; persons of different parts are strangers.
  constexpr int kPart = 50'000;
  for (int part = 0; part * kPart < people; ++part) {
    const auto registrations =
        matching::MakePopulation(matching::Populations().front(), std::min(kPart, people - part * kPart), kTenants, 5'000 + static_cast<std::uint64_t>(part));
    if (!registrations.ok()) return registrations.status();
    for (const matching::Registration& registration : *registrations) {
      const auto json = exchange::Json::Parse(registration.json);
      if (!json.ok()) return json.status();
      const exchange::PatientLink link{TenantId::Parse(absl::StrCat(absl::Hex(registration.tenant + 1, absl::kZeroPad16))).value(), PatientId::Random()};
      // Hashes without a key are as good for this as those with one.
      const auto located = exchange::Located(link, exchange::LocatorValuesOf(exchange::ReadDemographics(*json)), exchange::PlainHashes);
      if (!located.ok()) return located.status();
      if (absl::Status added = loader.Add(*located); !added.ok()) return added;
      links.push_back(link);
    }
  }
  if (absl::Status ended = loader.End(); !ended.ok()) return ended;
  for (const char* statement : {"SET maintenance_work_mem = '1GB'; CREATE INDEX patient_keys ON locator.patient USING gin (keys) WITH (fastupdate = off)",
                                "CREATE INDEX patient_name_keys ON locator.patient USING gin (name_keys) WITH (fastupdate = off)",
                                "ANALYZE locator.patient"})
    if (const auto made = (*network)->Sql(statement); !made.ok()) return made.status();

  const tenants::Database database((*network)->login(), {.connections_max = settings.clients, .plan_once = true});
  const exchange::Locator locator(database, (*keys)->client());
  Lookups ours(locator, database, links, settings.clients, /*whole=*/true), peer(locator, database, links, settings.clients, /*whole=*/false);
  for (Side* side : {static_cast<Side*>(&ours), static_cast<Side*>(&peer)})
    if (const auto warm = RunSlice(*side, settings.clients, settings.slice); !warm.ok()) return warm.status();
  const auto comparison = Compare(ours, peer, settings.clients, settings.rounds, settings.slice, [] { return absl::OkStatus(); });
  if (!comparison.ok()) return comparison.status();
  return Report{MeasuresOf("match_lookup", "match_lookups", kPeer, *comparison),
                {{"match_clients", settings.clients}, {"match_patients", static_cast<double>(links.size())}}};
}

}  // namespace custodian::benchmark
