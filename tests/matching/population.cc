#include "tests/matching/population.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"
#include "services/sample/generate_random.h"

namespace custodian::matching {
namespace {

using sample::Random;

constexpr absl::CivilDay kToday(2026, 1, 1);

bool Chance(Random& random, double percent) { return random.Below(1'000'000) < static_cast<std::uint64_t>(percent * 10'000); }

// Names with how many bear them (US census of 1990), drawn by that.
class Names {
 public:
  void Add(std::string name, std::uint64_t weight) {
    total_ += weight;
    names_.emplace_back(total_, std::move(name));
  }
  // Among the `first` commonest, 0 for all.
  [[nodiscard]] const std::string& Draw(Random& random, std::size_t first = 0) const {
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

absl::StatusOr<NameLists> ReadNames() {
  NameLists lists;
  const auto read = [](const char* path, auto&& take) -> absl::Status {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) take(std::vector<std::string>(absl::StrSplit(line, ',')));
    return file.eof() ? absl::OkStatus() : absl::NotFoundError(absl::StrCat(path, " cannot be read; run from the top of the checkout"));
  };
  absl::Status status = read("tests/matching/surnames.csv", [&lists](const std::vector<std::string>& cells) {
    lists.families.Add(cells[0], std::stoull(cells[1]));
  });
  if (status.ok())
    status = read("tests/matching/given.csv", [&lists](const std::vector<std::string>& cells) {
      (cells[1] == "female" ? lists.women : lists.men).Add(cells[0], std::stoull(cells[2]));
    });
  if (status.ok())
    status = read("services/exchange/given_names.csv", [&lists](const std::vector<std::string>& cells) {
      for (const auto formal : absl::StrSplit(cells[1], ';', absl::SkipEmpty()))
        lists.nicknames[std::string(formal)].push_back(cells[0]);
    });
  if (!status.ok()) return status;
  return lists;
}

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
};

std::string Capital(std::string text) {
  if (!text.empty()) text.front() = absl::ascii_toupper(static_cast<unsigned char>(text.front()));
  return text;
}

std::string TypedOnce(std::string text, Random& random) {
  if (text.size() < 2) return text;
  const std::size_t at = random.Below(text.size());
  const bool digit = std::isdigit(static_cast<unsigned char>(text[at])) != 0;
  const char other = digit ? static_cast<char>('0' + random.Below(10)) : static_cast<char>('a' + random.Below(26));
  switch (random.Below(5)) {
    case 0: text[at] = other; break;
    case 1: text.erase(at, 1); break;
    case 2: text.insert(at, 1, text[at]); break;
    case 3: text.insert(at, 1, other); break;
    default:
      if (at + 1 < text.size()) std::swap(text[at], text[at + 1]);
  }
  return text;
}
std::string Typed(std::string text, Random& random) {
  text = TypedOnce(std::move(text), random);
  return random.Chance(20) ? TypedOnce(std::move(text), random) : text;
}

class Maker {
 public:
  Maker(const PopulationRates& rates, const NameLists& lists, std::uint64_t seed) : rates_(rates), lists_(lists), random_(seed, 7) {}

  std::vector<Person> People(int count) {
    std::vector<Person> people;
    while (static_cast<int>(people.size()) < count) AddHousehold(people);
    people.resize(static_cast<std::size_t>(count));
    return people;
  }
  std::string Register(const Person& person);

 private:
  std::string Family() {
    const auto draw = [this] { return lists_.families.Draw(random_, Chance(random_, rates_.common_surname) ? 100 : 0); };
    return Chance(random_, rates_.compound_surname) ? absl::StrCat(draw(), random_.Chance(50) ? "-" : " ", draw()) : draw();
  }
  const std::string& Given(const std::string& sex) { return (sex == "female" ? lists_.women : lists_.men).Draw(random_); }
  std::string NewNational() {
    // In the order in which they are drawn, never twice.
    national_ = (national_ + 611'953) % 899'000'000;
    const std::string digits = absl::StrFormat("%09d", national_ + 1'000'000);
    return absl::StrCat(digits.substr(0, 3), "-", digits.substr(3, 2), "-", digits.substr(5));
  }
  std::string NextNational(const std::string& national) {
    std::string next = national;
    next.back() = static_cast<char>('0' + (next.back() - '0' + 1) % 10);
    return next;
  }
  std::string NewTelephone() {
    return absl::StrFormat("(%03d) %03d-%04d", 201 + random_.Below(780), 200 + random_.Below(800), random_.Below(10'000));
  }
  Home NewHome() {
    static const std::vector<std::string> kinds{"Street", "Avenue", "Road", "Drive", "Lane", "Court", "Place", "Boulevard", "Circle", "Way"};
    static const std::vector<std::string> states{"IL", "WI", "NY", "CO", "TX", "CA"};
    const std::uint64_t town = random_.Below(400);
    Home home;
    home.line = absl::StrCat(1 + random_.Below(9'900), random_.Chance(15) ? " North " : " ", lists_.families.Draw(random_, 1'500), " ",
                             random_.Pick(kinds), random_.Chance(18) ? absl::StrCat(" Apt ", 1 + random_.Below(60)) : "");
    home.city = absl::StrCat("Town", std::string{static_cast<char>('a' + town % 20), static_cast<char>('a' + town / 20)});
    home.state = states[town % states.size()];
    home.postal = absl::StrFormat("%05d", 10'000 + town * 100 + random_.Below(4));
    return home;
  }
  Person Someone(const std::string& sex, const std::string& family, int age_min, int age_max, const Home& home) {
    Person person;
    person.sex = sex;
    person.family = family;
    person.maiden = sex == "female" ? Family() : "";
    person.given = Given(sex);
    person.middle = Given(sex);
    person.born = kToday - random_.Between(age_min * 365, age_max * 365);
    person.national = NewNational();
    person.telephone = NewTelephone();
    person.home = home;
    person.former_home = NewHome();
    return person;
  }
  // Another given name in which one letter differs, of the same list; the same name when there is none in a few draws.
  std::string NameLike(const std::string& name, const std::string& sex) {
    for (int i = 0; i < 4'000; ++i) {
      const std::string& other = Given(sex);
      if (other == name || other.size() != name.size()) continue;
      int differ = 0;
      for (std::size_t c = 0; c < name.size(); ++c) differ += name[c] != other[c] ? 1 : 0;
      if (differ == 1) return other;
    }
    return name;
  }
  void AddHousehold(std::vector<Person>& people) {
    const std::string family = Family();
    const Home home = NewHome();
    const std::string telephone = NewTelephone();
    const bool share = Chance(random_, rates_.shared_telephone);
    const std::size_t first = people.size();
    Person father = Someone("male", family, 30, 90, home);
    if (random_.Chance(70)) people.push_back(father);
    if (random_.Chance(70)) people.push_back(Someone("female", random_.Chance(80) ? family : Family(), 30, 90, home));
    for (std::uint64_t child = random_.Below(4); child > 0; --child) {
      Person one = Someone(random_.Chance(50) ? "female" : "male", family, 0, 40, home);
      one.maiden = one.sex == "female" ? Family() : "";
      if (one.sex == "male" && Chance(random_, rates_.juniors)) {
        one.given = father.given;
        one.middle = father.middle;
        one.suffix = "Jr";
        one.born = father.born + random_.Between(18 * 365, 40 * 365);
        if (one.born > kToday) one.born = kToday - random_.Between(0, 10 * 365);
        for (Person& other : people)
          if (other.national == father.national) other.suffix = "Sr";
      }
      people.push_back(one);
      if (!Chance(random_, rates_.twins)) continue;
      Person twin = Someone(random_.Chance(65) ? one.sex : (one.sex == "male" ? "female" : "male"), family, 0, 1, home);
      twin.born = one.born;
      twin.former_home = one.former_home;
      twin.national = NextNational(one.national);
      if (twin.sex == one.sex && Chance(random_, rates_.twins_alike)) twin.given = NameLike(one.given, one.sex);
      while (twin.given == one.given) twin.given = Given(twin.sex);
      people.push_back(twin);
    }
    for (std::size_t i = first; i < people.size(); ++i) {
      if (share) people[i].telephone = telephone;
      people[i].kin_national = people[first].national;
    }
  }

  const PopulationRates& rates_;
  const NameLists& lists_;
  Random random_;
  std::uint64_t national_ = 17;
};

std::string Text(const std::string& value) { return absl::StrCat("\"", value, "\""); }

std::string Written(std::string text, Random& random) {
  switch (random.Below(8)) {
    case 0: return absl::AsciiStrToUpper(text);
    case 1: return absl::AsciiStrToLower(text);
    default: return text;
  }
}

std::string Abbreviated(std::string line, Random& random) {
  if (random.Chance(40)) {
    for (const auto& [full, abbreviation] : std::vector<std::pair<std::string, std::string>>{{" Street", " St"},
                                                                                           {" Avenue", " Ave."},
                                                                                           {" Road", " Rd"},
                                                                                           {" Drive", " Dr"},
                                                                                           {" Boulevard", " Blvd"},
                                                                                           {" North ", " N. "},
                                                                                           {" Apt ", " Apartment "}})
      if (const auto at = line.find(full); at != std::string::npos) line.replace(at, full.size(), abbreviation);
  }
  return line;
}

absl::CivilDay Mistaken(absl::CivilDay day, Random& random) {
  switch (random.Below(5)) {
    case 0:
      if (day.day() <= 12) return absl::CivilDay(day.year(), day.day(), day.month());
      return day + 1;
    case 1: return day + (random.Chance(50) ? 1 : -1);
    case 2: return absl::CivilDay(day.year() + (random.Chance(50) ? 1 : -1), day.month(), std::min(day.day(), 28));
    case 3: {
      // A digit of year, month or day.
      std::string text = absl::FormatCivilTime(day);
      const std::vector<std::size_t> digits{2, 3, 5, 6, 8, 9};
      for (int i = 0; i < 50; ++i) {
        std::string changed = text;
        changed[digits[random.Below(digits.size())]] = static_cast<char>('0' + random.Below(10));
        absl::CivilDay other;
        if (changed != text && absl::ParseCivilTime(changed, &other) && absl::FormatCivilTime(other) == changed) return other;
      }
      return day + 1;
    }
    default: return absl::CivilDay(day.year(), 1 + static_cast<int>(random.Below(12)), std::min(day.day(), 28));
  }
}

std::string Maker::Register(const Person& person) {
  Random& random = random_;
  std::string family = person.family, given = person.given;
  if (!person.maiden.empty() && Chance(random, rates_.surname_changed)) family = person.maiden;
  if (const auto found = lists_.nicknames.find(absl::AsciiStrToLower(given));
      found != lists_.nicknames.end() && Chance(random, rates_.nickname))
    given = Capital(random.Pick(found->second));
  if (Chance(random, rates_.typed_family)) family = Typed(std::move(family), random);
  if (Chance(random, rates_.typed_given)) given = Typed(std::move(given), random);
  if (Chance(random, rates_.initial_only)) given.resize(1);
  if (Chance(random, rates_.names_exchanged)) std::swap(family, given);
  std::string json = absl::StrCat(R"({"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":")", random.Below(10'000'000), "\"}");
  if (Chance(random, rates_.has_national)) {
    std::string national = Chance(random, rates_.national_of_another) ? person.kin_national : person.national;
    if (Chance(random, rates_.typed_national)) national = Typed(std::move(national), random);
    absl::StrAppend(&json, R"(,{"system":"http://hl7.org/fhir/sid/us-ssn","value":)", Text(national), "}");
  }
  absl::StrAppend(&json, R"(],"name":[{"use":"official","family":)", Text(Written(family, random)), R"(,"given":[)",
                  Text(Written(given, random)));
  if (Chance(random, rates_.has_middle)) absl::StrAppend(&json, ",", Text(random.Chance(50) ? person.middle : person.middle.substr(0, 1)));
  absl::StrAppend(&json, "]");
  if (!person.suffix.empty() && Chance(random, rates_.has_suffix)) absl::StrAppend(&json, R"(,"suffix":[)", Text(person.suffix), "]");
  absl::StrAppend(&json, "}]");
  if (Chance(random, rates_.has_sex)) absl::StrAppend(&json, R"(,"gender":)", Text(person.sex));
  const absl::CivilDay born = Chance(random, rates_.birth_mistaken) ? Mistaken(person.born, random) : person.born;
  absl::StrAppend(&json, R"(,"birthDate":)", Text(absl::FormatCivilTime(born)));
  if (Chance(random, rates_.has_telephone)) {
    std::string telephone = Chance(random, rates_.other_telephone) ? NewTelephone() : person.telephone;
    if (Chance(random, rates_.typed_telephone)) telephone = Typed(std::move(telephone), random);
    absl::StrAppend(&json, R"(,"telecom":[{"system":"phone","value":)", Text(telephone), "}]");
  }
  if (Chance(random, rates_.has_address)) {
    const Home& home = Chance(random, rates_.moved) ? person.former_home : person.home;
    std::string line = Abbreviated(home.line, random);
    if (Chance(random, rates_.typed_street)) line = Typed(std::move(line), random);
    absl::StrAppend(&json, R"(,"address":[{"line":[)", Text(Written(line, random)), R"(],"city":)", Text(home.city), R"(,"state":)",
                    Text(home.state), R"(,"postalCode":)", Text(home.postal), "}]");
  }
  json += '}';
  return json;
}

}  // namespace

std::vector<PopulationRates> Populations() {
  std::vector<PopulationRates> all;
  PopulationRates usual;
  usual.name = "usual";
  all.push_back(usual);

  PopulationRates typed;
  typed.name = "typing-errors";
  typed.typed_given = typed.typed_family = 8;
  typed.typed_national = typed.typed_telephone = 6;
  typed.typed_street = 15;
  typed.birth_mistaken = 5;
  typed.has_national = 80;
  all.push_back(typed);

  PopulationRates anonymous;
  anonymous.name = "no-identifiers";
  anonymous.has_national = 0;
  all.push_back(anonymous);

  PopulationRates common;
  common.name = "common-names";
  common.common_surname = 90;
  common.compound_surname = 15;
  all.push_back(common);

  PopulationRates twins;
  twins.name = "twins-and-juniors";
  twins.twins = 15;
  twins.twins_alike = 20;
  twins.juniors = 20;
  twins.shared_telephone = 80;
  twins.national_of_another = 0.5;
  twins.has_national = 40;
  all.push_back(twins);

  PopulationRates moving;
  moving.name = "moving";
  moving.moved = 25;
  moving.other_telephone = 30;
  moving.surname_changed = 15;
  moving.nickname = 15;
  moving.has_national = 70;
  all.push_back(moving);
  return all;
}

absl::StatusOr<std::vector<Registration>> MakePopulation(const PopulationRates& rates, int people, int tenants, std::uint64_t seed) {
  const auto lists = ReadNames();
  if (!lists.ok()) return lists.status();
  Maker maker(rates, *lists, seed);
  Random random(seed, 8);
  std::vector<Registration> registrations;
  const std::vector<Person> persons = maker.People(people);
  for (int person = 0; person < people; ++person) {
    std::vector<int> at;
    for (int tenant = 0; tenant < tenants; ++tenant) at.push_back(tenant);
    random.Shuffle(at);
    at.resize(std::min<std::size_t>(at.size(), 1 + random.Below(3)));
    for (const int tenant : at) registrations.push_back({tenant, person, maker.Register(persons[static_cast<std::size_t>(person)])});
  }
  random.Shuffle(registrations);
  return registrations;
}

}  // namespace custodian::matching
