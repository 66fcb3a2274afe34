// In what two patients agree, field by field, told from the hashes they share alone: the comparison vector of Fellegi and Sunter
// (A Theory for Record Linkage, 1969). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_AGREEMENT_H_
#define CUSTODIAN_SERVICES_EXCHANGE_AGREEMENT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "services/exchange/locator_values.h"

namespace custodian::exchange {

// The fields that are compared, and their levels from the best to the worst. The last but one is always "differs", the last
// "missing": at least one of the two does not say.
enum class CompareField : std::uint8_t { kFamily, kGiven, kBirth, kSex, kMiddle, kSuffix, kContact, kNational };
inline constexpr std::size_t kCompareFields = 8;
inline constexpr std::size_t kLevelsMax = 7;

enum class Family : std::uint8_t { kSame, kFormer, kClose, kDiffers, kMissing };
enum class Given : std::uint8_t { kSame, kNickname, kClose, kDiffers, kMissing };
enum class Birth : std::uint8_t { kSame, kNear, kDay, kDiffers, kMissing };
enum class Said : std::uint8_t { kSame, kDiffers, kMissing };
// Telephones and e-mail addresses together with addresses: a household shares both, so they are one piece of evidence.
enum class Contact : std::uint8_t { kBoth, kAddress, kTelephone, kStreet, kArea, kDiffers, kMissing };
enum class National : std::uint8_t { kSame, kClose, kDiffers, kMissing };

struct Agreement {
  Family family = Family::kMissing;
  Given given = Given::kMissing;
  Birth birth = Birth::kMissing;
  Said sex = Said::kMissing;
  Said middle = Said::kMissing;
  Said suffix = Said::kMissing;
  Contact contact = Contact::kMissing;
  National national = National::kMissing;
  // The whole name, as written: how common it is counts.
  bool full_name = false;
  // The same, in any form of the given name and with any family name that one bore or bears a part of.
  bool any_full_name = false;
  // Given names that agree no better than a twin's could: an initial, or all but one letter of two names that people bear or of two that
  // are on no list.
  bool twins_given = false;
  // One given name is on the list of those that people bear, the other is not, and they are alike or begin with one letter: one of them may be a
  // typing error. Being on no list is none.
  bool mistyped_given = false;
  // Two given names that people bear, and neither stands for the other.
  bool two_givens = false;
  // Given names that are of one person unless a twin of another name is known: one is the other's initial.
  bool unless_twin = false;
  // Born on one day into one family or home, under names that are not alike, whatever else makes one person of them.
  bool shows_twin = false;
  // Birth dates that are the same or near, and one is the first of January: perhaps only the year is known.
  bool year_only = false;

  friend auto operator<=>(const Agreement&, const Agreement&) = default;
  // The family name of one is among those that the other bore before.
  bool former_family = false;

  // Both names agree, if not as written.
  [[nodiscard]] bool NamesAgree() const {
    return (family == Family::kSame || family == Family::kClose || former_family) && given != Given::kDiffers && given != Given::kMissing;
  }
  // Born on one day with one family name, but called by two names: as twins are.
  [[nodiscard]] bool AreTwins() const {
    return birth == Birth::kSame && family != Family::kDiffers && family != Family::kMissing &&
           (two_givens || (given != Given::kSame && given != Given::kMissing && middle == Said::kDiffers));
  }
  // Level of a field by number.
  [[nodiscard]] std::size_t Level(CompareField field) const;
};

// "family", "given", ...; levels as governed data names them, "" past a field's last.
[[nodiscard]] std::string_view NameOf(CompareField field);
[[nodiscard]] std::string_view LevelName(CompareField field, std::size_t level);
[[nodiscard]] std::size_t LevelsOf(CompareField field);

// Symmetric.
[[nodiscard]] Agreement Compare(const LocatedPatient& a, const LocatedPatient& b);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_AGREEMENT_H_
