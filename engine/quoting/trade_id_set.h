#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/market/ids.h"
#include "engine/quoting/fixed_index.h"

namespace holdfast {

// Which trades are booked: what deduplicates a fill that comes by stream, by reply and by query.
// Remembers the newest kCapacity ids; a venue's trade ids grow, so any id at or below the largest
// forgotten one counts as booked (booking a fill twice is worse than finding it by the wallet
// comparison).
class TradeIdSet {
 public:
  static constexpr size_t kCapacity = 16'384;

  TradeIdSet() : index_(kCapacity), order_(kCapacity) {}

  // Everything up to `floor` counts as booked.
  void SetFloor(VenueTradeId floor) { floor_ = std::max(floor_, floor); }
  bool Contains(VenueTradeId id) const {
    return id <= floor_ || index_.Find(static_cast<uint64_t>(id.value())).has_value();
  }
  // REQUIRES: !Contains(id).
  void Insert(VenueTradeId id) {
    HF_ASSERT(!Contains(id));
    if (order_.full()) {
      floor_ = std::max(floor_, order_[0]);
      index_.Erase(static_cast<uint64_t>(order_[0].value()));
      order_.pop();
    }
    index_.Insert(static_cast<uint64_t>(id.value()), 0);
    order_.push() = id;
    newest_ = std::max(newest_, id);
  }
  VenueTradeId newest() const { return std::max(newest_, floor_); }
  VenueTradeId floor() const { return floor_; }

 private:
  FixedIndex index_;
  FixedQueue<VenueTradeId> order_;
  VenueTradeId floor_;
  VenueTradeId newest_;
};

}  // namespace holdfast
