#include "services/exchange/demographics.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/ascii.h"
#include "services/exchange/given_names.h"
#include "services/exchange/name_text.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kNamesMax = 3;
constexpr std::size_t kContactsMax = 4;
constexpr std::size_t kAddressesMax = 3;
constexpr std::size_t kNationalMax = 4;
constexpr std::size_t kFieldBytesMax = 100;
constexpr std::size_t kIdentifierMin = 5;
constexpr std::size_t kPartMin = 3;

// What registration desks write where there is no name.
constexpr std::array<std::string_view, 20> kNoNames{"unknown", "unk",     "none",    "noname", "baby",   "babyboy", "babygirl",
                                                    "boy",     "girl",    "babya",   "babyb",  "twin",   "twina",   "twinb",
                                                    "newborn", "infant",  "female", "male",   "test",    "patient"};
constexpr std::array<std::string_view, 16> kParticles{"al", "bin", "da", "das", "de", "del", "den", "der",
                                                      "di", "do",  "dos", "du", "el", "la",  "van", "von"};
constexpr std::array<std::string_view, 5> kNoBirthDates{"1800-01-01", "1900-01-01", "1901-01-01", "1970-01-01", "2000-01-01"};

bool AllEqual(std::string_view text) { return text.find_first_not_of(text.front()) == std::string_view::npos; }

template <std::size_t kSize>
bool IsIn(const std::array<std::string_view, kSize>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// Never within a character: tokens are asked for in messages that carry text.
std::string Clipped(std::string text, std::size_t bytes_max = kFieldBytesMax) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0) == 0x80) --bytes_max;
  text.resize(bytes_max);
  return text;
}

template <typename T>
void AddUnique(std::vector<T>& list, T value, std::size_t count_max) {
  if (list.size() < count_max && std::find(list.begin(), list.end(), value) == list.end()) list.push_back(std::move(value));
}

std::string Joined(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += word;
  return Clipped(std::move(joined));
}

// "jr" and the like; empty for any other word.
std::string_view GenerationOf(std::string_view word) {
  if (word == "jr" || word == "junior" || word == "ii" || word == "2nd") return "jr";
  if (word == "sr" || word == "senior") return "sr";
  if (word == "iii" || word == "3rd") return "iii";
  if (word == "iv" || word == "4th") return "iv";
  return "";
}

// Takes a generation's suffix off the end of a name.
void TakeSuffix(std::vector<std::string>& words, std::string& suffix) {
  if (words.size() < 2) return;
  const std::string_view generation = GenerationOf(words.back());
  if (generation.empty()) return;
  suffix = generation;
  words.pop_back();
}

void AddParts(const std::vector<std::string>& words, Demographics& read) {
  if (words.size() < 2) return;
  for (const std::string& word : words)
    if (word.size() >= kPartMin && !IsIn(kParticles, word)) AddUnique(read.other_family, Clipped(word), 2 * kNamesMax);
}

// "maryann", which is no name that people bear, is Mary Ann: where it parts into two such names, the first may be all that others write.
void AddFirstOfJoined(const std::string& joined, Demographics& read) {
  if (IsGivenName(joined)) return;
  for (std::size_t length = joined.size(); length-- > kPartMin;)
    if (joined.size() - length >= kPartMin && IsGivenName(joined.substr(0, length)) && IsGivenName(joined.substr(length))) {
      AddUnique(read.given, joined.substr(0, length), kNamesMax);
      return;
    }
}

struct NameWords {
  std::vector<std::string> family;
  std::vector<std::vector<std::string>> given;
  // So many words of the first given name are one name: Mei-Ling has no middle name.
  std::size_t hyphenated = 1;
};

// A name has no digits: those in it are letters that were misread.
std::vector<std::string> NameWordsOf(std::string_view text) {
  std::vector<std::string> words = FoldedWords(text);
  for (std::string& word : words) word = LettersOf(word);
  return words;
}

// Of a HumanName without parts, "Roe, Jane" or "Jane Roe".
NameWords FromText(std::string_view text) {
  NameWords name;
  if (const auto comma = text.find(','); comma != std::string_view::npos) {
    name.family = NameWordsOf(text.substr(0, comma));
    name.given.push_back(NameWordsOf(text.substr(comma + 1)));
    return name;
  }
  std::vector<std::string> words = NameWordsOf(text);
  if (words.size() < 2) return name;
  const bool suffixed = words.size() > 2 && !GenerationOf(words.back()).empty();
  const auto family = words.end() - (suffixed ? 2 : 1);
  name.family.assign(family, words.end());
  name.given.emplace_back(words.begin(), family);
  return name;
}

NameWords WordsOf(const Json& name) {
  NameWords words;
  words.family = NameWordsOf(name.TextOf("family"));
  for (const Json& given : name["given"].items()) {
    if (words.given.empty()) {
      const absl::string_view text = absl::StripAsciiWhitespace(given.text());
      words.hyphenated = std::max<std::size_t>(1, NameWordsOf(std::string(text.substr(0, text.find(' ')))).size());
    }
    words.given.push_back(NameWordsOf(given.text()));
  }
  if (words.family.empty() && words.given.empty()) words = FromText(name.TextOf("text"));
  return words;
}

