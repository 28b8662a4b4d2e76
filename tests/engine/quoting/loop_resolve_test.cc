// Proves DESIGN section 6: an order whose answer is missing stays UNKNOWN, blocks its key and keeps
// its exposure until evidence decides: private stream, query, or absence after expiry and a cancel.
#include <catch2/catch.hpp>

#include "fake_venue.h"

namespace holdfast::testing {
namespace {

using Fate = FakeEngine::Fate;
using CancelFate = FakeEngine::CancelFate;

World& Placed(World& world, Fate fate) {
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.next_place = fate;
  world.Begin();
  REQUIRE(world.engine.placed.size() == 1);
  return world;
}

TEST_CASE("unknown: the private stream resolves it first", "[quoting][X5]") {
  World world;
  Placed(world, Fate::kLostReply);
  world.engine.answers_queries = false;
  CHECK(world.Status().unknown_order_total == 1);
  world.engine.TellOrder(world.engine.Only());
  world.Turns(2);
  CHECK(world.Status().unknown_order_total == 0);
  CHECK(world.counters().unknown_resolved_present == 1);
  CHECK(world.engine.placed.size() == 1);
}

TEST_CASE("unknown: a query by client id past the visibility lag finds it", "[quoting][X5]") {
  World world;
  Placed(world, Fate::kLostReply);
  CHECK(world.engine.order_query_count == 0);  // not before the lag
  world.Pass(FakeEngine::kLagNs + 100 * kNanosPerMilli);
  CHECK(world.engine.order_query_count == 1);
  CHECK(world.counters().unknown_resolved_present == 1);
  CHECK(world.loop->open_order_count() == 1);
  CHECK(world.engine.canceled.empty());
  CHECK(world.engine.order_records.back().order.state == OrderState::kWorking);
}

TEST_CASE("unknown: found filled, its fill is fetched and booked", "[quoting][X5]") {
  World world;
  Placed(world, Fate::kLostReply);
  world.engine.Execute(world.engine.Only(), Quantity::FromLots(100));
  world.strategy.wanted.clear();
  world.Pass(3 * kNanosPerSecond);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.loop->position().quantity().lots() == 100);
  CHECK(world.counters().foreign_fills == 0);
}

TEST_CASE("unknown: absent is final only after expiry, a cancel by client id and another look",
          "[quoting][X5]") {
  World world;
  Placed(world, Fate::kLostRequest);
  const std::string first_id(world.engine.placed[0].client_order_id.view());
  // Until the venue can no longer accept it: asked for, never final, nothing placed for its key.
  world.Pass(4 * kNanosPerSecond);
  CHECK(world.engine.order_query_count >= 3);
  CHECK(world.engine.canceled.empty());
  CHECK(world.loop->open_order_count() == 1);
  CHECK(world.engine.placed.size() == 1);
  CHECK(world.Status().unknown_order_total == 1);
  // After expiry and lag.
  world.Pass(3 * kNanosPerSecond);
  CHECK(world.counters().unknown_resolved_absent == 1);
  REQUIRE(world.engine.canceled.size() == 1);
  CHECK(world.engine.canceled[0].client_order_id == first_id);
  // The level is placed again, under a new id.
  REQUIRE(world.engine.placed.size() == 2);
  CHECK(world.engine.placed[1].client_order_id.view() != first_id);
}

TEST_CASE("unknown: one that arrives at the last moment is caught by the cancel", "[quoting][X5]") {
  World world;
  Placed(world, Fate::kLostRequest);
  world.Pass(4 * kNanosPerSecond);
  world.strategy.wanted.clear();
  // The lost request reaches the venue after all; no event reaches us.
  world.engine.AddOrder(world.engine.placed[0]);
  world.engine.answers_queries = false;
  world.Pass(2 * kNanosPerSecond);
  world.engine.answers_queries = true;
  world.Pass(30 * kNanosPerSecond);
  CHECK(world.engine.open_count() == 0);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.counters().orders_canceled == 1);
}

TEST_CASE("unknown: there is no give-up by the clock", "[quoting][X5]") {
  World world;
  Placed(world, Fate::kLostRequest);
  world.engine.answers_queries = false;  // and cancels are not answered either
  world.engine.next_cancel = CancelFate::kSilent;
  world.engine.is_fate_sticky = true;
  world.Pass(600 * kNanosPerSecond, 500 * kNanosPerMilli);
  CHECK(world.loop->open_order_count() == 1);
  CHECK(world.Status().unknown_order_total == 1);
  CHECK(world.engine.placed.size() == 1);
  CHECK_FALSE(world.IsHealthy(HealthFlag::kNoUnknownOrders));
  // The venue answers again: resolved.
  world.engine.answers_queries = true;
  world.engine.next_cancel = CancelFate::kCancel;
  world.Pass(60 * kNanosPerSecond, 100 * kNanosPerMilli);
  CHECK(world.counters().unknown_resolved_absent == 1);
  CHECK(world.engine.placed.size() == 2);
}

