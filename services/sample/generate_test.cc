#include "services/sample/generate.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "rapidjson/document.h"
#include "services/sample/generate_catalog.h"
#include "services/sample/generate_scenarios.h"

namespace custodian::sample {
namespace {

using rapidjson::Document;
using rapidjson::Value;

GenerateOptions Options(std::uint64_t seed, int patients, int days = 180) {
  return {seed, patients, days, absl::FromCivil(absl::CivilDay(2026, 3, 1), absl::UTCTimeZone())};
}

Population Made(const GenerateOptions& options) {
  auto population = Generate(options);
  EXPECT_TRUE(population.ok()) << population.status();
  return population.ok() ? *std::move(population) : Population{};
}

Document Parsed(const std::string& text) {
  Document json;
  json.Parse(text.data(), text.size());
  EXPECT_FALSE(json.HasParseError()) << text.substr(0, 200);
  return json;
}

std::vector<Document> Events(const Population& population) {
  std::vector<Document> events;
  for (const auto line : absl::StrSplit(population.files.at("events.ndjson"), '\n', absl::SkipEmpty()))
    events.push_back(Parsed(std::string(line)));
  return events;
}

absl::Time TimeOf(const Value& value) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, value.GetString(), &time, &error)) << error;
  return time;
}

std::set<std::string> ScenarioNames() {
  std::set<std::string> names;
  for (const Scenario& scenario : AllScenarios()) EXPECT_TRUE(names.insert(scenario.name).second) << scenario.name;
  return names;
}

TEST(MadePopulation, IsTheSameBytesForTheSameOptions) {
  const Population first = Made(Options(1, 80)), again = Made(Options(1, 80)), other = Made(Options(2, 80));
  EXPECT_EQ(first.files, again.files);
  EXPECT_NE(first.files.at("events.ndjson"), other.files.at("events.ndjson"));
  EXPECT_NE(first.files.at("tenants/lakeside/bundles/001.json"), other.files.at("tenants/lakeside/bundles/001.json"));
}

// Whatever compiler built it. Changing what is made changes this number, on purpose: write the new one down.
TEST(MadePopulation, IsTheSameBytesOnEveryMachine) {
  // FNV-1a, 64 bits.
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const auto& [path, bytes] : Made(Options(1, 150)).files) {
    for (const char c : path + bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  EXPECT_EQ(hash, 3950007924000909419u);
}

TEST(MadePopulation, HasEveryScenarioAtThreeHundredPatients) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Document truth = Parsed(Made(Options(seed, 300)).files.at("truth.json"));
    EXPECT_EQ(truth["scenarios_left_out"].Size(), 0u) << seed;
    std::set<std::string> seen;
    for (const auto& order : truth["orders"].GetArray()) seen.insert(order["scenario"].GetString());
    EXPECT_EQ(seen, ScenarioNames()) << seed;
  }
}

TEST(MadePopulation, NamesWhatSmallSizesAndShortCalendarsLeaveOut) {
  for (const auto& options : {Options(3, 1), Options(4, 20), Options(5, 90, 60)}) {
    const Document truth = Parsed(Made(options).files.at("truth.json"));
    std::set<std::string> named;
    for (const auto& order : truth["orders"].GetArray()) named.insert(order["scenario"].GetString());
    for (const auto& scenario : truth["scenarios_left_out"].GetArray()) {
      EXPECT_TRUE(named.insert(scenario.GetString()).second) << scenario.GetString() << " is both there and left out";
    }
    EXPECT_EQ(named, ScenarioNames());
  }
}

TEST(MadePopulation, RefusesOptionsThatDoNotFit) {
  EXPECT_EQ(Generate(Options(1, 0)).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Generate(Options(1, 10, 59)).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Generate(Options(1, 10, 500)).status().code(), absl::StatusCode::kInvalidArgument) << "begins before the first price";
}

