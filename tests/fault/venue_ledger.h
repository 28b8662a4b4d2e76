#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/decimal.h"

namespace holdfast::testing {

// The simulated venue's own books of one account, read from its control port
// (docs/simulated_venue_wire.md): the truth that the service's books are compared with.

struct VenueOrderRow {
  int64_t order_id = 0;
  std::string client_order_id;  // the one it was placed with
  std::string status;
  int64_t create_time_ns = 0;
  int64_t update_time_ns = 0;

  bool is_open() const { return status == "NEW" || status == "PARTIALLY_FILLED"; }
};

struct TradeRow {
  std::string side;  // "buy", "sell"
  bool is_maker = false;
  Decimal price;
  Decimal quantity;
  Decimal fee;
  std::string fee_asset;
  friend bool operator==(const TradeRow&, const TradeRow&) = default;
};

struct VenueBooks {
  std::vector<VenueOrderRow> orders;
  std::map<int64_t, TradeRow> trades;       // by trade id
  std::map<std::string, Decimal> balances;  // by asset, locked included
};

// One request on loopback, and the body of its answer. Any status but 200 stops the test.
// `header_lines`: each ends with a line break.
std::string AskVenue(int port, const std::string& verb, const std::string& target,
                     const std::string& header_lines = "", const std::string& body = "");

// Asks for everything. A venue that does not answer, or answers nonsense, stops the test.
VenueBooks ReadVenueBooks(int control_port, const std::string& account);
// Open orders of the account right now.
int OpenOrderCount(int control_port, const std::string& account);
// Somebody trades against an order of the account; how much was filled, zero when it is not open.
Decimal FillAtVenue(int control_port, const std::string& account,
                    const std::string& client_order_id, const std::string& quantity);

}  // namespace holdfast::testing
