// Proves that the WebSocket API answers as the venue does: requests in order, sessions, signatures,
// rate limits in every reply, and the user data stream. Raw WebSocket clients against a whole
// venue.
#include <catch2/catch.hpp>

#include "venue_fixture.h"

namespace holdfast::sim {
namespace {

TEST_CASE("ws api: a request is answered under its id with its rate limits", "[sim_binance][ws]") {
  VenueFixture venue;
  WsApiClient client(venue);
  const json time = client.Call("time");
  CHECK(time["status"] == 200);
  CHECK(time["result"]["serverTime"] == venue.clock.Milliseconds());
  REQUIRE(time["rateLimits"].size() == 1);
  CHECK(time["rateLimits"][0]["rateLimitType"] == "REQUEST_WEIGHT");
  CHECK(client.Call("v3/ping")["result"] == json::object());
  client.socket().Send(R"({"id":"text-id","method":"ping"})");
  CHECK(client.Reply("text-id")["status"] == 200);
  client.socket().Send(R"({"id":null,"method":"ping"})");
  CHECK(client.Reply(nullptr)["status"] == 200);
  CHECK_FALSE(client.Call("time", {{"returnRateLimits", false}}).contains("rateLimits"));
}

TEST_CASE("ws api: rate limits can be left out for a whole connection", "[sim_binance][ws]") {
  VenueFixture venue;
  WsApiClient client(venue, "/ws-api/v3?returnRateLimits=false");
  CHECK_FALSE(client.Call("ping").contains("rateLimits"));
  CHECK(client.Call("ping", {{"returnRateLimits", true}}).contains("rateLimits"));
}

TEST_CASE("ws api: signed order requests, the whole set", "[sim_binance][ws]") {
  VenueFixture venue;
  WsApiClient client(venue);
  const json placed =
      client.Call("order.place", client.Sign(LimitOrder("BUY", "0.5", "60000.00", "w1")));
  REQUIRE(placed["status"] == 200);
  CHECK(placed["result"]["status"] == "NEW");
  CHECK(placed["rateLimits"].size() == 3);
  CHECK(placed["rateLimits"][0]["count"] == 1);
  const json again =
      client.Call("order.place", client.Sign(LimitOrder("BUY", "0.5", "60000.00", "w1")));
  CHECK(again["status"] == 400);
  CHECK(again["error"]["code"] == -2010);
  CHECK(again["error"]["msg"] == "Duplicate order sent.");

  const json key = {{"symbol", "BTCUSDT"}, {"origClientOrderId", "w1"}};
  CHECK(client.Call("order.status", client.Sign(key))["result"]["orderId"] ==
        placed["result"]["orderId"]);
  json amend = key;
  amend["newQty"] = "0.4";
  amend["newClientOrderId"] = "w1";
  CHECK(client.Call("order.amend.keepPriority",
                    client.Sign(amend))["result"]["amendedOrder"]["qty"] == "0.40000000");
  json replace = LimitOrder("BUY", "0.3", "59000.00", "w2");
  replace["cancelReplaceMode"] = "STOP_ON_FAILURE";
  replace["cancelOrigClientOrderId"] = "w1";
  CHECK(client.Call("order.cancelReplace", client.Sign(replace))["result"]["newOrderResult"] ==
        "SUCCESS");
  const json failed = client.Call("order.cancelReplace", client.Sign(replace));
  CHECK(failed["status"] == 400);
  CHECK(failed["error"]["code"] == -2022);
  CHECK(failed["error"]["data"]["newOrderResult"] == "NOT_ATTEMPTED");
  CHECK(client.Call("openOrders.status", client.Sign({{"symbol", "BTCUSDT"}}))["result"].size() ==
        1);
  const json canceled = client.Call(
      "order.cancel", client.Sign({{"symbol", "BTCUSDT"}, {"origClientOrderId", "w2"}}));
  CHECK(canceled["result"]["status"] == "CANCELED");
  client.Call("order.place", client.Sign(LimitOrder("BUY", "0.5", "58000.00", "w3")));
  CHECK(
      client.Call("openOrders.cancelAll", client.Sign({{"symbol", "BTCUSDT"}}))["result"].size() ==
      1);
  CHECK(client.Call("openOrders.cancelAll",
                    client.Sign({{"symbol", "BTCUSDT"}}))["error"]["code"] == -2011);
  CHECK(client.Call("account.status", client.Sign(json::object()))["result"]["canTrade"] == true);
  CHECK(client.Call("myTrades", client.Sign({{"symbol", "BTCUSDT"}}))["result"].empty());
  CHECK(client.Call("allOrders", client.Sign({{"symbol", "BTCUSDT"}}))["result"].size() == 3);
  CHECK(client.Call("order.test", client.Sign(LimitOrder("BUY", "0.5", "58000.00",
                                                         "w4")))["result"] == json::object());
}

TEST_CASE("ws api: numbers in a request are signed as they were sent", "[sim_binance][ws]") {
  VenueFixture venue;
  WsApiClient client(venue);
  json order = LimitOrder("BUY", "0.5", "60000.00", "numbers");
  order["quantity"] = 0.25;
  order["price"] = 60000;
  order["recvWindow"] = 5000;
  const json placed = client.Call("order.place", client.Sign(order));
  REQUIRE(placed["status"] == 200);
  CHECK(placed["result"]["origQty"] == "0.25000000");
}

TEST_CASE("ws api: pipelined requests are answered in order", "[sim_binance][ws]") {
  VenueFixture venue;
  WsApiClient client(venue);
  constexpr int kCount = 200;
  for (int i = 0; i < kCount; ++i) {
    const json params =
        client.Sign(LimitOrder("BUY", "0.01", "50000.00", "pipe-" + std::to_string(i)));
    client.socket().Send(
        json{{"id", 1000 + i}, {"method", "order.place"}, {"params", params}}.dump());
  }
  int64_t last_order_id = 0;
  for (int i = 0; i < kCount; ++i) {
    const auto text = client.socket().Receive();
    REQUIRE(text.has_value());
    const json reply = json::parse(*text);
    CHECK(reply["id"] == 1000 + i);
    REQUIRE(reply["status"] == 200);
    CHECK(reply["result"]["orderId"].get<int64_t>() > last_order_id);
    last_order_id = reply["result"]["orderId"].get<int64_t>();
  }
}

TEST_CASE("ws api: a session is opened with Ed25519 only", "[sim_binance][ws]") {
  VenueFixture venue;
  WsApiClient client(venue);
  CHECK(client.Call("session.status")["result"]["apiKey"] == nullptr);
  CHECK(client.Call("session.logon", client.Sign(json::object()))["error"]["code"] == -4056);
  CHECK(client.Call("order.place", client.Timed(LimitOrder("BUY", "0.1", "60000",
                                                           "x")))["error"]["code"] == -1102);
  const json logon = client.Call("session.logon", client.SignEd(json::object()));
  REQUIRE(logon["status"] == 200);
  CHECK(logon["result"]["apiKey"] == "aliceEd");
  CHECK(client.Call("session.status")["result"]["apiKey"] == "aliceEd");
  // Now without key and signature, but never without a timestamp.
  const json order = LimitOrder("BUY", "0.1", "60000", "session");
  CHECK(client.Call("order.place", client.Timed(order))["status"] == 200);
  CHECK(client.Call("order.place", order)["error"]["code"] == -1102);
  json late = order;
  late["timestamp"] = venue.clock.Milliseconds() - 6000;
  CHECK(client.Call("order.place", late)["error"]["code"] == -1021);
  // A request with its own key is that key's.
  const json bobs = client.Call("openOrders.status", client.Sign(json::object(), kBob));
  CHECK(bobs["result"].empty());
  CHECK(client.Call("session.logout")["result"]["apiKey"] == nullptr);
  CHECK(client.Call("openOrders.status", client.Timed(json::object()))["error"]["code"] == -1102);
}

TEST_CASE("ws api: bad signatures, keys and times", "[sim_binance][ws]") {
  VenueFixture venue;
  WsApiClient client(venue);
  const auto code = [&](const json& params) {
    const json reply = client.Call("account.status", params);
    return std::to_string(reply["status"].get<int>()) + " " +
           std::to_string(reply["error"]["code"].get<int>());
  };
  json wrong = client.Sign(json::object());
  wrong["signature"] = std::string(64, '0');
  CHECK(code(wrong) == "400 -1022");
  CHECK(code(client.Sign(json::object(), {"stranger", "x"})) == "401 -2015");
  CHECK(code(client.Sign({{"timestamp", venue.clock.Milliseconds() + 1000}})) == "400 -1021");
  CHECK(code(client.Sign({{"recvWindow", 60001}})) == "400 -1131");
  const json refused = client.Call(
      "order.place",
      client.Sign(LimitOrder("BUY", "0.1", "60000", "x"), {"aliceReadOnly", "readSecret"}));
  CHECK(refused["error"]["code"] == -2015);
}

TEST_CASE("ws api: what is not a request is answered, and the connection lives",
          "[sim_binance][ws]") {
  VenueFixture venue;
  WsApiClient client(venue);
  for (const char* text :
       {"", "nonsense", "{", "[]", "17", "{}", R"({"id":1})", R"({"id":1,"method":7})",
        R"({"id":1.5,"method":"ping"})", R"({"id":true,"method":"ping"})",
        R"({"id":1,"method":"ping","params":[]})", R"({"id":1,"method":"ping","params":{"a":{}}})",
        R"({"id":1,"method":"ping","params":{"a":1,"a":2}})", "{\"id\":1,\"method\":\"\xff\"}x"}) {
    INFO(text);
    client.socket().Send(text);
    const auto answer = client.socket().Receive();
    // Text that is not UTF-8 ends a WebSocket; everything else is answered.
    if (std::string_view(text).find('\xff') != std::string_view::npos) {
      CHECK_FALSE(answer.has_value());
      CHECK(client.socket().close_code() == 1007);
      break;
    }
    REQUIRE(answer.has_value());
    const json reply = json::parse(*answer);
    CHECK(reply["status"] == 400);
    CHECK(reply["error"]["code"] == -1135);
  }
  WsApiClient other(venue);
  CHECK(other.Call("order.invent")["error"]["code"] == -1020);
  CHECK(other.Call("depth", {{"symbol", "NOPE"}})["error"]["code"] == -1121);
  CHECK(other.Call("exchangeInfo", {{"symbols", {"BTCUSDT", "ETHUSDT"}}})["result"]["symbols"]
            .size() == 2);
}

TEST_CASE("ws api: limits refuse with the time to come back", "[sim_binance][ws]") {
  VenueFixture venue([](FrontEndConfig& config) {
    config.limits.orders_per_10_seconds = 1;
    config.limits.weight_per_minute = 100;
  });
  WsApiClient client(venue);
  CHECK(client.Call("order.place", client.Sign(LimitOrder("BUY", "0.1", "60000", "a")))["status"] ==
        200);
  const json second =
      client.Call("order.place", client.Sign(LimitOrder("BUY", "0.1", "60000", "b")));
  CHECK(second["status"] == 429);
  CHECK(second["error"]["code"] == -1015);
  CHECK(second["error"]["data"]["retryAfter"] > venue.clock.Milliseconds());
  json reply;
  for (int i = 0; i < 6; ++i) reply = client.Call("exchangeInfo");
  CHECK(reply["status"] == 429);
  CHECK(reply["error"]["code"] == -1003);
}

// --- user data stream -------------------------------------------------------------------------

TEST_CASE("user stream: events of the account, wrapped with the subscription",
          "[sim_binance][ws]") {
  VenueFixture venue;
  WsApiClient client(venue);
  CHECK(client.Call("userDataStream.subscribe")["status"] == 401);
  const json subscribed =
      client.Call("userDataStream.subscribe.signature", client.Sign(json::object()));
  REQUIRE(subscribed["status"] == 200);
  CHECK(subscribed["result"]["subscriptionId"] == 0);
  CHECK(client.Call("userDataStream.subscribe.signature", client.Sign(json::object()))["status"] ==
        400);

  venue.Place("BUY", "0.5", "60000.00", "u1");
  json event = client.Event();
  CHECK(event["subscriptionId"] == 0);
  CHECK(event["event"]["e"] == "executionReport");
  CHECK(event["event"]["x"] == "NEW");
  CHECK(event["event"]["c"] == "u1");
  CHECK(event["event"]["C"] == "");
  CHECK(event["event"]["N"] == nullptr);
  CHECK(event["event"]["t"] == -1);
  event = client.Event();
  CHECK(event["event"]["e"] == "outboundAccountPosition");
  CHECK(event["event"]["B"] ==
        json::parse(R"([{"a":"USDT","f":"970000.00000000","l":"30000.00000000"}])"));

  venue.Place("SELL", "0.2", "60000.00", "u2", kBob);
  event = client.Event()["event"];
  CHECK(event["x"] == "TRADE");
  CHECK(event["X"] == "PARTIALLY_FILLED");
  CHECK(event["l"] == "0.20000000");
  CHECK(event["L"] == "60000.00000000");
  CHECK(event["z"] == "0.20000000");
  CHECK(event["Y"] == "12000.00000000");
  CHECK(event["n"] == "0.00020000");
  CHECK(event["N"] == "BTC");
  CHECK(event["m"] == true);
  CHECK(client.Event()["event"]["e"] == "outboundAccountPosition");

  venue.Signed("DELETE", "/api/v3/order",
               {{"symbol", "BTCUSDT"}, {"origClientOrderId", "u1"}, {"newClientOrderId", "uc"}});
  event = client.Event()["event"];
  CHECK(event["x"] == "CANCELED");
  CHECK(event["c"] == "uc");
  CHECK(event["C"] == "u1");
  CHECK(event["w"] == false);
  CHECK(client.Event()["event"]["e"] == "outboundAccountPosition");

  venue.Control("POST", "/transfer", {{"account", "alice"}, {"asset", "USDT"}, {"amount", "-7"}});
  bool has_update = false;
  for (int i = 0; i < 2; ++i) {
    event = client.Event()["event"];
    if (event["e"] != "balanceUpdate") continue;
    has_update = true;
    CHECK(event["d"] == "-7.00000000");
  }
  CHECK(has_update);
}

TEST_CASE("user stream: unsubscribing and logging out end it with a word", "[sim_binance][ws]") {
  VenueFixture venue;
  WsApiClient client(venue);
  client.Call("session.logon", client.SignEd(json::object()));
  CHECK(client.Call("userDataStream.subscribe")["result"]["subscriptionId"] == 0);
  CHECK(client.Call("session.status")["result"]["userDataStream"] == true);
  CHECK(client.Call("userDataStream.subscribe.signature",
                    client.Sign(json::object(), kBob))["result"]["subscriptionId"] == 1);
  client.Call("session.logout");
  json event = client.Event();
  CHECK(event["subscriptionId"] == 0);
  CHECK(event["event"]["e"] == "eventStreamTerminated");
  CHECK(client.Call("userDataStream.unsubscribe", {{"subscriptionId", 9}})["error"]["code"] ==
        -1130);
  // The subscription by signature lives on.
  venue.Place("SELL", "0.1", "61000.00", "still", kBob);
  event = client.Event();
  CHECK(event["subscriptionId"] == 1);
  CHECK(event["event"]["c"] == "still");
  client.events.clear();
  CHECK(client.Call("userDataStream.unsubscribe", {{"subscriptionId", 1}})["status"] == 200);
  do {
    event = client.Event();
  } while (event["event"]["e"] != "eventStreamTerminated");
  CHECK(event["subscriptionId"] == 1);
}

TEST_CASE("user stream: a rejected half of a replacement and an amendment are seen",
          "[sim_binance][ws]") {
  VenueFixture venue;
  WsApiClient client(venue);
  venue.Place("BUY", "0.5", "60000.00", "r1");
  client.Call("userDataStream.subscribe.signature", client.Sign(json::object()));
  client.Call("order.amend.keepPriority", client.Sign({{"symbol", "BTCUSDT"},
                                                       {"origClientOrderId", "r1"},
                                                       {"newClientOrderId", "r2"},
                                                       {"newQty", "0.4"}}));
  json event = client.Event()["event"];
  CHECK(event["x"] == "REPLACED");
  CHECK(event["c"] == "r2");
  CHECK(event["C"] == "r1");
  CHECK(event["q"] == "0.40000000");
}

}  // namespace
}  // namespace holdfast::sim
