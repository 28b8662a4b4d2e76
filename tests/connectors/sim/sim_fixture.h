#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/sim/venue.h"
#include "engine/base/clock.h"

namespace holdfast {

inline Decimal Dec(std::string_view text) { return *Decimal::Parse(text); }

inline Instrument MakeBtcUsdt() {
  Instrument instrument;
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = Dec("0.01");
  instrument.lot_size = Dec("0.00001");
  instrument.min_price = Price::FromTicks(1);
  instrument.max_price = Price::FromTicks(100'000'000);
  instrument.min_quantity = Quantity::FromLots(1);
  instrument.max_quantity = Quantity::FromLots(900'000'000);
  instrument.min_notional = Dec("5");
  instrument.max_order_count = 200;
  instrument.bid_multiplier_up = Dec("5");
  instrument.bid_multiplier_down = Dec("0.2");
  instrument.ask_multiplier_up = Dec("5");
  instrument.ask_multiplier_down = Dec("0.2");
  return instrument;
}

inline SimBalance Free(std::string_view asset, std::string_view amount) {
  return {.asset = AssetCode(asset), .free = Dec(amount), .locked = {}};
}

// Writes down everything that a listener is told, one line each.
class EventLog final : public SimMarketListener, public SimAccountListener {
 public:
  void OnDepth(const SimDepthDiff& diff) override {
    std::string line =
        "depth " + std::to_string(diff.first_update_id) + "-" + std::to_string(diff.last_update_id);
    for (const SimLevel& level : diff.bids) {
      line += " b" + level.price.ToText() + "x" + level.quantity.ToText();
    }
    for (const SimLevel& level : diff.asks) {
      line += " a" + level.price.ToText() + "x" + level.quantity.ToText();
    }
    market.push_back(line);
  }
  void OnBookTop(const SimBookTop& top) override {
    market.push_back("top " + top.bid.price.ToText() + "x" + top.bid.quantity.ToText() + " " +
                     top.ask.price.ToText() + "x" + top.ask.quantity.ToText());
  }
  void OnPublicTrade(const SimPublicTrade& trade) override {
    market.push_back("trade " + std::to_string(trade.trade_id.value()) + " " +
                     trade.price.ToText() + "x" + trade.quantity.ToText() + " " +
                     std::string(ToText(trade.aggressor)));
  }
  void OnInstrument(const Instrument& instrument) override {
    market.push_back("instrument " + std::string(ToText(instrument.status)));
  }
  void OnExecution(const SimExecution& execution) override {
    std::string line = std::string(ToText(execution.type)) + " " +
                       std::string(execution.order.original_client_order_id.view()) + " " +
                       std::string(ToText(execution.order.status));
    if (execution.trade.has_value()) {
      line += " " + execution.trade->price.ToText() + "x" + execution.trade->quantity.ToText() +
              " fee " + execution.trade->fee.ToText() + " " +
              std::string(execution.trade->fee_asset.view());
    }
    account.push_back(line);
  }
  void OnBalances(SimAccountId, std::span<const SimBalance> changed, int64_t) override {
    std::string line = "balances";
    for (const SimBalance& balance : changed) {
      line += " " + std::string(balance.asset.view()) + " " + balance.free.ToText() + "/" +
              balance.locked.ToText();
    }
    account.push_back(line);
  }

  std::vector<std::string> market;
  std::vector<std::string> account;
};

// A venue with one instrument and two accounts that have plenty of both assets.
struct VenueFixture {
  explicit VenueFixture(const SimVenueConfig& venue_config = {}) : venue(venue_config) {
    btc =
        *venue.AddInstrument({.instrument = MakeBtcUsdt(), .price_grid = {}, .quantity_grid = {}});
    alice = AddAccount("alice");
    bob = AddAccount("bob");
  }
  SimAccountId AddAccount(std::string_view name, std::string_view maker_fee = "0.001",
                          std::string_view taker_fee = "0.001") {
    return *venue.AddAccount({.name = std::string(name),
                              .maker_fee_rate = Dec(maker_fee),
                              .taker_fee_rate = Dec(taker_fee),
                              .balances = {Free("BTC", "10"), Free("USDT", "1000000")}});
  }
  SimOrderResult Limit(SimAccountId account, Side side, std::string_view quantity,
                       std::string_view price, std::string_view id = {},
                       SimOrderType type = SimOrderType::kLimit,
                       TimeInForce time_in_force = TimeInForce::kGoodTillCancel) {
    return venue.PlaceOrder(account, {.instrument = btc,
                                      .side = side,
                                      .type = type,
                                      .time_in_force = time_in_force,
                                      .quantity = Dec(quantity),
                                      .price = Dec(price),
                                      .client_order_id = id});
  }
  SimOrderResult Market(SimAccountId account, Side side, std::string_view quantity) {
    return venue.PlaceOrder(account, {.instrument = btc,
                                      .side = side,
                                      .type = SimOrderType::kMarket,
                                      .quantity = Dec(quantity)});
  }
  SimCancelResult Cancel(SimAccountId account, std::string_view id, std::string_view new_id = {}) {
    return venue.CancelOrder(
        account,
        {.instrument = btc, .key = {.client_order_id = id}, .new_client_order_id = new_id});
  }
  std::optional<SimOrder> Query(SimAccountId account, std::string_view id) {
    return venue.QueryOrder(account, btc, {.client_order_id = id});
  }
  std::string Balance(SimAccountId account, std::string_view asset) {
    for (const SimBalance& balance : venue.Balances(account)) {
      if (balance.asset == asset) return balance.free.ToText() + "/" + balance.locked.ToText();
    }
    return "none";
  }

  SimVenue venue;
  InstrumentId btc;
  SimAccountId alice;
  SimAccountId bob;
};

}  // namespace holdfast
