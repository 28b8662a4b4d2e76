#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "connectors/api/market_feed.h"
#include "connectors/binance/connection.h"
#include "connectors/binance/market_decoder.h"
#include "connectors/binance/options.h"
#include "connectors/net/backoff.h"
#include "connectors/net/http_client.h"
#include "connectors/net/websocket_client.h"
#include "engine/base/spsc_record_ring.h"
#include "engine/base/waker.h"

namespace holdfast {

// The network thread's half of BinanceFeed, and the ring between the two.
class BinanceFeedCore final : private EventLoop::Poller,
                              private WebSocketClient::Handler,
                              private HttpClient::Handler {
 public:
  // Room for a few snapshots of 5000 levels a side (160 kB each) and seconds of diffs.
  static constexpr size_t kRingBytes = size_t{4} << 20;
  static constexpr int kSnapshotLevels = 5000;
  static constexpr int64_t kSnapshotWeight = 250;
  // What snapshots may cost: so many at once for an instrument, then one per interval, and together
  // no more than this share of the weight of each window.
  static constexpr int64_t kSnapshotBurst = 6;
  static constexpr int64_t kSnapshotIntervalNs = 15 * kNanosPerSecond;
  static constexpr int64_t kSnapshotSharePpm = 500'000;
  // A connection that stood this long was a good one: the next back-off starts small again. More
  // often than this the connection is not renewed.
  static constexpr int64_t kStableNs = 10 * kNanosPerSecond;

  BinanceFeedCore(BinanceConnection& connection, const BinanceOptions& options,
                  std::vector<Instrument> instruments, Waker* waker);
  ~BinanceFeedCore() override;

  void Start();
  void Stop();

  // --- engine loop ---
  void RequestSnapshot(InstrumentId instrument);
  int Poll(MarketSink& sink, int max_messages);

  BinanceConnection& connection() { return connection_; }
  bool is_started() const { return is_started_; }
  int64_t malformed_count() const { return malformed_count_.load(std::memory_order_relaxed); }
  int64_t dropped_count() const { return dropped_count_.load(std::memory_order_relaxed); }

 private:
  enum class RecordKind : uint32_t { kConnection, kDepthUpdate, kSnapshot, kBookTop, kTrade };
  // One record of the ring: this, then the levels of both sides.
  struct Record {
    RecordKind kind;
    uint32_t is_up;
    uint32_t bid_count;
    uint32_t ask_count;
    union {
      int64_t connection_time_ns;
      struct {
        int64_t first_update_id, last_update_id, venue_time_ns, receive_time_ns;
      } depth;
      BookTop top;
      PublicTrade trade;
    };
    InstrumentId instrument;
    Record() : kind(RecordKind::kConnection), is_up(0), bid_count(0), ask_count(0), top() {}
  };
  // What has been delivered of an instrument, to drop repetitions when connections overlap.
  struct Seen {
    int64_t update_id = 0;
    int64_t top_id = 0;
    int64_t trade_id = 0;
  };
  struct Stream {
    Instrument instrument;
    std::unique_ptr<BinanceMarketDecoder> decoder;
    std::string name;  // symbol in lower case
    Seen seen;
    // When all of kSnapshotBurst are there again, on the monotonic clock.
    int64_t snapshots_full_ns = 0;
  };

  int PollOnce() override;
  void OnWebSocketOpen(WebSocketClient& client) override;
  void OnWebSocketMessage(WebSocketClient& client, std::string_view text) override;
  void OnWebSocketClosed(WebSocketClient& client, const absl::Status& reason) override;
  void OnHttpResponse(const HttpResponse& response) override;
  void OnHttpFailure(HttpFailure failure, const absl::Status& reason) override;

  WebSocketClient& active() { return *clients_[active_]; }
  WebSocketClient& standby() { return *clients_[1 - active_]; }
  Url StreamUrl() const;
  void Connect();
  void BeginRenewal();
  void SetUp(bool is_up, int64_t time_ns);
  void Restart(int64_t time_ns);
  void Deliver(Stream& stream, BinanceFrameKind kind);
  bool Push(const Record& record, std::span<const LevelChange> bids,
            std::span<const LevelChange> asks);
  void PushConnection(InstrumentId instrument, bool is_up, int64_t time_ns);
  void EndOverflow();
  void NotifyLoop();
  void FetchSnapshot();
  bool MaySnapshot(const Stream& stream) const;
  void SnapshotFailed();

  BinanceConnection& connection_;
  const BinanceOptions options_;
  Waker* const waker_;
  std::vector<Stream> streams_;
  BinanceFrame frame_;
  SpscRecordRing ring_{kRingBytes};
  std::array<std::unique_ptr<WebSocketClient>, 2> clients_;
  size_t active_ = 0;
  HttpClient http_;
  RateBudgetTracker snapshot_share_{0};
  Backoff backoff_;
  Backoff snapshot_backoff_;
  Timer connect_timer_;
  Timer renewal_timer_;
  Timer snapshot_timer_;
  std::unique_ptr<std::atomic<bool>[]> snapshot_wanted_;  // by instrument
  std::atomic<bool> has_wanted_{false};
  size_t snapshot_instrument_ = 0;  // of the request in flight
  int64_t up_since_ns_ = 0;
  int64_t last_renewal_ns_ = -kStableNs;
  bool is_started_ = false;
  bool is_up_ = false;
  bool is_renewing_ = false;
  bool is_overflowed_ = false;
  bool has_new_ = false;
  std::atomic<int64_t> malformed_count_{0};
  std::atomic<int64_t> dropped_count_{0};
};

}  // namespace holdfast
