#include "services/exchange/name_text.h"

#include <unicode/translit.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kPhoneDigitsMin = 7;

// Compiling the rules takes milliseconds; a Transliterator is used by one thread at a time.
const icu::Transliterator& Folding() {
  thread_local const std::unique_ptr<icu::Transliterator> folding = [] {
    UErrorCode error = U_ZERO_ERROR;
    std::unique_ptr<icu::Transliterator> made(icu::Transliterator::createInstance(
        "NFKD; [:Mark:] Remove; Latin-ASCII; Lower; NFC", UTRANS_FORWARD, error));
    return made;
  }();
  return *folding;
}

// Start of each character of UTF-8 text, and its end.
std::vector<std::size_t> Boundaries(std::string_view text) {
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < text.size(); ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) starts.push_back(i);
  starts.push_back(text.size());
  return starts;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 60> kStreetWords{{
    {"alley", "aly"},      {"apartment", "apt"}, {"avenue", "ave"},    {"av", "ave"},       {"beach", "bch"},    {"bend", "bnd"},
    {"bluff", "blf"},      {"boulevard", "blvd"}, {"bridge", "brg"},   {"building", "bldg"}, {"center", "ctr"},  {"circle", "cir"},
    {"court", "ct"},       {"cove", "cv"},       {"creek", "crk"},     {"crescent", "cres"}, {"crest", "crst"},  {"crossing", "xing"},
    {"drive", "dr"},       {"east", "e"},        {"estates", "ests"},  {"floor", "fl"},     {"fort", "ft"},      {"freeway", "fwy"},
    {"gardens", "gdns"},   {"grove", "grv"},     {"heights", "hts"},   {"highway", "hwy"},  {"hill", "hl"},      {"hills", "hls"},
    {"hollow", "holw"},    {"lane", "ln"},       {"meadows", "mdws"},  {"mount", "mt"},     {"north", "n"},      {"northeast", "ne"},
    {"northwest", "nw"},   {"parkway", "pkwy"},  {"place", "pl"},      {"plaza", "plz"},    {"point", "pt"},     {"ridge", "rdg"},
    {"road", "rd"},        {"room", "rm"},       {"route", "rte"},     {"saint", "st"},     {"south", "s"},      {"southeast", "se"},
    {"southwest", "sw"},   {"spring", "spg"},    {"square", "sq"},     {"str", "st"},       {"street", "st"},    {"suite", "ste"},
    {"terrace", "ter"},    {"trail", "trl"},     {"unit", "apt"},      {"valley", "vly"},   {"view", "vw"},      {"west", "w"},
}};

bool IsVowel(char c) { return c == 'A' || c == 'E' || c == 'I' || c == 'O' || c == 'U'; }

void ReplaceStart(std::string& text, std::string_view from, std::string_view to) {
  if (text.starts_with(from)) text.replace(0, from.size(), to);
}
void ReplaceEnd(std::string& text, std::string_view from, std::string_view to) {
  if (text.ends_with(from)) text.replace(text.size() - from.size(), from.size(), to);
}

}  // namespace

