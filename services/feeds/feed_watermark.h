// How complete a tenant's results are, from what its HL7 feed says (SAVINGS, T8). A sender (MSH-3, MSH-4) counts from its first ORU or
// heartbeat (NMD^N02) on: by MSH-7 it has sent what it had until then. The tenant's watermark is the earliest of its senders' latest MSH-7,
// less `lateness` (results are reported hours after the exam), and never past network time. A sender that says nothing for `silence` is
// told as a gap and no longer waited for until it speaks again. Tick() on one thread; the rest is thread-safe.
#ifndef CUSTODIAN_SERVICES_FEEDS_FEED_WATERMARK_H_
#define CUSTODIAN_SERVICES_FEEDS_FEED_WATERMARK_H_

#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tenants/clock.h"
#include "tenants/partitions.h"

namespace custodian::feeds {

class FeedWatermark {
 public:
  struct Options {
    absl::Duration lateness = absl::Hours(24);
    // By the machine's clock; zero never declares one.
    absl::Duration silence = absl::Hours(24);
    // A watermark that moved less is not worth an entry.
    absl::Duration step = absl::Minutes(1);
  };
  // FeedService's, in main.
  struct Statements {
    std::function<absl::Status(const tenants::Client& feed, absl::Time through, const std::string& key)> advance;
    std::function<absl::Status(const tenants::Client& feed, absl::Time from, absl::Time to, const std::string& key)> gap;
    // How far the tenant's watermark is; before all times when there is none.
    std::function<absl::StatusOr<absl::Time>(const tenants::Partition& partition)> furthest;
  };
  FeedWatermark(const tenants::Partitions& partitions, const Clock& machine_clock, const Clock& network_clock, std::string network, Options options,
                Statements statements);

  // Looks at every tenant; the first failure, after all of them.
  [[nodiscard]] absl::Status Tick();

 private:
  // Of one sender, since this process runs.
  struct Heard {
    // Its newest message then, by the row.
    absl::Time arrived;
    // When we saw that there is none newer, by the machine's clock.
    absl::Time since;
    bool silent = false;
    // End of the gap that was told.
    absl::Time told;
  };
  [[nodiscard]] absl::Status Look(const tenants::Partition& partition);

  const tenants::Partitions& partitions_;
  const Clock& machine_clock_;
  const Clock& network_clock_;
  const std::string network_;
  const Options options_;
  const Statements statements_;
  // By tenant and sender.
  std::map<std::pair<std::string, std::string>, Heard> heard_;
};

}  // namespace custodian::feeds

#endif  // CUSTODIAN_SERVICES_FEEDS_FEED_WATERMARK_H_
