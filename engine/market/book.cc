#include "engine/market/book.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <utility>
#include <vector>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr int kWordBits = 6;
constexpr int64_t kWordLevels = int64_t{1} << kWordBits;
constexpr int64_t kWindowLevels = Book::kPageLevels * Book::kPageCount;
constexpr int64_t kPageWords = Book::kPageLevels / kWordLevels;
static_assert(kPageWords == 64, "one summary word describes one page");
static_assert(std::has_single_bit(static_cast<uint64_t>(Book::kPageCount)));

// Where the best level's page is put when the window moves: at the better end, where the search for
// the best level begins.
constexpr int64_t kBestPageIndex = Book::kPageCount - 1;
// The window follows the best level down when its page gets below this index. The distance to
// kBestPageIndex is what keeps a touch that swings over a page edge from moving it back and forth.
constexpr int64_t kLowPageIndex = 3;
static_assert(kLowPageIndex < kBestPageIndex);

// Below every page there is, so that the first level of an empty side places the window.
constexpr int64_t kNoPage = -(int64_t{1} << 60);

template <Side kSide>
constexpr int64_t Mirror(int64_t ticks_or_key) {
  return kSide == Side::kBuy ? ticks_or_key : ~ticks_or_key;
}

// A side's key of a price, and the price of a key.
constexpr int64_t KeyOf(Side side, int64_t ticks) {
  return side == Side::kBuy ? Mirror<Side::kBuy>(ticks) : Mirror<Side::kSell>(ticks);
}

constexpr int HighestBit(uint64_t word) { return 63 - std::countl_zero(word); }

uint64_t HashLevel(Side side, int64_t ticks, int64_t lots) {
  uint64_t hash = static_cast<uint64_t>(ticks) * 0x9e3779b97f4a7c15u;
  hash ^= std::rotl(static_cast<uint64_t>(lots) * 0xc2b2ae3d27d4eb4fu, 31);
  hash += side == Side::kBuy ? 0x165667b19e3779f9u : 0x27d4eb2f165667c5u;
  hash ^= hash >> 29;
  hash *= 0xbf58476d1ce4e5b9u;
  return hash ^ (hash >> 32);
}

}  // namespace

class Book::Window {
 public:
  static size_t PagePosition(int64_t page) { return static_cast<size_t>(page & (kPageCount - 1)); }

  void Store(int64_t key, int64_t lots) {
    const uint64_t slot = static_cast<uint64_t>(key) & (kWindowLevels - 1);
    lots_[slot] = lots;
    const uint64_t word = slot >> kWordBits;
    const uint64_t level_bit = slot & (kWordLevels - 1);
    levels_[word] = (levels_[word] & ~(uint64_t{1} << level_bit)) |
                    (static_cast<uint64_t>(lots != 0) << level_bit);
    // Set at once but cleared only by a search that finds the word empty: changes round the touch
    // would otherwise wait for each other's update of the same page.
    const uint64_t word_bit = uint64_t{1} << (word & (kPageWords - 1));
    uint64_t& words = words_[slot >> kPageBits];
    if ((words & word_bit) == 0) [[unlikely]]
      words |= word_bit;
  }

  int64_t LotsAt(int64_t key) const {
    const uint64_t slot = static_cast<uint64_t>(key) & (kWindowLevels - 1);
    const bool is_present = ((levels_[slot >> kWordBits] >> (slot & (kWordLevels - 1))) & 1) != 0;
    return is_present ? lots_[slot] : 0;
  }
  // REQUIRES: the level is present.
  int64_t PresentLots(int64_t key) const {
    return lots_[static_cast<uint64_t>(key) & (kWindowLevels - 1)];
  }

  // Sets the best key of the page; false when the page is empty.
  bool FindBest(int64_t page, int64_t& key) {
    const size_t position = PagePosition(page);
    uint64_t& words = words_[position];
    while (words != 0) {
      const int word = HighestBit(words);
      const uint64_t bits = levels_[position * kPageWords + static_cast<size_t>(word)];
      if (bits != 0) [[likely]] {
        key = page << kPageBits | word << kWordBits | HighestBit(bits);
        return true;
      }
      words ^= uint64_t{1} << word;
    }
    return false;
  }

  bool IsPageEmpty(int64_t page) {
    int64_t key;
    return !FindBest(page, key);
  }

