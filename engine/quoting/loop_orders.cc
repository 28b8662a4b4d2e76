// What the venue says about our orders: answers, reports of the private stream, rows of queries.
// Evidence may come in any order and any number of times; the transition table decides, and what it
// does not allow is counted and logged while quantities stay exact.
#include <algorithm>

#include "engine/base/assert.h"
#include "engine/quoting/loop_core.h"

namespace holdfast {

void QuotingLoop::Core::OnVenueEvent(const VenueEvent& event) {
  std::visit([this](const auto& typed) { Handle(typed); }, event);
}

TrackedOrder* QuotingLoop::Core::FindOwn(const ClientOrderId& id) {
  const auto parsed = ParseClientOrderId(account_, id.view());
  return parsed ? orders_.Find(parsed->number) : nullptr;
}

// An id of before the last change of the tick size carries a line in the old tick. Where it does
// not land on the new one the nearest line stands for it: what it names is no line of the grid any
// more.
SlotKey QuotingLoop::Core::KeyOf(const ParsedClientOrderId& parsed) const {
  SlotKey key = SlotKey::Unpack(parsed.slot_key);
  if (!line_change_.has_value() || parsed.number >= line_change_->first_number) return key;
  const __int128 units = static_cast<__int128>(key.line) * line_change_->old_tick_size.units();
  const __int128 line =
      DivideRounded(units, line_change_->new_tick_size.units(), Rounding::kNearest);
  if (line >= INT32_MIN && line <= INT32_MAX) key.line = static_cast<int32_t>(line);
  return key;
}

// --- transitions ---------------------------------------------------------------------------------

bool QuotingLoop::Core::Apply(TrackedOrder& tracked, OrderEvent event) {
  const OrderState from = tracked.order.state;
  const std::optional<OrderState> to = NextState(from, event);
  if (!to) {
    ++counters_.illegal_transitions;
    LogOrder(LoopEventKind::kIllegalTransition, Severity::kAlert, tracked.order, ToText(event),
             from);
    return false;
  }
  {
    OrderTable::Change change(orders_, tracked);
    tracked.order.state = *to;
    tracked.order.update_time_ns = wall_ns_;
  }
  needs_decision_ = true;
  if (from == *to) return true;
  LogOrder(LoopEventKind::kOrderTransition, Severity::kInfo, tracked.order, ToText(event), from);
  if (from == OrderState::kUnknown) {
    if (event == OrderEvent::kProveAbsent) {
      ++counters_.unknown_resolved_absent;
    } else {
      ++counters_.unknown_resolved_present;
    }
    tracked.stage = ResolveStage::kSettled;
  }
  if (*to == OrderState::kUnknown) ++counters_.orders_unknown;
  if (IsFinal(*to) && !IsFinal(from)) OnOrderEnded(tracked, from);
  if (*to == OrderState::kWorking || *to == OrderState::kPartiallyFilled) {
    tracked.answer_due_at_ns = 0;
    if (from == OrderState::kInFlight || from == OrderState::kUnknown) OnOrderLive(tracked);
  }
  return true;
}

void QuotingLoop::Core::OnOrderLive(TrackedOrder& tracked) {
  const SlotKey key = tracked.key();
  if (key.is_exit) {
    books_.slots().ClearPostOnlyRejects(key);
    return;
  }
  // Not legal only when the slot could not be tracked or has moved on without this order.
  const bool is_legal = books_.slots().OnEntryAccepted(key);
  static_cast<void>(is_legal);
}

void QuotingLoop::Core::OnOrderEnded(TrackedOrder& tracked, OrderState) {
  switch (tracked.order.state) {
    case OrderState::kCanceled:
      ++counters_.orders_canceled;
      break;
    case OrderState::kExpired:
      ++counters_.orders_expired;
      break;
    case OrderState::kFilled:
      ++counters_.orders_filled;
      break;
    default:
      break;
  }
  tracked.ended_at_ns = now_ns_;
  should_retry_unattributed_ = should_retry_unattributed_ || !unattributed_.empty();
  const SlotKey key = tracked.key();
  if (key.is_exit || HasLiveEntry(key, &tracked)) return;
  const Slot* slot = books_.slots().Find(key);
  if (slot == nullptr || slot->state == SlotState::kFree) return;
  const bool is_legal = books_.slots().OnEntryEnded(key);
  HF_ASSERT(is_legal);  // every state but free has the row
}

bool QuotingLoop::Core::HasLiveEntry(SlotKey key, const TrackedOrder* except) const {
  const int64_t packed = SlotKey{.line = key.line, .entry_side = key.entry_side}.Packed();
  for (uint32_t position : orders_.live()) {
    const TrackedOrder& tracked = orders_.at(position);
    if (&tracked != except && tracked.order.slot_key == packed) return true;
  }
  return false;
}

// The exit closed the slot while an entry for its missing part still rests: pending or locked
// again.
void QuotingLoop::Core::RestoreSlotOfLiveEntry(SlotKey key) {
  const int64_t packed = SlotKey{.line = key.line, .entry_side = key.entry_side}.Packed();
  for (uint32_t position : orders_.live()) {
    const TrackedOrder& tracked = orders_.at(position);
    if (tracked.order.slot_key != packed) continue;
    const SlotKey entry = SlotKey::Unpack(packed);
    if (!books_.slots().OnEntryPlaced(entry, tracked.order.price)) return;
    if (tracked.was_accepted) static_cast<void>(books_.slots().OnEntryAccepted(entry));
    return;
  }
}

void QuotingLoop::Core::CountFailure() {
  if (!breaker_.OnFailure(wall_ns_)) return;
  RecordRisk("venue breaker opened");
  Log(LoopEventKind::kRiskMode, Severity::kAlert, "venue_breaker");
}

void QuotingLoop::Core::CountSuccess() {
  if (breaker_.OnSuccess()) RecordRisk("venue breaker closed");
}

// --- answers -------------------------------------------------------------------------------------

void QuotingLoop::Core::NoteEvidence(TrackedOrder& tracked, VenueOrderId venue_order_id) {
  tracked.was_accepted = true;
  tracked.is_absent_once = false;
  tracked.is_verifying = false;
  if (tracked.order.venue_order_id == venue_order_id || venue_order_id.value() == 0) return;
  if (orders_.SetVenueId(tracked, venue_order_id)) {
    OrderTable::Change change(orders_, tracked);  // worth recording
    should_retry_unattributed_ = should_retry_unattributed_ || !unattributed_.empty();
    return;
  }
  ++counters_.illegal_transitions;
  LogOrder(LoopEventKind::kIllegalTransition, Severity::kAlert, tracked.order, "second_venue_id",
           tracked.order.state);
}

void QuotingLoop::Core::Handle(const OrderAccepted& event) {
  TrackedOrder* tracked = FindOwn(event.client_order_id);
  if (tracked == nullptr) return;
  const bool was_accepted = tracked->was_accepted;
  NoteEvidence(*tracked, event.venue_order_id);
  TimeAnswer(*tracked, event.receive_time_ns);
  // The answer that comes behind the report of the order's end is no news; this is.
  const bool is_end_wrong = tracked->order.state == OrderState::kRejected ||
                            (tracked->order.state == OrderState::kExpired && !was_accepted);
  if (is_end_wrong) OnStray(*tracked, "accepted_after_end");
  CountSuccess();
  const OrderState state = tracked->order.state;
  if (state == OrderState::kInFlight) ++counters_.orders_accepted;
  if (tracked->pending_end.has_value()) return;
  if (state == OrderState::kInFlight || state == OrderState::kUnknown) {
    Apply(*tracked, OrderEvent::kAccept);
  }
}

void QuotingLoop::Core::Handle(const OrderRejected& event) {
  // The venue has not seen this one: no word of the venue's, and no failure of it.
  const bool was_sent = event.reason != RejectReason::kNotSent;
  if (was_sent) {
    ++counters_.rejects_by_reason[static_cast<size_t>(event.reason)];
  } else {
    ++counters_.orders_not_sent;
  }
  TrackedOrder* tracked = FindOwn(event.client_order_id);
  if (tracked == nullptr) return;
  const SlotKey key = tracked->key();
  if (event.reason == RejectReason::kDuplicateId) {
    // An open order has this id: the first copy arrived, whatever we were told about it.
    if (tracked->is_live() && !tracked->is_resting()) LoseTrack(*tracked, 0);
    return;
  }
  if (!NextState(tracked->order.state, OrderEvent::kReject)) {
    Apply(*tracked, OrderEvent::kReject);  // counts and logs it
    if (tracked->is_resting()) Verify(*tracked);
    return;
  }
  TimeAnswer(*tracked, event.receive_time_ns);
  if (event.reason == RejectReason::kWouldTake) {
    // G9: priced again at the next decision, never as a taker, and the level stays.
    books_.slots().CountPostOnlyReject(key);
    cooldown_.Set(key, now_ns_ + options_.post_only_retry_ns);
    CountSuccess();
  } else {
    cooldown_.Set(key, now_ns_ + options_.reject_retry_ns);
    if (was_sent) CountFailure();
  }
  decide_at_ns_ = std::min(decide_at_ns_, now_ns_ + options_.post_only_retry_ns);
  Apply(*tracked, OrderEvent::kReject);
}

void QuotingLoop::Core::Handle(const OrderAmbiguous& event) {
  TrackedOrder* tracked = FindOwn(event.client_order_id);
  CountFailure();
  if (tracked == nullptr || tracked->was_accepted || !tracked->is_live()) return;
  LoseTrack(*tracked, event.submit_expiry_ns);
}

// Believed live, and there is reason to doubt it: asked for, now.
void QuotingLoop::Core::Verify(TrackedOrder& tracked) {
  tracked.is_verifying = true;
  tracked.step_backoff_ns = 0;
  tracked.next_step_at_ns = now_ns_;
  WakeAt(now_ns_);
}

void QuotingLoop::Core::Handle(const CancelRejected& event) {
  ++counters_.cancels_rejected;
  if (event.reason == CancelRejectReason::kUnknownOrder) ForgetStray(event.client_order_id);
  TrackedOrder* tracked = FindOwn(event.client_order_id);
  if (tracked == nullptr || !tracked->is_live()) return;
  LogOrder(LoopEventKind::kCancelRejected, Severity::kInfo, tracked->order, ToText(event.reason),
           tracked->order.state);
  tracked->answer_due_at_ns = 0;
  const bool is_resolving = tracked->stage == ResolveStage::kAwaitCancel;
  switch (event.reason) {
    case CancelRejectReason::kUnknownOrder:
      // Not proof of anything by itself: the order and its fills are asked for.
      if (is_resolving) {
        tracked->stage = ResolveStage::kProve;
        tracked->next_step_at_ns = now_ns_ + engine_.capabilities().visibility_lag_ns;
      } else if (tracked->order.state != OrderState::kUnknown &&
                 !tracked->pending_end.has_value()) {
        // Whatever we took it for: an answer to a cancel can come behind other news of the order.
        Verify(*tracked);
      }
      break;
    case CancelRejectReason::kAmbiguous:
      CountFailure();
      if (is_resolving) {
        tracked->stage = ResolveStage::kCancel;
        BackOffStep(*tracked);
      } else if (tracked->order.state == OrderState::kPendingCancel) {
        LoseTrack(*tracked, 0);
      }
      break;
    case CancelRejectReason::kRateLimit:
    case CancelRejectReason::kNotSent:
    case CancelRejectReason::kOther:
      BackOffCancel(*tracked);
      if (is_resolving) {
        tracked->stage = ResolveStage::kCancel;
        BackOffStep(*tracked);
      } else if (tracked->order.state == OrderState::kPendingCancel) {
        // An order whose acceptance was never seen is not working because a cancel was refused.
        if (tracked->was_accepted) {
          Apply(*tracked, OrderEvent::kRejectCancel);
        } else {
          LoseTrack(*tracked, 0);
        }
      }
      break;
  }
  WakeAt(ScheduleOf(*tracked));
}

// --- reports -------------------------------------------------------------------------------------

void QuotingLoop::Core::Handle(const OrderReport& report) {
  if (report.instrument != instrument_.id) return;
  ExtendQuery(report.request_id);
  if (!unattributed_.empty()) NoteOwner(report);
  const auto parsed = ParseClientOrderId(account_, report.client_order_id.view());
  if (!parsed) {
    if (report.source == EvidenceSource::kOpenOrdersQuery) OnForeignOrder(report);
    return;
  }
  // A row of an earlier listing tells nothing about this one.
  const bool is_scan =
      report.source == EvidenceSource::kOpenOrdersQuery && report.request_id == scan_.request;
  if (is_scan) ++scan_.own_rows;
  TrackedOrder* tracked = orders_.Find(parsed->number);
  const bool is_open = report.status == VenueOrderStatus::kNew ||
                       report.status == VenueOrderStatus::kPartiallyFilled;
  if (!is_open) ForgetStray(report.client_order_id);
  if (tracked == nullptr) {
    if (is_open) Adopt(report, *parsed);
    return;
  }
  if (!tracked->is_live()) {
    OnReportOfEnded(*tracked, report, is_scan);
    return;
  }
  if (is_scan) tracked->seen_in_scan = scan_.generation;
  NoteEvidence(*tracked, report.venue_order_id);
  if (report.source == EvidenceSource::kStream) TimeAnswer(*tracked, report.receive_time_ns);
  tracked->venue_filled = std::max(tracked->venue_filled, report.filled);
  if (!is_open) {
    OnReportedEnd(*tracked, report);
    return;
  }
  if (tracked->pending_end.has_value()) return;
  const OrderState state = tracked->order.state;
  if (state == OrderState::kInFlight || state == OrderState::kUnknown) {
    if (state == OrderState::kInFlight) ++counters_.orders_accepted;
    Apply(*tracked,
          tracked->order.filled.is_positive() ? OrderEvent::kPartialFill : OrderEvent::kAccept);
  } else if (state == OrderState::kPendingCancel && report.source == EvidenceSource::kOrderQuery) {
    // Asked after the cancel was refused or lost, and it still rests: cancel again.
    tracked->answer_due_at_ns = 0;
    Apply(*tracked, OrderEvent::kRejectCancel);
  }
  if (tracked->venue_filled > tracked->order.filled) ExpectFills(*tracked);
}

// A list can be older than the stream, and reports of the stream can change places. What cannot be
// explained so is an order that rests although we know it as ended.
void QuotingLoop::Core::OnReportOfEnded(TrackedOrder& tracked, const OrderReport& report,
                                        bool is_listed) {
  const bool was_accepted = tracked.was_accepted;
  NoteEvidence(tracked, report.venue_order_id);
  tracked.venue_filled = std::max(tracked.venue_filled, report.filled);
  const bool is_open = report.status == VenueOrderStatus::kNew ||
                       report.status == VenueOrderStatus::kPartiallyFilled;
  if (!is_open) return;
  const int64_t visible_after_ns = tracked.ended_at_ns + engine_.capabilities().visibility_lag_ns;
  if (is_listed && scan_.started_at_ns > visible_after_ns) OnStray(tracked, "listed_after_end");
  if (report.source != EvidenceSource::kStream) return;
  ++counters_.illegal_transitions;
  LogOrder(LoopEventKind::kIllegalTransition, Severity::kWarning, tracked.order,
           ToText(report.status), tracked.order.state);
  if (!was_accepted) OnStray(tracked, "reported_after_end");
}

void QuotingLoop::Core::OnReportedEnd(TrackedOrder& tracked, const OrderReport& report) {
  switch (report.status) {
    case VenueOrderStatus::kFilled:
      tracked.pending_end = OrderEvent::kFill;
      tracked.venue_filled = tracked.order.quantity;
      break;
    case VenueOrderStatus::kCanceled:
      tracked.pending_end = OrderEvent::kCancel;
      if (tracked.cancel_wall_ns != 0) {
        Record(LatencyStage::kCancelToAck, report.receive_time_ns - tracked.cancel_wall_ns);
        tracked.cancel_wall_ns = 0;
      }
      break;
    case VenueOrderStatus::kRejected:
      if (tracked.is_resting() && report.source != EvidenceSource::kOrderQuery) {
        // What rests was accepted, so one of the two is wrong: the answer to a question decides.
        LogOrder(LoopEventKind::kOrderTransition, Severity::kAlert, tracked.order,
                 "rejected_while_resting", tracked.order.state);
        Verify(tracked);
        return;
      }
      tracked.pending_end = OrderEvent::kReject;
      break;
    case VenueOrderStatus::kExpired:
      tracked.pending_end = OrderEvent::kExpire;
      break;
    case VenueOrderStatus::kNew:
    case VenueOrderStatus::kPartiallyFilled:
      HF_ASSERT(false);
  }
  tracked.answer_due_at_ns = 0;
  tracked.stage = ResolveStage::kSettled;
  TryEnd(tracked);
  if (tracked.is_live()) ExpectFills(tracked);
}

// The end of an order is believed, and recorded, only when the fills it implies are booked: a crash
// in between finds an open order in the store and asks again.
void QuotingLoop::Core::TryEnd(TrackedOrder& tracked) {
  if (!tracked.pending_end.has_value() || !tracked.is_live()) return;
  if (tracked.order.filled < tracked.venue_filled) return;
  OrderEvent event = *tracked.pending_end;
  if (event == OrderEvent::kFill && tracked.order.remaining().is_positive()) return;
  if (!NextState(tracked.order.state, event)) {
    // A rest that is reported rejected, say: counted, and ended all the same.
    ++counters_.illegal_transitions;
    LogOrder(LoopEventKind::kIllegalTransition, Severity::kAlert, tracked.order, ToText(event),
             tracked.order.state);
    event = OrderEvent::kExpire;
  }
  Apply(tracked, event);
}

// --- orders that are not in the table ------------------------------------------------------------

// Ours by its id, open, and not known: the store lost it (a crash between the wire and the record).
// It is taken over as it is; whether it is still wanted, the next decision says.
void QuotingLoop::Core::Adopt(const OrderReport& report, const ParsedClientOrderId& parsed) {
  if (!orders_.CanInsert()) {
    ++counters_.denies_by_reason[static_cast<size_t>(DenyReason::kOrderTable)];
    RequestReconcile("order table full");
    return;
  }
  Order order;
  order.number = parsed.number;
  order.client_order_id = report.client_order_id;
  order.venue_order_id = report.venue_order_id;
  order.instrument = report.instrument;
  order.side = report.side;
  order.state = OrderState::kWorking;
  order.price = report.price;
  order.quantity = report.quantity;
  order.slot_key = KeyOf(parsed).Packed();
  order.create_time_ns =
      recovered_stored_time_ns_ != 0 ? recovered_stored_time_ns_ : start_wall_ns_;
  order.update_time_ns = wall_ns_;
  TrackedOrder& tracked = orders_.Insert(order);
  tracked.was_accepted = true;
  tracked.is_inherited = true;
  tracked.placed_at_ns = now_ns_;
  tracked.venue_filled = report.filled;
  tracked.seen_in_scan = scan_.generation;
  ++counters_.orders_adopted;
  LogOrder(LoopEventKind::kOrderAdopted, Severity::kWarning, tracked.order, ToText(report.source),
           OrderState::kInitialized);
  const SlotKey key = tracked.key();
  if (!key.is_exit && books_.slots().OnEntryPlaced(key, order.price)) {
    static_cast<void>(books_.slots().OnEntryAccepted(key));
  }
  if (report.filled.is_positive()) ExpectFills(tracked);
  needs_decision_ = true;
}

void QuotingLoop::Core::OnForeignOrder(const OrderReport& report) {
  ++counters_.foreign_orders_seen;
  Order order;
  order.client_order_id = report.client_order_id;
  order.venue_order_id = report.venue_order_id;
  order.side = report.side;
  order.price = report.price;
  order.quantity = report.quantity;
  order.filled = report.filled;
  order.state = OrderState::kWorking;
  LogOrder(LoopEventKind::kForeignOrder, Severity::kWarning, order,
           options_.cancel_foreign_orders ? "canceled" : "left", OrderState::kWorking);
  if (!options_.cancel_foreign_orders) return;
  // Not sent now: the next listing shows it again.
  const absl::Status status = engine_.Cancel({.number = OrderNumber(),
                                              .client_order_id = report.client_order_id,
                                              .venue_order_id = report.venue_order_id,
                                              .instrument = report.instrument});
  if (status.ok()) ++counters_.cancels_sent;
}

// --- connection ----------------------------------------------------------------------------------

void QuotingLoop::Core::Handle(const ConnectionChange& change) {
  // Also a drop so short that the flags never showed it.
  if (change.channel == Channel::kPrivateStream && !change.is_up) {
    RequestReconcile("private stream down");
  }
}

void QuotingLoop::Core::Handle(const FatalVenueError& error) {
  fatal_error_ = error;
  needs_decision_ = true;
  Log(LoopEventKind::kFatal, Severity::kAlert, "venue_error", error.text.view());
}

}  // namespace holdfast
