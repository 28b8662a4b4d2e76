#include "engine/market/book.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr int kWordBits = 6;
constexpr int64_t kWordLevels = int64_t{1} << kWordBits;
constexpr int64_t kWindowLevels = Book::kPageLevels * Book::kPageCount;
constexpr int64_t kPageWords = Book::kPageLevels / kWordLevels;
static_assert(kPageWords == 64, "one summary word describes one page");
static_assert(std::has_single_bit(static_cast<uint64_t>(Book::kPageCount)));

// Where the best level's page is put when the window moves: one page of room for better prices.
constexpr int64_t kBestPageIndex = Book::kPageCount - 2;
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

struct Book::Window {
  // Bit w of page p: word w of that page has a level. Pages and words are ring positions.
  std::array<uint64_t, kPageCount> words = {};
  std::array<uint64_t, kWindowLevels / kWordLevels> levels = {};
  // Meaningful where the level's bit is set.
  std::array<int64_t, kWindowLevels> lots;

  static size_t PagePosition(int64_t page) { return static_cast<size_t>(page & (kPageCount - 1)); }

  void Store(int64_t key, int64_t new_lots) {
    const uint64_t slot = static_cast<uint64_t>(key) & (kWindowLevels - 1);
    lots[slot] = new_lots;
    const uint64_t word = slot >> kWordBits;
    const uint64_t level_bit = slot & (kWordLevels - 1);
    const uint64_t bits = (levels[word] & ~(uint64_t{1} << level_bit)) |
                          (static_cast<uint64_t>(new_lots != 0) << level_bit);
    levels[word] = bits;
    const uint64_t word_bit = word & (kPageWords - 1);
    uint64_t& page = words[slot >> kPageBits];
    page = (page & ~(uint64_t{1} << word_bit)) | (static_cast<uint64_t>(bits != 0) << word_bit);
  }

  bool Has(int64_t key) const {
    const uint64_t slot = static_cast<uint64_t>(key) & (kWindowLevels - 1);
    return ((levels[slot >> kWordBits] >> (slot & (kWordLevels - 1))) & 1) != 0;
  }
  int64_t LotsAt(int64_t key) const {
    return lots[static_cast<uint64_t>(key) & (kWindowLevels - 1)];
  }

  // REQUIRES: the page is not empty.
  int64_t HighestKeyOfPage(int64_t page) const {
    const size_t position = PagePosition(page);
    const int word = HighestBit(words[position]);
    const int bit = HighestBit(levels[position * kPageWords + static_cast<size_t>(word)]);
    return page << kPageBits | word << kWordBits | bit;
  }

  // Appends the page's levels in ascending order and empties it.
  void MovePageTo(int64_t page, std::vector<FarLevel>& far) {
    const size_t position = PagePosition(page);
    for (uint64_t left = words[position]; left != 0; left &= left - 1) {
      const auto word = static_cast<size_t>(std::countr_zero(left));
      uint64_t& bits = levels[position * kPageWords + word];
      for (; bits != 0; bits &= bits - 1) {
        const int64_t key =
            page << kPageBits | static_cast<int64_t>(word) << kWordBits | std::countr_zero(bits);
        far.push_back({key, LotsAt(key)});
      }
    }
    words[position] = 0;
  }
};

Book::Book() {
  for (Ladder* ladder : {&bids_, &asks_}) {
    ladder->window.reset(new Window);
    ladder->far.reserve(kFarReserve);
    ladder->first_page = kNoPage;
  }
}
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
  int64_t signs = 0;
  for (const LevelChange& change : changes) {
    const int64_t key = Mirror<kSide>(change.price.ticks());
    const int64_t lots = change.quantity.lots();
    signs |= lots;
    if (static_cast<uint64_t>((key >> kPageBits) - first_page) < kPageCount) [[likely]] {
      window.Store(key, lots);
    } else {
      SetOutside(ladder, key, lots);
      first_page = ladder.first_page;
    }
  }
  HF_ASSERT(signs >= 0);
  RefreshBest<kSide>(ladder);
}

template <Side kSide>
void Book::RefreshBest(Ladder& ladder) {
  const Window& window = *ladder.window;
  while (true) {
    for (int64_t index = kPageCount - 1; index >= 0; --index) {
      const int64_t page = ladder.first_page + index;
      if (window.words[Window::PagePosition(page)] == 0) continue;
      const int64_t key = window.HighestKeyOfPage(page);
      ladder.best =
          BookLevel{Price::FromTicks(Mirror<kSide>(key)), Quantity::FromLots(window.LotsAt(key))};
      if (index < kLowPageIndex) [[unlikely]]
        MoveWindow(ladder, page - kBestPageIndex);
      return;
    }
    if (ladder.far.empty()) {
      ladder.best.reset();
      return;
    }
    MoveWindow(ladder, (ladder.far.back().key >> kPageBits) - kBestPageIndex);
  }
}