  // Calls visit(key, lots) for the page's levels, best first, until it returns false.
  template <typename Visit>
  bool VisitPage(int64_t page, Visit visit) const {
    const size_t position = PagePosition(page);
    for (uint64_t words = words_[position]; words != 0;) {
      const int word = HighestBit(words);
      words ^= uint64_t{1} << word;
      for (uint64_t bits = levels_[position * kPageWords + static_cast<size_t>(word)]; bits != 0;) {
        const int bit = HighestBit(bits);
        bits ^= uint64_t{1} << bit;
        const int64_t key = page << kPageBits | word << kWordBits | bit;
        if (!visit(key, PresentLots(key))) return false;
      }
    }
    return true;
  }

  void ClearPage(int64_t page) {
    const size_t position = PagePosition(page);
    words_[position] = 0;
    std::fill_n(levels_.begin() + static_cast<ptrdiff_t>(position * kPageWords), kPageWords, 0);
  }

  void Clear() {
    words_.fill(0);
    levels_.fill(0);
  }

  size_t LevelCount() const {
    size_t count = 0;
    for (const uint64_t bits : levels_) count += static_cast<size_t>(std::popcount(bits));
    return count;
  }

 private:
  // Bit w of page p: word w of that page may have a level. Pages and words are ring positions.
  std::array<uint64_t, kPageCount> words_ = {};
  // Exactly the levels there are.
  std::array<uint64_t, kWindowLevels / kWordLevels> levels_ = {};
  // Meaningful where the level's bit is set.
  std::array<int64_t, kWindowLevels> lots_;
};

// Open addressing with linear probing; a removal shifts later entries back, so nothing is left
// behind. A slot without lots is free.
class Book::FarLevels {
 public:
  FarLevels() { Allocate(std::bit_ceil(2 * kFarReserve)); }

  size_t size() const { return size_; }

  int64_t LotsAt(int64_t key) const { return slots_[Find(key)].lots; }

  void Set(int64_t key, int64_t lots) {
    size_t at = Find(key);
    Slot& slot = slots_[at];
    if (slot.lots != 0) {
      slot.lots = lots;
      if (lots == 0) Remove(at);
      return;
    }
    if (lots == 0) return;
    slot = {key, lots};
    ++size_;
    if (2 * size_ > slots_.size()) Grow();
  }

  void Clear() {
    if (size_ != 0) std::fill(slots_.begin(), slots_.end(), Slot());
    size_ = 0;
  }

  // Calls visit(key, lots) for all, in no order.
  template <typename Visit>
  void VisitAll(Visit visit) const {
    if (size_ == 0) return;
    for (const Slot& slot : slots_) {
      if (slot.lots != 0) visit(slot.key, slot.lots);
    }
  }

  // REQUIRES: size() > 0.
  int64_t HighestKey() const {
    HF_ASSERT(size_ > 0);
    int64_t highest = std::numeric_limits<int64_t>::min();
    VisitAll([&highest](int64_t key, int64_t) { highest = std::max(highest, key); });
    return highest;
  }

  // Moves the levels from `first_page` on into the window.
  void MoveTo(Window& window, int64_t first_page) {
    if (size_ == 0) return;
    for (size_t at = 0; at < slots_.size();) {
      const Slot slot = slots_[at];
      if (slot.lots == 0 || slot.key >> kPageBits < first_page) {
        ++at;
        continue;
      }
      window.Store(slot.key, slot.lots);
      slots_[at].lots = 0;
      Remove(at);  // may bring another entry to `at`: looked at next. One that wraps round the end
                   // comes from the front, where it was looked at already and stays behind.
    }
  }

 private:
  struct Slot {
    int64_t key = 0;
    int64_t lots = 0;
  };

