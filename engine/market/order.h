#pragma once

#include <cstdint>

#include "engine/market/client_order_id.h"
#include "engine/market/ids.h"
#include "engine/market/order_state.h"
#include "engine/market/price.h"
#include "engine/market/side.h"

namespace holdfast {

enum class TimeInForce : uint8_t { kGoodTillCancel, kImmediateOrCancel, kFillOrKill };

// One order as we know it. Plain data: transitions go through NextState(), totals through the
// fills. INVARIANT: 0 <= filled <= quantity.
struct Order {
  OrderNumber number;
  ClientOrderId client_order_id;
  VenueOrderId venue_order_id;  // 0 until the venue told us
  InstrumentId instrument;
  Side side = Side::kBuy;
  OrderState state = OrderState::kInitialized;
  TimeInForce time_in_force = TimeInForce::kGoodTillCancel;
  bool is_post_only = true;
  Price price;
  Quantity quantity;
  Quantity filled;
  // What the strategy wanted it for: see strategy/slot.h. Opaque here.
  int64_t slot_key = 0;
  int64_t create_time_ns = 0;    // our wall clock, when decided
  int64_t update_time_ns = 0;    // our wall clock, last transition
  int64_t submit_expiry_ns = 0;  // venue's clock: after this the venue refuses the submission

  Quantity remaining() const { return quantity - filled; }
};

}  // namespace holdfast
