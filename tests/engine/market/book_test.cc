// Proves that the windowed book is the same thing as a sorted map, wherever prices go. How: random
// streams (a touch that walks out of the window and back, huge jumps, both sides, negative prices)
// are applied to the book and to std::map, and everything readable is compared after each message.
#include "engine/market/book.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <vector>

#include "engine/base/prng.h"

namespace holdfast {
namespace {

class ReferenceBook {
 public:
  void Set(Side side, int64_t ticks, int64_t lots) {
    auto& levels = sides_[side == Side::kSell];
    if (lots == 0) {
      levels.erase(ticks);
    } else {
      levels[ticks] = lots;
    }
  }
  void Clear() {
    for (auto& levels : sides_) levels.clear();
  }
  std::vector<BookLevel> Levels(Side side) const {
    std::vector<BookLevel> result;
    for (const auto& [ticks, lots] : sides_[side == Side::kSell]) {
      result.push_back({Price::FromTicks(ticks), Quantity::FromLots(lots)});
    }
    if (side == Side::kBuy) std::reverse(result.begin(), result.end());
    return result;
  }
  const std::map<int64_t, int64_t>& side(Side side) const { return sides_[side == Side::kSell]; }

 private:
  std::map<int64_t, int64_t> sides_[2];
};

std::optional<BookLevel> Best(const ReferenceBook& reference, Side side) {
  const auto& levels = reference.side(side);
  if (levels.empty()) return std::nullopt;
  const auto& [ticks, lots] = side == Side::kBuy ? *levels.rbegin() : *levels.begin();
  return BookLevel{Price::FromTicks(ticks), Quantity::FromLots(lots)};
}

void RequireSameBest(const Book& book, const ReferenceBook& reference) {
  const auto bid = Best(reference, Side::kBuy);
  const auto ask = Best(reference, Side::kSell);
  REQUIRE((book.best_bid() == bid));
  REQUIRE((book.best_ask() == ask));
  REQUIRE(book.is_crossed() == (bid.has_value() && ask.has_value() && bid->price >= ask->price));
}

void RequireSameLevels(const Book& book, const ReferenceBook& reference) {
  for (const Side side : {Side::kBuy, Side::kSell}) {
    const std::vector<BookLevel> expected = reference.Levels(side);
    REQUIRE(book.LevelCount(side) == expected.size());
    std::vector<BookLevel> levels(expected.size() + 1);
    REQUIRE(book.TopLevels(side, levels) == expected.size());
    levels.pop_back();
    REQUIRE((levels == expected));
  }
}

struct StreamShape {
  int64_t start;
  int64_t near_ticks;    // most changes are this close to the touch
  int64_t far_ticks;     // some are this far
  int64_t step_ticks;    // the touch moves by at most this per message
  int64_t jump_ticks;    // and now and then by this much
  uint64_t jump_one_in;  // messages
  uint64_t removal_percent;
};

// One message: changes of both sides round a moving touch.
class Stream {
 public:
  Stream(const StreamShape& shape, uint64_t seed) : shape_(shape), prng_(seed), mid_(shape.start) {}

  void Next(std::vector<LevelChange>& bids, std::vector<LevelChange>& asks) {
    bids.clear();
    asks.clear();
    mid_ += prng_.Between(-shape_.step_ticks, shape_.step_ticks);
    if (prng_.Chance(1, shape_.jump_one_in)) {
      mid_ += prng_.Between(-shape_.jump_ticks, shape_.jump_ticks);
    }
    const int64_t count = prng_.Between(0, 12);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t reach = prng_.Chance(1, 8) ? shape_.far_ticks : shape_.near_ticks;
      const int64_t distance = prng_.Between(-2, reach);
      const bool is_bid = prng_.Chance(1, 2);
      const int64_t ticks = is_bid ? mid_ - distance : mid_ + 1 + distance;
      const int64_t lots =
          prng_.Chance(shape_.removal_percent, 100) ? 0 : prng_.Between(1, 1 << 20);
      (is_bid ? bids : asks).push_back({Price::FromTicks(ticks), Quantity::FromLots(lots)});
    }
  }

 private:
  StreamShape shape_;
  Prng prng_;
  int64_t mid_;
};

void CheckStream(const StreamShape& shape, uint64_t seed, int message_count, int levels_every) {
  Book book;
  ReferenceBook reference;
  Stream stream(shape, seed);
  std::vector<LevelChange> bids, asks;
  for (int message = 0; message < message_count; ++message) {
    CAPTURE(seed, message);
    stream.Next(bids, asks);
    book.Apply(bids, asks);
    for (const LevelChange& c : bids) {
      reference.Set(Side::kBuy, c.price.ticks(), c.quantity.lots());
    }
    for (const LevelChange& c : asks) {
      reference.Set(Side::kSell, c.price.ticks(), c.quantity.lots());
    }
    RequireSameBest(book, reference);
    if (!bids.empty()) {
      const auto& side = reference.side(Side::kBuy);
      const auto at = side.find(bids[0].price.ticks());
      REQUIRE(book.QuantityAt(Side::kBuy, bids[0].price).lots() ==
              (at == side.end() ? 0 : at->second));
    }
    if (message % levels_every == 0) RequireSameLevels(book, reference);
  }
  RequireSameLevels(book, reference);
}

constexpr int64_t kWindowTicks = Book::kPageLevels * Book::kPageCount;

LevelChange Level(int64_t ticks, int64_t lots) {
  return {Price::FromTicks(ticks), Quantity::FromLots(lots)};
}

}  // namespace

