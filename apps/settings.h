#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "connectors/net/secret_text.h"
#include "engine/base/decimal.h"

namespace holdfast {

// Effective configuration of `holdfast serve`, one member per key. The table of keys
// (config_keys.h) says for each member its name, type, unit, range and meaning; nothing else reads
// or writes names. Numbers are exact decimals, also where a strategy goes on with `double`.
struct Settings {
  // [service]
  std::string service_account;
  std::string service_state_dir;
  int64_t service_duration_s = 0;
  int64_t service_stop_timeout_s = 0;
  std::string service_live_view;

  // [venue]
  std::string venue_name;
  std::string venue_rest_url;
  std::string venue_ws_api_url;
  std::string venue_stream_url;
  std::string venue_ca_file;
  SecretText venue_api_key;
  std::string venue_api_key_file;
  SecretText venue_secret_key;
  std::string venue_secret_key_file;
  SecretText venue_ed25519_key;  // PEM, only from the file below
  std::string venue_ed25519_key_file;
  int64_t venue_recv_window_ms = 0;

  // [quoting]
  std::string quoting_symbol;
  std::string quoting_strategy;
  int64_t quoting_book_stale_ms = 0;
  int64_t quoting_reconcile_interval_s = 0;
  bool quoting_cancel_foreign_orders = false;

  // [inventory]
  Decimal inventory_max_position;
  Decimal inventory_target_position;

  // [grid]
  Decimal grid_price_interval;
  Decimal grid_order_quantity;
  int64_t grid_buy_window = 0;
  int64_t grid_sell_window = 0;
  std::string grid_mode;
  std::optional<Decimal> grid_anchor;  // unset: the first live price
  Decimal grid_volatility_scale;
  Decimal grid_skew_factor;
  Decimal grid_minimum_edge_bps;
  Decimal grid_hysteresis_percent;
  int64_t grid_price_tolerance_ticks = 0;

  // [layered]
  int64_t layered_levels = 0;
  Decimal layered_base_spread_percent;
  Decimal layered_price_step_percent;
  Decimal layered_order_size;
  std::string layered_update_mode;
  int64_t layered_threshold_ticks = 0;
  int64_t layered_update_interval_s = 0;

  // [volatility]
  int64_t volatility_bar_s = 0;
  int64_t volatility_period = 0;
  int64_t volatility_baseline_bars = 0;

  // [risk]
  Decimal risk_max_order_quantity;
  Decimal risk_max_order_notional;
  int64_t risk_max_open_orders = 0;
  Decimal risk_max_price_deviation_percent;
  int64_t risk_max_orders_per_second = 0;
  int64_t risk_max_order_burst = 0;
  Decimal risk_minimum_edge_bps;
  int64_t risk_breaker_failures = 0;
  int64_t risk_breaker_open_s = 0;
  Decimal risk_atr_trigger_ratio;
  Decimal risk_atr_clear_ratio;
  Decimal risk_drop_trigger_percent;
  Decimal risk_drop_clear_percent;
  int64_t risk_drop_window_s = 0;
  int64_t risk_clear_hold_s = 0;

  // [cleanup]
  int64_t cleanup_interval_s = 0;
  int64_t cleanup_stale_after_s = 0;
  int64_t cleanup_max_orders = 0;

  // [safety]
  std::optional<Decimal> safety_maker_fee_percent;  // unset: take the venue's word
  int64_t safety_max_clock_skew_ms = 0;

  // [store]
  std::string store_kind;

  // [log]
  std::string log_level;
  std::string log_format;
  std::string log_file;
};

}  // namespace holdfast
