#include "connectors/sim/venue.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "connectors/sim/generated_market.h"
#include "connectors/sim/order_checks.h"
#include "connectors/sim/replay_market.h"
#include "connectors/sim/venue_impl.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

bool IsMultiple(Decimal value, Decimal step) { return value.units() % step.units() == 0; }

absl::Status CheckGrid(const Instrument& instrument, Decimal price_grid, Decimal quantity_grid) {
  const auto bad = [&](const char* reason) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sim instrument: symbol=", Absl(instrument.symbol.view()), " reason=", reason));
  };
  if (!price_grid.is_positive() || !quantity_grid.is_positive()) return bad("grid not positive");
  if (!instrument.tick_size.is_positive() || !IsMultiple(instrument.tick_size, price_grid)) {
    return bad("tick_size off the price grid");
  }
  if (!instrument.lot_size.is_positive() || !IsMultiple(instrument.lot_size, quantity_grid)) {
    return bad("lot_size off the quantity grid");
  }
  const __int128 product = static_cast<__int128>(price_grid.units()) * quantity_grid.units();
  if (product % Decimal::kUnitsPerOne != 0) return bad("price grid x quantity grid below 10^-8");
  return absl::OkStatus();
}

bool IsFeeRate(Decimal rate) {
  const Decimal one = Decimal::FromInteger(1);
  return rate < one && rate > -one;
}

}  // namespace

SimMarketListener::~SimMarketListener() = default;
SimAccountListener::~SimAccountListener() = default;

// --- set up -------------------------------------------------------------------------------------

SimVenue::Implementation::Implementation(const SimVenueConfig& venue_config)
    : config(venue_config),
      now_ns(venue_config.start_time_ns),
      store(venue_config.max_ledger_orders, venue_config.max_ledger_trades),
      prng_(venue_config.seed),
      next_order_id_(venue_config.first_order_id) {
  HF_ASSERT(config.first_order_id > 0);
  HF_ASSERT(config.first_trade_id > 0);
  HF_ASSERT(config.first_update_id > 0);
  HF_ASSERT(config.max_open_orders > 0);
}

absl::StatusOr<InstrumentId> SimVenue::Implementation::AddInstrument(
    const SimInstrumentConfig& instrument_config) {
  Instrument instrument = instrument_config.instrument;
  HF_ASSERT(markets.size() < UINT16_MAX);
  instrument.id = InstrumentId(static_cast<uint16_t>(markets.size()));
  const Decimal price_grid =
      instrument_config.price_grid.is_zero() ? instrument.tick_size : instrument_config.price_grid;
  const Decimal quantity_grid = instrument_config.quantity_grid.is_zero()
                                    ? instrument.lot_size
                                    : instrument_config.quantity_grid;
  HF_RETURN_IF_ERROR(Validate(instrument));
  HF_RETURN_IF_ERROR(CheckGrid(instrument, price_grid, quantity_grid));
  for (const Instrument& other : instruments) {
    if (other.symbol == instrument.symbol) {
      return absl::AlreadyExistsError(
          absl::StrCat("sim instrument: symbol=", Absl(instrument.symbol.view())));
    }
  }
  const MarketPublisher::Grid grid{
      .instrument = instrument.id, .price = price_grid, .quantity = quantity_grid};
  auto market = std::make_unique<SimMarket>(
      SimMarket{.instrument = instrument,
                .price_grid = price_grid,
                .quantity_grid = quantity_grid,
                .base = accounts.AssetIndex(instrument.base_asset),
                .quote = accounts.AssetIndex(instrument.quote_asset),
                .book = std::make_unique<EngineBook>(static_cast<uint32_t>(config.max_open_orders)),
                .replay = nullptr,
                .generated = nullptr,
                .publisher = MarketPublisher(grid, config.depth_interval_ns, config.first_update_id,
                                             config.first_trade_id, config.max_recent_trades),
                .listeners = {},
                .pending_trades = {}});
  markets.push_back(std::move(market));
  instruments.push_back(instrument);
  return instrument.id;
}

