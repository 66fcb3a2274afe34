#include "services/node/signing_agent.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "ledger/audit_tiles.h"
#include "ledger/tiles.h"
#include "rapidjson/document.h"
#include "services/node/mirrored_log.h"
#include "spdlog/spdlog.h"
#include "tenants/ids.h"

namespace custodian::node {
namespace {

using ledger::kTileWidth;
using ledger::TilePath;
using ledger::v1::DisputeReason;
using ledger::v1::Entry;

// As LedgerService.OpenReported allows.
constexpr std::size_t kOpenedAtOnce = 256;
// Of a batch: the rest is said in the next.
constexpr std::size_t kSaidAtOnce = 10'000;

bool IsAct(const Entry& entry) {
  if (!entry.reported()) return false;
  return entry.kind() == ledger::v1::KIND_ORDER_CHECKED || entry.kind() == ledger::v1::KIND_CARD_ACCEPTED || entry.kind() == ledger::v1::KIND_CARD_OVERRIDDEN;
}

// Whether the request says what the act does: an order is checked by a hook's call, a card's outcome is what feedback names.
bool Says(const SentRequests::Request& sent, ledger::v1::Kind kind, const rapidjson::Document& detail) {
  if (kind == ledger::v1::KIND_ORDER_CHECKED) return !sent.is_feedback;
  const auto card = detail.FindMember("card");
  if (card == detail.MemberEnd() || !card->value.IsString()) return false;
  const std::string id = absl::AsciiStrToLower(std::string(card->value.GetString(), card->value.GetStringLength()));
  return std::ranges::any_of(sent.outcomes, [&](const auto& outcome) {
    return outcome.card == id && outcome.accepted == (kind == ledger::v1::KIND_CARD_ACCEPTED);
  });
}

// The 32 bytes of a member in hex; empty when it is not there.
std::string HashMember(const rapidjson::Document& detail, const char* name) {
  const auto member = detail.FindMember(name);
  if (member == detail.MemberEnd() || !member->value.IsString()) return "";
  auto bytes = HexDecode({member->value.GetString(), member->value.GetStringLength()});
  return bytes.ok() && bytes->size() == sizeof(ledger::Hash) ? *std::move(bytes) : "";
}

absl::Status CheckRoot(const ledger::CompactRange& range, const ledger::Checkpoint& checkpoint) {
  if (range.Root() == checkpoint.root) return absl::OkStatus();
  return absl::DataLossError("the entries make another root than the checkpoint of size " + std::to_string(checkpoint.size) + " signs");
}

std::uint64_t CounterOf(const std::string& leaf) {
  const auto parsed = ledger::ParseLeaf(leaf);
  return parsed.ok() ? parsed->entry.counter() : 0;
}

}  // namespace

SigningAgent::SigningAgent(Options options, std::unique_ptr<ledger::Signer> signer, std::unique_ptr<StateDirectory> directory, std::string folder,
                           const std::string& sent_folder, const Clock& clock)
    : options_(std::move(options)), signer_(std::move(signer)), directory_(std::move(directory)), folder_(std::move(folder)), clock_(clock),
      sent_(sent_folder) {}

absl::StatusOr<std::unique_ptr<SigningAgent>> SigningAgent::Create(Options options, std::unique_ptr<ledger::Signer> signer, const std::string& folder,
                                                                   const std::string& sent_folder, const Clock& clock) {
  auto directory = StateDirectory::Open(folder);
  if (!directory.ok()) return directory.status();
  std::error_code error;
  std::filesystem::create_directory(folder + "/promises", error);
  if (error) return absl::UnavailableError("cannot make " + folder + "/promises: " + error.message());
  std::unique_ptr<SigningAgent> agent(new SigningAgent(std::move(options), std::move(signer), *std::move(directory), folder, sent_folder, clock));
  if (absl::Status status = agent->Load(); !status.ok()) return status;
  return agent;
}

absl::Status SigningAgent::Load() {
  const auto files = directory_->ReadAll();
  if (!files.ok()) return files.status();
  for (const auto& [name, bytes] : *files) {
    auto state = AgentState::Parse(bytes);
    if (!state.ok()) return absl::DataLossError("state file " + name + " is damaged, restore it from a copy: " + std::string(state.status().message()));
    if (LogName(state->origin) != name || files->size() != 1) return absl::DataLossError(folder_ + " holds the state of more than one log");
    state_ = *std::move(state);
  }
  return absl::OkStatus();
}

absl::Status SigningAgent::Save() const { return directory_->Write(LogName(state_.origin), state_.Serialize()); }

absl::Status SigningAgent::Step() {
  const auto bytes = options_.read("checkpoint");
  if (!bytes.ok()) return bytes.status();
  const auto note = ledger::Note::Parse(*bytes);
  const auto checkpoint = note.ok() ? options_.policy.Verify(*note) : absl::UnauthenticatedError(note.status().message());
  if (!checkpoint.ok()) return checkpoint.status();
  if (!state_.origin.empty() && checkpoint->origin != state_.origin)
    return absl::DataLossError("the log is " + checkpoint->origin + ", and was " + state_.origin);
  if (checkpoint->size < state_.range.size())
    return absl::DataLossError("the log was rolled back: it signs " + std::to_string(checkpoint->size) + " entries, and signed " + std::to_string(state_.range.size()));
  if (checkpoint->size == state_.range.size() && checkpoint->root != state_.range.Root())
    return absl::DataLossError("the log signs another root at size " + std::to_string(checkpoint->size) + " than it had");
  if (!state_.pending.empty()) return Send(*checkpoint);
  if (checkpoint->size > state_.range.size())
    if (absl::Status status = ReadTo(*checkpoint); !status.ok()) return status;
  if (absl::Status status = Speak(); !status.ok() || state_.pending.empty()) return status;
  return Send(*checkpoint);
}

// --- reading --------------------------------------------------------------------------------------------------------------

absl::Status SigningAgent::Scan(std::uint64_t from, std::uint64_t to, std::uint64_t size, const Visit& visit) const {
  for (std::uint64_t at = from; at < to;) {
    const std::uint64_t index = at / kTileWidth;
    const TilePath path{true, 0, index, static_cast<unsigned>(std::min(kTileWidth, size - index * kTileWidth))};
    const auto bundle = options_.read(path.ToString());
    if (!bundle.ok()) return bundle.status();
    const auto leaves = ledger::DecodeBundle(*bundle);
    if (!leaves.ok() || leaves->size() != path.width) return absl::DataLossError(path.ToString() + " is no bundle of the log");
    for (; at < to && at / kTileWidth == index; ++at) {
      const std::string& leaf = (*leaves)[at % kTileWidth];
      visit(at, leaf, ledger::LeafHash(leaf));
    }
  }
  return absl::OkStatus();
}

void SigningAgent::SeeOwn(const ledger::Leaf& leaf, AgentState& next) const {
  const Entry& entry = leaf.entry;
  if (entry.author() != options_.author) return;
  next.counter = std::max(next.counter, entry.counter());
  if (!ledger::VerifyLeafSignature(next.origin, leaf.signed_entry, signer_->public_key()).ok()) return;
  next.voids.erase(entry.counter());
  if (entry.has_disputed()) next.disputes.erase(entry.disputed().index());
  if (!entry.has_countersigned()) return;
  next.said_to = std::max(next.said_to, entry.countersigned().end());
  // Of a batch whose answer was no, or was lost, and that is there nevertheless.
  if (next.said_to >= state_.range.size()) next.has_acts = false;
}

// A new agent, or one whose state was lost: what is in the log of its own, and where it begins.
absl::Status SigningAgent::Begin(const ledger::Checkpoint& checkpoint, AgentState& next) const {
  next.origin = checkpoint.origin;
  next.said_to = options_.from;
  ledger::CompactRange range;
  const absl::Status scanned = Scan(0, checkpoint.size, checkpoint.size, [&](std::uint64_t /*index*/, const std::string& bytes, const ledger::Hash& hash) {
    range.Append(hash);
    if (const auto leaf = ledger::ParseLeaf(bytes); leaf.ok()) SeeOwn(*leaf, next);
  });
  return scanned.ok() ? CheckRoot(range, checkpoint) : scanned;
}

absl::Status SigningAgent::ReadTo(const ledger::Checkpoint& checkpoint) {
  AgentState next = state_;
  if (next.origin.empty())
    if (absl::Status status = Begin(checkpoint, next); !status.ok()) return status;
  std::vector<Act> acts;
  const absl::Status scanned =
      Scan(next.range.size(), checkpoint.size, checkpoint.size, [&](std::uint64_t index, const std::string& bytes, const ledger::Hash& hash) {
        next.range.Append(hash);
        const auto leaf = ledger::ParseLeaf(bytes);
        if (!leaf.ok()) return;
        SeeOwn(*leaf, next);
        if (IsAct(leaf->entry) && index >= next.said_to) acts.push_back({index, leaf->entry.kind(), hash, leaf->entry.detail_commitment()});
      });
  if (!scanned.ok()) return scanned;
  if (absl::Status status = CheckRoot(next.range, checkpoint); !status.ok()) return status;
  // After the log: what was sent was written down before.
  if (absl::Status status = sent_.ReadMore(); !status.ok()) return status;
  if (absl::Status status = Compare(acts, next); !status.ok()) return status;
  state_ = std::move(next);
  return Save();
}

absl::Status SigningAgent::Compare(const std::vector<Act>& acts, AgentState& next) {
  for (std::size_t first = 0; first < acts.size(); first += kOpenedAtOnce) {
    std::vector<std::uint64_t> indexes;
    for (std::size_t i = first; i < std::min(acts.size(), first + kOpenedAtOnce); ++i) indexes.push_back(acts[i].index);
    const auto opened = options_.open(next.origin, indexes);
    if (!opened.ok()) return opened.status();
    if (opened->size() != indexes.size()) return absl::InternalError("the custodian opened fewer entries than it was asked for");
    for (std::size_t i = 0; i < indexes.size(); ++i) {
      const Act& act = acts[first + i];
      const DisputeReason reason = Judge(act, (*opened)[i]);
      if (reason == ledger::v1::DISPUTE_REASON_UNSPECIFIED) continue;
      spdlog::error("event=act_disputed origin={} index={} reason={}", next.origin, act.index, ledger::v1::DisputeReason_Name(reason));
      next.disputes[act.index] = {act.leaf_hash, reason};
    }
  }
  next.has_acts = next.has_acts || !acts.empty();
  return absl::OkStatus();
}

DisputeReason SigningAgent::Judge(const Act& act, const Opened& opened) const {
  if (opened.salt.size() != sizeof(ledger::Hash) || ledger::AsBytes(ledger::Sha256(opened.salt + opened.detail)) != act.commitment)
    return ledger::v1::DISPUTE_REASON_NOT_OPENED;
  rapidjson::Document detail;
  detail.Parse(opened.detail.data(), opened.detail.size());
  if (detail.HasParseError() || !detail.IsObject()) return ledger::v1::DISPUTE_REASON_NOT_OPENED;
  const std::string token = HashMember(detail, "token_sha256");
  const SentRequests::Request* sent = sent_.Find(token, HashMember(detail, "body_sha256"));
  if (sent != nullptr && Says(*sent, act.kind, detail)) return ledger::v1::DISPUTE_REASON_UNSPECIFIED;
  return !token.empty() && sent_.HasToken(token) ? ledger::v1::DISPUTE_REASON_SAID_OTHERWISE : ledger::v1::DISPUTE_REASON_NOT_SENT;
}

// --- speaking -------------------------------------------------------------------------------------------------------------

absl::Status SigningAgent::Speak() {
  if (!state_.has_acts && state_.disputes.empty() && state_.voids.empty()) return absl::OkStatus();
  AgentState next = state_;
  auto batch = MakeBatch(next);
  if (!batch.ok()) return batch.status();
  next.pending = *std::move(batch);
  // On disk before it is sent: the same counter is never given to two entries.
  state_ = std::move(next);
  return Save();
}

absl::StatusOr<std::vector<std::string>> SigningAgent::MakeBatch(AgentState& next) const {
  std::vector<std::string> entries;
  const std::int64_t now_ms = absl::ToUnixMillis(clock_.Now());
  const auto add = [&](Entry entry, std::uint64_t counter) {
    entry.set_origin(next.origin);
    entry.set_author(options_.author);
    entry.set_counter(counter);
    entry.mutable_time()->set_seconds(now_ms / 1'000);
    entry.mutable_time()->set_nanos(static_cast<std::int32_t>(now_ms % 1'000) * 1'000'000);
    const std::string name = "custodian/agent-entry/v1\n" + next.origin + "\n" + options_.author + "\n" + std::to_string(counter) + "\n";
    entry.set_idempotency_key(std::string(ledger::AsBytes(ledger::Sha256(name + ledger::v1::Kind_Name(entry.kind())))));
    entries.push_back(entry.SerializeAsString());
  };
  for (const std::uint64_t counter : next.voids) {
    if (entries.size() == kSaidAtOnce) break;
    Entry closed;
    closed.set_kind(ledger::v1::KIND_VOID);
    add(closed, counter);
  }
  std::size_t disputes = 0;
  for (const auto& [index, dispute] : next.disputes) {
    if (entries.size() >= kSaidAtOnce) break;
    ++disputes;
    Entry disputed;
    disputed.set_kind(ledger::v1::KIND_DISPUTED);
    disputed.mutable_disputed()->set_index(index);
    disputed.mutable_disputed()->set_leaf_hash(std::string(ledger::AsBytes(dispute.leaf_hash)));
    disputed.mutable_disputed()->set_reason(dispute.reason);
    add(disputed, ++next.counter);
  }
  // Only once every dispute is said, or is said with it.
  if (next.has_acts && disputes == next.disputes.size()) {
    Entry countersigned;
    countersigned.set_kind(ledger::v1::KIND_COUNTERSIGNED);
    countersigned.mutable_countersigned()->set_first(next.said_to);
    countersigned.mutable_countersigned()->set_end(next.range.size());
    countersigned.mutable_countersigned()->set_root(std::string(ledger::AsBytes(next.range.Root())));
    add(countersigned, ++next.counter);
  }
  return ledger::SignBatch(next.origin, entries, *signer_);
}

absl::Status SigningAgent::Send(const ledger::Checkpoint& newest) {
  const auto promise = options_.append(state_.origin, state_.pending);
  if (promise.ok()) {
    if (!promise->empty())
      if (absl::Status status = KeepPromise(*promise); !status.ok()) return status;
    return Said();
  }
  // Refused for what it says: by now, or because it was admitted before and the answer was lost. The log knows.
  const absl::Status& refused = promise.status();
  if (absl::IsInvalidArgument(refused) || absl::IsFailedPrecondition(refused) || absl::IsAlreadyExists(refused)) return Settle(newest, refused);
  return refused;
}

absl::Status SigningAgent::Settle(const ledger::Checkpoint& newest, const absl::Status& refused) {
  bool admitted = false;
  std::set<std::uint64_t> used;
  const absl::Status scanned =
      Scan(state_.range.size(), newest.size, newest.size, [&](std::uint64_t /*index*/, const std::string& bytes, const ledger::Hash& /*hash*/) {
        admitted = admitted || bytes == state_.pending.front();
        const auto leaf = ledger::ParseLeaf(bytes);
        if (leaf.ok() && leaf->entry.author() == options_.author) used.insert(leaf->entry.counter());
      });
  if (!scanned.ok()) return scanned;
  if (admitted) return Said();
  // Admitted, it seems, and not witnessed yet: the log will show it.
  const bool is_shown = std::ranges::any_of(state_.pending, [&used](const std::string& leaf) { return used.contains(CounterOf(leaf)); });
  if (absl::IsAlreadyExists(refused) && !is_shown) return refused;
  spdlog::error("event=batch_refused origin={} reason=\"{}\"", state_.origin, std::string(refused.message()));
  // Not there, and not to be sent again: its numbers are closed, so that whoever kept it cannot bring it in later.
  AgentState next = state_;
  for (const std::string& leaf : next.pending) next.voids.insert(CounterOf(leaf));
  for (const std::uint64_t counter : used) {
    next.voids.erase(counter);
    next.counter = std::max(next.counter, counter);
  }
  next.pending.clear();
  state_ = std::move(next);
  if (absl::Status status = Save(); !status.ok()) return status;
  return refused;
}

// The pending batch is in the log.
absl::Status SigningAgent::Said() {
  AgentState next = state_;
  for (const std::string& bytes : next.pending) {
    const auto leaf = ledger::ParseLeaf(bytes);
    if (!leaf.ok()) return leaf.status();
    const Entry& entry = leaf->entry;
    next.voids.erase(entry.counter());
    if (entry.has_disputed()) next.disputes.erase(entry.disputed().index());
    if (entry.has_countersigned()) {
      next.said_to = entry.countersigned().end();
      next.has_acts = false;
      spdlog::info("event=countersigned origin={} first={} end={}", next.origin, entry.countersigned().first(), next.said_to);
    }
  }
  next.pending.clear();
  state_ = std::move(next);
  return Save();
}

absl::Status SigningAgent::KeepPromise(const std::string& promise) const {
  const std::string folder = folder_ + "/promises";
  const int handle = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle < 0) return absl::UnavailableError("cannot open " + folder);
  const absl::Status status = ReplaceFile(handle, folder, std::to_string(CounterOf(state_.pending.back())) + ".promise", promise);
  close(handle);
  return status;
}

}  // namespace custodian::node
