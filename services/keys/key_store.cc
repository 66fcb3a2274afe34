#include "services/keys/key_store.h"

#include <algorithm>
#include <map>
#include <pqxx/pqxx>
#include <utility>

#include "services/keys/cipher.h"
#include "tenants/binary_array.h"
#include "tenants/execute.h"

namespace custodian::keys {

using tenants::ReadTransaction;
using tenants::WriteTransaction;

namespace {

// Each round either ends or sees that another thread moved on.
constexpr int kRoundsMax = 8;

std::string BytesOf(const pqxx::field& field) { return pqxx::binarystring(field).str(); }

}  // namespace

KeyStore::KeyStore(TenantId tenant, std::unique_ptr<tenants::Database> database, Pkcs11Token& token,
                   std::size_t patients_per_shard)
    : tenant_(std::move(tenant)), database_(std::move(database)), token_(token), patients_per_shard_(patients_per_shard) {}

absl::Status KeyStore::Prepare() {
  const absl::StatusOr<std::optional<Shard>> newest = NewestShard();
  if (!newest.ok()) return newest.status();
  return newest->has_value() ? absl::OkStatus() : AddShard(std::nullopt);
}

absl::Status KeyStore::Check() { return NewestShard().status(); }

absl::StatusOr<std::vector<StoredKey>> KeyStore::CreatePatientKeys(std::span<const PatientId> patients) {
  for (int round = 0; round < kRoundsMax; ++round) {
    const absl::StatusOr<std::vector<WrappedKey>> found = Find(patients);
    if (!found.ok()) return found.status();
    std::vector<PatientId> missing;
    for (const PatientId& patient : patients) {
      const auto is_its = [&patient](const WrappedKey& key) { return key.patient_id == patient.bytes(); };
      if (std::none_of(found->begin(), found->end(), is_its)) missing.push_back(patient);
    }
    if (missing.empty()) return Vouch(patients, *found);
    const absl::StatusOr<std::optional<Shard>> newest = NewestShard();
    if (!newest.ok()) return newest.status();
    const std::size_t taken = newest->has_value() ? (*newest)->patients : patients_per_shard_;
    const std::size_t room = patients_per_shard_ - std::min<std::size_t>(taken, patients_per_shard_);
    // A COMMIT in doubt is settled by looking again: both writes change nothing when they were done before.
    const absl::Status added =
        room == 0 ? AddShard(*newest) : AddPatientKeys(std::span<const PatientId>(missing).first(std::min(room, missing.size())), **newest);
    if (!added.ok() && !absl::IsUnknown(added) && !absl::IsAborted(added)) return added;
  }
  return absl::UnavailableError("the key store is busy: retry after 1 s");
}

absl::StatusOr<std::vector<StoredKey>> KeyStore::Vouch(std::span<const PatientId> patients, const std::vector<WrappedKey>& found) {
  std::vector<StoredKey> shards;
  std::map<std::string, Secret> shard_secrets;
  std::map<std::string, StoredKey> keys;
  for (const WrappedKey& key : found) {
    if (!shard_secrets.contains(key.shard.key_id)) {
      absl::StatusOr<Secret> secret = UnwrapShard(key.shard);
      if (!secret.ok()) return secret.status();
      shard_secrets.emplace(key.shard.key_id, *std::move(secret));
      shards.push_back({"shard", key.shard.key_id, ledger::Sha256(key.shard.wrapped), "", key.shard.epoch});
    }
    if (const auto opened = UnwrapPatient(shard_secrets.at(key.shard.key_id), key); !opened.ok()) return opened.status();
    keys.emplace(key.patient_id, StoredKey{"patient", key.patient_id, ledger::Sha256(key.wrapped), key.shard.key_id, key.shard.epoch});
  }
  std::vector<StoredKey> stored = std::move(shards);
  for (const PatientId& patient : patients) stored.push_back(keys.at(patient.bytes()));
  return stored;
}

absl::StatusOr<std::vector<Secret>> KeyStore::Unwrap(std::span<const PatientId> patients) {
  const absl::StatusOr<std::vector<WrappedKey>> found = Find(patients);
  if (!found.ok()) return found.status();
  std::map<std::string, Secret> shard_secrets;
  std::map<std::string, Secret> opened;
  for (const WrappedKey& key : *found) {
    if (!shard_secrets.contains(key.shard.key_id)) {
      absl::StatusOr<Secret> secret = UnwrapShard(key.shard);
      if (!secret.ok()) return secret.status();
      shard_secrets.emplace(key.shard.key_id, *std::move(secret));
    }
    absl::StatusOr<Secret> secret = UnwrapPatient(shard_secrets.at(key.shard.key_id), key);
    if (!secret.ok()) return secret.status();
    opened.emplace(key.patient_id, *std::move(secret));
  }
  std::vector<Secret> secrets;
  for (const PatientId& patient : patients) {
    const auto key = opened.find(patient.bytes());
    secrets.push_back(key == opened.end() ? Secret() : key->second.Clone());
  }
  return secrets;
}

absl::StatusOr<std::vector<std::string>> KeyStore::ReadWrapped(std::span<const KeyName> names) {
  tenants::BinaryArray ids(tenants::BinaryArray::Element::kBytea);
  for (const KeyName& name : names) ids.Add(name.key_id);
  std::map<std::pair<std::string, std::string>, std::string> found;
  absl::Status status = database_->ReadOne([&](ReadTransaction& transaction) {
    const pqxx::result rows = tenants::Execute(transaction,
        "SELECT 'shard' AS what, key_id, wrapped FROM keystore.shard WHERE key_id = ANY ($1::bytea[]) UNION ALL "
        "SELECT 'patient', patient_id, wrapped FROM keystore.patient_key WHERE patient_id = ANY ($1::bytea[])",
        pqxx::binarystring(ids.Encode()));
    for (const pqxx::row& row : rows) found[{row["what"].as<std::string>(), BytesOf(row["key_id"])}] = BytesOf(row["wrapped"]);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  std::vector<std::string> wrapped;
  for (const KeyName& name : names) wrapped.push_back(found[{name.what, name.key_id}]);
  return wrapped;
}

absl::StatusOr<std::vector<KeyStore::WrappedKey>> KeyStore::Find(std::span<const PatientId> patients) {
  tenants::BinaryArray ids(tenants::BinaryArray::Element::kBytea);
  for (const PatientId& patient : patients) ids.Add(patient.bytes());
  std::vector<WrappedKey> keys;
  absl::Status status = database_->ReadOne([&](ReadTransaction& transaction) {
    const pqxx::result rows = tenants::Execute(transaction,
        "SELECT p.patient_id, p.wrapped, s.key_id, s.epoch, s.wrapped AS shard_wrapped FROM keystore.patient_key p "
        "JOIN keystore.shard s ON s.key_id = p.shard_id WHERE p.patient_id = ANY ($1::bytea[]) ORDER BY p.patient_id",
        pqxx::binarystring(ids.Encode()));
    for (const pqxx::row& row : rows) {
      keys.push_back({BytesOf(row["patient_id"]),
                      BytesOf(row["wrapped"]),
                      {BytesOf(row["key_id"]), row["epoch"].as<std::uint64_t>(), BytesOf(row["shard_wrapped"])}});
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return keys;
}

absl::StatusOr<std::optional<KeyStore::Shard>> KeyStore::NewestShard() {
  std::optional<Shard> shard;
  absl::Status status = database_->ReadOne([&](ReadTransaction& transaction) {
    const pqxx::result rows = tenants::Execute(transaction,
        "SELECT s.key_id, s.epoch, s.wrapped, "
        "(SELECT count(*) FROM keystore.patient_key p WHERE p.shard_id = s.key_id) AS patients "
        "FROM keystore.shard s ORDER BY s.seq DESC LIMIT 1");
    for (const pqxx::row& row : rows) {
      shard = Shard{BytesOf(row["key_id"]), row["epoch"].as<std::uint64_t>(), BytesOf(row["wrapped"]),
                    row["patients"].as<std::uint64_t>()};
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return shard;
}

absl::Status KeyStore::AddShard(const std::optional<Shard>& newest) {
  const std::string key_id = RandomBytes(16);
  std::string bytes = RandomBytes(kKeyBytes);
  const Secret secret(bytes);
  Wipe(bytes);
  const absl::StatusOr<std::string> wrapped = token_.Wrap(tenant_, kFirstEpoch, ShardAad(key_id, kFirstEpoch), secret);
  if (!wrapped.ok()) return wrapped.status();
  return database_->Write([&](WriteTransaction& transaction) {
    // One at a time; who comes second finds the first one's shard.
    transaction.sql().exec("LOCK TABLE keystore.shard IN SHARE ROW EXCLUSIVE MODE");
    transaction.sql().exec_params(
        "INSERT INTO keystore.shard (key_id, epoch, wrapped) SELECT $1, $2, $3 "
        "WHERE $4::bytea = coalesce((SELECT key_id FROM keystore.shard ORDER BY seq DESC LIMIT 1), ''::bytea)",
        pqxx::binarystring(key_id), kFirstEpoch, pqxx::binarystring(*wrapped),
        pqxx::binarystring(newest.has_value() ? newest->key_id : std::string()));
    return absl::OkStatus();
  });
}

absl::Status KeyStore::AddPatientKeys(std::span<const PatientId> patients, const Shard& shard) {
  const absl::StatusOr<Secret> shard_secret = UnwrapShard(shard);
  if (!shard_secret.ok()) return shard_secret.status();
  tenants::BinaryArray ids(tenants::BinaryArray::Element::kBytea);
  tenants::BinaryArray wrapped_keys(tenants::BinaryArray::Element::kBytea);
  for (const PatientId& patient : patients) {
    std::string bytes = RandomBytes(kKeyBytes);
    const Secret key(bytes);
    Wipe(bytes);
    const absl::StatusOr<std::string> wrapped =
        SealBytes(shard_secret->Read(SecretAccess("seal a patient key")), PatientAad(patient.bytes(), shard.epoch),
                  key.Read(SecretAccess("seal a patient key")));
    if (!wrapped.ok()) return wrapped.status();
    ids.Add(patient.bytes());
    wrapped_keys.Add(*wrapped);
  }
  return database_->Write([&](WriteTransaction& transaction) {
    const pqxx::binarystring shard_id(shard.key_id);
    // Locked, so that two threads cannot both take the last places.
    if (tenants::Execute(transaction, "SELECT 1 FROM keystore.shard WHERE key_id = $1 FOR UPDATE", shard_id).empty()) {
      return absl::DataLossError("a shard of the key store is gone");
    }
    tenants::Execute(transaction,
                     "INSERT INTO keystore.patient_key (patient_id, shard_id, wrapped) SELECT new.patient_id, $1, new.wrapped "
                     "FROM unnest($2::bytea[], $3::bytea[]) AS new (patient_id, wrapped) "
                     "WHERE (SELECT count(*) FROM keystore.patient_key WHERE shard_id = $1) + $4 <= $5 ON CONFLICT (patient_id) DO NOTHING",
                     shard_id, pqxx::binarystring(ids.Encode()), pqxx::binarystring(wrapped_keys.Encode()), patients.size(), patients_per_shard_);
    return absl::OkStatus();
  });
}

absl::StatusOr<Secret> KeyStore::UnwrapShard(const Shard& shard) {
  absl::StatusOr<Secret> secret = token_.Unwrap(tenant_, shard.epoch, ShardAad(shard.key_id, shard.epoch), shard.wrapped);
  if (absl::IsDataLoss(secret.status())) {
    return absl::DataLossError("tenant " + tenant_.text() + ": the wrapped secret of shard " + HexEncode(shard.key_id) +
                               " was altered");
  }
  return secret;
}

absl::StatusOr<Secret> KeyStore::UnwrapPatient(const Secret& shard_secret, const WrappedKey& key) {
  absl::StatusOr<std::string> bytes =
      OpenBytes(shard_secret.Read(SecretAccess("open a patient key")), PatientAad(key.patient_id, key.shard.epoch), key.wrapped);
  if (!bytes.ok()) {
    return absl::DataLossError("tenant " + tenant_.text() + ": the wrapped key of patient " + HexEncode(key.patient_id) +
                               " was altered");
  }
  Secret secret(*bytes);
  Wipe(*bytes);
  return secret;
}

std::string KeyStore::ShardAad(const std::string& key_id, std::uint64_t epoch) const {
  return BoundName("custodian/shard/v1", {tenant_.text(), key_id, NumberBytes(epoch)});
}

std::string KeyStore::PatientAad(const std::string& patient_id, std::uint64_t epoch) const {
  return BoundName("custodian/patient-key/v1", {tenant_.text(), patient_id, NumberBytes(epoch)});
}

}  // namespace custodian::keys
