// Key bytes: move-only, in locked memory, wiped on destruction, readable only by who can name SecretAccess, so that each use can
// be found by grep. A process that can lock no memory ends with a message rather than hold keys that may be swapped. Values: one
// thread at a time for each, any thread.
#ifndef CUSTODIAN_SERVICES_KEYS_SECRET_H_
#define CUSTODIAN_SERVICES_KEYS_SECRET_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace custodian::keys {

// Names the place that reads a secret.
class SecretAccess {
 public:
  explicit constexpr SecretAccess(const char* /*reason*/) {}
};

class Secret {
 public:
  Secret() = default;
  // Copies `bytes`; wiping the source is the caller's.
  explicit Secret(std::string_view bytes);
  ~Secret();
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string_view Read(SecretAccess) const { return {data_, size_}; }
  [[nodiscard]] Secret Clone() const;

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

// Overwrites a string in a way the compiler keeps.
void Wipe(std::string& bytes);

// How many keys the process's limit of locked memory has room for.
[[nodiscard]] std::size_t LockedSecretsMax();

}  // namespace custodian::keys

#endif  // CUSTODIAN_SERVICES_KEYS_SECRET_H_
