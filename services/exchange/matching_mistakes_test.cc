// What print that was misread and registrations that were mistyped make of a name, a date and a number, and what they must not be taken for.
#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/exchange/given_names.h"
#include "services/exchange/matching.h"
#include "services/exchange/name_text.h"

namespace custodian::exchange {
namespace {

const TenantId kNorth = TenantId::Parse("00000000000000aa").value();
const TenantId kSouth = TenantId::Parse("00000000000000bb").value();
const TenantId kEast = TenantId::Parse("00000000000000cc").value();

constexpr char kAddress[] = R"("address":[{"line":["12 Larkspur Street"],"city":"Zion","postalCode":"60099"}])";
constexpr char kTelephone[] = R"("telecom":[{"system":"phone","value":"312-555-0142"}])";

Json PatientJson(const std::string& family, const std::string& given, const std::string& more = kAddress, const char* birth_date = "1970-04-05") {
  return *Json::Parse(R"({"resourceType":"Patient","gender":"female","birthDate":")" + std::string(birth_date) + R"(","name":[{"family":")" + family +
                      R"(","given":[")" + given + R"("]}])" + (more.empty() ? "" : "," + more) + "}");
}
std::string Ssn(const char* value) {
  return std::string(kAddress) + R"(,"identifier":[{"system":"http://hl7.org/fhir/sid/us-ssn","value":")" + value + "\"}]";
}
LocatedPatient LocatedAt(const TenantId& tenant, char id, const Json& patient) {
  return *Located({tenant, PatientId::FromBytes(std::string(16, id)).value()}, LocatorValuesOf(ReadDemographics(patient)), PlainHashes);
}
// Of a network too small to know how common a name is, and of one where nobody else bears it.
constexpr NameCount kFew{2, 500};
constexpr NameCount kRare{2, 20'000};
Match Of(const Json& a, const Json& b, const NameCount& name = kFew) { return MatchPatients(a.Text(), b.Text(), MatchWeights::Shipped(), name).value(); }
MatchGrade GradeOf(const Json& a, const Json& b, const NameCount& name = kFew) { return Of(a, b, name).grade; }

std::string Same(const LocatedPatient& of, const std::vector<LocatedPatient>& all) {
  const auto few = [](const LocatedPatient&) -> absl::StatusOr<NameCount> { return kFew; };
  const MatchSource everyone{[&](const std::vector<LocatedPatient>&, MatchDecisions&) { return absl::StatusOr<std::vector<LocatedPatient>>(all); }, few};
  const auto judged = CertainlySame(of.link, Gather(of, everyone, MatchWeights::Shipped()).value(), MatchWeights::Shipped(), few);
  EXPECT_TRUE(judged.ok()) << judged.status();
  std::string ids;
  for (const PatientLink& link : judged->same) ids += link.patient.bytes().front();
  std::sort(ids.begin(), ids.end());
  return ids;
}

TEST(Demographics, DigitsInANameAreLettersOfTheirShape) {
  const Demographics of = ReadDemographics(PatientJson("J0hn5on 2nd", "E1iza8eth"));
  EXPECT_THAT(of.family, ::testing::ElementsAre("johnson"));
  EXPECT_THAT(of.given, ::testing::ElementsAre("elizabeth"));
  EXPECT_EQ(of.suffix, "jr");
  EXPECT_EQ(LettersOf("58"), "58") << "no word";
  EXPECT_EQ(LettersOf("smith67"), "smith67");
}

TEST(Matching, NamesThatAScannerMisreadAreTheSameName) {
  EXPECT_EQ(ShapeOf("rnarvin"), ShapeOf("marvin"));
  EXPECT_EQ(ShapeOf("vvetzel"), ShapeOf("wetzel"));
  EXPECT_NE(ShapeOf("marvin"), ShapeOf("martin"));
  EXPECT_EQ(ShapeOf("\u738B"), "\u738B");
  for (const auto& [read, given] : std::vector<std::pair<const char*, const char*>>{{"Davicl", "David"}, {"Rnichacl", "Michael"}, {"Rncgan", "Megan"}})
    EXPECT_EQ(GradeOf(PatientJson("Roe", read), PatientJson("Roe", given)), MatchGrade::kCertain) << given;
  EXPECT_EQ(Of(PatientJson("Clarnpcll", "Anna"), PatientJson("Clampell", "Anna")).agreement.family, Family::kClose);
  // Two names that people bear are two however alike they look, and so are two on no list.
  EXPECT_NE(GradeOf(PatientJson("Roe", "Tina"), PatientJson("Roe", "Lina")), MatchGrade::kCertain);
  EXPECT_NE(GradeOf(PatientJson("Roe", "Zogurnija"), PatientJson("Roe", "Zogumija")), MatchGrade::kCertain);
}

TEST(Matching, ATypingErrorInOneOfTwoSurnamesIsATypingError) {
  EXPECT_EQ(Of(PatientJson("Nguyen-Fultz", "Anna"), PatientJson("Ngyuen Fultz", "Anna")).agreement.family, Family::kClose);
  EXPECT_EQ(Of(PatientJson("Nguyen-Fultz", "Anna"), PatientJson("Fultz", "Anna")).agreement.family, Family::kFormer);
  const std::string elsewhere = R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])";
  EXPECT_EQ(GradeOf(PatientJson("Nguyen-Fultz", "Anna"), PatientJson("Ngyuen-Fultz", "Anna", elsewhere), kRare), MatchGrade::kCertain);
}

