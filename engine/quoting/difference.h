#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/quoting/order_table.h"
#include "strategy/target_state.h"

namespace holdfast {

// Compares what should be working with what may be live (working, in flight, unknown, being
// canceled). Per slot key at most one order: as long as one may be live, nothing is placed for its
// key; a replacement is therefore placed only after the old order's end is known.
//
//   resting, wanted as it is               stays (price within the tolerance, quantity left equal)
//   resting, wanted otherwise or not       is canceled
//   in flight, unknown, being canceled     blocks its key
//   wanted, nothing live                   is placed
//
// Pure: reads, decides, changes nothing. No allocation after construction.
class Difference {
 public:
  Difference();

  // REQUIRES: the target wants each key once.
  void Compute(const TargetState& target, const OrderTable& orders, int64_t tolerance_ticks);

  // Table positions of the orders to cancel, in table order.
  std::span<const uint32_t> cancels() const { return {cancels_.data(), cancel_count_}; }
  // Table positions of the orders that are wanted as they are.
  std::span<const uint32_t> kept() const { return {kept_.data(), kept_count_}; }
  // Indices into target.orders of what to place. Sorted only when asked for, because cancels go out
  // first. REQUIRES: the target that was computed.
  std::span<const uint32_t> PlacementsNearestFirst(const TargetState& target, Price doubled_mid);

 private:
  // An open-addressing table from slot key to index in the target, only as large as the target
  // needs, so that it stays in the nearest cache. A free cell has the index behind the last target.
  static constexpr size_t kMaxCellCount = 2048;
  static_assert(kMaxCellCount >= 2 * kMaxTargetOrders);
  static_assert(kMaxTargetOrders < UINT16_MAX);

  void IndexTargets(const TargetState& target);

  size_t cell_mask_ = 0;
  int cell_shift_ = 0;
  std::array<uint16_t, kMaxCellCount> cells_;
  // By index in the target, and one more for what is not in it.
  std::array<int64_t, kMaxTargetOrders + 1> keys_;
  std::array<bool, kMaxTargetOrders + 1> is_taken_;  // an order may be live for this key
  // Entries are written before it is known whether they count: the vectors have their full length
  // from the start, and counts of their own.
  std::vector<uint32_t> cancels_;
  size_t cancel_count_ = 0;
  std::vector<uint32_t> kept_;
  size_t kept_count_ = 0;
  std::vector<uint32_t> placements_;
};

// A resting order serves this target: same side, price within the tolerance, same quantity left.
bool Serves(const TrackedOrder& tracked, const TargetOrder& target, int64_t tolerance_ticks);

}  // namespace holdfast
