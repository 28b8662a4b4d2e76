// Proves the REST side of the gateway: queries and their paging, orders while the WS API is down,
// rate limits and refusals, filter changes. A scripted venue and the gateway run in turns on one
// thread, with time stepped by hand.

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
using testing::StubVenue;

StubReply ApiError(int status, int code, const std::string& text) {
  return {.status = status,
          .body = "{\"code\":" + std::to_string(code) + ",\"msg\":\"" + text + "\"}"};
}

QueryDone WaitForEnd(GatewayFixture& fixture, uint64_t id) {
  REQUIRE(fixture.Until([&] {
    const auto all = fixture.log.All<QueryDone>();
    return !all.empty() && all.back().request_id == RequestId(id);
  }));
  return fixture.log.All<QueryDone>().back();
}

std::string OrderRow(const std::string& client_id, const std::string& status) {
  return "{\"symbol\":\"BTCUSDT\",\"orderId\":4711,\"orderListId\":-1,\"clientOrderId\":\"" +
         client_id +
         "\",\"price\":\"61837.63000000\",\"origQty\":\"0.00150000\",\"executedQty\":"
         "\"0.00100000\",\"cummulativeQuoteQty\":\"0\",\"status\":\"" +
         status +
         "\",\"timeInForce\":\"GTC\",\"type\":\"LIMIT_MAKER\",\"side\":\"SELL\",\"time\":1,"
         "\"updateTime\":1700000000777,\"isWorking\":true}";
}

std::string TradeRow(int64_t id) {
  return "{\"symbol\":\"BTCUSDT\",\"id\":" + std::to_string(id) +
         ",\"orderId\":5,\"orderListId\":-1,\"price\":\"100.01000000\",\"qty\":\"0.00002000\","
         "\"quoteQty\":\"0\",\"commission\":\"0.00001000\",\"commissionAsset\":\"USDT\","
         "\"time\":1700000000000,\"isBuyer\":true,\"isMaker\":false,\"isBestMatch\":true}";
}

TEST_CASE("queries: an order is reported under the id it was asked by, or absent",
          "[binance][query]") {
  GatewayFixture fixture;
  std::string mode = "found";
  fixture.venue.paths["GET /api/v3/order"] = [&](const StubRequest& request) -> StubReply {
    CHECK(request.Header("X-MBX-APIKEY") == "testkey");
    CHECK(request.Parameter("origClientOrderId") == "a1");
    CHECK(request.Parameter("signature").size() == 64);
    if (mode == "found") return {.body = OrderRow("renamedByCancel", "CANCELED")};
    if (mode == "absent") return ApiError(400, -2013, "Order does not exist.");
    if (mode == "garbage") return {.body = "<html>"};
    if (mode == "off grid") {
      std::string row = OrderRow("a1", "NEW");
      row.replace(row.find("61837.63"), 8, "61837.635");
      return {.body = row};
    }
    return ApiError(400, -1100, "Illegal characters");
  };
  REQUIRE(fixture.StartAndWait());
  const InstrumentId instrument(0);
  const ClientOrderId id("a1");

  REQUIRE(fixture.gateway->QueryOrder(RequestId(1), instrument, id).ok());
  CHECK(WaitForEnd(fixture, 1).is_ok);
  REQUIRE(fixture.log.Count<OrderReport>() == 1);
  const OrderReport report = fixture.log.All<OrderReport>()[0];
  CHECK(report.request_id == RequestId(1));
  CHECK(report.client_order_id == id);
  CHECK(report.status == VenueOrderStatus::kCanceled);
  CHECK(report.side == Side::kSell);
  CHECK(report.filled == Quantity::FromLots(100));
  CHECK(report.source == EvidenceSource::kOrderQuery);

  mode = "absent";
  const int64_t asked_ns = fixture.clock.WallNs();
  REQUIRE(fixture.gateway->QueryOrder(RequestId(2), instrument, id).ok());
  CHECK(WaitForEnd(fixture, 2).is_ok);
  REQUIRE(fixture.log.Count<OrderAbsent>() == 1);
  CHECK(fixture.log.All<OrderAbsent>()[0].venue_time_ns == asked_ns);

  for (const char* bad : {"off grid", "refused"}) {
    mode = bad;
    INFO(bad);
    const uint64_t number = mode == "refused" ? 3 : 4;
    REQUIRE(fixture.gateway->QueryOrder(RequestId(number), instrument, id).ok());
    CHECK_FALSE(WaitForEnd(fixture, number).is_ok);
  }
  mode = "garbage";
  REQUIRE(fixture.gateway->QueryOrder(RequestId(5), instrument, id).ok());
  fixture.Settle();
  fixture.Pass(2 * kNanosPerSecond);  // it asks again before it gives up
  CHECK_FALSE(WaitForEnd(fixture, 5).is_ok);
  CHECK(fixture.log.Count<OrderReport>() == 1);
  CHECK(fixture.log.Count<OrderAbsent>() == 1);
}

