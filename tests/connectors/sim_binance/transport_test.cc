// Proves that the transport survives every kind of peer: malformed bytes, oversize requests, slow
// readers, pipelining, silence, too many connections, and an occupied port.
#include <catch2/catch.hpp>

#include "venue_fixture.h"

namespace holdfast::sim {
namespace {

int64_t Stat(VenueFixture& venue, const char* name) {
  return venue.Control("GET", "/state")["connections"][name].get<int64_t>();
}

TEST_CASE("transport: keep-alive and pipelined HTTP answers keep their order",
          "[sim_binance][transport]") {
  VenueFixture venue;
  HttpClient client(venue.port);
  constexpr int kCount = 300;
  std::string requests;
  for (int i = 0; i < kCount; ++i) {
    requests += i % 2 == 0 ? "GET /api/v3/ping HTTP/1.1\r\nHost: x\r\n\r\n"
                           : "GET /api/v3/time HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  client.SendRaw(requests);
  for (int i = 0; i < kCount; ++i) {
    const auto reply = client.ReadReply();
    REQUIRE(reply.has_value());
    CHECK(reply->status == 200);
    CHECK((reply->body == "{}") == (i % 2 == 0));
  }
  CHECK(Stat(venue, "accepted") == 1);
}

TEST_CASE("transport: a client that asks to close is closed", "[sim_binance][transport]") {
  VenueFixture venue;
  HttpClient client(venue.port);
  const auto reply = client.Request("GET", "/api/v3/ping", {{"Connection", "close"}});
  CHECK(reply->headers.at("connection") == "close");
  CHECK_FALSE(client.ReadReply().has_value());
  HttpClient old(venue.port);
  old.SendRaw("GET /api/v3/ping HTTP/1.0\r\n\r\n");
  CHECK(old.ReadReply()->status == 200);
  CHECK_FALSE(old.ReadReply().has_value());
}

TEST_CASE("transport: malformed HTTP is answered with 400 and ends the connection",
          "[sim_binance][transport]") {
  VenueFixture venue;
  for (const char* bytes :
       {"NONSENSE\r\n\r\n", "GET /api/v3/ping\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
        "GET /api/v3/ping HTTP/9.9\r\n\r\n", "GET /api/v3/ping HTTP/1.1\r\nbad header\r\n\r\n",
        "POST /api/v3/order HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST /api/v3/order HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "\x16\x03\x01\x02\r\n\r\n"}) {
    INFO(bytes);
    HttpClient client(venue.port);
    client.SendRaw(bytes);
    const auto reply = client.ReadReply();
    REQUIRE(reply.has_value());
    CHECK(reply->status == 400);
    CHECK_FALSE(client.ReadReply().has_value());
  }
  CHECK(Stat(venue, "malformed") == 8);
  CHECK(venue.TryGet("/api/v3/ping")->status == 200);
}

TEST_CASE("transport: what is too large is refused", "[sim_binance][transport]") {
  VenueFixture venue;
  HttpClient body(venue.port);
  CHECK(body.Request("POST", "/api/v3/order", {}, std::string(65 * 1024, 'a'))->status == 413);
  HttpClient header(venue.port);
  CHECK(header.Request("GET", "/api/v3/ping?" + std::string(17 * 1024, 'a'))->status == 431);
  WsClient message(venue.port, "/ws-api/v3");
  message.Send(std::string(65 * 1024, 'a'));
  CHECK_FALSE(message.Receive().has_value());
  CHECK(message.close_code() == 1009);
}

TEST_CASE("transport: broken percent sequences and repeated parameters are refused",
          "[sim_binance][transport]") {
  VenueFixture venue;
  CHECK(VenueFixture::Outcome(venue.TryGet("/api/v3/depth?symbol=%ZZ"))
            .starts_with("400 -1100 Illegal characters found in parameter 'symbol'"));
  CHECK(VenueFixture::Outcome(venue.TryGet("/api/v3/depth?symbol=BTCUSDT&symbol=ETHUSDT")) ==
        "400 -1101 Duplicate values for parameter 'symbol' detected.");
  CHECK(VenueFixture::Outcome(venue.TryGet("/api/v3/depth?symbol=BTCUSDT&limit=ten"))
            .starts_with("400 -1100 Illegal characters found in parameter 'limit'"));
  CHECK(VenueFixture::Outcome(venue.TryGet("/api/v3/depth?limit=5")) ==
        "400 -1102 Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.");
  CHECK(VenueFixture::Outcome(venue.TryGet("/api/v3/trades?symbol=BTCUSDT&limit=5000")) ==
        "400 -1130 Data sent for parameter 'limit' is not valid.");
  CHECK(VenueFixture::Outcome(venue.TryGet("/api/v3/klines?symbol=BTCUSDT&interval=7m")) ==
        "400 -1120 Invalid interval.");
}

TEST_CASE("transport: WebSocket frames that break the protocol end the connection",
          "[sim_binance][transport]") {
  VenueFixture venue;
  WsClient client(venue.port, "/ws-api/v3");
  client.SendRaw(std::string(64, '\xff'));
  CHECK_FALSE(client.Receive().has_value());
  WsClient unmasked(venue.port, "/ws");
  unmasked.SendRaw(std::string("\x81\x02{}", 4));  // a client's frames must be masked
  CHECK_FALSE(unmasked.Receive().has_value());
  CHECK(venue.TryGet("/api/v3/ping")->status == 200);
  CHECK_THROWS(WsClient(venue.port, "/elsewhere"));
  CHECK_THROWS(WsClient(venue.control_port, "/ws"));
}

TEST_CASE("transport: a slow reader is cut, the others are served", "[sim_binance][transport]") {
  VenueFixture venue([](FrontEndConfig& config) { config.trading.max_queued_bytes = 64 * 1024; });
  WsClient slow(venue.port, "/ws/btcusdt@bookTicker");
  WsClient quick(venue.port, "/ws/btcusdt@bookTicker");
  // More than the kernel's buffers of a loopback connection hold.
  bool is_cut = false;
  for (int round = 0; round < 5000 && !is_cut; ++round) {
    venue.OnLoop([&](SimVenue& sim) {
      const SimAccountId alice = *sim.FindAccount("alice");
      for (int i = 0; i < 50; ++i) {
        SimOrderRequest order;
        order.instrument = *sim.FindInstrument("BTCUSDT");
        order.quantity = *Decimal::Parse("0.001");
        order.price = Decimal::FromInteger(20'000 + i);
        sim.PlaceOrder(alice, order);
      }
      sim.CancelAll(alice, *sim.FindInstrument("BTCUSDT"));
    });
    // The round ends with an empty book.
    while (json::parse(quick.Receive().value())["b"] != "0.00000000") {
    }
    if (round % 20 == 0) is_cut = Stat(venue, "slowReaderCut") == 1;
  }
  CHECK(is_cut);
  CHECK(Stat(venue, "streams") == 1);
}

TEST_CASE("transport: pings come, an unanswered one ends the connection",
          "[sim_binance][transport]") {
  VenueFixture venue;
  WsClient client(venue.port, "/ws");
  WsApiClient api(venue);
  api.Call("ping");
  while (Stat(venue, "streams") == 0) std::this_thread::yield();
  venue.clock.Advance(21 * kNanosPerSecond);
  // Reading answers the ping; the request's answer comes after it.
  while (api.socket().ping_count() == 0) api.Call("ping");
  // The other one does not read, so it does not answer.
  while (Stat(venue, "pongTimeoutCut") == 0) venue.clock.Advance(kNanosPerSecond);
  while (client.Receive().has_value()) {
  }
  CHECK(client.close_code() == 0);
}

TEST_CASE("transport: a connection ends at its maximum age", "[sim_binance][transport]") {
  VenueFixture venue(
      [](FrontEndConfig& config) { config.trading.web_socket_life_ns = 10 * kNanosPerSecond; });
  WsApiClient client(venue);
  client.Call("ping");
  venue.clock.Advance(11 * kNanosPerSecond);
  CHECK_FALSE(client.socket().Receive().has_value());
  CHECK(client.socket().close_code() == 1001);
  CHECK(Stat(venue, "expired") == 1);
}

TEST_CASE("transport: connections are bounded", "[sim_binance][transport]") {
  VenueFixture venue([](FrontEndConfig& config) { config.trading.max_connections = 2; });
  HttpClient first(venue.port);
  HttpClient second(venue.port);
  CHECK(first.Request("GET", "/api/v3/ping")->status == 200);
  CHECK(second.Request("GET", "/api/v3/ping")->status == 200);
  CHECK_FALSE(venue.TryGet("/api/v3/ping").has_value());
  CHECK(Stat(venue, "refusedFull") == 1);
}

TEST_CASE("transport: a port in use is said to be in use", "[sim_binance][transport]") {
  VenueFixture venue;
  SimVenue sim({});
  REQUIRE(sim.AddInstrument(BuiltInInstrument("BTCUSDT")->instrument).ok());
  ServerLoop loop;
  FrontEndConfig config;
  config.trading.port = venue.port;
  FrontEnd second(loop, venue.clock, sim, config);
  const absl::Status status = second.Listen();
  CHECK(absl::IsAlreadyExists(status));
  const std::string text(status.message().data(), status.message().size());
  CHECK(text == "cannot listen: address=127.0.0.1 port=" + std::to_string(venue.port) +
                    " error=Address already in use");
}

}  // namespace
}  // namespace holdfast::sim
