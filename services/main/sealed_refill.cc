#include "services/main/sealed_refill.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "ledger/entry.h"
#include "ledger/sealed_reader.h"
#include "ledger/tiles.h"
#include "services/log/refill_store.h"
#include "services/main/commands.h"
#include "services/main/log_source.h"
#include "services/main/platform_client.h"
#include "services/node/mirrored_log.h"
#include "services/node/sealed_mirror.h"

namespace custodian::main {
namespace {

using ledger::kTileWidth;

// What is put back in one transaction, and held in memory.
constexpr std::size_t kBytesAtOnce = 8u << 20;

class Refiller {
 public:
  Refiller(const SealedRefill& refill, const tenants::Database& records, const tenants::Database& keys)
      : refill_(refill), records_(records), keys_(keys), reader_(refill.sealed) {}

  SealedRefilled Run() {
    for (std::uint64_t segment = 0; segment * kTileWidth < refill_.size && !result_.keeps_nothing; ++segment) TakeSegment(segment);
    Put();
    return result_;
  }

 private:
  void TakeSegment(std::uint64_t segment) {
    const std::uint64_t first = segment * kTileWidth;
    const auto width = static_cast<unsigned>(std::min(kTileWidth, refill_.size - first));
    const auto bundle = refill_.log(ledger::TilePath{true, 0, segment, width}.ToString());
    Check(bundle.status());
    const auto leaves = ledger::DecodeBundle(*bundle);
    Check(leaves.status());
    for (std::size_t i = 0; i < leaves->size(); ++i) {
      const auto leaf = ledger::ParseLeaf((*leaves)[i]);
      Check(leaf.status());
      for (ledger::SealedName& name : ledger::SealedNamesOf(leaf->entry, first + i, refill_.custodian)) {
        if (!name.is_record() && name.epoch < refill_.newest_epoch) continue;
        Take(leaf->entry, std::move(name));
        if (result_.keeps_nothing) return;
      }
    }
  }

  void Take(const ledger::v1::Entry& entry, ledger::SealedName name) {
    auto item = reader_.Fetch(name.index, name.ordinal);
    result_.keeps_nothing = absl::IsFailedPrecondition(item.status());
    if (result_.keeps_nothing) return;
    Check(item.status());
    if (!item->has_value()) {
      ++result_.not_kept;
      return;
    }
    if (const absl::Status sound = ledger::CheckSealed(name, **item); !sound.ok())
      throw CommandFailed{1, "the mirror is not to be believed: " + std::string(sound.message())};
    log::ReturnedItem back;
    back.sealed = std::move(*(*item)->mutable_sealed());
    back.patient_id = (*item)->patient_id();
    back.arrived_ms = entry.time().seconds() * 1000 + entry.time().nanos() / 1'000'000;
    const std::string row(ledger::AsBytes(ledger::RowSha256("exchange.patient", std::vector{back.patient_id, name.id})));
    back.is_patient = name.is_record() && std::find(entry.row_sha256().begin(), entry.row_sha256().end(), row) != entry.row_sha256().end();
    back.name = std::move(name);
    bytes_ += back.sealed.size() + sizeof back;
    items_.push_back(std::move(back));
    if (bytes_ > kBytesAtOnce) Put();
  }

  void Put() {
    if (items_.empty()) return;
    Check(keys_.Write([this](tenants::WriteTransaction& transaction) {
      result_.keys += log::RefillStore(transaction).PutKeys(items_);
      return absl::OkStatus();
    }));
    Check(records_.Write([this](tenants::WriteTransaction& transaction) {
      result_.records += log::RefillStore(transaction).PutRecords(items_);
      return absl::OkStatus();
    }));
    items_.clear();
    bytes_ = 0;
  }

  const SealedRefill& refill_;
  const tenants::Database& records_;
  const tenants::Database& keys_;
  ledger::SealedReader reader_;
  std::vector<log::ReturnedItem> items_;
  std::size_t bytes_ = 0;
  SealedRefilled result_;
};

}  // namespace

ledger::ByteSource SealedSource(const rpc::HttpsClient& client, const std::string& from, const std::string& origin, std::uint64_t size,
                                const std::string& custodian) {
  ledger::ByteSource log = MirrorSource(client, from, origin);
  if (from.rfind("https://", 0) == 0) return log;
  const std::string folder = from + "/logs/" + node::LogName(origin) + "/sealed";
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error))
    return [folder](const std::string&) -> absl::StatusOr<std::string> { return absl::NotFoundError(folder + " is not there"); };
  auto opened = node::SealedCopy::Open(folder);
  Check(opened.status());
  const std::shared_ptr<const node::SealedCopy> copy = *std::move(opened);
  const node::SealedLog sealed{origin, custodian, [size] { return size; }, std::move(log)};
  return [copy, sealed](const std::string& path) -> absl::StatusOr<std::string> {
    const auto position = ledger::SealedPath::Parse(path);
    return position.ok() ? node::SealedPageOf(sealed, *copy, *position) : position.status();
  };
}

SealedRefilled RefillSealed(const SealedRefill& refill, const tenants::Database& records, const tenants::Database& keys) {
  return Refiller(refill, records, keys).Run();
}

}  // namespace custodian::main
