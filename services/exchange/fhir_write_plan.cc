#include "services/exchange/fhir_write_plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/correction.h"
#include "services/exchange/detail.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/identifier_index.h"
#include "services/exchange/locator.h"
#include "services/exchange/patient_records.h"
#include "tenants/outbox.h"

namespace custodian::exchange {
namespace {

using ledger::v1::Entry;
using Method = TransactionEntry::Method;

constexpr std::string_view kPurpose = "fhir-write";
// Record versions and the index rows that lead to them, at most 58 bytes each: far below the 60,000 bytes of an entry.
constexpr std::size_t kHashesPerEntry = 900;
// Of what is about what is about ... in one transaction.
constexpr int kPlacingRounds = 4;
// A SPIFFE id, a hash and the salt.
constexpr std::size_t kReportBytes = 512;

// What a change of this type may alter in savings.
bool ConcernsSavings(const std::string& type) {
  static const std::set<std::string> kTypes = {"Patient",     "DiagnosticReport", "ImagingStudy",
                                               "Observation", "ServiceRequest",   "Procedure"};
  return kTypes.contains(type);
}

// A random UUID, version 4 (RFC 9562).
std::string UuidOf(std::string bytes) {
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  const std::string hex = HexEncode(bytes);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-", hex.substr(16, 4), "-", hex.substr(20));
}

// As stored: type and id first, then the rest as it came; of a deletion no more than these.
std::string StoredText(TransactionEntry& entry) {
  if (!entry.resource.is_object()) entry.resource = Json::Object();
  auto& members = entry.resource.members();
  std::erase_if(members, [](const Json::Member& member) { return member.name == "resourceType" || member.name == "id"; });
  members.insert(members.begin(), {{"resourceType", Json::String(entry.type)}, {"id", Json::String(entry.id)}});
  return entry.resource.Text();
}

std::string HashBytes(const ledger::Hash& hash) { return std::string(reinterpret_cast<const char*>(hash.data()), hash.size()); }

}  // namespace

WritePlan::WritePlan(const FhirWriter::Request& request, keys::Sealer& sealer, keys::KeyClient& keys, std::size_t patients_max,
                     std::map<RecordId, PatientId>& new_patients, const std::function<bool(const std::string&)>& is_recorded)
    : request_(request),
      tenant_(request.partition->tenant.id),
      sealer_(sealer),
      keys_(keys),
      store_(*request.partition->database),
      patients_max_(patients_max),
      new_patients_(new_patients),
      is_recorded_(is_recorded),
      entries_(request.entries) {}

std::optional<Refusal> WritePlan::Make() {
  if (auto refusal = Prepare()) return refusal;
  if (auto refusal = FindRecords()) return refusal;
  if (auto refusal = FindPatients()) return refusal;
  if (auto refusal = CheckPatientDeletions()) return refusal;
  if (auto refusal = ChooseVersions()) return refusal;
  if (absl::Status status = MakeKeys(); !status.ok()) return RefusalOf(status);
  if (absl::Status status = SealAll(); !status.ok()) return RefusalOf(status);
  if (absl::Status status = AddAnswer(); !status.ok()) return RefusalOf(status);
  if (absl::Status status = AddRecordEntries(); !status.ok()) return RefusalOf(status);
  if (absl::Status status = AddConsentEntries(); !status.ok()) return RefusalOf(status);
  AddOutboxRows();
  write_.rows.insert(write_.rows.end(), request_.rows.begin(), request_.rows.end());
  return std::nullopt;
}

std::vector<StoredEntry> WritePlan::Result() const {
  std::vector<StoredEntry> result;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    result.push_back({entries_[i].type, entries_[i].id, planned_[i].version, planned_[i].created, IsDeletion(entries_[i])});
  }
  return result;
}

absl::StatusOr<std::string> WritePlan::Token(std::string_view what, std::string_view value) {
  return sealer_.IndexToken(tenant_, absl::StrCat(std::string(what), "\n", std::string(value)));
}

