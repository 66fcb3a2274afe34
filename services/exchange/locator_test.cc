#include "services/exchange/locator.h"

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/exchange/locator_store.h"
#include "services/exchange/test_world.h"

namespace custodian::exchange {
namespace {

class LocatorTest : public ::testing::Test {
 public:
  static void SetUpTestSuite() { world_ = new TestWorld(); }
  static void TearDownTestSuite() { delete world_; }

  static PatientLink Link(const std::string& tenant) { return {world_->partition(tenant).tenant.id, PatientId::Random()}; }
  static absl::Status Register(const PatientLink& link, const std::string& family, const std::string& more) {
    return world_->locator().Register(
        link, absl::StrCat(Person(family), more, "}"));
  }
  // A woman of a given name and birth date that no other test's has: they share a database.
  static std::string Person(const std::string& family) {
    static const std::vector<std::string> names{"Jane",  "Ruth",   "Olga",  "Vera",   "Carmen", "Ingrid", "Fatima",
                                                "Xenia", "Tamsin", "Doris", "Harriet", "Selma",  "Wanda",  "Zoe"};
    const auto number = static_cast<std::size_t>(::testing::UnitTest::GetInstance()->current_test_info()->line());
    return absl::StrCat(R"({"resourceType":"Patient","gender":"female","birthDate":")", 1930 + number % 70, "-0", 1 + number % 9, "-1",
                        number % 10, R"(","name":[{"family":")", family, R"(","given":[")", names[number % names.size()], R"("]}],)");
  }
  static std::size_t SameAs(const PatientLink& link) {
    const auto same = world_->locator().SamePerson(link);
    EXPECT_TRUE(same.ok()) << same.status();
    return same->size();
  }
  static Locator& locator() { return world_->locator(); }
  static inline TestWorld* world_ = nullptr;
  static constexpr char kAddress[] = R"("address":[{"line":["12 Larkspur Street"],"city":"Zion"}])";
};

TEST_F(LocatorTest, FindsAPersonAtTwoTenantsAndRegistersIdempotently) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(alpha, "Garc\u00EDa", kAddress).ok());
  EXPECT_EQ(SameAs(alpha), 1u);
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(Register(beta, "GARCIA", R"("address":[{"line":["12 LARKSPUR ST."],"city":"Zion"}])").ok());
  EXPECT_EQ(SameAs(alpha), 2u);
  EXPECT_EQ(SameAs(beta), 2u);
  EXPECT_EQ(*world_->locator().SamePerson(alpha), *world_->locator().SamePerson(beta));
}

TEST_F(LocatorTest, ACorrectionReplacesWhatWasKnown) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(alpha, "Correction", kAddress).ok());
  ASSERT_TRUE(Register(beta, "Correction", kAddress).ok());
  EXPECT_EQ(SameAs(alpha), 2u);
  ASSERT_TRUE(Register(beta, "Correction", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])").ok());
  EXPECT_EQ(SameAs(alpha), 1u);
}

TEST_F(LocatorTest, KnowsNothingOfStrangers) {
  EXPECT_EQ(SameAs(Link("alpha")), 1u);
  EXPECT_FALSE(world_->locator().Register(Link("alpha"), R"({"resourceType":"Group"})").ok());
}

