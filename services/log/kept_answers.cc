#include "services/log/kept_answers.h"

#include <utility>

namespace custodian::log {
namespace {

constexpr std::size_t kShareMax = 8;

}  // namespace

std::shared_ptr<const std::string> KeptAnswers::Find(std::string_view name) {
  const absl::MutexLock lock(&mutex_);
  const auto place = places_.find(name);
  if (place == places_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, place->second);
  return place->second->answer;
}

void KeptAnswers::Keep(std::string name, std::string answer) {
  Kept kept{std::move(name), std::make_shared<const std::string>(std::move(answer))};
  if (kept.bytes() > bytes_max_ / kShareMax) return;
  const absl::MutexLock lock(&mutex_);
  if (places_.contains(kept.name)) return;
  bytes_ += kept.bytes();
  kept_.push_front(std::move(kept));
  places_.emplace(kept_.front().name, kept_.begin());
  while (bytes_ > bytes_max_) {
    bytes_ -= kept_.back().bytes();
    places_.erase(kept_.back().name);
    kept_.pop_back();
  }
}

}  // namespace custodian::log
