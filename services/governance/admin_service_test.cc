// An operator's calls over real gRPC, PostgreSQL and a real key process.
#include "services/governance/admin_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "absl/strings/str_cat.h"
#include "ledger/checkpoint.h"
#include "services/rpc/grpc_client.h"
#include "services/rpc/grpc_server.h"
#include "tenants/log_reader.h"
#include "tenants/partition_writer.h"
#include "tests/support/fake_clock.h"
#include "tests/support/keys/key_process.h"
#include "tests/support/postgres.h"
#include "tests/support/test_certificates.h"

namespace custodian::governance {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kNetwork[] = "custodian.example";
constexpr char kOrigin[] = "custodian.example/p/0000000000000001";
constexpr char kServe[] = "spiffe://custodian.example/custodian/serve";
constexpr char kOperator[] = "spiffe://custodian.example/operator/one";
constexpr char kFeed[] = "spiffe://custodian.example/tenant/00000000000000aa/feed/lab";
constexpr char kNode[] = "spiffe://custodian.example/tenant/00000000000000aa/node/one";

template <typename T>
T Value(absl::StatusOr<T> value) {
  if (!value.ok()) throw std::runtime_error(value.status().ToString());
  return *std::move(value);
}

void Require(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

std::unique_ptr<ledger::Signer> NewSigner() {
  return Value(ledger::SignerFromPem(Value(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519))));
}

class AdminServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    keys_ = Value(custodian::testing::KeyProcess::Create());
    postgres_ = Value(custodian::testing::TestDatabase::Create("network", "network"));
    reader_ = std::make_unique<tenants::LogReader>(kOrigin, postgres_->database());
    governance_ = Value(GovernanceLog::Create(kOrigin, kServe, signer_->public_key(), *reader_));
    writer_ = Value(tenants::PartitionWriter::Create({.origin = kOrigin, .author = kServe, .anchors = false}, postgres_->database(), *signer_,
                                                     *governance_, clock_));
    governance_->Bind(*writer_);
    thread_ = std::thread([this] { writer_->Run(); });
    Require(governance_->Bootstrap());
    registry_ = std::make_unique<tenants::Registry>(postgres_->database());
    Require(registry_->Load());
    network_clock_ = Value(tenants::NetworkClock::Create(postgres_->database(), /*simulated=*/true));
    service_ = std::make_unique<AdminService>(guard_, keys_->client(), *governance_, *registry_, *network_clock_, Actions());
    const auto files = certificates_.IssueServer();
    server_ = Value(rpc::GrpcServer::Create(
        {.certificate_file = files.certificate, .key_file = files.key, .client_ca_file = certificates_.ca_file()}, {service_->grpc()}));
    admin_ = Client(kOperator);
  }
  void TearDown() override {
    if (server_ != nullptr) server_->Stop();
    if (writer_ != nullptr) writer_->Stop();
    if (thread_.joinable()) thread_.join();
  }

  AdminActions Actions() {
    return {.start_partition =
                [this](const tenants::Tenant& tenant) {
                  if (start_fails_) return absl::UnavailableError("not yet");
                  started_.push_back(tenant.name);
                  return absl::OkStatus();
                },
            .validate_table =
                [](std::string_view name, std::string_view, std::string_view content) {
                  return name == "other" || content == "bad" ? absl::InvalidArgumentError("line 1, column 1: bad") : absl::OkStatus();
                },
            .validate_jwks = [](std::string_view jwks) { return jwks == "bad" ? absl::InvalidArgumentError("no JWK set") : absl::OkStatus(); },
            .validate_access =
                [](const ledger::v1::ClientAccess& access) {
                  return access.jwks() == "bad" ? absl::InvalidArgumentError("jwks: bad") : absl::OkStatus();
                },
            .table_changed =
                [this](std::string_view name, std::string_view) {
                  changed_.emplace_back(name);
                  return absl::OkStatus();
                },
            .time_moved =
                [this](absl::Time now) {
                  moved_to_ = now;
                  return absl::OkStatus();
                },
            .savings = [](absl::Time as_of, std::string_view, bool) -> absl::StatusOr<std::string> { return absl::StrCat(absl::ToUnixMillis(as_of)); },
            .status = []() -> absl::StatusOr<std::string> { return std::string("{}"); },
            .dashboard_link = [](std::string_view actor) -> absl::StatusOr<std::string> { return "https://x/" + std::string(actor); }};
  }

  std::unique_ptr<rpc::AdminClient> Client(const std::string& spiffe_id) {
    const auto files = certificates_.IssueClient({spiffe_id});
    return Value(rpc::AdminClient::Create({absl::StrCat("127.0.0.1:", server_->port()), certificates_.ca_file(), files.certificate, files.key,
                                           absl::Seconds(30)}));
  }

  tenants::Tenant Lakeside() {
    const TenantId id = TenantId::Parse("00000000000000aa").value();
    if (key_database_.empty()) {
      Value(keys_->AddTenant(id, OriginOf(kNetwork, id)));
      key_database_ = keys_->key_database(id).login().database;
    }
    return {.id = id,
            .name = "lakeside",
            .display_name = "Lakeside Health",
            .cell = "test",
            .database = "t_00000000000000aa",
            .key_database = key_database_,
            .origin = {},
            .log_vkey = {},
            .time_zone = "America/Chicago",
            .organization_system = "urn:npi",
            .organization_value = "1",
            .accession_system = "urn:lakeside:accession",
            .cds_issuer = "https://ehr.lakeside.example",
            .cds_tenant = "lakeside",
            .cds_jwks = "{}"};
  }
  void AdmitLakeside() { Require(admin_->AdmitTenant(Lakeside()).status()); }

  custodian::testing::TestCertificates certificates_;
  custodian::testing::FakeClock clock_;
  std::unique_ptr<ledger::Signer> signer_ = NewSigner();
  std::unique_ptr<custodian::testing::KeyProcess> keys_;
  std::string key_database_;
  std::unique_ptr<custodian::testing::TestDatabase> postgres_;
  std::unique_ptr<tenants::LogReader> reader_;
  std::unique_ptr<GovernanceLog> governance_;
  std::unique_ptr<tenants::PartitionWriter> writer_;
  std::thread thread_;
  std::unique_ptr<tenants::Registry> registry_;
  std::unique_ptr<tenants::NetworkClock> network_clock_;
  bool start_fails_ = false;
  std::vector<std::string> started_;
  std::vector<std::string> changed_;
  absl::Time moved_to_;
  rpc::CallGuard guard_{kNetwork, [this](std::string_view id) -> std::optional<tenants::Client> {
                          if (id == kOperator) return tenants::Client{kOperator, {}, "operator", ""};
                          return registry_->FindClient(id);
                        }};
  std::unique_ptr<AdminService> service_;
  std::unique_ptr<rpc::GrpcServer> server_;
  std::unique_ptr<rpc::AdminClient> admin_;
};

