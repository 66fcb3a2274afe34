#include "services/sample/generate_catalog.h"

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"

namespace custodian::sample {
namespace {

constexpr int kObserveDaysMax = 90;

}  // namespace

const std::vector<CatalogExam>& Catalog() {
  static const auto& catalog = *new std::vector<CatalogExam>{
      {"ct-head-wo", "CT head without contrast", "CT", "30799-1", Offer::kOff, 7, 30, 10513, false, ""},
      {"ct-chest-wo", "CT chest without contrast", "CT", "29252-4", Offer::kSuggest, 30, 30, 13100, false, "ct-chest-w"},
      {"ct-chest-w", "CT chest with contrast", "CT", "24628-0", Offer::kInfo, 30, 30, 16432, false, "ct-chest-wo"},
      {"cta-pulmonary", "CT angiography of pulmonary arteries", "CT", "36147-7", Offer::kOff, 3, 30, 27786, false, ""},
      {"ct-abd-pelvis-w", "CT abdomen and pelvis with contrast", "CT", "36813-4", Offer::kSuggest, 30, 30, 29726, false,
       "ct-abd-pelvis-wo"},
      {"ct-abd-pelvis-wo", "CT abdomen and pelvis without contrast", "CT", "36952-0", Offer::kInfo, 30, 30, 18082, false,
       "ct-abd-pelvis-w"},
      {"mr-brain-wo", "MR brain without contrast", "MR", "30657-1", Offer::kInfo, 90, 90, 19343, false, "mr-brain-wwo"},
      {"mr-brain-wwo", "MR brain without and with contrast", "MR", "24587-8", Offer::kInfo, 90, 90, 31408, false, "mr-brain-wo"},
      {"mr-lumbar-wo", "MR lumbar spine without contrast", "MR", "30679-5", Offer::kSuggest, 90, 90, 18826, false, ""},
      {"mr-knee-wo", "MR knee without contrast", "MR", "30691-0", Offer::kSuggest, 90, 90, 20022, true, ""},
      {"xr-chest-2v", "X-ray chest, two views", "DX", "36643-5", Offer::kOff, 7, 30, 3267, false, ""},
      {"us-abdomen", "Ultrasound of abdomen", "US", "24558-9", Offer::kOff, 30, 30, 11192, false, ""},
      {"us-pelvis", "Ultrasound of pelvis", "US", "24869-0", Offer::kOff, 30, 30, 10157, false, ""},
      {"echo-tte", "Transthoracic echocardiogram", "US", "59281-6", Offer::kSuggest, 365, 365, 18793, false, ""},
      {"dxa-axial", "Bone density, axial", "DX", "83012-5", Offer::kInfo, 700, 700, 3817, false, ""},
      {"mg-screening", "Screening mammogram, bilateral", "MG", "26175-0", Offer::kInfo, 335, 335, 12453, false, ""},
      {"lab-cbc", "Complete blood count", "LAB", "58410-2", Offer::kOff, 1, 30, 647, false, ""},
      {"lab-cmp", "Comprehensive metabolic panel", "LAB", "24323-8", Offer::kOff, 1, 30, 1056, false, ""},
      {"lab-lipid", "Lipid panel", "LAB", "24331-1", Offer::kSuggest, 28, 30, 1339, false, ""},
      {"lab-hba1c", "Hemoglobin A1c", "LAB", "4548-4", Offer::kSuggest, 40, 40, 971, false, ""},
      {"lab-tsh", "Thyrotropin", "LAB", "3016-3", Offer::kSuggest, 28, 30, 1680, false, ""},
      {"lab-ferritin", "Ferritin", "LAB", "2276-4", Offer::kSuggest, 21, 30, 1363, false, ""},
      {"lab-crp", "C reactive protein", "LAB", "1988-5", Offer::kOff, 2, 30, 518, false, ""},
      {"lab-b12", "Vitamin B12", "LAB", "2132-9", Offer::kSuggest, 56, 56, 1508, false, ""},
      {"lab-vitd", "25-hydroxyvitamin D", "LAB", "62292-8", Offer::kSuggest, 28, 30, 2960, false, ""},
      {"lab-psa", "Prostate specific antigen", "LAB", "2857-1", Offer::kInfo, 13, 30, 1839, false, ""},
      {"lab-ana", "Antinuclear antibodies", "LAB", "8061-4", Offer::kSuggest, 20, 30, 1209, false, ""},
  };
  return catalog;
}

const CatalogExam& FindExam(const std::string& class_id) {
  for (const auto& exam : Catalog()) {
    if (exam.class_id == class_id) return exam;
  }
  std::fprintf(stderr, "no exam %s in the catalog\n", class_id.c_str());
  std::abort();
}

const std::vector<const CatalogExam*>& Offered(Offer offer) {
  static const auto& by_offer = *[] {
    auto* lists = new std::vector<std::vector<const CatalogExam*>>(3);
    for (const auto& exam : Catalog()) {
      if (exam.observe_days <= kObserveDaysMax) (*lists)[static_cast<std::size_t>(exam.offer)].push_back(&exam);
    }
    return lists;
  }();
  return by_offer[static_cast<std::size_t>(offer)];
}

std::int64_t PriceCents(int tenant, const CatalogExam& exam, int year) {
  static constexpr std::int64_t kTenantPermille[] = {1000, 1183, 937};
  const std::int64_t year_permille = year >= 2026 ? 1031 : 1000;
  return exam.price_cents * kTenantPermille[tenant] * year_permille / 1'000'000;
}

std::int64_t PriceCentsAt(int tenant, const CatalogExam& exam, absl::Time t) {
  const auto year = absl::ToCivilYear(t, absl::UTCTimeZone()).year();
  return PriceCents(tenant, exam, year >= 2026 ? 2026 : 2025);
}

std::string PricesCsv(int tenant) {
  std::string csv = "class_id,valid_from,cents\n";
  for (const int year : {2025, 2026}) {
    for (const auto& exam : Catalog())
      absl::StrAppend(&csv, exam.class_id, ",", year, "-01-01,", PriceCents(tenant, exam, year), "\n");
  }
  return csv;
}

}  // namespace custodian::sample
