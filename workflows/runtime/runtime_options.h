#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace holdfast::workflows {

// Deletes ended workflows that nobody will ask for again. Off unless one of the limits is given.
struct RetentionOptions {
  std::optional<double> completed_older_than_s = {};
  std::optional<int64_t> keep_newest = {};  // ended workflows beyond this count go, oldest first
  double interval_s = 60;
  int32_t batch_rows = 1'000;
};

struct RuntimeOptions {
  // Survives restarts (a host's or a pod's name): the successor finds its predecessor's work by it.
  std::string executor_id = "local";
  std::string application_name = {};
  // Workflows are recovered by executors of the version that started them; enqueued ones without a
  // version are run by the latest.
  std::string application_version = "1";
  std::string host = {};
  int64_t process_id = 0;

  // Work of a dead executor is taken over this long after its last renewal.
  double lease_ttl_s = 15;
  // Workflows in memory at once. Beyond it direct starts are refused (kResourceExhausted), and
  // nothing is claimed. Children of workflows in memory are always admitted.
  size_t run_count_max = 20'000;
  // Of those, the ones that may be claimed from queues or taken over.
  size_t claimed_run_count_max = 4'000;
  // Starts that may wait for the lease.
  size_t waiting_start_count_max = 10'000;
  // A claim begins small, so that the first results come at once, and doubles.
  int32_t claim_batch_first = 32;
  int32_t claim_batch_max = 500;
  int64_t recovery_attempts_max = 100;  // claimed more often: dead letter

  // Nets below the news.
  double sweep_interval_s = 4;
  // Every queue is looked at this often, whatever its row says. For queues that are fed by those
  // who announce nothing (DBOS's clients do not) and shall be quick all the same. Unset: as the row
  // says, but no more than one look in 0.75 s over all queues.
  std::optional<double> queue_look_interval_s = {};
  double refresh_interval_s = 30;  // queues, schedules, the latest version
  double message_poll_interval_s = 60;

  // Missed firings that one look at a schedule with backfill makes up for, oldest first; the next
  // look goes on.
  int32_t backfill_count_max = 1'000;
  RetentionOptions retention;

  // kInvalidArgument names the first option that cannot be.
  [[nodiscard]] absl::Status Validate() const;
};

}  // namespace holdfast::workflows
