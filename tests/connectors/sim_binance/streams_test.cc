// Proves the public streams: subscriptions, payloads, update ids that continue each other and join
// the snapshot, and what happens to clients that break the rules.
#include <catch2/catch.hpp>

#include "venue_fixture.h"

namespace holdfast::sim {
namespace {

constexpr int64_t kDepthIntervalNs = 100 * kNanosPerMilli;

json Call(WsClient& client, const std::string& text) {
  client.Send(text);
  for (;;) {
    const auto answer = client.Receive();
    if (!answer.has_value()) throw std::runtime_error("connection ended");
    json message = json::parse(*answer);
    if (message.contains("id") || message.contains("error")) return message;
  }
}

json Next(WsClient& client) {
  const auto text = client.Receive();
  if (!text.has_value()) throw std::runtime_error("connection ended");
  return json::parse(*text);
}

TEST_CASE("streams: subscribe, list, unsubscribe, properties", "[sim_binance][streams]") {
  VenueFixture venue([](FrontEndConfig& config) { config.limits.stream_messages_per_second = 0; });
  WsClient client(venue.port, "/ws");
  CHECK(Call(client, R"({"method":"SUBSCRIBE","params":["btcusdt@trade","x@y"],"id":1})") ==
        json::parse(R"({"result":null,"id":1})"));
  CHECK(Call(client, R"({"method":"LIST_SUBSCRIPTIONS","id":"a"})") ==
        json::parse(R"({"result":["btcusdt@trade","x@y"],"id":"a"})"));
  CHECK(Call(client, R"({"method":"UNSUBSCRIBE","params":["x@y","never"],"id":2})")["result"] ==
        nullptr);
  CHECK(Call(client, R"({"method":"GET_PROPERTY","params":["combined"],"id":3})")["result"] ==
        false);
  CHECK(Call(client, R"({"method":"SET_PROPERTY","params":["combined",true],"id":4})")["result"] ==
        nullptr);
  venue.Place("BUY", "0.5", "60000.00", "b");
  venue.Place("SELL", "0.5", "60000.00", "s", kBob);
  const json trade = Next(client);
  CHECK(trade["stream"] == "btcusdt@trade");
  CHECK(trade["data"]["e"] == "trade");
  CHECK(trade["data"]["p"] == "60000.00000000");
  CHECK(trade["data"]["q"] == "0.50000000");
  CHECK(trade["data"]["m"] == true);
}

TEST_CASE("streams: bad requests are answered with the venue's codes", "[sim_binance][streams]") {
  VenueFixture venue([](FrontEndConfig& config) { config.limits.stream_messages_per_second = 0; });
  WsClient client(venue.port, "/stream");
  const auto code = [&](const std::string& text) {
    return Call(client, text)["error"]["code"].get<int>();
  };
  CHECK(code("nonsense") == 3);
  CHECK(code("[]") == 2);
  CHECK(code(R"({"id":1})") == 2);
  CHECK(code(R"({"method":"DANCE","id":1})") == 2);
  CHECK(code(R"({"method":"SUBSCRIBE","params":["a"],"id":{}})") == 2);
  CHECK(code(R"({"method":"SUBSCRIBE","params":[7],"id":1})") == 2);
  CHECK(code(R"({"method":"SUBSCRIBE","params":"a","id":1})") == 2);
  CHECK(code(R"({"method":"GET_PROPERTY","params":["x"],"id":1})") == 0);
  CHECK(code(R"({"method":"SET_PROPERTY","params":["combined","yes"],"id":1})") == 1);
  CHECK(Call(client, R"({"method":"LIST_SUBSCRIPTIONS","id":1})")["result"].empty());
}

TEST_CASE("streams: named in the path, raw and combined", "[sim_binance][streams]") {
  VenueFixture venue;
  WsClient raw(venue.port, "/ws/btcusdt@bookTicker");
  WsClient combined(venue.port, "/stream?streams=btcusdt@bookTicker/btcusdt%40aggTrade");
  venue.Place("BUY", "0.5", "60000.00", "b");
  const json top = Next(raw);
  CHECK(top["b"] == "60000.00000000");
  CHECK(top["B"] == "0.50000000");
  CHECK(top["a"] == "0.00000000");
  const json wrapped = Next(combined);
  CHECK(wrapped["stream"] == "btcusdt@bookTicker");
  CHECK(wrapped["data"] == top);
  venue.Place("SELL", "0.1", "60000.00", "s", kBob);
  json message;
  do {
    message = Next(combined);
  } while (message["stream"] != "btcusdt@aggTrade");
  CHECK(message["data"]["e"] == "aggTrade");
}

TEST_CASE("streams: depth differences continue each other and join the snapshot",
          "[sim_binance][streams]") {
  VenueFixture venue;
  WsClient client(venue.port, "/ws/btcusdt@depth@100ms");
  WsClient slow(venue.port, "/ws/btcusdt@depth");
  int64_t last_update_id = 0;
  for (int i = 0; i < 12; ++i) {
    venue.Place("BUY", "0.01", std::to_string(50'000 + i), "d" + std::to_string(i));
    venue.clock.Advance(kDepthIntervalNs);
    const json event = Next(client);
    CHECK(event["e"] == "depthUpdate");
    if (last_update_id != 0) CHECK(event["U"] == last_update_id + 1);
    last_update_id = event["u"];
    CHECK(event["b"][0][1] == "0.01000000");
  }
  const json snapshot = venue.Get("/api/v3/depth?symbol=BTCUSDT&limit=5000");
  CHECK(snapshot["lastUpdateId"] == last_update_id);
  CHECK(snapshot["bids"].size() == 12);
  // The slow stream says the same in fewer words.
  std::map<std::string, std::string> bids;
  int64_t slow_update_id = 0;
  while (slow_update_id < last_update_id) {
    if (slow_update_id != 0) {
      venue.Place("BUY", "0.01", "40000", "more" + std::to_string(slow_update_id));
      venue.clock.Advance(kNanosPerSecond);
    }
    const json event = Next(slow);
    if (slow_update_id != 0) CHECK(event["U"] == slow_update_id + 1);
    slow_update_id = event["u"];
    for (const auto& level : event["b"]) bids[level[0]] = level[1];
  }
  CHECK(bids.size() >= 12);
}

TEST_CASE("streams: partial depth shows the top of the book", "[sim_binance][streams]") {
  VenueFixture venue;
  WsClient client(venue.port, "/ws/btcusdt@depth5@100ms");
  for (int i = 0; i < 7; ++i) {
    venue.Place("BUY", "0.01", std::to_string(50'000 + i), "p" + std::to_string(i));
  }
  venue.clock.Advance(kDepthIntervalNs);
  const json event = Next(client);
  CHECK(event["bids"].size() == 5);
  CHECK(event["bids"][0][0] == "50006.00000000");
}

TEST_CASE("streams: a client that talks too fast is cut off", "[sim_binance][streams]") {
  VenueFixture venue;  // five messages a second
  WsClient client(venue.port, "/ws");
  for (int i = 0; i < 5; ++i) {
    CHECK(Call(client, R"({"method":"LIST_SUBSCRIPTIONS","id":1})")["result"].empty());
  }
  client.Send(R"({"method":"LIST_SUBSCRIPTIONS","id":6})");
  CHECK_FALSE(client.Receive().has_value());
  CHECK(client.close_code() == 1008);
  WsClient pinger(venue.port, "/ws");
  for (int i = 0; i < 6; ++i) pinger.SendPing("p");
  CHECK_FALSE(pinger.Receive().has_value());
  CHECK(pinger.close_code() == 1008);
  CHECK(venue.Control("GET", "/state")["connections"]["floodCut"] == 2);
}

TEST_CASE("streams: the shutdown notice reaches every kind of connection",
          "[sim_binance][streams]") {
  VenueFixture venue;
  WsClient raw(venue.port, "/ws");
  WsClient combined(venue.port, "/stream");
  WsApiClient api(venue);
  api.Call("ping");
  Call(raw, R"({"method":"LIST_SUBSCRIPTIONS","id":1})");
  Call(combined, R"({"method":"LIST_SUBSCRIPTIONS","id":1})");
  venue.Control("POST", "/shutdown-notice", json::object());
  CHECK(Next(raw)["e"] == "serverShutdown");
  const json wrapped = Next(combined);
  CHECK(wrapped["stream"] == "!serverShutdown");
  CHECK(wrapped["data"]["e"] == "serverShutdown");
  CHECK(api.Event()["event"]["e"] == "serverShutdown");
}

}  // namespace
}  // namespace holdfast::sim
