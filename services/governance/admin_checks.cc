#include "services/governance/admin_checks.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "ledger/entry.pb.h"
#include "services/rpc/identity.h"

namespace custodian::governance {
namespace {

constexpr std::size_t kNameBytesMax = 32;
constexpr std::size_t kFieldBytesMax = 1'024;
constexpr std::size_t kJwksBytesMax = 32 * 1'024;
constexpr std::size_t kScopesBytesMax = 8 * 1'024;
constexpr int kFhirServersMax = 16;

absl::Status Invalid(std::string_view field, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(field), ": ", std::string(what)));
}

bool IsShortName(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// v3-ActReason codes.
bool IsPurpose(std::string_view text) {
  return !text.empty() && text.size() <= 16 && std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
}

// What a tenant's node may sign itself: acts of its own people. The other kinds speak of what the custodian stores, counts or
// governs; the audit compares them with that.
bool IsForTenants(ledger::v1::Kind kind) {
  switch (kind) {
    case ledger::v1::KIND_ORDER_CHECKED:
    case ledger::v1::KIND_CARD_SHOWN:
    case ledger::v1::KIND_CARD_OPENED:
    case ledger::v1::KIND_CARD_ACCEPTED:
    case ledger::v1::KIND_CARD_OVERRIDDEN:
    case ledger::v1::KIND_DISCLOSURE:
    case ledger::v1::KIND_DISCLOSURES_REFUSED:
    case ledger::v1::KIND_CONSENT_SET:
    case ledger::v1::KIND_VOID:
    case ledger::v1::KIND_COUNTERSIGNED:
    case ledger::v1::KIND_DISPUTED:
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<tenants::Tenant> TenantOf(const v1::AdmitTenantRequest& request) {
  auto id = TenantId::Parse(request.tenant_id());
  if (!id.ok()) return Invalid("tenant_id", "16 lower-case hex digits are required");
  if (!IsShortName(request.name())) return Invalid("name", "1 to 32 lower-case letters, digits and '-' are required");
  absl::TimeZone zone;
  if (request.time_zone().empty() || !absl::LoadTimeZone(request.time_zone(), &zone)) return Invalid("time_zone", "an IANA zone is required");
  const std::pair<const char*, const std::string*> required[] = {{"cell", &request.cell()},
                                                                 {"database", &request.database()},
                                                                 {"key_database", &request.key_database()},
                                                                 {"organization_system", &request.organization_system()},
                                                                 {"organization_value", &request.organization_value()}};
  for (const auto& [field, value] : required)
    if (value->empty()) return Invalid(field, "is required");
  const std::pair<const char*, const std::string*> limited[] = {{"cell", &request.cell()},
                                                                {"database", &request.database()},
                                                                {"key_database", &request.key_database()},
                                                                {"display_name", &request.display_name()},
                                                                {"organization_system", &request.organization_system()},
                                                                {"organization_value", &request.organization_value()},
                                                                {"accession_system", &request.accession_system()},
                                                                {"cds_issuer", &request.cds_issuer()},
                                                                {"cds_tenant", &request.cds_tenant()}};
  for (const auto& [field, value] : limited)
    if (value->size() > kFieldBytesMax) return Invalid(field, "is too long");
  if (request.cds_jwks().size() > kJwksBytesMax) return Invalid("cds_jwks", "is too long");
  const int cds_fields = !request.cds_issuer().empty() + !request.cds_tenant().empty() + !request.cds_jwks().empty();
  if (cds_fields != 0 && cds_fields != 3) return Invalid("cds_issuer", "goes with cds_tenant and cds_jwks");
  return tenants::Tenant{.id = *std::move(id),
                         .name = request.name(),
                         .display_name = request.display_name(),
                         .cell = request.cell(),
                         .database = request.database(),
                         .key_database = request.key_database(),
                         .origin = {},
                         .log_vkey = {},
                         .time_zone = request.time_zone(),
                         .organization_system = request.organization_system(),
                         .organization_value = request.organization_value(),
                         .accession_system = request.accession_system(),
                         .cds_issuer = request.cds_issuer(),
                         .cds_tenant = request.cds_tenant(),
                         .cds_jwks = request.cds_jwks()};
}

absl::StatusOr<tenants::Client> ClientOf(std::string_view network, const v1::RegisterClientRequest& request) {
  const auto id = rpc::SpiffeId::Parse(request.spiffe_id());
  if (!id.ok() || id->network != network) return Invalid("spiffe_id", "a SPIFFE id of this network is required");
  if (id->role != request.role() || id->role == "custodian") return Invalid("role", "must be the role in the SPIFFE id");
  if (id->tenant.text() != request.tenant_id()) return Invalid("tenant_id", "must be the tenant in the SPIFFE id");
  const bool reads_records = id->role == "fhir";
  if (reads_records && !IsPurpose(request.purpose())) return Invalid("purpose", "a v3-ActReason code is required; none is a default");
  if (!reads_records && !request.purpose().empty()) return Invalid("purpose", "this role reads no records");
  if (id->role == "cds" && id->name != kCdsClientName)
    return Invalid("spiffe_id", absl::StrCat("a tenant has one CDS client, named ", std::string(kCdsClientName)));
  return tenants::Client{request.spiffe_id(), id->tenant, request.role(), request.purpose()};
}

absl::StatusOr<std::optional<ledger::v1::ClientAccess>> AccessOf(const tenants::Client& client, const v1::RegisterClientRequest& request) {
  const bool has_keys = !request.jwks().empty() || !request.jwks_url().empty();
  if (!has_keys && request.scopes().empty() && request.fhir_servers().empty()) return std::nullopt;
  const bool cds = client.role == "cds";
  if (!cds && client.role != "fhir") return Invalid("jwks", "goes with the roles fhir and cds; others show their certificate");
  if (!request.jwks().empty() && !request.jwks_url().empty()) return Invalid("jwks_url", "or jwks is given, not both");
  if (request.jwks().size() > kJwksBytesMax) return Invalid("jwks", "is too long");
  if (request.jwks_url().size() > kFieldBytesMax) return Invalid("jwks_url", "is too long");
  if (request.scopes().size() > kScopesBytesMax) return Invalid("scopes", "is too long");
  if (request.fhir_servers().size() > kFhirServersMax) return Invalid("fhir_servers", "are too many");
  for (const std::string& url : request.fhir_servers())
    if (url.size() > kFieldBytesMax) return Invalid("fhir_servers", "is too long");
  if (cds && !request.scopes().empty()) return Invalid("scopes", "a CDS client has none");
  if (!cds && !request.fhir_servers().empty()) return Invalid("fhir_servers", "goes with the role cds");
  if (!cds && has_keys == request.scopes().empty())
    return Invalid("scopes", "goes with jwks or jwks_url: what the client may ask a token for, e.g. system/*.rs");
  ledger::v1::ClientAccess access;
  access.set_client(client.spiffe_id);
  access.set_tenant_id(client.tenant.text());
  access.set_jwks(request.jwks());
  access.set_jwks_url(request.jwks_url());
  access.set_scopes(request.scopes());
  *access.mutable_fhir_servers() = request.fhir_servers();
  return access;
}

absl::StatusOr<GovernanceLog::Author> AuthorOf(const v1::EnrollAuthorRequest& request, const std::optional<tenants::Tenant>& tenant) {
  GovernanceLog::Author author{.author = request.author(), .public_key = request.public_key(), .origins = {}, .kinds = {}, .revoked = request.revoked()};
  author.origins.assign(request.origins().begin(), request.origins().end());
  const bool own_log = author.origins.size() == 1 && tenant.has_value() && author.origins[0] == tenant->origin;
  if (tenant.has_value() && !own_log) return Invalid("origins", "a tenant's author writes to its own tenant's log, which must be named");
  for (const std::string& name : request.kinds()) {
    ledger::v1::Kind kind = ledger::v1::KIND_UNSPECIFIED;
    if (!ledger::v1::Kind_Parse(name, &kind) || kind == ledger::v1::KIND_UNSPECIFIED) return Invalid("kinds", "names no kind of entry");
    // A revocation may name what was allowed once.
    if (tenant.has_value() && !author.revoked && !IsForTenants(kind))
      return Invalid("kinds", absl::StrCat("only the custodian writes ", name, "; a tenant's author signs acts of its own people, such as "
                                           "KIND_CONSENT_SET"));
    author.kinds.push_back(kind);
  }
  if (author.kinds.empty() && !author.revoked) return Invalid("kinds", "at least one is required");
  return author;
}

}  // namespace custodian::governance
