// What fuzzing feeds the formats of this folder, with arbitrary bytes. What is taken is written again as it was read (one thing, one
// encoding), and whatever verifies is the log that tests/support/known_log.h made, unchanged. Aborts when that does not hold; anything
// else is for the sanitizers to find. Used by ledger_fuzz_test.cc (corpus and mutations, in every run) and tests/fuzz (libFuzzer).
#ifndef CUSTODIAN_LEDGER_LEDGER_FUZZ_H_
#define CUSTODIAN_LEDGER_LEDGER_FUZZ_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/stubs/logging.h"
#include "ledger/base64.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/promise.h"
#include "ledger/receipt.h"
#include "ledger/roster.h"
#include "ledger/subject_list.h"
#include "ledger/tiles.h"
#include "tests/support/known_log.h"
#include "tests/support/require.h"

namespace custodian::ledger {

using custodian::testing::KnownLog;
using custodian::testing::Require;

// The parts that the formats are made of: numbers, Base64, signature lines, verifier keys, paths of tiles.
inline void FuzzParts(std::string_view bytes) {
  if (const auto number = ParseDecimal(bytes); number.ok()) Require(std::to_string(*number) == bytes);
  if (const auto value = Base64Decode(bytes); value.ok()) Require(Base64Encode(*value) == bytes);
  if (const auto line = NoteSignature::Parse(bytes); line.ok()) Require(line->ToLine() == std::string(bytes) + "\n");
  if (const auto key = NoteVerifier::Parse(bytes); key.ok()) Require(key->ToString() == bytes);
  if (const auto tile = TilePath::Parse(bytes); tile.ok()) Require(tile->ToString() == bytes);
}

// A note, or a part of one.
inline void FuzzNote(std::string_view bytes) {
  FuzzParts(bytes);
  const auto note = Note::Parse(bytes);
  if (!note.ok()) {
    Require(absl::IsInvalidArgument(note.status()));
    return;
  }
  Require(note->Serialize() == bytes);
  Require(!note->signatures.empty() && note->text.ends_with('\n'));
  for (const NoteSignature& signature : note->signatures) {
    const std::string line = signature.ToLine();
    const auto again = NoteSignature::Parse(std::string_view(line).substr(0, line.size() - 1));
    Require(again.ok() && again->ToLine() == line);
  }
}

// The text of a checkpoint, unsigned.
inline void FuzzCheckpoint(std::string_view bytes) {
  const auto checkpoint = Checkpoint::Parse(bytes);
  if (!checkpoint.ok()) {
    Require(absl::IsInvalidArgument(checkpoint.status()));
    return;
  }
  const std::string text = checkpoint->Serialize();
  // What follows are extension lines.
  Require(bytes.starts_with(text) && bytes.ends_with('\n') && bytes.find("\n\n") == std::string_view::npos);
  const auto again = Checkpoint::Parse(text);
  Require(again.ok() && again->origin == checkpoint->origin && again->size == checkpoint->size && again->root == checkpoint->root);
  // Signatures of one text make no other text good.
  const KnownLog& log = KnownLog::Get();
  const Note note{std::string(bytes), log.checkpoint.signatures};
  const bool known = bytes == log.checkpoint.text;
  Require(OpenCheckpoint(note, log.key).ok() == known);
  Require(VerifyCosignature(note, log.witnesses[0]).ok() == known);
}

// Whatever of this note verifies is the known checkpoint's.
inline void RequireOnlyKnown(const Note& note) {
  const KnownLog& log = KnownLog::Get();
  const auto only_known = [&](const NoteVerifier& key) {
    if (note.text != log.checkpoint.text) return false;
    bool any = false;
    for (const NoteSignature& signature : note.signatures) {
      if (!KnownLog::IsBy(signature, key)) continue;
      if (!log.Signed(signature)) return false;
      any = true;
    }
    return any;
  };
  const auto opened = OpenCheckpoint(note, log.key);
  Require(opened.ok() == only_known(log.key));
  if (opened.ok()) Require(opened->size == KnownLog::kSize && opened->root == log.RootAt(KnownLog::kSize));
  bool all = opened.ok();
  for (const NoteVerifier& witness : log.witnesses) {
    const auto time = VerifyCosignature(note, witness);
    Require(time.ok() == only_known(witness));
    if (time.ok()) Require(absl::ToUnixSeconds(*time) == KnownLog::kCosignedAtSeconds);
    all = all && time.ok();
  }
  // The policy wants all three witnesses.
  Require(log.policy.Verify(note).ok() == all);
  const auto whole = log.policy.VerifyWhole(note);
  if (whole.ok()) Require(all && std::all_of(note.signatures.begin(), note.signatures.end(), [&](const auto& s) { return log.Signed(s); }));
}

// A signed and cosigned note; or edits of the known one, each a position (2 bytes) and what is XORed there (1 byte).
inline void FuzzCosignature(std::string_view bytes) {
  if (const auto note = Note::Parse(bytes); note.ok()) {
    RequireOnlyKnown(*note);
    return;
  }
  std::string edited = KnownLog::Get().checkpoint.Serialize();
  for (std::size_t i = 0; i + 3 <= bytes.size(); i += 3) {
    const std::size_t at = static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])) << 8 | static_cast<unsigned char>(bytes[i + 1]);
    edited[at % edited.size()] ^= bytes[i + 2];
  }
  if (const auto note = Note::Parse(edited); note.ok()) RequireOnlyKnown(*note);
}

