#include "services/sample/generate_person.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace custodian::sample {
namespace {

struct Given {
  std::string name;
  std::string nickname;
};

const std::vector<std::string>& Families() {
  static const auto& names = *new std::vector<std::string>{
      "Abernathy",    "Achterberg",   "Adebayo",       "Aguilar",       "Albright",    "Alvarado",    "Amundsen",   "Anagnos",
      "Arceneaux",    "Aziz",         "Bachmeier",     "Balakrishnan",  "Barragan",    "Beaumont",    "Bergstrom",  "Bianchi",
      "Blackwood",    "Boudreaux",    "Brzezinski",    "Buchanan",      "Cabrera",     "Calloway",    "Castellano", "Cavanaugh",
      "Chaudhary",    "Cheng",        "Chukwu",        "Cisneros",      "Colquitt",    "Czarnecki",   "D'Angelo",   "Dahlgren",
      "Delacroix",    "Delgado",      "Demetriou",     "Dhillon",       "Dombrowski",  "Dubois",      "Eberhardt",  "Echevarria",
      "Eichelberger", "Ekström",      "Esposito",      "Fairweather",   "Feng",        "Fernández",   "Fitzgerald", "Fujimoto",
      "Gallagher",    "Ghorbani",     "Giannopoulos",  "Goldfarb",      "Gonçalves",   "Grzybowski",  "Guerrero",   "Gutierrez",
      "Haddad",       "Halvorsen",    "Hashimoto",     "Hernandez",     "Hidalgo",     "Hirschfeld",  "Huang",      "Ibrahim",
      "Iglesias",     "Ingebretsen",  "Iyer",          "Jankowski",     "Jaramillo",   "Kapoor",      "Karlsson",   "Kaczmarek",
      "Khalil",       "Kowalczyk",    "Krishnamurthy", "Kurosawa",      "Laframboise", "Lindqvist",   "Lombardi",   "Macpherson",
      "Maldonado",    "Mbeki",        "McAllister",    "Mendoza",       "Mukherjee",   "Müller",      "Nakamura",   "Navarro",
      "Nguyen",       "Novak",        "O'Callaghan",   "O'Shaughnessy", "Oyelaran",    "Okonkwo",     "Olivares",   "Ostrowski",
      "Pacheco",      "Papadakis",    "Pellegrino",    "Petrosyan",     "Phan",        "Quintanilla", "Ramaswamy",  "Rasmussen",
      "Reinhardt",    "Rosenthal",    "Sandoval",      "Schaefer",      "Schreiber",   "Sepulveda",   "Shevchenko", "Sokolov",
      "Stavropoulos", "Subramanian",  "Szymanski",     "Takahashi",     "Thibodeaux",  "Tran",        "Trujillo",   "Underhill",
      "Valenzuela",   "Van der Berg", "Vasquez",       "Venkataraman",  "Villanueva",  "Wojcik",      "Wu",         "Yamamoto",
      "Youssef",      "Zamora",       "Zawadzki",      "Zimmermann",    "Ziolkowski"};
  return names;
}

const std::vector<Given>& Women() {
  static const auto& names =
      *new std::vector<Given>{{"Abigail", "Abby"},     {"Adaeze", "Ada"},      {"Alejandra", "Ale"},     {"Amelia", "Millie"},
                              {"Anastasia", "Ana"},    {"Beatrice", "Bea"},    {"Bernadette", "Bernie"}, {"Camila", "Cami"},
                              {"Cassandra", "Cassie"}, {"Catherine", "Cathy"}, {"Chioma", "Chichi"},     {"Cynthia", "Cindy"},
                              {"Deborah", "Debbie"},   {"Dolores", "Lola"},    {"Dorothy", "Dottie"},    {"Eleanor", "Nell"},
                              {"Elizabeth", "Betty"},  {"Esperanza", "Espe"},  {"Evangeline", "Evie"},   {"Florence", "Flo"},
                              {"Francesca", "Fran"},   {"Gabriela", "Gabi"},   {"Genevieve", "Gen"},     {"Guadalupe", "Lupe"},
                              {"Gwendolyn", "Gwen"},   {"Harriet", "Hattie"},  {"Isabella", "Bella"},    {"Jacqueline", "Jackie"},
                              {"Jennifer", "Jenny"},   {"Josephine", "Josie"}, {"Katherine", "Kate"},    {"Kimberly", "Kim"},
                              {"Lakshmi", "Laks"},     {"Leticia", "Letty"},   {"Magdalena", "Magda"},   {"Margaret", "Peggy"},
                              {"Mei-Ling", "Mei"},     {"Mildred", "Midge"},   {"Natasha", "Tasha"},     {"Nicole", "Nikki"},
                              {"Ottoline", "Ottie"},   {"Patricia", "Trish"},  {"Penelope", "Penny"},    {"Philippa", "Pip"},
                              {"Priyanka", "Priya"},   {"Rebecca", "Becky"},   {"Rosalind", "Roz"},      {"Samantha", "Sam"},
                              {"Siobhan", "Shiv"},     {"Stephanie", "Steph"}, {"Susannah", "Sue"},      {"Tatiana", "Tanya"},
                              {"Theodora", "Thea"},    {"Valentina", "Val"},   {"Victoria", "Vicky"},    {"Wilhelmina", "Mina"},
                              {"Winifred", "Winnie"},  {"Ximena", "Xime"},     {"Yolanda", "Yoli"},      {"Zsuzsanna", "Zsuzsi"}};
  return names;
}

const std::vector<Given>& Men() {
  static const auto& names = *new std::vector<Given>{
      {"Abdullah", "Abdul"}, {"Alejandro", "Alex"},   {"Alexander", "Sasha"}, {"Amadou", "Ama"},        {"Andrew", "Andy"},
      {"Anthony", "Tony"},   {"Archibald", "Archie"}, {"Augustine", "Gus"},   {"Bartholomew", "Bart"},  {"Benjamin", "Ben"},
      {"Charles", "Chuck"},  {"Chinedu", "Nedu"},     {"Christopher", "Kit"}, {"Cornelius", "Neil"},    {"Daniel", "Danny"},
      {"Dmitri", "Dima"},    {"Eduardo", "Lalo"},     {"Emmanuel", "Manny"},  {"Ezekiel", "Zeke"},      {"Fernando", "Nando"},
      {"Francisco", "Paco"}, {"Frederick", "Fritz"},  {"Giovanni", "Gio"},    {"Gregory", "Greg"},      {"Harold", "Hal"},
      {"Hiroshi", "Hiro"},   {"Ignacio", "Nacho"},    {"Isaiah", "Ike"},      {"Jeremiah", "Jerry"},    {"Jonathan", "Jon"},
      {"Joseph", "Joey"},    {"Khalid", "Kal"},       {"Lawrence", "Larry"},  {"Leonardo", "Leo"},      {"Malcolm", "Mal"},
      {"Maximilian", "Max"}, {"Mohammed", "Mo"},      {"Nathaniel", "Nate"},  {"Nikolai", "Kolya"},     {"Oluwaseun", "Seun"},
      {"Patrick", "Paddy"},  {"Quentin", "Quent"},    {"Rajesh", "Raj"},      {"Raphael", "Rafe"},      {"Reginald", "Reggie"},
      {"Richard", "Rick"},   {"Salvador", "Chava"},   {"Sebastian", "Seb"},   {"Stanisław", "Staszek"}, {"Terrence", "Terry"},
      {"Thaddeus", "Tad"},   {"Theodore", "Ted"},     {"Timothy", "Tim"},     {"Tobias", "Toby"},       {"Vikram", "Vik"},
      {"Vincent", "Vinny"},  {"Wei-Chen", "Wei"},     {"William", "Bill"},    {"Xavier", "Xavi"},       {"Zachary", "Zach"}};
  return names;
}

const std::vector<std::string>& Streets() {
  static const auto& names = *new std::vector<std::string>{
      "Alder Creek Road",   "Applewood Lane",    "Arrowhead Trail",   "Ashgrove Avenue",     "Birchbark Court",
      "Bluestem Drive",     "Brookhaven Street", "Buttermilk Pike",   "Cardinal Crest",      "Cedar Hollow Way",
      "Chestnut Hill Road", "Cottonwood Circle", "Dogwood Terrace",   "Elderberry Lane",     "Fernwood Place",
      "Foxglove Court",     "Goldenrod Avenue",  "Hackberry Street",  "Hawthorne Boulevard", "Hickory Ridge Drive",
      "Huckleberry Road",   "Ironwood Parkway",  "Juniper Bend",      "Kestrel Way",         "Larkspur Street",
      "Linden Square",      "Magnolia Avenue",   "Meadowlark Drive",  "Mulberry Row",        "Nightingale Lane",
      "Oakmont Terrace",    "Partridge Run",     "Persimmon Place",   "Quail Hollow Road",   "Sassafras Street",
      "Sycamore Bluff",     "Tamarack Trail",    "Thistledown Court", "Willowmere Drive",    "Yarrow Lane"};
  return names;
}

struct Town {
  std::string city;
  std::string state;
  int postal_first;
};

const std::vector<Town>& Towns(int tenant) {
  static const auto& towns = *new std::vector<std::vector<Town>>{
      {{"Waukegan", "IL", 60079}, {"Kenosha", "WI", 53140}, {"Evanston", "IL", 60201}, {"Zion", "IL", 60099}},
      {{"Poughkeepsie", "NY", 12601}, {"Saugerties", "NY", 12477}, {"Pittsfield", "MA", 1201}, {"Troy", "NY", 12180}},
      {{"Fort Collins", "CO", 80521}, {"Loveland", "CO", 80537}, {"Greeley", "CO", 80631}, {"Laramie", "WY", 82070}}};
  return towns[static_cast<std::size_t>(tenant)];
}

// Steps through [0, modulus) once; modulus and step have no common factor.
constexpr std::uint64_t kSsnModulus = 100'000'000, kSsnStep = 38'196'601;
constexpr std::uint64_t kPhoneModulus = 780 * 10'000, kPhoneStep = 3'010'349;

}  // namespace

