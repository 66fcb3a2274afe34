// Transactions as stores receive them: a read one cannot write. A store (`*_store.cc`) includes <pqxx/pqxx> and runs SQL on
// sql(); exceptions of pqxx are caught by the Database that lent the transaction and become a Status. Used by one thread.
#ifndef CUSTODIAN_TENANTS_TRANSACTION_H_
#define CUSTODIAN_TENANTS_TRANSACTION_H_

namespace pqxx {
class transaction_base;
}

namespace custodian::tenants {

class ReadTransaction {
 public:
  explicit ReadTransaction(pqxx::transaction_base& sql) : sql_(sql) {}
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;
  // READ ONLY at the server unless this is a WriteTransaction.
  [[nodiscard]] pqxx::transaction_base& sql() { return sql_; }

 private:
  pqxx::transaction_base& sql_;
};

class WriteTransaction : public ReadTransaction {
 public:
  using ReadTransaction::ReadTransaction;
};

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_TRANSACTION_H_
