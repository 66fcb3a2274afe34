#include "services/sample/replay_platform.h"

#include <fstream>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "rapidjson/document.h"
#include "services/rpc/grpc_client.h"
#include "services/rpc/https_client.h"
#include "services/sample/ehr_token.h"
#include "services/sample/sent_note.h"

namespace custodian::sample {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(20);
constexpr absl::Duration kGivenUpAfter = absl::Milliseconds(450);

struct Tenant {
  std::string fhir_base_url;
  std::string cds_url;
  // Where its gateway writes down what it sends (sent_note.h); empty: nowhere.
  std::string sent_file;
  std::unique_ptr<rpc::HttpsClient> fhir;
  std::unique_ptr<EhrTokens> ehr;
  std::unique_ptr<rpc::FeedClient> feed;
};

absl::StatusOr<Platform::Answer> AnswerOf(absl::StatusOr<rpc::HttpResponse> response) {
  if (!response.ok()) return response.status();
  Platform::Answer answer{response->status, false, std::move(response->body)};
  for (const auto& [name, value] : response->headers) {
    std::string lower = name;
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    answer.retry_later = answer.retry_later || lower == "retry-after";
  }
  return answer;
}

class HomePlatform : public Platform {
 public:
  absl::Status SetTime(absl::Time time) override { return admin_->SetTime(time).status(); }

  absl::StatusOr<Answer> WriteFhir(const std::string& tenant, const std::string& method, const std::string& path,
                                   const std::string& body, const std::string& idempotency_key) override {
    const auto found = tenants_.find(tenant);
    if (found == tenants_.end()) return Unknown(tenant);
    const std::string url = path.empty() ? found->second.fhir_base_url : absl::StrCat(found->second.fhir_base_url, "/", path);
    return AnswerOf(found->second.fhir->Send(method, url,
                                             {{"content-type", "application/fhir+json"},
                                              {"accept", "application/fhir+json"},
                                              {"idempotency-key", idempotency_key},
                                              {"prefer", "return=minimal"}},
                                             body));
  }

  absl::StatusOr<Answer> CallCds(const std::string& tenant, const std::string& path, const std::string& body) override {
    const auto found = tenants_.find(tenant);
    if (found == tenants_.end()) return Unknown(tenant);
    const std::string url = absl::StrCat(found->second.cds_url, path);
    const auto token = found->second.ehr->Sign(url, absl::Now());
    if (!token.ok()) return token.status();
    if (!found->second.sent_file.empty())
      if (absl::Status status = NoteSent(found->second.sent_file, *token, body, path.ends_with("/feedback"), absl::Now()); !status.ok()) return status;
    const absl::Time sent = absl::Now();
    auto answer = AnswerOf(cds_->Send("POST", url, {{"content-type", "application/json"}, {"authorization", absl::StrCat("Bearer ", *token)}}, body));
    if (answer.ok() && absl::Now() - sent >= kGivenUpAfter && absl::StrContains(answer->body, "\"cards\":[]")) answer->retry_later = true;
    return answer;
  }

  absl::Status AdvanceWatermark(const std::string& tenant, absl::Time through, const std::string& idempotency_key) override {
    const auto found = tenants_.find(tenant);
    return found == tenants_.end() ? Unknown(tenant) : found->second.feed->AdvanceWatermark(through, idempotency_key).status();
  }

  absl::Status ReportGap(const std::string& tenant, absl::Time from, absl::Time to, const std::string& idempotency_key) override {
    const auto found = tenants_.find(tenant);
    return found == tenants_.end() ? Unknown(tenant) : found->second.feed->ReportGap(from, to, idempotency_key).status();
  }

  absl::Status Connect(const rapidjson::Value& summary, const std::string& file);

 private:
  static absl::Status Unknown(const std::string& tenant) {
    return absl::InvalidArgumentError(absl::StrCat("the home knows no tenant named ", tenant));
  }
  absl::Status Add(const rapidjson::Value& tenant, const std::string& grpc_address, const std::string& ca_file,
                   const std::string& file);

