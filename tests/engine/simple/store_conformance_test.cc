// Proves that every store keeps the contract of store.h: what is appended is recovered exactly,
// batches are all or nothing, numbers never repeat, broken records are refused. How: the same
// cases run on the memory store and on the SQLite store, against explicit values and against a
// seeded sequence of records.
#include <algorithm>
#include <catch2/catch.hpp>

#include "engine/simple/memory_store.h"
#include "engine/simple/sqlite_store.h"
#include "tests/engine/simple/store_testing.h"

namespace holdfast::testing {
namespace {

enum class StoreKind { kMemory, kSqlite };

// One store and its reopening: the memory store is the same object, SQLite a new one.
class StoreUnderTest {
 public:
  explicit StoreUnderTest(StoreKind kind, int recent_trade_id_limit = 4096) : kind_(kind) {
    options_ = TestStoreOptions(kind == StoreKind::kSqlite ? folder_.File("store.db") : "");
    options_.recent_trade_id_limit = recent_trade_id_limit;
    store_ = MakeStore(options_, clock_);
  }

  RecoveredState Open() {
    absl::StatusOr<RecoveredState> state = store_->Open();
    INFO(state.status());
    REQUIRE(state.ok());
    return *state;
  }
  RecoveredState Reopen() {
    REQUIRE(store_->Close().ok());
    if (kind_ == StoreKind::kSqlite) store_ = MakeStore(options_, clock_);
    return Open();
  }
  absl::Status Append(const StoreRecord& record, int64_t time_ns = 1) {
    const StampedRecord stamped = {.record_time_ns = time_ns, .record = record};
    return store_->Append({&stamped, 1});
  }

  Store& store() { return *store_; }
  ManualClock& clock() { return clock_; }

