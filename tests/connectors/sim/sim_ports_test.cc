// The in-process ports give an engine the same contract as a connector to a real venue: exactly one
// answer per request, events in the venue's order, UNKNOWN instead of a guess when a fault eats the
// answer. Shown by stepping one manual clock and reading what each port delivers.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "connectors/sim/sim_feed.h"
#include "connectors/sim/sim_gateway.h"
#include "sim_fixture.h"

namespace holdfast {
namespace {

std::string Line(const VenueEvent& event) {
  struct Visitor {
    std::string operator()(const OrderAccepted& e) const {
      return "accepted " + std::string(e.client_order_id.view());
    }
    std::string operator()(const OrderRejected& e) const {
      return "rejected " + std::string(e.client_order_id.view()) + " " + std::string(e.text.view());
    }
    std::string operator()(const OrderAmbiguous& e) const {
      return "ambiguous " + std::string(e.client_order_id.view()) + " " +
             std::to_string(static_cast<int>(e.cause));
    }
    std::string operator()(const CancelRejected& e) const {
      return "cancel_rejected " + std::string(e.client_order_id.view()) + " " +
             std::to_string(static_cast<int>(e.reason));
    }
    std::string operator()(const OrderReport& e) const {
      static constexpr const char* kStatus[] = {"new",      "partially_filled", "filled",
                                                "canceled", "rejected",         "expired"};
      static constexpr const char* kSource[] = {"stream", "query", "open", "trades", "reply"};
      return std::string(kSource[static_cast<int>(e.source)]) + " " +
             std::string(e.client_order_id.view()) + " " + kStatus[static_cast<int>(e.status)] +
             " " + std::to_string(e.filled.lots()) + "/" + std::to_string(e.quantity.lots());
    }
    std::string operator()(const FillReport& e) const {
      return "fill " + std::string(e.fill.client_order_id.view()) + " " +
             std::to_string(e.fill.quantity.lots()) + "@" + std::to_string(e.fill.price.ticks()) +
             " " + std::string(ToText(e.fill.liquidity));
    }
    std::string operator()(const OrderAbsent& e) const {
      return "absent " + std::string(e.client_order_id.view());
    }
    std::string operator()(const BalanceReport& e) const {
      return "balance " + std::string(e.asset.view());
    }
    std::string operator()(const AccountReport&) const { return "account"; }
    std::string operator()(const InstrumentReport& e) const {
      return "instrument " + std::string(e.instrument.symbol.view());
    }
    std::string operator()(const ServerTimeReport& e) const {
      return "offset " + std::to_string(e.offset_ns / kNanosPerMilli) + " ms";
    }
    std::string operator()(const QueryDone& e) const {
      return "done " + std::to_string(e.row_count) + (e.is_ok ? " ok" : " failed");
    }
    std::string operator()(const ConnectionChange& e) const {
      return std::string(e.channel == Channel::kOrderEntry ? "order entry" : "private stream") +
             (e.is_up ? " up" : " down");
    }
    std::string operator()(const FatalVenueError&) const { return "fatal"; }
  };
  return std::visit(Visitor{}, event);
}

class LineSink final : public VenueEventSink {
 public:
  void OnVenueEvent(const VenueEvent& event) override {
    if (!std::holds_alternative<BalanceReport>(event)) lines.push_back(Line(event));
  }
  std::vector<std::string> lines;
};

using Lines = std::vector<std::string>;

struct PortsFixture : VenueFixture {
  explicit PortsFixture(const SimGatewayConfig& config = {})
      : clock(1000 * kNanosPerSecond), faults(7, 1000 * kNanosPerSecond) {
    venue.Advance(clock.WallNs());
    gateway = std::make_unique<SimGateway>(venue, alice, clock, config, &faults);
    REQUIRE(gateway->Start().ok());
    Step(0);
  }
  // Lets time pass and returns what arrived.
  Lines Step(int64_t duration_ms) {
    clock.Advance(duration_ms * kNanosPerMilli);
    sink.lines.clear();
    while (gateway->Poll(sink, 10) > 0) {
    }
    return sink.lines;
  }
  void Place(std::string_view id, Side side, int64_t price_ticks, int64_t lots) {
    REQUIRE(gateway
                ->Place({.instrument = btc,
                         .client_order_id = ClientOrderId(id),
                         .side = side,
                         .price = Price::FromTicks(price_ticks),
                         .quantity = Quantity::FromLots(lots)})
                .ok());
  }
  void CancelOrder(std::string_view id) {
    REQUIRE(gateway
                ->Cancel({.instrument = btc,
                          .client_order_id = ClientOrderId(id),
                          .venue_order_id = VenueOrderId()})
                .ok());
  }
  Lines Ask(std::string_view id) {
    REQUIRE(gateway->QueryOrder(RequestId(1), btc, ClientOrderId(id)).ok());
    return Step(0);
  }
  void Add(FaultKind kind, FaultPoint point, int64_t delay_ms = 0) {
    faults.Add({.kind = kind, .point = point, .count = 1, .delay_ns = delay_ms * kNanosPerMilli});
  }

