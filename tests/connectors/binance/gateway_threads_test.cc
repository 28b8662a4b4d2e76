// Proves the hand-over between the engine loop and a real network thread: every request gets
// exactly one answer and no event is lost, also when the loop falls behind. Run under
// ThreadSanitizer too.

#include <catch2/catch.hpp>
#include <set>

#include "connectors/binance/feed.h"
#include "tests/connectors/binance/venue_fixture.h"

namespace holdfast {
namespace {

using testing::EventLog;
using testing::ExecutionReport;
using testing::GatewayFixture;
using testing::JsonValue;
using testing::PlacedResult;
using testing::StubVenue;

struct ThreadedVenue {
  explicit ThreadedVenue(bool is_spinning) : venue(clock) {
    options.rest_url = venue.server.HttpUrl();
    options.websocket_api_url = venue.server.WebSocketUrl() + "/ws-api/v3";
    options.stream_url = venue.server.WebSocketUrl();
    options.api_key = "testkey";
    options.hmac_secret = SecretText("testsecret");
    connection = std::move(*BinanceConnection::Create(
        options, {.name = "hf-test", .is_spinning = is_spinning}, clock));
    connection->thread().Start();
    gateway = std::move(
        *BinanceGateway::Create(*connection, options, {testing::TestInstrument()}, &waker));
    feed =
        std::move(*BinanceFeed::Create(*connection, options, {testing::TestInstrument()}, &waker));
  }
  // Real time bounds a failure only.
  template <typename Condition>
  bool Until(Condition condition) {
    const int64_t deadline_ns = clock.MonotonicNs() + 60 * kNanosPerSecond;
    while (!condition()) {
      if (clock.MonotonicNs() > deadline_ns) return false;
      if (venue.server.Poll() == 0) std::this_thread::yield();
      gateway->Poll(log, 100);
    }
    return true;
  }

  SystemClock clock;
  StubVenue venue;
  BinanceOptions options;
  Waker waker;
  std::unique_ptr<BinanceConnection> connection;
  std::unique_ptr<BinanceGateway> gateway;
  std::unique_ptr<BinanceFeed> feed;
  EventLog log;
};

TEST_CASE("gateway threads: each placement gets exactly one answer", "[binance][threads]") {
  for (const bool is_spinning : {false, true}) {
    ThreadedVenue fixture(is_spinning);
    fixture.venue.methods["order.place"] = [](const std::string& id, const std::string& text) {
      return StubVenue::Success(id, PlacedResult(JsonValue(text, "newClientOrderId")));
    };
    REQUIRE(fixture.gateway->Start().ok());
    REQUIRE(fixture.Until([&] { return fixture.gateway->is_private_stream_up(); }));
    constexpr int kOrders = 500;
    int placed = 0;
    REQUIRE(fixture.Until([&] {
      if (placed < kOrders &&
          fixture.gateway->Place(GatewayFixture::Buy("a" + std::to_string(placed))).ok()) {
        ++placed;
      }
      return fixture.log.Count<OrderAccepted>() + fixture.log.Count<OrderRejected>() == kOrders;
    }));
    std::set<std::string> answered;
    for (const auto& accepted : fixture.log.All<OrderAccepted>()) {
      CHECK(answered.insert(std::string(accepted.client_order_id.view())).second);
    }
    // Those beyond the rate budget at a moment are refused here, which is an answer too.
    for (const auto& rejected : fixture.log.All<OrderRejected>()) {
      CHECK(rejected.reason == RejectReason::kNotSent);
      CHECK(answered.insert(std::string(rejected.client_order_id.view())).second);
    }
    CHECK(answered.size() == kOrders);
    fixture.gateway->Stop();
  }
}

TEST_CASE("gateway threads: a loop that falls behind loses no event", "[binance][threads]") {
  ThreadedVenue fixture(false);
  REQUIRE(fixture.gateway->Start().ok());
  REQUIRE(fixture.Until([&] { return fixture.gateway->is_private_stream_up(); }));
  // More than the ring holds, while the loop does not take any.
  constexpr int kEvents = 40'000;
  for (int i = 0; i < kEvents; ++i) {
    fixture.venue.session->Send(ExecutionReport("a" + std::to_string(i), "NEW", "NEW"));
  }
  int idle_polls = 0;
  while (idle_polls < 2000) {
    if (fixture.venue.server.Poll() == 0) {
      ++idle_polls;
      std::this_thread::yield();
    }
  }
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderReport>() == kEvents; }));
  const auto reports = fixture.log.All<OrderReport>();
  for (int i = 0; i < kEvents; ++i) {
    REQUIRE(reports[static_cast<size_t>(i)].client_order_id == "a" + std::to_string(i));
  }
  CHECK(fixture.gateway->is_private_stream_up());
}

TEST_CASE("gateway threads: start, stop and destruction at any time", "[binance][threads]") {
  for (int i = 0; i < 20; ++i) {
    ThreadedVenue fixture(i % 2 == 0);
    REQUIRE(fixture.gateway->Start().ok());
    REQUIRE(fixture.feed->Start().ok());
    fixture.feed->RequestSnapshot(InstrumentId(0));
    for (int poll = 0; poll < i * 5; ++poll) fixture.venue.server.Poll();
    if (i % 3 == 0) fixture.gateway->Stop();
    if (i % 5 == 0) fixture.feed->Stop();
  }
}

}  // namespace
}  // namespace holdfast
