// Proves what the latency figures measure: from a market message to the decision it caused, and
// from a decision to the venue's first answer, whichever way that answer comes.
#include <catch2/catch.hpp>

#include "fake_venue.h"

namespace holdfast::testing {
namespace {

using Fate = FakeEngine::Fate;

LatencySummary Latency(World& world, LatencyStage stage) {
  // One stage a snapshot is brought up to date.
  StatusSnapshot status;
  for (int i = 0; i < kLatencyStageCount; ++i) status = world.Status();
  return status.latencies[static_cast<size_t>(stage)];
}

uint64_t TotalLatency(const World& world, LatencyStage stage) {
  return world.loop->report().latencies[static_cast<size_t>(stage)].count;
}

TEST_CASE("loop: a feed that goes up or down is not a market message to measure from",
          "[quoting][latency]") {
  World world;
  world.clock.Advance(1'000 * kNanosPerSecond);
  world.ConnectFeed();
  world.Turns(3);
  CHECK(TotalLatency(world, LatencyStage::kReceiveToDecide) == 0);
  world.Snapshot(100, World::kMid - 50, World::kMid + 50);
  world.Turns(3);
  CHECK(TotalLatency(world, LatencyStage::kReceiveToDecide) == 1);
  world.ConnectFeed(false);
  world.Turns(3);
  CHECK(TotalLatency(world, LatencyStage::kReceiveToDecide) == 1);
  CHECK(Latency(world, LatencyStage::kReceiveToDecide).max_ns < kNanosPerSecond);
}

TEST_CASE("loop: a book that goes stale is not a market message to measure from",
          "[quoting][latency]") {
  World world;
  world.Begin();
  const uint64_t before = TotalLatency(world, LatencyStage::kReceiveToDecide);
  world.is_market_alive = false;
  world.Pass(20 * kNanosPerSecond);
  CHECK(world.loop->phase() == LoopPhase::kHalted);
  CHECK(TotalLatency(world, LatencyStage::kReceiveToDecide) == before);
  world.Move(World::kMid - 40, World::kMid + 40);
  world.Turns(1);
  CHECK(TotalLatency(world, LatencyStage::kReceiveToDecide) == before + 1);
  CHECK(world.loop->report().latencies[static_cast<size_t>(LatencyStage::kReceiveToDecide)].max_ns <
        kNanosPerSecond);
}

TEST_CASE("loop: the answer to a placement is timed once, by whatever comes first",
          "[quoting][latency]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  SECTION("the reply") {
    world.Begin();
    world.engine.TellOrder(world.engine.Only());
  }
  SECTION("the stream, then the reply") {
    world.engine.next_place = Fate::kSilent;
    world.Begin();
    FakeEngine::VenueOrder& order = world.engine.Only();
    world.engine.TellOrder(order);
    world.engine.events.push_back(OrderAccepted{.client_order_id = order.intent.client_order_id,
                                                .venue_order_id = order.id,
                                                .venue_time_ns = world.clock.WallNs(),
                                                .receive_time_ns = world.clock.WallNs()});
  }
  SECTION("a fill, then the stream") {
    world.engine.next_place = Fate::kSilent;
    world.Begin();
    FakeEngine::VenueOrder& order = world.engine.Only();
    world.engine.TellFill(world.engine.Execute(order, Quantity::FromLots(40)));
    world.engine.TellOrder(order);
  }
  world.Turns(2);
  CHECK(TotalLatency(world, LatencyStage::kDecideToAck) == 1);
}

TEST_CASE("loop: a refusal of a placement is timed", "[quoting][latency]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.next_place = Fate::kRejectWouldTake;
  world.Begin();
  CHECK(TotalLatency(world, LatencyStage::kDecideToAck) >= 1);
}

}  // namespace
}  // namespace holdfast::testing
