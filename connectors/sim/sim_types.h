#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/decimal.h"
#include "engine/base/inline_string.h"
#include "engine/base/strong_id.h"
#include "engine/market/ids.h"
#include "engine/market/instrument.h"
#include "engine/market/order.h"
#include "engine/market/side.h"

namespace holdfast {

// Values of the simulated venue's interface. Prices and quantities are exact decimals here, because
// a wire front end receives and renders decimals and because a number that is off the grid must be
// expressible in order to be refused. All times are the venue's clock, nanoseconds since the epoch.

using SimAccountId = StrongId<struct SimAccountIdTag, uint16_t>;

enum class SimOrderType : uint8_t { kLimit, kLimitMaker, kMarket };
std::string_view ToText(SimOrderType type);

// What happens when an order would match a resting one of the same account or trade group. The
// taker's mode decides.
enum class SelfTradeMode : uint8_t { kNone, kExpireTaker, kExpireMaker, kExpireBoth, kDecrement };
std::string_view ToText(SelfTradeMode mode);

enum class SimOrderStatus : uint8_t {
  kNew,
  kPartiallyFilled,
  kFilled,
  kCanceled,
  kRejected,
  kExpired,         // immediate-or-cancel remainder, fill-or-kill refused, market without liquidity
  kExpiredInMatch,  // self-trade prevention
};
std::string_view ToText(SimOrderStatus status);
constexpr bool IsOpen(SimOrderStatus status) {
  return status == SimOrderStatus::kNew || status == SimOrderStatus::kPartiallyFilled;
}

enum class SimExecutionType : uint8_t {
  kNew,
  kCanceled,
  kReplaced,  // amended in place
  kRejected,  // only the new order of a cancel-replace whose cancel went through
  kTrade,
  kExpired,
  kTradePrevention,
};
std::string_view ToText(SimExecutionType type);

// Why a request changed nothing. A front end turns these into its venue's codes and texts.
enum class SimRefusal : uint8_t {
  kUnknownInstrument,
  kUnknownAccount,
  kBadClientOrderId,         // not 1..36 characters of [A-Za-z0-9_-]
  kDuplicateClientOrderId,   // an OPEN order of the account on this instrument carries it
  kMissingQuantity,          // zero or negative quantity, or neither quantity nor quote quantity
  kMissingPrice,             // zero or negative price of a limit order
  kBadParameterCombination,  // price on a market order, quote quantity on a limit order, ...
  kInstrumentHalted,         // no new orders and no cancels
  kInstrumentCancelOnly,     // no new orders
  kAccountCannotTrade,
  kWouldTake,  // post-only would match
  kInsufficientBalance,
  kPriceFilter,
  kLotSize,
  kNotional,
  kPercentPriceBySide,
  kMaxOrderCount,
  kVenueFull,           // the simulator's own bound on open orders
  kUnknownOrder,        // cancel, amend, query: no such order, or (cancel, amend) not open
  kCancelRestriction,   // cancel allowed only in another state of the order
  kQuantityNotReduced,  // amend: not smaller than now, or not larger than what is filled
};
std::string_view ToText(SimRefusal refusal);

// One order as the venue knows it. A value: a snapshot at the moment it was handed out.
struct SimOrder {
  SimAccountId account = {};
  InstrumentId instrument = {};
  VenueOrderId order_id = {};
  // The id it carries now. A cancel or an amendment with an id of its own renames the order; then
  // this is the new id and `original_client_order_id` the one before. Equal otherwise.
  ClientOrderId client_order_id = {};
  ClientOrderId original_client_order_id = {};
  Side side = Side::kBuy;
  SimOrderType type = SimOrderType::kLimit;
  TimeInForce time_in_force = TimeInForce::kGoodTillCancel;
  SelfTradeMode self_trade = SelfTradeMode::kNone;
  SimOrderStatus status = SimOrderStatus::kNew;
  Decimal price = {};     // zero for a market order
  Decimal quantity = {};  // total; of a market order by quote quantity: what was executed
  Decimal executed_quantity = {};
  Decimal executed_quote = {};        // sum of price x quantity of its trades
  Decimal quote_order_quantity = {};  // market order by quote quantity, else zero
  Decimal prevented_quantity = {};    // taken away by self-trade prevention
  int64_t create_time_ns = 0;
  int64_t update_time_ns = 0;
  int64_t working_time_ns = 0;  // when it entered the book; 0 = never did
};

// One account's side of a trade.
struct SimTrade {
  VenueTradeId trade_id = {};
  SimAccountId account = {};
  InstrumentId instrument = {};
  VenueOrderId order_id = {};
  ClientOrderId client_order_id = {};  // the order's id at the time of the trade
  Side side = Side::kBuy;
  bool is_maker = false;
  Decimal price = {};
  Decimal quantity = {};
  Decimal quote_quantity = {};  // price x quantity, exact
  Decimal fee = {};             // in fee_asset; negative = rebate received
  AssetCode fee_asset = {};
  int64_t time_ns = 0;
};

struct SimBalance {
  AssetCode asset = {};
  Decimal free = {};
  Decimal locked = {};  // held by open orders
  friend bool operator==(const SimBalance&, const SimBalance&) = default;
};

// --- requests and their results -----------------------------------------------------------------

struct SimOrderRequest {
  InstrumentId instrument = {};
  Side side = Side::kBuy;
  SimOrderType type = SimOrderType::kLimit;
  TimeInForce time_in_force = TimeInForce::kGoodTillCancel;  // limit orders only
  Decimal quantity = {};
  Decimal quote_quantity = {};                   // market orders only, instead of `quantity`
  Decimal price = {};                            // limit and post-only orders
  std::string_view client_order_id = {};         // empty: the venue makes one
  std::optional<SelfTradeMode> self_trade = {};  // nullopt: the venue's default
};

struct SimOrderResult {
  std::optional<SimRefusal> refusal = {};  // set: nothing happened and the rest is empty
  SimOrder order = {};                     // as it stands after immediate matching
  std::vector<SimTrade> trades = {};       // immediate fills of this order, in order
  bool is_accepted() const { return !refusal.has_value(); }
};

// By venue order id, by client id, or by both (then both must belong to one order).
struct SimOrderKey {
  VenueOrderId order_id = {};             // 0 = not given
  std::string_view client_order_id = {};  // empty = not given
};

enum class SimCancelRestriction : uint8_t { kNone, kOnlyNew, kOnlyPartiallyFilled };

struct SimCancelRequest {
  InstrumentId instrument = {};
  SimOrderKey key = {};
  std::string_view new_client_order_id = {};  // id of the cancel; empty: the venue makes one
  SimCancelRestriction restriction = SimCancelRestriction::kNone;
};

struct SimCancelResult {
  std::optional<SimRefusal> refusal = {};
  SimOrder order = {};  // after the cancel: its client_order_id is the cancel's id
  bool is_accepted() const { return !refusal.has_value(); }
};

struct SimCancelReplaceRequest {
  SimCancelRequest cancel = {};
  SimOrderRequest order = {};
  bool is_stop_on_failure = true;  // false: place the new order even when the cancel failed
};

struct SimCancelReplaceResult {
  SimCancelResult cancel = {};
  std::optional<SimOrderResult> order = {};  // nullopt = not attempted
};

struct SimAmendRequest {
  InstrumentId instrument = {};
  SimOrderKey key = {};
  std::string_view new_client_order_id =
      {};                     // empty: the venue makes one; pass the old one to keep it
  Decimal new_quantity = {};  // total, smaller than now, larger than what is filled
};

struct SimAmendResult {
  std::optional<SimRefusal> refusal = {};
  SimOrder order = {};
  int64_t execution_id = 0;
  bool is_accepted() const { return !refusal.has_value(); }
};

// All orders of an instrument, open and closed, ascending by order id. Without `from_order_id` and
// times: the latest `limit`.
struct SimOrdersQuery {
  InstrumentId instrument = {};
  VenueOrderId from_order_id = {};  // 0 = not given; else that order and later ones
  int64_t start_time_ns = 0;        // 0 = not given
  int64_t end_time_ns = 0;
  int32_t limit = 500;
};

// Trades of one account, ascending by trade id. With `from_trade_id` or `start_time_ns`: the oldest
// `limit` from there; otherwise the latest `limit`.
struct SimTradesQuery {
  InstrumentId instrument = {};
  VenueOrderId order_id = {};                      // 0 = any order
  std::optional<VenueTradeId> from_trade_id = {};  // inclusive
  int64_t start_time_ns = 0;                       // 0 = not given
  int64_t end_time_ns = 0;
  int32_t limit = 500;
};

// --- market data --------------------------------------------------------------------------------

struct SimLevel {
  Decimal price = {};
  Decimal quantity = {};  // absolute; zero removes the level
  friend bool operator==(const SimLevel&, const SimLevel&) = default;
};

struct SimDepth {
  int64_t last_update_id = 0;
  std::vector<SimLevel> bids = {};  // best first
  std::vector<SimLevel> asks = {};
};

// All levels that changed since the diff before, with their present size. Continuous: each
// first_update_id is the previous last_update_id + 1. Spans are valid during the call only.
struct SimDepthDiff {
  InstrumentId instrument = {};
  int64_t first_update_id = 0;
  int64_t last_update_id = 0;
  int64_t time_ns = 0;
  std::span<const SimLevel> bids = {};
  std::span<const SimLevel> asks = {};
};

// Zero prices and quantities on a side that is empty.
struct SimBookTop {
  InstrumentId instrument = {};
  int64_t update_id = 0;
  SimLevel bid = {};
  SimLevel ask = {};
  int64_t time_ns = 0;
};

struct SimPublicTrade {
  InstrumentId instrument = {};
  VenueTradeId trade_id = {};
  Decimal price = {};
  Decimal quantity = {};
  Decimal quote_quantity = {};
  Side aggressor = Side::kBuy;
  // Zero when the party is the recorded market.
  VenueOrderId buyer_order_id = {};
  VenueOrderId seller_order_id = {};
  int64_t time_ns = 0;
};

// The last 24 hours of the venue's clock (or since it started), in whole minutes.
struct SimTicker {
  Decimal open = {}, high = {}, low = {}, last = {};
  Decimal last_quantity = {};
  Decimal volume = {};        // base
  Decimal quote_volume = {};  // quote
  int64_t open_time_ns = 0;
  int64_t close_time_ns = 0;
  VenueTradeId first_trade_id = {};
  VenueTradeId last_trade_id = {};
  int64_t trade_count = 0;
};

// --- private events -----------------------------------------------------------------------------

struct SimExecution {
  SimExecutionType type = SimExecutionType::kNew;
  SimOrder order = {};  // after the event
  // The id of the request behind the event: the order's own, except on a cancel or an amendment,
  // where it is that request's id (order.client_order_id as well) and the order's id before it is
  // order.original_client_order_id.
  ClientOrderId client_order_id = {};
  std::optional<SimTrade> trade = {};      // kTrade
  std::optional<SimRefusal> refusal = {};  // kRejected
  Decimal last_prevented_quantity = {};    // kTradePrevention
  int64_t execution_id = 0;
  int64_t time_ns = 0;
};

}  // namespace holdfast
