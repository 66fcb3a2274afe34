// A network for tests of savings: three tenants with real databases, writers and keys, and the parts of savings over them. Made
// once for a suite: each Begin() brings a person nobody knew, known to all three tenants, on 10 March of a year of its own, and
// an empty projection. For *_test.cc of this folder.
#ifndef CUSTODIAN_SERVICES_SAVINGS_TEST_NETWORK_H_
#define CUSTODIAN_SERVICES_SAVINGS_TEST_NETWORK_H_

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "ledger/entry.h"
#include "services/exchange/fact.h"
#include "services/exchange/fhir_writer.h"
#include "services/exchange/locator.h"
#include "services/keys/sealer.h"
#include "services/savings/evaluator.h"
#include "services/savings/figures_audit.h"
#include "services/savings/report.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/keys/key_process.h"
#include "tests/support/postgres.h"

namespace custodian::savings {

class TestNetwork {
 public:
  static constexpr const char* kNames[] = {"harbor", "lakeside", "summit"};
  static constexpr const char* kAuthor = "spiffe://custodian.example/custodian/serve";

  // Year of the test.
  int year = 2024;
  absl::Time Start() const { return absl::FromCivil(absl::CivilSecond(year, 3, 10, 9, 0, 0), absl::UTCTimeZone()); }
  absl::Time Month(int month) const { return absl::FromCivil(absl::CivilMonth(year, month), absl::UTCTimeZone()); }

  TestNetwork() : clock(Start()) {
    keys = *testing::KeyProcess::Create();
    network = *testing::TestDatabase::Create("network", "network");
    signer_ = *ledger::SignerFromPem(*ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519));
    roster_.Admit(kAuthor, signer_->public_key());
    sealer = std::make_unique<keys::Sealer>(keys->client(), machine_clock_);
    for (const char* name : kNames) AddTenant(name);
    registry = std::make_unique<tenants::Registry>(network->database());
    EXPECT_TRUE(registry->Load().ok());
    locator = std::make_unique<exchange::Locator>(network->database(), keys->client());
    records = std::make_unique<exchange::PatientRecords>(partitions, *sealer, machine_clock_);
    const auto current_table = [this](std::string_view table, std::string_view tenant) -> absl::StatusOr<std::string> {
      const auto own = own_exams.find(tenant);
      return table == "exam-classes" && own != own_exams.end() ? own->second : Table(table);
    };
    exam_tables = std::make_unique<exchange::ExamTables>(current_table, *registry);
    evaluator = std::make_unique<Evaluator>(
        Evaluator::Parts{.partitions = partitions,
                         .registry = *registry,
                         .network_database = network->database(),
                         .locator = *locator,
                         .records = *records,
                         .sealer = *sealer,
                         .network_clock = clock,
                         .exam_tables = *exam_tables,
                         .current_table = current_table});
    for (tenants::Partition* partition : partitions.All()) {
      evaluator->Attach(*partition);
      partition->outbox->Handle("locator", [this, id = partition->tenant.id](const PatientId& patient) {
        return exchange::RegisterPatient(*locator, *records, {id, patient}, [this](const exchange::PatientLink& changed) {
          return evaluator->EvaluatePerson(changed);
        });
      });
      // The exchange's; savings ask nothing of it.
      partition->outbox->Handle("correction", [](const PatientId&) { return absl::OkStatus(); });
    }
    reporter = std::make_unique<Reporter>(network->database(), *registry, clock, [this] { return Drain(); });
  }

  void Begin() {
    ++year;
    own_exams.clear();
    exam_tables->Forget();
    clock.Set(Start());
    ASSERT_TRUE(Drain().ok());
    ASSERT_TRUE(network->Sql("TRUNCATE savings.posting, savings.known_state, savings.avoidance").ok());
    for (const char* name : kNames) {
      Put(name, "Patient/" + PatientName(), PatientJson());
      log_begin_[name] = At(name).writer->size();
    }
  }
  ~TestNetwork() {
    for (tenants::Partition* partition : partitions.All()) partition->writer->Stop();
    for (std::thread& thread : threads_) thread.join();
  }

