#include "services/main/import_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_json.h"
#include "services/main/config.h"

namespace custodian::main {
namespace {

using exchange::Json;

// What is referred to by identifier or owns others comes first. Judged by the file's name, and for NDJSON by its first resource.
int Rank(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (name.starts_with("hospitalInformation")) return 0;
  if (name.starts_with("practitionerInformation")) return 1;
  if (path.extension() != ".ndjson") return 3;
  std::ifstream file(path, std::ios::binary);
  std::string line;
  std::getline(file, line);
  const auto first = Json::Parse(line);
  const std::string type = first.ok() ? first->TextOf("resourceType") : "";
  if (type == "Organization" || type == "Location" || type == "Practitioner" || type == "PractitionerRole") return 0;
  return type == "Patient" ? 2 : 3;
}

// The entry that stores a resource (JSON text, and the same parsed) under its own id, or gives it one.
ImportRow RowOf(std::size_t place, std::string_view text, const Json& resource) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const std::string& type = resource.TextOf("resourceType");
  const std::string& id = resource.TextOf("id");
  const std::string target = id.empty() ? "" : absl::StrCat(type, "/", id);
  const Json request = Json::Object({{"method", Json::String(id.empty() ? "POST" : "PUT")}, {"url", Json::String(id.empty() ? type : target)}});
  return {place, absl::StrCat("{\"resource\":", std::string(text), ",\"request\":", request.Text(), "}"), target};
}

void ReadLines(const std::string& text, ImportFile& file) {
  std::size_t line = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view row = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++line;
    if (row.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto resource = Json::Parse(row);
    if (!resource.ok()) {
      file.bad_rows.emplace_back(line, std::string(resource.status().message()));
    } else if (resource->TextOf("resourceType").empty()) {
      file.bad_rows.emplace_back(line, "no FHIR resource: it has no resourceType");
    } else {
      file.rows.push_back(RowOf(line, row, *resource));
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<std::vector<std::string>>> FilesToImport(const std::vector<std::string>& paths) {
  std::vector<std::tuple<int, std::string>> found;
  for (const std::string& path : paths) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(path, error)) {
        const auto extension = entry.path().extension();
        if (entry.is_regular_file() && (extension == ".json" || extension == ".ndjson")) found.emplace_back(Rank(entry.path()), entry.path().string());
      }
      if (error) return absl::PermissionDeniedError(absl::StrCat("the folder '", path, "' cannot be read"));
    } else if (std::filesystem::is_regular_file(path, error)) {
      found.emplace_back(Rank(path), path);
    } else {
      return absl::NotFoundError(absl::StrCat("there is no file or folder '", path, "'"));
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  std::vector<std::vector<std::string>> groups;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i == 0 || std::get<int>(found[i]) != std::get<int>(found[i - 1])) groups.emplace_back();
    groups.back().push_back(std::get<std::string>(found[i]));
  }
  return groups;
}

absl::StatusOr<ImportFile> ReadImportFile(const std::string& path) {
  auto text = ReadFile(path);
  if (!text.ok()) return text.status();
  ImportFile file;
  file.path = path;
  if (std::filesystem::path(path).extension() == ".ndjson") {
    ReadLines(*text, file);
    return file;
  }
  auto json = Json::Parse(*text);
  if (!json.ok()) return json.status();
  const std::string type = json->TextOf("resourceType");
  if (type.empty()) return absl::InvalidArgumentError("holds no FHIR resource: it has no resourceType");
  if (type != "Bundle") {
    file.rows.push_back(RowOf(1, *text, *json));
    return file;
  }
  if (json->TextOf("type") == "transaction") {
    file.transaction_entries = (*json)["entry"].items().size();
    for (const Json& entry : (*json)["entry"].items()) {
      const Json& request = entry["request"];
      if (request.TextOf("method") == "PUT" || request.TextOf("method") == "DELETE") file.transaction_targets.insert(request.TextOf("url"));
    }
    file.transaction = *std::move(text);
    return file;
  }
  // A collection or search result: each of its resources, under its own id.
  std::size_t place = 0;
  if (Json* entries = json->Find("entry")) {
    for (Json& entry : entries->items()) {
      ++place;
      Json* resource = entry.Find("resource");
      if (resource == nullptr || resource->TextOf("resourceType").empty()) {
        file.bad_rows.emplace_back(place, "the entry holds no resource");
      } else {
        file.rows.push_back(RowOf(place, resource->Text(), *resource));
      }
    }
  }
  return file;
}

std::string TransactionOf(const std::vector<ImportRow>& rows) {
  std::string bundle = R"({"resourceType":"Bundle","type":"transaction","entry":[)";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) bundle += ',';
    bundle += rows[i].entry;
  }
  return bundle + "]}";
}

}  // namespace custodian::main
