// What the runtime does by the clock: sweeps of delays and deadlines, fresh settings, retention.
#include <algorithm>
#include <utility>

#include "workflows/runtime/duration.h"
#include "workflows/runtime/runtime.h"
#include "workflows/runtime/schedules.h"
#include "workflows/runtime/workflow_run.h"

namespace holdfast::workflows {
namespace {

using internal::IfAlive;

// Two sweeps are at least this far apart, however much is due.
constexpr int64_t kSweepSpacingNs = 2 * kNanosPerMilli;

}  // namespace

// ---- Sweeps -------------------------------------------------------------------------------------

void Runtime::SweepAtWall(int64_t wall_ms) {
  SweepAt(NowNs() + std::max<int64_t>(wall_ms - NowMs(), 0) * kNanosPerMilli);
}

// The sweep of the two comes that is due earlier.
void Runtime::SweepAt(int64_t monotonic_ns) {
  if (state_ != State::kHolding && state_ != State::kDraining) return;
  if (sweep_timer_.has_value() && sweep_ns_ <= monotonic_ns) return;
  if (is_sweeping_) {
    next_sweep_ns_ = std::min(next_sweep_ns_, monotonic_ns);
    return;
  }
  if (sweep_timer_.has_value()) reactor().CancelTimer(*sweep_timer_);
  sweep_ns_ = monotonic_ns;
  sweep_timer_ = reactor().CallAt(monotonic_ns, [this] {
    sweep_timer_.reset();
    Sweep();
  });
}

void Runtime::Sweep() {
  is_sweeping_ = true;
  next_sweep_ns_ = NowNs() + SecondsToNs(options_.sweep_interval_s);
  journal().Sweep(
      SweepRequest{},
      IfAlive(is_alive_, [this, session = session_](absl::StatusOr<SweepResult> result) {
        OnSwept(session, std::move(result));
      }));
}

void Runtime::OnSwept(uint64_t session, absl::StatusOr<SweepResult> result) {
  if (session != session_) return;
  is_sweeping_ = false;
  const int64_t soonest_ns = NowNs() + kSweepSpacingNs;
  int64_t next_ns = next_sweep_ns_;
  if (!result.ok()) {
    OnClaimRefused(result.status());
    if (state_ != State::kHolding && state_ != State::kDraining) return;
  } else {
    for (const std::string& queue : result->released_queues) claims_.OnNews(queue);
    for (const std::string& id : result->expired_workflow_ids) {
      const auto found = runs_.find(id);
      if (found != runs_.end()) {
        OnRunLost(*found->second);
      } else {
        waiters_.LookSoon(id);
      }
    }
    if (result->has_abandoned || may_recover_more_) Recover();
    if (result->has_more) next_ns = soonest_ns;
    if (result->next_due_in_ms.has_value()) {
      next_ns = std::min(next_ns, NowNs() + *result->next_due_in_ms * kNanosPerMilli);
    }
  }
  SweepAt(std::max(next_ns, soonest_ns));
}

// ---- Settings -----------------------------------------------------------------------------------

void Runtime::ScheduleRefresh(double after_s) {
  if (state_ != State::kHolding) return;
  if (refresh_timer_.has_value()) reactor().CancelTimer(*refresh_timer_);
  refresh_timer_ = reactor().CallAfter(SecondsToNs(after_s), [this] {
    refresh_timer_.reset();
    journal().ListVersions(
        IfAlive(is_alive_, [this](auto versions) { OnVersionsListed(std::move(versions)); }));
    journal().ListQueues(
        IfAlive(is_alive_, [this](auto queues) { OnQueuesListed(std::move(queues)); }));
    schedules_->Refresh();
    ScheduleRefresh(options_.refresh_interval_s);
  });
}

void Runtime::OnVersionsListed(absl::StatusOr<std::vector<ApplicationVersion>> versions) {
  if (!versions.ok()) return observer_.OnTrouble("list versions", versions.status());
  const std::string& application = options_.application_name;
  for (const ApplicationVersion& version : *versions) {  // latest first
    const bool is_of_another = version.application_name.has_value() && !application.empty() &&
                               *version.application_name != application;
    if (is_of_another) continue;
    const bool was_latest =
        std::exchange(is_latest_version_, version.name == options_.application_version);
    if (is_latest_version_ && !was_latest) claims_.OnAnyNews();
    return;
  }
}

void Runtime::OnQueuesListed(absl::StatusOr<std::vector<QueueConfig>> queues) {
  if (!queues.ok()) return observer_.OnTrouble("list queues", queues.status());
  for (const QueueConfig& queue : *queues) {
    if (claims_.serves(queue.name)) claims_.Serve(queue);
  }
}

// ---- Retention ----------------------------------------------------------------------------------

void Runtime::ScheduleRetention(double after_s) {
  const RetentionOptions& retention = options_.retention;
  if (!retention.completed_older_than_s.has_value() && !retention.keep_newest.has_value()) return;
  if (retention_timer_.has_value()) reactor().CancelTimer(*retention_timer_);
  retention_timer_ = reactor().CallAfter(SecondsToNs(after_s), [this] {
    retention_timer_.reset();
    Retain();
  });
}

void Runtime::Retain() {
  const RetentionOptions& retention = options_.retention;
  RetentionRequest request;
  if (retention.completed_older_than_s.has_value()) {
    request.completed_before_ms = NowMs() - SecondsToMs(*retention.completed_older_than_s);
  }
  request.keep_newest = retention.keep_newest;
  request.max_rows = retention.batch_rows;
  journal().Retain(request,
                   IfAlive(is_alive_, [this, session = session_](absl::StatusOr<int64_t> count) {
                     if (session != session_) return;
                     if (!count.ok()) observer_.OnTrouble("retention", count.status());
                     // A full batch: there is more. The pause leaves the database to the workflows.
                     const bool has_more = count.ok() && *count >= options_.retention.batch_rows;
                     ScheduleRetention(has_more ? 0.1 : options_.retention.interval_s);
                   }));
}

}  // namespace holdfast::workflows
