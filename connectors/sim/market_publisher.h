#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "connectors/sim/market_book.h"
#include "connectors/sim/sim_types.h"

namespace holdfast {

// Turns changes of one instrument's book into numbered public data: depth differences per interval,
// the best bid and ask, public trades, the 24 hour ticker. Holds no book of its own: a difference
// reads the present size of each level that changed.
class MarketPublisher {
 public:
  struct Grid {
    InstrumentId instrument;
    Decimal price;
    Decimal quantity;
  };

  MarketPublisher(const Grid& grid, int64_t depth_interval_ns, int64_t first_update_id,
                  int64_t first_trade_id, int32_t max_recent_trades);

  Decimal PriceOf(int64_t ticks) const { return grid_.price * ticks; }
  Decimal QuantityOf(int64_t lots) const { return grid_.quantity * lots; }
  SimLevel LevelOf(int64_t ticks, int64_t lots) const {
    return {.price = PriceOf(ticks), .quantity = QuantityOf(lots)};
  }

  // A level changed: one update id.
  void MarkChanged(Side side, int64_t ticks, int64_t now_ns);
  int64_t last_update_id() const { return last_update_id_; }
  // When the pending difference is due; nullopt = nothing changed.
  std::optional<int64_t> depth_due_ns() const { return depth_due_ns_; }
  // The pending difference; its spans are valid until the next call. REQUIRES: one is pending.
  SimDepthDiff TakeDiff(const MarketBook& book, int64_t now_ns);
  // The best bid and ask when they differ from the ones returned before.
  std::optional<SimBookTop> TakeTopChange(const MarketBook& book, int64_t now_ns);
  SimBookTop Top(const MarketBook& book, int64_t now_ns) const;
  SimDepth Depth(const MarketBook& book, int32_t limit) const;

  // Numbers the trade and remembers it.
  const SimPublicTrade& AddTrade(int64_t ticks, int64_t lots, Side aggressor,
                                 VenueOrderId buyer_order_id, VenueOrderId seller_order_id,
                                 int64_t now_ns);
  VenueTradeId next_trade_id() const { return VenueTradeId(next_trade_id_); }
  std::vector<SimPublicTrade> RecentTrades(int32_t limit) const;
  std::optional<Decimal> last_price() const { return last_price_; }
  SimTicker Ticker(int64_t now_ns) const;

 private:
  struct Minute {
    int64_t minute = 0;  // since the epoch
    Decimal open = {}, high = {}, low = {}, last = {};
    Decimal last_quantity = {}, volume = {}, quote_volume = {};
    int64_t first_trade_id = 0;
    int64_t last_trade_id = 0;
    int64_t trade_count = 0;
  };
  static constexpr int64_t kTickerMinutes = 24 * 60;

  void AddToTicker(const SimPublicTrade& trade);

  Grid grid_;
  int64_t depth_interval_ns_;
  int64_t last_update_id_;
  int64_t published_update_id_;
  int64_t next_trade_id_;
  size_t max_recent_trades_;
  std::optional<int64_t> depth_due_ns_;
  std::vector<std::pair<Side, int64_t>> changed_;
  std::vector<SimLevel> diff_bids_;
  std::vector<SimLevel> diff_asks_;
  SimBookTop published_top_;
  std::deque<SimPublicTrade> recent_;
  std::deque<Minute> minutes_;
  std::optional<Decimal> last_price_;
};

}  // namespace holdfast
