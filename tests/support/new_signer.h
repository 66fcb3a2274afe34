// For tests: a fresh Ed25519 key.
#ifndef CUSTODIAN_TESTS_SUPPORT_NEW_SIGNER_H_
#define CUSTODIAN_TESTS_SUPPORT_NEW_SIGNER_H_

#include <memory>

#include "ledger/signature.h"

namespace custodian::testing {

inline std::unique_ptr<ledger::Signer> NewSigner() {
  return ledger::SignerFromPem(ledger::NewPrivateKeyPem(ledger::v1::SIGNATURE_ALGORITHM_ED25519).value()).value();
}

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_NEW_SIGNER_H_
