#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "connectors/sim/sim_types.h"

namespace holdfast {

struct GeneratedMarketConfig;  // generated_market.h
struct ReplayMarketConfig;     // replay_market.h
struct ReplayStatus;           // replay_market.h

// Public events of one instrument. Called inside the venue's methods, in the venue's order.
// A listener must not call a venue method that changes anything (asserted); queries and At() are
// fine.
class SimMarketListener {
 public:
  virtual ~SimMarketListener();
  // Once per depth interval in which something changed.
  virtual void OnDepth(const SimDepthDiff& diff) = 0;
  // After every change of the best bid or ask (price or size).
  virtual void OnBookTop(const SimBookTop& top) = 0;
  virtual void OnPublicTrade(const SimPublicTrade& trade) = 0;
  // Filters or trading status changed.
  virtual void OnInstrument(const Instrument& instrument) = 0;
};

// Private events of an account. The same rule as above.
class SimAccountListener {
 public:
  virtual ~SimAccountListener();
  virtual void OnExecution(const SimExecution& execution) = 0;
  // The balances that a command or a fill changed, once after its executions.
  virtual void OnBalances(SimAccountId account, std::span<const SimBalance> changed,
                          int64_t time_ns) = 0;
};

struct SimVenueConfig {
  uint64_t seed = 1;
  int64_t start_time_ns = 0;  // venue clock before the first Advance()
  int64_t depth_interval_ns = 100'000'000;
  int64_t first_order_id = 1;
  int64_t first_trade_id = 1;
  int64_t first_update_id = 1;
  SelfTradeMode default_self_trade = SelfTradeMode::kExpireMaker;
  // A canceled order carries the cancel's id. Whether the id it was placed under still finds it is
  // not documented by the venues, so both can be played. (Both: the latest order wins.)
  bool is_canceled_found_by_original_id = true;
  // Whether a second order under the id of an open one is refused (documented) or accepted.
  bool is_duplicate_open_id_refused = true;
  int32_t max_open_orders = 1 << 17;  // of all accounts together, background traders included
  int32_t max_recent_trades = 1000;   // public trades kept per instrument
  // Ledger bounds, orders per account and trades per account and instrument; 0 = keep everything.
  // When full the order that closed first, or the oldest trade, is dropped from queries and from
  // the ledger; totals stay exact and the drops are counted.
  int64_t max_ledger_orders = 0;
  int64_t max_ledger_trades = 0;
};

struct SimInstrumentConfig {
  Instrument instrument =
      {};  // `id` is assigned by the venue: 0, 1, ... in order of AddInstrument()
  // The finest grid that later filter changes may use; zero = instrument.tick_size / lot_size.
  // REQUIRES (checked): the filters' steps are multiples of it; price_grid x quantity_grid is a
  // multiple of 10^-8, so that every notional is exact.
  Decimal price_grid = {};
  Decimal quantity_grid = {};
};

struct SimFeeAsset {
  AssetCode asset = {};
  Decimal quote_per_unit = {};  // fixed conversion price
  Decimal discount = {};        // 0.25 = pays 75 %
};

struct SimAccountConfig {
  std::string name = {};
  Decimal maker_fee_rate = {};  // fraction of the received amount; negative = rebate
  Decimal taker_fee_rate = {};
  // Fees are charged in the received asset (base for buys, quote for sells). With a fee asset they
  // are charged there as long as the free balance suffices.
  std::optional<SimFeeAsset> fee_asset = {};
  std::vector<SimBalance> balances = {};  // `free` at the start; `locked` is ignored
  bool can_trade = true;
  // Accounts with the same group >= 0 count as one for self-trade prevention.
  int32_t trade_group = -1;
  // Background trader: balances may go negative, orders and trades stay out of the ledger.
  bool is_background = false;
};

// What one account did on one instrument, for ever; never dropped.
struct SimInstrumentTotals {
  InstrumentId instrument = {};
  Decimal bought = {}, sold = {};              // base
  Decimal bought_quote = {}, sold_quote = {};  // paid, received before fees
  int64_t trade_count = 0;
  int64_t order_count = 0;  // accepted
};

struct SimAccountTotals {
  std::vector<SimInstrumentTotals> instruments = {};
  std::vector<SimBalance> fees = {};  // per asset in `free`; negative = rebates outweigh
  int64_t dropped_order_count = 0;
  int64_t dropped_trade_count = 0;
};

// The simulated venue: instruments, accounts, order books and market data behind one interface that
// speaks no protocol. Wire front ends and the in-process ports sit on top.
//
// Time only moves by Advance(): the market, the depth intervals and the deferred calls that are due
// run in the order of their times, each seeing its own time as now_ns(). Requests happen at
// now_ns(). Everything is a function of (configuration, seed, sequence of calls).
//
// Balances conserve: over all accounts, the fee account and the recorded market the sum of each
// asset never changes, and `locked` always equals what the open orders hold (CheckInvariants()).
//
// Single-threaded.
class SimVenue {
 public:
  explicit SimVenue(const SimVenueConfig& config);
  ~SimVenue();
  SimVenue(const SimVenue&) = delete;
  SimVenue& operator=(const SimVenue&) = delete;

  // --- set up, also while running ---------------------------------------------------------------

