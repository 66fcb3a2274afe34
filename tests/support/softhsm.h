// Real SoftHSM for tests: a token once a process, in a temporary directory that goes with the process. With
// CUSTODIAN_TEST_SOFTHSM_CONF (path of a softhsm2.conf) its token directory is used instead, and the tokens made there carry
// random labels. Call before anything else of the process loads a PKCS#11 module.
#ifndef CUSTODIAN_TESTS_SUPPORT_SOFTHSM_H_
#define CUSTODIAN_TESTS_SUPPORT_SOFTHSM_H_

#include <string>

#include "absl/status/statusor.h"

namespace custodian::testing {

struct SoftHsm {
  // Path of libsofthsm2.so.
  std::string module;
  std::string token_label;
  std::string pin;
  // Another token, for tests that spoil one; each is for one process only.
  std::string spare_token_label;

  // NotFound, naming the package, when SoftHSM is not installed.
  [[nodiscard]] static absl::StatusOr<SoftHsm> Get();
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_SOFTHSM_H_
