#include "services/keys/key_service.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "fmt/format.h"
#include "services/keys/state_file.h"
#include "spdlog/spdlog.h"

namespace custodian::keys {
namespace {

constexpr int kConnectionsPerTenant = 4;
constexpr std::string_view kTenantFile = "tenant-";
constexpr std::size_t kPurposeBytesMax = 64;
// Of some hundred patients, about 10 MB.
constexpr std::size_t kRecentTokensMax = 32'768;

// Names go into files and checkpoints by lines: printable ASCII without spaces.
absl::Status CheckName(std::string_view name, const char* what) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != '+'; });
  if (!name.empty() && name.size() <= kNameBytesMax && plain) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{}: 1 to {} printable characters without spaces or '+'", what, kNameBytesMax));
}

absl::Status CheckCount(std::span<const PatientId> patients) {
  if (!patients.empty() && patients.size() <= kPatientsPerCallMax) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("patient_id: 1 to {} ids a call", kPatientsPerCallMax));
}

// The whole of a tenant's file: origin, cell and database, a line each.
std::string PlacementText(std::string_view origin, const KeyPlacement& placement) {
  return fmt::format("{}\n{}\n{}\n", origin, placement.cell, placement.key_database);
}

absl::StatusOr<std::vector<std::string>> ThreeLines(const std::string& file) {
  const absl::StatusOr<std::string> text = ReadStateFile(file);
  if (!text.ok()) return text.status();
  std::vector<std::string> lines;
  std::size_t from = 0;
  for (std::size_t end = text->find('\n'); end != std::string::npos; from = end + 1, end = text->find('\n', from)) {
    lines.push_back(text->substr(from, end - from));
  }
  if (lines.size() != 3 || from != text->size())
    return absl::DataLossError(fmt::format("{} is damaged: restore it from a backup", file));
  return lines;
}

}  // namespace

class KeyService::DirectoryLock {
 public:
  static absl::StatusOr<std::unique_ptr<DirectoryLock>> Take(const std::string& directory) {
    if (auto status = MakeStateDirectory(directory); !status.ok()) return status;
    const int descriptor = open((directory + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) return absl::UnavailableError(fmt::format("cannot write in {}", directory));
    std::unique_ptr<DirectoryLock> lock(new DirectoryLock(descriptor));
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      return absl::FailedPreconditionError(fmt::format("another key process uses {}: stop it first", directory));
    }
    return lock;
  }
  ~DirectoryLock() { close(descriptor_); }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  const int descriptor_;
};

KeyService::KeyService(Pkcs11Token& token, std::string state_directory, Connections connections,
                       std::unique_ptr<DirectoryLock> lock)
    : token_(token),
      state_directory_(std::move(state_directory)),
      connections_(std::move(connections)),
      directory_lock_(std::move(lock)),
      states_(state_directory_),
      recent_tokens_(kRecentTokensMax) {}

KeyService::~KeyService() = default;

absl::StatusOr<std::unique_ptr<KeyService>> KeyService::Create(Pkcs11Token& token, std::string state_directory,
                                                               Connections connections) {
  absl::StatusOr<std::unique_ptr<DirectoryLock>> lock = DirectoryLock::Take(state_directory);
  if (!lock.ok()) return lock.status();
  std::unique_ptr<KeyService> service(
      new KeyService(token, std::move(state_directory), std::move(connections), *std::move(lock)));
  if (auto status = service->LoadTenants(); !status.ok()) return status;
  return service;
}

absl::Status KeyService::MakeStateDirectory(const std::string& state_directory) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(state_directory, error);
  if (error) return absl::UnavailableError(fmt::format("cannot make {}: {}", state_directory, error.message()));
  if (made) chmod(state_directory.c_str(), 0700);
  return absl::OkStatus();
}

