#include "connectors/net/rate_budget.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr int64_t kMillion = 1'000'000;

int64_t WindowIndex(const BudgetWindow& window, int64_t now_ns) {
  return now_ns / window.interval_ns;
}

}  // namespace

RateBudgetTracker::RateBudgetTracker(int64_t cancel_reserve_ppm)
    : cancel_reserve_ppm_(cancel_reserve_ppm) {
  HF_ASSERT(cancel_reserve_ppm >= 0);
  HF_ASSERT(cancel_reserve_ppm < kMillion);
}

void RateBudgetTracker::Configure(const BudgetWindow& window) {
  HF_ASSERT(window.interval_ns > 0);
  for (Counter& counter : counters_) {
    if (counter.window.kind == window.kind && counter.window.interval_ns == window.interval_ns) {
      counter.window.limit = window.limit;
      return;
    }
  }
  if (counters_.full()) return;  // more windows than any venue has: the rest goes unwatched
  counters_.push_back({.window = window});
}

int64_t RateBudgetTracker::UsedIn(const Counter& counter, int64_t now_ns) const {
  return WindowIndex(counter.window, now_ns) == counter.window_index ? counter.used : 0;
}

void RateBudgetTracker::Charge(BudgetKind kind, int64_t amount, int64_t now_ns) {
  for (Counter& counter : counters_) {
    if (counter.window.kind != kind) continue;
    counter.used = UsedIn(counter, now_ns) + amount;
    counter.window_index = WindowIndex(counter.window, now_ns);
  }
}

void RateBudgetTracker::OnVenueCount(BudgetKind kind, int64_t interval_ns, int64_t used,
                                     int64_t now_ns) {
  for (Counter& counter : counters_) {
    if (counter.window.kind != kind || counter.window.interval_ns != interval_ns) continue;
    counter.used = used;
    counter.window_index = WindowIndex(counter.window, now_ns);
  }
}

int64_t RateBudgetTracker::Left(const Counter& counter, int64_t used, int64_t kept_ppm) {
  const int64_t limit = counter.window.limit;
  return limit - limit * kept_ppm / kMillion - used;
}

bool RateBudgetTracker::HasRoom(BudgetKind kind, int64_t amount, int64_t now_ns,
                                int64_t kept_ppm) const {
  return std::all_of(counters_.begin(), counters_.end(), [&](const Counter& counter) {
    return counter.window.kind != kind || Fits(counter, UsedIn(counter, now_ns), amount, kept_ppm);
  });
}

int64_t RateBudgetTracker::PlacementRoom(int64_t weight, int64_t now_ns) const {
  HF_ASSERT(weight > 0);
  int64_t room = INT64_MAX;
  for (const Counter& counter : counters_) {
    const BudgetKind kind = counter.window.kind;
    const int64_t amount = kind == BudgetKind::kRequestWeight ? weight : 1;
    // Cancels don't count as orders: nothing of that budget needs to be reserved for them.
    const int64_t kept_ppm = kind == BudgetKind::kOrderCount ? 0 : cancel_reserve_ppm_;
    room = std::min(room, Left(counter, UsedIn(counter, now_ns), kept_ppm) / amount);
  }
  return std::max<int64_t>(0, room);
}

bool RateBudgetTracker::MayCancel(int64_t weight, int64_t now_ns) {
  return HasRoom(BudgetKind::kRequestWeight, weight, now_ns, 0) &&
         HasRoom(BudgetKind::kRequestCount, 1, now_ns, 0);
}

std::optional<BudgetShortage> RateBudgetTracker::QueryShortage(int64_t weight, QueryPurpose purpose,
                                                               int64_t now_ns) const {
  const int64_t kept_ppm =
      purpose == QueryPurpose::kProof ? cancel_reserve_ppm_ / 2 : cancel_reserve_ppm_;
  std::optional<BudgetShortage> longest;
  for (const Counter& counter : counters_) {
    if (counter.window.kind == BudgetKind::kOrderCount) continue;
    const int64_t amount = counter.window.kind == BudgetKind::kRequestWeight ? weight : 1;
    const int64_t used = UsedIn(counter, now_ns);
    if (Fits(counter, used, amount, kept_ppm)) continue;
    const int64_t end_ns = (WindowIndex(counter.window, now_ns) + 1) * counter.window.interval_ns;
    if (longest.has_value() && end_ns <= longest->window_end_ns) continue;
    longest = {.kind = counter.window.kind,
               .used = used,
               .limit = counter.window.limit,
               .window_end_ns = end_ns};
  }
  return longest;
}

void RateBudgetTracker::Block(int64_t not_before_wall_ns, bool is_ban) {
  if (not_before_wall_ns <= block_.not_before_wall_ns) return;
  block_ = {.not_before_wall_ns = not_before_wall_ns, .is_ban = is_ban};
}

void RateBudgetTracker::BlockPlacements(int64_t not_before_wall_ns) {
  placements_not_before_wall_ns_ = std::max(placements_not_before_wall_ns_, not_before_wall_ns);
}

RateBudgetTracker::Usage RateBudgetTracker::UsageOf(BudgetKind kind, int64_t now_ns) const {
  Usage usage;
  int64_t shortest_ns = INT64_MAX;
  for (const Counter& counter : counters_) {
    if (counter.window.kind != kind || counter.window.interval_ns >= shortest_ns) continue;
    shortest_ns = counter.window.interval_ns;
    usage = {.used = UsedIn(counter, now_ns), .limit = counter.window.limit};
  }
  return usage;
}

}  // namespace holdfast
