// custodian_matching: precision and recall of `certain` over made populations; one JSON line a population. tests/matching/run.
#include <cstdio>
#include <string>

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

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("matches made populations and compares with the truth; run from the top of the checkout");
  int people = 20'000, tenants = 6;
  std::uint64_t seed = 1;
  std::string only;
  bool mistakes = false, estimate = false;
  app.add_option("--people", people, "persons")->capture_default_str()->check(CLI::Range(10, 10'000'000));
  app.add_option("--tenants", tenants, "health systems")->capture_default_str()->check(CLI::Range(2, 1'000));
  app.add_option("--seed", seed, "seed; below 1000 for development, above for evaluation")->capture_default_str();
  app.add_option("--population", only, "one population by name");
  app.add_flag("--mistakes", mistakes, "print each pair that was missed or wrongly found to stderr");
  app.add_flag("--estimate", estimate, "with weights estimated from the population itself, which are printed to stderr");
  CLI11_PARSE(app, argc, argv);
  for (const PopulationRates& rates : Populations()) {
    if (!only.empty() && rates.name != only) continue;
    const auto registrations = MakePopulation(rates, people, tenants, seed);
    const auto rows = registrations.ok() ? Rows::Of(*registrations) : registrations.status();
    if (!rows.ok()) {
      std::fprintf(stderr, "custodian_matching: %s\n", std::string(rows.status().message()).c_str());
      return 1;
    }
    OnMistake on_mistake;
    if (mistakes)
      on_mistake = [](const Registration& a, const Registration& b, const custodian::exchange::Match& match, bool wrong) {
        std::fprintf(stderr, "%s %s\n  %s\n  %s\n", wrong ? "WRONG" : "missed", Described(match).c_str(), a.json.c_str(), b.json.c_str());
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
    const auto measured = Measure(*registrations, *rows, weights, on_mistake);
    if (!measured.ok()) return 1;
    std::printf("{\"population\":\"%s\",\"seed\":%llu,\"registrations\":%zu,\"true_pairs\":%lld,\"found\":%lld,\"wrong\":%lld,"
                "\"precision\":%.6f,\"recall\":%.4f}\n",
                rates.name.c_str(), static_cast<unsigned long long>(seed), registrations->size(),
                static_cast<long long>(measured->true_pairs), static_cast<long long>(measured->found),
                static_cast<long long>(measured->wrong), measured->Precision(), measured->Recall());
  }
}
