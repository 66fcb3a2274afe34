#include "services/exchange/detail.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "ledger/tree.h"
#include "tenants/ids.h"

namespace custodian::exchange {
namespace {

constexpr std::string_view kBeforeSalt = "{\"salt\":\"";
constexpr std::string_view kBeforeDetail = "\",\"detail\":";
constexpr std::size_t kSaltBytes = 32;
constexpr std::size_t kSaltText = 44;
constexpr std::size_t kNameBytes = 16;

std::string Commitment(std::string_view salt, std::string_view detail) {
  std::string bytes(salt);
  bytes += detail;
  return std::string(ledger::AsBytes(ledger::Sha256(bytes)));
}

}  // namespace

absl::StatusOr<SealedDetail> SealDetail(keys::Sealer& sealer, keys::SealName name, std::string_view detail_json,
                                        std::size_t padded_to, std::string_view purpose) {
  const std::string salt = RandomBytes(kSaltBytes);
  std::string plaintext(kBeforeSalt);
  plaintext += absl::Base64Escape(salt);
  plaintext += kBeforeDetail;
  plaintext += detail_json;
  plaintext += '}';
  if (plaintext.size() > padded_to)
    return absl::InvalidArgumentError(
        absl::StrCat("a ledger detail of ", detail_json.size(), " bytes does not fit into ", padded_to));
  plaintext.resize(padded_to, ' ');

  name.record = RandomBytes(kNameBytes);
  name.version = 1;
  auto sealed = sealer.Seal(name, plaintext, purpose);
  if (!sealed.ok()) return sealed.status();
  return SealedDetail{name.record + sealed->ciphertext, Commitment(salt, detail_json)};
}

absl::StatusOr<std::string> OpenDetail(keys::Sealer& sealer, keys::SealName name, std::string_view sealed_detail,
                                       std::string_view commitment, std::string_view purpose) {
  auto opened = OpenSaltedDetail(sealer, std::move(name), sealed_detail, commitment, purpose);
  if (!opened.ok()) return opened.status();
  return std::move(opened->detail);
}

absl::StatusOr<OpenedDetail> OpenSaltedDetail(keys::Sealer& sealer, keys::SealName name, std::string_view sealed_detail,
                                              std::string_view commitment, std::string_view purpose) {
  if (sealed_detail.size() < kNameBytes) return absl::DataLossError("a sealed detail is too short");
  name.record = std::string(sealed_detail.substr(0, kNameBytes));
  name.version = 1;
  auto opened = sealer.Open(name, sealed_detail.substr(kNameBytes), purpose);
  if (!opened.ok()) return opened.status();
  std::string_view text = *opened;
  const std::size_t end = text.find_last_not_of(' ');
  const std::size_t front = kBeforeSalt.size() + kSaltText + kBeforeDetail.size();
  std::string salt;
  if (end == std::string_view::npos || end < front || text[end] != '}' || text.substr(0, kBeforeSalt.size()) != kBeforeSalt ||
      text.substr(kBeforeSalt.size() + kSaltText, kBeforeDetail.size()) != kBeforeDetail ||
      !absl::Base64Unescape(std::string(text.substr(kBeforeSalt.size(), kSaltText)), &salt) || salt.size() != kSaltBytes)
    return absl::DataLossError("a sealed detail is not in its format");
  std::string detail(text.substr(front, end - front));
  if (Commitment(salt, detail) != commitment) return absl::DataLossError("a sealed detail does not match its commitment");
  return OpenedDetail{std::move(salt), std::move(detail)};
}

absl::Status SetDetail(keys::Sealer& sealer, const TenantId& tenant, const PatientId& patient, std::string_view detail_json,
                       std::size_t padded_to, ledger::v1::Entry& entry) {
  auto sealed = SealDetail(sealer, {tenant, patient, "", 1}, detail_json, padded_to);
  if (!sealed.ok()) return sealed.status();
  entry.set_subject(patient.bytes());
  entry.set_detail_commitment(std::move(sealed->commitment));
  entry.set_sealed_detail(std::move(sealed->sealed_detail));
  return absl::OkStatus();
}

}  // namespace custodian::exchange
