// Fills, wherever they come from: private stream, reply, list. Booked once by trade id, attributed
// by client id, else by the venue's order id. A list row that names an order we have not identified
// yet waits until the orders that could be meant are known; then it is booked, or it is foreign.
#include <algorithm>

#include "engine/base/assert.h"
#include "engine/quoting/loop_core.h"

namespace holdfast {

void QuotingLoop::Core::Handle(const FillReport& report) {
  if (report.fill.instrument != instrument_.id) return;
  ExtendQuery(report.request_id);
  if (report.request_id.value() != 0 && report.request_id == fills_since_cursor_.request) {
    newest_listed_ = std::max(newest_listed_, report.fill.trade_id);
  }
  OnFill(report.fill);
}

void QuotingLoop::Core::OnFill(const Fill& fill) {
  const bool is_possible = fill.trade_id.value() > 0 && fill.quantity.is_positive() &&
                           fill.price.ticks() > 0 &&
                           (fill.fee.is_zero() || !fill.fee_asset.empty());
  if (!is_possible) {
    ++counters_.illegal_transitions;
    Log(LoopEventKind::kIllegalTransition, Severity::kAlert, "impossible_fill");
    return;
  }
  if (books_.IsBooked(fill.trade_id)) {
    ++counters_.duplicate_fills;
    return;
  }
  for (const WaitingFill& waiting : unattributed_) {
    if (waiting.fill.trade_id == fill.trade_id && fill.client_order_id.empty()) return;
  }
  if (Attribute(fill)) return;
  if (unattributed_.full()) {
    // The lists under way do not count; the next ones bring it again.
    fills_since_cursor_.had_overflow = true;
    fills_since_time_.had_overflow = true;
    RequestCursorFills();
    return;
  }
  unattributed_.push_back({.fill = fill});
  WakeAt(now_ns_);
}

// True when the fill is booked, ours or foreign.
bool QuotingLoop::Core::Attribute(const Fill& fill) {
  if (!fill.client_order_id.empty()) {
    const auto parsed = ParseClientOrderId(account_, fill.client_order_id.view());
    if (!parsed) {
      BookForeignFill(fill);
      return true;
    }
    TrackedOrder* tracked = orders_.Find(parsed->number);
    if (tracked != nullptr) NoteEvidence(*tracked, fill.venue_order_id);
    BookOwnFill(tracked, tracked != nullptr ? tracked->key() : KeyOf(*parsed), fill);
    return true;
  }
  if (TrackedOrder* tracked = orders_.Find(fill.venue_order_id)) {
    BookOwnFill(tracked, tracked->key(), fill);
    return true;
  }
  return false;
}

// Orders in question identify themselves, as a rule before the venue has answered; until the first
// listing is done nobody knows which orders there are.
int QuotingLoop::Core::AskForOwners() {
  int work = 0;
  for (WaitingFill& waiting : unattributed_) {
    if (waiting.request.value() != 0 || waiting.is_foreign) continue;
    if (now_ns_ < waiting.next_try_at_ns || !CanQuery()) continue;
    if (order_queries_ >= options_.max_order_queries) break;
    if (!has_listed_orders_ && !stop_.is_active) break;
    if (CouldBelongToUnidentified(waiting.fill)) continue;
    const RequestId id = NextRequestId();
    const absl::Status status =
        engine_.QueryOrderByVenueId(id, instrument_.id, waiting.fill.venue_order_id);
    ++work;
    if (status.ok()) {
      TrackQuery(id, QueryKind::kOrder);
      waiting.request = id;
    } else if (absl::IsUnimplemented(status)) {
      waiting.is_foreign = true;
      should_retry_unattributed_ = true;
    } else {
      waiting.next_try_at_ns = now_ns_ + options_.reconcile_retry_ns;
    }
  }
  return work;
}

void QuotingLoop::Core::NoteOwner(const OrderReport& report) {
  for (WaitingFill& waiting : unattributed_) {
    if (waiting.fill.venue_order_id != report.venue_order_id) continue;
    waiting.fill.client_order_id = report.client_order_id;
    waiting.is_foreign = report.client_order_id.empty();
    should_retry_unattributed_ = true;
  }
}

// A whole answer without a row: the venue knows no such order of this account.
void QuotingLoop::Core::OnOwnerQueryEnded(RequestId request, bool is_ok) {
  for (WaitingFill& waiting : unattributed_) {
    if (waiting.request != request) continue;
    waiting.request = RequestId();
    waiting.next_try_at_ns = now_ns_ + options_.reconcile_retry_ns;
    waiting.is_foreign = is_ok && waiting.fill.client_order_id.empty();
    should_retry_unattributed_ = true;
  }
}

bool QuotingLoop::Core::CouldBelongToUnidentified(const Fill& fill) const {
  for (uint32_t position : orders_.live()) {
    const TrackedOrder& tracked = orders_.at(position);
    const bool is_identified = tracked.order.venue_order_id.value() != 0;
    if (!is_identified && tracked.order.side == fill.side) return true;
  }
  return false;
}

void QuotingLoop::Core::RetryUnattributed() {
  should_retry_unattributed_ = false;
  for (size_t i = 0; i < unattributed_.size();) {
    const WaitingFill waiting = unattributed_[i];
    bool is_done = books_.IsBooked(waiting.fill.trade_id) || Attribute(waiting.fill);
    if (!is_done && waiting.is_foreign) {
      BookForeignFill(waiting.fill);
      is_done = true;
    }
    if (!is_done) {
      ++i;
      continue;
    }
    unattributed_[i] = unattributed_.back();
    unattributed_.pop_back();
  }
}

// --- booking -------------------------------------------------------------------------------------

void QuotingLoop::Core::BookOwnFill(TrackedOrder* tracked, SlotKey key, const Fill& reported) {
  Fill fill = reported;
  if (tracked != nullptr && fill.client_order_id.empty()) {
    fill.client_order_id = tracked->order.client_order_id;
  }
  if (tracked != nullptr && fill.side != tracked->order.side) {
    ++counters_.illegal_transitions;
    LogOrder(LoopEventKind::kIllegalTransition, Severity::kAlert, tracked->order, "fill_side",
             tracked->order.state);
  }
  AccountBooks::Booked booked;
  books_.BookOwn(fill, key, booked);
  if (!booked.ledger_status.ok()) {
    OnLedgerFull(fill.fee_asset);
    return;
  }
  const bool is_late = tracked == nullptr || IsFinal(tracked->order.state);
  if (is_late) ++counters_.late_fills;
  if (!booked.slot_result.is_legal) ++counters_.illegal_transitions;
  if (tracked != nullptr) {
    ApplyFillToOrder(*tracked, fill);
    booked.record.order = tracked->order;
  }
  records_.Push(booked.record);
  if (tracked != nullptr) orders_.MarkRecorded(*tracked);
  ++counters_.fills;
  AfterBooking(booked);
  if (booked.slot_result.is_closed) RestoreSlotOfLiveEntry(key);
  if (observer_ != nullptr) {
    LoopEvent event;
    event.kind = LoopEventKind::kFill;
    if (tracked != nullptr) {
      event.number = tracked->order.number;
      event.to = tracked->order.state;
      event.filled = tracked->order.filled;
    }
    event.client_order_id = fill.client_order_id;
    event.venue_order_id = fill.venue_order_id;
    event.trade_id = fill.trade_id;
    event.side = fill.side;
    event.price = fill.price;
    event.quantity = fill.quantity;
    event.reason = InlineString<32>::Truncated(ToText(fill.liquidity));
    Emit(event);
  }
  if (tracked != nullptr) TryEnd(*tracked);
}

void QuotingLoop::Core::ApplyFillToOrder(TrackedOrder& tracked, const Fill& fill) {
  TimeAnswer(tracked, fill.receive_time_ns);
  const bool was_unanswered = tracked.order.state == OrderState::kInFlight;
  const bool is_overfill = fill.quantity > tracked.order.remaining();
  if (is_overfill) {
    // Cannot be; the position has it all the same.
    ++counters_.illegal_transitions;
    LogOrder(LoopEventKind::kIllegalTransition, Severity::kAlert, tracked.order, "overfill",
             tracked.order.state);
  }
  {
    OrderTable::Change change(orders_, tracked);
    tracked.order.filled += std::min(fill.quantity, tracked.order.remaining());
  }
  tracked.was_accepted = true;
  tracked.is_verifying = false;
  tracked.venue_filled = std::max(tracked.venue_filled, tracked.order.filled);
  const bool is_whole = tracked.order.remaining().is_zero();
  if (was_unanswered) ++counters_.orders_accepted;
  if (is_overfill && IsFinal(tracked.order.state)) return;
  Apply(tracked, is_whole ? OrderEvent::kFill : OrderEvent::kPartialFill);
}

void QuotingLoop::Core::BookForeignFill(const Fill& fill) {
  AccountBooks::Booked booked;
  books_.BookForeign(fill, booked);
  if (!booked.ledger_status.ok()) {
    OnLedgerFull(fill.fee_asset);
    return;
  }
  records_.Push(booked.record);
  ++counters_.foreign_fills;
  AfterBooking(booked);
  if (observer_ == nullptr) return;
  LoopEvent event;
  event.kind = LoopEventKind::kForeignFill;
  event.severity = Severity::kAlert;
  event.client_order_id = fill.client_order_id;
  event.venue_order_id = fill.venue_order_id;
  event.trade_id = fill.trade_id;
  event.side = fill.side;
  event.price = fill.price;
  event.quantity = fill.quantity;
  Emit(event);
}

void QuotingLoop::Core::AfterBooking(const AccountBooks::Booked& booked) {
  ++booked_count_;
  needs_decision_ = true;
  if (booked.record.fill.receive_time_ns != 0) {
    Record(LatencyStage::kFillToBooked, clock_.WallNs() - booked.record.fill.receive_time_ns);
  }
}

// What cannot be booked whole is not booked at all, and not stored: a store with more assets than
// fit in a ledger could not be loaded again. The order stays open in the store, so that the next
// run asks for the fill.
void QuotingLoop::Core::OnLedgerFull(AssetCode asset) {
  if (is_ledger_complete_) {
    Log(LoopEventKind::kStore, Severity::kAlert, "ledger_full",
        "no room for another asset: not booked, quoting stops; start with an empty store");
    Log(LoopEventKind::kStore, Severity::kAlert, "ledger_full_asset", asset.view());
  }
  is_ledger_complete_ = false;
  needs_decision_ = true;
}

// --- fills that are missing ----------------------------------------------------------------------

// The venue says more is filled than we have booked. The fill is normally right behind.
void QuotingLoop::Core::ExpectFills(TrackedOrder& tracked) {
  if (tracked.fills_due_at_ns != 0 || tracked.fills_needed_after > fills_since_time_.completed)
    return;
  tracked.fills_backoff_ns =
      tracked.fills_backoff_ns == 0
          ? options_.resolve_retry_ns
          : std::min(tracked.fills_backoff_ns * 2, options_.resolve_retry_ns_max);
  tracked.fills_due_at_ns = now_ns_ + tracked.fills_backoff_ns;
  WakeAt(tracked.fills_due_at_ns);
}

// Both return the number of the list that will satisfy the wish: one that starts after now.
uint64_t QuotingLoop::Core::RequestCursorFills() {
  fills_since_cursor_.is_wanted = true;
  return fills_since_cursor_.started + 1;
}

uint64_t QuotingLoop::Core::RequestFillsOf(const TrackedOrder& tracked) {
  constexpr int64_t kMarginNs = 60 * kNanosPerSecond;  // clocks differ
  const int64_t since_ns = tracked.order.create_time_ns + clock_offset_ns_ - kMarginNs;
  FillSync& sync = fills_since_time_;
  // A list under way may fail; the one that takes its place has to reach back as far.
  const bool is_open = sync.is_wanted || sync.request.value() != 0;
  sync.since_ns = is_open ? std::min(sync.since_ns, since_ns) : since_ns;
  sync.is_wanted = true;
  return sync.started + 1;
}

int QuotingLoop::Core::RunFillSync(FillSync& sync) {
  if (!sync.is_wanted || sync.request.value() != 0) return 0;
  if (now_ns_ < sync.next_try_at_ns || !CanQuery()) return 0;
  const RequestId id = NextRequestId();
  const bool is_by_cursor = &sync == &fills_since_cursor_ && fill_cursor_.value() != 0;
  const int64_t since_ns =
      &sync == &fills_since_time_ ? sync.since_ns : fills_since_ns_ + clock_offset_ns_;
  const absl::Status status =
      engine_.QueryFills(id, instrument_.id, is_by_cursor ? fill_cursor_ : VenueTradeId(),
                         is_by_cursor ? 0 : std::max<int64_t>(1, since_ns));
  if (!status.ok()) {
    sync.next_try_at_ns = now_ns_ + options_.reconcile_retry_ns;
    return 1;
  }
  TrackQuery(id, QueryKind::kFills);
  sync.request = id;
  sync.is_wanted = false;
  sync.had_overflow = false;
  ++sync.started;
  return 1;
}

void QuotingLoop::Core::OnFillSyncEnded(FillSync& sync, bool is_ok) {
  sync.request = RequestId();
  if (!is_ok || sync.had_overflow) {
    // The wish stands; whoever waits for this number is served by a later one. Rows come oldest
    // first and are booked: the next list goes on behind them.
    if (&sync == &fills_since_cursor_ && unattributed_.empty() && !sync.had_overflow) {
      fill_cursor_ = std::max(fill_cursor_, newest_listed_);
    }
    sync.is_wanted = true;
    sync.next_try_at_ns = now_ns_ + options_.reconcile_retry_ns;
    return;
  }
  sync.completed = sync.started;
  if (&sync == &fills_since_time_) {
    CreditBookedFills();
  } else if (unattributed_.empty()) {
    // Everything up to the newest row is booked now. Without a row the list goes on by time.
    fill_cursor_ = std::max(fill_cursor_, newest_listed_);
  }
}

// A whole list that began before the order did has come, and the order still lacks fills that the
// venue counts. Of an order of an earlier run those trades are booked already, and its record of
// the order was lost. Believed at the second such list: a list may lag behind the order's own
// state. An order of this run has every fill that was booked: what it lacks is missing, and is
// asked for until it comes.
void QuotingLoop::Core::CreditBookedFills() {
  for (size_t i = 0; i < orders_.live().size();) {
    const uint32_t position = orders_.live()[i];
    CreditBookedFillsOf(orders_.at(position));
    // The end of an order moves another into its place in the list.
    if (i < orders_.live().size() && orders_.live()[i] == position) ++i;
  }
}

void QuotingLoop::Core::CreditBookedFillsOf(TrackedOrder& tracked) {
  const bool was_waiting =
      tracked.fills_needed_after != 0 && tracked.fills_needed_after <= fills_since_time_.completed;
  // Without a reported end an unknown order is still being searched for; see OnAbsentFinal().
  const bool is_searching =
      tracked.order.state == OrderState::kUnknown && !tracked.pending_end.has_value();
  if (!was_waiting || is_searching) return;
  tracked.fills_needed_after = 0;
  if (tracked.venue_filled <= tracked.order.filled) return;
  const bool is_second_list = tracked.fills_backoff_ns > options_.resolve_retry_ns;
  if (!unattributed_.empty() || !is_second_list || !tracked.is_inherited) {
    if (is_second_list && !tracked.is_inherited) {
      LogOrder(LoopEventKind::kOrderTransition, Severity::kAlert, tracked.order, "fills_missing",
               tracked.order.state);
    }
    ExpectFills(tracked);
    return;
  }
  LogOrder(LoopEventKind::kOrderTransition, Severity::kWarning, tracked.order, "fills_were_booked",
           tracked.order.state);
  {
    OrderTable::Change change(orders_, tracked);
    tracked.order.filled = std::min(tracked.venue_filled, tracked.order.quantity);
  }
  if (tracked.order.remaining().is_zero()) tracked.pending_end = OrderEvent::kFill;
  TryEnd(tracked);
}

}  // namespace holdfast
