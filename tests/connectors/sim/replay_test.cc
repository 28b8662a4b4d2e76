// A recorded market behaves by the model of docs/simulated_venue.md: orders queue behind the
// displayed size and fill from recorded trades, damaged captures are reported by line. Shown on the
// book by hand, on small captures written by the test, and on real captures where they are present.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "connectors/sim/replay_book.h"
#include "connectors/sim/replay_market.h"
#include "sim_fixture.h"

namespace holdfast {
namespace {

using Lines = std::vector<std::string>;
using Level = ReplayBook::RecordedLevel;

// --- the queue model ---------------------------------------------------------------------------

struct BookFixture final : ReplayBook::Observer {
  explicit BookFixture(QueueModel model = QueueModel::kTradesOnly) : book(model, 100) {
    book.LoadBase({{100, 50}, {99, 80}}, {{101, 60}, {102, 90}}, 1, 0, *this);
  }
  void OnTrade(const EngineTrade& t) override {
    const auto name = [](uint32_t tag) {
      return tag == kMarketTag ? std::string("market") : std::to_string(tag);
    };
    lines.push_back(name(t.taker_tag) + " hits " + name(t.maker_tag) + " " +
                    std::to_string(t.lots) + "@" + std::to_string(t.price_ticks));
  }
  void OnPrevented(const EnginePrevention& p) override {
    lines.push_back("prevented " + std::to_string(p.maker_tag));
  }
  void OnLevelChanged(Side, int64_t) override {}

  uint32_t Rest(uint32_t tag, Side side, int64_t ticks, int64_t lots) {
    const EngineResult result = Place(tag, side, ticks, lots, EngineOrderKind::kLimit);
    REQUIRE(result.outcome == EngineOutcome::kRests);
    return result.handle;
  }
  EngineResult Place(uint32_t tag, Side side, int64_t ticks, int64_t lots, EngineOrderKind kind,
                     SelfTradeMode mode = SelfTradeMode::kNone, uint16_t group = 1) {
    return book.Place({.tag = tag,
                       .owner = 1,
                       .group = group,
                       .side = side,
                       .kind = kind,
                       .self_trade = mode,
                       .price_ticks = ticks,
                       .lots = lots},
                      *this);
  }
  int64_t Trade(int64_t ticks, int64_t lots, Side aggressor, int64_t time_ns = 0) {
    return book.ApplyTrade(ticks, lots, aggressor, time_ns, *this);
  }
  void Depth(const std::vector<Level>& bids, const std::vector<Level>& asks, int64_t time_ns = 0) {
    book.ApplyDepth(bids, asks, book.last_update_id() + 1, time_ns, *this);
  }
  Lines Take() {
    book.CheckInvariants();
    return std::exchange(lines, {});
  }

