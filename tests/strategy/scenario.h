#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/prng.h"
#include "engine/market/instrument.h"
#include "generated_document.h"
#include "strategy/grid.h"
#include "strategy/strategy.h"

// A market, an inventory and slots to decide on, made by hand or drawn from a seed.
namespace holdfast::testing {

inline Instrument MakeInstrument() {
  using namespace literals;
  Instrument instrument;
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = 0.01_dec;
  instrument.lot_size = 0.00001_dec;
  instrument.min_quantity = Quantity::FromLots(1);
  instrument.min_notional = 5_dec;
  return instrument;
}

inline std::string TextOf(const Instrument& instrument, const TargetOrder& order) {
  return std::string(ToText(order.side)) + " " + instrument.ToDecimal(order.quantity).ToText() +
         " @ " + instrument.ToDecimal(order.price).ToText(2) + (order.key.is_exit ? " exit" : "");
}

// Buys best first, then sells best first: "buy 0.002 @ 59950.00".
inline std::vector<std::string> TextsOf(const Instrument& instrument, const TargetState& target) {
  std::vector<TargetOrder> orders(target.orders.begin(), target.orders.end());
  std::sort(orders.begin(), orders.end(), [](const TargetOrder& a, const TargetOrder& b) {
    if (a.side != b.side) return a.side == Side::kBuy;
    return a.side == Side::kBuy ? a.price > b.price : a.price < b.price;
  });
  std::vector<std::string> texts;
  for (const TargetOrder& order : orders) texts.push_back(TextOf(instrument, order));
  return texts;
}

// Whether docs/strategies.md shows exactly these orders as a block.
inline bool IsInDocument(const std::vector<std::string>& texts) {
  std::string block = "```\n";
  for (const std::string& text : texts) block += text + "\n";
  return ReadDocument("strategies.md").find(block + "```\n") != std::string::npos;
}

struct Scenario {
  Instrument instrument = MakeInstrument();
  GridParameters parameters;
  MarketView view;
  Inventory inventory;
  std::vector<Slot> slots;
  StrategyMemory memory;

  Scenario() = default;
  Scenario(const Scenario& other) { *this = other; }
  Scenario& operator=(const Scenario& other) {
    instrument = other.instrument;
    parameters = other.parameters;
    view = other.view;
    inventory = other.inventory;
    slots = other.slots;
    memory = other.memory;
    view.instrument = &instrument;
    return *this;
  }

  void SetBook(Decimal bid, Decimal ask) {
    view.best_bid = instrument.PriceFromDecimal(bid).value();
    view.best_ask = instrument.PriceFromDecimal(ask).value();
  }
  void SetPosition(Decimal position) {
    inventory.position = instrument.QuantityFromDecimal(position).value();
  }
  // A position bought (sold) at its line's price, entry fee included in its cost.
  Slot& AddHeld(Side entry_side, Decimal price, Decimal quantity, Decimal fee_rate) {
    const Price line = instrument.PriceFromDecimal(price).value();
    const Decimal value = Multiply(price, quantity, Rounding::kNearest);
    const Decimal fee = Multiply(value, fee_rate, Rounding::kNearest);
    slots.push_back({.line = static_cast<int32_t>(line.ticks()),
                     .entry_side = entry_side,
                     .state = SlotState::kFilled,
                     .entry_price = line,
                     .held = instrument.QuantityFromDecimal(quantity).value(),
                     .held_cost = entry_side == Side::kBuy ? value + fee : value - fee});
    return slots.back();
  }
  const TargetState& Decide() {
    view.instrument = &instrument;
    inventory.max_position = instrument.RoundQuantity(parameters.max_position, Rounding::kDown);
    inventory.target_position =
        instrument.RoundQuantity(parameters.target_position, Rounding::kDown);
    GridStrategy(parameters, instrument).Decide(view, inventory, slots, memory, *target);
    return *target;
  }
  std::vector<std::string> Orders() { return TextsOf(instrument, Decide()); }

