#include "services/log/tile_service.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/rpc/router.h"
#include "tenants/ids.h"

namespace custodian::log {
namespace {

constexpr std::string_view kPrefix = "/log/";
constexpr std::size_t kNameBytes = 16;

bool IsLogName(std::string_view text) {
  return text.size() == kNameBytes && std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool StartsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

constexpr std::string_view kReceipt = "receipt/";

// Full tiles never change, and a receipt that verifies does so for ever; partial tiles, the checkpoint and lists of subjects change.
bool IsImmutable(std::string_view resource) {
  const bool full_tile = StartsWith(resource, "tile/") && resource.find(".p/") == std::string_view::npos;
  return full_tile || StartsWith(resource, kReceipt);
}

// Private: what an admitted reader got, no proxy may give to others.
const char* CacheControl(std::string_view resource) { return IsImmutable(resource) ? "private, max-age=31536000, immutable" : "no-store"; }

const char* ContentType(std::string_view resource) { return StartsWith(resource, "tile/") ? "application/octet-stream" : "text/plain; charset=utf-8"; }

rpc::HttpResponse Answer(const absl::StatusOr<std::string>& found, const char* type, std::string_view resource) {
  if (found.ok()) return {200, {{"Content-Type", type}, {"Cache-Control", CacheControl(resource)}}, *found};
  switch (found.status().code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
      return rpc::PlainText(404, "not in this log yet");
    case absl::StatusCode::kInvalidArgument:
      return rpc::PlainText(400, "not a resource of a log");
    case absl::StatusCode::kFailedPrecondition:
      return rpc::PlainText(422, std::string(found.status().message()));
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted: {
      rpc::HttpResponse response = rpc::PlainText(503, "not available now; try again in a second");
      response.headers.emplace_back("Retry-After", "1");
      return response;
    }
    default:
      return rpc::PlainText(500, "internal error");
  }
}

absl::StatusOr<std::uint64_t> ParseIndex(std::string_view text) {
  std::uint64_t index = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  const bool canonical = error == std::errc() && end == text.data() + text.size() && !text.empty() && (text.size() == 1 || text[0] != '0');
  if (!canonical) return absl::InvalidArgumentError("not an index");
  return index;
}

}  // namespace

TileService::TileService(std::string network, const Readers& readers, FindLog find_log, MakeReceipt make_receipt, ListSubject list_subject,
                         ReadSealed read_sealed)
    : network_(std::move(network)), readers_(readers), find_log_(std::move(find_log)), make_receipt_(std::move(make_receipt)),
      list_subject_(std::move(list_subject)), read_sealed_(std::move(read_sealed)) {}

rpc::HttpResponse TileService::Handle(const rpc::HttpRequest& request) const {
  const rpc::HttpResponse refused = rpc::PlainText(403, "only admitted readers of this log");
  if (!StartsWith(request.path, kPrefix)) return refused;
  const std::string_view rest = std::string_view(request.path).substr(kPrefix.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || !IsLogName(rest.substr(0, slash))) return refused;
  const std::string origin = network_ + "/p/" + std::string(rest.substr(0, slash));
  if (!readers_.MayRead(request.peer_spiffe_id, origin).ok()) return refused;
  const tenants::LogReader* log = find_log_(origin);
  if (log == nullptr) return refused;
  const std::string resource(rest.substr(slash + 1));
  if (read_sealed_ && StartsWith(resource, ledger::kSealedPrefix) && readers_.MayReadSealed(request.peer_spiffe_id, origin)) {
    const auto from = ledger::SealedPath::Parse(resource);
    return Answer(from.ok() ? read_sealed_(origin, *from) : from.status(), "application/octet-stream", resource);
  }
  if (!IsImmutable(resource)) return Serve(*log, origin, resource);
  const std::string name = absl::StrCat(origin, "/", resource);
  if (const auto kept = kept_.Find(name); kept != nullptr) return Answer(*kept, ContentType(resource), resource);
  rpc::HttpResponse response = Serve(*log, origin, resource);
  if (response.status == 200) kept_.Keep(name, response.body);
  return response;
}

rpc::HttpResponse TileService::Serve(const tenants::LogReader& log, const std::string& origin, const std::string& resource) const {
  if (resource == "checkpoint") return Answer(log.PublishedCheckpoint(), ContentType(resource), resource);
  if (StartsWith(resource, "tile/")) return Answer(log.Tile(resource), ContentType(resource), resource);
  constexpr std::string_view kSubject = "subject/";
  if (StartsWith(resource, kSubject)) {
    const auto subject = HexDecode(std::string_view(resource).substr(kSubject.size()));
    if (!subject.ok()) return Answer(subject.status(), "", resource);
    return Answer(list_subject_(origin, *subject), ContentType(resource), resource);
  }
  if (!StartsWith(resource, kReceipt)) return rpc::PlainText(404, "not a resource of a log");
  const auto index = ParseIndex(std::string_view(resource).substr(kReceipt.size()));
  if (!index.ok()) return Answer(index.status(), "", resource);
  return Answer(make_receipt_(origin, *index), ContentType(resource), resource);
}

}  // namespace custodian::log