TEST(Matching, AMistypedNicknameIsThePersonOfThatNameUnlessATwinIsKnown) {
  EXPECT_THAT(MeantNamesOf("frnkie"), ::testing::Contains("frankie"));
  EXPECT_THAT(MeantNamesOf("frankie"), ::testing::IsEmpty()) << "a name that people bear";
  const auto frances = LocatedAt(kNorth, 'a', PatientJson("Roe", "Frances")), mistyped = LocatedAt(kSouth, 'b', PatientJson("Roe", "Frnkie"));
  const auto twin = LocatedAt(kEast, 'c', PatientJson("Roe", "Ruth"));
  EXPECT_EQ(Same(frances, {frances, mistyped}), "ab");
  EXPECT_EQ(Same(frances, {frances, mistyped, twin}), "a");
  EXPECT_NE(mistyped.fields & kUnlessTwinGiven, 0u) << "judged anew when a twin comes";
  // The formal name mistyped.
  const auto michael = LocatedAt(kNorth, 'd', PatientJson("Roe", "Mihcael")), mike = LocatedAt(kSouth, 'e', PatientJson("Roe", "Mike"));
  EXPECT_EQ(Same(michael, {michael, mike}), "de");
  // A typing error of a name that is alike a twin's, and two nicknames of one name.
  EXPECT_NE(Same(LocatedAt(kNorth, 'f', PatientJson("Roe", "Juvlia")), {LocatedAt(kNorth, 'f', PatientJson("Roe", "Juvlia")), LocatedAt(kSouth, 'g', PatientJson("Roe", "Julie"))}), "fg");
  EXPECT_EQ(Of(PatientJson("Roe", "Frnkie"), PatientJson("Roe", "Fanny")).agreement.given, Given::kDiffers);
}

TEST(Matching, ANumberInWhichTwoDigitsWereMistakenIsClose) {
  const auto national = [](const char* one, const char* other, const char* given = "Anna") {
    return Of(PatientJson("Roe", "Anna", Ssn(one)), PatientJson("Roe", given, Ssn(other))).agreement.national;
  };
  EXPECT_EQ(national("237-78-4785", "236-78-4782"), National::kClose);
  EXPECT_EQ(national("289-22-9888", "289-22-9880"), National::kClose) << "the last";
  EXPECT_EQ(national("289-22-9888", "281-27-9880"), National::kDiffers) << "three";
  // Neighbours in the series are given to twins, whose charts are mistaken for each other.
  EXPECT_EQ(national("289-22-9888", "289-22-9889"), National::kDiffers);
  EXPECT_EQ(national("289-22-9889", "289-22-9890"), National::kDiffers);
  EXPECT_EQ(national("237-78-4785", "236-78-4782", "Ruth"), National::kDiffers) << "a sister's";
  EXPECT_EQ(GradeOf(PatientJson("Roe", "Anna", Ssn("237-78-4785")), PatientJson("Roe", "Anna", Ssn("236-78-4782"))), MatchGrade::kCertain);
}

