#include "services/exchange/fhir_search.h"

#include <algorithm>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/exchange/fhir_match.h"
#include "services/rpc/http.h"

namespace custodian::exchange {
namespace {

using Modifier = Criterion::Modifier;

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
      auto known = Read(name, value);
      if (auto* refusal = std::get_if<Refusal>(&known)) return *std::move(refusal);
      if (std::get<bool>(known)) {
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
    if (name == "_format" || name == "_pretty") return ReadFormat(name, value);
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
    auto view = ReadView(name, value, search_.view);
    if (std::holds_alternative<Refusal>(view) || std::get<bool>(view)) return view;
    return ReadCriterion(name, value);
  }

  static Answer<bool> ReadFormat(const std::string& name, const std::string& value) {
    if (name == "_format" && value != "json" && value != "application/json" && value != "application/fhir+json") {
      return Refuse(406, "not-supported", "_format must be json.");
    }
    return true;
  }

  Answer<bool> ReadSort(const std::string& value) {
    for (std::string_view each : Split(value, ',')) {
      const bool descending = each.starts_with('-');
      if (descending) each.remove_prefix(1);
      const SearchParameter* parameter = FindSearchParameter(search_.type, each);
      if (parameter == nullptr) {
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
    const bool is_reference = inclusion.parameter != nullptr && inclusion.parameter->kind == SearchParameter::Kind::kReference;
    const bool target_known = inclusion.target.empty() || IsResourceType(inclusion.target);
    if (parts.size() > 3 || !(is_reference || (all && IsResourceType(parts[0]))) || !target_known) {
      return Refuse(400, "not-supported", absl::StrCat(name.substr(0, colon), " takes Type:parameter or Type:parameter:Target, the parameter "
                                                       "being a reference of that type, e.g. Observation:subject; ", Quoted(value), " is none."));
    }
    (reverse ? search_.reverse_includes : search_.includes).push_back(std::move(inclusion));
    return true;
  }

  Answer<bool> ReadCriterion(const std::string& name, const std::string& value) {
    const auto colon = name.find(':');
    Criterion criterion;
    criterion.parameter = FindSearchParameter(search_.type, std::string_view(name).substr(0, colon));
    if (criterion.parameter == nullptr) return false;
    if (colon != std::string::npos && !ReadModifier(std::string_view(name).substr(colon + 1), criterion)) {
      return Refuse(400, "not-supported", absl::StrCat("The modifier in ", Quoted(name), " is not supported for this parameter."));
    }
    criterion.values = SplitValues(value);
    if (const auto fault = FaultOfValues(criterion)) {
      return Refuse(400, "value", absl::StrCat("The parameter ", std::string(criterion.parameter->name), " ", *fault));
    }
    search_.criteria.push_back(std::move(criterion));
    return true;
  }

  static bool ReadModifier(std::string_view text, Criterion& criterion) {
    using Kind = SearchParameter::Kind;
    const Kind kind = criterion.parameter->kind;
    if (text == "missing") {
      criterion.modifier = Modifier::kMissing;
    } else if (text == "not" && kind == Kind::kToken) {
      criterion.modifier = Modifier::kNot;
    } else if (text == "exact" && kind == Kind::kString) {
      criterion.modifier = Modifier::kExact;
    } else if (text == "contains" && kind == Kind::kString) {
      criterion.modifier = Modifier::kContains;
    } else if (text == "identifier" && kind == Kind::kReference) {
      criterion.modifier = Modifier::kIdentifier;
    } else if (kind == Kind::kReference && IsResourceType(text)) {
      criterion.modifier = Modifier::kType;
      criterion.type = text;
    } else {
      return false;
    }
    return true;
  }

  Refusal UnknownParameter(const std::string& name) const {
    std::vector<std::string> names;
    const TypeDefinition* type = FindType(search_.type);
    if (type != nullptr) {
      for (const SearchParameter& each : type->search) names.emplace_back(each.name);
    }
    return Refuse(400, "not-supported",
                  absl::StrCat(Quoted(name), " is no search parameter of ", search_.type, " here. It takes ", absl::StrJoin(names, ", "),
                               ", _include, _revinclude, _sort, _count, _summary, _elements, _total and _format. With Prefer: "
                               "handling=lenient, others are passed over."));
  }

  const bool lenient_;
  SearchRequest search_;
};

}  // namespace

std::vector<std::string> SplitValues(std::string_view value) {
  std::vector<std::string> values(1);
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\\' && i + 1 < value.size() && (value[i + 1] == ',' || value[i + 1] == '\\' || value[i + 1] == '$')) {
      values.back() += value[++i];
    } else if (value[i] == ',') {
      values.emplace_back();
    } else {
      values.back() += value[i];
    }
  }
  std::erase(values, "");
  return values;
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
