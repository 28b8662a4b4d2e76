// Strays: orders that have ended for us and rest at the venue all the same, because a proof of
// absence or a reject was wrong. Their end is recorded, so they are no orders to work with: they
// are canceled until the venue says that they are gone. Fills of them are booked as any late fill.
#include <algorithm>

#include "engine/quoting/loop_core.h"

namespace holdfast {

// Without room the next listing brings it again.
void QuotingLoop::Core::OnStray(TrackedOrder& tracked, std::string_view evidence) {
  for (const Stray& stray : strays_) {
    if (stray.client_order_id == tracked.order.client_order_id) return;
  }
  ++counters_.stray_orders;
  LogOrder(LoopEventKind::kIllegalTransition, Severity::kAlert, tracked.order, evidence,
           tracked.order.state);
  if (strays_.full()) return;
  strays_.push_back({.number = tracked.order.number,
                     .client_order_id = tracked.order.client_order_id,
                     .venue_order_id = tracked.order.venue_order_id,
                     .key = tracked.key(),
                     .next_cancel_at_ns = now_ns_});
  WakeAt(now_ns_);
}

int QuotingLoop::Core::CancelStrays() {
  int work = 0;
  for (Stray& stray : strays_) {
    if (now_ns_ >= stray.next_cancel_at_ns) {
      stray.backoff_ns = stray.backoff_ns == 0
                             ? options_.cancel_retry_ns
                             : std::min(stray.backoff_ns * 2, options_.cancel_retry_ns_max);
      stray.next_cancel_at_ns = now_ns_ + stray.backoff_ns;
      // Its level stays empty meanwhile: one order a key.
      cooldown_.Set(stray.key, stray.next_cancel_at_ns);
      const absl::Status status = engine_.Cancel({.number = stray.number,
                                                  .client_order_id = stray.client_order_id,
                                                  .venue_order_id = stray.venue_order_id,
                                                  .instrument = instrument_.id});
      if (status.ok()) ++counters_.cancels_sent;
      ++work;
    }
    WakeAt(stray.next_cancel_at_ns);
  }
  return work;
}

// The venue reports its end, or knows no such order any more: what it filled is in the trade list.
void QuotingLoop::Core::ForgetStray(const ClientOrderId& id) {
  for (Stray& stray : strays_) {
    if (stray.client_order_id != id) continue;
    stray = strays_.back();
    strays_.pop_back();
    RequestCursorFills();
    return;
  }
}

}  // namespace holdfast
