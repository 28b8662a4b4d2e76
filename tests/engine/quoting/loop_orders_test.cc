// Proves the life of orders in the loop: placing, filling, canceling, replacing, and that every
// fill is booked exactly once whatever order the evidence comes in. The venue is played by hand and
// the clock is stepped.
#include <catch2/catch.hpp>

#include "fake_venue.h"

namespace holdfast::testing {
namespace {

using Fate = FakeEngine::Fate;
using CancelFate = FakeEngine::CancelFate;

TEST_CASE("loop: quotes when everything is true, and what the target wants", "[quoting][X2]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100),
                           Want(SellKey(2), World::kMid + 1000, 100)};
  CHECK(world.loop->phase() == LoopPhase::kConnecting);
  world.Begin();
  CHECK(world.loop->phase() == LoopPhase::kQuoting);
  REQUIRE(world.engine.placed.size() == 2);
  for (const PlaceIntent& intent : world.engine.placed) {
    CHECK(intent.is_post_only);
    const auto parsed = ParseClientOrderId(world.account, intent.client_order_id.view());
    REQUIRE(parsed.has_value());
    CHECK(SlotKey::Unpack(parsed->slot_key) == intent.slot_key);
  }
  // Nothing more to do: no second order for one intent.
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.size() == 2);
  CHECK(world.engine.canceled.empty());
}

TEST_CASE("loop: a slot goes from pending to locked on the accept, and is free after a cancel",
          "[quoting][X2][G9]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.next_place = Fate::kSilent;
  world.Begin();
  REQUIRE(world.strategy.last_slots.size() <= 1);
  world.Tick();
  world.Turns(1);
  REQUIRE(world.strategy.last_slots.size() == 1);
  CHECK(world.strategy.last_slots[0].state == SlotState::kPending);
  world.engine.TellOrder(world.engine.Only());
  world.Turns(2);
  CHECK(world.strategy.last_slots[0].state == SlotState::kLocked);
  world.strategy.wanted.clear();
  world.Tick();
  world.Turns(3);
  CHECK(world.strategy.last_slots.empty());
  CHECK(world.loop->open_order_count() == 0);
}

TEST_CASE("loop: the nearest order to the touch is placed first", "[quoting]") {
  QuotingOptions options;
  options.max_intents_per_turn = 1;
  World world(World::FirstRun(), TestLimits(), options);
  world.strategy.wanted = {Want(BuyKey(3), World::kMid - 3000, 100),
                           Want(SellKey(1), World::kMid + 1000, 100),
                           Want(BuyKey(2), World::kMid - 2000, 100)};
  world.Begin();
  world.Turns(4);
  REQUIRE(world.engine.placed.size() == 3);
  CHECK(world.engine.placed[0].price.ticks() == World::kMid + 1000);
  CHECK(world.engine.placed[1].price.ticks() == World::kMid - 2000);
  CHECK(world.engine.placed[2].price.ticks() == World::kMid - 3000);
}

TEST_CASE("loop: a replacement is placed only after the old order's end is known", "[quoting]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 900, 100)};
  world.engine.next_cancel = CancelFate::kSilent;
  world.Tick();
  world.Turns(5);
  CHECK(world.engine.canceled.size() == 1);
  CHECK(world.engine.placed.size() == 1);  // the key is blocked
  auto& order = world.engine.Only();
  order.status = VenueOrderStatus::kCanceled;
  world.engine.TellOrder(order);
  world.Turns(2);
  REQUIRE(world.engine.placed.size() == 2);
  CHECK(world.engine.placed[1].price.ticks() == World::kMid - 900);
}

TEST_CASE("loop: an order within the tolerance band keeps its place", "[quoting]") {
  World world;
  world.strategy.tolerance_ticks = 5;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1005, 100)};
  world.Tick();
  world.Turns(3);
  CHECK(world.engine.canceled.empty());
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1006, 100)};
  world.Tick();
  world.Turns(3);
  CHECK(world.engine.canceled.size() == 1);
}