TEST_CASE("queries: an order of ours that its cancel renamed is reported under its own id",
          "[binance][query][cancel_id]") {
  const std::string own = "hf0a1b2c0000000000017abcdefg";
  const std::string renamed = "hx0a1b2c0000000000017abcdefg";
  GatewayFixture fixture;
  std::vector<std::string> asked;
  bool is_known_by_cancel_id = true;
  fixture.venue.paths["GET /api/v3/order"] = [&](const StubRequest& request) -> StubReply {
    asked.push_back(request.Parameter("origClientOrderId"));
    const bool is_found = asked.back().empty() ||  // by the venue's id
                          (is_known_by_cancel_id && asked.back() == renamed);
    if (is_found) return {.body = OrderRow(renamed, "CANCELED")};
    if (asked.back() == own) fixture.clock.Advance(kNanosPerSecond);
    return ApiError(400, -2013, "Order does not exist.");
  };
  fixture.venue.paths["GET /api/v3/openOrders"] = [&](const StubRequest&) -> StubReply {
    return {.body = "[" + OrderRow(renamed, "PARTIALLY_FILLED") + "," +
                    OrderRow("hx-of-somebody", "NEW") + "]"};
  };
  REQUIRE(fixture.StartAndWait());
  const InstrumentId instrument(0);
  const int64_t asked_ns = fixture.clock.WallNs();

  SECTION("asked for by its own id") {
    REQUIRE(fixture.gateway->QueryOrder(RequestId(1), instrument, ClientOrderId(own)).ok());
    CHECK(WaitForEnd(fixture, 1).is_ok);
    CHECK(asked == std::vector<std::string>{own, renamed});
  }
  SECTION("asked for by the venue's id") {
    REQUIRE(
        fixture.gateway->QueryOrderByVenueId(RequestId(1), instrument, VenueOrderId(4711)).ok());
    CHECK(WaitForEnd(fixture, 1).is_ok);
  }
  SECTION("in a list") {
    REQUIRE(fixture.gateway->QueryOpenOrders(RequestId(1), instrument).ok());
    CHECK(WaitForEnd(fixture, 1).is_ok);
    REQUIRE(fixture.log.Count<OrderReport>() == 2);
    CHECK(fixture.log.All<OrderReport>()[1].client_order_id == "hx-of-somebody");
  }
  SECTION("absent under both: as of the first question") {
    is_known_by_cancel_id = false;
    REQUIRE(fixture.gateway->QueryOrder(RequestId(1), instrument, ClientOrderId(own)).ok());
    CHECK(WaitForEnd(fixture, 1).is_ok);
    CHECK(asked == std::vector<std::string>{own, renamed});
    CHECK(fixture.log.Count<OrderReport>() == 0);
    REQUIRE(fixture.log.Count<OrderAbsent>() == 1);
    CHECK(fixture.log.All<OrderAbsent>()[0].client_order_id == own);
    CHECK(fixture.log.All<OrderAbsent>()[0].venue_time_ns == asked_ns);
    return;
  }
  REQUIRE(fixture.log.Count<OrderReport>() >= 1);
  CHECK(fixture.log.All<OrderReport>()[0].client_order_id == own);
}

TEST_CASE("queries: open orders, balances, account and time", "[binance][query]") {
  GatewayFixture fixture;
  fixture.venue.skew_ms = 250;
  fixture.venue.paths["GET /api/v3/openOrders"] = [](const StubRequest&) -> StubReply {
    return {.body = "[" + OrderRow("a1", "NEW") + "," + OrderRow("b2", "PARTIALLY_FILLED") + "]"};
  };
  fixture.venue.paths["GET /api/v3/account"] = [](const StubRequest&) -> StubReply {
    return {.body =
                "{\"makerCommission\":10,\"commissionRates\":{\"maker\":\"-0.00010000\","
                "\"taker\":\"0.00100000\",\"buyer\":\"0\",\"seller\":\"0\"},\"canTrade\":true,"
                "\"updateTime\":1700000000000,\"balances\":[{\"asset\":\"BTC\",\"free\":"
                "\"1.5\",\"locked\":\"0.25\"},{\"asset\":\"USDT\",\"free\":\"0\",\"locked\":"
                "\"1\"}]}"};
  };
  REQUIRE(fixture.StartAndWait());
  REQUIRE(fixture.gateway->QueryOpenOrders(RequestId(1), InstrumentId(0)).ok());
  REQUIRE(fixture.gateway->QueryBalances(RequestId(2)).ok());
  REQUIRE(fixture.gateway->QueryAccount(RequestId(3)).ok());
  REQUIRE(fixture.gateway->QueryServerTime(RequestId(4)).ok());
  CHECK(WaitForEnd(fixture, 4).is_ok);
  const auto ends = fixture.log.All<QueryDone>();
  REQUIRE(ends.size() == 4);
  CHECK(ends[0].row_count == 2);
  CHECK(ends[1].row_count == 2);
  CHECK(fixture.log.All<OrderReport>()[1].client_order_id == "b2");
  CHECK(fixture.log.All<OrderReport>()[1].source == EvidenceSource::kOpenOrdersQuery);
  CHECK(fixture.log.All<BalanceReport>()[0].free == *Decimal::Parse("1.5"));
  const AccountReport account = fixture.log.All<AccountReport>()[0];
  CHECK(account.can_trade);
  CHECK(account.maker_fee_rate == *Decimal::Parse("-0.0001"));
  CHECK(account.taker_fee_rate == *Decimal::Parse("0.001"));
  CHECK(fixture.log.All<ServerTimeReport>()[0].offset_ns == 250 * kNanosPerMilli);
}