absl::StatusOr<SimAccountId> SimVenue::Implementation::AddAccount(const SimAccountConfig& account) {
  const auto bad = [&](const char* reason) {
    return absl::InvalidArgumentError(
        absl::StrCat("sim account: name=", account.name, " reason=", reason));
  };
  if (account.name.empty()) return bad("no name");
  for (uint16_t i = 0; i < accounts.account_count(); ++i) {
    if (accounts.config(SimAccountId(i)).name == account.name) {
      return absl::AlreadyExistsError(absl::StrCat("sim account: name=", account.name));
    }
  }
  if (!IsFeeRate(account.maker_fee_rate) || !IsFeeRate(account.taker_fee_rate)) {
    return bad("fee rate not within (-1, 1)");
  }
  if (account.fee_asset.has_value() &&
      (!account.fee_asset->quote_per_unit.is_positive() || account.fee_asset->asset.empty() ||
       account.fee_asset->discount.is_negative() ||
       account.fee_asset->discount > Decimal::FromInteger(1))) {
    return bad("fee asset without a name, a positive price or a discount within [0, 1]");
  }
  if (account.trade_group >= 0x7fff) return bad("trade group not below 32767");
  if (accounts.account_count() >= 0x8000) {
    return absl::ResourceExhaustedError("sim account: more than 32768 accounts");
  }
  for (const SimBalance& balance : account.balances) {
    if (balance.asset.empty() || balance.free.is_negative()) {
      return bad("balance without an asset or negative");
    }
  }
  account_listeners.emplace_back();
  account_update_times.push_back(now_ns);
  return accounts.AddAccount(account);
}

absl::Status SimVenue::Implementation::UpdateInstrument(const Instrument& changed) {
  for (const std::unique_ptr<SimMarket>& market : markets) {
    if (market->instrument.symbol != changed.symbol) continue;
    Instrument instrument = changed;
    instrument.id = market->instrument.id;
    HF_RETURN_IF_ERROR(Validate(instrument));
    HF_RETURN_IF_ERROR(CheckGrid(instrument, market->price_grid, market->quantity_grid));
    if (instrument.base_asset != market->instrument.base_asset ||
        instrument.quote_asset != market->instrument.quote_asset) {
      return absl::InvalidArgumentError("sim instrument: the assets cannot change");
    }
    if (instrument == market->instrument) return absl::OkStatus();
    market->instrument = instrument;
    instruments[instrument.id.value()] = instrument;
    is_dispatching_ = true;
    for (SimMarketListener* listener : market->listeners) listener->OnInstrument(instrument);
    is_dispatching_ = false;
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat("sim instrument: symbol=", Absl(changed.symbol.view())));
}

uint16_t SimVenue::Implementation::GroupOf(SimAccountId account) const {
  const int32_t trade_group = accounts.config(account).trade_group;
  return trade_group < 0 ? account.value() : static_cast<uint16_t>(0x8000 + trade_group);
}

ClientOrderId SimVenue::Implementation::MakeId() {
  static constexpr std::string_view kAlphabet =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  char text[22];
  for (char& c : text) c = kAlphabet[prng_.Below(kAlphabet.size())];
  return ClientOrderId(std::string_view(text, sizeof(text)));
}

// --- time ---------------------------------------------------------------------------------------

std::optional<int64_t> SimVenue::Implementation::NextEventTime() const {
  std::optional<int64_t> next;
  const auto consider = [&](std::optional<int64_t> time_ns) {
    if (time_ns.has_value() && (!next.has_value() || *time_ns < *next)) next = time_ns;
  };
  if (!deferred.empty()) consider(deferred.begin()->first);
  for (const std::unique_ptr<SimMarket>& market : markets) {
    consider(market->publisher.depth_due_ns());
    if (market->replay != nullptr) consider(market->replay->next_time_ns());
    if (market->generated != nullptr) consider(market->generated->next_time_ns());
  }
  return next;
}

void SimVenue::Implementation::Advance(int64_t until_ns) {
  HF_ASSERT(!is_dispatching_);
  while (true) {
    const std::optional<int64_t> next = NextEventTime();
    if (!next.has_value() || *next > until_ns) break;
    now_ns = std::max(now_ns, *next);
    // At one instant the market moves first.
    bool has_moved = false;
    for (const std::unique_ptr<SimMarket>& market : markets) has_moved |= StepMarket(*market);
    if (!has_moved && !deferred.empty() && deferred.begin()->first <= *next) {
      const auto node = deferred.extract(deferred.begin());
      node.mapped()();
    }
    Flush();
  }
  now_ns = std::max(now_ns, until_ns);
}

// What a recorded market does to our orders and to the public data.
class SimVenue::Implementation::Recording final : public ReplayPlayer::Host {
 public:
  Recording(Implementation& venue, SimMarket& market) : venue_(venue), market_(market) {}

