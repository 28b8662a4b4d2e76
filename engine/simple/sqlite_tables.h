#pragma once

#include <string_view>

namespace holdfast {

// Version 4 of the store's tables; docs/store_format.md explains units and rules. The CHECKs and
// triggers state again what the engine asserts: a row that breaks an invariant must not be stored,
// whoever writes it.
inline constexpr std::string_view kSlotRestTableSql = R"sql(
CREATE TABLE slot_rest (
  instrument_key INTEGER PRIMARY KEY REFERENCES instruments,
  base_e8        INTEGER NOT NULL,
  cost_e8        INTEGER NOT NULL
) STRICT;
)sql";

inline constexpr std::string_view kStoreTablesSql = R"sql(
CREATE TABLE store_info (
  id                    INTEGER PRIMARY KEY CHECK (id = 1),
  venue                 TEXT    NOT NULL CHECK (venue <> ''),
  account               TEXT    NOT NULL CHECK (account <> ''),
  symbol                TEXT    NOT NULL CHECK (symbol <> ''),
  created_time_ns       INTEGER NOT NULL,
  next_order_number     INTEGER NOT NULL CHECK (next_order_number > 0),
  record_count          INTEGER NOT NULL CHECK (record_count >= 0),
  newest_record_time_ns INTEGER NOT NULL,
  is_stop_proven        INTEGER NOT NULL DEFAULT 0 CHECK (is_stop_proven IN (0, 1))
) STRICT;

CREATE TRIGGER counters_never_go_back BEFORE UPDATE ON store_info
WHEN NEW.next_order_number < OLD.next_order_number OR NEW.record_count < OLD.record_count
BEGIN SELECT RAISE(ABORT, 'a counter of store_info would go back'); END;

CREATE TABLE instruments (
  instrument_key INTEGER PRIMARY KEY,
  symbol         TEXT    NOT NULL CHECK (length(symbol) BETWEEN 1 AND 24),
  base_asset     TEXT    NOT NULL CHECK (length(base_asset) BETWEEN 1 AND 12),
  quote_asset    TEXT    NOT NULL CHECK (length(quote_asset) BETWEEN 1 AND 12),
  tick_size_e8   INTEGER NOT NULL CHECK (tick_size_e8 > 0),
  lot_size_e8    INTEGER NOT NULL CHECK (lot_size_e8 > 0),
  is_current     INTEGER NOT NULL CHECK (is_current IN (0, 1)),
  first_order_number    INTEGER,
  previous_tick_size_e8 INTEGER CHECK (previous_tick_size_e8 > 0),
  UNIQUE (symbol, tick_size_e8, lot_size_e8)
) STRICT;

CREATE UNIQUE INDEX one_current_grid ON instruments (symbol) WHERE is_current = 1;

CREATE TABLE orders (
  order_number     INTEGER PRIMARY KEY CHECK (order_number > 0),
  client_order_id  TEXT    NOT NULL UNIQUE CHECK (length(client_order_id) BETWEEN 1 AND 36),
  venue_order_id   INTEGER NOT NULL,
  instrument_key   INTEGER NOT NULL REFERENCES instruments,
  side             TEXT    NOT NULL CHECK (side IN ('buy', 'sell')),
  state            TEXT    NOT NULL CHECK (state IN (
                     'initialized', 'denied', 'journaled', 'in_flight', 'unknown', 'working',
                     'partially_filled', 'pending_cancel', 'canceled', 'rejected', 'expired',
                     'filled')),
  time_in_force    TEXT    NOT NULL CHECK (time_in_force IN (
                     'good_till_cancel', 'immediate_or_cancel', 'fill_or_kill')),
  is_post_only     INTEGER NOT NULL CHECK (is_post_only IN (0, 1)),
  price_ticks      INTEGER NOT NULL CHECK (price_ticks >= 0),
  quantity_lots    INTEGER NOT NULL CHECK (quantity_lots > 0),
  filled_lots      INTEGER NOT NULL CHECK (filled_lots BETWEEN 0 AND quantity_lots),
  slot_key         INTEGER NOT NULL,
  create_time_ns   INTEGER NOT NULL,
  update_time_ns   INTEGER NOT NULL,
  submit_expiry_ns INTEGER NOT NULL
) STRICT;

CREATE INDEX open_orders ON orders (order_number)
  WHERE state NOT IN ('denied', 'canceled', 'rejected', 'expired', 'filled');
