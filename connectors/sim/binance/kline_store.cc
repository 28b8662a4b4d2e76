#include "connectors/sim/binance/kline_store.h"

#include <algorithm>

#include "engine/base/clock.h"

namespace holdfast::sim {
namespace {

constexpr int64_t kMinuteNs = 60 * kNanosPerSecond;

void Merge(Kline& into, const Kline& bar) {
  into.high = std::max(into.high, bar.high);
  into.low = std::min(into.low, bar.low);
  into.close = bar.close;
  into.volume += bar.volume;
  into.quote_volume += bar.quote_volume;
  into.taker_buy_volume += bar.taker_buy_volume;
  into.taker_buy_quote += bar.taker_buy_quote;
  into.trade_count += bar.trade_count;
}

}  // namespace

std::optional<int64_t> KlineIntervalNs(std::string_view text) {
  struct Row {
    std::string_view text;
    int64_t minutes;
  };
  constexpr Row kRows[] = {{"1m", 1},    {"3m", 3},    {"5m", 5},   {"15m", 15}, {"30m", 30},
                           {"1h", 60},   {"2h", 120},  {"4h", 240}, {"6h", 360}, {"8h", 480},
                           {"12h", 720}, {"1d", 1440}, {"3d", 4320}};
  for (const Row& row : kRows) {
    if (row.text == text) return row.minutes * kMinuteNs;
  }
  return std::nullopt;
}

void KlineStore::OnTrade(const SimPublicTrade& trade) {
  const size_t index = trade.instrument.value();
  if (bars_.size() <= index) bars_.resize(index + 1);
  std::deque<Kline>& bars = bars_[index];
  Kline bar{.open_time_ns = trade.time_ns / kMinuteNs * kMinuteNs,
            .open = trade.price,
            .high = trade.price,
            .low = trade.price,
            .close = trade.price,
            .volume = trade.quantity,
            .quote_volume = trade.quote_quantity,
            .taker_buy_volume = {},
            .taker_buy_quote = {},
            .trade_count = 1};
  if (trade.aggressor == Side::kBuy) {
    bar.taker_buy_volume = trade.quantity;
    bar.taker_buy_quote = trade.quote_quantity;
  }
  if (!bars.empty() && bars.back().open_time_ns >= bar.open_time_ns) {
    Merge(bars.back(), bar);
    return;
  }
  bars.push_back(bar);
  if (bars.size() > kMaxBars) bars.pop_front();
}

std::vector<Kline> KlineStore::Read(InstrumentId instrument, int64_t interval_ns, int64_t start_ns,
                                    int64_t end_ns, size_t limit) const {
  std::vector<Kline> result;
  if (instrument.value() >= bars_.size()) return result;
  for (const Kline& bar : bars_[instrument.value()]) {
    const int64_t open_ns = bar.open_time_ns / interval_ns * interval_ns;
    if (open_ns < start_ns || open_ns > end_ns) continue;
    if (!result.empty() && result.back().open_time_ns == open_ns) {
      Merge(result.back(), bar);
      continue;
    }
    result.push_back(bar);
    result.back().open_time_ns = open_ns;
  }
  if (result.size() > limit) result.erase(result.begin(), result.end() - limit);
  return result;
}

}  // namespace holdfast::sim
