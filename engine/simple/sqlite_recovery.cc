#include "engine/simple/sqlite_recovery.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/simple/sqlite_schema.h"
#include "engine/simple/store_text.h"

namespace holdfast {
namespace {

absl::Status BadRow(const char* table, absl::string_view reason) {
  return absl::DataLossError(
      absl::StrCat("store: impossible row: table=", table, " reason=", reason));
}

// Reads one row column by column; remembers the first thing that is wrong.
class RowReader {
 public:
  RowReader(const SqliteStatement& row, const char* table) : row_(row), table_(table) {}

  int64_t Int() { return row_.ColumnInt(column_++); }
  bool Bool() { return Int() != 0; }

  template <typename Text>
  Text Inline() {
    const std::string_view text = row_.ColumnText(column_++);
    if (Text::Fits(text)) return Text(text);
    Fail("text too long");
    return Text();
  }

  template <typename Enum>
  Enum Enumerator() {
    const std::string_view text = row_.ColumnText(column_++);
    const std::optional<Enum> value = FromStoreText<Enum>(text);
    if (!value.has_value()) Fail("unknown word");
    return value.value_or(Enum{});
  }

  void Fail(absl::string_view reason) {
    if (status_.ok()) status_ = BadRow(table_, reason);
  }
  const absl::Status& status() const { return status_; }

