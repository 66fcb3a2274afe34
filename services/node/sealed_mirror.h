// What lies sealed beside one mirrored log: it walks the entries that the mirror holds, has whatever they name and it lacks handed over by the custodian,
// checks each item against its entry, and keeps it (sealed_copy.h). Nothing is remembered but the files: a start walks from the first entry on and
// checks every byte again. What the custodian does not hand over, or hands over altered, is asked for again every minute and told as an alarm until it is there.
//
// A wrapped key is kept in the form that the newest entry names: when it was resealed, the older form is gone once the newer is held. Nothing is
// ever deleted at the custodian's word (README.md says what follows for erased patients).
//
// Step() is for one thread, the others for any.
#ifndef CUSTODIAN_SERVICES_NODE_SEALED_MIRROR_H_
#define CUSTODIAN_SERVICES_NODE_SEALED_MIRROR_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "ledger/audit.h"
#include "ledger/sealed_items.h"
#include "ledger/sealed_reader.h"
#include "services/node/sealed_copy.h"

namespace custodian::node {

// A log's copy: what may be read of it now, and its bundles.
struct SealedLog {
  std::string origin;
  // Author of what names sealed things.
  std::string custodian;
  std::function<std::uint64_t()> size;
  // "tile/entries/…" below that size.
  ledger::ByteSource read;
};

// The page from a position on, of what is on disk (a serialized ledger.v1.SealedPage); what is missing there is left out. OutOfRange past the log's end.
[[nodiscard]] absl::StatusOr<std::string> SealedPageOf(const SealedLog& log, const SealedCopy& copy, const ledger::SealedPath& from);

class SealedMirror {
 public:
  struct Options {
    absl::Duration retry = absl::Minutes(1);
    // Of one Step(), so that the logs are followed meanwhile.
    int segments_max = 256;
    int pages_max = 8;
    // Segments with something missing that are remembered; with more of them the walk waits.
    std::size_t gaps_max = 4'096;
    // Wrapped keys of an earlier epoch are neither kept nor asked for.
    std::uint64_t keys_from_epoch = 0;
  };
  SealedMirror(SealedLog log, std::unique_ptr<SealedCopy> copy, Options options)
      : log_(std::move(log)), copy_(std::move(copy)), options_(options) {}

  // Goes some way on; `read` gives the custodian's "sealed/…". OK also while things are missing, which is told and in figures(). Whatever `read` or the disk
  // fails with: call again. Cancelled once `stopped`.
  [[nodiscard]] absl::Status Step(const ledger::ByteSource& read, absl::Time now, const std::atomic<bool>& stopped);

  struct Figures {
    // Below this entry everything was looked for.
    std::uint64_t size = 0;
    // Named by those entries, and of it not held, and handed over altered when asked last.
    std::uint64_t named = 0;
    std::uint64_t missing = 0;
    std::uint64_t altered = 0;
    // For people: the first that is missing, and why.
    std::string first;
  };
  [[nodiscard]] Figures figures() const;
  [[nodiscard]] std::string StatusJson() const;
  [[nodiscard]] absl::StatusOr<std::string> Page(const ledger::SealedPath& from) const { return SealedPageOf(log_, *copy_, from); }

 private:
  using Position = std::pair<std::uint64_t, std::uint32_t>;
  // What is missing of a segment.
  struct Gap {
    std::uint64_t missing = 0;
    std::uint64_t altered = 0;
    std::string first;
  };
  [[nodiscard]] absl::Status Walk(ledger::SealedReader& reader, absl::Time now, const std::atomic<bool>& stopped);
  [[nodiscard]] absl::Status TakeSegment(std::uint64_t segment, std::uint64_t size, ledger::SealedReader& reader);
  [[nodiscard]] absl::Status FindHeld(std::uint64_t segment, const std::vector<ledger::SealedName>& names, std::vector<bool>& held) const;
  [[nodiscard]] absl::Status FindHeldKeys(const std::vector<ledger::SealedName>& names, std::vector<bool>& held) const;
  [[nodiscard]] absl::Status Keep(std::uint64_t segment, const std::vector<std::pair<const ledger::SealedName*, ledger::v1::SealedItem>>& items);
  void Tell(const absl::Status& status);

  const SealedLog log_;
  const std::unique_ptr<SealedCopy> copy_;
  const Options options_;

  // Of the thread that follows.
  std::uint64_t next_segment_ = 0;
  // Size of the log when the segment at its edge was taken, and what that segment named then.
  std::uint64_t edge_size_ = 0;
  std::uint64_t edge_named_ = 0;
  std::uint64_t named_ = 0;
  std::map<std::uint64_t, Gap> gaps_;
  std::uint64_t next_gap_ = 0;
  absl::Time retry_at_ = absl::InfinitePast();
  absl::Time not_before_ = absl::InfinitePast();
  bool dirty_ = false;
  bool forgot_ = false;
  std::string trouble_;

  mutable absl::Mutex mutex_;
  Figures figures_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_SEALED_MIRROR_H_
