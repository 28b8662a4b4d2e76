#include "tests/engine/simple/store_testing.h"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/simple/memory_store.h"
#include "engine/simple/store_text.h"

namespace holdfast::testing {
namespace {

constexpr size_t kMaxOpenOrders = 12;

std::string Text(std::string_view text) { return std::string(text); }

void Line(std::string& out, const Order& order) {
  absl::StrAppend(&out, "order ", order.number.value(), " ", Text(order.client_order_id.view()),
                  " venue=", order.venue_order_id.value(), " instrument=", order.instrument.value(),
                  " ", Text(StoreText(order.side)), " ", Text(StoreText(order.state)), " ",
                  Text(StoreText(order.time_in_force)), " post_only=", order.is_post_only,
                  " price=", order.price.ticks());
  absl::StrAppend(&out, " quantity=", order.quantity.lots(), " filled=", order.filled.lots(),
                  " slot=", order.slot_key, " create=", order.create_time_ns,
                  " update=", order.update_time_ns, " expiry=", order.submit_expiry_ns, "\n");
}

void Line(std::string& out, const Slot& slot) {
  absl::StrAppend(&out, "slot ", slot.line, " ", Text(StoreText(slot.entry_side)), " ",
                  Text(StoreText(slot.state)), " price=", slot.entry_price.ticks(),
                  " held=", slot.held.lots(), " cost=", slot.held_cost.units(),
                  " rejects=", slot.post_only_reject_count, "\n");
}

void LedgerLines(std::string& out, const Ledger& ledger) {
  std::vector<AssetCode> assets(ledger.assets().begin(), ledger.assets().end());
  std::sort(assets.begin(), assets.end());
  for (const AssetCode& asset : assets) {
    for (const LedgerAccount account :
         {LedgerAccount::kWallet, LedgerAccount::kTrading, LedgerAccount::kFees,
          LedgerAccount::kTransfers, LedgerAccount::kAdjustment}) {
      const Decimal balance = ledger.Balance(account, asset);
      if (balance.is_zero()) continue;
      absl::StrAppend(&out, "balance ", Text(StoreText(account)), " ", Text(asset.view()), " ",
                      balance.ToText(), "\n");
    }
  }
}

}  // namespace

TempFolder::TempFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "holdfast_XXXXXX").string();
  HF_ASSERT(mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

Instrument TestInstrument() {
  using namespace literals;
  Instrument instrument;
  instrument.id = InstrumentId(3);
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = 0.01_dec;
  instrument.lot_size = 0.00001_dec;
  instrument.min_price = Price::FromTicks(1);
  instrument.max_price = Price::FromTicks(100'000'000);
  instrument.min_quantity = Quantity::FromLots(1);
  instrument.max_quantity = Quantity::FromLots(1'000'000'000);
  instrument.min_notional = 5_dec;
  return instrument;
}

StoreOptions TestStoreOptions(const std::string& path) {
  StoreOptions options;
  options.path = path;
  options.venue_name = "binance";
  options.account_name = "test";
  options.instrument = TestInstrument();
  return options;
}

std::string Describe(const RecoveredState& state) {
  std::string out;
  for (const Order& order : state.open_orders) Line(out, order);
  for (const Slot& slot : state.slots) Line(out, slot);
  absl::StrAppend(&out, "slot_rest ", state.slot_rest.base.units(), " ",
                  state.slot_rest.cost.units(), "\n");
  absl::StrAppend(&out, "memory ", state.memory.has_anchor, " ", state.memory.anchor.ticks(), " ",
                  state.memory.interval_ticks, "\n");
  absl::StrAppend(&out, "position ", state.position.quantity().lots(), " ",
                  state.position.cost().units(), " ", state.position.realized_pnl().units(), "\n");
  LedgerLines(out, state.ledger);
  absl::StrAppend(&out, "last_trade ", state.last_trade_id.value(), " of");
  for (const VenueTradeId id : state.recent_trade_ids) absl::StrAppend(&out, " ", id.value());
  const RiskRecord& risk = state.risk;
  absl::StrAppend(&out, "\nrisk ", risk.is_risk_mode_active, risk.is_paused, risk.is_killed, " ",
                  risk.since_ns, " ", risk.breaker_open_until_ns, " ", Text(risk.reason.view()),
                  "\nfirst_run ", state.is_first_run, " stored ", state.stored_time_ns, "\n");
  return out;
}

Order MakeOrder(uint64_t number, OrderState state) {
  Order order;
  order.number = OrderNumber(number);
  order.slot_key = SlotKey{.line = -static_cast<int32_t>(number % 50)}.Packed();
  order.client_order_id = MakeClientOrderId(MakeAccountTag("test"), order.number, order.slot_key);
  order.instrument = TestInstrument().id;
  order.state = state;
  order.price = Price::FromTicks(6'000'000 + static_cast<int64_t>(number));
  order.quantity = Quantity::FromLots(1000);
  order.create_time_ns = 1'700'000'000 * kNanosPerSecond;
  order.update_time_ns = order.create_time_ns;
  return order;
}

FillRecord MakeFillRecord(int64_t trade_id, int64_t quantity_lots) {
  const Instrument instrument = TestInstrument();
  FillRecord record;
  record.instrument = instrument.id;
  Fill& fill = record.fill;
  fill.instrument = instrument.id;
  fill.trade_id = VenueTradeId(trade_id);
  fill.venue_order_id = VenueOrderId(77);
  fill.price = Price::FromTicks(6'000'000);
  fill.quantity = Quantity::FromLots(quantity_lots);
  fill.fee = Decimal::FromUnits(1234);
  fill.fee_asset = instrument.quote_asset;
  fill.venue_time_ns = 1'700'000'001 * kNanosPerSecond;
  fill.receive_time_ns = fill.venue_time_ns + 5;
  record.transaction = MakeFillTransaction(instrument, fill);
  record.position.Apply(instrument, fill);
  return record;
}

RecordMaker::RecordMaker(uint64_t seed) : instrument_(TestInstrument()), prng_(seed) {}

StampedRecord RecordMaker::Next() {
  now_ns_ += prng_.Between(1, 1'000'000);
  StampedRecord stamped;
  stamped.record_time_ns = now_ns_;
  const uint64_t roll = prng_.Below(100);
  if (open_orders_.empty() || (roll < 25 && open_orders_.size() < kMaxOpenOrders)) {
    stamped.record = MakeNewOrder();
  } else if (roll < 55) {
    stamped.record = MakeOrderChange(open_orders_[prng_.Below(open_orders_.size())]);
  } else if (roll < 80) {
    stamped.record = MakeFill(&open_orders_[prng_.Below(open_orders_.size())]);
  } else if (roll < 83) {
    stamped.record = MakeFill(nullptr);
  } else if (roll < 93) {
    stamped.record = MakeSlot();
  } else {
    stamped.record = MakeRare();
  }
  std::erase_if(open_orders_, [](const Order& order) { return IsFinal(order.state); });
  return stamped;
}

StoreRecord RecordMaker::MakeNewOrder() {
  Order order = MakeOrder(++last_number_, OrderState::kInFlight);
  order.side = prng_.Chance(1, 2) ? Side::kBuy : Side::kSell;
  order.quantity = Quantity::FromLots(prng_.Between(1, 5000));
  order.create_time_ns = order.update_time_ns = now_ns_;
  order.submit_expiry_ns = now_ns_ + 5 * kNanosPerSecond;
  open_orders_.push_back(order);
  return OrderRecord{order};
}

StoreRecord RecordMaker::MakeOrderChange(Order& order) {
  constexpr OrderState kNext[] = {OrderState::kWorking,  OrderState::kPendingCancel,
                                  OrderState::kCanceled, OrderState::kUnknown,
                                  OrderState::kRejected, OrderState::kExpired};
  order.state = kNext[prng_.Below(std::size(kNext))];
  order.venue_order_id = VenueOrderId(static_cast<int64_t>(order.number.value()) + 9000);
  order.update_time_ns = now_ns_;
  return OrderRecord{order};
}

StoreRecord RecordMaker::MakeFill(Order* order) {
  const int64_t most = order != nullptr ? order->remaining().lots() : 100;
  FillRecord record = MakeFillRecord(last_trade_id_ += prng_.Between(1, 3), prng_.Between(1, most));
  Fill& fill = record.fill;
  fill.side = order != nullptr ? order->side : Side::kSell;
  fill.price = Price::FromTicks(prng_.Between(5'900'000, 6'100'000));
  fill.fee = Decimal::FromUnits(prng_.Between(-500, 5000));
  if (prng_.Chance(1, 4)) fill.fee_asset = AssetCode("BNB");
  if (order != nullptr) {
    fill.client_order_id = order->client_order_id;
    order->filled += fill.quantity;
    order->state =
        order->remaining().is_zero() ? OrderState::kFilled : OrderState::kPartiallyFilled;
    order->update_time_ns = now_ns_;
    record.order = *order;
    const SlotKey key = SlotKey::Unpack(order->slot_key);
    record.slot = Slot{.line = key.line,
                       .entry_side = key.entry_side,
                       .state = SlotState::kFilled,
                       .entry_price = order->price,
                       .held = order->filled,
                       .held_cost = Notional::FromUnits(prng_.Between(1, 1'000'000'000))};
  }
  record.slot_rest = {.base = Decimal::FromUnits(prng_.Between(-900, 900)),
                      .cost = Notional::FromUnits(prng_.Between(-500, 500))};
  record.transaction = MakeFillTransaction(instrument_, fill);
  position_.Apply(instrument_, fill);
  record.position = position_;
  return record;
}

StoreRecord RecordMaker::MakeSlot() {
  Slot slot;
  slot.line = static_cast<int32_t>(prng_.Between(-50, 50));
  slot.entry_side = prng_.Chance(1, 2) ? Side::kBuy : Side::kSell;
  slot.state = static_cast<SlotState>(prng_.Below(4));
  slot.entry_price = Price::FromTicks(prng_.Between(1, 9'000'000));
  slot.post_only_reject_count = static_cast<int32_t>(prng_.Below(4));
  if (slot.state == SlotState::kFilled) slot.held = Quantity::FromLots(prng_.Between(1, 999));
  const SlotRest rest = {.base = Decimal::FromUnits(prng_.Between(-900, 900)),
                         .cost = Notional::FromUnits(prng_.Between(-500, 500))};
  return SlotRecord{.instrument = instrument_.id, .slot = slot, .slot_rest = rest};
}

StoreRecord RecordMaker::MakeRare() {
  switch (prng_.Below(4)) {
    case 0:
      return MemoryRecord{
          .instrument = instrument_.id,
          .memory = {.has_anchor = true,
                     .anchor = Price::FromTicks(prng_.Between(5'000'000, 7'000'000)),
                     .interval_ticks = prng_.Between(1, 5000)}};
    case 1:
      return LedgerRecord{MakeWalletTransaction(
          prng_.Chance(1, 2) ? LedgerCause::kTransfer : LedgerCause::kAdjustment,
          instrument_.quote_asset, Decimal::FromUnits(prng_.Between(-1'000'000, 1'000'000)),
          "because", now_ns_)};
    case 2:
      return StopRecord{};
    default:
      return RiskRecord{.is_risk_mode_active = prng_.Chance(1, 2),
                        .is_paused = prng_.Chance(1, 2),
                        .is_killed = prng_.Chance(1, 9),
                        .since_ns = now_ns_,
                        .breaker_open_until_ns = prng_.Between(0, 5),
                        .reason = InlineString<64>("trigger price")};
  }
}

bool RecordAny(Engine& engine, const StoreRecord& record) {
  if (std::holds_alternative<StopRecord>(record)) return engine.RecordProvenStop();
  return std::visit(
      [&engine]<typename Kind>(const Kind& kind) {
        if constexpr (std::is_same_v<Kind, StopRecord>)
          return false;
        else
          return engine.Record(kind);
      },
      record);
}

std::string DescribePrefix(uint64_t seed, uint64_t count) {
  const ManualClock clock;
  MemoryStore model(TestStoreOptions(""), clock);
  HF_ASSERT(model.Open().ok());
  RecordMaker maker(seed);
  for (uint64_t i = 0; i < count; ++i) {
    const StampedRecord record = maker.Next();
    HF_ASSERT(model.Append({&record, 1}).ok());
  }
  HF_ASSERT(model.Close().ok());
  return Describe(*model.Open());
}

}  // namespace holdfast::testing
