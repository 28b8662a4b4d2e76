// The executor's life: the lease, what follows from holding and losing it, recovery, shutdown.
#include <algorithm>
#include <utility>

#include "workflows/runtime/duration.h"
#include "workflows/runtime/runtime.h"
#include "workflows/runtime/schedules.h"
#include "workflows/runtime/workflow_run.h"

namespace holdfast::workflows {
namespace {

using internal::IfAlive;

constexpr double kRegisterRetrySeconds = 0.25;
constexpr double kRenewRetrySeconds = 0.5;
constexpr int kRenewalsPerLease = 3;
constexpr int32_t kRecoveryBatchGrowth = 4;

void Cancel(Reactor& reactor, std::optional<TimerId>& timer) {
  if (timer.has_value()) reactor.CancelTimer(*std::exchange(timer, {}));
}

}  // namespace

void Runtime::Launch(StatusReply reply) {
  HF_ASSERT(state_ == State::kIdle);
  state_ = State::kRegistering;
  launch_reply_ = std::move(reply);
  std::sort(workflow_names_.begin(), workflow_names_.end());
  RegisterExecutor();
}

void Runtime::RegisterExecutor() {
  ++session_;
  has_registered_ = true;
  identity_.executor_id = options_.executor_id;
  identity_.incarnation = NewUuid();
  identity_.application_name = options_.application_name;
  identity_.application_version = options_.application_version;
  identity_.host = options_.host;
  identity_.process_id = options_.process_id;
  journal().RegisterExecutor(
      identity_, SecondsToMs(options_.lease_ttl_s),
      IfAlive(is_alive_, [this, session = session_](absl::StatusOr<LeaseGrant> grant) {
        OnRegistered(session, std::move(grant));
      }));
}

void Runtime::OnRegistered(uint64_t session, absl::StatusOr<LeaseGrant> grant) {
  if (session != session_ || state_ != State::kRegistering) return;
  if (!grant.ok()) {
    if (grant.status().code() != absl::StatusCode::kFailedPrecondition) {
      observer_.OnTrouble("register executor", grant.status());
    }
    register_timer_ = reactor().CallAfter(SecondsToNs(kRegisterRetrySeconds), [this] {
      register_timer_.reset();
      if (state_ == State::kRegistering) RegisterExecutor();
    });
    return;
  }
  lease_ = *grant;
  state_ = State::kHolding;
  observer_.OnLeaseGranted(lease_.epoch);
  StartWork();
  RunWaitingStarts();
  if (launch_reply_) std::exchange(launch_reply_, {})(absl::OkStatus());
}

void Runtime::StartWork() {
  ScheduleRenewal();
  recovery_batch_ = options_.claim_batch_first;
  Recover();
  for (const QueueConfig& queue : registered_queues_) {
    journal().UpsertQueue(queue, IfAlive(is_alive_, [this](const absl::Status& status) {
                            if (!status.ok()) observer_.OnTrouble("register queue", status);
                          }));
  }
  // Claims begin when it is known whether this is the latest version.
  journal().ListVersions(IfAlive(is_alive_, [this, session = session_](auto versions) {
    if (session != session_) return;
    OnVersionsListed(std::move(versions));
    if (state_ == State::kHolding) claims_.Start();
  }));
  SweepAt(NowNs());
  ScheduleRefresh(0);
  ScheduleRetention(options_.retention.interval_s);
}

void Runtime::StopWork() {
  claims_.Stop();
  schedules_->Stop();
  is_recovering_ = false;
  may_recover_more_ = false;
  is_sweeping_ = false;
  Cancel(reactor(), renew_timer_);
  Cancel(reactor(), sweep_timer_);
  Cancel(reactor(), refresh_timer_);
  Cancel(reactor(), retention_timer_);
}

// ---- The lease ----------------------------------------------------------------------------------

void Runtime::ScheduleRenewal() {
  Cancel(reactor(), renew_timer_);
  renew_timer_ = reactor().CallAfter(SecondsToNs(options_.lease_ttl_s) / kRenewalsPerLease,
                                     [this] { RenewLease(); });
}

void Runtime::RenewLease() {
  renew_timer_.reset();
  journal().RenewLease(
      IfAlive(is_alive_, [this, session = session_](absl::StatusOr<LeaseGrant> grant) {
        OnRenewed(session, std::move(grant));
      }));
}

void Runtime::OnRenewed(uint64_t session, absl::StatusOr<LeaseGrant> grant) {
  if (session != session_ || (state_ != State::kHolding && state_ != State::kDraining)) return;
  if (grant.ok()) {
    lease_ = *grant;
    return ScheduleRenewal();
  }
  if (grant.status().code() == absl::StatusCode::kPermissionDenied ||
      grant.status().code() == absl::StatusCode::kDataLoss) {
    return LoseLease(grant.status().ToString());
  }
  observer_.OnTrouble("renew lease", grant.status());
  renew_timer_ = reactor().CallAfter(SecondsToNs(kRenewRetrySeconds), [this] { RenewLease(); });
}

// A process that was frozen past its lease wakes up here: what it was about to do is somebody
// else's to do by now.
bool Runtime::MayStartEffects() {
  if (state_ != State::kHolding && state_ != State::kDraining) return false;
  if (NowNs() < lease_.valid_until_ns) return true;
  LoseLeaseSoon("the lease ended by our own clock");
  return false;
}

void Runtime::LoseLeaseSoon(std::string why) {
  if (std::exchange(is_losing_lease_, true)) return;
  reactor().Post(IfAlive(is_alive_, [this, session = session_, why = std::move(why)] {
    is_losing_lease_ = false;
    if (session == session_) LoseLease(why);
  }));
}

void Runtime::LoseLease(const std::string& why) {
  if (state_ != State::kHolding && state_ != State::kDraining) return;
  ++stats_.lease_loss_count;
  const size_t count = runs_.size();
  const bool is_draining = state_ == State::kDraining;
  state_ = State::kRegistering;
  StopWork();
  DropAllRuns();
  observer_.OnLeaseLost(why, count);
  if (is_draining) {
    state_ = State::kDraining;
    return FinishDrain();
  }
  RegisterExecutor();
}

// ---- Recovery -----------------------------------------------------------------------------------

void Runtime::Recover() {
  if (is_recovering_ || state_ != State::kHolding) return;
  const size_t room = claim_room();
  if (room == 0) {
    may_recover_more_ = true;
    return;
  }
  is_recovering_ = true;
  may_recover_more_ = false;
  AdoptRequest request;
  request.workflow_names = workflow_names_;
  request.max_count =
      static_cast<int32_t>(std::min<size_t>(room, static_cast<size_t>(recovery_batch_)));
  request.max_recovery_attempts = options_.recovery_attempts_max;
  journal().ClaimAbandoned(
      std::move(request),
      IfAlive(is_alive_, [this, session = session_](absl::StatusOr<ClaimResult> result) {
        OnRecovered(session, std::move(result));
      }));
}

void Runtime::OnRecovered(uint64_t session, absl::StatusOr<ClaimResult> result) {
  if (session != session_) return;
  is_recovering_ = false;
  if (!result.ok()) {
    OnClaimRefused(result.status());
    may_recover_more_ = true;  // the next sweep asks again
    return;
  }
  OnDeadLetters(result->dead_letter_count);
  recovery_batch_ = result->has_more
                        ? std::min(recovery_batch_ * kRecoveryBatchGrowth, options_.claim_batch_max)
                        : options_.claim_batch_first;
  for (ClaimedWorkflow& claimed : result->workflows) Admit(std::move(claimed));
  if (session != session_) return;
  if (result->has_more) return Recover();
  // Work of queues went back to them.
  claims_.OnAnyNews();
}

void Runtime::RecoverMoreIfRoom() {
  if (may_recover_more_) Recover();
}

// ---- Shutdown -----------------------------------------------------------------------------------

void Runtime::Drain(double max_wait_s, StatusReply reply) {
  if (state_ == State::kDraining || state_ == State::kStopped) {
    reactor().Post([reply = std::move(reply)]() mutable {
      reply(absl::FailedPreconditionError("the runtime is shutting down already"));
    });
    return;
  }
  drain_reply_ = std::move(reply);
  const State before = std::exchange(state_, State::kDraining);
  FailWaitingStarts(absl::UnavailableError("the runtime is shutting down"));
  if (launch_reply_) {
    std::exchange(launch_reply_, {})(absl::UnavailableError("the runtime is shutting down"));
  }
  if (before != State::kHolding) {
    ++session_;
    reactor().Post(IfAlive(is_alive_, [this] { FinishDrain(); }));
    return;
  }
  claims_.Stop();
  schedules_->Stop();
  const bool is_idle = runs_.empty() && starting_count_ == 0;
  drain_timer_ = reactor().CallAfter(is_idle ? 0 : SecondsToNs(max_wait_s), [this] {
    drain_timer_.reset();
    FinishDrain();
  });
}

void Runtime::FinishDrain() {
  if (state_ != State::kDraining) return;
  state_ = State::kStopped;
  ++session_;
  Cancel(reactor(), drain_timer_);
  Cancel(reactor(), register_timer_);
  StopWork();
  DropAllRuns();
  if (!has_registered_) return std::exchange(drain_reply_, {})(absl::OkStatus());
  journal().ReleaseLease(IfAlive(is_alive_, [this](absl::Status status) {
    std::exchange(drain_reply_, {})(std::move(status));
  }));
}

}  // namespace holdfast::workflows
