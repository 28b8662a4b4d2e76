// The matching engine does exactly what a plain book of maps and lists does, whatever the flow:
// shown by running both on seeded flows and comparing every trade, prevention, result and level;
// stories pin the rules down by hand.
#include "connectors/sim/matching_engine.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "engine/base/prng.h"
#include "reference_book.h"

namespace holdfast {
namespace {

using Lines = std::vector<std::string>;

struct Recorder {
  void OnTrade(const EngineTrade& t) {
    lines.push_back("trade " + std::to_string(t.maker_tag) + " " + std::to_string(t.taker_tag) +
                    " " + std::to_string(t.lots) + "@" + std::to_string(t.price_ticks) + " left " +
                    std::to_string(t.maker_lots_left) + " " + std::to_string(t.maker_owner) + "/" +
                    std::to_string(t.taker_owner) + " " + std::string(ToText(t.taker_side)));
  }
  void OnPrevented(const EnginePrevention& p) {
    lines.push_back("prevented " + std::to_string(p.maker_tag) + " " + std::to_string(p.lots) +
                    "@" + std::to_string(p.price_ticks) + " left " +
                    std::to_string(p.maker_lots_left) + " " + std::string(ToText(p.maker_side)));
  }
  Lines lines;
};

Lines Levels(const MatchingEngine& engine, Side side) {
  Lines lines;
  engine.ForEachLevel(side, [&](int64_t ticks, int64_t lots) {
    lines.push_back(std::to_string(lots) + "@" + std::to_string(ticks));
    CHECK(engine.LotsAt(side, ticks) == lots);
    return true;
  });
  return lines;
}

Lines Levels(const ReferenceBook& book, Side side) {
  Lines lines;
  for (const auto& [ticks, lots] : book.Levels(side)) {
    lines.push_back(std::to_string(lots) + "@" + std::to_string(ticks));
  }
  if (side == Side::kBuy) std::reverse(lines.begin(), lines.end());
  return lines;
}

// --- properties --------------------------------------------------------------------------------

struct FlowOptions {
  uint64_t seed = 1;
  int window_bits = 6;
  int64_t price_spread = 20;    // most prices are this near the middle
  int64_t drift_per_op = 0;     // the middle walks
  int64_t far_price = 100'000;  // one price in fifty is this far away
  int operation_count = 20'000;
};

void CheckFlow(const FlowOptions& options) {
  CAPTURE(options.seed, options.window_bits, options.price_spread, options.drift_per_op);
  Prng prng(options.seed);
  MatchingEngine engine(4096, options.window_bits);
  ReferenceBook reference;
  std::vector<uint32_t> handles(1);  // by tag
  int64_t middle = 1'000'000;
  for (int i = 0; i < options.operation_count; ++i) {
    middle += options.drift_per_op;
    const auto tag = static_cast<uint32_t>(handles.size());
    const uint64_t dice = prng.Below(100);
    if (dice < 40 && tag > 1) {
      const auto victim = static_cast<uint32_t>(
          prng.Between(std::max<int64_t>(1, int64_t{tag} - 500), int64_t{tag} - 1));
      REQUIRE(engine.Cancel(handles[victim], victim) == reference.Cancel(victim));
      continue;
    }
    if (dice < 45 && tag > 1) {
      const auto victim = static_cast<uint32_t>(
          prng.Between(std::max<int64_t>(1, int64_t{tag} - 100), int64_t{tag} - 1));
      const int64_t open = reference.OpenLots(victim);
      const int64_t lots = open > 1 ? prng.Between(1, open - 1) : open;
      if (lots == 0) {
        REQUIRE_FALSE(engine.Reduce(handles[victim], victim, 1));
      } else {
        REQUIRE(reference.Reduce(victim, lots));
        REQUIRE(engine.Reduce(handles[victim], victim, lots));
      }
      continue;
    }
    const Side side = prng.Chance(1, 2) ? Side::kBuy : Side::kSell;
    int64_t distance = prng.Between(-options.price_spread / 4, options.price_spread);
    if (prng.Chance(1, 50)) distance = prng.Between(0, options.far_price);
    const auto group = static_cast<uint16_t>(prng.Below(6));
    const EngineOrder order{
        .tag = tag,
        .owner = static_cast<uint16_t>(group + 100),
        .group = group,
        .side = side,
        .kind = static_cast<EngineOrderKind>(prng.Chance(3, 4) ? 0 : prng.Below(5)),
        .self_trade = static_cast<SelfTradeMode>(prng.Below(5)),
        .price_ticks = middle - Sign(side) * distance,
        .lots = prng.Between(1, 100)};
    Recorder mine;
    Recorder theirs;
    const EngineResult result = engine.Place(order, mine);
    const EngineResult expected = reference.Place(order, theirs);
    REQUIRE(mine.lines == theirs.lines);
    REQUIRE(result.outcome == expected.outcome);
    REQUIRE(result.lots_left == expected.lots_left);
    REQUIRE((result.handle != 0) == (result.outcome == EngineOutcome::kRests));
    handles.push_back(result.handle);
    if (i % 1000 == 0) engine.CheckInvariants();
  }
  engine.CheckInvariants();
  REQUIRE(engine.resting_count() == reference.resting_count());
  for (const Side side : {Side::kBuy, Side::kSell}) {
    REQUIRE(Levels(engine, side) == Levels(reference, side));
  }
}

TEST_CASE("matching engine: equal to a plain book on seeded flows", "[sim][matching][property]") {
  for (uint64_t seed = 1; seed <= 5; ++seed) CheckFlow({.seed = seed, .window_bits = 15});
}

TEST_CASE("matching engine: equal to a plain book when the price leaves a small window",
          "[sim][matching][property]") {
  for (uint64_t seed = 11; seed <= 14; ++seed) {
    CheckFlow({.seed = seed, .drift_per_op = 1});
    CheckFlow({.seed = seed, .drift_per_op = -3});
    CheckFlow({.seed = seed, .price_spread = 500});
    CheckFlow({.seed = seed, .window_bits = 8, .price_spread = 500, .drift_per_op = 2});
  }
}

// --- stories -----------------------------------------------------------------------------------

struct Story {
  EngineResult Place(uint32_t tag, Side side, EngineOrderKind kind, int64_t ticks, int64_t lots,
                     SelfTradeMode mode = SelfTradeMode::kNone, uint16_t group = 0) {
    recorder.lines.clear();
    return engine.Place({.tag = tag,
                         .owner = group,
                         .group = group == 0 ? static_cast<uint16_t>(1000 + tag) : group,
                         .side = side,
                         .kind = kind,
                         .self_trade = mode,
                         .price_ticks = ticks,
                         .lots = lots},
                        recorder);
  }
  EngineResult Rest(uint32_t tag, Side side, int64_t ticks, int64_t lots, uint16_t group = 0) {
    return Place(tag, side, EngineOrderKind::kLimit, ticks, lots, SelfTradeMode::kNone, group);
  }
  MatchingEngine engine{16};
  Recorder recorder;
};

TEST_CASE("matching engine: post-only never takes, not even a part", "[sim][matching]") {
  Story s;
  s.Rest(1, Side::kSell, 100, 5);
  CHECK(s.Place(2, Side::kBuy, EngineOrderKind::kPostOnly, 100, 9).outcome ==
        EngineOutcome::kWouldTake);
  CHECK(s.Place(3, Side::kBuy, EngineOrderKind::kPostOnly, 99, 9).outcome == EngineOutcome::kRests);
  CHECK(s.recorder.lines.empty());
}

TEST_CASE("matching engine: immediate-or-cancel drops the rest, fill-or-kill all or nothing",
          "[sim][matching]") {
  Story s;
  s.Rest(1, Side::kSell, 100, 5);
  const EngineResult ioc = s.Place(2, Side::kBuy, EngineOrderKind::kImmediateOrCancel, 100, 9);
  CHECK(ioc.outcome == EngineOutcome::kDropped);
  CHECK(ioc.lots_left == 4);
  s.Rest(3, Side::kSell, 100, 5);
  s.Rest(4, Side::kSell, 101, 5);
  CHECK(s.Place(5, Side::kBuy, EngineOrderKind::kFillOrKill, 100, 6).outcome ==
        EngineOutcome::kDropped);
  CHECK(s.recorder.lines.empty());
  CHECK(s.Place(6, Side::kBuy, EngineOrderKind::kFillOrKill, 101, 6).outcome ==
        EngineOutcome::kFilled);
  CHECK(s.recorder.lines.size() == 2);
}

TEST_CASE("matching engine: a market order takes at any price and never rests", "[sim][matching]") {
  Story s;
  s.Rest(1, Side::kBuy, -5, 5);
  const EngineResult result = s.Place(2, Side::kSell, EngineOrderKind::kMarket, 0, 6);
  CHECK(result.outcome == EngineOutcome::kDropped);
  CHECK(result.lots_left == 1);
  CHECK_FALSE(s.engine.best_ask().has_value());
}

TEST_CASE("matching engine: a reduced order keeps its place", "[sim][matching]") {
  Story s;
  const EngineResult first = s.Rest(1, Side::kSell, 100, 5);
  s.Rest(2, Side::kSell, 100, 5);
  REQUIRE(s.engine.Reduce(first.handle, 1, 2));
  CHECK(s.engine.LotsAt(Side::kSell, 100) == 7);
  s.Rest(3, Side::kBuy, 100, 3);
  CHECK(s.recorder.lines ==
        Lines{"trade 1 3 2@100 left 0 0/0 buy", "trade 2 3 1@100 left 4 0/0 buy"});
}

TEST_CASE("matching engine: self-trade prevention, each mode", "[sim][matching]") {
  Story s;
  s.Rest(1, Side::kSell, 100, 5, 7);
  s.Rest(2, Side::kSell, 100, 5);
  SECTION("none: trades with itself") {
    s.Place(3, Side::kBuy, EngineOrderKind::kLimit, 100, 6, SelfTradeMode::kNone, 7);
    CHECK(s.recorder.lines ==
          Lines{"trade 1 3 5@100 left 0 7/7 buy", "trade 2 3 1@100 left 4 0/7 buy"});
  }
  SECTION("expire taker: nothing happens to the book") {
    const EngineResult result =
        s.Place(3, Side::kBuy, EngineOrderKind::kLimit, 100, 6, SelfTradeMode::kExpireTaker, 7);
    CHECK(result.outcome == EngineOutcome::kPrevented);
    CHECK(result.lots_left == 6);
    CHECK(s.engine.LotsAt(Side::kSell, 100) == 10);
  }
  SECTION("expire maker: the taker goes on behind it") {
    s.Place(3, Side::kBuy, EngineOrderKind::kLimit, 100, 6, SelfTradeMode::kExpireMaker, 7);
    CHECK(s.recorder.lines ==
          Lines{"prevented 1 5@100 left 0 sell", "trade 2 3 5@100 left 0 0/7 buy"});
    CHECK(s.engine.LotsAt(Side::kBuy, 100) == 1);
  }
  SECTION("expire both") {
    const EngineResult result =
        s.Place(3, Side::kBuy, EngineOrderKind::kLimit, 100, 6, SelfTradeMode::kExpireBoth, 7);
    CHECK(result.outcome == EngineOutcome::kPrevented);
    CHECK(s.recorder.lines == Lines{"prevented 1 5@100 left 0 sell"});
    CHECK(s.engine.LotsAt(Side::kSell, 100) == 5);
  }
  SECTION("decrement: the smaller size is taken from both") {
    s.Place(3, Side::kBuy, EngineOrderKind::kLimit, 100, 6, SelfTradeMode::kDecrement, 7);
    CHECK(s.recorder.lines ==
          Lines{"prevented 1 5@100 left 0 sell", "trade 2 3 1@100 left 4 0/7 buy"});
    const EngineResult rest = s.Rest(4, Side::kSell, 99, 5, 8);
    REQUIRE(rest.outcome == EngineOutcome::kRests);
    CHECK(s.Place(5, Side::kBuy, EngineOrderKind::kLimit, 99, 2, SelfTradeMode::kDecrement, 8)
              .outcome == EngineOutcome::kPrevented);
    CHECK(s.engine.LotsAt(Side::kSell, 99) == 3);
  }
}

TEST_CASE("matching engine: a stale handle never touches the order that took the place",
          "[sim][matching]") {
  Story s;
  const EngineResult first = s.Rest(1, Side::kSell, 100, 5);
  REQUIRE(s.engine.Cancel(first.handle, 1) == 5);
  const EngineResult second = s.Rest(2, Side::kSell, 100, 6);
  REQUIRE(second.handle == first.handle);
  CHECK(s.engine.Cancel(first.handle, 1) == 0);
  CHECK_FALSE(s.engine.Reduce(first.handle, 1, 1));
  CHECK(s.engine.LotsAt(Side::kSell, 100) == 6);
}

TEST_CASE("matching engine: a full pool refuses to rest and stays whole", "[sim][matching]") {
  Story s;
  for (uint32_t tag = 1; tag <= 16; ++tag) s.Rest(tag, Side::kSell, 100 + tag, 1);
  CHECK(s.engine.is_full());
  CHECK(s.Rest(17, Side::kSell, 200, 1).outcome == EngineOutcome::kFull);
  CHECK(s.Rest(18, Side::kBuy, 101, 2).outcome == EngineOutcome::kRests);  // its trade made room
  s.engine.CheckInvariants();
}

TEST_CASE("matching engine: bids and asks further apart than the window", "[sim][matching]") {
  Story s;
  const int64_t far = MatchingEngine::kMaxTicks;
  s.Rest(1, Side::kBuy, -far, 1);
  s.Rest(2, Side::kSell, far, 1);
  for (int i = 0; i < 2000; ++i) {
    const auto tag = static_cast<uint32_t>(10 + i);
    const Side side = i % 2 == 0 ? Side::kBuy : Side::kSell;
    const EngineResult result = s.Rest(tag, side, side == Side::kBuy ? 1 - far : far - 1, 1);
    REQUIRE(s.engine.Cancel(result.handle, tag) == 1);
  }
  CHECK(s.engine.best_bid() == -far);
  CHECK(s.engine.best_ask() == far);
  s.engine.CheckInvariants();
}

}  // namespace
}  // namespace holdfast
