#include "engine/quoting/difference.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

size_t HomeOf(int64_t key, int cell_shift) {
  return (static_cast<uint64_t>(key) * 0x9e3779b97f4a7c15u) >> cell_shift;
}

int64_t DistanceFrom(Price doubled_mid, Price price) {
  return std::llabs(price.ticks() * 2 - doubled_mid.ticks());
}

}  // namespace

bool Serves(const TrackedOrder& tracked, const TargetOrder& target, int64_t tolerance_ticks) {
  const Order& order = tracked.order;
  const bool is_same_side = order.side == target.side;
  const bool is_near = std::llabs(order.price - target.price) <= tolerance_ticks;
  // `wanted` is what the target asked for; what was placed may be less, by a fee in the base asset.
  const bool is_same_quantity = tracked.wanted - order.filled == target.quantity;
  return is_same_side & is_near & is_same_quantity;
}

Difference::Difference()
    : cancels_(OrderTable::kCapacity), kept_(kMaxTargetOrders + 1), placements_(kMaxTargetOrders) {}

void Difference::IndexTargets(const TargetState& target) {
  const auto count = static_cast<uint16_t>(target.orders.size());
  const size_t cell_count = std::min(std::bit_ceil(8 * size_t{count} + 8), kMaxCellCount);
  cell_mask_ = cell_count - 1;
  cell_shift_ = 64 - std::countr_zero(cell_count);
  std::fill_n(cells_.begin(), cell_count, count);
  std::fill_n(is_taken_.begin(), count + 1, false);
  for (uint16_t i = 0; i < count; ++i) {
    const int64_t key = target.orders.begin()[i].key.Packed();
    keys_[i] = key;
    size_t at = HomeOf(key, cell_shift_);
    while (cells_[at] != count) {
      HF_ASSERT(keys_[cells_[at]] != key);  // a target wants each key once
      at = (at + 1) & cell_mask_;
    }
    cells_[at] = i;
  }
}

// Where orders differ from the target is what no branch predictor can know; so each order is judged
// without a branch that depends on it.
void Difference::Compute(const TargetState& target, const OrderTable& orders,
                         int64_t tolerance_ticks) {
  IndexTargets(target);
  const size_t none = target.orders.size();
  const size_t cell_mask = cell_mask_;
  const int cell_shift = cell_shift_;
  uint32_t* cancel = cancels_.data();
  uint32_t* kept = kept_.data();
  for (const uint32_t position : orders.live()) {
    const TrackedOrder& tracked = orders.at(position);
    const int64_t key = tracked.order.slot_key;
    keys_[none] = key;  // the search ends there when nothing else has the key
    size_t at = HomeOf(key, cell_shift);
    while (keys_[cells_[at]] != key) at = (at + 1) & cell_mask;
    const size_t index = cells_[at];
    const bool is_wanted = index != none;
    // Two orders can share a key only after an adoption; whichever comes first has it.
    const bool is_first = is_wanted & !is_taken_[index];
    is_taken_[index] = true;
    const TargetOrder& wanted = target.orders.begin()[is_wanted ? index : 0];
    const bool is_resting = tracked.is_resting();
    const bool is_kept = is_first & is_resting & Serves(tracked, wanted, tolerance_ticks);
    *kept = position;
    kept += is_kept;
    *cancel = position;
    cancel += is_resting & !is_kept;
  }
  kept_count_ = static_cast<size_t>(kept - kept_.data());
  cancel_count_ = static_cast<size_t>(cancel - cancels_.data());
}

std::span<const uint32_t> Difference::PlacementsNearestFirst(const TargetState& target,
                                                             Price doubled_mid) {
  size_t count = 0;
  for (size_t i = 0; i < target.orders.size(); ++i) {
    placements_[count] = static_cast<uint32_t>(i);
    count += !is_taken_[i];
  }
  const std::span<uint32_t> placements(placements_.data(), count);
  std::sort(placements.begin(), placements.end(), [&](uint32_t a, uint32_t b) {
    const int64_t distance_a = DistanceFrom(doubled_mid, target.orders[a].price);
    const int64_t distance_b = DistanceFrom(doubled_mid, target.orders[b].price);
    return distance_a != distance_b ? distance_a < distance_b : a < b;
  });
  return placements;
}

}  // namespace holdfast
