#include "services/exchange/matching.h"

#include <algorithm>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/exchange/name_text.h"

namespace custodian::exchange {
namespace {

const TenantId kNorth = TenantId::Parse("00000000000000aa").value();
const TenantId kSouth = TenantId::Parse("00000000000000bb").value();
const TenantId kEast = TenantId::Parse("00000000000000cc").value();

Json PatientJson(const std::string& family, const std::string& given, const std::string& more,
                 const char* birth_date = "1970-04-05") {
  return *Json::Parse(R"({"resourceType":"Patient","gender":"female","birthDate":")" + std::string(birth_date) +
                      R"(","name":[{"use":"official","family":")" + family + R"(","given":[")" + given + R"("]}])" +
                      (more.empty() ? "" : "," + more) + "}");
}
std::string Ssn(const char* value) {
  return R"("identifier":[{"system":"urn:mrn","value":"1234567","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]}},)"
         R"({"system":"http://hl7.org/fhir/sid/us-ssn","value":")" +
         std::string(value) + "\"}]";
}
constexpr char kTelephone[] = R"("telecom":[{"system":"phone","value":"312-555-0142"}])";
constexpr char kAddress[] = R"("address":[{"line":["12 Larkspur Street"],"city":"Zion","postalCode":"60099"}])";

LocatedPatient LocatedAt(const TenantId& tenant, char id, const Json& patient) {
  return *Located({tenant, PatientId::FromBytes(std::string(16, id)).value()}, LocatorValuesOf(ReadDemographics(patient)), PlainHashes);
}
// Of a network too small to know how common a name is.
constexpr NameCount kFew{2, 500};
absl::StatusOr<NameCount> Few(const LocatedPatient&) { return kFew; }
std::string Same(const LocatedPatient& of, const std::vector<LocatedPatient>& all, const MatchDecisions& decisions = {}) {
  const MatchSource everyone{[&](const std::vector<LocatedPatient>&, MatchDecisions& known) {
                               known = decisions;
                               return absl::StatusOr<std::vector<LocatedPatient>>(all);
                             },
                             Few};
  const auto among = Gather(of, everyone, MatchWeights::Shipped());
  EXPECT_TRUE(among.ok()) << among.status();
  const auto judged = CertainlySame(of.link, *among, MatchWeights::Shipped(), Few);
  EXPECT_TRUE(judged.ok()) << judged.status();
  std::string ids;
  for (const PatientLink& link : judged->same) ids += link.patient.bytes().front();
  std::sort(ids.begin(), ids.end());
  return ids;
}
Match Of(const Json& a, const Json& b, const NameCount& name = kFew) { return MatchPatients(a.Text(), b.Text(), MatchWeights::Shipped(), name).value(); }

TEST(Demographics, AHyphenatedGivenNameIsOneNameWithoutAMiddleName) {
  const auto middle = [](const char* given) { return ReadDemographics(PatientJson("Fitzgerald", given, "")).middle; };
  EXPECT_THAT(middle("Mei-Ling"), ::testing::IsEmpty());
  EXPECT_THAT(middle(" Mei-Ling Ann"), ::testing::ElementsAre("a"));
  EXPECT_THAT(middle("Mary Ann"), ::testing::ElementsAre("a"));
  // Nothing but name and birth date then.
  EXPECT_NE(Of(PatientJson("Fitzgerald", "Mei-Ling", kAddress), PatientJson("Fitzgerald", "Mei-Ling", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])")).grade,
            MatchGrade::kCertain);
}

TEST(Demographics, CaseAccentsAndPunctuationDoNotMatter) {
  EXPECT_EQ(NormalizeName("O'Brien"), "obrien");
  EXPECT_EQ(NormalizeName("O\u2019BRIEN"), "obrien");
  EXPECT_EQ(NormalizeName("Garc\u00EDa-L\u00F3pez"), "garcialopez");
  EXPECT_EQ(NormalizeName("Garcia\u0301 Lopez"), "garcialopez");
  EXPECT_EQ(NormalizeName("Stanis\u0142aw"), "stanislaw");
  EXPECT_EQ(NormalizeName("Gro\u00DFe"), "grosse");
  EXPECT_EQ(NormalizeName("\u0218tefan \u0160koda \u017Divko"), "stefanskodazivko");
  EXPECT_EQ(NormalizeName("\u738B"), "\u738B");
}

TEST(Demographics, StreetsAndTelephonesComeOutEqualHoweverTheyAreWritten) {
  EXPECT_EQ(NormalizeStreet("12 North Larkspur Street, Apartment 4"), NormalizeStreet("12 N. LARKSPUR ST APT 4"));
  EXPECT_NE(NormalizeStreet("12 Larkspur Street"), NormalizeStreet("14 Larkspur Street"));
  for (const char* phone : {"+1-312-555-0142", "(312) 555-0142", "312.555.0142", "1 312 555 0142", "312 555 0142 x9"})
    EXPECT_EQ(NormalizePhone(phone), "3125550142") << phone;
  EXPECT_EQ(NormalizePhone("555-555-5555"), "");
  EXPECT_EQ(NormalizePhone("12345"), "");
}

