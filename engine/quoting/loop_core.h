#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/latency_histogram.h"
#include "engine/base/spsc_ring.h"
#include "engine/base/static_vector.h"
#include "engine/quoting/account_books.h"
#include "engine/quoting/difference.h"
#include "engine/quoting/key_cooldown.h"
#include "engine/quoting/market_tracker.h"
#include "engine/quoting/order_table.h"
#include "engine/quoting/quoting_loop.h"
#include "engine/quoting/record_queue.h"
#include "engine/risk/account_safety.h"
#include "engine/risk/circuit_breaker.h"
#include "engine/risk/risk_gates.h"
#include "engine/risk/risk_monitor.h"

namespace holdfast {

// The loop's inside. One class, because every part reads the turn's time and reports through the
// same counters; its functions are in files by subject:
//
//   quoting_loop.cc    turn, conditions, operator
//   loop_orders.cc     what the venue says about orders (X5)
//   loop_resolve.cc    finding out the truth about an order, in time (DESIGN section 6)
//   loop_strays.cc     orders that have ended for us and rest all the same
//   loop_fills.cc      fills, wherever they come from (X4)
//   loop_reconcile.cc  start, reconnect, periodic comparison (R7), account checks, stop with proof
//   loop_decide.cc     target, difference, gates, intents, clean-up
//   loop_publish.cc    snapshot and report
//
// Time: `now_ns_` is monotonic and is what all timers use; `wall_ns_` is for records and for the
// venue's clock. Both are read once a turn. Latencies are measured with further clock reads that
// nothing else depends on.
class QuotingLoop::Core final : public VenueEventSink {
 public:
  Core(Clock& clock, const Instrument& instrument, AccountTag account, const Strategy& strategy,
       MarketFeed& feed, Engine& engine, const RiskLimits& limits, const QuotingOptions& options,
       const RecoveredState& recovered, LoopObserver* observer);

  absl::Status Start();
  int RunOnce();
  int64_t NextTimerNs() const;
  void RequestStop() { is_stop_requested_.store(true, std::memory_order_relaxed); }
  bool Post(const OperatorCommand& command) { return commands_.TryPush(command); }

  LoopPhase phase() const { return phase_; }
  const std::optional<FatalVenueError>& fatal_error() const { return fatal_error_; }
  std::string safety_problem() const;
  const StatusBuffer& snapshots() const { return *snapshots_; }
  RunReport report() const;
  const AccountBooks& books() const { return books_; }
  const LoopCounters& counters() const { return counters_; }
  int open_order_count() const { return orders_.live_count(); }
  void CheckAllInvariants() const;

  void OnVenueEvent(const VenueEvent& event) override;

 private:
  // --- queries under way ---
  struct OpenQuery {
    RequestId id;
    QueryKind kind = QueryKind::kOrder;
    OrderNumber number;  // kOrder
    int64_t due_at_ns = 0;
  };
  static constexpr size_t kMaxOpenQueries = 300;

  enum class ReconcileStep : uint8_t {
    kIdle,
    kAccount,
    kServerTime,
    kInstrument,
    kOpenOrders,
    kVerify,  // orders that should have been listed are asked for one by one
    kBalances,
    kFills,
  };
  struct Reconcile {
    ReconcileStep step = ReconcileStep::kIdle;
    RequestId request;  // 0 = none under way
    int64_t next_try_at_ns = 0;
    int64_t next_start_at_ns = 0;  // periodic
    bool is_wanted = true;
    uint64_t booked_before_balances = 0;
    int32_t balance_rounds = 0;
    uint64_t fill_sync = 0;  // the one that ends step kFills
  };
  // Open-orders listing, of a reconciliation or of the proof of emptiness.
  struct Scan {
    uint64_t generation = 0;
    RequestId request;
    int64_t started_at_ns = 0;
    int32_t own_rows = 0;
  };
  // A list of our fills that is wanted or under way. At most one query of each kind runs; wishes of
  // several are merged into the next.
  struct FillSync {
    RequestId request;
    bool is_wanted = false;
    int64_t since_ns = 0;    // venue time, of the list by time
    uint64_t started = 0;    // how many were started
    uint64_t completed = 0;  // number of the last one that came whole
    int64_t next_try_at_ns = 0;
    bool had_overflow = false;  // a row could not be kept: the list does not count as whole
  };
  // A row of a trade list whose order is not known. The venue is asked for the order; only its
  // answer makes the fill foreign.
  struct WaitingFill {
    Fill fill;
    RequestId request = {};  // under way, 0 = none
    int64_t next_try_at_ns = 0;
    bool is_foreign = false;
  };
  struct Stop {
    bool is_active = false;
    RequestId request;
    int32_t empty_scans = 0;
    uint64_t fill_sync = 0;
    int64_t next_try_at_ns = 0;
    bool is_proven = false;
  };

