// `custodian verify --subject-list FILE`: the complete list of a subject's entries (ledger/subject_list.h), verified offline with a policy.
#ifndef CUSTODIAN_SERVICES_MAIN_VERIFY_SUBJECT_LIST_H_
#define CUSTODIAN_SERVICES_MAIN_VERIFY_SUBJECT_LIST_H_

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "ledger/checkpoint.h"

namespace custodian::main {

// Prints what is proved. CommandFailed when nothing is, or when its checkpoint was cosigned longer ago than `max_age`.
void VerifySubjectList(const std::string& file, const ledger::Policy& policy, std::optional<absl::Duration> max_age, bool json);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_VERIFY_SUBJECT_LIST_H_
