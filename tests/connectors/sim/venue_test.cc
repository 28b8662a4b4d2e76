// The simulated venue keeps the promises a real one documents: price-time matching, holds, fees,
// filters, client ids, queries, numbered market data. One story per clause.
#include <catch2/catch.hpp>

#include "sim_fixture.h"

namespace holdfast {
namespace {

using Lines = std::vector<std::string>;

TEST_CASE("venue: orders match by price, then time, at the maker's price", "[sim][venue]") {
  VenueFixture f;
  f.Limit(f.alice, Side::kSell, "0.1", "60001", "late_price");
  f.Limit(f.alice, Side::kSell, "0.1", "60000", "first");
  f.Limit(f.alice, Side::kSell, "0.1", "60000", "second");
  const SimOrderResult taken = f.Limit(f.bob, Side::kBuy, "0.25", "60005", "taker");
  REQUIRE(taken.trades.size() == 3);
  CHECK(taken.trades[0].price == Dec("60000"));
  CHECK(taken.trades[2].price == Dec("60001"));
  CHECK(taken.order.status == SimOrderStatus::kFilled);
  CHECK(f.Query(f.alice, "first")->status == SimOrderStatus::kFilled);
  CHECK(f.Query(f.alice, "second")->status == SimOrderStatus::kFilled);
  CHECK(f.Query(f.alice, "late_price")->executed_quantity == Dec("0.05"));
  f.venue.CheckInvariants();
}

TEST_CASE("venue: fees are charged in the received asset, to 10^-8 towards zero", "[sim][venue]") {
  VenueFixture f;
  f.Limit(f.alice, Side::kSell, "0.00333", "60000.01", "maker");
  const SimOrderResult taken = f.Limit(f.bob, Side::kBuy, "0.00333", "60000.01", "taker");
  REQUIRE(taken.trades.size() == 1);
  CHECK(taken.trades[0].fee == Dec("0.00000333"));
  CHECK(taken.trades[0].fee_asset == "BTC");
  const std::vector<SimTrade> maker = f.venue.MyTrades(f.alice, {.instrument = f.btc});
  REQUIRE(maker.size() == 1);
  CHECK(maker[0].quote_quantity == Dec("199.8000333"));
  CHECK(maker[0].fee == Dec("0.19980003"));
  CHECK(maker[0].fee_asset == "USDT");
  CHECK(f.Balance(f.bob, "BTC") == "10.00332667/0");
  CHECK(f.Balance(f.alice, "USDT") == "1000199.60023327/0");
}

TEST_CASE("venue: the one that rests pays the maker's rate, the one that comes the taker's",
          "[sim][venue]") {
  VenueFixture f;
  const SimAccountId maker = f.AddAccount("maker", "0.0002", "0.0005");
  const SimAccountId taker = f.AddAccount("taker", "0.0001", "0.0004");
  f.Limit(maker, Side::kSell, "0.1", "60000", "rests");
  const SimOrderResult taken = f.Limit(taker, Side::kBuy, "0.1", "60000", "comes");
  REQUIRE(taken.trades.size() == 1);
  CHECK_FALSE(taken.trades[0].is_maker);
  CHECK(taken.trades[0].fee == Dec("0.00004"));  // of 0.1 BTC
  const std::vector<SimTrade> made = f.venue.MyTrades(maker, {.instrument = f.btc});
  REQUIRE(made.size() == 1);
  CHECK(made[0].is_maker);
  CHECK(made[0].fee == Dec("1.2"));  // of 6000 USDT
}

// --- money -------------------------------------------------------------------------------------

TEST_CASE("venue: an order holds what it may cost, and what is left is given back",
          "[sim][venue]") {
  VenueFixture f;
  f.Limit(f.alice, Side::kBuy, "0.5", "60000", "buy");
  CHECK(f.Balance(f.alice, "USDT") == "970000/30000");
  f.Limit(f.alice, Side::kSell, "1", "61000", "sell");
  CHECK(f.Balance(f.alice, "BTC") == "9/1");
  SECTION("a cancel releases it") {
    f.Cancel(f.alice, "buy");
    f.Cancel(f.alice, "sell");
    CHECK(f.Balance(f.alice, "USDT") == "1000000/0");
    CHECK(f.Balance(f.alice, "BTC") == "10/0");
  }
  SECTION("a better price than the limit releases the difference at once") {
    f.Limit(f.bob, Side::kSell, "0.2", "59000", "ask");
    f.venue.CancelAll(f.alice, f.btc);
    f.Limit(f.bob, Side::kSell, "0.2", "59000", "ask2");
    const SimOrderResult taken = f.Limit(f.alice, Side::kBuy, "0.3", "60000", "again");
    CHECK(taken.order.executed_quote == Dec("11800"));
    CHECK(f.Balance(f.alice, "USDT") == "970200/6000");
  }
  f.venue.CheckInvariants();
}

TEST_CASE("venue: an order that the balance does not cover is refused and holds nothing",
          "[sim][venue]") {
  VenueFixture f;
  CHECK(f.Limit(f.alice, Side::kBuy, "20", "60000").refusal == SimRefusal::kInsufficientBalance);
  CHECK(f.Limit(f.alice, Side::kSell, "10.00001", "60000").refusal ==
        SimRefusal::kInsufficientBalance);
  CHECK(f.Limit(f.alice, Side::kSell, "10", "60000").is_accepted());
  CHECK(f.Limit(f.alice, Side::kSell, "0.001", "60000").refusal ==
        SimRefusal::kInsufficientBalance);
  CHECK(f.Market(f.alice, Side::kSell, "1").refusal == SimRefusal::kInsufficientBalance);
  // 10 at 60000 cost 600000; a buyer with less must not get any of it by market either.
  const SimAccountId poor =
      *f.venue.AddAccount({.name = "poor", .balances = {Free("USDT", "100")}});
  CHECK(f.Market(poor, Side::kBuy, "0.01").refusal == SimRefusal::kInsufficientBalance);
  CHECK(f.Market(poor, Side::kBuy, "0.001").is_accepted());
  f.venue.CheckInvariants();
}

TEST_CASE("venue: a rebate is paid to the maker out of the venue's income", "[sim][venue]") {
  VenueFixture f;
  const SimAccountId maker = f.AddAccount("maker", "-0.0001", "0.001");
  const std::vector<SimBalance> before = f.venue.TotalBalances();
  f.Limit(maker, Side::kBuy, "0.1", "60000", "m");
  f.Limit(f.bob, Side::kSell, "0.1", "60000", "t");
  CHECK(f.Balance(maker, "BTC") == "10.10001/0");
  CHECK(f.venue.MyTrades(maker, {.instrument = f.btc})[0].fee == Dec("-0.00001"));
  CHECK(f.venue.TotalBalances() == before);
  CHECK(f.venue.Totals(maker).fees == std::vector<SimBalance>{Free("BTC", "-0.00001")});
}

TEST_CASE("venue: a fee asset pays the fee with a discount as long as it lasts", "[sim][venue]") {
  VenueFixture f;
  const SimAccountId account =
      *f.venue.AddAccount({.name = "bnb",
                           .maker_fee_rate = Dec("0.001"),
                           .taker_fee_rate = Dec("0.001"),
                           .fee_asset = SimFeeAsset{.asset = AssetCode("BNB"),
                                                    .quote_per_unit = Dec("500"),
                                                    .discount = Dec("0.25")},
                           .balances = {Free("USDT", "100000"), Free("BNB", "0.01")}});
  f.Limit(f.bob, Side::kSell, "1", "60000");
  // 6000 x 0.001 x 0.75 / 500 = 0.009
  const SimOrderResult first = f.Limit(account, Side::kBuy, "0.1", "60000");
  CHECK(first.trades[0].fee == Dec("0.009"));
  CHECK(first.trades[0].fee_asset == "BNB");
  const SimOrderResult second = f.Limit(account, Side::kBuy, "0.1", "60000");
  CHECK(second.trades[0].fee == Dec("0.0001"));
  CHECK(second.trades[0].fee_asset == "BTC");
  f.venue.CheckInvariants();
}

// --- filters -----------------------------------------------------------------------------------

TEST_CASE("venue: each filter refuses what it is for, at its very edge", "[sim][venue]") {
  VenueFixture f;
  const auto refusal = [&](std::string_view quantity, std::string_view price) {
    return f.Limit(f.alice, Side::kBuy, quantity, price).refusal;
  };
  CHECK(refusal("0.001", "60000.001") == SimRefusal::kPriceFilter);
  CHECK(refusal("0.00001", "1000000.01") == SimRefusal::kPriceFilter);
  CHECK(refusal("0.000001", "60000") == SimRefusal::kLotSize);
  CHECK(refusal("9000.00001", "0.01") == SimRefusal::kLotSize);
  CHECK(refusal("0.00008", "60000") == SimRefusal::kNotional);  // 4.8
  CHECK_FALSE(refusal("0.00009", "60000").has_value());
  CHECK(refusal("0", "60000") == SimRefusal::kMissingQuantity);
  CHECK(refusal("-1", "60000") == SimRefusal::kMissingQuantity);
  CHECK(refusal("1", "0") == SimRefusal::kMissingPrice);
  CHECK(refusal("1", "-1") == SimRefusal::kMissingPrice);
}

TEST_CASE("venue: the price band is measured from the last trade, per side", "[sim][venue]") {
  VenueFixture f;
  Instrument instrument = f.venue.instrument(f.btc);
  instrument.bid_multiplier_up = Dec("1.1");
  instrument.ask_multiplier_down = Dec("0.9");
  REQUIRE(f.venue.UpdateInstrument(instrument).ok());
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "90000", "before").is_accepted());
  f.Limit(f.bob, Side::kSell, "0.001", "90000");  // trades at 90000
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "99000.01").refusal ==
        SimRefusal::kPercentPriceBySide);
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "99000").is_accepted());
  CHECK(f.Limit(f.bob, Side::kSell, "0.001", "80999.99").refusal ==
        SimRefusal::kPercentPriceBySide);
}