TEST_F(AdminServiceTest, AdmittedTenantHasKeysEntryRowAndPartition) {
  const auto admission = admin_->AdmitTenant(Lakeside());
  ASSERT_TRUE(admission.ok()) << admission.status();
  EXPECT_EQ(admission->origin, OriginOf(kNetwork, TenantId::Parse("00000000000000aa").value()));
  const auto key = ledger::NoteVerifier::Parse(admission->log_vkey);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->name(), admission->origin);
  EXPECT_EQ(registry_->FindByName("lakeside")->log_vkey, admission->log_vkey);
  EXPECT_EQ(governance_->AdmittedTenants().size(), 1u);
  EXPECT_THAT(started_, ElementsAre("lakeside"));

  const auto again = admin_->AdmitTenant(Lakeside());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->governance_index, admission->governance_index);
  EXPECT_EQ(again->log_vkey, admission->log_vkey);
}

TEST_F(AdminServiceTest, AdmissionThatFailedHalfwayIsFinishedBySendingItAgain) {
  start_fails_ = true;
  EXPECT_EQ(admin_->AdmitTenant(Lakeside()).status().code(), absl::StatusCode::kUnavailable);
  start_fails_ = false;
  ASSERT_TRUE(admin_->AdmitTenant(Lakeside()).ok());
  EXPECT_EQ(governance_->AdmittedTenants().size(), 1u);
  EXPECT_THAT(started_, ElementsAre("lakeside"));
}

