#include "services/exchange/cds_request.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/exchange/card.h"
#include "services/exchange/card_feedback.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

absl::Time At(const char* text) { return ParseFhirTime(text, absl::UTCTimeZone())->begin; }

std::string Order(const std::string& id, const std::string& more = "") {
  return absl::StrCat(R"({"resource":{"resourceType":"ServiceRequest","id":")", id, R"(","code":{"text":"x"})", more, "}}");
}
std::string Check(const std::string& entries, const std::string& hook = "order-sign", const std::string& context = "") {
  return absl::StrCat(R"({"hook":")", hook, R"(","hookInstance":"i","context":{"userId":"Practitioner/u","patientId":"p")",
                      context, R"(,"draftOrders":{"resourceType":"Bundle","entry":[)", entries,
                      R"(]}},"extension":{"com.example":1}})");
}
std::string Refusal(const std::string& body) {
  const auto request = ParseCheckRequest(body);
  if (request.ok()) return "accepted";
  EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(request.status().message());
}

TEST(CheckRequest, AnOrderIsKnownByItsPlacerIdentifierElseItsFirstElseItsId) {
  const auto request = ParseCheckRequest(Check(
      Order(
          "a",
          R"(,"identifier":[{"system":"urn:f","value":"1"},{"type":{"coding":[{"code":"PLAC"}]},"system":"urn:p","value":"2"}])") +
      "," + Order("b", R"(,"identifier":[{"system":"urn:f"},{"system":"urn:f","value":"3"}])") + "," + Order("c") +
      R"(,{"resource":{"resourceType":"MedicationRequest"}})"));
  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_EQ(request->orders.size(), 3u);
  EXPECT_EQ(request->orders[0].order, "urn:p|2");
  EXPECT_EQ(request->orders[1].order, "urn:f|3");
  EXPECT_EQ(request->orders[2].order, "|c");
}

TEST(CheckRequest, OrderSelectLooksAtTheSelectionOnly) {
  const auto request =
      ParseCheckRequest(Check(Order("a") + "," + Order("b"), "order-select", R"(,"selections":["ServiceRequest/b"])"));
  ASSERT_TRUE(request.ok()) << request.status();
  ASSERT_EQ(request->orders.size(), 1u);
  EXPECT_EQ(request->orders[0].id, "b");
}

TEST(CheckRequest, AnOrderThatCannotBeReadIsPassedOver) {
  const std::string bad[] = {R"({"resource":{"resourceType":"ServiceRequest","code":{"text":"x"}}})", R"({"resource":{"resourceType":"ServiceRequest","id":"b"}})",
                             Order("b", R"(,"subject":{"reference":"Patient/other"})"), R"({"resource":7})", "{}"};
  for (const std::string& one : bad) {
    const auto request = ParseCheckRequest(Check(one + "," + Order("a") + "," + one));
    ASSERT_TRUE(request.ok()) << request.status();
    ASSERT_EQ(request->orders.size(), 1u);
    EXPECT_EQ(request->orders[0].id, "a");
    EXPECT_EQ(request->passed_over.size(), 2u);
    EXPECT_EQ(request->passed_over[0].find("context.draftOrders.entry[0].resource"), 0u);
    EXPECT_EQ(Refusal(Check(one)), request->passed_over[0]);
  }
}

