#include "services/exchange/fhir_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/exchange/fhir_binary.h"
#include "services/exchange/fhir_bundle.h"
#include "services/exchange/fhir_capability.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/fixed_tick.h"
#include "services/exchange/provenance.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPrefix = "/fhir/";
constexpr std::string_view kReadPurpose = "fhir-read";
constexpr std::size_t kIdempotencyKeyMax = 256;
constexpr int kDepthMax = 64;

rpc::HttpResponse MethodNotAllowed(std::string_view allowed) {
  rpc::HttpResponse response = FhirResponse(Refuse(405, "not-supported", absl::StrCat("This URL takes ", std::string(allowed), ".")));
  response.headers.emplace_back("Allow", std::string(allowed));
  return response;
}

rpc::HttpResponse NotAuthenticated(const absl::Status& why, bool token_sent) {
  if (absl::IsPermissionDenied(why)) return FhirResponse(Refuse(403, "forbidden", std::string(why.message())));
  if (!absl::IsUnauthenticated(why)) return FhirResponse(RefusalOf(why));
  rpc::HttpResponse response = FhirResponse(Refuse(401, "login", std::string(why.message())));
  // RFC 6750, section 3.1: no error code where no token was sent.
  response.headers.emplace_back("WWW-Authenticate", token_sent ? "Bearer error=\"invalid_token\"" : "Bearer");
  return response;
}

// RFC 6750, section 3.1.
rpc::HttpResponse LacksScope(const std::string& scope) {
  rpc::HttpResponse response =
      FhirResponse(Refuse(403, "forbidden", absl::StrCat("The access token lacks the scope ", scope, "; ask the token endpoint for it.")));
  response.headers.emplace_back("WWW-Authenticate", absl::StrCat("Bearer error=\"insufficient_scope\", scope=\"", scope, "\""));
  return response;
}

// What a transaction's entry needs, by what it was read as.
std::optional<std::string> MissingScope(const SmartScopes& scopes, const TransactionEntry& entry) {
  using Method = TransactionEntry::Method;
  std::string letters = entry.method == Method::kCreate ? "c" : entry.method == Method::kUpdate ? "u" : "d";
  // What is found by a query tells what a search would tell.
  if (!entry.query().empty()) letters += 's';
  return scopes.Allow(entry.type, letters) ? std::nullopt : std::optional(absl::StrCat("system/", entry.type, ".", letters));
}

FhirWriter::Request WriteRequest(const FhirCall& call, std::vector<TransactionEntry> entries) {
  const rpc::HttpRequest& request = call.request;
  const auto header = [&](std::string_view name) { return std::string(request.Header(name).value_or("")); };
  FhirWriter::Request write;
  write.partition = call.partition;
  write.client = call.client.spiffe_id;
  write.base_url = call.base_url;
  write.idempotency_key = header("idempotency-key");
  write.content = absl::StrCat(request.method, "\n", request.path, request.query.empty() ? "" : "?", request.query, "\n", header("if-match"), "\n",
                               header("if-none-exist"), "\n", header("if-none-match"), request.body);
  write.entries = std::move(entries);
  write.await_follow_up = header("custodian-follow-up") != "later";
  return write;
}

Json InformationOf(const std::string& text) {
  auto outcome = Json::Parse(OperationOutcome({{"informational", text, ""}}, /*information=*/true));
  return outcome.ok() ? *std::move(outcome) : Json();
}

ReceiptSource NoReceipts() {
  return [](std::string_view, std::uint64_t) -> absl::StatusOr<std::string> { return absl::UnavailableError("no receipts are made here"); };
}

std::optional<Refusal> CheckOwnId(const std::string& id, const std::string& path) {
  if (!id.starts_with(kDisclosurePrefix) && !id.starts_with(kCorrectionPrefix)) return std::nullopt;
  return Refuse(422, "business-rule", "Ids that begin with 'disclosure-' or 'correction-' are the custodian's.", path);
}

