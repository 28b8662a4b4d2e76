// Proves what must hold for every market, inventory and past: drawn from seeds that are printed, a
// failing draw is a sentence with its seed. The reference for the lines is written out plainly.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "scenario.h"

namespace holdfast {
namespace {

using testing::RandomScenario;
using testing::Scenario;

constexpr int kDrawCount = 20'000;

// Runs `check` on many scenarios; each draw has its own seed, so that one can be repeated alone.
template <typename Check>
void ForAll(uint64_t first_seed, Check check) {
  for (int i = 0; i < kDrawCount; ++i) {
    const uint64_t seed = first_seed + i;
    INFO("seed " << seed);
    Prng prng(seed);
    Scenario scenario = RandomScenario(prng);
    REQUIRE(Validate(scenario.parameters, scenario.instrument, scenario.view.maker_fee_rate).ok());
    check(scenario, prng);
  }
}

// Of one side's entries (or exits), best first.
std::vector<int64_t> PricesOf(const TargetState& target, Side side, bool are_exits = false) {
  std::vector<int64_t> prices;
  for (const TargetOrder& order : target.orders) {
    if (order.side == side && order.key.is_exit == are_exits) {
      prices.push_back(order.price.ticks());
    }
  }
  std::sort(prices.begin(), prices.end());
  if (side == Side::kBuy) std::reverse(prices.begin(), prices.end());
  return prices;
}

bool AreEqual(const TargetState& a, const TargetState& b) {
  return a.is_valid == b.is_valid && a.target_position == b.target_position &&
         std::equal(a.orders.begin(), a.orders.end(), b.orders.begin(), b.orders.end(),
                    [](const TargetOrder& x, const TargetOrder& y) {
                      return x.key == y.key && x.side == y.side && x.price == y.price &&
                             x.quantity == y.quantity;
                    });
}

// G2 in floating point, as written in the requirements.
double CenterOf(const Scenario& s) {
  const double mid = static_cast<double>(s.view.best_bid.ticks() + s.view.best_ask.ticks()) / 2;
  const double excess = static_cast<double>(s.inventory.position.lots()) -
                        static_cast<double>(s.inventory.target_position.lots());
  const double ratio =
      std::clamp(excess / static_cast<double>(s.inventory.max_position.lots()), -1.0, 1.0);
  const double skewed = mid * (1 - s.parameters.inventory_skew_factor.ToDouble() * ratio);
  const double anchor = static_cast<double>(s.memory.anchor.ticks());
  const double interval = static_cast<double>(s.memory.interval_ticks);
  return anchor + std::round((skewed - anchor) / interval) * interval;
}

const Slot* SlotOf(const Scenario& s, const SlotKey& key) {
  for (const Slot& slot : s.slots) {
    if (slot.line == key.line && slot.entry_side == key.entry_side) return &slot;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("grid property: orders never take, pass every filter, and are unique by key",
          "[strategy][grid][property]") {
  ForAll(1'000'000, [](Scenario& s, Prng&) {
    const TargetState& target = s.Decide();
    REQUIRE(target.is_valid);
    if (s.instrument.max_order_count > 0) {
      REQUIRE(target.orders.size() <= static_cast<size_t>(s.instrument.max_order_count));
    }
    std::set<int64_t> keys;
    for (const TargetOrder& order : target.orders) {
      REQUIRE(keys.insert(order.key.Packed()).second);
      REQUIRE_FALSE(s.instrument.Check(order.price, order.quantity).has_value());
      if (order.side == Side::kBuy) REQUIRE(order.price < s.view.best_ask);
      if (order.side == Side::kSell) REQUIRE(order.price > s.view.best_bid);
      REQUIRE(order.side ==
              (order.key.is_exit ? Opposite(order.key.entry_side) : order.key.entry_side));
    }
  });
}

TEST_CASE("grid property: G2 G3: entries are lines of the window, or the one order at the touch",
          "[strategy][grid][property]") {
  ForAll(2'000'000, [](Scenario& s, Prng&) {
    const TargetState& target = s.Decide();
    const int64_t interval = s.memory.interval_ticks;
    const double center = CenterOf(s);
    for (const TargetOrder& order : target.orders) {
      if (order.key.is_exit) continue;
      const int64_t line = order.key.line;
      REQUIRE((line - s.memory.anchor.ticks()) % interval == 0);
      const bool is_buy = order.side == Side::kBuy;
      const double distance = (is_buy ? center - line : line - center) / interval;
      const int32_t window = is_buy ? s.parameters.buy_window_size : s.parameters.sell_window_size;
      // The center is rounded to the half tick first; a draw at the very edge may go either way.
      const bool is_touch =
          is_buy ? line >= s.view.best_ask.ticks() : line <= s.view.best_bid.ticks();
      REQUIRE(distance > -0.5);
      REQUIRE(std::abs(distance - std::round(distance)) < 1e-6);
      const double slack = s.inventory.position == s.inventory.target_position ? 0 : 1;
      REQUIRE(distance >= 1 - slack);
      if (!is_touch) REQUIRE(distance <= window + slack);
      // Away from the line only by rejects; the order at the touch stands on its own.
      const int64_t off = is_buy ? line - order.price.ticks() : order.price.ticks() - line;
      if (!is_touch) {
        REQUIRE(off >= 0);
        REQUIRE(off < interval);
        const Slot* slot = SlotOf(s, order.key);
        if (slot == nullptr || slot->post_only_reject_count == 0) REQUIRE(off == 0);
      }
    }
  });
}

TEST_CASE("grid property: without a past every line of the window is wanted, as written plainly",
          "[strategy][grid][property]") {
  ForAll(3'000'000, [](Scenario& s, Prng&) {
    s.slots.clear();
    s.parameters.inventory_skew_factor = Decimal();
    s.instrument.max_order_count = 0;
    const TargetState& target = s.Decide();
    const int64_t interval = s.memory.interval_ticks;
    const int64_t center = std::llround(CenterOf(s));
    const Quantity order = s.instrument.RoundQuantity(s.parameters.order_quantity, Rounding::kDown);
    for (const Side side : {Side::kBuy, Side::kSell}) {
      std::vector<int64_t> expected;
      const bool may_open =
          s.parameters.mode != (side == Side::kBuy ? GridMode::kShort : GridMode::kLong);
      const int32_t window =
          side == Side::kBuy ? s.parameters.buy_window_size : s.parameters.sell_window_size;
      Quantity reached = s.inventory.position;
      for (int32_t i = 1; may_open && i <= window; ++i) {
        const int64_t line = center - Sign(side) * i * interval;
        const double mid =
            static_cast<double>(s.view.best_bid.ticks() + s.view.best_ask.ticks()) / 2;
        const double up = s.instrument.bid_multiplier_up.ToDouble();
        const double down = s.instrument.bid_multiplier_down.ToDouble();
        const double line_price = static_cast<double>(line);
        if (line <= 0 || (up > 0 && line_price > mid * up)) continue;
        if (down > 0 && line_price < mid * down * (1 - 1e-12)) continue;
        if (s.instrument.Check(Price::FromTicks(line), order).has_value()) continue;
        reached += order * Sign(side);
        if (reached.Absolute() > s.inventory.max_position &&
            reached.is_positive() == (side == Side::kBuy)) {
          break;
        }
        expected.push_back(line);
      }
      REQUIRE(PricesOf(target, side) == expected);
    }
  });
}

TEST_CASE("grid property: G6: more long inventory never raises any quote",
          "[strategy][grid][property]") {
  // The n-th best entry of a side never rises; exits do not depend on the inventory at all.
  ForAll(4'000'000, [](Scenario& s, Prng& prng) {
    s.instrument.max_order_count = 0;
    const int64_t max = s.parameters.max_position.units() / s.instrument.lot_size.units();
    std::vector<int64_t> last[2][2];
    for (int64_t position = -max * 5 / 4; position <= max * 5 / 4;
         position += 1 + prng.Between(0, max / 3)) {
      s.inventory.position = Quantity::FromLots(position);
      Scenario copy = s;
      const TargetState& target = copy.Decide();
      const bool is_first = position == -max * 5 / 4;
      for (const Side side : {Side::kBuy, Side::kSell}) {
        std::vector<int64_t>* const seen = last[side == Side::kBuy ? 0 : 1];
        const std::vector<int64_t> entries = PricesOf(target, side);
        const std::vector<int64_t> exits = PricesOf(target, side, true);
        for (size_t i = 0; i < std::min(seen[0].size(), entries.size()); ++i) {
          REQUIRE(entries[i] <= seen[0][i]);
        }
        if (!is_first) REQUIRE(exits == seen[1]);
        seen[0] = entries;
        seen[1] = exits;
      }
    }
  });
}

TEST_CASE("grid property: the position cannot leave its limits, whatever fills",
          "[strategy][grid][property]") {
  ForAll(5'000'000, [](Scenario& s, Prng&) {
    const TargetState& target = s.Decide();
    Quantity entries[2];
    Quantity all[2];
    for (const TargetOrder& order : target.orders) {
      const int side = order.side == Side::kBuy ? 0 : 1;
      all[side] += order.quantity;
      if (!order.key.is_exit) entries[side] += order.quantity;
    }
    if (!entries[0].is_zero()) {
      REQUIRE(s.inventory.position + all[0] <= s.inventory.max_position);
    }
    if (!entries[1].is_zero()) {
      REQUIRE(s.inventory.position - all[1] >= -s.inventory.max_position);
    }
  });
}

TEST_CASE("grid property: G4: every held slot has its exit, never below cost plus fees",
          "[strategy][grid][property]") {
  ForAll(6'000'000, [](Scenario& s, Prng&) {
    s.instrument.max_order_count = 0;
    const TargetState& target = s.Decide();
    const double fee = s.view.maker_fee_rate.ToDouble();
    for (const Slot& slot : s.slots) {
      const auto exit =
          std::find_if(target.orders.begin(), target.orders.end(), [&](const TargetOrder& order) {
            return order.key.is_exit && order.key.line == slot.line &&
                   order.key.entry_side == slot.entry_side;
          });
      if (slot.state != SlotState::kFilled) {
        REQUIRE(exit == target.orders.end());
        continue;
      }
      if (exit == target.orders.end()) continue;  // dust, or beyond the venue's price band
      REQUIRE(exit->quantity == slot.held);
      const bool is_long = slot.entry_side == Side::kBuy;
      const int64_t distance =
          is_long ? exit->price - slot.entry_price : slot.entry_price - exit->price;
      REQUIRE(distance >= s.memory.interval_ticks);
      const double value = s.instrument.ToDecimal(exit->price).ToDouble() *
                           s.instrument.ToDecimal(exit->quantity).ToDouble();
      const double entry_value = s.instrument.NotionalOf(slot.entry_price, slot.held).ToDouble();
      if (is_long) {
        const double cost =
            slot.held_cost.is_zero() ? entry_value * (1 + fee) : slot.held_cost.ToDouble();
        REQUIRE(value * (1 - fee) >= cost * (1 - 1e-9) - 1e-7);
      } else {
        const double received =
            slot.held_cost.is_zero() ? entry_value * (1 - fee) : slot.held_cost.ToDouble();
        REQUIRE(value * (1 + fee) <= received * (1 + 1e-9) + 1e-7);
      }
    }
  });
}

TEST_CASE("grid property: G4: an exit is missing only where the venue would not take it",
          "[strategy][grid][property]") {
  ForAll(7'000'000, [](Scenario& s, Prng&) {
    s.instrument.min_notional = Decimal();
    s.instrument.min_quantity = Quantity();
    s.instrument.bid_multiplier_down = s.instrument.ask_multiplier_up = Decimal();
    const TargetState& target = s.Decide();
    for (const Slot& slot : s.slots) {
      if (slot.state != SlotState::kFilled) continue;
      const bool has_exit =
          std::any_of(target.orders.begin(), target.orders.end(), [&](const TargetOrder& order) {
            return order.key.is_exit && order.key.line == slot.line &&
                   order.key.entry_side == slot.entry_side;
          });
      // A short so low that its exit would be at or below zero cannot be closed yet.
      const bool is_too_low =
          slot.entry_side == Side::kSell &&
          slot.entry_price.ticks() - s.memory.interval_ticks - GridStrategy::kMaxBackOffTicks <= 0;
      REQUIRE((has_exit || is_too_low));
    }
  });
}

TEST_CASE("grid property: G1: the same memory gives the same lines after a restart",
          "[strategy][grid][property]") {
  ForAll(8'000'000, [](Scenario& s, Prng& prng) {
    s.Decide();
    const StrategyMemory stored = s.memory;
    // The market goes on; then a new process starts with what was stored.
    for (int i = 0; i < 3; ++i) {
      const int64_t move = prng.Between(-300, 300);
      s.view.best_bid = Price::FromTicks(std::max<int64_t>(1, s.view.best_bid.ticks() + move));
      s.view.best_ask = s.view.best_bid.PlusTicks(prng.Between(1, 5));
      Scenario restarted = s;
      restarted.target = std::make_shared<TargetState>();
      const TargetState& before = s.Decide();
      const TargetState& after = restarted.Decide();
      REQUIRE(AreEqual(before, after));
      REQUIRE(s.memory == restarted.memory);
      REQUIRE(s.memory.anchor == stored.anchor);
    }
  });
}

TEST_CASE("grid property: G5: the interval stays within its clamp, above its floor, and holds",
          "[strategy][grid][property]") {
  ForAll(9'000'000, [](Scenario& s, Prng& prng) {
    s.Decide();
    int64_t in_force = s.memory.interval_ticks;
    const double band = s.parameters.hysteresis_percent.ToDouble() / 100;
    for (int i = 0; i < 5; ++i) {
      s.view.atr_ratio = 5 * prng.Unit() + 0.01;
      s.Decide();
      const double mid = static_cast<double>(s.view.best_bid.ticks() + s.view.best_ask.ticks()) / 2;
      const double floor = std::max(1.0, mid * (2 * s.view.maker_fee_rate.ToDouble() +
                                                s.parameters.minimum_edge_bps.ToDouble() / 10'000));
      const double base =
          s.parameters.price_interval.ToDouble() / s.instrument.tick_size.ToDouble();
      const double scale = s.parameters.volatility_scale.ToDouble();
      const double wanted =
          scale == 0 ? base : base * scale * std::clamp(s.view.atr_ratio, 0.5, 4.0);
      const double now = static_cast<double>(s.memory.interval_ticks);
      REQUIRE(now >= floor - 1e-6);
      const double highest = scale == 0 ? base : base * scale * 4;
      REQUIRE(now <= std::max(highest, (floor + 1) * (1 + band)) + 2);
      const double goal = std::max(wanted, floor);
      // Moved only when the wanted one was outside the band of the old one.
      if (s.memory.interval_ticks != in_force && scale != 0) {
        const double old = static_cast<double>(in_force);
        REQUIRE((std::abs(goal - old) > band * old - 2 || old < floor + 1));
      }
      in_force = s.memory.interval_ticks;
    }
  });
}

TEST_CASE("grid property: the same input gives the same output, and slots may come in any order",
          "[strategy][grid][property]") {
  ForAll(10'000'000, [](Scenario& s, Prng& prng) {
    s.instrument.max_order_count = 0;
    Scenario again = s;
    again.target = std::make_shared<TargetState>();
    again.target->is_valid = true;
    again.target->orders.push_back({});  // leftovers of another decision
    REQUIRE(AreEqual(s.Decide(), again.Decide()));
    Scenario shuffled = again;
    shuffled.target = std::make_shared<TargetState>();
    for (size_t i = shuffled.slots.size(); i > 1; --i) {
      std::swap(shuffled.slots[i - 1], shuffled.slots[prng.Below(i)]);
    }
    shuffled.Decide();
    for (const Side side : {Side::kBuy, Side::kSell}) {
      REQUIRE(PricesOf(*s.target, side) == PricesOf(*shuffled.target, side));
      REQUIRE(PricesOf(*s.target, side, true) == PricesOf(*shuffled.target, side, true));
    }
  });
}

TEST_CASE("grid property: what is remembered of a far line changes nothing on the others",
          "[strategy][grid][property]") {
  // Without such a slot all lines may be written at once; with it each is looked at by itself.
  ForAll(11'000'000, [](Scenario& s, Prng& prng) {
    if (prng.Chance(1, 2)) s.slots.clear();
    Scenario other = s;
    other.target = std::make_shared<TargetState>();
    for (const Side side : {Side::kBuy, Side::kSell}) {
      const SlotKey key{.line = INT32_MAX, .entry_side = side};
      if (SlotOf(s, key) != nullptr) continue;
      Slot slot;
      slot.line = key.line;
      slot.entry_side = side;
      slot.post_only_reject_count = 1;
      other.slots.push_back(slot);
    }
    REQUIRE(AreEqual(s.Decide(), other.Decide()));
  });
}

TEST_CASE("grid property: risk mode never buys and never opens", "[strategy][grid][property]") {
  ForAll(11'000'000, [](Scenario& s, Prng& prng) {
    s.view.are_buys_allowed = prng.Chance(1, 2);
    s.view.are_entries_allowed = s.view.are_buys_allowed ? false : prng.Chance(1, 2);
    for (const TargetOrder& order : s.Decide().orders) {
      REQUIRE(order.key.is_exit);
      if (!s.view.are_buys_allowed) REQUIRE(order.side == Side::kSell);
    }
  });
}

}  // namespace holdfast
