#include "apps/wiring.h"

#include "apps/text.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"
#include "strategy/grid.h"
#include "strategy/layered.h"

namespace holdfast {
namespace {

// 1 percent = 10^-2, 1 basis point = 10^-4; finer than 10^-8 is rounded to nearest.
Decimal FromPercent(Decimal percent) {
  return Divide(percent, Decimal::FromInteger(100), Rounding::kNearest);
}
Decimal FromBasisPoints(Decimal bps) {
  return Divide(bps, Decimal::FromInteger(10'000), Rounding::kNearest);
}

GridParameters MakeGridParameters(const Settings& settings) {
  const std::optional<GridMode> mode = GridModeFromText(settings.grid_mode);
  HF_ASSERT(mode.has_value());  // the table of keys has the same names
  return {
      .price_interval = settings.grid_price_interval,
      .order_quantity = settings.grid_order_quantity,
      .buy_window_size = static_cast<int32_t>(settings.grid_buy_window),
      .sell_window_size = static_cast<int32_t>(settings.grid_sell_window),
      .volatility_scale = settings.grid_volatility_scale,
      .inventory_skew_factor = settings.grid_skew_factor,
      .mode = *mode,
      .anchor = settings.grid_anchor,
      .max_position = settings.inventory_max_position,
      .target_position = settings.inventory_target_position,
      .hysteresis_percent = settings.grid_hysteresis_percent,
      .minimum_edge_bps = settings.grid_minimum_edge_bps,
      .price_tolerance_ticks = settings.grid_price_tolerance_ticks,
  };
}

LayeredParameters MakeLayeredParameters(const Settings& settings) {
  const std::optional<LayeredMode> mode = LayeredModeFromText(settings.layered_update_mode);
  HF_ASSERT(mode.has_value());
  return {
      .levels = static_cast<int32_t>(settings.layered_levels),
      .base_spread_percent = settings.layered_base_spread_percent,
      .price_step_percent = settings.layered_price_step_percent,
      .order_size = settings.layered_order_size,
      .max_position = settings.inventory_max_position,
      .mode = *mode,
      .threshold_ticks = settings.layered_threshold_ticks,
  };
}

}  // namespace

absl::StatusOr<std::unique_ptr<Strategy>> MakeStrategy(const Settings& settings,
                                                       const Instrument& instrument,
                                                       Decimal maker_fee_rate) {
  if (settings.quoting_strategy == "layered") {
    const LayeredParameters parameters = MakeLayeredParameters(settings);
    HF_RETURN_IF_ERROR(Validate(parameters, instrument));
    return std::make_unique<LayeredStrategy>(parameters, instrument);
  }
  HF_ASSERT(settings.quoting_strategy == "grid");
  const GridParameters parameters = MakeGridParameters(settings);
  HF_RETURN_IF_ERROR(Validate(parameters, instrument, maker_fee_rate));
  return std::make_unique<GridStrategy>(parameters, instrument);
}

absl::StatusOr<RiskLimits> MakeRiskLimits(const Settings& settings) {
  RiskLimits limits;
  limits.max_position = settings.inventory_max_position;
  limits.max_order_quantity = settings.risk_max_order_quantity;
  limits.max_order_notional = settings.risk_max_order_notional;
  limits.max_open_orders = static_cast<int32_t>(settings.risk_max_open_orders);
  limits.max_price_deviation = FromPercent(settings.risk_max_price_deviation_percent);
  limits.max_orders_per_second = static_cast<int32_t>(settings.risk_max_orders_per_second);
  limits.max_order_burst = static_cast<int32_t>(settings.risk_max_order_burst);
  limits.min_edge_rate = FromBasisPoints(settings.risk_minimum_edge_bps);
  limits.breaker_failure_count = static_cast<int32_t>(settings.risk_breaker_failures);
  limits.breaker_open_ns = settings.risk_breaker_open_s * kNanosPerSecond;
  limits.atr_ratio_trigger = settings.risk_atr_trigger_ratio;
  limits.atr_ratio_clear = settings.risk_atr_clear_ratio;
  limits.drop_trigger = FromPercent(settings.risk_drop_trigger_percent);
  limits.drop_clear = FromPercent(settings.risk_drop_clear_percent);
  limits.drop_window_ns = settings.risk_drop_window_s * kNanosPerSecond;
  limits.clear_hold_ns = settings.risk_clear_hold_s * kNanosPerSecond;
  HF_RETURN_IF_ERROR(Validate(limits));
  return limits;
}

absl::StatusOr<QuotingOptions> MakeQuotingOptions(const Settings& settings) {
  QuotingOptions options;
  options.book_stale_after_ns = settings.quoting_book_stale_ms * kNanosPerMilli;
  options.reconcile_interval_ns = settings.quoting_reconcile_interval_s * kNanosPerSecond;
  options.cancel_foreign_orders = settings.quoting_cancel_foreign_orders;
  options.atr_bar_ns = settings.volatility_bar_s * kNanosPerSecond;
  options.atr_period = static_cast<int32_t>(settings.volatility_period);
  options.atr_baseline_bars = static_cast<int32_t>(settings.volatility_baseline_bars);
  options.cleanup_interval_ns = settings.cleanup_interval_s * kNanosPerSecond;
  options.stale_order_age_ns = settings.cleanup_stale_after_s * kNanosPerSecond;
  options.cleanup_order_count = static_cast<int32_t>(settings.cleanup_max_orders);
  options.max_clock_skew_ns = settings.safety_max_clock_skew_ms * kNanosPerMilli;
  options.target_position = settings.inventory_target_position;
  if (settings.quoting_strategy == "layered") {
    options.market_decide_interval_ns = settings.layered_update_interval_s * kNanosPerSecond;
  }
  if (settings.safety_maker_fee_percent.has_value()) {
    options.configured_maker_fee_rate = FromPercent(*settings.safety_maker_fee_percent);
  }
  HF_RETURN_IF_ERROR(Validate(options));
  return options;
}

SimpleEngineOptions MakeEngineOptions(const Settings& settings, const Instrument& instrument) {
  SimpleEngineOptions options;
  options.store.venue_name = settings.venue_name;
  options.store.account_name = settings.service_account;
  options.store.instrument = instrument;
  options.store.are_lines_prices = settings.quoting_strategy == "grid";
  if (settings.store_kind == "sqlite") {
    options.store.path = Concat(settings.service_state_dir, "/holdfast.db");
  }
  return options;
}

}  // namespace holdfast
