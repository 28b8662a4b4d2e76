#include "connectors/sim/sim_types.h"

namespace holdfast {

std::string_view ToText(SimOrderType type) {
  switch (type) {
    case SimOrderType::kLimit:
      return "limit";
    case SimOrderType::kLimitMaker:
      return "limit_maker";
    case SimOrderType::kMarket:
      return "market";
  }
  return "?";
}

std::string_view ToText(SelfTradeMode mode) {
  switch (mode) {
    case SelfTradeMode::kNone:
      return "none";
    case SelfTradeMode::kExpireTaker:
      return "expire_taker";
    case SelfTradeMode::kExpireMaker:
      return "expire_maker";
    case SelfTradeMode::kExpireBoth:
      return "expire_both";
    case SelfTradeMode::kDecrement:
      return "decrement";
  }
  return "?";
}

std::string_view ToText(SimOrderStatus status) {
  switch (status) {
    case SimOrderStatus::kNew:
      return "new";
    case SimOrderStatus::kPartiallyFilled:
      return "partially_filled";
    case SimOrderStatus::kFilled:
      return "filled";
    case SimOrderStatus::kCanceled:
      return "canceled";
    case SimOrderStatus::kRejected:
      return "rejected";
    case SimOrderStatus::kExpired:
      return "expired";
    case SimOrderStatus::kExpiredInMatch:
      return "expired_in_match";
  }
  return "?";
}

std::string_view ToText(SimExecutionType type) {
  switch (type) {
    case SimExecutionType::kNew:
      return "new";
    case SimExecutionType::kCanceled:
      return "canceled";
    case SimExecutionType::kReplaced:
      return "replaced";
    case SimExecutionType::kRejected:
      return "rejected";
    case SimExecutionType::kTrade:
      return "trade";
    case SimExecutionType::kExpired:
      return "expired";
    case SimExecutionType::kTradePrevention:
      return "trade_prevention";
  }
  return "?";
}

std::string_view ToText(SimRefusal refusal) {
  switch (refusal) {
    case SimRefusal::kUnknownInstrument:
      return "unknown_instrument";
    case SimRefusal::kUnknownAccount:
      return "unknown_account";
    case SimRefusal::kBadClientOrderId:
      return "bad_client_order_id";
    case SimRefusal::kDuplicateClientOrderId:
      return "duplicate_client_order_id";
    case SimRefusal::kMissingQuantity:
      return "missing_quantity";
    case SimRefusal::kMissingPrice:
      return "missing_price";
    case SimRefusal::kBadParameterCombination:
      return "bad_parameter_combination";
    case SimRefusal::kInstrumentHalted:
      return "instrument_halted";
    case SimRefusal::kInstrumentCancelOnly:
      return "instrument_cancel_only";
    case SimRefusal::kAccountCannotTrade:
      return "account_cannot_trade";
    case SimRefusal::kWouldTake:
      return "would_take";
    case SimRefusal::kInsufficientBalance:
      return "insufficient_balance";
    case SimRefusal::kPriceFilter:
      return "price_filter";
    case SimRefusal::kLotSize:
      return "lot_size";
    case SimRefusal::kNotional:
      return "notional";
    case SimRefusal::kPercentPriceBySide:
      return "percent_price_by_side";
    case SimRefusal::kMaxOrderCount:
      return "max_order_count";
    case SimRefusal::kVenueFull:
      return "venue_full";
    case SimRefusal::kUnknownOrder:
      return "unknown_order";
    case SimRefusal::kCancelRestriction:
      return "cancel_restriction";
    case SimRefusal::kQuantityNotReduced:
      return "quantity_not_reduced";
  }
  return "?";
}

}  // namespace holdfast
