// Proves what codes and texts mean, and what is read from exchange information. Tables.

#include <catch2/catch.hpp>

#include "connectors/binance/private_decoder.h"
#include "connectors/binance/venue_error.h"
#include "connectors/net/text.h"
#include "tests/connectors/binance/place_refusals.h"

namespace holdfast {
namespace {

TEST_CASE("answers: which ones leave the outcome open", "[binance][answers]") {
  struct Row {
    int status;
    int code;
    bool is_ambiguous;
  };
  const Row rows[] = {
      {400, -2010, false}, {400, -1013, false}, {400, -1021, false}, {401, -2015, false},
      {403, 0, false},     {404, 0, false},     {418, -1003, false}, {429, -1015, false},
      {400, -1008, false}, {408, 0, true},      {500, 0, true},      {502, 0, true},
      {503, -1008, true},  {503, -1001, true},  {504, -1007, true},  {400, -1006, true},
      {400, -1007, true},  {400, -1000, true},  {400, -1001, true},  {0, 0, true},
      {302, 0, true},      {100, 0, true},      {599, 0, true},
  };
  for (const Row& row : rows) {
    INFO(row.status << " " << row.code);
    CHECK(IsAmbiguous({.status = row.status, .code = row.code}) == row.is_ambiguous);
  }
}

TEST_CASE("answers: why a placement was refused", "[binance][answers]") {
  for (const testing::PlaceRefusal& row : testing::kPlaceRefusals) {
    INFO(row.code << " " << row.text);
    CHECK(ClassifyPlaceError({.status = row.status, .code = row.code, .text = row.text}) ==
          row.reason);
  }
}

TEST_CASE("answers: why a cancel was refused", "[binance][answers]") {
  struct Row {
    int status;
    int code;
    const char* text;
    CancelRejectReason reason;
  };
  const Row rows[] = {
      {400, -2011, "Unknown order sent.", CancelRejectReason::kUnknownOrder},
      {400, -2013, "Order does not exist.", CancelRejectReason::kUnknownOrder},
      {400, -2011, "Order was not canceled due to cancel restrictions.",
       CancelRejectReason::kOther},
      {429, -1003, "Too much request weight used.", CancelRejectReason::kRateLimit},
      {400, -1102, "Mandatory parameter missing.", CancelRejectReason::kOther},
      {400, -1021, "Timestamp", CancelRejectReason::kOther},
  };
  for (const Row& row : rows) {
    INFO(row.code << " " << row.text);
    CHECK(ClassifyCancelError({.status = row.status, .code = row.code, .text = row.text}) ==
          row.reason);
  }
}

std::string ExchangeInfo(const std::string& filters, const std::string& head = "\"BTCUSDT\"") {
  return "{\"timezone\":\"UTC\",\"rateLimits\":[{\"rateLimitType\":\"REQUEST_WEIGHT\","
         "\"interval\":\"MINUTE\",\"intervalNum\":1,\"limit\":6000},{\"rateLimitType\":\"ORDERS\","
         "\"interval\":\"SECOND\",\"intervalNum\":10,\"limit\":100},{\"rateLimitType\":"
         "\"SOMETHING_NEW\",\"interval\":\"DAY\",\"intervalNum\":1,\"limit\":1}],\"symbols\":[{"
         "\"symbol\":\"ETHUSDT\"},{\"symbol\":" +
         head +
         ",\"status\":\"TRADING\",\"baseAsset\":\"BTC\",\"quoteAsset\":\"USDT\",\"filters\":[" +
         filters + "]}]}";
}
const char* const kPrice =
    "{\"filterType\":\"PRICE_FILTER\",\"minPrice\":\"0.01000000\",\"maxPrice\":"
    "\"1000000.00000000\",\"tickSize\":\"0.01000000\"}";
const char* const kLot =
    "{\"filterType\":\"LOT_SIZE\",\"minQty\":\"0.00001000\",\"maxQty\":\"9000.00000000\","
    "\"stepSize\":\"0.00001000\"}";

TEST_CASE("exchange information: filters become an instrument", "[binance][filters]") {
  const std::string body = ExchangeInfo(
      Concat(kPrice, ",", kLot,
             ",{\"filterType\":\"ICEBERG_PARTS\",\"limit\":10},{\"filterType\":\"NOTIONAL\","
             "\"minNotional\":\"5.00000000\",\"applyMinToMarket\":true,\"maxNotional\":"
             "\"9000000.00000000\"},{\"filterType\":\"PERCENT_PRICE_BY_SIDE\","
             "\"bidMultiplierUp\":\"5\",\"bidMultiplierDown\":\"0.2\",\"askMultiplierUp\":\"5.5\","
             "\"askMultiplierDown\":\"0.25\",\"avgPriceMins\":5},{\"filterType\":"
             "\"MAX_NUM_ORDERS\",\"maxNumOrders\":200}"));
  const auto instrument = ParseExchangeInfo(body, "BTCUSDT", InstrumentId(3));
  REQUIRE(instrument.ok());
  CHECK(instrument->id == InstrumentId(3));
  CHECK(instrument->symbol == "BTCUSDT");
  CHECK(instrument->base_asset == "BTC");
  CHECK(instrument->quote_asset == "USDT");
  CHECK(instrument->tick_size == *Decimal::Parse("0.01"));
  CHECK(instrument->lot_size == *Decimal::Parse("0.00001"));
  CHECK(instrument->min_price == Price::FromTicks(1));
  CHECK(instrument->max_price == Price::FromTicks(100'000'000));
  CHECK(instrument->min_quantity == Quantity::FromLots(1));
  CHECK(instrument->max_quantity == Quantity::FromLots(900'000'000));
  CHECK(instrument->min_notional == *Decimal::Parse("5"));
  CHECK(instrument->max_order_count == 200);
  CHECK(instrument->ask_multiplier_down == *Decimal::Parse("0.25"));
  CHECK(instrument->status == TradingStatus::kTrading);
  const auto limits = ParseRateLimits(body);
  REQUIRE(limits.size() == 2);
  CHECK(limits[0].limit == 6000);
  CHECK(limits[1].interval_ns == 10'000'000'000);
}

TEST_CASE("exchange information: older filters and other states", "[binance][filters]") {
  std::string body = ExchangeInfo(Concat(
      kPrice, ",", kLot, ",{\"filterType\":\"MIN_NOTIONAL\",\"minNotional\":\"10.0\"}",
      ",{\"filterType\":\"PERCENT_PRICE\",\"multiplierUp\":\"1.3\",\"multiplierDown\":\"0.7\"}"));
  auto instrument = ParseExchangeInfo(body, "BTCUSDT", InstrumentId(0));
  REQUIRE(instrument.ok());
  CHECK(instrument->min_notional == *Decimal::Parse("10"));
  CHECK(instrument->bid_multiplier_up == *Decimal::Parse("1.3"));
  CHECK(instrument->ask_multiplier_down == *Decimal::Parse("0.7"));
  for (const auto& [text, status] :
       {std::pair{"CANCEL_ONLY", TradingStatus::kCancelOnly},
        std::pair{"BREAK", TradingStatus::kHalted}, std::pair{"NEWS", TradingStatus::kHalted}}) {
    std::string changed = body;
    changed.replace(changed.find("TRADING"), 7, text);
    CHECK(ParseExchangeInfo(changed, "BTCUSDT", InstrumentId(0))->status == status);
  }
}

TEST_CASE("exchange information: what can't be used is refused", "[binance][filters]") {
  const auto code = [](const std::string& body, const char* symbol = "BTCUSDT") {
    return ParseExchangeInfo(body, symbol, InstrumentId(0)).status().code();
  };
  CHECK(code(ExchangeInfo(Concat(kPrice, ",", kLot)), "XRPUSDT") == absl::StatusCode::kNotFound);
  CHECK(code("") == absl::StatusCode::kInvalidArgument);
  CHECK(code("<html>") == absl::StatusCode::kInvalidArgument);
  CHECK(code("{\"symbols\":{}}") == absl::StatusCode::kInvalidArgument);
  CHECK(code(ExchangeInfo(kLot)) == absl::StatusCode::kInvalidArgument);
  CHECK(code(ExchangeInfo(kPrice)) == absl::StatusCode::kInvalidArgument);
  std::string zero_tick = ExchangeInfo(Concat(kPrice, ",", kLot));
  zero_tick.replace(zero_tick.find("tickSize\":\"0.01000000"), 21, "tickSize\":\"0.00000000");
  CHECK(code(zero_tick) == absl::StatusCode::kInvalidArgument);
  std::string bad_number = ExchangeInfo(Concat(kPrice, ",", kLot));
  bad_number.replace(bad_number.find("0.00001000"), 10, "0.0000100x");
  CHECK(code(bad_number) == absl::StatusCode::kInvalidArgument);
  CHECK(code(ExchangeInfo(Concat(kPrice, ",", kLot)), "ASYMBOLTHATISLONGERTHANTWENTYFOUR") ==
        absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace holdfast
