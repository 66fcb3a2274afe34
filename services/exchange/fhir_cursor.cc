#include "services/exchange/fhir_cursor.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "openssl/crypto.h"
#include "tenants/ids.h"

namespace custodian::exchange {
namespace {

absl::StatusOr<std::string> Mark(const FhirCall& call, std::string_view question, const Cursor& cursor, keys::Sealer& sealer) {
  const auto token = sealer.IndexToken(call.partition->tenant.id, absl::StrCat("fhir-cursor\n", call.client.spiffe_id, "\n", cursor.snapshot, "\n",
                                                                               cursor.offset, "\n", std::string(question)));
  if (!token.ok()) return token.status();
  return HexEncode(token->substr(0, 16));
}

}  // namespace

absl::StatusOr<std::string> WriteCursor(const FhirCall& call, std::string_view question, const Cursor& cursor, keys::Sealer& sealer) {
  const auto mark = Mark(call, question, cursor, sealer);
  if (!mark.ok()) return mark.status();
  return absl::StrCat(cursor.snapshot, "-", cursor.offset, "-", *mark);
}

Answer<Cursor> ReadCursor(const FhirCall& call, std::string_view question, const std::string& text, keys::Sealer& sealer) {
  if (text.empty()) return Cursor{call.partition->writer->size(), 0};
  const std::vector<std::string> parts = absl::StrSplit(text, '-');
  Cursor cursor;
  if (parts.size() == 3 && absl::SimpleAtoi(parts[0], &cursor.snapshot) && absl::SimpleAtoi(parts[1], &cursor.offset)) {
    const auto mark = Mark(call, question, cursor, sealer);
    if (!mark.ok()) return RefusalOf(mark.status());
    if (mark->size() == parts[2].size() && CRYPTO_memcmp(mark->data(), parts[2].data(), mark->size()) == 0) return cursor;
  }
  return Refuse(400, "value", "_cursor is not one that this server gave to this client for this request. Begin again without it.");
}

}  // namespace custodian::exchange
