// A log's key may change while its origin does not (DESIGN, section 4): the statement by which a successor's key takes over, and which key signs
// which size. The old log key signs it, which is the authority, and so does the new one, so that nobody is made the successor unasked. Pure.
//
//   custodian/succession/v1
//   from <verifier key of the log so far>
//   at <size> <base64 of the root at that size>
//   to <verifier key from the next entry on>
//   governance <verifier key of the governance log that anchors name from there on>
//
//   — <origin> <note signature of the old key>
//   — <origin> <note signature of the new key>
//
// A signed note (C2SP signed-note). No checkpoint reads so: its second line is a number. The entry that carries it, and who judges that, is README.md's.
#ifndef CUSTODIAN_LEDGER_SUCCESSION_H_
#define CUSTODIAN_LEDGER_SUCCESSION_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/checkpoint.h"
#include "ledger/signature.h"
#include "ledger/tree.h"

namespace custodian::ledger {

struct Succession {
  // Both of one name, which is the log's origin.
  NoteVerifier from;
  NoteVerifier to;
  // Of another name.
  NoteVerifier governance;
  // What the successor goes on from: at least one entry.
  std::uint64_t size = 0;
  Hash root{};

  // The five lines.
  [[nodiscard]] std::string Text() const;
};

// The note, signed by both. InvalidArgument when a signer's key is not the one that is named, or the statement is none that OpenSuccession() takes.
[[nodiscard]] absl::StatusOr<std::string> SignSuccession(const Succession& succession, const Signer& from, const Signer& to);
// InvalidArgument for anything that SignSuccession() would not have written; Unauthenticated unless both keys signed it. Whether the log
// had that key, size and root is LogKeys' to judge.
[[nodiscard]] absl::StatusOr<Succession> OpenSuccession(std::string_view bytes);

// Which key signs checkpoints of which size: the verifier's own, and those that succeeded it in the log.
class LogKeys {
 public:
  // The key that the verifier's policy names.
  explicit LogKeys(NoteVerifier first) { keys_.emplace_back(0, std::move(first)); }

  // Takes the succession that the entry at index `size` carries, `root` being the log's root before that entry; in the log's order.
  // FailedPrecondition, and nothing changes, when it is of another log, key, size or root, or names a key again that the log had.
  [[nodiscard]] absl::Status Succeed(const Succession& succession, std::uint64_t size, const Hash& root);
  // The one key for a checkpoint of that size. A successor's first has the succession's own entry.
  [[nodiscard]] const NoteVerifier& KeyFor(std::uint64_t checkpoint_size) const;

 private:
  // The size that each took over at, ascending.
  std::vector<std::pair<std::uint64_t, NoteVerifier>> keys_;
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_SUCCESSION_H_
