#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workflows/runtime/cancellation_token.h"
#include "workflows/runtime/completion.h"
#include "workflows/runtime/operation.h"
#include "workflows/runtime/reactor.h"
#include "workflows/runtime/task.h"

namespace holdfast::workflows {

struct StepOptions {
  // Attempts in one run of the workflow; they are not recorded, only the outcome of the last one
  // is. When there is more than one and all fail, the step's error is DBOSMaxStepRetriesError.
  int max_attempts = 1;
  // Pause before the second attempt; grows by `backoff_rate` for each further one up to the cap.
  double interval_s = 1;
  double backoff_rate = 2;
  double interval_s_max = 3'600;
  double jitter = 0;  // 0..1: the pause is scaled by a random factor in [1 - jitter, 1 + jitter]
  // Abandons an attempt that takes longer: its error is kDeadlineExceeded, which counts as a
  // failed attempt like any other. A body on the pool runs on until it looks at its cancellation
  // token, a coroutine is destroyed. A body that runs on the reactor cannot be abandoned.
  std::optional<double> attempt_timeout_s = {};
  // Whether this error is worth another attempt; absent: every error is.
  std::function<bool(const absl::Status&)> is_retryable = {};
  // The body blocks: it runs on the pool. It must be copyable, as abandoned attempts may still be
  // running when the next one starts.
  bool is_blocking = false;
};

// What a step's body may ask for.
class StepContext {
 public:
  // `workflow_id` outlives the context, or is handed in to keep.
  StepContext(const std::string& workflow_id, int32_t function_id, int attempt, Reactor& reactor)
      : workflow_id_(&workflow_id),
        function_id_(function_id),
        attempt_(attempt),
        reactor_(reactor) {}
  StepContext(std::string&& workflow_id, int32_t function_id, int attempt, Reactor& reactor)
      : owned_id_(std::move(workflow_id)),
        workflow_id_(&owned_id_),
        function_id_(function_id),
        attempt_(attempt),
        reactor_(reactor) {}
  StepContext(const StepContext&) = delete;
  StepContext& operator=(const StepContext&) = delete;

  // Together with the function id: the same for every attempt and in every replay, so it serves as
  // an idempotency key towards others.
  const std::string& workflow_id() const { return *workflow_id_; }
  int32_t function_id() const { return function_id_; }
  int attempt() const { return attempt_; }  // from 1
  CancellationToken cancellation() { return cancellation_.token(); }
  // For asynchronous bodies (Completion, Delay).
  Reactor& reactor() const { return reactor_; }
  // The row is written in the transaction that records the step's outcome: exactly once, and only
  // when the attempt succeeds.
  void Record(ApplicationRow row) { rows_.push_back(std::move(row)); }

  CancellationSource& source() { return cancellation_; }
  std::vector<ApplicationRow> TakeRows() { return std::move(rows_); }

 private:
  std::string owned_id_;
  const std::string* workflow_id_;
  int32_t function_id_;
  int attempt_;
  Reactor& reactor_;
  CancellationSource cancellation_;
  std::vector<ApplicationRow> rows_;
};

namespace internal {

// ---- What a body may look like ------------------------------------------------------------------

template <class R>
struct BodyResult {  // a plain value
  using Value = R;
  static constexpr bool kIsTask = false;
};
template <>
struct BodyResult<absl::Status> {
  using Value = std::monostate;
  static constexpr bool kIsTask = false;
};
template <class T>
struct BodyResult<absl::StatusOr<T>> {
  using Value = T;
  static constexpr bool kIsTask = false;
};
template <class R>
struct BodyResult<Task<R>> {
  using Value = typename BodyResult<R>::Value;
  static constexpr bool kIsTask = true;
};

template <class Fn>
decltype(auto) CallBody(Fn& fn, StepContext& context) {
  if constexpr (std::is_invocable_v<Fn&, StepContext&>) {
    return fn(context);
  } else {
    return fn();
  }
}
template <class Fn>
using BodyReturn = decltype(CallBody(std::declval<Fn&>(), std::declval<StepContext&>()));
template <class Fn>
using BodyValue = typename BodyResult<BodyReturn<Fn>>::Value;

// Statuses of bodies that have nothing to say but whether they succeeded.
template <class T, class R>
absl::StatusOr<T> AsStatusOr(R result) {
  if constexpr (std::is_same_v<R, absl::Status>) {
    if (!result.ok()) return result;
    return T();
  } else {
    return absl::StatusOr<T>(std::move(result));
  }
}

// The exception in flight as a status. Called in a catch block.
absl::Status StatusFromCurrentException();

// ---- Attempts -----------------------------------------------------------------------------------

// The part of a step that does not depend on its type: attempts, time, the record.
class StepBase : public OperationState {
 public:
  StepBase(WorkflowRun& run, int32_t function_id, std::string_view name, StepOptions options);

