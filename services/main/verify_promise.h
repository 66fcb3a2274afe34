// `custodian verify --promise FILE --tiles URL`: whether the custodian kept what it promised an author.
#ifndef CUSTODIAN_SERVICES_MAIN_VERIFY_PROMISE_H_
#define CUSTODIAN_SERVICES_MAIN_VERIFY_PROMISE_H_

#include "ledger/checkpoint.h"
#include "services/main/verify_options.h"

namespace custodian::main {

// Prints the verdict; throws CommandFailed when the promise proves nothing, cannot be judged, or is broken.
void VerifyPromise(const VerifyOptions& options, const ledger::Policy& policy);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_VERIFY_PROMISE_H_
