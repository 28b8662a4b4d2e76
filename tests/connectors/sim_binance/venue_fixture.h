#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "connectors/net/signing.h"
#include "connectors/sim/binance/front_end.h"
#include "connectors/sim/binance/server_loop.h"
#include "connectors/sim/binance/venue_file.h"
#include "connectors/sim/venue.h"
#include "engine/base/clock.h"
#include "wire_client.h"

namespace holdfast::sim {

using nlohmann::json;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// Stepped by the test, read by the server's thread.
class SteppedClock final : public Clock {
 public:
  int64_t WallNs() const override { return wall_ns_.load(); }
  int64_t MonotonicNs() const override { return wall_ns_.load() - kStartNs + 1; }
  void Advance(int64_t duration_ns) { wall_ns_.fetch_add(duration_ns); }
  int64_t Milliseconds() const { return WallNs() / kNanosPerMilli; }

  static constexpr int64_t kStartNs = 1'700'000'000 * kNanosPerSecond;

 private:
  std::atomic<int64_t> wall_ns_{kStartNs};
};

inline constexpr char kEdPrivateKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIPzdvQo5rJ3Mb/rowWJKVQWvGRu5IsQmNLs1xV9OsHMy\n"
    "-----END PRIVATE KEY-----\n";
inline constexpr char kAccounts[] = R"(
[[account]]
name = "alice"
maker_fee_rate = "0.001"
taker_fee_rate = "0.002"
balances = { BTC = "10", USDT = "1000000" }
[[account.key]]
api_key = "aliceHmac"
hmac_secret = "aliceSecret"
[[account.key]]
api_key = "aliceEd"
ed25519_public_key = """
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAO09AYsZIz1Ptx3WPwcZ24OnDBWU2naeKzgMo++Krphk=
-----END PUBLIC KEY-----
"""
[[account.key]]
api_key = "aliceReadOnly"
hmac_secret = "readSecret"
key_can_trade = false

[[account]]
name = "bob"
api_key = "bobHmac"
hmac_secret = "bobSecret"
balances = { BTC = "10", USDT = "1000000" }
)";

struct Key {
  std::string api_key;
  std::string secret;
};
inline const Key kAlice{"aliceHmac", "aliceSecret"};
inline const Key kBob{"bobHmac", "bobSecret"};

inline std::string Join(const Pairs& pairs) {
  std::string text;
  for (const auto& [name, value] : pairs) {
    if (!text.empty()) text += '&';
    text += name + "=" + value;
  }
  return text;
}

inline std::string HmacHex(const std::string& secret, const std::string& payload) {
  std::string hex(HmacSha256Signer::kHexBytes, '\0');
  HmacSha256Signer(secret).SignHex(payload, hex.data());
  return hex;
}

inline std::string EdBase64(const std::string& payload) {
  std::string text(RequestSigner::kMaxSignatureBytes, '\0');
  const auto signer = Ed25519Signer::FromPem(kEdPrivateKey);
  text.resize((*signer)->Sign(payload, text.data()));
  return text;
}

// A whole venue with two accounts and no other traders, on ephemeral ports, with a clock that only
// the test moves.
class VenueFixture {
 public:
  explicit VenueFixture(std::function<void(FrontEndConfig&)> adjust = nullptr,
                        const std::string& accounts = kAccounts) {
    SimVenueConfig venue_config;
    venue_config.start_time_ns = clock.WallNs();
    venue_ = std::make_unique<SimVenue>(venue_config);
    if (!venue_->AddInstrument(BuiltInInstrument("BTCUSDT")->instrument).ok() ||
        !venue_->AddInstrument(BuiltInInstrument("ETHUSDT")->instrument).ok()) {
      throw std::runtime_error("instruments");
    }
    FrontEndConfig config;
    config.limits.orders_per_10_seconds = 100'000;
    config.limits.weight_per_minute = 1'000'000;
    if (adjust) adjust(config);
    front_ = std::make_unique<FrontEnd>(loop_, clock, *venue_, config);
    const auto file = ParseVenueFile(accounts, "accounts");
    if (!file.ok()) throw std::runtime_error(file.status().ToString());
    for (const AccountFileEntry& entry : file->accounts) {
      if (!front_->AddAccount(entry).ok()) throw std::runtime_error("account");
    }
    if (absl::Status status = front_->Listen(); !status.ok()) {
      throw std::runtime_error(status.ToString());
    }
    port = front_->port();
    control_port = front_->control_port();
    thread_ = std::thread([this] { loop_.Run(); });
  }

  ~VenueFixture() {
    loop_.Post([this] {
      front_->Shutdown();
      loop_.Stop();
    });
    thread_.join();
  }

  // Runs on the server's thread and waits for it.
  void OnLoop(const std::function<void(SimVenue&)>& call) {
    std::promise<void> done;
    loop_.Post([&] {
      call(*venue_);
      done.set_value();
    });
    done.get_future().wait();
  }