TEST(Demographics, NamesAreReadHoweverTheyAreWritten) {
  const auto read = [](const char* name) {
    return ReadDemographics(*Json::Parse(R"({"resourceType":"Patient","name":[)" + std::string(name) + "]}"));
  };
  Demographics of = read(R"({"family":"Van der Berg-Li\u00F1\u00E1n Jr.","given":["Mary Ann","Q."]})");
  EXPECT_THAT(of.family, ::testing::ElementsAre("vanderberglinan"));
  EXPECT_THAT(of.other_family, ::testing::ElementsAre("berg", "linan"));
  EXPECT_THAT(of.given, ::testing::ElementsAre("maryann", "mary"));
  EXPECT_THAT(of.middle, ::testing::ElementsAre("a", "q"));
  EXPECT_EQ(of.suffix, "jr");
  of = read(R"({"text":"Roe III, Jane"},{"use":"maiden","family":"Doe"},{"use":"anonymous","family":"Nobody"})");
  EXPECT_THAT(of.family, ::testing::ElementsAre("roe"));
  EXPECT_THAT(of.other_family, ::testing::ElementsAre("doe"));
  EXPECT_EQ(of.suffix, "iii");
  for (const char* nobody : {"Baby Boy", "Girl", "Twin B", "Infant"})
    EXPECT_THAT(read((std::string(R"({"family":"Roe","given":[")") + nobody + "\"]}").c_str()).given, ::testing::IsEmpty()) << nobody;
  // A surname of an earlier version is one given up.
  const std::vector<Json> earlier{PatientJson("Miller", "Jane", "")};
  EXPECT_THAT(ReadDemographics(PatientJson("Roe", "Jane", ""), earlier).other_family, ::testing::ElementsAre("miller"));
}

TEST(Demographics, TextThatHasOneMistakeHasAVariantInCommon) {
  const auto meet = [](const char* a, const char* b) {
    const std::vector<std::string> one = OneLeftOut(a, 4), other = OneLeftOut(b, 4);
    return std::find_first_of(one.begin(), one.end(), other.begin(), other.end()) != one.end();
  };
  EXPECT_TRUE(meet("johnson", "jonhson"));
  EXPECT_TRUE(meet("johnson", "johnsen"));
  EXPECT_TRUE(meet("johnson", "johnsn"));
  EXPECT_TRUE(meet("johnson", "johnsoon"));
  EXPECT_FALSE(meet("johnson", "jansen"));
  EXPECT_FALSE(meet("lee", "les"));
  EXPECT_EQ(SoundOf("philips"), SoundOf("phillips"));
  EXPECT_EQ(SoundOf("macdonald"), SoundOf("mcdonald"));
  EXPECT_NE(SoundOf("smith"), SoundOf("jones"));
}

TEST(Demographics, NoValueStandsForOneFieldAlone) {
  const LocatorValues values = LocatorValuesOf(ReadDemographics(PatientJson("Roe", "Jane", std::string(kAddress) + "," + Ssn("123-45-6789"))));
  EXPECT_LE(values.values.size(), kLocatorValuesMax);
  EXPECT_GT(values.values.size(), 20u);
  for (const LocatorValue& value : values.values) {
    EXPECT_GE(std::count(value.text.begin(), value.text.end(), '|'), value.slot == Slot::kNationalKind ? 1 : 2) << value.text;
  }
}

TEST(Matching, SlightlyDifferentDemographicsAreOnePerson) {
  const auto a = LocatedAt(kNorth, 'a', PatientJson("Garc\u00EDa", "Jos\u00E9", kAddress));
  const auto b = LocatedAt(kSouth, 'b', PatientJson("GARCIA", "Jose", R"("address":[{"line":["12 LARKSPUR ST"],"city":"Zion"}])"));
  EXPECT_EQ(Same(a, {a, b}), "ab");
  EXPECT_EQ(Same(b, {a, b}), "ab");
  const auto c = LocatedAt(kSouth, 'c', PatientJson("Garcia", "Jose", R"("telecom":[{"system":"phone","value":"312-555-0142"}])"));
  EXPECT_EQ(Same(a, {a, c}), "a");
}

TEST(Matching, AnIdentifierCarriesAcrossAMarriageOrANickname) {
  const auto a = LocatedAt(kNorth, 'a', PatientJson("Roe", "Elizabeth", Ssn("123-45-6789")));
  const auto married = LocatedAt(kSouth, 'b', PatientJson("Doe", "Elizabeth", Ssn("123456789")));
  const auto nickname = LocatedAt(kEast, 'c', PatientJson("Roe", "Liz", Ssn("123-45-6789")));
  EXPECT_EQ(Same(a, {a, married, nickname}), "abc");
  const auto both = LocatedAt(kSouth, 'd', PatientJson("Doe", "Ruth", Ssn("123-45-6789")));
  EXPECT_EQ(Same(a, {a, both}), "a");
  const auto exchanged = LocatedAt(kSouth, 'e', PatientJson("Roe", "Elizabeth", Ssn("123-45-6789"), "1970-05-04"));
  EXPECT_EQ(Same(a, {a, exchanged}), "ae");
  const auto other_birth_date = LocatedAt(kSouth, 'f', PatientJson("Roe", "Elizabeth", Ssn("123-45-6789"), "1985-11-23"));
  EXPECT_EQ(Same(a, {a, other_birth_date}), "a");
}

