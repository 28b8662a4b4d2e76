#include "workflows/runtime/runtime_options.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "workflows/runtime/journal_types.h"

namespace holdfast::workflows {
namespace {

constexpr double kSecondsMax = 86'400.0 * 366;

absl::Status Refuse(const char* option, const char* why) {
  return absl::InvalidArgumentError(absl::StrCat("option ", option, ": ", why));
}

bool IsDuration(double seconds, double least) {
  return std::isfinite(seconds) && seconds >= least && seconds <= kSecondsMax;
}

}  // namespace

absl::Status RuntimeOptions::Validate() const {
  if (executor_id.empty()) return Refuse("executor_id", "is empty");
  if (application_version.empty()) return Refuse("application_version", "is empty");
  if (!IsDuration(lease_ttl_s, 0.1)) return Refuse("lease_ttl_s", "is at least 0.1");
  if (run_count_max == 0) return Refuse("run_count_max", "is at least 1");
  if (claimed_run_count_max == 0) return Refuse("claimed_run_count_max", "is at least 1");
  if (claimed_run_count_max > run_count_max) {
    return Refuse("claimed_run_count_max", "is at most run_count_max");
  }
  if (claim_batch_first < 1) return Refuse("claim_batch_first", "is at least 1");
  if (claim_batch_max < claim_batch_first) {
    return Refuse("claim_batch_max", "is at least claim_batch_first");
  }
  if (claim_batch_max > kListLimitMax) return Refuse("claim_batch_max", "is at most 10000");
  if (recovery_attempts_max < 1) return Refuse("recovery_attempts_max", "is at least 1");
  if (!IsDuration(sweep_interval_s, 0.01)) return Refuse("sweep_interval_s", "is at least 0.01");
  if (queue_look_interval_s.has_value() && !IsDuration(*queue_look_interval_s, 0.01)) {
    return Refuse("queue_look_interval_s", "is at least 0.01");
  }
  if (!IsDuration(refresh_interval_s, 0.01)) {
    return Refuse("refresh_interval_s", "is at least 0.01");
  }
  if (!IsDuration(message_poll_interval_s, 0.1)) {
    return Refuse("message_poll_interval_s", "is at least 0.1");
  }
  if (backfill_count_max < 1) return Refuse("backfill_count_max", "is at least 1");
  if (!IsDuration(retention.interval_s, 1)) return Refuse("retention.interval_s", "is at least 1");
  if (retention.batch_rows < 1) return Refuse("retention.batch_rows", "is at least 1");
  if (retention.completed_older_than_s.has_value() &&
      !IsDuration(*retention.completed_older_than_s, 0)) {
    return Refuse("retention.completed_older_than_s", "is at least 0");
  }
  if (retention.keep_newest.has_value() && *retention.keep_newest < 0) {
    return Refuse("retention.keep_newest", "is at least 0");
  }
  return absl::OkStatus();
}

}  // namespace holdfast::workflows
