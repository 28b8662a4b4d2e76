#include <algorithm>
#include <utility>

#include "connectors/sim/order_checks.h"
#include "connectors/sim/venue_impl.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

EngineOrderKind KindOf(const SimOrderRequest& request) {
  if (request.type == SimOrderType::kMarket) return EngineOrderKind::kMarket;
  if (request.type == SimOrderType::kLimitMaker) return EngineOrderKind::kPostOnly;
  switch (request.time_in_force) {
    case TimeInForce::kGoodTillCancel:
      return EngineOrderKind::kLimit;
    case TimeInForce::kImmediateOrCancel:
      return EngineOrderKind::kImmediateOrCancel;
    case TimeInForce::kFillOrKill:
      return EngineOrderKind::kFillOrKill;
  }
  return EngineOrderKind::kLimit;
}

}  // namespace

// Books what the matching of one order brings about.
class SimVenue::Implementation::Matcher final : public MatchListener {
 public:
  Matcher(Implementation& venue, SimMarket& market, uint32_t taker_tag, SelfTradeMode mode,
          std::vector<SimTrade>* taker_trades)
      : venue_(venue),
        market_(market),
        taker_tag_(taker_tag),
        is_decrement_(mode == SelfTradeMode::kDecrement),
        taker_trades_(taker_trades) {}

  void OnTrade(const EngineTrade& trade) override {
    venue_.SettleTrade(market_, trade, taker_trades_);
  }
  void OnPrevented(const EnginePrevention& prevention) override {
    venue_.SettlePrevention(market_, prevention, taker_tag_, is_decrement_);
  }

 private:
  Implementation& venue_;
  SimMarket& market_;
  uint32_t taker_tag_;
  bool is_decrement_;
  std::vector<SimTrade>* taker_trades_;
};

// --- checks -------------------------------------------------------------------------------------

std::optional<SimRefusal> SimVenue::Implementation::Check(SimAccountId account,
                                                          const SimOrderRequest& request,
                                                          Prepared& prepared) {
  if (!accounts.Exists(account)) return SimRefusal::kUnknownAccount;
  if (request.instrument.value() >= markets.size()) return SimRefusal::kUnknownInstrument;
  const SimMarket& market = *markets[request.instrument.value()];
  if (const auto refusal = CheckOrderShape(request)) return refusal;
  if (market.instrument.status == TradingStatus::kHalted) return SimRefusal::kInstrumentHalted;
  if (market.instrument.status == TradingStatus::kCancelOnly) {
    return SimRefusal::kInstrumentCancelOnly;
  }
  if (!accounts.config(account).can_trade) return SimRefusal::kAccountCannotTrade;
  const FilterContext context{.reference_price = market.publisher.last_price(),
                              .open_order_count = store.OpenCount(account, request.instrument)};
  if (const auto refusal = CheckOrderFilters(market.instrument, request, context)) return refusal;
  if (config.is_duplicate_open_id_refused && !request.client_order_id.empty() &&
      store.FindOpen(account, request.instrument, ClientOrderId(request.client_order_id)) !=
          nullptr) {
    return SimRefusal::kDuplicateClientOrderId;
  }
  if (market.book->is_full()) return SimRefusal::kVenueFull;

  const bool is_buy = request.side == Side::kBuy;
  prepared.kind = KindOf(request);
  prepared.paid_asset = is_buy ? market.quote : market.base;
  if (prepared.kind == EngineOrderKind::kMarket) {
    return PlanMarketOrder(market, account, request, prepared);
  }
  prepared.price_ticks = request.price.units() / market.price_grid.units();
  prepared.lots = request.quantity.units() / market.quantity_grid.units();
  if (prepared.price_ticks > MatchingEngine::kMaxTicks) return SimRefusal::kPriceFilter;
  if (prepared.kind == EngineOrderKind::kPostOnly &&
      market.book->WouldTake(request.side, prepared.price_ticks)) {
    return SimRefusal::kWouldTake;
  }
  const __int128 notional_units = static_cast<__int128>(request.price.units()) *
                                  request.quantity.units() / Decimal::kUnitsPerOne;
  if (!Decimal::FitsUnits(notional_units)) return SimRefusal::kNotional;
  prepared.hold = is_buy ? market.NotionalOf(request.price, request.quantity) : request.quantity;
  if (!accounts.CanHold(account, prepared.paid_asset, prepared.hold)) {
    return SimRefusal::kInsufficientBalance;
  }
  return std::nullopt;
}

