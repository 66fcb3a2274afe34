// Transactions as stores receive them: a read one cannot write. A store (`*_store.cc`) runs SQL by Execute() (execute.h) or, where it is
// not constant, on sql(); exceptions of pqxx are caught by the Database that lent the transaction and become a Status. Used by one thread.
#ifndef CUSTODIAN_TENANTS_TRANSACTION_H_
#define CUSTODIAN_TENANTS_TRANSACTION_H_

#include <string>

namespace pqxx {
class transaction_base;
}

namespace custodian::tenants {

class Session;

class ReadTransaction {
 public:
  ReadTransaction(pqxx::transaction_base& sql, Session& session) : sql_(sql), session_(session) {}
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;
  // READ ONLY at the server unless this is a WriteTransaction.
  [[nodiscard]] pqxx::transaction_base& sql() { return sql_; }
  // Name under which the session has prepared it.
  [[nodiscard]] const std::string& Prepared(const std::string& sql);

 private:
  pqxx::transaction_base& sql_;
  Session& session_;
};

class WriteTransaction : public ReadTransaction {
 public:
  using ReadTransaction::ReadTransaction;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_TRANSACTION_H_