TEST_F(LocatorTest, NothingReadableIsStored) {
  const PatientLink link = Link("alpha");
  ASSERT_TRUE(
      Register(link, "Readable",
               absl::StrCat(kAddress, R"(,"identifier":[{"system":"http://hl7.org/fhir/sid/us-ssn","value":"123-45-6789"}])"))
          .ok());
  EXPECT_EQ(world_->network().One(absl::StrCat("SELECT octet_length(marks) > 100 AND cardinality(keys) > 5 AND cardinality(name_keys) = 1 "
                                               "FROM locator.patient WHERE patient_id = '\\x",
                                               link.patient.hex(), "'")),
            "t");
  EXPECT_EQ(world_->network().One("SELECT count(*) FROM locator.patient p WHERE p::text ILIKE '%readable%' OR encode(marks, 'escape') "
                                  "ILIKE '%readable%' OR encode(marks, 'escape') LIKE '%6789%'"),
            "0");
}

// Whom FollowChanges hands out; each time failing at `failing`.
std::vector<PatientLink> Followed(const PatientLink& cause, const std::optional<PatientLink>& failing = std::nullopt) {
  std::vector<PatientLink> followed;
  const absl::Status status = LocatorTest::locator().FollowChanges(cause, [&](const PatientLink& link) -> absl::Status {
    if (link == failing) return absl::UnavailableError("away");
    followed.push_back(link);
    return absl::OkStatus();
  });
  EXPECT_EQ(status.ok(), !failing.has_value());
  return followed;
}

TEST_F(LocatorTest, ARegistrationTellsOfEveryoneItConcernsUntilThatWasFollowed) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(alpha, "Follower", kAddress).ok());
  EXPECT_THAT(Followed(alpha), ::testing::ElementsAre(alpha));
  EXPECT_THAT(Followed(alpha), ::testing::IsEmpty());
  ASSERT_TRUE(Register(beta, "Follower", kAddress).ok());
  EXPECT_THAT(Followed(alpha), ::testing::IsEmpty()) << "what beta caused is handed out with beta";
  // What fails is handed out again, what was done is not.
  EXPECT_THAT(Followed(beta, beta), ::testing::ElementsAre(alpha));
  EXPECT_THAT(Followed(beta), ::testing::ElementsAre(beta));
  // The same again changes nothing; a correction tells of those it unlinks.
  ASSERT_TRUE(Register(beta, "Follower", kAddress).ok());
  EXPECT_THAT(Followed(beta), ::testing::IsEmpty());
  ASSERT_TRUE(Register(beta, "Unfollowed", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])").ok());
  EXPECT_THAT(Followed(beta), ::testing::ElementsAre(alpha, beta));
}

TEST_F(LocatorTest, ALinkWantsBothTenantsAndAnUnlinkOne) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(alpha, "Decided", kAddress).ok());
  ASSERT_TRUE(Register(beta, "Undecided", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])").ok());
  Followed(alpha);
  Followed(beta);
  ASSERT_TRUE(LocatorTest::locator().Decide(alpha, beta, /*link=*/true, 5).ok());
  EXPECT_EQ(SameAs(alpha), 1u);
  ASSERT_TRUE(LocatorTest::locator().Decide(beta, alpha, /*link=*/true, 9).ok());
  EXPECT_EQ(SameAs(alpha), 2u);
  EXPECT_EQ(SameAs(beta), 2u);
  EXPECT_THAT(Followed(beta), ::testing::ElementsAre(alpha, beta));
  ASSERT_TRUE(LocatorTest::locator().Decide(alpha, beta, /*link=*/false, 6).ok());
  EXPECT_EQ(SameAs(beta), 1u);
  EXPECT_THAT(Followed(alpha), ::testing::ElementsAre(alpha, beta));
  // An older entry that arrives again changes nothing.
  ASSERT_TRUE(LocatorTest::locator().Decide(alpha, beta, /*link=*/true, 5).ok());
  EXPECT_EQ(SameAs(beta), 1u);
  EXPECT_FALSE(LocatorTest::locator().Decide(alpha, alpha, /*link=*/true, 7).ok());
}

TEST_F(LocatorTest, MergedChartsAreOnePersonUntilTheyAreUnmerged) {
  const PatientLink one = Link("alpha"), other = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(one, "Merged", kAddress).ok());
  ASSERT_TRUE(Register(beta, "Merged", kAddress).ok());
  ASSERT_TRUE(Register(other, "Formerly", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])").ok());
  Followed(one), Followed(beta), Followed(other);
  EXPECT_EQ(SameAs(other), 1u);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(locator().Merge(other, {.others = {one.patient}}).ok());
  EXPECT_EQ(SameAs(other), 3u);
  EXPECT_EQ(SameAs(beta), 3u);
  EXPECT_THAT(Followed(other), ::testing::UnorderedElementsAre(one, other, beta));
  // The other one says so, too; the pair is merged as long as one does.
  ASSERT_TRUE(locator().Merge(one, {.others = {other.patient}}).ok());
  ASSERT_TRUE(locator().Merge(other, {}).ok());
  EXPECT_EQ(SameAs(beta), 3u);
  Followed(one), Followed(other);
  ASSERT_TRUE(locator().Merge(one, {}).ok());
  EXPECT_EQ(SameAs(other), 1u);
  EXPECT_EQ(SameAs(beta), 2u);
  EXPECT_THAT(Followed(one), ::testing::UnorderedElementsAre(one, other, beta));
}