 private:
  const SqliteStatement& row_;
  const char* table_;
  int column_ = 0;
  absl::Status status_;
};

absl::Status LoadInfo(SqliteConnection& connection, RecoveredState& state) {
  HF_ASSIGN_OR_RETURN(const int64_t record_count,
                      connection.QueryInt("SELECT record_count FROM store_info"));
  HF_ASSIGN_OR_RETURN(state.stored_time_ns,
                      connection.QueryInt("SELECT newest_record_time_ns FROM store_info"));
  HF_ASSIGN_OR_RETURN(const int64_t is_stop_proven,
                      connection.QueryInt("SELECT is_stop_proven FROM store_info"));
  state.is_first_run = record_count == 0;
  state.is_stop_proven = is_stop_proven != 0;
  return absl::OkStatus();
}

// Since the last change of the tick size; of one before it no id can be of interest any more.
absl::Status LoadLineChange(SqliteConnection& connection, const StoreOptions& options,
                            int64_t instrument_key, RecoveredState& state) {
  if (!options.are_lines_prices) return absl::OkStatus();
  HF_ASSIGN_OR_RETURN(
      SqliteStatement row,
      connection.Prepare("SELECT first_order_number, previous_tick_size_e8 FROM instruments "
                         "WHERE instrument_key = ? AND previous_tick_size_e8 IS NOT NULL"));
  HF_RETURN_IF_ERROR(row.Bind(instrument_key));
  HF_ASSIGN_OR_RETURN(const bool has_row, row.Step());
  if (!has_row) return absl::OkStatus();
  state.line_change = {.first_number = OrderNumber(static_cast<uint64_t>(row.ColumnInt(0))),
                       .old_tick_size = Decimal::FromUnits(row.ColumnInt(1)),
                       .new_tick_size = options.instrument.tick_size};
  return absl::OkStatus();
}

absl::Status LoadOpenOrders(SqliteConnection& connection, const StoreOptions& options,
                            RecoveredState& state) {
  HF_ASSIGN_OR_RETURN(
      SqliteStatement rows,
      connection.Prepare(absl::StrCat(
          "SELECT order_number, client_order_id, venue_order_id, side, state, time_in_force, "
          "is_post_only, price_ticks, quantity_lots, filled_lots, slot_key, create_time_ns, "
          "update_time_ns, submit_expiry_ns FROM orders WHERE state NOT IN ",
          absl::string_view(kFinalStatesSql.data(), kFinalStatesSql.size()),
          " ORDER BY order_number")));
  while (true) {
    HF_ASSIGN_OR_RETURN(const bool has_row, rows.Step());
    if (!has_row) return absl::OkStatus();
    RowReader row(rows, "orders");
    Order order;
    order.number = OrderNumber(static_cast<uint64_t>(row.Int()));
    order.client_order_id = row.Inline<ClientOrderId>();
    order.venue_order_id = VenueOrderId(row.Int());
    order.instrument = options.instrument.id;
    order.side = row.Enumerator<Side>();
    order.state = row.Enumerator<OrderState>();
    order.time_in_force = row.Enumerator<TimeInForce>();
    order.is_post_only = row.Bool();
    order.price = Price::FromTicks(row.Int());
    order.quantity = Quantity::FromLots(row.Int());
    order.filled = Quantity::FromLots(row.Int());
    order.slot_key = row.Int();
    order.create_time_ns = row.Int();
    order.update_time_ns = row.Int();
    order.submit_expiry_ns = row.Int();
    if (order.filled.is_negative() || order.filled > order.quantity) row.Fail("filled > quantity");
    HF_RETURN_IF_ERROR(row.status());
    state.open_orders.push_back(order);
  }
}

absl::Status LoadSlots(SqliteConnection& connection, int64_t instrument_key,
                       RecoveredState& state) {
  HF_ASSIGN_OR_RETURN(
      SqliteStatement rows,
      connection.Prepare("SELECT line, entry_side, state, entry_price_ticks, held_lots, "
                         "held_cost_e8, post_only_reject_count FROM slots "
                         "WHERE instrument_key = ? ORDER BY line, entry_side"));
  HF_RETURN_IF_ERROR(rows.Bind(instrument_key));
  while (true) {
    HF_ASSIGN_OR_RETURN(const bool has_row, rows.Step());
    if (!has_row) return absl::OkStatus();
    RowReader row(rows, "slots");
    Slot slot;
    slot.line = static_cast<int32_t>(row.Int());
    slot.entry_side = row.Enumerator<Side>();
    slot.state = row.Enumerator<SlotState>();
    slot.entry_price = Price::FromTicks(row.Int());
    slot.held = Quantity::FromLots(row.Int());
    slot.held_cost = Notional::FromUnits(row.Int());
    slot.post_only_reject_count = static_cast<int32_t>(row.Int());
    if ((slot.state == SlotState::kFilled) != slot.held.is_positive()) row.Fail("state and held");
    HF_RETURN_IF_ERROR(row.status());
    state.slots.push_back(slot);
  }
}

absl::Status LoadSlotRest(SqliteConnection& connection, int64_t instrument_key,
                          RecoveredState& state) {
  HF_ASSIGN_OR_RETURN(
      SqliteStatement rest,
      connection.Prepare("SELECT base_e8, cost_e8 FROM slot_rest WHERE instrument_key = ?"));
  HF_RETURN_IF_ERROR(rest.Bind(instrument_key));
  HF_ASSIGN_OR_RETURN(const bool has_row, rest.Step());
  if (!has_row) return absl::OkStatus();
  state.slot_rest = {.base = Decimal::FromUnits(rest.ColumnInt(0)),
                     .cost = Notional::FromUnits(rest.ColumnInt(1))};
  return absl::OkStatus();
}

absl::Status LoadMemoryAndPosition(SqliteConnection& connection, int64_t instrument_key,
                                   RecoveredState& state) {
  HF_ASSIGN_OR_RETURN(SqliteStatement memory,
                      connection.Prepare("SELECT anchor_ticks, interval_ticks "
                                         "FROM strategy_memory WHERE instrument_key = ?"));
  HF_RETURN_IF_ERROR(memory.Bind(instrument_key));
  HF_ASSIGN_OR_RETURN(const bool has_memory, memory.Step());
  if (has_memory) {
    state.memory.has_anchor = !memory.IsColumnNull(0);
    state.memory.anchor = Price::FromTicks(memory.ColumnInt(0));
    state.memory.interval_ticks = memory.ColumnInt(1);
  }
  HF_ASSIGN_OR_RETURN(SqliteStatement position,
                      connection.Prepare("SELECT quantity_lots, cost_e8, realized_pnl_e8 "
                                         "FROM positions WHERE instrument_key = ?"));
  HF_RETURN_IF_ERROR(position.Bind(instrument_key));
  HF_ASSIGN_OR_RETURN(const bool has_position, position.Step());
  if (!has_position) return absl::OkStatus();
  if (position.ColumnInt(0) == 0 && position.ColumnInt(1) != 0) {
    return BadRow("positions", "cost without quantity");
  }
  state.position = Position::Restore(Quantity::FromLots(position.ColumnInt(0)),
                                     Notional::FromUnits(position.ColumnInt(1)),
                                     Notional::FromUnits(position.ColumnInt(2)));
  return absl::OkStatus();
}

absl::Status LoadRisk(SqliteConnection& connection, RecoveredState& state) {
  HF_ASSIGN_OR_RETURN(
      SqliteStatement rows,
      connection.Prepare(
          "SELECT is_risk_mode_active, is_paused, is_killed, since_ns, breaker_open_until_ns, "
          "reason FROM risk_state"));
  HF_ASSIGN_OR_RETURN(const bool has_row, rows.Step());
  if (!has_row) return absl::OkStatus();
  RowReader row(rows, "risk_state");
  state.risk.is_risk_mode_active = row.Bool();
  state.risk.is_paused = row.Bool();
  state.risk.is_killed = row.Bool();
  state.risk.since_ns = row.Int();
  state.risk.breaker_open_until_ns = row.Int();
  state.risk.reason = row.Inline<InlineString<64>>();
  return row.status();
}

// The balances of one asset sum to zero over the accounts, so they are one balanced transaction.
absl::Status LoadLedger(SqliteConnection& connection, RecoveredState& state) {
  HF_ASSIGN_OR_RETURN(SqliteStatement rows,
                      connection.Prepare("SELECT asset, account, balance_e8 FROM ledger_balances "
                                         "WHERE balance_e8 <> 0 ORDER BY asset, account"));
  std::map<AssetCode, LedgerTransaction> by_asset;
  while (true) {
    HF_ASSIGN_OR_RETURN(const bool has_row, rows.Step());
    if (!has_row) break;
    RowReader row(rows, "ledger_balances");
    LedgerEntry entry;
    entry.asset = row.Inline<AssetCode>();
    entry.account = row.Enumerator<LedgerAccount>();
    entry.amount = Decimal::FromUnits(row.Int());
    HF_RETURN_IF_ERROR(row.status());
    LedgerTransaction& transaction = by_asset[entry.asset];
    transaction.cause = LedgerCause::kOpening;
    if (transaction.entries.full()) return BadRow("ledger_balances", "too many accounts");
    transaction.entries.push_back(entry);
  }
  for (const auto& [asset, transaction] : by_asset) {
    const absl::Status applied = state.ledger.Apply(transaction);
    if (!applied.ok()) return BadRow("ledger_balances", applied.message());
  }
  return absl::OkStatus();
}

absl::Status LoadTradeIds(SqliteConnection& connection, const StoreOptions& options,
                          RecoveredState& state) {
  HF_ASSIGN_OR_RETURN(SqliteStatement rows,
                      connection.Prepare("SELECT trade_id FROM fills WHERE symbol = ? "
                                         "ORDER BY trade_id DESC LIMIT ?"));
  HF_RETURN_IF_ERROR(
      rows.Bind(options.instrument.symbol.view(), int64_t{options.recent_trade_id_limit}));
  while (true) {
    HF_ASSIGN_OR_RETURN(const bool has_row, rows.Step());
    if (!has_row) break;
    state.recent_trade_ids.push_back(VenueTradeId(rows.ColumnInt(0)));
  }
  std::reverse(state.recent_trade_ids.begin(), state.recent_trade_ids.end());
  if (!state.recent_trade_ids.empty()) state.last_trade_id = state.recent_trade_ids.back();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RecoveredState> LoadRecoveredState(SqliteConnection& connection,
                                                  const StoreOptions& options,
                                                  int64_t instrument_key) {
  RecoveredState state;
  HF_RETURN_IF_ERROR(connection.Execute("BEGIN"));
  absl::Status status = LoadInfo(connection, state);
  if (status.ok()) status = LoadLineChange(connection, options, instrument_key, state);
  if (status.ok()) status = LoadOpenOrders(connection, options, state);
  if (status.ok()) status = LoadSlots(connection, instrument_key, state);
  if (status.ok()) status = LoadSlotRest(connection, instrument_key, state);
  if (status.ok()) status = LoadMemoryAndPosition(connection, instrument_key, state);
  if (status.ok()) status = LoadRisk(connection, state);
  if (status.ok()) status = LoadLedger(connection, state);
  if (status.ok()) status = LoadTradeIds(connection, options, state);
  connection.RollBack();
  if (!status.ok()) return status;
  return state;
}

}  // namespace holdfast