TEST_CASE("queries: an asset of ours that the venue leaves out is empty, not unknown",
          "[binance][query]") {
  GatewayFixture fixture;
  fixture.venue.paths["GET /api/v3/account"] = [](const StubRequest&) -> StubReply {
    return {.body =
                "{\"updateTime\":1700000000000,\"balances\":[{\"asset\":\"USDT\",\"free\":\"7\","
                "\"locked\":\"1\"}]}"};
  };
  REQUIRE(fixture.StartAndWait());
  REQUIRE(fixture.gateway->QueryBalances(RequestId(1)).ok());
  const QueryDone done = WaitForEnd(fixture, 1);
  CHECK(done.is_ok);
  CHECK(done.row_count == 2);
  const auto rows = fixture.log.All<BalanceReport>();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].asset == "USDT");
  CHECK(rows[0].free == *Decimal::Parse("7"));
  CHECK(rows[1].asset == "BTC");
  CHECK(rows[1].free == Decimal());
  CHECK(rows[1].locked == Decimal());
  CHECK(rows[1].request_id == RequestId(1));
  CHECK(rows[1].venue_time_ns == 1'700'000'000'000 * kNanosPerMilli);
}

TEST_CASE("queries: trades are paged by id until a page is not full", "[binance][query]") {
  GatewayFixture fixture;
  std::vector<std::string> asked;
  const int64_t newest = 3500;
  fixture.venue.paths["GET /api/v3/myTrades"] = [&](const StubRequest& request) -> StubReply {
    const std::string from = request.Parameter("fromId");
    asked.push_back(from.empty() ? "t" + request.Parameter("startTime") : from);
    const int64_t first = from.empty() ? 1001 : std::stoll(from);
    const int64_t limit = std::stoll(request.Parameter("limit"));
    std::string body = "[";
    for (int64_t id = first; id < first + limit && id <= newest; ++id) {
      body += (body.size() > 1 ? "," : "") + TradeRow(id);
    }
    return {.body = body + "]"};
  };
  REQUIRE(fixture.StartAndWait());
  REQUIRE(fixture.gateway
              ->QueryFills(RequestId(1), InstrumentId(0), VenueTradeId(0),
                           1'699'999'999'000 * kNanosPerMilli)
              .ok());
  const QueryDone by_time = WaitForEnd(fixture, 1);
  CHECK(by_time.is_ok);
  CHECK(by_time.row_count == 2500);
  CHECK(asked == std::vector<std::string>{"t1699999999000", "2001", "3001"});
  const auto fills = fixture.log.All<FillReport>();
  for (size_t i = 0; i < fills.size(); ++i) {
    REQUIRE(fills[i].fill.trade_id == VenueTradeId(1001 + static_cast<int64_t>(i)));
  }
  CHECK(fills[0].source == EvidenceSource::kTradesQuery);
  CHECK(fills[0].fill.liquidity == Liquidity::kTaker);
  CHECK(fills[0].fill.side == Side::kBuy);

  asked.clear();
  REQUIRE(fixture.gateway->QueryFills(RequestId(2), InstrumentId(0), VenueTradeId(3499), 0).ok());
  const QueryDone by_id = WaitForEnd(fixture, 2);
  CHECK(by_id.row_count == 1);
  CHECK(asked == std::vector<std::string>{"3500"});
}

TEST_CASE("queries: trades since a time are complete although the venue looks at one day only",
          "[binance][query]") {
  GatewayFixture fixture;
  std::vector<std::string> asked;
  std::string by_time;
  std::string by_id;
  std::string newest;
  fixture.venue.paths["GET /api/v3/myTrades"] = [&](const StubRequest& request) -> StubReply {
    const std::string from = request.Parameter("fromId");
    const std::string start = request.Parameter("startTime");
    asked.push_back(!from.empty() ? from : start.empty() ? "newest" : "time");
    return {.body = "[" + (!from.empty() ? by_id : start.empty() ? newest : by_time) + "]"};
  };
  REQUIRE(fixture.StartAndWait());
  const int64_t since_ns = 1'700'000'000'000 * kNanosPerMilli;
  SECTION("a short page by time is followed by id") {
    by_time = TradeRow(10) + "," + TradeRow(11);
    by_id = TradeRow(12);
  }
  SECTION("an empty page by time is checked against the newest") {
    std::string old = TradeRow(7);
    old.replace(old.find("1700000000000"), 13, "1699999999999");
    newest = old + "," + TradeRow(8) + "," + TradeRow(9) + "," + TradeRow(12);
  }
  REQUIRE(
      fixture.gateway->QueryFills(RequestId(1), InstrumentId(0), VenueTradeId(0), since_ns).ok());
  const QueryDone done = WaitForEnd(fixture, 1);
  CHECK(done.is_ok);
  CHECK(done.row_count == 3);
  CHECK(fixture.log.All<FillReport>().back().fill.trade_id == VenueTradeId(12));
  CHECK(asked.size() == 2);
}

