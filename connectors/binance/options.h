#pragma once

#include <cstdint>
#include <string>

#include "connectors/net/rate_budget.h"
#include "connectors/net/secret_text.h"
#include "engine/base/clock.h"

namespace holdfast {

// How to reach Binance Spot. Public data needs the addresses only; the gateway also needs a key.
struct BinanceOptions {
  std::string rest_url = "https://api.binance.com";
  std::string websocket_api_url = "wss://ws-api.binance.com:443/ws-api/v3";
  std::string stream_url = "wss://stream.binance.com:9443";
  std::string ca_file = {};  // PEM of the authorities to trust; empty = the system's

  // Exactly one of the two secrets for the gateway: with Ed25519 the session is logged on once and
  // requests need no signature, with HMAC each request is signed.
  std::string api_key = {};
  SecretText hmac_secret = {};
  SecretText ed25519_private_key_pem = {};

  // For how long after sending the venue may still accept a request, 1..60000. It bounds how late a
  // lost order can come to life.
  int64_t recv_window_ms = 2000;
  // For how long an answer is waited for before the outcome counts as ambiguous.
  int64_t request_timeout_ms = 5000;
  // After a submission's expiry, how long until "no such order" is believed.
  int64_t visibility_lag_ms = 1000;
  // "EXPIRE_MAKER", ...; empty leaves it to the account's default.
  std::string self_trade_prevention_mode = {};

  // Orders over the WS API; false = over REST only (the WS API still carries the user stream).
  bool uses_websocket_orders = true;
  // Orders over REST while the WS API is down.
  bool has_rest_fallback = true;

  int64_t reconnect_initial_ms = 100;
  int64_t reconnect_max_ms = 30'000;
  int64_t ping_interval_ms = 10'000;
  int64_t pong_timeout_ms = 5000;       // for any byte after our ping
  int64_t silence_timeout_ms = 60'000;  // the venue itself pings every 20 s
  // Connections are renewed before the venue ends them at 24 hours.
  int64_t connection_lifetime_ms = 23 * 3'600'000;
  // The clock offset is measured again, the filters are read again.
  int64_t clock_sync_period_ms = 60'000;
  int64_t filter_poll_period_ms = 300'000;

  // Share of each rate limit that only cancels may use, in millionths.
  int64_t cancel_reserve_ppm = 200'000;
  // What an earlier run was told by the venue (see BinanceConnection::rate_block()).
  RateBlock initial_rate_block = {};

  // Of the jitter of reconnects and the masks of WebSocket frames.
  uint64_t prng_seed = 1;
};

// What the venue answers with wall-clock seconds when it names none itself.
inline constexpr int64_t kDefaultRetryAfterNs = 10 * kNanosPerSecond;
inline constexpr int64_t kDefaultBanNs = 120 * kNanosPerSecond;

}  // namespace holdfast