TEST_F(AdminServiceTest, BadTenantIsRefusedByFieldAndNothingIsMade) {
  const auto refused = [this](auto change, const char* field) {
    tenants::Tenant tenant = Lakeside();
    change(tenant);
    const absl::Status status = admin_->AdmitTenant(tenant).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << field;
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  };
  refused([](tenants::Tenant& tenant) { tenant.id = {}; }, "tenant_id");
  refused([](tenants::Tenant& tenant) { tenant.name = "Lakeside"; }, "name");
  refused([](tenants::Tenant& tenant) { tenant.time_zone = "Mars/Olympus"; }, "time_zone");
  refused([](tenants::Tenant& tenant) { tenant.database = ""; }, "database");
  refused([](tenants::Tenant& tenant) { tenant.organization_value = ""; }, "organization_value");
  refused([](tenants::Tenant& tenant) { tenant.cds_jwks = ""; }, "cds_issuer");
  refused([](tenants::Tenant& tenant) { tenant.cds_jwks = "bad"; }, "JWK");
  EXPECT_TRUE(governance_->AdmittedTenants().empty());
  EXPECT_TRUE(started_.empty());
}

TEST_F(AdminServiceTest, OnlyOperatorsAreServed) {
  AdmitLakeside();
  ASSERT_TRUE(admin_->RegisterClient({kFeed, TenantId::Parse("00000000000000aa").value(), "feed", ""}).ok());
  for (const char* other : {kFeed, "spiffe://custodian.example/operator/unknown", "spiffe://custodian.example/regulator/state"}) {
    auto client = Client(other);
    EXPECT_EQ(client->Status().status().code(), absl::StatusCode::kPermissionDenied) << other;
    EXPECT_EQ(client->SetTime(absl::Now()).status().code(), absl::StatusCode::kPermissionDenied) << other;
    EXPECT_EQ(client->DashboardLink().status().code(), absl::StatusCode::kPermissionDenied) << other;
    EXPECT_EQ(client->AdmitTenant(Lakeside()).status().code(), absl::StatusCode::kPermissionDenied) << other;
  }
}

