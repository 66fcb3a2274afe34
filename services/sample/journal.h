// What a replay has done, one JSON line an event, so that it goes on after any kill where it stopped: written and on disk before
// anything that depends on it is done. The newest line may be torn by a crash; it is dropped, and its event sent again with the
// same keys. One process at a time. Not thread-safe.
#ifndef CUSTODIAN_SERVICES_SAMPLE_JOURNAL_H_
#define CUSTODIAN_SERVICES_SAMPLE_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace custodian::sample {

// A card as the clinician saw it.
struct ShownCard {
  std::string id;
  // Of the suggestion to delete the order; empty when the card only informs.
  std::string delete_suggestion;
  // JSON Codings, as offered.
  std::vector<std::string> override_reasons;
};

struct JournalLine {
  std::int64_t sequence = 0;
  // HTTP status; 200 for what went by gRPC; 0 for what was not sent (feedback on a card that never came).
  int status = 0;
  // Answers to orders only.
  std::vector<ShownCard> cards;
};

class Journal {
 public:
  // Opens or begins the journal of the events whose SHA-256 is `events_sha256` (hex). FailedPrecondition when it belongs to other
  // events or another replay is using it; DataLoss when a line before the last cannot be read.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& path, const std::string& events_sha256);
  ~Journal();

  // Sequences are 1, 2, 3, ...
  [[nodiscard]] const std::vector<JournalLine>& lines() const { return lines_; }
  // On disk when it returns.
  [[nodiscard]] absl::Status Append(JournalLine line);

 private:
  Journal(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  absl::Status Read(const std::string& events_sha256);
  absl::Status Write(std::string_view line);

  std::string path_;
  int descriptor_;
  std::vector<JournalLine> lines_;
};

}  // namespace custodian::sample

#endif  // CUSTODIAN_SERVICES_SAMPLE_JOURNAL_H_
