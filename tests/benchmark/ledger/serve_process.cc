#include "tests/benchmark/ledger/serve_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace custodian::benchmark {
namespace {

pid_t WaitFor(pid_t pid, int& how, int options) {
  pid_t ended = 0;
  do ended = ::waitpid(pid, &how, options);
  while (ended < 0 && errno == EINTR);
  return ended;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServeProcess>> ServeProcess::Start(const std::string& home) {
  const std::string program = home + "/program/custodian", log = home + "/logs/serve.log", config = home + "/config.yaml";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  // As the quickstart does.
  posix_spawn_file_actions_addchdir_np(&actions, home.c_str());
  const char* arguments[] = {program.c_str(), "serve", "--config", config.c_str(), nullptr};
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, const_cast<char**>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return absl::NotFoundError(absl::StrCat("cannot run ", program, ": ", std::strerror(failed)));
  return std::unique_ptr<ServeProcess>(new ServeProcess(pid));
}

ServeProcess::~ServeProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  int how = 0;
  WaitFor(pid_, how, 0);
}

absl::Status ServeProcess::Check() {
  int how = 0;
  if (pid_ >= 0 && WaitFor(pid_, how, WNOHANG) == 0) return absl::OkStatus();
  pid_ = -1;
  return absl::UnavailableError("serve has ended; see logs/serve.log of its home");
}

absl::Status ServeProcess::Stop() {
  if (absl::Status status = Check(); !status.ok()) return status;
  ::kill(pid_, SIGTERM);
  int how = 0;
  WaitFor(pid_, how, 0);
  pid_ = -1;
  return WIFEXITED(how) && WEXITSTATUS(how) == 0 ? absl::OkStatus() : absl::InternalError("serve did not end well; see logs/serve.log of its home");
}

absl::StatusOr<ServeProcess::Memory> ServeProcess::ReadMemory() const {
  std::ifstream status(absl::StrCat("/proc/", pid_, "/status"));
  Memory memory;
  std::string line;
  while (std::getline(status, line)) {
    std::istringstream words(line);
    std::string name;
    double kilobytes = 0;
    words >> name >> kilobytes;
    if (name == "VmRSS:") memory.resident_mb = kilobytes / 1'024;
    if (name == "VmHWM:") memory.most_mb = kilobytes / 1'024;
  }
  if (memory.resident_mb == 0) return absl::UnavailableError("the memory of serve cannot be read");
  return memory;
}

}  // namespace custodian::benchmark
