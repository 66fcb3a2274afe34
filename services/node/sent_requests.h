// What a tenant's own systems sent to the custodian, as their gateway wrote it down: the requests that reported entries are held against
// (signing_agent.h). A folder of "*.jsonl" files, a line a request, appended and on disk before the request is sent:
//
//   {"body_sha256":"<64 hex>","sent":"2026-11-30T22:11:35Z","token_sha256":"<64 hex>"}
//
// SHA-256 of the request's body as sent, and of the token in its Authorization header (without "Bearer "). In place of body_sha256 a line may hold
// "body", the body itself as text; for feedback (CDS Hooks, "feedback") it must, since what was accepted is held against it: a line with body_sha256
// alone is a call of a hook. Files are only read; one whose requests were countersigned may be removed. For one thread.
#ifndef CUSTODIAN_SERVICES_NODE_SENT_REQUESTS_H_
#define CUSTODIAN_SERVICES_NODE_SENT_REQUESTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ledger/tree.h"

namespace custodian::node {

// One line of such a file, with its newline; both are 32 bytes.
[[nodiscard]] std::string SentRequestLine(const ledger::Hash& token_sha256, const ledger::Hash& body_sha256, std::string_view sent);

class SentRequests {
 public:
  explicit SentRequests(std::string folder) : folder_(std::move(folder)) {}

  // Reads what was written since the last time. InvalidArgument that names file and line when one cannot be understood; a last line without its
  // newline is being written. Unavailable when the folder cannot be read.
  [[nodiscard]] absl::Status ReadMore();
  // A request as it was sent.
  struct Request {
    bool is_feedback = false;
    struct Outcome {
      // UUID in lower case.
      std::string card;
      bool accepted = false;
    };
    // Of feedback.
    std::vector<Outcome> outcomes;
  };
  // The request of this token and body, null when none was sent; and whether one of this token was, whatever its body. Hashes of 32 bytes.
  [[nodiscard]] const Request* Find(std::string_view token_sha256, std::string_view body_sha256) const;
  [[nodiscard]] bool HasToken(std::string_view token_sha256) const;

 private:
  [[nodiscard]] absl::Status ReadFile(const std::string& name);
  [[nodiscard]] absl::Status Take(std::string_view line);

  const std::string folder_;
  // Bytes of each file that were read.
  std::map<std::string, std::uint64_t> read_;
  // By token || body, 64 bytes.
  std::map<std::string, Request, std::less<>> sent_;
};

}  // namespace custodian::node

#endif  // CUSTODIAN_SERVICES_NODE_SENT_REQUESTS_H_