CREATE INDEX finished_orders ON orders (update_time_ns)
  WHERE state IN ('denied', 'canceled', 'rejected', 'expired', 'filled');

CREATE TABLE slots (
  instrument_key         INTEGER NOT NULL REFERENCES instruments,
  line                   INTEGER NOT NULL,
  entry_side             TEXT    NOT NULL CHECK (entry_side IN ('buy', 'sell')),
  state                  TEXT    NOT NULL CHECK (state IN ('pending', 'locked', 'filled')),
  entry_price_ticks      INTEGER NOT NULL,
  held_lots              INTEGER NOT NULL CHECK (held_lots >= 0),
  held_cost_e8           INTEGER NOT NULL,
  post_only_reject_count INTEGER NOT NULL CHECK (post_only_reject_count >= 0),
  PRIMARY KEY (instrument_key, line, entry_side),
  CHECK ((state = 'filled') = (held_lots > 0))
) STRICT, WITHOUT ROWID;

CREATE TABLE strategy_memory (
  instrument_key INTEGER PRIMARY KEY REFERENCES instruments,
  anchor_ticks   INTEGER,
  interval_ticks INTEGER NOT NULL CHECK (interval_ticks >= 0)
) STRICT;

CREATE TABLE positions (
  instrument_key  INTEGER PRIMARY KEY REFERENCES instruments,
  quantity_lots   INTEGER NOT NULL,
  cost_e8         INTEGER NOT NULL,
  realized_pnl_e8 INTEGER NOT NULL,
  CHECK (quantity_lots <> 0 OR cost_e8 = 0)
) STRICT;

CREATE TABLE risk_state (
  id                    INTEGER PRIMARY KEY CHECK (id = 1),
  is_risk_mode_active   INTEGER NOT NULL CHECK (is_risk_mode_active IN (0, 1)),
  is_paused             INTEGER NOT NULL CHECK (is_paused IN (0, 1)),
  is_killed             INTEGER NOT NULL CHECK (is_killed IN (0, 1)),
  since_ns              INTEGER NOT NULL,
  breaker_open_until_ns INTEGER NOT NULL,
  reason                TEXT    NOT NULL CHECK (length(reason) <= 64)
) STRICT;

CREATE TABLE fills (
  symbol          TEXT    NOT NULL,
  trade_id        INTEGER NOT NULL CHECK (trade_id > 0),
  instrument_key  INTEGER NOT NULL REFERENCES instruments,
  order_number    INTEGER,
  client_order_id TEXT    NOT NULL CHECK (length(client_order_id) <= 36),
  venue_order_id  INTEGER NOT NULL,
  side            TEXT    NOT NULL CHECK (side IN ('buy', 'sell')),
  liquidity       TEXT    NOT NULL CHECK (liquidity IN ('maker', 'taker')),
  price_ticks     INTEGER NOT NULL CHECK (price_ticks > 0),
  quantity_lots   INTEGER NOT NULL CHECK (quantity_lots > 0),
  fee_e8          INTEGER NOT NULL,
  fee_asset       TEXT    NOT NULL CHECK (length(fee_asset) <= 12),
  venue_time_ns   INTEGER NOT NULL,
  receive_time_ns INTEGER NOT NULL,
  PRIMARY KEY (symbol, trade_id)
) STRICT, WITHOUT ROWID;

