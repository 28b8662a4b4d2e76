#include "connectors/sim/order_store.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

bool IsWithin(int64_t time_ns, int64_t start_ns, int64_t end_ns) {
  return time_ns >= start_ns && (end_ns == 0 || time_ns <= end_ns);
}

}  // namespace

OrderStore::AccountOrders& OrderStore::Mutable(SimAccountId account) {
  if (accounts_.size() <= account.value()) accounts_.resize(account.value() + size_t{1});
  return accounts_[account.value()];
}

const OrderStore::AccountOrders* OrderStore::FindAccount(SimAccountId account) const {
  return account.value() < accounts_.size() ? &accounts_[account.value()] : nullptr;
}

SimInstrumentTotals& OrderStore::MutableTotals(SimAccountId account, InstrumentId instrument) {
  std::vector<SimInstrumentTotals>& rows = Mutable(account).totals.instruments;
  for (SimInstrumentTotals& row : rows) {
    if (row.instrument == instrument) return row;
  }
  rows.push_back({.instrument = instrument});
  return rows.back();
}

void OrderStore::PointLatest(AccountOrders& orders, const OrderRecord& record,
                             const ClientOrderId& id) {
  uint32_t& tag = orders.latest_by_id[IdKey{record.order.instrument, id}];
  if (tag == 0 || ByTag(tag).order.order_id <= record.order.order_id) tag = record.tag;
}

void OrderStore::UnpointLatest(AccountOrders& orders, const OrderRecord& record,
                               const ClientOrderId& id) {
  const auto latest = orders.latest_by_id.find(IdKey{record.order.instrument, id});
  if (latest != orders.latest_by_id.end() && latest->second == record.tag) {
    orders.latest_by_id.erase(latest);
  }
}

OrderRecord& OrderStore::Add(const SimOrder& order) {
  AccountOrders& orders = Mutable(order.account);
  uint32_t tag = 0;
  if (free_tags_.empty()) {
    records_.emplace_back();
    tag = static_cast<uint32_t>(records_.size());
  } else {
    tag = free_tags_.back();
    free_tags_.pop_back();
  }
  OrderRecord& record = records_[tag - 1];
  record = OrderRecord{};
  record.order = order;
  record.tag = tag;
  const int64_t order_id = order.order_id.value();
  orders.all.emplace_hint(orders.all.end(), order_id, tag);
  orders.open.emplace_hint(orders.open.end(), order_id, tag);
  orders.open_by_id[IdKey{order.instrument, order.client_order_id}] = tag;
  PointLatest(orders, record, order.client_order_id);
  ++orders.open_counts[order.instrument];
  ++MutableTotals(order.account, order.instrument).order_count;
  return record;
}

OrderRecord& OrderStore::ByTag(uint32_t tag) {
  HF_ASSERT(tag > 0 && tag <= records_.size());
  return records_[tag - 1];
}

OrderRecord* OrderStore::Find(SimAccountId account, InstrumentId instrument,
                              VenueOrderId order_id) {
  AccountOrders& orders = Mutable(account);
  const auto it = orders.all.find(order_id.value());
  if (it == orders.all.end()) return nullptr;
  OrderRecord& record = ByTag(it->second);
  return record.order.instrument == instrument ? &record : nullptr;
}

OrderRecord* OrderStore::FindOpen(SimAccountId account, InstrumentId instrument,
                                  const ClientOrderId& id) {
  AccountOrders& orders = Mutable(account);
  const auto it = orders.open_by_id.find(IdKey{instrument, id});
  return it == orders.open_by_id.end() ? nullptr : &ByTag(it->second);
}

OrderRecord* OrderStore::FindLatest(SimAccountId account, InstrumentId instrument,
                                    const ClientOrderId& id) {
  AccountOrders& orders = Mutable(account);
  const auto it = orders.latest_by_id.find(IdKey{instrument, id});
  return it == orders.latest_by_id.end() ? nullptr : &ByTag(it->second);
}

