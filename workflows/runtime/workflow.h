#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workflows/runtime/cancellation_token.h"
#include "workflows/runtime/operation.h"
#include "workflows/runtime/payload.h"
#include "workflows/runtime/step.h"
#include "workflows/runtime/task.h"
#include "workflows/runtime/typed_json.h"

// What a workflow function sees. Guide: docs/runtime.md.
namespace holdfast::workflows {

class Workflow;
class TransactionBody;

// How a child differs from a workflow with default settings.
struct ChildOptions {
  // Default: "<parent's id>-<function id>", the same in every replay.
  std::optional<std::string> id = {};
  // Enqueued there instead of started at once by this executor.
  std::optional<std::string> queue_name = {};
  std::optional<std::string> queue_partition_key = {};
  std::optional<std::string> deduplication_id = {};
  int32_t priority = 0;
  std::optional<double> delay_s = {};
  // A deadline of its own; default: the parent's.
  std::optional<double> timeout_s = {};
};

// A child that was started. Lives no longer than the workflow that started it.
template <class Out>
class ChildHandle {
 public:
  ChildHandle(internal::WorkflowRun& run, std::string id, int32_t result_function_id,
              std::optional<StepRecord> recorded)
      : run_(&run),
        id_(std::move(id)),
        result_function_id_(result_function_id),
        recorded_(std::move(recorded)) {}

  const std::string& id() const { return id_; }
  // Waits for the child's end; recorded as step DBOS.getResult. A child that was canceled gives an
  // error of the name DBOSAwaitedWorkflowCancelledError.
  Operation<Out> Result();

 private:
  internal::WorkflowRun* run_;
  std::string id_;
  std::optional<int32_t> result_function_id_;  // of the first Result()
  std::optional<StepRecord> recorded_;
};

// A workflow's view of its run: the only way in which workflow code may meet the world. Code is
// deterministic between the calls, and the order of the calls is the same in each replay.
//
// Calls return operations (see Operation): await them through HF_CO_AWAIT, HF_CO_ASSIGN_OR_RETURN
// or HF_CO_RETURN_IF_ERROR, or under a name. Nothing is awaited in a workflow but operations, and
// tasks that await operations.
//
// Threads: the reactor's. Lifetime: that of the run; references to it may be passed down to tasks.
class Workflow {
 public:
  explicit Workflow(internal::WorkflowRun& run) : run_(run) {}
  Workflow(const Workflow&) = delete;
  Workflow& operator=(const Workflow&) = delete;

  const std::string& id() const;
  // Canceled when the workflow is, or when this run is dropped for another reason.
  CancellationToken cancellation();
  // On the wall clock; children inherit it.
  std::optional<int64_t> deadline_ms() const;

  // Runs `fn` once, or as often as `options` allows, and records its outcome. A replay takes the
  // recorded outcome and does not run it.
  //
  // fn: T, absl::StatusOr<T> or absl::Status, or a Task of one of the last two; called without
  // arguments or with a StepContext&. Plain functions run on the reactor's thread and must not
  // block unless options.is_blocking. An exception is an error of the step.
  template <class T, class Fn>
  Operation<T> Step(std::string_view name, StepOptions options, Fn fn);
  template <class T, class Fn>
  Operation<T> Step(std::string_view name, Fn fn) {
    return Step<T>(name, StepOptions(), std::move(fn));
  }
  // The type of the outcome is the body's.
  template <class Fn>
  auto Step(std::string_view name, StepOptions options, Fn fn) {
    return Step<internal::BodyValue<Fn>>(name, std::move(options), std::move(fn));
  }
  template <class Fn>
  requires(!std::is_same_v<std::decay_t<Fn>, StepOptions>) auto Step(std::string_view name, Fn fn) {
    return Step<internal::BodyValue<Fn>>(name, StepOptions(), std::move(fn));
  }

  // Application work in one transaction with the record of its outcome: exactly once. The concrete
  // journal says what a body is and makes it.
  template <class T>
  Operation<T> RunTransaction(std::string_view name, std::shared_ptr<TransactionBody> body);

  // Starts (or, with a queue, enqueues) the workflow `name`. Errors: kNotFound when this executor
  // does not know it and no queue is named, kAlreadyExists when the id belongs to another workflow
  // or the queue holds one with this deduplication id.
  template <class Out, class... In>
  Operation<ChildHandle<Out>> StartChild(std::string_view name, ChildOptions options, In... inputs);

  // The wake-up time is recorded: a replay waits for the rest.
  Operation<std::monostate> Sleep(double seconds);
  Operation<std::monostate> SleepUntil(int64_t wall_ms);

  // kNotFound (DBOSNonExistentWorkflowError) when there is no such workflow.
  template <class T>
  Operation<std::monostate> Send(std::string destination_id, const T& value,
                                 std::optional<std::string> topic = std::nullopt);
  // The oldest message of the topic, or nothing when none came in time.
  template <class T>
  Operation<std::optional<T>> Receive(std::optional<std::string> topic = std::nullopt,
                                      double timeout_s = 60);

  template <class T>
  Operation<std::monostate> SetEvent(std::string key, const T& value);
  // Another workflow's event, or nothing when it was not set in time.
  template <class T>
  Operation<std::optional<T>> GetEvent(std::string workflow_id, std::string key,
                                       double timeout_s = 60);

  // kFailedPrecondition when the stream is closed.
  template <class T>
  Operation<std::monostate> WriteStream(std::string key, const T& value);
  Operation<std::monostate> CloseStream(std::string key);

  // Recorded, so the same in each replay. They do not wait.
  int64_t NowMs();
  std::string Uuid();
  // True when this run takes the new branch: in workflows that reach this point for the first time
  // after the change was made. Recorded only then, so that older runs keep their function ids.
  bool Patch(std::string_view name);
  // The row is written exactly once, in the transaction of what this turn records.
  void Record(ApplicationRow row);

  internal::WorkflowRun& run() { return run_; }

 private:
  Operation<std::monostate> SendText(std::string destination_id, absl::StatusOr<std::string> text,
                                     std::optional<std::string> topic);
  Operation<std::monostate> SetEventText(std::string key, absl::StatusOr<std::string> text);
  Operation<std::monostate> WriteStreamText(std::string_view name, std::string key,
                                            absl::StatusOr<std::string> text);

  internal::WorkflowRun& run_;
};

// Several operations under way: the outcomes once all are there.
//   auto a = workflow.Step<int>("a", ...);
//   auto b = workflow.Step<int>("b", ...);
//   auto both = WhenAll(std::move(a), std::move(b));
//   auto [first, second] = co_await both;
template <class... T>
Task<std::tuple<absl::StatusOr<T>...>> WhenAll(Operation<T>... operations) {
  const std::array<internal::OperationState*, sizeof...(T)> states{&operations.state()...};
  for (internal::OperationState* state : states) {
    const internal::CompletionAwaiter complete{state};
    co_await complete;
  }
  co_return std::tuple<absl::StatusOr<T>...>{operations.TakeResult()...};
}
template <class T>
Task<std::vector<absl::StatusOr<T>>> WhenAll(std::vector<Operation<T>> operations) {
  std::vector<absl::StatusOr<T>> outcomes;
  outcomes.reserve(operations.size());
  for (Operation<T>& operation : operations) {
    const internal::CompletionAwaiter complete{&operation.state()};
    co_await complete;
    outcomes.push_back(operation.TakeResult());
  }
  co_return outcomes;
}

}  // namespace holdfast::workflows

#include "workflows/runtime/workflow_internal.h"
