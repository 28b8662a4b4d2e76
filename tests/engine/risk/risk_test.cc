// Proves every gate on both sides of its boundary, the monitor's trigger and hysteresis, the
// breaker and the bucket, and that limits out of range are refused by name.
#include <catch2/catch.hpp>
#include <utility>
#include <vector>

#include "engine/base/prng.h"
#include "engine/risk/account_safety.h"
#include "engine/risk/circuit_breaker.h"
#include "engine/risk/risk_gates.h"
#include "engine/risk/risk_limits.h"
#include "engine/risk/risk_monitor.h"
#include "engine/risk/token_bucket.h"

namespace holdfast {
namespace {

using literals::operator""_dec;

Instrument TestInstrument() {
  Instrument instrument;
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = 0.01_dec;
  instrument.lot_size = 0.001_dec;
  instrument.min_price = Price::FromTicks(1);
  instrument.min_quantity = Quantity::FromLots(1);
  instrument.min_notional = 5_dec;
  return instrument;
}

RiskLimits TestLimits() {
  RiskLimits limits;
  limits.max_position = 1_dec;
  return limits;
}

// Mid 100.00; nothing live; plenty of money.
struct Gate {
  Instrument instrument = TestInstrument();
  RiskLimits limits = TestLimits();
  ExposureView view;
  OrderCandidate order;

