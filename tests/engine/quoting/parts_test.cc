// Proves the parts of the loop on their own: each clever structure beside a plain reference model,
// each bound reached and passed.
#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "engine/base/prng.h"
#include "engine/quoting/difference.h"
#include "engine/quoting/fixed_index.h"
#include "engine/quoting/key_cooldown.h"
#include "engine/quoting/order_table.h"
#include "engine/quoting/slot_book.h"
#include "engine/quoting/trade_id_set.h"
#include "fake_venue.h"

namespace holdfast::testing {
namespace {

Order MakeOrder(uint64_t number, Side side, int64_t price, int64_t lots) {
  Order order;
  order.number = OrderNumber(number);
  order.side = side;
  order.state = OrderState::kInFlight;
  order.price = Price::FromTicks(price);
  order.quantity = Quantity::FromLots(lots);
  return order;
}

Fill MakeFill(Side side, int64_t price, int64_t lots, Decimal fee = Decimal()) {
  Fill fill;
  fill.side = side;
  fill.price = Price::FromTicks(price);
  fill.quantity = Quantity::FromLots(lots);
  fill.fee = fee;
  fill.fee_asset = AssetCode("USDT");
  return fill;
}

TEST_CASE("fixed index: behaves like a map, full and empty", "[quoting]") {
  constexpr size_t kCapacity = 100;
  FixedIndex index(kCapacity);
  std::map<uint64_t, uint32_t> reference;
  Prng prng(GENERATE(1, 2, 3));
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t key = prng.Below(180) * 0x1'0000'0001u;
    const auto value = static_cast<uint32_t>(prng.Below(1000));
    if (prng.Chance(1, 2) && (reference.contains(key) || reference.size() < kCapacity)) {
      index.Set(key, value);
      reference[key] = value;
    } else {
      REQUIRE(index.Erase(key) == (reference.erase(key) == 1));
    }
    const uint64_t probe = prng.Below(180) * 0x1'0000'0001u;
    const auto found = reference.find(probe);
    const std::optional<uint32_t> got = index.Find(probe);
    REQUIRE(got.has_value() == (found != reference.end()));
    if (got) REQUIRE(*got == found->second);
    REQUIRE(index.size() == reference.size());
  }
}

TEST_CASE("trade ids: what was forgotten counts as booked", "[quoting][X4]") {
  TradeIdSet ids;
  CHECK_FALSE(ids.Contains(VenueTradeId(5)));
  for (int64_t i = 1; i <= static_cast<int64_t>(TradeIdSet::kCapacity); ++i) {
    ids.Insert(VenueTradeId(i * 2));
  }
  CHECK_FALSE(ids.Contains(VenueTradeId(3)));
  CHECK(ids.Contains(VenueTradeId(4)));
  ids.Insert(VenueTradeId(1'000'001));  // forgets 2
  CHECK(ids.Contains(VenueTradeId(2)));
  CHECK(ids.Contains(VenueTradeId(1)));
  CHECK_FALSE(ids.Contains(VenueTradeId(3)));
  CHECK(ids.newest() == VenueTradeId(1'000'001));
}

TEST_CASE("order table: keeps totals, finds by both ids, lets finished orders leave memory",
          "[quoting][X5]") {
  OrderTable table(TestInstrument());
  TrackedOrder& buy = table.Insert(MakeOrder(1, Side::kBuy, 100'000, 50));
  table.Insert(MakeOrder(2, Side::kSell, 200'000, 70));
  CHECK(table.live_buy().lots() == 50);
  CHECK(table.live_sell().lots() == 70);
  CHECK(table.SetVenueId(buy, VenueOrderId(11)));
  CHECK(table.SetVenueId(buy, VenueOrderId(11)));
  CHECK_FALSE(table.SetVenueId(buy, VenueOrderId(12)));
  CHECK_FALSE(table.SetVenueId(*table.Find(OrderNumber(2)), VenueOrderId(11)));
  CHECK(table.Find(VenueOrderId(11)) == &buy);
  CHECK(table.Find(VenueOrderId()) == nullptr);
  {
    OrderTable::Change change(table, buy);
    buy.order.filled = Quantity::FromLots(20);
  }
  CHECK(table.live_buy().lots() == 30);
  {
    OrderTable::Change change(table, buy);
    buy.order.state = OrderState::kCanceled;
  }
  CHECK(table.live_buy().is_zero());
  CHECK(table.live_count() == 1);
  CHECK(table.Find(OrderNumber(1)) == &buy);  // a late fill has to find it
  table.CheckInvariants();
}

TEST_CASE("order table: bounded; only recorded finished orders are evicted", "[quoting]") {
  OrderTable table(TestInstrument());
  uint64_t number = 0;
  for (size_t i = 0; i < OrderTable::kCapacity; ++i) {
    REQUIRE(table.CanInsert());
    table.Insert(MakeOrder(++number, Side::kBuy, 100, 1));
  }
  CHECK_FALSE(table.CanInsert());
  TrackedOrder* first = table.Find(OrderNumber(1));
  {
    OrderTable::Change change(table, *first);
    first->order.state = OrderState::kFilled;
  }
  CHECK_FALSE(table.CanInsert());  // its end is not recorded yet
  while (table.FirstDirty() != nullptr) table.PopDirty();
  CHECK(table.CanInsert());
  table.Insert(MakeOrder(++number, Side::kBuy, 100, 1));
  CHECK(table.Find(OrderNumber(1)) == nullptr);
  table.CheckInvariants();
}

TEST_CASE("order table: random life of orders keeps every total", "[quoting]") {
  OrderTable table(TestInstrument());
  Prng prng(GENERATE(11, 12, 13));
  uint64_t number = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (table.live_count() < 300 && prng.Chance(1, 2)) {
      table.Insert(MakeOrder(++number, prng.Chance(1, 2) ? Side::kBuy : Side::kSell,
                             prng.Between(1, 1'000'000), prng.Between(1, 1000)));
    } else if (table.live_count() > 0) {
      TrackedOrder& tracked =
          table.at(table.live()[prng.Below(static_cast<uint64_t>(table.live_count()))]);
      OrderTable::Change change(table, tracked);
      tracked.order.filled = Quantity::FromLots(
          prng.Between(tracked.order.filled.lots(), tracked.order.quantity.lots()));
      if (prng.Chance(1, 3)) tracked.order.state = OrderState::kExpired;
    }
    if (prng.Chance(1, 5)) {
      while (table.FirstDirty() != nullptr) table.PopDirty();
    }
    if (i % 500 == 0) table.CheckInvariants();
  }
  table.CheckInvariants();
}

TEST_CASE("slots: every legal path of the table, with held cost to the last unit",
          "[quoting][G9]") {
  const Instrument instrument = TestInstrument();
  SlotBook slots;
  const SlotKey key = BuyKey(1000);
  REQUIRE(slots.OnEntryPlaced(key, Price::FromTicks(1000)));
  CHECK(slots.Find(key)->state == SlotState::kPending);
  REQUIRE(slots.OnEntryAccepted(key));
  CHECK(slots.Find(key)->state == SlotState::kLocked);
  // 3 lots in two fills, a fee of 1 unit each.
  slots.OnFill(key, instrument, MakeFill(Side::kBuy, 1'000'000, 2, Decimal::FromUnits(1)));
  CHECK(slots.Find(key)->state == SlotState::kFilled);
  slots.OnFill(key, instrument, MakeFill(Side::kBuy, 1'000'000, 1, Decimal::FromUnits(1)));
  const Notional whole = instrument.NotionalOf(Price::FromTicks(1'000'000), Quantity::FromLots(3)) +
                         Decimal::FromUnits(2);
  CHECK(slots.Find(key)->held_cost == whole);
  CHECK(slots.filled_count() == 1);
  // Out in two parts; nothing is left over.
  auto result = slots.OnFill(ExitOf(key), instrument, MakeFill(Side::kSell, 1'000'100, 1));
  CHECK_FALSE(result.is_closed);
  CHECK(slots.Find(key)->held.lots() == 2);
  result = slots.OnFill(ExitOf(key), instrument, MakeFill(Side::kSell, 1'000'100, 2));
  CHECK(result.is_closed);
  CHECK(result.slot.held_cost.is_zero());
  CHECK(slots.Find(key) == nullptr);
  slots.CheckInvariants();
}

TEST_CASE("slots: an exit beyond what is held closes it and says what is left", "[quoting][G9]") {
  SlotBook slots;
  slots.OnFill(BuyKey(1), TestInstrument(), MakeFill(Side::kBuy, 1000, 5));
  const auto result =
      slots.OnFill(ExitOf(BuyKey(1)), TestInstrument(), MakeFill(Side::kSell, 1001, 7));
  CHECK(result.is_closed);
  CHECK_FALSE(result.is_legal);
  CHECK(result.unallocated.lots() == 2);
  const auto nothing =
      slots.OnFill(ExitOf(BuyKey(1)), TestInstrument(), MakeFill(Side::kSell, 1001, 7));
  CHECK(nothing.unallocated.lots() == 7);
  slots.CheckInvariants();
}

TEST_CASE("slots: post-only rejects in a row outlive the free state and end with an accept",
          "[quoting][G9]") {
  SlotBook slots;
  for (int i = 1; i <= 3; ++i) {
    REQUIRE(slots.OnEntryPlaced(BuyKey(1), Price::FromTicks(10)));
    slots.CountPostOnlyReject(BuyKey(1));
    REQUIRE(slots.OnEntryEnded(BuyKey(1)));
    REQUIRE(slots.Find(BuyKey(1)) != nullptr);
    CHECK(slots.Find(BuyKey(1))->post_only_reject_count == i);
  }
  REQUIRE(slots.OnEntryPlaced(BuyKey(1), Price::FromTicks(10)));
  REQUIRE(slots.OnEntryAccepted(BuyKey(1)));
  CHECK(slots.Find(BuyKey(1))->post_only_reject_count == 0);
  REQUIRE(slots.OnEntryEnded(BuyKey(1)));
  CHECK(slots.Find(BuyKey(1)) == nullptr);
}

TEST_CASE("slots: bounded, and a full book refuses new ones", "[quoting]") {
  SlotBook slots;
  for (int32_t i = 0; i < kMaxSlots; ++i) {
    REQUIRE(slots.OnEntryPlaced(BuyKey(i), Price::FromTicks(i + 1)));
  }
  CHECK_FALSE(slots.HasRoomFor(BuyKey(kMaxSlots)));
  CHECK_FALSE(slots.OnEntryPlaced(BuyKey(kMaxSlots), Price::FromTicks(1)));
  CHECK(slots.HasRoomFor(BuyKey(3)));
  const auto result =
      slots.OnFill(BuyKey(kMaxSlots), TestInstrument(), MakeFill(Side::kBuy, 1000, 5));
  CHECK(result.unallocated.lots() == 5);
  for (int32_t i = 0; i < kMaxSlots; i += 2) REQUIRE(slots.OnEntryEnded(BuyKey(i)));
  slots.CheckInvariants();
  CHECK(slots.HasRoomFor(BuyKey(kMaxSlots)));
}

// The rules of the difference, written the slow way.
struct PlainDifference {
  std::set<uint32_t> cancels;
  std::set<int64_t> placements;  // packed keys
};
PlainDifference PlainlyCompute(const TargetState& target, const OrderTable& orders,
                               int64_t tolerance) {
  PlainDifference result;
  for (const TargetOrder& wanted : target.orders) {
    bool is_served = false;
    bool is_blocked = false;
    for (uint32_t position : orders.live()) {
      const TrackedOrder& tracked = orders.at(position);
      if (tracked.order.slot_key != wanted.key.Packed()) continue;
      is_blocked = true;
      if (!tracked.is_resting()) continue;
      if (Serves(tracked, wanted, tolerance) && !is_served) {
        is_served = true;
      } else {
        result.cancels.insert(position);
      }
    }
    if (!is_blocked) result.placements.insert(wanted.key.Packed());
  }
  for (uint32_t position : orders.live()) {
    const TrackedOrder& tracked = orders.at(position);
    const bool is_wanted = std::any_of(
        target.orders.begin(), target.orders.end(),
        [&](const TargetOrder& wanted) { return wanted.key.Packed() == tracked.order.slot_key; });
    if (!is_wanted && tracked.is_resting()) result.cancels.insert(position);
  }
  return result;
}

TEST_CASE("difference: equals the plain rules on random targets and orders", "[quoting]") {
  Prng prng(GENERATE(21, 22, 23, 24));
  Difference difference;
  constexpr OrderState kStates[] = {OrderState::kInFlight, OrderState::kUnknown,
                                    OrderState::kWorking, OrderState::kPartiallyFilled,
                                    OrderState::kPendingCancel};
  for (int round = 0; round < 300; ++round) {
    OrderTable orders(TestInstrument());
    TargetState target;
    std::set<int64_t> used;
    for (int i = 0; i < 20; ++i) {
      const SlotKey key = BuyKey(static_cast<int32_t>(prng.Below(15)));
      if (!used.insert(key.Packed()).second) continue;
      target.orders.push_back(Want(key, prng.Between(100, 110), prng.Between(1, 2)));
    }
    for (uint64_t i = 0; i < prng.Below(12); ++i) {
      Order order = MakeOrder(i + 1, Side::kBuy, prng.Between(100, 110), prng.Between(1, 2));
      order.slot_key = BuyKey(static_cast<int32_t>(i)).Packed();  // one order a key
      order.state = kStates[prng.Below(5)];
      orders.Insert(order);
    }
    const int64_t tolerance = prng.Between(0, 3);
    difference.Compute(target, orders, tolerance);
    const PlainDifference plain = PlainlyCompute(target, orders, tolerance);
    std::set<uint32_t> cancels;
    for (const uint32_t position : difference.cancels()) cancels.insert(position);
    std::set<int64_t> placements;
    int64_t last_distance = 0;
    for (const uint32_t index : difference.PlacementsNearestFirst(target, Price::FromTicks(210))) {
      placements.insert(target.orders[index].key.Packed());
      const int64_t distance = std::llabs(target.orders[index].price.ticks() * 2 - 210);
      REQUIRE(distance >= last_distance);  // nearest first
      last_distance = distance;
    }
    REQUIRE(cancels == plain.cancels);
    REQUIRE(placements == plain.placements);
  }
}

TEST_CASE("cooldown: keeps a key back and counts a denial once", "[quoting]") {
  KeyCooldown cooldown;
  CHECK(cooldown.Until(BuyKey(1), 5) == 0);
  cooldown.Set(BuyKey(1), 100);
  CHECK(cooldown.Until(BuyKey(1), 99) == 100);
  CHECK(cooldown.Until(BuyKey(1), 100) == 0);
  CHECK(cooldown.NoteDenied(BuyKey(2), DenyReason::kEdge, 1));
  CHECK_FALSE(cooldown.NoteDenied(BuyKey(2), DenyReason::kEdge, 2));
  CHECK(cooldown.NoteDenied(BuyKey(2), DenyReason::kBalance, 3));
  CHECK(cooldown.NoteDenied(BuyKey(2), DenyReason::kBalance, 3 + kNanosPerSecond));
}

TEST_CASE("options: out of range names the field, the value and the range", "[quoting]") {
  CHECK(Validate(QuotingOptions()).ok());
  QuotingOptions options;
  options.max_intents_per_turn = 0;
  CHECK(Validate(options).message() ==
        "quoting option out of range: max_intents_per_turn=0 expected=1..1024");
  options = QuotingOptions();
  options.cancel_retry_ns_max = options.cancel_retry_ns - 1;
  CHECK_FALSE(Validate(options).ok());
  options = QuotingOptions();
  options.atr_baseline_bars = options.atr_period - 1;
  CHECK_FALSE(Validate(options).ok());
  options = QuotingOptions();
  options.wallet_tolerance = Decimal::FromInteger(-1);
  CHECK_FALSE(Validate(options).ok());
}

}  // namespace
}  // namespace holdfast::testing