  void Allocate(size_t slot_count) {
    slots_.assign(slot_count, Slot());
    shift_ = 64 - std::countr_zero(slot_count);
    size_ = 0;
  }
  size_t HomeOf(int64_t key) const {
    return static_cast<size_t>((static_cast<uint64_t>(key) * 0x9e3779b97f4a7c15u) >> shift_);
  }
  size_t Next(size_t at) const { return (at + 1) & (slots_.size() - 1); }
  // The key's slot, or the free one where it belongs. At most half are taken, so there is one.
  size_t Find(int64_t key) const {
    size_t at = HomeOf(key);
    while (slots_[at].lots != 0 && slots_[at].key != key) at = Next(at);
    return at;
  }
  // Closes the hole at `hole`, whose lots are already zero.
  void Remove(size_t hole) {
    --size_;
    const size_t mask = slots_.size() - 1;
    for (size_t at = Next(hole); slots_[at].lots != 0; at = Next(at)) {
      // An entry may move back as far as its home.
      if (((at - HomeOf(slots_[at].key)) & mask) < ((at - hole) & mask)) continue;
      slots_[hole] = slots_[at];
      slots_[at].lots = 0;
      hole = at;
    }
  }
  void Grow() {
    std::vector<Slot> old = std::move(slots_);
    Allocate(2 * old.size());
    for (const Slot& slot : old) {
      if (slot.lots != 0) Set(slot.key, slot.lots);
    }
  }

  std::vector<Slot> slots_;
  int shift_ = 0;
  size_t size_ = 0;
};

Book::Ladder::Ladder()
    : window(new Window),
      first_page(kNoPage),
      top_page(kNoPage),
      far(std::make_unique<FarLevels>()) {}
Book::Ladder::~Ladder() = default;
Book::Ladder::Ladder(Ladder&&) noexcept = default;
Book::Ladder& Book::Ladder::operator=(Ladder&&) noexcept = default;

Book::Book() = default;
Book::~Book() = default;
Book::Book(Book&&) noexcept = default;
Book& Book::operator=(Book&&) noexcept = default;

// --- changes -----------------------------------------------------------------------------------

void Book::Apply(std::span<const LevelChange> bids, std::span<const LevelChange> asks) {
  ApplyTo<Side::kBuy>(bids_, bids);
  ApplyTo<Side::kSell>(asks_, asks);
}

void Book::Set(Side side, Price price, Quantity quantity) {
  const LevelChange change = {price, quantity};
  if (side == Side::kBuy) {
    ApplyTo<Side::kBuy>(bids_, {&change, 1});
  } else {
    ApplyTo<Side::kSell>(asks_, {&change, 1});
  }
}

template <Side kSide>
void Book::ApplyTo(Ladder& ladder, std::span<const LevelChange> changes) {
  Window& window = *ladder.window;
  int64_t first_page = ladder.first_page;
  int64_t top_page = ladder.top_page;
  int64_t signs = 0;
  for (const LevelChange& change : changes) {
    const int64_t key = Mirror<kSide>(change.price.ticks());
    const int64_t lots = change.quantity.lots();
    const int64_t page = key >> kPageBits;
    signs |= lots;
    top_page = std::max(top_page, page);
    if (static_cast<uint64_t>(page - first_page) < kPageCount) [[likely]] {
      window.Store(key, lots);
    } else {
      SetOutside(ladder, key, lots);
      first_page = ladder.first_page;
    }
  }
  HF_ASSERT(signs >= 0);
  ladder.top_page = std::min(top_page, first_page + kPageCount - 1);
  RefreshBest<kSide>(ladder);
}

template <Side kSide>
void Book::RefreshBest(Ladder& ladder) {
  Window& window = *ladder.window;
  while (true) {
    for (int64_t page = ladder.top_page; page >= ladder.first_page; --page) {
      int64_t key;
      if (!window.FindBest(page, key)) continue;
      ladder.top_page = page;
      ladder.best = BookLevel{Price::FromTicks(Mirror<kSide>(key)),
                              Quantity::FromLots(window.PresentLots(key))};
      if (page - ladder.first_page < kLowPageIndex) [[unlikely]]
        MoveWindow(ladder, page - kBestPageIndex);
      return;
    }
    if (ladder.far->size() == 0) {
      ladder.best.reset();
      return;
    }
    ladder.top_page = ladder.far->HighestKey() >> kPageBits;
    MoveWindow(ladder, ladder.top_page - kBestPageIndex);
  }
}

[[gnu::noinline]] void Book::SetOutside(Ladder& ladder, int64_t key, int64_t lots) {
  const int64_t page = key >> kPageBits;
  if (page < ladder.first_page) {
    ladder.far->Set(key, lots);
    return;
  }
  if (lots == 0) return;  // above the window there is nothing
  MoveWindow(ladder, page - kBestPageIndex);
  ladder.window->Store(key, lots);
}

