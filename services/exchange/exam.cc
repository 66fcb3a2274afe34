#include "services/exchange/exam.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_json.h"
#include "services/exchange/fhir_time.h"
#include "services/exchange/laterality.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kReport = "DiagnosticReport";
constexpr std::string_view kObservation = "Observation";
constexpr std::string_view kStudy = "ImagingStudy";
constexpr std::string_view kOrder = "ServiceRequest";

// What a copy's time may differ by: study, report and a copy of either are made hours apart.
constexpr absl::Duration kCopyDrift = absl::Hours(24);

// (tenant name, resource type, id).
using Place = std::tuple<std::string, std::string, std::string>;

// T2: by accession, or by the resource itself (whose type then keeps "DiagnosticReport/1" and "ImagingStudy/1" apart).
struct ExamKey {
  std::string tenant;
  // Empty for an accession.
  std::string type;
  std::string accession;
  auto operator<=>(const ExamKey&) const = default;
};

// A result: the newest version of a resource that is, or belongs to, an exam.
struct Result {
  const OpenedRecord* record = nullptr;
  std::shared_ptr<const Json> resource;
  // Arrival of the first version that was performed.
  std::optional<absl::Time> performed_arrived;
  // By its own accession identifier.
  std::optional<ExamKey> accession;
  ExamKey key;
};

int Rank(std::string_view type) { return type == kReport ? 0 : type == kObservation ? 1 : 2; }

bool IsPerformed(const Json& json) {
  const std::string& status = json.TextOf("status");
  return status != "registered" && status != "cancelled" && status != "entered-in-error";
}

// "ServiceRequest/abc" of a reference of any form with that type and an id, "abc" of it; empty otherwise.
std::string IdOfReference(const Json& reference, std::string_view type) {
  std::string_view text = reference.TextOf("reference");
  if (const std::size_t history = text.find("/_history/"); history != std::string_view::npos) text = text.substr(0, history);
  const std::size_t slash = text.rfind('/');
  if (slash == std::string_view::npos) return "";
  std::string_view left = text.substr(0, slash);
  if (const std::size_t before = left.rfind('/'); before != std::string_view::npos) left = left.substr(before + 1);
  return left == type ? std::string(text.substr(slash + 1)) : "";
}

using Coded = ExamTable::Coded;

// What two places say of the side: what either says, and nothing when they contradict each other.
std::string Stated(const std::string& one, const std::string& other) {
  if (one.empty() || one == other) return other;
  return other.empty() ? one : "";
}

// What all codings of it say together; codings that name two classes name none.
Coded ClassOfConcept(const Json& concept_json, const std::string& tenant_name, const ExamTable& table) {
  Coded found;
  for (const Json& coding : concept_json["coding"].items()) {
    const Coded one = table.FindByCode(tenant_name, coding.TextOf("system"), coding.TextOf("code"));
    if (one.exam_class == nullptr) continue;
    if (found.exam_class != nullptr && one.exam_class != found.exam_class) return {};
    found = {one.exam_class, found.exam_class == nullptr ? one.laterality : Stated(found.laterality, one.laterality)};
  }
  return found;
}

// What a result is by each of its concepts; one that names no class is passed over.
std::vector<Coded> ClassesOf(const Json& json, const OpenedRecord& record, const ExamTable& table) {
  std::vector<Coded> classes;
  const auto add = [&](const Json& concept_json) {
    if (Coded one = ClassOfConcept(concept_json, record.tenant_name, table); one.exam_class != nullptr) classes.push_back(std::move(one));
  };
  if (record.resource_type != kStudy) add(json["code"]);
  for (const Json& procedure : json["procedureCode"].items())
    if (record.resource_type == kStudy) add(procedure);
  return classes;
}

std::string_view TimeText(const Json& json, std::string_view type) {
  if (type == kStudy) return json.TextOf("started");
  for (const char* name : {"effectiveDateTime", "effectiveInstant"})
    if (const std::string& text = json.TextOf(name); !text.empty()) return text;
  return json["effectivePeriod"].TextOf("end");
}

