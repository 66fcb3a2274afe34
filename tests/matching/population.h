// Made people as several health systems have registered them, with the mistakes that registration makes at stated rates. Knows
// nothing of how they will be matched. Same seed, same people. Not thread-safe.
#ifndef CUSTODIAN_TESTS_MATCHING_POPULATION_H_
#define CUSTODIAN_TESTS_MATCHING_POPULATION_H_

#include <cstdint>
#include <set>
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

  // Other kinds of people. Given names made of syllables, which are on no list; surnames that are the father's given name (sons and daughters
  // apart); born within the last month, and of those registered as "Baby Boy" or "Baby Girl"; older than 70; living at one of a few
  // addresses and telephones with a hundred others; given names of two words, written in one, with a hyphen or by the first alone.
  double unlisted_given = 0;
  double patronymic = 0;
  double newborn = 0;
  double newborn_unnamed = 50;
  double elderly = 0;
  double in_institution = 0;
  double compound_given = 0;
  // Children whose middle name is the father's given name; twins whose given names begin with one letter.
  double middle_of_father = 0;
  double twins_initial = 0;
  // Women who put the surname before the marriage in front of the new one, of those whose surname changed.
  double surname_joined = 20;
  // Only so many of the commonest surnames, 0 for all.
  int surnames_first = 0;
  // Of a registration: letters and digits mistaken for others of their shape, each field on its own; one of two surnames left out; the flat left out
  // of an address; the year alone known of a birth date, and written as its first of January.
  double ocr = 0;
  double surname_part = 0;
  double unit_left_out = 0;
  double day_unknown = 0;
  // Strangers of somebody's name, sex and birth date, of the people.
  double namesake = 0;
};

// The populations that are measured, by name: people of one country with mistakes of several kinds, and people of other kinds.
[[nodiscard]] std::vector<PopulationRates> Populations();

struct Registration {
  int tenant = 0;
  // Who it is, in truth.
  int person = 0;
  // FHIR Patient.
  std::string json;
  // What it lacks and what is wrong with it ("moved", "typed-family"); says why a pair was missed.
  std::set<std::string> mistakes = {};
};

// `people` persons, each registered at one to three of `tenants` tenants, at most once at each.
[[nodiscard]] absl::StatusOr<std::vector<Registration>> MakePopulation(const PopulationRates& rates, int people, int tenants,
                                                                       std::uint64_t seed);

// Registrations made elsewhere: JSON lines of "tenant", "person" (numbers or texts) and "patient" (FHIR). InvalidArgument naming the line.
[[nodiscard]] absl::StatusOr<std::vector<Registration>> ReadPopulation(const std::string& path);

}  // namespace custodian::matching

#endif  // CUSTODIAN_TESTS_MATCHING_POPULATION_H_