TEST_CASE("venue: open orders are limited per account and instrument", "[sim][venue]") {
  VenueFixture f;
  Instrument instrument = f.venue.instrument(f.btc);
  instrument.max_order_count = 2;
  REQUIRE(f.venue.UpdateInstrument(instrument).ok());
  f.Limit(f.alice, Side::kBuy, "0.001", "60000", "a");
  f.Limit(f.alice, Side::kBuy, "0.001", "60000", "b");
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "60000").refusal == SimRefusal::kMaxOrderCount);
  CHECK(f.Limit(f.bob, Side::kBuy, "0.001", "60000").is_accepted());
  f.Cancel(f.alice, "a");
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "60000").is_accepted());
}

TEST_CASE("venue: filters change while running, open orders stay", "[sim][venue]") {
  VenueFixture f;
  EventLog log;
  f.venue.AddMarketListener(f.btc, &log);
  f.Limit(f.alice, Side::kBuy, "0.001", "60000.01", "old");
  Instrument instrument = f.venue.instrument(f.btc);
  instrument.tick_size = Dec("0.1");
  instrument.min_price = Price::FromTicks(1);
  REQUIRE(f.venue.UpdateInstrument(instrument).ok());
  CHECK(log.market.back() == "instrument trading");
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "60000.01").refusal == SimRefusal::kPriceFilter);
  CHECK(f.Limit(f.bob, Side::kSell, "0.001", "60000", "hit").trades.size() == 1);
  CHECK(f.Query(f.alice, "old")->status == SimOrderStatus::kFilled);
  instrument.tick_size = Dec("0.001");  // finer than the grid it was added with
  CHECK(f.venue.UpdateInstrument(instrument).code() == absl::StatusCode::kInvalidArgument);
  instrument.symbol = SymbolText("ETHUSDT");
  CHECK(f.venue.UpdateInstrument(instrument).code() == absl::StatusCode::kNotFound);
  f.venue.RemoveMarketListener(f.btc, &log);
}

