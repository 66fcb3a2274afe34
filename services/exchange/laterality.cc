#include "services/exchange/laterality.h"

#include <cctype>

namespace custodian::exchange {
namespace {

constexpr std::string_view kLeft = "left";
constexpr std::string_view kRight = "right";
constexpr std::string_view kBilateral = "bilateral";

struct SidedCode {
  std::string_view code;
  std::string_view side;
};
// SNOMED CT: qualifiers, then structures that carry their side.
constexpr SidedCode kSnomed[] = {
    {"7771000", kLeft},   {"24028007", kRight},  {"51440002", kBilateral},  // left, right, right and left
    {"419161000", kLeft}, {"419465000", kRight},                            // unilateral left, unilateral right
    {"82169009", kLeft},  {"6757004", kRight},   {"36701003", kBilateral},  // knees
    {"80248007", kLeft},  {"73056007", kRight},  {"63762007", kBilateral},  // breasts
};

std::string SideOfWords(std::string_view text) {
  bool left = false, right = false, both = false;
  std::string word;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && std::isalpha(static_cast<unsigned char>(text[i]))) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
      continue;
    }
    left = left || word == "left";
    right = right || word == "right";
    both = both || word == "bilateral" || word == "both";
    word.clear();
  }
  if (both || (left && right)) return std::string(kBilateral);
  if (left) return std::string(kLeft);
  return right ? std::string(kRight) : "";
}

std::string SideOfConcept(const Json& concept_json) {
  for (const Json& coding : concept_json["coding"].items())
    if (std::string side = LateralityOfCoding(coding); !side.empty()) return side;
  return SideOfWords(concept_json.TextOf("text"));
}

}  // namespace

std::string LateralityOfCoding(const Json& coding) {
  const std::string& system = coding.TextOf("system");
  const std::string& code = coding.TextOf("code");
  if (system == "http://snomed.info/sct") {
    for (const SidedCode& sided : kSnomed)
      if (code == sided.code) return std::string(sided.side);
  } else if (code == "L" || code == "LT") {
    // DICOM (0020,0060), HL7 table 0163 and the CPT modifiers agree on these letters.
    return std::string(kLeft);
  } else if (code == "R" || code == "RT") {
    return std::string(kRight);
  } else if (code == "B" || code == "BIL") {
    return std::string(kBilateral);
  }
  return SideOfWords(coding.TextOf("display"));
}

std::string JoinLaterality(const std::string& a, const std::string& b) {
  if (a.empty() || a == b) return b;
  return b.empty() ? a : std::string(kBilateral);
}

std::string LateralityOfConcepts(const Json& concepts) {
  if (!concepts.is_array()) return SideOfConcept(concepts);
  std::string side;
  for (const Json& concept_json : concepts.items()) side = JoinLaterality(side, SideOfConcept(concept_json));
  return side;
}

}  // namespace custodian::exchange
