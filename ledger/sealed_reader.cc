#include "ledger/sealed_reader.h"

#include <string>

namespace custodian::ledger {

absl::StatusOr<std::optional<v1::SealedItem>> SealedReader::Fetch(std::uint64_t index, std::uint32_t ordinal) {
  const Position position{index, ordinal};
  if (!page_ || position < page_->from || position >= page_->next)
    if (absl::Status status = ReadPage(position); !status.ok()) return status;
  const auto found = page_->items.find(position);
  if (found == page_->items.end()) return std::nullopt;
  v1::SealedItem item = std::move(found->second);
  page_->items.erase(found);
  return item;
}

absl::Status SealedReader::ReadPage(const Position& from) {
  page_.reset();
  const std::string path = SealedPath{from.first, from.second}.ToString();
  const auto bytes = read_(path);
  if (absl::IsNotFound(bytes.status()) || absl::IsPermissionDenied(bytes.status()))
    return absl::FailedPreconditionError("nothing that is sealed is handed over: " + std::string(bytes.status().message()));
  if (!bytes.ok()) return bytes.status();
  ++pages_;
  v1::SealedPage page;
  if (!page.ParseFromString(*bytes)) return absl::FailedPreconditionError(path + " cannot be read");
  Page read{from, {page.next_index(), page.next_ordinal()}, {}};
  if (read.next <= from) return absl::FailedPreconditionError(path + " leads nowhere");
  for (v1::SealedItem& item : *page.mutable_items()) read.items.insert_or_assign(Position(item.index(), item.ordinal()), std::move(item));
  page_ = std::move(read);
  return absl::OkStatus();
}

}  // namespace custodian::ledger
