#include "services/exchange/fhir_service.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/exchange/fhir_capability.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/identifier_index.h"
#include "services/exchange/provenance.h"
#include "services/exchange/record_store.h"
#include "services/exchange/redisclosure.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPrefix = "/fhir/";
constexpr std::string_view kReadPurpose = "fhir-read";
constexpr std::string_view kSearchPurpose = "fhir-search";
constexpr std::size_t kIdempotencyKeyMax = 256;
constexpr std::size_t kEmergencyTextMin = 3;
constexpr std::size_t kEmergencyTextMax = 500;
// What other tenants' clinicians may ask for.
constexpr std::string_view kSharedTypes[] = {"DiagnosticReport", "ImagingStudy", "Observation"};

bool IsShared(std::string_view type) { return std::find(std::begin(kSharedTypes), std::end(kSharedTypes), type) != std::end(kSharedTypes); }

// application/json and application/fhir+json, with any parameters.
bool IsJsonMediaType(std::string_view value) {
  const std::string type = absl::AsciiStrToLower(std::string(value.substr(0, value.find(';'))));
  const absl::string_view stripped = absl::StripAsciiWhitespace(type);
  return stripped == "application/fhir+json" || stripped == "application/json";
}

bool AcceptsJson(std::string_view accept) {
  for (const absl::string_view each : absl::StrSplit(absl::string_view(accept.data(), accept.size()), ',')) {
    const std::string range = absl::AsciiStrToLower(absl::StripAsciiWhitespace(each.substr(0, each.find(';'))));
    if (range.empty() || range == "*/*" || range == "application/*" || IsJsonMediaType(range)) return true;
  }
  return false;
}

Json SearchEntry(const std::string& full_url, Json resource, const char* mode) {
  return Json::Object({{"fullUrl", Json::String(full_url)},
                       {"resource", std::move(resource)},
                       {"search", Json::Object({{"mode", Json::String(mode)}})}});
}

Json Link(const char* relation, const std::string& url) {
  return Json::Object({{"relation", Json::String(relation)}, {"url", Json::String(url)}});
}

Json BundleOf(const char* type, std::size_t total, std::vector<Json> links, std::vector<Json> entries) {
  Json bundle = Json::Object({{"resourceType", Json::String("Bundle")},
                              {"type", Json::String(type)},
                              {"total", Json::Integer(static_cast<std::int64_t>(total))}});
  if (!links.empty()) bundle.Set("link", Json::Array(std::move(links)));
  if (!entries.empty()) bundle.Set("entry", Json::Array(std::move(entries)));
  return bundle;
}

void AddVersionHeaders(rpc::HttpResponse& response, std::uint64_t version, absl::Time time) {
  response.headers.emplace_back("ETag", EntityTag(version));
  response.headers.emplace_back("Last-Modified", HttpDate(time));
}

rpc::HttpResponse ResourceResponse(const OpenedRecord& record) {
  const auto resource = WithMeta(record);
  if (!resource.ok()) return FhirResponse(RefusalOf(resource.status()));
  rpc::HttpResponse response = FhirResponse(200, resource->Text());
  AddVersionHeaders(response, record.version, record.arrived);
  return response;
}

rpc::HttpResponse MethodNotAllowed(std::string_view allowed) {
  rpc::HttpResponse response = FhirResponse(Refuse(405, "not-supported", absl::StrCat("This URL takes ", std::string(allowed), ".")));
  response.headers.emplace_back("Allow", std::string(allowed));
  return response;
}

rpc::HttpResponse NotAuthenticated(const absl::Status& why) {
  if (absl::IsPermissionDenied(why)) return FhirResponse(Refuse(403, "forbidden", std::string(why.message())));
  if (!absl::IsUnauthenticated(why)) return FhirResponse(RefusalOf(why));
  rpc::HttpResponse response = FhirResponse(Refuse(401, "login", std::string(why.message())));
  response.headers.emplace_back("WWW-Authenticate", "Bearer error=\"invalid_token\"");
  return response;
}

