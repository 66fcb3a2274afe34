#include "services/exchange/fhir_bundle.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace custodian::exchange {

Json Link(const char* relation, const std::string& url) {
  return Json::Object({{"relation", Json::String(relation)}, {"url", Json::String(url)}});
}

Json SearchEntry(const std::string& full_url, Json resource, const char* mode) {
  Json entry = Json::Object();
  if (!full_url.empty()) entry.Set("fullUrl", Json::String(full_url));
  entry.Set("resource", std::move(resource));
  entry.Set("search", Json::Object({{"mode", Json::String(mode)}}));
  return entry;
}

Json BundleOf(const char* type, std::optional<std::size_t> total, std::vector<Json> links, std::vector<Json> entries) {
  Json bundle = Json::Object({{"resourceType", Json::String("Bundle")}, {"type", Json::String(type)}});
  if (total.has_value()) bundle.Set("total", Json::Integer(static_cast<std::int64_t>(*total)));
  if (!links.empty()) bundle.Set("link", Json::Array(std::move(links)));
  if (!entries.empty()) bundle.Set("entry", Json::Array(std::move(entries)));
  return bundle;
}

std::string SearchsetText(std::optional<std::size_t> total, const std::vector<Json>& links, const std::vector<BundleEntry>& entries) {
  std::string text = BundleOf("searchset", total, links, {}).Text();
  if (entries.empty()) return text;
  std::size_t bytes = text.size();
  for (const BundleEntry& entry : entries) bytes += entry.resource.size() + entry.full_url.size() + 64;
  text.reserve(bytes);
  text.back() = ',';
  absl::StrAppend(&text, "\"entry\":");
  char before = '[';
  for (const BundleEntry& entry : entries) {
    text += before;
    before = ',';
    text += '{';
    if (!entry.full_url.empty()) absl::StrAppend(&text, "\"fullUrl\":", Json::String(entry.full_url).Text(), ",");
    absl::StrAppend(&text, "\"resource\":", entry.resource, ",\"search\":{\"mode\":\"", entry.mode, "\"}}");
  }
  return text += "]}";
}

Json ResponseBundle(const char* type, std::vector<Json> entries) {
  Json bundle = Json::Object({{"resourceType", Json::String("Bundle")}, {"type", Json::String(type)}});
  if (!entries.empty()) bundle.Set("entry", Json::Array(std::move(entries)));
  return bundle;
}

std::string StatusLine(int status) {
  static constexpr std::pair<int, const char*> kReasons[] = {
      {200, "OK"},        {201, "Created"},        {204, "No Content"},        {304, "Not Modified"},        {400, "Bad Request"},
      {403, "Forbidden"}, {404, "Not Found"},      {405, "Method Not Allowed"}, {409, "Conflict"},            {410, "Gone"},
      {412, "Precondition Failed"}, {413, "Payload Too Large"}, {415, "Unsupported Media Type"}, {422, "Unprocessable Entity"},
      {500, "Internal Server Error"}, {503, "Service Unavailable"}};
  for (const auto& [code, reason] : kReasons) {
    if (code == status) return absl::StrCat(status, " ", reason);
  }
  return absl::StrCat(status);
}

}  // namespace custodian::exchange
