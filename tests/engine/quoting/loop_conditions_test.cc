// Proves that quotes stand only while every condition of law 6 holds, that risk mode, operator and
// store gates do what they say and come back by themselves, and that records are never lost.
#include <catch2/catch.hpp>

#include "fake_venue.h"

namespace holdfast::testing {
namespace {

using Fate = FakeEngine::Fate;

World& Quoting(World& world) {
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100),
                           Want(SellKey(2), World::kMid + 1000, 100)};
  world.Begin();
  REQUIRE(world.engine.open_count() == 2);
  return world;
}

// --- pace ----------------------------------------------------------------------------------------

TEST_CASE("pace: with an update interval the market alone moves quotes only once per interval",
          "[quoting][L3]") {
  QuotingOptions options;
  options.market_decide_interval_ns = 1 * kNanosPerSecond;
  World world(World::FirstRun(), TestLimits(), options);
  Quoting(world);
  world.Pass(2 * kNanosPerSecond);
  const uint64_t decisions = world.counters().decisions;
  for (int i = 0; i < 100; ++i) {  // 10 seconds of a market that moves in every turn
    world.clock.Advance(100 * kNanosPerMilli);
    world.Move(World::kMid - 50 + i % 2, World::kMid + 50 + i % 2);
    world.Turns(2);
  }
  const uint64_t paced = world.counters().decisions - decisions;
  CHECK(paced >= 9);
  CHECK(paced <= 11);
  // A gate is not held back: a gap pulls the quotes in the very next turns.
  world.last_id += 5;
  world.Tick();
  world.Turns(3);
  CHECK(world.engine.open_count() == 0);
}

// --- book (X3) -----------------------------------------------------------------------------------

TEST_CASE("book: a gap pulls the quotes, asks for a snapshot, is counted, and is recovered",
          "[quoting][X3]") {
  World world;
  Quoting(world);
  const int requests = world.feed.snapshot_request_count;
  world.last_id += 5;  // five updates lost
  world.Tick();
  world.Turns(3);
  CHECK(world.engine.open_count() == 0);
  CHECK(world.counters().book_gaps == 1);
  CHECK(world.counters().quotes_pulled == 1);
  CHECK(world.feed.snapshot_request_count == requests + 1);
  CHECK(world.loop->phase() == LoopPhase::kHalted);
  world.Snapshot(world.last_id + 10, World::kMid - 50, World::kMid + 50);
  world.Turns(4);
  CHECK(world.engine.open_count() == 2);
  CHECK(world.counters().book_resyncs == 1);
}

TEST_CASE("book: a snapshot that does not come is asked for again", "[quoting][X3]") {
  World world;
  world.ConnectFeed();
  world.is_market_alive = false;
  world.Turns(2);
  CHECK(world.feed.snapshot_request_count == 1);
  world.Pass(5 * kNanosPerSecond);
  CHECK(world.feed.snapshot_request_count == 3);  // every two seconds
}

TEST_CASE("book: silence makes it stale", "[quoting][X3]") {
  World world;
  Quoting(world);
  world.is_market_alive = false;
  world.Pass(4 * kNanosPerSecond);
  CHECK(world.engine.open_count() == 2);
  world.Pass(2 * kNanosPerSecond);
  CHECK(world.engine.open_count() == 0);
  CHECK_FALSE(world.IsHealthy(HealthFlag::kBook));
  world.is_market_alive = true;
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.open_count() == 2);
}

TEST_CASE("book: a wall clock that is set back does not keep a dead book fresh", "[quoting][X3]") {
  World world;
  Quoting(world);
  world.clock.JumpWall(-3600 * kNanosPerSecond);
  world.is_market_alive = false;
  world.Pass(6 * kNanosPerSecond);
  CHECK(world.engine.open_count() == 0);
}