void OrderStore::Rename(OrderRecord& record, const ClientOrderId& id, bool keeps_former_id) {
  SimOrder& order = record.order;
  AccountOrders& orders = Mutable(order.account);
  order.original_client_order_id = order.client_order_id;
  if (id == order.client_order_id) return;
  const IdKey former{order.instrument, order.client_order_id};
  const auto open = orders.open_by_id.find(former);
  const bool is_open = open != orders.open_by_id.end() && open->second == record.tag;
  if (is_open) orders.open_by_id.erase(open);
  if (keeps_former_id) {
    record.former_ids.push_back(order.client_order_id);
  } else {
    UnpointLatest(orders, record, order.client_order_id);
  }
  order.client_order_id = id;
  if (IsOpen(order.status)) orders.open_by_id[IdKey{order.instrument, id}] = record.tag;
  PointLatest(orders, record, id);
}

void OrderStore::Close(OrderRecord& record) {
  const SimOrder& order = record.order;
  HF_ASSERT(!IsOpen(order.status));
  AccountOrders& orders = Mutable(order.account);
  const size_t erased = orders.open.erase(order.order_id.value());
  HF_ASSERT(erased == 1);
  const auto open = orders.open_by_id.find(IdKey{order.instrument, order.client_order_id});
  if (open != orders.open_by_id.end() && open->second == record.tag) orders.open_by_id.erase(open);
  int64_t& open_count = orders.open_counts[order.instrument];
  HF_ASSERT(open_count > 0);
  --open_count;
  if (max_orders_ > 0) {
    orders.closed.push_back(order.order_id.value());
    DropOldClosed(orders, order.order_id.value());
  }
}

void OrderStore::DropOldClosed(AccountOrders& orders, int64_t except_order_id) {
  while (static_cast<int64_t>(orders.all.size()) > max_orders_ && !orders.closed.empty() &&
         orders.closed.front() != except_order_id) {
    const auto it = orders.all.find(orders.closed.front());
    orders.closed.pop_front();
    if (it == orders.all.end()) continue;
    const uint32_t tag = it->second;
    const SimOrder& order = ByTag(tag).order;
    UnpointLatest(orders, ByTag(tag), order.client_order_id);
    for (const ClientOrderId& id : ByTag(tag).former_ids) UnpointLatest(orders, ByTag(tag), id);
    orders.all.erase(it);
    free_tags_.push_back(tag);
    ++orders.totals.dropped_order_count;
  }
}

void OrderStore::Forget() {
  for (AccountOrders& orders : accounts_) {
    for (const auto& [order_id, tag] : orders.all) {
      forgotten_.push_back(ByTag(tag).order);
      free_tags_.push_back(tag);
    }
    orders.all.clear();
    orders.open.clear();
    orders.open_by_id.clear();
    orders.latest_by_id.clear();
    orders.closed.clear();
    orders.open_counts.clear();
  }
}

void OrderStore::AddTrade(const SimTrade& trade) {
  AccountOrders& orders = Mutable(trade.account);
  std::deque<SimTrade>& trades = orders.trades[trade.instrument];
  // A trade with oneself has two sides with one id.
  HF_ASSERT(trades.empty() || trades.back().trade_id <= trade.trade_id);
  trades.push_back(trade);
  if (max_trades_ > 0 && static_cast<int64_t>(trades.size()) > max_trades_) {
    trades.pop_front();
    ++orders.totals.dropped_trade_count;
  }
  SimInstrumentTotals& totals = MutableTotals(trade.account, trade.instrument);
  const bool is_buy = trade.side == Side::kBuy;
  (is_buy ? totals.bought : totals.sold) += trade.quantity;
  (is_buy ? totals.bought_quote : totals.sold_quote) += trade.quote_quantity;
  ++totals.trade_count;
}

int64_t OrderStore::OpenCount(SimAccountId account, InstrumentId instrument) const {
  const AccountOrders* orders = FindAccount(account);
  if (orders == nullptr) return 0;
  const auto it = orders->open_counts.find(instrument);
  return it == orders->open_counts.end() ? 0 : it->second;
}

