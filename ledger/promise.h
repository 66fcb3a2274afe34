// What the custodian promises whoever appends to a log (DESIGN, section 4, "Answers"): that these leaves stand at these positions, and that a
// checkpoint with its quorum covers them by a stated time. Signed by the custodian's author key, which the governance log's entries of the
// custodian enrol; one signature for all promises of a commit, as author batches have one. Pure; times are parameters.
//
//   custodian/promise/v1
//   origin <origin>
//   entries <index of the first> <how many>
//   leaves <base64 of the RFC 6962 root over their leaf hashes>
//   witnessed-by <Unix milliseconds>
//   batch <position> <size>
//   <base64 of each sibling hash, from this promise to the batch's root>
//
//   — <custodian's author> <base64 of key id (32 bytes) and signature>
//
// The first five lines are a leaf of the batch, an RFC 6962 tree. Signed is "custodian/promise-batch/v1\n" size "\n" base64(root) "\n".
#ifndef CUSTODIAN_LEDGER_PROMISE_H_
#define CUSTODIAN_LEDGER_PROMISE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/roster.h"
#include "ledger/signature.h"
#include "ledger/tree.h"

namespace custodian::ledger {

struct Promise {
  std::string origin;
  std::uint64_t first = 0;
  // 1 to 65,536.
  std::uint64_t count = 0;
  // RootOf() the leaf hashes.
  Hash leaves{};
  // Whole milliseconds.
  absl::Time witnessed_by;

  // The five lines.
  [[nodiscard]] std::string Text() const;
};

struct SignedPromise {
  Promise promise;
  std::uint64_t batch_index = 0;
  std::uint64_t batch_size = 1;
  std::vector<Hash> batch_path;
  // Roster name of the custodian's author, its key, and the signature over the batch.
  std::string author;
  Hash key_id{};
  std::string signature;

  // InvalidArgument for anything that Serialize() would not have written.
  [[nodiscard]] static absl::StatusOr<SignedPromise> Parse(std::string_view text);
  [[nodiscard]] std::string Serialize() const;
  // Unauthenticated unless a key that the governance log enrolled for the custodian, whether revoked since or not, signed it for this log.
  [[nodiscard]] absl::Status Verify(const RosterHistory& governance) const;
};

// All of them signed at once, in order. InvalidArgument when there are none or more than 65,536.
[[nodiscard]] absl::StatusOr<std::vector<SignedPromise>> SignPromises(std::span<const Promise> promises, const std::string& author,
                                                                      const Signer& signer);

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_PROMISE_H_
