#include "engine/quoting/difference.h"

#include <algorithm>
#include <cstdlib>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

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

Difference::Difference() : cells_(kCellCount) {
  cancels_.reserve(OrderTable::kCapacity);
  kept_.reserve(OrderTable::kCapacity);
  placements_.reserve(kMaxTargetOrders);
}

void Difference::IndexTargets(const TargetState& target) {
  if (++stamp_ == 0) {  // all stamps have been used: old ones must not come to life again
    cells_.assign(kCellCount, Cell());
    stamp_ = 1;
  }
  for (size_t i = 0; i < target.orders.size(); ++i) {
    const int64_t key = target.orders[i].key.Packed();
    size_t at = CellOf(key);
    while (cells_[at].stamp == stamp_) {
      HF_ASSERT(cells_[at].key != key);  // a target wants each key once
      at = (at + 1) % kCellCount;
    }
    cells_[at] = {.key = key, .stamp = stamp_, .index = static_cast<uint16_t>(i)};
  }
}

Difference::Cell* Difference::Find(int64_t key) {
  for (size_t at = CellOf(key); cells_[at].stamp == stamp_; at = (at + 1) % kCellCount) {
    if (cells_[at].key == key) return &cells_[at];
  }
  return nullptr;
}

void Difference::Compute(const TargetState& target, const OrderTable& orders,
                         int64_t tolerance_ticks, Price doubled_mid) {
  cancels_.clear();
  kept_.clear();
  placements_.clear();
  IndexTargets(target);
  // Two orders can share a key only after an adoption; whichever serves first stays.
  size_t taken = 0;
  for (uint32_t position : orders.live()) {
    const TrackedOrder& tracked = orders.at(position);
    Cell* cell = Find(tracked.order.slot_key);
    const bool is_free = cell != nullptr && !cell->is_taken;
    if (is_free) {
      cell->is_taken = true;
      ++taken;
    }
    if (!tracked.is_resting()) continue;
    if (is_free && Serves(tracked, target.orders[cell->index], tolerance_ticks)) {
      kept_.push_back(position);
    } else {
      cancels_.push_back({.position = position, .is_unwanted = cell == nullptr});
    }
  }
  if (taken == target.orders.size()) return;
  for (size_t i = 0; i < target.orders.size(); ++i) {
    if (!Find(target.orders[i].key.Packed())->is_taken) {
      placements_.push_back(static_cast<uint32_t>(i));
    }
  }
  std::sort(placements_.begin(), placements_.end(), [&](uint32_t a, uint32_t b) {
    const int64_t distance_a = DistanceFrom(doubled_mid, target.orders[a].price);
    const int64_t distance_b = DistanceFrom(doubled_mid, target.orders[b].price);
    return distance_a != distance_b ? distance_a < distance_b : a < b;
  });
}

}  // namespace holdfast