TEST(Matching, MedicalRecordNumbersAreNoEvidence) {
  const char* number =
      R"("identifier":[{"system":"urn:mrn","value":"1234567","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]}}])";
  const auto a = LocatedAt(kNorth, 'a', PatientJson("Roe", "Jane", number));
  const auto b = LocatedAt(kSouth, 'b', PatientJson("Roe", "Jane", number));
  EXPECT_EQ(Same(a, {a, b}), "a");
}

TEST(Matching, TwinsAreTwoPersons) {
  const std::string address = kAddress;
  const auto a = LocatedAt(kNorth, 'a', PatientJson("Roe", "Anna", address + "," + Ssn("123-45-6789")));
  const auto twin = LocatedAt(kSouth, 'b', PatientJson("Roe", "Bella", address + "," + Ssn("123-45-6788")));
  EXPECT_EQ(Same(a, {a, twin}), "a");
  const auto same_name = LocatedAt(kSouth, 'c', PatientJson("Roe", "Anna", address + "," + Ssn("123-45-6788")));
  EXPECT_EQ(Same(a, {a, same_name}), "a");
  // With their identifiers, the right ones still find each other.
  const auto self = LocatedAt(kSouth, 'd', PatientJson("Roe", "Anna", address + "," + Ssn("123-45-6789")));
  EXPECT_EQ(Same(a, {a, same_name, self}), "ad");
}

TEST(Matching, ALookAlikeVetoesWhoHasNoIdentifier) {
  const std::string address = kAddress;
  const auto unknown = LocatedAt(kNorth, 'a', PatientJson("Roe", "Anna", address));
  const auto one = LocatedAt(kSouth, 'b', PatientJson("Roe", "Anna", address + "," + Ssn("123-45-6789")));
  const auto other = LocatedAt(kEast, 'c', PatientJson("Roe", "Anna", address + "," + Ssn("123-45-6788")));
  EXPECT_EQ(Same(unknown, {unknown, one}), "ab");
  EXPECT_EQ(Same(unknown, {unknown, one, other}), "a");
  EXPECT_EQ(Same(one, {unknown, one, other}), "b");
  // Two namesakes at one tenant, whom it keeps apart.
  const auto neighbour = LocatedAt(kSouth, 'd', PatientJson("Roe", "Anna", address));
  EXPECT_EQ(Same(unknown, {unknown, one, neighbour}), "a");
}

TEST(Matching, APatientWithoutTokensIsOnlyItself) {
  const auto a = LocatedAt(kNorth, 'a', PatientJson("Roe", "Jane", ""));
  EXPECT_EQ(Same(a, {}), "a");
}

TEST(Matching, EachMistakeIsItsOwnLevel) {
  const std::string address = kAddress;
  const Json jane = PatientJson("Roberts", "Elizabeth", address);
  EXPECT_EQ(Of(jane, PatientJson("Robrets", "Elizabeth", address)).agreement.family, Family::kClose);
  EXPECT_EQ(Of(jane, PatientJson("Roberts-Lopez", "Elizabeth", address)).agreement.family, Family::kFormer);
  EXPECT_EQ(Of(jane, PatientJson("Lopez", "Elizabeth", address)).agreement.family, Family::kDiffers);
  EXPECT_EQ(Of(jane, PatientJson("Roberts", "Liz", address)).agreement.given, Given::kNickname);
  EXPECT_EQ(Of(jane, PatientJson("Roberts", "Elizabteh", address)).agreement.given, Given::kClose);
  EXPECT_EQ(Of(jane, PatientJson("Roberts", "E", address)).agreement.given, Given::kClose);
  EXPECT_EQ(Of(jane, PatientJson("Roberts", "Elizabeth", address, "1970-05-04")).agreement.birth, Birth::kNear);
  EXPECT_EQ(Of(jane, PatientJson("Roberts", "Elizabeth", address, "1970-04-06")).agreement.birth, Birth::kNear);
  EXPECT_EQ(Of(jane, PatientJson("Roberts", "Elizabeth", address, "1907-04-05")).agreement.birth, Birth::kNear);
  EXPECT_EQ(Of(jane, PatientJson("Roberts", "Elizabeth", address, "1943-04-05")).agreement.birth, Birth::kDay);
  EXPECT_EQ(Of(jane, PatientJson("Roberts", "Elizabeth", address, "1943-08-25")).agreement.birth, Birth::kDiffers);
  EXPECT_EQ(Of(jane, PatientJson("Roberts", "Elizabeth", R"("address":[{"line":["12 Larkspur Str."],"postalCode":"60099-1234"}])"))
                .agreement.contact,
            Contact::kAddress);
  EXPECT_EQ(Of(jane, PatientJson("Roberts", "Elizabeth", R"("address":[{"line":["12 Larkspru St"],"postalCode":"60099"}])"))
                .agreement.contact,
            Contact::kStreet);
  EXPECT_EQ(Of(jane, PatientJson("Roberts", "Elizabeth", R"("address":[{"line":["7 Elm St"],"postalCode":"60099"}])")).agreement.contact,
            Contact::kArea);
  EXPECT_EQ(Of(PatientJson("Roe", "Jane", Ssn("123-45-6789")), PatientJson("Roe", "Jane", Ssn("123-54-6789"))).agreement.national,
            National::kClose);
  EXPECT_EQ(Of(PatientJson("Roe", "Jane", Ssn("123-45-6789")), PatientJson("Roe", "Jane", Ssn("321-46-6789"))).agreement.national,
            National::kClose);
  EXPECT_EQ(Of(PatientJson("Roe", "Jane", Ssn("123-45-6789")), PatientJson("Roe", "Jane", Ssn("123-54-6789"), "1970-04-06")).agreement.national,
            National::kClose);
  EXPECT_EQ(Of(PatientJson("Roe", "Jane", Ssn("123-45-6788")), PatientJson("Roe", "Jane", Ssn("123-45-6789"))).agreement.national,
            National::kDiffers);
}

