// Keeps a partition's map of subjects (ledger/subject_map.h) in its database, some steps behind the log and off the commit path, and enters its
// root in the log: SUBJECT_MAP, at most once a minute or for every 10,000 entries, and only when it changed. Step() is for one thread,
// the rest for any.
//
// A step is entries taken in, one transaction for some thousand of them, then the SUBJECT_MAP entry under an idempotency key of its content, then where
// that entry lies. A crash between two of these is picked up by the next step, in any process: what was taken in is committed with the
// size it stands for and the newest SUBJECT_MAP entry among it, and a map is entered only when all of the log is taken in, so that none goes back. Pages that do not make the root that is stored are never entered: all of it is made anew.
#ifndef CUSTODIAN_SERVICES_LOG_SUBJECT_INDEX_H_
#define CUSTODIAN_SERVICES_LOG_SUBJECT_INDEX_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/log/subject_store.h"
#include "tenants/clock.h"
#include "tenants/database.h"
#include "tenants/log_reader.h"
#include "tenants/partition_writer.h"

namespace custodian::log {

class SubjectIndex {
 public:
  struct Options {
    absl::Duration period = absl::Minutes(1);
    // So many new entries do not wait for the period.
    std::uint64_t entries_max = 10'000;
    // How long a step waits for the writer; what it answers later, a later step takes.
    absl::Duration wait = absl::Milliseconds(50);
    // True once the process is to end: a step is given up then, Cancelled.
    std::function<bool()> stopped = [] { return false; };
  };
  // The clock is the machine's. All borrowed.
  SubjectIndex(const tenants::Database& database, const tenants::LogReader& log, tenants::PartitionWriter& writer, const Clock& clock, Options options)
      : database_(database), log_(log), writer_(writer), clock_(clock), options_(std::move(options)) {}

  // Brings the map up to the log and enters its root, when that is due; costs nothing when it is not, or while the writer has not answered. After an
  // error: call again.
  [[nodiscard]] absl::Status Step();
  // What is stored was found to be damaged: the next step forgets it, and those after make it anew. From any thread.
  void MakeAnew() { is_damaged_ = true; }

 private:
  [[nodiscard]] absl::Status StepOn();
  [[nodiscard]] absl::Status JudgeLonger() const;
  [[nodiscard]] absl::Status BringOn();
  [[nodiscard]] absl::Status CatchUp();
  [[nodiscard]] absl::Status TakeIn(std::uint64_t count);
  // Of at most `count` entries from what was taken in on: from the writer's memory, or from the log.
  [[nodiscard]] absl::StatusOr<std::vector<tenants::RecentSubjects::Subject>> Subjects(std::uint64_t count) const;
  [[nodiscard]] absl::StatusOr<ledger::v1::Entry> ReadEntry(std::uint64_t index) const;
  // Forgets what was taken in, and says why; the next step takes all of it in again.
  [[nodiscard]] absl::Status BeginAnew(absl::Status why) const;
  [[nodiscard]] absl::Status Enter();
  // Waits for the writer's answer and stores it.
  [[nodiscard]] absl::Status Conclude(absl::Duration wait);

  const tenants::Database& database_;
  const tenants::LogReader& log_;
  tenants::PartitionWriter& writer_;
  const Clock& clock_;
  const Options options_;
  // As stored; none before it was read, and after anything failed.
  std::optional<SubjectMapState> state_;
  // A map that the writer was given and has not answered, and the state that it is of.
  struct Entering {
    SubjectMapState state;
    std::future<absl::StatusOr<tenants::Admitted>> answer;
  };
  std::optional<Entering> entering_;
  std::atomic<bool> is_damaged_ = false;
  absl::Time stepped_ = absl::InfinitePast();
};

// The complete list of a subject's entries (ledger/subject_list.h), as of the newest SUBJECT_MAP entry and under the newest published checkpoint. `subject`:
// 16 bytes, else InvalidArgument. Unavailable while no such entry is witnessed, or the map is being brought up to the next: try again in a second.
// FailedPrecondition when the list is past its limits. DataLoss, after `found_damaged` was called, when the stored map proves nothing or does not count what is
// stored beside it.
[[nodiscard]] absl::StatusOr<std::string> MakeSubjectList(const tenants::Database& database, const tenants::LogReader& log, std::string_view subject,
                                                          const std::function<void()>& found_damaged);

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_SUBJECT_INDEX_H_
