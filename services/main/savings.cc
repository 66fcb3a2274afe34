// `custodian savings`: exams avoided and money saved, from the running platform.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "rapidjson/document.h"
#include "services/main/commands.h"
#include "services/main/platform_client.h"

namespace custodian::main {
namespace {

struct Options {
  ConfigOption config;
  std::string as_of;
  std::string tenant;
  bool json = false;
  bool csv = false;
  bool marks = false;
};

constexpr const char* kMarks[] = {"countersigned", "disputed"};
constexpr const char* kStates[] = {"gross", "pending", "confirmed", "reversed", "censored"};

std::string Grouped(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

std::string Dollars(std::int64_t cents) {
  char fraction[8];
  std::snprintf(fraction, sizeof(fraction), ".%02d", static_cast<int>(cents % 100));
  return "$" + Grouped(static_cast<std::uint64_t>(cents / 100)) + fraction;
}

std::int64_t Number(const rapidjson::Value& figures, const char* state, const char* unit) {
  return figures[state][unit].GetInt64();
}

void PrintRow(const std::string& tenant, const std::string& modality, const std::string& side, const rapidjson::Value& figures) {
  std::printf("%-16s %-8s %-9s", tenant.c_str(), modality.c_str(), side.c_str());
  for (const char* state : kStates) {
    std::printf(" %6s %14s", Grouped(static_cast<std::uint64_t>(Number(figures, state, "exams"))).c_str(),
                Dollars(Number(figures, state, "cents")).c_str());
  }
  std::printf("\n");
}

rapidjson::Document Parsed(const std::string& json) {
  rapidjson::Document report;
  report.Parse(json.c_str());
  const auto complete = [](const rapidjson::Value& figures) {
    return figures.IsObject() && std::all_of(std::begin(kStates), std::end(kStates), [&](const char* state) {
             return figures.HasMember(state) && figures[state].IsObject() && figures[state].HasMember("exams") &&
                    figures[state].HasMember("cents") && figures[state]["exams"].IsInt64() && figures[state]["cents"].IsInt64();
           });
  };
  const auto complete_with_marks = [&](const rapidjson::Value& figures) {
    return complete(figures) && std::all_of(std::begin(kMarks), std::end(kMarks), [&](const char* mark) {
             return figures.HasMember(mark) && complete(figures[mark]);
           });
  };
  bool good = !report.HasParseError() && report.IsObject() && report.HasMember("as_of") && report["as_of"].IsString() &&
              report.HasMember("rows") && report["rows"].IsArray() && report.HasMember("total") && complete_with_marks(report["total"]);
  if (good) {
    for (const auto& row : report["rows"].GetArray()) {
      good = good && complete_with_marks(row);
      for (const char* name : {"tenant", "modality", "side"}) good = good && row.HasMember(name) && row[name].IsString();
    }
  }
  if (!good) throw CommandFailed{1, "the platform's answer cannot be read; are the versions equal?"};
  return report;
}

void PrintTable(const rapidjson::Document& report) {
  std::printf("Exams avoided, as of %s\n\n", report["as_of"].GetString());
  const auto& total = report["total"];
  std::printf("  gross         %6s exams %16s\n", Grouped(static_cast<std::uint64_t>(Number(total, "gross", "exams"))).c_str(),
              Dollars(Number(total, "gross", "cents")).c_str());
  std::printf("  confirmed     %6s exams %16s   within the network\n",
              Grouped(static_cast<std::uint64_t>(Number(total, "confirmed", "exams"))).c_str(),
              Dollars(Number(total, "confirmed", "cents")).c_str());
  for (const char* mark : kMarks)
    std::printf("  %-13s %6s exams %16s   of gross, by the ordering tenants' own nodes\n", mark,
                Grouped(static_cast<std::uint64_t>(Number(total[mark], "gross", "exams"))).c_str(), Dollars(Number(total[mark], "gross", "cents")).c_str());
  std::printf("  attributable  unattributed: no silent-card control runs\n");
  std::printf("  net           not yet estimated\n\n");
  std::printf("%-16s %-8s %-9s", "tenant", "modality", "side");
  for (const char* state : kStates) std::printf(" %21s", state);
  std::printf("\n");
  for (const auto& row : report["rows"].GetArray())
    PrintRow(row["tenant"].GetString(), row["modality"].GetString(), row["side"].GetString(), row);
  PrintRow("total", "", "", total);
  std::printf(
      "\nAn exam counts once a side and once in the total; sides are never summed. Prices are the tenants' own, in USD of the\n"
      "acceptance's day; allowed prices are not marginal cost.\n");
}

void PrintCsv(const rapidjson::Document& report, bool marks) {
  const auto print_figures = [](const rapidjson::Value& figures) {
    for (const char* state : kStates) {
      std::printf(",%lld,%lld", static_cast<long long>(Number(figures, state, "exams")),
                  static_cast<long long>(Number(figures, state, "cents")));
    }
  };
  const auto print = [&](const char* tenant, const char* modality, const char* side, const rapidjson::Value& figures) {
    std::printf("%s,%s,%s", tenant, modality, side);
    print_figures(figures);
    if (marks)
      for (const char* mark : kMarks) print_figures(figures[mark]);
    std::printf("\r\n");
  };
  std::printf("tenant,modality,side");
  for (const char* state : kStates) std::printf(",%s_exams,%s_cents", state, state);
  if (marks)
    for (const char* mark : kMarks)
      for (const char* state : kStates) std::printf(",%s_%s_exams,%s_%s_cents", mark, state, mark, state);
  std::printf("\r\n");
  for (const auto& row : report["rows"].GetArray())
    print(row["tenant"].GetString(), row["modality"].GetString(), row["side"].GetString(), row);
  print("total", "", "", report["total"]);
}

void Run(const Options& options) {
  std::optional<absl::Time> as_of;
  if (!options.as_of.empty()) {
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, options.as_of, &time, &error)) {
      throw CommandFailed{2, "--as-of: expected a time like 2026-03-01T00:00:00Z"};
    }
    as_of = time;
  }
  const Config config = options.config.Load();
  const auto json = OperatorClient(config)->Savings(as_of, options.tenant, options.marks || !options.json);
  Check(json.status());
  if (options.json) {
    std::printf("%s\n", json->c_str());
    return;
  }
  const rapidjson::Document report = Parsed(*json);
  if (options.csv) {
    PrintCsv(report, options.marks);
  } else {
    PrintTable(report);
  }
}

}  // namespace

void AddSavings(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("savings", "exams avoided and money saved");
  command->footer(
      "Examples:\n"
      "  custodian savings --home .quickstart\n"
      "  custodian savings --home .quickstart --as-of 2026-03-01T00:00:00Z --json\n"
      "  custodian savings --home .quickstart --tenant lakeside --csv\n"
      "  custodian savings --home .quickstart --countersigned --json");
  options->config.AddTo(*command);
  command->add_option("--as-of", options->as_of, "what happened and was known by then (RFC 3339); network time unless given");
  command->add_option("--tenant", options->tenant, "one tenant's own view, where redos elsewhere show from the month after");
  auto* json = command->add_flag("--json", options->json, "the report as JSON");
  command->add_flag("--csv", options->csv, "the report as CSV")->excludes(json);
  command->add_flag("--countersigned", options->marks,
                    "with --json or --csv: each figure again for what the ordering tenants' own nodes countersigned, and for what they dispute");
  command->callback([options] { Run(*options); });
}

}  // namespace custodian::main