  void OnTrade(const EngineTrade& trade) override { venue_.SettleTrade(market_, trade, nullptr); }
  void OnPrevented(const EnginePrevention&) override { HF_ASSERT(false); }
  void OnLevelChanged(Side side, int64_t ticks) override {
    venue_.MarkChanged(market_, side, ticks);
  }
  void OnRecordedTrade(int64_t ticks, int64_t lots, Side aggressor) override {
    const SimPublicTrade& print = market_.publisher.AddTrade(ticks, lots, aggressor, VenueOrderId(),
                                                             VenueOrderId(), venue_.now_ns);
    if (!market_.listeners.empty()) market_.pending_trades.push_back(print);
  }

 private:
  Implementation& venue_;
  SimMarket& market_;
};

absl::Status SimVenue::Implementation::StartReplay(InstrumentId instrument,
                                                   const ReplayMarketConfig& replay) {
  if (instrument.value() >= markets.size()) return absl::NotFoundError("replay: instrument");
  HF_RETURN_IF_ERROR(Validate(replay));
  SimMarket& market = *markets[instrument.value()];
  if (market.book->best(Side::kBuy).has_value() || market.book->best(Side::kSell).has_value() ||
      market.replay != nullptr || market.generated != nullptr) {
    return absl::FailedPreconditionError("replay: the instrument has orders or a market already");
  }
  auto book = std::make_unique<ReplayBook>(replay.queue_model,
                                           static_cast<uint32_t>(config.max_open_orders));
  const ReplayPlayer::Grid grid{.symbol = market.instrument.symbol.view(),
                                .price = market.price_grid,
                                .quantity = market.quantity_grid};
  auto player = std::make_unique<ReplayPlayer>(replay, grid, *book);
  Recording recording(*this, market);
  HF_RETURN_IF_ERROR(player->Start(now_ns, recording));
  market.book = std::move(book);
  market.replay = std::move(player);
  return absl::OkStatus();
}

// The way of the background traders into the book.
class SimVenue::Implementation::Background final : public GeneratedTrader::Port,
                                                   public MatchListener {
 public:
  Background(Implementation& venue, SimMarket& market) : venue_(venue), market_(market) {}

  EngineResult Place(const EngineOrder& order) override {
    if (market_.instrument.status != TradingStatus::kTrading || market_.book->is_full()) {
      return {EngineOutcome::kDropped, 0, order.lots};
    }
    const EngineResult result = market_.book->Place(order, *this);
    if (result.outcome == EngineOutcome::kRests) {
      venue_.MarkChanged(market_, order.side, order.price_ticks);
    }
    return result;
  }
  int64_t Cancel(Side side, int64_t price_ticks, uint32_t handle, uint32_t tag) override {
    const int64_t lots = market_.book->Cancel(handle, tag);
    if (lots > 0) venue_.MarkChanged(market_, side, price_ticks);
    return lots;
  }
  void OnTrade(const EngineTrade& trade) override { venue_.SettleTrade(market_, trade, nullptr); }
  void OnPrevented(const EnginePrevention&) override { HF_ASSERT(false); }

 private:
  Implementation& venue_;
  SimMarket& market_;
};

absl::Status SimVenue::Implementation::StartGenerated(InstrumentId instrument,
                                                      const GeneratedMarketConfig& generated) {
  if (instrument.value() >= markets.size()) return absl::NotFoundError("generated: instrument");
  SimMarket& market = *markets[instrument.value()];
  HF_RETURN_IF_ERROR(Validate(generated, market.instrument));
  if (market.replay != nullptr || market.generated != nullptr) {
    return absl::FailedPreconditionError("generated market: the instrument has a market already");
  }
  const std::string_view symbol = market.instrument.symbol.view();
  absl::StatusOr<SimAccountId> account = AddAccount(
      {.name = absl::StrCat("background ", Absl(symbol)), .balances = {}, .is_background = true});
  HF_RETURN_IF_ERROR(account.status());
  const GeneratedTrader::Units units{
      .price_grid = market.price_grid,
      .quantity_grid = market.quantity_grid,
      .tick_step = market.instrument.tick_size.units() / market.price_grid.units(),
      .lot_step = market.instrument.lot_size.units() / market.quantity_grid.units(),
      .tag_bit = kBackgroundTagBit,
      .owner = account->value()};
  market.generated = std::make_unique<GeneratedTrader>(generated, units, now_ns);
  Background background(*this, market);
  market.generated->Start(background);
  return absl::OkStatus();
}