  std::unique_ptr<rpc::AdminClient> admin_;
  // EHRs show a token, no certificate.
  std::unique_ptr<rpc::HttpsClient> cds_;
  std::map<std::string, Tenant> tenants_;
};

// Reads text members and remembers the first that is missing.
class Members {
 public:
  Members(const rapidjson::Value& object, const std::string& file) : object_(object), file_(file) {}
  std::string operator()(const char* name) {
    if (object_.IsObject() && object_.HasMember(name) && object_[name].IsString()) return object_[name].GetString();
    if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat(file_, " has no text named ", name));
    return "";
  }
  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  const rapidjson::Value& object_;
  const std::string& file_;
  absl::Status status_;
};

std::string WithoutSlash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

absl::Status HomePlatform::Add(const rapidjson::Value& tenant, const std::string& grpc_address, const std::string& ca_file,
                               const std::string& file) {
  Members member(tenant, file);
  const std::string name = member("name");
  Tenant added;
  added.fhir_base_url = WithoutSlash(member("fhir_base_url"));
  added.cds_url = WithoutSlash(member("cds_url"));
  rpc::HttpsClient::Options options;
  options.ca_file = ca_file;
  options.certificate_file = member("client_cert");
  options.key_file = member("client_key");
  options.timeout = kTimeout;
  const rpc::GrpcEndpoint endpoint{grpc_address, ca_file, member("feed_cert"), member("feed_key"), kTimeout};
  EhrTokens::Identity identity{member("jwk_file"), member("kid"), member("cds_iss"), member("cds_tenant")};
  if (!member.status().ok()) return member.status();
  // Of a home whose tenants run a node.
  if (tenant.HasMember("sent_folder")) added.sent_file = absl::StrCat(member("sent_folder"), "/replay.jsonl");
  auto fhir = rpc::HttpsClient::Create(options);
  if (!fhir.ok()) return fhir.status();
  added.fhir = *std::move(fhir);
  auto feed = rpc::FeedClient::Create(endpoint);
  if (!feed.ok()) return feed.status();
  added.feed = *std::move(feed);
  auto ehr = EhrTokens::Create(std::move(identity));
  if (!ehr.ok()) return ehr.status();
  added.ehr = std::make_unique<EhrTokens>(*std::move(ehr));
  tenants_.emplace(name, std::move(added));
  return absl::OkStatus();
}

absl::Status HomePlatform::Connect(const rapidjson::Value& summary, const std::string& file) {
  Members member(summary, file);
  const std::string ca_file = member("ca_file"), grpc_address = member("grpc_address");
  const rpc::GrpcEndpoint endpoint{grpc_address, ca_file, member("operator_cert"), member("operator_key"), kTimeout};
  if (!member.status().ok()) return member.status();
  auto admin = rpc::AdminClient::Create(endpoint);
  if (!admin.ok()) return admin.status();
  admin_ = *std::move(admin);
  rpc::HttpsClient::Options options;
  options.ca_file = ca_file;
  options.timeout = kTimeout;
  auto cds = rpc::HttpsClient::Create(options);
  if (!cds.ok()) return cds.status();
  cds_ = *std::move(cds);
  if (!summary.HasMember("tenants") || !summary["tenants"].IsArray()) {
    return absl::InvalidArgumentError(absl::StrCat(file, " has no list named tenants"));
  }
  for (const auto& tenant : summary["tenants"].GetArray()) {
    if (absl::Status status = Add(tenant, grpc_address, ca_file, file); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Platform>> ConnectToHome(const std::string& home) {
  const std::string file = absl::StrCat(home, "/summary.json");
  std::ifstream in(file, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  if (!in) return absl::NotFoundError(absl::StrCat("cannot read ", file, "; --home names a quickstart's home"));
  rapidjson::Document summary;
  const std::string text = bytes.str();
  summary.Parse(text.c_str(), text.size());
  if (summary.HasParseError() || !summary.IsObject())
    return absl::InvalidArgumentError(absl::StrCat(file, " is not a JSON object"));
  auto platform = std::make_unique<HomePlatform>();
  if (absl::Status status = platform->Connect(summary, file); !status.ok()) return status;
  return platform;
}

}  // namespace custodian::sample
