#include "services/exchange/match_review.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ledger/entry.h"
#include "services/exchange/consent_gate.h"
#include "services/exchange/detail.h"
#include "services/exchange/disclosure_record.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/person_chart.h"
#include "services/exchange/provenance.h"
#include "services/exchange/record_store.h"
#include "tenants/outbox.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPurpose = "match-review";
// DESIGN, section 7: purposes are fixed at registration; a review serves treatment.
constexpr std::string_view kActReason = "TREAT";
constexpr std::string_view kOtherSystem = "urn:custodian:patient";
constexpr int kPatientsPerPage = 200;
constexpr std::size_t kDetailBytes = 1'024;
constexpr std::size_t kReasonBytesMax = 256;
constexpr std::size_t kIdempotencyKeyBytesMax = 128;

std::string HashOf(std::string_view purpose, std::initializer_list<std::string_view> parts) {
  std::string text(purpose);
  for (const std::string_view part : parts) {
    text += absl::StrCat("\n", part.size(), "\n");
    text += part;
  }
  return std::string(ledger::AsBytes(ledger::Sha256(text)));
}

std::string NameOf(const PatientLink& link) { return absl::StrCat(link.tenant.text(), "/", link.patient.hex()); }

absl::StatusOr<PatientLink> LinkOf(std::string_view name) {
  const auto slash = name.find('/');
  if (slash == std::string_view::npos) return absl::InvalidArgumentError("other: expected what the queue shows, <tenant>/<patient>");
  auto tenant = TenantId::Parse(name.substr(0, slash));
  const auto bytes = HexDecode(name.substr(slash + 1));
  if (!tenant.ok() || !bytes.ok()) return absl::InvalidArgumentError("other: expected what the queue shows, <tenant>/<patient>");
  auto patient = PatientId::FromBytes(*bytes);
  if (!patient.ok()) return absl::InvalidArgumentError("other: expected what the queue shows, <tenant>/<patient>");
  return PatientLink{*std::move(tenant), *std::move(patient)};
}

absl::Status NoSuchPair() { return absl::NotFoundError("no such pair waits for a decision; see custodian match queue"); }

// One resource a pair, however often it is decided.
std::string LinkageIdOf(const PatientLink& own, const PatientLink& other) {
  return HexEncode(HashOf("custodian/linkage/v1", {NameOf(own), NameOf(other)})).substr(0, 32);
}

