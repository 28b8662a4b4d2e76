// Proves start and recovery as one code path (DESIGN section 7, R7): what happened in the dark is
// booked, our orders are adopted or resolved, foreign ones are left, differences become explicit
// adjustments, and nothing is quoted before all of that is done.
#include <catch2/catch.hpp>

#include "fake_venue.h"

namespace holdfast::testing {
namespace {

TEST_CASE("reconcile: nothing is placed before the account is known", "[quoting][R7]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.answers_queries = false;  // the open-orders list does not come
  world.Begin();
  world.Pass(5 * kNanosPerSecond);
  CHECK(world.engine.placed.empty());
  CHECK(world.loop->phase() == LoopPhase::kReconciling);
  world.engine.answers_queries = true;
  world.Pass(20 * kNanosPerSecond);
  CHECK(world.engine.placed.size() == 1);
  CHECK(world.counters().reconciliations >= 1);
}

TEST_CASE("reconcile: the first run books opening balances, without an alert", "[quoting]") {
  World world;
  world.Begin();
  CHECK(world.engine.ledger_records.size() == 2);
  CHECK(world.engine.ledger_records[0].transaction.cause == LedgerCause::kOpening);
  CHECK(world.loop->ledger().Balance(LedgerAccount::kWallet, AssetCode("USDT")) ==
        Decimal::FromInteger(1'000'000));
  CHECK(world.counters().wallet_adjustments == 0);
}

TEST_CASE("reconcile: a wallet difference becomes an explicit adjustment", "[quoting][R7]") {
  World world;
  world.Begin();
  world.engine.balances["USDT"].first -= Decimal::FromInteger(250);
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kReconcile, .reason = {}}));
  world.Turns(15);
  CHECK(world.counters().wallet_adjustments == 1);
  CHECK(world.observer.Count(LoopEventKind::kWalletAdjusted) == 1);
  REQUIRE(world.engine.ledger_records.size() == 3);
  CHECK(world.engine.ledger_records[2].transaction.cause == LedgerCause::kAdjustment);
  CHECK(world.loop->ledger().Balance(LedgerAccount::kWallet, AssetCode("USDT")) ==
        Decimal::FromInteger(999'750));
  world.Pass(2 * kNanosPerSecond);
  CHECK(world.engine.ledger_records.size() == 3);
}

TEST_CASE("reconcile: a fill while balances are read is not an unexplained difference",
          "[quoting][R7]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kReconcile, .reason = {}}));
  // Fills dribble in while the lists are read; the stream tells of each only later.
  for (int i = 0; i < 12; ++i) {
    if (i % 3 == 0) {
      const Fill fill = world.engine.Execute(world.engine.Only(), Quantity::FromLots(5));
      world.engine.TellFill(fill);
    }
    world.Turns(1);
  }
  world.Pass(2 * kNanosPerSecond);
  CHECK(world.counters().wallet_adjustments == 0);
  CHECK(world.counters().reconciliations == 2);
}

// Symptom: the cancel's report counted a fill whose event was lost, the balances had it already,
// and the difference was booked as an adjustment, twice: when it came, the other way round.
TEST_CASE("reconcile: balances wait for a fill that an order's report told of", "[quoting][R7]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  world.engine.lists_fills = false;
  world.engine.Execute(world.engine.Only(), Quantity::FromLots(30));
  world.engine.TellOrder(world.engine.Only());
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kReconcile, .reason = {}}));
  world.Pass(4 * kNanosPerSecond);
  CHECK(world.counters().wallet_adjustments == 0);
  world.engine.lists_fills = true;
  world.Pass(15 * kNanosPerSecond);
  CHECK(world.loop->position().quantity().lots() == 30);
  CHECK(world.counters().wallet_adjustments == 0);
  CHECK(world.counters().reconciliations == 2);
}

TEST_CASE("reconcile: a stored order that still rests is kept, with its slot", "[quoting][R7]") {
  RecoveredState recovered = SecondRun();
  World probe;  // for the account tag and the clock
  recovered.open_orders = {StoredOrder(probe, 7, BuyKey(1), World::kMid - 1000, 100)};
  World world(recovered);
  world.engine.AddOrder(IntentOf(recovered.open_orders[0])).id =
      recovered.open_orders[0].venue_order_id;
  world.engine.next_number = 100;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.empty());
  CHECK(world.engine.canceled.empty());
  CHECK(world.loop->open_order_count() == 1);
  CHECK(world.strategy.last_slots.at(0).state == SlotState::kLocked);
}

