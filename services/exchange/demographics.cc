#include "services/exchange/demographics.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace custodian::exchange {
namespace {

constexpr std::size_t kNamesMax = 4;
constexpr std::size_t kEachMax = 6;
constexpr std::size_t kFieldBytesMax = 100;
constexpr std::size_t kPhoneDigitsMin = 7;
constexpr std::size_t kIdentifierMin = 5;

// U+00C0..U+00FF without case and accent; '*' marks what becomes more than one letter or none.
constexpr std::string_view kLatin1 =
    "aaaaaa*ceeeeiiiidnooooo*ouuuuy**"
    "aaaaaa*ceeeeiiiidnooooo*ouuuuy*y";
// U+0100..U+017F.
constexpr std::string_view kExtendedA =
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii**jjkkklllllll"
    "lllnnnnnnnnnoooooo**rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
static_assert(kLatin1.size() == 64 && kExtendedA.size() == 128);

std::string_view Ligature(std::uint32_t point) {
  switch (point) {
    case 0xC6:
    case 0xE6: return "ae";
    case 0xDE:
    case 0xFE: return "th";
    case 0xDF: return "ss";
    case 0x132:
    case 0x133: return "ij";
    case 0x152:
    case 0x153: return "oe";
    default: return "";
  }
}

// Next code point of UTF-8 that has been validated (Json::Parse refuses broken text).
std::uint32_t NextPoint(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const std::uint32_t lead = byte(at);
  const int extra = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  std::uint32_t point = extra == 0 ? lead : lead & (0x3Fu >> extra);
  for (int i = 1; i <= extra; ++i) point = point << 6 | (byte(at + i) & 0x3Fu);
  at += static_cast<std::size_t>(extra) + 1;
  return point;
}

// Words of letters and digits, folded.
std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words(1);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t from = at;
    const std::uint32_t point = NextPoint(text, at);
    std::string& word = words.back();
    if ((point >= 'a' && point <= 'z') || (point >= '0' && point <= '9')) {
      word += static_cast<char>(point);
    } else if (point >= 'A' && point <= 'Z') {
      word += static_cast<char>(point + 32);
    } else if (point == '\'' || point == 0x2019 || point == '.' || (point >= 0x300 && point <= 0x36F)) {
      // O'Brien is one word, and so is an accent that stands behind its letter.
    } else if (point >= 0xC0 && point <= 0x17F) {
      const char folded = point <= 0xFF ? kLatin1[point - 0xC0] : kExtendedA[point - 0x100];
      if (folded != '*') {
        word += folded;
      } else {
        word += Ligature(point);
      }
    } else if (point >= 0x180 && point != 0x2010 && point != 0x2013 && point != 0x3000) {
      word += text.substr(from, at - from);
    } else if (!word.empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 44> kStreetWords{{
    {"apartment", "apt"},  {"avenue", "ave"},  {"av", "ave"},       {"bend", "bnd"},     {"bluff", "blf"},
    {"boulevard", "blvd"}, {"circle", "cir"},  {"court", "ct"},     {"creek", "crk"},    {"crescent", "cres"},
    {"crest", "crst"},     {"drive", "dr"},    {"east", "e"},       {"fort", "ft"},      {"freeway", "fwy"},
    {"heights", "hts"},    {"highway", "hwy"}, {"hill", "hl"},      {"hollow", "holw"},  {"lane", "ln"},
    {"mount", "mt"},       {"north", "n"},     {"northeast", "ne"}, {"northwest", "nw"}, {"parkway", "pkwy"},
    {"place", "pl"},       {"plaza", "plz"},   {"ridge", "rdg"},    {"road", "rd"},      {"route", "rte"},
    {"saint", "st"},       {"south", "s"},     {"southeast", "se"}, {"southwest", "sw"}, {"spring", "spg"},
    {"square", "sq"},      {"str", "st"},      {"street", "st"},    {"suite", "ste"},    {"terrace", "ter"},
    {"trail", "trl"},      {"unit", "apt"},    {"valley", "vly"},   {"west", "w"},
}};

bool AllEqual(std::string_view text) { return text.find_first_not_of(text.front()) == std::string_view::npos; }

// Never within a character: tokens are asked for in messages that carry text.
std::string Clipped(std::string text, std::size_t bytes_max = kFieldBytesMax) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0) == 0x80) --bytes_max;
  text.resize(bytes_max);
  return text;
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

struct Fields {
  std::vector<std::pair<std::string, std::string>> names;
  std::vector<std::string> evidence;
  std::vector<std::pair<std::string, std::string>> national;
};

