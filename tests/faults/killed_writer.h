// The writes of random_kills.cc, each made of its number alone, so that the one who kills and the one who is killed mean the same; and the child
// that makes them.
//
// The child's lines: `ready`; then for each line `<number>` or `<number> other` that it reads, in any order, one of
//   <number> admitted <first index> <1 when replayed>
//   <number> refused        its content was judged
//   <number> open           nobody can say
// with ` other` at the end where it was asked for.
#ifndef CUSTODIAN_TESTS_FAULTS_KILLED_WRITER_H_
#define CUSTODIAN_TESTS_FAULTS_KILLED_WRITER_H_

#include <memory>
#include <string>
#include <vector>

#include "ledger/signature.h"
#include "tenants/partition_writer.h"

namespace custodian::faults {

inline constexpr char kKilledOrigin[] = "faults.example/p/00000000000000bb";

enum class WriteKind {
  // An entry of the custodian's, with a row.
  kOwn,
  // A batch that another author signed.
  kSigned,
  // Its precondition never holds.
  kRefused,
};
[[nodiscard]] WriteKind KindOf(int number);
// Idempotency keys of its entries, in order.
[[nodiscard]] std::vector<std::string> KeysOf(int number);
// `other`: of kOwn, the same idempotency key with another row and another request digest.
[[nodiscard]] tenants::Write WriteOf(int number, bool other, const ledger::Signer& author);
// Id of the row of a write of kOwn, 32 bytes.
[[nodiscard]] std::string RowOf(int number, bool other);

}  // namespace custodian::faults

#endif  // CUSTODIAN_TESTS_FAULTS_KILLED_WRITER_H_
