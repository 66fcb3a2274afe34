// Exams as order checks and savings see them: built purely from opened FHIR resources of one person at all tenants
// (SAVINGS T1, T2, T7, laterality). Pure values and functions; no SQL, keys, consent or clocks.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_EXAM_H_
#define CUSTODIAN_SERVICES_EXCHANGE_EXAM_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "ledger/tree.h"
#include "services/exchange/equivalence.h"
#include "services/exchange/fhir_json.h"
#include "tenants/registry.h"

namespace custodian::exchange {

// One stored resource version of a person, opened.
struct OpenedRecord {
  std::string tenant_name;
  std::string resource_type;
  // The server's resource id.
  std::string id;
  std::uint64_t version = 1;
  // FHIR JSON as stored.
  std::string json;
  // Network time at which this version was stored.
  absl::Time arrived;
  // `json` parsed, where whoever opened it did so: ask ResourceOf().
  std::shared_ptr<const Json> parsed = nullptr;
  // The record that this is a version of.
  RecordId record = {};
  // SHA-256 of the bytes that it is sealed as.
  ledger::Hash sealed_sha256 = {};
};

// The resource that a record holds, parsed once for all who look at it; null when it holds no JSON.
[[nodiscard]] std::shared_ptr<const Json> ResourceOf(const OpenedRecord& record);

[[nodiscard]] std::vector<const OpenedRecord*> PointersTo(const std::vector<OpenedRecord>& records);

// A result that may be relied on: final, amended or corrected; images alone are none.
[[nodiscard]] bool IsViewable(const Json& resource);

// A copy of an exam at a tenant.
struct ExamHolding {
  std::string tenant_name;
  // "DiagnosticReport" or "ImagingStudy" or "Observation", and its id, the report's when there is one.
  std::string resource_type;
  std::string id;
  bool viewable = false;
};

struct Exam {
  // Tenant that performed it (T2).
  std::string performing_tenant;
  std::string accession;
  // Class by the exam table; empty when the code maps to none, or when its results name several. A CPT or HCPCS code never decides it.
  std::string class_id;
  // What its results name where that is several classes: no prior of any, but a redo of each (offered narrowly, reversed broadly).
  std::vector<std::string> disputed_classes = {};
  // "left", "right", "bilateral", or empty for unspecified; always empty for a class without laterality.
  std::string laterality;
  // [performed_begin, performed_end): one millisecond, or the whole day of a date-only time in the tenant's zone.
  absl::Time performed_begin;
  absl::Time performed_end;
  // False for registered, cancelled, entered-in-error.
  bool performed = false;
  // Network time at which the exam was first known as `performed`.
  absl::Time arrived;
  // One a tenant, the performing tenant's first, then by tenant name.
  std::vector<ExamHolding> holdings;
  // The newest versions that make it, among the records handed in.
  std::vector<const OpenedRecord*> results = {};
};

// Exams of one person from all its records at every tenant, ordered by (performed, tenant, accession). `records` may hold several
// versions of a resource: the newest says what is so, the earliest that was performed says when it became known; to see a past
// moment, leave out what arrived after it. A record that is no result, or has no time, makes no exam. What the performing tenant itself holds of it says
// everything, and copies nothing but that they are held; where it holds none with a time, the copies say it. The record that decides is, for each fact but the class, the first that
// states it: reports before observations before studies, then by tenant name, the newest first.
[[nodiscard]] std::vector<Exam> ExamsOf(const std::vector<const OpenedRecord*>& records, const ExamTable& table,
                                        const tenants::Registry& registry);
// The same for tenants given as values.
[[nodiscard]] std::vector<Exam> ExamsOf(const std::vector<const OpenedRecord*>& records, const ExamTable& table,
                                        std::span<const tenants::Tenant> tenants);

// The same exams as redos see them (T7): one is `performed` when any of its resources is, and those decide before the others, so
// that a cancelled report hides no study that was made.
[[nodiscard]] std::vector<Exam> CarriedOut(const std::vector<const OpenedRecord*>& records, const ExamTable& table,
                                           const tenants::Registry& registry);
[[nodiscard]] std::vector<Exam> CarriedOut(const std::vector<const OpenedRecord*>& records, const ExamTable& table,
                                           std::span<const tenants::Tenant> tenants);

// What an order (FHIR ServiceRequest) of a tenant asks for. By its codings alone, never by text: one that names a class, or else a procedure that says no
// place together with `bodySite`. Codings that name several classes name none. Side: `bodySite`, or what the tenant's own code says; empty for a class without sides, and where the two
// contradict each other.
struct OrderedExam {
  const ExamClass* exam_class = nullptr;
  std::string laterality;
};
[[nodiscard]] OrderedExam ExamOfOrder(const Json& service_request, const std::string& tenant_name, const ExamTable& table);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_EXAM_H_