TEST(Matching, GivenNamesThatAreAlikeAreTwoTwinsAndNoTypingError) {
  const std::string address = kAddress;
  EXPECT_EQ(Of(PatientJson("Roe", "Maria", address), PatientJson("Roe", "Marie", address)).agreement.given, Given::kDiffers);
  EXPECT_NE(Of(PatientJson("Roe", "Maria", address), PatientJson("Roe", "Marie", address)).grade, MatchGrade::kCertain);
  EXPECT_EQ(Of(PatientJson("Roe", "Maria", address), PatientJson("Roe", "Mraia", address)).grade, MatchGrade::kCertain);
}

TEST(Matching, TwinsNamesAreNoMistakes) {
  const std::string address = kAddress;
  const auto grade = [&](const char* one, const char* other, const std::string& more = "") {
    return Of(PatientJson("Roe", one, address + more), PatientJson("Roe", other, address + more)).grade;
  };
  // One stands for the other in the list of nicknames; an initial; names that are on no list.
  EXPECT_NE(grade("Anna", "Anne"), MatchGrade::kCertain);
  EXPECT_NE(grade("E", "Elizabeth"), MatchGrade::kCertain);
  EXPECT_NE(grade("Zogudjia", "Zogudjla"), MatchGrade::kCertain);
  EXPECT_EQ(grade("Liz", "Elizabeth"), MatchGrade::kCertain);
  EXPECT_EQ(grade("Anna Q", "Anne Q"), MatchGrade::kCertain);
  EXPECT_NE(grade("Zogudjia Q", "Zogudjla Q"), MatchGrade::kCertain);
  // A mother's number on both of her newborn twins.
  const std::string number = "," + Ssn("123-45-6789");
  EXPECT_NE(grade("Anna", "Ruth", number), MatchGrade::kCertain);
  EXPECT_EQ(grade("Elizabeth", "Eilzbaeht", number), MatchGrade::kCertain);
  EXPECT_EQ(grade("Anna", "Anne", number), MatchGrade::kCertain);
}

TEST(Matching, AnInitialIsThePersonOfThatNameUnlessATwinIsKnown) {
  const auto elizabeth = LocatedAt(kNorth, 'a', PatientJson("Roe", "Elizabeth", kAddress));
  const auto initial = LocatedAt(kSouth, 'b', PatientJson("Roe", "E", kAddress));
  const auto twin = LocatedAt(kEast, 'c', PatientJson("Roe", "Ruth", kAddress));
  EXPECT_EQ(Same(elizabeth, {elizabeth, initial}), "ab");
  EXPECT_EQ(Same(initial, {elizabeth, initial}), "ab");
  EXPECT_EQ(Same(elizabeth, {elizabeth, initial, twin}), "a");
  EXPECT_EQ(Same(initial, {elizabeth, initial, twin}), "b");
  // The twin has the same initial.
  const auto emma = LocatedAt(kEast, 'd', PatientJson("Roe", "Emma", kAddress));
  EXPECT_EQ(Same(initial, {elizabeth, initial, emma}), "b");
  EXPECT_EQ(Same(elizabeth, {elizabeth, initial, emma}), "a");
  // Nor may a twin be overlooked whose registration is muted.
  auto muted = twin;
  muted.muted = true;
  EXPECT_EQ(Same(elizabeth, {elizabeth, initial, muted}), "a");
  // Of a row of before that is kept, nobody knows whether it is a twin's.
  auto former = initial;
  former.fields &= ~static_cast<std::uint32_t>(kTellsTwinsAndYears);
  EXPECT_EQ(Same(elizabeth, {elizabeth, former}), "a");
  // Of more candidates than are told, one may be a twin.
  std::vector<LocatedPatient> crowd(kCandidatesMax, LocatedAt(kEast, 'h', PatientJson("Poe", "Ruth", kAddress, "1980-11-12")));
  crowd.push_back(elizabeth);
  crowd.push_back(initial);
  EXPECT_EQ(Same(elizabeth, crowd), "a");
  const auto another = LocatedAt(kSouth, 'i', PatientJson("Roe", "M\",\"Q", kAddress));
  EXPECT_EQ(Same(elizabeth, {elizabeth, another}), "a") << "an initial that is not hers";
  const auto neighbour = LocatedAt(kSouth, 'g', PatientJson("Poe", "E", kAddress));
  EXPECT_EQ(Same(elizabeth, {elizabeth, neighbour}), "a");
}