absl::StatusOr<std::string> WritePlan::NewId(const TransactionEntry& entry) {
  const auto condition = entry.query().empty() ? std::nullopt : ParseCondition(entry.type, entry.query(), request_.base_url);
  if (!condition.has_value()) return UuidOf(RandomBytes(16));
  // Two conditional creates at once must collide, so that the second finds the first's resource.
  const auto token = Token("conditional-create", absl::StrCat(entry.type, "?identifier=", condition->identifier.system, "|", condition->identifier.value));
  if (!token.ok()) return token.status();
  const std::string id = UuidOf(token->substr(0, 16));
  const auto record = sealer_.RecordIdOf(tenant_, entry.type, id);
  if (!record.ok()) return record.status();
  // Made by an earlier conditional create, and has since lost the identifier: a new resource then.
  const auto heads = store_.Heads({*record});
  if (!heads.ok()) return heads.status();
  return heads->empty() ? id : UuidOf(RandomBytes(16));
}

std::optional<Refusal> WritePlan::Prepare() {
  absl::Status failed;
  const auto new_id = [&](const TransactionEntry& entry) {
    auto id = NewId(entry);
    if (!id.ok()) failed = id.status();
    return id.ok() ? *std::move(id) : UuidOf(RandomBytes(16));
  };
  const Lookup lookup = [&](const std::vector<IdentifierQuery>& queries) {
    return OpenByIdentifiers(*request_.partition, sealer_, queries, kPurpose);
  };
  auto refusal = PrepareEntries(entries_, {request_.base_url, ZoneOf(request_.partition->tenant.time_zone)}, lookup, new_id);
  if (!failed.ok()) return RefusalOf(failed);
  return refusal;
}

// Record ids, and what is stored of the entries and of the patients they name.
std::optional<Refusal> WritePlan::FindRecords() {
  std::vector<RecordId> wanted;
  planned_.resize(entries_.size());
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].id.empty()) continue;
    const auto record = sealer_.RecordIdOf(tenant_, entries_[i].type, entries_[i].id);
    if (!record.ok()) return RefusalOf(record.status());
    planned_[i].record = *record;
    wanted.push_back(*record);
    if (entries_[i].exists || IsDeletion(entries_[i])) continue;
    if (entries_[i].type == "Patient") stored_patients_.insert(*record);
    planned_[i].subject = SubjectOf(entries_[i].resource, entries_[i].resource_path);
    for (const LocalReference& about : SubjectRecords(entries_[i].resource)) {
      const auto named = sealer_.RecordIdOf(tenant_, about.type, about.id);
      if (!named.ok()) return RefusalOf(named.status());
      planned_[i].about.push_back(*named);
      wanted.push_back(*named);
    }
    if (!planned_[i].subject.has_value()) continue;
    const std::string& fhir_id = planned_[i].subject->fhir_id;
    if (patient_records_.contains(fhir_id)) continue;
    const auto patient = sealer_.RecordIdOf(tenant_, "Patient", fhir_id);
    if (!patient.ok()) return RefusalOf(patient.status());
    patient_records_[fhir_id] = *patient;
    wanted.push_back(*patient);
  }
  auto heads = store_.Heads(wanted);
  if (!heads.ok()) return RefusalOf(heads.status());
  heads_ = *std::move(heads);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!IsDeletion(entries_[i])) continue;
    const auto head = heads_.find(planned_[i].record);
    if (head == heads_.end() || head->second.deleted) {
      entries_[i].exists = true;
    } else {
      deleted_.insert(planned_[i].record);
    }
  }
  return std::nullopt;
}

