#include "services/node/cosigner.h"

namespace custodian::node {

absl::StatusOr<std::unique_ptr<Cosigner>> Cosigner::Create(std::string_view name, std::unique_ptr<ledger::Signer> signer,
                                                           const Clock& clock) {
  if (signer->public_key().algorithm() != ledger::v1::SIGNATURE_ALGORITHM_ED25519)
    return absl::InvalidArgumentError("a cosigner's key must be Ed25519");
  absl::StatusOr<ledger::NoteVerifier> key =
      ledger::NoteVerifier::Create(name, ledger::kNoteCosignatureV1, signer->public_key().ed25519());
  if (!key.ok()) return key.status();
  return std::unique_ptr<Cosigner>(new Cosigner(*std::move(key), std::move(signer), clock));
}

absl::StatusOr<ledger::NoteSignature> Cosigner::Cosign(std::string_view text) const {
  const absl::Time time = clock_.Now();
  if (absl::ToUnixSeconds(time) <= 0) return absl::InternalError("the machine's clock is before 1970");
  const absl::StatusOr<std::string> signature = signer_->Sign(ledger::CosignatureMessage(time, text));
  if (!signature.ok()) return signature.status();
  return ledger::CosignatureV1(key_, time, *signature);
}

}  // namespace custodian::node
