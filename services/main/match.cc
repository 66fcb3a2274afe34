// `custodian match ...`: who is one person. A tenant's stewards review pairs; operators estimate and govern the weights.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/exchange/locator.h"
#include "services/main/commands.h"
#include "services/main/json_members.h"
#include "services/main/platform_client.h"
#include "services/main/secrets.h"
#include "tenants/database.h"

namespace custodian::main {
namespace {

constexpr const char* kBlockNames[] = {"national identifier",    "family name and birth date", "given name and birth date",
                                       "contact and given name", "contact and birth date",     "full name"};

struct EstimateOptions {
  ConfigOption config;
  std::string from;
  int patients = 200'000;
  bool json = false;
};

void Estimate(const EstimateOptions& options) {
  const Config config = options.config.Load();
  exchange::MatchWeights before = exchange::MatchWeights::Shipped();
  if (!options.from.empty()) {
    const auto csv = ReadFile(options.from);
    Check(csv.status());
    auto read = exchange::MatchWeights::Parse(*csv);
    Check(read.status());
    before = *std::move(read);
  }
  auto connection = config.Connection(config.network_cell, config.network_database, config.NetworkRole(), config.secrets_directory);
  Check(connection.status());
  const tenants::Database network(*std::move(connection), tenants::Database::Options{.plan_once = true});
  const auto estimate = exchange::EstimateFromRows(network, options.patients, before);
  Check(estimate.status());
  if (!options.json) {
    std::printf("%s", estimate->weights.Csv().c_str());
    std::fprintf(stderr, "custodian match: %lld candidate pairs, %d rounds\n", static_cast<long long>(estimate->pairs), estimate->rounds);
    return;
  }
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("pairs");
  writer.Int64(estimate->pairs);
  writer.Key("rounds");
  writer.Int(estimate->rounds);
  writer.Key("matches");
  writer.StartObject();
  for (std::size_t block = 0; block < exchange::kBlocks; ++block) {
    writer.Key(kBlockNames[block]);
    writer.Double(estimate->matches[block]);
  }
  writer.EndObject();
  writer.Key("weights_csv");
  writer.String(estimate->weights.Csv().c_str());
  writer.EndObject();
  std::printf("%s\n", buffer.GetString());
}

struct WeightsOptions {
  ConfigOption config;
  std::string file;
  std::string source;
  std::string approved_by;
};

// A steward's certificate, as its tenant had it signed.
struct StewardOption {
  ConfigOption config;
  std::string certificate;
  std::string key;

