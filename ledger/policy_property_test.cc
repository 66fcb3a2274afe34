// Random policies with nested groups against their quorums written out: every smallest set of witnesses that makes one.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ledger/checkpoint.h"
#include "tests/support/known_log.h"
#include "tests/support/seeded_random.h"

namespace custodian::ledger {
namespace {

using custodian::testing::KnownLog;
using custodian::testing::KnownSigner;
using custodian::testing::SeededRandom;

constexpr std::size_t kWitnesses = 8;
// A set of witnesses: bit i is witness i.
using Bits = unsigned;

struct RandomPolicy {
  std::string text;
  // What makes the quorum, each with everything that lies above it; {0} for none.
  std::set<Bits> quorums;
};

std::vector<NoteVerifier> WitnessKeys() {
  std::vector<NoteVerifier> keys;
  for (std::size_t i = 0; i < kWitnesses; ++i)
    keys.push_back(NoteVerifier::Create("w" + std::to_string(i) + ".example", kNoteCosignatureV1,
                                        KnownSigner("property witness " + std::to_string(i))->public_key().ed25519()).value());
  return keys;
}

// Each way to choose `threshold` of the members and to fulfil each of them.
std::set<Bits> Choose(const std::vector<std::set<Bits>>& members, std::size_t threshold) {
  std::set<Bits> sets;
  for (unsigned chosen = 0; chosen < 1u << members.size(); ++chosen) {
    if (static_cast<std::size_t>(__builtin_popcount(chosen)) != threshold) continue;
    std::set<Bits> all = {0};
    for (std::size_t i = 0; i < members.size(); ++i) {
      if ((chosen >> i & 1) == 0) continue;
      std::set<Bits> larger;
      for (const Bits so_far : all)
        for (const Bits with : members[i]) larger.insert(so_far | with);
      all = std::move(larger);
    }
    sets.merge(all);
  }
  return sets;
}

RandomPolicy Make(SeededRandom& random, const std::vector<NoteVerifier>& keys) {
  const auto space = [&random] { return random.TextOf(" \t", 1 + random.Below(2)); };
  RandomPolicy policy;
  policy.text = "log" + space() + KnownLog::Get().key.ToString() + "\n";
  // What no group names yet.
  std::map<std::string, std::set<Bits>> free;
  std::map<std::string, std::set<Bits>> all = {{"none", {0}}};
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string name = "w" + std::to_string(i);
    policy.text += "witness" + space() + name + space() + keys[i].ToString() + (random.Below(2) == 0 ? "" : " https://w.example/") + "\n";
    free[name] = all[name] = {1u << i};
  }
  for (std::uint64_t groups = random.Below(6), n = 0; n < groups && !free.empty(); ++n) {
    std::vector<std::set<Bits>> members;
    std::string names;
    for (std::uint64_t i = 0, count = 1 + random.Below(std::min<std::size_t>(free.size(), 4)); i < count; ++i) {
      const auto member = std::next(free.begin(), static_cast<std::ptrdiff_t>(random.Below(free.size())));
      names += space() + member->first;
      members.push_back(member->second);
      free.erase(member);
    }
    const std::size_t threshold = 1 + random.Below(members.size());
    std::string word = std::to_string(threshold);
    if (threshold == 1 && random.Below(2) == 0) word = "any";
    if (threshold == members.size() && random.Below(2) == 0) word = "all";
    const std::string name = "g" + std::to_string(n);
    policy.text += (random.Below(3) == 0 ? "# a comment\n\n" : "") + std::string("group ") + name + space() + word + names + "\n";
    free[name] = all[name] = Choose(members, threshold);
  }
  const auto quorum = std::next(all.begin(), static_cast<std::ptrdiff_t>(random.Below(all.size())));
  policy.text += "quorum " + quorum->first + (random.Below(2) == 0 ? "\n" : "");
  policy.quorums = quorum->second;
  return policy;
}

TEST(PolicyProperty, QuorumIsThatOfTheWrittenOutSets) {
  SeededRandom random;
  SCOPED_TRACE(random.seed());
  const std::vector<NoteVerifier> keys = WitnessKeys();
  const Note& signed_note = KnownLog::Get().checkpoint;
  const absl::Time time = absl::FromUnixSeconds(KnownLog::kCosignedAtSeconds);
  std::vector<NoteSignature> cosignatures;
  for (std::size_t i = 0; i < keys.size(); ++i)
    cosignatures.push_back(CosignatureV1(
        keys[i], time, KnownSigner("property witness " + std::to_string(i))->Sign(CosignatureMessage(time, signed_note.text)).value()));
  int met = 0, missed = 0;
  for (int round = 0; round < 200; ++round) {
    const RandomPolicy made = Make(random, keys);
    SCOPED_TRACE(made.text);
    const absl::StatusOr<Policy> policy = Policy::Parse(made.text);
    ASSERT_TRUE(policy.ok()) << policy.status();
    for (Bits cosigned = 0; cosigned < 1u << kWitnesses; ++cosigned) {
      std::set<std::string> names;
      Note note{signed_note.text, {signed_note.signatures[0]}};
      for (std::size_t i = 0; i < kWitnesses; ++i) {
        if ((cosigned >> i & 1) == 0) continue;
        names.insert("w" + std::to_string(i));
        note.signatures.push_back(cosignatures[i]);
      }
      bool expected = false;
      for (const Bits quorum : made.quorums) expected = expected || (quorum & ~cosigned) == 0;
      ASSERT_EQ(policy->IsMet(names), expected) << cosigned;
      ++(expected ? met : missed);
      // The same with real cosignatures, which take longer.
      if (random.Below(200) == 0) {
        EXPECT_EQ(policy->Verify(note).ok(), expected) << cosigned;
      }
    }
  }
  EXPECT_GT(met, 1000);
  EXPECT_GT(missed, 1000);
}

// One in the other: as deep as is taken, one deeper, and as many as a file holds.
TEST(PolicyProperty, DeepNestingIsCountedOrRefused) {
  const auto nested = [](int depth) {
    std::string text = "witness w0 " + WitnessKeys()[0].ToString() + "\ngroup 1 any w0\n";
    for (int i = 2; i <= depth; ++i) text += "group " + std::to_string(i) + " 1 " + std::to_string(i - 1) + "\n";
    return text + "quorum " + std::to_string(depth) + "\n";
  };
  const absl::StatusOr<Policy> policy = Policy::Parse(nested(64));
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_FALSE(policy->IsMet({}));
  EXPECT_TRUE(policy->IsMet({"w0"}));
  EXPECT_FALSE(Policy::Parse(nested(65)).ok());
  EXPECT_FALSE(Policy::Parse(nested(50'000)).ok());
}

}  // namespace
}  // namespace custodian::ledger