TEST_CASE("book: crossed is not quotable", "[quoting][X3]") {
  World world;
  Quoting(world);
  FakeFeed::Message message;
  message.kind = FakeFeed::Message::Kind::kUpdate;
  message.first_id = world.last_id + 1;
  message.last_id = ++world.last_id;
  message.bids = {{Price::FromTicks(World::kMid + 60), Quantity::FromLots(1)}};
  world.feed.messages.push_back(message);
  world.Turns(3);
  CHECK(world.engine.open_count() == 0);
  CHECK(world.loop->phase() == LoopPhase::kHalted);
}

TEST_CASE("book: the feed going down voids it", "[quoting][X3]") {
  World world;
  Quoting(world);
  world.ConnectFeed(false);
  world.Turns(3);
  CHECK(world.engine.open_count() == 0);
  CHECK_FALSE(world.IsHealthy(HealthFlag::kFeed));
}

TEST_CASE("book: a newer best bid and ask is the touch until the depth stream catches up",
          "[quoting][X3]") {
  World world;
  Quoting(world);
  FakeFeed::Message message;
  message.kind = FakeFeed::Message::Kind::kTop;
  message.top.update_id = world.last_id + 5;
  message.top.bid_price = Price::FromTicks(World::kMid - 20);
  message.top.bid_quantity = Quantity::FromLots(3);
  message.top.ask_price = Price::FromTicks(World::kMid + 20);
  message.top.ask_quantity = Quantity::FromLots(4);
  world.feed.messages.push_back(message);
  world.Turns(1);
  CHECK(world.strategy.last_view.best_bid.ticks() == World::kMid - 20);
  world.Tick();  // still older than the top
  world.Turns(1);
  CHECK(world.strategy.last_view.best_bid.ticks() == World::kMid - 20);
  for (int i = 0; i < 5; ++i) world.Tick();
  world.Turns(1);
  CHECK(world.strategy.last_view.best_bid.ticks() == World::kMid - 50);
  // An older one changes nothing.
  message.top.update_id = 50;
  world.feed.messages.push_back(message);
  world.Turns(1);
  CHECK(world.strategy.last_view.best_bid.ticks() == World::kMid - 50);
}

TEST_CASE("loop: decides when something relevant has changed, not otherwise", "[quoting]") {
  World world;
  Quoting(world);
  world.Turns(3);
  const int decisions = world.strategy.decide_count;
  world.Turns(50);
  CHECK(world.strategy.decide_count == decisions);
  CHECK(world.loop->RunOnce() == 0);
  world.Tick();
  world.Turns(1);
  CHECK(world.strategy.decide_count == decisions + 1);
}

// --- risk mode (X2) ------------------------------------------------------------------------------

TEST_CASE("risk mode: a fall cancels all buys and pauses entries, and clears with hysteresis",
          "[quoting][X2]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 200'000, 100),
                           Want(SellKey(2), World::kMid + 1000, 100),
                           Want(ExitOf(BuyKey(3)), World::kMid + 2000, 100),
                           Want(ExitOf(SellKey(4)), World::kMid - 250'000, 100)};
  world.Begin();
  REQUIRE(world.engine.open_count() == 4);
  const int64_t low = World::kMid - World::kMid * 35 / 1000;  // 3.5 % down
  world.Move(low - 50, low + 50);
  world.Turns(4);
  // Only the exit that sells is left.
  CHECK(world.engine.open_count() == 1);
  CHECK(world.engine.Only().intent.slot_key == ExitOf(BuyKey(3)));
  CHECK_FALSE(world.strategy.last_view.are_buys_allowed);
  CHECK_FALSE(world.strategy.last_view.are_entries_allowed);
  CHECK(world.counters().risk_mode_entries == 1);
  REQUIRE_FALSE(world.engine.risk_records.empty());
  CHECK(world.engine.risk_records.back().is_risk_mode_active);
  CHECK(world.Status().phase == LoopPhase::kQuoting);
  // Back above the clear level: it has to stay there for a minute.
  world.Move(World::kMid - 50, World::kMid + 50);
  world.Pass(50 * kNanosPerSecond, kNanosPerSecond);
  CHECK(world.engine.open_count() == 1);
  world.Pass(15 * kNanosPerSecond, kNanosPerSecond);
  CHECK(world.engine.open_count() == 4);
  CHECK_FALSE(world.engine.risk_records.back().is_risk_mode_active);
}

TEST_CASE("risk mode: survives a restart", "[quoting][X2]") {
  RecoveredState recovered = World::FirstRun();
  recovered.risk.is_risk_mode_active = true;
  World world(recovered);
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  CHECK(world.engine.placed.empty());
  CHECK_FALSE(world.IsHealthy(HealthFlag::kRiskMode));
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kClearRiskMode, .reason = {}}));
  world.Turns(3);
  CHECK(world.engine.placed.size() == 1);
}

