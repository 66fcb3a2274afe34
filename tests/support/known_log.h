// A small log that is the same in every run, down to its signatures: Ed25519 keys from fixed seeds, one batch of six entries, a
// checkpoint that three witnesses cosigned. With these keys nothing else is ever signed for whoever holds their public parts, so that a
// fuzz target can demand: what verifies is this log and nothing but it. Header only, so that fuzzers can instrument all they link.
#ifndef CUSTODIAN_TESTS_SUPPORT_KNOWN_LOG_H_
#define CUSTODIAN_TESTS_SUPPORT_KNOWN_LOG_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "ledger/base64.h"
#include "ledger/checkpoint.h"
#include "ledger/entry.h"
#include "ledger/receipt.h"
#include "ledger/signature.h"
#include "ledger/tree.h"

namespace custodian::testing {

// An Ed25519 key whose private part is SHA-256 of `seed`.
inline std::unique_ptr<ledger::Signer> KnownSigner(std::string_view seed) {
  // PKCS#8 around 32 bytes of Ed25519 (RFC 8410, section 7).
  constexpr char kPkcs8[] = "\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
  const std::string der = std::string(kPkcs8, sizeof kPkcs8 - 1) + std::string(ledger::AsBytes(ledger::Sha256(seed)));
  return ledger::SignerFromPem("-----BEGIN PRIVATE KEY-----\n" + ledger::Base64Encode(der) + "\n-----END PRIVATE KEY-----\n").value();
}

// Reads complete subtrees of `leaf_hashes`, which outlive it.
inline ledger::NodeReader ReaderOf(std::span<const ledger::Hash> leaf_hashes) {
  return [leaf_hashes](unsigned level, std::uint64_t index) -> absl::StatusOr<ledger::Hash> {
    return ledger::RootOf(leaf_hashes.subspan(index << level, std::size_t{1} << level));
  };
}

struct KnownLog {
  static constexpr char kOrigin[] = "known.example/p/00000000000000aa";
  static constexpr std::uint64_t kSize = 6;
  static constexpr std::int64_t kCosignedAtSeconds = 1'767'225'600;

  std::unique_ptr<ledger::Signer> author = KnownSigner("author");
  std::vector<std::string> leaves;
  std::vector<ledger::Hash> leaf_hashes;
  ledger::NoteVerifier key;
  std::vector<ledger::NoteVerifier> witnesses;
  // Two of w1, w2 and one of w3: all three.
  std::string policy_text;
  ledger::Policy policy;
  ledger::Note checkpoint;

  KnownLog() {
    leaves = ledger::SignBatch(kOrigin, Entries(), *author).value();
    for (const std::string& leaf : leaves) leaf_hashes.push_back(ledger::LeafHash(leaf));
    const std::unique_ptr<ledger::Signer> log = KnownSigner("log");
    key = ledger::NoteVerifier::Create(kOrigin, ledger::kNoteEd25519, log->public_key().ed25519()).value();
    checkpoint.text = ledger::Checkpoint{kOrigin, kSize, ledger::RootOf(leaf_hashes)}.Serialize();
    checkpoint.signatures.push_back(ledger::LogSignature(key, log->Sign(checkpoint.text).value()));
    policy_text = "log " + key.ToString() + " https://known.example/\n";
    const absl::Time time = absl::FromUnixSeconds(kCosignedAtSeconds);
    for (const std::string name : {"w1", "w2", "w3"}) {
      const std::unique_ptr<ledger::Signer> signer = KnownSigner(name);
      witnesses.push_back(ledger::NoteVerifier::Create(name + ".example", ledger::kNoteCosignatureV1, signer->public_key().ed25519()).value());
      const std::string signature = signer->Sign(ledger::CosignatureMessage(time, checkpoint.text)).value();
      checkpoint.signatures.push_back(ledger::CosignatureV1(witnesses.back(), time, signature));
      policy_text += "witness " + name + " " + witnesses.back().ToString() + "\n";
    }
    policy_text += "group pair all w1 w2\ngroup both 2 pair w3\nquorum both\n";
    policy = ledger::Policy::Parse(policy_text).value();
  }

  static std::vector<std::string> Entries() {
    std::vector<std::string> entries;
    for (std::uint64_t i = 0; i < kSize; ++i) {
      ledger::v1::Entry entry;
      entry.set_origin(kOrigin);
      entry.set_kind(i == 2 ? ledger::v1::KIND_AVOIDANCE_CONFIRMED : ledger::v1::KIND_ORDER_CHECKED);
      entry.set_author("spiffe://known.example/author");
      entry.set_counter(i + 1);
      entry.mutable_time()->set_seconds(kCosignedAtSeconds - 60);
      entry.set_idempotency_key(std::string(ledger::AsBytes(ledger::Sha256("entry " + std::to_string(i)))));
      if (i == 2) {
        entry.mutable_money()->set_side(ledger::v1::SIDE_ORDERING);
        entry.mutable_money()->set_class_id("ct-chest");
        entry.mutable_money()->set_month("2025-12");
        entry.mutable_money()->set_cents(31'500);
        entry.mutable_money()->set_exams(1);
      }
      entries.push_back(entry.SerializeAsString());
    }
    return entries;
  }

  [[nodiscard]] ledger::Receipt ReceiptOf(std::uint64_t index) const {
    return {leaves[index], index, ledger::InclusionProof(index, kSize, ReaderOf(leaf_hashes)).value(), checkpoint.Serialize()};
  }
  [[nodiscard]] std::vector<ledger::Hash> ConsistencyFrom(std::uint64_t old_size) const {
    return ledger::ConsistencyProof(old_size, kSize, ReaderOf(leaf_hashes)).value();
  }
  [[nodiscard]] ledger::Hash RootAt(std::uint64_t size) const { return ledger::RootOf(std::span(leaf_hashes).first(size)); }
  // Whether one of its own signature lines says just this.
  [[nodiscard]] bool Signed(const ledger::NoteSignature& signature) const {
    for (const ledger::NoteSignature& own : checkpoint.signatures)
      if (own.ToLine() == signature.ToLine()) return true;
    return false;
  }
  // Whether that key signed it.
  [[nodiscard]] static bool IsBy(const ledger::NoteSignature& signature, const ledger::NoteVerifier& key) {
    return signature.name == key.name() && signature.key_id == key.key_id();
  }

  static const KnownLog& Get() {
    static const KnownLog& log = *new KnownLog();
    return log;
  }
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_KNOWN_LOG_H_