TEST_CASE("queries: a page that fails fails the query", "[binance][query]") {
  GatewayFixture fixture;
  int pages = 0;
  fixture.venue.paths["GET /api/v3/myTrades"] = [&](const StubRequest&) -> StubReply {
    if (++pages > 1) return ApiError(503, -1001, "Internal error");
    std::string body = "[" + TradeRow(1);
    for (int64_t id = 2; id <= 1000; ++id) body += "," + TradeRow(id);
    return {.body = body + "]"};
  };
  REQUIRE(fixture.StartAndWait());
  REQUIRE(fixture.gateway->QueryFills(RequestId(1), InstrumentId(0), VenueTradeId(0), 0).ok());
  fixture.Settle();
  fixture.Pass(5 * kNanosPerSecond);
  const QueryDone done = WaitForEnd(fixture, 1);
  CHECK_FALSE(done.is_ok);
  CHECK(done.row_count == 1000);
  CHECK(pages == 1 + 3);
}

TEST_CASE("queries: cuts and silence are tried again, a refused key is fatal", "[binance][query]") {
  GatewayFixture fixture;
  int count = 0;
  fixture.venue.paths["GET /api/v3/openOrders"] = [&](const StubRequest&) -> StubReply {
    switch (++count) {
      case 1:
        return {.is_cut = true};
      case 2:
        return {.is_silent = true};
      case 3:
        return {.body = "[]"};
      default:
        return ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.");
    }
  };
  REQUIRE(fixture.StartAndWait());
  REQUIRE(fixture.gateway->QueryOpenOrders(RequestId(1), InstrumentId(0)).ok());
  fixture.Settle();
  fixture.Pass(10 * kNanosPerSecond);
  CHECK(WaitForEnd(fixture, 1).is_ok);
  CHECK(count == 3);
  REQUIRE(fixture.gateway->QueryOpenOrders(RequestId(2), InstrumentId(0)).ok());
  CHECK_FALSE(WaitForEnd(fixture, 2).is_ok);
  REQUIRE(fixture.log.Count<FatalVenueError>() == 1);
  CHECK(fixture.log.All<FatalVenueError>()[0].venue_code == -2015);
}

TEST_CASE("queries: after a refused key nothing that waits is sent", "[binance][query]") {
  GatewayFixture fixture;
  int requests = 0;
  fixture.venue.paths["GET /api/v3/openOrders"] = [&](const StubRequest&) -> StubReply {
    ++requests;
    return ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.");
  };
  REQUIRE(fixture.StartAndWait());
  for (uint64_t id = 1; id <= 3; ++id) {
    REQUIRE(fixture.gateway->QueryOpenOrders(RequestId(id), InstrumentId(0)).ok());
  }
  REQUIRE(fixture.Until([&] { return fixture.log.Count<QueryDone>() == 3; }));
  fixture.Settle();
  CHECK(requests == 1);
  CHECK(fixture.log.Count<FatalVenueError>() == 1);
  for (const QueryDone& done : fixture.log.All<QueryDone>()) {
    CHECK_FALSE(done.is_ok);
    CHECK(done.venue_code == -2015);
  }
}

TEST_CASE("queries: a clock that stays refused ends the query", "[binance][query]") {
  GatewayFixture fixture;
  int requests = 0;
  fixture.venue.paths["GET /api/v3/openOrders"] = [&](const StubRequest&) -> StubReply {
    ++requests;
    return ApiError(400, -1021, "Timestamp for this request is outside of the recvWindow.");
  };
  REQUIRE(fixture.StartAndWait());
  REQUIRE(fixture.gateway->QueryOpenOrders(RequestId(1), InstrumentId(0)).ok());
  fixture.Settle();
  fixture.Pass(3 * kNanosPerSecond);
  CHECK_FALSE(WaitForEnd(fixture, 1).is_ok);
  CHECK(requests == 3);
}

