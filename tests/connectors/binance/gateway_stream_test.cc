// Proves what the gateway makes of the user stream: fills, orders and balances in order, under
// which id, and what happens when the stream ends. A scripted venue and the gateway run in turns on
// one thread, with time stepped by hand.

#include <catch2/catch.hpp>

#include "connectors/binance/gateway.h"
#include "tests/connectors/binance/venue_fixture.h"

namespace holdfast {
namespace {

using testing::ExecutionReport;
using testing::GatewayFixture;
using testing::StubVenue;

TEST_CASE("gateway: the user stream's name of a canceled order leads to the order's own id",
          "[binance][gateway][cancel_id]") {
  const std::string own = "hf0a1b2c0000000000017abcdefg";
  const std::string renamed = "hx0a1b2c0000000000017abcdefg";
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  const std::string nothing_filled =
      "\"t\":-1,\"l\":\"0\",\"L\":\"0\",\"n\":\"0\",\"N\":null,\"m\":false";
  // As a rule the event names both; when it names the cancel only, that is enough.
  for (const std::string& original : {own, std::string()}) {
    fixture.venue.session->Send(
        ExecutionReport(renamed, "CANCELED", "CANCELED", "0", nothing_filled, original));
  }
  fixture.venue.session->Send(ExecutionReport(
      renamed, "TRADE", "PARTIALLY_FILLED", "0.00050000",
      "\"t\":888,\"l\":\"0.00050000\",\"L\":\"61837.63000000\",\"n\":\"0\",\"N\":null,"
      "\"m\":true"));
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderReport>() == 3; }));
  for (const OrderReport& report : fixture.log.All<OrderReport>()) {
    CHECK(report.client_order_id == own);
  }
  REQUIRE(fixture.log.Count<FillReport>() == 1);
  CHECK(fixture.log.All<FillReport>()[0].fill.client_order_id == own);
}

TEST_CASE("gateway: user stream events become fills, orders and balances in order",
          "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  const size_t first = fixture.log.events.size();
  fixture.venue.session->Send(ExecutionReport("a1", "NEW", "NEW"));
  fixture.venue.session->Send(ExecutionReport(
      "a1", "TRADE", "PARTIALLY_FILLED", "0.00050000",
      "\"t\":888,\"l\":\"0.00050000\",\"L\":\"61837.63000000\",\"n\":\"-0.00000100\",\"N\":\"BNB\","
      "\"m\":true"));
  fixture.venue.session->Send(ExecutionReport("cancelsOwnId", "CANCELED", "CANCELED", "0.00050000",
                                              "\"t\":-1,\"l\":\"0\",\"L\":\"0\","
                                              "\"n\":\"0\",\"N\":null,\"m\":false",
                                              "a1"));
  fixture.venue.session->Send(ExecutionReport("a2", "EXPIRED", "EXPIRED_IN_MATCH"));
  fixture.venue.session->Send(
      "{\"subscriptionId\":0,\"event\":{\"e\":\"outboundAccountPosition\",\"E\":1700000000600,"
      "\"u\":1700000000599,\"B\":[{\"a\":\"USDT\",\"f\":\"10000.50000000\",\"l\":\"92.75644500\"},"
      "{\"a\":\"AVERYLONGASSETNAME\",\"f\":\"1\",\"l\":\"0\"},"
      "{\"a\":\"SHIB\",\"f\":\"999999999999999999.00\",\"l\":\"0\"},"
      "{\"a\":\"BTC\",\"f\":\"0.00050000\",\"l\":\"0\"}]}}");
  fixture.venue.session->Send(
      "{\"subscriptionId\":0,\"event\":{\"e\":\"balanceUpdate\",\"E\":1,\"a\":\"BTC\","
      "\"d\":\"1.0\",\"T\":2}}");
  REQUIRE(fixture.Until([&] { return fixture.log.Count<BalanceReport>() == 2; }));
  fixture.Settle();
  REQUIRE(fixture.log.events.size() == first + 7);
  const auto* fill = std::get_if<FillReport>(&fixture.log.events[first + 1]);
  REQUIRE(fill != nullptr);  // before the order's new state
  CHECK(fill->fill.trade_id == VenueTradeId(888));
  CHECK(fill->fill.price == Price::FromTicks(6'183'763));
  CHECK(fill->fill.quantity == Quantity::FromLots(50));
  CHECK(fill->fill.fee == *Decimal::Parse("-0.000001"));
  CHECK(fill->fill.fee_asset == "BNB");
  CHECK(fill->fill.liquidity == Liquidity::kMaker);
  CHECK(fill->fill.client_order_id == "a1");
  CHECK(fill->fill.venue_time_ns == 1'700'000'000'499 * kNanosPerMilli);
  const auto orders = fixture.log.All<OrderReport>();
  REQUIRE(orders.size() == 4);
  CHECK(orders[0].status == VenueOrderStatus::kNew);
  CHECK(orders[1].status == VenueOrderStatus::kPartiallyFilled);
  CHECK(orders[1].filled == Quantity::FromLots(50));
  CHECK(orders[2].status == VenueOrderStatus::kCanceled);
  CHECK(orders[2].client_order_id == "a1");  // the order's own id, not the cancel's
  CHECK(orders[3].status == VenueOrderStatus::kExpired);
  const auto balances = fixture.log.All<BalanceReport>();
  CHECK(balances[0].asset == "USDT");
  CHECK(balances[0].locked == *Decimal::Parse("92.756445"));
}