// --- operator ------------------------------------------------------------------------------------

TEST_CASE("operator: pause cancels, survives a restart, and resume quotes again", "[quoting]") {
  World world;
  Quoting(world);
  REQUIRE(world.loop->Post(
      {.kind = OperatorCommand::Kind::kPause, .reason = InlineString<64>("news at two")}));
  world.Turns(3);
  CHECK(world.engine.open_count() == 0);
  REQUIRE(world.engine.risk_records.back().is_paused);
  const StatusSnapshot status = world.Status();
  CHECK(status.health[static_cast<size_t>(HealthFlag::kOperator)].reason == "news at two");

  RecoveredState recovered = World::FirstRun();
  recovered.risk = world.engine.risk_records.back();
  World second(recovered);
  second.strategy.wanted = world.strategy.wanted;
  second.Begin();
  CHECK(second.engine.placed.empty());
  REQUIRE(second.loop->Post({.kind = OperatorCommand::Kind::kResume, .reason = {}}));
  second.Turns(3);
  CHECK(second.engine.placed.size() == 2);
}

TEST_CASE("operator: a kill is ended by nothing but clear-kill and then resume", "[quoting]") {
  World world;
  Quoting(world);
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kKill, .reason = {}}));
  world.Turns(3);
  CHECK(world.engine.open_count() == 0);
  CHECK(world.engine.risk_records.back().is_killed);
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kResume, .reason = {}}));
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.open_count() == 0);
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kClearKill, .reason = {}}));
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.open_count() == 0);
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kResume, .reason = {}}));
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.open_count() == 2);
}

TEST_CASE("operator: an order in flight at the kill is canceled when it answers", "[quoting]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.next_place = Fate::kSilent;
  world.Begin();
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kKill, .reason = {}}));
  world.Turns(3);
  CHECK(world.engine.canceled.empty());
  world.engine.TellOrder(world.engine.Only());
  world.Turns(3);
  CHECK(world.engine.open_count() == 0);
}

// --- store and records ---------------------------------------------------------------------------

TEST_CASE("store: unhealthy stops quoting, cancels go on, and it comes back", "[quoting]") {
  World world;
  Quoting(world);
  world.engine.is_healthy = false;
  world.Turns(3);
  CHECK(world.engine.open_count() == 0);
  CHECK(world.engine.canceled.size() == 2);
  CHECK(world.loop->phase() == LoopPhase::kHalted);
  const StatusSnapshot status = world.Status();
  CHECK(status.health[static_cast<size_t>(HealthFlag::kStore)].reason == "disk full");
  world.engine.is_healthy = true;
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.open_count() == 2);
}

TEST_CASE("records: while the queue is full nothing is placed, nothing is lost, order is kept",
          "[quoting]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 1000)};
  world.Begin();
  const size_t before = world.engine.order_records.size();
  world.engine.takes_records = false;
  auto& order = world.engine.Only();
  for (int i = 0; i < 10; ++i) {
    world.engine.FillAndTell(order, Quantity::FromLots(10));
    world.Turns(1);
  }
  world.strategy.wanted.push_back(Want(SellKey(2), World::kMid + 1000, 100));
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.size() == 1);
  CHECK(world.engine.order_records.size() == before);
  CHECK(world.counters().fills == 10);
  CHECK_FALSE(world.IsHealthy(HealthFlag::kRecordQueue));
  world.engine.takes_records = true;
  world.Pass(kNanosPerSecond);
  REQUIRE(world.engine.fill_records.size() == 10);
  for (size_t i = 0; i < 10; ++i) {
    CHECK(world.engine.fill_records[i].order->filled.lots() == static_cast<int64_t>(10 * (i + 1)));
    CHECK(world.engine.fill_records[i].position.quantity().lots() ==
          static_cast<int64_t>(10 * (i + 1)));
  }
  CHECK(world.engine.placed.size() > 1);
}

