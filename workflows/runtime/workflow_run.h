#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "workflows/runtime/journal.h"
#include "workflows/runtime/operation.h"
#include "workflows/runtime/payload_format.h"
#include "workflows/runtime/ref.h"
#include "workflows/runtime/run_services.h"
#include "workflows/runtime/workflow.h"

namespace holdfast::workflows::internal {

class Invocation;
class WorkflowFunction;

// One execution of one workflow in this process, from its start or claim until its end is durable
// or it is dropped.
//
// Turns: the coroutine runs until it waits for something that is not there yet. Everything that it
// recorded until then goes to the journal as one commit, and what it asked for begins when that is
// durable. At most one commit of a run is under way; what is recorded meanwhile joins the next one.
//
// Replay: rows of earlier runs complete the operations that the code asks for, in the same order,
// without the journal. Code that asks for something else is parked (ReplayMismatch).
//
// Threads: the reactor's.
class WorkflowRun final : public RefCounted {
 public:
  // What the run is about. `steps` are those of earlier runs, by function_id.
  WorkflowRun(RunServices& services, OwnedWorkflow workflow, std::vector<StepRecord> steps);

  // Reads the inputs and runs the first turn. Called once.
  void Begin(const WorkflowFunction& function);
  // Forgets the run: frames are destroyed, late completions ignored, nothing is written. Children
  // whose start is under way are still run by this executor if `keeps_children`. Not called from
  // inside the workflow's or a step's code.
  void Drop(bool keeps_children);

  const std::string& id() const { return fence_.workflow_id; }
  const std::string& name() const { return name_; }
  const std::string& owner_token() const { return fence_.owner_token; }
  const std::optional<int64_t>& deadline_ms() const { return deadline_ms_; }
  const Fence& fence() const { return fence_; }
  bool is_dropped() const { return is_dropped_; }
  bool is_mismatched() const { return mismatch_.has_value(); }
  bool is_ending() const { return is_ending_; }
  // Which queue's limits it counts for.
  std::string queue_name;
  std::optional<std::string> partition_key;
  bool is_claimed = false;
  bool is_lookup_under_way = false;  // owned by the runtime: one look at its row at a time

  RunServices& services() { return services_; }
  CancellationToken cancellation() { return cancellation_.token(); }
  void OnMessage();

  // ---- For operations ---------------------------------------------------------------------------
  int32_t TakeFunctionId() { return next_function_id_++; }
  int32_t next_function_id() const { return next_function_id_; }
  // The row of the id that was taken last, or null; each at most once. Ids are asked for in order.
  StepRecord* TakeRecorded(int32_t function_id);
  const StepRecord* PeekRecorded() const;
  bool has_recorded_left() const { return recorded_index_ < recorded_.size(); }
  // Completes the operation from its row, if there is one. False: it has to be done.
  bool ReplayRecorded(OperationState& operation);
  // The code does not fit the rows: the run ends as parked at the end of this turn.
  void SetMismatch(int32_t function_id, std::string_view recorded, std::string_view actual);
  void SetUnreadable(int32_t function_id, std::string_view name, const absl::Status& why);

  void AddStep(StepRecord record) { pending_.steps.push_back(std::move(record)); }
  void AddEffect(Effect effect, OperationState& operation);
  void AddRow(ApplicationRow row) { pending_.application_rows.push_back(std::move(row)); }
  // Begin() is called when everything recorded so far is durable.
  void Request(OperationState& operation);
  // Keeps an operation alive, and abandons it with the run, until it is complete.
  void Hold(OperationState& operation) { open_.emplace_back(&operation); }
  // The operation's result is there and what it recorded was added.
  void Complete(OperationState& operation);
  // Something was added outside of a turn.
  void Pump();
  void Await(OperationState& operation, std::coroutine_handle<> waiter);

 private:
  using Operations = absl::InlinedVector<Ref<OperationState>, 2>;

  ~WorkflowRun() override;
  void Turn();
  void CheckTurn();
  void Finish();
  void Park(absl::Status reason);
  void Flush();
  void SendCommit();
  void BeginAll(Operations operations);
  void OnCommitted(absl::StatusOr<CommitResult> result);
  void OnCommitRefused(const absl::Status& status);
  void DropOperations();

  RunServices& services_;
  Fence fence_;
  std::string name_;
  std::optional<std::string> inputs_;
  std::string serialization_;
  PayloadFormat format_ = PayloadFormat::kPortableJson;
  std::optional<int64_t> deadline_ms_;
  Workflow workflow_;
  std::unique_ptr<Invocation> invocation_;
  CancellationSource cancellation_;

  std::vector<StepRecord> recorded_;
  size_t recorded_index_ = 0;
  int32_t next_function_id_ = 0;
  std::optional<absl::Status> mismatch_;

  Ref<OperationState> awaited_;
  std::coroutine_handle<> continuation_;

  WorkflowCommit pending_;
  WorkflowCommit committing_;   // kept until it is answered: the journal may have no room for it
  Operations pending_effects_;  // one for each of pending_.effects
  Operations requested_;
  Operations committing_effects_;
  Operations committing_requests_;
  Operations open_;  // requested or held, not complete

  bool is_turn_due_ = false;
  bool is_turning_ = false;
  bool is_pumping_ = false;
  bool is_committing_ = false;
  bool is_ending_ = false;
  bool is_refused_ = false;
  bool is_dropped_ = false;
};

}  // namespace holdfast::workflows::internal