TEST_CASE("venue: halted and cancel-only instruments", "[sim][venue]") {
  VenueFixture f;
  f.Limit(f.alice, Side::kBuy, "0.001", "60000", "a");
  Instrument instrument = f.venue.instrument(f.btc);
  instrument.status = TradingStatus::kHalted;
  REQUIRE(f.venue.UpdateInstrument(instrument).ok());
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "60000").refusal == SimRefusal::kInstrumentHalted);
  CHECK(f.Cancel(f.alice, "a").refusal == SimRefusal::kInstrumentHalted);
  instrument.status = TradingStatus::kCancelOnly;
  REQUIRE(f.venue.UpdateInstrument(instrument).ok());
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "60000").refusal ==
        SimRefusal::kInstrumentCancelOnly);
  CHECK(f.Cancel(f.alice, "a").is_accepted());
}

TEST_CASE("venue: extreme numbers are refused, not fatal", "[sim][venue]") {
  VenueFixture f;
  Instrument instrument = f.venue.instrument(f.btc);
  instrument.max_price = Price();
  instrument.max_quantity = Quantity();
  REQUIRE(f.venue.UpdateInstrument(instrument).ok());
  CHECK_FALSE(f.Limit(f.alice, Side::kBuy, "92233720368", "92233720368").is_accepted());
  CHECK_FALSE(f.Limit(f.alice, Side::kSell, "92233720368", "92233720368").is_accepted());
  f.Market(f.alice, Side::kBuy, "92233720368");
  CHECK(f.venue.PlaceOrder(SimAccountId(99), {.instrument = f.btc}).refusal ==
        SimRefusal::kUnknownAccount);
  CHECK(f.venue.PlaceOrder(f.alice, {.instrument = InstrumentId(99)}).refusal ==
        SimRefusal::kUnknownInstrument);
  f.venue.CheckInvariants();
}

// --- client ids --------------------------------------------------------------------------------

