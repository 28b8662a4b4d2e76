#pragma once

#include <atomic>
#include <memory>

#include "absl/status/statusor.h"
#include "connectors/api/venue_gateway.h"
#include "connectors/binance/options.h"
#include "connectors/binance/private_decoder.h"
#include "connectors/net/clock_offset.h"
#include "connectors/net/http_response_reader.h"
#include "connectors/net/network_thread.h"
#include "connectors/net/rate_budget.h"
#include "connectors/net/tls.h"
#include "connectors/net/url.h"
#include "engine/base/clock.h"
#include "engine/base/prng.h"

namespace holdfast {

// What the gateway and the feed of one account share: the network thread, TLS, the rate limits of
// this address and the offset of the venue's clock.
//
// Threads: built and started by the owner; clock offset and budget belong to the network thread,
// the snapshots named so may be read by anyone. Outlives the gateway and the feed.
class BinanceConnection {
 public:
  // kInvalidArgument: a URL or the CA file can't be used.
  static absl::StatusOr<std::unique_ptr<BinanceConnection>> Create(
      const BinanceOptions& options, NetworkThread::Options thread_options, Clock& clock);

  NetworkThread& thread() { return thread_; }
  EventLoop& loop() { return thread_.loop(); }
  Clock& clock() { return clock_; }
  const std::shared_ptr<const TlsContext>& tls() const { return tls_; }
  const Url& rest_url() const { return rest_url_; }
  const Url& websocket_api_url() const { return websocket_api_url_; }
  const Url& stream_url() const { return stream_url_; }

  // --- network thread ---
  Prng& prng() { return prng_; }
  ClockOffsetEstimator& clock_offset() { return clock_offset_; }
  int64_t VenueTimeNs() const { return clock_.WallNs() + clock_offset_.offset_ns(); }
  RateBudgetTracker& budget() { return budget_; }
  const RateBudgetTracker& budget() const { return budget_; }
  void Charge(BudgetKind kind, int64_t amount);
  // Placements that the venue has not counted in any answer yet: they come on top of its count.
  void SetUnansweredPlacements(int64_t count) { unanswered_placements_ = count; }
  // What an answer says about the limits: counts, refusals. Call one of them for every answer.
  void ApplyRateLimits(const BinanceReply& reply);
  // Also takes over what REST says in headers: `reply` gets the time of Retry-After.
  void ApplyRateLimits(const HttpResponse& response, BinanceReply& reply);
  // An answer to a WebSocket's upgrade that is not the switch.
  void ApplyRefusedUpgrade(const HttpResponse& response);
  bool IsBlocked() const { return budget_.IsBlocked(clock_.WallNs()); }
  void PublishBudget();
  // What the oldest query waits for; kNone when it was sent or none waits.
  void PublishQueryWait(QueryWait cause, int64_t used = 0, int64_t limit = 0,
                        int64_t until_wall_ns = 0);

  // --- any thread ---
  // To be kept across restarts, as BinanceOptions::initial_rate_block.
  RateBlock rate_block() const;
  bool is_placement_allowed() const { return placement_room_.load(std::memory_order_relaxed) > 0; }
  RateBudget budget_snapshot() const;

 private:
  BinanceConnection(const BinanceOptions& options, NetworkThread::Options thread_options,
                    Clock& clock);

  void OnVenueCount(BudgetKind kind, int64_t interval_ns, int64_t used);

  Clock& clock_;
  NetworkThread thread_;
  std::shared_ptr<const TlsContext> tls_;
  Url rest_url_;
  Url websocket_api_url_;
  Url stream_url_;
  Prng prng_;
  ClockOffsetEstimator clock_offset_;
  RateBudgetTracker budget_;
  int64_t unanswered_placements_ = 0;

  std::atomic<int64_t> block_until_ns_{0};
  std::atomic<bool> is_ban_{false};
  std::atomic<int64_t> weight_used_{0};
  std::atomic<int64_t> weight_limit_{0};
  std::atomic<int64_t> orders_used_{0};
  std::atomic<int64_t> orders_limit_{0};
  std::atomic<int64_t> placement_room_{0};
  std::atomic<QueryWait> query_wait_{QueryWait::kNone};
  std::atomic<int64_t> query_wait_used_{0};
  std::atomic<int64_t> query_wait_limit_{0};
  std::atomic<int64_t> query_wait_until_ns_{0};
};

}  // namespace holdfast
