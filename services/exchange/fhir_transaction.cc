#include "services/exchange/fhir_transaction.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_validator.h"

namespace custodian::exchange {
namespace {

// Of one resource: the entry that proves it names each.
constexpr std::size_t kIdentifiersMax = 500;

constexpr std::size_t kIssuesMax = 50;
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
    if (const std::string& if_match = request.TextOf("ifMatch"); !if_match.empty()) {
      entry.if_match = ParseEntityTag(if_match);
      if (!entry.if_match.has_value()) return Refuse("value", path_ + ".request.ifMatch", "is no version, e.g. W/\"3\"");
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
  Preparation(std::vector<TransactionEntry>& entries, std::string_view base_url, const Lookup& lookup,
              const std::function<std::string(const TransactionEntry&)>& new_id)
      : entries_(entries), base_url_(base_url), lookup_(lookup), new_id_(new_id) {}

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
      if (IsStored(entry)) MapReferences(entry);
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
        if (const auto query = ParseIdentifierQuery(entry.type, entry.query())) {
          queries_.insert(*query);
        } else {
          Tell("not-supported", QueryPlace(entry), "must find the resource by identifier=<system>|<value>");
        }
      }
      VisitReferences(entry.resource, entry.resource_path, [&](std::string& reference, const std::string& path) {
        const auto conditional = SplitConditional(reference);
        if (!conditional.has_value()) return;
        if (const auto query = ParseIdentifierQuery(conditional->first, conditional->second)) {
          queries_.insert(*query);
        } else {
          Tell("not-supported", path, "is a conditional reference by something else than identifier=<system>|<value>");
        }
      });
    }
  }

  // Where the client wrote what finds the resource.
  static std::string QueryPlace(const TransactionEntry& entry) {
    if (entry.path.empty()) return entry.type;
    return absl::StrCat(entry.path, entry.if_none_exist.empty() ? ".request.url" : ".request.ifNoneExist");
  }

  void SettleConditions() {
    using Method = TransactionEntry::Method;
    for (TransactionEntry& entry : entries_) {
      if (entry.query().empty()) continue;
      const std::vector<std::string>& ids = found_[*ParseIdentifierQuery(entry.type, entry.query())];
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
        if (queries_.contains(identifier)) own_[identifier].insert(entry.id);
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
      if (!base_url_.empty() && reference.starts_with(base_url_) && reference.size() > base_url_.size() &&
          reference[base_url_.size()] == '/') {
        reference = reference.substr(base_url_.size() + 1);
      }
      if (const auto former = former_.find(reference); former != former_.end() && !targets_.contains(reference)) {
        reference = former->second;
      } else if (const auto conditional = SplitConditional(reference)) {
        ResolveConditional(*ParseIdentifierQuery(conditional->first, conditional->second), reference, path);
      }
    });
  }

  void ResolveConditional(const IdentifierQuery& query, std::string& reference, const std::string& path) {
    std::set<std::string> ids = own_[query];
    // What the transaction changes itself counts as it will be, not as it was.
    for (const std::string& id : found_[query]) {
      if (!targets_.contains(absl::StrCat(query.type, "/", id))) ids.insert(id);
    }
    if (ids.empty()) return Tell("not-found", path, absl::StrCat("matches no ", query.type, " of this tenant"));
    if (ids.size() > 1) return Tell("multiple-matches", path, absl::StrCat("matches several resources of type ", query.type));
    reference = absl::StrCat(query.type, "/", *ids.begin());
  }

  std::vector<TransactionEntry>& entries_;
  const std::string base_url_;
  const Lookup& lookup_;
  const std::function<std::string(const TransactionEntry&)>& new_id_;
  std::vector<Issue> issues_;
  bool invalid_ = false;
  std::set<IdentifierQuery> queries_;
  // Stored now, and in the transaction itself.
  std::map<IdentifierQuery, std::vector<std::string>> found_;
  std::map<IdentifierQuery, std::set<std::string>> own_;
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

std::optional<IdentifierQuery> ParseIdentifierQuery(std::string_view type, std::string_view query) {
  constexpr std::string_view kPrefix = "identifier=";
  if (!query.starts_with(kPrefix)) return std::nullopt;
  const std::string token = rpc::PercentDecode(query.substr(kPrefix.size()));
  const auto bar = token.find('|');
  if (bar == std::string::npos || bar + 1 == token.size() || token.find('&') != std::string::npos || token.find(',') != std::string::npos) {
    return std::nullopt;
  }
  return IdentifierQuery{std::string(type), token.substr(0, bar), token.substr(bar + 1)};
}

std::vector<IdentifierQuery> IdentifiersOf(const Json& resource) {
  std::vector<IdentifierQuery> identifiers;
  const auto add = [&](const Json& identifier) {
    if (!identifier.TextOf("value").empty()) {
      identifiers.push_back({resource.TextOf("resourceType"), identifier.TextOf("system"), identifier.TextOf("value")});
    }
  };
  const Json& found = resource["identifier"];
  if (found.is_object()) add(found);
  for (const Json& each : found.items()) add(each);
  return identifiers;
}

std::optional<std::uint64_t> ParseEntityTag(std::string_view text) {
  if (text.starts_with("W/")) text.remove_prefix(2);
  if (text.size() < 3 || text.front() != '"' || text.back() != '"') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::uint64_t version = 0;
  if (!absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &version)) return std::nullopt;
  return version;
}

Answer<std::vector<TransactionEntry>> ReadTransaction(Json bundle, std::size_t entries_max) {
  if (!bundle.is_object() || bundle.TextOf("resourceType") != "Bundle") {
    return Refuse(400, "structure", "The base takes a Bundle of type transaction.", "Bundle.resourceType");
  }
  if (bundle.TextOf("type") != "transaction") {
    return Refuse(400, "not-supported", "Bundle.type must be transaction or batch; other Bundles are not processed.", "Bundle.type");
  }
  Json* list = bundle.Find("entry");
  if (list == nullptr || !list->is_array() || list->items().empty()) {
    return Refuse(400, "required", "Bundle.entry is missing or empty.", "Bundle.entry");
  }
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

std::optional<Refusal> PrepareEntries(std::vector<TransactionEntry>& entries, std::string_view base_url, const Lookup& lookup,
                                      const std::function<std::string(const TransactionEntry&)>& new_id) {
  return Preparation(entries, base_url, lookup, new_id).Run();
}

}  // namespace custodian::exchange