TEST_F(AdminServiceTest, ClientIsRegisteredAsItsCertificateNamesIt) {
  AdmitLakeside();
  const TenantId lakeside = TenantId::Parse("00000000000000aa").value();
  const std::string fhir = "spiffe://custodian.example/tenant/00000000000000aa/fhir/ehr";
  ASSERT_TRUE(admin_->RegisterClient({kFeed, lakeside, "feed", ""}).ok());
  ASSERT_TRUE(admin_->RegisterClient({kFeed, lakeside, "feed", ""}).ok());
  ASSERT_TRUE(admin_->RegisterClient({fhir, lakeside, "fhir", "TREAT"}).ok());
  EXPECT_EQ(registry_->FindClient(fhir)->purpose, "TREAT");
  const std::vector<tenants::Client> bad = {
      {kFeed, lakeside, "operator", ""},
      {kFeed, {}, "feed", ""},
      {kFeed, lakeside, "feed", "TREAT"},
      {"spiffe://custodian.example/tenant/00000000000000aa/fhir/other", lakeside, "fhir", ""},
      {"spiffe://elsewhere.example/tenant/00000000000000aa/feed/lab", lakeside, "feed", ""},
      {kServe, {}, "custodian", ""},
      {"nonsense", lakeside, "feed", ""},
  };
  for (const tenants::Client& client : bad) {
    EXPECT_EQ(admin_->RegisterClient(client).code(), absl::StatusCode::kInvalidArgument) << client.spiffe_id << client.role;
  }
  const TenantId unknown = TenantId::Parse("00000000000000bb").value();
  EXPECT_EQ(admin_->RegisterClient({"spiffe://custodian.example/tenant/00000000000000bb/feed/lab", unknown, "feed", ""}).code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(admin_->RegisterClient({fhir, lakeside, "fhir", "HRESCH"}).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(AdminServiceTest, ClientsKeysAreOnTheLogReplacedAndRemoved) {
  AdmitLakeside();
  const TenantId tenant = Lakeside().id;
  const std::string id = "spiffe://custodian.example/tenant/00000000000000aa/fhir/ehr";
  const tenants::Client client{id, tenant, "fhir", "TREAT"};
  ASSERT_TRUE(admin_->RegisterClient(client, {"{}", "", "system/*.rs", {}}).ok());
  const auto first = governance_->FindClientAccess(id);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->access.scopes(), "system/*.rs");
  // Sent again: nothing new. Other keys: a newer entry. Without keys: they stay.
  ASSERT_TRUE(admin_->RegisterClient(client, {"{}", "", "system/*.rs", {}}).ok());
  EXPECT_EQ(governance_->FindClientAccess(id)->index, first->index);
  ASSERT_TRUE(admin_->RegisterClient(client, {"", "https://keys.example/", "system/*.r", {}}).ok());
  EXPECT_GT(governance_->FindClientAccess(id)->index, first->index);
  ASSERT_TRUE(admin_->RegisterClient(client).ok());
  EXPECT_EQ(governance_->FindClientAccess(id)->access.jwks_url(), "https://keys.example/");

  ASSERT_TRUE(admin_->RemoveClient(id).ok());
  EXPECT_TRUE(governance_->FindClientAccess(id)->access.removed());
  auto listed = admin_->ListClients(tenant.text());
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_TRUE(listed->front().removed);
  // It comes back with what it is given then, and without the keys it had.
  ASSERT_TRUE(admin_->RegisterClient(client).ok());
  EXPECT_FALSE(governance_->FindClientAccess(id)->access.removed());
  EXPECT_EQ(governance_->FindClientAccess(id)->access.jwks_url(), "");
  EXPECT_EQ(admin_->RemoveClient("spiffe://custodian.example/operator/nobody").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(AdminServiceTest, KeysAndScopesGoWithTheirRole) {
  AdmitLakeside();
  const TenantId tenant = Lakeside().id;
  const std::string base = "spiffe://custodian.example/tenant/00000000000000aa/";
  const auto why = [&](const tenants::Client& client, const rpc::AdminClient::ClientAccess& access) {
    const absl::Status status = admin_->RegisterClient(client, access);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  const tenants::Client fhir{base + "fhir/ehr", tenant, "fhir", "TREAT"};
  EXPECT_THAT(why(fhir, {"{}", "", "", {}}), HasSubstr("scopes"));
  EXPECT_THAT(why(fhir, {"", "", "system/*.rs", {}}), HasSubstr("scopes"));
  EXPECT_THAT(why(fhir, {"{}", "https://x", "system/*.rs", {}}), HasSubstr("jwks_url"));
  EXPECT_THAT(why(fhir, {"bad", "", "system/*.rs", {}}), HasSubstr("jwks: bad"));
  EXPECT_THAT(why(fhir, {"{}", "", "system/*.rs", {"https://x"}}), HasSubstr("fhir_servers"));
  EXPECT_THAT(why({base + "feed/lab", tenant, "feed", ""}, {"{}", "", "system/*.rs", {}}), HasSubstr("jwks"));
  EXPECT_THAT(why({base + "cds/ehr", tenant, "cds", ""}, {"{}", "", "system/*.rs", {}}), HasSubstr("scopes"));
  EXPECT_THAT(why({base + "cds/second", tenant, "cds", ""}, {"{}", "", "", {}}), HasSubstr("one CDS client"));
  EXPECT_TRUE(registry_->Clients().empty());
  EXPECT_TRUE(admin_->RegisterClient({base + "cds/ehr", tenant, "cds", ""}, {"{}", "", "", {"https://x"}}).ok());
}

TEST_F(AdminServiceTest, TenantsAuthorWritesToItsOwnLogOnly) {
  AdmitLakeside();
  const auto key = NewSigner();
  const std::string origin = registry_->FindByName("lakeside")->origin;
  const rpc::AdminClient::Author author{kNode, key->public_key().der(), {origin}, {"KIND_CONSENT_SET"}, false};
  ASSERT_TRUE(admin_->EnrollAuthor(author).ok());
  EXPECT_TRUE(governance_->MayWrite(kNode, key->public_key().key_id(), origin, ledger::v1::KIND_CONSENT_SET).ok());
  const auto refused = [&](auto change) {
    rpc::AdminClient::Author bad = author;
    change(bad);
    EXPECT_EQ(admin_->EnrollAuthor(bad).status().code(), absl::StatusCode::kInvalidArgument);
  };
  refused([](auto& bad) { bad.origins = {}; });
  refused([](auto& bad) { bad.origins = {kOrigin}; });
  refused([](auto& bad) { bad.origins.push_back(kOrigin); });
  refused([](auto& bad) { bad.kinds = {}; });
  refused([](auto& bad) { bad.kinds = {"KIND_UNSPECIFIED"}; });
  refused([](auto& bad) { bad.kinds = {"FEED_GAP"}; });
  refused([](auto& bad) { bad.name = "spiffe://elsewhere.example/custodian/serve"; });
  refused([](auto& bad) { bad.public_key = "nonsense"; });
}

TEST_F(AdminServiceTest, TenantsAuthorSignsNoKindThatSpeaksForTheCustodian) {
  AdmitLakeside();
  const auto key = NewSigner();
  rpc::AdminClient::Author author{kNode, key->public_key().der(), {registry_->FindByName("lakeside")->origin}, {}, false};
  for (const char* kind :
       {"KIND_AVOIDANCE_CONFIRMED", "KIND_AVOIDANCE_REVERSED", "KIND_AVOIDANCE_CENSORED", "KIND_SOURCE_CREDITED", "KIND_RECORD_STORED",
        "KIND_KEY_STORED", "KIND_WATERMARK", "KIND_FEED_GAP", "KIND_ANCHOR", "KIND_SUBJECT_MAP", "KIND_TENANT_ADMITTED", "KIND_ROSTER_CHANGED",
        "KIND_POLICY_SET", "KIND_TABLE_SET", "KIND_SUCCESSION", "KIND_CLIENT_REGISTERED"}) {
    author.kinds = {"KIND_CONSENT_SET", kind};
    const absl::Status refused = admin_->EnrollAuthor(author).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << kind;
    EXPECT_NE(refused.message().find(std::string("only the custodian writes ") + kind), std::string::npos) << refused;
  }
}

TEST_F(AdminServiceTest, TenantsAuthorSpeaksForTheTenantAndTheCustodianDoesNot) {
  AdmitLakeside();
  const auto key = NewSigner();
  const auto enrolled = admin_->EnrollAuthor(
      {kNode, key->public_key().der(), {registry_->FindByName("lakeside")->origin}, {"KIND_VOID", "KIND_COUNTERSIGNED", "KIND_DISPUTED"}, false});
  EXPECT_TRUE(enrolled.ok()) << enrolled.status();
}

TEST_F(AdminServiceTest, TableIsCheckedBeforeItIsRecorded) {
  AdmitLakeside();
  const auto size = writer_->size();
  EXPECT_EQ(admin_->SetTable({"prices", "", "bad", "source", "approver"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(admin_->SetTable({"other", "", "x", "source", "approver"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(admin_->SetTable({"prices", "", "x", "", "approver"}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(admin_->SetTable({"prices", "00000000000000bb", "x", "source", "approver"}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(writer_->size(), size);
  const auto index = admin_->SetTable({"prices", "00000000000000aa", "x,y", "source", "approver"});
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(governance_->CurrentTable(kPrices, "00000000000000aa").value(), "x,y");
  EXPECT_THAT(changed_, ElementsAre("prices"));
}

TEST_F(AdminServiceTest, PolicyMustParse) {
  EXPECT_EQ(admin_->SetPolicy("nonsense").status().code(), absl::StatusCode::kInvalidArgument);
  const auto key = Value(ledger::NoteVerifier::Create(kOrigin, ledger::kNoteEd25519, signer_->public_key().ed25519()));
  const std::string policy = absl::StrCat("log ", key.ToString(), "\nquorum none\n");
  const auto index = admin_->SetPolicy(policy);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(governance_->CurrentPolicy().value(), policy);
}

TEST_F(AdminServiceTest, TimeMovesForwardsAndIsAnnounced) {
  const absl::Time time = absl::FromUnixMillis(1'772'323'200'000);
  EXPECT_EQ(admin_->SetTime(time + absl::Microseconds(5)).value(), time);
  EXPECT_EQ(moved_to_, time);
  EXPECT_EQ(admin_->SetTime(time).value(), time);
  EXPECT_EQ(admin_->SetTime(time - absl::Milliseconds(1)).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(admin_->Savings().value(), absl::StrCat(absl::ToUnixMillis(time)));
  EXPECT_EQ(admin_->Savings(absl::FromUnixMillis(5)).value(), "5");
}

TEST_F(AdminServiceTest, StatusAndLinkAreAnswered) {
  EXPECT_EQ(admin_->Status().value(), "{}");
  EXPECT_EQ(admin_->DashboardLink().value(), absl::StrCat("https://x/", kOperator));
}

}  // namespace
}  // namespace custodian::governance
