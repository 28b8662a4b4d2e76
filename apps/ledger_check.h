#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/market/fill.h"
#include "engine/market/instrument.h"
#include "engine/market/ledger.h"
#include "engine/market/price.h"

namespace holdfast {

// What our books say about one run, from its start (what the store gave back) to its end.
struct OurBooks {
  Instrument instrument;
  std::span<const Fill> fills;  // booked in this run
  VenueTradeId last_trade_before;
  Quantity position_before;
  Quantity position_after;
  const Ledger* ledger_before = nullptr;
  const Ledger* ledger_after = nullptr;
};

// Compares our books with a simulated venue's own ledger (docs/simulated_venue_wire.md, GET
// /ledger): every fill with its fee, the position, the fees per asset, the wallet, and that no
// order of the account is open any more. Returns one line per difference; empty = equal to the last
// unit. kInvalidArgument: the text is not such a ledger.
absl::StatusOr<std::vector<std::string>> CompareWithVenue(const OurBooks& ours,
                                                          std::string_view venue_ledger_json);

}  // namespace holdfast
