#include "services/exchange/fhir_transaction.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_links.h"
#include "services/exchange/fhir_validator.h"

namespace custodian::exchange {
namespace {

// Of one resource: the entry that proves it names each.
constexpr std::size_t kIdentifiersMax = 500;

constexpr std::size_t kIssuesMax = 50;
constexpr std::string_view kConditionForm =
    "must be identifier=<system>|<value>, with further search parameters behind it or none, and lead to no other resource";
constexpr std::string_view kUrnUuid = "urn:uuid:";
constexpr std::string_view kUrnOid = "urn:oid:";

// Reads one entry of the Bundle; what is wrong with it goes to `issues`.
class EntryReader {
 public:
  EntryReader(std::size_t index, std::vector<Issue>& issues)
      : path_(absl::StrCat("Bundle.entry[", index, "]")), issues_(issues) {}

  std::optional<TransactionEntry> Read(Json& json) {
    if (!json.is_object()) return Refuse("structure", path_, "must be an object");
    const Json& request = json["request"];
    if (!request.is_object()) return Refuse("required", path_ + ".request", "is missing: a transaction's entry says method and url");
    using Method = TransactionEntry::Method;
    static constexpr std::pair<std::string_view, Method> kMethods[] = {
        {"POST", Method::kCreate}, {"PUT", Method::kUpdate}, {"DELETE", Method::kDelete}, {"GET", Method::kRead}, {"HEAD", Method::kRead}};
    const auto* method = std::find_if(std::begin(kMethods), std::end(kMethods), [&](const auto& each) { return each.first == request.TextOf("method"); });
    if (method == std::end(kMethods)) {
      return Refuse("not-supported", path_ + ".request.method", "must be POST, PUT, DELETE, GET or HEAD; others are not supported in a transaction");
    }
    TransactionEntry entry;
    entry.path = path_;
    entry.resource_path = path_ + ".resource";
    entry.method = method->second;
    entry.url = request.TextOf("url");
    entry.full_url = json.TextOf("fullUrl");
    entry.if_none_exist = request.TextOf("ifNoneExist");
    if (entry.method == Method::kRead) {
      if (entry.url.empty()) return Refuse("required", path_ + ".request.url", "is missing");
      return entry;
    }
    if (entry.method != Method::kDelete) {
      Json* resource = json.Find("resource");
      if (resource == nullptr) return Refuse("required", path_ + ".resource", "is missing");
      entry.resource = std::move(*resource);
      entry.type = entry.resource.TextOf("resourceType");
      if (!IsResourceType(entry.type)) {
        return Refuse("value", entry.resource_path + ".resourceType", "names no FHIR R4 resource type");
      }
    }
    if (!ReadUrl(entry, entry.url)) return std::nullopt;
    for (const auto& [name, condition] : {std::pair("ifMatch", &entry.if_match), std::pair("ifNoneMatch", &entry.if_none_match)}) {
      const std::string& text = request.TextOf(name);
      if (text.empty()) continue;
      *condition = ParseVersionCondition(text);
      if (!condition->has_value()) return Refuse("value", absl::StrCat(path_, ".request.", name), "is no version, e.g. W/\"3\"");
    }
    return entry;
  }

 private:
  std::optional<TransactionEntry> Refuse(std::string code, const std::string& path, std::string_view fault) {
    issues_.push_back({std::move(code), absl::StrCat(path, " ", std::string(fault)), path});
    return std::nullopt;
  }