TEST_CASE("loop: a fill is booked once, by stream, by reply and by list", "[quoting][X4]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  const Fill fill = world.engine.Execute(world.engine.Only(), Quantity::FromLots(100));
  world.engine.TellFill(fill, EvidenceSource::kReply);
  world.engine.TellFill(fill, EvidenceSource::kStream);
  Fill listed = fill;
  listed.client_order_id = ClientOrderId();
  world.engine.TellFill(listed, EvidenceSource::kTradesQuery);
  world.strategy.wanted.clear();
  world.Turns(3);
  CHECK(world.loop->position().quantity().lots() == 100);
  CHECK(world.counters().fills == 1);
  CHECK(world.counters().duplicate_fills == 2);
  REQUIRE(world.engine.fill_records.size() == 1);
  CHECK(world.engine.fill_records[0].order->state == OrderState::kFilled);
  CHECK(world.engine.fill_records[0].slot->held.lots() == 100);
  CHECK(world.engine.fill_records[0].position.quantity().lots() == 100);
}

TEST_CASE("loop: a fill before the accept wins", "[quoting][X4]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.next_place = Fate::kSilent;
  world.Begin();
  auto& order = world.engine.Only();
  const PlaceIntent intent = order.intent;
  world.strategy.wanted.clear();
  world.engine.TellFill(world.engine.Execute(order, Quantity::FromLots(100)));
  world.engine.events.push_back(
      OrderAccepted{.client_order_id = intent.client_order_id, .venue_order_id = order.id});
  world.Turns(3);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.counters().illegal_transitions == 0);
  CHECK(world.counters().orders_filled == 1);
  CHECK(world.strategy.last_slots.at(0).state == SlotState::kFilled);
}

TEST_CASE("loop: the end of an order waits for the fills it implies", "[quoting][X4]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  auto& order = world.engine.Only();
  const Fill fill = world.engine.Execute(order, Quantity::FromLots(40));
  order.status = VenueOrderStatus::kCanceled;
  world.strategy.wanted.clear();
  world.engine.TellOrder(order);  // canceled, 40 filled; the fill itself is late
  world.Turns(2);
  CHECK(world.loop->open_order_count() == 1);
  // No final state reached the store without its fill.
  for (const OrderRecord& record : world.engine.order_records) {
    CHECK_FALSE(IsFinal(record.order.state));
  }
  world.engine.TellFill(fill);
  world.Turns(2);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.loop->position().quantity().lots() == 40);
  CHECK(world.engine.order_records.back().order.state == OrderState::kCanceled);
}

TEST_CASE("loop: a fill that never comes by stream is fetched", "[quoting][X4]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  auto& order = world.engine.Only();
  world.engine.Execute(order, Quantity::FromLots(100));
  world.strategy.wanted.clear();
  world.engine.TellOrder(order);
  world.Pass(2 * kNanosPerSecond);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.loop->position().quantity().lots() == 100);
}

TEST_CASE("loop: a late fill of a canceled order is booked", "[quoting][X4]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  auto& order = world.engine.Only();
  const Fill fill = world.engine.Execute(order, Quantity::FromLots(30));
  // The venue's report claims that nothing was filled.
  order.filled = Quantity();
  order.status = VenueOrderStatus::kCanceled;
  world.strategy.wanted.clear();
  world.engine.TellOrder(order);
  world.Turns(2);
  CHECK(world.loop->open_order_count() == 0);
  world.engine.TellFill(fill);
  world.Turns(2);
  CHECK(world.counters().late_fills == 1);
  CHECK(world.counters().illegal_transitions == 0);
  CHECK(world.loop->position().quantity().lots() == 30);
  CHECK(world.strategy.last_slots.at(0).held.lots() == 30);
}

TEST_CASE("loop: a fill that races a cancel wins, and the cancel's refusal is no harm",
          "[quoting][X5]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  auto& order = world.engine.Only();
  const Fill fill = world.engine.Execute(order, Quantity::FromLots(100));
  world.strategy.wanted.clear();
  world.Tick();
  world.Turns(1);  // cancels; the venue says "unknown order": it was filled
  REQUIRE(world.engine.canceled.size() == 1);
  world.Turns(1);
  CHECK(world.loop->open_order_count() == 1);  // not done until the fills are known
  world.engine.TellOrder(order);
  world.engine.TellFill(fill);
  world.Pass(kNanosPerSecond);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.loop->position().quantity().lots() == 100);
  CHECK(world.counters().illegal_transitions == 0);
}