  absl::StatusOr<InstrumentId> AddInstrument(const SimInstrumentConfig& config);
  absl::StatusOr<SimAccountId> AddAccount(const SimAccountConfig& config);
  // New filters or trading status for an existing instrument (found by symbol). Open orders stay.
  // kInvalidArgument: not a valid instrument or off the instrument's grid.
  absl::Status UpdateInstrument(const Instrument& instrument);
  absl::Status SetFees(SimAccountId account, Decimal maker_rate, Decimal taker_rate);
  // Deposit (positive) or withdrawal of free balance. kFailedPrecondition: not that much free.
  absl::Status Deposit(SimAccountId account, AssetCode asset, Decimal amount);

  // Background traders in the same matching engine. Once per instrument, not with a replay.
  absl::Status StartGenerated(InstrumentId instrument, const GeneratedMarketConfig& config);
  // A recorded market; our orders queue in it by the model of docs/simulated_venue.md. Only while
  // the instrument has no open order, and not with a generated market.
  absl::Status StartReplay(InstrumentId instrument, const ReplayMarketConfig& config);
  std::optional<ReplayStatus> replay_status(InstrumentId instrument) const;

  // --- time -------------------------------------------------------------------------------------

  // REQUIRES: now_ns >= now_ns(). Earlier values are treated as "no time has passed".
  void Advance(int64_t now_ns);
  int64_t now_ns() const;
  // Runs `call` inside Advance() when the venue's clock reaches `time_ns` (at the next Advance()
  // when that has passed). Equal times run in the order of the calls to At(). The call may use
  // every method except Advance().
  void At(int64_t time_ns, std::function<void()> call);
  // When Advance() has something to do next: nullopt = nothing scheduled.
  std::optional<int64_t> next_event_time_ns() const;

  // --- orders -----------------------------------------------------------------------------------

  SimOrderResult PlaceOrder(SimAccountId account, const SimOrderRequest& request);
  // Every check of PlaceOrder() and nothing else.
  std::optional<SimRefusal> TestOrder(SimAccountId account, const SimOrderRequest& request) const;
  SimCancelResult CancelOrder(SimAccountId account, const SimCancelRequest& request);
  SimCancelReplaceResult CancelReplace(SimAccountId account,
                                       const SimCancelReplaceRequest& request);
  // All open orders of the account on the instrument; empty when there are none.
  std::vector<SimOrder> CancelAll(SimAccountId account, InstrumentId instrument);
  SimAmendResult AmendKeepPriority(SimAccountId account, const SimAmendRequest& request);

  // --- queries ----------------------------------------------------------------------------------

  // By client id: the latest order that carries or (see the configuration) carried it.
  std::optional<SimOrder> QueryOrder(SimAccountId account, InstrumentId instrument,
                                     const SimOrderKey& key) const;
  // Ascending by order id. nullopt instrument = all.
  std::vector<SimOrder> OpenOrders(SimAccountId account,
                                   std::optional<InstrumentId> instrument) const;
  std::vector<SimOrder> AllOrders(SimAccountId account, const SimOrdersQuery& query) const;
  std::vector<SimTrade> MyTrades(SimAccountId account, const SimTradesQuery& query) const;
  // Every asset the account ever had, in order of first appearance.
  std::vector<SimBalance> Balances(SimAccountId account) const;
  const SimAccountConfig& account_config(SimAccountId account) const;  // with the present fee rates
  std::optional<SimAccountId> FindAccount(std::string_view name) const;
  int64_t account_update_time_ns(SimAccountId account) const;

  std::span<const Instrument> instruments() const;
  std::optional<InstrumentId> FindInstrument(std::string_view symbol) const;
  const Instrument& instrument(InstrumentId id) const;
  // The best `limit` levels of each side; 0 = all.
  SimDepth Depth(InstrumentId instrument, int32_t limit) const;
  SimBookTop Top(InstrumentId instrument) const;
  // The latest `limit`, oldest first.
  std::vector<SimPublicTrade> RecentTrades(InstrumentId instrument, int32_t limit) const;
  std::optional<Decimal> LastPrice(InstrumentId instrument) const;
  SimTicker Ticker(InstrumentId instrument) const;

  // --- events -----------------------------------------------------------------------------------

  // Listeners are not owned and must be removed before they die. They are called in the order of
  // registration.
  void AddMarketListener(InstrumentId instrument, SimMarketListener* listener);
  void RemoveMarketListener(InstrumentId instrument, SimMarketListener* listener);
  void AddAccountListener(SimAccountId account, SimAccountListener* listener);
  void RemoveAccountListener(SimAccountId account, SimAccountListener* listener);

  // --- faults that need the core ----------------------------------------------------------------

  // Trades up to `quantity` of a resting order against the market at its price, as if somebody had
  // hit it that instant (a fill that races a cancel). Returns what was filled; zero when the order
  // is not open.
  Decimal FillResting(SimAccountId account, InstrumentId instrument, const SimOrderKey& key,
                      Decimal quantity);
  // The venue restarts without memory: open orders vanish without an event, holds are released, no
  // order of before can be found. Balances, trades and the ledger stay.
  void ForgetOrders();

  // --- the ledger: the independent truth --------------------------------------------------------

  // Every order and every account's side of every trade, in the order of their ids, all accounts
  // except background traders.
  std::vector<SimOrder> LedgerOrders() const;
  std::vector<SimTrade> LedgerTrades() const;
  SimAccountTotals Totals(SimAccountId account) const;
  // Sum over everything, per asset; never changes except by AddAccount() and Deposit().
  std::vector<SimBalance> TotalBalances() const;
  void CheckInvariants() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace holdfast
