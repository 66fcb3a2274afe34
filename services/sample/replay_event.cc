#include "services/sample/replay_event.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "rapidjson/document.h"
#include "rapidjson/stringbuffer.h"
#include "rapidjson/writer.h"
#include "services/sample/generate_json.h"

namespace custodian::sample {
namespace {

using rapidjson::Value;

std::string JsonText(const Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return buffer.GetString();
}

std::string TextOf(const Value& object, const char* name) {
  return object.IsObject() && object.HasMember(name) && object[name].IsString() ? object[name].GetString() : "";
}

// Reads members of an event and remembers the first that is missing or wrong.
class Reader {
 public:
  explicit Reader(const Value& event) : event_(event) {}

  std::string Text(const char* name) {
    if (!event_.HasMember(name) || !event_[name].IsString()) {
      Miss(name);
      return "";
    }
    return event_[name].GetString();
  }
  std::string Json(const char* name) {
    if (event_.HasMember(name) && event_[name].IsObject()) return JsonText(event_[name]);
    Miss(name);
    return "";
  }
  std::int64_t Integer(const char* name) {
    if (event_.HasMember(name) && event_[name].IsInt64()) return event_[name].GetInt64();
    Miss(name);
    return 0;
  }
  absl::Time Moment(const char* name) {
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, Text(name), &time, &error)) Miss(name);
    return time;
  }
  void Miss(const char* name) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat("the event has no valid \"", name, "\""));
  }
  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  const Value& event_;
  absl::Status status_;
};

std::string CheckBody(const Value& event, Reader& read) {
  return Object({{"hook", Text(read.Text("hook"))},
                 {"hookInstance", Text(read.Text("hook_instance"))},
                 {"context", read.Json("context")},
                 {"prefetch", event.HasMember("prefetch") ? read.Json("prefetch") : ""}});
}

}  // namespace

absl::StatusOr<ReplayEvent> ParseReplayEvent(std::string_view line) {
  rapidjson::Document json;
  json.Parse(line.data(), line.size());
  if (json.HasParseError() || !json.IsObject()) return absl::InvalidArgumentError("the event is not a JSON object");
  Reader read(json);
  ReplayEvent event;
  event.sequence = read.Integer("seq");
  event.time = read.Moment("time");
  event.tenant = read.Text("tenant");
  event.type = read.Text("type");
  if (event.type == "fhir") {
    event.method = read.Text("method");
    event.path = read.Text("path");
    event.body = read.Json("body");
    event.idempotency_key = read.Text("idempotency_key");
  } else if (event.type == "order") {
    event.order = read.Text("order");
    event.body = CheckBody(json, read);
  } else if (event.type == "feedback") {
    event.order_sequence = read.Integer("order_seq");
    event.accepted = read.Text("outcome") == "accepted";
    event.doubtful = json.HasMember("doubtful") && json["doubtful"].IsTrue();
    event.card = read.Text("card");
    if (event.accepted) event.suggestion = read.Text("suggestion");
    event.outcome_timestamp = read.Text("outcome_timestamp");
    if (json.HasMember("override_reason")) event.override_reason = static_cast<int>(read.Integer("override_reason"));
  } else if (event.type == "watermark") {
    event.through = read.Moment("through");
    event.idempotency_key = read.Text("idempotency_key");
  } else if (event.type == "gap") {
    event.from = read.Moment("from");
    event.to = read.Moment("to");
    event.idempotency_key = read.Text("idempotency_key");
  } else {
    read.Miss("type");
  }
  if (!read.status().ok()) return read.status();
  return event;
}

absl::StatusOr<std::vector<ShownCard>> ParseCards(std::string_view body) {
  rapidjson::Document json;
  json.Parse(body.data(), body.size());
  if (json.HasParseError() || !json.IsObject() || !json.HasMember("cards") || !json["cards"].IsArray()) {
    return absl::InvalidArgumentError("the answer has no list of cards");
  }
  std::vector<ShownCard> cards;
  for (const Value& item : json["cards"].GetArray()) {
    ShownCard card{TextOf(item, "uuid"), "", {}};
    if (card.id.empty()) return absl::InvalidArgumentError("a card has no uuid to answer it by");
    if (item.HasMember("suggestions") && item["suggestions"].IsArray()) {
      for (const Value& suggestion : item["suggestions"].GetArray()) {
        if (!suggestion.IsObject() || !suggestion.HasMember("actions") || !suggestion["actions"].IsArray()) continue;
        for (const Value& action : suggestion["actions"].GetArray()) {
          if (TextOf(action, "type") == "delete") card.delete_suggestion = TextOf(suggestion, "uuid");
        }
      }
    }
    if (item.HasMember("overrideReasons") && item["overrideReasons"].IsArray()) {
      for (const Value& reason : item["overrideReasons"].GetArray()) card.override_reasons.push_back(JsonText(reason));
    }
    cards.push_back(std::move(card));
  }
  return cards;
}

std::optional<std::string> FeedbackBody(const ReplayEvent& event, const std::vector<ShownCard>& shown) {
  // A forger may make up the card; who answers one must have seen it.
  const ShownCard* card = shown.empty() ? nullptr : &shown.front();
  if (event.card == "shown" && card == nullptr) return std::nullopt;
  std::string accepted, reason;
  if (event.accepted) {
    const std::string suggestion = event.suggestion != "shown" ? event.suggestion
                                   : card != nullptr           ? card->delete_suggestion
                                                               : "";
    if (suggestion.empty()) return std::nullopt;
    accepted = Array({Object({{"id", Text(suggestion)}})});
  } else if (event.override_reason >= 0 && card != nullptr && !card->override_reasons.empty()) {
    reason = Object(
        {{"reason", card->override_reasons[static_cast<std::size_t>(event.override_reason) % card->override_reasons.size()]}});
  }
  return Object({{"feedback", Array({Object({{"card", Text(event.card == "shown" ? card->id : event.card)},
                                             {"outcome", Text(event.accepted ? "accepted" : "overridden")},
                                             {"acceptedSuggestions", accepted},
                                             {"overrideReason", reason},
                                             {"outcomeTimestamp", Text(event.outcome_timestamp)}})})}});
}

}  // namespace custodian::sample