// If-Match and, of a PUT, If-None-Match.
std::optional<Refusal> ReadVersions(const rpc::HttpRequest& request, TransactionEntry& entry) {
  for (const auto& [name, condition] : {std::pair("if-match", &entry.if_match), std::pair("if-none-match", &entry.if_none_match)}) {
    const auto text = request.Header(name);
    const bool is_create = request.method == "POST";
    // What is created is not there before.
    if (!text.has_value() || (is_create && condition == &entry.if_none_match)) continue;
    *condition = ParseVersionCondition(*text);
    if (!condition->has_value() || is_create) {
      return Refuse(400, "value", "If-Match and If-None-Match go with PUT or DELETE and name a version, e.g. W/\"3\", or *.");
    }
  }
  return std::nullopt;
}

}  // namespace

FhirService::FhirService(Options options, ExchangeParts parts)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      reader_(parts_.sealer),
      searcher_(parts_.sealer, options_.charts),
      match_(options_.matcher ? options_.matcher : MatchWithin(parts_.locator, parts_.sealer), parts_.sealer),
      writer_(parts_.sealer, parts_.keys, FhirWriter::Limits{options_.patients_max}),
      disclosure_(parts_.partitions, parts_.sealer, parts_.locator, parts_.records, parts_.network_clock,
                  options_.receipt ? options_.receipt : NoReceipts(), parts_.rules, parts_.refused),
      corrections_(parts_.public_url, parts_.partitions, parts_.sealer, parts_.locator, parts_.records, parts_.network_clock) {}

rpc::HttpResponse FhirService::Refusal(int status, std::string_view text) {
  const char* code = status == 404 ? "not-found" : status == 413 ? "too-long" : status == 405 ? "not-supported" : "processing";
  return FhirResponse(Refuse(status, code, std::string(text)));
}

rpc::HttpResponse FhirService::Handle(const rpc::HttpRequest& request) const {
  if (!std::string_view(request.path).starts_with(kPrefix)) return NotFoundForOthers();
  const absl::Time received = absl::Now();
  FhirCall call{request, nullptr, {}, "", absl::StrSplit(request.path.substr(kPrefix.size()), '/', absl::SkipEmpty())};
  if (call.segments.empty()) return NotFoundForOthers();
  const std::string tenant = call.segments.front();
  call.segments.erase(call.segments.begin());
  const auto tenant_id = TenantId::Parse(tenant);
  call.partition = tenant_id.ok() ? parts_.partitions.FindById(*tenant_id) : nullptr;
  call.base_url = absl::StrCat(parts_.public_url, std::string(kPrefix), tenant);
  if (const auto refusal = CheckFormats(request, IsBinaryRead(request, call.segments))) return FhirResponse(*refusal);
  // What the server can do is no secret, and asked before a client is registered.
  if (call.partition != nullptr && call.segments.size() == 1 && call.type() == "metadata") {
    return request.method == "GET" ? FhirResponse(200, CapabilityStatement(call.base_url)) : MethodNotAllowed("GET");
  }
  const auto caller = Authenticate(request);
  if (!caller.ok()) return NotAuthenticated(caller.status(), !request.Header("authorization").value_or("").empty());
  absl::StatusOr<rpc::Shares::Taken> share = rpc::Shares::Taken();
  if (options_.shares != nullptr) share = options_.shares->Take(caller->client.tenant, caller->client.spiffe_id);
  if (!share.ok()) return FhirResponse(Refuse(429, "throttled", absl::StrCat("Too many requests: ", std::string(share.status().message()), ". Send it again after the time in Retry-After.")));
  // Of the request alone: before anything is looked for, so that it tells nothing.
  if (const auto missing = caller->scopes ? MissingScope(*caller->scopes, request, call.segments) : std::nullopt) return LacksScope(*missing);
  call.client = caller->client;
  call.scopes = caller->scopes ? &*caller->scopes : nullptr;
  if (call.partition != nullptr && call.client.tenant == call.partition->tenant.id) return HandleOwn(call);
  rpc::HttpResponse response = call.partition == nullptr ? NotFoundForOthers() : HandleOther(call);
  if (response.status != 200) response.not_before = NextTick(received, options_.tick);
  return response;
}

