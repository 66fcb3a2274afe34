// Inserts the rows of many writes set-wise: one statement a table, one array a column, every value a parameter.
#ifndef CUSTODIAN_TENANTS_ROW_INSERT_H_
#define CUSTODIAN_TENANTS_ROW_INSERT_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "tenants/binary_array.h"
#include "tenants/partition_writer.h"
#include "tenants/transaction.h"

namespace custodian::tenants {

// InvalidArgument (our own bug, found before it reaches SQL) unless the values fit the table's columns and each IndexOf names one
// of `entries` entries.
[[nodiscard]] absl::Status CheckRow(const Row& row, std::size_t entries);

// ledger::RowSha256 of a row that CheckRow accepted, without the values that only the commit fills in.
[[nodiscard]] ledger::Hash DigestOf(const Row& row);

class RowInsert {
 public:
  // Adds the rows of one Write, in their order; IndexOf{n} becomes first_index + n, CommitTime becomes time_ms. A table that comes
  // before another in some Write is inserted before it.
  void Add(const std::vector<Row>& rows, std::uint64_t first_index, std::int64_t time_ms);
  // Throws what libpqxx throws, into the Database that lent the transaction.
  void Execute(WriteTransaction& transaction) const;

 private:
  struct Target {
    const Table* table;
    std::vector<BinaryArray> columns;
  };
  Target& TargetOf(const Table& table, const Table* before);

  std::vector<Target> targets_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_ROW_INSERT_H_
