#include "services/exchange/fhir_disclosure.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/exchange/detail.h"
#include "services/exchange/fhir_answer.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/person_chart.h"
#include "services/exchange/provenance.h"
#include "services/exchange/record_store.h"
#include "services/exchange/redisclosure.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {
namespace {

using ledger::v1::Entry;

constexpr std::string_view kPurpose = "fhir-disclosure";
// All details of one kind have one size.
constexpr std::size_t kDetailBytes = 1'024;
// Consent, record or link may change between decision and commit; each change is decided anew.
constexpr int kAttempts = 3;
constexpr absl::Duration kReceiptPoll = absl::Milliseconds(50);

absl::Status NotForReader() { return absl::NotFoundError("nothing that this client may read"); }

std::string HashText(const ledger::Hash& hash) { return std::string(reinterpret_cast<const char*>(hash.data()), hash.size()); }

// Each read is a disclosure of its own: nothing is repeated, so the key is random.
tenants::Write NewWrite() {
  tenants::Write write;
  write.idempotency_key = RandomBytes(32);
  write.request_digest = RandomBytes(32);
  return write;
}

}  // namespace

FhirDisclosure::FhirDisclosure(const tenants::Partitions& partitions, keys::Sealer& sealer, const Locator& locator,
                               const PatientRecords& records, const Clock& network_clock, ReceiptSource receipt, RulesOf rules, OnRefused refused)
    : partitions_(partitions), sealer_(sealer), locator_(locator), records_(records), clock_(network_clock), receipt_(std::move(receipt)),
      rules_(std::move(rules)), refused_(std::move(refused)) {}

absl::StatusOr<FhirDisclosure::Disclosed> FhirDisclosure::Disclose(const tenants::Partition& source, const tenants::Client& reader,
                                                                   std::string_view type, std::string_view id,
                                                                   const std::optional<Emergency>& emergency) const {
  const tenants::Partition* requester = partitions_.FindById(reader.tenant);
  if (requester == nullptr || reader.purpose.empty()) return NotForReader();
  const auto record_id = sealer_.RecordIdOf(source.tenant.id, type, id);
  if (!record_id.ok()) return record_id.status();
  const auto whose = records_.PatientOfRecord(source, *record_id);
  if (!whose.ok()) return whose.status();
  if (!whose->has_value()) return NotForReader();
  const PatientLink patient{source.tenant.id, **whose};
  for (int attempt = 1;; ++attempt) {
    const auto person = attempt == 1 ? locator_.PersonOf(patient) : locator_.JudgePerson(patient);
    if (!person.ok()) return person.status();
    const std::vector<PatientLink> own = LinksAt(reader.tenant, *person);
    if (own.empty()) return NotForReader();
    const auto charts = PersonCharts::Open({partitions_, records_, rules_, clock_}, LinksAt(source.tenant.id, *person), {requester->tenant, reader.purpose},
                                           kPurpose);
    if (!charts.ok()) return charts.status();
    const auto chart = std::find_if(charts->charts().begin(), charts->charts().end(), [&patient](const PersonChart& each) { return each.link == patient; });
    const OpenedRecord* opened = chart == charts->charts().end() ? nullptr : chart->Find(*record_id);
    if (opened == nullptr) return NotForReader();
    const std::vector<tenants::ExpectConsentVersion> judged_with = charts->JudgedWith(*chart);
    const Judgement judgement = chart->gate->Judge(*opened);
    const bool by_emergency = emergency.has_value() && IsForEmergencies(reader) && chart->gate->EmergencyOpens(judgement);
    if (!judgement.decision.permit && !by_emergency) {
      if (refused_)
        refused_({patient, opened->resource_type, opened->id, reader.tenant, reader.spiffe_id, "", reader.purpose, chart->asked, chart->consent_version,
                  chart->gate->rules(), judged_with, emergency});
      return NotForReader();
    }
    DisclosureRecord at_source{.patient = patient,
                               .reader_patient = own.front().patient,
                               .facts = {NewDisclosureId(), chart->asked, source.tenant, requester->tenant, PatientIdIn(*chart->records), reader.spiffe_id,
                                         // An emergency names its clinician, where consent permits too.
                                         emergency && !by_emergency ? emergency->recipient : "", reader.purpose,
                                         absl::StrCat(opened->resource_type, "/", opened->id, "/_history/", opened->version), judgement,
                                         chart->gate->Explain(*opened, judgement, chart->consent_version).Text(),
                                         by_emergency ? emergency : std::nullopt},
                               .record_sha256 = HashText(opened->sealed_sha256),
                               .detail = Json::Object({{"reader", Json::String(reader.spiffe_id)}}),
                               .provenance = Json(),
                               .consent_version = chart->consent_version,
                               .chart_through = chart->through,
                               .judged_with = judged_with};
    auto disclosed = Record(source, *requester, reader, *opened, std::move(at_source));
    if (disclosed.ok() && by_emergency) {
      ++emergencies_;
      spdlog::warn("event=break_glass alarm=true source={} reader={} index={}", source.tenant.id.text(), reader.tenant.text(), disclosed->index);
    }
    if (disclosed.ok() || !absl::IsFailedPrecondition(disclosed.status()) || attempt == kAttempts) return disclosed;
  }
}

