#pragma once

#include <cstdint>
#include <variant>

#include "engine/quoting/engine.h"
#include "engine/quoting/fixed_index.h"
#include "engine/quoting/order_table.h"

namespace holdfast {

// Keeps what the engine has not taken yet and hands it over in order. Nothing is ever dropped:
//   fills, slots and bookings   wait in a queue; the loop stops reading events of the engine before
//                              it is full (room())
//   orders, memory, risk       only the newest state counts: at most one each waits
// Fills go first, then orders: an order's state must never be stored ahead of a fill it contains.
class RecordQueue {
 public:
  static constexpr size_t kCapacity = 1024;

  RecordQueue() : queue_(kCapacity) {}

  // REQUIRES: room() > 0.
  void Push(const FillRecord& record) { queue_.push().emplace<FillRecord>(record); }
  void Push(const SlotRecord& record) { queue_.push().emplace<SlotRecord>(record); }
  void Push(const LedgerRecord& record) { queue_.push().emplace<LedgerRecord>(record); }
  void Set(const MemoryRecord& record) {
    memory_ = record;
    has_memory_ = true;
  }
  void Set(const RiskRecord& record) {
    risk_ = record;
    has_risk_ = true;
  }

  // Hands over as much as the engine takes. True when nothing is left.
  bool Flush(Engine& engine, OrderTable& orders);

  size_t room() const { return queue_.room(); }
  bool is_empty() const { return queue_.empty() && !has_memory_ && !has_risk_; }
  uint64_t deferred_count() const { return deferred_count_; }

 private:
  bool FlushAll(Engine& engine, OrderTable& orders);

  FixedQueue<std::variant<LedgerRecord, FillRecord, SlotRecord>> queue_;
  MemoryRecord memory_;
  RiskRecord risk_;
  bool has_memory_ = false;
  bool has_risk_ = false;
  uint64_t deferred_count_ = 0;
};

}  // namespace holdfast
