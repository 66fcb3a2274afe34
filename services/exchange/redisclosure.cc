#include "services/exchange/redisclosure.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "services/consent/tenant_rules.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPart2 = "42CFRPart2";
constexpr std::string_view kNoRedisclosure = "NORDSCLCD";
constexpr std::string_view kActCode = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
constexpr std::string_view kRegulation = "https://www.ecfr.gov/current/title-42/chapter-I/subchapter-A/part-2";
constexpr std::string_view kStatement = "42 CFR part 2 prohibits unauthorized use or disclosure of these records.";

void AddLabel(std::string_view code, Json& security) {
  for (const Json& known : security.items())
    if (known.TextOf("code") == code) return;
  Json coding = Json::Object();
  if (code == kNoRedisclosure || consent::TenantRules::SensitivityCode(code)) coding.Set("system", Json::String(std::string(kActCode)));
  coding.Set("code", Json::String(std::string(code)));
  security.Append(std::move(coding));
}

}  // namespace

bool IsPart2(const std::vector<std::string>& labels) { return std::find(labels.begin(), labels.end(), kPart2) != labels.end(); }

void AddLabels(const std::vector<std::string>& labels, Json& resource) {
  if (labels.empty()) return;
  Json meta = resource["meta"];
  Json security = meta["security"];
  for (const std::string& label : labels) AddLabel(label, security);
  if (IsPart2(labels)) AddLabel(kNoRedisclosure, security);
  meta.Set("security", std::move(security));
  resource.Set("meta", std::move(meta));
}

std::string Part2Notice(const AuditFacts& facts) {
  if (!IsPart2(facts.judgement.labels)) return "";
  if (facts.emergency) {
    return absl::StrCat(std::string(kStatement), " Disclosed to ", facts.recipient.ShownName(),
                        " without consent, in a medical emergency only (42 CFR 2.51).");
  }
  return absl::StrCat(std::string(kStatement), " Scope of the consent (", facts.judgement.consent, "): recipient ", facts.recipient.ShownName(), ", purpose ",
                      facts.purpose, ", this record with its sensitivity ", absl::StrJoin(facts.judgement.labels, ", "), "; until the consent ends or is revoked.");
}

void AddPart2Notice(const AuditFacts& facts, Json& provenance) {
  const std::string notice = Part2Notice(facts);
  if (notice.empty()) return;
  const std::string escaped = absl::StrReplaceAll(notice, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
  provenance.Set("text", Json::Object({{"status", Json::String("additional")},
                                       {"div", Json::String(absl::StrCat("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>", escaped, "</p></div>"))}}));
  provenance.Set("policy", Json::Array({Json::String(std::string(kRegulation))}));
}

void AddNoticeToCopy(const std::string& notice, Json& resource) {
  if (notice.empty()) return;
  Json meta = resource["meta"];
  Json extensions = meta["extension"].is_array() ? meta["extension"] : Json::Array();
  extensions.Append(Json::Object({{"url", Json::String(std::string(kNoticeExtension))}, {"valueString", Json::String(notice)}}));
  meta.Set("extension", std::move(extensions));
  resource.Set("meta", std::move(meta));
}

}  // namespace custodian::exchange