TEST_CASE("rest orders: they work while the WS API is down", "[binance][rest]") {
  GatewayFixture fixture;
  fixture.venue.server.on_upgrade = [](const std::string&) { return false; };
  fixture.venue.paths["POST /api/v3/order"] = [](const StubRequest& request) -> StubReply {
    const std::string id = request.Parameter("newClientOrderId");
    if (id == "ok") return {.body = PlacedResult(id)};
    if (id == "take") {
      return ApiError(400, -2010, "Order would immediately match and take.");
    }
    if (id == "cut") return {.is_cut = true};
    if (id == "busy") return ApiError(503, -1008, "Server is currently overloaded");
    if (id == "proxy") return {.status = 403, .body = "<html>blocked</html>"};
    if (id == "garbage") return {.body = "not json"};
    if (id == "half") {
      return {.closes_after = true, .raw = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"};
    }
    return {.is_silent = true};
  };
  fixture.venue.paths["DELETE /api/v3/order"] = [](const StubRequest& request) -> StubReply {
    return {.body = CanceledResult(request.Parameter("origClientOrderId"))};
  };
  fixture.venue.paths["DELETE /api/v3/openOrders"] = [](const StubRequest&) -> StubReply {
    return ApiError(400, -2011, "Unknown order sent.");
  };
  REQUIRE(fixture.gateway->Start().ok());
  REQUIRE(fixture.Until([&] { return fixture.gateway->is_order_entry_up(); }));
  CHECK_FALSE(fixture.gateway->is_private_stream_up());

  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("ok")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAccepted>() == 1; }));
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("ok")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderReport>() == 1; }));
  CHECK(fixture.log.All<OrderReport>()[0].client_order_id == "ok");
  REQUIRE(fixture.gateway->CancelAll(RequestId(1), InstrumentId(0)).ok());
  CHECK(WaitForEnd(fixture, 1).is_ok);

  struct Row {
    const char* id;
    std::optional<AmbiguityCause> cause;  // nullopt: refused
    RejectReason reason;
  };
  const Row rows[] = {
      {"take", std::nullopt, RejectReason::kWouldTake},
      {"proxy", std::nullopt, RejectReason::kOther},
      {"busy", AmbiguityCause::kServerError, {}},
      {"cut", AmbiguityCause::kDisconnected, {}},
      {"garbage", AmbiguityCause::kUnreadableAnswer, {}},
      {"half", AmbiguityCause::kDisconnected, {}},
      {"silent", AmbiguityCause::kTimeout, {}},
  };
  for (const Row& row : rows) {
    INFO(row.id);
    REQUIRE(fixture.Until([&] { return fixture.gateway->is_order_entry_up(); }));
    const int rejected = fixture.log.Count<OrderRejected>();
    const int ambiguous = fixture.log.Count<OrderAmbiguous>();
    const int64_t sent_ns = fixture.clock.WallNs();
    REQUIRE(fixture.gateway->Place(GatewayFixture::Buy(row.id)).ok());
    fixture.Settle();
    if (row.cause == AmbiguityCause::kTimeout) fixture.Pass(5100 * kNanosPerMilli);
    REQUIRE(fixture.Until([&] {
      return fixture.log.Count<OrderRejected>() + fixture.log.Count<OrderAmbiguous>() ==
             rejected + ambiguous + 1;
    }));
    if (row.cause) {
      REQUIRE(fixture.log.Count<OrderAmbiguous>() == ambiguous + 1);
      CHECK(fixture.log.All<OrderAmbiguous>().back().cause == *row.cause);
      // Until then it may still be accepted: "absent" is not final earlier.
      CHECK(fixture.log.All<OrderAmbiguous>().back().submit_expiry_ns ==
            sent_ns + fixture.options.recv_window_ms * kNanosPerMilli);
    } else {
      REQUIRE(fixture.log.Count<OrderRejected>() == rejected + 1);
      CHECK(fixture.log.All<OrderRejected>().back().reason == row.reason);
    }
    fixture.Pass(1100 * kNanosPerMilli);  // a look at REST brings order entry up again
  }
}

TEST_CASE("rest orders: a key refused on an order stops everything", "[binance][rest]") {
  GatewayFixture fixture([](BinanceOptions& options) { options.uses_websocket_orders = false; });
  int requests = 0;
  fixture.venue.paths["POST /api/v3/order"] = [&](const StubRequest&) -> StubReply {
    ++requests;
    return ApiError(401, -2015, "Invalid API-key, IP, or permissions for action.");
  };
  REQUIRE(fixture.StartAndWait());
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderRejected>() == 1; }));
  fixture.Settle();
  CHECK(fixture.log.All<OrderRejected>()[0].reason == RejectReason::kAuthentication);
  REQUIRE(fixture.log.Count<FatalVenueError>() == 1);
  CHECK(fixture.log.All<FatalVenueError>()[0].venue_code == -2015);
  CHECK_FALSE(fixture.gateway->is_order_entry_up());
  CHECK(fixture.gateway->Place(GatewayFixture::Buy("a2")).code() == absl::StatusCode::kUnavailable);
  CHECK(requests == 1);
}

