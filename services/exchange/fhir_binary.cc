#include "services/exchange/fhir_binary.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace custodian::exchange {
namespace {

constexpr char kAnyBytes[] = "application/octet-stream";

// "Text/Plain; charset=utf-8" → "text/plain".
std::string MediaType(absl::string_view value) {
  return absl::AsciiStrToLower(absl::StripAsciiWhitespace(value.substr(0, value.find(';'))));
}

enum class Form { kJson, kBytes, kNeither };

Form FormFor(const rpc::HttpRequest& request, const std::string& type) {
  for (const auto& [name, value] : request.Parameters()) {
    if (name == "_format") return Form::kJson;
  }
  Form form = Form::kNeither;
  for (const absl::string_view each : absl::StrSplit(std::string(request.Header("accept").value_or("*/*")), ',')) {
    const std::string range = MediaType(each);
    const bool takes_type = range == "*/*" || range == type || (range.ends_with("/*") && absl::StartsWith(type, range.substr(0, range.size() - 1)));
    if (range == "application/fhir+json" || (range == "application/json" && range != type)) return Form::kJson;
    if (takes_type) form = Form::kBytes;
  }
  return form;
}

}  // namespace

bool IsBinaryRead(const rpc::HttpRequest& request, const std::vector<std::string>& segments) {
  const bool is_one = segments.size() == 2 || (segments.size() == 4 && segments[2] == "_history");
  return request.method == "GET" && is_one && segments[0] == "Binary" && IsFhirId(segments[1]);
}

rpc::HttpResponse AsAccepted(const FhirCall& call, rpc::HttpResponse read) {
  if (read.status != 200) return read;
  const auto binary = Json::Parse(read.body);
  if (!binary.ok()) return read;
  // The published form of a code admits a line feed, which would end a header.
  std::string type = binary->TextOf("contentType");
  if (std::any_of(type.begin(), type.end(), [](unsigned char c) { return c < 0x20 || c > 0x7E; })) type = kAnyBytes;
  const Form form = FormFor(call.request, MediaType(type));
  if (form == Form::kJson) return read;
  if (form == Form::kNeither) {
    return FhirResponse(Refuse(406, "not-supported", "The bytes are of another type than Accept takes; ask for application/fhir+json to learn it."));
  }
  std::string bytes;
  if (!absl::Base64Unescape(binary->TextOf("data"), &bytes)) return FhirResponse(RefusalOf(absl::DataLossError("a stored Binary is no base64")));
  read.body = std::move(bytes);
  for (auto& [name, value] : read.headers) {
    if (name == "Content-Type") value = type;
  }
  // Whatever it is, it is shown as a document and runs nothing of ours.
  read.headers.emplace_back("Content-Security-Policy", "default-src 'none'; sandbox");
  return read;
}

std::optional<Json> SentBinary(const FhirCall& call) {
  const auto type = call.request.Header("content-type");
  const bool is_write = call.segments.size() == 1 || (call.segments.size() == 2 && IsFhirId(call.id()));
  if (call.type() != "Binary" || !is_write || !type.has_value() || type->empty() || IsJsonMediaType(*type)) return std::nullopt;
  Json binary = Json::Object({{"resourceType", Json::String("Binary")}});
  if (call.segments.size() > 1) binary.Set("id", Json::String(call.id()));
  binary.Set("contentType", Json::String(std::string(*type)));
  if (const auto context = call.request.Header("x-security-context")) {
    binary.Set("securityContext", Json::Object({{"reference", Json::String(RelativeUrl(*context, call.base_url))}}));
  }
  if (!call.request.body.empty()) binary.Set("data", Json::String(absl::Base64Escape(call.request.body)));
  return binary;
}

}  // namespace custodian::exchange