TEST(CheckRequest, APrefetchMayBeWhatASearchFound) {
  const auto with = [](const std::string& prefetch) {
    std::string body = Check(Order("a"), "order-sign", R"(,"encounterId":"e")");
    body.insert(1, R"("prefetch":)" + prefetch + ",");
    return ParseCheckRequest(body)->prefetch;
  };
  const Json found = with(R"({"patient":{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"p","active":true}},
    {"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}}]},
    "encounter":{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Encounter","id":"d"}},{"resource":{"resourceType":"Encounter","id":"e"}}]}})");
  EXPECT_EQ(found["patient"].Text(), R"({"resourceType":"Patient","id":"p","active":true})");
  EXPECT_EQ(found["encounter"].Text(), R"({"resourceType":"Encounter","id":"e"})");
  // Another's, or none: as if it had not been sent.
  for (const char* entry : {R"({"resource":{"resourceType":"Patient","id":"q"}})", ""}) {
    EXPECT_EQ(with(absl::StrCat(R"({"patient":{"resourceType":"Bundle","entry":[)", entry, "]}}"))["patient"].TextOf("resourceType"), "Bundle");
  }
}

TEST(CheckRequest, TheSameOrderTwiceIsOne) {
  const auto request = ParseCheckRequest(Check(Order("a") + "," + Order("a")));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->orders.size(), 1u);
}

TEST(CheckRequest, ContentIsTheContextWithoutPrefetchAndWhitespace) {
  const auto plain = ParseCheckRequest(Check(Order("a")));
  std::string spaced = Check(Order("a"));
  spaced.insert(1, R"( "prefetch" : {"patient":null}, )");
  const auto with_prefetch = ParseCheckRequest(spaced);
  ASSERT_TRUE(plain.ok() && with_prefetch.ok());
  EXPECT_EQ(plain->content, with_prefetch->content);
  EXPECT_NE(plain->content, ParseCheckRequest(Check(Order("b")))->content);
}

TEST(CheckRequest, RefusesWhatIsMissingOrOfTheWrongKind) {
  EXPECT_EQ(Refusal("[]"), "the body must be a JSON object");
  EXPECT_EQ(Refusal("{\"hook\":\"patient-view\"}"), "hook must be order-select or order-sign");
  EXPECT_EQ(Refusal(R"({"hook":"order-sign"})"), "hookInstance must be a text of 1 to 64 bytes");
  EXPECT_EQ(Refusal(R"({"hook":"order-sign","hookInstance":"i"})"), "context must be an object");
  EXPECT_EQ(Refusal(R"({"hook":"order-sign","hookInstance":"i","context":{"patientId":"p"}})"),
            "context.userId must be a text of 1 to 128 bytes");
  EXPECT_EQ(Refusal(R"({"hook":"order-sign","hookInstance":"i","context":{"userId":"u","patientId":"p","draftOrders":[]}})"),
            "context.draftOrders must be a FHIR Bundle");
  EXPECT_EQ(Refusal(Check("{}")), "context.draftOrders.entry[0].resource must be a FHIR resource");
  EXPECT_EQ(Refusal(Check(Order("a"), "order-select")), "context.selections must be an array of references");
  EXPECT_EQ(Refusal(Check(R"({"resource":{"resourceType":"ServiceRequest","code":{}}})")),
            "context.draftOrders.entry[0].resource has neither an identifier nor an id");
  EXPECT_EQ(Refusal(Check(Order("a", R"(,"subject":{"reference":"Patient/other"})"))),
            "context.draftOrders.entry[0].resource.subject is not context.patientId");
  EXPECT_EQ(Refusal(Check(R"({"resource":{"resourceType":"ServiceRequest","id":"a"}})")),
            "context.draftOrders.entry[0].resource.code is missing");
  std::string many = Order("o0");
  for (int i = 1; i <= 20; ++i) many += "," + Order(absl::StrCat("o", i));
  EXPECT_EQ(Refusal(Check(many)), "context.draftOrders holds more than 20 ServiceRequests");
  EXPECT_EQ(Refusal(Check(Order("a", absl::StrCat(R"(,"identifier":[{"value":")", std::string(201, 'x'), "\"}]")))),
            "context.draftOrders.entry[0].resource.identifier is longer than 200 bytes");
}

