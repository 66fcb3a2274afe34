#include "services/feeds/hl7_ack.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

namespace custodian::feeds {
namespace {

bool IsBefore(const std::string& version, std::string_view other) { return std::string_view(version) < other; }

// MSH-15, MSH-16: table 0155.
bool IsWanted(std::string_view condition, bool accepted) {
  return condition == "AL" || (condition == "ER" && !accepted) || (condition == "SU" && accepted);
}

// Our own sentence in the message's separators.
std::string Escaped(std::string_view text, const Separators& separators) {
  std::string escaped;
  for (const char c : text) {
    const auto sequence = [&](char letter) { escaped += {separators.escape, letter, separators.escape}; };
    if (c == separators.field) {
      sequence('F');
    } else if (c == separators.component) {
      sequence('S');
    } else if (c == separators.repetition) {
      sequence('R');
    } else if (c == separators.escape) {
      sequence('E');
    } else if (c == separators.subcomponent) {
      sequence('T');
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string WithSeparator(std::string text, char from, char to) {
  std::replace(text.begin(), text.end(), from, to);
  return text;
}

class Answer {
 public:
  Answer(const Header& header, const Verdict& verdict)
      : header_(header), verdict_(verdict), field_(header.separators.field), version_(header.version.empty() ? "2.5.1" : header.version) {}

  std::string Text(char mode, std::string_view id_suffix) const {
    return absl::StrCat(Msh(id_suffix), "\r", Msa(mode), "\r", verdict_.fault.has_value() ? Err() + "\r" : "");
  }

 private:
  [[nodiscard]] std::string Join(const std::vector<std::string>& fields) const {
    std::string line;
    for (const std::string& field : fields) absl::StrAppend(&line, line.empty() ? "" : std::string(1, field_), field);
    while (!line.empty() && line.back() == field_) line.pop_back();
    return line;
  }

  [[nodiscard]] std::string Msh(std::string_view id_suffix) const {
    const std::string component(1, header_.separators.component);
    // Versions before 2.3.1 have no message structure.
    std::string type = "ACK";
    if (!header_.event.empty()) absl::StrAppend(&type, component, header_.event);
    if (!header_.event.empty() && !IsBefore(version_, "2.3.1")) absl::StrAppend(&type, component, "ACK");
    // As the other side's header, whose own fields are echoed as they came. In version 2.3 a message has no character set of 2.5.
    const std::string line = Join({header_.encoding_characters.empty() ? "^~\\&" : header_.encoding_characters, header_.receiving_application,
                                   header_.receiving_facility, header_.sending_application, header_.sending_facility,
                                   absl::FormatTime("%Y%m%d%H%M%S+0000", verdict_.time, absl::UTCTimeZone()), "", type,
                                   absl::StrCat(verdict_.control_id, std::string(id_suffix)), header_.processing_id.empty() ? "P" : header_.processing_id,
                                   version_, "", "", "", "", "", header_.character_set});
    return absl::StrCat("MSH", std::string(1, field_), line);
  }

  [[nodiscard]] std::string Msa(char mode) const {
    const char kind = !verdict_.fault.has_value() ? 'A' : IsRejection(verdict_.fault->code) ? 'R' : 'E';
    // MSA-3 was the place for a sentence until ERR-8 was (v2.5).
    const std::string text = verdict_.fault.has_value() && IsBefore(version_, "2.5") ? Escaped(verdict_.fault->text, header_.separators) : "";
    return Join({"MSA", std::string{mode, kind}, header_.control_id, text, verdict_.expected_sequence});
  }

  [[nodiscard]] std::string Err() const {
    const Fault& fault = *verdict_.fault;
    const std::string code = absl::StrCat(static_cast<int>(fault.code));
    const std::string component(1, header_.separators.component);
    const std::string place = WithSeparator(fault.where.Text(), '^', header_.separators.component);
    if (IsBefore(version_, "2.5")) {
      // ERR-1: segment, sequence, field position, code.
      const std::string subcomponent(1, header_.separators.subcomponent);
      return Join({"ERR", absl::StrCat(fault.where.segment, component, fault.where.sequence == 0 ? "" : absl::StrCat(fault.where.sequence), component,
                                       fault.where.field == 0 ? "" : absl::StrCat(fault.where.field), component, code, subcomponent,
                                       std::string(FaultCodeText(fault.code)), subcomponent, "HL70357")});
    }
    return Join({"ERR", "", place, absl::StrCat(code, component, std::string(FaultCodeText(fault.code)), component, "HL70357"), "E", "", "", "",
                 Escaped(fault.text, header_.separators)});
  }

  const Header& header_;
  const Verdict& verdict_;
  const char field_;
  const std::string version_;
};

}  // namespace

bool IsRejection(FaultCode code) {
  switch (code) {
    case FaultCode::kMessageType:
    case FaultCode::kEventCode:
    case FaultCode::kProcessingId:
    case FaultCode::kVersion:
    case FaultCode::kInternal:
      return true;
    default:
      return false;
  }
}

std::string_view FaultCodeText(FaultCode code) {
  switch (code) {
    case FaultCode::kSegmentSequence: return "Segment sequence error";
    case FaultCode::kRequiredField: return "Required field missing";
    case FaultCode::kDataType: return "Data type error";
    case FaultCode::kTableValue: return "Table value not found";
    case FaultCode::kMessageType: return "Unsupported message type";
    case FaultCode::kEventCode: return "Unsupported event code";
    case FaultCode::kProcessingId: return "Unsupported processing id";
    case FaultCode::kVersion: return "Unsupported version id";
    case FaultCode::kUnknownKey: return "Unknown key identifier";
    case FaultCode::kDuplicateKey: return "Duplicate key identifier";
    case FaultCode::kInternal: return "Application internal error";
  }
  return "Application internal error";
}

std::vector<std::string> Acknowledge(const Header& header, const Verdict& verdict) {
  const Answer answer(header, verdict);
  if (!header.enhanced()) return {answer.Text('A', "")};
  const bool accepted = !verdict.fault.has_value();
  std::vector<std::string> answers;
  if (IsWanted(header.accept_acknowledgement, accepted)) answers.push_back(answer.Text('C', "C"));
  if (IsWanted(header.application_acknowledgement, accepted)) answers.push_back(answer.Text('A', ""));
  return answers;
}

}  // namespace custodian::feeds
