#include "services/exchange/matching.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "services/exchange/demographics.h"

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
constexpr char kAddress[] = R"("address":[{"line":["12 Larkspur Street"],"city":"Zion","postalCode":"60099"}])";

LocatedPatient Located(const TenantId& tenant, char id, const Json& patient) {
  const MatchValues values = MatchValuesOf(patient);
  LocatedPatient located{{tenant, PatientId::FromBytes(std::string(16, id)).value()},
                         {values.name.begin(), values.name.end()},
                         {values.identifier.begin(), values.identifier.end()},
                         {}};
  for (const auto& [kind, value] : values.national) located.national[kind].insert(value);
  return located;
}
std::string Same(const LocatedPatient& of, const std::vector<LocatedPatient>& all) {
  std::string ids;
  for (const PatientLink& link : CertainlySame(of.link, all)) ids += link.patient.bytes().front();
  std::sort(ids.begin(), ids.end());
  return ids;
}

TEST(Demographics, CaseAccentsAndPunctuationDoNotMatter) {
  EXPECT_EQ(NormalizeName("O'Brien"), "obrien");
  EXPECT_EQ(NormalizeName("O\u2019BRIEN"), "obrien");
  EXPECT_EQ(NormalizeName("Garc\u00EDa-L\u00F3pez"), "garcialopez");
  EXPECT_EQ(NormalizeName("Garcia\u0301 Lopez"), "garcialopez");
  EXPECT_EQ(NormalizeName("Stanis\u0142aw"), "stanislaw");
  EXPECT_EQ(NormalizeName("Gro\u00DFe"), "grosse");
  EXPECT_EQ(NormalizeName("\u0218tefan \u0160koda \u017Divko"), "\u0218tefanskodazivko");
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

TEST(Demographics, WithoutBirthDateOrNameThereIsNothingToMatchBy) {
  EXPECT_TRUE(MatchValuesOf(PatientJson("Roe", "Jane", kAddress, "1970")).name.empty());
  EXPECT_TRUE(MatchValuesOf(PatientJson("", "Jane", std::string(kAddress) + "," + Ssn("123-45-6789"))).identifier.empty());
  EXPECT_TRUE(MatchValuesOf(PatientJson("Roe", "Jane", "")).name.empty());
  EXPECT_TRUE(MatchValuesOf(PatientJson("Roe", "Jane", Ssn("000-00-0000"))).identifier.empty());
}

TEST(Matching, SlightlyDifferentDemographicsAreOnePerson) {
  const auto a = Located(kNorth, 'a', PatientJson("Garc\u00EDa", "Jos\u00E9", kAddress));
  const auto b = Located(kSouth, 'b', PatientJson("GARCIA", "Jose", R"("address":[{"line":["12 LARKSPUR ST"],"city":"Zion"}])"));
  EXPECT_EQ(Same(a, {a, b}), "ab");
  EXPECT_EQ(Same(b, {a, b}), "ab");
  const auto c = Located(kSouth, 'c', PatientJson("Garcia", "Jose", R"("telecom":[{"system":"phone","value":"312-555-0142"}])"));
  EXPECT_EQ(Same(a, {a, c}), "a");
}

TEST(Matching, AnIdentifierCarriesAcrossAMarriageOrANickname) {
  const auto a = Located(kNorth, 'a', PatientJson("Roe", "Elizabeth", Ssn("123-45-6789")));
  const auto married = Located(kSouth, 'b', PatientJson("Doe", "Elizabeth", Ssn("123456789")));
  const auto nickname = Located(kEast, 'c', PatientJson("Roe", "Liz", Ssn("123-45-6789")));
  EXPECT_EQ(Same(a, {a, married, nickname}), "abc");
  const auto both = Located(kSouth, 'd', PatientJson("Doe", "Liz", Ssn("123-45-6789")));
  EXPECT_EQ(Same(a, {a, both}), "a");
  const auto other_birth_date = Located(kSouth, 'e', PatientJson("Roe", "Elizabeth", Ssn("123-45-6789"), "1970-05-04"));
  EXPECT_EQ(Same(a, {a, other_birth_date}), "a");
}

TEST(Matching, MedicalRecordNumbersAreNoEvidence) {
  const char* number =
      R"("identifier":[{"system":"urn:mrn","value":"1234567","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]}}])";
  const auto a = Located(kNorth, 'a', PatientJson("Roe", "Jane", number));
  const auto b = Located(kSouth, 'b', PatientJson("Roe", "Jane", number));
  EXPECT_EQ(Same(a, {a, b}), "a");
}

TEST(Matching, TwinsAreTwoPersons) {
  const std::string address = kAddress;
  const auto a = Located(kNorth, 'a', PatientJson("Roe", "Anna", address + "," + Ssn("123-45-6789")));
  const auto twin = Located(kSouth, 'b', PatientJson("Roe", "Bella", address + "," + Ssn("123-45-6788")));
  EXPECT_EQ(Same(a, {a, twin}), "a");
  const auto same_name = Located(kSouth, 'c', PatientJson("Roe", "Anna", address + "," + Ssn("123-45-6788")));
  EXPECT_EQ(Same(a, {a, same_name}), "a");
  // With their identifiers, the right ones still find each other.
  const auto self = Located(kSouth, 'd', PatientJson("Roe", "Anna", address + "," + Ssn("123-45-6789")));
  EXPECT_EQ(Same(a, {a, same_name, self}), "ad");
}

TEST(Matching, ALookAlikeVetoesWhoHasNoIdentifier) {
  const std::string address = kAddress;
  const auto unknown = Located(kNorth, 'a', PatientJson("Roe", "Anna", address));
  const auto one = Located(kSouth, 'b', PatientJson("Roe", "Anna", address + "," + Ssn("123-45-6789")));
  const auto other = Located(kEast, 'c', PatientJson("Roe", "Anna", address + "," + Ssn("123-45-6788")));
  EXPECT_EQ(Same(unknown, {unknown, one}), "ab");
  EXPECT_EQ(Same(unknown, {unknown, one, other}), "a");
  EXPECT_EQ(Same(one, {unknown, one, other}), "b");
  // Two namesakes at one tenant, whom it keeps apart.
  const auto neighbour = Located(kSouth, 'd', PatientJson("Roe", "Anna", address));
  EXPECT_EQ(Same(unknown, {unknown, one, neighbour}), "a");
}

TEST(Matching, APatientWithoutTokensIsOnlyItself) {
  const auto a = Located(kNorth, 'a', PatientJson("Roe", "Jane", ""));
  EXPECT_EQ(Same(a, {}), "a");
}

}  // namespace
}  // namespace custodian::exchange
