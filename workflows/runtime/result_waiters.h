#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "workflows/runtime/journal.h"
#include "workflows/runtime/reactor.h"
#include "workflows/runtime/run_services.h"

namespace holdfast::workflows::internal {

// Who waits for the end of which workflow. What runs here answers from memory; for the rest there
// is news, and looks at growing intervals (1 ms to 1 s), many workflows a look, for what news
// missed.
//
// Threads: the reactor's.
class ResultWaiters {
 public:
  using RunsHere = absl::AnyInvocable<bool(const std::string& workflow_id) const>;

  ResultWaiters(Reactor& reactor, Journal& journal, RunsHere runs_here)
      : reactor_(reactor), journal_(journal), runs_here_(std::move(runs_here)) {}
  ~ResultWaiters();
  ResultWaiters(const ResultWaiters&) = delete;
  ResultWaiters& operator=(const ResultWaiters&) = delete;

  // Answers once the workflow has ended, or kNotFound. The key is for Stop.
  uint64_t Await(std::string workflow_id, Reply<WorkflowResult> reply);
  void Stop(uint64_t key);

  void OnEnded(const std::string& workflow_id, const WorkflowResult& result);
  // The workflow runs here now: no need to look.
  void OnRunsHere(const std::string& workflow_id);
  // The run left memory without an end, or somebody said that it ended: look.
  void LookSoon(std::string_view workflow_id);
  void LookAtAll();
  size_t size() const { return ids_by_key_.size(); }

 private:
  struct Waiter {
    uint64_t key;
    Reply<WorkflowResult> reply;
  };
  struct Entry {
    std::vector<Waiter> waiters;
    int64_t next_look_ns = 0;  // 0: none is planned
    int64_t interval_ns = 0;
    uint32_t look_count = 0;
  };
  using Entries = absl::flat_hash_map<std::string, Entry>;

  void Plan(const std::string& id, Entry& entry, int64_t delay_ns);
  void Unplan(const std::string& id, Entry& entry);
  void SetTimer();
  void Look();
  void OnLooked(const std::vector<std::string>& ids,
                absl::StatusOr<std::vector<WorkflowRecord>> ended);
  void OnExistenceKnown(const std::vector<std::string>& ids,
                        absl::StatusOr<std::vector<WorkflowRecord>> existing);
  void Answer(const std::string& id, const absl::StatusOr<WorkflowResult>& result);

  Reactor& reactor_;
  Journal& journal_;
  RunsHere runs_here_;
  Entries entries_;
  absl::flat_hash_map<uint64_t, std::string> ids_by_key_;
  std::set<std::pair<int64_t, std::string>> plan_;
  std::optional<TimerId> timer_;
  int64_t timer_ns_ = 0;
  bool is_looking_ = false;
  uint64_t key_count_ = 0;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast::workflows::internal
