// Two tenants and their FHIR service over real PostgreSQL and a real key process, for tests of this folder.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_TEST_WORLD_H_
#define CUSTODIAN_SERVICES_EXCHANGE_TEST_WORLD_H_

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "ledger/signature.h"
#include "services/exchange/corrections.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_service.h"
#include "services/exchange/fhir_validator.h"
#include "services/exchange/locator.h"
#include "services/exchange/patient_records.h"
#include "services/keys/sealer.h"
#include "tenants/partitions.h"
#include "tenants/registry.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fixed_roster.h"
#include "tests/support/keys/key_process.h"
#include "tests/support/postgres.h"

namespace custodian::exchange {

inline constexpr char kAuthor[] = "spiffe://custodian.example/custodian/serve";

class TestWorld {
 public:
  // Of FHIR refusals to other tenants; nobody waits for it here.
  static constexpr absl::Duration kTick = absl::Minutes(1);

  // "alpha" and "beta", ids 00000000000000aa and 00000000000000bb; each with a TREAT client "ehr".
  TestWorld() {
    auto started = testing::KeyProcess::Create();
    if (!started.ok()) ADD_FAILURE() << started.status();
    key_process_ = std::move(started).value();
    network_ = testing::TestDatabase::Create("network", "network").value();
    signer_ = ledger::SignerFromPem(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value()).value();
    roster_.Admit(kAuthor, signer_->public_key());
    sealer_ = std::make_unique<keys::Sealer>(key_process_->client(), machine_);
    AddTenant("alpha", "00000000000000aa");
    AddTenant("beta", "00000000000000bb");
    registry_ = std::make_unique<tenants::Registry>(network_->database());
    EXPECT_TRUE(registry_->Load().ok());
    locator_ = std::make_unique<Locator>(network_->database(), key_process_->client());
    records_ = std::make_unique<PatientRecords>(partitions_, *sealer_, machine_);
    corrections_ = std::make_unique<Corrections>("https://host", partitions_, *sealer_, *locator_, *records_, clock_);
    for (tenants::Partition* partition : partitions_.All()) {
      partition->outbox->Handle("locator", [this, id = partition->tenant.id](const PatientId& patient) {
        return RegisterPatient(*locator_, *records_, {id, patient}, [this](const PatientLink& changed) { return corrections_->AlertReaders(changed); });
      });
      partition->outbox->Handle("correction", [this, id = partition->tenant.id](const PatientId& patient) { return corrections_->AlertReaders({id, patient}); });
      partition->outbox->Handle("savings", [this](const PatientId&) {
        ++savings_runs_;
        return absl::OkStatus();
      });
    }
    FhirService::Options options = FhirOptions();
    options.tick = kTick;
    options.list_entries = [](std::string_view origin, std::string_view subject) -> absl::StatusOr<std::string> {
      return absl::StrCat("list of ", std::string(origin), " ", HexEncode(subject));
    };
    service_ = std::make_unique<FhirService>(options, parts());
  }
  ~TestWorld() {
    for (tenants::Partition* partition : partitions_.All()) partition->writer->Stop();
    for (std::thread& thread : threads_) thread.join();
  }

  static std::string ClientOf(const std::string& name) {
    const std::string id = name == "alpha" ? "00000000000000aa" : "00000000000000bb";
    return absl::StrCat("spiffe://custodian.example/tenant/", id, "/fhir/ehr");
  }
  // A request of the client "ehr" of `who` to the FHIR base of `tenant`; `target` is "Patient/x?y=z".
  rpc::HttpResponse Send(const std::string& who, const std::string& tenant, const std::string& method, const std::string& target,
                         const std::string& body = "", std::vector<std::pair<std::string, std::string>> headers = {}) {
    rpc::HttpRequest request;
    request.method = method;
    const auto question = target.find('?');
    request.path = absl::StrCat("/fhir/", partition(tenant).tenant.id.text(), "/", target.substr(0, question));
    if (question != std::string::npos) request.query = target.substr(question + 1);
    request.headers = std::move(headers);
    if (!body.empty()) request.headers.emplace_back("content-type", "application/fhir+json");
    request.body = body;
    request.peer_spiffe_id = who.empty() ? "" : ClientOf(who);
    return service_->Handle(request);
  }
  // The body of an answer that must have this status.
  static Json Body(const rpc::HttpResponse& response, int status) {
    EXPECT_EQ(response.status, status) << response.body;
    auto json = Json::Parse(response.body);
    EXPECT_TRUE(json.ok()) << json.status();
    if (!json.ok()) return Json();
    // Whatever we answer is itself good R4.
    for (const Issue& issue : ValidateResource(*json, json->TextOf("resourceType"))) ADD_FAILURE() << issue.diagnostics;
    return *std::move(json);
  }
  static std::string HeaderOf(const rpc::HttpResponse& response, std::string_view name) {
    for (const auto& [key, value] : response.headers) {
      if (key == name) return value;
    }
    return "";
  }
  // Location "https://host/fhir/<id>/Type/<id>/_history/1" → "Type/<id>".
  static std::string Stored(const rpc::HttpResponse& response) {
    std::string location = HeaderOf(response, "Location");
    location = location.substr(0, location.find("/_history/"));
    const auto slash = location.rfind('/', location.rfind('/') - 1);
    return location.substr(slash + 1);
  }

