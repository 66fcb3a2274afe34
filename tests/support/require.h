// What must always hold in a *_fuzz.h. Aborts, so that libFuzzer keeps the input and a unit test dies, with the line on stderr.
#ifndef CUSTODIAN_TESTS_SUPPORT_REQUIRE_H_
#define CUSTODIAN_TESTS_SUPPORT_REQUIRE_H_

#include <cstdio>
#include <cstdlib>

namespace custodian::testing {

// The place is the caller's; clang 14 has no std::source_location.
inline void Require(bool holds, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d: what must hold does not\n", file, line);
  std::abort();
}

}  // namespace custodian::testing

#endif  // CUSTODIAN_TESTS_SUPPORT_REQUIRE_H_
