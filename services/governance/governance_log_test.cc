#include "services/governance/governance_log.h"

#include <thread>

#include "gtest/gtest.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "tests/support/fake_clock.h"
#include "tests/support/postgres.h"
#include "tests/support/written_log.h"

namespace custodian::governance {
namespace {

using tenants::Tenant;

constexpr const char* kOrigin = "custodian.example/p/0000000000000001";
constexpr const char* kAuthor = "spiffe://custodian.example/custodian/serve";
constexpr const char* kNode = "spiffe://custodian.example/tenant/00000000000000aa/node/one";

std::unique_ptr<ledger::Signer> NewSigner() {
  const auto pem = ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519);
  EXPECT_TRUE(pem.ok()) << pem.status();
  auto signer = ledger::SignerFromPem(*pem);
  EXPECT_TRUE(signer.ok()) << signer.status();
  return *std::move(signer);
}

Tenant Lakeside() {
  const std::string origin = "custodian.example/p/00000000000000aa";
  const auto key = ledger::NoteVerifier::Create(origin, ledger::kNoteEd25519, NewSigner()->public_key().ed25519());
  EXPECT_TRUE(key.ok()) << key.status();
  return Tenant{.id = *TenantId::Parse("00000000000000aa"),
                .name = "lakeside",
                .display_name = "Lakeside Health",
                .cell = "one",
                .database = "t_00000000000000aa",
                .key_database = "k_00000000000000aa",
                .origin = origin,
                .log_vkey = key->ToString(),
                .time_zone = "America/Chicago",
                .organization_system = "urn:npi",
                .organization_value = "1",
                .accession_system = "urn:lakeside:accession",
                .cds_issuer = "https://ehr.lakeside.example",
                .cds_tenant = "",
                .cds_jwks = "{}"};
}

class GovernanceLogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto postgres = testing::TestDatabase::Create("network", "network");
    ASSERT_TRUE(postgres.ok()) << postgres.status();
    postgres_ = *std::move(postgres);
    reader_ = std::make_unique<tenants::LogReader>(kOrigin, postgres_->database());
    signer_ = NewSigner();
    Start();
    const absl::Status status = governance_->Bootstrap();
    ASSERT_TRUE(status.ok()) << status;
  }
  void TearDown() override { Stop(); }

  // As at the start of the process.
  void Start() {
    Stop();
    auto governance = GovernanceLog::Create(kOrigin, kAuthor, signer_->public_key(), *reader_);
    ASSERT_TRUE(governance.ok()) << governance.status();
    governance_ = *std::move(governance);
    auto writer = tenants::PartitionWriter::Create({.origin = kOrigin, .author = kAuthor, .anchors = false}, postgres_->database(),
                                                   *signer_, *governance_, clock_);
    ASSERT_TRUE(writer.ok()) << writer.status();
    writer_ = *std::move(writer);
    governance_->Bind(*writer_);
    thread_ = std::thread([this] { writer_->Run(); });
  }
  void Stop() {
    if (writer_ != nullptr) writer_->Stop();
    if (thread_.joinable()) thread_.join();
  }

  std::unique_ptr<testing::TestDatabase> postgres_;
  std::unique_ptr<tenants::LogReader> reader_;
  std::unique_ptr<ledger::Signer> signer_;
  testing::FakeClock clock_;
  std::unique_ptr<GovernanceLog> governance_;
  std::unique_ptr<tenants::PartitionWriter> writer_;
  std::thread thread_;
};

TEST_F(GovernanceLogTest, FirstEntryEnrolsTheCustodianUnderItsOwnSignature) {
  const auto leaves = reader_->Leaves(0, 1);
  ASSERT_TRUE(leaves.ok()) << leaves.status();
  const auto leaf = ledger::ParseLeaf(leaves->front());
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  EXPECT_EQ(leaf->entry.roster_changed().author(), kAuthor);
  EXPECT_TRUE(ledger::VerifyLeafSignature(kOrigin, leaf->signed_entry, signer_->public_key()).ok());
  const auto& id = signer_->public_key().key_id();
  EXPECT_TRUE(governance_->MayWrite(kAuthor, id, "any/log", ledger::v1::KIND_ANCHOR).ok());
  EXPECT_TRUE(governance_->Bootstrap().ok());
  EXPECT_EQ(writer_->size(), 1u);
  const auto head = reader_->Head();
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(governance_->Position(), std::pair(head->size, head->root));
}

TEST_F(GovernanceLogTest, OtherAuthorKeyIsNotTheCustodian) {
  auto stranger = NewSigner();
  auto governance = GovernanceLog::Create(kOrigin, kAuthor, stranger->public_key(), *reader_);
  ASSERT_TRUE(governance.ok()) << governance.status();
  EXPECT_TRUE(absl::IsFailedPrecondition((*governance)->Bootstrap()));
}