// RFC 6750, section 3.1.
rpc::HttpResponse LacksScope(const std::string& scope) {
  rpc::HttpResponse response =
      FhirResponse(Refuse(403, "forbidden", absl::StrCat("The access token lacks the scope ", scope, "; ask the token endpoint for it.")));
  response.headers.emplace_back("WWW-Authenticate", absl::StrCat("Bearer error=\"insufficient_scope\", scope=\"", scope, "\""));
  return response;
}

// Why another tenant's client gets nothing. A damaged record is ours to know (the log says it), not theirs.
rpc::HttpResponse OtherFailure(const absl::Status& status) {
  if (absl::IsNotFound(status)) return NotFoundForOthers();
  const Refusal refusal = RefusalOf(status);
  return absl::IsDataLoss(status) ? NotFoundForOthers() : FhirResponse(refusal);
}

// What a reader gets: the record, with the labels that it has at the source.
absl::StatusOr<Json> LabelledCopy(const FhirDisclosure::Disclosed& disclosed) {
  auto resource = WithMeta(disclosed.record);
  if (resource.ok()) AddLabels(disclosed.labels, *resource);
  return resource;
}

// The headers Custodian-Recipient and Custodian-Emergency, together or not at all, judged before anything is looked up.
Answer<std::optional<Emergency>> ReadEmergency(const rpc::HttpRequest& request, const tenants::Client& client) {
  const auto recipient = request.Header("custodian-recipient"), nature = request.Header("custodian-emergency");
  if (!recipient && !nature) return std::optional<Emergency>();
  if (!FhirDisclosure::IsForEmergencies(client))
    return Refuse(403, "forbidden", "This client is registered for another purpose; an emergency needs one of purpose BTG or ETREAT.");
  for (const auto& [name, value] : {std::pair("Custodian-Recipient", recipient), {"Custodian-Emergency", nature}}) {
    const absl::string_view text = absl::StripAsciiWhitespace(absl::string_view(value.value_or("").data(), value.value_or("").size()));
    const bool readable = Json::Parse(Json::String(std::string(text)).Text()).ok();
    if (text.size() < kEmergencyTextMin || text.size() > kEmergencyTextMax || !readable)
      return Refuse(400, "required",
                    absl::StrCat("In an emergency, Custodian-Recipient names the clinician and Custodian-Emergency the nature of the emergency; ", name,
                                 " must have ", kEmergencyTextMin, " to ", kEmergencyTextMax, " characters of UTF-8."));
  }
  return std::optional<Emergency>({std::string(*recipient), std::string(*nature)});
}

// A Patient id from "Patient/x", "x" or an absolute URL of ours; empty for anything else.
std::string PatientIdOf(std::string_view value, std::string_view base_url) {
  if (value.starts_with(base_url) && value.size() > base_url.size()) value.remove_prefix(base_url.size() + 1);
  if (value.starts_with("Patient/")) value.remove_prefix(8);
  return IsFhirId(value) ? std::string(value) : "";
}

}  // namespace

// One request, taken apart.
struct FhirService::Call {
  const rpc::HttpRequest& request;
  tenants::Partition* partition = nullptr;
  tenants::Client client;
  // "https://host:port/fhir/<tenant id>".
  std::string base_url;
  // Behind the tenant id: {}, {"Patient"}, {"Patient", "x"}, {"Patient", "x", "_history", "2"}.
  std::vector<std::string> segments;

  [[nodiscard]] const std::string& type() const { return segments.at(0); }
  [[nodiscard]] const std::string& id() const { return segments.at(1); }
};

FhirService::FhirService(Options options, const tenants::Partitions& partitions, const tenants::Registry& registry, keys::Sealer& sealer,
                         keys::KeyClient& keys, const Locator& locator, const Clock& network_clock, ReceiptSource receipt)
    : options_(std::move(options)),
      partitions_(partitions),
      registry_(registry),
      sealer_(sealer),
      writer_(sealer, keys, FhirWriter::Limits{options_.patients_max}),
      disclosure_(partitions, sealer, locator, network_clock, std::move(receipt), options_.rules, options_.refused) {}

