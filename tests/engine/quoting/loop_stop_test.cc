// Proves that a stop ends with proof: everything canceled, open orders read empty twice in a row,
// fills booked, records handed over; and that it retries for as long as that takes.
#include <catch2/catch.hpp>

#include "fake_venue.h"

namespace holdfast::testing {
namespace {

using Fate = FakeEngine::Fate;
using CancelFate = FakeEngine::CancelFate;

World& Quoting(World& world) {
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100),
                           Want(SellKey(2), World::kMid + 1000, 100)};
  world.Begin();
  REQUIRE(world.engine.open_count() == 2);
  return world;
}

TEST_CASE("stop: cancels everything, proves it, and reports", "[quoting]") {
  World world;
  Quoting(world);
  world.engine.maker_fee = Decimal::FromUnits(100'000);
  world.engine.FillAndTell(world.engine.ByKey(BuyKey(1)), Quantity::FromLots(100));
  world.strategy.wanted.erase(world.strategy.wanted.begin());
  world.Turns(3);
  const int scans = world.engine.open_orders_query_count;
  world.loop->RequestStop();
  REQUIRE(world.PassUntilStopped(5 * kNanosPerSecond));
  CHECK(world.engine.open_count() == 0);
  CHECK(world.engine.open_orders_query_count >= scans + 2);
  const RunReport report = world.loop->report();
  CHECK(report.is_proven_empty);
  CHECK(report.counters.orders_placed == 2);
  CHECK(report.counters.orders_canceled == 1);
  CHECK(report.counters.fills == 1);
  CHECK(report.position.lots() == 100);
  REQUIRE(report.fee_asset_count == 1);
  CHECK(report.fees[0].amount == world.engine.fills.at(0).fee);
  CHECK(report.volume ==
        TestInstrument().NotionalOf(Price::FromTicks(World::kMid - 1000), Quantity::FromLots(100)));
  StatusSnapshot status;
  REQUIRE(world.loop->snapshots().Read(status));
  CHECK(status.phase == LoopPhase::kStopped);
  CHECK(world.loop->RunOnce() == 0);
}

TEST_CASE("stop: nothing is placed any more", "[quoting]") {
  World world;
  Quoting(world);
  world.loop->RequestStop();
  world.strategy.wanted.push_back(Want(BuyKey(9), World::kMid - 5000, 100));
  world.Pass(5 * kNanosPerSecond);
  CHECK(world.engine.placed.size() == 2);
}

TEST_CASE("stop: waits for an unknown order to be resolved", "[quoting]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.next_place = Fate::kLostRequest;
  world.Begin();
  world.loop->RequestStop();
  world.Pass(3 * kNanosPerSecond);
  CHECK_FALSE(world.loop->is_stopped());
  CHECK(world.loop->phase() == LoopPhase::kStopping);
  REQUIRE(world.PassUntilStopped(10 * kNanosPerSecond));
  CHECK(world.counters().unknown_resolved_absent == 1);
}

TEST_CASE("stop: a fill that races the cancels is booked before it is done", "[quoting]") {
  World world;
  Quoting(world);
  const Fill fill =
      world.engine.Execute(world.engine.ByKey(BuyKey(1)), Quantity::FromLots(100));  // not told
  world.loop->RequestStop();
  REQUIRE(world.PassUntilStopped(20 * kNanosPerSecond));
  CHECK(world.loop->position().quantity().lots() == 100);
  CHECK(world.engine.fill_records.at(0).fill.trade_id == fill.trade_id);
}

TEST_CASE("stop: is not done before the venue's list of fills has been read to its end",
          "[quoting][X4]") {
  World world;
  Quoting(world);
  // A fill that no report of the order shows, only the list.
  FakeEngine::VenueOrder& order = world.engine.ByKey(BuyKey(1));
  world.engine.Execute(order, Quantity::FromLots(100));
  order.filled = Quantity();
  order.status = VenueOrderStatus::kNew;
  world.engine.answers_fills = false;
  world.loop->RequestStop();
  world.Pass(5 * kNanosPerSecond);
  CHECK(world.engine.open_count() == 0);
  CHECK_FALSE(world.loop->is_stopped());
  world.engine.answers_fills = true;
  REQUIRE(world.PassUntilStopped(30 * kNanosPerSecond));
  CHECK(world.loop->position().quantity().lots() == 100);
}

TEST_CASE("stop: an order that shows up in the proof starts it again", "[quoting]") {
  World world;
  Quoting(world);
  PlaceIntent ghost;  // ours, from a past life, unseen so far
  ghost.number = OrderNumber(9'999);
  ghost.client_order_id = MakeClientOrderId(world.account, ghost.number, BuyKey(5).Packed());
  ghost.price = Price::FromTicks(World::kMid - 4000);
  ghost.quantity = Quantity::FromLots(100);
  world.engine.AddOrder(ghost);
  world.loop->RequestStop();
  REQUIRE(world.PassUntilStopped(20 * kNanosPerSecond));
  CHECK(world.counters().orders_adopted == 1);
  CHECK(world.engine.open_count() == 0);
}

TEST_CASE("stop: with order entry down it keeps trying and succeeds later", "[quoting]") {
  World world;
  Quoting(world);
  world.engine.has_entry = false;
  world.loop->RequestStop();
  world.Pass(20 * kNanosPerSecond);
  CHECK_FALSE(world.loop->is_stopped());
  world.engine.has_entry = true;
  REQUIRE(world.PassUntilStopped(20 * kNanosPerSecond));
  CHECK(world.engine.open_count() == 0);
}

TEST_CASE("stop: cancels that are refused are sent until they work", "[quoting]") {
  World world;
  Quoting(world);
  world.engine.next_cancel = CancelFate::kRateLimit;
  world.engine.is_fate_sticky = true;
  world.loop->RequestStop();
  world.Pass(10 * kNanosPerSecond);
  CHECK_FALSE(world.loop->is_stopped());
  world.engine.next_cancel = CancelFate::kCancel;
  REQUIRE(world.PassUntilStopped(30 * kNanosPerSecond));
}

TEST_CASE("stop: foreign orders do not hinder it", "[quoting]") {
  World world;
  Quoting(world);
  PlaceIntent foreign;
  foreign.client_order_id = ClientOrderId("web_abc");
  foreign.price = Price::FromTicks(World::kMid - 500);
  foreign.quantity = Quantity::FromLots(10);
  world.engine.AddOrder(foreign);
  world.loop->RequestStop();
  REQUIRE(world.PassUntilStopped(10 * kNanosPerSecond));
  CHECK(world.engine.open_count() == 1);
}

TEST_CASE("stop: is not done while records wait", "[quoting]") {
  World world;
  Quoting(world);
  world.engine.takes_records = false;
  world.loop->RequestStop();
  world.Pass(5 * kNanosPerSecond);
  CHECK(world.engine.open_count() == 0);  // cancels go on
  CHECK_FALSE(world.loop->is_stopped());
  world.engine.takes_records = true;
  REQUIRE(world.PassUntilStopped(5 * kNanosPerSecond));
}

TEST_CASE("stop: before the first connection there is nothing to prove with", "[quoting]") {
  World world;
  world.engine.has_entry = false;
  world.engine.has_stream = false;
  world.Turns(3);
  world.loop->RequestStop();
  world.Pass(2 * kNanosPerSecond);
  CHECK_FALSE(world.loop->is_stopped());  // the caller decides how long to wait
}

}  // namespace
}  // namespace holdfast::testing
