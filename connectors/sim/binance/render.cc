#include "connectors/sim/binance/render.h"

#include "engine/base/clock.h"

namespace holdfast::sim {
namespace {

using namespace literals;

constexpr Decimal kZero;

// Price changes in percent, for display.
Decimal Percent(Decimal change, Decimal base) {
  if (!base.is_positive()) return kZero;
  return Divide(change * 100, base, Rounding::kNearest);
}

Decimal Average(Decimal quote, Decimal base) {
  return base.is_positive() ? Divide(quote, base, Rounding::kNearest) : kZero;
}

// What answers about an order share, in the venue's order.
void RenderOrderKind(JsonWriter& out, const SimOrder& order) {
  out.Field("status", WireText(order.status))
      .Field("timeInForce", WireText(order.time_in_force))
      .Field("type", WireText(order.type))
      .Field("side", WireText(order.side));
}
void RenderOrderCore(JsonWriter& out, const SimOrder& order) {
  out.Field("price", order.price)
      .Field("origQty", order.quantity)
      .Field("executedQty", order.executed_quantity)
      .Field("origQuoteOrderQty", order.quote_order_quantity)
      .Field("cummulativeQuoteQty", order.executed_quote);
  RenderOrderKind(out, order);
}
void RenderOrderNames(JsonWriter& out, const Instrument& instrument, const SimOrder& order) {
  out.Field("symbol", instrument.symbol.view())
      .Field("orderId", order.order_id.value())
      .Field("orderListId", -1);
}

void RenderTop(JsonWriter& out, const SimBookTop& top) {
  out.Field("bidPrice", top.bid.price)
      .Field("bidQty", top.bid.quantity)
      .Field("askPrice", top.ask.price)
      .Field("askQty", top.ask.quantity);
}

// One trade each: the first and the last of an aggregate are the same.
void RenderAggregateFields(JsonWriter& out, const SimPublicTrade& trade) {
  out.Field("a", trade.trade_id.value())
      .Field("p", trade.price)
      .Field("q", trade.quantity)
      .Field("f", trade.trade_id.value())
      .Field("l", trade.trade_id.value())
      .Field("T", Milliseconds(trade.time_ns))
      .Field("m", trade.aggressor == Side::kSell)
      .Field("M", true);
}

JsonWriter& BeginEvent(JsonWriter& out, const char* kind, int64_t time_ns) {
  return out.BeginObject().Field("e", kind).Field("E", Milliseconds(time_ns));
}

std::string_view RejectReason(std::optional<SimRefusal> refusal) {
  if (!refusal.has_value()) return "NONE";
  if (*refusal == SimRefusal::kInsufficientBalance) return "INSUFFICIENT_BALANCES";
  if (*refusal == SimRefusal::kWouldTake) return "WOULD_MATCH_IMMEDIATELY";
  return "UNKNOWN";
}

}  // namespace

int64_t Milliseconds(int64_t time_ns) { return time_ns / kNanosPerMilli; }

std::string_view WireText(Side side) { return side == Side::kBuy ? "BUY" : "SELL"; }

std::string_view WireText(SimOrderType type) {
  switch (type) {
    case SimOrderType::kLimit:
      return "LIMIT";
    case SimOrderType::kLimitMaker:
      return "LIMIT_MAKER";
    case SimOrderType::kMarket:
      return "MARKET";
  }
  return "";
}

std::string_view WireText(TimeInForce time_in_force) {
  switch (time_in_force) {
    case TimeInForce::kGoodTillCancel:
      return "GTC";
    case TimeInForce::kImmediateOrCancel:
      return "IOC";
    case TimeInForce::kFillOrKill:
      return "FOK";
  }
  return "";
}

std::string_view WireText(SimOrderStatus status) {
  switch (status) {
    case SimOrderStatus::kNew:
      return "NEW";
    case SimOrderStatus::kPartiallyFilled:
      return "PARTIALLY_FILLED";
    case SimOrderStatus::kFilled:
      return "FILLED";
    case SimOrderStatus::kCanceled:
      return "CANCELED";
    case SimOrderStatus::kRejected:
      return "REJECTED";
    case SimOrderStatus::kExpired:
      return "EXPIRED";
    case SimOrderStatus::kExpiredInMatch:
      return "EXPIRED_IN_MATCH";
  }
  return "";
}

std::string_view WireText(SelfTradeMode mode) {
  switch (mode) {
    case SelfTradeMode::kNone:
      return "NONE";
    case SelfTradeMode::kExpireTaker:
      return "EXPIRE_TAKER";
    case SelfTradeMode::kExpireMaker:
      return "EXPIRE_MAKER";
    case SelfTradeMode::kExpireBoth:
      return "EXPIRE_BOTH";
    case SelfTradeMode::kDecrement:
      return "DECREMENT";
  }
  return "";
}

std::string_view WireText(SimExecutionType type) {
  switch (type) {
    case SimExecutionType::kNew:
      return "NEW";
    case SimExecutionType::kCanceled:
      return "CANCELED";
    case SimExecutionType::kReplaced:
      return "REPLACED";
    case SimExecutionType::kRejected:
      return "REJECTED";
    case SimExecutionType::kTrade:
      return "TRADE";
    case SimExecutionType::kExpired:
      return "EXPIRED";
    case SimExecutionType::kTradePrevention:
      return "TRADE_PREVENTION";
  }
  return "";
}

// --- orders -----------------------------------------------------------------------------------

void RenderPlaced(JsonWriter& out, const Instrument& instrument, const SimOrderResult& result,
                  ResponseType type) {
  const SimOrder& order = result.order;
  out.BeginObject();
  RenderOrderNames(out, instrument, order);
  out.Field("clientOrderId", order.client_order_id.view())
      .Field("transactTime", Milliseconds(order.create_time_ns));
  if (type != ResponseType::kAck) {
    RenderOrderCore(out, order);
    out.Field("workingTime", order.working_time_ns == 0 ? -1 : Milliseconds(order.working_time_ns));
    if (type == ResponseType::kFull) {
      out.Key("fills").BeginArray();
      for (const SimTrade& trade : result.trades) {
        out.BeginObject()
            .Field("price", trade.price)
            .Field("qty", trade.quantity)
            .Field("commission", trade.fee)
            .Field("commissionAsset", trade.fee_asset.view())
            .Field("tradeId", trade.trade_id.value())
            .EndObject();
      }
      out.EndArray();
    }
    out.Field("selfTradePreventionMode", WireText(order.self_trade));
  }
  out.EndObject();
}

void RenderCanceled(JsonWriter& out, const Instrument& instrument, const SimOrder& order) {
  out.BeginObject()
      .Field("symbol", instrument.symbol.view())
      .Field("origClientOrderId", order.original_client_order_id.view())
      .Field("orderId", order.order_id.value())
      .Field("orderListId", -1)
      .Field("clientOrderId", order.client_order_id.view())
      .Field("transactTime", Milliseconds(order.update_time_ns));
  RenderOrderCore(out, order);
  out.Field("selfTradePreventionMode", WireText(order.self_trade)).EndObject();
}

void RenderOrder(JsonWriter& out, const Instrument& instrument, const SimOrder& order) {
  out.BeginObject();
  RenderOrderNames(out, instrument, order);
  out.Field("clientOrderId", order.client_order_id.view());
  RenderOrderCore(out, order);
  out.Field("stopPrice", kZero)
      .Field("icebergQty", kZero)
      .Field("time", Milliseconds(order.create_time_ns))
      .Field("updateTime", Milliseconds(order.update_time_ns))
      .Field("isWorking", true)
      .Field("workingTime", order.working_time_ns == 0 ? -1 : Milliseconds(order.working_time_ns));
  if (order.prevented_quantity.is_positive()) {
    out.Field("preventedQuantity", order.prevented_quantity);
  }
  out.Field("selfTradePreventionMode", WireText(order.self_trade)).EndObject();
}

void RenderAmended(JsonWriter& out, const Instrument& instrument, const SimAmendResult& result) {
  const SimOrder& order = result.order;
  out.BeginObject()
      .Field("transactTime", Milliseconds(order.update_time_ns))
      .Field("executionId", result.execution_id)
      .Key("amendedOrder")
      .BeginObject();
  RenderOrderNames(out, instrument, order);
  out.Field("origClientOrderId", order.original_client_order_id.view())
      .Field("clientOrderId", order.client_order_id.view())
      .Field("price", order.price)
      .Field("qty", order.quantity)
      .Field("executedQty", order.executed_quantity)
      .Field("preventedQty", order.prevented_quantity)
      .Field("quoteOrderQty", order.quote_order_quantity)
      .Field("cumulativeQuoteQty", order.executed_quote);
  RenderOrderKind(out, order);
  out.Field("workingTime", Milliseconds(order.working_time_ns))
      .Field("selfTradePreventionMode", WireText(order.self_trade))
      .EndObject()
      .EndObject();
}

void RenderTrade(JsonWriter& out, const Instrument& instrument, const SimTrade& trade) {
  out.BeginObject()
      .Field("symbol", instrument.symbol.view())
      .Field("id", trade.trade_id.value())
      .Field("orderId", trade.order_id.value())
      .Field("orderListId", -1)
      .Field("price", trade.price)
      .Field("qty", trade.quantity)
      .Field("quoteQty", trade.quote_quantity)
      .Field("commission", trade.fee)
      .Field("commissionAsset", trade.fee_asset.view())
      .Field("time", Milliseconds(trade.time_ns))
      .Field("isBuyer", trade.side == Side::kBuy)
      .Field("isMaker", trade.is_maker)
      .Field("isBestMatch", true)
      .EndObject();
}

// --- account ----------------------------------------------------------------------------------

void RenderAccount(JsonWriter& out, const SimAccountConfig& config, SimAccountId id,
                   std::span<const SimBalance> balances, int64_t update_time_ns, bool omit_zero) {
  constexpr int64_t kUnitsPerBasisPoint = Decimal::kUnitsPerOne / 10'000;
  out.BeginObject()
      .Field("makerCommission", config.maker_fee_rate.units() / kUnitsPerBasisPoint)
      .Field("takerCommission", config.taker_fee_rate.units() / kUnitsPerBasisPoint)
      .Field("buyerCommission", 0)
      .Field("sellerCommission", 0)
      .Key("commissionRates")
      .BeginObject()
      .Field("maker", config.maker_fee_rate)
      .Field("taker", config.taker_fee_rate)
      .Field("buyer", kZero)
      .Field("seller", kZero)
      .EndObject()
      .Field("canTrade", config.can_trade)
      .Field("canWithdraw", true)
      .Field("canDeposit", true)
      .Field("brokered", false)
      .Field("requireSelfTradePrevention", false)
      .Field("preventSor", false)
      .Field("updateTime", Milliseconds(update_time_ns))
      .Field("accountType", "SPOT");
  out.Key("balances").BeginArray();
  for (const SimBalance& balance : balances) {
    if (omit_zero && balance.free.is_zero() && balance.locked.is_zero()) continue;
    out.BeginObject()
        .Field("asset", balance.asset.view())
        .Field("free", balance.free)
        .Field("locked", balance.locked)
        .EndObject();
  }
  out.EndArray();
  out.Key("permissions").BeginArray().String("SPOT").EndArray();
  out.Field("uid", 100'000 + id.value()).EndObject();
}

void RenderCommission(JsonWriter& out, const Instrument& instrument,
                      const SimAccountConfig& config) {
  const auto rates = [&](std::string_view key, Decimal maker, Decimal taker) {
    out.Key(key)
        .BeginObject()
        .Field("maker", maker)
        .Field("taker", taker)
        .Field("buyer", kZero)
        .Field("seller", kZero)
        .EndObject();
  };
  out.BeginObject().Field("symbol", instrument.symbol.view());
  rates("standardCommission", config.maker_fee_rate, config.taker_fee_rate);
  rates("specialCommission", kZero, kZero);
  rates("taxCommission", kZero, kZero);
  const bool has_discount = config.fee_asset.has_value();
  out.Key("discount").BeginObject();
  out.Field("enabledForAccount", has_discount).Field("enabledForSymbol", has_discount);
  out.Field("discountAsset", has_discount ? config.fee_asset->asset.view() : "BNB");
  out.Field("discount", has_discount ? 1_dec - config.fee_asset->discount : 1_dec);
  out.EndObject().EndObject();
}

// --- market -----------------------------------------------------------------------------------

namespace {

void RenderFilters(JsonWriter& out, const Instrument& instrument) {
  out.Key("filters").BeginArray();
  out.BeginObject()
      .Field("filterType", "PRICE_FILTER")
      .Field("minPrice", instrument.ToDecimal(instrument.min_price))
      .Field("maxPrice", instrument.ToDecimal(instrument.max_price))
      .Field("tickSize", instrument.tick_size)
      .EndObject();
  out.BeginObject()
      .Field("filterType", "LOT_SIZE")
      .Field("minQty", instrument.ToDecimal(instrument.min_quantity))
      .Field("maxQty", instrument.ToDecimal(instrument.max_quantity))
      .Field("stepSize", instrument.lot_size)
      .EndObject();
  out.BeginObject()
      .Field("filterType", "NOTIONAL")
      .Field("minNotional", instrument.min_notional)
      .Field("applyMinToMarket", true)
      .Field("maxNotional", 9000000_dec)
      .Field("applyMaxToMarket", false)
      .Field("avgPriceMins", 5)
      .EndObject();
  if (instrument.bid_multiplier_up.is_positive()) {
    out.BeginObject()
        .Field("filterType", "PERCENT_PRICE_BY_SIDE")
        .Field("bidMultiplierUp", instrument.bid_multiplier_up)
        .Field("bidMultiplierDown", instrument.bid_multiplier_down)
        .Field("askMultiplierUp", instrument.ask_multiplier_up)
        .Field("askMultiplierDown", instrument.ask_multiplier_down)
        .Field("avgPriceMins", 5)
        .EndObject();
  }
  if (instrument.max_order_count > 0) {
    out.BeginObject()
        .Field("filterType", "MAX_NUM_ORDERS")
        .Field("maxNumOrders", instrument.max_order_count)
        .EndObject();
  }
  out.EndArray();
}

std::string_view SymbolStatus(TradingStatus status) {
  switch (status) {
    case TradingStatus::kTrading:
      return "TRADING";
    case TradingStatus::kCancelOnly:
      return "CANCEL_ONLY";
    case TradingStatus::kHalted:
      return "HALT";
  }
  return "";
}

}  // namespace

void RenderSymbol(JsonWriter& out, const Instrument& instrument, SelfTradeMode default_mode) {
  out.BeginObject()
      .Field("symbol", instrument.symbol.view())
      .Field("status", SymbolStatus(instrument.status))
      .Field("baseAsset", instrument.base_asset.view())
      .Field("baseAssetPrecision", 8)
      .Field("quoteAsset", instrument.quote_asset.view())
      .Field("quotePrecision", 8)
      .Field("quoteAssetPrecision", 8)
      .Field("baseCommissionPrecision", 8)
      .Field("quoteCommissionPrecision", 8);
  out.Key("orderTypes").BeginArray();
  out.String("LIMIT").String("LIMIT_MAKER").String("MARKET").EndArray();
  out.Field("icebergAllowed", false)
      .Field("ocoAllowed", false)
      .Field("otoAllowed", false)
      .Field("opoAllowed", false)
      .Field("quoteOrderQtyMarketAllowed", true)
      .Field("allowTrailingStop", false)
      .Field("cancelReplaceAllowed", true)
      .Field("amendAllowed", true)
      .Field("pegInstructionsAllowed", false)
      .Field("isSpotTradingAllowed", true)
      .Field("isMarginTradingAllowed", false);
  RenderFilters(out, instrument);
  out.Key("permissions").BeginArray().EndArray();
  out.Key("permissionSets").BeginArray().BeginArray().String("SPOT").EndArray().EndArray();
  out.Field("defaultSelfTradePreventionMode", WireText(default_mode));
  out.Key("allowedSelfTradePreventionModes").BeginArray();
  out.String("NONE").String("EXPIRE_TAKER").String("EXPIRE_MAKER").String("EXPIRE_BOTH");
  out.String("DECREMENT").EndArray().EndObject();
}

void RenderRateLimitRules(JsonWriter& out, const LimitConfig& limits) {
  const auto rule = [&](const char* type, const char* interval, int count, int64_t limit) {
    out.BeginObject()
        .Field("rateLimitType", type)
        .Field("interval", interval)
        .Field("intervalNum", count)
        .Field("limit", limit)
        .EndObject();
  };
  out.BeginArray();
  rule("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute);
  rule("ORDERS", "SECOND", 10, limits.orders_per_10_seconds);
  rule("ORDERS", "DAY", 1, limits.orders_per_day);
  rule("RAW_REQUESTS", "MINUTE", 5, limits.requests_per_5_minutes);
  out.EndArray();
}

void RenderLevels(JsonWriter& out, std::span<const SimLevel> levels) {
  out.BeginArray();
  for (const SimLevel& level : levels) {
    out.BeginArray().Number(level.price).Number(level.quantity).EndArray();
  }
  out.EndArray();
}

void RenderDepth(JsonWriter& out, const SimDepth& depth) {
  out.BeginObject().Field("lastUpdateId", depth.last_update_id);
  RenderLevels(out.Key("bids"), depth.bids);
  RenderLevels(out.Key("asks"), depth.asks);
  out.EndObject();
}

void RenderPublicTrade(JsonWriter& out, const SimPublicTrade& trade) {
  out.BeginObject()
      .Field("id", trade.trade_id.value())
      .Field("price", trade.price)
      .Field("qty", trade.quantity)
      .Field("quoteQty", trade.quote_quantity)
      .Field("time", Milliseconds(trade.time_ns))
      .Field("isBuyerMaker", trade.aggressor == Side::kSell)
      .Field("isBestMatch", true)
      .EndObject();
}

void RenderAggregateTrade(JsonWriter& out, const SimPublicTrade& trade) {
  out.BeginObject();
  RenderAggregateFields(out, trade);
  out.EndObject();
}

void RenderTicker(JsonWriter& out, std::string_view symbol, const SimTicker& ticker,
                  const SimBookTop& top) {
  const Decimal change = ticker.last - ticker.open;
  out.BeginObject()
      .Field("symbol", symbol)
      .Field("priceChange", change)
      .Field("priceChangePercent", Percent(change, ticker.open))
      .Field("weightedAvgPrice", Average(ticker.quote_volume, ticker.volume))
      .Field("prevClosePrice", ticker.open)
      .Field("lastPrice", ticker.last)
      .Field("lastQty", ticker.last_quantity);
  RenderTop(out, top);
  out.Field("openPrice", ticker.open)
      .Field("highPrice", ticker.high)
      .Field("lowPrice", ticker.low)
      .Field("volume", ticker.volume)
      .Field("quoteVolume", ticker.quote_volume)
      .Field("openTime", Milliseconds(ticker.open_time_ns))
      .Field("closeTime", Milliseconds(ticker.close_time_ns))
      .Field("firstId", ticker.first_trade_id.value())
      .Field("lastId", ticker.last_trade_id.value())
      .Field("count", ticker.trade_count)
      .EndObject();
}

void RenderTickerBook(JsonWriter& out, std::string_view symbol, const SimBookTop& top) {
  out.BeginObject().Field("symbol", symbol);
  RenderTop(out, top);
  out.EndObject();
}

// --- events -----------------------------------------------------------------------------------

std::string DepthEvent(std::string_view symbol, const SimDepthDiff& diff) {
  std::string text;
  JsonWriter out(text);
  BeginEvent(out, "depthUpdate", diff.time_ns)
      .Field("s", symbol)
      .Field("U", diff.first_update_id)
      .Field("u", diff.last_update_id);
  RenderLevels(out.Key("b"), diff.bids);
  RenderLevels(out.Key("a"), diff.asks);
  out.EndObject();
  return text;
}

std::string BookTopEvent(std::string_view symbol, const SimBookTop& top) {
  std::string text;
  JsonWriter(text)
      .BeginObject()
      .Field("u", top.update_id)
      .Field("s", symbol)
      .Field("b", top.bid.price)
      .Field("B", top.bid.quantity)
      .Field("a", top.ask.price)
      .Field("A", top.ask.quantity)
      .EndObject();
  return text;
}

std::string TradeEvent(std::string_view symbol, const SimPublicTrade& trade, int64_t event_ns) {
  std::string text;
  JsonWriter out(text);
  BeginEvent(out, "trade", event_ns)
      .Field("s", symbol)
      .Field("t", trade.trade_id.value())
      .Field("p", trade.price)
      .Field("q", trade.quantity)
      .Field("T", Milliseconds(trade.time_ns))
      .Field("m", trade.aggressor == Side::kSell)
      .Field("M", true)
      .EndObject();
  return text;
}

std::string AggregateTradeEvent(std::string_view symbol, const SimPublicTrade& trade,
                                int64_t event_ns) {
  std::string text;
  JsonWriter out(text);
  BeginEvent(out, "aggTrade", event_ns).Field("s", symbol);
  RenderAggregateFields(out, trade);
  out.EndObject();
  return text;
}

std::string ExecutionReport(const Instrument& instrument, const SimExecution& execution) {
  const SimOrder& order = execution.order;
  const SimTrade empty;
  const SimTrade& trade = execution.trade.has_value() ? *execution.trade : empty;
  const bool is_rename = execution.type == SimExecutionType::kCanceled ||
                         execution.type == SimExecutionType::kReplaced;
  std::string text;
  text.reserve(768);
  JsonWriter out(text);
  BeginEvent(out, "executionReport", execution.time_ns)
      .Field("s", instrument.symbol.view())
      .Field("c", execution.client_order_id.view())
      .Field("S", WireText(order.side))
      .Field("o", WireText(order.type))
      .Field("f", WireText(order.time_in_force))
      .Field("q", order.quantity)
      .Field("p", order.price)
      .Field("P", kZero)
      .Field("F", kZero)
      .Field("g", -1)
      .Field("C", is_rename ? order.original_client_order_id.view() : "")
      .Field("x", WireText(execution.type))
      .Field("X", WireText(order.status))
      .Field("r", RejectReason(execution.refusal))
      .Field("i", order.order_id.value())
      .Field("l", trade.quantity)
      .Field("z", order.executed_quantity)
      .Field("L", trade.price)
      .Field("n", trade.fee);
  if (execution.trade.has_value()) {
    out.Field("N", trade.fee_asset.view());
  } else {
    out.Key("N").Null();
  }
  out.Field("T", Milliseconds(execution.time_ns))
      .Field("t", execution.trade.has_value() ? trade.trade_id.value() : -1);
  if (execution.type == SimExecutionType::kTradePrevention) {
    out.Field("v", execution.execution_id)
        .Field("A", order.prevented_quantity)
        .Field("B", execution.last_prevented_quantity);
  }
  out.Field("I", execution.execution_id)
      .Field("w", IsOpen(order.status))
      .Field("m", trade.is_maker)
      .Field("M", execution.trade.has_value())
      .Field("O", Milliseconds(order.create_time_ns))
      .Field("Z", order.executed_quote)
      .Field("Y", trade.quote_quantity)
      .Field("Q", order.quote_order_quantity);
  if (order.working_time_ns != 0) out.Field("W", Milliseconds(order.working_time_ns));
  out.Field("V", WireText(order.self_trade)).EndObject();
  return text;
}

std::string AccountPosition(std::span<const SimBalance> changed, int64_t time_ns) {
  std::string text;
  JsonWriter out(text);
  BeginEvent(out, "outboundAccountPosition", time_ns).Field("u", Milliseconds(time_ns));
  out.Key("B").BeginArray();
  for (const SimBalance& balance : changed) {
    out.BeginObject()
        .Field("a", balance.asset.view())
        .Field("f", balance.free)
        .Field("l", balance.locked)
        .EndObject();
  }
  out.EndArray().EndObject();
  return text;
}

std::string BalanceUpdate(std::string_view asset, Decimal delta, int64_t time_ns) {
  std::string text;
  JsonWriter out(text);
  BeginEvent(out, "balanceUpdate", time_ns)
      .Field("a", asset)
      .Field("d", delta)
      .Field("T", Milliseconds(time_ns))
      .EndObject();
  return text;
}

}  // namespace holdfast::sim