TEST_CASE("venue: a client id is refused while open and accepted again after the close",
          "[sim][venue][client_id]") {
  VenueFixture f;
  const SimOrderResult first = f.Limit(f.alice, Side::kBuy, "0.001", "60000", "same");
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "50000", "same").refusal ==
        SimRefusal::kDuplicateClientOrderId);
  CHECK(f.Limit(f.bob, Side::kBuy, "0.001", "50000", "same").is_accepted());
  f.Limit(f.bob, Side::kSell, "0.001", "60000", "hit");
  const SimOrderResult second = f.Limit(f.alice, Side::kBuy, "0.001", "59000", "same");
  REQUIRE(second.is_accepted());
  CHECK(second.order.order_id != first.order.order_id);
  CHECK(f.Query(f.alice, "same")->order_id == second.order.order_id);
}

TEST_CASE("venue: a cancel renames the order, which frees its id", "[sim][venue][client_id]") {
  VenueFixture f;
  f.Limit(f.alice, Side::kBuy, "0.001", "60000", "order");
  const SimCancelResult canceled = f.Cancel(f.alice, "order", "cancel_1");
  REQUIRE(canceled.is_accepted());
  CHECK(canceled.order.client_order_id == "cancel_1");
  CHECK(canceled.order.original_client_order_id == "order");
  CHECK(f.Query(f.alice, "cancel_1")->status == SimOrderStatus::kCanceled);
  CHECK(f.Query(f.alice, "order")->status == SimOrderStatus::kCanceled);
  const SimOrderResult again = f.Limit(f.alice, Side::kBuy, "0.001", "60000", "order");
  REQUIRE(again.is_accepted());
  CHECK(f.Query(f.alice, "order")->order_id == again.order.order_id);
  CHECK(f.Cancel(f.alice, "order", "not legal!").refusal == SimRefusal::kBadClientOrderId);
}

TEST_CASE("venue: undocumented client id behavior can be played both ways",
          "[sim][venue][client_id]") {
  VenueFixture f(
      {.is_canceled_found_by_original_id = false, .is_duplicate_open_id_refused = false});
  f.Limit(f.alice, Side::kBuy, "0.001", "60000", "order");
  f.Cancel(f.alice, "order", "cancel_1");
  CHECK_FALSE(f.Query(f.alice, "order").has_value());
  f.Limit(f.alice, Side::kBuy, "0.001", "60000", "twice");
  const SimOrderResult second = f.Limit(f.alice, Side::kBuy, "0.001", "59000", "twice");
  REQUIRE(second.is_accepted());
  CHECK(f.Query(f.alice, "twice")->order_id == second.order.order_id);
  CHECK(f.venue.OpenOrders(f.alice, f.btc).size() == 2);
}

TEST_CASE("venue: an id of a cancel that an open order carries does not hide that order",
          "[sim][venue][client_id]") {
  VenueFixture f;
  f.Limit(f.alice, Side::kBuy, "0.001", "60000", "b");
  f.Limit(f.alice, Side::kBuy, "0.001", "59000", "a");
  f.Cancel(f.alice, "a", "b");
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "58000", "b").refusal ==
        SimRefusal::kDuplicateClientOrderId);
  CHECK(f.Query(f.alice, "b")->status == SimOrderStatus::kNew);
  CHECK(f.Cancel(f.alice, "b").is_accepted());
}

TEST_CASE("venue: client ids of 1 to 36 letters, digits, - and _; the venue makes missing ones",
          "[sim][venue][client_id]") {
  VenueFixture f;
  const std::string longest(36, 'x');
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "60000", longest).is_accepted());
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "60000", longest + "x").refusal ==
        SimRefusal::kBadClientOrderId);
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "60000", "a b").refusal ==
        SimRefusal::kBadClientOrderId);
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "60000", "a-B_9").is_accepted());
  CHECK(f.Limit(f.alice, Side::kBuy, "0.001", "60000").order.client_order_id.size() == 22);
  CHECK_FALSE(f.Query(f.alice, longest + "x").has_value());
  CHECK(f.Cancel(f.alice, longest + "x").refusal == SimRefusal::kUnknownOrder);
}

// --- kinds of orders ---------------------------------------------------------------------------