-- A transaction's entries are written first and its own row last: that row closes it, and is
-- refused unless the entries sum to zero in each asset. Entries that are never closed fail the
-- deferred foreign key at commit.
CREATE TABLE ledger_transactions (
  transaction_id INTEGER PRIMARY KEY,
  cause          TEXT    NOT NULL CHECK (cause IN ('fill', 'opening', 'transfer', 'adjustment')),
  symbol         TEXT,
  trade_id       INTEGER,
  venue_time_ns  INTEGER NOT NULL,
  reason         TEXT    NOT NULL CHECK (length(reason) <= 64),
  CHECK ((cause = 'fill') = (trade_id IS NOT NULL)),
  CHECK ((symbol IS NULL) = (trade_id IS NULL)),
  FOREIGN KEY (symbol, trade_id) REFERENCES fills DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE UNIQUE INDEX one_transaction_per_fill ON ledger_transactions (symbol, trade_id)
  WHERE trade_id IS NOT NULL;

CREATE TABLE ledger_entries (
  transaction_id INTEGER NOT NULL
                 REFERENCES ledger_transactions DEFERRABLE INITIALLY DEFERRED,
  entry_index    INTEGER NOT NULL CHECK (entry_index >= 0),
  account        TEXT    NOT NULL CHECK (account IN (
                   'wallet', 'trading', 'fees', 'transfers', 'adjustment')),
  asset          TEXT    NOT NULL CHECK (length(asset) BETWEEN 1 AND 12),
  amount_e8      INTEGER NOT NULL,
  PRIMARY KEY (transaction_id, entry_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_balances (
  account    TEXT    NOT NULL,
  asset      TEXT    NOT NULL,
  balance_e8 INTEGER NOT NULL,
  PRIMARY KEY (account, asset)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER transactions_balance BEFORE INSERT ON ledger_transactions
WHEN EXISTS (SELECT 1 FROM ledger_entries WHERE transaction_id = NEW.transaction_id
             GROUP BY asset HAVING sum(amount_e8) <> 0)
BEGIN SELECT RAISE(ABORT, 'the ledger transaction does not balance'); END;

CREATE TRIGGER closed_transactions_take_no_entry BEFORE INSERT ON ledger_entries
WHEN EXISTS (SELECT 1 FROM ledger_transactions WHERE transaction_id = NEW.transaction_id)
BEGIN SELECT RAISE(ABORT, 'the ledger transaction is closed'); END;

CREATE TRIGGER entries_move_balances AFTER INSERT ON ledger_entries
BEGIN
  INSERT INTO ledger_balances (account, asset, balance_e8)
  VALUES (NEW.account, NEW.asset, NEW.amount_e8)
  ON CONFLICT DO UPDATE SET balance_e8 = balance_e8 + excluded.balance_e8;
END;

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON ledger_entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER entries_are_not_deleted BEFORE DELETE ON ledger_entries
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER transactions_are_not_changed BEFORE UPDATE ON ledger_transactions
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER transactions_are_not_deleted BEFORE DELETE ON ledger_transactions
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER fills_are_not_changed BEFORE UPDATE ON fills
BEGIN SELECT RAISE(ABORT, 'fills are append-only'); END;
CREATE TRIGGER fills_are_not_deleted BEFORE DELETE ON fills
BEGIN SELECT RAISE(ABORT, 'fills are append-only'); END;

-- For people: the same rows with exact decimal texts.
CREATE VIEW orders_text AS
SELECT o.order_number, o.client_order_id, o.venue_order_id, i.symbol, o.side, o.state,
       printf('%d.%08d', o.price_ticks * i.tick_size_e8 / 100000000,
              o.price_ticks * i.tick_size_e8 % 100000000) AS price,
       printf('%d.%08d', o.quantity_lots * i.lot_size_e8 / 100000000,
              o.quantity_lots * i.lot_size_e8 % 100000000) AS quantity,
       printf('%d.%08d', o.filled_lots * i.lot_size_e8 / 100000000,
              o.filled_lots * i.lot_size_e8 % 100000000) AS filled,
       strftime('%Y-%m-%dT%H:%M:%SZ', o.update_time_ns / 1000000000, 'unixepoch') AS updated
FROM orders o JOIN instruments i USING (instrument_key);

CREATE VIEW fills_text AS
SELECT f.symbol, f.trade_id, f.client_order_id, f.side, f.liquidity,
       printf('%d.%08d', f.price_ticks * i.tick_size_e8 / 100000000,
              f.price_ticks * i.tick_size_e8 % 100000000) AS price,
       printf('%d.%08d', f.quantity_lots * i.lot_size_e8 / 100000000,
              f.quantity_lots * i.lot_size_e8 % 100000000) AS quantity,
       printf('%s%d.%08d', iif(f.fee_e8 < 0, '-', ''), abs(f.fee_e8) / 100000000,
              abs(f.fee_e8) % 100000000) AS fee,
       f.fee_asset,
       strftime('%Y-%m-%dT%H:%M:%SZ', f.venue_time_ns / 1000000000, 'unixepoch') AS venue_time
FROM fills f JOIN instruments i USING (instrument_key);

CREATE VIEW ledger_balances_text AS
SELECT account, asset,
       printf('%s%d.%08d', iif(balance_e8 < 0, '-', ''), abs(balance_e8) / 100000000,
              abs(balance_e8) % 100000000) AS balance
FROM ledger_balances;
)sql";

}  // namespace holdfast
