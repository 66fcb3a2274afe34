// Tables of rules as governed data: CSV (RFC 4180) with named columns, in the form in which they stand on the governance log. Pure.
#ifndef CUSTODIAN_SERVICES_CONSENT_GOVERNED_TABLE_H_
#define CUSTODIAN_SERVICES_CONSENT_GOVERNED_TABLE_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace custodian::consent {

struct CsvRecord {
  // Line of the record's first character, from 1.
  int line = 0;
  std::vector<std::string> fields;
};

// Fields in double quotes may hold commas, line breaks and doubled quotes; empty lines are passed over. InvalidArgument that begins "line N: ".
[[nodiscard]] absl::StatusOr<std::vector<CsvRecord>> ParseCsv(std::string_view text);

class GovernedTable {
 public:
  // The first line must name each of `columns` once; further columns are kept and not looked at. InvalidArgument naming table, line and
  // column.
  [[nodiscard]] static absl::StatusOr<GovernedTable> Parse(std::string_view name, std::string_view csv, const std::vector<std::string>& columns);

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  // `row` below size(), `column` one of those asked for.
  [[nodiscard]] const std::string& Text(std::size_t row, const std::string& column) const { return rows_[row].fields[columns_.at(column)]; }
  // InvalidArgument that says where.
  [[nodiscard]] absl::Status Fault(std::size_t row, std::string_view column, std::string_view what) const;

 private:
  std::string name_;
  std::map<std::string, std::size_t> columns_;
  std::vector<CsvRecord> rows_;
};

}  // namespace custodian::consent

#endif  // CUSTODIAN_SERVICES_CONSENT_GOVERNED_TABLE_H_