TEST_CASE("venue: time in force and post-only", "[sim][venue]") {
  VenueFixture f;
  f.Limit(f.alice, Side::kSell, "0.1", "60000", "ask");
  CHECK(f.Limit(f.bob, Side::kBuy, "0.2", "60000", "p", SimOrderType::kLimitMaker).refusal ==
        SimRefusal::kWouldTake);
  const SimOrderResult fok = f.Limit(f.bob, Side::kBuy, "0.2", "60000", "fok", SimOrderType::kLimit,
                                     TimeInForce::kFillOrKill);
  CHECK(fok.order.status == SimOrderStatus::kExpired);
  CHECK(fok.trades.empty());
  const SimOrderResult ioc = f.Limit(f.bob, Side::kBuy, "0.2", "60000", "ioc", SimOrderType::kLimit,
                                     TimeInForce::kImmediateOrCancel);
  CHECK(ioc.order.status == SimOrderStatus::kExpired);
  CHECK(ioc.order.executed_quantity == Dec("0.1"));
  CHECK(f.Balance(f.bob, "USDT") == "994000/0");
  CHECK(f.venue.OpenOrders(f.bob, f.btc).empty());
}

TEST_CASE("venue: market orders by quantity and by quote quantity", "[sim][venue]") {
  VenueFixture f;
  CHECK(f.Market(f.bob, Side::kBuy, "0.1").order.status == SimOrderStatus::kExpired);
  f.Limit(f.alice, Side::kSell, "0.1", "60000", "near");
  f.Limit(f.alice, Side::kSell, "1", "61000", "far");
  const SimOrderResult market = f.Market(f.bob, Side::kBuy, "0.15");
  CHECK(market.order.status == SimOrderStatus::kFilled);
  CHECK(market.order.executed_quote == Dec("9050"));
  const SimOrderResult by_quote = f.venue.PlaceOrder(f.bob, {.instrument = f.btc,
                                                             .side = Side::kBuy,
                                                             .type = SimOrderType::kMarket,
                                                             .quote_quantity = Dec("1000")});
  REQUIRE(by_quote.is_accepted());
  CHECK(by_quote.order.executed_quantity == Dec("0.01639"));  // 999.79; one lot more is 1000.4
  CHECK(by_quote.order.quantity == Dec("0.01639"));
  CHECK(by_quote.order.status == SimOrderStatus::kFilled);
  CHECK(f.venue
            .PlaceOrder(f.bob, {.instrument = f.btc,
                                .type = SimOrderType::kMarket,
                                .quantity = Dec("1"),
                                .quote_quantity = Dec("1000")})
            .refusal == SimRefusal::kBadParameterCombination);
  f.venue.CheckInvariants();
}

TEST_CASE("venue: self-trade prevention ends orders with their own status", "[sim][venue]") {
  VenueFixture f;
  EventLog log;
  f.venue.AddAccountListener(f.alice, &log);
  f.Limit(f.alice, Side::kSell, "0.1", "60000", "maker");
  log.account.clear();
  const auto take = [&](SelfTradeMode mode) {
    return f.venue.PlaceOrder(f.alice, {.instrument = f.btc,
                                        .side = Side::kBuy,
                                        .quantity = Dec("0.04"),
                                        .price = Dec("60000"),
                                        .client_order_id = "taker",
                                        .self_trade = mode});
  };
  SECTION("expire taker") {
    const SimOrderResult result = take(SelfTradeMode::kExpireTaker);
    CHECK(result.order.status == SimOrderStatus::kExpiredInMatch);
    CHECK(result.order.prevented_quantity == Dec("0.04"));
    CHECK(f.Query(f.alice, "maker")->status == SimOrderStatus::kNew);
    CHECK(log.account == Lines{"new taker new", "trade_prevention taker expired_in_match",
                               "balances USDT 1000000/0"});
  }
  SECTION("expire maker") {
    CHECK(take(SelfTradeMode::kExpireMaker).order.status == SimOrderStatus::kNew);
    CHECK(f.Query(f.alice, "maker")->status == SimOrderStatus::kExpiredInMatch);
    CHECK(f.Balance(f.alice, "BTC") == "10/0");
  }
  SECTION("decrement") {
    CHECK(take(SelfTradeMode::kDecrement).order.status == SimOrderStatus::kExpiredInMatch);
    CHECK(f.Query(f.alice, "maker")->prevented_quantity == Dec("0.04"));
    CHECK(f.Balance(f.alice, "BTC") == "9.94/0.06");
    CHECK(f.Balance(f.alice, "USDT") == "1000000/0");
  }
  f.venue.CheckInvariants();
  f.venue.RemoveAccountListener(f.alice, &log);
}

TEST_CASE("venue: accounts of one trade group count as one trader", "[sim][venue]") {
  VenueFixture f;
  const SimAccountId a =
      *f.venue.AddAccount({.name = "a", .balances = {Free("BTC", "1")}, .trade_group = 3});
  const SimAccountId b =
      *f.venue.AddAccount({.name = "b", .balances = {Free("USDT", "100000")}, .trade_group = 3});
  f.Limit(a, Side::kSell, "0.1", "60000", "ask");
  CHECK(f.Limit(b, Side::kBuy, "0.1", "60000", "bid").trades.empty());
  CHECK(f.Query(a, "ask")->status == SimOrderStatus::kExpiredInMatch);
}

