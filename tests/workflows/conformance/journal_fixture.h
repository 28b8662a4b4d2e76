#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "workflows/runtime/journal.h"
#include "workflows/runtime/reactor.h"

namespace holdfast::workflows {

// One database of the journal under test. The suite's programs differ in MakeJournalFixture alone,
// which each of them links (memory_fixture.cc, postgres_fixture.cc).
class JournalFixture {
 public:
  virtual ~JournalFixture() = default;
  virtual Reactor& reactor() = 0;
  // A journal of one more process on the same database.
  virtual std::unique_ptr<Journal> NewJournal() = 0;
  // Turns the reactor once, waiting a little when there is nothing to do.
  virtual void Turn() = 0;
  // Lets this much of the database's time go by.
  virtual void Elapse(int64_t duration_ms) = 0;
  // The contents of the table behind the sink "notes", in the order of insertion.
  virtual std::vector<std::string> Notes() = 0;
};

// Each call starts from an empty database with the sink "notes" (rows {"note": text}; a row without
// a note is refused).
std::unique_ptr<JournalFixture> MakeJournalFixture();

// An executor of the suite: a journal that holds a lease, and calls that wait for their replies.
class Process {
 public:
  // `incarnation` names one life of the executor; empty: its only one.
  Process(JournalFixture& fixture, std::string executor_id, std::string incarnation = "",
          std::string version = "v1");

  Journal& journal() { return *journal_; }
  const ExecutorIdentity& identity() const { return identity_; }

  // Registers; REQUIREs success.
  LeaseGrant Register(int64_t lease_ttl_ms = 60'000);
  // A token of this executor, never the same twice.
  std::string Token();
  // The process is gone, answers to it are not heard.
  void Crash() { journal_.reset(); }

  // Waits for the reply of `call(reply)`.
  template <class T, class Call>
  absl::StatusOr<T> Await(Call call) {
    // Shared with the reply: a journal that answers after the suite gave up must not write into a
    // frame that is gone.
    auto result = std::make_shared<std::optional<absl::StatusOr<T>>>();
    call(Reply<T>([result](absl::StatusOr<T> value) { result->emplace(std::move(value)); }));
    REQUIRE_FALSE(result->has_value());  // never from inside the call
    for (int turn = 0; !result->has_value() && turn < kTurnCountMax; ++turn) fixture_.Turn();
    REQUIRE(result->has_value());
    return std::move(**result);
  }
  template <class Call>
  absl::Status AwaitStatus(Call call) {
    auto result = std::make_shared<std::optional<absl::Status>>();
    call(StatusReply([result](absl::Status value) { result->emplace(std::move(value)); }));
    for (int turn = 0; !result->has_value() && turn < kTurnCountMax; ++turn) fixture_.Turn();
    REQUIRE(result->has_value());
    return **result;
  }

  absl::StatusOr<StartResult> Start(NewWorkflow workflow);
  absl::StatusOr<CommitResult> Commit(WorkflowCommit commit);
  absl::StatusOr<ClaimResult> Claim(ClaimRequest request);
  absl::StatusOr<ClaimResult> ClaimAbandoned(int32_t max_count = 100);
  SweepResult Sweep();
  // REQUIREs that it exists.
  WorkflowRecord Get(const std::string& id);
  std::vector<StepRecord> Steps(const std::string& id);

  // Starts a workflow owned by this executor; answers its fence.
  Fence StartOwned(const std::string& id);
  void Enqueue(const std::string& id, const std::string& queue = "orders", int32_t priority = 0);
  // The request that takes everything of the queue that this executor may run.
  ClaimRequest AnyOf(const std::string& queue = "orders", int32_t max_count = 100) const;

 private:
  static constexpr int kTurnCountMax = 30'000;
  JournalFixture& fixture_;
  ExecutorIdentity identity_;
  std::unique_ptr<Journal> journal_;
  int token_count_ = 0;
};

NewWorkflow MakeWorkflow(const std::string& id);
StepRecord MakeStep(int32_t function_id, const std::string& name, const std::string& output);
std::vector<std::string> IdsOf(const ClaimResult& claim);

}  // namespace holdfast::workflows