rpc::HttpResponse FhirService::Refusal(int status, std::string_view text) {
  const char* code = status == 404 ? "not-found" : status == 413 ? "too-long" : status == 405 ? "not-supported" : "processing";
  return FhirResponse(Refuse(status, code, std::string(text)));
}

rpc::HttpResponse FhirService::Handle(const rpc::HttpRequest& request) const {
  if (!std::string_view(request.path).starts_with(kPrefix)) return NotFoundForOthers();
  Call call{request, nullptr, {}, "", absl::StrSplit(request.path.substr(kPrefix.size()), '/', absl::SkipEmpty())};
  if (call.segments.empty()) return NotFoundForOthers();
  const std::string tenant = call.segments.front();
  call.segments.erase(call.segments.begin());
  const auto tenant_id = TenantId::Parse(tenant);
  call.partition = tenant_id.ok() ? partitions_.FindById(*tenant_id) : nullptr;
  call.base_url = absl::StrCat(options_.public_url, std::string(kPrefix), tenant);
  const auto accept = request.Header("accept");
  if (accept.has_value() && !AcceptsJson(*accept)) {
    return FhirResponse(Refuse(406, "not-supported", "Only application/fhir+json is spoken here."));
  }
  // What the server can do is no secret, and asked before a client is registered.
  if (call.partition != nullptr && call.segments.size() == 1 && call.type() == "metadata") {
    return request.method == "GET" ? FhirResponse(200, CapabilityStatement(call.base_url)) : MethodNotAllowed("GET");
  }
  const auto caller = Authenticate(request);
  if (!caller.ok()) return NotAuthenticated(caller.status());
  // Of the request alone: before anything is looked for, so that it tells nothing.
  if (const auto missing = caller->scopes ? MissingScope(*caller->scopes, request, call.segments) : std::nullopt) return LacksScope(*missing);
  call.client = caller->client;
  if (call.partition == nullptr) return NotFoundForOthers();
  return call.client.tenant == call.partition->tenant.id ? HandleOwn(call) : HandleOther(call);
}

absl::StatusOr<FhirCaller> FhirService::Authenticate(const rpc::HttpRequest& request) const {
  if (options_.authenticate) return options_.authenticate(request);
  if (request.peer_spiffe_id.empty()) return absl::UnauthenticatedError("A TLS client certificate of a registered FHIR client is needed.");
  const auto client = registry_.FindClient(request.peer_spiffe_id);
  if (!client.has_value() || client->role != "fhir") {
    return absl::PermissionDeniedError("This certificate is not that of a registered FHIR client.");
  }
  return FhirCaller{*client, std::nullopt};
}

rpc::HttpResponse FhirService::HandleOwn(const Call& call) const {
  const std::string& method = call.request.method;
  const std::size_t depth = call.segments.size();
  if (depth == 0) return method == "POST" ? Transact(call) : MethodNotAllowed("POST");
  if (!IsResourceType(call.type())) {
    return FhirResponse(Refuse(404, "not-supported", absl::StrCat("'", call.type().substr(0, 64), "' is no FHIR R4 resource type.")));
  }
  if (depth == 1) {
    if (method == "POST") return WriteOne(call);
    if (method == "GET") return SearchOwn(call);
    return MethodNotAllowed("GET, POST");
  }
  if (!IsFhirId(call.id())) return FhirResponse(Refuse(404, "not-found", "There is no resource with such an id."));
  if (depth == 2) {
    if (method == "PUT") return WriteOne(call);
    if (method == "GET") return ReadOne(call);
    return MethodNotAllowed("GET, PUT");
  }
  if (call.segments[2] == "_history" && depth <= 4) {
    if (method != "GET") return MethodNotAllowed("GET");
    return depth == 3 ? History(call) : ReadOne(call);
  }
  return FhirResponse(Refuse(404, "not-supported", "There is nothing at this URL."));
}

