// What an order check costs at a million patients beside a thousand. The rows that a check looks among are put there by COPY and INSERT, well
// formed, with random ids and hashes: patients of 300 tenants in the record locator, and at each tenant of the quickstart its share of patients
// and records as if there were no other tenants, with an idempotency row of the log for each record. What is asked about stays the same.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/exchange/locator_store.h"
#include "tests/benchmark/measure.h"
#include "tests/benchmark/order_checks.h"
#include "tests/benchmark/plain_postgres.h"
#include "tests/matching/measure.h"

namespace custodian::benchmark {
namespace {

constexpr char kPeer[] = "the same at 1,000 patients and 3 tenants";
constexpr int kPatientsBefore = 1'000;
constexpr int kTenantsBefore = 3;
constexpr int kTenants = 300;
// On average, as the made populations register them.
constexpr int kPatientsPerPerson = 2;
constexpr int kRecordsPerPatient = 5;

std::string Hex(std::string_view bytes) { return absl::StrCat("\\\\x", absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()))); }

// So many patients more, of so many tenants, in the locator.
absl::Status AddToLocator(Connection& network, int patients, int tenants, std::uint64_t seed) {
  // In parts, so that no more of the population is in memory than needed; persons of different parts are strangers.
  constexpr int kPart = 50'000;
  const int people = patients / kPatientsPerPerson;
  for (int part = 0; part * kPart < people; ++part) {
    const auto registrations = matching::MakePopulation(matching::Populations().front(), std::min(kPart, people - part * kPart), tenants,
                                                        seed + static_cast<std::uint64_t>(part));
    if (!registrations.ok()) return registrations.status();
    std::vector<std::string> rows;
    for (const matching::Registration& registration : *registrations) {
      const auto json = exchange::Json::Parse(registration.json);
      if (!json.ok()) return json.status();
      const exchange::PatientLink link{TenantId::Parse(absl::StrCat(absl::Hex(registration.tenant + 1, absl::kZeroPad16))).value(), PatientId::Random()};
      // Hashes without a key are as good for this as those with one.
      const auto located = exchange::Located(link, exchange::LocatorValuesOf(exchange::ReadDemographics(*json)), exchange::PlainHashes);
      if (!located.ok()) return located.status();
      rows.push_back(absl::StrCat(link.tenant.text(), "\t", Hex(link.patient.bytes()), "\t", located->fields, "\t", Hex(exchange::MarkBytesOf(located->marks)),
                                  "\t{", absl::StrJoin(located->keys, ","), "}\t{", absl::StrJoin(located->name_keys, ","), "}"));
    }
    const absl::Status copied = network.Copy("COPY locator.patient (tenant_id, patient_id, fields, marks, keys, name_keys) FROM STDIN", rows);
    if (!copied.ok()) return copied;
  }
  return network.Run("ANALYZE locator.patient").status();
}

// So many patients more at a tenant, each with its records and what the log keeps of their writes.
absl::Status AddToTenant(Connection& tenant, int patients, const std::string& salt) {
  const std::string id = absl::StrCat("decode(md5('", salt, "' || p), 'hex')");
  const std::string record = absl::StrCat("decode(md5('", salt, "r' || p || '-' || r), 'hex')");
  const std::string some = absl::StrCat("generate_series(1, ", patients, ") AS p");
  const std::string all = absl::StrCat(some, ", generate_series(1, ", kRecordsPerPatient, ") AS r");
  for (const std::string& statement :
       {absl::StrCat("INSERT INTO exchange.patient (patient_id, record_id) SELECT ", id, ", decode(md5('", salt, "r' || p || '-1'), 'hex') FROM ", some),
        absl::StrCat("INSERT INTO exchange.record (record_id, version, patient_id, sealed, arrived_ms, entry_index) SELECT ", record, ", 1, ", id,
                     ", decode(repeat(md5(p || '-' || r), 40), 'hex'), 1, 0 FROM ", all),
        absl::StrCat("INSERT INTO ledger.idempotency (author, key, request_digest, first_index, count, time_ms, witnessed_by_ms) SELECT 'benchmark', sha256((", record,
                     ")), sha256((", record, ")), 0, 1, 1, 1 FROM ", all),
        std::string("ANALYZE exchange.patient, exchange.record, ledger.idempotency")}) {
    if (const auto done = tenant.Run(statement); !done.ok()) return done.status();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Report> MeasureOrderGrowth(const Settings& settings, const std::string& path, int patients) {
  const auto home = ReadOrderHome(path);
  if (!home.ok()) return home.status();
  auto superuser = Connection::Open(home->superuser);
  if (!superuser.ok()) return superuser.status();
  auto network = Connection::Open(absl::StrCat(home->superuser, " dbname=", home->network_database));
  if (!network.ok()) return network.status();
  const auto grow = [&](int more, int tenants, std::uint64_t seed) -> absl::Status {
    if (absl::Status status = AddToLocator(*network, more, tenants, seed); !status.ok()) return status;
    for (const std::string& database : home->tenant_databases) {
      auto tenant = Connection::Open(absl::StrCat(home->superuser, " dbname=", database));
      if (!tenant.ok()) return tenant.status();
      const auto share = more / static_cast<int>(home->tenant_databases.size());
      if (absl::Status status = AddToTenant(*tenant, share, absl::StrCat(database, seed)); !status.ok()) return status;
    }
    return superuser->Run("CHECKPOINT").status();
  };
  if (absl::Status status = grow(kPatientsBefore, kTenantsBefore, 7'000); !status.ok()) return status;
  const auto before = MeasureOrderCost(settings, path);
  if (!before.ok()) return before.status();
  if (absl::Status status = grow(patients - kPatientsBefore, kTenants, 8'000); !status.ok()) return status;
  const auto after = MeasureOrderCost(settings, path);
  if (!after.ok()) return after.status();
  return Report{{{"order_check_growth", absl::ToDoubleMilliseconds(after->processor_time), "ms", kPeer,
                    absl::ToDoubleMilliseconds(before->processor_time)}},
                {{"order_check_growth_patients", patients},
                 {"order_check_growth_calls", after->figures.answered},
                 {"order_check_growth_per_second", after->figures.PerSecond()},
                 {"order_check_growth_per_second_before", before->figures.PerSecond()},
                 {"order_check_growth_p99_ms", after->figures.PercentileMs(99)},
                 {"order_check_growth_p99_before_ms", before->figures.PercentileMs(99)}}};
}

}  // namespace custodian::benchmark
