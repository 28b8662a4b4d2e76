// Proves what queries do when the venue's budget is used up, as after a crash loop: what proves an
// empty book may use a part of the cancels' reserve and goes ahead of the rest; what waits says for
// which budget, how much of it is used and until when. A scripted venue and the gateway run in
// turns on one thread, with time stepped by hand.

#include <catch2/catch.hpp>

#include "connectors/binance/gateway.h"
#include "tests/connectors/binance/venue_fixture.h"

namespace holdfast {
namespace {

using testing::GatewayFixture;
using testing::StubReply;
using testing::StubRequest;

constexpr InstrumentId kInstrument{0};

// Every query is answered with nothing and the given weight as used.
struct Story : GatewayFixture {
  Story() {
    for (const char* path :
         {"GET /api/v3/openOrders", "GET /api/v3/myTrades", "GET /api/v3/account"}) {
      venue.paths[path] = [this](const StubRequest& request) -> StubReply {
        asked.push_back(request.Path());
        return {.body = request.Path() == "/api/v3/account" ? R"({"updateTime":1,"balances":[]})"
                                                            : "[]",
                .headers = {{"X-MBX-USED-WEIGHT-1M", std::to_string(used)}}};
      };
    }
    REQUIRE(StartAndWait());
    Settle();
  }
  // The venue has counted that much, of earlier runs on this address too.
  void Use(int64_t weight) {
    used = weight;
    REQUIRE(gateway->QueryOpenOrders(RequestId(900), kInstrument).ok());
    REQUIRE(Until([&] { return log.Count<QueryDone>() == 1; }));
    log.events.clear();
    asked.clear();
  }
  bool HasEnded(uint64_t id) const {
    for (const QueryDone& done : log.All<QueryDone>()) {
      if (done.request_id == RequestId(id)) return done.is_ok;
    }
    return false;
  }

  int64_t used = 0;
  std::vector<std::string> asked;
};

TEST_CASE("query budget: the proof of an empty book does not wait where cancels need not",
          "[binance][query][limits]") {
  Story story;
  story.Use(4'900);  // of 6000: 1200 are kept for cancels
  REQUIRE(story.gateway->QueryBalances(RequestId(1)).ok());
  story.Settle();
  CHECK(story.asked.empty());
  REQUIRE(story.gateway->QueryOpenOrders(RequestId(2), kInstrument).ok());
  REQUIRE(story.gateway->QueryFills(RequestId(3), kInstrument, VenueTradeId(1), 0).ok());
  story.Pass(1100 * kNanosPerMilli);
  REQUIRE(story.Until([&] { return story.HasEnded(2) && story.HasEnded(3); }));
  CHECK(story.asked == std::vector<std::string>{"/api/v3/openOrders", "/api/v3/myTrades"});
  CHECK(story.gateway->rate_budget().query_wait == QueryWait::kRequestWeight);
}

TEST_CASE("query budget: what waits names the budget, its use and the end of the wait",
          "[binance][query][limits]") {
  Story story;
  CHECK(story.gateway->rate_budget().query_wait == QueryWait::kNone);
  // Ten seconds before the venue counts anew.
  constexpr int64_t kMinuteNs = 60 * kNanosPerSecond;
  const int64_t into_minute_ns = story.clock.WallNs() % kMinuteNs;
  story.Pass((2 * kMinuteNs - into_minute_ns - 10 * kNanosPerSecond) % kMinuteNs, kNanosPerSecond);
  story.Use(5'700);
  REQUIRE(story.gateway->QueryOpenOrders(RequestId(1), kInstrument).ok());
  story.Settle();
  CHECK(story.asked.empty());
  const RateBudget waiting = story.gateway->rate_budget();
  CHECK(waiting.query_wait == QueryWait::kRequestWeight);
  CHECK(waiting.query_wait_used == 5'700);
  CHECK(waiting.query_wait_limit == 6'000);
  CHECK(waiting.query_wait_until_ns % kMinuteNs == 0);
  CHECK(waiting.query_wait_until_ns - story.clock.WallNs() <= 10 * kNanosPerSecond);
  story.used = 6;
  story.Pass(11 * kNanosPerSecond);
  CHECK(story.HasEnded(1));
  CHECK(story.gateway->rate_budget().query_wait == QueryWait::kNone);
}

TEST_CASE("query budget: a query whose time is up before the budget says why",
          "[binance][query][limits]") {
  Story story;
  constexpr int64_t kMinuteNs = 60 * kNanosPerSecond;
  const int64_t into_minute_ns = story.clock.WallNs() % kMinuteNs;
  story.Pass(kMinuteNs - into_minute_ns, kNanosPerSecond);
  story.Use(6'000);
  REQUIRE(story.gateway->QueryOpenOrders(RequestId(1), kInstrument).ok());
  story.Pass(31 * kNanosPerSecond, 500 * kNanosPerMilli);
  REQUIRE(story.log.Count<QueryDone>() == 1);
  CHECK_FALSE(story.log.All<QueryDone>()[0].is_ok);
  const std::string text(story.log.All<QueryDone>()[0].text.view());
  CHECK(text.find("the rate budget is used up: weight 60") == 0);
  CHECK(text.find(" of 6000") != std::string::npos);
  CHECK(story.gateway->rate_budget().query_wait == QueryWait::kNone);
}

TEST_CASE("query budget: a wait that the venue ordered is told as such",
          "[binance][query][limits]") {
  Story story;
  story.venue.paths["GET /api/v3/openOrders"] = [&](const StubRequest&) -> StubReply {
    return {.status = 429,
            .body = R"({"code":-1003,"msg":"Too much request weight used."})",
            .headers = {{"Retry-After", "20"}}};
  };
  REQUIRE(story.gateway->QueryOpenOrders(RequestId(1), kInstrument).ok());
  story.Settle();
  story.Pass(kNanosPerSecond);
  const RateBudget waiting = story.gateway->rate_budget();
  CHECK(waiting.query_wait == QueryWait::kVenueBlock);
  CHECK(waiting.query_wait_until_ns - story.clock.WallNs() > 18 * kNanosPerSecond);
  story.gateway->Stop();
  CHECK(story.gateway->rate_budget().query_wait == QueryWait::kNone);
}

}  // namespace
}  // namespace holdfast