// A market order never rests, so nothing is held; what it will cost is known beforehand because
// matching is deterministic: this walks the same orders in the same way.
std::optional<SimRefusal> SimVenue::Implementation::PlanMarketOrder(const SimMarket& market,
                                                                    SimAccountId account,
                                                                    const SimOrderRequest& request,
                                                                    Prepared& prepared) {
  const bool is_buy = request.side == Side::kBuy;
  const bool by_quote = request.quantity.is_zero();
  const int64_t wanted_lots =
      by_quote ? INT64_MAX : request.quantity.units() / market.quantity_grid.units();
  const SelfTradeMode mode = request.self_trade.value_or(config.default_self_trade);
  const uint16_t group = GroupOf(account);
  Decimal quote_left = request.quote_quantity;
  __int128 cost_units = 0;
  int64_t lots_filled = 0;
  int64_t lots_planned = 0;  // includes what self-trade prevention takes from the order
  bool has_liquidity = false;
  market.book->ForEachResting(
      Opposite(request.side), [&](int64_t ticks, int64_t lots, uint16_t resting_group) {
        has_liquidity = true;
        const bool is_own = mode != SelfTradeMode::kNone && resting_group == group;
        if (is_own && mode == SelfTradeMode::kExpireMaker) return true;
        if (is_own && mode != SelfTradeMode::kDecrement) return false;
        const Decimal lot_price =
            market.NotionalOf(market.publisher.PriceOf(ticks), market.quantity_grid);
        int64_t taken = std::min(lots, wanted_lots - lots_planned);
        if (by_quote && !is_own) {
          taken = std::min(taken, quote_left.units() / lot_price.units());
          quote_left -= lot_price * taken;
        }
        lots_planned += taken;
        if (!is_own) {
          lots_filled += taken;
          cost_units += static_cast<__int128>(lot_price.units()) * taken;
        }
        return taken == lots && lots_planned < wanted_lots;
      });
  if (by_quote && has_liquidity && lots_planned == 0) return SimRefusal::kLotSize;
  prepared.lots = by_quote ? lots_planned : wanted_lots;
  // A quantity sold must be there in full, filled or not, as at the venues.
  if (!Decimal::FitsUnits(cost_units)) return SimRefusal::kInsufficientBalance;
  const Decimal paid = is_buy     ? Decimal::FromUnits(static_cast<int64_t>(cost_units))
                       : by_quote ? market.publisher.QuantityOf(lots_filled)
                                  : request.quantity;
  if (!accounts.CanHold(account, prepared.paid_asset, paid)) {
    return SimRefusal::kInsufficientBalance;
  }
  return std::nullopt;
}

// --- placing ------------------------------------------------------------------------------------

OrderRecord& SimVenue::Implementation::Open(SimAccountId account, const SimOrderRequest& request,
                                            const Prepared& prepared) {
  const ClientOrderId id =
      request.client_order_id.empty() ? MakeId() : ClientOrderId(request.client_order_id);
  SimOrder order{.account = account,
                 .instrument = request.instrument,
                 .order_id = VenueOrderId(next_order_id_++),
                 .client_order_id = id,
                 .original_client_order_id = id,
                 .side = request.side,
                 .type = request.type,
                 .time_in_force = request.type == SimOrderType::kLimit
                                      ? request.time_in_force
                                      : TimeInForce::kGoodTillCancel,
                 .self_trade = request.self_trade.value_or(config.default_self_trade),
                 .price = request.price,
                 .quantity = request.quantity,
                 .quote_order_quantity = request.quote_quantity,
                 .create_time_ns = now_ns,
                 .update_time_ns = now_ns,
                 .working_time_ns = now_ns};
  if (request.quantity.is_zero()) {
    order.quantity = markets[request.instrument.value()]->publisher.QuantityOf(prepared.lots);
  }
  OrderRecord& record = store.Add(order);
  record.price_ticks = prepared.price_ticks;
  record.lots_open = prepared.lots;
  record.held = prepared.hold;
  accounts.Hold(account, prepared.paid_asset, prepared.hold);
  return record;
}

