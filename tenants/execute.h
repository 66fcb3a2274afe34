// How stores run a statement: prepared once in each session, so that it is parsed and planned once however often it runs. For SQL of few
// texts only: a session keeps some hundred, and begins anew when there are more. Throws what libpqxx throws, to the Database that lent the transaction.
#ifndef CUSTODIAN_TENANTS_EXECUTE_H_
#define CUSTODIAN_TENANTS_EXECUTE_H_

#include <pqxx/pqxx>
#include <string>

#include "tenants/transaction.h"

namespace custodian::tenants {

template <typename... Arguments>
pqxx::result Execute(ReadTransaction& transaction, const std::string& sql, const Arguments&... arguments) {
  return transaction.sql().exec_prepared(transaction.Prepared(sql), arguments...);
}

}  // namespace custodian::tenants

#endif  // CUSTODIAN_TENANTS_EXECUTE_H_
