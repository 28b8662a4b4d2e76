#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connectors/binance/connection.h"
#include "connectors/binance/gateway.h"
#include "connectors/net/text.h"
#include "engine/base/clock.h"
#include "tests/connectors/net/pump.h"
#include "tests/connectors/net/stub_server.h"

namespace holdfast::testing {

inline Instrument TestInstrument() {
  Instrument instrument = {};
  instrument.id = InstrumentId(0);
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = *Decimal::Parse("0.01");
  instrument.lot_size = *Decimal::Parse("0.00001");
  instrument.min_price = Price::FromTicks(1);
  instrument.max_price = Price::FromTicks(100'000'000);
  instrument.min_quantity = Quantity::FromLots(1);
  instrument.max_quantity = Quantity::FromLots(900'000'000);
  instrument.min_notional = *Decimal::Parse("5");
  instrument.max_order_count = 200;
  return instrument;
}

// The value of `"key":` in a flat JSON text, without quotes; enough for messages of our own making.
inline std::string JsonValue(const std::string& text, const std::string& key) {
  const size_t found = text.find("\"" + key + "\":");
  if (found == std::string::npos) return "";
  size_t begin = found + key.size() + 3;
  if (text[begin] == '"') {
    ++begin;
    return text.substr(begin, text.find('"', begin) - begin);
  }
  return text.substr(begin, text.find_first_of(",}]", begin) - begin);
}

// Every event, by kind and in order.
struct EventLog : VenueEventSink {
  void OnVenueEvent(const VenueEvent& event) override { events.push_back(event); }
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const VenueEvent& event : events) {
      if (const T* match = std::get_if<T>(&event)) found.push_back(*match);
    }
    return found;
  }
  template <typename T>
  int Count() const {
    return static_cast<int>(All<T>().size());
  }
  std::vector<VenueEvent> events;
};

// A scripted Binance: answers time, logon and subscriptions by itself; the script decides the rest.
class StubVenue {
 public:
  using Session = StubServer::SessionPointer;

  explicit StubVenue(Clock& clock, std::optional<TestIdentity> tls = std::nullopt)
      : server(std::move(tls)), clock_(clock) {
    server.on_open = [this](const Session& opened) {
      session = opened;
      ++session_count;
    };
    server.on_message = [this](const Session& from, const std::string& text) {
      OnMessage(from, text);
    };
    server.on_request = [this](const StubRequest& request) { return OnRequest(request); };
  }

  int64_t TimeMs() const { return clock_.WallNs() / kNanosPerMilli + skew_ms; }

  static std::string Success(const std::string& id, const std::string& result) {
    return "{\"id\":" + id + ",\"status\":200,\"result\":" + result +
           ",\"rateLimits\":[{\"rateLimitType\":\"ORDERS\",\"interval\":\"SECOND\","
           "\"intervalNum\":10,\"limit\":50,\"count\":1}]}";
  }
  static std::string Error(const std::string& id, int status, int code, const std::string& text) {
    return "{\"id\":" + id + ",\"status\":" + std::to_string(status) +
           ",\"error\":{\"code\":" + std::to_string(code) + ",\"msg\":\"" + text + "\"}}";
  }

  // Methods of the WS API: returns the answer, "" = none.
  std::map<std::string, std::function<std::string(const std::string& id, const std::string& text)>>
      methods;
  // REST by "VERB /path".
  std::map<std::string, std::function<StubReply(const StubRequest&)>> paths;

  StubServer server;
  Session session;
  int session_count = 0;
  int64_t skew_ms = 0;
  std::vector<std::string> received;  // WS API messages

 private:
  void OnMessage(const Session& from, const std::string& text) {
    received.push_back(text);
    const std::string id = JsonValue(text, "id");
    const std::string method = JsonValue(text, "method");
    std::string answer;
    if (const auto scripted = methods.find(method); scripted != methods.end()) {
      answer = scripted->second(id, text);
    } else if (method == "time") {
      answer = Success(id, "{\"serverTime\":" + std::to_string(TimeMs()) + "}");
    } else if (method == "session.logon") {
      answer = Success(id, "{\"apiKey\":\"k\",\"authorizedSince\":1}");
    } else if (method == "userDataStream.subscribe" ||
               method == "userDataStream.subscribe.signature") {
      answer = Success(id, "{\"subscriptionId\":0}");
    }
    if (!answer.empty() && from->is_open()) from->Send(answer);
  }

  StubReply OnRequest(const StubRequest& request) {
    const auto scripted = paths.find(request.method + " " + request.Path());
    if (scripted != paths.end()) return scripted->second(request);
    if (request.Path() == "/api/v3/time") {
      return {.body = "{\"serverTime\":" + std::to_string(TimeMs()) + "}"};
    }
    return {.status = 404, .body = "{\"code\":-1,\"msg\":\"not scripted\"}"};
  }

  Clock& clock_;
};

