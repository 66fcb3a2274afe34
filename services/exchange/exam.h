// Exams as order checks and savings see them: built purely from opened FHIR resources of one person at all tenants
// (SAVINGS T1, T2, T7, laterality). Pure values and functions; no SQL, keys, consent or clocks.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_EXAM_H_
#define CUSTODIAN_SERVICES_EXCHANGE_EXAM_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/exchange/equivalence.h"
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
};

// A copy of an exam at a tenant.
struct ExamHolding {
  std::string tenant_name;
  // "DiagnosticReport" or "ImagingStudy" or "Observation", and its id, the report's when there is one.
  std::string resource_type;
  std::string id;
  // final, amended, corrected.
  bool viewable = false;
};

struct Exam {
  // Tenant that performed it (T2).
  std::string performing_tenant;
  std::string accession;
  // Class by the exam table; empty when the code maps to none.
  std::string class_id;
  // "left", "right", "bilateral", or empty for unspecified.
  std::string laterality;
  // [performed_begin, performed_end): one millisecond, or the whole day of a date-only time in the tenant's zone.
  absl::Time performed_begin;
  absl::Time performed_end;
  // False for registered, cancelled, entered-in-error.
  bool performed = false;
  // Network time at which the exam was first known as `performed`.
  absl::Time arrived;
  std::vector<ExamHolding> holdings;
};

// Exams of one person from the newest known versions of all its records at every tenant.
[[nodiscard]] std::vector<Exam> ExamsOf(const std::vector<OpenedRecord>& records, const ExamTable& table,
                                        const tenants::Registry& registry);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_EXAM_H_