 private:
  const StoreKind kind_;
  TempFolder folder_;
  ManualClock clock_;
  StoreOptions options_;
  std::unique_ptr<Store> store_;
};

StoreKind EachKind() { return GENERATE(StoreKind::kMemory, StoreKind::kSqlite); }

}  // namespace

TEST_CASE("store: a new one is empty and says that this is the first run", "[simple][store]") {
  StoreUnderTest bench(EachKind());
  const RecoveredState state = bench.Open();
  CHECK(state.is_first_run);
  CHECK(state.open_orders.empty());
  CHECK(state.slots.empty());
  CHECK_FALSE(state.memory.has_anchor);
  CHECK(state.position == Position());
  CHECK(state.last_trade_id.value() == 0);
  CHECK(state.stored_time_ns == 0);
  CHECK(bench.store().record_count() == 0);
}

TEST_CASE("store: a stop is proven while nothing is recorded or reserved behind it",
          "[simple][store][restart]") {
  const StoreKind kind = EachKind();
  StoreUnderTest bench(kind);
  // Nobody used a new file; a store in memory does not know what process was before this one.
  CHECK(bench.Open().is_stop_proven == (kind == StoreKind::kSqlite));
  REQUIRE(bench.store().ReserveOrderNumbers(1).ok());
  CHECK_FALSE(bench.Reopen().is_stop_proven);
  REQUIRE(bench.Append(StopRecord()).ok());
  CHECK(bench.Reopen().is_stop_proven);
  CHECK(bench.Reopen().is_stop_proven);  // opening alone sends nothing
  SECTION("an order number is reserved") { REQUIRE(bench.store().ReserveOrderNumbers(1).ok()); }
  SECTION("something is recorded") { REQUIRE(bench.Append(OrderRecord{MakeOrder(1)}).ok()); }
  SECTION("in one batch with the stop, behind it") {
    const std::vector<StampedRecord> batch = {{1, StopRecord()}, {1, RiskRecord()}};
    REQUIRE(bench.store().Append(batch).ok());
  }
  CHECK_FALSE(bench.Reopen().is_stop_proven);
  const std::vector<StampedRecord> batch = {{1, RiskRecord()}, {1, StopRecord()}};
  REQUIRE(bench.store().Append(batch).ok());
  CHECK(bench.Reopen().is_stop_proven);
}

TEST_CASE("store: an order comes back with every field", "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  Order order = MakeOrder(12, OrderState::kPartiallyFilled);
  order.venue_order_id = VenueOrderId(INT64_MAX);
  order.side = Side::kSell;
  order.time_in_force = TimeInForce::kImmediateOrCancel;
  order.is_post_only = false;
  order.filled = Quantity::FromLots(999);
  order.slot_key = -5;
  order.update_time_ns = 8;
  order.submit_expiry_ns = 9;
  REQUIRE(bench.Append(OrderRecord{order}, 42).ok());
  RecoveredState expected;
  expected.open_orders = {order};
  expected.is_first_run = false;
  expected.stored_time_ns = 42;
  CHECK(Describe(bench.Reopen()) == Describe(expected));
}

TEST_CASE("store: of an order only the newest version counts, and a finished one is gone",
          "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  const OrderState state =
      GENERATE(OrderState::kDenied, OrderState::kCanceled, OrderState::kRejected,
               OrderState::kExpired, OrderState::kFilled);
  REQUIRE(bench.Append(OrderRecord{MakeOrder(1, OrderState::kInFlight)}).ok());
  REQUIRE(bench.Append(OrderRecord{MakeOrder(2, OrderState::kInFlight)}).ok());
  REQUIRE(bench.Append(OrderRecord{MakeOrder(1, OrderState::kWorking)}).ok());
  REQUIRE(bench.Append(OrderRecord{MakeOrder(2, state)}).ok());
  const RecoveredState recovered = bench.Reopen();
  REQUIRE(recovered.open_orders.size() == 1);
  CHECK(recovered.open_orders[0].number == OrderNumber(1));
  CHECK(recovered.open_orders[0].state == OrderState::kWorking);
}

TEST_CASE("store: every open state of an order is an open order", "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  size_t open_count = 0;
  for (int i = 0; i < kOrderStateCount; ++i) {
    const auto state = static_cast<OrderState>(i);
    REQUIRE(bench.Append(OrderRecord{MakeOrder(static_cast<uint64_t>(i) + 1, state)}).ok());
    open_count += IsFinal(state) ? 0 : 1;
  }
  const RecoveredState recovered = bench.Reopen();
  CHECK(recovered.open_orders.size() == open_count);
  for (const Order& order : recovered.open_orders) CHECK_FALSE(IsFinal(order.state));
}

TEST_CASE("store: a fill moves order, slot, position and ledger together", "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  FillRecord record = MakeFillRecord(501, 300);
  record.order = MakeOrder(1, OrderState::kPartiallyFilled);
  record.order->filled = Quantity::FromLots(300);
  record.slot = Slot{.line = -1,
                     .entry_side = Side::kSell,
                     .state = SlotState::kFilled,
                     .entry_price = Price::FromTicks(6'000'000),
                     .held = Quantity::FromLots(300),
                     .held_cost = Notional::FromUnits(18'000'000'000),
                     .post_only_reject_count = 2};
  REQUIRE(bench.Append(record, 7).ok());

  RecoveredState expected;
  expected.open_orders = {*record.order};
  expected.slots = {*record.slot};
  expected.position = record.position;
  REQUIRE(expected.ledger.Apply(record.transaction).ok());
  expected.last_trade_id = VenueTradeId(501);
  expected.recent_trade_ids = {VenueTradeId(501)};
  expected.is_first_run = false;
  expected.stored_time_ns = 7;
  CHECK(Describe(bench.Reopen()) == Describe(expected));
}

TEST_CASE("store: a fill of an order that is not ours is booked without one", "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  REQUIRE(bench.Append(MakeFillRecord(9, 5)).ok());
  const RecoveredState recovered = bench.Reopen();
  CHECK(recovered.open_orders.empty());
  CHECK(recovered.position.quantity() == Quantity::FromLots(5));
  CHECK(recovered.last_trade_id == VenueTradeId(9));
}

TEST_CASE("store: a slot comes back until it is free", "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  const InstrumentId instrument = TestInstrument().id;
  Slot slot;
  slot.line = -7;
  slot.state = SlotState::kLocked;
  slot.entry_price = Price::FromTicks(55);
  REQUIRE(bench.Append(SlotRecord{instrument, slot}).ok());
  slot.entry_side = Side::kSell;  // another slot on the same line
  slot.state = SlotState::kPending;
  REQUIRE(bench.Append(SlotRecord{instrument, slot}).ok());
  CHECK(bench.Reopen().slots.size() == 2);
  slot.state = SlotState::kFree;
  REQUIRE(bench.Append(SlotRecord{instrument, slot}).ok());
  const RecoveredState recovered = bench.Reopen();
  REQUIRE(recovered.slots.size() == 1);
  CHECK(recovered.slots[0].entry_side == Side::kBuy);
  CHECK(recovered.slots[0].state == SlotState::kLocked);
}

TEST_CASE("store: anchor, interval and risk state come back", "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  const StrategyMemory memory = {
      .has_anchor = true, .anchor = Price::FromTicks(6'183'763), .interval_ticks = 500};
  const RiskRecord risk = {.is_risk_mode_active = true,
                           .is_paused = true,
                           .is_killed = true,
                           .since_ns = 5,
                           .breaker_open_until_ns = 6,
                           .reason = InlineString<64>(std::string(64, 'x'))};
  REQUIRE(bench.Append(MemoryRecord{TestInstrument().id, memory}).ok());
  REQUIRE(bench.Append(risk).ok());
  RecoveredState expected;
  expected.memory = memory;
  expected.risk = risk;
  expected.is_first_run = false;
  expected.stored_time_ns = 1;
  CHECK(Describe(bench.Reopen()) == Describe(expected));
  // An interval without an anchor yet.
  REQUIRE(bench.Append(MemoryRecord{TestInstrument().id, {.anchor = Price(), .interval_ticks = 3}})
              .ok());
  const RecoveredState recovered = bench.Reopen();
  CHECK_FALSE(recovered.memory.has_anchor);
  CHECK(recovered.memory.interval_ticks == 3);
}

TEST_CASE("store: opening balances, transfers and adjustments add up per asset",
          "[simple][store]") {
  using namespace literals;
  StoreUnderTest bench(EachKind());
  bench.Open();
  const AssetCode usdt("USDT");
  for (const LedgerCause cause :
       {LedgerCause::kOpening, LedgerCause::kTransfer, LedgerCause::kAdjustment}) {
    REQUIRE(
        bench.Append(LedgerRecord{MakeWalletTransaction(cause, usdt, 100.5_dec, "why", 1)}).ok());
  }
  REQUIRE(bench
              .Append(LedgerRecord{
                  MakeWalletTransaction(LedgerCause::kTransfer, usdt, -0.00000001_dec, "", 1)})
              .ok());
  const RecoveredState recovered = bench.Reopen();
  CHECK(recovered.ledger.Balance(LedgerAccount::kWallet, usdt) == 301.49999999_dec);
  CHECK(recovered.ledger.CheckInvariants());
}

TEST_CASE("store: a long random history is recovered exactly, however it is cut into batches",
          "[simple][store]") {
  const StoreKind kind = EachKind();
  const uint64_t seed = GENERATE(1u, 2u, 3u);
  StoreUnderTest bench(kind);
  bench.Open();
  RecordMaker maker(seed);
  Prng prng(seed + 100);
  uint64_t count = 0;
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 12; ++i) {
      std::vector<StampedRecord> batch(static_cast<size_t>(prng.Between(1, 20)));
      for (StampedRecord& record : batch) record = maker.Next();
      count += batch.size();
      const absl::Status appended = bench.store().Append(batch);
      INFO(appended);
      REQUIRE(appended.ok());
    }
    CHECK(Describe(bench.Reopen()) == DescribePrefix(seed, count));
    CHECK(bench.store().record_count() == count);
  }
}

