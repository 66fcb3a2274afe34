// The messages of C2SP tlog-mirror's add-entries: what a log sends and a mirror reads, and what the mirror says of itself (text/x.tlog.mirror-info).
// Pure values; reading copies no more than one package.
#ifndef CUSTODIAN_SERVICES_NODE_ADD_ENTRIES_H_
#define CUSTODIAN_SERVICES_NODE_ADD_ENTRIES_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/tree.h"

namespace custodian::node {

// What an add-entries request begins with.
struct AddEntriesHead {
  std::string origin;
  // Entries [upload_start, upload_end), proven to be in the checkpoint of size `upload_end`.
  std::uint64_t upload_start = 0;
  std::uint64_t upload_end = 0;
  std::string ticket;
};

// Entries [start, end) of the one bundle that begins at `first`.
struct PackageRange {
  std::uint64_t first = 0;
  std::uint64_t start = 0;
  std::uint64_t end = 0;
};
// The package of the canonical sequence that begins at `start`, which is below `upload_end`.
[[nodiscard]] PackageRange PackageAt(std::uint64_t start, std::uint64_t upload_end);

struct EntryPackage {
  PackageRange range;
  // end - start of them.
  std::vector<std::string> entries;
  // Subtree consistency proof of [first, end) in the tree of size `upload_end`.
  std::vector<ledger::Hash> proof;
};

// The proof of a package, of a log that gives inclusion proofs in its tree of size `upload_end`: the path of the package's last entry, without
// what of it lies in the subtree [first, end).
using PathOf = std::function<absl::StatusOr<std::vector<ledger::Hash>>(std::uint64_t index)>;
[[nodiscard]] absl::StatusOr<std::vector<ledger::Hash>> PackageProof(const PackageRange& range, const PathOf& path_of);

// Reads a request; the body outlives it.
class AddEntriesReader {
 public:
  static constexpr std::size_t kProofHashesMax = 63;

  // InvalidArgument when the head is not whole, or says that it ends before it starts.
  [[nodiscard]] static absl::StatusOr<AddEntriesReader> Open(std::string_view body);
  [[nodiscard]] const AddEntriesHead& head() const { return head_; }
  // The next package of the canonical sequence; nothing after the last, and where the body ends, or makes no sense, before one is whole.
  [[nodiscard]] std::optional<EntryPackage> Next();

 private:
  AddEntriesReader(AddEntriesHead head, std::string_view rest) : head_(std::move(head)), rest_(rest), next_(head_.upload_start) {}

  AddEntriesHead head_;
  std::string_view rest_;
  std::uint64_t next_;
};

// InvalidArgument when something is too long for its length.
[[nodiscard]] absl::StatusOr<std::string> SerializeAddEntries(const AddEntriesHead& head, const std::vector<EntryPackage>& packages);

// What a mirror answers with 409 and 202.
inline constexpr char kMirrorInfoType[] = "text/x.tlog.mirror-info";
struct MirrorInfo {
  // Of a pending checkpoint.
  std::uint64_t size = 0;
  std::uint64_t next_entry = 0;
  std::string ticket;

  // InvalidArgument for anything that Serialize() would not have written.
  [[nodiscard]] static absl::StatusOr<MirrorInfo> Parse(std::string_view text);
  [[nodiscard]] std::string Serialize() const;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_ADD_ENTRIES_H_
