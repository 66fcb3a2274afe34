#include "services/exchange/fhir_writer.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "services/exchange/detail.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/identifier_index.h"
#include "services/exchange/locator.h"
#include "services/exchange/record_store.h"
#include "spdlog/spdlog.h"
#include "tenants/outbox.h"

namespace custodian::exchange {
namespace {

using ledger::v1::Entry;

constexpr std::string_view kPurpose = "fhir-write";
// Record versions and the index rows that lead to them, at most 53 bytes each: far below the 60,000 bytes of an entry.
constexpr std::size_t kHashesPerEntry = 900;
// A SPIFFE id, a hash and the salt.
constexpr std::size_t kReportBytes = 512;
constexpr int kAttempts = 5;

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

// "Patient/<id>" → id.
std::optional<std::string> PatientReference(std::string_view reference) {
  constexpr std::string_view kPrefix = "Patient/";
  if (!reference.starts_with(kPrefix)) return std::nullopt;
  std::string_view id = reference.substr(kPrefix.size());
  if (const auto version = id.find("/_history/"); version != std::string_view::npos) id = id.substr(0, version);
  if (!IsFhirId(id)) return std::nullopt;
  return std::string(id);
}

// The patient that a resource is about, and where it says so: its compartment's element, else the one patient it names at all.
struct Subject {
  std::string fhir_id;
  std::string path;
};
std::optional<Subject> SubjectOf(const TransactionEntry& entry) {
  if (entry.type == "Patient") return Subject{entry.id, entry.resource_path};
  for (const std::string& element : CompartmentElements(entry.type)) {
    const Json& value = entry.resource[element];
    const Json& reference = value.is_array() ? value[0] : value;
    if (auto id = PatientReference(reference.TextOf("reference"))) {
      return Subject{*id, absl::StrCat(entry.resource_path, ".", element, value.is_array() ? "[0]" : "", ".reference")};
    }
  }
  std::optional<Subject> only;
  bool several = false;
  Json copy = entry.resource;
  VisitReferences(copy, entry.resource_path, [&](std::string& reference, const std::string& path) {
    const auto id = PatientReference(reference);
    if (!id.has_value()) return;
    if (!only.has_value()) {
      only = Subject{*id, path};
    } else if (only->fhir_id != *id) {
      several = true;
    }
  });
  return several ? std::nullopt : only;
}

// As stored: type and id first, then the rest as it came.
std::string StoredText(const TransactionEntry& entry) {
  Json stored = Json::Object({{"resourceType", Json::String(entry.type)}, {"id", Json::String(entry.id)}});
  for (const auto& [name, value] : entry.resource.members()) {
    if (name != "resourceType" && name != "id") stored.members().push_back({name, value});
  }
  return stored.Text();
}

std::string HashBytes(const ledger::Hash& hash) { return std::string(reinterpret_cast<const char*>(hash.data()), hash.size()); }

// One attempt at one request.
class Attempt {
 public:
  Attempt(const FhirWriter::Request& request, keys::Sealer& sealer, keys::KeyClient& keys, std::size_t patients_max,
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

  // The Write, ready to be applied; or why not.
  std::optional<Refusal> Plan() {
    if (auto refusal = Prepare()) return refusal;
    if (auto refusal = FindRecords()) return refusal;
    if (auto refusal = FindPatients()) return refusal;
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

  [[nodiscard]] tenants::Write& write() { return write_; }
  [[nodiscard]] const std::vector<std::string>& new_shards() const { return new_shards_; }
  [[nodiscard]] bool HasPrecondition() const {
    return std::any_of(entries_.begin(), entries_.end(), [](const TransactionEntry& entry) { return entry.if_match.has_value(); });
  }
  [[nodiscard]] std::vector<StoredEntry> Result() const {
    std::vector<StoredEntry> result;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      result.push_back({entries_[i].type, entries_[i].id, planned_[i].version, !entries_[i].exists && planned_[i].version == 1});
    }
    return result;
  }

 private:
  struct Planned {
    RecordId record;
    PatientId patient;
    std::uint64_t version = 1;
    std::optional<Subject> subject;
    ledger::Hash sha256{};
  };

  absl::StatusOr<std::string> Token(std::string_view what, std::string_view value) {
    return sealer_.IndexToken(tenant_, absl::StrCat(std::string(what), "\n", std::string(value)));
  }

  std::optional<Refusal> Prepare() {
    absl::Status failed;
    const auto new_id = [&](const TransactionEntry& entry) -> std::string {
      if (entry.if_none_exist.empty()) return UuidOf(RandomBytes(16));
      // Two conditional creates at once must collide, so that the second finds the first's resource.
      const auto token = Token("conditional-create", absl::StrCat(entry.type, "?", entry.if_none_exist));
      if (!token.ok()) {
        failed = token.status();
        return UuidOf(RandomBytes(16));
      }
      const std::string id = UuidOf(token->substr(0, 16));
      const auto record = sealer_.RecordIdOf(tenant_, entry.type, id);
      if (!record.ok()) {
        failed = record.status();
        return id;
      }
      // Made by an earlier conditional create, and has since lost the identifier: a new resource then.
      const auto heads = store_.Heads({*record});
      if (!heads.ok()) failed = heads.status();
      return heads.ok() && !heads->empty() ? UuidOf(RandomBytes(16)) : id;
    };
    const Lookup lookup = [&](const std::vector<IdentifierQuery>& queries) {
      return FindByIdentifiers(*request_.partition, sealer_, queries, kPurpose);
    };
    auto refusal = PrepareEntries(entries_, request_.base_url, lookup, new_id);
    if (!failed.ok()) return RefusalOf(failed);
    return refusal;
  }

  // Record ids, and what is stored of the entries and of the patients they name.
  std::optional<Refusal> FindRecords() {
    std::vector<RecordId> wanted;
    planned_.resize(entries_.size());
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const auto record = sealer_.RecordIdOf(tenant_, entries_[i].type, entries_[i].id);
      if (!record.ok()) return RefusalOf(record.status());
      planned_[i].record = *record;
      wanted.push_back(*record);
      if (entries_[i].exists) continue;
      planned_[i].subject = SubjectOf(entries_[i]);
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
    return std::nullopt;
  }

  std::optional<Refusal> FindPatients() {
    std::set<PatientId> patients;
    std::vector<Issue> issues;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].type != "Patient" || entries_[i].exists) continue;
      if (heads_.contains(planned_[i].record)) continue;
      const auto [known, inserted] = new_patients_.try_emplace(planned_[i].record);
      if (inserted) known->second = PatientId::Random();
      created_.emplace(planned_[i].record, known->second);
    }
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      Planned& planned = planned_[i];
      if (entries_[i].exists) {
        planned.version = heads_.contains(planned.record) ? heads_[planned.record].version : 1;
        continue;
      }
      if (entries_[i].type == "Consent" && !planned.subject.has_value()) {
        issues.push_back({"required", "A Consent must name the patient of this tenant who gives it.",
                          entries_[i].resource_path + ".patient"});
        continue;
      }
      if (const auto unclear = UnclearSubject(entries_[i])) {
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

  // Path of a subject that cannot be told: it is given, but not as Type/id of this server. Filing the record with no patient's
  // would put it under the wrong key.
  static std::optional<std::string> UnclearSubject(const TransactionEntry& entry) {
    for (const std::string& element : CompartmentElements(entry.type)) {
      const Json& value = entry.resource[element];
      const Json& subject = value.is_array() ? value[0] : value;
      if (!subject.is_object()) continue;
      const std::string& reference = subject.TextOf("reference");
      const auto slash = reference.find('/');
      if (slash == std::string::npos || !IsResourceType(std::string_view(reference).substr(0, slash))) {
        return absl::StrCat(entry.resource_path, ".", element, value.is_array() ? "[0]" : "");
      }
      return std::nullopt;
    }
    return std::nullopt;
  }

  absl::StatusOr<std::optional<PatientId>> PatientOf(const Planned& planned) {
    if (!planned.subject.has_value()) {
      if (!tenant_resources_.has_value()) {
        auto pseudo = TenantResources(tenant_, sealer_);
        if (!pseudo.ok()) return pseudo.status();
        tenant_resources_ = *pseudo;
      }
      return tenant_resources_;
    }
    const RecordId& record = patient_records_[planned.subject->fhir_id];
    if (const auto created = created_.find(record); created != created_.end()) return std::optional(created->second);
    if (const auto head = heads_.find(record); head != heads_.end()) return std::optional(head->second.patient);
    return std::optional<PatientId>();
  }

  std::optional<Refusal> ChooseVersions() {
    std::vector<Issue> issues;
    int status = 412;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const TransactionEntry& entry = entries_[i];
      if (entry.exists) continue;
      const auto head = heads_.find(planned_[i].record);
      const std::uint64_t current = head == heads_.end() ? 0 : head->second.version;
      if (entry.if_match.has_value() && *entry.if_match != current) {
        issues.push_back({"conflict", absl::StrCat("If-Match names version ", *entry.if_match, ", but ",
                                                   current == 0 ? "there is none" : absl::StrCat("version ", current, " is stored")),
                          entry.resource_path});
      } else if (head != heads_.end() && head->second.patient != planned_[i].patient) {
        status = 422;
        issues.push_back({"business-rule", "An update cannot move a resource to another patient: mark it entered-in-error and post a new one.",
                          entry.resource_path});
      }
      planned_[i].version = current + 1;
    }
    if (!issues.empty()) return Refusal{status, std::move(issues)};
    return std::nullopt;
  }