// True when the market had something to do at this instant.
bool SimVenue::Implementation::StepMarket(SimMarket& market) {
  bool has_moved = false;
  Recording recording(*this, market);
  while (market.replay != nullptr && market.replay->next_time_ns().has_value() &&
         *market.replay->next_time_ns() <= now_ns) {
    market.replay->Step(recording);
    has_moved = true;
    Flush();
  }
  Background background(*this, market);
  while (market.generated != nullptr && market.generated->next_time_ns() <= now_ns) {
    market.generated->Step(background);
    has_moved = true;
    Flush();
  }
  return has_moved;
}

// --- events -------------------------------------------------------------------------------------

SimExecution& SimVenue::Implementation::Report(SimExecutionType type, const OrderRecord& record) {
  pending_executions_.emplace_back();
  SimExecution& execution = pending_executions_.back();
  execution.type = type;
  execution.order = record.order;
  execution.client_order_id = record.order.client_order_id;
  execution.execution_id = next_execution_id_++;
  execution.time_ns = now_ns;
  account_update_times[record.order.account.value()] = now_ns;
  return execution;
}

void SimVenue::Implementation::Flush() {
  HF_ASSERT(!is_dispatching_);
  is_dispatching_ = true;
  FlushAccounts();
  FlushMarkets();
  is_dispatching_ = false;
}

void SimVenue::Implementation::FlushAccounts() {
  for (const SimExecution& execution : pending_executions_) {
    for (SimAccountListener* listener : account_listeners[execution.order.account.value()]) {
      listener->OnExecution(execution);
    }
  }
  pending_executions_.clear();
  const std::vector<std::pair<SimAccountId, SimAssetIndex>> touched = accounts.TakeTouched();
  std::vector<SimBalance> changed;
  for (size_t i = 0; i < touched.size(); ++i) {
    const SimAccountId account = touched[i].first;
    changed.push_back(accounts.Balance(account, touched[i].second));
    if (i + 1 < touched.size() && touched[i + 1].first == account) continue;
    for (SimAccountListener* listener : account_listeners[account.value()]) {
      listener->OnBalances(account, changed, now_ns);
    }
    changed.clear();
  }
}

void SimVenue::Implementation::FlushMarkets() {
  for (const std::unique_ptr<SimMarket>& market : markets) {
    for (const SimPublicTrade& trade : market->pending_trades) {
      for (SimMarketListener* listener : market->listeners) listener->OnPublicTrade(trade);
    }
    market->pending_trades.clear();
    if (const auto top = market->publisher.TakeTopChange(*market->book, now_ns)) {
      for (SimMarketListener* listener : market->listeners) listener->OnBookTop(*top);
    }
    const std::optional<int64_t> due = market->publisher.depth_due_ns();
    if (!due.has_value() || *due > now_ns) continue;
    const SimDepthDiff diff = market->publisher.TakeDiff(*market->book, now_ns);
    for (SimMarketListener* listener : market->listeners) listener->OnDepth(diff);
  }
}

void SimVenue::Implementation::CheckInvariants() {
  for (const std::unique_ptr<SimMarket>& market : markets) market->book->CheckInvariants();
  for (uint16_t i = 0; i < accounts.account_count(); ++i) {
    const SimAccountId account(i);
    if (accounts.config(account).is_background) continue;
    std::vector<SimBalance> held;
    for (const OrderRecord* record : store.Open(account, std::nullopt)) {
      const SimMarket& market = *markets[record->order.instrument.value()];
      const bool is_buy = record->order.side == Side::kBuy;
      const Decimal open = market.publisher.QuantityOf(record->lots_open);
      HF_ASSERT(open == record->order.quantity - record->order.executed_quantity -
                            record->order.prevented_quantity);
      HF_ASSERT(open.is_positive());
      HF_ASSERT(record->held == (is_buy ? market.NotionalOf(record->order.price, open) : open));
      held.push_back({.asset = accounts.asset(is_buy ? market.quote : market.base),
                      .free = {},
                      .locked = record->held});
    }
    for (const SimBalance& balance : accounts.Balances(account)) {
      HF_ASSERT(!balance.free.is_negative());
      Decimal sum;
      for (const SimBalance& row : held) {
        if (row.asset == balance.asset) sum += row.locked;
      }
      HF_ASSERT(sum == balance.locked);
    }
  }
}

// --- the facade ---------------------------------------------------------------------------------

SimVenue::SimVenue(const SimVenueConfig& config)
    : implementation_(std::make_unique<Implementation>(config)) {}
SimVenue::~SimVenue() = default;

