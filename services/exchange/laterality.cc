#include "services/exchange/laterality.h"

#include <algorithm>
#include <cctype>
#include <span>
#include <vector>

namespace custodian::exchange {
namespace {

constexpr std::string_view kSnomed = "http://snomed.info/sct";
constexpr std::string_view kLeft = "left";
constexpr std::string_view kRight = "right";
constexpr std::string_view kBilateral = "bilateral";

struct SidedCode {
  std::string_view code;
  std::string_view side;
};
// SNOMED CT: qualifiers, and structures that carry their side.
constexpr SidedCode kQualifiers[] = {
    {"7771000", kLeft},   {"24028007", kRight},  {"51440002", kBilateral},  // left, right, right and left
    {"419161000", kLeft}, {"419465000", kRight},                            // unilateral left, unilateral right
};
constexpr SidedCode kStructures[] = {
    {"82169009", kLeft}, {"6757004", kRight},  {"36701003", kBilateral},  // knees
    {"80248007", kLeft}, {"73056007", kRight}, {"63762007", kBilateral},  // breasts
};

std::string_view SideIn(std::span<const SidedCode> codes, std::string_view code) {
  for (const SidedCode& sided : codes)
    if (code == sided.code) return sided.side;
  return "";
}

// DICOM (0020,0060), HL7 table 0163 and the CPT modifiers agree on these letters.
std::string_view SideOfLetters(std::string_view code) {
  if (code == "L" || code == "LT") return kLeft;
  if (code == "R" || code == "RT") return kRight;
  return code == "B" || code == "BIL" ? kBilateral : "";
}

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
  std::string_view side = system == kSnomed ? SideIn(kQualifiers, code) : SideOfLetters(code);
  if (side.empty() && system == kSnomed) side = SideIn(kStructures, code);
  return side.empty() ? SideOfWords(coding.TextOf("display")) : std::string(side);
}

bool IsSideAlone(const Json& concept_json) {
  const std::vector<Json>& codings = concept_json["coding"].items();
  return !codings.empty() && std::all_of(codings.begin(), codings.end(), [](const Json& coding) {
    const std::string& code = coding.TextOf("code");
    return !(coding.TextOf("system") == kSnomed ? SideIn(kQualifiers, code) : SideOfLetters(code)).empty();
  });
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
