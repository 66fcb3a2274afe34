// The one statement that a commit is, so that it takes one round trip however many tables it fills: it swaps the head of the log, and every
// part inserts only if that succeeded (each reads `head`, which then has one row). Pure but for Execute(). Used by one thread.
#ifndef CUSTODIAN_TENANTS_COMMIT_STATEMENT_H_
#define CUSTODIAN_TENANTS_COMMIT_STATEMENT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenants/binary_array.h"
#include "tenants/transaction.h"

namespace custodian::tenants {

class CommitStatement {
 public:
  // What stands for a value in the SQL of a part, as "$3::bytea".
  [[nodiscard]] std::string Bytea(std::string_view bytes) { return Parameter(std::string(bytes), "bytea"); }
  [[nodiscard]] std::string Bigint(std::int64_t value);
  // As "$3::bytea[]".
  [[nodiscard]] std::string Array(const BinaryArray& array);

  // An UPDATE of ledger.head without its RETURNING; once.
  void SwapHead(std::string_view update);
  // An INSERT ... SELECT ... FROM head, ...
  void Insert(std::string_view insert);

  // False when the head was another than the UPDATE expected: then nothing was changed. Throws what libpqxx throws.
  [[nodiscard]] bool Execute(WriteTransaction& transaction) const;

 private:
  std::string Parameter(std::string bytes, std::string_view type);

  std::string head_;
  // SQL, each beginning with a comma.
  std::string parts_;
  int count_ = 0;
  // In PostgreSQL's binary format.
  std::vector<std::string> parameters_;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_COMMIT_STATEMENT_H_
