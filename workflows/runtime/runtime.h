#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "engine/base/prng.h"
#include "workflows/runtime/blocking_pool.h"
#include "workflows/runtime/journal.h"
#include "workflows/runtime/queue_claims.h"
#include "workflows/runtime/reactor.h"
#include "workflows/runtime/result_waiters.h"
#include "workflows/runtime/run_services.h"
#include "workflows/runtime/runtime_observer.h"
#include "workflows/runtime/runtime_options.h"
#include "workflows/runtime/workflow.h"
#include "workflows/runtime/workflow_function.h"

namespace holdfast::workflows {

namespace internal {
class ScheduleRunner;
}

struct RegisterOptions {
  std::optional<std::string> class_name = {};
  std::optional<std::string> config_name = {};
};

// What a caller says about a new workflow. All of it is optional.
struct StartOptions {
  // The idempotency key: a second start of the same id is the same workflow. Default: a new UUID.
  std::optional<std::string> id = {};
  std::optional<double> timeout_s = {};  // from the moment it runs
  std::optional<int64_t> deadline_ms = {};
  std::optional<std::string> attributes = {};  // a JSON object, to find it by
  std::optional<std::string> authenticated_user = {};
  std::optional<std::string> assumed_role = {};
  std::optional<std::string> authenticated_roles = {};  // a JSON array
  // Written in the transaction that creates the workflow, only then.
  std::vector<ApplicationRow> application_rows = {};

