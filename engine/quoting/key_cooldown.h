#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/risk/deny_reason.h"
#include "strategy/slot.h"

namespace holdfast {

// Remembers per slot key until when not to place again (after a reject), and which gate said no
// last, so that a denial is counted once and not at every tick. A direct-mapped cache: two keys of
// one cell forget each other, which costs an early attempt and nothing else.
class KeyCooldown {
 public:
  KeyCooldown() : cells_(kCellCount) {}

  void Set(SlotKey key, int64_t until_ns) {
    Cell& cell = CellOf(key);
    if (cell.key != key.Packed()) cell = {.key = key.Packed()};
    cell.until_ns = until_ns;
  }
  // 0 when it may be placed.
  int64_t Until(SlotKey key, int64_t now_ns) const {
    const Cell& cell = cells_[IndexOf(key)];
    return cell.key == key.Packed() && cell.until_ns > now_ns ? cell.until_ns : 0;
  }
  // True when this denial is news: another reason than before, or a second has passed.
  bool NoteDenied(SlotKey key, DenyReason reason, int64_t now_ns) {
    Cell& cell = CellOf(key);
    const bool is_same = cell.key == key.Packed() && cell.denied_at_ns != 0 &&
                         cell.reason == reason && now_ns - cell.denied_at_ns < kRepeatNs;
    if (is_same) return false;
    if (cell.key != key.Packed()) cell = {.key = key.Packed()};
    cell.reason = reason;
    cell.denied_at_ns = now_ns;
    return true;
  }

 private:
  static constexpr size_t kCellCount = 4096;
  static constexpr int64_t kRepeatNs = 1'000'000'000;
  struct Cell {
    int64_t key = INT64_MIN;
    int64_t until_ns = 0;
    int64_t denied_at_ns = 0;
    DenyReason reason = DenyReason::kKilled;
  };
  static size_t IndexOf(SlotKey key) {
    return (static_cast<uint64_t>(key.Packed()) * 0x9e3779b97f4a7c15u) >> 52;
  }
  Cell& CellOf(SlotKey key) { return cells_[IndexOf(key)]; }

  std::vector<Cell> cells_;
};

}  // namespace holdfast
