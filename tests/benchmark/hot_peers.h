#pragma once

#include <bit>
#include <boost/container/flat_map.hpp>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "engine/market/book.h"
#include "engine/market/market_data.h"
#include "engine/market/side.h"

namespace holdfast::bench {

// What the best prices are compared by: touched after each message in every book.
inline uint64_t TopSum(int64_t bid_ticks, int64_t ask_ticks) {
  return static_cast<uint64_t>(bid_ticks) * 3 + static_cast<uint64_t>(ask_ticks);
}

// The least that any book does: one indexed store per change, no best price.
class StoreFloor {
 public:
  StoreFloor(int64_t min_ticks, int64_t max_ticks)
      : min_ticks_(min_ticks),
        bids_(static_cast<size_t>(max_ticks - min_ticks + 1)),
        asks_(static_cast<size_t>(max_ticks - min_ticks + 1)) {}
  void Apply(std::span<const LevelChange> bids, std::span<const LevelChange> asks) {
    for (const LevelChange& c : bids) {
      bids_[static_cast<size_t>(c.price.ticks() - min_ticks_)] = c.quantity.lots();
    }
    for (const LevelChange& c : asks) {
      asks_[static_cast<size_t>(c.price.ticks() - min_ticks_)] = c.quantity.lots();
    }
  }

 private:
  int64_t min_ticks_;
  std::vector<int64_t> bids_, asks_;
};

// The plain quick book: a bounded array per side, one bitmap, the best kept by each change.
class BoundedLadder {
 public:
  BoundedLadder(int64_t min_ticks, int64_t max_ticks)
      : min_ticks_(min_ticks), size_((max_ticks - min_ticks + 64) / 64 * 64) {
    for (SideOf* side : {&bids_, &asks_}) {
      side->lots.resize(static_cast<size_t>(size_));
      side->bits.resize(static_cast<size_t>(size_ / 64));
    }
    Clear();
  }
  void Clear() {
    for (SideOf* side : {&bids_, &asks_}) std::fill(side->bits.begin(), side->bits.end(), 0);
    best_bid_ = -1;
    best_ask_ = size_;
  }
  void Apply(std::span<const LevelChange> bids, std::span<const LevelChange> asks) {
    for (const LevelChange& c : bids) {
      const int64_t index = c.price.ticks() - min_ticks_;
      Store(bids_, index, c.quantity.lots());
      if (c.quantity.lots() != 0) {
        if (index > best_bid_) best_bid_ = index;
      } else if (index == best_bid_) {
        best_bid_ = HighestAtOrBelow(index);
      }
    }
    for (const LevelChange& c : asks) {
      const int64_t index = c.price.ticks() - min_ticks_;
      Store(asks_, index, c.quantity.lots());
      if (c.quantity.lots() != 0) {
        if (index < best_ask_) best_ask_ = index;
      } else if (index == best_ask_) {
        best_ask_ = LowestAtOrAbove(index);
      }
    }
  }
  int64_t best_bid() const { return best_bid_ < 0 ? 0 : best_bid_ + min_ticks_; }
  int64_t best_ask() const { return best_ask_ >= size_ ? 0 : best_ask_ + min_ticks_; }

 private:
  struct SideOf {
    std::vector<int64_t> lots;
    std::vector<uint64_t> bits;
  };
  static void Store(SideOf& side, int64_t index, int64_t lots) {
    side.lots[static_cast<size_t>(index)] = lots;
    uint64_t& word = side.bits[static_cast<size_t>(index >> 6)];
    const uint64_t bit = uint64_t{1} << (index & 63);
    word = lots != 0 ? word | bit : word & ~bit;
  }
  int64_t HighestAtOrBelow(int64_t index) const {
    int64_t word = index >> 6;
    uint64_t bits = bids_.bits[static_cast<size_t>(word)] & (~uint64_t{0} >> (63 - (index & 63)));
    while (bits == 0) {
      if (--word < 0) return -1;
      bits = bids_.bits[static_cast<size_t>(word)];
    }
    return word * 64 + 63 - std::countl_zero(bits);
  }
  int64_t LowestAtOrAbove(int64_t index) const {
    int64_t word = index >> 6;
    uint64_t bits = asks_.bits[static_cast<size_t>(word)] & (~uint64_t{0} << (index & 63));
    while (bits == 0) {
      if (++word >= size_ / 64) return size_;
      bits = asks_.bits[static_cast<size_t>(word)];
    }
    return word * 64 + std::countr_zero(bits);
  }

  int64_t min_ticks_;
  int64_t size_;
  SideOf bids_, asks_;
  int64_t best_bid_, best_ask_;
};

// Books on an ordered map: std::map or a sorted vector.
template <template <typename, typename> typename Map>
class MapBook {
 public:
  void Clear() {
    bids_.clear();
    asks_.clear();
  }
  void Apply(std::span<const LevelChange> bids, std::span<const LevelChange> asks) {
    for (const LevelChange& c : bids) Set(bids_, c);
    for (const LevelChange& c : asks) Set(asks_, c);
  }
  int64_t best_bid() const { return bids_.empty() ? 0 : bids_.rbegin()->first; }
  int64_t best_ask() const { return asks_.empty() ? 0 : asks_.begin()->first; }
  size_t LevelCount() const { return bids_.size() + asks_.size(); }
  // The same levels as a Book, for comparing its hash.
  void CopyTo(Book& book) const {
    for (const auto& [ticks, lots] : bids_) {
      book.Set(Side::kBuy, Price::FromTicks(ticks), Quantity::FromLots(lots));
    }
    for (const auto& [ticks, lots] : asks_) {
      book.Set(Side::kSell, Price::FromTicks(ticks), Quantity::FromLots(lots));
    }
  }

 private:
  using Levels = Map<int64_t, int64_t>;
  static void Set(Levels& levels, const LevelChange& c) {
    if (c.quantity.is_zero()) {
      levels.erase(c.price.ticks());
    } else {
      levels[c.price.ticks()] = c.quantity.lots();
    }
  }
  Levels bids_, asks_;
};

template <typename Key, typename Value>
using StdMap = std::map<Key, Value>;
template <typename Key, typename Value>
using FlatMap = boost::container::flat_map<Key, Value>;

}  // namespace holdfast::bench
