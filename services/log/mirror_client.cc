#include "services/log/mirror_client.h"

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "services/rpc/gzip.h"

namespace custodian::log {
namespace {

// tlog-mirror, "Implementation Considerations": at most 32 packages a request.
constexpr int kPackagesMax = 32;
// No further package is begun past it; one may have 16 MiB.
constexpr std::size_t kEntriesBytes = 4u << 20;

}  // namespace

absl::StatusOr<std::string> EntriesFrom(const tenants::LogReader& log, const std::string& origin, std::uint64_t start, std::uint64_t end) {
  std::vector<node::EntryPackage> packages;
  std::size_t bytes = 0;
  for (std::uint64_t next = start; next < end && packages.size() < kPackagesMax && bytes < kEntriesBytes; next = packages.back().range.end) {
    node::EntryPackage package;
    package.range = node::PackageAt(next, end);
    absl::StatusOr<std::vector<std::string>> leaves = log.Leaves(package.range.start, package.range.end - package.range.start);
    if (!leaves.ok()) return leaves.status();
    package.entries = *std::move(leaves);
    for (const std::string& entry : package.entries) bytes += entry.size();
    auto proof = node::PackageProof(package.range, [&log, end](std::uint64_t index) { return log.InclusionProof(index, end); });
    if (!proof.ok()) return proof.status();
    package.proof = *std::move(proof);
    packages.push_back(std::move(package));
  }
  return node::SerializeAddEntries({origin, start, end, ""}, packages);
}

MirrorClient::MirrorClient(ledger::Policy::Witness mirror, const rpc::HttpsClient& client)
    : mirror_(std::move(mirror)), url_(mirror_.url + (mirror_.url.ends_with('/') ? "" : "/") + "add-entries"), client_(client) {}

MirrorAnswer MirrorClient::AddEntries(const std::string& body, const std::string& checkpoint_text, absl::Time deadline) const {
  const std::string packed = rpc::Gzip(body);
  const auto send = [&] {
    return client_.SendWithin(deadline - absl::Now(), "POST", url_,
                              {{"content-type", "application/octet-stream"}, {"content-encoding", "gzip"}}, packed);
  };
  absl::StatusOr<rpc::HttpResponse> response = send();
  // A kept connection that the mirror closed at that moment. Sent twice it does the same.
  if (absl::IsUnknown(response.status())) response = send();
  MirrorAnswer answer;
  if (!response.ok()) {
    answer.answer.status = response.status();
    answer.answer.away = true;
    return answer;
  }
  answer.answer = ReadAnswer(*response, checkpoint_text, mirror_.key);
  if (response->status == 202 || response->status == 409) {
    absl::StatusOr<node::MirrorInfo> info = node::MirrorInfo::Parse(response->body);
    if (info.ok()) answer.info = *std::move(info);
  }
  return answer;
}

}  // namespace custodian::log