TEST_CASE("reconcile: a stored order that filled in the dark is found and its fill booked",
          "[quoting][R7][D3]") {
  RecoveredState recovered = SecondRun();
  World probe;
  recovered.open_orders = {StoredOrder(probe, 7, BuyKey(1), World::kMid - 1000, 100)};
  World world(recovered);
  auto& order = world.engine.AddOrder(IntentOf(recovered.open_orders[0]));
  order.id = recovered.open_orders[0].venue_order_id;
  world.engine.next_number = 100;
  world.engine.Execute(order, Quantity::FromLots(100));
  world.Begin();
  world.Pass(kNanosPerSecond);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.loop->position().quantity().lots() == 100);
  REQUIRE(world.strategy.last_slots.size() == 1);
  CHECK(world.strategy.last_slots[0].held.lots() == 100);
  CHECK(world.counters().foreign_fills == 0);
  CHECK(world.counters().wallet_adjustments == 0);
}

TEST_CASE("reconcile: a stored order that was in flight is resolved, never sent again",
          "[quoting][D3]") {
  RecoveredState recovered = SecondRun();
  World probe;
  Order order = StoredOrder(probe, 7, BuyKey(1), World::kMid - 1000, 100);
  order.venue_order_id = VenueOrderId();
  order.create_time_ns = probe.clock.WallNs() - kNanosPerSecond;  // its window is still open
  SECTION("in flight, arrived") {
    order.state = OrderState::kInFlight;
    recovered.open_orders = {order};
    World world(recovered);
    world.engine.AddOrder(IntentOf(order));
    world.engine.next_number = 100;
    world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
    world.Begin();
    world.Pass(20 * kNanosPerSecond);
    CHECK(world.engine.placed.empty());
    CHECK(world.loop->open_order_count() == 1);
  }
  SECTION("journaled, never arrived") {
    order.state = OrderState::kJournaled;
    recovered.open_orders = {order};
    World world(recovered);
    world.engine.next_number = 100;
    world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
    world.Begin();
    world.Pass(2 * kNanosPerSecond);
    CHECK(world.engine.placed.empty());
    world.Pass(20 * kNanosPerSecond);
    CHECK(world.counters().unknown_resolved_absent == 1);
    REQUIRE(world.engine.placed.size() == 1);
    CHECK(world.engine.placed[0].number == OrderNumber(100));
  }
}

TEST_CASE("reconcile: an open order with our tag that the store lost is adopted", "[quoting][R7]") {
  RecoveredState recovered = SecondRun();
  World probe;
  const Order lost = StoredOrder(probe, 7, BuyKey(1), World::kMid - 1000, 100);
  SECTION("and kept when it is still wanted") {
    World world(recovered);
    world.engine.AddOrder(IntentOf(lost));
    world.engine.next_number = 100;
    world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
    world.Begin();
    world.Pass(kNanosPerSecond);
    CHECK(world.counters().orders_adopted == 1);
    CHECK(world.engine.placed.empty());
    CHECK(world.engine.canceled.empty());
    REQUIRE_FALSE(world.engine.order_records.empty());
    CHECK(world.engine.order_records[0].order.number == OrderNumber(7));
  }
  SECTION("and canceled when it is not") {
    World world(recovered);
    world.engine.AddOrder(IntentOf(lost));
    world.Begin();
    world.Pass(kNanosPerSecond);
    CHECK(world.engine.canceled.size() == 1);
    CHECK(world.engine.open_count() == 0);
  }
  SECTION("and of two for one key only one stays") {
    World world(recovered);
    world.engine.AddOrder(IntentOf(lost));
    world.engine.AddOrder(IntentOf(StoredOrder(probe, 8, BuyKey(1), World::kMid - 1000, 100)));
    world.engine.next_number = 100;
    world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
    world.Begin();
    world.Pass(kNanosPerSecond);
    CHECK(world.engine.open_count() == 1);
    CHECK(world.engine.placed.empty());
  }
}

TEST_CASE("reconcile: an adopted order whose fills were booked before ends without booking again",
          "[quoting][D3]") {
  RecoveredState recovered = SecondRun();
  World probe;
  const Order lost = StoredOrder(probe, 7, BuyKey(1), World::kMid - 1000, 100);
  recovered.recent_trade_ids.push_back(VenueTradeId(1000));  // booked, its order's record was lost
  recovered.position = Position::Restore(Quantity::FromLots(40), Decimal::FromInteger(20), {});
  World world(recovered);
  auto& order = world.engine.AddOrder(IntentOf(lost));
  const auto balances = world.engine.balances;
  world.engine.Execute(order, Quantity::FromLots(40));  // trade 1000
  world.engine.balances = balances;
  world.Begin();
  world.Pass(10 * kNanosPerSecond);
  CHECK(world.engine.open_count() == 0);  // canceled: not wanted
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.loop->position().quantity().lots() == 40);
  CHECK(world.counters().fills == 0);
}

