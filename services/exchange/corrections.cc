#include "services/exchange/corrections.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ledger/entry.h"
#include "services/exchange/correction_store.h"
#include "services/exchange/detail.h"
#include "services/exchange/disclosure_record.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/person_chart.h"
#include "services/exchange/record_store.h"
#include "spdlog/spdlog.h"

namespace custodian::exchange {
namespace {

using ledger::v1::Entry;

constexpr std::string_view kPurpose = "correction";
// All details of one kind have one size.
constexpr std::size_t kDetailBytes = 1'024;
constexpr int kAttempts = 3;

Json Text(std::string_view text) { return Json::String(std::string(text)); }

// One sealed version of an alert, with the entry that names it behind the first one of the Write.
absl::Status AddAlert(keys::Sealer& sealer, const PatientLink& reader, const RecordId& record, std::uint64_t version, const Json& alert,
                      Entry first, tenants::Write& write) {
  auto sealed = sealer.Seal({reader.tenant, reader.patient, record.bytes(), version}, alert.Text(), kPurpose);
  if (!sealed.ok()) return sealed.status();
  Entry stored;
  stored.set_kind(ledger::v1::KIND_RECORD_STORED);
  stored.set_subject(reader.patient.bytes());
  stored.add_record_sha256(std::string(ledger::AsBytes(sealed->sha256)));
  stored.mutable_record_stored()->add_record_id(record.bytes());
  stored.mutable_record_stored()->add_version(version);
  write.entries = {std::move(first), std::move(stored)};
  write.rows.push_back(RecordRow(record, version, reader.patient, std::move(sealed->ciphertext), 1));
  return absl::OkStatus();
}

}  // namespace

// What one reader was shown of one result, as the DISCLOSURE entries say.
struct Corrections::Shown {
  PatientLink reader;
  // "Type/id".
  std::string resource;
  // Of the first time; `index` is that entry's.
  std::uint64_t version = 0;
  std::uint64_t index = 0;
  absl::Time time;
  // The entry of the last time.
  std::uint64_t last_index = 0;
};

struct Corrections::Found {
  Shown shown;
  Correction correction = Correction::kAmended;
  // The version that corrects it; 0 for a link.
  std::uint64_t version = 0;
};

Corrections::Corrections(std::string public_url, const tenants::Partitions& partitions, keys::Sealer& sealer, const Locator& locator, const PatientRecords& records,
                         const Clock& network_clock)
    : public_url_(std::move(public_url)), partitions_(partitions), sealer_(sealer), locator_(locator), records_(records), clock_(network_clock) {}

absl::Status Corrections::AlertReaders(const PatientLink& patient) const {
  const tenants::Partition* source = partitions_.FindById(patient.tenant);
  if (source == nullptr) return absl::UnavailableError("the source's partition does not run here");
  const auto shown = ShownOf(*source, patient.patient);
  if (!shown.ok()) return shown.status();
  if (shown->empty()) return absl::OkStatus();
  const auto corrected = FindCorrected(*source, patient.patient, *shown);
  if (!corrected.ok()) return corrected.status();
  for (const Found& found : *corrected) {
    const absl::Status status = Alert(*source, found);
    if (IsOfTheChart(status)) {
      spdlog::error("event=correction_not_told alarm=true tenant={} code={}", found.shown.reader.tenant.text(), absl::StatusCodeToString(status.code()));
      continue;
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// One for each reader's patient and result.
absl::StatusOr<std::vector<Corrections::Shown>> Corrections::ShownOf(const tenants::Partition& source, const PatientId& patient) const {
  const auto accounts = RecordStore(*source.database).AccountsOfPatient(patient);
  if (!accounts.ok()) return accounts.status();
  std::map<std::pair<PatientLink, std::string>, Shown> known;
  for (const std::uint64_t account : *accounts) {
    // An account's RECORD_STORED stands right behind the entry that it accounts for.
    const std::uint64_t index = account - 1;
    const auto leaves = source.log->Leaves(index, 1);
    if (!leaves.ok()) return leaves.status();
    const auto leaf = ledger::ParseLeaf(leaves->front());
    if (!leaf.ok()) return absl::DataLossError(absl::StrCat("leaf ", index, " cannot be read"));
    if (leaf->entry.kind() != ledger::v1::KIND_DISCLOSURE) continue;
    const auto text = OpenDetail(sealer_, {source.tenant.id, patient, "", 1}, leaf->entry.sealed_detail(), leaf->entry.detail_commitment(), kPurpose);
    // Without the key there is no result left that could be corrected.
    if (IsOfTheChart(text.status())) {
      spdlog::error("event=disclosure_unreadable alarm=true tenant={} index={}", source.tenant.id.text(), index);
      continue;
    }
    if (!text.ok()) return text.status();
    const auto detail = Json::Parse(*text);
    if (!detail.ok()) return absl::DataLossError(absl::StrCat("the detail of leaf ", index, " is no JSON"));
    // Who might be one person was compared (match_review); nothing was relied on, and nobody was linked.
    if (detail->Find("review") != nullptr) continue;
    // It decided about a card, and was no result that anybody read.
    if (detail->Find("gate") != nullptr) continue;
    const auto tenant = TenantId::Parse(detail->TextOf("tenant"));
    const auto bytes = HexDecode(detail->TextOf("reader_patient"));
    const std::vector<std::string> resource = absl::StrSplit(detail->TextOf("resource"), "/_history/");
    Shown shown;
    // Disclosures of before did not name the reader's patient.
    if (!tenant.ok() || !bytes.ok() || bytes->size() != 16 || resource.size() != 2 || !absl::SimpleAtoi(resource[1], &shown.version)) continue;
    shown.reader = {*tenant, PatientId::FromBytes(*bytes).value()};
    shown.resource = resource[0];
    shown.index = index;
    shown.time = absl::FromUnixSeconds(leaf->entry.time().seconds()) + absl::Nanoseconds(leaf->entry.time().nanos());
    known.try_emplace({shown.reader, shown.resource}, shown).first->second.last_index = index;
  }
  std::vector<Shown> all;
  for (auto& [key, shown] : known) all.push_back(std::move(shown));
  return all;
}

absl::StatusOr<std::vector<Corrections::Found>> Corrections::FindCorrected(const tenants::Partition& source, const PatientId& patient,
                                                                           const std::vector<Shown>& shown) const {
  const TenantId& tenant = source.tenant.id;
  const auto same = locator_.PersonOf({tenant, patient});
  if (!same.ok()) return same.status();
  std::vector<RecordId> ids;
  for (const Shown& one : shown) {
    const std::pair<std::string, std::string> name = absl::StrSplit(one.resource, absl::MaxSplits('/', 1));
    const auto id = sealer_.RecordIdOf(tenant, name.first, name.second);
    if (!id.ok()) return id.status();
    ids.push_back(*id);
  }
  const auto rows = RecordStore(*source.database).NewestOf(ids);
  if (!rows.ok()) return rows.status();
  std::map<RecordId, const SealedRecord*> newest;
  for (const SealedRecord& row : *rows) newest[row.record] = &row;
  std::vector<Found> corrected;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    // What happens to it from then on is no concern of theirs.
    if (std::find(same->begin(), same->end(), shown[i].reader) == same->end()) {
      corrected.push_back({shown[i], Correction::kUnlinked, 0});
      continue;
    }
    const auto row = newest.find(ids[i]);
    if (row == newest.end() || row->second->version <= shown[i].version) continue;
    Found found{shown[i], Correction::kWithdrawn, row->second->version};
    if (!row->second->deleted) {
      const auto opened = OpenRecord(source.tenant, *row->second, sealer_, kPurpose);
      if (!opened.ok()) return opened.status();
      if (!IsWithdrawn(*opened->parsed)) found.correction = Correction::kAmended;
    }
    corrected.push_back(std::move(found));
  }
  return corrected;
}

absl::Status Corrections::Alert(const tenants::Partition& source, const Found& found) const {
  const PatientLink& reader = found.shown.reader;
  const tenants::Partition* partition = partitions_.FindById(reader.tenant);
  if (partition == nullptr) return absl::UnavailableError("the reader's partition does not run here");
  // Told once of each version; of a link once for what was shown under it, and anew when it was made and used again.
  const std::uint64_t occasion = found.correction == Correction::kUnlinked ? found.shown.last_index : found.version;
  const auto key = sealer_.IndexToken(reader.tenant, absl::StrCat("correction\n", source.tenant.id.text(), "\n", reader.patient.hex(), "\n", found.shown.resource,
                                                                  "\n", std::string(NameOf(found.correction)), "\n", occasion));
  if (!key.ok()) return key.status();
  const std::string id = absl::StrCat(std::string(kCorrectionPrefix), HexEncode(key->substr(0, 16)));
  const auto record = sealer_.RecordIdOf(reader.tenant, "Communication", id);
  if (!record.ok()) return record.status();
  const auto told = RecordStore(*partition->database).Heads({*record});
  if (!told.ok()) return told.status();
  if (!told->empty()) return absl::OkStatus();
  const auto chart = records_.Open(reader, kPurpose);
  if (!chart.ok()) return chart.status();
  const std::string patient = PatientIdIn(**chart);
  if (patient.empty()) return absl::NotFoundError("the reader's patient is gone");

  const Json alert = CorrectionAlert({id, found.correction, source.tenant,
                                      absl::StrCat(public_url_, "/fhir/", source.tenant.id.text(), "/", found.shown.resource), patient,
                                      found.shown.time, clock_.Now(), ZoneOf(partition->tenant.time_zone)});
  Entry alerted;
  alerted.set_kind(ledger::v1::KIND_CORRECTION_ALERTED);
  const Json detail = Json::Object({{"alert", Text(id)},
                                    {"correction", Text(NameOf(found.correction))},
                                    {"disclosure", Text(absl::StrCat(source.tenant.origin, "#", found.shown.index))},
                                    {"resource", Text(found.shown.resource)},
                                    {"tenant", Text(source.tenant.id.text())},
                                    {"version", Json::Integer(static_cast<std::int64_t>(found.version))}});
  if (absl::Status status = SetDetail(sealer_, reader.tenant, reader.patient, detail.Text(), kDetailBytes, alerted); !status.ok()) return status;
  tenants::Write write;
  write.idempotency_key = *key;
  write.request_digest = *key;
  write.rows.push_back(CorrectionRow(*record, reader.patient, 0));
  if (absl::Status status = AddAlert(sealer_, reader, *record, 1, alert, std::move(alerted), write); !status.ok()) return status;
  return partition->writer->Apply(std::move(write)).status();
}

absl::StatusOr<std::vector<OpenedRecord>> Corrections::Open(const tenants::Partition& reader) const {
  const auto open = CorrectionStore(*reader.database).Open(kOpenMax);
  if (!open.ok()) return open.status();
  const auto rows = RecordStore(*reader.database).NewestOf(*open);
  if (!rows.ok()) return rows.status();
  std::map<RecordId, const SealedRecord*> newest;
  for (const SealedRecord& row : *rows) newest[row.record] = &row;
  std::vector<OpenedRecord> alerts;
  for (const RecordId& record : *open) {
    const auto row = newest.find(record);
    if (row == newest.end()) continue;
    auto opened = OpenRecord(reader.tenant, *row->second, sealer_, kPurpose);
    // One whose patient's key is gone is nobody's any more, and must not hide the others.
    if (IsOfTheChart(opened.status())) {
      spdlog::error("event=correction_unreadable alarm=true tenant={} code={}", reader.tenant.id.text(), absl::StatusCodeToString(opened.status().code()));
      continue;
    }
    if (!opened.ok()) return opened.status();
    alerts.push_back(*std::move(opened));
  }
  return alerts;
}

absl::StatusOr<OpenedRecord> Corrections::Acknowledge(const tenants::Partition& reader, std::string_view id, const std::string& who,
                                                      const std::string& note) const {
  const TenantId& tenant = reader.tenant.id;
  const auto record = sealer_.RecordIdOf(tenant, "Communication", id);
  if (!record.ok()) return record.status();
  for (int attempt = 1;; ++attempt) {
    const auto row = RecordStore(*reader.database).Newest(*record);
    if (!row.ok()) return row.status();
    if (!row->has_value() || !id.starts_with(kCorrectionPrefix)) return absl::NotFoundError("no such alert");
    auto opened = OpenRecord(reader.tenant, **row, sealer_, kPurpose);
    if (!opened.ok() || IsAcknowledged(*opened->parsed)) return opened;
    if (attempt > kAttempts) return absl::AbortedError("an acknowledgement lost every race");
    Json alert = *opened->parsed;
    SetAcknowledged(alert, who, clock_.Now(), note);
    const PatientLink patient{tenant, (*row)->patient};
    const auto key = sealer_.IndexToken(tenant, absl::StrCat("correction-acknowledged\n", std::string(id)));
    if (!key.ok()) return key.status();
    Entry acknowledged;
    acknowledged.set_kind(ledger::v1::KIND_CORRECTION_ACKNOWLEDGED);
    acknowledged.set_reported(true);
    const Json detail = Json::Object({{"alert", Text(id)}, {"client", Text(who)}});
    if (absl::Status status = SetDetail(sealer_, tenant, patient.patient, detail.Text(), kDetailBytes, acknowledged); !status.ok()) return status;
    tenants::Write write;
    write.idempotency_key = *key;
    // Whoever comes second finds the first one's.
    write.request_digest = *key;
    write.rows.push_back(CorrectionAcknowledgedRow(*record, patient.patient, 0));
    if (absl::Status status = AddAlert(sealer_, patient, *record, (*row)->version + 1, alert, std::move(acknowledged), write); !status.ok()) return status;
    const auto admitted = reader.writer->Apply(std::move(write));
    if (!admitted.ok() && !absl::IsAlreadyExists(admitted.status()) && !absl::IsAborted(admitted.status())) return admitted.status();
  }
}

}  // namespace custodian::exchange
