// Proves that an order costs no allocation once the session is up: neither writing its request, in
// any form, nor handing it to the gateway, sending it, canceling it, and taking the answers.
// operator new is counted in this executable; the scripted venue runs on the same thread,
// uncounted.

#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "connectors/binance/order_encoder.h"
#include "connectors/net/signing.h"
#include "count_allocations.h"
#include "tests/connectors/binance/venue_fixture.h"

namespace holdfast {
namespace {

using testing::allocation_count;
using testing::GatewayFixture;
using testing::StubVenue;

TEST_CASE("order encoder: no request of any kind allocates, not even the first",
          "[binance][order]") {
  using Authentication = BinanceAuthentication;
  const HmacSha256Signer signer("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j");
  const BinanceOrderEncoder encoder(testing::TestInstrument(),
                                    {.api_key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6u",
                                     .host = "127.0.0.1:8080",
                                     .receive_window_ms = 5000,
                                     .self_trade_prevention_mode = "EXPIRE_MAKER"},
                                    &signer);
  const PlaceRequest place = GatewayFixture::Buy("hf0a1b2c0000000000017abcdefg");
  const CancelRequest cancel = GatewayFixture::CancelOf("hf0a1b2c0000000000017abcdefg");
  const int64_t time_ms = 1'723'161'255'208;
  std::array<char, BinanceOrderEncoder::kMaxRequestBytes> out;
  size_t bytes = 0;
  const int64_t before = allocation_count;
  for (int64_t i = 0; i < 100; ++i) {
    const RequestId id(static_cast<uint64_t>(i + 1));
    const int64_t at_ms = time_ms + i;
    for (const Authentication how : {Authentication::kSigned, Authentication::kSession}) {
      bytes += encoder.PlaceMessage(place, id, at_ms, how, out).size();
      bytes += encoder.CancelMessage(cancel, id, at_ms, how, out).size();
      bytes += encoder.StatusMessage(place.client_order_id, id, at_ms, how, out).size();
      bytes += encoder.CancelAllMessage(id, at_ms, how, out).size();
    }
    bytes += encoder.PlaceHttp(place, at_ms, out).size();
    bytes += encoder.CancelHttp(cancel, at_ms, out).size();
    bytes += encoder.StatusHttp(place.client_order_id, at_ms, out).size();
    bytes += encoder.CancelAllHttp(at_ms, out).size();
    bytes += encoder.PlaceQuery(place, at_ms, out).size();
    bytes += encoder.CancelQuery(cancel, at_ms, out).size();
  }
  const int64_t after = allocation_count;
  CHECK(bytes > 100'000);
  CHECK(after == before);
}

struct CountingSink : VenueEventSink {
  void OnVenueEvent(const VenueEvent& event) override {
    ++event_count;
    if (std::holds_alternative<OrderAccepted>(event)) ++accepted_count;
    if (std::holds_alternative<OrderReport>(event)) ++canceled_count;
  }
  int event_count = 0;
  int accepted_count = 0;
  int canceled_count = 0;
};

TEST_CASE("gateway: placing, canceling and taking the answers allocate nothing",
          "[binance][order]") {
  GatewayFixture fixture;
  fixture.venue.methods["order.place"] = [](const std::string& id, const std::string& text) {
    return StubVenue::Success(id,
                              testing::PlacedResult(testing::JsonValue(text, "newClientOrderId")));
  };
  fixture.venue.methods["order.cancel"] = [](const std::string& id, const std::string& text) {
    return StubVenue::Success(
        id, testing::CanceledResult(testing::JsonValue(text, "origClientOrderId")));
  };
  REQUIRE(fixture.StartAndWait());
  CountingSink sink;
  constexpr int kOrders = 10;
  std::vector<PlaceRequest> places;
  std::vector<CancelRequest> cancels;
  for (int i = 0; i < kOrders; ++i) {
    places.push_back(GatewayFixture::Buy("a" + std::to_string(i)));
    cancels.push_back(GatewayFixture::CancelOf("a" + std::to_string(i)));
  }
  int64_t allocated = 0;
  int refused_count = 0;
  // All that is ours is counted, the network thread's part too; the scripted venue is not.
  const auto counted = [&allocated](auto call) {
    const int64_t before = allocation_count;
    call();
    allocated += allocation_count - before;
  };
  const auto answers = [&](const int& answer_count, int wanted_count) {
    const SystemClock real_clock;
    const int64_t deadline_ns = real_clock.MonotonicNs() + testing::kPumpLimitNs;
    while (answer_count < wanted_count && real_clock.MonotonicNs() < deadline_ns) {
      counted([&] { fixture.connection->loop().RunOnce(0); });
      fixture.venue.server.Poll();
      counted([&] { fixture.gateway->Poll(sink, 1000); });
    }
    return answer_count;
  };
  // The session's first order sets up what the network library keeps.
  REQUIRE(fixture.gateway->Place(GatewayFixture::Buy("first")).ok());
  REQUIRE(answers(sink.accepted_count, 1) == 1);
  REQUIRE(fixture.gateway->Cancel(GatewayFixture::CancelOf("first")).ok());
  REQUIRE(answers(sink.canceled_count, 1) == 1);
  allocated = 0;
  for (const PlaceRequest& place : places) {
    counted([&] { refused_count += fixture.gateway->Place(place).ok() ? 0 : 1; });
  }
  CHECK(answers(sink.accepted_count, 1 + kOrders) == 1 + kOrders);
  for (const CancelRequest& cancel : cancels) {
    counted([&] { refused_count += fixture.gateway->Cancel(cancel).ok() ? 0 : 1; });
  }
  CHECK(answers(sink.canceled_count, 1 + kOrders) == 1 + kOrders);
  CHECK(refused_count == 0);
  CHECK(allocated == 0);
}

}  // namespace
}  // namespace holdfast