TEST(Matching, ANameOnNoListIsNoMistakeForAnother) {
  // Sisters with their father's name for a middle name; and of one first letter.
  for (const char* other : {"Vaidehi", "Mithila"}) {
    const auto maya = LocatedAt(kNorth, 'a', PatientJson("Rao", "Maya\",\"Kiran", kAddress)), sister = LocatedAt(kSouth, 'b', PatientJson("Rao", other + std::string("\",\"Kiran"), kAddress));
    EXPECT_EQ(Same(maya, {maya, sister}), "a") << other;
    EXPECT_EQ(Same(sister, {maya, sister}), "b") << other;
  }
  EXPECT_NE(Of(PatientJson("Rao", "Maya", std::string(kAddress) + "," + Ssn("123-45-6789")), PatientJson("Rao", "Vaidehi", std::string(kAddress) + "," + Ssn("123-45-6789"))).grade,
            MatchGrade::kCertain)
      << "their mother's number";
}

TEST(Matching, WhoIsSaidToBeATwinHasNoNickname) {
  const std::string twin = std::string(kAddress) + R"(,"multipleBirthInteger":2)";
  EXPECT_EQ(Of(PatientJson("Roe", "Jonathan", kAddress), PatientJson("Roe", "John", kAddress)).grade, MatchGrade::kCertain);
  EXPECT_NE(Of(PatientJson("Roe", "Jonathan", twin), PatientJson("Roe", "John", kAddress)).grade, MatchGrade::kCertain);
  EXPECT_EQ(Of(PatientJson("Roe", "Jonathan", twin), PatientJson("Roe", "Jonathan", kAddress)).grade, MatchGrade::kCertain);
  EXPECT_EQ(Of(PatientJson("Roe", "Jonathan Q", twin), PatientJson("Roe", "John Q", kAddress)).grade, MatchGrade::kCertain);
  const auto initial = LocatedAt(kNorth, 'a', PatientJson("Roe", "J", twin)), john = LocatedAt(kSouth, 'b', PatientJson("Roe", "John", kAddress));
  EXPECT_EQ(Same(initial, {initial, john}), "a");
}

TEST(Matching, ANumberInCommonTellsNamesAlikeFromATwins) {
  const std::string number = std::string(kAddress) + "," + Ssn("123-45-6789");
  const auto grade = [&](const char* one, const char* other) { return Of(PatientJson("Roe", one, number), PatientJson("Roe", other, number)).grade; };
  EXPECT_EQ(grade("Catherine", "Cathrine"), MatchGrade::kCertain);
  EXPECT_EQ(grade("Danielle", "Daniele"), MatchGrade::kCertain);
  EXPECT_NE(grade("Catherine", "Margaret"), MatchGrade::kCertain);
  EXPECT_NE(grade("Catherine\",\"Q", "Cathrine\",\"J"), MatchGrade::kCertain);
  // A mother's number on both of her twins, whom one tenant keeps.
  const auto catherine = LocatedAt(kNorth, 'a', PatientJson("Roe", "Catherine", number)), cathrine = LocatedAt(kNorth, 'b', PatientJson("Roe", "Cathrine", number));
  EXPECT_EQ(Same(catherine, {catherine, cathrine}), "a");
}

TEST(Matching, WhereATenantKeepsTwoThoseOfOneGivenNameRemainTogether) {
  const auto john = LocatedAt(kNorth, 'a', PatientJson("Roe", "John", kAddress)), jonathan = LocatedAt(kNorth, 'b', PatientJson("Roe", "Jonathan", kAddress));
  const auto again = LocatedAt(kSouth, 'c', PatientJson("Roe", "John", kAddress));
  EXPECT_EQ(Same(john, {john, jonathan, again}), "ac");
  EXPECT_EQ(Same(jonathan, {john, jonathan, again}), "b");
}

TEST(Matching, TheDayBeforeTheFirstOfAMonthIsNear) {
  const auto birth = [](const char* one, const char* other) { return Of(PatientJson("Roe", "Elizabeth", kAddress, one), PatientJson("Roe", "Elizabeth", kAddress, other)).agreement.birth; };
  EXPECT_EQ(birth("1970-04-01", "1970-03-31"), Birth::kNear);
  EXPECT_EQ(birth("1970-01-01", "1969-12-31"), Birth::kMissing) << "stands for no date";
  EXPECT_EQ(birth("1972-01-01", "1971-12-31"), Birth::kNear);
  EXPECT_EQ(birth("1970-04-01", "1970-03-30"), Birth::kDiffers);
}