// --- cancel, replace, amend --------------------------------------------------------------------

TEST_CASE("venue: cancel by order id, by client id, by both, and what is not open",
          "[sim][venue]") {
  VenueFixture f;
  const SimOrder order = f.Limit(f.alice, Side::kBuy, "0.001", "60000", "a").order;
  const auto cancel = [&](SimOrderKey key, SimCancelRestriction restriction = {}) {
    return f.venue
        .CancelOrder(f.alice, {.instrument = f.btc, .key = key, .restriction = restriction})
        .refusal;
  };
  CHECK(cancel({}) == SimRefusal::kUnknownOrder);
  CHECK(cancel({.order_id = VenueOrderId(77)}) == SimRefusal::kUnknownOrder);
  CHECK(cancel({.order_id = order.order_id, .client_order_id = "b"}) == SimRefusal::kUnknownOrder);
  CHECK(cancel({.order_id = order.order_id}, SimCancelRestriction::kOnlyPartiallyFilled) ==
        SimRefusal::kCancelRestriction);
  CHECK_FALSE(
      cancel({.order_id = order.order_id, .client_order_id = "a"}, SimCancelRestriction::kOnlyNew)
          .has_value());
  CHECK(cancel({.order_id = order.order_id}) == SimRefusal::kUnknownOrder);
  CHECK(f.venue.CancelOrder(f.bob, {.instrument = f.btc, .key = {.order_id = order.order_id}})
            .refusal == SimRefusal::kUnknownOrder);
}

TEST_CASE("venue: cancel-replace, both modes", "[sim][venue]") {
  VenueFixture f;
  EventLog log;
  f.venue.AddAccountListener(f.alice, &log);
  const auto replace = [&](std::string_view cancel_id, std::string_view price, bool is_stop) {
    return f.venue.CancelReplace(
        f.alice, {.cancel = {.instrument = f.btc, .key = {.client_order_id = cancel_id}},
                  .order = {.instrument = f.btc,
                            .side = Side::kBuy,
                            .quantity = Dec("0.001"),
                            .price = Dec(price),
                            .client_order_id = "new"},
                  .is_stop_on_failure = is_stop});
  };
  SimCancelReplaceResult result = replace("none", "50000", true);
  CHECK_FALSE(result.cancel.is_accepted());
  CHECK_FALSE(result.order.has_value());
  result = replace("none", "50000", false);
  CHECK_FALSE(result.cancel.is_accepted());
  CHECK(result.order->is_accepted());
  log.account.clear();
  result = replace("new", "50000.001", true);
  CHECK(result.cancel.is_accepted());
  CHECK(result.order->refusal == SimRefusal::kPriceFilter);
  CHECK(log.account ==
        Lines{"canceled new canceled", "rejected  rejected", "balances USDT 1000000/0"});
  f.venue.RemoveAccountListener(f.alice, &log);
}

TEST_CASE("venue: an amendment reduces, keeps the place, and renames", "[sim][venue]") {
  VenueFixture f;
  f.Limit(f.alice, Side::kSell, "0.3", "60000", "first");
  f.Limit(f.bob, Side::kSell, "0.3", "60000", "second");
  const auto amend = [&](std::string_view id, std::string_view quantity, std::string_view new_id) {
    return f.venue.AmendKeepPriority(f.alice, {.instrument = f.btc,
                                               .key = {.client_order_id = id},
                                               .new_client_order_id = new_id,
                                               .new_quantity = Dec(quantity)});
  };
  CHECK(amend("first", "0.3", "first").refusal == SimRefusal::kQuantityNotReduced);
  CHECK(amend("first", "0.4", "first").refusal == SimRefusal::kQuantityNotReduced);
  CHECK(amend("first", "0", "first").refusal == SimRefusal::kLotSize);
  CHECK(amend("none", "0.1", "first").refusal == SimRefusal::kUnknownOrder);
  const SimAmendResult kept = amend("first", "0.2", "first");
  REQUIRE(kept.is_accepted());
  CHECK(kept.order.quantity == Dec("0.2"));
  CHECK(f.Balance(f.alice, "BTC") == "9.8/0.2");
  const SimAmendResult renamed = amend("first", "0.1", "other");
  CHECK(renamed.order.client_order_id == "other");
  CHECK(f.Limit(f.bob, Side::kBuy, "0.05", "60000").trades.size() == 1);
  CHECK(f.Query(f.alice, "other")->executed_quantity == Dec("0.05"));
  CHECK(amend("other", "0.05", "other").refusal == SimRefusal::kQuantityNotReduced);
  f.venue.CheckInvariants();
}

