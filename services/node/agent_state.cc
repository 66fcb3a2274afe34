#include "services/node/agent_state.h"

#include <utility>

#include "ledger/base64.h"
#include "ledger/checkpoint.h"
#include "ledger/lines.h"

namespace custodian::node {
namespace {

using ledger::Base64Decode;
using ledger::Base64Encode;

constexpr std::string_view kFirstLine = "custodian/agent/v1";

// The words of a line.
std::vector<std::string_view> WordsOf(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    if (space == std::string_view::npos) return words;
    line.remove_prefix(space + 1);
  }
}

absl::StatusOr<ledger::Hash> HashOf(std::string_view word) {
  const auto bytes = Base64Decode(word);
  return bytes.ok() ? ledger::HashFromBytes(*bytes) : bytes.status();
}

absl::StatusOr<ledger::CompactRange> RangeOf(const std::vector<std::string_view>& words) {
  if (words.size() < 2) return absl::InvalidArgumentError("no size");
  const auto size = ledger::ParseDecimal(words[1]);
  if (!size.ok()) return size.status();
  std::vector<ledger::Hash> nodes;
  for (std::size_t i = 2; i < words.size(); ++i) {
    const auto hash = HashOf(words[i]);
    if (!hash.ok()) return hash.status();
    nodes.push_back(*hash);
  }
  return ledger::CompactRange::Create(*size, std::move(nodes));
}

// A line behind the first; its words are at least one.
absl::Status Take(const std::vector<std::string_view>& words, AgentState& state) {
  const std::string_view what = words[0];
  if (what == "read") {
    auto range = RangeOf(words);
    if (range.ok()) state.range = *std::move(range);
    return range.status();
  }
  if (words.size() == 1 && what == "has-acts") {
    state.has_acts = true;
    return absl::OkStatus();
  }
  if (words.size() == 2 && what == "origin") {
    state.origin = words[1];
    return absl::OkStatus();
  }
  if (words.size() == 2 && what == "pending") {
    auto leaf = Base64Decode(words[1]);
    if (leaf.ok()) state.pending.push_back(*std::move(leaf));
    return leaf.status();
  }
  const auto number = words.size() > 1 ? ledger::ParseDecimal(words[1]) : absl::InvalidArgumentError("no number");
  if (!number.ok()) return number.status();
  if (words.size() == 4 && what == "dispute") {
    const auto hash = HashOf(words[2]);
    const auto reason = ledger::ParseDecimal(words[3]);
    if (!hash.ok()) return hash.status();
    if (!reason.ok() || *reason == 0 || *reason > ledger::v1::DisputeReason_MAX) return absl::InvalidArgumentError("no reason");
    state.disputes[*number] = {*hash, static_cast<ledger::v1::DisputeReason>(*reason)};
    return absl::OkStatus();
  }
  if (words.size() != 2) return absl::InvalidArgumentError("too many words");
  if (what == "said-to")
    state.said_to = *number;
  else if (what == "counter")
    state.counter = *number;
  else if (what == "void")
    state.voids.insert(*number);
  else
    return absl::InvalidArgumentError("an unknown word");
  return absl::OkStatus();
}

}  // namespace

std::string AgentState::Serialize() const {
  std::string text = std::string(kFirstLine) + "\norigin " + origin + "\nread " + std::to_string(range.size());
  for (const ledger::Hash& node : range.nodes()) text += " " + Base64Encode(ledger::AsBytes(node));
  text += "\nsaid-to " + std::to_string(said_to) + "\ncounter " + std::to_string(counter) + "\n";
  if (has_acts) text += "has-acts\n";
  for (const auto& [index, dispute] : disputes)
    text += "dispute " + std::to_string(index) + " " + Base64Encode(ledger::AsBytes(dispute.leaf_hash)) + " " + std::to_string(dispute.reason) + "\n";
  for (const std::uint64_t each : voids) text += "void " + std::to_string(each) + "\n";
  for (const std::string& leaf : pending) text += "pending " + Base64Encode(leaf) + "\n";
  return text + "end\n";
}

absl::StatusOr<AgentState> AgentState::Parse(std::string_view text) {
  AgentState state;
  std::string_view line;
  if (!ledger::TakeLine(text, line) || line != kFirstLine) return absl::DataLossError("it does not begin with " + std::string(kFirstLine));
  while (ledger::TakeLine(text, line)) {
    if (line == "end") return text.empty() && !state.origin.empty() ? absl::StatusOr<AgentState>(std::move(state)) : absl::DataLossError("it goes on behind its end");
    if (const absl::Status status = Take(WordsOf(line), state); !status.ok()) return absl::DataLossError("a line of it: " + std::string(status.message()));
  }
  return absl::DataLossError("it ends too early");
}

}  // namespace custodian::node
