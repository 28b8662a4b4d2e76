// Proves that order requests are, byte for byte, what the venue takes. How: each output is parsed
// again with independent code (nlohmann's JSON, a plain query splitter), its parameters compared
// with the request, and its signature verified over the text the venue would rebuild.
#include "connectors/binance/order_encoder.h"

#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "connectors/net/signing.h"
#include "engine/base/prng.h"

namespace holdfast {
namespace {

using namespace holdfast::literals;
using Json = nlohmann::json;
using Authentication = BinanceAuthentication;
using Buffer = std::array<char, BinanceOrderEncoder::kMaxRequestBytes>;
using Map = std::map<std::string, std::string>;  // sorted, as the venue signs

constexpr std::string_view kApiKey =
    "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
constexpr std::string_view kSecret =
    "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";
constexpr int64_t kTimestampMs = 1'723'161'255'208;

Instrument MakeInstrument(Decimal tick_size = 0.01_dec, Decimal lot_size = 0.00001_dec) {
  Instrument instrument;
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.tick_size = tick_size;
  instrument.lot_size = lot_size;
  return instrument;
}

BinanceEncoderOptions MakeOptions() {
  return {.api_key = std::string(kApiKey),
          .host = "127.0.0.1:8080",
          .receive_window_ms = 1500,
          .self_trade_prevention_mode = ""};
}

PlaceRequest MakePlace() {
  PlaceRequest request;
  request.client_order_id = ClientOrderId("hf0a1b2c0000000000017abcdefg");
  request.side = Side::kSell;
  request.price = Price::FromTicks(6'183'763);
  request.quantity = Quantity::FromLots(2'000);
  return request;
}

// The text of a JSON value as it goes into the payload.
std::string Plain(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string Join(const Map& parameters) {
  std::string text;
  for (const auto& [name, value] : parameters) {
    if (!text.empty()) text += "&";
    text += name + "=" + value;
  }
  return text;
}

std::string PercentDecode(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    result += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
    i += 2;
  }
  return result;
}

struct Query {
  Map parameters;           // without the signature
  std::string signed_text;  // everything before "&signature="
  std::string signature;
};

Query SplitQuery(std::string_view text) {
  Query query;
  const size_t at = text.find("&signature=");
  REQUIRE(at != std::string_view::npos);
  query.signed_text = text.substr(0, at);
  query.signature = PercentDecode(text.substr(at + 11));
  std::string_view rest = query.signed_text;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    REQUIRE(equals != std::string_view::npos);
    query.parameters[std::string(pair.substr(0, equals))] = pair.substr(equals + 1);
  }
  return query;
}

class Encoder {
 public:
  explicit Encoder(const Instrument& instrument = MakeInstrument(),
                   const BinanceEncoderOptions& options = MakeOptions())
      : signer(kSecret), encoder(instrument, options, &signer) {}

  // The parameters of a WS API message, signature checked and taken off.
  Map SignedParameters(std::string_view text, std::string_view method, int64_t id) {
    const Json json = Json::parse(text);
    CHECK(json.size() == 3);
    CHECK(json["id"] == id);
    CHECK(json["method"] == method);
    Map parameters;
    for (const auto& [name, value] : json["params"].items()) parameters[name] = Plain(value);
    const std::string signature = parameters["signature"];
    parameters.erase("signature");
    CHECK(signer.VerifyHex(Join(parameters), signature));
    return parameters;
  }
  Map SessionParameters(std::string_view text) {
    const Json json = Json::parse(text);
    Map parameters;
    for (const auto& [name, value] : json["params"].items()) parameters[name] = Plain(value);
    return parameters;
  }
  Map QueryParameters(std::string_view text) {
    const Query query = SplitQuery(text);
    CHECK(signer.VerifyHex(query.signed_text, query.signature));
    return query.parameters;
  }

