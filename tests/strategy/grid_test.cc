// Proves the grid's rules one by one on worked numbers: G1 to G10, risk mode, and what bad input
// does. The first cases are the example of docs/strategies.md.

#include "strategy/grid.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "scenario.h"

namespace holdfast {
namespace {

using namespace literals;
using testing::ExampleScenario;
using testing::Scenario;
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("grid: example 1: lines round the center", "[strategy][grid]") {
  Scenario s = ExampleScenario();
  CHECK(s.Orders() == Texts{"buy 0.002 @ 59950.00", "buy 0.002 @ 59900.00", "buy 0.002 @ 59850.00",
                            "sell 0.002 @ 60050.00", "sell 0.002 @ 60100.00",
                            "sell 0.002 @ 60150.00"});
  CHECK(testing::IsInDocument(s.Orders()));
  CHECK(s.target->is_valid);
  CHECK(s.memory.anchor == Price::FromTicks(6'000'000));
  CHECK(s.memory.interval_ticks == 5'000);
}

TEST_CASE("grid: example 2: a filled line gets its exit, and the window trails",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.AddHeld(Side::kBuy, 59950_dec, 0.002_dec, 0.0002_dec);
  s.SetPosition(0.002_dec);
  s.SetBook(59945.00_dec, 59945.02_dec);
  CHECK(s.Orders() == Texts{"buy 0.002 @ 59900.00", "buy 0.002 @ 59850.00", "buy 0.002 @ 59800.00",
                            "sell 0.002 @ 60000.00 exit", "sell 0.002 @ 60050.00",
                            "sell 0.002 @ 60100.00"});
  CHECK(testing::IsInDocument(s.Orders()));
}

TEST_CASE("grid: example 3: a long position shifts the whole grid down", "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.inventory_skew_factor = 0.01_dec;
  s.AddHeld(Side::kBuy, 59950_dec, 0.002_dec, 0.0002_dec);
  s.SetPosition(0.002_dec);
  s.SetBook(59945.00_dec, 59945.02_dec);
  // 59945.01 * (1 - 0.01 * 0.002 / 0.02) = 59885.06: the nearest line is 59900.
  CHECK(s.Orders() == Texts{"buy 0.002 @ 59850.00", "buy 0.002 @ 59800.00", "buy 0.002 @ 59750.00",
                            "sell 0.002 @ 59950.00", "sell 0.002 @ 60000.00 exit",
                            "sell 0.002 @ 60050.00"});
  CHECK(testing::IsInDocument(s.Orders()));
}

TEST_CASE("grid: example 4: volatility widens the interval in steps", "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.Decide();
  s.view.atr_ratio = 1.09;
  s.Decide();
  CHECK(s.memory.interval_ticks == 5'000);  // 54.50 is within 10 % of 50.00
  s.view.atr_ratio = 1.8;
  CHECK(s.Orders() == Texts{"buy 0.002 @ 59910.00", "buy 0.002 @ 59820.00", "buy 0.002 @ 59730.00",
                            "sell 0.002 @ 60090.00", "sell 0.002 @ 60180.00",
                            "sell 0.002 @ 60270.00"});
  CHECK(testing::IsInDocument(s.Orders()));
  CHECK(s.memory.interval_ticks == 9'000);
}

TEST_CASE("grid: example 5: an exit is never below cost plus fees", "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.mode = GridMode::kLong;
  s.parameters.buy_window_size = 1;
  // Bought at 59950 while the taker fee of 0.1 % applied: 59950 * 1.001 / 0.9998 = 60021.95...
  s.AddHeld(Side::kBuy, 59950_dec, 0.002_dec, 0.001_dec);
  s.SetPosition(0.002_dec);
  s.SetBook(59945.00_dec, 59945.02_dec);
  CHECK(s.Orders() == Texts{"buy 0.002 @ 59900.00", "sell 0.002 @ 60021.96 exit"});
  CHECK(testing::IsInDocument(s.Orders()));
  // A short mirrors it: 60050 * 0.999 / 1.0002 = 59977.95..., rounded down.
  s.slots.clear();
  s.parameters.mode = GridMode::kShort;
  s.parameters.sell_window_size = 1;
  s.AddHeld(Side::kSell, 60050_dec, 0.002_dec, 0.001_dec);
  s.SetPosition(-0.002_dec);
  s.SetBook(60060.00_dec, 60060.02_dec);
  CHECK(s.Orders() == Texts{"buy 0.002 @ 59977.95 exit", "sell 0.002 @ 60100.00"});
}

TEST_CASE("grid: G1: the anchor is the first live price and never moves", "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.anchor.reset();
  s.SetBook(60010.00_dec, 60010.03_dec);
  s.Decide();
  CHECK(s.memory.anchor == Price::FromTicks(6'001'001));  // the middle, down to the tick
  const StrategyMemory stored = s.memory;
  s.SetBook(61234.00_dec, 61234.03_dec);
  s.Decide();
  CHECK(s.memory == stored);
  for (const TargetOrder& order : s.target->orders) {
    CHECK((order.price.ticks() - 6'001'001) % 5'000 == 0);
  }
}

TEST_CASE("grid: G1: anchor 0 is plain rounding, a configured anchor beats a stored one",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.anchor = 0_dec;
  s.SetBook(60026.00_dec, 60026.02_dec);
  CHECK(s.Orders().front() == "buy 0.002 @ 60000.00");
  s.parameters.anchor = 60010_dec;
  CHECK(s.Orders().front() == "buy 0.002 @ 59960.00");
}

TEST_CASE("grid: G2: the center is the nearest line, half away from the anchor",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  struct Case {
    Decimal bid;
    const char* first_bid;
  };
  // The middle is the bid plus 0.01.
  const Case cases[] = {{60024.98_dec, "buy 0.002 @ 59950.00"},
                        {60024.99_dec, "buy 0.002 @ 60000.00"},
                        {59975.00_dec, "buy 0.002 @ 59950.00"},
                        {59974.99_dec, "buy 0.002 @ 59900.00"}};
  for (const Case& c : cases) {
    s.SetBook(c.bid, c.bid + 0.02_dec);
    CHECK(s.Orders().front() == c.first_bid);
  }
}

TEST_CASE("grid: G4: a held slot far outside the window keeps its exit", "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.mode = GridMode::kLong;
  s.AddHeld(Side::kBuy, 65000_dec, 0.002_dec, 0.0002_dec);
  s.SetPosition(0.002_dec);
  CHECK(s.Orders().back() == "sell 0.002 @ 65050.00 exit");
  CHECK(s.Orders().size() == 4);
}

TEST_CASE("grid: G4: an exit that would take is placed beside the touch", "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.mode = GridMode::kLong;
  s.AddHeld(Side::kBuy, 59000_dec, 0.002_dec, 0.0002_dec);
  s.AddHeld(Side::kSell, 61000_dec, 0.002_dec, 0.0002_dec);
  const Texts orders = s.Orders();
  CHECK(orders.front() == "buy 0.002 @ 60010.01 exit");
  CHECK(orders.back() == "sell 0.002 @ 60010.01 exit");
}

TEST_CASE("grid: G5: the ratio is clamped, and snapped up to the tick", "[strategy][grid]") {
  const auto interval = [](double ratio, Decimal scale) {
    Scenario s = ExampleScenario();
    s.parameters.minimum_edge_bps = Decimal();
    s.view.maker_fee_rate = Decimal();
    s.parameters.volatility_scale = scale;
    s.view.atr_ratio = ratio;
    s.Decide();
    return s.memory.interval_ticks;
  };
  CHECK(interval(1.0, 1_dec) == 5'000);
  CHECK(interval(1.1, 1_dec) == 5'500);  // not 5501: binary fractions do not cost a tick
  CHECK(interval(1.00001, 1_dec) == 5'001);
  CHECK(interval(0.1, 1_dec) == 2'500);
  CHECK(interval(100.0, 1_dec) == 20'000);
  CHECK(interval(1.0, 2.5_dec) == 12'500);
  CHECK(interval(3.0, 0_dec) == 5'000);  // scale 0: volatility is ignored
}

TEST_CASE("grid: G5: fees and minimum edge are a floor that moves with the band",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.minimum_edge_bps = 10_dec;  // 2 * 0.02 % + 0.1 % = 0.14 %: 84.01 at 60010.01
  s.Decide();
  const int64_t first = s.memory.interval_ticks;
  CHECK(first == 8'402 + 841);  // a band above the floor
  // The price has to move by the band before the lines move again.
  s.SetBook(62000.00_dec, 62000.02_dec);
  s.Decide();
  CHECK(s.memory.interval_ticks == first);
  s.SetBook(67000.00_dec, 67000.02_dec);
  s.Decide();
  CHECK(s.memory.interval_ticks == 9'381 + 939);
  // Back down: the interval follows when it is more than the band too wide, to the base at last.
  s.SetBook(30000.00_dec, 30000.02_dec);
  s.Decide();
  CHECK(s.memory.interval_ticks == 5'000);
}

TEST_CASE("grid: G5: an interval fixed by the operator comes into force at once",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.volatility_scale = Decimal();
  s.Decide();
  CHECK(s.memory.interval_ticks == 5'000);
  s.parameters.price_interval = 51_dec;
  s.Decide();
  CHECK(s.memory.interval_ticks == 5'100);
}

TEST_CASE("grid: a new interval makes new slots; held ones keep their name and occupy their line",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.Decide();
  s.AddHeld(Side::kBuy, 59950_dec, 0.002_dec, 0.0002_dec);
  s.AddHeld(Side::kBuy, 59900_dec, 0.002_dec, 0.0002_dec);
  s.SetPosition(0.004_dec);
  s.SetBook(59960.00_dec, 59960.02_dec);
  s.view.atr_ratio = 1.8;
  // Lines now 90 apart: 59910 lies nearest to both held slots, so nothing is bought there again.
  CHECK(s.Orders() == Texts{"buy 0.002 @ 59820.00", "buy 0.002 @ 59730.00",
                            "sell 0.002 @ 59990.00 exit", "sell 0.002 @ 60040.00 exit",
                            "sell 0.002 @ 60090.00", "sell 0.002 @ 60180.00",
                            "sell 0.002 @ 60270.00"});
  for (const TargetOrder& order : s.target->orders) {
    if (order.key.is_exit) {
      CHECK((order.key.line == 5'995'000 || order.key.line == 5'990'000));
    } else {
      CHECK(order.key.line == order.price.ticks());
    }
  }
}

TEST_CASE("grid: G6: more skew than the spread gives one bid or ask beside the touch",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.inventory_skew_factor = 0.005_dec;
  s.SetPosition(-0.02_dec);  // 0.5 % of 60010 is six lines up: center 60300
  s.parameters.buy_window_size = 8;
  CHECK(s.Orders() == Texts{"buy 0.002 @ 60010.01", "buy 0.002 @ 60000.00", "buy 0.002 @ 59950.00",
                            "buy 0.002 @ 59900.00"});
  CHECK(s.target->orders[0].key.line == 6'005'000);
  s.parameters.buy_window_size = 2;  // the whole window would take
  CHECK(s.Orders() == Texts{"buy 0.002 @ 60010.01"});
  s.SetPosition(0.02_dec);
  CHECK(s.Orders() == Texts{"sell 0.002 @ 60010.01"});
}

TEST_CASE("grid: G7: long only opens with buys, short only with sells", "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.mode = GridMode::kLong;
  CHECK(s.Orders() ==
        Texts{"buy 0.002 @ 59950.00", "buy 0.002 @ 59900.00", "buy 0.002 @ 59850.00"});
  s.parameters.mode = GridMode::kShort;
  CHECK(s.Orders() ==
        Texts{"sell 0.002 @ 60050.00", "sell 0.002 @ 60100.00", "sell 0.002 @ 60150.00"});
  // Leftovers of another mode are still closed.
  s.AddHeld(Side::kBuy, 59950_dec, 0.002_dec, 0.0002_dec);
  CHECK(s.Orders().front() == "sell 0.002 @ 60010.01 exit");
}

TEST_CASE("grid: G9: a partial fill leaves a corrective order and an exit for what is held",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.mode = GridMode::kLong;
  s.AddHeld(Side::kBuy, 59950_dec, 0.0005_dec, 0.0002_dec);
  s.SetPosition(0.0005_dec);
  CHECK(s.Orders() == Texts{"buy 0.0015 @ 59950.00", "buy 0.002 @ 59900.00", "buy 0.002 @ 59850.00",
                            "sell 0.0005 @ 60010.01 exit"});
}

TEST_CASE("grid: G9: dust below the venue's minimum stays on the slot and joins its next order",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.mode = GridMode::kLong;
  s.parameters.buy_window_size = 1;
  s.AddHeld(Side::kBuy, 59950_dec, 0.00005_dec, 0.0002_dec);  // 3 USDT; the minimum is 5
  s.SetPosition(0.00005_dec);
  CHECK(s.Orders() == Texts{"buy 0.00195 @ 59950.00"});
  // The other way round: the missing part is too small to order.
  s.slots.clear();
  s.AddHeld(Side::kBuy, 59950_dec, 0.00195_dec, 0.0002_dec);
  CHECK(s.Orders() == Texts{"sell 0.00195 @ 60010.01 exit"});
}

TEST_CASE("grid: G9: a post-only reject moves the next try a tick away, bounded",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.buy_window_size = 1;
  s.parameters.sell_window_size = 1;
  const auto reject = [&](Side side, int32_t line, int32_t count) {
    Slot slot;
    slot.line = line;
    slot.entry_side = side;
    slot.post_only_reject_count = count;
    s.slots = {slot};
    return s.Orders();
  };
  CHECK(reject(Side::kBuy, 5'995'000, 1) == Texts{"buy 0.002 @ 59949.99", "sell 0.002 @ 60050.00"});
  CHECK(reject(Side::kSell, 6'005'000, 3) ==
        Texts{"buy 0.002 @ 59950.00", "sell 0.002 @ 60050.03"});
  CHECK(reject(Side::kBuy, 5'995'000, 1000) ==
        Texts{"buy 0.002 @ 59949.90", "sell 0.002 @ 60050.00"});
  // Another line's rejects are not this line's.
  CHECK(reject(Side::kBuy, 5'995'001, 5) == Texts{"buy 0.002 @ 59950.00", "sell 0.002 @ 60050.00"});
  // An exit backs off as well, from the touch upward.
  s.slots.clear();
  s.parameters.mode = GridMode::kLong;
  s.AddHeld(Side::kBuy, 59950_dec, 0.002_dec, 0.0002_dec).post_only_reject_count = 2;
  CHECK(s.Orders().back() == "sell 0.002 @ 60010.03 exit");
}

TEST_CASE("grid: the position limit cuts entries, nearest first", "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.SetPosition(0.017_dec);  // room for one buy of 0.002
  const Texts orders = s.Orders();
  CHECK(orders[0] == "buy 0.002 @ 59950.00");
  CHECK(orders[1] == "sell 0.002 @ 60050.00");
  CHECK(orders.size() == 4);
  s.SetPosition(0.0181_dec);
  CHECK(s.Orders().front() == "sell 0.002 @ 60050.00");
  s.SetPosition(-0.02_dec);
  CHECK(s.Orders().back() == "buy 0.002 @ 59850.00");
  // What exits could add counts as well.
  s.AddHeld(Side::kSell, 60050_dec, 0.002_dec, 0.0002_dec);
  s.SetPosition(0.017_dec);
  CHECK(s.Orders()[0] == "buy 0.002 @ 60000.00 exit");
  CHECK(s.Orders()[1] == "sell 0.002 @ 60100.00");
}

TEST_CASE("grid: risk mode wants no buy at all and no entry; selling exits stay",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.AddHeld(Side::kBuy, 59950_dec, 0.002_dec, 0.0002_dec);
  s.AddHeld(Side::kSell, 60100_dec, 0.002_dec, 0.0002_dec);
  s.view.are_buys_allowed = false;
  CHECK(s.Orders() == Texts{"sell 0.002 @ 60010.01 exit"});
  CHECK(s.target->is_valid);
  s.view.are_buys_allowed = true;
  s.view.are_entries_allowed = false;
  CHECK(s.Orders() == Texts{"buy 0.002 @ 60010.01 exit", "sell 0.002 @ 60010.01 exit"});
}

TEST_CASE("grid: the venue's filters are respected, and its limit of open orders",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.instrument.bid_multiplier_down = 0.9975_dec;  // 59859.98...
  s.instrument.ask_multiplier_up = 1.0015_dec;    // 60100.02...
  CHECK(s.Orders() == Texts{"buy 0.002 @ 59950.00", "buy 0.002 @ 59900.00", "sell 0.002 @ 60050.00",
                            "sell 0.002 @ 60100.00"});
  s.instrument.min_price = Price::FromTicks(5'990'001);
  s.instrument.max_price = Price::FromTicks(6'005'000);
  CHECK(s.Orders() == Texts{"buy 0.002 @ 59950.00", "sell 0.002 @ 60050.00"});
  s = ExampleScenario();
  const GridStrategy strategy(s.parameters, s.instrument);
  s.instrument.max_order_count = 3;  // tightened while running
  s.AddHeld(Side::kBuy, 59950_dec, 0.002_dec, 0.0002_dec);
  s.view.instrument = &s.instrument;
  s.inventory.max_position = Quantity::FromLots(2'000);
  strategy.Decide(s.view, s.inventory, s.slots, s.memory, *s.target);
  CHECK(testing::TextsOf(s.instrument, *s.target) ==
        Texts{"buy 0.002 @ 59900.00", "sell 0.002 @ 60010.01 exit", "sell 0.002 @ 60050.00"});
}

TEST_CASE("grid: more held slots than orders: the exits nearest to the market are wanted",
          "[strategy][grid]") {
  Scenario s = ExampleScenario();
  s.parameters.max_position = 10_dec;
  for (int i = 1; i <= 1000; ++i) {
    s.AddHeld(Side::kBuy, 60000_dec + 10_dec * i, 0.002_dec, 0.0002_dec);
  }
  const TargetState& target = s.Decide();
  CHECK(target.orders.size() == kMaxTargetOrders);
  int64_t highest = 0;
  for (const TargetOrder& order : target.orders) {
    CHECK(order.key.is_exit);
    highest = std::max(highest, order.price.ticks());
  }
  CHECK(highest == 6'805'000);  // slot 800 of 1000, entered at 68000
}

TEST_CASE("grid: what cannot be computed is not valid, and asks for nothing", "[strategy][grid]") {
  const std::function<void(Scenario&)> spoils[] = {
      [](Scenario& s) { s.view.best_bid = s.view.best_ask; },
      [](Scenario& s) { s.view.best_bid = Price(); },
      [](Scenario& s) { s.view.best_ask = Price::FromTicks(int64_t{INT32_MAX} + 1); },
      [](Scenario& s) { s.view.atr_ratio = std::numeric_limits<double>::quiet_NaN(); },
      [](Scenario& s) { s.view.atr_ratio = std::numeric_limits<double>::infinity(); },
      [](Scenario& s) { s.view.atr_ratio = 0; },
      [](Scenario& s) { s.view.maker_fee_rate = 0.06_dec; },
      [](Scenario& s) { s.inventory.max_position = Quantity(); },
      [](Scenario& s) { s.view.instrument = nullptr; },
      [](Scenario& s) { s.instrument.tick_size = 0.1_dec; },
      [](Scenario& s) { s.instrument.lot_size = 0.1_dec; },
  };
  for (const auto& spoil : spoils) {
    Scenario s = ExampleScenario();
    s.view.instrument = &s.instrument;
    s.inventory.max_position = Quantity::FromLots(2'000);
    const GridStrategy strategy(s.parameters, s.instrument);
    spoil(s);
    strategy.Decide(s.view, s.inventory, s.slots, s.memory, *s.target);
    CHECK_FALSE(s.target->is_valid);
    CHECK(s.target->orders.empty());
    CHECK(s.memory == StrategyMemory());
  }
}

TEST_CASE("grid: G10: each parameter out of range is refused with key, value and range",
          "[strategy][grid]") {
  const Scenario good = ExampleScenario();
  REQUIRE(Validate(good.parameters, good.instrument, 0.001_dec).ok());
  struct Case {
    const char* key;
    const char* value;
    const char* range;
    std::function<void(GridParameters&)> spoil;
  };
  const Case cases[] = {
      {"price_interval", "0", "0.01..", [](auto& p) { p.price_interval = 0_dec; }},
      {"price_interval", "-1", "0.01..", [](auto& p) { p.price_interval = -1_dec; }},
      {"price_interval", "9000000", "0.01..", [](auto& p) { p.price_interval = 9000000_dec; }},
      {"order_quantity", "0", "0.00001..", [](auto& p) { p.order_quantity = 0_dec; }},
      {"order_quantity", "0.000015", "steps of 0.00001",
       [](auto& p) { p.order_quantity = 0.000015_dec; }},
      {"order_quantity", "0.00008", "0.00009..", [](auto& p) { p.order_quantity = 0.00008_dec; }},
      {"buy_window_size", "0", "1..200", [](auto& p) { p.buy_window_size = 0; }},
      {"buy_window_size", "201", "1..200", [](auto& p) { p.buy_window_size = 201; }},
      {"sell_window_size", "0", "1..200", [](auto& p) { p.sell_window_size = 0; }},
      {"sell_window_size", "-7", "1..200", [](auto& p) { p.sell_window_size = -7; }},
      {"volatility_scale", "-0.1", "0..100", [](auto& p) { p.volatility_scale = -0.1_dec; }},
      {"volatility_scale", "100.5", "0..100", [](auto& p) { p.volatility_scale = 100.5_dec; }},
      {"inventory_skew_factor", "-0.01", "0..1",
       [](auto& p) { p.inventory_skew_factor = -0.01_dec; }},
      {"inventory_skew_factor", "1.01", "0..1",
       [](auto& p) { p.inventory_skew_factor = 1.01_dec; }},
      {"anchor", "-1", "0..", [](auto& p) { p.anchor = -1_dec; }},
      {"anchor", "0.005", "steps of 0.01", [](auto& p) { p.anchor = 0.005_dec; }},
      {"max_position", "0.001", "0.002..", [](auto& p) { p.max_position = 0.001_dec; }},
      {"target_position", "0.03", "-0.02..0.02", [](auto& p) { p.target_position = 0.03_dec; }},
      {"target_position", "-0.01", "0..0.02",
       [](auto& p) {
         p.mode = GridMode::kLong;
         p.target_position = -0.01_dec;
       }},
      {"target_position", "0.01", "-0.02..0",
       [](auto& p) {
         p.mode = GridMode::kShort;
         p.target_position = 0.01_dec;
       }},
      {"hysteresis_percent", "101", "0..100", [](auto& p) { p.hysteresis_percent = 101_dec; }},
      {"minimum_edge_bps", "-1", "0..1000", [](auto& p) { p.minimum_edge_bps = -1_dec; }},
      {"price_tolerance_ticks", "1001", "0..1000", [](auto& p) { p.price_tolerance_ticks = 1001; }},
  };
  for (const Case& c : cases) {
    Scenario s = good;
    c.spoil(s.parameters);
    const absl::Status status = Validate(s.parameters, s.instrument, 0.001_dec);
    const std::string message(status.message());
    INFO("key " << c.key << " message " << message);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(message.find("key=" + std::string(c.key) + " ") != std::string::npos);
    CHECK(message.find("value=" + std::string(c.value) + " ") != std::string::npos);
    CHECK(message.find("range=") != std::string::npos);
    CHECK(message.find(c.range) != std::string::npos);
  }
  CHECK_FALSE(Validate(good.parameters, good.instrument, 0.2_dec).ok());
  Scenario crowded = good;
  crowded.instrument.max_order_count = 5;
  CHECK_FALSE(Validate(crowded.parameters, crowded.instrument, 0_dec).ok());
  crowded.parameters.mode = GridMode::kLong;
  CHECK(Validate(crowded.parameters, crowded.instrument, 0_dec).ok());
  // Both ends of the windows' range are fine.
  Scenario widest = good;
  widest.parameters.buy_window_size = widest.parameters.sell_window_size = 200;
  CHECK(Validate(widest.parameters, widest.instrument, 0_dec).ok());
  CHECK(widest.Decide().orders.size() == 20);  // the position limit, not the window
}

TEST_CASE("grid: modes have names", "[strategy][grid]") {
  for (const GridMode mode : {GridMode::kLong, GridMode::kShort, GridMode::kNeutral}) {
    CHECK(GridModeFromText(ToText(mode)) == mode);
  }
  CHECK_FALSE(GridModeFromText("Neutral").has_value());
  CHECK_FALSE(GridModeFromText("").has_value());
}

}  // namespace holdfast
