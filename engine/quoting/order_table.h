#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/decimal.h"
#include "engine/market/instrument.h"
#include "engine/market/order.h"
#include "engine/quoting/fixed_index.h"
#include "strategy/slot.h"

namespace holdfast {

// How far the search for the truth about an order has come (DESIGN section 6). Time-driven; there
// is no step "give up".
enum class ResolveStage : uint8_t {
  kSettled,  // nothing to find out
  kQuery,    // ask by client id, again and again, until it is found or its submission has expired
  kCancel,   // expired: cancel by client id, so that nothing can rest afterwards
  kAwaitCancel,
  kProve,  // ask once more: absent now is final
};

// One order and everything known about it that is not part of the order itself. Times ending in
// `_at_ns` are monotonic, 0 = not set.
struct TrackedOrder {
  Order order;
  Quantity wanted;        // what the target asked for when it was placed
  Quantity venue_filled;  // cumulative, the highest the venue has told
  // The venue reported the end, but fills it implies are not booked yet: the end waits for them.
  std::optional<OrderEvent> pending_end;
  bool was_accepted = false;  // the venue has shown that it knows this order
  // When it was decided, until the venue's first answer of any kind has been timed; 0 = was timed.
  int64_t decide_wall_ns = 0;
  // Restored or adopted: an earlier run may have booked fills that its record of the order lacks.
  bool is_inherited = false;
  int64_t cancel_wall_ns = 0;

  ResolveStage stage = ResolveStage::kSettled;
  int64_t next_step_at_ns = 0;  // of `stage`, or of a verification
  int64_t step_backoff_ns = 0;
  int64_t answer_due_at_ns = 0;   // an answer of the engine is missing after this
  int64_t final_after_at_ns = 0;  // from here on "absent" is final
  int64_t final_after_venue_ns = 0;
  bool has_query_in_flight = false;
  bool is_verifying = false;        // believed live, not among the open orders: being asked for
  bool is_absent_once = false;      // a query has found nothing in this stage
  uint64_t fills_needed_after = 0;  // a fill synchronization started at or after this one, 0 = none

  int64_t next_cancel_at_ns = 0;  // not before
  int64_t cancel_backoff_ns = 0;
  int64_t fills_due_at_ns = 0;  // ask for fills when they have not come by themselves
  int64_t fills_backoff_ns = 0;
  int64_t ended_at_ns = 0;        // monotonic
  int64_t unwanted_since_ns = 0;  // monotonic; no longer in the target
  int64_t placed_at_ns = 0;       // monotonic
  uint64_t seen_in_scan = 0;      // the last open-orders scan that listed it

  SlotKey key() const { return SlotKey::Unpack(order.slot_key); }
  bool is_live() const { return MayBeLive(order.state); }
  bool is_resting() const {
    return (order.state == OrderState::kWorking || order.state == OrderState::kPartiallyFilled) &&
           !pending_end.has_value();
  }

 private:
  friend class OrderTable;
  enum class Place : uint8_t { kFree, kLive, kFinished };
  Place place_ = Place::kFree;
  uint32_t live_position_ = 0;
  bool is_dirty_ = false;
};

// All orders that may be live, and the most recently finished ones (a late fill has to find its
// order), in a fixed number of places. Finished orders leave memory: oldest first, when the place
// is needed or more than kMaxFinished are kept.
//
// Keeps the exposure totals of the live orders. Every change of an order goes through a Change, so
// that the totals and the lists cannot be forgotten.
class OrderTable {
 public:
  static constexpr size_t kCapacity = 4096;
  static constexpr size_t kMaxFinished = 2048;

  explicit OrderTable(const Instrument& instrument);

  bool CanInsert() const { return !free_.empty() || FindEvictable(); }
  // REQUIRES: CanInsert(), the number is new. The result stays valid until it is evicted, which can
  // happen to finished orders in Insert() only.
  TrackedOrder& Insert(const Order& order);

  TrackedOrder* Find(OrderNumber number);
  TrackedOrder* Find(VenueOrderId venue_order_id);
  // Remembers the venue's id. False when another order has it: the venue's ids are unique, so one
  // of the two messages is wrong, and the first stays.
  bool SetVenueId(TrackedOrder& tracked, VenueOrderId venue_order_id);

  // While alive, `tracked` may be changed; on destruction totals, lists and the dirty mark are
  // brought up to date.
  class Change {
   public:
    Change(OrderTable& table, TrackedOrder& tracked);
    ~Change();
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    OrderTable& table_;
    TrackedOrder& tracked_;
  };

  // Positions of the live orders, in no particular but deterministic order. Invalidated by any
  // Change that ends an order and by Insert().
  std::span<const uint32_t> live() const { return live_; }
  TrackedOrder& at(uint32_t position) { return places_[position]; }
  const TrackedOrder& at(uint32_t position) const { return places_[position]; }

  // Orders whose newest state is not recorded yet, oldest change first.
  TrackedOrder* FirstDirty();
  void PopDirty();
  size_t dirty_count() const { return dirty_.size(); }
  // The state was recorded as part of a fill, so it need not be recorded again.
  void MarkRecorded(TrackedOrder& tracked) { tracked.is_dirty_ = false; }

  int live_count() const { return static_cast<int>(live_.size()); }
  Quantity live_buy() const { return live_buy_; }
  Quantity live_sell() const { return live_sell_; }
  Notional live_buy_notional() const { return live_buy_notional_; }
  int unknown_count() const { return unknown_count_; }
  // Placements that nothing has answered yet.
  int in_flight_count() const { return in_flight_count_; }

  void CheckInvariants() const;

 private:
  void Account(const TrackedOrder& tracked, int sign);
  void MoveTo(TrackedOrder& tracked, TrackedOrder::Place place);
  void MarkDirty(TrackedOrder& tracked);
  bool FindEvictable() const;
  void EvictOldestFinished();
  uint32_t PositionOf(const TrackedOrder& tracked) const {
    return static_cast<uint32_t>(&tracked - places_.data());
  }

  Instrument instrument_;
  std::vector<TrackedOrder> places_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> live_;
  FixedQueue<uint32_t> finished_;
  FixedQueue<uint32_t> dirty_;
  FixedIndex by_number_;
  FixedIndex by_venue_id_;
  Quantity live_buy_;
  Quantity live_sell_;
  Notional live_buy_notional_;
  int unknown_count_ = 0;
  int in_flight_count_ = 0;
};

}  // namespace holdfast
