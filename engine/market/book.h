#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "engine/market/market_data.h"
#include "engine/market/price.h"
#include "engine/market/side.h"

namespace holdfast {

struct BookLevel {
  Price price;
  Quantity quantity;
  friend bool operator==(const BookLevel&, const BookLevel&) = default;
};

// Aggregated (level 2) order book of one instrument with an unbounded price range. Pure storage: no
// sequence rules and no clock (SequencedBook has them). Sizes are absolute.
//
// Cost: a change within the dense window round the touch is one indexed store plus a bitmap update;
// prices outside live in an ordered overflow and move in when the window re-centers. Re-centering
// and far levels may allocate; the window itself is allocated once.
//
// Single-threaded.
class Book {
 public:
  Book();
  ~Book();
  Book(Book&&) noexcept;
  Book& operator=(Book&&) noexcept;

  void Clear();
  // Sets the size at a level; zero removes it.
  void Set(Side side, Price price, Quantity quantity);
  void Apply(std::span<const LevelChange> bids, std::span<const LevelChange> asks);

  std::optional<BookLevel> best_bid() const;
  std::optional<BookLevel> best_ask() const;
  Quantity QuantityAt(Side side, Price price) const;  // zero when the level is empty
  // Best bid >= best ask.
  bool is_crossed() const;
  // The best `out.size()` levels of a side, best first; returns how many were written.
  size_t TopLevels(Side side, std::span<BookLevel> out) const;
  size_t LevelCount(Side side) const;
  // Order-independent hash of all levels, for comparing two books in tests and benchmarks.
  uint64_t Hash() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace holdfast