TEST(MadePopulation, TellsEventsInOrderAndFeedbackAfterItsOrder) {
  const Population population = Made(Options(6, 300));
  const Document description = Parsed(population.files.at("population.json"));
  const absl::Time start = TimeOf(description["start"]), as_of = TimeOf(description["as_of"]);
  const auto events = Events(population);
  absl::Time before = start;
  std::set<std::string> keys;
  std::map<std::string, absl::Time> watermarks;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Document& event = events[i];
    ASSERT_EQ(event["seq"].GetInt64(), static_cast<std::int64_t>(i) + 1);
    const absl::Time time = TimeOf(event["time"]);
    EXPECT_GE(time, before);
    before = time;
    const std::string type = event["type"].GetString();
    for (const char* key : {"idempotency_key", "hook_instance"}) {
      if (!event.HasMember(key)) continue;
      EXPECT_TRUE(keys.insert(event[key].GetString()).second) << "a key twice";
    }
    if (type == "feedback") {
      const auto order = static_cast<std::size_t>(event["order_seq"].GetInt64());
      ASSERT_LE(order, i);
      EXPECT_STREQ(events[order - 1]["type"].GetString(), "order");
    }
    if (type == "watermark") {
      EXPECT_LE(TimeOf(event["through"]), time);
      watermarks[event["tenant"].GetString()] = TimeOf(event["through"]);
    }
  }
  EXPECT_EQ(before, as_of) << "the last events bring the clock to as_of";
  ASSERT_EQ(watermarks.size(), 3u);
  for (const auto& [tenant, through] : watermarks) EXPECT_EQ(through, as_of) << tenant;
}

TEST(MadePopulation, LetsTheGapTouchOnlyTheCasesAboutIt) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Population population = Made(Options(seed, 300));
    std::map<std::string, std::string> scenarios;
    const Document truth = Parsed(population.files.at("truth.json"));
    for (const auto& order : truth["orders"].GetArray()) scenarios[order["order"].GetString()] = order["scenario"].GetString();
    const auto events = Events(population);
    absl::Time gap_until = absl::InfinitePast();
    for (const Document& event : events) {
      if (std::string(event["type"].GetString()) == "gap") gap_until = TimeOf(event["to"]);
    }
    ASSERT_NE(gap_until, absl::InfinitePast());
    for (const Document& event : events) {
      if (std::string(event["type"].GetString()) != "feedback" || TimeOf(event["outcome_timestamp"]) >= gap_until) continue;
      const Document& order = events[static_cast<std::size_t>(event["order_seq"].GetInt64()) - 1];
      const std::string& scenario = scenarios.at(order["order"].GetString());
      EXPECT_TRUE(scenario == "feed-gap" || scenario == "edge-gap-inside") << scenario;
    }
  }
}

// Bundles and posted transactions: every resource with when it became known.
struct Known {
  std::string tenant;
  std::string json;
  bool imported;
};
std::vector<Known> Resources(const Population& population) {
  std::vector<Known> resources;
  const auto add = [&](const std::string& tenant, const std::string& bundle, bool imported) {
    const Document json = Parsed(bundle);
    for (const auto& entry : json["entry"].GetArray()) {
      EXPECT_EQ(entry["request"]["url"].GetString(),
                absl::StrCat(entry["resource"]["resourceType"].GetString(), "/", entry["resource"]["id"].GetString()));
    }
    resources.push_back({tenant, bundle, imported});
  };
  for (const auto& [path, bytes] : population.files) {
    const std::vector<std::string> parts = absl::StrSplit(path, '/');
    if (parts.size() == 4 && parts[2] == "bundles") add(parts[1], bytes, true);
  }
  return resources;
}

TEST(MadePopulation, ImportsOnlyWhatWasKnownAtTheStart) {
  const Population population = Made(Options(7, 200));
  const absl::Time start = TimeOf(Parsed(population.files.at("population.json"))["start"]);
  int reports = 0;
  for (const Known& known : Resources(population)) {
    const Document bundle = Parsed(known.json);
    for (const auto& entry : bundle["entry"].GetArray()) {
      const Value& resource = entry["resource"];
      if (std::string(resource["resourceType"].GetString()) != "DiagnosticReport") continue;
      ++reports;
      EXPECT_LE(TimeOf(resource["issued"]), start);
    }
  }
  EXPECT_GT(reports, 0);
  for (const Document& event : Events(population)) EXPECT_GT(TimeOf(event["time"]), start);
}

