// What the made population's clinicians order and what it costs there: the generator's own table, written down a second time on
// purpose, so that the truth does not come out of the product's rules (a test compares the numbers with exams.csv). Pure.
#ifndef CUSTODIAN_SERVICES_SAMPLE_GENERATE_CATALOG_H_
#define CUSTODIAN_SERVICES_SAMPLE_GENERATE_CATALOG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace custodian::sample {

// What a quickstart switches a class on as.
enum class Offer { kOff, kInfo, kSuggest };

struct CatalogExam {
  std::string class_id;
  std::string label;
  // "CT", "MR", "DX", "US", "MG" or "LAB".
  std::string modality;
  std::string loinc;
  Offer offer = Offer::kOff;
  int reuse_days = 0;
  int observe_days = 0;
  // Network price basis, in cents.
  std::int64_t price_cents = 0;
  bool has_side = false;
  // The same examination with another contrast, which undoes a cancelled one all the same; empty when there is none.
  std::string other_contrast;

  [[nodiscard]] bool imaging() const { return modality != "LAB"; }
  [[nodiscard]] absl::Duration reuse() const { return absl::Hours(24) * reuse_days; }
  [[nodiscard]] absl::Duration observe() const { return absl::Hours(24) * observe_days; }
};

[[nodiscard]] const std::vector<CatalogExam>& Catalog();
// The class must be in the catalog.
[[nodiscard]] const CatalogExam& FindExam(const std::string& class_id);
// Classes of an offer that the truth can follow to the end: observed up to 90 days.
[[nodiscard]] const std::vector<const CatalogExam*>& Offered(Offer offer);

// A tenant's price of an exam, valid from 1 January (UTC) of 2025 or of 2026. `tenant` is 0, 1 or 2.
[[nodiscard]] std::int64_t PriceCents(int tenant, const CatalogExam& exam, int year);
// The version in force at `t` (not before 2025).
[[nodiscard]] std::int64_t PriceCentsAt(int tenant, const CatalogExam& exam, absl::Time t);
// prices.csv of a tenant: class_id,valid_from,cents.
[[nodiscard]] std::string PricesCsv(int tenant);

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_GENERATE_CATALOG_H_
