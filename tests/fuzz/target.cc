// libFuzzer's entry, for the function and header that tests/fuzz/run names.
#include FUZZ_HEADER

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static_cast<void>(FUZZ_FUNCTION({reinterpret_cast<const char*>(bytes), size}));
  return 0;
}
