#include "tests/support/softhsm.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "fmt/format.h"
#include "tenants/ids.h"
#include "tests/support/temporary_directory.h"

extern char** environ;

namespace custodian::testing {
namespace {

constexpr std::array<const char*, 3> kModules{"/usr/lib/softhsm/libsofthsm2.so",
                                              "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
                                              "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"};

absl::Status InitToken(const SoftHsm& softhsm, const std::string& label) {
  const std::vector<std::string> words{"softhsm2-util", "--init-token", "--free", "--label",  label,
                                       "--so-pin",      softhsm.pin,    "--pin",  softhsm.pin};
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  pid_t process = 0;
  const int failed = posix_spawnp(&process, arguments[0], &quiet, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&quiet);
  int outcome = 0;
  if (failed != 0 || waitpid(process, &outcome, 0) != process || outcome != 0) {
    return absl::NotFoundError("softhsm2-util makes no token: install the package softhsm2");
  }
  return absl::OkStatus();
}

absl::StatusOr<SoftHsm> Make() {
  SoftHsm softhsm;
  for (const char* module : kModules) {
    if (softhsm.module.empty() && std::filesystem::exists(module)) softhsm.module = module;
  }
  if (softhsm.module.empty()) return absl::NotFoundError("there is no SoftHSM: install the package softhsm2");
  const char* shared = std::getenv("CUSTODIAN_TEST_SOFTHSM_CONF");
  if (shared != nullptr && *shared != '\0') {
    setenv("SOFTHSM2_CONF", shared, 1);
  } else {
    static const TemporaryDirectory directory;
    std::filesystem::create_directory(directory.Join("tokens"));
    std::ofstream(directory.Join("softhsm2.conf"))
        << fmt::format("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", directory.Join("tokens"));
    setenv("SOFTHSM2_CONF", directory.Join("softhsm2.conf").c_str(), 1);
  }
  const std::string random = HexEncode(RandomBytes(4));
  softhsm.token_label = "custodian-test-" + random;
  softhsm.spare_token_label = "custodian-spare-" + random;
  softhsm.pin = "1234-test";
  for (const std::string& label : {softhsm.token_label, softhsm.spare_token_label}) {
    if (auto status = InitToken(softhsm, label); !status.ok()) return status;
  }
  return softhsm;
}

}  // namespace

absl::StatusOr<SoftHsm> SoftHsm::Get() {
  static const absl::StatusOr<SoftHsm> made = Make();
  return made;
}

}  // namespace custodian::testing
