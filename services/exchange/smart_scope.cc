#include "services/exchange/smart_scope.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/exchange/fhir_definitions.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_search.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kLetters = "cruds";
constexpr std::string_view kAll = "cruds";

// Of "rs": each once, in the order of "cruds". Nothing for anything else.
std::optional<unsigned> Bits(std::string_view letters) {
  if (letters == "read") letters = "rs";
  if (letters == "write") letters = "cud";
  if (letters == "*") letters = kAll;
  unsigned bits = 0;
  std::size_t next = 0;
  for (const char letter : letters) {
    const std::size_t at = kLetters.find(letter, next);
    if (at == std::string_view::npos) return std::nullopt;
    bits |= 1u << at;
    next = at + 1;
  }
  return bits == 0 ? std::nullopt : std::optional(bits);
}

std::string Name(unsigned bits) {
  std::string letters;
  for (std::size_t i = 0; i < kLetters.size(); ++i)
    if ((bits & (1u << i)) != 0) letters += kLetters[i];
  return letters;
}

struct Scope {
  std::string type;
  unsigned bits = 0;
};
std::optional<Scope> ReadScope(std::string_view text) {
  constexpr std::string_view kContext = "system/";
  if (!text.starts_with(kContext)) return std::nullopt;
  text.remove_prefix(kContext.size());
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string type(text.substr(0, dot));
  const auto bits = Bits(text.substr(dot + 1));
  if (!bits || (type != "*" && !IsResourceType(type))) return std::nullopt;
  return Scope{type, *bits};
}

std::vector<std::string> Words(std::string_view text) { return absl::StrSplit(std::string(text), ' ', absl::SkipEmpty()); }

// One scope that an interaction needs.
struct Need {
  std::string type;
  std::string letters;
};

std::string TypeOr(const std::string& segment) { return IsResourceType(segment) ? segment : "*"; }

// Search parameters that reach into other types than `searched`.
void AddReach(const std::string& searched, const std::vector<std::pair<std::string, std::string>>& parameters, std::vector<Need>& needs) {
  for (const auto& [name, value] : parameters) {
    const std::string plain = name.substr(0, name.find(':'));
    if (plain == "_include" || plain == "_revinclude") {
      // "Source:parameter[:target]": _revinclude brings the source, _include the target. Where it names none, what may be read is brought
      // along and nothing else (fhir_searcher.cc).
      const std::vector<std::string> parts = absl::StrSplit(value, ':');
      const std::string type = plain == "_revinclude" ? parts[0] : parts.size() > 2 ? parts[2] : "";
      if (!type.empty()) needs.push_back({TypeOr(type), "r"});
    } else if (plain == "_has" || name.find('.') != std::string::npos) {
      // Read as the search will read it: it is answered from these types, and refused where this finds none.
      for (const std::string& type : TypesReached(searched, name, value)) needs.push_back({type, "s"});
    }
  }
}

// Of [type]..., and of Patient/[id]/[type].
std::string SearchedType(const std::vector<std::string>& segments) {
  const bool compartment = segments.size() > 2 && IsResourceType(segments[2]);
  return TypeOr(compartment ? segments[2] : segments.front());
}

std::vector<std::pair<std::string, std::string>> Decoded(std::string_view query) {
  rpc::HttpRequest request;
  request.query = std::string(query);
  return request.Parameters();
}

void AddOperation(const std::vector<std::string>& segments, std::vector<Need>& needs) {
  const std::string& operation = segments.back();
  const std::string type = segments.size() > 1 ? TypeOr(segments.front()) : "*";
  if (operation == "$match") return needs.push_back({"Patient", "rs"});
  if (operation == "$everything") return needs.push_back({"*", "rs"});
  // Names entries by kind and time, as the AuditEvents do that belong to them.
  if (operation == "$ledger-list") return needs.push_back({"AuditEvent", "rs"});
  if (operation == "$corrections") return needs.push_back({"Communication", "rs"});
  if (operation == "$acknowledge") return needs.push_back({"Communication", "u"});
  if (operation == "$validate") return needs.push_back({type, "r"});
  needs.push_back({"*", std::string(kAll)});
}

void AddNeeds(const std::string& method, const std::vector<std::string>& segments, std::string_view query, bool conditional,
              std::vector<Need>& needs) {
  const auto parameters = Decoded(query);
  if (segments.empty()) {
    if (method == "GET") needs.push_back({"*", "s"});
    return AddReach("*", parameters, needs);
  }
  if (segments.front() == "metadata") return;
  if (segments.back().starts_with("$")) return AddOperation(segments, needs);
  const std::string type = TypeOr(segments.front());
  AddReach(SearchedType(segments), parameters, needs);
  if (segments.back() == "_search") return needs.push_back({segments.size() == 1 ? "*" : TypeOr(segments[segments.size() - 2]), "s"});
  const bool history = segments.back() == "_history";
  if (segments.size() == 1 || (segments.size() == 2 && history)) {
    if (method == "GET" || history) return needs.push_back({history && segments.size() == 1 ? "*" : type, "s"});
    const char* letter = method == "POST" ? "c" : method == "DELETE" ? "d" : "u";
    // A conditional interaction tells what a search would tell.
    needs.push_back({type, conditional || method != "POST" ? absl::StrCat(letter, "s") : std::string(letter)});
    return;
  }
  if (segments.size() == 2 || segments[2] == "_history") {
    needs.push_back({type, method == "GET" ? "r" : method == "DELETE" ? "d" : "u"});
    return;
  }
  // A compartment: Patient/x/Observation, Patient/x/*.
  needs.push_back({TypeOr(segments[2]), "s"});
}