TEST_CASE("store: a batch with one bad record changes nothing", "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  REQUIRE(bench.Append(MakeFillRecord(1, 10)).ok());
  const std::string before = Describe(bench.Reopen());

  Order broken = MakeOrder(3);
  broken.filled = broken.quantity + Quantity::FromLots(1);
  const std::vector<StampedRecord> batch = {{1, OrderRecord{MakeOrder(2)}},
                                            {2, MakeFillRecord(2, 10)},
                                            {3, OrderRecord{broken}},
                                            {4, OrderRecord{MakeOrder(4)}}};
  CHECK(absl::IsInvalidArgument(bench.store().Append(batch)));
  CHECK(bench.store().record_count() == 1);
  CHECK(Describe(bench.Reopen()) == before);
  // The good ones are taken when the bad one is gone.
  CHECK(bench.store().Append(std::span(batch).first(2)).ok());
  CHECK(bench.Reopen().open_orders.size() == 1);
}

TEST_CASE("store: a trade is booked once", "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  REQUIRE(bench.Append(MakeFillRecord(70, 10)).ok());
  const std::string before = Describe(bench.Reopen());
  CHECK(absl::IsInvalidArgument(bench.Append(MakeFillRecord(70, 10))));
  const std::vector<StampedRecord> twice = {{1, MakeFillRecord(71, 1)}, {1, MakeFillRecord(71, 1)}};
  CHECK(absl::IsInvalidArgument(bench.store().Append(twice)));
  CHECK(Describe(bench.Reopen()) == before);
}

