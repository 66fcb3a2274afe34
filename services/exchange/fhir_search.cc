#include "services/exchange/fhir_search.h"

#include <algorithm>
#include <optional>
#include <span>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/exchange/fhir_match.h"
#include "services/rpc/http.h"

namespace custodian::exchange {
namespace {

using Kind = SearchParameter::Kind;
using Modifier = Criterion::Modifier;

// Searches that one chain may stand for, by the types that its links leave open.
constexpr int kChainSearchesMax = 500;

// For messages: what a client sent, cut.
std::string Quoted(std::string_view text) { return absl::StrCat("'", std::string(text.substr(0, 40)), "'"); }

std::vector<std::string_view> Split(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(by);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// At `separator` where it is not escaped; the pieces keep their escapes.
std::vector<std::string_view> SplitEscaped(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == separator) {
      parts.push_back(text.substr(begin, at - begin));
      begin = at + 1;
    }
  }
  parts.push_back(text.substr(begin));
  return parts;
}

std::string Unescaped(std::string_view text) {
  std::string plain;
  bool behind_bar = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    if (text[at] == '\\' && (next == ',' || next == '$' || next == '\\' || (next == '|' && behind_bar))) {
      plain += text[++at];
    } else if (text[at] == '\\' && next == '|') {
      plain += text[at++];
      plain += next;
    } else {
      behind_bar = behind_bar || text[at] == '|';
      plain += text[at];
    }
  }
  return plain;
}

bool MayLeadTo(const SearchParameter& parameter, std::string_view type) {
  return parameter.targets.empty() || std::find(parameter.targets.begin(), parameter.targets.end(), type) != parameter.targets.end();
}

// Reads one criterion, and those at the end of its chains. Used once.
class CriterionReader {
 public:
  // Nothing when there is no such parameter.
  Answer<std::optional<Criterion>> Read(std::string_view type, std::string_view name, const std::string& value) {
    if (--searches_left_ < 0) {
      return Refuse(400, "too-costly", "That chain stands for too many types; name them: subject:Patient.name instead of subject.name.");
    }
    constexpr std::string_view kHas = "_has:";
    if (name.starts_with(kHas)) return ReadHas(type, name.substr(kHas.size()), value);
    const auto point = name.find('.');
    if (point != std::string_view::npos) return ReadChain(type, name.substr(0, point), name.substr(point + 1), value);
    return ReadPlain(type, name, value);
  }

 private:
  // http://hl7.org/fhir/R4/search.html#has: "Observation:patient:code" of a Patient.
  Answer<std::optional<Criterion>> ReadHas(std::string_view type, std::string_view name, const std::string& value) {
    const auto first = name.find(':');
    const auto second = first == std::string_view::npos ? first : name.find(':', first + 1);
    const std::string_view source = name.substr(0, first);
    const SearchParameter* parameter = second == std::string_view::npos ? nullptr : FindSearchParameter(source, name.substr(first + 1, second - first - 1));
    if (parameter == nullptr || parameter->kind != Kind::kReference || !MayLeadTo(*parameter, type)) {
      return Refuse(400, "not-supported", absl::StrCat("_has takes _has:Type:reference:parameter, the reference being one of Type that may lead to a ",
                                                       std::string(type), ", e.g. Patient?_has:Observation:patient:code=718-7; ", Quoted(name), " is none."));
    }
    if (auto refusal = CountLink()) return *std::move(refusal);
    auto inner = Read(source, name.substr(second + 1), value);
    --links_;
    if (std::holds_alternative<Refusal>(inner) || !std::get<0>(inner).has_value()) return inner;
    Criterion criterion{.parameter = parameter, .reverse = true};
    criterion.chain.push_back(SearchOf(source, *std::get<0>(std::move(inner))));
    return criterion;
  }

