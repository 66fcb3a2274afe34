#include "tests/benchmark/measure.h"

#include <cstdio>

#include "fmt/format.h"

namespace custodian::benchmark {

std::vector<Measure> MeasuresOf(const std::string& noun, const std::string& plural, const std::string& peer, const Comparison& comparison) {
  return {{plural + "_per_second", comparison.ours.PerSecond(), "1/s", peer, comparison.peer.PerSecond()},
          {noun + "_p99", comparison.ours.PercentileMs(99), "ms", peer, comparison.peer.PercentileMs(99)}};
}

std::string JsonOf(const Measure& measure) {
  return fmt::format(R"({{"measure":"{}","value":{:.2f},"unit":"{}","peer":"{}","peer_value":{:.2f},"ratio":{:.3f}}})", measure.name,
                     measure.value, measure.unit, measure.peer, measure.peer_value,
                     measure.peer_value == 0 ? 0 : measure.value / measure.peer_value);
}

int Print(const absl::StatusOr<Report>& report) {
  if (!report.ok()) {
    std::fprintf(stderr, "benchmark: %s\n", std::string(report.status().message()).c_str());
    return 1;
  }
  for (const Measure& measure : report->measures) std::printf("%s\n", JsonOf(measure).c_str());
  std::string members;
  for (const auto& [name, value] : report->circumstances) {
    members += fmt::format("{}\"{}\":{:.10g}", members.empty() ? "" : ",", name, value);
  }
  std::printf("{%s}\n", members.c_str());
  return 0;
}

}  // namespace custodian::benchmark
