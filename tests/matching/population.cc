#include "tests/matching/population.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "services/exchange/fhir_json.h"
#include "services/sample/generate_random.h"
#include "tests/matching/people.h"

namespace custodian::matching {
namespace {

using sample::Random;

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

// What a scanner makes of print, once, and twice in a fifth of the cases.
std::string Misread(std::string text, Random& random) {
  static const std::vector<std::pair<std::string, std::string>> shapes{{"rn", "m"}, {"m", "rn"}, {"cl", "d"}, {"d", "cl"}, {"o", "0"}, {"l", "1"}, {"i", "l"}, {"s", "5"},
                                                                       {"b", "8"},  {"e", "c"},  {"u", "v"},  {"h", "b"},  {"vv", "w"}, {"w", "vv"}, {"t", "f"}, {"g", "q"},
                                                                       {"0", "8"},  {"1", "7"},  {"5", "6"},  {"3", "8"},  {"6", "0"}, {"7", "1"}, {"8", "3"}};
  for (std::uint64_t left = random.Chance(20) ? 2 : 1; left > 0; --left)
    for (int i = 0; i < 30; ++i) {
      const auto& [shape, other] = random.Pick(shapes);
      const std::string small = absl::AsciiStrToLower(text);
      const std::size_t at = small.find(shape, random.Below(small.size() + 1));
      if (at == std::string::npos) continue;
      text.replace(at, shape.size(), other);
      break;
    }
  return text;
}

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

// FHIR Patient; adds what is wrong with it to `mistakes`.
std::string Register(const Person& person, const PopulationRates& rates, const NameLists& lists, Random& random, std::set<std::string>& mistakes) {
  const auto happens = [&random, &mistakes](double percent, const char* what) {
    if (!Chance(random, percent)) return false;
    mistakes.insert(what);
    return true;
  };
  std::string family = person.family, given = person.given;
  if (!person.maiden.empty() && happens(rates.surname_changed, "surname-changed"))
    family = Chance(random, rates.surname_joined) ? absl::StrCat(person.maiden, "-", person.family) : person.maiden;
  if (const auto space = given.find(' '); space != std::string::npos) {
    if (random.Chance(30)) {
      given.resize(space);
    } else if (random.Chance(30)) {
      given[space] = '-';
    } else if (random.Chance(30)) {
      given.erase(space, 1);
    }
  } else if (const auto found = lists.nicknames.find(absl::AsciiStrToLower(given));
             found != lists.nicknames.end() && happens(rates.nickname, "nickname")) {
    given = Capital(random.Pick(found->second));
  }
  if (happens(rates.typed_family, "typed-family")) family = Typed(std::move(family), random);
  if (happens(rates.typed_given, "typed-given")) given = Typed(std::move(given), random);
  if (const auto between = family.find_first_of(" -"); between != std::string::npos && happens(rates.surname_part, "surname-part"))
    family = random.Chance(75) ? family.substr(0, between) : family.substr(between + 1);
  if (happens(rates.ocr, "ocr-family")) family = Misread(std::move(family), random);
  if (happens(rates.ocr, "ocr-given")) given = Misread(std::move(given), random);
  if (happens(rates.initial_only, "initial-only")) given.resize(1);
  if (happens(rates.names_exchanged, "names-exchanged")) std::swap(family, given);
  if (person.newborn && happens(rates.newborn_unnamed, "newborn-unnamed"))
    given = random.Chance(50) ? (person.sex == "male" ? "Baby Boy" : "Baby Girl") : (person.sex == "male" ? "BabyBoy" : "Girl");
  std::string json = absl::StrCat(R"({"resourceType":"Patient","identifier":[{"system":"urn:mrn","value":")", random.Below(10'000'000), "\"}");
  if (!happens(100 - rates.has_national, "no-national")) {
    std::string national = happens(rates.national_of_another, "national-of-another") ? person.kin_national : person.national;
    if (happens(rates.typed_national, "typed-national")) national = Typed(std::move(national), random);
    if (happens(rates.ocr, "ocr-national")) national = Misread(std::move(national), random);
    absl::StrAppend(&json, R"(,{"system":"http://hl7.org/fhir/sid/us-ssn","value":)", Text(national), "}");
  }
  absl::StrAppend(&json, R"(],"name":[{"use":"official","family":)", Text(Written(family, random)), R"(,"given":[)",
                  Text(Written(given, random)));
  if (Chance(random, rates.has_middle)) absl::StrAppend(&json, ",", Text(random.Chance(50) ? person.middle : person.middle.substr(0, 1)));
  absl::StrAppend(&json, "]");
  if (!person.suffix.empty() && Chance(random, rates.has_suffix)) absl::StrAppend(&json, R"(,"suffix":[)", Text(person.suffix), "]");
  absl::StrAppend(&json, "}]");
  if (!happens(100 - rates.has_sex, "no-sex")) absl::StrAppend(&json, R"(,"gender":)", Text(person.sex));
  absl::CivilDay born = happens(rates.birth_mistaken, "birth-mistaken") ? Mistaken(person.born, random) : person.born;
  if (happens(rates.ocr, "ocr-birth")) {
    absl::CivilDay misread;
    if (absl::ParseCivilTime(Misread(absl::FormatCivilTime(born), random), &misread)) born = misread;
  }
  if (happens(rates.day_unknown, "day-unknown")) born = absl::CivilDay(born.year(), 1, 1);
  absl::StrAppend(&json, R"(,"birthDate":)", Text(absl::FormatCivilTime(born)));
  if (!happens(100 - rates.has_telephone, "no-telephone")) {
    std::string telephone = happens(rates.other_telephone, "other-telephone") ? NewTelephone(random) : person.telephone;
    if (happens(rates.typed_telephone, "typed-telephone")) telephone = Typed(std::move(telephone), random);
    if (happens(rates.ocr, "ocr-telephone")) telephone = Misread(std::move(telephone), random);
    absl::StrAppend(&json, R"(,"telecom":[{"system":"phone","value":)", Text(telephone), "}]");
  }
  if (!happens(100 - rates.has_address, "no-address")) {
    const Home& home = happens(rates.moved, "moved") ? person.former_home : person.home;
    std::string line = home.line;
    if (const auto unit = line.find(" Apt "); unit != std::string::npos && happens(rates.unit_left_out, "unit-left-out")) line.resize(unit);
    line = Abbreviated(std::move(line), random);
    if (happens(rates.ocr, "ocr-street")) line = Misread(std::move(line), random);
    if (happens(rates.typed_street, "typed-street")) line = Typed(std::move(line), random);
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

  PopulationRates few;
  few.name = "few-surnames";
  few.surnames_first = 20;
  few.twins = 10;
  few.twins_alike = 20;
  all.push_back(few);

  PopulationRates patronymic;
  patronymic.name = "patronymic";
  patronymic.patronymic = 100;
  patronymic.unlisted_given = 100;
  patronymic.nickname = 0;
  patronymic.surname_changed = 1;
  patronymic.twins_alike = 20;
  all.push_back(patronymic);

  PopulationRates elderly;
  elderly.name = "elderly";
  elderly.elderly = 90;
  elderly.in_institution = 30;
  elderly.moved = 20;
  elderly.other_telephone = 20;
  elderly.has_national = 80;
  all.push_back(elderly);

  PopulationRates newborns;
  newborns.name = "newborns";
  newborns.newborn = 60;
  newborns.twins = 8;
  newborns.has_national = 20;
  newborns.newborn_unnamed = 5;
  all.push_back(newborns);

  PopulationRates compound;
  compound.name = "compound-names";
  compound.compound_surname = 70;
  compound.compound_given = 40;
  compound.surname_changed = 10;
  compound.surname_joined = 50;
  all.push_back(compound);

  PopulationRates scanned;
  scanned.name = "scanned-forms";
  scanned.ocr = 5;
  scanned.unit_left_out = 20;
  scanned.has_national = 70;
  all.push_back(scanned);

  PopulationRates two_surnames;
  two_surnames.name = "two-surnames";
  two_surnames.compound_surname = 85;
  two_surnames.surname_part = 25;
  two_surnames.compound_given = 30;
  two_surnames.names_exchanged = 0.5;
  two_surnames.day_unknown = 3;
  two_surnames.nickname = 10;
  all.push_back(two_surnames);

  PopulationRates families;
  families.name = "families";
  families.juniors = 25;
  families.has_suffix = 20;
  families.shared_telephone = 100;
  families.twins = 3;
  families.twins_alike = 15;
  families.unit_left_out = 30;
  families.has_national = 25;
  families.surname_changed = 10;
  families.surname_joined = 50;
  all.push_back(families);

  PopulationRates fathers;
  fathers.name = "fathers-names";
  fathers.unlisted_given = 50;
  fathers.middle_of_father = 100;
  fathers.has_middle = 90;
  fathers.twins = 15;
  fathers.twins_initial = 20;
  fathers.twins_alike = 0;
  fathers.has_national = 25;
  fathers.day_unknown = 3;
  all.push_back(fathers);
  return all;
}

absl::StatusOr<std::vector<Registration>> MakePopulation(const PopulationRates& rates, int people, int tenants, std::uint64_t seed) {
  const auto lists = ReadNames();
  if (!lists.ok()) return lists.status();
  Random dice(seed, 7), random(seed, 8);
  std::vector<Registration> registrations;
  const std::vector<Person> persons = MakePeople(rates, *lists, people, dice);
  for (int person = 0; person < people; ++person) {
    std::vector<int> at;
    for (int tenant = 0; tenant < tenants; ++tenant) at.push_back(tenant);
    random.Shuffle(at);
    at.resize(std::min<std::size_t>(at.size(), 1 + random.Below(3)));
    for (const int tenant : at) {
      Registration registration{tenant, person, ""};
      registration.json = Register(persons[static_cast<std::size_t>(person)], rates, *lists, dice, registration.mistakes);
      registrations.push_back(std::move(registration));
    }
  }
  random.Shuffle(registrations);
  return registrations;
}

absl::StatusOr<std::vector<Registration>> ReadPopulation(const std::string& path) {
  std::ifstream file(path);
  std::vector<Registration> registrations;
  std::map<std::string, int> tenants, persons;
  std::string line;
  while (std::getline(file, line)) {
    const auto json = exchange::Json::Parse(line);
    if (!json.ok() || !(*json)["patient"].is_object()) return absl::InvalidArgumentError(absl::StrCat(path, ":", registrations.size() + 1, ": expected tenant, person and patient"));
    const auto number = [&json](const char* member, std::map<std::string, int>& seen) {
      return seen.try_emplace((*json)[member].Text(), static_cast<int>(seen.size())).first->second;
    };
    registrations.push_back({number("tenant", tenants), number("person", persons), (*json)["patient"].Text()});
  }
  if (registrations.empty()) return absl::NotFoundError(absl::StrCat(path, " cannot be read or is empty"));
  return registrations;
}

}  // namespace custodian::matching
