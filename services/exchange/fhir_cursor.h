// Where the next page of a search, a history or an $everything begins: a snapshot of the log and a position in it, authenticated under
// the tenant's index key and bound to the client and to what it asked. The server remembers nothing; a page shows what was stored
// when the first was made.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_FHIR_CURSOR_H_
#define CUSTODIAN_SERVICES_EXCHANGE_FHIR_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "services/exchange/fhir_answer.h"
#include "services/exchange/fhir_call.h"
#include "services/keys/sealer.h"

namespace custodian::exchange {

struct Cursor {
  // Only versions that entries below this position of the partition's log prove.
  std::uint64_t snapshot = 0;
  // Matches on the pages before.
  std::size_t offset = 0;
};

// `question`: what was asked, without the cursor; the same text must come back with it.
[[nodiscard]] absl::StatusOr<std::string> WriteCursor(const FhirCall& call, std::string_view question, const Cursor& cursor, keys::Sealer& sealer);
// A first page, at the log's size of now, for an empty `text`. 400 for a cursor that this server did not give for that question.
[[nodiscard]] Answer<Cursor> ReadCursor(const FhirCall& call, std::string_view question, const std::string& text, keys::Sealer& sealer);

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_FHIR_CURSOR_H_
