#include "services/main/quorum.h"

#include "absl/strings/str_cat.h"
#include "services/main/commands.h"
#include "spdlog/spdlog.h"

namespace custodian::main {

void CheckQuorum(const ledger::Policy& policy, const Config& config) {
  const auto f = static_cast<unsigned>(config.lying_witnesses_max);
  const bool production = config.profile == "production";
  if (policy.quorum() == "none") {
    if (production)
      throw CommandFailed{1, absl::StrCat("'", config.policy_file, "' wants no witnesses (quorum none): nobody would notice a log that is rewritten; name "
                                          "witnesses and a quorum, e.g. 3 of 4")};
    spdlog::warn("the policy wants no witnesses: nobody notices a log that is rewritten");
    return;
  }
  const unsigned overlap = policy.QuorumOverlap();
  if (overlap <= f)
    throw CommandFailed{1, absl::StrCat("'", config.policy_file, "': two quorums may have only ", overlap, " witnesses in common, and lying_witnesses_max is ", f,
                                        ": so many could have two histories of a log witnessed; let more witnesses be needed (k of n with 2k - n > f, e.g. 3 "
                                        "of 4 for f = 1)")};
  spdlog::info("quorum {}: two histories of a log can be witnessed only when {} witnesses lie; f = {} may", policy.quorum(), overlap, f);
  if (f == 0) spdlog::warn("f = 0 (lying_witnesses_max): no witness may lie, a demonstration; in production f >= 1, e.g. 3 of 4");
  if (const unsigned blockers = policy.QuorumBlockers(); blockers <= f)
    spdlog::warn("{} witnesses that refuse keep every log from being witnessed, and f = {} may", blockers, f);
}

}  // namespace custodian::main