// A receipt (tlog-proof).
inline void FuzzReceipt(std::string_view bytes) {
  const auto receipt = Receipt::Parse(bytes);
  if (!receipt.ok()) {
    Require(absl::IsInvalidArgument(receipt.status()));
    return;
  }
  Require(receipt->Serialize() == bytes);
  const KnownLog& log = KnownLog::Get();
  const auto verified = receipt->Verify(log.policy);
  if (!verified.ok()) return;
  Require(receipt->index < KnownLog::kSize && receipt->leaf == log.leaves[receipt->index]);
  Require(receipt->proof == log.ReceiptOf(receipt->index).proof);
  Require(Note::Parse(receipt->checkpoint)->text == log.checkpoint.text);
  Require(verified->checkpoint.size == KnownLog::kSize && verified->leaf.entry.counter() == receipt->index + 1);
}

// A policy file.
inline void FuzzPolicy(std::string_view bytes) {
  const auto policy = Policy::Parse(bytes);
  if (!policy.ok()) {
    Require(absl::IsInvalidArgument(policy.status()));
    return;
  }
  std::set<std::string> names, keys;
  for (const Policy::Witness& witness : policy->witnesses()) {
    Require(names.insert(witness.name).second && keys.insert(witness.key.ed25519()).second);
    Require(witness.key.algorithm() == kNoteCosignatureV1);
  }
  for (const Policy::Log& log : policy->logs()) Require(policy->FindLog(log.key.name()).ok() && log.key.algorithm() == kNoteEd25519);
  // All witnesses make any quorum, none makes only "none", and one more never unmakes one.
  Require(policy->IsMet(names) && policy->WithoutQuorum().IsMet({}));
  Require(policy->IsMet({}) == (policy->quorum() == "none"));
  std::set<std::string> cosigned;
  bool met = policy->IsMet(cosigned);
  for (const std::string& name : names) {
    cosigned.insert(name);
    Require(policy->IsMet(cosigned) || !met);
    met = policy->IsMet(cosigned);
  }
  // Comments, blank lines and white space make no other policy.
  std::string dressed = "# dressed\n\n";
  for (const char c : bytes) dressed += c == ' ' || c == '\t' ? std::string(" \t ") : c == '\n' ? std::string(" \n\t\n") : std::string(1, c);
  if (const auto again = Policy::Parse(dressed); again.ok()) {
    Require(again->quorum() == policy->quorum() && again->witnesses().size() == policy->witnesses().size());
    Require(again->IsMet({}) == policy->IsMet({}) && again->IsMet(names));
  } else {
    // Only by its own length.
    Require(dressed.size() > bytes.size() && dressed.size() > 1u << 20);
  }
  // The known checkpoint is believed by who names its log, and then only with the quorum that the policy wants.
  const KnownLog& known = KnownLog::Get();
  if (policy->Verify(known.checkpoint).ok()) Require(policy->FindLog(KnownLog::kOrigin).ok());
  if (const auto with = policy->WithLog(known.key); with.ok()) {
    std::set<std::string> theirs;
    for (const Policy::Witness& witness : policy->witnesses())
      for (const NoteVerifier& key : known.witnesses)
        if (witness.key.ToString() == key.ToString()) theirs.insert(witness.name);
    if (with->Verify(known.checkpoint).ok()) Require(with->IsMet(theirs));
  }
}

