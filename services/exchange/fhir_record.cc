#include "services/exchange/fhir_record.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_time.h"

namespace custodian::exchange {

absl::StatusOr<std::string> OpenText(const tenants::Tenant& tenant, const SealedRecord& row, keys::Sealer& sealer, std::string_view purpose) {
  absl::StatusOr<std::string> text = sealer.Open({tenant.id, row.patient, row.record.bytes(), row.version}, row.sealed, purpose);
  if (text.ok()) return text;
  return absl::Status(text.status().code(), absl::StrCat("record ", row.record.hex(), " version ", row.version, " of tenant ",
                                                         tenant.id.text(), " cannot be opened: ", std::string(text.status().message())));
}

absl::StatusOr<FhirRecord> ReadRecord(const SealedRecord& row, std::string_view text) {
  auto resource = Json::Parse(text);
  if (!resource.ok()) return absl::DataLossError(absl::StrCat("record ", row.record.hex(), " holds no JSON"));
  Json meta = (*resource)["meta"];
  meta.Set("versionId", Json::String(absl::StrCat(row.version)));
  meta.Set("lastUpdated", Json::String(FormatInstant(row.arrived)));
  resource->Set("meta", std::move(meta));
  return FhirRecord{*std::move(resource), row.record, row.patient, row.version, row.arrived, row.deleted};
}

absl::StatusOr<FhirRecord> OpenFhirRecord(const tenants::Tenant& tenant, const SealedRecord& row, keys::Sealer& sealer,
                                          std::string_view purpose) {
  const auto text = OpenText(tenant, row, sealer, purpose);
  if (!text.ok()) return text.status();
  return ReadRecord(row, *text);
}

}  // namespace custodian::exchange