void AddBundle(const Json& bundle, std::vector<Need>& needs) {
  for (const Json& entry : bundle["entry"].items()) {
    const Json& request = entry["request"];
    std::string_view url = request["url"].text();
    // An absolute URL of ours or a relative one: what stands behind the base is read from its end.
    if (const std::size_t base = url.find("/fhir/"); base != std::string_view::npos) {
      url.remove_prefix(base + 6);
      url = url.substr(std::min(url.size(), url.find('/') == std::string_view::npos ? url.size() : url.find('/') + 1));
    }
    const std::size_t mark = url.find('?');
    const std::vector<std::string> segments =
        absl::StrSplit(rpc::PercentDecode(url.substr(0, mark)), '/', absl::SkipEmpty());
    AddNeeds(request.TextOf("method"), segments, mark == std::string_view::npos ? std::string_view() : url.substr(mark + 1),
             !request["ifNoneExist"].is_null(), needs);
    // What is stored is of the resource's type, whatever the URL says.
    if (const std::string& type = entry["resource"].TextOf("resourceType"); !type.empty() && request.TextOf("method") != "GET")
      needs.push_back({TypeOr(type), request.TextOf("method") == "POST" ? "c" : "u"});
  }
}

}  // namespace

unsigned SmartScopes::LettersOf(const std::string& type) const {
  const auto all = letters_.find("*");
  const auto own = letters_.find(type);
  return (all == letters_.end() ? 0u : all->second) | (own == letters_.end() ? 0u : own->second);
}

void SmartScopes::Add(const std::string& type, unsigned letters) {
  if (letters != 0) letters_[type] |= letters;
}

absl::StatusOr<SmartScopes> SmartScopes::Parse(std::string_view text) {
  SmartScopes scopes;
  for (const std::string& word : Words(text)) {
    const auto scope = ReadScope(word);
    if (!scope)
      return absl::InvalidArgumentError(
          absl::StrCat("'", word.substr(0, 80), "' is no scope like system/Patient.rs or system/*.cruds (letters of cruds, in that order)"));
    scopes.Add(scope->type, scope->bits);
  }
  if (scopes.empty()) return absl::InvalidArgumentError("at least one scope is needed, e.g. system/*.rs");
  return scopes;
}

SmartScopes SmartScopes::ParseRequested(std::string_view text) {
  SmartScopes scopes;
  for (const std::string& word : Words(text))
    if (const auto scope = ReadScope(word)) scopes.Add(scope->type, scope->bits);
  return scopes;
}

SmartScopes SmartScopes::Intersect(const SmartScopes& other) const {
  SmartScopes both;
  both.Add("*", LettersOf("*") & other.LettersOf("*"));
  const unsigned everywhere = both.LettersOf("*");
  for (const SmartScopes* one : {this, &other})
    for (const auto& [type, letters] : one->letters_)
      // A type of its own only where it says more than "*" does.
      if (type != "*" && (LettersOf(type) & other.LettersOf(type) & ~everywhere) != 0)
        both.letters_[type] = LettersOf(type) & other.LettersOf(type);
  return both;
}

bool SmartScopes::Allow(std::string_view type, std::string_view letters) const {
  const auto needed = Bits(letters);
  return needed.has_value() && (*needed & ~LettersOf(std::string(type))) == 0;
}

std::string SmartScopes::Text() const {
  std::string text;
  for (const auto& [type, letters] : letters_) absl::StrAppend(&text, text.empty() ? "" : " ", "system/", type, ".", Name(letters));
  return text;
}

std::optional<std::string> MissingScope(const SmartScopes& scopes, const rpc::HttpRequest& request, const std::vector<std::string>& segments) {
  std::vector<Need> needs;
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  AddNeeds(method, segments, request.query, request.Header("if-none-exist").has_value(), needs);
  if (!segments.empty() && segments.back() == "_search") AddReach(SearchedType(segments), Decoded(request.body), needs);
  if (segments.empty() && method == "POST") {
    // The limits are no narrower than those of whoever acts on the body.
    const auto bundle = Json::Parse(request.body);
    if (bundle.ok()) AddBundle(*bundle, needs);
  }
  for (const Need& need : needs)
    if (!scopes.Allow(need.type, need.letters)) return absl::StrCat("system/", need.type, ".", need.letters);
  return std::nullopt;
}

}  // namespace custodian::exchange
