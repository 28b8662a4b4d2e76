#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "engine/market/market_data.h"

namespace holdfast {

// Receives what a feed has decoded. Called on the thread that calls MarketFeed::Poll(). Spans in
// the arguments are valid during the call only.
class MarketSink {
 public:
  virtual ~MarketSink();
  virtual void OnDepthSnapshot(const DepthSnapshot& snapshot) = 0;
  virtual void OnDepthUpdate(const DepthUpdate& update) = 0;
  virtual void OnBookTop(const BookTop& top) = 0;
  virtual void OnPublicTrade(const PublicTrade& trade) = 0;
  // The stream went up or down. Down: sequence continuity is lost, books must be reset. A feed also
  // reports down (then up) when its own queue overflowed and messages were dropped.
  virtual void OnFeedConnection(InstrumentId instrument, bool is_up, int64_t receive_time_ns) = 0;
};

// Public market data of one venue. Start(), Stop() and Poll() belong to one thread (the engine
// loop); network threads are the implementation's own. Reconnects by itself with back-off and
// jitter.
class MarketFeed {
 public:
  virtual ~MarketFeed();
  // Begins to connect; returns at once. Progress arrives as OnFeedConnection().
  virtual absl::Status Start() = 0;
  virtual void Stop() = 0;
  // Asks for a fresh depth snapshot; it arrives as OnDepthSnapshot(). At most one is in flight per
  // instrument; asking again while one is in flight is a no-op.
  virtual void RequestSnapshot(InstrumentId instrument) = 0;
  // Hands at most `max_messages` decoded messages to `sink`; returns how many. Never blocks, never
  // allocates.
  virtual int Poll(MarketSink& sink, int max_messages) = 0;
};

}  // namespace holdfast
