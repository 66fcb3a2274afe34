#include "services/exchange/card.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

// CDS Hooks counts characters; bytes are never fewer.
constexpr std::size_t kSummaryMax = 140;

// Why a clinician goes on with the order, and the code of the CDS Hooks 3.0 ballot's CodeSystem that says it (a category where none
// is nearer): the recommended action is to use the available result, the intended one the new exam.
struct OverrideReason {
  std::string_view code;
  std::string_view display;
  std::string_view hl7;
};
constexpr OverrideReason kReasons[] = {
    {"clinical-change", "The patient's condition has changed since", "indication-order-exists"},
    {"quality", "The available result is not good enough for the question", "recipient-disagrees-evidence"},
    {"different-question", "This order asks a different question", "cds-not-applicable"},
    {"cannot-view", "The available result cannot be viewed", "implementation-challenges"},
    {"patient-preference", "The patient prefers a new exam", "does-not-align-preferences"},
    {"not-this-patient", "The result is not this patient's", "patient-ineligible"},
    {"other", "Another reason", ""},
};

Json Text(std::string_view text) { return Json::String(std::string(text)); }

std::string DateOf(const CardFacts& facts) {
  return absl::FormatTime("%Y-%m-%d", facts.exam->performed_begin, ZoneOf(facts.performing_tenant.time_zone));
}

// A clinician who read the first wording must not take this for it.
bool IsAmended(std::string_view status) { return status == "amended" || status == "corrected"; }

std::string AmendedText(std::string_view status) { return absl::StrCat("**This result was ", std::string(status), " after it was first issued**"); }

std::string DetailOf(const CardFacts& facts) {
  std::string detail = absl::StrCat("**", facts.exam_class->label, "**");
  if (!facts.exam->laterality.empty()) absl::StrAppend(&detail, ", ", facts.exam->laterality);
  absl::StrAppend(&detail, ", performed ", DateOf(facts), " at ", facts.performing_tenant.ShownName());
  if (facts.source_tenant.id != facts.performing_tenant.id)
    absl::StrAppend(&detail, ", held by ", facts.source_tenant.ShownName());
  if (IsAmended(facts.status)) absl::StrAppend(&detail, ". ", AmendedText(facts.status));
  absl::StrAppend(&detail, facts.by_consent ? ". The patient's consent lets you view it" : ". It may be viewed on the legal basis that its holder has recorded",
                  "; your view is recorded.");
  if (!facts.exam_class->clinical_source.empty()) absl::StrAppend(&detail, " Basis: ", facts.exam_class->clinical_source, ".");
  if (!facts.exam_class->approved_by.empty()) absl::StrAppend(&detail, " Approved by ", facts.exam_class->approved_by, ".");
  if (!facts.notice.empty()) absl::StrAppend(&detail, "\n\n", facts.notice);
  return detail;
}

Json Suggestions(const CardFacts& facts) {
  const Json action = Json::Object({{"type", Text("delete")},
                                    {"description", Text(absl::StrCat("Cancel the order: ", facts.exam_class->label))},
                                    {"resourceId", Text(absl::StrCat("ServiceRequest/", facts.order->id))}});
  return Json::Array({Json::Object({{"label", Text("Use the available result and cancel this order")},
                                    {"uuid", Text(facts.suggestion)},
                                    {"actions", Json::Array({action})}})});
}

Json Reasons() {
  Json reasons = Json::Array();
  for (const OverrideReason& reason : kReasons)
    reasons.Append(
        Json::Object({{"code", Text(reason.code)}, {"system", Text(kOverrideReasons)}, {"display", Text(reason.display)}}));
  return reasons;
}

Json Service(std::string_view hook) {
  const Json prefetch = Json::Object({{"patient", Text("Patient/{{context.patientId}}")},
                                      {"encounter", Text("Encounter/{{context.encounterId}}")},
                                      {"conditions", Text("Condition?patient={{context.patientId}}")}});
  return Json::Object(
      {{"hook", Text(hook)},
       {"id", Text(kServiceId)},
       {"title", Text("Prior results elsewhere")},
       {"description",
        Text("Says when a usable result of the ordered exam is available at another health system and the patient's choices let it be viewed.")},
       {"prefetch", prefetch},
       {"usageRequirements",
        Text("The patient must be in prefetch, or behind a registered fhirServer with fhirAuthorization (else 412). Without encounter and "
             "conditions cards inform but never suggest to cancel an order.")}});
}

}  // namespace

std::string Hl7ReasonOf(const Json& override_reason) {
  // CDS Hooks 2.0 has the Coding in `reason`.
  const Json& coding = override_reason["reason"];
  if (coding.TextOf("system") == kHl7OverrideReasons) return coding.TextOf("code");
  if (coding.TextOf("system") != kOverrideReasons) return "";
  for (const OverrideReason& reason : kReasons)
    if (reason.code == coding.TextOf("code")) return std::string(reason.hl7);
  return "";
}

const std::string& DiscoveryBody() {
  static const std::string& body =
      *new std::string(Json::Object({{"services", Json::Array({Service("order-select"), Service("order-sign")})}}).Text());
  return body;
}

std::string Shortened(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::size_t end = bytes_max - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

Json CardJson(const CardFacts& facts) {
  const std::string summary =
      absl::StrCat(facts.exam_class->label, " of ", DateOf(facts), IsAmended(facts.status) ? absl::StrCat(" (", facts.status, ")") : "", " is available from ",
                   facts.source_tenant.ShownName());
  Json card = Json::Object({{"uuid", Text(facts.uuid)},
                            {"summary", Text(Shortened(summary, kSummaryMax))},
                            {"detail", Text(DetailOf(facts))},
                            {"indicator", Text("info")},
                            {"source", Json::Object({{"label", Text("Custodian prior results")}})}});
  if (!facts.suggestion.empty()) {
    card.Set("suggestions", Suggestions(facts));
    card.Set("selectionBehavior", Text("at-most-one"));
  }
  card.Set("overrideReasons", Reasons());
  card.Set("links", Json::Array({Json::Object(
                        {{"label", Text("View the result")}, {"url", Text(facts.link_url)}, {"type", Text("absolute")}})}));
  return card;
}

void MarkAmended(const std::string& status, Json& card) {
  const std::string& detail = card.TextOf("detail");
  if (!IsAmended(status) || detail.find(AmendedText(status)) != std::string::npos) return;
  const std::string mark = absl::StrCat(" (", status, ")");
  const std::string summary = Shortened(card.TextOf("summary"), kSummaryMax - mark.size()) + mark;
  card.Set("detail", Text(absl::StrCat(AmendedText(status), ". ", detail)));
  card.Set("summary", Text(summary));
}

void RemoveSuggestion(Json& card) {
  card.Remove("suggestions");
  card.Remove("selectionBehavior");
}

std::string CardsBody(std::vector<Json> cards) {
  if (cards.empty()) return std::string(kNoCards);
  return Json::Object({{"cards", Json::Array(std::move(cards))}}).Text();
}

}  // namespace custodian::exchange
