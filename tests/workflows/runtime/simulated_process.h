#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "journal_spy.h"
#include "workflows/runtime/memory_database.h"
#include "workflows/runtime/memory_journal.h"
#include "workflows/runtime/runtime.h"
#include "workflows/runtime/simulated_reactor.h"

namespace holdfast::workflows {

// What the runtime told its observer, as lines.
class RecordingObserver final : public RuntimeObserver {
 public:
  void OnParked(std::string_view id, std::string_view, const absl::Status& reason) override {
    lines.push_back("parked " + std::string(id) + " " +
                    std::string(WorkflowErrorFromStatus(reason).name));
  }
  void OnDeadLetters(int64_t count) override {
    lines.push_back("dead letters " + std::to_string(count));
  }
  void OnLeaseLost(std::string_view, size_t runs) override {
    lines.push_back("lease lost " + std::to_string(runs));
  }
  void OnTrouble(std::string_view what, const absl::Status& status) override {
    lines.push_back("trouble " + std::string(what) + " " + std::string(status.ToString()));
  }
  std::vector<std::string> lines;
};

// The world that processes live and die in: a clock, and a database that outlives them.
struct World {
  ManualClock clock;
  MemoryDatabase database{clock};
  SimulatedReactor reactor{clock};
};

// One process with a runtime. Destroying it is a crash.
class Process {
 public:
  using Setup = std::function<void(Runtime&)>;

  Process(World& world, Setup setup, RuntimeOptions options = {}, uint64_t seed = 1,
          MemoryJournalOptions journal_options = {})
      : world_(world),
        journal_(world.database, world.reactor, journal_options, seed),
        spy_(journal_),
        pool_(world.reactor),
        runtime_(std::move(options), world.reactor, spy_, pool_, Prng(seed), &observer) {
    setup(runtime_);
  }

  // Launches and waits for the lease.
  Process& Launch() {
    absl::Status status = absl::UnknownError("no answer");
    runtime_.Launch([&status](absl::Status answer) { status = std::move(answer); });
    REQUIRE(world_.reactor.RunUntil([&] { return status.ok(); }, 100'000));
    return *this;
  }

  template <class... In>
  absl::StatusOr<StartedWorkflow> TryStart(std::string name, StartOptions options, In... inputs) {
    absl::StatusOr<StartedWorkflow> started = absl::UnknownError("no answer");
    bool is_answered = false;
    runtime_.Start(std::move(name), std::move(options),
                   *internal::EncodeCall(PayloadFormat::kPortableJson, std::move(inputs)...),
                   [&](absl::StatusOr<StartedWorkflow> answer) {
                     started = std::move(answer);
                     is_answered = true;
                   });
    REQUIRE(world_.reactor.RunUntil([&] { return is_answered; }, 100'000));
    return started;
  }
  template <class... In>
  void Start(std::string name, std::string id, In... inputs) {
    StartOptions options;
    options.id = std::move(id);
    const auto started = TryStart(std::move(name), std::move(options), std::move(inputs)...);
    INFO(started.status());
    REQUIRE(started.ok());
  }
  template <class... In>
  absl::StatusOr<StartedWorkflow> TryEnqueue(std::string queue, std::string name,
                                             StartOptions options, In... inputs) {
    absl::StatusOr<StartedWorkflow> started = absl::UnknownError("no answer");
    bool is_answered = false;
    runtime_.Enqueue(std::move(queue), std::move(name), std::move(options),
                     *internal::EncodeCall(PayloadFormat::kPortableJson, std::move(inputs)...),
                     [&](absl::StatusOr<StartedWorkflow> answer) {
                       started = std::move(answer);
                       is_answered = true;
                     });
    REQUIRE(world_.reactor.RunUntil([&] { return is_answered; }, 100'000));
    return started;
  }
  template <class... In>
  void Enqueue(std::string queue, std::string name, std::string id, In... inputs) {
    StartOptions options;
    options.id = std::move(id);
    const auto started =
        TryEnqueue(std::move(queue), std::move(name), std::move(options), std::move(inputs)...);
    INFO(started.status());
    REQUIRE(started.ok());
  }

  // Waits for the end: the output, or the error.
  template <class Out>
  absl::StatusOr<Out> Result(std::string id) {
    absl::StatusOr<WorkflowResult> result = absl::UnknownError("no answer");
    bool is_answered = false;
    runtime_.AwaitResult(id, [&](absl::StatusOr<WorkflowResult> answer) {
      result = std::move(answer);
      is_answered = true;
    });
    REQUIRE(world_.reactor.RunUntil([&] { return is_answered; }, 1'000'000));
    if (!result.ok()) return result.status();
    HF_RETURN_IF_ERROR(internal::StatusOfResult(*result, id));
    return internal::DecodeTyped<Out>(result->serialization, result->output);
  }

  Runtime& runtime() { return runtime_; }
  MemoryJournal& journal() { return journal_; }
  JournalSpy& spy() { return spy_; }
  World& world() { return world_; }

  RecordingObserver observer;

 private:
  World& world_;
  MemoryJournal journal_;
  JournalSpy spy_;
  InlineBlockingPool pool_;
  Runtime runtime_;
};

// The rows of a workflow's steps, one line each: "0 name = output", "1 name ! error", "2 name >
// child".
inline std::vector<std::string> StepLines(const World& world, const std::string& id) {
  std::vector<std::string> lines;
  for (const StepRecord& step : world.database.ListSteps(id)) {
    std::string line = std::to_string(step.function_id) + " " + step.name;
    if (step.output) line += " = " + *step.output;
    if (step.error) line += " ! " + *step.error;
    if (step.child_workflow_id) line += " > " + *step.child_workflow_id;
    lines.push_back(std::move(line));
  }
  return lines;
}

inline std::string StatusOf(const World& world, const std::string& id) {
  const auto record = world.database.GetWorkflow(id, false);
  return record ? std::string(WorkflowStatusName(record->status)) : "absent";
}

using Lines = std::vector<std::string>;

}  // namespace holdfast::workflows