TEST_CASE("gateway: a price off the grid in an event is not guessed at", "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  std::string event = ExecutionReport("a1", "NEW", "NEW");
  event.replace(event.find("61837.63000000"), 14, "61837.63500000");
  fixture.venue.session->Send(event);
  REQUIRE(fixture.Until([&] { return !fixture.gateway->is_private_stream_up(); }));
  CHECK(fixture.log.Count<OrderReport>() == 0);
}

TEST_CASE("gateway: events of symbols that we don't trade are skipped", "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  std::string event = ExecutionReport("z9", "NEW", "NEW");
  event.replace(event.find("BTCUSDT"), 7, "ETHUSDT");
  fixture.venue.session->Send(event);
  fixture.venue.session->Send(ExecutionReport("a1", "NEW", "NEW"));
  REQUIRE(fixture.Until([&] { return fixture.log.Count<OrderReport>() == 1; }));
  CHECK(fixture.log.All<OrderReport>()[0].client_order_id == "a1");
  CHECK(fixture.gateway->is_private_stream_up());
}

TEST_CASE("gateway: a user stream that ends is subscribed again", "[binance][gateway]") {
  GatewayFixture fixture;
  REQUIRE(fixture.StartAndWait());
  fixture.venue.session->Send(
      "{\"subscriptionId\":0,\"event\":{\"e\":\"eventStreamTerminated\",\"E\":1}}");
  REQUIRE(fixture.Until([&] { return fixture.log.Count<ConnectionChange>() == 4; }));
  const auto changes = fixture.log.All<ConnectionChange>();
  CHECK(changes[2].channel == Channel::kPrivateStream);
  CHECK_FALSE(changes[2].is_up);
  CHECK(changes[3].is_up);
  CHECK(fixture.venue.session_count == 1);
}

TEST_CASE("gateway: a user stream that ends again and again is subscribed with pauses",
          "[binance][gateway]") {
  GatewayFixture fixture;
  const std::string terminated =
      "{\"subscriptionId\":0,\"event\":{\"e\":\"eventStreamTerminated\",\"E\":1}}";
  int count = 0;
  fixture.venue.methods["userDataStream.subscribe.signature"] = [&](const std::string& id,
                                                                    const std::string&) {
    if (++count > 200) return std::string();
    fixture.venue.session->Send(StubVenue::Success(id, "{\"subscriptionId\":0}"));
    return terminated;
  };
  REQUIRE(fixture.gateway->Start().ok());
  fixture.Settle();
  CHECK(count == 2);  // once more at once
  fixture.Pass(60 * kNanosPerSecond);
  CHECK(count > 3);
  CHECK(count < 40);
}

}  // namespace
}  // namespace holdfast
