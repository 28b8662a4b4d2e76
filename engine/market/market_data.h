#pragma once

#include <cstdint>
#include <span>

#include "engine/market/ids.h"
#include "engine/market/price.h"
#include "engine/market/side.h"

namespace holdfast {

// One level's new absolute size. Quantity 0 removes the level.
struct LevelChange {
  Price price;
  Quantity quantity;
  friend bool operator==(const LevelChange&, const LevelChange&) = default;
};

// The spans below point into the caller's buffer and are valid during the call only.

// Whole book as of `last_update_id`. Bids best first, asks best first.
struct DepthSnapshot {
  InstrumentId instrument;
  int64_t last_update_id = 0;
  int64_t receive_time_ns = 0;
  std::span<const LevelChange> bids;
  std::span<const LevelChange> asks;
};

// A diff that covers the venue's update ids [first_update_id, last_update_id].
struct DepthUpdate {
  InstrumentId instrument;
  int64_t first_update_id = 0;
  int64_t last_update_id = 0;
  int64_t venue_time_ns = 0;
  int64_t receive_time_ns = 0;
  std::span<const LevelChange> bids;
  std::span<const LevelChange> asks;
};

// Best bid and ask as the venue states them ahead of the depth stream.
struct BookTop {
  InstrumentId instrument;
  int64_t update_id = 0;
  Price bid_price;
  Quantity bid_quantity;
  Price ask_price;
  Quantity ask_quantity;
  int64_t receive_time_ns = 0;
};

// A public print. `aggressor` is the side that took liquidity.
struct PublicTrade {
  InstrumentId instrument;
  VenueTradeId trade_id;
  Price price;
  Quantity quantity;
  Side aggressor = Side::kBuy;
  int64_t venue_time_ns = 0;
  int64_t receive_time_ns = 0;
};

}  // namespace holdfast