TEST_CASE("records: with a dead store events wait at the engine instead of being dropped",
          "[quoting]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 10'000)};
  world.Begin();
  world.engine.takes_records = false;
  auto& order = world.engine.Only();
  for (int i = 0; i < 3000; ++i) {
    world.engine.TellFill(world.engine.Execute(order, Quantity::FromLots(1)));
  }
  world.Pass(kNanosPerSecond);
  CHECK_FALSE(world.engine.events.empty());
  CHECK(world.counters().fills < 1024);
  world.engine.takes_records = true;
  world.Pass(2 * kNanosPerSecond);
  CHECK(world.counters().fills == 3000);
  CHECK(world.engine.fill_records.size() == 3000);
  CHECK(world.loop->position().quantity().lots() == 3000);
}

TEST_CASE("records: an order's end is stored after its last fill, never before", "[quoting]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  world.engine.takes_records = false;
  auto& order = world.engine.Only();
  world.engine.FillAndTell(order, Quantity::FromLots(30));
  order.status = VenueOrderStatus::kCanceled;
  world.strategy.wanted.clear();
  world.engine.TellOrder(order);
  world.Turns(3);
  const size_t before = world.engine.order_records.size();
  world.engine.takes_records = true;
  world.Turns(2);
  REQUIRE(world.engine.fill_records.size() == 1);
  CHECK(world.engine.fill_records[0].order->state == OrderState::kPartiallyFilled);
  REQUIRE(world.engine.order_records.size() > before);
  CHECK(world.engine.order_records.back().order.state == OrderState::kCanceled);
  CHECK(world.engine.order_records.back().order.filled.lots() == 30);
}

TEST_CASE("records: the strategy's memory is stored when it changes", "[quoting][G1]") {
  World world;
  Quoting(world);
  REQUIRE(world.engine.memory_records.size() == 1);
  world.strategy.interval_ticks = 200'000;
  world.Tick();
  world.Turns(2);
  REQUIRE(world.engine.memory_records.size() == 2);
  CHECK(world.engine.memory_records[1].memory.interval_ticks == 200'000);
}

// --- venue ---------------------------------------------------------------------------------------

TEST_CASE("breaker: failures in a row stop placements for a while, also across a restart",
          "[quoting][X9]") {
  RiskLimits limits = TestLimits();
  limits.breaker_failure_count = 3;
  World world(World::FirstRun(), limits);
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.next_place = Fate::kRejectOther;
  world.engine.is_fate_sticky = true;
  world.Begin();
  world.Pass(8 * kNanosPerSecond);
  CHECK(world.engine.placed.size() == 3);
  CHECK(world.Status().health[static_cast<size_t>(HealthFlag::kVenueBreaker)].is_ok == false);
  REQUIRE(world.engine.risk_records.back().breaker_open_until_ns > world.clock.WallNs());

  RecoveredState recovered = World::FirstRun();
  recovered.risk = world.engine.risk_records.back();
  World second(recovered, limits);
  second.strategy.wanted = world.strategy.wanted;
  second.Begin();
  CHECK(second.engine.placed.empty());

  world.engine.next_place = Fate::kAccept;
  world.Pass(6 * kNanosPerSecond);
  CHECK(world.engine.placed.size() == 4);
  CHECK(world.engine.risk_records.back().breaker_open_until_ns == 0);
}

TEST_CASE("budget: with only the reserve for cancels left nothing is placed", "[quoting][X8]") {
  World world;
  world.engine.is_budget_open = false;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.empty());
  CHECK(world.counters().placements_delayed > 0);
  world.engine.is_budget_open = true;
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.size() == 1);
}

