#include "services/exchange/fhir_transaction.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace custodian::exchange {
namespace {

using ::testing::HasSubstr;

// Entries as prepared, ids given by the server being new-0, new-1, ...
struct Prepared {
  std::vector<TransactionEntry> entries;
  std::optional<Refusal> refusal;
};
Prepared Prepare(const std::string& bundle, std::map<IdentifierQuery, std::vector<std::string>> stored = {}) {
  Prepared result;
  auto json = Json::Parse(bundle);
  EXPECT_TRUE(json.ok()) << json.status();
  auto entries = ReadTransaction(*std::move(json), 10);
  if (auto* refusal = std::get_if<Refusal>(&entries)) {
    result.refusal = *refusal;
    return result;
  }
  result.entries = std::get<0>(entries);
  int next = 0;
  std::map<IdentifierQuery, std::vector<FoundResource>> found;
  for (const auto& [query, ids] : stored) {
    for (const std::string& id : ids) {
      found[query].push_back({id, Json::Object({{"resourceType", Json::String(query.type)}, {"id", Json::String(id)}, {"active", Json::Bool(id != "gone")}})});
    }
  }
  result.refusal = PrepareEntries(
      result.entries, {"https://host/fhir/t", absl::UTCTimeZone()}, [&](const std::vector<IdentifierQuery>&) { return found; },
      [&](const TransactionEntry&) { return "new-" + std::to_string(next++); });
  return result;
}

std::string Bundle(const std::string& entries) { return R"({"resourceType":"Bundle","type":"transaction","entry":[)" + entries + "]}"; }
constexpr char kPatient[] =
    R"({"fullUrl":"urn:uuid:p","resource":{"resourceType":"Patient","id":"old"},"request":{"method":"POST","url":"Patient"}})";
std::string Observation(const std::string& subject) {
  return R"({"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":")" + subject +
         R"("}},"request":{"method":"POST","url":"Observation"}})";
}

TEST(FhirTransaction, MapsUrnUuidsFormerIdsAndOwnUrls) {
  for (const char* reference : {"urn:uuid:p", "Patient/old", "https://host/fhir/t/Patient/old"}) {
    const auto prepared = Prepare(Bundle(std::string(kPatient) + "," + Observation(reference)));
    ASSERT_FALSE(prepared.refusal.has_value()) << prepared.refusal->issues.front().diagnostics;
    EXPECT_EQ(prepared.entries[1].resource["subject"].TextOf("reference"), "Patient/new-0") << reference;
  }
  const auto elsewhere = Prepare(Bundle(std::string(kPatient) + "," + Observation("Patient/other")));
  EXPECT_EQ(elsewhere.entries[1].resource["subject"].TextOf("reference"), "Patient/other");
}

TEST(FhirTransaction, NamesEntryAndPathOfAReferenceThatLeadsNowhere) {
  const auto prepared = Prepare(Bundle(std::string(kPatient) + "," + Observation("urn:uuid:q")));
  ASSERT_TRUE(prepared.refusal.has_value());
  EXPECT_EQ(prepared.refusal->status, 422);
  EXPECT_EQ(prepared.refusal->issues.front().expression, "Bundle.entry[1].resource.subject.reference");
}

TEST(FhirTransaction, ResolvesConditionalReferencesFromTheStoreAndFromItself) {
  const IdentifierQuery query{"Patient", "urn:mrn", "7"};
  const auto stored = Prepare(Bundle(Observation("Patient?identifier=urn:mrn|7")), {{query, {"p9"}}});
  ASSERT_FALSE(stored.refusal.has_value());
  EXPECT_EQ(stored.entries[0].resource["subject"].TextOf("reference"), "Patient/p9");
  const std::string own =
      R"({"resource":{"resourceType":"Patient","id":"p9","identifier":[{"system":"urn:mrn","value":"7"}]},"request":{"method":"PUT","url":"Patient/p9"}},)";
  const auto both = Prepare(Bundle(own + Observation("Patient?identifier=urn:mrn|7")), {{query, {"p9"}}});
  ASSERT_FALSE(both.refusal.has_value());
  EXPECT_EQ(both.entries[1].resource["subject"].TextOf("reference"), "Patient/p9");
  EXPECT_EQ(Prepare(Bundle(Observation("Patient?identifier=urn:mrn|7"))).refusal->issues.front().code, "not-found");
  EXPECT_EQ(Prepare(Bundle(Observation("Patient?identifier=urn:mrn|7")), {{query, {"a", "b"}}}).refusal->issues.front().code,
            "multiple-matches");
  EXPECT_EQ(Prepare(Bundle(Observation("Patient?name=x"))).refusal->issues.front().code, "not-supported");
}

