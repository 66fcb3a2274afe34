#include "services/keys/sealer.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "services/keys/cipher.h"
#include "services/keys/secret.h"

namespace custodian::keys {
namespace {

constexpr std::size_t kLeasesMax = 4'096;
constexpr std::size_t kRecordNameBytes = 16;

std::string PatientLease(const TenantId& tenant, const PatientId& patient) { return "p" + tenant.text() + patient.bytes(); }
std::string IndexLease(const TenantId& tenant) { return "i" + tenant.text(); }

absl::Status CheckName(const SealName& name) {
  if (name.tenant.text().empty() || name.patient.bytes().empty())
    return absl::InvalidArgumentError("sealing needs a tenant and a patient");
  if (name.record.size() != kRecordNameBytes) return absl::InvalidArgumentError("a sealed record's id has 16 bytes");
  return absl::OkStatus();
}

std::string RecordAad(const SealName& name) {
  return BoundName("custodian/record/v1", {name.tenant.text(), name.patient.bytes(), name.record, NumberBytes(name.version)});
}

absl::StatusOr<Secret> RecordKey(const Secret& patient_key, const SealName& name) {
  return DeriveKey(patient_key.Read(SecretAccess("derive a record key")), "custodian/record-key/v1",
                   BoundName("record", {name.record, NumberBytes(name.version)}));
}

}  // namespace

// The keys held now. All leases last equally long, so the order of arrival is the order of expiry.
class Sealer::Leases {
 public:
  Leases(const Clock& clock, absl::Duration duration, int uses_max)
      : clock_(clock), duration_(duration), uses_max_(uses_max), held_max_(std::min(kLeasesMax, LockedSecretsMax() / 2)) {}

  [[nodiscard]] bool Holds(const std::string& name) const {
    const absl::Time now = clock_.Now();
    absl::MutexLock lock(&mutex_);
    const auto found = held_.find(name);
    return found != held_.end() && Lasts(found->second, now);
  }

  // One use of the key; null when it must be asked for.
  [[nodiscard]] std::shared_ptr<const Secret> Use(const std::string& name) {
    const absl::Time now = clock_.Now();
    absl::MutexLock lock(&mutex_);
    DropExpiredLocked(now);
    const auto found = held_.find(name);
    if (found == held_.end()) return nullptr;
    std::shared_ptr<const Secret> key = found->second.key;
    if (--found->second.uses_left <= 0) held_.erase(found);
    return key;
  }

  // Keeps a fresh key; `uses` of it are made by the caller at once.
  std::shared_ptr<const Secret> Keep(const std::string& name, Secret key, int uses) {
    auto shared = std::make_shared<const Secret>(std::move(key));
    const absl::Time now = clock_.Now();
    if (duration_ <= absl::ZeroDuration() || uses_max_ <= uses || held_max_ == 0) return shared;
    absl::MutexLock lock(&mutex_);
    DropExpiredLocked(now);
    held_[name] = Lease{shared, now, uses_max_ - uses, ++serial_};
    order_.emplace_back(name, serial_);
    while (held_.size() > held_max_) DropOldestLocked();
    return shared;
  }

  void DropExpired() {
    const absl::Time now = clock_.Now();
    absl::MutexLock lock(&mutex_);
    DropExpiredLocked(now);
  }

  [[nodiscard]] std::size_t held() const {
    absl::MutexLock lock(&mutex_);
    return held_.size();
  }

 private:
  struct Lease {
    std::shared_ptr<const Secret> key;
    absl::Time since;
    int uses_left = 0;
    std::uint64_t serial = 0;
  };

  // A clock set back ends a lease too, it never lengthens one.
  [[nodiscard]] bool Lasts(const Lease& lease, absl::Time now) const {
    return now >= lease.since && now < lease.since + duration_;
  }

  void DropOldestLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = held_.find(order_.front().first);
    if (found != held_.end() && found->second.serial == order_.front().second) held_.erase(found);
    order_.pop_front();
  }

  void DropExpiredLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (!order_.empty()) {
      const auto found = held_.find(order_.front().first);
      const bool current = found != held_.end() && found->second.serial == order_.front().second;
      if (current && Lasts(found->second, now)) return;
      DropOldestLocked();
    }
  }

  const Clock& clock_;
  const absl::Duration duration_;
  const int uses_max_;
  const std::size_t held_max_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Lease> held_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::pair<std::string, std::uint64_t>> order_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t serial_ ABSL_GUARDED_BY(mutex_) = 0;
};

