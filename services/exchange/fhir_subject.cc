#include "services/exchange/fhir_subject.h"

#include <functional>
#include <span>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_definitions.h"

namespace custodian::exchange {
namespace {

using Visit = std::function<void(const Json& value, const std::string& path)>;

// Every value at an element path, through lists.
void VisitPath(const Json& value, std::span<const std::string> names, const std::string& path, const Visit& visit) {
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.items().size(); ++i) VisitPath(value[i], names, absl::StrCat(path, "[", i, "]"), visit);
  } else if (names.empty()) {
    if (value.is_object()) visit(value, path);
  } else if (const Json* next = value.Find(names.front())) {
    VisitPath(*next, names.subspan(1), absl::StrCat(path, ".", names.front()), visit);
  }
}

// Remembers the one patient among many references.
class OnePatient {
 public:
  void Add(std::string_view reference, const std::string& path) {
    const auto id = PatientReference(reference);
    if (!id.has_value()) return;
    if (!found_.has_value()) {
      found_ = Subject{*id, path};
    } else if (found_->fhir_id != *id) {
      several_ = true;
    }
  }
  [[nodiscard]] bool any() const { return found_.has_value(); }
  [[nodiscard]] std::optional<Subject> Get() const { return several_ ? std::nullopt : found_; }

 private:
  std::optional<Subject> found_;
  bool several_ = false;
};

}  // namespace

std::optional<std::string> PatientReference(std::string_view reference) {
  constexpr std::string_view kPrefix = "Patient/";
  if (!reference.starts_with(kPrefix)) return std::nullopt;
  std::string_view id = reference.substr(kPrefix.size());
  if (const auto version = id.find("/_history/"); version != std::string_view::npos) id = id.substr(0, version);
  if (!IsFhirId(id)) return std::nullopt;
  return std::string(id);
}

std::optional<Subject> SubjectOf(const Json& resource, std::string_view path) {
  const std::string& type_name = resource.TextOf("resourceType");
  if (type_name == "Patient") return Subject{resource.TextOf("id"), std::string(path)};
  const TypeDefinition* type = FindType(type_name);
  if (type == nullptr) return std::nullopt;
  OnePatient named;
  for (const auto& names : type->patient_paths) {
    VisitPath(resource, names, std::string(path), [&](const Json& value, const std::string& place) {
      named.Add(value.TextOf("reference"), place + ".reference");
    });
  }
  if (named.any()) return named.Get();
  OnePatient anywhere;
  VisitReferences(resource, path, [&](const std::string& reference, const std::string& place) { anywhere.Add(reference, place); });
  auto found = anywhere.Get();
  if (found.has_value()) found->elsewhere = true;
  return found;
}

std::vector<LocalReference> SubjectRecords(const Json& resource) {
  const TypeDefinition* type = FindType(resource.TextOf("resourceType"));
  if (type == nullptr || type->name == "Patient") return {};
  std::vector<LocalReference> records;
  bool names_patient = false;
  for (const auto& names : type->patient_paths) {
    VisitPath(resource, names, "", [&](const Json& value, const std::string&) {
      auto reference = ParseLocalReference(value.TextOf("reference"), "");
      if (!reference.has_value()) return;
      names_patient = names_patient || reference->type == "Patient";
      records.push_back(*std::move(reference));
    });
  }
  return names_patient ? std::vector<LocalReference>() : records;
}

std::optional<std::string> UnclearSubject(const Json& resource, std::string_view path) {
  const TypeDefinition* type = FindType(resource.TextOf("resourceType"));
  if (type == nullptr) return std::nullopt;
  std::optional<std::string> unclear;
  bool clear = false;
  for (const auto& names : type->patient_paths) {
    VisitPath(resource, names, std::string(path), [&](const Json& value, const std::string& place) {
      // A choice may be a concept instead.
      if (value.Find("coding") != nullptr) return;
      const std::string_view reference = value.TextOf("reference");
      const auto slash = reference.find('/');
      if (slash != std::string_view::npos && IsResourceType(reference.substr(0, slash))) {
        clear = true;
      } else if (!unclear.has_value()) {
        unclear = place;
      }
    });
  }
  return clear ? std::nullopt : unclear;
}

}  // namespace custodian::exchange
