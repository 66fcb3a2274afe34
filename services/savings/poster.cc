#include "services/savings/poster.h"

#include <future>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/savings/savings_store.h"

namespace custodian::savings {

using tenants::ReadTransaction;
using tenants::WriteTransaction;

namespace {

constexpr int kRowsPerRound = 1'000;

ledger::v1::Money MoneyOf(const std::string& class_id, const std::string& modality, const std::string& month,
                          ledger::v1::Side side, std::int64_t cents, std::int64_t exams) {
  ledger::v1::Money money;
  money.set_class_id(class_id);
  money.set_modality(modality);
  money.set_month(month);
  money.set_side(side);
  money.set_cents(cents);
  money.set_exams(exams);
  return money;
}

// What a posting is, and what it says: the Write's idempotency key and request digest are keyed hashes of these.
std::string NameOf(const WaitingPosting& waiting) {
  const Posting& posting = waiting.posting;
  return absl::StrCat("savings-posting/", HexEncode(waiting.avoidance_id), "/", static_cast<int>(posting.kind), "/",
                      static_cast<int>(posting.side), "/", posting.sequence);
}

}  // namespace

absl::Status Poster::Post(const std::vector<std::string>* avoidance_ids) {
  while (true) {
    std::vector<WaitingPosting> waiting;
    absl::Status status = network_database_.Read([&](ReadTransaction& transaction) -> absl::Status {
      waiting = ReadWaiting(transaction, avoidance_ids, kRowsPerRound);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    if (waiting.empty()) return absl::OkStatus();
    std::vector<std::future<absl::StatusOr<tenants::Admitted>>> answers;
    for (const WaitingPosting& next : waiting) {
      const tenants::Partition* partition = partitions_.FindByName(next.posting.log_tenant);
      if (!partition)
        return absl::UnavailableError(absl::StrCat("partition of tenant ", next.posting.log_tenant, " does not run here"));
      const auto key = sealer_.IndexToken(partition->tenant.id, NameOf(next));
      if (!key.ok()) return key.status();
      const Posting& posting = next.posting;
      const auto digest = sealer_.IndexToken(
          partition->tenant.id, absl::StrCat(NameOf(next), "/", posting.month, "/", posting.cents, "/", posting.exams));
      if (!digest.ok()) return digest.status();
      tenants::Write write{.idempotency_key = *key,
                           .request_digest = *digest,
                           .entries = {},
                           .signed_leaves = {},
                           .rows = {},
                           .expectations = {},
                           .consent_changed = {}};
      ledger::v1::Entry& entry = write.entries.emplace_back();
      entry.set_kind(posting.kind);
      entry.set_subject(next.avoidance_id);
      *entry.mutable_money() = MoneyOf(next.class_id, next.modality, posting.month, posting.side, posting.cents, posting.exams);
      answers.push_back(partition->writer->Submit(std::move(write)));
    }
    // Those admitted are marked even when a neighbour failed.
    std::vector<std::pair<const WaitingPosting*, std::int64_t>> admitted;
    absl::Status failure;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const auto answer = answers[i].get();
      if (answer.ok()) {
        admitted.emplace_back(&waiting[i], static_cast<std::int64_t>(answer->first_index));
      } else {
        failure.Update(answer.status());
      }
    }
    status = network_database_.Write([&](WriteTransaction& transaction) -> absl::Status {
      for (const auto& [posting, index] : admitted) SetEntryIndex(transaction, *posting, index);
      return absl::OkStatus();
    });
    if (!failure.ok()) return failure;
    if (!status.ok()) return status;
  }
}

absl::Status Poster::PostAggregates() {
  std::vector<WaitingAggregate> waiting;
  absl::Status status = network_database_.Read([&](ReadTransaction& transaction) -> absl::Status {
    waiting = ReadWaitingAggregates(transaction);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  for (const WaitingAggregate& aggregate : waiting) {
    const tenants::Partition* partition = partitions_.FindByName(aggregate.log_tenant);
    if (!partition)
      return absl::UnavailableError(absl::StrCat("partition of tenant ", aggregate.log_tenant, " does not run here"));
    const std::string name = absl::StrCat("savings-aggregate/", aggregate.month, "/", aggregate.number);
    std::string content = name;
    tenants::Write write;
    for (const WaitingAggregate::Line& line : aggregate.lines) {
      ledger::v1::Entry& entry = write.entries.emplace_back();
      entry.set_kind(line.kind);
      *entry.mutable_money() = MoneyOf(line.class_id, line.modality, aggregate.month, line.side, line.cents, line.exams);
      entry.mutable_money()->set_aggregate(true);
      absl::StrAppend(&content, "/", static_cast<int>(line.kind), "/", static_cast<int>(line.side), "/", line.class_id, "/",
                      line.modality, "/", line.cents, "/", line.exams);
    }
    const auto key = sealer_.IndexToken(partition->tenant.id, name);
    if (!key.ok()) return key.status();
    const auto digest = sealer_.IndexToken(partition->tenant.id, content);
    if (!digest.ok()) return digest.status();
    write.idempotency_key = *key;
    write.request_digest = *digest;
    const auto answer = partition->writer->Apply(std::move(write));
    if (!answer.ok()) return answer.status();
    status = network_database_.Write([&](WriteTransaction& transaction) -> absl::Status {
      SetEntryIndexes(transaction, aggregate, static_cast<std::int64_t>(answer->first_index));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace custodian::savings
