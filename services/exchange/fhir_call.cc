#include "services/exchange/fhir_call.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace custodian::exchange {

Prefer PreferOf(const rpc::HttpRequest& request) {
  Prefer prefer;
  for (const auto& [name, value] : request.headers) {
    if (name != "prefer") continue;
    for (const absl::string_view part : absl::StrSplit(value, absl::ByAnyChar(",;"))) {
      const std::string each = absl::AsciiStrToLower(absl::StripAsciiWhitespace(part));
      if (each == "return=minimal") prefer.answer = Prefer::Return::kMinimal;
      if (each == "return=representation") prefer.answer = Prefer::Return::kRepresentation;
      if (each == "return=operationoutcome") prefer.answer = Prefer::Return::kOutcome;
      if (each == "handling=lenient") prefer.lenient = true;
      if (each == "handling=strict") prefer.lenient = false;
    }
  }
  return prefer;
}

bool IsJsonMediaType(std::string_view value) {
  const std::string type = absl::AsciiStrToLower(std::string(value.substr(0, value.find(';'))));
  const absl::string_view stripped = absl::StripAsciiWhitespace(type);
  return stripped == "application/fhir+json" || stripped == "application/json";
}

namespace {

// Of "; fhirVersion=4.0" (http://hl7.org/fhir/R4/http.html#version-parameter); also true without.
bool IsOfOurVersion(absl::string_view range) {
  for (const absl::string_view part : absl::StrSplit(range, ';')) {
    const std::string parameter = absl::AsciiStrToLower(absl::StripAsciiWhitespace(part));
    if (absl::StartsWith(parameter, "fhirversion=") && parameter != "fhirversion=4.0" && parameter != "fhirversion=\"4.0\"") return false;
  }
  return true;
}

}  // namespace

bool AcceptsJson(std::string_view accept) {
  for (const absl::string_view each : absl::StrSplit(absl::string_view(accept.data(), accept.size()), ',')) {
    const std::string range = absl::AsciiStrToLower(absl::StripAsciiWhitespace(each.substr(0, each.find(';'))));
    const bool is_json = range.empty() || range == "*/*" || range == "application/*" || IsJsonMediaType(range);
    if (is_json && IsOfOurVersion(each)) return true;
  }
  return false;
}

std::optional<Refusal> CheckFormats(const rpc::HttpRequest& request, bool any_accept) {
  const std::string encoding = absl::AsciiStrToLower(std::string(request.Header("content-encoding").value_or("identity")));
  if (encoding != "identity") return Refuse(415, "not-supported", "The body must be sent as it is, without Content-Encoding.");
  const std::string type(request.Header("content-type").value_or(""));
  if (IsJsonMediaType(type) && !IsOfOurVersion(type)) return Refuse(415, "not-supported", "The body must be FHIR 4.0.");
  bool is_taken = any_accept || AcceptsJson(request.Header("accept").value_or("*/*"));
  for (const auto& [name, value] : request.Parameters()) {
    // A '+' that was not written as %2B reads as a space.
    if (name == "_format") is_taken = value == "json" || IsJsonMediaType(absl::StrReplaceAll(value, {{" ", "+"}}));
  }
  if (!is_taken) return Refuse(406, "not-supported", "Only application/fhir+json of FHIR 4.0 is spoken here.");
  return std::nullopt;
}

Answer<Parameters> SearchParametersOf(const FhirCall& call) {
  Parameters parameters = call.request.Parameters();
  if (call.request.method != "POST" || call.request.body.empty()) return parameters;
  const std::string type = absl::AsciiStrToLower(std::string(call.request.Header("content-type").value_or("")));
  if (!absl::StartsWith(type, "application/x-www-form-urlencoded")) {
    return Refuse(415, "not-supported", "A search by POST must be sent as Content-Type: application/x-www-form-urlencoded.");
  }
  rpc::HttpRequest form;
  form.query = call.request.body;
  for (auto& parameter : form.Parameters()) parameters.push_back(std::move(parameter));
  return parameters;
}

std::string RelativeUrl(std::string_view url, std::string_view base_url) {
  if (url.starts_with(base_url)) url.remove_prefix(base_url.size());
  while (url.starts_with('/')) url.remove_prefix(1);
  return std::string(url);
}

}  // namespace custodian::exchange
