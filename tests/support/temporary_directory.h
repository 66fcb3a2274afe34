// A directory that lives as long as this object, with a path short enough for Unix sockets.
#ifndef CUSTODIAN_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_
#define CUSTODIAN_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_

#include <string>
#include <string_view>

namespace custodian::testing {

class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // path() + "/" + name.
  [[nodiscard]] std::string Join(std::string_view name) const;

 private:
  std::string path_;
};

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_TEMPORARY_DIRECTORY_H_
