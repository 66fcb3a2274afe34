#include "services/exchange/locator_values.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "ledger/entry.h"
#include "services/exchange/given_names.h"
#include "services/exchange/name_text.h"

namespace custodian::exchange {
namespace {

constexpr std::size_t kLeftOutMin = 4;
// Two letters are too much of a shorter name, and too many values of a longer one.
constexpr std::size_t kTwoLeftOutMin = 6;
constexpr std::size_t kTwoLeftOutMax = 10;
constexpr std::size_t kFormalMax = 4;
constexpr std::size_t kShapeMin = 3;
// Of more names than these nobody knows which was meant.
constexpr std::size_t kMeantMax = 4;
// Two digits are too much of a shorter number.
constexpr std::size_t kMistakenDigitsMin = 8;
constexpr int kMarkBytes = 5;

bool IsKey(Slot slot) {
  switch (slot) {
    case Slot::kNational:
    case Slot::kAnyFamilyBirth:
    case Slot::kFamilySoundBirth:
    case Slot::kGivenBirth:
    case Slot::kFamiliarBirth:
    case Slot::kContactBirth:
    case Slot::kAddressBirth:
    case Slot::kNearBirthName:
    case Slot::kContactGiven:
    case Slot::kContactFamily:
    case Slot::kAddressGiven:
    case Slot::kAddressFamily:
    case Slot::kNamesBirth: return true;
    default: return false;
  }
}

// A social security number with a digit too few or too many, or a letter among them. What is no such number at all ("ssn-a1") is its tenant's business.
bool IsMistyped(std::string_view kind, std::string_view number) {
  constexpr std::ptrdiff_t kDigits = 9;
  const auto digits = std::count_if(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  const auto others = static_cast<std::ptrdiff_t>(number.size()) - digits;
  return kind == "SS" && others <= 1 && (digits != kDigits || others == 1);
}

class Builder {
 public:
  void Add(Slot slot, std::string_view group, std::initializer_list<std::string_view> parts) {
    std::string text(group);
    for (const std::string_view part : parts) {
      text += '|';
      text += part;
    }
    if (built_.values.size() < kLocatorValuesMax && seen_.insert({slot, text}).second)
      built_.values.push_back({slot, std::move(text)});
  }
  void Has(Field field) { built_.fields |= field; }
  LocatorValues Take() { return std::move(built_); }

 private:
  LocatorValues built_;
  std::set<std::pair<Slot, std::string>> seen_;
};

// Familiar and formal forms of a given name: what a nickname and its name have in common.
std::vector<std::string> FormsOf(const std::vector<std::string>& given) {
  std::vector<std::string> forms = given;
  for (const std::string& name : given)
    for (const std::string_view formal : FormalNamesOf(name))
      if (forms.size() < given.size() + kFormalMax && std::find(forms.begin(), forms.end(), formal) == forms.end())
        forms.emplace_back(formal);
  return forms;
}

std::vector<std::string> AllFamilies(const Demographics& of) {
  std::vector<std::string> all = of.family;
  for (const std::string& name : of.other_family)
    if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
  return all;
}

std::string Sorted(std::string text) {
  std::sort(text.begin(), text.end());
  return text;
}

// A birth date told in ways that survive one mistake: two of its three parts, the parts exchanged, digits exchanged.
std::vector<std::string> NearBirths(const std::string& date) {
  const std::string year = date.substr(0, 4), month = date.substr(5, 2), day = date.substr(8, 2);
  std::vector<std::string> near{absl::StrCat("ym", year, month), absl::StrCat("yd", year, day),
                                // The last digit of the year mistaken, or its digits exchanged: not a generation apart.
                                absl::StrCat("dm", year.substr(0, 3), month, day), absl::StrCat("sm", Sorted(year), month, day)};
  if (day <= "12") near.push_back(absl::StrCat("sw", year, std::min(month, day), std::max(month, day)));
  // The day before the first of a month, which a time zone makes of it.
  absl::CivilDay born;
  if (absl::ParseCivilTime(date, &born)) {
    if (born.day() == 1) --born;
    if ((born + 1).day() == 1) near.push_back(absl::StrCat("ed", absl::FormatCivilTime(born)));
  }
  return near;
}

// What two dates have in common of which a digit of the year but its last was mistaken, and that are no generation apart: father and son of one name are born
// 20, 30 or 40 years apart, on one day by chance.
std::vector<std::string> Decades(const std::string& date) {
  int year = 0;
  if (!absl::SimpleAtoi(absl::string_view(date).substr(0, 4), &year)) return {};
  const std::string day = date.substr(5);
  std::vector<std::string> decades{absl::StrCat("m", year % 50, day)};
  for (const int apart : {10, 60, 80})
    for (const int earlier : {year - apart, year}) decades.push_back(absl::StrCat("d", apart, "|", earlier, day));
  return decades;
}

void AddAlike(Slot slot, std::string_view given, const std::string& birth, Builder& to) {
  for (const std::string& left : OneLeftOut(given, 2))
    if (left != given) to.Add(slot, "gab", {left, absl::StrCat(given.size()), birth});
}

// For a mistyped nickname ("frnkie" for Frances).
void AddMeant(const std::vector<std::string_view>& meant, const std::string& birth, Builder& to) {
  for (const std::string_view name : meant) {
    to.Add(Slot::kMeantBirth, "gnb", {name, birth});
    AddAlike(Slot::kMeantAlikeBirth, name, birth, to);
    for (const std::string_view formal : FormalNamesOf(name)) to.Add(Slot::kMeantFormalBirth, "gnb", {formal, birth});
  }
}

void AddNames(const Demographics& of, Builder& to) {
  const std::string& birth = of.birth_date;
  if (!birth.empty()) {
    for (const std::string& family : of.family) {
      to.Add(Slot::kFamilyBirth, "fb", {family, birth});
      to.Add(Slot::kFamilySoundBirth, "fsb", {SoundOf(family), birth});
      for (const std::string& left : OneLeftOut(family, kLeftOutMin)) to.Add(Slot::kFamilyLeftOutBirth, "flb", {left, birth});
      if (family.size() >= kShapeMin) to.Add(Slot::kFamilyShapeBirth, "fpb", {ShapeOf(family), birth});
    }
    for (const std::string& family : AllFamilies(of)) to.Add(Slot::kAnyFamilyBirth, "fb", {family, birth});
    for (const std::string& given : of.given) {
      const bool known = IsGivenName(given);
      to.Add(Slot::kGivenBirth, "gb", {given, birth});
      to.Add(Slot::kFamiliarBirth, "gnb", {given, birth});
      for (const std::string_view formal : FormalNamesOf(given)) to.Add(Slot::kFormalBirth, "gnb", {formal, birth});
      to.Add(known ? Slot::kKnownSoundBirth : Slot::kOtherSoundBirth, "gsb", {SoundOf(given), birth});
      if (given.size() >= kShapeMin) to.Add(known ? Slot::kKnownShapeBirth : Slot::kOtherShapeBirth, "gpb", {ShapeOf(given), birth});
      if (known) AddAlike(Slot::kAlikeBirth, given, birth, to);
      for (const std::string& left : OneLeftOut(given, kLeftOutMin))
        to.Add(known ? Slot::kKnownLeftOutBirth : Slot::kOtherLeftOutBirth, "glb", {left, birth});
      for (const std::string& family : of.family) to.Add(Slot::kNamesBirth, "nb", {std::min(given, family), std::max(given, family), birth});
      if (given.size() == 1) {
        to.Add(Slot::kInitialBirth, "gib", {given, birth});
      } else {
        to.Add(Slot::kInitialOfBirth, "gib", {given.substr(0, 1), birth});
      }
    }
    if (!of.sex.empty()) to.Add(Slot::kSexBirth, "sb", {of.sex, birth});
    for (const std::string& middle : of.middle) to.Add(Slot::kMiddleBirth, "mb", {middle, birth});
  }
  for (const std::string& given : of.given)
    for (const std::string& family : of.family) {
      to.Add(Slot::kFullName, "n", {given, family});
      if (!of.suffix.empty()) to.Add(Slot::kSuffixName, "xn", {of.suffix, given, family});
      if (!of.sex.empty()) to.Add(Slot::kSexName, "sn", {of.sex, given, family});
    }
}

// For when the birth date is what was mistaken.
void AddNamesWithoutBirth(const Demographics& of, Builder& to) {
  const std::vector<std::string> forms = FormsOf(of.given);
  for (const std::string& form : forms)
    for (const std::string& family : AllFamilies(of)) to.Add(Slot::kAnyFullName, "an", {form, family});
  for (const std::string& form : forms)
    for (const std::string& family : of.family) to.Add(Slot::kBorneFullName, "an", {form, family});
  if (!of.given.empty() && !of.family.empty()) {
    const std::string& given = of.given.front();
    const std::string& family = of.family.front();
    for (const std::string& left : OneLeftOut(family, kLeftOutMin)) to.Add(Slot::kGivenFamilyLeftOut, "gfl", {given, left});
    const Slot slot = IsGivenName(given) ? Slot::kFamilyKnownLeftOut : Slot::kFamilyOtherLeftOut;
    for (const std::string& left : OneLeftOut(given, kLeftOutMin)) to.Add(slot, "fgl", {left, family});
  }
  if (of.birth_date.empty()) return;
  for (const std::string& near : NearBirths(of.birth_date)) {
    for (const std::string& given : of.given)
      for (const std::string& family : of.family) to.Add(Slot::kNearBirthName, "bn", {near, given, family});
    for (const std::string& form : forms) to.Add(Slot::kNearBirthGiven, "bg", {near, form});
    for (const std::string& family : of.family) to.Add(Slot::kNearBirthFamily, "bf", {near, family});
  }
  for (const std::string& given : of.given)
    for (const std::string& family : of.family) to.Add(Slot::kDayName, "dn", {of.birth_date.substr(5), given, family});
  for (const std::string& given : of.given)
    for (const std::string& family : AllFamilies(of)) to.Add(Slot::kYearName, "yn", {of.birth_date.substr(0, 4), given, family});
  if (!of.given.empty())
    for (const std::string& family : AllFamilies(of))
      for (const std::string& middle : of.middle) to.Add(Slot::kMiddleName, "mn", {middle, of.given.front(), family});
  if (!of.given.empty() && !of.family.empty())
    for (const std::string& decade : Decades(of.birth_date)) to.Add(Slot::kDecadeName, "yd", {decade, of.given.front(), of.family.front()});
}

// For identifiers in which two digits were mistaken. Neighbours in the series are given to who registers together, twins above all: they are two.
void AddNationalDigits(const Demographics& of, Builder& to) {
  if (of.birth_date.empty() || of.given.empty()) return;
  for (const auto& [kind, value] : of.national) {
    if (value.size() < kMistakenDigitsMin) continue;
    const std::string& given = of.given.front();
    for (std::size_t i = 0; i < value.size(); ++i)
      to.Add(Slot::kNationalDigitNames, "idd", {kind, absl::StrCat(i), value.substr(i, 1), given, of.birth_date});
    std::uint64_t number = 0;
    if (!absl::SimpleAtoi(value, &number)) continue;
    to.Add(Slot::kNationalNeighbourNames, "idn", {kind, absl::StrCat("even|", number / 2), given, of.birth_date});
    to.Add(Slot::kNationalNeighbourNames, "idn", {kind, absl::StrCat("odd|", (number + 1) / 2), given, of.birth_date});
  }
}

void AddContacts(const Demographics& of, Builder& to) {
  const std::vector<std::string> forms = FormsOf(of.given);
  const auto with_all = [&](Slot birth, Slot with_given, Slot with_family, const std::string& group, std::string_view what) {
    if (!of.birth_date.empty()) to.Add(birth, absl::StrCat(group, "b"), {what, of.birth_date});
    for (const std::string& form : forms) to.Add(with_given, absl::StrCat(group, "g"), {what, form});
    for (const std::string& family : of.family) to.Add(with_family, absl::StrCat(group, "f"), {what, family});
  };
  // A part of an address says something beside the birth date or the whole name only.
  const auto with_some = [&](Slot birth, Slot name, const std::string& group, std::string_view what) {
    if (!of.birth_date.empty()) to.Add(birth, absl::StrCat(group, "b"), {what, of.birth_date});
    if (!of.given.empty() && !of.family.empty()) to.Add(name, absl::StrCat(group, "n"), {what, of.given.front(), of.family.front()});
  };
  for (const std::string& contact : of.contacts)
    with_all(Slot::kContactBirth, Slot::kContactGiven, Slot::kContactFamily, "c", contact);
  for (const StreetAddress& address : of.addresses) {
    if (!address.line.empty()) {
      // Either place name will do: one registration may lack the other.
      if (!address.postal.empty())
        with_all(Slot::kAddressBirth, Slot::kAddressGiven, Slot::kAddressFamily, "ap", address.line + "|" + address.postal);
      if (!address.city.empty())
        with_all(Slot::kAddressBirth, Slot::kAddressGiven, Slot::kAddressFamily, "ac", address.line + "|" + address.city);
    }
    if (!address.number.empty()) {
      if (!address.postal.empty())
        with_some(Slot::kStreetNumberBirth, Slot::kStreetNumberName, "np", address.number + "|" + address.postal);
      if (!address.street.empty())
        with_some(Slot::kStreetSoundBirth, Slot::kStreetSoundName, "ns", address.number + "|" + SoundOf(address.street));
    }
    if (!address.street.empty() && !address.postal.empty())
      with_some(Slot::kStreetSoundBirth, Slot::kStreetSoundName, "ps", address.street + "|" + address.postal);
    if (!address.postal.empty()) with_some(Slot::kAreaBirth, Slot::kAreaName, "z", address.postal);
    if (!address.city.empty()) with_some(Slot::kAreaBirth, Slot::kAreaName, "y", address.city);
  }
}

std::uint64_t FirstBytes(std::string_view hash, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | static_cast<unsigned char>(hash[static_cast<std::size_t>(i)]);
  return value;
}

template <typename T>
void SortUnique(std::vector<T>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

LocatorValues LocatorValuesOf(const Demographics& of) {
  Builder to;
  to.Has(kTellsTwinsAndYears);
  to.Has(kTellsMiddleNames);
  if (!of.family.empty()) to.Has(kHasFamily);
  // Of the given name, if it is on no list.
  std::vector<std::string_view> meant;
  if (!of.given.empty()) {
    to.Has(kHasGiven);
    const std::string& given = of.given.front();
    to.Has(IsGivenName(given) ? kKnownGiven : kOtherGiven);
    meant = MeantNamesOf(given);
    if (meant.size() > kMeantMax) meant.clear();
    if (given.size() == 1 || !meant.empty()) to.Has(kUnlessTwinGiven);
  }
  if (!of.birth_date.empty()) to.Has(kHasBirth);
  if (of.birth_date.ends_with("-01-01")) to.Has(kFirstOfYear);
  if (of.multiple_birth) to.Has(kMultipleBirth);
  if (!of.sex.empty()) to.Has(kHasSex);
  if (!of.middle.empty()) to.Has(kHasMiddle);
  if (!of.middle.empty() && !of.middle_apart) to.Has(kMiddleInGiven);
  if (!of.suffix.empty()) to.Has(kHasSuffix);
  if (!of.contacts.empty()) to.Has(kHasContact);
  if (!of.addresses.empty()) to.Has(kHasAddress);
  if (!of.national.empty()) to.Has(kHasNational);
  // Whatever else has to be left out, identifiers are not.
  for (const auto& [kind, value] : of.national) {
    to.Add(Slot::kNational, "id", {kind, value});
    to.Add(IsMistyped(kind, value) ? Slot::kMistypedNationalKind : Slot::kNationalKind, "kind", {kind});
    for (const std::string& family : AllFamilies(of)) to.Add(Slot::kNationalFamily, "idf", {kind, value, family});
    for (const std::string& form : FormsOf(of.given)) to.Add(Slot::kNationalGiven, "idg", {kind, value, form});
  }
  AddNames(of, to);
  AddContacts(of, to);
  if (!of.birth_date.empty())
    for (const auto& [kind, value] : of.national)
      for (const std::string& left : NumberVariants(value)) to.Add(Slot::kNationalLeftOut, "idl", {kind, left, of.birth_date});
  AddNamesWithoutBirth(of, to);
  if (!of.birth_date.empty()) AddMeant(meant, of.birth_date, to);
  AddNationalDigits(of, to);
  if (!of.birth_date.empty() && !of.given.empty() && of.given.front().size() >= kTwoLeftOutMin && of.given.front().size() <= kTwoLeftOutMax) {
    const Slot slot = IsGivenName(of.given.front()) ? Slot::kKnownTwoLeftOutBirth : Slot::kOtherTwoLeftOutBirth;
    for (const std::string& left : OneLeftOut(of.given.front(), kTwoLeftOutMin))
      for (const std::string& two : OneLeftOut(left, kTwoLeftOutMin - 1)) to.Add(slot, "gtb", {two, of.birth_date});
  }
  if (!of.given.empty())
    for (const auto& [kind, value] : of.national)
      for (const std::string& left : NumberVariants(value)) to.Add(Slot::kNationalLeftOutGiven, "idlg", {kind, left, of.given.front()});
  return to.Take();
}

absl::StatusOr<LocatedPatient> Located(const PatientLink& link, const LocatorValues& values, const HashTexts& hash) {
  std::vector<std::string> texts;
  std::map<std::string_view, std::size_t> places;
  for (const LocatorValue& value : values.values)
    if (places.try_emplace(value.text, texts.size()).second) texts.push_back(value.text);
  auto hashes = hash(texts);
  if (!hashes.ok()) return hashes.status();
  if (hashes->size() != texts.size()) return absl::InternalError("as many hashes as values are needed");
  LocatedPatient located;
  located.link = link;
  located.fields = values.fields;
  for (const LocatorValue& value : values.values) {
    const std::string& token = (*hashes)[places[value.text]];
    if (token.size() < 8) return absl::InternalError("a hash is too short");
    located.marks.push_back(static_cast<std::uint64_t>(value.slot) << 56 | FirstBytes(token, kMarkBytes));
    const auto key = static_cast<std::int64_t>(FirstBytes(token, 8));
    if (IsKey(value.slot)) located.keys.push_back(key);
    if (value.slot == Slot::kFullName) located.name_keys.push_back(key);
  }
  SortUnique(located.marks);
  SortUnique(located.keys);
  SortUnique(located.name_keys);
  return located;
}

std::vector<std::int64_t> NamesBirthKeys(const LocatedPatient& located) {
  std::vector<std::int64_t> keys;
  for (const std::int64_t key : located.keys) {
    const std::uint64_t mark = static_cast<std::uint64_t>(Slot::kNamesBirth) << 56 | static_cast<std::uint64_t>(key) >> (8 * (8 - kMarkBytes));
    if (std::binary_search(located.marks.begin(), located.marks.end(), mark)) keys.push_back(key);
  }
  return keys;
}

ledger::Hash LocatorDigest(const LocatedPatient& located) {
  std::vector<std::string> values = {located.link.tenant.text(), located.link.patient.bytes(), absl::StrCat(located.fields)};
  for (const std::uint64_t mark : located.marks) values.push_back(absl::StrCat("mark ", mark));
  for (const std::int64_t key : located.keys) values.push_back(absl::StrCat("key ", key));
  for (const std::int64_t key : located.name_keys) values.push_back(absl::StrCat("name ", key));
  return ledger::RowSha256("locator.patient", values);
}

absl::StatusOr<std::vector<std::string>> PlainHashes(std::span<const std::string> texts) {
  std::vector<std::string> hashes;
  for (const std::string& text : texts) {
    const ledger::Hash hash = ledger::Sha256(text);
    hashes.emplace_back(reinterpret_cast<const char*>(hash.data()), hash.size());
  }
  return hashes;
}

}  // namespace custodian::exchange