TEST_CASE("rest orders: a cancel never overtakes its own placement", "[binance][rest]") {
  GatewayFixture fixture([](BinanceOptions& options) { options.uses_websocket_orders = false; });
  std::vector<std::string> order;
  fixture.venue.paths["POST /api/v3/order"] = [&](const StubRequest& request) -> StubReply {
    order.push_back("place " + request.Parameter("newClientOrderId"));
    return {.body = PlacedResult(request.Parameter("newClientOrderId"))};
  };
  fixture.venue.paths["DELETE /api/v3/order"] = [&](const StubRequest& request) -> StubReply {
    order.push_back("cancel " + request.Parameter("origClientOrderId"));
    return {.body = CanceledResult(request.Parameter("origClientOrderId"))};
  };
  REQUIRE(fixture.StartAndWait());
  for (int i = 0; i < 20; ++i) {
    const std::string id = "a" + std::to_string(i);
    REQUIRE(fixture.gateway->Place(GatewayFixture::Buy(id)).ok());
    REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf(id)).ok());
  }
  REQUIRE(fixture.Until([&] {
    return fixture.log.Count<OrderAccepted>() == 20 && fixture.log.Count<OrderReport>() == 20;
  }));
  for (int i = 0; i < 20; ++i) {
    const std::string id = "a" + std::to_string(i);
    const auto placed = std::find(order.begin(), order.end(), "place " + id);
    const auto canceled = std::find(order.begin(), order.end(), "cancel " + id);
    REQUIRE(placed < canceled);
  }
}

TEST_CASE("rest orders: what waits is not sent into a block, and a cancel keeps waiting",
          "[binance][rest]") {
  GatewayFixture fixture([](BinanceOptions& options) { options.uses_websocket_orders = false; });
  int code = -1015;  // placements only
  int cancels_sent = 0;
  std::vector<std::string> placed;
  fixture.venue.paths["POST /api/v3/order"] = [&](const StubRequest& request) -> StubReply {
    placed.push_back(request.Parameter("newClientOrderId"));
    if (placed.back() != "limit") return {.is_silent = true};
    StubReply reply = ApiError(429, code, "Too many.");
    reply.headers = {{"Retry-After", "30"}};
    return reply;
  };
  fixture.venue.paths["DELETE /api/v3/order"] = [&](const StubRequest&) -> StubReply {
    ++cancels_sent;
    return {.is_silent = true};
  };
  bool is_all = false;
  SECTION("placements only") {}
  SECTION("everything") {
    code = -1003;
    is_all = true;
  }
  REQUIRE(fixture.StartAndWait());
  fixture.Settle();
  for (const char* id : {"x", "b", "c", "limit", "d"}) {
    REQUIRE(fixture.gateway->Place(GatewayFixture::Buy(id)).ok());
  }
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("x")).ok());
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("other")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderRejected>() == 2; }));
  fixture.Settle();
  CHECK(placed == std::vector<std::string>{"x", "b", "c", "limit"});
  const auto rejected = fixture.log.All<OrderRejected>();
  CHECK(rejected[0].reason == RejectReason::kRateLimit);
  CHECK(rejected[1].client_order_id == "d");
  CHECK(rejected[1].reason == RejectReason::kNotSent);
  // "x" has no answer yet: its cancel waits, the other one may go unless everything is blocked.
  CHECK(cancels_sent == (is_all ? 0 : 1));
  CHECK(fixture.log.Count<CancelRejected>() == (is_all ? 1 : 0));
}

TEST_CASE("rest orders: what has begun over REST is canceled over REST", "[binance][rest]") {
  GatewayFixture fixture;
  bool is_refusing = true;
  fixture.venue.server.on_upgrade = [&](const std::string&) { return !is_refusing; };
  int rest_cancels = 0;
  int session_cancels = 0;
  int placed = 0;
  fixture.venue.paths["POST /api/v3/order"] = [&](const StubRequest&) -> StubReply {
    ++placed;
    return {.is_silent = true};
  };
  fixture.venue.paths["DELETE /api/v3/order"] = [&](const StubRequest&) -> StubReply {
    ++rest_cancels;
    return {.body = CanceledResult("a1")};
  };
  fixture.venue.methods["order.cancel"] = [&](const std::string& id, const std::string&) {
    ++session_cancels;
    return StubVenue::Success(id, CanceledResult("other"));
  };
  fixture.venue.methods["openOrders.cancelAll"] = [](const std::string& id, const std::string&) {
    return StubVenue::Success(id, "[]");
  };
  REQUIRE(fixture.gateway->Start().ok());
  REQUIRE(fixture.Until([&] { return fixture.gateway->is_order_entry_up(); }));
  for (const char* id : {"a1", "a2", "a3", "a4", "waits"}) {
    REQUIRE(fixture.gateway->Place(GatewayFixture::Buy(id)).ok());
  }
  REQUIRE(fixture.Until([&] { return placed == 4; }));
  is_refusing = false;
  for (int i = 0; i < 10 && !fixture.gateway->is_private_stream_up(); ++i) {
    fixture.Pass(100 * kNanosPerMilli);
  }
  REQUIRE(fixture.gateway->is_private_stream_up());
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("other")).ok());
  REQUIRE(fixture.Until([&] { return session_cancels == 1; }));
  fixture.Settle();
  CHECK(rest_cancels == 0);
  CHECK(session_cancels == 1);
  // Canceling all does away with what has not left yet.
  REQUIRE(fixture.gateway->CancelAll(RequestId(9), InstrumentId(0)).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderRejected>() == 1; }));
  CHECK(fixture.log.All<OrderRejected>()[0].client_order_id == "waits");
  CHECK(fixture.log.All<OrderRejected>()[0].reason == RejectReason::kNotSent);
  CHECK(placed == 4);
}