TEST(Matching, TheFirstOfJanuaryMayStandForTheYear) {
  const std::string home = std::string(kAddress) + "," + kTelephone;
  const Json known = PatientJson("Roe", "Elizabeth", home, "1971-06-17"), year = PatientJson("Roe", "Elizabeth", home, "1971-01-01");
  EXPECT_EQ(Of(known, year).agreement.birth, Birth::kNear);
  EXPECT_EQ(Of(known, year).grade, MatchGrade::kCertain);
  EXPECT_EQ(Of(known, PatientJson("Roe", "Elizabeth", home, "1972-01-01")).agreement.birth, Birth::kDiffers);
  EXPECT_EQ(Of(year, PatientJson("Roe", "Elizabeth", home, "1972-01-01")).agreement.birth, Birth::kDiffers) << "two years";
  EXPECT_EQ(Of(known, PatientJson("Roe", "Elizabeth", home, "1971-08-22")).agreement.birth, Birth::kDiffers);
  // One of two surnames.
  EXPECT_EQ(Of(PatientJson("Roe Miller", "Elizabeth", kAddress, "1971-06-17"), PatientJson("Miller", "Liz", kAddress, "1971-06-18")).grade, MatchGrade::kCertain);
  // Sisters.
  EXPECT_NE(Of(PatientJson("Roe", "Kathleen", kAddress, "1971-06-17"), PatientJson("Roe", "Cathy", kAddress, "1972-06-17")).grade, MatchGrade::kCertain);
  const std::string number = std::string(kAddress) + "," + Ssn("123-45-6789");
  EXPECT_EQ(Of(PatientJson("Roe Miller", "Elizabeth", number, "1971-06-17"), PatientJson("Miller", "Elizabeth", number, "1971-01-01")).grade, MatchGrade::kCertain);
  EXPECT_EQ(Of(PatientJson("Roe Miller", "Elizabeth", home, "1971-06-17"), PatientJson("Miller", "Elizabeth", home, "1971-01-01")).grade, MatchGrade::kProbable);
  // Of two such nobody knows that they were born on one day.
  const auto alone = [](const char* born) {
    return Of(PatientJson("Roe", "Elizabeth", kAddress, born), PatientJson("Roe", "Elizabeth", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])", born), {2, 100'000}).grade;
  };
  EXPECT_EQ(alone("1971-06-17"), MatchGrade::kCertain);
  EXPECT_NE(alone("1971-01-01"), MatchGrade::kCertain);
}