std::string SeriesLaterality(const Json& study) {
  std::string side;
  for (const Json& series : study["series"].items()) side = JoinLaterality(side, LateralityOfCoding(series["laterality"]));
  return side;
}

// Everything about one person, indexed.
class Chart {
 public:
  Chart(const std::vector<const OpenedRecord*>& records, const ExamTable& table, std::span<const tenants::Tenant> tenants,
        bool performed_decide = false)
      : table_(table), tenants_(tenants), performed_decide_(performed_decide) {
    Index(records);
    AssignKeys();
  }

  [[nodiscard]] std::vector<Exam> Exams() {
    std::map<ExamKey, std::vector<const Result*>> groups;
    for (const Result& result : results_) groups[result.key].push_back(&result);
    std::vector<Exam> exams;
    for (auto& [key, group] : groups)
      if (std::optional<Exam> exam = Merge(key, group)) exams.push_back(*std::move(exam));
    std::sort(exams.begin(), exams.end(), [](const Exam& a, const Exam& b) {
      return std::tie(a.performed_begin, a.performing_tenant, a.accession) <
             std::tie(b.performed_begin, b.performing_tenant, b.accession);
    });
    return exams;
  }

 private:
  void Index(const std::vector<const OpenedRecord*>& records) {
    std::map<Place, std::vector<const OpenedRecord*>> versions;
    for (const OpenedRecord* record : records)
      if (record->resource_type == kReport || record->resource_type == kObservation || record->resource_type == kStudy ||
          record->resource_type == kOrder)
        versions[{record->tenant_name, record->resource_type, record->id}].push_back(record);
    for (auto& [place, list] : versions) {
      std::sort(list.begin(), list.end(), [](const OpenedRecord* a, const OpenedRecord* b) { return a->version < b->version; });
      auto newest = ResourceOf(*list.back());
      if (newest == nullptr) continue;
      if (list.back()->resource_type == kOrder) {
        for (const Json& identifier : (*newest)["identifier"].items())
          orders_by_identifier_.emplace(
              std::tuple(list.back()->tenant_name, identifier.TextOf("system"), identifier.TextOf("value")), place);
        orders_.emplace(place, std::move(newest));
        continue;
      }
      Result result{list.back(), std::move(newest), std::nullopt, std::nullopt, {}};
      result.accession = AccessionOf(*result.resource);
      // Most observations are no exams; parsing their history would be for nothing.
      if (list.back()->resource_type == kObservation && !result.accession &&
          ClassesOf(*result.resource, *list.back(), table_).empty())
        continue;
      for (const OpenedRecord* record : list) {
        const auto version = record == list.back() ? result.resource : ResourceOf(*record);
        if (version == nullptr || !IsPerformed(*version)) continue;
        result.performed_arrived = record->arrived;
        break;
      }
      results_.push_back(std::move(result));
    }
  }

  // The first identifier of type ACSN whose system the registry maps to a tenant.
  [[nodiscard]] std::optional<ExamKey> AccessionOf(const Json& json) const {
    for (const Json& identifier : json["identifier"].items()) {
      bool is_accession = false;
      for (const Json& coding : identifier["type"]["coding"].items())
        is_accession = is_accession || (coding.TextOf("code") == "ACSN" &&
                                        coding.TextOf("system") == "http://terminology.hl7.org/CodeSystem/v2-0203");
      const std::string& value = identifier.TextOf("value");
      if (!is_accession || value.empty()) continue;
      for (const tenants::Tenant& tenant : tenants_)
        if (!tenant.accession_system.empty() && tenant.accession_system == identifier.TextOf("system"))
          return ExamKey{tenant.name, "", value};
    }
    return std::nullopt;
  }

