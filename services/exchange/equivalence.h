// Exam classes as governed data (DESIGN, section 7, "Equivalence"): which codes make which class, how long a prior may be
// reused, what reverses an avoidance, and in which mode each tenant offers it. Read from CSV in the format of
// services/exchange/exams.csv (see its README). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_EQUIVALENCE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_EQUIVALENCE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/exchange/order_reasons.h"

namespace custodian::exchange {

enum class Mode { kOff, kInfo, kSuggest };

struct ExamClass {
  std::string class_id;
  std::string label;
  std::string modality;
  std::string body_region;
  bool laterality_required = false;
  std::string contrast;
  // LOINC and RSNA codes that name the class.
  std::vector<std::string> loinc;
  std::vector<std::string> rsna;
  // SNOMED CT codes that name the class together, one of each: a procedure that says modality and contrast but no place, and a body site
  // (optional columns, both or neither).
  std::vector<std::string> snomed_procedures;
  std::vector<std::string> snomed_body_sites;
  Mode mode = Mode::kOff;
  // In the network's table: the most that a tenant may switch on (optional column; suggest when absent).
  Mode ceiling = Mode::kSuggest;
  std::string setting;
  int min_age_years = 0;
  absl::Duration reuse;
  // max(observe, reuse, 30 days).
  absl::Duration observe;
  std::vector<std::string> reversal_set;
  std::string clinical_source;
  std::string approved_by;
};

class ExamTable;

// AMA's CPT and CMS' HCPCS: their codes never decide a class.
[[nodiscard]] bool IsBillingSystem(std::string_view system);

// A tenant's own codes (governed table "code-map"): CSV with the columns system, code, class_id and, when it says a side, laterality
// (left, right, bilateral or empty).
class CodeMap {
 public:
  struct Meaning {
    std::string class_id;
    std::string laterality;
  };
  // InvalidArgument naming line and column: a class that `classes` does not have, a code named twice, a billing code (CPT, HCPCS), which
  // never decides a class.
  [[nodiscard]] static absl::StatusOr<CodeMap> Parse(std::string_view csv, const ExamTable& classes);
  [[nodiscard]] const Meaning* Find(std::string_view system, std::string_view code) const;

 private:
  [[nodiscard]] static absl::StatusOr<CodeMap> Read(std::string_view csv, const ExamTable& classes);

  std::map<std::pair<std::string, std::string>, Meaning> codes_;
};

class ExamTable {
 public:
  // InvalidArgument naming line and column.
  [[nodiscard]] static absl::StatusOr<ExamTable> Parse(std::string_view csv);
  [[nodiscard]] const std::vector<ExamClass>& classes() const { return classes_; }
  [[nodiscard]] const ExamClass* Find(std::string_view class_id) const;
  // By code system URL ("http://loinc.org", "http://radlex.org" or its RSNA forms), else by the code map of the tenant that wrote the
  // code; no class when neither has it. `laterality` is what the tenant's own code says.
  struct Coded {
    const ExamClass* exam_class = nullptr;
    std::string laterality;
  };
  [[nodiscard]] Coded FindByCode(std::string_view tenant_name, std::string_view system, std::string_view code) const;
  // The class that a SNOMED CT procedure is at a SNOMED CT body site; null when it is none.
  [[nodiscard]] const ExamClass* FindBySite(std::string_view procedure, std::string_view body_site) const;
  void SetCodes(const std::string& tenant_name, CodeMap codes);
  // Why exams are ordered; those that come with the program until more are added.
  [[nodiscard]] const OrderReasons& reasons() const { return reasons_; }
  void AddReasons(const OrderReasons& more) { reasons_.Add(more); }

 private:
  [[nodiscard]] static absl::StatusOr<ExamTable> Read(std::string_view csv);

  std::vector<ExamClass> classes_;
  std::map<std::string, CodeMap, std::less<>> codes_;
  OrderReasons reasons_ = OrderReasons::Shipped();
};

// What a table may say (DESIGN, section 7). InvalidArgument naming class and column.
//
// The network's ships every class `off`: only a tenant's clinical committee switches one on.
[[nodiscard]] absl::Status CheckNetworkClasses(const ExamTable& network);
// A tenant's names a clinical source and an approver for each class that it switches on, and only narrows the network's: no class or
// code of its own, no mode past the ceiling, never a longer reuse window, a shorter observation, a younger patient, fewer exams that
// reverse, or another modality, region, contrast or setting.
[[nodiscard]] absl::Status CheckNarrows(const ExamTable& network, const ExamTable& tenant);

// The same CSV with each class's mode set to its demo_mode, and source and approver for those that name none: a demonstration, not
// clinical advice. InvalidArgument when a column is missing.
[[nodiscard]] absl::StatusOr<std::string> SwitchOnDemonstration(std::string_view csv, std::string_view source,
                                                                std::string_view approved_by);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_EQUIVALENCE_H_
