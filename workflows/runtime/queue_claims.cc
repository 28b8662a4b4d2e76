#include "workflows/runtime/queue_claims.h"

#include <algorithm>
#include <utility>

#include "workflows/runtime/run_services.h"

namespace holdfast::workflows::internal {
namespace {

// With several queues the looks of an idle executor are spread, so that all of them together stay
// below this rate.
constexpr int64_t kLookSpacingNs = 750 * kNanosPerMilli;
constexpr int64_t kRefusedPauseNs = kNanosPerSecond;

}  // namespace

QueueClaims::QueueClaims(Reactor& reactor, Journal& journal, ClaimHost& host, Limits limits)
    : reactor_(reactor), journal_(journal), host_(host), limits_(limits) {}

QueueClaims::~QueueClaims() {
  if (timer_.has_value()) reactor_.CancelTimer(*timer_);
}

void QueueClaims::Serve(const QueueConfig& config) {
  std::unique_ptr<Queue>& queue = queues_[config.name];
  if (queue == nullptr) {
    queue = std::make_unique<Queue>();
  } else if (queue->config == config) {
    return;
  }
  queue->config = config;
  queue->batch = limits_.batch_first;
  if (is_started_) ClaimSoon(*queue);
}

bool QueueClaims::serves(std::string_view name) const { return queues_.contains(name); }

std::vector<QueueConfig> QueueClaims::configs() const {
  std::vector<QueueConfig> configs;
  for (const auto& [_, queue] : queues_) configs.push_back(queue->config);
  return configs;
}

void QueueClaims::Start() {
  is_started_ = true;
  ++session_;
  OnAnyNews();
  SetTimer();
}

void QueueClaims::Stop() {
  is_started_ = false;
  ++session_;
  for (auto& [_, queue] : queues_) {
    QueueConfig config = std::move(queue->config);
    const bool is_due = queue->is_due;
    *queue = Queue();
    queue->config = std::move(config);
    queue->is_due = is_due;
    queue->batch = limits_.batch_first;
  }
  if (timer_.has_value()) reactor_.CancelTimer(*std::exchange(timer_, {}));
}

void QueueClaims::OnNews(std::string_view queue_name) {
  const auto found = queues_.find(queue_name);
  if (found != queues_.end()) ClaimSoon(*found->second);
}

void QueueClaims::OnAnyNews() {
  for (auto& [_, queue] : queues_) ClaimSoon(*queue);
}

void QueueClaims::OnAdmitted(const std::string& queue_name,
                             const std::optional<std::string>& partition_key) {
  const auto found = queues_.find(queue_name);
  if (found == queues_.end()) return;
  Queue& queue = *found->second;
  ++queue.running_here;
  if (partition_key.has_value()) ++queue.running_here_by_partition[*partition_key];
}

void QueueClaims::OnEnded(const std::string& queue_name,
                          const std::optional<std::string>& partition_key) {
  const auto found = queues_.find(queue_name);
  if (found == queues_.end()) return;
  Queue& queue = *found->second;
  --queue.running_here;
  if (partition_key.has_value()) {
    const auto count = queue.running_here_by_partition.find(*partition_key);
    if (count != queue.running_here_by_partition.end() && --count->second == 0) {
      queue.running_here_by_partition.erase(count);
    }
  }
  if (IsLimited(queue) && queue.may_have_more) ClaimSoon(queue);
}

void QueueClaims::OnRoom() {
  for (auto& [_, queue] : queues_) {
    if (queue->may_have_more && !IsLimited(*queue)) ClaimSoon(*queue);
  }
}

bool QueueClaims::IsLimited(const Queue& queue) const {
  const QueueConfig& config = queue.config;
  return config.concurrency.has_value() || config.worker_concurrency.has_value() ||
         config.partition_concurrency.has_value() ||
         config.partition_worker_concurrency.has_value();
}

// Several causes in one turn make one claim.
void QueueClaims::ClaimSoon(Queue& queue) {
  queue.has_news = true;
  if (queue.is_due || queue.is_claiming || !is_started_) return;
  queue.is_due = true;
  reactor_.Post(IfAlive(is_alive_, [this, &queue] {
    queue.is_due = false;
    if (is_started_ && !queue.is_claiming && queue.has_news) Claim(queue);
  }));
}

void QueueClaims::Claim(Queue& queue) {
  if (!host_.holds_lease()) return;
  queue.next_look_ns = reactor_.clock().MonotonicNs() + LookInterval(queue);
  const auto room =
      static_cast<int32_t>(std::min<size_t>(host_.claim_room(), static_cast<size_t>(queue.batch)));
  if (room <= 0) {
    queue.may_have_more = true;
    return;
  }
  queue.has_news = false;
  queue.is_claiming = true;
  ClaimRequest request;
  request.queue = queue.config;
  request.workflow_names = host_.workflow_names();
  request.is_latest_version = host_.is_latest_version();
  request.max_count = room;
  request.running_here = queue.running_here;
  request.running_here_by_partition.assign(queue.running_here_by_partition.begin(),
                                           queue.running_here_by_partition.end());
  request.max_recovery_attempts = limits_.recovery_attempts_max;
  journal_.ClaimQueued(
      std::move(request),
      IfAlive(is_alive_, [this, &queue, session = session_](absl::StatusOr<ClaimResult> result) {
        OnClaimed(queue, session, std::move(result));
      }));
}

void QueueClaims::OnClaimed(Queue& queue, uint64_t session, absl::StatusOr<ClaimResult> result) {
  // What a lost lease claimed is for others to take over.
  if (session != session_) return;
  queue.is_claiming = false;
  if (!result.ok()) {
    queue.next_look_ns = reactor_.clock().MonotonicNs() + kRefusedPauseNs;
    return host_.OnClaimRefused(result.status());
  }
  host_.OnDeadLetters(result->dead_letter_count);
  const size_t count = result->workflows.size();
  queue.may_have_more = result->has_more || (IsLimited(queue) && count > 0);
  queue.batch = result->has_more ? std::min(queue.batch * 2, limits_.batch_max)
                                 : std::max(queue.batch / 2, limits_.batch_first);
  std::vector<ClaimedWorkflow> workflows = std::move(result->workflows);
  for (ClaimedWorkflow& claimed : workflows) host_.Admit(std::move(claimed));
  if (session != session_) return;
  if (result->has_more || queue.has_news) ClaimSoon(queue);
}

int64_t QueueClaims::LookSpacingNs() const {
  if (!limits_.look_interval_s.has_value()) return kLookSpacingNs;
  return static_cast<int64_t>(*limits_.look_interval_s * 1e9);
}

int64_t QueueClaims::LookInterval(const Queue& queue) const {
  // The timer's looks are this far apart, and each finds the queue due.
  if (limits_.look_interval_s.has_value()) return 0;
  const auto wanted_ns = static_cast<int64_t>(queue.config.polling_interval_s * 1e9);
  return std::max(
      {wanted_ns, static_cast<int64_t>(queues_.size()) * kLookSpacingNs, kNanosPerMilli});
}

void QueueClaims::SetTimer() {
  timer_ = reactor_.CallAfter(LookSpacingNs(), [this] {
    const int64_t now_ns = reactor_.clock().MonotonicNs();
    for (auto& [_, queue] : queues_) {
      if (queue->next_look_ns <= now_ns) ClaimSoon(*queue);
    }
    SetTimer();
  });
}

}  // namespace holdfast::workflows::internal
