#pragma once

#include <cstdint>
#include <optional>

#include "connectors/api/market_feed.h"
#include "engine/market/average_true_range.h"
#include "engine/market/instrument.h"
#include "engine/market/sequenced_book.h"
#include "engine/quoting/quoting_options.h"

namespace holdfast {

// Order book tracker (X3): keeps one instrument's book in sequence, knows when a snapshot has to be
// asked for, and what the touch is.
//
// The touch. The depth stream is batched (100 ms at Binance); the venue's best bid and ask come
// ahead of it with the same update ids. While a BookTop is newer than the last depth update, it is
// the touch; as soon as the depth stream has caught up, the book is. A BookTop never makes an
// unusable book quotable.
//
// ATR: the mid of every change of the touch is a price (G5). Public trades are counted only: a
// print through the spread is no move of the market.
//
// One thread. Times: `now_ns` is monotonic; freshness is judged by when messages were handed to us,
// so that a wall clock that jumps does not make a book stale.
class MarketTracker final : public MarketSink {
 public:
  MarketTracker(const Instrument& instrument, const QuotingOptions& options);

  void OnDepthSnapshot(const DepthSnapshot& snapshot) override;
  void OnDepthUpdate(const DepthUpdate& update) override;
  void OnBookTop(const BookTop& top) override;
  void OnPublicTrade(const PublicTrade& trade) override;
  void OnFeedConnection(InstrumentId instrument, bool is_up, int64_t receive_time_ns) override;

  // Before messages are handed over: the turn's time.
  void BeginTurn(int64_t now_ns, int64_t wall_ns) {
    now_ns_ = now_ns;
    wall_ns_ = wall_ns;
    change_receive_time_ns_ = 0;
  }

  struct Touch {
    Price bid_price;
    Quantity bid_quantity;
    Price ask_price;
    Quantity ask_quantity;
    friend bool operator==(const Touch&, const Touch&) = default;
  };
  // Judges the book as of this turn, once, after its messages. True when the touch or its being
  // quotable has changed since the last time.
  bool Evaluate();
  // As of the last Evaluate(): the touch when the book may be quoted on, else why it may not.
  const std::optional<Touch>& quotable_touch() const { return quotable_touch_; }
  std::optional<BookProblem> problem() const { return problem_; }
  // True when the feed should be asked for a snapshot now (again after `snapshot_retry_ns`).
  bool ShouldRequestSnapshot();
  // Nothing about the book can be relied on any more (filters changed).
  void Reset();

  bool is_feed_up() const { return is_feed_up_; }
  const Book& book() const { return book_.book(); }
  uint64_t gap_count() const { return book_.gap_count(); }
  uint64_t resync_count() const { return book_.resync_count(); }
  uint64_t message_count() const { return message_count_; }
  uint64_t trade_count() const { return trade_count_; }
  Decimal atr_ratio() const { return atr_.ratio(); }
  int64_t last_receive_time_ns() const { return last_receive_time_ns_; }
  // When the first message of this turn that changed the touch was received; 0 = none did. What
  // latency is measured from: a lost feed or a book gone stale is no message.
  int64_t change_receive_time_ns() const { return change_receive_time_ns_; }
  // Monotonic time at which the book becomes stale if nothing more comes.
  int64_t stale_at_ns() const { return last_message_at_ns_ + stale_after_ns_; }

 private:
  void OnResult(SequencedBook::Result result);
  void AfterMessage(int64_t receive_time_ns);
  void NoteTouch(int64_t receive_time_ns);
  Touch CurrentTouch() const;
  std::optional<BookProblem> FindProblem(const Touch& touch) const;

  InstrumentId instrument_;
  int64_t stale_after_ns_;
  int64_t snapshot_retry_ns_;
  SequencedBook book_;
  AverageTrueRange atr_;
  BookTop top_;
  Touch last_touch_;
  std::optional<Touch> quotable_touch_;
  std::optional<BookProblem> problem_ = BookProblem::kNoSnapshot;
  bool has_changed_ = false;
  bool is_feed_up_ = false;
  bool needs_snapshot_ = true;
  int64_t snapshot_asked_at_ns_ = 0;
  int64_t now_ns_ = 0;
  int64_t wall_ns_ = 0;
  int64_t last_message_at_ns_ = 0;
  int64_t last_receive_time_ns_ = 0;
  int64_t change_receive_time_ns_ = 0;
  uint64_t message_count_ = 0;
  uint64_t trade_count_ = 0;
};

}  // namespace holdfast
