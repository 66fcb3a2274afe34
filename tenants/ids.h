// Strong identifiers and the bytes behind them. Values; safe from any thread. None of them means anything outside.
#ifndef CUSTODIAN_TENANTS_IDS_H_
#define CUSTODIAN_TENANTS_IDS_H_

#include <compare>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace custodian {

// A health system: 16 lower-case hex digits.
class TenantId {
 public:
  TenantId() = default;
  // InvalidArgument unless 16 lower-case hex digits.
  [[nodiscard]] static absl::StatusOr<TenantId> Parse(std::string_view text);
  [[nodiscard]] static TenantId Random();
  [[nodiscard]] const std::string& text() const { return text_; }
  auto operator<=>(const TenantId&) const = default;

 private:
  std::string text_;
};

// 16 opaque bytes; the tag keeps kinds apart.
template <typename Tag>
class OpaqueId {
 public:
  OpaqueId() = default;
  // InvalidArgument unless 16 bytes.
  [[nodiscard]] static absl::StatusOr<OpaqueId> FromBytes(std::string_view bytes);
  [[nodiscard]] static OpaqueId Random();
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::string hex() const;
  auto operator<=>(const OpaqueId&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const OpaqueId& id) { return H::combine(std::move(h), id.bytes_); }

 private:
  std::string bytes_;
};

// A patient in one partition (the ledger's subject, and the name of the patient's key).
using PatientId = OpaqueId<struct PatientTag>;
// One stored record (all its versions): a keyed hash of resource type and id, so that no client's id lies in the clear.
using RecordId = OpaqueId<struct RecordTag>;
// A person across tenants, as the locator links them.
using PersonId = OpaqueId<struct PersonTag>;

// `count` bytes from the operating system's generator.
[[nodiscard]] std::string RandomBytes(std::size_t count);
[[nodiscard]] std::string HexEncode(std::string_view bytes);
[[nodiscard]] absl::StatusOr<std::string> HexDecode(std::string_view text);

}  // namespace custodian

#endif  // CUSTODIAN_TENANTS_IDS_H_
