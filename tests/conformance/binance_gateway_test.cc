// Proves that the Binance gateway behaves as every gateway must: the conformance suite over real
// sockets, against the simulated venue's wire front end on a thread of its own, with a clock that
// only the test moves. Once with signed requests and once with a logged-on session; once with
// orders over REST.

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "connectors/binance/connection.h"
#include "connectors/binance/gateway.h"
#include "connectors/net/text.h"
#include "connectors/sim/binance/front_end.h"
#include "connectors/sim/binance/server_loop.h"
#include "connectors/sim/binance/venue_file.h"
#include "engine/base/assert.h"
#include "gateway_conformance.h"

namespace holdfast::conformance {
namespace {

// Moved by the test, read by the venue's thread.
class SteppedClock final : public Clock {
 public:
  int64_t WallNs() const override { return wall_ns_.load(); }
  int64_t MonotonicNs() const override { return wall_ns_.load() - kStartNs + 1; }
  void Advance(int64_t duration_ns) { wall_ns_.fetch_add(duration_ns); }

 private:
  static constexpr int64_t kStartNs = 1'700'000'000 * kNanosPerSecond;
  std::atomic<int64_t> wall_ns_{kStartNs};
};

// The pair was made for this test and protects nothing.
constexpr char kPrivateKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIPzdvQo5rJ3Mb/rowWJKVQWvGRu5IsQmNLs1xV9OsHMy\n"
    "-----END PRIVATE KEY-----\n";
constexpr char kAccounts[] = R"(
[[account]]
name = "ours"
maker_fee_rate = "0.001"
taker_fee_rate = "0.002"
balances = { BTC = "10", USDT = "1000000" }
[[account.key]]
api_key = "oursHmac"
hmac_secret = "oursSecret"
[[account.key]]
api_key = "oursEd"
ed25519_public_key = """
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAO09AYsZIz1Ptx3WPwcZ24OnDBWU2naeKzgMo++Krphk=
-----END PUBLIC KEY-----
"""

[[account]]
name = "other"
api_key = "otherHmac"
hmac_secret = "otherSecret"
balances = { BTC = "10", USDT = "1000000" }
)";

enum class Mode { kSigned, kSession, kRest };

class WireEnvironment final : public Environment {
 public:
  explicit WireEnvironment(Mode mode, bool is_canceled_found_by_original_id = true) {
    SimVenueConfig venue_config;
    venue_config.is_canceled_found_by_original_id = is_canceled_found_by_original_id;
    venue_config.start_time_ns = clock_.WallNs();
    venue_ = std::make_unique<SimVenue>(venue_config);
    const auto instrument_id = venue_->AddInstrument(sim::BuiltInInstrument("BTCUSDT")->instrument);
    HF_ASSERT(instrument_id.ok());
    sim::FrontEndConfig config;
    config.has_control = false;
    front_ = std::make_unique<sim::FrontEnd>(loop_, clock_, *venue_, config);
    const auto file = sim::ParseVenueFile(kAccounts, "accounts");
    HF_ASSERT(file.ok());
    for (const auto& entry : file->accounts) HF_ASSERT(front_->AddAccount(entry).ok());
    HF_ASSERT(front_->Listen().ok());
    StartGateway(mode, venue_->instrument(*instrument_id));
    thread_ = std::thread([this] { loop_.Run(); });
  }
  ~WireEnvironment() override {
    gateway_ = nullptr;
    connection_ = nullptr;
    loop_.Post([this] {
      front_->Shutdown();
      loop_.Stop();
    });
    thread_.join();
  }

  VenueGateway& gateway() override { return *gateway_; }
  void AtVenue(const std::function<void(SimVenue&, SimAccountId, SimAccountId)>& call) override {
    OnLoop([&] {
      venue_->Advance(clock_.WallNs());
      call(*venue_, *venue_->FindAccount("ours"), *venue_->FindAccount("other"));
    });
  }
  void AddFault(const FaultRule& rule) override {
    FaultPlan plan;
    plan.rules.push_back(rule);
    OnLoop([&] { front_->StartFaultPlan(plan); });
  }
  void Cut() override {
    FaultRule rule;
    rule.kind = FaultKind::kRestart;
    rule.point = FaultPoint::kTimed;
    rule.count = 1;
    AddFault(rule);
  }
  void Step() override { connection_->loop().RunOnce(0); }
  void Advance(int64_t duration_ns) override { clock_.Advance(duration_ns); }

 private:
  void StartGateway(Mode mode, const Instrument& instrument) {
    options_.rest_url = Concat("http://127.0.0.1:", front_->port());
    options_.websocket_api_url = Concat("ws://127.0.0.1:", front_->port(), "/ws-api/v3");
    options_.stream_url = Concat("ws://127.0.0.1:", front_->port());
    options_.recv_window_ms = 1000;
    options_.request_timeout_ms = 1000;
    options_.visibility_lag_ms = 100;
    options_.uses_websocket_orders = mode != Mode::kRest;
    if (mode == Mode::kSession) {
      options_.api_key = "oursEd";
      options_.ed25519_private_key_pem = SecretText(kPrivateKey);
    } else {
      options_.api_key = "oursHmac";
      options_.hmac_secret = SecretText("oursSecret");
    }
    auto connection = BinanceConnection::Create(options_, {}, clock_);
    HF_ASSERT(connection.ok());
    connection_ = std::move(*connection);
    auto gateway = BinanceGateway::Create(*connection_, options_, {instrument}, nullptr);
    HF_ASSERT(gateway.ok());
    gateway_ = std::move(*gateway);
  }
  void OnLoop(const std::function<void()>& call) {
    std::promise<void> done;
    loop_.Post([&] {
      call();
      done.set_value();
    });
    done.get_future().wait();
  }

  SteppedClock clock_;
  sim::ServerLoop loop_;
  std::unique_ptr<SimVenue> venue_;
  std::unique_ptr<sim::FrontEnd> front_;
  BinanceOptions options_;
  std::unique_ptr<BinanceConnection> connection_;
  std::unique_ptr<BinanceGateway> gateway_;
  std::thread thread_;
};

TEST_CASE("conformance: Binance with signed requests", "[conformance][binance]") {
  RunGatewayConformance([] { return std::make_unique<WireEnvironment>(Mode::kSigned); });
}

TEST_CASE("conformance: Binance with a logged-on session", "[conformance][binance]") {
  RunGatewayConformance([] { return std::make_unique<WireEnvironment>(Mode::kSession); });
}

TEST_CASE("conformance: Binance with orders over REST", "[conformance][binance]") {
  RunGatewayConformance([] { return std::make_unique<WireEnvironment>(Mode::kRest); });
}

// Whether the venue finds a canceled order by the id that it was placed with is not documented.
TEST_CASE("conformance: Binance knows a canceled order by its own id, whatever the venue calls it",
          "[conformance][binance][cancel_id]") {
  const bool is_found_by_original_id = GENERATE(true, false);
  RunRenamedOrderConformance([is_found_by_original_id] {
    return std::make_unique<WireEnvironment>(Mode::kSigned, is_found_by_original_id);
  });
}

TEST_CASE("conformance: a confirmed cancel-all at Binance covers what was placed before it",
          "[conformance][binance][cancel_all]") {
  const Mode mode = GENERATE(Mode::kSigned, Mode::kSession, Mode::kRest);
  RunOvertakingConformance([mode] { return std::make_unique<WireEnvironment>(mode); });
}

}  // namespace
}  // namespace holdfast::conformance
