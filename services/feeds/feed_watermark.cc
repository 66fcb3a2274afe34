#include "services/feeds/feed_watermark.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/feeds/feed_store.h"

namespace custodian::feeds {

FeedWatermark::FeedWatermark(const tenants::Partitions& partitions, const Clock& machine_clock, const Clock& network_clock, std::string network,
                             Options options, Statements statements)
    : partitions_(partitions),
      machine_clock_(machine_clock),
      network_clock_(network_clock),
      network_(std::move(network)),
      options_(options),
      statements_(std::move(statements)) {}

absl::Status FeedWatermark::Tick() {
  absl::Status first;
  for (const tenants::Partition* partition : partitions_.All()) {
    if (absl::Status status = Look(*partition); !status.ok() && first.ok()) first = status;
  }
  return first;
}

absl::Status FeedWatermark::Look(const tenants::Partition& partition) {
  const auto senders = FeedStore(*partition.database).Senders();
  if (!senders.ok()) return senders.status();
  if (senders->empty()) return absl::OkStatus();
  const std::string& tenant = partition.tenant.id.text();
  // These statements are the custodian's own, about what the feed did or did not say.
  const tenants::Client self{.spiffe_id = absl::StrCat("spiffe://", network_, "/custodian/feed-watermark"), .tenant = partition.tenant.id, .role = "feed", .purpose = ""};
  const absl::Time machine_now = machine_clock_.Now();
  const absl::Time now = TruncateToMilliseconds(network_clock_.Now());
  std::optional<absl::Time> through;
  for (const SenderState& sender : *senders) {
    Heard& heard = heard_[{tenant, sender.sender}];
    const auto tell = [&](absl::Time from) -> absl::Status {
      if (from >= now) return absl::OkStatus();
      const std::string key = absl::StrCat("hl7-silence-", absl::ToUnixMillis(from), "-", absl::ToUnixMillis(now), "-", HexEncode(sender.sender).substr(0, 32));
      if (absl::Status status = statements_.gap(self, from, now, key); !status.ok()) return status;
      heard.told = now;
      return absl::OkStatus();
    };
    if (sender.arrived != heard.arrived || heard.since == absl::Time()) {
      if (heard.silent) {
        if (absl::Status status = tell(heard.told); !status.ok()) return status;
      }
      heard = {.arrived = sender.arrived, .since = machine_now, .silent = false, .told = sender.arrived};
    } else if (options_.silence > absl::ZeroDuration() && machine_now - heard.since >= options_.silence) {
      if (absl::Status status = tell(heard.told); !status.ok()) return status;
      heard.silent = true;
      heard.since = machine_now;
    }
    if (!heard.silent && sender.sent) through = std::min(through.value_or(absl::InfiniteFuture()), *sender.sent);
  }
  if (!through) return absl::OkStatus();
  const absl::Time reached = std::min(*through - options_.lateness, now);
  const auto furthest = statements_.furthest(partition);
  if (!furthest.ok()) return furthest.status();
  if (reached < *furthest + options_.step) return absl::OkStatus();
  return statements_.advance(self, reached, absl::StrCat("hl7-watermark-", absl::ToUnixMillis(reached)));
}

}  // namespace custodian::feeds
