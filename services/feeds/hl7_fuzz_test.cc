#include "services/feeds/hl7_fuzz.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace custodian::feeds {
namespace {

constexpr int kMutationsPerSeed = 400;

std::vector<std::string> Corpus() {
  std::vector<std::string> corpus;
  for (const auto& entry : std::filesystem::directory_iterator("tests/fuzz/corpus/hl7")) {
    std::ifstream file(entry.path(), std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

TEST(Hl7Fuzz, CorpusAndMutationsHold) {
  const std::vector<std::string> corpus = Corpus();
  ASSERT_GE(corpus.size(), 8u) << "run from the top of the checkout";
  std::mt19937 random(20'260'115);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % std::max<std::size_t>(n, 1)); };
  constexpr std::string_view kSpecial = "|^~\\&\r\n\"\"ABXZ09.+-\x1c\x0b\xc3\xa9\xff";
  for (const std::string& seed : corpus) {
    FuzzMessage(seed);
    for (int i = 0; i < kMutationsPerSeed; ++i) {
      std::string text = seed;
      for (std::size_t n = 1 + below(6); n > 0; --n) {
        const std::size_t at = below(text.size());
        switch (below(6)) {
          case 0: text[at] = kSpecial[below(kSpecial.size())]; break;
          case 1: text.insert(at, 1, kSpecial[below(kSpecial.size())]); break;
          case 2: text.erase(at, 1 + below(8)); break;
          case 3: text.resize(at); break;
          case 4: text.insert(at, text.substr(below(text.size()), below(60))); break;
          default: {
            const std::string& other = corpus[below(corpus.size())];
            text = text.substr(0, at) + other.substr(below(other.size()));
          }
        }
        if (text.empty()) text = "M";
      }
      SCOPED_TRACE(i);
      FuzzMessage(text);
    }
  }
}

}  // namespace
}  // namespace custodian::feeds
