// Proves what a start may take for granted about the run before it: nothing, unless that run
// stopped with proof. How: a venue with a memory of its own and a stepped clock; orders of the dead
// run arrive while the new one is already there.
#include <catch2/catch.hpp>

#include "fake_venue.h"

namespace holdfast::testing {
namespace {

// Killed; its newest record is as old as the test says.
RecoveredState KilledRun(int64_t quiet_ns) {
  RecoveredState recovered = SecondRun();
  recovered.is_stop_proven = false;
  recovered.stored_time_ns = ManualClock().WallNs() - quiet_ns;
  return recovered;
}

// What the dead run sent in its last moment reaches the book of the venue now; no record tells.
void LetArrive(World& world) {
  world.engine.AddOrder(IntentOf(StoredOrder(world, 7, BuyKey(1), World::kMid - 1000, 100)));
}

World& WantingOneBuy(World& world) {
  world.engine.next_number = 100;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  return world;
}

constexpr int64_t kAlmostWindowNs = FakeEngine::kWindowNs - 500 * kNanosPerMilli;

TEST_CASE("restart: without proof nothing is placed while a request can still arrive",
          "[quoting][D3]") {
  // Also after an hour in which nothing was recorded: the last order was sent after that hour.
  const int64_t quiet_ns = GENERATE(int64_t{1}, int64_t{60}, int64_t{3600}) * kNanosPerSecond;
  World world(KilledRun(quiet_ns));
  WantingOneBuy(world);
  world.Pass(kAlmostWindowNs);
  CHECK(world.engine.placed.empty());
  CHECK(world.loop->phase() == LoopPhase::kReconciling);
  LetArrive(world);
  world.Pass(3 * kNanosPerSecond);
  CHECK(world.loop->phase() == LoopPhase::kQuoting);
  CHECK(world.counters().orders_adopted == 1);
  CHECK(world.engine.open_count() == 1);
  CHECK(world.engine.placed.empty());
}

TEST_CASE("restart: the strategy gets back what it remembered", "[quoting][G1]") {
  RecoveredState recovered = SecondRun();
  recovered.memory = {
      .has_anchor = true, .anchor = Price::FromTicks(4'987'650), .interval_ticks = 150};
  World world(recovered);
  world.Begin();
  REQUIRE(world.strategy.decide_count > 0);
  CHECK(world.strategy.first_memory == recovered.memory);
}

TEST_CASE("restart: a store that knows of no run before proves nothing", "[quoting][D3]") {
  World world{RecoveredState()};
  WantingOneBuy(world);
  world.Pass(kAlmostWindowNs);
  CHECK(world.engine.placed.empty());
  LetArrive(world);
  world.Pass(3 * kNanosPerSecond);
  CHECK(world.counters().orders_adopted == 1);
  CHECK(world.engine.placed.empty());
}

TEST_CASE("restart: after a proven stop there is nothing to wait for", "[quoting][D3]") {
  RecoveredState recovered = KilledRun(kNanosPerSecond);
  recovered.is_stop_proven = true;
  World world(recovered);
  WantingOneBuy(world);
  CHECK(world.engine.placed.size() == 1);
}

TEST_CASE("restart: known orders keep their place in the queue during the wait", "[quoting][R7]") {
  RecoveredState recovered = KilledRun(kNanosPerSecond);
  World probe;
  recovered.open_orders = {StoredOrder(probe, 7, BuyKey(1), World::kMid - 1000, 100)};
  QuotingOptions options;
  options.restart_grace_ns = kNanosPerSecond;  // shorter than the wait
  World world(recovered, TestLimits(), options);
  world.engine.AddOrder(IntentOf(recovered.open_orders[0])).id =
      recovered.open_orders[0].venue_order_id;
  WantingOneBuy(world);
  world.Pass(8 * kNanosPerSecond);
  CHECK(world.loop->phase() == LoopPhase::kQuoting);
  CHECK(world.engine.canceled.empty());
  CHECK(world.engine.placed.empty());
  CHECK(world.engine.open_count() == 1);
}

TEST_CASE("restart: a stop during the wait is proven only behind it", "[quoting][D3]") {
  World world(KilledRun(3600 * kNanosPerSecond));
  WantingOneBuy(world);
  world.loop->RequestStop();
  world.Pass(kAlmostWindowNs);
  CHECK_FALSE(world.loop->is_stopped());
  CHECK(world.engine.proven_stop_count == 0);
  LetArrive(world);
  REQUIRE(world.PassUntilStopped(10 * kNanosPerSecond));
  CHECK(world.engine.open_count() == 0);
  CHECK(world.engine.proven_stop_count == 1);
}

// The tick was 0.1 and is 0.01 now; ids below 50 carry lines in the old one.
RecoveredState FinerTick() {
  RecoveredState recovered = SecondRun();
  recovered.line_change = SlotLineChange{.first_number = OrderNumber(50),
                                         .old_tick_size = Decimal::FromUnits(10'000'000),
                                         .new_tick_size = Decimal::FromUnits(1'000'000)};
  return recovered;
}
constexpr int32_t kNewLine = World::kMid - 1000;
constexpr int32_t kOldLine = kNewLine / 10;

TEST_CASE("restart: an unknown order with a line of the old tick is adopted at the new one",
          "[quoting][D3]") {
  World world(FinerTick());
  world.engine.AddOrder(IntentOf(StoredOrder(world, 7, BuyKey(kOldLine), kNewLine, 100)));
  world.engine.AddOrder(IntentOf(StoredOrder(world, 60, BuyKey(kNewLine - 10), kNewLine - 10, 9)));
  world.engine.next_number = 100;
  world.strategy.wanted = {Want(BuyKey(kNewLine), kNewLine, 100),
                           Want(BuyKey(kNewLine - 10), kNewLine - 10, 9)};
  world.Begin();
  world.Pass(kNanosPerSecond);
  CHECK(world.counters().orders_adopted == 2);
  CHECK(world.engine.placed.empty());
  CHECK(world.engine.canceled.empty());
}

TEST_CASE("restart: a fill of an order with a line of the old tick finds its slot",
          "[quoting][D3]") {
  RecoveredState recovered = FinerTick();
  World probe;
  Order order = StoredOrder(probe, 7, BuyKey(kOldLine), kNewLine, 100);
  const PlaceIntent intent = IntentOf(order);
  order.slot_key = BuyKey(kNewLine).Packed();  // as the store converted it
  const bool is_known = GENERATE(true, false);
  if (is_known) recovered.open_orders = {order};
  World world(recovered);
  auto& resting = world.engine.AddOrder(intent);
  resting.id = order.venue_order_id;
  world.engine.next_number = 100;
  world.strategy.wanted = {Want(BuyKey(kNewLine), kNewLine, 100)};
  const Fill fill = world.engine.Execute(resting, Quantity::FromLots(40));
  world.engine.TellFill(fill);  // before any list
  world.Begin();
  world.Pass(3 * kNanosPerSecond);
  REQUIRE(world.strategy.last_slots.size() == 1);
  CHECK(world.strategy.last_slots[0].line == kNewLine);
  CHECK(world.strategy.last_slots[0].held.lots() == 40);
}

TEST_CASE("stop: the proof is recorded once, behind everything else", "[quoting][D3]") {
  World world;
  WantingOneBuy(world);
  REQUIRE(world.engine.open_count() == 1);
  CHECK(world.engine.proven_stop_count == 0);
  world.engine.takes_records = false;
  world.loop->RequestStop();
  world.Pass(5 * kNanosPerSecond);
  CHECK_FALSE(world.loop->is_stopped());  // the order's end is not stored yet
  world.engine.takes_records = true;
  REQUIRE(world.PassUntilStopped(5 * kNanosPerSecond));
  CHECK(world.engine.order_records.back().order.state == OrderState::kCanceled);
  CHECK(world.engine.proven_stop_count == 1);
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.proven_stop_count == 1);
}

TEST_CASE("stop: as long as an order may rest there is no proof to record", "[quoting][D3]") {
  World world;
  WantingOneBuy(world);
  world.engine.next_cancel = FakeEngine::CancelFate::kSilent;
  world.engine.is_fate_sticky = true;
  world.loop->RequestStop();
  world.Pass(30 * kNanosPerSecond);
  CHECK_FALSE(world.loop->is_stopped());
  CHECK(world.engine.proven_stop_count == 0);
}

}  // namespace
}  // namespace holdfast::testing
