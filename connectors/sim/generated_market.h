#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "engine/base/decimal.h"
#include "engine/market/instrument.h"

namespace holdfast {

// A market made from a seed: background makers keep a two-sided book round a moving fair price and
// background takers trade against it, in the same matching engine as everybody else.
//
// The fair price is a random walk with drift. Regimes (calm, trending up, trending down, volatile)
// follow each other with random durations; now and then it gaps. Takers arrive as a Poisson-like
// process, in bursts in volatile regimes and more on the side of the trend.
struct GeneratedMarketConfig {
  uint64_t seed = 1;
  Decimal start_price = {};       // required, positive
  int32_t level_count = 20;       // per side that the makers keep
  int64_t half_spread_ticks = 1;  // from the fair price to the makers' best level, at least 1
  int64_t level_step_ticks = 5;   // mean distance between levels
  Decimal level_quantity = {};    // mean size of a maker's order; zero = 50 minimum sizes
  Decimal taker_quantity = {};    // mean size of a taker's order; zero = level_quantity / 4
  int64_t maker_interval_ns = 5'000'000;    // mean time between two makers' actions
  int64_t taker_interval_ns = 100'000'000;  // mean time between two takers' orders when calm
  int64_t step_interval_ns = 10'000'000;    // the fair price moves this often
  // Per square root of a second, in millionths of the price, when calm; volatile is four times it.
  int64_t volatility_ppm = 100;
  int64_t trend_ppm_per_second = 40;            // drift of a trending regime
  int64_t regime_interval_ns = 20'000'000'000;  // mean length of a regime
  int64_t gap_interval_ns = 300'000'000'000;    // mean time between two gaps; 0 = none
  int64_t gap_ppm = 1500;                       // mean size of a gap
};

absl::Status Validate(const GeneratedMarketConfig& config, const Instrument& instrument);

}  // namespace holdfast