absl::StatusOr<FhirCaller> FhirService::Authenticate(const rpc::HttpRequest& request) const {
  if (options_.authenticate) return options_.authenticate(request);
  if (request.peer_spiffe_id.empty()) return absl::UnauthenticatedError("A TLS client certificate of a registered FHIR client is needed.");
  const auto client = parts_.registry.FindClient(request.peer_spiffe_id);
  if (!client.has_value() || client->role != "fhir") {
    return absl::PermissionDeniedError("This certificate is not that of a registered FHIR client.");
  }
  return FhirCaller{*client, std::nullopt};
}

rpc::HttpResponse FhirService::HandleOwn(const FhirCall& call) const {
  const std::string& method = call.request.method;
  const std::size_t depth = call.segments.size();
  if (depth == 0) return method == "POST" ? HandleBundle(call) : MethodNotAllowed("POST");
  if (!IsResourceType(call.type())) {
    return FhirResponse(Refuse(404, "not-supported", absl::StrCat("'", call.type().substr(0, 64), "' is no FHIR R4 resource type.")));
  }
  if (depth == 1 || call.id() == "_search" || call.id().starts_with('$')) return HandleType(call);
  if (call.id() == "_history") return FhirResponse(Refuse(404, "not-supported", "Histories are of single resources: [type]/[id]/_history."));
  if (!IsFhirId(call.id())) return FhirResponse(Refuse(404, "not-found", "There is no resource with such an id."));
  if (depth == 2) {
    if (method == "PUT") return WriteOne(call);
    if (method == "DELETE") return Delete(call);
    if (method != "GET") return MethodNotAllowed("GET, PUT, DELETE");
    const bool is_disclosure = (call.type() == "Provenance" || call.type() == "AuditEvent") && call.id().starts_with(kDisclosurePrefix);
    if (is_disclosure) return OwnDisclosure(call);
    return call.type() == "Binary" ? AsAccepted(call, reader_.Read(call)) : reader_.Read(call);
  }
  if (call.segments[2] == "_history" && depth <= 4) {
    if (method != "GET") return MethodNotAllowed("GET");
    if (depth == 3) return reader_.History(call);
    return call.type() == "Binary" ? AsAccepted(call, reader_.Read(call)) : reader_.Read(call);
  }
  if (depth == 3 && call.type() == "Communication" && call.segments[2] == "$acknowledge") {
    return method == "POST" ? AcknowledgeCorrection(call) : MethodNotAllowed("POST");
  }
  if (depth == 3 && call.type() == "Patient" && call.segments[2] == "$everything") {
    return method == "GET" || method == "POST" ? Everything(call) : MethodNotAllowed("GET, POST");
  }
  if (depth == 3 && call.type() == "Patient" && call.segments[2] == "$ledger-list" && options_.list_entries) {
    return method == "GET" ? LedgerListOf(call, parts_.records, options_.list_entries) : MethodNotAllowed("GET");
  }
  if (depth == 3 && call.segments[2] == "$validate") return method == "POST" ? Validate(call) : MethodNotAllowed("POST");
  const bool is_search = depth == 3 || (depth == 4 && call.segments[3] == "_search");
  if (is_search && call.type() == "Patient" && IsResourceType(call.segments[2])) return SearchCompartment(call);
  return FhirResponse(Refuse(404, "not-supported", "There is nothing at this URL."));
}

