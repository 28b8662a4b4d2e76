#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/prng.h"
#include "tests/fault/child_process.h"
#include "tests/fault/durable_checks.h"
#include "tests/fault/durable_ledger.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/tcp_proxy.h"
#include "workflows/postgres/libpq_session.h"

namespace holdfast::testing {

// Workers under load on one PostgreSQL server behind a proxy, while processes are killed and
// frozen, the server crashes and its connections break. Then the faults stop, everything has to
// end, and every promise of the runtime is checked.
struct CampaignOptions {
  uint64_t seed = 1;     // decides workload and faults; their moments are the machine's
  int kill_count = 20;   // workers killed with SIGKILL before the faults stop
  int freeze_count = 3;  // of those too, at least
  int crash_count = 2;   // of the server, at least
  int worker_count = 4;
  int in_flight_count = 40;   // workflows that callers keep going
  bool is_told_live = false;  // the timeline goes to standard error as it happens
  std::string worker_binary;
};

struct CampaignResult {
  WorkloadReport report;
  std::vector<std::string> failures;  // the campaign's own, as a queue's limit passed
  std::map<std::string, int64_t> faults_by_kind;
  std::string timeline;
  std::string worker_log;

  std::string CountsText() const;
};

CampaignResult RunCampaign(const CampaignOptions& options);

}  // namespace holdfast::testing
