// The people of a made population (population.h): names, households, twins, juniors. Same dice, same people. Not thread-safe.
#ifndef CUSTODIAN_TESTS_MATCHING_PEOPLE_H_
#define CUSTODIAN_TESTS_MATCHING_PEOPLE_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "services/sample/generate_random.h"
#include "tests/matching/population.h"

namespace custodian::matching {

// Names with how many bear them (US census of 1990), drawn by that.
class Names {
 public:
  void Add(std::string name, std::uint64_t weight) {
    total_ += weight;
    names_.emplace_back(total_, std::move(name));
  }
  // Among the `first` commonest, 0 for all.
  [[nodiscard]] const std::string& Draw(sample::Random& random, std::size_t first = 0) const {
    const std::uint64_t total = first == 0 || first >= names_.size() ? total_ : names_[first - 1].first;
    return std::upper_bound(names_.begin(), names_.end(), random.Below(total),
                            [](std::uint64_t value, const auto& name) { return value < name.first; })
        ->second;
  }
  [[nodiscard]] bool empty() const { return names_.empty(); }

 private:
  std::uint64_t total_ = 0;
  std::vector<std::pair<std::uint64_t, std::string>> names_;
};

struct NameLists {
  Names families;
  Names women;
  Names men;
  // Familiar forms by name.
  std::map<std::string, std::vector<std::string>> nicknames;
};

// Of surnames.csv and given.csv beside this file and the nicknames of the exchange; run from the top of the checkout.
[[nodiscard]] absl::StatusOr<NameLists> ReadNames();

struct Home {
  std::string line;
  std::string city;
  std::string state;
  std::string postal;
};

struct Person {
  std::string family;
  std::string maiden;
  std::string given;
  std::string middle;
  std::string suffix;
  std::string sex;
  absl::CivilDay born;
  std::string national;
  std::string kin_national;
  std::string telephone;
  Home home;
  Home former_home;
  bool newborn = false;
};

inline constexpr absl::CivilDay kToday(2026, 1, 1);

// True in `percent` of 100.
[[nodiscard]] bool Chance(sample::Random& random, double percent);
[[nodiscard]] std::string Capital(std::string text);
[[nodiscard]] std::string NewTelephone(sample::Random& random);
[[nodiscard]] std::vector<Person> MakePeople(const PopulationRates& rates, const NameLists& lists, int count, sample::Random& random);

}  // namespace custodian::matching

#endif  // CUSTODIAN_TESTS_MATCHING_PEOPLE_H_