namespace {

// Six levels, nearest first: 1, 2, ...
std::vector<TargetOrder> SixBuys() {
  std::vector<TargetOrder> wanted;
  for (int32_t line = 1; line <= 6; ++line) {
    wanted.push_back(Want(BuyKey(line), World::kMid - 1000 * line, 100));
  }
  return wanted;
}

}  // namespace

TEST_CASE("budget: a turn places what the venue's budget has left, the rest waits without a word",
          "[quoting][X8]") {
  World world;
  world.engine.placement_room = 4;
  world.strategy.wanted = SixBuys();
  world.Begin();
  world.Pass(kNanosPerSecond);
  REQUIRE(world.engine.placed.size() == 4);
  CHECK(world.engine.placed[3].slot_key == BuyKey(4));
  CHECK(world.counters().placements_delayed > 0);
  CHECK(world.Denied(DenyReason::kOrderRate) == 0);
  CHECK(world.observer.Count(LoopEventKind::kOrderDenied) == 0);

  world.engine.placement_room = 100;
  world.Pass(100 * kNanosPerMilli);
  CHECK(world.engine.placed.size() == 6);
}

TEST_CASE("budget: placements that are not answered count, whether or not the venue's count does",
          "[quoting][X8]") {
  World world;
  world.engine.placement_room = 4;
  world.engine.counts_at_once = false;
  world.engine.next_place = Fate::kSilent;
  world.engine.is_fate_sticky = true;
  world.strategy.wanted = SixBuys();
  world.Begin();
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.size() == 4);
  for (const auto& [id, order] : world.engine.orders) world.engine.TellOrder(order);
  world.engine.placement_room = 1;  // and now it counts them
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.size() == 5);
}

TEST_CASE("budget: an order that our own connector did not send is no failure of the venue",
          "[quoting][X8]") {
  RiskLimits limits = TestLimits();
  limits.breaker_failure_count = 3;
  World world(World::FirstRun(), limits);
  world.engine.next_place = Fate::kNotSent;
  world.engine.is_fate_sticky = true;
  world.strategy.wanted = SixBuys();
  world.Begin();
  world.Pass(kNanosPerSecond);
  CHECK(world.counters().orders_not_sent >= 6);
  CHECK(world.counters().rejects_by_reason[static_cast<size_t>(RejectReason::kNotSent)] == 0);
  CHECK(world.IsHealthy(HealthFlag::kVenueBreaker));
  world.engine.next_place = Fate::kAccept;
  world.Pass(2 * kNanosPerSecond);
  CHECK(world.engine.open_count() == 6);
}

namespace {

// Prices of what rests at the venue.
void CheckNoOwnPairCrosses(const World& world) {
  int64_t highest_buy = INT64_MIN;
  int64_t lowest_sell = INT64_MAX;
  for (const auto& [id, order] : world.engine.orders) {
    if (!order.is_open()) continue;
    const int64_t ticks = order.intent.price.ticks();
    if (order.intent.side == Side::kBuy) {
      highest_buy = std::max(highest_buy, ticks);
    } else {
      lowest_sell = std::min(lowest_sell, ticks);
    }
  }
  CHECK(highest_buy < lowest_sell);
}

}  // namespace