TEST_F(LocatorTest, AMergeWithAChartThatIsNotStoredYetComesWithIt) {
  const PatientLink former = Link("alpha"), survivor = Link("alpha"), stranger = Link("beta");
  const RecordId record = RecordId::Random();
  ASSERT_TRUE(Register(former, "Former", kAddress).ok());
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(locator().Merge(former, {.record = RecordId::Random(), .awaited = {record}}).ok());
  Followed(former);
  // The same id at another tenant is somebody else's.
  ASSERT_TRUE(Register(stranger, "Stranger", R"("address":[{"line":["3 Elm Court"],"city":"Bath"}])").ok());
  ASSERT_TRUE(locator().Merge(stranger, {.record = record}).ok());
  EXPECT_EQ(SameAs(former), 1u);
  ASSERT_TRUE(Register(survivor, "Survivor", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])").ok());
  EXPECT_EQ(SameAs(survivor), 1u);
  ASSERT_TRUE(locator().Merge(survivor, {.record = record}).ok());
  EXPECT_EQ(SameAs(survivor), 2u);
  EXPECT_THAT(Followed(survivor), ::testing::UnorderedElementsAre(former, survivor));
  // It is the former's word, who takes it back.
  ASSERT_TRUE(locator().Merge(survivor, {.record = record}).ok());
  EXPECT_EQ(SameAs(survivor), 2u);
  ASSERT_TRUE(locator().Merge(former, {.record = RecordId::Random()}).ok());
  EXPECT_EQ(SameAs(survivor), 1u);
}

// Whatever changes a person ends what was kept of everybody it concerns.
TEST_F(LocatorTest, AKeptPersonFollowsEveryChange) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta"), other = Link("alpha");
  const auto last = [](const PatientLink& link) {
    const auto person = locator().PersonOf(link);
    EXPECT_TRUE(person.ok()) << person.status();
    EXPECT_EQ(person.value(), locator().SamePerson(link).value());
    return person->size();
  };
  EXPECT_EQ(last(alpha), 1u) << "not registered";
  ASSERT_TRUE(Register(alpha, "Lasting", kAddress).ok());
  EXPECT_EQ(last(alpha), 1u);
  ASSERT_TRUE(Register(beta, "Lasting", kAddress).ok());
  EXPECT_EQ(last(alpha), 2u);
  EXPECT_EQ(last(beta), 2u);
  // A namesake at one tenant vetoes.
  ASSERT_TRUE(Register(other, "Lasting", kAddress).ok());
  EXPECT_EQ(last(beta), 1u);
  ASSERT_TRUE(Register(other, "Elsewise", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])").ok());
  EXPECT_EQ(last(beta), 2u);
  ASSERT_TRUE(locator().Merge(other, {.others = {alpha.patient}}).ok());
  EXPECT_EQ(last(beta), 3u);
  EXPECT_EQ(last(other), 3u);
  ASSERT_TRUE(locator().Merge(other, {}).ok());
  EXPECT_EQ(last(beta), 2u);
  ASSERT_TRUE(locator().Decide(beta, alpha, /*link=*/false, 1).ok());
  EXPECT_EQ(last(alpha), 1u);
  EXPECT_EQ(last(beta), 1u);
}

TEST_F(LocatorTest, APersonIsKeptOnceJudgedUntilTheWeightsChange) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(alpha, "Weighed", kAddress).ok());
  ASSERT_TRUE(Register(beta, "Weighed", kAddress).ok());
  Followed(beta);
  const std::string of_alpha = absl::StrCat("WHERE patient_id = decode('", alpha.patient.hex(), "', 'hex')");
  EXPECT_EQ(world_->network().One("SELECT cardinality(tenant_ids) FROM locator.person " + of_alpha), "2") << "who follows a change judges";
  ASSERT_TRUE(world_->network().Sql("UPDATE locator.person SET tenant_ids = tenant_ids[:1], patient_ids = patient_ids[:1] " + of_alpha).ok());
  EXPECT_EQ(locator().PersonOf(alpha)->size(), 1u) << "it is read";
  EXPECT_EQ(locator().SamePerson(alpha)->size(), 2u);
  // What was judged long ago, or in a network of half the size, is judged again.
  for (const char* old : {"judged_at = now() - interval '25 hours'", "patients = 0"}) {
    ASSERT_TRUE(world_->network().Sql("ANALYZE locator.patient").ok());
    ASSERT_TRUE(world_->network().Sql(absl::StrCat("UPDATE locator.person SET tenant_ids = tenant_ids[:1], patient_ids = patient_ids[:1], ", old, " ", of_alpha)).ok());
    EXPECT_EQ(locator().PersonOf(alpha)->size(), 2u) << old;
  }
  MatchWeights stern = MatchWeights::Shipped();
  stern.certain = 1'000;
  locator().SetWeights(stern);
  EXPECT_EQ(locator().PersonOf(alpha)->size(), 1u);
  locator().SetWeights(MatchWeights::Shipped());
  EXPECT_EQ(locator().PersonOf(alpha)->size(), 2u);
}