  struct Stray {
    OrderNumber number;
    ClientOrderId client_order_id;
    VenueOrderId venue_order_id;
    SlotKey key;
    int64_t next_cancel_at_ns = 0;
    int64_t backoff_ns = 0;
  };
  static constexpr size_t kMaxStrays = 64;

  // --- quoting_loop.cc ---
  int HandleCommands();
  void Carry(const OperatorCommand& command);
  int PollEngine();
  int PollFeed();
  int FireTimers();
  void UpdateConditions();
  void UpdateRiskMonitor();
  void UpdateOrderSize();
  bool IsOrderLargeEnough() const { return order_quantity_ >= order_quantity_needed_; }
  void UpdatePhase();
  void UpdateConnections();
  void RecordRisk(std::string_view reason);
  void CheckInvariantsInRotation();
  RequestId NextRequestId() { return RequestId(++last_request_id_); }
  bool CanQuery() const { return queries_.size() + 8 < kMaxOpenQueries; }
  void TrackQuery(RequestId id, QueryKind kind, OrderNumber number = OrderNumber());
  void LogFailedQuery(QueryKind kind, std::string_view why);
  void OnQueryEnded(const OpenQuery& query, bool is_ok);
  void OnOrderQueryEnded(const OpenQuery& query, bool is_ok);
  int TimeOutQueries();
  void ExtendQuery(RequestId id);
  void WakeAt(int64_t at_ns) {
    if (at_ns != 0 && at_ns < next_order_timer_ns_) next_order_timer_ns_ = at_ns;
  }
  int64_t VenueNowNs() const { return wall_ns_ + clock_offset_ns_; }

  // --- log ---
  void Log(LoopEventKind kind, Severity severity, std::string_view reason,
           std::string_view text = {});
  void LogOrder(LoopEventKind kind, Severity severity, const Order& order, std::string_view reason,
                OrderState from);
  void Emit(LoopEvent& event);

  // --- loop_orders.cc ---
  TrackedOrder* FindOwn(const ClientOrderId& id);
  SlotKey KeyOf(const ParsedClientOrderId& parsed) const;
  void Handle(const OrderAccepted& event);
  void Handle(const OrderRejected& event);
  void Handle(const OrderAmbiguous& event);
  void Handle(const CancelRejected& event);
  void Handle(const OrderReport& report);
  void Handle(const OrderAbsent& event);
  void Handle(const FillReport& report);
  void Handle(const BalanceReport& report);
  void Handle(const AccountReport& report);
  void Handle(const InstrumentReport& report);
  void Handle(const ServerTimeReport& report);
  void Handle(const QueryDone& done);
  void Handle(const ConnectionChange& change);
  void Handle(const FatalVenueError& error);
  void Verify(TrackedOrder& tracked);
  bool Apply(TrackedOrder& tracked, OrderEvent event);
  void OnOrderEnded(TrackedOrder& tracked, OrderState from);
  void OnOrderLive(TrackedOrder& tracked);
  // The venue's first answer to a placement, whatever it is, is timed; later ones are not.
  void TimeAnswer(TrackedOrder& tracked, int64_t receive_time_ns) {
    if (tracked.decide_wall_ns == 0) return;
    if (receive_time_ns != 0) {
      Record(LatencyStage::kDecideToAck, receive_time_ns - tracked.decide_wall_ns);
    }
    tracked.decide_wall_ns = 0;
  }
  void NoteEvidence(TrackedOrder& tracked, VenueOrderId venue_order_id);
  void OnReportedEnd(TrackedOrder& tracked, const OrderReport& report);
  void OnReportOfEnded(TrackedOrder& tracked, const OrderReport& report, bool is_listed);
  void TryEnd(TrackedOrder& tracked);
  void Adopt(const OrderReport& report, const ParsedClientOrderId& parsed);
  void OnForeignOrder(const OrderReport& report);
  bool HasLiveEntry(SlotKey key, const TrackedOrder* except) const;
  void RestoreSlotOfLiveEntry(SlotKey key);
  void CountFailure();
  void CountSuccess();

