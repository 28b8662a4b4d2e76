#pragma once

#include <cstdint>

namespace holdfast {

inline constexpr int64_t kNanosPerMicro = 1'000;
inline constexpr int64_t kNanosPerMilli = 1'000'000;
inline constexpr int64_t kNanosPerSecond = 1'000'000'000;

// Time is injected: nothing outside SystemClock reads the operating system's clock.
// Thread-safe; callable on the hot path (no allocation, no lock in SystemClock).
class Clock {
 public:
  virtual ~Clock();
  // Wall clock, nanoseconds since the Unix epoch. May jump in either direction.
  virtual int64_t WallNs() const = 0;
  // Never goes back; the origin is arbitrary. For intervals and timers.
  virtual int64_t MonotonicNs() const = 0;
};

class SystemClock final : public Clock {
 public:
  int64_t WallNs() const override;
  int64_t MonotonicNs() const override;
};

// Stepped by hand. Wall and monotonic time move together unless the test makes the wall jump.
// Not thread-safe: owned by the thread that runs the simulation.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t wall_ns = 1'700'000'000 * kNanosPerSecond) : wall_ns_(wall_ns) {}

  int64_t WallNs() const override { return wall_ns_; }
  int64_t MonotonicNs() const override { return monotonic_ns_; }

  void Advance(int64_t duration_ns) {
    wall_ns_ += duration_ns;
    monotonic_ns_ += duration_ns;
  }
  // Moves to an absolute wall time, as a replay does. REQUIRES: wall_ns >= WallNs().
  void AdvanceTo(int64_t wall_ns) { Advance(wall_ns - wall_ns_); }
  // The operator or NTP sets the wall clock; monotonic time is not touched.
  void JumpWall(int64_t delta_ns) { wall_ns_ += delta_ns; }

 private:
  int64_t wall_ns_;
  int64_t monotonic_ns_ = 1;
};

}  // namespace holdfast