Answer<Json> FhirService::ReadBody(const Call& call) const {
  const auto type = call.request.Header("content-type");
  if (!type.has_value() || !IsJsonMediaType(*type)) {
    return Refuse(415, "not-supported", "The body must be sent as Content-Type: application/fhir+json.");
  }
  if (call.request.body.size() > options_.body_bytes_max) {
    return Refuse(413, "too-long", absl::StrCat("The body has ", call.request.body.size(), " bytes; at most ", options_.body_bytes_max,
                                                " are taken."));
  }
  const auto key = call.request.Header("idempotency-key");
  if (key.has_value() && (key->empty() || key->size() > kIdempotencyKeyMax)) {
    return Refuse(400, "value", absl::StrCat("Idempotency-Key must have 1 to ", kIdempotencyKeyMax, " characters."));
  }
  auto json = Json::Parse(call.request.body, {.bytes_max = options_.body_bytes_max, .depth_max = 64});
  if (!json.ok()) return Refuse(400, "structure", absl::StrCat("The body is ", std::string(json.status().message())));
  return *std::move(json);
}

namespace {

FhirWriter::Request WriteRequest(tenants::Partition* partition, const tenants::Client& client, const std::string& base_url,
                                 const rpc::HttpRequest& request, std::vector<TransactionEntry> entries) {
  FhirWriter::Request write;
  write.partition = partition;
  write.client = client.spiffe_id;
  write.base_url = base_url;
  write.idempotency_key = std::string(request.Header("idempotency-key").value_or(""));
  write.content = absl::StrCat(request.method, "\n", request.path, "\n", std::string(request.Header("if-match").value_or("")), "\n",
                               std::string(request.Header("if-none-exist").value_or("")), "\n", request.body);
  write.entries = std::move(entries);
  return write;
}

}  // namespace

rpc::HttpResponse FhirService::Transact(const Call& call) const {
  auto body = ReadBody(call);
  if (auto* refusal = std::get_if<exchange::Refusal>(&body)) return FhirResponse(*refusal);
  auto entries = ReadTransaction(std::get<Json>(std::move(body)), options_.entries_max);
  if (auto* refusal = std::get_if<exchange::Refusal>(&entries)) return FhirResponse(*refusal);
  for (const TransactionEntry& entry : std::get<0>(entries)) {
    if (entry.id.starts_with(kDisclosurePrefix)) {
      return FhirResponse(Refuse(422, "business-rule", "Ids that begin with 'disclosure-' are the custodian's.", entry.resource_path + ".id"));
    }
  }
  const auto stored =
      writer_.Apply(WriteRequest(call.partition, call.client, call.base_url, call.request, std::get<0>(std::move(entries))));
  if (const auto* refusal = std::get_if<exchange::Refusal>(&stored)) return FhirResponse(*refusal);
  const auto& done = std::get<StoredTransaction>(stored);
  Json list = Json::Array();
  for (const StoredEntry& entry : done.entries) {
    Json response = Json::Object(
        {{"status", Json::String(entry.created ? "201 Created" : "200 OK")},
         {"location", Json::String(absl::StrCat(entry.type, "/", entry.id, "/_history/", entry.version))},
         {"etag", Json::String(EntityTag(entry.version))}});
    if (done.time != absl::Time()) response.Set("lastModified", Json::String(FormatInstant(done.time)));
    list.Append(Json::Object({{"response", std::move(response)}}));
  }
  return FhirResponse(200, Json::Object({{"resourceType", Json::String("Bundle")},
                                         {"type", Json::String("transaction-response")},
                                         {"entry", std::move(list)}})
                               .Text());
}

