#include "tests/benchmark/processor_time.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace custodian::benchmark {
namespace {

// proc(5), /proc/pid/stat: utime, stime, cutime and cstime are fields 14 to 17; the name before may hold spaces.
double TicksOf(const std::filesystem::path& process) {
  std::ifstream file(process / "stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double ticks = 0;
  for (int field = 14; field <= 17; ++field) {
    double value = 0;
    fields >> value;
    ticks += value;
  }
  return ticks;
}

absl::Duration UsedBy(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

}  // namespace

absl::StatusOr<absl::Duration> ProcessorTimeOf(const std::string& home) {
  std::error_code error;
  const std::string below = std::filesystem::canonical(home, error).string();
  if (error) return absl::NotFoundError(absl::StrCat("there is no folder ", home));
  double ticks = 0;
  bool any = false;
  for (const auto& process : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = process.path().filename().string();
    if (!std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) continue;
    // It may end meanwhile, or be somebody else's.
    std::error_code gone;
    const std::string folder = std::filesystem::read_symlink(process.path() / "cwd", gone).string();
    if (gone || (folder != below && !folder.starts_with(below + "/"))) continue;
    ticks += TicksOf(process.path());
    any = true;
  }
  if (!any) return absl::NotFoundError(absl::StrCat("no process works in ", home));
  return absl::Seconds(ticks / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

absl::Duration ProcessorTimeOfThis() { return UsedBy(RUSAGE_SELF); }
absl::Duration ProcessorTimeOfThisThread() { return UsedBy(RUSAGE_THREAD); }

}  // namespace custodian::benchmark