SimOrderResult SimVenue::Implementation::Place(SimAccountId account,
                                               const SimOrderRequest& request) {
  SimOrderResult result;
  Prepared prepared;
  result.refusal = Check(account, request, prepared);
  if (result.refusal.has_value()) return result;
  SimMarket& market = *markets[request.instrument.value()];
  OrderRecord& record = Open(account, request, prepared);
  Report(SimExecutionType::kNew, record);
  EngineResult outcome{.outcome = EngineOutcome::kDropped, .handle = 0, .lots_left = 0};
  if (prepared.lots > 0) {
    const EngineOrder order{.tag = record.tag,
                            .owner = account.value(),
                            .group = GroupOf(account),
                            .side = request.side,
                            .kind = prepared.kind,
                            .self_trade = record.order.self_trade,
                            .price_ticks = prepared.price_ticks,
                            .lots = prepared.lots};
    Matcher matcher(*this, market, record.tag, record.order.self_trade, &result.trades);
    outcome = market.book->Place(order, matcher);
  }
  Finish(market, record, outcome);
  result.order = record.order;
  return result;
}

void SimVenue::Implementation::Finish(SimMarket& market, OrderRecord& record,
                                      const EngineResult& result) {
  SimOrder& order = record.order;
  HF_ASSERT(record.lots_open == result.lots_left);
  switch (result.outcome) {
    case EngineOutcome::kRests:
      record.handle = result.handle;
      MarkChanged(market, order.side, record.price_ticks);
      return;
    case EngineOutcome::kFilled:
      Close(market, record, SimOrderStatus::kFilled);
      return;
    case EngineOutcome::kDropped:
      Close(market, record, SimOrderStatus::kExpired);
      Report(SimExecutionType::kExpired, record);
      return;
    case EngineOutcome::kPrevented: {
      const Decimal prevented = market.publisher.QuantityOf(result.lots_left);
      order.prevented_quantity += prevented;
      Close(market, record, SimOrderStatus::kExpiredInMatch);
      Report(SimExecutionType::kTradePrevention, record).last_prevented_quantity = prevented;
      return;
    }
    case EngineOutcome::kWouldTake:
    case EngineOutcome::kFull:
      break;
  }
  HF_ASSERT(false);  // both were ruled out by Check()
}

void SimVenue::Implementation::ReleaseHold(const SimMarket& market, OrderRecord& record,
                                           Decimal amount) {
  HF_ASSERT(record.held >= amount);
  record.held -= amount;
  const SimOrder& order = record.order;
  accounts.Release(order.account, order.side == Side::kBuy ? market.quote : market.base, amount);
}

void SimVenue::Implementation::Close(const SimMarket& market, OrderRecord& record,
                                     SimOrderStatus status) {
  ReleaseHold(market, record, record.held);
  record.lots_open = 0;
  record.handle = 0;
  record.order.status = status;
  record.order.update_time_ns = now_ns;
  store.Close(record);
}

// --- trades -------------------------------------------------------------------------------------

void SimVenue::Implementation::SettleTrade(SimMarket& market, const EngineTrade& trade,
                                           std::vector<SimTrade>* taker_trades) {
  const VenueOrderId taker_id = SettleSide(market, trade, /*is_maker=*/false, taker_trades);
  const VenueOrderId maker_id = SettleSide(market, trade, /*is_maker=*/true, nullptr);
  const bool is_taker_buyer = trade.taker_side == Side::kBuy;
  const SimPublicTrade& print = market.publisher.AddTrade(
      trade.price_ticks, trade.lots, trade.taker_side, is_taker_buyer ? taker_id : maker_id,
      is_taker_buyer ? maker_id : taker_id, now_ns);
  if (!market.listeners.empty()) market.pending_trades.push_back(print);
  MarkChanged(market, Opposite(trade.taker_side), trade.price_ticks);
}

