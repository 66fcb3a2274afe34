#include "ledger/subject_list.h"

#include "ledger/base64.h"
#include "ledger/lines.h"

namespace custodian::ledger {
namespace {

constexpr std::string_view kFirstLine = "custodian/subject-list/v1";
constexpr std::size_t kProofHashesMax = 64;

absl::Status Invalid(const std::string& what) { return absl::InvalidArgumentError("the subject's list: " + what); }
absl::Status Truncated() { return Invalid("it ends too early"); }

void AppendEntry(std::string& text, const SubjectList::Entry& entry) {
  text += "entry " + std::to_string(entry.index) + " " + Base64Encode(entry.leaf) + "\n";
  for (const Hash& hash : entry.proof) text += Base64Encode(AsBytes(hash)) + "\n";
}

absl::StatusOr<SubjectList::Entry> ParseEntry(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return Invalid("an entry line has no leaf");
  const absl::StatusOr<std::uint64_t> index = ParseDecimal(line.substr(0, space));
  absl::StatusOr<std::string> leaf = Base64Decode(line.substr(space + 1));
  if (!index.ok() || !leaf.ok() || leaf->empty()) return Invalid("an entry line is not an index and a leaf in Base64");
  return SubjectList::Entry{*index, *std::move(leaf), {}};
}

// The entry lines and the empty line behind them.
absl::StatusOr<std::vector<SubjectList::Entry>> TakeEntries(std::string_view& text) {
  std::vector<SubjectList::Entry> entries;
  for (std::string_view line;;) {
    if (!TakeLine(text, line)) return Truncated();
    if (line.empty()) break;
    if (TakePrefix(line, "entry ")) {
      // The map's entry comes on top of the subject's.
      if (entries.size() > kSubjectListEntriesMax) return Invalid("it has too many entries");
      absl::StatusOr<SubjectList::Entry> entry = ParseEntry(line);
      if (!entry.ok()) return entry.status();
      entries.push_back(*std::move(entry));
      continue;
    }
    const absl::StatusOr<std::string> bytes = Base64Decode(line);
    const absl::StatusOr<Hash> hash = bytes.ok() ? HashFromBytes(*bytes) : bytes.status();
    if (entries.empty() || !hash.ok()) return Invalid("a line is neither an entry nor a hash of an entry's proof");
    if (entries.back().proof.size() == kProofHashesMax) return Invalid("an entry's proof is too long");
    entries.back().proof.push_back(*hash);
  }
  if (entries.empty()) return Invalid("it has no entry with the map's root");
  return entries;
}

// The entry, in the tree of the checkpoint.
absl::StatusOr<Leaf> VerifyEntry(const SubjectList::Entry& entry, const Checkpoint& checkpoint) {
  const std::string position = "leaf " + std::to_string(entry.index) + ": ";
  if (absl::Status status = VerifyInclusion(entry.index, checkpoint.size, LeafHash(entry.leaf), entry.proof, checkpoint.root); !status.ok())
    return Invalid(position + std::string(status.message()));
  absl::StatusOr<Leaf> leaf = ParseLeaf(entry.leaf);
  if (!leaf.ok()) return Invalid(position + std::string(leaf.status().message()));
  if (leaf->entry.origin() != checkpoint.origin) return Invalid(position + "it is of " + leaf->entry.origin());
  return leaf;
}

}  // namespace

absl::StatusOr<SubjectList> SubjectList::Parse(std::string_view text) {
  if (text.size() > kSubjectListBytesMax) return Invalid("it is past 64 MiB");
  SubjectList list;
  std::string_view line;
  if (!TakeLine(text, line)) return Truncated();
  if (line != kFirstLine) return Invalid("it does not begin with " + std::string(kFirstLine));
  if (!TakeLine(text, line)) return Truncated();
  const absl::StatusOr<std::string> subject = TakePrefix(line, "subject ") ? Base64Decode(line) : Truncated();
  if (!subject.ok() || subject->size() != kSubjectBytes) return Invalid("it has no subject of 16 bytes in Base64");
  list.subject = *subject;
  if (!TakeLine(text, line)) return Truncated();
  const absl::StatusOr<std::string> map = TakePrefix(line, "map ") ? Base64Decode(line) : Truncated();
  if (!map.ok()) return Invalid("it has no map line in Base64");
  absl::StatusOr<SubjectMapProof> proof = SubjectMapProof::Parse(*map);
  if (!proof.ok()) return proof.status();
  list.map = *std::move(proof);
  absl::StatusOr<std::vector<Entry>> entries = TakeEntries(text);
  if (!entries.ok()) return entries.status();
  list.map_entry = std::move(entries->front());
  list.entries.assign(std::make_move_iterator(entries->begin() + 1), std::make_move_iterator(entries->end()));
  if (const absl::StatusOr<Note> note = Note::Parse(text); !note.ok()) return note.status();
  list.checkpoint = std::string(text);
  return list;
}

std::string SubjectList::Serialize() const {
  std::string text(kFirstLine);
  text += "\nsubject " + Base64Encode(subject) + "\nmap " + Base64Encode(map.Serialize()) + "\n";
  AppendEntry(text, map_entry);
  for (const Entry& entry : entries) AppendEntry(text, entry);
  return text + "\n" + checkpoint;
}

absl::StatusOr<SubjectList::Verified> SubjectList::Verify(const Policy& policy) const {
  const absl::StatusOr<Note> note = Note::Parse(checkpoint);
  if (!note.ok()) return note.status();
  absl::StatusOr<Checkpoint> believed = policy.Verify(*note);
  if (!believed.ok()) return believed.status();
  const absl::StatusOr<absl::Time> witnessed_at = policy.WitnessedAt(*note);
  if (!witnessed_at.ok()) return witnessed_at.status();

  const absl::StatusOr<Leaf> map_leaf = VerifyEntry(map_entry, *believed);
  if (!map_leaf.ok()) return map_leaf.status();
  if (!map_leaf->entry.has_subject_map()) return Invalid("leaf " + std::to_string(map_entry.index) + " is no SUBJECT_MAP");
  const v1::SubjectMap& covering = map_leaf->entry.subject_map();
  if (covering.size() > map_entry.index) return Invalid("its map covers more entries than stand before it");
  const absl::StatusOr<SubjectValue> value = map.Verify(HashFromBytes(covering.root()).value(), subject);
  if (!value.ok()) return value.status();

  if (entries.size() != value->count)
    return Invalid("it shows " + std::to_string(entries.size()) + " entries, the map counts " + std::to_string(value->count));
  const google::protobuf::Timestamp& time = map_leaf->entry.time();
  Verified verified{*std::move(believed), *witnessed_at, covering.size(), map_entry.index,
                    absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos()), {}};
  for (const Entry& entry : entries) {
    if (entry.index >= covering.size()) return Invalid("leaf " + std::to_string(entry.index) + " is past what the map covers");
    if (!verified.entries.empty() && entry.index <= verified.entries.back().first) return Invalid("its entries are not in the order of the log, each once");
    absl::StatusOr<Leaf> leaf = VerifyEntry(entry, verified.checkpoint);
    if (!leaf.ok()) return leaf.status();
    if (leaf->entry.subject() != subject) return Invalid("leaf " + std::to_string(entry.index) + " is of another subject");
    verified.entries.emplace_back(entry.index, *std::move(leaf));
  }
  if (!entries.empty() && entries.back().index != value->last_index) return Invalid("its last entry is not the last that the map names");
  return verified;
}

}  // namespace custodian::ledger
