#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workflows/runtime/journal.h"
#include "workflows/runtime/reactor.h"

namespace holdfast::workflows::internal {

// What the parts of the executor that fetch work need from it.
class ClaimHost {
 public:
  virtual bool holds_lease() const = 0;
  virtual bool is_latest_version() const = 0;
  virtual const std::vector<std::string>& workflow_names() const = 0;
  // How many more workflows may be claimed now.
  virtual size_t claim_room() const = 0;
  virtual void Admit(ClaimedWorkflow claimed) = 0;
  virtual void OnDeadLetters(int64_t count) = 0;
  virtual void OnClaimRefused(const absl::Status& status) = 0;

 protected:
  ~ClaimHost() = default;
};

// Fetches work of the queues that this executor serves: at once when there is news or an enqueue of
// our own, when a run of a limited queue ends, when a full claim has been worked off; and by
// looking now and then. One claim a queue at a time.
//
// Threads: the reactor's.
class QueueClaims {
 public:
  struct Limits {
    int32_t batch_first = 32;
    int32_t batch_max = 500;
    int64_t recovery_attempts_max = 100;
    std::optional<double> look_interval_s = {};  // of each queue, instead of its own
  };

  QueueClaims(Reactor& reactor, Journal& journal, ClaimHost& host, Limits limits);
  ~QueueClaims();
  QueueClaims(const QueueClaims&) = delete;
  QueueClaims& operator=(const QueueClaims&) = delete;

  // Adds a queue, or takes over its new settings.
  void Serve(const QueueConfig& config);
  bool serves(std::string_view name) const;
  std::vector<QueueConfig> configs() const;

  void Start();  // the lease is held: claims begin
  void Stop();   // nothing is claimed, counts are forgotten
  void OnNews(std::string_view queue_name);
  void OnAnyNews();  // of any queue

  void OnAdmitted(const std::string& queue_name, const std::optional<std::string>& partition_key);
  void OnEnded(const std::string& queue_name, const std::optional<std::string>& partition_key);
  // There is room for more runs.
  void OnRoom();

  size_t queue_count() const { return queues_.size(); }

 private:
  struct Queue {
    QueueConfig config;
    int32_t running_here = 0;
    std::map<std::string, int32_t> running_here_by_partition;
    int32_t batch = 0;
    int64_t next_look_ns = 0;
    bool is_claiming = false;
    bool has_news = false;
    bool may_have_more = false;  // and waits for room
    bool is_due = false;         // a claim is posted
  };

  bool IsLimited(const Queue& queue) const;
  void Claim(Queue& queue);
  void ClaimSoon(Queue& queue);
  void OnClaimed(Queue& queue, uint64_t session, absl::StatusOr<ClaimResult> result);
  void SetTimer();
  int64_t LookSpacingNs() const;
  int64_t LookInterval(const Queue& queue) const;

  Reactor& reactor_;
  Journal& journal_;
  ClaimHost& host_;
  const Limits limits_;
  std::map<std::string, std::unique_ptr<Queue>, std::less<>> queues_;  // served in this order
  std::optional<TimerId> timer_;
  uint64_t session_ = 0;  // of leases
  bool is_started_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast::workflows::internal
