// Proves that commissions in the base asset never leave the loop with an exit it cannot place: what
// a slot holds is what its entry really brought, what is left over joins the next entry, and the
// ledger agrees with the venue to the last unit.
#include <catch2/catch.hpp>

#include "engine/quoting/slot_book.h"
#include "fake_venue.h"

namespace holdfast::testing {
namespace {

constexpr int64_t kEntryTicks = World::kMid - 1000;
constexpr int64_t kExitTicks = World::kMid + 20'000;

Decimal Rate(int64_t units) { return Decimal::FromUnits(units); }

// A world that wants one long slot filled and, once it holds something, its exit.
struct LongOnly {
  explicit LongOnly(Decimal fee_rate, std::string_view fee_asset, int64_t order_lots)
      : rate(fee_rate), asset(fee_asset), lots(order_lots) {
    world.engine.balances["BTC"].first = Decimal();
    world.engine.balances["BNB"].first = Decimal::FromInteger(1);
    world.strategy.wanted = {Want(BuyKey(1), kEntryTicks, lots)};
    world.Begin();
  }

  const Slot* Held() {
    for (const Slot& slot : world.strategy.last_slots) {
      if (slot.held.is_positive()) return &slot;
    }
    return nullptr;
  }

  // As a venue that takes its commission out of what was received.
  void Fill(FakeEngine::VenueOrder& order, Quantity quantity) {
    const int64_t trade = world.engine.next_trade_id;
    world.engine.Execute(order, quantity);
    holdfast::Fill& fill = world.engine.fills.back();
    HF_ASSERT(fill.trade_id.value() == trade);
    const bool is_buy = fill.side == Side::kBuy;
    const std::string charged = !asset.empty() ? std::string(asset) : is_buy ? "BTC" : "USDT";
    const Decimal amount = charged == "BTC"
                               ? world.engine.instrument.ToDecimal(quantity)
                               : world.engine.instrument.NotionalOf(fill.price, quantity);
    fill.fee = Multiply(amount, rate, Rounding::kNearest);
    fill.fee_asset = AssetCode(charged);
    world.engine.balances[charged].first -= fill.fee;
    world.engine.TellOrder(order);
    world.engine.TellFill(fill);
    world.Turns(3);
  }

  bool HasOpen(SlotKey key) {
    for (const auto& [id, order] : world.engine.orders) {
      if (order.is_open() && order.intent.slot_key == key) return true;
    }
    return false;
  }

  // One entry and one exit of all that can be sold. False when one of them is not placed.
  bool RoundTrip() {
    world.strategy.wanted = {Want(BuyKey(1), kEntryTicks, lots)};
    world.Pass(3 * kNanosPerSecond);
    if (!HasOpen(BuyKey(1))) return false;
    Fill(world.engine.ByKey(BuyKey(1)), Quantity::FromLots(lots));
    world.strategy.wanted.clear();
    world.Tick();
    world.Turns(2);
    const Slot* slot = Held();
    if (slot == nullptr) return true;
    const Quantity least = world.engine.instrument.MinQuantityAt(Price::FromTicks(kExitTicks));
    if (slot->held < least) {
      world.Pass(11 * kNanosPerSecond);  // the clean-up
      return Held() == nullptr;
    }
    world.strategy.wanted = {Want(ExitOf(BuyKey(1)), kExitTicks, slot->held.lots())};
    world.Pass(3 * kNanosPerSecond);
    if (!HasOpen(ExitOf(BuyKey(1)))) return false;
    FakeEngine::VenueOrder& exit = world.engine.ByKey(ExitOf(BuyKey(1)));
    Fill(exit, exit.intent.quantity);
    world.strategy.wanted.clear();
    world.Pass(11 * kNanosPerSecond);
    return Held() == nullptr;
  }

  void CheckBooks() {
    Decimal bought;
    for (const holdfast::Fill& fill : world.engine.fills) {
      bought += world.engine.instrument.ToDecimal(fill.quantity) * Sign(fill.side);
    }
    CHECK(world.engine.instrument.ToDecimal(world.loop->position().quantity()) == bought);
    for (const auto& [name, amounts] : world.engine.balances) {
      INFO(name);
      CHECK(world.loop->ledger().Balance(LedgerAccount::kWallet, AssetCode(name)) ==
            amounts.first + amounts.second);
    }
    CHECK(world.counters().wallet_adjustments == 0);
    CHECK(world.counters().illegal_transitions == 0);
  }

