#include "services/node/sent_requests.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "rapidjson/document.h"
#include "tenants/ids.h"

namespace custodian::node {
namespace {

constexpr std::size_t kHashBytes = 32;

// The 32 bytes of a member in hex; empty when it is not there.
absl::StatusOr<std::string> HashMember(const rapidjson::Document& line, const char* name) {
  const auto member = line.FindMember(name);
  if (member == line.MemberEnd()) return std::string();
  auto bytes = member->value.IsString() ? HexDecode({member->value.GetString(), member->value.GetStringLength()})
                                        : absl::StatusOr<std::string>(absl::InvalidArgumentError("no text"));
  if (!bytes.ok() || bytes->size() != kHashBytes) return absl::InvalidArgumentError(std::string(name) + " is not 64 hex digits");
  return bytes;
}

// Of a body as CDS Hooks writes it ("Feedback"); what is no feedback is a call of a hook.
SentRequests::Request RequestOf(std::string_view body) {
  SentRequests::Request request;
  rapidjson::Document parsed;
  parsed.Parse(body.data(), body.size());
  const auto text = [](const rapidjson::Value& item, const char* name) {
    const auto member = item.FindMember(name);
    return member != item.MemberEnd() && member->value.IsString() ? std::string(member->value.GetString(), member->value.GetStringLength()) : std::string();
  };
  if (parsed.HasParseError() || !parsed.IsObject()) return request;
  const auto feedback = parsed.FindMember("feedback");
  if (feedback == parsed.MemberEnd() || !feedback->value.IsArray()) return request;
  request.is_feedback = true;
  for (const rapidjson::Value& item : feedback->value.GetArray())
    if (item.IsObject()) request.outcomes.push_back({absl::AsciiStrToLower(text(item, "card")), text(item, "outcome") == "accepted"});
  return request;
}

}  // namespace

std::string SentRequestLine(const ledger::Hash& token_sha256, const ledger::Hash& body_sha256, std::string_view sent) {
  return "{\"body_sha256\":\"" + HexEncode(ledger::AsBytes(body_sha256)) + "\",\"sent\":\"" + std::string(sent) + "\",\"token_sha256\":\"" +
         HexEncode(ledger::AsBytes(token_sha256)) + "\"}\n";
}

absl::Status SentRequests::ReadMore() {
  std::error_code error;
  std::vector<std::string> names;
  for (auto file = std::filesystem::directory_iterator(folder_, error); !error && file != std::filesystem::directory_iterator(); file.increment(error))
    if (file->path().extension() == ".jsonl") names.push_back(file->path().filename().string());
  if (error) return absl::UnavailableError(folder_ + ": " + error.message());
  for (const std::string& name : names)
    if (absl::Status status = ReadFile(name); !status.ok()) return status;
  return absl::OkStatus();
}

absl::Status SentRequests::ReadFile(const std::string& name) {
  std::ifstream file(folder_ + "/" + name, std::ios::binary);
  std::uint64_t& read = read_[name];
  file.seekg(static_cast<std::streamoff>(read));
  // Removed since it was listed: what it said is known.
  if (!file) return absl::OkStatus();
  for (std::string line; std::getline(file, line) && !file.eof(); read += line.size() + 1) {
    if (const absl::Status status = Take(line); !status.ok())
      return absl::InvalidArgumentError(name + " at byte " + std::to_string(read) + ": " + std::string(status.message()));
  }
  return absl::OkStatus();
}

absl::Status SentRequests::Take(std::string_view line) {
  rapidjson::Document parsed;
  parsed.Parse(line.data(), line.size());
  if (parsed.HasParseError() || !parsed.IsObject()) return absl::InvalidArgumentError("the line is no JSON object");
  auto token = HashMember(parsed, "token_sha256");
  if (!token.ok()) return token.status();
  auto body = HashMember(parsed, "body_sha256");
  if (!body.ok()) return body.status();
  Request request;
  if (const auto text = parsed.FindMember("body"); body->empty() && text != parsed.MemberEnd() && text->value.IsString()) {
    const std::string_view bytes(text->value.GetString(), text->value.GetStringLength());
    body = std::string(ledger::AsBytes(ledger::Sha256(bytes)));
    request = RequestOf(bytes);
  }
  if (token->empty() || body->empty()) return absl::InvalidArgumentError("token_sha256, and body_sha256 or body, are needed");
  sent_.insert_or_assign(*token + *body, std::move(request));
  return absl::OkStatus();
}

const SentRequests::Request* SentRequests::Find(std::string_view token_sha256, std::string_view body_sha256) const {
  const auto found = sent_.find(std::string(token_sha256) + std::string(body_sha256));
  return found == sent_.end() ? nullptr : &found->second;
}

bool SentRequests::HasToken(std::string_view token_sha256) const {
  const auto found = sent_.lower_bound(token_sha256);
  return found != sent_.end() && std::string_view(found->first).substr(0, kHashBytes) == token_sha256;
}

}  // namespace custodian::node