TEST_CASE("loop: 'unknown order' on a cancel asks for the order and its fills", "[quoting][X5]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  auto& order = world.engine.Only();
  world.engine.Execute(order, Quantity::FromLots(60));
  order.status = VenueOrderStatus::kCanceled;  // somebody canceled the rest; no event reached us
  world.strategy.wanted.clear();
  const int queries = world.engine.order_query_count;
  world.Tick();
  world.Pass(3 * kNanosPerSecond);
  CHECK(world.engine.order_query_count > queries);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.loop->position().quantity().lots() == 60);
}

TEST_CASE("loop: a cancel that is refused is sent again with back-off", "[quoting][X5]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  world.strategy.wanted.clear();
  world.engine.next_cancel = CancelFate::kRateLimit;
  world.engine.is_fate_sticky = true;
  world.Tick();
  world.Pass(4 * kNanosPerSecond);
  // 0, 0.5, 1.5, 3.5 s: doubled each time.
  CHECK(world.engine.canceled.size() == 4);
  world.engine.next_cancel = CancelFate::kCancel;
  world.Pass(5 * kNanosPerSecond);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.counters().orders_canceled == 1);
}

TEST_CASE("loop: a post-only reject is priced again, counted on the slot, and never ends the level",
          "[quoting][G9]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 100, 100)};
  world.engine.next_place = Fate::kRejectWouldTake;
  world.Begin();
  REQUIRE(world.engine.placed.size() == 1);
  world.Tick();
  world.Turns(1);
  REQUIRE(world.strategy.last_slots.size() == 1);
  CHECK(world.strategy.last_slots[0].post_only_reject_count == 1);
  world.Pass(kNanosPerSecond);
  REQUIRE(world.engine.placed.size() == 2);
  CHECK(world.engine.placed[1].is_post_only);
  CHECK(world.engine.placed[1].client_order_id.view() !=
        world.engine.placed[0].client_order_id.view());
  CHECK(world.strategy.last_slots.at(0).post_only_reject_count == 0);
  CHECK(world.counters().rejects_by_reason[static_cast<size_t>(RejectReason::kWouldTake)] == 1);
}

TEST_CASE("loop: a partial fill leaves the rest working and both halves on one slot",
          "[quoting][G9]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  world.engine.FillAndTell(world.engine.Only(), Quantity::FromLots(40));
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 60),
                           Want(ExitOf(BuyKey(1)), World::kMid + 2000, 40)};
  world.Turns(3);
  CHECK(world.engine.canceled.empty());  // 60 are left: as wanted
  REQUIRE(world.engine.placed.size() == 2);
  CHECK(world.engine.placed[1].quantity.lots() == 40);
  world.engine.FillAndTell(world.engine.ByKey(BuyKey(1)), Quantity::FromLots(60));
  world.strategy.wanted = {Want(ExitOf(BuyKey(1)), World::kMid + 2000, 100)};
  world.Turns(4);
  CHECK(world.strategy.last_slots.at(0).held.lots() == 100);
  // The exit grows with the position: canceled, then placed for the whole.
  CHECK(world.engine.ByKey(ExitOf(BuyKey(1))).intent.quantity.lots() == 100);
  world.engine.FillAndTell(world.engine.ByKey(ExitOf(BuyKey(1))), Quantity::FromLots(100));
  world.strategy.wanted.clear();
  world.Turns(3);
  CHECK(world.strategy.last_slots.empty());
  CHECK(world.loop->position().quantity().is_zero());
  CHECK(world.loop->position().realized_pnl() ==
        TestInstrument().NotionalOf(Price::FromTicks(3000), Quantity::FromLots(100)));
}

