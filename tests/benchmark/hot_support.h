#pragma once

#include <sched.h>
#include <x86intrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/latency_histogram.h"

namespace holdfast::bench {

// To the last allowed CPU, so that `taskset` decides when it is used. Said when it does not work.
inline void PinToOneCpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  for (int cpu = CPU_SETSIZE - 1; cpu >= 0; --cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    const bool is_pinned = sched_setaffinity(0, sizeof(one), &one) == 0;
    std::printf("cpu %d %s\n", cpu, is_pinned ? "pinned" : "NOT pinned");
    return;
  }
}

inline double TscPerNs() {
  const SystemClock clock;
  const int64_t begin_ns = clock.MonotonicNs();
  const uint64_t begin_tsc = __rdtsc();
  while (clock.MonotonicNs() - begin_ns < 20 * kNanosPerMilli) {
  }
  const uint64_t end_tsc = __rdtsc();
  return static_cast<double>(end_tsc - begin_tsc) /
         static_cast<double>(clock.MonotonicNs() - begin_ns);
}

template <typename T>
inline void Keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

inline void Require(bool condition, std::string_view what) {
  if (condition) return;
  std::printf("RESULTS DIFFER: %.*s\n", static_cast<int>(what.size()), what.data());
  std::exit(1);
}

// CPU time of this process (it has one thread): what others take in between does not count.
inline double CpuNs() {
  static_assert(CLOCKS_PER_SEC == 1'000'000);
  return static_cast<double>(std::clock()) * 1e3;
}

// One way of doing the work. `run` does all of it once.
struct Variant {
  std::string name;
  std::function<void()> run;
  std::vector<double> ns_per_unit = {};

  double Median() const {
    std::vector<double> sorted = ns_per_unit;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

// Runs all variants in turn, round after round, so that a shift of the host hits them alike; prints
// medians and the ratio to `variants[base]`. One round of warm-up.
inline void Compare(std::string_view title, std::string_view unit, size_t units_per_run,
                    std::vector<Variant>& variants, size_t base = 0, int rounds = 9) {
  for (int round = -1; round < rounds; ++round) {
    for (Variant& variant : variants) {
      const double begin = CpuNs();
      variant.run();
      const double ns = CpuNs() - begin;
      if (round >= 0) variant.ns_per_unit.push_back(ns / static_cast<double>(units_per_run));
    }
  }
  std::printf("\n%.*s: ns per %.*s, median of %d [min..max], ratio to %s\n",
              static_cast<int>(title.size()), title.data(), static_cast<int>(unit.size()),
              unit.data(), rounds, variants[base].name.c_str());
  for (const Variant& variant : variants) {
    const auto [low, high] =
        std::minmax_element(variant.ns_per_unit.begin(), variant.ns_per_unit.end());
    std::printf("  %-44s %9.2f [%.2f..%.2f] %7.2fx\n", variant.name.c_str(), variant.Median(), *low,
                *high, variant.Median() / variants[base].Median());
  }
}

// Calls work(i) for each i and prints percentiles of single calls (rdtsc, its cost taken off).
template <typename Work>
void PrintPercentiles(std::string_view name, size_t count, Work work) {
  static const double tsc_per_ns = TscPerNs();
  uint64_t overhead = UINT64_MAX;
  for (int i = 0; i < 1'000; ++i) {
    const uint64_t begin = __rdtsc();
    overhead = std::min<uint64_t>(overhead, __rdtsc() - begin);
  }
  LatencyHistogram histogram;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t begin = __rdtsc();
    work(i);
    const uint64_t elapsed = __rdtsc() - begin;
    histogram.Record(static_cast<int64_t>(
        static_cast<double>(elapsed - std::min(elapsed, overhead)) / tsc_per_ns));
  }
  std::printf("  %-44.*s p50 %ld  p99 %ld  p99.9 %ld  max %ld ns\n", static_cast<int>(name.size()),
              name.data(), static_cast<long>(histogram.QuantileNs(0.5)),
              static_cast<long>(histogram.QuantileNs(0.99)),
              static_cast<long>(histogram.QuantileNs(0.999)),
              static_cast<long>(histogram.max_ns()));
}

}  // namespace holdfast::bench
