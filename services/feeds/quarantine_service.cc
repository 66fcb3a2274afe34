#include "services/feeds/quarantine_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_time.h"
#include "services/rpc/router.h"
#include "spdlog/spdlog.h"

namespace custodian::feeds {
namespace {

using exchange::Json;
using rpc::HttpResponse;
using rpc::PlainText;

constexpr std::size_t kRowsMax = 1'000;
constexpr std::size_t kIdBytes = 16;

HttpResponse JsonAnswer(int status, const Json& json) {
  return {status, {{"Content-Type", "application/json"}}, json.Text() + "\n"};
}

HttpResponse Failed(const absl::Status& status) {
  if (absl::IsNotFound(status)) return PlainText(404, absl::StrCat(std::string(status.message()), "; see custodian feed list"));
  spdlog::error("event=quarantine_failed code={} reason=\"{}\"", absl::StatusCodeToString(status.code()), std::string(status.message()));
  HttpResponse response = PlainText(503, "the service cannot answer now; try again in a second");
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

Json FaultJson(FaultCode code, const std::string& place, const std::string& reason) {
  return Json::Object({{"code", Json::Integer(static_cast<int>(code))}, {"place", Json::String(place)}, {"reason", Json::String(reason)}});
}

}  // namespace

HttpResponse QuarantineService::Handle(const rpc::HttpRequest& request) const {
  const auto client = guard_.Admit(request.peer_spiffe_id, {"feed"});
  // "", "feed", tenant, "quarantine", id, "replay"
  const std::vector<std::string> path = absl::StrSplit(request.path, '/');
  if (!client.ok() || path.size() < 3 || client->tenant.text() != path[2]) {
    return PlainText(403, "a tenant's quarantine is for its own feed clients: use a certificate of role feed of this tenant");
  }
  if (path.size() == 4 && path[3] == "quarantine" && request.method == "GET") {
    const auto parameters = request.Parameters();
    const bool all = parameters.size() == 1 && parameters[0].first == "all" && parameters[0].second == "true";
    if (!parameters.empty() && !all) return PlainText(400, "the one parameter is all=true");
    return List(*client, all);
  }
  if (path.size() < 5 || path.size() > 6 || path[3] != "quarantine") return PlainText(404, "try /feed/<tenant>/quarantine");
  const std::string& hex = path[4];
  if (hex.size() != 2 * kIdBytes || hex.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return PlainText(400, "an id is 32 hexadecimal digits; see custodian feed list");
  }
  const std::string id = absl::HexStringToBytes(hex);
  if (path.size() == 5 && request.method == "GET") return Show(*client, id);
  if (path.size() == 6 && path[5] == "replay" && request.method == "POST") return Replay(*client, id);
  return PlainText(404, "try GET .../<id> or POST .../<id>/replay");
}

HttpResponse QuarantineService::List(const tenants::Client& client, bool all) const {
  const tenants::Partition* partition = partitions_.FindById(client.tenant);
  if (partition == nullptr) return Failed(absl::UnavailableError("the tenant's partition does not run here"));
  const auto rows = FeedStore(*partition->database).Quarantined(all, kRowsMax);
  if (!rows.ok()) return Failed(rows.status());
  Json list = Json::Array();
  for (const QuarantineRow& row : *rows) {
    Json one = FaultJson(row.code, row.place, row.reason);
    one.Set("id", Json::String(HexEncode(row.id)));
    one.Set("type", Json::String(row.message_type));
    one.Set("arrived", Json::String(exchange::FormatInstant(row.arrived)));
    if (row.replayed) one.Set("replayed", Json::String(exchange::FormatInstant(*row.replayed)));
    list.Append(std::move(one));
  }
  return JsonAnswer(200, Json::Object({{"messages", std::move(list)}}));
}

HttpResponse QuarantineService::Show(const tenants::Client& client, const std::string& id) const {
  auto quarantined = intake_.Show(client.tenant, id);
  if (!quarantined.ok()) return Failed(quarantined.status());
  return {200, {{"Content-Type", "x-application/hl7-v2+er7"}}, std::move(quarantined->message)};
}

HttpResponse QuarantineService::Replay(const tenants::Client& client, const std::string& id) const {
  const auto fault = intake_.Replay(client, id);
  if (!fault.ok()) return Failed(fault.status());
  if (!fault->has_value()) return JsonAnswer(200, Json::Object({{"taken", Json::Bool(true)}}));
  Json answer = FaultJson((*fault)->code, (*fault)->where.Text(), (*fault)->text);
  answer.Set("taken", Json::Bool(false));
  return JsonAnswer(422, answer);
}

}  // namespace custodian::feeds
