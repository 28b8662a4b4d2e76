// From the market to intents (X2): risk -> target -> difference -> cancels, then placements.
#include <algorithm>
#include <cstdlib>

#include "engine/base/assert.h"
#include "engine/quoting/loop_core.h"

namespace holdfast {
namespace {

// A sell may be smaller than the target by what the wallet lacks for it; at most this part, or one
// lot.
constexpr int64_t kMaxMissingParts = 50;  // 1/50

}  // namespace

int QuotingLoop::Core::Decide() {
  needs_decision_ = false;
  decide_at_ns_ = INT64_MAX;
  ++counters_.decisions;
  ComputeTarget();
  const std::optional<MarketTracker::Touch>& touch = market_.quotable_touch();
  difference_.Compute(target_, orders_, strategy_.price_tolerance_ticks());
  int work = IsInRestartGrace() ? 0 : EmitCancels();
  for (uint32_t position : difference_.kept()) orders_.at(position).unwanted_since_ns = 0;
  if (!block_.has_value() && touch.has_value()) {
    work += EmitPlacements(options_.max_intents_per_turn - work);
  }
  if (is_market_change_ && market_.change_receive_time_ns() != 0) {
    Record(LatencyStage::kReceiveToDecide, clock_.WallNs() - market_.change_receive_time_ns());
  }
  Record(LatencyStage::kDecide, clock_.MonotonicNs() - now_ns_);
  return work;
}

// Orders of the last run wait for the first decision that knows the market and the account.
bool QuotingLoop::Core::IsInRestartGrace() {
  if (has_quoted_ || !block_.has_value() || now_ns_ >= grace_until_ns_) return false;
  const bool is_start_up =
      *block_ == DenyReason::kNotConnected || *block_ == DenyReason::kNotReconciled ||
      *block_ == DenyReason::kAccountUnsafe || *block_ == DenyReason::kStaleBook;
  if (is_start_up) decide_at_ns_ = std::min(decide_at_ns_, grace_until_ns_);
  return is_start_up && !stop_.is_active && !fatal_error_.has_value();
}

// Empty while a gate that concerns every order is closed: the difference then cancels all.
void QuotingLoop::Core::ComputeTarget() {
  target_.Clear();
  const std::optional<MarketTracker::Touch>& touch = market_.quotable_touch();
  if (block_.has_value() || !touch) return;
  MarketView view;
  view.instrument = &instrument_;
  view.best_bid = touch->bid_price;
  view.best_bid_quantity = touch->bid_quantity;
  view.best_ask = touch->ask_price;
  view.best_ask_quantity = touch->ask_quantity;
  view.maker_fee_rate = maker_fee_rate_;
  view.atr_ratio = market_.atr_ratio().ToDouble();
  view.are_buys_allowed = !risk_monitor_.is_active();
  view.are_entries_allowed = !risk_monitor_.is_active();
  Inventory inventory;
  inventory.position = books_.inventory();
  inventory.target_position = target_position_;
  inventory.max_position = max_position_;
  const StrategyMemory before = memory_;
  strategy_.Decide(view, inventory, books_.slots().slots(), memory_, target_);
  if (memory_ != before) {
    records_.Set(MemoryRecord{.instrument = instrument_.id, .memory = memory_});
  }
  if (!target_.is_valid) {
    KeepExitsOnly();
  } else if (risk_monitor_.is_active()) {
    DropWhatRiskModeForbids();
  }
}

// The strategy had no target: entries are pulled, exits stay as they are.
void QuotingLoop::Core::KeepExitsOnly() {
  target_.Clear();
  for (uint32_t position : orders_.live()) {
    const TrackedOrder& tracked = orders_.at(position);
    if (!tracked.is_resting() || !tracked.key().is_exit || target_.orders.full()) continue;
    const bool is_listed = std::any_of(
        target_.orders.begin(), target_.orders.end(),
        [&tracked](const TargetOrder& o) { return o.key.Packed() == tracked.order.slot_key; });
    if (is_listed) continue;
    target_.orders.push_back({.key = tracked.key(),
                              .side = tracked.order.side,
                              .price = tracked.order.price,
                              .quantity = tracked.wanted - tracked.order.filled});
  }
}

// Whatever a strategy thinks of it: no buys, no entries (X2).
void QuotingLoop::Core::DropWhatRiskModeForbids() {
  size_t kept = 0;
  for (size_t i = 0; i < target_.orders.size(); ++i) {
    const TargetOrder order = target_.orders[i];
    if (!order.key.is_exit || order.side == Side::kBuy) continue;
    target_.orders[kept++] = order;
  }
  while (target_.orders.size() > kept) target_.orders.pop_back();
}

// --- cancels -------------------------------------------------------------------------------------

int QuotingLoop::Core::EmitCancels() {
  int sent = 0;
  for (const uint32_t position : difference_.cancels()) {
    TrackedOrder& tracked = orders_.at(position);
    if (tracked.unwanted_since_ns == 0) tracked.unwanted_since_ns = std::max<int64_t>(1, now_ns_);
    if (tracked.next_cancel_at_ns > now_ns_) {
      decide_at_ns_ = std::min(decide_at_ns_, tracked.next_cancel_at_ns);
      continue;
    }
    if (sent >= options_.max_intents_per_turn) {
      needs_decision_ = true;  // the rest in the next turn
      break;
    }
    if (!SendCancel(tracked)) {
      BackOffCancel(tracked);
      continue;
    }
    ++sent;
  }
  // A cancel in this turn changes nothing that the next decision would not be woken for anyway.
  if (sent < options_.max_intents_per_turn) needs_decision_ = false;
  return sent;
}

// --- placements ----------------------------------------------------------------------------------

ExposureView QuotingLoop::Core::MakeExposure() const {
  ExposureView view;
  const std::optional<MarketTracker::Touch>& touch = market_.quotable_touch();
  HF_ASSERT(touch.has_value());
  view.instrument = &instrument_;
  view.best_bid = touch->bid_price;
  view.best_ask = touch->ask_price;
  view.is_risk_mode_active = risk_monitor_.is_active();
  view.position = books_.inventory();
  view.live_buy = orders_.live_buy();
  view.live_sell = orders_.live_sell();
  view.open_order_count = orders_.live_count();
  view.maker_fee_rate = maker_fee_rate_;
  view.available_base =
      books_.Wallet(instrument_.base_asset) - instrument_.ToDecimal(orders_.live_sell());
  view.available_quote = books_.Wallet(instrument_.quote_asset) - orders_.live_buy_notional();
  for (uint32_t position : orders_.live()) {
    const Order& order = orders_.at(position).order;
    if (order.side == Side::kBuy) {
      if (!view.highest_buy || order.price > *view.highest_buy) view.highest_buy = order.price;
    } else {
      if (!view.lowest_sell || order.price < *view.lowest_sell) view.lowest_sell = order.price;
    }
  }
  return view;
}

// What the venue's budget still takes. A placement without an answer may be counted or not: it is
// taken off in any case.
int64_t QuotingLoop::Core::VenueRoom() const {
  const RateBudget budget = engine_.rate_budget();
  return budget.is_placement_allowed ? budget.placement_room - orders_.in_flight_count() : 0;
}

int QuotingLoop::Core::EmitPlacements(int budget) {
  constexpr int64_t kRateRetryNs = 10 * kNanosPerMilli;
  const MarketTracker::Touch& touch = *market_.quotable_touch();
  const std::span<const uint32_t> placements = difference_.PlacementsNearestFirst(
      target_, Price::FromTicks(touch.bid_price.ticks() + touch.ask_price.ticks()));
  if (placements.empty()) return 0;
  if (!are_records_flowing_) {
    // Order events must not be lost for want of room: first the store takes what is waiting.
    decide_at_ns_ = std::min(decide_at_ns_, now_ns_ + kRateRetryNs);
    return 0;
  }
  ExposureView view = MakeExposure();
  const int64_t venue_room = VenueRoom();
  int placed = 0;
  for (const uint32_t index : placements) {
    const TargetOrder& target = target_.orders[index];
    if (const int64_t until_ns = cooldown_.Until(target.key, now_ns_)) {
      decide_at_ns_ = std::min(decide_at_ns_, until_ns);
      continue;
    }
    if (placed >= budget) {
      needs_decision_ = true;
      break;
    }
    if (placed >= venue_room) {
      ++counters_.placements_delayed;
      decide_at_ns_ = std::min(decide_at_ns_, now_ns_ + kRateRetryNs);
      break;
    }
    const std::optional<DenyReason> denied = TryPlace(target, view);
    if (!denied) {
      ++placed;
      continue;
    }
    NoteDenied(target, *denied);
    if (*denied == DenyReason::kOrderRate || *denied == DenyReason::kOrderNumbers ||
        *denied == DenyReason::kEngineRefused || *denied == DenyReason::kOpenOrders) {
      decide_at_ns_ = std::min(decide_at_ns_, now_ns_ + kRateRetryNs);
      break;  // the next one would fare no better
    }
  }
  return placed;
}

OrderCandidate QuotingLoop::Core::MakeCandidate(const TargetOrder& target,
                                                const ExposureView& view) const {
  OrderCandidate order;
  order.side = target.side;
  order.price = target.price;
  order.quantity = target.quantity;
  order.is_exit = target.key.is_exit;
  if (!order.is_exit) {
    order.capture_ticks = memory_.interval_ticks;
    return order;
  }
  const Slot* slot = books_.slots().Find(target.key);
  if (slot != nullptr && slot->held.is_positive()) {
    order.entry_cost =
        Notional::FromUnits(Decimal::Checked(static_cast<__int128>(slot->held_cost.units()) *
                                             target.quantity.lots() / slot->held.lots()));
  }
  if (order.side == Side::kSell) {
    // The slot holds what its entries brought less their commissions. Should the wallet have a
    // little less all the same, what is there is sold.
    const Quantity available = instrument_.RoundQuantity(view.available_base, Rounding::kDown);
    const Quantity missing = order.quantity - available;
    const int64_t most = std::max<int64_t>(1, order.quantity.lots() / kMaxMissingParts);
    if (missing.is_positive() && missing.lots() <= most && available.is_positive()) {
      order.quantity = available;
    }
  }
  return order;
}

std::optional<DenyReason> QuotingLoop::Core::TryPlace(const TargetOrder& target,
                                                      ExposureView& view) {
  const OrderCandidate order = MakeCandidate(target, view);
  if (const std::optional<DenyReason> denied = gates_.CheckOrder(view, order, now_ns_)) {
    return denied;
  }
  if (!orders_.CanInsert() || !books_.slots().HasRoomFor(target.key)) {
    return DenyReason::kOrderTable;
  }
  const std::optional<OrderNumber> number = engine_.NextOrderNumber();
  if (!number) return DenyReason::kOrderNumbers;
  PlaceIntent intent;
  intent.number = *number;
  intent.client_order_id = MakeClientOrderId(account_, *number, target.key.Packed());
  intent.instrument = instrument_.id;
  intent.side = order.side;
  intent.price = order.price;
  intent.quantity = order.quantity;
  intent.is_post_only = true;
  intent.slot_key = target.key;
  intent.decide_time_ns = wall_ns_;
  if (!engine_.Place(intent).ok()) return DenyReason::kEngineRefused;
  gates_.OnPlaced(order, view);
  OnPlaced(intent, target.quantity);
  return std::nullopt;
}

void QuotingLoop::Core::OnPlaced(const PlaceIntent& intent, Quantity wanted) {
  Order order;
  order.number = intent.number;
  order.client_order_id = intent.client_order_id;
  order.instrument = intent.instrument;
  order.side = intent.side;
  order.state = OrderState::kInFlight;  // initialized -> journaled -> in flight, in one call
  order.is_post_only = intent.is_post_only;
  order.price = intent.price;
  order.quantity = intent.quantity;
  order.slot_key = intent.slot_key.Packed();
  order.create_time_ns = wall_ns_;
  order.update_time_ns = wall_ns_;
  TrackedOrder& tracked = orders_.Insert(order);
  tracked.wanted = wanted;
  tracked.placed_at_ns = now_ns_;
  tracked.decide_wall_ns = wall_ns_;
  tracked.answer_due_at_ns = now_ns_ + options_.answer_deadline_ns;
  WakeAt(tracked.answer_due_at_ns);
  ++counters_.orders_placed;
  LogOrder(LoopEventKind::kOrderPlaced, Severity::kInfo, order, "", OrderState::kInitialized);
  if (intent.slot_key.is_exit) return;
  // The key was free, so the slot is free or holds a position.
  if (!books_.slots().OnEntryPlaced(intent.slot_key, intent.price)) {
    ++counters_.illegal_transitions;
  }
}

void QuotingLoop::Core::NoteDenied(const TargetOrder& target, DenyReason reason) {
  if (!cooldown_.NoteDenied(target.key, reason, now_ns_)) return;
  ++counters_.denies_by_reason[static_cast<size_t>(reason)];
  if (observer_ == nullptr) return;
  // A closed gate stays closed for many levels and turns: one line a second is enough.
  int64_t& logged_at_ns = deny_logged_at_ns_[static_cast<size_t>(reason)];
  if (logged_at_ns != 0 && now_ns_ - logged_at_ns < kNanosPerSecond) return;
  logged_at_ns = std::max<int64_t>(1, now_ns_);
  LoopEvent event;
  event.kind = LoopEventKind::kOrderDenied;
  event.side = target.side;
  event.price = target.price;
  event.quantity = target.quantity;
  event.reason = InlineString<32>::Truncated(ToText(reason));
  Emit(event);
}

// --- clean-up (X10) ------------------------------------------------------------------------------

// Orders that nobody has wanted for long (their cancels keep failing) are canceled without waiting
// for their back-off; beyond a count, the farthest and then oldest ones go. Post-only rejects of
// levels that nobody wants any more are forgotten.
int QuotingLoop::Core::RunCleanup() {
  next_cleanup_at_ns_ = now_ns_ + options_.cleanup_interval_ns;
  int work = 0;
  publish_scratch_.clear();
  for (uint32_t position : orders_.live()) {
    const TrackedOrder& tracked = orders_.at(position);
    if (tracked.is_resting()) publish_scratch_.push_back(position);
  }
  const Price mid = status_->bid_level_count > 0 ? status_->bids[0].price : Price();
  const size_t limit = static_cast<size_t>(options_.cleanup_order_count);
  if (publish_scratch_.size() > limit) {
    std::sort(publish_scratch_.begin(), publish_scratch_.end(), [&](uint32_t a, uint32_t b) {
      const Order& first = orders_.at(a).order;
      const Order& second = orders_.at(b).order;
      const int64_t distance_first = std::llabs(first.price - mid);
      const int64_t distance_second = std::llabs(second.price - mid);
      if (distance_first != distance_second) return distance_first > distance_second;
      return first.number < second.number;
    });
  }
  for (size_t i = 0; i < publish_scratch_.size(); ++i) {
    TrackedOrder& tracked = orders_.at(publish_scratch_[i]);
    const bool is_excess = publish_scratch_.size() > limit && i < publish_scratch_.size() - limit;
    const bool is_stale = tracked.unwanted_since_ns != 0 &&
                          now_ns_ - tracked.unwanted_since_ns >= options_.stale_order_age_ns;
    if (!is_excess && !is_stale) continue;
    if (!SendCancel(tracked)) continue;
    ++counters_.cleanup_cancels;
    ++work;
    if (is_excess) cooldown_.Set(tracked.key(), now_ns_ + options_.cleanup_interval_ns);
  }
  for (size_t i = books_.slots().slots().size(); i > 0; --i) {
    const Slot& slot = books_.slots().slots()[i - 1];
    if (slot.state != SlotState::kFree) continue;
    const SlotKey key{.line = slot.line, .entry_side = slot.entry_side};
    const bool is_wanted =
        std::any_of(target_.orders.begin(), target_.orders.end(),
                    [&key](const TargetOrder& order) { return order.key == key; });
    if (!is_wanted) books_.slots().ClearPostOnlyRejects(key);
  }
  return work + SettleSlots();
}

// Slots without a live order: what is not really there (commissions on exits) is taken off, and
// what is too little to be sold leaves the slot for the rest, which the next entry takes up.
int QuotingLoop::Core::SettleSlots() {
  int work = 0;
  for (size_t i = books_.slots().slots().size(); i > 0; --i) {
    const Slot& slot = books_.slots().slots()[i - 1];
    if (records_.room() < 2 * Ledger::kMaxAssets) break;  // the rest at the next clean-up
    if (slot.state != SlotState::kFilled) continue;
    const SlotKey key{.line = slot.line, .entry_side = slot.entry_side};
    const Price entry = slot.entry_price;
    const Price aim = entry.PlusTicks(memory_.interval_ticks * Sign(key.entry_side));
    const Price price = aim.ticks() > 0 ? aim : entry;
    const bool is_dust = price.ticks() > 0 && slot.held < instrument_.MinQuantityAt(price);
    const bool is_short_of_base =
        !books_.slots().rest().base.is_zero() &&
        books_.slots().rest().base.is_negative() == (key.entry_side == Side::kBuy);
    if ((!is_dust && !is_short_of_base) || HasLiveOrder(key)) continue;
    Slot after = slot;
    const bool is_covered = books_.slots().CoverRest(key, instrument_);
    const Slot* left = books_.slots().Find(key);
    const bool is_still_dust = left != nullptr && price.ticks() > 0 && left->held.is_positive() &&
                               left->held < instrument_.MinQuantityAt(price);
    const bool is_released = is_still_dust && books_.slots().ReleaseToRest(key, instrument_);
    if (!is_covered && !is_released) continue;
    left = books_.slots().Find(key);
    after.state = left != nullptr ? left->state : SlotState::kFree;
    after.held = left != nullptr ? left->held : Quantity();
    after.held_cost = left != nullptr ? left->held_cost : Notional();
    records_.Push(SlotRecord{
        .instrument = instrument_.id, .slot = after, .slot_rest = books_.slots().rest()});
    needs_decision_ = true;
    ++work;
  }
  return work;
}

bool QuotingLoop::Core::HasLiveOrder(SlotKey key) const {
  return std::any_of(orders_.live().begin(), orders_.live().end(), [&](uint32_t position) {
    const SlotKey other = orders_.at(position).key();
    return other.line == key.line && other.entry_side == key.entry_side;
  });
}

}  // namespace holdfast
