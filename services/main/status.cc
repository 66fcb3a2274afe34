// `custodian status`: what the running platform says of itself.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "rapidjson/document.h"
#include "services/main/commands.h"
#include "services/main/platform_client.h"

namespace custodian::main {
namespace {

struct Options {
  ConfigOption config;
  bool json = false;
  bool link = false;
  std::string set_time;
};

std::string Field(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd()) return "-";
  if (member->value.IsString()) return member->value.GetString();
  if (member->value.IsUint64()) return std::to_string(member->value.GetUint64());
  if (member->value.IsBool()) return member->value.GetBool() ? "yes" : "no";
  return "-";
}

void PrintTable(const std::string& json) {
  rapidjson::Document status;
  status.Parse(json.c_str());
  if (status.HasParseError() || !status.IsObject()) throw CommandFailed{1, "the platform's answer cannot be read; are the versions equal?"};
  std::printf("network time      %s\n", Field(status, "network_time").c_str());
  if (status.HasMember("orders")) {
    for (const char* name : {"checked", "shown", "accepted", "overridden"}) {
      std::printf("orders %-11s %s\n", name, Field(status["orders"], name).c_str());
    }
    std::printf("cards opened       %s\n", Field(status, "cards_opened").c_str());
  }
  if (status.HasMember("inferred")) {
    for (const char* name : {"cancelled", "performed"}) {
      std::printf("inferred %-9s %s\n", name, Field(status["inferred"], name).c_str());
    }
  }
  if (!status.HasMember("logs")) return;
  std::printf("%-14s %-42s %12s %12s\n", "tenant", "origin", "size", "witnessed");
  for (const auto& log : status["logs"].GetArray()) {
    std::printf("%-14s %-42s %12s %12s\n", Field(log, "tenant").c_str(), Field(log, "origin").c_str(), Field(log, "size").c_str(),
                Field(log, "witnessed_size").c_str());
  }
}

void Run(const Options& options) {
  const Config config = options.config.Load();
  const auto client = OperatorClient(config);
  if (options.link) {
    const auto url = client->DashboardLink();
    Check(url.status());
    std::printf("%s\n", url->c_str());
    return;
  }
  if (!options.set_time.empty()) {
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, options.set_time, &time, &error)) {
      throw CommandFailed{2, "--set-time wants RFC 3339, e.g. 2026-03-01T00:00:00Z"};
    }
    Check(client->SetTime(time).status());
    return;
  }
  const auto status = client->Status();
  Check(status.status());
  if (options.json) {
    std::printf("%s\n", status->c_str());
  } else {
    PrintTable(*status);
  }
}

}  // namespace

void AddStatus(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("status", "what runs: logs, witnessed sizes, orders");
  command->footer("Example:\n  custodian status --home .quickstart --json");
  options->config.AddTo(*command);
  auto* json = command->add_flag("--json", options->json, "JSON");
  command->add_flag("--link", options->link, "a link that opens the dashboard once, within ten minutes")->excludes(json);
  command->add_option("--set-time", options->set_time, "simulated time only: move network time on to this moment")->excludes(json);
  command->callback([options] { Run(*options); });
}

}  // namespace custodian::main