rpc::HttpResponse FhirService::WriteOne(const Call& call) const {
  auto body = ReadBody(call);
  if (auto* refusal = std::get_if<exchange::Refusal>(&body)) return FhirResponse(*refusal);
  TransactionEntry entry;
  entry.resource = std::get<Json>(std::move(body));
  entry.type = call.type();
  entry.resource_path = call.type();
  entry.create = call.request.method == "POST";
  if (entry.resource.TextOf("resourceType") != call.type()) {
    return FhirResponse(Refuse(400, "invariant", absl::StrCat("The resource sent to this URL must have resourceType ", call.type(), "."),
                               call.type() + ".resourceType"));
  }
  if (entry.create) {
    entry.former_id = entry.resource.TextOf("id");
    entry.if_none_exist = std::string(call.request.Header("if-none-exist").value_or(""));
  } else {
    if (entry.resource.TextOf("id") != call.id()) {
      return FhirResponse(Refuse(400, "invariant", "The resource's id must be the id in the URL.", call.type() + ".id"));
    }
    if (call.id().starts_with(kDisclosurePrefix)) {
      return FhirResponse(Refuse(422, "business-rule", "Ids that begin with 'disclosure-' are the custodian's.", call.type() + ".id"));
    }
    entry.id = call.id();
  }
  if (const auto if_match = call.request.Header("if-match")) {
    entry.if_match = ParseEntityTag(*if_match);
    if (!entry.if_match.has_value() || entry.create) {
      return FhirResponse(Refuse(400, "value", "If-Match goes with PUT and names a version, e.g. W/\"3\"."));
    }
  }
  std::vector<TransactionEntry> entries;
  entries.push_back(std::move(entry));
  const auto stored = writer_.Apply(WriteRequest(call.partition, call.client, call.base_url, call.request, std::move(entries)));
  if (const auto* refusal = std::get_if<exchange::Refusal>(&stored)) return FhirResponse(*refusal);
  const StoredEntry& done = std::get<StoredTransaction>(stored).entries.front();
  const auto record_id = sealer_.RecordIdOf(call.partition->tenant.id, done.type, done.id);
  if (!record_id.ok()) return FhirResponse(RefusalOf(record_id.status()));
  const auto row = RecordStore(*call.partition->database).Version(*record_id, done.version);
  if (!row.ok() || !row->has_value()) return FhirResponse(RefusalOf(row.ok() ? absl::DataLossError("a stored record is gone") : row.status()));
  const bool minimal = absl::StrContains(std::string(call.request.Header("prefer").value_or("")), "return=minimal");
  rpc::HttpResponse response = FhirResponse(200, "");
  if (!minimal) {
    const auto opened = OpenRecord(call.partition->tenant, **row, sealer_, kReadPurpose);
    if (!opened.ok()) return FhirResponse(RefusalOf(opened.status()));
    const auto resource = WithMeta(*opened);
    if (!resource.ok()) return FhirResponse(RefusalOf(resource.status()));
    response.body = resource->Text();
  }
  response.status = done.created ? 201 : 200;
  AddVersionHeaders(response, done.version, (*row)->arrived);
  response.headers.emplace_back("Location", absl::StrCat(call.base_url, "/", done.type, "/", done.id, "/_history/", done.version));
  return response;
}

rpc::HttpResponse FhirService::ReadOne(const Call& call) const {
  if ((call.type() == "Provenance" || call.type() == "AuditEvent") && call.id().starts_with(kDisclosurePrefix)) return OwnDisclosure(call);
  if (!call.request.query.empty()) {
    for (const auto& [name, value] : call.request.Parameters()) {
      if (name != "_format") return FhirResponse(Refuse(400, "not-supported", "A read takes no parameter but _format."));
    }
  }
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
  if (!row->has_value()) return FhirResponse(Refuse(404, "not-found", "There is no such resource."));
  if ((*row)->deleted) return FhirResponse(Refuse(410, "deleted", "The resource was deleted."));
  const auto opened = OpenRecord(call.partition->tenant, **row, sealer_, kReadPurpose);
  if (!opened.ok()) return FhirResponse(RefusalOf(opened.status()));
  return ResourceResponse(*opened);
}

rpc::HttpResponse FhirService::OwnDisclosure(const Call& call) const {
  const auto provenance = call.type() == "AuditEvent" ? disclosure_.AuditOf(*call.partition, call.id(), options_.receipt_wait)
                                                      : disclosure_.ProvenanceOf(*call.partition, nullptr, call.id(), options_.receipt_wait);
  if (absl::IsNotFound(provenance.status())) return FhirResponse(Refuse(404, "not-found", "There is no such resource."));
  if (!provenance.ok()) return FhirResponse(RefusalOf(provenance.status()));
  return FhirResponse(200, provenance->Text());
}

