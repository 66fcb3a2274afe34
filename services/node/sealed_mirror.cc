#include "services/node/sealed_mirror.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ledger/tiles.h"
#include "spdlog/spdlog.h"

namespace custodian::node {
namespace {

using ledger::kTileWidth;
using ledger::SealedName;
using ledger::SealedPath;
using ledger::v1::KeptKey;
using ledger::v1::SealedItem;

// A page looks at this many bundles of entries at most.
constexpr std::uint64_t kSegmentsPerPageMax = 16;
// What an item costs beside its bytes, at most.
constexpr std::size_t kItemBytesMax = 64;

// What the entries of a segment name, of the first `size` of the log.
absl::StatusOr<std::vector<SealedName>> NamesOf(const SealedLog& log, std::uint64_t segment, std::uint64_t size) {
  const std::uint64_t first = segment * kTileWidth;
  const auto width = static_cast<unsigned>(std::min(kTileWidth, size - first));
  const absl::StatusOr<std::string> bundle = log.read(ledger::TilePath{true, 0, segment, width}.ToString());
  if (!bundle.ok()) return bundle.status();
  const auto leaves = ledger::DecodeBundle(*bundle);
  if (!leaves.ok()) return leaves.status();
  return ledger::SealedNamesOf(*leaves, first, log.custodian);
}

// The wrapped key in the form that `name` says; null when there is none, or a newer one.
const KeptKey* FindKey(const std::vector<KeptKey>& keys, const SealedName& name) {
  const auto found = std::find_if(keys.begin(), keys.end(), [&name](const KeptKey& key) { return key.what() == name.what && key.key_id() == name.id; });
  const bool is_it = found != keys.end() && found->epoch() == name.epoch && ledger::AsBytes(ledger::Sha256(found->wrapped())) == name.sha256;
  return is_it ? &*found : nullptr;
}

// A later entry named another form of it, which is held.
bool IsReplaced(const std::vector<KeptKey>& keys, const SealedName& name) {
  return std::any_of(keys.begin(), keys.end(), [&name](const KeptKey& key) { return key.what() == name.what && key.key_id() == name.id && key.index() > name.index; });
}

}  // namespace

// --- serving --------------------------------------------------------------------------------------------------------------

absl::StatusOr<std::string> SealedPageOf(const SealedLog& log, const SealedCopy& copy, const SealedPath& from) {
  const std::uint64_t size = log.size();
  if (from.index >= size) return absl::OutOfRangeError("past what this mirror holds");
  ledger::v1::SealedPage page;
  std::size_t bytes = 0;
  const std::uint64_t first = from.index / kTileWidth;
  std::uint64_t segment = first;
  for (; segment * kTileWidth < size && segment < first + kSegmentsPerPageMax; ++segment) {
    const auto names = NamesOf(log, segment, size);
    if (!names.ok()) return names.status();
    // Several at one position: the one that is sound counts.
    std::multimap<std::pair<std::uint64_t, std::uint32_t>, std::uint64_t> places;
    const auto read = copy.VisitRecords(segment, [&places](const SealedItem& item, std::uint64_t place) { places.emplace(std::pair{item.index(), item.ordinal()}, place); });
    if (!read.ok()) return read.status();
    std::optional<std::pair<std::string, std::vector<KeptKey>>> shard;
    for (const SealedName& name : *names) {
      if (name.index == from.index ? name.ordinal < from.ordinal : name.index < from.index) continue;
      std::optional<SealedItem> found;
      if (name.is_record()) {
        const auto [begin, end] = places.equal_range({name.index, name.ordinal});
        for (auto place = begin; place != end && !found; ++place) {
          auto item = copy.ReadRecord(segment, place->second);
          if (item.ok() && ledger::CheckSealed(name, *item).ok()) found = *std::move(item);
        }
      } else {
        if (!shard || shard->first != name.shard_id) {
          auto keys = copy.ReadKeys(name.shard_id);
          if (!keys.ok()) return keys.status();
          shard.emplace(name.shard_id, *std::move(keys));
        }
        if (const KeptKey* key = FindKey(shard->second, name); key != nullptr) {
          found.emplace();
          found->set_index(name.index);
          found->set_sealed(key->wrapped());
        }
      }
      if (!found) continue;
      bytes += found->sealed().size() + kItemBytesMax;
      if (bytes > ledger::kSealedPageBytesMax && page.items_size() > 0) {
        page.set_next_index(name.index);
        page.set_next_ordinal(name.ordinal);
        return page.SerializeAsString();
      }
      *page.add_items() = *std::move(found);
    }
  }
  page.set_next_index(std::min(size, segment * kTileWidth));
  return page.SerializeAsString();
}

SealedMirror::Figures SealedMirror::figures() const {
  const absl::MutexLock lock(&mutex_);
  return figures_;
}

std::string SealedMirror::StatusJson() const {
  const Figures figures = this->figures();
  // Nothing here needs escaping: an origin is printable without quotes, the rest is our own.
  return absl::StrCat("{\"origin\":\"", log_.origin, "\",\"log_size\":", log_.size(), ",\"sealed_size\":", figures.size, ",\"named\":", figures.named,
                      ",\"held\":", figures.named - figures.missing, ",\"missing\":", figures.missing, ",\"altered\":", figures.altered, ",\"first\":\"",
                      figures.first, "\"}\n");
}

// --- following ------------------------------------------------------------------------------------------------------------

absl::Status SealedMirror::Step(const ledger::ByteSource& read, absl::Time now, const std::atomic<bool>& stopped) {
  if (now < not_before_) return absl::OkStatus();
  ledger::SealedReader reader(read);
  absl::Status status = Walk(reader, now, stopped);
  if (dirty_) {
    if (const absl::Status synced = copy_->Sync(); !synced.ok()) return synced;
    dirty_ = false;
  }
  if (absl::IsFailedPrecondition(status)) not_before_ = now + options_.retry;
  Tell(status);
  return status;
}

absl::Status SealedMirror::Walk(ledger::SealedReader& reader, absl::Time now, const std::atomic<bool>& stopped) {
  if (!forgot_ && options_.keys_from_epoch > 0) {
    const auto forgotten = copy_->ForgetKeysBefore(options_.keys_from_epoch);
    if (!forgotten.ok()) return forgotten.status();
    if (*forgotten > 0) spdlog::warn("event=keys_forgotten origin={} before_epoch={} keys={}", log_.origin, options_.keys_from_epoch, *forgotten);
  }
  forgot_ = true;
  const std::uint64_t size = log_.size();
  for (int taken = 0; next_segment_ * kTileWidth < size && edge_size_ != size; ++taken) {
    if (stopped) return absl::CancelledError("the mirror stops");
    if (taken == options_.segments_max || reader.pages() >= options_.pages_max) return absl::OkStatus();
    if (gaps_.size() >= options_.gaps_max) break;
    if (absl::Status status = TakeSegment(next_segment_, size, reader); !status.ok()) return status;
  }
  if (gaps_.empty() || now < retry_at_) return absl::OkStatus();
  // What was handed over before may say that something is not there: it is asked for again.
  reader.Forget();
  for (auto gap = gaps_.lower_bound(next_gap_); gap != gaps_.end(); gap = gaps_.lower_bound(next_gap_)) {
    if (stopped) return absl::CancelledError("the mirror stops");
    if (reader.pages() >= options_.pages_max) return absl::OkStatus();
    next_gap_ = gap->first + 1;
    if (absl::Status status = TakeSegment(gap->first, size, reader); !status.ok()) return status;
  }
  next_gap_ = 0;
  retry_at_ = now + options_.retry;
  return absl::OkStatus();
}

absl::Status SealedMirror::TakeSegment(std::uint64_t segment, std::uint64_t size, ledger::SealedReader& reader) {
  auto named = NamesOf(log_, segment, size);
  if (!named.ok()) return named.status();
  std::vector<SealedName> names = *std::move(named);
  std::erase_if(names, [this](const SealedName& name) { return !name.is_record() && name.epoch < options_.keys_from_epoch; });
  std::vector<bool> held(names.size());
  if (absl::Status status = FindHeld(segment, names, held); !status.ok()) return status;
  Gap gap;
  std::vector<std::pair<const SealedName*, SealedItem>> got;
  const auto lacks = [&gap](std::string why) {
    ++gap.missing;
    if (gap.first.empty()) gap.first = std::move(why);
  };
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (held[i]) continue;
    auto item = reader.Fetch(names[i].index, names[i].ordinal);
    if (!item.ok()) return item.status();
    if (!item->has_value()) {
      lacks(ledger::PositionOf(names[i]) + ": not handed over");
    } else if (const absl::Status sound = ledger::CheckSealed(names[i], **item); !sound.ok()) {
      ++gap.altered;
      lacks(std::string(sound.message()));
    } else {
      got.emplace_back(&names[i], **std::move(item));
    }
  }
  if (absl::Status status = Keep(segment, got); !status.ok()) return status;
  if (gap.missing > 0)
    gaps_[segment] = std::move(gap);
  else
    gaps_.erase(segment);
  if (segment != next_segment_) return absl::OkStatus();
  if ((segment + 1) * kTileWidth <= size) {
    named_ += names.size();
    edge_named_ = 0;
    ++next_segment_;
  } else {
    edge_named_ = names.size();
  }
  edge_size_ = std::min(size, (segment + 1) * kTileWidth);
  return absl::OkStatus();
}

