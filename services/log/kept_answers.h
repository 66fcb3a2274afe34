// Answers that never change once they were given (full tiles, receipts), kept in memory up to a number of bytes; those not asked for the longest go
// first. It knows nothing of who may read them. Thread-safe.
#ifndef CUSTODIAN_SERVICES_LOG_KEPT_ANSWERS_H_
#define CUSTODIAN_SERVICES_LOG_KEPT_ANSWERS_H_

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace custodian::log {

class KeptAnswers {
 public:
  // One that is larger than an eighth of `bytes_max` is not kept: it would push out too much else.
  explicit KeptAnswers(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // Null when it is not kept.
  [[nodiscard]] std::shared_ptr<const std::string> Find(std::string_view name);
  void Keep(std::string name, std::string answer);

 private:
  struct Kept {
    std::string name;
    std::shared_ptr<const std::string> answer;
    [[nodiscard]] std::size_t bytes() const { return name.size() + answer->size(); }
  };

  const std::size_t bytes_max_;
  absl::Mutex mutex_;
  // The one asked for last is the first.
  std::list<Kept> kept_ ABSL_GUARDED_BY(mutex_);
  // By Kept::name, which stays where it is.
  absl::flat_hash_map<std::string_view, std::list<Kept>::iterator> places_ ABSL_GUARDED_BY(mutex_);
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace custodian::log

#endif  // CUSTODIAN_SERVICES_LOG_KEPT_ANSWERS_H_
