// `custodian import`: sends FHIR files to a tenant's FHIR endpoint over HTTPS, as any client would. May be broken off and started
// again: every transaction carries the hash of its content as Idempotency-Key, so what was stored is answered, not stored again.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ledger/tree.h"
#include "services/exchange/fhir_json.h"
#include "services/main/commands.h"
#include "services/main/home_tenant.h"
#include "services/main/import_files.h"
#include "services/rpc/https_client.h"
#include "tenants/ids.h"

namespace custodian::main {
namespace {

using exchange::Json;

constexpr std::size_t kRowsPerTransaction = 500;
constexpr std::size_t kBytesPerTransaction = 8u << 20;
// A server that is busy or restarting is asked again for about a minute.
constexpr int kTries = 60;
constexpr absl::Duration kRetryAfter = absl::Seconds(1);

struct Options {
  std::string home;
  std::string tenant;
  std::string url;
  std::string certificate;
  std::string key;
  std::string ca;
  bool json = false;
  std::vector<std::string> paths;
};

// Where to send to, and as whom.
struct Endpoint {
  std::string url;
  rpc::HttpsClient::Options client;
};

struct Fault {
  std::string file;
  // Line or position in the file; 0 for the whole file.
  std::size_t place = 0;
  std::string message;
};

struct Totals {
  std::size_t files = 0;
  std::size_t transactions = 0;
  std::size_t stored = 0;
  std::vector<Fault> faults;
};

Endpoint EndpointOf(const Options& options) {
  Endpoint endpoint;
  endpoint.url = options.url;
  endpoint.client.certificate_file = options.certificate;
  endpoint.client.key_file = options.key;
  endpoint.client.ca_file = options.ca;
  endpoint.client.timeout = absl::Minutes(5);
  if (!options.home.empty()) {
    HomeTenant found = FindInHome(options.home, options.tenant, "client");
    endpoint.url = found.tenant.TextOf("fhir_base_url");
    found.client.timeout = endpoint.client.timeout;
    endpoint.client = std::move(found.client);
  }
  while (endpoint.url.ends_with('/')) endpoint.url.pop_back();
  return endpoint;
}

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

class Importer {
 public:
  Importer(const rpc::HttpsClient& client, std::string url) : client_(client), url_(std::move(url)) {}

  void Import(const std::string& path) {
    ++totals_.files;
    const auto file = ReadImportFile(path);
    if (!file.ok()) return Tell(path, 0, std::string(file.status().message()));
    for (const auto& [place, reason] : file->bad_rows) Tell(path, place, reason);
    if (!file->transaction.empty()) {
      const rpc::HttpResponse answer = Send(file->transaction);
      if (answer.status == 200) return Count(file->transaction_entries);
      return Tell(path, 0, Reason(answer));
    }
    std::vector<const ImportRow*> part;
    std::size_t bytes = 0;
    for (const ImportRow& row : file->rows) {
      const std::size_t size = row.entry.Text().size();
      if (!part.empty() && (part.size() >= kRowsPerTransaction || bytes + size > kBytesPerTransaction)) {
        SendPart(path, std::move(part));
        part.clear();
        bytes = 0;
      }
      part.push_back(&row);
      bytes += size;
    }
    if (!part.empty()) SendPart(path, std::move(part));
  }

  [[nodiscard]] const Totals& totals() const { return totals_; }

 private:
  void Tell(const std::string& file, std::size_t place, std::string message) { totals_.faults.push_back({file, place, std::move(message)}); }
  void Count(std::size_t resources) {
    ++totals_.transactions;
    totals_.stored += resources;
  }

  // The server's own words: of the first issues.
  static std::string Reason(const rpc::HttpResponse& answer) {
    constexpr std::size_t kIssuesShown = 3;
    std::string reason = absl::StrCat("refused with status ", answer.status);
    const auto outcome = Json::Parse(answer.body);
    if (!outcome.ok()) return reason;
    const auto& issues = (*outcome)["issue"].items();
    for (std::size_t i = 0; i < std::min(issues.size(), kIssuesShown); ++i) {
      absl::StrAppend(&reason, i == 0 ? ": " : "; ", issues[i].TextOf("diagnostics"));
    }
    if (issues.size() > kIssuesShown) absl::StrAppend(&reason, "; and ", issues.size() - kIssuesShown, " more");
    return reason;
  }

  // Sends the rows as one transaction. Rows that the server names as faulty are told and left out, and the others sent again.
  void SendPart(const std::string& path, std::vector<const ImportRow*> part) {
    while (!part.empty()) {
      const rpc::HttpResponse answer = Send(TransactionOf(part));
      if (answer.status == 200) return Count(part.size());
      const std::set<std::size_t> faulty = TellFaultyRows(path, answer, part);
      if (faulty.empty()) return Tell(path, part.front()->place, absl::StrCat("and ", part.size() - 1, " rows after it: ", Reason(answer)));
      std::vector<const ImportRow*> rest;
      for (std::size_t i = 0; i < part.size(); ++i) {
        if (!faulty.contains(i)) rest.push_back(part[i]);
      }
      part = std::move(rest);
    }
  }