  ExchangeParts parts() { return parts(*sealer_, *records_); }
  ExchangeParts parts(keys::Sealer& sealer, const PatientRecords& records) {
    return {partitions_, *registry_, sealer, key_process_->client(), records, *locator_, clock_, "https://host"};
  }
  static FhirService::Options FhirOptions() {
    FhirService::Options options;
    options.patients_max = 20;
    options.entries_max = 2'000;
    options.body_bytes_max = 4u << 20;
    options.receipt_wait = absl::Milliseconds(100);
    options.receipt = [](std::string_view origin, std::uint64_t index) -> absl::StatusOr<std::string> {
      return absl::StrCat("receipt of ", std::string(origin), " ", index);
    };
    return options;
  }
  tenants::Partition& partition(const std::string& name) { return *partitions_.FindByName(name); }
  testing::TestDatabase& database(const std::string& name) { return *databases_[name == "alpha" ? 0 : 1]; }
  testing::TestDatabase& network() { return *network_; }
  testing::FakeClock& clock() { return clock_; }
  testing::FakeClock& machine_clock() { return machine_; }
  tenants::Partitions& partitions() { return partitions_; }
  keys::Sealer& sealer() { return *sealer_; }
  FhirService& service() { return *service_; }
  PatientRecords& records() { return *records_; }
  Corrections& corrections() { return *corrections_; }
  Locator& locator() { return *locator_; }
  tenants::Registry& registry() { return *registry_; }
  testing::KeyProcess& key_process() { return *key_process_; }
  int savings_runs() const { return savings_runs_; }

 private:
  void AddTenant(const std::string& name, const std::string& id) {
    tenants::Tenant tenant;
    tenant.id = TenantId::Parse(id).value();
    tenant.name = name;
    tenant.display_name = name;
    tenant.origin = "custodian.example/p/" + id;
    tenant.time_zone = "America/Chicago";
    tenant.organization_system = "urn:org";
    tenant.organization_value = name;
    tenant.accession_system = "urn:accession:" + name;
    const auto key = key_process_->AddTenant(tenant.id, tenant.origin);
    EXPECT_TRUE(key.ok()) << key.status();
    const auto inserted = network_->Sql(absl::StrCat(
        "INSERT INTO registry.tenant VALUES ('", id, "', '", name, "', '", name, "', 'cell', 'd", name, "', 'k", name, "', '", tenant.origin,
        "', 'vkey', '", tenant.time_zone, "', 'urn:org', '", name, "', '", tenant.accession_system, "', 'https://ehr.", name, "', '", name,
        "', '{}'); INSERT INTO registry.client VALUES ('", ClientOf(name), "', '", id, "', 'fhir', 'TREAT')"));
    EXPECT_TRUE(inserted.ok()) << inserted.status();
    databases_.push_back(testing::TestDatabase::Create("tenant", id).value());
    auto partition = std::make_unique<tenants::Partition>();
    partition->tenant = tenant;
    partition->database = std::make_unique<tenants::Database>(databases_.back()->login(), 4);
    tenants::PartitionWriter::Options options;
    options.origin = tenant.origin;
    options.author = kAuthor;
    partition->writer = tenants::PartitionWriter::Create(options, *partition->database, *signer_, roster_, clock_).value();
    partition->outbox = std::make_unique<tenants::Outbox>(*partition->database);
    partition->log = std::make_unique<tenants::LogReader>(tenant.origin, *partition->database);
    threads_.emplace_back([writer = partition->writer.get()] { writer->Run(); });
    partitions_.Add(std::move(partition));
  }

  testing::FakeClock clock_;
  testing::FakeClock machine_;
  testing::FixedRoster roster_;
  std::unique_ptr<testing::KeyProcess> key_process_;
  std::unique_ptr<testing::TestDatabase> network_;
  std::vector<std::unique_ptr<testing::TestDatabase>> databases_;
  std::unique_ptr<ledger::Signer> signer_;
  std::unique_ptr<keys::Sealer> sealer_;
  tenants::Partitions partitions_;
  std::unique_ptr<tenants::Registry> registry_;
  std::unique_ptr<Locator> locator_;
  std::unique_ptr<PatientRecords> records_;
  std::unique_ptr<Corrections> corrections_;
  std::unique_ptr<FhirService> service_;
  std::vector<std::thread> threads_;
  int savings_runs_ = 0;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_TEST_WORLD_H_