  ManualClock clock;
  FaultInjector faults;
  std::unique_ptr<SimGateway> gateway;
  LineSink sink;
};

TEST_CASE("sim gateway: an order is answered, reported, filled and canceled", "[sim][gateway]") {
  PortsFixture f;
  f.Place("a1", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(0) == Lines{"stream a1 new 0/100", "accepted a1"});
  f.Limit(f.bob, Side::kSell, "0.0004", "60000");
  CHECK(f.Step(0) == Lines{"fill a1 40@6000000 maker", "stream a1 partially_filled 40/100"});
  f.CancelOrder("a1");
  CHECK(f.Step(0) == Lines{"stream a1 canceled 40/100", "reply a1 canceled 40/100"});
  f.CancelOrder("a1");
  CHECK(f.Step(0) == Lines{"cancel_rejected a1 0"});
  CHECK(f.Ask("a1") == Lines{"query a1 canceled 40/100", "done 1 ok"});
  CHECK(f.Ask("never") == Lines{"absent never", "done 1 ok"});
}

TEST_CASE("sim gateway: delays apply to each direction", "[sim][gateway]") {
  PortsFixture f({.request_delay_ns = 5 * kNanosPerMilli,
                  .response_delay_ns = 7 * kNanosPerMilli,
                  .event_delay_ns = 2 * kNanosPerMilli});
  f.Place("a1", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(4).empty());
  CHECK(f.venue.OpenOrders(f.alice, f.btc).empty());
  f.Step(1);
  CHECK(f.venue.OpenOrders(f.alice, f.btc).size() == 1);
  CHECK(f.Step(2) == Lines{"stream a1 new 0/100"});
  CHECK(f.Step(5) == Lines{"accepted a1"});
}

TEST_CASE("sim gateway: a lost request and a lost reply look the same from here",
          "[sim][gateway][fault]") {
  PortsFixture f;
  f.Add(FaultKind::kLostRequest, FaultPoint::kPlace);
  f.Place("a1", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(999).empty());
  CHECK(f.Step(1) == Lines{"ambiguous a1 0"});
  CHECK(f.Ask("a1") == Lines{"absent a1", "done 1 ok"});
  f.Add(FaultKind::kLostReply, FaultPoint::kPlace);
  f.Place("a2", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(0) == Lines{"stream a2 new 0/100"});
  CHECK(f.Step(1000) == Lines{"ambiguous a2 0"});
  CHECK(f.Ask("a2") == Lines{"query a2 new 0/100", "done 1 ok"});
}

TEST_CASE("sim gateway: a late accept happens inside the submit window and never after it",
          "[sim][gateway][fault]") {
  PortsFixture f;
  f.Add(FaultKind::kLateAccept, FaultPoint::kPlace, 400);
  f.Place("a1", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(399).empty());
  CHECK(f.Step(1) == Lines{"stream a1 new 0/100"});
  CHECK(f.Step(600) == Lines{"ambiguous a1 0"});
  f.Add(FaultKind::kLateAccept, FaultPoint::kPlace, 501);
  f.Place("a2", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(1000) == Lines{"ambiguous a2 0"});
  CHECK(f.venue.OpenOrders(f.alice, f.btc).size() == 1);
}

TEST_CASE("sim gateway: refusals before the venue looks are definite, server errors are not",
          "[sim][gateway][fault]") {
  PortsFixture f;
  f.Add(FaultKind::kRateLimited, FaultPoint::kPlace);
  f.Place("a1", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(0) == Lines{"rejected a1 rate_limited"});
  f.Add(FaultKind::kServerError, FaultPoint::kPlace);
  f.Place("a2", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(0) == Lines{"ambiguous a2 2"});
  CHECK(f.Ask("a2") == Lines{"absent a2", "done 1 ok"});
  f.Add(FaultKind::kServerErrorAfter, FaultPoint::kPlace);
  f.Place("a3", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(0) == Lines{"stream a3 new 0/100", "ambiguous a3 2"});
}

TEST_CASE("sim gateway: a cut connection makes what is in flight ambiguous and loses events",
          "[sim][gateway][fault]") {
  PortsFixture f({.request_delay_ns = kNanosPerMilli});
  f.Place("a1", Side::kBuy, 6'000'000, 100);
  f.gateway->Disconnect();
  CHECK(f.Step(50) == Lines{"ambiguous a1 1", "private stream down", "order entry down"});
  CHECK_FALSE(f.gateway->is_order_entry_up());
  CHECK(f.gateway
            ->Cancel({.instrument = f.btc,
                      .client_order_id = ClientOrderId("a1"),
                      .venue_order_id = VenueOrderId()})
            .code() == absl::StatusCode::kUnavailable);
  // The request was on its way and got there; its report found nobody.
  CHECK(f.venue.OpenOrders(f.alice, f.btc).size() == 1);
  CHECK(f.Step(50) == Lines{"order entry up", "private stream up"});
  f.gateway->Stop();
  CHECK(f.Step(0) == Lines{"private stream down", "order entry down"});
}

TEST_CASE("sim gateway: events are duplicated, reordered and lost on demand",
          "[sim][gateway][fault]") {
  PortsFixture f;
  f.Add(FaultKind::kDuplicateEvent, FaultPoint::kExecutionEvent);
  f.Place("a1", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(0) == Lines{"stream a1 new 0/100", "stream a1 new 0/100", "accepted a1"});
  f.Add(FaultKind::kReorderedEvent, FaultPoint::kExecutionEvent);
  f.Place("a2", Side::kBuy, 5'000'000, 100);
  f.Place("a3", Side::kBuy, 5'000'000, 100);
  // The balance event is the next one of the channel and passes it.
  CHECK(f.Step(0) ==
        Lines{"stream a2 new 0/100", "accepted a2", "stream a3 new 0/100", "accepted a3"});
  f.Add(FaultKind::kSequenceGap, FaultPoint::kExecutionEvent);
  f.Limit(f.bob, Side::kSell, "0.001", "60000");
  CHECK(f.Step(0).empty());
}

TEST_CASE("sim gateway: a fill races a cancel and wins its part", "[sim][gateway][fault]") {
  PortsFixture f;
  f.Place("a1", Side::kBuy, 6'000'000, 100);
  f.Step(0);
  f.faults.Add({.kind = FaultKind::kFillBeforeCancel,
                .point = FaultPoint::kCancel,
                .count = 1,
                .fraction_ppm = 300'000});
  f.CancelOrder("a1");
  CHECK(f.Step(0) == Lines{"fill a1 30@6000000 maker", "stream a1 partially_filled 30/100",
                           "stream a1 canceled 30/100", "reply a1 canceled 30/100"});
  f.Add(FaultKind::kFillBeforeCancel, FaultPoint::kCancel);
  f.Place("a2", Side::kBuy, 6'000'000, 100);
  f.Step(0);
  f.CancelOrder("a2");
  CHECK(f.Step(0) ==
        Lines{"fill a2 100@6000000 maker", "stream a2 filled 100/100", "cancel_rejected a2 0"});
}

TEST_CASE("sim gateway: a skewed venue clock refuses until the offset is measured",
          "[sim][gateway][fault]") {
  PortsFixture f;
  f.faults.Add({.kind = FaultKind::kClockSkew,
                .point = FaultPoint::kTimed,
                .delay_ns = 3000 * kNanosPerMilli});
  f.Place("a1", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(0) == Lines{"rejected a1 timestamp outside the receive window"});
  REQUIRE(f.gateway->QueryServerTime(RequestId(2)).ok());
  CHECK(f.Step(0) == Lines{"offset 3000 ms", "done 1 ok"});
  f.Place("a2", Side::kBuy, 6'000'000, 100);
  CHECK(f.Step(0) == Lines{"stream a2 new 0/100", "accepted a2"});
}

TEST_CASE("sim gateway: fills since a trade id come oldest first and page by page",
          "[sim][gateway]") {
  PortsFixture f;
  for (int i = 0; i < 2100; ++i) {
    f.Limit(f.bob, Side::kSell, "0.0001", "60000");
    REQUIRE(f.Limit(f.alice, Side::kBuy, "0.0001", "60000").trades.size() == 1);
  }
  f.Step(0);
  REQUIRE(f.gateway->QueryFills(RequestId(5), f.btc, VenueTradeId(50), 0).ok());
  const Lines lines = f.Step(0);
  REQUIRE(lines.size() == 2051);
  CHECK(lines.back() == "done 2050 ok");
  REQUIRE(f.gateway->QueryFills(RequestId(6), f.btc, VenueTradeId(0), f.clock.WallNs() + 1).ok());
  CHECK(f.Step(0) == Lines{"done 0 ok"});
}

TEST_CASE("sim gateway: cancel-all, open orders, balances, account, instrument", "[sim][gateway]") {
  PortsFixture f;
  f.Place("a1", Side::kBuy, 6'000'000, 100);
  f.Place("a2", Side::kBuy, 5'900'000, 100);
  f.Step(0);
  REQUIRE(f.gateway->QueryOpenOrders(RequestId(1), f.btc).ok());
  CHECK(f.Step(0) == Lines{"open a1 new 0/100", "open a2 new 0/100", "done 2 ok"});
  REQUIRE(f.gateway->CancelAll(RequestId(2), f.btc).ok());
  CHECK(f.Step(0) == Lines{"stream a1 canceled 0/100", "stream a2 canceled 0/100",
                           "reply a1 canceled 0/100", "reply a2 canceled 0/100", "done 2 ok"});
  REQUIRE(f.gateway->CancelAll(RequestId(3), f.btc).ok());
  CHECK(f.Step(0) == Lines{"done 0 ok"});
  REQUIRE(f.gateway->QueryBalances(RequestId(4)).ok());
  CHECK(f.Step(0) == Lines{"done 2 ok"});
  REQUIRE(f.gateway->QueryAccount(RequestId(5)).ok());
  CHECK(f.Step(0) == Lines{"account", "done 1 ok"});
  REQUIRE(f.gateway->QueryInstrument(RequestId(6), f.btc).ok());
  CHECK(f.Step(0) == Lines{"instrument BTCUSDT", "done 1 ok"});
}

TEST_CASE("sim gateway: more requests in flight than allowed are refused here", "[sim][gateway]") {
  PortsFixture f({.max_requests_in_flight = 1});
  f.Place("a1", Side::kBuy, 6'000'000, 100);
  CHECK(f.gateway->QueryBalances(RequestId(1)).code() == absl::StatusCode::kResourceExhausted);
}

// --- feed --------------------------------------------------------------------------------------

class BookSink final : public MarketSink {
 public:
  void OnDepthSnapshot(const DepthSnapshot& snapshot) override {
    lines.push_back("snapshot " + std::to_string(snapshot.last_update_id) + " " +
                    std::to_string(snapshot.bids.size()) + "/" +
                    std::to_string(snapshot.asks.size()));
  }
  void OnDepthUpdate(const DepthUpdate& update) override {
    lines.push_back("diff " + std::to_string(update.first_update_id) + "-" +
                    std::to_string(update.last_update_id));
  }
  void OnBookTop(const BookTop& top) override {
    lines.push_back("top " + std::to_string(top.bid_price.ticks()) + " " +
                    std::to_string(top.ask_price.ticks()));
  }
  void OnPublicTrade(const PublicTrade& trade) override {
    lines.push_back("trade " + std::to_string(trade.trade_id.value()));
  }
  void OnFeedConnection(InstrumentId, bool is_up, int64_t) override {
    lines.push_back(is_up ? "up" : "down");
  }
  std::vector<std::string> lines;
};

struct FeedFixture : VenueFixture {
  explicit FeedFixture(SimFeedConfig config = {})
      : clock(1000 * kNanosPerSecond), faults(7, 1000 * kNanosPerSecond) {
    venue.Advance(clock.WallNs());
    config.instruments = {btc};
    feed = std::make_unique<SimFeed>(venue, clock, config, &faults);
    REQUIRE(feed->Start().ok());
    CHECK(Step(0) == Lines{"up"});
  }
  Lines Step(int64_t duration_ms) {
    clock.Advance(duration_ms * kNanosPerMilli);
    sink.lines.clear();
    while (feed->Poll(sink, 3) > 0) {
    }
    return sink.lines;
  }
  ManualClock clock;
  FaultInjector faults;
  std::unique_ptr<SimFeed> feed;
  BookSink sink;
};

TEST_CASE("sim feed: snapshot, differences, tops and trades", "[sim][feed]") {
  FeedFixture f;
  f.Limit(f.alice, Side::kBuy, "0.1", "60000");
  CHECK(f.Step(0) == Lines{"top 6000000 0"});
  f.feed->RequestSnapshot(f.btc);
  f.feed->RequestSnapshot(f.btc);  // one is in flight
  CHECK(f.Step(0) == Lines{"snapshot 1 1/0"});
  CHECK(f.Step(100) == Lines{"diff 1-1"});
  f.Limit(f.bob, Side::kSell, "0.1", "60000");
  CHECK(f.Step(100) == Lines{"trade 1", "top 0 0", "diff 2-2"});
}

TEST_CASE("sim feed: a missing difference leaves a gap in the numbers", "[sim][feed][fault]") {
  FeedFixture f;
  f.faults.Add({.kind = FaultKind::kSequenceGap, .point = FaultPoint::kDepthEvent, .count = 1});
  f.Limit(f.alice, Side::kBuy, "0.1", "60000");
  CHECK(f.Step(100) == Lines{"top 6000000 0"});
  f.Limit(f.alice, Side::kBuy, "0.1", "59000");
  CHECK(f.Step(100) == Lines{"diff 2-2"});
}

TEST_CASE("sim feed: a cut connection is reported and comes back", "[sim][feed][fault]") {
  FeedFixture f;
  f.feed->Disconnect();
  CHECK(f.Step(0) == Lines{"down"});
  f.Limit(f.alice, Side::kBuy, "0.1", "60000");
  CHECK(f.Step(100) == Lines{"up", "diff 1-1"});
  f.feed->Stop();
  CHECK(f.Step(0) == Lines{"down"});
}

TEST_CASE("sim feed: an overflowing queue is emptied and reported as a reconnection",
          "[sim][feed]") {
  FeedFixture f({.max_queued_messages = 4});
  for (int i = 0; i < 5; ++i) f.Limit(f.alice, Side::kBuy, "0.1", "6000" + std::to_string(i));
  CHECK(f.Step(0) == Lines{"down", "up"});
}

}  // namespace
}  // namespace holdfast
