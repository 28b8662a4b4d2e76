// Proves that no evidence is taken for more, or for less, than it is: an order the venue forgot, an
// end that contradicts itself, a list that is late, a loss that looks like one of an earlier run.
#include <catch2/catch.hpp>

#include "fake_venue.h"

namespace holdfast::testing {
namespace {

using Fate = FakeEngine::Fate;

World& OneBuy(World& world) {
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.Begin();
  REQUIRE(world.engine.placed.size() == 1);
  return world;
}

QuotingOptions OftenReconciled() {
  QuotingOptions options;
  options.reconcile_interval_ns = 5 * kNanosPerSecond;
  return options;
}

TEST_CASE("evidence: an order the venue forgot ends and is placed again while it is wanted",
          "[quoting][X5]") {
  World world(World::FirstRun(), TestLimits(), OftenReconciled());
  OneBuy(world);
  world.Pass(10 * kNanosPerSecond);
  world.engine.orders.clear();
  const uint64_t before = world.counters().reconciliations;
  world.Pass(30 * kNanosPerSecond);
  CHECK(world.engine.placed.size() == 2);
  CHECK(world.engine.open_count() == 1);
  CHECK(world.loop->open_order_count() == 1);
  CHECK(world.counters().unknown_resolved_absent == 1);
  CHECK(world.counters().reconciliations >= before + 3);  // it does not stop the comparisons
}

TEST_CASE("evidence: every adopted order whose fills were booked before is ended by one list",
          "[quoting][D3]") {
  RecoveredState recovered = SecondRun();
  World probe;
  for (int64_t trade = 1000; trade < 1004; ++trade) {
    recovered.recent_trade_ids.push_back(VenueTradeId(trade));
  }
  World world(recovered);
  const auto balances = world.engine.balances;
  for (uint64_t number = 7; number < 11; ++number) {
    const SlotKey key = BuyKey(static_cast<int32_t>(number));
    auto& order =
        world.engine.AddOrder(IntentOf(StoredOrder(probe, number, key, World::kMid - 1000, 100)));
    world.engine.Execute(order, Quantity::FromLots(40));
  }
  world.engine.balances = balances;
  world.Begin();
  REQUIRE(world.loop->open_order_count() == 4);
  // Canceled by hand: what is left to know of each is its fills.
  for (uint64_t number = 7; number < 11; ++number) {
    auto& order = world.engine.ByKey(BuyKey(static_cast<int32_t>(number)));
    order.status = VenueOrderStatus::kCanceled;
    world.engine.TellOrder(order);
  }
  for (int i = 0; i < 4000 && world.loop->open_order_count() == 4; ++i) {
    world.clock.Advance(5 * kNanosPerMilli);
    world.Turns(1);
  }
  // The list that ends one ends all, in the same turn: the next list would hide one left over.
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.engine.open_count() == 0);
  CHECK(world.counters().fills == 0);
}

TEST_CASE("evidence: why a query failed is logged, and not again and again", "[quoting][X5]") {
  World world;
  const auto lines = [&] {
    std::vector<std::string> found;
    for (const LoopEvent& event : world.observer.events) {
      if (event.reason == "query_failed") found.emplace_back(event.text.view());
    }
    return found;
  };
  world.engine.answers_queries = false;
  world.Begin();
  const int asked = world.engine.open_orders_query_count;
  REQUIRE(asked > 0);
  const auto fail = [&](std::string_view why) {
    world.engine.events.push_back(QueryDone{.request_id = world.engine.last_open_orders_query,
                                            .kind = QueryKind::kOpenOrders,
                                            .text = VenueText::Truncated(why)});
    world.Turns(2);
  };
  fail("the venue is busy");
  CHECK(lines() == std::vector<std::string>{"open_orders: the venue is busy"});
  for (int i = 0; i < 100 && world.engine.open_orders_query_count == asked; ++i) {
    world.Pass(50 * kNanosPerMilli);
  }
  REQUIRE(world.engine.open_orders_query_count == asked + 1);
  fail(std::string(VenueText::capacity(), 'x'));
  CHECK(lines().size() == 1);
  // One that never ends has failed too.
  world.Pass(60 * kNanosPerSecond, 200 * kNanosPerMilli);
  REQUIRE(lines().size() >= 2);
  CHECK(lines()[1] == "open_orders: no end of the answer in time");
  CHECK(lines().size() <= 7);
}

TEST_CASE("evidence: a list that failed is repeated from as far back", "[quoting][X4]") {
  World world;
  OneBuy(world);
  auto& first = world.engine.Only();
  world.Pass(100 * kNanosPerSecond, 500 * kNanosPerMilli);
  world.strategy.wanted.push_back(Want(BuyKey(2), World::kMid - 2000, 100));
  world.Tick();
  world.Turns(3);
  auto& second = world.engine.ByKey(BuyKey(2));
  world.engine.answers_queries = false;
  world.engine.Execute(first, Quantity::FromLots(10));
  world.engine.TellOrder(first);
  world.Pass(2 * kNanosPerSecond);
  REQUIRE_FALSE(world.engine.fills_since.empty());
  const size_t failed = world.engine.fills_since.size() - 1;
  world.engine.Execute(second, Quantity::FromLots(10));
  world.engine.TellOrder(second);
  world.Pass(20 * kNanosPerSecond);
  REQUIRE(world.engine.fills_since.size() > failed + 1);
  CHECK(world.engine.fills_since[failed + 1] <= world.engine.fills_since[failed]);
  world.engine.answers_queries = true;
  world.Pass(30 * kNanosPerSecond);
  CHECK(world.loop->position().quantity().lots() == 20);
}

TEST_CASE("evidence: a fill of this run that no list shows is not written off", "[quoting][X4]") {
  World world;
  OneBuy(world);
  auto& order = world.engine.Only();
  world.strategy.wanted.clear();
  world.engine.lists_fills = false;
  world.engine.Execute(order, Quantity::FromLots(100));
  world.engine.TellOrder(order);
  world.Pass(60 * kNanosPerSecond, 100 * kNanosPerMilli);
  CHECK(world.loop->open_order_count() == 1);  // and its key stays blocked
  CHECK(world.loop->position().quantity().is_zero());
  const bool is_alerted = std::any_of(
      world.observer.events.begin(), world.observer.events.end(), [](const LoopEvent& event) {
        return event.severity == Severity::kAlert && event.reason == "fills_missing";
      });
  CHECK(is_alerted);
  world.engine.lists_fills = true;
  world.Pass(20 * kNanosPerSecond);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.loop->position().quantity().lots() == 100);
}

