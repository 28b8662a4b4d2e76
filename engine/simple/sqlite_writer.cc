#include "engine/simple/sqlite_writer.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/simple/store_text.h"

namespace holdfast {
namespace {

constexpr std::string_view kPutOrder = R"sql(
INSERT INTO orders (order_number, client_order_id, venue_order_id, instrument_key, side, state,
  time_in_force, is_post_only, price_ticks, quantity_lots, filled_lots, slot_key, create_time_ns,
  update_time_ns, submit_expiry_ns)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (order_number) DO UPDATE SET
  client_order_id = excluded.client_order_id, venue_order_id = excluded.venue_order_id,
  instrument_key = excluded.instrument_key, side = excluded.side, state = excluded.state,
  time_in_force = excluded.time_in_force, is_post_only = excluded.is_post_only,
  price_ticks = excluded.price_ticks, quantity_lots = excluded.quantity_lots,
  filled_lots = excluded.filled_lots, slot_key = excluded.slot_key,
  create_time_ns = excluded.create_time_ns, update_time_ns = excluded.update_time_ns,
  submit_expiry_ns = excluded.submit_expiry_ns)sql";

constexpr std::string_view kPutSlot = R"sql(
INSERT OR REPLACE INTO slots (instrument_key, line, entry_side, state, entry_price_ticks,
  held_lots, held_cost_e8, post_only_reject_count)
VALUES (?, ?, ?, ?, ?, ?, ?, ?))sql";

constexpr std::string_view kDeleteSlot =
    "DELETE FROM slots WHERE instrument_key = ? AND line = ? AND entry_side = ?";

constexpr std::string_view kPutMemory =
    "INSERT OR REPLACE INTO strategy_memory (instrument_key, anchor_ticks, interval_ticks) "
    "VALUES (?, ?, ?)";

constexpr std::string_view kPutPosition =
    "INSERT OR REPLACE INTO positions (instrument_key, quantity_lots, cost_e8, realized_pnl_e8) "
    "VALUES (?, ?, ?, ?)";

constexpr std::string_view kPutSlotRest =
    "INSERT OR REPLACE INTO slot_rest (instrument_key, base_e8, cost_e8) VALUES (?, ?, ?)";

constexpr std::string_view kPutRisk =
    "INSERT OR REPLACE INTO risk_state (id, is_risk_mode_active, is_paused, is_killed, since_ns, "
    "breaker_open_until_ns, reason) VALUES (1, ?, ?, ?, ?, ?, ?)";

constexpr std::string_view kInsertFill = R"sql(
INSERT INTO fills (symbol, trade_id, instrument_key, order_number, client_order_id,
  venue_order_id, side, liquidity, price_ticks, quantity_lots, fee_e8, fee_asset, venue_time_ns,
  receive_time_ns)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))sql";

constexpr std::string_view kInsertEntry =
    "INSERT INTO ledger_entries (transaction_id, entry_index, account, asset, amount_e8) "
    "VALUES (?, ?, ?, ?, ?)";

constexpr std::string_view kInsertTransaction =
    "INSERT INTO ledger_transactions (transaction_id, cause, symbol, trade_id, venue_time_ns, "
    "reason) VALUES (?, ?, ?, ?, ?, ?)";

constexpr std::string_view kSelectLastTransactionId =
    "SELECT coalesce(max(transaction_id), 0) FROM ledger_transactions";

constexpr std::string_view kSelectAssets =
    "SELECT DISTINCT asset FROM ledger_balances WHERE balance_e8 <> 0";

int64_t Number(OrderNumber number) { return static_cast<int64_t>(number.value()); }

}  // namespace

absl::StatusOr<SqliteWriter> SqliteWriter::Create(SqliteConnection& connection,
                                                  const Instrument& instrument,
                                                  int64_t instrument_key) {
  SqliteWriter writer(instrument, instrument_key);
  const std::pair<SqliteStatement*, std::string_view> statements[] = {
      {&writer.put_order_, kPutOrder},
      {&writer.put_slot_, kPutSlot},
      {&writer.delete_slot_, kDeleteSlot},
      {&writer.put_slot_rest_, kPutSlotRest},
      {&writer.put_memory_, kPutMemory},
      {&writer.put_position_, kPutPosition},
      {&writer.put_risk_, kPutRisk},
      {&writer.insert_fill_, kInsertFill},
      {&writer.insert_entry_, kInsertEntry},
      {&writer.insert_transaction_, kInsertTransaction},
      {&writer.select_last_transaction_id_, kSelectLastTransactionId},
      {&writer.select_assets_, kSelectAssets},
  };
  for (const auto& [statement, sql] : statements) {
    HF_ASSIGN_OR_RETURN(*statement, connection.Prepare(sql));
  }
  return writer;
}

absl::Status SqliteWriter::LoadLedgerState() {
  absl::StatusOr<bool> has_row = select_last_transaction_id_.Step();
  if (has_row.ok()) last_transaction_id_ = select_last_transaction_id_.ColumnInt(0);
  select_last_transaction_id_.Reset();
  if (!has_row.ok()) return has_row.status();
  assets_.clear();
  while ((has_row = select_assets_.Step()).ok() && *has_row && !assets_.full()) {
    assets_.push_back(AssetCode(select_assets_.ColumnText(0)));
  }
  select_assets_.Reset();
  return has_row.status();
}