  // A report and the studies and observations it names are one exam; what states an accession itself keeps it.
  void AssignKeys() {
    std::map<Place, Result*> by_place;
    for (Result& result : results_) {
      const OpenedRecord& record = *result.record;
      result.key = result.accession.value_or(ExamKey{record.tenant_name, record.resource_type, record.id});
      by_place[{record.tenant_name, record.resource_type, record.id}] = &result;
    }
    for (Result& report : results_) {
      if (report.record->resource_type != kReport) continue;
      std::vector<Result*> parts;
      for (const auto& [member, type] : {std::pair{"imagingStudy", kStudy}, std::pair{"result", kObservation}})
        for (const Json& reference : (*report.resource)[member].items()) {
          const auto found = by_place.find({report.record->tenant_name, std::string(type), IdOfReference(reference, type)});
          if (found != by_place.end()) parts.push_back(found->second);
        }
      for (const Result* part : parts)
        if (!report.accession && part->accession) report.key = *(report.accession = part->accession);
      for (Result* part : parts)
        if (!part->accession) part->key = report.key;
    }
    SetApartWhatIsNoCopy();
  }

  [[nodiscard]] std::optional<FhirTime> TimeOf(const Result& result, const std::string& performing_tenant) const {
    const tenants::Tenant* tenant = TenantNamed(performing_tenant);
    return ParseFhirTime(TimeText(*result.resource, result.record->resource_type),
                         tenant == nullptr ? absl::UTCTimeZone() : ZoneOf(tenant->time_zone));
  }

  // Another tenant's result under an accession is a copy unless it states a time that is not that of the performing tenant's own: an
  // exam done again under the number of the one it repeats is an exam of its holder.
  void SetApartWhatIsNoCopy() {
    std::map<ExamKey, std::pair<int, FhirTime>> performed;
    for (const Result& result : results_) {
      const OpenedRecord& record = *result.record;
      if (!result.key.type.empty() || record.tenant_name != result.key.tenant) continue;
      const auto time = TimeOf(result, result.key.tenant);
      if (!time) continue;
      const std::pair<int, FhirTime> own{Rank(record.resource_type), *time};
      const auto [at, inserted] = performed.emplace(result.key, own);
      if (!inserted && own.first < at->second.first) at->second = own;
    }
    for (Result& result : results_) {
      if (!result.key.type.empty() || result.record->tenant_name == result.key.tenant) continue;
      const auto own = performed.find(result.key);
      const auto time = TimeOf(result, result.key.tenant);
      if (own == performed.end() || !time) continue;
      const FhirTime& theirs = own->second.second;
      if (time->begin >= theirs.end + kCopyDrift || time->end + kCopyDrift <= theirs.begin)
        result.key = {result.record->tenant_name, "no-copy", absl::StrCat(result.key.tenant, "|", result.key.accession)};
    }
  }

  [[nodiscard]] const tenants::Tenant* TenantNamed(const std::string& name) const {
    for (const tenants::Tenant& tenant : tenants_)
      if (tenant.name == name) return &tenant;
    return nullptr;
  }

  // `bodySite` of the order that the result is based on.
  [[nodiscard]] std::string LinkedOrderLaterality(const Result& result) const {
    const std::string& tenant = result.record->tenant_name;
    for (const Json& reference : (*result.resource)["basedOn"].items()) {
      auto order = orders_.find({tenant, std::string(kOrder), IdOfReference(reference, kOrder)});
      if (order == orders_.end()) {
        const Json& identifier = reference["identifier"];
        const auto named = orders_by_identifier_.find({tenant, identifier.TextOf("system"), identifier.TextOf("value")});
        if (named != orders_by_identifier_.end() && !identifier.TextOf("value").empty()) order = orders_.find(named->second);
      }
      if (order == orders_.end()) continue;
      if (std::string side = LateralityOfConcepts((*order->second)["bodySite"]); !side.empty()) return side;
    }
    return "";
  }

