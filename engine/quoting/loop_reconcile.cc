// Comparing with the venue: at start, after the private stream was down, from time to time and on
// demand (R7); the account checks (X11); and the stop that ends with proof.
//
// A reconciliation: account, clock, filters -> open orders (adopt what is ours, ask for what is
// missing) -> balances -> fills since the last known one. Balances are compared with the ledger
// only when no fill was booked between the two lists, otherwise both are read again: so a fill in
// the middle is never taken for an unexplained difference.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/quoting/loop_core.h"

namespace holdfast {

// --- what the store knew -------------------------------------------------------------------------

void QuotingLoop::Core::RestoreOrders(const RecoveredState& recovered) {
  line_change_ = recovered.line_change;
  for (const Order& stored : recovered.open_orders) {
    if (!MayBeLive(stored.state)) continue;  // never left the process
    if (!orders_.CanInsert() || orders_.Find(stored.number) != nullptr) continue;
    TrackedOrder& tracked = orders_.Insert(stored);
    tracked.is_inherited = true;
    tracked.placed_at_ns = 0;  // before every listing of this run
    tracked.wanted = stored.quantity;
    tracked.venue_filled = stored.filled;
    tracked.was_accepted = stored.venue_order_id.value() != 0;
    const SlotKey key = tracked.key();
    if (!key.is_exit && books_.slots().OnEntryPlaced(key, stored.price) && tracked.is_resting()) {
      static_cast<void>(books_.slots().OnEntryAccepted(key));
    }
    // Whatever was under way when the last run ended has lost its answer. Never sent again.
    if (!tracked.is_resting()) LoseTrack(tracked, 0);
  }
  // Without proof a request that no record tells of can still be on its way, for as long as the
  // venue takes it. However old the newest record is: a quiet spell writes none, and the last order
  // may have been sent the moment before the end. The last run was over by now, so no clock but
  // ours is needed.
  if (!recovered.is_stop_proven) {
    const GatewayCapabilities capabilities = engine_.capabilities();
    const int64_t window_ns = capabilities.submit_window_ns + capabilities.visibility_lag_ns;
    hold_until_ns_ = now_ns_ + window_ns;
    grace_until_ns_ += window_ns;
  }
  // An order whose end is stored has all its fills stored. What can be missing belongs to orders
  // that are open in the store, or younger than the newest record.
  fills_since_ns_ = start_wall_ns_;
  if (recovered.is_first_run) return;
  if (recovered.stored_time_ns != 0) {
    fills_since_ns_ = std::min(fills_since_ns_, recovered.stored_time_ns);
  }
  for (const Order& stored : recovered.open_orders) {
    if (stored.create_time_ns != 0) {
      fills_since_ns_ = std::min(fills_since_ns_, stored.create_time_ns);
    }
  }
  // Clocks differ, also from one run to the next; rows that are booked cost nothing.
  constexpr int64_t kMarginNs = 60 * kNanosPerSecond;
  fills_since_ns_ -= kMarginNs;
}

// --- the sequence --------------------------------------------------------------------------------

void QuotingLoop::Core::RequestReconcile(std::string_view reason) {
  const bool was_reconciled = is_reconciled_;
  if (!is_stream_up_) is_reconciled_ = false;
  if (reason == "private stream down") is_reconciled_ = false;
  if (was_reconciled && !is_reconciled_) needs_decision_ = true;
  // One under way has read parts of the past already: it starts again.
  reconcile_.is_wanted = true;
  if (reconcile_.step != ReconcileStep::kIdle) {
    reconcile_.step = ReconcileStep::kIdle;
    reconcile_.request = RequestId();
  }
  Log(LoopEventKind::kReconcile, Severity::kInfo, "wanted", reason);
}

void QuotingLoop::Core::EnterStep(ReconcileStep step) {
  reconcile_.step = step;
  reconcile_.request = RequestId();
  reconcile_.next_try_at_ns = now_ns_;
}

int QuotingLoop::Core::RunReconcile() {
  if (stop_.is_active || fatal_error_.has_value()) return 0;
  if (reconcile_.step == ReconcileStep::kIdle) {
    const bool is_due = reconcile_.is_wanted || now_ns_ >= reconcile_.next_start_at_ns;
    if (!is_due || !is_stream_up_ || !is_entry_up_) return 0;
    reconcile_.is_wanted = false;
    reconcile_.balance_rounds = 0;
    EnterStep(ReconcileStep::kAccount);
  }
  if (reconcile_.step == ReconcileStep::kVerify) {
    if (IsVerifying()) return 0;
    has_listed_orders_ = true;
    EnterStep(ReconcileStep::kBalances);
  }
  if (reconcile_.step == ReconcileStep::kFills) {
    FinishFillsStep();
    return 0;
  }
  if (reconcile_.request.value() != 0 || now_ns_ < reconcile_.next_try_at_ns || !CanQuery()) {
    return 0;
  }
  static constexpr auto kKinds = std::to_array<QueryKind>(
      {QueryKind::kAccount, QueryKind::kAccount, QueryKind::kServerTime, QueryKind::kInstrument,
       QueryKind::kOpenOrders, QueryKind::kOpenOrders, QueryKind::kBalances, QueryKind::kFills});
  const QueryKind kind = kKinds[static_cast<size_t>(reconcile_.step)];
  const RequestId id = NextRequestId();
  if (kind == QueryKind::kOpenOrders) BeginScan(id);
  if (kind == QueryKind::kBalances) {
    reconcile_.booked_before_balances = booked_count_;
    books_.BeginBalanceList();
  }
  if (!SendReconcileQuery(kind, id).ok()) {
    reconcile_.next_try_at_ns = now_ns_ + options_.reconcile_retry_ns;
    return 1;
  }
  TrackQuery(id, kind);
  reconcile_.request = id;
  return 1;
}

absl::Status QuotingLoop::Core::SendReconcileQuery(QueryKind kind, RequestId id) {
  switch (kind) {
    case QueryKind::kAccount:
      return engine_.QueryAccount(id);
    case QueryKind::kServerTime:
      return engine_.QueryServerTime(id);
    case QueryKind::kInstrument:
      return engine_.QueryInstrument(id, instrument_.id);
    case QueryKind::kOpenOrders:
      return engine_.QueryOpenOrders(id, instrument_.id);
    case QueryKind::kBalances:
      return engine_.QueryBalances(id);
    case QueryKind::kOrder:
    case QueryKind::kFills:
    case QueryKind::kCancelAll:
      break;
  }
  HF_ASSERT(false);
  return absl::OkStatus();
}

void QuotingLoop::Core::OnReconcileQueryEnded(bool is_ok) {
  reconcile_.request = RequestId();
  if (!is_ok) {
    ++counters_.reconciliations_failed;
    reconcile_.next_try_at_ns = now_ns_ + options_.reconcile_retry_ns;
    return;
  }
  switch (reconcile_.step) {
    case ReconcileStep::kAccount:
      EnterStep(ReconcileStep::kServerTime);
      break;
    case ReconcileStep::kServerTime:
      EnterStep(ReconcileStep::kInstrument);
      break;
    case ReconcileStep::kInstrument:
      EnterStep(ReconcileStep::kOpenOrders);
      break;
    case ReconcileStep::kOpenOrders:
      OnScanEnded();
      EnterStep(ReconcileStep::kVerify);
      break;
    case ReconcileStep::kBalances:
      books_.EndBalanceList();
      reconcile_.fill_sync = RequestCursorFills();
      EnterStep(ReconcileStep::kFills);
      break;
    case ReconcileStep::kIdle:
    case ReconcileStep::kVerify:
    case ReconcileStep::kFills:
      break;
  }
}

// --- open orders ---------------------------------------------------------------------------------

void QuotingLoop::Core::BeginScan(RequestId request) {
  ++scan_.generation;
  scan_.request = request;
  scan_.started_at_ns = now_ns_;
  scan_.own_rows = 0;
}

// What we believe to rest since before the listing and it did not show: asked for one by one.
void QuotingLoop::Core::OnScanEnded() {
  for (uint32_t position : orders_.live()) {
    TrackedOrder& tracked = orders_.at(position);
    const bool is_missing = tracked.is_resting() && tracked.placed_at_ns < scan_.started_at_ns &&
                            tracked.seen_in_scan != scan_.generation;
    if (is_missing) Verify(tracked);
  }
}

bool QuotingLoop::Core::IsVerifying() const {
  return std::any_of(orders_.live().begin(), orders_.live().end(),
                     [this](uint32_t position) { return orders_.at(position).is_verifying; });
}

// --- balances and fills --------------------------------------------------------------------------

void QuotingLoop::Core::FinishFillsStep() {
  if (fills_since_cursor_.completed < reconcile_.fill_sync) return;
  constexpr int32_t kMaxRounds = 10;
  // An order of which the venue told more fills than we have: the balances may contain them.
  const bool is_fill_missing =
      std::any_of(orders_.live().begin(), orders_.live().end(), [this](uint32_t position) {
        const TrackedOrder& tracked = orders_.at(position);
        return tracked.venue_filled > tracked.order.filled;
      });
  const bool is_waiting = is_fill_missing || !unattributed_.empty();
  const bool is_quiet = booked_count_ == reconcile_.booked_before_balances && !is_waiting;
  if (!is_quiet) {
    // Fills came in between, or are waited for, or wait for their order to be identified. The
    // opening balances have to be exact; a later comparison can wait.
    if (!has_opening_balances_ || ++reconcile_.balance_rounds < kMaxRounds) {
      EnterStep(ReconcileStep::kBalances);
      if (is_waiting) reconcile_.next_try_at_ns += options_.reconcile_retry_ns;
      return;
    }
  } else if (is_ledger_complete_ && !CompareWallets()) {
    EnterStep(ReconcileStep::kBalances);
    return;
  }
  FinishReconcile();
}

// False when there was no room to record all of it now; nothing was booked then. Not while a fill
// could not be booked: it is no unexplained difference.
bool QuotingLoop::Core::CompareWallets() {
  if (records_.room() < books_.balances().size()) return false;
  for (const AssetBalance& balance : books_.balances()) {
    const Decimal difference = balance.free + balance.locked - books_.Wallet(balance.asset);
    if (difference.is_zero()) continue;
    const LedgerCause cause =
        has_opening_balances_ ? LedgerCause::kAdjustment : LedgerCause::kOpening;
    const LedgerTransaction transaction = MakeWalletTransaction(
        cause, balance.asset, difference,
        has_opening_balances_ ? "wallet differs from the ledger" : "opening balance", VenueNowNs());
    if (!books_.BookWallet(transaction).ok()) {
      OnLedgerFull(balance.asset);
      continue;
    }
    records_.Push(LedgerRecord{.transaction = transaction});
    if (!has_opening_balances_) continue;
    if (difference.Absolute() > options_.wallet_tolerance) {
      ++counters_.wallet_adjustments;
      Log(LoopEventKind::kWalletAdjusted, Severity::kAlert, balance.asset.view(),
          "balance at the venue differs from our books; booked as an adjustment");
    }
  }
  has_opening_balances_ = true;
  return true;
}

void QuotingLoop::Core::FinishReconcile() {
  if (scan_.started_at_ns < hold_until_ns_) {
    // All is compared but what the last run may have sent in its last moment: listed once more.
    EnterStep(ReconcileStep::kOpenOrders);
    reconcile_.next_try_at_ns = hold_until_ns_;
    WakeAt(hold_until_ns_);
    Log(LoopEventKind::kReconcile, Severity::kInfo, "waiting",
        "the last run did not stop with proof: an order of it may still arrive");
    return;
  }
  EnterStep(ReconcileStep::kIdle);
  reconcile_.next_start_at_ns = now_ns_ + options_.reconcile_interval_ns;
  ++counters_.reconciliations;
  is_reconciled_ = is_stream_up_;
  is_safety_known_ = false;
  CheckSafety();
  needs_decision_ = true;
  Log(LoopEventKind::kReconcile, Severity::kInfo, "done");
}

void QuotingLoop::Core::Handle(const BalanceReport& report) {
  books_.OnBalance(report);
  needs_decision_ = true;
}

void QuotingLoop::Core::Handle(const AccountReport& report) {
  account_report_ = report;
  if (maker_fee_rate_ == report.maker_fee_rate) return;
  maker_fee_rate_ = report.maker_fee_rate;
  needs_decision_ = true;
}

void QuotingLoop::Core::Handle(const ServerTimeReport& report) {
  clock_offset_ns_ = report.offset_ns;
  if (is_offset_known_) return;
  is_offset_known_ = true;
  // What was restored before the venue's clock was known reckoned with ours.
  const GatewayCapabilities capabilities = engine_.capabilities();
  for (uint32_t position : orders_.live()) {
    TrackedOrder& tracked = orders_.at(position);
    if (tracked.final_after_venue_ns == 0) continue;
    if (tracked.order.submit_expiry_ns == 0) {
      tracked.final_after_venue_ns = tracked.order.create_time_ns + clock_offset_ns_ +
                                     capabilities.submit_window_ns + capabilities.visibility_lag_ns;
    }
    tracked.final_after_at_ns =
        now_ns_ + std::max<int64_t>(0, tracked.final_after_venue_ns - VenueNowNs());
    WakeAt(tracked.final_after_at_ns);
  }
}

// Limits may change while running. A new tick or lot size changes the meaning of every number we
// hold: quotes are pulled until a restart reads the books on the new grid.
void QuotingLoop::Core::Handle(const InstrumentReport& report) {
  Instrument changed = report.instrument;
  changed.id = instrument_.id;
  if (changed.symbol != instrument_.symbol || changed == instrument_) {
    if (changed == instrument_ && !is_instrument_usable_) {
      is_instrument_usable_ = true;
      needs_decision_ = true;
    }
    return;
  }
  ++counters_.instrument_changes;
  needs_decision_ = true;
  const bool is_same_grid = changed.tick_size == instrument_.tick_size &&
                            changed.lot_size == instrument_.lot_size &&
                            changed.base_asset == instrument_.base_asset &&
                            changed.quote_asset == instrument_.quote_asset;
  is_instrument_usable_ = is_same_grid && Validate(changed).ok();
  if (!is_instrument_usable_) {
    Log(LoopEventKind::kInstrumentChanged, Severity::kAlert, "grid_changed",
        "tick or lot size changed: quotes are pulled, restart to read the books on the new grid");
    return;
  }
  instrument_ = changed;
  books_.SetInstrument(changed);
  is_safety_known_ = false;
  Log(LoopEventKind::kInstrumentChanged, Severity::kWarning, "limits_changed");
}

// --- account safety (X11) ------------------------------------------------------------------------

AccountFacts QuotingLoop::Core::MakeAccountFacts() const {
  AccountFacts facts;
  facts.instrument = &instrument_;
  facts.can_trade = account_report_.has_value() && account_report_->can_trade;
  facts.maker_fee_rate = maker_fee_rate_;
  facts.configured_maker_fee_rate = options_.configured_maker_fee_rate;
  facts.fee_tolerance = options_.fee_tolerance;
  facts.clock_offset_ns = clock_offset_ns_;
  facts.max_clock_skew_ns = options_.max_clock_skew_ns;
  facts.wallet_base = books_.Wallet(instrument_.base_asset);
  facts.wallet_quote = books_.Wallet(instrument_.quote_asset);
  if (const std::optional<MarketTracker::Touch>& touch = market_.quotable_touch()) {
    facts.reference_price = touch->ask_price;
  }
  return facts;
}

// The balance can only be judged with a price: until the book is there, the checks count as not
// done. Once quoting has begun, balances are the gates' business.
void QuotingLoop::Core::CheckSafety() {
  const AccountFacts facts = MakeAccountFacts();
  const bool can_judge = facts.reference_price.ticks() > 0 || has_quoted_;
  if (!account_report_.has_value() || !is_offset_known_ || !can_judge) return;
  AccountFacts judged = facts;
  if (has_quoted_) judged.reference_price = Price();
  const SafetyProblems problems = CheckAccountSafety(judged);
  is_safety_known_ = true;
  const bool is_news = problems.size() != safety_problems_.size() ||
                       !std::equal(problems.begin(), problems.end(), safety_problems_.begin());
  safety_problems_ = problems;
  needs_decision_ = true;
  if (!is_news) return;
  for (SafetyCheck problem : problems) {
    Log(LoopEventKind::kSafety, Severity::kAlert, ToText(problem), Explain(problem, facts));
  }
}

std::string QuotingLoop::Core::safety_problem() const {
  std::string text;
  const AccountFacts facts = MakeAccountFacts();
  for (SafetyCheck problem : safety_problems_) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", Explain(problem, facts));
  }
  return text;
}

