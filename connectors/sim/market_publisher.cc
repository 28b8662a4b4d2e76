#include "connectors/sim/market_publisher.h"

#include <algorithm>

#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast {

MarketPublisher::MarketPublisher(const Grid& grid, int64_t depth_interval_ns,
                                 int64_t first_update_id, int64_t first_trade_id,
                                 int32_t max_recent_trades)
    : grid_(grid),
      depth_interval_ns_(depth_interval_ns),
      last_update_id_(first_update_id - 1),
      published_update_id_(first_update_id - 1),
      next_trade_id_(first_trade_id),
      max_recent_trades_(static_cast<size_t>(max_recent_trades)) {
  HF_ASSERT(depth_interval_ns > 0);
  HF_ASSERT(max_recent_trades > 0);
  published_top_.instrument = grid.instrument;
}

void MarketPublisher::MarkChanged(Side side, int64_t ticks, int64_t now_ns) {
  ++last_update_id_;
  const std::pair<Side, int64_t> level(side, ticks);
  if (changed_.empty() || changed_.back() != level) changed_.push_back(level);
  if (!depth_due_ns_.has_value()) {
    depth_due_ns_ = (now_ns / depth_interval_ns_ + 1) * depth_interval_ns_;
  }
}

SimDepthDiff MarketPublisher::TakeDiff(const MarketBook& book, int64_t now_ns) {
  HF_ASSERT(depth_due_ns_.has_value());
  std::sort(changed_.begin(), changed_.end());
  changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
  diff_bids_.clear();
  diff_asks_.clear();
  for (const auto& [side, ticks] : changed_) {
    const SimLevel level = LevelOf(ticks, book.LotsAt(side, ticks));
    (side == Side::kBuy ? diff_bids_ : diff_asks_).push_back(level);
  }
  std::reverse(diff_bids_.begin(), diff_bids_.end());
  changed_.clear();
  depth_due_ns_.reset();
  const SimDepthDiff diff{.instrument = grid_.instrument,
                          .first_update_id = published_update_id_ + 1,
                          .last_update_id = last_update_id_,
                          .time_ns = now_ns,
                          .bids = diff_bids_,
                          .asks = diff_asks_};
  published_update_id_ = last_update_id_;
  return diff;
}

SimBookTop MarketPublisher::Top(const MarketBook& book, int64_t now_ns) const {
  SimBookTop top{.instrument = grid_.instrument,
                 .update_id = last_update_id_,
                 .bid = {},
                 .ask = {},
                 .time_ns = now_ns};
  if (const std::optional<int64_t> bid = book.best(Side::kBuy)) {
    top.bid = LevelOf(*bid, book.LotsAt(Side::kBuy, *bid));
  }
  if (const std::optional<int64_t> ask = book.best(Side::kSell)) {
    top.ask = LevelOf(*ask, book.LotsAt(Side::kSell, *ask));
  }
  return top;
}

std::optional<SimBookTop> MarketPublisher::TakeTopChange(const MarketBook& book, int64_t now_ns) {
  if (published_top_.update_id == last_update_id_) return std::nullopt;
  const SimBookTop top = Top(book, now_ns);
  const bool is_changed = top.bid != published_top_.bid || top.ask != published_top_.ask;
  published_top_ = top;
  if (!is_changed) return std::nullopt;
  return top;
}

SimDepth MarketPublisher::Depth(const MarketBook& book, int32_t limit) const {
  SimDepth depth{.last_update_id = last_update_id_, .bids = {}, .asks = {}};
  const size_t count = limit <= 0 ? SIZE_MAX : static_cast<size_t>(limit);
  const auto collect = [&](Side side, std::vector<SimLevel>& out) {
    book.ForEachLevel(side, [&](int64_t ticks, int64_t lots) {
      out.push_back(LevelOf(ticks, lots));
      return out.size() < count;
    });
  };
  collect(Side::kBuy, depth.bids);
  collect(Side::kSell, depth.asks);
  return depth;
}

const SimPublicTrade& MarketPublisher::AddTrade(int64_t ticks, int64_t lots, Side aggressor,
                                                VenueOrderId buyer_order_id,
                                                VenueOrderId seller_order_id, int64_t now_ns) {
  const Decimal price = PriceOf(ticks);
  const Decimal quantity = QuantityOf(lots);
  recent_.push_back({.instrument = grid_.instrument,
                     .trade_id = VenueTradeId(next_trade_id_++),
                     .price = price,
                     .quantity = quantity,
                     .quote_quantity = Multiply(price, quantity, Rounding::kNearest),
                     .aggressor = aggressor,
                     .buyer_order_id = buyer_order_id,
                     .seller_order_id = seller_order_id,
                     .time_ns = now_ns});
  if (recent_.size() > max_recent_trades_) recent_.pop_front();
  last_price_ = price;
  AddToTicker(recent_.back());
  return recent_.back();
}

void MarketPublisher::AddToTicker(const SimPublicTrade& trade) {
  const int64_t minute = trade.time_ns / (60 * kNanosPerSecond);
  if (minutes_.empty() || minutes_.back().minute != minute) {
    while (!minutes_.empty() && minutes_.front().minute <= minute - kTickerMinutes) {
      minutes_.pop_front();
    }
    minutes_.push_back({.minute = minute,
                        .open = trade.price,
                        .high = trade.price,
                        .low = trade.price,
                        .first_trade_id = trade.trade_id.value()});
  }
  Minute& row = minutes_.back();
  row.high = std::max(row.high, trade.price);
  row.low = std::min(row.low, trade.price);
  row.last = trade.price;
  row.last_quantity = trade.quantity;
  row.volume += trade.quantity;
  row.quote_volume += trade.quote_quantity;
  row.last_trade_id = trade.trade_id.value();
  ++row.trade_count;
}

std::vector<SimPublicTrade> MarketPublisher::RecentTrades(int32_t limit) const {
  if (limit <= 0) return {};
  const size_t count = std::min(recent_.size(), static_cast<size_t>(limit));
  return {recent_.end() - static_cast<std::ptrdiff_t>(count), recent_.end()};
}

SimTicker MarketPublisher::Ticker(int64_t now_ns) const {
  SimTicker ticker{.close_time_ns = now_ns};
  const int64_t oldest = now_ns / (60 * kNanosPerSecond) - kTickerMinutes;
  ticker.open_time_ns = (oldest + 1) * 60 * kNanosPerSecond;
  for (const Minute& row : minutes_) {
    if (row.minute <= oldest) continue;
    if (ticker.trade_count == 0) {
      ticker.open = row.open;
      ticker.high = row.high;
      ticker.low = row.low;
      ticker.first_trade_id = VenueTradeId(row.first_trade_id);
    }
    ticker.high = std::max(ticker.high, row.high);
    ticker.low = std::min(ticker.low, row.low);
    ticker.last = row.last;
    ticker.last_quantity = row.last_quantity;
    ticker.volume += row.volume;
    ticker.quote_volume += row.quote_volume;
    ticker.last_trade_id = VenueTradeId(row.last_trade_id);
    ticker.trade_count += row.trade_count;
  }
  return ticker;
}

}  // namespace holdfast
