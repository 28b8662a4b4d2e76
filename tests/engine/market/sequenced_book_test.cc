// Proves that a book is only usable while it is provably in the venue's sequence. How: each rule as
// a small story of snapshots and diffs, random streams with losses against a book that lost
// nothing, and (where the files are) a recorded market compared with the venue's own best prices.
#include "engine/market/sequenced_book.h"

#include <simdjson.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/prng.h"
#include "tests/engine/market/capture_lines.h"

namespace holdfast {
namespace {

using Result = SequencedBook::Result;
using Levels = std::vector<LevelChange>;

constexpr int64_t kStaleAfterNs = 5 * kNanosPerSecond;

LevelChange Level(int64_t ticks, int64_t lots) {
  return {Price::FromTicks(ticks), Quantity::FromLots(lots)};
}

// A sequenced book with the short words the stories are written in.
struct Scene {
  SequencedBook book{kStaleAfterNs};
  int64_t now_ns = 1'000;

  Result Snapshot(int64_t last_id, const Levels& bids, const Levels& asks) {
    return book.OnSnapshot({InstrumentId(0), last_id, now_ns, bids, asks});
  }
  Result Snapshot(int64_t last_id) { return Snapshot(last_id, {Level(100, 1)}, {Level(101, 1)}); }
  Result Diff(int64_t first_id, int64_t last_id, const Levels& bids = {}, const Levels& asks = {}) {
    return book.OnUpdate({InstrumentId(0), first_id, last_id, 0, now_ns, bids, asks});
  }
  int64_t Bid() const { return book.book().best_bid().value_or(BookLevel{}).price.ticks(); }
  int64_t Lots(int64_t ticks) const {
    return book.book().QuantityAt(Side::kBuy, Price::FromTicks(ticks)).lots();
  }
};

}  // namespace

TEST_CASE("sequenced book: without a snapshot diffs wait and nothing is quotable",
          "[market][book]") {
  Scene scene;
  CHECK(scene.book.Unquotable(scene.now_ns) == BookProblem::kNoSnapshot);
  CHECK(scene.Diff(5, 7, {Level(99, 1)}) == Result::kBuffered);
  CHECK(scene.Bid() == 0);
  CHECK(scene.book.Unquotable(scene.now_ns) == BookProblem::kNoSnapshot);
}

TEST_CASE("sequenced book: a snapshot in the middle of the buffered diffs applies the later ones",
          "[market][book]") {
  Scene scene;
  CHECK(scene.Diff(1, 3, {Level(97, 9)}) == Result::kBuffered);
  CHECK(scene.Diff(4, 6, {Level(98, 9)}) == Result::kBuffered);
  CHECK(scene.Diff(7, 8, {Level(99, 9)}) == Result::kBuffered);
  CHECK(scene.Snapshot(3) == Result::kApplied);
  CHECK(scene.Lots(97) == 0);  // the snapshot already knew better
  CHECK(scene.Lots(98) == 9);
  CHECK(scene.Lots(99) == 9);
  CHECK(scene.book.last_update_id() == 8);
  CHECK_FALSE(scene.book.Unquotable(scene.now_ns).has_value());
}

TEST_CASE("sequenced book: the first diff may begin before the snapshot and end after it",
          "[market][book]") {
  Scene scene;
  CHECK(scene.Diff(5, 12, {Level(99, 4)}) == Result::kBuffered);
  CHECK(scene.Snapshot(10) == Result::kApplied);
  CHECK(scene.Lots(99) == 4);
  CHECK(scene.book.last_update_id() == 12);

  Scene later;
  CHECK(later.Snapshot(10) == Result::kApplied);
  CHECK(later.Diff(5, 12, {Level(99, 4)}) == Result::kApplied);
  CHECK(later.Lots(99) == 4);
}

TEST_CASE("sequenced book: a snapshot newer than every buffered diff stands alone",
          "[market][book]") {
  Scene scene;
  CHECK(scene.Diff(1, 3, {Level(97, 9)}) == Result::kBuffered);
  CHECK(scene.Snapshot(50) == Result::kApplied);
  CHECK(scene.Lots(97) == 0);
  CHECK(scene.book.last_update_id() == 50);
  CHECK(scene.Diff(48, 50) == Result::kIgnoredOld);
  CHECK(scene.Diff(51, 52) == Result::kApplied);
}

TEST_CASE("sequenced book: a snapshot older than the buffered diffs asks for another",
          "[market][book]") {
  Scene scene;
  CHECK(scene.Diff(20, 22, {Level(98, 9)}) == Result::kBuffered);
  CHECK(scene.Snapshot(18) == Result::kNeedSnapshot);
  CHECK(scene.book.Unquotable(scene.now_ns) == BookProblem::kNoSnapshot);
  CHECK(scene.Diff(23, 24, {Level(99, 9)}) == Result::kBuffered);
  // One id earlier than the first diff is early enough: 19 + 1 = 20.
  CHECK(scene.Snapshot(19) == Result::kApplied);
  CHECK(scene.Lots(98) == 9);
  CHECK(scene.Lots(99) == 9);
  CHECK(scene.book.gap_count() == 0);
}

TEST_CASE("sequenced book: a duplicate and an old diff change nothing", "[market][book]") {
  Scene scene;
  scene.Snapshot(10);
  CHECK(scene.Diff(11, 12, {Level(99, 4)}) == Result::kApplied);
  CHECK(scene.Diff(11, 12, {Level(99, 7)}) == Result::kIgnoredOld);
  CHECK(scene.Diff(1, 10, {Level(99, 7)}) == Result::kIgnoredOld);
  CHECK(scene.Lots(99) == 4);
  CHECK(scene.Diff(12, 13, {Level(99, 5)}) == Result::kApplied);  // overlaps, brings 13
  CHECK(scene.Lots(99) == 5);
}

TEST_CASE("sequenced book: a gap makes the book unusable at once until a newer snapshot",
          "[market][book]") {
  Scene scene;
  scene.Snapshot(10);
  CHECK(scene.Diff(12, 13, {Level(99, 4)}) == Result::kNeedSnapshot);
  CHECK(scene.book.gap_count() == 1);
  CHECK(scene.book.Unquotable(scene.now_ns) == BookProblem::kNoSnapshot);
  CHECK(scene.Diff(14, 15, {Level(98, 2)}) == Result::kBuffered);
  CHECK(scene.Snapshot(10) == Result::kNeedSnapshot);  // does not cover 11
  CHECK(scene.book.resync_count() == 0);
  CHECK(scene.Snapshot(11) == Result::kApplied);
  CHECK(scene.book.resync_count() == 1);
  CHECK(scene.Lots(99) == 4);
  CHECK(scene.Lots(98) == 2);
  CHECK(scene.book.last_update_id() == 15);
  CHECK_FALSE(scene.book.Unquotable(scene.now_ns).has_value());
}

TEST_CASE("sequenced book: a gap among waiting diffs drops those before it", "[market][book]") {
  Scene scene;
  CHECK(scene.Diff(1, 3, {Level(97, 9)}) == Result::kBuffered);
  CHECK(scene.Diff(2, 3, {Level(97, 8)}) == Result::kIgnoredOld);
  CHECK(scene.Diff(7, 8, {Level(98, 9)}) == Result::kNeedSnapshot);
  CHECK(scene.book.gap_count() == 1);
  CHECK(scene.Snapshot(3) == Result::kNeedSnapshot);
  CHECK(scene.Snapshot(6) == Result::kApplied);
  CHECK(scene.Lots(97) == 0);
  CHECK(scene.Lots(98) == 9);
}

TEST_CASE("sequenced book: more waiting diffs than fit start over and ask again",
          "[market][book]") {
  Scene scene;
  int64_t id = 1;
  for (size_t i = 0; i < SequencedBook::kMaxBufferedUpdates; ++i, ++id) {
    REQUIRE(scene.Diff(id, id, {Level(50, id)}) == Result::kBuffered);
  }
  CHECK(scene.Diff(id, id, {Level(60, 6)}) == Result::kNeedSnapshot);
  CHECK(scene.Diff(id + 1, id + 1, {Level(61, 7)}) == Result::kBuffered);
  CHECK(scene.Snapshot(id - 2) == Result::kNeedSnapshot);
  CHECK(scene.Snapshot(id - 1) == Result::kApplied);
  CHECK(scene.Lots(50) == 0);
  CHECK(scene.Lots(60) == 6);
  CHECK(scene.Lots(61) == 7);
  CHECK(scene.book.gap_count() == 0);
}

TEST_CASE("sequenced book: more waiting levels than fit start over, one diff too large is skipped",
          "[market][book]") {
  Scene scene;
  const Levels many(SequencedBook::kMaxBufferedChanges, Level(50, 1));
  CHECK(scene.Diff(1, 1, many) == Result::kBuffered);
  CHECK(scene.Diff(2, 2, {Level(60, 6)}) == Result::kNeedSnapshot);
  CHECK(scene.Snapshot(1) == Result::kApplied);
  CHECK(scene.Lots(60) == 6);

  Scene other;
  const Levels too_many(SequencedBook::kMaxBufferedChanges + 1, Level(50, 1));
  CHECK(other.Diff(1, 1, too_many) == Result::kNeedSnapshot);
  CHECK(other.Diff(2, 2, {Level(60, 6)}) == Result::kBuffered);
  CHECK(other.Snapshot(0) == Result::kNeedSnapshot);
  CHECK(other.Snapshot(1) == Result::kApplied);
  CHECK(other.Lots(60) == 6);
}

TEST_CASE("sequenced book: an unasked snapshot replaces the book unless it is older",
          "[market][book]") {
  Scene scene;
  scene.Snapshot(10);
  scene.Diff(11, 12, {Level(99, 4)});
  CHECK(scene.Snapshot(11) == Result::kIgnoredOld);
  CHECK(scene.Lots(99) == 4);
  CHECK(scene.Snapshot(12) == Result::kApplied);
  CHECK(scene.Lots(99) == 0);
  CHECK(scene.Diff(13, 13) == Result::kApplied);
}

TEST_CASE("sequenced book: a lost connection voids everything, also smaller ids are new then",
          "[market][book]") {
  Scene scene;
  scene.Snapshot(1'000);
  scene.Diff(1'001, 1'002, {Level(99, 4)});
  scene.book.Reset();
  CHECK(scene.book.Unquotable(scene.now_ns) == BookProblem::kNoSnapshot);
  CHECK(scene.Bid() == 0);
  CHECK(scene.Diff(5, 6, {Level(98, 2)}) == Result::kBuffered);
  CHECK(scene.Snapshot(4) == Result::kApplied);
  CHECK(scene.Lots(99) == 0);
  CHECK(scene.Lots(98) == 2);
  CHECK(scene.book.last_update_id() == 6);
  CHECK(scene.book.resync_count() == 1);
}

TEST_CASE("sequenced book: silence longer than the limit is stale until the next diff",
          "[market][book]") {
  Scene scene;
  scene.Snapshot(10);
  CHECK_FALSE(scene.book.Unquotable(scene.now_ns + kStaleAfterNs).has_value());
  CHECK(scene.book.Unquotable(scene.now_ns + kStaleAfterNs + 1) == BookProblem::kStale);
  scene.now_ns += kStaleAfterNs + 1;
  CHECK(scene.Diff(9, 10) == Result::kIgnoredOld);  // old news is not a sign of life
  CHECK(scene.book.Unquotable(scene.now_ns) == BookProblem::kStale);
  CHECK(scene.Diff(11, 11) == Result::kApplied);
  CHECK_FALSE(scene.book.Unquotable(scene.now_ns).has_value());
  CHECK(scene.book.last_receive_time_ns() == scene.now_ns);
}

TEST_CASE("sequenced book: crossed and one-sided books are not quotable", "[market][book]") {
  Scene scene;
  scene.Snapshot(10);
  scene.Diff(11, 11, {Level(101, 1)});
  CHECK(scene.book.Unquotable(scene.now_ns) == BookProblem::kCrossed);
  CHECK(scene.book.Unquotable(scene.now_ns + 2 * kStaleAfterNs) == BookProblem::kStale);
  scene.Diff(12, 12, {Level(101, 0)});
  CHECK_FALSE(scene.book.Unquotable(scene.now_ns).has_value());
  scene.Diff(13, 13, {}, {Level(101, 0)});
  CHECK(scene.book.Unquotable(scene.now_ns) == BookProblem::kOneSided);
  scene.Diff(14, 14, {}, {Level(105, 1)});
  CHECK_FALSE(scene.book.Unquotable(scene.now_ns).has_value());
}

TEST_CASE("sequenced book: problems have texts", "[market][book]") {
  CHECK(ToText(BookProblem::kNoSnapshot) == "no_snapshot");
  CHECK(ToText(BookProblem::kStale) == "stale");
  CHECK(ToText(BookProblem::kCrossed) == "crossed");
  CHECK(ToText(BookProblem::kOneSided) == "one_sided");
}

TEST_CASE("sequenced book: whatever is lost or doubled, a usable book is the true book",
          "[market][book]") {
  struct Message {
    int64_t first_id, last_id;
    Levels bids, asks;
  };
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Prng prng(seed);
    Scene scene;
    Book truth;
    int64_t id = 100;
    bool wants_snapshot = true;
    size_t usable_count = 0;
    std::vector<Message> delayed;  // sent, not yet received
    for (int step = 0; step < 2'000; ++step) {
      CAPTURE(seed, step);
      Message message = {id + 1, id + prng.Between(1, 4), {}, {}};
      for (int64_t i = prng.Between(0, 4); i > 0; --i) {
        message.bids.push_back(Level(1'000 - prng.Between(0, 50), prng.Between(0, 3)));
        message.asks.push_back(Level(1'001 + prng.Between(0, 50), prng.Between(0, 3)));
      }
      id = message.last_id;
      truth.Apply(message.bids, message.asks);
      if (!prng.Chance(1, 100)) delayed.push_back(message);  // else it is lost
      const bool is_flushed = prng.Chance(1, 3);
      for (const Message& m : is_flushed ? delayed : std::vector<Message>()) {
        const int copies = prng.Chance(1, 20) ? 2 : 1;
        for (int copy = 0; copy < copies; ++copy) {
          const Result result = scene.Diff(m.first_id, m.last_id, m.bids, m.asks);
          if (result == Result::kNeedSnapshot) wants_snapshot = true;
        }
      }
      if (is_flushed) delayed.clear();
      if (wants_snapshot && prng.Chance(1, 10)) {
        Levels sides[2];
        for (const Side side : {Side::kBuy, Side::kSell}) {
          std::vector<BookLevel> levels(truth.LevelCount(side));
          truth.TopLevels(side, levels);
          for (const BookLevel& level : levels) {
            sides[side == Side::kSell].push_back({level.price, level.quantity});
          }
        }
        wants_snapshot = scene.Snapshot(id, sides[0], sides[1]) == Result::kNeedSnapshot;
      }
      const auto problem = scene.book.Unquotable(scene.now_ns);
      if (problem == BookProblem::kNoSnapshot || scene.book.last_update_id() != id) continue;
      ++usable_count;
      REQUIRE(scene.book.book().Hash() == truth.Hash());
    }
    CHECK(usable_count > 100);
    CHECK(scene.book.gap_count() > 0);
    CHECK(scene.book.resync_count() > 0);
  }
}

namespace {

// Recorded numbers have eight decimals; BTCUSDT's tick is 10^-2 and its lot 10^-5.
int64_t Steps(std::string_view text, int64_t units_per_step) {
  int64_t units = 0;
  for (const char c : text) {
    if (c != '.') units = units * 10 + (c - '0');
  }
  return (units + units_per_step - 1) / units_per_step;
}
Price PriceOf(std::string_view text) { return Price::FromTicks(Steps(text, 1'000'000)); }
Quantity QuantityOf(std::string_view text) { return Quantity::FromLots(Steps(text, 1'000)); }

Levels ReadLevels(simdjson::dom::array rows) {
  Levels levels;
  for (const simdjson::dom::array row : rows) {
    levels.push_back({PriceOf(row.at(0)), QuantityOf(row.at(1))});
  }
  return levels;
}

struct Top {
  BookLevel bid, ask;
};

}  // namespace

TEST_CASE("sequenced book: a recorded market replays without a gap and with the venue's best",
          "[market][book]") {
  constexpr std::string_view kCapture = "binance_spot_btcusdt_20240808.gz";
  if (!testing::HasCapture(kCapture)) {
    if (testing::AreCapturesRequired()) FAIL("captures missing: " << testing::CaptureFolder());
    WARN("skipped, captures missing: " << testing::CaptureFolder());
    return;
  }
  const std::vector<testing::CaptureLine> lines = testing::ReadCapture(kCapture);
  simdjson::dom::parser parser;
  std::map<int64_t, Top> tops;  // the venue's best prices, by update id
  for (const testing::CaptureLine& line : lines) {
    if (line.text.find("@bookTicker") == std::string::npos) continue;
    const simdjson::padded_string text(line.text);
    const simdjson::dom::object data = parser.parse(text)["data"].get_object();
    tops[int64_t(data["u"])] = {{PriceOf(data["b"]), QuantityOf(data["B"])},
                                {PriceOf(data["a"]), QuantityOf(data["A"])}};
  }
  REQUIRE(tops.size() > 20'000);

  SequencedBook book(kStaleAfterNs);
  size_t applied_count = 0;
  size_t compared_count = 0;
  for (const testing::CaptureLine& line : lines) {
    const bool is_diff = line.text.find("@depth") != std::string::npos;
    const bool is_snapshot = line.text.starts_with("{\"lastUpdateId\"");
    if (!is_diff && !is_snapshot) continue;
    const simdjson::padded_string text(line.text);
    Result result = Result::kNeedSnapshot;
    if (is_snapshot) {
      const simdjson::dom::object json = parser.parse(text).get_object();
      const Levels bids = ReadLevels(json["bids"]);
      const Levels asks = ReadLevels(json["asks"]);
      result = book.OnSnapshot(
          {InstrumentId(0), int64_t(json["lastUpdateId"]), line.receive_time_ns, bids, asks});
      REQUIRE(result == Result::kApplied);
    } else {
      const simdjson::dom::object data = parser.parse(text)["data"].get_object();
      const Levels bids = ReadLevels(data["b"]);
      const Levels asks = ReadLevels(data["a"]);
      result = book.OnUpdate({InstrumentId(0), int64_t(data["U"]), int64_t(data["u"]), 0,
                              line.receive_time_ns, bids, asks});
      REQUIRE(result != Result::kNeedSnapshot);
    }
    if (result != Result::kApplied) continue;
    ++applied_count;
    REQUIRE_FALSE(book.Unquotable(line.receive_time_ns).has_value());
    // The best prices as of this update are those of the last change of them at or before it; that
    // it was the last is only known when a later one was recorded.
    const auto later = tops.upper_bound(book.last_update_id());
    if (later == tops.begin() || later == tops.end()) continue;
    const Top& top = std::prev(later)->second;
    CAPTURE(book.last_update_id(), std::prev(later)->first);
    REQUIRE((*book.book().best_bid() == top.bid));
    REQUIRE((*book.book().best_ask() == top.ask));
    ++compared_count;
  }
  CHECK(book.gap_count() == 0);
  CHECK(applied_count > 3'400);
  CHECK(compared_count > 3'400);
}

}  // namespace holdfast