  ReplayBook book;
  Lines lines;
};

TEST_CASE("replay: an order waits behind what was displayed when it joined", "[sim][replay]") {
  BookFixture f;
  const uint32_t a = f.Rest(1, Side::kBuy, 100, 10);
  CHECK(f.book.QueueAhead(a, 1) == 50);
  CHECK(f.Trade(100, 30, Side::kSell) == 30);
  CHECK(f.book.QueueAhead(a, 1) == 20);
  CHECK(f.Trade(100, 24, Side::kSell) == 20);
  CHECK(f.Take() == Lines{"market hits 1 4@100"});
  CHECK(f.Trade(100, 10, Side::kSell) == 4);
  CHECK(f.Take() == Lines{"market hits 1 6@100"});
}

TEST_CASE("replay: a trade of the other side's takers does not move the queue", "[sim][replay]") {
  BookFixture f;
  const uint32_t a = f.Rest(1, Side::kBuy, 100, 10);
  CHECK(f.Trade(101, 30, Side::kBuy) == 30);
  CHECK(f.book.QueueAhead(a, 1) == 50);
}

TEST_CASE("replay: size that joins behind us leaves us where we are, shrinkage never overtakes",
          "[sim][replay]") {
  BookFixture f;
  const uint32_t a = f.Rest(1, Side::kBuy, 100, 10);
  f.Depth({{100, 90}}, {});
  CHECK(f.book.QueueAhead(a, 1) == 50);
  f.Depth({{100, 60}}, {});  // 30 canceled, behind us as far as we know
  CHECK(f.book.QueueAhead(a, 1) == 50);
  f.Depth({{100, 20}}, {});
  CHECK(f.book.QueueAhead(a, 1) == 20);
}

TEST_CASE("replay: the proportional model shares shrinkage without trades", "[sim][replay]") {
  BookFixture f(QueueModel::kProportional);
  const uint32_t a = f.Rest(1, Side::kBuy, 100, 10);
  f.Depth({{100, 100}}, {});
  f.Depth({{100, 60}}, {});  // 40 of 100 gone, half of the level was ahead of us
  CHECK(f.book.QueueAhead(a, 1) == 30);
  const int64_t later_ns = ReplayBook::kLatePrintWindowNs + 1;
  f.Trade(100, 10, Side::kSell, later_ns);
  CHECK(f.book.QueueAhead(a, 1) == 20);
  f.Depth({{100, 50}}, {}, later_ns);  // explained by the trade
  CHECK(f.book.QueueAhead(a, 1) == 20);
}

TEST_CASE("replay: a print that arrives after its own shrinkage does not count twice",
          "[sim][replay]") {
  BookFixture f;
  const uint32_t a = f.Rest(1, Side::kBuy, 100, 10);
  f.Depth({{100, 30}}, {}, 1000);  // shows a trade of 20 ahead of its print
  CHECK(f.book.QueueAhead(a, 1) == 30);
  f.Trade(100, 20, Side::kSell, 2000);
  CHECK(f.book.QueueAhead(a, 1) == 30);
  f.Trade(100, 5, Side::kSell, 3000);
  CHECK(f.book.QueueAhead(a, 1) == 25);
  f.Depth({{100, 10}}, {}, 4000);
  f.Trade(100, 5, Side::kSell, 4000 + ReplayBook::kLatePrintWindowNs + 1);
  CHECK(f.book.QueueAhead(a, 1) == 5);  // too late to be the explanation
}

TEST_CASE("replay: a price that trades through an order fills it first", "[sim][replay]") {
  BookFixture f;
  f.Rest(1, Side::kBuy, 100, 10);
  f.Rest(2, Side::kBuy, 99, 10);
  CHECK(f.Trade(99, 30, Side::kSell) == 20);
  CHECK(f.Take() == Lines{"market hits 1 10@100"});
}

TEST_CASE("replay: a trade gives no more than it had", "[sim][replay]") {
  BookFixture f;
  f.Rest(1, Side::kSell, 101, 500);
  CHECK(f.Trade(105, 30, Side::kBuy) == 0);
  CHECK(f.Take() == Lines{"market hits 1 30@101"});
}

TEST_CASE("replay: the other side displayed at our price has met our order", "[sim][replay]") {
  BookFixture f;
  f.Rest(1, Side::kBuy, 100, 40);
  f.Depth({{100, 0}, {99, 0}, {98, 10}}, {{100, 25}, {101, 60}});
  CHECK(f.Take() == Lines{"market hits 1 25@100"});
  CHECK(f.book.best(Side::kSell) == 101);  // what we took of it is gone
  CHECK(f.book.LotsAt(Side::kBuy, 100) == 15);
}

TEST_CASE("replay: takers consume the displayed book until a level is refreshed", "[sim][replay]") {
  BookFixture f;
  CHECK(f.Place(1, Side::kBuy, 102, 80, EngineOrderKind::kImmediateOrCancel).lots_left == 0);
  CHECK(f.Take() == Lines{"1 hits market 60@101", "1 hits market 20@102"});
  CHECK(f.book.best(Side::kSell) == 102);
  CHECK(f.book.LotsAt(Side::kSell, 102) == 70);
  f.Depth({}, {{101, 60}});  // the recorded market knows nothing of us
  CHECK(f.book.best(Side::kSell) == 101);
  CHECK(f.book.LotsAt(Side::kSell, 102) == 70);
}

TEST_CASE("replay: a taker meets displayed size and our orders in queue order", "[sim][replay]") {
  BookFixture f;
  f.Rest(1, Side::kSell, 101, 10);
  f.Depth({}, {{101, 100}});  // 40 behind us
  f.Place(2, Side::kBuy, 101, 65, EngineOrderKind::kLimit);
  CHECK(f.Take() == Lines{"2 hits market 60@101", "2 hits 1 5@101"});
  f.Place(3, Side::kBuy, 101, 15, EngineOrderKind::kLimit);
  CHECK(f.Take() == Lines{"3 hits 1 5@101", "3 hits market 10@101"});
}

TEST_CASE("replay: self-trade prevention and post-only look at our other orders", "[sim][replay]") {
  BookFixture f;
  f.Rest(1, Side::kBuy, 100, 10);
  f.Depth({{100, 0}}, {});
  CHECK(f.Place(2, Side::kSell, 100, 10, EngineOrderKind::kPostOnly).outcome ==
        EngineOutcome::kWouldTake);
  CHECK(f.Place(3, Side::kSell, 99, 10, EngineOrderKind::kLimit, SelfTradeMode::kExpireMaker)
            .outcome == EngineOutcome::kFilled);
  CHECK(f.Take() == Lines{"prevented 1", "3 hits market 10@99"});
  CHECK(f.Place(4, Side::kSell, 99, 200, EngineOrderKind::kFillOrKill).outcome ==
        EngineOutcome::kDropped);
}

TEST_CASE("replay: a newer book top overrides the depth until the depth catches up",
          "[sim][replay]") {
  BookFixture f;
  f.book.ApplyBookTop({99, 70}, {101, 10}, 5, 0, f);
  CHECK(f.book.best(Side::kBuy) == 99);
  CHECK(f.book.LotsAt(Side::kBuy, 99) == 70);
  CHECK(f.book.LotsAt(Side::kSell, 101) == 10);
  f.book.ApplyDepth({{98, 5}}, {}, 4, 0, f);  // still older than the top
  CHECK(f.book.best(Side::kBuy) == 99);
  f.book.ApplyDepth({{100, 0}, {99, 70}}, {{101, 10}}, 6, 0, f);
  CHECK(f.book.best(Side::kBuy) == 99);
  CHECK(f.book.LotsAt(Side::kBuy, 99) == 70);
  f.book.ApplyBookTop({100, 1}, {101, 10}, 6, 0, f);  // not newer
  CHECK(f.book.best(Side::kBuy) == 99);
}

TEST_CASE("replay: a canceled order gives its place up, a reduced one keeps it", "[sim][replay]") {
  BookFixture f;
  const uint32_t a = f.Rest(1, Side::kBuy, 100, 10);
  const uint32_t b = f.Rest(2, Side::kBuy, 100, 10);
  REQUIRE(f.book.Reduce(b, 2, 4));
  CHECK(f.book.Cancel(a, 1) == 10);
  CHECK(f.book.Cancel(a, 1) == 0);
  CHECK(f.Trade(100, 60, Side::kSell) == 56);
  CHECK(f.Take() == Lines{"market hits 2 4@100"});
}

// --- captures written here ---------------------------------------------------------------------

const char* const kSnapshot =
    R"({"lastUpdateId":10,"bids":[["100.00","5.0"],["99.00","5.0"]],"asks":[["101.00","5.0"]]})";

std::string DepthLine(int64_t first, int64_t last, const std::string& bids,
                      const std::string& asks) {
  return R"({"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":)" +
         std::to_string(first) + R"(,"u":)" + std::to_string(last) + R"(,"b":[)" + bids +
         R"(],"a":[)" + asks + "]}}";
}

std::string TradeLine(const std::string& price, const std::string& quantity, bool is_buyer_maker) {
  return R"({"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":")" + price + R"(","q":")" + quantity +
         R"(","T":1,"m":)" + (is_buyer_maker ? "true" : "false") + "}";
}