  // For Enqueue.
  int32_t priority = 0;  // lower first
  std::optional<std::string> partition_key = {};
  std::optional<std::string> deduplication_id = {};
  std::optional<double> delay_s = {};
  std::optional<std::string> application_version = {};  // default: whichever is the latest then
};

struct StartedWorkflow {
  std::string id;
  // kCreated or kExists. The other outcomes are errors: kAlreadyExists.
  StartOutcome outcome = StartOutcome::kCreated;
};

// A snapshot for health checks and metrics.
struct RuntimeStats {
  bool holds_lease = false;
  bool is_available = true;  // the journal is
  bool is_draining = false;
  int64_t lease_epoch = 0;
  size_t run_count = 0;  // workflows in memory
  size_t claimed_run_count = 0;
  size_t result_waiter_count = 0;
  size_t waiting_start_count = 0;
  int64_t started_count = 0;  // since construction, as are those below
  int64_t claimed_count = 0;
  int64_t succeeded_count = 0;
  int64_t failed_count = 0;
  int64_t parked_count = 0;
  int64_t dead_letter_count = 0;
  int64_t lost_run_count = 0;  // canceled, taken over, or the lease was lost
  int64_t lease_loss_count = 0;
};

// Runs workflows: starts them, fetches them from queues, takes over what a predecessor or a dead
// executor left, fires schedules, sweeps deadlines and delays.
//
// Lifetime: `reactor`, `journal`, `pool` and `observer` outlive it. Destroying it drops every run
// without a word; their rows stay PENDING and the next start goes on with them. CRASH: the same.
//
// Threads: everything on the reactor's. RuntimeHost is the face for other threads.
class Runtime final : private internal::RunServices,
                      private internal::ClaimHost,
                      private JournalListener {
 public:
  // REQUIRES: options.Validate().ok(). `seed` decides ids and jitter; no two processes share one.
  Runtime(RuntimeOptions options, Reactor& reactor, Journal& journal, BlockingPool& pool, Prng seed,
          RuntimeObserver* observer = nullptr);
  ~Runtime() override;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // ---- Before Launch ----------------------------------------------------------------------------
  // `fn`: Task<absl::StatusOr<Out>>(Workflow&, In...), a function or a callable object, which is
  // kept. REQUIRES: the name is new.
  template <class Fn>
  void Register(std::string name, Fn fn, RegisterOptions options = {}) {
    RegisterFunction(std::move(name), std::make_unique<internal::TypedFunction<Fn>>(std::move(fn)),
                     std::move(options));
  }
  // Serves the queue, and writes its settings at launch. Other settings that are found later in the
  // table (an operator changed them) are taken over.
  void RegisterQueue(QueueConfig config);
  // Serves a queue whose settings are in the table.
  void ListenQueue(std::string name);

  // Takes the lease (waiting while another life of this executor holds it), then begins to work.
  // Answers when the lease is held. A runtime that is not launched can still enqueue and wait for
  // results.
  void Launch(StatusReply reply);

  // ---- Callers ----------------------------------------------------------------------------------
  // `inputs`: the text of a call's arguments in portable_json. Direct starts run here.
  // Errors: kNotFound for a name that is not registered, kAlreadyExists when the id belongs to
  // another workflow, kResourceExhausted, kUnavailable after Drain.
  void Start(std::string name, StartOptions options, std::string inputs,
             Reply<StartedWorkflow> reply);
  // The name need not be known here.
  void Enqueue(std::string queue_name, std::string name, StartOptions options, std::string inputs,
               Reply<StartedWorkflow> reply);
  // The key is for StopAwaiting.
  uint64_t AwaitResult(std::string workflow_id, Reply<WorkflowResult> reply);
  void StopAwaiting(uint64_t key);
  // Fires a schedule once, now.
  void TriggerSchedule(std::string schedule_name, Reply<StartedWorkflow> reply);
  // Schedules and queues were changed through this process: look at once.
  void Refresh();

  // Starts and claims end; answers when no run is left, or `max_wait_s` later. Whatever is left
  // then is dropped and stays PENDING. Gives the lease back.
  void Drain(double max_wait_s, StatusReply reply);
  void Shutdown(StatusReply reply) { Drain(0, std::move(reply)); }

  Journal& journal() { return internal::RunServices::journal(); }
  RuntimeStats stats() const;
  const RuntimeOptions& options() const { return options_; }
  bool IsRegistered(std::string_view workflow_name) const;

 private:
  using Run = internal::WorkflowRun;
  using RunRef = internal::Ref<Run>;

  struct Registration {
    std::unique_ptr<internal::WorkflowFunction> function;
    RegisterOptions options;
  };
  struct EventWatch {
    std::string name;  // workflow id and key
    Callback callback;
  };
  enum class State : uint8_t { kIdle, kRegistering, kHolding, kDraining, kStopped };

  void RegisterFunction(std::string name, std::unique_ptr<internal::WorkflowFunction> function,
                        RegisterOptions options);
  NewWorkflow MakeWorkflow(std::string name, StartOptions& options, std::string inputs);
  void SendStart(StartRequest request, Reply<StartedWorkflow> reply);
  void OnStarted(uint64_t session, internal::OwnedWorkflow owned,
                 absl::StatusOr<StartResult> result, Reply<StartedWorkflow> reply);
  friend class internal::ScheduleRunner;
  void EnqueueWorkflow(StartRequest request, Reply<StartedWorkflow> reply);
  void RunWaitingStarts();
  void FailWaitingStarts(const absl::Status& status);

  // ---- Runs (runtime.cc) ------------------------------------------------------------------------
  void BeginRun(internal::OwnedWorkflow workflow, std::vector<StepRecord> steps, bool is_claimed,
                std::string queue_name, std::optional<std::string> partition_key);
  void RemoveRun(Run& run);
  // By id: what a seed does once it does again, whatever the hashes are.
  std::vector<RunRef> SortedRuns() const;
  void DropAllRuns();
  void LookAtRow(Run& run);

  // ---- Executor life (executor.cc) --------------------------------------------------------------
  void RegisterExecutor();
  void OnRegistered(uint64_t session, absl::StatusOr<LeaseGrant> grant);
  void RenewLease();
  void OnRenewed(uint64_t session, absl::StatusOr<LeaseGrant> grant);
  void ScheduleRenewal();
  void LoseLease(const std::string& why);
  // In a turn of its own: the caller may be inside of a run.
  void LoseLeaseSoon(std::string why);
  void Recover();
  void OnRecovered(uint64_t session, absl::StatusOr<ClaimResult> result);
  void RecoverMoreIfRoom();
  void StartWork();
  void StopWork();
  void FinishDrain();

  // ---- Timers (sweeper.cc) ----------------------------------------------------------------------
  void SweepAt(int64_t monotonic_ns);
  void SweepAtWall(int64_t wall_ms);
  void Sweep();
  void OnSwept(uint64_t session, absl::StatusOr<SweepResult> result);
  void ScheduleRefresh(double after_s);
  void OnQueuesListed(absl::StatusOr<std::vector<QueueConfig>> queues);
  void OnVersionsListed(absl::StatusOr<std::vector<ApplicationVersion>> versions);
  void ScheduleRetention(double after_s);
  void Retain();

  // ---- RunServices ------------------------------------------------------------------------------
  bool MayStartEffects() override;
  std::string NewOwnerToken() override;
  bool Describe(NewWorkflow& workflow) const override;
  double message_poll_interval_s() const override { return options_.message_poll_interval_s; }
  void RunOwned(internal::OwnedWorkflow workflow) override;
  void OnEnqueued(const std::string& queue_name, std::optional<int64_t> delay_until_ms,
                  std::optional<int64_t> deadline_ms) override;
  uint64_t AwaitEnd(std::string workflow_id, Reply<WorkflowResult> reply) override;
  void StopAwaitingEnd(uint64_t key) override;
  uint64_t WatchEvent(std::string workflow_id, std::string key, Callback callback) override;
  void StopWatchingEvent(uint64_t key) override;
  void OnRunEnded(Run& run, WorkflowResult result) override;
  void OnRunLost(Run& run) override;
  void OnRunParked(const Run& run, const absl::Status& reason) override;
  void OnWriteRefused(const absl::Status& status) override;

  // ---- ClaimHost --------------------------------------------------------------------------------
  bool holds_lease() const override { return state_ == State::kHolding; }
  bool is_latest_version() const override { return is_latest_version_; }
  const std::vector<std::string>& workflow_names() const override { return workflow_names_; }
  size_t claim_room() const override;
  void Admit(ClaimedWorkflow claimed) override;
  void OnDeadLetters(int64_t count) override;
  void OnClaimRefused(const absl::Status& status) override;

  // ---- JournalListener --------------------------------------------------------------------------
  void OnQueueChanged(std::string_view queue_name) override;
  void OnMessage(std::string_view workflow_id, std::string_view topic) override;
  void OnEvent(std::string_view workflow_id, std::string_view key) override;
  void OnStream(std::string_view workflow_id, std::string_view key) override;
  void OnWorkflowEnded(std::string_view workflow_id) override;
  void OnWorkflowChanged(std::string_view workflow_id) override;
  void OnNewsLost() override;
  void OnAvailability(bool is_available) override;
  void OnDataLoss(std::string_view what) override;

  const RuntimeOptions options_;
  RuntimeObserver& observer_;
  absl::flat_hash_map<std::string, Registration> registry_;
  std::vector<std::string> workflow_names_;

  absl::flat_hash_map<std::string, RunRef> runs_;
  size_t claimed_run_count_ = 0;
  internal::ResultWaiters waiters_;
  internal::QueueClaims claims_;
  std::unique_ptr<internal::ScheduleRunner> schedules_;
  absl::flat_hash_map<std::string, std::vector<uint64_t>> event_watches_by_name_;
  std::map<uint64_t, std::shared_ptr<EventWatch>> event_watches_;  // oldest first
  uint64_t event_watch_count_ = 0;

  State state_ = State::kIdle;
  uint64_t session_ = 0;  // of leases: answers to an earlier one are ignored
  ExecutorIdentity identity_;
  LeaseGrant lease_;
  bool is_latest_version_ = false;
  bool is_available_ = true;
  StatusReply launch_reply_;
  StatusReply drain_reply_;
  std::vector<absl::AnyInvocable<void(const absl::Status&)>> waiting_starts_;
  size_t starting_count_ = 0;

  bool has_registered_ = false;
  bool is_losing_lease_ = false;
  bool is_recovering_ = false;
  bool may_recover_more_ = false;
  int32_t recovery_batch_ = 0;
  bool is_sweeping_ = false;
  int64_t sweep_ns_ = 0;
  int64_t next_sweep_ns_ = 0;
  std::optional<TimerId> register_timer_;
  std::optional<TimerId> renew_timer_;
  std::optional<TimerId> sweep_timer_;
  std::optional<TimerId> refresh_timer_;
  std::optional<TimerId> retention_timer_;
  std::optional<TimerId> drain_timer_;
  std::vector<QueueConfig> registered_queues_;
  RuntimeStats stats_;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast::workflows
