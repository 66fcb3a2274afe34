// Taking a text of this folder's formats apart, line by line. Pure.
#ifndef CUSTODIAN_LEDGER_LINES_H_
#define CUSTODIAN_LEDGER_LINES_H_

#include <string_view>

namespace custodian::ledger {

// The next line, and the text behind it; false at a line without its newline.
[[nodiscard]] inline bool TakeLine(std::string_view& text, std::string_view& line) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return false;
  line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return true;
}

// False, and nothing changes, when the line does not begin so.
[[nodiscard]] inline bool TakePrefix(std::string_view& line, std::string_view prefix) {
  if (line.substr(0, prefix.size()) != prefix) return false;
  line.remove_prefix(prefix.size());
  return true;
}

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_LINES_H_