std::optional<Refusal> WritePlan::FindPatients() {
  std::set<PatientId> patients;
  std::vector<Issue> issues;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].type != "Patient" || entries_[i].exists || IsDeletion(entries_[i])) continue;
    if (heads_.contains(planned_[i].record)) continue;
    const auto [known, inserted] = new_patients_.try_emplace(planned_[i].record);
    if (inserted) known->second = PatientId::Random();
    created_.emplace(planned_[i].record, known->second);
  }
  for (const std::size_t i : PlacingOrder()) {
    Planned& planned = planned_[i];
    const auto head = heads_.find(planned.record);
    if (entries_[i].exists) {
      planned.version = head == heads_.end() ? (IsDeletion(entries_[i]) ? 0 : 1) : head->second.version;
      continue;
    }
    if (IsDeletion(entries_[i])) {
      if (absl::Status status = FindTenantResources(); !status.ok()) return RefusalOf(status);
      planned.patient = head->second.patient;
      patients.insert(planned.patient);
      continue;
    }
    if (entries_[i].type == "Consent" && !planned.subject.has_value()) {
      issues.push_back({"required", "A Consent must name the patient of this tenant who gives it.", entries_[i].resource_path + ".patient"});
      continue;
    }
    if (const auto unclear = UnclearSubject(entries_[i].resource, entries_[i].resource_path)) {
      issues.push_back({"not-found", absl::StrCat(*unclear, " must name whom the resource is about as Type/id of this tenant"), *unclear});
      continue;
    }
    const absl::StatusOr<std::optional<PatientId>> patient = PatientOf(planned);
    if (!patient.ok()) return RefusalOf(patient.status());
    if (!patient->has_value()) {
      issues.push_back({"not-found", absl::StrCat(planned.subject->path, " names no Patient of this tenant"), planned.subject->path});
      continue;
    }
    planned.patient = **patient;
    places_[planned.record] = planned.patient;
    patients.insert(planned.patient);
  }
  if (!issues.empty()) return Refusal{422, std::move(issues)};
  if (patients.size() > patients_max_) {
    return Refuse(413, "too-costly", absl::StrCat("One interaction may concern ", patients_max_, " patients; this one has ",
                                                  patients.size(), ". Send it in parts."));
  }
  patients_ = std::move(patients);
  return std::nullopt;
}

// A Patient goes last: what is stored of nobody could neither be found nor be shown to whom it is about.
std::optional<Refusal> WritePlan::CheckPatientDeletions() {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].type != "Patient" || !deleted_.contains(planned_[i].record)) continue;
    const auto live = store_.LiveOfPatient(planned_[i].patient);
    if (!live.ok()) return RefusalOf(live.status());
    const bool others = std::any_of(live->begin(), live->end(), [&](const RecordId& record) { return !deleted_.contains(record); });
    if (others) {
      return Refuse(409, "conflict", "The Patient has other resources: delete these first, or all in one transaction.",
                    entries_[i].path.empty() ? "Patient" : entries_[i].path);
    }
  }
  return std::nullopt;
}

absl::Status WritePlan::FindTenantResources() {
  if (tenant_resources_.has_value()) return absl::OkStatus();
  auto pseudo = TenantResources(tenant_, sealer_);
  if (!pseudo.ok()) return pseudo.status();
  tenant_resources_ = *pseudo;
  return absl::OkStatus();
}

std::vector<std::size_t> WritePlan::PlacingOrder() const {
  std::vector<std::size_t> order;
  std::vector<std::size_t> waiting;
  for (std::size_t i = 0; i < planned_.size(); ++i) (planned_[i].about.empty() ? order : waiting).push_back(i);
  for (int round = 0; round < kPlacingRounds && !waiting.empty(); ++round) {
    std::set<RecordId> unplaced;
    for (const std::size_t i : waiting) unplaced.insert(planned_[i].record);
    const auto ready = std::stable_partition(waiting.begin(), waiting.end(), [&](std::size_t i) {
      return std::any_of(planned_[i].about.begin(), planned_[i].about.end(), [&](const RecordId& record) { return unplaced.contains(record); });
    });
    order.insert(order.end(), ready, waiting.end());
    waiting.erase(ready, waiting.end());
  }
  order.insert(order.end(), waiting.begin(), waiting.end());
  return order;
}

