#pragma once

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/static_vector.h"
#include "engine/market/instrument.h"
#include "engine/market/ledger.h"
#include "engine/simple/sqlite_connection.h"
#include "engine/simple/store.h"

namespace holdfast {

// Writes records as rows, inside a transaction that the caller opens and commits. Holds the
// prepared statements of one connection.
class SqliteWriter {
 public:
  static absl::StatusOr<SqliteWriter> Create(SqliteConnection& connection,
                                             const Instrument& instrument, int64_t instrument_key);

  absl::Status Write(const StoreRecord& record);
  // REQUIRES: before the first ledger transaction of each SQLite transaction: what the last one
  // added may have been rolled back.
  absl::Status LoadLedgerState();

 private:
  explicit SqliteWriter(const Instrument& instrument, int64_t instrument_key)
      : instrument_(instrument), instrument_key_(instrument_key) {}

  absl::Status Write(const OrderRecord& record);
  absl::Status Write(const FillRecord& record);
  absl::Status Write(const SlotRecord& record);
  absl::Status Write(const MemoryRecord& record);
  absl::Status Write(const LedgerRecord& record);
  absl::Status Write(const RiskRecord& record);
  absl::Status Write(const StopRecord& record);
  absl::Status WriteOrder(const Order& order);
  absl::Status WriteFill(const FillRecord& record);
  absl::Status WriteSlot(const Slot& slot);
  absl::Status WriteSlotRest(const SlotRest& rest);
  absl::Status WriteTransaction(const LedgerTransaction& transaction);
  absl::Status NoteAsset(AssetCode asset);

  Instrument instrument_;
  int64_t instrument_key_ = 0;
  int64_t last_transaction_id_ = 0;
  StaticVector<AssetCode, Ledger::kMaxAssets> assets_;  // with a balance, or booked in this batch

  SqliteStatement put_order_;
  SqliteStatement put_slot_;
  SqliteStatement delete_slot_;
  SqliteStatement put_slot_rest_;
  SqliteStatement put_memory_;
  SqliteStatement put_position_;
  SqliteStatement put_risk_;
  SqliteStatement insert_fill_;
  SqliteStatement insert_entry_;
  SqliteStatement insert_transaction_;
  SqliteStatement select_last_transaction_id_;
  SqliteStatement select_assets_;
};

}  // namespace holdfast
