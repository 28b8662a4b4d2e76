// Tasks begin when they are awaited, end what they await when they are destroyed, and hand results
// and exceptions to their awaiter. By hand-driven suspensions; meant to run under ASan.
#include "workflows/runtime/task.h"

#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "workflows/runtime/cancellation_token.h"
#include "workflows/runtime/completion.h"
#include "workflows/runtime/simulated_reactor.h"

namespace holdfast::workflows {
namespace {

// Suspends until Open.
struct Gate {
  std::coroutine_handle<> waiter;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept { waiter = handle; }
  void await_resume() const noexcept {}
  void Open() { std::exchange(waiter, nullptr).resume(); }
};

struct Marker {
  std::vector<std::string>* log;
  std::string name;
  ~Marker() { log->push_back("~" + name); }
};

Task<int> Inner(Gate* gate, std::vector<std::string>* log) {
  const Marker marker{log, "inner"};
  co_await *gate;
  log->push_back("inner goes on");
  co_return 20;
}

Task<int> Outer(Gate* gate, std::vector<std::string>* log) {
  const Marker marker{log, "outer"};
  HF_CO_AWAIT(const int value, Inner(gate, log));
  log->push_back("outer goes on");
  co_return value + 1;
}

TEST_CASE("task: it does nothing until it is started", "[workflows][task]") {
  Gate gate;
  std::vector<std::string> log;
  { const Task<int> task = Outer(&gate, &log); }
  CHECK(log.empty());
}

TEST_CASE("task: the awaiter goes on with the result", "[workflows][task]") {
  Gate gate;
  std::vector<std::string> log;
  Task<int> task = Outer(&gate, &log);
  task.Start();
  CHECK_FALSE(task.is_done());
  gate.Open();
  REQUIRE(task.is_done());
  CHECK(task.TakeResult() == 21);
  CHECK(log == std::vector<std::string>{"inner goes on", "~inner", "outer goes on", "~outer"});
}

TEST_CASE("task: destroying it destroys what it awaits, innermost first", "[workflows][task]") {
  Gate gate;
  std::vector<std::string> log;
  {
    Task<int> task = Outer(&gate, &log);
    task.Start();
  }
  CHECK(log == std::vector<std::string>{"~inner", "~outer"});
}

Task<int> Throwing() {
  throw std::runtime_error("no");
  co_return 0;
}
Task<std::string> Catching() {
  std::string what;
  try {
    Task<int> throwing = Throwing();
    static_cast<void>(co_await throwing);
  } catch (const std::exception& error) {
    what = error.what();
  }
  co_return what;
}

TEST_CASE("task: an exception comes out of the co_await", "[workflows][task]") {
  Task<std::string> task = Catching();
  task.Start();
  CHECK(task.TakeResult() == "no");
}

template <class T>
concept AwaitableAsTemporary = requires(T value) {
  std::move(value).operator co_await();
};
template <class T>
concept AwaitableByName = requires(T value) {
  value.operator co_await();
};
static_assert(!AwaitableAsTemporary<Task<int>>);
static_assert(AwaitableByName<Task<int>>);

Task<absl::StatusOr<std::string>> Concatenate(std::string a, std::string b) {
  if (b.empty()) co_return absl::InvalidArgumentError("b is empty");
  co_return a + b;
}
// Long texts: temporaries that own memory in every awaited expression.
Task<absl::StatusOr<std::string>> UseMacros(std::string tail) {
  HF_CO_RETURN_IF_ERROR(absl::OkStatus());
  const std::string head(100, 'x');
  HF_CO_ASSIGN_OR_RETURN(const std::string first, Concatenate(head + "1", std::string(100, 'y')));
  HF_CO_RETURN_IF_ERROR(Concatenate(first + "2", tail));
  co_return first;
}

TEST_CASE("task: the macros hand on results and errors", "[workflows][task]") {
  Task<absl::StatusOr<std::string>> good = UseMacros("tail");
  good.Start();
  CHECK(good.TakeResult()->size() == 201);
  Task<absl::StatusOr<std::string>> bad = UseMacros("");
  bad.Start();
  CHECK(bad.TakeResult().status() == absl::InvalidArgumentError("b is empty"));
}

Task<int> AwaitCompletion(Completion<int>* completion) { co_return co_await *completion; }

TEST_CASE("completion: the first value set resumes the waiter, in a turn of the reactor",
          "[workflows][task]") {
  ManualClock clock;
  SimulatedReactor reactor(clock);
  Completion<int> completion(reactor);
  Task<int> task = AwaitCompletion(&completion);
  task.Start();
  completion.setter().Set(7);
  completion.setter().Set(8);
  CHECK_FALSE(task.is_done());
  reactor.RunOnce(0);
  REQUIRE(task.is_done());
  CHECK(task.TakeResult() == 7);
}

TEST_CASE("completion: a value that nobody waits for any more is dropped", "[workflows][task]") {
  ManualClock clock;
  SimulatedReactor reactor(clock);
  auto completion = std::make_unique<Completion<int>>(reactor);
  Task<int> task = AwaitCompletion(completion.get());
  task.Start();
  const auto setter = completion->setter();
  task.Reset();
  completion.reset();
  setter.Set(7);
  reactor.RunOnce(0);
  SUCCEED();
}

Task<int> Pause(Reactor* reactor, double seconds) {
  Delay delay(*reactor, seconds);
  co_await delay;
  co_return 1;
}

TEST_CASE("delay: it ends at its time, or with its task", "[workflows][task]") {
  ManualClock clock;
  SimulatedReactor reactor(clock);
  Task<int> task = Pause(&reactor, 1.5);
  task.Start();
  Task<int> dropped = Pause(&reactor, 1);
  dropped.Start();
  dropped.Reset();
  reactor.RunFor(1'499 * kNanosPerMilli);
  CHECK_FALSE(task.is_done());
  reactor.RunFor(kNanosPerMilli);
  CHECK(task.is_done());
}

TEST_CASE("cancellation: a token sees what happened before and after it was made",
          "[workflows][task]") {
  CancellationSource source;
  const CancellationToken before = source.token();
  CHECK_FALSE(before.is_canceled());
  source.Cancel();
  CHECK(before.is_canceled());
  CHECK(source.token().is_canceled());
  CancellationSource late;
  late.Cancel();
  CHECK(late.token().is_canceled());
  CHECK_FALSE(CancellationToken().is_canceled());
}

}  // namespace
}  // namespace holdfast::workflows