// A store with more assets than a ledger holds could be written and never loaded again.
absl::Status SqliteWriter::NoteAsset(AssetCode asset) {
  if (std::find(assets_.begin(), assets_.end(), asset) != assets_.end()) return absl::OkStatus();
  if (assets_.full()) {
    return absl::InvalidArgumentError(
        absl::StrCat("store: record refused: no room for another asset: limit=", Ledger::kMaxAssets,
                     " asset=", absl::string_view(asset.view().data(), asset.view().size())));
  }
  assets_.push_back(asset);
  return absl::OkStatus();
}

absl::Status SqliteWriter::Write(const StoreRecord& record) {
  return std::visit([this](const auto& kind) { return Write(kind); }, record);
}

absl::Status SqliteWriter::Write(const OrderRecord& record) { return WriteOrder(record.order); }

absl::Status SqliteWriter::Write(const FillRecord& record) {
  HF_RETURN_IF_ERROR(WriteFill(record));
  if (record.order.has_value()) HF_RETURN_IF_ERROR(WriteOrder(*record.order));
  if (record.slot.has_value()) HF_RETURN_IF_ERROR(WriteSlot(*record.slot));
  HF_RETURN_IF_ERROR(WriteSlotRest(record.slot_rest));
  HF_RETURN_IF_ERROR(WriteTransaction(record.transaction));
  return put_position_.Run(instrument_key_, record.position.quantity().lots(),
                           record.position.cost().units(), record.position.realized_pnl().units());
}

absl::Status SqliteWriter::Write(const SlotRecord& record) {
  HF_RETURN_IF_ERROR(WriteSlot(record.slot));
  return WriteSlotRest(record.slot_rest);
}

absl::Status SqliteWriter::Write(const MemoryRecord& record) {
  const StrategyMemory& memory = record.memory;
  const std::optional<int64_t> anchor =
      memory.has_anchor ? std::optional<int64_t>(memory.anchor.ticks()) : std::nullopt;
  return put_memory_.Run(instrument_key_, anchor, memory.interval_ticks);
}

absl::Status SqliteWriter::Write(const LedgerRecord& record) {
  return WriteTransaction(record.transaction);
}

absl::Status SqliteWriter::Write(const RiskRecord& record) {
  return put_risk_.Run(int64_t{record.is_risk_mode_active}, int64_t{record.is_paused},
                       int64_t{record.is_killed}, record.since_ns, record.breaker_open_until_ns,
                       record.reason.view());
}

// The store's own row says it: see SqliteStore::Session::WriteBatch().
absl::Status SqliteWriter::Write(const StopRecord&) { return absl::OkStatus(); }

absl::Status SqliteWriter::WriteOrder(const Order& order) {
  return put_order_.Run(Number(order.number), order.client_order_id.view(),
                        order.venue_order_id.value(), instrument_key_, StoreText(order.side),
                        StoreText(order.state), StoreText(order.time_in_force),
                        int64_t{order.is_post_only}, order.price.ticks(), order.quantity.lots(),
                        order.filled.lots(), order.slot_key, order.create_time_ns,
                        order.update_time_ns, order.submit_expiry_ns);
}

absl::Status SqliteWriter::WriteFill(const FillRecord& record) {
  const Fill& fill = record.fill;
  const std::optional<int64_t> number = record.order.has_value()
                                            ? std::optional<int64_t>(Number(record.order->number))
                                            : std::nullopt;
  return insert_fill_.Run(instrument_.symbol.view(), fill.trade_id.value(), instrument_key_, number,
                          fill.client_order_id.view(), fill.venue_order_id.value(),
                          StoreText(fill.side), StoreText(fill.liquidity), fill.price.ticks(),
                          fill.quantity.lots(), fill.fee.units(), fill.fee_asset.view(),
                          fill.venue_time_ns, fill.receive_time_ns);
}

absl::Status SqliteWriter::WriteSlot(const Slot& slot) {
  if (slot.state == SlotState::kFree) {
    return delete_slot_.Run(instrument_key_, int64_t{slot.line}, StoreText(slot.entry_side));
  }
  return put_slot_.Run(instrument_key_, int64_t{slot.line}, StoreText(slot.entry_side),
                       StoreText(slot.state), slot.entry_price.ticks(), slot.held.lots(),
                       slot.held_cost.units(), int64_t{slot.post_only_reject_count});
}

absl::Status SqliteWriter::WriteSlotRest(const SlotRest& rest) {
  return put_slot_rest_.Run(instrument_key_, rest.base.units(), rest.cost.units());
}

absl::Status SqliteWriter::WriteTransaction(const LedgerTransaction& transaction) {
  const int64_t id = ++last_transaction_id_;
  int64_t index = 0;
  for (const LedgerEntry& entry : transaction.entries) {
    HF_RETURN_IF_ERROR(NoteAsset(entry.asset));
    HF_RETURN_IF_ERROR(insert_entry_.Run(id, index++, StoreText(entry.account), entry.asset.view(),
                                         entry.amount.units()));
  }
  const bool is_fill = transaction.cause == LedgerCause::kFill;
  if (!is_fill) {
    return insert_transaction_.Run(id, StoreText(transaction.cause), std::optional<int64_t>(),
                                   std::optional<int64_t>(), transaction.venue_time_ns,
                                   transaction.reason.view());
  }
  // Its own row comes last and closes it: see the tables.
  return insert_transaction_.Run(id, StoreText(transaction.cause), transaction.symbol.view(),
                                 transaction.trade_id.value(), transaction.venue_time_ns,
                                 transaction.reason.view());
}

}  // namespace holdfast
