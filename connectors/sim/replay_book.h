#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "connectors/sim/market_book.h"
#include "connectors/sim/replay_market.h"

namespace holdfast {

// A recorded book with our orders queued in it. The model and its bias: docs/simulated_venue.md.
//
// Two layers. The base is what the recorded depth messages say. The displayed book is the base as
// refined by the latest book-top message when that is newer; what our own takers consumed of a
// displayed level is remembered until a message about that level refreshes it. Our resting orders
// are kept apart, each with the displayed quantity that is still ahead of it.
//
// Prices in ticks and quantities in lots of the instrument's grid. Single-threaded.
class ReplayBook final : public MarketBook {
 public:
  struct RecordedLevel {
    int64_t ticks;
    int64_t lots;  // absolute, zero removes
  };
  // Told about everything that the public sees, besides trades.
  class Observer : public MatchListener {
   public:
    virtual void OnLevelChanged(Side side, int64_t ticks) = 0;
  };
  // A trade print may arrive after the book message that already shows its effect. Shrinkage that
  // moved our orders up is set off against prints for this long (recorded time).
  static constexpr int64_t kLatePrintWindowNs = 500'000'000;

  ReplayBook(QueueModel queue_model, uint32_t max_orders);

  // --- recorded market --------------------------------------------------------------------------
  // The whole base at once. `update_id` as recorded.
  void LoadBase(const std::vector<RecordedLevel>& bids, const std::vector<RecordedLevel>& asks,
                int64_t update_id, int64_t time_ns, Observer& observer);
  void ApplyDepth(const std::vector<RecordedLevel>& bids, const std::vector<RecordedLevel>& asks,
                  int64_t update_id, int64_t time_ns, Observer& observer);
  // Ignored when not newer than the last depth message. Zero lots: that side is empty.
  void ApplyBookTop(const RecordedLevel& bid, const RecordedLevel& ask, int64_t update_id,
                    int64_t time_ns, Observer& observer);
  // Lets a recorded trade fill our orders; returns the lots that it did not give to us.
  int64_t ApplyTrade(int64_t ticks, int64_t lots, Side aggressor, int64_t time_ns,
                     Observer& observer);
  int64_t last_update_id() const { return last_update_id_; }

  // --- orders -----------------------------------------------------------------------------------
  EngineResult Place(const EngineOrder& order, MatchListener& listener) override;
  int64_t Cancel(uint32_t handle, uint32_t tag) override;
  bool Reduce(uint32_t handle, uint32_t tag, int64_t lots) override;
  bool WouldTake(Side side, int64_t ticks) const override;
  bool is_full() const override { return resting_count_ >= max_orders_; }
  std::optional<int64_t> best(Side side) const override;
  int64_t LotsAt(Side side, int64_t ticks) const override;
  void ForEachLevel(Side side, VisitLevel visit) const override;
  void ForEachResting(Side side, VisitResting visit) const override;
  void CheckInvariants() const override;
  // Displayed quantity still ahead of a resting order; for tests.
  std::optional<int64_t> QueueAhead(uint32_t handle, uint32_t tag) const;

 private:
  // Bids are stored under their negated price, so that every map is best first.
  using Key = int64_t;
  static Key KeyOf(Side side, int64_t ticks) { return side == Side::kBuy ? -ticks : ticks; }
  static int64_t TicksOf(Side side, Key key) { return side == Side::kBuy ? -key : key; }

  struct Displayed {
    int64_t lots = 0;
    int64_t consumed = 0;  // by our own takers since the last refresh
    int64_t traded = 0;    // printed since the last refresh
    // Shrinkage that moved our orders up before a print explained it, and until when that counts.
    int64_t prepaid = 0;
    int64_t prepaid_until_ns = 0;
    int64_t available() const { return lots > consumed ? lots - consumed : 0; }
  };
  struct Own {
    int64_t lots = 0;
    int64_t ticks = 0;
    int64_t ahead = 0;
    uint32_t tag = 0;  // 0 = unused
    uint16_t owner = 0;
    uint16_t group = 0;
    Side side = Side::kBuy;
  };
  using OwnQueue = std::vector<uint32_t>;  // handles, first in front
  struct BookSide {
    std::map<Key, int64_t> base;
    std::map<Key, Displayed> displayed;
    std::map<Key, OwnQueue> own;
    RecordedLevel top = {0, 0};
  };
  BookSide& At(Side side) { return sides_[static_cast<size_t>(side)]; }
  const BookSide& At(Side side) const { return sides_[static_cast<size_t>(side)]; }

  // What the base and the book-top message say about a level together.
  int64_t Effective(Side side, Key key) const;
  void Refresh(Side side, Key key, bool is_explicit, Observer& observer);
  // Every level that is at least as good as `worst`.
  void RefreshTo(Side side, Key worst, Observer& observer);
  void MoveUp(OwnQueue& queue, Displayed& level, int64_t old_lots);
  void FillCrossed(Observer& observer);
  void FillCrossedSide(Side side, Observer& observer);
  bool TakeLevel(const EngineOrder& taker, Key key, int64_t& lots_left, MatchListener& listener);
  void TakeDisplayed(const EngineOrder& taker, Key key, int64_t lots, MatchListener& listener);
  bool PreventSelfTrade(const EngineOrder& taker, uint32_t handle, int64_t& lots_left,
                        MatchListener& listener);
  // A recorded taker fills part of our order.
  void FillOwn(uint32_t handle, int64_t lots, MatchListener& listener);
  void Erase(uint32_t handle);
  bool CanFillAll(const EngineOrder& order, int64_t limit_ticks) const;

  QueueModel queue_model_;
  uint32_t max_orders_;
  BookSide sides_[2];
  int64_t last_update_id_ = 0;  // of the base
  int64_t top_update_id_ = 0;   // of the book-top message
  int64_t time_ns_ = 0;
  std::vector<Own> own_;  // [handle]; [0] is unused
  std::vector<uint32_t> free_handles_;
  uint32_t resting_count_ = 0;
};

}  // namespace holdfast
