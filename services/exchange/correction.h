// What a correction is and how it is told: a result that another tenant was shown was amended, withdrawn, or turned out to be somebody
// else's; told as a FHIR Communication in the chart that the reader looked from (http://hl7.org/fhir/R4/communication.html), which is
// in-progress until it is acknowledged. Pure.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_CORRECTION_H_
#define CUSTODIAN_SERVICES_EXCHANGE_CORRECTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "services/exchange/fhir_json.h"
#include "tenants/registry.h"

namespace custodian::exchange {

inline constexpr std::string_view kCorrections = "https://custodian.example/fhir/CodeSystem/corrections";
// Ids of these Communications begin so; clients cannot write such ids.
inline constexpr std::string_view kCorrectionPrefix = "correction-";

enum class Correction {
  // A later version stands in its place.
  kAmended,
  // Deleted, cancelled, entered in error, or registered again: there is no result.
  kWithdrawn,
  // It is another person's: the link between the two charts was unmade.
  kUnlinked,
};
// "amended", "withdrawn", "unlinked".
[[nodiscard]] std::string_view NameOf(Correction correction);

// Types whose corrections are told.
[[nodiscard]] bool IsToldWhenCorrected(std::string_view type);
// Whether a stored version says that there is no result: its `status`, or a tombstone's lack of one.
[[nodiscard]] bool IsWithdrawn(const Json& resource);

struct CorrectionFacts {
  std::string id;
  Correction correction = Correction::kAmended;
  tenants::Tenant source;
  // Absolute URL of the result.
  std::string result_url;
  // FHIR id of the reader's patient.
  std::string patient;
  // When the result was first shown to the reader, and when this is told.
  absl::Time shown;
  absl::Time told;
  // The reader's: whose day a text names.
  absl::TimeZone zone;
};
[[nodiscard]] Json CorrectionAlert(const CorrectionFacts& facts);

[[nodiscard]] bool IsAcknowledged(const Json& alert);
// Who acknowledged (a SPIFFE id), when, and what they said (empty: nothing).
void SetAcknowledged(Json& alert, std::string_view who, absl::Time when, std::string_view note);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_CORRECTION_H_
