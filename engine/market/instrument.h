#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/decimal.h"
#include "engine/market/ids.h"
#include "engine/market/price.h"

namespace holdfast {

enum class TradingStatus : uint8_t { kTrading, kCancelOnly, kHalted };

// One instrument of one venue with the venue's own limits. A value: a filter change makes a new
// one.
struct Instrument {
  InstrumentId id;
  SymbolText symbol;      // as the venue spells it: "BTCUSDT"
  AssetCode base_asset;   // what is bought and sold
  AssetCode quote_asset;  // what it is paid with
  Decimal tick_size;      // price step, quote per base
  Decimal lot_size;       // quantity step, base
  Price min_price;
  Price max_price;  // 0 ticks = the venue states none
  Quantity min_quantity;
  Quantity max_quantity;        // 0 lots = the venue states none
  Notional min_notional;        // price x quantity of one order, quote
  int32_t max_order_count = 0;  // open orders per account, 0 = the venue states none
  // Fractions of the reference price beyond which the venue refuses a price; zero = none stated.
  Decimal bid_multiplier_up, bid_multiplier_down, ask_multiplier_up, ask_multiplier_down;
  TradingStatus status = TradingStatus::kTrading;

  friend bool operator==(const Instrument&, const Instrument&) = default;

  Decimal ToDecimal(Price price) const { return tick_size * price.ticks(); }
  Decimal ToDecimal(Quantity quantity) const { return lot_size * quantity.lots(); }

  // Exact or kInvalidArgument: a venue's number must land on the venue's own grid.
  absl::StatusOr<Price> PriceFromDecimal(Decimal value) const;
  absl::StatusOr<Quantity> QuantityFromDecimal(Decimal value) const;
  // Onto the grid in a stated direction.
  Price RoundPrice(Decimal value, Rounding rounding) const;
  Quantity RoundQuantity(Decimal value, Rounding rounding) const;

  // price x quantity in the quote asset; rounded to 10^-8 away from nothing: exact whenever
  // tick_size x lot_size is a multiple of 10^-8, otherwise to nearest.
  Notional NotionalOf(Price price, Quantity quantity) const;

  // Smallest quantity that satisfies both min_quantity and min_notional at this price.
  Quantity MinQuantityAt(Price price) const;

  // Whether the venue's static filters would take this order; nullopt = yes, else the violated one.
  enum class Violation : uint8_t { kPriceRange, kQuantityRange, kMinNotional, kNotTrading };
  std::optional<Violation> Check(Price price, Quantity quantity) const;
};

std::string_view ToText(Instrument::Violation violation);
std::string_view ToText(TradingStatus status);

// Checks what the rest of the code relies on (positive tick and lot, distinct assets, sane limits).
// kInvalidArgument names the symbol and the offending field.
absl::Status Validate(const Instrument& instrument);

}  // namespace holdfast
