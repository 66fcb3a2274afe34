#include "services/exchange/given_names.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

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

std::vector<std::string_view> MeantNamesOf(std::string_view name) {
  constexpr std::size_t kMin = 4, kMax = 16;
  std::vector<std::string_view> meant;
  if (name.size() < kMin || name.size() > kMax || IsGivenName(name)) return meant;
  const auto consider = [&meant](const std::string& other) {
    const auto found = Names().find(other);
    if (found != Names().end() && std::find(meant.begin(), meant.end(), found->first) == meant.end()) meant.push_back(found->first);
  };
  for (std::size_t i = 0; i <= name.size(); ++i) {
    std::string other(name);
    if (i < name.size()) consider(other.erase(i, 1));
    for (char letter = 'a'; letter <= 'z'; ++letter) {
      consider(std::string(name).insert(i, 1, letter));
      if (i < name.size()) consider(std::string(name).replace(i, 1, 1, letter));
    }
    if (i + 1 < name.size()) {
      other = name;
      std::swap(other[i], other[i + 1]);
      consider(other);
    }
  }
  return meant;
}

}  // namespace custodian::exchange
