#include "engine/risk/deny_reason.h"

namespace holdfast {

std::string_view ToText(DenyReason reason) {
  switch (reason) {
    case DenyReason::kKilled:
      return "killed";
    case DenyReason::kPaused:
      return "paused";
    case DenyReason::kNotReconciled:
      return "not_reconciled";
    case DenyReason::kAccountUnsafe:
      return "account_unsafe";
    case DenyReason::kStoreUnhealthy:
      return "store_unhealthy";
    case DenyReason::kVenueBreaker:
      return "venue_breaker";
    case DenyReason::kNotConnected:
      return "not_connected";
    case DenyReason::kStaleBook:
      return "stale_book";
    case DenyReason::kRiskMode:
      return "risk_mode";
    case DenyReason::kInstrumentFilter:
      return "instrument_filter";
    case DenyReason::kPriceCollar:
      return "price_collar";
    case DenyReason::kOrderSize:
      return "order_size";
    case DenyReason::kOrderNotional:
      return "order_notional";
    case DenyReason::kPosition:
      return "position";
    case DenyReason::kOpenOrders:
      return "open_orders";
    case DenyReason::kOrderRate:
      return "order_rate";
    case DenyReason::kSelfTrade:
      return "self_trade";
    case DenyReason::kBalance:
      return "balance";
    case DenyReason::kEdge:
      return "edge";
    case DenyReason::kOrderTable:
      return "order_table";
    case DenyReason::kOrderNumbers:
      return "order_numbers";
    case DenyReason::kEngineRefused:
      return "engine_refused";
  }
  return "invalid";
}

}  // namespace holdfast