  absl::Status Drain() {
    for (tenants::Partition* partition : partitions.All()) {
      if (absl::Status status = partition->outbox->Drain(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  tenants::Partition& At(const std::string& tenant) { return *partitions.FindByName(tenant); }
  const testing::TestDatabase& database(const std::string& tenant) { return *databases_.at(tenant); }
  PatientId Patient(const std::string& tenant) { return *records->FindPatient(At(tenant).tenant.id, PatientName()); }

  // Stores one resource at a tenant as its client would.
  void Put(const std::string& tenant, const std::string& name, const std::string& resource) {
    const std::string bundle =
        absl::StrCat(R"({"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"https://x/)", name, R"(","resource":)",
                     resource, R"(,"request":{"method":"PUT","url":")", name, R"("}}]})");
    auto entries = exchange::ReadTransaction(*exchange::Json::Parse(bundle), 10);
    ASSERT_TRUE(std::holds_alternative<std::vector<exchange::TransactionEntry>>(entries));
    exchange::FhirWriter writer(*sealer, keys->client(), {});
    const auto stored = writer.Apply({.partition = &At(tenant),
                                      .client = "spiffe://custodian.example/tenant/x/fhir/test",
                                      .base_url = "https://localhost/fhir/x",
                                      .idempotency_key = "",
                                      .content = bundle,
                                      .entries = std::get<0>(std::move(entries))});
    if (const auto* refusal = std::get_if<exchange::Refusal>(&stored))
      FAIL() << refusal->status << " " << refusal->issues.at(0).diagnostics;
  }
  std::string PatientName() const { return absl::StrCat("p", year); }
  std::string PatientJson(const std::string& more = "") const {
    return absl::StrCat(
        R"({"resourceType":"Patient","id":")", PatientName(),
        R"(","identifier":[{"type":{"coding":[{"system":)"
        R"("http://terminology.hl7.org/CodeSystem/v2-0203","code":"SS"}]},"system":"http://hl7.org/fhir/sid/us-ssn",)"
        R"("value":"999-12-)",
        year, R"("}],"name":[{"family":"Example)", year,
        R"(","given":["Ada"]}],"gender":"female",)"
        R"("birthDate":"1970-02-03")",
        more, "}");
  }
  // The patient with another birth date, which no other tenant's patient has: nothing links it any more.
  void Unlink(const std::string& tenant) {
    Put(tenant, "Patient/" + PatientName(), absl::StrReplaceAll(PatientJson(), {{"1970-02-03", "1971-11-30"}}));
  }
  // Its study, beside the report.
  void PutStudy(const std::string& tenant, const std::string& name, absl::Time started, const std::string& patient = "",
                const std::string& status = "available") {
    const std::string accession = absl::StrCat(name, "-", year);
    Put(tenant, "ImagingStudy/" + accession,
        absl::StrCat(R"({"resourceType":"ImagingStudy","id":")", accession,
                     R"(","identifier":[{"type":{"coding":[{"system":)"
                     R"("http://terminology.hl7.org/CodeSystem/v2-0203","code":"ACSN"}]},"system":"urn:accession:)",
                     tenant, R"(","value":")", accession, R"("}],"status":")", status, R"(","subject":{"reference":"Patient/)",
                     patient.empty() ? PatientName() : patient, R"("},"started":")", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", started, absl::UTCTimeZone()),
                     R"("})"));
  }
  // MR of the lumbar spine, performed and reported; its time is for the study to say when it is InfinitePast.
  void PutExam(const std::string& tenant, const std::string& name, absl::Time performed, const std::string& status = "final", const std::string& patient = "") {
    const std::string accession = absl::StrCat(name, "-", year);
    Put(tenant, "DiagnosticReport/" + accession,
        absl::StrCat(R"({"resourceType":"DiagnosticReport","id":")", accession,
                     R"(","identifier":[{"type":{"coding":[{"system":)"
                     R"("http://terminology.hl7.org/CodeSystem/v2-0203","code":"ACSN"}]},"system":"urn:accession:)",
                     tenant, R"(","value":")", accession, R"("}],"status":")", status,
                     R"(","code":{"coding":[{"system":"http://loinc.org","code":"30679-5"}]},"subject":{"reference":"Patient/)",
                     patient.empty() ? PatientName() : patient,
                     R"("})",
                     performed == absl::InfinitePast()
                         ? "}"
                         : absl::StrCat(R"(,"effectiveDateTime":")",
                                        absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", performed, absl::UTCTimeZone()), R"("})")));
  }

  void DeleteExam(const std::string& tenant, const std::string& name) {
    exchange::TransactionEntry entry;
    entry.method = exchange::TransactionEntry::Method::kDelete;
    entry.type = "DiagnosticReport";
    entry.resource_path = entry.type;
    entry.id = absl::StrCat(name, "-", year);
    exchange::FhirWriter writer(*sealer, keys->client(), {});
    const auto stored = writer.Apply({.partition = &At(tenant),
                                      .client = "spiffe://custodian.example/tenant/x/fhir/test",
                                      .base_url = "https://localhost/fhir/x",
                                      .idempotency_key = "",
                                      .content = entry.id,
                                      .entries = {entry}});
    if (const auto* refusal = std::get_if<exchange::Refusal>(&stored)) FAIL() << refusal->status << " " << refusal->issues.at(0).diagnostics;
  }

  // What the exchange writes for an acceptance at `tenant` of a prior (PutExam's name) at `source`, or for its withdrawal. Returns the avoidance
  // id.
  std::string Accept(const std::string& tenant, const std::string& source, const std::string& card, const std::string& prior = "") {
    exchange::Fact fact{.kind = exchange::Fact::Kind::kAcceptance,
                        .card_id = card,
                        .order = "urn:orders|" + card,
                        .class_id = "mr-lumbar-wo",
                        .modality = "MR",
                        .laterality = "",
                        .source_tenant = source,
                        .source_resource = prior.empty() ? "" : absl::StrCat("DiagnosticReport/", prior, "-", year),
                        .t = clock.Now(),
                        .avoidance_id = HexEncode(RandomBytes(16))};
    WriteFact(tenant, fact, ledger::v1::KIND_CARD_ACCEPTED);
    return fact.avoidance_id;
  }
  void Withdraw(const std::string& tenant, const std::string& card) {
    exchange::Fact fact;
    fact.kind = exchange::Fact::Kind::kWithdrawal;
    fact.card_id = card;
    fact.t = clock.Now();
    WriteFact(tenant, fact, ledger::v1::KIND_CARD_OVERRIDDEN);
  }
  void WriteFact(const std::string& tenant, const exchange::Fact& fact, ledger::v1::Kind kind) {
    tenants::Partition& partition = At(tenant);
    const std::string id = RandomBytes(16);
    const auto sealed = sealer->Seal({.tenant = partition.tenant.id, .patient = Patient(tenant), .record = id, .version = 1},
                                     exchange::SerializeFact(fact), "test");
    ASSERT_TRUE(sealed.ok()) << sealed.status();
    tenants::Write write;
    write.idempotency_key = RandomBytes(32);
    write.request_digest = RandomBytes(32);
    write.entries.emplace_back().set_kind(kind);
    write.rows.push_back({&exchange::kFactTable,
                          {tenants::Bytes{id}, tenants::Bytes{Patient(tenant).bytes()}, tenants::Bytes{sealed->ciphertext},
                           tenants::CommitTime{}, tenants::IndexOf{0}}});
    write.rows.push_back(tenants::OutboxRow("savings", Patient(tenant)));
    const auto admitted = partition.writer->Apply(std::move(write));
    ASSERT_TRUE(admitted.ok()) << admitted.status();
  }

  // What FeedService writes.
  void Feed(const std::string& tenant, bool gap, absl::Time from, absl::Time through) {
    static const tenants::Table table{
        "savings.feed",
        {{"kind", "text"}, {"from_ms", "bigint"}, {"through_ms", "bigint"}, {"arrived_ms", "bigint"}, {"entry_index", "bigint"}}};
    tenants::Write write;
    write.idempotency_key = RandomBytes(32);
    write.request_digest = RandomBytes(32);
    ledger::v1::Entry& entry = write.entries.emplace_back();
    entry.set_kind(gap ? ledger::v1::KIND_FEED_GAP : ledger::v1::KIND_WATERMARK);
    if (gap) {
      entry.mutable_feed_gap()->mutable_from()->set_seconds(absl::ToUnixSeconds(from));
      entry.mutable_feed_gap()->mutable_to()->set_seconds(absl::ToUnixSeconds(through));
    } else {
      entry.mutable_watermark()->mutable_through()->set_seconds(absl::ToUnixSeconds(through));
    }
    write.rows.push_back({&table,
                          {std::string(gap ? "gap" : "watermark"), absl::ToUnixMillis(from), absl::ToUnixMillis(through),
                           tenants::CommitTime{}, tenants::IndexOf{0}}});
    write.rows.push_back(tenants::OutboxRow("savings-feed", PatientId()));
    const auto admitted = At(tenant).writer->Apply(std::move(write));
    ASSERT_TRUE(admitted.ok()) << admitted.status();
  }
  void AdvanceAllFeeds() {
    for (const char* name : kNames) Feed(name, false, clock.Now(), clock.Now());
  }

  // "KIND side cents exams [aggregate]" of every Money entry of a log since Begin(), in order.
  std::vector<std::string> MoneyOf(const std::string& tenant) {
    tenants::Partition& partition = At(tenant);
    std::vector<std::string> lines;
    const std::uint64_t begin = log_begin_[tenant];
    if (partition.writer->size() == begin) return lines;
    const auto leaves = partition.log->Leaves(begin, partition.writer->size() - begin);
    EXPECT_TRUE(leaves.ok()) << leaves.status();
    for (const std::string& bytes : *leaves) {
      const auto leaf = ledger::ParseLeaf(bytes);
      EXPECT_TRUE(leaf.ok()) << leaf.status();
      if (!leaf->entry.has_money()) continue;
      const auto& money = leaf->entry.money();
      lines.push_back(absl::StrCat(ledger::v1::Kind_Name(leaf->entry.kind()).substr(5), " ",
                                   money.side() == ledger::v1::SIDE_ORDERING ? "ordering" : "source", " ", money.cents(), " ",
                                   money.exams(), money.aggregate() ? " aggregate" : ""));
    }
    return lines;
  }

  // "gross/pending/confirmed/reversed/censored" exams of the total, in the network's view or a tenant's.
  std::string Exams(const std::string& tenant = "", std::optional<absl::Time> as_of = std::nullopt) {
    const auto report = reporter->Make(as_of, tenant);
    if (!report.ok()) return report.status().ToString();
    const Figures& total = report->total;
    return absl::StrCat(total.gross.exams, "/", total.pending.exams, "/", total.confirmed.exams, "/", total.reversed.exams, "/",
                        total.censored.exams);
  }

  // What AuditFigures() finds at this moment, a line each.
  std::string Audit() {
    const auto set = network->Sql(absl::StrCat("INSERT INTO network.clock (now_ms) VALUES (", absl::ToUnixMillis(clock.Now()),
                                               ") ON CONFLICT (only_row) DO UPDATE SET now_ms = EXCLUDED.now_ms"));
    EXPECT_TRUE(set.ok()) << set.status();
    const auto findings = AuditFigures(network->database(), /*simulated_time=*/true, "governance");
    if (!findings.ok()) return findings.status().ToString();
    std::string text;
    for (const ledger::Finding& finding : *findings)
      absl::StrAppend(&text, finding.origin, " ", finding.position, ": ", finding.message, "\n");
    return text;
  }

  static absl::StatusOr<std::string> Table(std::string_view name) {
    if (name == "code-map" || name == "order-reasons") return absl::NotFoundError("none");
    if (name == "prices") return std::string("class_id,valid_from,cents\nmr-lumbar-wo,2020-01-01,18827\n");
    std::ifstream file("services/exchange/exams.csv");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  // Of tenants (by id) that set an exam table of their own.
  std::map<std::string, std::string, std::less<>> own_exams;
  testing::FakeClock clock;
  std::unique_ptr<testing::KeyProcess> keys;
  std::unique_ptr<testing::TestDatabase> network;
  std::unique_ptr<keys::Sealer> sealer;
  tenants::Partitions partitions;
  std::unique_ptr<tenants::Registry> registry;
  std::unique_ptr<exchange::Locator> locator;
  std::unique_ptr<exchange::PatientRecords> records;
  std::unique_ptr<exchange::ExamTables> exam_tables;
  std::unique_ptr<Evaluator> evaluator;
  std::unique_ptr<Reporter> reporter;

 private:
  void AddTenant(const std::string& name) {
    auto partition = std::make_unique<tenants::Partition>();
    tenants::Tenant& tenant = partition->tenant;
    tenant.id = TenantId::Random();
    tenant.name = name;
    tenant.origin = "custodian.example/p/" + tenant.id.text();
    tenant.time_zone = "America/Chicago";
    tenant.accession_system = "urn:accession:" + name;
    ASSERT_TRUE(keys->AddTenant(tenant.id, tenant.origin).ok());
    auto database = testing::TestDatabase::Create("tenant", tenant.id.text());
    ASSERT_TRUE(database.ok()) << database.status();
    partition->database = std::make_unique<tenants::Database>((*database)->login(), 8);
    databases_.emplace(name, *std::move(database));
    auto writer = tenants::PartitionWriter::Create({.origin = tenant.origin, .author = kAuthor}, *partition->database, *signer_,
                                                   roster_, clock);
    ASSERT_TRUE(writer.ok()) << writer.status();
    partition->writer = *std::move(writer);
    partition->log = std::make_unique<tenants::LogReader>(tenant.origin, *partition->database);
    partition->outbox = std::make_unique<tenants::Outbox>(*partition->database);
    threads_.emplace_back([running = partition->writer.get()] { running->Run(); });
    const auto inserted = network->Sql(absl::StrCat(
        "INSERT INTO registry.tenant (tenant_id, name, display_name, cell, database, key_database, origin, log_vkey, time_zone, "
        "organization_system, organization_value, accession_system, cds_issuer, cds_tenant, cds_jwks) VALUES ('",
        tenant.id.text(), "', '", name, "', '", name, "', 'main', 't_", name, "', 'k_", name, "', '", tenant.origin,
        "', 'vkey', '", tenant.time_zone, "', 'urn:organizations', '", name, "', '", tenant.accession_system, "', '', '', '')"));
    ASSERT_TRUE(inserted.ok()) << inserted.status();
    partitions.Add(std::move(partition));
  }

  MachineClock machine_clock_;
  std::unique_ptr<ledger::Signer> signer_;
  testing::FixedRoster roster_;
  std::map<std::string, std::unique_ptr<testing::TestDatabase>> databases_;
  std::map<std::string, std::uint64_t> log_begin_;
  std::vector<std::thread> threads_;
};

}  // namespace custodian::savings

#endif  // CUSTODIAN_SERVICES_SAVINGS_TEST_NETWORK_H_
