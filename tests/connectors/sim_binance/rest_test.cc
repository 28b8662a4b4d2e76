// Proves that REST answers are the venue's, endpoint by endpoint and error by error. A whole venue
// with two accounts runs on loopback; raw HTTP requests go in and the JSON that comes out is read.
#include <catch2/catch.hpp>

#include "venue_fixture.h"

namespace holdfast::sim {
namespace {

std::string Order(VenueFixture& venue, Pairs changes, const Key& key = kAlice) {
  Pairs pairs = {{"symbol", "BTCUSDT"}, {"side", "BUY"},       {"type", "LIMIT"},
                 {"quantity", "0.1"},   {"price", "60000.00"}, {"timeInForce", "GTC"}};
  for (const auto& [name, value] : changes) {
    std::erase_if(pairs, [&](const auto& pair) { return pair.first == name; });
    if (value != "-") pairs.push_back({name, value});
  }
  return VenueFixture::Outcome(venue.TrySigned("POST", "/api/v3/order", pairs, key));
}

TEST_CASE("rest: public market data has the venue's shape", "[sim_binance][rest]") {
  VenueFixture venue;
  venue.Place("BUY", "0.5", "60000.00", "bid");
  venue.Place("SELL", "0.25", "60010.00", "ask");
  venue.Place("SELL", "0.2", "60000.00", "take", kBob);

  CHECK(venue.Get("/api/v3/ping") == json::object());
  CHECK(venue.Get("/api/v3/time")["serverTime"] == venue.clock.Milliseconds());
  const json depth = venue.Get("/api/v3/depth?symbol=BTCUSDT&limit=5");
  CHECK(depth["bids"] == json::parse(R"([["60000.00000000","0.30000000"]])"));
  CHECK(depth["asks"] == json::parse(R"([["60010.00000000","0.25000000"]])"));
  CHECK(depth["lastUpdateId"].get<int64_t>() > 0);
  const json trades = venue.Get("/api/v3/trades?symbol=BTCUSDT");
  REQUIRE(trades.size() == 1);
  CHECK(trades[0]["price"] == "60000.00000000");
  CHECK(trades[0]["quoteQty"] == "12000.00000000");
  CHECK(trades[0]["isBuyerMaker"] == true);
  CHECK(venue.Get("/api/v3/aggTrades?symbol=BTCUSDT")[0]["q"] == "0.20000000");
  CHECK(venue.Get("/api/v3/ticker/price?symbol=BTCUSDT") ==
        json::parse(R"({"symbol":"BTCUSDT","price":"60000.00000000"})"));
  CHECK(venue.Get("/api/v3/ticker/price").size() == 2);
  CHECK(venue.Get("/api/v3/ticker/price?symbols=%5B%22ETHUSDT%22,%22BTCUSDT%22%5D").size() == 2);
  CHECK(venue.Get("/api/v3/ticker/bookTicker?symbol=BTCUSDT")["askQty"] == "0.25000000");
  CHECK(venue.Get("/api/v3/ticker/24hr?symbol=BTCUSDT")["lastPrice"] == "60000.00000000");
  CHECK(venue.Get("/api/v3/avgPrice?symbol=BTCUSDT")["price"] == "60000.00000000");
  const json bars = venue.Get("/api/v3/klines?symbol=BTCUSDT&interval=1m");
  REQUIRE(bars.size() == 1);
  CHECK(bars[0][4] == "60000.00000000");
  CHECK(bars[0][5] == "0.20000000");
}

TEST_CASE("rest: exchange information carries the filters", "[sim_binance][rest]") {
  VenueFixture venue;
  const json all = venue.Get("/api/v3/exchangeInfo");
  CHECK(all["symbols"].size() == 2);
  CHECK(all["rateLimits"].size() == 4);
  const json one = venue.Get("/api/v3/exchangeInfo?symbol=BTCUSDT")["symbols"][0];
  CHECK(one["status"] == "TRADING");
  CHECK(one["filters"][0]["tickSize"] == "0.01000000");
  CHECK(one["filters"][1]["stepSize"] == "0.00001000");
  CHECK(one["filters"][2]["minNotional"] == "5.00000000");
}

TEST_CASE("rest: the life of an order", "[sim_binance][rest]") {
  VenueFixture venue;
  const json placed = venue.Place("BUY", "0.5", "60000.00", "life");
  CHECK(placed["status"] == "NEW");
  CHECK(placed["fills"].empty());
  const json found = json::parse(
      venue.Signed("GET", "/api/v3/order", {{"symbol", "BTCUSDT"}, {"origClientOrderId", "life"}})
          .body);
  CHECK(found["orderId"] == placed["orderId"]);
  CHECK(found["origQty"] == "0.50000000");
  CHECK(venue.OpenOrders().size() == 1);

  venue.Place("SELL", "0.2", "60000.00", "hit", kBob);
  const json trades =
      json::parse(venue.Signed("GET", "/api/v3/myTrades", {{"symbol", "BTCUSDT"}}).body);
  REQUIRE(trades.size() == 1);
  CHECK(trades[0]["isMaker"] == true);
  CHECK(trades[0]["commission"] == "0.00020000");
  CHECK(trades[0]["commissionAsset"] == "BTC");
  const json none =
      json::parse(venue
                      .Signed("GET", "/api/v3/myTrades",
                              {{"symbol", "BTCUSDT"},
                               {"fromId", std::to_string(trades[0]["id"].get<int64_t>() + 1)}})
                      .body);
  CHECK(none.empty());
  const json account = json::parse(venue.Signed("GET", "/api/v3/account", {}).body);
  CHECK(account["commissionRates"]["taker"] == "0.00200000");
  CHECK(account["makerCommission"] == 10);
  CHECK(account["balances"][0] ==
        json::parse(R"({"asset":"BTC","free":"10.19980000","locked":"0.00000000"})"));
  CHECK(account["balances"][1]["locked"] == "18000.00000000");

  const json canceled = json::parse(
      venue
          .Signed(
              "DELETE", "/api/v3/order",
              {{"symbol", "BTCUSDT"}, {"origClientOrderId", "life"}, {"newClientOrderId", "c1"}})
          .body);
  CHECK(canceled["status"] == "CANCELED");
  CHECK(canceled["origClientOrderId"] == "life");
  CHECK(canceled["clientOrderId"] == "c1");
  CHECK(canceled["executedQty"] == "0.20000000");
  const json all =
      json::parse(venue.Signed("GET", "/api/v3/allOrders", {{"symbol", "BTCUSDT"}}).body);
  REQUIRE(all.size() == 1);
  CHECK(all[0]["status"] == "CANCELED");
}

TEST_CASE("rest: a client id is refused while open and free afterwards", "[sim_binance][rest]") {
  VenueFixture venue;
  CHECK(Order(venue, {{"newClientOrderId", "same"}}) == "200");
  CHECK(Order(venue, {{"newClientOrderId", "same"}}) == "400 -2010 Duplicate order sent.");
  CHECK(venue.Signed("DELETE", "/api/v3/openOrders", {{"symbol", "BTCUSDT"}}).status == 200);
  CHECK(Order(venue, {{"newClientOrderId", "same"}}) == "200");
  // Another account may use it at the same time.
  CHECK(Order(venue, {{"newClientOrderId", "same"}}, kBob) == "200");
}

TEST_CASE("rest: every malformed order is refused in the venue's words", "[sim_binance][rest]") {
  VenueFixture venue;
  venue.Place("SELL", "1", "61000.00", "ask", kBob);
  const std::string missing = " was not sent, was empty/null, or malformed.";
  CHECK(Order(venue, {{"symbol", "-"}}) == "400 -1102 Mandatory parameter 'symbol'" + missing);
  CHECK(Order(venue, {{"side", "-"}}) == "400 -1102 Mandatory parameter 'side'" + missing);
  CHECK(Order(venue, {{"type", "-"}}) == "400 -1102 Mandatory parameter 'type'" + missing);
  CHECK(Order(venue, {{"quantity", "-"}}) == "400 -1102 Mandatory parameter 'quantity'" + missing);
  CHECK(Order(venue, {{"price", "-"}}) == "400 -1102 Mandatory parameter 'price'" + missing);
  CHECK(Order(venue, {{"timeInForce", "-"}}) ==
        "400 -1102 Mandatory parameter 'timeInForce'" + missing);
  CHECK(Order(venue, {{"symbol", "NOPE"}}) == "400 -1121 Invalid symbol.");
  CHECK(Order(venue, {{"symbol", "btcusdt"}}).starts_with("400 -1100 Illegal characters"));
  CHECK(Order(venue, {{"side", "HOLD"}}) == "400 -1117 Invalid side.");
  CHECK(Order(venue, {{"type", "BEST"}}) == "400 -1116 Invalid orderType.");
  CHECK(Order(venue, {{"timeInForce", "DAY"}}) == "400 -1115 Invalid timeInForce.");
  CHECK(Order(venue, {{"type", "LIMIT_MAKER"}}) ==
        "400 -1106 Parameter 'timeInForce' sent when not required.");
  CHECK(Order(venue, {{"quantity", "0"}}) == "400 -1013 Invalid quantity.");
  CHECK(Order(venue, {{"price", "0"}}) == "400 -1013 Invalid price.");
  CHECK(Order(venue, {{"quantity", "-1"}}).starts_with("400 -1100 Illegal characters"));
  CHECK(Order(venue, {{"quantity", "1e3"}}).starts_with("400 -1100 Illegal characters"));
  CHECK(Order(venue, {{"price", "60000.000000001"}}) ==
        "400 -1111 Parameter 'price' has too much precision.");
  CHECK(Order(venue, {{"quantity", ""}}) == "400 -1102 Mandatory parameter 'quantity'" + missing);
  CHECK(Order(venue, {{"price", "60000.001"}}) == "400 -1013 Filter failure: PRICE_FILTER");
  CHECK(Order(venue, {{"quantity", "0.000001"}}) == "400 -1013 Filter failure: LOT_SIZE");
  CHECK(Order(venue, {{"quantity", "0.00001"}}) == "400 -1013 Filter failure: NOTIONAL");
  CHECK(Order(venue, {{"newClientOrderId", "with.dot"}}) ==
        "400 -1100 Illegal characters found in parameter 'newClientOrderId'; legal range is "
        "'^[a-zA-Z0-9-_]{1,36}$'.");
  CHECK(Order(venue, {{"newClientOrderId", std::string(37, 'a')}}).starts_with("400 -1100"));
  CHECK(Order(venue, {{"newOrderRespType", "ALL"}}) ==
        "400 -1130 Data sent for parameter 'newOrderRespType' is not valid.");
  CHECK(Order(venue, {{"quantity", "100"}}) ==
        "400 -2010 Account has insufficient balance for requested action.");
  CHECK(Order(venue, {{"type", "LIMIT_MAKER"}, {"timeInForce", "-"}, {"price", "61000.00"}}) ==
        "400 -2010 Order would immediately match and take.");
  CHECK(venue.OpenOrders().empty());
}

TEST_CASE("rest: order/test checks and places nothing", "[sim_binance][rest]") {
  VenueFixture venue;
  const Pairs good = {{"symbol", "BTCUSDT"},
                      {"side", "BUY"},
                      {"type", "LIMIT_MAKER"},
                      {"quantity", "0.1"},
                      {"price", "60000"}};
  CHECK(venue.Signed("POST", "/api/v3/order/test", good).body == "{}");
  CHECK(venue.OpenOrders().empty());
}

TEST_CASE("rest: what is unknown is named as the venue names it", "[sim_binance][rest]") {
  VenueFixture venue;
  const Pairs unknown = {{"symbol", "BTCUSDT"}, {"origClientOrderId", "nobody"}};
  CHECK(VenueFixture::Outcome(venue.TrySigned("GET", "/api/v3/order", unknown)) ==
        "400 -2013 Order does not exist.");
  CHECK(VenueFixture::Outcome(venue.TrySigned("DELETE", "/api/v3/order", unknown)) ==
        "400 -2011 Unknown order sent.");
  CHECK(VenueFixture::Outcome(
            venue.TrySigned("DELETE", "/api/v3/openOrders", {{"symbol", "BTCUSDT"}})) ==
        "400 -2011 Unknown order sent.");
  CHECK(VenueFixture::Outcome(venue.TrySigned("GET", "/api/v3/order", {{"symbol", "BTCUSDT"}})) ==
        "400 -1102 Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!");
}

TEST_CASE("rest: an order that ended without a fill long ago is archived", "[sim_binance][rest]") {
  VenueFixture venue(
      [](FrontEndConfig& config) { config.api.archive_after_ns = 3600 * kNanosPerSecond; });
  venue.Place("BUY", "0.1", "60000.00", "old");
  const Pairs key = {{"symbol", "BTCUSDT"}, {"origClientOrderId", "old"}};
  venue.Signed("DELETE", "/api/v3/order", key);
  venue.clock.Advance(3601 * kNanosPerSecond);
  CHECK(VenueFixture::Outcome(venue.TrySigned("GET", "/api/v3/order", key))
            .starts_with("400 -2026 "));
}

TEST_CASE("rest: cancel-replace says which half failed", "[sim_binance][rest]") {
  VenueFixture venue;
  venue.Place("BUY", "0.1", "60000.00", "first");
  const auto replace = [&](const std::string& id, const std::string& mode,
                           const std::string& quantity, const std::string& new_id) {
    return venue.Signed("POST", "/api/v3/order/cancelReplace",
                        {{"symbol", "BTCUSDT"},
                         {"side", "BUY"},
                         {"type", "LIMIT_MAKER"},
                         {"quantity", quantity},
                         {"price", "59000"},
                         {"cancelReplaceMode", mode},
                         {"cancelOrigClientOrderId", id},
                         {"newClientOrderId", new_id}});
  };
  const HttpReply good = replace("first", "STOP_ON_FAILURE", "0.2", "second");
  CHECK(good.status == 200);
  CHECK(json::parse(good.body)["newOrderResponse"]["clientOrderId"] == "second");

  const HttpReply stopped = replace("first", "STOP_ON_FAILURE", "0.3", "third");
  CHECK(stopped.status == 400);
  json body = json::parse(stopped.body);
  CHECK(body["code"] == -2022);
  CHECK(body["data"]["cancelResult"] == "FAILURE");
  CHECK(body["data"]["newOrderResult"] == "NOT_ATTEMPTED");
  CHECK(body["data"]["cancelResponse"]["code"] == -2011);
  CHECK(body["data"]["newOrderResponse"] == nullptr);

  const HttpReply only_new = replace("first", "ALLOW_FAILURE", "0.3", "third");
  CHECK(only_new.status == 409);
  body = json::parse(only_new.body);
  CHECK(body["code"] == -2021);
  CHECK(body["data"]["newOrderResult"] == "SUCCESS");

  const HttpReply only_cancel = replace("third", "STOP_ON_FAILURE", "900", "fourth");
  CHECK(only_cancel.status == 409);
  body = json::parse(only_cancel.body);
  CHECK(body["data"]["cancelResult"] == "SUCCESS");
  CHECK(body["data"]["newOrderResponse"]["code"] == -2010);

  const HttpReply both = replace("nobody", "ALLOW_FAILURE", "900", "fifth");
  CHECK(both.status == 400);
  CHECK(json::parse(both.body)["code"] == -2022);
}

TEST_CASE("rest: an amendment reduces and keeps the order", "[sim_binance][rest]") {
  VenueFixture venue;
  const json placed = venue.Place("BUY", "0.5", "60000.00", "amend");
  const auto amend = [&](const std::string& quantity) {
    return venue.TrySigned("PUT", "/api/v3/order/amend/keepPriority",
                           {{"symbol", "BTCUSDT"},
                            {"origClientOrderId", "amend"},
                            {"newClientOrderId", "amend"},
                            {"newQty", quantity}});
  };
  const auto good = amend("0.4");
  REQUIRE(good->status == 200);
  const json body = json::parse(good->body);
  CHECK(body["amendedOrder"]["orderId"] == placed["orderId"]);
  CHECK(body["amendedOrder"]["qty"] == "0.40000000");
  CHECK(VenueFixture::Outcome(amend("0.45")) ==
        "400 -2038 Order amend (quantity increase) is not supported.");
}

// --- keys, signatures, times ------------------------------------------------------------------

TEST_CASE("rest: keys and signatures are checked", "[sim_binance][rest]") {
  VenueFixture venue;
  const std::string time = "timestamp=" + std::to_string(venue.clock.Milliseconds());
  const auto get = [&](const std::string& query, const std::string& key) {
    const Headers headers = key.empty() ? Headers{} : Headers{{"X-MBX-APIKEY", key}};
    return VenueFixture::Outcome(
        HttpClient(venue.port).Request("GET", "/api/v3/account?" + query, headers));
  };
  const std::string good = "&signature=" + HmacHex("aliceSecret", time);
  CHECK(get(time + good, "aliceHmac") == "200");
  CHECK(get(time + good, "") == "401 -2014 API-key format invalid.");
  CHECK(get(time + good, "bad key!") == "401 -2014 API-key format invalid.");
  CHECK(get(time + good, "stranger") ==
        "401 -2015 Invalid API-key, IP, or permissions for action.");
  CHECK(get(time + good, "bobHmac") == "400 -1022 Signature for this request is not valid.");
  CHECK(get(time, "aliceHmac") ==
        "400 -1102 Mandatory parameter 'signature' was not sent, was empty/null, or malformed.");
  CHECK(get("signature=00", "aliceHmac") ==
        "400 -1102 Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.");
  // Hexadecimal in either case.
  std::string upper = HmacHex("aliceSecret", time);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  CHECK(get(time + "&signature=" + upper, "aliceHmac") == "200");
  // A key that may only read.
  CHECK(Order(venue, {}, {"aliceReadOnly", "readSecret"}) ==
        "401 -2015 Invalid API-key, IP, or permissions for action.");
  CHECK(venue.Signed("GET", "/api/v3/account", {}, {"aliceReadOnly", "readSecret"}).status == 200);
}

TEST_CASE("rest: Ed25519 signatures are base64, percent-encoded in the URL",
          "[sim_binance][rest]") {
  VenueFixture venue;
  const std::string payload = "timestamp=" + std::to_string(venue.clock.Milliseconds());
  std::string encoded;
  for (const char c : EdBase64(payload)) {
    encoded += c == '+' ? "%2B" : c == '/' ? "%2F" : c == '=' ? "%3D" : std::string(1, c);
  }
  const auto reply = HttpClient(venue.port)
                         .Request("GET", "/api/v3/account?" + payload + "&signature=" + encoded,
                                  {{"X-MBX-APIKEY", "aliceEd"}});
  CHECK(VenueFixture::Outcome(reply) == "200");
  const auto wrong =
      HttpClient(venue.port)
          .Request("GET", "/api/v3/account?" + payload + "&recvWindow=5000&signature=" + encoded,
                   {{"X-MBX-APIKEY", "aliceEd"}});
  CHECK(VenueFixture::Outcome(wrong) == "400 -1022 Signature for this request is not valid.");
}

TEST_CASE("rest: the signature covers query and body, joined", "[sim_binance][rest]") {
  VenueFixture venue;
  const std::string query = "symbol=BTCUSDT&side=BUY&type=LIMIT_MAKER";
  const std::string body =
      "quantity=0.1&price=60000&timestamp=" + std::to_string(venue.clock.Milliseconds());
  const std::string signature = HmacHex("aliceSecret", query + body);
  const Headers headers = {{"X-MBX-APIKEY", "aliceHmac"},
                           {"Content-Type", "application/x-www-form-urlencoded"}};
  CHECK(VenueFixture::Outcome(HttpClient(venue.port)
                                  .Request("POST", "/api/v3/order?" + query, headers,
                                           body + "&signature=" + signature)) == "200");
  const std::string whole = query + "&" + body;
  CHECK(VenueFixture::Outcome(
            HttpClient(venue.port)
                .Request("POST", "/api/v3/order", headers,
                         whole + "&signature=" + HmacHex("aliceSecret", whole))) == "200");
  CHECK(VenueFixture::Outcome(HttpClient(venue.port)
                                  .Request("POST", "/api/v3/order?" + query + "&side=SELL", headers,
                                           body + "&signature=" + signature)) ==
        "400 -1101 Duplicate values for parameter 'side' detected.");
}

TEST_CASE("rest: the documented signature vector is accepted", "[sim_binance][rest]") {
  VenueFixture venue(nullptr, R"(
[[account]]
name = "documented"
api_key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
hmac_secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
)");
  // The time of the vector is long past, so that its signature is good shows as a time error only
  // behind the right signature; a wrong one is caught by the same request at the right time.
  const std::string payload =
      "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&"
      "timestamp=1499827319559";
  CHECK(HmacHex("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j", payload) ==
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71");
  const auto reply =
      HttpClient(venue.port)
          .Request(
              "POST",
              "/api/v3/order?" + payload +
                  "&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
              {{"X-MBX-APIKEY",
                "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"}});
  CHECK(VenueFixture::Outcome(reply) ==
        "400 -1021 Timestamp for this request is outside of the recvWindow.");
}

TEST_CASE("rest: a request is good for recvWindow, and not from the future",
          "[sim_binance][rest]") {
  VenueFixture venue;
  const int64_t now = venue.clock.Milliseconds();
  const auto at = [&](const std::string& timestamp, const std::string& window) {
    Pairs pairs = {{"timestamp", timestamp}};
    if (!window.empty()) pairs.push_back({"recvWindow", window});
    return VenueFixture::Outcome(venue.TrySigned("GET", "/api/v3/account", pairs));
  };
  const std::string outside = "400 -1021 Timestamp for this request is outside of the recvWindow.";
  const std::string ahead =
      "400 -1021 Timestamp for this request was 1000ms ahead of the server's time.";
  CHECK(at(std::to_string(now - 5000), "") == "200");
  CHECK(at(std::to_string(now - 5001), "") == outside);
  CHECK(at(std::to_string(now + 999), "") == "200");
  CHECK(at(std::to_string(now + 1000), "") == ahead);
  CHECK(at(std::to_string(now - 20), "10") == outside);
  CHECK(at(std::to_string(now - 59'999), "60000") == "200");
  CHECK(at(std::to_string(now), "60001") == "400 -1131 recvWindow must be less than 60000.");
  CHECK(at(std::to_string(now * 1000 - 1500), "1.5") == "200");  // microseconds
  CHECK(at(std::to_string(now * 1000 - 1501), "1.5") == outside);
  CHECK(at("yesterday", "").starts_with("400 -1100 Illegal characters"));
  CHECK(at("", "") == "400 -1105 Parameter 'timestamp' was empty.");
}

// --- limits -----------------------------------------------------------------------------------

TEST_CASE("rest: weight is counted, refused and banned", "[sim_binance][rest]") {
  VenueFixture venue([](FrontEndConfig& config) {
    config.limits.weight_per_minute = 50;
    config.limits.ban_after_429_count = 2;
    config.limits.ban_seconds = 120;
  });
  CHECK(venue.TryGet("/api/v3/exchangeInfo")->headers.at("x-mbx-used-weight-1m") == "20");
  CHECK(venue.TryGet("/api/v3/exchangeInfo")->headers.at("x-mbx-used-weight-1m") == "40");
  const auto refused = venue.TryGet("/api/v3/exchangeInfo");
  CHECK(VenueFixture::Outcome(refused).starts_with("429 -1003 Too much request weight used"));
  CHECK(std::stoi(refused->headers.at("retry-after")) <= 60);
  CHECK(venue.TryGet("/api/v3/ping")->status == 200);  // still fits
  venue.TryGet("/api/v3/exchangeInfo");
  venue.TryGet("/api/v3/exchangeInfo");
  const auto banned = venue.TryGet("/api/v3/ping");
  CHECK(VenueFixture::Outcome(banned).starts_with("418 -1003 Way too much request weight used"));
  venue.clock.Advance(119 * kNanosPerSecond);
  CHECK(venue.TryGet("/api/v3/ping")->status == 418);
  venue.clock.Advance(2 * kNanosPerSecond);
  CHECK(venue.TryGet("/api/v3/ping")->headers.at("x-mbx-used-weight-1m") == "1");
}

TEST_CASE("rest: orders are counted per account; success costs no weight", "[sim_binance][rest]") {
  VenueFixture venue([](FrontEndConfig& config) { config.limits.orders_per_10_seconds = 2; });
  const Pairs order = {{"symbol", "BTCUSDT"},
                       {"side", "BUY"},
                       {"type", "LIMIT_MAKER"},
                       {"quantity", "0.1"},
                       {"price", "60000"}};
  const HttpReply first = venue.Signed("POST", "/api/v3/order", order);
  CHECK(first.headers.at("x-mbx-order-count-10s") == "1");
  CHECK(first.headers.at("x-mbx-order-count-1d") == "1");
  CHECK(first.headers.at("x-mbx-used-weight-1m") == "0");
  venue.Signed("POST", "/api/v3/order", order);
  const HttpReply third = venue.Signed("POST", "/api/v3/order", order);
  CHECK(third.status == 429);
  CHECK(json::parse(third.body)["code"] == -1015);
  CHECK(third.headers.count("retry-after") == 1);
  CHECK(venue.Signed("POST", "/api/v3/order", order, kBob).status == 200);
  // A maker fill gives orders back; so does the next window.
  venue.Place("SELL", "0.1", "60000.00", "fill", kBob);
  CHECK(venue.Signed("POST", "/api/v3/order", order).status == 200);
  CHECK(venue.Signed("DELETE", "/api/v3/openOrders", {{"symbol", "BTCUSDT"}}).status == 200);
}

TEST_CASE("rest: what the venue no longer or never offers", "[sim_binance][rest]") {
  VenueFixture venue;
  HttpClient client(venue.port);
  CHECK(client.Request("POST", "/api/v3/userDataStream", {{"X-MBX-APIKEY", "aliceHmac"}})->status ==
        410);
  CHECK(client.Request("GET", "/api/v3/nothing")->status == 404);
  CHECK(client.Request("PATCH", "/api/v3/order")->status == 405);
  CHECK(client.Request("GET", "/")->status == 404);
}

}  // namespace
}  // namespace holdfast::sim