TEST_CASE("evidence: an unknown order on a cancel is looked into in every state", "[quoting][X5]") {
  World world;
  OneBuy(world);
  auto& order = world.engine.Only();
  world.strategy.wanted.clear();
  world.engine.next_cancel = FakeEngine::CancelFate::kRateLimit;
  world.Tick();
  world.Turns(2);  // working again after the refusal
  order.status = VenueOrderStatus::kCanceled;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.events.push_back(CancelRejected{.client_order_id = order.intent.client_order_id,
                                               .reason = CancelRejectReason::kUnknownOrder,
                                               .text = VenueText()});
  world.Pass(kNanosPerSecond);
  CHECK(world.counters().orders_canceled == 1);
  CHECK(world.engine.placed.size() == 2);
}

TEST_CASE("evidence: the first list of fills reaches back before the newest record and the start",
          "[quoting][D3]") {
  RecoveredState recovered = SecondRun();
  const int64_t start_ns = ManualClock().WallNs();
  recovered.stored_time_ns = start_ns + GENERATE(-50, 50) * kNanosPerSecond;
  const int64_t newest_ns = std::min(recovered.stored_time_ns, start_ns);
  World world(recovered);
  world.Begin();
  world.Pass(kNanosPerSecond);
  REQUIRE_FALSE(world.engine.fills_since.empty());
  CHECK(world.engine.fills_since[0] <= newest_ns - 60 * kNanosPerSecond);
}

// An order whose request was lost, proven absent, and not wanted any more.
World& ProvenAbsent(World& world) {
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100)};
  world.engine.next_place = Fate::kLostRequest;
  world.Begin();
  world.strategy.wanted.clear();
  world.Pass(10 * kNanosPerSecond);
  REQUIRE(world.counters().unknown_resolved_absent == 1);
  REQUIRE(world.loop->open_order_count() == 0);
  return world;
}