  // --- REST ---
  std::optional<HttpReply> TryGet(const std::string& target, const Headers& headers = {}) {
    return HttpClient(port).Request("GET", target, headers);
  }
  json Get(const std::string& target) {
    const auto reply = TryGet(target);
    if (!reply.has_value()) throw std::runtime_error("cut: " + target);
    return json::parse(reply->body);
  }
  // Signed with an HMAC key; adds timestamp and signature.
  std::optional<HttpReply> TrySigned(const std::string& verb, const std::string& path, Pairs pairs,
                                     const Key& key = kAlice) {
    bool has_time = false;
    for (const auto& [name, value] : pairs) has_time = has_time || name == "timestamp";
    if (!has_time) pairs.push_back({"timestamp", std::to_string(clock.Milliseconds())});
    const std::string payload = Join(pairs);
    return HttpClient(port).Request(
        verb, path + "?" + payload + "&signature=" + HmacHex(key.secret, payload),
        {{"X-MBX-APIKEY", key.api_key}});
  }
  HttpReply Signed(const std::string& verb, const std::string& path, Pairs pairs,
                   const Key& key = kAlice) {
    auto reply = TrySigned(verb, path, std::move(pairs), key);
    if (!reply.has_value()) throw std::runtime_error("cut: " + verb + " " + path);
    return *reply;
  }
  // "status code text", e.g. "400 -1121 Invalid symbol."; "200" when it succeeded.
  static std::string Outcome(const std::optional<HttpReply>& reply) {
    if (!reply.has_value()) return "cut";
    if (reply->status == 200) return "200";
    const json body = json::parse(reply->body, nullptr, false);
    if (body.is_discarded() || !body.contains("code")) return std::to_string(reply->status);
    return std::to_string(reply->status) + " " + std::to_string(body["code"].get<int>()) + " " +
           body["msg"].get<std::string>();
  }
  json Place(const std::string& side, const std::string& quantity, const std::string& price,
             const std::string& client_id, const Key& key = kAlice) {
    const HttpReply reply = Signed("POST", "/api/v3/order",
                                   {{"symbol", "BTCUSDT"},
                                    {"side", side},
                                    {"type", "LIMIT"},
                                    {"timeInForce", "GTC"},
                                    {"quantity", quantity},
                                    {"price", price},
                                    {"newClientOrderId", client_id}},
                                   key);
    if (reply.status != 200) throw std::runtime_error("order refused: " + reply.body);
    return json::parse(reply.body);
  }

  // --- control ---
  HttpReply TryControl(const std::string& verb, const std::string& target,
                       const std::string& body = "") {
    return *HttpClient(control_port).Request(verb, target, {}, body);
  }
  json Control(const std::string& verb, const std::string& target, const json& body = nullptr) {
    const HttpReply reply = TryControl(verb, target, body.is_null() ? "" : body.dump());
    if (reply.status != 200) throw std::runtime_error(target + ": " + reply.body);
    return json::parse(reply.body);
  }
  json OpenOrders() { return json::parse(Signed("GET", "/api/v3/openOrders", {}).body); }

  SteppedClock clock;
  uint16_t port = 0;
  uint16_t control_port = 0;

 private:
  ServerLoop loop_;
  std::unique_ptr<SimVenue> venue_;
  std::unique_ptr<FrontEnd> front_;
  std::thread thread_;
};

// A connection to the WebSocket API: requests by id, events aside.
class WsApiClient {
 public:
  explicit WsApiClient(VenueFixture& venue, const std::string& path = "/ws-api/v3")
      : venue_(venue), socket_(venue.port, path) {}

  json Call(const std::string& method, const json& params = json::object()) {
    const int id = ++last_id_;
    socket_.Send(json{{"id", id}, {"method", method}, {"params", params}}.dump());
    return Reply(id);
  }
  json Reply(const json& id) {
    for (;;) {
      const auto text = socket_.Receive();
      if (!text.has_value()) throw std::runtime_error("connection ended");
      json message = json::parse(*text);
      if (message.contains("event")) {
        events.push_back(std::move(message));
      } else if (message["id"] == id) {
        return message;
      }
    }
  }
  // The next event, waiting for it when there is none yet.
  json Event() {
    while (events.empty()) {
      const auto text = socket_.Receive();
      if (!text.has_value()) throw std::runtime_error("connection ended");
      json message = json::parse(*text);
      if (message.contains("event")) events.push_back(std::move(message));
    }
    json event = events.front();
    events.pop_front();
    return event;
  }
  // Adds apiKey, timestamp and signature, as the venue wants them: sorted by name.
  json Sign(json params, const Key& key = kAlice) const {
    params["apiKey"] = key.api_key;
    if (!params.contains("timestamp")) params["timestamp"] = venue_.clock.Milliseconds();
    params["signature"] = HmacHex(key.secret, Payload(params));
    return params;
  }
  json SignEd(json params) const {
    params["apiKey"] = "aliceEd";
    params["timestamp"] = venue_.clock.Milliseconds();
    params["signature"] = EdBase64(Payload(params));
    return params;
  }
  json Timed(json params) const {
    params["timestamp"] = venue_.clock.Milliseconds();
    return params;
  }
  static std::string Payload(const json& params) {
    std::string text;  // nlohmann objects iterate in the order of their keys
    for (const auto& [name, value] : params.items()) {
      if (!text.empty()) text += '&';
      text += name + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
    }
    return text;
  }
  WsClient& socket() { return socket_; }

  std::deque<json> events;

 private:
  VenueFixture& venue_;
  WsClient socket_;
  int last_id_ = 0;
};

inline json LimitOrder(const std::string& side, const std::string& quantity,
                       const std::string& price, const std::string& client_id) {
  return {{"symbol", "BTCUSDT"},         {"side", side},   {"type", "LIMIT_MAKER"},
          {"quantity", quantity},        {"price", price}, {"newClientOrderId", client_id},
          {"newOrderRespType", "RESULT"}};
}

}  // namespace holdfast::sim