std::vector<OrderRecord*> OrderStore::Open(SimAccountId account,
                                           std::optional<InstrumentId> instrument) {
  std::vector<OrderRecord*> records;
  for (const auto& [order_id, tag] : Mutable(account).open) {
    OrderRecord& record = ByTag(tag);
    if (!instrument.has_value() || record.order.instrument == *instrument) {
      records.push_back(&record);
    }
  }
  return records;
}

std::vector<SimOrder> OrderStore::Orders(SimAccountId account, const SimOrdersQuery& query) const {
  std::vector<SimOrder> found;
  const AccountOrders* orders = FindAccount(account);
  if (orders == nullptr || query.limit <= 0) return found;
  const auto limit = static_cast<size_t>(query.limit);
  const auto matches = [&](const SimOrder& order) {
    return order.instrument == query.instrument &&
           IsWithin(order.create_time_ns, query.start_time_ns, query.end_time_ns);
  };
  if (query.from_order_id.value() != 0 || query.start_time_ns != 0) {
    for (auto it = orders->all.lower_bound(query.from_order_id.value());
         it != orders->all.end() && found.size() < limit; ++it) {
      const SimOrder& order = records_[it->second - 1].order;
      if (matches(order)) found.push_back(order);
    }
    return found;
  }
  for (auto it = orders->all.rbegin(); it != orders->all.rend() && found.size() < limit; ++it) {
    const SimOrder& order = records_[it->second - 1].order;
    if (matches(order)) found.push_back(order);
  }
  std::reverse(found.begin(), found.end());
  return found;
}

std::vector<SimTrade> OrderStore::Trades(SimAccountId account, const SimTradesQuery& query) const {
  std::vector<SimTrade> found;
  const AccountOrders* orders = FindAccount(account);
  if (orders == nullptr || query.limit <= 0) return found;
  const auto it = orders->trades.find(query.instrument);
  if (it == orders->trades.end()) return found;
  const std::deque<SimTrade>& trades = it->second;
  const auto limit = static_cast<size_t>(query.limit);
  const auto matches = [&](const SimTrade& trade) {
    return (query.order_id.value() == 0 || trade.order_id == query.order_id) &&
           IsWithin(trade.time_ns, query.start_time_ns, query.end_time_ns);
  };
  if (query.from_trade_id.has_value() || query.start_time_ns != 0) {
    const VenueTradeId from = query.from_trade_id.value_or(VenueTradeId(INT64_MIN));
    auto trade =
        std::lower_bound(trades.begin(), trades.end(), from,
                         [](const SimTrade& row, VenueTradeId id) { return row.trade_id < id; });
    for (; trade != trades.end() && found.size() < limit; ++trade) {
      if (matches(*trade)) found.push_back(*trade);
    }
    return found;
  }
  for (auto trade = trades.rbegin(); trade != trades.rend() && found.size() < limit; ++trade) {
    if (matches(*trade)) found.push_back(*trade);
  }
  std::reverse(found.begin(), found.end());
  return found;
}

std::vector<SimOrder> OrderStore::AllOrders() const {
  std::vector<SimOrder> rows = forgotten_;
  for (const AccountOrders& orders : accounts_) {
    for (const auto& [order_id, tag] : orders.all) rows.push_back(records_[tag - 1].order);
  }
  std::sort(rows.begin(), rows.end(),
            [](const SimOrder& a, const SimOrder& b) { return a.order_id < b.order_id; });
  return rows;
}

std::vector<SimTrade> OrderStore::AllTrades() const {
  std::vector<SimTrade> rows;
  for (const AccountOrders& orders : accounts_) {
    for (const auto& [instrument, trades] : orders.trades) {
      rows.insert(rows.end(), trades.begin(), trades.end());
    }
  }
  std::stable_sort(rows.begin(), rows.end(), [](const SimTrade& a, const SimTrade& b) {
    if (a.instrument != b.instrument) return a.instrument < b.instrument;
    return a.trade_id < b.trade_id;
  });
  return rows;
}

SimAccountTotals OrderStore::Totals(SimAccountId account) const {
  const AccountOrders* orders = FindAccount(account);
  return orders == nullptr ? SimAccountTotals{} : orders->totals;
}

}  // namespace holdfast
