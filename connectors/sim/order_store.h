#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "connectors/sim/sim_types.h"
#include "connectors/sim/venue.h"

namespace holdfast {

// An order with what the venue keeps beside its public face.
struct OrderRecord {
  SimOrder order;
  uint32_t tag = 0;     // index in the store, from 1; what the matching engine knows it by
  uint32_t handle = 0;  // in the matching engine, while open
  int64_t price_ticks = 0;
  int64_t lots_open = 0;
  Decimal held;  // of the asset it pays with
  std::vector<ClientOrderId> former_ids;
};

// All orders and trades of the accounts that count (background traders have none here), with the
// lookups a venue offers. Closed orders and trades are dropped oldest first beyond the bounds,
// which apply per account (orders) and per account and instrument (trades).
class OrderStore {
 public:
  OrderStore(int64_t max_orders, int64_t max_trades)
      : max_orders_(max_orders), max_trades_(max_trades) {}

  // Stores a new order that starts open. The record stays where it is until it is dropped, which
  // only happens in Close().
  OrderRecord& Add(const SimOrder& order);
  // REQUIRES: the tag of a stored order.
  OrderRecord& ByTag(uint32_t tag);
  OrderRecord* Find(SimAccountId account, InstrumentId instrument, VenueOrderId order_id);
  // The open order that carries this id now; the latest when there are several.
  OrderRecord* FindOpen(SimAccountId account, InstrumentId instrument, const ClientOrderId& id);
  // The latest order that carries this id or (see Rename) carried it.
  OrderRecord* FindLatest(SimAccountId account, InstrumentId instrument, const ClientOrderId& id);
  // The order's client id changes; the one before becomes its original id and, unless
  // `keeps_former_id`, no longer finds it.
  void Rename(OrderRecord& record, const ClientOrderId& id, bool keeps_former_id);
  // The order has ended. May drop old closed orders, never this one.
  void Close(OrderRecord& record);
  // Open orders vanish and nothing stored is found any more, but the ledger still lists it.
  void Forget();

  void AddTrade(const SimTrade& trade);

  int64_t OpenCount(SimAccountId account, InstrumentId instrument) const;
  // Ascending by order id; nullopt = all instruments. The pointers are valid until the next change.
  std::vector<OrderRecord*> Open(SimAccountId account, std::optional<InstrumentId> instrument);
  std::vector<SimOrder> Orders(SimAccountId account, const SimOrdersQuery& query) const;
  std::vector<SimTrade> Trades(SimAccountId account, const SimTradesQuery& query) const;

  std::vector<SimOrder> AllOrders() const;
  std::vector<SimTrade> AllTrades() const;
  SimAccountTotals Totals(SimAccountId account) const;

 private:
  struct IdKey {
    InstrumentId instrument;
    ClientOrderId id;
    friend bool operator==(const IdKey&, const IdKey&) = default;
    template <typename Hash>
    friend Hash AbslHashValue(Hash hash, const IdKey& key) {
      return Hash::combine(std::move(hash), key.instrument, key.id);
    }
  };
  struct AccountOrders {
    absl::btree_map<int64_t, uint32_t> all;   // order id -> tag
    absl::btree_map<int64_t, uint32_t> open;  // order id -> tag
    absl::flat_hash_map<IdKey, uint32_t> open_by_id;
    absl::flat_hash_map<IdKey, uint32_t> latest_by_id;
    std::deque<int64_t> closed;  // order ids in the order of closing; only when bounded
    absl::btree_map<InstrumentId, std::deque<SimTrade>> trades;
    absl::btree_map<InstrumentId, int64_t> open_counts;
    SimAccountTotals totals;
  };
  AccountOrders& Mutable(SimAccountId account);
  const AccountOrders* FindAccount(SimAccountId account) const;
  SimInstrumentTotals& MutableTotals(SimAccountId account, InstrumentId instrument);
  void PointLatest(AccountOrders& orders, const OrderRecord& record, const ClientOrderId& id);
  void UnpointLatest(AccountOrders& orders, const OrderRecord& record, const ClientOrderId& id);
  void DropOldClosed(AccountOrders& orders, int64_t except_order_id);

  int64_t max_orders_;
  int64_t max_trades_;
  std::deque<OrderRecord> records_;  // [tag - 1]
  std::vector<uint32_t> free_tags_;
  std::vector<AccountOrders> accounts_;
  std::vector<SimOrder> forgotten_;  // orders of before Forget(), for the ledger only
};

}  // namespace holdfast
