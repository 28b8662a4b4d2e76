#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>
#include <vector>

#include "connectors/sim/sim_types.h"

namespace holdfast::sim {

struct Kline {
  int64_t open_time_ns = 0;
  Decimal open, high, low, close;
  Decimal volume, quote_volume;
  Decimal taker_buy_volume, taker_buy_quote;
  int64_t trade_count = 0;
};

// "1s", "5m", "1h", "1d", ... as nanoseconds; nullopt = no such interval. Weeks and months are not
// offered.
std::optional<int64_t> KlineIntervalNs(std::string_view text);

// One-minute bars of every instrument since the venue started, at most kMaxBars of each; the oldest
// are dropped. Longer intervals are put together from them.
class KlineStore {
 public:
  static constexpr size_t kMaxBars = 10'000;

  void OnTrade(const SimPublicTrade& trade);
  // Ascending; the latest `limit` bars with start_ns <= open time <= end_ns.
  std::vector<Kline> Read(InstrumentId instrument, int64_t interval_ns, int64_t start_ns,
                          int64_t end_ns, size_t limit) const;

 private:
  std::vector<std::deque<Kline>> bars_;  // by instrument
};

}  // namespace holdfast::sim
