#include "connectors/sim/order_checks.h"

#include <algorithm>

namespace holdfast {
namespace {

bool IsMultiple(Decimal value, Decimal step) { return value.units() % step.units() == 0; }

// a x b compared with c, exactly.
int CompareProduct(Decimal a, Decimal b, Decimal c) {
  const __int128 product = static_cast<__int128>(a.units()) * b.units();
  const __int128 other = static_cast<__int128>(c.units()) * Decimal::kUnitsPerOne;
  return product < other ? -1 : product > other ? 1 : 0;
}

std::optional<SimRefusal> CheckPrice(const Instrument& instrument, Decimal price) {
  const bool is_legal =
      IsMultiple(price, instrument.tick_size) &&
      price >= instrument.ToDecimal(instrument.min_price) &&
      (instrument.max_price.ticks() == 0 || price <= instrument.ToDecimal(instrument.max_price));
  if (is_legal) return std::nullopt;
  return SimRefusal::kPriceFilter;
}

std::optional<SimRefusal> CheckPercentPrice(const Instrument& instrument, Side side, Decimal price,
                                            Decimal reference) {
  const bool is_buy = side == Side::kBuy;
  const Decimal up = is_buy ? instrument.bid_multiplier_up : instrument.ask_multiplier_up;
  const Decimal down = is_buy ? instrument.bid_multiplier_down : instrument.ask_multiplier_down;
  const bool is_too_high = !up.is_zero() && CompareProduct(reference, up, price) < 0;
  const bool is_too_low = !down.is_zero() && CompareProduct(reference, down, price) > 0;
  if (!is_too_high && !is_too_low) return std::nullopt;
  return SimRefusal::kPercentPriceBySide;
}

}  // namespace

bool IsClientOrderId(std::string_view id) {
  return !id.empty() && ClientOrderId::Fits(id) && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

std::optional<SimRefusal> CheckOrderShape(const SimOrderRequest& request) {
  if (!request.client_order_id.empty() && !IsClientOrderId(request.client_order_id)) {
    return SimRefusal::kBadClientOrderId;
  }
  const bool is_market = request.type == SimOrderType::kMarket;
  if (!is_market && !request.quote_quantity.is_zero()) return SimRefusal::kBadParameterCombination;
  if (is_market && !request.price.is_zero()) return SimRefusal::kBadParameterCombination;
  if (!request.quantity.is_zero() && !request.quote_quantity.is_zero()) {
    return SimRefusal::kBadParameterCombination;
  }
  if (request.quantity.is_negative() || request.quote_quantity.is_negative()) {
    return SimRefusal::kMissingQuantity;
  }
  if (request.quantity.is_zero() && request.quote_quantity.is_zero()) {
    return SimRefusal::kMissingQuantity;
  }
  if (!is_market && !request.price.is_positive()) return SimRefusal::kMissingPrice;
  return std::nullopt;
}

std::optional<SimRefusal> CheckLotSize(const Instrument& instrument, Decimal quantity) {
  const Decimal max = instrument.ToDecimal(instrument.max_quantity);
  const bool is_legal = quantity.is_positive() && IsMultiple(quantity, instrument.lot_size) &&
                        quantity >= instrument.ToDecimal(instrument.min_quantity) &&
                        (max.is_zero() || quantity <= max);
  if (is_legal) return std::nullopt;
  return SimRefusal::kLotSize;
}

std::optional<SimRefusal> CheckOrderFilters(const Instrument& instrument,
                                            const SimOrderRequest& request,
                                            const FilterContext& context) {
  const bool is_market = request.type == SimOrderType::kMarket;
  if (!is_market) {
    if (const auto refusal = CheckPrice(instrument, request.price)) return refusal;
  }
  if (!request.quantity.is_zero()) {
    if (const auto refusal = CheckLotSize(instrument, request.quantity)) return refusal;
  }
  if (!is_market && context.reference_price.has_value()) {
    if (const auto refusal =
            CheckPercentPrice(instrument, request.side, request.price, *context.reference_price)) {
      return refusal;
    }
  }
  bool is_too_small = false;
  if (!request.quote_quantity.is_zero()) {
    is_too_small = request.quote_quantity < instrument.min_notional;
  } else if (!is_market || context.reference_price.has_value()) {
    const Decimal price = is_market ? *context.reference_price : request.price;
    is_too_small = CompareProduct(price, request.quantity, instrument.min_notional) < 0;
  }
  if (is_too_small) return SimRefusal::kNotional;
  if (instrument.max_order_count > 0 && context.open_order_count >= instrument.max_order_count) {
    return SimRefusal::kMaxOrderCount;
  }
  return std::nullopt;
}

}  // namespace holdfast
