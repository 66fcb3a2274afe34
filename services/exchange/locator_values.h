// What the locator keeps of a patient, as a pure function of its Patient resource: values of several fields combined, each with
// the slot that says what two patients agree in who share its keyed hash. Hashes alone tell how alike two patients are (agreement.h);
// no name, date or number is needed for it, and none of a single field is hashed but national identifiers.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_VALUES_H_
#define CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_VALUES_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/tree.h"
#include "services/exchange/demographics.h"
#include "services/exchange/patient_records.h"

namespace custodian::exchange {

// Stored as numbers: never reuse one. "Given" alone means the given name as written; "familiar" and "formal" meet each other, but not
// two of one kind; of names with one letter left out, "known" (given_names.h) and "other" meet, and "other" each other.
enum class Slot : std::uint8_t {
  kNational = 1,
  kNationalKind,
  kNationalFamily,
  kNationalGiven,
  kNationalLeftOut,  // with birth date
  // With the birth date.
  kFamilyBirth,
  kAnyFamilyBirth,
  kFamilySoundBirth,
  kFamilyLeftOutBirth,
  kGivenBirth,
  kFamiliarBirth,
  kFormalBirth,
  kKnownSoundBirth,
  kOtherSoundBirth,
  kKnownLeftOutBirth,
  kOtherLeftOutBirth,
  kInitialBirth,
  kInitialOfBirth,
  kSexBirth,
  kMiddleBirth,
  kContactBirth,
  kAddressBirth,
  kStreetNumberBirth,
  kStreetSoundBirth,
  kAreaBirth,
  // With both names, or one as written and the other varied.
  kFullName,
  kAnyFullName,
  kGivenFamilyLeftOut,
  kFamilyKnownLeftOut,
  kFamilyOtherLeftOut,
  kSexName,
  kSuffixName,
  // Birth dates that differ in one of year, month and day, or by exchanged digits.
  kNearBirthName,
  kNearBirthGiven,
  kNearBirthFamily,
  // Same month and day in another year.
  kDayName,
  // Contacts and addresses with a name.
  kContactGiven,
  kContactFamily,
  kAddressGiven,
  kAddressFamily,
  kStreetNumberName,
  kStreetSoundName,
  kAreaName,
  // Family and given name in either order, with the birth date.
  kNamesBirth,
  // Given names with up to two letters left out, with the birth date: "known" and "other" meet.
  kKnownTwoLeftOutBirth,
  kOtherTwoLeftOutBirth,
  // Known given names of one length with one letter left out, with the birth date: names alike, as twins' are.
  kAlikeBirth,
  // National identifiers with a digit left out and the given name, for when birth dates differ too.
  kNationalLeftOutGiven,
  // Year of birth with both names.
  kYearName,
  // Names as a scanner sees them (ShapeOf), with the birth date: of given names "known" and "other" meet, and "other" each other.
  kFamilyShapeBirth,
  kKnownShapeBirth,
  kOtherShapeBirth,
  // What a given name on no list may be a typing error of, and what that stands for, with the birth date: they meet "formal" and "familiar".
  kMeantBirth,
  kMeantFormalBirth,
  // The same as kAlikeBirth of what it may be a typing error of: meets kAlikeBirth.
  kMeantAlikeBirth,
  // Any form of the given name with the family names borne now: meets kAnyFullName.
  kBorneFullName,
  // Both names with the month and day and what years have in common that are 10, 50, 60, 80 or hundreds of years apart.
  kDecadeName,
  // Middle initial with the given name and any family name.
  kMiddleName,
  // As kNationalKind, of an identifier that was mistyped beyond doubt: it may confirm another and contradicts none.
  kMistypedNationalKind,
  // Each digit of a national identifier with given name and birth date; and the identifier with its neighbours in the series.
  kNationalDigitNames,
  kNationalNeighbourNames,
};

// Which fields a patient has: what two share or lack decides whether a difference is one.
enum Field : std::uint32_t {
  kHasFamily = 1,
  kHasGiven = 2,
  kHasBirth = 4,
  kHasSex = 8,
  kHasMiddle = 16,
  kHasSuffix = 32,
  kHasContact = 64,
  kHasAddress = 128,
  kHasNational = 256,
  // The given name is on the list of those that people bear (given_names.h), or is not.
  kKnownGiven = 512,
  kOtherGiven = 1024,
  // What it has for a middle name stands with the first given name, which may be one of two words.
  kMiddleInGiven = 2048,
  // Born with others (Patient.multipleBirth[x]).
  kMultipleBirth = 4096,
  // Born on the first of January, which often says that only the year is known.
  kFirstOfYear = 8192,
  // Kept since those two are: without it, their absence says nothing.
  kTellsTwinsAndYears = 16384,
  // A given name that joins its patient to others only where no twin is known: one of one letter, or that may be a mistyped nickname.
  kUnlessTwinGiven = 32768,
  // Kept since kMiddleName is: without it, its absence says nothing.
  kTellsMiddleNames = 65536,
};

struct LocatorValue {
  Slot slot;
  // Hashed as it is, the slot left out.
  std::string text;
};

struct LocatorValues {
  // At most kLocatorValuesMax, each once.
  std::vector<LocatorValue> values;
  std::uint32_t fields = 0;
};

inline constexpr std::size_t kLocatorValuesMax = 256;

[[nodiscard]] LocatorValues LocatorValuesOf(const Demographics& demographics);

// What is stored and compared of a patient.
struct LocatedPatient {
  PatientLink link;
  std::uint32_t fields = 0;
  // Slot (highest byte) and the hash's first 5 bytes, ascending.
  std::vector<std::uint64_t> marks;
  // First 8 bytes of the hashes of those values by which candidates are found, ascending. Full names are among them to be counted.
  std::vector<std::int64_t> keys;
  std::vector<std::int64_t> name_keys;

  // Its tenant registers so many look-alikes that only identifiers and decisions join this one to anybody. No part of what is kept of
  // the patient.
  bool muted = false;
};

// Those of its keys that stand for its names and birth date together.
[[nodiscard]] std::vector<std::int64_t> NamesBirthKeys(const LocatedPatient& located);

// SHA-256 of what is kept of the patient, which is part of it: equal demographics of two patients have different digests.
[[nodiscard]] ledger::Hash LocatorDigest(const LocatedPatient& located);

// 32-byte hashes of up to kLocatorValuesMax texts, in their order.
using HashTexts = std::function<absl::StatusOr<std::vector<std::string>>(std::span<const std::string> texts)>;
// By the key process in what is stored; by PlainHashes for two patients that are compared here and now.
[[nodiscard]] absl::StatusOr<LocatedPatient> Located(const PatientLink& link, const LocatorValues& values, const HashTexts& hash);
[[nodiscard]] absl::StatusOr<std::vector<std::string>> PlainHashes(std::span<const std::string> texts);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_LOCATOR_VALUES_H_