  // The one class that all of these name; where they name several, none, and the exam says which.
  [[nodiscard]] Coded ClassOfAll(const std::vector<const Result*>& results, Exam& exam) const {
    Coded found;
    for (const Result* result : results)
      for (const Coded& one : ClassesOf(*result->resource, *result->record, table_)) {
        std::vector<std::string>& named = exam.disputed_classes;
        if (std::find(named.begin(), named.end(), one.exam_class->class_id) == named.end()) named.push_back(one.exam_class->class_id);
        found = {one.exam_class, found.exam_class == nullptr ? one.laterality : Stated(found.laterality, one.laterality)};
      }
    if (exam.disputed_classes.size() > 1) return {};
    exam.disputed_classes.clear();
    return found;
  }

  [[nodiscard]] std::optional<Exam> Merge(const ExamKey& key, std::vector<const Result*>& group) const {
    std::sort(group.begin(), group.end(), [this, &key](const Result* a, const Result* b) {
      const auto order = [this, &key](const Result* result) {
        const OpenedRecord& record = *result->record;
        return std::tuple(performed_decide_ && !IsPerformed(*result->resource), Rank(record.resource_type), record.tenant_name != key.tenant, record.tenant_name,
                          -absl::ToUnixMillis(record.arrived), record.id);
      };
      return order(a) < order(b);
    });
    // Whatever others store under its number: what the performing tenant itself holds says what was done, and when.
    std::vector<const Result*> deciding;
    for (const Result* result : group)
      if (result->record->tenant_name == key.tenant) deciding.push_back(result);
    if (std::none_of(deciding.begin(), deciding.end(), [&](const Result* result) { return TimeOf(*result, key.tenant).has_value(); })) deciding = group;
    Exam exam;
    exam.performing_tenant = key.tenant;
    exam.accession = key.accession;
    exam.performed = IsPerformed(*deciding.front()->resource);

    std::optional<FhirTime> time;
    std::string series_side;
    std::string order_side;
    for (const Result* result : deciding) {
      const std::string& type = result->record->resource_type;
      if (!time) time = TimeOf(*result, key.tenant);
      if (type == kStudy && series_side.empty()) series_side = SeriesLaterality(*result->resource);
      if (order_side.empty()) order_side = LinkedOrderLaterality(*result);
    }
    if (!time) return std::nullopt;
    exam.performed_begin = time->begin;
    exam.performed_end = time->end;
    const Coded coded = ClassOfAll(deciding, exam);
    if (coded.exam_class != nullptr) exam.class_id = coded.exam_class->class_id;
    if (coded.exam_class == nullptr || coded.exam_class->laterality_required)
      exam.laterality = Stated(series_side.empty() ? order_side : series_side, coded.laterality);

    exam.arrived = absl::InfiniteFuture();
    for (const Result* result : deciding)
      if (result->performed_arrived) exam.arrived = std::min(exam.arrived, *result->performed_arrived);
    for (const Result* result : group) exam.results.push_back(result->record);
    AddHoldings(key, group, exam);
    return exam;
  }

  // The first of each tenant, in the group's order; viewable when any of the tenant's resources of that exam is.
  static void AddHoldings(const ExamKey& key, const std::vector<const Result*>& group, Exam& exam) {
    std::map<std::pair<bool, std::string>, ExamHolding> holdings;
    for (const Result* result : group) {
      const OpenedRecord& record = *result->record;
      const ExamHolding holding{record.tenant_name, record.resource_type, record.id, IsViewable(*result->resource)};
      const auto [at, inserted] = holdings.emplace(std::pair(record.tenant_name != key.tenant, record.tenant_name), holding);
      if (!inserted && holding.viewable && !at->second.viewable && record.resource_type == at->second.resource_type)
        at->second = holding;
    }
    for (auto& [order, holding] : holdings) exam.holdings.push_back(std::move(holding));
  }

  const ExamTable& table_;
  std::span<const tenants::Tenant> tenants_;
  const bool performed_decide_;
  std::vector<Result> results_;
  std::map<Place, std::shared_ptr<const Json>> orders_;
  std::map<std::tuple<std::string, std::string, std::string>, Place> orders_by_identifier_;
};

}  // namespace

