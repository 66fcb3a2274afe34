// What a mirror finds wrong with a log that it follows, as monitors are told: each with since when. Safe from any thread; nothing is kept on disk,
// a mirror that starts judges anew.
#ifndef CUSTODIAN_SERVICES_NODE_LOG_ALARMS_H_
#define CUSTODIAN_SERVICES_NODE_LOG_ALARMS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace custodian::node {

class LogAlarms {
 public:
  // What stands of `event` from now on, in place of what stood; those that did not stand before.
  std::vector<std::string> Set(const std::string& event, const std::vector<std::string>& reasons, absl::Time now);
  // {"alarms":[{"event","reason","since"}],"origin","size"}, by event and reason; at most 100 of an event.
  [[nodiscard]] std::string Json(const std::string& origin, std::uint64_t size) const;

 private:
  mutable absl::Mutex mutex_;
  // Since when, by event and reason.
  std::map<std::pair<std::string, std::string>, absl::Time> standing_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_LOG_ALARMS_H_
