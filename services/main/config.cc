#include "services/main/config.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "yaml-cpp/yaml.h"

namespace custodian::main {
namespace {

// Reads scalar keys of one YAML document: the environment first, then the file, then the default; remembers what was asked for,
// so that a misspelt key is refused instead of ignored.
class Reader {
 public:
  explicit Reader(YAML::Node root, std::filesystem::path folder) : root_(std::move(root)), folder_(std::move(folder)) {}

  std::string Text(const std::string& key, const std::string& fallback = "") {
    known_.push_back(key);
    if (const char* value = std::getenv(EnvironmentName(key).c_str())) return value;
    YAML::Node node = YAML::Clone(root_);
    for (const auto& part : absl::StrSplit(key, '.')) {
      if (!node.IsMap() || !node[std::string(part)]) return fallback;
      node = node[std::string(part)];
    }
    if (!node.IsScalar()) {
      Fail(key, "a single value is expected");
      return fallback;
    }
    return node.as<std::string>();
  }
  std::string Path(const std::string& key, const std::string& fallback = "") {
    const std::string text = Text(key, fallback);
    return text.empty() ? text : (folder_ / text).lexically_normal().string();
  }
  int Number(const std::string& key, int fallback, int least, int most) {
    int number = 0;
    if (!absl::SimpleAtoi(Text(key, std::to_string(fallback)), &number) || number < least || number > most)
      Fail(key, absl::StrCat("must be a whole number, ", least, " to ", most));
    return number;
  }
  // Separated by spaces or commas.
  std::vector<std::string> Words(const std::string& key) {
    return absl::StrSplit(Text(key), absl::ByAnyChar(" ,"), absl::SkipEmpty());
  }
  int Port(const std::string& key, int fallback) {
    const std::string text = Text(key, std::to_string(fallback));
    int port = 0;
    if (!absl::SimpleAtoi(text, &port) || port < 0 || port > 65535) Fail(key, "must be a port, 0 to 65535");
    return port;
  }
  absl::Duration Duration(const std::string& key, absl::Duration fallback) {
    const std::string text = Text(key, absl::FormatDuration(fallback));
    absl::Duration duration;
    if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration() || duration > absl::Hours(24 * 366)) {
      Fail(key, "must be a time such as 24h, 30m or 0");
    }
    return duration;
  }
  bool Flag(const std::string& key, bool fallback) {
    const std::string text = Text(key, fallback ? "true" : "false");
    if (text != "true" && text != "false") Fail(key, "must be true or false");
    return text == "true";
  }
  void Fail(const std::string& key, const std::string& why) {
    if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat("configuration key '", key, "': ", why));
  }
  // Non-OK for the first fault, or for a key nobody asked for.
  absl::Status Finish() {
    if (status_.ok()) CheckUnknown(root_, "");
    return status_;
  }

 private:
  static std::string EnvironmentName(const std::string& key) {
    std::string name = "CUSTODIAN_";
    for (char c : key) name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return name;
  }
  void CheckUnknown(const YAML::Node& node, const std::string& prefix) {
    for (const auto& item : node) {
      const std::string key = prefix + item.first.as<std::string>();
      if (item.second.IsMap()) {
        CheckUnknown(item.second, key + ".");
      } else if (key != "cells" && std::find(known_.begin(), known_.end(), key) == known_.end()) {
        Fail(key, "is not known; compare deploy/config.example.yaml");
      }
    }
  }

  YAML::Node root_;
  std::filesystem::path folder_;
  std::vector<std::string> known_;
  absl::Status status_;
};

Config::Listener ReadListener(Reader& reader, const std::string& name) {
  Config::Listener listener;
  listener.address = reader.Text(name + ".address", "127.0.0.1");
  listener.port = reader.Port(name + ".port", 0);
  listener.certificate_file = reader.Path(name + ".certificate_file");
  listener.key_file = reader.Path(name + ".key_file");
  listener.client_ca_file = reader.Path(name + ".client_ca_file");
  return listener;
}

void ReadCells(const YAML::Node& root, Reader& reader, Config& config) {
  if (!root["cells"] || !root["cells"].IsSequence() || root["cells"].size() == 0) {
    reader.Fail("cells", "at least one cell (name, host, port) is needed");
    return;
  }
  for (const auto& node : root["cells"]) {
    Config::Cell cell;
    for (const auto& item : node) {
      const auto key = item.first.as<std::string>();
      const auto value = item.second.as<std::string>();
      if (key == "name") {
        cell.name = value;
      } else if (key == "host") {
        cell.host = value;
      } else if (key == "port") {
        if (!absl::SimpleAtoi(value, &cell.port)) reader.Fail("cells.port", "must be a port");
      } else if (key == "options") {
        cell.options = value;
      } else if (key == "admin_user") {
        cell.admin_user = value;
      } else {
        reader.Fail("cells." + key, "is not known; compare deploy/config.example.yaml");
      }
    }
    if (cell.name.empty() || cell.host.empty()) reader.Fail("cells", "each cell needs name and host");
    config.cells.push_back(std::move(cell));
  }
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, bool secret) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return absl::NotFoundError(absl::StrCat("there is no file '", path, "'"));
  }
  if (secret && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return absl::PermissionDeniedError(absl::StrCat("'", path, "' holds a secret and others may read it: chmod 600 it"));
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) return absl::PermissionDeniedError(absl::StrCat("'", path, "' cannot be read"));
  return bytes.str();
}

