#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "connectors/sim/sim_types.h"

namespace holdfast {

// 1..36 characters of [A-Za-z0-9_-].
bool IsClientOrderId(std::string_view id);

// What is wrong in every state of the venue: missing or contradictory parameters.
std::optional<SimRefusal> CheckOrderShape(const SimOrderRequest& request);

struct FilterContext {
  // What percentage and market notional filters measure against: the last trade's price. nullopt
  // before the first trade: then they do not apply.
  std::optional<Decimal> reference_price;
  int64_t open_order_count = 0;  // of the account on the instrument
};

// The instrument's own limits, in the order PRICE_FILTER, LOT_SIZE, PERCENT_PRICE_BY_SIDE,
// NOTIONAL, MAX_NUM_ORDERS. REQUIRES: CheckOrderShape() passed.
std::optional<SimRefusal> CheckOrderFilters(const Instrument& instrument,
                                            const SimOrderRequest& request,
                                            const FilterContext& context);
std::optional<SimRefusal> CheckLotSize(const Instrument& instrument, Decimal quantity);

}  // namespace holdfast
