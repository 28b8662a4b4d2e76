// Proves that the in-process gateway of the simulated venue behaves as every gateway must: the
// conformance suite, on one thread.

#include "connectors/sim/sim_gateway.h"

#include <catch2/catch.hpp>

#include "connectors/sim/binance/venue_file.h"
#include "engine/base/assert.h"
#include "gateway_conformance.h"

namespace holdfast::conformance {
namespace {

SimAccountConfig Account(const char* name) {
  SimAccountConfig account;
  account.name = name;
  account.maker_fee_rate = *Decimal::Parse("0.001");
  account.taker_fee_rate = *Decimal::Parse("0.002");
  account.balances = {{.asset = AssetCode("BTC"), .free = *Decimal::Parse("10")},
                      {.asset = AssetCode("USDT"), .free = *Decimal::Parse("1000000")}};
  return account;
}

class SimEnvironment final : public Environment {
 public:
  SimEnvironment() : venue_(MakeConfig(clock_)), faults_(1, clock_.WallNs()) {
    HF_ASSERT(venue_.AddInstrument(sim::BuiltInInstrument("BTCUSDT")->instrument).ok());
    ours_ = *venue_.AddAccount(Account("ours"));
    other_ = *venue_.AddAccount(Account("other"));
    gateway_ = std::make_unique<SimGateway>(venue_, ours_, clock_, SimGatewayConfig(), &faults_);
  }
  VenueGateway& gateway() override { return *gateway_; }
  void AtVenue(const std::function<void(SimVenue&, SimAccountId, SimAccountId)>& call) override {
    call(venue_, ours_, other_);
  }
  void AddFault(const FaultRule& rule) override { faults_.Add(rule); }
  void Cut() override { gateway_->Disconnect(); }
  void Step() override {}
  void Advance(int64_t duration_ns) override { clock_.Advance(duration_ns); }

 private:
  static SimVenueConfig MakeConfig(const Clock& clock) {
    SimVenueConfig config;
    config.start_time_ns = clock.WallNs();
    return config;
  }
  ManualClock clock_;
  SimVenue venue_;
  FaultInjector faults_;
  SimAccountId ours_;
  SimAccountId other_;
  std::unique_ptr<SimGateway> gateway_;
};

TEST_CASE("conformance: the simulated venue's in-process gateway", "[conformance][sim]") {
  RunGatewayConformance([] { return std::make_unique<SimEnvironment>(); });
}

}  // namespace
}  // namespace holdfast::conformance
