#include "tenants/commit_statement.h"

#include <utility>

#include "fmt/format.h"
#include "tenants/execute.h"

namespace custodian::tenants {

std::string CommitStatement::Parameter(std::string bytes, std::string_view type) {
  parameters_.push_back(std::move(bytes));
  return fmt::format("${}::{}", parameters_.size(), type);
}

std::string CommitStatement::Bigint(std::int64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> shift & 0xFF);
  return Parameter(std::move(bytes), "bigint");
}

std::string CommitStatement::Array(const BinaryArray& array) { return Parameter(array.Encode(), array.type()); }

void CommitStatement::SwapHead(std::string_view update) { head_ = fmt::format("head AS ({} RETURNING true)", update); }

void CommitStatement::Insert(std::string_view insert) { parts_ += fmt::format(", part_{} AS ({})", ++count_, insert); }

bool CommitStatement::Execute(WriteTransaction& transaction) const {
  std::vector<pqxx::binarystring> parameters;
  parameters.reserve(parameters_.size());
  for (const std::string& bytes : parameters_) parameters.emplace_back(bytes);
  const pqxx::result rows = tenants::Execute(transaction, fmt::format("WITH {}{} SELECT FROM head", head_, parts_),
                                             pqxx::prepare::make_dynamic_params(parameters));
  return rows.size() == 1;
}

}  // namespace custodian::tenants
