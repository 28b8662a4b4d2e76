#pragma once

#include <cstdint>
#include <optional>

#include "engine/base/static_vector.h"

namespace holdfast {

enum class BudgetKind : uint8_t {
  kRequestWeight,  // of everything we send, per address
  kOrderCount,     // of placements, per account
  kRequestCount,   // of requests whatever their weight, per address
};

// One fixed window of a venue's rate limits: at most `limit` per `interval_ns`, counted from
// multiples of the interval on the venue's clock.
struct BudgetWindow {
  BudgetKind kind = BudgetKind::kRequestWeight;
  int64_t interval_ns = 60'000'000'000;
  int64_t limit = 6000;
};

// What must survive a restart: the venue told us to be quiet until then. Ignoring it after a
// restart would turn a pause into a ban.
struct RateBlock {
  int64_t not_before_wall_ns = 0;  // our wall clock; 0 = free
  bool is_ban = false;             // the venue's last resort, not an ordinary limit
  friend bool operator==(const RateBlock&, const RateBlock&) = default;
};

// A window that has no room for a request.
struct BudgetShortage {
  BudgetKind kind = BudgetKind::kRequestWeight;
  int64_t used = 0;
  int64_t limit = 0;
  int64_t window_end_ns = 0;  // counted anew from then on
};

enum class QueryPurpose : uint8_t {
  kOrdinary,
  kProof,  // says what rests and what was filled
};

// Counts what we use of a venue's rate limits and says who may still send.
//
// We count every request when it is sent; whenever the venue states its own count, that one is
// right from then on. A share of each window is reserved for cancels: placements and ordinary
// queries stop at `limit - reserve`, cancels go on to the limit. A cancel is as good as its proof:
// queries for that may use half of the reserve. All times are wall-clock nanoseconds given by
// the caller (`now_ns` on the venue's clock for windows).
//
// Single-threaded.
class RateBudgetTracker {
 public:
  static constexpr int kMaxWindows = 8;

  // `cancel_reserve_ppm`: share of each window that only cancels may use, in millionths.
  explicit RateBudgetTracker(int64_t cancel_reserve_ppm);

  // Adds a window or changes the limit of the one with the same kind and interval.
  void Configure(const BudgetWindow& window);

  // We are about to send this much.
  void Charge(BudgetKind kind, int64_t amount, int64_t now_ns);
  // The venue states how much of a window is used. Unknown windows are ignored.
  void OnVenueCount(BudgetKind kind, int64_t interval_ns, int64_t used, int64_t now_ns);

  // How many placements of this weight every window has room for.
  int64_t PlacementRoom(int64_t weight, int64_t now_ns) const;
  // Room for one placement, a cancel, a query of this weight.
  bool MayPlace(int64_t weight, int64_t now_ns) const { return PlacementRoom(weight, now_ns) > 0; }
  bool MayCancel(int64_t weight, int64_t now_ns);
  bool MayQuery(int64_t weight, int64_t now_ns) const {
    return !QueryShortage(weight, QueryPurpose::kOrdinary, now_ns).has_value();
  }
  // Which window a query has to wait for, the one that ends last; nullopt when there is room.
  std::optional<BudgetShortage> QueryShortage(int64_t weight, QueryPurpose purpose,
                                              int64_t now_ns) const;

  // The venue refused (429, 418): nothing at all is sent before `not_before_wall_ns` on OUR clock.
  // Never shortens a block in force.
  void Block(int64_t not_before_wall_ns, bool is_ban);
  // The venue refused placements only.
  void BlockPlacements(int64_t not_before_wall_ns);
  bool IsBlocked(int64_t wall_ns) const { return wall_ns < block_.not_before_wall_ns; }
  bool ArePlacementsBlocked(int64_t wall_ns) const {
    return IsBlocked(wall_ns) || wall_ns < placements_not_before_wall_ns_;
  }
  RateBlock block() const { return block_; }
  void ImportBlock(const RateBlock& block) { Block(block.not_before_wall_ns, block.is_ban); }

  struct Usage {
    int64_t used = 0;
    int64_t limit = 0;
  };
  // The shortest window of a kind; zeros when there is none.
  Usage UsageOf(BudgetKind kind, int64_t now_ns) const;

 private:
  struct Counter {
    BudgetWindow window;
    int64_t window_index = 0;
    int64_t used = 0;
  };
  int64_t UsedIn(const Counter& counter, int64_t now_ns) const;
  // `kept_ppm`: share of each window that stays untouched.
  static int64_t Left(const Counter& counter, int64_t used, int64_t kept_ppm);
  static bool Fits(const Counter& counter, int64_t used, int64_t amount, int64_t kept_ppm) {
    return amount <= Left(counter, used, kept_ppm);
  }
  bool HasRoom(BudgetKind kind, int64_t amount, int64_t now_ns, int64_t kept_ppm) const;

  const int64_t cancel_reserve_ppm_;
  StaticVector<Counter, kMaxWindows> counters_;
  RateBlock block_;
  int64_t placements_not_before_wall_ns_ = 0;
};

}  // namespace holdfast