// Books one side of a trade under the number that the print will get. Returns its order's id, 0 for
// the recorded market and for background traders.
VenueOrderId SimVenue::Implementation::SettleSide(SimMarket& market, const EngineTrade& trade,
                                                  bool is_maker,
                                                  std::vector<SimTrade>* taker_trades) {
  const uint32_t tag = is_maker ? trade.maker_tag : trade.taker_tag;
  const uint16_t owner = is_maker ? trade.maker_owner : trade.taker_owner;
  const Decimal price = market.publisher.PriceOf(trade.price_ticks);
  const Decimal quantity = market.publisher.QuantityOf(trade.lots);
  const Decimal notional = market.NotionalOf(price, quantity);
  AccountBook::Settlement settlement{
      .account = SimAccountId(owner),
      .side = is_maker ? Opposite(trade.taker_side) : trade.taker_side,
      .base = market.base,
      .quote = market.quote,
      .quantity = quantity,
      .notional = notional,
      .held = {},
      .is_maker = is_maker};
  if (owner == kMarketOwner || (tag & kBackgroundTagBit) != 0) {
    accounts.Settle(settlement);
    if (is_maker && market.generated != nullptr) {
      market.generated->OnMakerFill(tag, trade.maker_lots_left);
    }
    return VenueOrderId();
  }
  OrderRecord& record = store.ByTag(tag);
  SimOrder& order = record.order;
  if (!record.held.is_zero()) {
    settlement.held =
        order.side == Side::kBuy ? market.NotionalOf(order.price, quantity) : quantity;
  }
  const AccountBook::Fee fee = accounts.Settle(settlement);
  HF_ASSERT(record.held >= settlement.held);
  record.held -= settlement.held;
  HF_ASSERT(record.lots_open >= trade.lots);
  record.lots_open -= trade.lots;
  order.executed_quantity += quantity;
  order.executed_quote += notional;
  order.update_time_ns = now_ns;
  order.status = record.lots_open == 0 ? SimOrderStatus::kFilled : SimOrderStatus::kPartiallyFilled;
  const SimTrade row{.trade_id = market.publisher.next_trade_id(),
                     .account = order.account,
                     .instrument = order.instrument,
                     .order_id = order.order_id,
                     .client_order_id = order.client_order_id,
                     .side = order.side,
                     .is_maker = is_maker,
                     .price = price,
                     .quantity = quantity,
                     .quote_quantity = notional,
                     .fee = fee.amount,
                     .fee_asset = accounts.asset(fee.asset),
                     .time_ns = now_ns};
  store.AddTrade(row);
  Report(SimExecutionType::kTrade, record).trade = row;
  if (taker_trades != nullptr) taker_trades->push_back(row);
  const VenueOrderId order_id = order.order_id;
  if (is_maker && record.lots_open == 0) Close(market, record, SimOrderStatus::kFilled);
  return order_id;
}

void SimVenue::Implementation::SettlePrevention(SimMarket& market,
                                                const EnginePrevention& prevention,
                                                uint32_t taker_tag, bool is_decrement) {
  MarkChanged(market, prevention.maker_side, prevention.price_ticks);
  const Decimal prevented = market.publisher.QuantityOf(prevention.lots);
  const auto take = [&](OrderRecord& record) {
    record.lots_open -= prevention.lots;
    record.order.prevented_quantity += prevented;
    record.order.update_time_ns = now_ns;
    if (record.held.is_zero()) return;
    ReleaseHold(market, record,
                record.order.side == Side::kBuy ? market.NotionalOf(record.order.price, prevented)
                                                : prevented);
  };
  OrderRecord& maker = store.ByTag(prevention.maker_tag);
  take(maker);
  if (prevention.maker_lots_left == 0) Close(market, maker, SimOrderStatus::kExpiredInMatch);
  Report(SimExecutionType::kTradePrevention, maker).last_prevented_quantity = prevented;
  if (is_decrement) take(store.ByTag(taker_tag));
}

// --- cancel, replace, amend ---------------------------------------------------------------------

OrderRecord* SimVenue::Implementation::FindRecord(SimAccountId account, InstrumentId instrument,
                                                  const SimOrderKey& key) {
  if (!Knows(account, instrument)) return nullptr;
  const bool is_id_usable = ClientOrderId::Fits(key.client_order_id);
  if (key.order_id.value() != 0) {
    OrderRecord* record = store.Find(account, instrument, key.order_id);
    if (record == nullptr || key.client_order_id.empty()) return record;
    const SimOrder& order = record->order;
    const bool is_same = order.client_order_id == key.client_order_id ||
                         order.original_client_order_id == key.client_order_id;
    return is_same ? record : nullptr;
  }
  if (key.client_order_id.empty() || !is_id_usable) return nullptr;
  const ClientOrderId id(key.client_order_id);
  if (OrderRecord* record = store.FindOpen(account, instrument, id)) return record;
  return store.FindLatest(account, instrument, id);
}

