// Logs over HTTPS, for admitted readers alone (readers.h): `/log/<16 hex>/checkpoint`, `/log/<16 hex>/tile/...` (C2SP tlog-tiles)
// `/log/<16 hex>/receipt/<index>` (C2SP tlog-proof) and `/log/<16 hex>/subject/<32 hex>` (ledger/subject_list.h); for a node of the log's own tenant also
// `/log/<16 hex>/sealed/<index>/<ordinal>` (ledger/sealed_items.h), which for everybody else is no resource. The 16 hex digits are the end of the log's origin.
// Full tiles and receipts, which never change, are answered from memory when they were asked for before, and may be kept by who gets them. Thread-safe.
#ifndef CUSTODIAN_SERVICES_LOG_TILE_SERVICE_H_
#define CUSTODIAN_SERVICES_LOG_TILE_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "ledger/sealed_items.h"
#include "services/log/kept_answers.h"
#include "services/log/readers.h"
#include "services/rpc/http.h"
#include "tenants/log_reader.h"

namespace custodian::log {

// The witnessed receipt of an entry; Unavailable while no published checkpoint covers it, NotFound past the end.
using MakeReceipt = std::function<absl::StatusOr<std::string>(std::string_view origin, std::uint64_t index)>;

// The complete list of a subject's entries (MakeSubjectList in subject_index.h); `subject` has 16 bytes.
using ListSubject = std::function<absl::StatusOr<std::string>(std::string_view origin, std::string_view subject)>;

// A page of what is sealed beside a log (SealedPages in sealed_pages.h).
using ReadSealed = std::function<absl::StatusOr<std::string>(std::string_view origin, const ledger::SealedPath& from)>;

class TileService {
 public:
  // The log of an origin that this process runs (a partition's or the governance log's), or null.
  using FindLog = std::function<const tenants::LogReader*(std::string_view origin)>;
  TileService(std::string network, const Readers& readers, FindLog find_log, MakeReceipt make_receipt, ListSubject list_subject,
              ReadSealed read_sealed = {});

  // Of all logs together: tiles and receipts kept.
  static constexpr std::size_t kKeptBytesMax = std::size_t{32} << 20;

  // A GET below "/log/".
  [[nodiscard]] rpc::HttpResponse Handle(const rpc::HttpRequest& request) const;

 private:
  [[nodiscard]] rpc::HttpResponse Serve(const tenants::LogReader& log, const std::string& origin, const std::string& resource) const;

  const std::string network_;
  const Readers& readers_;
  const FindLog find_log_;
  const MakeReceipt make_receipt_;
  const ListSubject list_subject_;
  // Null where nothing is offered.
  const ReadSealed read_sealed_;
  mutable KeptAnswers kept_{kKeptBytesMax};
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_TILE_SERVICE_H_
