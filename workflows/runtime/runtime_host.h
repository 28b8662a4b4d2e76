#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/status_macros.h"
#include "workflows/runtime/journal.h"
#include "workflows/runtime/operations.h"
#include "workflows/runtime/reactor.h"
#include "workflows/runtime/runtime.h"
#include "workflows/runtime/workflow_internal.h"

namespace holdfast::workflows {

class RuntimeHost;

// A workflow somewhere, by its id. Copyable; outlived by its host. Thread-safe.
template <class Out>
class WorkflowHandle {
 public:
  WorkflowHandle(RuntimeHost& host, std::string id) : host_(&host), id_(std::move(id)) {}

  const std::string& id() const { return id_; }
  // Waits for the end, wherever the workflow runs; the workflow's error is this call's error.
  // kDeadlineExceeded when it is not over in time: ask again.
  absl::StatusOr<Out> Result(std::optional<double> timeout_s = std::nullopt);
  absl::StatusOr<WorkflowStatus> Status();
  absl::Status Cancel();

 private:
  RuntimeHost* host_;
  std::string id_;
};

struct RuntimeHostOptions {
  RuntimeOptions runtime;
  // Ids are drawn from it: from a source of true randomness in production.
  uint64_t seed = 0;
  size_t blocking_thread_count = 4;
  // What a call other than Result waits for the runtime at most.
  double call_timeout_s = 30;
};

// A runtime with a thread of its own, and a blocking face for ordinary programs. All waiting
// workflows share the one thread; blocking step bodies have a small pool.
//
//   RuntimeHost host(options, make_reactor, make_journal);
//   host.Register("transfer", &Transfer);
//   HF_RETURN_IF_ERROR(host.Launch());
//   HF_ASSIGN_OR_RETURN(auto handle, host.Start<Receipt>("transfer", {.id = "t-17"}, order));
//   HF_ASSIGN_OR_RETURN(Receipt receipt, handle.Result());
//
// Threads: Register* and Launch or Open from one, before anything else; the rest from any but the
// host's own (it would wait for itself: HF_ASSERT). Destroying it is Shutdown.
class RuntimeHost {
 public:
  using MakeReactor = std::function<std::unique_ptr<Reactor>()>;
  using MakeJournal = std::function<std::unique_ptr<Journal>(Reactor& reactor)>;

  // REQUIRES: options.runtime.Validate().ok(). `observer` outlives the host; it is called on the
  // host's thread.
  RuntimeHost(RuntimeHostOptions options, const MakeReactor& make_reactor,
              const MakeJournal& make_journal, RuntimeObserver* observer = nullptr);
  ~RuntimeHost();
  RuntimeHost(const RuntimeHost&) = delete;
  RuntimeHost& operator=(const RuntimeHost&) = delete;

  template <class Fn>
  void Register(std::string name, Fn fn, RegisterOptions options = {}) {
    runtime_->Register(std::move(name), std::move(fn), std::move(options));
  }
  void RegisterQueue(QueueConfig config) { runtime_->RegisterQueue(std::move(config)); }
  void ListenQueue(std::string name) { runtime_->ListenQueue(std::move(name)); }

  // Begins to work; returns when the lease is held. kDeadlineExceeded: not yet (another life of
  // this executor still holds it); the host goes on trying.
  absl::Status Launch(std::optional<double> timeout_s = std::nullopt);
  // For clients, which run nothing: enqueue, send, read, wait for results.
  void Open();
  // Waits for workflows in memory at most so long, then leaves them for the next start. The host
  // answers no more calls.
  absl::Status Shutdown(double max_wait_s = 0);

  template <class Out, class... In>
  absl::StatusOr<WorkflowHandle<Out>> Start(std::string name, StartOptions options, In... inputs) {
    HF_ASSIGN_OR_RETURN(std::string text,
                        internal::EncodeCall(PayloadFormat::kPortableJson, std::move(inputs)...));
    HF_ASSIGN_OR_RETURN(StartedWorkflow started,
                        StartText(std::move(name), std::move(options), std::move(text)));
    return WorkflowHandle<Out>(*this, std::move(started.id));
  }
  template <class Out, class... In>
  absl::StatusOr<WorkflowHandle<Out>> Enqueue(std::string queue, std::string name,
                                              StartOptions options, In... inputs) {
    HF_ASSIGN_OR_RETURN(std::string text,
                        internal::EncodeCall(PayloadFormat::kPortableJson, std::move(inputs)...));
    HF_ASSIGN_OR_RETURN(StartedWorkflow started, EnqueueText(std::move(queue), std::move(name),
                                                             std::move(options), std::move(text)));
    return WorkflowHandle<Out>(*this, std::move(started.id));
  }
  // Of a workflow that somebody else started.
  template <class Out>
  WorkflowHandle<Out> Retrieve(std::string id) {
    return WorkflowHandle<Out>(*this, std::move(id));
  }

