// The status snapshot, at a bounded rate, and the report at the end.
#include <algorithm>
#include <cstdlib>

#include "engine/quoting/loop_core.h"

namespace holdfast {
namespace {

void SetHealth(StatusSnapshot& status, HealthFlag flag, bool is_ok, std::string_view reason) {
  HealthStatus& health = status.health[static_cast<size_t>(flag)];
  health.is_ok = is_ok;
  health.reason = is_ok ? InlineString<64>() : InlineString<64>::Truncated(reason);
}

}  // namespace

void QuotingLoop::Core::Publish() {
  next_publish_at_ns_ = now_ns_ + options_.snapshot_interval_ns;
  CheckAllInvariants();
  StatusSnapshot& status = *status_;
  status.wall_time_ns = wall_ns_;
  status.start_time_ns = start_wall_ns_;
  status.phase = phase_;
  FillMarket(status);
  FillOrders(status);
  FillSlots(status);
  FillMoney(status);
  FillHealth(status);
  // Percentiles walk a histogram of a thousand buckets: one of them each time, all of them at last.
  if (phase_ == LoopPhase::kStopped) {
    for (int i = 0; i < kLatencyStageCount; ++i) RefreshLatency(static_cast<LatencyStage>(i));
  } else {
    RefreshLatency(static_cast<LatencyStage>(next_latency_));
    next_latency_ = (next_latency_ + 1) % kLatencyStageCount;
  }
  counters_.records_deferred = records_.deferred_count();
  status.counters = counters_;
  snapshots_->Publish(status);
}

void QuotingLoop::Core::FillMarket(StatusSnapshot& status) const {
  status.symbol = instrument_.symbol;
  status.base_asset = instrument_.base_asset;
  status.quote_asset = instrument_.quote_asset;
  status.tick_size = instrument_.tick_size;
  status.lot_size = instrument_.lot_size;
  status.is_book_quotable = conditions_.is_book_quotable;
  status.bid_level_count = static_cast<int32_t>(market_.book().TopLevels(Side::kBuy, status.bids));
  status.ask_level_count = static_cast<int32_t>(market_.book().TopLevels(Side::kSell, status.asks));
  status.book_receive_time_ns = market_.last_receive_time_ns();
  status.anchor = memory_.anchor;
  status.interval_ticks = memory_.interval_ticks;
  status.atr_ratio = market_.atr_ratio().ToDouble();
}

void QuotingLoop::Core::FillOrders(StatusSnapshot& status) {
  status.order_total = orders_.live_count();
  status.unknown_order_total = orders_.unknown_count();
  const int64_t mid = status.bid_level_count > 0 ? status.bids[0].price.ticks() : 0;
  publish_scratch_.assign(orders_.live().begin(), orders_.live().end());
  const size_t shown =
      std::min<size_t>(publish_scratch_.size(), static_cast<size_t>(StatusSnapshot::kOrderCount));
  const auto is_nearer = [&](uint32_t a, uint32_t b) {
    const Order& first = orders_.at(a).order;
    const Order& second = orders_.at(b).order;
    const int64_t distance_first = std::llabs(first.price.ticks() - mid);
    const int64_t distance_second = std::llabs(second.price.ticks() - mid);
    return distance_first != distance_second ? distance_first < distance_second
                                             : first.number < second.number;
  };
  std::partial_sort(publish_scratch_.begin(),
                    publish_scratch_.begin() + static_cast<ptrdiff_t>(shown),
                    publish_scratch_.end(), is_nearer);
  status.order_count = static_cast<int32_t>(shown);
  for (size_t i = 0; i < shown; ++i) {
    const TrackedOrder& tracked = orders_.at(publish_scratch_[i]);
    status.orders[i] = {.number = tracked.order.number,
                        .client_order_id = tracked.order.client_order_id,
                        .slot_key = tracked.key(),
                        .side = tracked.order.side,
                        .state = tracked.order.state,
                        .price = tracked.order.price,
                        .quantity = tracked.order.quantity,
                        .filled = tracked.order.filled,
                        .create_time_ns = tracked.order.create_time_ns};
  }
}

void QuotingLoop::Core::FillSlots(StatusSnapshot& status) {
  const std::span<const Slot> slots = books_.slots().slots();
  publish_scratch_.clear();
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].state != SlotState::kFree) publish_scratch_.push_back(static_cast<uint32_t>(i));
  }
  status.slot_total = static_cast<int32_t>(publish_scratch_.size());
  status.filled_slot_total = books_.slots().filled_count();
  const int64_t mid = status.bid_level_count > 0 ? status.bids[0].price.ticks() : 0;
  const size_t shown =
      std::min<size_t>(publish_scratch_.size(), static_cast<size_t>(StatusSnapshot::kSlotCount));
  const auto is_nearer = [&](uint32_t a, uint32_t b) {
    const int64_t distance_first = std::llabs(slots[a].entry_price.ticks() - mid);
    const int64_t distance_second = std::llabs(slots[b].entry_price.ticks() - mid);
    return distance_first != distance_second ? distance_first < distance_second
                                             : slots[a].line < slots[b].line;
  };
  std::partial_sort(publish_scratch_.begin(),
                    publish_scratch_.begin() + static_cast<ptrdiff_t>(shown),
                    publish_scratch_.end(), is_nearer);
  status.slot_count = static_cast<int32_t>(shown);
  for (size_t i = 0; i < shown; ++i) status.slots[i] = slots[publish_scratch_[i]];
}