  // Keys of patients that have none yet; each is recorded by a KEY_STORED entry of this Write.
  absl::Status MakeKeys() {
    std::set<PatientId> keyless;
    for (const auto& [record, patient] : created_) keyless.insert(patient);
    std::vector<PatientId> pseudo;
    if (tenant_resources_.has_value() && patients_.contains(*tenant_resources_)) pseudo.push_back(*tenant_resources_);
    if (!request_.idempotency_key.empty()) {
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
    for (const PatientId& patient : keyless) {
      const auto stored = keys_.CreatePatientKey(tenant_, patient);
      if (!stored.ok()) return stored.status();
      for (const keys::StoredKey& key : *stored) {
        // The shard is named with each of its patients; one entry for it is enough.
        if (key.what == "shard" && (is_recorded_(key.key_id) || !shards.insert(key.key_id).second)) continue;
        if (key.what == "shard") new_shards_.push_back(key.key_id);
        AddKeyEntry(key, patient);
      }
    }
    std::vector<PatientId> all(patients_.begin(), patients_.end());
    if (answers_.has_value()) all.push_back(*answers_);
    return sealer_.Prefetch(tenant_, all, kPurpose);
  }

  void AddKeyEntry(const keys::StoredKey& key, const PatientId& patient) {
    Entry entry;
    entry.set_kind(ledger::v1::KIND_KEY_STORED);
    if (key.what == "patient") entry.set_subject(patient.bytes());
    *entry.mutable_key_stored() = keys::KeyStoredOf(key);
    write_.entries.push_back(std::move(entry));
  }

  absl::Status SealAll() {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].exists) continue;
      Planned& planned = planned_[i];
      auto sealed = sealer_.Seal({tenant_, planned.patient, planned.record.bytes(), planned.version}, StoredText(entries_[i]), kPurpose);
      if (!sealed.ok()) return sealed.status();
      AddRecord(planned.record, planned.version, planned.patient, *std::move(sealed), &planned.sha256);
      if (entries_[i].type == "Patient") {
        const auto located = LocatePatient(keys_, {tenant_, planned.patient}, StoredText(entries_[i]));
        if (!located.ok()) return located.status();
        stored_[planned.patient].back().locator = LocatorDigest(*located);
        if (planned.version == 1) write_.rows.push_back(PatientRow(planned.patient, planned.record));
      }
      for (const IdentifierQuery& identifier : IdentifiersOf(entries_[i].resource)) {
        auto token = IdentifierToken(tenant_, sealer_, identifier);
        if (!token.ok()) return token.status();
        write_.rows.push_back(IdentifierRow(*std::move(token), planned.record, planned.patient));
      }
      stored_[planned.patient].back().rows_end = write_.rows.size();
    }
    return absl::OkStatus();
  }

  void AddRecord(const RecordId& record, std::uint64_t version, const PatientId& patient, keys::Sealed sealed, ledger::Hash* sha256) {
    if (sha256 != nullptr) *sha256 = sealed.sha256;
    stored_[patient].push_back({record, version, sealed.sha256, write_.rows.size(), write_.rows.size() + 1, std::nullopt});
    write_.rows.push_back(RecordRow(record, version, patient, std::move(sealed.ciphertext), 0));
  }

  // The answer under the client's idempotency key, a sealed record like any other.
  absl::Status AddAnswer() {
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
    Json list = Json::Array();
    for (const StoredEntry& entry : Result()) {
      list.Append(Json::Object({{"type", Json::String(entry.type)},
                                {"id", Json::String(entry.id)},
                                {"version", Json::Integer(static_cast<std::int64_t>(entry.version))},
                                {"created", Json::Bool(entry.created)}}));
    }
    const Json answer = Json::Object({{"digest", Json::String(HexEncode(*digest))}, {"entries", std::move(list)}});
    const RecordId record = RecordId::FromBytes(std::string_view(*key).substr(0, 16)).value();
    auto sealed = sealer_.Seal({tenant_, *answers_, record.bytes(), 1}, answer.Text(), kPurpose);
    if (!sealed.ok()) return sealed.status();
    AddRecord(record, 1, *answers_, *std::move(sealed), nullptr);
    return absl::OkStatus();
  }

  // Who asked for what: a request over HTTP is not signed by its sender, so the custodian reports it under a salted commitment.
  absl::Status SetReport(const PatientId& patient, Entry& entry) {
    const Json report = Json::Object(
        {{"client", Json::String(request_.client)}, {"request_sha256", Json::String(HexEncode(HashBytes(ledger::Sha256(request_.content))))}});
    entry.set_reported(true);
    return SetDetail(sealer_, tenant_, patient, report.Text(), kReportBytes, entry);
  }

  absl::Status AddRecordEntries() {
    for (const auto& [patient, records] : stored_) {
      for (std::size_t i = 0; i < records.size();) {
        Entry entry;
        entry.set_kind(ledger::v1::KIND_RECORD_STORED);
        if (absl::Status status = SetReport(patient, entry); !status.ok()) return status;
        for (std::size_t hashes = 0; i < records.size(); ++i) {
          const StoredRecord& record = records[i];
          hashes += record.rows_end - record.row;
          if (hashes > kHashesPerEntry && entry.record_sha256_size() > 0) break;
          entry.add_record_sha256(HashBytes(record.sha256));
          entry.mutable_record_stored()->add_record_id(record.record.bytes());
          entry.mutable_record_stored()->add_version(record.version);
          if (record.locator) entry.mutable_record_stored()->set_locator_sha256(HashBytes(*record.locator));
          write_.rows[record.row].values.back() = tenants::IndexOf{write_.entries.size()};
          for (std::size_t row = record.row + 1; row < record.rows_end; ++row) write_.rows[row].entry = write_.entries.size();
        }
        write_.entries.push_back(std::move(entry));
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddConsentEntries() {
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

  void AddOutboxRows() {
    std::set<PatientId> locator;
    std::set<PatientId> savings;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].exists || !planned_[i].subject.has_value()) continue;
      if (entries_[i].type == "Patient") locator.insert(planned_[i].patient);
      if (ConcernsSavings(entries_[i].type)) savings.insert(planned_[i].patient);
    }
    for (const PatientId& patient : locator) write_.rows.push_back(tenants::OutboxRow("locator", patient));
    for (const PatientId& patient : savings) write_.rows.push_back(tenants::OutboxRow("savings", patient));
  }

  struct StoredRecord {
    RecordId record;
    std::uint64_t version = 1;
    ledger::Hash sha256{};
    // Its row in the Write, and the end of those that lead to it.
    std::size_t row = 0;
    std::size_t rows_end = 0;
    // Of a Patient.
    std::optional<ledger::Hash> locator;
  };

  const FhirWriter::Request& request_;
  const TenantId tenant_;
  keys::Sealer& sealer_;
  keys::KeyClient& keys_;
  const RecordStore store_;
  const std::size_t patients_max_;
  std::map<RecordId, PatientId>& new_patients_;
  const std::function<bool(const std::string&)>& is_recorded_;

  std::vector<TransactionEntry> entries_;
  std::vector<Planned> planned_;
  // By FHIR id of a Patient.
  std::map<std::string, RecordId> patient_records_;
  std::map<RecordId, RecordStore::Head> heads_;
  // Patients this Write creates.
  std::map<RecordId, PatientId> created_;
  std::set<PatientId> patients_;
  std::optional<PatientId> tenant_resources_;
  std::optional<PatientId> answers_;
  std::map<PatientId, std::vector<StoredRecord>> stored_;
  std::vector<std::string> new_shards_;
  tenants::Write write_;
};