absl::Status KeyService::LoadTenants() {
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(state_directory_, error)) {
    const std::string name = file.path().filename().string();
    if (!name.starts_with(kTenantFile) || name.ends_with(".new")) continue;
    const absl::StatusOr<TenantId> id = TenantId::Parse(std::string_view(name).substr(kTenantFile.size()));
    if (!id.ok()) return absl::DataLossError(fmt::format("{} is no tenant's file: remove it", file.path().string()));
    const absl::StatusOr<std::vector<std::string>> lines = ThreeLines(file.path().string());
    if (!lines.ok()) return lines.status();
    const KeyPlacement placement{(*lines)[1], (*lines)[2]};
    absl::StatusOr<std::unique_ptr<KeyStore>> store = OpenStore(*id, placement);
    if (!store.ok()) return store.status();
    if (const auto kept = token_.CheckTenantKeys(*id, kFirstEpoch); !kept.ok()) {
      spdlog::error("{}", std::string(kept.message()));
    }
    absl::MutexLock lock(&mutex_);
    tenants_[*id] = std::make_unique<Tenant>(Tenant{(*lines)[0], placement, *std::move(store)});
  }
  if (error) return absl::UnavailableError(fmt::format("cannot list {}: {}", state_directory_, error.message()));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<KeyStore>> KeyService::OpenStore(const TenantId& tenant, const KeyPlacement& placement) {
  absl::StatusOr<tenants::ConnectionSpec> connection = connections_(placement);
  if (!connection.ok()) return connection.status();
  return std::make_unique<KeyStore>(tenant, std::make_unique<tenants::Database>(*std::move(connection), kConnectionsPerTenant),
                                    token_);
}

KeyService::Tenant* KeyService::Find(const TenantId& tenant) {
  absl::MutexLock lock(&mutex_);
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? nullptr : found->second.get();
}

absl::StatusOr<KeyService::Tenant*> KeyService::Known(const TenantId& tenant) {
  Tenant* const found = Find(tenant);
  if (found != nullptr) return found;
  return absl::NotFoundError(fmt::format("tenant {} has no keys here: admit it first", tenant.text()));
}

absl::StatusOr<std::string> KeyService::CreateTenant(const TenantId& tenant, std::string_view origin,
                                                     const KeyPlacement& placement) {
  if (auto status = CheckName(origin, "origin"); !status.ok()) return status;
  if (auto status = CheckName(placement.cell, "cell"); !status.ok()) return status;
  if (auto status = CheckName(placement.key_database, "key_database"); !status.ok()) return status;
  if (const Tenant* known = Find(tenant); known != nullptr) {
    if (known->origin != origin || known->placement != placement) {
      return absl::FailedPreconditionError(fmt::format("tenant {} was made with another origin or key store", tenant.text()));
    }
    // Never made again: a tenant that took its root away stays dark.
    if (auto status = token_.CheckTenantKeys(tenant, kFirstEpoch); !status.ok()) return status;
    return token_.LogPublicKey(origin);
  }
  bool first = false;
  {
    absl::MutexLock lock(&mutex_);
    first = tenants_.empty();
  }
  // A locator key that was lost must be noticed, not replaced: tokens of two keys never meet.
  if (first) {
    if (auto status = token_.CreateLocatorKey(); !status.ok()) return status;
  }
  if (auto status = token_.CreateTenantKeys(tenant, kFirstEpoch); !status.ok()) return status;
  absl::StatusOr<std::string> public_key = CreateLogKey(origin);
  if (!public_key.ok()) return public_key;
  absl::StatusOr<std::unique_ptr<KeyStore>> store = OpenStore(tenant, placement);
  if (!store.ok()) return store.status();
  if (auto status = (*store)->Prepare(); !status.ok()) return status;
  // A crash before this line: the caller asks again, and what was made is found.
  const std::string file = fmt::format("{}/{}{}", state_directory_, kTenantFile, tenant.text());
  if (auto status = WriteStateFile(file, PlacementText(origin, placement)); !status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  tenants_.try_emplace(tenant, std::make_unique<Tenant>(Tenant{std::string(origin), placement, *std::move(store)}));
  return public_key;
}

absl::StatusOr<std::string> KeyService::CreateLogKey(std::string_view origin) {
  if (auto status = CheckName(origin, "origin"); !status.ok()) return status;
  absl::StatusOr<std::string> public_key = token_.LogPublicKey(origin);
  if (!absl::IsNotFound(public_key.status())) return public_key;
  if (auto status = states_.Begin(origin); !status.ok()) return status;
  const absl::StatusOr<ledger::Checkpoint> last = states_.Last(origin);
  if (!last.ok()) return last.status();
  if (last->size > 0) {
    return absl::FailedPreconditionError(
        fmt::format("the key of {} signed size {} and is no longer in the token", origin, last->size));
  }
  return token_.CreateLogKey(origin);
}

absl::StatusOr<std::vector<StoredKey>> KeyService::CreatePatientKeys(const TenantId& tenant, std::span<const PatientId> patients) {
  if (auto status = CheckCount(patients); !status.ok()) return status;
  const absl::StatusOr<Tenant*> known = Known(tenant);
  if (!known.ok()) return known.status();
  return (*known)->store->CreatePatientKeys(patients);
}

absl::StatusOr<std::vector<Secret>> KeyService::UnwrapPatientKeys(const TenantId& tenant, std::span<const PatientId> patients,
                                                                  std::string_view purpose) {
  if (auto status = CheckCount(patients); !status.ok()) return status;
  if (purpose.empty() || purpose.size() > kPurposeBytesMax)
    return absl::InvalidArgumentError("purpose: a short constant is required");
  const absl::StatusOr<Tenant*> known = Known(tenant);
  if (!known.ok()) return known.status();
  return (*known)->store->Unwrap(patients);
}

absl::StatusOr<std::vector<std::string>> KeyService::LocatorTokens(const TenantId& tenant, std::span<const std::string> values) {
  if (values.size() > kLocatorValuesMax)
    return absl::InvalidArgumentError(fmt::format("value: at most {} a call", kLocatorValuesMax));
  for (const std::string& value : values) {
    if (value.empty() || value.size() > kLocatorValueBytesMax) {
      return absl::InvalidArgumentError(fmt::format("value: 1 to {} bytes each", kLocatorValueBytesMax));
    }
  }
  if (const auto known = Known(tenant); !known.ok()) return known.status();
  std::vector<std::string> tokens(values.size());
  std::vector<std::string> missing;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (auto kept = recent_tokens_.Find(tenant, values[i])) {
      tokens[i] = *std::move(kept);
    } else {
      missing.push_back(values[i]);
      places.push_back(i);
    }
  }
  // Asked even when nothing is missing, so that a token that is away or has lost the key gives nothing.
  auto made = token_.LocatorTokens(missing);
  if (!made.ok()) {
    recent_tokens_.Forget();
    return made.status();
  }
  for (std::size_t i = 0; i < missing.size(); ++i) {
    recent_tokens_.Keep(tenant, missing[i], (*made)[i]);
    tokens[places[i]] = std::move((*made)[i]);
  }
  return tokens;
}

