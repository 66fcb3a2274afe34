// The people of the made population: varied names, and identifiers, telephone numbers and addresses that no two of them share
// unless a case makes them. Social security numbers begin with 9, which are never issued. Not thread-safe.
#ifndef CUSTODIAN_SERVICES_SAMPLE_GENERATE_PERSON_H_
#define CUSTODIAN_SERVICES_SAMPLE_GENERATE_PERSON_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/time/civil_time.h"
#include "services/sample/generate_random.h"

namespace custodian::sample {

// As one tenant has written them down.
struct Person {
  std::string family;
  std::string given;
  // A familiar form of `given` ("Kate"), or `given`.
  std::string nickname;
  // FHIR administrative gender, "female" or "male".
  std::string gender;
  absl::CivilDay birth_date;
  // "9dd-dd-dddd"; empty when the tenant has none.
  std::string ssn;
  // Empty when the tenant has none.
  std::string phone;
  std::string address_line;
  std::string city;
  std::string state;
  std::string postal_code;
};

class People {
 public:
  // `seed` chooses where the counters behind unique numbers start.
  explicit People(std::uint64_t seed);

  // An adult, 22 to 88 years old on `today`, living near tenant 0, 1 or 2.
  Person Someone(Random& random, absl::CivilDay today, int tenant);
  // The sister or brother born the same day at the same address with the same telephone; same given name when asked.
  Person TwinOf(const Person& person, Random& random, bool same_given);
  // A new home, or telephone number, near the tenant.
  void Move(Person& person, Random& random, int tenant);
  void ChangePhone(Person& person);
  // Another family name.
  void Marry(Person& person, Random& random);
  // A woman of 24 to 38 years.
  void MakeYoungWoman(Person& person, Random& random, absl::CivilDay today);
  // "Dr." names of practitioners.
  static std::string PractitionerFamily(Random& random);
  static std::string PractitionerGiven(Random& random);

 private:
  std::string NewSsn();
  std::string NewPhone();

  std::uint64_t ssn_next_;
  std::uint64_t phone_next_;
  std::set<std::string> named_;
  std::set<std::string> addresses_;
};

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_GENERATE_PERSON_H_