std::optional<PatientId> WritePlan::PatientOfRecords(const Planned& planned) const {
  std::optional<PatientId> found;
  for (const RecordId& record : planned.about) {
    const auto placed = places_.find(record);
    const auto head = heads_.find(record);
    if (placed == places_.end() && head == heads_.end()) continue;
    const PatientId& patient = placed != places_.end() ? placed->second : head->second.patient;
    if (patient == tenant_resources_) continue;
    if (found.has_value() && *found != patient) return std::nullopt;
    found = patient;
  }
  return found;
}

absl::StatusOr<std::optional<PatientId>> WritePlan::PatientOf(const Planned& planned) {
  const bool is_named = planned.subject.has_value() && !planned.subject->elsewhere;
  if (!is_named) {
    if (absl::Status status = FindTenantResources(); !status.ok()) return status;
    // It stays where it is: no patient is named that it could have been moved from.
    if (const auto head = heads_.find(planned.record); head != heads_.end()) return std::optional(head->second.patient);
    if (const auto patient = PatientOfRecords(planned)) return patient;
    if (!planned.subject.has_value()) return tenant_resources_;
  }
  const RecordId& record = patient_records_[planned.subject->fhir_id];
  if (const auto created = created_.find(record); created != created_.end()) return std::optional(created->second);
  const auto head = heads_.find(record);
  const bool gone = head == heads_.end() || deleted_.contains(record) || (head->second.deleted && !stored_patients_.contains(record));
  return gone ? std::optional<PatientId>() : std::optional(head->second.patient);
}

std::optional<Refusal> WritePlan::ChooseVersions() {
  std::vector<Issue> issues;
  int status = 412;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const TransactionEntry& entry = entries_[i];
    const auto head = heads_.find(planned_[i].record);
    const bool is_live = head != heads_.end() && !head->second.deleted;
    const std::uint64_t current = head == heads_.end() ? 0 : head->second.version;
    const std::uint64_t stored = is_live ? current : 0;
    const bool is_other = entry.if_match.has_value() && !entry.if_match->Names(stored);
    if (is_other || (entry.if_none_match.has_value() && entry.if_none_match->Names(stored))) {
      issues.push_back({"conflict", absl::StrCat(is_other ? "If-Match" : "If-None-Match", " does not allow it: ",
                                                 is_live ? absl::StrCat("version ", current, " is stored") : "there is none"),
                        entry.resource_path});
    }
    if (entry.exists) continue;
    if (head != heads_.end() && head->second.patient != planned_[i].patient) {
      status = 422;
      issues.push_back({"business-rule", "An update cannot move a resource to another patient: mark it entered-in-error and post a new one.",
                        entry.resource_path});
    }
    planned_[i].version = current + 1;
    planned_[i].created = !is_live && !IsDeletion(entry);
  }
  if (!issues.empty()) return Refusal{status, std::move(issues)};
  return std::nullopt;
}

// Keys of patients that have none yet; each is recorded by a KEY_STORED entry of this Write.
absl::Status WritePlan::MakeKeys() {
  std::set<PatientId> keyless;
  for (const auto& [record, patient] : created_) keyless.insert(patient);
  std::vector<PatientId> pseudo;
  if (tenant_resources_.has_value() && patients_.contains(*tenant_resources_)) pseudo.push_back(*tenant_resources_);
  if (!request_.idempotency_key.empty() && request_.keep_answer) {
    const auto token = sealer_.IndexToken(tenant_, "tenant-answers");
    if (!token.ok()) return token.status();
    answers_ = PatientId::FromBytes(std::string_view(*token).substr(0, 16)).value();
    pseudo.push_back(*answers_);
  }
  for (const PatientId& patient : pseudo) {
    const auto has_records = store_.HasRecords(patient);
    if (!has_records.ok()) return has_records.status();
    if (!*has_records) keyless.insert(patient);
  }
  std::set<std::string> shards;
  const std::vector<PatientId> wanted(keyless.begin(), keyless.end());
  for (std::size_t from = 0; from < wanted.size(); from += keys::kPatientsPerCallMax) {
    const auto some = std::span<const PatientId>(wanted).subspan(from, std::min(keys::kPatientsPerCallMax, wanted.size() - from));
    const auto stored = keys_.CreatePatientKeys(tenant_, some);
    if (!stored.ok()) return stored.status();
    for (const keys::StoredKey& key : *stored) {
      // The shard is named in each answer; one entry for it is enough.
      if (key.what == "shard" && (is_recorded_(key.key_id) || !shards.insert(key.key_id).second)) continue;
      if (key.what == "shard") new_shards_.push_back(key.key_id);
      AddKeyEntry(key);
    }
  }
  std::vector<PatientId> all(patients_.begin(), patients_.end());
  if (answers_.has_value()) all.push_back(*answers_);
  return sealer_.Prefetch(tenant_, all, kPurpose);
}

