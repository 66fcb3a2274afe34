// What fuzzing feeds with arbitrary bytes: resources, searches, tokens and CDS Hooks calls, as a client may send them. Aborts when
// something that must always hold does not; anything else is for the sanitizers to find. Used by exchange_fuzz_test.cc (corpus and
// mutations, in every run) and tests/fuzz (libFuzzer).
#ifndef CUSTODIAN_SERVICES_EXCHANGE_EXCHANGE_FUZZ_H_
#define CUSTODIAN_SERVICES_EXCHANGE_EXCHANGE_FUZZ_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "services/exchange/cds_request.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_match.h"
#include "services/exchange/fhir_search.h"
#include "services/exchange/fhir_validator.h"
#include "services/exchange/fhir_view.h"
#include "services/exchange/jwt.h"
#include "services/rpc/http.h"
#include "tests/support/require.h"

namespace custodian::exchange {

using custodian::testing::Require;

// JSON to resource: read, written, judged against R4's definitions, told of, cut down.
inline void FuzzResource(std::string_view bytes) {
  constexpr std::size_t kIssuesMax = 20;
  const auto json = Json::Parse(bytes);
  if (!json.ok()) {
    Require(absl::IsInvalidArgument(json.status()));
    return;
  }
  const std::string text = json->Text();
  const auto again = Json::Parse(text);
  Require(again.ok() && *again == *json && again->Text() == text);

  const std::string path = "Bundle.entry[3].resource";
  const std::vector<Issue> issues = ValidateResource(*json, path, kIssuesMax);
  Require(issues.size() <= kIssuesMax);
  for (const Issue& issue : issues) Require(!issue.code.empty() && !issue.diagnostics.empty() && issue.expression.starts_with(path));
  // Whatever is wrong can be told in good FHIR.
  if (!issues.empty()) {
    const auto outcome = Json::Parse(OperationOutcome(issues));
    Require(outcome.ok() && ValidateResource(*outcome, "OperationOutcome").empty());
    return;
  }
  Require(IsResourceType(json->TextOf("resourceType")));
  for (const LocalReference& reference : ReferencesOf(*json, nullptr, "https://host/fhir/aa")) Require(!reference.type.empty() && !reference.id.empty());
  Json summary = *json;
  ApplyView({View::Summary::kTrue, {}}, summary);
  Require(summary.TextOf("resourceType") == json->TextOf("resourceType"));
}

// "Type?query": read as a search, and asked of a resource.
inline void FuzzSearch(std::string_view bytes) {
  constexpr char kReport[] = R"({"resourceType":"DiagnosticReport","id":"r1","status":"final","identifier":[{"system":"urn:acc","value":"77"}],
    "code":{"coding":[{"system":"http://loinc.org","code":"24558-9"}],"text":"CT \"chest\""},"subject":{"reference":"Patient/p1"},
    "effectiveDateTime":"2026-02-10T09:30:00-06:00","result":[{"reference":"Observation/o1"}]})";
  static const Json& report = *new Json(*Json::Parse(kReport));
  const std::size_t question = bytes.find('?');
  if (question == std::string_view::npos) return;
  const std::string type(bytes.substr(0, question));
  // The path has named a known type before a search is read.
  if (!IsResourceType(type)) return;
  rpc::HttpRequest request;
  request.query = std::string(bytes.substr(question + 1));
  for (const bool lenient : {false, true}) {
    const auto search = ParseSearch(type, request.Parameters(), lenient);
    if (const auto* refusal = std::get_if<Refusal>(&search)) {
      Require(refusal->status >= 400 && refusal->status < 500 && !refusal->issues.empty());
      const auto outcome = Json::Parse(OperationOutcome(refusal->issues));
      Require(outcome.ok() && ValidateResource(*outcome, "OperationOutcome").empty());
      continue;
    }
    const auto& found = std::get<SearchRequest>(search);
    Require(found.count <= kPageMax);
    // The self link asks the same question.
    rpc::HttpRequest self;
    self.query = QueryText(found.used);
    Require(self.Parameters() == found.used);
    const auto repeated = ParseSearch(type, found.used, /*lenient=*/false);
    Require(std::holds_alternative<SearchRequest>(repeated) && std::get<SearchRequest>(repeated).used == found.used);
    if (type != "DiagnosticReport") continue;
    // Whether one or the other comes out is for other tests; that it does, whatever is asked, is for this one.
    const MatchSettings settings{"https://host/fhir/aa", absl::UTCTimeZone()};
    Require(Matches(report, found, settings) == Matches(report, found, settings));
    const auto keys = SortValuesOf(report, found.sort, absl::UTCTimeZone());
    Require(!SortsBefore(keys, keys, found.sort));
    Json shown = report;
    ApplyView(found.view, shown);
  }
}