// Who is in the map of the known subjects: 'a' to 'p', sixteen times their letter, each with one entry more than the one before.
struct KnownSubjects {
  std::unique_ptr<SubjectPages> pages = NewSubjectPagesInMemory();
  SubjectChanges values;
  Hash root{};

  KnownSubjects() {
    for (char c = 'a'; c <= 'p'; ++c) values[SubjectKey(std::string(kSubjectBytes, c))] = {static_cast<std::uint64_t>(c - 'a') + 1, 100u + static_cast<unsigned char>(c)};
    root = ApplySubjectChanges(*pages, EmptySubjectRoot(), values).value();
  }
  static const KnownSubjects& Get() {
    static const KnownSubjects& known = *new KnownSubjects();
    return known;
  }
};

// A map proof. Whatever it says of the known subjects, and of some that are not there, is so.
inline void FuzzMapProof(std::string_view bytes) {
  const auto proof = SubjectMapProof::Parse(bytes);
  if (!proof.ok()) {
    Require(absl::IsInvalidArgument(proof.status()));
    return;
  }
  Require(proof->Serialize() == bytes);
  const KnownSubjects& known = KnownSubjects::Get();
  for (char c = 'a'; c <= 'z'; ++c) {
    const std::string subject(kSubjectBytes, c);
    const auto value = proof->Verify(known.root, subject);
    if (!value.ok()) continue;
    const auto entry = known.values.find(SubjectKey(subject));
    Require(*value == (entry == known.values.end() ? SubjectValue() : entry->second));
  }
}

// A log with entries of a, b and nobody, a map of the first five, and one entry behind it; the same in every run, as KnownLog is.
struct KnownSubjectLog {
  static constexpr char kOrigin[] = "known.example/p/00000000000000cc";
  static constexpr std::string_view kSubjects = "ab-aa";
  std::vector<std::string> leaves;
  std::vector<Hash> leaf_hashes;
  std::unique_ptr<SubjectPages> pages = NewSubjectPagesInMemory();
  Hash root{};
  Policy policy;
  std::string checkpoint;