// One more than a person can be, and all of them are strangers; whom nobody gathered is by the next day.
TEST_F(LocatorTest, OneTooManyEndsWhatWasKeptOfThoseGathered) {
  const std::string text = absl::StrCat(Person("Toomany"), R"("identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"SS"}]},)",
                                        R"("system":"http://hl7.org/fhir/sid/us-ssn","value":"501-33-7777"}]})");
  std::vector<PatientLink> links;
  for (std::size_t i = 0; i < kConnectedMax; ++i) {
    links.push_back(Link(i % 2 == 0 ? "alpha" : "beta"));
    ASSERT_TRUE(locator().Register(links.back(), text).ok());
  }
  // A network that is found to have grown ends all that was kept: autovacuum must find none that this test did not tell of.
  ASSERT_TRUE(world_->network().Sql("ANALYZE locator.patient").ok());
  for (const PatientLink& link : links) EXPECT_EQ(locator().PersonOf(link)->size(), kConnectedMax);
  links.push_back(Link("alpha"));
  ASSERT_TRUE(locator().Register(links.back(), text).ok());
  std::size_t kept = 0;
  for (const PatientLink& link : links) {
    kept += locator().PersonOf(link)->size() == 1 ? 0 : 1;
    EXPECT_EQ(locator().JudgePerson(link)->size(), 1u);
    EXPECT_EQ(locator().PersonOf(link)->size(), 1u);
  }
  EXPECT_EQ(kept, links.size() - kConnectedMax);
}

// Else it would open one of them by the consent in the other.
TEST_F(LocatorTest, ATenantsMergeJoinsNoTwoChartsOfAnother) {
  const auto with = [](const char* kind, const char* value) {
    return absl::StrCat(R"("identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":")", kind,
                        R"("}]},"system":"urn:numbers","value":")", value, R"("}])");
  };
  const std::string ssn = with("SS", "219-09-7766"), passport = with("PPN", "P4471882");
  const PatientLink one = Link("alpha"), other = Link("alpha"), own_one = Link("beta"), own_other = Link("beta");
  ASSERT_TRUE(Register(one, "Consenting", passport).ok());
  ASSERT_TRUE(Register(own_one, "Consenting", passport).ok());
  const auto born = [](std::string json) { return json.replace(json.find("\"birthDate\":\"") + 13, 10, "1961-11-27"); };
  const std::string victim = born(absl::StrCat(Person("Victim"), ssn, "}"));
  ASSERT_TRUE(locator().Register(other, victim).ok());
  ASSERT_TRUE(locator().Register(own_other, victim).ok());
  ASSERT_EQ(SameAs(one), 2u);
  ASSERT_EQ(SameAs(other), 2u);
  ASSERT_TRUE(locator().Merge(own_one, {.others = {own_other.patient}}).ok());
  EXPECT_THAT(*locator().SamePerson(other), ::testing::UnorderedElementsAre(other, own_other));
  EXPECT_THAT(*locator().SamePerson(one), ::testing::UnorderedElementsAre(one, own_one));
  // Its own merge does.
  ASSERT_TRUE(locator().Merge(one, {.others = {other.patient}}).ok());
  EXPECT_EQ(SameAs(one), 4u);
}

// How rare a name is elsewhere tells who is registered there.
TEST_F(LocatorTest, WhatATenantIsToldOfLikenessDoesNotFollowFromOthersPatients) {
  ASSERT_TRUE(Register(Link("beta"), "Quillfeather", kAddress).ok());
  const auto score = [] {
    const auto candidates = locator().Candidates(world_->partition("beta").tenant.id, absl::StrCat(Person("Quillfeather"), R"("active":true})"));
    EXPECT_TRUE(candidates.ok() && !candidates->empty());
    return candidates.ok() && !candidates->empty() ? candidates->front().match.score : 0;
  };
  const double before = score();
  ASSERT_TRUE(Register(Link("alpha"), "Quillfeather", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])").ok());
  EXPECT_EQ(score(), before);
}