  bool ReadUrl(TransactionEntry& entry, const std::string& url) {
    const std::string url_path = path_ + ".request.url";
    if (entry.method == TransactionEntry::Method::kCreate) {
      if (url != entry.type) {
        Refuse("invariant", url_path, absl::StrCat("must be '", entry.type, "', the type of the resource posted"));
        return false;
      }
      entry.former_id = entry.resource.TextOf("id");
      return true;
    }
    if (!entry.if_none_exist.empty()) {
      Refuse("invariant", path_ + ".request.ifNoneExist", "goes with POST only");
      return false;
    }
    const bool deletes = entry.method == TransactionEntry::Method::kDelete;
    if (const auto question = url.find('?'); question != std::string::npos) {
      const std::string type = url.substr(0, question);
      if (!IsResourceType(type) || (!deletes && type != entry.type)) {
        Refuse("invariant", url_path, "must be Type?identifier=<system>|<value>, the type being that of the resource");
        return false;
      }
      entry.type = type;
      entry.target_query = url.substr(question + 1);
      entry.former_id = entry.resource.TextOf("id");
      return true;
    }
    const auto target = ParseTypeAndId(url);
    if (!target.has_value()) {
      Refuse("value", url_path, "must be Type/id, or Type?identifier=<system>|<value>");
      return false;
    }
    if (!deletes && (target->first != entry.type || target->second != entry.resource.TextOf("id"))) {
      Refuse("invariant", url_path, "must be type and id of the resource in the entry");
      return false;
    }
    entry.type = target->first;
    entry.id = target->second;
    return true;
  }

  std::string path_;
  std::vector<Issue>& issues_;
};

// Everything PrepareEntries knows while it works.
class Preparation {
 public:
  Preparation(std::vector<TransactionEntry>& entries, const MatchSettings& settings, const Lookup& lookup,
              const std::function<std::string(const TransactionEntry&)>& new_id)
      : entries_(entries), settings_(settings), lookup_(lookup), new_id_(new_id) {}

  std::optional<Refusal> Run() {
    CollectQueries();
    if (!issues_.empty()) return Refusal{400, std::move(issues_)};
    auto found = lookup_(std::vector<IdentifierQuery>(queries_.begin(), queries_.end()));
    if (!found.ok()) return RefusalOf(found.status());
    found_ = *std::move(found);
    SettleConditions();
    if (!issues_.empty()) return Refusal{412, std::move(issues_)};
    GiveIds();
    IndexIdentifiers();
    if (!issues_.empty()) return Refusal{400, std::move(issues_)};
    for (TransactionEntry& entry : entries_) {
      if (!IsStored(entry)) continue;
      MapReferences(entry);
      MapLinks(entry);
      if (issues_.size() >= kIssuesMax) break;
    }
    const bool unresolved = !issues_.empty();
    for (const TransactionEntry& entry : entries_) {
      if (!IsStored(entry)) continue;
      if (issues_.size() >= kIssuesMax) break;
      for (Issue& issue : ValidateResource(entry.resource, entry.resource_path, kIssuesMax - issues_.size())) {
        issues_.push_back(std::move(issue));
        invalid_ = true;
      }
    }
    if (!issues_.empty()) return Refusal{unresolved && !invalid_ ? 422 : 400, std::move(issues_)};
    return std::nullopt;
  }

 private:
  // A new version with content.
  static bool IsStored(const TransactionEntry& entry) { return !entry.exists && entry.method != TransactionEntry::Method::kDelete; }

  void Tell(std::string code, const std::string& path, std::string_view fault) {
    if (issues_.size() < kIssuesMax) issues_.push_back({std::move(code), absl::StrCat(path, " ", std::string(fault)), path});
  }

  // "Type?query" of a conditional reference.
  static std::optional<std::pair<std::string, std::string>> SplitConditional(std::string_view reference) {
    const auto question = reference.find('?');
    if (question == std::string_view::npos || !IsResourceType(reference.substr(0, question))) return std::nullopt;
    return std::pair(std::string(reference.substr(0, question)), std::string(reference.substr(question + 1)));
  }

  void CollectQueries() {
    for (TransactionEntry& entry : entries_) {
      if (!entry.query().empty()) {
        if (const auto condition = ConditionOf(entry)) {
          queries_.insert(condition->identifier);
        } else {
          Tell("not-supported", QueryPlace(entry), kConditionForm);
        }
      }
      VisitReferences(entry.resource, entry.resource_path, [&](std::string& reference, const std::string& path) {
        const auto conditional = SplitConditional(reference);
        if (!conditional.has_value()) return;
        if (const auto condition = ParseCondition(conditional->first, conditional->second, "")) {
          queries_.insert(condition->identifier);
        } else {
          Tell("not-supported", path, kConditionForm);
        }
      });
    }
  }

