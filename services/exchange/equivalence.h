// Exam classes as governed data (DESIGN, section 7, "Equivalence"): which codes make which class, how long a prior may be
// reused, what reverses an avoidance, and in which mode each tenant offers it. Read from CSV in the format of
// services/exchange/exams.csv (see its README). Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_EQUIVALENCE_H_
#define CUSTODIAN_SERVICES_EXCHANGE_EQUIVALENCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

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
  Mode mode = Mode::kOff;
  std::string setting;
  int min_age_years = 0;
  absl::Duration reuse;
  // max(observe, reuse, 30 days).
  absl::Duration observe;
  std::vector<std::string> reversal_set;
  std::string clinical_source;
  std::string approved_by;
};

class ExamTable {
 public:
  // InvalidArgument naming line and column.
  [[nodiscard]] static absl::StatusOr<ExamTable> Parse(std::string_view csv);
  [[nodiscard]] const std::vector<ExamClass>& classes() const { return classes_; }
  [[nodiscard]] const ExamClass* Find(std::string_view class_id) const;
  // By code system URL ("http://loinc.org", "http://radlex.org" or its RSNA forms); null when no class has the code.
  [[nodiscard]] const ExamClass* FindByCode(std::string_view system, std::string_view code) const;

 private:
  std::vector<ExamClass> classes_;
};

// The same CSV with each class's mode set to its demo_mode: a demonstration, not clinical advice. InvalidArgument when a column
// is missing.
[[nodiscard]] absl::StatusOr<std::string> SwitchOnDemonstration(std::string_view csv);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_EQUIVALENCE_H_
