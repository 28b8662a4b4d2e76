#pragma once

#include <cstdint>
#include <optional>

#include "engine/base/static_vector.h"
#include "engine/market/instrument.h"
#include "engine/market/price.h"
#include "engine/market/side.h"
#include "strategy/slot.h"

namespace holdfast {

// Largest number of orders a strategy may want at once: 200 lines a side plus exits.
inline constexpr int kMaxTargetOrders = 800;
inline constexpr int kMaxSlots = 1024;

// What the strategy sees of the market. Built by the engine from a quotable book.
struct MarketView {
  const Instrument* instrument = nullptr;
  Price best_bid;
  Quantity best_bid_quantity;
  Price best_ask;
  Quantity best_ask_quantity;
  // Price from outside this venue (L4), for strategies that quote round one. Zero: none; the middle
  // of the book is used.
  Decimal external_price;
  Decimal maker_fee_rate;           // signed
  double atr_ratio = 1.0;           // ATR / baseline ATR; 1 until both windows are warm (G5)
  bool are_buys_allowed = true;     // false: risk mode, no entry may buy (X2)
  bool are_entries_allowed = true;  // false: only exits
};

struct Inventory {
  Quantity position;         // signed
  Quantity target_position;  // signed; what the skew steers to
  Quantity max_position;     // magnitude; positive
};

struct TargetOrder {
  SlotKey key;
  Side side = Side::kBuy;  // of the order itself: exits have the opposite of key.entry_side
  Price price;
  Quantity quantity;  // open at the venue: of a partly filled order what remains
};

// Positions that should be held and orders that should be working. Orders are unique by key. The
// engine cancels what is working and not in here, and places what is in here and not working.
struct TargetState {
  StaticVector<TargetOrder, kMaxTargetOrders> orders;
  Quantity target_position;
  // False: the strategy could not compute a target (bad input); the engine pulls entries, keeps
  // exits.
  bool is_valid = false;

  void Clear() {
    orders.clear();
    target_position = Quantity();
    is_valid = false;
  }
};

}  // namespace holdfast
