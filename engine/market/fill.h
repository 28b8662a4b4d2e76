#pragma once

#include <cstdint>

#include "engine/base/decimal.h"
#include "engine/market/ids.h"
#include "engine/market/price.h"
#include "engine/market/side.h"

namespace holdfast {

// One execution of ours. Deduplicated by (venue, account, symbol, trade_id) wherever it comes from.
struct Fill {
  InstrumentId instrument;
  VenueTradeId trade_id;
  VenueOrderId venue_order_id;
  ClientOrderId client_order_id;  // empty when the source (a trade list) does not carry it
  Side side = Side::kBuy;
  Liquidity liquidity = Liquidity::kMaker;
  Price price;
  Quantity quantity;
  Decimal fee;  // in fee_asset; negative = rebate received
  AssetCode fee_asset;
  int64_t venue_time_ns = 0;
  int64_t receive_time_ns = 0;
};

}  // namespace holdfast
