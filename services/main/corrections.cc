// `custodian corrections ...`: alerts that a result this tenant was shown was corrected at its source, and their acknowledgement. Over FHIR, as
// a client of the tenant.
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/exchange/fhir_json.h"
#include "services/main/commands.h"
#include "services/main/home_tenant.h"
#include "services/rpc/https_client.h"

namespace custodian::main {
namespace {

using exchange::Json;

struct Options {
  TenantEndpointOption endpoint{kFhirInterface};
  std::string id;
  std::string note;
  bool json = false;
};

// The resource that the platform answers with; fails the command with its reason otherwise.
Json Ask(const Options& options, const char* method, const std::string& path, const std::string& body) {
  const TenantEndpoint endpoint = options.endpoint.Find();
  auto client = rpc::HttpsClient::Create(endpoint.client);
  Check(client.status());
  std::vector<std::pair<std::string, std::string>> headers = {{"accept", "application/fhir+json"}};
  if (!body.empty()) headers.emplace_back("content-type", "application/fhir+json");
  const auto answer = (*client)->Send(method, absl::StrCat(endpoint.url, "/Communication/", path), headers, body);
  Check(answer.status());
  auto json = Json::Parse(answer->body);
  if (answer->status != 200) {
    const std::string why = json.ok() ? (*json)["issue"][0].TextOf("diagnostics") : "";
    throw CommandFailed{1, absl::StrCat("the platform answered ", answer->status, why.empty() ? "" : ": ", why)};
  }
  Check(json.status());
  return *std::move(json);
}

void PrintLine(const Json& alert) {
  std::printf("%s  %s  %-9s  %s  %s\n", alert.TextOf("id").c_str(), alert.TextOf("sent").c_str(), alert["reasonCode"][0]["coding"][0].TextOf("code").c_str(),
              alert["subject"].TextOf("reference").c_str(), alert["about"][0].TextOf("reference").c_str());
}

void List(const Options& options) {
  const Json open = Ask(options, "GET", "$corrections", "");
  if (options.json) {
    std::printf("%s\n", open.Text().c_str());
    return;
  }
  for (const Json& entry : open["entry"].items()) PrintLine(entry["resource"]);
}

void Acknowledge(const Options& options) {
  std::string body;
  if (!options.note.empty())
    body = Json::Object({{"resourceType", Json::String("Parameters")},
                         {"parameter", Json::Array({Json::Object({{"name", Json::String("note")}, {"valueString", Json::String(options.note)}})})}})
               .Text();
  const Json alert = Ask(options, "POST", options.id + "/$acknowledge", body);
  if (options.json) {
    std::printf("%s\n", alert.Text().c_str());
    return;
  }
  std::printf("acknowledged %s by %s\n", alert["note"][0].TextOf("time").c_str(), alert["note"][0].TextOf("authorString").c_str());
}

CLI::App* AddOne(CLI::App& corrections, const char* name, const char* what, const char* example, const std::shared_ptr<Options>& options) {
  auto* command = corrections.add_subcommand(name, what);
  command->footer(absl::StrCat("Example:\n  custodian corrections ", name, " --home .quickstart --tenant lakeside", example));
  options->endpoint.AddTo(*command);
  command->add_flag("--json", options->json, "FHIR JSON");
  return command;
}

}  // namespace

void AddCorrections(CLI::App& app) {
  auto* corrections = app.add_subcommand("corrections", "results of others that were shown here and corrected since: list, acknowledge");
  corrections->footer("Example:\n  custodian corrections list --home .quickstart --tenant lakeside");
  corrections->require_subcommand(1);
  auto list = std::make_shared<Options>();
  AddOne(*corrections, "list", "alerts that nobody has acknowledged, oldest first: id, time, what, patient, result", "", list)->callback([list] {
    List(*list);
  });
  auto acknowledge = std::make_shared<Options>();
  auto* command = AddOne(*corrections, "acknowledge", "close one alert; the word stays on the ledger",
                         " correction-00112233445566778899aabbccddeeff --note 'Dr. Ruiz called the patient'", acknowledge);
  command->add_option("id", acknowledge->id, "of the alert, as list prints it")->required()->check([](const std::string& id) {
    return id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos ? std::string() : std::string("an id has lower-case letters, digits and '-'");
  });
  command->add_option("--note", acknowledge->note, "what was done about it, kept in the patient's chart");
  command->callback([acknowledge] { Acknowledge(*acknowledge); });
}

}  // namespace custodian::main