rpc::HttpResponse FhirService::History(const Call& call) const {
  const auto record_id = sealer_.RecordIdOf(call.partition->tenant.id, call.type(), call.id());
  if (!record_id.ok()) return FhirResponse(RefusalOf(record_id.status()));
  const auto rows = RecordStore(*call.partition->database).History(*record_id);
  if (!rows.ok()) return FhirResponse(RefusalOf(rows.status()));
  if (rows->empty()) return FhirResponse(Refuse(404, "not-found", "There is no such resource."));
  const std::string url = absl::StrCat(call.base_url, "/", call.type(), "/", call.id());
  std::vector<Json> entries;
  for (const SealedRecord& row : *rows) {
    const auto opened = OpenRecord(call.partition->tenant, row, sealer_, kReadPurpose);
    if (!opened.ok()) return FhirResponse(RefusalOf(opened.status()));
    auto resource = WithMeta(*opened);
    if (!resource.ok()) return FhirResponse(RefusalOf(resource.status()));
    entries.push_back(Json::Object(
        {{"fullUrl", Json::String(url)},
         {"resource", *std::move(resource)},
         {"request", Json::Object({{"method", Json::String("PUT")}, {"url", Json::String(absl::StrCat(call.type(), "/", call.id()))}})},
         {"response", Json::Object({{"status", Json::String(row.version == 1 ? "201 Created" : "200 OK")},
                                    {"etag", Json::String(EntityTag(row.version))},
                                    {"lastModified", Json::String(FormatInstant(row.arrived))}})}}));
  }
  const std::size_t total = entries.size();
  return FhirResponse(200, BundleOf("history", total, {Link("self", url + "/_history")}, std::move(entries)).Text());
}

