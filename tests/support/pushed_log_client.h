// For tests: what a log sends to a mirror that takes what is pushed (C2SP tlog-mirror), made of a ServedLog. Not thread-safe.
#ifndef CUSTODIAN_TESTS_SUPPORT_PUSHED_LOG_CLIENT_H_
#define CUSTODIAN_TESTS_SUPPORT_PUSHED_LOG_CLIENT_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "services/node/add_checkpoint.h"
#include "services/node/add_entries.h"
#include "services/rpc/http.h"
#include "tests/support/known_log.h"
#include "tests/support/served_log.h"

namespace custodian::testing {

inline std::vector<ledger::Hash> LeafHashesOf(const ServedLog& log, std::uint64_t size) {
  std::vector<ledger::Hash> hashes;
  for (std::uint64_t i = 0; i < size; ++i) hashes.push_back(ledger::LeafHash(log.leaves[i]));
  return hashes;
}

inline ledger::Note SignedNote(const ServedLog& log, std::uint64_t size) {
  ledger::Note note{ledger::Checkpoint{log.origin, size, ledger::RootOf(LeafHashesOf(log, size))}.Serialize(), {}};
  note.signatures.push_back(ledger::LogSignature(log.key, log.signer->Sign(note.text).value()));
  return note;
}

inline node::AddCheckpoint CheckpointRequest(const ServedLog& log, std::uint64_t old_size, std::uint64_t size) {
  const std::vector<ledger::Hash> hashes = LeafHashesOf(log, size);
  node::AddCheckpoint request{old_size, {}, SignedNote(log, size)};
  if (old_size > 0 && old_size < size) request.proof = ledger::ConsistencyProof(old_size, size, ReaderOf(hashes)).value();
  return request;
}

// At most `packages_max` of the packages that begin at `start`.
inline std::vector<node::EntryPackage> PackagesOf(const ServedLog& log, std::uint64_t start, std::uint64_t end, std::size_t packages_max = SIZE_MAX) {
  const std::vector<ledger::Hash> hashes = LeafHashesOf(log, end);
  std::vector<node::EntryPackage> packages;
  for (std::uint64_t next = start; next < end && packages.size() < packages_max; next = packages.back().range.end) {
    node::EntryPackage package;
    package.range = node::PackageAt(next, end);
    package.entries.assign(log.leaves.begin() + static_cast<std::ptrdiff_t>(next), log.leaves.begin() + static_cast<std::ptrdiff_t>(package.range.end));
    package.proof =
        node::PackageProof(package.range, [&](std::uint64_t index) { return ledger::InclusionProof(index, end, ReaderOf(hashes)); }).value();
    packages.push_back(std::move(package));
  }
  return packages;
}

inline std::string EntriesBody(const ServedLog& log, std::uint64_t start, std::uint64_t end, std::size_t packages_max = SIZE_MAX) {
  return node::SerializeAddEntries({log.origin, start, end, ""}, PackagesOf(log, start, end, packages_max)).value();
}

inline rpc::HttpRequest PostRequest(const std::string& path, std::string body) {
  rpc::HttpRequest request;
  request.method = "POST";
  request.path = path;
  request.body = std::move(body);
  if (path == "/add-entries") request.headers = {{"content-type", "application/octet-stream"}};
  return request;
}

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_PUSHED_LOG_CLIENT_H_
