#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "connectors/api/market_feed.h"
#include "connectors/binance/connection.h"
#include "connectors/binance/options.h"
#include "engine/base/waker.h"
#include "engine/market/instrument.h"

namespace holdfast {

class BinanceFeedCore;

// Public market data of Binance Spot: diffs every 100 ms, trades and the book top of all
// instruments over one combined stream, snapshots over REST.
//
// Frames are decoded on the network thread: the engine loop then pays for reading ticks and lots
// only, and the decoding of one frame overlaps with the loop's work on the one before. Decoded
// messages cross through a ring; when it is full they are dropped and the feed reports down, then
// up, so that books are built anew.
//
// A connection that is renewed as planned (age, `serverShutdown`) is replaced before it is closed:
// no message is missed and none is delivered twice.
class BinanceFeed final : public MarketFeed {
 public:
  // `waker` (may be null) is notified when messages wait. `connection` outlives the feed.
  // kInvalidArgument: no instrument, or ids other than 0, 1, ... in order.
  static absl::StatusOr<std::unique_ptr<BinanceFeed>> Create(BinanceConnection& connection,
                                                             const BinanceOptions& options,
                                                             std::vector<Instrument> instruments,
                                                             Waker* waker);
  ~BinanceFeed() override;

  absl::Status Start() override;
  void Stop() override;
  void RequestSnapshot(InstrumentId instrument) override;
  int Poll(MarketSink& sink, int max_messages) override;

  // Frames that were not understood, and messages dropped because the ring was full. Any thread.
  int64_t malformed_count() const;
  int64_t dropped_count() const;

 private:
  explicit BinanceFeed(std::unique_ptr<BinanceFeedCore> core);
  std::unique_ptr<BinanceFeedCore> core_;
};

}  // namespace holdfast
