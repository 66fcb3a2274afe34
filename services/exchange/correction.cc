#include "services/exchange/correction.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {
namespace {

Json Text(std::string_view text) { return Json::String(std::string(text)); }
Json Concept(std::string_view system, std::string_view code) {
  return Json::Object({{"coding", Json::Array({Json::Object({{"system", Text(system)}, {"code", Text(code)}})})}});
}

std::string Sentence(const CorrectionFacts& facts) {
  const std::string begin = absl::StrCat("A result of ", facts.source.ShownName(), ", shown here on ", absl::FormatTime("%Y-%m-%d", facts.shown, facts.zone));
  switch (facts.correction) {
    case Correction::kAmended: return begin + ", has been amended since. Read it again before you rely on it.";
    case Correction::kWithdrawn: return begin + ", has been withdrawn there. Do not rely on it.";
    case Correction::kUnlinked: return begin + ", is not known to be this patient's any more: the link was unmade. Do not rely on it.";
  }
  return "";
}

}  // namespace

std::string_view NameOf(Correction correction) {
  switch (correction) {
    case Correction::kAmended: return "amended";
    case Correction::kWithdrawn: return "withdrawn";
    case Correction::kUnlinked: return "unlinked";
  }
  return "";
}

bool IsToldWhenCorrected(std::string_view type) { return type == "DiagnosticReport" || type == "Observation" || type == "ImagingStudy"; }

bool IsWithdrawn(const Json& resource) {
  const std::string& status = resource.TextOf("status");
  return status.empty() || status == "registered" || status == "cancelled" || status == "entered-in-error";
}

Json CorrectionAlert(const CorrectionFacts& facts) {
  Json sender = Json::Object({{"identifier", Json::Object({{"system", Text(facts.source.organization_system)}, {"value", Text(facts.source.organization_value)}})}});
  if (!facts.source.display_name.empty()) sender.Set("display", Text(facts.source.display_name));
  return Json::Object({{"resourceType", Text("Communication")},
                       {"id", Text(facts.id)},
                       {"status", Text("in-progress")},
                       {"category", Json::Array({Concept("http://terminology.hl7.org/CodeSystem/communication-category", "alert")})},
                       {"priority", Text("urgent")},
                       {"subject", Json::Object({{"reference", Text(absl::StrCat("Patient/", facts.patient))}})},
                       {"about", Json::Array({Json::Object({{"reference", Text(facts.result_url)}})})},
                       {"sent", Text(FormatInstant(facts.told))},
                       {"sender", std::move(sender)},
                       {"reasonCode", Json::Array({Concept(kCorrections, NameOf(facts.correction))})},
                       {"payload", Json::Array({Json::Object({{"contentString", Text(Sentence(facts))}})})}});
}

bool IsAcknowledged(const Json& alert) { return alert.TextOf("status") == "completed"; }

void SetAcknowledged(Json& alert, std::string_view who, absl::Time when, std::string_view note) {
  alert.Set("status", Text("completed"));
  alert.Set("received", Text(FormatInstant(when)));
  alert.Set("note", Json::Array({Json::Object({{"authorString", Text(who)},
                                               {"time", Text(FormatInstant(when))},
                                               {"text", Text(note.empty() ? "Acknowledged." : note)}})}));
}

}  // namespace custodian::exchange
