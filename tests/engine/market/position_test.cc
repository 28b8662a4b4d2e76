// Proves that a position's cost and profit are exact to the last unit: worked examples, and random
// fills against a plain reference that only adds up what was paid and received.

#include "engine/market/position.h"

#include <catch2/catch.hpp>

#include "engine/base/prng.h"

namespace holdfast {
namespace {

using namespace literals;

Instrument MakeInstrument(Decimal tick_size, Decimal lot_size) {
  Instrument instrument;
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = tick_size;
  instrument.lot_size = lot_size;
  return instrument;
}

Fill MakeFill(Side side, int64_t ticks, int64_t lots) {
  Fill fill;
  fill.side = side;
  fill.price = Price::FromTicks(ticks);
  fill.quantity = Quantity::FromLots(lots);
  return fill;
}

// Tick 1, lot 1: prices and quantities are plain numbers.
const Instrument kPlain = MakeInstrument(1_dec, 1_dec);

}  // namespace

TEST_CASE("position: buys average, a sell realizes against the average", "[market][position]") {
  Position position;
  position.Apply(kPlain, MakeFill(Side::kBuy, 100, 2));
  position.Apply(kPlain, MakeFill(Side::kBuy, 110, 2));
  CHECK(position.quantity() == Quantity::FromLots(4));
  CHECK(position.cost() == 420_dec);
  CHECK(position.AverageEntry(kPlain) == 105_dec);
  CHECK(position.UnrealizedPnl(kPlain, Price::FromTicks(120)) == 60_dec);

  position.Apply(kPlain, MakeFill(Side::kSell, 120, 1));
  CHECK(position.realized_pnl() == 15_dec);
  CHECK(position.cost() == 315_dec);
  CHECK(position.AverageEntry(kPlain) == 105_dec);
}

TEST_CASE("position: a short earns when the price falls", "[market][position]") {
  Position position;
  position.Apply(kPlain, MakeFill(Side::kSell, 100, 3));
  CHECK(position.quantity() == Quantity::FromLots(-3));
  CHECK(position.cost() == -300_dec);
  CHECK(position.AverageEntry(kPlain) == 100_dec);
  CHECK(position.UnrealizedPnl(kPlain, Price::FromTicks(90)) == 30_dec);
  position.Apply(kPlain, MakeFill(Side::kBuy, 90, 3));
  CHECK(position.realized_pnl() == 30_dec);
  CHECK(position.quantity().is_zero());
  CHECK(position.cost().is_zero());
  CHECK(position.AverageEntry(kPlain).is_zero());
}

TEST_CASE("position: a fill that crosses zero closes the whole and opens the rest",
          "[market][position]") {
  Position position;
  position.Apply(kPlain, MakeFill(Side::kBuy, 100, 2));
  position.Apply(kPlain, MakeFill(Side::kSell, 110, 5));
  CHECK(position.realized_pnl() == 20_dec);
  CHECK(position.quantity() == Quantity::FromLots(-3));
  CHECK(position.cost() == -330_dec);
  position.Apply(kPlain, MakeFill(Side::kBuy, 120, 4));
  CHECK(position.realized_pnl() == -10_dec);
  CHECK(position.quantity() == Quantity::FromLots(1));
  CHECK(position.cost() == 120_dec);
}

TEST_CASE("position: the remainder of an indivisible cost stays with what is held",
          "[market][position]") {
  // Three lots cost 100 units in all, 33 1/3 each.
  const Instrument fine = MakeInstrument(0.00000001_dec, 1_dec);
  for (const Side side : {Side::kBuy, Side::kSell}) {
    const int64_t sign = Sign(side);
    Position position = Position::Restore(Quantity::FromLots(3 * sign),
                                          Notional::FromUnits(100 * sign), Notional());
    position.Apply(fine, MakeFill(Opposite(side), 40, 1));
    CHECK(position.cost().units() == 67 * sign);
    CHECK(position.realized_pnl().units() == 7 * sign);
    position.Apply(fine, MakeFill(Opposite(side), 40, 1));
    CHECK(position.cost().units() == 34 * sign);
    CHECK(position.realized_pnl().units() == 14 * sign);
    position.Apply(fine, MakeFill(Opposite(side), 40, 1));
    CHECK(position.cost().is_zero());
    CHECK(position.realized_pnl().units() == 20 * sign);  // 120 - 100, nothing lost
  }
}

TEST_CASE("position: realized plus unrealized is what was received plus what is held",
          "[market][position]") {
  const uint64_t seed = 4711;
  INFO("seed " << seed);
  Prng prng(seed);
  const Instrument instruments[] = {kPlain, MakeInstrument(0.01_dec, 0.00001_dec),
                                    // Products finer than 10^-8: every value is rounded.
                                    MakeInstrument(0.00001_dec, 0.0001_dec),
                                    MakeInstrument(0.00003_dec, 0.00007_dec)};
  for (const Instrument& instrument : instruments) {
    Position position;
    Notional cash;  // received minus paid
    Quantity quantity;
    for (int i = 0; i < 5000; ++i) {
      const Side side = prng.Chance(1, 2) ? Side::kBuy : Side::kSell;
      const Fill fill = MakeFill(side, prng.Between(1, 10'000), prng.Between(1, 1000));
      const Position before = position;
      position.Apply(instrument, fill);

      cash -= instrument.NotionalOf(fill.price, fill.quantity) * Sign(side);
      quantity += fill.quantity * Sign(side);
      REQUIRE(position.quantity() == quantity);
      REQUIRE(position.realized_pnl() == cash + position.cost());
      const Price mark = Price::FromTicks(prng.Between(1, 10'000));
      REQUIRE(position.realized_pnl() + position.UnrealizedPnl(instrument, mark) ==
              cash + instrument.NotionalOf(mark, quantity));
      if (quantity.is_zero()) REQUIRE(position.cost().is_zero());
      // Adding to a position realizes nothing; reducing it does not move the rest's cost by more
      // than the rounding.
      if (before.quantity().is_zero() || before.quantity().is_positive() == (side == Side::kBuy)) {
        REQUIRE(position.realized_pnl() == before.realized_pnl());
      } else if (position.quantity().is_positive() == before.quantity().is_positive() &&
                 !position.quantity().is_zero()) {
        const __int128 exact = static_cast<__int128>(before.cost().units()) *
                               position.quantity().lots() / before.quantity().lots();
        const __int128 off = position.cost().units() - exact;
        REQUIRE(off >= -1);
        REQUIRE(off <= 1);
      }
    }
  }
}

TEST_CASE("position: a restored position goes on like the original", "[market][position]") {
  Position original;
  original.Apply(kPlain, MakeFill(Side::kBuy, 100, 3));
  original.Apply(kPlain, MakeFill(Side::kSell, 107, 1));
  Position restored =
      Position::Restore(original.quantity(), original.cost(), original.realized_pnl());
  CHECK(restored == original);
  original.Apply(kPlain, MakeFill(Side::kSell, 90, 7));
  restored.Apply(kPlain, MakeFill(Side::kSell, 90, 7));
  CHECK(restored == original);
}

}  // namespace holdfast
