// A bar on a terminal's last line, redrawn at most ten times a second; elsewhere (a file, a pipe) one line when all is done.
// One thread.
#ifndef CUSTODIAN_SERVICES_MAIN_PROGRESS_BAR_H_
#define CUSTODIAN_SERVICES_MAIN_PROGRESS_BAR_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace custodian::main {

class ProgressBar {
 public:
  // "importing lakeside", "bundles". Writes to stderr; `quiet` writes nothing.
  ProgressBar(std::string what, std::string unit, bool quiet = false);
  // Leaves the line finished, also when work ended early.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Show(std::int64_t done, std::int64_t total);

 private:
  void Draw(std::int64_t done, std::int64_t total);

  const std::string what_, unit_;
  const bool terminal_;
  const bool quiet_;
  absl::Time begun_;
  absl::Time drawn_ = absl::InfinitePast();
  bool open_ = false;
};

}  // namespace custodian::main

#endif  // CUSTODIAN_SERVICES_MAIN_PROGRESS_BAR_H_
