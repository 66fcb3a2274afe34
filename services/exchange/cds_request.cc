#include "services/exchange/cds_request.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_time.h"
#include "tenants/ids.h"

namespace custodian::exchange {
namespace {

// Ids and identifiers go into entries of fixed size.
constexpr std::size_t kIdBytesMax = 64;
constexpr std::size_t kUserBytesMax = 128;
constexpr std::size_t kOrderBytesMax = 200;
constexpr std::size_t kReasonBytesMax = 4'000;
constexpr std::size_t kUrlBytesMax = 2'048;
constexpr std::size_t kAccessTokenBytesMax = 8'192;

absl::Status Bad(const std::string& what) { return absl::InvalidArgumentError(what); }

bool IsPlain(std::string_view text, std::size_t bytes_max) {
  return !text.empty() && text.size() <= bytes_max &&
         std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

absl::Status RequireText(const Json& object, const char* name, const char* path, std::size_t bytes_max, std::string& into) {
  const Json& value = object[name];
  if (!value.is_string() || !IsPlain(value.text(), bytes_max))
    return Bad(absl::StrCat(path, name, " must be a text of 1 to ", bytes_max, " bytes"));
  into = value.text();
  return absl::OkStatus();
}

std::string LastSegment(std::string_view reference) {
  const std::size_t slash = reference.rfind('/');
  return std::string(slash == std::string_view::npos ? reference : reference.substr(slash + 1));
}

absl::Status AddOrder(const Json& resource, const std::string& path, CheckRequest& request) {
  const Json& subject = resource["subject"];
  if (!subject.TextOf("reference").empty() && LastSegment(subject.TextOf("reference")) != request.patient_id)
    return Bad(absl::StrCat(path, ".subject is not context.patientId"));
  DraftOrder order{OrderName(resource), resource.TextOf("id"), resource};
  if (order.order.empty()) return Bad(absl::StrCat(path, " has neither an identifier nor an id"));
  if (!IsPlain(order.order, kOrderBytesMax))
    return Bad(absl::StrCat(path, ".identifier is longer than ", kOrderBytesMax, " bytes"));
  if (!order.id.empty() && !IsPlain(order.id, kIdBytesMax))
    return Bad(absl::StrCat(path, ".id is longer than ", kIdBytesMax, " bytes"));
  if (!resource["code"].is_object()) return Bad(absl::StrCat(path, ".code is missing"));
  // The same order twice in one call is one order.
  for (const DraftOrder& known : request.orders)
    if (known.order == order.order) return absl::OkStatus();
  request.orders.push_back(std::move(order));
  return absl::OkStatus();
}

// Each is a line in the log.
void PassOver(std::string why, CheckRequest& request) {
  if (request.passed_over.size() < kOrdersMax) request.passed_over.push_back(std::move(why));
}

absl::Status ReadOrders(const Json& context, CheckRequest& request) {
  const Json& bundle = context["draftOrders"];
  if (!bundle.is_object() || bundle.TextOf("resourceType") != "Bundle") return Bad("context.draftOrders must be a FHIR Bundle");
  const Json* entries = bundle.Find("entry");
  if (entries != nullptr && !entries->is_array()) return Bad("context.draftOrders.entry must be an array");
  const Json& selections = context["selections"];
  if (request.hook == "order-select") {
    if (!selections.is_array()) return Bad("context.selections must be an array of references");
    for (const Json& selection : selections.items())
      if (!selection.is_string()) return Bad("context.selections must be an array of references");
  }
  for (std::size_t i = 0; entries != nullptr && i < entries->items().size(); ++i) {
    const Json& resource = (*entries)[i]["resource"];
    const std::string path = absl::StrCat("context.draftOrders.entry[", i, "].resource");
    if (!resource.is_object() || resource.TextOf("resourceType").empty()) {
      PassOver(absl::StrCat(path, " must be a FHIR resource"), request);
      continue;
    }
    if (resource.TextOf("resourceType") != "ServiceRequest") continue;
    if (request.hook == "order-select") {
      const std::string reference = absl::StrCat("ServiceRequest/", resource.TextOf("id"));
      const bool selected = std::any_of(selections.items().begin(), selections.items().end(),
                                        [&reference](const Json& selection) { return selection.text() == reference; });
      if (!selected) continue;
    }
    // Each is judged by itself: what is wrong with one says nothing of the others.
    if (absl::Status status = AddOrder(resource, path, request); !status.ok()) PassOver(std::string(status.message()), request);
    if (request.orders.size() > kOrdersMax) return Bad(absl::StrCat("context.draftOrders holds more than ", kOrdersMax, " ServiceRequests"));
  }
  if (request.orders.empty() && !request.passed_over.empty()) return Bad(request.passed_over.front());
  return absl::OkStatus();
}

// A client that fills a prefetch by search sends a searchset: the one resource of the type, and of the id where that is known, which it found.
void TakeFromBundle(const char* key, std::string_view type, const std::string& id, Json& prefetch) {
  const Json* sent = prefetch.Find(key);
  if (sent == nullptr || sent->TextOf("resourceType") != "Bundle") return;
  std::vector<const Json*> found;
  for (const Json& entry : (*sent)["entry"].items()) {
    const Json& resource = entry["resource"];
    if (resource.TextOf("resourceType") == type && (id.empty() || resource.TextOf("id") == id)) found.push_back(&resource);
  }
  if (found.size() != 1) return;
  Json only = *found.front();
  prefetch.Set(key, std::move(only));
}

// context.encounterId, fhirServer and fhirAuthorization: all optional.
absl::Status ReadServer(const Json& json, CheckRequest& request) {
  const Json& encounter = json["context"]["encounterId"];
  if (!encounter.is_null() && (!encounter.is_string() || !IsPlain(encounter.text(), kIdBytesMax)))
    return Bad(absl::StrCat("context.encounterId must be a text of 1 to ", kIdBytesMax, " bytes"));
  request.encounter_id = LastSegment(encounter.text());
  const Json& server = json["fhirServer"];
  if (!server.is_null() && (!server.is_string() || !IsPlain(server.text(), kUrlBytesMax))) return Bad("fhirServer must be a URL");
  request.fhir_server = server.text();
  const Json& authorization = json["fhirAuthorization"];
  if (!authorization.is_null() && !authorization.is_object()) return Bad("fhirAuthorization must be an object");
  const Json& token = authorization["access_token"];
  if (!token.is_null() && (!token.is_string() || !IsPlain(token.text(), kAccessTokenBytesMax)))
    return Bad("fhirAuthorization.access_token must be a text");
  request.access_token = token.text();
  return absl::OkStatus();
}

absl::StatusOr<Json> ParseObject(std::string_view body) {
  auto json = Json::Parse(body);
  if (!json.ok()) return Bad(absl::StrCat("the body is not JSON: ", std::string(json.status().message())));
  if (!json->is_object()) return Bad("the body must be a JSON object");
  return json;
}

absl::Status ReadOutcome(const Json& json, const std::string& path, FeedbackItem& item) {
  const std::string& outcome = json.TextOf("outcome");
  if (outcome != "accepted" && outcome != "overridden") return Bad(absl::StrCat(path, ".outcome must be accepted or overridden"));
  item.accepted = outcome == "accepted";
  const auto time = ParseFhirTime(json.TextOf("outcomeTimestamp"), absl::UTCTimeZone());
  if (!time || !time->has_time) return Bad(absl::StrCat(path, ".outcomeTimestamp must be a time like 2026-03-01T12:00:00.000Z"));
  item.from = time->begin;
  item.to = time->has_fraction ? time->end : time->begin + absl::Seconds(1);
  const Json& suggestions = json["acceptedSuggestions"];
  if (!suggestions.is_null() && !suggestions.is_array()) return Bad(absl::StrCat(path, ".acceptedSuggestions must be an array"));
  for (const Json& suggestion : suggestions.items()) {
    if (suggestion.TextOf("id").empty()) return Bad(absl::StrCat(path, ".acceptedSuggestions: each needs an id"));
    item.suggestions.push_back(suggestion.TextOf("id"));
  }
  item.reason = json["overrideReason"];
  if (!item.reason.is_null() && !item.reason.is_object()) return Bad(absl::StrCat(path, ".overrideReason must be an object"));
  if (item.reason.Text().size() > kReasonBytesMax)
    return Bad(absl::StrCat(path, ".overrideReason is longer than ", kReasonBytesMax, " bytes"));
  return absl::OkStatus();
}

}  // namespace

std::string OrderName(const Json& order) {
  const Json* chosen = nullptr;
  for (const Json& identifier : order["identifier"].items()) {
    if (identifier.TextOf("value").empty()) continue;
    bool placer = false;
    for (const Json& coding : identifier["type"]["coding"].items()) placer = placer || coding.TextOf("code") == "PLAC";
    if (chosen == nullptr || placer) chosen = &identifier;
    if (placer) break;
  }
  if (chosen != nullptr) return absl::StrCat(chosen->TextOf("system"), "|", chosen->TextOf("value"));
  return order.TextOf("id").empty() ? "" : absl::StrCat("|", order.TextOf("id"));
}

absl::StatusOr<CheckRequest> ParseCheckRequest(std::string_view body) {
  auto json = ParseObject(body);
  if (!json.ok()) return json.status();
  CheckRequest request;
  request.hook = json->TextOf("hook");
  if (request.hook != "order-select" && request.hook != "order-sign") return Bad("hook must be order-select or order-sign");
  if (absl::Status status = RequireText(*json, "hookInstance", "", kIdBytesMax, request.hook_instance); !status.ok())
    return status;
  const Json& context = (*json)["context"];
  if (!context.is_object()) return Bad("context must be an object");
  if (absl::Status status = RequireText(context, "userId", "context.", kUserBytesMax, request.user_id); !status.ok())
    return status;
  if (absl::Status status = RequireText(context, "patientId", "context.", kIdBytesMax, request.patient_id); !status.ok())
    return status;
  request.patient_id = LastSegment(request.patient_id);
  if (absl::Status status = ReadOrders(context, request); !status.ok()) return status;
  request.prefetch = (*json)["prefetch"];
  if (!request.prefetch.is_null() && !request.prefetch.is_object()) return Bad("prefetch must be an object");
  if (absl::Status status = ReadServer(*json, request); !status.ok()) return status;
  TakeFromBundle("patient", "Patient", request.patient_id, request.prefetch);
  TakeFromBundle("encounter", "Encounter", request.encounter_id, request.prefetch);
  request.content = Json::Array({(*json)["hook"], (*json)["hookInstance"], context}).Text();
  return request;
}

absl::StatusOr<std::vector<FeedbackItem>> ParseFeedback(std::string_view body) {
  auto json = ParseObject(body);
  if (!json.ok()) return json.status();
  const Json& feedback = (*json)["feedback"];
  if (!feedback.is_array() || feedback.items().empty() || feedback.items().size() > kFeedbackMax)
    return Bad(absl::StrCat("feedback must be an array of 1 to ", kFeedbackMax, " items"));
  std::vector<FeedbackItem> items;
  for (std::size_t i = 0; i < feedback.items().size(); ++i) {
    const Json& one = feedback[i];
    const std::string path = absl::StrCat("feedback[", i, "]");
    if (!one["card"].is_string()) return Bad(absl::StrCat(path, ".card must be a card's uuid"));
    FeedbackItem item;
    item.card_id = UuidBytes(one.TextOf("card")).value_or("");
    if (absl::Status status = ReadOutcome(one, path, item); !status.ok()) return status;
    items.push_back(std::move(item));
  }
  return items;
}

std::string UuidText(std::string_view bytes) {
  const std::string hex = HexEncode(bytes);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-", hex.substr(16, 4), "-",
                      hex.substr(20));
}

std::optional<std::string> UuidBytes(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  std::string hex;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return std::nullopt;
    } else {
      hex += c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
    }
  }
  auto bytes = HexDecode(hex);
  if (!bytes.ok() || bytes->size() != 16) return std::nullopt;
  return *std::move(bytes);
}

std::string AsUuid(std::string_view bytes) {
  std::string uuid(bytes.substr(0, 16));
  uuid[6] = static_cast<char>((uuid[6] & 0x0F) | 0x40);
  uuid[8] = static_cast<char>((uuid[8] & 0x3F) | 0x80);
  return uuid;
}

}  // namespace custodian::exchange