TEST_CASE("book: equals a sorted map while the touch stays in the window", "[market][book]") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    CheckStream({.start = 6'183'763,
                 .near_ticks = 40,
                 .far_ticks = 3'000,
                 .step_ticks = 2,
                 .jump_ticks = 1,
                 .jump_one_in = 1'000,
                 .removal_percent = 40},
                seed, 5'000, 50);
  }
}

TEST_CASE("book: equals a sorted map when the touch walks out of the window and back",
          "[market][book]") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    CheckStream({.start = 6'183'763,
                 .near_ticks = 500,
                 .far_ticks = 3 * kWindowTicks,
                 .step_ticks = 3'000,
                 .jump_ticks = 1,
                 .jump_one_in = 1'000,
                 .removal_percent = 30},
                seed, 5'000, 97);
  }
}

TEST_CASE("book: equals a sorted map over huge jumps and negative prices", "[market][book]") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    CheckStream({.start = 0,
                 .near_ticks = 100,
                 .far_ticks = kWindowTicks,
                 .step_ticks = 50,
                 .jump_ticks = int64_t{1} << 40,
                 .jump_one_in = 30,
                 .removal_percent = 50},
                seed, 4'000, 83);
  }
}

TEST_CASE("book: equals a sorted map when almost everything is removed again", "[market][book]") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    CheckStream({.start = 1'000,
                 .near_ticks = 3,
                 .far_ticks = 2 * kWindowTicks,
                 .step_ticks = 1,
                 .jump_ticks = kWindowTicks,
                 .jump_one_in = 40,
                 .removal_percent = 85},
                seed, 8'000, 11);
  }
}

TEST_CASE("book: the ends of the price range are ordinary levels", "[market][book]") {
  constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
  constexpr int64_t kHighest = std::numeric_limits<int64_t>::max();
  Book book;
  for (const Side side : {Side::kBuy, Side::kSell}) {
    for (const int64_t ticks : {int64_t{0}, kHighest, kLowest, int64_t{-1}}) {
      book.Set(side, Price::FromTicks(ticks), Quantity::FromLots(7));
    }
    CHECK(book.LevelCount(side) == 4);
  }
  CHECK(book.best_bid()->price.ticks() == kHighest);
  CHECK(book.best_ask()->price.ticks() == kLowest);
  book.Set(Side::kBuy, Price::FromTicks(kHighest), Quantity());
  book.Set(Side::kSell, Price::FromTicks(kLowest), Quantity());
  CHECK(book.best_bid()->price.ticks() == 0);
  CHECK(book.best_ask()->price.ticks() == -1);
  CHECK(book.QuantityAt(Side::kBuy, Price::FromTicks(kLowest)).lots() == 7);
}

TEST_CASE("book: a level far from the touch survives the window passing over it and back",
          "[market][book]") {
  Book book;
  book.Set(Side::kBuy, Price::FromTicks(100), Quantity::FromLots(1));
  for (int64_t ticks = 1'000; ticks < 4 * kWindowTicks; ticks += 1'000) {
    book.Set(Side::kBuy, Price::FromTicks(ticks), Quantity::FromLots(ticks));
  }
  CHECK(book.QuantityAt(Side::kBuy, Price::FromTicks(100)).lots() == 1);
  while (book.LevelCount(Side::kBuy) > 1) {
    const BookLevel best = *book.best_bid();
    CHECK(best.quantity.lots() == best.price.ticks());
    book.Set(Side::kBuy, best.price, Quantity());
  }
  CHECK((*book.best_bid() == BookLevel{Price::FromTicks(100), Quantity::FromLots(1)}));
  book.Set(Side::kBuy, Price::FromTicks(100), Quantity());
  CHECK_FALSE(book.best_bid().has_value());
}

TEST_CASE("book: removing what is not there changes nothing", "[market][book]") {
  Book book;
  const std::vector<LevelChange> bids = {Level(500, 1), Level(499, 2)};
  book.Apply(bids, {});
  const uint64_t hash = book.Hash();
  for (const int64_t ticks : {int64_t{498}, int64_t{501}, int64_t{-1'000'000},
                              500 + 10 * kWindowTicks, 500 - 10 * kWindowTicks}) {
    book.Set(Side::kBuy, Price::FromTicks(ticks), Quantity());
    CHECK(book.QuantityAt(Side::kBuy, Price::FromTicks(ticks)).is_zero());
  }
  CHECK(book.Hash() == hash);
  CHECK(book.best_bid()->price.ticks() == 500);
}