Sealer::Sealer(KeyClient& keys, const Clock& machine_clock, absl::Duration lease, int uses_max)
    : keys_(keys), leases_(std::make_unique<Leases>(machine_clock, lease, uses_max)) {}

Sealer::~Sealer() = default;

absl::StatusOr<std::shared_ptr<const Secret>> Sealer::PatientKey(const SealName& name, std::string_view purpose) {
  const std::string lease = PatientLease(name.tenant, name.patient);
  if (auto held = leases_->Use(lease); held != nullptr) return held;
  absl::StatusOr<std::vector<Secret>> fresh = keys_.UnwrapPatientKeys(name.tenant, {&name.patient, 1}, purpose);
  if (!fresh.ok()) return fresh.status();
  return leases_->Keep(lease, std::move(fresh->front()), 1);
}

absl::StatusOr<Sealed> Sealer::Seal(const SealName& name, std::string_view plaintext, std::string_view purpose) {
  if (absl::Status status = CheckName(name); !status.ok()) return status;
  const absl::StatusOr<std::shared_ptr<const Secret>> patient_key = PatientKey(name, purpose);
  if (!patient_key.ok()) return patient_key.status();
  const absl::StatusOr<Secret> key = RecordKey(**patient_key, name);
  if (!key.ok()) return key.status();
  absl::StatusOr<std::string> ciphertext = SealBytes(key->Read(SecretAccess("seal a record")), RecordAad(name), plaintext);
  if (!ciphertext.ok()) return ciphertext.status();
  const ledger::Hash sha256 = ledger::Sha256(*ciphertext);
  return Sealed{*std::move(ciphertext), sha256};
}

absl::StatusOr<std::string> Sealer::Open(const SealName& name, std::string_view ciphertext, std::string_view purpose) {
  if (absl::Status status = CheckName(name); !status.ok()) return status;
  const absl::StatusOr<std::shared_ptr<const Secret>> patient_key = PatientKey(name, purpose);
  if (!patient_key.ok()) return patient_key.status();
  const absl::StatusOr<Secret> key = RecordKey(**patient_key, name);
  if (!key.ok()) return key.status();
  return OpenBytes(key->Read(SecretAccess("open a record")), RecordAad(name), ciphertext);
}

absl::Status Sealer::Prefetch(const TenantId& tenant, std::span<const PatientId> patients, std::string_view purpose) {
  std::vector<PatientId> wanted;
  for (const PatientId& patient : patients) {
    if (!leases_->Holds(PatientLease(tenant, patient))) wanted.push_back(patient);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  const std::span<const PatientId> all(wanted);
  for (std::size_t from = 0; from < all.size(); from += kPatientsPerCallMax) {
    const auto some = all.subspan(from, std::min(kPatientsPerCallMax, all.size() - from));
    absl::StatusOr<std::vector<Secret>> keys = keys_.UnwrapPatientKeys(tenant, some, purpose);
    if (!keys.ok()) return keys.status();
    for (std::size_t i = 0; i < some.size(); ++i) leases_->Keep(PatientLease(tenant, some[i]), std::move((*keys)[i]), 0);
  }
  return absl::OkStatus();
}

bool Sealer::Holds(const TenantId& tenant, const PatientId& patient) const { return leases_->Holds(PatientLease(tenant, patient)); }

void Sealer::DropExpired() { leases_->DropExpired(); }

std::size_t Sealer::held() const { return leases_->held(); }

absl::StatusOr<std::string> Sealer::IndexToken(const TenantId& tenant, std::string_view value) {
  const std::string lease = IndexLease(tenant);
  std::shared_ptr<const Secret> key = leases_->Use(lease);
  if (key == nullptr) {
    absl::StatusOr<Secret> fresh = keys_.IndexKey(tenant);
    if (!fresh.ok()) return fresh.status();
    key = leases_->Keep(lease, *std::move(fresh), 1);
  }
  return Hmac(key->Read(SecretAccess("index token")), value);
}

absl::StatusOr<RecordId> Sealer::RecordIdOf(const TenantId& tenant, std::string_view type, std::string_view id) {
  std::string value(type);
  value += '/';
  value += id;
  const absl::StatusOr<std::string> token = IndexToken(tenant, value);
  if (!token.ok()) return token.status();
  return RecordId::FromBytes(std::string_view(*token).substr(0, 16));
}

}  // namespace custodian::keys