TEST(FhirTransaction, SettlesConditionalCreates) {
  const std::string entry =
      R"({"fullUrl":"urn:uuid:p","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=urn:mrn|7"}},)";
  const IdentifierQuery query{"Patient", "urn:mrn", "7"};
  const auto found = Prepare(Bundle(entry + Observation("urn:uuid:p")), {{query, {"p9"}}});
  ASSERT_FALSE(found.refusal.has_value());
  EXPECT_TRUE(found.entries[0].exists);
  EXPECT_EQ(found.entries[1].resource["subject"].TextOf("reference"), "Patient/p9");
  EXPECT_FALSE(Prepare(Bundle(entry + Observation("urn:uuid:p"))).entries[0].exists);
  EXPECT_EQ(Prepare(Bundle(entry + Observation("urn:uuid:p")), {{query, {"a", "b"}}}).refusal->status, 412);
}

struct BadBundle {
  const char* name;
  std::string bundle;
  const char* path;
};
class FhirTransactionRefuses : public ::testing::TestWithParam<BadBundle> {};
TEST_P(FhirTransactionRefuses, WithItsPath) {
  const auto prepared = Prepare(GetParam().bundle);
  ASSERT_TRUE(prepared.refusal.has_value());
  EXPECT_GE(prepared.refusal->status, 400);
  EXPECT_EQ(prepared.refusal->issues.front().expression, GetParam().path);
}
INSTANTIATE_TEST_SUITE_P(
    Bundles, FhirTransactionRefuses,
    ::testing::Values(
        BadBundle{"no_bundle", R"({"resourceType":"Patient"})", "Bundle.resourceType"},
        BadBundle{"batch", R"({"resourceType":"Bundle","type":"batch"})", "Bundle.type"},
        BadBundle{"no_list", R"({"resourceType":"Bundle","type":"transaction","entry":{}})", "Bundle.entry"},
        BadBundle{"no_request", Bundle(R"({"resource":{"resourceType":"Patient"}})"), "Bundle.entry[0].request"},
        BadBundle{"patch_entry", Bundle(R"({"request":{"method":"PATCH","url":"Patient/1"}})"), "Bundle.entry[0].request.method"},
        BadBundle{"delete_of_no_type", Bundle(R"({"request":{"method":"DELETE","url":"Pet/1"}})"), "Bundle.entry[0].request.url"},
        BadBundle{"no_resource", Bundle(R"({"request":{"method":"POST","url":"Patient"}})"), "Bundle.entry[0].resource"},
        BadBundle{"url", Bundle(R"({"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Person"}})"), "Bundle.entry[0].request.url"},
        BadBundle{"id", Bundle(R"({"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/b"}})"),
                  "Bundle.entry[0].request.url"},
        BadBundle{"twice", Bundle(R"({"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a"}},)"
                                  R"({"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a"}})"),
                  "Bundle.entry[1].resource"},
        BadBundle{"date", Bundle(std::string(kPatient) + R"(,{"resource":{"resourceType":"Patient","birthDate":"x"},"request":{"method":"POST","url":"Patient"}})"),
                  "Bundle.entry[1].resource.birthDate"}),
    [](const auto& row) { return row.param.name; });

TEST(FhirTransaction, MapsLinksAsItMapsReferences) {
  const auto prepared = Prepare(Bundle(
      std::string(kPatient) +
      R"(,{"fullUrl":"urn:uuid:b","resource":{"resourceType":"Binary","contentType":"text/plain","data":"eA=="},"request":{"method":"POST","url":"Binary"}})"
      R"(,{"fullUrl":"http://a.example/sets/one","resource":{"resourceType":"ValueSet","status":"draft","url":"http://a.example/sets/one"},"request":{"method":"POST","url":"ValueSet"}})"
      R"(,{"resource":{"resourceType":"DocumentReference","status":"current","subject":{"reference":"urn:uuid:p"},"identifier":[{"system":"urn:uuid:b","value":"urn:uuid:b"}],)"
      R"("extension":[{"url":"http://x.example/y","valueCanonical":"urn:uuid:b"},{"url":"http://x.example/z","valueUri":"urn:uuid:p"}],)"
      R"("text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">href=\"urn:uuid:b\" <a href=\"urn:uuid:b\">b</a> <img alt='>' src = 'urn:uuid:b'/> <b title='urn:uuid:b'>c</b></div>"},)"
      R"("content":[{"attachment":{"url":"urn:uuid:b","title":"urn:uuid:b"}},{"attachment":{"url":"urn:uuid:elsewhere"}},{"attachment":{"url":"http://a.example/sets/one"}}]},)"
      R"("request":{"method":"POST","url":"DocumentReference"}})"));
  ASSERT_FALSE(prepared.refusal.has_value()) << prepared.refusal->issues.front().diagnostics;
  const Json& document = prepared.entries[3].resource;
  EXPECT_EQ(document["content"][0]["attachment"].TextOf("url"), "Binary/new-1");
  EXPECT_EQ(document["content"][0]["attachment"].TextOf("title"), "urn:uuid:b");
  EXPECT_EQ(document["content"][1]["attachment"].TextOf("url"), "urn:uuid:elsewhere");
  EXPECT_EQ(document["content"][2]["attachment"].TextOf("url"), "ValueSet/new-2");
  EXPECT_EQ(document["extension"][0].TextOf("valueCanonical"), "urn:uuid:b");
  EXPECT_EQ(document["extension"][1].TextOf("valueUri"), "Patient/new-0");
  EXPECT_EQ(document["identifier"][0].TextOf("system"), "Binary/new-1");
  EXPECT_EQ(document["identifier"][0].TextOf("value"), "urn:uuid:b");
  EXPECT_EQ(document["text"].TextOf("div"),
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">href=\"urn:uuid:b\" <a href=\"Binary/new-1\">b</a> <img alt='>' src = 'Binary/new-1'/> <b title='urn:uuid:b'>c</b></div>");
  // The name of what is stored stays, though it is its full URL.
  EXPECT_EQ(prepared.entries[2].resource.TextOf("url"), "http://a.example/sets/one");
}

