#include "services/savings/prices.h"

#include <charconv>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace custodian::savings {
namespace {

constexpr std::string_view kHeader = "class_id,valid_from,cents";

absl::Status Fault(int line, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", absl::string_view(what.data(), what.size())));
}

std::optional<absl::Time> ParseMoment(const std::string& text) {
  absl::Time time;
  std::string error;
  // 10 characters exactly: ParseTime alone would take "2025-1-1".
  if (text.size() == 10) {
    if (absl::ParseTime("%Y-%m-%d", text, absl::UTCTimeZone(), &time, &error)) return time;
  } else if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return time;
  }
  return std::nullopt;
}

bool IsClassId(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  for (const char c : text) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<PriceTable> PriceTable::Parse(std::string_view csv) {
  PriceTable table;
  int number = 0;
  bool any = false;
  for (const absl::string_view raw : absl::StrSplit(absl::string_view(csv.data(), csv.size()), '\n')) {
    ++number;
    std::string_view line(raw.data(), raw.size());
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (number == 1) {
      if (line != kHeader)
        return Fault(number, absl::StrCat("expected the header ", absl::string_view(kHeader.data(), kHeader.size())));
      continue;
    }
    if (line.empty()) continue;
    const std::vector<std::string> fields = absl::StrSplit(absl::string_view(line.data(), line.size()), ',');
    if (fields.size() != 3) return Fault(number, "expected three fields: class_id, valid_from, cents");
    if (!IsClassId(fields[0])) return Fault(number, "class_id: expected lower-case letters, digits and '-'");
    const auto valid_from = ParseMoment(fields[1]);
    if (!valid_from) return Fault(number, "valid_from: expected a date like 2026-01-01 or an RFC 3339 time");
    std::int64_t cents = 0;
    const char* const end = fields[2].data() + fields[2].size();
    const auto [stop, error] = std::from_chars(fields[2].data(), end, cents);
    if (error != std::errc() || stop != end || cents < 0 || cents > kPriceCentsMax) {
      return Fault(number, absl::StrCat("cents: expected a whole number from 0 to ", kPriceCentsMax));
    }
    if (!table.versions_[fields[0]].emplace(*valid_from, cents).second) {
      return Fault(number, absl::StrCat("a second price of ", fields[0], " from the same moment"));
    }
    any = true;
  }
  if (!any) return Fault(number, "expected at least one price");
  return table;
}

std::optional<std::int64_t> PriceTable::CentsAt(std::string_view class_id, absl::Time t) const {
  const auto versions = versions_.find(class_id);
  if (versions == versions_.end()) return std::nullopt;
  const auto after = versions->second.upper_bound(t);
  if (after == versions->second.begin()) return std::nullopt;
  return std::prev(after)->second;
}

}  // namespace custodian::savings
