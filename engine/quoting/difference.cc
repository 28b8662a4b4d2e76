#include "engine/quoting/difference.h"

#include <algorithm>
#include <cstdlib>

namespace holdfast {
namespace {

uint64_t KeyOf(int64_t packed_slot_key) { return static_cast<uint64_t>(packed_slot_key); }

int64_t DistanceFrom(Price doubled_mid, Price price) {
  return std::llabs(price.ticks() * 2 - doubled_mid.ticks());
}

}  // namespace

bool Serves(const TrackedOrder& tracked, const TargetOrder& target, int64_t tolerance_ticks) {
  const Order& order = tracked.order;
  // `wanted` is what the target asked for; what was placed may be less, by a fee in the base asset.
  return order.side == target.side && std::llabs(order.price - target.price) <= tolerance_ticks &&
         tracked.wanted - order.filled == target.quantity;
}

Difference::Difference() : target_of_key_(kMaxTargetOrders), marks_(kMaxTargetOrders) {
  cancels_.reserve(OrderTable::kCapacity);
  kept_.reserve(OrderTable::kCapacity);
  placements_.reserve(kMaxTargetOrders);
}

void Difference::Compute(const TargetState& target, const OrderTable& orders,
                         int64_t tolerance_ticks, Price doubled_mid) {
  target_of_key_.Clear();
  cancels_.clear();
  kept_.clear();
  placements_.clear();
  for (size_t i = 0; i < target.orders.size(); ++i) {
    target_of_key_.Insert(KeyOf(target.orders[i].key.Packed()), static_cast<uint32_t>(i));
    marks_[i] = Mark::kOpen;
  }
  // Two orders can share a key only after an adoption; whichever serves first stays.
  for (uint32_t position : orders.live()) {
    const TrackedOrder& tracked = orders.at(position);
    const auto index = target_of_key_.Find(KeyOf(tracked.order.slot_key));
    const bool is_free = index && marks_[*index] == Mark::kOpen;
    if (!tracked.is_resting()) {
      if (index) marks_[*index] = Mark::kTaken;
    } else if (is_free && Serves(tracked, target.orders[*index], tolerance_ticks)) {
      marks_[*index] = Mark::kTaken;
      kept_.push_back(position);
    } else {
      if (index) marks_[*index] = Mark::kTaken;
      cancels_.push_back({.position = position, .is_unwanted = !index.has_value()});
    }
  }
  for (size_t i = 0; i < target.orders.size(); ++i) {
    if (marks_[i] == Mark::kOpen) placements_.push_back(static_cast<uint32_t>(i));
  }
  std::sort(placements_.begin(), placements_.end(), [&](uint32_t a, uint32_t b) {
    const int64_t distance_a = DistanceFrom(doubled_mid, target.orders[a].price);
    const int64_t distance_b = DistanceFrom(doubled_mid, target.orders[b].price);
    return distance_a != distance_b ? distance_a < distance_b : a < b;
  });
}

}  // namespace holdfast
