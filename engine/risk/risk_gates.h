#pragma once

#include <cstdint>
#include <optional>

#include "engine/base/decimal.h"
#include "engine/market/instrument.h"
#include "engine/market/price.h"
#include "engine/market/side.h"
#include "engine/risk/deny_reason.h"
#include "engine/risk/risk_limits.h"
#include "engine/risk/token_bucket.h"

namespace holdfast {

// What is true of the process and the venue at this moment: the gates that concern every order.
struct GateConditions {
  bool is_killed = false;
  bool is_paused = false;
  bool is_reconciled = false;
  bool is_account_safe = false;
  bool is_store_healthy = false;
  bool is_breaker_open = false;
  bool is_connected = false;
  bool is_book_quotable = false;
  bool is_instrument_trading = false;
};

// What an order is checked against. Kept up to date while a turn places several orders.
struct ExposureView {
  const Instrument* instrument = nullptr;
  Price best_bid;
  Price best_ask;
  bool is_risk_mode_active = false;
  Quantity position;   // signed
  Quantity live_buy;   // quantity left of all buys that may be live, unknown ones in full
  Quantity live_sell;  // the same for sells
  // Own prices that may be live: the highest buy and the lowest sell.
  std::optional<Price> highest_buy;
  std::optional<Price> lowest_sell;
  int32_t open_order_count = 0;
  // What the wallet has left after everything that may be live.
  Decimal available_base;
  Notional available_quote;
  Decimal maker_fee_rate;  // signed
};

struct OrderCandidate {
  Side side = Side::kBuy;
  Price price;
  Quantity quantity;
  bool is_exit = false;
  // Entry: ticks between the entry and the exit it aims at; 0 = not known, then twice the distance
  // from the mid counts.
  int64_t capture_ticks = 0;
  // Exit: quote paid (received, for a short) for `quantity`; zero = not known.
  Notional entry_cost;
};

// The gates of DESIGN section 8 in their order. Pure apart from the token bucket.
class RiskGates {
 public:
  // REQUIRES: Validate(limits) is OK.
  explicit RiskGates(const RiskLimits& limits);

  // The first closed gate that concerns every order; nullopt = open.
  static std::optional<DenyReason> CheckConditions(const GateConditions& conditions);
  // The first closed gate for this order; nullopt = it may be placed. `now_ns` is monotonic.
  std::optional<DenyReason> CheckOrder(const ExposureView& view, const OrderCandidate& order,
                                       int64_t now_ns);
  // The order was handed over: takes a token and reserves its exposure in `view`.
  void OnPlaced(const OrderCandidate& order, ExposureView& view);

  const RiskLimits& limits() const { return limits_; }

 private:
  bool IsWithinCollar(const ExposureView& view, Price price) const;
  bool IsSizeAllowed(const ExposureView& view, Quantity quantity) const;
  bool IsPositionAllowed(const ExposureView& view, const OrderCandidate& order) const;
  bool HasEdge(const ExposureView& view, const OrderCandidate& order) const;

  RiskLimits limits_;
  TokenBucket bucket_;
};

}  // namespace holdfast
