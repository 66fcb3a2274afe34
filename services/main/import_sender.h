// Sends files to a tenant's FHIR endpoint in transactions, several at once, with the outcome of one after the other: what writes the same
// resource waits for its turn, and what was refused (it may refer to what was on its way beside it) is sent once more, alone and in order.
// Each transaction carries the hash of its content as Idempotency-Key, so that the same files may be sent again at any time. Used by
// `custodian import`; starts threads and joins them.
#ifndef CUSTODIAN_SERVICES_MAIN_IMPORT_SENDER_H_
#define CUSTODIAN_SERVICES_MAIN_IMPORT_SENDER_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/rpc/https_client.h"

namespace custodian::main {

struct ImportFault {
  std::string file;
  // Line or position in the file; 0 for the whole file.
  std::size_t place = 0;
  std::string message;
};

struct ImportTotals {
  std::size_t files = 0;
  std::size_t transactions = 0;
  std::size_t stored = 0;
  std::vector<ImportFault> faults;
};

class ImportSender {
 public:
  // `url`: base of the tenant's FHIR URLs. `at_once`: transactions on their way at a time. Borrows the client.
  ImportSender(const rpc::HttpsClient& client, std::string url, int at_once);

  // One group of FilesToImport(). `progress` is called before each file with what is stored so far. Not OK when the server could not be
  // asked; what was stored until then is.
  [[nodiscard]] absl::Status Send(const std::vector<std::string>& files, const std::function<void(const std::string&, std::size_t)>& progress);

  // Waits until what follows from all that was stored (who is one person, savings) is done; nothing else waits for it.
  [[nodiscard]] absl::Status AwaitFollowUp() const;

  [[nodiscard]] const ImportTotals& totals() const { return totals_; }

 private:
  struct Part;
  class InFlight;
  void Tell(const std::string& file, std::size_t place, std::string message);
  [[nodiscard]] absl::StatusOr<rpc::HttpResponse> Post(const std::string& body, bool await_follow_up) const;
  void Count(std::size_t resources, std::string body);
  [[nodiscard]] absl::Status SendAlone(Part part);

  const rpc::HttpsClient& client_;
  const std::string url_;
  const int at_once_;
  ImportTotals totals_;
  // A transaction that was stored.
  std::string stored_body_;
};

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_IMPORT_SENDER_H_