absl::Status SealedMirror::FindHeld(std::uint64_t segment, const std::vector<SealedName>& names, std::vector<bool>& held) const {
  std::map<Position, std::size_t> records;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i].is_record()) records.emplace(Position(names[i].index, names[i].ordinal), i);
  const auto find = [&](const SealedItem& item) {
    const auto at = records.find({item.index(), item.ordinal()});
    return at != records.end() && ledger::CheckSealed(names[at->second], item).ok() ? at : records.end();
  };
  bool useless = false;
  const auto whole = copy_->VisitRecords(segment, [&](const SealedItem& item, std::uint64_t) {
    const auto at = find(item);
    useless = useless || at == records.end() || held[at->second];
    if (at != records.end()) held[at->second] = true;
  });
  if (!whole.ok()) return whole.status();
  if (useless || !*whole) {
    spdlog::error("event=sealed_copy_damaged origin={} entries_from={}", log_.origin, segment * kTileWidth);
    std::set<std::size_t> kept;
    const absl::Status status = copy_->RewriteRecords(segment, [&](const SealedItem& item) {
      const auto at = find(item);
      return at != records.end() && kept.insert(at->second).second;
    });
    if (!status.ok()) return status;
  }
  return FindHeldKeys(names, held);
}

absl::Status SealedMirror::FindHeldKeys(const std::vector<SealedName>& names, std::vector<bool>& held) const {
  std::optional<std::pair<std::string, std::vector<KeptKey>>> shard;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].is_record()) continue;
    if (!shard || shard->first != names[i].shard_id) {
      auto keys = copy_->ReadKeys(names[i].shard_id);
      if (!keys.ok()) return keys.status();
      shard.emplace(names[i].shard_id, *std::move(keys));
    }
    held[i] = FindKey(shard->second, names[i]) != nullptr || IsReplaced(shard->second, names[i]);
  }
  return absl::OkStatus();
}