TEST_F(LocatorTest, AnotherBearerOfARareNameEndsWhatWasKeptOfTheOthers) {
  const PatientLink alpha = Link("alpha"), stranger = Link("beta");
  ASSERT_TRUE(Register(alpha, "Rareborne", kAddress).ok());
  ASSERT_TRUE(locator().PersonOf(alpha).ok());
  const auto kept = [&alpha] {
    return world_->network().One(absl::StrCat("SELECT count(*) FROM locator.person WHERE patient_id = decode('", alpha.patient.hex(), "', 'hex')"));
  };
  EXPECT_EQ(kept(), "1");
  std::string born_elsewhen = absl::StrCat(Person("Rareborne"), R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}]})");
  const std::size_t date = born_elsewhen.find("\"birthDate\":\"") + 13;
  born_elsewhen.replace(date, 10, "1931-12-30");
  ASSERT_TRUE(locator().Register(stranger, born_elsewhen).ok());
  EXPECT_EQ(kept(), "0");
}

TEST_F(LocatorTest, ATwinEndsWhatWasKeptOfWhoIsKnownByAnInitial) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta"), twin = Link("beta");
  const auto called = [](const PatientLink& link, const char* given) {
    return locator().Register(link, absl::StrCat(R"({"resourceType":"Patient","gender":"female","birthDate":"1949-08-23","name":[{"family":"Initialed","given":[")",
                                                 given, R"("]}],)", kAddress, "}"));
  };
  const auto last = [](const PatientLink& link) { return locator().PersonOf(link).value().size(); };
  ASSERT_TRUE(called(alpha, "Josephine").ok());
  ASSERT_TRUE(called(beta, "J").ok());
  EXPECT_EQ(last(alpha), 2u);
  EXPECT_EQ(last(beta), 2u);
  ASSERT_TRUE(called(twin, "Ruth").ok());
  EXPECT_EQ(last(alpha), 1u);
  EXPECT_EQ(last(beta), 1u);
  EXPECT_EQ(last(twin), 1u);
  ASSERT_TRUE(called(twin, "Unknown").ok());
  EXPECT_EQ(last(alpha), 2u);
}

// Of one surname and birth date there are many in a large network.
TEST_F(LocatorTest, WhoMayBeATwinConcernsOnlyWhomAnInitialJoins) {
  const auto called = [](const PatientLink& link, const char* given, const char* line) {
    EXPECT_TRUE(locator().Register(link, absl::StrCat(R"({"resourceType":"Patient","gender":"female","birthDate":"1949-08-24","name":[{"family":"Namesake","given":[")",
                                                      given, R"("]}],"address":[{"line":[")", line, R"("],"city":"Zion"}]})")).ok());
  };
  const PatientLink alpha = Link("alpha"), beta = Link("beta"), stranger = Link("alpha"), initial = Link("beta"), other = Link("alpha");
  called(alpha, "Josephine", "12 Larkspur Street");
  called(beta, "Josephine", "12 Larkspur Street");
  EXPECT_THAT(Followed(beta), ::testing::UnorderedElementsAre(alpha, beta));
  called(stranger, "Ruth", "9 Yarrow Lane");
  EXPECT_THAT(Followed(stranger), ::testing::ElementsAre(stranger));
  EXPECT_EQ(SameAs(alpha), 2u);
  called(initial, "R", "9 Yarrow Lane");
  EXPECT_THAT(Followed(initial), ::testing::IsSupersetOf({stranger, initial}));
  called(other, "Olga", "7 Elm Street");
  EXPECT_THAT(Followed(other), ::testing::IsSupersetOf({stranger, initial, other}));
}

// A check is not held up by who registers, nor by a database that takes no writes.
TEST_F(LocatorTest, WhileRowsChangeAPersonIsJudgedWithoutBeingKept) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(alpha, "Meanwhile", kAddress).ok());
  ASSERT_TRUE(Register(beta, "Meanwhile", kAddress).ok());
  const auto changed = LocatorStore(world_->network().database()).Change([&](LocatorChanges&) {
    EXPECT_EQ(locator().PersonOf(alpha)->size(), 2u);
    return absl::OkStatus();
  });
  EXPECT_TRUE(changed.ok()) << changed;
  EXPECT_EQ(world_->network().One(absl::StrCat("SELECT count(*) FROM locator.person WHERE patient_id = decode('", alpha.patient.hex(), "', 'hex')")), "0");
  EXPECT_EQ(locator().PersonOf(alpha)->size(), 2u);
  EXPECT_EQ(world_->network().One(absl::StrCat("SELECT count(*) FROM locator.person WHERE patient_id = decode('", alpha.patient.hex(), "', 'hex')")), "1");
}

