// Finding out the truth about an order whose answer is missing (DESIGN section 6), as timed states.
//
//   kQuery        ask by client id, with back-off, until it is found or its submission has expired
//   kCancel       expired: cancel by client id; whatever rests is gone afterwards
//   kAwaitCancel  the cancel's answer
//   kProve        ask once more, later than expiry plus visibility lag: absent now is final
//
// The private stream may end it at any point. There is no give-up by the clock: what cannot be
// decided stays unknown, keeps its exposure and blocks its key.
#include <algorithm>

#include "engine/base/assert.h"
#include "engine/quoting/loop_core.h"

namespace holdfast {

// `submit_expiry_ns` is the venue's clock; 0 = the connector did not say.
void QuotingLoop::Core::LoseTrack(TrackedOrder& tracked, int64_t submit_expiry_ns) {
  const GatewayCapabilities capabilities = engine_.capabilities();
  const bool is_exact = submit_expiry_ns != 0 || is_offset_known_;
  if (submit_expiry_ns == 0) {
    submit_expiry_ns =
        tracked.order.submit_expiry_ns != 0
            ? tracked.order.submit_expiry_ns
            : tracked.order.create_time_ns + clock_offset_ns_ + capabilities.submit_window_ns;
  }
  if (is_exact) tracked.order.submit_expiry_ns = submit_expiry_ns;
  tracked.final_after_venue_ns = submit_expiry_ns + capabilities.visibility_lag_ns;
  tracked.final_after_at_ns =
      now_ns_ + std::max<int64_t>(0, tracked.final_after_venue_ns - VenueNowNs());
  tracked.answer_due_at_ns = 0;
  if (tracked.is_resting()) {
    // Believed to rest and not found: goes through a cancel, which settles it either way.
    Apply(tracked, OrderEvent::kRequestCancel);
  }
  Apply(tracked, OrderEvent::kLoseTrack);
  if (tracked.order.state != OrderState::kUnknown) return;
  BeginResolve(tracked, now_ns_ + capabilities.visibility_lag_ns);
}

void QuotingLoop::Core::BeginResolve(TrackedOrder& tracked, int64_t first_step_at_ns) {
  tracked.stage = ResolveStage::kQuery;
  tracked.is_verifying = false;
  tracked.is_absent_once = false;
  tracked.step_backoff_ns = 0;
  tracked.next_step_at_ns = std::max<int64_t>(1, first_step_at_ns);
  WakeAt(tracked.next_step_at_ns);
}

void QuotingLoop::Core::BackOffStep(TrackedOrder& tracked) {
  tracked.step_backoff_ns = tracked.step_backoff_ns == 0 ? options_.resolve_retry_ns
                                                         : std::min(tracked.step_backoff_ns * 2,
                                                                    options_.resolve_retry_ns_max);
  tracked.next_step_at_ns = now_ns_ + tracked.step_backoff_ns;
  // Nothing is won by sleeping past the moment from which an answer is final.
  if (tracked.stage == ResolveStage::kQuery && tracked.final_after_at_ns > now_ns_) {
    tracked.next_step_at_ns = std::min(tracked.next_step_at_ns, tracked.final_after_at_ns);
  }
  WakeAt(tracked.next_step_at_ns);
}

void QuotingLoop::Core::BackOffCancel(TrackedOrder& tracked) {
  tracked.cancel_backoff_ns =
      tracked.cancel_backoff_ns == 0
          ? options_.cancel_retry_ns
          : std::min(tracked.cancel_backoff_ns * 2, options_.cancel_retry_ns_max);
  tracked.next_cancel_at_ns = now_ns_ + tracked.cancel_backoff_ns;
  decide_at_ns_ = std::min(decide_at_ns_, tracked.next_cancel_at_ns);
}

int64_t QuotingLoop::Core::ScheduleOf(const TrackedOrder& tracked) const {
  int64_t next = INT64_MAX;
  if (tracked.answer_due_at_ns != 0) next = std::min(next, tracked.answer_due_at_ns);
  const bool has_step = tracked.is_verifying || (tracked.stage != ResolveStage::kSettled &&
                                                 tracked.stage != ResolveStage::kAwaitCancel);
  if (has_step && !tracked.has_query_in_flight) next = std::min(next, tracked.next_step_at_ns);
  if (tracked.fills_due_at_ns != 0) next = std::min(next, tracked.fills_due_at_ns);
  return next;
}

int QuotingLoop::Core::FireOrderTimers() {
  int work = 0;
  next_order_timer_ns_ = INT64_MAX;
  // A timer can end an order, which moves another into its place in the list: that one is looked at
  // again, or a turn later.
  for (size_t i = 0; i < orders_.live().size(); ++i) {
    TrackedOrder& tracked = orders_.at(orders_.live()[i]);
    work += FireTimersOf(tracked) ? 1 : 0;
    if (tracked.is_live()) {
      WakeAt(std::max(ScheduleOf(tracked), now_ns_ + 1));
    } else {
      WakeAt(now_ns_ + 1);
    }
  }
  return work;
}

bool QuotingLoop::Core::FireTimersOf(TrackedOrder& tracked) {
  bool has_fired = false;
  if (tracked.answer_due_at_ns != 0 && now_ns_ >= tracked.answer_due_at_ns) {
    tracked.answer_due_at_ns = 0;
    has_fired = true;
    if (tracked.stage == ResolveStage::kAwaitCancel) {
      tracked.stage = ResolveStage::kCancel;
      BackOffStep(tracked);
    } else if (tracked.order.state == OrderState::kInFlight ||
               tracked.order.state == OrderState::kPendingCancel) {
      CountFailure();
      LoseTrack(tracked, 0);
    }
  }
  if (tracked.fills_due_at_ns != 0 && now_ns_ >= tracked.fills_due_at_ns) {
    has_fired = true;
    tracked.fills_due_at_ns = 0;
    tracked.fills_needed_after = RequestFillsOf(tracked);
  }
  const bool has_step = (tracked.is_verifying || tracked.stage != ResolveStage::kSettled) &&
                        tracked.stage != ResolveStage::kAwaitCancel && !tracked.has_query_in_flight;
  if (has_step && now_ns_ >= tracked.next_step_at_ns) {
    has_fired = true;
    ResolveStep(tracked);
  }
  return has_fired;
}

void QuotingLoop::Core::ResolveStep(TrackedOrder& tracked) {
  if (tracked.stage == ResolveStage::kQuery && tracked.is_absent_once &&
      now_ns_ >= tracked.final_after_at_ns) {
    tracked.stage = ResolveStage::kCancel;
  }
  if (tracked.stage != ResolveStage::kCancel) {
    SendOrderQuery(tracked);
    return;
  }
  if (SendCancel(tracked)) {
    tracked.stage = ResolveStage::kAwaitCancel;
  } else {
    BackOffStep(tracked);
  }
}

void QuotingLoop::Core::SendOrderQuery(TrackedOrder& tracked) {
  constexpr int64_t kBusyRetryNs = 10 * kNanosPerMilli;
  if (order_queries_ >= options_.max_order_queries || !CanQuery()) {
    tracked.next_step_at_ns = now_ns_ + kBusyRetryNs;
    return;
  }
  const RequestId id = NextRequestId();
  const absl::Status status = engine_.QueryOrder(id, instrument_.id, tracked.order.client_order_id);
  if (!status.ok()) {
    BackOffStep(tracked);
    return;
  }
  TrackQuery(id, QueryKind::kOrder, tracked.order.number);
  tracked.has_query_in_flight = true;
}

// True when the cancel was handed over.
bool QuotingLoop::Core::SendCancel(TrackedOrder& tracked) {
  const absl::Status status = engine_.Cancel({.number = tracked.order.number,
                                              .client_order_id = tracked.order.client_order_id,
                                              .venue_order_id = tracked.order.venue_order_id,
                                              .instrument = tracked.order.instrument});
  if (!status.ok()) return false;
  ++counters_.cancels_sent;
  LogOrder(LoopEventKind::kCancelSent, Severity::kInfo, tracked.order, "", tracked.order.state);
  tracked.cancel_wall_ns = wall_ns_;
  Apply(tracked, OrderEvent::kRequestCancel);
  tracked.answer_due_at_ns = now_ns_ + options_.answer_deadline_ns;
  WakeAt(tracked.answer_due_at_ns);
  return true;
}

void QuotingLoop::Core::OnOrderQueryEnded(const OpenQuery& query, bool is_ok) {
  TrackedOrder* tracked = orders_.Find(query.number);
  if (tracked == nullptr) return;
  tracked->has_query_in_flight = false;
  const bool is_open_question =
      tracked->is_live() && (tracked->is_verifying || tracked->stage != ResolveStage::kSettled);
  if (!is_open_question) return;
  // Failed, or answered without deciding: ask again later.
  if (!is_ok || tracked->next_step_at_ns <= now_ns_) BackOffStep(*tracked);
  WakeAt(ScheduleOf(*tracked));
}

void QuotingLoop::Core::Handle(const OrderAbsent& event) {
  TrackedOrder* tracked = FindOwn(event.client_order_id);
  if (tracked == nullptr || !tracked->is_live() || tracked->pending_end.has_value()) return;
  if (tracked->is_verifying) {
    // Was resting, or its cancel met an unknown order, and nobody knows it any more.
    LoseTrack(*tracked, 0);
    if (tracked->order.state == OrderState::kUnknown) tracked->is_absent_once = true;
    return;
  }
  if (tracked->order.state != OrderState::kUnknown) return;
  tracked->is_absent_once = true;
  const int64_t answered_at_venue_ns =
      event.venue_time_ns != 0 ? event.venue_time_ns : VenueNowNs();
  const bool is_late_enough = now_ns_ >= tracked->final_after_at_ns &&
                              answered_at_venue_ns >= tracked->final_after_venue_ns;
  if (tracked->stage == ResolveStage::kProve && is_late_enough) {
    OnAbsentFinal(*tracked);
    return;
  }
  BackOffStep(*tracked);
}

// Absent for good. One that the venue had accepted may have filled before it was forgotten: only
// the list of fills can say, and it has to be read after this answer.
void QuotingLoop::Core::OnAbsentFinal(TrackedOrder& tracked) {
  if (!tracked.was_accepted) {
    Apply(tracked, OrderEvent::kProveAbsent);
    return;
  }
  if (tracked.fills_needed_after == 0) {
    tracked.fills_needed_after = RequestFillsOf(tracked);
  } else if (fills_since_time_.completed >= tracked.fills_needed_after) {
    Apply(tracked, OrderEvent::kProveAbsent);
    return;
  }
  BackOffStep(tracked);
}

}  // namespace holdfast
