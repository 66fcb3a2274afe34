#include "services/savings/page_service.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_json.h"
#include "spdlog/spdlog.h"

namespace custodian::savings {
namespace {

using exchange::Json;
using rpc::HttpRequest;
using rpc::HttpResponse;

constexpr std::string_view kRoot = "/savings/";
constexpr int kRowsPerPage = 50;
constexpr int kPageMax = 100'000;
constexpr std::size_t kAssetBytesMax = 8u << 20;

// Charts bring their own style elements; scripts are ours alone, and nothing is fetched from elsewhere.
constexpr char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

HttpResponse Answer(int status, std::string content_type, std::string body) {
  return {.status = status,
          .headers = {{"Content-Type", std::move(content_type)},
                      {"Cache-Control", "no-store"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Content-Security-Policy", kContentSecurityPolicy},
                      {"Referrer-Policy", "no-referrer"}},
          .body = std::move(body)};
}

HttpResponse JsonAnswer(int status, const Json& json) { return Answer(status, "application/json; charset=utf-8", json.Text()); }

HttpResponse ErrorAnswer(int status, const std::string& message) {
  return JsonAnswer(status, Json::Object({{"error", Json::String(message)}}));
}

HttpResponse ErrorAnswer(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound: return ErrorAnswer(404, std::string(status.message()));
    case absl::StatusCode::kInvalidArgument: return ErrorAnswer(400, std::string(status.message()));
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted: return ErrorAnswer(503, std::string(status.message()));
    default: break;
  }
  spdlog::error("savings page: {}", std::string(status.message()));
  return ErrorAnswer(500, "the figures cannot be read now");
}

std::string Parameter(const HttpRequest& request, std::string_view name) {
  for (auto& [key, value] : request.Parameters()) {
    if (key == name) return value;
  }
  return "";
}

// Absent: nothing, for network time.
absl::StatusOr<std::optional<absl::Time>> AsOf(const HttpRequest& request) {
  const std::string text = Parameter(request, "as_of");
  if (text.empty()) return std::optional<absl::Time>();
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return absl::InvalidArgumentError("as_of: expected a time like 2026-03-01T00:00:00Z");
  }
  return std::optional<absl::Time>(time);
}

std::string ContentType(const std::filesystem::path& path) {
  const std::string extension = path.extension();
  if (extension == ".html") return "text/html; charset=utf-8";
  if (extension == ".css") return "text/css; charset=utf-8";
  if (extension == ".js") return "text/javascript; charset=utf-8";
  if (extension == ".svg") return "image/svg+xml";
  return "application/octet-stream";
}

const char* WhatOf(const ListedAvoidance::Entry& entry) {
  switch (entry.kind) {
    case ledger::v1::KIND_SOURCE_CREDITED: return entry.cents < 0 ? "source credit taken back" : "source credited";
    case ledger::v1::KIND_AVOIDANCE_CONFIRMED: return entry.cents < 0 ? "confirmation taken back" : "confirmed";
    case ledger::v1::KIND_AVOIDANCE_REVERSED: return entry.cents > 0 ? "reversal taken back" : "reversed";
    case ledger::v1::KIND_AVOIDANCE_CENSORED: return entry.cents < 0 ? "censoring taken back" : "censored";
    default: return "entry";
  }
}

}  // namespace

PageService::PageService(std::map<std::string, Asset> assets, const Reporter& reporter, const tenants::Registry& registry,
                         Receipt receipt)
    : assets_(std::move(assets)), reporter_(reporter), registry_(registry), receipt_(std::move(receipt)) {}