// Two who register at one moment find each other, whoever comes first.
TEST_F(LocatorTest, RegistrationsAtOnceMissNobody) {
  std::vector<PatientLink> links;
  for (int i = 0; i < 4; ++i) links.push_back(Link(i % 2 == 0 ? "alpha" : "beta"));
  const std::string ssn = R"("identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"SS"}]},"system":"http://hl7.org/fhir/sid/us-ssn","value":"501-22-9999"}])";
  const std::string person = Person("Atonce");
  std::vector<std::thread> threads;
  for (const PatientLink& link : links)
    threads.emplace_back([&person, &ssn, link] {
      EXPECT_TRUE(locator().Register(link, absl::StrCat(person, ssn, "}")).ok());
      EXPECT_TRUE(locator().PersonOf(link).ok());
    });
  for (std::thread& thread : threads) thread.join();
  for (const PatientLink& link : links) EXPECT_EQ(locator().PersonOf(link)->size(), links.size());
}

TEST_F(LocatorTest, ChartsWhoseIdentifiersContradictAreNotMerged) {
  const PatientLink one = Link("alpha"), other = Link("alpha");
  const std::string ssn = R"("identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"SS"}]},"system":"http://hl7.org/fhir/sid/us-ssn","value":")";
  ASSERT_TRUE(Register(one, "Contra", ssn + "501-11-2222\"}]").ok());
  ASSERT_TRUE(Register(other, "Dicted", ssn + "501-11-3333\"}]").ok());
  ASSERT_TRUE(locator().Merge(other, {.others = {one.patient}}).ok());
  EXPECT_EQ(SameAs(other), 1u);
}

TEST_F(LocatorTest, DoubtsAreProbableAndUndecided) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(alpha, "Doubtful", kAddress).ok());
  ASSERT_TRUE(Register(beta, "Doubtful", R"("address":[{"line":["9 Yarrow Lane"],"city":"Troy"}])").ok());
  const auto doubts = LocatorTest::locator().Doubts(alpha);
  ASSERT_TRUE(doubts.ok()) << doubts.status();
  ASSERT_EQ(doubts->size(), 1u);
  EXPECT_EQ(doubts->front().other, beta);
  EXPECT_EQ(doubts->front().match.grade, MatchGrade::kProbable);
  ASSERT_TRUE(LocatorTest::locator().Decide(alpha, beta, /*link=*/false, 1).ok());
  EXPECT_TRUE(LocatorTest::locator().Doubts(alpha)->empty());
}

TEST_F(LocatorTest, CandidatesAreOfOneTenantAndGraded) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(alpha, "Sought", kAddress).ok());
  ASSERT_TRUE(Register(beta, "Sought", kAddress).ok());
  const auto found = LocatorTest::locator().Candidates(
      alpha.tenant,
      absl::StrCat(Person("Sougth"), kAddress, "}"));
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_GE(found->size(), 1u);
  EXPECT_EQ(found->front().patient, alpha.patient);
  EXPECT_EQ(found->front().match.grade, MatchGrade::kCertain);
  EXPECT_FALSE(LocatorTest::locator().Candidates(alpha.tenant, R"({"resourceType":"Group"})").ok());
}

TEST_F(LocatorTest, MassLookAlikesOfOneTenantStopToVeto) {
  const PatientLink alpha = Link("alpha"), beta = Link("beta");
  ASSERT_TRUE(Register(alpha, "Victim", kAddress).ok());
  ASSERT_TRUE(Register(beta, "Victim", kAddress).ok());
  EXPECT_EQ(SameAs(alpha), 2u);
  Locator strict(world_->network().database(), world_->key_process().client(), {.vetoes_max = 0, .vetoes_share_max = 0, .namesakes_max = 1});
  const std::string look_alike = absl::StrCat(Person("Victim"), kAddress, "}");
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(strict.Register(Link("beta"), look_alike).ok());
  EXPECT_EQ(SameAs(alpha), 2u) << "muted";
  ASSERT_TRUE(LocatorTest::locator().Register(Link("beta"), look_alike).ok());
  EXPECT_EQ(SameAs(alpha), 1u) << "one namesake vetoes";
}

}  // namespace
}  // namespace custodian::exchange
