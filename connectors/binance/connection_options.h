#pragma once

#include "connectors/binance/options.h"
#include "connectors/net/backoff.h"
#include "connectors/net/websocket_client.h"

namespace holdfast {

// The options that concern every connection to the venue, in the form that connectors/net wants.

inline WebSocketClient::Options WebSocketOptionsOf(const BinanceOptions& options) {
  WebSocketClient::Options result;
  result.ping_interval_ns = options.ping_interval_ms * kNanosPerMilli;
  result.pong_timeout_ns = options.pong_timeout_ms * kNanosPerMilli;
  result.silence_timeout_ns = options.silence_timeout_ms * kNanosPerMilli;
  return result;
}

inline Backoff::Options BackoffOptionsOf(const BinanceOptions& options) {
  return {.min_ns = kNanosPerMilli,
          .initial_ns = options.reconnect_initial_ms * kNanosPerMilli,
          .max_ns = options.reconnect_max_ms * kNanosPerMilli};
}

}  // namespace holdfast
