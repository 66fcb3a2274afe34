#include "services/exchange/agreement.h"

#include <algorithm>
#include <bitset>

namespace custodian::exchange {
namespace {

using Names = std::array<std::string_view, kLevelsMax>;
constexpr std::array<std::string_view, kCompareFields> kFieldNames{"family", "given",  "birth",   "sex",
                                                                   "middle", "suffix", "contact", "national"};
constexpr std::array<Names, kCompareFields> kLevelNames{{{"same", "former", "close", "differs", "missing"},
                                                         {"same", "nickname", "close", "differs", "missing"},
                                                         {"same", "near", "day", "differs", "missing"},
                                                         {"same", "differs", "missing"},
                                                         {"same", "differs", "missing"},
                                                         {"same", "differs", "missing"},
                                                         {"both", "address", "telephone", "street", "area", "differs", "missing"},
                                                         {"same", "close", "differs", "missing"}}};

constexpr std::uint64_t kTokenBits = (std::uint64_t{1} << 56) - 1;

// Marks of one slot.
std::pair<const std::uint64_t*, const std::uint64_t*> Range(const LocatedPatient& patient, Slot slot) {
  const std::uint64_t low = static_cast<std::uint64_t>(slot) << 56;
  const auto* begin = patient.marks.data();
  const auto* end = begin + patient.marks.size();
  const auto* from = std::lower_bound(begin, end, low);
  return {from, std::upper_bound(from, end, low | kTokenBits)};
}

int CountShared(const LocatedPatient& a, Slot slot_a, const LocatedPatient& b, Slot slot_b) {
  auto [i, i_end] = Range(a, slot_a);
  auto [j, j_end] = Range(b, slot_b);
  int count = 0;
  while (i != i_end && j != j_end) {
    const std::uint64_t left = *i & kTokenBits, right = *j & kTokenBits;
    if (left == right) ++count;
    if (left <= right) ++i;
    if (right <= left) ++j;
  }
  return count;
}

class Pair {
 public:
  Pair(const LocatedPatient& a, const LocatedPatient& b) : a_(a), b_(b) {}

  [[nodiscard]] bool Share(Slot slot) const { return CountShared(a_, slot, b_, slot) > 0; }
  // One has it in the first slot, the other in the second.
  [[nodiscard]] bool Cross(Slot one, Slot other) const {
    return CountShared(a_, one, b_, other) > 0 || CountShared(a_, other, b_, one) > 0;
  }
  [[nodiscard]] int Count(Slot slot) const { return CountShared(a_, slot, b_, slot); }
  // How many values the one has that has fewer of them.
  [[nodiscard]] std::ptrdiff_t Fewer(Slot slot) const {
    const auto [a, a_end] = Range(a_, slot);
    const auto [b, b_end] = Range(b_, slot);
    return std::min(a_end - a, b_end - b);
  }
  // One has the first, the other the second.
  [[nodiscard]] bool Differ(std::uint32_t one, std::uint32_t other) const {
    return ((a_.fields & one) != 0 && (b_.fields & other) != 0) || ((a_.fields & other) != 0 && (b_.fields & one) != 0);
  }
  [[nodiscard]] bool BothHave(std::uint32_t field) const { return (a_.fields & b_.fields & field) != 0; }
  [[nodiscard]] bool EitherHas(std::uint32_t field) const { return ((a_.fields | b_.fields) & field) != 0; }
  [[nodiscard]] bool OneHas(std::uint32_t field) const { return ((a_.fields ^ b_.fields) & field) != 0; }

