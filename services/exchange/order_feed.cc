#include "services/exchange/order_feed.h"

#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/card_store.h"
#include "services/exchange/cds_request.h"
#include "services/exchange/exam.h"
#include "services/exchange/fhir_json.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPurpose = "order-feed";

// R4's RequestStatus; HL7 v2's CA and DC arrive as revoked.
std::optional<InferredState> InferredOf(const std::string& status) {
  if (status == "revoked") return InferredState::kCancelled;
  if (status == "completed") return InferredState::kPerformed;
  return std::nullopt;
}

}  // namespace

absl::Status InferOrders(const tenants::Partition& partition, const PatientRecords& records, keys::Sealer& sealer, const PatientId& patient) {
  const TenantId& tenant = partition.tenant.id;
  const CardStore store(*partition.database);
  // Most patients had no card: their records stay closed.
  const auto has_cards = store.HasCards(patient);
  if (!has_cards.ok()) return has_cards.status();
  if (!*has_cards) return absl::OkStatus();
  const auto opened = records.Open({tenant, patient}, kPurpose);
  if (absl::IsDataLoss(opened.status()) || absl::IsNotFound(opened.status()) || absl::IsFailedPrecondition(opened.status()) ||
      absl::IsPermissionDenied(opened.status())) {
    // A damaged record, or a key that is gone: nothing is inferred, and nothing else of the patient's waits for it.
    spdlog::error("event=order_feed_unreadable tenant={} code={}", tenant.text(), absl::StatusCodeToString(opened.status().code()));
    return absl::OkStatus();
  }
  if (!opened.ok()) return opened.status();
  for (const OpenedRecord& record : **opened) {
    if (record.resource_type != "ServiceRequest") continue;
    const auto order = Json::Parse(record.json);
    if (!order.ok()) continue;
    const auto state = InferredOf(order->TextOf("status"));
    const std::string name = OrderName(*order);
    if (!state || name.empty()) continue;
    auto key = sealer.IndexToken(tenant, absl::StrCat("order\n", name));
    if (!key.ok()) return key.status();
    const auto states = store.StatesOf(*key);
    if (!states.ok()) return states.status();
    // Feedback says it better.
    if (!states->contains("shown") || states->contains("accepted") || states->contains("overridden")) continue;
    tenants::Write write;
    auto idempotency_key = sealer.IndexToken(tenant, absl::StrCat("inferred\n", name, "\n", static_cast<int>(*state)));
    if (!idempotency_key.ok()) return idempotency_key.status();
    write.idempotency_key = *std::move(idempotency_key);
    write.request_digest = write.idempotency_key;
    write.rows.push_back(InferredRow(*std::move(key), *state));
    if (const auto admitted = partition.writer->Apply(std::move(write)); !admitted.ok()) return admitted.status();
  }
  return absl::OkStatus();
}

}  // namespace custodian::exchange