TEST_CASE("reconcile: foreign orders are reported and left, or canceled when told so",
          "[quoting][R7]") {
  QuotingOptions options;
  options.cancel_foreign_orders = GENERATE(false, true);
  World world(World::FirstRun(), TestLimits(), options);
  PlaceIntent foreign;
  foreign.client_order_id = ClientOrderId("web_abc");
  foreign.price = Price::FromTicks(World::kMid - 500);
  foreign.quantity = Quantity::FromLots(10);
  world.engine.AddOrder(foreign);
  world.Begin();
  CHECK(world.counters().foreign_orders_seen == 1);
  CHECK(world.observer.Count(LoopEventKind::kForeignOrder) == 1);
  CHECK(world.engine.open_count() == (options.cancel_foreign_orders ? 0 : 1));
  CHECK(world.loop->open_order_count() == 0);
}

TEST_CASE("reconcile: private stream down stops placements, cancels quotes, and is made good",
          "[quoting][R7]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  REQUIRE(world.engine.open_count() == 1);
  auto& order = world.engine.Only();
  world.engine.has_stream = false;
  world.engine.events.push_back(ConnectionChange{
      .channel = Channel::kPrivateStream, .is_up = false, .text = VenueText("cut")});
  // Filled in the dark, in part, before our cancel arrives.
  world.engine.Execute(order, Quantity::FromLots(30));
  world.Pass(kNanosPerSecond);
  CHECK(world.loop->phase() == LoopPhase::kConnecting);
  CHECK(world.engine.open_count() == 0);
  CHECK(world.engine.placed.size() == 1);
  world.engine.has_stream = true;
  world.Pass(3 * kNanosPerSecond);
  CHECK(world.loop->position().quantity().lots() == 30);
  CHECK(world.loop->phase() == LoopPhase::kQuoting);
  CHECK(world.engine.placed.size() == 2);
  CHECK(world.counters().wallet_adjustments == 0);
}

TEST_CASE("reconcile: a drop too short for the flags is reconciled all the same", "[quoting][R7]") {
  World world;
  world.Begin();
  const uint64_t before = world.counters().reconciliations;
  world.engine.events.push_back(
      ConnectionChange{.channel = Channel::kPrivateStream, .is_up = false, .text = VenueText("")});
  world.engine.events.push_back(
      ConnectionChange{.channel = Channel::kPrivateStream, .is_up = true, .text = VenueText("")});
  world.Turns(1);
  CHECK(world.loop->phase() != LoopPhase::kQuoting);
  world.Pass(kNanosPerSecond);
  CHECK(world.counters().reconciliations == before + 1);
  CHECK(world.loop->phase() == LoopPhase::kQuoting);
}

TEST_CASE("reconcile: an order the periodic listing misses is asked for", "[quoting][X5]") {
  QuotingOptions options;
  options.reconcile_interval_ns = 5 * kNanosPerSecond;
  World world(World::FirstRun(), TestLimits(), options);
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  world.engine.Only().status = VenueOrderStatus::kExpired;  // the event was lost
  world.Pass(8 * kNanosPerSecond);
  CHECK(world.counters().orders_expired == 1);
  CHECK(world.engine.placed.size() == 2);
}

TEST_CASE("safety: each failed check keeps us from quoting and says what to change",
          "[quoting][X11]") {
  QuotingOptions options;
  options.configured_maker_fee_rate = Decimal();
  World world(World::FirstRun(), TestLimits(), options);
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  std::string expected;
  SECTION("permission") {
    world.engine.can_trade = false;
    expected = "enable spot trading";
  }
  SECTION("fee") {
    world.engine.maker_fee = Decimal::FromUnits(100'000);
    expected = "correct the configured maker fee rate";
  }
  SECTION("clock skew") {
    world.engine.clock_offset_ns = -3 * kNanosPerSecond;
    expected = "synchronize this machine's clock";
  }
  SECTION("balance") {
    world.engine.balances = {{"USDT", {Decimal::FromInteger(3), Decimal()}}};
    expected = "deposit either asset";
  }
  SECTION("instrument") {
    world.engine.instrument.status = TradingStatus::kHalted;
    expected = "BTCUSDT is not trading";
  }
  world.Begin();
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.empty());
  CHECK(world.loop->phase() == LoopPhase::kUnsafe);
  CHECK(world.loop->safety_problem().find(expected) != std::string::npos);
  CHECK(world.observer.Count(LoopEventKind::kSafety) == 1);
}

TEST_CASE("safety: a cured account is quoted after the next comparison", "[quoting][X11]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.can_trade = false;
  world.Begin();
  CHECK(world.engine.placed.empty());
  world.engine.can_trade = true;
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kReconcile, .reason = {}}));
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.size() == 1);
  CHECK(world.loop->safety_problem().empty());
}

}  // namespace
}  // namespace holdfast::testing
