// Reads what is sealed beside a log, item by item, over the pages that a custodian or a mirror serves: a page that covers the next position is not asked for
// again. Judges nothing: CheckSealed() does. Used by one thread; holds one page at a time.
#ifndef CUSTODIAN_LEDGER_SEALED_READER_H_
#define CUSTODIAN_LEDGER_SEALED_READER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "ledger/audit.h"
#include "ledger/sealed_items.h"

namespace custodian::ledger {

class SealedReader {
 public:
  // `read` gives "sealed/…".
  explicit SealedReader(ByteSource read) : read_(std::move(read)) {}

  // The item at a position, each once; nothing when it is not there. FailedPrecondition when nothing is handed over at all, or what is cannot be understood;
  // and whatever `read` fails with.
  [[nodiscard]] absl::StatusOr<std::optional<v1::SealedItem>> Fetch(std::uint64_t index, std::uint32_t ordinal);
  // Asks anew for whatever comes next.
  void Forget() { page_.reset(); }
  // How many were read.
  [[nodiscard]] int pages() const { return pages_; }

 private:
  using Position = std::pair<std::uint64_t, std::uint32_t>;
  struct Page {
    Position from;
    Position next;
    std::map<Position, v1::SealedItem> items;
  };
  [[nodiscard]] absl::Status ReadPage(const Position& from);

  const ByteSource read_;
  std::optional<Page> page_;
  int pages_ = 0;
};

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_SEALED_READER_H_
