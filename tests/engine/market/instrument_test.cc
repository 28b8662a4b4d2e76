// Proves that prices and quantities only exist on the venue's grid and that the static filters
// accept and refuse at their exact limits. Example instrument: BTCUSDT as the venue states it.

#include "engine/market/instrument.h"

#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "engine/base/prng.h"

namespace holdfast {
namespace {

using namespace literals;

Instrument MakeInstrument() {
  Instrument instrument;
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = 0.01_dec;
  instrument.lot_size = 0.00001_dec;
  instrument.min_price = Price::FromTicks(1);
  instrument.max_price = Price::FromTicks(100'000'000);
  instrument.min_quantity = Quantity::FromLots(1);
  instrument.max_quantity = Quantity::FromLots(900'000'000);
  instrument.min_notional = 5_dec;
  instrument.max_order_count = 200;
  return instrument;
}

}  // namespace

TEST_CASE("instrument: a decimal is on the grid or refused", "[market][instrument]") {
  const Instrument instrument = MakeInstrument();
  REQUIRE(instrument.PriceFromDecimal(61837.63_dec).value() == Price::FromTicks(6'183'763));
  REQUIRE(instrument.QuantityFromDecimal(0.00123_dec).value() == Quantity::FromLots(123));
  CHECK(instrument.ToDecimal(Price::FromTicks(6'183'763)) == 61837.63_dec);
  CHECK(instrument.ToDecimal(Quantity::FromLots(-123)) == -0.00123_dec);

  const auto price = instrument.PriceFromDecimal(61837.635_dec);
  REQUIRE(price.status().code() == absl::StatusCode::kInvalidArgument);
  const std::string message(price.status().message());
  CHECK(message.find("symbol=BTCUSDT") != std::string::npos);
  CHECK(message.find("value=61837.635") != std::string::npos);
  CHECK(message.find("step=0.01") != std::string::npos);
  CHECK_FALSE(instrument.QuantityFromDecimal(0.000001_dec).ok());
}

TEST_CASE("instrument: rounding goes where its name says", "[market][instrument]") {
  const Instrument instrument = MakeInstrument();
  const auto ticks = [&](Decimal value, Rounding rounding) {
    return instrument.RoundPrice(value, rounding).ticks();
  };
  CHECK(ticks(1.014_dec, Rounding::kDown) == 101);
  CHECK(ticks(1.011_dec, Rounding::kUp) == 102);
  CHECK(ticks(1.015_dec, Rounding::kNearest) == 102);
  CHECK(ticks(1.01_dec, Rounding::kUp) == 101);
  CHECK(ticks(-1.011_dec, Rounding::kDown) == -102);
  CHECK(ticks(-1.019_dec, Rounding::kUp) == -101);
  CHECK(instrument.RoundQuantity(0.000019_dec, Rounding::kDown).lots() == 1);
  CHECK(instrument.RoundQuantity(0.000011_dec, Rounding::kUp).lots() == 2);
}

TEST_CASE("instrument: the notional is exact", "[market][instrument]") {
  const Instrument instrument = MakeInstrument();
  CHECK(instrument.NotionalOf(Price::FromTicks(6'183'763), Quantity::FromLots(123)) ==
        76.0602849_dec);
  CHECK(instrument.NotionalOf(Price::FromTicks(6'183'763), Quantity::FromLots(-123)) ==
        -76.0602849_dec);
  // A grid finer than 10^-8 in the product rounds to nearest.
  Instrument fine = instrument;
  fine.tick_size = 0.00001_dec;
  fine.lot_size = 0.0001_dec;
  CHECK(fine.NotionalOf(Price::FromTicks(1), Quantity::FromLots(5)) == 0.00000001_dec);
  CHECK(fine.NotionalOf(Price::FromTicks(1), Quantity::FromLots(4)).is_zero());
  CHECK(fine.NotionalOf(Price::FromTicks(1), Quantity::FromLots(-5)) == -0.00000001_dec);
}

TEST_CASE("instrument: the smallest quantity at a price is the smallest that passes",
          "[market][instrument]") {
  Instrument instrument = MakeInstrument();
  CHECK(instrument.MinQuantityAt(Price::FromTicks(6'000'000)) == Quantity::FromLots(9));
  CHECK(instrument.MinQuantityAt(Price::FromTicks(5'000'000)) == Quantity::FromLots(10));
  instrument.min_quantity = Quantity::FromLots(50);
  CHECK(instrument.MinQuantityAt(Price::FromTicks(6'000'000)) == Quantity::FromLots(50));
  instrument.min_quantity = Quantity();
  instrument.min_notional = Notional();
  CHECK(instrument.MinQuantityAt(Price::FromTicks(6'000'000)) == Quantity::FromLots(1));

  const uint64_t seed = 20261121;
  INFO("seed " << seed);
  Prng prng(seed);
  for (int i = 0; i < 2000; ++i) {
    instrument.min_quantity = Quantity::FromLots(prng.Between(0, 100));
    instrument.min_notional = Notional::FromUnits(prng.Between(0, 100'000'000'000));
    instrument.max_quantity = Quantity();
    const Price price = Price::FromTicks(prng.Between(1, 100'000'000));
    const Quantity least = instrument.MinQuantityAt(price);
    REQUIRE_FALSE(instrument.Check(price, least).has_value());
    REQUIRE(instrument.Check(price, least - Quantity::FromLots(1)).has_value());
  }
}

TEST_CASE("instrument: each filter refuses just beyond its limit", "[market][instrument]") {
  using Violation = Instrument::Violation;
  Instrument instrument = MakeInstrument();
  const Price price = Price::FromTicks(6'000'000);
  const Quantity quantity = Quantity::FromLots(100);
  CHECK_FALSE(instrument.Check(price, quantity).has_value());

  CHECK(instrument.Check(Price::FromTicks(0), quantity) == Violation::kPriceRange);
  CHECK(instrument.Check(Price::FromTicks(-5), quantity) == Violation::kPriceRange);
  CHECK_FALSE(instrument.Check(instrument.max_price, quantity).has_value());
  CHECK(instrument.Check(instrument.max_price.PlusTicks(1), quantity) == Violation::kPriceRange);
  CHECK(instrument.Check(price, Quantity()) == Violation::kQuantityRange);
  CHECK(instrument.Check(price, Quantity::FromLots(-1)) == Violation::kQuantityRange);
  CHECK(instrument.Check(price, instrument.max_quantity + Quantity::FromLots(1)) ==
        Violation::kQuantityRange);
  CHECK(instrument.Check(price, Quantity::FromLots(8)) == Violation::kMinNotional);
  CHECK_FALSE(instrument.Check(price, Quantity::FromLots(9)).has_value());

  instrument.max_price = Price();
  instrument.max_quantity = Quantity();
  CHECK(instrument.Check(Price::FromTicks(INT64_MAX), quantity) == Violation::kPriceRange);
  CHECK(instrument.Check(price, Quantity::FromLots(INT64_MAX)) == Violation::kQuantityRange);

  for (const TradingStatus status : {TradingStatus::kCancelOnly, TradingStatus::kHalted}) {
    instrument.status = status;
    CHECK(instrument.Check(price, quantity) == Violation::kNotTrading);
  }
  CHECK(ToText(Violation::kMinNotional) == "min_notional");
  CHECK(ToText(TradingStatus::kCancelOnly) == "cancel_only");
}

TEST_CASE("instrument: senseless limits are refused with symbol and field",
          "[market][instrument]") {
  REQUIRE(Validate(MakeInstrument()).ok());
  struct Case {
    const char* field;
    std::function<void(Instrument&)> spoil;
  };
  const Case cases[] = {
      {"symbol", [](Instrument& i) { i.symbol = SymbolText(); }},
      {"base_asset", [](Instrument& i) { i.base_asset = AssetCode(); }},
      {"quote_asset", [](Instrument& i) { i.quote_asset = AssetCode(); }},
      {"quote_asset", [](Instrument& i) { i.quote_asset = i.base_asset; }},
      {"tick_size", [](Instrument& i) { i.tick_size = Decimal(); }},
      {"tick_size", [](Instrument& i) { i.tick_size = -0.01_dec; }},
      {"lot_size", [](Instrument& i) { i.lot_size = Decimal(); }},
      {"min_price", [](Instrument& i) { i.min_price = Price::FromTicks(-1); }},
      {"max_price",
       [](Instrument& i) {
         i.min_price = Price::FromTicks(10);
         i.max_price = Price::FromTicks(9);
       }},
      {"min_quantity", [](Instrument& i) { i.min_quantity = Quantity::FromLots(-1); }},
      {"max_quantity",
       [](Instrument& i) {
         i.min_quantity = Quantity::FromLots(10);
         i.max_quantity = Quantity::FromLots(9);
       }},
      {"min_notional", [](Instrument& i) { i.min_notional = -1_dec; }},
      {"max_order_count", [](Instrument& i) { i.max_order_count = -1; }},
      {"bid_multiplier", [](Instrument& i) { i.bid_multiplier_up = -1_dec; }},
      {"ask_multiplier",
       [](Instrument& i) {
         i.ask_multiplier_up = 0.5_dec;
         i.ask_multiplier_down = 2_dec;
       }},
  };
  for (const Case& bad : cases) {
    Instrument instrument = MakeInstrument();
    bad.spoil(instrument);
    const absl::Status status = Validate(instrument);
    INFO("field " << bad.field << " message " << status.message());
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    CHECK(std::string(status.message()).find("field=" + std::string(bad.field)) !=
          std::string::npos);
    if (!instrument.symbol.empty()) {
      CHECK(std::string(status.message()).find("symbol=BTCUSDT") != std::string::npos);
    }
  }
}

}  // namespace holdfast
