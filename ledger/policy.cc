// Policy of ledger/checkpoint.h: the tlog-policy file and the judgement of a checkpoint by it.
#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "ledger/checkpoint.h"

namespace custodian::ledger {
namespace {

constexpr std::size_t kPolicyBytesMax = 1u << 20;
// Groups within groups. What judges them calls itself once a level, and a file's author must not choose how deep.
constexpr unsigned kGroupDepthMax = 64;

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while ((at = line.find_first_not_of(" \t", at)) != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
    words.emplace_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

bool IsBy(const NoteSignature& signature, const NoteVerifier& key) {
  return signature.name == key.name() && signature.key_id == key.key_id();
}

bool NamesKey(const Note& note, const NoteVerifier& key) {
  return std::any_of(note.signatures.begin(), note.signatures.end(), [&key](const auto& signature) { return IsBy(signature, key); });
}

}  // namespace

// Reads a policy line by line; what it builds is complete after the last.
class PolicyParser {
 public:
  explicit PolicyParser(Policy& policy) : policy_(policy) {}

  absl::Status Line(const std::vector<std::string>& words) {
    if (words.empty() || words[0][0] == '#') return absl::OkStatus();
    if (words[0] == "log") return Log(words);
    if (words[0] == "witness") return Witness(words);
    if (words[0] == "group") return Group(words);
    if (words[0] == "quorum") return Quorum(words);
    return absl::InvalidArgumentError("unknown keyword " + words[0]);
  }

  absl::Status Finish() const {
    return quorum_seen_ ? absl::OkStatus() : absl::InvalidArgumentError("a policy has one quorum line");
  }

 private:
  absl::Status Log(const std::vector<std::string>& words) {
    if (words.size() < 2 || words.size() > 3) return absl::InvalidArgumentError("want: log <vkey> [<url>]");
    absl::StatusOr<NoteVerifier> key = NoteVerifier::Parse(words[1]);
    if (!key.ok()) return key.status();
    if (key->algorithm() != kNoteEd25519) return absl::InvalidArgumentError("a log's key must be of signature type 1");
    if (!log_keys_.insert(key->ed25519()).second) return absl::InvalidArgumentError("a log's key is named twice");
    policy_.logs_.push_back({*std::move(key), words.size() == 3 ? words[2] : ""});
    return absl::OkStatus();
  }

  absl::Status Witness(const std::vector<std::string>& words) {
    if (words.size() < 3 || words.size() > 4) return absl::InvalidArgumentError("want: witness <name> <vkey> [<url>]");
    if (absl::Status status = Define(words[1]); !status.ok()) return status;
    absl::StatusOr<NoteVerifier> key = NoteVerifier::Parse(words[2]);
    if (!key.ok()) return key.status();
    if (key->algorithm() != kNoteCosignatureV1) return absl::InvalidArgumentError("a witness's key must be of signature type 4");
    if (!witness_keys_.insert(key->ed25519()).second) return absl::InvalidArgumentError("a witness's key is named twice");
    policy_.witnesses_.push_back({words[1], *std::move(key), words.size() == 4 ? words[3] : ""});
    return absl::OkStatus();
  }

  absl::Status Group(const std::vector<std::string>& words) {
    if (words.size() < 4) return absl::InvalidArgumentError("want: group <name> all|any|<k> <name>...");
    Policy::Group group{words[1], 0, {words.begin() + 3, words.end()}};
    unsigned depth = 1;
    for (const std::string& member : group.members) {
      if (!names_.contains(member)) return absl::InvalidArgumentError("group member " + member + " is not defined above");
      if (!members_.insert(member).second) return absl::InvalidArgumentError("group member " + member + " is listed twice");
      const auto inner = depths_.find(member);
      if (inner != depths_.end()) depth = std::max(depth, inner->second + 1);
    }
    if (depth > kGroupDepthMax)
      return absl::InvalidArgumentError("groups are nested more than " + std::to_string(kGroupDepthMax) + " deep");
    depths_.emplace(words[1], depth);
    if (words[2] == "any") {
      group.threshold = 1;
    } else if (words[2] == "all") {
      group.threshold = static_cast<unsigned>(group.members.size());
    } else {
      const absl::StatusOr<std::uint64_t> threshold = ParseDecimal(words[2]);
      if (!threshold.ok() || *threshold == 0 || *threshold > group.members.size())
        return absl::InvalidArgumentError("a group's threshold is all, any or a number from 1 to the number of its members");
      group.threshold = static_cast<unsigned>(*threshold);
    }
    if (absl::Status status = Define(words[1]); !status.ok()) return status;
    policy_.groups_.emplace(words[1], std::move(group));
    return absl::OkStatus();
  }

