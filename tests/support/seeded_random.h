// Random values of a property test. The seed is by chance unless CUSTODIAN_SEED gives it back; a failure says which it was
// (SCOPED_TRACE(random.seed())). One thread.
#ifndef CUSTODIAN_TESTS_SUPPORT_SEEDED_RANDOM_H_
#define CUSTODIAN_TESTS_SUPPORT_SEEDED_RANDOM_H_

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

namespace custodian::testing {

class SeededRandom {
 public:
  SeededRandom() {
    const char* given = std::getenv("CUSTODIAN_SEED");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    seed_ = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
    engine_.seed(seed_);
  }

  [[nodiscard]] std::string seed() const { return "CUSTODIAN_SEED=" + std::to_string(seed_); }
  [[nodiscard]] std::uint64_t Any() { return engine_(); }
  // 0 to n - 1.
  [[nodiscard]] std::uint64_t Below(std::uint64_t n) { return std::uniform_int_distribution<std::uint64_t>(0, n - 1)(engine_); }
  // Any bytes.
  [[nodiscard]] std::string Bytes(std::size_t count) {
    std::string bytes(count, '\0');
    for (char& byte : bytes) byte = static_cast<char>(Any());
    return bytes;
  }
  [[nodiscard]] std::string TextOf(std::string_view characters, std::size_t count) {
    std::string text(count, '\0');
    for (char& c : text) c = characters[Below(characters.size())];
    return text;
  }

 private:
  std::uint64_t seed_;
  std::mt19937_64 engine_;
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_SEEDED_RANDOM_H_