TEST_CASE("store: broken records are refused by name", "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  const auto refusal = [&bench](const StoreRecord& record) {
    const absl::Status status = bench.Append(record);
    CHECK(absl::IsInvalidArgument(status));
    return std::string(status.message());
  };
  using Catch::Matchers::Contains;

  Order order = MakeOrder(1);
  order.number = OrderNumber(0);
  CHECK_THAT(refusal(OrderRecord{order}), Contains("field=number"));
  order = MakeOrder(1);
  order.number = OrderNumber(uint64_t{1} << 63);
  CHECK_THAT(refusal(OrderRecord{order}), Contains("field=number"));
  order = MakeOrder(1);
  order.client_order_id = ClientOrderId();
  CHECK_THAT(refusal(OrderRecord{order}), Contains("field=client_order_id"));
  order = MakeOrder(1);
  order.quantity = Quantity();
  CHECK_THAT(refusal(OrderRecord{order}), Contains("field=quantity"));
  order = MakeOrder(1);
  order.filled = Quantity::FromLots(-1);
  CHECK_THAT(refusal(OrderRecord{order}), Contains("field=filled"));
  order = MakeOrder(1);
  order.price = Price::FromTicks(-1);
  CHECK_THAT(refusal(OrderRecord{order}), Contains("field=price"));
  order = MakeOrder(1);
  order.instrument = InstrumentId(4);
  CHECK_THAT(refusal(OrderRecord{order}), Contains("field=instrument"));

  FillRecord fill = MakeFillRecord(1, 10);
  fill.fill.trade_id = VenueTradeId(0);
  CHECK_THAT(refusal(fill), Contains("field=trade_id"));
  fill = MakeFillRecord(1, 10);
  fill.fill.quantity = Quantity();
  CHECK_THAT(refusal(fill), Contains("field=quantity"));
  fill = MakeFillRecord(1, 10);
  fill.transaction.entries[0].amount += Decimal::FromUnits(1);
  CHECK_THAT(refusal(fill), Contains("field=entries"));
  fill = MakeFillRecord(1, 10);
  fill.transaction.trade_id = VenueTradeId(2);
  CHECK_THAT(refusal(fill), Contains("field=transaction"));
  fill = MakeFillRecord(1, 10);
  fill.slot = Slot();
  fill.slot->state = SlotState::kFilled;
  CHECK_THAT(refusal(fill), Contains("kind=slot field=state"));

  const InstrumentId instrument = TestInstrument().id;
  Slot slot;
  slot.state = SlotState::kLocked;
  slot.held = Quantity::FromLots(1);
  CHECK_THAT(refusal(SlotRecord{instrument, slot}), Contains("kind=slot field=state"));
  CHECK_THAT(refusal(SlotRecord{InstrumentId(9), Slot()}), Contains("field=instrument"));
  CHECK_THAT(refusal(MemoryRecord{instrument, {.anchor = Price(), .interval_ticks = -1}}),
             Contains("field=interval_ticks"));
  CHECK_THAT(refusal(LedgerRecord{MakeFillRecord(1, 1).transaction}), Contains("field=cause"));
  CHECK(bench.store().record_count() == 0);
}