  // --- loop_resolve.cc ---
  void LoseTrack(TrackedOrder& tracked, int64_t submit_expiry_ns);
  void BeginResolve(TrackedOrder& tracked, int64_t first_step_at_ns);
  int FireOrderTimers();
  bool FireTimersOf(TrackedOrder& tracked);
  void ResolveStep(TrackedOrder& tracked);
  void SendOrderQuery(TrackedOrder& tracked);
  bool SendCancel(TrackedOrder& tracked);
  void BackOffStep(TrackedOrder& tracked);
  void BackOffCancel(TrackedOrder& tracked);
  void OnAbsentFinal(TrackedOrder& tracked);
  int64_t ScheduleOf(const TrackedOrder& tracked) const;

  // --- loop_strays.cc ---
  void OnStray(TrackedOrder& tracked, std::string_view evidence);
  int CancelStrays();
  void ForgetStray(const ClientOrderId& id);

  // --- loop_fills.cc ---
  void OnFill(const Fill& fill);
  bool Attribute(const Fill& fill);
  bool CouldBelongToUnidentified(const Fill& fill) const;
  void BookOwnFill(TrackedOrder* tracked, SlotKey key, const Fill& fill);
  void ApplyFillToOrder(TrackedOrder& tracked, const Fill& fill);
  void BookForeignFill(const Fill& fill);
  void AfterBooking(const AccountBooks::Booked& booked);
  void OnLedgerFull(AssetCode asset);
  void RetryUnattributed();
  int AskForOwners();
  void OnOwnerQueryEnded(RequestId request, bool is_ok);
  void NoteOwner(const OrderReport& report);
  void ExpectFills(TrackedOrder& tracked);
  uint64_t RequestCursorFills();
  uint64_t RequestFillsOf(const TrackedOrder& tracked);
  int RunFillSync(FillSync& sync);
  void OnFillSyncEnded(FillSync& sync, bool is_ok);
  void CreditBookedFills();
  void CreditBookedFillsOf(TrackedOrder& tracked);

  // --- loop_reconcile.cc ---
  void RestoreOrders(const RecoveredState& recovered);
  void RequestReconcile(std::string_view reason);
  int RunReconcile();
  absl::Status SendReconcileQuery(QueryKind kind, RequestId id);
  void EnterStep(ReconcileStep step);
  void OnReconcileQueryEnded(bool is_ok);
  void BeginScan(RequestId request);
  void OnScanEnded();
  bool IsVerifying() const;
  void FinishFillsStep();
  void FinishReconcile();
  bool CompareWallets();
  void CheckSafety();
  AccountFacts MakeAccountFacts() const;
  int RunStop();
  void OnStopQueryEnded(bool is_ok);

  // --- loop_decide.cc ---
  int Decide();
  bool IsInRestartGrace();
  void ComputeTarget();
  void DropWhatRiskModeForbids();
  void KeepExitsOnly();
  int EmitCancels();
  int EmitPlacements(int budget);
  int64_t VenueRoom() const;
  ExposureView MakeExposure() const;
  OrderCandidate MakeCandidate(const TargetOrder& target, const ExposureView& view) const;
  std::optional<DenyReason> TryPlace(const TargetOrder& target, ExposureView& view);
  void OnPlaced(const PlaceIntent& intent, Quantity wanted);
  void NoteDenied(const TargetOrder& target, DenyReason reason);
  int RunCleanup();
  int SettleSlots();
  bool HasLiveOrder(SlotKey key) const;

  // --- loop_publish.cc ---
  void Publish();
  void FillMarket(StatusSnapshot& status) const;
  void FillOrders(StatusSnapshot& status);
  void FillSlots(StatusSnapshot& status);
  void FillMoney(StatusSnapshot& status) const;
  void UpdateStoreProblem(bool is_store_healthy);
  void FillHealth(StatusSnapshot& status);
  Notional UnrealizedPnl() const;
  void RefreshLatency(LatencyStage stage);
  void Record(LatencyStage stage, int64_t latency_ns) {
    latencies_[static_cast<size_t>(stage)].Record(latency_ns);
  }

  // --- fixed ---
  Clock& clock_;
  Instrument instrument_;
  const AccountTag account_;
  const Strategy& strategy_;
  MarketFeed& feed_;
  Engine& engine_;
  const RiskLimits limits_;
  const QuotingOptions options_;
  LoopObserver* const observer_;
  // The lot size of a running loop never changes.
  const Quantity target_position_ =
      instrument_.RoundQuantity(options_.target_position, Rounding::kNearest);
  const Quantity max_position_ = instrument_.RoundQuantity(limits_.max_position, Rounding::kDown);