// Records that may match: by id, else by patient, else by identifier. A search that names none of them is refused.
Answer<std::vector<OpenedRecord>> FhirService::Candidates(const Call& call, const Search& search) const {
  const TenantId& tenant = call.partition->tenant.id;
  const RecordStore store(*call.partition->database);
  absl::StatusOr<std::vector<SealedRecord>> rows = std::vector<SealedRecord>();
  std::vector<std::string> ids = search.Values("_id");
  const std::vector<std::string> patients = search.Values(search.Values("patient").empty() ? "subject" : "patient");
  const std::vector<std::string> identifiers = search.Values("identifier");
  if (ids.empty() && !patients.empty()) {
    std::vector<OpenedRecord> opened;
    const PatientRecords records(partitions_, sealer_);
    for (const std::string& value : patients) {
      const std::string id = PatientIdOf(value, call.base_url);
      if (id.empty()) return Refuse(400, "value", "patient must be an id, or Patient/<id>.");
      const auto patient = records.FindPatient(tenant, id);
      if (absl::IsNotFound(patient.status())) continue;
      if (!patient.ok()) return RefusalOf(patient.status());
      auto some = records.Open({tenant, *patient}, kSearchPurpose);
      if (!some.ok()) return RefusalOf(some.status());
      std::move(some->begin(), some->end(), std::back_inserter(opened));
    }
    return opened;
  }
  if (ids.empty()) {
    std::vector<IdentifierQuery> queries;
    for (const std::string& value : identifiers) {
      const auto bar = value.find('|');
      if (bar == std::string::npos || bar + 1 == value.size()) {
        return Refuse(400, "value", "Without a patient, identifier must be <system>|<value>.");
      }
      queries.push_back({search.type, value.substr(0, bar), value.substr(bar + 1)});
    }
    if (queries.empty()) {
      return Refuse(400, "required", search.type == "Patient" ? "Give _id or identifier." : "Searches are patient-scoped: give patient, _id or identifier.");
    }
    const auto found = FindByIdentifiers(*call.partition, sealer_, queries, kSearchPurpose);
    if (!found.ok()) return RefusalOf(found.status());
    std::set<std::string> unique;
    for (const auto& [query, some] : *found) unique.insert(some.begin(), some.end());
    ids.assign(unique.begin(), unique.end());
  }
  std::vector<RecordId> wanted;
  for (const std::string& id : ids) {
    const auto record = sealer_.RecordIdOf(tenant, search.type, id);
    if (!record.ok()) return RefusalOf(record.status());
    wanted.push_back(*record);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  rows = store.NewestOf(wanted);
  if (!rows.ok()) return RefusalOf(rows.status());
  std::vector<OpenedRecord> opened;
  for (const SealedRecord& row : *rows) {
    if (row.deleted) continue;
    auto record = OpenRecord(call.partition->tenant, row, sealer_, kSearchPurpose);
    if (!record.ok()) return RefusalOf(record.status());
    opened.push_back(*std::move(record));
  }
  return opened;
}

absl::Status FhirService::AddProvenances(const Call& call, const OpenedRecord& record, std::vector<Json>& included) const {
  const TenantId& tenant = call.partition->tenant.id;
  const auto record_id = sealer_.RecordIdOf(tenant, record.resource_type, record.id);
  if (!record_id.ok()) return record_id.status();
  const auto heads = RecordStore(*call.partition->database).Heads({*record_id});
  if (!heads.ok()) return heads.status();
  const auto head = heads->find(*record_id);
  if (head == heads->end()) return absl::OkStatus();
  const auto records = PatientRecords(partitions_, sealer_).Open({tenant, head->second.patient}, kSearchPurpose);
  if (!records.ok()) return records.status();
  for (const OpenedRecord& each : *records) {
    if (each.resource_type != "Provenance") continue;
    auto provenance = WithMeta(each);
    if (!provenance.ok()) return provenance.status();
    if (IsAbout(*provenance, record.resource_type, record.id)) included.push_back(*std::move(provenance));
  }
  return absl::OkStatus();
}

rpc::HttpResponse FhirService::SearchOwn(const Call& call) const {
  if (SearchParametersOf(call.type()).empty()) {
    return FhirResponse(Refuse(400, "not-supported", absl::StrCat(call.type(), " is stored and read here, but not searched.")));
  }
  const auto parsed = ParseSearch(call.type(), call.request.Parameters());
  if (const auto* refusal = std::get_if<exchange::Refusal>(&parsed)) return FhirResponse(*refusal);
  const auto& search = std::get<Search>(parsed);
  auto candidates = Candidates(call, search);
  if (const auto* refusal = std::get_if<exchange::Refusal>(&candidates)) return FhirResponse(*refusal);
  const absl::TimeZone zone = ZoneOf(call.partition->tenant.time_zone);
  std::size_t total = 0;
  std::vector<Json> entries;
  for (const OpenedRecord& record : std::get<0>(candidates)) {
    if (record.resource_type != search.type) continue;
    auto resource = WithMeta(record);
    if (!resource.ok()) return FhirResponse(RefusalOf(resource.status()));
    if (!Matches(*resource, search, call.base_url, zone)) continue;
    const std::size_t position = total++;
    if (position < search.offset || position >= search.offset + search.count) continue;
    entries.push_back(SearchEntry(absl::StrCat(call.base_url, "/", record.resource_type, "/", record.id), *std::move(resource), "match"));
    if (!search.provenance) continue;
    std::vector<Json> included;
    if (absl::Status status = AddProvenances(call, record, included); !status.ok()) return FhirResponse(RefusalOf(status));
    for (Json& provenance : included) {
      const std::string url = absl::StrCat(call.base_url, "/Provenance/", provenance.TextOf("id"));
      entries.push_back(SearchEntry(url, std::move(provenance), "include"));
    }
  }
  const std::string url = absl::StrCat(call.base_url, "/", call.type(), "?");
  std::vector<Json> links = {Link("self", url + call.request.query)};
  if (search.count > 0 && search.offset + search.count < total) {
    std::string next = url;
    for (const auto& [name, value] : call.request.Parameters()) {
      if (name != "_offset") absl::StrAppend(&next, rpc::PercentEncode(name), "=", rpc::PercentEncode(value), "&");
    }
    links.push_back(Link("next", absl::StrCat(next, "_offset=", search.offset + search.count)));
  }
  return FhirResponse(200, BundleOf("searchset", total, std::move(links), std::move(entries)).Text());
}

rpc::HttpResponse FhirService::HandleOther(const Call& call) const {
  if (call.request.method != "GET") {
    return FhirResponse(Refuse(403, "forbidden", "Clients of other tenants read; they write to their own tenant's URL."));
  }
  if (call.segments.size() == 2 && call.type() == "Provenance" && call.id().starts_with(kDisclosurePrefix)) {
    const auto provenance = disclosure_.ProvenanceOf(*call.partition, &call.client, call.id(), options_.receipt_wait);
    return provenance.ok() ? FhirResponse(200, provenance->Text()) : OtherFailure(provenance.status());
  }
  if (call.segments.empty() || !IsShared(call.type())) return NotFoundForOthers();
  if (call.segments.size() == 1) return SearchOther(call);
  if (call.segments.size() == 2 && IsFhirId(call.id())) return ReadOther(call);
  return NotFoundForOthers();
}

rpc::HttpResponse FhirService::ReadOther(const Call& call) const {
  const auto emergency = ReadEmergency(call.request, call.client);
  if (const auto* refusal = std::get_if<exchange::Refusal>(&emergency)) return FhirResponse(*refusal);
  const auto disclosed = disclosure_.Disclose(*call.partition, call.client, call.type(), call.id(), std::get<0>(emergency));
  if (!disclosed.ok()) return OtherFailure(disclosed.status());
  const auto resource = LabelledCopy(*disclosed);
  if (!resource.ok()) return FhirResponse(RefusalOf(resource.status()));
  rpc::HttpResponse response = FhirResponse(200, resource->Text());
  AddVersionHeaders(response, disclosed->record.version, disclosed->record.arrived);
  response.headers.emplace_back("Link", absl::StrCat("<", call.base_url, "/Provenance/", disclosed->provenance_id, ">; rel=\"provenance\""));
  return response;
}

rpc::HttpResponse FhirService::SearchOther(const Call& call) const {
  const auto parsed = ParseSearch(call.type(), call.request.Parameters());
  const auto* search = std::get_if<Search>(&parsed);
  // One resource by its id; anything wider could be used to look around.
  if (search == nullptr || search->criteria.size() != 1 || search->Values("_id").size() != 1) return NotFoundForOthers();
  const auto emergency = ReadEmergency(call.request, call.client);
  if (const auto* refusal = std::get_if<exchange::Refusal>(&emergency)) return FhirResponse(*refusal);
  const auto disclosed = disclosure_.Disclose(*call.partition, call.client, call.type(), search->Values("_id").front(), std::get<0>(emergency));
  if (!disclosed.ok()) return OtherFailure(disclosed.status());
  auto resource = LabelledCopy(*disclosed);
  if (!resource.ok()) return FhirResponse(RefusalOf(resource.status()));
  std::vector<Json> entries;
  entries.push_back(SearchEntry(absl::StrCat(call.base_url, "/", call.type(), "/", disclosed->record.id), *std::move(resource), "match"));
  if (search->provenance) {
    auto provenance = disclosure_.ProvenanceOf(*call.partition, &call.client, disclosed->provenance_id, options_.receipt_wait);
    if (!provenance.ok()) return FhirResponse(RefusalOf(provenance.status()));
    entries.push_back(
        SearchEntry(absl::StrCat(call.base_url, "/Provenance/", disclosed->provenance_id), *std::move(provenance), "include"));
  }
  const std::string self = absl::StrCat(call.base_url, "/", call.type(), "?", call.request.query);
  return FhirResponse(200, BundleOf("searchset", 1, {Link("self", self)}, std::move(entries)).Text());
}

}  // namespace custodian::exchange
