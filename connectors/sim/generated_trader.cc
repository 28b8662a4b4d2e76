#include "connectors/sim/generated_trader.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast {
namespace {

constexpr int kVolatileFactor = 4;

// -ln(u) x 1024 for u = 2^-k .. in sixteenths of an octave: enough for waiting times.
constexpr int64_t kLn2Times1024 = 710;

int64_t IntegerSquareRoot(int64_t value) {
  int64_t low = 0;
  int64_t high = int64_t{1} << 31;
  while (low < high) {
    const int64_t middle = (low + high + 1) / 2;
    if (middle <= value / middle) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace

absl::Status Validate(const GeneratedMarketConfig& config, const Instrument& instrument) {
  const auto bad = [&](const char* field) {
    return absl::InvalidArgumentError(absl::StrCat("generated market: field=", field));
  };
  if (!config.start_price.is_positive()) return bad("start_price");
  if (config.start_price < instrument.tick_size * 100) return bad("start_price");
  if (config.level_count < 1 || config.level_count > 1000) return bad("level_count");
  if (config.half_spread_ticks < 1) return bad("half_spread_ticks");
  if (config.level_step_ticks < 1) return bad("level_step_ticks");
  if (config.level_quantity.is_negative()) return bad("level_quantity");
  if (config.taker_quantity.is_negative()) return bad("taker_quantity");
  if (config.maker_interval_ns < 1000) return bad("maker_interval_ns");
  if (config.taker_interval_ns < 1000) return bad("taker_interval_ns");
  if (config.step_interval_ns < 1000) return bad("step_interval_ns");
  if (config.volatility_ppm < 0 || config.volatility_ppm > 100'000) return bad("volatility_ppm");
  if (config.trend_ppm_per_second < 0 || config.trend_ppm_per_second > 100'000) {
    return bad("trend_ppm_per_second");
  }
  if (config.regime_interval_ns < 1000) return bad("regime_interval_ns");
  if (config.gap_interval_ns < 0) return bad("gap_interval_ns");
  if (config.gap_ppm < 0 || config.gap_ppm > 500'000) return bad("gap_ppm");
  return absl::OkStatus();
}

GeneratedTrader::GeneratedTrader(const GeneratedMarketConfig& config, const Units& units,
                                 int64_t now_ns)
    : config_(config), units_(units), prng_(config.seed) {
  fair_micro_ticks_ = config.start_price.units() / units.price_grid.units() * kMicro;
  level_lots_ = config.level_quantity.units() / units.quantity_grid.units();
  taker_lots_ = config.taker_quantity.units() / units.quantity_grid.units();
  if (level_lots_ == 0) level_lots_ = units.lot_step * 50'000;
  if (taker_lots_ == 0) taker_lots_ = std::max<int64_t>(level_lots_ / 4, units.lot_step);
  // Deviation per step = deviation per root second x sqrt(step in seconds).
  const int64_t root_micro = IntegerSquareRoot(config.step_interval_ns * 1000);  // 10^-6 root s
  step_deviation_ppb_ = config.volatility_ppm * root_micro / 1000;
  resting_.resize(static_cast<size_t>(config.level_count) * 2);
  next_step_ns_ = now_ns + config.step_interval_ns;
  next_maker_ns_ = now_ns + Interval(config.maker_interval_ns);
  next_taker_ns_ = now_ns + Interval(config.taker_interval_ns);
  next_regime_ns_ = now_ns + Interval(config.regime_interval_ns);
  next_gap_ns_ =
      config.gap_interval_ns == 0 ? INT64_MAX : now_ns + Interval(config.gap_interval_ns);
}

// --- draws -------------------------------------------------------------------------------------

int64_t GeneratedTrader::Interval(int64_t mean_ns) {
  // -ln(u) = ln 2 x (leading zeros) + remainder; the remainder is uniform between two powers.
  const uint64_t draw = prng_.Next() | 1;
  const int64_t zeros = std::countl_zero(draw);
  const uint64_t mantissa = zeros == 63 ? 0 : draw << (zeros + 1);
  const auto fraction = static_cast<int64_t>(mantissa >> 54);  // 0..1023 within the octave
  const int64_t log_times_1024 = kLn2Times1024 * (zeros + 1) - kLn2Times1024 * fraction / 1024;
  return std::max<int64_t>(
      1, static_cast<int64_t>(static_cast<__int128>(mean_ns) * log_times_1024 / 1024));
}

int64_t GeneratedTrader::Size(int64_t mean_lots) {
  const int64_t lots = Interval(mean_lots) / units_.lot_step * units_.lot_step;
  return std::clamp<int64_t>(lots, units_.lot_step, mean_lots * 20);
}

int64_t GeneratedTrader::Bell(int64_t deviation) {
  if (deviation == 0) return 0;
  int64_t sum = 0;  // of 12 draws in [-deviation/2, deviation/2]: standard deviation = deviation
  for (int i = 0; i < 12; ++i) sum += prng_.Between(-deviation, deviation);
  return sum / 2;
}

// --- the fair price ----------------------------------------------------------------------------

void GeneratedTrader::ChangeRegime() {
  static constexpr std::array<Regime, 8> kMix = {
      Regime::kCalm,      Regime::kCalm,    Regime::kCalm,      Regime::kTrendUp,
      Regime::kTrendDown, Regime::kTrendUp, Regime::kTrendDown, Regime::kVolatile};
  regime_ = kMix[prng_.Below(kMix.size())];
}

void GeneratedTrader::StepFairPrice() {
  int64_t deviation_ppb = step_deviation_ppb_;
  if (regime_ == Regime::kVolatile) deviation_ppb *= kVolatileFactor;
  int64_t move_ppb = Bell(deviation_ppb);
  const int64_t drift_ppb =
      config_.trend_ppm_per_second * 1000 * (config_.step_interval_ns / 1000) / 1'000'000;
  if (regime_ == Regime::kTrendUp) move_ppb += drift_ppb;
  if (regime_ == Regime::kTrendDown) move_ppb -= drift_ppb;
  if (next_gap_ns_ <= next_step_ns_) {
    const int64_t gap_ppb = Interval(std::max<int64_t>(config_.gap_ppm, 1)) * 1000;
    const int64_t bounded_ppb = std::min<int64_t>(gap_ppb, 200'000'000);
    move_ppb += prng_.Chance(1, 2) ? bounded_ppb : -bounded_ppb;
    next_gap_ns_ = next_step_ns_ + Interval(config_.gap_interval_ns);
  }
  fair_micro_ticks_ +=
      static_cast<int64_t>(static_cast<__int128>(fair_micro_ticks_) * move_ppb / kNanosPerSecond);
  // Pulled back softly before it leaves the range of a tenth to ten times the start.
  const int64_t start = config_.start_price.units() / units_.price_grid.units() * kMicro;
  fair_micro_ticks_ = std::clamp(fair_micro_ticks_, start / 10, start * 10);
  next_step_ns_ += config_.step_interval_ns;
}

// --- orders ------------------------------------------------------------------------------------

uint32_t GeneratedTrader::NextTag() {
  const uint32_t tag = next_tag_ | units_.tag_bit;
  next_tag_ = next_tag_ + 1 == units_.tag_bit ? 1 : next_tag_ + 1;
  return tag;
}

int64_t GeneratedTrader::LevelPrice(Side side, int64_t level) {
  const int64_t step = units_.tick_step;
  const int64_t fair = fair_micro_ticks_ / kMicro;
  int64_t distance = config_.half_spread_ticks + level * config_.level_step_ticks;
  if (level > 0) distance += prng_.Between(0, config_.level_step_ticks - 1);
  // Onto the tick away from the fair price.
  const int64_t down = fair / step * step;
  const int64_t ticks = side == Side::kBuy ? down - (distance - 1) * step : down + distance * step;
  return std::max(ticks, step);
}

void GeneratedTrader::PlaceMaker(Port& port, size_t slot) {
  const auto count = static_cast<size_t>(config_.level_count);
  const Side side = slot < count ? Side::kBuy : Side::kSell;
  Resting& resting = resting_[slot];
  HF_ASSERT(resting.handle == 0);
  const EngineOrder order{.tag = NextTag(),
                          .owner = units_.owner,
                          .group = units_.owner,
                          .side = side,
                          .kind = EngineOrderKind::kLimit,
                          .self_trade = SelfTradeMode::kNone,
                          .price_ticks = LevelPrice(side, static_cast<int64_t>(slot % count)),
                          .lots = Size(level_lots_)};
  const EngineResult result = port.Place(order);
  // Somebody's stale order may have been in the way and is filled now: that is adverse selection.
  if (result.outcome != EngineOutcome::kRests) return;
  resting = {.handle = result.handle, .tag = order.tag, .side = side, .ticks = order.price_ticks};
}

void GeneratedTrader::CancelMaker(Port& port, size_t slot) {
  Resting& resting = resting_[slot];
  if (resting.handle == 0) return;
  port.Cancel(resting.side, resting.ticks, resting.handle, resting.tag);
  resting = Resting{};
}

void GeneratedTrader::Start(Port& port) {
  for (size_t slot = 0; slot < resting_.size(); ++slot) PlaceMaker(port, slot);
}

// One maker acts: orders that stand on the wrong side of the fair price first, then holes near the
// touch, else a random order is moved.
void GeneratedTrader::Make(Port& port) {
  const int64_t fair = fair_micro_ticks_ / kMicro;
  const auto count = static_cast<size_t>(config_.level_count);
  for (size_t slot = 0; slot < resting_.size(); ++slot) {
    const Resting& resting = resting_[slot];
    if (resting.handle == 0) continue;
    const bool is_through =
        resting.side == Side::kBuy ? resting.ticks > fair : resting.ticks <= fair;
    if (is_through) CancelMaker(port, slot);
  }
  // The touch is looked after at once, then the nearest hole on a random side.
  for (const size_t touch : {size_t{0}, count}) {
    if (resting_[touch].handle == 0) PlaceMaker(port, touch);
  }
  const size_t first_side = prng_.Below(2) * count;
  for (const size_t base : {first_side, count - first_side}) {
    for (size_t level = 0; level < count; ++level) {
      if (resting_[base + level].handle != 0) continue;
      return PlaceMaker(port, base + level);
    }
  }
  const size_t slot = prng_.Below(resting_.size());
  CancelMaker(port, slot);
  PlaceMaker(port, slot);
}

void GeneratedTrader::Take(Port& port) {
  uint64_t buy_per_mille = 500;
  if (regime_ == Regime::kTrendUp) buy_per_mille = 700;
  if (regime_ == Regime::kTrendDown) buy_per_mille = 300;
  const Side side = prng_.Chance(buy_per_mille, 1000) ? Side::kBuy : Side::kSell;
  // Not at any price: a few levels deep at most, so that a lonely far order is not hit.
  const int64_t reach =
      (config_.half_spread_ticks + config_.level_step_ticks * config_.level_count) *
      units_.tick_step;
  const int64_t fair = fair_micro_ticks_ / kMicro / units_.tick_step * units_.tick_step;
  port.Place({.tag = NextTag(),
              .owner = units_.owner,
              .group = units_.owner,
              .side = side,
              .kind = EngineOrderKind::kImmediateOrCancel,
              .self_trade = SelfTradeMode::kNone,
              .price_ticks = std::max<int64_t>(side == Side::kBuy ? fair + reach : fair - reach,
                                               units_.tick_step),
              .lots = Size(taker_lots_)});
}

void GeneratedTrader::OnMakerFill(uint32_t tag, int64_t lots_left) {
  if (lots_left > 0) return;
  for (Resting& resting : resting_) {
    if (resting.tag == tag) resting = Resting{};
  }
}

// --- time --------------------------------------------------------------------------------------

int64_t GeneratedTrader::next_time_ns() const {
  return std::min({next_step_ns_, next_maker_ns_, next_taker_ns_, next_regime_ns_});
}

void GeneratedTrader::Step(Port& port) {
  const int64_t now_ns = next_time_ns();
  if (next_regime_ns_ == now_ns) {
    ChangeRegime();
    next_regime_ns_ = now_ns + Interval(config_.regime_interval_ns);
  } else if (next_step_ns_ == now_ns) {
    StepFairPrice();
  } else if (next_maker_ns_ == now_ns) {
    Make(port);
    next_maker_ns_ = now_ns + Interval(config_.maker_interval_ns);
  } else {
    Take(port);
    const bool is_burst = regime_ == Regime::kVolatile;
    next_taker_ns_ =
        now_ns + Interval(is_burst ? config_.taker_interval_ns / 5 : config_.taker_interval_ns);
  }
}

}  // namespace holdfast
