#include "services/main/progress_bar.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/time/clock.h"

namespace custodian::main {

ProgressBar::ProgressBar(std::string what, std::string unit, bool quiet)
    : what_(std::move(what)), unit_(std::move(unit)), terminal_(isatty(STDERR_FILENO) == 1), quiet_(quiet), begun_(absl::Now()) {}

ProgressBar::~ProgressBar() {
  if (open_) std::fputc('\n', stderr);
}

void ProgressBar::Show(std::int64_t done, std::int64_t total) {
  if (quiet_) return;
  const bool finished = done >= total;
  if (!finished && (!terminal_ || absl::Now() - drawn_ < absl::Milliseconds(100))) return;
  Draw(done, total);
  drawn_ = absl::Now();
}

void ProgressBar::Draw(std::int64_t done, std::int64_t total) {
  constexpr int kWidth = 30;
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begun_);
  if (!terminal_) {
    std::fprintf(stderr, "  %s: %lld %s in %.1f s\n", what_.c_str(), static_cast<long long>(done), unit_.c_str(), seconds);
    return;
  }
  const int filled = total > 0 ? static_cast<int>(done * kWidth / total) : kWidth;
  const std::string bar =
      std::string(static_cast<std::size_t>(filled), '#') + std::string(static_cast<std::size_t>(kWidth - filled), '.');
  std::fprintf(stderr, "\r  %s [%s] %lld of %lld %s, %.1f s ", what_.c_str(), bar.c_str(), static_cast<long long>(done),
               static_cast<long long>(total), unit_.c_str(), seconds);
  open_ = done < total;
  if (!open_) std::fputc('\n', stderr);
  std::fflush(stderr);
}

}  // namespace custodian::main
