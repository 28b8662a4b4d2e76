#include "engine/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace holdfast::internal {

void AssertionFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "assertion failed: condition=%s file=%s line=%d\n", condition, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace holdfast::internal