void QuotingLoop::Core::FillMoney(StatusSnapshot& status) const {
  const FixedQueue<StatusFill>& fills = books_.last_fills();
  status.fill_count = static_cast<int32_t>(fills.size());
  for (size_t i = 0; i < fills.size(); ++i) status.fills[i] = fills[fills.size() - 1 - i];
  const Position& position = books_.position();
  status.position = position.quantity();
  status.max_position = instrument_.RoundQuantity(limits_.max_position, Rounding::kDown);
  status.average_entry = position.AverageEntry(instrument_);
  status.realized_pnl = books_.run_realized_pnl();
  status.unrealized_pnl = UnrealizedPnl();
  status.volume = books_.volume();
  status.fee_asset_count = static_cast<int32_t>(books_.fees().size());
  std::copy(books_.fees().begin(), books_.fees().end(), status.fees.begin());
  const size_t balances = std::min(books_.balances().size(), status.balances.size());
  status.balance_count = static_cast<int32_t>(balances);
  std::copy_n(books_.balances().begin(), balances, status.balances.begin());
  status.maker_fee_rate = maker_fee_rate_;
  status.order_quantity = order_quantity_;
  status.order_quantity_needed = order_quantity_needed_;
}

// At the price it could be closed at: the bid for a long, the ask for a short.
Notional QuotingLoop::Core::UnrealizedPnl() const {
  const Position& position = books_.position();
  if (position.quantity().is_zero()) return Notional();
  const std::optional<BookLevel> level =
      position.quantity().is_positive() ? market_.book().best_bid() : market_.book().best_ask();
  return level ? position.UnrealizedPnl(instrument_, level->price) : Notional();
}

// The engine's text costs a lock and an allocation: asked for when the store fails, then rarely.
void QuotingLoop::Core::UpdateStoreProblem(bool is_store_healthy) {
  constexpr int64_t kAskEveryNs = kNanosPerSecond;
  if (is_store_healthy) {
    store_problem_at_ns_ = 0;
    return;
  }
  if (store_problem_at_ns_ != 0 && now_ns_ - store_problem_at_ns_ < kAskEveryNs) return;
  store_problem_at_ns_ = std::max<int64_t>(1, now_ns_);
  store_problem_ = InlineString<64>::Truncated(engine_.store_problem());
}

