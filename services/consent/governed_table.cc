#include "services/consent/governed_table.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace custodian::consent {
namespace {

absl::Status Invalid(std::string_view name, int line, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(name), ": line ", line, std::string(what)));
}

}  // namespace

absl::StatusOr<std::vector<CsvRecord>> ParseCsv(std::string_view text) {
  std::vector<CsvRecord> records;
  int line = 1;
  std::size_t at = 0;
  while (at < text.size()) {
    CsvRecord record{line, {}};
    bool ended = false;
    while (!ended) {
      std::string field;
      if (at < text.size() && text[at] == '"') {
        const int opened = line;
        for (++at;; ++at) {
          if (at == text.size()) return absl::InvalidArgumentError(absl::StrCat("line ", opened, ": a quote is never closed"));
          if (text[at] == '"') {
            if (at + 1 < text.size() && text[at + 1] == '"') {
              ++at;
            } else {
              ++at;
              break;
            }
          }
          if (text[at] == '\n') ++line;
          field += text[at];
        }
        if (at < text.size() && text[at] != ',' && text[at] != '\n' && text[at] != '\r')
          return absl::InvalidArgumentError(absl::StrCat("line ", line, ": text after a closing quote"));
      } else {
        while (at < text.size() && text[at] != ',' && text[at] != '\n' && text[at] != '\r') field += text[at++];
      }
      record.fields.push_back(std::move(field));
      if (at < text.size() && text[at] == ',') {
        ++at;
        continue;
      }
      if (at < text.size() && text[at] == '\r') ++at;
      if (at < text.size() && text[at] == '\n') ++at;
      ++line;
      ended = true;
    }
    if (record.fields.size() > 1 || !record.fields[0].empty()) records.push_back(std::move(record));
  }
  return records;
}

absl::StatusOr<GovernedTable> GovernedTable::Parse(std::string_view name, std::string_view csv, const std::vector<std::string>& columns) {
  auto records = ParseCsv(csv);
  if (!records.ok()) return absl::InvalidArgumentError(absl::StrCat(std::string(name), ": ", std::string(records.status().message())));
  if (records->empty()) return Invalid(name, 1, " must name the columns");
  GovernedTable table;
  table.name_ = name;
  const std::vector<std::string>& header = records->front().fields;
  for (std::size_t i = 0; i < header.size(); ++i)
    if (!table.columns_.emplace(header[i], i).second) return Invalid(name, records->front().line, absl::StrCat(", column ", header[i], ": is named twice"));
  for (const std::string& column : columns)
    if (!table.columns_.contains(column)) return Invalid(name, records->front().line, absl::StrCat(", column ", column, ": is missing"));
  for (std::size_t i = 1; i < records->size(); ++i) {
    CsvRecord& record = (*records)[i];
    if (record.fields.size() != header.size())
      return Invalid(name, record.line, absl::StrCat(" has ", record.fields.size(), " fields, not ", header.size()));
    table.rows_.push_back(std::move(record));
  }
  return table;
}

absl::Status GovernedTable::Fault(std::size_t row, std::string_view column, std::string_view what) const {
  return Invalid(name_, rows_[row].line, absl::StrCat(", column ", std::string(column), ": ", std::string(what)));
}

}  // namespace custodian::consent
