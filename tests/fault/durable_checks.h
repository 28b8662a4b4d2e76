#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/fault/durable_ledger.h"
#include "tests/fault/durable_workload.h"

namespace holdfast::testing {

// A process that was stopped for longer than its lease. From `ended_at` (the server's clock) on
// nothing of this incarnation may become durable.
struct FrozenLife {
  std::string executor_id;
  std::string incarnation;
  std::string ended_at;
};

struct WorkloadFacts {
  std::vector<PlannedWorkflow> planned;
  std::vector<LedgerServer::Arrival> arrivals;
  std::vector<FrozenLife> frozen;
};

struct WorkloadReport {
  // Broken promises with the rows concerned; empty: every one was kept.
  std::vector<std::string> failures;
  int64_t workflow_count = 0;  // children included
  int64_t step_count = 0;      // recorded
  int64_t effect_count = 0;    // that the outside party counted
  int64_t repeated_count = 0;  // of those, ones whose outcome was not recorded before: legal
  int64_t takeover_count = 0;  // runs that went on with another's or an earlier life's workflow

  std::string ToText() const;
};

// Compares the tables with the plan and with what the outside party saw. To be called when nothing
// runs any more.
WorkloadReport CheckWorkload(const std::string& database_url, const WorkloadFacts& facts);

}  // namespace holdfast::testing