// --- queries -----------------------------------------------------------------------------------

TEST_CASE("venue: order and trade queries page as documented", "[sim][venue]") {
  VenueFixture f;
  for (int i = 0; i < 10; ++i) {
    f.venue.Advance(f.venue.now_ns() + kNanosPerSecond);
    f.Limit(f.alice, Side::kBuy, "0.001", "60000", "o" + std::to_string(i));
    f.Limit(f.bob, Side::kSell, "0.001", "60000");
  }
  const auto trade_ids = [&](const SimTradesQuery& query) {
    std::vector<int64_t> ids;
    for (const SimTrade& trade : f.venue.MyTrades(f.alice, query)) {
      ids.push_back(trade.trade_id.value());
    }
    return ids;
  };
  using Ids = std::vector<int64_t>;
  CHECK(trade_ids({.instrument = f.btc, .limit = 3}) == Ids{8, 9, 10});
  CHECK(trade_ids({.instrument = f.btc, .from_trade_id = VenueTradeId(4), .limit = 3}) ==
        Ids{4, 5, 6});
  CHECK(trade_ids({.instrument = f.btc, .start_time_ns = 7 * kNanosPerSecond, .limit = 2}) ==
        Ids{7, 8});
  CHECK(trade_ids({.instrument = f.btc,
                   .start_time_ns = 2 * kNanosPerSecond,
                   .end_time_ns = 4 * kNanosPerSecond}) == Ids{2, 3, 4});
  const VenueOrderId third = f.Query(f.alice, "o2")->order_id;
  CHECK(trade_ids({.instrument = f.btc, .order_id = third}) == Ids{3});
  CHECK(f.venue.AllOrders(f.alice, {.instrument = f.btc, .limit = 4}).size() == 4);
  CHECK(f.venue.AllOrders(f.alice, {.instrument = f.btc, .limit = 4}).back().client_order_id ==
        "o9");
  CHECK(f.venue.AllOrders(f.alice, {.instrument = f.btc, .from_order_id = third, .limit = 2})
            .front()
            .client_order_id == "o2");
  CHECK(f.venue.LedgerTrades().size() == 20);
  CHECK(f.venue.LedgerOrders().size() == 20);
}

TEST_CASE("venue: a bounded ledger drops what closed first, and counts it", "[sim][venue]") {
  VenueFixture f({.max_ledger_orders = 3, .max_ledger_trades = 2});
  f.Limit(f.alice, Side::kBuy, "0.001", "10000", "resting");
  for (int i = 0; i < 6; ++i) {
    f.Limit(f.alice, Side::kBuy, "0.001", "60000", "o" + std::to_string(i));
    f.Limit(f.bob, Side::kSell, "0.001", "60000");
  }
  CHECK(f.Query(f.alice, "resting")->status == SimOrderStatus::kNew);
  CHECK_FALSE(f.Query(f.alice, "o3").has_value());
  CHECK(f.Query(f.alice, "o5").has_value());
  CHECK(f.venue.MyTrades(f.alice, {.instrument = f.btc}).size() == 2);
  const SimAccountTotals totals = f.venue.Totals(f.alice);
  CHECK(totals.dropped_order_count == 4);
  CHECK(totals.dropped_trade_count == 4);
  CHECK(totals.instruments[0].bought == Dec("0.006"));
  CHECK(totals.instruments[0].order_count == 7);
  f.venue.CheckInvariants();
}

// --- market data and time ----------------------------------------------------------------------

TEST_CASE("venue: depth differences are continuous and rebuild the book", "[sim][venue]") {
  VenueFixture f;
  EventLog log;
  f.venue.AddMarketListener(f.btc, &log);
  f.Limit(f.alice, Side::kBuy, "0.1", "60000", "a");
  f.Limit(f.alice, Side::kBuy, "0.2", "59999", "b");
  f.Limit(f.bob, Side::kSell, "0.3", "60001", "c");
  CHECK(f.venue.Depth(f.btc, 10).last_update_id == 3);
  f.venue.Advance(99'999'999);
  CHECK(log.market == Lines{"top 60000x0.1 0x0", "top 60000x0.1 60001x0.3"});
  log.market.clear();
  f.venue.Advance(100'000'000);
  CHECK(log.market == Lines{"depth 1-3 b60000x0.1 b59999x0.2 a60001x0.3"});
  log.market.clear();
  f.Cancel(f.alice, "b");
  f.Limit(f.bob, Side::kSell, "0.04", "60000", "d");
  f.venue.Advance(400'000'000);
  CHECK(log.market == Lines{"trade 1 60000x0.04 sell", "top 60000x0.06 60001x0.3",
                            "depth 4-5 b60000x0.06 b59999x0"});
  CHECK(f.venue.RecentTrades(f.btc, 5).size() == 1);
  CHECK(f.venue.LastPrice(f.btc) == Dec("60000"));
  CHECK(f.venue.Ticker(f.btc).volume == Dec("0.04"));
  f.venue.RemoveMarketListener(f.btc, &log);
}