// Patient/[id]/[type], and behind it /_search: a search of that type by the parameter that names the patient.
rpc::HttpResponse FhirService::SearchCompartment(const FhirCall& call) const {
  const bool by_post = call.segments.size() == 4 && call.request.method == "POST";
  if (call.request.method != "GET" && !by_post) return MethodNotAllowed(call.segments.size() == 4 ? "GET, POST" : "GET");
  const TypeDefinition& type = *FindType(call.segments[2]);
  const auto parameter = std::find_if(type.search.begin(), type.search.end(), [](const SearchParameter& each) { return each.names_patient; });
  if (parameter == type.search.end()) {
    return FhirResponse(Refuse(404, "not-supported", absl::StrCat(call.segments[2], " is in no patient's compartment.")));
  }
  auto asked = SearchParametersOf(call);
  if (const auto* refusal = std::get_if<exchange::Refusal>(&asked)) return FhirResponse(*refusal);
  auto& parameters = std::get<Parameters>(asked);
  parameters.emplace_back(std::string(parameter->name), "Patient/" + call.id());
  return searcher_.Search({call.request, call.partition, call.client, call.base_url, {call.segments[2]}, call.scopes}, parameters);
}

// [type], [type]?query, [type]/_search, [type]/$operation.
rpc::HttpResponse FhirService::HandleType(const FhirCall& call) const {
  const std::string& method = call.request.method;
  if (call.segments.size() == 1) {
    if (method == "POST") return WriteOne(call);
    if (method == "PUT" && !call.request.query.empty()) return WriteOne(call);
    if (method == "DELETE" && !call.request.query.empty()) return Delete(call);
    if (method == "GET") return searcher_.Search(call, call.request.Parameters());
    return MethodNotAllowed("GET, POST");
  }
  if (call.segments.size() == 2 && call.id() == "_search") {
    if (method != "POST" && method != "GET") return MethodNotAllowed("GET, POST");
    const auto parameters = SearchParametersOf(call);
    if (const auto* refusal = std::get_if<exchange::Refusal>(&parameters)) return FhirResponse(*refusal);
    return searcher_.Search(call, std::get<Parameters>(parameters));
  }
  if (call.segments.size() == 2 && call.type() == "Patient" && call.id() == "$match") {
    return method == "POST" ? Match(call) : MethodNotAllowed("POST");
  }
  if (call.segments.size() == 2 && call.id() == "$validate") return method == "POST" ? Validate(call) : MethodNotAllowed("POST");
  if (call.segments.size() == 2 && call.type() == "Communication" && call.id() == "$corrections") {
    return method == "GET" ? OpenCorrections(call) : MethodNotAllowed("GET");
  }
  return FhirResponse(Refuse(404, "not-supported", "There is no such operation here."));
}

Answer<Json> FhirService::ReadBody(const FhirCall& call) const {
  if (call.request.body.size() > options_.body_bytes_max) {
    return Refuse(413, "too-long", absl::StrCat("The body has ", call.request.body.size(), " bytes; at most ", options_.body_bytes_max,
                                                " are taken."));
  }
  const auto key = call.request.Header("idempotency-key");
  if (key.has_value() && (key->empty() || key->size() > kIdempotencyKeyMax)) {
    return Refuse(400, "value", absl::StrCat("Idempotency-Key must have 1 to ", kIdempotencyKeyMax, " characters."));
  }
  if (!call.segments.empty()) {
    if (auto binary = SentBinary(call)) return *std::move(binary);
  }
  const auto type = call.request.Header("content-type");
  if (!type.has_value() || !IsJsonMediaType(*type)) {
    return Refuse(415, "not-supported", "The body must be sent as Content-Type: application/fhir+json.");
  }
  auto json = Json::Parse(call.request.body, {.bytes_max = options_.body_bytes_max, .depth_max = kDepthMax});
  if (!json.ok()) return Refuse(400, "structure", absl::StrCat("The body is ", std::string(json.status().message())));
  return *std::move(json);
}

rpc::HttpResponse FhirService::HandleBundle(const FhirCall& call) const {
  auto body = ReadBody(call);
  if (auto* refusal = std::get_if<exchange::Refusal>(&body)) return FhirResponse(*refusal);
  auto& bundle = std::get<Json>(body);
  if (bundle.TextOf("resourceType") == "Bundle" && bundle.TextOf("type") == "batch") return Batch(call, bundle);
  return Transact(call, std::move(bundle));
}

