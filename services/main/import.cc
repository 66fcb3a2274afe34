// `custodian import`: sends FHIR files to a tenant's FHIR endpoint over HTTPS, as any client would. May be broken off and started
// again: every transaction carries the hash of its content as Idempotency-Key, so what was stored is answered, not stored again.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "services/exchange/fhir_json.h"
#include "services/main/commands.h"
#include "services/main/home_tenant.h"
#include "services/main/import_files.h"
#include "services/main/import_sender.h"
#include "services/rpc/https_client.h"

namespace custodian::main {
namespace {

using exchange::Json;

constexpr int kAtOnce = 4;
// Of a transaction.
constexpr absl::Duration kTimeout = absl::Minutes(5);

struct Options {
  TenantEndpointOption endpoint{kFhirInterface};
  int at_once = kAtOnce;
  bool json = false;
  std::vector<std::string> paths;
};

// One line on a terminal, drawn over; nothing elsewhere.
class Progress {
 public:
  explicit Progress(std::size_t files) : files_(files), shown_(isatty(STDERR_FILENO) != 0) {}
  ~Progress() {
    if (shown_) std::fprintf(stderr, "\r\033[K");
  }
  void Show(std::size_t done, std::size_t stored, const std::string& path) const {
    if (!shown_) return;
    constexpr std::size_t kWidth = 30;
    const std::size_t filled = files_ == 0 ? kWidth : done * kWidth / files_;
    std::fprintf(stderr, "\r\033[K[%s%s] %zu/%zu files, %zu resources  %.40s", std::string(filled, '#').c_str(),
                 std::string(kWidth - filled, '.').c_str(), done, files_, stored, std::filesystem::path(path).filename().c_str());
    std::fflush(stderr);
  }

 private:
  const std::size_t files_;
  const bool shown_;
};

void PrintJson(const ImportTotals& totals, absl::Duration took, absl::Duration stored_after) {
  Json faults = Json::Array();
  for (const ImportFault& fault : totals.faults) {
    faults.Append(Json::Object({{"file", Json::String(fault.file)},
                                {"message", Json::String(fault.message)},
                                {"place", Json::Integer(static_cast<std::int64_t>(fault.place))}}));
  }
  std::printf("%s\n", Json::Object({{"failed", std::move(faults)},
                                    {"files", Json::Integer(static_cast<std::int64_t>(totals.files))},
                                    {"milliseconds", Json::Integer(absl::ToInt64Milliseconds(took))},
                                    {"milliseconds_until_stored", Json::Integer(absl::ToInt64Milliseconds(stored_after))},
                                    {"stored", Json::Integer(static_cast<std::int64_t>(totals.stored))},
                                    {"transactions", Json::Integer(static_cast<std::int64_t>(totals.transactions))}})
                          .Text()
                          .c_str());
}

void Run(const Options& options) {
  TenantEndpoint endpoint = options.endpoint.Find();
  endpoint.client.timeout = kTimeout;
  const auto groups = FilesToImport(options.paths);
  Check(groups.status());
  std::size_t files = 0;
  for (const auto& group : *groups) files += group.size();
  if (files == 0) throw CommandFailed{1, "no *.json or *.ndjson file is there"};
  const auto client = rpc::HttpsClient::Create(endpoint.client);
  Check(client.status());
  const absl::Time start = absl::Now();
  ImportSender sender(**client, endpoint.url, options.at_once);
  {
    const Progress progress(files);
    const auto show = [&](const std::string& path, std::size_t stored) { progress.Show(sender.totals().files, stored, path); };
    for (const auto& group : *groups) Check(sender.Send(group, show));
  }
  const absl::Duration stored_after = absl::Now() - start;
  Check(sender.AwaitFollowUp());
  const ImportTotals& totals = sender.totals();
  if (options.json) {
    PrintJson(totals, absl::Now() - start, stored_after);
  } else {
    std::printf("%zu resources of %zu files stored in %zu transactions\n", totals.stored, totals.files, totals.transactions);
    for (const ImportFault& fault : totals.faults) {
      const std::string place = fault.place == 0 ? fault.file : absl::StrCat(fault.file, ":", fault.place);
      std::fprintf(stderr, "%s: %s\n", place.c_str(), fault.message.c_str());
    }
  }
  if (!totals.faults.empty()) throw CommandFailed{1, absl::StrCat(totals.faults.size(), " of the files' parts were not stored; the rest was")};
}

}  // namespace

void AddImport(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("import", "send FHIR Bundles and NDJSON to a tenant's records");
  command->footer(
      "Transaction Bundles are sent as they are, all or nothing. NDJSON and other Bundles become transactions that keep the\n"
      "resources' ids; a refused row is told with its line and left out. May be started again at any time.\n"
      "Examples:\n"
      "  custodian import --home .quickstart --tenant northside records/\n"
      "  custodian import --url https://host:8443/fhir/0123456789abcdef --cert c.crt --key c.key --ca ca.crt Patient.ndjson");
  options->endpoint.AddTo(*command);
  command->add_option("--at-once", options->at_once, "transactions on their way at a time")->check(CLI::Range(1, 32))->capture_default_str();
  command->add_flag("--json", options->json, "print the summary as JSON");
  command->add_option("PATH", options->paths, "files, or folders with *.json and *.ndjson")->required();
  command->callback([options] { Run(*options); });
}

}  // namespace custodian::main
