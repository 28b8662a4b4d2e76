#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <variant>
#include <vector>

#include "connectors/api/market_feed.h"
#include "connectors/sim/fault_injector.h"
#include "connectors/sim/venue.h"
#include "engine/base/clock.h"

namespace holdfast {

struct SimFeedConfig {
  std::vector<InstrumentId> instruments = {};  // the venue's ids; handed through as they are
  int64_t connect_delay_ns = 0;
  int64_t event_delay_ns = 0;     // from the venue to us
  int64_t snapshot_delay_ns = 0;  // there and back; the snapshot is taken on the way back
  int64_t reconnect_delay_ns = 100'000'000;
  int32_t snapshot_level_limit = 5000;
  size_t max_queued_messages =
      65'536;  // overflow: everything queued is dropped, feed down, then up
};

// Public market data straight from a SimVenue, without sockets, for deterministic simulations.
//
// Poll() first advances the venue to the clock's wall time, so whoever polls moves the simulation;
// any number of ports may share one venue and clock. Unlike a production feed it allocates.
//
// Faults (may be null, not owned) are asked for at kDepthEvent, kBookTopEvent, kTradeEvent and
// kDepthSnapshot: duplicated, reordered, missing messages, and cut connections; a snapshot can be
// lost (never answered; RequestSnapshot() may be called again after the next connection change).
class SimFeed final : public MarketFeed, private SimMarketListener {
 public:
  SimFeed(SimVenue& venue, const Clock& clock, SimFeedConfig config,
          FaultInjector* faults = nullptr);
  ~SimFeed() override;
  SimFeed(const SimFeed&) = delete;
  SimFeed& operator=(const SimFeed&) = delete;

  absl::Status Start() override;
  void Stop() override;
  void RequestSnapshot(InstrumentId instrument) override;
  int Poll(MarketSink& sink, int max_messages) override;

  // Cuts the connection now; it comes back after the reconnect delay.
  void Disconnect();

 private:
  struct Depth {
    InstrumentId instrument;
    bool is_snapshot = false;
    int64_t first_update_id = 0;
    int64_t last_update_id = 0;
    int64_t venue_time_ns = 0;
    std::vector<LevelChange> bids;
    std::vector<LevelChange> asks;
  };
  struct Connection {
    bool is_up = false;
  };
  using Message = std::variant<Depth, BookTop, PublicTrade, Connection>;

  void OnDepth(const SimDepthDiff& diff) override;
  void OnBookTop(const SimBookTop& top) override;
  void OnPublicTrade(const SimPublicTrade& trade) override;
  void OnInstrument(const Instrument& instrument) override;

  LevelChange Level(const Instrument& instrument, const SimLevel& level) const;
  void TakeSnapshot(InstrumentId instrument);
  // Sends after the event delay, with the faults of `point`.
  void Send(FaultPoint point, Message message);
  void Deliver(Message message, int64_t delay_ns);
  void Enqueue(Message message);
  void Connect(int64_t delay_ns);
  void Hand(const Message& message, MarketSink& sink) const;

  SimVenue& venue_;
  const Clock& clock_;
  SimFeedConfig config_;
  FaultInjector* faults_;
  // Deferred calls of an earlier connection, or of a feed that is gone, find another value.
  std::shared_ptr<uint64_t> connection_;
  bool is_started_ = false;
  bool is_up_ = false;
  std::deque<Message> queue_;
  std::deque<Message> held_back_;  // reordered: goes out after the next message
  std::vector<bool> is_snapshot_in_flight_;
};

}  // namespace holdfast
