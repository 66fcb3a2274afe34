#include "services/exchange/reported_openings.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "ledger/entry.h"
#include "tenants/ids.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kPurpose = "countersign";

// What asking again will not change.
bool IsFinal(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status) || absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status);
}

}  // namespace

absl::StatusOr<OpenedDetail> OpenReported(keys::Sealer& sealer, const tenants::Partition& partition, std::uint64_t index) {
  const auto leaves = partition.log->Leaves(index, 1);
  if (!leaves.ok()) return leaves.status();
  const auto leaf = ledger::ParseLeaf(leaves->front());
  if (!leaf.ok()) return absl::DataLossError(absl::StrCat("leaf ", index, " cannot be read"));
  const ledger::v1::Entry& entry = leaf->entry;
  if (!entry.reported()) return absl::InvalidArgumentError(absl::StrCat("entry ", index, " is not one that the custodian reported"));
  const auto patient = PatientId::FromBytes(entry.subject());
  if (!patient.ok() || entry.sealed_detail().empty()) return OpenedDetail{};
  auto opened = OpenSaltedDetail(sealer, {partition.tenant.id, *patient, "", 1}, entry.sealed_detail(), entry.detail_commitment(), kPurpose);
  if (!opened.ok() && IsFinal(opened.status())) return OpenedDetail{};
  return opened;
}

}  // namespace custodian::exchange
