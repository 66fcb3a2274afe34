// Stores what a FHIR interaction brings, all or nothing: one Write with sealed versions, RECORD_STORED, CONSENT_SET and KEY_STORED
// entries, and the outbox rows of what must follow. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_WRITER_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/exchange/fhir_answer.h"
#include "services/exchange/fhir_transaction.h"
#include "services/keys/key_client.h"
#include "services/keys/sealer.h"
#include "tenants/partitions.h"

namespace custodian::exchange {

// What became of one entry.
struct StoredEntry {
  std::string type;
  std::string id;
  std::uint64_t version = 1;
  // False for an update, and for a conditional create that found its resource (`version` is then that of the moment).
  bool created = true;
  // `version` is the tombstone's; 0 when there was nothing to delete.
  bool deleted = false;
};
struct StoredTransaction {
  std::vector<StoredEntry> entries;
  absl::Time time;
};

class FhirWriter {
 public:
  struct Limits {
    // Different patients in one interaction.
    std::size_t patients_max = 1'000;
  };
  FhirWriter(keys::Sealer& sealer, keys::KeyClient& keys, Limits limits);
  ~FhirWriter();

  struct Request {
    tenants::Partition* partition = nullptr;
    // SPIFFE id of the client.
    std::string client;
    // Base of the tenant's FHIR URLs, without a slash at the end.
    std::string base_url;
    // The client's Idempotency-Key; empty without. The same key again gets the first answer; with another `content`, 422.
    std::string idempotency_key;
    // Method, path and body as received.
    std::string content;
    std::vector<TransactionEntry> entries;
    // False: the caller keeps its answers itself. The same key and content again then changes nothing and gets the first time; the
    // entries it gets are those of this request.
    bool keep_answer = true;
    // Rows of the caller's own, in the same transaction; not written when every entry was a conditional create of what exists.
    std::vector<tenants::Row> rows = {};
    // False: what follows is left to the background drain, within a second or so; for many writes that nobody waits to see.
    bool await_follow_up = true;
  };
  // Returns once durable and what follows (locator, savings) has run.
  [[nodiscard]] Answer<StoredTransaction> Apply(const Request& request) const;

 private:
  class Recorded;
  // Returns once durable.
  [[nodiscard]] Answer<StoredTransaction> Store(const Request& request) const;
  keys::Sealer& sealer_;
  keys::KeyClient& keys_;
  const Limits limits_;
  std::unique_ptr<Recorded> recorded_;
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_WRITER_H_
