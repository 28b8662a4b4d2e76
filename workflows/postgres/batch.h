#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "workflows/postgres/connection.h"
#include "workflows/runtime/journal.h"

namespace holdfast::workflows {

// Statements of the application, by name of their sink.
class SinkTable {
 public:
  // `sql` mentions $1, a jsonb array of objects. kInvalidArgument when it does not.
  absl::Status Add(std::string_view name, std::string_view sql);
  bool Contains(std::string_view name) const { return sinks_.contains(name); }
  // REQUIRES: Contains(name). The texts live as long as the table.
  Statement Find(std::string_view name) const;

 private:
  struct Sink {
    std::string statement_name;
    std::string sql;
  };
  absl::btree_map<std::string, std::unique_ptr<Sink>, std::less<>> sinks_;
};

// One write that waits for its turn, or is in flight, with what is known of its result.
struct PendingWrite {
  std::variant<StartRequest, WorkflowCommit> request;
  Reply<StartResult> start_reply;
  Reply<CommitResult> commit_reply;
  size_t size_bytes = 0;
  int32_t row_count = 0;
  StartResult start;
  CommitResult commit;

  bool is_start() const { return std::holds_alternative<StartRequest>(request); }
  StartRequest& start_request() { return std::get<StartRequest>(request); }
  WorkflowCommit& commit_request() { return std::get<WorkflowCommit>(request); }
  const WorkflowCommit& commit_request() const { return std::get<WorkflowCommit>(request); }
  // The workflow that it writes.
  const std::string& workflow_id() const;
  // Counts rows and bytes into the fields.
  void Measure();
};
using Writes = std::vector<std::unique_ptr<PendingWrite>>;

// What the rows of an executor are written with. Empty in a client's journal.
struct BatchIdentity {
  std::string executor_id;
  std::string application_name;
  std::string application_version;
};

// Writes of different workflows that share a transaction: their statements, and what the answers
// mean for each of them. One object for one attempt at one set of writes.
class Batch {
 public:
  // `mint_token` makes the token by which a row that we created is known again.
  Batch(Writes writes, const BatchIdentity& identity, const SinkTable& sinks,
        const std::function<std::string()>& mint_token);

  const Writes& writes() const { return writes_; }
  Writes TakeWrites() { return std::move(writes_); }
  std::vector<Fence> Fences() const;
  std::vector<StatementCall> Calls();

  // Fills in the results from the answers to Calls(). What the answers leave open (workflows that
  // were there before) is asked by ResolveCalls().
  void ReadAnswers(const std::vector<Rows>& rows);
  // The batch is durable but its answers were lost: everything is asked by ResolveCalls().
  void ForgetAnswers();
  bool needs_resolve() const;
  std::vector<StatementCall> ResolveCalls();
  // `creators_known`: a row with our token was created by this batch. Answers the writes that have
  // to be made again: what was in their way is gone.
  Writes ReadResolved(const std::vector<Rows>& rows);

 private:
  // A row of workflow_status that this batch wants to create.
  struct Creation {
    NewWorkflow* workflow;
    std::string creator;
    PendingWrite* write;
    int effect_index;  // -1: the Start itself
    bool is_open = true;
  };
  struct EffectRef {
    PendingWrite* write;
    int effect_index;
  };
  // Effects that one pass over the statements can apply and keep their order.
  struct Round {
    std::vector<size_t> creations;
    std::vector<EffectRef> children, sends, receives, streams, events;
  };
  enum class CallKind : uint8_t { kPlain, kCreate, kChildren, kSends, kReceives, kStreams };
  struct CallLayout {
    CallKind kind;
    size_t round;
  };

  void PlanEffects(PendingWrite& write);
  Round& RoundAt(size_t index);
  static const Effect& EffectOf(const EffectRef& ref);
  static EffectResult& ResultOf(const EffectRef& ref);
  void AddCall(std::vector<StatementCall>& calls, CallKind kind, size_t round, StatementCall call);

  StatementCall StepsCall() const;
  StatementCall CreateCall(const Round& round) const;
  StatementCall ChildrenCall(const Round& round) const;
  StatementCall SendsCall(const Round& round) const;
  StatementCall ReceivesCall(const Round& round) const;
  StatementCall StreamsCall(const Round& round) const;
  StatementCall EventsCall(const Round& round) const;
  StatementCall FinishCall() const;
  void AddSinkCalls(std::vector<StatementCall>& calls) const;

  void ReadRound(const CallLayout& layout, const Rows& rows);
  void MarkCreated(Creation& creation);
  void ReadExisting(Creation& creation, const Rows& by_id, const Rows& by_deduplication);
  void ReadStepsBack(const Rows& steps);

  Writes writes_;
  const BatchIdentity& identity_;
  const SinkTable& sinks_;
  std::vector<Creation> creations_;
  std::vector<Round> rounds_;
  std::vector<CallLayout> layout_;
  size_t step_count_ = 0;
  size_t finish_count_ = 0;
  bool are_answers_lost_ = false;
};

}  // namespace holdfast::workflows