TEST(FhirTransaction, TakesConditionsInEveryForm) {
  const IdentifierQuery query{"Patient", "urn:mrn", "7+1"};
  const auto entry = [](const std::string& condition) {
    return Bundle(R"({"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":")" + condition + R"("}})");
  };
  for (const char* condition : {"identifier=urn:mrn|7+1", "?identifier=urn:mrn|7+1", "Patient?identifier=urn%3Amrn%7C7%2B1", "https://host/fhir/t/Patient?identifier=urn:mrn|7+1",
                                "identifier=urn:mrn|7+1&active=true", "active=true&identifier=urn:mrn|7+1&_id=p9"}) {
    const auto prepared = Prepare(entry(condition), {{query, {"p9", "gone"}}});
    const bool narrows = std::string_view(condition).find("active") != std::string_view::npos;
    ASSERT_EQ(prepared.refusal.has_value(), !narrows) << condition;
    if (!narrows) {
      EXPECT_EQ(prepared.refusal->issues.front().code, "multiple-matches") << condition;
    } else {
      EXPECT_TRUE(prepared.entries[0].exists) << condition;
      EXPECT_EQ(prepared.entries[0].id, "p9") << condition;
    }
  }
  EXPECT_FALSE(Prepare(entry("identifier=urn:mrn|7+1&active=true"), {{query, {"gone"}}}).entries[0].exists);
  for (const char* bad : {"active=true", "identifier=7", "identifier=urn:mrn|", "identifier=urn:mrn|7,urn:mrn|8", "identifier=urn:mrn|7&colour=x", "Person?identifier=urn:mrn|7",
                          "identifier=urn:mrn|7&link.active=true", "identifier:not=urn:mrn|7"}) {
    const auto prepared = Prepare(entry(bad));
    ASSERT_TRUE(prepared.refusal.has_value()) << bad;
    EXPECT_EQ(prepared.refusal->issues.front().code, "not-supported") << bad;
    EXPECT_EQ(prepared.refusal->issues.front().expression, "Bundle.entry[0].request.ifNoneExist");
  }
  const std::string own = R"({"fullUrl":"urn:uuid:a","resource":{"resourceType":"Patient","active":true,"identifier":[{"system":"urn:mrn","value":"7+1"}]},"request":{"method":"POST","url":"Patient"}},)";
  const auto both = Prepare(Bundle(own + Observation("Patient?identifier=urn:mrn|7+1&active=true")), {{query, {"gone"}}});
  ASSERT_FALSE(both.refusal.has_value()) << both.refusal->issues.front().diagnostics;
  EXPECT_EQ(both.entries[1].resource["subject"].TextOf("reference"), "Patient/new-0");
}

TEST(FhirTransaction, MayBeEmpty) {
  EXPECT_FALSE(Prepare(R"({"resourceType":"Bundle","type":"transaction"})").refusal.has_value());
  EXPECT_FALSE(Prepare(Bundle("")).refusal.has_value());
}

TEST(FhirTransaction, ReadsEntityTags) {
  EXPECT_EQ(ParseEntityTag("W/\"3\""), 3u);
  EXPECT_EQ(ParseEntityTag("\"12\""), 12u);
  EXPECT_FALSE(ParseEntityTag("3").has_value());
  EXPECT_FALSE(ParseEntityTag("W/\"x\"").has_value());
  EXPECT_TRUE(ParseVersionCondition("*")->Names(4));
  EXPECT_FALSE(ParseVersionCondition("*")->Names(0));
  EXPECT_TRUE(ParseVersionCondition("W/\"4\"")->Names(4));
  EXPECT_FALSE(ParseVersionCondition("W/\"3\"")->Names(4));
  EXPECT_FALSE(ParseVersionCondition("4").has_value());
}

}  // namespace
}  // namespace custodian::exchange