  // Where the client wrote what finds the resource.
  static std::string QueryPlace(const TransactionEntry& entry) {
    if (entry.path.empty()) return entry.type;
    return absl::StrCat(entry.path, entry.if_none_exist.empty() ? ".request.url" : ".request.ifNoneExist");
  }

  std::optional<Condition> ConditionOf(const TransactionEntry& entry) const { return ParseCondition(entry.type, entry.query(), settings_.base_url); }

  // Ids of what is stored and matches.
  std::vector<std::string> Found(const Condition& condition) {
    std::vector<std::string> ids;
    for (const FoundResource& found : found_[condition.identifier]) {
      if (condition.rest.criteria.empty() || Matches(found.resource, condition.rest, settings_)) ids.push_back(found.id);
    }
    return ids;
  }

  void SettleConditions() {
    using Method = TransactionEntry::Method;
    for (TransactionEntry& entry : entries_) {
      if (entry.query().empty()) continue;
      const std::vector<std::string> ids = Found(*ConditionOf(entry));
      if (ids.size() > 1) {
        Tell("multiple-matches", QueryPlace(entry), "matches several stored resources");
      } else if (ids.size() == 1) {
        if (entry.method == Method::kUpdate && !entry.former_id.empty() && entry.former_id != ids.front()) {
          Tell("invariant", entry.resource_path + ".id", "is not that of the resource that was found");
        }
        entry.exists = entry.method == Method::kCreate;
        entry.id = ids.front();
      } else if (entry.method == Method::kDelete) {
        entry.exists = true;
      } else if (entry.method == Method::kUpdate) {
        // Nothing there: it is created, under the client's id when there is one.
        entry.method = entry.former_id.empty() ? Method::kCreate : Method::kUpdate;
        entry.id = entry.former_id;
      }
    }
  }

  void GiveIds() {
    using Method = TransactionEntry::Method;
    for (TransactionEntry& entry : entries_) {
      if (entry.method == Method::kCreate && !entry.exists) entry.id = new_id_(entry);
      if (IsStored(entry)) entry.resource.Set("id", Json::String(entry.id));
      const std::string target = absl::StrCat(entry.type, "/", entry.id);
      if (!entry.exists && !targets_.insert(target).second) Tell("invariant", entry.resource_path, "is in the transaction twice");
      if (!entry.full_url.empty() && !full_urls_.emplace(entry.full_url, target).second) {
        Tell("invariant", entry.path + ".fullUrl", "is given to two entries");
      }
      if (!entry.former_id.empty() && entry.former_id != entry.id) {
        former_.emplace(absl::StrCat(entry.type, "/", entry.former_id), target);
      }
    }
  }

  void IndexIdentifiers() {
    for (const TransactionEntry& entry : entries_) {
      const std::vector<IdentifierQuery> identifiers = IdentifiersOf(entry.resource);
      if (identifiers.size() > kIdentifiersMax) {
        Tell("too-costly", entry.resource_path + ".identifier", absl::StrCat("has more than ", kIdentifiersMax, " values"));
      }
      for (const IdentifierQuery& identifier : identifiers) {
        if (queries_.contains(identifier)) own_[identifier].push_back(&entry);
      }
    }
  }

  void MapReferences(TransactionEntry& entry) {
    VisitReferences(entry.resource, entry.resource_path, [&](std::string& reference, const std::string& path) {
      // #contained stays within the resource.
      if (reference.empty() || reference.front() == '#') return;
      if (const auto own = full_urls_.find(reference); own != full_urls_.end()) {
        reference = own->second;
        return;
      }
      if (reference.starts_with(kUrnUuid) || reference.starts_with(kUrnOid)) {
        return Tell("not-found", path, "names no fullUrl of this transaction");
      }
      if (!settings_.base_url.empty() && reference.starts_with(settings_.base_url) && reference.size() > settings_.base_url.size() &&
          reference[settings_.base_url.size()] == '/') {
        reference = reference.substr(settings_.base_url.size() + 1);
      }
      if (const auto former = former_.find(reference); former != former_.end() && !targets_.contains(reference)) {
        reference = former->second;
      } else if (const auto conditional = SplitConditional(reference)) {
        ResolveConditional(*ParseCondition(conditional->first, conditional->second, ""), reference, path);
      }
    });
  }

