// Fuzzing in every run of the tests, without libFuzzer: a corpus (the seeds that libFuzzer starts from, too) and seeded mutations of it. Header
// only; used by *_fuzz_test.cc, which run from the top of the checkout.
#ifndef CUSTODIAN_TESTS_SUPPORT_MUTATIONS_H_
#define CUSTODIAN_TESTS_SUPPORT_MUTATIONS_H_

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace custodian::testing {

// Contents of the files of a folder, in the order of their names; empty when it is not there.
inline std::vector<std::string> ReadCorpus(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

class Mutations {
 public:
  // `special`: the characters that mean something to the parser.
  Mutations(std::vector<std::string> corpus, std::string_view special, unsigned seed)
      : corpus_(std::move(corpus)), special_(special), random_(seed) {}

  [[nodiscard]] const std::vector<std::string>& corpus() const { return corpus_; }

  // `text` with one to six changes: characters set, put in, left out, the end cut off, a part repeated, another text's end. Never empty.
  std::string Of(std::string text) {
    for (std::size_t n = 1 + Below(6); n > 0; --n) {
      const std::size_t at = Below(text.size());
      switch (Below(6)) {
        case 0: text[at] = special_[Below(special_.size())]; break;
        case 1: text.insert(at, 1, special_[Below(special_.size())]); break;
        case 2: text.erase(at, 1 + Below(8)); break;
        case 3: text.resize(at); break;
        case 4: text.insert(at, text.substr(Below(text.size()), Below(60))); break;
        default: {
          const std::string& other = corpus_[Below(corpus_.size())];
          text = text.substr(0, at) + other.substr(Below(other.size()));
        }
      }
      if (text.empty()) text = special_[0];
    }
    return text;
  }

 private:
  std::size_t Below(std::size_t n) { return static_cast<std::size_t>(random_() % std::max<std::size_t>(n, 1)); }

  const std::vector<std::string> corpus_;
  const std::string special_;
  std::mt19937 random_;
};

// Feeds `fuzz` each file of tests/fuzz/corpus/<name> and mutations of it, the same in each run. How many files there were: none when not run
// from the top of the checkout.
inline std::size_t FuzzCorpus(const std::string& name, std::string_view special, int mutations_per_seed,
                              const std::function<void(std::string_view)>& fuzz) {
  Mutations mutations(ReadCorpus("tests/fuzz/corpus/" + name), special, 20'261'127);
  for (const std::string& seed : mutations.corpus()) {
    fuzz(seed);
    for (int i = 0; i < mutations_per_seed; ++i) fuzz(mutations.Of(seed));
  }
  return mutations.corpus().size();
}

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_MUTATIONS_H_