std::vector<const OpenedRecord*> PointersTo(const std::vector<OpenedRecord>& records) {
  std::vector<const OpenedRecord*> pointers;
  pointers.reserve(records.size());
  for (const OpenedRecord& record : records) pointers.push_back(&record);
  return pointers;
}

std::shared_ptr<const Json> ResourceOf(const OpenedRecord& record) {
  if (record.parsed != nullptr) return record.parsed;
  auto json = Json::Parse(record.json);
  return json.ok() ? std::make_shared<const Json>(*std::move(json)) : nullptr;
}

bool IsViewable(const Json& resource) {
  const std::string& status = resource.TextOf("status");
  return resource.TextOf("resourceType") != kStudy && (status == "final" || status == "amended" || status == "corrected");
}

std::vector<Exam> ExamsOf(const std::vector<const OpenedRecord*>& records, const ExamTable& table,
                          std::span<const tenants::Tenant> tenants) {
  return Chart(records, table, tenants).Exams();
}

std::vector<Exam> ExamsOf(const std::vector<const OpenedRecord*>& records, const ExamTable& table, const tenants::Registry& registry) {
  const auto tenants = registry.Shared();
  return ExamsOf(records, table, *tenants);
}

std::vector<Exam> CarriedOut(const std::vector<const OpenedRecord*>& records, const ExamTable& table, const tenants::Registry& registry) {
  const auto tenants = registry.Shared();
  return CarriedOut(records, table, *tenants);
}

std::vector<Exam> CarriedOut(const std::vector<const OpenedRecord*>& records, const ExamTable& table, std::span<const tenants::Tenant> tenants) {
  return Chart(records, table, tenants, /*performed_decide=*/true).Exams();
}

namespace {

constexpr std::string_view kSnomed = "http://snomed.info/sct";

// The class that a procedure makes of one body site; null unless all that SNOMED CT says of the site is of that class, and something is. What other
// systems say is not read.
const ExamClass* ClassAtSite(std::string_view procedure, const Json& site, const ExamTable& table) {
  const ExamClass* found = nullptr;
  for (const Json& coding : site["coding"].items()) {
    if (coding.TextOf("system") != kSnomed) continue;
    const ExamClass* one = table.FindBySite(procedure, coding.TextOf("code"));
    if (one == nullptr || (found != nullptr && one != found)) return nullptr;
    found = one;
  }
  return found;
}

// What the order's procedures are at its body sites: one class, or none. A procedure's coding or a site that is not known may narrow what is ordered, so
// neither is passed over, but billing codes, mere sides, and what other systems than SNOMED CT say of a site that it knows.
const ExamClass* ClassBySites(const Json& order, const ExamTable& table) {
  const ExamClass* found = nullptr;
  for (const Json& coding : order["code"]["coding"].items()) {
    if (IsBillingSystem(coding.TextOf("system"))) continue;
    if (coding.TextOf("system") != kSnomed) return nullptr;
    for (const Json& site : order["bodySite"].items()) {
      if (IsSideAlone(site)) continue;
      const ExamClass* one = ClassAtSite(coding.TextOf("code"), site, table);
      if (one == nullptr || (found != nullptr && one != found)) return nullptr;
      found = one;
    }
  }
  return found;
}

}  // namespace

OrderedExam ExamOfOrder(const Json& service_request, const std::string& tenant_name, const ExamTable& table) {
  Coded found = ClassOfConcept(service_request["code"], tenant_name, table);
  if (found.exam_class == nullptr) found.exam_class = ClassBySites(service_request, table);
  if (found.exam_class == nullptr || !found.exam_class->laterality_required) return {found.exam_class, ""};
  return {found.exam_class, Stated(LateralityOfConcepts(service_request["bodySite"]), found.laterality)};
}

}  // namespace custodian::exchange