absl::StatusOr<Config> Config::Load(const std::string& file) {
  auto text = ReadFile(file);
  if (!text.ok()) return text.status();
  Config config;
  try {
    const YAML::Node root = YAML::Load(*text);
    if (!root.IsMap()) return absl::InvalidArgumentError(absl::StrCat("'", file, "' is no YAML map"));
    Reader reader(root, std::filesystem::absolute(file).parent_path());
    config.network = reader.Text("network");
    if (config.network.empty()) reader.Fail("network", "is needed (the trust domain, e.g. custodian.example)");
    config.profile = reader.Text("profile", "production");
    if (config.profile != "production" && config.profile != "development") {
      reader.Fail("profile", "must be production or development");
    }
    config.simulated_time = reader.Flag("simulated_time", false);
    if (config.simulated_time && config.profile == "production") {
      reader.Fail("simulated_time", "is refused under profile production");
    }
    if (const std::string start = reader.Text("simulated_time_start"); !start.empty()) {
      absl::Time time;
      std::string error;
      if (!absl::ParseTime(absl::RFC3339_full, start, &time, &error)) reader.Fail("simulated_time_start", "must be RFC 3339");
      config.simulated_time_start = time;
    }
    ReadCells(root, reader, config);
    config.network_cell = reader.Text("network_cell", config.cells.empty() ? "" : config.cells.front().name);
    config.network_database = reader.Text("network_database", "custodian_network");
    config.secrets_directory = reader.Path("secrets_directory");
    config.keys.socket = reader.Path("keys.socket");
    config.keys.module = reader.Path("keys.module", "/usr/lib/softhsm/libsofthsm2.so");
    config.keys.token_label = reader.Text("keys.token_label", "custodian");
    config.keys.pin_file = reader.Path("keys.pin_file");
    config.keys.state_directory = reader.Path("keys.state_directory");
    config.keys.secrets_directory = reader.Path("keys.secrets_directory", reader.Text("secrets_directory"));
    config.key_lease = absl::Seconds(reader.Number("keys.lease_seconds", 60, 0, 60));
    config.grpc = ReadListener(reader, "grpc");
    config.https = ReadListener(reader, "https");
    config.feeds.mllp = ReadListener(reader, "mllp");
    config.feeds.lateness = reader.Duration("feeds.lateness", config.feeds.lateness);
    config.feeds.silence = reader.Duration("feeds.silence", config.feeds.silence);
    config.public_url = reader.Text("public_url");
    config.order_check_tick = absl::Milliseconds(reader.Number("order_check.tick_ms", 100, 0, 400));
    config.order_check_charts = absl::Milliseconds(reader.Number("order_check.charts_ms", 70, 10, 400));
    config.client_per_second = reader.Number("limits.requests_per_second", config.client_per_second, 0, 1'000'000);
    config.client_at_once = reader.Number("limits.at_once", config.client_at_once, 1, 1'000);
    config.outgoing.hosts = reader.Words("outgoing.hosts");
    config.outgoing.private_networks = reader.Words("outgoing.private_networks");
    config.outgoing.ca_file = reader.Path("outgoing.ca_file", "/etc/ssl/certs/ca-certificates.crt");
    config.author_key_file = reader.Path("author_key_file");
    config.policy_file = reader.Path("policy_file");
    for (const std::string& word : reader.Words("mirrors")) {
      const std::vector<std::string> parts = absl::StrSplit(word, absl::MaxSplits('=', 1));
      Config::Mirror mirror{parts[0], {}};
      if (parts.size() == 2) mirror.tenants = absl::StrSplit(parts[1], '+', absl::SkipEmpty());
      if (mirror.name.empty() || (parts.size() == 2 && mirror.tenants.empty())) reader.Fail("mirrors", "each is NAME or NAME=TENANT+TENANT");
      config.mirrors.push_back(std::move(mirror));
    }
    config.lying_witnesses_max = reader.Number("lying_witnesses_max", 0, 0, 1'000);
    config.subject_maps = reader.Flag("subject_maps", config.subject_maps);
    config.countersigning = reader.Flag("countersigning", config.countersigning);
    config.refusals_batch = reader.Number("refusals.batch", config.refusals_batch, 1, 500);
    config.refusals_period = absl::Seconds(reader.Number("refusals.period_seconds", 300, 1, 86'400));
    config.refusals_waiting_max = reader.Number("refusals.waiting_max", config.refusals_waiting_max, 1, 1'000'000);
    config.assets_directory = reader.Path("assets_directory");
    config.operator_certificate_file = reader.Path("operator.certificate_file");
    config.operator_key_file = reader.Path("operator.key_file");
    if (auto status = reader.Finish(); !status.ok()) return status;
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("'", file, "', line ", error.mark.line + 1, ": ", error.msg));
  }
  return config;
}

absl::StatusOr<tenants::ConnectionSpec> Config::Connection(const std::string& cell, const std::string& database,
                                                           const std::string& role, const std::string& secrets) const {
  for (const Cell& candidate : cells) {
    if (candidate.name != cell) continue;
    auto password = ReadFile((std::filesystem::path(secrets) / (role + ".password")).string(), /*secret=*/true);
    if (!password.ok()) return password.status();
    while (!password->empty() && password->back() == '\n') password->pop_back();
    return tenants::ConnectionSpec{.host = candidate.host, .port = candidate.port, .database = database, .user = role,
                                   .password = *std::move(password), .options = candidate.options};
  }
  return absl::NotFoundError(absl::StrCat("no cell '", cell, "' in the configuration"));
}

}  // namespace custodian::main
