#include "services/log/sealed_pages.h"

#include <algorithm>
#include <map>
#include <span>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "services/log/sealed_store.h"

namespace custodian::log {
namespace {

// Mirrors catch up without holding up others: each page is some megabytes in memory.
constexpr int kPagesAtOnceMax = 2;
constexpr std::uint64_t kLeavesPerRead = 256;
// A page ends here even when nothing was named.
constexpr std::uint64_t kLeavesPerPageMax = 4'096;
// What an item costs beside its bytes, at most.
constexpr std::size_t kItemBytesMax = 64;

}  // namespace

absl::StatusOr<std::string> SealedPages::Make(std::string_view origin, const ledger::SealedPath& from) {
  const tenants::Partition* partition = partitions_.FindByOrigin(origin);
  if (partition == nullptr) return absl::NotFoundError("nothing is sealed beside this log");
  const absl::Cleanup leave = [this] { --at_once_; };
  if (++at_once_ > kPagesAtOnceMax) return absl::ResourceExhaustedError("too many pages at once");
  return MakePage(*partition, from);
}

absl::StatusOr<std::string> SealedPages::MakePage(const tenants::Partition& partition, const ledger::SealedPath& from) {
  const auto head = partition.log->Head();
  if (!head.ok()) return head.status();
  if (from.index >= head->size) return absl::OutOfRangeError("past the log's end");
  ledger::v1::SealedPage page;
  page.set_next_index(from.index);
  std::size_t bytes = 0;
  bool room = true;
  const std::uint64_t end = std::min(head->size, from.index + kLeavesPerPageMax);
  while (room && page.next_index() < end) {
    const std::uint64_t first = page.next_index();
    const auto leaves = partition.log->Leaves(first, std::min(kLeavesPerRead, end - first));
    if (!leaves.ok()) return leaves.status();
    auto names = ledger::SealedNamesOf(*leaves, first, custodian_);
    if (!names.ok()) return names.status();
    std::erase_if(*names, [&from](const ledger::SealedName& name) { return name.index == from.index && name.ordinal < from.ordinal; });
    const auto added = Add(partition, *names, page, bytes);
    if (!added.ok()) return added.status();
    room = *added;
    if (!room) break;
    page.set_next_index(first + leaves->size());
    page.set_next_ordinal(0);
  }
  return page.SerializeAsString();
}

absl::StatusOr<bool> SealedPages::Add(const tenants::Partition& partition, const std::vector<ledger::SealedName>& names, ledger::v1::SealedPage& page,
                                      std::size_t& bytes) {
  // The rows first, then the keys: neither a transaction nor a connection waits for the key process.
  std::map<SealedStore::Version, SealedStore::Record> records;
  std::size_t taken = 0;
  bool room = true;
  const absl::Status status = partition.database->Read([&](tenants::ReadTransaction& transaction) {
    SealedStore store(transaction);
    const auto sizes = store.Sizes(names);
    for (; taken < names.size(); ++taken) {
      const auto size = sizes.find({names[taken].id, names[taken].version});
      const std::size_t more = kItemBytesMax + (names[taken].is_record() && size != sizes.end() ? size->second : kItemBytesMax);
      room = bytes == 0 || bytes + more <= ledger::kSealedPageBytesMax;
      if (!room) break;
      bytes += more;
    }
    records = store.Read(std::span(names).first(taken));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  std::vector<keys::KeyName> wanted;
  for (std::size_t i = 0; i < taken; ++i)
    if (!names[i].is_record()) wanted.push_back({names[i].what, names[i].id});
  std::vector<std::string> wrapped;
  for (std::size_t i = 0; i < wanted.size(); i += keys::kWrappedKeysPerCallMax) {
    auto some = keys_.ReadWrapped(partition.tenant.id, std::span(wanted).subspan(i, std::min(keys::kWrappedKeysPerCallMax, wanted.size() - i)));
    if (!some.ok()) return some.status();
    wrapped.insert(wrapped.end(), some->begin(), some->end());
  }
  std::size_t next_key = 0;
  for (std::size_t i = 0; i < taken; ++i) {
    ledger::v1::SealedItem item;
    item.set_index(names[i].index);
    item.set_ordinal(names[i].ordinal);
    if (names[i].is_record()) {
      const auto record = records.find({names[i].id, names[i].version});
      if (record == records.end()) continue;
      item.set_sealed(std::move(record->second.sealed));
      item.set_patient_id(std::move(record->second.patient_id));
    } else {
      item.set_sealed(std::move(wrapped[next_key++]));
      if (item.sealed().empty()) continue;
    }
    *page.add_items() = std::move(item);
  }
  if (!room) {
    page.set_next_index(names[taken].index);
    page.set_next_ordinal(names[taken].ordinal);
  }
  return room;
}

}  // namespace custodian::log