// --- stop with proof -----------------------------------------------------------------------------

// Decide() cancels everything; here it is proven: nothing live in our table, open orders listed
// twice without one of ours, a visibility lag apart and when nothing of the last run can arrive any
// more, fills read after that, and every record handed over. The proof itself is the last record.
int QuotingLoop::Core::RunStop() {
  if (!stop_.is_active || stop_.is_proven) return 0;
  if (orders_.live_count() > 0 || !strays_.empty() || !unattributed_.empty()) {
    stop_.empty_scans = 0;
    stop_.fill_sync = 0;
    return 0;
  }
  if (stop_.request.value() != 0 || now_ns_ < stop_.next_try_at_ns) return 0;
  if (now_ns_ < hold_until_ns_) return 0;
  if (stop_.empty_scans < 2) {
    if (!CanQuery()) return 0;
    const RequestId id = NextRequestId();
    BeginScan(id);
    if (!engine_.QueryOpenOrders(id, instrument_.id).ok()) {
      stop_.next_try_at_ns = now_ns_ + options_.stop_retry_ns;
      return 1;
    }
    TrackQuery(id, QueryKind::kOpenOrders);
    stop_.request = id;
    return 1;
  }
  if (stop_.fill_sync == 0) {
    stop_.fill_sync = RequestCursorFills();
    return 1;
  }
  if (fills_since_cursor_.completed < stop_.fill_sync) return 0;
  if (!records_.is_empty() || orders_.FirstDirty() != nullptr) return 0;
  if (!engine_.RecordProvenStop()) return 0;  // no room: in a later turn
  stop_.is_proven = true;
  Log(LoopEventKind::kOperator, Severity::kInfo, "stopped", "no open order, all fills booked");
  return 1;
}

void QuotingLoop::Core::OnStopQueryEnded(bool is_ok) {
  stop_.request = RequestId();
  if (!is_ok) {
    stop_.empty_scans = 0;
    stop_.next_try_at_ns = now_ns_ + options_.stop_retry_ns;
    return;
  }
  stop_.empty_scans = scan_.own_rows == 0 ? stop_.empty_scans + 1 : 0;
  stop_.next_try_at_ns =
      now_ns_ +
      (stop_.empty_scans == 0 ? options_.stop_retry_ns : engine_.capabilities().visibility_lag_ns);
}

}  // namespace holdfast
