#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/base/clock.h"

namespace holdfast::workflows {

// Durations as callers give them, in seconds: whatever they say becomes something that timers can
// take. Not a number and what lies below zero is zero, what is longer than 30 years is 30 years.
inline double BoundedSeconds(double seconds) {
  constexpr double kSecondsMax = 30.0 * 366 * 86'400;
  if (!(seconds > 0)) return 0;
  return std::min(seconds, kSecondsMax);
}
inline int64_t SecondsToMs(double seconds) {
  return static_cast<int64_t>(BoundedSeconds(seconds) * 1e3);
}
inline int64_t SecondsToNs(double seconds) {
  return static_cast<int64_t>(BoundedSeconds(seconds) * 1e9);
}

}  // namespace holdfast::workflows