std::vector<std::string> FoldedWords(std::string_view text) {
  icu::UnicodeString unicode = icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int>(text.size())));
  Folding().transliterate(unicode);
  std::vector<std::string> words(1);
  for (int at = 0; at < unicode.length(); at = unicode.moveIndex32(at, 1)) {
    const UChar32 point = unicode.char32At(at);
    if (u_isalnum(point)) {
      icu::UnicodeString(point).toUTF8String(words.back());
    } else if (point != '\'' && point != 0x2019 && point != 0x2BC && point != '.' && point != '`' && !words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::string NormalizeName(std::string_view text) {
  std::string joined;
  for (const std::string& word : FoldedWords(text)) joined += word;
  return joined;
}

std::string NormalizePhone(std::string_view text) {
  // An extension is no part of the number.
  if (const std::size_t extension = text.find_first_of("xX;"); extension != std::string_view::npos) text = text.substr(0, extension);
  std::string digits;
  for (const char c : text)
    if (c >= '0' && c <= '9') digits += c;
  if (digits.starts_with("00")) digits.erase(0, 2);
  if (digits.size() == 11 && digits.front() == '1') digits.erase(0, 1);
  if (digits.size() < kPhoneDigitsMin || digits.find_first_not_of(digits.front()) == std::string::npos) return "";
  return digits;
}

std::string NormalizeStreet(std::string_view text) {
  std::string joined;
  for (const std::string& word : FoldedWords(text)) {
    std::string_view shown = word;
    for (const auto& [full, shortened] : kStreetWords)
      if (word == full) shown = shortened;
    if (!joined.empty()) joined += ' ';
    joined += shown;
  }
  return joined;
}

bool IsStreetWord(std::string_view normalized_word) {
  return std::any_of(kStreetWords.begin(), kStreetWords.end(), [&](const auto& pair) { return pair.second == normalized_word; });
}

std::string SoundOf(std::string_view folded) {
  std::string name;
  for (const char c : folded) {
    if (c < 'a' || c > 'z') return std::string(folded);
    name += static_cast<char>(c - 'a' + 'A');
  }
  if (name.empty()) return name;
  ReplaceStart(name, "MAC", "MCC");
  ReplaceStart(name, "KN", "NN");
  if (name.starts_with('K')) name.front() = 'C';
  ReplaceStart(name, "PH", "FF");
  ReplaceStart(name, "PF", "FF");
  ReplaceStart(name, "SCH", "SSS");
  for (const std::string_view end : {"EE", "IE"}) ReplaceEnd(name, end, "Y");
  for (const std::string_view end : {"DT", "RT", "RD", "NT", "ND"}) ReplaceEnd(name, end, "D");

  std::string code(1, name.front());
  for (std::size_t i = 1; i < name.size(); ++i) {
    std::string here(1, name[i]);
    const std::string_view rest = std::string_view(name).substr(i);
    if (rest.starts_with("EV")) {
      name.replace(i, 2, "AF");
      here = "AF";
    } else if (IsVowel(name[i])) {
      here = "A";
    } else if (name[i] == 'Q') {
      here = "G";
    } else if (name[i] == 'Z') {
      here = "S";
    } else if (name[i] == 'M') {
      here = "N";
    } else if (rest.starts_with("KN")) {
      here = "NN";
    } else if (name[i] == 'K') {
      here = "C";
    } else if (rest.starts_with("SCH")) {
      here = "SSS";
    } else if (rest.starts_with("PH")) {
      here = "FF";
    } else if (name[i] == 'H' && (!IsVowel(name[i - 1]) || i + 1 == name.size() || !IsVowel(name[i + 1]))) {
      here = std::string(1, name[i - 1]);
    } else if (name[i] == 'W' && IsVowel(name[i - 1])) {
      here = std::string(1, name[i - 1]);
    }
    name.replace(i, here.size(), here);
    if (code.back() != here.front()) code += here.front();
    // What was written for several letters has been read.
    i += here.size() - 1;
    if (here.size() > 1 && code.back() != here.back()) code += here.back();
  }
  if (code.size() > 1 && code.back() == 'S') code.pop_back();
  ReplaceEnd(code, "AY", "Y");
  if (code.size() > 1 && code.back() == 'A') code.pop_back();
  return code;
}

std::string LettersOf(std::string_view folded_word) {
  constexpr std::string_view kDigits = "0158", kLetters = "olsb";
  const auto is_letter = [](char c) { return c < '0' || c > '9'; };
  std::string word(folded_word);
  if (std::none_of(word.begin(), word.end(), is_letter) || word == "2nd" || word == "3rd" || word == "4th") return word;
  for (char& c : word)
    if (const auto at = kDigits.find(c); at != std::string_view::npos) c = kLetters[at];
  return word;
}

std::string ShapeOf(std::string_view folded) {
  constexpr std::array<std::pair<std::string_view, char>, 4> kPairs{{{"rn", 'm'}, {"cl", 'd'}, {"el", 'd'}, {"vv", 'w'}}};
  constexpr std::string_view kLetters = "eijtfhkuyq", kShapes = "cllllbbvvg";
  std::string shape;
  for (std::size_t i = 0; i < folded.size(); ++i) {
    const auto pair = std::find_if(kPairs.begin(), kPairs.end(), [&](const auto& one) { return folded.substr(i).starts_with(one.first); });
    if (pair != kPairs.end()) {
      shape += pair->second;
      ++i;
      continue;
    }
    const auto at = kLetters.find(folded[i]);
    shape += at == std::string_view::npos ? folded[i] : kShapes[at];
  }
  return shape;
}

std::vector<std::string> OneLeftOut(std::string_view folded, std::size_t length_min) {
  std::vector<std::string> variants{std::string(folded)};
  const std::vector<std::size_t> at = Boundaries(folded);
  if (at.size() - 1 < length_min) return variants;
  for (std::size_t i = 0; i + 1 < at.size(); ++i) {
    std::string without(folded.substr(0, at[i]));
    without += folded.substr(at[i + 1]);
    if (without != variants.back()) variants.push_back(std::move(without));
  }
  return variants;
}

std::vector<std::string> NumberVariants(std::string_view folded) {
  std::vector<std::string> variants{std::string(folded)};
  for (std::size_t i = 0; i + 1 < folded.size(); ++i) {
    std::string without(folded.substr(0, i));
    without += folded.substr(i + 1);
    if (without != variants.back()) variants.push_back(std::move(without));
  }
  if (folded.size() >= 2 && folded[folded.size() - 2] != folded.back()) {
    std::string ordered(folded);
    std::sort(ordered.end() - 2, ordered.end());
    variants.push_back("~" + ordered);
  }
  constexpr std::size_t kEnd = 4;
  if (folded.size() >= 2 * kEnd) variants.push_back(absl::StrCat("~", std::string(folded.substr(folded.size() - kEnd))));
  return variants;
}

}  // namespace custodian::exchange