void Book::MoveWindow(Ladder& ladder, int64_t first_page) {
  Window& window = *ladder.window;
  const int64_t old_first = ladder.first_page;
  const int64_t old_end = old_first + kPageCount;
  ladder.first_page = first_page;
  // Up: the pages that fall out go behind the window.
  for (int64_t page = old_first; page < std::min(first_page, old_end); ++page) {
    window.VisitPage(page, [&ladder](int64_t key, int64_t lots) {
      ladder.far->Set(key, lots);
      return true;
    });
    window.ClearPage(page);
  }
  if (first_page > old_first) return;
  // Down: what falls out at the top is empty, because the window never moves above the best level.
  for (int64_t page = std::max(first_page + kPageCount, old_first); page < old_end; ++page) {
    HF_ASSERT(window.IsPageEmpty(page));
  }
  ladder.far->MoveTo(window, first_page);
}

void Book::Clear() {
  ClearLadder(bids_);
  ClearLadder(asks_);
}

void Book::ClearLadder(Ladder& ladder) {
  ladder.window->Clear();
  ladder.far->Clear();
  ladder.first_page = kNoPage;
  ladder.top_page = kNoPage;
  ladder.best.reset();
}

void Book::Assign(std::span<const LevelChange> bids, std::span<const LevelChange> asks) {
  AssignTo<Side::kBuy>(bids_, bids);
  AssignTo<Side::kSell>(asks_, asks);
}

// The first level comes first, so that the window is placed once.
template <Side kSide>
void Book::AssignTo(Ladder& ladder, std::span<const LevelChange> changes) {
  ClearLadder(ladder);
  ApplyTo<kSide>(ladder, changes);
}

// --- reading -----------------------------------------------------------------------------------

template <typename Visit>
void Book::VisitWindow(const Ladder& ladder, Visit visit) {
  for (int64_t index = kPageCount - 1; index >= 0; --index) {
    if (!ladder.window->VisitPage(ladder.first_page + index, visit)) return;
  }
}

Quantity Book::QuantityAt(Side side, Price price) const {
  const Ladder& levels = ladder(side);
  const int64_t key = KeyOf(side, price.ticks());
  const bool is_inside = static_cast<uint64_t>((key >> kPageBits) - levels.first_page) < kPageCount;
  return Quantity::FromLots(is_inside ? levels.window->LotsAt(key) : levels.far->LotsAt(key));
}

size_t Book::TopLevels(Side side, std::span<BookLevel> out) const {
  if (out.empty()) return 0;
  const Ladder& levels = ladder(side);
  size_t count = 0;
  const auto make = [side](int64_t key, int64_t lots) {
    return BookLevel{Price::FromTicks(KeyOf(side, key)), Quantity::FromLots(lots)};
  };
  VisitWindow(levels, [&](int64_t key, int64_t lots) {
    out[count++] = make(key, lots);
    return count < out.size();
  });
  if (count == out.size()) return count;
  // The rest is in no order: each far level is put in its place among those kept so far.
  const size_t window_count = count;
  levels.far->VisitAll([&](int64_t key, int64_t lots) {
    size_t at = count;
    while (at > window_count && KeyOf(side, out[at - 1].price.ticks()) < key) --at;
    if (at == out.size()) return;
    count = std::min(count + 1, out.size());
    std::move_backward(out.begin() + static_cast<ptrdiff_t>(at),
                       out.begin() + static_cast<ptrdiff_t>(count - 1),
                       out.begin() + static_cast<ptrdiff_t>(count));
    out[at] = make(key, lots);
  });
  return count;
}

size_t Book::LevelCount(Side side) const {
  return ladder(side).window->LevelCount() + ladder(side).far->size();
}

uint64_t Book::Hash() const {
  uint64_t hash = 0;
  for (const Side side : {Side::kBuy, Side::kSell}) {
    const auto add = [&hash, side](int64_t key, int64_t lots) {
      hash += HashLevel(side, KeyOf(side, key), lots);
      return true;
    };
    VisitWindow(ladder(side), add);
    ladder(side).far->VisitAll(add);
  }
  return hash;
}

}  // namespace holdfast
