// `custodian feed ...`: a tenant's messages in quarantine, as its interface team works on them. Over HTTPS with a certificate of role feed.
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_json.h"
#include "services/main/commands.h"
#include "services/main/home_tenant.h"
#include "services/rpc/https_client.h"

namespace custodian::main {
namespace {

using exchange::Json;

struct Options {
  TenantEndpointOption endpoint{kFeedInterface};
  std::string id;
  bool all = false;
  bool json = false;
};

rpc::HttpResponse Ask(const Options& options, const char* method, const std::string& path) {
  const TenantEndpoint endpoint = options.endpoint.Find();
  auto client = rpc::HttpsClient::Create(endpoint.client);
  Check(client.status());
  auto answer = (*client)->Send(method, endpoint.url + path);
  Check(answer.status());
  if (answer->status != 200 && answer->status != 422) {
    while (!answer->body.empty() && answer->body.back() == '\n') answer->body.pop_back();
    throw CommandFailed{1, absl::StrCat("the platform answered ", answer->status, ": ", answer->body)};
  }
  return *std::move(answer);
}

void List(const Options& options) {
  const auto answer = Ask(options, "GET", options.all ? "?all=true" : "");
  if (options.json) {
    std::printf("%s", answer.body.c_str());
    return;
  }
  const auto json = Json::Parse(answer.body);
  Check(json.status());
  for (const Json& one : (*json)["messages"].items()) {
    std::printf("%s  %s  %-8s %-4s %-14s %s%s\n", one.TextOf("id").c_str(), one.TextOf("arrived").c_str(), one.TextOf("type").c_str(),
                one["code"].text().c_str(), one.TextOf("place").c_str(), one.Find("replayed") == nullptr ? "" : "(replayed) ", one.TextOf("reason").c_str());
  }
}

void Show(const Options& options) {
  const std::string message = Ask(options, "GET", "/" + options.id).body;
  // A segment a line, on a terminal or in an editor.
  for (const char c : message) std::putchar(c == '\r' ? '\n' : c);
  if (!message.empty() && message.back() != '\r') std::putchar('\n');
}

void Replay(const Options& options) {
  const auto answer = Ask(options, "POST", absl::StrCat("/", options.id, "/replay"));
  if (options.json) std::printf("%s", answer.body.c_str());
  if (answer.status == 200) {
    if (!options.json) std::printf("taken\n");
    return;
  }
  const auto json = Json::Parse(answer.body);
  Check(json.status());
  throw CommandFailed{1, absl::StrCat("refused again: ", (*json)["code"].text(), " ", json->TextOf("place"), ": ", json->TextOf("reason"))};
}

CLI::App* AddOne(CLI::App& feed, const char* name, const char* what, const std::shared_ptr<Options>& options, bool with_id) {
  auto* command = feed.add_subcommand(name, what);
  command->footer(absl::StrCat("Example:\n  custodian feed ", name, " --home .quickstart --tenant lakeside", with_id ? " 00112233445566778899aabbccddeeff" : ""));
  options->endpoint.AddTo(*command);
  if (with_id) command->add_option("id", options->id, "of the message, as list prints it")->required();
  return command;
}

}  // namespace

void AddFeed(CLI::App& app) {
  auto* feed = app.add_subcommand("feed", "HL7 v2 messages in quarantine: list, show, replay");
  feed->footer("Example:\n  custodian feed list --home .quickstart --tenant lakeside");
  feed->require_subcommand(1);
  auto list = std::make_shared<Options>();
  auto* command = AddOne(*feed, "list", "messages that were refused, newest first", list, false);
  command->add_flag("--all", list->all, "also those that were replayed");
  command->add_flag("--json", list->json, "JSON");
  command->callback([list] { List(*list); });
  auto show = std::make_shared<Options>();
  AddOne(*feed, "show", "one message, a segment a line (holds health data)", show, true)->callback([show] { Show(*show); });
  auto replay = std::make_shared<Options>();
  command = AddOne(*feed, "replay", "take one message now, e.g. after custodian tenant feed-map", replay, true);
  command->add_flag("--json", replay->json, "JSON");
  command->callback([replay] { Replay(*replay); });
}

}  // namespace custodian::main