TEST_CASE("unknown: no answer of the engine within the deadline is lost track too",
          "[quoting][X5]") {
  World world;
  Placed(world, Fate::kSilent);
  world.Pass(9 * kNanosPerSecond);
  CHECK(world.counters().orders_unknown == 0);
  world.Pass(3 * kNanosPerSecond);
  CHECK(world.counters().orders_unknown == 1);
  CHECK(world.counters().unknown_resolved_present == 1);
  CHECK(world.engine.placed.size() == 1);
}

TEST_CASE("unknown: silence about a request that never arrived ends absent", "[quoting][X5]") {
  World world;
  Placed(world, Fate::kSilentLost);
  world.Pass(20 * kNanosPerSecond);
  CHECK(world.counters().unknown_resolved_absent == 1);
  CHECK(world.engine.placed.size() == 2);
}

TEST_CASE("unknown: its full size counts against the position limit", "[quoting][X5]") {
  World world;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 60'000),
                           Want(BuyKey(2), World::kMid - 2000, 60'000)};  // 0.6 + 0.6 > 1
  world.engine.next_place = Fate::kLostRequest;
  world.engine.answers_queries = true;
  world.Begin();
  world.Pass(2 * kNanosPerSecond);
  CHECK(world.engine.placed.size() == 1);
  CHECK(world.Denied(DenyReason::kPosition) > 0);
}

TEST_CASE("unknown: a duplicate-id answer means the first copy arrived", "[quoting][X5]") {
  World world;
  Placed(world, Fate::kSilent);
  world.engine.events.push_back(
      OrderRejected{.client_order_id = world.engine.placed[0].client_order_id,
                    .reason = RejectReason::kDuplicateId,
                    .venue_code = -2010,
                    .text = VenueText()});
  world.Pass(kNanosPerSecond);
  CHECK(world.loop->open_order_count() == 1);
  CHECK(world.counters().unknown_resolved_present == 1);
  CHECK(world.engine.placed.size() == 1);
}

TEST_CASE("cancel: an ambiguous answer is resolved by asking for the order", "[quoting][X5]") {
  World world;
  Placed(world, Fate::kAccept);
  world.strategy.wanted.clear();
  world.engine.next_cancel = CancelFate::kAmbiguous;  // did not arrive
  world.Tick();
  world.Turns(2);
  CHECK(world.counters().orders_unknown == 1);
  world.Pass(2 * kNanosPerSecond);  // found resting, canceled again
  CHECK(world.engine.canceled.size() == 2);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.counters().orders_canceled == 1);
}

TEST_CASE("cancel: silence about a cancel is not success", "[quoting][X5]") {
  World world;
  Placed(world, Fate::kAccept);
  world.strategy.wanted.clear();
  world.engine.next_cancel = CancelFate::kSilent;
  world.Tick();
  world.Pass(9 * kNanosPerSecond);
  CHECK(world.loop->open_order_count() == 1);
  world.Pass(5 * kNanosPerSecond);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.engine.open_count() == 0);
}

TEST_CASE("cancel: an accepted order that the venue has forgotten ends after the fills were read",
          "[quoting][X5]") {
  World world;
  Placed(world, Fate::kAccept);
  world.Pass(10 * kNanosPerSecond);
  // The venue restarted without memory, but its trade list is there, with a fill we never saw.
  world.engine.Execute(world.engine.Only(), Quantity::FromLots(25));
  world.engine.orders.clear();
  world.strategy.wanted.clear();
  world.Tick();
  world.Pass(10 * kNanosPerSecond);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.loop->position().quantity().lots() == 25);
  CHECK(world.counters().foreign_fills == 0);
}

TEST_CASE("fills: a listed fill of an order not identified yet waits and is not foreign",
          "[quoting][X4]") {
  World world;
  Placed(world, Fate::kLostReply);
  world.engine.answers_queries = false;
  auto& order = world.engine.Only();
  Fill fill = world.engine.Execute(order, Quantity::FromLots(100));
  fill.client_order_id = ClientOrderId();
  world.engine.TellFill(fill, EvidenceSource::kTradesQuery);
  world.Turns(2);
  CHECK(world.counters().foreign_fills == 0);
  CHECK(world.loop->position().quantity().is_zero());
  world.strategy.wanted.clear();
  world.engine.answers_queries = true;
  world.Pass(20 * kNanosPerSecond);
  CHECK(world.counters().foreign_fills == 0);
  CHECK(world.loop->position().quantity().lots() == 100);
  CHECK(world.loop->open_order_count() == 0);
}

TEST_CASE("fills: a listed fill that no order of ours can explain is foreign", "[quoting][X4]") {
  World world;
  Placed(world, Fate::kAccept);
  Fill fill;
  fill.trade_id = VenueTradeId(5);
  fill.venue_order_id = VenueOrderId(999);
  fill.side = Side::kBuy;
  fill.price = Price::FromTicks(World::kMid);
  fill.quantity = Quantity::FromLots(10);
  fill.fee_asset = AssetCode("USDT");
  world.engine.TellFill(fill, EvidenceSource::kTradesQuery);
  world.Turns(2);
  CHECK(world.counters().foreign_fills == 1);
  CHECK(world.loop->position().quantity().is_zero());
}

}  // namespace
}  // namespace holdfast::testing
