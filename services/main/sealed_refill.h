// What `custodian tenant refill` does beside the log: sealed records and wrapped keys back from a mirror, each checked against its entry.
#ifndef CUSTODIAN_SERVICES_MAIN_SEALED_REFILL_H_
#define CUSTODIAN_SERVICES_MAIN_SEALED_REFILL_H_

#include <cstdint>
#include <string>

#include "ledger/audit.h"
#include "services/rpc/https_client.h"
#include "tenants/database.h"

namespace custodian::main {

// "sealed/…" of the log of `origin` at a mirror: by its URL, or on its machine from its --state folder, of the `size` entries of its checkpoint. `custodian` is the author
// of what names sealed things. NotFound when the folder keeps nothing sealed of that log.
[[nodiscard]] ledger::ByteSource SealedSource(const rpc::HttpsClient& client, const std::string& from, const std::string& origin, std::uint64_t size,
                                              const std::string& custodian);

struct SealedRefill {
  // The mirror's log, which was judged, and what it keeps beside it.
  ledger::ByteSource log;
  ledger::ByteSource sealed;
  std::uint64_t size = 0;
  std::string custodian;
  // The latest epoch that the log names: a key of an earlier one does not come back.
  std::uint64_t newest_epoch = 0;
};

struct SealedRefilled {
  // Put back, for they were missing or altered.
  std::uint64_t records = 0;
  std::uint64_t keys = 0;
  // Named by entries, and the mirror has them not: replaced forms of keys, and what it never was given.
  std::uint64_t not_kept = 0;
  // It hands over nothing at all.
  bool keeps_nothing = false;
};

// A transaction for each page's worth, so that it may be interrupted and run again. Throws CommandFailed when the mirror hands over something altered: nothing of that page
// is put back.
[[nodiscard]] SealedRefilled RefillSealed(const SealedRefill& refill, const tenants::Database& records, const tenants::Database& keys);

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_SEALED_REFILL_H_