 private:
  const LocatedPatient& a_;
  const LocatedPatient& b_;
};

Said SaidOf(bool both_have, bool same) { return !both_have ? Said::kMissing : same ? Said::kSame : Said::kDiffers; }

National NationalOf(const Pair& pair) {
  // Kinds in common, of which each must have a value in common.
  const int sound = pair.Count(Slot::kNationalKind);
  const bool mistyped = pair.Share(Slot::kMistypedNationalKind) || pair.Cross(Slot::kNationalKind, Slot::kMistypedNationalKind);
  const int kinds = sound + (mistyped ? 1 : 0);
  if (kinds > 0 && pair.Count(Slot::kNational) >= kinds) return National::kSame;
  if (pair.Share(Slot::kNationalLeftOut) || pair.Share(Slot::kNationalLeftOutGiven)) return National::kClose;
  // Two digits mistaken in the number of somebody of that given name and birth date: not a twin's.
  constexpr int kMistaken = 2;
  const bool alike = pair.Share(Slot::kNationalDigitNames) &&
                     pair.Count(Slot::kNationalDigitNames) + kMistaken >= pair.Fewer(Slot::kNationalDigitNames);
  if (alike && !pair.Share(Slot::kNationalNeighbourNames)) return National::kClose;
  return sound > 0 ? National::kDiffers : National::kMissing;
}

Birth BirthOf(const Pair& pair, bool same_birth) {
  if (!pair.BothHave(kHasBirth)) return Birth::kMissing;
  if (same_birth) return Birth::kSame;
  // Two years, of which nothing is near.
  if (pair.BothHave(kFirstOfYear)) return Birth::kDiffers;
  if (pair.Share(Slot::kNearBirthName) || pair.Share(Slot::kNearBirthGiven) || pair.Share(Slot::kNearBirthFamily)) return Birth::kNear;
  if (pair.BothHave(kTellsTwinsAndYears) && pair.EitherHas(kFirstOfYear) && pair.Share(Slot::kYearName)) return Birth::kNear;
  if (pair.Share(Slot::kDecadeName)) return Birth::kNear;
  return pair.Share(Slot::kDayName) ? Birth::kDay : Birth::kDiffers;
}

Family FamilyOf(const Pair& pair, bool full_name) {
  if (!pair.BothHave(kHasFamily)) return Family::kMissing;
  if (full_name || pair.Share(Slot::kFamilyBirth) || pair.Share(Slot::kNearBirthFamily) || pair.Share(Slot::kContactFamily) ||
      pair.Share(Slot::kAddressFamily) || pair.Cross(Slot::kFamilyKnownLeftOut, Slot::kFamilyOtherLeftOut) ||
      pair.Share(Slot::kFamilyOtherLeftOut) || pair.Share(Slot::kFamilyKnownLeftOut))
    return Family::kSame;
  // Two surnames with a typing error in one of them, before the other in common.
  if (pair.Share(Slot::kFamilyLeftOutBirth) || pair.Share(Slot::kFamilyShapeBirth) || pair.Share(Slot::kGivenFamilyLeftOut)) return Family::kClose;
  if (pair.Share(Slot::kAnyFamilyBirth) || pair.Share(Slot::kAnyFullName) || pair.Share(Slot::kNationalFamily)) return Family::kFormer;
  return pair.Share(Slot::kFamilySoundBirth) ? Family::kClose : Family::kDiffers;
}

// Two names that people bear, or are on no list, in which a letter or two differ, or which sound the same.
bool AreAlike(const Pair& pair) {
  return pair.Share(Slot::kKnownLeftOutBirth) || pair.Share(Slot::kAlikeBirth) || pair.Share(Slot::kKnownSoundBirth) ||
         pair.Share(Slot::kFamilyKnownLeftOut) || pair.Share(Slot::kKnownTwoLeftOutBirth) || pair.Share(Slot::kOtherTwoLeftOutBirth);
}

// Sets `twins` and `unless_twin`.
Given GivenOf(const Pair& pair, bool full_name, bool same_birth, bool& twins, bool& unless_twin) {
  twins = unless_twin = false;
  if (!pair.BothHave(kHasGiven)) return Given::kMissing;
  if (full_name || pair.Share(Slot::kGivenBirth) || pair.Share(Slot::kGivenFamilyLeftOut)) return Given::kSame;
  twins = pair.Share(Slot::kAlikeBirth);
  if (pair.Cross(Slot::kFamiliarBirth, Slot::kFormalBirth)) return Given::kNickname;
  // Without the birth date a nickname cannot be told from two nicknames of one name.
  if (!same_birth && (pair.Share(Slot::kAnyFullName) || pair.Share(Slot::kNearBirthGiven) || pair.Share(Slot::kContactGiven) ||
       pair.Share(Slot::kAddressGiven) || pair.Share(Slot::kNationalGiven))) {
    twins = pair.Share(Slot::kFamilyKnownLeftOut);
    return Given::kNickname;
  }
  twins = false;
  if (pair.Cross(Slot::kKnownLeftOutBirth, Slot::kOtherLeftOutBirth) || pair.Cross(Slot::kKnownSoundBirth, Slot::kOtherSoundBirth) ||
      pair.Cross(Slot::kKnownShapeBirth, Slot::kOtherShapeBirth) ||
      pair.Cross(Slot::kFamilyKnownLeftOut, Slot::kFamilyOtherLeftOut))
    return Given::kClose;
  twins = true;
  if (pair.Share(Slot::kOtherLeftOutBirth) || pair.Share(Slot::kOtherSoundBirth) || pair.Share(Slot::kOtherShapeBirth) ||
      pair.Share(Slot::kFamilyOtherLeftOut))
    return Given::kClose;
  if (pair.Cross(Slot::kKnownTwoLeftOutBirth, Slot::kOtherTwoLeftOutBirth)) return Given::kClose;
  // A mistyped nickname may as well be another's name; of two names alike ("julia", "julie") it says nothing.
  const bool meant = (pair.Cross(Slot::kMeantBirth, Slot::kFormalBirth) || pair.Cross(Slot::kMeantFormalBirth, Slot::kFamiliarBirth)) &&
                     !pair.Cross(Slot::kMeantAlikeBirth, Slot::kAlikeBirth);
  if (meant || pair.Cross(Slot::kInitialBirth, Slot::kInitialOfBirth)) {
    unless_twin = pair.BothHave(kTellsTwinsAndYears);
    return Given::kClose;
  }
  twins = false;
  return Given::kDiffers;
}

Contact ContactOf(const Pair& pair) {
  const bool contacts = pair.BothHave(kHasContact), addresses = pair.BothHave(kHasAddress);
  if (!contacts && !addresses) return Contact::kMissing;
  const bool telephone =
      contacts && (pair.Share(Slot::kContactBirth) || pair.Share(Slot::kContactGiven) || pair.Share(Slot::kContactFamily));
  const bool address =
      addresses && (pair.Share(Slot::kAddressBirth) || pair.Share(Slot::kAddressGiven) || pair.Share(Slot::kAddressFamily));
  const bool street = addresses && (pair.Share(Slot::kStreetNumberBirth) || pair.Share(Slot::kStreetSoundBirth) ||
                                    pair.Share(Slot::kStreetNumberName) || pair.Share(Slot::kStreetSoundName));
  if (telephone && (address || street)) return Contact::kBoth;
  if (address) return Contact::kAddress;
  if (telephone) return Contact::kTelephone;
  if (street) return Contact::kStreet;
  if (addresses && (pair.Share(Slot::kAreaBirth) || pair.Share(Slot::kAreaName))) return Contact::kArea;
  return Contact::kDiffers;
}

}  // namespace

std::size_t Agreement::Level(CompareField field) const {
  switch (field) {
    case CompareField::kFamily: return static_cast<std::size_t>(family);
    case CompareField::kGiven: return static_cast<std::size_t>(given);
    case CompareField::kBirth: return static_cast<std::size_t>(birth);
    case CompareField::kSex: return static_cast<std::size_t>(sex);
    case CompareField::kMiddle: return static_cast<std::size_t>(middle);
    case CompareField::kSuffix: return static_cast<std::size_t>(suffix);
    case CompareField::kContact: return static_cast<std::size_t>(contact);
    case CompareField::kNational: return static_cast<std::size_t>(national);
  }
  return 0;
}

std::string_view NameOf(CompareField field) { return kFieldNames[static_cast<std::size_t>(field)]; }

std::string_view LevelName(CompareField field, std::size_t level) {
  return level < kLevelsMax ? kLevelNames[static_cast<std::size_t>(field)][level] : std::string_view();
}

std::size_t LevelsOf(CompareField field) {
  std::size_t levels = 0;
  while (levels < kLevelsMax && !LevelName(field, levels).empty()) ++levels;
  return levels;
}

Agreement Compare(const LocatedPatient& a, const LocatedPatient& b) {
  const Pair pair(a, b);
  Agreement agreement;
  // Anything that stands with the birth date alone shows that it is the same.
  const bool same_birth = pair.BothHave(kHasBirth) &&
                          (pair.Share(Slot::kAnyFamilyBirth) || pair.Share(Slot::kFamilySoundBirth) ||
                           pair.Share(Slot::kFamilyLeftOutBirth) || pair.Share(Slot::kGivenBirth) ||
                           pair.Cross(Slot::kFamiliarBirth, Slot::kFormalBirth) || pair.Share(Slot::kSexBirth) ||
                           pair.Share(Slot::kContactBirth) || pair.Share(Slot::kAddressBirth) ||
                           pair.Share(Slot::kStreetNumberBirth) || pair.Share(Slot::kStreetSoundBirth) ||
                           pair.Share(Slot::kAreaBirth) || pair.Share(Slot::kNationalLeftOut) || pair.Share(Slot::kNamesBirth));
  agreement.full_name = pair.Share(Slot::kFullName);
  agreement.any_full_name = pair.Share(Slot::kAnyFullName);
  agreement.birth = BirthOf(pair, same_birth);
  agreement.year_only = (agreement.birth == Birth::kSame || agreement.birth == Birth::kNear) && pair.EitherHas(kFirstOfYear);
  agreement.family = FamilyOf(pair, agreement.full_name);
  agreement.former_family = agreement.family == Family::kFormer &&
                            (pair.Cross(Slot::kFamilyBirth, Slot::kAnyFamilyBirth) || pair.Cross(Slot::kBorneFullName, Slot::kAnyFullName));
  agreement.given = GivenOf(pair, agreement.full_name, same_birth, agreement.twins_given, agreement.unless_twin);
  agreement.mistyped_given =
      pair.Differ(kKnownGiven, kOtherGiven) && (agreement.given != Given::kDiffers || pair.Share(Slot::kInitialOfBirth));
  agreement.two_givens = agreement.given == Given::kDiffers && pair.BothHave(kKnownGiven);
  if (!agreement.full_name && pair.Share(Slot::kNamesBirth)) {
    // One wrote the family name where the other wrote the given name.
    agreement.family = Family::kClose;
    agreement.given = Given::kClose;
    agreement.twins_given = agreement.two_givens = agreement.unless_twin = false;
  }
  // Beside a birth date or a whole name in common, sex and suffix can be told; otherwise nothing is said of them.
  const bool sex_told = agreement.birth == Birth::kSame || agreement.full_name;
  agreement.sex = SaidOf(pair.BothHave(kHasSex) && sex_told, pair.Share(Slot::kSexBirth) || pair.Share(Slot::kSexName));
  // Mary Ann and Mary Sue are two names; Mary Ann and a Mary whose middle name is Sue need not be.
  const bool same_middle = pair.Share(Slot::kMiddleBirth) || pair.Share(Slot::kMiddleName);
  const bool middle_told = agreement.birth == Birth::kSame || (agreement.birth == Birth::kNear && agreement.full_name && pair.BothHave(kTellsMiddleNames));
  agreement.middle = SaidOf(pair.BothHave(kHasMiddle) && middle_told && (same_middle || !pair.OneHas(kMiddleInGiven)), same_middle);
  if (agreement.middle == Said::kDiffers && pair.BothHave(kMiddleInGiven)) agreement.twins_given = true;
  agreement.suffix = SaidOf(pair.BothHave(kHasSuffix) && agreement.full_name, pair.Share(Slot::kSuffixName));
  agreement.contact = ContactOf(pair);
  agreement.national = NationalOf(pair);
  agreement.shows_twin = agreement.birth == Birth::kSame && agreement.given == Given::kDiffers &&
                         (agreement.family <= Family::kFormer || agreement.contact <= Contact::kTelephone);
  // A number in common tells names alike from a twin's.
  if (agreement.given == Given::kDiffers && agreement.national == National::kSame && AreAlike(pair)) {
    agreement.given = Given::kClose;
    agreement.twins_given = true;
    agreement.two_givens = false;
  }
  // Who is known to be a twin may have a twin's name.
  if (pair.EitherHas(kMultipleBirth) && agreement.given != Given::kSame) {
    agreement.twins_given = true;
    agreement.unless_twin = false;
  }
  return agreement;
}

}  // namespace custodian::exchange
