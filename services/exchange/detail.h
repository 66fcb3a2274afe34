// The sealed detail of a ledger entry (DESIGN, section 4): what an entry says about a person, padded to a fixed size, salted, and
// sealed under that person's key. Thread-safe (it holds nothing).
//
// sealed_detail = seal name (16 random bytes) || Sealer's ciphertext of the plaintext
//   {"salt":"<base64 of 32 random bytes>","detail":<detail JSON>}<spaces up to `padded_to` bytes>
// detail_commitment = SHA-256(salt || detail JSON), byte for byte as it stands in the plaintext.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_DETAIL_H_
#define CUSTODIAN_SERVICES_EXCHANGE_DETAIL_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "ledger/entry.h"
#include "services/keys/sealer.h"

namespace custodian::exchange {

struct SealedDetail {
  std::string sealed_detail;
  // 32 bytes.
  std::string commitment;
};

// `name.record` is ignored: each detail gets a random one; its version is 1. InvalidArgument when the detail does not fit into
// `padded_to` bytes together with its salt (71 bytes more than the detail).
[[nodiscard]] absl::StatusOr<SealedDetail> SealDetail(keys::Sealer& sealer, keys::SealName name, std::string_view detail_json,
                                                      std::size_t padded_to, std::string_view purpose = "ledger-detail");
// The detail JSON. DataLoss when it was altered, is another patient's, or does not match the commitment.
[[nodiscard]] absl::StatusOr<std::string> OpenDetail(keys::Sealer& sealer, keys::SealName name, std::string_view sealed_detail,
                                                     std::string_view commitment, std::string_view purpose = "ledger-detail");

// The same with the 32 bytes of salt, for whom it is opened to.
struct OpenedDetail {
  std::string salt;
  std::string detail;
};
[[nodiscard]] absl::StatusOr<OpenedDetail> OpenSaltedDetail(keys::Sealer& sealer, keys::SealName name, std::string_view sealed_detail,
                                                            std::string_view commitment, std::string_view purpose);

// Puts both into an entry, with its subject.
[[nodiscard]] absl::Status SetDetail(keys::Sealer& sealer, const TenantId& tenant, const PatientId& patient,
                                     std::string_view detail_json, std::size_t padded_to, ledger::v1::Entry& entry);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_DETAIL_H_
