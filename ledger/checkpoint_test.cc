#include "ledger/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <iterator>
#include <random>

#include "ledger/signature.h"

namespace custodian::ledger {
namespace {

// tests/vectors/cosigned-proof.json.
class CosignedProof : public testing::Test {
 protected:
  void SetUp() override {
    std::ifstream file("tests/vectors/cosigned-proof.json");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    document_.Parse(text.c_str());
    ASSERT_TRUE(document_.IsObject());
  }
  std::string Text(const char* name) const { return document_[name].GetString(); }
  NoteVerifier Log() const { return NoteVerifier::Parse(Text("log_vkey")).value(); }
  NoteVerifier Witness() const { return NoteVerifier::Parse(Text("witness_vkey_0x04")).value(); }

 private:
  rapidjson::Document document_;
};

TEST_F(CosignedProof, VerifierKeysComeBackAsWritten) {
  EXPECT_EQ(Log().ToString(), Text("log_vkey"));
  EXPECT_EQ(Log().name(), "monkeys");
  EXPECT_EQ(Witness().ToString(), Text("witness_vkey_0x04"));
  EXPECT_EQ(Witness().algorithm(), kNoteCosignatureV1);
}

TEST_F(CosignedProof, CheckpointOpensUnderItsLogAndWitness) {
  const Note note = Note::Parse(Text("checkpoint")).value();
  EXPECT_EQ(note.Serialize(), Text("checkpoint"));
  const absl::StatusOr<Checkpoint> checkpoint = OpenCheckpoint(note, Log());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(checkpoint->size, 8u);
  EXPECT_EQ(checkpoint->Serialize(), note.text);
  const absl::StatusOr<absl::Time> time = VerifyCosignature(note, Witness());
  ASSERT_TRUE(time.ok()) << time.status();
  EXPECT_EQ(*time, absl::FromUnixSeconds(1679315147));
  EXPECT_EQ(CosignatureMessage(*time, note.text), Text("cosigned_message"));
}

TEST_F(CosignedProof, AnyChangedByteIsRefused) {
  const std::string good = Text("checkpoint");
  const Policy policy =
      Policy::Parse("log " + Text("log_vkey") + "\nwitness w " + Text("witness_vkey_0x04") + "\nquorum w\n").value();
  ASSERT_TRUE(policy.Verify(Note::Parse(good).value()).ok());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    const absl::StatusOr<Note> note = Note::Parse(bad);
    EXPECT_FALSE(note.ok() && policy.Verify(*note).ok()) << "byte " << i;
  }
}

TEST(NoteVerifier, VerifiesByTheKeysOwnAlgorithm) {
  const std::unique_ptr<Signer> signer =
      SignerFromPem(NewPrivateKeyPem(v1::SIGNATURE_ALGORITHM_ECDSA_P256_SHA256).value()).value();
  const NoteVerifier key = NoteVerifier::Create("log.example", kNoteEcdsa, signer->public_key().der()).value();
  EXPECT_EQ(NoteVerifier::Parse(key.ToString())->ToString(), key.ToString());
  // signed-note: the key id of ECDSA is of the key alone.
  EXPECT_EQ(key.key_id(), NoteVerifier::Create("another.example", kNoteEcdsa, signer->public_key().der())->key_id());
  Note note{Checkpoint{"log.example", 3, Sha256("root")}.Serialize(), {}};
  note.signatures.push_back({key.name(), key.key_id(), signer->Sign(note.text).value()});
  EXPECT_TRUE(VerifyLogSignatures(note, key).ok());
  note.text[0] = 'L';
  EXPECT_EQ(VerifyLogSignatures(note, key).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(OpenCheckpoint(note, key).status().code(), absl::StatusCode::kUnauthenticated);
  // A key of another kind than its type says, and a type that is not understood (6, ML-DSA-44).
  EXPECT_FALSE(NoteVerifier::Create("log.example", kNoteEd25519, signer->public_key().der()).ok());
  EXPECT_EQ(NoteVerifier::Create("log.example", 6, std::string(1312, 'k')).status().code(), absl::StatusCode::kUnimplemented);
}

TEST(NoteVerifier, RefusesKeysThatDoNotFit) {
  for (const char* vkey :
       {"", "name", "name+00000000+AULaJMvTtDLHPUcUrjdDad9vDlh/PTfC2VV60JUtCfWT",
        "+db4d9f7e+AULaJMvTtDLHPUcUrjdDad9vDlh/PTfC2VV60JUtCfWT", "monkeys+DB4D9F7E+AULaJMvTtDLHPUcUrjdDad9vDlh/PTfC2VV60JUtCfWT",
        "mon keys+db4d9f7e+AULaJMvTtDLHPUcUrjdDad9vDlh/PTfC2VV60JUtCfWT", "monkeys+db4d9f7e+AULa", "monkeys+db4d9f7e+"})
    EXPECT_EQ(NoteVerifier::Parse(vkey).status().code(), absl::StatusCode::kInvalidArgument) << vkey;
  // The example of the signed-note specification.
  EXPECT_TRUE(NoteVerifier::Parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k").ok());
}

TEST(Note, RefusesWhatTheSpecificationForbids) {
  const std::string line = "\xe2\x80\x94 name AAAAAAA=\n";
  EXPECT_TRUE(Note::Parse("text\n\n" + line).ok());
  EXPECT_TRUE(Note::Parse("te\n\nxt\n\n" + line + line).ok());
  for (const std::string& note :
       {std::string("text\n"), std::string("text\n\n"), "text\n" + line, "te\x01xt\n\n" + line, "te\xc0\x80xt\n\n" + line,
        "te\xed\xa0\x80xt\n\n" + line, std::string("text\n\n- name AAAAAAA=\n"),
        std::string("text\n\n\xe2\x80\x94 name AAAAAA==\n"), std::string("text\n\n\xe2\x80\x94 na+me AAAAAAA=\n"),
        std::string("text\n\n\xe2\x80\x94 na\xc2\xa0me AAAAAAA=\n"), std::string("text\n\n\xe2\x80\x94  AAAAAAA=\n"),
        "text\n\n" + line.substr(0, line.size() - 1)})
    EXPECT_EQ(Note::Parse(note).status().code(), absl::StatusCode::kInvalidArgument) << note;
}

TEST(Checkpoint, RefusesWhatTheSpecificationForbids) {
  const std::string root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
  EXPECT_TRUE(Checkpoint::Parse("o\n0\n" + root).ok());
  EXPECT_TRUE(Checkpoint::Parse("o\n18446744073709551615\n" + root + "extension\n").ok());
  for (const std::string& text : {std::string("o\n0\n"), "o\n00\n" + root, "o\n-1\n" + root, "o\n+1\n" + root,
                                  "o\n18446744073709551616\n" + root, "o\n\n" + root, "\n0\n" + root, "o\n0\n" + root + "\n",
                                  "o\n0\n" + root.substr(0, root.size() - 1), std::string("o\n0\nAAAA\n")})
    EXPECT_EQ(Checkpoint::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
}

struct Cosigner {
  std::unique_ptr<Signer> signer;
  NoteVerifier key;
};

Cosigner NewCosigner(const std::string& name, std::uint8_t algorithm = kNoteCosignatureV1) {
  std::unique_ptr<Signer> signer = SignerFromPem(NewPrivateKeyPem(v1::SIGNATURE_ALGORITHM_ED25519).value()).value();
  NoteVerifier key = NoteVerifier::Create(name, algorithm, signer->public_key().ed25519()).value();
  return {std::move(signer), std::move(key)};
}

class PolicyOf : public testing::Test {
 protected:
  PolicyOf() {
    for (const char* name : {"w1", "w2", "w3", "w4"}) witnesses_.push_back(NewCosigner(name));
    text_ = "# a comment\n\n \tlog " + log_.key.ToString() + " https://log.example/\n";
    for (const Cosigner& witness : witnesses_)
      text_ += "witness " + witness.key.name() + "\t" + witness.key.ToString() + " https://" + witness.key.name() + ".example/\n";
    checkpoint_ = {"log.example/p/1", 3, Sha256("root")};
  }

  Note NoteWith(std::initializer_list<int> cosigners) const {
    Note note{checkpoint_.Serialize(), {}};
    note.signatures.push_back(LogSignature(log_.key, log_.signer->Sign(note.text).value()));
    const absl::Time time = absl::FromUnixSeconds(1'700'000'000);
    for (const int i : cosigners) {
      const Cosigner& witness = witnesses_[static_cast<std::size_t>(i)];
      note.signatures.push_back(
          CosignatureV1(witness.key, time, witness.signer->Sign(CosignatureMessage(time, note.text)).value()));
    }
    return note;
  }

  Cosigner log_ = NewCosigner("log.example/p/1", kNoteEd25519);
  std::vector<Cosigner> witnesses_;
  std::string text_;
  Checkpoint checkpoint_;
};

TEST_F(PolicyOf, TwoOfThreeWantsTwoOfThem) {
  const Policy policy = Policy::Parse(text_ + "group g 2 w1 w2 w3\nquorum g\n").value();
  EXPECT_EQ(policy.witnesses().size(), 4u);
  EXPECT_EQ(policy.witnesses()[1].url, "https://w2.example/");
  EXPECT_TRUE(policy.Verify(NoteWith({0, 2})).ok());
  EXPECT_TRUE(policy.Verify(NoteWith({0, 1, 2, 3})).ok());
  EXPECT_EQ(policy.Verify(NoteWith({0, 3})).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(policy.Verify(NoteWith({0, 0})).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(policy.Verify(NoteWith({})).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(PolicyOf, NestedGroupsAreCountedAsGroups) {
  const Policy policy = Policy::Parse(text_ + "group a 1 w1 w2\ngroup b all w3 w4\ngroup both all a b\nquorum both").value();
  EXPECT_TRUE(policy.Verify(NoteWith({1, 2, 3})).ok());
  EXPECT_FALSE(policy.Verify(NoteWith({0, 1, 3})).ok());
  EXPECT_FALSE(policy.Verify(NoteWith({2, 3})).ok());
}

TEST_F(PolicyOf, NoteIsAsOldAsTheOldestThatItsQuorumNeeds) {
  const Policy policy = Policy::Parse(text_ + "group g 2 w1 w2 w3\nquorum g\n").value();
  Note note = NoteWith({});
  const auto cosign = [&](std::size_t i, std::int64_t seconds) {
    const absl::Time time = absl::FromUnixSeconds(seconds);
    note.signatures.push_back(
        CosignatureV1(witnesses_[i].key, time, witnesses_[i].signer->Sign(CosignatureMessage(time, note.text)).value()));
  };
  cosign(0, 1'000);
  EXPECT_EQ(policy.WitnessedAt(note).status().code(), absl::StatusCode::kUnauthenticated);
  // One that lies about the time, or is of no group, makes nothing newer.
  cosign(1, 9'000'000'000);
  cosign(3, 5'000);
  EXPECT_EQ(policy.WitnessedAt(note).value(), absl::FromUnixSeconds(1'000));
  cosign(2, 3'000);
  EXPECT_EQ(policy.WitnessedAt(note).value(), absl::FromUnixSeconds(3'000));
  EXPECT_EQ(policy.WithoutQuorum().WitnessedAt(note).value(), absl::InfinitePast());
}

// What QuorumOverlap() and QuorumBlockers() say, by looking at every pair of sets of witnesses.
std::pair<unsigned, unsigned> Enumerate(const Policy& policy) {
  const std::size_t n = policy.witnesses().size();
  std::vector<unsigned> quorums;
  unsigned blockers = static_cast<unsigned>(n);
  for (unsigned set = 0; set < 1u << n; ++set) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < n; ++i)
      if ((set >> i & 1u) != 0) names.insert(policy.witnesses()[i].name);
    if (policy.IsMet(names))
      quorums.push_back(set);
    else
      blockers = std::min(blockers, static_cast<unsigned>(n - names.size()));
  }
  unsigned overlap = static_cast<unsigned>(n);
  for (const unsigned a : quorums)
    for (const unsigned b : quorums) overlap = std::min(overlap, static_cast<unsigned>(std::popcount(a & b)));
  return {overlap, blockers};
}

TEST(Policy, OverlapOfQuorumsIsWhatEnumerationFinds) {
  std::mt19937 random(20'260'101);
  for (int round = 0; round < 200; ++round) {
    const unsigned n = 1 + random() % 8;
    std::string text;
    std::vector<std::string> open;
    for (unsigned i = 0; i < n; ++i) {
      open.push_back("w" + std::to_string(i));
      text += "witness " + open.back() + " " + NewCosigner(open.back()).key.ToString() + "\n";
    }
    // Groups of what is in no group yet, until one is left; sometimes a witness stays outside.
    for (int group = 0; open.size() > 1; ++group) {
      std::shuffle(open.begin(), open.end(), random);
      const std::size_t members = 1 + random() % open.size();
      const std::string name = "g" + std::to_string(group);
      text += "group " + name + " " + std::to_string(1 + random() % members);
      for (std::size_t i = 0; i < members; ++i) text += " " + open[i];
      text += "\n";
      open.erase(open.begin(), open.begin() + static_cast<std::ptrdiff_t>(members));
      open.push_back(name);
      if (random() % 8 == 0) break;
    }
    text += "quorum " + open.back() + "\n";
    const Policy policy = Policy::Parse(text).value();
    EXPECT_EQ(std::pair(policy.QuorumOverlap(), policy.QuorumBlockers()), Enumerate(policy)) << text;
  }
}

TEST_F(PolicyOf, OverlapOfKOfNIsTwiceKLessN) {
  EXPECT_EQ(Policy::Parse(text_ + "group g 2 w1 w2 w3\nquorum g\n")->QuorumOverlap(), 1u);
  EXPECT_EQ(Policy::Parse(text_ + "group g 3 w1 w2 w3 w4\nquorum g\n")->QuorumOverlap(), 2u);
  EXPECT_EQ(Policy::Parse(text_ + "group g 2 w1 w2 w3 w4\nquorum g\n")->QuorumOverlap(), 0u);
  EXPECT_EQ(Policy::Parse(text_ + "quorum w1\n")->QuorumOverlap(), 1u);
  EXPECT_EQ(Policy::Parse(text_ + "quorum none\n")->QuorumOverlap(), 0u);
  EXPECT_EQ(Policy::Parse(text_ + "group g 3 w1 w2 w3 w4\nquorum g\n")->QuorumBlockers(), 2u);
}

TEST_F(PolicyOf, LogSignatureIsDemandedAndUnknownOnesAreIgnored) {
  const Policy policy = Policy::Parse(text_ + "quorum none\n").value();
  EXPECT_TRUE(policy.Verify(NoteWith({})).ok());
  Note stranger = NoteWith({});
  stranger.signatures.push_back({"stranger", 7, "signature"});
  EXPECT_TRUE(policy.Verify(stranger).ok());
  Note forged = NoteWith({});
  forged.signatures[0].signature[5] ^= 1;
  EXPECT_EQ(policy.Verify(forged).status().code(), absl::StatusCode::kUnauthenticated);
  Note unsigned_note = NoteWith({0});
  unsigned_note.signatures.erase(unsigned_note.signatures.begin());
  EXPECT_EQ(policy.Verify(unsigned_note).status().code(), absl::StatusCode::kUnauthenticated);
  Note other = NoteWith({});
  other.text = Checkpoint{"log.example/p/2", 3, Sha256("root")}.Serialize();
  EXPECT_EQ(policy.Verify(other).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(PolicyOf, WrongCosignatureOfAKnownWitnessSpoilsTheNote) {
  const Policy policy = Policy::Parse(text_ + "group g 2 w1 w2 w3\nquorum g\n").value();
  Note note = NoteWith({0, 1, 2});
  note.signatures[3].signature[7] ^= 1;
  EXPECT_EQ(policy.Verify(note).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(PolicyOf, WrongSignatureOfAnyKnownLogSpoilsTheNote) {
  const Cosigner other = NewCosigner("log.example/p/2", kNoteEd25519);
  const Cosigner second = NewCosigner("log.example/p/1", kNoteEd25519);
  for (const Cosigner* known : {&other, &second}) {
    const Policy policy = Policy::Parse(text_ + "log " + known->key.ToString() + "\nquorum none\n").value();
    Note note = NoteWith({});
    EXPECT_TRUE(policy.Verify(note).ok());
    note.signatures.push_back(LogSignature(known->key, known->signer->Sign(note.text).value()));
    EXPECT_TRUE(policy.Verify(note).ok());
    note.signatures[1].signature[7] ^= 1;
    EXPECT_EQ(policy.Verify(note).status().code(), absl::StatusCode::kUnauthenticated);
    std::swap(note.signatures[0], note.signatures[1]);
    EXPECT_EQ(policy.Verify(note).status().code(), absl::StatusCode::kUnauthenticated);
  }
}

TEST_F(PolicyOf, SyntaxErrorsNameTheirLine) {
  const std::string w1 = witnesses_[0].key.ToString();
  const std::vector<std::pair<std::string, std::string>> faults = {
      {"quorum none\nquorum none\n", "line 2"},
      {"", "one quorum line"},
      {"quorum w1\n", "line 1"},
      {"witness none " + w1 + "\nquorum none\n", "line 1"},
      {"witness a " + w1 + "\nwitness b " + w1 + "\nquorum a\n", "line 2"},
      {"witness a " + w1 + "\nwitness a " + witnesses_[1].key.ToString() + "\nquorum a\n", "line 2"},
      {"witness a " + w1 + "\ngroup g 2 a\nquorum g\n", "line 2"},
      {"witness a " + w1 + "\ngroup g 0 a\nquorum g\n", "line 2"},
      {"witness a " + w1 + "\ngroup g any a\ngroup h any a\nquorum h\n", "line 3"},
      {"witness a " + w1 + "\ngroup g any b\nquorum g\n", "line 2"},
      {"log " + w1 + "\nquorum none\n", "line 1"},
      {"log " + log_.key.ToString() + "\nlog " + log_.key.ToString() + "\nquorum none\n", "line 2"},
      {"witness a " + log_.key.ToString() + "\nquorum a\n", "line 1"},
      {"nonsense\nquorum none\n", "line 1"},
      {"quorum\r none\n", "line 1"},
  };
  for (const auto& [text, where] : faults) {
    const absl::StatusOr<Policy> policy = Policy::Parse(text);
    EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(policy.status().message()), testing::HasSubstr(where)) << text;
  }
}

TEST_F(PolicyOf, GroupsAreNestedToALimit) {
  const auto nested = [this](int depth) {
    std::string text = text_ + "group g1 any w1\n";
    for (int level = 2; level <= depth; ++level) text += "group g" + std::to_string(level) + " any g" + std::to_string(level - 1) + "\n";
    return Policy::Parse(text + "quorum g" + std::to_string(depth) + "\n");
  };
  const absl::StatusOr<Policy> deepest = nested(64);
  ASSERT_TRUE(deepest.ok()) << deepest.status();
  EXPECT_TRUE(deepest->IsMet({"w1"}));
  EXPECT_FALSE(deepest->IsMet({"w2"}));
  for (const int depth : {65, 20'000}) {
    const absl::StatusOr<Policy> refused = nested(depth);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.status().message()), testing::HasSubstr("groups are nested more than 64 deep"));
  }
}

TEST_F(PolicyOf, CosignatureOfNoTimeOrPastAllTimesIsRefused) {
  const Cosigner& witness = witnesses_[0];
  for (const std::uint64_t seconds : {std::uint64_t{0}, std::uint64_t{1} << 63}) {
    Note note = NoteWith({});
    std::string bytes(8, '\0');
    for (int i = 0; i < 8; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<char>(seconds >> (56 - 8 * i));
    const std::string message = "cosignature/v1\ntime " + std::to_string(seconds) + "\n" + note.text;
    note.signatures.push_back({witness.key.name(), witness.key.key_id(), bytes + witness.signer->Sign(message).value()});
    EXPECT_EQ(VerifyCosignature(note, witness.key).status().code(), absl::StatusCode::kUnauthenticated) << seconds;
  }
}

}  // namespace
}  // namespace custodian::ledger