TEST_CASE("self-trade: no pair of own working orders crosses, whatever the strategy wants",
          "[quoting][X8]") {
  World world;
  // Inside the spread, so that neither takes from the book.
  world.strategy.wanted = {
      Want(BuyKey(1), World::kMid + 10, 100), Want(SellKey(2), World::kMid - 10, 100),
      Want(SellKey(3), World::kMid + 10, 100), Want(SellKey(4), World::kMid + 11, 100)};
  world.Begin();
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.open_count() == 2);
  CHECK(world.Denied(DenyReason::kSelfTrade) > 0);
  CheckNoOwnPairCrosses(world);
  SECTION("a level that moves across another waits until that one is gone") {
    world.engine.next_cancel = FakeEngine::CancelFate::kRateLimit;
    world.engine.is_fate_sticky = true;
    world.strategy.wanted = {Want(BuyKey(5), World::kMid + 30, 100)};
    world.Pass(3 * kNanosPerSecond);
    CheckNoOwnPairCrosses(world);
    world.engine.next_cancel = FakeEngine::CancelFate::kCancel;
    world.Pass(30 * kNanosPerSecond);
    CHECK(world.engine.open_count() == 1);
    CHECK(world.engine.Only().intent.slot_key == BuyKey(5));
  }
  SECTION("one whose outcome is not known counts") {
    world.engine.next_place = FakeEngine::Fate::kSilent;
    world.strategy.wanted.push_back(Want(SellKey(6), World::kMid + 20, 100));
    world.Tick();
    world.Turns(2);
    world.strategy.wanted = {Want(BuyKey(7), World::kMid + 20, 100)};
    world.Pass(200 * kNanosPerMilli);
    CheckNoOwnPairCrosses(world);
  }
}

TEST_CASE("order size: below the venue's minimum it does not call itself quoting", "[quoting]") {
  World world;
  world.strategy.ordinary_quantity = Quantity::FromLots(9);  // 4.50 of at least 5
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 9)};
  world.Begin();
  world.Pass(kNanosPerSecond);
  const StatusSnapshot status = world.Status();
  CHECK(status.phase == LoopPhase::kHalted);
  CHECK(status.order_quantity_needed == Quantity::FromLots(11));
  const HealthStatus& health = status.health[static_cast<size_t>(HealthFlag::kOrderSize)];
  CHECK_FALSE(health.is_ok);
  CHECK(health.reason == "order below minimum notional: 0.00009 needed 0.00011");
  CHECK(world.observer.Count(LoopEventKind::kSafety) == 1);

  // The venue's minimum becomes lower while it runs.
  Instrument changed = TestInstrument();
  changed.min_notional = Decimal::FromInteger(4);
  world.engine.events.push_back(InstrumentReport{.request_id = {}, .instrument = changed});
  world.Pass(2 * kNanosPerSecond);
  CHECK(world.Status().phase == LoopPhase::kQuoting);
  CHECK(world.IsHealthy(HealthFlag::kOrderSize));
  CHECK(world.engine.placed.size() == 1);
}

TEST_CASE("fatal: a venue error that retrying cannot cure stops quoting and is told", "[quoting]") {
  World world;
  Quoting(world);
  world.engine.events.push_back(
      FatalVenueError{.venue_code = -2015, .text = VenueText("invalid API key")});
  world.Turns(3);
  CHECK(world.loop->phase() == LoopPhase::kFailed);
  REQUIRE(world.loop->fatal_error().has_value());
  CHECK(world.loop->fatal_error()->text == "invalid API key");
  CHECK(world.engine.open_count() == 0);
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.size() == 2);
}

TEST_CASE("filters: new limits are taken over while running", "[quoting]") {
  World world;
  Quoting(world);
  Instrument changed = TestInstrument();
  changed.min_notional = Decimal::FromInteger(100);  // our orders are 50
  world.engine.instrument = changed;
  world.engine.events.push_back(InstrumentReport{.request_id = {}, .instrument = changed});
  world.Turns(2);
  CHECK(world.counters().instrument_changes == 1);
  CHECK(world.engine.open_count() == 2);  // what rests may stay
  world.engine.FillAndTell(world.engine.ByKey(BuyKey(1)), Quantity::FromLots(100));
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.size() == 2);
  CHECK(world.Denied(DenyReason::kInstrumentFilter) > 0);
}