bool FhirDisclosure::IsForEmergencies(const tenants::Client& client) { return client.purpose == "BTG" || client.purpose == "ETREAT"; }

absl::StatusOr<FhirDisclosure::Disclosed> FhirDisclosure::Record(const tenants::Partition& source, const tenants::Partition& requester,
                                                                 const tenants::Client& reader, OpenedRecord record, DisclosureRecord at_source) const {
  const std::string resource = absl::StrCat(record.resource_type, "/", record.id);
  at_source.provenance = DisclosureProvenance({at_source.facts.id, record.resource_type, record.id, record.version, at_source.facts.time,
                                               source.tenant, requester.tenant, reader.spiffe_id, reader.purpose});
  AddPart2Notice(at_source.facts, at_source.provenance);
  tenants::Write write = NewWrite();
  if (absl::Status status = AddDisclosure(sealer_, at_source, write); !status.ok()) return status;
  const auto admitted = source.writer->Apply(std::move(write));
  if (!admitted.ok()) return admitted.status();
  if (absl::Status status = CheckStillSo(source, locator_, record, at_source); !status.ok()) return status;

  tenants::Write at_reader = NewWrite();
  Entry opened;
  opened.set_kind(ledger::v1::KIND_CARD_OPENED);
  opened.set_reported(true);
  const Json opened_detail = Json::Object({{"disclosure", Json::String(absl::StrCat(source.tenant.origin, "#", admitted->first_index))},
                                           {"reader", Json::String(reader.spiffe_id)},
                                           {"resource", Json::String(resource)},
                                           {"tenant", Json::String(source.tenant.id.text())},
                                           {"version", Json::Integer(static_cast<std::int64_t>(record.version))}});
  if (absl::Status status = SetDetail(sealer_, reader.tenant, at_source.reader_patient, opened_detail.Text(), kDetailBytes, opened); !status.ok()) {
    return status;
  }
  at_reader.entries = {std::move(opened)};
  // A failure here leaves "recorded, perhaps not shown" behind, never the reverse.
  const auto shown = requester.writer->Apply(std::move(at_reader));
  if (!shown.ok()) return shown.status();
  return Disclosed{std::move(record), at_source.facts.id, at_source.facts.judgement.labels, Part2Notice(at_source.facts), admitted->first_index};
}

absl::StatusOr<Json> FhirDisclosure::ProvenanceOf(const tenants::Partition& source, const tenants::Client* reader, std::string_view id,
                                                  absl::Duration wait) const {
  const auto record_id = sealer_.RecordIdOf(source.tenant.id, "Provenance", id);
  if (!record_id.ok()) return record_id.status();
  const auto row = RecordStore(*source.database).Newest(*record_id);
  if (!row.ok()) return row.status();
  if (!row->has_value()) return NotForReader();
  const auto opened = OpenRecord(source.tenant, **row, sealer_, kPurpose);
  if (!opened.ok()) return opened.status();
  auto provenance = Json::Parse(opened->json);
  if (!provenance.ok()) return absl::DataLossError("a stored Provenance holds no JSON");
  const std::string client = DisclosedTo(*provenance);
  if (client.empty() || (reader != nullptr && client != reader->spiffe_id)) return NotForReader();
  // Its RECORD_STORED entry stands right behind the DISCLOSURE.
  const std::uint64_t index = (*row)->entry_index - 1;
  const auto receipt = Receipt(source.tenant.origin, index, wait);
  Json meta = Json::Object({{"versionId", Json::String("1")}, {"lastUpdated", Json::String(FormatInstant(opened->arrived))}});
  provenance->Set("meta", std::move(meta));
  AddReceipt(*provenance, source.tenant.origin, index, receipt.ok() ? *receipt : "");
  return *std::move(provenance);
}

absl::StatusOr<Json> FhirDisclosure::AuditOf(const tenants::Partition& source, std::string_view id, absl::Duration wait) const {
  const auto record_id = sealer_.RecordIdOf(source.tenant.id, "AuditEvent", id);
  if (!record_id.ok()) return record_id.status();
  const auto row = RecordStore(*source.database).Newest(*record_id);
  if (!row.ok()) return row.status();
  if (!row->has_value() || !id.starts_with(kDisclosurePrefix)) return NotForReader();
  const auto opened = OpenRecord(source.tenant, **row, sealer_, kPurpose);
  if (!opened.ok()) return opened.status();
  auto audit = WithMeta(*opened);
  if (!audit.ok()) return audit.status();
  // Its RECORD_STORED entry stands right behind DISCLOSURE or DISCLOSURES_REFUSED.
  const std::uint64_t index = (*row)->entry_index - 1;
  const auto receipt = Receipt(source.tenant.origin, index, wait);
  AddAuditReceipt(*audit, source.tenant.origin, index, receipt.ok() ? *receipt : "");
  return audit;
}

absl::StatusOr<std::string> FhirDisclosure::Receipt(std::string_view origin, std::uint64_t index, absl::Duration wait) const {
  const absl::Time deadline = absl::Now() + wait;
  auto receipt = receipt_(origin, index);
  while (!receipt.ok() && absl::Now() < deadline) {
    absl::SleepFor(kReceiptPoll);
    receipt = receipt_(origin, index);
  }
  return receipt;
}

}  // namespace custodian::exchange