People::People(std::uint64_t seed)
    : ssn_next_(Random(seed, 1).Below(kSsnModulus)), phone_next_(Random(seed, 2).Below(kPhoneModulus)) {}

std::string People::NewSsn() {
  ssn_next_ = (ssn_next_ + kSsnStep) % kSsnModulus;
  const std::string digits = absl::StrFormat("9%08d", ssn_next_);
  return absl::StrCat(digits.substr(0, 3), "-", digits.substr(3, 2), "-", digits.substr(5));
}

std::string People::NewPhone() {
  phone_next_ = (phone_next_ + kPhoneStep) % kPhoneModulus;
  return absl::StrFormat("+1-%03d-555-%04d", 205 + phone_next_ / 10'000, phone_next_ % 10'000);
}

void People::Move(Person& person, Random& random, int tenant) {
  const Town& town = random.Pick(Towns(tenant));
  do {
    // Drawn one after the other: the order in which arguments are evaluated is the compiler's.
    const std::int64_t number = random.Between(101, 19'899);
    person.address_line = absl::StrCat(number, " ", random.Pick(Streets()));
  } while (!addresses_.insert(person.address_line).second);
  person.city = town.city;
  person.state = town.state;
  person.postal_code = absl::StrFormat("%05d", town.postal_first + random.Between(0, 3));
}

void People::ChangePhone(Person& person) { person.phone = NewPhone(); }

Person People::Someone(Random& random, absl::CivilDay today, int tenant) {
  Person person;
  do {
    const bool woman = random.Chance(53);
    const Given& given = random.Pick(woman ? Women() : Men());
    person.gender = woman ? "female" : "male";
    person.given = given.name;
    person.nickname = given.nickname;
    person.family = random.Pick(Families());
    person.birth_date = today - random.Between(22 * 366, 88 * 365);
  } while (!named_.insert(person.family + "/" + person.given).second && named_.size() < 10'000);
  person.ssn = NewSsn();
  person.phone = NewPhone();
  Move(person, random, tenant);
  return person;
}

Person People::TwinOf(const Person& person, Random& random, bool same_given) {
  Person twin = person;
  twin.ssn = NewSsn();
  while (!same_given && twin.given == person.given) {
    const Given& given = random.Pick(person.gender == "female" ? Women() : Men());
    twin.given = given.name;
    twin.nickname = given.nickname;
  }
  return twin;
}

void People::Marry(Person& person, Random& random) {
  const std::string before = person.family;
  while (person.family == before) person.family = random.Pick(Families());
}

void People::MakeYoungWoman(Person& person, Random& random, absl::CivilDay today) {
  const Given& given = random.Pick(Women());
  person.gender = "female";
  person.given = given.name;
  person.nickname = given.nickname;
  person.birth_date = today - random.Between(24 * 366, 38 * 365);
}

std::string People::PractitionerFamily(Random& random) { return random.Pick(Families()); }
std::string People::PractitionerGiven(Random& random) { return random.Pick(random.Chance(50) ? Women() : Men()).name; }

}  // namespace custodian::sample
