#include "engine/quoting/market_tracker.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

AverageTrueRange::Parameters AtrParameters(const QuotingOptions& options) {
  AverageTrueRange::Parameters parameters;
  parameters.bar_length_ns = options.atr_bar_ns;
  parameters.period = options.atr_period;
  parameters.baseline_period = options.atr_baseline_bars;
  parameters.max_empty_bars = options.atr_period;
  return parameters;
}

}  // namespace

MarketTracker::MarketTracker(const Instrument& instrument, const QuotingOptions& options)
    : instrument_(instrument.id),
      stale_after_ns_(options.book_stale_after_ns),
      snapshot_retry_ns_(options.snapshot_retry_ns),
      book_(options.book_stale_after_ns),
      atr_(AtrParameters(options)) {}

void MarketTracker::OnDepthSnapshot(const DepthSnapshot& snapshot) {
  if (snapshot.instrument != instrument_) return;
  needs_snapshot_ = false;
  OnResult(book_.OnSnapshot(snapshot));
  AfterMessage(snapshot.receive_time_ns);
}

void MarketTracker::OnDepthUpdate(const DepthUpdate& update) {
  if (update.instrument != instrument_) return;
  OnResult(book_.OnUpdate(update));
  AfterMessage(update.receive_time_ns);
}

void MarketTracker::OnBookTop(const BookTop& top) {
  if (top.instrument != instrument_) return;
  ++message_count_;
  if (top.update_id <= top_.update_id) return;
  top_ = top;
  NoteTouch(top.receive_time_ns);
}

void MarketTracker::OnPublicTrade(const PublicTrade& trade) {
  if (trade.instrument != instrument_) return;
  ++message_count_;
  ++trade_count_;
}

void MarketTracker::OnFeedConnection(InstrumentId instrument, bool is_up, int64_t) {
  if (instrument != instrument_) return;
  is_feed_up_ = is_up;
  Reset();
}

void MarketTracker::Reset() {
  book_.Reset();
  top_ = BookTop();
  needs_snapshot_ = true;
  snapshot_asked_at_ns_ = 0;
  has_changed_ = true;
}

void MarketTracker::OnResult(SequencedBook::Result result) {
  switch (result) {
    case SequencedBook::Result::kApplied:
    case SequencedBook::Result::kIgnoredOld:
      break;
    case SequencedBook::Result::kBuffered:
      needs_snapshot_ = true;
      break;
    case SequencedBook::Result::kNeedSnapshot:
      // The one that may be on its way can be too old for what is buffered now.
      needs_snapshot_ = true;
      snapshot_asked_at_ns_ = 0;
      has_changed_ = true;
      break;
  }
}

void MarketTracker::AfterMessage(int64_t receive_time_ns) {
  ++message_count_;
  last_message_at_ns_ = now_ns_;
  NoteTouch(receive_time_ns);
}

void MarketTracker::NoteTouch(int64_t receive_time_ns) {
  last_receive_time_ns_ = std::max(last_receive_time_ns_, receive_time_ns);
  if (CurrentTouch() == last_touch_) return;
  has_changed_ = true;
  if (change_receive_time_ns_ == 0) change_receive_time_ns_ = receive_time_ns;
}

MarketTracker::Touch MarketTracker::CurrentTouch() const {
  if (top_.update_id > book_.last_update_id()) {
    return {top_.bid_price, top_.bid_quantity, top_.ask_price, top_.ask_quantity};
  }
  const std::optional<BookLevel> bid = book_.book().best_bid();
  const std::optional<BookLevel> ask = book_.book().best_ask();
  Touch touch;
  if (bid) {
    touch.bid_price = bid->price;
    touch.bid_quantity = bid->quantity;
  }
  if (ask) {
    touch.ask_price = ask->price;
    touch.ask_quantity = ask->quantity;
  }
  return touch;
}

std::optional<BookProblem> MarketTracker::FindProblem(const Touch& touch) const {
  if (!is_feed_up_) return BookProblem::kNoSnapshot;
  // A wall clock set back must not keep a dead book fresh: monotonic time counts as well.
  if (const std::optional<BookProblem> problem = book_.Unquotable(wall_ns_)) return problem;
  if (now_ns_ - last_message_at_ns_ > stale_after_ns_) return BookProblem::kStale;
  if (touch.bid_price.ticks() <= 0 || touch.ask_price.ticks() <= 0) return BookProblem::kOneSided;
  if (touch.bid_price >= touch.ask_price) return BookProblem::kCrossed;
  return std::nullopt;
}

bool MarketTracker::Evaluate() {
  if (has_changed_) last_touch_ = CurrentTouch();
  const std::optional<BookProblem> problem = FindProblem(last_touch_);
  if (!has_changed_ && problem == problem_) return false;
  has_changed_ = false;
  problem_ = problem;
  quotable_touch_.reset();
  if (problem_.has_value()) return true;
  quotable_touch_ = last_touch_;
  const int64_t doubled_mid = last_touch_.bid_price.ticks() + last_touch_.ask_price.ticks();
  atr_.OnPrice(Price::FromTicks(doubled_mid / 2), std::max<int64_t>(0, wall_ns_));
  return true;
}

bool MarketTracker::ShouldRequestSnapshot() {
  if (!is_feed_up_ || !needs_snapshot_) return false;
  if (snapshot_asked_at_ns_ != 0 && now_ns_ - snapshot_asked_at_ns_ < snapshot_retry_ns_) {
    return false;
  }
  snapshot_asked_at_ns_ = std::max<int64_t>(1, now_ns_);
  return true;
}

}  // namespace holdfast
