// Whatever clients do, in whatever market: money is conserved to the last unit, holds equal what
// open orders may cost, nobody goes negative, and one seed gives one history. Shown by seeded
// random clients in an empty, a generated and a written market, checked after every step.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "connectors/sim/fault_injector.h"
#include "connectors/sim/generated_market.h"
#include "connectors/sim/replay_market.h"
#include "engine/base/prng.h"
#include "sim_fixture.h"

namespace holdfast {
namespace {

enum class MarketKind { kEmpty, kGenerated, kReplayed };

// A capture with a wandering book and trades, from a seed.
std::string WriteCapture(uint64_t seed) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("holdfast_property_" + std::to_string(seed) + "_" +
                                                std::to_string(reinterpret_cast<uintptr_t>(&seed)));
  std::ofstream file(path);
  Prng prng(seed);
  const auto level = [&](int64_t ticks, int64_t lots) {
    return "[\"" + Decimal::FromUnits(ticks * 1'000'000).ToText() + "\",\"" +
           Decimal::FromUnits(lots * 1000).ToText() + "\"]";
  };
  int64_t middle = 6'000'000;
  file << "1000000000 {\"lastUpdateId\":1,\"bids\":[" << level(middle - 5, 1000) << "],\"asks\":["
       << level(middle + 5, 1000) << "]}\n";
  for (int i = 0; i < 3000; ++i) {
    const int64_t time_ns = 1'000'000'000 + (i + 1) * int64_t{10'000'000};
    const int64_t moved = middle + prng.Between(-3, 3);
    if (prng.Chance(1, 3)) {
      const bool is_sell = prng.Chance(1, 2);
      file << time_ns << " {\"e\":\"trade\",\"s\":\"BTCUSDT\",\"p\":\""
           << Decimal::FromUnits((middle + (is_sell ? -5 : 5)) * 1'000'000).ToText()
           << "\",\"q\":\"" << Decimal::FromUnits(prng.Between(1, 3000) * 1000).ToText()
           << "\",\"m\":" << (is_sell ? "true" : "false") << "}\n";
      continue;
    }
    file << time_ns << " {\"e\":\"depthUpdate\",\"s\":\"BTCUSDT\",\"U\":" << 2 + i
         << ",\"u\":" << 2 + i << ",\"b\":[";
    for (int64_t ticks = middle - 8; ticks < moved + 5; ++ticks) {
      const int64_t lots = ticks <= moved - 5 ? prng.Between(100, 2000) : 0;
      file << (ticks == middle - 8 ? "" : ",") << level(ticks, lots);
    }
    file << "],\"a\":[";
    for (int64_t ticks = middle + 8; ticks > moved - 5; --ticks) {
      const int64_t lots = ticks >= moved + 5 ? prng.Between(100, 2000) : 0;
      file << (ticks == middle + 8 ? "" : ",") << level(ticks, lots);
    }
    file << "]}\n";
    middle = moved;
  }
  return path;
}

struct History {
  EventLog log;
  std::vector<SimTrade> trades;
};

void Act(VenueFixture& f, Prng& prng, SimAccountId account, int& next_id) {
  const SimBookTop top = f.venue.Top(f.btc);
  const int64_t bid = top.bid.price.is_zero() ? 5'999'990 : top.bid.price.units() / 1'000'000;
  const std::vector<SimOrder> open = f.venue.OpenOrders(account, f.btc);
  const uint64_t dice = prng.Below(100);
  const auto pick = [&] { return open[prng.Below(open.size())]; };
  if (dice < 20 && !open.empty()) {
    f.venue.CancelOrder(account, {.instrument = f.btc, .key = {.order_id = pick().order_id}});
  } else if (dice < 30 && !open.empty()) {
    const SimOrder order = pick();
    const int64_t lots = order.quantity.units() / 1000;
    f.venue.AmendKeepPriority(
        account, {.instrument = f.btc,
                  .key = {.client_order_id = order.client_order_id.view()},
                  .new_client_order_id =
                      prng.Chance(1, 2) ? order.client_order_id.view() : std::string_view(),
                  .new_quantity = Decimal::FromUnits(prng.Between(1, lots) * 1000)});
  } else if (dice < 33 && !open.empty()) {
    f.venue.FillResting(account, f.btc, {.order_id = pick().order_id},
                        Decimal::FromUnits(prng.Between(1, 500) * 1000));
  } else if (dice < 35) {
    f.venue.CancelAll(account, f.btc);
  } else if (dice < 42) {
    SimOrderRequest request{.instrument = f.btc,
                            .side = prng.Chance(1, 2) ? Side::kBuy : Side::kSell,
                            .type = SimOrderType::kMarket};
    (prng.Chance(1, 2) ? request.quantity : request.quote_quantity) =
        Decimal::FromUnits(prng.Between(1, 3'000'000) * 1000);
    request.self_trade = static_cast<SelfTradeMode>(prng.Below(5));
    f.venue.PlaceOrder(account, request);
  } else {
    const std::string id = "c" + std::to_string(next_id++ % 200);
    f.venue.PlaceOrder(
        account, {.instrument = f.btc,
                  .side = prng.Chance(1, 2) ? Side::kBuy : Side::kSell,
                  .type = prng.Chance(1, 4) ? SimOrderType::kLimitMaker : SimOrderType::kLimit,
                  .time_in_force = static_cast<TimeInForce>(prng.Chance(2, 3) ? 0 : prng.Below(3)),
                  .quantity = Decimal::FromUnits(prng.Between(1, 2000) * 1000),
                  .price = Decimal::FromUnits((bid + prng.Between(-12, 20)) * 1'000'000),
                  .client_order_id = id,
                  .self_trade = static_cast<SelfTradeMode>(prng.Below(5))});
  }
}

void Run(MarketKind kind, uint64_t seed, History& history) {
  VenueFixture f({.seed = seed});
  Instrument instrument = f.venue.instrument(f.btc);
  instrument.min_notional = Decimal();
  REQUIRE(f.venue.UpdateInstrument(instrument).ok());
  const SimAccountId rebated = f.AddAccount("rebated", "-0.00015", "0.0004");
  const SimAccountId poor = *f.venue.AddAccount({.name = "poor",
                                                 .maker_fee_rate = Dec("0.001"),
                                                 .taker_fee_rate = Dec("0.001"),
                                                 .balances = {Free("USDT", "500")}});
  f.venue.AddMarketListener(f.btc, &history.log);
  f.venue.AddAccountListener(f.alice, &history.log);
  std::string path;
  if (kind == MarketKind::kGenerated) {
    REQUIRE(f.venue
                .StartGenerated(f.btc, {.seed = seed,
                                        .start_price = Dec("60000"),
                                        .taker_interval_ns = 20'000'000,
                                        .regime_interval_ns = 2'000'000'000,
                                        .gap_interval_ns = 10'000'000'000})
                .ok());
  }
  if (kind == MarketKind::kReplayed) {
    path = WriteCapture(seed);
    REQUIRE(f.venue
                .StartReplay(f.btc, {.files = {path},
                                     .is_looped = true,
                                     .queue_model = static_cast<QueueModel>(seed % 2),
                                     .error_policy = ReplayErrorPolicy::kContinue})
                .ok());
  }
  const std::vector<SimBalance> before = f.venue.TotalBalances();
  const SimAccountId accounts[] = {f.alice, f.bob, rebated, poor};
  Prng prng(seed);
  int next_id = 0;
  for (int i = 0; i < 4000; ++i) {
    Act(f, prng, accounts[prng.Below(4)], next_id);
    f.venue.Advance(f.venue.now_ns() + prng.Between(0, 20'000'000));
    f.venue.CheckInvariants();
    REQUIRE(f.venue.TotalBalances() == before);
  }
  history.trades = f.venue.LedgerTrades();
  REQUIRE(history.trades.size() > 100);
  for (const SimAccountId account : accounts) {
    Decimal bought;
    for (const SimTrade& trade :
         f.venue.MyTrades(account, {.instrument = f.btc, .limit = 1 << 30})) {
      if (trade.side == Side::kBuy) bought += trade.quantity;
    }
    REQUIRE(f.venue.Totals(account).instruments[0].bought == bought);
  }
  f.venue.RemoveMarketListener(f.btc, &history.log);
  f.venue.RemoveAccountListener(f.alice, &history.log);
  if (!path.empty()) std::filesystem::remove(path);
}

TEST_CASE("simulated venue: random clients never make or lose money, in any market",
          "[sim][venue][property]") {
  const MarketKind kind =
      GENERATE(MarketKind::kEmpty, MarketKind::kGenerated, MarketKind::kReplayed);
  const auto seed = static_cast<uint64_t>(GENERATE(1, 2, 3));
  CAPTURE(static_cast<int>(kind), seed);
  History history;
  Run(kind, seed, history);
}

TEST_CASE("simulated venue: one seed gives one history, another seed another",
          "[sim][venue][property]") {
  const MarketKind kind = GENERATE(MarketKind::kGenerated, MarketKind::kReplayed);
  History first, second, other;
  Run(kind, 7, first);
  Run(kind, 7, second);
  Run(kind, 8, other);
  CHECK(first.log.market == second.log.market);
  CHECK(first.log.account == second.log.account);
  CHECK(first.log.market != other.log.market);
}

// --- the generated market ----------------------------------------------------------------------

// Counts what quoting against the market would see.
class Watcher final : public SimMarketListener {
 public:
  void OnDepth(const SimDepthDiff&) override {}
  void OnBookTop(const SimBookTop& top) override {
    ++top_count;
    if (top.bid.price.is_zero() || top.ask.price.is_zero()) {
      ++one_sided_count;
      return;
    }
    REQUIRE(top.bid.price < top.ask.price);
  }
  void OnPublicTrade(const SimPublicTrade& trade) override {
    trade.aggressor == Side::kBuy ? ++buy_count : ++sell_count;
  }
  void OnInstrument(const Instrument&) override {}
  int64_t top_count = 0;
  int64_t one_sided_count = 0;
  int64_t buy_count = 0;
  int64_t sell_count = 0;
};

TEST_CASE("generated market: two-sided, both directions traded, price moves and stays sane",
          "[sim][generated]") {
  const auto seed = static_cast<uint64_t>(GENERATE(1, 2, 3, 4));
  CAPTURE(seed);
  VenueFixture f;
  Watcher watcher;
  f.venue.AddMarketListener(f.btc, &watcher);
  REQUIRE(f.venue.StartGenerated(f.btc, {.seed = seed, .start_price = Dec("60000")}).ok());
  CHECK(f.venue.Depth(f.btc, 0).bids.size() >= 10);
  f.venue.Advance(600 * kNanosPerSecond);
  CHECK(watcher.top_count > 10'000);
  CHECK(watcher.one_sided_count * 1000 < watcher.top_count);
  CHECK(watcher.buy_count > 500);
  CHECK(watcher.sell_count > 500);
  const SimTicker ticker = f.venue.Ticker(f.btc);
  CHECK(ticker.high > ticker.low + Dec("20"));
  CHECK(ticker.high < Dec("90000"));
  CHECK(ticker.low > Dec("30000"));
  CHECK(f.venue.LedgerOrders().empty());  // background traders stay out of the ledger
  f.venue.CheckInvariants();
  f.venue.RemoveMarketListener(f.btc, &watcher);
}

TEST_CASE("generated market: a client's resting orders are hit", "[sim][generated]") {
  VenueFixture f;
  REQUIRE(f.venue.StartGenerated(f.btc, {.seed = 5, .start_price = Dec("60000")}).ok());
  for (int i = 0; i < 120; ++i) {
    f.venue.CancelAll(f.alice, f.btc);
    const SimBookTop top = f.venue.Top(f.btc);
    f.Limit(f.alice, Side::kBuy, "0.01", top.bid.price.ToText(), {}, SimOrderType::kLimitMaker);
    f.Limit(f.alice, Side::kSell, "0.01", top.ask.price.ToText(), {}, SimOrderType::kLimitMaker);
    f.venue.Advance(f.venue.now_ns() + kNanosPerSecond);
  }
  const SimAccountTotals totals = f.venue.Totals(f.alice);
  CHECK(totals.instruments[0].bought.is_positive());
  CHECK(totals.instruments[0].sold.is_positive());
}

TEST_CASE("generated market: a wrong configuration is refused with its field", "[sim][generated]") {
  VenueFixture f;
  const auto field = [&](const GeneratedMarketConfig& config) {
    const absl::Status status = f.venue.StartGenerated(f.btc, config);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  CHECK(field({}) == "generated market: field=start_price");
  CHECK(field({.start_price = Dec("60000"), .level_count = 0}) ==
        "generated market: field=level_count");
  CHECK(field({.start_price = Dec("60000"), .maker_interval_ns = 0}) ==
        "generated market: field=maker_interval_ns");
  CHECK(field({.start_price = Dec("60000"), .gap_ppm = -1}) == "generated market: field=gap_ppm");
  REQUIRE(f.venue.StartGenerated(f.btc, {.start_price = Dec("60000")}).ok());
  CHECK(f.venue.StartGenerated(f.btc, {.start_price = Dec("60000")}).code() ==
        absl::StatusCode::kFailedPrecondition);
}

// --- faults ------------------------------------------------------------------------------------

std::vector<int> Fired(FaultInjector& faults, FaultPoint point, int count) {
  std::vector<int> fired;
  for (int i = 0; i < count; ++i) {
    if (faults.Decide(point, std::nullopt, i).has_value()) fired.push_back(i);
  }
  return fired;
}

TEST_CASE("fault injector: the next N after the first M, and nothing else", "[sim][fault]") {
  FaultInjector faults;
  faults.Add({.kind = FaultKind::kLostRequest, .skip_count = 2, .count = 3});
  CHECK(Fired(faults, FaultPoint::kPlace, 8) == std::vector<int>{2, 3, 4});
  CHECK(Fired(faults, FaultPoint::kCancel, 8).empty());
  CHECK(faults.injected_count(FaultKind::kLostRequest) == 3);
}

TEST_CASE("fault injector: a rule's chances do not depend on the other rules", "[sim][fault]") {
  const FaultRule rule{.kind = FaultKind::kLostReply, .probability_ppm = 250'000};
  const FaultRule other{
      .kind = FaultKind::kLostReply, .point = FaultPoint::kCancel, .probability_ppm = 500'000};
  FaultInjector alone({.seed = 9, .rules = {rule}}, 0);
  FaultInjector both({.seed = 9, .rules = {rule, other}}, 0);
  Fired(both, FaultPoint::kCancel, 77);
  const std::vector<int> fired = Fired(alone, FaultPoint::kPlace, 1000);
  CHECK(fired.size() > 180);
  CHECK(fired.size() < 320);
  CHECK(Fired(both, FaultPoint::kPlace, 1000) == fired);
  FaultInjector other_seed({.seed = 10, .rules = {rule}}, 0);
  CHECK(Fired(other_seed, FaultPoint::kPlace, 1000) != fired);
}

TEST_CASE("fault injector: account, window of time, removal", "[sim][fault]") {
  FaultInjector faults(1, 1000);
  const int32_t id = faults.Add(
      {.kind = FaultKind::kServerError, .account = SimAccountId(2), .from_ns = 10, .until_ns = 20});
  const auto decide = [&](uint16_t account, int64_t now_ns) {
    return faults.Decide(FaultPoint::kPlace, SimAccountId(account), now_ns).has_value();
  };
  CHECK_FALSE(decide(2, 1009));
  CHECK(decide(2, 1010));
  CHECK_FALSE(decide(1, 1010));
  CHECK(decide(2, 1019));
  CHECK_FALSE(decide(2, 1020));
  CHECK(faults.Remove(id));
  CHECK_FALSE(faults.Remove(id));
  CHECK_FALSE(decide(2, 1010));
}

TEST_CASE("fault injector: timed faults come due once each, clock skew is in force for its time",
          "[sim][fault]") {
  FaultInjector faults(1, 1000);
  faults.Add({.kind = FaultKind::kDisconnect,
              .point = FaultPoint::kTimed,
              .count = 3,
              .from_ns = 10,
              .every_ns = 10});
  faults.Add({.kind = FaultKind::kRestart, .point = FaultPoint::kTimed, .from_ns = 15});
  faults.Add({.kind = FaultKind::kClockSkew,
              .point = FaultPoint::kTimed,
              .from_ns = 5,
              .until_ns = 8,
              .delay_ns = -77});
  CHECK(faults.next_due_ns() == 1010);
  CHECK(faults.TakeDue(1009).empty());
  const std::vector<Fault> due = faults.TakeDue(1021);
  REQUIRE(due.size() == 3);
  CHECK(due[0].kind == FaultKind::kDisconnect);
  CHECK(due[1].kind == FaultKind::kRestart);
  CHECK(due[2].kind == FaultKind::kDisconnect);
  CHECK(faults.TakeDue(5000).size() == 1);
  CHECK_FALSE(faults.next_due_ns().has_value());
  CHECK(faults.clock_skew_ns(1004) == 0);
  CHECK(faults.clock_skew_ns(1005) == -77);
  CHECK(faults.clock_skew_ns(1008) == 0);
}

TEST_CASE("fault injector: a plan that cannot happen is refused with rule and field",
          "[sim][fault]") {
  const auto message = [](const FaultRule& rule) {
    return std::string(Validate(FaultPlan{.seed = 1, .rules = {{}, rule}}).message());
  };
  CHECK(Validate(FaultPlan{.seed = 1, .rules = {{}}}).ok());
  CHECK(message({.kind = FaultKind::kLostRequest, .point = FaultPoint::kDepthEvent}) ==
        "fault plan: rule=1 field=point");
  CHECK(message({.kind = FaultKind::kFillBeforeCancel}) == "fault plan: rule=1 field=point");
  CHECK(message({.kind = FaultKind::kRestart}) == "fault plan: rule=1 field=point");
  CHECK(message({.count = 0}) == "fault plan: rule=1 field=count");
  CHECK(message({.probability_ppm = 1'000'001}) == "fault plan: rule=1 field=probability_ppm");
  CHECK(message({.delay_ns = -1}) == "fault plan: rule=1 field=delay_ns");
  CHECK(message({.from_ns = 5, .until_ns = 5}) == "fault plan: rule=1 field=until_ns");
}

TEST_CASE("fault injector: names go there and back", "[sim][fault]") {
  for (int i = 0; i < kFaultKindCount; ++i) {
    const auto kind = static_cast<FaultKind>(i);
    CHECK(FaultKindFromText(ToText(kind)) == kind);
  }
  for (int i = 0; i < kFaultPointCount; ++i) {
    const auto point = static_cast<FaultPoint>(i);
    CHECK(FaultPointFromText(ToText(point)) == point);
  }
  CHECK_FALSE(FaultKindFromText("none").has_value());
  CHECK_FALSE(FaultPointFromText("").has_value());
}

}  // namespace
}  // namespace holdfast
