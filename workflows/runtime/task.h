#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast::workflows {

template <class T>
class Task;

namespace internal {

// What every task's promise has besides its result.
class TaskPromiseBase {
 public:
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> handle) noexcept {
      TaskPromiseBase& promise = handle.promise();
      if (promise.on_done_ != nullptr) promise.on_done_(promise.on_done_argument_);
      return promise.continuation_ ? promise.continuation_ : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }

  void set_continuation(std::coroutine_handle<> continuation) { continuation_ = continuation; }
  void set_on_done(void (*on_done)(void*), void* argument) {
    on_done_ = on_done;
    on_done_argument_ = argument;
  }
  void RethrowIfFailed() {
    if (exception_) std::rethrow_exception(exception_);
  }

 private:
  std::coroutine_handle<> continuation_;
  void (*on_done_)(void*) = nullptr;
  void* on_done_argument_ = nullptr;
  std::exception_ptr exception_;
};

template <class T>
class TaskPromise final : public TaskPromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <class U = T>
  void return_value(U&& value) {
    result_.emplace(std::forward<U>(value));
  }
  T TakeResult() {
    RethrowIfFailed();
    HF_ASSERT(result_.has_value());
    return std::move(*result_);
  }

 private:
  std::optional<T> result_;
};

}  // namespace internal

// A coroutine that has not begun: it runs when it is awaited, and its awaiter goes on when it ends.
// An exception that leaves the body comes out of the co_await.
//
// Destroying a task destroys its frame, wherever it is suspended, with everything that it awaits in
// turn: destructors run, nothing after the suspension does.
//
// Two rules keep g++ 12 from destroying temporaries of a co_await expression twice:
//   - parameters are taken by value;
//   - what is awaited has a name, so that no temporary lives in a co_await expression. A co_await
//     of a temporary does not compile; HF_CO_AWAIT, HF_CO_ASSIGN_OR_RETURN and
//     HF_CO_RETURN_IF_ERROR below give the name.
//
// Threads: one at a time.
template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      Reset();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() { Reset(); }

  bool is_valid() const { return handle_ != nullptr; }
  bool is_done() const { return handle_ != nullptr && handle_.done(); }
  void Reset() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }

  // For whoever runs a task that no coroutine awaits. Begins it; it runs until it first suspends.
  void Start() { handle_.resume(); }
  // Called when the body has ended, from inside it: the task must not be destroyed in there.
  // REQUIRES: set before Start().
  void SetOnDone(void (*on_done)(void*), void* argument) {
    handle_.promise().set_on_done(on_done, argument);
  }
  // REQUIRES: is_done(). Throws what left the body.
  T TakeResult() { return handle_.promise().TakeResult(); }

  struct Awaiter {
    Handle handle;
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> continuation) noexcept {
      handle.promise().set_continuation(continuation);
      return handle;
    }
    T await_resume() { return handle.promise().TakeResult(); }
  };
  // Once.
  Awaiter operator co_await() & {
    HF_ASSERT(is_valid());
    HF_ASSERT(!handle_.done());
    return Awaiter{handle_};
  }
  void operator co_await() && = delete;  // give it a name: see above

 private:
  Handle handle_;
};

namespace internal {

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}

// A value where something to await is expected.
template <class T>
class ReadyValue {
 public:
  explicit ReadyValue(T value) : value_(std::move(value)) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  T await_resume() { return std::move(value_); }

 private:
  T value_;
};

template <class T>
struct IsStatusLike : std::false_type {};
template <>
struct IsStatusLike<absl::Status> : std::true_type {};
template <class T>
struct IsStatusLike<absl::StatusOr<T>> : std::true_type {};

// What the macros await: statuses are ready, everything else is awaited as it is.
template <class T>
auto Awaitable(T&& value) {
  return ReadyValue<std::decay_t<T>>(std::forward<T>(value));
}
template <class T>
requires(!IsStatusLike<std::decay_t<T>>::value && std::is_lvalue_reference_v<T>) T
    Awaitable(T&& value) {
  return value;
}
template <class T>
requires(!IsStatusLike<std::decay_t<T>>::value && !std::is_lvalue_reference_v<T>) T
    Awaitable(T&& value) {
  return std::move(value);
}

inline absl::Status StatusOf(absl::Status status) { return status; }
template <class T>
absl::Status StatusOf(absl::StatusOr<T>&& status_or) {
  return std::move(status_or).status();
}

}  // namespace internal
}  // namespace holdfast::workflows

// The macros of status_macros.h for coroutines. `expression` is something to await (a Task, an
// operation of a Workflow, a Completion), not a co_await; or a plain absl::Status or StatusOr.
//
//   HF_CO_AWAIT(absl::StatusOr<int> sum, workflow.Step<int>("add", [a, b] { return a + b; }));
//   HF_CO_ASSIGN_OR_RETURN(int sum, workflow.Step<int>("add", [a, b] { return a + b; }));
//   HF_CO_RETURN_IF_ERROR(workflow.Sleep(1.5));
#define HF_CO_AWAIT(lhs, expression) \
  HF_CO_AWAIT_IMPL(HF_CONCAT(hf_awaited_, __LINE__), lhs, expression)

#define HF_CO_AWAIT_IMPL(holder, lhs, expression)                           \
  auto&& holder = ::holdfast::workflows::internal::Awaitable((expression)); \
  lhs = co_await holder

#define HF_CO_ASSIGN_OR_RETURN(lhs, expression)                 \
  HF_CO_ASSIGN_OR_RETURN_IMPL(HF_CONCAT(hf_awaited_, __LINE__), \
                              HF_CONCAT(hf_status_or_, __LINE__), lhs, expression)

#define HF_CO_ASSIGN_OR_RETURN_IMPL(holder, result, lhs, expression)        \
  auto&& holder = ::holdfast::workflows::internal::Awaitable((expression)); \
  auto result = co_await holder;                                            \
  if (!result.ok()) co_return std::move(result).status();                   \
  lhs = *std::move(result)

#define HF_CO_RETURN_IF_ERROR(expression)                                         \
  do {                                                                            \
    auto&& hf_awaited = ::holdfast::workflows::internal::Awaitable((expression)); \
    auto hf_result = co_await hf_awaited;                                         \
    if (!hf_result.ok()) {                                                        \
      co_return ::holdfast::workflows::internal::StatusOf(std::move(hf_result));  \
    }                                                                             \
  } while (false)
