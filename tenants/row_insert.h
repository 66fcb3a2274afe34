// Inserts the rows of many writes set-wise: one part of the commit's statement a table, one array a column, every value a parameter.
#ifndef CUSTODIAN_TENANTS_ROW_INSERT_H_
#define CUSTODIAN_TENANTS_ROW_INSERT_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tenants/binary_array.h"
#include "tenants/commit_statement.h"
#include "tenants/partition_writer.h"

namespace custodian::tenants {

// InvalidArgument (our own bug, found before it reaches SQL) unless the values fit the table's columns and each IndexOf names one
// of `entries` entries.
[[nodiscard]] absl::Status CheckRow(const Row& row, std::size_t entries);

// ledger::RowSha256 of a row that CheckRow accepted, without the values that only the commit fills in.
[[nodiscard]] ledger::Hash DigestOf(const Row& row);

class RowInsert {
 public:
  // Adds the rows of one Write; IndexOf{n} becomes first_index + n, CommitTime becomes time_ms.
  void Add(const std::vector<Row>& rows, std::uint64_t first_index, std::int64_t time_ms);
  void AddTo(CommitStatement& statement) const;

 private:
  // By name first, so that the same tables make the same statement; a column each.
  std::map<std::pair<std::string, const Table*>, std::vector<BinaryArray>> targets_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_ROW_INSERT_H_