  // --- time of this turn ---
  int64_t now_ns_ = 0;
  int64_t wall_ns_ = 0;
  int64_t start_wall_ns_ = 0;
  int64_t clock_offset_ns_ = 0;  // venue minus our wall clock

  // --- aggregates ---
  MarketTracker market_;
  OrderTable orders_;
  AccountBooks books_;
  RecordQueue records_;
  RiskGates gates_;
  RiskMonitor risk_monitor_;
  CircuitBreaker breaker_;
  Difference difference_;
  KeyCooldown cooldown_;
  StrategyMemory memory_;
  TargetState target_;
  TargetState filtered_;

  // --- orders in question ---
  StaticVector<OpenQuery, kMaxOpenQueries> queries_;
  int32_t order_queries_ = 0;
  std::array<int64_t, static_cast<size_t>(QueryKind::kCancelAll) + 1>
      failed_query_quiet_until_ns_{};
  uint64_t last_request_id_ = 0;
  int64_t next_order_timer_ns_ = INT64_MAX;
  StaticVector<Stray, kMaxStrays> strays_;
  static constexpr size_t kMaxUnattributed = 64;
  StaticVector<WaitingFill, kMaxUnattributed> unattributed_;
  bool has_listed_orders_ = false;  // the listing of this run, and what it missed, are known
  bool should_retry_unattributed_ = false;
  VenueTradeId fill_cursor_;
  uint64_t booked_count_ = 0;  // fills of any kind

  Reconcile reconcile_;
  Scan scan_;
  FillSync fills_since_cursor_;  // for the account: everything since the newest known
  FillSync fills_since_time_;    // for orders that lack fills
  VenueTradeId newest_listed_;
  int64_t hold_until_ns_ = 0;   // a listing begun before it may miss an order of the last run
  int64_t fills_since_ns_ = 0;  // our wall clock: no fill before it can be missing
  Stop stop_;

  // --- conditions ---
  GateConditions conditions_;
  std::optional<DenyReason> block_ = DenyReason::kNotReconciled;
  LoopPhase phase_ = LoopPhase::kConnecting;
  bool is_stream_up_ = false;
  bool is_entry_up_ = false;
  bool is_reconciled_ = false;
  bool is_instrument_usable_ = true;
  Quantity order_quantity_;  // of an ordinary entry; zero: sizes vary
  Quantity order_quantity_needed_;
  int64_t order_size_due_at_ns_ = 0;
  InlineString<64> order_size_problem_;
  bool is_ledger_complete_ = true;
  bool is_killed_ = false;
  bool is_paused_ = false;
  bool are_records_flowing_ = true;
  bool has_quoted_ = false;
  int64_t grace_until_ns_ = 0;
  std::optional<FatalVenueError> fatal_error_;
  std::optional<AccountReport> account_report_;
  bool is_offset_known_ = false;
  SafetyProblems safety_problems_;
  bool is_safety_known_ = false;
  Decimal maker_fee_rate_;
  bool is_first_run_ = false;
  bool has_opening_balances_ = false;
  int64_t recovered_stored_time_ns_ = 0;
  std::optional<SlotLineChange> line_change_;

  // --- decision ---
  bool needs_decision_ = true;
  bool is_market_change_ = false;
  int64_t decide_at_ns_ = INT64_MAX;  // a wish to decide again later
  int64_t market_decide_due_ns_ = 0;  // before it a market change alone does not decide
  int64_t next_cleanup_at_ns_ = 0;
  std::array<int64_t, kDenyReasonCount> deny_logged_at_ns_ = {};

  // --- operator ---
  std::atomic<bool> is_stop_requested_{false};
  SpscRing<OperatorCommand> commands_{64};
  InlineString<64> operator_reason_;

  // --- published ---
  LoopCounters counters_;
  std::array<LatencyHistogram, kLatencyStageCount> latencies_;
  std::unique_ptr<StatusBuffer> snapshots_;
  std::unique_ptr<StatusSnapshot> status_;
  std::vector<uint32_t> publish_scratch_;
  int32_t next_latency_ = 0;
  InlineString<64> store_problem_;
  int64_t store_problem_at_ns_ = 0;  // when it was asked for; 0 = the store is healthy
  int64_t next_publish_at_ns_ = 0;
  uint32_t invariant_rotation_ = 0;
};

}  // namespace holdfast
