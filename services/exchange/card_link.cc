#include "services/exchange/card_link.h"

#include <openssl/crypto.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/card_store.h"
#include "services/exchange/cds_request.h"
#include "services/exchange/detail.h"
#include "services/exchange/fhir_answer.h"
#include "services/exchange/fhir_json.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPrefix = "/cds/";
constexpr std::string_view kCards = "/cards/";
constexpr std::string_view kPurpose = "card-opened";
constexpr std::size_t kIdBytes = 16;
constexpr std::size_t kTokenCharactersMax = 64;
constexpr std::size_t kDetailBytes = 1'024;

absl::StatusOr<std::string> Mac(keys::Sealer& sealer, const TenantId& tenant, std::string_view card_id) {
  auto mac = sealer.IndexToken(tenant, absl::StrCat("card-link\n", std::string(card_id)));
  if (mac.ok()) mac->resize(kIdBytes);
  return mac;
}

rpc::HttpResponse Unavailable() { return FhirResponse(RefusalOf(absl::UnavailableError("a card cannot be opened now"))); }

}  // namespace

absl::StatusOr<std::string> CardLinkToken(keys::Sealer& sealer, const TenantId& tenant, std::string_view card_id) {
  const auto mac = Mac(sealer, tenant, card_id);
  if (!mac.ok()) return mac.status();
  return absl::WebSafeBase64Escape(std::string(card_id) + *mac);
}

std::string CardLinkUrl(std::string_view public_url, const TenantId& tenant, std::string_view token) {
  return absl::StrCat(std::string(public_url), std::string(kPrefix), tenant.text(), std::string(kCards), std::string(token));
}

CardLinks::CardLinks(const tenants::Partitions& partitions, keys::Sealer& sealer,
                     std::function<absl::StatusOr<FhirCaller>(const rpc::HttpRequest&)> authenticate,
                     std::function<rpc::HttpResponse(const rpc::HttpRequest&)> read)
    : partitions_(partitions), sealer_(sealer), authenticate_(std::move(authenticate)), read_(std::move(read)) {}

std::optional<rpc::HttpResponse> CardLinks::Handle(const rpc::HttpRequest& request) const {
  std::string_view rest = request.path;
  if (!rest.starts_with(kPrefix)) return std::nullopt;
  rest.remove_prefix(kPrefix.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || !rest.substr(slash).starts_with(kCards)) return std::nullopt;
  if (request.method != "GET") {
    rpc::HttpResponse response = FhirResponse(Refuse(405, "not-supported", "This URL takes GET."));
    response.headers.emplace_back("Allow", "GET");
    return response;
  }
  const auto caller = authenticate_(request);
  // The FHIR interface's own words and status.
  if (!caller.ok()) {
    rpc::HttpRequest same = request;
    same.path = absl::StrCat("/fhir/", std::string(rest.substr(0, slash)), "/");
    return read_(same);
  }
  const auto tenant = TenantId::Parse(rest.substr(0, slash));
  const tenants::Partition* partition = tenant.ok() ? partitions_.FindById(*tenant) : nullptr;
  if (partition == nullptr || caller->client.tenant != *tenant) return NotFoundForOthers();
  return Open(*partition, rest.substr(slash + kCards.size()), caller->client.spiffe_id, request);
}

rpc::HttpResponse CardLinks::Open(const tenants::Partition& partition, std::string_view token, const std::string& client,
                                  const rpc::HttpRequest& request) const {
  const TenantId& tenant = partition.tenant.id;
  std::string bytes;
  if (token.size() > kTokenCharactersMax || !absl::WebSafeBase64Unescape(std::string(token), &bytes) || bytes.size() != 2 * kIdBytes)
    return NotFoundForOthers();
  const std::string card_id = bytes.substr(0, kIdBytes);
  const auto mac = Mac(sealer_, tenant, card_id);
  if (!mac.ok()) return Unavailable();
  if (CRYPTO_memcmp(mac->data(), bytes.data() + kIdBytes, kIdBytes) != 0) return NotFoundForOthers();
  const auto card = CardStore(*partition.database).FindCard(card_id);
  if (!card.ok()) return Unavailable();
  if (!card->has_value()) return NotFoundForOthers();
  const auto opened = sealer_.Open({tenant, (*card)->patient, card_id, 1}, (*card)->sealed, kPurpose);
  if (absl::IsUnavailable(opened.status())) return Unavailable();
  const auto kept = opened.ok() ? Json::Parse(*opened) : opened.status();
  if (!kept.ok()) return NotFoundForOthers();
  const std::string& resource = kept->TextOf("resource");
  const std::size_t slash = resource.find('/');
  const tenants::Partition* source = partitions_.FindByName(kept->TextOf("source_tenant"));
  if (slash == std::string::npos || source == nullptr) return NotFoundForOthers();

  if (absl::Status status = RecordOpening(partition, (*card)->patient, card_id, kept->TextOf("order"), client); !status.ok()) {
    spdlog::error("event=card_opening_failed tenant={} code={} reason=\"{}\"", tenant.text(), absl::StatusCodeToString(status.code()),
                  std::string(status.message()));
    return Unavailable();
  }
  rpc::HttpRequest read = request;
  read.path = absl::StrCat("/fhir/", source->tenant.id.text(), "/", resource.substr(0, slash));
  read.query = absl::StrCat("_id=", rpc::PercentEncode(resource.substr(slash + 1)), "&_revinclude=Provenance:target");
  return read_(read);
}

absl::Status CardLinks::RecordOpening(const tenants::Partition& partition, const PatientId& patient, const std::string& card_id,
                                      const std::string& order, const std::string& client) const {
  const TenantId& tenant = partition.tenant.id;
  auto order_key = sealer_.IndexToken(tenant, absl::StrCat("order\n", order));
  if (!order_key.ok()) return order_key.status();
  tenants::Write write;
  // Each opening is one of its own.
  write.idempotency_key = RandomBytes(32);
  write.request_digest = write.idempotency_key;
  ledger::v1::Entry entry;
  entry.set_kind(ledger::v1::KIND_CARD_OPENED);
  entry.set_reported(true);
  const Json detail = Json::Object(
      {{"card", Json::String(UuidText(card_id))}, {"client", Json::String(client)}, {"order", Json::String(order)}});
  if (absl::Status status = SetDetail(sealer_, tenant, patient, detail.Text(), kDetailBytes, entry); !status.ok()) return status;
  write.entries.push_back(std::move(entry));
  write.rows.push_back(OrderStateRow(*std::move(order_key), OrderState::kOpened, 0));
  return partition.writer->Apply(std::move(write)).status();
}

}  // namespace custodian::exchange