TEST(MadePopulation, GivesEachPersonAnIdentityOfTheirOwn) {
  const Population population = Made(Options(8, 300));
  // National number -> names and birth dates it goes with; a person has one birth date, and at most two ways of being named.
  std::map<std::string, std::set<std::string>> birth_dates;
  std::set<std::string> ids, families;
  for (const Known& known : Resources(population)) {
    const Document bundle = Parsed(known.json);
    for (const auto& entry : bundle["entry"].GetArray()) {
      const Value& resource = entry["resource"];
      EXPECT_TRUE(ids.insert(known.tenant + "/" + resource["id"].GetString()).second);
      if (std::string(resource["resourceType"].GetString()) != "Patient") continue;
      families.insert(resource["name"][0]["family"].GetString());
      for (const auto& identifier : resource["identifier"].GetArray()) {
        if (std::string(identifier["type"]["coding"][0]["code"].GetString()) != "SS") continue;
        EXPECT_EQ(identifier["value"].GetString()[0], '9') << "never issued";
        birth_dates[identifier["value"].GetString()].insert(resource["birthDate"].GetString());
      }
    }
  }
  EXPECT_GE(birth_dates.size(), 300u);
  for (const auto& [number, dates] : birth_dates) EXPECT_EQ(dates.size(), 1u) << number;
  EXPECT_GT(families.size(), 80u);
}

std::int64_t Cents(const Value& figures, const char* state) { return figures[state]["cents"].GetInt64(); }
std::int64_t Exams(const Value& figures, const char* state) { return figures[state]["exams"].GetInt64(); }

TEST(MadePopulation, ReportAddsUp) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Document truth = Parsed(Made(Options(seed, 300)).files.at("truth.json"));
    const Value& report = truth["savings"];
    EXPECT_STREQ(report["as_of"].GetString(), truth["as_of"].GetString());
    std::vector<std::string> names;
    for (const char* state : {"gross", "pending", "confirmed", "reversed", "censored"}) {
      std::map<std::string, std::int64_t> exams;
      std::int64_t cents = 0;
      for (const auto& row : report["rows"].GetArray()) {
        exams[row["side"].GetString()] += Exams(row, state);
        cents += Cents(row, state);
      }
      EXPECT_EQ(exams["ordering"], Exams(report["total"], state)) << state;
      EXPECT_EQ(exams["source"], Exams(report["total"], state)) << state;
      EXPECT_EQ(cents, Cents(report["total"], state)) << state;
      EXPECT_GT(Exams(report["total"], state), 0) << state << " seed " << seed;
    }
    for (const auto& row : report["rows"].GetArray()) {
      EXPECT_EQ(Cents(row, "gross"),
                Cents(row, "pending") + Cents(row, "confirmed") + Cents(row, "reversed") + Cents(row, "censored"));
      EXPECT_EQ(Exams(row, "gross"),
                Exams(row, "pending") + Exams(row, "confirmed") + Exams(row, "reversed") + Exams(row, "censored"));
      names.push_back(absl::StrCat(row["tenant"].GetString(), "/", row["modality"].GetString(), "/", row["side"].GetString()));
    }
    EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  }
}

TEST(MadePopulation, CountsItsOrders) {
  const Document truth = Parsed(Made(Options(9, 300)).files.at("truth.json"));
  std::set<std::string> orders;
  std::int64_t shown = 0, accepted = 0, overridden = 0;
  for (const auto& order : truth["orders"].GetArray()) {
    EXPECT_TRUE(orders.insert(order["order"].GetString()).second);
    EXPECT_EQ(order["card"].GetBool(), std::string(order["kind"].GetString()) != "none");
    EXPECT_FALSE(order["accepted"].GetBool() && std::string(order["kind"].GetString()) != "suggest")
        << "only a suggestion can be accepted";
    EXPECT_STRNE(order["reason"].GetString(), "");
    shown += order["card"].GetBool();
    accepted += order["accepted"].GetBool();
    overridden += order["overridden"].GetBool();
  }
  EXPECT_EQ(truth["counts"]["checked"].GetInt64(), static_cast<std::int64_t>(orders.size()));
  EXPECT_EQ(truth["counts"]["shown"].GetInt64(), shown);
  EXPECT_EQ(truth["counts"]["accepted"].GetInt64(), accepted);
  EXPECT_EQ(truth["counts"]["overridden"].GetInt64(), overridden);
  // An exam ordered twice is avoided once.
  EXPECT_LT(truth["savings"]["total"]["gross"]["exams"].GetInt64(), accepted);
}

