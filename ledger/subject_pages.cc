// The pages of subject_map.h: how a map is kept, changed and read for proofs.
#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>
#include <variant>

#include "ledger/big_endian.h"
#include "ledger/subject_map.h"

namespace custodian::ledger {
namespace {

constexpr std::size_t kSlots = 16;
constexpr std::size_t kPrefixMax = 64;
// A slot's first byte: its position, and this when it is another page.
constexpr std::uint8_t kIsPage = 0x10;

// Nothing, the only leaf there, or the hash of the page below.
using Slot = std::variant<std::monostate, SubjectLeaf, Hash>;
using Page = std::array<Slot, kSlots>;

std::size_t SlotOf(const Hash& key, std::size_t level) { return level % 2 == 0 ? key[level / 2] >> 4 : key[level / 2] & 0x0f; }

absl::Status Damaged(const std::string& what) { return absl::DataLossError("the kept map of subjects: " + what); }

std::string Encode(const Page& page) {
  std::string bytes;
  for (std::size_t i = 0; i < kSlots; ++i) {
    if (const auto* leaf = std::get_if<SubjectLeaf>(&page[i])) {
      bytes.push_back(static_cast<char>(i));
      bytes += AsBytes(leaf->key);
      bytes += BigEndian(leaf->value.count, 8);
      bytes += BigEndian(leaf->value.last_index, 8);
    } else if (const auto* hash = std::get_if<Hash>(&page[i])) {
      bytes.push_back(static_cast<char>(kIsPage | i));
      bytes += AsBytes(*hash);
    }
  }
  return bytes;
}

absl::StatusOr<Page> Decode(std::string_view bytes) {
  Page page;
  while (!bytes.empty()) {
    const auto tag = static_cast<std::uint8_t>(bytes[0]);
    const bool is_page = (tag & kIsPage) != 0;
    const std::size_t size = is_page ? 33 : 49;
    if (tag >= 2 * kIsPage || bytes.size() < size) return Damaged("a page cannot be read");
    const Hash hash = HashFromBytes(bytes.substr(1, 32)).value();
    Slot& slot = page[tag & 0x0f];
    if (is_page)
      slot = hash;
    else
      slot = SubjectLeaf{hash, {FromBigEndian(bytes.substr(33, 8)), FromBigEndian(bytes.substr(41, 8))}};
    bytes.remove_prefix(size);
  }
  return page;
}

// A subtree: its hash, and its leaf when that is all there is.
struct Subtree {
  Hash hash = EmptySubjectRoot();
  bool is_empty = true;
  bool is_leaf = false;
};

Subtree SubtreeOf(const Slot& slot) {
  if (const auto* leaf = std::get_if<SubjectLeaf>(&slot)) return {SubjectLeafHash(*leaf), false, true};
  if (const auto* hash = std::get_if<Hash>(&slot)) return {*hash, false, false};
  return {};
}

// Of the slots [first, first + count), count a power of two.
Subtree SubtreeOf(const Page& page, std::size_t first, std::size_t count) {
  if (count == 1) return SubtreeOf(page[first]);
  const Subtree left = SubtreeOf(page, first, count / 2);
  const Subtree right = SubtreeOf(page, first + count / 2, count / 2);
  if (left.is_empty && (right.is_empty || right.is_leaf)) return right;
  if (right.is_empty && left.is_leaf) return left;
  return {SubjectNodeHash(left.hash, right.hash), false, false};
}

Hash HashOf(const Page& page) { return SubtreeOf(page, 0, kSlots).hash; }

// Whether each leaf has the slot of its key, which the hash of a leaf that is alone in a half of the page does not say.
bool LeavesAreInPlace(const Page& page, const std::string& prefix) {
  for (std::size_t i = 0; i < kSlots; ++i) {
    const auto* leaf = std::get_if<SubjectLeaf>(&page[i]);
    if (leaf != nullptr && SlotOf(leaf->key, prefix.size()) != i) return false;
  }
  return true;
}

// The page at `prefix`, which must have that hash. Below the root one leaf alone makes no page.
absl::StatusOr<Page> Checked(const std::map<std::string, std::string>& read, const std::string& prefix, const Hash& hash) {
  const auto found = read.find(prefix);
  if (found == read.end()) return Damaged("a page is missing");
  absl::StatusOr<Page> page = Decode(found->second);
  if (!page.ok()) return page;
  const Subtree subtree = SubtreeOf(*page, 0, kSlots);
  if (subtree.hash != hash || (!prefix.empty() && subtree.is_leaf) || !LeavesAreInPlace(*page, prefix))
    return Damaged("a page is not what the one above it says");
  return page;
}

void Merge(SubjectValue& value, const SubjectValue& more) {
  value.count += more.count;
  value.last_index = std::max(value.last_index, more.last_index);
}

// Takes changes in, level by level from the root: what goes below a page waits for the next level.
class Change {
 public:
  Change(SubjectPages& pages, const Hash& root) : pages_(pages), root_(root) {}

  absl::StatusOr<Hash> Apply(const SubjectChanges& changes) {
    if (changes.empty()) return root_;
    std::map<std::string, Pending> level;
    level[""] = {root_ == EmptySubjectRoot() ? std::nullopt : std::optional<Hash>(root_), changes};
    while (!level.empty()) {
      auto below = TakeLevel(level);
      if (!below.ok()) return below.status();
      level = *std::move(below);
    }
    return Finish();
  }

 private:
  // What goes into a page, and its hash as it was; none for a new page.
  struct Pending {
    std::optional<Hash> hash;
    SubjectChanges changes;
  };

