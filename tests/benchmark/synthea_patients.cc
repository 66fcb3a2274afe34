#include "tests/benchmark/synthea_patients.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace custodian::benchmark {
namespace {

using exchange::Json;

constexpr std::size_t kUuidChars = 36;

bool IsUuidAt(const std::string& text, std::size_t at) {
  if (at + kUuidChars > text.size()) return false;
  for (std::size_t i = 0; i < kUuidChars; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[at + i];
    if (dash ? c != '-' : !absl::ascii_isxdigit(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

// Other letters and digits of the same kind, the rest as it is.
std::string Scrambled(std::string text, std::mt19937_64& engine) {
  for (char& c : text) {
    const auto letter = static_cast<unsigned char>(c);
    if (absl::ascii_isdigit(letter)) c = static_cast<char>('0' + engine() % 10);
    if (absl::ascii_islower(letter)) c = static_cast<char>('a' + engine() % 26);
    if (absl::ascii_isupper(letter)) c = static_cast<char>('A' + engine() % 26);
  }
  return text;
}

void Scramble(Json* value, std::mt19937_64& engine) {
  if (value == nullptr) return;
  if (value->is_string()) *value = Json::String(Scrambled(value->text(), engine));
  for (Json& item : value->items()) Scramble(&item, engine);
}

// Nobody else's name, birth date, address, telephone and identifiers.
void MakeStranger(Json& patient, std::mt19937_64& engine) {
  patient.Set("birthDate", Json::String(absl::StrCat(1930 + engine() % 90, "-", absl::Dec(1 + engine() % 12, absl::kZeroPad2), "-",
                                                     absl::Dec(1 + engine() % 28, absl::kZeroPad2))));
  for (const auto& [list, members] : std::map<std::string, std::vector<std::string>>{
           {"name", {"family", "given"}}, {"telecom", {"value"}}, {"address", {"line", "postalCode"}}, {"identifier", {"value"}}}) {
    Json* items = patient.Find(list);
    if (items == nullptr) continue;
    for (Json& item : items->items())
      for (const std::string& member : members) Scramble(item.Find(member), engine);
  }
}

absl::Status Write(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary);
  file << bytes;
  file.close();
  return file ? absl::OkStatus() : absl::UnavailableError(absl::StrCat("cannot write ", path));
}

}  // namespace

absl::StatusOr<SyntheaPatients> SyntheaPatients::Read(const std::string& folder, std::uint64_t seed) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(folder, error))
    if (file.path().extension() == ".json") paths.push_back(file.path().string());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> bundles;
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    const auto bundle = Json::Parse(bytes.str());
    if (!file || !bundle.ok()) return absl::InvalidArgumentError(absl::StrCat(path, " is no Bundle"));
    bundles.push_back(bundle->Text());
  }
  if (bundles.empty()) return absl::NotFoundError(absl::StrCat("there are no Bundles in ", folder));
  return SyntheaPatients(std::move(bundles), seed);
}

absl::StatusOr<Json> SyntheaPatients::NextBundle() {
  const std::string& before = bundles_[made_++ % bundles_.size()];
  std::map<std::string, std::string> ids;
  std::string text;
  for (std::size_t at = 0; at < before.size();) {
    if (!IsUuidAt(before, at)) {
      text += before[at++];
      continue;
    }
    std::string& id = ids[before.substr(at, kUuidChars)];
    while (id.size() < kUuidChars) {
      const std::size_t i = id.size();
      id += i == 8 || i == 13 || i == 18 || i == 23 ? '-' : "0123456789abcdef"[engine_() % 16];
    }
    text += id;
    at += kUuidChars;
  }
  auto bundle = Json::Parse(text);
  if (!bundle.ok()) return bundle.status();
  for (Json& entry : bundle->Find("entry")->items())
    if (Json* resource = entry.Find("resource"); resource->TextOf("resourceType") == "Patient") MakeStranger(*resource, engine_);
  return bundle;
}

absl::StatusOr<std::vector<std::string>> SyntheaPatients::WriteBundles(const std::string& folder, int patients) {
  std::vector<std::string> texts;
  std::filesystem::create_directories(folder);
  for (int i = 0; i < patients; ++i) {
    const auto bundle = NextBundle();
    if (!bundle.ok()) return bundle.status();
    for (const Json& entry : (*bundle)["entry"].items()) texts.push_back(entry["resource"].Text());
    if (absl::Status status = Write(absl::StrCat(folder, "/", i, ".json"), bundle->Text()); !status.ok()) return status;
  }
  return texts;
}

absl::StatusOr<std::vector<std::string>> SyntheaPatients::WriteNdjson(const std::string& folder, int patients) {
  std::vector<std::string> texts;
  std::map<std::string, std::string> files;
  std::filesystem::create_directories(folder);
  for (int i = 0; i < patients; ++i) {
    auto bundle = NextBundle();
    if (!bundle.ok()) return bundle.status();
    std::map<std::string, std::string> targets;
    for (const Json& entry : (*bundle)["entry"].items())
      targets[entry.TextOf("fullUrl")] = absl::StrCat(entry["resource"].TextOf("resourceType"), "/", entry["resource"].TextOf("id"));
    for (Json& entry : bundle->Find("entry")->items()) {
      Json& resource = *entry.Find("resource");
      VisitReferences(resource, "", [&targets](std::string& reference, const std::string&) {
        if (const auto found = targets.find(reference); found != targets.end()) reference = found->second;
      });
      texts.push_back(resource.Text());
      files[resource.TextOf("resourceType")] += texts.back() + "\n";
    }
  }
  for (const auto& [type, bytes] : files)
    if (absl::Status status = Write(absl::StrCat(folder, "/", type, ".ndjson"), bytes); !status.ok()) return status;
  return texts;
}

}  // namespace custodian::benchmark