// The answer kept under an idempotency key; nothing when the key is new.
absl::StatusOr<std::optional<Answer<StoredTransaction>>> KeptAnswer(const FhirWriter::Request& request, keys::Sealer& sealer) {
  const TenantId& tenant = request.partition->tenant.id;
  const auto token = [&](std::string_view what, std::string_view value) {
    return sealer.IndexToken(tenant, absl::StrCat(std::string(what), "\n", std::string(value)));
  };
  const auto key = token("fhir-idempotency", absl::StrCat(request.client, "\n", request.idempotency_key));
  if (!key.ok()) return key.status();
  const auto found = RecordStore(*request.partition->database).Newest(RecordId::FromBytes(std::string_view(*key).substr(0, 16)).value());
  if (!found.ok()) return found.status();
  if (!found->has_value()) return std::optional<Answer<StoredTransaction>>();
  const SealedRecord& row = **found;
  const auto text = sealer.Open({tenant, row.patient, row.record.bytes(), row.version}, row.sealed, kPurpose);
  if (!text.ok()) return text.status();
  const auto kept = Json::Parse(*text);
  const auto digest = token("fhir-request", request.content);
  if (!kept.ok() || !digest.ok()) return kept.ok() ? digest.status() : kept.status();
  if (kept->TextOf("digest") != HexEncode(*digest)) {
    return std::optional<Answer<StoredTransaction>>(
        Refuse(422, "duplicate", "This Idempotency-Key was used for another request. Use a new key for new content."));
  }
  StoredTransaction answer{.entries = {}, .time = row.arrived};
  for (const Json& entry : (*kept)["entries"].items()) {
    StoredEntry stored{entry.TextOf("type"), entry.TextOf("id"), 1, entry["created"].boolean()};
    if (!absl::SimpleAtoi(entry.TextOf("version"), &stored.version)) return absl::DataLossError("a kept answer is damaged");
    answer.entries.push_back(std::move(stored));
  }
  return std::optional<Answer<StoredTransaction>>(std::move(answer));
}

}  // namespace