void ReadName(const Json& name, Demographics& read) {
  const std::string& use = name.TextOf("use");
  if (use == "temp" || use == "anonymous") return;
  const bool given_up = use == "old" || use == "maiden" || !name["period"].TextOf("end").empty();
  NameWords words = WordsOf(name);
  TakeSuffix(words.family, read.suffix);
  for (const Json& suffix : name["suffix"].items())
    for (const std::string& word : FoldedWords(suffix.text()))
      if (const std::string_view generation = GenerationOf(word); !generation.empty()) read.suffix = generation;
  if (const std::string family = Joined(words.family); !family.empty() && !IsIn(kNoNames, family)) {
    if (given_up) {
      AddUnique(read.other_family, family, 2 * kNamesMax);
    } else {
      AddUnique(read.family, family, kNamesMax);
    }
    AddParts(words.family, read);
  }
  if (words.given.empty() || words.given.front().empty()) return;
  TakeSuffix(words.given.back(), read.suffix);
  const std::vector<std::string>& first = words.given.front();
  if (IsIn(kNoNames, first.front()) || IsIn(kNoNames, Joined(first))) return;
  AddUnique(read.given, Joined(first), kNamesMax);
  if (first.size() > 1 && first.front().size() > 1) AddUnique(read.given, Clipped(first.front()), kNamesMax);
  if (first.size() == 1) AddFirstOfJoined(Clipped(first.front()), read);
  const auto add_middle = [&read](const std::string& word) {
    AddUnique(read.middle, word.substr(0, static_cast<unsigned char>(word.front()) < 0x80 ? 1 : word.size()), kNamesMax);
  };
  for (std::size_t i = words.hyphenated; i < first.size(); ++i) {
    add_middle(first[i]);
    if (first[i].size() == 1) read.middle_apart = true;
  }
  for (std::size_t i = 1; i < words.given.size(); ++i)
    for (const std::string& word : words.given[i]) {
      add_middle(word);
      read.middle_apart = true;
    }
}

// The kind of a national identifier, or empty for one that is a tenant's own (medical record numbers and the like).
std::string NationalKind(const Json& identifier) {
  const std::string& system = identifier.TextOf("system");
  if (system == "http://hl7.org/fhir/sid/us-ssn" || system == "urn:oid:2.16.840.1.113883.4.1") return "SS";
  if (system == "http://hl7.org/fhir/sid/us-mbi" || system == "http://hl7.org/fhir/sid/us-medicare" ||
      system == "https://fhir.nhs.uk/Id/nhs-number")
    return system;
  for (const Json& coding : identifier["type"]["coding"].items()) {
    if (coding.TextOf("system") != "http://terminology.hl7.org/CodeSystem/v2-0203") continue;
    const std::string& code = coding.TextOf("code");
    if (code == "SS") return code;
    if (code == "PPN" || code == "DL" || code == "NI" || code == "SB" || code == "NIIP" || code == "TAX" || code == "MC")
      return code + "|" + Clipped(system);
  }
  return "";
}

StreetAddress ReadAddress(const Json& address) {
  StreetAddress read;
  std::string lines;
  for (const Json& line : address["line"].items()) lines += line.text() + " ";
  read.line = Clipped(NormalizeStreet(lines));
  read.postal = Clipped(NormalizeName(address.TextOf("postalCode")), 5);
  read.city = Clipped(NormalizeName(address.TextOf("city")));
  bool unit = false;
  for (const std::string& word : FoldedWords(read.line)) {
    if (read.number.empty() && word.find_first_of("0123456789") != std::string::npos) {
      read.number = word;
    } else if (word == "apt" || word == "ste" || word == "fl" || word == "rm" || word == "bldg") {
      unit = true;
    } else if (!unit && !IsStreetWord(word)) {
      read.street += word;
    }
  }
  return read;
}

void ReadContacts(const Json& patient, Demographics& read) {
  for (const Json& telecom : patient["telecom"].items()) {
    const std::string& system = telecom.TextOf("system");
    if (system == "phone" || system == "sms") {
      if (std::string phone = Clipped(NormalizePhone(telecom.TextOf("value"))); !phone.empty())
        AddUnique(read.contacts, std::move(phone), kContactsMax);
    } else if (system == "email" && telecom.TextOf("value").find('@') != std::string::npos) {
      std::string mail = telecom.TextOf("value");
      std::transform(mail.begin(), mail.end(), mail.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      AddUnique(read.contacts, Clipped(std::move(mail)), kContactsMax);
    }
  }
  for (const Json& address : patient["address"].items()) {
    StreetAddress one = ReadAddress(address);
    if (!one.line.empty() || !one.postal.empty() || !one.city.empty()) AddUnique(read.addresses, std::move(one), kAddressesMax);
  }
}

}  // namespace

Demographics ReadDemographics(const Json& patient, std::span<const Json> earlier) {
  Demographics read;
  for (const Json& name : patient["name"].items()) ReadName(name, read);
  for (const Json& version : earlier) {
    Demographics before;
    for (const Json& name : version["name"].items()) ReadName(name, before);
    for (std::string& family : before.family)
      if (std::find(read.family.begin(), read.family.end(), family) == read.family.end())
        AddUnique(read.other_family, std::move(family), 2 * kNamesMax);
  }
  const std::string& birth_date = patient.TextOf("birthDate");
  if (birth_date.size() == 10 && !IsIn(kNoBirthDates, birth_date)) read.birth_date = birth_date;
  if (const std::string& sex = patient.TextOf("gender"); sex == "female" || sex == "male" || sex == "other") read.sex = sex;
  read.multiple_birth = patient["multipleBirthBoolean"].boolean() || !patient.TextOf("multipleBirthInteger").empty();
  ReadContacts(patient, read);
  for (const Json& identifier : patient["identifier"].items()) {
    const std::string kind = NationalKind(identifier);
    std::string value = Clipped(NormalizeName(identifier.TextOf("value")));
    if (kind.empty() || identifier.TextOf("use") == "old" || value.size() < kIdentifierMin || AllEqual(value)) continue;
    AddUnique(read.national, {kind, std::move(value)}, kNationalMax);
  }
  return read;
}

}  // namespace custodian::exchange