  // http://hl7.org/fhir/R4/search.html#chaining: "subject:Patient" or "subject", and what follows the point.
  Answer<std::optional<Criterion>> ReadChain(std::string_view type, std::string_view head, std::string_view tail, const std::string& value) {
    const auto colon = head.find(':');
    Criterion criterion{.parameter = FindSearchParameter(type, head.substr(0, colon))};
    if (criterion.parameter == nullptr) return std::optional<Criterion>();
    const SearchParameter& parameter = *criterion.parameter;
    if (parameter.kind != Kind::kReference) {
      return Refuse(400, "not-supported", absl::StrCat("Only a reference leads on; ", Quoted(head), " is none of ", std::string(type), "."));
    }
    std::vector<std::string_view> types = parameter.targets;
    if (colon != std::string_view::npos) {
      types = {head.substr(colon + 1)};
      if (!IsResourceType(types[0]) || !MayLeadTo(parameter, types[0])) {
        return Refuse(400, "not-supported", absl::StrCat(std::string(parameter.name), " of ", std::string(type), " leads to no ", Quoted(types[0]), "; it leads to ",
                                                         parameter.targets.empty() ? "any type" : absl::StrJoin(std::vector<std::string>(parameter.targets.begin(), parameter.targets.end()), ", "), "."));
      }
    } else if (types.empty()) {
      types.assign(ResourceTypes().begin(), ResourceTypes().end());
    }
    if (auto refusal = CountLink()) return *std::move(refusal);
    std::optional<Refusal> why_not;
    for (const std::string_view each : types) {
      auto inner = Read(each, tail, value);
      if (auto* refusal = std::get_if<Refusal>(&inner)) {
        why_not = *std::move(refusal);
        if (why_not->issues.front().code == "too-costly") break;
      } else if (std::get<0>(inner).has_value()) {
        criterion.chain.push_back(SearchOf(each, *std::get<0>(std::move(inner))));
      }
    }
    --links_;
    // What one of the types cannot be asked, another may.
    if (why_not.has_value() && (criterion.chain.empty() || why_not->issues.front().code == "too-costly")) return *std::move(why_not);
    if (criterion.chain.empty()) return std::optional<Criterion>();
    return criterion;
  }

  static Answer<std::optional<Criterion>> ReadPlain(std::string_view type, std::string_view name, const std::string& value) {
    const auto colon = name.find(':');
    Criterion criterion{.parameter = FindSearchParameter(type, name.substr(0, colon))};
    if (criterion.parameter == nullptr) return std::optional<Criterion>();
    if (colon != std::string_view::npos && !ReadModifier(name.substr(colon + 1), criterion)) {
      return Refuse(400, "not-supported", absl::StrCat("The modifier in ", Quoted(name), " is not supported for this parameter."));
    }
    criterion.values = SplitValues(value);
    if (criterion.parameter->kind == Kind::kComposite && criterion.modifier == Modifier::kNone) ReadComposite(value, criterion);
    if (const auto fault = FaultOfValues(criterion)) {
      return Refuse(400, "value", absl::StrCat("The parameter ", std::string(criterion.parameter->name), " ", *fault));
    }
    return criterion;
  }

  // "718-7$gt12,718-7$lt8": alternatives, each a value for each component.
  static void ReadComposite(std::string_view value, Criterion& criterion) {
    for (const std::string_view each : SplitEscaped(value, ',')) {
      if (each.empty()) continue;
      const std::vector<std::string_view> parts = SplitEscaped(each, '$');
      const auto& components = criterion.parameter->components;
      std::vector<Criterion>& all = criterion.composites.emplace_back();
      if (parts.size() != components.size()) continue;
      for (std::size_t i = 0; i < parts.size(); ++i) {
        Criterion& component = all.emplace_back(Criterion{.parameter = &components[i]});
        if (!parts[i].empty()) component.values.push_back(Unescaped(parts[i]));
      }
    }
  }

