#pragma once

#include <vector>

#include "engine/simple/store.h"

namespace holdfast {

// A store without a disk, for backtests, simulations and trying things out: same rules, same
// answers as SqliteStore, and nothing is left when the process ends. Closing and opening the same
// object again gives back what was appended.
//
// Allocates in Open() only, up to the numbers of open orders and slots stated below; beyond them it
// grows.
class MemoryStore final : public Store {
 public:
  // `clock` must outlive the store.
  MemoryStore(const StoreOptions& options, const Clock& clock);

  absl::StatusOr<RecoveredState> Open() override;
  absl::Status Append(std::span<const StampedRecord> batch) override;
  absl::StatusOr<OrderNumberBlock> ReserveOrderNumbers(uint64_t count) override;
  absl::StatusOr<int> Prune(int64_t now_wall_ns) override;
  absl::Status Close() override;
  uint64_t record_count() const override { return record_count_; }

 private:
  static constexpr size_t kExpectedOpenOrders = 2048;

  // Whether record `index` of the batch can be booked after those before it; books it in `ledger`.
  absl::Status CheckBookable(std::span<const StampedRecord> batch, size_t index,
                             Ledger& ledger) const;
  void Apply(const OrderRecord& record);
  void Apply(const FillRecord& record);
  void Apply(const SlotRecord& record);
  void Apply(const MemoryRecord& record);
  void Apply(const LedgerRecord& record);
  void Apply(const RiskRecord& record);
  void Apply(const StopRecord&) {}
  void PutOrder(const Order& order);
  void PutSlot(const Slot& slot);
  void PutTradeId(VenueTradeId trade_id);
  bool HasTradeId(VenueTradeId trade_id) const;

  const StoreOptions options_;
  const Clock& clock_;
  bool is_open_ = false;
  uint64_t next_order_number_ = 0;
  uint64_t record_count_ = 0;

  // Sorted: orders by number, slots by (line, side), trade ids rising. Finished orders and free
  // slots leave at once.
  RecoveredState state_;
};

}  // namespace holdfast
