#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/prng.h"
#include "workflows/runtime/blocking_pool.h"
#include "workflows/runtime/journal.h"
#include "workflows/runtime/reactor.h"

namespace holdfast::workflows {

// How a workflow ended. Payloads are as stored; `serialization` names their format.
struct WorkflowResult {
  WorkflowStatus status = WorkflowStatus::kSuccess;
  std::optional<std::string> output;
  std::optional<std::string> error;
  std::optional<std::string> serialization;
};

namespace internal {

class OperationState;
class WorkflowRun;

// A workflow of this executor that has just been recorded as PENDING under `owner_token`.
struct OwnedWorkflow {
  std::string id;
  std::string name;
  std::string owner_token;
  std::optional<std::string> inputs;
  std::string serialization;
  std::optional<int64_t> deadline_ms;
};

// A callback that does nothing once `alive` is gone: the journal may answer later than that.
template <class Fn>
auto IfAlive(const std::shared_ptr<bool>& alive, Fn fn) {
  return [alive = std::weak_ptr<bool>(alive), fn = std::move(fn)](auto&&... arguments) mutable {
    if (!alive.expired()) fn(std::forward<decltype(arguments)>(arguments)...);
  };
}

// What a run needs from the runtime around it. Reactor's thread.
class RunServices {
 public:
  RunServices(Reactor& reactor, Journal& journal, BlockingPool& pool, Prng seed)
      : reactor_(reactor), journal_(journal), pool_(pool), prng_(seed) {}

  Reactor& reactor() { return reactor_; }
  Journal& journal() { return journal_; }
  BlockingPool& pool() { return pool_; }
  Prng& prng() { return prng_; }
  int64_t NowMs() const { return reactor_.clock().WallNs() / kNanosPerMilli; }
  int64_t NowNs() const { return reactor_.clock().MonotonicNs(); }
  // A random UUID in its usual spelling.
  std::string NewUuid();
  // For a workflow that this executor starts.
  virtual std::string NewOwnerToken() = 0;

  // False: the lease has run out by our own clock; the run is about to be dropped.
  virtual bool MayStartEffects() = 0;
  // Completes what a new workflow of this name says about itself. False: not registered here.
  virtual bool Describe(NewWorkflow& workflow) const = 0;
  virtual double message_poll_interval_s() const = 0;
  // Starts what a run recorded as its child.
  virtual void RunOwned(OwnedWorkflow workflow) = 0;
  virtual void OnEnqueued(const std::string& queue_name, std::optional<int64_t> delay_until_ms,
                          std::optional<int64_t> deadline_ms) = 0;

  // Calls back once the workflow has ended, or with kNotFound. 0 is no key.
  virtual uint64_t AwaitEnd(std::string workflow_id, Reply<WorkflowResult> reply) = 0;
  virtual void StopAwaitingEnd(uint64_t key) = 0;
  // Calls back with each hint that the event may be there, until stopped.
  virtual uint64_t WatchEvent(std::string workflow_id, std::string key, Callback callback) = 0;
  virtual void StopWatchingEvent(uint64_t key) = 0;

  // The end of the run is durable.
  virtual void OnRunEnded(WorkflowRun& run, WorkflowResult result) = 0;
  // The run is not ours any more; nothing is written.
  virtual void OnRunLost(WorkflowRun& run) = 0;
  // The run is about to be parked.
  virtual void OnRunParked(const WorkflowRun& run, const absl::Status& reason) = 0;
  // The journal answered a run's write with an error that concerns every run.
  virtual void OnWriteRefused(const absl::Status& status) = 0;

 protected:
  ~RunServices() = default;

 private:
  Reactor& reactor_;
  Journal& journal_;
  BlockingPool& pool_;
  Prng prng_;
};

}  // namespace internal
}  // namespace holdfast::workflows
