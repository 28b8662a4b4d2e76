#include "engine/base/clock.h"

#include <ctime>

namespace holdfast {
namespace {

int64_t ReadClockNs(clockid_t id) {
  timespec time;
  clock_gettime(id, &time);
  return static_cast<int64_t>(time.tv_sec) * kNanosPerSecond + time.tv_nsec;
}

}  // namespace

Clock::~Clock() = default;
int64_t SystemClock::WallNs() const { return ReadClockNs(CLOCK_REALTIME); }
int64_t SystemClock::MonotonicNs() const { return ReadClockNs(CLOCK_MONOTONIC); }

}  // namespace holdfast