TEST_CASE("rest orders: without the fallback nothing is sent while the WS API is down",
          "[binance][rest]") {
  GatewayFixture fixture([](BinanceOptions& options) { options.has_rest_fallback = false; });
  fixture.venue.server.on_upgrade = [](const std::string&) { return false; };
  REQUIRE(fixture.gateway->Start().ok());
  fixture.Settle();
  fixture.Pass(3 * kNanosPerSecond);
  CHECK_FALSE(fixture.gateway->is_order_entry_up());
  CHECK(fixture.gateway->Place(GatewayFixture::Buy("a")).code() == absl::StatusCode::kUnavailable);
  CHECK(fixture.gateway->Cancel(GatewayFixture::CancelOf("a")).code() ==
        absl::StatusCode::kUnavailable);
}

TEST_CASE("limits: 429 and 418 silence everything until the time the venue names",
          "[binance][limits]") {
  struct Row {
    int status;
    const char* retry_after;
    int64_t seconds;
  };
  for (const Row& row : {Row{429, "7", 7}, Row{418, "300", 300}, Row{418, "", 120}}) {
    INFO(row.status << " " << row.retry_after);
    GatewayFixture fixture;
    bool is_refusing = true;
    int requests = 0;
    fixture.venue.paths["GET /api/v3/openOrders"] = [&](const StubRequest&) -> StubReply {
      ++requests;
      if (!is_refusing) return {.body = "[]"};
      is_refusing = false;
      StubReply reply = ApiError(row.status, -1003, "Too much request weight used.");
      if (*row.retry_after != '\0') reply.headers = {{"Retry-After", row.retry_after}};
      return reply;
    };
    REQUIRE(fixture.StartAndWait());
    const int64_t start_ns = fixture.clock.WallNs();
    REQUIRE(fixture.gateway->QueryOpenOrders(RequestId(1), InstrumentId(0)).ok());
    REQUIRE(fixture.Until([&] { return requests == 1; }));
    fixture.Settle();
    const RateBlock block = fixture.connection->rate_block();
    CHECK(block.not_before_wall_ns >= start_ns + row.seconds * kNanosPerSecond - kNanosPerMilli);
    CHECK(block.is_ban == (row.status == 418));
    CHECK_FALSE(fixture.gateway->rate_budget().is_placement_allowed);
    const size_t messages = fixture.venue.received.size();
    CHECK(fixture.gateway->Place(GatewayFixture::Buy("a")).code() ==
          absl::StatusCode::kResourceExhausted);
    REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a")).ok());
    REQUIRE(fixture.Until([&] { return fixture.log.Count<CancelRejected>() == 1; }));
    CHECK(fixture.log.All<CancelRejected>()[0].reason == CancelRejectReason::kRateLimit);
    fixture.Pass((row.seconds - 1) * kNanosPerSecond, 500 * kNanosPerMilli);
    CHECK(requests == 1);
    CHECK(fixture.venue.received.size() == messages);
    fixture.Pass(2 * kNanosPerSecond);
    CHECK(fixture.gateway->rate_budget().is_placement_allowed);
    if (row.seconds < 30) CHECK(WaitForEnd(fixture, 1).is_ok);

    // A restart within the time stays silent too.
    GatewayFixture restarted([&](BinanceOptions& options) {
      options.initial_rate_block = {
          .not_before_wall_ns = ManualClock().WallNs() + 5 * kNanosPerSecond, .is_ban = true};
    });
    REQUIRE(restarted.gateway->Start().ok());
    restarted.Settle();
    restarted.Pass(4 * kNanosPerSecond);
    CHECK(restarted.venue.session_count == 0);
    CHECK(restarted.venue.server.requests().empty());
    restarted.Pass(2 * kNanosPerSecond);
    CHECK(restarted.venue.session_count == 1);
  }
}

TEST_CASE("limits: the order count stops placements before the venue does, cancels go on",
          "[binance][limits]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  fixture.venue.methods["order.place"] = [](const std::string& id, const std::string&) {
    std::string answer = StubVenue::Success(id, PlacedResult("a1"));
    answer.replace(answer.find("\"count\":1"), 9, "\"count\":50");
    return answer;
  };
  fixture.venue.methods["order.cancel"] = [](const std::string& id, const std::string&) {
    return StubVenue::Success(id, CanceledResult("a1"));
  };
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAccepted>() == 1; }));
  const RateBudget budget = fixture.gateway->rate_budget();
  CHECK(budget.order_count_used == 50);
  CHECK(budget.order_count_limit == 50);
  CHECK_FALSE(budget.is_placement_allowed);
  CHECK(fixture.gateway->Place(GatewayFixture::Buy("a2")).code() ==
        absl::StatusCode::kResourceExhausted);
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderReport>() == 1; }));
  fixture.Pass(11 * kNanosPerSecond);
  CHECK(fixture.gateway->Place(GatewayFixture::Buy("a3")).ok());
}