TEST(Matching, AYearOfBirthAndAShelterAreSharedByManyOfAName) {
  const auto grade = [](const char* one, const char* other, const NameCount& name, const std::string& more = "") {
    const std::string shelter = R"("address":[{"line":["100 Mission Street"],"city":"Zion","postalCode":"60099"}])" + more;
    return Of(PatientJson("Mohamed", "Abdi", shelter, one), PatientJson("Mohamed", "Abdi", shelter, other), name).grade;
  };
  for (const NameCount& name : {NameCount{2, 500}, NameCount{2, 20'000}, NameCount{300, 20'000}}) {
    EXPECT_NE(grade("1971-01-01", "1971-06-17", name), MatchGrade::kCertain);
    EXPECT_NE(grade("1971-01-01", "1971-01-01", name), MatchGrade::kCertain);
  }
  EXPECT_EQ(grade("1971-01-01", "1971-01-01", kFew, std::string(",") + kTelephone), MatchGrade::kCertain);
  EXPECT_NE(grade("1971-01-01", "1971-01-01", {300, 20'000}, std::string(",") + kTelephone), MatchGrade::kCertain) << "the shelter's telephone";
  EXPECT_EQ(grade("1971-01-01", "1971-01-01", {300, 20'000}, "," + Ssn("123-45-6789")), MatchGrade::kCertain);
  EXPECT_EQ(grade("1971-06-17", "1971-06-17", kFew), MatchGrade::kCertain);
}

TEST(Matching, ANameBetweenThoseOfTwinsJoinsThemNot) {
  const auto kristen = LocatedAt(kNorth, 'a', PatientJson("Roe", "Kristen", kAddress));
  const auto again = LocatedAt(kSouth, 'b', PatientJson("Roe", "Kristen", kAddress));
  const auto mistyped = LocatedAt(kEast, 'c', PatientJson("Roe", "Kristxn", kAddress));
  const auto kristin = LocatedAt(TenantId::Parse("00000000000000dd").value(), 'd', PatientJson("Roe", "Kristin", kAddress));
  EXPECT_EQ(Same(kristen, {kristen, again, mistyped}), "abc");
  EXPECT_EQ(Same(kristen, {kristen, again, mistyped, kristin}), "ab");
  EXPECT_EQ(Same(mistyped, {kristen, again, mistyped, kristin}), "c");
  EXPECT_EQ(Same(kristin, {kristen, again, mistyped, kristin}), "d");
}

TEST(Matching, ExchangedNamesAreOnePerson) {
  const auto a = LocatedAt(kNorth, 'a', PatientJson("Roe", "Elizabeth", kAddress));
  const auto b = LocatedAt(kSouth, 'b', PatientJson("Elizabeth", "Roe", kAddress));
  EXPECT_EQ(Same(a, {a, b}), "ab");
}

TEST(Matching, ANewSurnameAtTheSameAddressIsAMarriageOfWhoWasBornThatDay) {
  const auto grade = [](const char* family, const char* given, const char* more = kAddress, const char* born = "1970-04-05") {
    return Of(PatientJson("Roe", "Elizabeth Q", kAddress), PatientJson(family, given, more, born)).grade;
  };
  EXPECT_EQ(grade("Miller", "Elizabeth Q"), MatchGrade::kCertain);
  EXPECT_EQ(grade("Miller", "Elizabeth"), MatchGrade::kCertain);
  EXPECT_EQ(grade("Miller", "Liz"), MatchGrade::kCertain);
  EXPECT_NE(grade("Miller", "Elizabeth", kAddress, "1970-04-06"), MatchGrade::kCertain) << "somebody else who lives there";
  EXPECT_NE(grade("Miller", "Elizabeth", R"("address":[{"line":["14 Larkspur Street"],"city":"Zion","postalCode":"60099"}])"), MatchGrade::kCertain) << "a neighbour";
  EXPECT_NE(Of(PatientJson("Roe", "Elizabeth\",\"Q", kAddress), PatientJson("Miller", "Elizabeth\",\"J", kAddress)).grade, MatchGrade::kCertain);
}

TEST(Matching, ANicknameAloneIsCertainOnlyWhereNobodyElseBearsEitherName) {
  const Json formal = PatientJson("Roe", "Elizabeth", kAddress), familiar = PatientJson("Roe", "Liz", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])");
  const auto grade = [&](const NameCount& elizabeth, const NameCount& liz) {
    const auto one = LocatedAt(kNorth, 'a', formal), other = LocatedAt(kSouth, 'b', familiar);
    return CountedMatchOf(one, other, MatchWeights::Shipped(), [&](const LocatedPatient& of) -> absl::StatusOr<NameCount> { return of.link == one.link ? elizabeth : liz; })
        ->grade;
  };
  EXPECT_EQ(grade({1, 20'000, 1}, {1, 20'000, 1}), MatchGrade::kCertain);
  EXPECT_NE(grade({4, 20'000, 1}, {1, 20'000, 1}), MatchGrade::kCertain);
  EXPECT_NE(grade({1, 20'000, 1}, {4, 20'000, 1}), MatchGrade::kCertain);
  EXPECT_NE(grade({1, 500, 1}, {1, 500, 1}), MatchGrade::kCertain) << "too small a network to know";
}

TEST(Matching, GivenNamesOfTwoWordsMeetTheirFirstAndTwinsByTheirSecondDoNot) {
  const auto grade = [](const char* one, const char* other) { return Of(PatientJson("Roe", one, kAddress), PatientJson("Roe", other, kAddress)).grade; };
  EXPECT_EQ(grade("Stacyjoan", "Stacy"), MatchGrade::kCertain);
  EXPECT_EQ(grade("Stacyjoan", "Stacy Joan"), MatchGrade::kCertain);
  EXPECT_NE(grade("Stacy Joan", "Stacy Ruth"), MatchGrade::kCertain);
  // A middle name of its own need not be the second word.
  EXPECT_EQ(Of(PatientJson("Roe", "Stacy Joan", kAddress), PatientJson("Roe", "Stacy\",\"Ruth", kAddress)).agreement.middle, Said::kMissing);
  EXPECT_EQ(Of(PatientJson("Roe", "Stacy J", kAddress), PatientJson("Roe", "Stacy\",\"Ruth", kAddress)).agreement.middle, Said::kDiffers);
}

TEST(Matching, NameAndBirthDateAloneAreCertainOnlyWhereTheNameIsKnownToBeRare) {
  const Json a = PatientJson("Roe", "Jane", kAddress), b = PatientJson("Roe", "Jane", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])");
  EXPECT_EQ(Of(a, b, {2, 500}).grade, MatchGrade::kProbable) << "too small a network to know";
  EXPECT_EQ(Of(a, b, {2, 100'000}).grade, MatchGrade::kCertain);
  EXPECT_EQ(Of(a, b, {3, 100'000, 3}).grade, MatchGrade::kCertain) << "three of one person";
  EXPECT_EQ(Of(a, b, {40, 100'000}).grade, MatchGrade::kProbable) << "a common name";
  EXPECT_EQ(Of(a, b, {5, 100'000}).grade, MatchGrade::kProbable) << "three others bear it";
  EXPECT_EQ(Of(a, PatientJson("Roe", "Jane", "", "1970-05-04"), {2, 100'000}).grade, MatchGrade::kProbable);
  EXPECT_EQ(Of(PatientJson("Roe", "Jane", ""), PatientJson("Poe", "Anna", "", "1991-01-02")).grade, MatchGrade::kNone);
}

TEST(Matching, ACommonNameWeighsLess) {
  const Json a = PatientJson("Roe", "Jane", ""), b = PatientJson("Roe", "Jane", "");
  const Agreement same = Of(a, b).agreement;
  EXPECT_GT(ScoreOf(same, MatchWeights::Shipped(), {1, 1'000'000}), ScoreOf(same, MatchWeights::Shipped(), {900, 1'000'000}) + 8);
}

TEST(Matching, PeopleDecide) {
  const auto a = LocatedAt(kNorth, 'a', PatientJson("Roe", "Jane", kAddress));
  const auto b = LocatedAt(kSouth, 'b', PatientJson("Roe", "Jane", kAddress));
  const auto c = LocatedAt(kEast, 'c', PatientJson("Poe", "Joan", "", "1990-01-02"));
  const auto pair = [](const LocatedPatient& one, const LocatedPatient& other) { return std::pair(std::minmax(one.link, other.link)); };
  EXPECT_EQ(Same(a, {a, b, c}), "ab");
  EXPECT_EQ(Same(a, {a, b, c}, {{pair(b, c)}, {}}), "abc");
  EXPECT_EQ(Same(a, {a, b, c}, {{}, {}, {pair(b, c)}}), "abc");
  EXPECT_EQ(Same(a, {a, b, c}, {{}, {pair(a, b)}}), "a");
  // Whoever is unlinked from one of them is not joined again by way of another.
  const auto d = LocatedAt(kEast, 'd', PatientJson("Roe", "Jane", kAddress));
  EXPECT_EQ(Same(a, {a, b, d}, {{}, {pair(a, b)}}), "a");
}

// Whoever registers somebody with the numbers of two patients of another tenant joins neither with the other, nor takes from them whom they are certainly.
TEST(Matching, ABearerOfTwoPatientsNumbersJoinsThemNot) {
  const auto numbers = [](const std::vector<std::pair<const char*, const char*>>& values) {
    std::string text;
    for (const auto& [system, value] : values)
      text += std::string(text.empty() ? "" : ",") + R"({"system":")" + system + R"(","value":")" + value + "\"}";
    return std::string(kAddress) + R"(,"identifier":[)" + text + "]";
  };
  constexpr char kSsn[] = "http://hl7.org/fhir/sid/us-ssn";
  constexpr char kMedicare[] = "http://hl7.org/fhir/sid/us-mbi";
  const auto a1 = LocatedAt(kNorth, 'a', PatientJson("Roe", "Anna", numbers({{kSsn, "123-45-6789"}})));
  const auto a2 = LocatedAt(kNorth, 'b', PatientJson("Roe", "Anna", numbers({{kMedicare, "1EG4-TE5-MK73"}})));
  const auto bridge = LocatedAt(kSouth, 'x', PatientJson("Roe", "Anna", numbers({{kSsn, "123-45-6789"}, {kMedicare, "1EG4-TE5-MK73"}})));
  const auto self = LocatedAt(kEast, 'c', PatientJson("Roe", "Anna", numbers({{kSsn, "123-45-6789"}})));
  EXPECT_EQ(Same(a1, {a1, bridge}), "ax");
  EXPECT_EQ(Same(a1, {a1, a2, bridge}), "a");
  EXPECT_EQ(Same(bridge, {a1, a2, bridge}), "x");
  EXPECT_EQ(Same(a1, {a1, a2, bridge, self}), Same(a1, {a1, a2, self}));
  // Their own tenant's merge does.
  const std::pair<PatientLink, PatientLink> pair = std::minmax(a1.link, a2.link);
  EXPECT_EQ(Same(a1, {a1, a2, bridge}, {{}, {}, {pair}}), "abx");
}

TEST(Matching, AMutedPatientNeitherMatchesNorVetoes) {
  const auto a = LocatedAt(kNorth, 'a', PatientJson("Roe", "Jane", kAddress));
  const auto b = LocatedAt(kSouth, 'b', PatientJson("Roe", "Jane", kAddress));
  auto x = LocatedAt(kEast, 'x', PatientJson("Roe", "Jane", kAddress));
  auto y = LocatedAt(kEast, 'y', PatientJson("Roe", "Jane", kAddress));
  EXPECT_EQ(Same(a, {a, b, x, y}), "a");
  x.muted = y.muted = true;
  EXPECT_EQ(Same(a, {a, b, x, y}), "ab");
  EXPECT_EQ(Same(x, {a, b, x, y}), "x");
}

TEST(MatchWeights, AreReadAsTheyAreWritten) {
  const auto read = MatchWeights::Parse(MatchWeights::Shipped().Csv());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->Csv(), MatchWeights::Shipped().Csv());
  const std::string csv = MatchWeights::Shipped().Csv();
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{{"field,level", "level,field"},
                                                                                {"sex,same,", "sex,equal,"},
                                                                                {"sex,same,0.99", "sex,same,1.5"},
                                                                                {"sex,same,0.99", "sex,same,0"},
                                                                                {"sex,same,", "sex,differs,"},
                                                                                {"grade,certain,27", "grade,certain,1"},
                                                                                {"grade,certain,27,\n", ""}}) {
    std::string broken = csv;
    const auto at = broken.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    broken.replace(at, from.size(), to);
    EXPECT_FALSE(MatchWeights::Parse(broken).ok()) << to;
  }
}

}  // namespace
}  // namespace custodian::exchange
