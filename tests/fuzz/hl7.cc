// libFuzzer's entry (tests/fuzz/run hl7).
#include <cstddef>
#include <cstdint>

#include "services/feeds/hl7_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  custodian::feeds::FuzzMessage({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
