#pragma once

#include <catch2/catch.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "tests/support/postgres_cluster.h"
#include "workflows/postgres/libpq_session.h"
#include "workflows/postgres/postgres_journal.h"
#include "workflows/runtime/epoll_reactor.h"

// What the tests of the journal on PostgreSQL share: a database, executors on it, waiting.
namespace holdfast::workflows {

// The news that a journal told.
class NewsSpy : public JournalListener {
 public:
  void OnQueueChanged(std::string_view name) override { heard.push_back("queue " + Text(name)); }
  void OnMessage(std::string_view id, std::string_view topic) override {
    heard.push_back("message " + Text(id) + " " + Text(topic));
  }
  void OnEvent(std::string_view id, std::string_view key) override {
    heard.push_back("event " + Text(id) + " " + Text(key));
  }
  void OnStream(std::string_view id, std::string_view key) override {
    heard.push_back("stream " + Text(id) + " " + Text(key));
  }
  void OnWorkflowEnded(std::string_view id) override { heard.push_back("ended " + Text(id)); }
  void OnWorkflowChanged(std::string_view id) override { heard.push_back("changed " + Text(id)); }
  void OnNewsLost() override { heard.push_back("lost"); }
  void OnAvailability(bool is_available) override {
    heard.push_back(is_available ? "available" : "away");
  }
  void OnDataLoss(std::string_view) override { heard.push_back("data loss"); }

  bool HasHeard(const std::string& what) const;
  std::vector<std::string> heard;

 private:
  static std::string Text(std::string_view text) { return std::string(text); }
};

// A database with the table `notes` (a sink of that name) and a session of the test's own.
class JournalDatabase {
 public:
  explicit JournalDatabase(testing::PostgresCluster& cluster);

  const std::string& uri() const { return uri_; }
  std::string name() const;
  void Run(const std::string& sql);
  std::string Ask(const std::string& sql);  // "NULL" for null

  SystemClock clock;
  EpollReactor reactor{clock};

 private:
  std::string uri_;
};

// One process: a journal and its executor.
class JournalProcess {
 public:
  JournalProcess(JournalDatabase& database, std::string executor_id,
                 std::function<void(PostgresJournalOptions&)> adjust = nullptr);

  PostgresJournal& journal() { return *journal_; }
  void Destroy() { journal_.reset(); }
  LeaseGrant Register(int64_t ttl_ms = 600'000);
  std::string Token();

  // Turns the reactor until `is_done`; false after a minute.
  bool TurnUntil(const std::function<bool()>& is_done);
  template <class T>
  absl::StatusOr<T> Await(const std::function<void(Reply<T>)>& call) {
    auto result = std::make_shared<std::optional<absl::StatusOr<T>>>();
    call([result](absl::StatusOr<T> value) { result->emplace(std::move(value)); });
    REQUIRE(TurnUntil([&] { return result->has_value(); }));
    return std::move(**result);
  }

  absl::StatusOr<StartResult> Start(StartRequest request);
  absl::StatusOr<CommitResult> Commit(WorkflowCommit commit);
  Fence StartOwned(const std::string& id);
  void Enqueue(const std::string& id, const std::string& queue);
  absl::StatusOr<ClaimResult> Claim(QueueConfig queue, int32_t max_count = 100);

  NewsSpy news;

 private:
  JournalDatabase& database_;
  std::string executor_id_;
  std::string incarnation_;
  int token_count_ = 0;
  std::unique_ptr<PostgresJournal> journal_;
};

StartRequest StartOf(const std::string& id);
StepRecord StepOf(int32_t function_id, const std::string& output);
// One step, the end, and a note.
WorkflowCommit FinishOf(const Fence& fence, const std::string& note);

}  // namespace holdfast::workflows