void Book::SetOutside(Ladder& ladder, int64_t key, int64_t lots) {
  const int64_t page = key >> kPageBits;
  if (page > ladder.first_page) {  // better than anything there is
    if (lots == 0) return;
    MoveWindow(ladder, page - kBestPageIndex);
    ladder.window->Store(key, lots);
    return;
  }
  const auto at = std::lower_bound(ladder.far.begin(), ladder.far.end(), key,
                                   [](const FarLevel& level, int64_t k) { return level.key < k; });
  const bool is_present = at != ladder.far.end() && at->key == key;
  if (is_present && lots == 0) {
    ladder.far.erase(at);
  } else if (is_present) {
    at->lots = lots;
  } else if (lots != 0) {
    ladder.far.insert(at, {key, lots});
  }
}

void Book::MoveWindow(Ladder& ladder, int64_t first_page) {
  Window& window = *ladder.window;
  // Up: the pages that fall out go behind the window. Their keys are above all that is there.
  const int64_t old_end = ladder.first_page + kPageCount;
  for (int64_t page = ladder.first_page; page < std::min(first_page, old_end); ++page) {
    window.MovePageTo(page, ladder.far);
  }
  // Down: what falls out at the top is empty, because the window never moves above the best level.
  for (int64_t page = std::max(first_page + kPageCount, ladder.first_page); page < old_end;
       ++page) {
    HF_ASSERT(window.words[Window::PagePosition(page)] == 0);
  }
  ladder.first_page = first_page;
  while (!ladder.far.empty() && ladder.far.back().key >> kPageBits >= first_page) {
    window.Store(ladder.far.back().key, ladder.far.back().lots);
    ladder.far.pop_back();
  }
}

void Book::Clear() {
  ClearLadder(bids_);
  ClearLadder(asks_);
}

void Book::ClearLadder(Ladder& ladder) {
  ladder.window->words.fill(0);
  ladder.window->levels.fill(0);
  ladder.far.clear();
  ladder.first_page = kNoPage;
  ladder.best.reset();
}

void Book::Assign(std::span<const LevelChange> bids, std::span<const LevelChange> asks) {
  AssignTo<Side::kBuy>(bids_, bids);
  AssignTo<Side::kSell>(asks_, asks);
}

// From the last (worst) level on: the window then only moves up and each far level is appended.
template <Side kSide>
void Book::AssignTo(Ladder& ladder, std::span<const LevelChange> changes) {
  ClearLadder(ladder);
  for (size_t i = changes.size(); i-- > 0;) ApplyTo<kSide>(ladder, changes.subspan(i, 1));
}

// --- reading -----------------------------------------------------------------------------------

template <typename Visit>
void Book::VisitLevels(const Ladder& ladder, Visit visit) {
  const Window& window = *ladder.window;
  for (int64_t index = kPageCount - 1; index >= 0; --index) {
    const int64_t page = ladder.first_page + index;
    const size_t position = Window::PagePosition(page);
    for (uint64_t words = window.words[position]; words != 0;) {
      const int word = HighestBit(words);
      words ^= uint64_t{1} << word;
      for (uint64_t bits = window.levels[position * kPageWords + static_cast<size_t>(word)];
           bits != 0;) {
        const int bit = HighestBit(bits);
        bits ^= uint64_t{1} << bit;
        const int64_t key = page << kPageBits | word << kWordBits | bit;
        if (!visit(key, window.LotsAt(key))) return;
      }
    }
  }
  for (size_t i = ladder.far.size(); i-- > 0;) {
    if (!visit(ladder.far[i].key, ladder.far[i].lots)) return;
  }
}

Quantity Book::QuantityAt(Side side, Price price) const {
  const Ladder& levels = ladder(side);
  const int64_t key =
      side == Side::kBuy ? Mirror<Side::kBuy>(price.ticks()) : Mirror<Side::kSell>(price.ticks());
  const int64_t page = key >> kPageBits;
  if (static_cast<uint64_t>(page - levels.first_page) < kPageCount) {
    return Quantity::FromLots(levels.window->Has(key) ? levels.window->LotsAt(key) : 0);
  }
  const auto at = std::lower_bound(levels.far.begin(), levels.far.end(), key,
                                   [](const FarLevel& level, int64_t k) { return level.key < k; });
  if (at == levels.far.end() || at->key != key) return Quantity();
  return Quantity::FromLots(at->lots);
}

size_t Book::TopLevels(Side side, std::span<BookLevel> out) const {
  if (out.empty()) return 0;
  size_t count = 0;
  VisitLevels(ladder(side), [&](int64_t key, int64_t lots) {
    const int64_t ticks = side == Side::kBuy ? Mirror<Side::kBuy>(key) : Mirror<Side::kSell>(key);
    out[count++] = {Price::FromTicks(ticks), Quantity::FromLots(lots)};
    return count < out.size();
  });
  return count;
}

size_t Book::LevelCount(Side side) const {
  const Ladder& levels = ladder(side);
  size_t count = levels.far.size();
  for (const uint64_t bits : levels.window->levels) {
    count += static_cast<size_t>(std::popcount(bits));
  }
  return count;
}

uint64_t Book::Hash() const {
  uint64_t hash = 0;
  VisitLevels(bids_, [&](int64_t key, int64_t lots) {
    hash += HashLevel(Side::kBuy, Mirror<Side::kBuy>(key), lots);
    return true;
  });
  VisitLevels(asks_, [&](int64_t key, int64_t lots) {
    hash += HashLevel(Side::kSell, Mirror<Side::kSell>(key), lots);
    return true;
  });
  return hash;
}

}  // namespace holdfast
