// Base64, numbers, notes and bundles, random and near every edge, against plain code that says the same another way.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "ledger/base64.h"
#include "ledger/checkpoint.h"
#include "ledger/tiles.h"
#include "tests/support/seeded_random.h"

namespace custodian::ledger {
namespace {

using custodian::testing::SeededRandom;

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// RFC 4648, section 4, a bit at a time.
std::string NaiveBase64(std::string_view bytes) {
  std::string bits, text;
  for (const char byte : bytes)
    for (int bit = 7; bit >= 0; --bit) bits += static_cast<char>('0' + (static_cast<unsigned char>(byte) >> bit & 1));
  while (bits.size() % 6 != 0) bits += '0';
  for (std::size_t at = 0; at < bits.size(); at += 6) text += kBase64[std::stoul(bits.substr(at, 6), nullptr, 2)];
  while (text.size() % 4 != 0) text += '=';
  return text;
}

TEST(FormatsProperty, Base64IsThatOfRfc4648) {
  SeededRandom random;
  SCOPED_TRACE(random.seed());
  for (int round = 0; round < 2'000; ++round) {
    const std::string bytes = random.Bytes(random.Below(100));
    const std::string text = Base64Encode(bytes);
    ASSERT_EQ(text, NaiveBase64(bytes));
    ASSERT_EQ(Base64Decode(text).value(), bytes);
    // Any other text is no encoding, or that of other bytes.
    std::string other = text;
    if (other.empty()) continue;
    other[random.Below(other.size())] = random.TextOf(std::string(kBase64) + "=\n -_", 1)[0];
    const auto decoded = Base64Decode(other);
    ASSERT_TRUE(other == text || !decoded.ok() || *decoded != bytes) << other;
    ASSERT_TRUE(!decoded.ok() || NaiveBase64(*decoded) == other) << other;
  }
  // Every way that four characters can end.
  int taken = 0;
  for (const char c : std::string(kBase64) + "=\n")
    for (const char d : std::string(kBase64) + "=\n") {
      const std::string text = std::string("AA") + c + d;
      const auto decoded = Base64Decode(text);
      if (!decoded.ok()) continue;
      ++taken;
      EXPECT_EQ(NaiveBase64(*decoded), text);
    }
  // Three bytes, two (the last two bits zero), one.
  EXPECT_EQ(taken, 64 * 64 + 16 + 1);
}

TEST(FormatsProperty, NumberHasOneText) {
  SeededRandom random;
  SCOPED_TRACE(random.seed());
  // Digits without a leading zero, compared with the largest number as text.
  const auto is_number = [](const std::string& text) {
    constexpr std::string_view kLargest = "18446744073709551615";
    if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos || (text[0] == '0' && text != "0")) return false;
    return text.size() < kLargest.size() || (text.size() == kLargest.size() && text <= kLargest);
  };
  int taken = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    switch (random.Below(4)) {
      case 0: text = random.TextOf("0123456789", random.Below(24)); break;
      case 1: text = random.TextOf("01 +-.x\n", random.Below(5)); break;
      case 2: text = std::to_string(random.Any() >> random.Below(64)); break;
      // Beside 2^64.
      default: text = "1844674407370955" + std::to_string(1600 + random.Below(40));
    }
    const auto number = ParseDecimal(text);
    ASSERT_EQ(number.ok(), is_number(text)) << text;
    if (!number.ok()) continue;
    ASSERT_EQ(*number, std::stoull(text)) << text;
    ++taken;
  }
  EXPECT_GT(taken, 5'000);
}

// UTF-8 of a code point that a note may hold, of each length.
std::string Character(SeededRandom& random) {
  constexpr const char* kCharacters[] = {"\n", " ", "~", "\x7f", "+", "\xc2\x80", "\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80", "\xe2\x80\x94",
                                         "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
  return random.Below(2) == 0 ? random.TextOf("abcdefxyz0189.-/", 1) : kCharacters[random.Below(std::size(kCharacters))];
}

TEST(FormatsProperty, NoteComesBackAsItWasWritten) {
  SeededRandom random;
  SCOPED_TRACE(random.seed());
  for (int round = 0; round < 2'000; ++round) {
    Note note;
    for (std::uint64_t i = random.Below(40); i > 0; --i) note.text += Character(random);
    note.text += "\n";
    for (std::uint64_t i = 1 + random.Below(4); i > 0; --i) {
      std::string name = "n";
      for (std::uint64_t c = random.Below(5); c > 0; --c) {
        const std::string character = Character(random);
        // Neither space nor plus.
        if (character != "\n" && character != " " && character != "+" && character != "\xc2\xa0") name += character;
      }
      note.signatures.push_back({name, static_cast<std::uint32_t>(random.Any()), random.Bytes(1 + random.Below(80))});
    }
    const std::string bytes = note.Serialize();
    const auto parsed = Note::Parse(bytes);
    ASSERT_TRUE(parsed.ok()) << parsed.status() << "\n" << bytes;
    ASSERT_EQ(parsed->text, note.text);
    ASSERT_EQ(parsed->signatures.size(), note.signatures.size());
    for (std::size_t i = 0; i < note.signatures.size(); ++i) {
      ASSERT_EQ(parsed->signatures[i].name, note.signatures[i].name);
      ASSERT_EQ(parsed->signatures[i].key_id, note.signatures[i].key_id);
      ASSERT_EQ(parsed->signatures[i].signature, note.signatures[i].signature);
    }
    std::string other = bytes;
    other[random.Below(other.size())] = static_cast<char>(random.Any());
    const auto changed = Note::Parse(other);
    ASSERT_TRUE(!changed.ok() || changed->Serialize() == other) << other;
  }
}

TEST(FormatsProperty, BundleComesBackAsItWasWritten) {
  SeededRandom random;
  SCOPED_TRACE(random.seed());
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> leaves;
    std::string naive;
    for (std::uint64_t i = random.Below(12); i > 0; --i) {
      const std::size_t size = random.Below(20) == 0 ? 65'535 - random.Below(2) : random.Below(600);
      leaves.push_back(random.Bytes(size));
      naive += static_cast<char>(size / 256);
      naive += static_cast<char>(size % 256);
      naive += leaves.back();
    }
    ASSERT_EQ(EncodeBundle(leaves).value(), naive);
    ASSERT_EQ(DecodeBundle(naive).value(), leaves);
    // Cut off, it ends within a leaf, or is a bundle of fewer.
    const std::string cut = naive.substr(0, random.Below(naive.size() + 1));
    const auto fewer = DecodeBundle(cut);
    if (fewer.ok()) {
      ASSERT_LE(fewer->size(), leaves.size());
      ASSERT_TRUE(std::equal(fewer->begin(), fewer->end(), leaves.begin()));
      ASSERT_EQ(EncodeBundle(*fewer).value(), cut);
    }
  }
}

TEST(FormatsProperty, TileHasOnePath) {
  SeededRandom random;
  SCOPED_TRACE(random.seed());
  for (int round = 0; round < 5'000; ++round) {
    TilePath tile;
    tile.entries = random.Below(2) == 0;
    tile.level = tile.entries ? 0 : static_cast<unsigned>(random.Below(64));
    // Indexes of tiles end at 2^64 / 256.
    tile.index = (random.Any() >> 9) >> random.Below(55);
    tile.width = static_cast<unsigned>(1 + random.Below(256));
    const std::string path = tile.ToString();
    const auto parsed = TilePath::Parse(path);
    ASSERT_TRUE(parsed.ok()) << path;
    ASSERT_EQ(*parsed, tile) << path;
    std::string other = path;
    other[random.Below(other.size())] = random.TextOf("0123456789x/.pentris", 1)[0];
    const auto changed = TilePath::Parse(other);
    ASSERT_TRUE(!changed.ok() || changed->ToString() == other) << other;
  }
}

}  // namespace
}  // namespace custodian::ledger