// Shards whose KEY_STORED entry is known to be on a log. Forgotten at a restart: then an entry is written once more.
class FhirWriter::Recorded {
 public:
  [[nodiscard]] bool Contains(const std::string& tenant, const std::string& shard) const {
    absl::MutexLock lock(&mutex_);
    return shards_.contains(tenant + shard);
  }
  void Add(const std::string& tenant, const std::vector<std::string>& shards) {
    absl::MutexLock lock(&mutex_);
    for (const std::string& shard : shards) shards_.insert(tenant + shard);
  }

 private:
  mutable absl::Mutex mutex_;
  std::set<std::string> shards_ ABSL_GUARDED_BY(mutex_);
};

FhirWriter::FhirWriter(keys::Sealer& sealer, keys::KeyClient& keys, Limits limits)
    : sealer_(sealer), keys_(keys), limits_(limits), recorded_(std::make_unique<Recorded>()) {}

FhirWriter::~FhirWriter() = default;

Answer<StoredTransaction> FhirWriter::Apply(const Request& request) const {
  const std::string& tenant = request.partition->tenant.id.text();
  const std::function<bool(const std::string&)> is_recorded = [&](const std::string& shard) { return recorded_->Contains(tenant, shard); };
  // Kept over attempts, so that a patient who was given a key is not given another.
  std::map<RecordId, PatientId> new_patients;
  for (int attempt = 1;; ++attempt) {
    if (!request.idempotency_key.empty()) {
      auto kept = KeptAnswer(request, sealer_);
      if (!kept.ok()) return RefusalOf(kept.status());
      if (kept->has_value()) return **std::move(kept);
    }
    Attempt plan(request, sealer_, keys_, limits_.patients_max, new_patients, is_recorded);
    if (auto refusal = plan.Plan()) return *std::move(refusal);
    StoredTransaction stored{.entries = plan.Result(), .time = absl::Time()};
    // Nothing to write: every entry was a conditional create of what exists.
    if (plan.write().entries.empty()) return stored;
    const absl::StatusOr<tenants::Admitted> admitted = request.partition->writer->Apply(std::move(plan.write()));
    if (admitted.ok() && !admitted->replayed) {
      recorded_->Add(tenant, plan.new_shards());
      stored.time = admitted->time;
      if (!request.await_follow_up) return stored;
      // A failure does not undo what is stored: the rows stay, and the background drain repeats them.
      if (const absl::Status drained = request.partition->outbox->Drain(); !drained.ok()) {
        spdlog::error("event=outbox_failed tenant={} code={} reason=\"{}\"", tenant, absl::StatusCodeToString(drained.code()),
                      std::string(drained.message()));
      }
      return stored;
    }
    // Another request with the same key was first (its answer is there now), or others changed a version we counted on.
    const bool raced = admitted.ok() || absl::IsAlreadyExists(admitted.status()) || absl::IsAborted(admitted.status());
    if (!raced) return RefusalOf(admitted.status());
    if (attempt == kAttempts) return RefusalOf(absl::AbortedError("a FHIR write lost every race"));
  }
}

}  // namespace custodian::exchange
