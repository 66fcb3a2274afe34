// What a signing agent must not forget (signing_agent.h), as the text of its state file. Pure values.
#ifndef CUSTODIAN_SERVICES_NODE_AGENT_STATE_H_
#define CUSTODIAN_SERVICES_NODE_AGENT_STATE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/entry.pb.h"
#include "ledger/signature.h"
#include "ledger/tree.h"

namespace custodian::node {

struct AgentState {
  std::string origin;
  // The log as far as it was read, under a witnessed checkpoint.
  ledger::CompactRange range;
  // Acts below it are countersigned or disputed.
  std::uint64_t said_to = 0;
  // Acts between said_to and the range's end were found to be what was sent, or are in `disputes`.
  bool has_acts = false;
  struct Dispute {
    ledger::Hash leaf_hash{};
    ledger::v1::DisputeReason reason = ledger::v1::DISPUTE_REASON_UNSPECIFIED;
  };
  // To be said, by index.
  std::map<std::uint64_t, Dispute> disputes;
  // The last counter that was given to an entry.
  std::uint64_t counter = 0;
  // Counters of entries that were refused, to be closed.
  std::set<std::uint64_t> voids;
  // A signed batch that may have been admitted or not: sent again, byte for byte, until that is known.
  std::vector<std::string> pending;

  [[nodiscard]] std::string Serialize() const;
  // DataLoss for anything that Serialize() would not have written.
  [[nodiscard]] static absl::StatusOr<AgentState> Parse(std::string_view text);
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_AGENT_STATE_H_