rpc::HttpResponse FhirService::Transact(const FhirCall& call, Json bundle) const {
  using Method = TransactionEntry::Method;
  auto read = ReadTransaction(std::move(bundle), options_.entries_max);
  if (auto* refusal = std::get_if<exchange::Refusal>(&read)) return FhirResponse(*refusal);
  auto& entries = std::get<0>(read);
  std::vector<TransactionEntry> writes;
  // By position in the Bundle; those that are read are done last.
  std::vector<std::optional<std::size_t>> place(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (const auto refusal = CheckOwnId(entries[i].id, entries[i].resource_path + ".id")) return FhirResponse(*refusal);
    if (entries[i].method == Method::kRead) continue;
    if (const auto missing = call.scopes != nullptr ? MissingScope(*call.scopes, entries[i]) : std::nullopt) return LacksScope(*missing);
    place[i] = writes.size();
    writes.push_back(std::move(entries[i]));
  }
  StoredTransaction done;
  if (!writes.empty()) {
    auto stored = writer_.Apply(WriteRequest(call, std::move(writes)));
    if (const auto* refusal = std::get_if<exchange::Refusal>(&stored)) return FhirResponse(*refusal);
    done = std::get<StoredTransaction>(std::move(stored));
  }
  const Prefer::Return wanted = PreferOf(call.request).answer;
  std::vector<Json> list;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!place[i].has_value()) {
      const Json request = Json::Object({{"method", Json::String("GET")}, {"url", Json::String(entries[i].url)}});
      list.push_back(HandlePart(call, request, ""));
      continue;
    }
    const StoredEntry& entry = done.entries[*place[i]];
    Json response = Json::Object({{"status", Json::String(StatusLine(entry.deleted ? 204 : entry.created ? 201 : 200))}});
    if (!entry.deleted) response.Set("location", Json::String(absl::StrCat(entry.type, "/", entry.id, "/_history/", entry.version)));
    if (entry.version > 0) response.Set("etag", Json::String(EntityTag(entry.version)));
    if (done.time != absl::Time()) response.Set("lastModified", Json::String(FormatInstant(done.time)));
    if (wanted == Prefer::Return::kOutcome) response.Set("outcome", InformationOf("Stored."));
    Json part = Json::Object();
    if (wanted == Prefer::Return::kRepresentation && !entry.deleted) {
      auto resource = Json::Parse(Written(call, entry).body);
      if (resource.ok()) part.Set("resource", *std::move(resource));
    }
    part.Set("response", std::move(response));
    list.push_back(std::move(part));
  }
  return FhirResponse(200, ResponseBundle("transaction-response", std::move(list)).Text());
}

rpc::HttpResponse FhirService::Batch(const FhirCall& call, const Json& bundle) const {
  const std::vector<Json>& entries = bundle["entry"].items();
  if (bundle.Find("entry") != nullptr && !bundle["entry"].is_array()) {
    return FhirResponse(Refuse(400, "structure", "Bundle.entry must be a list.", "Bundle.entry"));
  }
  if (entries.size() > options_.batch_max) {
    return FhirResponse(Refuse(413, "too-long", absl::StrCat("The batch has ", entries.size(), " entries; at most ", options_.batch_max, " are taken."),
                               "Bundle.entry"));
  }
  // http://hl7.org/fhir/R4/http.html#trules: first what deletes, then what creates, then what updates, then what reads.
  std::vector<Json> answers(entries.size());
  for (const std::string_view method : {"DELETE", "POST", "PUT", "GET", ""}) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (!answers[i].is_null()) continue;
      const Json& request = entries[i]["request"];
      if (!method.empty() && request.TextOf("method") != method) continue;
      const Json* resource = entries[i].Find("resource");
      answers[i] = HandlePart(call, request, resource == nullptr ? "" : resource->Text());
    }
  }
  return FhirResponse(200, ResponseBundle("batch-response", std::move(answers)).Text());
}

