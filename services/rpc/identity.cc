#include "services/rpc/identity.h"

#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "ledger/tree.h"

namespace custodian::rpc {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr std::array<std::string_view, 6> kTenantRoles = {"fhir", "feed", "auditor", "node", "cds", "steward"};
constexpr std::array<std::string_view, 4> kNetworkRoles = {"operator", "regulator", "custodian", "witness"};
// SPIFFE-ID, section 2.3.
constexpr std::size_t kUriBytesMax = 2'048;

template <std::size_t kSize>
bool Holds(const std::array<std::string_view, kSize>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// SPIFFE-ID, section 2.1 and 2.2: letters, digits, '.', '-', '_'; a trust domain has no upper case, a segment is not "." or "..".
bool IsSegment(std::string_view text, bool upper_case) {
  const bool characters = std::all_of(text.begin(), text.end(), [upper_case](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || (upper_case && c >= 'A' && c <= 'Z');
  });
  return characters && !text.empty() && text != "." && text != "..";
}

absl::Status NotPermitted() { return absl::PermissionDeniedError("this client may not do that"); }

}  // namespace

absl::StatusOr<SpiffeId> SpiffeId::Parse(std::string_view uri) {
  const absl::Status malformed = absl::InvalidArgumentError("not a SPIFFE id of this platform");
  if (uri.size() > kUriBytesMax || uri.substr(0, kScheme.size()) != kScheme) return malformed;
  std::vector<std::string_view> segments;
  for (std::string_view rest = uri.substr(kScheme.size());;) {
    const std::size_t slash = rest.find('/');
    segments.push_back(rest.substr(0, slash));
    if (!IsSegment(segments.back(), segments.size() > 1)) return malformed;
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  SpiffeId id;
  id.network = std::string(segments[0]);
  if (segments.size() == 5 && segments[1] == "tenant" && Holds(kTenantRoles, segments[3])) {
    auto tenant = TenantId::Parse(segments[2]);
    if (!tenant.ok()) return malformed;
    id.tenant = *tenant;
  } else if (segments.size() != 3 || !Holds(kNetworkRoles, segments[1])) {
    return malformed;
  }
  id.role = std::string(segments[segments.size() - 2]);
  id.name = std::string(segments.back());
  return id;
}

std::string ActorPseudonym(std::string_view spiffe_id) {
  if (spiffe_id.empty()) return "-";
  return HexEncode(ledger::AsBytes(ledger::Sha256(spiffe_id)).substr(0, 6));
}

absl::StatusOr<std::string> CallerOf(const grpc::ServerContextBase& context) {
  const auto authentication = context.auth_context();
  if (authentication == nullptr || !authentication->IsPeerAuthenticated()) return absl::UnauthenticatedError("a client certificate is required");
  // gRPC sets it for a certificate with exactly one URI SAN that is a valid SPIFFE id.
  const auto values = authentication->FindPropertyValues("peer_spiffe_id");
  if (values.size() != 1) return absl::UnauthenticatedError("the client certificate names no SPIFFE id");
  return std::string(values[0].data(), values[0].size());
}

CallGuard::CallGuard(std::string network, FindClient find_client, Shares* shares)
    : network_(std::move(network)), find_client_(std::move(find_client)), shares_(shares) {}

absl::StatusOr<tenants::Client> CallGuard::Admit(std::string_view spiffe_id, std::initializer_list<std::string_view> roles) const {
  if (spiffe_id.empty()) return absl::UnauthenticatedError("a client certificate is required");
  const auto id = SpiffeId::Parse(spiffe_id);
  if (!id.ok() || id->network != network_) return NotPermitted();
  const auto client = find_client_(spiffe_id);
  if (!client.has_value() || client->spiffe_id != spiffe_id) return NotPermitted();
  // What the certificate says and what the registry says must agree.
  if (client->role != id->role || client->tenant != id->tenant) return NotPermitted();
  if (std::find(roles.begin(), roles.end(), client->role) == roles.end()) return NotPermitted();
  return *client;
}

absl::StatusOr<tenants::Client> CallGuard::Admit(const grpc::ServerContextBase& context, std::initializer_list<std::string_view> roles) const {
  const auto caller = CallerOf(context);
  if (!caller.ok()) return caller.status();
  return Admit(*caller, roles);
}

}  // namespace custodian::rpc