  void Begin() override;

 protected:
  ~StepBase() override;
  void OnAbandoned() override;

  // Starts one attempt of a body that does not block. True: it has ended.
  virtual bool StartBody(StepContext& context) = 0;
  virtual void DropBody() = 0;
  struct BlockingJob {
    Callback work;
    Callback take;  // fetches the outcome
  };
  virtual BlockingJob MakeBlockingJob(std::shared_ptr<StepContext> context) = 0;
  // Fetches the outcome of an asynchronous body that has ended.
  virtual void FinishBody() {}
  // The outcome of the attempt that ended.
  virtual absl::Status outcome() const = 0;
  virtual void SetOutcome(absl::Status error) = 0;
  virtual absl::StatusOr<std::string> EncodeOutput() const = 0;

  // An asynchronous body has ended; called from inside it.
  static void OnTaskDone(void* step);

 private:
  void StartAttempt();
  void OnAttemptEnded();
  void OnAttemptTimeout();
  void Retry();
  void Record();
  void CancelTimer();

  const StepOptions options_;
  int attempt_ = 0;
  uint32_t generation_ = 0;  // of attempts; what belongs to an older one comes too late
  int64_t started_at_ms_ = 0;
  std::optional<TimerId> timer_;
  std::shared_ptr<StepContext> shared_context_;  // of attempts that may outlive the step
  std::optional<StepContext> context_;
  bool is_in_body_ = false;
};

template <class T, class Fn>
class StepState final : public StepBase {
 public:
  StepState(WorkflowRun& run, int32_t function_id, std::string_view name, StepOptions options,
            Fn fn)
      : StepBase(run, function_id, name, std::move(options)), fn_(std::move(fn)) {}

  std::optional<absl::StatusOr<T>>* result() { return &result_; }
  bool Replay(StepRecord record) override;

 private:
  using Return = BodyReturn<Fn>;
  static constexpr bool kIsTask = BodyResult<Return>::kIsTask;
  struct NoTask {};
  template <class R>
  struct TaskOf {
    using type = NoTask;
  };
  template <class R>
  struct TaskOf<Task<R>> {
    using type = Task<R>;
  };

  bool StartBody(StepContext& context) override {
    if constexpr (kIsTask) {
      try {
        task_ = CallBody(fn_, context);
      } catch (...) {
        result_ = StatusFromCurrentException();
        return true;
      }
      task_.SetOnDone(&StepBase::OnTaskDone, static_cast<StepBase*>(this));
      task_.Start();
      return false;
    } else {
      try {
        result_ = AsStatusOr<T>(CallBody(fn_, context));
      } catch (...) {
        result_ = StatusFromCurrentException();
      }
      return true;
    }
  }
  void DropBody() override {
    if constexpr (kIsTask) task_.Reset();
  }
  BlockingJob MakeBlockingJob(std::shared_ptr<StepContext> context) override {
    if constexpr (kIsTask || !std::is_copy_constructible_v<Fn>) {
      HF_ASSERT(!"a blocking body is a plain, copyable function");
      return {};
    } else {
      struct Shared {
        Fn fn;
        std::optional<absl::StatusOr<T>> result;
      };
      auto shared = std::make_shared<Shared>(Shared{fn_, std::nullopt});
      return {[shared, context = std::move(context)] {
                try {
                  shared->result = AsStatusOr<T>(CallBody(shared->fn, *context));
                } catch (...) {
                  shared->result = StatusFromCurrentException();
                }
              },
              [this, shared] { result_ = std::move(shared->result); }};
    }
  }
  void FinishBody() override {
    if constexpr (kIsTask) {
      try {
        result_ = AsStatusOr<T>(task_.TakeResult());
      } catch (...) {
        result_ = StatusFromCurrentException();
      }
      task_.Reset();
    }
  }
  absl::Status outcome() const override { return result_->status(); }
  void SetOutcome(absl::Status error) override { result_ = std::move(error); }
  absl::StatusOr<std::string> EncodeOutput() const override {
    return EncodeTyped<T>(PayloadFormat::kPortableJson, **result_);
  }

  Fn fn_;  // outlives the task: a lambda's captures live in it
  typename TaskOf<Return>::type task_;
  std::optional<absl::StatusOr<T>> result_;
};

// The recorded text is no value of the type that the code asks for.
void ReportUnreadable(OperationState& operation, WorkflowRun& run, const absl::Status& why);

template <class T, class Fn>
bool StepState<T, Fn>::Replay(StepRecord record) {
  bool is_unreadable = false;
  result_ = OutcomeOf<T>(record, &is_unreadable);
  if (is_unreadable) ReportUnreadable(*this, run(), result_->status());
  return !is_unreadable;
}

}  // namespace internal
}  // namespace holdfast::workflows