// Fields of a CSV line, quotes removed.
std::vector<std::string> Fields(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

TEST(Catalog, SaysTheSameAsTheProductsTable) {
  std::ifstream in("services/exchange/exams.csv");
  std::string line;
  ASSERT_TRUE(std::getline(in, line));
  std::map<std::string, std::size_t> column;
  for (const std::string& name : Fields(line)) column.emplace(name, column.size());
  std::size_t rows = 0;
  while (std::getline(in, line)) {
    ++rows;
    const auto fields = Fields(line);
    const CatalogExam& exam = FindExam(fields[column.at("class_id")]);
    const std::string offer = exam.offer == Offer::kSuggest ? "suggest" : exam.offer == Offer::kInfo ? "info" : "off";
    EXPECT_EQ(fields[column.at("demo_mode")], offer) << exam.class_id;
    EXPECT_EQ(fields[column.at("modality")], exam.modality) << exam.class_id;
    EXPECT_EQ(fields[column.at("reuse_days")], std::to_string(exam.reuse_days)) << exam.class_id;
    EXPECT_EQ(fields[column.at("observe_days")], std::to_string(exam.observe_days)) << exam.class_id;
    EXPECT_EQ(fields[column.at("laterality_required")] == "yes", exam.has_side) << exam.class_id;
    const std::vector<std::string> codes = absl::StrSplit(fields[column.at("loinc")], ';');
    EXPECT_NE(std::find(codes.begin(), codes.end(), exam.loinc), codes.end()) << exam.class_id;
    const std::vector<std::string> undone_by = absl::StrSplit(fields[column.at("reversal_set")], ';');
    EXPECT_NE(std::find(undone_by.begin(), undone_by.end(), exam.class_id), undone_by.end()) << exam.class_id;
    if (!exam.other_contrast.empty()) {
      EXPECT_NE(std::find(undone_by.begin(), undone_by.end(), exam.other_contrast), undone_by.end()) << exam.class_id;
    }
  }
  EXPECT_EQ(rows, Catalog().size());
}

TEST(Catalog, PricesDifferByTenantAndYearAndAreOddAtTimes) {
  int odd = 0;
  for (const CatalogExam& exam : Catalog()) {
    EXPECT_LT(PriceCents(0, exam, 2025), PriceCents(0, exam, 2026));
    EXPECT_NE(PriceCents(0, exam, 2025), PriceCents(1, exam, 2025));
    odd += PriceCents(1, exam, 2026) % 2 != 0;
  }
  EXPECT_GT(odd, 0) << "halves that round";
}

class PopulationFolder : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/population.XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string Read(const std::string& path) {
    std::ifstream in(folder_ + "/" + path, std::ios::binary);
    std::ostringstream bytes;
    bytes << in.rdbuf();
    return bytes.str();
  }
  std::string folder_;
};

TEST_F(PopulationFolder, IsWrittenCompletedAndKeptFromOthers) {
  const Population population = Made(Options(1, 10));
  ASSERT_TRUE(WritePopulation(population, folder_).ok());
  for (const auto& [path, bytes] : population.files) EXPECT_EQ(Read(path), bytes) << path;
  // What a killed run left is completed.
  std::filesystem::remove(folder_ + "/truth.json");
  ASSERT_TRUE(WritePopulation(population, folder_).ok());
  EXPECT_EQ(Read("truth.json"), population.files.at("truth.json"));
  EXPECT_EQ(WritePopulation(Made(Options(2, 10)), folder_).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Read("truth.json"), population.files.at("truth.json"));
}

TEST_F(PopulationFolder, IsNotTakenFromSomebodyElse) {
  std::ofstream(folder_ + "/letter.txt") << "mine";
  EXPECT_EQ(WritePopulation(Made(Options(1, 10)), folder_).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(WritePopulation(Made(Options(1, 10)), folder_ + "/letter.txt").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Read("letter.txt"), "mine");
}

}  // namespace
}  // namespace custodian::sample
