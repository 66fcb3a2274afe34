#include "services/exchange/order_attempt.h"

#include "absl/strings/str_cat.h"
#include "services/exchange/card.h"
#include "services/exchange/card_link.h"
#include "services/exchange/card_store.h"
#include "services/exchange/detail.h"
#include "services/exchange/disclosure_record.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/prior.h"
#include "services/exchange/provenance.h"
#include "services/exchange/record_store.h"
#include "services/exchange/redisclosure.h"
#include "services/exchange/safety_gate.h"

namespace custodian::exchange {
namespace {

using ledger::v1::Entry;

// v3-ActReason; CDS Hooks calls come from a clinician who orders.
constexpr char kActReason[] = "TREAT";
// All details of one kind have one size, whatever happened.
constexpr std::size_t kCheckDetailBytes = 2'048;
constexpr std::size_t kShownDetailBytes = 2'048;

Json Text(std::string_view text) { return Json::String(std::string(text)); }
std::string HashText(const ledger::Hash& hash) { return std::string(ledger::AsBytes(hash)); }

}  // namespace

OrderAttempt::OrderAttempt(const ExchangeParts& parts, const CdsCall& call, const CheckRequest& request, const ExamTable& table,
                           RecordedKeys& recorded, std::string check_key, std::string digest, const std::optional<PatientId>& patient, absl::Time charts_until)
    : parts_(parts),
      call_(call),
      request_(request),
      table_(table),
      recorded_(recorded),
      tenant_(call.partition->tenant),
      check_key_(std::move(check_key)),
      digest_(std::move(digest)),
      known_(patient.has_value()),
      patient_(patient.value_or(PatientId())),
      charts_until_(charts_until) {}

absl::Status OrderAttempt::Evaluate(bool judge_person) {
  now_ = TruncateToMilliseconds(parts_.network_clock.Now());
  if (!known_)
    if (absl::Status status = TakePseudoPatient(); !status.ok()) return status;
  for (const DraftOrder& order : request_.orders) {
    auto judged = BeginJudging(order);
    if (!judged.ok()) return judged.status();
    judged_.push_back(*std::move(judged));
  }
  const bool asks = std::any_of(judged_.begin(), judged_.end(), [](const Judged& judged) { return judged.outcome.empty(); });
  if (!asks) return absl::OkStatus();
  if (absl::Status status = OpenCharts(judge_person); !status.ok()) return status;
  for (Judged& judged : judged_)
    if (judged.outcome.empty())
      if (absl::Status status = Judge(judged); !status.ok()) return status;
  return absl::OkStatus();
}

absl::Status OrderAttempt::Disclose(const AnswerClaim& claim) {
  for (Judged& judged : judged_) {
    if (!judged.has_card()) continue;
    if (claim.given_up()) return absl::CancelledError("the caller gave up");
    if (absl::Status status = DiscloseOne(judged); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::pair<std::string, tenants::Write>> OrderAttempt::Record() {
  std::vector<Json> cards;
  for (const Judged& judged : judged_)
    if (judged.has_card()) {
      auto card = CardOf(judged);
      if (!card.ok()) return card.status();
      cards.push_back(*std::move(card));
    }
  std::string body = CardsBody(std::move(cards));
  const keys::SealName name{tenant_.id, patient_, check_key_.substr(0, 16), 1};
  auto sealed = parts_.sealer.Seal(name, body, kOrderCheckPurpose);
  if (!sealed.ok()) return sealed.status();

  tenants::Write write;
  write.idempotency_key = check_key_;
  write.request_digest = digest_;
  if (judged_.empty()) {
    // Nothing among the orders that could be checked; the check itself is recorded all the same.
    Judged none;
    none.outcome = "nothing-to-check";
    if (absl::Status status = AddChecked(none, HashText(sealed->sha256), write); !status.ok()) return status;
  }
  for (const Judged& judged : judged_) {
    if (absl::Status status = AddChecked(judged, HashText(sealed->sha256), write); !status.ok()) return status;
    write.rows.push_back(OrderStateRow(judged.order_key, OrderState::kChecked, write.entries.size() - 1));
    write.rows.push_back(OrderCheckRow(judged.order_key, check_key_, write.entries.size() - 1));
  }
  write.rows.push_back(AnswerRow(check_key_, digest_, patient_, std::move(sealed->ciphertext), 0));
  write.rows.push_back(JtiRow(call_.token.jti_sha256, call_.token.expires));
  for (const Judged& judged : judged_)
    if (judged.has_card())
      if (absl::Status status = AddShown(judged, write); !status.ok()) return status;
  return std::pair(std::move(body), std::move(write));
}

absl::StatusOr<std::string> OrderAttempt::Reshow(const std::string& body, const AnswerClaim& claim) {
  now_ = TruncateToMilliseconds(parts_.network_clock.Now());
  const auto answer = Json::Parse(body);
  if (!answer.ok()) return absl::DataLossError("a stored answer is no JSON");
  if (absl::Status status = OpenCharts(/*judge_person=*/false); !status.ok()) return status;
  std::vector<Json> cards;
  for (const Json& card : (*answer)["cards"].items()) {
    auto kept = OpenKept(card.TextOf("uuid"));
    if (!kept.ok()) return kept.status();
    const std::string& resource = kept->TextOf("resource");
    const std::size_t slash = std::min(resource.find('/'), resource.size());
    const ExamHolding holding{kept->TextOf("source_tenant"), resource.substr(0, slash), slash < resource.size() ? resource.substr(slash + 1) : "", true};
    Judged judged;
    judged.card_id = UuidBytes(card.TextOf("uuid")).value_or("");
    judged.source = &holding;
    judged.chart = exams_->ChartOf(holding);
    for (const DraftOrder& order : request_.orders)
      if (order.order == kept->TextOf("order")) judged.order = &order;
    if (judged.chart == nullptr || judged.order == nullptr) continue;
    const OpenedRecord& record = *judged.chart->Find(holding.resource_type, holding.id);
    const auto json = exchange::ResourceOf(record);
    if (json == nullptr || !IsViewable(*json)) continue;
    if (!judged.chart->gate->Judge(record).decision.permit) {
      NoteRefusal(*judged.chart, record);
      continue;
    }
    const bool suggested = card.Find("suggestions") != nullptr;
    const auto suggests = suggested ? WouldSuggest(judged) : false;
    if (!suggests.ok()) return suggests.status();
    if (claim.given_up()) return absl::CancelledError("the caller gave up");
    if (absl::Status status = DiscloseOne(judged); !status.ok()) return status;
    cards.push_back(card);
    MarkAmended(json->TextOf("status"), cards.back());
    if (suggested && !*suggests) RemoveSuggestion(cards.back());
  }
  return Json::Array(cards) == (*answer)["cards"] ? body : CardsBody(std::move(cards));
}

void OrderAttempt::NoteRefusals() {
  if (!parts_.refused) return;
  for (Refused& refused : refused_) parts_.refused(std::move(refused));
}

absl::Status OrderAttempt::TakePseudoPatient() {
  auto patient = TenantResources(tenant_.id, parts_.sealer);
  if (!patient.ok()) return patient.status();
  patient_ = *std::move(patient);
  return MakeKeyOnce(patient_);
}

absl::Status OrderAttempt::MakeKeyOnce(const PatientId& patient) {
  if (recorded_.Contains(tenant_.id)) return absl::OkStatus();
  // A record's Write carries the entry of its key.
  const auto has_records = RecordStore(*call_.partition->database).HasRecords(patient);
  if (!has_records.ok()) return has_records.status();
  if (*has_records) {
    recorded_.Add(tenant_.id);
    return absl::OkStatus();
  }
  auto stored = parts_.keys.CreatePatientKey(tenant_.id, patient);
  if (!stored.ok()) return stored.status();
  for (const keys::StoredKey& key : *stored) {
    tenants::Write write;
    auto idempotency_key =
        parts_.sealer.IndexToken(tenant_.id, absl::StrCat("key-stored\n", key.what, "\n", HexEncode(key.key_id)));
    if (!idempotency_key.ok()) return idempotency_key.status();
    write.idempotency_key = *std::move(idempotency_key);
    write.request_digest = HashText(key.wrapped_sha256);
    Entry entry;
    entry.set_kind(ledger::v1::KIND_KEY_STORED);
    if (key.what == "patient") entry.set_subject(patient.bytes());
    *entry.mutable_key_stored() = keys::KeyStoredOf(key);
    write.entries.push_back(std::move(entry));
    if (const auto admitted = call_.partition->writer->Apply(std::move(write)); !admitted.ok()) return admitted.status();
  }
  recorded_.Add(tenant_.id);
  return absl::OkStatus();
}

absl::Status OrderAttempt::OpenCharts(bool judge_person) {
  const PatientLink asked{tenant_.id, patient_};
  const auto links = judge_person ? parts_.locator.JudgePerson(asked) : parts_.locator.PersonOf(asked);
  if (!links.ok()) return links.status();
  auto charts = PersonCharts::Open({parts_.partitions, parts_.records, parts_.rules, parts_.network_clock}, *links,
                                   {tenant_, kActReason, now_, charts_until_, parts_.open_apart}, kOrderCheckPurpose);
  if (!charts.ok()) return charts.status();
  charts_ = *std::move(charts);
  exams_.emplace(charts_, tenant_, table_, parts_.registry);
  return absl::OkStatus();
}

absl::StatusOr<OrderAttempt::Judged> OrderAttempt::BeginJudging(const DraftOrder& order) const {
  Judged judged;
  judged.order = &order;
  const OrderedExam ordered = ExamOfOrder(order.resource, tenant_.name, table_);
  judged.exam_class = ordered.exam_class;
  judged.laterality = ordered.laterality;
  auto order_key = parts_.sealer.IndexToken(tenant_.id, absl::StrCat("order\n", order.order));
  if (!order_key.ok()) return order_key.status();
  judged.order_key = *std::move(order_key);
  if (judged.exam_class == nullptr) {
    judged.outcome = "unknown-class";
  } else {
    judged.outcome = judged.exam_class->mode == Mode::kOff ? "off" : !known_ ? "unknown-patient" : "";
  }
  return judged;
}

absl::StatusOr<bool> OrderAttempt::WouldSuggest(Judged& shown) {
  auto now = BeginJudging(*shown.order);
  if (!now.ok()) return now.status();
  if (!now->outcome.empty()) return false;
  if (absl::Status status = Judge(*now); !status.ok()) return status;
  if (!now->has_card()) return false;
  shown.gate = now->gate;
  shown.gate_chart = now->gate_chart;
  shown.gate_record = now->gate_record;
  return !now->suggestion.empty() && now->chart == shown.chart && ResourceOf(*now) == ResourceOf(shown);
}

absl::Status OrderAttempt::Judge(Judged& judged) {
  const PriorQuestion question{tenant_.name, judged.exam_class, judged.laterality, now_};
  if (exams_->HoldsPrior(question)) {
    judged.outcome = "own-prior";
    return absl::OkStatus();
  }
  judged.offered = exams_->Permitted(question);
  const Prior prior = FindPrior(judged.offered, question, [this](const ExamHolding& holding) { return exams_->ChartOf(holding) != nullptr; });
  if (prior.outcome != Prior::Outcome::kFound) {
    // The requester holds the keys of its own log: nothing sealed there may tell a refusal from nothing either.
    judged.outcome = "no-prior";
    for (const Withheld& one : exams_->WithheldOf(question)) NoteRefusal(*one.chart, *one.record);
    return absl::OkStatus();
  }
  judged.outcome = "card";
  judged.exam = prior.exam;
  judged.source = prior.source;
  judged.chart = exams_->ChartOf(*prior.source);
  if (judged.exam_class->mode == Mode::kSuggest) {
    const std::vector<const OpenedRecord*> records = exams_->Seen(MayDecide);
    const Gate gate = InformationOnly({.order = judged.order,
                                       .exam_class = judged.exam_class,
                                       .reasons = &table_.reasons(),
                                       .patient_id = request_.patient_id,
                                       .encounter_id = request_.encounter_id,
                                       .prefetch = &request_.prefetch,
                                       .records = &records,
                                       .prior_performed = prior.exam->performed_begin,
                                       .time = now_,
                                       .zone = ZoneOf(tenant_.time_zone)});
    judged.gate = gate.reason;
    if (gate.record != nullptr) {
      const PersonChart* chart = charts_.ChartWith(*gate.record);
      if (chart != nullptr && chart->link.tenant != tenant_.id) judged.gate_chart = chart, judged.gate_record = gate.record;
    }
  } else {
    judged.gate = "mode-info";
  }
  // Made of the check, so that the entry of a disclosure and the answer agree even when a crash lies between them.
  auto card = Derived("card", judged);
  if (!card.ok()) return card.status();
  judged.card_id = *std::move(card);
  if (judged.gate.empty()) {
    auto suggestion = Derived("suggestion", judged);
    if (!suggestion.ok()) return suggestion.status();
    judged.suggestion = UuidText(*suggestion);
  }
  judged.avoidance_id = HexEncode(RandomBytes(16));
  return absl::OkStatus();
}

void OrderAttempt::NoteRefusal(const PersonChart& chart, const OpenedRecord& record) {
  refused_.push_back({chart.link, record.resource_type, record.id, tenant_.id, call_.token.issuer, request_.user_id, kActReason, chart.asked,
                      chart.consent_version, chart.gate->rules(), charts_.JudgedWith(chart)});
}

absl::StatusOr<Json> OrderAttempt::OpenKept(const std::string& uuid) const {
  const std::string card_id = UuidBytes(uuid).value_or("");
  const auto card = CardStore(*call_.partition->database).FindCard(card_id);
  if (!card.ok()) return card.status();
  if (!card->has_value()) return Json();
  const auto kept = parts_.sealer.Open({tenant_.id, (*card)->patient, card_id, 1}, (*card)->sealed, kOrderCheckPurpose);
  if (!kept.ok()) return kept.status();
  return Json::Parse(*kept);
}

absl::StatusOr<std::string> OrderAttempt::Derived(const char* what, const Judged& judged) const {
  auto token = parts_.sealer.IndexToken(tenant_.id, absl::StrCat(what, "\n", check_key_, "\n", judged.order->order));
  if (!token.ok()) return token.status();
  return AsUuid(*token);
}

std::string OrderAttempt::ResourceOf(const Judged& judged) {
  return absl::StrCat(judged.source->resource_type, "/", judged.source->id);
}

absl::Status OrderAttempt::DiscloseOne(Judged& judged) {
  Json detail = Json::Object({{"card", Text(UuidText(judged.card_id))}, {"reader", Text(request_.user_id)}});
  auto disclosed = DiscloseRecord(*judged.chart, *judged.chart->Find(judged.source->resource_type, judged.source->id), judged, detail);
  if (!disclosed.ok()) return disclosed.status();
  judged.disclosed = *std::move(disclosed);
  if (judged.gate_record == nullptr) return absl::OkStatus();
  // That the card only informs, and why, is in the reader's log.
  detail.Set("gate", Text(judged.gate));
  return DiscloseRecord(*judged.gate_chart, *judged.gate_record, judged, std::move(detail)).status();
}

absl::StatusOr<OrderAttempt::Disclosed> OrderAttempt::DiscloseRecord(const PersonChart& chart, const OpenedRecord& shown, const Judged& judged,
                                                                     Json detail) const {
  const tenants::Partition& source = *chart.partition;
  const std::string resource = absl::StrCat(shown.resource_type, "/", shown.id);
  const std::vector<tenants::ExpectConsentVersion> judged_with = charts_.JudgedWith(chart);
  // The same disclosure on the same consent is one entry, however often a check is repeated.
  std::string what = absl::StrCat(check_key_, "\n", judged.order->order, "\n", resource, "\n", shown.version, "\n", chart.consent_version);
  for (const tenants::ExpectConsentVersion& other : judged_with) absl::StrAppend(&what, "\n", other.patient.hex(), " ", other.version);
  tenants::Write write;
  auto idempotency_key = parts_.sealer.IndexToken(source.tenant.id, "disclosure\n" + what);
  if (!idempotency_key.ok()) return idempotency_key.status();
  auto digest = parts_.sealer.IndexToken(source.tenant.id, "disclosure-request\n" + what);
  if (!digest.ok()) return digest.status();
  write.idempotency_key = *std::move(idempotency_key);
  write.request_digest = *std::move(digest);
  const Judgement judgement = chart.gate->Judge(shown);
  const DisclosureRecord record{.patient = chart.link,
                                .reader_patient = patient_,
                                .facts = {NewDisclosureId(), chart.asked, source.tenant, tenant_, PatientIdIn(*chart.records), call_.token.issuer, request_.user_id,
                                          kActReason, absl::StrCat(resource, "/_history/", shown.version), judgement,
                                          chart.gate->Explain(shown, judgement, chart.consent_version).Text(), std::nullopt},
                                .record_sha256 = "",
                                .detail = std::move(detail),
                                .provenance = Json(),
                                .consent_version = chart.consent_version,
                                .chart_through = chart.through,
                                .judged_with = judged_with};
  if (absl::Status status = AddDisclosure(parts_.sealer, record, write); !status.ok()) return status;
  const auto admitted = source.writer->Apply(std::move(write));
  if (!admitted.ok()) return admitted.status();
  // One that stands already was no condition of this writing: whatever came since it was decided may have ended it.
  if (admitted->replayed)
    for (const PersonChart& each : charts_.charts())
      if (each.link.tenant == source.tenant.id && !source.writer->IsUnchangedSince(each.link.patient, each.through))
        return absl::FailedPreconditionError("the patient's chart changed meanwhile");
  if (absl::Status status = CheckStillSo(source, parts_.locator, shown, record); !status.ok()) return status;
  return Disclosed{absl::StrCat(source.tenant.origin, "#", admitted->first_index), judgement.decision.reason == consent::Reason::kPermitted,
                   Part2Notice(record.facts)};
}

absl::StatusOr<Json> OrderAttempt::CardOf(const Judged& judged) const {
  auto performing = parts_.registry.FindByName(judged.exam->performing_tenant);
  if (!performing) return absl::InternalError("an exam's tenant is not in the registry");
  const auto link = CardLinkToken(parts_.sealer, tenant_.id, judged.card_id);
  if (!link.ok()) return link.status();
  const auto shown = exchange::ResourceOf(*judged.chart->Find(judged.source->resource_type, judged.source->id));
  return CardJson({UuidText(judged.card_id), judged.suggestion, judged.order, judged.exam_class, judged.exam, judged.source,
                   judged.chart->partition->tenant, *std::move(performing), CardLinkUrl(parts_.public_url, tenant_.id, *link),
                   judged.disclosed.by_consent, judged.disclosed.notice, shown == nullptr ? "" : shown->TextOf("status")});
}

absl::Status OrderAttempt::AddChecked(const Judged& judged, const std::string& answer_sha256, tenants::Write& write) const {
  const Json detail = Json::Object({{"body_sha256", Text(HexEncode(call_.body_sha256))},
                                    {"card", Text(judged.has_card() ? UuidText(judged.card_id) : "")},
                                    {"class", Text(judged.exam_class == nullptr ? "" : judged.exam_class->class_id)},
                                    {"gate", Text(judged.gate)},
                                    {"hook", Text(request_.hook)},
                                    {"laterality", Text(judged.laterality)},
                                    {"order", Text(judged.order == nullptr ? "" : judged.order->order)},
                                    {"outcome", Text(judged.outcome)},
                                    {"token_sha256", Text(HexEncode(call_.token.token_sha256))},
                                    {"user", Text(request_.user_id)}});
  Entry entry;
  entry.set_kind(ledger::v1::KIND_ORDER_CHECKED);
  entry.set_reported(true);
  entry.add_record_sha256(answer_sha256);
  if (absl::Status status = SetDetail(parts_.sealer, tenant_.id, patient_, detail.Text(), kCheckDetailBytes, entry);
      !status.ok())
    return status;
  write.entries.push_back(std::move(entry));
  return absl::OkStatus();
}

absl::Status OrderAttempt::AddShown(const Judged& judged, tenants::Write& write) const {
  const std::string& source = judged.chart->partition->tenant.name;
  // What feedback and savings need of the card.
  const Json kept = Json::Object({{"avoidance_id", Text(judged.avoidance_id)},
                                  {"class_id", Text(judged.exam_class->class_id)},
                                  {"laterality", Text(judged.laterality)},
                                  {"modality", Text(judged.exam_class->modality)},
                                  {"order", Text(judged.order->order)},
                                  {"resource", Text(ResourceOf(judged))},
                                  {"source_tenant", Text(source)},
                                  {"suggestion", Text(judged.suggestion)}});
  auto sealed = parts_.sealer.Seal({tenant_.id, patient_, judged.card_id, 1}, kept.Text(), kOrderCheckPurpose);
  if (!sealed.ok()) return sealed.status();
  const Json detail = Json::Object({{"card", Text(UuidText(judged.card_id))},
                                    {"class", Text(judged.exam_class->class_id)},
                                    {"disclosure", Text(judged.disclosed.entry)},
                                    {"gate", Text(judged.gate)},
                                    {"laterality", Text(judged.laterality)},
                                    {"mode", Text(judged.mode())},
                                    {"order", Text(judged.order->order)},
                                    {"resource", Text(ResourceOf(judged))},
                                    {"tenant", Text(judged.chart->partition->tenant.id.text())}});
  Entry entry;
  entry.set_kind(ledger::v1::KIND_CARD_SHOWN);
  entry.set_reported(true);
  entry.add_record_sha256(HashText(sealed->sha256));
  if (absl::Status status = SetDetail(parts_.sealer, tenant_.id, patient_, detail.Text(), kShownDetailBytes, entry);
      !status.ok())
    return status;
  write.rows.push_back(CardRow(judged.card_id, patient_, std::move(sealed->ciphertext), write.entries.size()));
  write.rows.push_back(OrderStateRow(judged.order_key, OrderState::kShown, write.entries.size()));
  write.entries.push_back(std::move(entry));
  return absl::OkStatus();
}

}  // namespace custodian::exchange
