// Proves that each fault does on the wire what its name says, and that the ledger tells the truth
// about what was executed. Faults are ordered through the control port, as an operator would.
#include <catch2/catch.hpp>

#include "connectors/sim/binance/fault_plan.h"
#include "venue_fixture.h"

namespace holdfast::sim {
namespace {

const Pairs kOrder = {{"symbol", "BTCUSDT"},
                      {"side", "BUY"},
                      {"type", "LIMIT_MAKER"},
                      {"quantity", "0.1"},
                      {"price", "60000"}};

Pairs OrderAs(const std::string& client_id) {
  Pairs pairs = kOrder;
  pairs.push_back({"newClientOrderId", client_id});
  return pairs;
}

int OrderCount(VenueFixture& venue) {
  return static_cast<int>(venue.Control("GET", "/ledger?account=alice")["orders"].size());
}

void AddFault(VenueFixture& venue, const std::string& kind, const std::string& point,
              json more = json::object()) {
  more["kind"] = kind;
  more["point"] = point;
  if (!more.contains("count")) more["count"] = 1;
  venue.Control("POST", "/faults", more);
}

TEST_CASE("faults: a lost request is never executed, a lost reply was", "[sim_binance][faults]") {
  VenueFixture venue;
  AddFault(venue, "lost_request", "place");
  CHECK(VenueFixture::Outcome(venue.TrySigned("POST", "/api/v3/order", OrderAs("lost"))) == "cut");
  CHECK(OrderCount(venue) == 0);
  AddFault(venue, "lost_reply", "place");
  CHECK(VenueFixture::Outcome(venue.TrySigned("POST", "/api/v3/order", OrderAs("kept"))) == "cut");
  CHECK(OrderCount(venue) == 1);
  CHECK(venue.OpenOrders()[0]["clientOrderId"] == "kept");
  // Both are over.
  CHECK(venue.Signed("POST", "/api/v3/order", OrderAs("next")).status == 200);
  const json counts = venue.Control("GET", "/faults");
  CHECK(counts["lost_request"] == 1);
  CHECK(counts["lost_reply"] == 1);
}

TEST_CASE("faults: on the WebSocket API a lost reply leaves the connection open",
          "[sim_binance][faults]") {
  VenueFixture venue;
  WsApiClient client(venue);
  AddFault(venue, "lost_reply", "place");
  client.socket().Send(json{{"id", "silent"},
                            {"method", "order.place"},
                            {"params", client.Sign(LimitOrder("BUY", "0.1", "60000", "q"))}}
                           .dump());
  const json found =
      client.Call("order.status", client.Sign({{"symbol", "BTCUSDT"}, {"origClientOrderId", "q"}}));
  CHECK(found["status"] == 200);  // and the answer before it never came
}

TEST_CASE("faults: a delay cuts the WebSocket connection", "[sim_binance][faults]") {
  VenueFixture venue;
  WsApiClient client(venue);
  AddFault(venue, "lost_reply", "place", {{"delay_ms", 1}});
  client.socket().Send(json{{"id", 1},
                            {"method", "order.place"},
                            {"params", client.Sign(LimitOrder("BUY", "0.1", "60000", "q"))}}
                           .dump());
  CHECK_FALSE(client.socket().Receive().has_value());
  CHECK(OrderCount(venue) == 1);
}

TEST_CASE(
    "faults: late acceptance happens after the answer could have come, inside recvWindow only",
    "[sim_binance][faults]") {
  VenueFixture venue;
  AddFault(venue, "late_accept", "place", {{"delay_ms", 1}});
  CHECK(VenueFixture::Outcome(venue.TrySigned("POST", "/api/v3/order", OrderAs("late"))) == "cut");
  while (OrderCount(venue) == 0) std::this_thread::yield();
  CHECK(venue.OpenOrders()[0]["clientOrderId"] == "late");

  // The second time the clock passes the request's window before it gets there.
  AddFault(venue, "late_accept", "place", {{"delay_ms", 200}});
  Pairs expiring = OrderAs("expired");
  expiring.push_back({"recvWindow", "100"});
  CHECK(VenueFixture::Outcome(venue.TrySigned("POST", "/api/v3/order", expiring)) == "cut");
  venue.clock.Advance(101 * kNanosPerMilli);
  AddFault(venue, "late_accept", "place", {{"delay_ms", 250}});
  CHECK(VenueFixture::Outcome(venue.TrySigned("POST", "/api/v3/order", OrderAs("after"))) == "cut");
  // Timers fire in order: once the later one is in, the earlier one has been decided.
  while (OrderCount(venue) == 1) std::this_thread::yield();
  CHECK(venue.OpenOrders().size() == 2);
  CHECK(venue.OpenOrders()[1]["clientOrderId"] == "after");
}

TEST_CASE("faults: 5xx before and after execution look the same", "[sim_binance][faults]") {
  VenueFixture venue;
  AddFault(venue, "server_error", "place");
  const std::string before =
      VenueFixture::Outcome(venue.TrySigned("POST", "/api/v3/order", OrderAs("a")));
  CHECK(OrderCount(venue) == 0);
  AddFault(venue, "server_error_after", "place");
  const std::string after =
      VenueFixture::Outcome(venue.TrySigned("POST", "/api/v3/order", OrderAs("b")));
  CHECK(OrderCount(venue) == 1);
  CHECK(before == after);
  CHECK(before.starts_with("504 -1007 Timeout waiting for response from backend server."));
}

TEST_CASE("faults: 429 and 418 carry Retry-After", "[sim_binance][faults]") {
  VenueFixture venue;
  AddFault(venue, "rate_limited", "place", {{"delay_ms", 2500}});
  const HttpReply limited = venue.Signed("POST", "/api/v3/order", kOrder);
  CHECK(limited.status == 429);
  CHECK(limited.headers.at("retry-after") == "3");
  AddFault(venue, "banned", "place", {{"delay_ms", 120000}});
  const HttpReply banned = venue.Signed("POST", "/api/v3/order", kOrder);
  CHECK(banned.status == 418);
  CHECK(banned.headers.at("retry-after") == "120");
  CHECK(OrderCount(venue) == 0);
}

TEST_CASE("faults: a fill beats the cancel", "[sim_binance][faults]") {
  VenueFixture venue;
  venue.Place("BUY", "0.4", "60000.00", "race");
  AddFault(venue, "fill_before_cancel", "cancel", {{"fraction", "0.5"}});
  const json canceled = json::parse(
      venue
          .Signed("DELETE", "/api/v3/order", {{"symbol", "BTCUSDT"}, {"origClientOrderId", "race"}})
          .body);
  CHECK(canceled["executedQty"] == "0.20000000");
  CHECK(canceled["status"] == "CANCELED");
  venue.Place("BUY", "0.4", "60000.00", "gone");
  AddFault(venue, "fill_before_cancel", "cancel");
  CHECK(VenueFixture::Outcome(venue.TrySigned(
            "DELETE", "/api/v3/order", {{"symbol", "BTCUSDT"}, {"origClientOrderId", "gone"}})) ==
        "400 -2011 Unknown order sent.");
  const json ledger = venue.Control("GET", "/ledger?account=alice");
  CHECK(ledger["trades"].size() == 2);
}

TEST_CASE("faults: private events lost, doubled, out of order", "[sim_binance][faults]") {
  VenueFixture venue;
  WsApiClient client(venue);
  client.Call("userDataStream.subscribe.signature", client.Sign(json::object()));
  AddFault(venue, "sequence_gap", "balance_event", {{"count", 1000}});
  const auto next = [&] { return client.Event()["event"]["c"].get<std::string>(); };
  AddFault(venue, "duplicate_event", "execution_event");
  venue.Place("BUY", "0.1", "60000.00", "twice");
  CHECK(next() == "twice");
  CHECK(next() == "twice");
  AddFault(venue, "reordered_event", "execution_event");
  venue.Place("BUY", "0.1", "60000.00", "first");
  venue.Place("BUY", "0.1", "60000.00", "second");
  CHECK(next() == "second");
  CHECK(next() == "first");
  AddFault(venue, "sequence_gap", "execution_event");
  venue.Place("BUY", "0.1", "60000.00", "missing");
  venue.Place("BUY", "0.1", "60000.00", "seen");
  CHECK(next() == "seen");
  AddFault(venue, "disconnect", "execution_event");
  venue.Place("BUY", "0.1", "60000.00", "cut");
  CHECK_FALSE(client.socket().Receive().has_value());
}

TEST_CASE("faults: depth differences with a gap and in the wrong order", "[sim_binance][faults]") {
  VenueFixture venue;
  WsClient client(venue.port, "/ws/btcusdt@depth@100ms");
  int price = 50'000;
  const auto change = [&] {
    ++price;
    venue.Place("BUY", "0.01", std::to_string(price), "d" + std::to_string(price));
    // Each change is one difference of its own: the interval has been published before the next.
    venue.clock.Advance(100 * kNanosPerMilli);
    venue.OnLoop([&](SimVenue& sim) { sim.Advance(venue.clock.WallNs()); });
  };
  const auto next = [&] { return json::parse(*client.Receive()); };
  change();
  const int64_t before = next()["u"];
  AddFault(venue, "sequence_gap", "depth_event");
  change();
  change();
  const json after_gap = next();
  CHECK(after_gap["U"] > before + 1);
  AddFault(venue, "reordered_event", "depth_event");
  change();
  change();
  const json second = next();
  const json first = next();
  CHECK(first["u"].get<int64_t>() + 1 == second["U"].get<int64_t>());
}

TEST_CASE("faults: clock skew shows in the time and in what is refused", "[sim_binance][faults]") {
  VenueFixture venue;
  venue.Control("POST", "/clock-skew", {{"ms", 7000}});
  CHECK(venue.Get("/api/v3/time")["serverTime"] == venue.clock.Milliseconds() + 7000);
  CHECK(VenueFixture::Outcome(venue.TrySigned("GET", "/api/v3/account", {})) ==
        "400 -1021 Timestamp for this request is outside of the recvWindow.");
  venue.Control("POST", "/clock-skew", {{"ms", -2000}});
  CHECK(VenueFixture::Outcome(venue.TrySigned("GET", "/api/v3/account", {})) ==
        "400 -1021 Timestamp for this request was 1000ms ahead of the server's time.");
  venue.Control("POST", "/clock-skew", {{"ms", 0}});
  CHECK(venue.Signed("GET", "/api/v3/account", {}).status == 200);
  venue.Control("POST", "/faults",
                {{"kind", "clock_skew"}, {"point", "timed"}, {"delay_ms", 3000}});
  CHECK(venue.Get("/api/v3/time")["serverTime"] == venue.clock.Milliseconds() + 3000);
}

TEST_CASE("faults: a restart cuts every connection, with and without memory",
          "[sim_binance][faults]") {
  VenueFixture venue;
  venue.Place("BUY", "0.1", "60000.00", "survivor");
  WsApiClient first(venue);
  first.Call("ping");
  venue.Control("POST", "/restart", {{"memory", true}});
  CHECK_FALSE(first.socket().Receive().has_value());
  CHECK(venue.OpenOrders().size() == 1);
  WsApiClient second(venue);
  second.Call("ping");
  venue.Control("POST", "/restart", {{"memory", false}});
  CHECK_FALSE(second.socket().Receive().has_value());
  CHECK(venue.OpenOrders().empty());
  CHECK(VenueFixture::Outcome(venue.TrySigned(
            "GET", "/api/v3/order", {{"symbol", "BTCUSDT"}, {"origClientOrderId", "survivor"}})) ==
        "400 -2013 Order does not exist.");
  const json account = json::parse(venue.Signed("GET", "/api/v3/account", {}).body);
  CHECK(account["balances"][1]["locked"] == "0.00000000");
}

TEST_CASE("faults: a timed restart happens by itself", "[sim_binance][faults]") {
  VenueFixture venue;
  venue.Control("POST", "/faults",
                {{"kind", "restart"}, {"point", "timed"}, {"from_ms", 500}, {"count", 1}});
  WsApiClient client(venue);
  CHECK(client.Call("ping")["status"] == 200);
  venue.clock.Advance(501 * kNanosPerMilli);
  CHECK_FALSE(client.socket().Receive().has_value());
}

TEST_CASE("faults: rules for one account, with a probability, and cleared",
          "[sim_binance][faults]") {
  VenueFixture venue;
  AddFault(venue, "server_error", "place", {{"account", "bob"}, {"count", 1000}});
  CHECK(venue.Signed("POST", "/api/v3/order", kOrder).status == 200);
  CHECK(venue.Signed("POST", "/api/v3/order", kOrder, kBob).status == 504);
  venue.Control("DELETE", "/faults");
  CHECK(venue.Signed("POST", "/api/v3/order", kOrder, kBob).status == 200);
  AddFault(venue, "server_error", "open_orders", {{"probability", "0.5"}, {"count", 1000}});
  int failed = 0;
  for (int i = 0; i < 100; ++i) {
    failed += venue.Signed("GET", "/api/v3/openOrders", {}).status == 504 ? 1 : 0;
  }
  CHECK(failed > 20);
  CHECK(failed < 80);
}

// --- the rest of the control port -------------------------------------------------------------

TEST_CASE("control: filters change while running", "[sim_binance][control]") {
  VenueFixture venue;
  venue.Control("POST", "/filters",
                {{"symbol", "BTCUSDT"}, {"tick_size", "0.1"}, {"min_notional", "100"}});
  const json filters = venue.Get("/api/v3/exchangeInfo?symbol=BTCUSDT")["symbols"][0]["filters"];
  CHECK(filters[0]["tickSize"] == "0.10000000");
  CHECK(filters[0]["maxPrice"] == "1000000.00000000");
  CHECK(filters[2]["minNotional"] == "100.00000000");
  Pairs off_grid = kOrder;
  off_grid.back().second = "60000.01";
  CHECK(VenueFixture::Outcome(venue.TrySigned("POST", "/api/v3/order", off_grid)) ==
        "400 -1013 Filter failure: PRICE_FILTER");
  venue.Control("POST", "/filters", {{"symbol", "BTCUSDT"}, {"status", "cancel_only"}});
  CHECK(VenueFixture::Outcome(venue.TrySigned("POST", "/api/v3/order", kOrder)) ==
        "400 -1013 Market is closed.");
  CHECK(venue.Get("/api/v3/exchangeInfo?symbol=BTCUSDT")["symbols"][0]["status"] == "CANCEL_ONLY");
}

TEST_CASE("control: the ledger is paged by id and adds up", "[sim_binance][control]") {
  VenueFixture venue;
  for (int i = 0; i < 3; ++i) {
    venue.Place("BUY", "0.1", "60000.00", "l" + std::to_string(i));
    venue.Place("SELL", "0.1", "60000.00", "m" + std::to_string(i), kBob);
  }
  const json all = venue.Control("GET", "/ledger");
  CHECK(all["orders"].size() == 6);
  CHECK(all["trades"].size() == 6);  // both sides of each
  const json page = venue.Control("GET", "/ledger?limit=1");
  CHECK(page["orders"].size() == 1);
  CHECK(page["trades"].size() == 2);
  const json rest =
      venue.Control("GET", "/ledger?account=alice&since_trade=" + page["lastTrade"].dump() +
                               "&since_order=" + page["lastOrder"].dump());
  CHECK(rest["trades"].size() == 2);
  CHECK(rest["orders"].size() == 2);
  const json totals = all["totals"][0];
  CHECK(totals["account"] == "alice");
  CHECK(totals["instruments"][0]["bought"] == "0.30000000");
  CHECK(totals["instruments"][0]["boughtQuote"] == "18000.00000000");
  CHECK(totals["fees"][0]["amount"] == "0.00030000");
}

TEST_CASE("control: fees, limits, fills and the state", "[sim_binance][control]") {
  VenueFixture venue;
  venue.Control("POST", "/fees", {{"account", "alice"}, {"maker", "-0.0001"}, {"taker", "0.0005"}});
  const json account = json::parse(venue.Signed("GET", "/api/v3/account", {}).body);
  CHECK(account["commissionRates"]["maker"] == "-0.00010000");
  venue.Place("BUY", "0.4", "60000.00", "f");
  CHECK(venue.Control("POST", "/fill",
                      {{"account", "alice"},
                       {"symbol", "BTCUSDT"},
                       {"client_order_id", "f"},
                       {"quantity", "0.1"}})["filled"] == "0.10000000");
  const json trades =
      json::parse(venue.Signed("GET", "/api/v3/myTrades", {{"symbol", "BTCUSDT"}}).body);
  CHECK(trades[0]["commission"] == "-0.00001000");
  venue.Control("POST", "/limits", {{"orders_per_10_seconds", 1}});
  venue.Place("BUY", "0.4", "60000.00", "g");
  CHECK(venue.Signed("POST", "/api/v3/order", kOrder).status == 429);
  const json state = venue.Control("GET", "/state");
  CHECK(state["instruments"][0]["bid"] == "60000.00000000");
  CHECK(state["accounts"][0]["openOrders"] == 2);
  CHECK(venue.Control("GET", "/health")["status"] == "ok");
}

TEST_CASE("control: what is wrong is named", "[sim_binance][control]") {
  VenueFixture venue;
  const auto error = [&](const std::string& target, const std::string& body) {
    const HttpReply reply = venue.TryControl("POST", target, body);
    CHECK(reply.status == 400);
    return json::parse(reply.body)["error"].get<std::string>();
  };
  CHECK(error("/faults", "{") == "body: expected a JSON object");
  CHECK(error("/faults", R"({"kind":"magic","point":"place"})") ==
        "key=kind value=magic expected=a fault kind");
  CHECK(error("/faults", R"({"kind":"lost_reply","point":"moon"})") ==
        "key=point value=moon expected=a fault point");
  CHECK(error("/faults", R"({"kind":"lost_reply","point":"place","account":"carol"})") ==
        "key=account value=carol expected=the name of an account");
  CHECK(error("/faults", R"({"kind":"lost_reply","point":"place","probability":2})") ==
        "key=probability value=2 expected=a number in [0, 1]");
  CHECK(error("/faults", R"({"kind":"lost_reply","point":"place","whim":1})")
            .starts_with("key=whim value=1 expected=one of kind"));
  CHECK(error("/filters", R"({"symbol":"NOPE"})") ==
        "key=symbol value=NOPE expected=a symbol of this venue");
  CHECK(error("/filters", R"({"symbol":"BTCUSDT","tick_size":"0"})")
            .starts_with("key=tick_size, lot_size"));
  CHECK(error("/filters", R"({"symbol":"BTCUSDT","status":"closed"})") ==
        "key=status value=closed expected=trading, cancel_only or halted");
  CHECK(error("/restart", "{}") == "key=memory value= expected=true or false");
  CHECK(error("/transfer", R"({"account":"alice","asset":"USDT","amount":"-99999999"})").size() >
        0);
  CHECK(error("/transfer", R"({"account":"alice","asset":"USDT","amount":"much"})") ==
        "key=amount value=much expected=a decimal number");
  CHECK(venue.TryControl("POST", "/nothing").status == 404);
  CHECK(venue.TryControl("GET", "/ledger?limit=0").status == 400);
}

}  // namespace
}  // namespace holdfast::sim