TEST_CASE("venue: private events come in order, balances last", "[sim][venue]") {
  VenueFixture f;
  EventLog log;
  f.Limit(f.alice, Side::kSell, "0.1", "60000", "ask");
  f.venue.AddAccountListener(f.bob, &log);
  f.Limit(f.bob, Side::kBuy, "0.3", "60000", "bid");
  f.Cancel(f.bob, "bid", "x");
  CHECK(log.account == Lines{"new bid new", "trade bid partially_filled 60000x0.1 fee 0.0001 BTC",
                             "balances BTC 10.0999/0 USDT 982000/12000", "canceled bid canceled",
                             "balances USDT 994000/0"});
  f.venue.RemoveAccountListener(f.bob, &log);
}

TEST_CASE("venue: deferred calls run at their time, in order, and may trade", "[sim][venue]") {
  VenueFixture f;
  std::vector<int64_t> times;
  f.venue.At(20, [&] { times.push_back(f.venue.now_ns()); });
  f.venue.At(10, [&] {
    times.push_back(f.venue.now_ns());
    f.Limit(f.alice, Side::kBuy, "0.001", "60000", "from_call");
    f.venue.At(15, [&] { times.push_back(f.venue.now_ns()); });
  });
  CHECK(f.venue.next_event_time_ns() == 10);
  f.venue.Advance(30);
  CHECK(times == std::vector<int64_t>{10, 15, 20});
  CHECK(f.Query(f.alice, "from_call")->create_time_ns == 10);
  f.venue.Advance(5);  // an earlier time is no time at all
  CHECK(f.venue.now_ns() == 30);
}

// --- faults ------------------------------------------------------------------------------------

TEST_CASE("venue: a restart without memory loses open orders and no money", "[sim][venue]") {
  VenueFixture f;
  f.Limit(f.alice, Side::kBuy, "0.1", "60000", "a");
  f.Limit(f.bob, Side::kSell, "0.04", "60000", "b");
  EventLog log;
  f.venue.AddAccountListener(f.alice, &log);
  f.venue.ForgetOrders();
  CHECK(log.account.empty());
  CHECK_FALSE(f.Query(f.alice, "a").has_value());
  CHECK(f.venue.OpenOrders(f.alice, f.btc).empty());
  CHECK(f.venue.Depth(f.btc, 0).bids.empty());
  CHECK(f.Balance(f.alice, "USDT") == "997600/0");
  CHECK(f.venue.MyTrades(f.alice, {.instrument = f.btc}).size() == 1);
  CHECK(f.venue.LedgerOrders().size() == 2);
  CHECK(f.Limit(f.alice, Side::kBuy, "0.1", "60000", "a").is_accepted());
  f.venue.CheckInvariants();
  f.venue.RemoveAccountListener(f.alice, &log);
}

TEST_CASE("venue: a wrong set-up is refused with the reason", "[sim][venue]") {
  VenueFixture f;
  Instrument instrument = MakeBtcUsdt();
  CHECK(f.venue.AddInstrument({.instrument = instrument}).status().code() ==
        absl::StatusCode::kAlreadyExists);
  instrument.symbol = SymbolText("X");
  instrument.lot_size = Dec("0.0000001");
  CHECK(f.venue.AddInstrument({.instrument = instrument}).status().code() ==
        absl::StatusCode::kInvalidArgument);
  CHECK(f.venue.AddAccount({.name = ""}).status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(f.venue.AddAccount({.name = "alice"}).status().code() == absl::StatusCode::kAlreadyExists);
  CHECK(f.venue.AddAccount({.name = "z", .taker_fee_rate = Dec("1")}).status().code() ==
        absl::StatusCode::kInvalidArgument);
  CHECK(f.venue.AddAccount({.name = "z", .balances = {Free("BTC", "-1")}}).status().code() ==
        absl::StatusCode::kInvalidArgument);
  CHECK(f.venue.Deposit(f.alice, AssetCode("BTC"), Dec("-11")).code() ==
        absl::StatusCode::kFailedPrecondition);
  CHECK(f.venue.Deposit(f.alice, AssetCode("BTC"), Dec("-10")).ok());
  CHECK(f.venue.SetFees(f.alice, Dec("2"), Dec("0")).code() == absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace holdfast