Json LinkageOf(const std::string& id, const MatchReview::Decision& decision, absl::Time now) {
  const Json own = Json::Object({{"reference", Json::String("Patient/" + decision.patient)}});
  const Json other = Json::Object({{"identifier", Json::Object({{"system", Json::String(std::string(kOtherSystem))},
                                                                {"value", Json::String(decision.other)}})}});
  return Json::Object(
      {{"resourceType", Json::String("Linkage")},
       {"id", Json::String(id)},
       {"meta", Json::Object({{"lastUpdated", Json::String(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", now, absl::UTCTimeZone()))}})},
       {"active", Json::Bool(decision.link)},
       {"author", Json::Object({{"identifier", Json::Object({{"system", Json::String("urn:ietf:rfc:3986")},
                                                             {"value", Json::String(decision.actor)}})}})},
       {"item", Json::Array({Json::Object({{"type", Json::String("source")}, {"resource", own}}),
                             Json::Object({{"type", Json::String("alternate")}, {"resource", other}})})}});
}

// FHIR id of the patient's Patient resource; empty when there is none.
absl::StatusOr<std::string> FhirIdOf(const PatientRecords& records, const PatientLink& link) {
  const auto opened = records.Open(link, kPurpose);
  if (!opened.ok()) return opened.status();
  for (const OpenedRecord& record : **opened)
    if (record.resource_type == "Patient") return record.id;
  return std::string();
}

}  // namespace

MatchReview::MatchReview(const tenants::Partitions& partitions, const tenants::Registry& registry, keys::Sealer& sealer,
                         const Locator& locator, const PatientRecords& records, RulesOf rules, const Clock& network_clock)
    : partitions_(partitions), registry_(registry), sealer_(sealer), locator_(locator), records_(records), rules_(std::move(rules)), clock_(network_clock) {}

struct MatchReview::Known {
  PersonCharts charts;
  const PersonChart* chart = nullptr;
  const OpenedRecord* patient = nullptr;
};

absl::StatusOr<std::optional<MatchReview::Known>> MatchReview::Find(const TenantId& reader, const PatientLink& other) const {
  const auto tenant = registry_.FindById(reader.text());
  if (!tenant || partitions_.FindById(other.tenant) == nullptr) return std::nullopt;
  const auto person = locator_.PersonOf(other);
  if (!person.ok()) return person.status();
  auto charts = PersonCharts::Open({partitions_, records_, rules_, clock_}, LinksAt(other.tenant, *person), {*tenant, std::string(kActReason)}, kPurpose);
  // What cannot be read there looks like what is not there.
  if (!charts.ok()) return std::nullopt;
  Known known{*std::move(charts)};
  for (const PersonChart& chart : known.charts.charts())
    for (const OpenedRecord& record : *chart.records)
      if (chart.link == other && record.resource_type == "Patient" && chart.gate->Judge(record).decision.permit) {
        known.chart = &chart;
        known.patient = &record;
        return known;
      }
  return std::nullopt;
}

absl::StatusOr<bool> MatchReview::MayKnow(const TenantId& reader, const PatientLink& other) const {
  if (other.tenant == reader) return true;
  const auto known = Find(reader, other);
  if (!known.ok()) return known.status();
  return known->has_value();
}

absl::StatusOr<bool> MatchReview::Disclose(const PatientLink& own, const PatientLink& other, std::string_view actor) const {
  if (other.tenant == own.tenant) return true;
  const auto found = Find(own.tenant, other);
  if (!found.ok()) return found.status();
  if (!found->has_value()) return false;
  const Known& known = **found;
  const tenants::Partition& source = *known.chart->partition;
  const auto recipient = registry_.FindById(own.tenant.text());
  const Judgement judgement = known.chart->gate->Judge(*known.patient);
  const DisclosureRecord record{.patient = other,
                                .reader_patient = own.patient,
                                .facts = {NewDisclosureId(), known.chart->asked, source.tenant, *recipient, known.patient->id, std::string(actor), "",
                                          std::string(kActReason), absl::StrCat("Patient/", known.patient->id, "/_history/", known.patient->version), judgement,
                                          known.chart->gate->Explain(*known.patient, judgement, known.chart->consent_version).Text(), std::nullopt},
                                .record_sha256 = "",
                                .detail = Json::Object({{"reader", Json::String(std::string(actor))}, {"review", Json::String(std::string(kPurpose))}}),
                                .provenance = Json(),
                                .consent_version = known.chart->consent_version,
                                .chart_through = known.chart->through,
                                .judged_with = known.charts.JudgedWith(*known.chart)};
  tenants::Write write;
  if (absl::Status status = AddDisclosure(sealer_, record, write); !status.ok()) return status;
  // Whoever turns the pages of a queue all day long leaves one account of each.
  const std::string day = absl::FormatTime("%Y-%m-%d", clock_.Now(), absl::UTCTimeZone());
  write.idempotency_key = HashOf("custodian/match-shown/v1", {NameOf(own), NameOf(other), actor, day, absl::StrCat(known.chart->consent_version),
                                                              absl::StrCat(known.patient->version)});
  write.request_digest = write.idempotency_key;
  const auto admitted = source.writer->Apply(std::move(write));
  if (absl::IsFailedPrecondition(admitted.status())) return false;
  if (!admitted.ok()) return admitted.status();
  return !admitted->replayed || source.writer->IsUnchangedSince(other.patient, known.chart->through);
}

absl::StatusOr<MatchReview::Page> MatchReview::Queue(const TenantId& tenant, std::string_view actor, std::string_view after) const {
  std::string after_bytes;
  if (!after.empty()) {
    auto bytes = HexDecode(after);
    if (!bytes.ok()) return absl::InvalidArgumentError("after: expected the `next` of the page before");
    after_bytes = *std::move(bytes);
  }
  const auto patients = locator_.PatientsOf(tenant, after_bytes, kPatientsPerPage);
  if (!patients.ok()) return patients.status();
  Page page;
  if (patients->size() == static_cast<std::size_t>(kPatientsPerPage)) page.next = patients->back().patient.hex();
  for (const PatientLink& own : *patients) {
    const auto doubts = locator_.Doubts(own);
    if (!doubts.ok()) return doubts.status();
    std::optional<std::string> own_id;
    for (const Locator::Doubt& doubt : *doubts) {
      const auto shown = Disclose(own, doubt.other, actor);
      if (!shown.ok()) return shown.status();
      if (!*shown) continue;
      if (!own_id) {
        auto id = FhirIdOf(records_, own);
        if (!id.ok()) return id.status();
        own_id = *std::move(id);
      }
      Item item;
      item.patient = *own_id;
      item.other = NameOf(doubt.other);
      if (const auto other_tenant = registry_.FindById(doubt.other.tenant.text())) item.other_tenant = other_tenant->name;
      if (doubt.other.tenant == tenant) {
        auto id = FhirIdOf(records_, doubt.other);
        if (!id.ok()) return id.status();
        item.other_patient = *std::move(id);
      }
      item.match = doubt.match;
      page.items.push_back(std::move(item));
    }
  }
  return page;
}

absl::StatusOr<bool> MatchReview::MayDecide(const PatientLink& own, const PatientLink& other, bool link) const {
  if (!link) {
    const auto same = locator_.PersonOf(own);
    if (!same.ok()) return same.status();
    if (std::binary_search(same->begin(), same->end(), other) && own != other) return true;
  }
  const auto known = locator_.MayBeSame(own, other);
  if (!known.ok()) return known.status();
  if (!*known) return false;
  return MayKnow(own.tenant, other);
}

absl::StatusOr<std::uint64_t> MatchReview::Decide(const TenantId& tenant, const Decision& decision) const {
  if (decision.idempotency_key.empty() || decision.idempotency_key.size() > kIdempotencyKeyBytesMax)
    return absl::InvalidArgumentError(absl::StrCat("idempotency_key must have 1 to ", kIdempotencyKeyBytesMax, " bytes"));
  if (decision.reason.empty() || decision.reason.size() > kReasonBytesMax)
    return absl::InvalidArgumentError(absl::StrCat("reason must have 1 to ", kReasonBytesMax, " bytes"));
  const auto other = LinkOf(decision.other);
  if (!other.ok()) return other.status();
  tenants::Partition* partition = partitions_.FindById(tenant);
  if (partition == nullptr) return absl::UnavailableError("the tenant's partition does not run here; try again in a second");
  const auto patient = records_.FindPatient(tenant, decision.patient);
  if (absl::IsNotFound(patient.status())) return NoSuchPair();
  if (!patient.ok()) return patient.status();
  const PatientLink own{tenant, *patient};

  const std::string linkage_id = LinkageIdOf(own, *other);
  const auto record = sealer_.RecordIdOf(tenant, "Linkage", linkage_id);
  if (!record.ok()) return record.status();
  const auto stored = RecordStore(*partition->database).Newest(*record);
  if (!stored.ok()) return stored.status();
  // What was decided once may be decided anew.
  if (!stored->has_value()) {
    const auto may = MayDecide(own, *other, decision.link);
    if (!may.ok()) return may.status();
    if (!*may) return NoSuchPair();
  }
  const std::uint64_t version = stored->has_value() ? (*stored)->version + 1 : 1;
  auto sealed = sealer_.Seal({tenant, own.patient, record->bytes(), version}, LinkageOf(linkage_id, decision, clock_.Now()).Text(), kPurpose);
  if (!sealed.ok()) return sealed.status();

  tenants::Write write;
  write.idempotency_key = HashOf("custodian/match/v1", {decision.actor, decision.idempotency_key});
  write.request_digest = HashOf("custodian/match-request/v1", {decision.patient, decision.other, decision.link ? "link" : "unlink", decision.reason});
  ledger::v1::Entry entry;
  entry.set_kind(ledger::v1::KIND_RECORD_STORED);
  entry.add_record_sha256(std::string(ledger::AsBytes(sealed->sha256)));
  entry.mutable_record_stored()->add_record_id(record->bytes());
  entry.mutable_record_stored()->add_version(version);
  const Json detail = Json::Object({{"actor", Json::String(decision.actor)},
                                    {"decision", Json::String(decision.link ? "link" : "unlink")},
                                    {"other", Json::String(decision.other)},
                                    {"reason", Json::String(decision.reason)}});
  if (absl::Status status = SetDetail(sealer_, tenant, own.patient, detail.Text(), kDetailBytes, entry); !status.ok()) return status;
  write.entries.push_back(std::move(entry));
  write.rows.push_back(RecordRow(*record, version, own.patient, std::move(sealed->ciphertext), 0));
  write.rows.push_back(tenants::OutboxRow("match", own.patient));
  const auto admitted = partition->writer->Apply(std::move(write));
  if (!admitted.ok()) return admitted.status();
  // What follows is not lost if this fails: the outbox is drained again.
  if (absl::Status drained = partition->outbox->Drain(); !drained.ok() && !absl::IsUnavailable(drained)) return drained;
  return admitted->first_index;
}

absl::Status ApplyDecisions(Locator& locator, const PatientRecords& records, const PatientLink& patient,
                            const std::function<absl::Status(const PatientLink&)>& follow) {
  const auto opened = records.Open(patient, kPurpose);
  if (!opened.ok()) return opened.status();
  for (const OpenedRecord& record : **opened) {
    if (record.resource_type != "Linkage") continue;
    const auto linkage = Json::Parse(record.json);
    if (!linkage.ok()) return linkage.status();
    for (const Json& item : (*linkage)["item"].items()) {
      const Json& identifier = item["resource"]["identifier"];
      if (identifier.TextOf("system") != kOtherSystem) continue;
      const auto other = LinkOf(identifier.TextOf("value"));
      if (!other.ok() || *other == patient) continue;
      if (absl::Status status = locator.Decide(patient, *other, (*linkage)["active"].boolean(), static_cast<std::int64_t>(record.version));
          !status.ok())
        return status;
    }
  }
  return locator.FollowChanges(patient, follow);
}

}  // namespace custodian::exchange