  KnownSubjectLog() {
    std::vector<std::string> entries;
    SubjectChanges values;
    for (std::uint64_t i = 0; i < kSubjects.size() + 2; ++i) {
      v1::Entry entry;
      entry.set_origin(kOrigin);
      entry.set_kind(v1::KIND_DISCLOSURE);
      entry.set_author("spiffe://known.example/author");
      entry.set_counter(i + 1);
      entry.mutable_time()->set_seconds(KnownLog::kCosignedAtSeconds - 60);
      entry.set_idempotency_key(std::string(AsBytes(Sha256("subject entry " + std::to_string(i)))));
      const char subject = i < kSubjects.size() ? kSubjects[i] : 'a';
      if (i == kSubjects.size()) {
        root = ApplySubjectChanges(*pages, EmptySubjectRoot(), values).value();
        entry.set_kind(v1::KIND_SUBJECT_MAP);
        entry.mutable_subject_map()->set_size(i);
        entry.mutable_subject_map()->set_root(std::string(AsBytes(root)));
      } else if (subject != '-') {
        entry.set_subject(std::string(kSubjectBytes, subject));
        SubjectValue& value = values[SubjectKey(entry.subject())];
        value = {value.count + 1, i};
      }
      entries.push_back(entry.SerializeAsString());
    }
    leaves = SignBatch(kOrigin, entries, *custodian::testing::KnownSigner("author")).value();
    for (const std::string& leaf : leaves) leaf_hashes.push_back(LeafHash(leaf));
    const std::unique_ptr<Signer> log = custodian::testing::KnownSigner("subject log");
    const NoteVerifier key = NoteVerifier::Create(kOrigin, kNoteEd25519, log->public_key().ed25519()).value();
    Note note{Checkpoint{kOrigin, leaves.size(), RootOf(leaf_hashes)}.Serialize(), {}};
    note.signatures.push_back(LogSignature(key, log->Sign(note.text).value()));
    checkpoint = note.Serialize();
    policy = Policy::Parse("log " + key.ToString() + "\nquorum none\n").value();
  }
  // The indexes that a true list of the subject shows.
  [[nodiscard]] static std::vector<std::uint64_t> Of(const std::string& subject) {
    std::vector<std::uint64_t> indexes;
    for (std::uint64_t i = 0; i < kSubjects.size(); ++i)
      if (subject == std::string(kSubjectBytes, kSubjects[i])) indexes.push_back(i);
    return indexes;
  }
  [[nodiscard]] SubjectList ListOf(const std::string& subject, const std::vector<std::uint64_t>& indexes) const {
    const auto entry_at = [this](std::uint64_t index) {
      return SubjectList::Entry{index, leaves[index], InclusionProof(index, leaves.size(), custodian::testing::ReaderOf(leaf_hashes)).value()};
    };
    SubjectList list{subject, ProveSubject(*pages, root, subject).value(), entry_at(kSubjects.size()), {}, checkpoint};
    for (const std::uint64_t index : indexes) list.entries.push_back(entry_at(index));
    return list;
  }
  static const KnownSubjectLog& Get() {
    static const KnownSubjectLog& log = *new KnownSubjectLog();
    return log;
  }
};

// A subject's list. What verifies shows that subject's entries in the known log, all of them and as they are there.
inline void FuzzSubjectList(std::string_view bytes) {
  const auto list = SubjectList::Parse(bytes);
  if (!list.ok()) {
    Require(absl::IsInvalidArgument(list.status()));
    return;
  }
  Require(list->Serialize() == bytes);
  const KnownSubjectLog& known = KnownSubjectLog::Get();
  const auto verified = list->Verify(known.policy);
  if (!verified.ok()) return;
  const std::vector<std::uint64_t> indexes = KnownSubjectLog::Of(list->subject);
  Require(verified->covered == KnownSubjectLog::kSubjects.size() && list->entries.size() == indexes.size());
  for (std::size_t i = 0; i < indexes.size(); ++i)
    Require(list->entries[i].index == indexes[i] && list->entries[i].leaf == known.leaves[indexes[i]]);
}

// Three promises of the known log's custodian, signed together, and one signed alone.
struct KnownPromises {
  static constexpr char kAuthor[] = "spiffe://known.example/custodian/serve";
  RosterHistory governance;
  std::vector<std::string> texts;

  KnownPromises() {
    const std::unique_ptr<Signer> signer = custodian::testing::KnownSigner("custodian");
    v1::Entry enrolled;
    auto& change = *enrolled.mutable_roster_changed();
    change.set_author(kAuthor);
    change.set_key_id(std::string(AsBytes(signer->public_key().key_id())));
    change.set_algorithm(signer->public_key().algorithm());
    change.set_public_key(signer->public_key().der());
    change.add_kinds(v1::KIND_ANCHOR);
    governance.Append(enrolled, EmptyRoot());
    std::vector<Promise> promises;
    for (const std::uint64_t first : {0, 2, 3})
      promises.push_back({KnownLog::kOrigin, first, 3, RootOf(std::span(KnownLog::Get().leaf_hashes).subspan(first, 3)), absl::FromUnixMillis(1'767'225'600'123)});
    for (const auto& some : {std::span(promises), std::span(promises).first(1)}) {
      const auto made = SignPromises(some, kAuthor, *signer);
      for (const SignedPromise& each : *made) texts.push_back(each.Serialize());
    }
  }
  static const KnownPromises& Get() {
    static const KnownPromises& promises = *new KnownPromises();
    return promises;
  }
};