TEST_CASE("loop: a sell is trimmed by what the fee took in the base asset", "[quoting][G9]") {
  World world;
  world.engine.balances["BTC"] = {Decimal::FromUnits(99'900), Decimal()};  // 99.9 lots
  world.strategy.wanted = {Want(ExitOf(BuyKey(1)), World::kMid + 2000, 100)};
  world.Begin();
  REQUIRE(world.engine.placed.size() == 1);
  CHECK(world.engine.placed[0].quantity.lots() == 99);
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.canceled.empty());  // and it counts as what was wanted
}

TEST_CASE("loop: a fill of somebody else's order is booked apart and alerted", "[quoting][X4]") {
  World world;
  world.Begin();
  Fill fill;
  fill.trade_id = VenueTradeId(77);
  fill.venue_order_id = VenueOrderId(4242);
  fill.client_order_id = ClientOrderId("web_123");
  fill.side = Side::kSell;
  fill.price = Price::FromTicks(World::kMid);
  fill.quantity = Quantity::FromLots(1000);
  fill.fee_asset = AssetCode("USDT");
  world.engine.TellFill(fill);
  world.Turns(2);
  CHECK(world.counters().foreign_fills == 1);
  CHECK(world.observer.Count(LoopEventKind::kForeignFill) == 1);
  CHECK(world.loop->position().quantity().is_zero());
  REQUIRE(world.engine.fill_records.size() == 1);
  CHECK_FALSE(world.engine.fill_records[0].order.has_value());
  CHECK_FALSE(world.engine.fill_records[0].slot.has_value());
  CHECK(world.engine.fill_records[0].transaction.reason == "fill of an order that is not ours");
  CHECK(world.loop->ledger().Balance(LedgerAccount::kWallet, AssetCode("BTC")) ==
        Decimal::FromInteger(10) - Decimal::FromUnits(1'000'000));
  CHECK_FALSE(world.IsHealthy(HealthFlag::kNoUnexplainedDifference));
}

TEST_CASE("loop: a fill that cannot be one is counted and not booked", "[quoting][X4]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  Fill fill = world.engine.Execute(world.engine.Only(), Quantity::FromLots(10));
  SECTION("no quantity") { fill.quantity = Quantity(); }
  SECTION("no price") { fill.price = Price(); }
  SECTION("no trade id") { fill.trade_id = VenueTradeId(); }
  world.engine.TellFill(fill);
  world.Turns(2);
  CHECK(world.counters().illegal_transitions == 1);
  CHECK(world.loop->position().quantity().is_zero());
  CHECK(world.engine.fill_records.empty());
}

TEST_CASE("loop: evidence that the table does not allow is counted, and inventory still moves",
          "[quoting][X5]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  auto& order = world.engine.Only();
  world.strategy.wanted.clear();
  order.status = VenueOrderStatus::kRejected;  // a resting order cannot be rejected
  world.engine.TellOrder(order);
  world.Turns(2);
  CHECK(world.counters().illegal_transitions == 1);
  CHECK(world.observer.Count(LoopEventKind::kIllegalTransition) == 1);
  CHECK(world.loop->open_order_count() == 0);
  world.engine.TellFill(world.engine.Execute(order, Quantity::FromLots(10)));
  world.Turns(2);
  CHECK(world.loop->position().quantity().lots() == 10);
}

TEST_CASE("loop: a placement the engine refuses leaves no trace and is tried again", "[quoting]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.next_place = Fate::kRefuse;
  world.Begin();
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.size() == 1);
  CHECK(world.Denied(DenyReason::kEngineRefused) == 1);
  CHECK(world.loop->open_order_count() == 1);
}

TEST_CASE("loop: without an order number nothing is placed", "[quoting]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.has_numbers = false;
  world.Begin();
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.empty());
  CHECK(world.Denied(DenyReason::kOrderNumbers) > 0);
  world.engine.has_numbers = true;
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.placed.size() == 1);
}

TEST_CASE("loop: an invalid target pulls the entries and keeps the exits", "[quoting]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100),
                           Want(ExitOf(BuyKey(7)), World::kMid + 2000, 100)};
  world.Begin();
  REQUIRE(world.engine.open_count() == 2);
  world.strategy.is_valid = false;
  world.Tick();
  world.Turns(4);
  CHECK(world.engine.open_count() == 1);
  CHECK(world.engine.Only().intent.slot_key == ExitOf(BuyKey(7)));
}

}  // namespace
}  // namespace holdfast::testing