// Gateway and venue in turns on one thread, with time stepped by hand.
struct GatewayFixture {
  explicit GatewayFixture(std::function<void(BinanceOptions&)> configure = nullptr) : venue(clock) {
    options.rest_url = venue.server.HttpUrl();
    options.websocket_api_url = venue.server.WebSocketUrl() + "/ws-api/v3";
    options.stream_url = venue.server.WebSocketUrl();
    options.api_key = "testkey";
    options.hmac_secret = SecretText("testsecret");
    // Exchange information is polled only by the tests that ask for it.
    options.filter_poll_period_ms = 86'400'000;
    if (configure) configure(options);
    auto made = BinanceConnection::Create(options, {}, clock);
    if (!made.ok()) throw std::runtime_error(std::string(made.status().message()));
    connection = std::move(*made);
    auto gateway_made = BinanceGateway::Create(*connection, options, {TestInstrument()}, nullptr);
    if (!gateway_made.ok()) throw std::runtime_error(std::string(gateway_made.status().message()));
    gateway = std::move(*gateway_made);
  }

  template <typename Condition>
  bool Until(Condition condition) {
    return PumpUntil(connection->loop(), venue.server, [&] {
      gateway->Poll(log, 1000);
      return condition();
    });
  }
  void Settle() {
    for (int i = 0; i < 2; ++i) {
      PumpIdle(connection->loop(), venue.server);
      gateway->Poll(log, 100'000);
    }
  }
  // Time passes in steps, so that every timer has its turn.
  void Pass(int64_t duration_ns, int64_t step_ns = 100 * kNanosPerMilli) {
    for (int64_t passed = 0; passed < duration_ns; passed += step_ns) {
      clock.Advance(std::min(step_ns, duration_ns - passed));
      Settle();
    }
  }
  bool StartAndWait() {
    if (!gateway->Start().ok()) return false;
    return Until([&] { return gateway->is_private_stream_up() && gateway->is_order_entry_up(); });
  }

  static PlaceRequest Buy(const std::string& id) {
    PlaceRequest request = {};
    request.client_order_id = ClientOrderId(id);
    request.side = Side::kBuy;
    request.price = Price::FromTicks(6'183'763);
    request.quantity = Quantity::FromLots(150);
    return request;
  }
  static CancelRequest CancelOf(const std::string& id) {
    CancelRequest request = {};
    request.client_order_id = ClientOrderId(id);
    return request;
  }

  ManualClock clock;
  StubVenue venue;
  BinanceOptions options;
  std::unique_ptr<BinanceConnection> connection;
  std::unique_ptr<BinanceGateway> gateway;
  EventLog log;
};

inline std::string ExecutionReport(const std::string& client_id, const std::string& type,
                                   const std::string& status, const std::string& filled = "0",
                                   const std::string& trade =
                                       "\"t\":-1,\"l\":\"0.00000000\","
                                       "\"L\":\"0.00000000\",\"n\":\"0\","
                                       "\"N\":null,\"m\":false",
                                   const std::string& original = "") {
  return "{\"subscriptionId\":0,\"event\":{\"e\":\"executionReport\",\"E\":1700000000500,"
         "\"s\":\"BTCUSDT\",\"c\":\"" +
         client_id +
         "\",\"S\":\"BUY\",\"o\":\"LIMIT_MAKER\",\"f\":\"GTC\",\"q\":\"0.00150000\","
         "\"p\":\"61837.63000000\",\"P\":\"0.00000000\",\"F\":\"0.00000000\",\"g\":-1,\"C\":\"" +
         original + "\",\"x\":\"" + type + "\",\"X\":\"" + status +
         "\",\"r\":\"NONE\",\"i\":4711,\"z\":\"" + filled + "\"," + trade +
         ",\"T\":1700000000499,\"I\":99,\"w\":true,\"M\":false,\"O\":1,\"Z\":\"0\",\"Y\":\"0\","
         "\"Q\":\"0\",\"V\":\"NONE\"}}";
}

inline std::string PlacedResult(const std::string& client_id) {
  return "{\"symbol\":\"BTCUSDT\",\"orderId\":4711,\"orderListId\":-1,\"clientOrderId\":\"" +
         client_id + "\",\"transactTime\":1700000000123}";
}

inline std::string CanceledResult(const std::string& client_id) {
  return "{\"symbol\":\"BTCUSDT\",\"origClientOrderId\":\"" + client_id +
         "\",\"orderId\":4711,\"orderListId\":-1,\"clientOrderId\":\"cancelsOwnId\","
         "\"transactTime\":1700000000999,\"price\":\"61837.63000000\",\"origQty\":\"0.00150000\","
         "\"executedQty\":\"0.00050000\",\"cummulativeQuoteQty\":\"0\",\"status\":\"CANCELED\","
         "\"timeInForce\":\"GTC\",\"type\":\"LIMIT_MAKER\",\"side\":\"BUY\"}";
}

}  // namespace holdfast::testing