// A key whose private part nobody has kept.
inline constexpr char kFuzzJwks[] =
    R"({"keys":[{"kty":"EC","crv":"P-384","kid":"ec","x":"dkE2hu0cZKHW5DYU2VUZ5Mfin1C0oaOUuwqNP6cz4bfg_yxJBwdqBVNstPtxQeuI","y":"Lt2BeemtgF2hPu0t_SvCLCP0dHmGGG0nvqOxQvwwdwiEjc98WrDTX7zO3v_rX3cM"}]})";

// "header\npayload\nsignature", of which a token is made, or a token as it is, or a JWK set. No token is good but those of `keys`' owner.
inline absl::Status FuzzToken(std::string_view bytes, const std::string& jwks = kFuzzJwks) {
  constexpr char kEndpoint[] = "https://custodian.example/cds/aa";
  class FixedClock final : public Clock {
    [[nodiscard]] absl::Time Now() const override { return absl::FromUnixSeconds(1'767'225'600); }
  };
  static const FixedClock clock;
  static const KeySets key_sets([](const std::string&) { return absl::UnavailableError("nobody is asked"); }, clock);
  if (const absl::Status status = CheckJwks(bytes); !status.ok()) Require(absl::IsInvalidArgument(status));

  std::string token(bytes);
  const std::size_t first = bytes.find('\n'), second = first == std::string_view::npos ? first : bytes.find('\n', first + 1);
  if (second != std::string_view::npos) {
    const auto encoded = [&bytes](std::size_t begin, std::size_t end) {
      return absl::WebSafeBase64Escape(absl::string_view(bytes.data() + begin, end - begin));
    };
    token = encoded(0, first) + "." + encoded(first + 1, second) + "." + encoded(second + 1, bytes.size());
  }
  const JwtVerifier verifier([&jwks](std::string_view, std::string_view) { return std::optional(CdsClient{{}, KeySource{jwks, {}}, {}}); }, key_sets,
                             clock);
  const absl::Status verified = verifier.Verify("Bearer " + token, kEndpoint).status();
  Require(verified.ok() || absl::IsUnauthenticated(verified));
  return verified;
}

// The body of an order check, and of feedback.
inline void FuzzCdsCall(std::string_view bytes) {
  const auto check = ParseCheckRequest(bytes);
  if (check.ok()) {
    Require(check->hook == "order-select" || check->hook == "order-sign");
    Require(!check->hook_instance.empty() && !check->patient_id.empty() && !check->content.empty() && check->orders.size() <= kOrdersMax);
    for (const DraftOrder& order : check->orders) Require(!order.order.empty() && order.order == OrderName(order.resource));
    // Whitespace makes no other call.
    const auto compact = ParseCheckRequest(Json::Parse(bytes)->Text());
    Require(compact.ok() && compact->content == check->content);
  } else {
    Require(absl::IsInvalidArgument(check.status()));
  }
  const auto feedback = ParseFeedback(bytes);
  if (feedback.ok()) {
    Require(!feedback->empty() && feedback->size() <= kFeedbackMax);
    for (const FeedbackItem& item : *feedback) Require((item.card_id.empty() || item.card_id.size() == 16) && item.from < item.to);
  } else {
    Require(absl::IsInvalidArgument(feedback.status()));
  }
}

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_EXCHANGE_FUZZ_H_