void QuotingLoop::Core::FillHealth(StatusSnapshot& status) {
  const std::optional<BookProblem> problem = market_.problem();
  SetHealth(status, HealthFlag::kFeed, market_.is_feed_up(), "market data is not connected");
  SetHealth(status, HealthFlag::kBook, !problem, problem ? ToText(*problem) : "");
  SetHealth(status, HealthFlag::kPrivateStream, is_stream_up_, "private stream is not connected");
  SetHealth(status, HealthFlag::kOrderEntry, is_entry_up_, "order entry is not connected");
  SetHealth(status, HealthFlag::kReconciled, is_reconciled_, "account is being compared");
  SetHealth(status, HealthFlag::kAccountSafe, conditions_.is_account_safe,
            safety_problems_.empty() ? "not checked yet" : ToText(safety_problems_[0]));
  const bool is_store_healthy = engine_.is_store_healthy();
  UpdateStoreProblem(is_store_healthy);
  SetHealth(status, HealthFlag::kStore, is_store_healthy && is_ledger_complete_,
            is_ledger_complete_ ? store_problem_.view() : "more assets than the ledger can hold");
  SetHealth(status, HealthFlag::kRecordQueue, are_records_flowing_,
            "the store is behind: placements wait");
  SetHealth(
      status, HealthFlag::kInstrument, conditions_.is_instrument_trading,
      is_instrument_usable_ ? ToText(instrument_.status) : "tick or lot size changed: restart");
  SetHealth(status, HealthFlag::kOrderSize, IsOrderLargeEnough(), order_size_problem_.view());
  SetHealth(status, HealthFlag::kRiskMode, !risk_monitor_.is_active(),
            ToText(risk_monitor_.cause()));
  SetHealth(
      status, HealthFlag::kOperator, !is_paused_ && !is_killed_,
      operator_reason_.empty() ? (is_killed_ ? "killed" : "paused") : operator_reason_.view());
  SetHealth(status, HealthFlag::kVenueBreaker, !breaker_.is_open(wall_ns_),
            "too many failures in a row");
  SetHealth(status, HealthFlag::kNoUnknownOrders, orders_.unknown_count() == 0,
            "orders without a known outcome");
  SetHealth(status, HealthFlag::kNoUnexplainedDifference,
            counters_.wallet_adjustments == 0 && counters_.foreign_fills == 0,
            "adjustments or foreign fills were booked");
  if (fatal_error_.has_value()) {
    SetHealth(status, HealthFlag::kOrderEntry, false, fatal_error_->text.view());
  }
}

void QuotingLoop::Core::RefreshLatency(LatencyStage stage) {
  const LatencyHistogram& histogram = latencies_[static_cast<size_t>(stage)];
  status_->latencies[static_cast<size_t>(stage)] = {.count = histogram.count(),
                                                    .p50_ns = histogram.QuantileNs(0.5),
                                                    .p90_ns = histogram.QuantileNs(0.9),
                                                    .p99_ns = histogram.QuantileNs(0.99),
                                                    .p999_ns = histogram.QuantileNs(0.999),
                                                    .max_ns = histogram.max_ns()};
}

RunReport QuotingLoop::Core::report() const {
  RunReport report;
  report.is_proven_empty = stop_.is_proven;
  report.counters = counters_;
  report.position = books_.position().quantity();
  report.volume = books_.volume();
  report.realized_pnl = books_.run_realized_pnl();
  report.unrealized_pnl = UnrealizedPnl();
  report.fee_asset_count = static_cast<int32_t>(books_.fees().size());
  std::copy(books_.fees().begin(), books_.fees().end(), report.fees.begin());
  for (size_t i = 0; i < latencies_.size(); ++i) {
    const LatencyHistogram& histogram = latencies_[i];
    report.latencies[i] = {.count = histogram.count(),
                           .p50_ns = histogram.QuantileNs(0.5),
                           .p90_ns = histogram.QuantileNs(0.9),
                           .p99_ns = histogram.QuantileNs(0.99),
                           .p999_ns = histogram.QuantileNs(0.999),
                           .max_ns = histogram.max_ns()};
  }
  return report;
}

}  // namespace holdfast
