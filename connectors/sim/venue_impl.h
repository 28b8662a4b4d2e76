#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "connectors/sim/account_book.h"
#include "connectors/sim/generated_trader.h"
#include "connectors/sim/market_book.h"
#include "connectors/sim/market_publisher.h"
#include "connectors/sim/order_store.h"
#include "connectors/sim/replay_player.h"
#include "connectors/sim/venue.h"
#include "engine/base/assert.h"
#include "engine/base/prng.h"

namespace holdfast {

// Tags with this bit belong to background orders, which have no OrderRecord.
inline constexpr uint32_t kBackgroundTagBit = uint32_t{1} << 31;

// One instrument with its book and its public data.
struct SimMarket {
  Instrument instrument;
  Decimal price_grid;
  Decimal quantity_grid;
  SimAssetIndex base;
  SimAssetIndex quote;
  std::unique_ptr<MarketBook> book;
  std::unique_ptr<ReplayPlayer> replay;  // plays into `book`; declared after it, so it goes first
  std::unique_ptr<GeneratedTrader> generated;
  MarketPublisher publisher;
  std::vector<SimMarketListener*> listeners;
  std::vector<SimPublicTrade> pending_trades;

  Notional NotionalOf(Decimal price, Decimal quantity) const {
    return Multiply(price, quantity,
                    Rounding::kNearest);  // exact: AddInstrument() checked the grid
  }
};

// The working parts behind SimVenue. Orders: venue_orders.cc; time, events, set-up: venue.cc.
class SimVenue::Implementation {
 public:
  explicit Implementation(const SimVenueConfig& config);

  absl::StatusOr<InstrumentId> AddInstrument(const SimInstrumentConfig& config);
  absl::StatusOr<SimAccountId> AddAccount(const SimAccountConfig& config);
  absl::Status UpdateInstrument(const Instrument& instrument);
  absl::Status StartReplay(InstrumentId instrument, const ReplayMarketConfig& replay);
  absl::Status StartGenerated(InstrumentId instrument, const GeneratedMarketConfig& generated);

  void Advance(int64_t now_ns);
  std::optional<int64_t> NextEventTime() const;

  // What an order turned into on the way through the checks.
  struct Prepared {
    int64_t price_ticks = 0;
    int64_t lots = 0;  // zero for a market order without liquidity
    EngineOrderKind kind = EngineOrderKind::kLimit;
    SimAssetIndex paid_asset;
    Decimal hold;  // zero for market orders: they never rest
  };
  std::optional<SimRefusal> Check(SimAccountId account, const SimOrderRequest& request,
                                  Prepared& prepared);
  SimOrderResult Place(SimAccountId account, const SimOrderRequest& request);
  SimCancelResult Cancel(SimAccountId account, const SimCancelRequest& request);
  SimCancelReplaceResult CancelReplace(SimAccountId account,
                                       const SimCancelReplaceRequest& request);
  std::vector<SimOrder> CancelAll(SimAccountId account, InstrumentId instrument);
  SimAmendResult Amend(SimAccountId account, const SimAmendRequest& request);
  Decimal FillResting(SimAccountId account, InstrumentId instrument, const SimOrderKey& key,
                      Decimal quantity);
  void ForgetOrders();
  OrderRecord* FindRecord(SimAccountId account, InstrumentId instrument, const SimOrderKey& key);

  bool Knows(SimAccountId account, InstrumentId instrument) const {
    return accounts.Exists(account) && instrument.value() < markets.size();
  }
  SimMarket& MarketAt(InstrumentId instrument) {
    HF_ASSERT(instrument.value() < markets.size());
    return *markets[instrument.value()];
  }
  // Delivers what has happened to the listeners.
  void Flush();
  void CheckInvariants();

  SimVenueConfig config;
  int64_t now_ns;
  AccountBook accounts;
  OrderStore store;
  std::vector<std::unique_ptr<SimMarket>> markets;
  std::vector<Instrument> instruments;
  std::vector<std::vector<SimAccountListener*>> account_listeners;
  std::vector<int64_t> account_update_times;
  std::multimap<int64_t, std::function<void()>> deferred;

 private:
  class Matcher;
  class Recording;
  class Background;
  friend class Matcher;
  friend class Recording;
  friend class Background;

  uint16_t GroupOf(SimAccountId account) const;
  ClientOrderId MakeId();
  std::optional<SimRefusal> PlanMarketOrder(const SimMarket& market, SimAccountId account,
                                            const SimOrderRequest& request, Prepared& prepared);
  OrderRecord& Open(SimAccountId account, const SimOrderRequest& request, const Prepared& prepared);
  void Finish(SimMarket& market, OrderRecord& record, const EngineResult& result);
  void FinishCancel(SimMarket& market, OrderRecord& record, std::string_view new_id);
  void ReleaseHold(const SimMarket& market, OrderRecord& record, Decimal amount);
  void Close(const SimMarket& market, OrderRecord& record, SimOrderStatus status);
  VenueOrderId SettleSide(SimMarket& market, const EngineTrade& trade, bool is_maker,
                          std::vector<SimTrade>* taker_trades);
  void SettleTrade(SimMarket& market, const EngineTrade& trade,
                   std::vector<SimTrade>* taker_trades);
  void SettlePrevention(SimMarket& market, const EnginePrevention& prevention, uint32_t taker_tag,
                        bool is_decrement);
  SimExecution& Report(SimExecutionType type, const OrderRecord& record);
  void MarkChanged(SimMarket& market, Side side, int64_t ticks) {
    market.publisher.MarkChanged(side, ticks, now_ns);
  }
  bool StepMarket(SimMarket& market);
  void FlushAccounts();
  void FlushMarkets();

  Prng prng_;
  int64_t next_order_id_;
  int64_t next_execution_id_ = 1;
  std::vector<SimExecution> pending_executions_;
  bool is_dispatching_ = false;
};

}  // namespace holdfast