void SimVenue::Implementation::FinishCancel(SimMarket& market, OrderRecord& record,
                                            std::string_view new_id) {
  const int64_t lots = market.book->Cancel(record.handle, record.tag);
  HF_ASSERT(lots == record.lots_open);
  MarkChanged(market, record.order.side, record.price_ticks);
  Close(market, record, SimOrderStatus::kCanceled);
  store.Rename(record, new_id.empty() ? MakeId() : ClientOrderId(new_id),
               config.is_canceled_found_by_original_id);
  Report(SimExecutionType::kCanceled, record);
}

SimCancelResult SimVenue::Implementation::Cancel(SimAccountId account,
                                                 const SimCancelRequest& request) {
  const auto refuse = [](SimRefusal reason) {
    return SimCancelResult{.refusal = reason, .order = {}};
  };
  if (!accounts.Exists(account)) return refuse(SimRefusal::kUnknownAccount);
  if (!Knows(account, request.instrument)) return refuse(SimRefusal::kUnknownInstrument);
  if (!request.new_client_order_id.empty() && !IsClientOrderId(request.new_client_order_id)) {
    return refuse(SimRefusal::kBadClientOrderId);
  }
  SimMarket& market = *markets[request.instrument.value()];
  OrderRecord* record = FindRecord(account, request.instrument, request.key);
  if (record == nullptr || !IsOpen(record->order.status)) return refuse(SimRefusal::kUnknownOrder);
  if (market.instrument.status == TradingStatus::kHalted) {
    return refuse(SimRefusal::kInstrumentHalted);
  }
  const bool is_new = record->order.status == SimOrderStatus::kNew;
  const SimCancelRestriction restriction = request.restriction;
  if ((restriction == SimCancelRestriction::kOnlyNew && !is_new) ||
      (restriction == SimCancelRestriction::kOnlyPartiallyFilled && is_new)) {
    return refuse(SimRefusal::kCancelRestriction);
  }
  FinishCancel(market, *record, request.new_client_order_id);
  return {.refusal = std::nullopt, .order = record->order};
}

SimCancelReplaceResult SimVenue::Implementation::CancelReplace(
    SimAccountId account, const SimCancelReplaceRequest& request) {
  SimCancelReplaceResult result;
  result.cancel = Cancel(account, request.cancel);
  if (!result.cancel.is_accepted() && request.is_stop_on_failure) return result;
  result.order = Place(account, request.order);
  if (result.cancel.is_accepted() && !result.order->is_accepted()) {
    OrderRecord refused;
    refused.order = {.account = account,
                     .instrument = request.order.instrument,
                     .client_order_id = ClientOrderId::Truncated(request.order.client_order_id),
                     .original_client_order_id = {},
                     .side = request.order.side,
                     .type = request.order.type,
                     .time_in_force = request.order.time_in_force,
                     .status = SimOrderStatus::kRejected,
                     .price = request.order.price,
                     .quantity = request.order.quantity,
                     .create_time_ns = now_ns,
                     .update_time_ns = now_ns};
    Report(SimExecutionType::kRejected, refused).refusal = result.order->refusal;
  }
  return result;
}

std::vector<SimOrder> SimVenue::Implementation::CancelAll(SimAccountId account,
                                                          InstrumentId instrument) {
  std::vector<SimOrder> canceled;
  if (!Knows(account, instrument)) return canceled;
  SimMarket& market = *markets[instrument.value()];
  if (market.instrument.status == TradingStatus::kHalted) return canceled;
  for (OrderRecord* record : store.Open(account, instrument)) {
    FinishCancel(market, *record, {});
    canceled.push_back(record->order);
  }
  return canceled;
}