  absl::StatusOr<std::map<std::string, Pending>> TakeLevel(const std::map<std::string, Pending>& level) {
    std::vector<std::string> prefixes;
    for (const auto& [prefix, pending] : level)
      if (pending.hash) prefixes.push_back(prefix);
    std::map<std::string, std::string> read;
    if (!prefixes.empty()) {
      auto pages = pages_.Read(prefixes);
      if (!pages.ok()) return pages.status();
      read = *std::move(pages);
    }
    std::map<std::string, Pending> below;
    for (const auto& [prefix, pending] : level) {
      absl::StatusOr<Page> page = pending.hash ? Checked(read, prefix, *pending.hash) : Page();
      if (!page.ok()) return page.status();
      for (const auto& [key, value] : pending.changes) Put(*page, prefix, SubjectLeaf{key, value}, below);
      changed_[prefix] = *std::move(page);
    }
    return below;
  }

  static void Put(Page& page, const std::string& prefix, const SubjectLeaf& change, std::map<std::string, Pending>& below) {
    const std::size_t at = SlotOf(change.key, prefix.size());
    Slot& slot = page[at];
    const std::string next = prefix + static_cast<char>(at);
    if (std::holds_alternative<std::monostate>(slot)) {
      slot = change;
    } else if (auto* leaf = std::get_if<SubjectLeaf>(&slot); leaf != nullptr && leaf->key == change.key) {
      Merge(leaf->value, change.value);
    } else if (leaf != nullptr) {
      // Two keys: the leaf that was alone goes down with the new one, into a page whose hash is not known yet.
      Pending& pending = below[next];
      Merge(pending.changes[leaf->key], leaf->value);
      Merge(pending.changes[change.key], change.value);
      slot = Hash();
    } else {
      Pending& pending = below[next];
      if (pending.changes.empty()) pending.hash = std::get<Hash>(slot);
      Merge(pending.changes[change.key], change.value);
    }
  }

  // Each page's hash into the one above, the longest prefixes first.
  absl::StatusOr<Hash> Finish() {
    std::vector<std::string> prefixes;
    for (const auto& [prefix, page] : changed_) prefixes.push_back(prefix);
    std::stable_sort(prefixes.begin(), prefixes.end(), [](const auto& one, const auto& other) { return one.size() > other.size(); });
    std::map<std::string, std::string> bytes;
    Hash hash{};
    for (const std::string& prefix : prefixes) {
      const Page& page = changed_.at(prefix);
      hash = HashOf(page);
      bytes[prefix] = Encode(page);
      if (!prefix.empty()) changed_.at(prefix.substr(0, prefix.size() - 1))[static_cast<std::size_t>(prefix.back())] = hash;
    }
    if (absl::Status status = pages_.Write(bytes); !status.ok()) return status;
    return hash;
  }

  SubjectPages& pages_;
  const Hash root_;
  std::map<std::string, Page> changed_;
};

// Siblings along the key's path through one page, down to where fewer than two keys are left or the page ends.
Slot Descend(const Page& page, const Hash& key, std::size_t level, std::vector<Hash>& siblings) {
  std::size_t first = 0;
  const std::size_t at = SlotOf(key, level);
  for (std::size_t count = kSlots; count > 1; count /= 2) {
    const Subtree subtree = SubtreeOf(page, first, count);
    if (subtree.is_empty) return {};
    if (subtree.is_leaf) {
      for (std::size_t i = first; i < first + count; ++i)
        if (std::holds_alternative<SubjectLeaf>(page[i])) return page[i];
    }
    const bool goes_right = at >= first + count / 2;
    siblings.push_back(SubtreeOf(page, goes_right ? first : first + count / 2, count / 2).hash);
    if (goes_right) first += count / 2;
  }
  return page[at];
}

class PagesInMemory final : public SubjectPages {
 public:
  absl::StatusOr<std::map<std::string, std::string>> Read(const std::vector<std::string>& prefixes) override {
    std::map<std::string, std::string> found;
    for (const std::string& prefix : prefixes)
      if (const auto page = pages_.find(prefix); page != pages_.end()) found.insert(*page);
    return found;
  }
  absl::Status Write(const std::map<std::string, std::string>& pages) override {
    for (const auto& [prefix, bytes] : pages) pages_[prefix] = bytes;
    return absl::OkStatus();
  }

 private:
  std::unordered_map<std::string, std::string> pages_;
};

}  // namespace

std::unique_ptr<SubjectPages> NewSubjectPagesInMemory() { return std::make_unique<PagesInMemory>(); }

absl::StatusOr<Hash> ApplySubjectChanges(SubjectPages& pages, const Hash& root, const SubjectChanges& changes) {
  return Change(pages, root).Apply(changes);
}

absl::StatusOr<SubjectMapProof> ProveSubject(SubjectPages& pages, const Hash& root, std::string_view subject) {
  SubjectMapProof proof;
  if (root == EmptySubjectRoot()) return proof;
  const Hash key = SubjectKey(subject);
  Slot slot = root;
  std::string prefix;
  while (const auto* hash = std::get_if<Hash>(&slot)) {
    if (prefix.size() == kPrefixMax) return Damaged("its pages go deeper than a key");
    const auto read = pages.Read({prefix});
    if (!read.ok()) return read.status();
    const absl::StatusOr<Page> page = Checked(*read, prefix, *hash);
    if (!page.ok()) return page.status();
    slot = Descend(*page, key, prefix.size(), proof.siblings);
    prefix.push_back(static_cast<char>(SlotOf(key, prefix.size())));
  }
  if (const auto* leaf = std::get_if<SubjectLeaf>(&slot)) proof.leaf = *leaf;
  return proof;
}

}  // namespace custodian::ledger