TEST_CASE("book: within one message the last change of a level wins", "[market][book]") {
  Book book;
  const std::vector<LevelChange> asks = {Level(10, 5), Level(11, 6), Level(10, 0), Level(11, 7)};
  book.Apply({}, asks);
  CHECK((*book.best_ask() == BookLevel{Price::FromTicks(11), Quantity::FromLots(7)}));
  CHECK(book.LevelCount(Side::kSell) == 1);
}

TEST_CASE("book: a snapshot replaces everything, in whatever order its levels come",
          "[market][book]") {
  Prng prng(11);
  ReferenceBook reference;
  std::vector<LevelChange> bids, asks;
  for (int i = 0; i < 5'000; ++i) {
    const int64_t distance = prng.Between(0, 6 * kWindowTicks);
    const int64_t lots = prng.Between(1, 1'000'000);
    if (reference.side(Side::kBuy).count(1'000'000 - distance) == 0) {
      bids.push_back(Level(1'000'000 - distance, lots));
      reference.Set(Side::kBuy, 1'000'000 - distance, lots);
    }
    if (reference.side(Side::kSell).count(1'000'001 + distance) == 0) {
      asks.push_back(Level(1'000'001 + distance, lots));
      reference.Set(Side::kSell, 1'000'001 + distance, lots);
    }
  }
  Book unordered;
  unordered.Set(Side::kBuy, Price::FromTicks(3), Quantity::FromLots(9));
  unordered.Assign(bids, asks);
  RequireSameLevels(unordered, reference);
  const auto by_price = [](const LevelChange& a, const LevelChange& b) {
    return a.price < b.price;
  };
  std::sort(bids.begin(), bids.end(), by_price);
  std::reverse(bids.begin(), bids.end());
  std::sort(asks.begin(), asks.end(), by_price);
  Book ordered;
  ordered.Assign(bids, asks);
  RequireSameLevels(ordered, reference);
  RequireSameBest(ordered, reference);
  CHECK(ordered.Hash() == unordered.Hash());
  ordered.Clear();
  CHECK(ordered.LevelCount(Side::kBuy) == 0);
  CHECK(ordered.LevelCount(Side::kSell) == 0);
  CHECK_FALSE(ordered.best_bid().has_value());
  CHECK(ordered.Hash() == Book().Hash());
}

TEST_CASE("book: the hash tells side, price and size apart and not the order of changes",
          "[market][book]") {
  const auto hash_of = [](Side side, int64_t ticks, int64_t lots) {
    Book book;
    book.Set(side, Price::FromTicks(ticks), Quantity::FromLots(lots));
    return book.Hash();
  };
  CHECK(hash_of(Side::kBuy, 1, 2) != hash_of(Side::kSell, 1, 2));
  CHECK(hash_of(Side::kBuy, 1, 2) != hash_of(Side::kBuy, 2, 1));
  CHECK(hash_of(Side::kBuy, 1, 2) != hash_of(Side::kBuy, 1, 3));
  Book forward, backward;
  for (int64_t i = 0; i < 100; ++i) {
    forward.Set(Side::kBuy, Price::FromTicks(i * 5'000), Quantity::FromLots(i + 1));
    backward.Set(Side::kBuy, Price::FromTicks((99 - i) * 5'000), Quantity::FromLots(100 - i));
  }
  CHECK(forward.Hash() == backward.Hash());
}

TEST_CASE("book: a crossed and a locked book are both called crossed", "[market][book]") {
  Book book;
  book.Set(Side::kBuy, Price::FromTicks(100), Quantity::FromLots(1));
  CHECK_FALSE(book.is_crossed());
  book.Set(Side::kSell, Price::FromTicks(101), Quantity::FromLots(1));
  CHECK_FALSE(book.is_crossed());
  book.Set(Side::kSell, Price::FromTicks(100), Quantity::FromLots(1));
  CHECK(book.is_crossed());
  book.Set(Side::kSell, Price::FromTicks(99), Quantity::FromLots(1));
  CHECK(book.is_crossed());
}

TEST_CASE("book: reading fewer levels than there are gives the best ones", "[market][book]") {
  Book book;
  for (int64_t i = 0; i < 10; ++i) {
    book.Set(Side::kSell, Price::FromTicks(100 + i * kWindowTicks), Quantity::FromLots(i + 1));
  }
  BookLevel top[3];
  REQUIRE(book.TopLevels(Side::kSell, top) == 3);
  CHECK(top[2].price.ticks() == 100 + 2 * kWindowTicks);
  CHECK(top[2].quantity.lots() == 3);
  CHECK(book.TopLevels(Side::kSell, std::span<BookLevel>()) == 0);
  CHECK(book.TopLevels(Side::kBuy, top) == 0);
}

TEST_CASE("book: a moved book goes on where the first one was", "[market][book]") {
  Book first;
  first.Set(Side::kBuy, Price::FromTicks(5), Quantity::FromLots(1));
  Book second(std::move(first));
  second.Set(Side::kBuy, Price::FromTicks(6), Quantity::FromLots(2));
  CHECK(second.best_bid()->price.ticks() == 6);
  CHECK(second.LevelCount(Side::kBuy) == 2);
}

}  // namespace holdfast
