// Matching in process: the engine of the simulated venue against the plainest correct book
// (std::map of std::list, an id map beside it), same operations, results compared before any time
// is printed.
//
// Flow: 57 % passive limit orders, 40 % cancels of a random open order, 3 % marketable orders;
// fixed seed, generated beforehand. Each engine runs the whole flow several times, in turns, on a
// fresh book; the median is printed. `walk` moves the middle by more than the engine's window
// during the run, `wide` puts one price in fifty outside of it.
//
// Usage: bench_matching [operations]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "connectors/sim/matching_engine.h"
#include "engine/base/prng.h"
#include "reference_book.h"

namespace holdfast {
namespace {

constexpr int kRunCount = 7;

struct Operation {
  int64_t price_ticks;
  int32_t lots;
  uint32_t id;  // of the order placed or canceled; orders are numbered from 1
  Side side;
  bool is_cancel;
};

struct Flow {
  const char* name;
  std::vector<Operation> operations;
  uint32_t order_count = 0;
};

// Follows the book while generating, so that a cancel names an order that is open then.
struct LiveOrders {
  std::vector<uint32_t> ids;
  std::vector<uint32_t> places;  // by id: index in `ids`
  void Add(uint32_t id) {
    if (places.size() <= id) places.resize(id * size_t{2} + 16);
    places[id] = static_cast<uint32_t>(ids.size());
    ids.push_back(id);
  }
  void Remove(uint32_t id) {
    ids[places[id]] = ids.back();
    places[ids.back()] = places[id];
    ids.pop_back();
  }
  void OnTrade(const EngineTrade& trade) {
    if (trade.maker_lots_left == 0) Remove(trade.maker_tag);
  }
  void OnPrevented(const EnginePrevention&) {}
};

EngineOrder OrderOf(const Operation& operation) {
  return {.tag = operation.id,
          .owner = 1,
          .group = 1,
          .side = operation.side,
          .kind = EngineOrderKind::kLimit,
          .self_trade = SelfTradeMode::kNone,
          .price_ticks = operation.price_ticks,
          .lots = operation.lots};
}

Flow Generate(const char* name, int count, int64_t walk_ticks, bool has_far_prices) {
  Flow flow{.name = name, .operations = {}, .order_count = 0};
  Prng prng(20240808);
  ReferenceBook book;
  LiveOrders live;
  for (int i = 0; i < count; ++i) {
    const int64_t middle = 6'000'000 + walk_ticks * i / count + prng.Between(-2, 2);
    const uint64_t dice = prng.Below(100);
    if (dice < 40 && !live.ids.empty()) {
      const uint32_t id = live.ids[prng.Below(live.ids.size())];
      book.Cancel(id);
      live.Remove(id);
      flow.operations.push_back({0, 0, id, Side::kBuy, true});
      continue;
    }
    const Side side = prng.Chance(1, 2) ? Side::kBuy : Side::kSell;
    const bool is_marketable = dice >= 97;
    int64_t distance = is_marketable ? -200 : prng.Between(3, 3 + prng.Between(0, 200));
    if (has_far_prices && !is_marketable && prng.Chance(1, 50)) distance += 20'000;
    const int64_t lots = is_marketable ? prng.Between(20, 560) : prng.Between(1, 100);
    const Operation operation{middle - Sign(side) * distance, static_cast<int32_t>(lots),
                              ++flow.order_count, side, false};
    flow.operations.push_back(operation);
    if (book.Place(OrderOf(operation), live).outcome == EngineOutcome::kRests) {
      live.Add(operation.id);
    }
  }
  return flow;
}

// Order-dependent digest of the trades; cheap enough not to be what is measured.
struct Digest {
  uint64_t hash = 1469598103934665603u;
  int64_t trade_count = 0;
  void OnTrade(const EngineTrade& trade) {
    const uint64_t word = (uint64_t{trade.maker_tag} << 32 | trade.taker_tag) +
                          static_cast<uint64_t>(trade.price_ticks * 31 + trade.lots);
    hash = (hash ^ word) * 1099511628211u;
    ++trade_count;
  }
  void OnPrevented(const EnginePrevention&) {}
};

struct Outcome {
  uint64_t hash = 0;
  int64_t trade_count = 0;
  int64_t canceled_lots = 0;
  size_t resting_count = 0;
  double seconds = 0;
  bool IsSameAs(const Outcome& other) const {
    return hash == other.hash && trade_count == other.trade_count &&
           canceled_lots == other.canceled_lots && resting_count == other.resting_count;
  }
};

using WallClock = std::chrono::steady_clock;

Outcome RunEngine(const Flow& flow) {
  MatchingEngine engine(1 << 20);
  std::vector<uint32_t> handles(flow.order_count + 1);
  Digest digest;
  Outcome outcome;
  const auto start = WallClock::now();
  for (const Operation& operation : flow.operations) {
    if (operation.is_cancel) {
      outcome.canceled_lots += engine.Cancel(handles[operation.id], operation.id);
    } else {
      handles[operation.id] = engine.Place(OrderOf(operation), digest).handle;
    }
  }
  outcome.seconds = std::chrono::duration<double>(WallClock::now() - start).count();
  outcome.hash = digest.hash;
  outcome.trade_count = digest.trade_count;
  outcome.resting_count = engine.resting_count();
  return outcome;
}

Outcome RunReference(const Flow& flow) {
  ReferenceBook book;
  Digest digest;
  Outcome outcome;
  const auto start = WallClock::now();
  for (const Operation& operation : flow.operations) {
    if (operation.is_cancel) {
      outcome.canceled_lots += book.Cancel(operation.id);
    } else {
      book.Place(OrderOf(operation), digest);
    }
  }
  outcome.seconds = std::chrono::duration<double>(WallClock::now() - start).count();
  outcome.hash = digest.hash;
  outcome.trade_count = digest.trade_count;
  outcome.resting_count = book.resting_count();
  return outcome;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

bool Compare(const Flow& flow) {
  std::vector<double> engine_seconds;
  std::vector<double> reference_seconds;
  Outcome engine;
  for (int run = 0; run < kRunCount; ++run) {
    engine = RunEngine(flow);
    const Outcome reference = RunReference(flow);
    if (!engine.IsSameAs(reference)) {
      std::printf("%-6s RESULTS DIFFER: trades %lld and %lld\n", flow.name,
                  static_cast<long long>(engine.trade_count),
                  static_cast<long long>(reference.trade_count));
      return false;
    }
    engine_seconds.push_back(engine.seconds);
    reference_seconds.push_back(reference.seconds);
  }
  const auto count = static_cast<double>(flow.operations.size());
  const double mine_ns = Median(engine_seconds) * 1e9 / count;
  const double theirs_ns = Median(reference_seconds) * 1e9 / count;
  std::printf(
      "%-6s same trades (%lld), %zu resting at the end; engine %.1f ns/op (%.1f M ops/s, best "
      "%.1f), map+list %.1f ns/op, ratio %.3f\n",
      flow.name, static_cast<long long>(engine.trade_count), engine.resting_count, mine_ns,
      1e3 / mine_ns,
      1e3 / (*std::min_element(engine_seconds.begin(), engine_seconds.end()) * 1e9 / count),
      theirs_ns, mine_ns / theirs_ns);
  return true;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 2'000'000;
  if (count <= 0) {
    std::fprintf(stderr, "usage: bench_matching [operations]\n");
    return 2;
  }
  std::printf("matching, %d operations, median of %d\n", count, holdfast::kRunCount);
  bool is_same = true;
  is_same &= holdfast::Compare(holdfast::Generate("mixed", count, 0, false));
  is_same &= holdfast::Compare(holdfast::Generate("walk", count, 200'000, false));
  is_same &= holdfast::Compare(holdfast::Generate("wide", count, 0, true));
  return is_same ? 0 : 1;
}