  absl::Status Quorum(const std::vector<std::string>& words) {
    if (words.size() != 2) return absl::InvalidArgumentError("want: quorum <name>");
    if (std::exchange(quorum_seen_, true)) return absl::InvalidArgumentError("a policy has one quorum line");
    if (words[1] != "none" && !names_.contains(words[1]))
      return absl::InvalidArgumentError("quorum " + words[1] + " is not defined above");
    policy_.quorum_ = words[1];
    return absl::OkStatus();
  }

  absl::Status Define(const std::string& name) {
    if (name == "none") return absl::InvalidArgumentError("the name none is predefined");
    return names_.insert(name).second ? absl::OkStatus() : absl::InvalidArgumentError("name " + name + " is defined twice");
  }

  Policy& policy_;
  std::set<std::string> names_;
  std::set<std::string> members_;
  // Of groups: how many levels of groups each is.
  std::map<std::string, unsigned> depths_;
  std::set<std::string> log_keys_;
  std::set<std::string> witness_keys_;
  bool quorum_seen_ = false;
};

absl::StatusOr<Policy> Policy::Parse(std::string_view text) {
  if (text.size() > kPolicyBytesMax) return absl::InvalidArgumentError("a policy is past 1 MiB");
  Policy policy;
  PolicyParser parser(policy);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    absl::Status status;
    for (const char c : line) {
      const unsigned char byte = static_cast<unsigned char>(c);
      if ((byte < 0x20 && byte != '\t') || byte == 0x7f) status = absl::InvalidArgumentError("a control character");
    }
    if (status.ok()) status = parser.Line(Words(line));
    if (!status.ok())
      return absl::InvalidArgumentError("policy line " + std::to_string(number) + ": " + std::string(status.message()));
  }
  if (absl::Status status = parser.Finish(); !status.ok()) return status;
  return policy;
}

absl::StatusOr<Policy::Log> Policy::FindLog(std::string_view origin) const {
  for (const Log& log : logs_)
    if (log.key.name() == origin) return log;
  return absl::NotFoundError("the policy names no log " + std::string(origin));
}

absl::StatusOr<Policy> Policy::WithLog(const NoteVerifier& key) const {
  Policy policy = *this;
  bool known = false;
  for (const Log& log : logs_) {
    if (log.key.name() != key.name()) continue;
    known = log.key.ToString() == key.ToString();
    if (!known) return absl::InvalidArgumentError("the policy names another key for " + key.name());
  }
  if (!known) policy.logs_.push_back({key, ""});
  return policy;
}

Policy Policy::WithoutQuorum() const {
  Policy policy = *this;
  policy.quorum_ = "none";
  return policy;
}

bool Policy::IsMet(const std::set<std::string>& cosigned) const {
  if (quorum_ == "none") return true;
  return IsWitnessed(quorum_, cosigned);
}

bool Policy::IsWitnessed(const std::string& name, const std::set<std::string>& cosigned) const {
  const auto group = groups_.find(name);
  if (group == groups_.end()) return cosigned.contains(name);
  unsigned count = 0;
  // Groups name only what is defined above them, so this ends.
  for (const std::string& member : group->second.members)
    if (IsWitnessed(member, cosigned)) ++count;
  return count >= group->second.threshold;
}

absl::StatusOr<Checkpoint> Policy::VerifyLog(const Note& note) const {
  const absl::StatusOr<Checkpoint> claimed = Checkpoint::Parse(note.text);
  if (!claimed.ok()) return claimed.status();
  if (const absl::Status named = FindLog(claimed->origin).status(); !named.ok()) return named;
  absl::StatusOr<Checkpoint> checkpoint = absl::UnauthenticatedError("no signature of " + claimed->origin);
  // A wrong signature of any key of the policy makes the whole note malformed, however many right ones it has (signed-note,
  // "Signatures").
  for (const Log& log : logs_) {
    const bool present = NamesKey(note, log.key);
    if (log.key.name() != claimed->origin) {
      const absl::Status verified = present ? VerifyLogSignatures(note, log.key) : absl::OkStatus();
      if (!verified.ok()) return verified;
      continue;
    }
    absl::StatusOr<Checkpoint> opened = OpenCheckpoint(note, log.key);
    if (present && !opened.ok()) return opened;
    if (!checkpoint.ok()) checkpoint = std::move(opened);
  }
  return checkpoint;
}

absl::StatusOr<Policy::Witnessed> Policy::VerifyWitnessed(const Note& note) const {
  absl::StatusOr<Checkpoint> checkpoint = VerifyLog(note);
  if (!checkpoint.ok()) return checkpoint.status();
  const absl::StatusOr<std::map<std::string, absl::Time>> times = CosignedAt(note);
  if (!times.ok()) return times.status();
  const absl::StatusOr<absl::Time> at = QuorumAt(*times);
  if (!at.ok())
    return absl::UnauthenticatedError("the checkpoint of " + checkpoint->origin + " at size " + std::to_string(checkpoint->size) +
                                      " has " + std::to_string(times->size()) + " cosignatures, which do not make the quorum " +
                                      quorum_);
  return Witnessed{*std::move(checkpoint), *at};
}

absl::StatusOr<Checkpoint> Policy::Verify(const Note& note) const {
  absl::StatusOr<Witnessed> witnessed = VerifyWitnessed(note);
  if (!witnessed.ok()) return witnessed.status();
  return std::move(witnessed->checkpoint);
}

bool Policy::IsKnown(const NoteSignature& signature) const {
  return std::any_of(logs_.begin(), logs_.end(), [&signature](const Log& log) { return IsBy(signature, log.key); }) ||
         std::any_of(witnesses_.begin(), witnesses_.end(), [&signature](const Witness& witness) { return IsBy(signature, witness.key); });
}

absl::StatusOr<std::map<std::string, absl::Time>> Policy::CosignedAt(const Note& note) const {
  std::map<std::string, absl::Time> times;
  for (const Witness& witness : witnesses_) {
    if (!NamesKey(note, witness.key)) continue;
    const absl::StatusOr<absl::Time> time = VerifyCosignature(note, witness.key);
    if (!time.ok()) return time.status();
    times.emplace(witness.name, *time);
  }
  return times;
}

absl::StatusOr<absl::Time> Policy::WitnessedAt(const Note& note) const {
  if (quorum_ == "none") return absl::InfinitePast();
  const absl::StatusOr<std::map<std::string, absl::Time>> times = CosignedAt(note);
  if (!times.ok()) return times.status();
  return QuorumAt(*times);
}

absl::StatusOr<absl::Time> Policy::QuorumAt(const std::map<std::string, absl::Time>& times) const {
  if (quorum_ == "none") return absl::InfinitePast();
  std::vector<std::pair<absl::Time, std::string>> newest_first;
  for (const auto& [witness, time] : times) newest_first.emplace_back(time, witness);
  std::sort(newest_first.rbegin(), newest_first.rend());
  std::set<std::string> cosigned;
  for (const auto& [time, witness] : newest_first) {
    cosigned.insert(witness);
    if (IsMet(cosigned)) return time;
  }
  return absl::UnauthenticatedError("the cosignatures do not make the quorum " + quorum_);
}

unsigned Policy::QuorumOverlap() const { return quorum_ == "none" ? 0 : OverlapOf(quorum_); }
unsigned Policy::QuorumBlockers() const { return quorum_ == "none" ? 0 : BlockersOf(quorum_); }

namespace {

unsigned SumOfSmallest(std::vector<unsigned> values, std::size_t count) {
  std::sort(values.begin(), values.end());
  unsigned sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += values[i];
  return sum;
}

}  // namespace

// No name is a member twice, so members share no witness. Of two ways to witness a group, k of n members each, 2k - n members are in
// both; what these have in common is least with the members of the smallest overlap.
unsigned Policy::OverlapOf(const std::string& name) const {
  const auto group = groups_.find(name);
  if (group == groups_.end()) return 1;
  std::vector<unsigned> overlaps;
  for (const std::string& member : group->second.members) overlaps.push_back(OverlapOf(member));
  const std::size_t n = overlaps.size();
  const std::size_t k = group->second.threshold;
  return SumOfSmallest(std::move(overlaps), 2 * k > n ? 2 * k - n : 0);
}

unsigned Policy::BlockersOf(const std::string& name) const {
  const auto group = groups_.find(name);
  if (group == groups_.end()) return 1;
  std::vector<unsigned> blockers;
  for (const std::string& member : group->second.members) blockers.push_back(BlockersOf(member));
  const std::size_t count = blockers.size() - group->second.threshold + 1;
  return SumOfSmallest(std::move(blockers), count);
}

absl::StatusOr<Checkpoint> Policy::VerifyWhole(const Note& note) const {
  for (const NoteSignature& signature : note.signatures) {
    if (!IsKnown(signature))
      return absl::UnauthenticatedError("the note has a signature of " + signature.name +
                                        " under a key that the policy does not name");
  }
  return Verify(note);
}

Note Policy::KnownSignatures(const Note& note) const {
  Note known{note.text, {}};
  for (const NoteSignature& signature : note.signatures)
    if (IsKnown(signature)) known.signatures.push_back(signature);
  return known;
}

}  // namespace custodian::ledger
