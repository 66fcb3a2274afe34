// What the made EHRs' gateway writes down of each request before it is sent, in the form that a tenant's signing agent reads
// (services/node/sent_requests.h). Thread-safe for different files.
#ifndef CUSTODIAN_SERVICES_SAMPLE_SENT_NOTE_H_
#define CUSTODIAN_SERVICES_SAMPLE_SENT_NOTE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace custodian::sample {

// Appends the line of a request to `file`, made when it is missing, and has it on disk; of feedback with its body. Unavailable when the disk refuses.
[[nodiscard]] absl::Status NoteSent(const std::string& file, std::string_view token, std::string_view body, bool is_feedback, absl::Time sent);

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_SENT_NOTE_H_
