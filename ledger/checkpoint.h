// Checkpoints, signed notes and cosignatures in the C2SP formats (signed-note, tlog-checkpoint, tlog-cosignature, tlog-policy).
// Pure; safe from any thread. Times are parameters: nothing here reads a clock.
#ifndef CUSTODIAN_LEDGER_CHECKPOINT_H_
#define CUSTODIAN_LEDGER_CHECKPOINT_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ledger/signature.h"
#include "ledger/tree.h"

namespace custodian::ledger {

// signed-note algorithm bytes we understand; of ECDSA P-256 alone.
inline constexpr std::uint8_t kNoteEd25519 = 0x01;
inline constexpr std::uint8_t kNoteEcdsa = 0x02;
inline constexpr std::uint8_t kNoteCosignatureV1 = 0x04;

// A number as these formats write it: decimal, no sign, no leading zero, at most 64 bits.
[[nodiscard]] absl::StatusOr<std::uint64_t> ParseDecimal(std::string_view text);

// A verifier key, "<name>+<hex key id>+<base64(algorithm byte || public key)>".
class NoteVerifier {
 public:
  // Unimplemented for a signature type that is not understood here, InvalidArgument for what is no verifier key.
  [[nodiscard]] static absl::StatusOr<NoteVerifier> Parse(std::string_view vkey);
  // `public_key` is 32 raw bytes of Ed25519, or the SubjectPublicKeyInfo of ECDSA.
  [[nodiscard]] static absl::StatusOr<NoteVerifier> Create(std::string_view name, std::uint8_t algorithm,
                                                           std::string_view public_key);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::uint32_t key_id() const { return key_id_; }
  [[nodiscard]] std::uint8_t algorithm() const { return algorithm_; }
  // Empty for ECDSA.
  [[nodiscard]] const std::string& ed25519() const { return public_key_.ed25519(); }
  // Taken apart once, for all notes.
  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }
  [[nodiscard]] std::string ToString() const;

 private:
  std::string name_;
  std::uint32_t key_id_ = 0;
  std::uint8_t algorithm_ = 0;
  PublicKey public_key_;
};

struct NoteSignature {
  std::string name;
  std::uint32_t key_id = 0;
  // The bytes after the key id.
  std::string signature;

  // One signature line, without its newline.
  [[nodiscard]] static absl::StatusOr<NoteSignature> Parse(std::string_view line);
  // The line with its newline.
  [[nodiscard]] std::string ToLine() const;
};

// A note: text (ends in a newline) and its signature lines.
struct Note {
  std::string text;
  std::vector<NoteSignature> signatures;

  [[nodiscard]] static absl::StatusOr<Note> Parse(std::string_view bytes);
  [[nodiscard]] std::string Serialize() const;
};

// origin "\n" size "\n" base64(root) "\n", then optional extension lines.
struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Hash root{};

  [[nodiscard]] static absl::StatusOr<Checkpoint> Parse(std::string_view text);
  [[nodiscard]] std::string Serialize() const;
};

// Unauthenticated unless `note` carries a signature of the log `key`, by the key's own algorithm, and no wrong one.
[[nodiscard]] absl::Status VerifyLogSignatures(const Note& note, const NoteVerifier& key);
// The same for a key of algorithm 0x01, the only one of our logs; returns the parsed checkpoint, whose origin must equal the key's
// name.
[[nodiscard]] absl::StatusOr<Checkpoint> OpenCheckpoint(const Note& note, const NoteVerifier& key);

// The note signature of a log, from 64 bytes of Ed25519 over the text.
[[nodiscard]] NoteSignature LogSignature(const NoteVerifier& key, std::string ed25519_signature);

// The message of cosignature/v1 and the signature line made from it.
[[nodiscard]] std::string CosignatureMessage(absl::Time time, std::string_view checkpoint_text);
[[nodiscard]] NoteSignature CosignatureV1(const NoteVerifier& key, absl::Time time, std::string_view ed25519_signature);
// Time of a valid cosignature of `key` on the note; Unauthenticated when absent or wrong.
[[nodiscard]] absl::StatusOr<absl::Time> VerifyCosignature(const Note& note, const NoteVerifier& key);

