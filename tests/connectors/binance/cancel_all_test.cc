// Proves that a confirmed cancel-all covers what was placed before it: placements that it can
// overtake on another connection, and placements whose answer is missing. A scripted venue that
// keeps the orders at rest and the gateway run in turns on one thread, with time stepped by hand.

#include <catch2/catch.hpp>
#include <set>

#include "connectors/binance/gateway.h"
#include "tests/connectors/binance/venue_fixture.h"

namespace holdfast {
namespace {

using testing::GatewayFixture;
using testing::JsonValue;
using testing::PlacedResult;
using testing::StubReply;
using testing::StubRequest;
using testing::StubVenue;

constexpr InstrumentId kInstrument{0};

struct Story : GatewayFixture {
  explicit Story(std::function<void(BinanceOptions&)> configure = nullptr)
      : GatewayFixture(std::move(configure)) {
    venue.methods["openOrders.cancelAll"] = [this](const std::string& id, const std::string&) {
      return CancelAllAtVenue() ? StubVenue::Success(id, "[]")
                                : StubVenue::Error(id, 400, -2011, "Unknown order sent.");
    };
    venue.paths["DELETE /api/v3/openOrders"] = [this](const StubRequest&) -> StubReply {
      if (CancelAllAtVenue()) return {.body = "[]"};
      return {.status = 400, .body = "{\"code\":-2011,\"msg\":\"Unknown order sent.\"}"};
    };
    venue.paths["POST /api/v3/order"] = [this](const StubRequest& request) -> StubReply {
      under_way.insert(request.Parameter("newClientOrderId"));
      return {.is_silent = true};
    };
  }
  bool CancelAllAtVenue() {
    ++cancel_all_count;
    const bool had_orders = !resting.empty();
    resting.clear();
    return had_orders;
  }
  // The venue gets round to what it was sent, after all.
  void Arrive() {
    resting.insert(under_way.begin(), under_way.end());
    under_way.clear();
  }
  void PlaceOverRestWhileSessionIsDown() {
    bool is_refusing = true;
    venue.server.on_upgrade = [&](const std::string&) { return !is_refusing; };
    REQUIRE(gateway->Start().ok());
    REQUIRE(Until([&] { return gateway->is_order_entry_up(); }));
    REQUIRE(gateway->Place(Buy("late")).ok());
    REQUIRE(Until([&] { return under_way.size() == 1; }));
    is_refusing = false;
    for (int i = 0; i < 10 && !gateway->is_private_stream_up(); ++i) Pass(100 * kNanosPerMilli);
    REQUIRE(gateway->is_private_stream_up());
    venue.server.on_upgrade = nullptr;
  }
  std::vector<QueryDone> Ends() const { return log.All<QueryDone>(); }

