// Made people as several health systems have registered them, with the mistakes that registration makes at stated rates. Knows
// nothing of how they will be matched. Same seed, same people. Not thread-safe.
#ifndef CUSTODIAN_TESTS_MATCHING_POPULATION_H_
#define CUSTODIAN_TESTS_MATCHING_POPULATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace custodian::matching {

// Chances in percent.
struct PopulationRates {
  std::string name;
  // Of the people: twins among births, same-sex twins with names alike, sons named after their father, households whose members
  // share one telephone, people with one of the hundred commonest surnames, compound surnames.
  double twins = 1.5;
  double twins_alike = 5;
  double juniors = 2;
  double shared_telephone = 40;
  double common_surname = 0;
  double compound_surname = 3;
  // Of a registration: what it has.
  double has_national = 50;
  double has_telephone = 90;
  double has_address = 95;
  double has_middle = 50;
  double has_suffix = 50;
  double has_sex = 99;
  // Of a registration: mistakes and changes, each field on its own. Typing errors: a letter or digit replaced, left out, doubled,
  // inserted, or exchanged with its neighbour; two of them in a fifth of the cases.
  double typed_given = 1.5;
  double typed_family = 1.5;
  double typed_national = 1;
  double typed_telephone = 1.5;
  double typed_street = 3;
  double nickname = 7;
  double initial_only = 0.5;
  // Day and month exchanged, a digit mistaken, off by one.
  double birth_mistaken = 1.5;
  double moved = 10;
  double other_telephone = 15;
  // Women who had another surname when they registered.
  double surname_changed = 5;
  // Another's national identifier: the next of kin's.
  double national_of_another = 0.1;
  double names_exchanged = 0.1;
};

// The populations that are measured, by name.
[[nodiscard]] std::vector<PopulationRates> Populations();

struct Registration {
  int tenant = 0;
  // Who it is, in truth.
  int person = 0;
  // FHIR Patient.
  std::string json;
};

// `people` persons, each registered at one to three of `tenants` tenants, at most once at each.
[[nodiscard]] absl::StatusOr<std::vector<Registration>> MakePopulation(const PopulationRates& rates, int people, int tenants,
                                                                       std::uint64_t seed);

}  // namespace custodian::matching

#endif  // CUSTODIAN_TESTS_MATCHING_POPULATION_H_
