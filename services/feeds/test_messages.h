// Messages for the tests of this folder; written for them, of nobody.
#ifndef CUSTODIAN_SERVICES_FEEDS_TEST_MESSAGES_H_
#define CUSTODIAN_SERVICES_FEEDS_TEST_MESSAGES_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace custodian::feeds {

struct TestMessage {
  std::string type = "ADT^A08";
  std::string control_id = "1";
  std::string time = "20260115060000-0600";
  std::string version = "2.5.1";
  // Fields 13 to 18.
  std::string sequence = "";
  std::string accept = "";
  std::string application = "";
  std::string character_set = "UNICODE UTF-8";
  std::string application_name = "HIS";
};
inline std::string Msh(const TestMessage& of) {
  return absl::StrCat("MSH|^~\\&|", of.application_name, "|LAKE|CUSTODIAN|NET|", of.time, "||", of.type, "|", of.control_id, "|P|", of.version, "|", of.sequence, "||",
                      of.accept, "|", of.application, "||", of.character_set, "\r");
}
// Segments behind an MSH.
inline std::string MessageOf(const TestMessage& of, const std::vector<std::string>& segments) {
  return absl::StrCat(Msh(of), absl::StrJoin(segments, "\r"), "\r");
}
inline const char* const kPid =
    "PID|1||4711^^^LAKE^MR~910-44-2211^^^USSSA^SS||Quill^Marisol^J^^^^L||19710409|F|||4 Larkspur Ct^^Dover^DE^19901^USA^H||^PRN^PH^^1^555^0771234||EN|M";
inline const char* const kOrc = "ORC|NW|P100^EHR|||||^^^20260116080000^^R||20260115053000|||1234567893^Reyes^Ana^^^Dr^^^NPI";
inline const char* const kOrderObr = "OBR|1|P100^EHR||30679-5^MR lumbar spine^LN|||||||||back pain||^^^^L";
inline const char* const kReportObr = "OBR|1|P100^EHR|F200^RIS|30679-5^MR lumbar spine^LN|||20260114101500|||||||||||ACC-9||||20260115055500||RAD|F";
inline const char* const kReportObx = "OBX|1|TX|30679-5&IMP^Impression^LN||No change.||||||F";

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_TEST_MESSAGES_H_