TEST(Matching, ANumberThatWasMistypedInItsLengthContradictsNobody) {
  const auto national = [](const char* one, const char* other) { return Of(PatientJson("Roe", "Anna", Ssn(one)), PatientJson("Roe", "Anna", Ssn(other))).agreement.national; };
  EXPECT_EQ(national("156-35-3993", "156-35-399"), National::kClose);
  EXPECT_EQ(national("156-35-3993", "412-08-77"), National::kMissing);
  EXPECT_EQ(national("156-35-399", "156-35-399"), National::kSame);
  EXPECT_EQ(national("156-35-3993", "412-08-7765"), National::kDiffers);
  EXPECT_EQ(national("ssn-one-12", "ssn-two-345"), National::kDiffers) << "numbers of another form";
}

TEST(Matching, ADigitOfTheDecadeMistakenIsNearUnlessItIsAGeneration) {
  const auto birth = [](const char* one, const char* other) { return Of(PatientJson("Roe", "Anna", kAddress, one), PatientJson("Roe", "Anna", kAddress, other)).agreement.birth; };
  for (const char* misread : {"1911-04-05", "1921-04-05", "1961-04-05", "1981-04-05", "7971-04-05"}) EXPECT_EQ(birth("1971-04-05", misread), Birth::kNear) << misread;
  EXPECT_EQ(birth("2008-04-05", "2088-04-05"), Birth::kNear);
  for (const char* fathers : {"1951-04-05", "1941-04-05", "1931-04-05", "1948-04-05"}) EXPECT_EQ(birth("1971-04-05", fathers), Birth::kDay) << fathers;
  EXPECT_EQ(GradeOf(PatientJson("Roe", "Anna", kAddress, "1971-04-05"), PatientJson("Roe", "Anna", kAddress, "1911-04-05")), MatchGrade::kCertain);
}

TEST(Matching, AYearAtAnAddressIsOnePersonsByARareNameWithItsMiddleInitial) {
  const auto grade = [](const char* one, const char* other, const NameCount& name, const char* born = "1971-06-17") {
    return GradeOf(PatientJson("Rodney", one, kAddress, born), PatientJson("Rodney", other, kAddress, "1971-01-01"), name);
  };
  EXPECT_EQ(grade("Elmira\",\"Quinn", "Elmira\",\"Q", kRare), MatchGrade::kCertain);
  EXPECT_EQ(grade("Elmira\",\"Quinn", "Elmira\",\"Q", kRare, "1971-01-01"), MatchGrade::kCertain);
  EXPECT_NE(grade("Elmira", "Elmira\",\"Q", kRare), MatchGrade::kCertain);
  EXPECT_NE(grade("Elmira\",\"Quinn", "Elmira\",\"J", kRare), MatchGrade::kCertain);
  EXPECT_NE(grade("Elmira\",\"Quinn", "Elmira\",\"Q", {300, 20'000}), MatchGrade::kCertain) << "a common name";
  EXPECT_NE(grade("Elmira\",\"Quinn", "Elmira\",\"Q", kFew), MatchGrade::kCertain) << "too small a network to know";
  // Of a row of before nobody knows whether its middle initial differs.
  const auto now = LocatedAt(kNorth, 'a', PatientJson("Roe", "Anna\",\"Q", kAddress, "1971-06-17"));
  auto before = LocatedAt(kSouth, 'b', PatientJson("Roe", "Anna\",\"J", kAddress, "1971-06-18"));
  EXPECT_EQ(Compare(now, before).middle, Said::kDiffers);
  before.fields &= ~static_cast<std::uint32_t>(kTellsMiddleNames);
  EXPECT_EQ(Compare(now, before).middle, Said::kMissing);
}

TEST(Matching, OneOfTwoSurnamesWeighsByHowCommonItIsWhereDatesAreNear) {
  const std::string home = std::string(kAddress) + "," + kTelephone;
  const auto grade = [&](const char* family, const NameCount& name) {
    return GradeOf(PatientJson("Roe Miller", "Elizabeth", home, "1971-06-17"), PatientJson(family, "Elizabeth", home, "1971-01-01"), name);
  };
  EXPECT_EQ(grade("Miller", kRare), MatchGrade::kCertain);
  EXPECT_NE(grade("Miller", {300, 20'000}), MatchGrade::kCertain);
  EXPECT_NE(grade("Miller", kFew), MatchGrade::kCertain) << "too small a network to know";
  EXPECT_NE(grade("Roe Smith", kRare), MatchGrade::kCertain) << "a cousin";
}

}  // namespace
}  // namespace custodian::exchange