void AddUnique(std::vector<std::string>& list, std::string value) {
  if (list.size() < 3 * kEachMax && std::find(list.begin(), list.end(), value) == list.end()) list.push_back(std::move(value));
}

Fields ReadFields(const Json& patient) {
  Fields fields;
  for (const Json& name : patient["name"].items()) {
    const std::string& use = name.TextOf("use");
    // Names given up or borrowed identify nobody for certain.
    if (use == "old" || use == "maiden" || use == "temp" || use == "anonymous" || use == "nickname") continue;
    std::string family = Clipped(NormalizeName(name.TextOf("family")));
    std::string given = Clipped(NormalizeName(name["given"][0].text()));
    if (!family.empty() && !given.empty() && fields.names.size() < kNamesMax)
      fields.names.emplace_back(std::move(family), std::move(given));
  }
  for (const Json& identifier : patient["identifier"].items()) {
    const std::string kind = NationalKind(identifier);
    const std::string value = Clipped(NormalizeName(identifier.TextOf("value")));
    if (kind.empty() || identifier.TextOf("use") == "old" || value.size() < kIdentifierMin || AllEqual(value) ||
        fields.national.size() >= kEachMax)
      continue;
    fields.national.emplace_back(kind, value);
    AddUnique(fields.evidence, "id|" + kind + "|" + value);
  }
  for (const Json& telecom : patient["telecom"].items()) {
    const std::string& system = telecom.TextOf("system");
    if ((system != "phone" && system != "sms") || telecom.TextOf("use") == "old") continue;
    if (std::string phone = NormalizePhone(telecom.TextOf("value")); !phone.empty())
      AddUnique(fields.evidence, "phone|" + Clipped(std::move(phone)));
  }
  for (const Json& address : patient["address"].items()) {
    if (address.TextOf("use") == "old") continue;
    std::string lines;
    for (const Json& line : address["line"].items()) lines += line.text() + " ";
    const std::string street = Clipped(NormalizeStreet(lines));
    if (street.empty()) continue;
    // Either place name will do: one registration may lack the other.
    if (const std::string postal = NormalizeName(address.TextOf("postalCode")); !postal.empty())
      AddUnique(fields.evidence, "address|" + street + "|p|" + Clipped(postal, 5));
    if (const std::string city = Clipped(NormalizeName(address.TextOf("city"))); !city.empty())
      AddUnique(fields.evidence, "address|" + street + "|c|" + city);
  }
  return fields;
}

}  // namespace

std::string NormalizeName(std::string_view text) {
  std::string joined;
  for (const std::string& word : Words(text)) joined += word;
  return joined;
}

std::string NormalizePhone(std::string_view text) {
  // An extension is no part of the number.
  if (const std::size_t extension = text.find_first_of("xX;"); extension != std::string_view::npos)
    text = text.substr(0, extension);
  std::string digits;
  for (const char c : text)
    if (c >= '0' && c <= '9') digits += c;
  if (digits.starts_with("00")) digits.erase(0, 2);
  if (digits.size() == 11 && digits.front() == '1') digits.erase(0, 1);
  return digits.size() < kPhoneDigitsMin || AllEqual(digits) ? "" : digits;
}

std::string NormalizeStreet(std::string_view text) {
  std::string joined;
  for (const std::string& word : Words(text)) {
    std::string_view shown = word;
    for (const auto& [full, shortened] : kStreetWords)
      if (word == full) shown = shortened;
    if (!joined.empty()) joined += ' ';
    joined += shown;
  }
  return joined;
}

MatchValues MatchValuesOf(const Json& patient) {
  MatchValues values;
  const std::string& birth_date = patient.TextOf("birthDate");
  if (birth_date.size() != 10) return values;
  const Fields fields = ReadFields(patient);
  const std::string gender = Clipped(patient.TextOf("gender"));
  for (const auto& [family, given] : fields.names) {
    if (!gender.empty() && gender != "unknown")
      for (const std::string& evidence : fields.evidence)
        AddUnique(values.name, "name|" + family + "|" + given + "|" + birth_date + "|" + gender + "|" + evidence);
    for (const auto& [kind, value] : fields.national) {
      AddUnique(values.identifier, "family|" + family + "|" + birth_date + "|" + kind + "|" + value);
      AddUnique(values.identifier, "given|" + given + "|" + birth_date + "|" + kind + "|" + value);
    }
  }
  values.national = fields.national;
  return values;
}

}  // namespace custodian::exchange