SimAmendResult SimVenue::Implementation::Amend(SimAccountId account,
                                               const SimAmendRequest& request) {
  const auto refuse = [](SimRefusal reason) { return SimAmendResult{.refusal = reason}; };
  if (!accounts.Exists(account)) return refuse(SimRefusal::kUnknownAccount);
  if (!Knows(account, request.instrument)) return refuse(SimRefusal::kUnknownInstrument);
  SimMarket& market = *markets[request.instrument.value()];
  if (market.instrument.status == TradingStatus::kHalted) {
    return refuse(SimRefusal::kInstrumentHalted);
  }
  if (market.instrument.status == TradingStatus::kCancelOnly) {
    return refuse(SimRefusal::kInstrumentCancelOnly);
  }
  const std::string_view new_id = request.new_client_order_id;
  if (!new_id.empty() && !IsClientOrderId(new_id)) return refuse(SimRefusal::kBadClientOrderId);
  OrderRecord* record = FindRecord(account, request.instrument, request.key);
  if (record == nullptr || !IsOpen(record->order.status)) return refuse(SimRefusal::kUnknownOrder);
  SimOrder& order = record->order;
  if (const auto refusal = CheckLotSize(market.instrument, request.new_quantity)) {
    return refuse(*refusal);
  }
  const Decimal gone = order.executed_quantity + order.prevented_quantity;
  if (request.new_quantity >= order.quantity || request.new_quantity <= gone) {
    return refuse(SimRefusal::kQuantityNotReduced);
  }
  if (!new_id.empty() && order.client_order_id != new_id && config.is_duplicate_open_id_refused &&
      store.FindOpen(account, request.instrument, ClientOrderId(new_id)) != nullptr) {
    return refuse(SimRefusal::kDuplicateClientOrderId);
  }
  const Decimal reduction = order.quantity - request.new_quantity;
  record->lots_open = (request.new_quantity - gone).units() / market.quantity_grid.units();
  const bool is_reduced = market.book->Reduce(record->handle, record->tag, record->lots_open);
  HF_ASSERT(is_reduced);
  ReleaseHold(market, *record,
              order.side == Side::kBuy ? market.NotionalOf(order.price, reduction) : reduction);
  order.quantity = request.new_quantity;
  order.update_time_ns = now_ns;
  store.Rename(*record, new_id.empty() ? MakeId() : ClientOrderId(new_id),
               config.is_canceled_found_by_original_id);
  MarkChanged(market, order.side, record->price_ticks);
  Report(SimExecutionType::kReplaced, *record);
  return {.refusal = std::nullopt, .order = order, .execution_id = next_execution_id_ - 1};
}

// --- faults -------------------------------------------------------------------------------------

Decimal SimVenue::Implementation::FillResting(SimAccountId account, InstrumentId instrument,
                                              const SimOrderKey& key, Decimal quantity) {
  OrderRecord* record = FindRecord(account, instrument, key);
  if (record == nullptr || !IsOpen(record->order.status)) return Decimal();
  SimMarket& market = *markets[instrument.value()];
  const int64_t lots = std::min(record->lots_open, quantity.units() / market.quantity_grid.units());
  if (lots <= 0) return Decimal();
  const EngineTrade trade{.maker_tag = record->tag,
                          .taker_tag = kMarketTag,
                          .maker_owner = account.value(),
                          .taker_owner = kMarketOwner,
                          .taker_side = Opposite(record->order.side),
                          .price_ticks = record->price_ticks,
                          .lots = lots,
                          .maker_lots_left = record->lots_open - lots};
  if (trade.maker_lots_left == 0) {
    market.book->Cancel(record->handle, record->tag);
  } else {
    market.book->Reduce(record->handle, record->tag, trade.maker_lots_left);
  }
  SettleTrade(market, trade, nullptr);
  return market.publisher.QuantityOf(lots);
}

void SimVenue::Implementation::ForgetOrders() {
  for (uint16_t i = 0; i < accounts.account_count(); ++i) {
    for (OrderRecord* record : store.Open(SimAccountId(i), std::nullopt)) {
      SimMarket& market = *markets[record->order.instrument.value()];
      market.book->Cancel(record->handle, record->tag);
      MarkChanged(market, record->order.side, record->price_ticks);
      ReleaseHold(market, *record, record->held);
      record->order.status = SimOrderStatus::kExpired;
      record->order.update_time_ns = now_ns;
    }
  }
  store.Forget();
  accounts.TakeTouched();  // silently
}

}  // namespace holdfast
