// A receipt: a C2SP tlog-proof whose `extra` is the leaf itself. It proves offline, with a policy file alone, that the leaf lies
// in a log at an index under a witnessed checkpoint. It says nothing of who wrote the leaf: that takes the governance log. Pure.
#ifndef CUSTODIAN_LEDGER_RECEIPT_H_
#define CUSTODIAN_LEDGER_RECEIPT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/tree.h"

namespace custodian::ledger {

struct Receipt {
  // The leaf's bytes; empty when the file has no `extra` line, which Verify() refuses.
  std::string leaf;
  std::uint64_t index = 0;
  std::vector<Hash> proof;
  // The checkpoint's note, verbatim.
  std::string checkpoint;

  // InvalidArgument naming the line.
  [[nodiscard]] static absl::StatusOr<Receipt> Parse(std::string_view text);
  [[nodiscard]] std::string Serialize() const;

  struct Verified {
    Checkpoint checkpoint;
    // Policy::WitnessedAt() of the checkpoint.
    absl::Time witnessed_at = absl::InfinitePast();
    Leaf leaf;
  };
  // The leaf is hashed here and followed to the root of a checkpoint that `policy` believes; it must name the checkpoint's
  // origin. Unauthenticated or InvalidArgument that says what does not fit.
  [[nodiscard]] absl::StatusOr<Verified> Verify(const Policy& policy) const;
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_RECEIPT_H_
