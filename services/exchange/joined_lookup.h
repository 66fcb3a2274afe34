// Lookups of one kind that many threads make at the same time, asked as one question: whoever comes while one is being asked waits and is asked
// for in the next, together with all who came meanwhile. Each is answered by a question that began after it came. Thread-safe.
#ifndef CUSTODIAN_SERVICES_EXCHANGE_JOINED_LOOKUP_H_
#define CUSTODIAN_SERVICES_EXCHANGE_JOINED_LOOKUP_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace custodian::exchange {

template <typename Key, typename Value>
class JoinedLookup {
 public:
  // What is found of these keys, each of which stands there once.
  using Ask = std::function<absl::StatusOr<std::map<Key, Value>>(const std::vector<Key>&)>;
  explicit JoinedLookup(Ask ask) : ask_(std::move(ask)) {}

  // Nothing when there is none. The question runs on the thread of one of those who wait for it; a failure is that of all of them.
  [[nodiscard]] absl::StatusOr<std::optional<Value>> Find(const Key& key) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::shared_ptr<Round> round;
    {
      const absl::MutexLock lock(&mutex_);
      if (gathering_ == nullptr) gathering_ = std::make_shared<Round>();
      round = gathering_;
      round->keys.insert(key);
      const auto is_answered_or_next = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return round->answer.has_value() || !is_asking_; };
      mutex_.Await(absl::Condition(&is_answered_or_next));
      if (round->answer) return ValueIn(*round->answer, key);
      is_asking_ = true;
      gathering_ = nullptr;
    }
    Answer answer = absl::InternalError("a lookup was broken off");
    {
      // Whatever ask_ throws: those who wait are let go.
      const absl::Cleanup publish = [&] {
        const absl::MutexLock lock(&mutex_);
        is_asking_ = false;
        round->answer = std::move(answer);
      };
      answer = ask_({round->keys.begin(), round->keys.end()});
    }
    return ValueIn(*round->answer, key);
  }

 private:
  using Answer = absl::StatusOr<std::map<Key, Value>>;
  // Those who are asked for together; shared by them, under the mutex until it is answered, and constant from then on.
  struct Round {
    std::set<Key> keys;
    std::optional<Answer> answer;
  };

  static absl::StatusOr<std::optional<Value>> ValueIn(const Answer& answer, const Key& key) {
    if (!answer.ok()) return answer.status();
    const auto found = answer->find(key);
    return found == answer->end() ? std::optional<Value>() : std::optional<Value>(found->second);
  }

  const Ask ask_;
  absl::Mutex mutex_;
  bool is_asking_ ABSL_GUARDED_BY(mutex_) = false;
  // Who comes now joins it; null when nobody waits.
  std::shared_ptr<Round> gathering_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace custodian::exchange

#endif  // CUSTODIAN_SERVICES_EXCHANGE_JOINED_LOOKUP_H_
