#include "tests/fault/service_books.h"

#include <sqlite3.h>

#include <functional>
#include <stdexcept>

namespace holdfast::testing {
namespace {

class Reader {
 public:
  explicit Reader(const std::string& path) {
    if (sqlite3_open_v2(path.c_str(), &database_, SQLITE_OPEN_READWRITE, nullptr) != SQLITE_OK) {
      throw std::runtime_error("store: cannot open " + path);
    }
  }
  ~Reader() { sqlite3_close(database_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void EachRow(const char* sql, const std::function<void(sqlite3_stmt*)>& use) {
    sqlite3_stmt* row = nullptr;
    if (sqlite3_prepare_v2(database_, sql, -1, &row, nullptr) != SQLITE_OK) {
      throw std::runtime_error(std::string("store: ") + sqlite3_errmsg(database_) + ": " + sql);
    }
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(row)) == SQLITE_ROW) use(row);
    sqlite3_finalize(row);
    if (code != SQLITE_DONE) throw std::runtime_error(sqlite3_errmsg(database_));
  }
  int64_t Int(const char* sql) {
    int64_t value = 0;
    EachRow(sql, [&value](sqlite3_stmt* row) { value = sqlite3_column_int64(row, 0); });
    return value;
  }

 private:
  sqlite3* database_ = nullptr;
};

std::string Text(sqlite3_stmt* row, int column) {
  return reinterpret_cast<const char*>(sqlite3_column_text(row, column));
}
Decimal Units(sqlite3_stmt* row, int column) {
  return Decimal::FromUnits(sqlite3_column_int64(row, column));
}

}  // namespace

void EachStoredRow(const std::string& database_path, const std::string& sql,
                   const std::function<void(const std::string&)>& use) {
  Reader(database_path).EachRow(sql.c_str(), [&](sqlite3_stmt* row) { use(Text(row, 0)); });
}

ServiceBooks ReadServiceBooks(const std::string& database_path) {
  Reader reader(database_path);
  ServiceBooks books;
  reader.EachRow(
      "SELECT trade_id, side, liquidity, price_ticks * tick_size_e8, quantity_lots * lot_size_e8, "
      "fee_e8, fee_asset FROM fills JOIN instruments USING (instrument_key)",
      [&](sqlite3_stmt* row) {
        books.trades[sqlite3_column_int64(row, 0)] = {.side = Text(row, 1),
                                                      .is_maker = Text(row, 2) == "maker",
                                                      .price = Units(row, 3),
                                                      .quantity = Units(row, 4),
                                                      .fee = Units(row, 5),
                                                      .fee_asset = Text(row, 6)};
      });
  reader.EachRow("SELECT account, asset, balance_e8 FROM ledger_balances", [&](sqlite3_stmt* row) {
    if (Text(row, 0) == "wallet") books.wallet[Text(row, 1)] = Units(row, 2);
    if (Text(row, 0) == "fees") books.fees[Text(row, 1)] = Units(row, 2);
  });
  reader.EachRow("SELECT order_number, client_order_id, state FROM orders", [&](sqlite3_stmt* row) {
    books.orders[sqlite3_column_int64(row, 0)] = Text(row, 1);
    ++books.order_states[Text(row, 2)];
  });
  books.next_order_number = reader.Int("SELECT next_order_number FROM store_info");
  books.record_count = reader.Int("SELECT record_count FROM store_info");
  books.opening_count =
      reader.Int("SELECT count(*) FROM ledger_transactions WHERE cause = 'opening'");
  books.adjustment_count =
      reader.Int("SELECT count(*) FROM ledger_transactions WHERE cause = 'adjustment'");
  books.unbalanced_count = reader.Int(
      "SELECT count(*) FROM (SELECT 1 FROM ledger_entries GROUP BY asset "
      "HAVING sum(amount_e8) <> 0)");
  return books;
}

}  // namespace holdfast::testing
