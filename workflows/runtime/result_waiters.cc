#include "workflows/runtime/result_waiters.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "workflows/runtime/text.h"

namespace holdfast::workflows::internal {
namespace {

constexpr int64_t kIntervalNsMin = kNanosPerMilli;
constexpr int64_t kIntervalNsMax = kNanosPerSecond;
// With many waiting, even the first looks are spread: one for each so many waiters and millisecond.
constexpr size_t kWaitersPerMilli = 20;
constexpr size_t kLookIdsMax = 500;
// Every so many looks it is checked that the workflow exists at all (it may have been deleted).
constexpr uint32_t kLooksPerExistenceCheck = 32;

WorkflowResult ResultOf(WorkflowRecord&& record) {
  return {record.status, std::move(record.output), std::move(record.error),
          std::move(record.serialization)};
}

}  // namespace

ResultWaiters::~ResultWaiters() {
  if (timer_.has_value()) reactor_.CancelTimer(*timer_);
}

uint64_t ResultWaiters::Await(std::string workflow_id, Reply<WorkflowResult> reply) {
  const bool runs_here = runs_here_(workflow_id);
  const uint64_t key = ++key_count_;
  auto [found, is_new] = entries_.try_emplace(workflow_id);
  found->second.waiters.push_back({key, std::move(reply)});
  ids_by_key_.emplace(key, std::move(workflow_id));
  if (!runs_here && is_new) Plan(found->first, found->second, 0);
  return key;
}

void ResultWaiters::Stop(uint64_t key) {
  const auto id = ids_by_key_.find(key);
  if (id == ids_by_key_.end()) return;
  const auto found = entries_.find(id->second);
  auto& waiters = found->second.waiters;
  waiters.erase(std::find_if(waiters.begin(), waiters.end(),
                             [key](const Waiter& waiter) { return waiter.key == key; }));
  if (waiters.empty()) {
    Unplan(found->first, found->second);
    entries_.erase(found);
  }
  ids_by_key_.erase(id);
}

void ResultWaiters::OnEnded(const std::string& workflow_id, const WorkflowResult& result) {
  if (!entries_.empty()) Answer(workflow_id, result);
}

void ResultWaiters::OnRunsHere(const std::string& workflow_id) {
  if (entries_.empty()) return;
  const auto found = entries_.find(workflow_id);
  if (found != entries_.end()) Unplan(found->first, found->second);
}

void ResultWaiters::LookSoon(std::string_view workflow_id) {
  const auto found = entries_.find(AbslView(workflow_id));
  if (found == entries_.end()) return;
  found->second.interval_ns = 0;
  Plan(found->first, found->second, 0);
}

void ResultWaiters::LookAtAll() {
  for (auto& [id, entry] : entries_) {
    if (entry.next_look_ns != 0) Plan(id, entry, 0);
  }
}

void ResultWaiters::Plan(const std::string& id, Entry& entry, int64_t delay_ns) {
  Unplan(id, entry);
  entry.next_look_ns = reactor_.clock().MonotonicNs() + delay_ns;
  plan_.emplace(entry.next_look_ns, id);
  SetTimer();
}

void ResultWaiters::Unplan(const std::string& id, Entry& entry) {
  if (entry.next_look_ns != 0) plan_.erase({std::exchange(entry.next_look_ns, 0), id});
}

void ResultWaiters::SetTimer() {
  if (is_looking_ || plan_.empty()) return;
  const int64_t due_ns = plan_.begin()->first;
  if (timer_.has_value() && timer_ns_ <= due_ns) return;
  if (timer_.has_value()) reactor_.CancelTimer(*timer_);
  timer_ns_ = due_ns;
  timer_ = reactor_.CallAt(due_ns, [this] {
    timer_.reset();
    Look();
  });
}

void ResultWaiters::Look() {
  const int64_t now_ns = reactor_.clock().MonotonicNs();
  const auto spread_ns = static_cast<int64_t>(entries_.size() / kWaitersPerMilli) * kNanosPerMilli;
  std::vector<std::string> ids;
  while (!plan_.empty() && plan_.begin()->first <= now_ns && ids.size() < kLookIdsMax) {
    ids.push_back(plan_.begin()->second);
    plan_.erase(plan_.begin());
    Entry& entry = entries_.find(ids.back())->second;
    entry.next_look_ns = 0;
    entry.interval_ns = std::clamp(entry.interval_ns * 2, std::max(kIntervalNsMin, spread_ns),
                                   std::max(kIntervalNsMax, spread_ns));
    ++entry.look_count;
  }
  if (ids.empty()) return SetTimer();
  is_looking_ = true;
  WorkflowFilter filter;
  filter.ids = ids;
  filter.statuses = {WorkflowStatus::kSuccess, WorkflowStatus::kError, WorkflowStatus::kCancelled,
                     WorkflowStatus::kMaxRecoveryAttemptsExceeded};
  filter.with_payloads = true;
  filter.limit = kListLimitMax;
  journal_.ListWorkflows(std::move(filter),
                         IfAlive(is_alive_, [this, ids = std::move(ids)](auto ended) {
                           OnLooked(ids, std::move(ended));
                         }));
}

void ResultWaiters::OnLooked(const std::vector<std::string>& ids,
                             absl::StatusOr<std::vector<WorkflowRecord>> ended) {
  is_looking_ = false;
  if (ended.ok()) {
    for (WorkflowRecord& record : *ended) {
      const std::string id = record.id;
      Answer(id, ResultOf(std::move(record)));
    }
  }
  std::vector<std::string> to_check;
  for (const std::string& id : ids) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) continue;
    if (runs_here_(id)) continue;
    if (ended.ok() && found->second.look_count % kLooksPerExistenceCheck == 1) {
      to_check.push_back(id);
    }
    if (found->second.next_look_ns == 0) {
      Plan(found->first, found->second, found->second.interval_ns);
    }
  }
  if (to_check.empty()) return SetTimer();
  is_looking_ = true;
  WorkflowFilter filter;
  filter.ids = to_check;
  filter.limit = kListLimitMax;
  journal_.ListWorkflows(std::move(filter), IfAlive(is_alive_, [this, to_check](auto existing) {
                           OnExistenceKnown(to_check, std::move(existing));
                         }));
}

void ResultWaiters::OnExistenceKnown(const std::vector<std::string>& ids,
                                     absl::StatusOr<std::vector<WorkflowRecord>> existing) {
  is_looking_ = false;
  if (existing.ok()) {
    std::set<std::string> known;
    for (WorkflowRecord& record : *existing) known.insert(std::move(record.id));
    for (const std::string& id : ids) {
      if (known.contains(id)) continue;
      Answer(id, absl::NotFoundError(absl::StrCat("no such workflow: id=", id)));
    }
  }
  SetTimer();
}

void ResultWaiters::Answer(const std::string& id, const absl::StatusOr<WorkflowResult>& result) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  Unplan(found->first, found->second);
  std::vector<Waiter> waiters = std::move(found->second.waiters);
  entries_.erase(found);
  for (const Waiter& waiter : waiters) ids_by_key_.erase(waiter.key);
  for (Waiter& waiter : waiters) waiter.reply(result);
}

}  // namespace holdfast::workflows::internal