absl::Status SealedMirror::Keep(std::uint64_t segment, const std::vector<std::pair<const SealedName*, SealedItem>>& items) {
  if (items.empty()) return absl::OkStatus();
  dirty_ = true;
  std::vector<SealedItem> records;
  // By shard.
  std::map<std::string, std::vector<KeptKey>> keys;
  for (const auto& [name, item] : items) {
    if (name->is_record()) {
      records.push_back(item);
      continue;
    }
    KeptKey key;
    key.set_what(name->what);
    key.set_key_id(name->id);
    key.set_shard_id(name->shard_id);
    key.set_epoch(name->epoch);
    key.set_index(name->index);
    key.set_wrapped(item.sealed());
    keys[name->shard_id].push_back(std::move(key));
  }
  if (!records.empty()) {
    if (absl::Status status = copy_->AppendRecords(segment, records); !status.ok()) return status;
  }
  for (const auto& [shard_id, fresh] : keys) {
    auto kept = copy_->ReadKeys(shard_id);
    if (!kept.ok()) return kept.status();
    for (const KeptKey& key : fresh) {
      std::erase_if(*kept, [&key](const KeptKey& older) { return older.what() == key.what() && older.key_id() == key.key_id(); });
      kept->push_back(key);
    }
    if (absl::Status status = copy_->WriteKeys(shard_id, *kept); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Said once until it changes. While the walk is under way a key may still be found to be replaced: nothing is missing before its end.
void SealedMirror::Tell(const absl::Status& status) {
  Figures figures;
  figures.size = edge_size_;
  figures.named = named_ + edge_named_;
  for (const auto& [segment, gap] : gaps_) {
    figures.missing += gap.missing;
    figures.altered += gap.altered;
    if (figures.first.empty()) figures.first = gap.first;
  }
  std::string trouble = absl::IsFailedPrecondition(status) ? std::string(status.message()) : "";
  if (!trouble.empty()) figures.first = "nothing is handed over";
  {
    const absl::MutexLock lock(&mutex_);
    figures_ = figures;
  }
  const bool at_end = edge_size_ == log_.size() || gaps_.size() >= options_.gaps_max;
  if (trouble.empty() && at_end && figures.missing > 0)
    trouble = absl::StrCat(figures.missing, " of ", figures.named, " sealed records and wrapped keys are missing; the first: ", figures.first);
  // What it was before is not over while nobody answers.
  if (!status.ok() && trouble.empty()) return;
  if (trouble == std::exchange(trouble_, trouble)) return;
  if (trouble.empty())
    spdlog::info("event=sealed_whole origin={} named={}", log_.origin, figures.named);
  else
    spdlog::error("event=sealed_withheld alarm=true origin={} missing={} altered={} reason=\"{}\"", log_.origin, figures.missing, figures.altered, trouble);
}

}  // namespace custodian::node
