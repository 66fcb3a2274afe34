// Acknowledgements: what a sender is told about its message, as HL7 v2 of the version it speaks. A pure function of the message's
// header and the verdict, so that a message sent again gets the first answer to the byte. Names fields, never values.
// Source: HL7 v2.5.1 sections 2.9 (acknowledgement modes), 2.15.8 (MSA), 2.15.5 (ERR); v2.3 section 2.24.6 (ERR-1).
#ifndef CUSTODIAN_SERVICES_FEEDS_HL7_ACK_H_
#define CUSTODIAN_SERVICES_FEEDS_HL7_ACK_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/feeds/hl7_message.h"

namespace custodian::feeds {

struct Verdict {
  // Absent: accepted.
  std::optional<Fault> fault;
  // Network time of the answer.
  absl::Time time;
  // MSH-10 of the answer; follows from the message.
  std::string control_id;
  // MSA-4, when the message has a sequence number.
  std::string expected_sequence;
};

// True for a fault that the sender cannot mend by other content: rejected (AR, CR) rather than in error (AE, CE).
[[nodiscard]] bool IsRejection(FaultCode code);
// The text of table 0357.
[[nodiscard]] std::string_view FaultCodeText(FaultCode code);

// The messages to send back, in order: one AA, AE or AR in original mode; in enhanced mode the accept acknowledgement (CA, CE, CR)
// and the application acknowledgement (AA, AE, AR) that MSH-15 and MSH-16 ask for (AL always, NE never, ER on faults, SU on
// success; a field that is not valued asks for none). Each ends with a carriage return.
[[nodiscard]] std::vector<std::string> Acknowledge(const Header& header, const Verdict& verdict);

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_HL7_ACK_H_
