// `custodian verify --subject-list FILE`: the complete list of a subject's entries (ledger/subject_list.h), verified offline with a policy.
#ifndef CUSTODIAN_SERVICES_MAIN_VERIFY_SUBJECT_LIST_H_
#define CUSTODIAN_SERVICES_MAIN_VERIFY_SUBJECT_LIST_H_

#include "ledger/checkpoint.h"

namespace custodian::main {

struct VerifyOptions;

// Prints what `options.subject_list` proves. CommandFailed when that is nothing, when it is as of longer ago than `options.max_age`
// (SubjectList::Verified::AsOf()), or when it is of another subject or log than the options name, or than the entry of `options.receipt`.
void VerifySubjectList(const VerifyOptions& options, const ledger::Policy& policy);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_VERIFY_SUBJECT_LIST_H_
