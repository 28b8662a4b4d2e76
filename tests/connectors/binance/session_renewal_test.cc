// Proves what a connection must not forget, and what it must: a pause that the venue ordered holds
// for the next connection too; a clock sample opens order entry again; a gateway that was stopped
// in the middle of something starts as if new. A scripted venue and the gateway run in turns on one
// thread, with time stepped by hand.

#include <catch2/catch.hpp>

#include "connectors/binance/gateway.h"
#include "tests/connectors/binance/venue_fixture.h"

namespace holdfast {
namespace {

using testing::GatewayFixture;
using testing::PlacedResult;
using testing::StubReply;
using testing::StubRequest;
using testing::StubVenue;

int CountRequests(GatewayFixture& fixture, const std::string& path) {
  int count = 0;
  for (const StubRequest& request : fixture.venue.server.requests()) {
    count += request.Path() == path ? 1 : 0;
  }
  return count;
}

// The symptom was order entry that stayed down until the next answer came over REST.
TEST_CASE("renewal: a sample of the venue's clock opens order entry over REST again",
          "[binance][renewal]") {
  GatewayFixture fixture([](BinanceOptions& options) { options.uses_websocket_orders = false; });
  REQUIRE(fixture.StartAndWait());
  fixture.venue.paths["POST /api/v3/order"] = [](const StubRequest&) -> StubReply {
    return {.status = 400, .body = R"({"code":-1021,"msg":"Timestamp ... recvWindow."})"};
  };
  std::string time_request;
  fixture.venue.methods["time"] = [&](const std::string& id, const std::string&) {
    time_request = id;
    return std::string();
  };
  // The second answer looks at order entry while there is no offset to sign with.
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a2")).ok());
  REQUIRE(fixture.Until([&] {
    return fixture.log.Count<OrderRejected>() == 2 && !fixture.gateway->is_order_entry_up();
  }));
  fixture.Settle();
  REQUIRE_FALSE(time_request.empty());
  fixture.venue.session->Send(StubVenue::Success(
      time_request, "{\"serverTime\":" + std::to_string(fixture.venue.TimeMs()) + "}"));
  fixture.Settle();
  CHECK(fixture.gateway->is_order_entry_up());
}

TEST_CASE("renewal: a pause that the venue ordered outlasts the connection",
          "[binance][renewal][limits]") {
  const bool is_ban = GENERATE(false, true);
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  fixture.venue.methods["order.cancel"] = [&](const std::string& id, const std::string&) {
    return "{\"id\":" + id + ",\"status\":" + (is_ban ? "418" : "429") +
           ",\"error\":{\"code\":-1003,\"msg\":\"Too much request weight used.\",\"data\":{"
           "\"serverTime\":1,\"retryAfter\":" +
           std::to_string(fixture.venue.TimeMs() + 20'000) + "}}}";
  };
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<CancelRejected>() == 1; }));
  fixture.venue.session->Cut();
  const int connections = fixture.venue.server.connection_count();
  fixture.Pass(19'500 * kNanosPerMilli);
  CHECK(fixture.venue.session_count == 1);
  CHECK(fixture.venue.server.connection_count() == connections);
  fixture.Pass(2 * kNanosPerSecond);
  CHECK(fixture.venue.session_count == 2);
  CHECK(fixture.gateway->is_private_stream_up());
}

TEST_CASE("renewal: a gateway stopped while its connection is being renewed starts as if new",
          "[binance][renewal]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  bool is_silent = true;
  int placed_over_session = 0;
  fixture.venue.methods["order.place"] = [&](const std::string& id, const std::string&) {
    ++placed_over_session;
    return is_silent ? std::string() : StubVenue::Success(id, PlacedResult("a2"));
  };
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.Until([&] { return placed_over_session == 1; }));
  fixture.venue.session->Send("{\"event\":{\"e\":\"serverShutdown\",\"E\":1}}");
  fixture.Settle();
  fixture.gateway->Stop();
  is_silent = false;
  REQUIRE(fixture.StartAndWait());
  fixture.Settle();
  CHECK(fixture.venue.session_count == 2);
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a2")).ok());
  fixture.Settle();
  CHECK(placed_over_session == 2);
  CHECK(fixture.log.Count<OrderAccepted>() == 1);
}

TEST_CASE("renewal: a gateway stopped while it measures the clock again starts as if new",
          "[binance][renewal]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  int asked = 0;
  fixture.venue.methods["time"] = [&](const std::string&, const std::string&) {
    ++asked;
    return std::string();
  };
  fixture.Pass(61 * kNanosPerSecond, 500 * kNanosPerMilli);
  REQUIRE(asked == 1);
  fixture.gateway->Stop();
  fixture.venue.methods.erase("time");
  REQUIRE(fixture.gateway->Start().ok());
  fixture.Settle();  // no time passes: nothing has to run out first
  CHECK(fixture.gateway->is_private_stream_up());
  CHECK(fixture.gateway->is_order_entry_up());
}

TEST_CASE("renewal: a gateway stopped while a query waits for its next attempt starts as if new",
          "[binance][renewal]") {
  GatewayFixture fixture;
  fixture.venue.server.on_upgrade = [](const std::string&) { return false; };
  fixture.venue.paths["GET /api/v3/time"] = [](const StubRequest&) -> StubReply {
    return {.status = 503, .body = "{}"};
  };
  REQUIRE(fixture.gateway->Start().ok());
  REQUIRE(fixture.gateway->QueryOpenOrders(RequestId(1), InstrumentId(0)).ok());
  fixture.Settle();
  CHECK(CountRequests(fixture, "/api/v3/time") == 1);
  fixture.gateway->Stop();
  fixture.gateway->Poll(fixture.log, 1000);
  REQUIRE(fixture.log.Count<QueryDone>() == 1);
  CHECK_FALSE(fixture.log.All<QueryDone>()[0].is_ok);
  fixture.venue.paths.erase("GET /api/v3/time");
  REQUIRE(fixture.gateway->Start().ok());
  fixture.Settle();  // no time passes: the pause before the next attempt is over
  CHECK(CountRequests(fixture, "/api/v3/time") == 2);
  CHECK(fixture.gateway->is_order_entry_up());
}

}  // namespace
}  // namespace holdfast