  void AddTo(CLI::App& command) {
    config.AddTo(command);
    command.add_option("--cert", certificate, "steward's certificate (custodian tenant client --role steward)")->required();
    command.add_option("--key", key, "its key")->required();
  }
  [[nodiscard]] std::unique_ptr<rpc::MatchClient> Client() const {
    const Config loaded = config.Load();
    auto client = rpc::MatchClient::Create({.address = absl::StrCat(loaded.grpc.address, ":", loaded.grpc.port),
                                            .ca_file = loaded.grpc.client_ca_file,
                                            .certificate_file = certificate,
                                            .key_file = key});
    Check(client.status());
    return *std::move(client);
  }
};

struct QueueOptions {
  StewardOption steward;
  bool json = false;
};

void WriteItem(const rpc::MatchClient::Item& item, JsonWriter& writer) {
  writer.StartObject();
  WriteText(writer, "patient", item.patient);
  WriteText(writer, "other", item.other);
  WriteText(writer, "other_tenant", item.other_tenant);
  WriteText(writer, "other_patient", item.other_patient);
  WriteText(writer, "grade", item.grade);
  writer.Key("score");
  writer.Double(item.score);
  writer.Key("agreement");
  writer.StartArray();
  for (const std::string& one : item.agreement) writer.String(one.c_str());
  writer.EndArray();
  writer.EndObject();
}

void Queue(const QueueOptions& options) {
  const auto client = options.steward.Client();
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartArray();
  std::string after;
  do {
    const auto page = client->ReviewQueue(after);
    Check(page.status());
    for (const rpc::MatchClient::Item& item : page->items) {
      if (options.json) {
        WriteItem(item, writer);
      } else {
        std::printf("%-36s %s %s%s%s  %s, %.1f bits: %s\n", item.patient.c_str(), item.other.c_str(), item.other_tenant.c_str(),
                    item.other_patient.empty() ? "" : " ", item.other_patient.c_str(), item.grade.c_str(), item.score,
                    absl::StrJoin(item.agreement, " ").c_str());
      }
    }
    after = page->next;
  } while (!after.empty());
  writer.EndArray();
  if (options.json) std::printf("%s\n", buffer.GetString());
}

void AddQueue(CLI::App& match) {
  auto options = std::make_shared<QueueOptions>();
  auto* command = match.add_subcommand("queue", "pairs that may be one person and that nobody decided");
  command->footer("Example:\n  custodian match queue --home .quickstart --cert steward.crt --key steward.key");
  options->steward.AddTo(*command);
  command->add_flag("--json", options->json, "JSON");
  command->callback([options] { Queue(*options); });
}

struct DecideOptions {
  StewardOption steward;
  std::string patient;
  std::string other;
  std::string reason;
  std::string key;
};

void AddDecision(CLI::App& match, const char* name, const char* what, bool link) {
  auto options = std::make_shared<DecideOptions>();
  auto* command = match.add_subcommand(name, what);
  command->footer(absl::StrCat("Example:\n  custodian match ", name,
                               " 6c1f... 0123456789abcdef/5b0e... --home .quickstart --cert steward.crt --key steward.key \\\n"
                               "    --reason \"both charts compared\""));
  options->steward.AddTo(*command);
  command->add_option("patient", options->patient, "FHIR id of the tenant's own patient")->required();
  command->add_option("other", options->other, "the other one as the queue names it")->required();
  command->add_option("--reason", options->reason, "why, for the record")->required();
  command->add_option("--idempotency-key", options->key, "the same key again records nothing twice (default: made of the words of the decision)");
  command->callback([options, name, link] {
    const std::string key = options->key.empty() ? absl::StrCat(name, " ", options->patient, " ", options->reason).substr(0, 128) : options->key;
    const auto index = options->steward.Client()->Decide(options->patient, options->other, link, options->reason, key);
    Check(index.status());
    std::printf("recorded at %llu\n", static_cast<unsigned long long>(*index));
  });
}

void AddEstimate(CLI::App& match) {
  auto options = std::make_shared<EstimateOptions>();
  auto* command = match.add_subcommand("estimate", "estimate weights from the network's own patients; prints the CSV, changes nothing");
  command->footer("Example:\n  custodian match estimate --home .quickstart > weights.csv");
  options->config.AddTo(*command);
  command->add_option("--from", options->from, "weights to start from (default: the shipped ones)");
  command->add_option("--patients", options->patients, "at most so many patients are read")->check(CLI::Range(100, 10'000'000))->capture_default_str();
  command->add_flag("--json", options->json, "JSON");
  command->callback([options] { Estimate(*options); });
}

void AddWeights(CLI::App& match) {
  auto options = std::make_shared<WeightsOptions>();
  auto* command = match.add_subcommand("weights", "set the weights of the network: an entry of the governance log");
  command->footer(
      "Example:\n  custodian match weights --home .quickstart --file weights.csv --source \"estimate of 2026-03\" "
      "--approved-by \"Data governance board\"");
  options->config.AddTo(*command);
  command->add_option("--file", options->file, "CSV as `match estimate` prints it")->required();
  command->add_option("--source", options->source, "where it comes from")->required();
  command->add_option("--approved-by", options->approved_by, "who approved it")->required();
  command->callback([options] {
    const auto csv = ReadFile(options->file);
    Check(csv.status());
    const Config config = options->config.Load();
    Check(OperatorClient(config)->SetTable({"match-weights", "", *csv, options->source, options->approved_by}).status());
  });
}

}  // namespace

void AddMatch(CLI::App& app) {
  auto* match = app.add_subcommand("match", "who is one person: review pairs, estimate and set weights");
  match->footer("Examples:\n  custodian match queue --help\n  custodian match estimate --home .quickstart\n  custodian match weights --help");
  match->require_subcommand(1);
  AddQueue(*match);
  AddDecision(*match, "link", "two patients are one person; a link of two tenants wants both", true);
  AddDecision(*match, "unlink", "two patients are two persons; what followed is recalled", false);
  AddEstimate(*match);
  AddWeights(*match);
}

}  // namespace custodian::main
