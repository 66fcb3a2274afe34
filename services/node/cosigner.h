// A node's name and key, and the cosignatures (C2SP tlog-cosignature, cosignature/v1) it makes with them. Thread-safe.
#ifndef CUSTODIAN_SERVICES_NODE_COSIGNER_H_
#define CUSTODIAN_SERVICES_NODE_COSIGNER_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "ledger/checkpoint.h"
#include "ledger/signature.h"
#include "tenants/clock.h"

namespace custodian::node {

class Cosigner {
 public:
  // `signer` holds an Ed25519 key; `clock` is the machine's and outlives the cosigner.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Cosigner>> Create(std::string_view name, std::unique_ptr<ledger::Signer> signer,
                                                                        const Clock& clock);
  // A cosignature of a checkpoint's text, of now.
  [[nodiscard]] absl::StatusOr<ledger::NoteSignature> Cosign(std::string_view text) const;
  [[nodiscard]] const ledger::NoteVerifier& key() const { return key_; }

 private:
  Cosigner(ledger::NoteVerifier key, std::unique_ptr<ledger::Signer> signer, const Clock& clock)
      : key_(std::move(key)), signer_(std::move(signer)), clock_(clock) {}

  const ledger::NoteVerifier key_;
  const std::unique_ptr<ledger::Signer> signer_;
  const Clock& clock_;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_COSIGNER_H_