void WritePlan::AddKeyEntry(const keys::StoredKey& key) {
  Entry entry;
  entry.set_kind(ledger::v1::KIND_KEY_STORED);
  if (key.what == "patient") entry.set_subject(key.key_id);
  *entry.mutable_key_stored() = keys::KeyStoredOf(key);
  write_.entries.push_back(std::move(entry));
}

absl::Status WritePlan::SealAll() {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].exists) continue;
    Planned& planned = planned_[i];
    const std::string text = StoredText(entries_[i]);
    auto sealed = sealer_.Seal({tenant_, planned.patient, planned.record.bytes(), planned.version}, text, kPurpose);
    if (!sealed.ok()) return sealed.status();
    AddRecord(planned.record, planned.version, planned.patient, *std::move(sealed), IsDeletion(entries_[i]), &planned.sha256);
    if (absl::Status status = AddIndexRows(entries_[i], text, planned); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// What leads to the record, and what the locator is to keep of a Patient.
absl::Status WritePlan::AddIndexRows(const TransactionEntry& entry, std::string_view stored_text, const Planned& planned) {
  StoredRecord& stored = stored_[planned.patient].back();
  if (entry.type == "Patient" && !IsDeletion(entry)) {
    const auto located = LocatePatient(keys_, {tenant_, planned.patient}, stored_text);
    if (!located.ok()) return located.status();
    stored.locator = LocatorDigest(*located);
    if (planned.version == 1) write_.rows.push_back(PatientRow(planned.patient, planned.record));
  }
  for (const IdentifierQuery& identifier : IdentifiersOf(entry.resource)) {
    auto token = IdentifierToken(tenant_, sealer_, identifier);
    if (!token.ok()) return token.status();
    write_.rows.push_back(IdentifierRow(*std::move(token), planned.record, planned.patient));
  }
  stored.rows_end = write_.rows.size();
  return absl::OkStatus();
}

void WritePlan::AddRecord(const RecordId& record, std::uint64_t version, const PatientId& patient, keys::Sealed sealed, bool deleted,
                          ledger::Hash* sha256) {
  if (sha256 != nullptr) *sha256 = sealed.sha256;
  stored_[patient].push_back({record, version, sealed.sha256, write_.rows.size(), write_.rows.size() + 1, std::nullopt, deleted});
  write_.rows.push_back(RecordRow(record, version, patient, std::move(sealed.ciphertext), 0, deleted ? RecordMark::kDeleted : RecordMark::kNone));
}

// The answer under the client's idempotency key, a sealed record like any other.
absl::Status WritePlan::AddAnswer() {
  auto digest = Token("fhir-request", request_.content);
  if (!digest.ok()) return digest.status();
  write_.request_digest = *digest;
  if (request_.idempotency_key.empty()) {
    write_.idempotency_key = RandomBytes(32);
    return absl::OkStatus();
  }
  auto key = Token("fhir-idempotency", absl::StrCat(request_.client, "\n", request_.idempotency_key));
  if (!key.ok()) return key.status();
  write_.idempotency_key = *key;
  if (!request_.keep_answer) return absl::OkStatus();
  Json list = Json::Array();
  for (const StoredEntry& entry : Result()) {
    list.Append(Json::Object({{"type", Json::String(entry.type)},
                              {"id", Json::String(entry.id)},
                              {"version", Json::Integer(static_cast<std::int64_t>(entry.version))},
                              {"created", Json::Bool(entry.created)},
                              {"deleted", Json::Bool(entry.deleted)}}));
  }
  const Json answer = Json::Object({{"digest", Json::String(HexEncode(*digest))}, {"entries", std::move(list)}});
  const RecordId record = RecordId::FromBytes(std::string_view(*key).substr(0, 16)).value();
  auto sealed = sealer_.Seal({tenant_, *answers_, record.bytes(), 1}, answer.Text(), kPurpose);
  if (!sealed.ok()) return sealed.status();
  AddRecord(record, 1, *answers_, *std::move(sealed), /*deleted=*/false, nullptr);
  return absl::OkStatus();
}

// Who asked for what: a request over HTTP is not signed by its sender, so the custodian reports it under a salted commitment.
absl::Status WritePlan::SetReport(const PatientId& patient, Entry& entry) {
  if (report_.empty()) {
    report_ = Json::Object({{"client", Json::String(request_.client)},
                            {"request_sha256", Json::String(HexEncode(HashBytes(ledger::Sha256(request_.content))))}})
                  .Text();
  }
  entry.set_reported(true);
  return SetDetail(sealer_, tenant_, patient, report_, kReportBytes, entry);
}

absl::Status WritePlan::AddRecordEntries() {
  for (const auto& [patient, records] : stored_) {
    for (std::size_t i = 0; i < records.size();) {
      Entry entry;
      entry.set_kind(ledger::v1::KIND_RECORD_STORED);
      if (absl::Status status = SetReport(patient, entry); !status.ok()) return status;
      for (std::size_t hashes = 0; i < records.size(); ++i) {
        const StoredRecord& record = records[i];
        hashes += record.rows_end - record.row;
        if (hashes > kHashesPerEntry && entry.record_sha256_size() > 0) break;
        ledger::v1::RecordStored& stored = *entry.mutable_record_stored();
        if (record.deleted) stored.add_deleted(static_cast<std::uint32_t>(stored.record_id_size()));
        entry.add_record_sha256(HashBytes(record.sha256));
        stored.add_record_id(record.record.bytes());
        stored.add_version(record.version);
        if (record.locator) stored.set_locator_sha256(HashBytes(*record.locator));
        write_.rows[record.row].values.back() = tenants::IndexOf{write_.entries.size()};
        for (std::size_t row = record.row + 1; row < record.rows_end; ++row) write_.rows[row].entry = write_.entries.size();
      }
      write_.entries.push_back(std::move(entry));
    }
  }
  return absl::OkStatus();
}

absl::Status WritePlan::AddConsentEntries() {
  std::set<PatientId> changed;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].type != "Consent" || entries_[i].exists) continue;
    Entry entry;
    entry.set_kind(ledger::v1::KIND_CONSENT_SET);
    if (absl::Status status = SetReport(planned_[i].patient, entry); !status.ok()) return status;
    entry.add_record_sha256(HashBytes(planned_[i].sha256));
    write_.entries.push_back(std::move(entry));
    changed.insert(planned_[i].patient);
  }
  write_.consent_changed.assign(changed.begin(), changed.end());
  return absl::OkStatus();
}

void WritePlan::AddOutboxRows() {
  std::set<PatientId> locator;
  std::set<PatientId> savings;
  std::set<PatientId> corrected;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].exists || planned_[i].patient == tenant_resources_) continue;
    if (entries_[i].type == "Patient") locator.insert(planned_[i].patient);
    if (IsToldWhenCorrected(entries_[i].type) && planned_[i].version > 1) corrected.insert(planned_[i].patient);
    if (ConcernsSavings(entries_[i].type)) savings.insert(planned_[i].patient);
  }
  for (const PatientId& patient : corrected) write_.rows.push_back(tenants::OutboxRow("correction", patient));
  for (const PatientId& patient : locator) write_.rows.push_back(tenants::OutboxRow("locator", patient));
  for (const PatientId& patient : savings) write_.rows.push_back(tenants::OutboxRow("savings", patient));
}

}  // namespace custodian::exchange
