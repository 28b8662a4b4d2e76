// Proves the layered quotes to the cent (golden case L2), their limits, and that bad parameters are
// refused.

#include "strategy/layered.h"

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "scenario.h"

namespace holdfast {
namespace {

using namespace literals;
using Texts = std::vector<std::string>;

struct Fixture {
  Instrument instrument = testing::MakeInstrument();
  LayeredParameters parameters;
  MarketView view;
  Inventory inventory;
  std::unique_ptr<TargetState> target = std::make_unique<TargetState>();

  Fixture() {
    parameters.levels = 3;
    parameters.base_spread_percent = 0.1_dec;
    parameters.price_step_percent = 0.05_dec;
    parameters.order_size = 0.01_dec;
    parameters.max_position = 1_dec;
    view.instrument = &instrument;
    SetBook(49999.99_dec, 50000.01_dec);
    inventory.max_position = Quantity::FromLots(100'000);
  }
  Fixture(const Fixture&) = delete;
  void SetBook(Decimal bid, Decimal ask) {
    view.best_bid = instrument.PriceFromDecimal(bid).value();
    view.best_ask = instrument.PriceFromDecimal(ask).value();
  }
  Texts Orders() {
    StrategyMemory memory;
    LayeredStrategy(parameters, instrument).Decide(view, inventory, {}, memory, *target);
    CHECK(memory == StrategyMemory());
    return testing::TextsOf(instrument, *target);
  }
};

}  // namespace

TEST_CASE("layered: L2: the golden case, to the cent", "[strategy][layered]") {
  Fixture f;
  const Texts at_50000 = {"buy 0.01 @ 49975.00",  "buy 0.01 @ 49950.00",  "buy 0.01 @ 49925.00",
                          "sell 0.01 @ 50025.00", "sell 0.01 @ 50050.00", "sell 0.01 @ 50075.00"};
  CHECK(f.Orders() == at_50000);
  CHECK(testing::IsInDocument(at_50000));
  f.SetBook(50099.99_dec, 50100.01_dec);
  CHECK(f.Orders() == Texts{"buy 0.01 @ 50074.95", "buy 0.01 @ 50049.90", "buy 0.01 @ 50024.85",
                            "sell 0.01 @ 50125.05", "sell 0.01 @ 50150.10",
                            "sell 0.01 @ 50175.15"});
  CHECK(testing::IsInDocument(f.Orders()));
  // The same round an external price, whatever the book's middle is.
  f.view.external_price = 50000_dec;
  f.SetBook(49990.00_dec, 50020.00_dec);
  CHECK(f.Orders() == at_50000);
  CHECK(f.target->is_valid);
}

TEST_CASE("layered: prices are rounded once, away from the price", "[strategy][layered]") {
  Fixture f;
  f.view.external_price = 50000.013_dec;
  CHECK(f.Orders() == Texts{"buy 0.01 @ 49975.01", "buy 0.01 @ 49950.01", "buy 0.01 @ 49925.01",
                            "sell 0.01 @ 50025.02", "sell 0.01 @ 50050.02",
                            "sell 0.01 @ 50075.02"});
}

TEST_CASE("layered: levels that would take go beside the touch and stay apart",
          "[strategy][layered]") {
  Fixture f;
  f.view.external_price = 50040_dec;  // bids at 50014.98, 49989.96, 49964.94
  CHECK(f.Orders()[0] == "buy 0.01 @ 50000.00");
  f.view.external_price = 51000_dec;
  const Texts orders = f.Orders();
  CHECK(orders[0] == "buy 0.01 @ 50000.00");
  CHECK(orders[1] == "buy 0.01 @ 49999.99");
  CHECK(orders[2] == "buy 0.01 @ 49999.98");
  CHECK(orders[3] == "sell 0.01 @ 51025.50");
  f.view.external_price = 49000_dec;
  CHECK(f.Orders()[3] == "sell 0.01 @ 50000.00");
}

TEST_CASE("layered: the position limit cuts levels, nearest first", "[strategy][layered]") {
  Fixture f;
  f.inventory.max_position = Quantity::FromLots(2'000);
  f.inventory.position = Quantity::FromLots(1'000);
  CHECK(f.Orders() == Texts{"buy 0.01 @ 49975.00", "sell 0.01 @ 50025.00", "sell 0.01 @ 50050.00",
                            "sell 0.01 @ 50075.00"});
  f.inventory.position = Quantity::FromLots(-2'500);
  CHECK(f.Orders().size() == 3);
  CHECK(f.Orders().back() == "buy 0.01 @ 49925.00");
}

TEST_CASE("layered: a limit of open orders that got tighter cuts levels, nearest first",
          "[strategy][layered]") {
  Fixture f;
  const LayeredStrategy strategy(f.parameters, f.instrument);
  f.instrument.max_order_count = 3;
  StrategyMemory memory;
  strategy.Decide(f.view, f.inventory, {}, memory, *f.target);
  CHECK(testing::TextsOf(f.instrument, *f.target) ==
        Texts{"buy 0.01 @ 49975.00", "buy 0.01 @ 49950.00", "sell 0.01 @ 50025.00"});
  CHECK(f.target->is_valid);
}

TEST_CASE("layered: risk mode keeps only sells that reduce the position", "[strategy][layered]") {
  Fixture f;
  f.view.are_buys_allowed = false;
  CHECK(f.Orders().empty());
  CHECK(f.target->is_valid);
  f.inventory.position = Quantity::FromLots(2'500);
  CHECK(f.Orders() == Texts{"sell 0.01 @ 50025.00", "sell 0.01 @ 50050.00"});
  f.inventory.position = Quantity::FromLots(-1'000);
  CHECK(f.Orders().empty());
  f.view.are_buys_allowed = true;
  f.view.are_entries_allowed = false;
  CHECK(f.Orders() == Texts{"buy 0.01 @ 49975.00"});
}

TEST_CASE("layered: keys are level and side, unique", "[strategy][layered]") {
  Fixture f;
  f.Orders();
  std::set<int64_t> keys;
  for (const TargetOrder& order : f.target->orders) {
    CHECK(keys.insert(order.key.Packed()).second);
    CHECK(order.key.entry_side == order.side);
    CHECK_FALSE(order.key.is_exit);
    CHECK(order.key.line >= 1);
    CHECK(order.key.line <= 3);
  }
}

TEST_CASE("layered: orders below the venue's minimum are not wanted", "[strategy][layered]") {
  Fixture f;
  f.instrument.min_notional = 499.6_dec;
  CHECK(f.Orders() == Texts{"buy 0.01 @ 49975.00", "sell 0.01 @ 50025.00", "sell 0.01 @ 50050.00",
                            "sell 0.01 @ 50075.00"});
}

TEST_CASE("layered: L3: granular tolerates the threshold, replace_all nothing",
          "[strategy][layered]") {
  Fixture f;
  f.parameters.threshold_ticks = 250;
  CHECK(LayeredStrategy(f.parameters, f.instrument).price_tolerance_ticks() == 250);
  f.parameters.mode = LayeredMode::kReplaceAll;
  CHECK(LayeredStrategy(f.parameters, f.instrument).price_tolerance_ticks() == 0);
  CHECK(LayeredModeFromText("replace_all") == LayeredMode::kReplaceAll);
  CHECK(LayeredModeFromText("granular") == LayeredMode::kGranular);
  CHECK_FALSE(LayeredModeFromText("all").has_value());
}

TEST_CASE("layered: random books and prices: on the grid, apart, never crossing",
          "[strategy][layered]") {
  const uint64_t seed = 123;
  INFO("seed " << seed);
  Prng prng(seed);
  Fixture f;
  for (int i = 0; i < 3000; ++i) {
    f.parameters.levels = static_cast<int32_t>(prng.Between(1, 20));
    f.parameters.base_spread_percent = Decimal::FromUnits(prng.Between(1, 500'000'000));
    f.parameters.price_step_percent = Decimal::FromUnits(prng.Between(0, 400'000'000));
    f.view.best_bid = Price::FromTicks(prng.Between(1'000, 10'000'000));
    f.view.best_ask = f.view.best_bid.PlusTicks(prng.Between(1, 200));
    f.view.external_price = Decimal();
    if (prng.Chance(1, 2)) {
      f.view.external_price =
          f.instrument.ToDecimal(f.view.best_bid.PlusTicks(prng.Between(-900, 900)));
    }
    f.inventory.position = Quantity::FromLots(prng.Between(-120'000, 120'000));
    f.Orders();
    int64_t lowest_bid = f.view.best_ask.ticks();
    int64_t highest_ask = f.view.best_bid.ticks();
    Quantity bought;
    Quantity sold;
    for (const TargetOrder& order : f.target->orders) {
      REQUIRE_FALSE(f.instrument.Check(order.price, order.quantity).has_value());
      if (order.side == Side::kBuy) {
        REQUIRE(order.price.ticks() < lowest_bid);
        lowest_bid = order.price.ticks();
        bought += order.quantity;
      } else {
        REQUIRE(order.price.ticks() > highest_ask);
        highest_ask = order.price.ticks();
        sold += order.quantity;
      }
    }
    if (!bought.is_zero()) REQUIRE(f.inventory.position + bought <= f.inventory.max_position);
    if (!sold.is_zero()) REQUIRE(f.inventory.position - sold >= -f.inventory.max_position);
  }
}

TEST_CASE("layered: bad parameters are refused with key, value and range", "[strategy][layered]") {
  Fixture f;
  REQUIRE(Validate(f.parameters, f.instrument).ok());
  struct Case {
    const char* key;
    const char* value;
    std::function<void(LayeredParameters&)> spoil;
  };
  const Case cases[] = {
      {"levels", "0", [](auto& p) { p.levels = 0; }},
      {"levels", "101", [](auto& p) { p.levels = 101; }},
      {"base_spread_percent", "0", [](auto& p) { p.base_spread_percent = 0_dec; }},
      {"base_spread_percent", "100", [](auto& p) { p.base_spread_percent = 100_dec; }},
      {"price_step_percent", "-0.1", [](auto& p) { p.price_step_percent = -0.1_dec; }},
      {"price_step_percent", "50", [](auto& p) { p.price_step_percent = 50_dec; }},
      {"order_size", "0", [](auto& p) { p.order_size = 0_dec; }},
      {"order_size", "0.000001", [](auto& p) { p.order_size = 0.000001_dec; }},
      {"max_position", "0.001", [](auto& p) { p.max_position = 0.001_dec; }},
      {"threshold_ticks", "-1", [](auto& p) { p.threshold_ticks = -1; }},
  };
  for (const Case& c : cases) {
    LayeredParameters parameters = f.parameters;
    c.spoil(parameters);
    const absl::Status status = Validate(parameters, f.instrument);
    const std::string message(status.message());
    INFO("key " << c.key << " message " << message);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(message.find("key=" + std::string(c.key) + " ") != std::string::npos);
    CHECK(message.find("value=" + std::string(c.value) + " ") != std::string::npos);
    CHECK(message.find("range=") != std::string::npos);
  }
  // Three levels are six orders.
  f.instrument.max_order_count = 6;
  CHECK(Validate(f.parameters, f.instrument).ok());
  f.instrument.max_order_count = 5;
  CHECK(Validate(f.parameters, f.instrument).message().find("key=levels value=3 range=1..2") !=
        absl::string_view::npos);
}

}  // namespace holdfast