  Gate() {
    view.instrument = &instrument;
    view.best_bid = Price::FromTicks(9'990);
    view.best_ask = Price::FromTicks(10'010);
    view.available_base = 100_dec;
    view.available_quote = 100'000_dec;
    order.side = Side::kBuy;
    order.price = Price::FromTicks(9'900);
    order.quantity = Quantity::FromLots(100);
  }
  std::optional<DenyReason> Check() const { return RiskGates(limits).CheckOrder(view, order, 1); }
};

TEST_CASE("gates: conditions are asked in their order, and each closes", "[risk]") {
  GateConditions open;
  open.is_connected = true;
  open.is_reconciled = true;
  open.is_account_safe = true;
  open.is_store_healthy = true;
  open.is_book_quotable = true;
  open.is_instrument_trading = true;
  CHECK_FALSE(RiskGates::CheckConditions(open).has_value());
  const auto closed = [&open](auto change) {
    GateConditions conditions = open;
    change(conditions);
    return RiskGates::CheckConditions(conditions);
  };
  CHECK(closed([](auto& c) { c.is_killed = true; }) == DenyReason::kKilled);
  CHECK(closed([](auto& c) { c.is_paused = true; }) == DenyReason::kPaused);
  CHECK(closed([](auto& c) { c.is_connected = false; }) == DenyReason::kNotConnected);
  CHECK(closed([](auto& c) { c.is_reconciled = false; }) == DenyReason::kNotReconciled);
  CHECK(closed([](auto& c) { c.is_account_safe = false; }) == DenyReason::kAccountUnsafe);
  CHECK(closed([](auto& c) { c.is_store_healthy = false; }) == DenyReason::kStoreUnhealthy);
  CHECK(closed([](auto& c) { c.is_breaker_open = true; }) == DenyReason::kVenueBreaker);
  CHECK(closed([](auto& c) { c.is_instrument_trading = false; }) == DenyReason::kInstrumentFilter);
  CHECK(closed([](auto& c) { c.is_book_quotable = false; }) == DenyReason::kStaleBook);
  CHECK(RiskGates::CheckConditions({.is_killed = true}) == DenyReason::kKilled);
}

TEST_CASE("gates: an ordinary order passes all", "[risk]") { CHECK_FALSE(Gate().Check()); }

TEST_CASE("gates: risk mode lets only an exit that sells through", "[risk][X2]") {
  Gate gate;
  gate.view.is_risk_mode_active = true;
  CHECK(gate.Check() == DenyReason::kRiskMode);
  gate.order.is_exit = true;
  CHECK(gate.Check() == DenyReason::kRiskMode);
  gate.order.side = Side::kSell;
  gate.order.price = Price::FromTicks(10'100);
  CHECK_FALSE(gate.Check());
  gate.order.is_exit = false;
  CHECK(gate.Check() == DenyReason::kRiskMode);
}

TEST_CASE("gates: the venue's own filters", "[risk]") {
  Gate gate;
  gate.order.quantity = Quantity::FromLots(50);  // 4.95 < 5
  CHECK(gate.Check() == DenyReason::kInstrumentFilter);
  gate.order.quantity = Quantity::FromLots(51);
  CHECK_FALSE(gate.Check());
  gate.order.quantity = Quantity();
  CHECK(gate.Check() == DenyReason::kInstrumentFilter);
  gate.order.quantity = Quantity::FromLots(-100);
  CHECK(gate.Check() == DenyReason::kInstrumentFilter);
}

TEST_CASE("gates: price collar, both sides, to the tick", "[risk]") {
  Gate gate;
  gate.limits.max_price_deviation = 0.05_dec;
  gate.order.price = Price::FromTicks(9'500);
  CHECK_FALSE(gate.Check());
  gate.order.price = Price::FromTicks(9'499);
  CHECK(gate.Check() == DenyReason::kPriceCollar);
  gate.order.side = Side::kSell;
  gate.order.price = Price::FromTicks(10'500);
  CHECK_FALSE(gate.Check());
  gate.order.price = Price::FromTicks(10'501);
  CHECK(gate.Check() == DenyReason::kPriceCollar);
}

TEST_CASE("gates: size and notional of one order; zero switches both off", "[risk]") {
  Gate gate;
  gate.limits.max_order_quantity = 0.1_dec;
  CHECK_FALSE(gate.Check());
  gate.order.quantity = Quantity::FromLots(101);
  CHECK(gate.Check() == DenyReason::kOrderSize);
  gate.limits.max_order_quantity = Decimal();
  CHECK_FALSE(gate.Check());
  gate.limits.max_order_notional = 9.999_dec;  // 0.101 x 99 = 9.999
  CHECK_FALSE(gate.Check());
  gate.limits.max_order_notional = 9.99_dec;
  CHECK(gate.Check() == DenyReason::kOrderNotional);
}

TEST_CASE("gates: position counts everything that may still fill on the order's side", "[risk]") {
  Gate gate;
  gate.view.position = Quantity::FromLots(400);
  gate.view.live_buy = Quantity::FromLots(500);
  CHECK_FALSE(gate.Check());  // 400 + 500 + 100 = 1000
  gate.view.live_buy = Quantity::FromLots(501);
  CHECK(gate.Check() == DenyReason::kPosition);
  gate.view.live_sell = Quantity::FromLots(10'000);  // sells that may never fill do not help
  CHECK(gate.Check() == DenyReason::kPosition);
}

TEST_CASE("gates: an order that can only reduce the position passes, even beyond the limit",
          "[risk]") {
  Gate gate;
  gate.view.position = Quantity::FromLots(5'000);
  CHECK(gate.Check() == DenyReason::kPosition);
  gate.order.side = Side::kSell;
  gate.order.price = Price::FromTicks(10'100);
  gate.order.quantity = Quantity::FromLots(5'000);
  CHECK_FALSE(gate.Check());
  gate.order.quantity = Quantity::FromLots(6'001);  // 1001 short
  CHECK(gate.Check() == DenyReason::kPosition);
}

TEST_CASE("gates: open orders, ours and the venue's count", "[risk]") {
  Gate gate;
  gate.limits.max_open_orders = 10;
  gate.view.open_order_count = 9;
  CHECK_FALSE(gate.Check());
  gate.view.open_order_count = 10;
  CHECK(gate.Check() == DenyReason::kOpenOrders);
  gate.limits.max_open_orders = 100;
  gate.instrument.max_order_count = 10;
  CHECK(gate.Check() == DenyReason::kOpenOrders);
}

TEST_CASE("gates: order rate by bucket", "[risk]") {
  Gate gate;
  gate.limits.max_orders_per_second = 10;
  gate.limits.max_order_burst = 2;
  RiskGates gates(gate.limits);
  for (int i = 0; i < 2; ++i) {
    REQUIRE_FALSE(gates.CheckOrder(gate.view, gate.order, 1));
    gates.OnPlaced(gate.order, gate.view);
  }
  CHECK(gates.CheckOrder(gate.view, gate.order, 1) == DenyReason::kOrderRate);
  CHECK(gates.CheckOrder(gate.view, gate.order, 99'000'000) == DenyReason::kOrderRate);
  CHECK_FALSE(gates.CheckOrder(gate.view, gate.order, 101'000'000));
}

TEST_CASE("gates: never meets our own order", "[risk]") {
  Gate gate;
  gate.view.lowest_sell = Price::FromTicks(9'901);
  CHECK_FALSE(gate.Check());
  gate.view.lowest_sell = Price::FromTicks(9'900);
  CHECK(gate.Check() == DenyReason::kSelfTrade);
  gate.order.side = Side::kSell;
  gate.order.price = Price::FromTicks(10'100);
  gate.view.highest_buy = Price::FromTicks(10'099);
  CHECK_FALSE(gate.Check());
  gate.view.highest_buy = Price::FromTicks(10'100);
  CHECK(gate.Check() == DenyReason::kSelfTrade);
}

TEST_CASE("gates: what is placed in a turn is reserved at once", "[risk]") {
  Gate gate;
  gate.view.available_quote = 15_dec;  // one order of 9.90, not two
  RiskGates gates(gate.limits);
  REQUIRE_FALSE(gates.CheckOrder(gate.view, gate.order, 1));
  gates.OnPlaced(gate.order, gate.view);
  CHECK(gate.view.open_order_count == 1);
  CHECK(gate.view.live_buy.lots() == 100);
  CHECK(gate.view.highest_buy == gate.order.price);
  CHECK(gates.CheckOrder(gate.view, gate.order, 1) == DenyReason::kBalance);
  gate.order.side = Side::kSell;
  gate.order.price = Price::FromTicks(9'900);
  CHECK(gates.CheckOrder(gate.view, gate.order, 1) == DenyReason::kSelfTrade);
}

TEST_CASE("gates: balance of the asset the order gives away", "[risk]") {
  Gate gate;
  gate.view.available_quote = 9.9_dec;
  CHECK_FALSE(gate.Check());
  gate.view.available_quote = 9.89_dec;
  CHECK(gate.Check() == DenyReason::kBalance);
  gate.order.side = Side::kSell;
  gate.order.price = Price::FromTicks(10'100);
  gate.view.available_base = 0.1_dec;
  CHECK_FALSE(gate.Check());
  gate.view.available_base = 0.0999_dec;
  CHECK(gate.Check() == DenyReason::kBalance);
}

TEST_CASE("gates: an entry has to earn two fees and the minimum edge", "[risk][R2]") {
  Gate gate;
  gate.view.maker_fee_rate = 0.001_dec;
  gate.limits.min_edge_rate = 0.0005_dec;
  // 0.25 % of 99.00 is 24.75 ticks.
  gate.order.capture_ticks = 25;
  CHECK_FALSE(gate.Check());
  gate.order.capture_ticks = 24;
  CHECK(gate.Check() == DenyReason::kEdge);
  // A rebate earns even at no distance.
  gate.view.maker_fee_rate = -0.001_dec;
  gate.order.capture_ticks = 1;
  CHECK_FALSE(gate.Check());
  // Without a known capture twice the distance from the mid counts: 2 x 100 ticks.
  gate.view.maker_fee_rate = 0.0098_dec;
  gate.order.capture_ticks = 0;
  gate.limits.min_edge_rate = Decimal();
  CHECK_FALSE(gate.Check());
  gate.view.maker_fee_rate = 0.0102_dec;
  CHECK(gate.Check() == DenyReason::kEdge);
}

TEST_CASE("gates: an exit must not lose after its fee", "[risk][G4]") {
  Gate gate;
  gate.view.maker_fee_rate = 0.001_dec;
  gate.order.is_exit = true;
  gate.order.side = Side::kSell;
  gate.order.quantity = Quantity::FromLots(1000);
  gate.order.entry_cost = 100.1_dec;
  gate.order.price = Price::FromTicks(10'020);  // (100.20 + 0.01) x 0.999 >= 100.10
  CHECK_FALSE(gate.Check());
  gate.order.price = Price::FromTicks(10'019);
  CHECK(gate.Check() == DenyReason::kEdge);
  gate.order.side = Side::kBuy;  // closing a short that received 100.10
  gate.order.price = Price::FromTicks(10'001);
  CHECK_FALSE(gate.Check());
  gate.order.price = Price::FromTicks(10'002);
  CHECK(gate.Check() == DenyReason::kEdge);
}

TEST_CASE("bucket: burst, then the rate, exactly", "[risk]") {
  TokenBucket bucket(2, 3);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(bucket.HasToken(1));
    bucket.Take();
  }
  CHECK_FALSE(bucket.HasToken(1));
  CHECK_FALSE(bucket.HasToken(500'000'000));
  CHECK(bucket.HasToken(500'000'001));
  bucket.Take();
  // A long pause fills it to the brim and no further; time that goes back adds nothing.
  CHECK(bucket.HasToken(INT64_MAX / 2));
  for (int i = 0; i < 3; ++i) bucket.Take();
  CHECK_FALSE(bucket.HasToken(5));
}

TEST_CASE("breaker: opens after failures in a row, longer each time, closes on success",
          "[risk][X9]") {
  CircuitBreaker breaker({.failure_count = 3, .open_ns = 100, .open_ns_max = 350});
  CHECK_FALSE(breaker.OnFailure(0));
  CHECK_FALSE(breaker.OnFailure(0));
  CHECK_FALSE(breaker.OnSuccess());
  CHECK_FALSE(breaker.OnFailure(0));
  CHECK_FALSE(breaker.OnFailure(0));
  CHECK(breaker.OnFailure(0));
  CHECK(breaker.is_open(99));
  CHECK_FALSE(breaker.is_open(100));
  CHECK_FALSE(breaker.OnFailure(50));  // an answer to something sent before
  CHECK(breaker.OnFailure(100));       // the first attempt after it failed
  CHECK(breaker.is_open(299));
  CHECK_FALSE(breaker.is_open(300));
  CHECK(breaker.OnFailure(300));
  CHECK(breaker.is_open(649));
  CHECK_FALSE(breaker.is_open(650));
  CHECK(breaker.OnSuccess());
  CHECK(breaker.open_until_ns() == 0);
}

TEST_CASE("breaker: restored no longer than it can have been opened for", "[risk]") {
  CircuitBreaker breaker({.failure_count = 3, .open_ns = 100, .open_ns_max = 350});
  breaker.Restore(1'000'000, 500);  // the wall clock was set back
  CHECK(breaker.is_open(849));
  CHECK_FALSE(breaker.is_open(850));
}

Price DoubledMid(int64_t ticks) { return Price::FromTicks(ticks * 2); }

TEST_CASE("monitor: triggers on volatility and clears with hysteresis after a hold", "[risk][X2]") {
  RiskLimits limits = TestLimits();
  limits.clear_hold_ns = 10 * kNanosPerSecond;
  RiskMonitor monitor(limits);
  using Change = RiskMonitor::Change;
  int64_t now = kNanosPerSecond;
  const auto update = [&](Decimal ratio, int64_t seconds) {
    now += seconds * kNanosPerSecond;
    return monitor.Update(DoubledMid(10'000), ratio, now);
  };
  CHECK(update(2.99_dec, 1) == Change::kNone);
  CHECK(update(3_dec, 1) == Change::kTriggered);
  CHECK(monitor.cause() == RiskMonitor::Cause::kVolatility);
  CHECK(update(2.5_dec, 60) == Change::kNone);  // between the levels: stays
  CHECK(update(2_dec, 1) == Change::kNone);
  CHECK(update(2_dec, 9) == Change::kNone);
  CHECK(update(2.1_dec, 0) == Change::kNone);  // the hold starts again
  CHECK(update(1_dec, 1) == Change::kNone);
  CHECK(update(1_dec, 10) == Change::kCleared);
  CHECK_FALSE(monitor.is_active());
}

TEST_CASE("monitor: triggers on a fall below the recent high, which is forgotten in time",
          "[risk][X2]") {
  RiskLimits limits = TestLimits();
  limits.drop_window_ns = 160 * kNanosPerSecond;
  RiskMonitor monitor(limits);
  const auto at = [&](int64_t seconds, int64_t price) {
    return monitor.Update(DoubledMid(price), 1_dec, seconds * kNanosPerSecond);
  };
  CHECK(at(1, 10'000) == RiskMonitor::Change::kNone);
  CHECK(at(50, 9'701) == RiskMonitor::Change::kNone);
  CHECK(at(100, 9'700) == RiskMonitor::Change::kTriggered);
  CHECK(monitor.cause() == RiskMonitor::Cause::kDrop);
  CHECK(monitor.drop() == 0.03_dec);

  RiskMonitor slow(limits);
  CHECK(slow.Update(DoubledMid(10'000), 1_dec, kNanosPerSecond) == RiskMonitor::Change::kNone);
  // The same fall, but the high is more than a window (and a bucket) ago.
  CHECK(slow.Update(DoubledMid(9'700), 1_dec, 172 * kNanosPerSecond) == RiskMonitor::Change::kNone);
}

TEST_CASE("monitor: the fall is measured from the highest mid of the window's buckets", "[risk]") {
  RiskLimits limits = TestLimits();
  limits.drop_window_ns = 16 * kNanosPerSecond;  // sixteen buckets of a second
  RiskMonitor monitor(limits);
  std::vector<std::pair<int64_t, int64_t>> seen;  // second, doubled mid
  Prng prng(5);
  int64_t now_ns = 1'000 * kNanosPerSecond;
  int64_t mid = 100'000;
  for (int i = 0; i < 3'000; ++i) {
    now_ns += prng.Between(0, prng.Chance(1, 50) ? 20 * kNanosPerSecond : kNanosPerSecond / 2);
    mid += prng.Between(-40, 40);
    monitor.Update(DoubledMid(mid), 1_dec, now_ns);
    const int64_t second = now_ns / kNanosPerSecond;
    seen.emplace_back(second, DoubledMid(mid).ticks());
    int64_t high = 0;
    for (const auto& [at, ticks] : seen) {
      if (second - at <= 16) high = std::max(high, ticks);
    }
    REQUIRE(monitor.drop().units() ==
            (high - DoubledMid(mid).ticks()) * Decimal::kUnitsPerOne / high);
  }
}

TEST_CASE("monitor: off is off; restored is active; cleared by hand forgets the high", "[risk]") {
  RiskLimits limits = TestLimits();
  limits.atr_ratio_trigger = Decimal();
  limits.drop_trigger = Decimal();
  RiskMonitor off(limits);
  CHECK(off.Update(DoubledMid(10'000), 1_dec, 1) == RiskMonitor::Change::kNone);
  CHECK(off.Update(DoubledMid(10), 100_dec, 2) == RiskMonitor::Change::kNone);

  RiskMonitor monitor(TestLimits());
  monitor.Restore(true);
  CHECK(monitor.is_active());
  monitor.Update(DoubledMid(10'000), 1_dec, 1);
  monitor.Update(DoubledMid(9'000), 1_dec, 2);
  monitor.Clear();
  CHECK(monitor.Update(DoubledMid(9'000), 1_dec, 3) == RiskMonitor::Change::kNone);
  CHECK_FALSE(monitor.is_active());
}

TEST_CASE("safety: each check on its own, and what it tells the operator", "[risk][X11]") {
  const Instrument instrument = TestInstrument();
  AccountFacts facts;
  facts.instrument = &instrument;
  facts.can_trade = true;
  facts.max_clock_skew_ns = kNanosPerSecond;
  facts.wallet_quote = 5.1_dec;
  facts.reference_price = Price::FromTicks(10'000);
  CHECK(CheckAccountSafety(facts).empty());

  facts.clock_offset_ns = -kNanosPerSecond - 1;
  REQUIRE(CheckAccountSafety(facts).size() == 1);
  CHECK(CheckAccountSafety(facts)[0] == SafetyCheck::kClockSkew);
  facts.clock_offset_ns = kNanosPerSecond;
  CHECK(CheckAccountSafety(facts).empty());

  facts.configured_maker_fee_rate = 0.001_dec;
  facts.maker_fee_rate = 0.00099_dec;
  REQUIRE(CheckAccountSafety(facts).size() == 1);
  CHECK(Explain(SafetyCheck::kFee, facts) ==
        "maker fee differs: venue=0.00099 configured=0.001: correct the configured maker fee rate");
  facts.fee_tolerance = 0.00001_dec;
  CHECK(CheckAccountSafety(facts).empty());

  facts.wallet_quote = 4.99_dec;
  REQUIRE(CheckAccountSafety(facts).size() == 1);
  CHECK(CheckAccountSafety(facts)[0] == SafetyCheck::kBalance);
  facts.wallet_base = 0.05_dec;  // enough to sell one
  CHECK(CheckAccountSafety(facts).empty());
  facts.wallet_base = Decimal();
  facts.reference_price = Price();  // no price yet: cannot be judged
  CHECK(CheckAccountSafety(facts).empty());

  facts.can_trade = false;
  REQUIRE(CheckAccountSafety(facts).size() == 1);
  CHECK(CheckAccountSafety(facts)[0] == SafetyCheck::kPermission);
}

TEST_CASE("limits: out of range names the field, the value and the range", "[risk]") {
  CHECK(Validate(TestLimits()).ok());
  RiskLimits limits;
  CHECK(Validate(limits).message() == "risk limit out of range: max_position=0 expected=> 0");
  limits = TestLimits();
  limits.max_open_orders = 801;
  CHECK(Validate(limits).message() ==
        "risk limit out of range: max_open_orders=801 expected=1..800");
  limits = TestLimits();
  limits.drop_clear = limits.drop_trigger;
  CHECK_FALSE(Validate(limits).ok());
  limits = TestLimits();
  limits.max_price_deviation = 1.01_dec;
  CHECK_FALSE(Validate(limits).ok());
  limits = TestLimits();
  limits.breaker_open_ns_max = limits.breaker_open_ns - 1;
  CHECK_FALSE(Validate(limits).ok());
}

TEST_CASE("deny reasons: each has a name of its own", "[risk]") {
  std::vector<std::string_view> names;
  for (int i = 0; i < kDenyReasonCount; ++i) {
    const std::string_view name = ToText(static_cast<DenyReason>(i));
    CHECK(name != "invalid");
    CHECK(std::find(names.begin(), names.end(), name) == names.end());
    names.push_back(name);
  }
}

}  // namespace
}  // namespace holdfast
