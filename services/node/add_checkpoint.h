// The request of C2SP tlog-witness: what a publisher sends and a witness reads. Pure values.
#ifndef CUSTODIAN_SERVICES_NODE_ADD_CHECKPOINT_H_
#define CUSTODIAN_SERVICES_NODE_ADD_CHECKPOINT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/checkpoint.h"
#include "ledger/tree.h"

namespace custodian::node {

// The body of an add-checkpoint request.
struct AddCheckpoint {
  std::uint64_t old_size = 0;
  std::vector<ledger::Hash> proof;
  ledger::Note note;

  // InvalidArgument naming what is malformed.
  [[nodiscard]] static absl::StatusOr<AddCheckpoint> Parse(std::string_view body);
  [[nodiscard]] std::string Serialize() const;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_ADD_CHECKPOINT_H_
