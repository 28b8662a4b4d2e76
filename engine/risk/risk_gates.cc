#include "engine/risk/risk_gates.h"

#include <algorithm>
#include <cstdlib>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

bool WouldSelfTrade(const ExposureView& view, const OrderCandidate& order) {
  if (order.side == Side::kBuy) {
    return view.lowest_sell.has_value() && order.price >= *view.lowest_sell;
  }
  return view.highest_buy.has_value() && order.price <= *view.highest_buy;
}

bool IsBalanceEnough(const ExposureView& view, const OrderCandidate& order) {
  if (order.side == Side::kBuy) {
    return view.instrument->NotionalOf(order.price, order.quantity) <= view.available_quote;
  }
  return view.instrument->ToDecimal(order.quantity) <= view.available_base;
}

}  // namespace

RiskGates::RiskGates(const RiskLimits& limits)
    : limits_(limits), bucket_(limits.max_orders_per_second, limits.max_order_burst) {
  HF_ASSERT(Validate(limits).ok());
}

std::optional<DenyReason> RiskGates::CheckConditions(const GateConditions& conditions) {
  if (conditions.is_killed) return DenyReason::kKilled;
  if (conditions.is_paused) return DenyReason::kPaused;
  if (!conditions.is_connected) return DenyReason::kNotConnected;
  if (!conditions.is_reconciled) return DenyReason::kNotReconciled;
  if (!conditions.is_account_safe) return DenyReason::kAccountUnsafe;
  if (!conditions.is_store_healthy) return DenyReason::kStoreUnhealthy;
  if (conditions.is_breaker_open) return DenyReason::kVenueBreaker;
  if (!conditions.is_instrument_trading) return DenyReason::kInstrumentFilter;
  if (!conditions.is_book_quotable) return DenyReason::kStaleBook;
  return std::nullopt;
}

bool RiskGates::IsWithinCollar(const ExposureView& view, Price price) const {
  const __int128 doubled_mid = static_cast<__int128>(view.best_bid.ticks()) + view.best_ask.ticks();
  __int128 distance = static_cast<__int128>(price.ticks()) * 2 - doubled_mid;
  if (distance < 0) distance = -distance;
  return distance * Decimal::kUnitsPerOne <= doubled_mid * limits_.max_price_deviation.units();
}

bool RiskGates::IsSizeAllowed(const ExposureView& view, Quantity quantity) const {
  return limits_.max_order_quantity.is_zero() ||
         view.instrument->ToDecimal(quantity) <= limits_.max_order_quantity;
}

// Everything on the order's side may fill and nothing on the other: that position must be allowed.
// An order that can only bring the position nearer to zero always is.
bool RiskGates::IsPositionAllowed(const ExposureView& view, const OrderCandidate& order) const {
  const Quantity live = order.side == Side::kBuy ? view.live_buy : view.live_sell;
  const Quantity after = view.position + (live + order.quantity) * Sign(order.side);
  const Quantity in_direction = after * Sign(order.side);
  if (!in_direction.is_positive()) return true;
  return view.instrument->ToDecimal(in_direction) <= limits_.max_position;
}

bool RiskGates::HasEdge(const ExposureView& view, const OrderCandidate& order) const {
  const __int128 fee_units = view.maker_fee_rate.units();
  if (order.is_exit) {
    if (order.entry_cost.is_zero()) return true;
    // One tick of tolerance: the strategy rounds the same condition to the grid.
    const Price tolerant = order.price.PlusTicks(Sign(order.side) * -1);
    const __int128 value = view.instrument->NotionalOf(tolerant, order.quantity).units();
    const __int128 fee = value * fee_units / Decimal::kUnitsPerOne;
    return order.side == Side::kSell ? value - fee >= order.entry_cost.units()
                                     : value + fee <= order.entry_cost.units();
  }
  __int128 capture_ticks = order.capture_ticks;
  if (capture_ticks == 0) {
    capture_ticks = static_cast<__int128>(order.price.ticks()) * 2 - view.best_bid.ticks() -
                    view.best_ask.ticks();
    if (capture_ticks < 0) capture_ticks = -capture_ticks;
  }
  const __int128 needed_units = fee_units * 2 + limits_.min_edge_rate.units();
  return capture_ticks * Decimal::kUnitsPerOne >= needed_units * order.price.ticks();
}

std::optional<DenyReason> RiskGates::CheckOrder(const ExposureView& view,
                                                const OrderCandidate& order, int64_t now_ns) {
  HF_ASSERT(view.instrument != nullptr);
  // X2: no buys and no entries. Only an exit that sells goes on.
  if (view.is_risk_mode_active && (!order.is_exit || order.side == Side::kBuy)) {
    return DenyReason::kRiskMode;
  }
  if (!order.price.ticks() || !order.quantity.is_positive() ||
      view.instrument->Check(order.price, order.quantity).has_value()) {
    return DenyReason::kInstrumentFilter;
  }
  if (!IsWithinCollar(view, order.price)) return DenyReason::kPriceCollar;
  if (!IsSizeAllowed(view, order.quantity)) return DenyReason::kOrderSize;
  if (limits_.max_order_notional.is_positive() &&
      view.instrument->NotionalOf(order.price, order.quantity) > limits_.max_order_notional) {
    return DenyReason::kOrderNotional;
  }
  if (!IsPositionAllowed(view, order)) return DenyReason::kPosition;
  const int32_t venue_max = view.instrument->max_order_count;
  if (view.open_order_count >= limits_.max_open_orders ||
      (venue_max > 0 && view.open_order_count >= venue_max)) {
    return DenyReason::kOpenOrders;
  }
  if (!bucket_.HasToken(now_ns)) return DenyReason::kOrderRate;
  if (WouldSelfTrade(view, order)) return DenyReason::kSelfTrade;
  if (!IsBalanceEnough(view, order)) return DenyReason::kBalance;
  if (!HasEdge(view, order)) return DenyReason::kEdge;
  return std::nullopt;
}

void RiskGates::OnPlaced(const OrderCandidate& order, ExposureView& view) {
  bucket_.Take();
  ++view.open_order_count;
  if (order.side == Side::kBuy) {
    view.live_buy += order.quantity;
    view.available_quote -= view.instrument->NotionalOf(order.price, order.quantity);
    if (!view.highest_buy || order.price > *view.highest_buy) view.highest_buy = order.price;
  } else {
    view.live_sell += order.quantity;
    view.available_base -= view.instrument->ToDecimal(order.quantity);
    if (!view.lowest_sell || order.price < *view.lowest_sell) view.lowest_sell = order.price;
  }
}

}  // namespace holdfast
