// Numbers as the formats of this folder write them: big-endian, of a fixed number of bytes. Pure.
#ifndef CUSTODIAN_LEDGER_BIG_ENDIAN_H_
#define CUSTODIAN_LEDGER_BIG_ENDIAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace custodian::ledger {

// The lowest `bytes` bytes of a number, at most 8.
[[nodiscard]] inline std::string BigEndian(std::uint64_t value, std::size_t bytes) {
  std::string out(bytes, '\0');
  for (std::size_t i = bytes; i-- > 0; value >>= 8) out[i] = static_cast<char>(value & 0xff);
  return out;
}

// Of at most 8 bytes.
[[nodiscard]] inline std::uint64_t FromBigEndian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace custodian::ledger

#endif  // CUSTODIAN_LEDGER_BIG_ENDIAN_H_