Json FhirService::HandlePart(const FhirCall& call, const Json& request, std::string body) const {
  rpc::HttpRequest part;
  part.method = request.TextOf("method") == "HEAD" ? "GET" : request.TextOf("method");
  const std::string url = RelativeUrl(request.TextOf("url"), call.base_url);
  const auto question = url.find('?');
  part.path = rpc::PercentDecode(url.substr(0, question));
  if (question != std::string::npos) part.query = url.substr(question + 1);
  part.peer_spiffe_id = call.request.peer_spiffe_id;
  part.headers.emplace_back("accept", "application/fhir+json");
  if (!body.empty()) part.headers.emplace_back("content-type", "application/fhir+json");
  static constexpr std::pair<const char*, const char*> kHeaders[] = {
      {"ifMatch", "if-match"}, {"ifNoneExist", "if-none-exist"}, {"ifNoneMatch", "if-none-match"}};
  for (const auto& [member, header] : kHeaders) {
    if (!request.TextOf(member).empty()) part.headers.emplace_back(header, request.TextOf(member));
  }
  for (const auto& [name, value] : call.request.headers) {
    if (name == "prefer") part.headers.emplace_back(name, value);
  }
  part.body = std::move(body);
  FhirCall inner{part, call.partition, call.client, call.base_url, absl::StrSplit(part.path, '/', absl::SkipEmpty()), call.scopes};
  rpc::HttpResponse response;
  if (part.method.empty() || inner.segments.empty()) {
    response = FhirResponse(Refuse(400, "required", "An entry's request must say its method and a url within this server."));
  } else {
    // Judged by what is about to be done, not by how the Bundle was read before.
    const auto missing = call.scopes != nullptr ? MissingScope(*call.scopes, part, inner.segments) : std::nullopt;
    response = missing ? LacksScope(*missing) : HandleOwn(inner);
  }
  Json answer = Json::Object({{"status", Json::String(StatusLine(response.status))}});
  for (const auto& [name, value] : response.headers) {
    if (name == "Location") answer.Set("location", Json::String(RelativeUrl(value, call.base_url)));
    if (name == "ETag") answer.Set("etag", Json::String(value));
    absl::Time time;
    if (name == "Last-Modified" && absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", value, &time, nullptr)) {
      answer.Set("lastModified", Json::String(FormatInstant(time)));
    }
  }
  Json entry = Json::Object();
  auto resource = response.body.empty() ? absl::StatusOr<Json>(absl::NotFoundError("")) : Json::Parse(response.body);
  if (resource.ok() && response.status >= 400) {
    answer.Set("outcome", *std::move(resource));
  } else if (resource.ok()) {
    entry.Set("resource", *std::move(resource));
  }
  entry.Set("response", std::move(answer));
  return entry;
}

rpc::HttpResponse FhirService::WriteOne(const FhirCall& call) const {
  using Method = TransactionEntry::Method;
  auto body = ReadBody(call);
  if (auto* refusal = std::get_if<exchange::Refusal>(&body)) return FhirResponse(*refusal);
  TransactionEntry entry;
  entry.resource = std::get<Json>(std::move(body));
  entry.type = call.type();
  entry.resource_path = call.type();
  entry.method = call.request.method == "POST" ? Method::kCreate : Method::kUpdate;
  const std::string own_id = entry.resource.TextOf("id");
  if (entry.resource.TextOf("resourceType") != call.type()) {
    return FhirResponse(Refuse(400, "invariant", absl::StrCat("The resource sent to this URL must have resourceType ", call.type(), "."),
                               call.type() + ".resourceType"));
  }
  if (entry.method == Method::kCreate) {
    entry.former_id = own_id;
    entry.if_none_exist = std::string(call.request.Header("if-none-exist").value_or(""));
  } else if (call.segments.size() == 1) {
    entry.former_id = own_id;
    entry.target_query = call.request.query;
  } else {
    if (own_id != call.id()) return FhirResponse(Refuse(400, "invariant", "The resource's id must be the id in the URL.", call.type() + ".id"));
    entry.id = call.id();
  }
  if (entry.method == Method::kUpdate) {
    if (const auto refusal = CheckOwnId(own_id, call.type() + ".id")) return FhirResponse(*refusal);
  }
  if (const auto refusal = ReadVersions(call.request, entry)) return FhirResponse(*refusal);
  std::vector<TransactionEntry> entries;
  entries.push_back(std::move(entry));
  const auto stored = writer_.Apply(WriteRequest(call, std::move(entries)));
  if (const auto* refusal = std::get_if<exchange::Refusal>(&stored)) return FhirResponse(*refusal);
  return Written(call, std::get<StoredTransaction>(stored).entries.front());
}