  static bool ReadModifier(std::string_view text, Criterion& criterion) {
    struct Known {
      std::string_view name;
      Kind kind;
      Modifier modifier;
    };
    static constexpr Known kKnown[] = {{"not", Kind::kToken, Modifier::kNot},         {"text", Kind::kToken, Modifier::kText},
                                       {"of-type", Kind::kToken, Modifier::kOfType},  {"exact", Kind::kString, Modifier::kExact},
                                       {"contains", Kind::kString, Modifier::kContains}, {"identifier", Kind::kReference, Modifier::kIdentifier},
                                       {"below", Kind::kUri, Modifier::kBelow},       {"above", Kind::kUri, Modifier::kAbove}};
    const Kind kind = criterion.parameter->kind;
    if (text == "missing") {
      criterion.modifier = Modifier::kMissing;
      return true;
    }
    if (kind == Kind::kReference && IsResourceType(text)) {
      criterion.modifier = Modifier::kType;
      criterion.type = text;
      return true;
    }
    const auto* known = std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& each) { return each.name == text && each.kind == kind; });
    if (known == std::end(kKnown)) return false;
    criterion.modifier = known->modifier;
    return true;
  }

  static SearchRequest SearchOf(std::string_view type, Criterion criterion) {
    SearchRequest search;
    search.type = type;
    search.criteria.push_back(std::move(criterion));
    return search;
  }

  std::optional<Refusal> CountLink() {
    if (++links_ <= kChainLinksMax) return std::nullopt;
    return Refuse(400, "too-costly", absl::StrCat("A parameter may lead over at most ", kChainLinksMax, " references; search step by step."));
  }

  int links_ = 0;
  int searches_left_ = kChainSearchesMax;
};

void AddTypes(const Criterion& criterion, std::set<std::string>& types) {
  for (const SearchRequest& search : criterion.chain) {
    types.insert(search.type);
    for (const Criterion& inner : search.criteria) AddTypes(inner, types);
  }
}

class Reader {
 public:
  Reader(std::string_view type, bool lenient) : lenient_(lenient) {
    search_.type = type;
    search_.count = kPageDefault;
  }

  Answer<SearchRequest> Run(const Parameters& parameters) {
    for (const auto& [name, value] : parameters) {
      if (name == "_cursor") {
        search_.cursor = value;
        continue;
      }
      const std::size_t elements = search_.view.elements.size();
      auto known = Read(name, value);
      if (auto* refusal = std::get_if<Refusal>(&known)) return *std::move(refusal);
      if (lenient_ && name == "_elements") {
        // Of those that were understood.
        const std::span<const std::string> understood = std::span(search_.view.elements).subspan(elements);
        if (understood.empty())
          search_.ignored.push_back(name);
        else
          search_.used.emplace_back(name, absl::StrJoin(understood, ","));
      } else if (std::get<bool>(known)) {
        search_.used.emplace_back(name, value);
      } else if (lenient_) {
        search_.ignored.push_back(name);
      } else {
        return UnknownParameter(name);
      }
    }
    return std::move(search_);
  }

 private:
  // False when there is no such parameter.
  Answer<bool> Read(const std::string& name, const std::string& value) {
    if (name == "_count") {
      if (!absl::SimpleAtoi(value, &search_.count)) return Refuse(400, "value", "_count must be a whole number.");
      search_.count = std::min(search_.count, kPageMax);
      return true;
    }
    // What the answer's form may be is asked before (fhir_call).
    if (name == "_format" || name == "_pretty") return true;
    if (name == "_total") {
      if (value != "none" && value != "estimate" && value != "accurate") {
        return Refuse(400, "value", "_total must be none, estimate or accurate.");
      }
      search_.total = value != "none";
      return true;
    }
    if (name == "_sort") return ReadSort(value);
    const std::string_view base = std::string_view(name).substr(0, name.find(':'));
    if (base == "_include" || base == "_revinclude") return ReadInclusion(name, value);
    auto view = ReadView(search_.type, name, value, lenient_, search_.view);
    if (std::holds_alternative<Refusal>(view) || std::get<bool>(view)) return view;
    auto criterion = CriterionReader().Read(search_.type, name, value);
    if (auto* refusal = std::get_if<Refusal>(&criterion)) return *std::move(refusal);
    auto& known = std::get<0>(criterion);
    if (!known.has_value()) return false;
    search_.criteria.push_back(*std::move(known));
    return true;
  }

  Answer<bool> ReadSort(const std::string& value) {
    for (std::string_view each : Split(value, ',')) {
      const bool descending = each.starts_with('-');
      if (descending) each.remove_prefix(1);
      const SearchParameter* parameter = FindSearchParameter(search_.type, each);
      if (parameter == nullptr || parameter->kind == Kind::kComposite) {
        return Refuse(400, "not-supported", absl::StrCat("_sort must name search parameters of ", search_.type, ", with a '-' for descending; ",
                                                         Quoted(each), " is none."));
      }
      search_.sort.push_back({parameter, descending});
    }
    return true;
  }