absl::StatusOr<std::unique_ptr<PageService>> PageService::Create(const std::string& assets_directory, const Reporter& reporter,
                                                                 const tenants::Registry& registry, Receipt receipt) {
  std::map<std::string, Asset> assets;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(assets_directory, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    // The build's own mark lies beside what it built.
    if (entry->path().filename().string().starts_with('.')) continue;
    if (!entry->is_regular_file(ignored) || entry->file_size(ignored) > kAssetBytesMax) continue;
    std::ifstream file(entry->path(), std::ios::binary);
    std::string body{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (file.bad()) return absl::UnavailableError(absl::StrCat("cannot read ", entry->path().string()));
    assets.emplace(entry->path().filename(), Asset{ContentType(entry->path()), std::move(body)});
  }
  if (!assets.contains("index.html")) {
    return absl::NotFoundError(
        absl::StrCat("no index.html in ", assets_directory, "; run monitoring/savings/build ", assets_directory));
  }
  return std::unique_ptr<PageService>(new PageService(std::move(assets), reporter, registry, std::move(receipt)));
}

HttpResponse PageService::Handle(const HttpRequest& request) const {
  if (!std::string_view(request.path).starts_with(kRoot)) return ErrorAnswer(404, "there is no such page");
  const std::string name = request.path.substr(kRoot.size());
  if (name.starts_with("api/")) return Api(name.substr(4), request);
  const auto asset = assets_.find(name.empty() ? "index.html" : name);
  if (asset == assets_.end()) return ErrorAnswer(404, "there is no such page");
  return Answer(200, asset->second.content_type, asset->second.body);
}

HttpResponse PageService::Api(const std::string& name, const HttpRequest& request) const {
  if (name == "figures") return FiguresAnswer(request);
  if (name == "avoidances") return AvoidancesAnswer(request);
  if (name == "receipt") return ReceiptAnswer(request);
  if (name != "report" && name != "report.csv") return ErrorAnswer(404, "there is no such page");
  const auto as_of = AsOf(request);
  if (!as_of.ok()) return ErrorAnswer(as_of.status());
  const auto report = reporter_.Make(*as_of, Parameter(request, "tenant"));
  if (!report.ok()) return ErrorAnswer(report.status());
  if (name == "report") return Answer(200, "application/json; charset=utf-8", ToJson(*report, Marks::kShown));
  HttpResponse response = Answer(200, "text/csv; charset=utf-8", ToCsv(*report));
  response.headers.emplace_back("Content-Disposition", "attachment; filename=\"savings.csv\"");
  return response;
}

HttpResponse PageService::FiguresAnswer(const HttpRequest& request) const {
  const auto as_of = AsOf(request);
  if (!as_of.ok()) return ErrorAnswer(as_of.status());
  const auto detailed = reporter_.Read(*as_of, /*tenants_view=*/false);
  if (!detailed.ok()) return ErrorAnswer(detailed.status());
  Json rows = Json::Array();
  for (const FigureRow& row : detailed->rows) {
    rows.Append(Json::Object({{"cents", Json::Integer(row.cents)},
                              {"exams", Json::Integer(row.exams)},
                              {"modality", Json::String(row.modality)},
                              {"month", Json::String(row.month)},
                              {"ordering", Json::String(row.ordering_tenant)},
                              {"source", Json::String(row.source_tenant)},
                              {"source_cents", Json::Integer(row.source_cents)},
                              {"state", Json::String(row.state)},
                              {"word", Json::String(row.word)}}));
  }
  Json names = Json::Object();
  for (const tenants::Tenant& tenant : registry_.Tenants()) names.Set(tenant.name, Json::String(tenant.ShownName()));
  return JsonAnswer(
      200, Json::Object(
               {{"as_of", Json::String(FormatAsOf(detailed->as_of))}, {"rows", std::move(rows)}, {"tenants", std::move(names)}}));
}

HttpResponse PageService::AvoidancesAnswer(const HttpRequest& request) const {
  const auto as_of = AsOf(request);
  if (!as_of.ok()) return ErrorAnswer(as_of.status());
  int page = 1;
  const std::string page_text = Parameter(request, "page");
  if (!page_text.empty() && (!absl::SimpleAtoi(page_text, &page) || page < 1 || page > kPageMax)) {
    return ErrorAnswer(400, "page: expected a whole number from 1");
  }
  const AvoidanceFilter filter{.tenant = Parameter(request, "tenant"),
                               .side = Parameter(request, "side"),
                               .modality = Parameter(request, "modality"),
                               .month = Parameter(request, "month"),
                               .state = Parameter(request, "state")};
  // One more than is shown says whether there are more.
  auto list = reporter_.List(filter, *as_of, kRowsPerPage + 1, (page - 1) * kRowsPerPage);
  if (!list.ok()) return ErrorAnswer(list.status());
  const bool more = list->size() > static_cast<std::size_t>(kRowsPerPage);
  if (more) list->pop_back();
  std::map<std::string, std::string> origins;
  for (const tenants::Tenant& tenant : registry_.Tenants()) origins.emplace(tenant.name, tenant.origin);
  const auto entry_json = [&](const std::string& log, const std::string& what, std::optional<std::int64_t> index,
                              std::optional<std::int64_t> cents) {
    Json json = Json::Object();
    if (cents) json.Set("cents", Json::Integer(*cents));
    if (index) json.Set("index", Json::Integer(*index));
    json.Set("log", Json::String(log));
    json.Set("origin", Json::String(origins[log]));
    json.Set("what", Json::String(what));
    return json;
  };
  Json rows = Json::Array();
  for (const ListedAvoidance& listed : *list) {
    const AvoidanceRow& avoidance = listed.avoidance;
    Json entries = Json::Array();
    entries.Append(entry_json(avoidance.ordering_tenant, "card accepted", avoidance.acceptance_index, std::nullopt));
    for (const ListedAvoidance::Entry& entry : listed.entries) {
      entries.Append(entry_json(entry.log_tenant,
                                absl::StrCat(WhatOf(entry), entry.aggregate ? " (in the month's aggregate)" : ""), entry.index,
                                entry.cents));
    }
    rows.Append(Json::Object({{"accepted", Json::String(FormatAsOf(avoidance.t))},
                              {"cents", Json::Integer(avoidance.cents)},
                              {"class", Json::String(avoidance.class_id)},
                              {"entries", std::move(entries)},
                              {"id", Json::String(HexEncode(avoidance.avoidance_id))},
                              {"modality", Json::String(avoidance.modality)},
                              {"ordering", Json::String(avoidance.ordering_tenant)},
                              {"source", Json::String(avoidance.source_tenant)},
                              {"state", Json::String(listed.state)},
                              {"why", Json::String(listed.why)},
                              {"window_ends", Json::String(FormatAsOf(avoidance.deadline))}}));
  }
  return JsonAnswer(200, Json::Object({{"more", Json::Bool(more)}, {"page", Json::Integer(page)}, {"rows", std::move(rows)}}));
}

HttpResponse PageService::ReceiptAnswer(const HttpRequest& request) const {
  std::uint64_t index = 0;
  if (!absl::SimpleAtoi(Parameter(request, "index"), &index)) return ErrorAnswer(400, "index: expected a whole number from 0");
  const std::string origin = Parameter(request, "origin");
  const auto tenant = registry_.FindByOrigin(origin);
  if (!tenant) return ErrorAnswer(404, "no log has that origin");
  auto receipt = receipt_(origin, index);
  if (!receipt.ok()) return ErrorAnswer(receipt.status());
  HttpResponse response = Answer(200, "application/octet-stream", *std::move(receipt));
  response.headers.emplace_back("Content-Disposition",
                                absl::StrCat("attachment; filename=\"", tenant->name, "-", index, ".tlog-proof\""));
  return response;
}

}  // namespace custodian::savings
