#pragma once

namespace holdfast::internal {
[[noreturn]] void AssertionFailed(const char* condition, const char* file, int line);
}  // namespace holdfast::internal

// A broken invariant is a programmer error: on in every build, prints and aborts. Recovery after
// the restart is the same code path as start-up, so stopping is always safer than going on.
#define HF_ASSERT(condition)                         \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::holdfast::internal::AssertionFailed(#condition, __FILE__, __LINE__))