TEST_CASE("filters: a new tick or lot size pulls the quotes with a reason", "[quoting]") {
  World world;
  Quoting(world);
  Instrument changed = TestInstrument();
  changed.tick_size = Decimal::FromUnits(10'000'000);
  world.engine.instrument = changed;
  world.engine.events.push_back(InstrumentReport{.request_id = {}, .instrument = changed});
  world.Turns(3);
  CHECK(world.engine.open_count() == 0);
  CHECK(world.Status().health[static_cast<size_t>(HealthFlag::kInstrument)].reason ==
        "tick or lot size changed: restart");
  // Changed back: goes on by itself.
  world.engine.instrument = TestInstrument();
  world.engine.events.push_back(InstrumentReport{.request_id = {}, .instrument = TestInstrument()});
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.open_count() == 2);
}

TEST_CASE("filters: a halted instrument is not quoted", "[quoting]") {
  World world;
  Quoting(world);
  Instrument changed = TestInstrument();
  changed.status = TradingStatus::kCancelOnly;
  world.engine.instrument = changed;
  world.engine.events.push_back(InstrumentReport{.request_id = {}, .instrument = changed});
  world.Turns(3);
  CHECK(world.engine.open_count() == 0);
  CHECK_FALSE(world.IsHealthy(HealthFlag::kInstrument));
}

// --- clean-up (X10) ------------------------------------------------------------------------------

TEST_CASE("clean-up: beyond a count the farthest orders are canceled", "[quoting][X10]") {
  QuotingOptions options;
  options.cleanup_order_count = 3;
  options.cleanup_interval_ns = 2 * kNanosPerSecond;
  World world(World::FirstRun(), TestLimits(), options);
  for (int32_t i = 1; i <= 5; ++i) {
    world.strategy.wanted.push_back(Want(BuyKey(i), World::kMid - 1000 * i, 100));
  }
  world.Begin();
  REQUIRE(world.engine.open_count() == 5);
  world.Pass(2 * kNanosPerSecond + 500 * kNanosPerMilli);
  CHECK(world.counters().cleanup_cancels >= 2);
  CHECK(world.engine.canceled.at(0).number == world.engine.placed.at(4).number);
  CHECK(world.engine.canceled.at(1).number == world.engine.placed.at(3).number);
}

TEST_CASE("clean-up: an order nobody wants does not wait out the cancels' back-off for ever",
          "[quoting][X10]") {
  QuotingOptions options;
  options.cancel_retry_ns = 3600 * kNanosPerSecond;
  options.cancel_retry_ns_max = 3600 * kNanosPerSecond;
  World world(World::FirstRun(), TestLimits(), options);
  Quoting(world);
  world.strategy.wanted.clear();
  world.engine.next_cancel = FakeEngine::CancelFate::kRateLimit;
  world.engine.is_fate_sticky = true;
  world.Tick();
  world.Turns(3);
  world.engine.next_cancel = FakeEngine::CancelFate::kCancel;
  world.Pass(20 * kNanosPerSecond);
  CHECK(world.engine.open_count() == 2);
  world.Pass(25 * kNanosPerSecond);
  CHECK(world.engine.open_count() == 0);
  CHECK(world.counters().cleanup_cancels == 2);
}

TEST_CASE("clean-up: of two equally far orders the older goes", "[quoting][X10]") {
  QuotingOptions options;
  options.cleanup_order_count = 1;
  options.cleanup_interval_ns = 2 * kNanosPerSecond;
  World world(World::FirstRun(), TestLimits(), options);
  // Both are 1000 ticks from the best bid; the sell is nearer to the mid and placed first.
  const int64_t bid = World::kMid - 50;
  world.strategy.wanted = {Want(BuyKey(1), bid - 1000, 100), Want(SellKey(2), bid + 1000, 100)};
  world.Begin();
  REQUIRE(world.engine.placed.size() == 2);
  REQUIRE(world.engine.placed[0].slot_key == SellKey(2));
  world.Pass(3 * kNanosPerSecond);
  REQUIRE_FALSE(world.engine.canceled.empty());
  CHECK(world.engine.canceled[0].client_order_id == world.engine.placed[0].client_order_id);
}

}  // namespace
}  // namespace holdfast::testing
