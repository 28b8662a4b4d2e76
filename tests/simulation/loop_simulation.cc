#include "loop_simulation.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"

namespace holdfast::simulation {
namespace {

constexpr int64_t kStepNs = 20 * kNanosPerMilli;

Instrument MakeInstrument() {
  Instrument instrument;
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = Decimal::FromUnits(1'000'000);  // 0.01
  instrument.lot_size = Decimal::FromUnits(1'000);       // 0.00001
  instrument.min_price = Price::FromTicks(1);
  instrument.max_price = Price::FromTicks(100'000'000);
  instrument.min_quantity = Quantity::FromLots(1);
  instrument.max_quantity = Quantity::FromLots(900'000'000);
  instrument.min_notional = Decimal::FromInteger(5);
  return instrument;
}

SimVenueConfig MakeVenueConfig(const Plan& plan, const ManualClock& clock) {
  SimVenueConfig config;
  config.seed = plan.seed;
  config.start_time_ns = clock.WallNs();
  // Not documented, so both are played.
  config.is_canceled_found_by_original_id = plan.seed % 2 == 0;
  return config;
}

GridParameters MakeGrid(Prng& prng) {
  GridParameters grid;
  grid.price_interval = Decimal::FromInteger(prng.Between(5, 30));
  grid.order_quantity = Decimal::FromUnits(prng.Between(50, 300) * 1'000);
  grid.buy_window_size = static_cast<int32_t>(prng.Between(2, 8));
  grid.sell_window_size = static_cast<int32_t>(prng.Between(2, 8));
  grid.mode = prng.Chance(1, 2) ? GridMode::kLong : GridMode::kNeutral;
  grid.inventory_skew_factor = Decimal::FromUnits(prng.Between(0, 1) * 50'000);
  grid.max_position = Decimal::FromUnits(2'000'000);  // 0.02
  return grid;
}

void Accumulate(LoopCounters& total, const LoopCounters& part) {
  total.orders_placed += part.orders_placed;
  total.orders_canceled += part.orders_canceled;
  total.orders_unknown += part.orders_unknown;
  total.orders_adopted += part.orders_adopted;
  total.unknown_resolved_absent += part.unknown_resolved_absent;
  total.unknown_resolved_present += part.unknown_resolved_present;
  total.fills += part.fills;
  total.duplicate_fills += part.duplicate_fills;
  total.late_fills += part.late_fills;
  total.foreign_fills += part.foreign_fills;
  total.illegal_transitions += part.illegal_transitions;
  total.wallet_adjustments += part.wallet_adjustments;
  total.reconciliations += part.reconciliations;
  total.book_gaps += part.book_gaps;
}

}  // namespace

class Simulation::ProcessStore final : public Store {
 public:
  ProcessStore(MemoryStore& disk, const bool& is_alive, std::set<VenueOrderId>& stored_ids)
      : disk_(disk), is_alive_(is_alive), stored_ids_(stored_ids) {}
  absl::StatusOr<RecoveredState> Open() override { return disk_.Open(); }
  absl::Status Append(std::span<const StampedRecord> batch) override {
    if (!is_alive_) return absl::UnavailableError("dead");
    for (const StampedRecord& stamped : batch) {
      if (const auto* order = std::get_if<OrderRecord>(&stamped.record)) {
        stored_ids_.insert(order->order.venue_order_id);
      } else if (const auto* fill = std::get_if<FillRecord>(&stamped.record)) {
        stored_ids_.insert(fill->fill.venue_order_id);
      }
    }
    return disk_.Append(batch);
  }
  absl::StatusOr<OrderNumberBlock> ReserveOrderNumbers(uint64_t count) override {
    return disk_.ReserveOrderNumbers(count);
  }
  absl::StatusOr<int> Prune(int64_t now_ns) override { return disk_.Prune(now_ns); }
  absl::Status Close() override { return disk_.Close(); }
  uint64_t record_count() const override { return disk_.record_count(); }

 private:
  MemoryStore& disk_;
  const bool& is_alive_;
  std::set<VenueOrderId>& stored_ids_;
};

Simulation::Simulation(const Plan& plan)
    : plan_(plan),
      prng_(plan.seed * 7919 + 1),
      instrument_(MakeInstrument()),
      venue_(MakeVenueConfig(plan, clock_)),
      tag_(MakeAccountTag("simulation")),
      faults_(plan.seed, clock_.WallNs()) {
  SimInstrumentConfig listed;
  listed.instrument = instrument_;
  const auto id = venue_.AddInstrument(listed);
  HF_ASSERT(id.ok());
  instrument_.id = *id;
  SimAccountConfig account;
  account.name = "simulation";
  constexpr int64_t kFeeUnits[] = {0, 10'000, 20'000, -5'000};  // 0, 1, 2 and -0.5 bp
  account.maker_fee_rate = Decimal::FromUnits(kFeeUnits[prng_.Below(4)]);
  account.taker_fee_rate = Decimal::FromUnits(40'000);
  account.balances = {{AssetCode("BTC"), Decimal::FromInteger(1), Decimal()},
                      {AssetCode("USDT"), Decimal::FromInteger(50'000), Decimal()}};
  if (plan.has_only_quote) {
    account.maker_fee_rate = Decimal::FromUnits(100'000);
    account.balances[0].free = Decimal();
  }
  const auto account_id = venue_.AddAccount(account);
  HF_ASSERT(account_id.ok());
  account_ = *account_id;
  GeneratedMarketConfig market;
  market.seed = plan.seed;
  market.start_price = Decimal::FromInteger(50'000);
  market.volatility_ppm = prng_.Between(50, 300);
  market.regime_interval_ns = 5 * kNanosPerSecond;
  market.maker_interval_ns = 40 * kNanosPerMilli;
  market.step_interval_ns = 40 * kNanosPerMilli;
  HF_ASSERT(venue_.StartGenerated(instrument_.id, market).ok());

  const GridParameters grid = MakeGrid(prng_);
  HF_ASSERT(Validate(grid, instrument_, account.maker_fee_rate).ok());
  strategy_ = std::make_unique<GridStrategy>(grid, instrument_);
  StoreOptions store;
  store.venue_name = "sim";
  store.account_name = "simulation";
  store.instrument = instrument_;
  disk_ = std::make_unique<MemoryStore>(store, clock_);
  StartProcess();
}

Simulation::~Simulation() {
  loop_.reset();
  engine_.reset();
  feed_.reset();
  gateway_.reset();
}

// --- a life of the process -----------------------------------------------------------------------

void Simulation::StartProcess() {
  is_process_alive_ = true;
  SimGatewayConfig gateway;
  gateway.request_delay_ns = prng_.Between(0, 10) * kNanosPerMilli;
  gateway.response_delay_ns = prng_.Between(0, 10) * kNanosPerMilli;
  gateway.event_delay_ns = prng_.Between(0, 20) * kNanosPerMilli;
  gateway_ = std::make_unique<SimGateway>(venue_, account_, clock_, gateway, &faults_);
  SimFeedConfig feed;
  feed.instruments = {instrument_.id};
  feed.snapshot_delay_ns = 30 * kNanosPerMilli;
  feed_ = std::make_unique<SimFeed>(venue_, clock_, feed, &faults_);
  SimpleEngineOptions options;
  options.has_store_thread = false;
  engine_ = std::make_unique<SimpleEngine>(
      options, *gateway_, clock_,
      std::make_unique<ProcessStore>(*disk_, is_process_alive_, stored_ids_));
  const auto recovered = engine_->Open();
  HF_ASSERT(recovered.ok());

  RiskLimits limits;
  limits.max_position = Decimal::FromUnits(2'000'000);
  limits.breaker_open_ns = kNanosPerSecond;
  limits.breaker_open_ns_max = 4 * kNanosPerSecond;
  limits.drop_window_ns = 60 * kNanosPerSecond;
  limits.clear_hold_ns = 2 * kNanosPerSecond;
  QuotingOptions quoting;
  quoting.answer_deadline_ns = 3 * kNanosPerSecond;
  quoting.query_deadline_ns = 2 * kNanosPerSecond;
  quoting.reconcile_interval_ns = 5 * kNanosPerSecond;
  quoting.restart_grace_ns = 3 * kNanosPerSecond;
  loop_ = std::make_unique<QuotingLoop>(clock_, instrument_, tag_, *strategy_, *feed_, *engine_,
                                        limits, quoting, *recovered);
  HF_ASSERT(loop_->Start().ok());
}

// Nothing that was not stored by now survives; what is on its way to the venue still arrives there.
void Simulation::Crash() {
  CollectCounters();
  ++crash_count_;
  is_process_alive_ = false;
  loop_.reset();
  engine_.reset();
  feed_.reset();
  gateway_.reset();
  clock_.Advance(prng_.Between(0, 3000) * kNanosPerMilli);
  venue_.Advance(clock_.WallNs());
  StartProcess();
}

void Simulation::CollectCounters() { Accumulate(totals_, loop_->counters()); }

// --- what goes wrong -----------------------------------------------------------------------------

void Simulation::AddFaults() {
  const auto add = [this](FaultKind kind, FaultPoint point, int32_t ppm, int64_t delay_ns = 0,
                          int32_t fraction_ppm = 1'000'000) {
    FaultRule rule;
    rule.kind = kind;
    rule.point = point;
    rule.probability_ppm = ppm;
    rule.delay_ns = delay_ns;
    rule.fraction_ppm = fraction_ppm;
    faults_.Add(rule);
  };
  if (plan_.has_request_faults) {
    for (const FaultPoint point : {FaultPoint::kPlace, FaultPoint::kCancel, FaultPoint::kQueryOrder,
                                   FaultPoint::kOpenOrders, FaultPoint::kTrades}) {
      add(FaultKind::kLostRequest, point, 30'000);
      add(FaultKind::kLostReply, point, 30'000);
      add(FaultKind::kServerError, point, 20'000);
    }
    add(FaultKind::kLateAccept, FaultPoint::kPlace, 20'000, 300 * kNanosPerMilli);
    add(FaultKind::kLateAccept, FaultPoint::kPlace, 10'000, 800 * kNanosPerMilli);
    add(FaultKind::kServerErrorAfter, FaultPoint::kPlace, 20'000);
    add(FaultKind::kServerErrorAfter, FaultPoint::kCancel, 20'000);
    add(FaultKind::kRateLimited, FaultPoint::kPlace, 10'000);
    add(FaultKind::kRateLimited, FaultPoint::kCancel, 10'000);
    add(FaultKind::kFillBeforeCancel, FaultPoint::kCancel, 50'000, 0, 1'000'000);
    add(FaultKind::kFillBeforeCancel, FaultPoint::kCancel, 50'000, 0, 400'000);
  }
  if (plan_.has_event_faults) {
    add(FaultKind::kDuplicateEvent, FaultPoint::kExecutionEvent, 50'000);
    add(FaultKind::kReorderedEvent, FaultPoint::kExecutionEvent, 50'000);
    add(FaultKind::kSequenceGap, FaultPoint::kExecutionEvent, 20'000);
    add(FaultKind::kDisconnect, FaultPoint::kExecutionEvent, 3'000);
    add(FaultKind::kDuplicateEvent, FaultPoint::kDepthEvent, 10'000);
    add(FaultKind::kReorderedEvent, FaultPoint::kDepthEvent, 10'000);
    add(FaultKind::kSequenceGap, FaultPoint::kDepthEvent, 5'000);
    add(FaultKind::kDisconnect, FaultPoint::kDepthEvent, 1'000);
  }
}

void Simulation::PlayTimedFaults() {
  if (plan_.has_event_faults && prng_.Chance(1, 400)) gateway_->Disconnect();
  if (plan_.has_event_faults && prng_.Chance(1, 600)) feed_->Disconnect();
  if (plan_.has_crashes && prng_.Chance(1, 300)) Crash();
  if (plan_.has_forgetful_venue && prng_.Chance(1, 500) && CanForgetOrders()) {
    venue_.ForgetOrders();
    ++forget_count_;
    plan_.has_forgetful_venue = false;
    gateway_->Disconnect();
  }
}

// A trade's row names nothing but the venue's id of its order. When the process that was to learn
// this id has not, and the venue denies the order afterwards, the row cannot be told from a trade
// of another program with the same account: no client can attribute it, and the loop books it as
// foreign, with an alert. A venue may lose what it has not traded; this it must not do.
bool Simulation::CanForgetOrders() const {
  for (const SimTrade& trade : venue_.LedgerTrades()) {
    if (trade.account == account_ && !stored_ids_.contains(trade.order_id)) return false;
  }
  return true;
}

void Simulation::Step() {
  clock_.Advance(kStepNs);
  for (int i = 0; i < 4 && loop_->RunOnce() > 0; ++i) {
  }
}

// --- the phases ----------------------------------------------------------------------------------

std::string Simulation::CheckOneOrderPerIntent() const {
  std::set<int64_t> keys;
  for (const SimOrder& order : venue_.OpenOrders(account_, instrument_.id)) {
    const auto parsed = ParseClientOrderId(tag_, order.client_order_id.view());
    if (!parsed) return "an open order at the venue does not carry our id";
    if (!keys.insert(parsed->slot_key).second) {
      return absl::StrCat("two open orders for slot key ", parsed->slot_key);
    }
  }
  return "";
}

std::string Simulation::RunFaults() {
  // A calm beginning, so that there is something to disturb.
  const auto is_quoting = [this] { return loop_->phase() == LoopPhase::kQuoting; };
  for (int64_t passed = 0; passed < 10 * kNanosPerSecond; passed += kStepNs) {
    Step();
    if (passed > kNanosPerSecond && is_quoting()) break;
  }
  if (!is_quoting()) {
    return absl::StrCat("does not quote at the start: ", std::string(ToText(loop_->phase())));
  }
  AddFaults();
  for (int64_t passed = 0; passed < plan_.fault_ns; passed += kStepNs) {
    PlayTimedFaults();
    Step();
    if (std::string problem = CheckOneOrderPerIntent(); !problem.empty()) return problem;
  }
  return "";
}

std::string Simulation::RunRecovery() {
  faults_.Clear();
  constexpr int64_t kLimitNs = 60 * kNanosPerSecond;
  int64_t passed_ns = 0;
  bool is_quoting = false;
  // Quoting again means: in phase, with orders at the venue, none unknown.
  for (; passed_ns < kLimitNs && !is_quoting; passed_ns += kStepNs) {
    Step();
    is_quoting = loop_->phase() == LoopPhase::kQuoting && loop_->open_order_count() > 0;
  }
  if (!is_quoting) {
    return absl::StrCat("does not quote again: ", std::string(ToText(loop_->phase())),
                        " open=", loop_->open_order_count());
  }
  for (passed_ns = 0; passed_ns < 3 * kNanosPerSecond; passed_ns += kStepNs) Step();
  loop_->RequestStop();
  for (passed_ns = 0; passed_ns < kLimitNs && !loop_->is_stopped(); passed_ns += kStepNs) Step();
  if (!loop_->is_stopped()) {
    return absl::StrCat("does not stop: open=", loop_->open_order_count());
  }
  CollectCounters();
  const LoopPhase phase = loop_->phase();
  HF_ASSERT(phase == LoopPhase::kStopped);
  loop_->CheckInvariants();
  return "";
}

std::string Simulation::CompareBooks() {
  if (!venue_.OpenOrders(account_, instrument_.id).empty()) return "orders are left at the venue";
  venue_.CheckInvariants();
  // Ids are used once, over all lives.
  std::set<std::string> ids;
  for (const SimOrder& order : venue_.LedgerOrders()) {
    if (order.account != account_) continue;
    const bool is_renamed = order.client_order_id.view() != order.original_client_order_id.view();
    const std::string_view id =
        is_renamed ? order.original_client_order_id.view() : order.client_order_id.view();
    if (!ids.insert(std::string(id)).second)
      return absl::StrCat("id used twice: ", std::string(id));
  }
  Decimal bought_minus_sold;
  int64_t trade_count = 0;
  for (const SimTrade& trade : venue_.LedgerTrades()) {
    if (trade.account != account_) continue;
    bought_minus_sold += trade.side == Side::kBuy ? trade.quantity : -trade.quantity;
    ++trade_count;
    if (!trade.is_maker) return "one of our orders took";
  }
  const Decimal position = instrument_.ToDecimal(loop_->position().quantity());
  if (position != bought_minus_sold) {
    return absl::StrCat("position=", position.ToText(), " venue=", bought_minus_sold.ToText());
  }
  for (const SimBalance& balance : venue_.Balances(account_)) {
    if (!balance.locked.is_zero()) return "something is still locked";
    const Decimal wallet = loop_->ledger().Balance(LedgerAccount::kWallet, balance.asset);
    if (wallet != balance.free) {
      return absl::StrCat("wallet ", std::string(balance.asset.view()), "=", wallet.ToText(),
                          " venue=", balance.free.ToText());
    }
  }
  if (totals_.wallet_adjustments > 0) return "a wallet difference was not explained";
  if (totals_.foreign_fills > 0) return "a fill of ours was taken for foreign";
  // Same again from the store: what a restart would find.
  HF_ASSERT(engine_->Close().ok());
  const auto stored = disk_->Open();
  HF_ASSERT(stored.ok());
  if (!stored->open_orders.empty()) return "the store believes in open orders";
  if (instrument_.ToDecimal(stored->position.quantity()) != bought_minus_sold) {
    return "the stored position differs";
  }
  if (static_cast<int64_t>(stored->recent_trade_ids.size()) != trade_count) {
    return absl::StrCat("fills stored=", stored->recent_trade_ids.size(), " venue=", trade_count);
  }
  // Every fill found its slot, however it was found; commissions in the base asset are off them.
  Decimal held = stored->slot_rest.base;
  for (const Slot& slot : stored->slots) {
    held += instrument_.ToDecimal(slot.held) * Sign(slot.entry_side);
  }
  const Decimal base_fees = stored->ledger.Balance(LedgerAccount::kFees, instrument_.base_asset);
  if (held != bought_minus_sold - base_fees) {
    return absl::StrCat("slots and rest hold ", held.ToText(), " position=", position.ToText(),
                        " base fees=", base_fees.ToText());
  }
  HF_ASSERT(disk_->Close().ok());
  return "";
}

}  // namespace holdfast::simulation