  std::set<std::string> under_way;
  std::set<std::string> resting;
  int cancel_all_count = 0;
};

TEST_CASE("cancel-all: one that nothing can slip past is sent once", "[binance][cancel_all]") {
  Story story;
  REQUIRE(story.StartAndWait());
  SECTION("nothing is under way") {}
  SECTION("a placement went ahead on the same connection") {
    story.venue.methods["order.place"] = [&](const std::string& id, const std::string&) {
      story.resting.insert("a1");
      return StubVenue::Success(id, PlacedResult("a1"));
    };
    REQUIRE(story.gateway->Place(GatewayFixture::Buy("a1")).ok());
  }
  REQUIRE(story.gateway->CancelAll(RequestId(1), kInstrument).ok());
  REQUIRE(story.Until([&] { return story.Ends().size() == 1; }));
  CHECK(story.Ends()[0].is_ok);
  CHECK(story.resting.empty());
  story.Pass(10 * kNanosPerSecond);
  CHECK(story.cancel_all_count == 1);
}

TEST_CASE("cancel-all: over the WS API it does not leave a placement behind that REST carries",
          "[binance][cancel_all]") {
  Story story;
  story.PlaceOverRestWhileSessionIsDown();
  REQUIRE(story.gateway->CancelAll(RequestId(1), kInstrument).ok());
  REQUIRE(story.Until([&] { return story.cancel_all_count == 1; }));  // at once
  story.Settle();
  CHECK(story.Ends().empty());
  story.Arrive();
  CHECK(story.resting.size() == 1);
  // What would only have to be canceled again does not leave.
  REQUIRE(story.gateway->Place(GatewayFixture::Buy("next")).ok());
  REQUIRE(story.Until([&] { return story.log.Count<OrderRejected>() == 1; }));
  CHECK(story.log.All<OrderRejected>()[0].client_order_id == "next");
  CHECK(story.log.All<OrderRejected>()[0].reason == RejectReason::kNotSent);
  for (int i = 0; i < 100 && story.Ends().empty(); ++i) story.Pass(100 * kNanosPerMilli);
  REQUIRE(story.Ends().size() == 1);
  CHECK(story.Ends()[0].is_ok);
  CHECK(story.log.Count<OrderAmbiguous>() == 1);
  CHECK(story.resting.empty());
  CHECK(story.cancel_all_count == 2);

  story.venue.methods["order.place"] = [](const std::string& id, const std::string&) {
    return StubVenue::Success(id, PlacedResult("a1"));
  };
  REQUIRE(story.gateway->Place(GatewayFixture::Buy("a1")).ok());
  CHECK(story.Until([&] { return story.log.Count<OrderAccepted>() == 1; }));
}

TEST_CASE("cancel-all: it outlasts a placement that was cut off and has not expired",
          "[binance][cancel_all]") {
  Story story([](BinanceOptions& options) {
    options.recv_window_ms = 3000;
    options.visibility_lag_ms = 500;
  });
  REQUIRE(story.StartAndWait());
  story.venue.methods["order.place"] = [&](const std::string&, const std::string& text) {
    story.under_way.insert(JsonValue(text, "newClientOrderId"));
    return std::string();
  };
  REQUIRE(story.gateway->Place(GatewayFixture::Buy("late")).ok());
  REQUIRE(story.Until([&] { return story.under_way.size() == 1; }));
  story.venue.session->Cut();
  REQUIRE(story.Until([&] { return story.log.Count<OrderAmbiguous>() == 1; }));
  const int64_t expiry_ns = story.log.All<OrderAmbiguous>()[0].submit_expiry_ns;
  while (!story.gateway->is_private_stream_up()) story.Pass(100 * kNanosPerMilli);
  REQUIRE(story.gateway->CancelAll(RequestId(1), kInstrument).ok());
  REQUIRE(story.Until([&] { return story.cancel_all_count == 1; }));
  while (story.clock.WallNs() < expiry_ns + 400 * kNanosPerMilli) {
    story.Pass(100 * kNanosPerMilli);
    if (story.clock.WallNs() >= expiry_ns) story.Arrive();  // at the last moment
    REQUIRE(story.Ends().empty());
  }
  CHECK(story.resting.size() == 1);
  story.Pass(300 * kNanosPerMilli);
  REQUIRE(story.Ends().size() == 1);
  CHECK(story.Ends()[0].is_ok);
  CHECK(story.resting.empty());
  CHECK(story.cancel_all_count == 2);
}

TEST_CASE("cancel-all: over REST it does not leave a placement of another connection behind",
          "[binance][cancel_all]") {
  Story story([](BinanceOptions& options) { options.uses_websocket_orders = false; });
  REQUIRE(story.StartAndWait());
  REQUIRE(story.gateway->Place(GatewayFixture::Buy("late")).ok());
  REQUIRE(story.Until([&] { return story.under_way.size() == 1; }));
  REQUIRE(story.gateway->CancelAll(RequestId(1), kInstrument).ok());
  REQUIRE(story.Until([&] { return story.cancel_all_count == 1; }));
  story.Settle();
  CHECK(story.Ends().empty());
  story.Arrive();
  for (int i = 0; i < 100 && story.Ends().empty(); ++i) story.Pass(100 * kNanosPerMilli);
  REQUIRE(story.Ends().size() == 1);
  CHECK(story.Ends()[0].is_ok == story.resting.empty());
}

TEST_CASE("cancel-all: one that waits is answered by a stop, and is no confirmation",
          "[binance][cancel_all]") {
  Story story;
  story.PlaceOverRestWhileSessionIsDown();
  REQUIRE(story.gateway->CancelAll(RequestId(1), kInstrument).ok());
  REQUIRE(story.Until([&] { return story.cancel_all_count == 1; }));
  story.Settle();
  CHECK(story.Ends().empty());
  story.gateway->Stop();
  story.gateway->Poll(story.log, 1000);
  REQUIRE(story.Ends().size() == 1);
  CHECK_FALSE(story.Ends()[0].is_ok);
}

}  // namespace
}  // namespace holdfast
