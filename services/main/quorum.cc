#include "services/main/quorum.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "services/main/commands.h"
#include "spdlog/spdlog.h"

namespace custodian::main {

namespace {

// Whether a log can be witnessed though no mirror holds it: then the custodian alone has what was witnessed.
bool CanDoWithoutMirror(const ledger::Policy& policy, const Config& config) {
  const std::set<std::string> mirrors = MirrorsOf(config);
  std::set<std::string> others;
  for (const ledger::Policy::Witness& witness : policy.witnesses())
    if (!mirrors.contains(witness.name)) others.insert(witness.name);
  return policy.IsMet(others);
}

void CheckMirrors(const ledger::Policy& policy, const Config& config) {
  for (const Config::Mirror& mirror : config.mirrors) {
    bool found = false;
    for (const ledger::Policy::Witness& witness : policy.witnesses()) found = found || witness.name == mirror.name;
    if (!found)
      throw CommandFailed{1, absl::StrCat("mirrors names ", mirror.name, ", which is no witness of '", config.policy_file, "': add a line 'witness ", mirror.name,
                                          " VKEY URL', and to a group")};
  }
}

}  // namespace

std::set<std::string> MirrorsOf(const Config& config, const std::string& tenant_name) {
  std::set<std::string> names;
  for (const Config::Mirror& mirror : config.mirrors)
    if (tenant_name.empty() || mirror.tenants.empty() || std::find(mirror.tenants.begin(), mirror.tenants.end(), tenant_name) != mirror.tenants.end())
      names.insert(mirror.name);
  return names;
}

void CheckQuorum(const ledger::Policy& policy, const Config& config) {
  const auto f = static_cast<unsigned>(config.lying_witnesses_max);
  const bool production = config.profile == "production";
  CheckMirrors(policy, config);
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
  if (production && CanDoWithoutMirror(policy, config))
    spdlog::warn("a log can be witnessed without any mirror: what only the custodian holds may be lost; let the quorum need one (a group of mirrors, and `mirrors`)");
  if (const unsigned blockers = policy.QuorumBlockers(); blockers <= f)
    spdlog::warn("{} witnesses that refuse keep every log from being witnessed, and f = {} may", blockers, f);
}

}  // namespace custodian::main