  // "Observation:subject", "Observation:subject:Patient", "*".
  Answer<bool> ReadInclusion(const std::string& name, const std::string& value) {
    const bool reverse = name.starts_with("_revinclude");
    const auto colon = name.find(':');
    const std::string modifier = colon == std::string::npos ? "" : name.substr(colon + 1);
    if (!modifier.empty() && modifier != "iterate") return Refuse(400, "not-supported", absl::StrCat(name.substr(0, colon), " takes no modifier but iterate."));
    Inclusion inclusion;
    inclusion.iterate = !modifier.empty();
    if (value == "*" && !reverse) {
      search_.includes.push_back(std::move(inclusion));
      return true;
    }
    const std::vector<std::string_view> parts = Split(value, ':');
    if (parts.size() > 1) inclusion.source = parts[0];
    const bool all = parts.size() == 2 && parts[1] == "*";
    if (parts.size() > 1 && !all) inclusion.parameter = FindSearchParameter(parts[0], parts[1]);
    if (parts.size() > 2) inclusion.target = parts[2];
    const bool is_reference = inclusion.parameter != nullptr && inclusion.parameter->kind == Kind::kReference;
    const bool target_known = inclusion.target.empty() || IsResourceType(inclusion.target);
    if (parts.size() > 3 || !(is_reference || (all && IsResourceType(parts[0]))) || !target_known) {
      return Refuse(400, "not-supported", absl::StrCat(name.substr(0, colon), " takes Type:parameter or Type:parameter:Target, the parameter "
                                                       "being a reference of that type, e.g. Observation:subject; ", Quoted(value), " is none."));
    }
    (reverse ? search_.reverse_includes : search_.includes).push_back(std::move(inclusion));
    return true;
  }

  Refusal UnknownParameter(const std::string& name) const {
    if (name.starts_with("_has:") || name.find('.') != std::string::npos) {
      return Refuse(400, "not-supported", absl::StrCat(Quoted(name), " leads to no search parameter. Behind a point (subject:Patient.birthdate), and at the "
                                                       "end of _has:Type:reference:parameter, stands a search parameter of the type that is led to."));
    }
    std::vector<std::string> names;
    const TypeDefinition* type = FindType(search_.type);
    if (type != nullptr) {
      for (const SearchParameter& each : type->search) names.emplace_back(each.name);
    }
    return Refuse(400, "not-supported",
                  absl::StrCat(Quoted(name), " is no search parameter of ", search_.type, " here. It takes ", absl::StrJoin(names, ", "),
                               ", _has, _include, _revinclude, _sort, _count, _summary, _elements, _total and _format. With Prefer: "
                               "handling=lenient, others are passed over."));
  }

  const bool lenient_;
  SearchRequest search_;
};

}  // namespace

std::vector<std::string> SplitValues(std::string_view value) {
  std::vector<std::string> values;
  for (const std::string_view each : SplitEscaped(value, ',')) {
    if (!each.empty()) values.push_back(Unescaped(each));
  }
  return values;
}

std::set<std::string> TypesReached(std::string_view type, const std::string& name, const std::string& value) {
  std::set<std::string> types;
  const auto criterion = CriterionReader().Read(type, name, value);
  if (const auto* known = std::get_if<0>(&criterion); known != nullptr && known->has_value()) AddTypes(**known, types);
  return types;
}

std::vector<std::string> SearchRequest::Values(std::string_view name) const {
  std::vector<std::string> values;
  for (const Criterion& criterion : criteria) {
    if (criterion.parameter->name == name && criterion.modifier == Modifier::kNone) {
      values.insert(values.end(), criterion.values.begin(), criterion.values.end());
    }
  }
  return values;
}

Answer<SearchRequest> ParseSearch(std::string_view type, const Parameters& parameters, bool lenient) {
  return Reader(type, lenient).Run(parameters);
}

std::string QueryText(const Parameters& parameters) {
  std::string text;
  for (const auto& [name, value] : parameters) {
    absl::StrAppend(&text, text.empty() ? "" : "&", rpc::PercentEncode(name), "=", rpc::PercentEncode(value));
  }
  return text;
}

}  // namespace custodian::exchange
