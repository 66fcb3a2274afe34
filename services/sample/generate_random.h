// The made population's dice: std::mt19937_64, whose output the standard fixes, with distributions of our own, since the
// standard library's may differ between implementations. Same seed and stream, same numbers, everywhere. Not thread-safe.
#ifndef CUSTODIAN_SERVICES_SAMPLE_GENERATE_RANDOM_H_
#define CUSTODIAN_SERVICES_SAMPLE_GENERATE_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace custodian::sample {

class Random {
 public:
  // Streams of one seed are independent: a case draws from its own, so that changing one case leaves the others' bytes alone.
  Random(std::uint64_t seed, std::uint64_t stream);

  // Uniform in [0, bound); bound > 0.
  std::uint64_t Below(std::uint64_t bound);
  // Uniform in [low, high]; low <= high.
  std::int64_t Between(std::int64_t low, std::int64_t high);
  // True in `percent` of 100.
  bool Chance(int percent) { return Below(100) < static_cast<std::uint64_t>(percent); }
  // In the form of a version 4 UUID.
  std::string Uuid();

  template <typename T>
  const T& Pick(const std::vector<T>& values) {
    return values[Below(values.size())];
  }
  template <typename T>
  void Shuffle(std::vector<T>& values) {
    for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[Below(i)]);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_GENERATE_RANDOM_H_
