#include "tests/matching/people.h"

#include <algorithm>
#include <fstream>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace custodian::matching {

using sample::Random;

bool Chance(Random& random, double percent) { return random.Below(1'000'000) < static_cast<std::uint64_t>(percent * 10'000); }

std::string Capital(std::string text) {
  if (!text.empty()) text.front() = absl::ascii_toupper(static_cast<unsigned char>(text.front()));
  return text;
}

std::string NewTelephone(Random& random) {
  return absl::StrFormat("(%03d) %03d-%04d", 201 + random.Below(780), 200 + random.Below(800), random.Below(10'000));
}

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

namespace {

class Maker {
 public:
  Maker(const PopulationRates& rates, const NameLists& lists, Random& random) : rates_(rates), lists_(lists), random_(random) {}

  std::vector<Person> People(int count) {
    std::vector<Person> people;
    while (static_cast<int>(people.size()) < count) AddHousehold(people);
    people.resize(static_cast<std::size_t>(count));
    return people;
  }

 private:
  std::string Family() {
    const auto draw = [this] {
      const bool common = Chance(random_, rates_.common_surname);
      return lists_.families.Draw(random_, rates_.surnames_first > 0 ? static_cast<std::size_t>(rates_.surnames_first) : common ? 100 : 0);
    };
    return Chance(random_, rates_.compound_surname) ? absl::StrCat(draw(), random_.Chance(50) ? "-" : " ", draw()) : draw();
  }
  std::string Given(const std::string& sex) {
    if (Chance(random_, rates_.unlisted_given)) return Unlisted(sex);
    std::string name = (sex == "female" ? lists_.women : lists_.men).Draw(random_);
    if (Chance(random_, rates_.compound_given)) absl::StrAppend(&name, " ", (sex == "female" ? lists_.women : lists_.men).Draw(random_));
    return name;
  }
  // Some thousands, the first syllables commoner than the last.
  std::string Unlisted(const std::string& sex) {
    static const std::vector<std::string> syllables{"ba", "ke", "mi", "zo", "ru", "shi", "tan", "ve", "lo", "dji", "gu", "nam", "pe", "qua", "xi", "thu"};
    std::string name;
    for (std::uint64_t left = 2 + random_.Below(2); left > 0; --left) name += syllables[std::min(random_.Below(syllables.size()), random_.Below(syllables.size()))];
    name += sex == "female" ? "a" : "o";
    return Capital(std::move(name));
  }
  // No dice where it never does: people stay who they are when a rate is added.
  bool Happens(double percent) { return percent > 0 && Chance(random_, percent); }
  int AgeMin() { return Chance(random_, rates_.elderly) ? 70 : 30; }
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
    person.telephone = NewTelephone(random_);
    person.home = home;
    person.former_home = NewHome();
    return person;
  }
  // Another given name in which one letter differs, of the same list; the same name when there is none in a few draws.
  std::string NameLike(const std::string& name, const std::string& sex) {
    if (Chance(random_, rates_.unlisted_given)) {
      std::string other = name;
      other[name.size() - 2] = other[name.size() - 2] == 'l' ? 'r' : 'l';
      return other;
    }
    for (int i = 0; i < 4'000; ++i) {
      std::string other = Given(sex);
      if (other == name || other.size() != name.size()) continue;
      int differ = 0;
      for (std::size_t c = 0; c < name.size(); ++c) differ += name[c] != other[c] ? 1 : 0;
      if (differ == 1) return other;
    }
    return name;
  }
  void AddHousehold(std::vector<Person>& people) {
    std::string family = Family();
    Home home = NewHome();
    std::string telephone = NewTelephone(random_);
    bool share = Chance(random_, rates_.shared_telephone);
    const std::size_t first = people.size();
    if (Chance(random_, rates_.in_institution)) {
      if (institutions_.size() < people.size() / 100 + 1) institutions_.emplace_back(home, telephone);
      std::tie(home, telephone) = random_.Pick(institutions_);
      share = true;
    }
    const int age_min = AgeMin();
    Person father = Someone("male", family, age_min, 95, home);
    if (random_.Chance(70)) people.push_back(father);
    if (random_.Chance(70)) people.push_back(Someone("female", random_.Chance(80) ? family : Family(), age_min, 95, home));
    const bool patronymic = Chance(random_, rates_.patronymic);
    for (std::uint64_t child = random_.Below(4); child > 0; --child) {
      Person one = Someone(random_.Chance(50) ? "female" : "male", family, 0, 40, home);
      one.maiden = one.sex == "female" ? Family() : "";
      if (patronymic) one.family = absl::StrCat(father.given, one.sex == "female" ? "dottir" : "son");
      if (child == 1 && Chance(random_, rates_.newborn)) {
        one.born = kToday - static_cast<std::int64_t>(random_.Below(30));
        one.newborn = true;
      }
      if (one.sex == "male" && Chance(random_, rates_.juniors)) {
        one.given = father.given;
        one.middle = father.middle;
        one.suffix = "Jr";
        one.born = father.born + random_.Between(18 * 365, 40 * 365);
        if (one.born > kToday) one.born = kToday - random_.Between(0, 10 * 365);
        for (Person& other : people)
          if (other.national == father.national) other.suffix = "Sr";
      }
      if (Happens(rates_.middle_of_father)) one.middle = father.given;
      people.push_back(one);
      if (!Chance(random_, rates_.twins)) continue;
      Person twin = Someone(random_.Chance(65) ? one.sex : (one.sex == "male" ? "female" : "male"), family, 0, 1, home);
      twin.born = one.born;
      twin.newborn = one.newborn;
      twin.family = patronymic ? absl::StrCat(father.given, twin.sex == "female" ? "dottir" : "son") : one.family;
      twin.former_home = one.former_home;
      twin.national = NextNational(one.national);
      if (twin.sex == one.sex && Chance(random_, rates_.twins_alike)) twin.given = NameLike(one.given, one.sex);
      while (twin.given == one.given) twin.given = Given(twin.sex);
      // Few names begin with some letters, perhaps none but one's own.
      if (Happens(rates_.twins_initial))
        for (int i = 0; i < 4'000 && (twin.given == one.given || twin.given[0] != one.given[0]); ++i) twin.given = Given(twin.sex);
      while (twin.given == one.given) twin.given = Given(twin.sex);
      if (one.middle == father.given) twin.middle = one.middle;
      people.push_back(twin);
    }
    for (std::size_t i = first; i < people.size(); ++i) {
      if (share) people[i].telephone = telephone;
      people[i].kin_national = people[first].national;
    }
    const std::size_t last = people.size();
    for (std::size_t i = first; i < last; ++i) {
      if (!Chance(random_, rates_.namesake)) continue;
      Person stranger = Someone(people[i].sex, people[i].family, 0, 1, NewHome());
      stranger.given = people[i].given;
      stranger.born = people[i].born;
      stranger.kin_national = stranger.national;
      people.push_back(stranger);
    }
  }

  const PopulationRates& rates_;
  const NameLists& lists_;
  Random& random_;
  std::uint64_t national_ = 17;
  std::vector<std::pair<Home, std::string>> institutions_;
};

}  // namespace

std::vector<Person> MakePeople(const PopulationRates& rates, const NameLists& lists, int count, Random& random) {
  return Maker(rates, lists, random).People(count);
}

}  // namespace custodian::matching
