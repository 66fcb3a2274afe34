#include "services/exchange/fhir_reader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/exchange/fhir_bundle.h"
#include "services/exchange/fhir_cursor.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/fhir_transaction.h"
#include "services/exchange/fhir_view.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPurpose = "fhir-read";

// Nothing has changed since what the client has. http://hl7.org/fhir/R4/http.html#cread
bool IsUnchanged(const rpc::HttpRequest& request, std::uint64_t version, absl::Time arrived) {
  if (const auto tags = request.Header("if-none-match")) {
    for (const absl::string_view each : absl::StrSplit(absl::string_view(tags->data(), tags->size()), ',')) {
      const absl::string_view tag = absl::StripAsciiWhitespace(each);
      if (tag == "*" || ParseEntityTag(std::string_view(tag.data(), tag.size())) == version) return true;
    }
    return false;
  }
  const auto since = request.Header("if-modified-since");
  absl::Time time;
  if (!since.has_value() || !absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", absl::string_view(since->data(), since->size()), &time, nullptr)) {
    return false;
  }
  // The header knows whole seconds.
  return absl::ToUnixSeconds(arrived) <= absl::ToUnixSeconds(time);
}

Answer<View> ViewOf(const FhirCall& call) {
  View view;
  for (const auto& [name, value] : call.request.Parameters()) {
    if (name == "_format" || name == "_pretty") continue;
    auto known = ReadView(call.type(), name, value, PreferOf(call.request).lenient, view);
    if (auto* refusal = std::get_if<Refusal>(&known)) return *std::move(refusal);
    if (!std::get<bool>(known) && !PreferOf(call.request).lenient) {
      return Refuse(400, "not-supported", "A read takes no parameter but _summary, _elements and _format.");
    }
  }
  return view;
}

rpc::HttpResponse NotFound() { return FhirResponse(Refuse(404, "not-found", "There is no such resource.")); }

struct HistoryRequest {
  std::size_t count = kPageMax;
  std::optional<absl::Time> since;
  std::string cursor;
  Parameters used;
};
Answer<HistoryRequest> ReadHistory(const Parameters& parameters) {
  HistoryRequest request;
  for (const auto& [name, value] : parameters) {
    if (name == "_cursor") {
      request.cursor = value;
      continue;
    }
    request.used.emplace_back(name, value);
    if (name == "_count") {
      if (!absl::SimpleAtoi(value, &request.count)) return Refuse(400, "value", "_count must be a whole number.");
      request.count = std::min(request.count, kPageMax);
    } else if (name == "_since") {
      const auto time = ParseFhirTime(value, absl::UTCTimeZone());
      if (!time.has_value()) return Refuse(400, "value", "_since must be a FHIR instant.");
      request.since = time->begin;
    } else if (name != "_format") {
      return Refuse(400, "not-supported", "A history takes _count, _since and _format.");
    }
  }
  return request;
}

Json HistoryEntry(const std::string& url, const std::string& target, FhirRecord record) {
  const char* method = record.deleted ? "DELETE" : record.version == 1 ? "POST" : "PUT";
  const int status = record.deleted ? 204 : record.version == 1 ? 201 : 200;
  Json entry = Json::Object({{"fullUrl", Json::String(url)}});
  if (!record.deleted) entry.Set("resource", std::move(record.resource));
  const std::string to = record.version == 1 && !record.deleted ? target.substr(0, target.find('/')) : target;
  entry.Set("request", Json::Object({{"method", Json::String(method)}, {"url", Json::String(to)}}));
  entry.Set("response", Json::Object({{"status", Json::String(StatusLine(status))},
                                      {"etag", Json::String(EntityTag(record.version))},
                                      {"lastModified", Json::String(FormatInstant(record.arrived))}}));
  return entry;
}

}  // namespace

void AddVersionHeaders(rpc::HttpResponse& response, std::uint64_t version, absl::Time time) {
  response.headers.emplace_back("ETag", EntityTag(version));
  response.headers.emplace_back("Last-Modified", HttpDate(time));
}