// A promise. What verifies is one of the known ones.
inline void FuzzPromise(std::string_view bytes) {
  const auto promise = SignedPromise::Parse(bytes);
  if (!promise.ok()) {
    Require(absl::IsInvalidArgument(promise.status()));
    return;
  }
  Require(promise->Serialize() == bytes && promise->promise.count >= 1 && promise->promise.count <= kBatchEntriesMax);
  const KnownPromises& known = KnownPromises::Get();
  if (promise->Verify(known.governance).ok()) Require(std::find(known.texts.begin(), known.texts.end(), bytes) != known.texts.end());
}

// A leaf: SignedEntry and, in it, Entry.
inline void FuzzEntry(std::string_view bytes) {
  // Of each text that is not UTF-8 it would write a line.
  const google::protobuf::LogSilencer silent;
  const auto leaf = ParseLeaf(bytes);
  if (!leaf.ok()) {
    Require(absl::IsInvalidArgument(leaf.status()));
    return;
  }
  Require(bytes.size() <= kLeafBytesMax && leaf->signed_entry.entry_bytes().size() <= kEntryBytesMax);
  v1::SignedEntry plain = leaf->signed_entry;
  plain.DiscardUnknownFields();
  const std::string text = plain.SerializeAsString();
  const auto again = ParseLeaf(text);
  Require(again.ok() && again->signed_entry.SerializeAsString() == text);
  Require(again->entry.SerializeAsString() == leaf->entry.SerializeAsString());
  // A signature is good for what was signed, in the place it was signed for. How protobuf writes the envelope is not signed: the leaf's hash
  // holds that fast.
  const KnownLog& log = KnownLog::Get();
  if (VerifyLeafSignature(KnownLog::kOrigin, leaf->signed_entry, log.author->public_key()).ok())
    Require(std::find(log.leaves.begin(), log.leaves.end(), text) != log.leaves.end());
  Require(!VerifyLeafSignature("another.example", leaf->signed_entry, log.author->public_key()).ok());
}

// A bundle of leaves, and the tiles that they make.
inline void FuzzBundle(std::string_view bytes) {
  const auto leaves = DecodeBundle(bytes);
  if (!leaves.ok()) {
    Require(absl::IsInvalidArgument(leaves.status()));
    return;
  }
  const auto again = EncodeBundle(*leaves);
  Require(again.ok() && *again == bytes);
  // Each tile has as many hashes as its path says, and the lowest are the leaves'.
  std::string lowest, hashes;
  std::size_t tiles = 0;
  const TileBuilder::Emit emit = [&](const TilePath& path, const std::string& made) {
    Require(made.size() == path.width * 32 && TilePath::Parse(path.ToString()).value() == path);
    if (path.level == 0) lowest += made;
    ++tiles;
  };
  TileBuilder builder(emit);
  CompactRange range;
  std::vector<Hash> leaf_hashes;
  for (const std::string& leaf : *leaves) {
    leaf_hashes.push_back(LeafHash(leaf));
    hashes += AsBytes(leaf_hashes.back());
    builder.Append(leaf_hashes.back());
    range.Append(leaf_hashes.back());
  }
  builder.EmitPartial();
  Require(lowest == hashes && range.Root() == RootOf(leaf_hashes));
  const std::vector<TilePath> paths = TilesOf(leaves->size());
  Require(tiles == static_cast<std::size_t>(std::count_if(paths.begin(), paths.end(), [](const TilePath& path) { return !path.entries; })));
}

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_LEDGER_FUZZ_H_