absl::StatusOr<InstrumentId> SimVenue::AddInstrument(const SimInstrumentConfig& config) {
  return implementation_->AddInstrument(config);
}
absl::StatusOr<SimAccountId> SimVenue::AddAccount(const SimAccountConfig& config) {
  return implementation_->AddAccount(config);
}
absl::Status SimVenue::UpdateInstrument(const Instrument& instrument) {
  return implementation_->UpdateInstrument(instrument);
}
absl::Status SimVenue::SetFees(SimAccountId account, Decimal maker_rate, Decimal taker_rate) {
  if (!implementation_->accounts.Exists(account)) return absl::NotFoundError("sim account: fees");
  if (!IsFeeRate(maker_rate) || !IsFeeRate(taker_rate)) {
    return absl::InvalidArgumentError("sim account: fee rate not within (-1, 1)");
  }
  implementation_->accounts.SetFees(account, maker_rate, taker_rate);
  return absl::OkStatus();
}
absl::Status SimVenue::Deposit(SimAccountId account, AssetCode asset, Decimal amount) {
  AccountBook& accounts = implementation_->accounts;
  if (!accounts.Exists(account)) return absl::NotFoundError("sim account: deposit");
  if (!accounts.Deposit(account, accounts.AssetIndex(asset), amount)) {
    return absl::FailedPreconditionError("sim account: withdrawal above the free balance");
  }
  implementation_->Flush();
  return absl::OkStatus();
}

absl::Status SimVenue::StartGenerated(InstrumentId instrument,
                                      const GeneratedMarketConfig& config) {
  HF_RETURN_IF_ERROR(implementation_->StartGenerated(instrument, config));
  implementation_->Flush();
  return absl::OkStatus();
}
absl::Status SimVenue::StartReplay(InstrumentId instrument, const ReplayMarketConfig& config) {
  HF_RETURN_IF_ERROR(implementation_->StartReplay(instrument, config));
  implementation_->Flush();
  return absl::OkStatus();
}
std::optional<ReplayStatus> SimVenue::replay_status(InstrumentId instrument) const {
  const SimMarket& market = implementation_->MarketAt(instrument);
  if (market.replay == nullptr) return std::nullopt;
  return market.replay->status();
}

void SimVenue::Advance(int64_t now_ns) { implementation_->Advance(now_ns); }
int64_t SimVenue::now_ns() const { return implementation_->now_ns; }
void SimVenue::At(int64_t time_ns, std::function<void()> call) {
  implementation_->deferred.emplace(std::max(time_ns, implementation_->now_ns), std::move(call));
}
std::optional<int64_t> SimVenue::next_event_time_ns() const {
  return implementation_->NextEventTime();
}

SimOrderResult SimVenue::PlaceOrder(SimAccountId account, const SimOrderRequest& request) {
  SimOrderResult result = implementation_->Place(account, request);
  implementation_->Flush();
  return result;
}
std::optional<SimRefusal> SimVenue::TestOrder(SimAccountId account,
                                              const SimOrderRequest& request) const {
  Implementation::Prepared prepared;
  return implementation_->Check(account, request, prepared);
}
SimCancelResult SimVenue::CancelOrder(SimAccountId account, const SimCancelRequest& request) {
  SimCancelResult result = implementation_->Cancel(account, request);
  implementation_->Flush();
  return result;
}
SimCancelReplaceResult SimVenue::CancelReplace(SimAccountId account,
                                               const SimCancelReplaceRequest& request) {
  SimCancelReplaceResult result = implementation_->CancelReplace(account, request);
  implementation_->Flush();
  return result;
}
std::vector<SimOrder> SimVenue::CancelAll(SimAccountId account, InstrumentId instrument) {
  std::vector<SimOrder> canceled = implementation_->CancelAll(account, instrument);
  implementation_->Flush();
  return canceled;
}
SimAmendResult SimVenue::AmendKeepPriority(SimAccountId account, const SimAmendRequest& request) {
  SimAmendResult result = implementation_->Amend(account, request);
  implementation_->Flush();
  return result;
}
Decimal SimVenue::FillResting(SimAccountId account, InstrumentId instrument, const SimOrderKey& key,
                              Decimal quantity) {
  const Decimal filled = implementation_->FillResting(account, instrument, key, quantity);
  implementation_->Flush();
  return filled;
}
void SimVenue::ForgetOrders() {
  implementation_->ForgetOrders();
  implementation_->Flush();
}

