// What fuzzing feeds the requests of a witness and a mirror. Aborts when something that must always hold does not; anything else is for the sanitizers
// to find. Used by node_fuzz_test.cc (corpus and mutations, in every run) and tests/fuzz (libFuzzer).
#ifndef CUSTODIAN_SERVICES_NODE_NODE_FUZZ_H_
#define CUSTODIAN_SERVICES_NODE_NODE_FUZZ_H_

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "ledger/checkpoint.h"
#include "services/node/add_checkpoint.h"
#include "services/node/add_entries.h"
#include "tests/support/known_log.h"
#include "tests/support/require.h"

namespace custodian::node {

// The body of an add-checkpoint request, judged as a witness does that knows the log and has cosigned it at the old size.
inline void FuzzAddCheckpoint(std::string_view bytes) {
  using custodian::testing::KnownLog;
  using custodian::testing::Require;
  const auto request = AddCheckpoint::Parse(bytes);
  if (!request.ok()) {
    Require(absl::IsInvalidArgument(request.status()));
    return;
  }
  Require(request->Serialize() == bytes && request->proof.size() <= 63);
  const KnownLog& log = KnownLog::Get();
  const auto checkpoint = ledger::OpenCheckpoint(request->note, log.key);
  if (!checkpoint.ok()) return;
  Require(request->note.text == log.checkpoint.text);
  if (request->old_size > KnownLog::kSize) return;
  const bool consistent = ledger::VerifyConsistency(request->old_size, checkpoint->size, request->proof, log.RootAt(request->old_size),
                                                    checkpoint->root).ok();
  // Between two sizes there is one proof.
  Require(consistent == (request->old_size > 0 && request->proof == log.ConsistencyFrom(request->old_size)));
}

// A log of three bundles whose entries are a few bytes: what add-entries is about.
struct KnownEntries {
  static constexpr std::uint64_t kSize = 600;
  std::vector<std::string> leaves;
  std::vector<ledger::Hash> hashes;
  // Of each size.
  std::vector<ledger::Hash> roots;

  KnownEntries() {
    for (std::uint64_t i = 0; i < kSize; ++i) leaves.push_back("entry " + std::to_string(i));
    for (const std::string& leaf : leaves) hashes.push_back(ledger::LeafHash(leaf));
    for (std::uint64_t size = 0; size <= kSize; ++size) roots.push_back(ledger::RootOf(std::span(hashes).first(size)));
  }
  [[nodiscard]] EntryPackage PackageOf(std::uint64_t start, std::uint64_t upload_end) const {
    EntryPackage package;
    package.range = PackageAt(start, upload_end);
    for (std::uint64_t i = start; i < package.range.end; ++i) package.entries.push_back(leaves[i]);
    const auto path = [&](std::uint64_t index) {
      return ledger::InclusionProof(index, upload_end, custodian::testing::ReaderOf(std::span(hashes).first(upload_end)));
    };
    package.proof = PackageProof(package.range, path).value();
    return package;
  }
  static const KnownEntries& Get() {
    static const KnownEntries& log = *new KnownEntries();
    return log;
  }
};

// The body of an add-entries request, judged as a mirror does that has the log as pending, and its entries up to the upload's start.
inline void FuzzAddEntries(std::string_view bytes) {
  using custodian::testing::Require;
  auto request = AddEntriesReader::Open(bytes);
  if (!request.ok()) {
    Require(absl::IsInvalidArgument(request.status()));
    return;
  }
  const KnownEntries& log = KnownEntries::Get();
  const AddEntriesHead& head = request->head();
  Require(head.upload_start <= head.upload_end);
  std::uint64_t next = head.upload_start;
  std::vector<EntryPackage> packages;
  while (const auto package = request->Next()) {
    const PackageRange& range = package->range;
    Require(range.start == next && range.first == next - next % 256 && range.end > next && range.end <= head.upload_end && range.end - range.first <= 256);
    Require((range.end == head.upload_end || range.end - range.first == 256) && package->entries.size() == range.end - range.start && package->proof.size() <= 63);
    next = range.end;
    packages.push_back(*package);
    if (head.upload_end > KnownEntries::kSize) continue;
    std::vector<ledger::Hash> hashes(log.hashes.begin() + static_cast<std::ptrdiff_t>(range.first), log.hashes.begin() + static_cast<std::ptrdiff_t>(range.start));
    for (const std::string& entry : package->entries) hashes.push_back(ledger::LeafHash(entry));
    const bool proven = ledger::VerifySubtreeConsistency(range.first, range.end, head.upload_end, package->proof, ledger::RootOf(hashes), log.roots[head.upload_end]).ok();
    // Of a log there is one such package.
    const EntryPackage known = log.PackageOf(range.start, head.upload_end);
    Require(proven == (package->entries == known.entries && package->proof == known.proof));
  }
  const auto again = SerializeAddEntries(head, packages);
  Require(again.ok() && bytes.substr(0, again->size()) == *again);
}

// What a mirror answers of itself.
inline void FuzzMirrorInfo(std::string_view bytes) {
  const auto info = MirrorInfo::Parse(bytes);
  custodian::testing::Require(info.ok() ? info->Serialize() == bytes : absl::IsInvalidArgument(info.status()));
}

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_NODE_FUZZ_H_
