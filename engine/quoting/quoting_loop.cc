#include "engine/quoting/quoting_loop.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"
#include "engine/quoting/loop_core.h"

namespace holdfast {

// --- QuotingLoop: the door -----------------------------------------------------------------------

QuotingLoop::QuotingLoop(Clock& clock, const Instrument& instrument, AccountTag account,
                         const Strategy& strategy, MarketFeed& feed, Engine& engine,
                         const RiskLimits& limits, const QuotingOptions& options,
                         const RecoveredState& recovered, LoopObserver* observer)
    : core_(std::make_unique<Core>(clock, instrument, account, strategy, feed, engine, limits,
                                   options, recovered, observer)) {}
QuotingLoop::~QuotingLoop() = default;

absl::Status QuotingLoop::Start() { return core_->Start(); }
int QuotingLoop::RunOnce() { return core_->RunOnce(); }
int64_t QuotingLoop::NextTimerNs() const { return core_->NextTimerNs(); }
void QuotingLoop::RequestStop() { core_->RequestStop(); }
bool QuotingLoop::Post(const OperatorCommand& command) { return core_->Post(command); }
LoopPhase QuotingLoop::phase() const { return core_->phase(); }
const std::optional<FatalVenueError>& QuotingLoop::fatal_error() const {
  return core_->fatal_error();
}
std::string QuotingLoop::safety_problem() const { return core_->safety_problem(); }
const StatusBuffer& QuotingLoop::snapshots() const { return core_->snapshots(); }
RunReport QuotingLoop::report() const { return core_->report(); }
const Ledger& QuotingLoop::ledger() const { return core_->books().ledger(); }
const Position& QuotingLoop::position() const { return core_->books().position(); }
const LoopCounters& QuotingLoop::counters() const { return core_->counters(); }
int QuotingLoop::open_order_count() const { return core_->open_order_count(); }
bool QuotingLoop::CheckInvariants() const {
  core_->CheckAllInvariants();
  return true;
}

// --- Core: construction and the turn -------------------------------------------------------------

QuotingLoop::Core::Core(Clock& clock, const Instrument& instrument, AccountTag account,
                        const Strategy& strategy, MarketFeed& feed, Engine& engine,
                        const RiskLimits& limits, const QuotingOptions& options,
                        const RecoveredState& recovered, LoopObserver* observer)
    : clock_(clock),
      instrument_(instrument),
      account_(account),
      strategy_(strategy),
      feed_(feed),
      engine_(engine),
      limits_(limits),
      options_(options),
      observer_(observer),
      market_(instrument, options),
      orders_(instrument),
      books_(instrument, recovered),
      gates_(limits),
      risk_monitor_(limits),
      breaker_({.failure_count = limits.breaker_failure_count,
                .open_ns = limits.breaker_open_ns,
                .open_ns_max = limits.breaker_open_ns_max}),
      memory_(recovered.memory),
      snapshots_(std::make_unique<StatusBuffer>()),
      status_(std::make_unique<StatusSnapshot>()) {
  HF_ASSERT(Validate(instrument).ok());
  HF_ASSERT(Validate(limits).ok());
  HF_ASSERT(Validate(options).ok());
  publish_scratch_.reserve(OrderTable::kCapacity);
  now_ns_ = clock_.MonotonicNs();
  wall_ns_ = clock_.WallNs();
  start_wall_ns_ = wall_ns_;
  grace_until_ns_ = now_ns_ + options.restart_grace_ns;
  is_killed_ = recovered.risk.is_killed;
  is_paused_ = recovered.risk.is_paused;
  operator_reason_ = recovered.risk.reason;
  risk_monitor_.Restore(recovered.risk.is_risk_mode_active);
  breaker_.Restore(recovered.risk.breaker_open_until_ns, wall_ns_);
  is_first_run_ = recovered.is_first_run;
  has_opening_balances_ = books_.HasOpening();
  recovered_stored_time_ns_ = recovered.stored_time_ns;
  if (options_.configured_maker_fee_rate) maker_fee_rate_ = *options_.configured_maker_fee_rate;
  market_.BeginTurn(now_ns_, wall_ns_);
  RestoreOrders(recovered);
}

absl::Status QuotingLoop::Core::Start() {
  HF_RETURN_IF_ERROR(engine_.Start());
  return feed_.Start();
}

int QuotingLoop::Core::RunOnce() {
  now_ns_ = clock_.MonotonicNs();
  wall_ns_ = clock_.WallNs();
  market_.BeginTurn(now_ns_, wall_ns_);
  if (phase_ == LoopPhase::kStopped) return 0;

  int work = HandleCommands();
  work += PollEngine();
  work += PollFeed();
  work += FireTimers();
  UpdateConditions();
  if (needs_decision_ || now_ns_ >= decide_at_ns_) {
    market_decide_due_ns_ = now_ns_ + options_.market_decide_interval_ns;
    work += Decide();
  }
  work += RunStop();
  are_records_flowing_ = records_.Flush(engine_, orders_);
  UpdatePhase();

  ++counters_.turns;
  if (work > 0) {
    CheckInvariantsInRotation();
    Record(LatencyStage::kTurn, clock_.MonotonicNs() - now_ns_);
  }
  if (now_ns_ >= next_publish_at_ns_ || phase_ == LoopPhase::kStopped) Publish();
  return work;
}

int64_t QuotingLoop::Core::NextTimerNs() const {
  if (phase_ == LoopPhase::kStopped) return INT64_MAX;  // nothing is left to do
  int64_t next = std::min({next_publish_at_ns_, next_order_timer_ns_, decide_at_ns_});
  if (needs_decision_) next = now_ns_;
  return next;
}

int QuotingLoop::Core::PollEngine() {
  // One event makes at most one record that has to wait in order; without room for it the event
  // stays where it is. Fills that find their order late and the comparison of wallets keep theirs.
  const int room =
      static_cast<int>(records_.room()) - Ledger::kMaxAssets - static_cast<int>(kMaxUnattributed);
  const int limit = std::min(options_.max_engine_events_per_turn, room);
  int count = limit > 0 ? engine_.Poll(*this, limit) : 0;
  counters_.venue_events += static_cast<uint64_t>(count);
  UpdateConnections();
  if (should_retry_unattributed_) RetryUnattributed();
  return count;
}

int QuotingLoop::Core::PollFeed() {
  const int count = feed_.Poll(market_, options_.max_feed_messages_per_turn);
  counters_.market_messages += static_cast<uint64_t>(count);
  if (market_.ShouldRequestSnapshot()) feed_.RequestSnapshot(instrument_.id);
  return count;
}

int QuotingLoop::Core::FireTimers() {
  int work = TimeOutQueries();
  if (now_ns_ >= next_order_timer_ns_) {
    work += FireOrderTimers();
    work += CancelStrays();
  }
  work += RunReconcile();
  if (!unattributed_.empty()) work += AskForOwners();
  work += RunFillSync(fills_since_cursor_);
  work += RunFillSync(fills_since_time_);
  if (now_ns_ >= next_cleanup_at_ns_) work += RunCleanup();
  return work;
}

// --- conditions ----------------------------------------------------------------------------------

void QuotingLoop::Core::UpdateConnections() {
  const bool is_stream_up = engine_.is_private_stream_up();
  const bool is_entry_up = engine_.is_order_entry_up();
  if (is_stream_up != is_stream_up_ || is_entry_up != is_entry_up_) {
    is_stream_up_ = is_stream_up;
    is_entry_up_ = is_entry_up;
    Log(LoopEventKind::kConnection,
        is_stream_up && is_entry_up ? Severity::kInfo : Severity::kWarning,
        is_stream_up ? (is_entry_up ? "up" : "order_entry_down") : "private_stream_down");
    if (!is_stream_up) RequestReconcile("private stream down");
    needs_decision_ = true;
  }
}

void QuotingLoop::Core::UpdateRiskMonitor() {
  const std::optional<MarketTracker::Touch>& touch = market_.quotable_touch();
  if (!touch) return;
  const Price doubled_mid = Price::FromTicks(touch->bid_price.ticks() + touch->ask_price.ticks());
  const RiskMonitor::Change change =
      risk_monitor_.Update(doubled_mid, market_.atr_ratio(), now_ns_);
  if (change == RiskMonitor::Change::kNone) return;
  const bool is_triggered = change == RiskMonitor::Change::kTriggered;
  if (is_triggered) ++counters_.risk_mode_entries;
  const std::string_view reason = is_triggered ? ToText(risk_monitor_.cause()) : "cleared";
  RecordRisk(reason);
  Log(LoopEventKind::kRiskMode, is_triggered ? Severity::kAlert : Severity::kInfo, reason);
  needs_decision_ = true;
}

// Changes with the price and the venue's filters, both slowly: looked at once a second.
void QuotingLoop::Core::UpdateOrderSize() {
  const std::optional<MarketTracker::Touch>& touch = market_.quotable_touch();
  if (!touch || now_ns_ < order_size_due_at_ns_) return;
  order_size_due_at_ns_ = now_ns_ + kNanosPerSecond;
  const bool was_enough = IsOrderLargeEnough();
  order_quantity_ = strategy_.order_quantity();
  if (order_quantity_.is_zero()) return;
  order_quantity_needed_ = instrument_.MinQuantityAt(touch->bid_price);
  const bool is_enough = IsOrderLargeEnough();
  if (!is_enough) {
    order_size_problem_ = InlineString<64>::Truncated(absl::StrCat(
        "order below minimum notional: ", instrument_.ToDecimal(order_quantity_).ToText(),
        " needed ", instrument_.ToDecimal(order_quantity_needed_).ToText()));
  }
  if (is_enough == was_enough) return;
  Log(LoopEventKind::kSafety, is_enough ? Severity::kInfo : Severity::kAlert,
      is_enough ? "order_size_ok" : "not_quoting",
      is_enough ? std::string_view() : order_size_problem_.view());
}

void QuotingLoop::Core::UpdateConditions() {
  is_market_change_ = market_.Evaluate();
  counters_.book_gaps = market_.gap_count();
  counters_.book_resyncs = market_.resync_count();
  // Risk mode also clears by time alone.
  if (is_market_change_ || risk_monitor_.is_active()) UpdateRiskMonitor();
  if (is_market_change_) UpdateOrderSize();
  if (is_market_change_) {
    if (now_ns_ >= market_decide_due_ns_) {
      needs_decision_ = true;
    } else {
      decide_at_ns_ = std::min(decide_at_ns_, market_decide_due_ns_);
    }
  }
  if (is_reconciled_ && !is_safety_known_) CheckSafety();

  conditions_.is_killed = is_killed_;
  conditions_.is_paused = is_paused_ || stop_.is_active;
  conditions_.is_connected = is_stream_up_ && is_entry_up_ && !fatal_error_.has_value();
  conditions_.is_reconciled = is_reconciled_;
  conditions_.is_account_safe = is_safety_known_ && safety_problems_.empty();
  conditions_.is_store_healthy = engine_.is_store_healthy() && is_ledger_complete_;
  conditions_.is_breaker_open = breaker_.is_open(wall_ns_);
  conditions_.is_instrument_trading =
      is_instrument_usable_ && instrument_.status == TradingStatus::kTrading;
  conditions_.is_book_quotable = !market_.problem().has_value();

  const std::optional<DenyReason> block = RiskGates::CheckConditions(conditions_);
  if (block == block_) return;
  const bool is_pull = block.has_value() && !block_.has_value();
  if (is_pull && orders_.live_count() > 0) ++counters_.quotes_pulled;
  block_ = block;
  needs_decision_ = true;
  if (!observer_) return;
  if (block == DenyReason::kStaleBook) {
    const std::optional<BookProblem> problem = market_.problem();
    Log(LoopEventKind::kBookProblem, Severity::kWarning, problem ? ToText(*problem) : "stale_book");
  } else if (block == DenyReason::kStoreUnhealthy) {
    Log(LoopEventKind::kStore, Severity::kAlert, ToText(*block));
  }
}

void QuotingLoop::Core::UpdatePhase() {
  if (stop_.is_proven) {
    phase_ = LoopPhase::kStopped;
  } else if (fatal_error_.has_value()) {
    phase_ = LoopPhase::kFailed;
  } else if (stop_.is_active) {
    phase_ = LoopPhase::kStopping;
  } else if (!block_.has_value() && !IsOrderLargeEnough()) {
    phase_ = LoopPhase::kHalted;
  } else if (!block_.has_value()) {
    phase_ = LoopPhase::kQuoting;
    has_quoted_ = true;
  } else if (!conditions_.is_connected) {
    phase_ = LoopPhase::kConnecting;
  } else if (!conditions_.is_reconciled) {
    phase_ = LoopPhase::kReconciling;
  } else if (!conditions_.is_account_safe) {
    phase_ = LoopPhase::kUnsafe;
  } else {
    phase_ = LoopPhase::kHalted;
  }
}

void QuotingLoop::Core::RecordRisk(std::string_view reason) {
  RiskRecord record;
  record.is_risk_mode_active = risk_monitor_.is_active();
  record.is_paused = is_paused_;
  record.is_killed = is_killed_;
  record.since_ns = wall_ns_;
  record.breaker_open_until_ns = breaker_.open_until_ns();
  record.reason = InlineString<64>::Truncated(reason);
  records_.Set(record);
}

// --- operator ------------------------------------------------------------------------------------

int QuotingLoop::Core::HandleCommands() {
  int work = 0;
  if (!stop_.is_active && is_stop_requested_.load(std::memory_order_relaxed)) {
    stop_.is_active = true;
    reconcile_.step = ReconcileStep::kIdle;
    reconcile_.is_wanted = false;
    needs_decision_ = true;
    Log(LoopEventKind::kOperator, Severity::kInfo, "stop");
    ++work;
  }
  OperatorCommand command;
  while (commands_.TryPop(command)) {
    Carry(command);
    ++work;
  }
  return work;
}

void QuotingLoop::Core::Carry(const OperatorCommand& command) {
  needs_decision_ = true;
  std::string_view name;
  switch (command.kind) {
    case OperatorCommand::Kind::kPause:
      is_paused_ = true;
      name = "pause";
      break;
    case OperatorCommand::Kind::kResume:
      is_paused_ = false;
      name = "resume";
      break;
    case OperatorCommand::Kind::kKill:
      is_killed_ = true;
      name = "kill";
      break;
    case OperatorCommand::Kind::kClearKill:
      is_paused_ = is_paused_ || is_killed_;
      is_killed_ = false;
      name = "clear_kill";
      break;
    case OperatorCommand::Kind::kReconcile:
      RequestReconcile("operator");
      return;
    case OperatorCommand::Kind::kClearRiskMode:
      risk_monitor_.Clear();
      name = "clear_risk_mode";
      break;
  }
  operator_reason_ = command.reason;
  RecordRisk(command.reason.view());
  Log(LoopEventKind::kOperator, Severity::kWarning, name, command.reason.view());
}

// --- queries under way ---------------------------------------------------------------------------

void QuotingLoop::Core::TrackQuery(RequestId id, QueryKind kind, OrderNumber number) {
  queries_.push_back({.id = id,
                      .kind = kind,
                      .number = number,
                      .due_at_ns = now_ns_ + options_.query_deadline_ns});
  if (kind == QueryKind::kOrder) ++order_queries_;
}

void QuotingLoop::Core::Handle(const QueryDone& done) {
  for (OpenQuery& open : queries_) {
    if (open.id != done.request_id) continue;
    const OpenQuery query = open;
    open = queries_.back();
    queries_.pop_back();
    if (!done.is_ok) LogFailedQuery(query.kind, done.text.view());
    OnQueryEnded(query, done.is_ok);
    return;
  }
}

// A venue that is away fails every query: one line a while tells it, for each kind.
void QuotingLoop::Core::LogFailedQuery(QueryKind kind, std::string_view why) {
  constexpr int64_t kQuietNs = 10 * kNanosPerSecond;
  int64_t& quiet_until_ns = failed_query_quiet_until_ns_[static_cast<size_t>(kind)];
  if (now_ns_ < quiet_until_ns) return;
  quiet_until_ns = now_ns_ + kQuietNs;
  std::array<char, VenueText::capacity()> text;
  size_t size = 0;
  for (const std::string_view part : {ToText(kind), std::string_view(": "), why}) {
    size += part.copy(text.data() + size, text.size() - size);
  }
  Log(LoopEventKind::kReconcile, Severity::kWarning, "query_failed", {text.data(), size});
}

// It is alive while rows come: a long list takes longer than one deadline.
void QuotingLoop::Core::ExtendQuery(RequestId id) {
  if (id.value() == 0) return;
  for (OpenQuery& open : queries_) {
    if (open.id == id) open.due_at_ns = now_ns_ + options_.query_deadline_ns;
  }
}

int QuotingLoop::Core::TimeOutQueries() {
  int work = 0;
  for (size_t i = 0; i < queries_.size();) {
    if (now_ns_ < queries_[i].due_at_ns) {
      ++i;
      continue;
    }
    const OpenQuery query = queries_[i];
    queries_[i] = queries_.back();
    queries_.pop_back();
    LogFailedQuery(query.kind, "no end of the answer in time");
    OnQueryEnded(query, false);
    ++work;
  }
  return work;
}

void QuotingLoop::Core::OnQueryEnded(const OpenQuery& query, bool is_ok) {
  if (query.kind == QueryKind::kOrder) {
    --order_queries_;
    if (query.number.value() == 0) OnOwnerQueryEnded(query.id, is_ok);
    OnOrderQueryEnded(query, is_ok);
  } else if (query.id == fills_since_cursor_.request) {
    OnFillSyncEnded(fills_since_cursor_, is_ok);
  } else if (query.id == fills_since_time_.request) {
    OnFillSyncEnded(fills_since_time_, is_ok);
  } else if (query.id == reconcile_.request) {
    OnReconcileQueryEnded(is_ok);
  } else if (query.id == stop_.request) {
    OnStopQueryEnded(is_ok);
  }
}

// --- invariants ----------------------------------------------------------------------------------

void QuotingLoop::Core::CheckAllInvariants() const {
  orders_.CheckInvariants();
  books_.CheckInvariants();
  HF_ASSERT(order_queries_ >= 0);
  HF_ASSERT(static_cast<size_t>(order_queries_) <= queries_.size());
  // What is stopped has nothing live.
  const bool is_stop_true = !stop_.is_proven || orders_.live_count() == 0;
  HF_ASSERT(is_stop_true);
}

// One aggregate a turn: all of them are seen every few turns, and a turn stays cheap.
void QuotingLoop::Core::CheckInvariantsInRotation() {
  switch (++invariant_rotation_ % 3) {
    case 0:
      orders_.CheckInvariants();
      break;
    case 1:
      books_.slots().CheckInvariants();
      break;
    default:
      HF_ASSERT(books_.ledger().CheckInvariants());
      break;
  }
}

// --- log -----------------------------------------------------------------------------------------

void QuotingLoop::Core::Emit(LoopEvent& event) {
  event.wall_time_ns = wall_ns_;
  observer_->OnLoopEvent(event);
}

void QuotingLoop::Core::Log(LoopEventKind kind, Severity severity, std::string_view reason,
                            std::string_view text) {
  if (observer_ == nullptr) return;
  LoopEvent event;
  event.kind = kind;
  event.severity = severity;
  event.reason = InlineString<32>::Truncated(reason);
  event.text = VenueText::Truncated(text);
  Emit(event);
}

void QuotingLoop::Core::LogOrder(LoopEventKind kind, Severity severity, const Order& order,
                                 std::string_view reason, OrderState from) {
  if (observer_ == nullptr) return;
  LoopEvent event;
  event.kind = kind;
  event.severity = severity;
  event.number = order.number;
  event.client_order_id = order.client_order_id;
  event.venue_order_id = order.venue_order_id;
  event.side = order.side;
  event.price = order.price;
  event.quantity = order.quantity;
  event.filled = order.filled;
  event.from = from;
  event.to = order.state;
  event.reason = InlineString<32>::Truncated(reason);
  Emit(event);
}

}  // namespace holdfast