TEST_CASE("strays: an order listed after its proof of absence is canceled and alerted",
          "[quoting][X5]") {
  World world(World::FirstRun(), TestLimits(), OftenReconciled());
  ProvenAbsent(world);
  world.engine.AddOrder(world.engine.placed[0]);
  world.engine.next_cancel = FakeEngine::CancelFate::kRateLimit;  // the first cancel fails
  world.Pass(10 * kNanosPerSecond);
  CHECK(world.engine.open_count() == 0);
  CHECK(world.counters().stray_orders == 1);
  const int alerts = static_cast<int>(std::count_if(
      world.observer.events.begin(), world.observer.events.end(), [](const LoopEvent& event) {
        return event.severity == Severity::kAlert && event.reason == "listed_after_end";
      }));
  CHECK(alerts == 1);
}

TEST_CASE("strays: an acceptance behind the proof of absence is canceled at once",
          "[quoting][X5]") {
  World world;
  ProvenAbsent(world);
  const size_t cancels = world.engine.canceled.size();
  auto& order = world.engine.AddOrder(world.engine.placed[0]);
  world.engine.events.push_back(
      OrderAccepted{.client_order_id = order.intent.client_order_id, .venue_order_id = order.id});
  world.Turns(3);
  CHECK(world.engine.canceled.size() == cancels + 1);
  CHECK(world.engine.open_count() == 0);
  CHECK(world.counters().stray_orders == 1);
  world.Pass(20 * kNanosPerSecond);
  CHECK(world.engine.canceled.size() == cancels + 1);  // it is gone
}

TEST_CASE("strays: the stop waits until the last one is gone, and its fill is booked",
          "[quoting][X5]") {
  World world;
  ProvenAbsent(world);
  auto& order = world.engine.AddOrder(world.engine.placed[0]);
  world.engine.next_cancel = FakeEngine::CancelFate::kSilent;
  world.engine.is_fate_sticky = true;
  world.loop->RequestStop();
  world.Pass(20 * kNanosPerSecond);
  CHECK_FALSE(world.loop->is_stopped());
  world.engine.Execute(order, Quantity::FromLots(30));  // not told
  world.engine.next_cancel = FakeEngine::CancelFate::kCancel;
  REQUIRE(world.PassUntilStopped(60 * kNanosPerSecond));
  CHECK(world.engine.open_count() == 0);
  CHECK(world.loop->position().quantity().lots() == 30);
}

TEST_CASE("strays: the stop waits for one that the lists do not show", "[quoting][X5]") {
  World world;
  ProvenAbsent(world);
  auto& order = world.engine.AddOrder(world.engine.placed[0]);
  world.engine.lists_orders = false;
  world.engine.next_cancel = FakeEngine::CancelFate::kSilent;
  world.engine.is_fate_sticky = true;
  world.engine.events.push_back(
      OrderAccepted{.client_order_id = order.intent.client_order_id, .venue_order_id = order.id});
  world.Turns(2);
  world.loop->RequestStop();
  world.Pass(20 * kNanosPerSecond);
  CHECK_FALSE(world.loop->is_stopped());
  world.engine.next_cancel = FakeEngine::CancelFate::kCancel;
  REQUIRE(world.PassUntilStopped(60 * kNanosPerSecond));
  CHECK(world.engine.open_count() == 0);
}

TEST_CASE("evidence: a reject of a resting order is asked about before it is believed",
          "[quoting][X5]") {
  World world;
  OneBuy(world);
  OrderReport report = world.engine.ReportOf(world.engine.Only(), EvidenceSource::kStream);
  report.status = VenueOrderStatus::kRejected;
  world.engine.events.push_back(report);
  world.Pass(kNanosPerSecond);
  CHECK(world.engine.order_query_count == 1);
  CHECK(world.loop->open_order_count() == 1);
  CHECK(world.engine.placed.size() == 1);
}

TEST_CASE("evidence: rows of an earlier listing do not count for the one under way",
          "[quoting][X5]") {
  World world;
  OneBuy(world);
  auto& order = world.engine.Only();
  world.Pass(kNanosPerSecond);
  world.engine.answers_queries = false;
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kReconcile, .reason = {}}));
  world.Turns(12);
  // It ended meanwhile and nobody told us; the listing under way does not show it.
  world.engine.events.push_back(
      world.engine.ReportOf(order, EvidenceSource::kOpenOrdersQuery, RequestId(1)));
  order.status = VenueOrderStatus::kExpired;
  world.engine.End(world.engine.last_open_orders_query, QueryKind::kOpenOrders);
  world.engine.answers_queries = true;
  world.Pass(kNanosPerSecond);
  CHECK(world.counters().orders_expired == 1);
  CHECK(world.engine.placed.size() == 2);
}

