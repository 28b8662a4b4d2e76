#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "connectors/api/market_feed.h"
#include "connectors/api/venue_event.h"
#include "engine/base/clock.h"
#include "engine/base/decimal.h"
#include "engine/base/inline_string.h"
#include "engine/market/client_order_id.h"
#include "engine/market/instrument.h"
#include "engine/market/ledger.h"
#include "engine/market/position.h"
#include "engine/quoting/engine.h"
#include "engine/quoting/loop_observer.h"
#include "engine/quoting/quoting_options.h"
#include "engine/quoting/status_snapshot.h"
#include "engine/risk/risk_limits.h"
#include "strategy/strategy.h"

namespace holdfast {

// A wish of the operator, carried out in the next turn.
struct OperatorCommand {
  enum class Kind : uint8_t {
    kPause,          // cancel all orders, place none until kResume; survives a restart
    kResume,         // ends a pause (not a kill)
    kKill,           // as pause, and only kClearKill ends it; survives a restart
    kClearKill,      // ends a kill; the loop stays paused until kResume
    kReconcile,      // compare with the venue now
    kClearRiskMode,  // end risk mode without waiting for its clear levels
  };
  Kind kind = Kind::kPause;
  InlineString<64> reason;
};

// What one run did; complete once is_stopped().
struct RunReport {
  bool is_proven_empty = false;  // open orders read empty twice in a row, all fills booked
  LoopCounters counters;
  Quantity position;
  Notional volume;
  Notional realized_pnl;  // of this run, before fees
  Notional unrealized_pnl;
  std::array<AssetAmount, StatusSnapshot::kAssetCount> fees = {};
  int32_t fee_asset_count = 0;
  std::array<LatencySummary, kLatencyStageCount> latencies = {};
};

// The market maker of one instrument in one account: trackers -> risk -> strategy -> target ->
// difference -> intents (DESIGN sections 3, 4 and 6 to 8). The same object code over every Engine
// and every feed; everything that can differ between runs is a constructor argument.
//
// RunOnce() is one turn: reads the clock once, drains engine events and feed messages (bounded),
// fires timers, decides when something relevant has changed, emits intents, checks invariants,
// publishes. It never blocks, and after Start() it never allocates and takes no lock.
//
// Quotes only while all of this holds: book in sequence and fresh, private stream and order entry
// up, account reconciled since the last (re)connect, account checks passed, store healthy, risk
// gates open. Otherwise its orders are canceled and it waits. It recovers by itself from all of
// these.
//
// Threads: one thread owns the loop. RequestStop() and snapshots() may be used from any thread;
// Post() from one other thread.
class QuotingLoop {
 public:
  // All references outlive the loop. `recovered` is what Engine::Open() returned; it is copied.
  // `observer` may be null. REQUIRES: instrument, limits and options pass their Validate().
  QuotingLoop(Clock& clock, const Instrument& instrument, AccountTag account,
              const Strategy& strategy, MarketFeed& feed, Engine& engine, const RiskLimits& limits,
              const QuotingOptions& options, const RecoveredState& recovered,
              LoopObserver* observer = nullptr);
  ~QuotingLoop();
  QuotingLoop(const QuotingLoop&) = delete;
  QuotingLoop& operator=(const QuotingLoop&) = delete;

  // Starts the engine's gateway and the feed; returns at once. Their errors are returned.
  absl::Status Start();

  // One turn. Returns the amount of work done: 0 = nothing to do until something arrives or a timer
  // fires (see NextTimerNs()).
  int RunOnce();
  // Monotonic time at which the next timer fires: how long an idle caller may sleep at most.
  int64_t NextTimerNs() const;

  // Stop placing, cancel everything, prove it (DESIGN section 6); then is_stopped(). Retries for as
  // long as it takes: the caller decides when to give up waiting. Any thread; async-signal-safe.
  void RequestStop();
  // One thread other than (or the same as) the loop's. False when the queue is full.
  [[nodiscard]] bool Post(const OperatorCommand& command);

  LoopPhase phase() const;
  bool is_stopped() const { return phase() == LoopPhase::kStopped; }
  // Set when phase() is kFailed: a wrong key or the like. The process should stop with this text.
  const std::optional<FatalVenueError>& fatal_error() const;
  // The failed account checks, one per line, each saying what to change; empty when none failed.
  std::string safety_problem() const;

  const StatusBuffer& snapshots() const;
  RunReport report() const;
  const Ledger& ledger() const;
  const Position& position() const;
  const LoopCounters& counters() const;
  int open_order_count() const;  // may be live at the venue, unknown ones included

  // INVARIANT: every aggregate's own invariants and the relations between them. Called at the end
  // of every turn (in a rotation, so that a turn stays cheap); this checks all at once.
  bool CheckInvariants() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace holdfast