TEST_F(GovernanceLogTest, AdmittedTenantIsInLogAndRegistry) {
  const auto index = governance_->AdmitTenant(Lakeside());
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(*index, 1u);
  tenants::Registry registry(postgres_->database());
  ASSERT_TRUE(registry.Load().ok());
  const auto found = registry.FindById("00000000000000aa");
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->name, "lakeside");
  EXPECT_EQ(found->time_zone, "America/Chicago");
  EXPECT_TRUE(registry.FindByOrganization("urn:npi", "1").has_value());
  EXPECT_TRUE(registry.FindByCdsIssuer("https://ehr.lakeside.example", "").has_value());
  EXPECT_FALSE(registry.FindByCdsIssuer("https://ehr.lakeside.example", "other").has_value());
  EXPECT_TRUE(registry.FindByAccessionSystem("urn:lakeside:accession").has_value());
  EXPECT_TRUE(registry.FindByOrigin(found->origin).has_value());
  ASSERT_EQ(governance_->AdmittedTenants().size(), 1u);
}

TEST_F(GovernanceLogTest, AdmissionAgainIsTheFirstAndOtherDataIsRefused) {
  const Tenant tenant = Lakeside();
  ASSERT_TRUE(governance_->AdmitTenant(tenant).ok());
  Start();
  EXPECT_EQ(*governance_->AdmitTenant(tenant), 1u);
  Tenant renamed = tenant;
  renamed.display_name = "Lakeside";
  EXPECT_TRUE(absl::IsAlreadyExists(governance_->AdmitTenant(renamed).status()));
  Tenant same_name = tenant;
  same_name.id = *TenantId::Parse("00000000000000bb");
  EXPECT_TRUE(absl::IsAlreadyExists(governance_->AdmitTenant(same_name).status()));
  Tenant no_zone = tenant;
  no_zone.time_zone = "Mars/Olympus";
  EXPECT_TRUE(absl::IsInvalidArgument(governance_->AdmitTenant(no_zone).status()));
  Tenant other_log = tenant;
  other_log.origin = "custodian.example/p/00000000000000cc";
  EXPECT_TRUE(absl::IsInvalidArgument(governance_->AdmitTenant(other_log).status()));
  EXPECT_EQ(writer_->size(), 2u);
}

TEST_F(GovernanceLogTest, EnrolmentGivesWhatItNamesAndNoMore) {
  const auto node = NewSigner();
  GovernanceLog::Author author{.author = kNode, .public_key = node->public_key().der(), .origins = {"a/log"},
                               .kinds = {ledger::v1::KIND_WATERMARK}, .revoked = false};
  const auto index = governance_->EnrollAuthor(author);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(*governance_->EnrollAuthor(author), *index);
  const auto& id = node->public_key().key_id();
  EXPECT_TRUE(governance_->MayWrite(kNode, id, "a/log", ledger::v1::KIND_WATERMARK).ok());
  EXPECT_FALSE(governance_->MayWrite(kNode, id, "b/log", ledger::v1::KIND_WATERMARK).ok());
  EXPECT_FALSE(governance_->MayWrite(kNode, id, "a/log", ledger::v1::KIND_FEED_GAP).ok());
  EXPECT_FALSE(governance_->MayWrite(kAuthor, id, "a/log", ledger::v1::KIND_WATERMARK).ok());
  EXPECT_TRUE(governance_->Key(id).ok());

  // Revoked, and enrolled again: three entries, though the last equals the first.
  GovernanceLog::Author revoked = author;
  revoked.revoked = true;
  ASSERT_TRUE(governance_->EnrollAuthor(revoked).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(governance_->MayWrite(kNode, id, "a/log", ledger::v1::KIND_WATERMARK)));
  const auto again = governance_->EnrollAuthor(author);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *index + 2);
  Start();
  EXPECT_TRUE(governance_->MayWrite(kNode, id, "a/log", ledger::v1::KIND_WATERMARK).ok());
}

TEST_F(GovernanceLogTest, NobodyElseWritesToTheGovernanceLog) {
  const auto node = NewSigner();
  ASSERT_TRUE(governance_->EnrollAuthor({.author = kNode, .public_key = node->public_key().der(), .origins = {},
                                         .kinds = {ledger::v1::KIND_ROSTER_CHANGED}, .revoked = false}).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(
      governance_->MayWrite(kNode, node->public_key().key_id(), kOrigin, ledger::v1::KIND_ROSTER_CHANGED)));
}