  World world;
  Decimal rate;
  std::string_view asset;  // empty: what was received
  int64_t lots;
};

TEST_CASE("fees: an account without inventory never gets stuck on base commissions",
          "[quoting][X4]") {
  const int64_t lots = GENERATE(11, 12, 37, 1000);
  const int64_t rate = GENERATE(100'000, 75'000);  // 0.1 % and 0.075 %
  INFO("lots=" << lots << " rate=" << rate);
  LongOnly bench(Rate(rate), "", lots);
  for (int i = 0; i < 25; ++i) {
    INFO("round " << i);
    REQUIRE(bench.RoundTrip());
  }
  bench.CheckBooks();
  // Whatever is left is less than two orders, not a growing phantom.
  CHECK(bench.world.strategy.last_inventory.position.lots() <= 2 * lots);
  CHECK(bench.world.strategy.last_inventory.position.lots() >= 0);
}

TEST_CASE("fees: a slot with too little to sell is given up, and the next entry takes it along",
          "[quoting][X4]") {
  LongOnly bench(Decimal(), "USDT", 20);
  bench.world.Pass(3 * kNanosPerSecond);
  REQUIRE(bench.HasOpen(BuyKey(1)));
  bench.Fill(bench.world.engine.ByKey(BuyKey(1)), Quantity::FromLots(3));
  // Nobody wants the rest of the entry: it is canceled, three lots stay.
  bench.world.strategy.wanted.clear();
  bench.world.Pass(3 * kNanosPerSecond);
  REQUIRE_FALSE(bench.HasOpen(BuyKey(1)));
  bench.world.Pass(11 * kNanosPerSecond);  // the clean-up
  bench.world.Tick();
  bench.world.Turns(2);
  CHECK(bench.Held() == nullptr);
  CHECK(bench.world.loop->position().quantity().lots() == 3);
  bench.world.strategy.wanted = {Want(BuyKey(2), kEntryTicks, 20)};
  bench.world.Pass(3 * kNanosPerSecond);
  REQUIRE(bench.HasOpen(BuyKey(2)));
  bench.Fill(bench.world.engine.ByKey(BuyKey(2)), Quantity::FromLots(20));
  bench.world.Tick();
  bench.world.Turns(2);
  REQUIRE(bench.Held() != nullptr);
  CHECK(bench.Held()->line == 2);
  CHECK(bench.Held()->held.lots() == 23);
  bench.CheckBooks();
}

TEST_CASE("fees: rebates and commissions in a third or in the quote asset change no slot",
          "[quoting][X4]") {
  const std::string_view asset = GENERATE("BNB", "USDT");
  LongOnly bench(Rate(100'000), asset, 20);
  for (int i = 0; i < 5; ++i) REQUIRE(bench.RoundTrip());
  bench.CheckBooks();
  CHECK(bench.world.strategy.last_inventory.position.is_zero());
  CHECK(bench.world.loop->position().quantity().is_zero());
}

TEST_CASE("fees: a rebate in the base asset is sold with a later exit", "[quoting][X4]") {
  LongOnly bench(Rate(-5'000'000), "", 20);  // -5 %: a lot each time
  for (int i = 0; i < 10; ++i) REQUIRE(bench.RoundTrip());
  bench.CheckBooks();
  CHECK(bench.world.strategy.last_inventory.position.Absolute().lots() <= 1);
}

TEST_CASE("fees: commissions in the base asset on both sides are covered", "[quoting][X4]") {
  LongOnly bench(Rate(100'000), "BTC", 40);
  for (int i = 0; i < 25; ++i) REQUIRE(bench.RoundTrip());
  bench.CheckBooks();
  CHECK(bench.world.strategy.last_inventory.position.lots() >= 0);
}

Fill FillOf(int64_t id, Side side, int64_t ticks, int64_t lots, Decimal fee) {
  Fill fill;
  fill.trade_id = VenueTradeId(id);
  fill.side = side;
  fill.price = Price::FromTicks(ticks);
  fill.quantity = Quantity::FromLots(lots);
  fill.fee = fee;
  fill.fee_asset = AssetCode("BTC");
  return fill;
}

TEST_CASE("slot book: the rest carries its share of the cost", "[quoting][X4]") {
  const Instrument instrument = TestInstrument();
  SlotBook book;
  // 10 lots of 1,000 units bought at 50,000; a tenth of a lot is the commission.
  REQUIRE(book.OnEntryPlaced(BuyKey(1), Price::FromTicks(World::kMid)));
  book.OnFill(BuyKey(1), instrument,
              FillOf(1, Side::kBuy, World::kMid, 10, Decimal::FromUnits(100)));
  const Slot slot = *book.Find(BuyKey(1));
  CHECK(slot.held.lots() == 9);
  CHECK(book.rest().base == Decimal::FromUnits(900));
  const Notional paid =
      instrument.NotionalOf(Price::FromTicks(World::kMid), Quantity::FromLots(10));
  CHECK(slot.held_cost + book.rest().cost == paid);
  // A lot costs what was paid for what came, commission included.
  CHECK(slot.held_cost.units() == (paid.units() * 9'000 + 4'950) / 9'900);
  book.OnFill(BuyKey(2), instrument,
              FillOf(2, Side::kBuy, World::kMid, 10, Decimal::FromUnits(100)));
  CHECK(book.Find(BuyKey(2))->held.lots() == 10);
  CHECK(book.rest().base == Decimal::FromUnits(800));
  book.CheckInvariants();
}

TEST_CASE("slot book: a short owes its commissions in the base asset", "[quoting][X4]") {
  const Instrument instrument = TestInstrument();
  SlotBook book;
  book.OnFill(SellKey(1), instrument, FillOf(1, Side::kSell, World::kMid, 10, Decimal()));
  CHECK(book.Find(SellKey(1))->held.lots() == 10);
  const SlotBook::FillResult closed =
      book.OnFill(ExitOf(SellKey(1)), instrument,
                  FillOf(2, Side::kBuy, World::kMid, 10, Decimal::FromUnits(1'500)));
  CHECK(closed.is_closed);
  CHECK(book.rest().base == Decimal::FromUnits(-1'500));
  book.OnFill(SellKey(1), instrument, FillOf(3, Side::kSell, World::kMid, 10, Decimal()));
  CHECK(book.Find(SellKey(1))->held.lots() == 11);
  CHECK(book.rest().base == Decimal::FromUnits(-500));
}

TEST_CASE("slot book: an entry that brings less than a lot holds nothing yet", "[quoting][X4]") {
  const Instrument instrument = TestInstrument();
  SlotBook book;
  REQUIRE(book.OnEntryPlaced(BuyKey(1), Price::FromTicks(World::kMid)));
  const SlotBook::FillResult first = book.OnFill(
      BuyKey(1), instrument, FillOf(1, Side::kBuy, World::kMid, 1, Decimal::FromUnits(1)));
  CHECK(first.is_legal);
  CHECK(first.slot.state == SlotState::kPending);
  book.CheckInvariants();
  REQUIRE(book.OnEntryEnded(BuyKey(1)));
  CHECK(book.slots().empty());
  CHECK(book.rest().base == Decimal::FromUnits(999));
}

TEST_CASE("slot book: what is too little to sell joins the next entry", "[quoting][X4]") {
  const Instrument instrument = TestInstrument();
  SlotBook book;
  book.OnFill(BuyKey(1), instrument, FillOf(1, Side::kBuy, World::kMid, 3, Decimal()));
  REQUIRE(book.ReleaseToRest(BuyKey(1), instrument));
  CHECK(book.slots().empty());
  CHECK(book.filled_count() == 0);
  CHECK_FALSE(book.ReleaseToRest(BuyKey(1), instrument));
  book.OnFill(BuyKey(2), instrument, FillOf(2, Side::kBuy, World::kMid, 10, Decimal()));
  CHECK(book.Find(BuyKey(2))->held.lots() == 13);
  CHECK(book.rest() == SlotRest{});
}

}  // namespace
}  // namespace holdfast::testing