  std::shared_ptr<TargetState> target = std::make_shared<TargetState>();
};

// The example of docs/strategies.md.
inline Scenario ExampleScenario() {
  using namespace literals;
  Scenario scenario;
  scenario.parameters.price_interval = 50_dec;
  scenario.parameters.order_quantity = 0.002_dec;
  scenario.parameters.buy_window_size = 3;
  scenario.parameters.sell_window_size = 3;
  scenario.parameters.mode = GridMode::kNeutral;
  scenario.parameters.anchor = 60000_dec;
  scenario.parameters.max_position = 0.02_dec;
  scenario.parameters.minimum_edge_bps = 1_dec;
  scenario.view.maker_fee_rate = 0.0002_dec;
  scenario.SetBook(60010.00_dec, 60010.02_dec);
  return scenario;
}

// Everything drawn, within what Validate() admits; slots are what a run could have left behind.
inline Scenario RandomScenario(Prng& prng) {
  Scenario s;
  Instrument& instrument = s.instrument;
  const Decimal steps[] = {Decimal::FromUnits(1'000), Decimal::FromUnits(1'000'000),
                           Decimal::FromUnits(5'000'000), Decimal::FromInteger(1)};
  instrument.tick_size = steps[prng.Below(4)];
  instrument.lot_size = steps[prng.Below(3)];
  instrument.min_quantity = Quantity::FromLots(prng.Between(0, 5));
  instrument.min_notional = Decimal();
  if (prng.Chance(1, 2)) instrument.min_notional = Decimal::FromUnits(prng.Between(0, 10'000'000));
  if (prng.Chance(1, 4)) instrument.max_order_count = static_cast<int32_t>(prng.Between(60, 90));
  if (prng.Chance(1, 4)) {
    instrument.bid_multiplier_up = instrument.ask_multiplier_up = Decimal::FromInteger(5);
    instrument.bid_multiplier_down = instrument.ask_multiplier_down =
        Decimal::FromUnits(Decimal::kUnitsPerOne / 5 * prng.Between(0, 4));
  }

  GridParameters& p = s.parameters;
  const int64_t price = prng.Between(1'000, 5'000'000);
  const int64_t interval = prng.Chance(1, 5) ? prng.Between(1, 5) : prng.Between(1, 2'000);
  p.price_interval = instrument.tick_size * interval;
  const int64_t order_lots = prng.Between(5, 1000);
  p.order_quantity = instrument.lot_size * order_lots;
  p.buy_window_size = static_cast<int32_t>(prng.Between(1, 30));
  p.sell_window_size = static_cast<int32_t>(prng.Between(1, 30));
  p.volatility_scale = Decimal::FromUnits(prng.Between(0, 3) * Decimal::kUnitsPerOne / 2);
  p.inventory_skew_factor = Decimal();
  if (prng.Chance(2, 3)) {
    const int64_t cap = prng.Chance(1, 4) ? Decimal::kUnitsPerOne : Decimal::kUnitsPerOne / 50;
    p.inventory_skew_factor = Decimal::FromUnits(prng.Between(0, cap));
  }
  p.mode = static_cast<GridMode>(prng.Below(3));
  if (prng.Chance(1, 3)) p.anchor = Decimal();
  const int64_t max_lots = order_lots * prng.Between(1, 40);
  p.max_position = instrument.lot_size * max_lots;
  const int64_t target_low = p.mode == GridMode::kLong ? 0 : -max_lots;
  const int64_t target_high = p.mode == GridMode::kShort ? 0 : max_lots;
  p.target_position = instrument.lot_size * prng.Between(target_low, target_high);
  p.hysteresis_percent = Decimal::FromInteger(prng.Between(0, 30));
  p.minimum_edge_bps = Decimal::FromInteger(prng.Between(0, 20));

  MarketView& view = s.view;
  view.best_bid = Price::FromTicks(price);
  view.best_ask = Price::FromTicks(price + prng.Between(1, prng.Chance(1, 3) ? 500 : 3));
  view.maker_fee_rate = Decimal::FromUnits(prng.Between(-20'000, 100'000));
  view.atr_ratio = prng.Chance(1, 3) ? 1.0 : 5 * prng.Unit() + 0.01;
  s.inventory.position = Quantity::FromLots(prng.Between(-max_lots * 5 / 4, max_lots * 5 / 4));

  const int slot_count = static_cast<int>(prng.Below(12));
  for (int i = 0; i < slot_count; ++i) {
    Slot slot;
    const int64_t offset = prng.Between(-20, 20);
    slot.line = static_cast<int32_t>(
        std::max<int64_t>(1, prng.Chance(1, 2) ? (price / interval + offset) * interval
                                               : price + prng.Between(-3000, 3000)));
    slot.entry_side = prng.Chance(1, 2) ? Side::kBuy : Side::kSell;
    slot.state = static_cast<SlotState>(prng.Below(4));
    slot.entry_price = Price::FromTicks(slot.line);
    slot.post_only_reject_count = prng.Chance(1, 3) ? static_cast<int32_t>(prng.Between(0, 30)) : 0;
    if (slot.state == SlotState::kFilled) {
      slot.held = Quantity::FromLots(prng.Between(1, order_lots));
      const Decimal value = instrument.NotionalOf(slot.entry_price, slot.held);
      slot.held_cost =
          prng.Chance(1, 5)
              ? Decimal()
              : Multiply(value, Decimal::FromUnits(prng.Between(99'000'000, 101'000'000)),
                         Rounding::kNearest);
    }
    const bool is_known = std::any_of(s.slots.begin(), s.slots.end(), [&](const Slot& other) {
      return other.line == slot.line && other.entry_side == slot.entry_side;
    });
    if (!is_known) s.slots.push_back(slot);
  }
  return s;
}

}  // namespace holdfast::testing
