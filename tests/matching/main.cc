// custodian_matching: precision and recall of `certain` over made populations; one JSON line a population. tests/matching/run.
#include <array>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "fmt/format.h"
#include "services/exchange/match_estimate.h"
#include "tests/matching/measure.h"

namespace {

using custodian::exchange::CompareField;
using custodian::exchange::MatchWeights;
using namespace custodian::matching;

std::string Described(const custodian::exchange::Match& match) {
  std::string text = fmt::format("{:.1f} bits, {}:", match.score, GradeCode(match.grade));
  for (std::size_t f = 0; f < custodian::exchange::kCompareFields; ++f) {
    const auto field = static_cast<CompareField>(f);
    text += fmt::format(" {}={}", NameOf(field), LevelName(field, match.agreement.Level(field)));
  }
  return text;
}

const char* NameOf(Outcome outcome) {
  constexpr std::array<const char*, 5> kNames{"found", "no key in common", "too little", "vetoed", "WRONG"};
  return kNames[static_cast<std::size_t>(outcome)];
}

// Of true pairs, by what is wrong with either of the two: how many there are, and why how many were missed.
class Table {
 public:
  void Add(const Registration& a, const Registration& b, const custodian::exchange::Match& match, Outcome outcome) {
    if (outcome == Outcome::kWrong) return;
    std::set<std::string> kinds{"any"};
    for (const Registration* one : {&a, &b})
      for (const std::string& mistake : one->mistakes) kinds.insert(mistake);
    // Both lived at the former address: that is no difference.
    if (a.mistakes.contains("moved") && b.mistakes.contains("moved")) kinds.erase("moved");
    using custodian::exchange::Contact, custodian::exchange::National;
    const custodian::exchange::Agreement& agreement = match.agreement;
    if (agreement.contact >= Contact::kArea && agreement.national >= National::kDiffers)
      kinds.insert("names-and-birth-date-only");
    for (const std::string& kind : kinds) ++rows_[kind][static_cast<std::size_t>(outcome)];
  }
  void Print(const std::string& population) const {
    std::fprintf(stderr, "%-16s %-26s %8s %8s %6s %10s %10s %6s\n", population.c_str(), "", "pairs", "missed", "%", "no-key", "too-little", "vetoed");
    for (const auto& [kind, row] : rows_) {
      const long long missed = row[1] + row[2] + row[3], pairs = row[0] + missed;
      std::fprintf(stderr, "%-16s %-26s %8lld %8lld %6.1f %10lld %10lld %6lld\n", "", kind.c_str(), pairs, missed,
                   100.0 * static_cast<double>(missed) / static_cast<double>(pairs), row[1], row[2], row[3]);
    }
  }

 private:
  std::map<std::string, std::array<long long, 4>> rows_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("matches made populations and compares with the truth; run from the top of the checkout");
  int people = 20'000, tenants = 6;
  std::uint64_t seed = 1;
  std::string only, file;
  double namesakes = 0;
  bool mistakes = false, table = false, estimate = false;
  app.add_option("--people", people, "persons")->capture_default_str()->check(CLI::Range(10, 10'000'000));
  app.add_option("--tenants", tenants, "health systems")->capture_default_str()->check(CLI::Range(2, 1'000));
  app.add_option("--seed", seed, "seed; below 1000 for development, above for evaluation")->capture_default_str();
  app.add_option("--population", only, "one population by name");
  app.add_option("--file", file, "a population made elsewhere instead: JSON lines of tenant, person and patient (a FHIR Patient)");
  app.add_option("--namesakes", namesakes, "so many percent of the people have a stranger of their name, sex and birth date");
  app.add_flag("--mistakes", mistakes, "print each pair that was missed or wrongly found to stderr");
  app.add_flag("--table", table, "print to stderr how many pairs were missed, by what was wrong with them");
  app.add_flag("--estimate", estimate, "with weights estimated from the population itself, which are printed to stderr");
  CLI11_PARSE(app, argc, argv);
  std::vector<PopulationRates> populations = Populations();
  if (!file.empty()) {
    populations.resize(1);
    populations.front().name = only = "file";
  }
  for (PopulationRates& rates : populations) {
    if (!only.empty() && rates.name != only) continue;
    rates.namesake = namesakes;
    const auto registrations = file.empty() ? MakePopulation(rates, people, tenants, seed) : ReadPopulation(file);
    const auto rows = registrations.ok() ? Rows::Of(*registrations) : registrations.status();
    if (!rows.ok()) {
      std::fprintf(stderr, "custodian_matching: %s\n", std::string(rows.status().message()).c_str());
      return 1;
    }
    Table missed;
    const auto on_pair = [&](const Registration& a, const Registration& b, const custodian::exchange::Match& match, Outcome outcome) {
      if (table) missed.Add(a, b, match, outcome);
      if (mistakes && outcome != Outcome::kFound)
        std::fprintf(stderr, "%s %s\n  %s\n  %s\n", NameOf(outcome), Described(match).c_str(), a.json.c_str(), b.json.c_str());
    };
    MatchWeights weights = MatchWeights::Shipped();
    if (estimate) {
      const auto estimated = custodian::exchange::EstimateWeights(custodian::exchange::ObservePairs(rows->patients()), weights);
      if (!estimated.ok()) {
        std::fprintf(stderr, "custodian_matching: %s\n", std::string(estimated.status().message()).c_str());
        return 1;
      }
      weights = estimated->weights;
      std::fprintf(stderr, "%s: %d rounds over %lld pairs\n%s", rates.name.c_str(), estimated->rounds,
                   static_cast<long long>(estimated->pairs), weights.Csv().c_str());
    }
    const auto measured = Measure(*registrations, *rows, weights, table || mistakes ? OnPair(on_pair) : OnPair());
    if (!measured.ok()) return 1;
    if (table) missed.Print(rates.name);
    std::printf("{\"population\":\"%s\",\"seed\":%llu,\"registrations\":%zu,\"true_pairs\":%lld,\"found\":%lld,\"wrong\":%lld,"
                "\"precision\":%.6f,\"recall\":%.4f}\n",
                rates.name.c_str(), static_cast<unsigned long long>(seed), registrations->size(),
                static_cast<long long>(measured->true_pairs), static_cast<long long>(measured->found),
                static_cast<long long>(measured->wrong), measured->Precision(), measured->Recall());
  }
}
