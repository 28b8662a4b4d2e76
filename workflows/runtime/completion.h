#pragma once

#include <coroutine>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "engine/base/assert.h"
#include "workflows/runtime/duration.h"
#include "workflows/runtime/reactor.h"

namespace holdfast::workflows {

// The bridge from callbacks to coroutines, for asynchronous step bodies:
//
//   Completion<absl::StatusOr<Answer>> completion(context.reactor());
//   client.Send(request, [setter = completion.setter()](absl::StatusOr<Answer> answer) mutable {
//     setter.Set(std::move(answer));
//   });
//   absl::StatusOr<Answer> answer = co_await completion;
//
// The first Set counts, later ones are ignored. A value that arrives when nobody waits any more
// (the workflow was canceled, the attempt abandoned) is dropped.
//
// Threads: Set from any; everything else on the reactor's. `reactor` outlives the setters.
template <class T>
class Completion {
  struct Shared {
    explicit Shared(Reactor& home) : reactor(home) {}
    Reactor& reactor;
    std::mutex mutex;
    bool is_set = false;        // guarded by mutex
    std::optional<T> value;     // guarded by mutex until it is posted
    bool is_delivered = false;  // reactor's thread from here on
    std::coroutine_handle<> waiter;
  };

 public:
  class Setter {
   public:
    void Set(T value) const {
      {
        const std::lock_guard<std::mutex> lock(shared_->mutex);
        if (std::exchange(shared_->is_set, true)) return;
        shared_->value.emplace(std::move(value));
      }
      shared_->reactor.Post([shared = shared_] {
        shared->is_delivered = true;
        if (shared->waiter) std::exchange(shared->waiter, nullptr).resume();
      });
    }

   private:
    friend class Completion;
    explicit Setter(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    std::shared_ptr<Shared> shared_;
  };

  explicit Completion(Reactor& reactor) : shared_(std::make_shared<Shared>(reactor)) {}
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;
  ~Completion() { shared_->waiter = nullptr; }

  Setter setter() const { return Setter(shared_); }

  bool await_ready() const noexcept { return shared_->is_delivered; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { shared_->waiter = waiter; }
  T await_resume() {
    HF_ASSERT(shared_->value.has_value());
    return *std::exchange(shared_->value, std::nullopt);
  }

 private:
  std::shared_ptr<Shared> shared_;
};

// A pause that is not recorded, for asynchronous step bodies: `Delay pause(reactor, 0.5);
// co_await pause;`. Workflows themselves use Workflow::Sleep.
class Delay {
 public:
  Delay(Reactor& reactor, double seconds) : reactor_(reactor), seconds_(seconds) {}
  Delay(const Delay&) = delete;
  Delay& operator=(const Delay&) = delete;
  ~Delay() {
    if (timer_.has_value()) reactor_.CancelTimer(*timer_);
  }

  bool await_ready() const noexcept { return !(seconds_ > 0); }
  void await_suspend(std::coroutine_handle<> waiter) {
    timer_ = reactor_.CallAfter(SecondsToNs(seconds_), [this, waiter] {
      timer_.reset();
      waiter.resume();
    });
  }
  void await_resume() const noexcept {}

 private:
  Reactor& reactor_;
  double seconds_;
  std::optional<TimerId> timer_;
};

}  // namespace holdfast::workflows