TEST_F(GovernanceLogTest, TablesAreTheNewestOfTheTenantElseOfTheNetwork) {
  const Tenant tenant = Lakeside();
  ASSERT_TRUE(governance_->AdmitTenant(tenant).ok());
  EXPECT_TRUE(absl::IsNotFound(governance_->CurrentTable(kPrices, "").status()));
  const auto set = [this](const std::string& tenant_id, const std::string& content) {
    return governance_->SetTable({.name = std::string(kPrices), .tenant_id = tenant_id, .content = content, .source = "s", .approved_by = "a"});
  };
  const auto first = set("", "one");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(*set("", "one"), *first);
  ASSERT_TRUE(set(tenant.id.text(), "theirs").ok());
  EXPECT_EQ(*governance_->CurrentTable(kPrices, ""), "one");
  EXPECT_EQ(*governance_->CurrentTable(kPrices, tenant.id.text()), "theirs");
  ASSERT_TRUE(set("", "two").ok());
  const auto back = set("", "one");
  ASSERT_TRUE(back.ok());
  EXPECT_GT(*back, *first);
  Start();
  // Exactly that table, and what an older entry set.
  EXPECT_EQ(governance_->FindTable(kPrices, tenant.id.text())->content, "theirs");
  EXPECT_EQ(governance_->FindTable(kPrices, "")->index, *back);
  EXPECT_FALSE(governance_->FindTable(kPrices, "00000000000000ff").has_value());
  EXPECT_EQ(governance_->TableAt(*first)->content(), "one");
  EXPECT_TRUE(absl::IsNotFound(governance_->TableAt(0).status()));
  EXPECT_TRUE(absl::IsNotFound(governance_->TableAt(1'000).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(governance_->SetTable({.name = "Exam classes", .tenant_id = "", .content = "x", .source = "s", .approved_by = "a"}).status()));
  EXPECT_EQ(*governance_->CurrentTable(kPrices, "00000000000000ff"), "one");
  EXPECT_EQ(*governance_->CurrentTable(kPrices, tenant.id.text()), "theirs");
  EXPECT_TRUE(absl::IsInvalidArgument(set("00000000000000ff", "x").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(set("", std::string(kTableBytesMax + 1, 'x')).status()));
}

TEST_F(GovernanceLogTest, ClientsAreRegisteredOnce) {
  ASSERT_TRUE(governance_->AdmitTenant(Lakeside()).ok());
  tenants::Client client{.spiffe_id = "spiffe://custodian.example/tenant/00000000000000aa/fhir/ehr",
                         .tenant = *TenantId::Parse("00000000000000aa"), .role = "fhir", .purpose = "TREAT"};
  ASSERT_TRUE(governance_->RegisterClient(client).ok());
  EXPECT_TRUE(governance_->RegisterClient(client).ok());
  const tenants::Client regulator{.spiffe_id = "spiffe://custodian.example/regulator/one", .tenant = {}, .role = "regulator", .purpose = ""};
  ASSERT_TRUE(governance_->RegisterClient(regulator).ok());
  tenants::Client other = client;
  other.purpose = "HRESCH";
  EXPECT_TRUE(absl::IsAlreadyExists(governance_->RegisterClient(other)));
  other.tenant = *TenantId::Parse("00000000000000ff");
  EXPECT_TRUE(absl::IsInvalidArgument(governance_->RegisterClient(other)));
  tenants::Registry registry(postgres_->database());
  ASSERT_TRUE(registry.Load().ok());
  EXPECT_EQ(registry.FindClient(client.spiffe_id)->purpose, "TREAT");
  EXPECT_EQ(registry.FindClient(regulator.spiffe_id)->role, "regulator");
  EXPECT_FALSE(registry.FindClient("spiffe://custodian.example/x").has_value());
}

TEST_F(GovernanceLogTest, PolicyIsParsedBeforeItIsSet) {
  EXPECT_TRUE(absl::IsInvalidArgument(governance_->SetPolicy("witness").status()));
  const auto key = ledger::NoteVerifier::Create("witness.example/one", ledger::kNoteCosignatureV1, NewSigner()->public_key().ed25519());
  ASSERT_TRUE(key.ok());
  const std::string policy = "log " + Lakeside().log_vkey + "\nwitness one " + key->ToString() + "\nquorum one\n";
  const auto index = governance_->SetPolicy(policy);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(*governance_->SetPolicy(policy), *index);
  EXPECT_EQ(*governance_->CurrentPolicy(), policy);
}

TEST_F(GovernanceLogTest, AlteredLogIsNotBelieved) {
  ASSERT_TRUE(governance_->AdmitTenant(Lakeside()).ok());
  Stop();
  ASSERT_TRUE(postgres_->Sql("UPDATE ledger.batch SET leaves = overlay(leaves PLACING '\\x00'::bytea FROM octet_length(leaves) / 2 FOR 1) "
                             "WHERE first_index = 1").ok());
  const auto governance = GovernanceLog::Create(kOrigin, kAuthor, signer_->public_key(), *reader_);
  EXPECT_TRUE(absl::IsDataLoss(governance.status())) << governance.status();
}

}  // namespace
}  // namespace custodian::governance
