#pragma once

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
  struct Cancel {
    uint32_t position = 0;     // in the order table
    bool is_unwanted = false;  // not in the target at all (else it is replaced)
  };

  Difference();

  void Compute(const TargetState& target, const OrderTable& orders, int64_t tolerance_ticks,
               Price doubled_mid);

  // In table order.
  std::span<const Cancel> cancels() const { return cancels_; }
  // Indices into target.orders, nearest to the mid first.
  std::span<const uint32_t> placements() const { return placements_; }
  // Table positions of the orders that are wanted as they are.
  std::span<const uint32_t> kept() const { return kept_; }

 private:
  // Cells of an open-addressing table from slot key to index in the target. A cell counts only when
  // its stamp is this computation's, so that nothing has to be cleared between two.
  struct Cell {
    int64_t key = 0;
    uint32_t stamp = 0;
    uint16_t index = 0;
    bool is_taken = false;  // an order may be live for this key
  };
  static constexpr size_t kCellCount = 2048;
  static_assert(kCellCount >= 2 * kMaxTargetOrders);
  static_assert(kMaxTargetOrders <= UINT16_MAX);

  static size_t CellOf(int64_t key) {
    return (static_cast<uint64_t>(key) * 0x9e3779b97f4a7c15u) >> 53;  // 11 bits
  }
  void IndexTargets(const TargetState& target);
  Cell* Find(int64_t key);

  std::vector<Cell> cells_;
  uint32_t stamp_ = 0;
  std::vector<Cancel> cancels_;
  std::vector<uint32_t> placements_;
  std::vector<uint32_t> kept_;
};

// A resting order serves this target: same side, price within the tolerance, same quantity left.
bool Serves(const TrackedOrder& tracked, const TargetOrder& target, int64_t tolerance_ticks);

}  // namespace holdfast