TEST_CASE("store: order numbers never repeat, across reopening and a clock that stands still",
          "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  uint64_t end = 0;
  for (int run = 0; run < 4; ++run) {
    for (const uint64_t count : {1u, 10u, 1000u}) {
      const absl::StatusOr<OrderNumberBlock> block = bench.store().ReserveOrderNumbers(count);
      REQUIRE(block.ok());
      CHECK(block->first > 0);
      CHECK(block->first >= end);
      CHECK(block->end == block->first + count);
      end = block->end;
    }
    bench.Reopen();
  }
}

TEST_CASE("store: a store that forgot everything does not repeat numbers either",
          "[simple][store]") {
  const StoreKind kind = EachKind();
  StoreUnderTest first(kind);
  StoreUnderTest second(kind);  // the same account after its files were deleted, a second later
  first.Open();
  const absl::StatusOr<OrderNumberBlock> before = first.store().ReserveOrderNumbers(100'000);
  second.clock().Advance(kNanosPerSecond);
  second.Open();
  const absl::StatusOr<OrderNumberBlock> after = second.store().ReserveOrderNumbers(1);
  REQUIRE(before.ok());
  REQUIRE(after.ok());
  CHECK(after->first >= before->end);
}

TEST_CASE("store: the newest trade ids are given back, rising and bounded", "[simple][store]") {
  StoreUnderTest bench(EachKind(), 1000);
  bench.Open();
  std::vector<StampedRecord> batch;
  for (int64_t id = 1; id <= 1003; ++id) {
    const int64_t swapped = id == 1002 ? 1003 : id == 1003 ? 1002 : id;  // not in order
    batch.push_back({.record_time_ns = 1, .record = MakeFillRecord(swapped, 1)});
  }
  REQUIRE(bench.store().Append(batch).ok());
  const RecoveredState recovered = bench.Reopen();
  REQUIRE(recovered.recent_trade_ids.size() == 1000);
  CHECK(recovered.recent_trade_ids.front() == VenueTradeId(4));
  CHECK(std::is_sorted(recovered.recent_trade_ids.begin(), recovered.recent_trade_ids.end()));
  CHECK(recovered.last_trade_id == VenueTradeId(1003));
}

TEST_CASE("store: its options are checked", "[simple][store]") {
  const ManualClock clock;
  StoreOptions options = TestStoreOptions("");
  options.recent_trade_id_limit = 999;  // would be taken for a whole list
  CHECK(absl::IsInvalidArgument(MemoryStore(options, clock).Open().status()));
  options = TestStoreOptions("");
  options.account_name.clear();
  CHECK(absl::IsInvalidArgument(MemoryStore(options, clock).Open().status()));
  options = TestStoreOptions("");
  options.instrument.tick_size = Decimal();
  CHECK(absl::IsInvalidArgument(MemoryStore(options, clock).Open().status()));
}

TEST_CASE("store: opening twice is refused", "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  CHECK(absl::IsFailedPrecondition(bench.store().Open().status()));
}

TEST_CASE("store: an asset more than a ledger holds is refused when it is booked, not at the load",
          "[simple][store]") {
  StoreUnderTest bench(EachKind());
  bench.Open();
  const auto opening = [](int i) {
    return LedgerRecord{MakeWalletTransaction(LedgerCause::kOpening,
                                              AssetCode("A" + std::to_string(i)),
                                              Decimal::FromInteger(1), "opening balance", 0)};
  };
  for (int i = 0; i < Ledger::kMaxAssets; ++i) REQUIRE(bench.Append(opening(i)).ok());
  const std::string before = Describe(bench.Reopen());
  const absl::Status refused = bench.Append(opening(Ledger::kMaxAssets));
  CHECK(absl::IsInvalidArgument(refused));
  CHECK(std::string(refused.message()).find("no room for another asset") != std::string::npos);
  CHECK(absl::IsInvalidArgument(bench.Append(MakeFillRecord(1, 1))));
  // What was rolled back has taken no room.
  CHECK(bench.Append(opening(0)).ok());
  CHECK(Describe(bench.Reopen()) != before);
}

}  // namespace holdfast::testing