absl::StatusOr<Secret> KeyService::IndexKey(const TenantId& tenant) {
  if (const auto known = Known(tenant); !known.ok()) return known.status();
  return token_.IndexKey(tenant);
}

absl::StatusOr<std::string> KeyService::SignCheckpoint(std::string_view origin, std::uint64_t size, const ledger::Hash& root) {
  if (auto status = CheckName(origin, "origin"); !status.ok()) return status;
  if (size == 0 && root != ledger::EmptyRoot()) return absl::InvalidArgumentError("root: not that of the empty tree");
  if (const auto key = token_.LogPublicKey(origin); !key.ok()) return key.status();
  const ledger::Checkpoint checkpoint{std::string(origin), size, root};
  const absl::Status advanced = states_.Advance(checkpoint);
  if (absl::IsNotFound(advanced)) {
    return absl::FailedPreconditionError(fmt::format("the signing state of {} is lost: restore it, nothing is signed", origin));
  }
  if (!advanced.ok()) return advanced;
  return token_.SignAsLog(origin, checkpoint.Serialize());
}

absl::StatusOr<std::vector<std::string>> KeyService::ReadWrapped(const TenantId& tenant, std::span<const KeyName> names) {
  if (names.empty() || names.size() > kWrappedKeysPerCallMax)
    return absl::InvalidArgumentError(fmt::format("key: 1 to {} a call", kWrappedKeysPerCallMax));
  const absl::StatusOr<Tenant*> known = Known(tenant);
  if (!known.ok()) return known.status();
  return (*known)->store->ReadWrapped(names);
}

absl::StatusOr<KeyStatus> KeyService::Status() {
  KeyStatus answer;
  answer.ready = token_.Health().ok();
  std::vector<std::pair<TenantId, KeyStore*>> all;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, tenant] : tenants_) all.emplace_back(id, tenant->store.get());
  }
  for (const auto& [id, store] : all) {
    if (!answer.ready || !token_.CheckTenantKeys(id, kFirstEpoch).ok() || !store->Check().ok())
      answer.dark_tenants.push_back(id.text());
  }
  return answer;
}

}  // namespace custodian::keys