  HmacSha256Signer signer;
  BinanceOrderEncoder encoder;
  Buffer out;
};

const Map kPostOnlySell = {{"newClientOrderId", "hf0a1b2c0000000000017abcdefg"},
                           {"newOrderRespType", "ACK"},
                           {"price", "61837.63"},
                           {"quantity", "0.02000"},
                           {"recvWindow", "1500"},
                           {"side", "SELL"},
                           {"symbol", "BTCUSDT"},
                           {"timestamp", "1723161255208"},
                           {"type", "LIMIT_MAKER"}};

Map With(Map map, const Map& other) {
  for (const auto& [name, value] : other) map[name] = value;
  return map;
}
Map Without(Map map, std::string_view name) {
  map.erase(std::string(name));
  return map;
}

}  // namespace

TEST_CASE("order encoder: a post-only order is a signed order.place message",
          "[binance][encoder]") {
  Encoder e;
  const std::string_view text = e.encoder.PlaceMessage(MakePlace(), RequestId(42), kTimestampMs,
                                                       Authentication::kSigned, e.out);
  CHECK(text.data() == e.out.data());
  CHECK(e.SignedParameters(text, "order.place", 42) ==
        With(kPostOnlySell, {{"apiKey", std::string(kApiKey)}}));
}

TEST_CASE("order encoder: the bytes of a session message are exactly these", "[binance][encoder]") {
  Encoder e;
  CHECK(e.encoder.PlaceMessage(MakePlace(), RequestId(7), kTimestampMs, Authentication::kSession,
                               e.out) ==
        R"({"id":7,"method":"order.place","params":{)"
        R"("newClientOrderId":"hf0a1b2c0000000000017abcdefg","newOrderRespType":"ACK",)"
        R"("price":"61837.63","quantity":"0.02000","recvWindow":1500,"side":"SELL",)"
        R"("symbol":"BTCUSDT","timestamp":1723161255208,"type":"LIMIT_MAKER"}})");
  CHECK(e.encoder.CancelAllMessage(RequestId(8), kTimestampMs, Authentication::kSession, e.out) ==
        R"({"id":8,"method":"openOrders.cancelAll","params":{"recvWindow":1500,)"
        R"("symbol":"BTCUSDT","timestamp":1723161255208}})");
}

TEST_CASE("order encoder: every kind of order has its type and time in force",
          "[binance][encoder]") {
  Encoder e;
  const auto parameters = [&](const PlaceRequest& request) {
    return e.SessionParameters(e.encoder.PlaceMessage(request, RequestId(1), kTimestampMs,
                                                      Authentication::kSession, e.out));
  };
  PlaceRequest request = MakePlace();
  request.side = Side::kBuy;
  request.is_post_only = false;
  const Map limit = With(kPostOnlySell, {{"side", "BUY"}, {"type", "LIMIT"}});
  request.time_in_force = TimeInForce::kGoodTillCancel;
  CHECK(parameters(request) == With(limit, {{"timeInForce", "GTC"}}));
  request.time_in_force = TimeInForce::kImmediateOrCancel;
  CHECK(parameters(request) == With(limit, {{"timeInForce", "IOC"}}));
  request.time_in_force = TimeInForce::kFillOrKill;
  CHECK(parameters(request) == With(limit, {{"timeInForce", "FOK"}}));
  request.is_post_only = true;  // wins over the time in force
  CHECK(parameters(request) == With(kPostOnlySell, {{"side", "BUY"}}));
  request.is_market = true;
  request.price = Price();
  CHECK(parameters(request) ==
        Without(With(kPostOnlySell, {{"side", "BUY"}, {"type", "MARKET"}}), "price"));
}

TEST_CASE("order encoder: cancels go by the venue's id when it is known, else by ours",
          "[binance][encoder]") {
  Encoder e;
  CancelRequest request;
  request.client_order_id = ClientOrderId("my-order_1");
  const Map common = {{"apiKey", std::string(kApiKey)},
                      {"recvWindow", "1500"},
                      {"symbol", "BTCUSDT"},
                      {"timestamp", "1723161255208"}};
  CHECK(e.SignedParameters(e.encoder.CancelMessage(request, RequestId(3), kTimestampMs,
                                                   Authentication::kSigned, e.out),
                           "order.cancel",
                           3) == With(common, {{"origClientOrderId", "my-order_1"}}));
  request.venue_order_id = VenueOrderId(28'457'000'123);
  const std::string_view text =
      e.encoder.CancelMessage(request, RequestId(4), kTimestampMs, Authentication::kSigned, e.out);
  CHECK(Json::parse(text)["params"]["orderId"].is_number_integer());
  CHECK(e.SignedParameters(text, "order.cancel", 4) == With(common, {{"orderId", "28457000123"}}));
}

TEST_CASE("order encoder: the cancel of an order of ours carries an id that tells the order's",
          "[binance][encoder]") {
  Encoder e;
  CancelRequest request;
  request.client_order_id = ClientOrderId("hf0a1b2c0000000000017abcdefg");
  const Map common = {{"newClientOrderId", "hx0a1b2c0000000000017abcdefg"},
                      {"recvWindow", "1500"},
                      {"symbol", "BTCUSDT"},
                      {"timestamp", "1723161255208"}};
  const Map by_client_id = With(common, {{"origClientOrderId", "hf0a1b2c0000000000017abcdefg"}});
  const Map by_venue_id = With(common, {{"orderId", "77"}});
  const auto check = [&](const Map& expected) {
    CHECK(e.SignedParameters(e.encoder.CancelMessage(request, RequestId(3), kTimestampMs,
                                                     Authentication::kSigned, e.out),
                             "order.cancel",
                             3) == With(expected, {{"apiKey", std::string(kApiKey)}}));
    CHECK(e.SessionParameters(e.encoder.CancelMessage(
              request, RequestId(3), kTimestampMs, Authentication::kSession, e.out)) == expected);
    CHECK(e.QueryParameters(e.encoder.CancelQuery(request, kTimestampMs, e.out)) == expected);
  };
  check(by_client_id);
  request.venue_order_id = VenueOrderId(77);
  check(by_venue_id);
  // A status is asked for by the order's own id, and a cancel of all has no order's id to carry.
  CHECK(e.QueryParameters(e.encoder.StatusQuery(request.client_order_id, kTimestampMs, e.out)) ==
        Without(by_client_id, "newClientOrderId"));
  CHECK(e.QueryParameters(e.encoder.CancelAllQuery(kTimestampMs, e.out)) ==
        Without(common, "newClientOrderId"));
}

TEST_CASE("order encoder: status and cancel-all are signed like the rest", "[binance][encoder]") {
  Encoder e;
  const Map common = {{"apiKey", std::string(kApiKey)},
                      {"recvWindow", "1500"},
                      {"symbol", "BTCUSDT"},
                      {"timestamp", "1723161255208"}};
  CHECK(e.SignedParameters(e.encoder.StatusMessage(ClientOrderId("a"), RequestId(5), kTimestampMs,
                                                   Authentication::kSigned, e.out),
                           "order.status", 5) == With(common, {{"origClientOrderId", "a"}}));
  CHECK(e.SignedParameters(
            e.encoder.CancelAllMessage(RequestId(6), kTimestampMs, Authentication::kSigned, e.out),
            "openOrders.cancelAll", 6) == common);
}

TEST_CASE("order encoder: REST requests are whole HTTP requests with a signed query",
          "[binance][encoder]") {
  Encoder e;
  const auto check = [&](std::string_view text, std::string_view method, std::string_view path,
                         std::string_view tail, const Map& parameters) {
    const std::string head = std::string(method) + " " + std::string(path) + "?";
    REQUIRE(text.substr(0, head.size()) == head);
    const size_t end = text.find(' ', head.size());
    CHECK(e.QueryParameters(text.substr(head.size(), end - head.size())) == parameters);
    CHECK(text.substr(end) == " HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-MBX-APIKEY: " +
                                  std::string(kApiKey) + "\r\n" + std::string(tail));
  };
  check(e.encoder.PlaceHttp(MakePlace(), kTimestampMs, e.out), "POST", "/api/v3/order",
        "Content-Length: 0\r\n\r\n", kPostOnlySell);
  const Map common = {
      {"recvWindow", "1500"}, {"symbol", "BTCUSDT"}, {"timestamp", "1723161255208"}};
  CancelRequest cancel;
  cancel.client_order_id = ClientOrderId("c1");
  check(e.encoder.CancelHttp(cancel, kTimestampMs, e.out), "DELETE", "/api/v3/order", "\r\n",
        With(common, {{"origClientOrderId", "c1"}}));
  check(e.encoder.StatusHttp(ClientOrderId("c2"), kTimestampMs, e.out), "GET", "/api/v3/order",
        "\r\n", With(common, {{"origClientOrderId", "c2"}}));
  check(e.encoder.CancelAllHttp(kTimestampMs, e.out), "DELETE", "/api/v3/openOrders", "\r\n",
        common);
}

TEST_CASE("order encoder: the query alone is that of the HTTP request", "[binance][encoder]") {
  Encoder e;
  const auto check = [&](auto query, auto http) {
    const std::string text(query(e.out));
    CHECK(http(e.out).find("?" + text + " HTTP/1.1") != std::string_view::npos);
  };
  CancelRequest cancel;
  cancel.venue_order_id = VenueOrderId(9);
  const ClientOrderId id("x");
  check([&](auto& out) { return e.encoder.PlaceQuery(MakePlace(), kTimestampMs, out); },
        [&](auto& out) { return e.encoder.PlaceHttp(MakePlace(), kTimestampMs, out); });
  check([&](auto& out) { return e.encoder.CancelQuery(cancel, kTimestampMs, out); },
        [&](auto& out) { return e.encoder.CancelHttp(cancel, kTimestampMs, out); });
  check([&](auto& out) { return e.encoder.StatusQuery(id, kTimestampMs, out); },
        [&](auto& out) { return e.encoder.StatusHttp(id, kTimestampMs, out); });
  check([&](auto& out) { return e.encoder.CancelAllQuery(kTimestampMs, out); },
        [&](auto& out) { return e.encoder.CancelAllHttp(kTimestampMs, out); });
}

TEST_CASE("order encoder: Ed25519 signatures are plain in JSON and percent-encoded in a URL",
          "[binance][encoder]") {
  // The first key pair of RFC 8032, section 7.1.
  auto signer = Ed25519Signer::FromPem(
      "-----BEGIN PRIVATE KEY-----\n"
      "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
      "-----END PRIVATE KEY-----\n");
  REQUIRE(signer.ok());
  auto verifier = Ed25519Verifier::FromPem(
      "-----BEGIN PUBLIC KEY-----\n"
      "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
      "-----END PUBLIC KEY-----\n");
  REQUIRE(verifier.ok());
  const BinanceOrderEncoder encoder(MakeInstrument(), MakeOptions(), signer->get());
  Buffer out;
  bool has_seen_encoded = false;
  for (int64_t i = 0; i < 20; ++i) {
    const int64_t timestamp_ms = kTimestampMs + i;
    Json json = Json::parse(encoder.PlaceMessage(MakePlace(), RequestId(1), timestamp_ms,
                                                 Authentication::kSigned, out));
    Map parameters;
    for (const auto& [name, value] : json["params"].items()) parameters[name] = Plain(value);
    const std::string signature = parameters["signature"];
    parameters.erase("signature");
    CHECK((*verifier)->VerifyBase64(Join(parameters), signature));

    const std::string_view text = encoder.PlaceQuery(MakePlace(), timestamp_ms, out);
    for (const char c : text.substr(text.find("&signature=") + 11)) {
      CHECK((c != '+' && c != '/' && c != '='));
      has_seen_encoded = has_seen_encoded || c == '%';
    }
    const Query query = SplitQuery(text);
    CHECK((*verifier)->VerifyBase64(query.signed_text, query.signature));
  }
  CHECK(has_seen_encoded);
}

TEST_CASE("order encoder: prices and sizes are exact on every grid", "[binance][encoder]") {
  struct Grid {
    Decimal tick_size, lot_size;
    size_t price_digits, quantity_digits;
  };
  const Grid grids[] = {{0.01_dec, 0.00001_dec, 2, 5}, {0.00000001_dec, 1_dec, 8, 0},
                        {0.05_dec, 0.025_dec, 2, 3},   {10_dec, 100_dec, 0, 0},
                        {1_dec, 0.00000001_dec, 0, 8}, {0.5_dec, 0.1_dec, 1, 1}};
  Prng prng(1);
  for (const Grid& grid : grids) {
    Encoder e(MakeInstrument(grid.tick_size, grid.lot_size));
    for (int i = 0; i < 300; ++i) {
      PlaceRequest request = MakePlace();
      const int64_t most = int64_t{1} << prng.Between(0, 29);
      request.price = Price::FromTicks(prng.Between(1, most));
      request.quantity = Quantity::FromLots(prng.Between(1, most));
      const Map parameters = e.SessionParameters(e.encoder.PlaceMessage(
          request, RequestId(1), kTimestampMs, Authentication::kSession, e.out));
      const auto check = [](const std::string& text, Decimal value, size_t digits) {
        const auto parsed = Decimal::Parse(text);
        REQUIRE(parsed.ok());
        CHECK(*parsed == value);
        CHECK(text == value.ToText(static_cast<int>(digits)));
      };
      check(parameters.at("price"), grid.tick_size * request.price.ticks(), grid.price_digits);
      check(parameters.at("quantity"), grid.lot_size * request.quantity.lots(),
            grid.quantity_digits);
    }
  }
}

TEST_CASE("order encoder: the prevention mode is signed in its place when there is one",
          "[binance][encoder]") {
  BinanceEncoderOptions options = MakeOptions();
  options.self_trade_prevention_mode = "EXPIRE_MAKER";
  Encoder e(MakeInstrument(), options);
  CHECK(e.SignedParameters(e.encoder.PlaceMessage(MakePlace(), RequestId(1), kTimestampMs,
                                                  Authentication::kSigned, e.out),
                           "order.place", 1) ==
        With(kPostOnlySell,
             {{"apiKey", std::string(kApiKey)}, {"selfTradePreventionMode", "EXPIRE_MAKER"}}));
}

TEST_CASE("order encoder: the largest texts fit the buffer", "[binance][encoder]") {
  BinanceEncoderOptions options = MakeOptions();
  options.api_key = std::string(128, 'k');
  options.host = std::string(128, 'h');
  options.self_trade_prevention_mode = std::string(32, 'S');
  options.receive_window_ms = BinanceOrderEncoder::kMaxReceiveWindowMs;
  Instrument instrument = MakeInstrument(0.00000001_dec, 0.00000001_dec);
  instrument.symbol = SymbolText(std::string(SymbolText::capacity(), 'X'));
  Encoder e(instrument, options);
  PlaceRequest request = MakePlace();
  request.is_post_only = false;
  request.client_order_id = ClientOrderId(std::string(ClientOrderId::capacity(), 'c'));
  request.price = Price::FromTicks(INT64_MAX);
  request.quantity = Quantity::FromLots(INT64_MAX);
  const Map parameters =
      e.SignedParameters(e.encoder.PlaceMessage(request, RequestId(INT64_MAX), INT64_MAX,
                                                Authentication::kSigned, e.out),
                         "order.place", INT64_MAX);
  CHECK(parameters.at("price") == "92233720368.54775807");
  CHECK(parameters.at("timestamp") == "9223372036854775807");
  CHECK(e.encoder.PlaceHttp(request, INT64_MAX, e.out).size() < e.out.size());
}

TEST_CASE("order encoder: options that would break the text are refused", "[binance][encoder]") {
  const auto is_valid = [](auto change) {
    BinanceEncoderOptions options = MakeOptions();
    change(options);
    return BinanceOrderEncoder::Validate(options).ok();
  };
  using Options = BinanceEncoderOptions;
  CHECK(is_valid([](Options&) {}));
  CHECK_FALSE(is_valid([](Options& o) { o.api_key = ""; }));
  CHECK_FALSE(is_valid([](Options& o) { o.api_key = "a\"b"; }));
  CHECK_FALSE(is_valid([](Options& o) { o.api_key = "a\r\nb"; }));
  CHECK_FALSE(is_valid([](Options& o) { o.api_key = std::string(129, 'a'); }));
  CHECK_FALSE(is_valid([](Options& o) { o.host = "a b"; }));
  CHECK_FALSE(is_valid([](Options& o) { o.host = std::string(129, 'a'); }));
  CHECK_FALSE(is_valid([](Options& o) { o.self_trade_prevention_mode = "A&B"; }));
  CHECK_FALSE(is_valid([](Options& o) { o.receive_window_ms = 0; }));
  CHECK_FALSE(is_valid([](Options& o) { o.receive_window_ms = 60'001; }));
  CHECK(is_valid([](Options& o) { o.receive_window_ms = 60'000; }));
  // The key is not a secret, but an operator may have pasted one there.
  BinanceEncoderOptions pasted = MakeOptions();
  pasted.api_key = "-----BEGIN PRIVATE KEY-----";
  CHECK(BinanceOrderEncoder::Validate(pasted).message().find("PRIVATE") == absl::string_view::npos);
}

}  // namespace holdfast
