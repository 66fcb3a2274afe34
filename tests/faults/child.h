// A child process with pipes to its standard input and output. Killed when the object goes.
#ifndef CUSTODIAN_TESTS_FAULTS_CHILD_H_
#define CUSTODIAN_TESTS_FAULTS_CHILD_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace custodian::faults {

class Child {
 public:
  // Throws std::system_error when it cannot be started. Its stderr goes into the file `errors`.
  Child(const std::vector<std::string>& command, const std::string& errors);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Sends a line; nothing happens when the child is gone.
  void Say(const std::string& line) const;
  // False at the end of its output.
  [[nodiscard]] bool Hear(std::string& line);
  // The same, with nothing when there is no line within the time; `ended` tells the end of its output.
  [[nodiscard]] std::optional<std::string> HearWithin(int timeout_ms, bool& ended);
  // Sends `signal` (none for 0) and waits for its end.
  void End(int signal);
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string heard_;
};

}  // namespace custodian::faults

#endif  // CUSTODIAN_TESTS_FAULTS_CHILD_H_