  // As References, where they are another's fullUrl. An http(s) name in an element of type uri (a coding's system, a value set's url) means what
  // it names, though that lie in the same Bundle; only a placeholder can mean nothing else.
  void MapLinks(TransactionEntry& entry) {
    if (full_urls_.empty()) return;
    VisitLinks(entry.resource, [&](std::string& link, bool is_name) {
      if (is_name && !link.starts_with(kUrnUuid)) return;
      if (const auto own = full_urls_.find(link); own != full_urls_.end()) link = own->second;
    });
  }

  void ResolveConditional(const Condition& condition, std::string& reference, const std::string& path) {
    const std::string& type = condition.identifier.type;
    std::set<std::string> ids;
    for (const TransactionEntry* own : own_[condition.identifier]) {
      if (condition.rest.criteria.empty() || Matches(own->resource, condition.rest, settings_)) ids.insert(own->id);
    }
    // What the transaction changes itself counts as it will be, not as it was.
    for (std::string& id : Found(condition)) {
      if (!targets_.contains(absl::StrCat(type, "/", id))) ids.insert(std::move(id));
    }
    if (ids.empty()) return Tell("not-found", path, absl::StrCat("matches no ", type, " of this tenant"));
    if (ids.size() > 1) return Tell("multiple-matches", path, absl::StrCat("matches several resources of type ", type));
    reference = absl::StrCat(type, "/", *ids.begin());
  }

  std::vector<TransactionEntry>& entries_;
  const MatchSettings& settings_;
  const Lookup& lookup_;
  const std::function<std::string(const TransactionEntry&)>& new_id_;
  std::vector<Issue> issues_;
  bool invalid_ = false;
  std::set<IdentifierQuery> queries_;
  // Stored now, and in the transaction itself.
  std::map<IdentifierQuery, std::vector<FoundResource>> found_;
  std::map<IdentifierQuery, std::vector<const TransactionEntry*>> own_;
  // Type/id of every entry that is written.
  std::set<std::string> targets_;
  std::map<std::string, std::string> full_urls_;
  std::map<std::string, std::string> former_;
};

}  // namespace

std::optional<std::pair<std::string, std::string>> ParseTypeAndId(std::string_view url) {
  const auto slash = url.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view type = url.substr(0, slash);
  const std::string_view id = url.substr(slash + 1);
  if (!IsResourceType(type) || !IsFhirId(id)) return std::nullopt;
  return std::pair(std::string(type), std::string(id));
}

Answer<std::vector<TransactionEntry>> ReadTransaction(Json bundle, std::size_t entries_max) {
  if (!bundle.is_object() || bundle.TextOf("resourceType") != "Bundle") {
    return Refuse(400, "structure", "The base takes a Bundle of type transaction.", "Bundle.resourceType");
  }
  if (bundle.TextOf("type") != "transaction") {
    return Refuse(400, "not-supported", "Bundle.type must be transaction or batch; other Bundles are not processed.", "Bundle.type");
  }
  Json* list = bundle.Find("entry");
  // Nothing to do is done at once.
  if (list == nullptr) return std::vector<TransactionEntry>();
  if (!list->is_array()) return Refuse(400, "structure", "Bundle.entry must be a list.", "Bundle.entry");
  if (list->items().size() > entries_max) {
    return Refuse(413, "too-long", absl::StrCat("The Bundle has ", list->items().size(), " entries; at most ", entries_max, " are taken."),
                  "Bundle.entry");
  }
  std::vector<Issue> issues;
  std::vector<TransactionEntry> entries;
  entries.reserve(list->items().size());
  for (std::size_t i = 0; i < list->items().size() && issues.size() < kIssuesMax; ++i) {
    if (auto entry = EntryReader(i, issues).Read(list->items()[i])) entries.push_back(*std::move(entry));
  }
  if (!issues.empty()) return Refusal{400, std::move(issues)};
  return entries;
}

std::optional<Refusal> PrepareEntries(std::vector<TransactionEntry>& entries, const MatchSettings& settings, const Lookup& lookup,
                                      const std::function<std::string(const TransactionEntry&)>& new_id) {
  return Preparation(entries, settings, lookup, new_id).Run();
}

}  // namespace custodian::exchange
