#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "tests/fault/venue_ledger.h"

namespace holdfast::testing {

// The service's own books, read from its store (docs/store_format.md) after it has ended.
struct ServiceBooks {
  std::map<int64_t, TradeRow> trades;           // by trade id
  std::map<std::string, Decimal> wallet;        // ledger balance of the wallet by asset
  std::map<std::string, Decimal> fees;          // ledger balance of the fees by asset
  std::map<std::string, int64_t> order_states;  // how many orders are in which state
  std::map<int64_t, std::string> orders;        // client id by order number
  int64_t next_order_number = 0;
  int64_t record_count = 0;
  int64_t opening_count = 0;     // opening bookings
  int64_t adjustment_count = 0;  // bookings of what could not be explained
  int64_t unbalanced_count = 0;  // assets whose ledger does not sum to zero
};

// A store that cannot be read stops the test.
ServiceBooks ReadServiceBooks(const std::string& database_path);
// Runs a statement on the store of a service that has ended; `use` gets the first column of every
// row as text, and may be null where there are none.
void EachStoredRow(const std::string& database_path, const std::string& sql,
                   const std::function<void(const std::string&)>& use);

}  // namespace holdfast::testing
