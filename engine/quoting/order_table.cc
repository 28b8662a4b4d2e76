#include "engine/quoting/order_table.h"

#include "engine/base/assert.h"

namespace holdfast {
namespace {

uint64_t KeyOf(OrderNumber number) { return number.value(); }
uint64_t KeyOf(VenueOrderId id) { return static_cast<uint64_t>(id.value()); }

}  // namespace

OrderTable::OrderTable(const Instrument& instrument)
    : instrument_(instrument),
      places_(kCapacity),
      finished_(kCapacity),
      dirty_(kCapacity * 2),
      by_number_(kCapacity),
      by_venue_id_(kCapacity) {
  free_.reserve(kCapacity);
  live_.reserve(kCapacity);
  for (size_t i = kCapacity; i > 0; --i) free_.push_back(static_cast<uint32_t>(i - 1));
}

// The oldest finished order can go once its end is recorded. Ends are recorded in order, so when
// the oldest is not recorded yet, hardly any younger one is.
bool OrderTable::FindEvictable() const {
  return !finished_.empty() && !places_[finished_[0]].is_dirty_;
}

void OrderTable::EvictOldestFinished() {
  const uint32_t position = finished_[0];
  finished_.pop();
  TrackedOrder& tracked = places_[position];
  by_number_.Erase(KeyOf(tracked.order.number));
  if (tracked.order.venue_order_id.value() != 0) {
    by_venue_id_.Erase(KeyOf(tracked.order.venue_order_id));
  }
  tracked = TrackedOrder();
  free_.push_back(position);
}

TrackedOrder& OrderTable::Insert(const Order& order) {
  HF_ASSERT(CanInsert());
  HF_ASSERT(MayBeLive(order.state));
  if (free_.empty()) EvictOldestFinished();
  const uint32_t position = free_.back();
  free_.pop_back();
  TrackedOrder& tracked = places_[position];
  tracked = TrackedOrder();
  tracked.order = order;
  tracked.wanted = order.quantity;
  by_number_.Insert(KeyOf(order.number), position);
  if (order.venue_order_id.value() != 0) {
    tracked.order.venue_order_id = VenueOrderId();
    SetVenueId(tracked, order.venue_order_id);
  }
  MoveTo(tracked, TrackedOrder::Place::kLive);
  Account(tracked, +1);
  MarkDirty(tracked);
  return tracked;
}

TrackedOrder* OrderTable::Find(OrderNumber number) {
  const std::optional<uint32_t> position = by_number_.Find(KeyOf(number));
  return position ? &places_[*position] : nullptr;
}

TrackedOrder* OrderTable::Find(VenueOrderId venue_order_id) {
  if (venue_order_id.value() == 0) return nullptr;
  const std::optional<uint32_t> position = by_venue_id_.Find(KeyOf(venue_order_id));
  return position ? &places_[*position] : nullptr;
}

bool OrderTable::SetVenueId(TrackedOrder& tracked, VenueOrderId venue_order_id) {
  if (venue_order_id.value() == 0) return true;
  if (tracked.order.venue_order_id == venue_order_id) return true;
  if (tracked.order.venue_order_id.value() != 0) return false;
  if (by_venue_id_.Find(KeyOf(venue_order_id)).has_value()) return false;
  tracked.order.venue_order_id = venue_order_id;
  by_venue_id_.Insert(KeyOf(venue_order_id), PositionOf(tracked));
  return true;
}

OrderTable::Change::Change(OrderTable& table, TrackedOrder& tracked)
    : table_(table), tracked_(tracked) {
  table_.Account(tracked_, -1);
}

OrderTable::Change::~Change() {
  table_.Account(tracked_, +1);
  if (IsFinal(tracked_.order.state)) {
    tracked_.stage = ResolveStage::kSettled;
    tracked_.pending_end.reset();
    table_.MoveTo(tracked_, TrackedOrder::Place::kFinished);
  }
  table_.MarkDirty(tracked_);
}

void OrderTable::Account(const TrackedOrder& tracked, int sign) {
  if (!tracked.is_live()) return;
  const Quantity remaining = tracked.order.remaining();
  if (tracked.order.side == Side::kBuy) {
    live_buy_ += remaining * sign;
    live_buy_notional_ += instrument_.NotionalOf(tracked.order.price, remaining) * sign;
  } else {
    live_sell_ += remaining * sign;
  }
  if (tracked.order.state == OrderState::kUnknown) unknown_count_ += sign;
  if (tracked.order.state == OrderState::kInFlight) in_flight_count_ += sign;
}

void OrderTable::MoveTo(TrackedOrder& tracked, TrackedOrder::Place place) {
  if (tracked.place_ == place) return;
  const uint32_t position = PositionOf(tracked);
  if (place == TrackedOrder::Place::kLive) {
    HF_ASSERT(tracked.place_ == TrackedOrder::Place::kFree);
    tracked.live_position_ = static_cast<uint32_t>(live_.size());
    live_.push_back(position);
  } else {
    HF_ASSERT(place == TrackedOrder::Place::kFinished);
    HF_ASSERT(tracked.place_ == TrackedOrder::Place::kLive);
    const uint32_t last = live_.back();
    live_[tracked.live_position_] = last;
    places_[last].live_position_ = tracked.live_position_;
    live_.pop_back();
    while (finished_.size() >= kMaxFinished && FindEvictable()) EvictOldestFinished();
    finished_.push() = position;
  }
  tracked.place_ = place;
}

void OrderTable::MarkDirty(TrackedOrder& tracked) {
  if (tracked.is_dirty_) return;
  // A place can wait in the queue while its mark was taken away (MarkRecorded) and set again; then
  // it is in the queue twice at most until the front is popped.
  while (dirty_.full()) {
    HF_ASSERT(!places_[dirty_[0]].is_dirty_);
    dirty_.pop();
  }
  tracked.is_dirty_ = true;
  dirty_.push() = PositionOf(tracked);
}

TrackedOrder* OrderTable::FirstDirty() {
  while (!dirty_.empty() && !places_[dirty_[0]].is_dirty_) dirty_.pop();
  return dirty_.empty() ? nullptr : &places_[dirty_[0]];
}

void OrderTable::PopDirty() {
  HF_ASSERT(!dirty_.empty());
  places_[dirty_[0]].is_dirty_ = false;
  dirty_.pop();
}

void OrderTable::CheckInvariants() const {
  Quantity buy;
  Quantity sell;
  Notional buy_notional;
  int unknown = 0;
  int in_flight = 0;
  for (uint32_t position : live_) {
    const TrackedOrder& tracked = places_[position];
    HF_ASSERT(tracked.place_ == TrackedOrder::Place::kLive);
    HF_ASSERT(tracked.is_live());
    HF_ASSERT(!tracked.order.filled.is_negative());
    HF_ASSERT(tracked.order.filled <= tracked.order.quantity);
    if (tracked.order.side == Side::kBuy) {
      buy += tracked.order.remaining();
      buy_notional += instrument_.NotionalOf(tracked.order.price, tracked.order.remaining());
    } else {
      sell += tracked.order.remaining();
    }
    in_flight += tracked.order.state == OrderState::kInFlight ? 1 : 0;
    if (tracked.order.state == OrderState::kUnknown) {
      ++unknown;
      // An unknown order is always being resolved, or waits for fills that decide it.
      const bool is_worked_on =
          tracked.stage != ResolveStage::kSettled || tracked.pending_end.has_value();
      HF_ASSERT(is_worked_on);
    }
  }
  HF_ASSERT(buy == live_buy_);
  HF_ASSERT(sell == live_sell_);
  HF_ASSERT(buy_notional == live_buy_notional_);
  HF_ASSERT(unknown == unknown_count_);
  HF_ASSERT(in_flight == in_flight_count_);
  HF_ASSERT(live_.size() + finished_.size() + free_.size() == kCapacity);
  HF_ASSERT(by_number_.size() == live_.size() + finished_.size());
}

}  // namespace holdfast
