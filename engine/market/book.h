#pragma once

#include <cstddef>
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
// How: each side is a ring of kPageCount pages of kPageLevels consecutive prices, indexed by the
// low bits of the price, with a bit per level and a bit per 64 levels that tell where something may
// be. A change inside this window is one indexed store and one bitmap update, without a branch that
// depends on the market; the best price is read off the bitmaps once per call. The window is placed
// so that the best level is in it with most pages behind (worse than) it. Levels behind the window
// are in a hash table; a move of the window carries whole pages to and from there.
//
// Cost outside the window: a probe of the hash table; moving the window down, and reading more than
// the window holds, scan it. Window and table are allocated at construction; only more than
// kFarReserve far levels on a side allocate again.
//
// Single-threaded.
class Book {
 public:
  static constexpr int kPageBits = 12;
  static constexpr int64_t kPageLevels = int64_t{1} << kPageBits;
  static constexpr int64_t kPageCount = 8;
  static constexpr size_t kFarReserve = 8 * 1024;

  Book();
  ~Book();
  Book(Book&&) noexcept;
  Book& operator=(Book&&) noexcept;

  void Clear();
  // Sets the size at a level; zero removes it. REQUIRES: the quantity is not negative.
  void Set(Side side, Price price, Quantity quantity);
  void Apply(std::span<const LevelChange> bids, std::span<const LevelChange> asks);
  // Clear() and Apply(), quickest when each side comes best first, as snapshots do.
  void Assign(std::span<const LevelChange> bids, std::span<const LevelChange> asks);

  // Kept by every change: reading costs nothing.
  std::optional<BookLevel> best_bid() const { return bids_.best; }
  std::optional<BookLevel> best_ask() const { return asks_.best; }
  Quantity QuantityAt(Side side, Price price) const;  // zero when the level is empty
  // Best bid >= best ask.
  bool is_crossed() const {
    return bids_.best.has_value() && asks_.best.has_value() &&
           bids_.best->price >= asks_.best->price;
  }
  // The best `out.size()` levels of a side, best first; returns how many were written.
  size_t TopLevels(Side side, std::span<BookLevel> out) const;
  size_t LevelCount(Side side) const;
  // Order-independent hash of all levels, for comparing two books in tests and benchmarks.
  uint64_t Hash() const;

 private:
  // Within a side levels are known by key, the higher the better: a bid's ticks, an ask's ticks
  // with all bits inverted (order-reversing without overflow).
  class Window;
  class FarLevels;
  struct Ladder {
    Ladder();
    ~Ladder();
    Ladder(Ladder&&) noexcept;
    Ladder& operator=(Ladder&&) noexcept;

    std::unique_ptr<Window> window;
    int64_t first_page;  // the window holds pages [first_page, first_page + kPageCount)
    // No level is on a higher page: where the search for the best one begins.
    int64_t top_page;
    // Levels below the window. INVARIANT: nothing is above it, and between two calls the best level
    // of a side that is not empty is inside it.
    std::unique_ptr<FarLevels> far;
    std::optional<BookLevel> best;
  };

  template <Side kSide>
  static void ApplyTo(Ladder& ladder, std::span<const LevelChange> changes);
  template <Side kSide>
  static void AssignTo(Ladder& ladder, std::span<const LevelChange> changes);
  template <Side kSide>
  static void RefreshBest(Ladder& ladder);
  static void SetOutside(Ladder& ladder, int64_t key, int64_t lots);
  static void MoveWindow(Ladder& ladder, int64_t first_page);
  static void ClearLadder(Ladder& ladder);
  // Calls visit(key, lots) for the levels of the window, best first, until it returns false.
  template <typename Visit>
  static void VisitWindow(const Ladder& ladder, Visit visit);

  const Ladder& ladder(Side side) const { return side == Side::kBuy ? bids_ : asks_; }

  Ladder bids_;
  Ladder asks_;
};

}  // namespace holdfast