// A tlog-policy: the logs and witnesses a verifier trusts, and the quorum it wants.
class Policy {
 public:
  struct Witness {
    std::string name;
    NoteVerifier key;
    std::string url;
  };
  struct Group {
    std::string name;
    unsigned threshold = 0;
    std::vector<std::string> members;
  };
  struct Log {
    NoteVerifier key;
    std::string url;
  };

  // InvalidArgument naming the line.
  [[nodiscard]] static absl::StatusOr<Policy> Parse(std::string_view text);

  // NotFound when no log of that origin is named.
  [[nodiscard]] absl::StatusOr<Log> FindLog(std::string_view origin) const;
  [[nodiscard]] const std::vector<Log>& logs() const { return logs_; }
  [[nodiscard]] const std::vector<Witness>& witnesses() const { return witnesses_; }
  [[nodiscard]] const std::string& quorum() const { return quorum_; }
  // Checks log signature and quorum of cosignatures: the checkpoint, or why it is not to be believed.
  [[nodiscard]] absl::StatusOr<Checkpoint> Verify(const Note& note) const;
  // When a quorum last had cosigned a note that Verify() accepts: the latest time such that the cosignatures made then or later make
  // the quorum, so that one witness with a wrong clock, or one that lies, makes nothing look newer. InfinitePast where no quorum is
  // wanted; Unauthenticated when the cosignatures make none.
  [[nodiscard]] absl::StatusOr<absl::Time> WitnessedAt(const Note& note) const;
  // Both at once, each signature verified once: what Verify() and then WitnessedAt() say.
  struct Witnessed {
    Checkpoint checkpoint;
    absl::Time at = absl::InfinitePast();
  };
  [[nodiscard]] absl::StatusOr<Witnessed> VerifyWitnessed(const Note& note) const;
  // As Verify(), and every signature line must be of a key of this policy: for notes that nobody else may have written to.
  [[nodiscard]] absl::StatusOr<Checkpoint> VerifyWhole(const Note& note) const;
  // The note with the signatures of this policy's keys alone, unverified.
  [[nodiscard]] Note KnownSignatures(const Note& note) const;
  // The same policy with one more log, for a key learned from the governance log. InvalidArgument when the origin is named with
  // another key.
  [[nodiscard]] absl::StatusOr<Policy> WithLog(const NoteVerifier& key) const;
  // The same policy without a quorum, for notes that are signed and not yet witnessed.
  [[nodiscard]] Policy WithoutQuorum() const;
  // How many witnesses any two quorums have in common at least; 2k - n for k of n (0 when negative, and where no quorum is wanted).
  // Two histories of a log can both be witnessed only when as many witnesses lie.
  [[nodiscard]] unsigned QuorumOverlap() const;
  // How many witnesses can keep every checkpoint from its quorum by refusing, at least; n - k + 1 for k of n. 0 where no quorum is
  // wanted.
  [[nodiscard]] unsigned QuorumBlockers() const;
  // Whether cosignatures of these witnesses (names of this file) make the quorum.
  [[nodiscard]] bool IsMet(const std::set<std::string>& cosigned) const;

 private:
  friend class PolicyParser;
  [[nodiscard]] bool IsKnown(const NoteSignature& signature) const;
  // Of a witness or a group, as QuorumOverlap() and QuorumBlockers() of the quorum.
  [[nodiscard]] unsigned OverlapOf(const std::string& name) const;
  [[nodiscard]] unsigned BlockersOf(const std::string& name) const;
  // The checkpoint, which a log of the policy signed; its cosignatures are not looked at.
  [[nodiscard]] absl::StatusOr<Checkpoint> VerifyLog(const Note& note) const;
  // WitnessedAt() of these cosignatures.
  [[nodiscard]] absl::StatusOr<absl::Time> QuorumAt(const std::map<std::string, absl::Time>& times) const;
  // Time of each witness's valid cosignature on the note, by name; Unauthenticated when one is wrong.
  [[nodiscard]] absl::StatusOr<std::map<std::string, absl::Time>> CosignedAt(const Note& note) const;
  [[nodiscard]] bool IsWitnessed(const std::string& name, const std::set<std::string>& cosigned) const;

  std::vector<Log> logs_;
  std::vector<Witness> witnesses_;
  std::map<std::string, Group> groups_;
  std::string quorum_ = "none";
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_CHECKPOINT_H_