TEST_CASE("stop: the two empty listings are a visibility lag apart", "[quoting]") {
  World world;
  OneBuy(world);
  world.loop->RequestStop();
  REQUIRE(world.PassUntilStopped(10 * kNanosPerSecond));
  const std::vector<int64_t>& at = world.engine.open_orders_queried_at;
  REQUIRE(at.size() >= 2);
  CHECK(at.back() - at[at.size() - 2] >= FakeEngine::kLagNs);
}

TEST_CASE("dark: a fill of an order whose record was lost finds its slot", "[quoting][D3][X4]") {
  RecoveredState recovered = SecondRun();
  World probe;
  World world(recovered);
  world.engine.next_number = 100;
  auto& order =
      world.engine.AddOrder(IntentOf(StoredOrder(probe, 7, BuyKey(1), World::kMid - 1000, 100)));
  world.engine.Execute(order, Quantity::FromLots(100));  // filled before we came back
  world.Begin();
  world.Pass(5 * kNanosPerSecond);
  CHECK(world.counters().foreign_fills == 0);
  CHECK(world.counters().wallet_adjustments == 0);
  CHECK(world.loop->position().quantity().lots() == 100);
  REQUIRE(world.strategy.last_slots.size() == 1);
  CHECK(world.strategy.last_slots[0].held.lots() == 100);
}

TEST_CASE("dark: an order in flight is final only by the venue's own clock", "[quoting][D3]") {
  RecoveredState recovered = SecondRun();
  World probe;
  Order order = StoredOrder(probe, 7, BuyKey(1), World::kMid - 1000, 100);
  order.state = OrderState::kInFlight;
  order.venue_order_id = VenueOrderId();
  // Its window is over. The venue's clock is three seconds behind ours, and so are its answers:
  // measured by our clock they would seem to be of before the end of the window.
  order.create_time_ns = probe.clock.WallNs() - 6 * kNanosPerSecond;
  order.submit_expiry_ns = 0;
  recovered.open_orders = {order};
  World world(recovered);
  world.engine.clock_offset_ns = -3 * kNanosPerSecond;
  world.engine.next_number = 100;
  world.Begin();
  world.Pass(1500 * kNanosPerMilli);
  CHECK(world.loop->open_order_count() == 0);
  CHECK(world.counters().unknown_resolved_absent == 1);
  // What was worked out from the venue's clock is what is recorded, if anything.
  for (const OrderRecord& record : world.engine.order_records) {
    const int64_t expiry_ns = record.order.submit_expiry_ns;
    const bool is_exact =
        expiry_ns == 0 ||
        expiry_ns == order.create_time_ns + world.engine.clock_offset_ns + FakeEngine::kWindowNs;
    CHECK(is_exact);
  }
}

TEST_CASE("evidence: a list of fills lives as long as rows come, and goes on where it broke off",
          "[quoting][X4]") {
  World world;
  OneBuy(world);
  auto& order = world.engine.Only();
  world.Pass(kNanosPerSecond);
  REQUIRE(world.loop->Post({.kind = OperatorCommand::Kind::kReconcile, .reason = {}}));
  const int before = world.engine.fills_query_count;
  while (world.engine.fills_query_count == before) {
    world.engine.answers_queries = world.engine.open_orders_query_count < 2;
    world.Turns(1);
  }
  const RequestId request = world.engine.last_fills_query;
  for (int i = 0; i < 4; ++i) {
    Fill fill = world.engine.Execute(order, Quantity::FromLots(10));
    fill.client_order_id = ClientOrderId();
    world.Pass(10 * kNanosPerSecond, 500 * kNanosPerMilli);
    world.engine.events.push_back(
        FillReport{.request_id = request, .source = EvidenceSource::kTradesQuery, .fill = fill});
    world.Turns(1);
  }
  CHECK(world.engine.fills_query_count == before + 1);
  world.Pass(20 * kNanosPerSecond, 500 * kNanosPerMilli);  // now it is over
  CHECK(world.engine.fills_query_count > before + 1);
  CHECK(world.engine.fills_after.back() == VenueTradeId(1003));
  CHECK(world.loop->position().quantity().lots() == 40);
}

}  // namespace
}  // namespace holdfast::testing
