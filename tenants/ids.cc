#include "tenants/ids.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace custodian {
namespace {

constexpr std::size_t kTenantIdCharacters = 16;
constexpr std::size_t kOpaqueIdBytes = 16;

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string RandomBytes(std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const ssize_t got = getrandom(bytes.data() + done, count - done, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      // Without randomness no id, key or password may be made.
      std::abort();
    }
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::string HexEncode(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

absl::StatusOr<std::string> HexDecode(std::string_view text) {
  if (text.size() % 2 != 0) return absl::InvalidArgumentError("hex: an odd number of digits");
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = DigitOf(text[i]);
    const int low = DigitOf(text[i + 1]);
    if (high < 0 || low < 0) return absl::InvalidArgumentError("hex: not a lower-case hex digit");
    bytes.push_back(static_cast<char>(high * 16 + low));
  }
  return bytes;
}

absl::StatusOr<TenantId> TenantId::Parse(std::string_view text) {
  if (text.size() != kTenantIdCharacters || !std::ranges::all_of(text, [](char c) { return DigitOf(c) >= 0; })) {
    return absl::InvalidArgumentError("tenant id: want 16 lower-case hex digits");
  }
  TenantId id;
  id.text_ = text;
  return id;
}

TenantId TenantId::Random() {
  TenantId id;
  id.text_ = HexEncode(RandomBytes(kTenantIdCharacters / 2));
  return id;
}

template <typename Tag>
absl::StatusOr<OpaqueId<Tag>> OpaqueId<Tag>::FromBytes(std::string_view bytes) {
  if (bytes.size() != kOpaqueIdBytes) return absl::InvalidArgumentError("id: want 16 bytes");
  OpaqueId id;
  id.bytes_ = bytes;
  return id;
}

template <typename Tag>
OpaqueId<Tag> OpaqueId<Tag>::Random() {
  OpaqueId id;
  id.bytes_ = RandomBytes(kOpaqueIdBytes);
  return id;
}

template <typename Tag>
std::string OpaqueId<Tag>::hex() const {
  return HexEncode(bytes_);
}

template class OpaqueId<PatientTag>;
template class OpaqueId<RecordTag>;
template class OpaqueId<PersonTag>;

}  // namespace custodian
