#include "engine/market/instrument.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

// Debian builds Abseil with a string_view type of its own.
absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::Status OffGrid(const Instrument& instrument, const char* what, Decimal value, Decimal step) {
  return absl::InvalidArgumentError(absl::StrCat(
      "instrument: ", what, " is not on the venue's grid: symbol=", View(instrument.symbol.view()),
      " value=", value.ToText(), " step=", step.ToText()));
}

bool IsMultiple(Decimal value, Decimal step) { return value.units() % step.units() == 0; }

// price x quantity >= minimum, exact: no rounding and no division. REQUIRES: both factors fit
// Decimal.
bool ReachesNotional(Decimal price, Decimal quantity, Notional minimum) {
  return static_cast<__int128>(price.units()) * quantity.units() >=
         static_cast<__int128>(minimum.units()) * Decimal::kUnitsPerOne;
}

absl::Status BadField(const Instrument& instrument, const char* field, const std::string& value,
                      const char* expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("instrument: invalid limits: symbol=", View(instrument.symbol.view()),
                   " field=", field, " value=", value, " expected=", expected));
}

absl::Status ValidateMultipliers(const Instrument& instrument, const char* side, Decimal up,
                                 Decimal down) {
  const std::string field = absl::StrCat(side, "_multiplier");
  if (up.is_negative() || down.is_negative()) {
    return BadField(instrument, field.c_str(), absl::StrCat(up.ToText(), "/", down.ToText()),
                    ">= 0");
  }
  if (!up.is_zero() && !down.is_zero() && up < down) {
    return BadField(instrument, field.c_str(), absl::StrCat(up.ToText(), "/", down.ToText()),
                    "up >= down");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Price> Instrument::PriceFromDecimal(Decimal value) const {
  if (!IsMultiple(value, tick_size)) return OffGrid(*this, "price", value, tick_size);
  return Price::FromTicks(value.units() / tick_size.units());
}

absl::StatusOr<Quantity> Instrument::QuantityFromDecimal(Decimal value) const {
  if (!IsMultiple(value, lot_size)) return OffGrid(*this, "quantity", value, lot_size);
  return Quantity::FromLots(value.units() / lot_size.units());
}

Price Instrument::RoundPrice(Decimal value, Rounding rounding) const {
  return Price::FromTicks(
      static_cast<int64_t>(DivideRounded(value.units(), tick_size.units(), rounding)));
}

Quantity Instrument::RoundQuantity(Decimal value, Rounding rounding) const {
  return Quantity::FromLots(
      static_cast<int64_t>(DivideRounded(value.units(), lot_size.units(), rounding)));
}

Notional Instrument::NotionalOf(Price price, Quantity quantity) const {
  const Decimal price_decimal = ToDecimal(price);
  const Decimal quantity_decimal = ToDecimal(quantity);
  // Each gate asks for this on the way to the wire. The product of nearly every order fits 64 bits,
  // where dividing by a constant is a multiplication; 128 bits take two library calls.
  int64_t product;
  if (__builtin_mul_overflow(price_decimal.units(), quantity_decimal.units(), &product)) {
    return Multiply(price_decimal, quantity_decimal, Rounding::kNearest);
  }
  const int64_t quotient = product / Decimal::kUnitsPerOne;
  const int64_t remainder = product % Decimal::kUnitsPerOne;
  const int64_t up = remainder >= Decimal::kUnitsPerOne / 2 ? 1 : 0;
  const int64_t down = remainder <= -Decimal::kUnitsPerOne / 2 ? 1 : 0;
  return Decimal::FromUnits(quotient + up - down);
}

Quantity Instrument::MinQuantityAt(Price price) const {
  HF_ASSERT(price.ticks() > 0);
  const __int128 minimum = static_cast<__int128>(min_notional.units()) * Decimal::kUnitsPerOne;
  const __int128 per_lot = static_cast<__int128>(ToDecimal(price).units()) * lot_size.units();
  const __int128 lots = DivideRounded(minimum, per_lot, Rounding::kUp);
  const int64_t for_notional = Decimal::Checked(lots);
  return Quantity::FromLots(std::max({min_quantity.lots(), for_notional, int64_t{1}}));
}

std::optional<Instrument::Violation> Instrument::Check(Price price, Quantity quantity) const {
  if (status != TradingStatus::kTrading) return Violation::kNotTrading;
  if (price.ticks() <= 0 || price < min_price) return Violation::kPriceRange;
  if (max_price.ticks() > 0 && price > max_price) return Violation::kPriceRange;
  if (!Decimal::FitsUnits(static_cast<__int128>(price.ticks()) * tick_size.units())) {
    return Violation::kPriceRange;
  }
  if (!quantity.is_positive() || quantity < min_quantity) return Violation::kQuantityRange;
  if (max_quantity.is_positive() && quantity > max_quantity) return Violation::kQuantityRange;
  if (!Decimal::FitsUnits(static_cast<__int128>(quantity.lots()) * lot_size.units())) {
    return Violation::kQuantityRange;
  }
  if (!ReachesNotional(ToDecimal(price), ToDecimal(quantity), min_notional)) {
    return Violation::kMinNotional;
  }
  return std::nullopt;
}

std::string_view ToText(Instrument::Violation violation) {
  switch (violation) {
    case Instrument::Violation::kPriceRange:
      return "price_range";
    case Instrument::Violation::kQuantityRange:
      return "quantity_range";
    case Instrument::Violation::kMinNotional:
      return "min_notional";
    case Instrument::Violation::kNotTrading:
      return "not_trading";
  }
  return "invalid";
}

std::string_view ToText(TradingStatus status) {
  switch (status) {
    case TradingStatus::kTrading:
      return "trading";
    case TradingStatus::kCancelOnly:
      return "cancel_only";
    case TradingStatus::kHalted:
      return "halted";
  }
  return "invalid";
}

absl::Status Validate(const Instrument& instrument) {
  const Instrument& i = instrument;
  if (i.symbol.empty()) return BadField(i, "symbol", "\"\"", "not empty");
  if (i.base_asset.empty()) return BadField(i, "base_asset", "\"\"", "not empty");
  if (i.quote_asset.empty()) return BadField(i, "quote_asset", "\"\"", "not empty");
  if (i.base_asset == i.quote_asset) {
    return BadField(i, "quote_asset", std::string(i.quote_asset.view()), "not the base asset");
  }
  if (!i.tick_size.is_positive()) return BadField(i, "tick_size", i.tick_size.ToText(), "> 0");
  if (!i.lot_size.is_positive()) return BadField(i, "lot_size", i.lot_size.ToText(), "> 0");
  const auto number = [](int64_t value) { return absl::StrCat(value); };
  if (i.min_price.ticks() < 0) {
    return BadField(i, "min_price", number(i.min_price.ticks()), ">= 0 ticks");
  }
  if (i.max_price.ticks() != 0 && i.max_price < i.min_price) {
    return BadField(i, "max_price", number(i.max_price.ticks()), "0 or >= min_price ticks");
  }
  if (i.min_quantity.is_negative()) {
    return BadField(i, "min_quantity", number(i.min_quantity.lots()), ">= 0 lots");
  }
  if (!i.max_quantity.is_zero() && i.max_quantity < i.min_quantity) {
    return BadField(i, "max_quantity", number(i.max_quantity.lots()), "0 or >= min_quantity lots");
  }
  if (i.min_notional.is_negative()) {
    return BadField(i, "min_notional", i.min_notional.ToText(), ">= 0");
  }
  if (i.max_order_count < 0) {
    return BadField(i, "max_order_count", number(i.max_order_count), ">= 0");
  }
  const absl::Status bid =
      ValidateMultipliers(i, "bid", i.bid_multiplier_up, i.bid_multiplier_down);
  if (!bid.ok()) return bid;
  return ValidateMultipliers(i, "ask", i.ask_multiplier_up, i.ask_multiplier_down);
}

}  // namespace holdfast
