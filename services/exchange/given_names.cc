#include "services/exchange/given_names.h"

#include <unordered_map>

#include "services/exchange/data_files.h"

namespace custodian::exchange {
namespace {

// Takes what stands before the separator.
std::string_view Take(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return taken;
}

const std::unordered_map<std::string_view, std::vector<std::string_view>>& Names() {
  static const auto& names = *[] {
    auto* read = new std::unordered_map<std::string_view, std::vector<std::string_view>>();
    std::string_view csv = GivenNamesCsv();
    Take(csv, '\n');
    while (!csv.empty()) {
      std::string_view line = Take(csv, '\n');
      const std::string_view name = Take(line, ',');
      std::vector<std::string_view>& formal = (*read)[name];
      while (!line.empty()) formal.push_back(Take(line, ';'));
    }
    return read;
  }();
  return names;
}

}  // namespace

bool IsGivenName(std::string_view name) { return Names().contains(name); }

const std::vector<std::string_view>& FormalNamesOf(std::string_view name) {
  static const auto& none = *new std::vector<std::string_view>();
  const auto found = Names().find(name);
  return found == Names().end() ? none : found->second;
}

}  // namespace custodian::exchange
