#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace holdfast::workflows {

// One schedule: a few executors run a few workflows of every kind on one database in virtual time,
// while processes die at moments of the journal's writes and between turns, answers and news are
// late or lost, and the database goes away. Then the faults stop, and everything has to end.
struct ScheduleOptions {
  uint64_t seed = 1;
  int executor_count = 2;
  int workflow_count = 6;
  int crash_count = 3;
  int outage_count = 1;

  // Everything but the seed, drawn from it.
  static ScheduleOptions FromSeed(uint64_t seed);
  std::string ToText() const;
};

struct ScheduleResult {
  std::string failure;  // empty: every promise was kept
  // Where processes died: "commit durable", "between turns", ...
  std::map<std::string, int64_t> crashes_by_place;
  int64_t turn_count = 0;
  int64_t body_count = 0;      // step bodies that ran
  int64_t repeated_count = 0;  // of those, ones whose earlier outcome was lost in a crash
  int64_t virtual_ms = 0;
  uint64_t digest = 0;  // of every write and its time: equal runs have equal digests
};

ScheduleResult RunSchedule(const ScheduleOptions& options);

}  // namespace holdfast::workflows