TEST_CASE("limits: placements under way come on top of what the venue has counted",
          "[binance][limits]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  std::string first;
  fixture.venue.methods["order.place"] = [&](const std::string& id, const std::string&) {
    if (first.empty()) first = id;
    return std::string();
  };
  for (int i = 0; i < 10; ++i) {
    REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a" + std::to_string(i))).ok());
  }
  fixture.Settle();
  // The room that is told knows of each before it can be answered.
  REQUIRE(fixture.Until([&] { return !first.empty(); }));
  const RateBudget under_way = fixture.gateway->rate_budget();
  CHECK(under_way.order_count_used >= 10);
  CHECK(under_way.placement_room == under_way.order_count_limit - under_way.order_count_used);
  std::string answer = StubVenue::Success(first, PlacedResult("a0"));
  answer.replace(answer.find("\"count\":1"), 9, "\"count\":41");
  fixture.venue.session->Send(answer);
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderAccepted>() == 1; }));
  CHECK(fixture.gateway->rate_budget().order_count_used == 41 + 9);
  CHECK(fixture.gateway->rate_budget().placement_room == 0);
  CHECK_FALSE(fixture.gateway->rate_budget().is_placement_allowed);
}

TEST_CASE("limits: an order-rate refusal blocks placements only", "[binance][limits]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  fixture.venue.methods["order.place"] = [&](const std::string& id, const std::string&) {
    return "{\"id\":" + id +
           ",\"status\":429,\"error\":{\"code\":-1015,\"msg\":\"Too many new orders.\",\"data\":{"
           "\"serverTime\":1,\"retryAfter\":" +
           std::to_string(fixture.venue.TimeMs() + 3000) + "}}}";
  };
  fixture.venue.methods["order.cancel"] = [](const std::string& id, const std::string&) {
    return StubVenue::Success(id, CanceledResult("a1"));
  };
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderRejected>() == 1; }));
  CHECK(fixture.log.All<OrderRejected>()[0].reason == RejectReason::kRateLimit);
  CHECK_FALSE(fixture.gateway->rate_budget().is_placement_allowed);
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("a1")).ok());
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderReport>() == 1; }));
  fixture.Pass(3100 * kNanosPerMilli);
  CHECK(fixture.gateway->rate_budget().is_placement_allowed);
}

TEST_CASE("filters: a change is reported while running", "[binance][filters]") {
  GatewayFixture fixture([](BinanceOptions& options) { options.filter_poll_period_ms = 60'000; });
  std::string min_notional = "5.00000000";
  fixture.venue.paths["GET /api/v3/exchangeInfo"] = [&](const StubRequest&) -> StubReply {
    return {.body =
                "{\"timezone\":\"UTC\",\"rateLimits\":[],\"symbols\":[{\"symbol\":\"BTCUSDT\","
                "\"status\":\"TRADING\",\"baseAsset\":\"BTC\",\"quoteAsset\":\"USDT\",\"filters\":["
                "{\"filterType\":\"PRICE_FILTER\",\"minPrice\":\"0.01000000\",\"maxPrice\":"
                "\"1000000.00000000\",\"tickSize\":\"0.01000000\"},{\"filterType\":\"LOT_SIZE\","
                "\"minQty\":\"0.00001000\",\"maxQty\":\"9000.00000000\",\"stepSize\":"
                "\"0.00001000\"},{\"filterType\":\"NOTIONAL\",\"minNotional\":\"" +
                min_notional + "\"},{\"filterType\":\"MAX_NUM_ORDERS\",\"maxNumOrders\":200}]}]}"};
  };
  REQUIRE(fixture.StartAndWait());
  fixture.Pass(61 * kNanosPerSecond, kNanosPerSecond);
  CHECK(fixture.log.Count<InstrumentReport>() == 0);  // nothing differs
  min_notional = "10.00000000";
  fixture.Pass(60 * kNanosPerSecond, kNanosPerSecond);
  REQUIRE(fixture.log.Count<InstrumentReport>() == 1);
  CHECK(fixture.log.All<InstrumentReport>()[0].instrument.min_notional == *Decimal::Parse("10"));
  fixture.Pass(60 * kNanosPerSecond, kNanosPerSecond);
  CHECK(fixture.log.Count<InstrumentReport>() == 1);
  REQUIRE(fixture.gateway->QueryInstrument(RequestId(9), InstrumentId(0)).ok());
  CHECK(WaitForEnd(fixture, 9).is_ok);
  CHECK(fixture.log.All<InstrumentReport>().back().request_id == RequestId(9));
}

}  // namespace
}  // namespace holdfast