std::optional<SimOrder> SimVenue::QueryOrder(SimAccountId account, InstrumentId instrument,
                                             const SimOrderKey& key) const {
  const OrderRecord* record = implementation_->FindRecord(account, instrument, key);
  if (record == nullptr) return std::nullopt;
  return record->order;
}
std::vector<SimOrder> SimVenue::OpenOrders(SimAccountId account,
                                           std::optional<InstrumentId> instrument) const {
  std::vector<SimOrder> orders;
  if (!implementation_->accounts.Exists(account)) return orders;
  for (const OrderRecord* record : implementation_->store.Open(account, instrument)) {
    orders.push_back(record->order);
  }
  return orders;
}
std::vector<SimOrder> SimVenue::AllOrders(SimAccountId account, const SimOrdersQuery& query) const {
  return implementation_->store.Orders(account, query);
}
std::vector<SimTrade> SimVenue::MyTrades(SimAccountId account, const SimTradesQuery& query) const {
  return implementation_->store.Trades(account, query);
}
std::vector<SimBalance> SimVenue::Balances(SimAccountId account) const {
  return implementation_->accounts.Balances(account);
}
const SimAccountConfig& SimVenue::account_config(SimAccountId account) const {
  return implementation_->accounts.config(account);
}
std::optional<SimAccountId> SimVenue::FindAccount(std::string_view name) const {
  for (uint16_t i = 0; i < implementation_->accounts.account_count(); ++i) {
    if (account_config(SimAccountId(i)).name == name) return SimAccountId(i);
  }
  return std::nullopt;
}
int64_t SimVenue::account_update_time_ns(SimAccountId account) const {
  HF_ASSERT(implementation_->accounts.Exists(account));
  return implementation_->account_update_times[account.value()];
}

std::span<const Instrument> SimVenue::instruments() const { return implementation_->instruments; }
std::optional<InstrumentId> SimVenue::FindInstrument(std::string_view symbol) const {
  for (const Instrument& row : implementation_->instruments) {
    if (row.symbol == symbol) return row.id;
  }
  return std::nullopt;
}
const Instrument& SimVenue::instrument(InstrumentId id) const {
  return implementation_->MarketAt(id).instrument;
}
SimDepth SimVenue::Depth(InstrumentId instrument, int32_t limit) const {
  const SimMarket& market = implementation_->MarketAt(instrument);
  return market.publisher.Depth(*market.book, limit);
}
SimBookTop SimVenue::Top(InstrumentId instrument) const {
  const SimMarket& market = implementation_->MarketAt(instrument);
  return market.publisher.Top(*market.book, implementation_->now_ns);
}
std::vector<SimPublicTrade> SimVenue::RecentTrades(InstrumentId instrument, int32_t limit) const {
  return implementation_->MarketAt(instrument).publisher.RecentTrades(limit);
}
std::optional<Decimal> SimVenue::LastPrice(InstrumentId instrument) const {
  return implementation_->MarketAt(instrument).publisher.last_price();
}
SimTicker SimVenue::Ticker(InstrumentId instrument) const {
  return implementation_->MarketAt(instrument).publisher.Ticker(implementation_->now_ns);
}

void SimVenue::AddMarketListener(InstrumentId instrument, SimMarketListener* listener) {
  implementation_->MarketAt(instrument).listeners.push_back(listener);
}
void SimVenue::RemoveMarketListener(InstrumentId instrument, SimMarketListener* listener) {
  std::erase(implementation_->MarketAt(instrument).listeners, listener);
}
void SimVenue::AddAccountListener(SimAccountId account, SimAccountListener* listener) {
  HF_ASSERT(implementation_->accounts.Exists(account));
  implementation_->account_listeners[account.value()].push_back(listener);
}
void SimVenue::RemoveAccountListener(SimAccountId account, SimAccountListener* listener) {
  HF_ASSERT(implementation_->accounts.Exists(account));
  std::erase(implementation_->account_listeners[account.value()], listener);
}

std::vector<SimOrder> SimVenue::LedgerOrders() const { return implementation_->store.AllOrders(); }
std::vector<SimTrade> SimVenue::LedgerTrades() const { return implementation_->store.AllTrades(); }
SimAccountTotals SimVenue::Totals(SimAccountId account) const {
  SimAccountTotals totals = implementation_->store.Totals(account);
  totals.fees = implementation_->accounts.FeesPaid(account);
  return totals;
}
std::vector<SimBalance> SimVenue::TotalBalances() const {
  return implementation_->accounts.TotalBalances();
}
void SimVenue::CheckInvariants() const { implementation_->CheckInvariants(); }

}  // namespace holdfast