  template <class T>
  absl::Status Send(std::string destination_id, const T& value,
                    std::optional<std::string> topic = std::nullopt) {
    HF_ASSIGN_OR_RETURN(std::string text, internal::EncodeTyped(PayloadFormat::kPortableJson,
                                                                internal::InputType<T>(value)));
    return SendText(std::move(destination_id), std::move(text), std::move(topic));
  }
  // The event as it is now; nothing when it is not set.
  template <class T>
  absl::StatusOr<std::optional<T>> GetEvent(std::string workflow_id, std::string key) {
    HF_ASSIGN_OR_RETURN(std::optional<Journal::Value> value,
                        GetEventText(std::move(workflow_id), std::move(key)));
    if (!value.has_value()) return std::optional<T>();
    HF_ASSIGN_OR_RETURN(T read, internal::DecodeTyped<T>(value->serialization, value->text));
    return std::optional<T>(std::move(read));
  }

  // Any other call of the runtime or its journal, made on the host's thread:
  //   host.Call<int64_t>([](Runtime& runtime, Reply<int64_t> reply) {
  //     runtime.journal().Resume({"t-17"}, std::nullopt, std::move(reply)); });
  // kDeadlineExceeded: the call goes on. kUnavailable: the host is shut down.
  template <class T>
  absl::StatusOr<T> Call(absl::AnyInvocable<void(Runtime&, Reply<T>)> call,
                         std::optional<double> timeout_s = std::nullopt) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<T>>>();
    std::future<absl::StatusOr<T>> answer = promise->get_future();
    Post([this, promise = std::move(promise), call = std::move(call)]() mutable {
      call(*runtime_, [promise = std::move(promise)](absl::StatusOr<T> value) {
        promise->set_value(std::move(value));
      });
    });
    return Wait(std::move(answer), timeout_s.value_or(options_.call_timeout_s));
  }
  absl::Status CallForStatus(absl::AnyInvocable<void(Runtime&, StatusReply)> call,
                             std::optional<double> timeout_s = std::nullopt);
  absl::StatusOr<RuntimeStats> Stats();

  absl::StatusOr<WorkflowResult> AwaitResult(const std::string& id,
                                             std::optional<double> timeout_s);

 private:
  void Post(Callback callback);
  void StartThread();
  void Run();
  absl::StatusOr<StartedWorkflow> StartText(std::string name, StartOptions options,
                                            std::string inputs);
  absl::StatusOr<StartedWorkflow> EnqueueText(std::string queue, std::string name,
                                              StartOptions options, std::string inputs);
  absl::Status SendText(std::string destination_id, std::string text,
                        std::optional<std::string> topic);
  absl::StatusOr<std::optional<Journal::Value>> GetEventText(std::string workflow_id,
                                                             std::string key);

  template <class T>
  static absl::StatusOr<T> Wait(std::future<absl::StatusOr<T>> answer, double timeout_s) {
    if (answer.wait_for(std::chrono::duration<double>(timeout_s)) != std::future_status::ready) {
      return absl::DeadlineExceededError("no answer in time");
    }
    try {
      return answer.get();
    } catch (const std::future_error&) {
      return absl::UnavailableError("the host is shut down");
    }
  }

  const RuntimeHostOptions options_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<BlockingPool> pool_;
  std::unique_ptr<Runtime> runtime_;
  std::atomic<bool> is_stopping_{false};
  bool is_shut_down_ = false;
  std::thread thread_;
};

template <class Out>
absl::StatusOr<Out> WorkflowHandle<Out>::Result(std::optional<double> timeout_s) {
  HF_ASSIGN_OR_RETURN(WorkflowResult result, host_->AwaitResult(id_, timeout_s));
  HF_RETURN_IF_ERROR(internal::StatusOfResult(result, id_));
  return internal::DecodeTyped<Out>(result.serialization, result.output);
}

template <class Out>
absl::StatusOr<WorkflowStatus> WorkflowHandle<Out>::Status() {
  HF_ASSIGN_OR_RETURN(
      std::optional<WorkflowRecord> record,
      host_->Call<std::optional<WorkflowRecord>>([id = id_](Runtime& runtime, auto reply) {
        runtime.journal().GetWorkflow(id, false, std::move(reply));
      }));
  if (!record.has_value()) return absl::NotFoundError("no such workflow: id=" + id_);
  return record->status;
}

template <class Out>
absl::Status WorkflowHandle<Out>::Cancel() {
  return host_
      ->Call<int64_t>([id = id_](Runtime& runtime, auto reply) {
        runtime.journal().Cancel({id}, /*with_children=*/true, std::move(reply));
      })
      .status();
}

}  // namespace holdfast::workflows
