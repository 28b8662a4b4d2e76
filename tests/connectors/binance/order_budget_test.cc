// Proves that the gateway never sends more than the venue allows: it counts what it sends, believes
// the counts that REST answers carry in their headers, and asks once more just before a placement
// leaves. A scripted venue and the gateway run in turns on one thread, with time stepped by hand.

#include <catch2/catch.hpp>

#include "connectors/binance/gateway.h"
#include "tests/connectors/binance/venue_fixture.h"

namespace holdfast {
namespace {

using testing::CanceledResult;
using testing::GatewayFixture;
using testing::PlacedResult;
using testing::StubReply;
using testing::StubRequest;

constexpr InstrumentId kInstrument{0};

// The answer of a venue that tells limits and no counts: what is used, only we know.
std::string LimitOf(const std::string& id, const std::string& result, const std::string& type,
                    const std::string& interval, int interval_num, int limit) {
  return "{\"id\":" + id + ",\"status\":200,\"result\":" + result +
         ",\"rateLimits\":[{\"rateLimitType\":\"" + type + "\",\"interval\":\"" + interval +
         "\",\"intervalNum\":" + std::to_string(interval_num) +
         ",\"limit\":" + std::to_string(limit) + "}]}";
}

TEST_CASE("order budget: every request is counted when it is sent", "[binance][limits]") {
  GatewayFixture fixture;
  fixture.venue.methods["order.place"] = [](const std::string&, const std::string&) {
    return std::string();
  };
  fixture.venue.methods["order.cancel"] = fixture.venue.methods["order.place"];
  fixture.venue.paths["GET /api/v3/openOrders"] = [](const StubRequest&) -> StubReply {
    return {.body = "[]"};
  };
  REQUIRE(fixture.StartAndWait());
  fixture.Settle();
  // The windows of the venue are whole minutes and tens of seconds: not across the end of one.
  constexpr int64_t kMinuteNs = 60 * kNanosPerSecond;
  fixture.Pass(kMinuteNs - fixture.clock.WallNs() % kMinuteNs + kNanosPerSecond, kNanosPerSecond);
  const RateBudget before = fixture.gateway->rate_budget();

  for (const char* id : {"a1", "a2", "a3"}) {
    REQUIRE(fixture.gateway->Place(GatewayFixture::Buy(id)).ok());
  }
  fixture.Settle();
  RateBudget now = fixture.gateway->rate_budget();
  CHECK(now.order_count_used == before.order_count_used + 3);
  CHECK(now.request_weight_used == before.request_weight_used + 3);
  CHECK(now.placement_room == now.order_count_limit - now.order_count_used);

  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
  fixture.Settle();
  now = fixture.gateway->rate_budget();
  CHECK(now.order_count_used == before.order_count_used + 3);  // a cancel is no order
  CHECK(now.request_weight_used == before.request_weight_used + 4);

  REQUIRE(fixture.gateway->QueryOpenOrders(RequestId(1), kInstrument).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<QueryDone>() == 1; }));
  fixture.Pass(100 * kNanosPerMilli);
  CHECK(fixture.gateway->rate_budget().request_weight_used == before.request_weight_used + 4 + 6);
}

TEST_CASE("order budget: requests count by their number too", "[binance][limits]") {
  GatewayFixture fixture;
  fixture.venue.methods["order.place"] = [](const std::string& id, const std::string&) {
    return LimitOf(id, PlacedResult("a1"), "RAW_REQUESTS", "MINUTE", 5, 25);
  };
  REQUIRE(fixture.StartAndWait());
  int placed = 0;
  for (int i = 0; i < 25; ++i) {
    const absl::Status status =
        fixture.gateway->Place(GatewayFixture::Buy("a" + std::to_string(i)));
    if (!status.ok()) break;
    ++placed;
    fixture.Settle();
  }
  // A fifth is kept for cancels.
  CHECK(placed <= 20);
  CHECK(placed >= 15);
  CHECK(fixture.log.Count<OrderAccepted>() == placed);
  REQUIRE(fixture.gateway->QueryBalances(RequestId(1)).ok());
  fixture.Settle();
  CHECK(fixture.gateway->rate_budget().query_wait == QueryWait::kRequestCount);
}

TEST_CASE("order budget: what the headers of a REST answer count is believed",
          "[binance][limits][rest]") {
  GatewayFixture fixture([](BinanceOptions& options) { options.uses_websocket_orders = false; });
  std::string header = "X-MBX-ORDER-COUNT-10S";
  std::string count = "100";
  int64_t blocked_ns = 10 * kNanosPerSecond;
  int placed = 0;
  fixture.venue.paths["POST /api/v3/order"] = [&](const StubRequest& request) -> StubReply {
    ++placed;
    return {.body = PlacedResult(request.Parameter("newClientOrderId")),
            .headers = {{header, count}}};
  };
  fixture.venue.paths["DELETE /api/v3/order"] = [](const StubRequest& request) -> StubReply {
    return {.body = CanceledResult(request.Parameter("origClientOrderId"))};
  };
  SECTION("orders in ten seconds") {}
  SECTION("orders in a day") {
    header = "X-MBX-ORDER-COUNT-1D";
    count = "200000";
    blocked_ns = 86'400 * kNanosPerSecond;
  }
  SECTION("weight in a minute: a share is kept for cancels") {
    header = "X-MBX-USED-WEIGHT-1M";
    count = "4800";
    blocked_ns = 60 * kNanosPerSecond;
  }
  SECTION("a count too large for any window") { count = "9223372036854775807"; }
  REQUIRE(fixture.StartAndWait());
  fixture.Settle();
  // At the beginning of a window.
  const int64_t into_window_ns = fixture.clock.WallNs() % blocked_ns;
  fixture.clock.Advance(blocked_ns - into_window_ns);
  fixture.Settle();
  REQUIRE(fixture.Until([&] { return fixture.gateway->is_order_entry_up(); }));

  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAccepted>() == 1; }));
  CHECK_FALSE(fixture.gateway->rate_budget().is_placement_allowed);
  CHECK(fixture.gateway->rate_budget().placement_room == 0);
  CHECK(fixture.gateway->Place(GatewayFixture::Buy("a2")).code() ==
        absl::StatusCode::kResourceExhausted);
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderReport>() == 1; }));
  CHECK(placed == 1);
}

TEST_CASE("order budget: a placement that was handed over in time and has no room is not sent",
          "[binance][limits]") {
  GatewayFixture fixture;
  int arrived = 0;
  fixture.venue.methods["order.place"] = [&](const std::string& id, const std::string&) {
    ++arrived;
    std::string answer = testing::StubVenue::Success(id, PlacedResult("a"));
    return answer.replace(answer.find("\"count\":1"), 9,
                          "\"count\":" + std::to_string(48 + arrived));
  };
  REQUIRE(fixture.StartAndWait());
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a0")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAccepted>() == 1; }));
  REQUIRE(fixture.gateway->rate_budget().placement_room == 1);
  // Both are handed over before the network's thread has its turn.
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a2")).ok());
  REQUIRE(fixture.Until([&] {
    return fixture.log.Count<OrderAccepted>() + fixture.log.Count<OrderRejected>() == 3;
  }));
  fixture.Settle();
  CHECK(arrived == 2);
  REQUIRE(fixture.log.Count<OrderRejected>() == 1);
  CHECK(fixture.log.All<OrderRejected>()[0].client_order_id == "a2");
  CHECK(fixture.log.All<OrderRejected>()[0].reason == RejectReason::kNotSent);
}

}  // namespace
}  // namespace holdfast
