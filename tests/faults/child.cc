#include "tests/faults/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace custodian::faults {

Child::Child(const std::vector<std::string>& command, const std::string& errors) {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, errors.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int failed = ::posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  to_ = in[1];
  from_ = out[0];
  if (failed != 0) throw std::system_error(failed, std::generic_category(), command[0]);
  ::signal(SIGPIPE, SIG_IGN);
}

Child::~Child() {
  End(SIGKILL);
  ::close(to_);
  ::close(from_);
}

void Child::Say(const std::string& line) const {
  const std::string text = line + "\n";
  if (::write(to_, text.data(), text.size()) < 0) return;
}

bool Child::Hear(std::string& line) {
  bool ended = false;
  auto heard = HearWithin(-1, ended);
  if (heard) line = *std::move(heard);
  return heard.has_value();
}

std::optional<std::string> Child::HearWithin(int timeout_ms, bool& ended) {
  while (true) {
    if (const std::size_t end = heard_.find('\n'); end != std::string::npos) {
      std::string line = heard_.substr(0, end);
      heard_.erase(0, end + 1);
      return line;
    }
    pollfd readable{from_, POLLIN, 0};
    const int ready = ::poll(&readable, 1, timeout_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return std::nullopt;
    char bytes[4096];
    const ssize_t count = ::read(from_, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    ended = count <= 0;
    if (ended) return std::nullopt;
    heard_.append(bytes, static_cast<std::size_t>(count));
  }
}

void Child::End(int signal) {
  if (pid_ < 0) return;
  if (signal != 0) ::kill(pid_, signal);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace custodian::faults
