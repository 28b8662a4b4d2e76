// Proves the parts that need no socket: parameters, rate windows, bars, the accounts file and fault
// plans, with what is wrong in them named by line, key and value.
#include <catch2/catch.hpp>

#include "connectors/sim/binance/endpoint.h"
#include "connectors/sim/binance/fault_plan.h"
#include "connectors/sim/binance/kline_store.h"
#include "connectors/sim/binance/parameters.h"
#include "connectors/sim/binance/rate_limits.h"
#include "connectors/sim/binance/venue_file.h"
#include "connectors/sim/binance/ws_request.h"
#include "engine/base/clock.h"

namespace holdfast::sim {
namespace {

std::string Message(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

TEST_CASE("parameters: decoding and what is signed", "[sim_binance][parts]") {
  Parameters parameters;
  CHECK_FALSE(parameters.AddQueryString("a=1&b=%41%2b+c&&d=&e").has_value());
  CHECK(parameters.Find("a") == "1");
  CHECK(parameters.Find("b") == "A+ c");
  CHECK(parameters.Find("d") == "");
  CHECK(parameters.Find("e") == "");
  CHECK_FALSE(parameters.Find("f").has_value());
  CHECK(parameters.size() == 4);
  for (const char* broken : {"x=%", "x=%4", "x=%G1", "%zz=1"}) {
    Parameters other;
    CHECK(other.AddQueryString(broken).has_value());
  }
  CHECK(RestSignedPayload("b=2&signature=zz&a=1", "") == "b=2&a=1");
  CHECK(RestSignedPayload("a=1", "b=2&signature=zz") == "a=1b=2");
  CHECK(RestSignedPayload("signature=zz&a=1", "b=2") == "a=1b=2");
  CHECK(RestSignedPayload("", "") == "");
  Parameters sorted;
  sorted.Add("b", "2");
  sorted.Add("signature", "zz");
  sorted.Add("a", "1");
  CHECK(sorted.SortedPayload() == "a=1&b=2");
}

TEST_CASE("parameters: integers and decimals", "[sim_binance][parts]") {
  Parameters parameters;
  parameters.Add("good", "12");
  parameters.Add("negative", "-1");
  parameters.Add("huge", "99999999999999999999");
  parameters.Add("fraction", "0.00000001");
  parameters.Add("fine", "0.000000001");
  parameters.Add("large", "999999999999");
  parameters.Add("dots", "1.2.3");
  CHECK(std::get<0>(parameters.Integer("good")) == 12);
  CHECK_FALSE(std::get<0>(parameters.Integer("absent")).has_value());
  CHECK(std::get<ApiError>(parameters.Integer("negative")).code == -1100);
  CHECK(std::get<ApiError>(parameters.Integer("huge")).code == -1100);
  CHECK(std::get<0>(parameters.Number("fraction"))->units() == 1);
  CHECK(std::get<ApiError>(parameters.Number("fine")).code == -1111);
  CHECK(std::get<ApiError>(parameters.Number("large")).code == -1108);
  CHECK(std::get<ApiError>(parameters.Number("dots")).code == -1100);
  CHECK(std::get<ApiError>(parameters.Number("negative")).code == -1100);
}

TEST_CASE("ws request: scalars keep their text, arrays their JSON", "[sim_binance][parts]") {
  const WsParseResult result = ParseWsRequest(
      R"({"id":-7,"params":{"a":0.10,"b":true,"c":[1,"x\"y",null],"d":1e5,"e":null},"method":"m"})");
  REQUIRE_FALSE(result.error.has_value());
  CHECK(result.request.id_json == "-7");
  CHECK(result.request.method == "m");
  CHECK(result.request.parameters.Find("a") == "0.10");
  CHECK(result.request.parameters.Find("b") == "true");
  CHECK(result.request.parameters.Find("c") == R"([1,"x\"y",null])");
  CHECK(result.request.parameters.Find("d") == "1e5");
  CHECK(result.request.parameters.Find("e") == "null");
  CHECK(ParseWsRequest(R"({"id":"a\"b","method":"m"})").request.id_json == R"("a\"b")");
  CHECK(ParseWsRequest(R"({"id":5,"method":"m","params":{"a":{"b":1}}})").error.has_value());
  CHECK(ParseWsRequest(R"({"id":5,"method":"m"} trailing)").error.has_value());
  CHECK(ParseWsRequest(R"({"id":5,"other":[1]})").error.has_value());
  CHECK(ParseWsRequest(std::string(10'000, '[')).error.has_value());
}

TEST_CASE("endpoints: every operation is found, and only under its own verb",
          "[sim_binance][parts]") {
  for (const Endpoint& endpoint : Endpoints()) {
    if (!endpoint.verb.empty()) CHECK(FindRest(endpoint.verb, endpoint.path) == &endpoint);
    CHECK(FindWebSocket(endpoint.ws_method) == &endpoint);
  }
  CHECK(FindRest("TRACE", "/api/v3/order") == nullptr);
  CHECK(FindRest("", "") == nullptr);
  CHECK(FindWebSocket("v3/time") != nullptr);
  CHECK(FindWebSocket("") == nullptr);
}

TEST_CASE("rate limits: windows start at multiples of their length", "[sim_binance][parts]") {
  WindowCount count(10);
  count.Add(15, 3);
  CHECK(count.Read(19) == 3);
  CHECK(count.Read(20) == 0);
  count.Add(19, -5);
  CHECK(count.Read(19) == 0);
  CHECK(count.EndNs(15) == 20);

  LimitConfig config;
  config.requests_per_5_minutes = 3;
  RateLimits limits(config);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(limits.OnRequest("a", 1, 1).has_value());
  CHECK(limits.OnRequest("a", 1, 1)->error.code == -1003);
  CHECK_FALSE(limits.OnRequest("b", 1, 1).has_value());
  CHECK_FALSE(limits.OnRequest("a", 1, 301 * kNanosPerSecond).has_value());
}

TEST_CASE("klines: minutes are kept, longer intervals put together", "[sim_binance][parts]") {
  KlineStore store;
  const auto trade = [&](int64_t second, int64_t price) {
    SimPublicTrade value;
    value.price = Decimal::FromInteger(price);
    value.quantity = Decimal::FromInteger(1);
    value.quote_quantity = value.price;
    value.time_ns = second * kNanosPerSecond;
    store.OnTrade(value);
  };
  trade(0, 10);
  trade(30, 12);
  trade(60, 8);
  trade(310, 20);
  const int64_t minute_ns = *KlineIntervalNs("1m");
  const auto minutes = store.Read(InstrumentId(0), minute_ns, 0, INT64_MAX, 100);
  REQUIRE(minutes.size() == 3);
  CHECK(minutes[0].high == Decimal::FromInteger(12));
  CHECK(minutes[0].trade_count == 2);
  const auto five = store.Read(InstrumentId(0), *KlineIntervalNs("5m"), 0, INT64_MAX, 100);
  REQUIRE(five.size() == 2);
  CHECK(five[0].low == Decimal::FromInteger(8));
  CHECK(five[0].close == Decimal::FromInteger(8));
  CHECK(five[0].volume == Decimal::FromInteger(3));
  CHECK(store.Read(InstrumentId(0), minute_ns, 0, INT64_MAX, 1).front().open_time_ns ==
        5 * minute_ns);
  CHECK(store.Read(InstrumentId(3), minute_ns, 0, INT64_MAX, 1).empty());
  CHECK_FALSE(KlineIntervalNs("7m").has_value());
}

TEST_CASE("accounts file: a good one", "[sim_binance][parts]") {
  const auto file = ParseVenueFile(R"(
[limits]
weight_per_minute = 1200
[[account]]
name = "maker"
api_key = "k"
hmac_secret = "s"
maker_fee_rate = "-0.0001"
balances = { USDT = "1000.5" }
fee_asset = { asset = "BNB", quote_per_unit = "600", discount = "0.25" }
[[instrument]]
symbol = "SOLUSDT"
base = "SOL"
quote = "USDT"
tick_size = "0.01"
lot_size = "0.001"
min_quantity = "0.002"
start_price = "150"
)",
                                   "good.toml");
  REQUIRE(file.ok());
  CHECK(file->limits.weight_per_minute == 1200);
  REQUIRE(file->accounts.size() == 1);
  CHECK(file->accounts[0].account.maker_fee_rate.ToText() == "-0.0001");
  CHECK(file->accounts[0].account.balances[0].free.ToText() == "1000.5");
  CHECK(file->accounts[0].account.fee_asset->discount.ToText() == "0.25");
  CHECK(file->accounts[0].keys[0].hmac_secret == "s");
  CHECK(file->instruments[0].instrument.instrument.min_quantity == Quantity::FromLots(2));
}

TEST_CASE("accounts file: what is wrong is named by line, key, value", "[sim_binance][parts]") {
  const auto error = [](const std::string& text) {
    const auto file = ParseVenueFile(text, "f.toml");
    REQUIRE_FALSE(file.ok());
    return Message(file.status());
  };
  const std::string account = "[[account]]\nname = \"a\"\n";
  CHECK(error("[[account]]\nname = 7\n") ==
        "f.toml:2: key=account.name value=? expected=text in quotes");
  CHECK(error("[[account]]\n") == "f.toml:1: key=account.name value= expected=a non-empty name");
  CHECK(error(account + "colour = \"red\"\n")
            .starts_with("f.toml:3: key=account.colour value=? expected=one of: name, api_key"));
  CHECK(error(account + "maker_fee_rate = 0.001\n") ==
        "f.toml:3: key=account.maker_fee_rate value=0.001 expected=a decimal number in quotes in "
        "[-0.1, 0.1]");
  CHECK(error(account + "maker_fee_rate = \"0.5\"\n") ==
        "f.toml:3: key=account.maker_fee_rate value=0.5 expected=a decimal number in quotes in "
        "[-0.1, 0.1]");
  CHECK(error(account + "balances = { USDT = \"-1\" }\n")
            .starts_with("f.toml:3: key=account.balances.USDT value=-1 expected=a decimal"));
  CHECK(error(account + "api_key = \"k\"\n")
            .starts_with("f.toml:1: key=account.hmac_secret value=(hidden) expected=exactly one"));
  CHECK(error(account + "api_key = \"k\"\ned25519_public_key = \"junk\"\n")
            .starts_with("f.toml:4: key=account.ed25519_public_key value=(hidden) expected=an Ed"));
  CHECK(error(account + "api_key = \"k\"\nhmac_secret_file = \"/nowhere\"\n") ==
        "f.toml:4: key=account.hmac_secret_file value=/nowhere expected=a readable file");
  CHECK(error(account + account) == "f.toml: key=account.name value=a expected=names that differ");
  CHECK(error("[limits]\nban_seconds = 0\n") ==
        "f.toml:2: key=limits.ban_seconds value=0 expected=integer in [1, 259200]");
  CHECK(error("[[instrument]]\nsymbol = \"X\"\nbase = \"A\"\nquote = \"B\"\ntick_size = \"0\"\n")
            .find("key=instrument.tick_size") != std::string::npos);
  CHECK(error("[surprise]\n")
            .starts_with("f.toml:1: key=.surprise value=? expected=one of: account"));
  CHECK(error("this is not toml").starts_with("f.toml:1: not valid TOML"));
  // A secret never shows up in a message.
  CHECK(
      error(account + "api_key = \"k\"\nhmac_secret = \"topsecret\"\ned25519_public_key = \"x\"\n")
          .find("topsecret") == std::string::npos);
  CHECK(Message(LoadVenueFile("/nowhere/f.toml").status()) == "/nowhere/f.toml: cannot be read");
}

TEST_CASE("fault plan: read, and refused with its line", "[sim_binance][parts]") {
  SimVenue venue({});
  const auto plan = ParseFaultPlan(R"(
seed = 7
[[rule]]
kind = "lost_reply"
point = "place"
skip = 3
count = 2
probability = 0.25
delay_ms = 1.5
)",
                                   "p.toml", venue);
  REQUIRE(plan.ok());
  CHECK(plan->seed == 7);
  REQUIRE(plan->rules.size() == 1);
  CHECK(plan->rules[0].kind == FaultKind::kLostReply);
  CHECK(plan->rules[0].skip_count == 3);
  CHECK(plan->rules[0].probability_ppm == 250'000);
  CHECK(plan->rules[0].delay_ns == 1'500'000);
  const auto error = [&](const std::string& text) {
    return Message(ParseFaultPlan(text, "p.toml", venue).status());
  };
  CHECK(error("[[rule]]\nkind = \"x\"\npoint = \"place\"\n") ==
        "p.toml:1: key=kind value=x expected=a fault kind");
  CHECK(error("seed = \"x\"\n").starts_with("p.toml:1: key=seed"));
  CHECK(error("[[rule]]\nkind = \"lost_reply\"\npoint = \"place\"\ncount = -1\n")
            .starts_with("p.toml:1: key=count value=-1"));
  CHECK(error("= 1\n").starts_with("p.toml:1: not valid TOML"));
}

}  // namespace
}  // namespace holdfast::sim