rpc::HttpResponse FhirReader::Read(const FhirCall& call) const {
  const auto view = ViewOf(call);
  if (const auto* refusal = std::get_if<Refusal>(&view)) return FhirResponse(*refusal);
  const auto record_id = sealer_.RecordIdOf(call.partition->tenant.id, call.type(), call.id());
  if (!record_id.ok()) return FhirResponse(RefusalOf(record_id.status()));
  const RecordStore store(*call.partition->database);
  absl::StatusOr<std::optional<SealedRecord>> row = std::optional<SealedRecord>();
  if (call.segments.size() == 4) {
    std::uint64_t version = 0;
    if (absl::SimpleAtoi(call.segments[3], &version)) row = store.Version(*record_id, version);
  } else {
    row = store.Newest(*record_id);
  }
  if (!row.ok()) return FhirResponse(RefusalOf(row.status()));
  if (!row->has_value()) return NotFound();
  if ((*row)->deleted) {
    rpc::HttpResponse gone = FhirResponse(Refuse(410, "deleted", "The resource was deleted. Its history tells when."));
    AddVersionHeaders(gone, (*row)->version, (*row)->arrived);
    return gone;
  }
  if (IsUnchanged(call.request, (*row)->version, (*row)->arrived)) {
    rpc::HttpResponse unchanged{304, {{"Cache-Control", "no-store"}}, ""};
    AddVersionHeaders(unchanged, (*row)->version, (*row)->arrived);
    return unchanged;
  }
  auto record = OpenFhirRecord(call.partition->tenant, **row, sealer_, kPurpose);
  if (!record.ok()) return FhirResponse(RefusalOf(record.status()));
  ApplyView(std::get<View>(view), record->resource);
  rpc::HttpResponse response = FhirResponse(200, record->resource.Text());
  AddVersionHeaders(response, record->version, record->arrived);
  return response;
}

rpc::HttpResponse FhirReader::History(const FhirCall& call) const {
  const auto parsed = ReadHistory(call.request.Parameters());
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) return FhirResponse(*refusal);
  const auto& request = std::get<HistoryRequest>(parsed);
  const std::string target = absl::StrCat(call.type(), "/", call.id());
  const std::string question = absl::StrCat(target, "/_history?", QueryText(request.used));
  const auto begun = ReadCursor(call, question, request.cursor, sealer_);
  if (const auto* refusal = std::get_if<Refusal>(&begun)) return FhirResponse(*refusal);
  const auto& cursor = std::get<Cursor>(begun);
  const auto record_id = sealer_.RecordIdOf(call.partition->tenant.id, call.type(), call.id());
  if (!record_id.ok()) return FhirResponse(RefusalOf(record_id.status()));
  auto rows = RecordStore(*call.partition->database).History(*record_id);
  if (!rows.ok()) return FhirResponse(RefusalOf(rows.status()));
  if (rows->empty()) return NotFound();
  std::erase_if(*rows, [&](const SealedRecord& row) {
    return row.entry_index >= cursor.snapshot || (request.since.has_value() && row.arrived < *request.since);
  });
  const std::string url = absl::StrCat(call.base_url, "/", target);
  const std::size_t first = std::min(cursor.offset, rows->size());
  const std::size_t end = first + std::min(request.count, rows->size() - first);
  std::vector<Json> entries;
  for (std::size_t i = first; i < end; ++i) {
    auto record = OpenFhirRecord(call.partition->tenant, (*rows)[i], sealer_, kPurpose);
    if (!record.ok()) return FhirResponse(RefusalOf(record.status()));
    entries.push_back(HistoryEntry(url, target, *std::move(record)));
  }
  const std::string self = absl::StrCat(call.base_url, "/", question);
  std::vector<Json> links = {Link("self", self.ends_with('?') ? self.substr(0, self.size() - 1) : self)};
  if (end < rows->size() && request.count > 0) {
    const auto next = WriteCursor(call, question, {cursor.snapshot, end}, sealer_);
    if (!next.ok()) return FhirResponse(RefusalOf(next.status()));
    links.push_back(Link("next", absl::StrCat(self, self.ends_with('?') ? "" : "&", "_cursor=", *next)));
  }
  return FhirResponse(200, BundleOf("history", rows->size(), std::move(links), std::move(entries)).Text());
}

}  // namespace custodian::exchange
