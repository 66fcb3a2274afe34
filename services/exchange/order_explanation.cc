#include "services/exchange/order_explanation.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ledger/entry.h"
#include "services/exchange/detail.h"
#include "services/exchange/fhir_time.h"
#include "services/rpc/router.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {
namespace {

using rpc::HttpResponse;
using rpc::PlainText;

constexpr std::string_view kPurpose = "order-explanation";
constexpr std::size_t kBodyBytesMax = 4'096;
// The newest; an order is checked when it is selected and when it is signed.
constexpr int kChecksMax = 20;
constexpr std::size_t kResultsMax = 50;

std::string Days(absl::Duration duration) { return absl::StrCat(duration / absl::Hours(24)); }

// What the outcome of a check means (order_check.cc names them).
std::string Because(const Json& checked) {
  const std::string& outcome = checked.TextOf("outcome");
  const std::string& gate = checked.TextOf("gate");
  if (outcome == "unknown-class")
    return "none of the order's codings names one exam class; free text and billing codes never do. Code it in LOINC or RSNA, or load the "
           "tenant's own codes (custodian tenant codes)";
  if (outcome == "off") return "the tenant has not switched this class on (custodian tenant classes)";
  if (outcome == "unknown-patient") return "no Patient with the id of the call is stored at this tenant";
  if (outcome == "no-prior") return "no usable result that could be shown was found at another health system";
  if (outcome == "own-prior") return "this tenant holds a usable result itself, so there was no card";
  if (outcome != "card") return absl::StrCat("the check ended as ", outcome);
  if (gate.empty()) return "a usable prior was found; the card suggested to cancel the order";
  return absl::StrCat("a usable prior was found; the card only informed: ", gate);
}

HttpResponse Failed(const absl::Status& status, const TenantId& tenant) {
  if (absl::IsNotFound(status)) return PlainText(404, std::string(status.message()));
  spdlog::error("event=explain_failed tenant={} code={} reason=\"{}\"", tenant.text(), absl::StatusCodeToString(status.code()),
                std::string(status.message()));
  if (absl::IsDataLoss(status)) return PlainText(500, "what was recorded of this order cannot be read; run custodian verify");
  HttpResponse response = PlainText(503, "the service cannot answer now; try again in a second");
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

}  // namespace

std::string WhyNotUsable(const Exam& exam, const PriorQuestion& question) {
  switch (MisfitOf(exam, question)) {
    case Misfit::kNone: break;
    case Misfit::kNoClass: return "its codes name no exam class";
    case Misfit::kOtherClass: return absl::StrCat("it is of another class, ", exam.class_id);
    case Misfit::kNotPerformed: return "it was not performed: registered, cancelled or entered in error";
    case Misfit::kOrderWithoutSide: return "the order names no side, and nothing is equivalent to that";
    case Misfit::kOtherSide: return exam.laterality.empty() ? "it names no side" : absl::StrCat("it is of another side, ", exam.laterality);
    case Misfit::kLaterThanCheck: return "it was performed after the check";
    case Misfit::kTooOld:
      return absl::StrCat("it was ", Days(question.time - exam.performed_begin), " days old; results of this class are reused for ",
                          Days(question.exam_class->reuse));
  }
  const bool viewable = std::any_of(exam.holdings.begin(), exam.holdings.end(), [&question](const ExamHolding& holding) {
    return holding.tenant_name == question.ordering_tenant && holding.viewable;
  });
  return viewable ? "" : "it is not final, amended or corrected";
}

HttpResponse OrderExplanation::Handle(const rpc::HttpRequest& request) const {
  const auto client = guard_.Admit(request.peer_spiffe_id, {"auditor"});
  // "", "orders", tenant, "explain"
  const std::vector<std::string> path = absl::StrSplit(request.path, '/');
  if (!client.ok() || path.size() < 3 || client->tenant.text() != path[2])
    return PlainText(403, "a tenant's orders are explained to its own auditors: use a certificate of role auditor of this tenant");
  if (path.size() != 4 || path[3] != "explain") return PlainText(404, "try POST /orders/<tenant>/explain");
  const auto body = Json::Parse(request.body, {.bytes_max = kBodyBytesMax, .depth_max = 4});
  const std::string order = body.ok() ? body->TextOf("order") : "";
  if (order.empty()) return PlainText(400, R"(the body must be JSON that names the order: {"order": "system|value"})");
  const tenants::Partition* partition = partitions_.FindById(client->tenant);
  if (partition == nullptr) return Failed(absl::UnavailableError("the tenant's partition does not run here"), client->tenant);
  const auto explanation = Explain(*partition, order);
  if (!explanation.ok()) return Failed(explanation.status(), client->tenant);
  return {200, {{"Content-Type", "application/json"}}, explanation->Text() + "\n"};
}

absl::StatusOr<Json> OrderExplanation::Explain(const tenants::Partition& partition, const std::string& order) const {
  const auto order_key = sealer_.IndexToken(partition.tenant.id, absl::StrCat("order\n", order));
  if (!order_key.ok()) return order_key.status();
  const CardStore store(*partition.database);
  const auto checks = store.ChecksOf(*order_key, kChecksMax);
  if (!checks.ok()) return checks.status();
  if (checks->empty())
    return absl::NotFoundError(
        "no check of such an order is known; an order is named by its identifier, \"system|value\" (of type PLAC, else the first), or by "
        "\"|<id>\" when it had none");
  const auto states = store.StatesOf(*order_key);
  if (!states.ok()) return states.status();

  Json list = Json::Array();
  Json last;
  for (const StoredCheck& check : *checks) {
    auto checked = CheckOf(partition, check, order);
    if (!checked.ok()) return checked.status();
    last = *checked;
    list.Append(*std::move(checked));
  }
  auto own = OwnResults(partition, checks->back(), last);
  if (!own.ok()) return own.status();
  Json state = Json::Array();
  for (const std::string& name : *states) state.Append(Json::String(name));
  return Json::Object({{"order", Json::String(order)}, {"state", std::move(state)}, {"checks", std::move(list)}, {"own_results", *std::move(own)}});
}

absl::StatusOr<Json> OrderExplanation::CheckOf(const tenants::Partition& partition, const StoredCheck& check, const std::string& order) const {
  const auto leaves = partition.log->Leaves(check.entry_index, 1);
  if (!leaves.ok()) return leaves.status();
  const auto leaf = ledger::ParseLeaf(leaves->front());
  if (!leaf.ok()) return absl::DataLossError(absl::StrCat("leaf ", check.entry_index, " cannot be read"));
  if (leaf->entry.kind() != ledger::v1::KIND_ORDER_CHECKED || leaf->entry.subject() != check.patient.bytes())
    return absl::DataLossError(absl::StrCat("leaf ", check.entry_index, " is not the check that the index says"));
  const auto text =
      OpenDetail(sealer_, {partition.tenant.id, check.patient, "", 1}, leaf->entry.sealed_detail(), leaf->entry.detail_commitment(), kPurpose);
  if (!text.ok()) return text.status();
  const auto detail = Json::Parse(*text);
  if (!detail.ok() || detail->TextOf("order") != order)
    return absl::DataLossError(absl::StrCat("leaf ", check.entry_index, " is not of the order that the index says"));
  Json checked = Json::Object({{"time", Json::String(FormatInstant(check.checked))},
                               {"entry", Json::String(absl::StrCat(partition.tenant.origin, "#", check.entry_index))},
                               {"because", Json::String(Because(*detail))}});
  for (const char* name : {"hook", "user", "outcome", "class", "laterality", "gate", "card"}) checked.Set(name, Json::String(detail->TextOf(name)));
  return checked;
}

absl::StatusOr<Json> OrderExplanation::OwnResults(const tenants::Partition& partition, const StoredCheck& check, const Json& checked) const {
  Json list = Json::Array();
  const auto table = tables_(partition.tenant.id);
  const ExamClass* exam_class = table == nullptr ? nullptr : table->Find(checked.TextOf("class"));
  if (exam_class == nullptr || checked.TextOf("outcome") == "unknown-patient") return list;
  auto history = records_.OpenHistory({partition.tenant.id, check.patient}, kPurpose);
  if (!history.ok()) return history.status();
  std::erase_if(*history, [&check](const OpenedRecord& record) { return record.arrived > check.checked; });
  const PriorQuestion question{partition.tenant.name, exam_class, checked.TextOf("laterality"), check.checked};
  std::vector<Exam> exams = ExamsOf(PointersTo(*history), *table, registry_);
  // Of this kind of exam; the newest first.
  std::erase_if(exams, [&](const Exam& exam) {
    const ExamClass* other = table->Find(exam.class_id);
    return other != nullptr && (other->modality != exam_class->modality || other->body_region != exam_class->body_region);
  });
  std::reverse(exams.begin(), exams.end());
  if (exams.size() > kResultsMax) exams.resize(kResultsMax);
  for (const Exam& exam : exams) {
    const auto held = std::find_if(exam.holdings.begin(), exam.holdings.end(),
                                   [&](const ExamHolding& holding) { return holding.tenant_name == partition.tenant.name; });
    if (held == exam.holdings.end()) continue;
    const std::string why = WhyNotUsable(exam, question);
    list.Append(Json::Object({{"resource", Json::String(absl::StrCat(held->resource_type, "/", held->id))},
                              {"performed", Json::String(FormatInstant(exam.performed_begin))},
                              {"usable", Json::Bool(why.empty())},
                              {"because", Json::String(why.empty() ? "it is a usable result of the order's class" : why)}}));
  }
  return list;
}

}  // namespace custodian::exchange