  std::set<std::size_t> TellFaultyRows(const std::string& path, const rpc::HttpResponse& answer, const std::vector<const ImportRow*>& part) {
    constexpr std::string_view kPrefix = "Bundle.entry[";
    std::set<std::size_t> faulty;
    const auto outcome = Json::Parse(answer.body);
    if (!outcome.ok() || answer.status < 400 || answer.status >= 500) return faulty;
    for (const Json& issue : (*outcome)["issue"].items()) {
      const std::string& expression = issue["expression"][0].text();
      std::size_t index = 0;
      if (!expression.starts_with(kPrefix)) continue;
      const std::string digits = expression.substr(kPrefix.size(), expression.find(']') - kPrefix.size());
      if (!absl::SimpleAtoi(digits, &index) || index >= part.size() || !faulty.insert(index).second) continue;
      Tell(path, part[index]->place, absl::StrCat("refused with status ", answer.status, ": ", issue.TextOf("diagnostics")));
    }
    return faulty;
  }

  // Asks again while the server is busy, away, or broke off: the key settles what happened.
  rpc::HttpResponse Send(const std::string& body) const {
    const ledger::Hash hash = ledger::Sha256(body);
    const std::string key = "import-" + HexEncode({reinterpret_cast<const char*>(hash.data()), hash.size()});
    const std::vector<std::pair<std::string, std::string>> headers = {
        {"Content-Type", "application/fhir+json"}, {"Accept", "application/fhir+json"}, {"Idempotency-Key", key}, {"Prefer", "return=minimal"}};
    for (int attempt = 1;; ++attempt) {
      auto answer = client_.Send("POST", url_, headers, body);
      const bool again = answer.ok() ? answer->status == 503 || answer->status == 429 || answer->status == 409
                                     : absl::IsUnavailable(answer.status()) || absl::IsUnknown(answer.status()) ||
                                           absl::IsDeadlineExceeded(answer.status());
      if (!again || attempt == kTries) {
        if (!answer.ok()) throw CommandFailed{1, absl::StrCat(url_, ": ", std::string(answer.status().message()))};
        return *std::move(answer);
      }
      absl::SleepFor(kRetryAfter);
    }
  }

  const rpc::HttpsClient& client_;
  const std::string url_;
  Totals totals_;
};

void PrintJson(const Totals& totals, absl::Duration took) {
  Json faults = Json::Array();
  for (const Fault& fault : totals.faults) {
    faults.Append(Json::Object({{"file", Json::String(fault.file)},
                                {"message", Json::String(fault.message)},
                                {"place", Json::Integer(static_cast<std::int64_t>(fault.place))}}));
  }
  std::printf("%s\n", Json::Object({{"failed", std::move(faults)},
                                    {"files", Json::Integer(static_cast<std::int64_t>(totals.files))},
                                    {"milliseconds", Json::Integer(absl::ToInt64Milliseconds(took))},
                                    {"stored", Json::Integer(static_cast<std::int64_t>(totals.stored))},
                                    {"transactions", Json::Integer(static_cast<std::int64_t>(totals.transactions))}})
                          .Text()
                          .c_str());
}

void Run(const Options& options) {
  const bool by_home = !options.home.empty() && !options.tenant.empty();
  const bool by_url = !options.url.empty() && !options.certificate.empty() && !options.key.empty() && !options.ca.empty();
  if (by_home == by_url) throw CommandFailed{2, "give either --home and --tenant, or --url, --cert, --key and --ca"};
  const auto files = FilesToImport(options.paths);
  Check(files.status());
  if (files->empty()) throw CommandFailed{1, "no *.json or *.ndjson file is there"};
  const Endpoint endpoint = EndpointOf(options);
  const auto client = rpc::HttpsClient::Create(endpoint.client);
  Check(client.status());
  const absl::Time start = absl::Now();
  Importer importer(**client, endpoint.url);
  {
    const Progress progress(files->size());
    for (std::size_t i = 0; i < files->size(); ++i) {
      progress.Show(i, importer.totals().stored, (*files)[i]);
      importer.Import((*files)[i]);
    }
  }
  const Totals& totals = importer.totals();
  if (options.json) {
    PrintJson(totals, absl::Now() - start);
  } else {
    std::printf("%zu resources of %zu files stored in %zu transactions\n", totals.stored, totals.files, totals.transactions);
    for (const Fault& fault : totals.faults) {
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
  command->add_option("--home", options->home, "a quickstart's home, whose summary.json names addresses and certificates");
  command->add_option("--tenant", options->tenant, "name of the tenant (with --home)");
  command->add_option("--url", options->url, "base of the tenant's FHIR URLs");
  command->add_option("--cert", options->certificate, "client certificate (PEM)");
  command->add_option("--key", options->key, "its key (PEM)");
  command->add_option("--ca", options->ca, "CA of the server (PEM)");
  command->add_flag("--json", options->json, "print the summary as JSON");
  command->add_option("PATH", options->paths, "files, or folders with *.json and *.ndjson")->required();
  command->callback([options] { Run(*options); });
}

}  // namespace custodian::main