rpc::HttpResponse FhirService::Written(const FhirCall& call, const StoredEntry& entry) const {
  const auto record_id = parts_.sealer.RecordIdOf(call.partition->tenant.id, entry.type, entry.id);
  if (!record_id.ok()) return FhirResponse(RefusalOf(record_id.status()));
  const auto row = RecordStore(*call.partition->database).Version(*record_id, entry.version);
  if (!row.ok() || !row->has_value()) return FhirResponse(RefusalOf(row.ok() ? absl::DataLossError("a stored record is gone") : row.status()));
  rpc::HttpResponse response = FhirResponse(entry.created ? 201 : 200, "");
  const Prefer::Return wanted = PreferOf(call.request).answer;
  if (wanted == Prefer::Return::kOutcome) {
    response.body = InformationOf("Stored.").Text();
  } else if (wanted != Prefer::Return::kMinimal) {
    const auto record = OpenFhirRecord(call.partition->tenant, **row, parts_.sealer, kReadPurpose);
    if (!record.ok()) return FhirResponse(RefusalOf(record.status()));
    response.body = record->resource.Text();
  }
  AddVersionHeaders(response, entry.version, (*row)->arrived);
  response.headers.emplace_back("Location", absl::StrCat(call.base_url, "/", entry.type, "/", entry.id, "/_history/", entry.version));
  return response;
}

rpc::HttpResponse FhirService::Delete(const FhirCall& call) const {
  TransactionEntry entry;
  entry.type = call.type();
  entry.resource_path = call.type();
  entry.method = TransactionEntry::Method::kDelete;
  if (call.segments.size() == 1) {
    entry.target_query = call.request.query;
  } else {
    entry.id = call.id();
    if (const auto refusal = CheckOwnId(entry.id, call.type() + ".id")) return FhirResponse(*refusal);
  }
  if (const auto refusal = ReadVersions(call.request, entry)) return FhirResponse(*refusal);
  const auto key = call.request.Header("idempotency-key");
  if (key.has_value() && (key->empty() || key->size() > kIdempotencyKeyMax)) {
    return FhirResponse(Refuse(400, "value", absl::StrCat("Idempotency-Key must have 1 to ", kIdempotencyKeyMax, " characters.")));
  }
  std::vector<TransactionEntry> entries;
  entries.push_back(std::move(entry));
  const auto stored = writer_.Apply(WriteRequest(call, std::move(entries)));
  if (const auto* refusal = std::get_if<exchange::Refusal>(&stored)) return FhirResponse(*refusal);
  const StoredEntry& done = std::get<StoredTransaction>(stored).entries.front();
  rpc::HttpResponse response{204, {{"Cache-Control", "no-store"}}, ""};
  if (PreferOf(call.request).answer == Prefer::Return::kOutcome) response = FhirResponse(200, InformationOf("Deleted.").Text());
  if (done.version > 0) response.headers.emplace_back("ETag", EntityTag(done.version));
  return response;
}

}  // namespace custodian::exchange