TEST(Feedback, ReadsTheExamplesOfTheSpecification) {
  const auto accepted = ParseFeedback(
      R"({"feedback":[{"card":"4e0a3a1e-3283-4575-ab82-028d55fe2719","outcome":"accepted","acceptedSuggestions":[{"id":"e56e1945-20b3-4393-8503-a1a20fd73152"}],"outcomeTimestamp":"2021-12-11T10:05:31Z"}]})");
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_EQ(UuidText((*accepted)[0].card_id), "4e0a3a1e-3283-4575-ab82-028d55fe2719");
  EXPECT_TRUE((*accepted)[0].accepted);
  EXPECT_EQ((*accepted)[0].to - (*accepted)[0].from, absl::Seconds(1));
  const auto overridden = ParseFeedback(
      R"({"feedback":[{"card":"9368d37b-283f-44a0-93ea-547cebab93ed","outcome":"overridden","overrideReason":{"reason":{"code":"d7ecf885","system":"s"},"userComment":"c"},"outcomeTimestamp":"2020-12-11T00:00:00.000Z"}]})");
  ASSERT_TRUE(overridden.ok()) << overridden.status();
  EXPECT_FALSE((*overridden)[0].accepted);
  EXPECT_EQ((*overridden)[0].to - (*overridden)[0].from, absl::Milliseconds(1));
}

TEST(Feedback, RefusesWhatIsMissingOrOfTheWrongKind) {
  const auto refusal = [](const std::string& item) {
    return std::string(ParseFeedback(absl::StrCat(R"({"feedback":[)", item, "]}")).status().message());
  };
  EXPECT_EQ(refusal(""), "feedback must be an array of 1 to 20 items");
  EXPECT_EQ(refusal("{}"), "feedback[0].card must be a card's uuid");
  EXPECT_EQ(refusal(R"({"card":"x","outcome":"ignored"})"), "feedback[0].outcome must be accepted or overridden");
  EXPECT_EQ(refusal(R"({"card":"x","outcome":"accepted","outcomeTimestamp":"2026-02-30T00:00:00Z"})"),
            "feedback[0].outcomeTimestamp must be a time like 2026-03-01T12:00:00.000Z");
  EXPECT_EQ(refusal(R"({"card":"x","outcome":"accepted","outcomeTimestamp":"2026-02-03"})"),
            "feedback[0].outcomeTimestamp must be a time like 2026-03-01T12:00:00.000Z");
  EXPECT_EQ(refusal(R"({"card":"x","outcome":"accepted","outcomeTimestamp":"2026-02-03T00:00:00Z","acceptedSuggestions":[{}]})"),
            "feedback[0].acceptedSuggestions: each needs an id");
}

class JudgeFeedbackTest : public testing::Test {
 protected:
  FeedbackItem Item(bool accepted, const char* time) {
    FeedbackItem item;
    item.accepted = accepted;
    if (accepted) item.suggestions = {"s"};
    item.from = At(time);
    item.to = item.from + absl::Milliseconds(1);
    return item;
  }
  FeedbackQuestion question_{At("2026-01-01T10:00:00.500Z"), At("2026-01-01T11:00:00Z"), "s", {}};
};

TEST_F(JudgeFeedbackTest, BeforeTheCardWasShownItIsRefusedAndLaterThanItsReceiptItIsTheReceipt) {
  EXPECT_FALSE(JudgeFeedback(Item(true, "2026-01-01T10:00:00.499Z"), question_).ok());
  EXPECT_EQ(JudgeFeedback(Item(true, "2026-01-01T10:00:00.500Z"), question_)->t, question_.shown);
  EXPECT_EQ(JudgeFeedback(Item(true, "2026-01-01T12:00:00Z"), question_)->t, question_.received);
  // A time without a fraction stands for its whole second.
  FeedbackItem coarse = Item(true, "2026-01-01T10:00:00Z");
  coarse.to = coarse.from + absl::Seconds(1);
  EXPECT_EQ(JudgeFeedback(coarse, question_)->t, question_.shown);
}

