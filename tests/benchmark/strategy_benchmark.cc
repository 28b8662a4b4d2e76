// Cost of one decision: grid with 10 and 200 lines a side, with held slots and skew, and layered.

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "strategy/grid.h"
#include "strategy/layered.h"

namespace holdfast {
namespace {

Instrument MakeInstrument() {
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

void RunDecisions(benchmark::State& state, const Strategy& strategy, const Instrument& instrument,
                  const std::vector<Slot>& slots, Quantity position) {
  MarketView view;
  view.instrument = &instrument;
  view.maker_fee_rate = Decimal::FromUnits(10'000);
  const Inventory inventory = {
      .position = position, .target_position = {}, .max_position = Quantity::FromLots(1'000'000)};
  StrategyMemory memory;
  const auto target = std::make_unique<TargetState>();
  int64_t tick = 6'000'000;
  for (auto _ : state) {
    tick += (tick & 1) != 0 ? 7 : -5;  // walks up slowly
    view.best_bid = Price::FromTicks(tick);
    view.best_ask = Price::FromTicks(tick + 2);
    strategy.Decide(view, inventory, slots, memory, *target);
    benchmark::DoNotOptimize(*target);
  }
  state.counters["orders"] = static_cast<double>(target->orders.size());
}

// Arguments: lines a side, held slots, skewed.
void Grid(benchmark::State& state) {
  using namespace literals;
  const Instrument instrument = MakeInstrument();
  GridParameters parameters;
  parameters.price_interval = 20_dec;
  parameters.order_quantity = 0.002_dec;
  parameters.buy_window_size = static_cast<int32_t>(state.range(0));
  parameters.sell_window_size = static_cast<int32_t>(state.range(0));
  parameters.mode = GridMode::kNeutral;
  parameters.max_position = 10_dec;
  parameters.inventory_skew_factor = 0.001_dec;
  std::vector<Slot> slots;
  for (int i = 0; i < state.range(1); ++i) {
    const int64_t line = 6'000'000 + 2'000 * (i + 1);
    slots.push_back(
        {.line = static_cast<int32_t>(line),
         .entry_side = Side::kBuy,
         .state = SlotState::kFilled,
         .entry_price = Price::FromTicks(line),
         .held = Quantity::FromLots(200),
         .held_cost = instrument.NotionalOf(Price::FromTicks(line + 6), Quantity::FromLots(200))});
  }
  RunDecisions(state, GridStrategy(parameters, instrument), instrument, slots,
               Quantity::FromLots(state.range(2) * 12'345));
}
BENCHMARK(Grid)->Args({10, 0, 0})->Args({10, 0, 1})->Args({10, 10, 1})->Args({200, 0, 1});

void Layered(benchmark::State& state) {
  using namespace literals;
  const Instrument instrument = MakeInstrument();
  LayeredParameters parameters;
  parameters.levels = static_cast<int32_t>(state.range(0));
  parameters.base_spread_percent = 0.1_dec;
  parameters.price_step_percent = 0.05_dec;
  parameters.order_size = 0.01_dec;
  parameters.max_position = 10_dec;
  RunDecisions(state, LayeredStrategy(parameters, instrument), instrument, {}, Quantity());
}
BENCHMARK(Layered)->Arg(3)->Arg(20);

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