struct CaptureFixture : VenueFixture {
  CaptureFixture() {
    folder = std::filesystem::temp_directory_path() /
             ("holdfast_replay_" + std::to_string(reinterpret_cast<uintptr_t>(this)) + "_" +
              std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    Instrument instrument = venue.instrument(btc);
    instrument.min_notional = Decimal();
    REQUIRE(venue.UpdateInstrument(instrument).ok());
    venue.AddMarketListener(btc, &log);
  }
  ~CaptureFixture() {
    venue.RemoveMarketListener(btc, &log);
    std::filesystem::remove_all(folder);
  }
  // Messages at 1000 ns + their offset.
  std::string Write(const std::string& name,
                    const std::vector<std::pair<int64_t, std::string>>& messages) {
    const std::string path = folder / name;
    std::ofstream file(path);
    for (const auto& [offset_ns, json] : messages) file << 1000 + offset_ns << " " << json << "\n";
    return path;
  }
  absl::Status Start(const std::string& path, ReplayErrorPolicy policy = ReplayErrorPolicy::kStop) {
    return venue.StartReplay(btc, {.files = {path}, .error_policy = policy});
  }
  ReplayStatus Status() { return *venue.replay_status(btc); }

  std::filesystem::path folder;
  EventLog log;
};

TEST_CASE("replay: a snapshot in the middle is completed by the differences before it",
          "[sim][replay]") {
  CaptureFixture f;
  const std::string path =
      f.Write("a", {{0, DepthLine(5, 9, R"(["100.00","1.0"])", "")},
                    {1, DepthLine(10, 12, R"(["100.00","2.0"])", "")},
                    {2, kSnapshot},
                    {1000, DepthLine(13, 14, R"(["100.00","0"],["98.00","3.0"])", "")}});
  f.venue.Advance(50'000);
  REQUIRE(f.Start(path).ok());
  CHECK(f.venue.Top(f.btc).bid == SimLevel{Dec("100"), Dec("2")});
  CHECK(f.venue.Top(f.btc).ask == SimLevel{Dec("101"), Dec("5")});
  f.venue.Advance(50'000 + 997);
  CHECK(f.venue.Top(f.btc).bid.price == Dec("100"));
  f.venue.Advance(50'000 + 998);
  CHECK(f.venue.Top(f.btc).bid.price == Dec("99"));
  CHECK(f.Status().is_finished);
  CHECK(f.Status().problem_count == 0);
}

TEST_CASE("replay: speed, and the time of the venue's own clock", "[sim][replay]") {
  CaptureFixture f;
  const std::string path =
      f.Write("a", {{0, kSnapshot}, {1'000'000, TradeLine("101.00", "1.0", false)}});
  REQUIRE(f.venue.StartReplay(f.btc, {.files = {path}, .speed_percent = 1000}).ok());
  f.venue.Advance(99'999);
  CHECK(f.venue.RecentTrades(f.btc, 10).empty());
  f.venue.Advance(200'000);
  REQUIRE(f.venue.RecentTrades(f.btc, 10).size() == 1);
  CHECK(f.venue.RecentTrades(f.btc, 10)[0].time_ns == 100'000);
}

TEST_CASE("replay: our fills take part in the recorded trade, the print stays whole",
          "[sim][replay]") {
  CaptureFixture f;
  const std::string path = f.Write("a", {{0, kSnapshot}, {1000, TradeLine("100.00", "7.0", true)}});
  REQUIRE(f.Start(path).ok());
  const std::vector<SimBalance> before = f.venue.TotalBalances();
  f.Limit(f.alice, Side::kBuy, "1", "100", "mine", SimOrderType::kLimitMaker);
  CHECK(f.venue.Top(f.btc).bid.quantity == Dec("6"));  // 5 recorded, 1 ours
  f.log.market.clear();
  f.venue.Advance(2000);
  CHECK(f.log.market == Lines{"trade 1 100x1 sell", "trade 2 100x6 sell", "top 100x5 101x5"});
  CHECK(f.Query(f.alice, "mine")->status == SimOrderStatus::kFilled);
  CHECK(f.venue.TotalBalances() == before);
  f.venue.CheckInvariants();
}

TEST_CASE("replay: post-only and market orders meet the recorded book", "[sim][replay]") {
  CaptureFixture f;
  REQUIRE(f.Start(f.Write("a", {{0, kSnapshot}})).ok());
  CHECK(f.Limit(f.alice, Side::kBuy, "1", "101", "p", SimOrderType::kLimitMaker).refusal ==
        SimRefusal::kWouldTake);
  const SimOrderResult market = f.Market(f.alice, Side::kBuy, "6");
  CHECK(market.order.status == SimOrderStatus::kExpired);
  CHECK(market.order.executed_quantity == Dec("5"));
  CHECK(f.venue.Top(f.btc).ask.quantity.is_zero());
  f.venue.CheckInvariants();
}

TEST_CASE("replay: a loop starts over with ids and times that go on", "[sim][replay]") {
  CaptureFixture f;
  const std::string path = f.Write("a", {{0, kSnapshot},
                                         {1000, DepthLine(11, 11, R"(["100.00","9.0"])", "")},
                                         {2000, TradeLine("100.00", "1.0", true)}});
  REQUIRE(f.venue.StartReplay(f.btc, {.files = {path}, .is_looped = true}).ok());
  f.venue.Advance(6000);
  CHECK(f.Status().loop_count == 3);
  CHECK_FALSE(f.Status().is_finished);
  const std::vector<SimPublicTrade> trades = f.venue.RecentTrades(f.btc, 10);
  REQUIRE(trades.size() == 3);
  CHECK(trades[2].trade_id == VenueTradeId(3));
  CHECK(trades[2].time_ns == 6000);
  f.venue.Advance(200'000'000);
  std::map<std::string, int> seen;
  int64_t last = 0;
  for (const std::string& line : f.log.market) {
    int64_t first = 0;
    int64_t end = 0;
    if (std::sscanf(line.c_str(), "depth %ld-%ld", &first, &end) != 2) continue;
    CHECK(first == last + 1);
    last = end;
  }
  CHECK(last > 0);
}

TEST_CASE("replay: damaged captures are reported with file and line", "[sim][replay]") {
  CaptureFixture f;
  const std::vector<std::pair<int64_t, std::string>> good = {
      {0, kSnapshot}, {1000, DepthLine(11, 11, R"(["100.00","9.0"])", "")}};
  const auto run = [&](std::vector<std::pair<int64_t, std::string>> messages,
                       ReplayErrorPolicy policy) {
    CaptureFixture g;
    messages.insert(messages.end(), {{500'000, TradeLine("100.00", "1.0", true)}});
    REQUIRE(g.Start(g.Write("a", messages), policy).ok());
    g.venue.Advance(2'000'000'000);
    ReplayStatus status = g.Status();
    if (policy == ReplayErrorPolicy::kContinue) {
      CHECK(g.venue.RecentTrades(g.btc, 5).size() == 1);
    } else {
      CHECK(g.venue.RecentTrades(g.btc, 5).empty());
    }
    CHECK(status.is_finished);
    REQUIRE(status.problem_count == 1);
    return std::string(ToText(status.problems[0].kind)) + " " +
           std::to_string(status.problems[0].line);
  };
  const ReplayErrorPolicy policy = GENERATE(ReplayErrorPolicy::kStop, ReplayErrorPolicy::kContinue);
  auto messages = good;
  messages.push_back({2000, R"({"e":"depthUpdate","s":"BTCUSDT","U":12)"});
  CHECK(run(messages, policy) == "corrupt_line 3");
  messages.back() = {2000, DepthLine(12, 12, R"(["100.00","-1"])", "")};
  CHECK(run(messages, policy) == "corrupt_line 3");
  messages.back() = {2000, DepthLine(14, 15, R"(["100.00","1.0"])", "")};
  CHECK(run(messages, policy) == "sequence_gap 3");
  messages.back() = {2000, DepthLine(12, 12, R"(["100.001","1.0"])", "")};
  CHECK(run(messages, policy) == "off_grid 3");
  messages = {{3'000'000'000, kSnapshot}, {3'000'000'000, kSnapshot}, {0, kSnapshot}};
  messages.push_back({3'000'000'000, kSnapshot});
  CaptureFixture g;
  REQUIRE(g.Start(g.Write("a", messages), policy).ok());
  g.venue.Advance(1'000'000);
  REQUIRE(g.Status().problem_count == 1);
  CHECK(g.Status().problems[0].kind == ReplayProblemKind::kTimeReversed);
  CHECK(g.Status().problems[0].line == 3);
}

TEST_CASE("replay: a size from before a coarser lot is cut to the lot, not a problem",
          "[sim][replay]") {
  CaptureFixture f;
  const std::string path =
      f.Write("a", {{0, R"({"lastUpdateId":1,"bids":[["100.00","5.000019"]],"asks":[]})"}});
  REQUIRE(f.Start(path).ok());
  CHECK(f.venue.Top(f.btc).bid.quantity == Dec("5.00001"));
  CHECK(f.Status().rounded_quantity_count == 1);
}

TEST_CASE("replay: a capture without a snapshot, a missing file, an empty file do not start",
          "[sim][replay]") {
  CaptureFixture f;
  CHECK(f.Start(f.Write("a", {{0, DepthLine(1, 2, "", "")}})).code() ==
        absl::StatusCode::kDataLoss);
  CHECK(f.Start(f.folder / "missing").code() == absl::StatusCode::kDataLoss);
  CHECK(f.Start(f.Write("empty", {})).code() == absl::StatusCode::kDataLoss);
  CHECK(f.venue.StartReplay(f.btc, {}).code() == absl::StatusCode::kInvalidArgument);
  CHECK(f.venue.StartReplay(f.btc, {.files = {"x"}, .speed_percent = 0}).code() ==
        absl::StatusCode::kInvalidArgument);
  // None of that left a market behind.
  CHECK(f.Limit(f.alice, Side::kBuy, "1", "100").is_accepted());
  CHECK(f.Start(f.Write("b", {{0, kSnapshot}})).code() == absl::StatusCode::kFailedPrecondition);
}

// --- real captures -----------------------------------------------------------------------------

std::string CaptureFolder() {
  const char* folder = std::getenv("HOLDFAST_CAPTURES");
  return folder != nullptr ? folder : HOLDFAST_DEFAULT_CAPTURES;
}

// The files, or nothing and a reason; on a build server their absence is a failure.
std::vector<std::string> RealCaptures() {
  std::vector<std::string> files;
  for (const char* name :
       {"binance_spot_btcusdt_20240808.gz", "binance_spot_btcusdt_20240809.gz"}) {
    const std::filesystem::path path = std::filesystem::path(CaptureFolder()) / name;
    if (std::filesystem::exists(path)) files.push_back(path);
  }
  if (files.size() == 2) return files;
  INFO("no captures in " << CaptureFolder() << " (set HOLDFAST_CAPTURES)");
  const char* ci = std::getenv("CI");
  REQUIRE((ci == nullptr || *ci == '\0'));
  WARN("skipped: no captures in " << CaptureFolder() << " (set HOLDFAST_CAPTURES)");
  return {};
}

// Rebuilds the book from differences and checks continuity and sanity on the way.
class Rebuilder final : public SimMarketListener {
 public:
  void OnDepth(const SimDepthDiff& diff) override {
    REQUIRE((last_update_id == 0 || diff.first_update_id == last_update_id + 1));
    last_update_id = diff.last_update_id;
    for (const SimLevel& level : diff.bids) Set(bids, level);
    for (const SimLevel& level : diff.asks) Set(asks, level);
    ++depth_count;
  }
  void OnBookTop(const SimBookTop& top) override {
    REQUIRE(top.bid.price < top.ask.price);
    ++top_count;
  }
  void OnPublicTrade(const SimPublicTrade& trade) override {
    volume += trade.quantity;
    ++trade_count;
  }
  void OnInstrument(const Instrument&) override {}
  static void Set(std::map<Decimal, Decimal>& side, const SimLevel& level) {
    if (level.quantity.is_zero()) {
      side.erase(level.price);
    } else {
      side[level.price] = level.quantity;
    }
  }
  std::map<Decimal, Decimal> bids, asks;
  int64_t last_update_id = 0;
  int depth_count = 0;
  int top_count = 0;
  int trade_count = 0;
  Decimal volume;
};

TEST_CASE(
    "replay: two real captures in a row play without a problem and the differences rebuild "
    "the book",
    "[sim][replay][capture]") {
  const std::vector<std::string> files = RealCaptures();
  if (files.empty()) return;
  VenueFixture f;
  Rebuilder rebuilder;
  f.venue.AddMarketListener(f.btc, &rebuilder);
  REQUIRE(f.venue.StartReplay(f.btc, {.files = files}).ok());
  while (!f.venue.replay_status(f.btc)->is_finished) {
    f.venue.Advance(f.venue.now_ns() + kNanosPerSecond);
  }
  f.venue.Advance(f.venue.now_ns() + kNanosPerSecond);
  const ReplayStatus status = *f.venue.replay_status(f.btc);
  CHECK(status.problem_count == 0);
  CHECK(status.message_count > 99'000);
  CHECK(rebuilder.trade_count == 9'757 + 10'147 - 1);  // the first came before the snapshot
  const SimDepth depth = f.venue.Depth(f.btc, 0);
  REQUIRE(depth.bids.size() == rebuilder.bids.size());
  REQUIRE(depth.asks.size() == rebuilder.asks.size());
  for (const SimLevel& level : depth.bids) REQUIRE(rebuilder.bids[level.price] == level.quantity);
  for (const SimLevel& level : depth.asks) REQUIRE(rebuilder.asks[level.price] == level.quantity);
  f.venue.RemoveMarketListener(f.btc, &rebuilder);
}

TEST_CASE("replay: quoting a real capture conserves money and never trades more than was traded",
          "[sim][replay][capture]") {
  const std::vector<std::string> files = RealCaptures();
  if (files.empty()) return;
  VenueFixture f;
  Rebuilder rebuilder;
  f.venue.AddMarketListener(f.btc, &rebuilder);
  REQUIRE(f.venue.StartReplay(f.btc, {.files = {files[0]}}).ok());
  const std::vector<SimBalance> before = f.venue.TotalBalances();
  for (int i = 0; i < 340; ++i) {
    f.venue.Advance(f.venue.now_ns() + kNanosPerSecond);
    f.venue.CancelAll(f.alice, f.btc);
    const SimBookTop top = f.venue.Top(f.btc);
    f.Limit(f.alice, Side::kBuy, "0.01", top.bid.price.ToText(), {}, SimOrderType::kLimitMaker);
    f.Limit(f.alice, Side::kSell, "0.01", top.ask.price.ToText(), {}, SimOrderType::kLimitMaker);
    if (i % 50 == 0) f.Market(f.bob, Side::kBuy, "0.02");
    f.venue.CheckInvariants();
  }
  CHECK(f.venue.TotalBalances() == before);
  const SimAccountTotals totals = f.venue.Totals(f.alice);
  CHECK(totals.instruments[0].trade_count > 0);
  CHECK(totals.instruments[0].bought < rebuilder.volume);
  for (const SimTrade& trade : f.venue.MyTrades(f.alice, {.instrument = f.btc})) {
    CHECK(trade.is_maker);
  }
  f.venue.RemoveMarketListener(f.btc, &rebuilder);
}

TEST_CASE("replay: a capture cut in the middle stops with its line or goes on",
          "[sim][replay][capture]") {
  const std::vector<std::string> files = RealCaptures();
  if (files.empty()) return;
  CaptureFixture f;
  const std::string path = f.folder / "cut.gz";
  {
    std::ifstream in(files[0], std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), {});
    std::ofstream(path, std::ios::binary).write(bytes.data(), 300'000);
  }
  REQUIRE(f.Start(path).ok());
  f.venue.Advance(600 * kNanosPerSecond);
  const ReplayStatus status = f.Status();
  CHECK(status.is_finished);
  REQUIRE(status.problem_count == 1);
  CHECK(status.problems[0].kind == ReplayProblemKind::kTruncated);
  CHECK(status.problems[0].line > 100);
}

}  // namespace
}  // namespace holdfast
