// What fuzzing feeds with arbitrary bytes: reading, mapping, answering. Aborts when something that must always hold does not; anything
// else is for the sanitizers to find. Used by hl7_fuzz_test.cc (corpus and mutations, in every run) and tests/fuzz (libFuzzer).
#ifndef CUSTODIAN_SERVICES_FEEDS_HL7_FUZZ_H_
#define CUSTODIAN_SERVICES_FEEDS_HL7_FUZZ_H_

#include <string>
#include <string_view>

#include "services/feeds/hl7_ack.h"
#include "services/feeds/hl7_message.h"
#include "services/feeds/hl7_to_fhir.h"
#include "tests/support/require.h"

namespace custodian::feeds {

using custodian::testing::Require;

inline void FuzzMessage(std::string_view bytes) {
  const FeedMap& map = *FeedMap::Standard();
  Header header;
  Verdict verdict{.fault = {}, .time = absl::UnixEpoch(), .control_id = "c", .expected_sequence = ""};
  const auto read = Header::Read(bytes);
  if (const auto* found = std::get_if<Header>(&read)) header = *found;
  const auto parsed = Message::Parse(bytes);
  if (const auto* fault = std::get_if<Fault>(&parsed)) verdict.fault = *fault;
  if (const auto* message = std::get_if<Message>(&parsed)) {
    verdict.fault = CheckHeader(header, map);
    if (!verdict.fault) {
      const ValueContext context{&map, absl::UTCTimeZone(), "https://custodian.example/p/aa", "urn:accession"};
      const auto mapped = MapMessage(*message, context);
      if (const auto* fault = std::get_if<Fault>(&mapped)) verdict.fault = *fault;
      if (const auto* result = std::get_if<MappedMessage>(&mapped)) {
        for (const MappedResource& resource : result->resources) {
          Require(!resource.type.empty() && !resource.key.empty());
          if (resource.subject) Require(*resource.subject < result->resources.size());
          for (const auto& [element, at] : resource.references) Require(at < result->resources.size());
          // What is stored can be read again: sound UTF-8, no empty parts.
          Require(exchange::Json::Parse(resource.content.Text()).ok());
        }
      }
    }
  }
  for (const std::string& answer : Acknowledge(header, verdict)) {
    Require(answer.find("MSA") != std::string::npos);
    Require((answer.find("\rERR") != std::string::npos) == verdict.fault.has_value());
    // An answer is a message, too, unless what it echoes of the sender's header was none.
    const auto own = Header::Read(answer);
    Require(std::holds_alternative<Header>(own));
    Require(std::get<Header>(own).type == "ACK");
  }
}

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_HL7_FUZZ_H_