TEST_F(JudgeFeedbackTest, AnAcceptanceNamesTheCardsSuggestion) {
  FeedbackItem item = Item(true, "2026-01-01T10:30:00Z");
  item.suggestions = {"s", "other"};
  EXPECT_FALSE(JudgeFeedback(item, question_).ok());
  item.suggestions.clear();
  EXPECT_FALSE(JudgeFeedback(item, question_).ok());
  question_.suggestion.clear();
  EXPECT_FALSE(JudgeFeedback(Item(true, "2026-01-01T10:30:00Z"), question_).ok());
  EXPECT_TRUE(JudgeFeedback(Item(false, "2026-01-01T10:30:00Z"), question_).ok());
}

TEST_F(JudgeFeedbackTest, TheFirstBindsAndALaterOverrideWithdraws) {
  const absl::Time t = At("2026-01-01T10:30:00Z");
  EXPECT_EQ(JudgeFeedback(Item(true, "2026-01-01T10:30:00Z"), question_)->ordinal, 1);
  EXPECT_EQ(JudgeFeedback(Item(false, "2026-01-01T10:30:00Z"), question_)->ordinal, 1);
  question_.bound = FeedbackQuestion::Bound{true, t, false};
  EXPECT_EQ(JudgeFeedback(Item(true, "2026-01-01T10:40:00Z"), question_)->ordinal, 0);
  EXPECT_EQ(JudgeFeedback(Item(false, "2026-01-01T10:40:00Z"), question_)->ordinal, 2);
  EXPECT_EQ(JudgeFeedback(Item(false, "2026-01-01T10:20:00Z"), question_)->ordinal, 0);
  question_.bound = FeedbackQuestion::Bound{true, t, true};
  EXPECT_EQ(JudgeFeedback(Item(false, "2026-01-01T10:50:00Z"), question_)->ordinal, 0);
  EXPECT_EQ(JudgeFeedback(Item(true, "2026-01-01T10:50:00Z"), question_)->ordinal, 0);
  question_.bound = FeedbackQuestion::Bound{false, t, false};
  EXPECT_EQ(JudgeFeedback(Item(true, "2026-01-01T10:40:00Z"), question_)->ordinal, 0);
}

TEST(Uuid, ReadsAndWritesBothWays) {
  const auto bytes = UuidBytes("4E0A3A1E-3283-4575-AB82-028d55fe2719");
  ASSERT_TRUE(bytes.has_value());
  EXPECT_EQ(UuidText(*bytes), "4e0a3a1e-3283-4575-ab82-028d55fe2719");
  EXPECT_FALSE(UuidBytes("4e0a3a1e32834575ab82028d55fe2719").has_value());
  EXPECT_FALSE(UuidBytes("4e0a3a1e-3283-4575-ab82-028d55fe271g").has_value());
  EXPECT_EQ(UuidText(AsUuid(std::string(16, '\xff'))), "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

TEST(Card, ASummaryIsCutBetweenCharacters) {
  EXPECT_EQ(Shortened("abc", 3), "abc");
  EXPECT_EQ(Shortened("abcdefgh", 6), "abc...");
  EXPECT_EQ(Shortened("ab\u00E9fgh", 6), "ab...");
}

TEST(Card, DiscoveryListsOneServiceForBothHooks) {
  const auto discovery = Json::Parse(DiscoveryBody());
  ASSERT_TRUE(discovery.ok());
  const Json& services = (*discovery)["services"];
  ASSERT_EQ(services.items().size(), 2u);
  EXPECT_EQ(services[0].TextOf("hook"), "order-select");
  EXPECT_EQ(services[1].TextOf("hook"), "order-sign");
  for (const Json& service : services.items()) {
    EXPECT_EQ(service.TextOf("id"), "prior-results");
    EXPECT_FALSE(service.TextOf("description").empty());
    EXPECT_EQ(service["prefetch"].TextOf("patient"), "Patient/{{context.patientId}}");
  }
}

}  // namespace
}  // namespace custodian::exchange
